"""Frames of one kind that become a combined frame: judged, brought to one level where they are flats, combined."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from zeroframe.fits import HeaderDraft, scan
from zeroframe.frames.amplifier_table import amplifier_table, mean_levels
from zeroframe.frames.calibration_frames import (
    NO_CALIBRATION,
    WHOLE_CARD,
    share_card,
    with_errors,
)
from zeroframe.frames.colours import PHASES, colour_bands
from zeroframe.frames.numbers import percent
from zeroframe.frames.quality import LOST_PART, Flag, flag_frames
from zeroframe.frames.science import record_steps
from zeroframe.frames.steps import CalibrationFrame
from zeroframe.headers.combined_exposure import combined_conditions, combined_exposure
from zeroframe.headers.kinds import calibration_kind, calibration_kinds, kind_row
from zeroframe.headers.result_cards import LEVEL_ERROR_CARD, OWN_LEVEL_ERROR_CARD
from zeroframe.inspection.gain import gain_from_pairs, gain_rows, like_pairs
from zeroframe.planning.targets import CombineJob
from zeroframe.records import dataclass
from zeroframe.run.checks import read_back
from zeroframe.run.combine_files import Finished, Origin, Resources, combine_job, stack_of
from zeroframe.run.combined_outcome import CombinedOutcome
from zeroframe.run.flat_levels import all_lit_levels, normalise
from zeroframe.run.frame import FIGURES
from zeroframe.run.keys import KEY_CARD, group_key
from zeroframe.run.outcomes import GroupOutcome, NightOutcome
from zeroframe.run.result_files import stamp_of_result
from zeroframe.stacks.noise import SampledStack, StackNoise, frame_noise, read_bands
from zeroframe.stacks.stack import Stack, StackView
from zeroframe.workers import done_by

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from zeroframe.fits.cards import Cards
    from zeroframe.fits.tables import TablePart
    from zeroframe.frames.quality import FrameQuality
    from zeroframe.headers.colours import ColourPattern
    from zeroframe.headers.kinds import Kind
    from zeroframe.inspection.gain import Measured
    from zeroframe.planning.plan import Group
    from zeroframe.run.cache import CalibrationCache
    from zeroframe.run.record import OutputMark
    from zeroframe.stacks.combine import Combined
    from zeroframe.stacks.measured import Prepared

__all__ = ["Combination", "ScaledStack", "combine_group", "compare_group", "left_out_frames"]

#: A flat of which more than this fraction is saturated says nothing about its brightest parts, and a dark saw light.
_SATURATED = 0.01
_WRONG_FLATS = ("light", "shape", "pattern")
#: Levels of frames that scatter by less, in noises of a pixel, are those of a camera that holds its level.
_LEVELS_AGREE = 1.0 / 16.0
#: So many levels of frames tell how they wander.
_LEVELS_TELL = 4
#: Flats weigh by their light where their plain average would have so many times the variance.
_WORTH_WEIGHTS = 1.04
#: What of bias and dark is in a flat is said where it is so much off what was subtracted from each of its frames.
_SHARE_DIFFERS = 0.01


@dataclass(frozen=True)
class ScaledStack(StackView):
    """A stack of which each frame is multiplied by a factor.

    Attributes
    ----------
    factors : tuple of tuple of float
        One for each frame; of a colour sensor four, for the places of the cell of 2 x 2 pixels.
    """

    factors: tuple[tuple[float, ...], ...]

    def read_rows(self, index: int, rows: slice, out: NDArray[Any]) -> None:
        """Fill ``out`` with rows of one frame."""
        self.stack.read_rows(index, rows, out)
        factors = self.factors[index]
        if len(factors) == 1:
            out *= out.dtype.type(factors[0])
            return
        first = rows.indices(self.shape_yx[0])[0]
        for (dy, dx), factor in zip(PHASES, factors, strict=True):
            out[(dy - first) % 2 :: 2, dx::2] *= out.dtype.type(factor)


def left_out_frames(
    group: Group, frames: Sequence[NightOutcome], *, levels_wander: bool = False
) -> tuple[dict[Path, str], tuple[Flag, ...]]:
    """Tell which calibrated frames of a group are not combined, and why.

    Parameters
    ----------
    group : Group
        How they are combined.
    frames : sequence of NightOutcome
        Those that are there.
    levels_wander : bool
        Whether biases show that levels differ from frame to frame by themselves, which no bias takes away.

    Returns
    -------
    left_out : dict of path to str
        Raw files, with the reason.
    flags : tuple of Flag
        Everything that is odd.
    """
    qualities = {each.frame.source: each.outcome.quality for each in frames if each.outcome.quality is not None}
    facts = {each.frame.source: each.frame.facts for each in frames}
    first = group.frames[0]
    subtracted = any(not use.divides for use in first.steps.uses) and not levels_wander
    subtracted = subtracted or first.recipe.subtracts_overscan
    row = kind_row(group.kind)
    is_bias = row is not None and row.is_zero
    flags = [
        flag
        for flag in flag_frames(qualities, facts, level_subtracted=subtracted)
        if is_bias or flag.what != "saturated"
    ]
    left_out: dict[Path, str] = {}
    if not is_bias:
        for flag in _saturated_frames(qualities, group.kind):
            flags.append(flag)
            left_out[flag.path] = flag.sentence
        # what the others tell to be wrong spoils the combined flat; scaled to their level it is mostly noise
        left_out |= {flag.path: flag.sentence for flag in flags if flag.what in _WRONG_FLATS}
    lost = _shares(qualities, "non_finite")
    everywhere = min(lost.values(), default=0.0)  # as an amplifier that no frame of the night has
    left_out |= {
        path: f"{percent(share, 3)} of its pixels have no value (limit {100 * LOST_PART:g} %)"
        for path, share in lost.items()
        if (share - everywhere > LOST_PART or share == 1.0) and path not in left_out
    }
    if group.reject_outliers:
        reasons: dict[Path, list[str]] = {}
        for flag in (flag for flag in flags if flag.what != "shapes"):
            reasons.setdefault(flag.path, []).append(flag.sentence)
        left_out = {path: "; ".join(sentences) for path, sentences in reasons.items()} | {
            path: sentence for path, sentence in left_out.items() if path not in reasons
        }
    return left_out, tuple(flags)


def _shares(qualities: Mapping[Path, FrameQuality], what: str) -> dict[Path, float]:
    """Return the fraction of pixels of each frame that are ``what``."""
    return {path: getattr(quality, what) / quality.pixels for path, quality in qualities.items()}


def _saturated_frames(qualities: Mapping[Path, FrameQuality], kind: Kind) -> list[Flag]:
    """Flag flats and darks by how much of them is saturated, whatever the others are like."""
    limit = _SATURATED
    return [
        Flag(
            path,
            "saturated",
            share,
            limit,
            f"{percent(share, 3)} of this {kind} is saturated (limit {100 * limit:g} %)",
        )
        for path, share in _shares(qualities, "saturated").items()
        if share > limit
    ]


class _GroupOrigin(Origin):
    """The calibrated frames of a group; they have been judged."""

    def __init__(
        self,
        what: Combination,
        frames: Mapping[Path, NightOutcome],
        out: Path,
        noise_adu: float | None,
        cache: CalibrationCache,
        resources: Resources,
    ) -> None:
        self._group, self._used, self._up_to_date = what.group, what.used, what.up_to_date
        self._frames, self._out, self._noise_adu, self._cache = frames, out, noise_adu, cache
        self._copies, self._elsewhere = resources.copies, resources.elsewhere
        self.plane: CalibrationFrame | None = None
        self.levels: dict[Path, float] = {}
        self._stack: Stack | None = None
        self._variances: tuple[float, ...] | None = None

    def key(self, unreadable: Sequence[Path]) -> str:
        # of all frames that are there: which of them are left out follows from their pixels
        keys = {self.name(path): each.outcome.key for path, each in self._frames.items()}
        return group_key(self._group, keys, self._used, [self.name(path) for path in unreadable])

    def name(self, path: Path) -> str:
        return path.relative_to(self._out).as_posix()

    def words(self, paths: Sequence[Path]) -> list[str]:
        return [f"{KEY_CARD} {self._frames[path].outcome.key}" for path in paths]

    def masked(self, paths: Sequence[Path]) -> tuple[int, ...]:
        qualities = [self._frames[path].outcome.quality for path in paths]
        return tuple(0 if quality is None else quality.non_finite for quality in qualities)

    def common(self, paths: Sequence[Path]) -> tuple[Kind | None, float | None]:
        steps = self._frames[paths[0]].frame.steps
        return self._group.kind, steps.gain_e_per_adu or self._group.traits.gain_e_per_adu

    def seen(self, stack: Stack, paths: Sequence[Path]) -> Stack:
        self._stack = stack
        if not self._group.scaled_by_level:
            return stack
        shared = any(self.masked(paths))
        by_place = np.array(done_by(self._elsewhere, all_lit_levels, stack, self._group.colours, shared))
        self.levels = dict(zip(paths, by_place.mean(axis=1).tolist(), strict=True))
        usual = np.median(by_place, axis=0)
        if not (by_place > 0).all():
            return stack
        scaled = usual / by_place  # a row a frame
        factors = scaled.mean(axis=1).tolist()
        # a flat of photons that is multiplied by a factor has that factor as its variance
        lost = sum(factors) * sum(1.0 / factor for factor in factors) / len(factors) ** 2
        self._variances = tuple(factors) if lost > _WORTH_WEIGHTS else None
        return ScaledStack(stack, tuple(map(tuple, scaled.tolist())))

    def variances(self) -> tuple[float, ...] | None:
        return self._variances

    def finished(self, combined: Combined, prepared: Prepared, paths: Sequence[Path]) -> Finished:
        cards = prepared.error_cards(len(paths))
        if self._group.scaled_by_level:
            cards.pop(LEVEL_ERROR_CARD, None)  # the flat is divided by its level
        noise = prepared.noise.calibrated
        if noise is not None and np.isfinite(noise) and not self._group.scaled_by_level:
            cards["NOISEADU"] = (noise, "ADU, noise of a pixel of one frame, from pairs")
        uncertainty: NDArray[Any] | None = combined.uncertainty
        if len(paths) == 1:
            uncertainty = self._noise_of_one(combined, paths[0])
        if calibration_kind(self._group.kind).tells_gain:
            cards |= self._gain_cards(paths)
        if self._group.scaled_by_level:
            frame = self._frames[paths[0]].frame
            cards |= normalise(combined, uncertainty, self._group, frame.recipe.regions, frame.layout.shape_yx)
            cards |= self._part_cards(paths, prepared)
        cards |= self._mean_cards(paths)
        steps = self._steps_said(paths[0])
        if uncertainty is not None and steps:
            parts = self._cache.inherited(steps | {word: value for word, (value, _) in cards.items()})
            if parts:
                uncertainty = with_errors(uncertainty, list(parts.values()), in_place=True)
                cards[WHOLE_CARD] = (" ".join(parts), "whose errors are in UNCERT, too")
        if steps and not self._group.scaled_by_level:
            cards |= self._level_cards(cards.get(LEVEL_ERROR_CARD, (0.0, ""))[0], steps, len(paths))
        mask = combined.mask if int(combined.counts.min()) == 0 else None
        done = Finished(combined.data, uncertainty, mask, combined.counts, cards, FIGURES, self._tables(paths))
        made = {"NCOMBINE": len(paths), "COMBMETH": self._group.spec.method}
        said = steps | {word: value for word, (value, _) in cards.items()} | made
        # as the file holds it: whoever reads it again, because memory was short, gets the same bits
        sigma = NO_CALIBRATION if uncertainty is None else uncertainty.astype(np.float32, copy=False)
        self.plane = CalibrationFrame(done.data, sigma, mask, said)
        return done

    def _level_cards(self, own: float, steps: Mapping[str, Any], frames: int) -> dict[str, tuple[Any, str]]:
        """Say by how much the level may be off: by its frames, and by what was subtracted from them.

        Of few frames the levels may be alike by chance, and of a lone one nothing is seen: they wander by no less than
        those of the biases do.
        """
        to_result = math.sqrt(frames) if self._group.spec.method == "sum" else 1.0 / math.sqrt(frames)
        for row in calibration_kinds():
            name = str(steps.get(row.card) or "").partition(" x ")[0]
            if row.is_zero and name and frames < _LEVELS_TELL:
                plane = self._cache.get(name)
                own = max(own, plane.own_level_error * math.sqrt(plane.number("NCOMBINE") or 1.0) * to_result)
        subtracted = self._cache.level_error(steps)
        if not subtracted > 0:
            return {}
        return {
            LEVEL_ERROR_CARD: (math.hypot(own, subtracted), "error of the level, common to all pixels"),
            OWN_LEVEL_ERROR_CARD: (own, "of LEVELERR, without that of what was subtracted"),
        }

    def _mean_cards(self, paths: Sequence[Path]) -> dict[str, tuple[Any, str]]:
        """Say what exposure and temperature are in the mean, where frames differ: the header is that of the first."""
        traits = [self._frames[path].frame.traits for path in paths]
        if len({(each.exposure_s, each.temperature_c) for each in traits}) == 1:
            return {}
        near = [self._copies.get(path, path) for path in paths]
        headers = done_by(self._elsewhere, _cards_of_all, near)
        means = combined_conditions(headers)
        means.pop("AIRMASS", None)  # flats are no matter of it
        return {**combined_exposure(headers, self._group.spec.method), **means}

    def _tables(self, paths: Sequence[Path]) -> tuple[TablePart, ...]:
        """Return what is known of the amplifiers, where there are several."""
        recipe = self._frames[paths[0]].frame.recipe
        if not recipe.assembles:
            return ()
        near = [self._copies.get(path, path) for path in paths]
        return (amplifier_table(recipe.regions, mean_levels(near, len(recipe.regions))),)

    def _steps_said(self, path: Path) -> dict[str, Any]:
        """Return what the header of a frame says of what was subtracted from it."""
        said = HeaderDraft()
        record_steps(self._frames[path].frame, said)
        return dict(said.items())

    def _part_cards(self, paths: Sequence[Path], prepared: Prepared) -> dict[str, tuple[Any, str]]:
        """Say how much of bias and dark is in a flat in the mean, where its frames differ in exposure or level."""
        levels = np.array([self.levels[path] for path in paths])
        factors = float(np.median(levels)) / levels
        weights = 1.0 / np.array(prepared.spec.variances or [1.0] * len(paths))
        cards: dict[str, tuple[Any, str]] = {}
        frames = [self._frames[path].frame for path in paths]
        for use in frames[0].steps.uses:
            same = [each for frame in frames for each in frame.steps.uses if each.name == use.name]
            if use.divides or len(same) < len(frames):
                continue
            scales = np.array([1.0 if each.scale is None else each.scale for each in same])
            share = float(np.average(factors * scales, weights=weights))
            card = calibration_kind(use.kind).card
            if not abs(share - scales.mean()) <= _SHARE_DIFFERS * scales.mean() and np.isfinite(share):
                cards[share_card(card)] = (share, f"of {card} in this flat, in the mean of its frames")
        return cards

    @property
    def up_to_date(self) -> OutputMark | None:
        return self._up_to_date

    def _noise_of_one(self, combined: Combined, path: Path) -> NDArray[Any] | None:
        """Return the noise of a lone frame, which its scatter cannot tell; None where nothing else does."""
        frame = self._frames[path].frame
        noise: NDArray[Any] = np.zeros_like(combined.data)
        for region in frame.recipe.regions:
            own = frame.recipe.assembles
            gain = region.gain_e_per_adu if own else frame.steps.gain_e_per_adu or frame.traits.gain_e_per_adu
            stated = region.read_noise_e if own else frame.steps.read_noise_e
            read = None if own else self._noise_adu
            if read is None and stated is not None and gain is not None:
                read = stated / gain
            if read is None:
                return None
            place = region.place_yx(frame.layout.shape_yx)
            self._add_noise(combined.data[place], noise[place], gain if self._level_is_zero(path) else None, read)
        return noise

    @staticmethod
    def _add_noise(data: NDArray[Any], noise: NDArray[Any], gain: float | None, read: float) -> None:
        """Write the noise of a lone frame, in place; without a gain there is no light."""
        if gain is not None:
            np.maximum(data, 0.0, out=noise)
            noise /= gain
        noise += read**2
        np.sqrt(noise, out=noise)

    def _level_is_zero(self, path: Path) -> bool:
        """Whether what is left in a frame is light or dark current."""
        frame = self._frames[path].frame
        return not calibration_kind(self._group.kind).is_zero and (
            frame.recipe.subtracts_overscan or not self._group.includes_bias
        )

    def _current_variance(self, path: Path) -> float:
        """Return the variance of dark current in a frame, in ADU squared: that of darks above that of biases."""
        variance = 0.0
        for use in self._frames[path].frame.steps.uses:
            if calibration_kind(use.kind).by_exposure and not use.divides:
                noise = self._cache.number(use.name, "NOISEADU")
                excess = 0.0 if noise is None or self._noise_adu is None else noise**2 - self._noise_adu**2
                variance += max(excess, 0.0) * (1.0 if use.scale is None else use.scale)
        return variance

    def _gain_rows(self, path: Path) -> list[slice]:
        """Return the rows by which the gain is measured."""
        frame = self._frames[path].frame
        raw_shape = frame.layout.shape_yx
        part = frame.recipe.regions[0].part(raw_shape)
        rows = gain_rows(raw_shape[0], slice(part.y0, part.y0 + part.ny))
        return [slice(part.ny - each.stop, part.ny - each.start) for each in rows[::-1]] if part.flip_y else rows

    def _gain_cards(self, paths: Sequence[Path]) -> dict[str, tuple[Any, str]]:
        """Measure the gain on pairs of flats, where the noise of a frame is known."""
        if self._frames[paths[0]].frame.recipe.assembles:
            return {}  # one figure for several amplifiers would be true of none
        found = None
        if self._noise_adu is not None and self._stack is not None and self._level_is_zero(paths[0]):
            exposures = [self._frames[path].frame.traits.exposure_s for path in paths]
            levels = [self.levels[path] for path in paths] if self.levels else [1.0] * len(paths)
            alike = like_pairs(exposures, levels)
            # dark current that was subtracted has left its noise
            unlit = math.sqrt(self._noise_adu**2 + self._current_variance(paths[0]))
            rows, colours = self._gain_rows(paths[0]), self._group.colours
            found = done_by(self._elsewhere, _gain_of, self._stack, rows, unlit, alike, colours)
        if found is None or not 0 < found.value < np.inf:
            return {}
        cards: dict[str, tuple[Any, str]] = {"GAINMEAS": (found.value, "e-/ADU, measured on pairs of flats")}
        if np.isfinite(found.error):
            cards["GAINERR"] = (found.error, "e-/ADU, its standard error")
        if found.too_high > 0:
            cards["GAINHIGH"] = (found.too_high, "e-/ADU, so much it may be too high: one level")
        if found.is_bent:
            cards["NONLIN"] = (found.bend, "by this the response falls short at NONLINAT")
            cards["NONLINER"] = (found.bend_error, "its standard error")
            cards["NONLINAT"] = (found.bend_level, "ADU of light, by the noise of the flats")
        return cards


def _cards_of_all(paths: Sequence[Path]) -> list[Cards]:
    return [scan(path).cards for path in paths]


def _gain_of(
    stack: Stack,
    bands: Sequence[slice],
    read_noise_adu: float,
    alike: Sequence[tuple[int, int]],
    colours: ColourPattern | None,
) -> Measured | None:
    """Return the gain from pairs of flats, in the rows in which inspection does; their bias has been subtracted."""
    if not alike:
        return None
    height, nx = bands[0].stop - bands[0].start, stack.shape_yx[1]

    def read(index: int) -> NDArray[Any]:
        rows = read_bands(stack, index, bands).reshape(len(bands), height, nx)
        if colours is None or min(height, nx) < 2:
            return rows
        # of one size, as bands of their own
        return np.concatenate(colour_bands(rows[:, : height // 2 * 2, : nx // 2 * 2], colours))

    zero = np.zeros_like(read(alike[0][0]))
    # read when their turn comes: there may be thousands
    pairs = ((read(first), read(second)) for first, second in alike)
    # saturated pixels are not finite, and blocks with such are left out
    return gain_from_pairs(pairs, [zero], read_noise_adu, np.inf)


@dataclass(frozen=True, slots=True)
class Combination:
    """A group that is to be combined, and what is known of it by then.

    Attributes
    ----------
    group : Group
        What is combined, and how.
    frames : tuple of NightOutcome
        Its frames, in whatever state they ended.
    used : mapping of str to str
        Names and keys of the combined frames that the noise of a frame is known from.
    up_to_date : OutputMark or None
        Of the combined frame that is there already.
    """

    group: Group
    frames: tuple[NightOutcome, ...]
    used: Mapping[str, str]
    up_to_date: OutputMark | None


def combine_group(
    what: Combination, kept: Mapping[Path, NDArray[Any]], resources: Resources, out: Path, cache: CalibrationCache
) -> tuple[GroupOutcome, list[NightOutcome]]:
    """Combine the frames of a group that are there, and write the result.

    Parameters
    ----------
    what : Combination
        The group.
    kept : mapping of path to ndarray
        Pixels that stayed in memory, by target.
    resources : Resources
        What may be used.
    out : pathlib.Path
        The folder of results.
    cache : CalibrationCache
        Takes the result for those who need it.

    Returns
    -------
    GroupOutcome
    list of NightOutcome
        The frames again; those that were not combined are ``left out``.
    """
    group, frames, used, up_to_date = what.group, what.frames, what.used, what.up_to_date
    there = [each for each in frames if each.outcome.is_there]
    left_out, flags = left_out_frames(group, there, levels_wander=_levels_wander(used, cache))
    told = [_told(each, left_out) for each in frames]
    chosen = [each for each in told if each.outcome.is_there and each.outcome.state != "left out"]
    targets = tuple(each.frame.target for each in chosen)
    job = CombineJob(targets, group.target, group.spec, group.compress, group.clip_spread)
    noise_adu = cache.number(next(iter(used)), "NOISEADU") if used else None
    # the key is that of all frames that are there
    by_target = {each.frame.target: each for each in told if each.outcome.is_there}
    origin = _GroupOrigin(what, by_target, out, noise_adu, cache, resources)
    pixels = {target: kept[target] for target in targets} if all(target in kept for target in targets) else {}
    combined = combine_job(job, pixels, resources, origin)
    if combined.is_there and origin.plane is not None:
        cache.put(group.name, origin.plane)
    levels = {by_target[path].frame.source: level for path, level in origin.levels.items()}
    said = {} if origin.plane is None else dict(origin.plane.cards)
    if not there:
        combined = replace(combined, reason=f"none of its {len(frames)} frames could be calibrated")
    elif not targets:
        combined = replace(combined, reason=f"all of its {len(there)} frames were left out{_why(left_out)}")
    stamp = (
        up_to_date.stamp if up_to_date is not None and combined.state == "skipped" else stamp_of_result(group.target)
    )
    far, shape_yx = resources.elsewhere, combined.shape_yx
    dtype = done_by(far, read_back, group.target, shape_yx).dtype if combined.state == "done" else ""
    return GroupOutcome(group, combined, flags, tuple(left_out), levels, said, stamp, dtype), told


def _levels_wander(used: Mapping[str, str], cache: CalibrationCache) -> bool:
    """Whether the frames that the noise is known from differ in level by a part of it that counts."""
    for name in used:
        error, frames, noise = (cache.number(name, word) or 0.0 for word in (LEVEL_ERROR_CARD, "NCOMBINE", "NOISEADU"))
        if error * math.sqrt(frames) > _LEVELS_AGREE * noise:
            return True
    return False


def compare_group(
    group: Group, frames: Sequence[NightOutcome], samples: Mapping[Path, NDArray[Any]], resources: Resources
) -> tuple[GroupOutcome, list[NightOutcome]]:
    """Judge the frames of a group that are not to be combined, and measure their noise.

    Parameters
    ----------
    group : Group
        What belongs together.
    frames : sequence of NightOutcome
        Its frames, in whatever state they ended.
    samples : mapping of path to ndarray
        Rows of calibrated frames that stayed in memory, by target; where some are missing, files are read.
    resources : Resources
        What may be used.

    Returns
    -------
    GroupOutcome
    list of NightOutcome
        The frames again; those that do not belong are ``left out`` where that was asked for.
    """
    there = [each for each in frames if each.outcome.is_there]
    left_out, flags = left_out_frames(group, there)
    told = [_told(each, left_out) for each in frames]
    chosen = [each.frame.target for each in told if each.outcome.is_there and each.outcome.state != "left out"]
    noise = _noise_of(chosen, samples, resources)
    return GroupOutcome(
        group, CombinedOutcome(group.target, "not asked for", noise=noise), flags, tuple(left_out)
    ), told


def _noise_of(paths: Sequence[Path], samples: Mapping[Path, NDArray[Any]], resources: Resources) -> StackNoise | None:
    if len(paths) < 2:
        return None
    stack: Stack
    if samples.keys() >= set(paths) and len({samples[path].shape for path in paths}) == 1:
        stack = SampledStack(tuple(samples[path] for path in paths))
    else:
        nearest = [resources.copies.get(path, path) for path in paths]
        stack = stack_of(nearest, {}, resources, None, nearest[0].parent)
    found = frame_noise(stack, workers=resources.workers)
    return None if found is None else StackNoise(found.single, found.calibrated, None, None, float("nan"))


def _why(left_out: Mapping[Path, str]) -> str:
    """Return why frames were left out: the reason that all share, or that of the first where figures differ."""
    if not left_out:
        return ""
    (path, reason), *others = left_out.items()
    of_others = [sentence for _, sentence in others]
    if all(sentence == reason for sentence in of_others):
        return f": {reason}"
    return f": {path.name}: {reason}; and {len(others)} more"


def _told(each: NightOutcome, left_out: Mapping[Path, str]) -> NightOutcome:
    reason = left_out.get(each.frame.source)
    if reason is None or not each.outcome.is_there:
        return each
    said = "; ".join(part for part in (reason, each.outcome.remark) if part)
    outcome = replace(each.outcome, state="left out", reason=f"{each.frame.source}: {said}")
    return replace(each, outcome=outcome)
