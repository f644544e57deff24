"""Frames that are called biases and are none: they are named and left out, and the others decide."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from zeroframe.frames.medians import median_of_known, median_of_valid, quantiles_of_valid
from zeroframe.frames.numbers import number
from zeroframe.headers.kinds import Kind
from zeroframe.inspection.profiles import neighbour_variances

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zeroframe.inspection.samples import FrameSample

__all__ = ["without_misnamed"]

#: Light or dark current in a frame adds the noise of its electrons: by so many times it is noisier than a bias, and it
#: stands so many noises above one. Noises of biases of one night agree to 2 % on the pixels that are looked at; a level
#: that drifts adds no noise.
_NOISIER, _HIGHER_NOISES = 1.1, 1.0
#: Of numbers in steps wider than the noise it depends on the level how noisy they are, by a variance of so many steps².
_ROUNDED = 0.25
#: So many columns of a side have a level.
_OUTER = 5
#: Where all between these shares of the middle of a frame has one value, and others spread over so many
#: steps of their numbers, it is no picture. Of finer noise it depends on the level how many values there are.
_PARTS, _FEWEST_STEPS = (0.05, 0.95), 2.0


def without_misnamed(samples: Sequence[FrameSample]) -> tuple[list[FrameSample], list[str]]:
    """Leave out what is called a bias and holds light, dark current, or no picture at all.

    Parameters
    ----------
    samples : sequence of FrameSample
        Of all kinds.

    Returns
    -------
    kept : list of FrameSample
        In the order of ``samples``; a bias among them at least, where there was one.
    sentences : list of str
        Which were left out, and why.

    Notes
    -----
    Frames are held against the one in the middle by noise, of an even number the quieter one of the two: what does not
    belong among biases is noisier than they are.
    """
    biases = [sample for sample in samples if sample.kind is Kind.BIAS]
    why = _constant(biases)
    why |= _lit([sample for sample in biases if id(sample) not in why])
    names = {id(sample): sample.source.name for sample in biases}
    return [one for one in samples if id(one) not in why], [
        f"left out: {names[key]}: {said}" for key, said in why.items()
    ]


def _constant(biases: Sequence[FrameSample]) -> dict[int, str]:
    """Name frames of one value among biases that have noise."""
    ends = {}
    for sample in biases:
        quarter = sample.bands.shape[2] // 4  # what is beside an image that light fills has noise still
        inner = sample.bands[:, :, quarter : -quarter or None]
        values = inner[np.isfinite(inner)].astype(np.float64)
        ends[id(sample)] = quantiles_of_valid(values, _PARTS).tolist() if values.size else [np.nan, np.nan]
    constant = {key: float(low) for key, (low, high) in ends.items() if low == high}
    steps = [_in_steps(ends[id(one)], one.step_adu) for one in biases if id(one) not in constant]
    if not steps or len(constant) > len(steps) or median_of_valid(steps) < _FEWEST_STEPS:
        return {}
    return {
        key: f"nearly all of its pixels are {value:.10g}, those of other biases differ by their noise"
        for key, value in constant.items()
    }


def _in_steps(ends: Sequence[float], step_adu: float) -> float:
    """From the low to the high of a frame in steps of its values; endless where they come in none, as floats do."""
    low, high = ends
    return (high - low) / step_adu if step_adu else np.inf


def _lit(biases: Sequence[FrameSample]) -> dict[int, str]:
    """Name frames that have the noise of electrons, and a level to go with it."""
    if len(biases) < 2:
        return {}
    noises = [float(np.sqrt(median_of_known(neighbour_variances(np.concatenate(one.bands))))) for one in biases]
    levels = np.array([_levels(one) for one in biases])
    order = np.argsort(noises, kind="stable")
    like = order[: (len(biases) + 1) // 2]
    usual = noises[int(like[-1])]
    above = np.max(levels - median_of_valid(levels[like], axis=0), axis=1)
    most = [float(np.sqrt((_NOISIER * usual) ** 2 + _ROUNDED * one.step_adu**2)) for one in biases]
    return {
        id(one): f"it is called a bias, but its image stands {number(higher, 4)} ADU above that of the others, and "
        f"its noise of {number(noise, 3)} ADU is {noise / usual:.2f} times theirs, as with light or dark current"
        for one, noise, limit, higher in zip(biases, noises, most, above.tolist(), strict=True)
        if noise > limit and higher > _HIGHER_NOISES * usual
    }


def _levels(bias: FrameSample) -> tuple[float, ...]:
    """Level of a frame, and by how much it stands above the columns at its sides, which follows no drift."""
    level = float(median_of_known(bias.bands))
    sides = [float(median_of_known(bias.medians[side][:_OUTER])) for side in ("left", "right")]
    return level, *(level - side for side in sides)
