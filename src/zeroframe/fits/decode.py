"""From stored pixels to physical values: byte order, BSCALE, BZERO and BLANK (FITS standard 4.0, section 5)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from zeroframe.fits.layout import ImageLayout

__all__ = ["SIGN_OFFSETS", "decode_pixels", "decoded_float"]

# BZERO that turns signed into unsigned integers, and unsigned bytes into signed ones (standard, table 11).
SIGN_OFFSETS = {8: -128.0, 16: 2.0**15, 32: 2.0**31, 64: 2.0**63}
_ROWS_AT_ONCE_BYTES = 1 << 18


def decode_pixels(pixels: np.ndarray[Any, Any], layout: ImageLayout) -> np.ndarray[Any, Any]:
    """Return the physical values of stored pixels.

    Parameters
    ----------
    pixels : ndarray
        As stored, of any byte order, shape (ny, nx); or whole rows of it.
    layout : ImageLayout
        How they are coded.

    Returns
    -------
    ndarray
        A new array of the same shape in native byte order. Integers stay integers where BSCALE is 1, BZERO 0 or the
        one that changes the sign convention (BITPIX 16 with BZERO 32768 is uint16), and there is no BLANK. All else is
        float: float32 for BITPIX 8, 16 and -32, float64 for 32, 64 and -64. Pixels equal to BLANK become NaN.
        Scaling is done in float64 and rounded once.

    Examples
    --------
    >>> from zeroframe.fits import ImageLayout
    >>> stored = np.array([[-32768, 0]], ">i2")
    >>> decode_pixels(stored, ImageLayout(16, (1, 2), 1.0, 32768.0, None, 2880, False))
    array([[    0, 32768]], dtype=uint16)
    """
    plain = layout.bscale == 1 and layout.bzero == 0
    if plain and layout.blank is None:
        return pixels.astype(pixels.dtype.newbyteorder("="))
    if _is_other_sign(layout):
        return _other_sign(pixels, layout.bitpix)
    values = np.empty(pixels.shape, decoded_float(layout))
    step = max(1, _ROWS_AT_ONCE_BYTES // max(1, pixels[:1].size * 8))
    for start in range(0, len(pixels), step):
        part = pixels[start : start + step]
        scaled = part.astype(np.float64)
        if not plain:
            scaled *= layout.bscale
            scaled += layout.bzero
        if layout.blank is not None:
            scaled[part == layout.blank] = np.nan
        values[start : start + step] = scaled
    return values


def decoded_float(layout: ImageLayout) -> np.dtype[Any]:
    """Return float64 where `decode_pixels` gives float64, else float32, which then holds what it gives.

    Examples
    --------
    >>> from zeroframe.fits import ImageLayout
    >>> decoded_float(ImageLayout(32, (1, 2), 1.0, 0.0, None, 2880, False))
    dtype('float32')
    >>> decoded_float(ImageLayout(32, (1, 2), 0.5, 0.0, None, 2880, False))
    dtype('float64')
    """
    integers = layout.bitpix > 0 and layout.blank is None and layout.bscale == 1 and layout.bzero == 0
    stays = integers or _is_other_sign(layout)
    return np.dtype(np.float64 if layout.bitpix in (32, 64, -64) and not stays else np.float32)


def _is_other_sign(layout: ImageLayout) -> bool:
    """Whether BZERO only changes the sign convention of the integers."""
    return layout.blank is None and layout.bscale == 1 and layout.bzero == SIGN_OFFSETS.get(layout.bitpix)


def _other_sign(pixels: np.ndarray[Any, Any], bitpix: int) -> np.ndarray[Any, Any]:
    """Add half the range of the integers, which only flips the highest bit."""
    bits = pixels.dtype.newbyteorder("=").str.lstrip("<>=|")[1:]
    flipped = pixels.astype(f"u{bits}") if bitpix != 8 else pixels.astype(np.uint8)
    flipped ^= flipped.dtype.type(1 << (bitpix - 1))
    return flipped.view(np.int8) if bitpix == 8 else flipped
