"""What was measured, by name (figures), what it means (findings), and the worst of it (the verdict)."""

from zeroframe.review.figures import FIGURES, FigureName, Incident, NightFigures, Subject
from zeroframe.review.findings import (
    CHECKS,
    Check,
    Finding,
    Severity,
    by_severity,
    explain_check,
    find_check,
    review_night,
)
from zeroframe.review.verdict import Review, Verdict, verdict_of

__all__ = [
    "CHECKS",
    "FIGURES",
    "Check",
    "FigureName",
    "Finding",
    "Incident",
    "NightFigures",
    "Review",
    "Severity",
    "Subject",
    "Verdict",
    "by_severity",
    "explain_check",
    "find_check",
    "review_night",
    "verdict_of",
]
