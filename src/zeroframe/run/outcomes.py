"""What the run of a night gave: every frame, every combined frame and every mask, in whatever state it ended."""

from __future__ import annotations

from dataclasses import field, replace
from typing import TYPE_CHECKING, Any, Literal

from zeroframe.html import verdict_html
from zeroframe.records import dataclass
from zeroframe.review import NightFigures, Review

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from zeroframe.frames.quality import Flag
    from zeroframe.frames.raw import FrameOutcome
    from zeroframe.headers.kinds import Kind
    from zeroframe.planning.plan import Group, Incomplete, MaskJob, NightFrame
    from zeroframe.run.checks import FolderCheck
    from zeroframe.run.combined_outcome import CombinedOutcome

#: Of what has not been looked at yet.
_NO_REVIEW = Review(NightFigures(), ())

__all__ = ["GroupOutcome", "MaskOutcome", "NightOutcome", "NightResult"]


@dataclass(frozen=True, slots=True)
class NightOutcome:
    """How one frame ended.

    Attributes
    ----------
    frame : NightFrame
        As it was carried out: without the steps whose combined frame could not be made.
    outcome : FrameOutcome
        State, figures and reason.
    said : mapping
        What its header says in figures, as far as they are known: RAWLEVEL, GAINUSED, RNOISADU, NSATPIX, NNOTFIN,
        NCOSMIC, NMASKED and BUNIT.
    lost : tuple of str
        Steps that were planned and left out, because their combined frame could not be made.
    """

    frame: NightFrame
    outcome: FrameOutcome
    said: Mapping[str, Any] = field(default_factory=dict)
    lost: tuple[Kind, ...] = ()

    @property
    def is_good(self) -> bool:
        """Whether it is there, and all was done to it that was planned."""
        return self.outcome.is_there and not self.lost


@dataclass(frozen=True, slots=True)
class GroupOutcome:
    """How the frames of a group ended, and their combined frame.

    Attributes
    ----------
    group : Group
        What belongs together.
    combined : CombinedOutcome
        How the combination ended; of frames that are not to be combined, with their noise only.
    flags : tuple of Flag
        Frames of the group that do not seem to belong to the others, whether they were left out or not.
    left_out : tuple of path
        Raw files of those that were.
    levels : mapping of path to float
        Of flats: the level of each calibrated frame, by which it was divided.
    said : mapping
        What its header says in figures, as far as they are known: NOISEADU, GAINMEAS, GAINERR, FLATLEVL.
    stamp : str
        Of the combined frame; see `zeroframe.run.record.OutputMark`.
    dtype : str
        Of its pixels, as they were read back from the file; empty where they were not.
    """

    group: Group
    combined: CombinedOutcome
    flags: tuple[Flag, ...] = ()
    left_out: tuple[Path, ...] = ()
    levels: Mapping[Path, float] = field(default_factory=dict)
    said: Mapping[str, Any] = field(default_factory=dict)
    stamp: str = ""
    dtype: str = ""

    @property
    def suspects(self) -> tuple[Flag, ...]:
        """Flags of frames that were combined all the same."""
        return tuple(flag for flag in self.flags if flag.path not in self.left_out)

    @property
    def is_good(self) -> bool:
        """Whether it is there, of all frames that were meant for it, if it was asked for, and all of them belong."""
        return (self.combined.is_good or self.combined.state == "not asked for") and not self.suspects


@dataclass(frozen=True, slots=True)
class MaskOutcome:
    """How one mask ended.

    Attributes
    ----------
    job : MaskJob
        What was to be made.
    state : {'done', 'skipped', 'failed'}
        ``reason`` says why it is not done; what is skipped is there and up to date.
    reason : str
        In words.
    count, pixels : int
        How many pixels are masked, and of how many.
    level, noise, limit : float
        What decided: see `zeroframe.frames.bad_pixels.FoundMask`.
    key, crc32, bytes_out, stamp
        Of the file; the stamp is what a store says of it, and empty for one on a disk.
    """

    job: MaskJob
    state: Literal["done", "skipped", "failed"]
    reason: str = ""
    count: int = 0
    pixels: int = 0
    level: float = float("nan")
    noise: float = float("nan")
    limit: float = float("nan")
    key: str = ""
    crc32: int = 0
    bytes_out: int = 0
    stamp: str = ""

    @property
    def is_there(self) -> bool:
        """Whether the mask is there and up to date, made now or before."""
        return self.state != "failed"


@dataclass(frozen=True, slots=True)
class NightResult:
    """What a run did.

    Attributes
    ----------
    frames : tuple of NightOutcome
        Every frame of the plan, in its order.
    refused : tuple of str
        One sentence for each frame that ought to take part and could not even be planned.
    incomplete : tuple of Incomplete
        Frames that were planned without a step that they ought to have.
    groups : tuple of GroupOutcome
        Every combined frame.
    masks : tuple of MaskOutcome
        Every mask.
    uncombined : tuple of GroupOutcome
        Calibration frames that belong together and were not to be combined.
    check : FolderCheck
        All results as they were read back; a run.json that could not be written stands in its problems.
    seconds : mapping of str to float
        How long the work on frames of each kind took, threads added up, and how long all were read back.
    review : Review
        Its figures, what they mean, and the verdict.
    products_lacking : tuple of str
        Why a mosaic, the image of a colour or a picture that was asked for is not there, a sentence each.
    """

    frames: tuple[NightOutcome, ...]
    refused: tuple[str, ...]
    incomplete: tuple[Incomplete, ...]
    groups: tuple[GroupOutcome, ...]
    masks: tuple[MaskOutcome, ...]
    check: FolderCheck
    seconds: Mapping[str, float] = field(default_factory=dict)
    uncombined: tuple[GroupOutcome, ...] = ()
    review: Review = _NO_REVIEW
    products_lacking: tuple[str, ...] = ()

    @property
    def all_groups(self) -> tuple[GroupOutcome, ...]:
        """Every group, combined or not."""
        return (*self.groups, *self.uncombined)

    @property
    def done(self) -> tuple[NightOutcome, ...]:
        """The frames whose calibrated frame is there, made now or before."""
        return tuple(each for each in self.frames if each.outcome.is_there)

    @property
    def skipped(self) -> tuple[NightOutcome, ...]:
        """The frames that were there already."""
        return tuple(each for each in self.frames if each.outcome.state == "skipped")

    def read_from(self, copies: Mapping[Path, Path]) -> NightResult:
        """Return the same, with calibrated frames where copies of them are that are read more quickly."""
        there = {target: near for target, near in copies.items() if near.exists()}
        frames = [
            replace(each, frame=replace(each.frame, target=there.get(each.frame.target, each.frame.target)))
            for each in self.frames
        ]
        return replace(self, frames=tuple(frames)) if there else self

    @property
    def failed(self) -> tuple[str, ...]:
        """One sentence for everything that could not be made."""
        masks = [each.reason for each in self.masks if not each.is_there]
        return (*self.refused, *self.failed_frames, *self.failed_groups, *masks)

    @property
    def failed_frames(self) -> tuple[str, ...]:
        """One sentence for each frame that could not be calibrated."""
        return tuple(each.outcome.reason for each in self.frames if each.outcome.state == "failed")

    @property
    def failed_groups(self) -> tuple[str, ...]:
        """One sentence for each group that could not be combined."""
        failed = [each for each in self.groups if not each.combined.is_there]
        reasons = [(each.group, each.combined.reason) for each in failed]
        return tuple(said if str(group.target) in said else f"{group.name}: {said}" for group, said in reasons)

    @property
    def is_good(self) -> bool:
        """Whether everything was made that was asked for, and no finding says that a result is likely wrong."""
        return self.review.verdict.is_good

    def _repr_html_(self) -> str:
        """Return the verdict for a notebook."""
        verdict = self.review.verdict
        said = [f"{len(self.done)} of {len(self.frames)} frames calibrated"]
        said += [each.sentence for each in self.review.findings]
        return verdict_html(verdict.tone, verdict.headline, said)
