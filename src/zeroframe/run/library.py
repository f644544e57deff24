"""Adding to a library of combined frames, and looking whether it is what it was.

One at a time writes there, as into a folder of results: who comes second waits. A file gets its name when it is whole
and its bytes are those of its source; the index is written last, whole or not at all, so that what it names is there.
"""

from __future__ import annotations

import hashlib
import time
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from zeroframe.errors import DamagedError, FolderBusyError, FrameError, NoFramesError, OutputError, RawFolderError
from zeroframe.fits import looks_like_fits
from zeroframe.fits.atomic import atomic_file, remove_stale_parts, write_all
from zeroframe.fits.failures import attempt
from zeroframe.fits.fingerprint import file_crc32, file_mark
from zeroframe.fits.folders import make_output_folder
from zeroframe.fits.inputs import RawFolders
from zeroframe.fits.replacing import Replaceable
from zeroframe.fits.store.names import as_path, is_there
from zeroframe.headers.kinds import kind_row
from zeroframe.headers.stored import read_stored_facts
from zeroframe.headers.survey import survey_files
from zeroframe.headers.trees import tree_files
from zeroframe.planning.library import INDEX_NAME, LibraryEntry, index_text, read_library
from zeroframe.planning.targets import refuse_within
from zeroframe.planning.traits import moment_of, read_traits, split_nights
from zeroframe.records import dataclass
from zeroframe.run.lock import LOCK_NAME, folder_lock
from zeroframe.run.record import read_record

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from zeroframe.headers.survey import RawFrame
    from zeroframe.planning.library import Library
    from zeroframe.run.record import RunRecord

__all__ = ["Added", "add_to_library", "begin_library", "check_library_folder", "verify_library"]

_OF_ITS_OWN = "give the library a folder of its own"

#: So long one waits for another writer.
_PATIENCE_S, _LOOK_S = 120.0, 0.2
_PIECE = 1 << 20
_LETTERS = 10


@dataclass(frozen=True, slots=True)
class Added:
    """What came of adding a folder.

    Attributes
    ----------
    new, known : tuple of str
        Files of the library that are new, and those that were there already.
    left_out : tuple of str
        Why others were not taken, a sentence each.
    """

    new: tuple[str, ...]
    known: tuple[str, ...]
    left_out: tuple[str, ...]


def add_to_library(out: Path, folder: Path, *, workers: int | None = None) -> Added:
    """Copy the combined frames of a folder into a library.

    Parameters
    ----------
    out : pathlib.Path
        A folder of results; of one that another program has made, all combined frames are taken.
    folder : pathlib.Path
        The library, which is made where it is not there.
    workers : int, optional
        How many threads.

    Returns
    -------
    Added

    Raises
    ------
    NoFramesError
        When there is no combined frame.
    DamagedError
        When a file is not the one that the run has made, or the index of the library cannot be read.
    OutputError
        When it cannot be written, or others keep writing there; `RawFolderError` where it would lie in the raw folder.
    """
    record = read_record(out)
    raw = None if record is None else record.this_run.get("raw")
    check_library_folder(folder, None if raw is None else as_path(raw), out)
    found = survey_files(list(tree_files(out)), workers=workers)
    chosen, left_out = _chosen(found, out, record)
    if not chosen:
        raise NoFramesError(f"{out}: no combined frame; give a folder of results or of combined frames")
    entries = [_entry(item, out, kind, record) for item, kind in chosen]
    title = _title(entries)
    entries = [replace(each, file=f"{title}/{each.file}") for each in entries]
    make_output_folder(folder)
    with _held(folder):
        library = read_library(folder, must_exist=False)
        there = {each.file: each for each in library.entries}
        new = [each for each in entries if there.get(each.file) is None]
        for each in new:
            _copy(out / each.file.partition("/")[2], folder / each.file, each.sha256)
        if new:
            path = folder / INDEX_NAME
            text = index_text([*library.entries, *new])
            with atomic_file(path, overwrite=Replaceable.of(path) or False) as descriptor:
                write_all(descriptor, [text.encode("ascii")])
    names = {each.file for each in new}
    known = tuple(each.file for each in entries if each.file not in names)
    return Added(tuple(sorted(names)), known, tuple(left_out))


def check_library_folder(folder: Path, raw: Path | None, out: Path) -> None:
    """Refuse to keep a library among raw frames, or among the results that it takes.

    Parameters
    ----------
    folder : pathlib.Path
        The library, which need not be there.
    raw : pathlib.Path or None
        The raw folder, where it is known.
    out : pathlib.Path
        The folder of results, which need not be there.

    Raises
    ------
    RawFolderError
        When the library is the raw folder or lies inside it, by whatever name, link or mount.
    OutputError
        When it lies in the folder of results, or holds frames and no index.
    """
    try:
        refuse_within([] if raw is None else [raw], [folder])
    except RawFolderError as error:
        raise RawFolderError(error.path, error.reason, _OF_ITS_OWN) from error
    if RawFolders.of([out]).around(folder) is not None:
        raise OutputError(folder, f"lies in {out}, the folder of the results that are to be added", _OF_ITS_OWN)
    if folder.is_dir() and not is_there(folder / INDEX_NAME):
        held = next((path.name for path in sorted(folder.iterdir()) if path.is_file() and looks_like_fits(path)), "")
        if held:
            raise OutputError(folder, f"holds frames ({held}), and no {INDEX_NAME}: it is no library", _OF_ITS_OWN)


def begin_library(folder: Path) -> None:
    """Make an empty library where there is none; raises `OutputError` where it cannot be written."""
    make_output_folder(folder)
    with _held(folder):
        read_library(folder, must_exist=False)  # one that is damaged is not added to
        path = folder / INDEX_NAME
        if not is_there(path):
            with atomic_file(path) as descriptor:
                write_all(descriptor, [index_text([]).encode("ascii")])


@contextmanager
def _held(folder: Path) -> Iterator[None]:
    """Hold a library; wait for others who do."""
    began = time.monotonic()
    while True:
        lock = folder_lock(folder)
        try:
            held = lock.__enter__()
        except FolderBusyError:
            if time.monotonic() - began > _PATIENCE_S:
                raise
            time.sleep(_LOOK_S)
            continue
        try:
            remove_stale_parts(folder)
            yield
            held.check()
        finally:
            lock.__exit__(None, None, None)
        return


def _chosen(
    found: Sequence[RawFrame], out: Path, record: RunRecord | None
) -> tuple[list[tuple[RawFrame, str]], list[str]]:
    """Return the combined frames of a folder with their kinds, and why others do not count."""
    chosen, left_out = [], []
    for item in found:
        name = item.path.relative_to(out).as_posix()
        if item.facts is None or item.frame is None or item.problem is not None:
            left_out.append(f"{name}: {item.problem.reason if item.problem else 'cannot be read'}")
            continue
        cards = item.frame.cards_of(item.frame.image())
        facts = read_stored_facts(cards, item.path.name)
        row = kind_row(item.facts.kind)
        if row is None or facts.is_mask:
            continue  # masks, which nights make of the combined frames
        if not item.facts.combined and (facts.frames or 1) < 2:
            if not item.is_result:  # frames that went into it need no word
                left_out.append(f"{name}: a {row.kind}, but no card says that it was combined")
            continue
        problem = "" if record is None else _why_not_ours(item.path, name, record)
        if problem:
            raise DamagedError(item.path, problem, "run again, and add it then")
        chosen.append((item, row.kind.value))
    return chosen, left_out


def _why_not_ours(path: Path, name: str, record: RunRecord) -> str:
    """Return why a file is not the one that the run of this folder has made; empty where it is."""
    mark = record.outputs.get(name) or record.earlier.get(name)
    if mark is None:
        return "was not made by the run of this folder"
    found = attempt(path, file_crc32, path)
    same = not isinstance(found, FrameError) and found == (mark.crc32, mark.byte_count)
    return "" if same else "is not the file that the run has made"


def _entry(item: RawFrame, out: Path, kind: str, record: RunRecord | None) -> LibraryEntry:
    mark = file_mark(item.path)
    name = item.path.relative_to(out).as_posix()
    cards = {} if item.frame is None else item.frame.cards_of(item.frame.image())
    facts = read_stored_facts(cards, item.path.name)
    row = kind_row(kind)
    known = {} if record is None else dict(record.recipe.get("groups", {}).get(name, {}))
    night = known["traits"]["night"] if known else split_nights([moment_of(item)]).nights[0]
    said = any(each in facts.subtracted for each in (() if row is None else row.needs))
    keeps = row is not None and (row.is_zero or (row.may_keep_bias and not said))
    return LibraryEntry(
        file=name,
        sha256=mark.sha256,
        byte_count=mark.byte_count,
        kind=kind,
        frames=facts.frames or 1,
        made_by=facts.made_by,
        includes_bias=bool(known.get("includes_bias", keeps)),
        added=datetime.now(UTC).isoformat(timespec="seconds"),
        source=str(out),
        traits=read_traits(item, night),
    )


def _title(entries: Sequence[LibraryEntry]) -> str:
    """Return the folder of what belongs together: the first night, and a hash of names and contents."""
    digest = hashlib.sha256("\n".join(sorted(f"{each.file} {each.sha256}" for each in entries)).encode()).hexdigest()
    nights = sorted(each.traits.night for each in entries if each.traits.night is not None)
    return "_".join([*nights[:1], digest[:_LETTERS]])


def _copy(source: Path, target: Path, sha256: str) -> None:
    """Copy a file whole; one that is there already has to be the same."""
    if is_there(target):
        if file_mark(target).sha256 != sha256:
            raise DamagedError(target, "is another file than its name says", "remove it, and add the folder again")
        return
    make_output_folder(target.parent)
    digest = hashlib.sha256()
    with source.open("rb") as file, atomic_file(target) as descriptor:
        while piece := file.read(_PIECE):
            digest.update(piece)
            write_all(descriptor, [piece])
        if digest.hexdigest() != sha256:
            raise DamagedError(source, "was changed while it was copied", "see what else writes there, and run again")
    if file_mark(target).sha256 != sha256:
        raise DamagedError(target, "is not what was written there", "see whether the disk is well, and run again")


def verify_library(library: Library) -> list[str]:
    """Say what of a library is missing, altered or strange, a sentence each.

    Parameters
    ----------
    library : Library
        As its index says.
    """
    problems = [said for each in library.entries if (said := _entry_problem(library.folder / each.file, each))]
    names = {*(each.file for each in library.entries), INDEX_NAME, LOCK_NAME}
    strange = [path for path in tree_files(library.folder) if path.relative_to(library.folder).as_posix() not in names]
    advice = "does not stand in the index; add the folder that it comes from, or move it away"
    problems += [f"{path}: {advice}" for path in strange]
    return problems


def _entry_problem(path: Path, entry: LibraryEntry) -> str:
    if not is_there(path):
        return f"{path}: is missing; add {entry.source} again"
    mark = attempt(path, file_mark, path)
    if isinstance(mark, FrameError):
        return str(mark)
    same = mark.sha256 == entry.sha256
    return "" if same else f"{path}: has been altered; remove it from the library, and add {entry.source} again"
