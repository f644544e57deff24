"""What a person sees of many nights in the terminal."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from rich.markup import escape

from zeroframe.cli.console_night import NightScreen
from zeroframe.cli.fitting import Column, wrapped
from zeroframe.cli.options import INCOMPLETE, OK, REFUSED, UNFORESEEN
from zeroframe.planning.calendar import UNDATED
from zeroframe.planning.decisions import listed
from zeroframe.planning.grouping import frames_words
from zeroframe.planning.nights import BORROWED
from zeroframe.records import dataclass

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from rich.console import Console

    from zeroframe.planning.calendar import Calendar, Night
    from zeroframe.planning.plan import NightPlan
    from zeroframe.run.outcomes import NightResult

__all__ = ["NightSummary", "NightsScreen"]

_WORDS = {
    OK: ("well", "green"),
    INCOMPLETE: ("problems", "red"),
    REFUSED: ("refused", "bold red"),
    UNFORESEEN: ("an unexpected error", "bold red"),
}


@dataclass(frozen=True, slots=True)
class NightSummary:
    """What the summary says of one night.

    Attributes
    ----------
    night : str
        Its name.
    code : int
        Its exit code.
    frames, science : int
        How many frames were calibrated or were there already, and how many of them are not combined.
    kept : int
        How many of them were there already.
    incomplete, failed : int
        How many lack a bias, dark or flat, and how many things could not be made.
    borrowed : str
        What was borrowed from which nights, in words.
    seconds : float
        How long it took.
    problem : str
        Why nothing was done.
    warned : bool
        Whether something is to be looked at, though all was made.
    """

    night: str
    code: int
    frames: int = 0
    science: int = 0
    kept: int = 0
    incomplete: int = 0
    failed: int = 0
    borrowed: str = ""
    seconds: float = 0.0
    problem: str = ""
    warned: bool = False

    @classmethod
    def of_failure(cls, night: Night, problem: str, code: int) -> NightSummary:
        """Tell of a night that was not carried out to its end."""
        return cls(night.name, code, failed=night.wanted, problem=problem)

    @classmethod
    def of_night(
        cls, night: Night, plan: NightPlan, result: NightResult | None, code: int, seconds: float
    ) -> NightSummary:
        """Tell how a night ended, or what would be done."""
        borrowed = _borrowed_words(plan)
        if result is None:
            science = len(plan.science)
            counts = (len(plan.frames), science, 0, len(plan.incomplete), len(plan.refused))
            return cls(night.name, code, *counts, borrowed=borrowed, seconds=seconds)
        names = {frame.name for frame in plan.science}
        science = sum(each.frame.name in names for each in result.done)
        lost = sum(bool(each.lost) for each in result.done)
        counts = (len(result.done), science, len(result.skipped), len(result.incomplete) + lost, len(result.failed))
        warned = code == OK and result.review.verdict.tone != "good"
        return cls(night.name, code, *counts, borrowed=borrowed, seconds=seconds, warned=warned)


def _borrowed_words(plan: NightPlan) -> str:
    """Say what a night has borrowed: ``flat from 2026-11-18``."""
    found: dict[str, set[str]] = defaultdict(set)
    for group in plan.groups:
        within = group.frames[0].target.relative_to(plan.out).parts
        if within[0] == BORROWED:
            found[group.kind.value].add(within[1])
    lent = [group for group in plan.stored if group.stored is not None and group.stored.lent_by]
    for group in lent:
        # what a night has borrowed itself, it lends on
        parts = group.name.split("/")
        nights = {parts[2]} if len(parts) > 2 and parts[1] == BORROWED else {group.traits.night or parts[0]}
        found[group.kind.value] |= nights
    return "; ".join(f"{kind} from {listed(sorted(nights))}" for kind, nights in sorted(found.items()))


def _verdict(each: NightSummary, *, dry_run: bool) -> tuple[str, str]:
    """Say how a night ended, and in which colour; of a dry run, how it would end as far as headers tell."""
    if each.warned:
        return "to look at", "yellow"
    if not dry_run or each.code != OK:
        return _WORDS[each.code]
    return ("would lack something", "yellow") if each.incomplete or each.failed else ("can begin", "green")


class NightsScreen(NightScreen):
    """One night after the other, and a summary."""

    @property
    def console(self) -> Console:
        """Where results are said."""
        return self._out

    @property
    def bars_console(self) -> Console:
        """Where progress is shown."""
        return self._err

    def calendar(self, calendar: Calendar, raw: Path) -> None:
        """Say which nights there are."""
        names = [night.name for night in calendar.nights if night.name != UNDATED]
        span = f": {names[0]} to {names[-1]}" if len(names) > 1 else ""
        number = len(calendar.nights)
        frames = frames_words(sum(night.wanted for night in calendar.nights))
        said = f"{number} night{'' if number == 1 else 's'}{span}, {frames}"
        self.line(f"Found {said} in {raw}")
        if calendar.noon_s is not None and not calendar.certain:
            minutes = round(calendar.noon_s / 60) % (24 * 60)
            noon = f"{minutes // 60:02d}:{minutes % 60:02d} UT"
            said = f"divided at {noon}, about which least is exposed; at every hour of the day something was exposed"
            self.line(said, "nights", "yellow")
        for night in calendar.nights:
            if night.name == UNDATED:
                words = f"{frames_words(night.wanted)}: no header says when, nor do others in the same folder"
                self.line(f"{words}; they are taken for one night that borrows nothing", UNDATED, "yellow")
        if calendar.idle:
            self.line(
                f"{listed(night.name for night in calendar.idle)}: no frame of a kind that is wanted",
                "left alone",
                "dim",
            )

    def night_begins(self, night: Night, number: str) -> None:
        """Begin the lines of a night."""
        self._out.print(f"\n[bold]{escape(night.name)}[/] ({number})")

    def night_failed(self, night: Night, error: Exception) -> None:
        """Say why a night was not carried out."""
        for line in str(error).splitlines():
            self.line(line.strip(), night.name, "red")

    def summary(self, told: Sequence[NightSummary], out: Path, *, dry_run: bool) -> None:
        """Close with a line for each night, and a verdict."""
        title = f"Nights that would go to {out}" if dry_run else f"Nights in {out}"
        self._out.print()
        heads = (("frames", 0), ("science", 2), ("kept", 4), ("incomplete", 3), ("failed", 1))
        columns = (
            Column("night"),
            *(Column(name, is_number=True, goes=goes) for name, goes in heads),
            Column("borrowed", goes=5),
            Column("seconds", is_number=True, goes=6),
            Column("verdict"),
        )
        rows = []
        for each in told:
            figures = (each.frames, each.science, each.kept, each.incomplete, each.failed)
            word, _ = _verdict(each, dry_run=dry_run)
            rows.append((each.night, *map(str, figures), each.borrowed or "–", f"{each.seconds:.1f}", word))
        self.table(title, columns, rows)
        bad = [each.night for each in told if each.code != OK or each.warned]
        failed = any(each.code != OK for each in told)
        for each in told:
            if each.problem:
                self.line(f"{each.night}: {each.problem.splitlines()[0]}", "refused", "red")
        if not dry_run:
            said = f"All is well with {len(told) - len(bad)} of {len(told)} nights" + (
                "." if not bad else ", but not with "
            )
            for line in wrapped(f"{said}{listed(bad)}{'.' if bad else ''}", self.width):
                self._out.print(f"[bold {'red' if failed else 'yellow' if bad else 'green'}]{line}[/]", soft_wrap=True)
