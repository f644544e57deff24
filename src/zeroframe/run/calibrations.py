"""Calibrations of a frame: combined frames, masks, gain and noise, collected from where they are."""

from __future__ import annotations

from dataclasses import replace
from math import pi, sqrt
from typing import TYPE_CHECKING, Any

from zeroframe.errors import FrameError
from zeroframe.frames.bad_pixels import noisy_pixels
from zeroframe.frames.calibration_frames import (
    BLIND_CARD,
    FLAT_LEVEL_CARD,
    NO_CALIBRATION,
    WHOLE_CARD,
    share_card,
    share_in_flat,
    with_errors,
)
from zeroframe.frames.dark_scale import fit_dark_scale
from zeroframe.frames.mask_bits import MaskBit, bits_where
from zeroframe.frames.numbers import mean_of_known, number
from zeroframe.frames.overscan import collapse_axis
from zeroframe.frames.own_masks import read_own_mask
from zeroframe.frames.statistics import sampled_level
from zeroframe.frames.steps import Calibrations, Electronics
from zeroframe.headers.kinds import Kind, calibration_kind
from zeroframe.inspection.gain import contradicts
from zeroframe.kernels.calibrate import NO_NOISE, NoiseModel, Window
from zeroframe.planning.uses import gain_group, noise_group, pedestal_group
from zeroframe.records import dataclass

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from zeroframe.frames.dark_scale import DarkScale
    from zeroframe.frames.own_masks import OwnMask
    from zeroframe.frames.regions import Region
    from zeroframe.frames.steps import CalibrationFrame, FrameRecipe, Use
    from zeroframe.kernels.operations import Operation
    from zeroframe.planning.plan import Group, NightFrame, NightPlan
    from zeroframe.run.cache import CalibrationCache

__all__ = ["CalibrationStore", "noise_as_stated"]


#: By this fraction a stated noise may differ from the one that is measured without being spoken of.
_NOISE_DIFFERS = 0.2
#: So many frames at most are subtracted in one pass, which takes from the errors of the second what the first has.
_IN_ONE_PASS = 2


@dataclass(frozen=True, slots=True)
class _Figures:
    """Gain and noise of one amplifier, and its pixels in the assembled image; None of them: all."""

    gain_e_per_adu: float | None
    read_noise_adu: float | None
    window: Window | None = None

    @property
    def read_noise_e(self) -> float | None:
        """In electrons; None where one of the two is not known."""
        if self.gain_e_per_adu is None or self.read_noise_adu is None:
            return None
        return self.gain_e_per_adu * self.read_noise_adu


class CalibrationStore:
    """Calibrations of the frames of a night, each put together when it is asked for.

    Parameters
    ----------
    plan : NightPlan
        The night.
    cache : CalibrationCache
        Combined frames and masks.
    keys : mapping of str to str
        Keys of those that are there, by name; it may grow.
    """

    def __init__(self, plan: NightPlan, cache: CalibrationCache, keys: Mapping[str, str]) -> None:
        self._plan, self._cache, self._keys = plan, cache, keys
        self._noisy_masks: dict[tuple[str, FrameRecipe], NDArray[np.uint8] | None] = {}
        self._own_masks: dict[tuple[OwnMask, tuple[int, ...], FrameRecipe], NDArray[np.uint8]] = {}

    def fitting(self, frame: NightFrame, name: str) -> CalibrationFrame:
        """Return a combined frame or mask of the size of the frame; raises `FrameError` where it has another."""
        return _of_size(frame, name, self._cache.get(name))

    def collect(self, frame: NightFrame) -> Calibrations:
        """Return everything that a science frame is calibrated with.

        Raises
        ------
        FrameError
            When something cannot be read, or has another size.
        """
        steps = frame.steps
        planes = [self._plane(frame, use) for use in steps.uses]
        divisors = [plane for use, plane in zip(steps.uses, planes, strict=True) if use.divides]
        masks = [self.fitting(frame, name).data for name in steps.masks]
        masks += [bits_where(plane.mask, MaskBit.BAD) for plane in divisors if plane.mask is not None]
        masks += self._noisy(frame, planes)
        masks += [] if steps.own_mask is None else [self._own_mask(frame, steps.own_mask)]
        figures, remarks = self._amplifier_figures(frame) if frame.recipe.assembles else self._figures(frame)
        known = all(each.gain_e_per_adu is not None and each.read_noise_adu is not None for each in figures)
        pedestal = NO_CALIBRATION
        noises: list[NoiseModel | None] = [None] * len(figures)
        if steps.uncertainty and known:
            found = self._pedestal(frame, planes)
            if found is None:
                remarks.append("the level of the bias is not known, and so not the photon noise: no uncertainty")
            else:
                pedestal, noises = found, [self._noise(frame, each, planes) for each in figures]
        if None in noises and steps.uncertainty and steps.cosmic_rays in {"lacosmic", "exposures"}:
            remarks.append("cosmic rays are found by the scatter of the pixels")
        factors = _to_electrons(figures, divisors)
        electronics = tuple(
            Electronics(each.window, factor, noise, each.read_noise_e)
            for each, factor, noise in zip(figures, factors, noises, strict=True)
        )
        gain, read = (
            mean_of_known([getattr(each, name) for each in figures]) for name in ("gain_e_per_adu", "read_noise_adu")
        )
        done = tuple(self._operation(frame, use, plane) for use, plane in zip(steps.uses, planes, strict=True))
        done = tuple(self._with_whole_errors(frame, number, each, planes) for number, each in enumerate(done))
        unlit = max((plane.dim_pixels for plane in divisors), default=0)
        blind = tuple(dict.fromkeys(name for each in divisors for name in str(each.cards.get(BLIND_CARD, "")).split()))
        if blind:
            flats = " and ".join(use.name for use in steps.uses if use.divides)
            unlit += sum(_pixels_of(region, frame) for region in frame.recipe.regions if region.name in blind)
            remarks.append(f"no light in amplifier {', '.join(blind)} of {flats}: its pixels are masked")
        error, dark = self._level_error(frame, planes), self._dark(frame, planes)
        return Calibrations(
            done, tuple(masks), pedestal, gain, read, electronics, tuple(remarks), unlit, blind, error, *dark
        )

    def _dark(self, frame: NightFrame, planes: Sequence[CalibrationFrame]) -> tuple[int, float]:
        """Return how many frames the dark of a frame was combined of, and the level of it that is subtracted."""
        for use, plane in zip(frame.steps.uses, planes, strict=True):
            if use.kind is Kind.DARK:
                frames = int(plane.cards.get("NCOMBINE", 0))
                if self._plan.group(use.name).includes_bias:
                    return frames, float("nan")
                return frames, sampled_level(plane.data) * (1.0 if use.scale is None else use.scale)
        return 0, float("nan")

    def _level_error(self, frame: NightFrame, planes: Sequence[CalibrationFrame]) -> float:
        """Return the error of the level of a frame: that of its own, and of what is subtracted.

        Its own level scatters as those of the frames do that the first of them was made of, which is a bias, or a dark
        that holds it. A bias that is in a dark, too, counts by what is left of it.
        """
        variance = 0.0
        for use, plane in zip(frame.steps.uses, planes, strict=True):
            of_mean = plane.own_level_error
            if use.divides or not of_mean > 0:
                continue
            if not variance:
                variance = of_mean**2 * plane.cards.get("NCOMBINE", 1)
            share = (1.0 if use.scale is None else use.scale) - self._share_within(frame, use)
            variance += (share * of_mean) ** 2
        return sqrt(variance)

    def fitted_dark(
        self, frame: NightFrame, pixels: NDArray[Any], mask: NDArray[Any]
    ) -> tuple[NightFrame, DarkScale | None, tuple[str, ...]]:
        """Return the frame with the scale of its dark fitted to its hot pixels, what was found, and what is to be said.

        Parameters
        ----------
        frame : NightFrame
            Whose steps ask for it.
        pixels, mask : ndarray
            Less its overscan, trimmed; and what of it is not believed.
        """
        use = frame.steps.of(Kind.DARK)
        if use is None:
            return frame, None, ()
        if self._plan.group(use.name).includes_bias:
            return frame, None, ("the dark holds its bias, so its scale is not fitted",)
        biases = [self.fitting(frame, other.name).data for other in frame.steps.uses if other.kind is Kind.BIAS]
        found = fit_dark_scale(
            pixels,
            self.fitting(frame, use.name).data,
            mask,
            bias=biases[0] if biases else NO_CALIBRATION,
            gain_e_per_adu=frame.steps.gain_e_per_adu,
            spacing=1 if frame.steps.colours is None else 2,
        )
        if found.doubt:
            by = "1" if use.scale is None else f"{number(use.scale, 4)}"
            own_c, dark_c = frame.traits.temperature_c, self._plan.group(use.name).traits.temperature_c
            warmer = (
                own_c is not None
                and dark_c is not None
                and not self._plan.recipe.tolerances.same_temperature(own_c, dark_c)
            )
            though = f", though it was taken at {dark_c:.1f} C, not {own_c:.1f} C" if warmer else ""
            return frame, None, (f"{found.doubt}: the dark is scaled by the exposures, {by}, not by a fit{though}",)
        uses = tuple(replace(each, scale=found.scale) if each is use else each for each in frame.steps.uses)
        return replace(frame, steps=replace(frame.steps, uses=uses)), found, ()

    def _noisy(self, frame: NightFrame, planes: Sequence[CalibrationFrame]) -> list[NDArray[np.uint8]]:
        """Return a mask of the pixels that scatter far more than others in the biases; of each bias it is made once."""
        found = []
        for use, plane in zip(frame.steps.uses, planes, strict=True):
            if not calibration_kind(use.kind).is_zero or plane.sigma.shape != plane.data.shape:
                continue
            key = use.name, frame.recipe
            if key not in self._noisy_masks:
                frames, regions = int(plane.cards.get("NCOMBINE", 1)), frame.recipe.regions
                parts = [region.place_yx(frame.layout.shape_yx) for region in regions] if frame.recipe.assembles else []
                mask = bits_where(noisy_pixels(plane.sigma, frames), MaskBit.BAD)
                for part in parts:  # each amplifier has a noise of its own
                    mask[part] = bits_where(noisy_pixels(plane.sigma[part], frames), MaskBit.BAD)
                self._noisy_masks[key] = mask if mask.any() else None
            noisy = self._noisy_masks[key]
            found += [] if noisy is None else [noisy]
        return found

    def _own_mask(self, frame: NightFrame, found: OwnMask) -> NDArray[np.uint8]:
        """Return the user's mask for frames of this size and recipe; each is read once."""
        key = (found, frame.layout.shape_yx, frame.recipe)
        if key not in self._own_masks:
            self._own_masks[key] = read_own_mask(*key)
        return self._own_masks[key]

    def operations(self, frame: NightFrame) -> tuple[Operation, ...]:
        """Return what is done to a frame that will be combined, which gets no uncertainty; raises as `collect`."""
        return tuple(self._operation(frame, use, self._plane(frame, use)) for use in frame.steps.uses)

    def _plane(self, frame: NightFrame, use: Use) -> CalibrationFrame:
        """Return a combined frame, made ready for a division where it is to be one."""
        if use.divides:
            return _of_size(frame, use.name, self._cache.flat(use.name, use.min_value))
        return self.fitting(frame, use.name)

    def _operation(self, frame: NightFrame, use: Use, plane: CalibrationFrame) -> Operation:
        """Return what is done with a combined frame, and the share that its error has in the result."""
        scale = 1.0 if use.scale is None else use.scale
        done = calibration_kind(use.kind).apply(plane.data, plane.sigma, scale)
        in_flat = 0.0 if use.divides else self._share_in_flat(frame, use) * plane.sigma_factor
        return done._replace(
            share=(done.share - self._share_within(frame, use)) * plane.sigma_factor, share_in_flat=in_flat
        )

    def _share_in_flat(self, frame: NightFrame, use: Use) -> float:
        """Return how much of a frame that is subtracted was subtracted from the flat, too, over the flat's level."""
        flat = next((other for other in frame.steps.uses if other.divides), None)
        if flat is None:
            return 0.0
        group = self._plan.group(flat.name)
        within = [
            other
            for other in group.frame_uses[0]
            if other.name != use.name and not other.divides and self._is_within(use, other)
        ]
        level = self._cache.number(flat.name, FLAT_LEVEL_CARD)
        shares = [self._mean_scale(group, each) for each in within]
        return share_in_flat(level, self._mean_scale(group, use), shares)

    def _mean_scale(self, flat: Group, use: Use) -> float:
        """Return what a combined frame was multiplied by when it was subtracted from those of a flat, in the mean."""
        known = [next((one for one in uses if one.kind == use.kind), None) for uses in flat.frame_uses]
        scales = [
            0.0 if one is None or one.name != use.name else 1.0 if one.scale is None else one.scale for one in known
        ]
        said = self._cache.number(flat.name, share_card(calibration_kind(use.kind).card)) if 0.0 not in scales else None
        return sum(scales) / len(scales) if said is None else said

    def _share_within(self, frame: NightFrame, use: Use) -> float:
        """Return how much of a combined frame other combined frames take away again that are subtracted.

        Where a bias was subtracted from the frame and from its dark, it is one frame, and its error drops out if the
        dark is not scaled.
        """
        if use.divides:
            return 0.0
        shares = [
            1.0 if other.scale is None else other.scale
            for other in frame.steps.uses
            if other.name != use.name and not other.divides and self._is_within(use, other)
        ]
        return sum(shares)

    def _with_whole_errors(
        self, frame: NightFrame, number: int, done: Operation, planes: Sequence[CalibrationFrame]
    ) -> Operation:
        """Say which errors are in those of a combined frame that are others', and counted for themselves."""
        use, plane = frame.steps.uses[number], planes[number]
        if use.divides:
            return done._replace(is_whole=WHOLE_CARD in plane.cards)
        held = [
            (planes[place].sigma, planes[place].sigma_factor)
            for place, before in enumerate(frame.steps.uses[:number])
            if not before.divides
            and planes[place].sigma.size
            and plane.holds_error_of(calibration_kind(before.kind).card)
            and self._is_within(before, use)
        ]
        if number < _IN_ONE_PASS or not done.sigma.size:
            return done._replace(holds_before=held[0][1] if held else 0.0)
        return done._replace(sigma=with_errors(done.sigma, [(sigma, -(factor**2)) for sigma, factor in held]))

    def _is_within(self, use: Use, other: Use) -> bool:
        """Whether a combined frame was subtracted from all frames of another one."""
        return all(
            any((known.name, known.scale) == (use.name, use.scale) for known in uses if known.kind == use.kind)
            for uses in self._plan.group(other.name).uses
        )

    def _amplifier_figures(self, frame: NightFrame) -> tuple[list[_Figures], list[str]]:
        """Gain and noise of each of several amplifiers, as they were stated; and what is lost.

        What is measured on combined frames is one figure for all of them, which is true of none.
        """
        steps, shape_yx = frame.steps, frame.layout.shape_yx
        figures, lacking = [], []
        for region in frame.recipe.regions:
            gain, read = region.gain_e_per_adu, None
            if gain is not None and region.read_noise_e is not None:
                read = _with_level_noise(region.read_noise_e / gain, region, shape_yx)
            wanted = {"gain": gain} | ({"read noise": region.read_noise_e} if steps.uncertainty else {})
            lacking += [f"the {what} of amplifier {region.name}" for what, value in wanted.items() if value is None]
            rows, columns = region.place_yx(shape_yx)
            figures.append(_Figures(gain, read, Window(rows.start, rows.stop, columns.start, columns.stop)))
        if not (steps.uncertainty or steps.to_electrons):
            return figures, []
        if lacking:
            lost = "no uncertainty" if steps.uncertainty else "left in ADU where the gain is missing"
            are, them = ("are", "them") if len(lacking) > 1 else ("is", "it")
            return figures, [f"{' and '.join(lacking)} {are} not known: {lost}; give {them} in the camera file"]
        noises = [each.read_noise_adu for each in figures if each.read_noise_adu is not None]
        measured = self._measured_on(noise_group(self._plan, frame), "NOISEADU")
        off = 1.0 + _NOISE_DIFFERS
        if measured is None or min(noises) / off <= measured <= max(noises) * off:
            return figures, []
        between = f"a noise of {number(min(noises), 3)} to {number(max(noises), 3)} ADU, which is used"
        whose = self._who_tells_noise(frame)
        return figures, [f"the camera file says {between}; the {whose} of this night have {number(measured, 3)} ADU"]

    def _who_tells_noise(self, frame: NightFrame) -> str:
        """Return the frames that the noise of a pixel was measured on: biases, or darks where there are none."""
        group = noise_group(self._plan, frame)
        return "biases" if group is None else calibration_kind(group.kind).words.plural

    def _figures(self, frame: NightFrame) -> tuple[list[_Figures], list[str]]:
        """Gain and noise, as they were stated, else as they were measured on combined frames; and what is lost."""
        steps = frame.steps
        if not (steps.uncertainty or steps.to_electrons):
            return [_Figures(None, None)], []
        gain, contradiction = self._gain(frame)
        read, remarks = self._read_noise(frame, gain)
        remarks = [*contradiction, *remarks]
        lacking = [what for what, value in (("gain", gain), ("read noise", read)) if value is None]
        if lacking and steps.uncertainty:
            are = "are" if len(lacking) > 1 else "is"
            said = f"{' and '.join(lacking)} {are} not known and could not be measured"
            remarks.append(f"{said}: no uncertainty; give it in the recipe")
        if gain is None and steps.to_electrons:
            remarks.append("the gain is not known: left in ADU")
        return [_Figures(gain, read)], remarks

    def _gain(self, frame: NightFrame) -> tuple[float | None, list[str]]:
        """Return the gain that is stated, unless the flats contradict it beyond their error; in e-/ADU."""
        stated = frame.steps.gain_e_per_adu
        group = gain_group(self._plan, frame)
        measured, error = (self._measured_on(group, word) for word in ("GAINMEAS", "GAINERR"))
        if stated is None or measured is None or error is None or not contradicts(stated, measured, error):
            return measured if stated is None else stated, []
        who = "header or camera say"
        if frame.traits.unit == "electron":
            who = "headers say that the frames are in electrons,"
        said = f"{who} a gain of {number(stated, 4)} e-/ADU, the flats of this night have "
        said += f"{number(measured, 4)} ± {number(error, 2)} e-/ADU"
        # what flats of one level have is too high where the response bends
        if not contradicts(stated, measured, error, self._measured_on(group, "GAINHIGH") or 0.0):
            return stated, [f"{said}; those are of one level, where a response that bends does this, so it is not used"]
        return measured, [f"{said}, which is used"]

    def _read_noise(self, frame: NightFrame, gain: float | None) -> tuple[float | None, list[str]]:
        """Return the noise that was asked for, else that of the pixels, else that of header or camera; in ADU."""
        stated = noise_as_stated(frame, gain)
        measured = self._measured_on(noise_group(self._plan, frame), "NOISEADU")
        if measured is None or self._plan.recipe.frames.read_noise_e is not None:
            return stated, []
        if stated is None or abs(stated - measured) <= _NOISE_DIFFERS * measured:
            return measured, []
        whose = self._who_tells_noise(frame)
        said = f"header or camera say a noise of {number(stated, 3)} ADU, the {whose} of this night have "
        return measured, [f"{said}{number(measured, 3)} ADU, which is used"]

    def _measured_on(self, group: Group | None, word: str) -> float | None:
        if group is None or group.name not in self._keys:
            return None
        return self._cache.number(group.name, word)

    def _pedestal(self, frame: NightFrame, planes: Sequence[CalibrationFrame]) -> NDArray[Any] | None:
        """Return what light is counted from in each pixel, empty for one level; None where it is not known."""
        for use, plane in zip(frame.steps.uses, planes, strict=True):
            if calibration_kind(use.kind).is_zero:
                return plane.data
        group = pedestal_group(self._plan, frame)
        if group is not None and group.name in self._keys:
            return self.fitting(frame, group.name).data
        subtracted = any(not use.divides for use in frame.steps.uses)
        return NO_CALIBRATION if frame.recipe.subtracts_overscan or subtracted else None

    def _noise(self, frame: NightFrame, figures: _Figures, planes: Sequence[CalibrationFrame]) -> NoiseModel | None:
        """Return what the noise of what one amplifier read is made of, combined frames aside; None where not known."""
        gain, read = figures.gain_e_per_adu, figures.read_noise_adu
        if gain is None or read is None:
            return None
        level, variance = 0.0, read**2
        used = [(use, plane) for use, plane in zip(frame.steps.uses, planes, strict=True) if not use.divides]
        if not frame.recipe.subtracts_overscan and used and not calibration_kind(used[0][0].kind).is_zero:
            # the dark holds the bias: what it has more in single pixels is current
            level = sampled_level(_seen(figures.window, used[0][1].data))
        else:
            variance -= self._current_in_noise(frame, planes) / gain
        noise = NO_NOISE._replace(read_variance=max(variance, 0.0), per_gain=1.0 / gain, level=level)
        return noise._replace(from_surroundings=True)

    def _current_in_noise(self, frame: NightFrame, planes: Sequence[CalibrationFrame]) -> float:
        """Return the current, in ADU, of a frame's own dark whose noise stands for that of reading; else 0.

        It counts as light, too, where light is counted from the bias or the overscan, and shall count once.
        """
        group = noise_group(self._plan, frame)
        if group is None or frame.recipe.assembles or self._plan.recipe.frames.read_noise_e is not None:
            return 0.0
        if not calibration_kind(group.kind).by_exposure or self._measured_on(group, "NOISEADU") is None:
            return 0.0
        own = [plane for use, plane in zip(frame.steps.uses, planes, strict=True) if use.name == group.name]
        return max(sampled_level(own[0].data), 0.0) if own else 0.0


def _of_size(frame: NightFrame, name: str, plane: CalibrationFrame) -> CalibrationFrame:
    if plane.data.shape != frame.shape_yx:
        sizes = [" x ".join(str(n) for n in reversed(shape)) for shape in (frame.shape_yx, plane.data.shape)]
        reason = f"is {sizes[0]} pixels when it is trimmed, and {name} {sizes[1]}"
        raise FrameError(frame.source, reason, "trim all frames to the same section")
    return plane


def noise_as_stated(frame: NightFrame, gain_e_per_adu: float | None) -> float | None:
    """Return the noise of a pixel without light, in ADU, by the stated read noise; None where none is stated.

    Parameters
    ----------
    frame : NightFrame
        Where its overscan is subtracted row by row, the noise of that level counts, too: sigma over the root of the
        number of its pixels, and for a median sqrt(pi / 2) times that. An automatic level is averaged along the strip
        wherever rows have no structure of their own, and adds next to nothing then.
    gain_e_per_adu : float or None
        Brings electrons to ADU.
    """
    if frame.steps.read_noise_e is None or gain_e_per_adu is None:
        return None
    return _with_level_noise(frame.steps.read_noise_e / gain_e_per_adu, frame.recipe.regions[0], frame.layout.shape_yx)


def _with_level_noise(read_adu: float, region: Region, shape_yx: tuple[int, ...]) -> float:
    """Return the noise of a pixel less its overscan's level, by that of a pixel as it was read."""
    variance = 1.0
    ny, nx = shape_yx
    for spec in region.overscans:
        if spec.fit is None and spec.method not in {"auto", "constant"}:
            across = spec.section.shape_yx((ny, nx))[collapse_axis(spec, (ny, nx))]
            variance += (pi / 2.0 if spec.method == "median" else 1.0) / across
    return read_adu * sqrt(variance)


def _seen(window: Window | None, plane: NDArray[Any]) -> NDArray[Any]:
    """Return the pixels of a plane that an amplifier read."""
    return plane if window is None else plane[window.y0 : window.y1, window.x0 : window.x1]


def _pixels_of(region: Region, frame: NightFrame) -> int:
    part = region.part(frame.layout.shape_yx)
    return part.ny * part.nx


def _to_electrons(figures: Sequence[_Figures], flats: Sequence[CalibrationFrame]) -> list[float | None]:
    """Return what the frame, less its bias and dark and over its flat, is multiplied by to be in electrons.

    Of a flat that saw the same light everywhere, each amplifier has the level 1 / gain; over it, all have one scale,
    and one ADU of that is the mean of the gains, weighted by those levels.
    """
    gains = [each.gain_e_per_adu for each in figures]
    if not flats or len(figures) == 1 or None in gains:
        return gains
    seen = [_seen(each.window, flats[0].data) for each in figures]
    light = [sampled_level(pixels) * pixels.size for pixels in seen]
    # an amplifier that was not read has no level, and one that is blind no light
    seeing = [(level, gain) for level, gain in zip(light, gains, strict=True) if gain is not None and level > 0]
    common = sum(level * gain for level, gain in seeing) / sum(level for level, _ in seeing)
    return [common] * len(figures)
