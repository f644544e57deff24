"""How coarsely the pixels of a frame may be written: in steps that are small against its noise.

A value that is written in whole steps, with a dither subtracted again when it is read, is off by a number that is
spread evenly over one step, whatever the value: its variance is step**2 / 12, and its mean 0 (Pence, Seaman & White
2009, PASP 121, 414; FITS standard 4.0, section 10.2).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from zeroframe.fits import HeaderDraft

__all__ = ["say_steps", "step_of_image", "step_of_uncertainty"]

#: So many steps make one noise of a pixel (the q of fpack, whose default is 4): noise grows by 1 / (24 * 8**2), 0.065
#: %, and simulated frames take a fifth. With 4 it would grow by 0.26 %, and they would take a sixth.
_LEVELS_A_NOISE = 8.0
#: So many steps make the median uncertainty: none is off by more than half a thousandth of it.
_LEVELS_AN_UNCERTAINTY = 1000.0


def step_of_image(noise: float) -> float | None:
    """Return the step in which a frame of this noise may be written; None where it has to be written as it is.

    Examples
    --------
    >>> step_of_image(4.0), step_of_image(0.0)
    (0.5, None)
    """
    return noise / _LEVELS_A_NOISE if math.isfinite(noise) and noise > 0 else None


def step_of_uncertainty(sigma: NDArray[Any], mask: NDArray[Any] | None = None) -> float | None:
    """Return the step in which standard deviations may be written; None where they have to be written as they are.

    Those that are not 0 have to stay positive. Where a mask is not 0, they are as large as it happens: beside a slit.

    Examples
    --------
    >>> step_of_uncertainty(np.array([[5.0, 6.0, np.nan, 0.0]], np.float32))
    0.0055
    >>> step_of_uncertainty(np.array([[5.0, 7000.0, 8000.0]], np.float32), np.array([[0, 1, 1]]))
    0.005
    >>> step_of_uncertainty(np.array([[5.0, 1e-3]], np.float32)) is None
    True
    """
    known = (sigma > 0) & (sigma < np.inf)  # NaN is neither
    if not known.any():
        return None
    least = sigma[known].min()
    if mask is not None and (known & (mask == 0)).any():
        known &= mask == 0
    step = float(np.median(sigma[known], overwrite_input=True)) / _LEVELS_AN_UNCERTAINTY
    return step if least > step else None


def say_steps(header: HeaderDraft, step: float, *, noise: float | None = None) -> None:
    """Say in a header in which steps the image is written and, where its noise is given, how that grows; in place.

    Parameters
    ----------
    header : HeaderDraft
        Gets QSTEP and QNOISE; of an image of this noise QLEVEL and QGROWTH, too.
    step : float
        In units of the image.
    noise : float, optional
        Of a pixel, measured.

    Examples
    --------
    >>> from zeroframe.fits import HeaderDraft
    >>> header = HeaderDraft()
    >>> say_steps(header, 0.5, noise=4.0)
    >>> round(header["QNOISE"], 4), header["QLEVEL"], round(header["QGROWTH"], 4)
    (0.1443, 8.0, 0.0651)
    """
    added = step / math.sqrt(12)
    header["QSTEP"] = (step, "written with loss: quantised in such steps, dithered")
    header["QNOISE"] = (added, "noise that quantisation adds: QSTEP / sqrt(12)")
    if noise is not None:
        header["QLEVEL"] = (noise / step, "q: SKYNOISE / QSTEP")
        header["QGROWTH"] = (100 * (math.hypot(1.0, added / noise) - 1), "[%] by which the noise grows")
