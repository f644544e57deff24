"""A science frame in memory: bias, dark, flat and gain taken out, its noise worked out, its pixels masked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from zeroframe.frames.calibration_frames import NO_CALIBRATION
from zeroframe.frames.raw import is_fused
from zeroframe.headers.kinds import calibration_kind
from zeroframe.kernels.calibrate import NO_NOISE, Factors, calibrate_image
from zeroframe.kernels.masks import mask_high, mask_high_swapped16
from zeroframe.kernels.operations import Operation

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from zeroframe.fits import HeaderDraft, RawImage
    from zeroframe.frames.regions import Region
    from zeroframe.frames.steps import CalibratedFrame, Calibrations
    from zeroframe.kernels.calibrate import NoiseModel, Window

__all__ = ["mask_saturated", "operate", "record_steps", "reduce_frame"]


#: In the place of a frame that is not there.
_NOTHING = Operation(divides=False, plane=NO_CALIBRATION, sigma=NO_CALIBRATION)


def operate(
    operations: Sequence[Operation],
    pixels: NDArray[Any],
    *,
    factor: float = 1.0,
    noise: NoiseModel | None = None,
    pedestal: NDArray[Any] = NO_CALIBRATION,
    sigma: NDArray[Any] = NO_CALIBRATION,
    window: Window | None = None,
) -> int:
    """Subtract combined frames from a frame, or divide it by them, in place; return how many pixels are not finite.

    Parameters
    ----------
    operations : sequence of Operation
        In their order. Those of a bias, a dark and a flat take one pass over the frame, in float64; where there are
        more, pixels are rounded to their own type between the passes.
    pixels : ndarray of float, shape (ny, nx)
        The frame.
    factor : float
        What the result is multiplied by.
    noise : NoiseModel, optional
        What the noise of the frame is made of; its shares are not looked at. Without it no deviations are made.
    pedestal : ndarray of float, shape (ny, nx) or (0, 0)
        What light is counted from in each pixel; of shape (0, 0) where ``noise.level`` is.
    sigma : ndarray of float, shape (ny, nx) or (0, 0)
        Filled with standard deviations, where there is noise.
    window : Window, optional
        The pixels that are worked on, such as those that one amplifier read; None: all.
    """
    passes, not_finite = _passes(operations), 0
    known = NO_CALIBRATION
    for number, some in enumerate(passes, start=1):
        minus = [each for each in some if not each.divides]
        one, two, *_ = *minus, _NOTHING, _NOTHING
        over = next((each for each in some if each.divides), _NOTHING)
        factors = Factors(bias=one.factor, dark=two.factor, result=factor if number == len(passes) else 1.0)
        model, sigmas = NO_NOISE, (NO_CALIBRATION, NO_CALIBRATION, NO_CALIBRATION)
        if noise is not None:
            model = noise if number == 1 else NO_NOISE
            model = model._replace(bias_share=one.share, dark_share=two.share, flat_share=over.share)
            model = model._replace(bias_in_flat=one.share_in_flat, dark_in_flat=two.share_in_flat)
            sigmas = one.sigma, two.sigma, over.sigma
        planes = one.plane, two.plane, over.plane
        not_finite = calibrate_image(pixels, known, planes, sigmas, pedestal, factors, model, pixels, sigma, window)
        known, pedestal = sigma, NO_CALIBRATION  # from the second pass on, the noise of the frame is known
    return not_finite


def _passes(operations: Sequence[Operation]) -> list[list[Operation]]:
    """Put together what one pass does: two frames are subtracted at most, then it is divided by one."""
    passes: list[list[Operation]] = [[]]
    for each in operations:
        last = passes[-1]
        divided = any(one.divides for one in last)
        if divided or (not each.divides and len(last) == 2):
            passes.append([])
        passes[-1].append(each)
    return passes


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
    not_finite = 0
    for each in with_.electronics:
        not_finite += operate(
            with_.operations,
            pixels,
            factor=each.to_electrons if in_electrons and each.to_electrons is not None else 1.0,
            noise=each.noise,
            pedestal=with_.pedestal,
            sigma=sigma,
            window=each.window,
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
        if steps.gain_e_per_adu not in (None, with_.gain_e_per_adu):
            header["GAINSAID"] = (steps.gain_e_per_adu, "e-/ADU, as stated; the flats contradict it")
        header["RNOISADU"] = (with_.read_noise_adu, "ADU, noise of one pixel without light")


def _mean_gain(with_: Calibrations) -> float:
    """Return what the frame is multiplied by; of several amplifiers the mean."""
    factors = [each.to_electrons for each in with_.electronics if each.to_electrons is not None]
    return sum(factors) / len(factors)


def record_steps(frame: CalibratedFrame, header: HeaderDraft) -> None:
    """Say in a header what is done, in IRAF's words where it has some."""
    for use in frame.steps.uses:
        row = calibration_kind(use.kind)
        scaled = "" if use.scale is None else f" x {use.scale:.6g}"
        header[row.card] = (f"{use.name}{scaled}", row.done)


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
