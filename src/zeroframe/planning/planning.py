"""From the headers of a folder to the plan of a night; no pixel is read here but those of combined frames that exist.

Whether the bias is subtracted is decided as the CCD Data Reduction Guide (Craig and Chambers, chapter "Calibration
overview") teaches: where every frame that saw light has a dark of its own exposure, the bias stays in the darks and
goes with them. Otherwise it is subtracted from everything, and the darks can be scaled.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from zeroframe.errors import MismatchError, OutputError, UsageError
from zeroframe.fits.formats import lossless
from zeroframe.fits.inputs import Inputs
from zeroframe.fits.part_paths import PartPath
from zeroframe.frames.steps import Steps, Use
from zeroframe.headers.kinds import Kind, calibration_kind, calibration_kinds, is_calibration, is_lit, kind_row
from zeroframe.planning.decisions import decisions_of, lost_words
from zeroframe.planning.exposures import with_exposures
from zeroframe.planning.grouping import Batch, exposure_words, frames_words, grouped, one_batch
from zeroframe.planning.masks import Masks, mask_names
from zeroframe.planning.matching import match_frame, warmer_words, with_warmer_darks
from zeroframe.planning.matching_memo import Fitting, MatchCache
from zeroframe.planning.no_exposure import with_darks_as_biases
from zeroframe.planning.plan import Group, Incomplete, Match, NightFrame, NightPlan, StoredFrames
from zeroframe.planning.select import NightContext, select_frames
from zeroframe.planning.spellings import with_case
from zeroframe.planning.stored_words import stored_decisions
from zeroframe.planning.targets import Refused, check_output_beside, refuse_among, refuse_within, target_path
from zeroframe.planning.uses import frame_uses, group_uses, pixel_uses

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from zeroframe.headers.kinds import CalibrationKind
    from zeroframe.headers.survey import RawFrame
    from zeroframe.inspection import OverscanInspection
    from zeroframe.planning.library import Library
    from zeroframe.planning.recipe import NightRecipe
    from zeroframe.planning.stored import StoredItem

__all__ = ["plan_night"]


def plan_night(
    found: Sequence[RawFrame],
    raw: Path,
    out: Path,
    recipe: NightRecipe,
    *,
    evidence: OverscanInspection | None = None,
    overwrite: bool = False,
    context: NightContext | None = None,
    stored: Sequence[StoredItem] = (),
    library: Library | None = None,
) -> NightPlan:
    """Plan a night: what belongs together, what is done to each frame, and why.

    Parameters
    ----------
    found : sequence of RawFrame
        Everything in the raw folder, from `zeroframe.headers.survey.survey_tree`, in any order.
    raw, out : pathlib.Path
        Where the frames are, written as for the survey, and where results go: each under its own name, in the same
        subfolder.
    recipe : NightRecipe
        What was asked for.
    evidence : OverscanInspection, optional
        What the pixels say of a camera that is not known.
    overwrite : bool, optional
        Whether files that are there already may be replaced.
    context : NightContext, optional
        Of one of many nights: see `zeroframe.planning.nights`.
    stored : sequence of StoredItem, optional
        Combined frames and masks that exist already.
    library : Library, optional
        A library of such, of which only the index has been read.

    Returns
    -------
    NightPlan
        Nothing is done yet. The same for the same files, whatever their order.

    Raises
    ------
    RawFolderError
        When results would be written into the raw folder, or where raw frames really lie.
    NoFramesError
        When there is no frame that can be used.
    CameraError, SectionError, MismatchError, UnsupportedError, UsageError
        When camera or sections do not fit most of the frames.
    """
    raw_folders = (context.raw_folders if context is not None else ()) or (raw,)
    check_output_beside(raw_folders, out)
    if not stored and library is None:  # else biases may be among those
        found = with_darks_as_biases(found)
    named = _named(found, raw)
    selection = select_frames(named, raw, out, recipe, evidence, context)
    folders = {out, *(frame.target.parent for frame in selection.frames)}
    refuse_within(raw_folders, folders)
    if library is not None:
        stored = [*stored, *_of_library(library, out, selection.frames, recipe)]
    inputs = [*(item.path for item in found), *(one.item.path for one in stored)]
    refuse_among(Inputs.of(inputs), folders)
    frames, batches, clashes = _without_clashes(with_case(selection.frames), out, recipe)
    known = _known(stored, frames, recipe, selection.split.noon_s)
    matcher = _Matcher(recipe, out, batches, frames, known.groups)
    groups = matcher.groups
    masks = Masks(recipe, out, [*groups, *known.groups], known.masks)
    others = [matcher.calibrated(frame, masks) for frame in frames if not is_calibration(frame.kind)]
    science = [frame for frame in others if frame is not None]
    refused = (*selection.refused, *clashes, *matcher.refused)
    plan = NightPlan(
        raw=raw,
        out=out,
        found=tuple(named.values()),
        groups=tuple(groups),
        uncombined=tuple(matcher.uncombined),
        science=tuple(with_exposures(science)),
        masks=masks.jobs,
        refused=tuple(sorted(refused, key=lambda each: each.path.relative_to(raw).as_posix())),
        incomplete=tuple(_incomplete([*_frames_of([*groups, *matcher.uncombined]), *science])),
        ignored=selection.ignored,
        choices=(),
        camera=selection.camera,
        recipe=recipe,
        overwrite=overwrite,
        evidence=evidence,
        stored=known.groups,
        stored_masks=tuple(mask for mask in known.masks if mask.name in masks.used_stored),
    )
    _refuse_sums(plan)
    needed = _with_within(_names_used(plan), known.groups)
    plan = replace(plan, stored=tuple(group for group in known.groups if group.name in needed))
    return replace(
        plan, choices=(*decisions_of(plan, selection, alone=context is None), *stored_decisions(plan, known))
    )


def _of_library(library: Library, out: Path, frames: Sequence[NightFrame], recipe: NightRecipe) -> Sequence[StoredItem]:
    """Return what frames may use of a library; raises `RawFolderError` where results would be written into it."""
    from zeroframe.planning.library import library_items

    refuse_within([library.folder], [out])
    return library_items(library, frames, recipe)


def _names_used(plan: NightPlan) -> set[str]:
    """Return the names of all combined frames that something is made with."""
    frames = {name for frame in plan.frames for name in frame_uses(plan, frame)}
    groups = {name for group in plan.groups for name in group_uses(plan, group)}
    return frames | groups | {job.source for job in plan.masks}


def _frames_of(groups: Iterable[Group]) -> Iterator[NightFrame]:
    for group in groups:
        yield from group.frames


def _refuse_sums(plan: NightPlan) -> None:
    """Raise `UsageError` where the pixels of a sum would be taken for those of one frame."""
    used = {name for frame in plan.frames for name in pixel_uses(plan, frame)}
    for group in plan.groups:
        if group.spec.method == "sum" and group.name in used:
            what = f"{group.kind.value}.method = 'sum'"
            raise UsageError(
                f"{what}: the sum of {frames_words(len(group.frames))} cannot be subtracted from one frame; "
                "use 'average' or 'median'"
            )


def _with_within(names: set[str], stored: Sequence[Group]) -> set[str]:
    """Return names, and those of stored frames by which the frames of these were calibrated: errors may be shared."""
    groups = {group.name: group for group in stored}
    found, left = set(names), [name for name in names if name in groups]
    while left:
        new = {use.name for uses in groups[left.pop()].uses for use in uses} - found
        found |= new
        left += [name for name in new if name in groups]
    return found


def _named(found: Sequence[RawFrame], raw: Path) -> dict[str, RawFrame]:
    """Return files by their names relative to the raw folder, with forward slashes, in order."""
    items = {item.path.relative_to(raw).as_posix(): item for item in found}
    return {name: items[name] for name in sorted(items)}


def _known(
    stored: Sequence[StoredItem], frames: Sequence[NightFrame], recipe: NightRecipe, noon_s: float | None
) -> StoredFrames:
    """Return what can be taken of combined frames that exist; most nights have none, and import nothing for them."""
    if not stored:
        return StoredFrames()
    from zeroframe.planning.stored import stored_frames

    return stored_frames(stored, frames, recipe, noon_s)


def _without_clashes(
    frames: Sequence[NightFrame], out: Path, recipe: NightRecipe
) -> tuple[list[NightFrame], list[Batch], list[Refused]]:
    """Refuse frames that would be written to a file of another one, or of a combined frame or mask."""
    left, refused = list(frames), list[Refused]()
    while True:
        batches = [
            batch
            for row in calibration_kinds()
            for batch in _batches_of(row.kind, [frame for frame in left if frame.kind == row.kind], recipe)
        ]
        combined = [batch for batch in batches if recipe.combination(batch.kind).combine]
        taken = {_folded(_target(out, batch.stem, recipe)): "the combined frame" for batch in combined}
        masks = [stem for batch in combined for stem in mask_names(batch.kind, batch.stem, recipe)]
        taken |= {_folded(_target(out, stem, recipe)): "a mask" for stem in masks}
        kept, clashes = [], []
        for frame in left:
            place = _folded(frame.target)
            if place in taken:
                reason = f"would be written to {frame.target}, which is taken by {taken[place]}"
                clashes.append(Refused(frame.source, OutputError(frame.source, reason, "rename this raw frame")))
            else:
                taken[place] = frame.name
                kept.append(frame)
        if not clashes:
            return left, batches, refused
        # with a frame less, the combined frames may have other names
        left, refused = kept, [*refused, *clashes]


def _batches_of(kind: Kind, frames: Sequence[NightFrame], recipe: NightRecipe) -> list[Batch]:
    detectors = {frame.source.label for frame in frames if isinstance(frame.source, PartPath)}
    if kind is Kind.BIAS and recipe.bias.together and len(detectors) <= 1:
        return [one_batch(kind, frames)] if frames else []
    return grouped(kind, frames, recipe.tolerances)


def _folded(target: Path) -> str:
    """Return a path as file systems see it that ignore case."""
    return str(target).casefold()


def _target(out: Path, stem: str, recipe: NightRecipe) -> Path:
    return target_path(out, Path(f"{stem}.fits"), recipe.compress)


class _Matcher:
    """Builds the groups in the order in which they are made, and matches each frame with those that come before."""

    def __init__(
        self,
        recipe: NightRecipe,
        out: Path,
        batches: Sequence[Batch],
        frames: Sequence[NightFrame],
        stored: Sequence[Group] = (),
    ) -> None:
        self.recipe = recipe
        self.refused: list[Refused] = []
        self.uncombined: list[Group] = []
        #: In the order in which they are made.
        self.groups: list[Group] = []
        self._out = out
        self._lit = [frame for frame in frames if is_lit(frame.kind)]
        self._by_name: dict[str, Group] = {}
        self._of_kind: dict[Kind, list[Group]] = {}
        self._caches: dict[Kind, MatchCache] = {}
        #: Of darks of frames whose scale is fitted, where none is as warm as they are.
        self._fitted: MatchCache | None = None
        for row in calibration_kinds():
            own = [batch for batch in batches if batch.kind == row.kind]
            found = (
                self._dark_groups(row, own) if row.may_keep_bias else [self._calibrated_group(batch) for batch in own]
            )
            made = self._combined([group for group in found if group is not None])
            self.groups += made
            groups = [*made, *(group for group in stored if group.kind == row.kind)]
            self._of_kind[row.kind] = groups
            self._caches[row.kind] = MatchCache(row.kind, groups, recipe)
            self._by_name |= {group.name: group for group in groups}

    def _combined(self, groups: Sequence[Group]) -> list[Group]:
        """Return the groups that are combined; the others are kept apart."""
        self.uncombined += [group for group in groups if not self.recipe.combination(group.kind).combine]
        return [group for group in groups if self.recipe.combination(group.kind).combine]

    def _group(self, batch: Batch, frames: Iterable[NightFrame], *, includes_bias: bool) -> Group:
        how = self.recipe.combination(batch.kind)
        target = _target(self._out, batch.stem, self.recipe)
        return Group(
            kind=batch.kind,
            name=target.name,
            label=batch.label,
            frames=tuple(frames),
            target=target,
            spec=how.spec,
            clip_spread=how.clip_spread,
            scaled_by_level=calibration_kind(batch.kind).scaled_by_level,
            reject_outliers=how.reject_outliers,
            includes_bias=includes_bias,
            traits=batch.traits,
            compress=lossless(self.recipe.compress),
            keeps_lamp_colour=getattr(how, "lamp_colour", None) == "kept",
        )

    def _dark_groups(self, row: CalibrationKind, batches: Sequence[Batch]) -> list[Group | None]:
        """Return the groups of a kind that may keep its bias, by what the frames need that it serves."""
        served = self._served(row, batches)
        own = {
            frame.name
            for batch, fitting in zip(batches, served, strict=True)
            for frame in fitting
            if self._has_exposure_of(frame, batch)
        }
        return [self._dark_group(batch, some, own) for batch, some in zip(batches, served, strict=True)]

    def _dark_group(self, batch: Batch, served: Sequence[NightFrame], with_own_dark: set[str]) -> Group | None:
        """All darks of a group lose their bias, or none."""
        match = self._bias_of_dark(batch, served, with_own_dark)
        frames = [self._with_matches(frame, self._matches(frame, match)) for frame in batch.frames]
        return self._gathered(batch, frames)

    def _bias_of_dark(self, batch: Batch, served: Sequence[NightFrame], with_own_dark: set[str]) -> Match:
        policy, why = self.recipe.steps.bias, "the recipe has steps.bias = 'always'"
        if policy == "never":
            return _not_needed(Kind.BIAS, "the recipe has steps.bias = 'never'")
        if policy == "auto" and self.recipe.dark.scale_by == "fit":
            why = "the recipe has dark.scale_by = 'fit', and a dark that holds its bias is never scaled"
        elif policy == "auto":
            wanting = [frame for frame in served if frame.name not in with_own_dark]
            if served and not wanting and self.recipe.steps.dark:
                return _not_needed(
                    Kind.BIAS, "every frame that it fits has a dark of its exposure, which contains the bias"
                )
            why = _without_own_dark(wanting) if wanting else "no frame takes it as it is"
        biases = self._of_kind.get(Kind.BIAS, [])
        match = match_frame(Kind.BIAS, batch.traits, batch.frames[0].recipe, biases, self.recipe)
        if match.chosen is None:
            reason = f"{match.reason}; so it is used for its own exposure only, and never scaled"
            return replace(match, needed=False, reason=reason)
        return replace(match, reason=f"{why}; {match.reason}")

    def _served(self, row: CalibrationKind, darks: Sequence[Batch]) -> list[list[NightFrame]]:
        """Return for each batch of darks the frames that saw light and that it fits, exposure left aside."""
        fitting = Fitting(row.kind, darks, self.recipe.tolerances)
        served: dict[int, list[NightFrame]] = {id(dark): [] for dark in darks}
        for frame in self._lit:
            for dark in fitting.of(frame):
                served[id(dark)].append(frame)
        return list(served.values())

    def _has_exposure_of(self, frame: NightFrame, dark: Batch) -> bool:
        own_s, dark_s = frame.traits.exposure_s, dark.traits.exposure_s
        return own_s is not None and dark_s is not None and self.recipe.tolerances.same_exposure(own_s, dark_s)

    def _calibrated_group(self, batch: Batch) -> Group | None:
        """Return a group whose frames are calibrated with what its kind needs; None where all are refused."""
        return self._gathered(batch, [self.calibrated(frame) for frame in batch.frames])

    def _gathered(self, batch: Batch, matched: Iterable[NightFrame | None]) -> Group | None:
        frames = [frame for frame in matched if frame is not None]
        return self._group(batch, frames, includes_bias=any(map(self._keeps_bias, frames))) if frames else None

    def _keeps_bias(self, frame: NightFrame) -> bool:
        """Whether the bias is in a frame even when its steps are done."""
        if Kind.BIAS in frame.traits.done:
            return False
        subtracted = [use for use in frame.steps.uses if not use.divides]
        return frame.steps.bias is None and not any(self._by_name[use.name].includes_bias for use in subtracted)

    def calibrated(self, frame: NightFrame, masks: Masks | None = None) -> NightFrame | None:
        """Return a frame with its matches and steps, masks among them; None where it is refused."""
        return self._with_matches(frame, self._matches(frame), masks)

    def _with_matches(
        self, frame: NightFrame, matches: Sequence[Match], masks: Masks | None = None
    ) -> NightFrame | None:
        if not matches:  # a bias: nothing is done to it
            return frame
        missing = [match for match in matches if match.is_missing]
        if missing and self.recipe.missing == "fail":
            reason = "; ".join(f"no {match.what} fits: {match.reason}" for match in missing)
            advice = "add what is missing, or leave such frames incomplete with missing = 'leave' in the recipe"
            self.refused.append(Refused(frame.source, MismatchError(frame.source, reason, advice)))
            return None
        return replace(frame, matches=tuple(matches), steps=self._steps(frame, matches, masks))

    def _steps(self, frame: NightFrame, matches: Sequence[Match], masks: Masks | None) -> Steps:
        known, wanted = frame.steps, self.recipe.steps
        if is_calibration(frame.kind):
            return replace(known, uses=_uses(matches))
        uses = _uses(matches, self.recipe)
        return Steps(  # without `replace`, which takes four times as long
            uncertainty=wanted.uncertainty,
            uses=uses,
            masks=() if masks is None else masks.of(frame, uses),
            gain_e_per_adu=known.gain_e_per_adu,
            read_noise_e=known.read_noise_e,
            own_mask=known.own_mask,
            interpolate=self.recipe.masks.interpolate,
            grow_saturated=self.recipe.masks.grow_saturated or 0,
            to_electrons=wanted.to_electrons,
            cosmic_rays=wanted.cosmic_rays if frame.kind is Kind.SCIENCE else "none",
            colours=known.colours,
            fits_dark=self.recipe.dark.scale_by == "fit" and any(use.kind is Kind.DARK for use in uses),
        )

    def _matches(self, frame: NightFrame, bias: Match | None = None) -> list[Match]:
        """Return what a frame is calibrated with, in the order in which that is done; ``bias`` may be known."""
        own = kind_row(frame.kind)
        rows = [row for row in calibration_kinds() if own is None or row.kind in own.needs]
        found: dict[Kind, Match] = {}
        holding: Group | None = None  # what is subtracted and takes the bias away with it
        for row in (row for row in rows if row.kind is not Kind.BIAS):
            match = self._match(row, frame)
            used = None if match.chosen is None or row.divides else self._by_name[match.chosen]
            if used is not None and used.includes_bias and Kind.BIAS in frame.traits.done:
                reason = f"{used.label} still holds its bias, and that of the frame was subtracted already"
                match, used = replace(match, chosen=None, scale=None, reason=reason), None
            if used is not None and used.includes_bias:
                if holding is not None:  # the bias would be subtracted twice
                    reason = f"{used.label} still holds its bias, and so does {holding.label}"
                    match = replace(match, chosen=None, scale=None, reason=reason)
                else:
                    holding = used
            found[row.kind] = match
        if bias is None or holding is not None:
            bias = next((self._bias_match(row, frame, holding) for row in rows if row.kind is Kind.BIAS), None)
        known = found if bias is None else {**found, Kind.BIAS: bias}
        return [known[row.kind] for row in rows]

    def _bias_match(self, row: CalibrationKind, frame: NightFrame, holding: Group | None) -> Match:
        if self.recipe.steps.bias != "never" and holding is not None:
            return _not_needed(row.kind, f"the {holding.label} still contains it and removes it")
        return self._match(row, frame)

    def _match(self, row: CalibrationKind, frame: NightFrame) -> Match:
        done = dict(frame.facts.done).get(row.kind)
        if done is not None:
            return _not_needed(row.kind, f"it has been done already: {done}")
        asked = getattr(self.recipe.steps, row.kind, True)
        if asked is False:
            return _not_needed(row.kind, f"the recipe has steps.{row.kind} = false")
        if asked == "never":
            return _not_needed(row.kind, f"the recipe has steps.{row.kind} = 'never'")
        if frame.kind in row.not_for:
            return _not_needed(row.kind, row.words.not_for)
        match = self._caches[row.kind].of(frame)
        return match if match.chosen is not None else self._of_another_temperature(row, frame) or match

    def _of_another_temperature(self, row: CalibrationKind, frame: NightFrame) -> Match | None:
        """Return the dark of a frame whose scale is fitted, where only its temperature forbids it; None where not."""
        if row.kind is not Kind.DARK or self.recipe.dark.scale_by != "fit" or is_calibration(frame.kind):
            return None
        if self._fitted is None:
            groups = [group for group in self._of_kind[row.kind] if not group.includes_bias]
            self._fitted = MatchCache(row.kind, groups, with_warmer_darks(self.recipe))
        match = self._fitted.of(frame)
        own_c = None if match.chosen is None else self._by_name[match.chosen].traits.temperature_c
        if own_c is None or frame.traits.temperature_c is None:
            return None
        return replace(match, reason=f"{match.reason}; {warmer_words(own_c, frame.traits.temperature_c)}")


def _uses(matches: Iterable[Match], recipe: NightRecipe | None = None) -> tuple[Use, ...]:
    """Return what is used by matches; of what is divided by, with the lowest value that the recipe allows."""
    return tuple(
        Use(
            match.what,
            match.chosen,
            match.scale,
            None if recipe is None else getattr(recipe.combination(match.what), "min_value", None),
        )
        for match in matches
        if match.chosen is not None
    )


def _without_own_dark(frames: Sequence[NightFrame]) -> str:
    kinds = Counter(frame.kind.value for frame in frames)
    words = " and ".join(frames_words(number, kind) for kind, number in sorted(kinds.items()))
    exposures = sorted(frame.traits.exposure_s for frame in frames if frame.traits.exposure_s is not None)
    ends = dict.fromkeys(exposure_words(each) for each in (exposures[:1] + exposures[-1:]))
    return f"no dark has the exposure of {words} ({' to '.join(ends) or 'not known'})"


def _not_needed(what: Kind, reason: str) -> Match:
    return Match(what, None, None, needed=False, reason=reason)


def _incomplete(frames: Iterable[NightFrame]) -> Iterable[Incomplete]:
    """Yield the frames for which something is missing."""
    for frame in frames:
        missing = [match for match in frame.matches if match.is_missing]
        if missing:
            reason = "; ".join(f"no {match.what} ({lost_words(match.what)}): {match.reason}" for match in missing)
            yield Incomplete(frame.name, tuple(match.what for match in missing), reason)
