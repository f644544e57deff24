"""What a person sees of a night in the terminal."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from rich.markup import escape
from rich.table import Table

from zeroframe.night.telling import listed
from zeroframe.night.words import Branch, plan_tree
from zeroframe.screen import Screen, harmless, would_stop

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from zeroframe.night.jobs import NightPlan
    from zeroframe.night.results import GroupOutcome, NightOutcome, NightResult
    from zeroframe.night.standing import NightStandings

__all__ = ["NightScreen"]

#: The plan of ``--dry-run`` names all.
_MOST_IGNORED = 5
_STYLES = {"plain": "default", "good": "green", "doubtful": "yellow", "bad": "red", "faint": "dim"}


class NightScreen(Screen):
    """Results go to standard output, progress to standard error; progress is shown only on a terminal."""

    def sentences(self, said: Sequence[str]) -> None:
        """Print sentences, one a line."""
        for sentence in said:
            self.line(sentence)

    def night_found(self, plan: NightPlan) -> None:
        """Say in a line what the night consists of."""
        kinds = Counter(frame.kind.value for frame in plan.frames)
        said = ", ".join(f"{number} {kind}" for kind, number in kinds.items()) or "no frame that can be used"
        left = f"; {len(plan.ignored)} left alone" if plan.ignored else ""
        self.line(f"{said}{left}", f"found in {plan.raw}", "bold")
        for each in plan.ignored[:_MOST_IGNORED]:
            self.line(f"{each.path.relative_to(plan.raw).as_posix()}: {each.reason}", "left alone", "dim")

    def night_tree(self, plan: NightPlan, standings: NightStandings) -> None:
        """Show as a tree what a run would do."""
        for line in _tree_lines(plan_tree(plan)):
            self._out.print(line, soft_wrap=True)
        for standing in standings.refused:
            goes = plan.overwrite and standing.verdict == "replace"
            word = ("would be replaced", "yellow") if goes else ("in the way", "red")
            self.line(f"{standing.target}: {standing.reason}", *word)
        counts = Counter(standing.verdict for standing in standings.all)
        counts["refuse"] += 0 if plan.overwrite else counts.pop("replace", 0)
        said = ", ".join(f"{number} to {verdict}" for verdict, number in counts.items() if number)
        advice = would_stop(standings.all) if counts["refuse"] else ""
        self.line(f"Nothing was written: {said}{advice}.")

    def night_result(self, plan: NightPlan, result: NightResult) -> None:
        """Close with what came out, against what went in."""
        for reason in result.failed:
            self.line(reason, "failed", "red")
        for each in result.frames:
            if each.outcome.state == "left out":
                self.line(each.outcome.reason, "left out", "yellow")
            elif each.lost and each.outcome.is_there:
                self.line(f"{each.frame.name}: without its {' and '.join(each.lost)}", "incomplete", "red")
        self._notes(result)
        for group in result.groups:
            self._group_remarks(group)
        for problem in result.check.problems:
            self.line(problem, "read back", "red")
        self._kept(result)
        self._out.print(_groups_table(plan, result))
        if plan.science:
            self._out.print(_science_table(plan, result))
        self._verdict(result.is_good)

    def _notes(self, result: NightResult) -> None:
        """Say what was doubtful of frames that are done, once for all of which it holds."""
        names: dict[str, list[str]] = {}
        for each in result.frames:
            if each.outcome.state == "done" and each.outcome.reason:
                names.setdefault(each.outcome.reason, []).append(each.frame.name)
        for reason, of in names.items():
            self.line(f"{listed(of)}: {reason}", "note", "yellow")

    def _group_remarks(self, group: GroupOutcome) -> None:
        for text in group.combined.left_out:
            self.line(text, "left out", "red")
        for flag in group.suspects:
            self.line(f"{flag.path}: {flag.sentence}", "does not belong", "bold red")

    def _kept(self, result: NightResult) -> None:
        """Say what was there already."""
        combined = sum(each.combined.state == "skipped" for each in result.groups)
        masks = sum(each.state == "skipped" for each in result.masks)
        parts = ((len(result.skipped), "calibrated"), (combined, "combined"), (masks, "mask"))
        words = [f"{number} {what}" for number, what in parts if number]
        if words:
            self.line(f"{', '.join(words)}: made in the same way of the same frames, unchanged since", "kept", "cyan")


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
    for name in ("file", "bias", "dark", "flat"):
        table.add_column(name, overflow="fold")
    for name in ("level", "unit", "noise of the sky", "masked"):
        table.add_column(name, justify="right", no_wrap=True)
    science = {frame.name for frame in plan.science}
    for each in result.frames:
        if each.frame.name not in science:
            continue
        steps, outcome = each.frame.steps, each.outcome
        scale = "" if steps.dark_scale is None else f" x {steps.dark_scale:.3g}"
        used = [steps.bias or "–", f"{steps.dark}{scale}" if steps.dark else "–", steps.flat or "–"]
        figures = [outcome.state] if not outcome.is_there else _figures(each)
        name = each.frame.target.relative_to(plan.out).as_posix()
        table.add_row(*(escape(harmless(text)) for text in (name, *used)), *figures)
    return table


def _figures(each: NightOutcome) -> list[str]:
    quality = each.outcome.quality
    if quality is None:
        return ["–"]
    masked = each.said.get("NMASKED", 0)
    return [f"{quality.level_adu:.2f}", str(each.said.get("BUNIT", "")), f"{quality.noise_adu:.2f}", str(masked)]
