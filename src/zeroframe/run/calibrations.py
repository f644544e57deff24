"""What a frame of a night is calibrated with: combined frames, masks, gain and noise, gathered from where they are."""

from __future__ import annotations

from math import pi, sqrt
from typing import TYPE_CHECKING, Any

from zeroframe.errors import FrameError
from zeroframe.frames.calibration_frames import NO_CALIBRATION
from zeroframe.frames.overscan import collapse_axis
from zeroframe.frames.statistics import sampled_level
from zeroframe.frames.steps import Calibrations
from zeroframe.kernels.calibrate import NoiseModel
from zeroframe.planning.uses import gain_group, noise_group, pedestal_group

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from zeroframe.frames.steps import CalibrationFrame
    from zeroframe.planning.plan import Group, NightFrame, NightPlan
    from zeroframe.run.cache import CalibrationCache

__all__ = ["CalibrationStore", "stated_noise"]


#: By this fraction a stated noise may differ from the one that is measured without being spoken of.
_NOISE_DIFFERS = 0.2


class CalibrationStore:
    """Hands out what frames are calibrated with.

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

    def fitting(self, frame: NightFrame, name: str) -> CalibrationFrame:
        """Return a combined frame or mask of the size of the frame; raises `FrameError` where it has another."""
        return _of_size(frame, name, self._cache.get(name))

    def gather(self, frame: NightFrame) -> Calibrations:
        """Return everything that a science frame is calibrated with.

        Raises
        ------
        FrameError
            When something cannot be read, or has another size.
        """
        steps = frame.steps
        bias, dark = (None if name is None else self.fitting(frame, name) for name in (steps.bias, steps.dark))
        flat = None
        if steps.flat is not None:
            flat = _of_size(frame, steps.flat, self._cache.flat(steps.flat, steps.flat_min_value))
        masks = [self.fitting(frame, name).data for name in steps.masks]
        masks += [flat.mask] if flat is not None and flat.mask is not None else []
        gain, read, remarks = self._figures(frame)
        pedestal, noise = NO_CALIBRATION, None
        if steps.uncertainty and gain is not None and read is not None:
            found = self._pedestal(frame, bias)
            if found is None:
                remarks.append("the level of the bias is not known, and so not the photon noise: no uncertainty")
            else:
                pedestal, noise = found, self._noise(frame, gain, read, bias, dark, flat)
        if noise is None and steps.uncertainty and steps.cosmic_rays == "lacosmic":
            remarks.append("cosmic rays are found by the scatter of the pixels")
        return Calibrations(bias, dark, flat, tuple(masks), pedestal, gain, read, noise, tuple(remarks))

    def _figures(self, frame: NightFrame) -> tuple[float | None, float | None, list[str]]:
        """Gain and noise, as they were stated, else as they were measured on combined frames; and what is lost."""
        steps = frame.steps
        if not (steps.uncertainty or steps.to_electrons):
            return None, None, []
        gain = steps.gain_e_per_adu
        if gain is None:
            gain = self._measured_on(gain_group(self._plan, frame), "GAINMEAS")
        read, remarks = self._read_noise(frame, gain)
        lacking = [what for what, value in (("gain", gain), ("read noise", read)) if value is None]
        if lacking and steps.uncertainty:
            are = "are" if len(lacking) > 1 else "is"
            said = f"{' and '.join(lacking)} {are} not known and could not be measured"
            remarks.append(f"{said}: no uncertainty; give it in the recipe")
        if gain is None and steps.to_electrons:
            remarks.append("the gain is not known: left in ADU")
        return gain, read, remarks

    def _read_noise(self, frame: NightFrame, gain: float | None) -> tuple[float | None, list[str]]:
        """Return the noise that was asked for, else that of the pixels, else that of header or camera; in ADU."""
        stated = stated_noise(frame, gain)
        measured = self._measured_on(noise_group(self._plan, frame), "NOISEADU")
        if measured is None or self._plan.recipe.frames.read_noise_e is not None:
            return stated, []
        if stated is None or abs(stated - measured) <= _NOISE_DIFFERS * measured:
            return measured, []
        said = f"header or camera say a noise of {stated:.3g} ADU, the biases of this night have {measured:.3g} ADU"
        return measured, [f"{said}, which is used"]

    def _measured_on(self, group: Group | None, word: str) -> float | None:
        if group is None or group.name not in self._keys:
            return None
        return self._cache.number(group.name, word)

    def _pedestal(self, frame: NightFrame, bias: CalibrationFrame | None) -> NDArray[Any] | None:
        """Return what light is counted from in each pixel, empty for one level; None where it is not known."""
        if bias is not None:
            return bias.data
        group = pedestal_group(self._plan, frame)
        if group is not None and group.name in self._keys:
            return self.fitting(frame, group.name).data
        return NO_CALIBRATION if frame.recipe.overscan is not None or frame.steps.dark is not None else None

    def _noise(
        self,
        frame: NightFrame,
        gain: float,
        read: float,
        bias: CalibrationFrame | None,
        dark: CalibrationFrame | None,
        flat: CalibrationFrame | None,
    ) -> NoiseModel:
        """Return what the noise of a frame is made of."""
        scale = 1.0 if frame.steps.dark_scale is None else frame.steps.dark_scale
        left = 1.0 - scale if dark is not None and self._dark_is_less_bias(frame) else 1.0
        shares = [
            share * (1.0 if plane is None else plane.sigma_factor)
            for share, plane in ((left, bias), (scale, dark), (1.0, flat))
        ]
        level = 0.0
        if frame.recipe.overscan is None and bias is None and dark is not None:
            level = sampled_level(dark.data)  # the dark holds the bias: what it has more in single pixels is current
        return NoiseModel(read**2, 1.0 / gain, level, *shares)

    def _dark_is_less_bias(self, frame: NightFrame) -> bool:
        """Whether the bias that is subtracted from a frame was subtracted from its dark, too."""
        if frame.steps.bias is None or frame.steps.dark is None:
            return False
        return all(each.steps.bias == frame.steps.bias for each in self._plan.group(frame.steps.dark).frames)


def _of_size(frame: NightFrame, name: str, plane: CalibrationFrame) -> CalibrationFrame:
    if plane.data.shape != frame.shape_yx:
        sizes = [" x ".join(str(n) for n in reversed(shape)) for shape in (frame.shape_yx, plane.data.shape)]
        reason = f"is {sizes[0]} pixels when it is trimmed, and {name} {sizes[1]}"
        raise FrameError(frame.source, reason, "trim all frames to the same section")
    return plane


def stated_noise(frame: NightFrame, gain_e_per_adu: float | None) -> float | None:
    """Return the noise of a pixel without light, in ADU, by the stated read noise; None where none is stated.

    Parameters
    ----------
    frame : NightFrame
        Where its overscan is subtracted row by row, the noise of that level counts, too: sigma over the root of the
        number of its pixels, and for a median sqrt(pi / 2) times that.
    gain_e_per_adu : float or None
        Brings electrons to ADU.
    """
    if frame.steps.read_noise_e is None or gain_e_per_adu is None:
        return None
    read = frame.steps.read_noise_e / gain_e_per_adu
    spec = frame.recipe.overscan
    if spec is None or spec.fit is not None:
        return read
    ny, nx = frame.layout.shape_yx
    across = spec.section.shape_yx((ny, nx))[collapse_axis(spec, (ny, nx))]
    return read * sqrt(1.0 + (pi / 2.0 if spec.method == "median" else 1.0) / across)
