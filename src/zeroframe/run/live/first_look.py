"""The first look at a frame that has just arrived: overscan, level, noise, saturation, and what is odd about them.

What is done to its pixels is what the engine does first, by the same functions; nothing is written. So it is told in a
moment whether a frame has to be taken again, while what it is calibrated with may still have to be made.
"""

from __future__ import annotations

import math
from dataclasses import field, replace
from typing import TYPE_CHECKING

import numpy as np

from zeroframe.errors import NoFramesError
from zeroframe.fits import read_raw
from zeroframe.fits.decode import decoded_float
from zeroframe.frames.quality import FrameQuality, flag_frames, measure_frame
from zeroframe.frames.raw import FrameOutcome, calibrate_pixels
from zeroframe.frames.raw_look import look_at
from zeroframe.frames.saturation import decide_saturation
from zeroframe.frames.science import mask_raw
from zeroframe.headers.extensions import as_extension
from zeroframe.headers.kinds import is_calibration, is_scaled_by_level
from zeroframe.headers.survey import of_detector, survey_files
from zeroframe.planning.detect import camera_with_extensions
from zeroframe.planning.planning import plan_night
from zeroframe.records import dataclass
from zeroframe.review import Finding, Incident, NightFigures, Subject, review_night
from zeroframe.run.figures import figures_of_frame
from zeroframe.run.outcomes import NightOutcome

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from zeroframe.headers.dialects import FrameFacts
    from zeroframe.headers.survey import RawFrame
    from zeroframe.inspection import OverscanInspection
    from zeroframe.planning.plan import NightFrame
    from zeroframe.planning.recipe import NightRecipe

__all__ = ["FirstLooks", "Seen"]

#: Peers that a frame is held against: more would not make their median better.
_MOST_PEERS = 60
#: Of a calibration frame this part may be full: hot pixels, and a star in a flat of the sky.
_FULL = 0.01


@dataclass(frozen=True)
class Seen:
    """What is seen of a frame at first sight.

    Attributes
    ----------
    path : pathlib.Path
        The raw file, or the part of it that one detector is.
    name : str
        What the night calls it.
    facts : FrameFacts or None
        What its header says.
    subject : Subject or None
        Its figures, by the names that a run gives them; None where it takes no part.
    image : ndarray or None
        Its pixels, trimmed, the overscan subtracted; they are for those who are told, and not kept.
    findings : tuple of Finding
        What is odd about it.
    left_alone : str
        Why it takes no part; empty where it does.
    """

    path: Path
    name: str
    facts: FrameFacts | None = None
    subject: Subject | None = None
    image: NDArray[np.floating] | None = None
    findings: tuple[Finding, ...] = ()
    left_alone: str = ""


@dataclass
class FirstLooks:
    """Looks at frames one after the other, and holds each against those of its sort that came before.

    Attributes
    ----------
    raw, out : pathlib.Path
        Where frames arrive, and where results go.
    recipe : NightRecipe
        What was asked for.
    check_sums : bool
        Whether a frame whose data have not the sum that its header gives is refused.
    evidence : OverscanInspection or None
        What the pixels of the night say of a camera that is not known, as soon as there is a plan that knows.
    """

    raw: Path
    out: Path
    recipe: NightRecipe
    check_sums: bool = True
    evidence: OverscanInspection | None = None
    _peers: dict[tuple[object, ...], dict[Path, FrameQuality]] = field(default_factory=dict)
    _facts: dict[Path, FrameFacts] = field(default_factory=dict)

    def headers(self, path: Path) -> list[RawFrame]:
        """Return what a file holds: nothing where it is no frame, several of a file of several detectors."""
        frames = self.recipe.frames
        found = survey_files(
            [path],
            ext=as_extension(frames.ext),
            camera=camera_with_extensions(self.recipe),
            words=self.recipe.all_words,
            within=self.raw,
        )
        return of_detector(found, frames.detector) if found else []

    def look(self, item: RawFrame) -> Seen:
        """Look at a frame.

        Parameters
        ----------
        item : RawFrame
            Of `headers`.

        Returns
        -------
        Seen

        Raises
        ------
        FrameError
            When it cannot be read: it is damaged, or not whole yet.
        """
        name = item.path.relative_to(self.raw).as_posix() if item.path.is_relative_to(self.raw) else item.path.name
        if item.problem is not None:
            raise item.problem
        # what it needs may not be there yet, which is no reason not to look at it
        recipe = replace(self.recipe, missing="leave")
        try:
            plan = plan_night([item], self.raw, self.out, recipe, evidence=self.evidence)
        except NoFramesError as error:
            return Seen(item.path, name, item.facts, left_alone=str(error))
        if not plan.frames:
            reasons = [each.reason for each in plan.ignored] + [str(each.problem) for each in plan.refused]
            return Seen(item.path, name, item.facts, left_alone="; ".join(reasons) or "takes no part")
        return self._measured(plan.frames[0], item.facts)

    def _measured(self, frame: NightFrame, facts: FrameFacts | None) -> Seen:
        raw = read_raw(frame.source, check_sums=self.check_sums)
        regions = frame.recipe.regions
        looks = look_at(raw, regions, frame.steps.gain_e_per_adu, frame.saturation.asked_adu)
        pixels = np.empty(frame.shape_yx, decoded_float(raw.layout))
        levels = calibrate_pixels(raw, frame.recipe, pixels, looks[0].unread_rows, looks[0].decoded)
        limits = [
            decide_saturation(look, frame.saturation.of_region(place, region.saturation_adu), raw.layout)
            for place, (look, region) in enumerate(zip(looks, regions, strict=True))
        ]
        mask = np.zeros(frame.shape_yx, np.uint8)
        full, unread = mask_raw(raw, looks, limits, frame.recipe, mask)
        colours = frame.steps.colours
        quality = measure_frame(pixels, is_flat=is_scaled_by_level(frame.kind), colours=colours)
        quality = replace(quality, saturated=full)
        outcome = FrameOutcome(
            frame.source, "done", "; ".join(raw.remarks), frame.target, shape_yx=frame.shape_yx,
            raw_level_adu=quality.level_adu + levels.mean_adu, level_adu=quality.level_adu, quality=quality,
        )  # fmt: skip
        told = NightOutcome(frame, outcome, {"NUNREAD": unread})
        subject = figures_of_frame(told, self.out, "")
        return Seen(frame.source, frame.name, facts, subject, pixels, self._findings(frame, quality, subject, facts))

    def _findings(
        self, frame: NightFrame, quality: FrameQuality, subject: Subject, facts: FrameFacts | None
    ) -> tuple[Finding, ...]:
        """Draw findings by the table that a run draws them by, and hold the frame against others of its sort."""
        incidents = []
        if is_calibration(frame.kind):
            traits = frame.traits
            sort = (frame.kind, traits.filter_name, traits.exposure_s, traits.binning_xy, frame.shape_yx)
            peers = self._peers.setdefault(sort, {})
            peers.pop(frame.source, None)
            while len(peers) >= _MOST_PEERS:
                self._facts.pop(next(iter(peers)), None)
                del peers[next(iter(peers))]
            peers[frame.source] = quality
            if facts is not None:
                self._facts[frame.source] = facts
            subtracted = any(region.overscan is not None for region in frame.recipe.regions)
            flags = flag_frames(peers, self._facts, level_subtracted=subtracted)
            incidents = [
                Incident("ZF202", f"{frame.name}: {flag.sentence}", (frame.name,))
                for flag in flags
                if flag.path == frame.source
            ]
            incidents += self._saturated(frame.name, subject, flags={flag.what for flag in flags})
        night = NightFigures((subject,), tuple(incidents))
        return review_night(night, self.recipe.findings.severities)

    def _saturated(self, name: str, subject: Subject, *, flags: set[str]) -> list[Incident]:
        """Tell of a calibration frame that more of it is full than a few hot pixels, whatever others are like."""
        share = subject.fraction("saturated_pixels")
        if "saturated" in flags or not share > _FULL or math.isnan(share):
            return []
        said = f"{name}: {100 * share:.2f} % of its pixels are saturated (limit {100 * _FULL:g} %)"
        return [Incident("ZF202", said, (name,))]

    def forget(self, path: Path) -> None:
        """Forget a frame that is not there any more."""
        self._facts.pop(path, None)
        for peers in self._peers.values():
            peers.pop(path, None)
