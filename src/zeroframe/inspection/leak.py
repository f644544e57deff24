"""How far light reaches into a strip, column by column."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from zeroframe.inspection.profiles import clipped_column_means
from zeroframe.records import dataclass

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = ["LeakProfile", "StripPixels", "measure_leak", "row_level_noise"]

_SIGNIFICANT = 5.0
_TAIL_POINTS = 4
#: By so much a constant must lower the misfit of an exponential: three of its errors.
_BETTER = 9.0
#: Columns after the first two in which light is below its error; it falls by a factor of e in 0.6 to 2 columns.
_MARGIN = 2


def row_level_noise(noise_adu: float, columns: int) -> float:
    """Return the noise of the median of so many pixels of normal noise.

    Parameters
    ----------
    noise_adu : float
        Noise of one pixel.
    columns : int
        How many.

    Returns
    -------
    float
        ``noise * sqrt(pi / (2 n))``, the variance of the median of a large normal sample (Kenney and Keeping,
        *Mathematics of Statistics*, part 2, 1951); 25 pixels have 0.985 of it.

    Examples
    --------
    >>> round(row_level_noise(4.0, 25), 3)
    1.003
    """
    return noise_adu * float(np.sqrt(np.pi / (2.0 * columns))) if columns > 2 else noise_adu / float(np.sqrt(columns))


@dataclass(frozen=True, slots=True, eq=False)
class StripPixels:
    """The strip in one frame.

    Attributes
    ----------
    pixels : ndarray, shape (lines, width)
        Column 0 next to the image.
    light_adu : float
        Light of the image beside it; zero in a bias.
    drift_adu : ndarray of shape (width,), or float
        What is known of how the level of each column drifts: a strip of columns tells it of the rows of another one.
    drift_error_adu : float
        Its noise.
    """

    pixels: NDArray[Any]
    light_adu: float = 0.0
    drift_adu: NDArray[np.float64] | float = 0.0
    drift_error_adu: float = 0.0

    def column_means(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the mean of each column less its drift, and its error."""
        means, errors = clipped_column_means(self.pixels)
        return means - self.drift_adu, np.hypot(errors, self.drift_error_adu)


@dataclass(frozen=True, slots=True, eq=False)
class LeakProfile:
    """What stands in the columns of a strip, from the image outwards, above the level of its outer columns.

    Attributes
    ----------
    leak_adu, error_adu : ndarray, shape (width,)
        Light in the brightest frame, as measured; structure that biases show, too, is taken off.
    decay_adu : ndarray, shape (width,)
        The same where columns far above their error set the slope, and the columns beyond continue it as long as their
        own measurement agrees.
    structure_adu : ndarray, shape (width,)
        What the biases show (hot columns, a level that settles); without biases, what the lit frames show beyond their
        light.
    threshold_adu : float
        Noise of the level of one row: less light than that does not matter.
    first, last : int
        First and last column that can be used, from 0; ``first > last``: none.
    deviant : tuple of int
        Columns between them that stand off: hot or cold ones.
    """

    leak_adu: NDArray[np.float64]
    error_adu: NDArray[np.float64]
    decay_adu: NDArray[np.float64]
    structure_adu: NDArray[np.float64]
    threshold_adu: float
    first: int
    last: int
    deviant: tuple[int, ...]

    @property
    def clean(self) -> int:
        """How many columns can be used, deviant ones included."""
        return max(self.last - self.first + 1, 0)


def measure_leak(lit: Sequence[StripPixels], biases: Sequence[StripPixels], noise_adu: float) -> LeakProfile:
    """Measure light and structure in a strip, and choose the columns that can be used.

    Parameters
    ----------
    lit, biases : sequence of StripPixels
        The strip in each lit frame, and in each bias.
    noise_adu : float
        Read noise of one pixel.

    Returns
    -------
    LeakProfile

    Notes
    -----
    Leaked light is proportional to the light beside it, so all frames tell of the brightest: the sum of
    light x leak over the sum of light^2, which is the least-squares slope for equal noise.
    """
    of_biases = [strip.column_means() for strip in biases]
    means = [strip.column_means() for strip in lit]
    width = means[0][0].size
    masked = ~np.isfinite(np.sum([m for m, _ in (*of_biases, *means)], axis=0))
    structure, structure_error = _structure(of_biases, width)
    # Noise alone would only be added by taking it off.
    shown = np.where(np.abs(structure) > _SIGNIFICANT * structure_error, structure, 0.0)
    means = [_filled(m - shown, e) for m, e in means]
    lights = np.array([max(strip.light_adu, 0.0) for strip in lit])
    weights = lights * lights.max() / np.sum(lights**2)
    leak = np.sum([w * (m - _outer_level(m)) for w, (m, _) in zip(weights, means, strict=True)], axis=0)
    error = np.sqrt(np.sum([(w * e) ** 2 for w, (_, e) in zip(weights, means, strict=True)], axis=0))
    error = np.where(shown != 0.0, np.hypot(error, structure_error * weights.sum()), error)
    leak = leak - _unreached_level(_without_single_columns(leak), error)
    leak = leak - _dark_level(leak, _continued(leak, error), error)
    decay = _continued(leak, error)
    threshold = row_level_noise(noise_adu, width)
    first = _first_dark(decay, threshold)
    if not biases:
        structure, structure_error = np.where(np.arange(width) < first, 0.0, leak), error
    off = np.abs(structure) > np.maximum(_SIGNIFICANT * structure_error, threshold)
    off |= masked
    last = width - 1
    while first <= last and off[first]:
        first += 1
    while last >= first and off[last]:
        last -= 1
    deviant = tuple(int(k) for k in range(first, last + 1) if off[k])
    return LeakProfile(leak, error, decay, structure, threshold, first, last, deviant)


def _outer_columns(width: int) -> int:
    return min(max(4, width // 4), width)


def _outer_level(means: NDArray[np.float64]) -> float:
    """Level of the outermost quarter of the strip, which light reaches last."""
    return float(np.nanmedian(means[-_outer_columns(means.size) :]))


def _filled(means: NDArray[np.float64], errors: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Give columns without a single valid pixel the level of the outer ones, so that they do no harm."""
    return np.where(np.isfinite(means), means, _outer_level(means)), errors


def _structure(
    of_biases: Sequence[tuple[NDArray[np.float64], NDArray[np.float64]]], width: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return what stands in the columns of biases above the median of all, and its error; zero without biases."""
    if not of_biases:
        return np.zeros(width), np.zeros(width)
    above = [np.nan_to_num(means - np.nanmedian(means), nan=0.0) for means, _ in of_biases]
    error = np.sqrt(np.sum([errors**2 for _, errors in of_biases], axis=0)) / len(of_biases)
    return np.mean(above, axis=0), error


def _without_single_columns(leak: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return running medians of three, which one hot or cold column does not change.

    The ends follow the rule of J. W. Tukey, *Exploratory Data Analysis* (1977), section 7B.
    """
    if leak.size < 5:
        return leak
    smooth = leak.copy()
    smooth[1:-1] = np.median(np.stack([leak[:-2], leak[1:-1], leak[2:]]), axis=0)
    smooth[0] = np.median([leak[0], smooth[1], 3.0 * smooth[1] - 2.0 * smooth[2]])
    smooth[-1] = np.median([leak[-1], smooth[-2], 3.0 * smooth[-2] - 2.0 * smooth[-3]])
    return smooth


def _unreached_level(leak: NDArray[np.float64], error: NDArray[np.float64]) -> float:
    """Return what must be taken off where light still falls in the outer columns: they are not its zero then.

    The outer two thirds are fitted by an exponential and a constant, the length of decay being searched for. It counts
    where the outer quarter falls, or where the constant makes a good fit better by more than three of its errors; the
    length is a quarter of the strip at most then, or the outer quarter would be seen to fall.
    """
    width = leak.size
    if width < 6:
        return 0.0
    outer = max(3, width // 4)
    x = np.arange(outer) - (outer - 1) / 2.0
    slope = float(x @ leak[-outer:] / (x @ x))
    slope_error = float(np.sqrt(np.sum((x * error[-outer:]) ** 2))) / float(x @ x)
    part = slice(width // 3, width)
    k, y, weight = np.arange(width)[part], leak[part], 1.0 / error[part]
    if slope <= -_SIGNIFICANT * slope_error:
        return _best_exponential(k, y, weight, 3.0 * width, with_level=True)[1]
    misfit, level = _best_exponential(k, y, weight, width / 4.0, with_level=True)
    freedom = max(k.size - 3, 1)
    is_good = misfit <= freedom + _SIGNIFICANT * float(np.sqrt(2.0 * freedom))
    better = _best_exponential(k, y, weight, width / 4.0, with_level=False)[0] - misfit
    return level if is_good and better > _BETTER else 0.0


def _best_exponential(
    k: NDArray[np.int_], y: NDArray[np.float64], weight: NDArray[np.float64], longest: float, *, with_level: bool
) -> tuple[float, float]:
    """Return the misfit and the constant of the exponential that fits best, of lengths up to the longest."""
    lengths = np.geomspace(0.5, longest, 60)
    found = (np.inf, 0.0)
    for _ in range(4):  # each search is 15 times as fine as the one before
        fits = [_exponential_fit(k, y, weight, float(length), with_level=with_level) for length in lengths]
        best = int(np.argmin([misfit for misfit, _ in fits]))
        found = fits[best]
        lengths = np.linspace(lengths[max(best - 2, 0)], lengths[min(best + 2, lengths.size - 1)], 60)
    return found


def _exponential_fit(
    k: NDArray[np.int_], y: NDArray[np.float64], weight: NDArray[np.float64], length: float, *, with_level: bool
) -> tuple[float, float]:
    """Return the misfit of an exponential of that length, with a constant or not, and it; light is not negative."""
    basis = np.exp(-k / length)[:, None]
    if with_level:
        basis = np.column_stack([basis, np.ones(k.size)])
    solution = np.linalg.lstsq(basis * weight[:, None], y * weight, rcond=None)[0]
    misfit = float(np.sum(((y - basis @ solution) * weight) ** 2))
    return (misfit if solution[0] > 0 else np.inf), (float(solution[1]) if with_level else 0.0)


def _dark_level(leak: NDArray[np.float64], decay: NDArray[np.float64], error: NDArray[np.float64]) -> float:
    """Return the level of all columns that light does not reach; zero where they are no more than the outermost ones.

    Of a strip of 22 columns the outermost 5 have it with twice the error.
    """
    seen = decay > error
    dark = np.flatnonzero(~seen[:-1] & ~seen[1:])
    rest = leak[int(dark[0]) + _MARGIN :] if dark.size else leak[:0]
    return float(np.median(rest)) if rest.size > _outer_columns(leak.size) else 0.0


def _continued(leak: NDArray[np.float64], error: NDArray[np.float64]) -> NDArray[np.float64]:
    """Leak of each column, where noise hides it by the decay of the columns before.

    A line through the logarithms of the last columns that stand above five errors predicts the next; prediction and
    measurement are averaged by their errors where they agree within three, and the measurement stands where not.
    """
    best = leak.copy()
    best_error = error.copy()
    for k in range(2, leak.size):
        before = slice(max(0, k - _TAIL_POINTS), k)
        values, errors = best[before], best_error[before]
        if not np.all(values > 3.0 * errors):
            break
        relative = errors / values
        x = np.arange(values.size) - values.size
        basis = np.column_stack([np.ones(x.size), x]) / relative[:, None]
        covariance = np.linalg.inv(basis.T @ basis)
        line = covariance @ (basis.T @ (np.log(values) / relative))
        predicted = float(np.exp(min(line[0], np.log(values[-1]))))
        predicted_error = predicted * float(np.hypot(np.sqrt(covariance[0, 0]), 0.05))
        if abs(leak[k] - predicted) < 3.0 * np.hypot(error[k], predicted_error):
            share = error[k] ** 2 / (error[k] ** 2 + predicted_error**2)
            best[k] = share * predicted + (1.0 - share) * leak[k]
            best_error[k] = np.sqrt(share) * predicted_error
    return best


def _first_dark(leak: NDArray[np.float64], threshold: float) -> int:
    """Return the first column from which on light is below the threshold in this column and the next."""
    for k in range(leak.size):
        if leak[k] <= threshold and (k + 1 == leak.size or leak[k + 1] <= threshold):
            return k
    return int(leak.size)
