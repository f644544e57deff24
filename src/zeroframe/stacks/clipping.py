"""Clipping that knows the noise: how far a value may lie from the others before it is rejected, and how many do.

With few frames the spread of one pixel's values says little: of six values of a normal distribution the MAD is often a
fraction of sigma, of whole numbers it may be zero, and good values are rejected. The noise of the frames is known far
better, from millions of pixels, so the spread is never taken as smaller than that. It may well be larger: of a pixel
that is noisier than the others.
"""

from __future__ import annotations

from dataclasses import replace
from math import erfc, sqrt
from typing import TYPE_CHECKING, Literal

import numpy as np

from zeroframe.errors import UsageError, nearest_name
from zeroframe.frames.medians import distinct_of_valid, median_of_valid
from zeroframe.headers.kinds import has_photons, is_calibration, is_scaled_by_level
from zeroframe.kernels.stack import MAD_TO_SIGMA
from zeroframe.records import dataclass
from zeroframe.stacks.combine import CombineSpec, Method, Rejection
from zeroframe.stacks.levelling import level_scatter
from zeroframe.stacks.noise import frame_pairs

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from zeroframe.headers.kinds import Kind
    from zeroframe.stacks.noise import FrameNoise

__all__ = [
    "CLIP_SPREADS",
    "ClipSpread",
    "Clipping",
    "NoiseFloor",
    "clip_spec",
    "clip_spread_of",
    "gaussian_rate",
    "noise_floor",
    "with_floor",
]

ClipSpread = Literal["noise", "mad", "std", "ccd"]
#: What the words stand for.
CLIP_SPREADS: dict[ClipSpread, str] = {
    "noise": "1.4826 MAD, but no less than the noise of the frames; of up to five calibration frames that noise",
    "mad": "1.4826 MAD, as in the CCD reduction notebooks",
    "std": "standard deviation, as IRAF's sigclip",
    "ccd": "the noise of the frames alone, as IRAF's ccdclip",
}
#: Of fewer values none stands out by its distance from the others.
_FEWEST_FRAMES = 3
#: The MAD of so few values is often several sigma, and hits stay: 40 of 1,000 in three darks. The noise that was
#: measured decides alone, where frames hold nothing that moves or changes.
_FEW_FRAMES = 5
#: Of a noise below a quarter of a step five of its sigmas are less than a step: nothing would be left of it but the
#: step on which most values stand. One step off is usual, and so is a median that is one step off to the other side:
#: what is no further away than so many steps is not rejected.
_STEPS_KEPT = 2.5
#: Electrons of a hot pixel of which the gain is not known; of cameras that there are most have more of them in an ADU.
_CAREFUL_GAIN = 0.5
_DRAWS = 20_000
#: Of more than a thousand frames fewer pixels are drawn: the median and the MAD of so many values hardly scatter, and
#: the time would grow with each frame (4,000 of them: 9 s, and 2 GB).
_MOST_DRAWN = 20_000_000
#: So many numbers are drawn at once; of more only some at a time, in a few arrays, of which each thread has its own and
#: which no limit of memory counts: 1 MB each.
_DRAWN_AT_ONCE = 1 << 20
_DRAWN_AT_A_TIME = 1 << 17
_PIECE = 1 << 18


@dataclass(frozen=True, slots=True)
class NoiseFloor:
    """What a value may scatter by: the square is ``noise_adu ** 2 + photon_adu * (center - from_adu)``.

    Attributes
    ----------
    noise_adu : float
        Read noise, what the subtraction of row levels adds to it, and how frames differ in level.
    photon_adu : float
        1 / gain where the frames hold light or dark current, else 0.
    reason : str
        Where the figure comes from.
    from_adu : float
        The level at which ``noise_adu`` is all noise; what is brighter is noisier.
    alone : bool
        Whether this decides alone, because there are too few values for their own spread.
    step_adu : float
        Of numbers in steps that are wider than their noise: a value one step off is none that stands out. 0: of no
        account.
    """

    noise_adu: float
    photon_adu: float
    reason: str
    from_adu: float = 0.0
    alone: bool = False
    step_adu: float = 0.0


@dataclass(frozen=True, slots=True)
class Clipping:
    """What was rejected from a stack.

    Attributes
    ----------
    rejection : Rejection
        As it was applied, with the floor that was measured.
    spread : {'noise', 'mad', 'std', 'ccd'}
        What deviations were counted in.
    floor : NoiseFloor or None
        None where no noise was known, or none was asked for.
    rate : float or None
        The fraction of values that it rejects from a normal distribution of that noise; None where it cannot be told.
    values : int
        Pixels times frames.
    masked : tuple of int
        Values that were not finite, frame by frame.
    rejected : int
        Values that were rejected.
    pixels : int
        Pixels that lost a value or more, to rejection or to a mask.
    """

    rejection: Rejection
    spread: ClipSpread
    floor: NoiseFloor | None
    rate: float | None
    values: int = 0
    masked: tuple[int, ...] = ()
    rejected: int = 0
    pixels: int = 0

    @property
    def expected(self) -> float | None:
        """How many values a normal distribution of that noise would have had rejected."""
        return None if self.rate is None else self.rate * (self.values - sum(self.masked))

    def counted(self, frames: int, counts: NDArray[np.uint16], masked: Sequence[int]) -> Clipping:
        """Return the same with what was counted: values used of each pixel, and values masked of each frame."""
        values = frames * counts.size
        rejected = values - int(counts.sum(dtype=np.int64)) - sum(masked)
        flat = counts.reshape(-1)
        # in pieces, which stay in the cache and need no fresh memory
        touched = sum(
            int(np.count_nonzero(flat[start : start + _PIECE] < frames)) for start in range(0, flat.size, _PIECE)
        )
        return replace(self, values=values, masked=tuple(masked), rejected=rejected, pixels=touched)


def clip_spread_of(word: str) -> ClipSpread:
    """Return a word of `CLIP_SPREADS`; raise `UsageError` for another one.

    Examples
    --------
    >>> clip_spread_of("mda")
    Traceback (most recent call last):
    zeroframe.errors.UsageError: --clip-spread is 'mda', not one of noise, mad, std, ccd; did you mean 'mad'?
    """
    for known in CLIP_SPREADS:
        if known == word:
            return known
    words = ", ".join(CLIP_SPREADS)
    raise UsageError(f"--clip-spread is {word!r}, not one of {words}{nearest_name(word, CLIP_SPREADS)}")


def clip_spec(method: Method, clip: float, spread: ClipSpread = "noise") -> CombineSpec:
    """Return how frames are combined: clipped once about the median.

    Parameters
    ----------
    method : {'average', 'median', 'sum'}
        What is made of the values that are left.
    clip : float
        Reject what lies further than this many spreads from the median; 0: nothing.
    spread : {'noise', 'mad', 'std', 'ccd'}
        Which spread; the noise comes in when it has been measured, see `with_floor`.

    Raises
    ------
    UsageError
        When the number is negative.

    Examples
    --------
    >>> clip_spec("average", 5.0, "std").rejection.describe()
    'clip -5 +5 std about median'
    """
    if not clip >= 0:
        raise UsageError(f"--clip is {clip:g}; give a number of sigmas such as 5, or 0 to reject nothing")
    kind = "std" if spread == "std" else "mad_std"
    rejection = Rejection(sigma_low=clip, sigma_high=clip, spread=kind) if clip > 0 else Rejection()
    return CombineSpec(method, rejection)


def noise_floor(
    noise: FrameNoise | None,
    levels_adu: Sequence[float],
    *,
    kind: Kind | None = None,
    gain_e_per_adu: float | None = None,
    variances: Sequence[float] | None = None,
) -> NoiseFloor | None:
    """Return the noise that clipping may count on.

    Parameters
    ----------
    noise : FrameNoise or None
        What was measured; None of a single frame.
    levels_adu : sequence of float
        Levels of the frames. How they differ adds to the noise, as the MAD tells, which one odd frame does not raise.
    kind : Kind, optional
        What the frames are. Of biases the level says nothing about the noise.
    gain_e_per_adu : float, optional
        For darks, flats and light: brighter pixels are noisier by Poisson's law. The noise that was measured is kept at
        the mean level; where light of that gain would be noisier, the gain is not believed.
    variances : sequence of float, optional
        Of flats of unequal levels: those of the frames, over that of one of the usual level, which is what is returned.

    Returns
    -------
    NoiseFloor or None
        None where no noise was measured.

    Examples
    --------
    >>> from zeroframe.stacks.noise import FrameNoise
    >>> noise_floor(FrameNoise(4.0, 5.0, 5.0, 6), [0.0, 0.1, 0.2, 9.0]).reason
    'measured from 6 pairs of frames'
    """
    if noise is None or not np.isfinite(noise.typical) or noise.typical <= 0:
        return None
    levels = np.asarray(levels_adu, dtype=np.float64)
    levels = levels[np.isfinite(levels)]
    squares = noise.typical**2 + level_scatter(levels) ** 2
    reason = f"measured from {noise.pairs} pair{'' if noise.pairs == 1 else 's'} of frames"
    level = float(median_of_valid(levels)) if levels.size else 0.0
    if variances is not None:
        squares /= float(np.median([(variances[i] + variances[j]) / 2 for i, j in frame_pairs(len(variances))]))
    if variances is not None or (is_calibration(kind) and len(levels_adu) <= _FEW_FRAMES):
        photon = _photons_above(squares, level, kind, gain_e_per_adu)
        return NoiseFloor(sqrt(squares), photon, reason, level if photon else 0.0, alone=True, step_adu=noise.step)
    if has_photons(kind) and gain_e_per_adu and level > 0:
        photons = level / gain_e_per_adu
        if photons < squares:
            reason += f", photon noise by a gain of {gain_e_per_adu:g} e-/ADU"
            return NoiseFloor(sqrt(squares - photons), 1.0 / gain_e_per_adu, reason, step_adu=noise.step)
    return NoiseFloor(sqrt(squares), 0.0, reason, step_adu=noise.step)


def _photons_above(squares: float, level: float, kind: Kind | None, gain_e_per_adu: float | None) -> float:
    """Return the photon noise of what is brighter than the level at which a noise was measured, as its square per ADU.

    Of flats it is what was measured, as if all of it was photon noise; of darks, whose level tells nothing, that of the
    gain.
    """
    if not has_photons(kind):
        return 0.0
    if is_scaled_by_level(kind) and level > 0:
        return squares / level
    return 1.0 / (gain_e_per_adu or _CAREFUL_GAIN)


def with_floor(spec: CombineSpec, spread: ClipSpread, floor: NoiseFloor | None, frames: int) -> CombineSpec:
    """Return the same way to combine, with the noise that was measured.

    Parameters
    ----------
    spec : CombineSpec
        How frames are combined. A floor that it has already is never lowered.
    spread : {'noise', 'mad', 'std', 'ccd'}
        What deviations are counted in; for 'mad' and 'std' nothing is changed.
    floor : NoiseFloor or None
        None: nothing is changed.
    frames : int
        Of two the noise decides, where it may decide alone; elsewhere nothing is rejected of two values, which stand
        equally far from their median.

    Returns
    -------
    CombineSpec
    """
    rejection = spec.rejection
    if floor is None or not rejection.clips or spread not in {"noise", "ccd"}:
        return spec
    if frames < (2 if floor.alone else _FEWEST_FRAMES):
        return spec
    sides = [abs(k) for k in (rejection.sigma_low, rejection.sigma_high) if k]
    known = replace(
        rejection,
        spread="floor" if spread == "ccd" or floor.alone else rejection.spread,
        floor_adu=max(rejection.floor_adu, floor.noise_adu, _STEPS_KEPT * floor.step_adu / min(sides)),
        photon_adu=max(rejection.photon_adu, floor.photon_adu),
        photon_from_adu=floor.from_adu,
    )
    return replace(spec, rejection=known)


def gaussian_rate(
    frames: int, rejection: Rejection, noise_adu: float, *, whole_numbers: bool = True, level_adu: float = 0.0
) -> float | None:
    """Return the fraction of values that clipping rejects when all of them are good.

    Parameters
    ----------
    frames : int
        How many values a pixel has.
    rejection : Rejection
        How they are clipped; the first iteration counts.
    noise_adu : float
        Sigma of the normal distribution that they are drawn from.
    whole_numbers : bool
        Whether they are rounded to whole numbers before, as a converter does.
    level_adu : float
        Level of the frames, of which the rejection may know photon noise.

    Returns
    -------
    float or None
        None for a spread or a center that this cannot tell.

    Notes
    -----
    A value is rejected on the high side if and only if it lies above the median + k max(MAD, floor) of a sample where
    it is replaced by infinity, since neither median nor MAD feels how far out it is. So the other values are drawn and
    the normal distribution's tail beyond that limit is averaged: rates of 1e-9 come out as well as those of 1e-2. The
    standard deviation does feel it: a lone value among n stands at most n / sqrt(n - 1) of them from the median. What
    can be rejected at all is drawn and counted.

    Examples
    --------
    >>> clip = Rejection(sigma_low=5, sigma_high=5)
    >>> 0.01 < gaussian_rate(6, clip, 4.0) < 0.02
    True
    >>> gaussian_rate(6, Rejection(sigma_low=5, sigma_high=5, floor_adu=4.0), 4.0) < 2e-6
    True
    """
    if not rejection.clips or frames < _FEWEST_FRAMES:
        return 0.0
    if rejection.center != "median" or callable(rejection.spread) or not noise_adu > 0:
        return None
    random = np.random.default_rng(1)
    photons = max(rejection.photon_adu * (level_adu - rejection.photon_from_adu), 0.0)
    floor = sqrt(max(rejection.floor_adu, 0.0) ** 2 + photons) / noise_adu
    step = noise_adu if whole_numbers else None
    rates = {}
    sides = [abs(k) for k in (rejection.sigma_low, rejection.sigma_high) if k is not None]
    for k in sorted(set(sides)):  # both tails of a normal distribution are the same
        if rejection.spread == "std":
            rates[k] = _drawn_std_rate(random, frames, k, floor, step)
        else:
            rates[k] = _tail_rate(random, frames, k, floor, step, rejection.spread)
    return sum(rates[k] for k in sides)


def _drawn(random: np.random.Generator, frames: int, noise_adu: float | None) -> Iterator[NDArray[np.float64]]:
    """Draw values of sigma 1, some pixels at a time; where a noise is given, as they are after rounding.

    The numbers are those that are drawn all at once. What is added before they are rounded to whole numbers is drawn
    after the last of them, so where they do not fit into memory at once they are gone through before, to come to it.
    """
    draws = min(_DRAWS, max(_MOST_DRAWN // frames, 1))
    rows = draws if draws * frames <= _DRAWN_AT_ONCE else max(_DRAWN_AT_A_TIME // frames, 1)
    sizes = [min(rows, draws - start) for start in range(0, draws, rows)]
    if noise_adu is None:
        yield from (random.standard_normal((size, frames)) for size in sizes)
        return
    if len(sizes) == 1:
        values = random.standard_normal((draws, frames))
        yield np.rint(values * noise_adu + random.random((draws, 1))) / noise_adu
        return
    ahead = np.random.default_rng()
    ahead.bit_generator.state = random.bit_generator.state
    scratch = np.empty((rows, frames))
    for size in sizes:
        ahead.standard_normal(out=scratch[:size])
    for size, offsets in zip(sizes, np.split(ahead.random((draws, 1)), np.cumsum(sizes)[:-1]), strict=True):
        values = random.standard_normal(out=scratch[:size])
        yield np.rint(values * noise_adu + offsets) / noise_adu
    random.bit_generator.state = ahead.bit_generator.state


def _tail_rate(
    random: np.random.Generator, frames: int, k: float, floor: float, noise_adu: float | None, spread: object
) -> float:
    """Fraction of values beyond the upper limit that the others set."""
    true_mean = 0.5 / noise_adu if noise_adu else 0.0
    found = []
    for values in _drawn(random, frames, noise_adu):
        values[:, 0] = np.inf
        values.sort(axis=1)
        median = 0.5 * (values[:, (frames - 1) // 2] + values[:, frames // 2])
        np.subtract(values, median[:, None], out=values)
        mad = median_of_valid(np.abs(values, out=values))
        width = np.full(len(values), floor) if spread == "floor" else np.maximum(MAD_TO_SIGMA * mad, floor)
        found.append(median + k * width - true_mean)
    limits = np.concatenate(found)
    if noise_adu:  # a whole number beyond the limit is half a step and more beyond it on average
        limits = (np.floor((limits + true_mean) * noise_adu) + 0.5) / noise_adu - true_mean
    # of whole numbers there are a few hundred limits among 20 000
    distinct, _ = distinct_of_valid(limits)
    tails = np.array([0.5 * erfc(limit / sqrt(2.0)) for limit in distinct])
    return float(np.mean(tails[np.searchsorted(distinct, limits)]))


def _drawn_std_rate(random: np.random.Generator, frames: int, k: float, floor: float, noise_adu: float | None) -> float:
    """Fraction of drawn values beyond the upper limit."""
    if k >= frames / sqrt(frames - 1):
        return 0.0
    beyond = drawn = 0
    for values in _drawn(random, frames, noise_adu):
        width = np.maximum(values.std(axis=1), floor)
        beyond += int(np.count_nonzero(values > (median_of_valid(values) + k * width)[:, None]))
        drawn += values.size
    return beyond / drawn
