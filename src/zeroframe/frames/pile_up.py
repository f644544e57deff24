"""Where the values of a frame pile up at their top: the mark of a full well, amplifier or converter.

Light has photon noise, so that values near the top of a frame thin out upwards over a stretch as wide as that noise. A
limit cuts them off: what would lie above is heaped up within a step of the converter, or within the read noise where
the well is full. Such a heap is far narrower than the photon noise. Next to nothing lies above it, and little just
below.
"""

from __future__ import annotations

from dataclasses import replace
from math import sqrt
from typing import TYPE_CHECKING

import numpy as np

from zeroframe.records import dataclass

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from zeroframe.fits import ImageLayout

__all__ = ["LEAST_CONTRAST", "PileUp", "converter_top", "find_pile_up", "is_converter_top"]

#: A heap of one step: so many values at least, and so many times the fullest of as many steps below that hold any. A
#: converter's favourite codes are at most two or three times as full as others; a cylinder of light (the slit of a
#: spectrograph) heaps up to three times the values at its ridge.
_FEWEST_AT_ONE_STEP, _TIMES_BELOW, _STEPS_BELOW = 4, 4.0, 8
#: At a number of the form 2^n - 1, the top of a converter, two will do.
_FEWEST_AT_A_TOP = 2
#: A heap as wide as read noise: so many values, so many times what the same width holds on average in the three below.
_FEWEST_IN_A_HEAP, _TIMES_AVERAGE, _WIDTHS_BELOW = 10, 5.0, 3
#: Of what a heap holds, so much may lie above: hot pixels, and the tail of its noise.
_SHARE_ABOVE = 0.15
#: The narrowest heap that is looked for beside that of one step, in steps: data that were multiplied have gaps.
_NARROWEST = 4
#: A heap is no wider than so much of the photon noise: of a Gaussian, no part of that width holds more than 2.3 times
#: what the same width holds in the three below, with so little above.
_OF_PHOTON_NOISE = 1.5
#: One that is wider than this is not told from a column or a row with an offset, which has no photon noise either.
_LIKE_A_LINE = 0.8
#: Each width that is tried is so many times the one before.
_WIDER = 1.5
#: No pixel holds more electrons, so that the photon noise of a level is at least level / sqrt(this).
_LARGEST_WELL_E = 3e5
#: No camera has more read noise.
_LARGEST_READ_NOISE_E = 50.0
#: Of a frame that lies within its heap nearly as a whole, the values alone do not tell that it is cut off.
_LARGEST_SHARE = 0.9
#: Where the heap has thinned out to this fraction of its fullest, it ends.
_END_OF_HEAP = 0.03
#: It ends, too, where less than this of its fullest stands on light that thins out no more, as the ramp of a flat.
_PLATEAU, _NO_FALL, _FEWEST_OF_A_PLATEAU = 0.25, 0.8, 30
#: Steps above the usual level below which nothing is said: those are the tails of a bias.
LEAST_CONTRAST = 40


@dataclass(frozen=True, slots=True)
class PileUp:
    """A heap of values.

    Attributes
    ----------
    limit : float
        The lowest value that belongs to it.
    count : int
        How many values were counted in it.
    like_a_line : bool
        Whether it is so wide that a column or a row with an offset of its own looks alike.
    """

    limit: float
    count: int
    like_a_line: bool = False


def converter_top(layout: ImageLayout, step: float = 1.0) -> float | None:
    """Return the most that a file of 8 or 16 bits can hold, of values that are multiples of a step; None for others.

    Examples
    --------
    >>> from zeroframe.fits import ImageLayout
    >>> layout = ImageLayout(16, (2, 2), 1.0, 32768.0, None, 2880, tile_compressed=False)
    >>> converter_top(layout), converter_top(layout, 16.0)
    (65535.0, 65520.0)
    """
    if layout.bitpix not in {8, 16} or layout.bscale != 1.0:
        return None
    most = layout.bzero + (256.0 if layout.bitpix == 8 else 32768.0)
    shifted = step > 1 and step == int(step) and int(step).bit_count() == 1 and most % step == 0
    return most - (step if shifted else 1.0)


def find_pile_up(
    counts: NDArray[np.int64],
    least: float,
    step: float,
    level: float,
    *,
    all_counted: int,
    gain_e_per_adu: float | None = None,
    faint_noise: float | None = None,
) -> PileUp | None:
    """Tell whether the highest values of a frame are heaped up, and from where on.

    Parameters
    ----------
    counts : ndarray of int64, shape (n,)
        How many pixels have the values ``least``, ``least + step``, and so on, up to the highest of the frame.
    least, step : float
        In units of the raw frame.
    level : float
        The usual level of the frame without light: photon noise is counted from there.
    all_counted : int
        How many pixels the counts are of, those below ``least`` included.
    gain_e_per_adu : float, optional
        Where it is known.
    faint_noise : float, optional
        Noise of single pixels where the frame is faint, in units of the raw frame: where the gain is not known, it
        tells how large that can be.

    Returns
    -------
    PileUp or None

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> light = rng.normal(4000.0, 60.0, 100_000).round()
    >>> for top in (4095, 65535):
    ...     counts = np.bincount(np.minimum(light, top).astype(int))
    ...     found = find_pile_up(counts[2000:], 2000.0, 1.0, 100.0, all_counted=light.size)
    ...     print(found and (found.limit, bool(found.count == (light >= top).sum())))
    (4095.0, True)
    None
    """
    filled = np.flatnonzero(counts)
    if not filled.size:
        return None
    counts = counts[: filled[-1] + 1]
    top = least + step * filled[-1]
    if top - level < LEAST_CONTRAST * step:
        return None
    if gain_e_per_adu is None:
        gain_e_per_adu = _largest_gain(top - level, level, faint_noise)
    found = _at_one_step(counts, least, step) or _within_noise(counts, least, step, level, gain_e_per_adu)
    if found is None:
        return None
    if found.count > _LARGEST_SHARE * all_counted and not is_converter_top(top, step):
        return None
    return found


def is_converter_top(value: float, step: float) -> bool:
    """Say whether a value is the highest of a converter of 8 bits or more, be it shifted to multiples of a step.

    Examples
    --------
    >>> is_converter_top(4095, 1), is_converter_top(65520, 16), is_converter_top(40000, 1)
    (True, True, False)
    """
    above = (value + step) / step
    return above >= 256 and above == int(above) and int(above).bit_count() == 1


def _at_one_step(counts: NDArray[np.int64], least: float, step: float) -> PileUp | None:
    """Find a heap at a single value: the highest, or one with next to nothing above."""
    above = np.cumsum(counts[::-1])[::-1] - counts
    place = int(np.argmax(np.where(above <= _SHARE_ABOVE * counts, counts, 0)))
    here, value = int(counts[place]), least + step * place
    if here == 0:
        return None
    below = counts[:place]
    below = below[below > 0][-_STEPS_BELOW:]
    fullest = int(below.max()) if below.size else 0
    is_top = place == counts.size - 1 and is_converter_top(value, step)
    fewest, times = (_FEWEST_AT_A_TOP, 1.0) if is_top else (_FEWEST_AT_ONE_STEP, _TIMES_BELOW)
    enough = here >= fewest and here > times * fullest
    if not enough:
        return None
    return PileUp(value, here) if is_top else _whole_heap(counts, place, 1, least, step)


def _largest_gain(contrast: float, level: float, faint_noise: float | None) -> float:
    """Return the most e-/ADU that a camera can have.

    What is ``contrast`` above the faint part is no more than the largest well. Where the frame is faint, its noise is
    read noise and that of the light of ``level`` ADU at most: ``noise**2 <= (read_noise / gain)**2 + level / gain``.
    """
    of_well = _LARGEST_WELL_E / contrast
    if faint_noise is None or not faint_noise > 0.0:
        return of_well
    power, light = faint_noise**2, max(level, 0.0)
    return min(of_well, (light + sqrt(light**2 + 4.0 * power * _LARGEST_READ_NOISE_E**2)) / (2.0 * power))


def _within_noise(
    counts: NDArray[np.int64], least: float, step: float, level: float, gain_e_per_adu: float
) -> PileUp | None:
    """Find a heap that is as wide as read noise."""
    contrast = least + step * counts.size - level
    noise = sqrt(contrast / gain_e_per_adu)
    widest = _OF_PHOTON_NOISE * noise / step
    total = np.concatenate([[0], np.cumsum(counts)])
    width = _NARROWEST
    while width <= widest and counts.size >= (_WIDTHS_BELOW + 1) * width:
        first = np.arange(_WIDTHS_BELOW * width, counts.size - width + 1)
        inside = total[first + width] - total[first]
        above = total[-1] - total[first + width]
        average = (total[first] - total[first - _WIDTHS_BELOW * width]) / _WIDTHS_BELOW
        heaped = (inside >= _FEWEST_IN_A_HEAP) & (above <= _SHARE_ABOVE * inside)
        heaped &= inside > _TIMES_AVERAGE * (average + np.sqrt(average))
        if heaped.any():
            fullest = int(first[np.argmax(np.where(heaped, inside, 0))])
            heap = _whole_heap(counts, fullest, width, least, step)
            return replace(heap, like_a_line=width * step > _LIKE_A_LINE * noise)
        width = round(_WIDER * width)
    return None


def _whole_heap(counts: NDArray[np.int64], first: int, width: int, least: float, step: float) -> PileUp:
    """Follow a heap down to where it ends; ``first`` is where the fullest stretch of ``width`` steps begins."""
    bin_width = max(width // 2, 1)
    fullest = max(int(counts[at : at + bin_width].sum()) for at in range(first, first + width, bin_width))
    here = int(counts[first : first + bin_width].sum())
    while first >= bin_width:
        below = int(counts[first - bin_width : first].sum())
        is_plateau = _FEWEST_OF_A_PLATEAU <= below <= _PLATEAU * fullest and below >= _NO_FALL * here
        if is_plateau or below <= _END_OF_HEAP * fullest:
            break
        first, here = first - bin_width, below
    return PileUp(least + step * first, int(counts[first:].sum()))
