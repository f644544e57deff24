"""A row of the table of checks, and a finding that a check makes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from zeroframe.records import dataclass

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from zeroframe.review.figures import Incident, NightFigures

__all__ = ["SEVERITIES", "Check", "Finding", "Severity", "incidents"]

Severity = Literal["note", "warning", "error"]
#: From the mildest to the worst.
SEVERITIES: tuple[Severity, ...] = ("note", "warning", "error")


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check has found.

    Attributes
    ----------
    code : str
        ``ZF`` and three digits.
    severity : {'note', 'warning', 'error'}
        A note is said; a warning is to be looked at; an error means that something was not made or is likely wrong.
    sentence : str
        What was found, with figure and expectation.
    frames : tuple of str
        Names of what it concerns.
    figure, expected : float or None
        The figure that decided, and the limit or the value that it was compared with.
    remedy : str
        What a person can do.
    """

    code: str
    severity: Severity
    sentence: str
    frames: tuple[str, ...] = ()
    figure: float | None = None
    expected: float | None = None
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class Check:
    """A row of the table.

    Attributes
    ----------
    code : str
        ``ZF`` and three digits: 1 what was not made, 2 what was decided or left out, 3 kinds against each other,
        4 results against expectation, 5 files, 6 within a frame.
    title : str
        What it is about.
    severity : {'note', 'warning', 'error'}
        Of its findings; a check whose figure is worse than a second limit makes it worse.
    label : str
        The word before it on the screen.
    why : str
        What is measured, what is expected, and why; the limits.
    remedy : str
        What a person can do.
    look : callable
        Takes the figures and the row; yields findings.
    """

    code: str
    title: str
    severity: Severity
    label: str
    why: str
    remedy: str
    look: Callable[[NightFigures, Check], Iterator[Finding]]

    def finding(
        self,
        sentence: str,
        *frames: str,
        figure: float | None = None,
        expected: float | None = None,
        severity: Severity | None = None,
    ) -> Finding:
        """Return a finding of this row."""
        return Finding(self.code, severity or self.severity, sentence, frames, figure, expected, self.remedy)


def incidents(night: NightFigures, check: Check) -> Iterator[Finding]:
    """Take what happened in the run and has the code of the row."""
    each: Incident
    for each in night.incidents:
        if each.code == check.code:
            yield check.finding(each.sentence, *each.frames)
