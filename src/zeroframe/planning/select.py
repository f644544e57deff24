"""Which files of a folder take part in a night, and what is done to each of them first."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from zeroframe.errors import (
    CameraError,
    FrameError,
    MismatchError,
    NoFramesError,
    SectionError,
    UnsupportedError,
    UsageError,
    said_together,
)
from zeroframe.fits.checksums import header_crc32
from zeroframe.fits.failures import attempt
from zeroframe.fits.formats import lossless
from zeroframe.frames.numbers import mean_of_known
from zeroframe.frames.own_masks import own_mask
from zeroframe.frames.pile_up import converter_top
from zeroframe.frames.saturation import StatedSaturation
from zeroframe.frames.steps import FrameRecipe, Steps
from zeroframe.headers.cameras import Camera, recognise
from zeroframe.headers.kind_words import unknown_word
from zeroframe.headers.kinds import Kind, calibration_kind, is_calibration, kind_row
from zeroframe.headers.sections import size_words
from zeroframe.planning.colours import stated_pattern
from zeroframe.planning.first_steps import Choice, amplifier_choices, choose_recipe, inspection_of
from zeroframe.planning.grouping import frames_words
from zeroframe.planning.no_exposure import EXPOSURE_NOT_KNOWN
from zeroframe.planning.plan import Ignored, NightFrame
from zeroframe.planning.targets import Refused, same_form, target_path
from zeroframe.planning.traits import in_electrons, moment_of, read_traits, split_nights
from zeroframe.records import dataclass

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from zeroframe.fits import ImageLayout
    from zeroframe.frames.own_masks import OwnMask
    from zeroframe.headers.dialects import FrameFacts
    from zeroframe.headers.survey import RawFrame
    from zeroframe.inspection import OverscanInspection
    from zeroframe.planning.first_steps import RecipeOptions
    from zeroframe.planning.recipe import NightRecipe
    from zeroframe.planning.traits import NightSplit

__all__ = [
    "CALIBRATED_ALREADY",
    "COMBINED_ALREADY",
    "NightContext",
    "Selection",
    "classify",
    "select_frames",
    "takes_part",
]

M = TypeVar("M", bound="tuple[RawFrame, *tuple[Any, ...]]")
R = TypeVar("R")
COMBINED_ALREADY = "combined already, so not a raw frame"
CALIBRATED_ALREADY = "calibrated already by zeroframe, so not a raw frame"
_MADE = (COMBINED_ALREADY, CALIBRATED_ALREADY)


@dataclass(frozen=True, slots=True)
class NightContext:
    """What is known of a night that is one of many; nothing, of one that stands alone.

    Attributes
    ----------
    noon_s : float or None
        The time of day, in seconds since midnight UT, at which one night ends and the next begins.
    folders : mapping of path to path
        Of raw files, the folder within OUT in which their results go; by default that which it has within RAW.
    raw_folders : tuple of path
        Folders into which nothing may be written, where that is not RAW as a whole.
    """

    noon_s: float | None = None
    folders: Mapping[Path, Path] = field(default_factory=dict)
    raw_folders: tuple[Path, ...] = ()


@dataclass(frozen=True, slots=True)
class Selection:
    """The frames of a night that take part, and those that do not.

    Attributes
    ----------
    frames : tuple of NightFrame
        In the order of their names; nothing but overscan and trim is done to them yet.
    refused : tuple of Refused
        Those that ought to take part and cannot.
    ignored : tuple of Ignored
        Those that are left alone.
    choices : tuple of Choice
        On camera, overscan and trim.
    camera : Camera or None
        That of most frames.
    split : NightSplit
        The nights, in the order of the frames.
    copies : tuple of (str, str)
        Names of calibration frames whose headers are the same, letter by letter.
    """

    frames: tuple[NightFrame, ...]
    refused: tuple[Refused, ...]
    ignored: tuple[Ignored, ...]
    choices: tuple[Choice, ...]
    camera: Camera | None
    split: NightSplit
    copies: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class _First:
    """What is done first to frames of one form and camera; or why that cannot be said."""

    recipe: FrameRecipe
    camera: Camera | None
    choices: Sequence[Choice]
    own_mask: OwnMask | None = None
    problem: FrameError | CameraError | SectionError | None = None


def select_frames(
    found: Mapping[str, RawFrame],
    raw: Path,
    out: Path,
    recipe: NightRecipe,
    evidence: OverscanInspection | None,
    context: NightContext | None = None,
) -> Selection:
    """Select the frames that take part, and decide what is done to each first.

    Parameters
    ----------
    found : mapping of str to RawFrame
        Everything in the raw folder by its name, relative to that folder and with forward slashes, in order.
    raw, out : pathlib.Path
        Where the frames are, and where results go.
    recipe : NightRecipe
        What was asked for.
    evidence : OverscanInspection or None
        What the pixels say of a camera that is not known.
    context : NightContext, optional
        Of one of many nights.

    Returns
    -------
    Selection

    Raises
    ------
    NoFramesError
        When nobody takes part.
    CameraError, SectionError, MismatchError, UnsupportedError, UsageError
        When camera or sections do not fit most of the frames.
    """
    context = context or NightContext()
    usable, refused, ignored = classify(list(found.values()), recipe)
    options = recipe.frames.options()
    told = options.camera is not None or options.names_sections
    usable, _ = _without_failures(usable, _form, refused)
    together = _put_together(usable, refused) if recipe.bias.together and usable else []
    usable, forms = _without_failures(
        usable, _form if told else _form_and_camera(together, recipe.frames.options(evidence)), refused
    )
    if not usable:
        raise NoFramesError(_no_frames(raw, list(found.values()), refused, ignored, recipe))
    names = {id(item): name for name, item in found.items()}
    firsts = _first_steps([item for item, _ in usable], forms, recipe, evidence)
    camera = next(iter(firsts.values())).camera
    taking_part = []
    for (item, kind), form in zip(usable, forms, strict=True):
        first = firsts[form]
        if first.problem is not None:
            reason = first.problem.reason if isinstance(first.problem, FrameError) else str(first.problem)
            advice = (first.problem.advice if isinstance(first.problem, FrameError) else "") or "process it on its own"
            refused.append(Refused(item.path, MismatchError(item.path, reason, advice)))
        else:
            taking_part.append((item, kind, names[id(item)], form))
    taking_part, moments = _without_failures(taking_part, moment_of, refused)
    split = split_nights(moments, context.noon_s)
    targets = _Targets(out, context.folders, recipe)
    frames = []
    for (item, kind, name, form), night in zip(taking_part, split.nights, strict=True):
        target = targets.of(item.path, name)
        frame = attempt(item.path, _frame, item, kind, name, target, night, recipe, firsts[form])
        if isinstance(frame, FrameError):
            refused.append(Refused(item.path, frame))
        else:
            frames.append(frame)
    clocks = {
        name: item
        for (item, kind, name, _), moment in zip(taking_part, moments, strict=True)
        if is_calibration(kind) and moment is not None and moment.seconds is not None
    }
    choices = tuple(_first_choices(firsts, Counter(form for *_, form in taking_part)))
    return Selection(tuple(frames), tuple(refused), tuple(ignored), choices, camera, split, _copies(clocks))


class _Targets:
    """Where results go; of each folder, its path is made once."""

    def __init__(self, out: Path, folders: Mapping[Path, Path], recipe: NightRecipe) -> None:
        self._out, self._folders, self._compress = out, folders, recipe.compress
        self._made: dict[str, Path] = {}

    def of(self, path: Path, name: str) -> Path:
        if self._folders:
            folder = self._folders.get(path)
            if folder is not None:
                return target_path(self._out / folder, path, self._compress)
        parent = name.rpartition("/")[0]
        if parent not in self._made:
            self._made[parent] = self._out / parent
        return target_path(self._made[parent], path, self._compress)


def classify(
    found: Sequence[RawFrame], recipe: NightRecipe
) -> tuple[list[tuple[RawFrame, Kind]], list[Refused], list[Ignored]]:
    """Tell frames that take part, with what they are for, those that cannot, and those that are left alone.

    Parameters
    ----------
    found : sequence of RawFrame
        Any files.
    recipe : NightRecipe
        Which names the kinds that are wanted.

    Returns
    -------
    usable : list of (RawFrame, Kind)
    refused : list of Refused
    ignored : list of Ignored
    """
    usable, refused, ignored = [], [], []
    silent_is_science = _silent_is_science(found, recipe)
    for item in found:
        said = item.facts.kind if item.facts is not None else None
        if said is None and silent_is_science and item.facts is not None and item.facts.kind_is_silent:
            said = Kind.SCIENCE
        named, wanted = _is_wanted(said, recipe)
        if item.problem is not None:
            if item.facts is None or wanted:
                refused.append(Refused(item.path, item.problem))
            else:
                ignored.append(Ignored(item.path, item.problem.reason))
        elif item.facts is None or item.facts.combined:
            ignored.append(Ignored(item.path, COMBINED_ALREADY))
        elif item.is_result:
            ignored.append(Ignored(item.path, CALIBRATED_ALREADY))
        elif item.facts.exposure_s is None and _needs_exposure(said):
            ignored.append(Ignored(item.path, f"a {said}, but {EXPOSURE_NOT_KNOWN}"))
        elif wanted:
            usable.append((item, said or Kind.SCIENCE))
        else:
            kinds = "kinds" if is_calibration(said) else "steps.kinds"
            reason = f"{item.facts.kind_reason}; to calibrate it, too, name '{named}' in {kinds} of the recipe"
            if (rule := unknown_word(item.facts.kind_reason)) is not None:
                reason += f" (as science), or say what it is, as by --kind 'flat={rule}'"
            ignored.append(Ignored(item.path, reason))
    return usable, refused, ignored


def _silent_is_science(found: Sequence[RawFrame], recipe: NightRecipe) -> bool:
    """Whether frames of which nothing says what they are can be nothing but science.

    No frame says that it is, but calibration frames do: as where files are called Bias_1, Flat_1 and M76.
    """
    if "science" not in recipe.steps.kinds:
        return False
    kinds = {item.facts.kind for item in found if item.facts is not None and item.problem is None}
    return Kind.SCIENCE not in kinds and any(is_calibration(kind) for kind in kinds)


def _needs_exposure(kind: Kind | None) -> bool:
    row = kind_row(kind)
    return row is not None and row.by_exposure


def takes_part(item: RawFrame, recipe: NightRecipe) -> bool:
    """Say whether a file is of a kind that the recipe names; whether it can be used is another question."""
    return item.facts is not None and _is_wanted(item.facts.kind, recipe)[1]


def _is_wanted(kind: Kind | None, recipe: NightRecipe) -> tuple[str, bool]:
    """Return what a recipe calls a kind, and whether frames of that kind take part."""
    named = "unknown" if kind is None else kind.value
    return named, named in (recipe.kinds if is_calibration(kind) else recipe.steps.kinds)


def _no_frames(
    raw: Path, found: Sequence[RawFrame], refused: Sequence[Refused], ignored: Sequence[Ignored], recipe: NightRecipe
) -> str:
    kinds = Counter(str(item.facts.kind or "unknown") for item in found if item.facts is not None)
    listed = ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items())) or "no FITS file"
    only = recipe.kinds[0] if len(recipe.kinds) == 1 and not recipe.steps.kinds else None
    reasons = Counter(each.reason for each in ignored if only is None or each.reason in _MADE).most_common(1)
    left = "".join(f"; {count} left alone: {reason}" for reason, count in reasons)
    advice = f"give the folder that holds the raw {'night' if only is None else calibration_kind(only).words.plural}"
    for reason, _ in reasons:
        left += "" if only is None else f", such as {next(each.path.name for each in ignored if each.reason == reason)}"
        advice += ", or combine these with zeroframe combine" if reason == CALIBRATED_ALREADY else ""
        advice += ", and this folder with --calibrations" if reason == COMBINED_ALREADY else ""
    problems = said_together(each.problem for each in refused)
    if problems and kinds and not reasons:  # the frames are there: what is wrong with them comes first
        advice = problems.pop(0)
    bad = "".join(f"\n  {said}" for said in problems)
    what = "" if only is None else f"{only} "
    return f"{raw}: no {what}frame that can be used ({listed}{left}); {advice}{bad}"


def _without_failures(
    members: Sequence[M], look: Callable[[RawFrame], R], refused: list[Refused]
) -> tuple[list[M], list[R]]:
    """Return what is found out of files, which come first in ``members``; refuse those of which that cannot be."""
    kept, results = [], []
    for member in members:
        item = member[0]
        result = attempt(item.path, look, item)
        if isinstance(result, FrameError):
            refused.append(Refused(item.path, result))
        else:
            kept.append(member)
            results.append(result)
    return kept, results


def _put_together(usable: list[tuple[RawFrame, Kind]], refused: list[Refused]) -> list[RawFrame]:
    """Return the biases of the size that most have, which are combined in any case; the others leave ``usable``.

    Of several detectors that is so for each.
    """
    kept: list[RawFrame] = []
    left_out: set[int] = set()
    biases = [item for item, kind in usable if kind is Kind.BIAS]
    for detector in dict.fromkeys(item.detector for item in biases):
        alike, odd = same_form([item for item in biases if item.detector == detector])
        kept += alike
        refused += odd
        left_out |= {id(each.path) for each in odd}
    usable[:] = [(item, kind) for item, kind in usable if id(item.path) not in left_out]
    return kept


def _form(item: RawFrame) -> tuple[object, ...]:
    """Return what decides on overscan and trim where camera or sections are asked for: the size."""
    return item.form


def _form_and_camera(together: Sequence[RawFrame], options: RecipeOptions) -> Callable[[RawFrame], tuple[object, ...]]:
    """Return what tells size and camera of a file, where the camera is to be recognised, by its header or its pixels.

    What is combined together in any case has the camera of its first frame.
    """
    first: dict[str, RawFrame] = {}
    alike = {id(item): first.setdefault(item.detector, item) for item in together}
    return lambda item: (*item.form, _camera_name(alike.get(id(item), item), options))


def _camera_name(item: RawFrame, options: RecipeOptions) -> str | None:
    camera = None if item.frame is None else recognise(item.frame.cards, item.shape_yx or ())
    if camera is not None:
        return camera.name
    seen = inspection_of(item, options)
    return None if seen is None else seen.whose


def _first_steps(
    items: Sequence[RawFrame],
    forms: Sequence[tuple[object, ...]],
    recipe: NightRecipe,
    evidence: OverscanInspection | None,
) -> Mapping[tuple[object, ...], _First]:
    """Decide on overscan and trim for each form of frame, that of most frames first."""
    options = recipe.frames.options(evidence)
    by_form: dict[tuple[object, ...], list[RawFrame]] = defaultdict(list)
    for item, form in zip(items, forms, strict=True):
        by_form[form].append(item)
    firsts: dict[tuple[object, ...], _First] = {}
    for form, alike in sorted(by_form.items(), key=lambda pair: (-len(pair[1]), str(pair[0]))):
        try:
            firsts[form] = _first_step(alike[0], recipe, options)
        except (FrameError, CameraError, SectionError) as error:
            if not firsts:
                raise
            firsts[form] = _First(FrameRecipe(), None, (), problem=error)
    return firsts


def _first_step(item: RawFrame, recipe: NightRecipe, options: RecipeOptions) -> _First:
    chosen, camera, choices = choose_recipe(item, options)
    if in_electrons(item):
        chosen = chosen.of_electrons()
    if chosen.assembles and (recipe.frames.gain_e_per_adu, recipe.frames.read_noise_e) != (None, None):
        raise UsageError(
            f"gain_e_per_adu and read_noise_e are asked for as those of one amplifier, and the frames have "
            f"{len(chosen.regions)}; give those of each in the camera file"
        )
    if recipe.frames.overscan == "none":
        chosen = chosen.without_overscan()
        others = [choice for choice in choices if choice.what.split()[0] not in {"overscan", "amplifier", "amplifiers"}]
        told = amplifier_choices(chosen, camera) if camera is not None and chosen.assembles else []
        choices = [*others, *told, Choice("overscan", "not subtracted", "as asked for")]
    of_camera = None if camera is None else camera.bad_pixels
    mask = recipe.masks.own_mask or of_camera
    return _First(chosen, camera, choices, None if mask is None else own_mask(Path(mask)))


def _first_choices(
    firsts: Mapping[tuple[object, ...], _First], counts: Mapping[tuple[object, ...], int]
) -> list[Choice]:
    """Say what was decided, of each form where there are several."""
    told = []
    for form, first in firsts.items():
        if first.problem is not None:
            continue
        shape_yx, binning_xy = form[0], form[1]
        size = size_words(shape_yx, binning_xy)  # type: ignore[arg-type]
        whose = f" of {frames_words(counts[form])}, {size}" if len(firsts) > 1 else ""
        told += [replace(choice, what=choice.what + whose) for choice in first.choices]
    return told


def _frame(
    item: RawFrame, kind: Kind, name: str, target: Path, night: str | None, recipe: NightRecipe, first: _First
) -> NightFrame:
    facts = item.facts
    if facts is None:
        raise ValueError(f"{item.path}: a frame without facts takes no part")
    if facts.unit is not None and facts.unit.endswith("/ s"):
        reason = f"is in {facts.unit}, so it was divided by its exposure: dark current and noise cannot be told from it"
        raise UnsupportedError(
            item.path, reason, "give the raw counts; where these are counts, mend BUNIT in the header"
        )
    amplifiers = () if first.camera is None else first.camera.amplifiers
    colours = first.recipe.colours_of(stated_pattern(item, recipe), item.layout.shape_yx)
    gains = [recipe.frames.gain_e_per_adu, 1.0 if in_electrons(item) else None]
    gains.append(mean_of_known([each.gain_e_per_adu for each in amplifiers]))
    noises = [recipe.frames.read_noise_e, mean_of_known([each.read_noise_e for each in amplifiers])]
    if not first.recipe.assembles:  # what a header says is of one amplifier
        gains.append(facts.gain_e_per_adu)
        noises.append(facts.read_noise_e)
    return NightFrame(
        name=name,
        source=item.path,
        target=target,
        kind=kind,
        recipe=first.recipe,
        steps=Steps(
            gain_e_per_adu=_first_of(gains), read_noise_e=_first_of(noises), own_mask=first.own_mask, colours=colours
        ),
        layout=item.layout,
        facts=facts,
        traits=read_traits(item, night),
        saturation=_saturation(recipe, first, facts, item.layout),
        compress=lossless(recipe.compress) if is_calibration(kind) else recipe.compress,
        header_crc32=None if item.frame is None else header_crc32(item.frame.cards),
    )


def _saturation(recipe: NightRecipe, first: _First, facts: FrameFacts, layout: ImageLayout) -> StatedSaturation:
    """Return what recipe, camera and header state of where raw pixels are full."""
    asked = _first_of((recipe.frames.saturation_adu, _camera_saturation_adu(first)))
    asked = None if asked == converter_top(layout) else asked  # which is so anyway
    by = None if asked is None else "recipe" if recipe.frames.saturation_adu is not None else "camera"
    return StatedSaturation(
        asked, by, facts.saturation_adu, facts.saturation_card, facts.saturation_may_be_maximum,
        facts.linear_adu, facts.linear_card,
    )  # fmt: skip


def _first_of(values: Sequence[float | None]) -> float | None:
    return next((value for value in values if value is not None), None)


def _camera_saturation_adu(first: _First) -> float | None:
    """Return the value of a saturated pixel, as the camera says; of several amplifiers, each may have another."""
    if first.camera is None:
        return None
    own = first.camera.amplifiers[0].saturation_adu if len(first.camera.amplifiers) == 1 else None
    return first.camera.saturation_adu if own is None else own


def _copies(items: Mapping[str, RawFrame]) -> tuple[tuple[str, str], ...]:
    """Return pairs of files with one header that says when they were taken: to all appearance the same frame twice."""
    first: dict[bytes, str] = {}
    pairs = []
    for name, item in items.items():
        if item.frame is not None:
            original = first.setdefault(item.frame.cards.text, name)
            if original != name:
                pairs.append((original, name))
    return tuple(pairs)
