"""A science frame in memory: bias, dark, flat and gain taken out, its noise worked out, its pixels masked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from zeroframe.frames.calibration_frames import NO_CALIBRATION
from zeroframe.frames.raw import is_fused
from zeroframe.kernels.calibrate import NO_NOISE, Factors, calibrate_image
from zeroframe.kernels.masks import mask_high, mask_high_swapped16

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from zeroframe.fits import HeaderDraft, RawImage
    from zeroframe.frames.regions import Region
    from zeroframe.frames.steps import CalibratedFrame, Calibrations

__all__ = ["mask_saturated", "record_steps", "reduce_frame", "subtract_planes"]


def subtract_planes(pixels: NDArray[Any], bias: NDArray[Any], dark: NDArray[Any], scale: float) -> None:
    """Subtract a bias, and a dark times ``scale``, from a frame, in place; of shape (0, 0) where there is none."""
    none = NO_CALIBRATION
    calibrate_image(
        pixels, none, (bias, dark, none), (none, none, none), none, Factors(dark=scale), NO_NOISE, pixels, none
    )


def reduce_frame(
    frame: CalibratedFrame,
    with_: Calibrations,
    pixels: NDArray[Any],
    mask: NDArray[np.bool_],
    sigma: NDArray[Any],
    header: HeaderDraft,
) -> None:
    """Do all that is done to a science frame after overscan and trim.

    Parameters
    ----------
    frame : CalibratedFrame
        What is done.
    with_ : Calibrations
        With what.
    pixels : ndarray of float, shape (ny, nx)
        Worked on in place.
    mask : ndarray of bool, shape (ny, nx)
        What is saturated; what else is masked is added, in place.
    sigma : ndarray of float, shape (ny, nx) or (0, 0)
        Filled with standard deviations, where ``with_`` tells the noise.
    header : HeaderDraft
        Told what was done, in place.
    """
    steps = frame.steps
    in_electrons = steps.to_electrons and all(each.to_electrons is not None for each in with_.electronics)
    if in_electrons:
        header["BUNIT"] = ("electron", "")
        header["GAINCOR"] = (_mean_gain(with_), "e-/ADU, multiplied by")
    scale = 1.0 if steps.dark_scale is None else steps.dark_scale
    not_finite = 0
    for each in with_.electronics:
        factor = each.to_electrons if in_electrons and each.to_electrons is not None else 1.0
        not_finite += calibrate_image(
            pixels,
            NO_CALIBRATION,
            with_.planes,
            with_.sigmas,
            with_.pedestal,
            Factors(dark=scale, result=factor),
            NO_NOISE if each.noise is None else each.noise,
            pixels,
            sigma,
            each.window,
        )
    for more in with_.masks:
        mask |= more
    if not_finite:
        mask |= ~np.isfinite(pixels)
    header["NNOTFIN"] = (not_finite, "pixels without a value")
    if steps.cosmic_rays != "none":
        from zeroframe.frames.cosmic_rays import mask_lacosmic, mask_median

        find = mask_lacosmic if steps.cosmic_rays == "lacosmic" else mask_median
        how = steps.cosmic_rays if sigma.size else f"{steps.cosmic_rays} and scatter"
        header["NCOSMIC"] = (find(pixels, sigma, mask), f"pixels of cosmic rays, by {how}")
    header["NMASKED"] = (int(np.count_nonzero(mask)), "masked pixels")
    if with_.makes_noise:
        header["GAINUSED"] = (with_.gain_e_per_adu, "e-/ADU, of the photon noise")
        header["RNOISADU"] = (with_.read_noise_adu, "ADU, noise of one pixel without light")


def _mean_gain(with_: Calibrations) -> float:
    """Return what the frame is multiplied by; of several amplifiers the mean."""
    factors = [each.to_electrons for each in with_.electronics if each.to_electrons is not None]
    return sum(factors) / len(factors)


def record_steps(frame: CalibratedFrame, header: HeaderDraft) -> None:
    """Say in a header in IRAF's words what is done."""
    steps = frame.steps
    if steps.bias is not None:
        header["ZEROCOR"] = (steps.bias, "subtracted")
    if steps.dark is not None:
        scaled = "" if steps.dark_scale is None else f" x {steps.dark_scale:.6g}"
        header["DARKCOR"] = (f"{steps.dark}{scaled}", "subtracted")
    if steps.flat is not None:
        header["FLATCOR"] = (steps.flat, "divided by")


def mask_saturated(raw: RawImage, frame: CalibratedFrame, mask: NDArray[np.bool_]) -> int:
    """Mask the saturated pixels of a trimmed frame, in place; return how many there are.

    Parameters
    ----------
    raw : RawImage
        The frame as it stands in the file.
    frame : CalibratedFrame
        What is trimmed, and where it is saturated: by default at the most that its numbers can hold.
    mask : ndarray of bool
        Of the shape of the trimmed frame.
    """
    if not frame.recipe.assembles:
        return _mask_part(raw, frame.saturated_at_adu, frame.recipe.regions[0], mask)
    count = 0
    for region in frame.recipe.regions:
        limit = frame.saturated_at_adu if region.saturation_adu is None else region.saturation_adu
        place = region.place_yx(raw.layout.shape_yx)
        part = np.zeros(mask[place].shape, np.bool_)
        count += _mask_part(raw, limit, region, part)
        mask[place] |= part
    return count


def _mask_part(raw: RawImage, limit: float | None, region: Region, mask: NDArray[np.bool_]) -> int:
    """Mask the saturated pixels of what one amplifier read."""
    if limit is None:
        return 0
    part = region.part(raw.layout.shape_yx)
    if is_fused(raw.layout):
        count = mask_high_swapped16(raw.pixels.view(np.uint16), raw.layout.bzero, limit, part.y0, part.x0, mask)
    else:
        count = mask_high(np.ascontiguousarray(raw.decode()), limit, part.y0, part.x0, mask)
    if count and (part.flip_y or part.flip_x):
        mask[:] = mask[:: -1 if part.flip_y else 1, :: -1 if part.flip_x else 1].copy()
    return count
