"""How a night is to be reduced, as data: ``night.toml``, where every key has a default, a comment and a check."""

from __future__ import annotations

import tomllib
from dataclasses import MISSING, field, fields, is_dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast, get_args

from zeroframe.errors import SectionError, UsageError, nearest_name
from zeroframe.fits.formats import FORMATS
from zeroframe.fits.small_files import SETTINGS_BYTES, read_small_file
from zeroframe.frames.level_fits import FITS, Fit
from zeroframe.frames.regions import require_apart
from zeroframe.frames.steps import COSMIC_RAYS, CosmicRays
from zeroframe.frames.strip_levels import LEVEL_METHODS, LevelMethod
from zeroframe.headers.cameras import load_camera
from zeroframe.headers.kinds import calibration_kind, calibration_kinds
from zeroframe.headers.words import NO_WORDS, Words, parse_words
from zeroframe.planning import recipe_fields as key
from zeroframe.planning.first_steps import RecipeOptions
from zeroframe.planning.recipe_calibrations import CalibrationsRecipe
from zeroframe.planning.tolerances import Tolerances
from zeroframe.records import dataclass
from zeroframe.stacks.clipping import CLIP_SPREADS, ClipSpread, clip_spec

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zeroframe.fits import Compression
    from zeroframe.headers.sections import Section
    from zeroframe.inspection import OverscanInspection
    from zeroframe.stacks.combine import CombineSpec

__all__ = [
    "PATTERN_WORDS",
    "BiasPolicy",
    "BiasRecipe",
    "Borrow",
    "CombineRecipe",
    "DarkRecipe",
    "FindingsRecipe",
    "FlatRecipe",
    "FramesRecipe",
    "LampColour",
    "MaskRecipe",
    "Missing",
    "NightRecipe",
    "NightsRecipe",
    "StepsRecipe",
    "Tolerances",
    "combine_table",
    "kind_names",
    "load_recipe",
    "parse_recipe",
]

BiasPolicy = Literal["auto", "always", "never"]
Missing = Literal["leave", "fail"]
LampColour = Literal["divided out", "kept"]
Borrow = Literal["both", "earlier", "none"]
#: Patterns that a recipe may name.
PATTERN_WORDS = ("RGGB", "BGGR", "GRBG", "GBRG", "none")
_Statistic = Literal["average", "median", "sum"]


@dataclass(frozen=True, slots=True)
class FramesRecipe:
    """What is known of every frame: camera, overscan, trim, gain. None leaves it to camera, pixels and headers."""

    camera: str | None = field(
        default=None,
        metadata=key.name(
            "name of a camera, or path of a profile; without it, cameras are recognised or pixels looked at",
            "a name such as 'palomar-lfc', or a path that ends in .toml",
            "palomar-lfc",
        ),
    )
    overscan: Section | Literal["none"] | None = field(
        default=None,
        metadata=key.section(
            "overscan that is subtracted, or 'none'; with a section here, no camera is recognised",
            "[2056:2080,:]",
            or_none=True,
        ),
    )
    overscan_method: LevelMethod | None = field(
        default=None,
        metadata=key.choice("how the overscan of a row becomes its level", LEVEL_METHODS, "auto"),
    )
    overscan_fit: Fit | None = field(
        default=None, metadata=key.choice("function that is fitted to the levels", tuple(FITS), "chebyshev")
    )
    overscan_order: int | None = field(default=None, metadata=key.whole("order of that function", 3))
    trim: Section | None = field(
        default=None,
        metadata=key.section("part of the frame that is kept; with it, no camera is recognised", "[1:2048,:]"),
    )
    gain_e_per_adu: float | None = field(
        default=None, metadata=key.positive("electrons per ADU, instead of what camera or header say", 1.5)
    )
    read_noise_e: float | None = field(
        default=None, metadata=key.positive("electrons, instead of what camera or header say or is measured", 8.0)
    )
    saturation_adu: float | None = field(
        default=None,
        metadata=key.positive(
            "ADU of the raw frame from where on pixels are full, instead of what camera or header say; "
            "pixels that pile up below are full, too",
            60000.0,
        ),
    )

    colour_pattern: str | None = field(
        default=None,
        metadata=key.choice(
            "colours of the first 2 x 2 pixels of the raw file, as it is stored, instead of what headers say or flats "
            "show; 'none': the sensor has no colour filters",
            PATTERN_WORDS,
            "RGGB",
        ),
    )

    ext: str | None = field(
        default=None,
        metadata=key.name(
            "the one extension that is read of each file, by its number or name (with ',EXTVER' where names repeat)",
            "a number such as '1', or a name such as 'SCI' or 'SCI,2'",
            "SCI,2",
        ),
    )
    detector: str | None = field(
        default=None,
        metadata=key.name("the one detector that is calibrated, of files that hold several", "its name", "chip3"),
    )
    keep_amplifiers: bool = field(
        default=False,
        metadata=key.flag("leave what each of several amplifiers read an image of its own, and do not assemble them"),
    )

    def __post_init__(self) -> None:
        """Refuse an overscan that is image in part, or runs backwards, a slip of the pen; a trim may flip the image."""
        said = self.overscan
        if said is None or said == "none":
            return
        if said.flipped:
            raise SectionError(f"overscan: {said} runs backwards; write {said.forwards()}")
        if self.trim is not None:
            require_apart(said, self.trim)

    def options(self, evidence: OverscanInspection | None = None) -> RecipeOptions:
        """Return what is asked to be done to each frame; that no overscan is subtracted, the caller has to see to."""
        overscan = None if self.overscan == "none" else self.overscan
        method, fit = self.overscan_method, self.overscan_fit
        return RecipeOptions(self.camera, overscan, self.trim, method, fit, self.overscan_order, evidence)


@dataclass(frozen=True, slots=True)
class CombineRecipe:
    """How the frames of one kind are combined."""

    method: _Statistic = field(
        default="average",
        metadata=key.choice(
            "what is made of the values that are left; a sum is never subtracted from other frames",
            get_args(_Statistic),
        ),
    )
    clip: float = field(
        default=5.0, metadata=key.number("reject what lies further than so many sigmas from the median; 0: nothing")
    )
    clip_spread: ClipSpread = field(
        default="noise",
        metadata=key.choice(
            "what sigma is. " + "; ".join(f"'{word}': {meaning}" for word, meaning in CLIP_SPREADS.items()),
            tuple(CLIP_SPREADS),
        ),
    )
    reject_outliers: bool = field(default=False, metadata=key.flag("leave out frames that do not belong to the others"))
    combine: bool = field(
        default=True, metadata=key.flag("combine them; false: they are calibrated only, and nothing is made with them")
    )

    @property
    def spec(self) -> CombineSpec:
        """The same for `zeroframe.stacks.combine`."""
        return clip_spec(self.method, self.clip, self.clip_spread)


@dataclass(frozen=True, slots=True)
class BiasRecipe(CombineRecipe):
    """How biases are combined, and which of them together."""

    together: bool = field(
        default=False,
        metadata=key.flag(
            "all that have the size, binning and unit of most become one combined bias, whatever their night, "
            "temperature, gain or read-out, and others are refused; zeroframe bias does so"
        ),
    )


@dataclass(frozen=True, slots=True)
class DarkRecipe(CombineRecipe):
    """How darks are combined, and how far they may be scaled."""

    scale: bool = field(
        default=True, metadata=key.flag("a dark of another exposure may be scaled, if its bias was subtracted")
    )
    largest_scale: float = field(
        default=2.0,
        metadata=key.number("the most that a dark is multiplied by, and its noise with it; 1: only scaled down"),
    )
    scale_by: Literal["exposure", "fit"] = field(
        default="exposure",
        metadata=key.choice(
            "what darks are scaled by: the ratio of exposures, or 'fit', what fits the hot pixels of each frame best; "
            "where these do not tell, it is the ratio of exposures",
            ("exposure", "fit"),
        ),
    )


@dataclass(frozen=True, slots=True)
class FlatRecipe(CombineRecipe):
    """How flats are combined, each divided by its own level, and used."""

    lights: tuple[str, ...] = field(
        default=("twilight", "sky", "dome", "lamp"),
        metadata=key.ranking(
            "which flats are better, best first, where several fit; they are not mixed. For spectra: lamp, dome first",
            ("twilight", "sky", "dome", "lamp"),
        ),
    )
    min_value: float = field(
        default=0.1, metadata=key.number("where a flat, brought to a level of 1, is lower than this, pixels are masked")
    )
    lamp_colour: LampColour = field(
        default="divided out",
        metadata=key.choice(
            "of a colour sensor: 'divided out' brings each colour of a flat to a level of 1, so that science frames "
            "keep the colours that the sensor saw; 'kept' brings the flat as a whole to 1, which makes the lamp white",
            get_args(LampColour),
        ),
    )


@dataclass(frozen=True, slots=True)
class StepsRecipe:
    """What is done to frames after overscan and trim."""

    kinds: tuple[str, ...] = field(
        default=("science", "arc"),
        metadata=key.choices(
            "which frames are calibrated beside the calibration frames. Arcs are never divided by a flat; 'other' are "
            "such as focus or test; 'unknown' are those whose kind no header says, taken as science",
            ("science", "arc", "other", "unknown"),
        ),
    )
    bias: BiasPolicy = field(
        default="auto",
        metadata=key.choice(
            "whether a bias is subtracted; 'auto' leaves it in darks that every frame has of its own exposure",
            get_args(BiasPolicy),
        ),
    )
    dark: bool = field(default=True, metadata=key.flag("subtract a dark"))
    flat: bool = field(default=True, metadata=key.flag("divide by a flat"))
    uncertainty: bool = field(default=True, metadata=key.flag("carry the standard deviation of each pixel to the end"))
    split_colours: bool = field(
        default=False,
        metadata=key.flag("of a colour sensor, write an image of each colour of science frames, too: _R, _G1, _G2, _B"),
    )
    debayer: bool = field(
        default=False, metadata=key.flag("of a colour sensor, write a picture of interpolated colours, too: _RGB")
    )
    mosaic: bool = field(
        default=False,
        metadata=key.flag("write the detectors of a science frame into one file of several extensions, too: .mosaic"),
    )
    to_electrons: bool = field(default=False, metadata=key.flag("multiply science frames by the gain"))
    cosmic_rays: CosmicRays = field(
        default="lacosmic",
        metadata=key.choice(
            "how cosmic rays in science frames are found and masked: 'lacosmic' by their sharp edges, 'exposures' so, "
            "and judged by the two exposures of the same field that are next in time, 'median' as what stands far "
            "above its surroundings",
            COSMIC_RAYS,
        ),
    )


@dataclass(frozen=True, slots=True)
class MaskRecipe:
    """Which pixels are not believed in any science frame."""

    hot_pixels: bool = field(default=True, metadata=key.flag("make a mask of hot pixels from the longest dark"))
    hot_sigmas: float = field(
        default=20.0,
        metadata=key.number("hot: so many sigmas (1.4826 MAD) of the combined dark above its median", 1.0),
    )
    bad_pixels: bool = field(default=True, metadata=key.flag("make a mask of bad pixels from each flat"))
    bad_sigmas: float = field(
        default=10.0,
        metadata=key.number("bad: so many sigmas of the combined flat off the median of its surroundings", 1.0),
    )
    bad_fraction: float = field(
        default=0.2, metadata=key.number("bad: and by this fraction of that median; what is less, the flat corrects")
    )
    own_mask: str | None = field(
        default=None,
        metadata=key.name(
            "a mask of your own of bad pixels: a FITS image, not 0 where bad, of the size of the raw or of the trimmed "
            "frames; or a list of regions in pixels of the raw frame, as DS9 or IRAF's fixpix have them",
            "the name of a file",
            "bad.reg",
        ),
    )
    interpolate: bool = field(
        default=False,
        metadata=key.flag("replace bad pixels, hot ones and cosmic rays by their neighbours; they stay masked"),
    )
    grow_saturated: int | None = field(
        default=None,
        metadata=key.whole("mask so many pixels around saturated ones and around the trails that they bleed, too", 2),
    )


@dataclass(frozen=True, slots=True)
class NightsRecipe:
    """What nights that are reduced one after the other (``--by-night``) lend each other."""

    borrow: Borrow = field(
        default="both",
        metadata=key.choice(
            "where a night borrows the biases, darks and flats that it lacks: nearest night first, from those of "
            "'both' sides or only 'earlier' ones, so that what is done stays as it is when nights are added",
            get_args(Borrow),
        ),
    )


def kind_names() -> tuple[str, ...]:
    """Return the names of all kinds of calibration."""
    return tuple(row.kind.value for row in calibration_kinds())


def _codes(comment: str) -> Any:  # noqa: ANN401 -- metadata of a field
    from zeroframe.review import CHECKS

    return key.choices(comment, tuple(check.code for check in CHECKS))


@dataclass(frozen=True, slots=True)
class FindingsRecipe:
    """Findings whose severity is another than that of their table; see docs/findings.md."""

    off: tuple[str, ...] = field(
        default=(),
        metadata=key.made_when_asked(lambda: _codes("codes of findings that are not looked for: ZF409")),
    )
    notes: tuple[str, ...] = field(
        default=(), metadata=key.made_when_asked(lambda: _codes("codes of findings that are said and no more"))
    )
    warnings: tuple[str, ...] = field(
        default=(), metadata=key.made_when_asked(lambda: _codes("codes of findings that are to be looked at"))
    )
    errors: tuple[str, ...] = field(
        default=(), metadata=key.made_when_asked(lambda: _codes("codes of findings for which a run is not well"))
    )

    @property
    def severities(self) -> dict[str, str]:
        """Return what is asked for of each code; what stands in several lists is as the worst of them."""
        lists = {"off": self.off, "note": self.notes, "warning": self.warnings, "error": self.errors}
        return {code: severity for severity, codes in lists.items() for code in codes}


def _differences(table: object, default: object, within: str = "") -> Iterator[tuple[str, object]]:
    """Yield name and value of each key that is not as in another recipe."""
    for each in fields(table):  # type: ignore[arg-type]  # recipes, and tables within
        value, usual = getattr(table, each.name), getattr(default, each.name)
        if value == usual:
            continue
        name = f"{within}{each.name}"
        if is_dataclass(value) and type(value) is type(usual):
            yield from _differences(value, usual, f"{name}.")
        else:
            yield name, value


@dataclass(frozen=True, slots=True)
class NightRecipe:
    r"""How a night is to be reduced.

    Examples
    --------
    >>> recipe = parse_recipe("[dark]\nlargest_scale = 1")
    >>> recipe.dark.largest_scale, recipe.bias == NightRecipe().bias
    (1.0, True)
    >>> recipe, NightRecipe()
    (<NightRecipe: dark.largest_scale = 1.0>, <NightRecipe: all at its defaults>)
    """

    kinds: tuple[str, ...] = field(
        default_factory=kind_names,
        metadata=key.made_when_asked(
            lambda: key.choices(
                "which calibration frames take part; all others are left alone. Science frames stand in steps.kinds",
                kind_names(),
            )
        ),
    )
    missing: Missing = field(
        default="leave",
        metadata=key.choice(
            "a frame for which no bias, dark or flat fits: 'leave' it calibrated as far as that goes, or 'fail' it",
            get_args(Missing),
        ),
    )
    compress: Compression = field(
        default="none",
        metadata=key.choice(
            "how what is written is compressed; with 'rice-lossy' science frames lose a little, all else nothing",
            tuple(FORMATS),
        ),
    )
    frames: FramesRecipe = field(default_factory=FramesRecipe)
    bias: BiasRecipe = field(default_factory=BiasRecipe)
    dark: DarkRecipe = field(default_factory=DarkRecipe)
    flat: FlatRecipe = field(default_factory=FlatRecipe)
    steps: StepsRecipe = field(default_factory=StepsRecipe)
    masks: MaskRecipe = field(default_factory=MaskRecipe)
    tolerances: Tolerances = field(default_factory=Tolerances)
    calibrations: CalibrationsRecipe = field(default_factory=CalibrationsRecipe)
    nights: NightsRecipe = field(default_factory=NightsRecipe)
    findings: FindingsRecipe = field(default_factory=FindingsRecipe)
    others: tuple[tuple[str, CombineRecipe], ...] = ()
    words: Words = NO_WORDS

    def __repr__(self) -> str:
        told = [f"{name} = {value!r}" for name, value in _differences(self, NightRecipe())]
        return f"<NightRecipe: {', '.join(told) or 'all at its defaults'}>"

    @property
    def all_words(self) -> Words:
        """What is taught by the recipe, and by the file of its camera."""
        if self.frames.camera is None:
            return self.words
        return self.words.before(load_camera(self.frames.camera).words)

    def combination(self, kind: str) -> CombineRecipe:
        """Return how the frames of a kind of calibration are combined.

        Kinds that have no field here have a table of the same keys, called as the kind, in ``others``.
        """
        own = getattr(self, kind, None)
        return own if isinstance(own, CombineRecipe) else dict(self.others).get(kind) or combine_table(kind)()

    def scaling(self, kind: str) -> DarkRecipe:
        """Return how far combined frames of a kind may be scaled."""
        how = self.combination(kind)
        return how if isinstance(how, DarkRecipe) else DarkRecipe()

    def with_combination(self, kind: str, **said: Any) -> NightRecipe:  # noqa: ANN401 -- keys of a table
        """Return the recipe with keys of one kind of calibration changed."""
        changed = replace(self.combination(kind), **said)
        if isinstance(getattr(self, kind, None), CombineRecipe):
            return replace(self, **{kind: changed})  # type: ignore[arg-type]
        return replace(self, others=tuple({**dict(self.others), kind: changed}.items()))


def combine_table(kind: str) -> type[CombineRecipe]:
    """Return the keys that the table of a kind of calibration has, where it has no field of its own."""
    row = calibration_kind(kind)
    return DarkRecipe if row.by_exposure else FlatRecipe if row.divides else CombineRecipe


def load_recipe(path: str | Path) -> NightRecipe:
    r"""Read a ``night.toml``.

    Parameters
    ----------
    path : path
        The file.

    Returns
    -------
    NightRecipe

    Raises
    ------
    UsageError
        When it cannot be read, is no TOML, or holds a key or a value that is not known; the file and the key are named.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder, "night.toml")
    ...     _ = path.write_text("[dark]\nlargest_scale = 1")
    ...     load_recipe(path).dark.largest_scale
    1.0
    """
    try:
        content = read_small_file(Path(path), SETTINGS_BYTES)
    except OSError as error:
        raise UsageError(
            f"{path}: the recipe cannot be read ({error.strerror}); `zeroframe recipe` writes one"
        ) from error
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise UsageError(f"{path}: this is not a TOML file ({error})") from error
    return parse_recipe(text, str(path))


def parse_recipe(text: str, where: str = "the recipe") -> NightRecipe:
    r"""Read the text of a ``night.toml``; keys that it does not have are at their defaults.

    Parameters
    ----------
    text : str
        TOML.
    where : str, optional
        What messages call it.

    Returns
    -------
    NightRecipe

    Raises
    ------
    UsageError
        As of `load_recipe`.

    Examples
    --------
    >>> parse_recipe("[flat]\nmin_valeu = 0.5")
    Traceback (most recent call last):
    zeroframe.errors.UsageError: the recipe: the key 'flat.min_valeu' is not known; did you mean 'min_value'?
    """
    try:
        said = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{where}: this is not a TOML file ({error})") from error
    return cast("NightRecipe", _read_table(NightRecipe, said, where, ""))


def _read_table(table: type[Any], said: dict[str, object], where: str, prefix: str) -> object:
    """Build a table of the recipe from what TOML gave."""
    known = {one.name: one for one in fields(table)}
    values: dict[str, object] = {}
    others: dict[str, CombineRecipe] = {}
    if table is NightRecipe:
        said = dict(said)
        rules = said.pop("kinds") if _are_tables(said.get("kinds")) else None
        values["words"] = parse_words(said.pop("words", None), rules, where)
    for name, value in said.items():
        if table is NightRecipe and name not in known and name in kind_names() and isinstance(value, dict):
            others[name] = cast("CombineRecipe", _read_table(combine_table(name), value, where, f"{name}."))
            continue
        if name not in known or name in {"others", "words"}:
            hint = nearest_name(name, known) or f"; known are {', '.join(known)}"
            raise UsageError(f"{where}: the key '{prefix}{name}' is not known{hint}")
        described, inner = key.key_of_field(known[name]), known[name].default_factory
        if described is not None:
            values[name] = key.read_key(described, value, f"{where}: {prefix}{name}")
        elif isinstance(value, dict) and inner is not MISSING:
            values[name] = _read_table(cast("type[Any]", inner), value, where, f"{prefix}{name}.")
        else:
            raise UsageError(f"{where}: {name} = {value!r} cannot be used; expected is a table [{name}]")
    if others:
        values["others"] = tuple(others.items())
    return table(**values)


def _are_tables(value: object) -> bool:
    """Whether kinds are the tables ``[[kinds]]``, and not the list of those that take part."""
    return isinstance(value, list) and bool(value) and all(isinstance(one, dict) for one in value)
