"""What a run comes to: its figures, what happened in it, and what both mean."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from zeroframe.fits.timeline import spanned
from zeroframe.frames.calibration_frames import BLIND_CARD
from zeroframe.headers.kind_words import unknown_word
from zeroframe.headers.kinds import Kind, is_calibration
from zeroframe.planning.decisions import listed
from zeroframe.planning.no_exposure import EXPOSURE_NOT_KNOWN
from zeroframe.planning.select import CALIBRATED_ALREADY, COMBINED_ALREADY
from zeroframe.planning.stored_words import stored_in_use
from zeroframe.planning.taught import OVERLAPPING, UNMET
from zeroframe.review import Incident, NightFigures, Review, by_severity, review_night
from zeroframe.run.dark_parts import frames_without_light
from zeroframe.run.earlier import earlier_nights, held_against
from zeroframe.run.figures import figures_of_run
from zeroframe.run.ghosts import ghosts_of_night
from zeroframe.run.left_over import LEFT_OVER

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from zeroframe.planning.plan import NightPlan
    from zeroframe.review import Finding
    from zeroframe.run.outcomes import NightOutcome, NightResult

__all__ = ["review_of"]

#: From this part of all files on it is said that they take no part.
_MOST_LEFT_ALONE = 0.5
#: Cards of the direction in which a program writes rows and columns, and what it means that they are not there.
_DIRECTION_CARDS = {"ROWORDER": "TOP-DOWN", "FLIPSTAT": "NONE"}
#: Decisions that say what an incident of its own says.
_SAID_ELSEWHERE = frozenset(("no bias", "no dark", "no flat"))
#: What to do where an exposure is not known.
_NAME_THE_CARD = "say which card holds it, as by --card exposure=EXPMS*0.001"

#: Decisions that have a code of their own.
_CODES = {UNMET: "ZF507", OVERLAPPING: "ZF508"}


@spanned("review")
def review_of(
    plan: NightPlan,
    result: NightResult,
    kept: Mapping[str, Mapping[str, float]],
    *,
    earlier: Mapping[str, Mapping[str, float]] | None = None,
    known_findings: tuple[Finding, ...] | None = None,
    carried: tuple[Finding, ...] = (),
    stale: tuple[Incident, ...] = (),
) -> Review:
    """Return the figures of a run, and the findings on it.

    Parameters
    ----------
    plan : NightPlan
        What was to be done.
    result : NightResult
        What was done.
    kept : mapping of str to mapping
        Figures of earlier runs, by the name of the result: those of what was kept.
    earlier : mapping of str to mapping, optional
        Those of all that the last run made: what is made anew is held against them where there are no other nights.
    known_findings : tuple of Finding, optional
        Of a run that has kept everything, those of the run that made it: pixels are not looked at again.
    carried : tuple of Finding
        Those of an earlier run on results that were not read again; what is found anew takes their place.
    stale : tuple of Incident
        Of results of earlier runs that are not of the frames that there are.
    """
    nights = earlier_nights(plan)
    subjects = []
    for each in figures_of_run(result, plan.out):
        more = dict(kept.get(each.name, {})) if each.state in {"skipped", "left out"} else {}
        if each.what == "combined" and each.state == "done":
            more = held_against(each, nights or [earlier or {}])
        subjects.append(replace(each, figures={**each.figures, **more}))
    if known_findings is not None:
        of_stale = review_night(NightFigures((), stale), plan.recipe.findings.severities)
        others = [each for each in known_findings if each.code != LEFT_OVER]
        return Review(NightFigures(tuple(subjects)), by_severity([*others, *of_stale]))
    night = NightFigures(tuple(subjects), (*_incidents(plan, result), *stale))
    findings = review_night(night, plan.recipe.findings.severities)
    anew = {(each.code, each.frames) for each in findings}
    still = [each for each in carried if (each.code, each.frames) not in anew and each.code != LEFT_OVER]
    return Review(night, by_severity([*findings, *still]) if still else findings)


def _incidents(plan: NightPlan, result: NightResult) -> Iterator[Incident]:
    yield from _not_made(result)
    yield from _lacking(plan, result)
    for each in result.all_groups:
        yield from (
            Incident("ZF106", f"{each.group.label}: {text}", (each.group.name,)) for text in each.combined.left_out
        )
        for flag in each.suspects:
            yield Incident("ZF202", f"{flag.path}: {flag.sentence}", (flag.path.name,))
    for problem in result.check.problems:
        yield Incident("ZF107", problem)
    for problem in result.products_lacking:
        yield Incident("ZF108", problem)
    for one in result.frames:
        if one.outcome.state == "left out":
            yield Incident("ZF205" if _unread(one) else "ZF203", one.outcome.reason, (one.frame.name,))
    yield from frames_without_light(result.frames)
    yield from ghosts_of_night(result.frames)
    yield from _remarks(result)
    yield from _left_alone(plan)
    yield from _directions(plan)
    yield from _pedestals(plan)
    yield from _stored(plan)
    for choice in plan.choices:
        if not choice.certain and choice.what not in _SAID_ELSEWHERE:
            yield Incident(_CODES.get(choice.what, "ZF201"), f"{choice.what}: {choice.value} — {choice.reason}")


def _directions(plan: NightPlan) -> Iterator[Incident]:
    """Yield that some frames of a size say to be written in another direction than others of it."""
    for word, unsaid in _DIRECTION_CARDS.items():
        said: dict[tuple[object, ...], dict[str, list[str]]] = {}
        for each in plan.found:
            if each.frame is None or each.facts is None or each.facts.kind is None:
                continue
            cards = each.frame.cards
            value = str(cards.get(word, unsaid)).strip().upper() or unsaid
            size = (cards.get("NAXIS1"), cards.get("NAXIS2"), cards.get("INSTRUME"))
            said.setdefault(size, {}).setdefault(value, []).append(each.path.name)
        for values in said.values():
            if len(values) > 1:
                few = min(values, key=lambda value: len(values[value]))
                others = " or ".join(repr(value) for value in values if value != few)
                text = f"{listed(values[few])}: {word} = {few!r}, where the other frames have {others}"
                yield Incident("ZF607", text, tuple(values[few]))


def _pedestals(plan: NightPlan) -> Iterator[Incident]:
    """Yield that a constant was added to some frames that others of their size do not have."""
    no_overscan = {each.source for each in plan.frames if not each.recipe.subtracts_overscan}
    said: dict[tuple[object, ...], dict[float, list[str]]] = {}
    for each in plan.found:
        if each.frame is None or each.path not in no_overscan:
            continue
        cards = each.frame.cards
        value = cards.get("PEDESTAL", 0)
        if isinstance(value, int | float) and not isinstance(value, bool):
            size = (cards.get("NAXIS1"), cards.get("NAXIS2"), cards.get("INSTRUME"))
            said.setdefault(size, {}).setdefault(float(value), []).append(each.path.name)
    for values in said.values():
        if len(values) > 1:
            few = min(values, key=lambda value: len(values[value]))
            others = " or ".join(f"{value:g}" for value in sorted(values) if value != few)
            text = f"{listed(values[few])}: PEDESTAL = {few:g}, where the other frames have {others}: so much is to be"
            yield Incident("ZF609", f"{text} added for zero to be zero, and was not", tuple(values[few]))


def _unknown_words(plan: NightPlan) -> dict[str, list[str]]:
    """Return frames that are left alone because nobody knows the word that says what they are, by card and word."""
    facts = {each.path: each.facts for each in plan.found}
    words: dict[str, list[str]] = {}
    for each in plan.ignored:
        known = facts.get(each.path)
        rule = None if known is None or known.kind is not None else unknown_word(known.kind_reason)
        if rule is not None:
            words.setdefault(rule, []).append(each.path.name)
    return words


def _left_alone(plan: NightPlan) -> Iterator[Incident]:
    """Yield what lies in the raw folder and takes no part."""
    made = [each.path.name for each in plan.ignored if each.reason in (COMBINED_ALREADY, CALIBRATED_ALREADY)]
    if made:
        said = f"{listed(made)}: reduced before, by the header, and left alone; nothing is done twice"
        combined = any(each.reason == COMBINED_ALREADY for each in plan.ignored)
        said += "; to use combined ones, name their folder with --calibrations" if combined else ""
        yield Incident("ZF502", said, tuple(made))
    if plan.recipe.steps.kinds and len(plan.ignored) > _MOST_LEFT_ALONE * len(plan.found):
        names = tuple(each.path.name for each in plan.ignored)
        said = f"{len(names)} of {len(plan.found)} files were left alone: {listed(names)}"
        yield Incident("ZF503", said, names)
    for rule, names_of_word in _unknown_words(plan).items():
        card, _, word = rule.partition("=")
        said = f"{listed(names_of_word)}: {card} = {word!r} is not known as a kind of frame, and they are left alone"
        said += f"; say what it is, as by --kind 'flat={rule}'"
        yield Incident("ZF509", said, tuple(names_of_word))

    unknown = _of_unknown_exposure(plan)
    if unknown:
        said = f"{listed(unknown)}: called dark, but {EXPOSURE_NOT_KNOWN}, and left alone; {_NAME_THE_CARD}"
        yield Incident("ZF510", said, tuple(unknown))


def _of_unknown_exposure(plan: NightPlan) -> list[str]:
    """Return the darks that are left alone because nobody knows which frames they are for."""
    return [each.path.name for each in plan.ignored if each.reason.endswith(EXPOSURE_NOT_KNOWN)]


def _stored(plan: NightPlan) -> Iterator[Incident]:
    """Yield what is doubtful of combined frames that exist already."""
    for group in stored_in_use(plan):
        if group.stored is None:
            continue
        yield from (Incident("ZF504", f"{group.name}: {doubt}", (group.name,)) for doubt in group.stored.doubts)
        if group.stored.uncertainty == "absent":
            said = f"{group.name}: no errors are known of it, and the uncertainties leave them out"
            yield Incident("ZF505", said, (group.name,))


def _not_made(result: NightResult) -> Iterator[Incident]:
    yield from (Incident("ZF101", reason) for reason in result.refused)
    for each in result.frames:
        if each.outcome.state == "failed":
            yield Incident("ZF101", each.outcome.reason, (each.frame.name,))
    yield from (Incident("ZF102", reason) for reason in result.failed_groups)
    yield from (Incident("ZF103", mask.reason, (mask.job.name,)) for mask in result.masks if not mask.is_there)


def _lacking(plan: NightPlan, result: NightResult) -> Iterator[Incident]:
    """Yield what frames lack, once for all of which the same is true."""
    alone = {each.path for each in plan.ignored}
    # one that was left alone is no night without darks
    has_darks = any(each.group.kind is Kind.DARK for each in result.groups) or any(
        each.path in alone and each.facts is not None and each.facts.kind is Kind.DARK for each in plan.found
    )
    lacking: dict[tuple[tuple[str, ...], str], list[str]] = {}
    for each in result.incomplete:
        lacking.setdefault((each.missing, each.reason), []).append(each.name)
    for (missing, reason), names in lacking.items():
        said = reason if reason.startswith("no ") else f"without {' and '.join(missing)}, {reason}"
        if "there is no" in reason and (words := _unknown_words(plan)):
            rule, unknown = next(iter(words.items()))
            said += f", unless {listed(unknown)} are: --kind '{missing[-1]}={rule}'"
        if "there is no dark" in reason and (darks := _of_unknown_exposure(plan)):
            said += f"; the exposure of {listed(darks)}, called dark, is not known: {_NAME_THE_CARD}"
        code = "ZF105" if missing == ("dark",) and not has_darks else "ZF104"
        yield Incident(code, f"{listed(names)}: {said}", tuple(names))
    lost: dict[tuple[str, ...], list[str]] = {}
    for one in result.frames:
        if one.lost and one.outcome.is_there:
            lost.setdefault(one.lost, []).append(one.frame.name)
    for steps, names in lost.items():
        yield Incident(
            "ZF104", f"{listed(names)}: without its {' and '.join(steps)}, which could not be made", tuple(names)
        )


def _remarks(result: NightResult) -> Iterator[Incident]:
    """Yield what was doubtful of frames that are done, once for all of which it holds."""
    names: dict[tuple[str, str], list[str]] = {}
    for each in result.frames:
        # of a frame that is kept, too: it is as doubtful as it was when it was made
        if each.outcome.state in {"done", "skipped"} and each.outcome.remark:
            code = "ZF205" if _unread(each) and not is_calibration(each.frame.kind) else "ZF204"
            code = "ZF206" if each.said.get(BLIND_CARD) else code
            names.setdefault((code, each.outcome.remark), []).append(each.frame.name)
    for (code, reason), of in names.items():
        yield Incident(code, f"{listed(of)}: {reason}", tuple(of))


def _unread(one: NightOutcome) -> bool:
    """Whether pixels of a frame were never read."""
    return bool(one.said.get("NUNREAD"))
