"""Which frames are looked at: what was given, and the few of it that are chosen."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from zeroframe.errors import ArgumentError, FrameError, NoFramesError, UsageError, said_together
from zeroframe.fits.part_paths import file_of
from zeroframe.fits.store.names import as_path
from zeroframe.headers.dialects import FrameFacts, read_facts
from zeroframe.headers.kinds import Kind, calibration_kinds
from zeroframe.headers.survey import RawFrame, survey, survey_tree
from zeroframe.headers.words import NO_WORDS, Words
from zeroframe.records import dataclass

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from zeroframe.fits import ImageLayout

__all__ = [
    "CameraWords",
    "Pixels",
    "Source",
    "camera_words",
    "choose_sources",
    "gather_sources",
    "parted_by_words",
    "source_of",
    "split_sources",
]

_SMALLEST_SIDE = 8
_MOST = {Kind.BIAS: 4, Kind.FLAT: 4, Kind.SCIENCE: 2, Kind.DARK: 1}
_ALL = slice(None)
#: So many rows tell whether a frame is empty.
_LOOKED_AT = 96
#: Some rows or columns: a slice, or their numbers.
Lines = slice | np.ndarray[Any, np.dtype[np.int64]]
#: Cards that name the instrument, the detector, or the chip of a mosaic.
_CHIP_CARDS = ("INSTRUME", "DETECTOR", "DETNAME", "CHIPID", "CCDNAME", "CCDID", "AMPNAME")
M = TypeVar("M")
#: Cards and what they say.
CameraWords = tuple[tuple[str, str], ...]
_NOTHING = "no frame to inspect: give raw biases, and flats or science frames beside them"


@dataclass(frozen=True, slots=True, eq=False)
class Pixels:
    """One image, of which parts are decoded: a sample needs a tenth of it.

    Attributes
    ----------
    stored : ndarray, shape (ny, nx)
        As it stands in the file, or as it was given.
    layout : ImageLayout or None
        How it is coded; None where it was given as an array.
    mask : ndarray of bool or None
        True where a pixel is not to be used.
    """

    stored: NDArray[Any]
    layout: ImageLayout | None = None
    mask: NDArray[np.bool_] | None = None

    def part(self, rows: Lines = _ALL, columns: Lines = _ALL) -> NDArray[Any]:
        """Return the values of some rows and columns, native, NaN where they are masked or not finite."""
        part = self.stored[rows, columns]
        if self.layout is not None:
            from zeroframe.fits.decode import decode_pixels

            part = decode_pixels(part, self.layout)
        part = part.astype(part.dtype.newbyteorder("="), copy=False)
        if self.mask is not None:
            part = np.where(self.mask[rows, columns], np.float32(np.nan), part.astype(np.float32))
        if part.dtype.kind == "f" and np.isinf(part).any():
            part = np.where(np.isinf(part), part.dtype.type(np.nan), part)  # infinity less infinity is a warning
        return part

    @property
    def is_empty(self) -> bool:
        """Whether no pixel of rows all over the frame has a value: it tells nothing, and spoils what others tell."""
        some = self.part(rows=slice(None, None, max(self.stored.shape[0] // _LOOKED_AT, 1)))
        return some.dtype.kind == "f" and bool(np.isnan(some).all())

    def filled(self, rows: Lines = _ALL, columns: Lines = _ALL) -> NDArray[Any]:
        """Return the same with the nearest value of its row where a pixel has none; of an empty row the usual value.

        For what compares columns with columns, where one value that is missing would spoil a whole line.

        Examples
        --------
        >>> Pixels(np.array([[1.0, np.nan, 3.0, 4.0], [np.nan, np.nan, np.nan, np.nan]])).filled()
        array([[1., 1., 3., 4.],
               [3., 3., 3., 3.]])
        """
        part = self.part(rows, columns)
        if part.dtype.kind != "f":
            return part
        missing = np.isnan(part)
        if not missing.any() or missing.all():
            return part
        numbers = np.arange(part.shape[1])
        filled = part.copy()
        for line in np.flatnonzero(missing.any(axis=1)):
            known = np.flatnonzero(~missing[line])
            if not known.size:
                filled[line] = np.median(part[~missing])
                continue
            after = np.searchsorted(known, numbers).clip(1, max(known.size - 1, 1))
            one, other = known[after - 1], known[np.minimum(after, known.size - 1)]
            filled[line] = part[line, np.where(numbers - one <= other - numbers, one, other)]
        return filled


@dataclass(frozen=True, slots=True, eq=False)
class Source:
    """One frame that may be looked at: a file, or pixels in memory."""

    name: str
    kind: Kind
    shape_yx: tuple[int, int]
    facts: FrameFacts | None = None
    cards: Mapping[str, object] | None = None
    found: RawFrame | None = None
    pixels: Pixels | None = None

    @property
    def whose(self) -> str | Path:
        """What an error names: the file, where it is one."""
        return self.name if self.found is None else self.found.path

    def read(self) -> Pixels:
        """Return the pixels, undecoded."""
        if self.pixels is not None:
            return self.pixels
        from zeroframe.fits import read_raw

        if self.found is None:
            raise UsageError(f"{self.name} has neither pixels nor a file")
        raw = read_raw(self.found.path)
        known = self.found.frame
        if known is None or raw.cards.text != known.cards_of(known.image()).text:  # by which it was chosen
            raise FrameError(self.found.path, "was changed while frames were inspected", "run again")
        return Pixels(raw.pixels, raw.layout)

    @property
    def is_whole(self) -> bool:
        """Whether nothing is odd about its file: the header of one that is cut off may ask for any size."""
        frame = None if self.found is None else self.found.frame
        return frame is None or not frame.remarks

    @property
    def read_bytes(self) -> int:
        """How much memory reading it takes."""
        frame = None if self.found is None else self.found.frame
        if frame is None:
            return 0
        image = frame.image()
        # tiles stand in memory three times before they are decompressed, and their pixels twice
        size = 0 if image.layout is None else image.layout.byte_count
        return size if image.layout is None or not image.layout.tile_compressed else 2 * size + 3 * image.data_bytes

    @property
    def value_bytes(self) -> int:
        """How much memory a decoded pixel takes."""
        from zeroframe.fits.decode import decode_pixels

        if self.pixels is not None:
            return self.pixels.part(slice(1), slice(1)).itemsize
        layout = None if self.found is None else self.found.layout
        return 8 if layout is None else decode_pixels(np.zeros((1, 1), layout.dtype), layout).itemsize

    @property
    def form(self) -> tuple[tuple[int, int], tuple[int, int]]:
        """What frames must have in common: size and binning."""
        return self.shape_yx, (self.facts.binning_xy if self.facts else None) or (1, 1)


def gather_sources(
    frames: object, workers: int | None = None, *, words: Words = NO_WORDS, recurse: bool = True
) -> tuple[list[Source], list[FrameError]]:
    """Find out what was given: paths, a folder, what `survey` found, CCDData, or arrays by kind.

    Parameters
    ----------
    frames : path, sequence, or mapping of kind to sequence
        See `inspect_overscan`.
    workers : int, optional
        How many threads.
    words : Words, optional
        What a user has taught.
    recurse : bool, optional
        Whether folders within a folder are entered.

    Returns
    -------
    sources : list of Source
        Those of a kind that is known, and with an image that can be used.
    problems : list of FrameError
        Why files of a folder, or of what `survey` found, cannot be used.

    Raises
    ------
    ArgumentError
        When something is no frame, or its kind is not known.
    FrameError
        When a file that was named cannot be used.
    NoFramesError
        When nothing is left.
    """
    if isinstance(frames, (str, Path)) and as_path(frames).is_dir():
        frames = survey_tree(frames, recurse=recurse, workers=workers, words=words)
    given = frames if isinstance(frames, Mapping) else {None: frames}
    sources: list[Source] = []
    problems: list[FrameError] = []
    for kind, members in given.items():
        for one in _sources(_as_sequence(members), None if kind is None else _as_kind(kind), workers, words):
            if isinstance(one, FrameError):
                problems.append(one)
            elif one is not None:
                sources.append(one)
    if not sources:
        lines = "".join(f"\n  {said}" for said in said_together(problems))
        raise NoFramesError(_NOTHING + lines)
    return sources, problems


def _as_sequence(frames: object) -> Sequence[object]:
    if isinstance(frames, (str, Path, RawFrame)) or hasattr(frames, "ndim") or not isinstance(frames, Sequence):
        return [frames]
    return frames


def _as_kind(kind: object) -> Kind:
    known = (*(row.kind for row in calibration_kinds()), Kind.SCIENCE, Kind.ARC, Kind.OTHER)
    found = Kind(str(kind).lower())
    if found not in known:
        raise ArgumentError(f"{kind!r} is no kind of frame; use {', '.join(known)}")
    return found


def _sources(
    frames: Sequence[object], kind: Kind | None, workers: int | None, words: Words
) -> Iterator[Source | FrameError | None]:
    paths = [frame for frame in frames if isinstance(frame, (str, Path))]
    surveyed: dict[Path, list[RawFrame]] = {}
    for item in survey(list(dict.fromkeys(map(as_path, paths))), workers=workers, words=words):
        surveyed.setdefault(file_of(item.path), []).append(item)
    for number, frame in enumerate(frames, start=1):
        if isinstance(frame, (str, Path)):
            for item in surveyed[as_path(frame)]:
                if item.problem is not None:
                    raise item.problem
                yield source_of(item, kind)
        elif isinstance(frame, RawFrame):
            yield frame.problem or source_of(frame, kind)
        else:
            yield _of_array(frame, kind, number)


def source_of(item: RawFrame, kind: Kind | None = None) -> Source | None:
    """Return the source of a file; None where its kind is of no use here, or it is a combined frame."""
    shape = item.shape_yx
    facts = item.facts
    known = kind or (facts.kind if facts is not None else None)
    if item.frame is None or shape is None or known is None or known not in _MOST or (facts and facts.combined):
        return None
    cards = item.frame.cards_of(item.frame.image())
    return Source(item.path.name, known, (shape[0], shape[1]), facts, cards, item)


def _of_array(frame: object, kind: Kind | None, number: int) -> Source:
    pixels = np.asarray(getattr(frame, "data", None) if hasattr(frame, "meta") else frame)
    if pixels.ndim != 2 or pixels.dtype.kind not in "iuf":
        raise ArgumentError(f"frame {number} is a {type(frame).__name__} that holds no image of two axes")
    mask = getattr(frame, "mask", None) if hasattr(frame, "meta") else None
    meta = getattr(frame, "meta", None)
    cards = meta if isinstance(meta, Mapping) or hasattr(meta, "cards") else None
    facts = read_facts(cards) if cards is not None else None
    known = kind or (facts.kind if facts is not None else None)
    if known is None:
        raise ArgumentError(
            f"of frame {number} neither a header nor you say what kind it is; give {{'bias': [...], 'flat': [...]}}"
        )
    ny, nx = pixels.shape
    masked = None if mask is None or not np.any(mask) else np.broadcast_to(mask, (ny, nx))
    return Source(f"{known} {number}", known, (ny, nx), facts, cards, None, Pixels(pixels, None, masked))


def camera_words(cards: Mapping[str, object] | None, names: Sequence[str] = _CHIP_CARDS) -> CameraWords:
    """Return what a header says of instrument, detector and chip.

    Examples
    --------
    >>> camera_words({"INSTRUME": "EEV  2x2 ", "CHIPID": 3, "OBJECT": "M 42"})
    (('INSTRUME', 'eev 2x2'), ('CHIPID', '3'))
    """
    said = (
        []
        if cards is None
        else [(name, " ".join(str(cards[name]).split()).casefold()) for name in names if name in cards]
    )
    return tuple((name, text) for name, text in said if text)


def split_sources(sources: Sequence[Source]) -> list[tuple[CameraWords, list[Source]]]:
    """Part the frames of several cameras, chips, sizes or binnings, each of which has an overscan of its own.

    Parameters
    ----------
    sources : sequence of Source
        At least one.

    Returns
    -------
    list of (words, sources)
        The words tell those of one size and binning from each other: of cards that all of them have. First come those
        with most biases, as it is them that the overscan is for, then those with most frames.
    """
    forms: dict[object, list[Source]] = {}
    for source in sources:
        forms.setdefault(source.form, []).append(source)
    groups: list[tuple[CameraWords, list[Source]]] = []
    for alike in forms.values():
        groups += parted_by_words(alike, [source.cards for source in alike]).items()
    return sorted(groups, key=lambda group: (-_biases(group[1]), -len(group[1])))


def parted_by_words(members: Sequence[M], cards: Sequence[Mapping[str, object] | None]) -> dict[CameraWords, list[M]]:
    """Part frames by what their headers say of instrument, detector and chip, as far as all of them do.

    Parameters
    ----------
    members : sequence
        Frames of one form.
    cards : sequence of mapping or None
        The header of each.

    Returns
    -------
    dict
        Of one camera nothing has to be told apart, and a header without the words will do: no words, and all frames.

    Examples
    --------
    >>> parted_by_words([1, 2, 3], [{"CHIPID": 1}, {"CHIPID": 2}, {"CHIPID": 1}])
    {(('CHIPID', '1'),): [1, 3], (('CHIPID', '2'),): [2]}
    >>> parted_by_words([1, 2], [{"CHIPID": 1}, {}])
    {(): [1, 2]}
    """
    words = [dict(camera_words(one)) for one in cards]
    common = [name for name in _CHIP_CARDS if all(name in one for one in words)]
    parted: dict[CameraWords, list[M]] = {}
    for member, one in zip(members, words, strict=True):
        parted.setdefault(tuple((name, one[name]) for name in common), []).append(member)
    return parted if len(parted) > 1 else {(): list(members)}


def _biases(sources: Sequence[Source]) -> int:
    return sum(source.kind == Kind.BIAS for source in sources)


def choose_sources(sources: Sequence[Source]) -> list[Source]:
    """Choose a few frames of each kind.

    Parameters
    ----------
    sources : sequence of Source
        At least one; all of one camera and form.

    Returns
    -------
    list of Source
        At most four biases and four flats (of two filters at most, so that there are pairs), the two longest science
        frames, and the longest dark; spread evenly over those that there are, so that drift shows.

    Raises
    ------
    NoFramesError
        When they are too small, or of kinds that say nothing of the overscan.
    """
    ny, nx = sources[0].shape_yx
    if min(ny, nx) < _SMALLEST_SIDE:
        raise NoFramesError(
            f"frames of {nx} x {ny} pixels are too small to inspect; give some of {_SMALLEST_SIDE} or more"
        )
    chosen = []
    for kind, most in _MOST.items():
        members = [source for source in sources if source.kind == kind]
        if kind is Kind.FLAT:
            chosen += _flats(members, most)
        elif kind is Kind.BIAS:
            chosen += _spread(members, most)
        else:
            longest = sorted(members, key=lambda one: -((one.facts and one.facts.exposure_s) or 0.0))
            chosen += longest[:most]
    if not chosen:
        raise NoFramesError(_NOTHING)
    return chosen


def _flats(members: list[Source], most: int) -> list[Source]:
    """Flats in pairs of one filter and exposure, so that gain can be measured."""
    groups: dict[tuple[str | None, float | None], list[Source]] = {}
    for one in members:
        groups.setdefault(flat_key(one), []).append(one)
    ranked = sorted(groups.values(), key=len, reverse=True)
    if len(ranked) <= 1:
        return _spread(members, most)
    return [one for group in ranked[:2] for one in _spread(group, most // 2)]


def flat_key(source: Source) -> tuple[str | None, float | None]:
    """Return what two flats must have in common to be compared: filter and exposure, that to 2 %."""
    if source.facts is None:
        return None, None
    exposure_s = source.facts.exposure_s
    return source.facts.filter_name, round(np.log(exposure_s) / 0.02) if exposure_s else None


def _spread(members: list[Source], most: int) -> list[Source]:
    if len(members) <= most:
        return members
    return [members[int(place)] for place in np.linspace(0, len(members) - 1, most).round()]
