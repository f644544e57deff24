"""The frames of a folder as rows: what they are, by whatever words their headers use, and any of their cards."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from zeroframe.errors import FrameError, UsageError, nearest_name
from zeroframe.fits.failures import attempt
from zeroframe.fits.store.names import REMOTE_THREADS, UrlPath, as_path
from zeroframe.headers.columns import HeaderColumns
from zeroframe.headers.foreign import say_foreign
from zeroframe.headers.frame_rows import ROW_COLUMNS, RowReader
from zeroframe.headers.query import parse_where
from zeroframe.headers.reading import header_cards, header_values, read_files, read_headers
from zeroframe.headers.trees import tree_files
from zeroframe.headers.words import NO_WORDS, Words
from zeroframe.records import dataclass
from zeroframe.workers import map_threads

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zeroframe.fits.cards import CardValue
    from zeroframe.headers.query import Condition

__all__ = ["LISTED_COLUMNS", "Listing", "list_frames"]

#: The columns that are shown where none are asked for. ``detectors`` is ours, too; any other name is a card, and so is
#: one of these in capitals, as ``FILTER``.
LISTED_COLUMNS = ("file", *(name for name in ROW_COLUMNS if name != "detectors"))


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
    reader = RowReader(str(folder), words)  # a URL is no os.PathLike
    found = _found_in(folder, reader, [*names, *(keyword for keyword, _ in conditions)], recurse=recurse)
    for name in (*names, *(keyword for keyword, made in conditions if not made.asks_for_missing)):
        found.refuse_unknown(name)
    problems = list(found.problems)
    paths, table = found.paths, [found.column(name) for name in names]
    if conditions:
        kept = _fulfilling(found, conditions, problems)
        paths, table = [paths[row] for row in kept], [[column[row] for row in kept] for column in table]
    explanations = []
    for path in paths if why else ():
        lines = attempt(path, reader.explained, path)
        if isinstance(lines, FrameError):
            problems.append(lines)
        else:
            explanations.append((reader.name(path), tuple(lines)))
    reason = "" if paths else _why_empty(folder, found, problems, where, recurse=recurse)
    return Listing(names, tuple(zip(*table, strict=True)), tuple(problems), reason, tuple(explanations))


def _why_empty(
    folder: str | os.PathLike[str],
    found: _Found,
    problems: Sequence[FrameError],
    where: str | None,
    *,
    recurse: bool,
) -> str:
    """Say why there is nothing to be shown."""
    if found.paths and where:
        return f"{folder}: none of {len(found.paths)} frames fulfils {where!r}"
    if problems:
        return f"{folder}: no file could be read"
    deeper = "" if recurse else ", folders within left out; leave out --no-recurse to enter them"
    return f"{folder}: there is no FITS file{deeper}; give the folder that holds the frames"


@dataclass(frozen=True, slots=True)
class _Found:
    """The files of a folder, as far as something was asked of them.

    Attributes
    ----------
    names : sequence of str
        What they are called within the folder.
    rows : HeaderColumns
        What they are; without columns where nobody asked.
    cards : HeaderColumns
        What their headers say; without columns where nobody asked.
    problems : sequence of FrameError
        Of files that cannot be read.
    """

    names: Sequence[str]
    rows: HeaderColumns
    cards: HeaderColumns
    problems: Sequence[FrameError]

    @property
    def paths(self) -> Sequence[str]:
        return self.rows.paths

    def column(self, name: str) -> Sequence[CardValue]:
        if name == "file":
            return self.names
        return (self.rows if name in ROW_COLUMNS else self.cards).column(name)

    def refuse_unknown(self, name: str) -> None:
        """Raise `UsageError` for a name that is neither ours nor a card of these headers."""
        if not self.paths or name == "file" or name in ROW_COLUMNS or self.cards.has(name):
            return
        known = ["file", *ROW_COLUMNS, *self.cards.keywords]
        raise UsageError(f"{name!r} is neither a card of these headers nor a column of ours{nearest_name(name, known)}")


def _fulfilling(found: _Found, conditions: Sequence[tuple[str, Condition]], problems: list[FrameError]) -> list[int]:
    """Return the numbers of the files that fulfil all conditions; add those of which it cannot be said."""
    asked = [(found.column(keyword), made.test) for keyword, made in conditions]
    kept = []
    for row, path in enumerate(found.paths):
        fits = attempt(path, lambda: all(test(column[row]) for column, test in asked))  # noqa: B023 -- used up at once
        if isinstance(fits, FrameError):
            problems.append(fits)
        elif fits:
            kept.append(row)
    return kept


def _found_in(folder: str | os.PathLike[str], reader: RowReader, asked: Sequence[str], *, recurse: bool) -> _Found:
    """Read of the files of a folder what is asked for: what they are, their cards, or both."""
    of_rows = any(name in ROW_COLUMNS for name in asked)
    of_cards = any(name != "file" and name not in ROW_COLUMNS for name in asked) or not of_rows
    place = as_path(folder)
    if isinstance(place, UrlPath):
        return _found_in_store(place, reader)
    paths = [*map(os.fspath, tree_files(folder, recurse=recurse))]
    rows, problems = read_files(paths, reader) if of_rows else (None, [])
    cards, more = read_headers(paths) if of_cards else (None, [])
    told = {os.fspath(problem.path) for problem in problems}
    problems += [problem for problem in more if os.fspath(problem.path) not in told]
    rows, cards = _of_the_same(rows, cards)
    read = {*rows.paths, *(os.fspath(problem.path) for problem in problems)}
    say_foreign(path for path in paths if path not in read)
    return _Found(list(map(reader.name, rows.paths)), rows, cards, problems)


def _of_the_same(rows: HeaderColumns | None, cards: HeaderColumns | None) -> tuple[HeaderColumns, HeaderColumns]:
    """Return two tables of the same files; of what was not asked for, one without columns."""
    if rows is not None and cards is not None:
        row_of = {path: row for row, path in enumerate(cards.paths)}
        both = [(row, row_of[path]) for row, path in enumerate(rows.paths) if path in row_of]
        return rows.take([row for row, _ in both]), cards.take([row for _, row in both])
    there = rows or cards or HeaderColumns.of([], [])
    bare = HeaderColumns(there.paths, there.names, [()] * len(there), {})
    return (bare if rows is None else rows), (bare if cards is None else cards)


def _found_in_store(folder: UrlPath, reader: RowReader) -> _Found:
    """Read the headers of a store, some kilobytes of each file, once for all that is asked; no index remembers them."""

    def read(path: str) -> tuple[dict[str, CardValue], dict[str, CardValue]]:
        cards = header_cards(path, 0)
        return reader.row_of(path, cards), header_values(cards)

    paths = [str(path) for path in folder.iterdir() if not path.name.startswith(".")]
    results = map_threads(lambda path: reader.attempted(path, read), paths, REMOTE_THREADS)
    found = {path: each for path, each in zip(paths, results, strict=True) if isinstance(each, tuple)}
    rows, cards = (HeaderColumns.of(list(found), [each[part] for each in found.values()]) for part in (0, 1))
    problems = [each for each in results if isinstance(each, FrameError)]
    return _Found(list(map(reader.name, found)), rows, cards, problems)
