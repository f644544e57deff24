"""All steps of one frame in one call: ccdproc's ``ccd_process``."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
from astropy.nddata import CCDData

from zeroframe.errors import ArgumentError, UsageError
from zeroframe.frames.regions import overlap_words
from zeroframe.headers.sections import Section
from zeroframe.verbs.arguments import Keyword, checked_names
from zeroframe.verbs.calibration import PhotonNoiseOf, bias_step, dark_step, flat_step, gain_step, noise_step
from zeroframe.verbs.ccddata import add_keywords, require_ccd
from zeroframe.verbs.exceptions import VerbAssumptionWarning
from zeroframe.verbs.overscan import subtract_overscan, trim_image
from zeroframe.verbs.working_frame import WorkingPlanes

if TYPE_CHECKING:
    from astropy.modeling import Model
    from astropy.units import Quantity, Unit
    from numpy.typing import NDArray

__all__ = ["ccd_process"]


@checked_names
def ccd_process(
    ccd: CCDData,
    oscan: CCDData | str | None = None,
    trim: str | None = None,
    error: bool = False,  # noqa: FBT001 -- ccdproc's arguments
    master_bias: CCDData | None = None,
    dark_frame: CCDData | None = None,
    master_flat: CCDData | None = None,
    bad_pixel_mask: NDArray[Any] | None = None,
    gain: Quantity | None = None,
    readnoise: Quantity | None = None,
    oscan_median: bool = True,  # noqa: FBT001
    oscan_model: Model | None = None,
    min_value: float | None = None,
    dark_exposure: Quantity | float | None = None,
    data_exposure: Quantity | float | None = None,
    exposure_key: str | Keyword | None = None,
    exposure_unit: Unit | str | None = None,
    dark_scale: bool = False,  # noqa: FBT001
    gain_corrected: bool = True,  # noqa: FBT001
    *,
    pedestal: CCDData | None = None,
    photon_noise_of: PhotonNoiseOf = "pixel",
    add_keyword: object = True,
) -> CCDData:
    """Calibrate one frame: overscan, trim, noise, mask, gain, bias, dark, flat; each where it is asked for.

    Parameters
    ----------
    ccd : CCDData
        The raw frame, which is not changed.
    oscan : CCDData or str, optional
        The overscan, as a slice of ``ccd`` or as ``'[x1:x2, y1:y2]'``; see `zeroframe.subtract_overscan`.
    trim : str, optional
        What is kept, as ``'[x1:x2, y1:y2]'``.
    error : bool
        Take photon and read noise as the uncertainty; needs ``gain`` and ``readnoise``. Pixels below zero get the read
        noise.
    master_bias, dark_frame, master_flat : CCDData, optional
        Combined frames of the trimmed shape, in electrons where ``gain_corrected`` is true.
    bad_pixel_mask : ndarray, optional
        Of the trimmed shape; true where a pixel is bad. Joined to the mask of the frame.
    gain : Quantity, optional
        What the frame is multiplied by.
    readnoise : Quantity, optional
        In electrons.
    oscan_median, oscan_model : bool, Model
        How the level of the overscan is taken; see `zeroframe.subtract_overscan`.
    min_value : float, optional
        Pixels of the flat below are taken as this.
    dark_exposure, data_exposure, exposure_key, exposure_unit, dark_scale
        As in `zeroframe.subtract_dark`; ``exposure_key`` is its ``exposure_time``.
    gain_corrected : bool
        Whether the combined frames are in electrons, so that the gain is applied before them; otherwise after.
    pedestal : CCDData, optional
        What light is counted from when its noise is worked out, in the unit of the raw frame, of the trimmed shape: the
        combined bias, where the overscan does not take the level of the bias away. By default zero, as in ccdproc.
    photon_noise_of : {'pixel', 'surroundings'}
        As in `zeroframe.create_deviation`.
    add_keyword : bool, str, mapping or None
        True writes the cards of every step; False or None nothing; a text or mapping is written instead.

    Returns
    -------
    CCDData
        The calibrated frame.

    Raises
    ------
    ArgumentError
        When an argument has the wrong type or is not known.
    UsageError, UnitError
        As the single steps do.

    Warns
    -----
    AssumptionWarning
        As the single steps do; when a part of ``oscan`` is kept by ``trim``; and when ``error`` is asked for and a bias
        is subtracted, but neither an overscan nor a pedestal is there: the level of the bias then counts as light.

    Notes
    -----
    All steps after overscan and trim are one pass over the pixels, rounded once: the result has the bits that a night
    gives (``gain_corrected=False``, its combined bias as ``pedestal``, ``photon_noise_of="surroundings"``). Verbs one
    after the other round each time.
    Standard deviations of combined frames that say how they were made (NCOMBINE, COMBMETH) are brought to those of
    their error; see docs/ccdproc.md.

    Examples
    --------
    >>> import numpy as np
    >>> from astropy import units as u
    >>> from astropy.nddata import CCDData
    >>> raw = CCDData(np.tile(np.uint16([130, 130, 100]), (2, 1)), unit="adu")
    >>> ccd_process(raw, oscan="[3,:]", trim="[1:2,:]", gain=2 * u.electron / u.adu).data
    array([[60., 60.],
           [60., 60.]], dtype=float32)
    """
    if error:
        _check_noise(gain, readnoise, bias_is_light=master_bias is not None and oscan is None and pedestal is None)
    say = add_keyword is True
    planes = _opened(ccd, oscan, trim, oscan_median, oscan_model, say)
    cards: dict[str, object] = {}
    if error:
        cards |= noise_step(
            planes, gain, readnoise, negative_is_zero=True, pedestal=pedestal, photon_noise_of=photon_noise_of
        )
    if bad_pixel_mask is not None:
        if not isinstance(bad_pixel_mask, np.ndarray):
            raise ArgumentError(f"bad_pixel_mask must be an array, not {type(bad_pixel_mask).__name__}")
        planes.add_mask(bad_pixel_mask)
    if gain is not None and gain_corrected:
        cards |= gain_step(planes, gain)
    if master_bias is not None:
        cards |= bias_step(planes, master_bias)
    if dark_frame is not None:
        cards |= dark_step(
            planes,
            dark_frame,
            scale=dark_scale,
            data_exposure=data_exposure,
            dark_exposure=dark_exposure,
            exposure_time=exposure_key,
            exposure_unit=exposure_unit,
        )
    if master_flat is not None:
        cards |= flat_step(planes, master_flat, min_value)
    if gain is not None and not gain_corrected:
        cards |= gain_step(planes, gain)
    result = planes.result()
    add_keywords(result, cards, add_keyword)
    return result


def _check_noise(gain: object, readnoise: object, *, bias_is_light: bool) -> None:
    """Refuse a noise that lacks something; warn, in the name of the caller of the verb, where it will be too large."""
    if gain is None or readnoise is None:
        raise UsageError("error=True needs gain and readnoise; give both")
    if bias_is_light:
        warnings.warn(
            "the level of the bias is counted as light in the uncertainty; give pedestal=master_bias, or oscan",
            VerbAssumptionWarning,
            stacklevel=4,
        )


def _opened(
    ccd: CCDData,
    oscan: CCDData | str | None,
    trim: str | None,
    oscan_median: bool,  # noqa: FBT001
    oscan_model: Model | None,
    say: bool,  # noqa: FBT001
) -> WorkingPlanes:
    """Return the frame without overscan, trimmed, ready to be worked on in place."""
    frame = require_ccd(ccd)
    if isinstance(oscan, str) and isinstance(trim, str):
        said = overlap_words(Section.parse(oscan), Section.parse(trim))
        if said:
            warnings.warn(said, VerbAssumptionWarning, stacklevel=4)
    if isinstance(oscan, CCDData):
        frame = subtract_overscan(frame, oscan, median=oscan_median, model=oscan_model, add_keyword=say)
    elif isinstance(oscan, str):
        frame = subtract_overscan(frame, fits_section=oscan, median=oscan_median, model=oscan_model, add_keyword=say)
    elif oscan is not None:
        raise ArgumentError(f"oscan must be a CCDData or a text such as '[2056:2080,:]', not {type(oscan).__name__}")
    if isinstance(trim, str):
        frame = trim_image(frame, trim, add_keyword=say)
    elif trim is not None:
        raise ArgumentError(f"trim must be a text such as '[1:2048,:]', not {type(trim).__name__}")
    return WorkingPlanes(frame, owned=frame is not ccd)
