"""From frames to what inspection needs of them: kind, edge zones, profiles, a sample of the image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from zeroframe.dialects import FrameFacts, Kind, read_facts
from zeroframe.errors import ArgumentError, FrameError, NoFramesError, UsageError
from zeroframe.inspection.profiles import SIDES, Side, clipped_block_means, column_medians, side_view
from zeroframe.parallel import map_threads
from zeroframe.survey import Found, survey, survey_folder

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = [
    "LIT",
    "FrameSample",
    "Source",
    "bins_of",
    "choose_sources",
    "gather_sources",
    "sample_frame",
    "take_samples",
]

#: Kinds of frames that see light. Arcs do, too, but the lines of their spectra have edges of their own.
LIT = (Kind.FLAT, Kind.SCIENCE)
_WIDEST_ZONE = 256
_BANDS, _BAND_HEIGHT = 8, 32
_BINS, _LINES_PER_BIN = 48, 6
_CELLS = 16
_SMALLEST_SIDE = 8
#: So many pixels of a line enter its level at most.
MOST_SAMPLED = 256
_MOST = {Kind.BIAS: 4, Kind.FLAT: 4, Kind.SCIENCE: 2, Kind.DARK: 1}


@dataclass(frozen=True, slots=True, eq=False)
class Source:
    """One frame that may be looked at: a file, or pixels in memory."""

    name: str
    kind: Kind
    shape_yx: tuple[int, int]
    facts: FrameFacts | None = None
    cards: Mapping[str, object] | None = None
    path: Path | None = None
    pixels: NDArray[Any] | None = None

    def read(self) -> NDArray[Any]:
        """Return the pixels, native."""
        if self.pixels is not None:
            return self.pixels
        from zeroframe.io import read_raw

        if self.path is None:
            raise UsageError(f"{self.name} has neither pixels nor a file")
        return read_raw(self.path).decode()

    @property
    def form(self) -> tuple[tuple[int, int], tuple[int, int]]:
        """What frames must have in common: size and binning."""
        return self.shape_yx, (self.facts.binning_xy if self.facts else None) or (1, 1)


@dataclass(frozen=True, slots=True, eq=False)
class FrameSample:
    """What is kept of one frame.

    Attributes
    ----------
    source : Source
        The frame; its pixels are not held here.
    zones : mapping of side to ndarray, shape (lines, depth)
        The outer part of each side, column 0 at the edge of the frame.
    medians : mapping of side to ndarray, shape (depth,)
        Median of each column of a zone.
    bands : ndarray, shape (bands, height, nx)
        Some rows, spread over the frame.
    band_rows : tuple of int
        First row of each band, from 0.
    along : mapping of axis to ndarray
        Biases only, shape (bins, cells): level of groups of neighbouring rows in parts of them (axis 1), or of columns
        (axis 0).
    """

    source: Source
    zones: Mapping[Side, NDArray[Any]]
    medians: Mapping[Side, NDArray[np.float64]]
    bands: NDArray[Any]
    band_rows: tuple[int, ...]
    along: Mapping[int, NDArray[np.float64]]

    @property
    def kind(self) -> Kind:
        """What the frame is for."""
        return self.source.kind


def sample_frame(source: Source) -> FrameSample:
    """Read a frame and keep what is needed of it.

    Parameters
    ----------
    source : Source
        The frame.

    Returns
    -------
    FrameSample
        For a frame of 17 MB about 8 MB.
    """
    pixels = source.read()
    ny = len(pixels)
    views = {side: side_view(pixels, side, _zone_depth(pixels.shape, side)) for side in SIDES}
    zones: dict[Side, NDArray[Any]] = {side: np.ascontiguousarray(view) for side, view in views.items()}
    height = min(_BAND_HEIGHT, ny)
    count = max(min(_BANDS, ny // height), 1)
    starts = tuple(int(start) for start in np.linspace(0, ny - height, count))
    bands = np.stack([pixels[start : start + height] for start in starts])
    return FrameSample(
        source,
        zones,
        {side: column_medians(zone) for side, zone in zones.items()},
        bands,
        starts,
        {1: _levels_along(pixels), 0: _levels_along(pixels.T)} if source.kind is Kind.BIAS else {},
    )


def _zone_depth(shape_yx: tuple[int, ...], side: Side) -> int:
    length = shape_yx[1] if side in {"left", "right"} else shape_yx[0]
    return max(min(_WIDEST_ZONE, length // 3), 1)


def _levels_along(pixels: NDArray[Any]) -> NDArray[np.float64]:
    """Levels of the frame in bins along its first axis, and in cells along the second."""
    lines, columns = pixels.shape
    step = max(columns // MOST_SAMPLED, 1)
    return np.stack(
        [clipped_block_means(pixels[:, cell][:, step // 2 :: step], bins_of(lines)) for cell in cells_of(columns)],
        axis=1,
    )


def cells_of(columns: int) -> list[slice]:
    """Return the parts of a line whose levels are kept apart, so that those in the image can be chosen later."""
    ends = np.linspace(0, columns, min(_CELLS, columns) + 1).astype(int).tolist()
    return [slice(first, last) for first, last in pairwise(ends)]


def bins_of(lines: int) -> int:
    """Return in how many groups lines are taken together."""
    return max(min(_BINS, lines // _LINES_PER_BIN), 1)


def gather_sources(frames: object, workers: int | None = None) -> list[Source]:
    """Find out what was given: paths, a folder, what `survey` found, CCDData, or arrays by kind.

    Parameters
    ----------
    frames : path, sequence, or mapping of kind to sequence
        See `inspect_overscan`.
    workers : int, optional
        How many threads.

    Returns
    -------
    list of Source
        Those of a kind that is known, and with an image that can be used.

    Raises
    ------
    ArgumentError
        When something is no frame, or its kind is not known.
    FrameError
        When a file that was named cannot be used.
    NoFramesError
        When nothing is left.
    """
    if isinstance(frames, Mapping):
        sources = [
            source
            for kind, members in frames.items()
            for source in _sources(_as_sequence(members), _as_kind(kind), workers)
        ]
    elif isinstance(frames, (str, Path)) and Path(frames).is_dir():
        found = [item for item in survey_folder(frames, workers=workers) if item.problem is None]
        sources = [source for source in map(_of_found, found) if source is not None]
    else:
        sources = _sources(_as_sequence(frames), None, workers)
    if not sources:
        raise NoFramesError("no frame to inspect: give raw biases, and flats or science frames beside them")
    return sources


def _as_sequence(frames: object) -> Sequence[object]:
    if isinstance(frames, (str, Path, Found)) or hasattr(frames, "ndim") or not isinstance(frames, Sequence):
        return [frames]
    return frames


def _as_kind(kind: object) -> Kind:
    try:
        return Kind(str(kind).lower())
    except ValueError:
        known = ", ".join(member.value for member in Kind)
        raise ArgumentError(f"{kind!r} is no kind of frame; use {known}") from None


def _sources(frames: Sequence[object], kind: Kind | None, workers: int | None) -> list[Source]:
    paths = [frame for frame in frames if isinstance(frame, (str, Path))]
    surveyed = iter(survey(paths, workers=workers))
    sources = []
    for number, frame in enumerate(frames, start=1):
        item = next(surveyed) if isinstance(frame, (str, Path)) else frame
        if isinstance(item, Found):
            if item.problem is not None and item is not frame:
                raise item.problem
            source = None if item.problem is not None else _of_found(item, kind)
        else:
            source = _of_array(item, kind, number)
        if source is not None:
            sources.append(source)
    return sources


def _of_found(item: Found, kind: Kind | None = None) -> Source | None:
    """Return the source of a file; None where its kind is of no use here, or it is a combined frame."""
    shape = item.shape_yx
    facts = item.facts
    known = kind or (facts.kind if facts is not None else None)
    if item.frame is None or shape is None or known is None or known not in _MOST or (facts and facts.combined):
        return None
    cards = item.frame.cards_of(item.frame.image())
    return Source(item.path.name, known, (shape[0], shape[1]), facts, cards, item.path)


def _of_array(frame: object, kind: Kind | None, number: int) -> Source:
    pixels = np.asarray(getattr(frame, "data", None) if hasattr(frame, "meta") else frame)
    if pixels.ndim != 2 or pixels.dtype.kind not in "iuf":
        raise ArgumentError(f"frame {number} is a {type(frame).__name__} that holds no image of two axes")
    mask = getattr(frame, "mask", None) if hasattr(frame, "meta") else None
    if mask is not None and np.any(mask):
        pixels = np.where(mask, np.nan, pixels.astype(np.float32))
    meta = getattr(frame, "meta", None)
    cards = meta if isinstance(meta, Mapping) or hasattr(meta, "cards") else None
    facts = read_facts(cards) if cards is not None else None
    known = kind or (facts.kind if facts is not None else None)
    if known is None:
        raise ArgumentError(
            f"of frame {number} neither a header nor you say what kind it is; give {{'bias': [...], 'flat': [...]}}"
        )
    native = pixels.astype(pixels.dtype.newbyteorder("="), copy=False)
    ny, nx = native.shape
    return Source(f"{known} {number}", known, (ny, nx), facts, cards, None, native)


def choose_sources(sources: Sequence[Source]) -> list[Source]:
    """Choose a few frames of each kind, of the form that most have.

    Parameters
    ----------
    sources : sequence of Source
        At least one.

    Returns
    -------
    list of Source
        At most four biases and four flats (of two filters at most, so that there are pairs), the two longest science
        frames, and the longest dark; spread evenly over those that there are, so that drift shows.
    """
    # where there are biases, it is them that the overscan is for
    forms = [source.form for source in sources if source.kind is Kind.BIAS] or [source.form for source in sources]
    form = max(dict.fromkeys(forms), key=forms.count)
    alike = [source for source in sources if source.form == form]
    if min(form[0]) < _SMALLEST_SIDE:
        ny, nx = form[0]
        raise NoFramesError(
            f"frames of {nx} x {ny} pixels are too small to inspect; give some of {_SMALLEST_SIDE} or more"
        )
    chosen = []
    for kind, most in _MOST.items():
        members = [source for source in alike if source.kind is kind]
        if kind is Kind.FLAT:
            chosen += _flats(members, most)
        elif kind is Kind.BIAS:
            chosen += _spread(members, most)
        else:
            longest = sorted(members, key=lambda one: -((one.facts and one.facts.exposure_s) or 0.0))
            chosen += longest[:most]
    return chosen


def _flats(members: list[Source], most: int) -> list[Source]:
    """Flats in pairs of one filter, so that gain can be measured."""
    filters = dict.fromkeys(one.facts.filter_name if one.facts else None for one in members)
    groups = [[one for one in members if (one.facts.filter_name if one.facts else None) == name] for name in filters]
    groups.sort(key=len, reverse=True)
    if len(groups) <= 1:
        return _spread(members, most)
    return [one for group in groups[:2] for one in _spread(group, most // 2)]


def _spread(members: list[Source], most: int) -> list[Source]:
    if len(members) <= most:
        return members
    return [members[int(place)] for place in np.linspace(0, len(members) - 1, most).round()]


def take_samples(sources: Sequence[Source], workers: int | None = None) -> tuple[list[FrameSample], list[FrameError]]:
    """Read frames on threads.

    Parameters
    ----------
    sources : sequence of Source
        At least one.
    workers : int, optional
        How many threads.

    Returns
    -------
    samples : list of FrameSample
        In the order of ``sources``.
    problems : list of FrameError
        Why frames are missing among them.

    Raises
    ------
    FrameError
        When no frame can be read.
    """

    def attempt(source: Source) -> FrameSample | FrameError:
        try:
            return sample_frame(source)
        except FrameError as problem:
            return problem

    taken = map_threads(attempt, sources, workers)
    samples = [one for one in taken if isinstance(one, FrameSample)]
    problems = [one for one in taken if isinstance(one, FrameError)]
    if not samples:
        raise problems[0]
    return samples, problems
