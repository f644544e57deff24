"""What is going to be done in a night, as plain data: frames, the groups that are combined, masks, and why.

Combined frames and masks are named relative to OUT, with forward slashes, wherever a frame needs them; nothing here
knows pixels. Every job can be pickled and sent to another process or machine.
"""

from __future__ import annotations

from dataclasses import field, fields
from typing import TYPE_CHECKING, Any, Literal

from zeroframe.frames.saturation import NOTHING_STATED
from zeroframe.headers.kinds import Kind
from zeroframe.records import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from zeroframe.fits import Compression, ImageLayout
    from zeroframe.frames.saturation import StatedSaturation
    from zeroframe.frames.steps import FrameRecipe, Steps, Use
    from zeroframe.frames.stored import StoredFile
    from zeroframe.headers.cameras import Camera
    from zeroframe.headers.colours import ColourPattern
    from zeroframe.headers.dialects import FrameFacts
    from zeroframe.headers.survey import RawFrame
    from zeroframe.inspection import OverscanInspection
    from zeroframe.kernels.calibrate import Window
    from zeroframe.planning.first_steps import Choice
    from zeroframe.planning.recipe import NightRecipe
    from zeroframe.planning.targets import Refused
    from zeroframe.stacks.clipping import ClipSpread
    from zeroframe.stacks.combine import CombineSpec

__all__ = [
    "Candidate",
    "Configuration",
    "Group",
    "Ignored",
    "Incomplete",
    "MaskJob",
    "MaskKind",
    "Match",
    "NightFrame",
    "NightPlan",
    "Stored",
    "StoredMask",
    "match_from_data",
]

MaskKind = Literal["hot", "bad"]


@dataclass(frozen=True, slots=True)
class Configuration:
    """What a frame, or a combined one, is matched by; None where the headers do not say it.

    Attributes
    ----------
    shape_yx : tuple of int
        As it stands in the raw file, overscan included.
    binning_xy : tuple of int
    unit : str
        Of the raw pixels; adu where none is stated.
    exposure_s : float or None
        Of a group: the mean.
    filter_name : str or None
        As written.
    temperature_c : float or None
        Of a group: the mean.
    gain_e_per_adu : float or None
        What the header states.
    settings : tuple of (str, str)
        What else says how the sensor was read, in words and as written: ``('read-out mode', 'Fast')``.
    night : str or None
        Date of the evening on which the night began, as ``'2016-01-15'``.
    case_counts : tuple of str
        What of it is compared with its case, ``'filter'`` or sorts of settings: frames of the folder have names that
        differ in nothing else, and are of two things (`zeroframe.planning.spellings`).
    flat_light : str or None
        Of a flat: ``dome``, ``twilight``, ``sky`` or ``lamp``.
    optics : tuple of (str, str)
        What the light went through beside the filter: ``('grating', '600B')``.
    angles : tuple of (str, float)
        Angles of gratings and the like in degrees, and central wavelengths.
    done : tuple of str
        Kinds of calibration that another program has done already.
    """

    shape_yx: tuple[int, int]
    binning_xy: tuple[int, int] = (1, 1)
    unit: str = "adu"
    exposure_s: float | None = None
    filter_name: str | None = None
    temperature_c: float | None = None
    gain_e_per_adu: float | None = None
    settings: tuple[tuple[str, str], ...] = ()
    night: str | None = None
    case_counts: tuple[str, ...] = ()
    flat_light: str | None = None
    optics: tuple[tuple[str, str], ...] = ()
    angles: tuple[tuple[str, float], ...] = ()
    done: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Candidate:
    """A combined frame that was thought of, for one step of one frame.

    Attributes
    ----------
    name : str
        Of the combined frame, relative to OUT.
    label : str
        In words: ``dark 300 s``.
    rank : int
        1 is the best. Those that cannot be used at all come last.
    usable : bool
        Whether it could be used if there were no better one.
    scale : float or None
        What a dark would be multiplied by; None where it is used as it is.
    reason : str
        Why it was chosen, or why not.
    """

    name: str
    label: str
    rank: int
    usable: bool
    scale: float | None
    reason: str


@dataclass(frozen=True, slots=True)
class Match:
    """Which combined frame is used for one step of one frame, and why.

    Attributes
    ----------
    what : Kind
        The step: what kind of combined frame is used.
    chosen : str or None
        Name of the combined frame, relative to OUT.
    scale : float or None
        What a dark is multiplied by; None where it is used as it is.
    needed : bool
        Whether the step is to be done at all; the ``reason`` of False is no loss.
    reason : str
        Why this one, or why none.
    candidates : tuple of Candidate
        Those that were thought of, best first; of many, the best twelve.
    """

    what: Kind
    chosen: str | None
    scale: float | None
    needed: bool
    reason: str
    candidates: tuple[Candidate, ...] = ()

    @property
    def is_missing(self) -> bool:
        """Whether the step ought to be done and cannot."""
        return self.needed and self.chosen is None


def match_from_data(said: Mapping[str, Any]) -> Match:
    """Build a match again from what `zeroframe.run.keys.as_data` made of it.

    Parameters
    ----------
    said : mapping
        As it stands in run.json.

    Returns
    -------
    Match

    Raises
    ------
    KeyError, TypeError
        When something is missing, or of another kind.

    Examples
    --------
    >>> from zeroframe.run.keys import as_data
    >>> dark = Candidate("d.fits", "dark 2 s", 1, True, 0.5, "longer")
    >>> match = Match(Kind.DARK, "d.fits", 0.5, True, "longer", (dark,))
    >>> match_from_data(as_data(match)) == match
    True
    """
    candidates = tuple(
        Candidate(**{each.name: one[each.name] for each in fields(Candidate)}) for one in said["candidates"]
    )
    rest = {each.name: said[each.name] for each in fields(Match) if each.name not in {"what", "candidates"}}
    return Match(what=Kind(said["what"]), **rest, candidates=candidates)


@dataclass(frozen=True, slots=True)
class OtherRaw:
    """Another raw exposure of a field: its name, its file, and how its image is stored."""

    name: str
    source: Path
    layout: ImageLayout


@dataclass(frozen=True, slots=True)
class NightFrame:
    """One raw frame, stored as ``layout`` says, that becomes one calibrated frame.

    Attributes
    ----------
    name : str
        Of the raw file, relative to the raw folder, with forward slashes. No two frames have one name.
    source, target : pathlib.Path
        The raw file, and what is written.
    kind : Kind
        What it is for.
    recipe : FrameRecipe
        Overscan and trim.
    steps : Steps
        What is done after that.
    layout : ImageLayout
        How the raw image is stored.
    facts : FrameFacts
        What its header says.
    traits : Configuration
        What it is matched by.
    matches : tuple of Match
        Which combined frames are used, and why.
    saturation : StatedSaturation
        What is stated of where raw pixels are full.
    compress : {'none', 'gzip', 'rice', 'rice-lossy'}
        Of what is written.
    header_crc32 : int or None
        Of the header by which the night was planned; None where nobody compares it with that of the frame.
    others : tuple of OtherRaw
        Raw exposures of its field by which its cosmic rays are judged.
    """

    name: str
    source: Path
    target: Path
    kind: Kind
    recipe: FrameRecipe
    steps: Steps
    layout: ImageLayout
    facts: FrameFacts
    traits: Configuration
    matches: tuple[Match, ...] = ()
    saturation: StatedSaturation = NOTHING_STATED
    compress: Compression = "none"
    header_crc32: int | None = None
    others: tuple[OtherRaw, ...] = ()

    @property
    def shape_yx(self) -> tuple[int, int]:
        """Shape of the calibrated frame."""
        return self.recipe.shape_yx(self.layout.shape_yx)


@dataclass(frozen=True, slots=True)
class Stored:
    """A combined frame that exists already, as the night takes it.

    Attributes
    ----------
    file : StoredFile
        Where it is, and what is done to its pixels first.
    made_by : str
        Which program has made it.
    frames : int
        Of how many, 1 where its header does not say it.
    recipes : tuple of FrameRecipe
        Overscan and trim of the frames that it may be used for.
    uses : tuple of Use
        Other stored frames that its own frames were calibrated with, as far as that is known.
    most_nights : float
        So many nights may lie between it and a frame.
    tells_noise : bool
        Whether its header says the noise of one frame as we measure it, or the gain.
    figures : mapping of str to float
        What was measured of it: level_adu, noise_adu; and expected_noise_adu where that is known.
    uncertainty : {'stated', 'estimated', 'absent'}
        Whether its errors stand in the file, were estimated from its pixels, or are not known.
    done : tuple of str
        What brings its pixels to the unit of the night.
    doubts : tuple of str
        Where header and pixels do not agree, and what had to be taken for granted.
    problem : str
        Why it cannot be used at all; empty where it can.
    colours : ColourPattern or None
        The colour pattern of the frames that it is for.
    lent_by : str
        The night among whose results it is, of many that are reduced together; else empty.
    """

    file: StoredFile
    made_by: str
    frames: int
    recipes: tuple[FrameRecipe, ...]
    uses: tuple[Use, ...] = ()
    most_nights: float = 0.0
    tells_noise: bool = False
    figures: Mapping[str, float] = field(default_factory=dict)
    uncertainty: Literal["stated", "estimated", "absent"] = "absent"
    done: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()
    problem: str = ""
    colours: ColourPattern | None = None
    lent_by: str = ""


@dataclass(frozen=True, slots=True)
class StoredMask:
    """A mask of bad pixels that exists already.

    Attributes
    ----------
    name : str
        What steps call it.
    file : StoredFile
        Where it is, and what is kept of it.
    recipes : tuple of FrameRecipe
        Overscan and trim of the frames that it is for.
    shape_yx : tuple of int
        Of those frames as they were read.
    binning_xy : tuple of int
    settings : tuple of (str, str)
        What else its header says of how the sensor was read, as that of a frame.
    """

    name: str
    file: StoredFile
    recipes: tuple[FrameRecipe, ...]
    shape_yx: tuple[int, int]
    binning_xy: tuple[int, int]
    settings: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Group:
    """Frames of one kind that become one combined frame; or such a frame that exists already.

    Attributes
    ----------
    kind : Kind
        A kind of calibration.
    name : str
        Of the combined frame, relative to OUT; what `Steps` and `Match` call it.
    label : str
        In words: ``dark 90 s``. No two groups have one label.
    frames : tuple of NightFrame
        In the order of their names. What is to be done to each before they are combined stands in its steps.
    target : pathlib.Path
        What is written.
    spec : CombineSpec
        How they are combined.
    clip_spread : {'noise', 'mad', 'std', 'ccd'}
        What deviations are counted in; where that needs the noise of the frames, it is measured first.
    scaled_by_level : bool
        Whether each frame is divided by its own robust level before anything is rejected. The result has a level of 1.
    reject_outliers : bool
        Whether frames that do not belong to the others are left out.
    includes_bias : bool
        Whether the level and structure of the bias are still in the combined frame. Such a dark is never scaled.
    traits : Configuration
        What the combined frame is matched by.
    compress : {'none', 'gzip', 'rice', 'rice-lossy'}
        Of what is written.
    stored : Stored or None
        What is known of one that exists already: then it has no frames, and its target is the file.
    keeps_lamp_colour : bool
        Whether a flat of a colour sensor is brought to a level of 1 as a whole, and not colour by colour.
    """

    kind: Kind
    name: str
    label: str
    frames: tuple[NightFrame, ...]
    target: Path
    spec: CombineSpec
    clip_spread: ClipSpread
    scaled_by_level: bool
    reject_outliers: bool
    includes_bias: bool
    traits: Configuration
    compress: Compression = "none"
    stored: Stored | None = None
    keeps_lamp_colour: bool = False

    @property
    def colours(self) -> ColourPattern | None:
        """The colour pattern of its frames, when they are calibrated."""
        if self.stored is not None:
            return self.stored.colours
        return self.frames[0].steps.colours if self.frames else None

    @property
    def count(self) -> int:
        """Of how many frames it is made."""
        return len(self.frames) if self.stored is None else self.stored.frames

    @property
    def frame_uses(self) -> tuple[tuple[Use, ...], ...]:
        """What each of its frames was calibrated with; of one that exists, what is known of all of them."""
        return tuple(frame.steps.uses for frame in self.frames) if self.stored is None else (self.stored.uses,)

    @property
    def uses(self) -> tuple[tuple[Use, ...], ...]:
        """The ways in which its frames were calibrated, each once."""
        return tuple(dict.fromkeys(self.frame_uses))

    def has_recipe(self, recipe: FrameRecipe) -> bool:
        """Whether overscan and trim of its frames were these."""
        return recipe in self.stored.recipes if self.stored is not None else self.frames[0].recipe == recipe


@dataclass(frozen=True, slots=True)
class MaskJob:
    """A mask that is made of a combined frame.

    Attributes
    ----------
    what : {'hot', 'bad'}
        Hot pixels of a dark, or pixels of a flat that answer to light as none of their neighbours.
    name : str
        Of the mask, relative to OUT.
    source : str
        Name of the combined frame, relative to OUT.
    target : pathlib.Path
        What is written: 1 where bad.
    sigmas : float
        hot: a pixel is hot that is above the median of the dark by more than so many standard deviations (1.4826 MAD).
        bad: below or above the median of its surroundings by more than so many.
    fraction : float
        bad: and by more than this fraction of that median. 0 for hot pixels.
    colours : ColourPattern or None
        Of the combined frame: its pixels are compared with others of their colour.
    amplifiers : tuple of Window
        Of a flat that several amplifiers read, the pixels of each: their levels differ by their gains.
    """

    what: MaskKind
    name: str
    source: str
    target: Path
    sigmas: float
    fraction: float = 0.0
    colours: ColourPattern | None = None
    amplifiers: tuple[Window, ...] = ()


@dataclass(frozen=True, slots=True)
class Ignored:
    """A file of the raw folder that takes no part, and why."""

    path: Path
    reason: str


@dataclass(frozen=True, slots=True)
class Incomplete:
    """A frame for which a step has no combined frame: it is calibrated without.

    Attributes
    ----------
    name : str
        Of the raw file, relative to the raw folder.
    missing : tuple of str
        The steps that are left out: ``('flat',)``.
    reason : str
        What is lost, and why there is none.
    """

    name: str
    missing: tuple[Kind, ...]
    reason: str


@dataclass(frozen=True, slots=True)
class StoredFrames:
    """What a night can take of combined frames that exist.

    Attributes
    ----------
    groups : tuple of Group
        In the order of the table of kinds, and of their names.
    masks : tuple of StoredMask
    left_out : tuple of Ignored
        Files that are neither.
    """

    groups: tuple[Group, ...] = ()
    masks: tuple[StoredMask, ...] = ()
    left_out: tuple[Ignored, ...] = ()


@dataclass(frozen=True, slots=True)
class NightPlan:
    """All that is going to be done to a night.

    Attributes
    ----------
    raw, out : pathlib.Path
        Where the frames are, and where results go.
    found : tuple of RawFrame
        Everything in the raw folder and the folders within.
    groups : tuple of Group
        In the order in which they must be made, as of `zeroframe.headers.kinds.KINDS`: biases, darks, flats.
    uncombined : tuple of Group
        Calibration frames that belong together, and are calibrated but not combined, as the recipe asks for; nothing is
        made with them.
    science : tuple of NightFrame
        Frames that are calibrated and not combined, in the order of their names: science, arcs, others.
    masks : tuple of MaskJob
        Each can be made when its group is.
    refused : tuple of Refused
        Frames that ought to take part and cannot.
    incomplete : tuple of Incomplete
        Frames that are calibrated, but not in full.
    ignored : tuple of Ignored
        Files that are left alone.
    choices : tuple of Choice
        What was decided, and why.
    camera : Camera or None
        The camera whose profile is used for most of the frames.
    recipe : NightRecipe
        What was asked for.
    overwrite : bool
        Whether files that are there already may be replaced.
    evidence : OverscanInspection or None
        What the pixels say of a camera that is not known, where they were looked at.
    stored : tuple of Group
        Combined frames that exist already, and that are used.
    stored_masks : tuple of StoredMask
        The same of masks.
    """

    raw: Path
    out: Path
    found: tuple[RawFrame, ...]
    groups: tuple[Group, ...]
    science: tuple[NightFrame, ...]
    masks: tuple[MaskJob, ...]
    refused: tuple[Refused, ...]
    incomplete: tuple[Incomplete, ...]
    ignored: tuple[Ignored, ...]
    choices: tuple[Choice, ...]
    camera: Camera | None
    recipe: NightRecipe
    overwrite: bool = False
    uncombined: tuple[Group, ...] = ()
    evidence: OverscanInspection | None = None
    stored: tuple[Group, ...] = ()
    stored_masks: tuple[StoredMask, ...] = ()

    @property
    def calibrations(self) -> tuple[Group, ...]:
        """All combined frames, those that are made and those that exist."""
        return (*self.groups, *self.stored)

    @property
    def frames(self) -> tuple[NightFrame, ...]:
        """Every frame that is calibrated, in the order in which that can be done."""
        return tuple(self._each())

    def _each(self) -> Iterator[NightFrame]:
        for group in (*self.groups, *self.uncombined):
            yield from group.frames
        yield from self.science

    def group(self, name: str) -> Group:
        """Return the group whose combined frame has this name.

        Raises
        ------
        KeyError
            When there is none.
        """
        for group in self.calibrations:
            if group.name == name:
                return group
        raise KeyError(name)
