"""Flats of one group compared: whether each holds light, and light of the same shape and with the same pattern.

Their levels may differ by any factor, as those of twilight do; so each is divided by its own before it is compared.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from zeroframe.frames.medians import median_of_valid
from zeroframe.frames.numbers import number, percent
from zeroframe.kernels.stack import MAD_TO_SIGMA
from zeroframe.records import dataclass

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

__all__ = ["FEWEST_TO_COMPARE", "Flag", "FlatShape", "joined_shapes", "measure_flat", "odd_flats", "place_of"]

#: Cells along each axis of the map, and how many of them along each axis are joined when two maps are compared.
_CELLS, _JOINED = 32, 4
#: So many pixels of each cell are enough: their mean is good to a sixteenth of the noise of a pixel.
_CELL_PIXELS = 256
#: What stands so many robust sigmas off its cell is a star, a hot pixel, a cosmic ray.
_OUTLIER = 5.0
#: The pattern of pixels is compared on so many differences of neighbours.
_FINE_PIXELS = 8192
#: A cell is lit that holds so much of what the brightest twentieth of the cells holds.
_LIT, _BRIGHT_PERCENT = 0.25, 95.0
_FEWEST_LIT = 4
#: Without light is what stands less than so many noises of a pixel above zero, and holds less than this fraction of
#: the brightest; or less than this many noises, where no two frames have a pattern in common.
_DARK_NOISES, _DARK_FRACTION = 10.0, 0.02
_COMMON_PATTERN = 0.5
#: Shapes are the same that differ by less: of three flats one that is off by 2 % shifts the average by 0.7 %. Between
#: two or where there is no majority, half as much again, because nobody says which of them is right.
_SAME_SHAPE, _SAME_SHAPES = 0.02, 0.03
#: And by less than so many times what the others differ by, and so many standard errors of the largest of 64 cells.
_USUAL_TIMES, _SHAPE_SIGMAS = 3.0, 6.0
#: A frame that shares less than this of the pattern that the others share, by so many standard errors.
_LEAST_PATTERN, _PATTERN_SIGMAS = 0.5, 8.0
#: Fewer frames cannot say which of them is the odd one.
FEWEST_TO_COMPARE = 3


@dataclass(frozen=True, slots=True, eq=False)
class FlatShape:
    """The light of a flat.

    Attributes
    ----------
    light_adu : float
        Mean of the lit cells.
    noise_adu : float
        Noise of a pixel against its neighbours, pattern included.
    cells : ndarray of float32, shape (up to 32, up to 32)
        Mean of each cell of the map over ``light_adu``, outliers left out; NaN where fewer than half of its pixels are
        valid.
    cell_pixels : int
        Pixels of a cell that were looked at.
    fine : ndarray of float32
        Differences of neighbours along rows, over ``light_adu`` and sqrt(2), outliers cut down.
    """

    light_adu: float
    noise_adu: float
    cells: NDArray[np.float32]
    cell_pixels: int
    fine: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Flag:
    """Why a frame does not seem to belong to the others.

    Attributes
    ----------
    path : pathlib.Path
        The frame.
    what : str
        ``'level'``, ``'noise'``, ``'shape'``, ``'saturated'``, ``'not finite'``, ``'temperature'``, ``'gain'``,
        ``'exposure'``, ``'kind'`` or ``'copy'``; of flats also ``'light'`` or ``'pattern'`` where the others tell that
        it is wrong, and ``'shapes'`` where flats contradict each other, and nothing tells which is right.
    figure, limit : float
        What was found, and from where on it is odd; both as the distance from what is usual.
    sentence : str
        The same in words, without the name of the frame.
    """

    path: Path
    what: str
    figure: float
    limit: float
    sentence: str


def measure_flat(bands: NDArray[Any], noise_adu: float) -> FlatShape:
    """Measure the light of a flat; 5 ms for 32 bands of 8 rows of 2048 pixels.

    Parameters
    ----------
    bands : ndarray of float, shape (bands, rows, nx)
        Neighbouring rows of a flat, less its bias; not finite where masked.
    noise_adu : float
        Noise of a pixel against its neighbours.

    Returns
    -------
    FlatShape

    Examples
    --------
    >>> flat = np.random.default_rng(1).normal(900.0, 30.0, (32, 8, 320)).astype(np.float32)
    >>> shape = measure_flat(flat, 30.0)
    >>> round(shape.light_adu), shape.cells.shape, bool(abs(shape.cells - 1.0).max() < 0.02)
    (900, (32, 32), True)
    """
    count, height, nx = bands.shape
    across = min(_CELLS, nx)
    width = nx // across
    step = max(height * width // _CELL_PIXELS, 1)
    pixels = bands[:, :, : width * across].reshape(count, height, across, width)[..., ::step]
    cells = _cell_means(np.ascontiguousarray(pixels.transpose(0, 2, 1, 3)).reshape(count * across, -1))
    known = cells[np.isfinite(cells)]
    light = float("nan")
    if known.size:
        lit = known >= _LIT * np.percentile(known, _BRIGHT_PERCENT)
        light = float(known[lit].mean()) if lit.any() else float(known.mean())
    with np.errstate(invalid="ignore", divide="ignore"):
        relative = np.asarray(cells / light, dtype=np.float32).reshape(count, across)
    return FlatShape(light, noise_adu, relative, pixels.shape[1] * pixels.shape[3], _fine(bands, light))


def joined_shapes(shapes: Sequence[FlatShape]) -> FlatShape:
    """Return the light of a flat from that of its colours: means of what is relative, and of the noise mean squares.

    Examples
    --------
    >>> cells = np.ones((2, 2), np.float32)
    >>> red, blue = (FlatShape(light, 30.0, cells, 64, np.zeros(8, np.float32)) for light in (450.0, 600.0))
    >>> joined_shapes([red, blue]).light_adu
    525.0
    """
    return FlatShape(
        float(np.mean([each.light_adu for each in shapes])),
        float(np.sqrt(np.mean(np.square([each.noise_adu for each in shapes])))),
        np.mean([each.cells for each in shapes], axis=0, dtype=np.float32),
        sum(each.cell_pixels for each in shapes),
        np.concatenate([each.fine for each in shapes]),
    )


def _cell_means(pixels: NDArray[Any]) -> NDArray[np.float64]:
    """Return the mean of each row, what lies far from its median cut down; NaN where most of it is not finite."""
    lost = ~np.isfinite(pixels)
    spoilt = lost.any(axis=1)
    if spoilt.any():
        valid = np.count_nonzero(~lost, axis=1)
        for row in np.flatnonzero(spoilt):
            good = pixels[row][~lost[row]]
            pixels[row][lost[row]] = median_of_valid(good) if good.size else 0.0
    middle = median_of_valid(pixels)[:, None]
    pixels -= middle
    spread = MAD_TO_SIGMA * median_of_valid(np.abs(pixels))[:, None]
    # of whole numbers with little noise the MAD may be zero: half a step is the least that they scatter by
    reach = _OUTLIER * np.maximum(spread, 0.5)
    means = np.clip(pixels, -reach, reach).mean(axis=1, dtype=np.float64) + middle[:, 0]
    if spoilt.any():
        means[valid * 2 < pixels.shape[1]] = np.nan
    return np.asarray(means, dtype=np.float64)


def _fine(bands: NDArray[Any], light_adu: float) -> NDArray[np.float32]:
    """Return differences of neighbours, spread evenly, over the light."""
    count, height, nx = bands.shape
    if nx < 2 or not light_adu > 0:
        return np.zeros(0, np.float32)
    step = 2 * max(count * height * (nx // 2) // _FINE_PIXELS, 1)
    with np.errstate(invalid="ignore"):
        found = (bands[..., 0 : nx - 1 : step] - bands[..., 1:nx:step]).reshape(-1) / (light_adu * np.sqrt(2.0))
    known = np.isfinite(found)
    # of an amplifier that was not read no difference is known, and zeros would be most of all
    sizes = np.abs(found if known.all() else found[known])
    found[~known] = 0.0
    reach = _OUTLIER * MAD_TO_SIGMA * float(median_of_valid(sizes)) if sizes.size else 0.0
    return np.asarray(np.clip(found, -reach, reach), dtype=np.float32)


def odd_flats(flats: Mapping[Path, FlatShape]) -> list[Flag]:
    """Tell which flats do not belong to the others.

    Parameters
    ----------
    flats : mapping of path to FlatShape
        Flats that are meant to be of the same light.

    Returns
    -------
    list of Flag
        At most one for each flat.

    Notes
    -----
    Two flats have the same shape if the ratio of their maps is the same in all of 8 x 8 places to 2 %, or to three
    times what most of them differ by. The frame that most others are like is the measure for all. The pattern is what
    the differences of neighbouring pixels have in common in two frames: their covariance does not depend on how bright
    they are, and is zero where one of them was flipped, or shifted.
    """
    odd = _without_light(flats)
    dark = {each.path for each in odd}
    lit = {path: flat for path, flat in flats.items() if path not in dark and flat.light_adu > 0}
    odd += _of_other_shape(lit)
    named = {each.path for each in odd}
    return odd + _of_other_pattern({path: flat for path, flat in lit.items() if path not in named})


def _without_light(flats: Mapping[Path, FlatShape]) -> list[Flag]:
    """Name the flats in which the lamp was off, or the shutter closed."""
    noises = {path: flat.light_adu / flat.noise_adu for path, flat in flats.items() if flat.noise_adu > 0}
    weak = [path for path, value in noises.items() if value < _DARK_NOISES]
    if not weak:
        return []
    brightest = max(flat.light_adu for flat in flats.values() if np.isfinite(flat.light_adu))
    others_are_lit = any(path not in noises or noises[path] >= _DARK_NOISES for path in flats)
    if others_are_lit:
        weak = [path for path in weak if flats[path].light_adu < _DARK_FRACTION * brightest]
    elif _share_a_pattern([flats[path] for path in weak]):
        return []  # fibres vary from pixel to pixel by more than a tenth of their light, always in the same way
    return [
        Flag(
            path, "light", noises[path], _DARK_NOISES,
            f"it holds no light to speak of: its level of {number(flats[path].light_adu, 4)} ADU is "
            f"{number(noises[path], 3)} times the noise of a pixel (limit {_DARK_NOISES:g})",
        )
        for path in weak
    ]  # fmt: skip


def _share_a_pattern(flats: list[FlatShape]) -> bool:
    """Whether any two have most of what differs between neighbours in common; of a lone one nothing is known."""
    if len(flats) < 2:
        return flats[0].light_adu > flats[0].noise_adu * _DARK_NOISES / 2
    shared = (
        np.array([each.fine for each in flats], dtype=np.float64) if len({f.fine.size for f in flats}) == 1 else None
    )
    if shared is None or not shared.size:
        return False
    own = np.sqrt((shared**2).mean(axis=1))
    with np.errstate(invalid="ignore", divide="ignore"):
        correlation = (shared @ shared.T / shared.shape[1]) / np.outer(own, own)
    np.fill_diagonal(correlation, 0.0)
    return bool(np.nanmax(correlation) > _COMMON_PATTERN)


def _joined(cells: NDArray[Any]) -> NDArray[np.float64]:
    """Median of squares of cells that are known; NaN where fewer than a quarter of them are."""
    ny, nx = (min(_JOINED, size) for size in cells.shape[-2:])
    kept = cells[..., : cells.shape[-2] // ny * ny, : cells.shape[-1] // nx * nx]
    squares = kept.reshape(*kept.shape[:-2], kept.shape[-2] // ny, ny, kept.shape[-1] // nx, nx)
    squares = np.moveaxis(squares, -3, -2).reshape(*squares.shape[:-4], squares.shape[-4], squares.shape[-2], ny * nx)
    squares = np.sort(squares, axis=-1)  # NaN last
    valid = np.isfinite(squares).sum(axis=-1)
    middle = np.stack([np.maximum(valid - 1, 0) // 2, valid // 2], axis=-1).clip(0, ny * nx - 1)
    joined = np.take_along_axis(squares, middle, axis=-1).mean(axis=-1)
    joined[valid < max(ny * nx // 4, 1)] = np.nan
    return np.asarray(joined, dtype=np.float64)


def _differences(one: FlatShape, others: list[FlatShape]) -> tuple[NDArray[np.float64], list[NDArray[np.float64]]]:
    """Return the largest difference of shape from each other flat less its error, as a fraction; and the ratios."""
    reference = one.cells
    known = reference[np.isfinite(reference)]
    lit = reference >= _LIT * np.percentile(known, _BRIGHT_PERCENT) if known.size else np.zeros(reference.shape, bool)
    found, ratios = np.zeros(len(others)), []
    for place, other in enumerate(others):
        with np.errstate(invalid="ignore", divide="ignore"):
            ratio = _joined(np.where(lit & (other.cells > 0), other.cells / reference, np.nan))
        usable = ratio[np.isfinite(ratio)]
        ratio = ratio / median_of_valid(usable) if usable.size >= _FEWEST_LIT else np.full(ratio.shape, np.nan)
        errors = [(flat.noise_adu / flat.light_adu) ** 2 for flat in (one, other)]
        # a median of 16 cells; the darkest lit cell has a quarter of the light
        error = float(np.sqrt(sum(errors) / (one.cell_pixels * _JOINED**2) * np.pi / 2 / _LIT))
        ratios.append(ratio)
        if usable.size >= _FEWEST_LIT:
            found[place] = max(float(np.nanmax(np.abs(ratio - 1.0))) - _SHAPE_SIGMAS * error, 0.0)
    return found, ratios


def _of_other_shape(flats: Mapping[Path, FlatShape]) -> list[Flag]:
    """Name the flats whose light falls off otherwise than that of the others."""
    paths = list(flats)
    if len(paths) < 2 or len({flat.cells.shape for flat in flats.values()}) > 1:
        return []
    all_of_them = [flats[path] for path in paths]
    compared = [_differences(flat, all_of_them) for flat in all_of_them]
    # with the frame itself, more than half of all lie no further from it
    enough = len(paths) // 2
    usual = [float(np.sort(differences)[enough]) for differences, _ in compared]
    middle = int(np.argmin(usual))
    differences, ratios = compared[middle]
    if usual[middle] > _SAME_SHAPES or len(paths) < FEWEST_TO_COMPARE:
        limit = _SAME_SHAPES if len(paths) >= FEWEST_TO_COMPARE else _SAME_SHAPE
        pairs = np.array([differences for differences, _ in compared])
        return [
            Flag(
                path, "shapes", float(pairs[number].max()), limit,
                f"its light differs in shape by {percent(pairs[number].max())} from that of "
                f"{paths[int(pairs[number].argmax())].name}; nothing tells which of them is right "
                f"(limit {percent(limit)})",
            )
            for number, path in enumerate(paths)
            if pairs[number].max() > limit
        ]  # fmt: skip
    limit = max(_SAME_SHAPE, _USUAL_TIMES * usual[middle])
    return [
        Flag(path, "shape", float(difference), limit, _said(ratio, limit))
        for path, difference, ratio in zip(paths, differences, ratios, strict=True)
        if difference > limit
    ]


def _said(ratio: NDArray[np.float64], limit: float) -> str:
    """Say where a flat is brighter or darker than the others."""
    y, x = np.unravel_index(int(np.nanargmax(np.abs(ratio - 1.0))), ratio.shape)
    off = float(ratio[y, x]) - 1.0
    place = place_of((y + 0.5) / ratio.shape[0], (x + 0.5) / ratio.shape[1])
    how = "brighter" if off > 0 else "darker"
    return f"its light is {percent(abs(off))} {how} at the {place} than the others' (limit {percent(limit)})"


def place_of(y: float, x: float) -> str:
    """Name a place by its fractions of height and width; the first row is at the bottom."""
    vertical = "bottom" if y < 1 / 3 else "top" if y > 2 / 3 else ""
    horizontal = "left" if x < 1 / 3 else "right" if x > 2 / 3 else ""
    return " ".join(word for word in (vertical, horizontal) if word) or "centre"


def _of_other_pattern(flats: Mapping[Path, FlatShape]) -> list[Flag]:
    """Name the flats whose pixels do not answer as they do in the others: flipped, shifted, of another light."""
    paths = [path for path, flat in flats.items() if flat.fine.size]
    if len(paths) < FEWEST_TO_COMPARE or len({flats[path].fine.size for path in paths}) > 1:
        return []
    fine = np.array([flats[path].fine for path in paths], dtype=np.float64)
    covariance = fine @ fine.T / fine.shape[1]
    variance = np.diagonal(covariance).copy()
    np.fill_diagonal(covariance, -np.inf)
    shared = covariance.max(axis=1)
    usual = float(np.median(shared))
    error = np.sqrt(variance * float(np.median(variance)) / fine.shape[1])
    odd = (shared < _LEAST_PATTERN * usual) & (usual - shared > _PATTERN_SIGMAS * error)
    return [
        Flag(
            path, "pattern", float(share), _LEAST_PATTERN,
            f"the pattern of its pixels is not that of the others: {100 * max(share, 0.0):.0f} % of it in common "
            f"(limit {100 * _LEAST_PATTERN:g} %), as if it was flipped, shifted, or of another light",
        )
        for path, share, is_odd in zip(paths, shared / usual if usual > 0 else shared, odd, strict=True)
        if is_odd
    ]  # fmt: skip
