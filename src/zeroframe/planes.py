"""What a frame is made of while verbs work on it: pixels, their standard deviations, their mask.

Uncertainties of every kind become standard deviations in the unit of the frame when a verb begins, and what they were
when it ends. The arithmetic stands in `zeroframe.kernels.arithmetic`.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import numpy as np
from astropy.nddata import CCDData, InverseVariance, StdDevUncertainty, VarianceUncertainty

from zeroframe.errors import ArgumentError, UnitError, UsageError
from zeroframe.kernels import arithmetic
from zeroframe.precision import float_dtype

if TYPE_CHECKING:
    from astropy.units import Unit
    from numpy.typing import NDArray

__all__ = ["Planes", "deviations_of", "native_pixels", "uncertainty_of"]

#: Which power of a standard deviation each kind of uncertainty holds.
_POWERS = {StdDevUncertainty: 1, VarianceUncertainty: 2, InverseVariance: -2}


def native_pixels(data: NDArray[Any], *, floating: bool = False) -> NDArray[Any]:
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
    >>> native_pixels(np.zeros(2, ">f4")).dtype.isnative, native_pixels(np.zeros(2, "u2"), floating=True).dtype
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
        raise UnitError(f"the uncertainty of {name} is in {unit}, and should be in {wanted}") from error


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


class Planes:
    """Pixels, standard deviations and mask of one frame, worked on step by step.

    The first step reads the caller's arrays and writes new ones; those after it work in place.

    Parameters
    ----------
    ccd : CCDData
        The frame, which is not changed.
    owned : bool
        Whether its arrays may be written to: it is not the caller's, but an intermediate result.

    Attributes
    ----------
    unit : Unit
        Of the pixels as they are now.
    mask : ndarray of bool or None
        Own copy.
    """

    def __init__(self, ccd: CCDData, *, owned: bool = False) -> None:
        self.ccd = ccd
        self.unit: Unit = ccd.unit
        self._dtype = float_dtype(np.asarray(ccd.data).dtype)
        self._pixels = native_pixels(np.asarray(ccd.data))
        self._sigma = deviations_of(ccd, self._dtype)
        self._kind: type[Any] | None = None if ccd.uncertainty is None else type(ccd.uncertainty)
        self._owned = owned
        self.mask: NDArray[np.bool_] | None = None
        if ccd.mask is not None:
            self.mask = np.array(np.broadcast_to(np.asarray(ccd.mask, dtype=bool), ccd.shape))

    def subtract(self, other: CCDData, scale: float, name: str) -> None:
        """Subtract ``scale`` times another frame, whose unit is taken for that of this one."""
        self._same_shape(other, name)
        pixels, other_sigma = self._read_other(other, name)
        out, out_sigma = self._targets(with_sigma=other_sigma.size > 0)
        bad = arithmetic.subtract_frame(
            self._pixels, self._own_sigma(), pixels, other_sigma, float(scale), out, out_sigma
        )
        self._mask_also(other)
        self._finish(out, out_sigma, bad)

    def divide(self, flat: CCDData, *, lowest: float, norm: float | None) -> tuple[float, int]:
        """Divide by a flat; return what counted as a flat of one, and how many of its pixels could not be used."""
        self._same_shape(flat, "the flat")
        pixels, flat_sigma = self._read_other(flat, "flat")
        flat_mask = np.empty((0, 0), bool)
        if flat.mask is not None:
            flat_mask = np.ascontiguousarray(np.broadcast_to(np.asarray(flat.mask, dtype=bool), flat.shape))
        level = _flat_level(pixels, flat_mask, lowest) if norm is None else norm
        out, out_sigma = self._targets(with_sigma=flat_sigma.size > 0)
        unusable_mask = np.zeros(out.shape, bool)
        bad, unusable = arithmetic.divide_by_flat(
            self._pixels,
            self._own_sigma(),
            pixels,
            flat_sigma,
            flat_mask,
            float(lowest),
            float(level),
            out,
            out_sigma,
            unusable_mask,
        )
        if unusable:
            self.mask = unusable_mask if self.mask is None else self.mask | unusable_mask
        self._finish(out, out_sigma, bad)
        return level, unusable

    def multiply(self, factor: float, unit: Unit) -> None:
        """Multiply by a factor that has no error; the result is in ``unit``."""
        out, out_sigma = self._targets()
        bad = arithmetic.multiply_frame(self._pixels, float(factor), out)
        if out_sigma.size:
            arithmetic.multiply_frame(self._own_sigma(), abs(float(factor)), out_sigma)
        self._finish(out, out_sigma, bad)
        self.unit = unit

    def set_noise(self, gain: float, read_noise: float, *, negative_is_zero: bool) -> int:
        """Take photon and read noise as the uncertainty; return how many pixels are below zero."""
        sigma = np.empty(self._pixels.shape, self._dtype)
        below = arithmetic.noise_of_level(
            self._pixels, float(gain), float(read_noise), 0.0 if negative_is_zero else np.nan, sigma
        )
        self._sigma, self._kind = sigma, StdDevUncertainty
        return int(below)

    def add_mask(self, mask: NDArray[Any]) -> None:
        """Mask more pixels."""
        if mask.shape != self._pixels.shape:
            raise UsageError(f"the mask has shape {mask.shape} and the frame {self._pixels.shape}; they must be equal")
        more = np.asarray(mask, dtype=bool)
        self.mask = more.copy() if self.mask is None else self.mask | more

    def result(self) -> CCDData:
        """Return the frame as it is now, with a copy of its metadata."""
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

    def _same_shape(self, other: CCDData, name: str) -> None:
        if other.shape != self._pixels.shape:
            raise UsageError(
                f"{name} has shape {other.shape} and the frame {self._pixels.shape} (ny, nx); "
                "trim both to the same section"
            )

    def _read_other(self, other: CCDData, name: str) -> tuple[NDArray[Any], NDArray[Any]]:
        pixels = native_pixels(np.asarray(other.data), floating=True)
        sigma = deviations_of(other, pixels.dtype, name)
        if sigma is None:
            return pixels, np.empty((0, 0), pixels.dtype)
        if self._kind is None:
            self._kind = type(other.uncertainty)
        return pixels, sigma

    def _own_sigma(self) -> NDArray[Any]:
        return np.empty((0, 0), self._dtype) if self._sigma is None else self._sigma

    def _targets(self, *, with_sigma: bool = False) -> tuple[NDArray[Any], NDArray[Any]]:
        """Return where a step writes its pixels and its standard deviations."""
        shape = self._pixels.shape
        reused = self._owned and self._pixels.dtype == self._dtype
        out = self._pixels if reused else np.empty(shape, self._dtype)
        if self._sigma is None and not with_sigma:
            return out, np.empty((0, 0), self._dtype)
        own = self._sigma is not None and self._owned
        return out, self._sigma if own and self._sigma is not None else np.empty(shape, self._dtype)

    def _mask_also(self, other: CCDData) -> None:
        if other.mask is not None:
            self.add_mask(np.broadcast_to(np.asarray(other.mask, dtype=bool), other.shape))

    def _finish(self, out: NDArray[Any], out_sigma: NDArray[Any], not_finite: int) -> None:
        self._pixels = out
        self._sigma = out_sigma if out_sigma.size else None
        self._owned = True
        if not_finite:
            self.add_mask(~np.isfinite(out))


def _flat_level(pixels: NDArray[Any], mask: NDArray[np.bool_], lowest: float) -> float:
    """Return the mean of a flat over its usable pixels, those of more than ten times the median left out."""
    step = max(1, int(np.sqrt(pixels.size / 1e5)))
    sample = pixels[::step, ::step]
    usable = np.isfinite(sample) & (sample > 0)
    if mask.size:
        usable &= ~mask[::step, ::step]
    highest = 10.0 * max(float(np.median(sample[usable])), lowest) if usable.any() else np.inf
    count, level = arithmetic.flat_level(pixels, mask, float(lowest), float(highest))
    if not count:
        raise UsageError("the flat has no pixel above zero that is not masked; it cannot be used")
    return float(level)
