"""What the sections of a night's page share: outcomes by name, samples of frames, and the words for them."""

from __future__ import annotations

import math
import os
from collections import Counter
from typing import TYPE_CHECKING
from urllib.parse import quote

import numpy as np

from zeroframe.frames.numbers import number
from zeroframe.frames.statistics import sampled_level
from zeroframe.headers.kinds import is_calibration
from zeroframe.records import dataclass
from zeroframe.report.data import PageFlag
from zeroframe.report.draw.sampling import sample_frames

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from zeroframe.frames.quality import Flag as QualityFlag
    from zeroframe.headers.kinds import Kind
    from zeroframe.planning.plan import Group, NightFrame, NightPlan
    from zeroframe.report.draw.sampling import PageSample
    from zeroframe.run.outcomes import GroupOutcome, MaskOutcome, NightOutcome, NightResult

__all__ = ["NightView", "figure_words", "frame_flags", "level_words", "open_night", "series", "unit_words"]

#: Rows of all tables of frames together: each costs the page 4 kB and the run a few ms.
_ALL_ROWS = 240
_FEWEST_ROWS = 3


@dataclass(frozen=True, eq=False)
class NightView:
    """A night that was carried out, as its page looks at it.

    Attributes
    ----------
    plan, result
        The run.
    frames : mapping of str to NightOutcome
        Frames by the names that the plan gives them.
    groups : mapping of str to GroupOutcome
        Combined frames by name.
    masks : mapping of str to MaskOutcome
        Masks by the name of the combined frame that they were made of.
    shown : mapping of str to tuple of NightOutcome
        Frames that stand in the table of their group, by its name.
    samples : mapping of str to FrameSample
        Of calibrated frames that are shown there, by name.
    workers : int or None
        How many threads.
    """

    plan: NightPlan
    result: NightResult
    frames: Mapping[str, NightOutcome]
    groups: Mapping[str, GroupOutcome]
    masks: Mapping[str, MaskOutcome]
    shown: Mapping[str, Sequence[NightOutcome]]
    samples: Mapping[str, PageSample]
    workers: int | None

    def groups_of(self, kind: Kind) -> list[GroupOutcome]:
        """Return the groups of one kind, in the order of the plan."""
        groups = (*self.plan.groups, *self.plan.uncombined)
        return [self.groups[group.name] for group in groups if group.kind == kind and group.name in self.groups]

    def pictured(self, groups: Sequence[GroupOutcome], most: int) -> list[GroupOutcome]:
        """Return those of which there is a combined frame, so many at most: those that most frames were made with."""
        used: Counter[str] = Counter(name for each in self.result.frames for name in each.frame.steps.needs)
        there = [each for each in groups if each.combined.is_there]
        first = {each.group.name for each in sorted(there, key=lambda each: -used[each.group.name])[:most]}
        return [each for each in there if each.group.name in first]

    def frames_of(self, group: Group) -> list[NightOutcome]:
        """Return how the frames of a group ended."""
        return [self.frames[frame.name] for frame in group.frames if frame.name in self.frames]

    def combined_of(self, group: Group) -> list[NightOutcome]:
        """Return the frames of a group that were combined."""
        return [each for each in self.frames_of(group) if each.outcome.state in {"done", "skipped"}]

    @property
    def science(self) -> list[NightOutcome]:
        """How the frames ended that are not combined."""
        return [self.frames[frame.name] for frame in self.plan.science if frame.name in self.frames]

    @property
    def refused_lights(self) -> int:
        """How many frames of those that are not combined were refused, as far as headers say what they are."""
        kinds = {item.path: item.facts.kind for item in self.plan.found if item.facts is not None}
        said = [kinds.get(each.path) for each in self.plan.refused]
        return sum(kind is not None and not is_calibration(kind) for kind in said)

    def name(self, path: Path) -> str:
        """Return what a raw file is called, relative to the raw folder."""
        return path.relative_to(self.plan.raw).as_posix() if path.is_relative_to(self.plan.raw) else path.name

    def link(self, path: Path) -> str:
        """Return the address of a result as seen from the page in OUT; empty where it lies elsewhere."""
        if not path.is_relative_to(self.plan.out):
            return ""
        return "./" + quote(os.fsencode(path.relative_to(self.plan.out).as_posix()))

    def short(self, text: str) -> str:
        """Return a sentence with files named relative to the raw folder and the folder of results."""
        return text.replace(f"{self.plan.raw}{os.sep}", "").replace(f"{self.plan.out}{os.sep}", "")

    def label(self, name: str | None) -> str:
        """Return what a combined frame is called in words."""
        return "–" if name is None else self.groups[name].group.label if name in self.groups else name

    def level_of(self, each: NightOutcome) -> float:
        """Return the level of a calibrated frame; NaN where neither the run nor a sample tells it."""
        if math.isfinite(each.outcome.level_adu):
            return each.outcome.level_adu
        sample = self.samples.get(each.frame.name)
        if sample is None or not np.isfinite(sample.thumbnail).any():
            return float("nan")
        return sampled_level(sample.thumbnail)

    def levels_of(self, group: Group) -> list[float]:
        """Return the levels of the frames of a group that were combined, as far as they are known."""
        levels = [self.level_of(each) for each in self.combined_of(group)]
        return [level for level in levels if math.isfinite(level)]


def open_night(plan: NightPlan, result: NightResult, workers: int | None = None) -> NightView:
    """Read a sample of each frame that is shown in a table.

    Parameters
    ----------
    plan, result, workers
        As for `zeroframe.report.night_page`.

    Returns
    -------
    NightView

    Raises
    ------
    FrameError
        When a file cannot be read back.
    """
    frames = {each.frame.name: each for each in result.frames}
    odd = {flag.path for group in result.all_groups for flag in group.flags}
    groups = (*plan.groups, *plan.uncombined)
    room = max(_ALL_ROWS // max(len(groups), 1), _FEWEST_ROWS)
    shown = {
        group.name: _chosen([frames[f.name] for f in group.frames if f.name in frames], odd, room) for group in groups
    }
    wanted = [each for some in shown.values() for each in some if each.outcome.is_there]
    read = sample_frames([each.frame.target for each in wanted], workers)
    return NightView(
        plan=plan,
        result=result,
        frames=frames,
        groups={each.group.name: each for each in result.all_groups},
        masks={each.job.source: each for each in result.masks},
        shown=shown,
        samples={each.frame.name: read[each.frame.target] for each in wanted if each.frame.target in read},
        workers=workers,
    )


def _chosen(frames: Sequence[NightOutcome], odd: set[Path], room: int) -> tuple[NightOutcome, ...]:
    """Return as many as there is room for, in their order; what is odd first of all."""
    calm = sorted(frames, key=lambda each: each.frame.source not in odd and each.outcome.state in {"done", "skipped"})
    kept = {each.frame.name for each in calm[:room]}
    return tuple(each for each in frames if each.frame.name in kept)


def frame_flags(each: NightOutcome, flags: Sequence[QualityFlag]) -> tuple[PageFlag, ...]:
    """Return why a frame of a group should be looked at, and how much of a flat is saturated.

    Parameters
    ----------
    each : NightOutcome
        The frame.
    flags : sequence of zeroframe.frames.quality.Flag
        Of its group.
    """
    gone = "; left out of the combined frame" if each.outcome.state == "left out" else ""
    found = [PageFlag(flag.what, flag.sentence + gone) for flag in flags if flag.path == each.frame.source]
    if each.outcome.state == "done" and each.outcome.reason:
        found.append(PageFlag("note", each.outcome.reason))
    saturated = each.said.get("NSATPIX", 0)
    if saturated and not any(flag.what == "saturated" for flag in found):
        found.append(PageFlag("saturated", f"{saturated:,} pixels", "neutral"))
    return tuple(found)


def figure_words(value: float | None) -> str:
    """Return a number with three digits, zeros at its end included.

    Examples
    --------
    >>> figure_words(19.96), figure_words(1.0), figure_words(408.6), figure_words(None)
    ('20.0', '1.00', '409', '–')
    """
    if value is None or not math.isfinite(value):
        return "–"
    size = abs(value)
    decimals = 2 if size == 0 else max(2 - math.floor(math.log10(float(f"{size:.3g}"))), 0)
    return f"{value:.{min(decimals, 6)}f}"


def level_words(level: float | None, noise: float | None) -> str:
    """Return a level with one digit more than the noise of a pixel has; the mean of many is that good.

    Examples
    --------
    >>> level_words(-0.009094, 4.13), level_words(409.73, 19.96), level_words(19917.3, 240.0), level_words(None, 1.0)
    ('-0.01', '409.7', '19917', '–')
    """
    if level is None or not math.isfinite(level):
        return "–"
    if noise is None or not noise > 0:
        return number(level)
    decimals = max(2 - math.floor(math.log10(noise)), 0)
    return f"{round(level, decimals) + 0.0:.{decimals}f}"


def series(words: Sequence[str]) -> str:
    """Join words as people do.

    Examples
    --------
    >>> series(["bias", "dark", "flat"]), series(["flat"])
    ('bias, dark and flat', 'flat')
    """
    return " and ".join([", ".join(words[:-1]), *words[-1:]] if len(words) > 1 else words)


def unit_words(frame: NightFrame | None, said: Mapping[str, object] | None = None) -> str:
    """Return the unit of a frame as people write it; of what a calibrated one says, where it is given."""
    unit = str((said or {}).get("BUNIT") or (frame.traits.unit if frame is not None else "adu"))
    return {"adu": "ADU", "electron": "e⁻"}.get(unit, unit)
