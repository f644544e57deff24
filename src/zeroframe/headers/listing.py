"""The frames of a folder as rows: what they are, by whatever words their headers use, and any of their cards."""

from __future__ import annotations

import os
from functools import cached_property
from typing import TYPE_CHECKING, Any

from zeroframe.errors import FrameError, NotFitsError, UsageError, nearest_name
from zeroframe.fits import scan
from zeroframe.fits.failures import attempt
from zeroframe.fits.store.names import REMOTE_THREADS, UrlPath, as_path
from zeroframe.headers.card_reader import FormComments
from zeroframe.headers.columns import HeaderColumns
from zeroframe.headers.dialects import FrameFacts, read_facts
from zeroframe.headers.foreign import say_foreign
from zeroframe.headers.geometry import detectors_in
from zeroframe.headers.query import parse_where
from zeroframe.headers.reading import header_cards, header_values, is_named_as_fits, list_files, read_headers
from zeroframe.headers.survey import KEY_CARD, tree_files
from zeroframe.headers.words import NO_WORDS, Words
from zeroframe.records import dataclass
from zeroframe.workers import map_threads

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zeroframe.fits import FrameFile
    from zeroframe.fits.cards import Cards, CardValue
    from zeroframe.headers.geometry import FoundDetector
    from zeroframe.headers.query import Condition

__all__ = ["LISTED_COLUMNS", "Listing", "list_frames"]

#: The columns that are ours. Any other name is a card; so is one of these in capitals, as ``FILTER``.
LISTED_COLUMNS = ("file", "kind", "exposure", "filter", "size", "object", "date", "uncertain")
#: Ours, too, and shown when it is asked for.
_MORE_COLUMNS = ("detectors",)


@dataclass(frozen=True, slots=True)
class Listing:
    """Frames in rows.

    Attributes
    ----------
    columns : tuple of str
        Names.
    rows : tuple of tuple
        One a file; None where nothing is known.
    problems : tuple of FrameError
        Files that cannot be read.
    empty_because : str
        Why there is no row, where there is none.
    explanations : tuple of (file, lines)
        What was understood of each frame, where that was asked for.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[CardValue, ...], ...]
    problems: tuple[FrameError, ...]
    empty_because: str = ""
    explanations: tuple[tuple[str, tuple[str, ...]], ...] = ()

    def _repr_html_(self) -> str:
        """Return the table for a notebook."""
        from zeroframe.html import table_html

        return table_html(self.columns, self.rows)


def list_frames(
    folder: str | os.PathLike[str],
    *,
    columns: Sequence[str] | None = None,
    where: str | None = None,
    recurse: bool = True,
    words: Words = NO_WORDS,
    why: bool = False,
) -> Listing:
    """Return what is in a folder and in those within; nothing but headers is read, and those only when they are new.

    Parameters
    ----------
    folder : path
        The folder, or its URL, of which folders within are not entered.
    columns : sequence of str, optional
        Our own columns, which are the default: ``file``, ``kind`` (bias, dark, flat, science, ...), ``exposure`` in
        seconds, ``filter``, ``size`` in pixels (x x y; of a file of several images that of each detector, assembled),
        ``object``, ``date`` and ``uncertain``, which says what was guessed or could not be used. ``detectors`` names
        those of a file of several. Any other name is a card; in capitals, so are these (``FILTER``).
    where : str, optional
        Conditions on either, as ``'kind=bias exptime>0'``; see `zeroframe.headers.query.parse_where`.
    recurse : bool, optional
        Whether folders within are entered.
    words : Words, optional
        What a user has taught.
    why : bool, optional
        Whether it is said of each frame by which cards it was understood: ``explanations`` of the listing.

    Returns
    -------
    Listing

    Raises
    ------
    UsageError
        When a card is in no header, or ``where`` cannot be understood.
    NoFramesError
        When the folder is not there.
    """
    conditions = parse_where(where) if where else []
    names = tuple(columns or LISTED_COLUMNS)
    headers, problems = _headers_of(folder, recurse=recurse)
    read = _Reading(headers, str(folder), words)  # a URL is no os.PathLike
    for name in (*names, *(keyword for keyword, made in conditions if not made.asks_for_missing)):
        _refuse_unknown(name, headers)
    rows, explanations = [], []
    for row, path in enumerate(headers.paths):
        frame = _Frame(read, row)
        cells = attempt(path, _cells, frame, names, conditions)
        if isinstance(cells, FrameError):
            problems.append(cells)
        elif cells is not None:
            rows.append(cells)
            if why:
                explanations.append((str(frame.value("file")), tuple(frame.explained())))
    reason = "" if rows else _why_empty(folder, headers, problems, where, recurse=recurse)
    return Listing(names, tuple(rows), tuple(problems), reason, tuple(explanations))


def _why_empty(
    folder: str | os.PathLike[str],
    headers: HeaderColumns,
    problems: Sequence[FrameError],
    where: str | None,
    *,
    recurse: bool,
) -> str:
    """Say why there is nothing to be shown."""
    if len(headers) and where:
        return f"{folder}: none of {len(headers)} frames fulfils {where!r}"
    if problems:
        return f"{folder}: no file could be read"
    deeper = "" if recurse else ", folders within left out; leave out --no-recurse to enter them"
    return f"{folder}: there is no FITS file{deeper}; give the folder that holds the frames"


def _cells(
    frame: _Frame, names: Sequence[str], conditions: Sequence[tuple[str, Condition]]
) -> tuple[CardValue, ...] | None:
    """Return what is shown of a file; None where it does not fulfil the conditions."""
    if not all(made.test(frame.value(keyword)) for keyword, made in conditions):
        return None
    return tuple(frame.value(name) for name in names)


def _headers_of(folder: str | os.PathLike[str], *, recurse: bool) -> tuple[HeaderColumns, list[FrameError]]:
    place = as_path(folder)
    if isinstance(place, UrlPath):
        return _headers_in_store(place)
    names = list_files(folder)  # which says what is wrong with the folder
    paths = [os.path.join(folder, name) for name in names]  # noqa: PTH118 -- thousands
    if recurse:
        paths = [os.fspath(path) for path in tree_files(folder)]
    found, problems = read_headers(paths)
    read = {*found.paths, *(os.fspath(problem.path) for problem in problems)}
    say_foreign(path for path in paths if path not in read)
    return found, problems


def _headers_in_store(folder: UrlPath) -> tuple[HeaderColumns, list[FrameError]]:
    """Read the headers of a store, some kilobytes of each file; no index remembers them."""
    paths = [path for path in folder.iterdir() if not path.name.startswith(".")]
    read = dict(zip(paths, map_threads(_header_in_store, paths, REMOTE_THREADS), strict=True))
    found = {str(path): header for path, header in read.items() if isinstance(header, dict)}
    return HeaderColumns.of(list(found), list(found.values())), [
        problem for problem in read.values() if isinstance(problem, FrameError)
    ]


def _header_in_store(path: UrlPath) -> dict[str, CardValue] | FrameError | None:
    values = attempt(path, lambda: header_values(header_cards(path, 0)))
    return None if isinstance(values, NotFitsError) and not is_named_as_fits(path.name) else values


class _Reading:
    """The headers of a folder, and what they are read with."""

    def __init__(self, headers: HeaderColumns, folder: str, words: Words) -> None:
        self.headers, self.words = headers, words
        self.root = folder if "://" in folder else os.path.normpath(folder)
        self._own_name = os.path.split(os.path.realpath(self.root))[1]
        self._comments: dict[tuple[str, tuple[str, ...]], FormComments] = {}

    def comments(self, row: int) -> FormComments:
        """Return the comments of a header: those of the first of its folder with the same cards, so of one program."""
        path, form = self.headers.paths[row], self.headers.forms[row]
        key = (os.path.split(path)[0], form)
        found = self._comments.get(key)
        if found is None:
            keywords = tuple(keyword.upper() for keyword in form)
            found = self._comments[key] = FormComments(keywords, _Comments(path).of)
        return found

    def name(self, row: int) -> str:
        """Return what a file is called within the folder that was given."""
        path = self.headers.paths[row]
        inner = os.path.relpath(path, self.root) if path.startswith(self.root) else path
        return os.path.split(path)[1] if inner.startswith(os.pardir) else inner.replace(os.sep, "/")

    def folders(self, row: int) -> tuple[str, ...]:
        """Return the names of folders that may say what a frame is."""
        return (self._own_name, *self.name(row).split("/")[:-1])


class _Comments:
    """The comments of one file, which is read when the first is asked for."""

    def __init__(self, path: str) -> None:
        self._path = path

    @cached_property
    def _cards(self) -> Cards:
        return header_cards(self._path, 0)

    def of(self, keyword: str) -> str:
        return self._cards.comment(keyword)


class _Frame:
    """One file, whose facts are found out when they are asked for."""

    def __init__(self, read: _Reading, row: int) -> None:
        self._read = read
        self._headers = read.headers
        self._row = row

    @cached_property
    def _cards(self) -> dict[str, CardValue]:
        return {keyword.upper(): value for keyword, value in self._headers.header(self._row).items()}

    @property
    def _context(self) -> dict[str, Any]:
        read, row = self._read, self._row
        return {"folders": read.folders(row), "words": read.words, "comments": read.comments(row)}

    @cached_property
    def _facts(self) -> FrameFacts:
        return read_facts(self._cards, os.path.split(self._headers.paths[self._row])[1], **self._context)

    def explained(self) -> list[str]:
        """Say what was understood, and by which cards."""
        from zeroframe.headers.explaining import explain_header

        return explain_header(self._cards, os.path.split(self._headers.paths[self._row])[1], **self._context)

    def _card(self, keyword: str) -> CardValue:
        return self._headers.column(keyword)[self._row]

    def value(self, name: str) -> CardValue:
        if name == "file":
            return self._read.name(self._row)
        if name == "detectors":
            return ", ".join(each.name for each in self._detectors if each.name) or None
        if name not in LISTED_COLUMNS:
            return self._card(name)
        facts = self._facts
        return {
            "kind": lambda: None if facts.kind is None else facts.kind.value,
            "exposure": lambda: facts.exposure_s,
            "filter": lambda: facts.filter_name,
            "size": self._size,
            "object": lambda: facts.object_name,
            "date": lambda: facts.date_obs,
            "uncertain": self._uncertain,
        }[name]()

    @cached_property
    def _whole(self) -> FrameFile | None:
        """The file as scanned, where its first header is of no image; None where it is, which is nearly always."""
        return None if self._card("naxis") else scan(as_path(self._headers.paths[self._row]))

    @cached_property
    def _images(self) -> tuple[FoundDetector, ...] | FrameError:
        whole = self._whole
        return () if whole is None else attempt(whole.path, detectors_in, whole)

    @property
    def _detectors(self) -> tuple[FoundDetector, ...]:
        found = self._images
        return () if isinstance(found, FrameError) else found

    def _size(self) -> str | None:
        found = self._detectors
        if found:
            amplifiers = max(len(each.detector.amplifiers) for each in found)
            of = "" if amplifiers == 1 else f" of {amplifiers} amplifiers"
            return _size_of(found[0]) + of if len(found) == 1 else f"{len(found)} detectors, {_size_of(found[0])}{of}"
        axes = self._card("naxis")
        if isinstance(axes, int) and axes > 0:
            sizes = [self._card(f"naxis{axis}") for axis in range(1, axes + 1)]
        elif self._whole is not None and len(self._whole.images) == 1 and self._whole.images[0].layout is not None:
            sizes = list(self._whole.images[0].layout.shape_yx[::-1])
        else:
            return None
        while len(sizes) > 2 and sizes[-1] == 1:
            sizes.pop()
        return " x ".join(map(str, sizes))

    def _uncertain(self) -> str | None:
        facts = self._facts
        said = list(facts.doubts)
        if facts.kind is None:
            said.insert(0, facts.kind_reason)
        elif not facts.kind_certain:
            said.insert(0, f"the kind is from {facts.kind_reason}")
        said += (
            [f"cannot be used by its headers alone: {self._images.reason}"]
            if isinstance(self._images, FrameError)
            else []
        )
        said += [f"done already: {', '.join(kind for kind, _ in facts.done)}"] if facts.done else []
        if KEY_CARD in self._cards:
            said.append("not a raw frame: zeroframe has made it")
        elif facts.combined:
            said.append("not a raw frame: it was combined from others")
        return "; ".join(said) or None


def _size_of(found: FoundDetector) -> str:
    """Return the size of a detector, x x y, as it is when its amplifiers are put together."""
    data = [each.place or each.trim for each in found.detector.amplifiers]
    ends = [[max(section.ranges[axis].ends()) for section in data if section is not None] for axis in (0, 1)]
    return " x ".join(str(max(each)) for each in ends if each)


def _refuse_unknown(name: str, headers: HeaderColumns) -> None:
    if not len(headers) or name in {*LISTED_COLUMNS, *_MORE_COLUMNS} or headers.has(name):
        return
    known = [*LISTED_COLUMNS, *_MORE_COLUMNS, *headers.keywords]
    raise UsageError(f"{name!r} is neither a card of these headers nor a column of ours{nearest_name(name, known)}")
