"""Verbs on frames that several amplifiers read, by what their headers say: each by itself, or put together."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from astropy.nddata import CCDData

from zeroframe.errors import CameraError
from zeroframe.fits.precision import float_dtype
from zeroframe.frames.regions import Region, region_levels, region_of
from zeroframe.headers.geometry import detector_of_image
from zeroframe.headers.result_cards import Piece, assembled_cards, say_amplifiers
from zeroframe.headers.sections import AxisRange, Section
from zeroframe.inspection.amplifiers import amplifier_box
from zeroframe.verbs.ccddata import add_keywords, wcs_of, with_data

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from zeroframe.frames.overscan import LevelMethod
    from zeroframe.headers.detectors import Amplifier, Detector

__all__ = ["amplifiers_with", "detector_of", "each_amplifier", "put_together", "subtract_each"]


def detector_of(ccd: CCDData) -> Detector | None:
    """Return the amplifiers that read a frame, by its header; None of one amplifier, and of a slice of such a frame.

    Parameters
    ----------
    ccd : CCDData
        Of two axes.
    """
    stated = tuple(ccd.meta.get(f"NAXIS{axis}") for axis in (2, 1))
    if len(ccd.shape) != 2 or (None not in stated and stated != tuple(ccd.shape)):
        return None
    try:
        found = detector_of_image(ccd.meta, (ccd.shape[0], ccd.shape[1]))
    except CameraError:  # sections of a larger image, or of none
        return None
    return found if found is not None and len(found.amplifiers) > 1 else None


def amplifiers_with(ccd: CCDData, *figures: str) -> Detector | None:
    """Return the amplifiers of a frame where its header tells some figures of each of them; else None."""
    found = detector_of(ccd)
    if found is None or any(getattr(each, name) is None for each in found.amplifiers for name in figures):
        return None
    return found


def _boxes(detector: Detector, shape_yx: tuple[int, int]) -> Iterator[tuple[Amplifier, tuple[slice, slice]]]:
    """Yield each amplifier with what it read of the frame, strips included."""
    for each in detector.amplifiers:
        y, x = amplifier_box(each, detector.amplifiers, shape_yx).slices_yx(shape_yx)
        yield each, (y, x)


def each_amplifier(
    ccd: CCDData,
    detector: Detector,
    do: Callable[[CCDData, Amplifier], CCDData],
    word: str,
    add_keyword: object,
) -> CCDData:
    """Return a frame of which what each amplifier read was treated by itself.

    Parameters
    ----------
    ccd : CCDData
        Which is not changed.
    detector : Detector
        From `detector_of`.
    do : callable
        Takes a part of the frame and its amplifier, and returns a frame of that size.
    word : str
        The card that says so.
    add_keyword : object
        As verbs take it.
    """
    shape = (ccd.shape[0], ccd.shape[1])
    parts = [(place, do(ccd[place], each)) for each, place in _boxes(detector, shape)]
    first = parts[0][1]
    result = with_data(ccd, np.array(ccd.data, dtype=first.data.dtype))
    result.unit = first.unit
    if first.uncertainty is not None:
        result.uncertainty = type(first.uncertainty)(np.full(shape, np.nan, first.uncertainty.array.dtype))
    if any(part.mask is not None for _, part in parts) and result.mask is None:
        result.mask = np.zeros(shape, dtype=bool)
    for place, part in parts:
        result.data[place] = part.data
        if first.uncertainty is not None:
            result.uncertainty.array[place] = part.uncertainty.array
        if part.mask is not None:
            result.mask[place] = part.mask
    names = ", ".join(each.name for each in detector.amplifiers)
    add_keywords(result, {word: f"each its own, of amplifiers {names}"}, add_keyword)
    return result


def subtract_each(ccd: CCDData, detector: Detector, method: LevelMethod, add_keyword: object) -> CCDData:
    """Return a frame less the level of each amplifier's own overscan, in what that has read; of the same size.

    Parameters
    ----------
    ccd, add_keyword
        As for `zeroframe.subtract_overscan`.
    detector : Detector
        From `detector_of`.
    method : str
        How the level of a row is taken.
    """
    data, shape = np.asarray(ccd.data), (ccd.shape[0], ccd.shape[1])
    masked = None if ccd.mask is None else np.broadcast_to(ccd.mask, shape)
    out: NDArray[Any] = data.astype(float_dtype(data.dtype))

    def part_of(rows: Any, columns: Any) -> NDArray[Any]:  # noqa: ANN401 -- slices, or numbers
        part: NDArray[Any] = data[rows, columns].astype(np.float64)
        if masked is not None:
            part[masked[rows, columns]] = np.nan
        return part

    lacking = [each.name for each in detector.amplifiers if each.overscan is None]
    if lacking:
        raise CameraError(f"the header names no overscan of amplifier {', '.join(lacking)}; give one overscan for all")
    for each, (rows, columns) in _boxes(detector, shape):
        region: Region = region_of(replace(each, overscan_method=method))
        levels = region_levels(part_of, region, shape)
        row, column = levels.row_adu.copy(), levels.column_adu
        kept = region.kept(shape)
        if each.overscan_axis == 1:  # beyond the rows of the image, the mean level
            outside = np.ones(shape[0], bool)
            outside[min(kept[0]) : max(kept[0]) + 1] = False
            row[outside & (row == 0.0)] = levels.mean_adu
        out[rows, columns] -= (row[rows, np.newaxis] + column[np.newaxis, columns]).astype(out.dtype)
    result = with_data(ccd, out)
    names = ", ".join(f"{each.name} {each.overscan}" for each in detector.amplifiers)
    add_keywords(result, {"OVERSCAN": f"of each amplifier: {names}, {method}"[:68]}, add_keyword)
    return result


def put_together(ccd: CCDData, detector: Detector, add_keyword: object) -> CCDData:
    """Return what amplifiers read as one image: each trimmed, turned and put into its place.

    Parameters
    ----------
    ccd, add_keyword
        As for `zeroframe.trim_image`.
    detector : Detector
        From `detector_of`.
    """
    shape = (ccd.shape[0], ccd.shape[1])
    regions = [region_of(each) for each in detector.amplifiers]
    parts = [region.part(shape) for region in regions]
    ny, nx = max(part.to_y + part.ny for part in parts), max(part.to_x + part.nx for part in parts)

    def assembled(values: NDArray[Any]) -> NDArray[Any]:
        whole = np.empty((ny, nx), values.dtype)
        for part in parts:
            own = values[part.y0 : part.y0 + part.ny, part.x0 : part.x0 + part.nx]
            turned = own[:: -1 if part.flip_y else 1, :: -1 if part.flip_x else 1]
            whole[part.to_y : part.to_y + part.ny, part.to_x : part.to_x + part.nx] = turned
        return whole

    result = CCDData(
        assembled(np.asarray(ccd.data)),
        unit=ccd.unit,
        meta=ccd.meta.copy(),
        mask=None if ccd.mask is None else assembled(np.broadcast_to(np.asarray(ccd.mask), shape)),
    )
    if ccd.uncertainty is not None:
        result.uncertainty = type(ccd.uncertainty)(assembled(np.asarray(ccd.uncertainty.array)))
    if isinstance(ccd.flags, np.ndarray):
        result.flags = assembled(ccd.flags)
    pieces = [
        Piece(
            Section((AxisRange(part.x0 + 1, part.x0 + part.nx), AxisRange(part.y0 + 1, part.y0 + part.ny))),
            (part.to_x, part.to_y),
            (part.flip_x, part.flip_y),
        )
        for part in parts
    ]
    assembled_cards(result.meta, pieces, (ny, nx))
    say_amplifiers(result.meta, detector)
    result.wcs = None if ccd.wcs is None else wcs_of(result.meta)
    add_keywords(result, {"TRIM": f"assembled of {len(parts)} amplifiers"}, add_keyword)
    return result
