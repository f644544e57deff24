"""The step of the level at the seams between amplifiers: how well their gains and levels are brought together."""

from __future__ import annotations

import math
from itertools import permutations
from typing import TYPE_CHECKING, Any

import numpy as np

from zeroframe.frames.medians import medians_of_rows
from zeroframe.records import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from zeroframe.frames.regions import Region

__all__ = ["SeamStep", "largest_step"]

#: So many columns (rows) on each side of a seam are looked at, and so many lines along it at least.
_REACH, _FEWEST = 24, 16
#: So much of the level over its error is needed for a fraction of it to mean something.
_SURE = 5.0
#: Pixels further off than so many medians of the deviations (2.7 sigma) do not count.
_CUT = 4.0


@dataclass(frozen=True, slots=True)
class SeamStep:
    """How far the level steps at a seam.

    Attributes
    ----------
    names : tuple of str
        Of the two amplifiers, the lower pixel numbers first.
    fraction, error : float
        The level behind the seam less that before it, over their mean; and its standard error.
    """

    names: tuple[str, str]
    fraction: float
    error: float

    @property
    def significance(self) -> float:
        """How large the step is beyond four of its errors."""
        return abs(self.fraction) - 4.0 * self.error


def largest_step(
    pixels: NDArray[Any], regions: Sequence[Region], raw_shape_yx: tuple[int, ...], mask: NDArray[Any] | None = None
) -> SeamStep | None:
    """Return the step at that seam of an assembled image where it is largest beyond its error.

    Parameters
    ----------
    pixels : ndarray, shape (ny, nx)
        The image. What is not finite does not count.
    regions : sequence of Region
        What its amplifiers read.
    raw_shape_yx : tuple of int
        Of the raw frame.
    mask : ndarray, shape (ny, nx), optional
        Not zero where a pixel does not count.

    Returns
    -------
    SeamStep or None
        None without a seam, and where the image has no level that a step could be a fraction of.

    Notes
    -----
    Columns next to a seam are reduced to their medians along it; a straight line through those of each side is drawn on
    to the seam, so that the slope of an image is no step.

    Examples
    --------
    >>> from zeroframe.frames.regions import Region
    >>> from zeroframe.headers.sections import Section
    >>> places = ("[1:60,1:40]", "[61:120,1:40]")
    >>> regions = [Region(trim=Section.parse(p), place=Section.parse(p), name=n) for n, p in zip("AB", places)]
    >>> image = np.random.default_rng(1).normal(1000.0, 5.0, (40, 120)) + np.arange(120)
    >>> image[:, 60:] *= 1.02
    >>> step = largest_step(image, regions, (40, 120))
    >>> step.names, round(step.fraction, 2), step.error < 0.003
    (('A', 'B'), 0.02, True)
    """
    found = [
        step
        for names, before, after in _sides(regions, raw_shape_yx)
        if (step := _step(names, *(_profile(pixels, mask, side) for side in (before, after)))) is not None
    ]
    return max(found, key=lambda step: step.significance, default=None)


#: Rows, columns, and whether columns are the lines along the seam.
_Side = tuple[slice, slice, bool]


def _sides(regions: Sequence[Region], raw_shape_yx: tuple[int, ...]) -> Iterator[tuple[tuple[str, str], _Side, _Side]]:
    """Yield the amplifiers beside each seam, and what of the image lies on its two sides."""
    places = [(region.name, region.place_yx(raw_shape_yx)) for region in regions]
    for (one, (rows, columns)), (other, (its_rows, its_columns)) in permutations(places, 2):
        both = slice(max(rows.start, its_rows.start), min(rows.stop, its_rows.stop))
        if columns.stop == its_columns.start and both.stop - both.start >= _FEWEST:
            reach = min(_REACH, columns.stop - columns.start, its_columns.stop - its_columns.start)
            seam = columns.stop
            yield (one, other), (both, slice(seam - reach, seam), False), (both, slice(seam, seam + reach), False)
        both = slice(max(columns.start, its_columns.start), min(columns.stop, its_columns.stop))
        if rows.stop == its_rows.start and both.stop - both.start >= _FEWEST:
            reach = min(_REACH, rows.stop - rows.start, its_rows.stop - its_rows.start)
            seam = rows.stop
            yield (one, other), (slice(seam - reach, seam), both, True), (slice(seam, seam + reach), both, True)


def _profile(pixels: NDArray[Any], mask: NDArray[Any] | None, side: _Side) -> NDArray[np.float64]:
    """Return the level of each column (row) of a side, from left to right or upwards; NaN where half is missing."""
    rows, columns, upwards = side
    part = pixels[rows, columns].astype(np.float64)
    if mask is not None and mask.size:
        part[mask[rows, columns] != 0] = np.nan
    part = part if upwards else part.T
    part[np.count_nonzero(np.isfinite(part), axis=1) <= part.shape[1] / 2] = np.nan
    for _ in range(2):  # what stars leave above the level is not part of it
        away = np.abs(part - medians_of_rows(part)[:, np.newaxis])
        part[away > _CUT * medians_of_rows(away)[:, np.newaxis]] = np.nan
    return medians_of_rows(part)


def _step(names: tuple[str, str], before: NDArray[np.float64], after: NDArray[np.float64]) -> SeamStep | None:
    near = _jump(before[len(before) // 2 :], after[: len(after) // 2])
    far = _jump(before, after)
    if near is None or far is None:
        return None
    step, error, level = far
    # what the nearer half says differently is light that is no straight line: a star, or a curve
    error = math.hypot(error, max(abs(near[0] - step) - near[1], 0.0))
    if not level > _SURE * error:
        return None
    return SeamStep(names, step / level, error / level)


def _jump(before: NDArray[np.float64], after: NDArray[np.float64]) -> tuple[float, float, float] | None:
    """Return the step between lines through two profiles, drawn on to the seam, its error, and the level."""
    ends, errors, levels = [], [], []
    for profile, at in ((before, len(before) - 0.5), (after, -0.5)):
        places = np.flatnonzero(np.isfinite(profile))
        if places.size < _FEWEST // 3:
            return None
        centre = float(places.mean())
        away = places - centre
        level = float(profile[places].mean())
        slope = float((away * profile[places]).sum() / (away**2).sum())
        rest = profile[places] - level - slope * away
        scatter = float(np.sqrt((rest**2).sum() / max(places.size - 2, 1)))
        ends.append(level + slope * (at - centre))
        errors.append(scatter * float(np.sqrt(1.0 / places.size + (at - centre) ** 2 / (away**2).sum())))
        levels.append(level)
    return ends[1] - ends[0], math.hypot(*errors), float(np.mean(levels))
