"""What a person sees of a night in the terminal."""

from __future__ import annotations

import math
import os
from collections import Counter
from typing import TYPE_CHECKING

from rich.markup import escape

from zeroframe.cli.console import (
    Screen,
    combined_rows,
    counted,
    figure_text,
    megabytes,
    noise_rows,
    size_text,
    would_stop,
)
from zeroframe.cli.fitting import Column, Names, wrapped
from zeroframe.errors import said_together
from zeroframe.headers.kinds import calibration_kind, calibration_kinds
from zeroframe.html import visible
from zeroframe.planning.decisions import listed

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from zeroframe.frames.raw import FrameOutcome
    from zeroframe.frames.steps import Use
    from zeroframe.planning.plan import Group, NightFrame, NightPlan
    from zeroframe.planning.words import Branch
    from zeroframe.run.outcomes import GroupOutcome, NightOutcome, NightResult
    from zeroframe.run.status import NightStatuses

    _Table = tuple[str, Sequence[Column], Sequence[Sequence[str]]]

__all__ = ["NightScreen", "single_group"]

#: The plan of ``--dry-run`` names all.
_MOST_IGNORED = 5
_MOST_FRAMES = 40
#: Names of combined frames that take more than this part of the screen are shortened.
_NAME_PART, _LEAST_NAME = 5, 20
_STYLES = {"plain": "default", "good": "green", "doubtful": "yellow", "bad": "red", "faint": "dim"}


class NightScreen(Screen):
    """Results go to standard output, progress to standard error; progress is shown only on a terminal."""

    def sentences(self, said: Sequence[str]) -> None:
        """Print sentences, one a line."""
        for sentence in said:
            self.line(sentence)

    def night_found(self, plan: NightPlan) -> None:
        """Say in a line what the night consists of; of a single group, how its frames are known."""
        kinds = Counter(frame.kind.value for frame in plan.frames)
        said = _joined(_counted(number, kind) for kind, number in kinds.items()) or "no frame that can be used"
        left = f"; {len(plan.ignored)} left alone ({_kinds_left(plan)})" if plan.ignored else ""
        self.line(f"Found {said} in {plan.raw}{left}")
        if single_group(plan) is not None and not plan.science:
            self.table(*_frames_table(plan.frames))
        reasons: dict[str, list[str]] = {}
        for each in plan.ignored:
            reasons.setdefault(each.reason, []).append(each.path.relative_to(plan.raw).as_posix())
        for reason, names in list(reasons.items())[:_MOST_IGNORED]:
            self.line(f"{listed(names)}: {reason}", "left alone", "dim")

    def night_tree(self, plan: NightPlan, statuses: NightStatuses) -> None:
        """Show as a tree what a run would do."""
        words = {word: word for word in ("make", "keep", "replace", "refuse")}
        words |= {} if plan.overwrite else {"replace": "refuse"}
        if single_group(plan) is not None and not plan.science:
            for line in _standing_lines(plan, statuses, words, self.width):
                self._out.print(line, soft_wrap=True)
        else:
            from zeroframe.planning.words import plan_tree

            for line in _tree_lines(plan_tree(plan), self.width):
                self._out.print(line, soft_wrap=True)
            for status in statuses.refused:
                goes = plan.overwrite and status.verdict == "replace"
                word = ("would be replaced", "yellow") if goes else ("in the way", "red")
                self.line(f"{status.target}: {status.reason}", *word)
        counts = Counter(words[status.verdict] for status in statuses.all)
        said = ", ".join(f"{number} to {word}" for word, number in counts.items())
        advice = would_stop(statuses.all) if counts["refuse"] else ""
        self.line(f"Nothing was written: {said}{advice}.")

    def night_result(self, plan: NightPlan, result: NightResult) -> None:
        """Close with what came out, against what went in."""
        self._kept(result)
        only = single_group(plan)
        if only is None:
            names = self._names(result)
            self.table(*_groups_table(plan, result, names), legend=names.legend)
        else:
            names = Names((), None)
            self._clipping(result.all_groups[0].combined)
            self.result(f"Result in {plan.out}", _group_rows(result, only))
        if plan.science:
            self.table(*_science_table(plan, result, names))
        self.findings(result.review)

    def _names(self, result: NightResult) -> Names:
        """Shorten the names of combined frames and masks where the screen has no room for them."""
        named = [(each.group.name, each.group.kind.value[0].upper()) for each in result.groups]
        named += [(mask.job.name, "M") for mask in result.masks]
        return Names(named, None if self.width is None else max(self.width // _NAME_PART, _LEAST_NAME))

    def _kept(self, result: NightResult) -> None:
        """Say what was there already."""
        combined = sum(each.combined.state == "skipped" for each in result.groups)
        masks = sum(each.state == "skipped" for each in result.masks)
        calibrated = len(result.skipped)
        if calibrated and combined:
            frames = [f"{calibrated} calibrated and {counted(combined, 'combined frame')}"]
        else:
            parts = ((calibrated, "calibrated frame"), (combined, "combined frame"))
            frames = [counted(number, what) for number, what in parts if number]
        words = [*frames, *([counted(masks, "mask")] if masks else [])]
        if words:
            self.line(", ".join(words), "Up to date", "cyan")


#: How more than one frame of a kind are called.
_MANY = {"bias": "biases", "dark": "darks", "flat": "flats", "science": "science frames", "arc": "arcs"}


def _counted(number: int, kind: str) -> str:
    """Say how many frames of a kind there are."""
    one = kind if kind in {"bias", "dark", "flat", "arc"} else f"{kind} frame"
    return f"{number} {one if number == 1 else _MANY.get(kind, f'{kind} frames')}"


def _joined(words: Iterable[str]) -> str:
    """Join words by commas, and the last one by *and*."""
    *first, last = list(words) or [""]
    return f"{', '.join(first)} and {last}" if first else last


def _kinds_left(plan: NightPlan) -> str:
    """Count the files that are left alone by what they are."""
    facts = {item.path: item.facts for item in plan.found}
    kinds = Counter[str]()
    for each in plan.ignored:
        known = facts.get(each.path)
        kinds["of unknown kind" if known is None or known.kind is None else known.kind.value] += 1
    return ", ".join(f"{number} {kind}" for kind, number in sorted(kinds.items()))


def single_group(plan: NightPlan) -> Group | None:
    """Return the group of a plan that has a single one; its figures have room for a table of their own."""
    groups = (*plan.groups, *plan.uncombined)
    return groups[0] if len(groups) == 1 and not plan.masks else None


def _frames_table(frames: Sequence[NightFrame]) -> _Table:
    """Show the frames of a group, and how it is known what they are."""
    kind = frames[0].kind.value if frames else ""
    columns = (
        Column("file"),
        Column(f"is a {kind} by", goes=1),
        Column("exposure s", is_number=True, goes=3),
        Column("size x, y", is_number=True, goes=2),
    )
    rows = []
    for frame in frames[:_MOST_FRAMES]:
        exposure = frame.facts.exposure_s
        reason = frame.facts.kind_reason.replace(f" '{frame.source.name}'", "")
        shown = "–" if exposure is None else f"{exposure:g}"
        rows.append((frame.name, reason, shown, size_text(frame.layout.shape_yx)))
    if len(frames) > _MOST_FRAMES:
        rows.append((f"… and {len(frames) - _MOST_FRAMES} more", "", "", ""))
    return f"{counted(len(frames), f'{kind} frame')} found", columns, rows


def _standing_lines(
    plan: NightPlan, statuses: NightStatuses, words: Mapping[str, str], width: int | None
) -> Iterator[str]:
    """Yield a line for each result of a group: whether it would be made, kept or replaced, and why."""
    styles = {"make": "green", "keep": "dim", "replace": "yellow" if plan.overwrite else "red", "refuse": "red"}
    yield from map(escape, wrapped(visible(f"{plan.out}{os.sep}"), width))
    told = [(statuses.frames[frame.name], f"of {frame.name}") for frame in plan.frames]
    told += [(statuses.groups[group.name], f"of {counted(len(group.frames), 'frame')}") for group in plan.groups]
    for status, source in told:
        text = f"{status.target.name} ({source}): {status.reason}"
        yield from _hung(words[status.verdict], styles[status.verdict], text, width)
    for said in said_together(refused.problem for refused in plan.refused):
        yield from _hung("failed", "red", said, width)


def _hung(word: str, style: str, text: str, width: int | None) -> Iterator[str]:
    """Yield the lines of one branch: a word in colour, and a text."""
    before = f"├── {word:7} "
    first, *rest = wrapped(visible(" ".join(text.split())), width, before, "│   ")
    yield f"├── [{style}]{word:7}[/] {escape(first[len(before) :])}"
    yield from map(escape, rest)


def _group_rows(result: NightResult, group: Group) -> list[tuple[str, str]]:
    """Say the figures of a group that is the only one."""
    names = {frame.name for frame in group.frames}
    frames = [each for each in result.frames if each.frame.name in names]
    done = [each.outcome for each in frames if each.outcome.is_there]
    rows = [("frames in, done", f"{len(frames) + len(result.refused)}, {len(done)}")]
    if done:
        check = result.check
        rows += [
            ("files out, read back", str(check.files)),
            ("size x, y", ", ".join(size_text(shape) for shape in check.shapes_yx)),
            ("type", ", ".join(check.dtypes)),
            ("MB in", megabytes(sum(outcome.bytes_in for outcome in done))),
            ("MB out", megabytes(check.byte_count)),
            *_level_rows(group, done),
        ]
    outcome = result.all_groups[0].combined if result.all_groups else None
    if outcome is not None and outcome.is_there:
        rows += combined_rows(outcome)
    if outcome is not None and outcome.noise is not None:
        what = "read noise" if calibration_kind(group.kind).is_zero else "noise"
        rows += noise_rows(outcome.noise, outcome, what)
    return rows


def _level_rows(group: Group, done: Sequence[FrameOutcome]) -> list[tuple[str, str]]:
    levels = [outcome.raw_level_adu for outcome in done]
    if not any(math.isfinite(level) for level in levels):
        return []  # frames that were kept have not been measured again
    rows = [
        (f"{group.kind.value} level, ADU", figure_text(sum(levels) / len(levels))),
        ("… lowest, highest frame", f"{figure_text(min(levels))}, {figure_text(max(levels))}"),
    ]
    first = group.frames[0]
    less = ["its overscan"] if first.recipe.subtracts_overscan else []
    less += [use.kind.value for use in first.steps.uses if not use.divides]
    if less:
        after = [outcome.level_adu for outcome in done]
        rows.append((f"… less {' and '.join(less)}", f"{figure_text(min(after))}, {figure_text(max(after))}"))
    return rows


def _tree_lines(branch: Branch, width: int | None, before: str = "", below: str = "") -> Iterator[str]:
    """Yield the lines of a tree: Rich's own tree cuts them off at the edge of the screen."""
    style, last = _STYLES[branch.mood], len(branch.branches)
    first, *rest = wrapped(visible(branch.text), width, before, below + ("│   " if last else "  "))
    yield f"{escape(before)}[{style}]{escape(first[len(before) :])}[/]"
    yield from (f"[{style}]{escape(line)}[/]" for line in rest)
    for number, one in enumerate(branch.branches, start=1):
        hangs, goes_on = ("└── ", "    ") if number == last else ("├── ", "│   ")
        yield from _tree_lines(one, width, below + hangs, below + goes_on)


def _groups_table(plan: NightPlan, result: NightResult, names: Names) -> _Table:
    """Show the combined frames and the masks."""
    heads = (("frames", 3), ("level ADU", 0), ("noise ADU", 0), ("expected", 1), ("gain e-/ADU", 2))
    columns = (Column("file"), *(Column(name, is_number=True, goes=goes) for name, goes in heads))
    rows = []
    for each in result.groups:
        combined = each.combined
        level = float(each.said.get("FLATLEVL", combined.level))
        row = [f"{level:.2f}" if level == level else "–"]
        row += ["–" if value is None else f"{value:.3f}" for value in _noises(each)]
        gain = each.said.get("GAINMEAS")
        shown = str(combined.frames) if combined.is_there else "failed"
        rows.append((names.short(each.group.name), shown, *row, "–" if gain is None else f"{gain:.3f}"))
    for mask in result.masks:
        share = f"{mask.count} masked" if mask.pixels else mask.state
        rows.append((names.short(mask.job.name), "", share, "", "", ""))
    return f"Combined in {plan.out}", columns, rows


def _noises(each: GroupOutcome) -> tuple[float | None, float | None]:
    noise = each.combined.noise
    return (None, None) if noise is None else (noise.combined, noise.expected)


def _science_table(plan: NightPlan, result: NightResult, names: Names) -> _Table:
    """Show the science frames."""
    kinds = [row.kind for row in calibration_kinds()]
    columns = (
        Column("file"),
        *(Column(kind, goes=3) for kind in kinds),
        Column("level", is_number=True),
        Column("unit", is_number=True, goes=2),
        Column("noise of the sky", is_number=True, goes=4),
        Column("masked", is_number=True, goes=1),
    )
    science, rows = {frame.name for frame in plan.science}, []
    for each in result.frames:
        if each.frame.name not in science:
            continue
        steps, outcome = each.frame.steps, each.outcome
        fitted = {"dark": each.said.get("DARKSCAL")}
        used = [_used_words(steps.of(kind), names, fitted.get(kind)) for kind in kinds]
        figures = [outcome.state] if not outcome.is_there else _figures(each)
        figures += [""] * (4 - len(figures))
        name = each.frame.target.relative_to(plan.out).as_posix()
        rows.append((name, *used, *figures))
    return f"Calibrated in {plan.out}", columns, rows


def _used_words(use: Use | None, names: Names, fitted: object = None) -> str:
    """Return which combined frame was used, and what it was multiplied by: by its exposure, or by what was fitted."""
    if use is None:
        return "–"
    if isinstance(fitted, float):
        return f"{names.short(use.name)} x {fitted:.3g}, fitted"
    return names.short(use.name) + ("" if use.scale is None else f" x {use.scale:.3g}")


def _figures(each: NightOutcome) -> list[str]:
    quality = each.outcome.quality
    if quality is None:
        return ["–"]
    masked = each.said.get("NMASKED", 0)
    return [f"{quality.level_adu:.2f}", str(each.said.get("BUNIT", "")), f"{quality.noise_adu:.2f}", str(masked)]
