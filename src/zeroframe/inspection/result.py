"""What an inspection found, as plain frozen objects."""

from __future__ import annotations

from dataclasses import field
from html import escape
from typing import TYPE_CHECKING, Any, Literal

from zeroframe.headers.cameras import Camera
from zeroframe.headers.detectors import Amplifier
from zeroframe.inspection.sources import CameraWords, camera_words
from zeroframe.records import dataclass

if TYPE_CHECKING:
    from collections.abc import Mapping

    from astropy.table import Table
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from zeroframe.frames.overscan import OverscanSpec
    from zeroframe.headers.sections import Section
    from zeroframe.inspection.gain import Measured
    from zeroframe.inspection.profiles import Side
    from zeroframe.inspection.strip_light import StripLight
    from zeroframe.inspection.tracking import Tracking
    from zeroframe.inspection.worth import CommonNoise, StripWorth

__all__ = ["Decision", "OverscanInspection", "StripCurves", "StripFinding"]

Decision = Literal["use", "do not use", "none", "not proven"]


@dataclass(frozen=True, slots=True, eq=False)
class StripCurves:
    """What stands behind a finding, for its figure.

    Attributes
    ----------
    numbers : ndarray of int
        FITS numbers of columns (rows): the strip and some of the image beside it.
    by_kind : mapping of str to ndarray
        Mean of each, above the level of the strip without light, in ADU.
    image_deviation, strip_deviation : ndarray, shape (biases, bins)
        Levels of groups of neighbouring rows about their mean over the biases, in ADU; empty for one bias.
    """

    numbers: NDArray[Any]
    by_kind: Mapping[str, NDArray[Any]]
    image_deviation: NDArray[Any]
    strip_deviation: NDArray[Any]


@dataclass(frozen=True, slots=True, eq=False)
class StripFinding:
    """One strip of columns or rows that light proves to be no part of the image.

    Attributes
    ----------
    side : {'left', 'right', 'bottom', 'top'}
        Where it is.
    axis : {0, 1}
        Numpy axis that its level is taken along: 1, left and right, gives a level for each row.
    section : Section
        All of it.
    usable : Section or None
        The part that light does not reach; None where there is none.
    numbers : tuple of int
        FITS numbers of its columns (rows), from the image outwards; `leak_adu`, `leak_error_adu` and
        `structure_adu` belong to them.
    leak_adu, leak_error_adu : tuple of float
        Light in the brightest frame, and its standard error.
    structure_adu : tuple of float
        What stands there without light: hot columns, a level that settles.
    threshold_adu : float
        Less light than this, the noise of the level of one row, does not matter.
    brightest : str
        Kind and name of the brightest frame.
    light_adu : float
        Light of the image beside the strip in it.
    deviant : tuple of int
        FITS numbers of hot or cold columns within `usable`; they take no part in the level.
    offset_adu : float or None
        Level of the strip less that of the image, in biases.
    lit_shift_adu : mapping of str to float
        Level of the strip in frames of each kind that sees light, less that in biases.
    tracking : Tracking or None
        None for fewer than two biases.
    of_columns : Tracking or None
        Of a strip of rows: how it follows the levels of columns of the image, once those of rows are taken off.
    read_noise_adu : float
        Noise of its pixels.
    common_noise : CommonNoise or None
        Noise that subtracting the level of the usable columns adds to each row.
    worth : StripWorth or None
        What subtracting it costs and saves in science frames; None without a bias.
    light : StripLight or None
        What of the light of the brightest frame is in its level, and whether the noise of photons proves it; None where
        nothing tells.
    one_level : bool
        Whether it is good for one level a frame only: it is too narrow for a level a row, or does not follow along the
        frame.
    objections : tuple of str
        Why it should not be subtracted; empty: it can be.
    curves : StripCurves
        For the figure.
    unlit : bool
        Whether no light ends beside it: it is where the header has it, and no frame has light in it.
    """

    side: Side
    axis: Literal[0, 1]
    section: Section
    usable: Section | None
    numbers: tuple[int, ...]
    leak_adu: tuple[float, ...]
    leak_error_adu: tuple[float, ...]
    structure_adu: tuple[float, ...]
    threshold_adu: float
    brightest: str
    light_adu: float
    deviant: tuple[int, ...]
    offset_adu: float | None
    lit_shift_adu: Mapping[str, float]
    tracking: Tracking | None
    of_columns: Tracking | None
    read_noise_adu: float
    common_noise: CommonNoise | None
    worth: StripWorth | None
    light: StripLight | None
    one_level: bool
    objections: tuple[str, ...]
    curves: StripCurves = field(repr=False)
    unlit: bool = False

    @property
    def row_noise_adu(self) -> float | None:
        """Noise that subtracting its level adds to each row, which all its pixels share."""
        return None if self.common_noise is None else self.common_noise.added_adu

    @property
    def word(self) -> str:
        """What its pixels are counted in."""
        return "columns" if self.axis == 1 else "rows"

    @property
    def usable_numbers(self) -> tuple[int, int] | None:
        """FITS numbers of the first and last column (row) that can be used."""
        return None if self.usable is None else self.usable.ranges[1 - self.axis].ends()

    @property
    def rejected(self) -> tuple[tuple[int, float], ...]:
        """FITS number and ADU of light of each column (row) that is not used."""
        ends = self.usable_numbers
        pairs = zip(self.numbers, self.leak_adu, strict=True)
        return tuple((n, adu) for n, adu in pairs if ends is None or not ends[0] <= n <= ends[1])


@dataclass(frozen=True, eq=False)
class OverscanInspection:
    """What the pixels say of the overscan.

    Attributes
    ----------
    decision : {'use', 'do not use', 'none', 'not proven'}
        ``none``: light reaches every side, there is no strip; ``not proven``: no frame sees light, or not enough of it.
    recommended : OverscanSpec or None
        How to subtract the overscan; None: do not.
    parallel : OverscanSpec or None
        How to subtract a second overscan, of rows, after the recommended one of columns: where the levels of columns
        drift, too, and it follows them.
    trim : Section
        The image without the strips.
    strips : tuple of StripFinding
        Those that light proves.
    sentences : tuple of str
        The verdict first, then what it rests on and what is missing, each with its number.
    header_sections : mapping of str to Section
        What the header says; checked, never believed.
    read_noise_adu, gain_e_per_adu : Measured or None
        Of the image, from pairs of biases and of flats; None without a pair.
    shape_yx, binning_xy : tuple of int
        Of the frames.
    used : mapping of str to tuple of str
        Names of the frames that were looked at, by kind.
    match : tuple of (card, pattern)
        By which `to_camera` lets the camera be recognised.
    sides : mapping of side to mapping of kind to ndarray
        Median profiles of the four sides, from the edge of the frame inwards, for the figure.
    words : tuple of (card, text)
        What tells its frames from those of other cameras or chips of the same size; see
        `zeroframe.inspection.sources.split_sources`.
    others : tuple of OverscanInspection
        Of other cameras, chips, sizes and binnings among the frames.
    """

    decision: Decision
    recommended: OverscanSpec | None
    trim: Section
    strips: tuple[StripFinding, ...]
    sentences: tuple[str, ...]
    header_sections: Mapping[str, Section]
    read_noise_adu: Measured | None
    gain_e_per_adu: Measured | None
    shape_yx: tuple[int, int]
    binning_xy: tuple[int, int]
    used: Mapping[str, tuple[str, ...]]
    match: tuple[tuple[str, str], ...] = ()
    sides: Mapping[Side, Mapping[str, NDArray[Any]]] = field(default_factory=dict, repr=False)
    parallel: OverscanSpec | None = None
    words: CameraWords = ()
    others: tuple[OverscanInspection, ...] = ()

    @property
    def every(self) -> tuple[OverscanInspection, ...]:
        """It, and those of the other cameras, chips, sizes and binnings."""
        return (self, *self.others)

    @property
    def whose(self) -> str:
        """Which frames it is of, in words: size, binning, and what tells them from others of that size."""
        size = " x ".join(str(n) for n in reversed(self.shape_yx))
        binned = "" if self.binning_xy == (1, 1) else " binned {} x {}".format(*self.binning_xy)
        said = ", ".join(f"{card} {text}" for card, text in self.words)
        return f"{size} pixels{binned}" + (f", {said}" if said else "")

    def of_frame(
        self, shape_yx: tuple[int, ...], binning_xy: tuple[int, int], cards: Mapping[str, object] | None
    ) -> OverscanInspection | None:
        """Return what was found for frames like this one; None where none of its camera, chip and size was looked at.

        Parameters
        ----------
        shape_yx, binning_xy : tuple of int
            Of the frame.
        cards : mapping or None
            Its header.
        """
        for one in self.every:
            names = [card for card, _ in one.words]
            if (one.shape_yx, one.binning_xy) == (shape_yx, binning_xy) and camera_words(cards, names) == one.words:
                return one
        return None

    @property
    def verdict(self) -> str:
        """What to do, with the number that decided."""
        return self.sentences[0]

    @property
    def chosen(self) -> StripFinding | None:
        """The strip that is recommended."""
        if self.recommended is None:
            return None
        return next(strip for strip in self.strips if strip.usable == self.recommended.section)

    @property
    def table(self) -> Table:
        """The strips as an `astropy.table.Table`; figures in ADU."""
        from astropy.table import Table

        return Table(rows=[_row(strip, self) for strip in self.strips] or None, names=_COLUMNS)

    def to_camera(self, name: str) -> Camera:
        """Return a camera profile that `camera_to_toml` writes and ``--camera`` takes.

        Parameters
        ----------
        name : str
            Its name.

        Returns
        -------
        Camera
            Unbinned. Gain, and read noise in electrons, only where the gain could be measured to a tenth.
        """
        x, y = self.binning_xy
        overscan = self.recommended.section.unbin(x, y) if self.recommended is not None else None
        found = self.gain_e_per_adu
        gain = found.value if found is not None and found.is_good else None
        noise = self.read_noise_adu
        counted = ", ".join(f"{len(names)} {kind}" for kind, names in self.used.items())
        amplifier = Amplifier(
            overscan=overscan,
            overscan_axis=self.chosen.axis if self.chosen is not None else 1,
            overscan_method="auto" if self.recommended is None else self.recommended.method,
            overscan_reason=self.verdict,
            parallel_overscan=None if self.parallel is None else self.parallel.section.unbin(x, y),
            trim=self.trim.unbin(x, y),
            gain_e_per_adu=None if gain is None else round(gain, 4),
            read_noise_e=None if gain is None or noise is None else round(noise.value * gain, 3),
        )
        return Camera(
            name=name,
            title=name,
            shape_yx=(self.shape_yx[0] * y, self.shape_yx[1] * x),
            amplifiers=(amplifier,),
            match=self.match,
            source=f"measured by zeroframe inspect on {counted}",
        )

    def plot(self, fig: Figure | None = None) -> Figure:
        """Draw what the verdict rests on.

        Parameters
        ----------
        fig : matplotlib.figure.Figure, optional
            Where; by default a new one.

        Returns
        -------
        matplotlib.figure.Figure
            For each strip its profile in frames of each kind, and the level of the image against that of the strip.
        """
        from zeroframe.inspection.figure import draw_inspection

        return draw_inspection(self, fig)

    def _repr_html_(self) -> str:
        """Verdict, sentences and table, for notebooks."""
        items = "".join(f"<li>{escape(sentence)}</li>" for sentence in self.sentences[1:])
        table = "" if not self.strips else "".join(self.table.pformat(html=True, max_width=-1, show_unit=False))
        return f"<div><p><strong>{escape(self.verdict)}</strong></p><ul>{items}</ul>{table}</div>"


_COLUMNS = (
    *("side", "section", "usable", "use", "leak_first", "leak_last", "threshold", "offset", "lit_shift"),
    *("slope", "drift_before", "drift_after", "read_noise", "row_noise"),
)


def _row(strip: StripFinding, result: OverscanInspection) -> tuple[object, ...]:
    nan = float("nan")
    tracking = strip.tracking
    shift = max(strip.lit_shift_adu.values(), key=abs, default=nan)
    return (
        strip.side,
        str(strip.section),
        str(strip.usable or "none"),
        strip is result.chosen,
        *(round(value, 3) for value in (strip.leak_adu[0], strip.leak_adu[-1], strip.threshold_adu)),
        round(nan if strip.offset_adu is None else strip.offset_adu, 3),
        round(shift, 3),
        *(
            (nan, nan, nan)
            if tracking is None
            else (round(tracking.slope, 4), round(tracking.drift_before_adu, 3), round(tracking.drift_after_adu, 3))
        ),
        round(strip.read_noise_adu, 3),
        nan if strip.row_noise_adu is None else round(strip.row_noise_adu, 3),
    )
