"""Writing calibrated and combined frames: the image first, then what belongs to it.

MASK, UNCERT and COUNTS stand in extensions of these names: the first two as astropy's CCDData writes and reads them,
the last holds how many frames each pixel of a combined frame used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from zeroframe.errors import UsageError
from zeroframe.io import Compression, HeaderDraft, ImagePart, write_fits

if TYPE_CHECKING:
    import os

    from astropy.io.fits import Header
    from astropy.nddata import CCDData
    from numpy.typing import NDArray

__all__ = ["image_parts", "write_ccd"]

_LONGEST_WORD = 8  # of a card (FITS standard 4.0, 4.1.2.1); longer ones need the HIERARCH convention


def image_parts(
    data: NDArray[Any],
    header: Header | HeaderDraft,
    *,
    uncertainty: NDArray[Any] | None = None,
    mask: NDArray[np.bool_] | None = None,
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
        Standard deviations, written as float32.
    mask : ndarray of bool, optional
        Left out where nothing is masked.
    counts : ndarray of int, optional
        How many frames each pixel used.

    Returns
    -------
    list of ImagePart
        The primary image, then MASK, UNCERT and COUNTS as far as they are there.
    """
    parts = [ImagePart(data, header)]
    if mask is not None and mask.any():
        said = _comment("1 where the pixel of the primary image is masked")
        parts.append(ImagePart(np.asarray(mask, dtype=np.uint8), said, "MASK"))
    if uncertainty is not None:
        said = HeaderDraft()
        said["UTYPE"] = ("StdDevUncertainty", "standard deviation of the primary image")
        if "BUNIT" in header:
            said["BUNIT"] = header["BUNIT"]
        single = uncertainty.dtype.kind == "f" and uncertainty.dtype.itemsize == 4
        parts.append(ImagePart(uncertainty if single else uncertainty.astype(np.float32), said, "UNCERT"))
    if counts is not None:
        said = _comment("how many frames each pixel of the primary image used")
        parts.append(ImagePart(counts, said, "COUNTS"))
    return parts


def _comment(line: str) -> HeaderDraft:
    draft = HeaderDraft()
    draft.add_comment(line)
    return draft


def write_ccd(
    ccd: CCDData, path: str | os.PathLike[str], *, compress: Compression = "none", overwrite: bool = False
) -> int:
    """Write a frame with its mask, uncertainty and counts, so that ``CCDData.read`` reads it back.

    Parameters
    ----------
    ccd : CCDData
        The frame. ``flags``, where it is an array of integers, is written as COUNTS.
    path : path
        The file; the suffix is the caller's.
    compress : {'none', 'gzip', 'rice'}
        As in `zeroframe.io.write_fits`.
    overwrite : bool
        Whether an existing file may be replaced.

    Returns
    -------
    int
        Bytes written.

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
    from zeroframe.ccd import require_ccd

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
