"""Masks as bits and as true or false, on arrays and files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from zeroframe.errors import ArgumentError, UsageError
from zeroframe.fits import read_raw
from zeroframe.fits.scan import scan

if TYPE_CHECKING:
    import os

    from numpy.typing import NDArray

__all__ = ["bitfield_to_boolean_mask", "read_mask"]


def bitfield_to_boolean_mask(
    bitfield: NDArray[Any],
    ignore_bits: int | str | None = 0,
    flip_bits: bool | None = None,  # noqa: FBT001 -- as ccdproc has it
) -> NDArray[np.bool_]:
    """Return where a plane of bits has any bit set that counts; ccdproc's function, and astropy's that it calls.

    Parameters
    ----------
    bitfield : ndarray of int
        A mask of bits, such as the extension MASK of a result.
    ignore_bits : int, str or None
        Bits that do not count, as their sum; or a text of values with ``,`` or ``+`` between them. ``~`` before the
        text means that only these count. Names will do, too: ``'~SATURATED,BLEED'``. None ignores all.
    flip_bits : bool, optional
        Whether ``ignore_bits`` names the bits that count; not with a text.

    Returns
    -------
    ndarray of bool
        True where masked.

    Raises
    ------
    ArgumentError
        When ``ignore_bits`` or ``bitfield`` is of the wrong type.
    UsageError
        When ``ignore_bits`` holds what is no bit, or its text is not understood.

    Examples
    --------
    >>> mask = np.array([[0, 1, 4, 16]], np.uint8)
    >>> bitfield_to_boolean_mask(mask).tolist()
    [[False, True, True, True]]
    >>> bitfield_to_boolean_mask(mask, ignore_bits="COSMIC").tolist()
    [[False, True, True, False]]
    """
    from astropy.nddata import bitmask

    try:
        found = bitmask.bitfield_to_boolean_mask(
            bitfield, ignore_bits, flip_bits=flip_bits, good_mask_value=False, dtype=bool, flag_name_map=_names()
        )
    except (TypeError, ValueError, AttributeError, KeyError) as error:
        refused = UsageError if isinstance(error, ValueError) else ArgumentError
        raise refused(f"the bits of a mask cannot be told with ignore_bits={ignore_bits!r}: {error}") from error
    return np.asarray(found)


def _names() -> Any:  # noqa: ANN401 -- astropy has no types
    """Return our bits as astropy names such."""
    from astropy.nddata.bitmask import extend_bit_flag_map

    from zeroframe.frames.mask_bits import MaskBit

    return extend_bit_flag_map("ZeroframeBits", **{str(bit.name): bit.value for bit in MaskBit})


def read_mask(path: str | os.PathLike[str]) -> NDArray[np.uint8]:
    """Read the mask of a result as bits.

    Parameters
    ----------
    path : path
        A calibrated or combined frame, or a mask such as ``hot_pixels_300s.fits``.

    Returns
    -------
    ndarray of uint8, shape (ny, nx)
        Sums of `MaskBit`; 0 where a pixel is good, and everywhere where the file has no mask.

    Raises
    ------
    FrameError
        When the file cannot be read.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from astropy.io import fits
    >>> hdus = [fits.PrimaryHDU(np.ones((1, 3), np.float32)), fits.ImageHDU(np.uint8([[0, 4, 12]]), name="MASK")]
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     fits.HDUList(hdus).writeto(Path(folder, "frame.fits"))
    ...     mask = read_mask(Path(folder, "frame.fits"))
    >>> mask
    array([[ 0,  4, 12]], dtype=uint8)
    """
    found = scan(path)
    masks = [hdu.index for hdu in found.hdus if hdu.name == "MASK" and hdu.layout is not None]
    image = found.image()
    if not masks and image.cards.get("IMAGETYP") != "MASK":
        layout = image.layout
        return np.zeros(() if layout is None else layout.shape_yx, np.uint8)
    pixels = read_raw(path, ext=masks[0] if masks else image.index).decode()
    return pixels if pixels.dtype == np.uint8 else (pixels != 0).astype(np.uint8)
