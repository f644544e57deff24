"""What is said of combined frames that exist already: which are used, how old they are, what is doubtful of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zeroframe.planning.decisions import listed
from zeroframe.planning.first_steps import Choice
from zeroframe.planning.grouping import frames_words
from zeroframe.planning.uses import frame_uses, group_uses

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zeroframe.planning.plan import Group, NightPlan, Stored, StoredFrames

__all__ = ["stored_decisions", "stored_in_use", "stored_words"]

_UNCERTAINTY = {
    "stated": "its errors stand in the file",
    "estimated": "its errors are estimated from its pixels",
    "absent": "its errors are not known, and are left out of the uncertainties",
}


def stored_words(stored: Stored) -> str:
    """Say of a combined frame that exists by whom it was made, of how much, and how its errors are known.

    Parameters
    ----------
    stored : Stored
        What is known of it.
    """
    count = f"of {frames_words(stored.frames)}" if stored.frames > 1 else "of one frame, or nobody says of how many"
    done = [] if stored.file.recipe is None else ["its overscan and trim are done as those of the night"]
    done += stored.done
    done += ["divided by its level"] if stored.file.over_level else []
    return ", ".join([f"made by {stored.made_by}", count, *done, _UNCERTAINTY[stored.uncertainty]])


def stored_in_use(plan: NightPlan) -> list[Group]:
    """Return the stored frames that something is made with; the others only tell how these were made."""
    used = {name for frame in plan.frames for name in frame_uses(plan, frame)} | {job.source for job in plan.masks}
    used |= {name for group in plan.groups for name in group_uses(plan, group)}
    return [group for group in plan.stored if group.name in used]


def stored_decisions(plan: NightPlan, known: StoredFrames) -> Iterator[Choice]:
    """Say which of them a plan uses, and what was left aside.

    Parameters
    ----------
    plan : NightPlan
        Whose ``stored`` are those that are used.
    known : StoredFrames
        All that were looked at.
    """
    in_use = stored_in_use(plan)
    for group in in_use:
        if group.stored is not None:
            yield Choice(f"stored {group.kind.value}", group.name, stored_words(group.stored))
    for mask in plan.stored_masks:
        yield Choice("stored mask", mask.name, "its pixels are masked in science frames")
    used = {group.name for group in in_use}
    idle = [group for group in known.groups if group.name not in used]
    if idle:
        reasons = [f"{group.name} ({_why_idle(group)})" for group in idle]
        yield Choice("stored, not used", listed(reasons), "none of the frames takes them")
    if known.left_out:
        names = [f"{each.path.name} ({each.reason})" for each in known.left_out]
        yield Choice("stored, left alone", listed(names), "not combined calibration frames that can be used")


def _why_idle(group: Group) -> str:
    problem = "" if group.stored is None else group.stored.problem
    return problem or "others fit better, or it fits no frame"
