"""The headers of many files, or what they mean: files found by content, read once, remembered in the index."""

from __future__ import annotations

import os
import re
import time
from functools import lru_cache
from struct import Struct
from typing import TYPE_CHECKING, Protocol

from zeroframe.errors import FrameError, NoFramesError, NotFitsError, UnsupportedError
from zeroframe.fits import Cards, scan
from zeroframe.fits.cards import CARD_SIZE, CardValue
from zeroframe.fits.failures import attempt
from zeroframe.fits.other_formats import is_named_as_other
from zeroframe.fits.scan import is_called
from zeroframe.fits.system import is_folder, is_hidden
from zeroframe.headers.columns import HeaderColumns, joined
from zeroframe.headers.index import FolderMemory, HeaderIndex, default_index, file_stamp
from zeroframe.workers import map_threads

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from zeroframe.fits import FrameFile, Hdu

    _Result = Mapping[str, CardValue] | FrameError | None

__all__ = [
    "FileReader",
    "ParsedCards",
    "chosen_hdu",
    "header_cards",
    "header_values",
    "is_named_as_fits",
    "list_files",
    "read_files",
    "read_headers",
]

_COMMENTARY = ("comment", "history")
_SUFFIXES = frozenset(("fit", "fits", "fts", "fz"))
# Files in the page cache take 0.07 ms each, and threads that wait for the interpreter's lock double that. From a disk
# or a server a file takes milliseconds of waiting, which threads share.
_TRIED_FIRST = 16
_SLOW_S = 0.001
_THREADS_WHEN_SLOW = 8
_MOST_PARSED = 100_000  # cards remembered while headers are read: 30 MB
# The cards that most headers are made of, for which `Cards` takes three times as long.
_COMMON_CARD = re.compile(
    rb"([A-Z][A-Z0-9_-]{0,7}) *= +(?:'([ -%(-~]*)'|([+-]?\d{1,18}(?:\.\d{0,18})?)) *(?:/[ -~]*)?\Z"
)


def is_named_as_fits(name: str) -> bool:
    """Say whether a file was meant as FITS, so that it is named when its content is not.

    Examples
    --------
    >>> [is_named_as_fits(name) for name in ("a.FIT", "b.fits.gz", "c.fz", "notes.txt", "fits")]
    [True, True, True, False, False]
    """
    return not _SUFFIXES.isdisjoint(name.lower().split(".")[1:])


def list_files(folder: str | os.PathLike[str]) -> list[str]:
    """Return the names of the files of a folder, sorted; subfolders and hidden files are left out.

    Raises
    ------
    NoFramesError
        When the folder is not there, is not a folder, or may not be read.
    """
    try:
        with os.scandir(folder) as entries:
            names = [entry.name for entry in entries if not is_hidden(entry) and not is_folder(entry)]
    except FileNotFoundError:
        raise NoFramesError(f"{folder} is not there; give the folder that holds the frames") from None
    except NotADirectoryError:
        raise NoFramesError(f"{folder} is not a folder; give the folder that holds the frames") from None
    except PermissionError:
        raise NoFramesError(f"{folder} may not be read; ask its owner for permission") from None
    return sorted(names)


def read_headers(
    paths: Sequence[str],
    *,
    ext: int | str = 0,
    meant: Callable[[str], bool] = is_named_as_fits,
    index: HeaderIndex | None = None,
) -> tuple[HeaderColumns, list[FrameError]]:
    """Read one header of each file, from the index where the file has not changed.

    Parameters
    ----------
    paths : sequence of str
        The files.
    ext : int or str
        Number or name of the HDU. 0 is the primary header; where that has no pixels and the file holds one image, as
        fpack writes it, it is the image's header completed by the primary one.
    meant : callable
        Given the name of a file that is not FITS, says whether that is a problem.
    index : HeaderIndex, optional
        By default the user's.

    Returns
    -------
    headers : HeaderColumns
        In the order of ``paths``, of those that can be read; named by their paths.
    problems : list of FrameError
        Why the others cannot.
    """
    return read_files(paths, _CardReader(ext, meant), index)


class FileReader(Protocol):
    """What is asked of each file, and remembered until the file changes, or the code that reads it."""

    def what(self, folder: str) -> str:
        """Return by what the values depend on beside the file and its name: options, and the folder as it is given."""

    def read(self, path: str) -> Mapping[str, CardValue] | FrameError | None:
        """Return the values of a file by lower-case names, or what is wrong; None: it is not FITS, nor meant so."""

    def meant(self, name: str) -> bool:
        """Say whether it is a problem when a file of this name is not FITS."""


def read_files(
    paths: Sequence[str], reader: FileReader, index: HeaderIndex | None = None
) -> tuple[HeaderColumns, list[FrameError]]:
    """Read something of each file, from the index where the file has not changed.

    Parameters
    ----------
    paths, index
        As for `read_headers`, and so is what is returned.
    reader : FileReader
        What is read.
    """
    index = default_index() if index is None else index
    by_folder: dict[str, dict[str, str]] = {}
    for path in paths:
        folder, name = os.path.split(path)
        by_folder.setdefault(folder, {})[name] = path
    parts, problems = [], {}
    for folder, members in by_folder.items():
        headers, wrong = _read_folder(folder, members, reader, index)
        member_paths = [members[name] for name in headers.names]
        parts.append(HeaderColumns(member_paths, member_paths, headers.forms, headers.columns))
        problems.update({members[name]: problem for name, problem in wrong.items()})
    found = joined(parts)
    row_of = {path: row for row, path in enumerate(found.paths)}
    return found.take([row_of[path] for path in paths if path in row_of]), list(problems.values())


def chosen_hdu(frame: FrameFile, ext: int | str) -> Hdu:
    """Return the HDU that ``ext`` means in a file.

    Parameters
    ----------
    frame : FrameFile
        The file, scanned to its end.
    ext : int or str
        Number or name. 0 is the one image of the file where the primary HDU has no pixels.

    Raises
    ------
    FrameError
        When there is no such HDU.
    """
    if ext == 0 and not frame.hdus[0].layout:
        try:
            return frame.image()
        except UnsupportedError:  # none, or several: then it is the primary HDU that was asked for
            return frame.hdus[0]
    for hdu in frame.hdus:
        if is_called(hdu, ext):
            return hdu
    raise FrameError(frame.path, f"has no extension {ext!r}", f"it holds {', '.join(map(_label, frame.hdus))}")


def _label(hdu: Hdu) -> str:
    return f"{hdu.index} {hdu.name!r}" if hdu.name else str(hdu.index)


def header_cards(path: str | os.PathLike[str], ext: int | str) -> Cards:
    """Return the header that stands for a file in a collection; see `read_headers`.

    Raises
    ------
    FrameError
        When it cannot be read, or there is no such HDU.
    """
    if ext == 0:
        frame = scan(path, first_only=True)
        if frame.hdus[0].layout:
            return frame.hdus[0].cards
    frame = scan(path)
    hdu = chosen_hdu(frame, ext)
    return frame.cards_of(hdu) if ext == 0 else hdu.cards


class ParsedCards(dict[bytes, tuple[str, CardValue]]):
    """Cards of 80 bytes -> keyword in lower case and value; those that are not there yet are parsed.

    Most cards are the same in all frames of a night, and looking one up takes a tenth of the time of parsing it.
    """

    def __missing__(self, card: bytes) -> tuple[str, CardValue]:
        pair = self[card] = _parse_card(card)
        return pair


def header_values(cards: Cards, parsed: ParsedCards | None = None) -> dict[str, CardValue]:
    """Return the values of a header.

    Parameters
    ----------
    cards : Cards
        The header.
    parsed : ParsedCards, optional
        Cards that have been parsed before.

    Returns
    -------
    dict
        Keyword in lower case -> value, in the order of the cards and then ``comment`` and ``history``, whose lines are
        joined by commas. None is a card without a value.

    Examples
    --------
    >>> header_values(Cards(b"EXPTIME = 30".ljust(80) + b"COMMENT one".ljust(80) + b"COMMENT two".ljust(80)))
    {'exptime': 30, 'comment': 'one,two'}
    """
    text = cards.text
    if b"CONTINUE" in text:
        values = {keyword.lower(): value for keyword, value in cards.items() if keyword}
        commentary = {name: str(values.pop(name)).split("\n") for name in _COMMENTARY if name in values}
    else:
        end = len(text) - CARD_SIZE if text[-CARD_SIZE:].rstrip(b" \0") == b"END" else len(text)
        count = -(-end // CARD_SIZE)
        each = _cutting(count).unpack_from(text.ljust(count * CARD_SIZE))
        pairs = list(map((ParsedCards() if parsed is None else parsed).__getitem__, each))
        values = dict(pairs)
        if len(values) == count and values.keys().isdisjoint(("", *_COMMENTARY)):
            return values
        values, commentary = _first_of_each(pairs)
    return values | {keyword: ",".join(commentary[keyword]) for keyword in _COMMENTARY if keyword in commentary}


@lru_cache(maxsize=64)
def _cutting(count: int) -> Struct:
    """Return what cuts a header into so many cards, in a tenth of the time of slices."""
    return Struct(f"{CARD_SIZE}s" * count)


def _first_of_each(pairs: Iterable[tuple[str, CardValue]]) -> tuple[dict[str, CardValue], dict[str, list[str]]]:
    """Return the first value of each keyword, and all lines of commentary."""
    values: dict[str, CardValue] = {}
    commentary: dict[str, list[str]] = {}
    for keyword, value in pairs:
        if keyword in _COMMENTARY:
            commentary.setdefault(keyword, []).append(str(value))
        elif keyword and keyword not in values:
            values[keyword] = value
    return values, commentary


def _parse_card(card: bytes) -> tuple[str, CardValue]:
    common = _COMMON_CARD.match(card) if card[8:10] == b"= " else None
    if common is not None:
        name, text, number = common.groups()
        keyword = name.decode("ascii").lower()
        if text is not None:
            return keyword, text.decode("ascii").rstrip()
        return keyword, float(number) if b"." in number else int(number)
    for keyword, value in Cards(card).items():
        return keyword.lower(), value
    return "", None


class _CardReader:
    """Reads the cards of one collection."""

    def __init__(self, ext: int | str, meant: Callable[[str], bool]) -> None:
        self.ext = ext
        self._meant = meant
        self._parsed = ParsedCards()

    def what(self, _folder: str) -> str:
        return repr(self.ext)

    def meant(self, name: str) -> bool:
        return self._meant(name)

    def read(self, path: str) -> _Result:
        if len(self._parsed) > _MOST_PARSED:
            self._parsed = ParsedCards()
        values = attempt(path, lambda: header_values(header_cards(path, self.ext).abridged(), self._parsed))
        if isinstance(values, NotFitsError) and not self.meant(os.path.split(path)[1]):
            return None
        return values


def _read_folder(
    given: str, path_of: Mapping[str, str], reader: FileReader, index: HeaderIndex
) -> tuple[HeaderColumns, dict[str, FrameError]]:
    """Return what is read of files of one folder, known by their names, and what is wrong with the others."""
    folder, what = os.path.realpath(given), reader.what(given)
    memory = index.load(folder, what)
    stamps = _stamps(path_of)
    known = {
        name: row
        for row, (name, stamp) in enumerate(zip(memory.headers.names, memory.stamps, strict=True))
        if stamps.get(name) == stamp
    }
    # what was no frame without a library is one when that is installed
    others = {
        name: stamp
        for name, stamp in memory.others.items()
        if stamps.get(name) == stamp and not is_named_as_other(name)
    }
    unread = [name for name in path_of if name not in known and (name not in others or reader.meant(name))]
    results = dict(zip(unread, _map_files(reader.read, [path_of[name] for name in unread]), strict=True))
    new = {name: result for name, result in results.items() if not isinstance(result, FrameError | None)}
    wrong = {name: result for name, result in results.items() if isinstance(result, FrameError)}
    others |= {name: stamps[name] for name, result in results.items() if result is None and name in stamps}
    if not new:
        headers = memory.headers.take([known[name] for name in path_of if name in known])
    else:
        headers = joined([memory.headers.take(list(known.values())), HeaderColumns.of(list(new), list(new.values()))])
        row_of = {name: row for row, name in enumerate(headers.names)}
        headers = headers.take([row_of[name] for name in path_of if name in row_of])
    if any(name in stamps for name, result in results.items() if not isinstance(result, FrameError)):
        index.store(folder, what, _updated(memory, folder, headers, stamps, others))
    return headers, wrong


def _updated(
    memory: FolderMemory, folder: str, headers: HeaderColumns, stamps: Mapping[str, str], others: Mapping[str, str]
) -> FolderMemory:
    """Return what is to be remembered: what has been found, and what is known of other files that are still there.

    The stamps are from before the reading: a file that changed meanwhile is read again the next time.
    """
    asked = {*headers.names, *others}

    def is_kept(name: str) -> bool:
        return name not in asked and os.path.lexists(os.path.join(folder, name))  # noqa: PTH118 -- a Path takes 5 us

    kept = [row for row, name in enumerate(memory.headers.names) if is_kept(name)]
    others = {name: stamp for name, stamp in memory.others.items() if is_kept(name)} | dict(others)
    settled = headers.take([row for row, name in enumerate(headers.names) if name in stamps])
    return FolderMemory(
        joined([settled, memory.headers.take(kept)]),
        [stamps[name] for name in settled.names] + [memory.stamps[row] for row in kept],
        others,
    )


def _stamps(path_of: Mapping[str, str]) -> dict[str, str]:
    """Return the stamps of files that are there and have not just been changed."""
    now_ns = time.time_ns()
    stamps = {}
    for name, path in path_of.items():
        try:
            stamp = file_stamp(os.stat(path), now_ns)  # noqa: PTH116
        except OSError:
            continue  # reading it will say why
        if stamp is not None:
            stamps[name] = stamp
    return stamps


def _map_files(function: Callable[[str], _Result], paths: Sequence[str]) -> list[_Result]:
    """Apply a function to every path: on threads where files turn out to be slow."""
    results, times_s = [], []
    for path in paths[:_TRIED_FIRST]:
        start = time.perf_counter()
        results.append(function(path))
        times_s.append(time.perf_counter() - start)
    # The lower quartile: the first file has to wait for imports, others for another process.
    slow = len(times_s) == _TRIED_FIRST and sorted(times_s)[_TRIED_FIRST // 4] > _SLOW_S
    return results + map_threads(function, paths[_TRIED_FIRST:], _THREADS_WHEN_SLOW if slow else 1)
