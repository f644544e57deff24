"""Pixels of calibrated frames from when they are made until they are combined: in memory, as far as there is room."""

from __future__ import annotations

from collections import Counter
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np

from zeroframe.io.decoding import decoded_float

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from zeroframe.night.jobs import Group, NightFrame

__all__ = ["KeptPixels", "image_bytes"]


def _form(frame: NightFrame) -> tuple[tuple[int, int], np.dtype[Any]]:
    """Return shape and dtype of the pixels of a calibrated frame."""
    return frame.shape_yx, decoded_float(frame.layout)


def image_bytes(frame: NightFrame) -> int:
    """Return how much memory the pixels of a calibrated frame take."""
    ny, nx = frame.shape_yx
    return int(ny * nx * decoded_float(frame.layout).itemsize)


class KeptPixels:
    """Pixels of frames, by the file that they are written to; whole groups or nothing of them.

    Memory of frames that have been combined is used for the next ones: fresh pages cost up to 90 ms a frame.

    Parameters
    ----------
    groups : sequence of Group
        What is combined in this run.
    room_bytes : int
        How much memory they may take.
    """

    def __init__(self, groups: Sequence[Group], room_bytes: int) -> None:
        self._room = room_bytes
        self._to_come = Counter(_form(frame) for group in groups for frame in group.frames)
        self._lock = Lock()
        self._claims: dict[str, int] = {}
        self._kept: dict[Path, NDArray[Any]] = {}
        self._spare: list[NDArray[Any]] = []

    def claim(self, group: Group) -> bool:
        """Tell whether the frames of a group are kept; decided when it is asked first."""
        with self._lock:
            if group.name not in self._claims:
                wanted = sum(map(image_bytes, group.frames))
                claimed = sum(self._claims.values()) + wanted
                self._claims[group.name] = wanted if claimed <= self._room else 0
                if claimed + sum(one.nbytes for one in self._spare) > self._room:
                    form = _form(group.frames[0])
                    self._spare = [one for one in self._spare if (one.shape, one.dtype) == form]
            return self._claims[group.name] > 0

    def memory(self, frame: NightFrame) -> NDArray[Any]:
        """Return memory for the pixels of a frame; what stands in it is of no use."""
        form = _form(frame)
        with self._lock:
            for place, one in enumerate(self._spare):
                if (one.shape, one.dtype) == form:
                    return self._spare.pop(place)
        return np.empty(*form)

    def put(self, target: Path, pixels: NDArray[Any]) -> None:
        """Keep the pixels of a frame."""
        with self._lock:
            self._kept[target] = pixels

    def of(self, group: Group) -> dict[Path, NDArray[Any]]:
        """Return the pixels of a group as far as they are kept, by the files of its frames."""
        with self._lock:
            return {frame.target: self._kept[frame.target] for frame in group.frames if frame.target in self._kept}

    def release(self, group: Group) -> None:
        """Let go of the pixels of a group; as much of their memory as the next ones need is for them."""
        with self._lock:
            self._claims.pop(group.name, None)  # none of its frames may have come so far
            self._to_come -= Counter(map(_form, group.frames))
            given = [self._kept.pop(frame.target) for frame in group.frames if frame.target in self._kept]
            self._spare += given
            there = Counter((one.shape, one.dtype) for one in self._kept.values())
            spare: list[NDArray[Any]] = []
            for one in self._spare:
                form = (one.shape, one.dtype)
                there[form] += 1
                if there[form] <= self._to_come[form]:
                    spare.append(one)
            self._spare = spare
