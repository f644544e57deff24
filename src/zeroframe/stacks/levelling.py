"""Frames whose levels wander between them, seen at one level: what is rejected is not to depend on that.

Without an overscan the level of a bias or a dark is another one in each frame. Where it wanders by several noises a
value 40 ADU above the others may be a hit, or the level of its frame: of 767 hits in three darks whose levels scattered
by ten noises 61 stayed. And a pixel that lost a value had the level of the other frames, which no other pixel has.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from zeroframe.frames.medians import median_of_valid
from zeroframe.headers.kinds import is_calibration, is_scaled_by_level
from zeroframe.kernels.stack import MAD_TO_SIGMA
from zeroframe.records import dataclass
from zeroframe.stacks.stack import StackView

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from zeroframe.headers.kinds import Kind
    from zeroframe.stacks.clipping import ClipSpread
    from zeroframe.stacks.combine import CombineSpec
    from zeroframe.stacks.stack import Stack

__all__ = ["LevelledStack", "has_added_level", "level_offsets", "level_scatter"]

#: Levels that are no farther apart, in noises of a frame, change nothing that is rejected; they stay to the bit.
_APART = 1.0


@dataclass(frozen=True)
class LevelledStack(StackView):
    """A stack of which something is added to each frame.

    Attributes
    ----------
    offsets : tuple of float
        One for each frame.
    """

    offsets: tuple[float, ...]

    def read_rows(self, index: int, rows: slice, out: NDArray[Any]) -> None:
        """Fill ``out`` with rows of one frame."""
        self.stack.read_rows(index, rows, out)
        out += out.dtype.type(self.offsets[index])

    @classmethod
    def of(cls, stack: Stack, offsets: Sequence[float]) -> Stack:
        """Return the frames with this added: the stack itself where there is nothing to add."""
        return cls(stack, tuple(offsets)) if offsets else stack


def has_added_level(kind: Kind | None) -> bool:
    """Say whether the level of frames of a kind is added to their pixels, as that of biases and darks is."""
    return is_calibration(kind) and not is_scaled_by_level(kind)


def level_scatter(levels: NDArray[np.float64]) -> float:
    """Return how levels of frames differ, as the MAD tells, which one odd frame does not raise.

    Examples
    --------
    >>> round(level_scatter(np.array([0.0, 1.0, 2.0, 90.0])), 2)
    1.48
    """
    return MAD_TO_SIGMA * float(median_of_valid(np.abs(levels - median_of_valid(levels)))) if levels.size else 0.0


def level_offsets(
    levels_adu: Sequence[float], noise_adu: float, spec: CombineSpec, spread: ClipSpread, *, kind: Kind | None = None
) -> tuple[float, ...]:
    """Return what is added to frames so that values are held against each other at one level.

    That level is the one that the combined frame has without it: the mean (of a median, the median) of those that
    clipping by the noise and by how levels differ would not reject as a whole.

    Parameters
    ----------
    levels_adu : sequence of float
        Of the frames.
    noise_adu : float
        Of a pixel of one of them.
    spec : CombineSpec
        How they are combined.
    spread : {'noise', 'mad', 'std', 'ccd'}
        What deviations are counted in; of 'mad' and 'std' frames are combined as they are.
    kind : Kind, optional
        What the frames are: biases and darks have a level that is added; that of others is light.

    Returns
    -------
    tuple of float
        Empty where frames stay as they are.

    Examples
    --------
    >>> from zeroframe.headers.kinds import Kind
    >>> from zeroframe.stacks.clipping import clip_spec
    >>> how = clip_spec("average", 5.0)
    >>> level_offsets([300.0, 340.0, 320.0], 4.0, how, "noise", kind=Kind.DARK)
    (20.0, -20.0, 0.0)
    >>> level_offsets([300.0, 301.0, 302.0], 4.0, how, "noise", kind=Kind.DARK)
    ()
    """
    if not has_added_level(kind) or not spec.rejection.clips or spread not in {"noise", "ccd"} or not noise_adu > 0:
        return ()
    levels = np.asarray(levels_adu, dtype=np.float64)
    known = levels[np.isfinite(levels)]
    if known.size < 2 or not np.ptp(known) > _APART * noise_adu:
        return ()
    middle = float(median_of_valid(known))
    if spec.method != "median":
        sigmas = max(abs(k) for k in (spec.rejection.sigma_low, spec.rejection.sigma_high) if k)
        reach = sigmas * float(np.hypot(noise_adu, level_scatter(known)))
        middle = float(known[np.abs(known - middle) <= reach].mean())
    return tuple(np.where(np.isfinite(levels), middle - levels, 0.0).tolist())
