"""What ``--json`` prints: a command as a document for programs. Its schema is ``review/document.schema.json``."""

from __future__ import annotations

import math
import sys
from dataclasses import asdict
from json import dumps
from typing import TYPE_CHECKING, Any

from zeroframe import __version__

if TYPE_CHECKING:
    from zeroframe.planning.plan import NightPlan
    from zeroframe.review import Review
    from zeroframe.run.outcomes import NightResult
    from zeroframe.run.status import NightStatuses

__all__ = [
    "DOCUMENT_FORMAT",
    "command_document",
    "plan_document",
    "print_document",
    "review_document",
    "run_document",
]

#: Grows when something is taken away or means something else; what is new only adds.
DOCUMENT_FORMAT = 1


def command_document(command: str, exit_code: int, headline: str = "", **more: object) -> dict[str, Any]:
    """Return what a command comes to as plain data.

    Parameters
    ----------
    command : str
        Its name.
    exit_code : int
        Of the command.
    headline : str, optional
        The verdict in words; by default that all is well, or not.
    **more
        What belongs to the command.

    Examples
    --------
    >>> command_document("verify", 0, outputs=3)["verdict"]
    {'tone': 'good', 'headline': 'All is well.', 'exit_code': 0}
    """
    tone, said = ("bad", "Finished with problems.") if exit_code else ("good", "All is well.")
    return {
        "format": DOCUMENT_FORMAT,
        "zeroframe": __version__,
        "command": command,
        "verdict": {"tone": tone, "headline": headline or said, "exit_code": exit_code},
        **more,
    }


def run_document(command: str, plan: NightPlan, result: NightResult, exit_code: int) -> dict[str, Any]:
    """Return a run as plain data.

    Parameters
    ----------
    command : str
        ``'bias'``, ``'dark'``, ``'flat'`` or ``'night'``.
    plan : NightPlan
        What was to be done.
    result : NightResult
        What was done.
    exit_code : int
        Of the command.

    Returns
    -------
    dict
        Verdict, findings, and every frame, combined frame and mask with its state, figures and what it was made with.
    """
    return {**review_document(command, result.review, exit_code), "raw": str(plan.raw), "out": str(plan.out)}


def plan_document(command: str, plan: NightPlan, statuses: NightStatuses, exit_code: int) -> dict[str, Any]:
    """Return what a run would do as plain data: each result, whether it would be made, and why."""
    uses = {frame.name: [use.name for use in frame.steps.uses] for frame in plan.frames}
    kinds = {frame.name: frame.kind.value for frame in plan.frames}
    told = [
        (_within(plan, one.target), kinds[name], one, uses[name])
        for name, one in statuses.frames.items()
        if name in kinds
    ]
    groups = {group.name: group.kind.value for group in plan.groups}
    told += [(name, groups.get(name, ""), one, []) for name, one in statuses.groups.items()]
    told += [(name, "mask", one, []) for name, one in statuses.masks.items()]
    would = [
        {"name": name, "kind": kind, "what": one.verdict, "reason": one.reason, "used": used}
        for name, kind, one, used in told
    ]
    problems = [str(each.problem) for each in plan.refused]
    problems += [f"{each.name}: {each.reason}" for each in plan.incomplete]
    document = command_document(
        command,
        exit_code,
        "Nothing was written.",
        raw=str(plan.raw),
        out=str(plan.out),
        plan=would,
        choices=[asdict(choice) for choice in plan.choices],
        problems=problems,
    )
    if not exit_code and problems:
        document["verdict"]["tone"] = "note"
    return document


def _within(plan: NightPlan, target: Any) -> str:  # noqa: ANN401 -- a path, on a disk or in a store
    return str(target.relative_to(plan.out).as_posix())


def review_document(command: str, review: Review, exit_code: int) -> dict[str, Any]:
    """Return figures, findings and the verdict as plain data."""
    verdict = review.verdict
    document = command_document(command, exit_code, verdict.headline)
    document["verdict"]["tone"] = verdict.tone
    return document | {
        "findings": [
            {**asdict(each), "frames": list(each.frames), "figure": _number(each.figure)} for each in review.findings
        ],
        "results": [
            {
                "name": each.name,
                "what": each.what,
                "kind": each.kind,
                "state": each.state,
                "unit": each.unit,
                "used": list(each.used),
                "part_of": each.of,
                "figures": dict(each.figures),
            }
            for each in review.night.subjects
        ],
    }


def _number(value: float | None) -> float | None:
    """JSON has neither NaN nor infinity."""
    return value if value is not None and math.isfinite(value) else None


def print_document(document: dict[str, Any]) -> None:
    """Write a document to standard output; names may hold bytes that no encoding knows, which JSON says as escapes."""
    sys.stdout.write(dumps(document, indent=1) + "\n")
