"""Writing calibrated and combined frames: the image first, then what belongs to it.

MASK, UNCERT and COUNTS stand in extensions of these names: the first two as astropy's CCDData writes and reads them,
the last holds how many frames each pixel of a combined frame used.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from zeroframe.errors import UsageError
from zeroframe.fits import Compression, HeaderDraft, ImagePart, write_fits
from zeroframe.fits.checksums import add_sums
from zeroframe.fits.precision import single_if_it_holds
from zeroframe.frames.mask_bits import mask_header
from zeroframe.kernels.raw import swap_bytes32

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator, Sequence

    from astropy.io.fits import Header
    from astropy.nddata import CCDData
    from numpy.typing import NDArray

    from zeroframe.fits.cards import Cards
    from zeroframe.fits.replacing import Overwrite

__all__ = ["float_part", "image_parts", "stored_in_place", "write_ccd"]

_LONGEST_WORD = 8  # of a card (FITS standard 4.0, 4.1.2.1); longer ones need the HIERARCH convention


def image_parts(
    data: NDArray[Any],
    header: Header | HeaderDraft,
    *,
    uncertainty: NDArray[Any] | None = None,
    mask: NDArray[Any] | None = None,
    counts: NDArray[Any] | None = None,
) -> list[ImagePart]:
    """Return an image and what belongs to it as the parts of a file.

    Parameters
    ----------
    data : ndarray, shape (ny, nx)
        The image.
    header : astropy.io.fits.Header or HeaderDraft
        Of the image; its BUNIT holds for the uncertainty, too.
    uncertainty : ndarray, optional
        Standard deviations, written as float32, which holds them but where pixels are beyond 1e38.
    mask : ndarray of bool or uint8, optional
        Bits of `zeroframe.MaskBit`, or true where masked. Left out where nothing is masked.
    counts : ndarray of int, optional
        How many frames each pixel used.

    Returns
    -------
    list of ImagePart
        The primary image, then MASK, UNCERT and COUNTS as far as they are there.
    """
    parts = [ImagePart(data, header)]
    if mask is not None and mask.any():
        said = mask_header() if mask.dtype == np.uint8 else _comment("1 where the pixel of the primary image is masked")
        parts.append(ImagePart(np.asarray(mask, dtype=np.uint8), said, "MASK"))
    if uncertainty is not None:
        said = HeaderDraft()
        said["UTYPE"] = ("StdDevUncertainty", "standard deviation of the primary image")
        if "BUNIT" in header:
            said["BUNIT"] = header["BUNIT"]
        parts.append(ImagePart(single_if_it_holds(uncertainty), said, "UNCERT"))
    if counts is not None:
        said = _comment("how many frames each pixel of the primary image used")
        parts.append(ImagePart(counts, said, "COUNTS"))
    return parts


def float_part(
    data: NDArray[Any], words: NDArray[Any], header: Header | HeaderDraft | Cards | None, name: str = ""
) -> ImagePart:
    """Return an image as it goes into a file; its bytes are swapped and summed for DATASUM in one pass.

    Parameters
    ----------
    data : ndarray of float, shape (ny, nx)
        The image, in C order.
    words : ndarray of float
        Memory of the same shape and dtype for what is stored; it may be ``data``, which is used up then. Images of
        float64 are left as they are.
    header, name
        As for `zeroframe.fits.ImagePart`.

    Returns
    -------
    ImagePart
    """
    if data.dtype != np.float32:
        return ImagePart(data, header, name)
    total = swap_bytes32(data.reshape(-1).view(np.uint32), words.reshape(-1).view(np.uint32))
    return ImagePart(words.view(">f4"), header, name, datasum=add_sums(int(total)))


@contextmanager
def stored_in_place(parts: Sequence[ImagePart]) -> Iterator[list[ImagePart]]:
    """Bring images of float32 into the byte order of files, in their own memory, until the block ends.

    Swapping the bytes of an image twice takes less than fresh memory for a copy of it. Nobody else may look at the
    images meanwhile.

    Parameters
    ----------
    parts : sequence of ImagePart
        Arrays of other types, those that are not contiguous, and those that cannot be written to are left as they are.

    Yields
    ------
    list of ImagePart
        The same, as `zeroframe.fits.write_fits` takes them.

    Examples
    --------
    >>> image = np.ones((2, 3), np.float32)
    >>> with stored_in_place([ImagePart(image)]) as stored:
    ...     bool(image[0, 0] == 1.0), stored[0].data.tolist()
    (False, [[1.0, 1.0, 1.0], [1.0, 1.0, 1.0]])
    >>> float(image[0, 0])
    1.0
    """
    swapped: list[NDArray[Any]] = []
    stored = []
    try:
        for part in parts:
            data = part.data
            if data is None or data.dtype != np.float32 or not data.flags.carray:
                stored.append(part)
                continue
            stored.append(float_part(data, data, part.header, part.name))
            swapped.append(data)
        yield stored
    finally:
        for data in swapped:
            words = data.reshape(-1).view(np.uint32)
            swap_bytes32(words, words)


def _comment(line: str) -> HeaderDraft:
    draft = HeaderDraft()
    draft.add_comment(line)
    return draft


def write_ccd(
    ccd: CCDData, path: str | os.PathLike[str], *, compress: Compression = "none", overwrite: Overwrite = False
) -> int:
    """Write a frame with its mask, uncertainty and counts, so that ``CCDData.read`` reads it back.

    Parameters
    ----------
    ccd : CCDData
        The frame. ``flags``, where it is an array of integers, is written as COUNTS.
    path : path
        The file; the suffix is the caller's.
    compress : {'none', 'gzip', 'rice'}
    overwrite : bool or Replaceable
        As in `zeroframe.fits.write_fits`; and so is what is returned.

    Raises
    ------
    OutputError
        When the file exists or cannot be written.
    UsageError
        When the metadata or the uncertainty cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from astropy.nddata import CCDData
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     written = write_ccd(CCDData(np.ones((2, 3), np.float32), unit="adu"), Path(folder, "frame.fits"))
    ...     CCDData.read(Path(folder, "frame.fits")).data.shape
    (2, 3)
    """
    from zeroframe.verbs.ccddata import require_ccd

    if compress == "rice-lossy":
        raise UsageError(f"{path}: rice-lossy is for science frames of zeroframe night; write it with compress='rice'")
    ccd = require_ccd(ccd)
    counts = ccd.flags if isinstance(ccd.flags, np.ndarray) and ccd.flags.dtype.kind in "iu" else None
    parts = image_parts(
        np.asarray(ccd.data),
        _header_of(ccd, path),
        uncertainty=_standard_deviation(ccd, path),
        mask=None if ccd.mask is None else np.broadcast_to(np.asarray(ccd.mask, dtype=bool), ccd.shape),
        counts=counts,
    )
    return write_fits(path, parts, compress=compress, overwrite=overwrite)


def _header_of(ccd: CCDData, path: str | os.PathLike[str]) -> Header:
    """Return the metadata with unit and world coordinates as astropy writes them, for a frame of one pixel."""
    from astropy.io.fits import Header as FitsHeader
    from astropy.nddata import CCDData as Frame

    try:
        header = ccd.meta
        if not isinstance(header, FitsHeader):
            header = FitsHeader()
            for word, value in ccd.meta.items():
                header[f"HIERARCH {word}" if len(word) > _LONGEST_WORD else word] = value
        frame = Frame(np.zeros((1, 1), np.float32), unit=ccd.unit, meta=header, wcs=ccd.wcs)
        return frame.to_hdu(hdu_mask=None, hdu_uncertainty=None)[0].header
    except (ValueError, TypeError) as error:
        raise UsageError(f"{path}: the metadata cannot be written as a FITS header: {error}") from error


def _standard_deviation(ccd: CCDData, path: str | os.PathLike[str]) -> NDArray[Any] | None:
    """Return the uncertainty, of whatever kind, as standard deviations in the unit of the frame."""
    from astropy.nddata import StdDevUncertainty
    from astropy.units import UnitConversionError

    if ccd.uncertainty is None:
        return None
    try:
        found = ccd.uncertainty.represent_as(StdDevUncertainty)
        unit = found.unit
        factor = 1.0 if unit is None or unit == ccd.unit else unit.to(ccd.unit)
    except (TypeError, UnitConversionError) as error:
        raise UsageError(f"{path}: the uncertainty cannot be written as standard deviations: {error}") from error
    array = np.asarray(found.array)
    return array if factor == 1.0 else array * factor
