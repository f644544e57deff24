"""Bin frames by software, and the other way: ccdproc's ``block_reduce``, ``block_average``, ``block_replicate``."""

from __future__ import annotations

import re
import warnings
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from astropy import nddata
from astropy.nddata import CCDData

from zeroframe.errors import ArgumentError, SectionError, UsageError
from zeroframe.fits.precision import float_dtype
from zeroframe.headers.result_cards import IMAGE_SECTIONS, set_card, trim_cards
from zeroframe.headers.sections import Section
from zeroframe.kernels.blocks import block_sums
from zeroframe.verbs.arguments import checked_names
from zeroframe.verbs.ccddata import masked_values, require_ccd
from zeroframe.verbs.colours import refuse_mixing
from zeroframe.verbs.working_frame import deviations_of, kernel_pixels, uncertainty_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

__all__ = ["block_average", "block_reduce", "block_replicate"]

Image: TypeAlias = "CCDData | NDArray[Any]"

#: Functions whose masked pixels can be left out, as what they then are.
_LEAVING_OUT = {np.median: np.nanmedian, np.nanmedian: np.nanmedian}
_DISTORTIONS = re.compile(r"(A|B|AP|BP)_(ORDER|DMAX|\d+_\d+)")


@checked_names
def block_reduce(ccd: Image, block_size: int | Sequence[int], func: Callable[..., Any] = np.sum) -> Image:
    """Make one pixel of each block of pixels.

    Parameters
    ----------
    ccd : CCDData or ndarray
        The frame, which is not changed. Rows and columns left over at the far edges are cut off.
    block_size : int or (int, int)
        Rows and columns of a block.
    func : callable
        Called with an array of four axes and ``axis=(2, 3)``.

    Returns
    -------
    CCDData, or ndarray
        Of a frame: float32, or float64 where the frame is, with unit, header and world coordinates made true for the
        larger pixels.

        ========================= =================================== ==========================
        ``func``                  masked where                        uncertainty
        ========================= =================================== ==========================
        ``np.sum``                a pixel of the block is masked      root of the summed variances
        ``np.mean``               every pixel is masked; others count as of a mean
        ``np.median``             every pixel is masked; others count none
        anything else             a pixel of the block is masked      none
        ========================= =================================== ==========================

        Of an array: what `astropy.nddata.block_reduce` gives.

    Raises
    ------
    ArgumentError
        When an argument is not known or of the wrong type.
    UsageError
        When the block does not fit into the frame, its world coordinates cannot follow, or the frame is of a colour
        sensor, whose colours would be mixed.

    Examples
    --------
    >>> frame = CCDData(np.arange(8.0).reshape(2, 4), unit="adu", mask=np.array([[1, 0, 0, 0], [0, 0, 0, 0]]))
    >>> block_reduce(frame, 2).data, block_average(frame, 2).data
    (array([[10., 18.]]), array([[3.33333333, 4.5       ]]))
    """
    if not callable(func):
        raise ArgumentError(f"func is {func!r}; it must be a function such as np.sum")
    if not isinstance(ccd, CCDData):
        return np.asarray(nddata.block_reduce(_array(ccd), block_size, func))
    frame = require_ccd(ccd)
    by, bx = _block_yx(block_size, frame.shape)
    if (by, bx) != (1, 1):
        refuse_mixing(frame, f"blocks of {by} x {bx} pixels")
    dtype = float_dtype(np.asarray(frame.data).dtype)
    if func in (np.sum, np.nansum, np.mean, np.nanmean, np.average):
        data, mask, sigma = _summed(frame, by, bx, average=func not in (np.sum, np.nansum))
    else:
        values = masked_values(frame)
        any_masked = nddata.block_reduce(~np.isfinite(values), (by, bx), np.any)
        data, mask, sigma = _by_function(values if func in _LEAVING_OUT else frame.data, any_masked, (by, bx), func)
    uncertainty = None if sigma is None else uncertainty_of(type(frame.uncertainty), sigma.astype(dtype))
    keep_mask = mask if frame.mask is not None or mask.any() else None
    return _rescaled(frame, np.asarray(data, dtype=dtype), keep_mask, uncertainty, (by, bx), smaller=True)


@checked_names
def block_average(ccd: Image, block_size: int | Sequence[int]) -> Image:
    """Average each block of pixels: `block_reduce` with ``np.mean``.

    Parameters
    ----------
    ccd : CCDData or ndarray
        The frame.
    block_size : int or (int, int)
        Rows and columns of a block.

    Returns
    -------
    CCDData, or ndarray
        Masked pixels take no part; what has no other is masked.

    Examples
    --------
    >>> block_average(np.array([[1.0, 3.0], [5.0, 7.0]]), 2)
    array([[4.]])
    """
    return block_reduce(ccd, block_size, np.mean)


@checked_names
def block_replicate(ccd: Image, block_size: int | Sequence[int], conserve_sum: bool = True) -> Image:  # noqa: FBT001
    """Make a block of equal pixels of each pixel.

    Parameters
    ----------
    ccd : CCDData or ndarray
        The frame, which is not changed.
    block_size : int or (int, int)
        Rows and columns of a block.
    conserve_sum : bool
        Divide by the number of pixels of a block; otherwise the values are repeated.

    Returns
    -------
    CCDData, or ndarray
        With unit, mask, uncertainty, header and world coordinates made true for the smaller pixels. The pixels of a
        block have one and the same error, which their uncertainty does not tell.

    Raises
    ------
    ArgumentError
        When an argument is not known or of the wrong type.

    Examples
    --------
    >>> block_replicate(CCDData(np.array([[4.0, 8.0]]), unit="adu"), (1, 2)).data
    array([[2., 2., 4., 4.]])
    """
    if not isinstance(ccd, CCDData):
        return np.asarray(nddata.block_replicate(_array(ccd), block_size, conserve_sum))
    frame = require_ccd(ccd)
    by, bx = _block_yx(block_size, None)
    if (by, bx) != (1, 1):
        refuse_mixing(frame, f"a block of {by} x {bx} pixels for each pixel")
    dtype = float_dtype(np.asarray(frame.data).dtype)
    share = 1.0 / (by * bx) if conserve_sum else 1.0

    def repeated(array: NDArray[Any]) -> NDArray[Any]:
        ny, nx = array.shape
        out = np.empty((ny, by, nx, bx), array.dtype)
        out[:] = array[:, None, :, None]
        return out.reshape(ny * by, nx * bx)

    data = repeated((np.asarray(frame.data, dtype=np.float64) * share).astype(dtype))
    sigma = deviations_of(frame, np.dtype(np.float64))
    uncertainty = None
    if sigma is not None:
        uncertainty = uncertainty_of(type(frame.uncertainty), repeated((sigma * share).astype(dtype)))
    mask = None if frame.mask is None else repeated(np.broadcast_to(np.asarray(frame.mask, dtype=bool), frame.shape))
    return _rescaled(frame, data, mask, uncertainty, (by, bx), smaller=False)


def _array(value: object) -> NDArray[Any]:
    if not isinstance(value, np.ndarray):
        raise ArgumentError(f"ccd must be a CCDData or an array, not {type(value).__name__}")
    return value


def _block_yx(block_size: object, shape_yx: tuple[int, ...] | None) -> tuple[int, int]:
    """Return rows and columns of a block, checked against the frame."""
    sizes = np.atleast_1d(np.asarray(block_size))
    whole = sizes.dtype.kind in "iuf" and sizes.shape in ((1,), (2,))
    if not whole or (sizes != np.floor(sizes)).any() or (sizes < 1).any():
        raise UsageError(f"block_size is {block_size!r}; give one whole number, or two: (rows, columns)")
    by, bx = int(sizes[0]), int(sizes[-1])
    if shape_yx is not None and (by > shape_yx[0] or bx > shape_yx[1]):
        raise UsageError(f"a block of {by} x {bx} pixels (rows x columns) does not fit into a frame of {shape_yx}")
    return by, bx


def _summed(
    frame: CCDData, by: int, bx: int, *, average: bool
) -> tuple[NDArray[np.float64], NDArray[np.bool_], NDArray[np.float64] | None]:
    """Return sums or means of blocks, their mask and standard deviations."""
    pixels = kernel_pixels(np.asarray(frame.data))
    sigma = deviations_of(frame, float_dtype(pixels.dtype))
    mask = np.empty((0, 0), bool)
    if frame.mask is not None:
        mask = np.ascontiguousarray(np.broadcast_to(np.asarray(frame.mask, dtype=bool), frame.shape))
    shape = pixels.shape[0] // by, pixels.shape[1] // bx
    totals, variances, counts = np.empty(shape), np.empty(shape), np.empty(shape, np.int64)
    own_sigma = np.empty((0, 0), np.float32) if sigma is None else sigma
    block_sums(pixels, own_sigma, mask, by, bx, totals, variances, counts)
    error = None if sigma is None else np.sqrt(variances)
    if not average:
        return totals, counts < by * bx, error
    with np.errstate(invalid="ignore"):
        return totals / counts, counts == 0, None if error is None else error / counts


def _by_function(
    data: NDArray[Any], any_masked: NDArray[np.bool_], block_yx: tuple[int, int], func: Callable[..., Any]
) -> tuple[NDArray[Any], NDArray[np.bool_], None]:
    """Return what a function makes of each block, and where that is masked."""
    if func in _LEAVING_OUT and any_masked.any():
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "All-NaN slice", RuntimeWarning)
            found = np.asarray(nddata.block_reduce(data, block_yx, _LEAVING_OUT[func]))
        return found, np.isnan(found), None
    found = np.asarray(nddata.block_reduce(np.asarray(data), block_yx, func))
    if found.shape != any_masked.shape:
        name = getattr(func, "__name__", repr(func))
        raise ArgumentError(f"{name}(blocks, axis=(2, 3)) gives shape {found.shape}; it must give {any_masked.shape}")
    return found, any_masked, None


def _rescaled(
    frame: CCDData,
    data: NDArray[Any],
    mask: NDArray[np.bool_] | None,
    uncertainty: Any,  # noqa: ANN401
    block_yx: tuple[int, int],
    *,
    smaller: bool,
) -> CCDData:
    """Return a frame of larger or smaller pixels, its header and world coordinates made true."""
    factors_xy = [float(f) if smaller else 1.0 / f for f in reversed(block_yx)]
    meta = frame.meta.copy()
    if smaller:
        used = tuple(slice(0, n * f) for n, f in zip(data.shape, block_yx, strict=True))
        if any(part.stop != n for part, n in zip(used, frame.shape, strict=True)):
            trim_cards(meta, Section.from_slices(used, frame.shape), frame.shape)
    _rescale_cards(meta, factors_xy, data.shape, block_yx, smaller=smaller)
    return CCDData(
        data, unit=frame.unit, meta=meta, mask=mask, wcs=_rescaled_wcs(frame, factors_xy), uncertainty=uncertainty
    )


def _rescale_cards(
    header: Any,  # noqa: ANN401 -- a FITS header or another mapping
    factors_xy: Sequence[float],
    shape_yx: tuple[int, ...],
    block_yx: tuple[int, int],
    *,
    smaller: bool,
) -> None:
    """Make the cards that count pixels true; the header is changed in place."""
    for axis, factor in enumerate(factors_xy, start=1):
        if f"NAXIS{axis}" in header:
            set_card(header, f"NAXIS{axis}", shape_yx[-axis])
        for word in [str(word) for word in header]:
            if re.fullmatch(rf"CRPIX{axis}[A-Z]?|LTV{axis}", word):
                set_card(header, word, (header[word] - 0.5) / factor + 0.5)
            elif re.fullmatch(rf"(CD|PC)\d_{axis}[A-Z]?", word) or _is_scale(header, word, axis):
                set_card(header, word, header[word] * factor)
            elif re.fullmatch(rf"LTM{axis}_\d", word):
                set_card(header, word, header[word] / factor)
    for word in [str(word) for word in header if _DISTORTIONS.fullmatch(str(word))]:
        del header[word]
    _rescale_sections(header, block_yx, smaller=smaller)
    _rescale_binning(header, factors_xy)


def _is_scale(header: Any, word: str, axis: int) -> bool:  # noqa: ANN401
    """Whether a card is the scale of an axis, and no matrix holds it."""
    found = re.fullmatch(rf"CDELT{axis}([A-Z]?)", word)
    if found is None:
        return False
    return not any(re.fullmatch(rf"(CD|PC)\d_\d{found[1]}", str(other)) for other in header)


def _rescale_sections(header: Any, block_yx: tuple[int, int], *, smaller: bool) -> None:  # noqa: ANN401
    factors = tuple(reversed(block_yx))
    for word in IMAGE_SECTIONS:
        value = header.get(word)
        if not isinstance(value, str):
            continue
        try:
            section = Section.parse(value)
            set_card(header, word, str(section.bin(*factors) if smaller else section.unbin(*factors)))
        except SectionError:  # not a section, or less than one pixel is left of it
            del header[word]


def _rescale_binning(header: Any, factors_xy: Sequence[float]) -> None:  # noqa: ANN401
    """Multiply the binning that a header states, where the result is whole."""
    for word, factor in (("XBINNING", factors_xy[0]), ("YBINNING", factors_xy[1])):
        value = header.get(word)
        if isinstance(value, (int, float)) and float(value * factor).is_integer():
            set_card(header, word, int(value * factor))
    words = str(header.get("CCDSUM", "")).split()
    if len(words) == 2 and all(word.isdigit() for word in words):
        sums = [int(word) * factor for word, factor in zip(words, factors_xy, strict=True)]
        if all(float(number).is_integer() for number in sums):
            set_card(header, "CCDSUM", " ".join(str(int(number)) for number in sums))


def _rescaled_wcs(frame: CCDData, factors_xy: Sequence[float]) -> Any:  # noqa: ANN401 -- astropy has no types
    wcs = frame.wcs
    if wcs is None:
        return None
    if getattr(wcs, "has_distortion", True):
        raise UsageError(
            "the world coordinates of the frame have distortions, which cannot follow; set ccd.wcs = None first"
        )
    scaled = wcs.deepcopy()
    factors = np.array(factors_xy)
    scaled.wcs.crpix = (scaled.wcs.crpix - 0.5) / factors + 0.5
    if scaled.wcs.has_cd():
        scaled.wcs.cd = scaled.wcs.cd * factors
    else:
        scaled.wcs.pc = scaled.wcs.get_pc() * factors
    scaled.pixel_shape = None
    scaled.wcs.set()
    return scaled
