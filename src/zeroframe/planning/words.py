"""A plan in words: as a tree for a dry run, and as sentences that explain one frame."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Literal

from zeroframe.headers.kinds import calibration_kind
from zeroframe.planning.decisions import listed, lost_words
from zeroframe.planning.grouping import exposure_words, frames_words
from zeroframe.planning.stored_words import stored_in_use, stored_words
from zeroframe.records import dataclass

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zeroframe.frames.steps import Use
    from zeroframe.planning.plan import Candidate, Group, Match, NightFrame, NightPlan

__all__ = ["Branch", "Mood", "explain_frame", "plan_tree"]

Mood = Literal["plain", "good", "doubtful", "bad", "faint"]


@dataclass(frozen=True, slots=True)
class Branch:
    """One line of a tree, and what hangs on it.

    Attributes
    ----------
    text : str
        What it says. Names of files and header words in it are as they were found.
    mood : {'plain', 'good', 'doubtful', 'bad', 'faint'}
        How it is meant to look.
    branches : tuple of Branch
        What hangs on it.
    """

    text: str
    mood: Mood = "plain"
    branches: tuple[Branch, ...] = ()

    def lines(self, indent: str = "") -> list[str]:
        """Return the tree as lines of text.

        Examples
        --------
        >>> Branch("a", branches=(Branch("b"),)).lines()
        ['a', '  b']
        """
        below = [line for branch in self.branches for line in branch.lines(indent + "  ")]
        return [indent + self.text, *below]


def plan_tree(plan: NightPlan) -> Branch:
    """Return what is going to be done: combined frames in their order, science frames, and what is left out.

    Parameters
    ----------
    plan : NightPlan
        The plan.

    Returns
    -------
    Branch
        The folder of results; below it one branch for each file that is combined or is science, and for what is not
        done.
    """
    labels = {group.name: group.label for group in plan.calibrations}
    branches = [_stored_branch(group) for group in stored_in_use(plan)]
    branches += [_group_branch(group, labels) for group in plan.groups]
    branches += [Branch(f"{job.name}: {job.what} pixels of {labels[job.source]}", "good") for job in plan.masks]
    branches += [_frame_branch(frame, labels, plan) for frame in plan.science]
    if plan.refused:
        below = tuple(Branch(str(each.problem), "bad") for each in plan.refused)
        branches.append(Branch(f"failed: {frames_words(len(below))}", "bad", below))
    if plan.ignored:
        below = tuple(
            Branch(f"{each.path.relative_to(plan.raw).as_posix()}: {each.reason}", "faint") for each in plan.ignored
        )
        branches.append(Branch(f"left alone: {len(below)} file{'' if len(below) == 1 else 's'}", "faint", below))
    return Branch(f"{plan.out}{os.sep}", branches=tuple(branches))


def _stored_branch(group: Group) -> Branch:
    stored = group.stored
    below = [] if stored is None else [Branch(stored_words(stored), "faint")]
    below += [] if stored is None else [Branch(doubt, "doubtful") for doubt in stored.doubts]
    return Branch(f"{group.target}: {group.label}, not altered", "good", tuple(below))


def _group_branch(group: Group, labels: dict[str, str]) -> Branch:
    sources = listed(frame.name for frame in group.frames)
    below = [Branch(f"of {frames_words(len(group.frames))}: {sources}", "faint")]
    below += [Branch(words) for words in _steps_words(group.frames, labels)]
    if calibration_kind(group.kind).may_keep_bias and group.includes_bias:
        below.append(Branch("the bias stays in it, so it is never scaled"))
    if group.scaled_by_level:
        below.append(Branch("each divided by its own level before anything is rejected"))
    below += _missing_branches(group.frames)
    return Branch(f"{group.name}: {group.label}", "good", tuple(below))


def _missing_branches(frames: Sequence[NightFrame]) -> list[Branch]:
    """Say what is missing, once for all frames that miss it for the same reason."""
    missing: dict[tuple[str, str], int] = {}
    for frame in frames:
        for match in frame.matches:
            if match.is_missing:
                missing[match.what, match.reason] = missing.get((match.what, match.reason), 0) + 1
    return [
        Branch(f"no {what}{'' if len(frames) == 1 else f' for {frames_words(number)}'}: {reason}", "doubtful")
        for (what, reason), number in missing.items()
    ]


def _steps_words(frames: Sequence[NightFrame], labels: dict[str, str]) -> list[str]:
    """Return what is done to frames after overscan and trim: a line for all that differ in scale only."""
    alike: dict[tuple[tuple[str, bool, bool], ...], list[tuple[Use, ...]]] = {}
    for frame in frames:
        uses = frame.steps.uses
        alike.setdefault(tuple((use.name, use.divides, use.scale is None) for use in uses), []).append(uses)
    lines = []
    for key, some in alike.items():
        said = []
        for (name, divides, _), column in zip(key, zip(*some, strict=True), strict=True):
            scales = [use.scale for use in column if use.scale is not None]
            said.append(f"divided by {labels[name]}" if divides else f"minus {_factor(scales)}{labels[name]}")
        lines += [", ".join(said)] if said else []
    return lines


def _factor(scales: Sequence[float]) -> str:
    """Return what a dark is multiplied by, in words; nothing where it is used as it is."""
    ends = dict.fromkeys(f"{each:.3g}" for each in (min(scales), max(scales))) if scales else {}
    return f"{' to '.join(ends)} x " if ends else ""


def _frame_branch(frame: NightFrame, labels: dict[str, str], plan: NightPlan) -> Branch:
    what = [frame.kind.value, exposure_words(frame.traits.exposure_s), frame.traits.filter_name or "no filter"]
    below = [Branch(words) for words in _steps_words([frame], labels) or ["overscan and trim only"]]
    below += [Branch(f"masked by {', '.join(frame.steps.masks)}")] if frame.steps.masks else []
    below += _missing_branches([frame])
    incomplete = any(match.is_missing for match in frame.matches)
    name = frame.target.relative_to(plan.out).as_posix()
    return Branch(f"{name}: {', '.join(what)}", "doubtful" if incomplete else "good", tuple(below))


def explain_frame(name: str, matches: Sequence[Match]) -> list[str]:
    """Say which combined frames are used for a frame and why, what was next best, and why others were turned down.

    Parameters
    ----------
    name : str
        Of the frame, as it is to be called.
    matches : sequence of Match
        Of the frame, from the plan or from run.json (`zeroframe.planning.plan.match_from_data`).

    Returns
    -------
    list of str
        Sentences; those that begin with two blanks belong to the one before.

    Examples
    --------
    >>> from zeroframe.planning.plan import Candidate, Match
    >>> flat = Candidate("g.fits", "flat g", 1, True, None, "same filter: g")
    >>> for sentence in explain_frame("m51.fits", [Match("flat", "g.fits", None, True, "same filter: g", (flat,))]):
    ...     print(sentence)
    m51.fits is divided by flat g (g.fits): same filter: g.
      There was no other.
    """
    if not matches:
        return [f"{name}: no bias, dark or flat is used for it: it goes into a combined frame as it is."]
    said = []
    for match in matches:
        said += _explained(name, match)
    return said


def _explained(name: str, match: Match) -> list[str]:
    if match.chosen is None:
        return _explained_none(name, match)
    chosen = next((each for each in match.candidates if each.name == match.chosen), None)
    label = match.chosen if chosen is None else f"{chosen.label} ({chosen.name})"
    scale = "" if match.scale is None else f", multiplied by {match.scale:.4g}"
    divides = calibration_kind(match.what).divides
    done = f"is divided by {label}" if divides else f"has {label}{scale} subtracted"
    others = [each for each in match.candidates if each.name != match.chosen]
    return [f"{name} {done}: {match.reason}.", *_about_others(others)]


def _about_others(others: Sequence[Candidate]) -> list[str]:
    if not others:
        return ["  There was no other."]
    said, down = [], list(others)
    if others[0].usable:
        said.append(f"  Next best: {_candidate_words(others[0])}.")
        down = down[1:]
    else:
        said.append("  No alternative was usable.")
    return [*said, *(f"  Rejected: {_candidate_words(each)}." for each in down)]


def _candidate_words(each: Candidate) -> str:
    return f"{each.label} ({each.name}): {each.reason}"


def _explained_none(name: str, match: Match) -> list[str]:
    divides = calibration_kind(match.what).divides
    done = f"is not divided by a {match.what}" if divides else f"has no {match.what} subtracted"
    if not match.needed:
        return [f"{name} {done}: {match.reason}."]
    if not match.candidates:
        return [f"{name} {done}, so {lost_words(match.what)}: {match.reason}."]
    first = f"{name} {done}, so {lost_words(match.what)}: none could be used."
    return [first, *(f"  Rejected: {_candidate_words(each)}." for each in match.candidates)]
