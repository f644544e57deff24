"""Pixels of calibrated frames from when they are made until they are combined: in memory where files are packed."""

from __future__ import annotations

from threading import Lock
from typing import TYPE_CHECKING, Any

from zeroframe.fits.decode import decoded_float

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from numpy.typing import NDArray

    from zeroframe.planning.plan import Group, NightFrame

__all__ = ["PixelCache", "image_bytes", "worth_keeping"]


def image_bytes(frame: NightFrame) -> int:
    """Return how much memory the pixels of a calibrated frame take."""
    ny, nx = frame.shape_yx
    return int(ny * nx * decoded_float(frame.layout).itemsize)


def worth_keeping(frames: Iterable[NightFrame]) -> bool:
    """Tell whether frames are to stay in memory until they are combined, where there is room.

    Those that are written plainly are read again in bands, from the memory in which the system has them anyway: 9 ms a
    frame of 34 MB, where fresh memory to keep it takes 10 to 90. Compressed ones would have to be inflated again.
    """
    return any(frame.compress != "none" for frame in frames)


class PixelCache:
    """Pixels of frames, by the file that they are written to; whole groups or nothing of them.

    Parameters
    ----------
    room_bytes : int
        How much memory they may take.
    """

    def __init__(self, room_bytes: int) -> None:
        self._room = room_bytes
        self._lock = Lock()
        self._claims: dict[str, int] = {}
        self._kept: dict[Path, NDArray[Any]] = {}

    def claim(self, group: Group) -> bool:
        """Tell whether the frames of a group are kept; decided when it is asked first."""
        with self._lock:
            if group.name not in self._claims:
                wanted = sum(map(image_bytes, group.frames)) if worth_keeping(group.frames) else 0
                self._claims[group.name] = wanted if sum(self._claims.values()) + wanted <= self._room else 0
            return self._claims[group.name] > 0

    def put(self, target: Path, pixels: NDArray[Any]) -> None:
        """Keep the pixels of a frame."""
        with self._lock:
            self._kept[target] = pixels

    def of(self, group: Group) -> dict[Path, NDArray[Any]]:
        """Return the pixels of a group as far as they are kept, by the files of its frames."""
        with self._lock:
            return {frame.target: self._kept[frame.target] for frame in group.frames if frame.target in self._kept}

    def release(self, group: Group) -> None:
        """Let go of the pixels of a group."""
        with self._lock:
            self._claims.pop(group.name, None)  # none of its frames may have come so far
            for frame in group.frames:
                self._kept.pop(frame.target, None)
