"""What the page shows, as plain data: any command can fill it, and none of it knows how it was made.

A report has sections, one for each kind of frame; what is missing is left out of the page.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from zeroframe.records import dataclass

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from zeroframe.planning.first_steps import Choice

__all__ = [
    "Bar",
    "Blink",
    "Column",
    "Comparison",
    "Curve",
    "Fact",
    "FrameTable",
    "Histogram",
    "InputFile",
    "KeyFigure",
    "Lane",
    "PageFlag",
    "PagePicture",
    "PageRow",
    "PageSection",
    "PageVerdict",
    "Plot",
    "Remark",
    "ReportData",
    "Scale",
    "Span",
    "Table",
    "TableRow",
    "Timeline",
    "Tone",
]

#: ``note``: worth a look; ``bad``: something is not as it should be.
Tone = Literal["good", "note", "bad", "neutral"]
#: ``asinh`` is linear about zero and logarithmic beyond ``Plot.y_linear``, on both sides of it.
Scale = Literal["linear", "log", "asinh"]


@dataclass(frozen=True, slots=True)
class Remark:
    """A sentence, with the number that it rests on."""

    text: str
    tone: Tone = "neutral"


@dataclass(frozen=True, slots=True)
class PageVerdict:
    """What a person reads first, and perhaps only; ``more`` is folded below the remarks."""

    tone: Tone
    headline: str
    remarks: tuple[Remark, ...] = ()
    more: tuple[Remark, ...] = ()


@dataclass(frozen=True, slots=True)
class KeyFigure:
    """One of the few numbers that sum up the run, with its unit, and what it is to be compared with."""

    label: str
    value: str
    note: str = ""
    tone: Tone = "neutral"


@dataclass(frozen=True, slots=True)
class PageFlag:
    """Why a frame should be looked at: in a word or two, and as a sentence with the figure that decided."""

    what: str
    sentence: str
    tone: Tone = "note"


@dataclass(frozen=True, slots=True)
class Histogram:
    """How many pixels lie in each of some bins of one width; the first and the last hold what lies beyond."""

    low: float
    high: float
    counts: tuple[int, ...]


@dataclass(frozen=True, slots=True, eq=False)
class PagePicture:
    """An image as shades of grey.

    Attributes
    ----------
    title : str
        What it is called on its button.
    shades : ndarray of uint8, shape (ny, nx)
        0 is black, 254 white, 255 means that there is no pixel. Row 0 is at the bottom, as astronomers show images.
    alt : str
        What can be seen, for those who cannot.
    limits : tuple of float or None
        Values that are black and white; None where they are not told.
    unit : str
        Of these; empty for a ratio.
    block : int
        Pixels of the frame along a side of one pixel of the picture; 0 where it has not the scale of one frame.
    frame_yx : (int, int)
        Shape of that frame.
    file : str
        The file whose pixels it shows, as a command names it; empty where it is not of one file.
    """

    title: str
    shades: NDArray[np.uint8]
    alt: str
    limits: tuple[float, float] | None = None
    unit: str = ""
    block: int = 0
    frame_yx: tuple[int, int] = (0, 0)
    file: str = ""


@dataclass(frozen=True, slots=True)
class Blink:
    """Pictures of one shape that can be blinked; a single one is just shown."""

    title: str
    pictures: tuple[PagePicture, ...]
    caption: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class PageRow:
    """One row of the table of frames.

    Attributes
    ----------
    name : str
        Of the file.
    state : str
        ``done``, ``failed`` or what else became of it.
    reason : str
        Why it is not done.
    raw_level, level, noise : float or None
        Before and after calibration, and of one pixel; in the unit of the section.
    flags : tuple of Flag
        Why it should be looked at.
    thumbnail : Picture or None
        Small.
    histogram : Histogram or None
        Of the calibrated pixels.
    rows, columns : tuple of float
        Level along the frame, from the first row (column) to the last; empty where not measured.
    link : str
        Address of its file, as seen from the page; empty where there is none.
    """

    name: str
    state: str
    reason: str = ""
    raw_level: float | None = None
    level: float | None = None
    noise: float | None = None
    flags: tuple[PageFlag, ...] = ()
    thumbnail: PagePicture | None = None
    histogram: Histogram | None = None
    rows: tuple[float, ...] = ()
    columns: tuple[float, ...] = ()
    link: str = ""


@dataclass(frozen=True, slots=True)
class Curve:
    """Points that are joined by a line, or marked, or both."""

    label: str
    x: tuple[float, ...]
    y: tuple[float, ...]
    line: bool = True
    marks: bool = False
    dashed: bool = False


@dataclass(frozen=True, slots=True)
class Span:
    """A range of x that is shaded."""

    first: float
    last: float
    label: str
    tone: Tone = "neutral"


@dataclass(frozen=True, slots=True)
class Plot:
    """A diagram.

    Attributes
    ----------
    title, x_label, y_label, caption : str
        Words on and under it.
    alt : str
        What can be seen, for those who cannot.
    curves : tuple of Curve
        What is drawn.
    spans : tuple of Span
        What is shaded.
    x_scale, y_scale : {'linear', 'log', 'asinh'}
        Of the axes.
    y_linear : float
        Up to where an ``asinh`` scale is about linear.
    tabulated : bool
        Whether the numbers are given as a table, too.
    """

    title: str
    x_label: str
    y_label: str
    alt: str
    curves: tuple[Curve, ...]
    spans: tuple[Span, ...] = ()
    x_scale: Scale = "linear"
    y_scale: Scale = "linear"
    y_linear: float = 1.0
    caption: str = ""
    tabulated: bool = False


@dataclass(frozen=True, slots=True)
class Fact:
    """A label and a value, as of the provenance."""

    label: str
    value: str


@dataclass(frozen=True, slots=True)
class InputFile:
    """A file that went in."""

    name: str
    byte_count: int
    checksum: str = ""


@dataclass(frozen=True, slots=True)
class Column:
    """The head of a column; figures stand at its right edge, and what is long has a line of its own on a phone."""

    title: str
    figure: bool = False
    is_long: bool = False


@dataclass(frozen=True, slots=True)
class TableRow:
    """The cells of a row, of which the first names it; ``link`` is the address of its file, as seen from the page."""

    cells: tuple[str, ...]
    tone: Tone = "neutral"
    link: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of text under columns; ``hint`` says how to read them, or what is left out."""

    title: str
    columns: tuple[Column, ...]
    rows: tuple[TableRow, ...]
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Bar:
    """An exposure on a lane: begin and length in hours, and what is said of it."""

    start_h: float
    length_h: float
    label: str


@dataclass(frozen=True, slots=True)
class Lane:
    """Exposures of one sort, with the number of their colour."""

    label: str
    style: int
    bars: tuple[Bar, ...]


@dataclass(frozen=True, slots=True)
class Timeline:
    """When things were exposed: hours of universal time from midnight of the first day on, beyond 24 in the next."""

    title: str
    alt: str
    lanes: tuple[Lane, ...]
    caption: str = ""


@dataclass(frozen=True, slots=True)
class FrameTable:
    """Frames that share a table and are folded away until they are asked for, or something is wrong with them."""

    title: str
    unit: str
    frames: tuple[PageRow, ...]
    hint: str = ""
    is_open: bool = False


@dataclass(frozen=True, slots=True)
class Comparison:
    """One frame before and after.

    Attributes
    ----------
    title, subtitle : str
        Its name; what it is.
    pictures : tuple of Picture
        Of one shape and contrast; none where there is no room for them.
    figures : Table or None
        Before and after, line by line.
    steps : tuple of Choice
        What was done, with what, and why; ``certain`` is False where something is missing.
    remarks : tuple of Remark
        What is to be said of it.
    caption : str
        Of the pictures.
    details : tuple of str
        More sentences, folded away.
    link : str
        Address of its calibrated file, as seen from the page; empty where there is none.
    """

    title: str
    subtitle: str
    pictures: tuple[PagePicture, ...] = ()
    figures: Table | None = None
    steps: tuple[Choice, ...] = ()
    remarks: tuple[Remark, ...] = ()
    caption: str = ""
    details: tuple[str, ...] = ()
    link: str = ""


@dataclass(frozen=True, slots=True)
class PageSection:
    """Frames of one kind: what was found, and the pictures of it.

    Attributes
    ----------
    title : str
        As ``Bias``.
    unit : str
        Of levels and noise.
    remarks : tuple of Remark
        What is to be said of them.
    blinks : tuple of Blink
        Images.
    plots : tuple of Plot
        Diagrams.
    frames : tuple of FrameRow
        The table.
    timelines : tuple of Timeline
        When they were exposed.
    tables : tuple of Table
        What sums them up.
    comparisons : tuple of Comparison
        Frames before and after.
    frame_tables : tuple of FrameTable
        Further tables of frames, one for each that was combined of them.
    """

    title: str
    unit: str = "ADU"
    remarks: tuple[Remark, ...] = ()
    blinks: tuple[Blink, ...] = ()
    plots: tuple[Plot, ...] = ()
    frames: tuple[PageRow, ...] = ()
    timelines: tuple[Timeline, ...] = ()
    tables: tuple[Table, ...] = ()
    comparisons: tuple[Comparison, ...] = ()
    frame_tables: tuple[FrameTable, ...] = ()


@dataclass(frozen=True, slots=True)
class ReportData:
    """All that a page shows.

    Attributes
    ----------
    title, subtitle : str
        What was done, and to what.
    verdict : Verdict
        First of all.
    figures : tuple of KeyFigure
        A handful.
    sections : tuple of Section
        One a kind of frame.
    decisions : tuple of Choice
        Every choice, with its reason.
    provenance : tuple of Fact
        Versions, command line.
    inputs : tuple of InputFile
        What went in.
    made : str
        When the run ended; empty where that is not told.
    """

    title: str
    subtitle: str
    verdict: PageVerdict
    figures: tuple[KeyFigure, ...] = ()
    sections: tuple[PageSection, ...] = ()
    decisions: tuple[Choice, ...] = ()
    provenance: tuple[Fact, ...] = ()
    inputs: tuple[InputFile, ...] = ()
    made: str = ""
