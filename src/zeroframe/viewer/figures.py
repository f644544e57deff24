"""What the values of an image are in figures: their limits, percentiles, noise and histogram."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from zeroframe.kernels.stack import MAD_TO_SIGMA
from zeroframe.records import dataclass

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from zeroframe.viewer.planes import Plane

__all__ = ["PERCENTS", "ValueFigures", "measure_values"]

#: Percentiles that are known on the page; limits of a stretch between two of them are interpolated.
PERCENTS = (0.0, 0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 25.0, 50.0)
PERCENTS += tuple(100.0 - each for each in reversed(PERCENTS[:-1]))
#: So many values are looked at; percentiles of them take 0.05 s.
_MOST_VALUES = 1_000_000
_BINS = 160
_SHOWN = (0.05, 99.95)
_ROOM = 0.05


@dataclass(frozen=True)
class ValueFigures:
    """Values of an image, from rows spread over it.

    Attributes
    ----------
    percentiles : tuple of float
        At `PERCENTS`; empty where no value is finite.
    noise : float
        Of a pixel, from differences of neighbours in a row; 0 where more than half of them are alike.
    low, width : float
        Where the histogram begins, and the width of a bin.
    counts : tuple of int
        Values in each bin; what lies beyond is counted in the first and the last.
    rows, of_rows : int
        How many rows were looked at, of how many.
    columns : int
        How many columns were looked at.
    """

    percentiles: tuple[float, ...]
    noise: float
    low: float
    width: float
    counts: tuple[int, ...]
    rows: int
    of_rows: int
    columns: int


def measure_values(plane: Plane, boxes: Sequence[tuple[int, int, int, int]] = ()) -> ValueFigures:
    """Measure the values of an image.

    Parameters
    ----------
    plane : Plane
        The image; all of its rows are read where it has no more than a million pixels.
    boxes : sequence of tuple of int
        First and last column, first and last row, counted from 1, of the parts that see light: rows and columns through
        none of them are left out. By default all is measured.

    Returns
    -------
    ValueFigures

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from astropy.io import fits
    >>> from zeroframe.viewer.planes import open_pictures
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "a.fits")
    ...     fits.writeto(path, np.arange(100, dtype=np.uint16).reshape(10, 10))
    ...     found = measure_values(open_pictures(path)[0].image)
    >>> found.percentiles[0], found.percentiles[-1], sum(found.counts), found.width
    (0.0, 99.0, 100, 1.0)
    """
    lit = [np.zeros(length, bool) for length in plane.shape_yx]
    for x1, x2, y1, y2 in boxes or [(1, plane.shape_yx[1], 1, plane.shape_yx[0])]:
        lit[0][y1 - 1 : y2], lit[1][x1 - 1 : x2] = True, True
    places, columns = np.flatnonzero(lit[0]), np.flatnonzero(lit[1])
    ny, nx = len(places), len(columns)
    chosen = places[np.unique(np.linspace(0, ny - 1, min(ny, max(_MOST_VALUES // nx, 1))).astype(int))]
    whole = len(chosen) == plane.shape_yx[0]
    read = [plane.read_rows(0, len(chosen))] if whole else [plane.read_rows(y, y + 1) for y in chosen]
    rows = np.concatenate([each[:, columns] for each in read])
    with np.errstate(invalid="ignore", over="ignore"):  # between infinite pixels there is no step
        steps = np.abs(np.diff(rows.astype(np.float64), axis=1))
    steps = steps[np.isfinite(steps)]
    noise = float(np.median(steps)) * MAD_TO_SIGMA / math.sqrt(2) if steps.size else 0.0
    values = rows[np.isfinite(rows)]
    if not values.size:
        return ValueFigures((), noise, 0.0, 1.0, (), len(chosen), ny, nx)
    at = tuple(float(each) for each in np.percentile(values, PERCENTS))
    low, width, bins = _bins(values, *(float(each) for each in np.percentile(values, _SHOWN)))
    places = np.clip((values.astype(np.float64) - low) / width, 0, bins - 1).astype(np.int64)
    counts = tuple(int(each) for each in np.bincount(places, minlength=bins))
    return ValueFigures(at, noise, low, width, counts, len(chosen), ny, nx)


def _bins(values: NDArray[Any], first: float, last: float) -> tuple[float, float, int]:
    """Return where bins begin, how wide they are, and how many; whole numbers are never parted unevenly."""
    reach = max((last - first) * (1 + 2 * _ROOM), abs(first) * 1e-6, 1e-300)
    middle = (first + last) / 2
    if values.dtype.kind in "iu":
        width = float(max(math.ceil(reach / _BINS), 1))
        bins = max(math.ceil(reach / width), 1)
        return math.floor(middle - bins * width / 2) - 0.5, width, bins + 1
    return middle - reach / 2, reach / _BINS, _BINS
