"""What a run of a folder gave: every frame in whatever state it ended, and the combined frame."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from zeroframe.fragments import verdict_html

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from zeroframe.clipping import Clipping
    from zeroframe.excess import Excess
    from zeroframe.frame_quality import Flag
    from zeroframe.frames import FrameOutcome
    from zeroframe.quality import StackNoise
    from zeroframe.readback import FolderCheck

__all__ = ["BiasResult", "CombinedOutcome"]


@dataclass(frozen=True, slots=True)
class CombinedOutcome:
    """How a combination ended.

    Attributes
    ----------
    target : pathlib.Path
        What is written.
    state : {'done', 'skipped', 'failed'}
        ``reason`` says why it is not done; what is skipped is there and right.
    frames : int
        How many were combined.
    bytes_out : int
        Size of the file.
    shape_yx : tuple of int
        Of the combined frame.
    level : float
        Its mean level, outliers left out.
    noise : StackNoise or None
        What was measured.
    rejected : int
        How many values took no part.
    left_out : tuple of str
        One sentence for each frame that was meant to take part and did not.
    clipping : Clipping or None
        What was rejected, and how.
    excess : Excess or None
        The noise against one frame's over the root of their number, and what remains where it is more.
    flags : tuple of Flag
        Frames that do not seem to belong and were combined all the same; of a folder of biases they stand in the
        `BiasResult`.
    outliers : tuple of Flag
        Frames that were left out for that, as was asked for.
    key : str or None
        Of the job, from `zeroframe.provenance.combine_key`.
    crc32 : int
        Of the file.
    sources : tuple of str
        Names of the frames that were combined.
    """

    target: Path
    state: Literal["done", "skipped", "failed"]
    reason: str = ""
    frames: int = 0
    bytes_out: int = 0
    shape_yx: tuple[int, int] = (0, 0)
    level: float = float("nan")
    noise: StackNoise | None = None
    rejected: int = 0
    left_out: tuple[str, ...] = ()
    clipping: Clipping | None = None
    excess: Excess | None = None
    flags: tuple[Flag, ...] = ()
    outliers: tuple[Flag, ...] = ()
    key: str | None = None
    crc32: int = 0
    sources: tuple[str, ...] = ()

    @property
    def is_there(self) -> bool:
        """Whether the combined frame is there and right, made now or before."""
        return self.state in {"done", "skipped"}

    @property
    def is_good(self) -> bool:
        """Whether it is there, of all frames, and none of them seems not to belong."""
        return self.is_there and not self.left_out and not self.flags


@dataclass(frozen=True, slots=True)
class BiasResult:
    """What a run did.

    Attributes
    ----------
    frames : tuple of FrameOutcome
        Every frame that ought to take part, in whatever state it ended.
    combined : CombinedOutcome or None
        None where it was not asked for.
    noise : StackNoise or None
        Of the calibrated frames; None where there are not two.
    check : FolderCheck
        The calibrated frames as they were read back; the combined one stands in its problems only, and so does a
        run.json that could not be written.
    flags : tuple of Flag
        Frames that do not seem to belong to the others, whether they were left out or not.
    """

    frames: tuple[FrameOutcome, ...]
    combined: CombinedOutcome | None
    noise: StackNoise | None
    check: FolderCheck
    flags: tuple[Flag, ...] = ()

    @property
    def done(self) -> tuple[FrameOutcome, ...]:
        """The frames whose calibrated frame is there, made now or before."""
        return tuple(frame for frame in self.frames if frame.is_there)

    @property
    def skipped(self) -> tuple[FrameOutcome, ...]:
        """The frames that were there already."""
        return tuple(frame for frame in self.frames if frame.state == "skipped")

    @property
    def suspects(self) -> tuple[Flag, ...]:
        """Flags of the frames that were not left out."""
        kept = {frame.source for frame in self.frames if frame.state != "left out"}
        return tuple(flag for flag in self.flags if flag.path in kept)

    @property
    def is_good(self) -> bool:
        """Whether every frame was done and belongs or was left out, and the folder read back is as it should be."""
        combined = self.combined is None or self.combined.is_good
        whole = combined and not self.check.problems and len(self.done) == len(self.frames)
        return whole and not self.suspects

    def read_from(self, copies: Mapping[Path, Path]) -> BiasResult:
        """Return the same, with calibrated frames where copies of them are that are read more quickly."""
        frames = [
            frame if frame.target is None else replace(frame, target=copies.get(frame.target, frame.target))
            for frame in self.frames
        ]
        return replace(self, frames=tuple(frames))

    def _repr_html_(self) -> str:
        """Return the verdict for a notebook."""
        said = [f"{len(self.done)} of {len(self.frames)} frames calibrated", *self.check.problems]
        said += [frame.reason for frame in self.frames if frame.state == "failed"]
        said += [flag.sentence for flag in self.flags]
        return verdict_html(
            "good" if self.is_good else "bad", "All is well." if self.is_good else "Not all is well.", said
        )
