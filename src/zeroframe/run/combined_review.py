"""What a combination without a plan comes to; nothing is imported that is known of plans, which takes 0.02 s."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zeroframe.fits import scan
from zeroframe.review import Incident, NightFigures, Review, review_night
from zeroframe.run.figures import figures_of_combined

if TYPE_CHECKING:
    from zeroframe.run.combined_outcome import CombinedOutcome

__all__ = ["review_of_combined"]


def review_of_combined(outcome: CombinedOutcome, method: str) -> Review:
    """Return the figures of frames that were combined without a plan, and the findings on them.

    Parameters
    ----------
    outcome : CombinedOutcome
        How it ended.
    method : str
        By which values were combined.
    """
    name = outcome.target.name
    incidents = [Incident("ZF106", text, (name,)) for text in outcome.left_out]
    for path in dict.fromkeys(flag.path for flag in outcome.outliers):
        reasons = "; ".join(flag.sentence for flag in outcome.outliers if flag.path == path)
        incidents.append(Incident("ZF203", f"{path}: {reasons}", (path.name,)))
    if not outcome.is_there:
        incidents.append(Incident("ZF102", outcome.reason, (name,)))
    incidents += [Incident("ZF202", f"{flag.path}: {flag.sentence}", (flag.path.name,)) for flag in outcome.flags]
    unit = str(scan(outcome.target).hdus[0].cards.get("BUNIT", "adu")) if outcome.is_there else "adu"
    night = NightFigures((figures_of_combined(name, "", outcome, unit.lower(), method),), tuple(incidents))
    return Review(night, review_night(night))
