"""Photon noise in pairs of flats whose light changes from pixel to pixel: orders of a spectrum, fibres, slits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from zeroframe.kernels.stack import MAD_TO_SIGMA

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["CUT", "CUT_VARIANCE", "is_structured", "read_variance", "structured_noise"]

#: The variance of the light within a block over the square of its mean, from which on one noise does not hold for all
#: of it: that of a slope by three tenths.
_MOST_STRUCTURE = 0.0075
#: A pixel is lit where it has this part of the light of the brightest ones of its block; so many make a block.
_LIT, _BRIGHT, _FEWEST = 0.25, 0.95, 64
#: Pixels at the edge of a block have no third difference.
_EDGE = 2
#: Values are cut here, and the variance of a normal distribution that is cut there, over the whole.
CUT, CUT_VARIANCE = 3.0, 0.97334
_TAIL_CUT = 5.0
_ROUNDS = 4
_MEDIAN_SQUARE = 0.4549
_ROUNDING_VARIANCE = 1.0 / 12.0
#: Light that reaches no more than this is not in whole numbers: the range of the converter counts as 1.
_NO_STEPS = 2.0
_TINY = 1e-9


def is_structured(first: NDArray[Any], second: NDArray[Any], zero: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Say of blocks whether light changes within them; noise, which two flats have not in common, counts for nothing.

    Parameters
    ----------
    first, second : ndarray, shape (blocks, pixels)
        The same place in two flats.
    zero : ndarray, shape (blocks,)
        Their level without light.

    Examples
    --------
    >>> random = np.random.default_rng(1)
    >>> stripes = np.tile([100.0, 900.0], 500)
    >>> lights = np.stack([np.full(1000, 500.0), stripes])
    >>> first, second = random.poisson(lights, (2, 2, 1000))
    >>> is_structured(first, second, np.zeros(2)).tolist()
    [False, True]
    """
    a, b = (block.astype(np.float64) - zero[:, None] for block in (first, second))
    level_a, level_b = a.mean(axis=1), b.mean(axis=1)
    common = ((a - level_a[:, None]) * (b - level_b[:, None])).mean(axis=1)
    return np.asarray(common > _MOST_STRUCTURE * np.maximum(level_a * level_b, _TINY))


def structured_noise(
    first: NDArray[Any], second: NDArray[Any], zero: NDArray[np.float64], read_noise_adu: float, most_adu: float
) -> tuple[NDArray[np.float64], ...]:
    """Return what the pixels of each block tell of the gain, each of them by its own light.

    Parameters
    ----------
    first, second : ndarray, shape (blocks, height, width)
        The same place in two flats.
    zero : ndarray, shape (blocks,)
        Level without light.
    read_noise_adu : float
        Read noise.
    most_adu : float
        Pixels above it, or not finite, take no part.

    Returns
    -------
    excess, excess_with_tails, signal, level, moved : ndarray, shape (blocks that tell,)
        Variance by photons, cut at three sigma and corrected for that, and cut at five; the light that it belongs to,
        so that ``signal / excess`` is the gain; the mean light of the pixels; and how much of the noise a light that
        moved, or changed its slope, had added.

    Notes
    -----
    Of ``first - r second``, with r the ratio of their light, what a lamp does that changes its slope or that moves by a
    part of a pixel is fitted and taken out: the light, its slopes, its first and third differences along both axes. The
    squares of the rest are compared, pixel by pixel, with ``(first + r^2 second) / gain + (1 + r^2) read_noise^2``,
    which also says what lies beyond three sigma: one sigma for a whole block would cut the noise of its brightest
    pixels.
    """
    a, b = (block.astype(np.float64) - zero[:, None, None] for block in (first, second))
    fit = np.isfinite(a + b) & (np.maximum(first, second) < most_adu)
    a, b = np.where(fit, a, 0.0), np.where(fit, b, 0.0)
    ratio = a.sum(axis=(1, 2)) / np.maximum(b.sum(axis=(1, 2)), _TINY)
    ratio = np.where((ratio > 0.1) & (ratio < 10.0), ratio, 1.0)[:, None, None]
    light = 0.5 * (a + ratio * b)
    fit &= light > _LIT * np.quantile(light, _BRIGHT, axis=(1, 2), keepdims=True)
    fit = _without_neighbours_of_gaps(fit, np.isfinite(first + second) & (np.maximum(first, second) < most_adu))
    enough = (fit.sum(axis=(1, 2)) >= _FEWEST) & (light.sum(axis=(1, 2)) > 0)
    a, b, light, fit, ratio = (each[enough] for each in (a, b, light, fit, ratio))
    if not len(a):
        return (np.empty(0),) * 5
    flat = (len(a), -1)
    templates = _templates(light).reshape(*light.reshape(flat).shape, -1)
    difference, signal = (a - ratio * b).reshape(flat), (a + ratio**2 * b).reshape(flat)
    read = (1.0 + ratio[:, 0] ** 2) * read_variance(read_noise_adu, light)
    return _noise_of_rest(difference, signal, fit.reshape(flat), templates, read)


def read_variance(read_noise_adu: float, light: NDArray[np.float64]) -> float:
    """Return the variance of a value without light: no less than that of rounding, where light is in whole numbers.

    Examples
    --------
    >>> read_variance(0.1, np.array([50.0])) == 1 / 12, read_variance(0.1, np.array([0.5])) == 0.1**2
    (True, True)
    """
    rounding = _ROUNDING_VARIANCE if light.size and light.max() > _NO_STEPS else 0.0
    return max(read_noise_adu**2, rounding)


def _without_neighbours_of_gaps(fit: NDArray[np.bool_], known: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Leave out pixels within two of one that is not known, or of the edge: their differences are not known."""
    inside = np.zeros_like(fit)
    inside[:, _EDGE:-_EDGE, _EDGE:-_EDGE] = True
    for away in range(-_EDGE, _EDGE + 1):
        for axis in (1, 2):
            inside &= np.roll(known, away, axis=axis)
    return fit & inside


def _templates(light: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return what may differ between two flats, shape (blocks, height, width, 7)."""
    _, height, width = light.shape
    x, y = np.linspace(-1.0, 1.0, width), np.linspace(-1.0, 1.0, height)[:, None]
    made = [light, light * x, light * y]
    for axis in (1, 2):
        beside = {away: np.roll(light, -away, axis=axis) for away in (-2, -1, 1, 2)}
        made += [beside[1] - beside[-1], beside[2] - 2.0 * beside[1] + 2.0 * beside[-1] - beside[-2]]
    return np.stack(made, axis=-1)


def _noise_of_rest(
    difference: NDArray[np.float64],
    signal: NDArray[np.float64],
    fit: NDArray[np.bool_],
    templates: NDArray[np.float64],
    read: NDArray[np.float64],
) -> tuple[NDArray[np.float64], ...]:
    """Fit templates to differences, cut what lies far off by the noise of each pixel, and sum up."""
    squares = np.where(fit, np.square(difference) / np.maximum(signal, _TINY), np.nan)
    slope = np.maximum(np.nanmedian(squares, axis=1, keepdims=True) / _MEDIAN_SQUARE, _TINY)
    good, tails = fit, fit
    used = templates.shape[-1]
    for _ in range(_ROUNDS):
        variance = np.maximum(slope * signal, 0.0) + read
        rest = difference - _fitted(difference, templates, np.where(good, 1.0 / variance, 0.0))
        sigma = np.abs(rest) / np.sqrt(variance)
        # of a slope that began too large or small, by what is usual
        usual = MAD_TO_SIGMA * np.nanmedian(np.where(fit, sigma, np.nan), axis=1, keepdims=True)
        good, tails = fit & (sigma < CUT * usual), fit & (sigma < _TAIL_CUT * usual)
        excess = _excess(rest, good, used, read)
        slope = np.maximum(excess[:, None], _TINY) / np.maximum(_sum(signal, good), _TINY)[:, None]
    weights = np.where(good, 1.0 / variance, 0.0)
    still = difference - _fitted(difference, templates[..., :1], weights)
    moved = ((np.square(still) - np.square(rest)) * weights).sum(axis=1) / np.maximum(good.sum(axis=1), 1)
    excess, light = _excess(rest, good, used, read), _sum(signal, good)
    with_tails = _sum(np.square(rest), tails) * _share(tails, used) - _sum(np.ones_like(rest) * read, tails)
    count = np.maximum(good.sum(axis=1), 1)
    lit = excess > 0.5 * count * read[:, 0]
    both = light / np.maximum(_sum(signal, tails), _TINY)  # of as much light
    return tuple(
        part[lit] for part in (excess / count, with_tails * both / count, light / count, light / count / 2.0, moved)
    )


def _sum(values: NDArray[np.float64], where: NDArray[np.bool_]) -> NDArray[np.float64]:
    return np.asarray(np.where(where, values, 0.0).sum(axis=1))


def _share(where: NDArray[np.bool_], used: int) -> NDArray[np.float64]:
    """Return by how much a fit of so many templates makes the sum of squares too small."""
    count = where.sum(axis=1)
    return np.asarray(count / np.maximum(count - used, 1))


def _excess(
    rest: NDArray[np.float64], good: NDArray[np.bool_], used: int, read: NDArray[np.float64]
) -> NDArray[np.float64]:
    squares = _sum(np.square(rest), good) * _share(good, used) / CUT_VARIANCE
    return np.asarray(squares - good.sum(axis=1) * read[:, 0])


def _fitted(
    values: NDArray[np.float64], templates: NDArray[np.float64], weights: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the least-squares fit of each block by its templates."""
    scaled = templates / np.maximum(np.sqrt((weights[..., None] * templates**2).sum(axis=1, keepdims=True)), _TINY)
    weighted = scaled * weights[..., None]
    matrix = np.swapaxes(weighted, 1, 2) @ scaled + 1e-9 * np.eye(scaled.shape[-1])
    right = (weighted * values[..., None]).sum(axis=1)
    found = np.linalg.solve(matrix, right[..., None])
    return np.asarray((scaled @ found)[..., 0])
