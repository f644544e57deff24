"""What the page says of a plan with a single group, in its title, its headline and its figures."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from zeroframe.frames.numbers import number, percent
from zeroframe.headers.kinds import kind_row
from zeroframe.report.data import KeyFigure, Remark
from zeroframe.report.sections.reading import series, unit_words
from zeroframe.report.sections.remarks import TOO_NOISY, noise_and_ideal, rejected_remark, rejected_share

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from zeroframe.planning.first_steps import Choice
    from zeroframe.planning.plan import NightPlan
    from zeroframe.report.data import Tone
    from zeroframe.report.sections.reading import NightView
    from zeroframe.run.outcomes import GroupOutcome

__all__ = ["done_words", "group_figures", "only_group", "only_remarks", "plural", "title_words"]


def only_group(view: NightView) -> GroupOutcome | None:
    """Return the group of a run that has no other, and no science frames."""
    groups = view.result.all_groups
    return groups[0] if len(groups) == 1 and not view.plan.science else None


def title_words(plan: NightPlan) -> str:
    """Return the title of the page: what was done to what."""
    kinds = list(dict.fromkeys(group.kind.value for group in (*plan.groups, *plan.uncombined)))
    if plan.science or not kinds:
        return "A night calibrated"
    names = series([plural(kind) for kind in kinds])
    return f"{names[:1].upper()}{names[1:]} calibrated" + (" and combined" if plan.groups else "")


def plural(kind: str) -> str:
    """Return what several frames of a kind are called."""
    row = kind_row(kind)
    return f"{kind}s" if row is None else row.words.plural


def done_words(view: NightView, only: GroupOutcome) -> str:
    """Return what was done, for the headline."""
    total = len(view.result.frames) + len(view.result.refused)
    done, kind = len(view.result.done), only.group.kind.value
    what = kind if total == 1 else plural(kind)
    said = f"{total} {what}" if done == total else f"{done} of {total} {what}"
    return f"{said} calibrated" + (" and combined" if only.combined.is_there else "")


def only_remarks(only: GroupOutcome, decisions: Sequence[Choice]) -> list[Remark]:
    """Say what was decided on the overscan, a guess aside, and how much was rejected."""
    told = [
        Remark(f"Overscan {decision.value}: {decision.reason}.")
        for decision in decisions
        if decision.what == "overscan" and decision.certain
    ]
    rejected = rejected_remark(only.combined)
    return told[:1] + ([] if rejected is None else [rejected])


def group_figures(view: NightView, only: GroupOutcome) -> tuple[KeyFigure, ...]:
    """Sum up the run in a handful of numbers."""
    return tuple(_figures(view, only))


def _figures(view: NightView, only: GroupOutcome) -> Iterator[KeyFigure]:
    unit, combined = unit_words(only.group.frames[0]), only.combined
    yield _frames_figure(view)
    levels = [each.outcome.raw_level_adu for each in view.frames_of(only.group) if each.outcome.is_there]
    levels = [level for level in levels if math.isfinite(level)]
    if levels:
        value = f"{number(sum(levels) / len(levels))} {unit}"
        yield KeyFigure(f"{only.group.kind.value} level", value, f"{number(min(levels))} to {number(max(levels))}")
    noise = combined.noise
    if noise is not None and noise.single is not None:
        yield KeyFigure("read noise", f"{number(noise.single, 3)} {unit}", "of one frame")
    found = noise_and_ideal(combined, noise)
    if found is not None:
        tone: Tone = "note" if found[0] > (1 + TOO_NOISY) * found[1] else "good"
        note = f"σ/√{combined.frames} is {number(found[1], 3)}"
        yield KeyFigure("noise, combined", f"{number(found[0], 3)} {unit}", note, tone)
    if noise is not None and noise.pattern is not None and found is not None:
        yield KeyFigure("fixed pattern", f"{number(noise.pattern, 2)} {unit}", "of the combined frame")
    rejected = rejected_share(combined)
    if rejected is not None:
        note = "of all values" if rejected[1] is None else f"by chance {percent(rejected[1])}"
        yield KeyFigure("rejected", percent(rejected[0]), note)


def _frames_figure(view: NightView) -> KeyFigure:
    result = view.result
    failed = len(result.refused) + len(result.failed_frames)
    told = [f"{failed} failed"] if failed else []
    told += [f"{len(result.skipped)} were there already"] if result.skipped else []
    total = len(result.frames) + len(result.refused)
    return KeyFigure("frames", str(total), ", ".join(told) or "all done", "bad" if failed else "good")
