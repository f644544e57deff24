"""What a frame is made of while verbs work on it: pixels, their standard deviations, their mask.

Uncertainties of every kind become standard deviations in the unit of the frame when a verb begins, and what they were
when it ends. The arithmetic is that of the night, one pass by `zeroframe.kernels.calibrate`.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import numpy as np
from astropy.nddata import CCDData, InverseVariance, StdDevUncertainty, VarianceUncertainty

from zeroframe.errors import ArgumentError, UsageError
from zeroframe.fits.precision import float_dtype
from zeroframe.frames.calibration_frames import (
    FLAT_LEVEL_CARD,
    NO_MASK,
    WHOLE_CARD,
    divisor_of,
    error_factor,
    level_of_flat,
    share_card,
    share_in_flat,
)
from zeroframe.frames.numbers import is_number
from zeroframe.kernels.calibrate import NO_NOISE, Factors, calibrate_image
from zeroframe.records import dataclass
from zeroframe.verbs.arguments import file_name_of
from zeroframe.verbs.exceptions import UnlikeUnitsError

if TYPE_CHECKING:
    from astropy.units import Unit
    from numpy.typing import NDArray

__all__ = ["WorkingPlanes", "deviations_of", "kernel_pixels", "uncertainty_of"]

#: Which power of a standard deviation each kind of uncertainty holds.
_POWERS = {StdDevUncertainty: 1, VarianceUncertainty: 2, InverseVariance: -2}
#: So near to 1 is the level of a flat that was divided by it in float32.
_ONE = 1e-5


def kernel_pixels(data: NDArray[Any], *, floating: bool = False) -> NDArray[Any]:
    """Return pixels as a contiguous array of a type that kernels know; not copied where it is one.

    Parameters
    ----------
    data : ndarray
        Of real numbers in any byte order.
    floating : bool
        Whether only float32 and float64 are wanted.

    Raises
    ------
    ArgumentError
        When the array holds something else.

    Examples
    --------
    >>> kernel_pixels(np.zeros(2, ">f4")).dtype.isnative, kernel_pixels(np.zeros(2, "u2"), floating=True).dtype
    (True, dtype('float32'))
    """
    if data.dtype.kind not in "biuf":
        raise ArgumentError(f"the frame is an array of {data.dtype}; frames hold real numbers")
    native = data.dtype.newbyteorder("=")
    known = native in {np.dtype(name) for name in (("f4", "f8") if floating else ("u1", "i2", "u2", "i4", "f4", "f8"))}
    return np.ascontiguousarray(data, dtype=native if known else float_dtype(native))


def deviations_of(ccd: CCDData, dtype: np.dtype[Any], name: str = "ccd") -> NDArray[Any] | None:
    """Return the standard deviations of a frame in its own unit; None where it has no uncertainty.

    Parameters
    ----------
    ccd : CCDData
        With an uncertainty of any kind that says what it is.
    dtype : dtype
        Of the result.
    name : str
        How errors call the frame.

    Returns
    -------
    ndarray, shape of the frame, or None
        The frame's own array where that fits; not to be written to.

    Raises
    ------
    UsageError
        When the uncertainty is of a kind that cannot be carried through arithmetic.
    UnitError
        When its unit does not fit that of the frame.

    Examples
    --------
    >>> ccd = CCDData(np.zeros((1, 2)), unit="adu", uncertainty=VarianceUncertainty(np.array([[4.0, 9.0]])))
    >>> deviations_of(ccd, np.dtype(np.float32))
    array([[2., 3.]], dtype=float32)
    """
    uncertainty = ccd.uncertainty
    if uncertainty is None or uncertainty.array is None:
        return None
    power = next((power for kind, power in _POWERS.items() if isinstance(uncertainty, kind)), None)
    if power is None:
        raise UsageError(
            f"the uncertainty of {name} is {type(uncertainty).__name__}, which cannot be carried through; "
            "make it StdDevUncertainty, VarianceUncertainty or InverseVariance, or set it to None"
        )
    values = np.asarray(uncertainty.array)
    if values.shape != ccd.shape:
        values = np.broadcast_to(values, ccd.shape).copy()
    factor = _unit_factor(uncertainty.unit, ccd.unit**power, name)
    if power == 1 and factor == 1.0:
        return np.ascontiguousarray(values, dtype=dtype)
    with np.errstate(invalid="ignore", divide="ignore"):
        scaled = np.asarray(values, np.float64) * factor
        return np.ascontiguousarray(scaled if power == 1 else scaled ** (1.0 / power), dtype=dtype)


def _unit_factor(unit: Unit | None, wanted: Unit, name: str) -> float:
    if unit is None or unit == wanted:
        return 1.0
    try:
        return float(unit.to(wanted))
    except ValueError as error:  # astropy's UnitConversionError
        raise UnlikeUnitsError(f"the uncertainty of {name} is in {unit}, and should be in {wanted}") from error


def uncertainty_of(kind: type[Any], sigma: NDArray[Any]) -> Any:  # noqa: ANN401 -- astropy has no types
    """Return standard deviations as an uncertainty of a kind; the array is not copied for `StdDevUncertainty`.

    Examples
    --------
    >>> uncertainty_of(InverseVariance, np.array([2.0])).array
    array([0.25])
    """
    power = next((power for known, power in _POWERS.items() if issubclass(kind, known)), 1)
    with np.errstate(divide="ignore"):
        return kind(sigma if power == 1 else (sigma.astype(np.float64) ** power).astype(sigma.dtype), copy=False)


@dataclass(frozen=True, eq=False)
class _Other:
    """A frame that another one is calibrated with: its pixels, their standard deviations, and how these count.

    Attributes
    ----------
    data, sigma : ndarray of float, shape (ny, nx) or (0, 0)
        The latter where there is none.
    share : float
        What the standard deviations are multiplied by to be those of the error.
    name : str
        Of its file, where that is known.
    """

    data: NDArray[Any]
    sigma: NDArray[Any]
    share: float = 0.0
    name: str = ""

    def wide(self) -> _Other:
        """Return the same in float64."""
        return _Other(self.data.astype(np.float64), self.sigma.astype(np.float64), self.share, self.name)


_NOTHING = _Other(np.empty((0, 0), np.float32), np.empty((0, 0), np.float32))


class WorkingPlanes:
    """Pixels, standard deviations and mask of one frame, and what is to be done to it.

    Steps are only noted. They are carried out together when the result is wanted, in one pass over the pixels, and
    rounded once, as those of a night; steps in another order than its own take a pass more.

    Parameters
    ----------
    ccd : CCDData
        The frame, which is not changed.
    owned : bool
        Whether its arrays may be written to: it is not the caller's, but an intermediate result.

    Attributes
    ----------
    unit : Unit
        Of the pixels when all steps are done.
    mask : ndarray of bool or None
        Own copy.
    """

    def __init__(self, ccd: CCDData, *, owned: bool = False) -> None:
        self.ccd = ccd
        self.unit: Unit = ccd.unit
        self._dtype = float_dtype(np.asarray(ccd.data).dtype)
        self._pixels = kernel_pixels(np.asarray(ccd.data))
        self._sigma = deviations_of(ccd, self._dtype)
        self._kind: type[Any] | None = None if ccd.uncertainty is None else type(ccd.uncertainty)
        self._owned = owned
        self.mask: NDArray[np.bool_] | None = None
        if ccd.mask is not None:
            self.mask = np.array(np.broadcast_to(np.asarray(ccd.mask, dtype=bool), ccd.shape))
        self._begin()

    def _begin(self) -> None:
        """Note that nothing is to be done."""
        self._bias = self._dark = self._flat = self._pedestal = _NOTHING
        self._factors, self._noise = Factors(), NO_NOISE
        self._makes_noise, self._without_noise = False, NO_MASK

    @property
    def has_bias(self) -> bool:
        """Whether a bias is among what is to be subtracted."""
        return bool(self._bias.data.size)

    def subtract(self, other: CCDData, scale: float, name: str) -> None:
        """Subtract ``scale`` times another frame, whose unit is taken for that of this one.

        Where the one before was subtracted from this one, too, as its header says, it drops out as far as it does:
        ``x - b - s (d - b)`` holds ``1 - s`` times b, and that is the share of its error.
        """
        found = self._read_other(other, name)
        if self._dark.data.size or self._flat.data.size or (self._bias.data.size and self._factors.result != 1.0):
            self._carry_out()
        self._mask_also(other)
        if not self._bias.data.size:
            self._multiply_first()
            self._bias, self._factors = found, self._factors._replace(bias=float(scale))
            self._noise = self._noise._replace(bias_share=scale * found.share)
            return
        self._dark, self._factors = found, self._factors._replace(dark=float(scale))
        shared = bool(self._bias.name) and other.meta.get("ZEROCOR") == self._bias.name
        left = self._factors.bias - (scale if shared else 0.0)
        self._noise = self._noise._replace(bias_share=left * self._bias.share, dark_share=scale * found.share)
        if shared and "ZEROCOR" in str(other.meta.get(WHOLE_CARD, "")).split():
            self._noise = self._noise._replace(bias_in_dark=self._bias.share)

    def divide(self, flat: CCDData, *, lowest: float, norm: float | None) -> tuple[float, int]:
        """Divide by a flat; return what counted as a flat of one, and how many of its pixels could not be used."""
        found = self._read_other(flat, "the flat")
        if self._flat.data.size:
            self._carry_out()
        mask = None
        if flat.mask is not None:
            mask = np.ascontiguousarray(np.broadcast_to(np.asarray(flat.mask, dtype=bool), flat.shape))
        level = _level(found.data, mask, lowest, flat) if norm is None else norm
        usable = divisor_of(found.data, found.sigma, mask, lowest=lowest, level=level)
        self._flat, self._factors = _Other(usable.data, usable.sigma), self._factors._replace(flat=float(level))
        self._noise = self._noise._replace(flat_share=found.share, flat_is_whole=WHOLE_CARD in flat.meta)
        if level == 1.0 and self._factors.pixels == 1.0:
            self._noise = self._noise._replace(
                bias_in_flat=self._share_in_flat(self._bias, flat), dark_in_flat=self._share_in_flat(self._dark, flat)
            )
        if usable.unusable is not None:
            self.add_mask(usable.unusable)
        return level, 0 if usable.unusable is None else int(np.count_nonzero(usable.unusable))

    @staticmethod
    def _share_in_flat(other: _Other, flat: CCDData) -> float:
        """Return what a frame that was subtracted from this one has to do with the flat, as that one's header says."""
        level, words = flat.meta.get(FLAT_LEVEL_CARD), str(flat.meta.get("DARKCOR", ""))
        if not other.name or not is_number(level):
            return 0.0
        dark, _, said = words.partition(" x ")
        of_dark = float(flat.meta.get(share_card("DARKCOR"), _scale_said(said)))
        if other.name == flat.meta.get("ZEROCOR"):
            # a dark that is subtracted beside the bias is less that bias
            of_bias = float(flat.meta.get(share_card("ZEROCOR"), 1.0))
            return other.share * share_in_flat(float(level), of_bias, [of_dark] if dark else [])
        return other.share * share_in_flat(float(level), of_dark, []) if other.name == dark else 0.0

    def multiply(self, factor: float, unit: Unit) -> None:
        """Multiply by a factor that has no error; the result is in ``unit``."""
        self._factors = self._factors._replace(result=self._factors.result * float(factor))
        self.unit = unit

    def multiply_by(self, factors: NDArray[Any], unit: Unit) -> None:
        """Multiply each pixel by a factor of its own that has no error; the result is in ``unit``."""
        self._carry_out()
        with np.errstate(invalid="ignore", over="ignore"):
            self._pixels = (self._pixels * factors).astype(self._dtype)
            if self._sigma is not None:
                self._sigma = (self._sigma * factors).astype(self._dtype)
        self._owned, self.unit = True, unit
        if np.isnan(factors).any():
            self.add_mask(np.broadcast_to(np.isnan(factors), self._pixels.shape))

    def set_noise(
        self,
        gain: float,
        read_noise: float,
        *,
        negative_is_zero: bool,
        pedestal: CCDData | None = None,
        from_surroundings: bool = False,
    ) -> int:
        """Take photon and read noise as the uncertainty; return how many pixels are below the pedestal, or zero."""
        if self._is_begun:
            self._carry_out()
        if pedestal is not None:
            kind = self._kind
            self._pedestal = self._read_other(pedestal, "the pedestal")
            self._kind = kind  # it has no part in the uncertainty but this
        self._noise = NO_NOISE._replace(read_variance=(read_noise / gain) ** 2, per_gain=1.0 / gain)
        self._noise = self._noise._replace(from_surroundings=from_surroundings)
        self._sigma, self._kind = None, StdDevUncertainty
        self._makes_noise = True
        if negative_is_zero:
            return 0
        light = self._light()
        without = ~(light >= 0.0)
        if not without.any():
            return 0
        self._without_noise = without
        return int(np.count_nonzero(light < 0.0))

    def add_mask(self, mask: NDArray[Any]) -> None:
        """Mask more pixels."""
        if mask.shape != self._pixels.shape:
            raise UsageError(f"the mask has shape {mask.shape} and the frame {self._pixels.shape}; they must be equal")
        more = np.asarray(mask, dtype=bool)
        self.mask = more.copy() if self.mask is None else self.mask | more

    def result(self) -> CCDData:
        """Return the frame with all steps done, and a copy of its metadata."""
        self._carry_out()
        ccd = self.ccd
        uncertainty = None
        if self._sigma is not None and self._kind is not None:
            shared = (
                not self._owned
                and ccd.uncertainty is not None
                and np.may_share_memory(self._sigma, ccd.uncertainty.array)
            )
            uncertainty = uncertainty_of(self._kind, self._sigma.copy() if shared else self._sigma)
        result = CCDData(
            self._pixels if self._owned else np.array(self._pixels),
            unit=self.unit,
            meta=copy.deepcopy(ccd.meta),
            mask=self.mask,
            wcs=None if ccd.wcs is None else ccd.wcs.deepcopy(),
            uncertainty=uncertainty,
            psf=ccd.psf,
        )
        result.flags = copy.deepcopy(ccd.flags)
        if "BUNIT" in result.meta and self.unit != ccd.unit:
            result.meta["BUNIT"] = self.unit.to_string()
        return result

    @property
    def _is_begun(self) -> bool:
        """Whether pixels are to be changed."""
        return bool(self._bias.data.size or self._flat.data.size or self._factors.result != 1.0)

    def _read_other(self, other: CCDData, name: str) -> _Other:
        if other.shape != self._pixels.shape:
            raise UsageError(
                f"{name} has shape {other.shape} and the frame {self._pixels.shape} (ny, nx); "
                "trim both to the same section"
            )
        pixels = kernel_pixels(np.asarray(other.data), floating=True)
        sigma = deviations_of(other, pixels.dtype, name)
        file_name = file_name_of(other)
        if sigma is None:
            return _Other(pixels, np.empty((0, 0), pixels.dtype), name=file_name)
        if self._kind is None:
            self._kind = type(other.uncertainty)
        return _Other(pixels, sigma, error_factor(other.meta), file_name)

    def _multiply_first(self) -> None:
        """Let a factor that was noted before anything is subtracted come first; the noise is that of the product."""
        factor = self._factors.result
        self._factors = self._factors._replace(pixels=self._factors.pixels * factor, result=1.0)
        self._noise = self._noise._replace(
            read_variance=self._noise.read_variance * factor**2, per_gain=self._noise.per_gain * factor
        )

    def _light(self) -> NDArray[Any]:
        """Return what photon noise is that of."""
        if not self._pedestal.data.size:
            return self._pixels
        with np.errstate(invalid="ignore"):
            return np.asarray(self._pixels - self._pedestal.data)

    def _mask_also(self, other: CCDData) -> None:
        if other.mask is not None:
            self.add_mask(np.broadcast_to(np.asarray(other.mask, dtype=bool), other.shape))

    def _carry_out(self) -> None:
        """Do what was noted, in one pass."""
        changed = self._is_begun
        if not changed and not self._makes_noise:
            return
        others, none = self._others(), np.empty((0, 0), self._dtype)
        sigma = none if self._sigma is None else self._sigma
        source, out = self._source_and_target()
        out_sigma = none
        if self._makes_noise or sigma.size or any(other.sigma.size for other in others[:3]):
            out_sigma = sigma if self._owned and sigma.size else np.empty(out.shape, self._dtype)
        bias, dark, flat, pedestal = others
        not_finite = calibrate_image(
            source,
            sigma,
            (bias.data, dark.data, flat.data),
            (bias.sigma, dark.sigma, flat.sigma),
            pedestal.data,
            self._factors,
            self._noise,
            out,
            out_sigma,
        )
        if self._without_noise.size:
            out_sigma[self._without_noise] = np.nan
        self._sigma = out_sigma if out_sigma.size else None
        if changed:
            self._pixels, self._owned = out, True
            if not_finite:
                self.add_mask(~np.isfinite(out))
        self._begin()

    def _others(self) -> tuple[_Other, _Other, _Other, _Other]:
        """Return bias, dark, flat and pedestal in one type of pixels, so that few kernels have to be compiled."""
        others = (self._bias, self._dark, self._flat, self._pedestal)
        given = {other.data.dtype for other in others if other.data.size} | {self._working_dtype()}
        if np.dtype(np.float64) not in given:
            return others
        bias, dark, flat, pedestal = (other.wide() if other.data.dtype == np.float32 else other for other in others)
        return bias, dark, flat, pedestal

    def _working_dtype(self) -> np.dtype[Any]:
        """Return the type that holds the pixels exactly: float32, of long integers float64."""
        short = self._pixels.dtype.itemsize <= 2 or self._pixels.dtype == np.float32
        return np.dtype(np.float32 if short else np.float64)

    def _source_and_target(self) -> tuple[NDArray[Any], NDArray[Any]]:
        """Return the pixels as the kernel takes them, and where it writes to; short integers are changed there."""
        working = self._working_dtype()
        if self._owned and self._pixels.dtype == self._dtype:
            return self._pixels, self._pixels
        out = np.empty(self._pixels.shape, self._dtype)
        if self._pixels.dtype == working:
            return self._pixels, out
        if working != self._dtype:
            return self._pixels.astype(working), out
        out[...] = self._pixels
        return out, out


def _scale_said(text: str) -> float:
    """Return by what a dark was multiplied, as the words behind its name say; 1 where they say something else."""
    try:
        return float(text or 1.0)
    except ValueError:
        return 1.0


def _level(flat: NDArray[Any], mask: NDArray[np.bool_] | None, lowest: float, ccd: CCDData) -> float:
    """Return what counts as a flat of one: 1 where it was divided by its level and still is, else its level."""
    level = level_of_flat(flat, mask)
    if level is not None and FLAT_LEVEL_CARD in ccd.meta and abs(level - 1.0) <= _ONE:
        return 1.0
    if lowest > -np.inf:
        level = level_of_flat(flat, mask, lowest=lowest)
    if level is None:
        raise UsageError("the flat has no pixel above zero that is not masked; it cannot be used")
    return level
