"""The verbs that take the camera out of a frame: bias, dark, flat, gain, and the noise that is left.

Each checks what it is given, and hands arrays to `zeroframe.kernels.calibrate`. Standard deviations are propagated as
of uncorrelated errors, masks are joined, and what is not finite is masked. Results are float32, float64 where the frame
is; the type of calibration frames does not matter.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from astropy.units import Quantity, Unit, dimensionless_unscaled

from zeroframe.errors import ArgumentError, UsageError
from zeroframe.frames.numbers import is_number
from zeroframe.headers.kinds import Kind, calibration_kind
from zeroframe.verbs.arguments import Keyword, checked_names, frame_name, read_exposures
from zeroframe.verbs.ccddata import add_keywords, require_ccd
from zeroframe.verbs.exceptions import UnlikeUnitsError, VerbAssumptionWarning
from zeroframe.verbs.several import amplifiers_with, each_amplifier
from zeroframe.verbs.working_frame import WorkingPlanes

if TYPE_CHECKING:
    from astropy.nddata import CCDData

    from zeroframe.headers.detectors import Amplifier

__all__ = [
    "PHOTON_NOISE_OF",
    "PhotonNoiseOf",
    "bias_step",
    "create_deviation",
    "dark_step",
    "flat_correct",
    "flat_step",
    "gain_correct",
    "gain_step",
    "noise_step",
    "subtract_bias",
    "subtract_dark",
]

#: What a header says where the bias was subtracted: IRAF's word, and what ccdproc writes.
_BIAS_SUBTRACTED = frozenset(("ZEROCOR", "SUBBIAS", "SUBTRACT_BIAS"))
#: Exposures that differ by no more than this fraction are the same.
_SAME_EXPOSURE = 0.01

#: Whose light photon noise is made of.
PhotonNoiseOf = Literal["pixel", "surroundings"]
PHOTON_NOISE_OF: tuple[PhotonNoiseOf, ...] = ("pixel", "surroundings")

StepCards = dict[str, object]


@checked_names
def subtract_bias(ccd: CCDData, master: CCDData, *, add_keyword: object = True) -> CCDData:
    """Subtract a combined bias.

    Parameters
    ----------
    ccd : CCDData
        The frame, which is not changed.
    master : CCDData
        The bias, of the same shape; its unit is converted where that is possible.
    add_keyword : bool, str, mapping or None
        True writes the card ZEROCOR; False or None nothing; a text or mapping is written instead.

    Returns
    -------
    CCDData
        float32, or float64 where the frame is. Variances are added, masks joined.

    Raises
    ------
    ArgumentError
        When an argument is not known, or is no CCDData.
    UsageError
        When the shapes differ.
    UnitError
        When the units do not fit.

    Examples
    --------
    >>> import numpy as np
    >>> from astropy.nddata import CCDData
    >>> raw = CCDData(np.full((2, 2), 5, np.uint16), unit="adu")
    >>> bias = CCDData(np.full((2, 2), 7.5, np.float32), unit="adu")
    >>> subtract_bias(raw, bias).data
    array([[-2.5, -2.5],
           [-2.5, -2.5]], dtype=float32)
    """
    planes = WorkingPlanes(require_ccd(ccd))
    cards = bias_step(planes, master)
    result = planes.result()
    add_keywords(result, cards, add_keyword)
    return result


def bias_step(planes: WorkingPlanes, master: CCDData) -> StepCards:
    """Subtract a bias from a frame that is worked on; return what its header says of it."""
    master = require_ccd(master, "master")
    if _is_debiased(planes.ccd):
        _warn("the frame's header says that a bias was subtracted already, and now another one is", depth=1)
    return _subtract(planes, master, Kind.BIAS, _factor_between(planes, master, Kind.BIAS))


def _subtract(planes: WorkingPlanes, master: CCDData, kind: Kind, factor: float, scaled: str = "") -> StepCards:
    """Subtract a combined frame times a factor; return what the header says of it, as `zeroframe night` does."""
    planes.subtract(master, factor, f"the {kind}")
    return {calibration_kind(kind).card: frame_name(master) + scaled}


def _factor_between(planes: WorkingPlanes, master: CCDData, kind: str) -> float:
    """Return how much one unit of a calibration frame is in units of the frame."""
    if master.unit == planes.unit:
        return 1.0
    try:
        return float(master.unit.to(planes.unit))
    except ValueError as error:  # astropy's UnitConversionError
        raise UnlikeUnitsError(
            f"the uncalibrated image is in {planes.unit or 'no unit'} and the {kind} in {master.unit or 'no unit'}; "
            f"bring both to the same unit first, for example with gain_correct"
        ) from error


@checked_names
def subtract_dark(
    ccd: CCDData,
    master: CCDData | None = None,
    dark_exposure: Quantity | float | None = None,
    data_exposure: Quantity | float | None = None,
    exposure_time: str | Keyword | None = None,
    exposure_unit: Unit | str | None = None,
    scale: bool = False,  # noqa: FBT001 -- ccdproc's arguments
    *,
    add_keyword: object = True,
) -> CCDData:
    """Subtract a combined dark, scaled to the exposure of the frame where that is asked for.

    Parameters
    ----------
    ccd : CCDData
        The frame, which is not changed.
    master : CCDData
        The dark, of the same shape; its unit is converted where that is possible.
    dark_exposure, data_exposure : Quantity or float, optional
        Exposures of dark and frame: both or neither. A number needs ``exposure_unit``.
    exposure_time : str or Keyword, optional
        Instead: which card of both headers holds the exposure.
    exposure_unit : Unit or str, optional
        Of exposures that have none.
    scale : bool
        Multiply the dark by ``data_exposure / dark_exposure``. Only a dark without bias may be scaled.
    add_keyword : bool, str, mapping or None
        True writes the card DARKCOR; False or None nothing; a text or mapping is written instead.

    Returns
    -------
    CCDData
        float32, or float64 where the frame is. Variances are added, that of the dark times the factor squared.

    Raises
    ------
    ArgumentError
        When an argument is missing, not known, or contradicts another.
    UsageError
        When shapes differ, a header has no exposure, or the dark has none to scale by.
    UnitError
        When units do not fit.

    Warns
    -----
    AssumptionWarning
        When a dark is scaled that is shorter than the frame, or whose header does not say that its bias was
        subtracted; when exposures differ and nothing is scaled; and when headers say that the bias was subtracted from
        one of both only.

    Notes
    -----
    Where no exposure is given, the headers are asked in all their dialects. A dark that is not scaled needs none.

    Examples
    --------
    >>> import numpy as np
    >>> from astropy import units as u
    >>> from astropy.nddata import CCDData
    >>> light = CCDData(np.full((1, 2), 100.0), unit="adu")
    >>> dark = CCDData(np.full((1, 2), 6.0), unit="adu", meta={"ZEROCOR": "bias.fits"})
    >>> subtract_dark(light, dark, data_exposure=30 * u.s, dark_exposure=90 * u.s, scale=True).data
    array([[98., 98.]])
    """
    planes = WorkingPlanes(require_ccd(ccd))
    cards = dark_step(
        planes,
        master,
        scale=scale,
        data_exposure=data_exposure,
        dark_exposure=dark_exposure,
        exposure_time=exposure_time,
        exposure_unit=exposure_unit,
    )
    result = planes.result()
    add_keywords(result, cards, add_keyword)
    return result


def dark_step(planes: WorkingPlanes, master: CCDData | None, *, scale: bool, **exposures: Any) -> StepCards:  # noqa: ANN401
    """Subtract a dark from a frame that is worked on; return what its header says of it."""
    dark = require_ccd(master, "master")
    unit_factor = _factor_between(planes, dark, Kind.DARK)
    seconds = read_exposures(planes.ccd, dark, **exposures)
    ratio = _dark_ratio(seconds, dark, scale=scale)
    if not scale:
        _warn_of_bias(
            is_frame_debiased=_is_debiased(planes.ccd) or planes.has_bias, is_dark_debiased=_is_debiased(dark)
        )
    return _subtract(planes, dark, Kind.DARK, unit_factor * ratio, f" x {ratio:.6g}" if scale else "")


def _is_debiased(ccd: CCDData) -> bool:
    """Whether a header says that the bias was subtracted."""
    return not _BIAS_SUBTRACTED.isdisjoint(str(word).upper() for word in ccd.meta)


def _warn_of_bias(*, is_frame_debiased: bool, is_dark_debiased: bool) -> None:
    """Warn where the bias was subtracted from one of frame and dark only, as far as headers say."""
    if is_frame_debiased and not is_dark_debiased:
        _warn(
            "the bias was subtracted from the frame, and the dark's header has no ZEROCOR: if the dark still holds its "
            "bias, that is subtracted twice; subtract it from both, or from neither",
            depth=2,
        )
    elif is_dark_debiased and not is_frame_debiased:
        _warn(
            "the bias was subtracted from the dark, and not from the frame, which keeps it; subtract it from both, or "
            "from neither",
            depth=2,
        )


def _dark_ratio(seconds: tuple[float, float] | None, dark: CCDData, *, scale: bool) -> float:
    """Return what a dark is multiplied by, and warn where that is not safe."""
    if seconds is None:
        if scale:
            raise ArgumentError(
                "scale=True needs the exposures of frame and dark, and the headers do not hold both; "
                "give data_exposure and dark_exposure, or exposure_time and exposure_unit"
            )
        return 1.0
    light_s, dark_s = seconds
    same = abs(light_s - dark_s) <= _SAME_EXPOSURE * max(light_s, dark_s)
    if not scale:
        if not same:
            _warn(
                f"the frame was exposed {light_s:g} s and the dark {dark_s:g} s, and the dark is not scaled; "
                "give scale=True, or a dark of the same exposure",
                depth=1,
            )
        return 1.0
    if not (dark_s > 0.0 and light_s >= 0.0 and np.isfinite(light_s / dark_s)):
        raise UsageError(
            f"a dark of {dark_s:g} s cannot be scaled to {light_s:g} s; scaling needs exposures above zero"
        )
    if not same and light_s > dark_s:
        _warn(
            f"a dark of {dark_s:g} s is scaled up to {light_s:g} s, which multiplies its noise by "
            f"{light_s / dark_s:.3g}; a dark at least as long as the frame is safer",
            depth=1,
        )
    if not same and not _is_debiased(dark):
        _warn(
            "the dark is scaled, and its header has no ZEROCOR: if it still holds its bias, that is scaled too; "
            "subtract the bias from dark and frame first, or use a dark of the same exposure",
            depth=1,
        )
    return light_s / dark_s


def _warn(sentence: str, *, depth: int = 0) -> None:
    """Warn in the name of the caller of a verb: ``depth`` functions below a step, the verb and its check of names."""
    warnings.warn(sentence, VerbAssumptionWarning, stacklevel=5 + depth)


@checked_names
def flat_correct(
    ccd: CCDData,
    flat: CCDData,
    min_value: float | None = None,
    norm_value: float | Quantity | None = None,
    *,
    add_keyword: object = True,
) -> CCDData:
    """Divide by a flat that is normalised first.

    Parameters
    ----------
    ccd : CCDData
        The frame, which is not changed.
    flat : CCDData
        The combined flat, of the same shape, in any unit.
    min_value : float, optional
        Pixels of the flat below are taken as this.
    norm_value : float or Quantity, optional
        What counts as a flat of one. By default the mean of the flat's pixels that are above zero and not masked;
        those of more than ten times what a hundredth of them exceeds take no part. A flat that was divided by its level
        already, as FLATLEVL in its header says, counts as it is.
    add_keyword : bool, str, mapping or None
        True writes the card FLATCOR; False or None nothing; a text or mapping is written instead.

    Returns
    -------
    CCDData
        float32, or float64 where the frame is. Where the flat is masked, zero, negative or not finite, the result is
        masked and the pixel not divided. Relative variances are added.

    Raises
    ------
    ArgumentError
        When an argument is not known or of the wrong type.
    UsageError
        When shapes differ, ``norm_value`` is not above zero, or the flat has no usable pixel.
    UnitError
        When ``norm_value`` has a unit that does not fit the flat.

    Examples
    --------
    >>> import numpy as np
    >>> from astropy.nddata import CCDData
    >>> light = CCDData(np.full((1, 3), 6.0), unit="adu")
    >>> flat = CCDData(np.array([[1.0, 3.0, 0.0]]), unit="adu")
    >>> found = flat_correct(light, flat)
    >>> found.data, found.mask
    (array([[12.,  4.,  6.]]), array([[False, False,  True]]))
    """
    planes = WorkingPlanes(require_ccd(ccd))
    cards = flat_step(planes, flat, min_value, norm_value)
    result = planes.result()
    add_keywords(result, cards, add_keyword)
    return result


def flat_step(planes: WorkingPlanes, flat: CCDData, min_value: object, norm_value: object = None) -> StepCards:
    """Divide a frame that is worked on by a flat; return what its header says of it."""
    flat = require_ccd(flat, "flat")
    lowest = -np.inf if min_value is None else _number_in(min_value, flat.unit, "min_value")
    norm = None if norm_value is None else _number_in(norm_value, flat.unit, "norm_value")
    if norm is not None and not 0.0 < norm < np.inf:
        raise UsageError(f"norm_value must be above zero, and is {norm_value}")
    level, _ = planes.divide(flat, lowest=lowest, norm=norm)
    return {calibration_kind(Kind.FLAT).card: f"{frame_name(flat)} / {level:.6g}"}


def _number_in(value: object, unit: Unit, name: str) -> float:
    """Return a number, or a quantity in a unit."""
    if isinstance(value, Quantity):
        try:
            return float(value.to_value(unit))
        except ValueError as error:
            raise UnlikeUnitsError(f"{name} is {value}, and the flat is in {unit or 'no unit'}") from error
    if not is_number(value):
        raise ArgumentError(f"{name} is {value!r}; it must be a number")
    return float(value)


@checked_names
def gain_correct(
    ccd: CCDData,
    gain: Quantity | Keyword | float | None = None,
    gain_unit: Unit | str | None = None,
    *,
    add_keyword: object = True,
) -> CCDData:
    """Multiply by the gain.

    Parameters
    ----------
    ccd : CCDData
        The frame, which is not changed.
    gain : Quantity, Keyword or float
        For example ``1.5 * u.electron / u.adu``, or the card that holds it; also an array of one gain for each pixel,
        row or column. May be left out where the header says that several amplifiers read the image, and the gain of
        each.
    gain_unit : Unit or str, optional
        Of a gain that is a number. Where there is none, the unit of the frame stays.
    add_keyword : bool, str, mapping or None
        True writes the card GAINCOR; False or None nothing; a text or mapping is written instead.

    Returns
    -------
    CCDData
        In the unit of frame times gain; the uncertainty is multiplied too.

    Raises
    ------
    ArgumentError
        When an argument is not known or of the wrong type.
    UsageError
        When the gain is not above zero.
    UnitError
        When the unit of the gain does not fit the frame, as when a frame in electrons is corrected again.

    Examples
    --------
    >>> import numpy as np
    >>> from astropy import units as u
    >>> from astropy.nddata import CCDData
    >>> found = gain_correct(CCDData(np.full((1, 2), 10.0), unit="adu"), 1.5 * u.electron / u.adu)
    >>> found.data, str(found.unit), found.meta["GAINCOR"]
    (array([[15., 15.]]), 'electron', '1.5 electron / adu')
    """
    several = None if gain is not None else amplifiers_with(require_ccd(ccd), "gain_e_per_adu")
    if several is not None:
        return each_amplifier(
            ccd, several, lambda part, one: gain_correct(part, _gain_of(one), add_keyword=False), "GAINCOR", add_keyword
        )
    planes = WorkingPlanes(require_ccd(ccd))
    cards = gain_step(planes, gain, gain_unit)
    result = planes.result()
    add_keywords(result, cards, add_keyword)
    return result


def _gain_of(amplifier: Amplifier) -> Quantity:
    return Quantity(amplifier.gain_e_per_adu, "electron / adu")


def gain_step(planes: WorkingPlanes, gain: object, gain_unit: object = None) -> StepCards:
    """Multiply a frame that is worked on by the gain; return what its header says of it."""
    if isinstance(gain, Keyword):
        gain = gain.value_from(planes.ccd.meta)
    if is_number(gain) or (isinstance(gain, np.ndarray) and not isinstance(gain, Quantity)):
        gain = Quantity(gain, dimensionless_unscaled if gain_unit is None else Unit(gain_unit))
    if not isinstance(gain, Quantity):
        raise ArgumentError(f"gain is {gain!r}; give one quantity such as 1.5 * u.electron / u.adu, or a Keyword")
    if not gain.isscalar:
        return _gains_step(planes, gain)
    if not 0.0 < gain.value < np.inf:
        raise UsageError(f"gain is {gain}; it must be above zero")
    planes.multiply(gain.value, _unit_after_gain(planes.unit, gain))
    return {"GAINCOR": f"{gain.value:.8g} {gain.unit}".strip()}


def _gains_step(planes: WorkingPlanes, gains: Quantity) -> StepCards:
    """Multiply each pixel, or each row or column, by a gain of its own; where it is not known, pixels are masked."""
    shape = planes.ccd.shape
    if gains.ndim != len(shape) or any(own not in {1, whole} for own, whole in zip(gains.shape, shape, strict=True)):
        raise UsageError(f"gain has shape {gains.shape} and the frame {shape}; give one gain, or one for each pixel")
    values = np.asarray(gains.value, dtype=np.float64)
    wrong = int(np.count_nonzero((values <= 0.0) | np.isinf(values)))
    if wrong:
        raise UsageError(f"{wrong} of the {values.size} gains are not above zero, or infinite")
    planes.multiply_by(values, _unit_after_gain(planes.unit, gains))
    return {"GAINCOR": f"of each pixel, median {np.nanmedian(values):.6g} {gains.unit}".strip()}


def _unit_after_gain(unit: Unit, gain: Quantity) -> Unit:
    product = unit * gain.unit
    if gain.unit != dimensionless_unscaled and len(product.bases) > max(1, len(unit.bases)):
        raise UnlikeUnitsError(
            f"the frame is in {unit} and the gain in {gain.unit}, which makes {product}; "
            "a frame that is in electrons already needs no gain"
        )
    return product


@checked_names
def create_deviation(
    ccd_data: CCDData,
    gain: Quantity | None = None,
    readnoise: Quantity | None = None,
    disregard_nan: bool = False,  # noqa: FBT001 -- ccdproc's arguments
    *,
    pedestal: CCDData | None = None,
    photon_noise_of: PhotonNoiseOf = "pixel",
    add_keyword: object = True,
) -> CCDData:
    """Take photon noise and read noise as the uncertainty of a frame.

    Parameters
    ----------
    ccd_data : CCDData
        The frame, which is not changed; without bias, unless there is a ``pedestal``.
    gain : Quantity, optional
        From the unit of the frame to that of ``readnoise``; not needed where they are the same.
    readnoise : Quantity
        Read noise of one pixel, in electrons. Both may be left out where the header says that several amplifiers read
        the image, and those of each.
    disregard_nan : bool
        Take pixels below zero, and those that are NaN, as zero: their uncertainty is the read noise. Otherwise it is
        NaN.
    pedestal : CCDData, optional
        What light is counted from, in each pixel: a combined bias that is still in the frame. It adds no error.
    photon_noise_of : {'pixel', 'surroundings'}
        Whose light the photon noise of a pixel is made of: its own, as in ccdproc; or, where the sky is faint and even,
        that of the 48 pixels around, as nights have it: with its own a sky of a few electrons has a chi-square of 1.2,
        and means with inverse variances as weights are tens of per cent too low.
    add_keyword : bool, str, mapping or None
        True writes the card NOISEMOD; False or None nothing; a text or mapping is written instead.

    Returns
    -------
    CCDData
        The same pixels, with ``sqrt(gain * (data - pedestal) + readnoise**2) / gain`` as a `StdDevUncertainty`.

    Raises
    ------
    ArgumentError
        When ``gain`` or ``readnoise`` is no quantity, or an argument is not known.
    UnitError
        When gain times data is not in the unit of the read noise, or the pedestal not in that of the data.

    Warns
    -----
    AssumptionWarning
        When pixels are below zero and get NaN; and when the frame is in ADU and there is no gain, so that an ADU is
        taken for an electron.

    Examples
    --------
    >>> import numpy as np
    >>> from astropy import units as u
    >>> from astropy.nddata import CCDData
    >>> light = CCDData(np.array([[0.0, 8.0]]), unit="adu")
    >>> create_deviation(light, gain=2 * u.electron / u.adu, readnoise=3 * u.electron).uncertainty.array
    array([[1.5, 2.5]])
    """
    several = None
    if gain is None and readnoise is None and pedestal is None:
        several = amplifiers_with(require_ccd(ccd_data, "ccd_data"), "gain_e_per_adu", "read_noise_e")
    if several is not None:
        in_adu = ccd_data.unit == Unit("adu")

        def noise_of(part: CCDData, one: Amplifier) -> CCDData:
            noise, own = Quantity(one.read_noise_e, "electron"), _gain_of(one) if in_adu else None
            return create_deviation(part, own, noise, disregard_nan, photon_noise_of=photon_noise_of, add_keyword=False)

        return each_amplifier(ccd_data, several, noise_of, "NOISEMOD", add_keyword)
    planes = WorkingPlanes(require_ccd(ccd_data, "ccd_data"))
    cards = noise_step(
        planes, gain, readnoise, negative_is_zero=disregard_nan, pedestal=pedestal, photon_noise_of=photon_noise_of
    )
    result = planes.result()
    add_keywords(result, cards, add_keyword)
    return result


def noise_step(
    planes: WorkingPlanes,
    gain: object,
    readnoise: object,
    *,
    negative_is_zero: bool,
    pedestal: CCDData | None = None,
    photon_noise_of: PhotonNoiseOf = "pixel",
) -> StepCards:
    """Give a frame that is worked on its uncertainty; return what its header says of it."""
    if photon_noise_of not in PHOTON_NOISE_OF:
        raise ArgumentError(f"photon_noise_of is {photon_noise_of!r}, not one of {', '.join(PHOTON_NOISE_OF)}")
    if gain is not None and not isinstance(gain, Quantity):
        raise ArgumentError(f"gain is {gain!r}; give it with its unit, such as 1.5 * u.electron / u.adu")
    if readnoise is None:
        raise UsageError("the read noise must be given: readnoise=5 * u.electron, say")
    if not isinstance(readnoise, Quantity):
        raise ArgumentError(f"readnoise is {readnoise!r}; give it with its unit, such as 5 * u.electron")
    used = Quantity(1.0) if gain is None else gain
    try:
        gain_value = float((used * (1.0 * planes.unit)).to_value(readnoise.unit))
    except ValueError as error:  # astropy's UnitConversionError
        raise UnlikeUnitsError(
            f"the frame is in {planes.unit or 'no unit'}, the gain in {used.unit or 'no unit'} and the read noise in "
            f"{readnoise.unit}; gain times frame must be in the unit of the read noise"
        ) from error
    if not (0.0 < gain_value < np.inf and 0.0 <= readnoise.value < np.inf):
        raise UsageError(f"gain is {used} and readnoise {readnoise}; the gain must be above zero, the noise not below")
    if gain is None and planes.unit == Unit("adu"):
        _warn("the frame is in adu and no gain is given: an ADU is taken for an electron")
    if pedestal is not None and require_ccd(pedestal, "pedestal").unit != planes.unit:
        raise UnlikeUnitsError(
            f"the frame is in {planes.unit or 'no unit'} and the pedestal in {pedestal.unit or 'no unit'}"
        )
    below = planes.set_noise(
        gain_value,
        float(readnoise.value),
        negative_is_zero=negative_is_zero,
        pedestal=pedestal,
        from_surroundings=photon_noise_of == "surroundings",
    )
    if below and not negative_is_zero:
        _warn(
            f"{below} pixels are below zero and get NaN as their uncertainty; "
            "disregard_nan=True gives them the read noise instead"
        )
    return {"NOISEMOD": f"gain {gain_value:.6g}, read noise {readnoise.value:.6g} {readnoise.unit}"}
