"""How a combination ended."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from zeroframe.records import dataclass

if TYPE_CHECKING:
    from pathlib import Path

    from zeroframe.frames.quality import Flag
    from zeroframe.stacks.clipping import Clipping
    from zeroframe.stacks.noise import StackNoise
    from zeroframe.stacks.noise_budget import Excess

__all__ = ["CombinedOutcome"]


@dataclass(frozen=True, slots=True)
class CombinedOutcome:
    """How a combination ended.

    Attributes
    ----------
    target : pathlib.Path
        What is written.
    state : {'done', 'skipped', 'failed', 'not asked for'}
        ``reason`` says why it is not done; what is skipped is there and up to date.
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
        Frames that do not seem to belong and were combined all the same; of a group of a plan they stand in its
        `zeroframe.run.outcomes.GroupOutcome`.
    outliers : tuple of Flag
        Frames that were left out for that, as was asked for.
    key : str or None
        Of the job, from `zeroframe.planning.uses.group_key`.
    crc32 : int
        Of the file.
    sources : tuple of str
        Names of the frames that were combined.
    """

    target: Path
    state: Literal["done", "skipped", "failed", "not asked for"]
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
        """Whether the combined frame is there and up to date, made now or before."""
        return self.state in {"done", "skipped"}

    @property
    def is_good(self) -> bool:
        """Whether it is there, of all frames, and none of them seems not to belong."""
        return self.is_there and not self.left_out and not self.flags
