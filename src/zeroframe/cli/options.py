"""What several commands share: options, exit codes, and how an option's text becomes a value."""

from __future__ import annotations

import re
from contextlib import contextmanager, suppress
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from zeroframe.errors import NoFramesError, SectionError, UnsupportedError, UsageError, ZeroframeError
from zeroframe.fits.formats import Compression, format_words
from zeroframe.frames.level_fits import FITS
from zeroframe.workers import parse_size

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zeroframe.headers.sections import Section
    from zeroframe.headers.words import Words
    from zeroframe.run.dask import ClusterExecutor

__all__ = [
    "COMBINE",
    "INCOMPLETE",
    "INTERRUPTED",
    "OK",
    "REFUSED",
    "RESOURCES",
    "SUBTRACT",
    "TERMINATED",
    "UNFORESEEN",
    "WORDS",
    "WRITE",
    "CalibrationsAsked",
    "Camera",
    "Cards",
    "Check",
    "Clip",
    "ClipAsked",
    "Cluster",
    "CompressAsked",
    "DarkScaling",
    "Debayer",
    "DetectorAsked",
    "DryRun",
    "Ext",
    "IgnoreChecksums",
    "Interpolate",
    "Json",
    "KeepAmplifiers",
    "Kinds",
    "LibraryAdd",
    "LibraryAsked",
    "MemLimit",
    "Method",
    "MethodAsked",
    "Mosaic",
    "NightsAtOnce",
    "Open",
    "Out",
    "Overscan",
    "OverscanFit",
    "OverscanMethod",
    "OverscanOrder",
    "Overwrite",
    "OwnMask",
    "Port",
    "Recurse",
    "RejectAsked",
    "RejectOutliers",
    "Report",
    "SplitColours",
    "Spread",
    "SpreadAsked",
    "Strict",
    "Trace",
    "Trim",
    "UnitAsked",
    "Workers",
    "bytes_of",
    "executor_of",
    "expanded",
    "local_path",
    "overscan_of",
    "path_or_url",
    "section_of",
    "shape_of",
    "shared_folder",
    "taught_words",
]

#: 0, all was made and is well; 1, something was not made or is likely wrong; 2, nothing was done; 3, an error of ours.
OK, INCOMPLETE, REFUSED, UNFORESEEN, INTERRUPTED, TERMINATED = 0, 1, 2, 3, 130, 143

SUBTRACT, COMBINE, WRITE, RESOURCES = "What is subtracted and kept", "How frames are combined", "Output", "Resources"
WORDS = "What frames are"


def path_or_url(text: str) -> Path:
    """Return the path that an argument names, be it of a disk or the URL of a store."""
    from zeroframe.fits.store.names import as_path

    if not text:  # Path takes it for the folder one is in; a script whose variable is not set means nothing
        raise NoFramesError("the name of a file or folder is empty; give one, or . for the folder you are in")
    try:
        return as_path(text)
    except UsageError as error:
        raise NoFramesError(str(error)) from error  # which the parser of arguments does not take for its own


def local_path(text: str) -> Path:
    """Return the path that an argument names; raises `UnsupportedError` where it is the URL of a store."""
    from zeroframe.fits.store.names import UrlPath

    path = path_or_url(text)
    if isinstance(path, UrlPath):
        raise UnsupportedError(path, "is not on a disk, which this command needs", "copy it to a folder of a disk")
    return path


Open = Annotated[
    bool | None,
    typer.Option(
        "--open/--no-open",
        help="Open the page in the browser; by default where a person is at the terminal.",
        rich_help_panel=WRITE,
    ),
]
Port = Annotated[
    int,
    typer.Option(
        "--port", metavar="N", min=0, max=65535, help="Of --serve; 0: any that is free.", rich_help_panel=WRITE
    ),
]
Strict = Annotated[bool, typer.Option("--strict", help="Exit with 1 for warnings, too.", rich_help_panel=WRITE)]
Json = Annotated[
    bool,
    typer.Option(
        "--json",
        help="Print verdict, findings and figures as JSON, and nothing else, to standard output.",
        rich_help_panel=WRITE,
    ),
]
Out = Annotated[
    Path,
    typer.Option(
        "--out", "-o", metavar="OUT", parser=path_or_url, help="Folder for the results, or its URL (s3://…).",
        rich_help_panel=WRITE,
    ),
]  # fmt: skip
Camera = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="A known camera, or a profile of your own: my.toml.", rich_help_panel=SUBTRACT),
]
Overscan = Annotated[
    str | None, typer.Option(metavar="SECTION", help="As \\[2056:2080,:], or none.", rich_help_panel=SUBTRACT)
]
Trim = Annotated[
    str | None, typer.Option(metavar="SECTION", help="What is kept, as \\[1:2048,:].", rich_help_panel=SUBTRACT)
]
# words that `zeroframe.frames` knows are checked there, with all that it knows: to have them here would import numpy
OverscanMethod = Annotated[
    str | None,
    typer.Option(
        metavar="HOW", help="Level of each row: auto, median, mean, clipped (mean), constant.", rich_help_panel=SUBTRACT
    ),
]
OverscanFit = Annotated[
    str | None,
    typer.Option(metavar="FIT", help=f"Smooth it by a fit: {', '.join(FITS)}.", rich_help_panel=SUBTRACT),
]
Ext = Annotated[
    str | None,
    typer.Option("--ext", metavar="EXT", help="Read this extension only: 2, SCI or SCI,2.", rich_help_panel=SUBTRACT),
]
DetectorAsked = Annotated[
    str | None,
    typer.Option(
        "--detector", metavar="NAME", help="This detector only, of files with several.", rich_help_panel=SUBTRACT
    ),
]
Mosaic = Annotated[
    bool | None,
    typer.Option("--mosaic", help="Write all detectors of a science frame into one file, too.", rich_help_panel=WRITE),
]
KeepAmplifiers = Annotated[
    bool | None,
    typer.Option(
        "--keep-amplifiers", help="Leave what each amplifier read an image of its own.", rich_help_panel=SUBTRACT
    ),
]
OwnMask = Annotated[
    str | None,
    typer.Option(
        "--bad-pixels", metavar="FILE", help="Your own mask of bad pixels: a FITS image, or a list of regions.",
        rich_help_panel=SUBTRACT,
    ),
]  # fmt: skip
SplitColours = Annotated[
    bool | None,
    typer.Option("--split-colours", help="Write the R, G1, G2, B of colour frames, too.", rich_help_panel=WRITE),
]
Debayer = Annotated[
    bool | None,
    typer.Option("--debayer", help="Write a picture of colour frames, too.", rich_help_panel=WRITE),
]
Interpolate = Annotated[
    bool | None,
    typer.Option(
        "--interpolate", help="Replace bad pixels and cosmic rays by their neighbours.", rich_help_panel=SUBTRACT
    ),
]
Kinds = Annotated[
    list[str] | None,
    typer.Option(
        "--kind", metavar="KIND=PATTERN", help="Of which kind frames are: 'flat=*/sky*/*.fits', 'flat=OBJECT=Sky*'.",
        rich_help_panel=WORDS,
    ),
]  # fmt: skip
Cards = Annotated[
    list[str] | None,
    typer.Option(
        "--card", metavar="MEANING=CARD", help="What a card means: filter=FILTER01, exposure=EXPMS*0.001.",
        rich_help_panel=WORDS,
    ),
]  # fmt: skip
Recurse = Annotated[
    bool, typer.Option("--recurse/--no-recurse", help="Enter the folders within.", rich_help_panel=WORDS)
]
CalibrationsAsked = Annotated[
    list[Path] | None,
    typer.Option(
        "--calibrations", metavar="DIR", parser=path_or_url,
        help="Folder of combined biases, darks, flats and masks that exist already; may be given several times.",
        rich_help_panel=SUBTRACT,
    ),
]  # fmt: skip
DarkScaling = Annotated[
    Literal["exposure", "fit"] | None,
    typer.Option(
        "--dark-scale", metavar="HOW", help="Darks scaled by exposure, or by a fit to hot pixels: exposure, fit.",
        rich_help_panel=SUBTRACT,
    ),
]  # fmt: skip
LibraryAsked = Annotated[
    Path | None,
    typer.Option(
        "--library", metavar="DIR", parser=path_or_url,
        help="Library of combined frames, as zeroframe library add makes it, or its URL.", rich_help_panel=SUBTRACT,
    ),
]  # fmt: skip
LibraryAdd = Annotated[
    bool,
    typer.Option(
        "--library-add", help="Add what is combined to the library, where all is well.", rich_help_panel=WRITE
    ),
]
UnitAsked = Annotated[
    Literal["adu", "electron"] | None,
    typer.Option(
        "--unit", metavar="UNIT", help="Of science frames: adu (by default) or electron, by each amplifier's gain.",
        rich_help_panel=WRITE,
    ),
]  # fmt: skip
OverscanOrder = Annotated[
    int | None,
    typer.Option(min=0, metavar="N", help="Degree of that fit, or pieces of the spline.", rich_help_panel=SUBTRACT),
]
Method = Annotated[
    Literal["average", "median", "sum"],
    typer.Option(metavar="HOW", help="average, median or sum.", rich_help_panel=COMBINE),
]
Clip = Annotated[
    float,
    typer.Option(metavar="K", help="Reject what is K spreads from the median; 0: nothing.", rich_help_panel=COMBINE),
]
_SPREADS = (
    "noise (by default): 1.4826 MAD, but no less than the noise of the frames; mad: as in the notebooks; std: standard "
    "deviation, as IRAF's sigclip; ccd: that noise alone, as IRAF's ccdclip."
)
Spread = Annotated[
    str,
    typer.Option("--clip-spread", metavar="HOW", help=_SPREADS, rich_help_panel=COMBINE),
]
RejectOutliers = Annotated[
    bool,
    typer.Option(
        "--reject-outliers", help="Leave out frames that do not belong to the others.", rich_help_panel=COMBINE
    ),
]
MethodAsked = Annotated[
    Literal["average", "median", "sum"] | None,
    typer.Option("--method", metavar="HOW", help="average (by default), median or sum.", rich_help_panel=COMBINE),
]
ClipAsked = Annotated[
    float | None,
    typer.Option(
        "--clip",
        metavar="K",
        help="Reject what is K spreads from the median (by default 5); 0: nothing.",
        rich_help_panel=COMBINE,
    ),
]
SpreadAsked = Annotated[
    str | None,
    typer.Option("--clip-spread", metavar="HOW", help=_SPREADS, rich_help_panel=COMBINE),
]
RejectAsked = Annotated[
    bool | None,
    typer.Option(
        "--reject-outliers/--keep-outliers",
        help="Leave out frames that do not belong to the others.",
        rich_help_panel=COMBINE,
    ),
]
CompressAsked = Annotated[
    Compression | None,
    typer.Option("--compress", metavar="HOW", help=format_words(), rich_help_panel=WRITE),
]
Overwrite = Annotated[
    bool, typer.Option("--overwrite", help="Replace results that are there already.", rich_help_panel=WRITE)
]
MemLimit = Annotated[
    str | None,
    typer.Option(metavar="SIZE", help="As 2G; by default half of what is free.", rich_help_panel=RESOURCES),
]
IgnoreChecksums = Annotated[
    bool,
    typer.Option("--ignore-checksums", help="Use frames whose data do not match DATASUM.", rich_help_panel=RESOURCES),
]
Workers = Annotated[
    int | None,
    typer.Option(min=1, metavar="N", help="Threads; by default one for each core.", rich_help_panel=RESOURCES),
]
NightsAtOnce = Annotated[
    int | None,
    typer.Option(
        min=1,
        metavar="N",
        help="Nights carried out side by side with --by-night: by default 1, on a cluster one a core, 2 to 8.",
        rich_help_panel=RESOURCES,
    ),
]
Cluster = Annotated[
    str | None,
    typer.Option(
        metavar="ADDRESS", help="Dask cluster: tcp://scheduler:8786, or local:4 (processes).", rich_help_panel=RESOURCES
    ),
]
Trace = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        parser=local_path,
        help="Write what each thread did and when: a timeline for ui.perfetto.dev or chrome://tracing.",
        rich_help_panel=RESOURCES,
    ),
]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Show what would be done, and write nothing.", rich_help_panel=WRITE)
]
Report = Annotated[
    bool,
    typer.Option(
        "--report/--no-report",
        help="Write OUT/report.html, a page with plots, checks and reasons.",
        rich_help_panel=WRITE,
    ),
]
Check = Annotated[
    bool,
    typer.Option(
        "--check", help="Read raw frames and results again even where times are the same.", rich_help_panel=WRITE
    ),
]


def section_of(text: str | None, option: str) -> Section | None:
    """Return the section that an option names; raises `SectionError`, which names the option."""
    from zeroframe.headers.sections import Section

    try:
        return None if text is None else Section.parse(text)
    except SectionError as error:
        whole = "; [*,*] is the whole frame" if text == "none" else ""
        raise SectionError(f"{option}: {error}{whole}") from error


def overscan_of(text: str | None) -> Section | Literal["none"] | None:
    """Return what ``--overscan`` names: a section, or that none is subtracted; raises as `section_of` does."""
    return "none" if text == "none" else section_of(text, "--overscan")


def shape_of(size: str) -> tuple[int, int]:
    """Return ``(ny, nx)`` of a size as ``480x512`` says it, x first; raises `UsageError`."""
    parts = re.fullmatch(r"([1-9]\d{0,5})\s*[x×]\s*([1-9]\d{0,5})", size.strip())
    if parts is None:
        raise UsageError(f"--size: {size!r} is no size; give columns and rows, as 480x512")
    return int(parts[2]), int(parts[1])


def taught_words(camera: str | None, kinds: list[str] | None, cards: list[str] | None) -> Words:
    """Return what ``--kind``, ``--card`` and the file of a camera teach; raises `UsageError` and `CameraError`."""
    from zeroframe.headers.cameras import load_camera
    from zeroframe.headers.words import words_of_options

    taught = words_of_options(kinds or (), cards or ())
    return taught if camera is None else taught.before(load_camera(camera).words)


@contextmanager
def executor_of(cluster: str | None, raw: Path) -> Iterator[ClusterExecutor | None]:
    """Connect to the cluster that an option names, whose workers must see the raw frames; None where none is named."""
    if cluster is None:
        yield None
        return
    from zeroframe.headers.trees import tree_files
    from zeroframe.run.dask import on_cluster

    next(iter(tree_files(raw)), None)  # that it can be read here is known before anybody else is asked
    with on_cluster(cluster, folders=(raw,)) as executor:
        yield executor


@contextmanager
def shared_folder(executor: ClusterExecutor | None, out: Path) -> Iterator[None]:
    """Make a folder for the results of a cluster, which its workers must see; what was made in vain is removed."""
    if executor is None:
        yield
        return
    from zeroframe.fits.folders import make_output_folder
    from zeroframe.fits.store.names import is_there
    from zeroframe.run.dask import require_seen

    was_there = is_there(out)
    make_output_folder(out)
    try:
        require_seen(executor, out)
        yield
    except ZeroframeError:
        if not was_there:
            with suppress(OSError):  # what holds something stays
                out.rmdir()
        raise


def expanded(paths: list[Path]) -> list[Path]:
    """Return paths, those URLs that end in a pattern, which no shell expands, replaced by the files that it fits.

    Raises
    ------
    NoFramesError
        When it fits none.
    """
    from zeroframe.fits.store.names import UrlPath

    found: list[Path] = []
    for path in paths:
        if not (isinstance(path, UrlPath) and re.search(r"[*?\[]", path.name)):
            found.append(path)
            continue
        fitting = [each for each in path.parent.iterdir() if fnmatchcase(each.name, path.name)]
        if not fitting:
            raise NoFramesError(f"{path} fits no file; see what is there with zeroframe ls {path.parent}")
        found += fitting
    return found


def bytes_of(text: str | None) -> int | None:
    """Return the size in memory that an option names; raises `UsageError`."""
    return None if text is None else parse_size(text)
