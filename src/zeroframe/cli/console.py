"""What a person sees in the terminal: tables, choices, progress, remarks."""

from __future__ import annotations

import os
import re
import sys
from collections import Counter
from contextlib import contextmanager
from contextvars import ContextVar
from threading import Lock
from typing import TYPE_CHECKING, TextIO

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from zeroframe.cli.bars import terminal_bars
from zeroframe.cli.fitting import Column, fit_columns, lines_of, wrapped
from zeroframe.errors import said_together
from zeroframe.html import visible

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from typing import Self

    from zeroframe.fits.cards import CardValue
    from zeroframe.headers.listing import Listing
    from zeroframe.inspection import OverscanInspection
    from zeroframe.inspection.amplifiers import LookedAt
    from zeroframe.planning.first_steps import Choice
    from zeroframe.review import Finding, Review
    from zeroframe.run.combined_outcome import CombinedOutcome
    from zeroframe.run.result_files import ResultStatus
    from zeroframe.run.verify import Verified
    from zeroframe.stacks.noise import StackNoise

    Legend = Sequence[tuple[str, str]]

__all__ = [
    "Remarks",
    "Screen",
    "combined_rows",
    "counted",
    "figure_text",
    "harmless_cell",
    "megabytes",
    "noise_rows",
    "said_quietly",
    "say",
    "size_text",
    "would_stop",
]

#: A cell that begins with one of these is run; the wide ones are folded to the others by some programs.
_FORMULA = "=+-@\uff1d\uff0b\uff0d\uff20"
_PLAIN_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)
_MOST_ROWS = 40
#: What stands before the first colon of a verdict is its label, unless it is longer.
_LONGEST_LABEL = 20
_WIDTH_OF_A_FILE = 2000  # where nobody looks, lines and tables are as wide as they are


def _harmless_texts(values: Sequence[CardValue]) -> list[str]:
    """Return the cells of a column as texts."""
    texts = ["" if value is None else str(value) for value in values]
    return texts if "".join(texts).isprintable() else [*map(visible, texts)]


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
    text = visible(value)
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
    given = os.environ.get("COLUMNS", "")
    width = int(given) if given.isdigit() else _columns_of(sys.stderr)
    lines = [line for each in text.split("\n") for line in wrapped(visible(each), width)]
    sys.stderr.write("\n".join(lines) + "\n")


def _columns_of(stream: TextIO) -> int | None:
    """Return how wide a terminal is; None of what is none."""
    if not stream.isatty():
        return None
    try:
        return os.get_terminal_size(stream.fileno()).columns or None
    except (OSError, ValueError):  # a terminal that does not say it
        return None


_SEVERITY_STYLES = {"note": "cyan", "warning": "yellow", "error": "bold red"}
_TONE_STYLES = {"good": "green", "note": "yellow", "bad": "red"}
#: Uncertain decisions are said before the work begins.
_SAID_BEFORE = frozenset(("ZF201",))
_SUSPECT = "ZF202"
#: Kinds of findings that are said in full, and how many of one kind in a file, where lines may be long.
_MOST_FINDINGS, _MOST_ALIKE = 3, 3


#: So many names of frames stand before what is the same of them.
_MOST_SAME = 3


#: Whether nothing is shown but what is wrong, for the time of a command.
_QUIETLY = ContextVar("quietly", default=False)


@contextmanager
def said_quietly(quiet: bool) -> Iterator[None]:  # noqa: FBT001 -- reads as a sentence
    """Have screens show nothing but what is wrong, for the time of a block."""
    before = _QUIETLY.set(quiet)
    try:
        yield
    finally:
        _QUIETLY.reset(before)


def _few_of(names: Sequence[str]) -> str:
    more = len(names) - _MOST_SAME
    return ", ".join(names) if more <= 1 else f"{', '.join(names[:_MOST_SAME])} and {more} more"


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
        self._quiet = _QUIETLY.get()
        self._out = Console(file=out, highlight=False, quiet=self._quiet)
        self.width: int | None = self._out.width
        if not stream.isatty() and not os.environ.get("COLUMNS", "").isdigit():
            self._out = Console(file=out, width=_WIDTH_OF_A_FILE, highlight=False, quiet=self._quiet)
            self.width = None
        self._err = Console(stderr=True, quiet=self._quiet)

    @classmethod
    def beside(cls, *, json: bool) -> Self:
        """Return one for a command; where it prints a document for programs, nothing else goes to standard output."""
        return cls(sys.stderr if json else None)

    def left_out(self, problems: Iterable[Exception]) -> None:
        """Name what was not looked at, one line for all of which the same is said."""
        for said in said_together(problems):
            self.line(said, "left out", "yellow")

    def line(self, text: str, label: str = "", style: str = "") -> None:
        """Print one line, with a label in colour before it; on a screen folded between words."""
        self._lines([text], label, style)

    def _lines(self, texts: Iterable[str], label: str, style: str) -> None:
        """Print many lines at once, which takes a third of the time, and without colours much less."""
        before = f"{visible(label)}: " if label else ""
        folded = [wrapped(visible(text), self.width, before) for text in texts]
        if self._out.color_system is None:
            self._plain([line for each in folded for line in each])
            return
        start = f"[{style}]{escape(before[:-1])}[/] " if label else ""
        coloured = [
            start + escape(line[len(before) :]) if number == 0 and label else escape(line)
            for each in folded
            for number, line in enumerate(each)
        ]
        self._out.print("\n".join(coloured), soft_wrap=True, end="\n" if coloured else "")

    def _plain(self, lines: Sequence[str]) -> None:
        """Print lines as they are; rich, which divides a text into lines again, takes 7 us for each."""
        if lines and not self._quiet:
            self._out.file.write("\n".join(lines) + "\n")
            self._out.file.flush()  # as rich does: in a pipe a line is wanted when it is said

    def title(self, text: str) -> None:
        """Print the title of a table."""
        for line in wrapped(visible(text), self.width):
            self._out.print(f"[bold]{escape(line)}[/]", soft_wrap=True)

    def table(self, title: str, columns: Sequence[Column], rows: Iterable[Sequence[str]], legend: Legend = ()) -> None:
        """Print a table that fits the screen, and below it what its short names mean."""
        self.title(title)
        fitted = fit_columns(columns, ([visible(cell) for cell in row] for row in rows), self.width)
        table = Table()
        for column in fitted.columns:
            table.add_column(escape(column.name), justify="right" if column.is_number else "left", no_wrap=True)
        for row in fitted.rows:
            table.add_row(*map(escape, row))
        self._out.print(table)
        for short, name in legend:
            self.line(name, short, "cyan")

    def inspection(self, result: OverscanInspection, *, whose: str = "") -> None:
        """Show what the pixels say of the overscan: the verdict, the strips, and the figures behind it."""
        if whose:
            self.line(whose, "frames of", "bold cyan")
        colour = {"use": "green", "none": "green", "do not use": "red", "not proven": "yellow"}[result.decision]
        first, colon, rest = result.verdict.partition(":")
        label = first if colon and len(first) < _LONGEST_LABEL else ""
        self.line(rest.strip() if label else result.verdict, label or "overscan", f"bold {colour}")
        if result.strips:
            columns = [
                *(Column(name) for name in ("side", "all of it", "free of light")),
                Column("noise", is_number=True, goes=1),
                Column("noise of a row", is_number=True, goes=4),
                Column("drift", is_number=True, goes=2),
                Column("… less the strip", is_number=True, goes=3),
            ]
            rows = []
            for strip in result.strips:
                drift = strip.tracking
                side = strip.side + (" *" if strip is result.chosen else "")
                figures = (
                    strip.read_noise_adu,
                    strip.row_noise_adu,
                    None if drift is None else drift.drift_before_adu,
                    None if drift is None else drift.drift_after_adu,
                )
                rows.append((side, str(strip.section), str(strip.usable or "–"), *map(figure_text, figures)))
            self.table("Strips that light proves; figures in ADU", columns, rows)
        self.line(", ".join(f"{len(names)} {kind}" for kind, names in result.used.items()), "looked at", "cyan")
        for sentence in result.sentences[1:]:
            self.line(f"  {sentence}")

    def amplifiers(self, seen: LookedAt) -> None:
        """Show what header and pixels say of the amplifiers of a detector."""
        found = seen.found
        whose = f"detector {found.name}" if found.name else "one detector"
        number = len(found.detector.amplifiers)
        told = found.convention.startswith(("camera ", "pixels: "))
        by = f"by the {found.convention}" if told else f"by the header ({found.convention})"
        self.line(f"{whose}: {number} amplifiers, {by}", "amplifiers", "bold cyan")
        columns = [
            *(Column(name) for name in ("name", "data")),
            Column("overscan", goes=1),
            Column("put at", goes=5),
            Column("gain e-/ADU", is_number=True, goes=2),
            Column("measured", is_number=True, goes=3),
            Column("read noise e-", is_number=True, goes=4),
            Column("in ADU", is_number=True, goes=6),
        ]
        rows = []
        for each, one in zip(found.detector.amplifiers, seen.inspections, strict=True):
            measured = one.gain_e_per_adu
            error = None if measured is None else measured.counting_error
            sections = (each.name, str(each.trim), str(each.overscan or "none"), str(each.place or "in order"))
            known = "–" if measured is None or error is None else f"{measured.value:.4g} ± {error:.2g}"
            noise = figure_text(None if one.read_noise_adu is None else one.read_noise_adu.value)
            rows.append((*sections, figure_text(each.gain_e_per_adu), known, figure_text(each.read_noise_e), noise))
        self.table("Sections in pixels of the file, extensions one above the other", columns, rows)
        for remark in (*seen.remarks, *(() if seen.crosstalk is None else seen.crosstalk.sentences)):
            self.line(f"  {remark}")

    def listing(self, listing: Listing) -> None:
        """Show the frames of a folder; what is uncertain is too long for a column and stands below."""
        by_column = [*zip(*listing.rows, strict=True)] or [()] * len(listing.columns)
        by_name = [*zip(listing.columns, by_column, strict=True)]
        shown = [(name, cells) for name, cells in by_name if name != "uncertain"]
        columns = []
        for place, (name, cells) in enumerate(shown):
            numeric = not {int, float, bool}.isdisjoint(map(type, cells))
            columns.append(Column(name, is_number=numeric, goes=max(place - 1, 0)))
        rows = zip(*(_harmless_texts(cells) for _, cells in shown), strict=True)
        fitted = fit_columns(columns, rows, self.width)
        lines = lines_of(fitted, self.width)
        if lines:
            self._out.out(lines[0], style="bold", highlight=False)
        self._plain(lines[1:])
        if len(fitted.columns) < len(columns):
            left = [column.name for column in columns[len(fitted.columns) :]]
            self.line(f"{', '.join(left)}: --columns shows them, or a wider screen", "left out", "dim")
        named = dict(shown).get("file") or next((cells for _, cells in shown), ())
        self._uncertain(named, dict(by_name).get("uncertain", ()))

    def _uncertain(self, named: Sequence[CardValue], doubts: Sequence[CardValue]) -> None:
        """Say what is uncertain about frames, once for all of which it is the same."""
        names_of: dict[str, list[str]] = {}
        for number, said in enumerate(doubts):
            if said:
                names_of.setdefault(str(said), []).extend(str(name) for name in named[number : number + 1])
        lines = [f"{_few_of(names)}: {said}" if names else said for said, names in names_of.items()]
        self._lines(lines, "uncertain", "yellow")

    @contextmanager
    def progress(self) -> Iterator[Callable[[str, float], None]]:
        """Show a bar for each step while the work goes on; nothing where nobody looks."""
        with terminal_bars(self._err) as told:
            yield told

    def choices(self, choices: Sequence[Choice]) -> None:
        """Say what was chosen and why, guesses in another colour."""
        for choice in choices:
            style = "cyan" if choice.certain else "yellow"
            label = choice.what + ("" if choice.certain else " (please check)")
            self.line(f"{choice.value} — {choice.reason}", label, style)

    def verified(self, verified: Verified) -> None:
        """Say what was found in a folder of results."""
        for problem in verified.problems:
            self.line(problem, "problem", "red")
        raw = f", and {counted(verified.inputs, 'raw frame')}" if verified.inputs else ""
        earlier = f" ({verified.earlier} of them of earlier runs)" if verified.earlier else ""
        whole = f"{counted(verified.outputs, 'result')}{earlier}{raw}: as when the run ended."
        if verified.inputs_left:
            whole += f" Not compared: {counted(verified.inputs_left, 'raw frame')}; --raw compares them, too."
        self.line(whole, "verified", "red" if verified.problems else "green")

    def combine_result(self, outcome: CombinedOutcome, review: Review) -> None:
        """Say what a combination gave."""
        if outcome.is_there:
            self._clipping(outcome)
            rows = [("size x, y", size_text(outcome.shape_yx)), ("level", figure_text(outcome.level))]
            rows += combined_rows(outcome)
            if outcome.noise is not None:
                rows += noise_rows(outcome.noise, outcome)
            self.result(f"Result in {outcome.target}", rows)
        self.findings(review)

    def rows(self, title: str, figures: Mapping[str, object]) -> None:
        """Say figures by their names."""
        self.result(title, [(name, str(figure)) for name, figure in figures.items()])

    def findings(self, review: Review) -> None:
        """Say what was found, the worst first and what is alike together, and close with the verdict."""
        from zeroframe.review import find_check

        if self._quiet:
            for each in review.findings:
                if each.severity != "note":
                    say(f"{each.code} {each.severity}: {each.sentence}")
            return
        said = [each for each in review.findings if each.code not in _SAID_BEFORE]
        alike: dict[tuple[str, str], list[Finding]] = {}
        for each in said:
            alike.setdefault((each.severity, each.code), []).append(each)
        groups = list(alike.values())
        for group in groups[:_MOST_FINDINGS]:
            self._finding(group)
        if len(groups) > _MOST_FINDINGS:
            rest = [f"{group[0].code} {find_check(group[0].code).label}" for group in groups[_MOST_FINDINGS:]]
            notes = sum(group[0].severity == "note" for group in groups[_MOST_FINDINGS:])
            kind = counted(len(rest), "more note" if notes == len(rest) else "more finding")
            self.line(f"{kind}: {', '.join(rest)}; see the report, run.json or --json", "also", "dim")
        suspects = {name for each in said if each.code == _SUSPECT for name in each.frames}
        if suspects:
            one = len(suspects) == 1
            these = "this frame was" if one else f"{len(suspects)} such frames were"
            advice = f"{these} combined all the same; --reject-outliers excludes {'it' if one else 'them'}"
            self.line(advice, "Warning", "bold red")
        if said:
            self.line(f"zeroframe explain {said[0].code} says more", "help", "dim")
        verdict = review.verdict
        for line in wrapped(verdict.headline, self.width):
            self._out.print(f"[bold {_TONE_STYLES[verdict.tone]}]{line}[/]", soft_wrap=True)

    def _finding(self, group: Sequence[Finding]) -> None:
        """Say the first of some findings of one code, and how many more there are."""
        from zeroframe.review import find_check

        worst = group[0]
        style = _SEVERITY_STYLES[worst.severity]
        if self.width is None and len(group) <= _MOST_ALIKE:
            for each in group:
                self.line(f"{each.sentence} ({each.code})", find_check(each.code).label, style)
            return
        others = sorted({name for each in group[1:] for name in each.frames} - set(worst.frames))
        more = f"; and {len(group) - 1} more" if len(group) > 1 else ""
        if others:
            from zeroframe.planning.decisions import listed  # with all that plans: 10 ms

            more = f"; and {counted(len(others), 'more file')}: {listed(others)}"
        self.line(f"{worst.sentence}{more} ({worst.code})", find_check(worst.code).label, style)

    def result(self, title: str, rows: Sequence[tuple[str, str]]) -> None:
        """Print the table that closes a run: what, and its figure."""
        self.title(title)
        fitted = fit_columns((Column("what"), Column("figure", is_number=True)), rows, self.width)
        table = Table(show_header=False)
        for column in fitted.columns:
            table.add_column(column.name, justify="right" if column.is_number else "left", no_wrap=True)
        for row in fitted.rows:
            table.add_row(*(escape(visible(cell)) for cell in row))
        self._out.print(table)

    def _clipping(self, outcome: CombinedOutcome) -> None:
        """Say how values were rejected."""
        clipping = outcome.clipping
        if clipping is not None and clipping.rejection.clips:
            reason = "" if clipping.floor is None else f" — {clipping.floor.reason}"
            self.line(clipping.rejection.in_words() + reason, "rejection", "cyan")


def counted(number: int, what: str) -> str:
    """Return how many of something there are, in words."""
    return f"{number} {what}" + ("" if number == 1 else "s")


def combined_rows(combined: CombinedOutcome) -> list[tuple[str, str]]:
    """Say of a combined frame what it was made of, and what was rejected."""
    rows = [
        ("combined", combined.target.name),
        ("… of frames", str(combined.frames)),
        ("… MB, with uncertainty and counts", megabytes(combined.bytes_out)),
    ]
    clipping = combined.clipping
    if clipping is None:
        return rows
    if clipping.rejection.is_none:
        rows.append(("… values rejected", "none, as asked for"))
    else:
        share = 100 * clipping.rejected / max(clipping.values, 1)
        rows.append(("… values rejected", f"{clipping.rejected} = {share:.3g} %"))
    if clipping.rejection.clips and clipping.expected is not None:
        expected = figure_text(clipping.expected, 0 if clipping.expected >= 10 else 1)
        rows.append(("… expected from Gaussian noise", expected))
    if any(clipping.masked):
        rows.append(("… values masked", str(sum(clipping.masked))))
    return rows


def noise_rows(noise: StackNoise, combined: CombinedOutcome | None, what: str = "read noise") -> list[tuple[str, str]]:
    """Say how noisy one frame is, and the combined one; ``what`` is what such noise is called."""
    if noise.single is None:
        return [(what, "needs two frames")]
    rows = [
        (f"{what} of one frame, ADU", figure_text(noise.single, 3)),
        ("… including row-to-row noise", figure_text(noise.calibrated, 3)),
    ]
    if combined is not None and combined.is_there:
        rows += [
            (f"{what} of the combined, ADU", figure_text(noise.combined, 3)),
            (f"… expected: one frame's {noise.by_root} √{combined.frames}", figure_text(noise.expected, 3)),
            ("… with its fixed pattern", figure_text(noise.scatter, 3)),
        ]
    return rows
