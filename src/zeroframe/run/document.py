"""A run as a document for programs: what ``--json`` prints. Its schema is ``review/run.schema.json``."""

from __future__ import annotations

import sys
from dataclasses import asdict
from json import dumps
from typing import TYPE_CHECKING, Any

from zeroframe import __version__

if TYPE_CHECKING:
    from zeroframe.planning.plan import NightPlan
    from zeroframe.review import Review
    from zeroframe.run.outcomes import NightResult

__all__ = ["DOCUMENT_FORMAT", "print_document", "review_document", "run_document"]

#: Grows when something is taken away or means something else; what is new only adds.
DOCUMENT_FORMAT = 1


def run_document(plan: NightPlan, result: NightResult, exit_code: int) -> dict[str, Any]:
    """Return a run as plain data.

    Parameters
    ----------
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
    return {**review_document(result.review, exit_code), "raw": str(plan.raw), "out": str(plan.out)}


def review_document(review: Review, exit_code: int) -> dict[str, Any]:
    """Return figures, findings and the verdict as plain data."""
    verdict = review.verdict
    return {
        "format": DOCUMENT_FORMAT,
        "zeroframe": __version__,
        "verdict": {"tone": verdict.tone, "headline": verdict.headline, "exit_code": exit_code},
        "findings": [{**asdict(each), "frames": list(each.frames)} for each in review.findings],
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


def print_document(document: dict[str, Any]) -> None:
    """Write a document to standard output; names may hold bytes that no encoding knows, which JSON says as escapes."""
    sys.stdout.write(dumps(document, indent=1) + "\n")
