"""What a plan says of itself before pixels are touched: what was decided, what is doubtful, what is missing."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from typing import TYPE_CHECKING

from zeroframe.headers.dialects import UNKNOWN_UNIT
from zeroframe.headers.explaining import dividing_cards, parting_cards
from zeroframe.headers.kinds import Kind, calibration_kind
from zeroframe.headers.sections import size_words
from zeroframe.planning.first_steps import Choice
from zeroframe.planning.grouping import exposure_words, frames_words
from zeroframe.planning.matching import nights_apart, warmer_words
from zeroframe.planning.no_exposure import NO_BIAS_ELSE
from zeroframe.planning.select import CALIBRATED_ALREADY, COMBINED_ALREADY
from zeroframe.planning.spellings import Spellings
from zeroframe.planning.taught import OVERLAPPING, UNMET, overlapping_exposures, unmet_words
from zeroframe.planning.traits import SHORTEST_DAY_S
from zeroframe.planning.uses import frame_uses

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from zeroframe.fits.cards import Cards
    from zeroframe.planning.plan import Group, Match, NightFrame, NightPlan
    from zeroframe.planning.select import Selection

__all__ = ["decisions_of", "listed", "lost_words"]

_MOST_NAMES = 5
_LONG_FOR_A_BIAS_S = 1.0
#: More are in `zeroframe ls`.
_MOST_DOUBTS = 8
#: Fewer frames have no two parts of two.
_FEWEST_DIVIDED = 4
#: Flats, and frames that they divide, of which the optics are compared.
_MOST_HEADERS = 20


def lost_words(what: str) -> str:
    """Return what stays in a frame that goes without.

    Examples
    --------
    >>> lost_words("dark")
    'dark current and hot pixels stay in'
    """
    return calibration_kind(what).words.lost


def listed(names: Iterable[str]) -> str:
    """Join the first few of many names.

    Examples
    --------
    >>> listed("abcdefg")
    'a, b, c, d, e and 2 more'
    """
    names = list(names)
    more = len(names) - _MOST_NAMES
    return ", ".join(names[:_MOST_NAMES]) + (f" and {more} more" if more > 0 else "")


def decisions_of(plan: NightPlan, selection: Selection, *, alone: bool) -> tuple[Choice, ...]:
    """Return everything that was decided, and why: frames first, then what is done to them, then what is missing.

    Parameters
    ----------
    plan : NightPlan
        Whose own choices are not looked at.
    selection : Selection
        Who takes part.
    alone : bool
        Whether it is no night of many: what meets no frame of one may meet those of another.
    """
    told = [
        *_about_kinds(plan),
        *_about_doubts(plan),
        *_about_taught(plan, alone=alone),
        *_about_nights(plan, selection),
        *_about_forms(plan),
        *selection.choices,
    ]
    told += [*_about_spellings(plan), *_about_bias(plan), *_about_scaling(plan), *_about_temperatures(plan)]
    told += _about_other_nights(plan)
    return (
        *told,
        *_about_missing(plan),
        *_about_groups(plan),
        *_about_loss(plan),
        *_about_divided(plan),
        *_about_other_light(plan),
        *_about_noise(plan),
        *_about_copies(selection),
    )


def _about_kinds(plan: NightPlan) -> Iterator[Choice]:
    guessed = [frame for frame in plan.frames if not frame.facts.kind_certain]
    if guessed:
        taken = Counter(frame.kind.value for frame in guessed)
        total = f"{len(plan.frames)} frames"
        words = ", ".join(f"{number} of {total} taken as {kind}" for kind, number in sorted(taken.items()))
        reason = f"no header word says so, only {guessed[0].facts.kind_reason} and the like"
        yield Choice("kind", words, reason, certain=False)
    yield from _about_contradictions(plan)
    called_dark = [frame.name for frame in plan.frames if frame.facts.kind_reason.endswith(NO_BIAS_ELSE)]
    if called_dark:
        reason = f"called darks, but with {NO_BIAS_ELSE}; if they are darks, --kind 'dark=PATTERN' says so"
        yield Choice("kind", f"{listed(called_dark)} taken as biases", reason, certain=False)
    for words in (COMBINED_ALREADY, CALIBRATED_ALREADY):
        made = [each.path.relative_to(plan.raw).as_posix() for each in plan.ignored if each.reason == words]
        if made:
            remedy = "; to use such, name their folder with --calibrations" if words == COMBINED_ALREADY else ""
            yield Choice("left out", listed(made), words + remedy)
    done: dict[str, list[str]] = defaultdict(list)
    for frame in plan.frames:
        if frame.facts.done:
            done[" and ".join(kind for kind, _ in frame.facts.done)].append(frame.name)
    for kinds, names in done.items():
        said = next(frame.facts.done for frame in plan.frames if frame.name == names[0])
        reason = f"not done again, as the header says that it was: {said[-1][1]}; take them away if they are not wanted"
        yield Choice("done already", f"{kinds} of {listed(names)}", reason, certain=False)
    yield from _about_units(plan)
    long = [
        f"{frame.name} ({exposure_words(frame.facts.exposure_s)})"
        for frame in plan.frames
        if frame.kind is Kind.BIAS and (frame.facts.exposure_s or 0.0) > _LONG_FOR_A_BIAS_S
    ]
    if long:
        yield Choice("exposure", listed(long), "called bias, but exposed for more than a second", certain=False)


def _about_units(plan: NightPlan) -> Iterator[Choice]:
    """Say of which frames the unit is assumed: no header has it, or it is none that is known."""
    unstated: dict[str, list[NightFrame]] = {}
    for frame in plan.frames:
        if frame.facts.unit is None:
            unstated.setdefault(next(_doubts_of_unit(frame), ""), []).append(frame)
    for doubt, frames in sorted(unstated.items()):
        value = f"adu for {len(frames)} of {frames_words(len(plan.frames))}"
        reason = "their headers have no BUNIT"
        if doubt:
            reason = f"{doubt}; if they are no raw counts, take them away"
        yield Choice("unit", value, f"assumed: {reason}", certain=not doubt)


def _doubts_of_unit(frame: NightFrame) -> Iterator[str]:
    return (doubt for doubt in frame.facts.doubts if doubt.endswith(UNKNOWN_UNIT))


#: A doubt about figures of several amplifiers, of which none is that of the frame.
_OF_AMPLIFIERS = re.compile(r"are those of \d+ amplifiers")


def _about_doubts(plan: NightPlan) -> Iterator[Choice]:
    """Say what headers say and could not be used, or was taken by its looks: once for all frames of which it is so."""
    alike: dict[tuple[str, str], list[tuple[str, str]]] = defaultdict(list)
    for frame in plan.frames:
        for doubt in frame.facts.doubts:
            if frame.recipe.assembles and _OF_AMPLIFIERS.search(doubt):  # each is treated by its own figure
                continue
            if doubt.endswith(UNKNOWN_UNIT):  # which is said of the unit
                continue
            if doubt not in frame.facts.remarks:  # which are said of the file
                keyword, _, rest = doubt.partition(" ")
                alike[keyword, re.sub(r"'[^']*'|[-+]?\d[\d.]*", "", rest)].append((frame.name, doubt))
    for members in list(alike.values())[:_MOST_DOUBTS]:
        yield Choice("header", members[0][1], f"so {listed(name for name, _ in members)}")


def _about_taught(plan: NightPlan, *, alone: bool) -> Iterator[Choice]:
    """Say what was taught of headers and meets no frame, and where exposures do not fit the times of frames."""
    for what, why in unmet_words(plan.recipe.words, plan.found):
        yield Choice(UNMET, what, why, certain=not alone)
    said = overlapping_exposures(plan.frames)
    if said:
        reason = "in seconds that cannot be; give its unit, as --card 'exposure=EXPTIME*0.001' does"
        yield Choice(OVERLAPPING, said, reason, certain=False)


def _about_contradictions(plan: NightPlan) -> Iterator[Choice]:
    """Say of which frames a second card, or the file name, says another kind."""
    found: dict[tuple[str, str], list[NightFrame]] = {}
    for frame in plan.frames:
        said = frame.facts.kind_contradicted_by
        if said:
            found.setdefault((frame.kind.value, said.partition(" '")[0]), []).append(frame)
    for (kind, _), frames in found.items():
        first = frames[0].facts
        value = f"{listed(frame.name for frame in frames)} taken as {kind}"
        reason = f"{first.kind_reason}, and {first.kind_contradicted_by} contradicts it: look at them, mend the header"
        yield Choice("kind", value, reason, certain=False)


def _about_nights(plan: NightPlan, selection: Selection) -> Iterator[Choice]:
    counts = Counter(frame.traits.night for frame in plan.frames if frame.traits.night is not None)
    if len(counts) < 2:
        return
    value = f"{len(counts)}: " + listed(f"{night} ({frames_words(counts[night])})" for night in sorted(counts))
    if selection.split.noon_s is None:
        reason = "their headers have the date only, and a night may have two; calibration of the same date comes first"
        yield Choice("nights", value, reason, certain=False)
        return
    minutes = round(selection.split.noon_s / 60) % (24 * 60)
    noon = f"{minutes // 60:02d}:{minutes % 60:02d} UT"
    hours = selection.split.idle_s / 3600
    reason = (
        f"one ends and the next begins at {noon}, amid {hours:.1f} hours in which nothing is exposed on any day; "
        "calibration of the same night comes first"
    )
    yield Choice("nights", value, reason, certain=selection.split.idle_s >= SHORTEST_DAY_S)


def _about_forms(plan: NightPlan) -> Iterator[Choice]:
    """Say where frames of several sorts lie in one folder."""
    own_only = "each is calibrated with its own kind only"
    sizes = Counter(size_words(frame.traits.shape_yx, frame.traits.binning_xy) for frame in plan.frames)
    if len(sizes) > 1:
        yield Choice("sizes", listed(f"{frames_words(n)} of {size}" for size, n in _by_count(sizes)), own_only)
    for sort in dict.fromkeys(sort for frame in plan.frames for sort, _ in frame.traits.settings):
        values, names = Counter[str](), dict[str, str]()
        for traits in (frame.traits for frame in plan.frames):
            for value in (value for each, value in traits.settings if each == sort):
                key = value if sort in traits.case_counts else value.casefold()
                values[names.setdefault(key, value)] += 1
        if len(values) > 1:
            yield Choice(f"{sort}s", listed(f"{value} ({frames_words(n)})" for value, n in _by_count(values)), own_only)


def _about_spellings(plan: NightPlan) -> Iterator[Choice]:
    """Say of names that differ by case only whether they are taken for one."""
    found = Spellings(plan.frames)
    for (sort, _), names in found.two().items():
        reason = "frames of one kind have both: they are told apart by their case"
        yield Choice(sort, f"{' and '.join(names)} are {len(names)}", reason)
    for (sort, _), kinds in found.one().items():
        said = [f"{' and '.join(sorted(kinds[name]))} frames have {name}" for name in sorted(kinds)]
        reason = f"{', '.join(said)}, and no kind has both; if they are not one, calibrate them in folders of their own"
        yield Choice(sort, f"{' and '.join(sorted(kinds))} are taken for one", reason, certain=False)


def _by_count(counts: Counter[str]) -> list[tuple[str, int]]:
    return sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))


def _groups(plan: NightPlan, kind: Kind) -> list[Group]:
    return [group for group in plan.groups if group.kind == kind]


def _lit(plan: NightPlan) -> list[NightFrame]:
    """Return the frames of flats and the like, and what is not combined: all but those that may keep their bias."""
    groups = (group for group in plan.groups if not calibration_kind(group.kind).may_keep_bias)
    return [*(frame for group in groups for frame in group.frames), *plan.science]


def _match(frame: NightFrame, what: Kind) -> Match | None:
    return next((match for match in frame.matches if match.what == what), None)


def _about_bias(plan: NightPlan) -> Iterator[Choice]:
    """Say of the darks whether they keep their bias, and of the other frames what that means."""
    darks = _groups(plan, Kind.DARK)
    for includes_bias in (True, False):
        some = [group for group in darks if group.includes_bias is includes_bias]
        reasons = defaultdict(list)
        for group in some:
            match = _match(group.frames[0], Kind.BIAS)
            reasons["" if match is None else match.reason].append(group.label)
        for reason, labels in reasons.items():
            if includes_bias:
                yield Choice("bias", f"stays in {listed(labels)}", reason, certain="never scaled" not in reason)
            else:
                yield Choice("bias", f"subtracted from {listed(labels)}", reason)
    subtracted = Counter(frame.kind.value for frame in _lit(plan) if frame.steps.bias is not None)
    if subtracted:
        words = ", ".join(frames_words(number, kind) for kind, number in sorted(subtracted.items()))
        yield Choice("bias", f"subtracted from {words}", "no dark that still holds it is subtracted from them")


def _about_scaling(plan: NightPlan) -> Iterator[Choice]:
    """Say which darks are scaled, by how much, for what."""
    labels = {group.name: group.label for group in plan.calibrations}
    scaled: dict[tuple[str, str, bool], list[NightFrame]] = defaultdict(list)
    for frame in _lit(plan):
        if frame.steps.dark is not None and frame.steps.dark_scale is not None:
            scaled[frame.steps.dark, frame.kind.value, frame.steps.dark_scale > 1].append(frame)
    for (dark, kind, up), frames in sorted(scaled.items()):
        scales = sorted(frame.steps.dark_scale or 0.0 for frame in frames)
        low, high = f"{scales[0]:.3g}", f"{scales[-1]:.3g}"
        by = low if low == high else f"{low} to {high}"
        value = f"{labels[dark]} scaled by {by} for {frames_words(len(frames), kind)}"
        exposures = sorted({frame.traits.exposure_s or 0.0 for frame in frames})
        wanted = exposure_words(exposures[0]) + (f" to {exposure_words(exposures[-1])}" if len(exposures) > 1 else "")
        reason = f"no dark of {wanted}" + (" or longer" if up else "")
        reason += " fits as well" if _has_dark_of(plan, exposures, longer=up) else ""
        reason += ": its noise grows by as much" if up else ""
        if any(frame.steps.fits_dark for frame in frames):
            reason += "; what is fitted to the hot pixels of a frame takes its place, where they tell it"
        yield Choice("dark", value, reason, certain=not up)


def _about_temperatures(plan: NightPlan) -> Iterator[Choice]:
    """Say which darks are used for frames of another temperature, because their scale is fitted."""
    groups = {group.name: group for group in plan.calibrations}
    same = plan.recipe.tolerances.same_temperature
    used: dict[tuple[str, str], list[str]] = defaultdict(list)
    for frame in plan.science:
        match = _match(frame, Kind.DARK)
        dark = None if match is None or match.chosen is None else groups[match.chosen]
        own_c = frame.traits.temperature_c
        if dark is None or own_c is None or dark.traits.temperature_c is None or same(dark.traits.temperature_c, own_c):
            continue
        used[dark.label, warmer_words(dark.traits.temperature_c, own_c)].append(frame.name)
    for (label, words), names in sorted(used.items()):
        yield Choice("dark of another temperature", f"{label} for {listed(names)}", words, certain=False)


def _has_dark_of(plan: NightPlan, exposures_s: Sequence[float], *, longer: bool) -> bool:
    """Whether there is a dark of one of these exposures, be it of another temperature or night."""
    known = [group.traits.exposure_s or 0.0 for group in plan.calibrations if group.kind is Kind.DARK]
    same = plan.recipe.tolerances.same_exposure
    return any(same(own_s, each_s) or (longer and own_s > each_s) for own_s in known for each_s in exposures_s)


def _about_other_nights(plan: NightPlan) -> Iterator[Choice]:
    groups = {group.name: group for group in plan.calibrations}
    used: dict[tuple[str, str, int], list[str]] = defaultdict(list)
    for frame in plan.frames:
        for match in frame.matches:
            group = None if match.chosen is None else groups[match.chosen]
            nights = None if group is None else nights_apart(frame.traits, group.traits)
            if group is not None and nights:
                used[match.what, group.label, nights].append(frame.name)
    for (what, label, nights), names in sorted(used.items()):
        reason = f"taken {nights} night{'' if nights == 1 else 's'} away; none of their own night fits"
        yield Choice(f"{what} of another night", f"{label} for {listed(names)}", reason, certain=False)


def _about_missing(plan: NightPlan) -> Iterator[Choice]:
    """Say what is missing, once for all frames that miss it for the same reason."""
    missing: dict[tuple[Kind, str], dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    totals = Counter(frame.kind.value for frame in plan.frames)
    for frame in _lit(plan):
        for match in frame.matches:
            if match.is_missing:
                # where there is not a single one, it may be on purpose
                advice = "" if match.candidates else f"; {calibration_kind(match.what).words.unwanted}"
                missing[match.what, match.reason + advice][frame.kind.value].append(frame.name)
    for (what, reason), by_kind in missing.items():
        whom = [
            f"{len(names)} of {frames_words(totals[kind], kind)} ({listed(names)})" for kind, names in by_kind.items()
        ]
        yield Choice(f"no {what}", f"for {' and '.join(whom)}: {lost_words(what)}", reason, certain=False)


def _about_groups(plan: NightPlan) -> Iterator[Choice]:
    alone = [group.label for group in plan.groups if len(group.frames) == 1]
    if alone:
        reason = "one frame only: as noisy as that frame, and cosmic rays stay in"
        yield Choice("combine", listed(alone), reason, certain=False)
    hot = {job.source: job.name for job in plan.masks if job.what == "hot"}
    lone = [(group.label, hot[group.name]) for group in plan.groups if len(group.frames) == 1 and group.name in hot]
    if lone:
        reason = "of one frame: what cosmic rays hit in it cannot be told from hot pixels, and is masked as HOT"
        labels, masks = zip(*lone, strict=True)
        yield Choice("hot pixels", f"{listed(masks)} of {listed(labels)}", reason, certain=False)
    needed = {name for frame in plan.frames for name in frame_uses(plan, frame)} | {job.source for job in plan.masks}
    idle = [group.label for group in plan.groups if group.name not in needed]
    if idle and plan.science:
        yield Choice("not used", listed(idle), "combined all the same, but no frame needs it")


def _about_loss(plan: NightPlan) -> Iterator[Choice]:
    """Name combined frames that are made of frames which were written with loss."""
    for group in plan.groups:
        lossy = [frame.name for frame in group.frames if frame.layout.quantised]
        if lossy:
            reason = "written with loss, as floats in whole steps (ZQUANTIZ): use the frames that they were made from"
            yield Choice("quantised", f"{listed(lossy)} of {group.label}", reason, certain=False)


def _cards_by_file(plan: NightPlan) -> dict[Path, Cards]:
    return {item.path: item.frame.cards for item in plan.found if item.frame is not None}


def _about_divided(plan: NightPlan) -> Iterator[Choice]:
    """Name cards that nobody knows and whose values divide frames that are combined."""
    cards = _cards_by_file(plan)
    for group in plan.groups:
        headers = [cards[frame.source] for frame in group.frames if frame.source in cards]
        if len(headers) < _FEWEST_DIVIDED:
            continue
        for each in dividing_cards(headers, plan.recipe.words):
            reason = (
                f"a card that is not known divides them: {each.sentence}; if that matters, say "
                f'--card filter={each.keyword}, or [words] settings = {{ name = "{each.keyword}" }}'
            )
            yield Choice(
                f"{group.kind} together", f"{frames_words(len(headers))} of {group.label}", reason, certain=False
            )


def _about_other_light(plan: NightPlan) -> Iterator[Choice]:
    """Name cards that nobody knows and that tell flats from the science frames which are divided by them."""
    cards = _cards_by_file(plan)
    divided: dict[str, list[NightFrame]] = defaultdict(list)
    for frame in plan.science:
        for name in frame_uses(plan, frame):
            divided[name].append(frame)
    for group in plan.groups:
        if not calibration_kind(group.kind).by_filter or group.name not in divided:
            continue
        of_flats, of_science = (
            [cards[frame.source] for frame in frames[:_MOST_HEADERS] if frame.source in cards]
            for frames in (group.frames, divided[group.name])
        )
        parted = parting_cards(of_flats, of_science, plan.recipe.words) if of_flats and of_science else []
        for keyword, flats, science in parted:
            reason = (
                f"a card that is not known is {flats!r} in them and {science!r} in what they divide; if that "
                f'matters, say [words] optics = {{ name = "{keyword}" }}'
            )
            yield Choice(f"{group.kind} of other light", group.label, reason, certain=False)


def _about_noise(plan: NightPlan) -> Iterator[Choice]:
    """Say which gain and read noise the uncertainties rest on."""
    wanting = [frame for frame in plan.science if frame.steps.uncertainty or frame.steps.to_electrons]
    if not wanting:
        return
    known = {
        (frame.steps.gain_e_per_adu, frame.steps.read_noise_e, frame.traits.unit)
        for frame in wanting
        if not frame.recipe.assembles
    }
    yield from _about_amplifiers(wanting)
    asked = plan.recipe.frames.gain_e_per_adu
    for gain, noise, unit in sorted(known, key=str):
        said = ["gain " + ("will be measured" if gain is None else f"{gain:.4g} e-/ADU")]
        said += ["read noise " + ("will be measured" if noise is None else f"{noise:.4g} e-")]
        certain = gain is not None
        reason = "from recipe, camera or header" if certain else "neither recipe nor camera nor header gives it"
        if unit == "electron":
            reason = "headers say that the frames are in electrons, whose gain is 1"
            if asked not in (None, 1.0):
                certain = False
                reason += f", but {asked:g} was asked for; if they are in ADU, mend BUNIT, else leave the gain away"
        yield Choice("noise", ", ".join(said), reason, certain)


def _about_amplifiers(wanting: Sequence[NightFrame]) -> Iterator[Choice]:
    """Say the same of each of several amplifiers; what is not known of one is not measured."""
    for region in dict.fromkeys(each for frame in wanting if frame.recipe.assembles for each in frame.recipe.regions):
        figures = (("gain", region.gain_e_per_adu, "e-/ADU"), ("read noise", region.read_noise_e, "e-"))
        said = [f"{what} not known" if value is None else f"{what} {value:.4g} {unit}" for what, value, unit in figures]
        certain = None not in (region.gain_e_per_adu, region.read_noise_e)
        reason = "as the camera says" if certain else "the camera does not say it; no uncertainty can be made without"
        yield Choice(f"noise of amplifier {region.name}", ", ".join(said), reason, certain)


def _about_copies(selection: Selection) -> Iterator[Choice]:
    pairs: Sequence[tuple[str, str]] = selection.copies
    if pairs:
        value = listed(f"{copy} and {original}" for original, copy in pairs)
        reason = "have one header, letter by letter: if they are one frame, it counts twice; take one away"
        yield Choice("copies", value, reason, certain=False)
