"""Combined frames that exist already, as candidates beside those that a night makes of its raw frames.

Made by us, IRAF, ccdproc, Siril, MaxIm DL, PixInsight or others, they are told by their headers, and what those say is
held against the pixels: a dark from which nobody knows whether its bias was subtracted is told by its level.
"""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from zeroframe.errors import FrameError
from zeroframe.fits import scan
from zeroframe.fits.decode import decoded_float
from zeroframe.fits.failures import attempt
from zeroframe.fits.fingerprint import file_mark
from zeroframe.fits.formats import lossless
from zeroframe.frames.steps import Use
from zeroframe.frames.stored import StoredFile
from zeroframe.headers.kinds import calibration_kinds, kind_row
from zeroframe.headers.sections import size_words
from zeroframe.headers.stored import read_stored_facts
from zeroframe.planning.grouping import exposure_words
from zeroframe.planning.matching import limits_of, why_not_together
from zeroframe.planning.plan import Group, Ignored, Stored, StoredFrames, StoredMask
from zeroframe.planning.stored_levels import DarkLevels, doubts_of_level, doubts_of_noise, holds_bias
from zeroframe.planning.stored_look import look_at_stored
from zeroframe.planning.stored_scale import (
    doubts_of_unit,
    electrons_per_unit,
    in_unit_of_night,
    with_sigma,
    without_pedestal,
)
from zeroframe.planning.traits import moment_of, read_traits, split_nights
from zeroframe.records import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from zeroframe.frames.steps import FrameRecipe
    from zeroframe.headers.kinds import CalibrationKind
    from zeroframe.headers.stored import StoredFacts
    from zeroframe.headers.survey import RawFrame
    from zeroframe.planning.plan import Configuration, NightFrame
    from zeroframe.planning.recipe import NightRecipe
    from zeroframe.planning.stored_look import StoredLook

__all__ = ["StoredItem", "stored_frames"]


_MADE_AGAIN = "a mask that is made again of its combined frame, which is there"


@dataclass(frozen=True, slots=True)
class StoredItem:
    """A file of a folder of combined frames.

    Attributes
    ----------
    name : str
        What results call it: the folder and its path within, with forward slashes.
    item : RawFrame
        What its header says.
    sha256 : str
        What its bytes have to be, where that is known; else empty.
    """

    name: str
    item: RawFrame
    sha256: str = ""


@dataclass(frozen=True, slots=True)
class _Form:
    """Frames of the night that were read alike, and what is done to them first."""

    recipe: FrameRecipe
    shape_yx: tuple[int, int]
    binning_xy: tuple[int, int]
    unit: str

    @property
    def trimmed_yx(self) -> tuple[int, int]:
        return self.recipe.shape_yx(self.shape_yx)


@dataclass(frozen=True, slots=True)
class _Fit:
    """The forms that a file fits, and what is done to it first: nothing, where it is trimmed already."""

    forms: tuple[_Form, ...]
    recipe: FrameRecipe | None


def stored_frames(
    items: Sequence[StoredItem], frames: Sequence[NightFrame], recipe: NightRecipe, noon_s: float | None
) -> StoredFrames:
    """Say which files of folders of combined frames a night can take, and how.

    Pixels are read of those that have the size of frames of the night and may belong to one of them.

    Parameters
    ----------
    items : sequence of StoredItem
        The files.
    frames : sequence of NightFrame
        Of the night.
    recipe : NightRecipe
        What was asked for.
    noon_s : float or None
        Where one night ends and the next begins.

    Returns
    -------
    StoredFrames
    """
    finder = _Finder(frames, recipe, noon_s)
    there = {one.item.path for one in items}
    order = {row.kind: place for place, row in enumerate(calibration_kinds())}
    known: list[tuple[int, str, StoredItem, StoredFacts]] = []
    masks: list[StoredMask] = []
    left_out: list[Ignored] = []
    for one in items:
        item = one.item
        if item.problem is not None or item.facts is None or item.frame is None:
            left_out.append(Ignored(item.path, "cannot be read" if item.problem is None else item.problem.reason))
            continue
        facts = read_stored_facts(item.frame.cards_of(item.frame.image()), item.path.name)
        if facts.is_mask:
            source = str(item.frame.cards_of(item.frame.image()).get("MASKOF") or "")
            mask = _MADE_AGAIN if item.path.parent / source in there else finder.mask(one)
            if isinstance(mask, StoredMask):
                masks.append(mask)
            else:
                left_out.append(Ignored(item.path, mask))
        elif item.facts.kind in order:
            known.append((order[item.facts.kind], one.name, one, facts))
        else:
            left_out.append(Ignored(item.path, f"no calibration frame: {item.facts.kind_reason}"))
    for place, _, one, facts in sorted(known, key=lambda each: each[:2]):
        row = calibration_kinds()[place]
        group = attempt(one.item.path, finder.group, one, row, facts)
        if isinstance(group, FrameError):
            left_out.append(Ignored(one.item.path, group.reason))
        else:
            finder.groups.append(group)
    return StoredFrames(tuple(_with_uses(finder.groups)), tuple(masks), tuple(left_out))


class _Finder:
    """Makes candidates of files, biases first: the level of darks is held against theirs."""

    def __init__(self, frames: Sequence[NightFrame], recipe: NightRecipe, noon_s: float | None) -> None:
        self.groups: list[Group] = []
        self._recipe, self._noon_s = recipe, noon_s
        by_form: dict[_Form, list[NightFrame]] = defaultdict(list)
        for frame in frames:
            traits = frame.traits
            by_form[_Form(frame.recipe, traits.shape_yx, traits.binning_xy, traits.unit)].append(frame)
        self._frames = dict(sorted(by_form.items(), key=lambda pair: -len(pair[1])))
        self._levels = {form: DarkLevels(some) for form, some in self._frames.items()}

    def mask(self, one: StoredItem) -> StoredMask | str:
        """Return a mask, or why it is none of this night."""
        fit = self._fit(one.item, overscan=True)
        if isinstance(fit, str):
            return f"a mask of {fit}"
        file = StoredFile(one.item.path, one.sha256 or file_mark(one.item.path).sha256, fit.recipe)
        form = fit.forms[0]
        recipes = tuple(each.recipe for each in fit.forms)
        return StoredMask(one.name, file, recipes, form.shape_yx, form.binning_xy, read_traits(one.item).settings)

    def group(self, one: StoredItem, row: CalibrationKind, facts: StoredFacts) -> Group:
        """Return a candidate; where it can be used for nothing, its pixels are not looked at."""
        fit = self._fit(one.item, overscan=facts.overscan)
        traits = read_traits(one.item, self._night(one.item))
        nights = self._recipe.calibrations.greatest_age_days
        file = StoredFile(one.item.path, one.sha256)
        stored = Stored(file, facts.made_by, facts.frames or 1, (), most_nights=nights)
        if isinstance(fit, str):
            return self._made(one, row, traits, replace(stored, problem=f"it is {fit}"))
        form = fit.forms[0]
        recipes = tuple(each.recipe for each in fit.forms)
        double = decoded_float(self._frames[form][0].layout) == np.float64
        colours = self._frames[form][0].steps.colours
        file = replace(file, recipe=fit.recipe, double=double)
        stored = replace(stored, recipes=recipes, file=file, colours=colours)
        own_unit = "" if one.item.facts is None or one.item.facts.unit is None else traits.unit
        traits = replace(traits, shape_yx=form.shape_yx, binning_xy=form.binning_xy, unit=form.unit)
        trial = self._made(one, row, traits, stored)
        limits = limits_of(trial, self._recipe.tolerances)
        near = [frame for each in fit.forms for frame in self._frames[each]]
        if not any(not why_not_together(row.kind, frame.traits, traits, limits) for frame in near):
            return trial
        scaled = in_unit_of_night(file, row, traits, own_unit, near[0])
        if isinstance(scaled, str):
            return self._made(one, row, traits, replace(stored, problem=scaled))
        file, traits, done = scaled
        look = look_at_stored(file, row, may_run_to_one=facts.may_run_to_one)
        if look.to_one:
            done = (*done, "its pixels run from 0 to 1 and are multiplied by 65535")
        stored = replace(stored, done=done, doubts=doubts_of_unit(row, one.item.facts))
        gain_e = electrons_per_unit(traits, own_unit, near[0])
        return self._judged(one, row, facts, traits, stored, look, form, near[0], gain_e)

    def _judged(
        self,
        one: StoredItem,
        row: CalibrationKind,
        facts: StoredFacts,
        traits: Configuration,
        stored: Stored,
        look: StoredLook,
        form: _Form,
        frame: NightFrame,
        gain_e: float | None,
    ) -> Group:
        """Return a candidate whose pixels have been looked at."""
        levels = self._levels[form]
        biases = [group for group in self.groups if group.stored and form.recipe in group.stored.recipes]
        zeros = [each for each in biases if _is_zero(each) and each.stored and not each.stored.problem]
        bias_adu = zeros[0].stored.figures["level_adu"] if zeros and zeros[0].stored else math.nan
        includes, doubts = holds_bias(row, facts, look, levels, bias_adu)
        look, done, pedestals = without_pedestal(look, row, facts, frame, includes_bias=includes)
        problem, more = doubts_of_level(row, facts, look, levels)
        file, state = with_sigma(look, row, facts, gain_e)
        cards = one.item.frame.cards if one.item.frame is not None else {}
        figures = {"level_adu": look.level_adu, "noise_adu": look.noise_adu}
        stored = replace(
            stored,
            file=file,
            done=(*stored.done, *done),
            doubts=(*stored.doubts, *doubts, *pedestals, *more, *doubts_of_noise(row, facts, look, frame)),
            problem=problem,
            uncertainty=state,
            tells_noise=any(cards.get(word) is not None for word in ("NOISEADU", "GAINMEAS")),
            figures={name: value for name, value in figures.items() if math.isfinite(value)},
        )
        return self._made(one, row, traits, stored, includes_bias=includes)

    def _made(
        self,
        one: StoredItem,
        row: CalibrationKind,
        traits: Configuration,
        stored: Stored,
        *,
        includes_bias: bool = False,
    ) -> Group:
        how = self._recipe.combination(row.kind)
        own = [exposure_words(traits.exposure_s)] if row.by_exposure else []
        own += [traits.filter_name] if row.by_filter and traits.filter_name is not None else []
        label = " ".join(["stored", row.kind.value, *own])
        taken = {group.label for group in self.groups}
        label = f"{label} of {one.name}" if label in taken else label
        return Group(
            kind=row.kind,
            name=one.name,
            label=label,
            frames=(),
            target=one.item.path,
            spec=how.spec,
            clip_spread=how.clip_spread,
            scaled_by_level=row.scaled_by_level,
            reject_outliers=False,
            includes_bias=includes_bias,
            traits=traits,
            compress=lossless(self._recipe.compress),
            stored=stored,
        )

    def _fit(self, item: RawFrame, *, overscan: bool | None) -> _Fit | str:
        """Return the forms that a file fits; else its size in words."""
        shape_yx, binning_xy = item.shape_yx or (), None if item.facts is None else item.facts.binning_xy
        forms = [form for form in self._frames if binning_xy in {None, form.binning_xy}]
        whole = [form for form in forms if form.shape_yx == shape_yx]
        trimmed = [form for form in forms if form.trimmed_yx == shape_yx and _is_cut_as(item, form)]
        done = [form for form in trimmed if form not in whole or overscan or not form.recipe.subtracts_overscan]
        if done:
            return _Fit(tuple(done), None)
        if whole:
            return _Fit(tuple(form for form in whole if form.recipe == whole[0].recipe), whole[0].recipe)
        if any(form.trimmed_yx == shape_yx for form in forms):
            return "cut out of another part of the sensor, by its LTV cards"
        return f"of {size_words(shape_yx, item.binning_xy)}, which is the size of no frame of the night"

    def _night(self, item: RawFrame) -> str | None:
        return split_nights([moment_of(item)], self._noon_s).nights[0]


def _is_zero(group: Group) -> bool:
    row = kind_row(group.kind)
    return row is not None and row.is_zero


def _is_cut_as(item: RawFrame, form: _Form) -> bool:
    """Whether a trimmed file says that it was cut out of the raw frame where frames of the night are."""
    cards: Mapping[str, object] = {} if item.frame is None else item.frame.cards
    said = [cards.get(word) for word in ("LTV1", "LTV2")]
    trim = form.recipe.trim
    if trim is None or not any(isinstance(value, int | float) for value in said):
        return True
    starts = [min(part.ends()) - 1 for part in trim.resolve(form.shape_yx).ranges]
    flipped = any(part.flipped for part in trim.ranges)
    return flipped or all(
        (float(value) if isinstance(value, int | float) else 0.0) == -start
        for value, start in zip(said, starts, strict=True)
    )


def _with_uses(groups: Sequence[Group]) -> Iterable[Group]:
    """Say of ours with which others of the same folder their frames were calibrated."""
    names: dict[Path, str] = {group.target: group.name for group in groups}
    kinds = {group.name: group.kind for group in groups}
    for group in groups:
        stored = group.stored
        if stored is None or stored.made_by != "zeroframe":
            yield group
            continue
        uses = []
        for said in _said(group):
            name, _, scale = said.partition(" x ")
            known = names.get(group.target.parent / name)
            if known is not None:
                uses.append(Use(kinds[known], known, float(scale) if scale else None))
        yield replace(group, stored=replace(stored, uses=tuple(uses)))


def _said(group: Group) -> list[str]:
    found = scan(group.target)
    cards = found.cards_of(found.image())
    words = [row.card for row in calibration_kinds() if not row.divides]
    return [str(cards[word]) for word in words if cards.get(word)]
