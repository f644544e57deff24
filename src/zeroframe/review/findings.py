"""Findings: what the figures of a run mean, drawn by a table of small checks."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from zeroframe.errors import UsageError, nearest_name
from zeroframe.review.checks.between_kinds import BETWEEN_KINDS
from zeroframe.review.checks.files import FILES
from zeroframe.review.checks.levels import LEVELS
from zeroframe.review.checks.made import MADE
from zeroframe.review.checks.results import RESULTS
from zeroframe.review.checks.within import WITHIN
from zeroframe.review.rows import SEVERITIES, Check, Finding, Severity

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from zeroframe.review.figures import NightFigures

__all__ = [
    "CHECKS",
    "Check",
    "Finding",
    "Severity",
    "by_severity",
    "explain_check",
    "find_check",
    "findings_page",
    "review_night",
]

#: All checks, by code.
CHECKS: tuple[Check, ...] = tuple(
    sorted((*MADE, *BETWEEN_KINDS, *LEVELS, *RESULTS, *FILES, *WITHIN), key=lambda check: check.code)
)


def find_check(code: str) -> Check:
    """Return the row of a code.

    Raises
    ------
    UsageError
        When there is none; it names the nearest one.

    Examples
    --------
    >>> find_check("ZF101").title
    'A frame could not be calibrated'
    """
    by_code = {check.code: check for check in CHECKS}
    if code.upper() in by_code:
        return by_code[code.upper()]
    raise UsageError(f"{code}: no finding has this code{nearest_name(code.upper(), by_code)}")


def explain_check(code: str) -> list[str]:
    """Say what a finding means, with its limits, and what a person can do.

    Examples
    --------
    >>> explain_check("zf402")[0]
    'ZF402: The frames of a combination have no noise (error)'
    """
    check = find_check(code)
    return [f"{check.code}: {check.title} ({check.severity})", f"  {check.why}", f"  What to do: {check.remedy}"]


def findings_page() -> str:
    """Return docs/findings.md: every check with its limits, made from the table."""
    rows = [_PAGE_HEAD]
    for check in CHECKS:
        rows += [f"## {check.code}: {check.title}", "", f"Severity: {check.severity}.", "", check.why, ""]
        rows += [f"What to do: {check.remedy}", ""]
    return "\n".join(rows).rstrip() + "\n"


_PAGE_HEAD = """# Findings

A run measures its frames and results (figures), and a table of checks draws findings from the figures. A finding has a
code, a severity, a sentence with the figure and what was expected, and what can be done. The verdict is the worst
finding: screen, page, `run.json`, `--json` and the Python result (`result.findings`) show the same.

| severity | what it means | exit code |
|---|---|---|
| note | it is said; nothing is to be done | 0 |
| warning | it is to be looked at | 0, with `--strict` 1 |
| error | something was not made, or is likely wrong | 1 |

`zeroframe explain ZF301` prints what stands here of a code. A code is lowered, raised or switched off in a recipe:
`[findings]` with `off = ["ZF409"]`, `notes`, `warnings` or `errors`. This page is made from the table in
`review/checks/`; how often each check is right was measured on simulated nights, see the end.
"""


def review_night(night: NightFigures, severities: Mapping[str, str] | None = None) -> tuple[Finding, ...]:
    """Draw findings from the figures of a run.

    Parameters
    ----------
    night : NightFigures
        What was measured, and what happened.
    severities : mapping of str to str, optional
        Severities by code that differ from those of the table, as a recipe's ``[findings]`` has them: ``'note'``,
        ``'warning'``, ``'error'``, or ``'off'``.

    Returns
    -------
    tuple of Finding
        The worst first; within a severity in the order of the codes.

    Examples
    --------
    >>> from zeroframe.review.figures import NightFigures, Subject
    >>> dark = Subject("combined_dark.fits", "combined", "dark", "done",
    ...                figures={"level_adu": -500.0, "read_noise_adu": 4.0}, used=("combined_bias.fits",))
    >>> [(each.code, each.severity) for each in review_night(NightFigures((dark,)))]
    [('ZF301', 'error')]
    """
    return by_severity(_asked_for(night, severities or {}))


def by_severity(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Return findings in the order in which they are told: the worst first, then by code."""
    return tuple(sorted(findings, key=lambda each: (-SEVERITIES.index(each.severity), each.code)))


def _asked_for(night: NightFigures, severities: Mapping[str, str]) -> Iterator[Finding]:
    for check in CHECKS:
        asked = severities.get(check.code)
        if asked == "off":
            continue
        for each in check.look(night, check):
            severity = next((word for word in SEVERITIES if word == asked), each.severity)
            yield replace(each, severity=severity)
