"""The night at a glance: when what was exposed, what became of it, and which frames lack something."""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import date
from typing import TYPE_CHECKING

from zeroframe.headers.kinds import Kind, calibration_kind
from zeroframe.planning.decisions import listed, lost_words
from zeroframe.planning.grouping import exposure_words, filter_of, frames_words
from zeroframe.planning.traits import moment_of
from zeroframe.planning.uses import frame_uses
from zeroframe.report.data import Bar, Column, Lane, PageSection, Remark, Table, TableRow, Timeline
from zeroframe.report.sections.reading import series

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from zeroframe.planning.plan import Group, NightFrame
    from zeroframe.planning.traits import Moment
    from zeroframe.report.sections.reading import NightView
    from zeroframe.run.outcomes import NightOutcome

__all__ = ["clock_words", "glance_section", "missing_rows", "moments_of"]

_STYLES = {Kind.BIAS: 4, Kind.DARK: 0, Kind.FLAT: 1, Kind.SCIENCE: 2}
_OTHER_STYLE = 3
_MOST_LANES, _MOST_NIGHTS, _MOST_ROWS = 14, 4, 40
#: Ticks for bars would be too many for the page beyond this.
_MOST_BARS = 1500


def glance_section(view: NightView, moments: dict[Path, Moment]) -> PageSection:
    """Return the first section of a night's page.

    Parameters
    ----------
    view : NightView
        The night.
    moments : dict of path to Moment
        When raw files were begun, as far as that is known.
    """
    timelines, unseen = _timelines(view, moments)
    remarks = [Remark(unseen)] if unseen else []
    tables = [_overview(view)]
    rows = missing_rows(view)
    if rows:
        more = len(rows) - _MOST_ROWS
        hint = f"{more} more are not listed here; run.json has them all." if more > 0 else ""
        columns = (Column("file"), Column("lacks"), Column("why", is_long=True))
        tables.append(Table("Frames that lack something", columns, tuple(rows[:_MOST_ROWS]), hint))
    return PageSection("The night at a glance", remarks=tuple(remarks), timelines=timelines, tables=tuple(tables))


def clock_words(moment: Moment | None) -> str:
    """Return when a frame was begun; nothing where only its date is known.

    Examples
    --------
    >>> from datetime import date
    >>> from zeroframe.planning.traits import Moment
    >>> clock_words(Moment(date(2016, 1, 16), 9720.0)), clock_words(None)
    ('2016-01-16 02:42 UT', '')
    """
    if moment is None or moment.seconds is None:
        return ""
    minutes = int(moment.seconds // 60)
    return f"{moment.day.isoformat()} {minutes // 60:02d}:{minutes % 60:02d} UT"


def moments_of(view: NightView) -> dict[Path, Moment]:
    """Return when the frames of a night were begun, by raw file, as far as their headers say it."""
    told = ((item.path, moment_of(item)) for item in view.plan.found)
    return {path: moment for path, moment in told if moment is not None}


def _sorts(view: NightView) -> Iterator[tuple[str, int, list[NightFrame]]]:
    """Yield frames of one sort, with its name and colour: as they are combined, and science by filter."""
    for group in (*view.plan.groups, *view.plan.uncombined):
        yield group.label, _STYLES.get(group.kind, _OTHER_STYLE), list(group.frames)
    by_filter: dict[tuple[Kind, str | None], list[NightFrame]] = defaultdict(list)
    for frame in view.plan.science:
        by_filter[frame.kind, filter_of(frame.traits)].append(frame)
    for (kind, _), frames in by_filter.items():
        words = [kind.value] + ([frames[0].traits.filter_name] if frames[0].traits.filter_name else [])
        yield " ".join(words), _STYLES.get(kind, _OTHER_STYLE), frames


def _timelines(view: NightView, moments: dict[Path, Moment]) -> tuple[tuple[Timeline, ...], str]:
    """Return a timeline a night, and what of it is not shown."""
    by_night: dict[str, list[tuple[str, int, NightFrame]]] = defaultdict(list)
    timeless = 0
    for label, style, frames in _sorts(view):
        for frame in frames:
            moment = moments.get(frame.source)
            if moment is None or moment.seconds is None or frame.traits.night is None:
                timeless += 1
            else:
                by_night[frame.traits.night].append((label, style, frame))
    shown = sorted(by_night)[:_MOST_NIGHTS]
    unseen = [f"{frames_words(timeless)} without a time of day {'is' if timeless == 1 else 'are'} not on the timeline"]
    unseen = unseen if timeless and shown else []
    if len(by_night) > len(shown):
        unseen.append(f"of {len(by_night)} nights, the first {len(shown)} are drawn")
    lines = [_timeline(night, by_night[night], moments) for night in shown]
    return tuple(lines), "; ".join(unseen)[:1].upper() + "; ".join(unseen)[1:] + "." * bool(unseen)


def _timeline(night: str, frames: Sequence[tuple[str, int, NightFrame]], moments: dict[Path, Moment]) -> Timeline:
    evening = date.fromisoformat(night)
    many = len({label for label, _, _ in frames}) > _MOST_LANES
    lanes: dict[str, tuple[int, list[Bar]]] = {}
    for label, style, frame in frames[:_MOST_BARS]:
        moment = moments[frame.source]
        start_h = 24.0 * (moment.day - evening).days + (moment.seconds or 0.0) / 3600.0
        exposure = frame.traits.exposure_s
        words = f"{frame.name}, {exposure_words(exposure)}, {clock_words(moment)}"
        _, bars = lanes.setdefault(frame.kind.value if many else label, (style, []))
        bars.append(Bar(start_h, (exposure or 0.0) / 3600.0, words))
    counts = Counter(frame.kind.value for _, _, frame in frames)
    said = ", ".join(f"{number} {kind}" for kind, number in counts.items())
    left = f" The first {_MOST_BARS} frames." if len(frames) > _MOST_BARS else ""
    return Timeline(
        f"Night of {night}",
        f"When {frames_words(len(frames))} were exposed in the night of {night}: {said}",
        tuple(Lane(f"{label} ({len(bars)})", style, tuple(bars)) for label, (style, bars) in lanes.items()),
        f"Universal time; the width of a bar is its exposure.{left}",
    )


def _overview(view: NightView) -> Table:
    """Return what there is and what became of it: a line a combined frame, and one a sort of science frames."""
    columns = (
        *(Column("what"), Column("frames", figure=True), Column("exposure", figure=True)),
        *(Column("became", is_long=True), Column("used for", is_long=True)),
    )
    uses = _uses(view)
    groups = (*view.plan.groups, *view.plan.uncombined)
    rows = [_group_row(view, group, series(uses[group.name]) or "–") for group in groups]
    for label, _, frames in list(_sorts(view))[len(groups) :]:
        ends = [view.frames[frame.name] for frame in frames if frame.name in view.frames]
        there = [each for each in ends if each.outcome.is_there]
        good = sum(each.is_good for each in ends)
        became = "calibrated" if len(there) == len(frames) else f"{len(there)} of {len(frames)} calibrated"
        rows.append(
            TableRow(
                (label, str(len(frames)), _exposures(frames), became, _used_words(view, there)),
                "neutral" if good == len(frames) else "bad",
            )
        )
    if view.plan.refused:
        rows.append(TableRow(("refused", str(len(view.plan.refused)), "–", "not planned", "–"), "bad"))
    if view.plan.ignored:
        reasons = Counter(each.reason for each in view.plan.ignored)
        said = listed(f"{number} × {reason}" if number > 1 else reason for reason, number in reasons.most_common())
        rows.append(TableRow(("left alone", str(len(view.plan.ignored)), "–", said, "–")))
    return Table("What there is, and what became of it", columns, tuple(rows))


def _group_row(view: NightView, group: Group, used: str) -> TableRow:
    outcome = view.groups.get(group.name)
    combined = None if outcome is None else outcome.combined
    if combined is not None and combined.state == "not asked for":
        became, tone = "calibrated, not combined", "neutral"
    elif combined is None or not combined.is_there:
        became, tone = "not made", "bad"
    else:
        became = group.name if combined.frames == len(group.frames) else f"{group.name}, of {combined.frames} of them"
        tone = "neutral" if combined.frames == len(group.frames) else "note"
    exposures = "–" if calibration_kind(group.kind).is_zero else _exposures(group.frames)
    cells = (group.label, str(len(group.frames)), exposures, became, used)
    return TableRow(cells, "bad" if tone == "bad" else "note" if tone == "note" else "neutral")


def _exposures(frames: Sequence[NightFrame]) -> str:
    seconds = sorted({frame.traits.exposure_s for frame in frames if frame.traits.exposure_s is not None})
    ends = dict.fromkeys(exposure_words(each) for each in (seconds[:1] + seconds[-1:]))
    return " to ".join(ends) or "–"


def _uses(view: NightView) -> dict[str, list[str]]:
    """Say of each combined frame what it was used for, by the steps that were carried out."""
    steps: dict[str, Counter[str]] = defaultdict(Counter)
    noise: dict[str, Counter[str]] = defaultdict(Counter)
    masked: Counter[str] = Counter()
    for each in view.result.frames:
        frame = each.frame
        if not each.outcome.is_there:
            continue
        for name in frame_uses(view.plan, frame):
            (steps if name in frame.steps.needs else noise)[name][frame.kind.value] += 1
        masked.update(frame.steps.masks)
    said: dict[str, list[str]] = defaultdict(list)
    for name, counts in steps.items():
        said[name] += [frames_words(number, kind) for kind, number in counts.items()]
    for name, counts in noise.items():
        said[name].append("the noise of " + series([frames_words(number, kind) for kind, number in counts.items()]))
    for name, mask in view.masks.items():
        if masked[mask.job.name]:
            said[name].append(f"the {mask.job.what} pixels of {frames_words(masked[mask.job.name])}")
    return said


def _used_words(view: NightView, frames: Sequence[NightOutcome]) -> str:
    """Say with what frames were calibrated, the most usual way first."""
    ways = Counter(
        " · ".join(view.label(use.name) for use in each.frame.steps.uses) or "nothing but overscan and trim"
        for each in frames
    )
    usual = ways.most_common(3)
    if len(ways) == 1:
        return f"with {usual[0][0]}"
    said = "; ".join(f"{number} with {way}" for way, number in usual)
    more = len(ways) - len(usual)
    return f"{said}; {more} more {'way' if more == 1 else 'ways'}" if more else said or "–"


def missing_rows(view: NightView) -> list[TableRow]:
    """Return what is not there, or was calibrated without something that it ought to have: a row for each reason."""
    lacking = {each.name: each for each in view.plan.incomplete}
    found: dict[tuple[str, str], list[str]] = defaultdict(list)
    for refused in view.plan.refused:
        found["everything", view.short(str(refused.problem))].append(view.name(refused.path))
    for each in view.result.frames:
        name, outcome = each.frame.name, each.outcome
        if outcome.state == "failed":
            found["everything", view.short(outcome.reason)].append(name)
            continue
        if each.lost:
            why = "; ".join(f"no {step}: it could not be made, so {lost_words(step)}" for step in each.lost)
            found[series(each.lost), why].append(name)
        if name in lacking:
            found[series(lacking[name].missing), lacking[name].reason].append(name)
    return [TableRow((listed(names), what, why), "bad") for (what, why), names in found.items()]
