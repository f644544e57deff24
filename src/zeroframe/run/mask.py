"""Making the mask of a combined frame and writing it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from zeroframe.fits import HeaderDraft, ImagePart, write_fits
from zeroframe.fits.fingerprint import Crc32
from zeroframe.fits.formats import compression_of
from zeroframe.frames.bad_pixels import bad_pixels, even_amplifiers, hot_pixels
from zeroframe.frames.mask_bits import MaskBit, bits_where, mask_header
from zeroframe.run.keys import sign
from zeroframe.run.outcomes import MaskOutcome
from zeroframe.run.result_files import UP_TO_DATE_COMBINED, stamp_of_result

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from zeroframe.fits.replacing import Overwrite
    from zeroframe.planning.plan import MaskJob
    from zeroframe.run.record import OutputMark

__all__ = ["make_mask"]


def make_mask(
    job: MaskJob, key: str, combined: NDArray[np.floating], up_to_date: OutputMark | None, *, overwrite: Overwrite
) -> tuple[MaskOutcome, NDArray[np.uint8]]:
    """Make a mask and write it; one that is there already and up to date is only measured.

    Parameters
    ----------
    job : MaskJob
        What is made.
    key : str
        That of the mask.
    combined : ndarray of float, shape (ny, nx)
        The combined frame of which it is made.
    up_to_date : OutputMark or None
        Of the mask that is there already.
    overwrite : bool or Replaceable
        What of a file that is there may be replaced.

    Returns
    -------
    outcome : MaskOutcome
    mask : ndarray of uint8, shape (ny, nx)
        Bits of `MaskBit`: HOT, or BAD.

    Raises
    ------
    OutputError
        When it cannot be written.
    """
    # a dark holds no light, so its pixels are compared with their neighbours, whatever their colour
    found = (
        hot_pixels(combined, job.sigmas)
        if job.what == "hot"
        else bad_pixels(even_amplifiers(combined, job.amplifiers), job.sigmas, job.fraction, job.colours)
    )
    mask = bits_where(found.mask, MaskBit.HOT if job.what == "hot" else MaskBit.BAD)
    outcome = MaskOutcome(job, "done", "", found.count, found.mask.size, found.level, found.noise, found.limit, key)
    if up_to_date is not None and up_to_date.key == key:
        reason = f"{job.target}: {UP_TO_DATE_COMBINED}"
        crc32, size, stamp = up_to_date.crc32, up_to_date.byte_count, up_to_date.stamp
        return replace(outcome, state="skipped", reason=reason, crc32=crc32, bytes_out=size, stamp=stamp), mask
    header = HeaderDraft()
    header["IMAGETYP"] = ("MASK", f"{job.what} pixels: not 0 where not to be believed")
    header["MASKOF"] = (job.source, "what it was made of")
    header["NMASKED"] = (found.count, "masked pixels")
    for word, value, comment in (
        ("MSIGMAS", job.sigmas, "standard deviations that decided"),
        ("MFRACT", job.fraction, "and fraction"),
        ("MNOISE", found.noise, "one standard deviation"),
        ("MLEVEL", found.level, "level of the combined frame"),
    ):
        if np.isfinite(value):
            header[word] = (value, comment)
    sign(header, key, [f"mask of {job.what} pixels of {job.source}"])
    crc = Crc32()
    part = ImagePart(mask, mask_header(header))
    written = write_fits(
        job.target, [part], compress=compression_of(job.target), overwrite=overwrite, on_bytes=crc.update
    )
    stamp = stamp_of_result(job.target)
    return replace(outcome, crc32=crc.value, bytes_out=written, stamp=stamp), mask
