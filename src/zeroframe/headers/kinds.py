"""What frames are for, and all that is known of each kind of calibration: a row of one table.

Planning, the run, the report and the command line look here, and nowhere else is a kind told by its name, but where
something is about that kind alone: whether a dark keeps its bias, for example. To add a kind, add a row to `KINDS`; if
its arithmetic is another one than to subtract or divide, a function beside those of `zeroframe.kernels.operations`; and
a section of the report if the general one does not say enough (`zeroframe.report.sections.kinds`).
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, ClassVar, Literal

from zeroframe.kernels.operations import Operator, divide, subtract
from zeroframe.records import dataclass

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "KINDS",
    "CalibrationKind",
    "Kind",
    "KindWords",
    "calibration_kind",
    "calibration_kinds",
    "has_photons",
    "is_calibration",
    "is_lit",
    "is_scaled_by_level",
    "kind_row",
]


class Kind(str):
    """What a frame is for: one of the kinds that have a name here, or one that a row of `KINDS` adds.

    Examples
    --------
    >>> Kind("bias") is Kind.BIAS, Kind("bias")
    (True, <Kind: 'bias'>)
    """

    __slots__ = ()

    BIAS: ClassVar[Kind]
    DARK: ClassVar[Kind]
    FLAT: ClassVar[Kind]
    SCIENCE: ClassVar[Kind]
    ARC: ClassVar[Kind]
    OTHER: ClassVar[Kind]

    def __new__(cls, name: str) -> Kind:  # noqa: PYI034 -- there are no classes below
        """Return the one that there is, where it has a name here: those can be compared by ``is``."""
        known = _NAMED.get(name)
        return str.__new__(cls, name) if known is None else known

    def __repr__(self) -> str:
        return f"<Kind: {str(self)!r}>"

    @property
    def value(self) -> str:
        """Its name, as plain text."""
        return str(self)


_NAMED: Mapping[str, Kind] = MappingProxyType(
    {name: str.__new__(Kind, name) for name in ("bias", "dark", "flat", "science", "arc", "other")}
)
Kind.BIAS, Kind.DARK, Kind.FLAT = _NAMED["bias"], _NAMED["dark"], _NAMED["flat"]
Kind.SCIENCE, Kind.ARC, Kind.OTHER = _NAMED["science"], _NAMED["arc"], _NAMED["other"]


@dataclass(frozen=True, slots=True, kw_only=True)
class KindWords:
    """How a kind of calibration is spoken of; nothing here changes a result.

    Attributes
    ----------
    plural : str
        Several raw frames: ``darks``.
    section : str
        Title of its section of the report.
    recipe : str
        What stands above its table in a ``night.toml``.
    lost : str
        What stays in a frame that goes without it.
    unwanted : str
        How a recipe says that none is wanted.
    not_for : str
        Why frames of some kinds go without; empty where none does.
    """

    plural: str
    section: str
    recipe: str
    lost: str
    unwanted: str
    not_for: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CalibrationKind:
    """All that is known of one kind of calibration.

    Attributes
    ----------
    kind : Kind
        Its name: in headers, in the recipe, and of results, as in ``combined_dark_300s.fits``.
    words : KindWords
        How it is spoken of.
    header_words : tuple of str
        Values of IMAGETYP and its like, in lower case, beyond those in ``dialects.toml``.
    temperature_tolerance : str or None
        The key in ``[tolerances]`` that says how far temperatures may differ, among its frames and from a frame that it
        calibrates; None: they do not matter.
    nights_tolerance : str
        The key that says how many nights may lie between it and a frame that it calibrates.
    by_exposure : bool
        Whether its frames are put together by exposure, and a combined one is scaled to that of the frame.
    by_filter : bool
        Whether they are put together, and matched, by filter.
    needs : tuple of Kind
        What its frames are calibrated with before they are combined. Where that is nothing, what they hold is the zero
        level of the detector, saturated pixels and all.
    may_keep_bias : bool
        Whether the bias stays in them where each frame has one of its own exposure.
    not_for : tuple of Kind
        Kinds of frames that go without.
    scaled_by_level : bool
        Whether each frame is divided by its own level before anything is rejected; the result has a level of 1. Such
        frames may differ in level, and what is saturated is judged by its share.
    has_photons : bool
        Whether brighter pixels are noisier by Poisson's law.
    tells_noise, tells_gain : bool
        Whether pairs of its frames tell the noise of a pixel without light, or the gain.
    mask : {'hot', 'bad'} or None
        Which pixels of the combined frame are masked in science frames.
    apply : Operator
        The arithmetic by which a frame is calibrated with it.
    divides : bool
        Whether that is a division: the combined frame is made ready for it, no lower than ``min_value`` of the recipe.
    card : str
        The card of a calibrated frame, of eight letters at most, that names the combined frame: IRAF's, if it has one.
    """

    kind: Kind
    words: KindWords
    header_words: tuple[str, ...] = ()
    temperature_tolerance: str | None = "temperature_c"
    nights_tolerance: str = "dark_nights"
    by_exposure: bool = False
    by_filter: bool = False
    needs: tuple[Kind, ...] = (Kind.BIAS,)
    may_keep_bias: bool = False
    not_for: tuple[Kind, ...] = ()
    scaled_by_level: bool = False
    has_photons: bool = True
    tells_noise: bool = False
    tells_gain: bool = False
    mask: Literal["hot", "bad"] | None = None
    apply: Operator = subtract
    divides: bool = False
    card: str

    @property
    def is_zero(self) -> bool:
        """Whether its frames hold the zero level of the detector, and nothing is subtracted from them."""
        return not self.needs

    @property
    def done(self) -> str:
        """What is done with it, as a header says it."""
        return "divided by" if self.divides else "subtracted"

    @property
    def doings(self) -> dict[str, object]:
        """What of it the bytes of results depend on, beside what stands in plans: part of their keys."""
        return {
            "apply": f"{getattr(self.apply, '__module__', '')}.{getattr(self.apply, '__qualname__', self.apply)}",
            "card": self.card,
            "divides": self.divides,
            "has_photons": self.has_photons,
            "is_zero": self.is_zero,
            "scaled_by_level": self.scaled_by_level,
            "tells_gain": self.tells_gain,
        }


#: Every kind of calibration, in the order in which they are combined, and in which a frame is calibrated with them.
KINDS: tuple[CalibrationKind, ...] = (
    CalibrationKind(
        kind=Kind.BIAS,
        words=KindWords(
            plural="biases",
            section="Bias",
            recipe="The combined bias",
            lost="its level and structure stay in",
            unwanted="if none is wanted, say so by steps.bias = 'never' in the recipe",
        ),
        temperature_tolerance="bias_temperature_c",
        nights_tolerance="bias_nights",
        needs=(),
        has_photons=False,
        tells_noise=True,
        card="ZEROCOR",
    ),
    CalibrationKind(
        kind=Kind.DARK,
        words=KindWords(
            plural="darks",
            section="Darks",
            recipe="The combined darks",
            lost="dark current and hot pixels stay in",
            unwanted="if none is wanted, say so by steps.dark = false in the recipe",
        ),
        by_exposure=True,
        may_keep_bias=True,
        tells_noise=True,
        mask="hot",
        card="DARKCOR",
    ),
    CalibrationKind(
        kind=Kind.FLAT,
        words=KindWords(
            plural="flats",
            section="Flats",
            recipe="The combined flats: each frame is divided by its own level before anything is rejected",
            lost="vignetting, dust and pixel response stay in",
            unwanted="if none is wanted, say so by steps.flat = false in the recipe",
            not_for="arcs are not divided by a flat",
        ),
        temperature_tolerance=None,
        nights_tolerance="flat_nights",
        by_filter=True,
        needs=(Kind.BIAS, Kind.DARK),
        not_for=(Kind.ARC,),
        scaled_by_level=True,
        tells_gain=True,
        mask="bad",
        apply=divide,
        divides=True,
        card="FLATCOR",
    ),
)


def calibration_kinds() -> tuple[CalibrationKind, ...]:
    """Return the rows of the table.

    Whoever needs them asks here each time, so that a test can put another table in the place of `KINDS`, for all
    threads, and take it away again.

    Examples
    --------
    >>> [row.kind.value for row in calibration_kinds()]
    ['bias', 'dark', 'flat']
    """
    return KINDS


def kind_row(kind: str | None) -> CalibrationKind | None:
    """Return the row of a kind; None where it is no kind of calibration, as science.

    Examples
    --------
    >>> kind_row("dark").card, kind_row(Kind.SCIENCE)
    ('DARKCOR', None)
    """
    for row in calibration_kinds():
        if row.kind == kind:
            return row
    return None


def calibration_kind(kind: str) -> CalibrationKind:
    """Return the row of a kind of calibration.

    Raises
    ------
    KeyError
        When it is none.
    """
    row = kind_row(kind)
    if row is None:
        raise KeyError(kind)
    return row


def is_calibration(kind: str | None) -> bool:
    """Say whether frames of a kind are combined, to calibrate others."""
    return kind_row(kind) is not None


def is_lit(kind: str | None) -> bool:
    """Say whether frames of a kind may differ in level as the light does.

    Examples
    --------
    >>> [name for name in ("bias", "dark", "flat", "science", "arc", "other") if is_lit(name)]
    ['flat', 'science', 'arc']
    """
    row = kind_row(kind)
    return kind in {Kind.SCIENCE, Kind.ARC} if row is None else row.scaled_by_level


def is_scaled_by_level(kind: str | None) -> bool:
    """Say whether frames of a kind are divided by their own levels, as flats are.

    Examples
    --------
    >>> [name for name in ("bias", "dark", "flat", "science") if is_scaled_by_level(name)]
    ['flat']
    """
    row = kind_row(kind)
    return row is not None and row.scaled_by_level


def has_photons(kind: str | None) -> bool:
    """Say whether brighter pixels of a kind are noisier by Poisson's law.

    Examples
    --------
    >>> [name for name in ("bias", "dark", "flat", "science", "arc", "other") if has_photons(name)]
    ['dark', 'flat', 'science', 'arc']
    """
    row = kind_row(kind)
    return kind in {Kind.SCIENCE, Kind.ARC} if row is None else row.has_photons
