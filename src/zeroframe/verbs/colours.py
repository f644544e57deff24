"""Frames of colour sensors as CCDData: split into an image of each colour, for photometry."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from astropy.nddata import CCDData

from zeroframe.errors import ArgumentError, UsageError
from zeroframe.frames.colours import PHASES, plane_of
from zeroframe.headers.colour_planes import plane_cards, plane_pixel, sip_factor
from zeroframe.headers.colours import ColourPattern, read_colours
from zeroframe.verbs.ccddata import require_ccd

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["by_planes", "colours_of", "refuse_mixing", "split_colours"]


def colours_of(ccd: CCDData) -> ColourPattern | None:
    """Return the colour pattern that the header of a frame states, of its pixels as they are stored."""
    return read_colours(ccd.meta, ccd.shape).pattern


def refuse_mixing(ccd: CCDData, what: str) -> None:
    """Raise `UsageError` where something that joins neighbours is to be done to a frame of a colour sensor."""
    pattern = colours_of(ccd)
    if pattern is not None:
        raise UsageError(
            f"{what} would mix the colours of the pattern {pattern.letters} of this frame; take each plane of "
            "zeroframe.split_colours(ccd), or delete the card of the pattern from ccd.meta to mix them all the same"
        )


def by_planes(ccd: CCDData, do: Callable[[CCDData, dict[str, Any]], CCDData], arrays: dict[str, Any]) -> CCDData | None:
    """Do something to each plane of a frame of a colour sensor, and put the results together again.

    Parameters
    ----------
    ccd : CCDData
        The frame, which is not changed.
    do : callable
        Takes a plane, and the arrays of its pixels; returns it changed, with a mask.
    arrays : dict of str to object
        What belongs to the pixels of the frame, such as their errors; what is no array of its shape stays what it is.

    Returns
    -------
    CCDData or None
        None of a frame whose header names no colours.
    """
    pattern = colours_of(ccd)
    if pattern is None:
        return None
    result: CCDData | None = None
    for (dy, dx), plane in zip(PHASES, split_colours(ccd).values(), strict=True):
        own = {
            name: np.ascontiguousarray(plane_of(array, (dy, dx)))
            if isinstance(array, np.ndarray) and array.shape == ccd.shape
            else array
            for name, array in arrays.items()
        }
        made = do(plane, own)
        if result is None:
            result = ccd.copy()
            result.data = np.empty(ccd.shape, made.data.dtype)
            result.mask = np.zeros(ccd.shape, bool)
            result.unit = made.unit
            if made.uncertainty is not None:
                result.uncertainty = type(made.uncertainty)(np.empty(ccd.shape, made.uncertainty.array.dtype))
        result.data[dy::2, dx::2] = made.data
        result.mask[dy::2, dx::2] = False if made.mask is None else made.mask
        if made.uncertainty is not None:
            result.uncertainty.array[dy::2, dx::2] = made.uncertainty.array
    return result


def split_colours(ccd: CCDData, pattern: str | None = None) -> dict[str, CCDData]:
    """Split a frame of a colour sensor into an image of each colour.

    Parameters
    ----------
    ccd : CCDData
        The frame, which is not changed.
    pattern : str, optional
        Colours of the first 2 x 2 pixels, as they are stored, such as ``"RGGB"``; by default as the header says.

    Returns
    -------
    dict of str to CCDData
        ``R``, ``G1``, ``G2``, ``B`` in the order of their pixels, every second row and column each, with mask and
        uncertainty. Header and world coordinates are true for the larger pixels; the card COLOUR names the plane.

    Raises
    ------
    UsageError
        When neither header nor ``pattern`` say which colours there are.
    ArgumentError
        When an argument is of the wrong type.

    Examples
    --------
    >>> frame = CCDData(np.arange(16.0).reshape(4, 4), unit="adu", meta={"BAYERPAT": "RGGB"})
    >>> {name: plane.data.tolist() for name, plane in split_colours(frame).items()}["G1"]
    [[1.0, 3.0], [9.0, 11.0]]
    """
    frame = require_ccd(ccd)
    if pattern is None:
        found = colours_of(frame)
    elif isinstance(pattern, str):
        found = read_colours({"BAYERPAT": pattern}, frame.shape).pattern
    else:
        raise ArgumentError(f"pattern is {pattern!r}; it must be a text such as 'RGGB'")
    if found is None:
        said = "its header names no colour pattern" if pattern is None else f"{pattern!r} is no colour pattern"
        raise UsageError(f"{said}; give pattern='RGGB' (or 'BGGR', 'GRBG', 'GBRG')")
    return {name: _plane(frame, found, place) for place, name in enumerate(found.names)}


def _plane(frame: CCDData, pattern: ColourPattern, place: int) -> CCDData:
    """Return one plane."""
    dy, dx = PHASES[place]

    def part(image: Any) -> Any:  # noqa: ANN401 -- an array, or None
        return None if image is None else np.ascontiguousarray(plane_of(np.broadcast_to(image, frame.shape), (dy, dx)))

    uncertainty = frame.uncertainty
    if uncertainty is not None:
        uncertainty = type(uncertainty)(part(uncertainty.array))
    meta = frame.meta.copy()
    plane_cards(meta, pattern, place, frame.shape)
    wcs = _plane_wcs(frame.wcs, (dx, dy))
    return CCDData(
        part(frame.data), unit=frame.unit, meta=meta, mask=part(frame.mask), uncertainty=uncertainty, wcs=wcs
    )


def _plane_wcs(wcs: Any, firsts: tuple[int, int]) -> Any:  # noqa: ANN401 -- astropy has no types
    """Return world coordinates of every second pixel along each axis.

    Those that astropy slices with a step are of blocks of pixels, half a pixel further on.
    """
    if wcs is None:
        return None
    tables = [getattr(wcs, name, None) for name in ("cpdis1", "cpdis2", "det2im1", "det2im2")]
    if any(table is not None for table in tables) or not hasattr(wcs, "wcs"):
        raise UsageError("the world coordinates of the frame have tables of distortions; set ccd.wcs = None first")
    scaled = wcs.deepcopy()
    scaled.wcs.crpix = [plane_pixel(at, first) for at, first in zip(scaled.wcs.crpix, firsts, strict=True)]
    if scaled.wcs.has_cd():
        scaled.wcs.cd = scaled.wcs.cd * 2.0
    else:
        scaled.wcs.pc = scaled.wcs.get_pc() * 2.0
    if scaled.sip is not None:
        from astropy.wcs import Sip

        parts = [_scaled_sip(getattr(scaled.sip, name)) for name in ("a", "b", "ap", "bp")]
        scaled.sip = Sip(*parts, scaled.wcs.crpix)
    scaled.pixel_shape = None
    scaled.wcs.set()
    return scaled


def _scaled_sip(terms: Any) -> Any:  # noqa: ANN401 -- an array, or None
    if terms is None:
        return None
    order = range(len(terms))
    return np.array([[terms[p, q] * sip_factor(p, q) for q in order] for p in order])
