"""What a person sees in the terminal: tables, choices, progress, remarks."""

from __future__ import annotations

import re
import sys
from collections import Counter
from contextlib import contextmanager
from threading import Lock
from typing import TYPE_CHECKING, TextIO

from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from zeroframe.review import find_check

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from zeroframe.fits.cards import CardValue
    from zeroframe.headers.listing import Listing
    from zeroframe.inspection import OverscanInspection
    from zeroframe.planning.first_steps import Choice
    from zeroframe.review import Review
    from zeroframe.run.combined_outcome import CombinedOutcome
    from zeroframe.run.result_files import ResultStatus
    from zeroframe.run.verify import Verified
    from zeroframe.stacks.noise import StackNoise

__all__ = [
    "Remarks",
    "Screen",
    "combined_rows",
    "figure_text",
    "harmless",
    "harmless_cell",
    "megabytes",
    "noise_rows",
    "plural",
    "result_table",
    "say",
    "size_text",
    "would_stop",
]

#: A cell that begins with one of these is run; the wide ones are folded to the others by some programs.
_FORMULA = "=+-@\uff1d\uff0b\uff0d\uff20"
_PLAIN_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)
_MOST_ROWS = 40
_WIDTH_OF_A_FILE = 160  # where nobody looks, lines are not folded to a terminal's width


def harmless(text: str) -> str:
    r"""Return a text with what could steer a terminal written out; names of files and header words are not ours.

    Examples
    --------
    >>> print(harmless("a\x1b[2Jb.fits"))
    a\x1b[2Jb.fits
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "backslashreplace").decode() for c in text)


def harmless_cell(value: CardValue) -> CardValue:
    r"""Return a cell of a table as others may open it: no control characters, and nothing that a spreadsheet runs.

    A spreadsheet takes a text for a formula that begins with ``=``, ``+``, ``-`` or ``@``; an apostrophe before it says
    that it is a text. Numbers stay as they are.

    Examples
    --------
    >>> [harmless_cell(each) for each in ("=HYPERLINK(1)", "-12:30:45", "-110.5", -110.5, "bias", "a\tb")]
    ["'=HYPERLINK(1)", "'-12:30:45", '-110.5', -110.5, 'bias', 'a\\tb']
    """
    if not isinstance(value, str):
        return value
    text = harmless(value)
    # spreadsheets pass over blanks, and over what is written out here as an escape, before they look for a formula
    first = value.lstrip()[:1]
    runs = (first in _FORMULA and first != "") or value[:1] in ("\t", "\r", "\n")
    return f"'{text}" if runs and not _PLAIN_NUMBER.fullmatch(value) else text


def would_stop(statuses: Sequence[ResultStatus]) -> str:
    """Return what is said where a run would stop; --overwrite is advised only where it replaces results of our own."""
    strange = any(status.verdict == "refuse" for status in statuses)
    what = "move away what zeroframe has not made" if strange else "add --overwrite"
    return f"; a run would stop here: {what}, or choose another folder"


def say(text: str) -> None:
    """Write to standard error what is not a result."""
    sys.stderr.write("\n".join(harmless(line) for line in text.split("\n")) + "\n")


_SEVERITY_STYLES = {"note": "cyan", "warning": "yellow", "error": "bold red"}
_TONE_STYLES = {"good": "green", "note": "yellow", "bad": "red"}
#: Uncertain decisions are said before the work begins.
_SAID_BEFORE = frozenset(("ZF201",))
_SUSPECT = "ZF202"


class Remarks:
    """Warnings as remarks to the person: what holds for many files is said of the first one, and counted."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._lock = Lock()

    def show(self, message: Warning | str, *_: object) -> None:
        """Show one, unless the same was said of another file; what else Python knows of a warning is not for people."""
        subject, colon, clause = str(message).partition(": ")
        key = clause if colon else subject
        with self._lock:
            self._counts[key] += 1
            first = self._counts[key] == 1
        if first:
            say(f"note: {message}")

    def close(self) -> None:
        """Say how often each remark came again."""
        for clause, number in self._counts.items():
            if number > 1:
                say(f"note: the same of {number - 1} more: {clause}")


def size_text(shape_yx: tuple[int, ...] | None) -> str:
    """Write a shape as people say it, x first."""
    return " x ".join(str(n) for n in reversed(shape_yx or ())) or "?"


def megabytes(size: int) -> str:
    """Write a number of bytes in MB."""
    return f"{size / 1e6:.1f}" if size < 1e8 else f"{size / 1e6:.0f}"


def figure_text(value: float | None, digits: int = 2) -> str:
    """Write a figure; a dash where it is not known."""
    return "–" if value is None or value != value else f"{value + 0.0:.{digits}f}"


class Screen:
    """Results go to standard output, progress to standard error; progress is shown only on a terminal."""

    def __init__(self, out: TextIO | None = None) -> None:
        stream = sys.stdout if out is None else out
        width = None if stream.isatty() else _WIDTH_OF_A_FILE
        self._out = Console(file=out, width=width, highlight=False)
        self._err = Console(stderr=True)

    def line(self, text: str, label: str = "", style: str = "") -> None:
        """Print one line, as long as it is, with a label in colour before it."""
        before = f"[{style}]{label}:[/] " if label else ""
        self._out.print(before + escape(harmless(text)), soft_wrap=True)

    def inspection(self, result: OverscanInspection, *, whose: str = "") -> None:
        """Show what the pixels say of the overscan: the verdict, the strips, and the figures behind it."""
        if whose:
            self.line(whose, "frames of", "bold cyan")
        colour = {"use": "green", "none": "green", "do not use": "red", "not proven": "yellow"}[result.decision]
        self.line(result.verdict, result.decision, f"bold {colour}")
        if result.strips:
            table = Table(title="Strips that light proves; figures in ADU", title_justify="left", title_style="bold")
            words = {"side", "all of it", "free of light"}
            for name in ("side", "all of it", "free of light", "noise", "noise of a row", "drift", "… less the strip"):
                table.add_column(name, justify="left" if name in words else "right", no_wrap=True)
            for strip in result.strips:
                drift = strip.tracking
                table.add_row(
                    strip.side + (" *" if strip is result.chosen else ""),
                    escape(str(strip.section)),
                    escape(str(strip.usable or "–")),
                    figure_text(strip.read_noise_adu),
                    figure_text(strip.row_noise_adu),
                    figure_text(None if drift is None else drift.drift_before_adu),
                    figure_text(None if drift is None else drift.drift_after_adu),
                )
            self._out.print(table)
        self.line(", ".join(f"{len(names)} {kind}" for kind, names in result.used.items()), "looked at", "cyan")
        for sentence in result.sentences[1:]:
            self.line(f"  {sentence}")

    def listing(self, listing: Listing) -> None:
        """Show the frames of a folder; what is uncertain is too long for a column and stands below."""
        shown = [number for number, name in enumerate(listing.columns) if name != "uncertain"]
        table = Table(box=None, pad_edge=False, header_style="bold")
        for number in shown:
            name = listing.columns[number]
            numeric = any(isinstance(row[number], int | float) for row in listing.rows)
            whole = name in {"kind", "exposure", "filter", "size"}
            table.add_column(name, justify="right" if numeric else "left", overflow="fold", no_wrap=whole)
        for row in listing.rows:
            table.add_row(*(Text("" if row[number] is None else harmless(str(row[number]))) for number in shown))
        self._out.print(table)
        if "uncertain" in listing.columns:
            named = listing.columns.index("file") if "file" in listing.columns else 0
            doubted = listing.columns.index("uncertain")
            for row in listing.rows:
                if row[doubted]:
                    self.line(f"{row[named]}: {row[doubted]}", "uncertain", "yellow")

    @contextmanager
    def progress(self) -> Iterator[Callable[[str, float], None]]:
        """Show a bar for each step while the work goes on; nothing where nobody looks."""
        if not self._err.is_terminal:
            yield lambda _what, _fraction: None
            return
        from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn, TimeRemainingColumn

        columns = (TextColumn("{task.description:12}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
        with Progress(*columns, console=self._err, transient=True) as bars:
            tasks: dict[str, TaskID] = {}
            lock = Lock()

            def report(what: str, fraction: float) -> None:
                with lock:
                    if what not in tasks:
                        tasks[what] = bars.add_task(what, total=1.0)
                bars.update(tasks[what], completed=fraction)

            yield report

    def choices(self, choices: Sequence[Choice]) -> None:
        """Say what was chosen and why, guesses in another colour."""
        for choice in choices:
            style = "cyan" if choice.certain else "yellow"
            label = choice.what + ("" if choice.certain else " (uncertain)")
            self.line(f"{choice.value} — {choice.reason}", label, style)

    def verified(self, verified: Verified) -> None:
        """Say what was found in a folder of results."""
        for problem in verified.problems:
            self.line(problem, "problem", "red")
        raw = f", and {plural(verified.inputs, 'raw frame')}" if verified.inputs else ""
        whole = f"{plural(verified.outputs, 'result')}{raw}: as when the run ended."
        self.line(whole, "verified", "red" if verified.problems else "green")

    def combine_result(self, outcome: CombinedOutcome, review: Review) -> None:
        """Say what a combination gave."""
        if outcome.is_there:
            self._clipping(outcome)
            table = result_table(f"Result in {outcome.target}")
            table.add_row("size x, y", size_text(outcome.shape_yx))
            table.add_row("level", figure_text(outcome.level))
            combined_rows(table, outcome)
            if outcome.noise is not None:
                noise_rows(table, outcome.noise, outcome)
            self._out.print(table)
        self.findings(review)

    def rows(self, title: str, figures: Mapping[str, object]) -> None:
        """Say figures by their names."""
        table = result_table(title)
        for name, figure in figures.items():
            table.add_row(name, str(figure))
        self._out.print(table)

    def findings(self, review: Review) -> None:
        """Say what was found, the worst first, and close with the verdict."""
        said = [each for each in review.findings if each.code not in _SAID_BEFORE]
        for each in said:
            self.line(f"{each.sentence} ({each.code})", find_check(each.code).label, _SEVERITY_STYLES[each.severity])
        if any(each.code == _SUSPECT for each in said):
            number = plural(len({each.frames for each in said if each.code == _SUSPECT}), "frame")
            advice = f"{number} of these took part all the same; --reject-outliers excludes them"
            self.line(advice, "careful", "bold red")
        if said:
            worst = said[0]
            self.line(f"zeroframe explain {worst.code} says more", "help", "dim")
        verdict = review.verdict
        self._out.print(f"[bold {_TONE_STYLES[verdict.tone]}]{verdict.headline}[/]")

    def _clipping(self, outcome: CombinedOutcome) -> None:
        """Say how values were rejected."""
        clipping = outcome.clipping
        if clipping is not None and clipping.rejection.clips:
            reason = "" if clipping.floor is None else f" — {clipping.floor.reason}"
            self.line(clipping.rejection.describe() + reason, "rejection", "cyan")


def plural(number: int, what: str) -> str:
    """Return how many of something there are, in words."""
    return f"{number} {what}" + ("" if number == 1 else "s")


def result_table(title: str) -> Table:
    """Return the table that closes a run: what, and its figure."""
    table = Table(title=escape(harmless(title)), title_justify="left", title_style="bold", show_header=False)
    table.add_column("what")
    table.add_column("figure", justify="right", overflow="fold")
    return table


def combined_rows(table: Table, combined: CombinedOutcome) -> None:
    """Say of a combined frame what it was made of, and what was rejected."""
    table.add_row("combined", escape(harmless(combined.target.name)))
    table.add_row("… of frames", str(combined.frames))
    table.add_row("… MB, with uncertainty and counts", megabytes(combined.bytes_out))
    clipping = combined.clipping
    if clipping is None:
        return
    if clipping.rejection.is_none:
        table.add_row("… values rejected", "none, as asked for")
    else:
        share = 100 * clipping.rejected / max(clipping.values, 1)
        table.add_row("… values rejected", f"{clipping.rejected} = {share:.3g} %")
    if clipping.rejection.clips and clipping.expected is not None:
        table.add_row("… a Gaussian would give", figure_text(clipping.expected, 0 if clipping.expected >= 10 else 1))
    if any(clipping.masked):
        table.add_row("… values masked", str(sum(clipping.masked)))


def noise_rows(table: Table, noise: StackNoise, combined: CombinedOutcome | None, what: str = "read noise") -> None:
    """Say how noisy one frame is, and the combined one; ``what`` is what such noise is called."""
    if noise.single is None:
        table.add_row(what, "needs two frames")
        return
    table.add_row(f"{what} of one frame, ADU", figure_text(noise.single, 3))
    table.add_row("… with the noise of its row levels", figure_text(noise.calibrated, 3))
    if combined is not None and combined.is_there:
        table.add_row(f"{what} of the combined, ADU", figure_text(noise.combined, 3))
        table.add_row(f"… expected: one frame's / √{combined.frames}", figure_text(noise.expected, 3))
        table.add_row("… with its fixed pattern", figure_text(noise.scatter, 3))
