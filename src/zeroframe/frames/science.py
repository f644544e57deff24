"""A science frame in memory: bias, dark, flat and gain taken out, its noise worked out, its pixels masked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from zeroframe.fits.timeline import spanned
from zeroframe.frames.calibration_frames import NO_CALIBRATION
from zeroframe.frames.colours import each_colour, halved, phases_of
from zeroframe.frames.mask_bits import MaskBit
from zeroframe.headers.dialects import number_words
from zeroframe.headers.kinds import calibration_kind
from zeroframe.kernels.calibrate import NO_NOISE, Factors, Window, calibrate_image
from zeroframe.kernels.masks import add_found, mask_high, mask_high_swapped16
from zeroframe.kernels.mending import mend_pixels
from zeroframe.kernels.operations import Operation

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from zeroframe.fits import HeaderDraft, RawImage
    from zeroframe.frames.raw_look import RawLook
    from zeroframe.frames.saturation import Saturation
    from zeroframe.frames.steps import CalibratedFrame, Calibrations, FrameRecipe
    from zeroframe.headers.colours import ColourPattern
    from zeroframe.kernels.calibrate import NoiseModel
    from zeroframe.kernels.raw import Part

__all__ = ["mask_raw", "masks_nothing", "operate", "record_steps", "reduce_frame"]

#: What is replaced where that is asked for: of what is full, or was never read, neighbours know too little.
_MENDED = int(MaskBit.BAD | MaskBit.HOT | MaskBit.COSMIC)
#: By at least so many good neighbours, no further away than this.
_FEWEST, _REACH = 5, 4


#: In the place of a frame that is not there.
_NOTHING = Operation(divides=False, plane=NO_CALIBRATION, sigma=NO_CALIBRATION)


@spanned("calibrate")
def operate(
    operations: Sequence[Operation],
    pixels: NDArray[Any],
    *,
    factor: float = 1.0,
    noise: NoiseModel | None = None,
    pedestal: NDArray[Any] = NO_CALIBRATION,
    sigma: NDArray[Any] = NO_CALIBRATION,
    window: Window | None = None,
    colours: ColourPattern | None = None,
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
    colours : ColourPattern, optional
        Of the frame: where the light of a pixel is that of its surroundings, those are of its own colour.
    """
    if colours is not None and noise is not None and noise.from_surroundings:
        return _operate_by_colour(operations, pixels, factor, noise, pedestal, sigma, window, colours)
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
            model = model._replace(bias_in_dark=two.holds_before, flat_is_whole=over.is_whole)
            sigmas = one.sigma, two.sigma, over.sigma
        planes = one.plane, two.plane, over.plane
        not_finite = calibrate_image(pixels, known, planes, sigmas, pedestal, factors, model, pixels, sigma, window)
        known, pedestal = sigma, NO_CALIBRATION  # from the second pass on, the noise of the frame is known
    return not_finite


def _operate_by_colour(
    operations: Sequence[Operation],
    pixels: NDArray[Any],
    factor: float,
    noise: NoiseModel,
    pedestal: NDArray[Any],
    sigma: NDArray[Any],
    window: Window | None,
    colours: ColourPattern,
) -> int:
    """Do it plane by plane, as of four frames."""
    not_finite = 0
    planes = [image for each in operations for image in (each.plane, each.sigma)]
    phases = iter(phases_of(pixels.shape))
    for own, own_sigma, own_pedestal, *others in each_colour(colours, (pixels, sigma), (pedestal, *planes)):
        some = [
            each._replace(plane=plane, sigma=of_plane)
            for each, plane, of_plane in zip(operations, others[::2], others[1::2], strict=True)
        ]
        phase = next(phases)
        not_finite += operate(
            some,
            own,
            factor=factor,
            noise=noise,
            pedestal=own_pedestal,
            sigma=own_sigma,
            window=None if window is None else Window(*halved(window[:2], phase[0]), *halved(window[2:], phase[1])),
        )
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


@spanned("dark, flat, noise and mask")
def reduce_frame(
    frame: CalibratedFrame,
    with_: Calibrations,
    pixels: NDArray[Any],
    mask: NDArray[np.uint8],
    sigma: NDArray[Any],
    header: HeaderDraft,
    empty: Callable[..., NDArray[Any]] = np.empty,
    others: Sequence[NDArray[Any]] = (),
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
    mask : ndarray of uint8, shape (ny, nx)
        Bits of `MaskBit`: what is saturated; what else is masked is added, in place.
    sigma : ndarray of float, shape (ny, nx) or (0, 0)
        Filled with standard deviations, where ``with_`` tells the noise.
    header : HeaderDraft
        Told what was done, in place.
    empty : callable, optional
        Makes memory for a mask, as `numpy.empty` does.
    others : sequence of ndarray of float, shape (ny, nx), optional
        Other exposures of the field, overscan subtracted and trimmed, by which cosmic rays are judged.
    """
    steps = frame.steps
    in_electrons = steps.to_electrons and all(each.to_electrons is not None for each in with_.electronics)
    factors = _factors(with_, in_electrons=in_electrons)
    _say_scale(header, with_, factors, in_electrons=in_electrons)
    not_finite = 0
    for each, factor in zip(with_.electronics, factors, strict=True):
        not_finite += operate(
            with_.operations,
            pixels,
            factor=factor,
            noise=each.noise,
            pedestal=with_.pedestal,
            sigma=sigma,
            window=each.window,
            colours=steps.colours,
        )
    for more in with_.masks:
        mask |= more
    if not_finite:
        mask[~np.isfinite(pixels)] |= np.uint8(MaskBit.NODATA)
    header["NNOTFIN"] = (not_finite, "pixels without a value")
    if steps.cosmic_rays != "none":
        from zeroframe.frames.cosmic_rays import mask_median
        from zeroframe.frames.mosaic_stars import mask_in_colours

        how = steps.cosmic_rays if sigma.size else f"{steps.cosmic_rays} and scatter"
        found = np.not_equal(mask, 0, out=empty(mask.shape, np.bool_))
        if steps.cosmic_rays == "median":
            planes = each_colour(steps.colours, (found,), (pixels, sigma))
            cosmic = sum(mask_median(plane, own_sigma, own) for own, plane, own_sigma in planes)
        else:
            cosmic = mask_in_colours(steps.colours, pixels, sigma, mask, found, others=others)
        header["NCOSMIC"] = (cosmic, f"pixels of cosmic rays, by {how}")
        masked = add_found(found, int(MaskBit.COSMIC), mask)
    else:
        masked = int(np.count_nonzero(mask))
    header["NMASKED"] = (masked, "masked pixels")
    if steps.interpolate:
        mended = sum(
            int(mend_pixels(own, own_sigma, own_mask, _MENDED, int(MaskBit.INTERPOLATED), _REACH, 1, _FEWEST))
            for own, own_sigma, own_mask in each_colour(steps.colours, (pixels, sigma, mask))
        )
        header["NINTERP"] = (mended, "of them replaced by their neighbours")
    if with_.makes_noise:
        header["GAINUSED"] = (with_.gain_e_per_adu, "e-/ADU, of the photon noise")
        if steps.gain_e_per_adu not in (None, with_.gain_e_per_adu):
            header["GAINSAID"] = (steps.gain_e_per_adu, "e-/ADU, as stated; the flats contradict it")
        header["RNOISADU"] = (with_.read_noise_adu, "ADU, noise of one pixel without light")


def _factors(with_: Calibrations, *, in_electrons: bool) -> list[float]:
    """Return what the pixels of each amplifier are multiplied by: in electrons, or in ADU of one common gain.

    Over a flat they have one scale already. Of one amplifier, or where a gain is not known, ADU stay what they are.
    """
    gains = [each.to_electrons for each in with_.electronics]
    known = [gain for gain in gains if gain is not None]
    if len(known) < len(gains):
        return [1.0] * len(gains)
    if in_electrons:
        return known
    flat = any(each.divides for each in with_.operations)
    return [1.0] * len(gains) if flat or len(gains) == 1 else [gain / _mean_gain(with_) for gain in known]


def _say_scale(header: HeaderDraft, with_: Calibrations, factors: Sequence[float], *, in_electrons: bool) -> None:
    """Say in a header in which unit the pixels are now, and by which gain; one that it stated is true of raw pixels."""
    if in_electrons:
        header["BUNIT"] = ("electron", "")
        header["GAINCOR"] = (_mean_gain(with_), "e-/ADU, multiplied by")
        _say_gain(header, 1.0, "pixels are in electrons, GAINCOR was multiplied by")
        read_noise_e = with_.electronics[0].read_noise_e
        if len(factors) == 1 and read_noise_e is not None:  # of several, the mean stands there
            for word in _said_by(header, "read_noise") or ["RDNOISE"]:
                header[word] = (read_noise_e, "electrons, of one pixel without light")
    elif any(factor != 1.0 for factor in factors):
        header["GAINREL"] = (_mean_gain(with_), "e-/ADU, of which all amplifiers now are")
        _say_gain(header, _mean_gain(with_), "e-/ADU, of which all amplifiers now are")
    elif len(factors) > 1 and None not in [each.to_electrons for each in with_.electronics]:
        _say_gain(header, _mean_gain(with_), "e-/ADU, of all amplifiers over their flat")


def _say_gain(header: HeaderDraft, gain_e_per_unit: float, comment: str) -> None:
    for word in _said_by(header, "gain") or ["GAIN"]:
        header[word] = (gain_e_per_unit, comment)


def _said_by(header: HeaderDraft, what: str) -> list[str]:
    """Return the cards of a header that say a number."""
    return [word for word in number_words(what) if word in header]


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


def mask_raw(
    raw: RawImage,
    looks: Sequence[RawLook],
    found: Sequence[Saturation],
    recipe: FrameRecipe,
    mask: NDArray[np.uint8],
) -> tuple[int, int]:
    """Mask what is full, not linear or never read in a trimmed frame, in place; return how many are full, and unread.

    Parameters
    ----------
    raw : RawImage
        The frame as it stands in the file.
    looks : sequence of RawLook
        What it shows at first sight, of each amplifier.
    found : sequence of Saturation
        From where on its pixels are full.
    recipe : FrameRecipe
        What is kept, and where it goes.
    mask : ndarray of uint8
        Of the shape of the assembled frame; gets the bits SATURATED, NONLINEAR and NODATA.
    """
    full = unread = 0
    for region, look, saturation in zip(recipe.regions, looks, found, strict=True):
        place = region.place_yx(raw.layout.shape_yx)
        # kernels take arrays in C order
        own = np.zeros(mask[place].shape, np.uint8) if recipe.assembles else mask
        counts = _mask_part(raw, look, saturation, region.part(raw.layout.shape_yx), own)
        full, unread = full + counts[0], unread + counts[1]
        if recipe.assembles:
            mask[place] |= own
    return full, unread


def masks_nothing(looks: Sequence[RawLook], found: Sequence[Saturation]) -> bool:
    """Whether `mask_raw` finds nothing to mask, which is known without a mask."""
    return not any(
        look.unread_rows.any() or look.unread_blocks or _is_reached(look, limits.limit_adu, limits.nonlinear_adu)
        for look, limits in zip(looks, found, strict=True)
    )


def _is_reached(look: RawLook, *limits: float | None) -> bool:
    return any(limit is not None and look.highest >= limit for limit in limits)


def _mask_part(
    raw: RawImage, look: RawLook, saturation: Saturation, part: Part, mask: NDArray[np.uint8]
) -> tuple[int, int]:
    """Do it for what one amplifier read."""
    unread = _mask_unread(look, part.y0, part.x0, mask)
    full = _mask_from(saturation.limit_adu, MaskBit.SATURATED, raw, look, part.y0, part.x0, mask)
    bent = _mask_from(saturation.nonlinear_adu, MaskBit.NONLINEAR, raw, look, part.y0, part.x0, mask)
    if (full or bent or unread) and (part.flip_y or part.flip_x):
        mask[:] = mask[:: -1 if part.flip_y else 1, :: -1 if part.flip_x else 1].copy()
    return full, unread


def _mask_unread(look: RawLook, y0: int, x0: int, mask: NDArray[np.uint8]) -> int:
    """Mask what was never read; return how many pixels that are."""
    ny, nx = mask.shape
    rows = look.unread_rows[y0 : y0 + ny]
    mask[rows] |= np.uint8(MaskBit.NODATA)
    unread: int = np.count_nonzero(rows) * nx
    for row, columns in look.unread_blocks:
        if y0 <= row < y0 + ny:
            part: NDArray[np.uint8] = mask[row - y0, max(columns.start - x0, 0) : max(columns.stop - x0, 0)]
            part |= np.uint8(MaskBit.NODATA)
            unread += int(part.size)
    return unread


def _mask_from(
    limit: float | None, bit: MaskBit, raw: RawImage, look: RawLook, y0: int, x0: int, mask: NDArray[np.uint8]
) -> int:
    """Set a bit from a limit on; return how many pixels that are, which is seldom any."""
    if limit is None or look.highest < limit:
        return 0
    if look.decoded is None:
        words, zero = raw.pixels.view(np.uint16), raw.layout.bzero
        return int(mask_high_swapped16(words, zero, limit, y0, x0, int(bit), mask))
    return int(mask_high(look.decoded, limit, y0, x0, int(bit), mask))
