"""From the headers of a folder to the plan of a night; no pixel is read here.

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
from zeroframe.fits.inputs import Inputs
from zeroframe.frames.steps import Steps
from zeroframe.headers.dialects import Kind
from zeroframe.planning.decisions import decisions_of, lost_words
from zeroframe.planning.grouping import Batch, batches_of, exposure_words, frames_words, one_batch
from zeroframe.planning.masks import Masks, mask_names
from zeroframe.planning.matching import match_frame
from zeroframe.planning.matching_memo import Fitting, MatchCache
from zeroframe.planning.plan import Group, Incomplete, Match, NightFrame, NightPlan
from zeroframe.planning.select import NightContext, select_frames
from zeroframe.planning.spellings import with_case
from zeroframe.planning.targets import Refused, refuse_among, refuse_within, target_path
from zeroframe.planning.uses import pixel_uses

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from zeroframe.headers.survey import RawFrame
    from zeroframe.inspection import OverscanInspection
    from zeroframe.planning.plan import Step
    from zeroframe.planning.recipe import BiasRecipe, DarkRecipe, FlatRecipe, NightRecipe

__all__ = ["plan_night"]

_COMBINED_KINDS = (Kind.BIAS, Kind.DARK, Kind.FLAT)


def plan_night(
    found: Sequence[RawFrame],
    raw: Path,
    out: Path,
    recipe: NightRecipe,
    *,
    evidence: OverscanInspection | None = None,
    overwrite: bool = False,
    among: NightContext | None = None,
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
    among : NightContext, optional
        Of one of many nights: see `zeroframe.planning.nights`.

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
    raw_folders = (among.raw_folders if among is not None else ()) or (raw,)
    refuse_within(raw_folders, [out])
    if out.exists() and not out.is_dir():
        raise OutputError(out, "is a file, not a folder", "choose another folder with -o")
    named = _named(found, raw)
    selection = select_frames(named, raw, out, recipe, evidence, among)
    folders = {out, *(frame.target.parent for frame in selection.frames)}
    refuse_within(raw_folders, folders)
    refuse_among(Inputs.of(item.path for item in found), folders)
    frames, batches, clashes = _without_clashes(with_case(selection.frames), out, recipe)
    matcher = _Matcher(recipe, out, batches, [frame for frame in frames if frame.kind is not Kind.BIAS])
    groups = matcher.groups
    masks = Masks(recipe, out, groups)
    science = []
    for frame in frames:
        if frame.kind not in _COMBINED_KINDS:
            matched = matcher.light(frame, masks)
            if matched is not None:
                science.append(matched)
    refused = (*selection.refused, *clashes, *matcher.refused)
    plan = NightPlan(
        raw=raw,
        out=out,
        found=tuple(named.values()),
        groups=tuple(groups),
        uncombined=tuple(matcher.uncombined),
        science=tuple(science),
        masks=masks.jobs,
        refused=tuple(sorted(refused, key=lambda each: each.path.relative_to(raw).as_posix())),
        incomplete=tuple(_incomplete([*_frames_of([*groups, *matcher.uncombined]), *science])),
        ignored=selection.ignored,
        choices=(),
        camera=selection.camera,
        recipe=recipe,
        overwrite=overwrite,
        evidence=evidence,
    )
    _refuse_sums(plan)
    return replace(plan, choices=decisions_of(plan, selection))


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


def _named(found: Sequence[RawFrame], raw: Path) -> dict[str, RawFrame]:
    """Return files by their names relative to the raw folder, with forward slashes, in order."""
    items = {item.path.relative_to(raw).as_posix(): item for item in found}
    return {name: items[name] for name in sorted(items)}


def _without_clashes(
    frames: Sequence[NightFrame], out: Path, recipe: NightRecipe
) -> tuple[list[NightFrame], list[Batch], list[Refused]]:
    """Refuse frames that would be written to a file of another one, or of a combined frame or mask."""
    left, refused = list(frames), list[Refused]()
    while True:
        batches = [
            batch
            for kind in _COMBINED_KINDS
            for batch in _batches_of(kind, [frame for frame in left if frame.kind is kind], recipe)
        ]
        combined = [batch for batch in batches if _how(recipe, batch.kind).combine]
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
    if kind is Kind.BIAS and recipe.bias.together:
        return [one_batch(kind, frames)] if frames else []
    return batches_of(kind, frames, recipe.tolerances)


def _folded(target: Path) -> str:
    """Return a path as file systems see it that ignore case."""
    return str(target).casefold()


def _target(out: Path, stem: str, recipe: NightRecipe) -> Path:
    return target_path(out, Path(f"{stem}.fits"), recipe.compress)


def _how(recipe: NightRecipe, kind: Kind) -> BiasRecipe | DarkRecipe | FlatRecipe:
    """Return how the frames of one kind are combined."""
    if kind is Kind.BIAS:
        return recipe.bias
    return recipe.dark if kind is Kind.DARK else recipe.flat


class _Matcher:
    """Builds the groups in the order in which they are made, and matches each frame with those that come before."""

    def __init__(self, recipe: NightRecipe, out: Path, batches: Sequence[Batch], needy: Sequence[NightFrame]) -> None:
        self.recipe = recipe
        self.refused: list[Refused] = []
        self._out = out
        of_kind = {kind: [batch for batch in batches if batch.kind is kind] for kind in _COMBINED_KINDS}
        lit = [frame for frame in needy if frame.kind in {Kind.FLAT, Kind.SCIENCE, Kind.ARC}]
        self.uncombined: list[Group] = []
        biases = [self._group(batch, batch.frames, includes_bias=True) for batch in of_kind[Kind.BIAS]]
        self._biases = self._combined(biases)
        self._bias = MatchCache("bias", self._biases, recipe)
        served = self._served(lit, of_kind[Kind.DARK])
        self._with_own_dark = {
            frame.name
            for batch, fitting in zip(of_kind[Kind.DARK], served, strict=True)
            for frame in fitting
            if self._has_exposure_of(frame, batch)
        }
        darks = [self._dark_group(*each) for each in zip(of_kind[Kind.DARK], served, strict=True)]
        self._darks = self._combined(darks)
        self._dark = MatchCache("dark", self._darks, recipe)
        self._dark_named = {group.name: group for group in self._darks}
        flats = [self._flat_group(batch) for batch in of_kind[Kind.FLAT]]
        self._flats = self._combined([group for group in flats if group is not None])
        self._flat = MatchCache("flat", self._flats, recipe)

    @property
    def groups(self) -> list[Group]:
        """In the order in which they are made."""
        return [*self._biases, *self._darks, *self._flats]

    def _combined(self, groups: Sequence[Group]) -> list[Group]:
        """Return the groups that are combined; the others are kept apart."""
        self.uncombined += [group for group in groups if not _how(self.recipe, group.kind).combine]
        return [group for group in groups if _how(self.recipe, group.kind).combine]

    def _group(self, batch: Batch, frames: Iterable[NightFrame], *, includes_bias: bool) -> Group:
        how = _how(self.recipe, batch.kind)
        target = _target(self._out, batch.stem, self.recipe)
        return Group(
            kind=batch.kind,
            name=target.name,
            label=batch.label,
            frames=tuple(frames),
            target=target,
            spec=how.spec,
            clip_spread=how.clip_spread,
            scaled_by_level=batch.kind is Kind.FLAT,
            reject_outliers=how.reject_outliers,
            includes_bias=includes_bias,
            traits=batch.traits,
            compress=self.recipe.compress,
        )

    def _dark_group(self, batch: Batch, served: Sequence[NightFrame]) -> Group:
        """All darks of a group lose their bias, or none."""
        match = self._bias_of_dark(batch, served)
        frames = [
            replace(frame, steps=replace(frame.steps, bias=match.chosen), matches=(match,)) for frame in batch.frames
        ]
        return self._group(batch, frames, includes_bias=match.chosen is None)

    def _bias_of_dark(self, batch: Batch, served: Sequence[NightFrame]) -> Match:
        policy, why = self.recipe.steps.bias, "the recipe has steps.bias = 'always'"
        if policy == "never":
            return _not_needed("bias", "the recipe has steps.bias = 'never'")
        if policy == "auto":
            wanting = [frame for frame in served if frame.name not in self._with_own_dark]
            if served and not wanting and self.recipe.steps.dark:
                return _not_needed("bias", "every frame that it fits has a dark of its own exposure, bias and all")
            why = _without_own_dark(wanting) if wanting else "no frame takes it as it is"
        match = match_frame("bias", batch.traits, batch.frames[0].recipe, self._biases, self.recipe)
        if match.chosen is None:
            reason = f"{match.reason}; so it is used for its own exposure only, and never scaled"
            return replace(match, needed=False, reason=reason)
        return replace(match, reason=f"{why}; {match.reason}")

    def _served(self, frames: Sequence[NightFrame], darks: Sequence[Batch]) -> list[list[NightFrame]]:
        """Return for each batch of darks the frames that it fits, exposure left aside."""
        fitting = Fitting("dark", darks, self.recipe.tolerances)
        served: dict[int, list[NightFrame]] = {id(dark): [] for dark in darks}
        for frame in frames:
            for dark in fitting.of(frame):
                served[id(dark)].append(frame)
        return list(served.values())

    def _has_exposure_of(self, frame: NightFrame, dark: Batch) -> bool:
        own_s, dark_s = frame.traits.exposure_s, dark.traits.exposure_s
        return own_s is not None and dark_s is not None and self.recipe.tolerances.same_exposure(own_s, dark_s)

    def _flat_group(self, batch: Batch) -> Group | None:
        matched = [self.light(frame) for frame in batch.frames]
        frames = [frame for frame in matched if frame is not None]
        return self._group(batch, frames, includes_bias=any(map(self._keeps_bias, frames))) if frames else None

    def _keeps_bias(self, frame: NightFrame) -> bool:
        """Whether the bias is in a frame even when its steps are done."""
        dark = None if frame.steps.dark is None else self._dark_named[frame.steps.dark]
        return frame.steps.bias is None and not (dark is not None and dark.includes_bias)

    def light(self, frame: NightFrame, masks: Masks | None = None) -> NightFrame | None:
        """Return a frame that saw light with its matches and steps, masks among them; None where it is refused."""
        dark = self._dark_match(frame)
        bias = self._bias_match(frame, dark)
        matches = [bias, dark] if frame.kind is Kind.FLAT else [bias, dark, self._flat_match(frame)]
        missing = [match for match in matches if match.is_missing]
        if missing and self.recipe.missing == "fail":
            reason = "; ".join(f"no {match.what} fits: {match.reason}" for match in missing)
            advice = "add what is missing, or leave such frames incomplete with missing = 'leave' in the recipe"
            self.refused.append(Refused(frame.source, MismatchError(frame.source, reason, advice)))
            return None
        flat = None if frame.kind is Kind.FLAT else matches[2].chosen
        masked = () if masks is None else masks.of(frame, flat)
        steps = self._steps(frame, bias.chosen, dark, flat, masked)
        return replace(frame, matches=tuple(matches), steps=steps)

    def _steps(
        self, frame: NightFrame, bias: str | None, dark: Match, flat: str | None, masks: tuple[str, ...]
    ) -> Steps:
        known, wanted = frame.steps, self.recipe.steps
        if frame.kind is Kind.FLAT:
            return replace(known, bias=bias, dark=dark.chosen, dark_scale=dark.scale)
        return Steps(  # without `replace`, which takes four times as long
            uncertainty=wanted.uncertainty,
            bias=bias,
            dark=dark.chosen,
            dark_scale=dark.scale,
            flat=flat,
            flat_min_value=None if flat is None else self.recipe.flat.min_value,
            masks=masks,
            gain_e_per_adu=known.gain_e_per_adu,
            read_noise_e=known.read_noise_e,
            to_electrons=wanted.to_electrons,
            cosmic_rays=wanted.cosmic_rays if frame.kind is Kind.SCIENCE else "none",
        )

    def _dark_match(self, frame: NightFrame) -> Match:
        if not self.recipe.steps.dark:
            return _not_needed("dark", "the recipe has steps.dark = false")
        return self._dark.of(frame)

    def _bias_match(self, frame: NightFrame, dark: Match) -> Match:
        used = None if dark.chosen is None else self._dark_named[dark.chosen]
        if self.recipe.steps.bias == "never":
            return _not_needed("bias", "the recipe has steps.bias = 'never'")
        if used is not None and used.includes_bias:
            return _not_needed("bias", f"it is still in {used.label}, and goes with it")
        return self._bias.of(frame)

    def _flat_match(self, frame: NightFrame) -> Match:
        if not self.recipe.steps.flat:
            return _not_needed("flat", "the recipe has steps.flat = false")
        if frame.kind is Kind.ARC:
            return _not_needed("flat", "arcs are not divided by a flat")
        return self._flat.of(frame)


def _without_own_dark(frames: Sequence[NightFrame]) -> str:
    kinds = Counter(frame.kind.value for frame in frames)
    words = " and ".join(frames_words(number, kind) for kind, number in sorted(kinds.items()))
    exposures = sorted(frame.traits.exposure_s for frame in frames if frame.traits.exposure_s is not None)
    ends = dict.fromkeys(exposure_words(each) for each in (exposures[:1] + exposures[-1:]))
    return f"no dark has the exposure of {words} ({' to '.join(ends) or 'not known'})"


def _not_needed(what: Step, reason: str) -> Match:
    return Match(what, None, None, needed=False, reason=reason)


def _incomplete(frames: Iterable[NightFrame]) -> Iterable[Incomplete]:
    """Yield the frames for which something is missing."""
    for frame in frames:
        missing = [match for match in frame.matches if match.is_missing]
        if missing:
            reason = "; ".join(f"no {match.what} ({lost_words(match.what)}): {match.reason}" for match in missing)
            yield Incomplete(frame.name, tuple(match.what for match in missing), reason)
