"""What a person sees of a night in the terminal."""

from __future__ import annotations

import math
import os
from collections import Counter
from typing import TYPE_CHECKING

from rich.markup import escape
from rich.table import Table

from zeroframe.cli.console import (
    Screen,
    combined_rows,
    figure_text,
    harmless,
    megabytes,
    noise_rows,
    plural,
    result_table,
    size_text,
    would_stop,
)
from zeroframe.headers.kinds import calibration_kind, calibration_kinds
from zeroframe.planning.decisions import listed

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from zeroframe.frames.raw import FrameOutcome
    from zeroframe.frames.steps import Use
    from zeroframe.planning.plan import Group, NightFrame, NightPlan
    from zeroframe.planning.words import Branch
    from zeroframe.run.outcomes import GroupOutcome, NightOutcome, NightResult
    from zeroframe.run.status import NightStatuses

__all__ = ["NightScreen", "only_group"]

#: The plan of ``--dry-run`` names all.
_MOST_IGNORED = 5
_MOST_FRAMES = 40
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
        said = ", ".join(f"{number} {kind}" for kind, number in kinds.items()) or "no frame that can be used"
        left = f"; {len(plan.ignored)} left alone ({_kinds_left(plan)})" if plan.ignored else ""
        self.line(f"{said}{left}", f"found in {plan.raw}", "bold")
        if only_group(plan) is not None and not plan.science:
            self._out.print(_frames_table(plan.frames))
        reasons: dict[str, list[str]] = {}
        for each in plan.ignored:
            reasons.setdefault(each.reason, []).append(each.path.relative_to(plan.raw).as_posix())
        for reason, names in list(reasons.items())[:_MOST_IGNORED]:
            self.line(f"{listed(names)}: {reason}", "left alone", "dim")

    def night_tree(self, plan: NightPlan, statuses: NightStatuses) -> None:
        """Show as a tree what a run would do."""
        words = {word: word for word in ("make", "keep", "replace", "refuse")}
        words |= {} if plan.overwrite else {"replace": "refuse"}
        if only_group(plan) is not None and not plan.science:
            for line in _standing_lines(plan, statuses, words):
                self._out.print(line, soft_wrap=True)
        else:
            from zeroframe.planning.words import plan_tree

            for line in _tree_lines(plan_tree(plan)):
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
        only = only_group(plan)
        if only is None:
            self._out.print(_groups_table(plan, result))
        else:
            self._clipping(result.all_groups[0].combined)
            self._out.print(_group_table(plan, result, only))
        if plan.science:
            self._out.print(_science_table(plan, result))
        self.findings(result.review)

    def _kept(self, result: NightResult) -> None:
        """Say what was there already."""
        combined = sum(each.combined.state == "skipped" for each in result.groups)
        masks = sum(each.state == "skipped" for each in result.masks)
        parts = ((len(result.skipped), "calibrated frame"), (combined, "combined frame"), (masks, "mask"))
        words = [plural(number, what) for number, what in parts if number]
        if words:
            said = " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)
            self.line(f"{said}, made in the same way of the same frames and unchanged since", "kept", "cyan")


def _kinds_left(plan: NightPlan) -> str:
    """Count the files that are left alone by what they are."""
    facts = {item.path: item.facts for item in plan.found}
    kinds = Counter[str]()
    for each in plan.ignored:
        known = facts.get(each.path)
        kinds["of unknown kind" if known is None or known.kind is None else known.kind.value] += 1
    return ", ".join(f"{number} {kind}" for kind, number in sorted(kinds.items()))


def only_group(plan: NightPlan) -> Group | None:
    """Return the group of a plan that has a single one; its figures have room for a table of their own."""
    groups = (*plan.groups, *plan.uncombined)
    return groups[0] if len(groups) == 1 and not plan.masks else None


def _frames_table(frames: Sequence[NightFrame]) -> Table:
    """Show the frames of a group, and how it is known what they are."""
    kind = frames[0].kind.value if frames else ""
    table = Table(title=f"{plural(len(frames), f'{kind} frame')} found", title_justify="left", title_style="bold")
    for name in ("file", f"is a {kind} by"):
        table.add_column(name, overflow="fold")
    for name in ("exposure s", "size x, y"):
        table.add_column(name, justify="right", no_wrap=True)
    for frame in frames[:_MOST_FRAMES]:
        exposure = frame.facts.exposure_s
        reason = frame.facts.kind_reason.replace(f" '{frame.source.name}'", "")
        shown = (escape(harmless(frame.name)), escape(harmless(reason)), "–" if exposure is None else f"{exposure:g}")
        table.add_row(*shown, size_text(frame.layout.shape_yx))
    if len(frames) > _MOST_FRAMES:
        table.add_row(f"… and {len(frames) - _MOST_FRAMES} more", "", "", "")
    return table


def _standing_lines(plan: NightPlan, statuses: NightStatuses, words: Mapping[str, str]) -> Iterator[str]:
    """Yield a line for each result of a group: whether it would be made, kept or replaced, and why."""
    styles = {"make": "green", "keep": "dim", "replace": "yellow" if plan.overwrite else "red", "refuse": "red"}
    yield escape(harmless(f"{plan.out}{os.sep}"))
    told = [(statuses.frames[frame.name], f"of {frame.name}") for frame in plan.frames]
    told += [(statuses.groups[group.name], f"of {plural(len(group.frames), 'frame')}") for group in plan.groups]
    for status, source in told:
        text = f"{status.target.name} ({source}): {status.reason}"
        yield f"├── [{styles[status.verdict]}]{words[status.verdict]:7}[/] {escape(harmless(text))}"
    for refused in plan.refused:
        yield f"├── [red]failed [/] {escape(harmless(str(refused.problem)))}"


def _group_table(plan: NightPlan, result: NightResult, group: Group) -> Table:
    """Show the figures of a group that is the only one."""
    table = result_table(f"Result in {plan.out}")
    names = {frame.name for frame in group.frames}
    frames = [each for each in result.frames if each.frame.name in names]
    done = [each.outcome for each in frames if each.outcome.is_there]
    table.add_row("frames in, done", f"{len(frames) + len(result.refused)}, {len(done)}")
    if done:
        check = result.check
        table.add_row("files out, read back", str(check.files))
        table.add_row("size x, y", ", ".join(size_text(shape) for shape in check.shapes_yx))
        table.add_row("type", ", ".join(check.dtypes))
        table.add_row("MB in", megabytes(sum(outcome.bytes_in for outcome in done)))
        table.add_row("MB out", megabytes(check.byte_count))
        _level_rows(table, group, done)
    outcome = result.all_groups[0].combined if result.all_groups else None
    if outcome is not None and outcome.is_there:
        combined_rows(table, outcome)
    if outcome is not None and outcome.noise is not None:
        noise_rows(table, outcome.noise, outcome, "read noise" if calibration_kind(group.kind).is_zero else "noise")
    return table


def _level_rows(table: Table, group: Group, done: Sequence[FrameOutcome]) -> None:
    levels = [outcome.raw_level_adu for outcome in done]
    if not any(math.isfinite(level) for level in levels):
        return  # frames that were kept have not been measured again
    table.add_row(f"{group.kind.value} level, ADU", figure_text(sum(levels) / len(levels)))
    table.add_row("… lowest, highest frame", f"{figure_text(min(levels))}, {figure_text(max(levels))}")
    first = group.frames[0]
    less = ["its overscan"] if first.recipe.subtracts_overscan else []
    less += [use.kind.value for use in first.steps.uses if not use.divides]
    if less:
        after = [outcome.level_adu for outcome in done]
        table.add_row(f"… less {' and '.join(less)}", f"{figure_text(min(after))}, {figure_text(max(after))}")


def _tree_lines(branch: Branch, before: str = "", below: str = "") -> Iterator[str]:
    """Yield the lines of a tree, each as long as it is: Rich's own tree cuts them off at the edge of the screen."""
    yield f"{before}[{_STYLES[branch.mood]}]{escape(harmless(branch.text))}[/]"
    for number, one in enumerate(branch.branches, start=1):
        hangs, goes_on = ("└── ", "    ") if number == len(branch.branches) else ("├── ", "│   ")
        yield from _tree_lines(one, below + hangs, below + goes_on)


def _groups_table(plan: NightPlan, result: NightResult) -> Table:
    """Show the combined frames and the masks."""
    table = Table(title=escape(harmless(f"Combined in {plan.out}")), title_justify="left", title_style="bold")
    table.add_column("file", overflow="fold")
    for name in ("frames", "level ADU", "noise ADU", "expected", "gain e-/ADU"):
        table.add_column(name, justify="right", no_wrap=True)
    for each in result.groups:
        combined = each.combined
        level = float(each.said.get("FLATLEVL", combined.level))
        row = [f"{level:.2f}" if level == level else "–"]
        row += ["–" if value is None else f"{value:.3f}" for value in _noises(each)]
        gain = each.said.get("GAINMEAS")
        shown = str(combined.frames) if combined.is_there else "failed"
        table.add_row(escape(harmless(each.group.name)), shown, *row, "–" if gain is None else f"{gain:.3f}")
    for mask in result.masks:
        share = f"{mask.count} pixels masked" if mask.pixels else mask.state
        table.add_row(escape(harmless(mask.job.name)), share)
    return table


def _noises(each: GroupOutcome) -> tuple[float | None, float | None]:
    noise = each.combined.noise
    return (None, None) if noise is None else (noise.combined, noise.expected)


def _science_table(plan: NightPlan, result: NightResult) -> Table:
    """Show the science frames."""
    table = Table(title=escape(harmless(f"Calibrated in {plan.out}")), title_justify="left", title_style="bold")
    kinds = [row.kind for row in calibration_kinds()]
    for name in ("file", *kinds):
        table.add_column(name, overflow="fold")
    for name in ("level", "unit", "noise of the sky", "masked"):
        table.add_column(name, justify="right", no_wrap=True)
    science = {frame.name for frame in plan.science}
    for each in result.frames:
        if each.frame.name not in science:
            continue
        steps, outcome = each.frame.steps, each.outcome
        used = [_used_words(steps.of(kind)) for kind in kinds]
        figures = [outcome.state] if not outcome.is_there else _figures(each)
        name = each.frame.target.relative_to(plan.out).as_posix()
        table.add_row(*(escape(harmless(text)) for text in (name, *used)), *figures)
    return table


def _used_words(use: Use | None) -> str:
    """Return which combined frame was used, and what it was multiplied by."""
    if use is None:
        return "–"
    return use.name + ("" if use.scale is None else f" x {use.scale:.3g}")


def _figures(each: NightOutcome) -> list[str]:
    quality = each.outcome.quality
    if quality is None:
        return ["–"]
    masked = each.said.get("NMASKED", 0)
    return [f"{quality.level_adu:.2f}", str(each.said.get("BUNIT", "")), f"{quality.noise_adu:.2f}", str(masked)]
