"""The verdict on a night: what a person reads first, and the few numbers that sum it up."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from zeroframe.frames.numbers import number, percent
from zeroframe.headers.kinds import Kind, calibration_kinds
from zeroframe.planning.decisions import listed
from zeroframe.planning.grouping import files_of_detectors, frames_words
from zeroframe.report.data import KeyFigure, PageVerdict, Remark
from zeroframe.report.sections.darks import dark_current, gain_of
from zeroframe.report.sections.group import done_words, only_group, only_remarks, plural
from zeroframe.report.sections.reading import figure_words, series, unit_words
from zeroframe.report.sections.remarks import noise_remarks, some_remarks

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from zeroframe.planning.first_steps import Choice
    from zeroframe.report.data import Tone
    from zeroframe.report.sections.reading import NightView
    from zeroframe.report.sections.science import LightFigures
    from zeroframe.review import Severity

__all__ = ["night_figures", "night_verdict"]


def night_verdict(view: NightView, lights: Mapping[str, LightFigures], decisions: Sequence[Choice]) -> PageVerdict:
    """Say first what went wrong, then what is to be looked at, then what speaks for the result.

    The verdict and what it rests on are the findings of the run: the page judges nothing itself.

    Parameters
    ----------
    view : NightView
        The night.
    lights : mapping of str to LightFigures
        Of the science frames.
    decisions : sequence of Choice
        Those of a single group are said with the verdict.

    Returns
    -------
    Verdict
    """
    review, only = view.result.review, only_group(view)
    done = _what_was_done(view) if only is None else done_words(view, only)
    kinds: dict[tuple[Severity, str], list[str]] = {}
    for each in review.findings:
        kinds.setdefault((each.severity, each.code), []).append(f"{view.short(each.sentence)} ({each.code})")
    told = [some_remarks(said, _TONES[severity], "below") for (severity, _), said in kinds.items()]
    remarks, more = (
        tuple(remark for some in part for remark in some) for part in (told[:_MOST_FINDINGS], told[_MOST_FINDINGS:])
    )
    for_it = (*_what_speaks_for_it(view, lights), *([] if only is None else only_remarks(only, decisions)))
    verdict = review.verdict
    return PageVerdict(verdict.tone, f"{verdict.headline.rstrip('.')}: {done}.", (*remarks, *for_it), more)


#: How a finding is shown.
_TONES: dict[Severity, Tone] = {"error": "bad", "warning": "note", "note": "neutral"}
#: Kinds of findings that are not folded, as many as on the screen.
_MOST_FINDINGS = 3


def _what_was_done(view: NightView) -> str:
    lights, short = view.science, _short(view)
    there = sum(each.outcome.is_there for each in lights)
    asked = len(lights) + view.refused_lights
    combined = sum(each.combined.is_there for each in view.result.groups)
    made = f"; {combined} combined frame{'' if combined == 1 else 's'} made" if view.plan.groups else ""
    if not lights:
        count = len(view.result.done)
        return f"{frames_words(count)} calibrated{made}"
    kind = "science" if all(each.frame.kind is Kind.SCIENCE for each in lights) else ""
    said = frames_words(there, kind) if there == asked else f"{there} of {frames_words(asked, kind)}"
    said += files_of_detectors([each.frame for each in lights])
    steps = Counter(use.kind.value for each in lights if each.outcome.is_there for use in each.frame.steps.uses)
    lacks = "" if not short else ", not in full" if short == there else f", {short} of them not in full"
    whole = [row.kind.value for row in calibration_kinds() if there and steps[row.kind] == there]
    return f"{said} calibrated{' with ' + series(whole) if whole else ''}{lacks}{made}"


def _what_speaks_for_it(view: NightView, lights: Mapping[str, LightFigures]) -> list[Remark]:
    found: list[Remark] = []
    ratios = [one.noise_ratio for one in lights.values() if math.isfinite(one.noise_ratio)]
    if ratios:
        low, high = min(ratios), max(ratios)
        ends = " to ".join(dict.fromkeys(figure_words(end) for end in (low, high)))
        text = f"The noise of the science frames is {ends} times the uncertainty that stands in the files."
        found.append(Remark(text, "good" if max(abs(low - 1), abs(high - 1)) <= 0.15 else "neutral"))
    for each in view.groups_of(Kind.BIAS)[:1]:
        unit = unit_words(each.group.frames[0])
        told = noise_remarks(each.combined, each.combined.noise, unit, f"combined {each.group.label}")
        found += [remark for remark in told if remark.tone == "good"]
    return found


def night_figures(view: NightView, lights: Mapping[str, LightFigures]) -> tuple[KeyFigure, ...]:
    """Sum up the night in a handful of numbers."""
    return tuple(
        _marked(figure, view)
        for figure in (
            _science_figure(view),
            _combined_figure(view),
            _read_noise_figure(view),
            _dark_figure(view),
            _hot_figure(view),
            _flat_figure(view),
            _noise_figure(lights),
        )
        if figure is not None
    )


#: Findings that speak of one of the numbers, by its label.
_FINDINGS_OF = {
    "read noise (one frame)": ("ZF307", "ZF402", "ZF601", "ZF602"),
    "dark current": ("ZF301", "ZF304", "ZF308", "ZF310"),
    "hot pixels": ("ZF406", "ZF410"),
    "level of the flats": ("ZF302", "ZF305", "ZF411", "ZF412"),
    "noise / stated uncertainty": ("ZF403",),
}


def _marked(figure: KeyFigure, view: NightView) -> KeyFigure:
    """Mark a number by the worst finding that speaks of it."""
    codes = _FINDINGS_OF.get(figure.label, ())
    worst = next((each for each in view.result.review.findings if each.code in codes), None)
    if worst is None or worst.severity == "note":
        return figure
    tone: Tone = "bad" if worst.severity == "error" else "note"
    return replace(figure, tone=tone, note=f"{figure.note}; see {worst.code}" if figure.note else f"see {worst.code}")


def _science_figure(view: NightView) -> KeyFigure | None:
    lights = view.science
    total = len(lights) + view.refused_lights
    if not total:
        return None
    failed, short = total - sum(each.outcome.is_there for each in lights), _short(view)
    files = files_of_detectors([each.frame for each in lights]).strip()
    told = [f"{failed} failed"] if failed else []
    told += [f"{short} {'lacks' if short == 1 else 'lack'} something"] if short else []
    return KeyFigure(
        "science frames",
        str(total),
        ", ".join([*([files] if files else []), *(told or ["all calibrated"])]),
        "bad" if told else "good",
    )


def _short(view: NightView) -> int:
    """Count the science frames that are there, and lack something."""
    lacking = {each.name for each in view.plan.incomplete}
    return sum(each.outcome.is_there and (each.frame.name in lacking or bool(each.lost)) for each in view.science)


def _combined_figure(view: NightView) -> KeyFigure | None:
    if not view.result.groups:
        return None
    there = [each for each in view.result.groups if each.combined.is_there]
    counts = Counter(each.group.kind.value for each in there)
    said = ", ".join(f"{n} {kind if n == 1 else plural(kind)}" for kind, n in counts.items())
    missing = len(view.result.groups) - len(there)
    note = f"{said}; {missing} not made" if missing else said
    return KeyFigure("combined frames", str(len(there)), note, "bad" if missing else "good")


def _read_noise_figure(view: NightView) -> KeyFigure | None:
    for each in (each for row in calibration_kinds() if row.tells_noise for each in view.groups_of(row.kind)):
        noise = each.combined.noise
        if noise is not None and noise.calibrated is not None:
            gain, unit = gain_of(view, each.group), unit_words(each.group.frames[0])
            note = f"on pairs of {each.group.label}" if gain is None else f"{number(noise.calibrated * gain, 3)} e⁻"
            return KeyFigure("read noise (one frame)", f"{figure_words(noise.calibrated)} {unit}", note)
    return None


def _dark_figure(view: NightView) -> KeyFigure | None:
    """Return the dark current of the darks that tell it best: the longest."""
    darks = sorted(view.groups_of(Kind.DARK), key=lambda each: -(each.group.traits.exposure_s or 0.0))
    for each in darks:
        current = dark_current(view, each.group)
        if current is not None:
            return KeyFigure("dark current", current.words(), f"from {each.group.label}")
    return None


def _hot_figure(view: NightView) -> KeyFigure | None:
    masks = [mask for mask in view.result.masks if mask.job.what == "hot" and mask.pixels]
    if not masks:
        return None
    mask = max(masks, key=lambda each: each.count)
    note = f"{percent(mask.count / mask.pixels)} of them, in {view.label(mask.job.source)}"
    return KeyFigure("hot pixels", f"{mask.count:,}", note)


def _flat_figure(view: NightView) -> KeyFigure | None:
    levels = {each.group.label: view.levels_of(each.group) for each in view.groups_of(Kind.FLAT)}
    means = [float(np.mean(some)) for some in levels.values() if some]
    if not means:
        return None
    groups = view.groups_of(Kind.FLAT)
    value = " to ".join(dict.fromkeys(f"{float(f'{mean:.3g}'):,.0f}" for mean in (min(means), max(means))))
    note = listed(dict.fromkeys(each.group.traits.filter_name or "no filter" for each in groups))
    return KeyFigure("level of the flats", f"{value} {unit_words(groups[0].group.frames[0])}", note)


def _noise_figure(lights: Mapping[str, LightFigures]) -> KeyFigure | None:
    ratios = sorted(one.noise_ratio for one in lights.values() if math.isfinite(one.noise_ratio))
    if not ratios:
        return None
    middle = ratios[len(ratios) // 2]
    tone: Tone = "note" if abs(middle - 1) > 0.15 else "good"
    return KeyFigure("noise / stated uncertainty", figure_words(middle), "of the science frames; 1 is right", tone)
