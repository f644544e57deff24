"""What headers say, remembered between runs in a small SQLite file of the user's cache folder.

What is remembered of a file holds as long as its size, its time of modification and its inode are what they were
when it was read, and the code that read it is what it was. The index only saves time: when it cannot be used, is
damaged or is deleted, headers are read from the files.

There is one row for each folder and for what was read of its files: their cards, or what these mean. It holds values
by column, once where all files say the same, and by number where few different texts come again and again, because of
a second look most of the time is parsing: 2,000 headers of 100 cards of which 20 vary are loaded in 8 ms; as a row for
each file in 31 ms; as the text of the headers (16 MB) in 150 ms. It is JSON, of which any text is either data or an
error: what lies in a folder that others may write to is not unpickled, since that may run any program.
"""

from __future__ import annotations

import json
import os
import sqlite3
import stat
import sys
import time
import warnings
import zlib
from contextlib import contextmanager, suppress
from dataclasses import field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zeroframe.errors import ZeroframeWarning
from zeroframe.fits import looks_like_fits
from zeroframe.fits.fingerprint import code_mark, file_stamp
from zeroframe.headers.columns import HeaderColumns
from zeroframe.records import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from zeroframe.fits.cards import CardValue

__all__ = ["FolderMemory", "HeaderIndex", "cache_folder", "default_index", "file_stamp"]

_FORMAT = "tables 2"  # another begins a new index
#: Source files, within the package, by which headers are read and understood, and their tables of words.
_CODE = ("errors.py", "records.py", "fits/**/*.py", "headers/**/*.py", "headers/**/*.toml")
_OFF = "off"
_WAIT_S = 5.0
_DAY_S = 86400
_MOST_CHARACTERS = 300_000_000  # some 500,000 files; of one folder a third of it
_SAME, _WORDS, _NUMBERS = "=", "words", "of"
_REPEATED = 4  # words are numbered where each comes so often on average

_TABLES = """
DROP TABLE IF EXISTS about; DROP TABLE IF EXISTS folders;
CREATE TABLE about (made_by TEXT);
CREATE TABLE folders (path BLOB, what TEXT, used_s INTEGER, crc INTEGER, content TEXT, PRIMARY KEY (path, what))
"""


def _no_headers() -> HeaderColumns:
    return HeaderColumns.of([], [])


@dataclass(frozen=True, slots=True)
class FolderMemory:
    """What is known of the files of a folder.

    Attributes
    ----------
    headers : HeaderColumns
        By the names of the files.
    stamps : sequence of str
        What `file_stamp` was of each file in ``headers``.
    others : mapping of str to str
        Names and stamps of files that are not FITS.
    """

    headers: HeaderColumns = field(default_factory=_no_headers)
    stamps: Sequence[str] = ()
    others: Mapping[str, str] = field(default_factory=dict)


class HeaderIndex:
    """An index file. It is opened for each call and closed again, so that processes do not wait for each other.

    Parameters
    ----------
    path : path, optional
        The SQLite file, made when something is stored; None remembers nothing.
    most_characters : int
        How much is remembered; beyond that the folders that were not asked for the longest are forgotten.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     index = HeaderIndex(Path(folder, "headers.sqlite"))
    ...     headers = HeaderColumns.of(["a.fits"], [{"imagetyp": "BIAS", "exptime": 0.0}])
    ...     index.store("/data", "0", FolderMemory(headers, ["5760.1.2"]))
    ...     index.load("/data", "0").headers.header(0)
    {'imagetyp': 'BIAS', 'exptime': 0.0}
    """

    def __init__(self, path: Path | None, *, most_characters: int = _MOST_CHARACTERS) -> None:
        self.path = path
        self._most_characters = most_characters

    def load(self, folder: str, what: str) -> FolderMemory:
        """Return what is known of a folder.

        Parameters
        ----------
        folder : str
            Absolute and without links.
        what : str
            What was read of its files, and by which options. Whatever other code has read is not known.

        Returns
        -------
        FolderMemory
            An empty one where nothing is known.

        Warns
        -----
        ZeroframeWarning
            When the index is there and cannot be used.
        """
        memory = FolderMemory()
        if self.path is None or not self.path.exists():
            return memory
        key = _key(folder, what)
        with self._guarded(self.path), self._connected(self.path) as connection:
            row = connection.execute(
                "SELECT used_s, crc, content FROM folders WHERE path = ? AND what = ?", key
            ).fetchone()
            if row is not None:
                used_s, crc, content = row
                if crc != _crc(key, content):  # SQLite has no checksums, and a wrong value would be believed
                    raise ValueError(f"what is said of {folder} is not what was written")
                memory = _decoded(content)
                if time.time() - used_s > _DAY_S:
                    connection.execute(
                        "UPDATE folders SET used_s = ? WHERE path = ? AND what = ?", (int(time.time()), *key)
                    )
        return memory

    def store(self, folder: str, what: str, memory: FolderMemory) -> None:
        """Remember what is known of a folder, in place of what was.

        Parameters
        ----------
        folder, what : str
            As in `load`.
        memory : FolderMemory
            What is known.

        Warns
        -----
        ZeroframeWarning
            When the index cannot be written.
        """
        if self.path is None or os.path.realpath(self.path.parent) == os.path.realpath(
            folder
        ):  # which may hold raw frames
            return
        key = _key(folder, what)
        content = _encoded(memory)
        if len(content) > self._most_characters // 3:
            return
        with self._guarded(self.path):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self._connected(self.path) as connection:
                connection.execute("BEGIN IMMEDIATE")
                connection.execute(
                    "INSERT OR REPLACE INTO folders VALUES (?, ?, ?, ?, ?)",
                    (*key, int(time.time()), _crc(key, content), content),
                )
                self._prune(connection)
                connection.execute("COMMIT")

    @contextmanager
    def _connected(self, path: Path) -> Iterator[sqlite3.Connection]:
        _refuse_strange(path)
        connection = sqlite3.connect(path, timeout=_WAIT_S, isolation_level=None)
        try:
            # What a power failure takes is read again from the files.
            connection.execute("PRAGMA synchronous = OFF")
            if not _is_ours(connection):
                connection.execute("BEGIN IMMEDIATE")
                if not _is_ours(connection):  # another process may have been faster
                    for statement in _TABLES.split(";"):
                        connection.execute(statement)
                    connection.execute("INSERT INTO about VALUES (?)", (_FORMAT,))
                connection.execute("COMMIT")
            yield connection
        finally:
            connection.close()  # without COMMIT nothing of a transaction remains

    @contextmanager
    def _guarded(self, path: Path) -> Iterator[None]:
        """Turn a failure of the index into a warning, and use it no more."""
        try:
            yield
        except (sqlite3.Error, OSError, ValueError, TypeError, LookupError, AttributeError, RecursionError) as error:
            self.path = None
            if isinstance(error, OSError) or _is_out_of_reach(error) or looks_like_fits(path):
                what = f"cannot be used ({error}); headers are read from the files each time"
            else:
                for suffix in ("", "-journal", "-wal", "-shm"):
                    with suppress(OSError):  # what cannot be removed is met, and said, again
                        path.with_name(path.name + suffix).unlink()
                what = f"was damaged ({error}) and has been deleted; headers are read from the files this time"
            warnings.warn(f"{path}: the index of headers {what}", ZeroframeWarning, stacklevel=2)

    def _prune(self, connection: sqlite3.Connection) -> None:
        """Forget folders until a fifth of the room is free."""
        pages, free, size = (
            connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "freelist_count", "page_size")
        )
        if (pages - free) * size <= self._most_characters:  # nearly always; to ask for lengths is to read everything
            return
        oldest_first = connection.execute(
            "SELECT path, what, length(content) FROM folders ORDER BY used_s, rowid"
        ).fetchall()
        total = sum(size for _, _, size in oldest_first)
        if total <= self._most_characters:
            return
        for path, what, size in oldest_first:
            if total <= self._most_characters * 4 // 5:
                break
            connection.execute("DELETE FROM folders WHERE path = ? AND what = ?", (path, what))
            total -= size


def cache_folder() -> Path | None:
    """Return the folder for what zeroframe remembers between runs; it need not exist.

    Returns
    -------
    pathlib.Path or None
        ``$ZEROFRAME_CACHE``; else ``zeroframe`` in ``~/Library/Caches`` on macOS, in ``$XDG_CACHE_HOME`` or
        ``~/.cache`` elsewhere. None where ``$ZEROFRAME_CACHE`` is ``off``, or there is no home folder.
    """
    own = os.environ.get("ZEROFRAME_CACHE")
    if own:
        return None if own.lower() == _OFF else Path(own)
    shared = os.environ.get("XDG_CACHE_HOME")
    if shared and sys.platform != "darwin":
        return Path(shared, "zeroframe")
    try:
        home = Path.home()
    except RuntimeError:
        return None
    return (home / "Library" / "Caches" if sys.platform == "darwin" else home / ".cache") / "zeroframe"


def default_index() -> HeaderIndex:
    """Return the user's index."""
    folder = cache_folder()
    return HeaderIndex(None if folder is None else folder / "headers.sqlite")


def _refuse_strange(path: Path) -> None:
    """Raise `OSError` for what no index has ever been: a link, or a file that has another name, too.

    The file is not opened: closing it would undo the locks that other threads have on it (POSIX).
    """
    try:
        status = path.lstat()
    except FileNotFoundError:
        return
    if not stat.S_ISREG(status.st_mode) or status.st_nlink > 1:
        raise FileExistsError("it is a link, which is left alone")


def _is_out_of_reach(error: Exception) -> bool:
    """Say whether SQLite could not use a file that may be sound: locked, read-only, disk full; not: no such column."""
    return isinstance(error, sqlite3.OperationalError) and error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_ERROR


def _key(folder: str, what: str) -> tuple[bytes, str]:
    # 3 ms for the code; whoever changes a table of words, or has two versions that share a cache, is never told what
    # the other says
    return os.fsencode(folder), f"{code_mark(*_CODE)} {what}"


def _is_ours(connection: sqlite3.Connection) -> bool:
    if connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'about'").fetchone() is None:
        return False
    return bool(connection.execute("SELECT made_by FROM about").fetchone() == (_FORMAT,))


def _encoded(memory: FolderMemory) -> str:
    forms = list({id(form): form for form in memory.headers.forms}.values())
    number_of = {id(form): number for number, form in enumerate(forms)}
    said = {
        "names": list(memory.headers.names),
        "stamps": list(memory.stamps),
        "others": dict(memory.others),
        "forms": forms,
        "form_of": _packed([number_of[id(form)] for form in memory.headers.forms]),
        "columns": {keyword: _packed(column) for keyword, column in memory.headers.columns.items()},
    }
    return json.dumps(said, separators=(",", ":"))


def _decoded(content: str) -> FolderMemory:
    said = json.loads(content)
    names = _texts(said["names"])
    forms = [tuple(_texts(form)) for form in said["forms"]]
    columns = {keyword: _values(_unpacked(column, len(names))) for keyword, column in said["columns"].items()}
    stamps, others = _texts(said["stamps"]), said["others"]
    _texts(list(others.values()))
    if len(stamps) != len(names) or not all(columns.keys() >= set(form) for form in forms):
        raise ValueError("its parts do not fit together")
    numbers = _row_numbers(_unpacked(said["form_of"], len(names)))
    headers = HeaderColumns(names, names, [forms[number] for number in numbers], columns)
    return FolderMemory(headers, stamps, others)


def _texts(said: Any) -> list[str]:  # noqa: ANN401 -- what JSON can say
    """Return what is a list of texts; whoever may write to the file may have written something else."""
    if not isinstance(said, list) or not set(map(type, said)) <= {str}:
        raise ValueError("it has something else where texts belong")
    return said


def _values(said: list[Any]) -> list[Any]:
    """Return what are values of cards."""
    if not set(map(type, said)) <= {bool, int, float, str, type(None)}:
        raise ValueError("it has something else where values of cards belong")
    return said


def _packed(column: Sequence[CardValue]) -> Any:  # noqa: ANN401 -- what JSON can say
    """Return one value for a column that has no other, and numbers for texts that come again and again.

    1, 1.0 and True are equal but not the same, so numbers stand as they are where they differ.
    """
    first = column[0] if len(column) else None
    types = set(map(type, column))
    if len(column) > 1 and types == {type(first)} and column.count(first) == len(column):
        return {_SAME: first}
    if types <= {str, type(None)}:
        number_of = {word: number for number, word in enumerate(dict.fromkeys(column))}
        if len(number_of) * _REPEATED <= len(column):
            return {_WORDS: list(number_of), _NUMBERS: [number_of[word] for word in column]}
    return list(column)


def _unpacked(packed: Any, count: int) -> list[Any]:  # noqa: ANN401
    if not isinstance(packed, dict):
        if len(packed) != count:
            raise ValueError("a column is too short or too long")
        return list(packed)
    if _SAME in packed:
        return [packed[_SAME]] * count
    words, numbers = packed[_WORDS], packed[_NUMBERS]
    if not isinstance(words, list) or not isinstance(numbers, list) or len(numbers) != count:
        raise ValueError("a column is none")
    return [words[number] for number in _row_numbers(numbers)]


def _row_numbers(said: list[Any]) -> list[int]:
    """Return what are numbers of rows, which are not counted from the end."""
    if not set(map(type, said)) <= {int} or min(said, default=0) < 0:
        raise ValueError("it has something else where numbers belong")
    return said


def _crc(key: tuple[bytes, str], content: str) -> int:
    return zlib.crc32(content.encode(), zlib.crc32(repr(key).encode()))
