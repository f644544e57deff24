"""Combined frames that nights lend each other: what one night has made is not made again by the next.

A night is planned with the raw frames that it borrows, so that what is made of them suits it: whether a dark keeps its
bias depends on the frames that it serves. Where that very combined frame, of the same files treated in the same way, is
there already among the results of another night, it is taken from there.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from zeroframe.fits.decode import decoded_float
from zeroframe.fits.fingerprint import file_mark
from zeroframe.fits.part_paths import file_of
from zeroframe.frames.stored import StoredFile
from zeroframe.planning.first_steps import Choice
from zeroframe.planning.grouping import frames_words
from zeroframe.planning.nights import BORROWED
from zeroframe.planning.plan import Stored
from zeroframe.planning.uses import group_uses

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from zeroframe.frames.steps import Use
    from zeroframe.planning.plan import Group, Match, NightFrame, NightPlan

__all__ = ["Lending", "digests_of", "part_for"]


def digests_of(plan: NightPlan) -> dict[str, str]:
    """Return for each combined frame of a plan what tells it from all others: its files, and what is done to them.

    Parameters
    ----------
    plan : NightPlan
        Its combined frames may be called otherwise than those of another plan.

    Returns
    -------
    dict of str to str
        By name.
    """
    found: dict[str, str] = {group.name: f"stored {group.stored}" for group in plan.stored}

    def used(uses: Iterable[Use]) -> list[tuple[object, ...]]:
        return [(use.kind, use.scale, use.min_value, found[use.name]) for use in uses]

    for group in plan.groups:  # in the order in which they are made
        about = [
            (str(frame.source), frame.recipe, replace(frame.steps, uses=(), masks=()), used(frame.steps.uses))
            for frame in group.frames
        ]
        how = (group.kind, group.spec, group.clip_spread, group.scaled_by_level, group.reject_outliers)
        keeps = (group.includes_bias, group.keeps_lamp_colour, group.compress)
        known = [found[name] for name in group_uses(plan, group) if name in found]
        text = repr((about, how, keeps, known))
        found[group.name] = hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()
    return found


def part_for(lender: NightPlan, borrower: NightPlan) -> NightPlan:
    """Return of the plan of a night what it makes that another one needs, and what that is made with; nothing else.

    Parameters
    ----------
    lender, borrower : NightPlan
        As they make everything themselves.

    Returns
    -------
    NightPlan
        Without any group where there is nothing of the kind.
    """
    digests = digests_of(lender)
    wanted = set(digests_of(borrower).values())
    names = {group.name for group in lender.groups if digests[group.name] in wanted and not _is_borrowed(lender, group)}
    for group in reversed(lender.groups):  # what it is made with comes before
        if group.name in names:
            names |= {use.name for uses in group.uses for use in uses} | set(group_uses(lender, group))
    groups = tuple(group for group in lender.groups if group.name in names)
    return replace(lender, groups=groups, uncombined=(), science=(), masks=())


def _is_borrowed(plan: NightPlan, group: Group) -> bool:
    return all(frame.target.relative_to(plan.out).parts[0] == BORROWED for frame in group.frames)


class Lending:
    """Remembers which combined frames nights have made, one after the other.

    Parameters
    ----------
    out : pathlib.Path
        The folder that holds a folder for each night.
    """

    def __init__(self, out: Path) -> None:
        self._out = out
        self._made: dict[str, tuple[Path, int]] = {}

    def made(self, plan: NightPlan, there: Mapping[str, int]) -> frozenset[str]:
        """Note what a night has made.

        Parameters
        ----------
        plan : NightPlan
            As it was before anything was lent to it.
        there : mapping of str to int
            Names of its combined frames that are there, and of how many frames they are.

        Returns
        -------
        frozenset of str
            What tells those from all others; see `digests_of`.
        """
        digests = digests_of(plan)
        made = {digests[group.name]: (group.target, there[group.name]) for group in plan.groups if group.name in there}
        for digest, what in made.items():
            self._made.setdefault(digest, what)
        return frozenset(made)

    def lend(self, plan: NightPlan) -> NightPlan:
        """Return a plan that takes from other nights what they have made already.

        Parameters
        ----------
        plan : NightPlan
            That makes everything itself.

        Returns
        -------
        NightPlan
            The same one where nothing is to be had.
        """
        digests = digests_of(plan)
        lent: dict[str, Group] = {}
        for group in plan.groups:
            known = self._made.get(digests[group.name])
            if known is not None and known[0] != group.target and known[0].exists():
                lent[group.name] = self._lent(group, *known, lent)
        return _with_lent(plan, lent) if lent else plan

    def _lent(self, group: Group, path: Path, frames: int, lent: Mapping[str, Group]) -> Group:
        """Return a group as one that exists already, under the name that it has among all nights."""
        first = group.frames[0]
        double = decoded_float(first.layout) == np.float64
        stored = Stored(
            file=StoredFile(path, file_mark(path).sha256, double=bool(double)),
            made_by="zeroframe",
            frames=frames,
            recipes=tuple(dict.fromkeys(frame.recipe for frame in group.frames)),
            uses=_renamed(first.steps.uses, lent),
            most_nights=float("inf"),
            tells_noise=True,
            uncertainty="stated",
            colours=first.steps.colours,
            lent_by=path.relative_to(self._out).parts[0],
        )
        name = path.relative_to(self._out).as_posix()
        return replace(group, name=name, frames=(), target=path, stored=stored)


def _renamed(uses: Iterable[Use], lent: Mapping[str, Group]) -> tuple[Use, ...]:
    return tuple(replace(use, name=lent[use.name].name) if use.name in lent else use for use in uses)


def _with_lent(plan: NightPlan, lent: Mapping[str, Group]) -> NightPlan:
    """Return a plan in which some groups exist already, under other names, and their frames take no part."""

    def told(frame: NightFrame) -> NightFrame:
        steps = replace(frame.steps, uses=_renamed(frame.steps.uses, lent))
        return replace(frame, steps=steps, matches=tuple(_told(match, lent) for match in frame.matches))

    groups = tuple(
        replace(group, frames=tuple(map(told, group.frames))) for group in plan.groups if group.name not in lent
    )
    masks = tuple(replace(job, source=lent[job.source].name) if job.source in lent else job for job in plan.masks)
    gone = {frame.name for group in plan.groups if group.name in lent for frame in group.frames}
    kept = {file_of(frame.source) for group in groups for frame in group.frames}
    away = {file_of(frame.source) for group in plan.groups if group.name in lent for frame in group.frames} - kept
    counts = Counter(group.stored.lent_by for group in lent.values() if group.stored is not None)
    said = ", ".join(f"{frames_words(number, 'combined')} of {night}" for night, number in sorted(counts.items()))
    return replace(
        plan,
        groups=groups,
        stored=(*plan.stored, *lent.values()),
        science=tuple(map(told, plan.science)),
        masks=masks,
        found=tuple(item for item in plan.found if file_of(item.path) not in away),
        incomplete=tuple(each for each in plan.incomplete if each.name not in gone),
        choices=(*plan.choices, Choice("lent", said, "made there already, of the same frames in the same way")),
    )


def _told(match: Match, lent: Mapping[str, Group]) -> Match:
    candidates = tuple(
        replace(each, name=lent[each.name].name) if each.name in lent else each for each in match.candidates
    )
    known = lent.get(match.chosen or "")
    chosen = match.chosen if known is None else known.name
    return replace(match, chosen=chosen, candidates=candidates)
