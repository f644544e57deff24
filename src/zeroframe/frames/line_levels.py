"""Whether rows or columns of a frame of the sky change their level from one to the next, as electronics make them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from zeroframe.frames.medians import median_of_valid
from zeroframe.frames.numbers import spread_evenly
from zeroframe.kernels.stack import MAD_TO_SIGMA

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["measure_line_levels"]

#: So many rows beside each other, in so many places; and the pixels of each at the most.
_LINES, _PLACES, _MOST = 48, 6, 512
#: Of fewer lines, or lines of fewer pixels, nothing is told.
_FEWEST_LINES, _FEWEST_PIXELS = 24, 48
#: Light is drawn by optics: lines two apart differ more than neighbours do, by 1.5 times and more where a star is 1.7
#: pixels wide. Levels that jump from each line to the next differ alike, but for chance (0.05 where there are 280).
_LIKE_LIGHT = 1.2
#: Where every second line is alike, it is a pattern, as of colours.
_LIKE_PATTERN = 0.75
#: The two halves of each line have to jump alike.
_ALIKE = 0.7
#: Of a normal distribution that is cut at so many standard deviations, the one over that of what is left.
_CUT, _OF_CUT = 3.0, 1.0136
#: Where more is beyond that, few lines stand out, as those of a spectrum: of jumps it is 0.003.
_FEW_BEYOND = 0.04
#: The error of a median, in standard deviations of the mean.
_OF_MEDIAN = 1.2533


def measure_line_levels(pixels: NDArray[Any], noise: float, mask: NDArray[np.uint8] | None = None) -> dict[str, float]:
    """Measure by how much levels of neighbouring rows, and of neighbouring columns, differ beyond their noise.

    Parameters
    ----------
    pixels : ndarray of float, shape (ny, nx)
        A calibrated frame of the sky.
    noise : float
        Noise of a pixel against its neighbours, in which levels of lines have no part.
    mask : ndarray of uint8, shape (ny, nx), optional
        Not zero where a pixel takes no part.

    Returns
    -------
    dict of str to float
        ``row_jumps_noises`` and ``column_jumps_noises``: the standard deviation of the level of a line against the
        next, over the root of two, in noises of a pixel. Without the one of which nothing can be told, or whose lines
        differ as light does.

    Notes
    -----
    Of medians ``m`` of lines the differences to the next and to the next but one are compared: of levels that have
    nothing to do with each other both have the variance ``2 s^2``, of light that optics have drawn the second is
    larger. Stars, galaxies and lines of a spectrum move few medians, and a spread from the median of deviations does
    not see them. What both halves of the lines do not share is no level of a line.

    Examples
    --------
    >>> random = np.random.default_rng(1)
    >>> sky = random.normal(900.0, 30.0, (300, 400))
    >>> measure_line_levels(sky, 30.0)["row_jumps_noises"] < 0.1
    True
    >>> found = measure_line_levels(sky + random.normal(0.0, 30.0, (300, 1)), 30.0)
    >>> print(f"{found['row_jumps_noises']:.1f} {found['column_jumps_noises']:.1f}")
    1.0 0.0
    """
    if not noise > 0.0:
        return {}
    found = {}
    for name, turned in (("row_jumps_noises", False), ("column_jumps_noises", True)):
        image, bits = (pixels.T, None if mask is None else mask.T) if turned else (pixels, mask)
        jumps = _jumps(image, bits, noise)
        if jumps is not None:
            found[name] = jumps / noise
    return found


def _jumps(image: NDArray[Any], mask: NDArray[np.uint8] | None, noise: float) -> float | None:
    """Return the spread of the levels of rows from one to the next; None where that cannot be told, or is light."""
    ny, nx = image.shape
    if min(ny, _LINES) < _FEWEST_LINES or nx < 2 * _FEWEST_PIXELS:
        return None
    columns = spread_evenly(0, nx - 1, _MOST)
    firsts = spread_evenly(0, max(ny - _LINES, 0), _PLACES)
    both = [_levels(image, mask, place, columns) for place in firsts]
    one, other = (np.array([each[half] for each in both if each is not None]) for half in (0, 1))
    if not len(one):
        return None
    (steps, beyond), (wide, _) = _spread(_apart(one, other, 1)), _spread(_apart(one, other, 2))
    # of light of which nothing is left in the rows, noise alone is seen
    own = _OF_MEDIAN * noise / np.sqrt(len(columns))
    jumps = float(np.sqrt(max(steps**2 / 2.0 - own**2, 0.0)))
    if jumps < own:
        return jumps
    apart, _ = _spread(_apart(one, -other, 1))  # by what the halves do not share
    if beyond > _FEW_BEYOND or not _LIKE_PATTERN * steps < wide < _LIKE_LIGHT * steps or apart > _ALIKE * steps:
        return None
    return jumps


def _apart(one: NDArray[np.float64], other: NDArray[np.float64], lines: int) -> NDArray[np.float64]:
    """Return by how much the mean level of two halves differs from that of other lines, within each place."""
    both = (one + other) / 2.0
    return (both[:, lines:] - both[:, :-lines]).ravel()


def _spread(values: NDArray[np.float64]) -> tuple[float, float]:
    """Return the standard deviation of what is within three of it, and which part is beyond.

    The median of deviations alone errs by twice as much.
    """
    deviations = np.abs(values - float(median_of_valid(values)))
    near = deviations[deviations <= _CUT * MAD_TO_SIGMA * float(median_of_valid(deviations))]
    return _OF_CUT * float(np.sqrt(np.mean(near**2))), 1.0 - near.size / values.size


def _levels(
    image: NDArray[Any], mask: NDArray[np.uint8] | None, first: int, columns: NDArray[np.intp]
) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
    """Return the medians of rows beside each other, of each half of their pixels; None where some have too few."""
    rows = slice(int(first), int(first) + _LINES)
    block = image[rows][:, columns].astype(np.float64)
    valid = np.isfinite(block)
    if mask is not None:
        valid &= mask[rows][:, columns] == 0
    halves = []
    for half in (slice(0, None, 2), slice(1, None, 2)):
        part, good = block[:, half], valid[:, half]
        if good.all():
            halves.append(median_of_valid(part))
        elif int(good.sum(axis=1).min()) < _FEWEST_PIXELS // 2:
            return None
        else:
            halves.append(np.array([float(median_of_valid(line[some])) for line, some in zip(part, good, strict=True)]))
    return halves[0], halves[1]
