"""Colour sensors: what is done within a colour, plane by plane; which pixels are green, by the light of flats.

Every function of this package takes an image whose neighbours see the same light. Of a colour sensor these are the four
planes ``image[dy::2, dx::2]``; `each_colour` hands them to any of them, and hands out the image itself where there is
no pattern.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from zeroframe.frames.calibration_frames import level_of_flat
from zeroframe.frames.statistics import sampled_level
from zeroframe.headers.colours import ColourPattern

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

__all__ = [
    "COLOUR_LEVEL_CARD",
    "PHASES",
    "colour_bands",
    "each_colour",
    "halved",
    "level_by_colour",
    "levels_of_colours",
    "pattern_by_levels",
    "phase_levels",
    "phases_of",
    "plane_of",
    "sky_of_colours",
    "whole_cells",
]

#: What a combined flat says of the level of a colour, with its letter, before it was divided by it.
COLOUR_LEVEL_CARD = "FLATLV_"
#: First row and column of each plane, in the order of the letters of a pattern.
PHASES = ((0, 0), (0, 1), (1, 0), (1, 1))
#: Two pixels of a cell see one filter whose light differs by less than this fraction, and another one whose light
#: differs by more than that; greens of one sensor differ by up to 2 % (as G1 and G2 of many DSLRs do).
_SAME_LIGHT, _OTHER_LIGHT = 0.03, 0.06
#: And by so many times what the greens differ by, and so many errors of a level.
_TIMES, _SIGMAS = 3.0, 8.0


def plane_of(image: NDArray[Any], phase: tuple[int, int]) -> NDArray[Any]:
    """Return a view of the pixels of one place of the cell; of an image that is not there, that image."""
    dy, dx = phase
    return image[dy::2, dx::2] if image.size else image


def each_colour(
    colours: ColourPattern | None, worked_on: Sequence[NDArray[Any]], seen: Sequence[NDArray[Any]] = ()
) -> Iterator[tuple[NDArray[Any], ...]]:
    """Yield images plane by plane, and take over what was done to them; without a pattern, the images themselves.

    Parameters
    ----------
    colours : ColourPattern or None
        Of the images.
    worked_on, seen : sequence of ndarray, shape (ny, nx) or (0, 0)
        Images that are changed in place, and others; kernels get planes of them in C order.

    Yields
    ------
    tuple of ndarray
        First those that are worked on.

    Examples
    --------
    >>> image = np.arange(8.0).reshape(2, 4)
    >>> for (plane,) in each_colour(ColourPattern("RGGB"), [image]):
    ...     plane -= plane.mean()
    >>> image
    array([[-1., -1.,  1.,  1.],
           [-1., -1.,  1.,  1.]])
    """
    if colours is None:
        yield (*worked_on, *seen)
        return
    for phase in phases_of((*worked_on, *seen)[0].shape):
        views = [plane_of(image, phase) for image in worked_on]
        planes = [np.ascontiguousarray(view) for view in views]
        yield (*planes, *(np.ascontiguousarray(plane_of(image, phase)) for image in seen))
        for view, plane in zip(views, planes, strict=True):
            view[...] = plane


def phases_of(shape_yx: tuple[int, ...]) -> tuple[tuple[int, int], ...]:
    """Return the first row and column of each plane of an image: four, unless it has one row or column only."""
    return tuple((dy, dx) for dy, dx in PHASES if dy < shape_yx[0] and dx < shape_yx[1])


def halved(ends: Sequence[int], first: int) -> tuple[int, int]:
    """Return the rows of a plane that lie between two rows of its image, as a slice counts them.

    Examples
    --------
    >>> halved((0, 5), 0), halved((0, 5), 1), halved((3, 8), 0)
    ((0, 3), (0, 2), (2, 4))
    """
    begin, end = ends
    return (begin - first + 1) // 2, (end - first + 1) // 2


def colour_bands(bands: NDArray[Any], colours: ColourPattern | None) -> list[NDArray[Any]]:
    """Return bands of neighbouring rows, of shape (bands, rows, nx), split by the places of the cell.

    Examples
    --------
    >>> [part.shape for part in colour_bands(np.zeros((3, 4, 7)), ColourPattern("RGGB"))]
    [(3, 2, 4), (3, 2, 3), (3, 2, 4), (3, 2, 3)]
    """
    if colours is None:
        return [bands]
    return [np.ascontiguousarray(bands[:, dy::2, dx::2]) for dy, dx in PHASES]


def phase_levels(rows: NDArray[Any]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the levels of the four places of the cell, and their errors.

    Parameters
    ----------
    rows : ndarray, shape (bands, height, nx)
        Neighbouring rows of a raw frame, of even height, all of whose first rows are even ones of the frame.

    Returns
    -------
    levels, errors : ndarray of float64, shape (4,)
        The median over the bands of what each place differs from the mean of the four, and that mean; NaN where
        nothing is valid.
    """
    means = np.array([[_middle(band[dy::2, dx::2]) for dy, dx in PHASES] for band in rows])
    common = np.median(means, axis=0).mean()
    with np.errstate(invalid="ignore"):
        off = means - means.mean(axis=1, keepdims=True)
    levels = np.median(off, axis=0)
    spread = 1.4826 * np.median(np.abs(off - levels), axis=0)
    return levels + common, np.maximum(spread / np.sqrt(len(rows)), 1e-9)


def _middle(pixels: NDArray[Any]) -> float:
    """Return the mean of the middle half of some pixels, which no star and no hot pixel reaches."""
    ordered = np.sort(pixels, axis=None)
    return float(ordered[ordered.size // 4 : ordered.size - ordered.size // 4].mean(dtype=np.float64))


def level_by_colour(pixels: NDArray[Any], colours: ColourPattern | None) -> float:
    """Return the level of an image as `zeroframe.frames.statistics.sampled_level` does: the mean of its colours'.

    Examples
    --------
    >>> level_by_colour(np.tile([[1.0, 2.0], [2.0, 7.0]], (20, 20)), ColourPattern("RGGB"))
    3.0
    """
    if colours is None:
        return sampled_level(pixels)
    return float(np.mean([sampled_level(plane_of(pixels, phase)) for phase in phases_of(pixels.shape)]))


def sky_of_colours(
    pixels: NDArray[Any], colours: ColourPattern, mask: NDArray[np.uint8] | None = None
) -> dict[str, float]:
    """Return the level of the sky in each colour, outliers left out: of two greens their mean; finite ones only.

    Where a mask is not 0, a pixel takes no part.

    Examples
    --------
    >>> sky_of_colours(np.tile([[10.0, 20.0], [22.0, 5.0]], (40, 40)), ColourPattern("RGGB"))
    {'R': 10.0, 'G': 21.0, 'B': 5.0}
    """
    levels: dict[str, list[float]] = {}
    for letter, (dy, dx) in zip(colours.letters, PHASES, strict=True):
        if dy < pixels.shape[0] and dx < pixels.shape[1]:
            own = None if mask is None else plane_of(mask, (dy, dx))
            levels.setdefault(letter, []).append(sampled_level(plane_of(pixels, (dy, dx)), own))
    means = {letter: float(np.mean(each)) for letter, each in levels.items()}
    return {letter: mean for letter, mean in means.items() if np.isfinite(mean)}


def levels_of_colours(flat: NDArray[Any], colours: ColourPattern) -> NDArray[np.float64]:
    """Return the level of a flat at each place of the cell; pixels of one colour have one, as of one filter.

    What two greens answer in different strength to one light is for the flat to correct.

    Examples
    --------
    >>> levels_of_colours(np.tile([[1.0, 2.0], [2.2, 7.0]], (20, 20)), ColourPattern("RGGB")).tolist()
    [1.0, 2.1, 2.1, 7.0]
    """
    found = np.array([level_of_flat(np.ascontiguousarray(plane_of(flat, phase))) or np.nan for phase in PHASES])
    same = [[other == letter for other in colours.letters] for letter in colours.letters]
    levels: NDArray[np.float64] = np.array([found[alike].mean() for alike in same])
    return np.where(np.isfinite(levels), levels, 1.0)  # of a colour without a usable pixel there is none


def whole_cells(cell: NDArray[Any], shape_yx: tuple[int, ...]) -> NDArray[Any]:
    """Return an image of cells that are all alike."""
    ny, nx = shape_yx
    return np.tile(cell.reshape(2, 2), (ny // 2 + 1, nx // 2 + 1))[:ny, :nx]


def pattern_by_levels(
    levels_adu: Sequence[float] | NDArray[Any], errors_adu: Sequence[float] | NDArray[Any], zero_adu: float
) -> ColourPattern | None:
    """Tell by the levels of a lit frame whether its pixels look through colour filters, and which are green.

    Parameters
    ----------
    levels_adu, errors_adu : sequence of float
        Of the four places of the cell.
    zero_adu : float
        The level without light.

    Returns
    -------
    ColourPattern or None
        Green on the diagonal whose two pixels see one light while one of the others sees another; with X and Y, because
        the colour of the lamp is not known. None where no diagonal is so: of a sensor without filters all four are
        alike, and where rows or columns are read by two amplifiers, both diagonals differ.

    Examples
    --------
    >>> pattern_by_levels([550, 1100, 1090, 700], [1, 1, 1, 1], 100.0)
    ColourPattern(letters='XGGY')
    >>> pattern_by_levels([1000, 1005, 1000, 1004], [1, 1, 1, 1], 100.0), pattern_by_levels([9, 9, 5, 5], [0] * 4, 0.0)
    (None, None)
    """
    light = np.asarray(levels_adu, dtype=np.float64) - zero_adu
    error = float(np.max(errors_adu))
    if not np.all(np.isfinite(light)) or light.max() <= 0:
        return None
    # of a sensor whose red and blue see the same, both diagonals are alike; green is the brighter one
    pairs = sorted((((0, 3), "GXYG"), ((1, 2), "XGGY")), key=lambda each: -light[list(each[0])].mean())
    for pair, letters in pairs:
        others = [place for place in range(4) if place not in pair]
        green = light[list(pair)].mean()
        apart = abs(light[pair[0]] - light[pair[1]])
        off = np.abs(light[others] - green).max()
        same = apart < _SAME_LIGHT * light.max() or apart < _SIGMAS * error
        if same and off > max(_OTHER_LIGHT * light.max(), _TIMES * apart, _SIGMAS * error):
            return ColourPattern(letters)
    return None
