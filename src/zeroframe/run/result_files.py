"""Status of one result: up to date, of another job, changed since, or not there; nothing is written here.

A result is up to date when it carries the key of its job (`zeroframe.run.keys`) and has not been changed since: its
CRC-32 is that of run.json, or, after a run that was killed, its DATASUM and CHECKSUM are those of its own header.
"""

from __future__ import annotations

import stat
from dataclasses import replace
from typing import TYPE_CHECKING, Literal, Protocol

from zeroframe.errors import FrameError, OutputExistsError
from zeroframe.fits.fingerprint import change_stamp, file_crc32, file_mark, stamp_of
from zeroframe.fits.store.names import UrlPath
from zeroframe.fits.verify import check_file
from zeroframe.headers.own_results import FolderResults, carried_key
from zeroframe.records import dataclass
from zeroframe.run.keys import versions
from zeroframe.run.record import OutputMark, RunRecord

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from zeroframe.fits.fingerprint import FileMark
    from zeroframe.frames.raw import FrameOutcome

__all__ = [
    "UP_TO_DATE",
    "UP_TO_DATE_COMBINED",
    "ResultStatus",
    "ResultStatuses",
    "as_listed",
    "as_stamped",
    "carried_key",
    "differing_versions",
    "listed_in_stores",
    "matching_mark",
    "refuse_foreign",
    "refuse_strange",
    "source_mark",
    "stamp_of_result",
    "stranger",
    "why_other",
    "would_be_refused",
]

UP_TO_DATE = "made of the same raw frame in the same way, and unchanged since"
UP_TO_DATE_COMBINED = "made of the same frames in the same way, and unchanged since"


@dataclass(frozen=True, slots=True)
class ResultStatus:
    """How a result stands before the run.

    Attributes
    ----------
    target : pathlib.Path
        The result.
    verdict : {'make', 'keep', 'replace', 'refuse'}
        ``'replace'`` where another result of ours is in its place, which takes ``--overwrite``; ``'refuse'`` where
        something is that is none of ours, and is never replaced.
    reason : str
        Why, as a clause about the target.
    up_to_date : FrameOutcome or None
        Of a calibrated frame that is kept, before it is measured.
    mark : OutputMark or None
        Of a result that is kept.
    """

    target: Path
    verdict: Literal["make", "keep", "replace", "refuse"]
    reason: str
    up_to_date: FrameOutcome | None = None
    mark: OutputMark | None = None


def stranger(status: ResultStatus, results: FolderResults) -> ResultStatus:
    """Tell a file that is none of our results, and so is never replaced, from one that may be."""
    reason = results.strange(status.target) if status.verdict == "replace" else ""
    if not reason:
        return status
    said = reason if status.reason in reason else f"{status.reason}, and {reason}"
    return replace(status, verdict="refuse", reason=said)


def listed_in_stores(folders: Iterable[Path]) -> dict[Path, dict[str, str]]:
    """List those folders that are in a store: a thousand files a request, where looking at each takes one or two.

    Returns
    -------
    dict
        Of each such folder the stamps of its files, by name.
    """
    listed: dict[Path, dict[str, str]] = {}
    for folder in folders:
        if isinstance(folder, UrlPath):
            from zeroframe.fits.store.objects import ObjectStore

            place = ObjectStore(str(folder))
            listed[folder] = {file.name: file.stamp for file in place.listing()} if place.is_there() else {}
    return listed


def as_listed(listed: Mapping[Path, Mapping[str, str]], path: Path) -> tuple[bool | None, str | None]:
    """Say whether a file of a store is there, and what stamp it has; both None for a file of a disk."""
    files = listed.get(path.parent)
    return (None, None) if files is None else (path.name in files, files.get(path.name))


class ResultStatuses(Protocol):
    """Results that have been looked at."""

    @property
    def refused(self) -> tuple[ResultStatus, ...]:
        """What has something else in its place."""


def refuse_foreign(statuses: ResultStatuses) -> None:
    """Raise when something stands in the place of a result.

    Raises
    ------
    OutputExistsError
        Which names the first, and says what it is.
    """
    folders = [status for status in statuses.refused if _is_folder(status.target)]
    _refuse(folders, "move the folder away, or choose another one with -o")
    _refuse(statuses.refused, "choose another folder with -o, or replace with --overwrite")


def _is_folder(path: Path) -> bool:
    """Say whether a folder has the name of a result: no option replaces one."""
    return not isinstance(path, UrlPath) and path.is_dir()


def refuse_strange(statuses: ResultStatuses) -> None:
    """Raise when a file that is none of our results stands in the place of one: it is never replaced.

    Raises
    ------
    OutputExistsError
        Which names the first, and says what it is.
    """
    strange = [status for status in statuses.refused if status.verdict == "refuse"]
    _refuse(
        strange, "move it away, or choose another folder with -o; --overwrite replaces only what zeroframe has made"
    )


def would_be_refused(statuses: ResultStatuses, *, overwrite: bool) -> bool:
    """Say whether a run would stop at what is there."""
    return any(not overwrite or status.verdict == "refuse" for status in statuses.refused)


def _refuse(there: Sequence[ResultStatus], advice: str) -> None:
    if there:
        more = "" if len(there) == 1 else f" (and {len(there) - 1} more of this run)"
        raise OutputExistsError(there[0].target, f"is there already{more}: {there[0].reason}", advice)


def source_mark(path: Path, name: str, record: RunRecord, *, check: bool, stamp: str | None = None) -> FileMark:
    """Return the mark of a raw frame, which run.json calls ``name``; it is read where its stamp is another, or none.

    Where ``stamp`` is given, it is that of the file as it has just been listed.

    Raises
    ------
    FrameError
        When it cannot be read.
    """
    known = record.inputs.get(name)
    # where it is not there, reading it will say why
    if not check and known is not None and known.stamp and known.stamp == (stamp or stamp_of(path)):
        return known
    return file_mark(path)


def matching_mark(
    target: Path, key: str, known: OutputMark | None, *, check: bool = False, stamp: str | None = None
) -> OutputMark | str:
    """Return the mark of a result that is up to date; else why not, in words, or empty where it is of another job.

    It is believed where its stamp is what it was when it was put there, and ``check`` is not asked for. For one of a
    store ``stamp`` is that as it has just been listed.
    """
    if not isinstance(target, UrlPath) and not stat.S_ISREG(target.lstat().st_mode):
        return "it is a link" if target.is_symlink() else "it is not a file"
    stamp = stamp or stamp_of_result(target)
    if not check and known is not None and known.key == key and known.stamp and known.stamp == stamp:
        return known
    try:
        if known is not None and known.key == key:
            crc32, byte_count = file_crc32(target)
            same = (crc32, byte_count) == (known.crc32, known.byte_count)
            return replace(known, stamp=stamp) if same else "it has been changed since it was made"
        made_by = carried_key(target)
        if made_by is None:
            return "it was not made by this command"
        if made_by != key:
            return ""
        checked = check_file(target)
    except FrameError as error:
        return f"it is damaged ({error.reason})" if known is not None else f"it cannot be used: {error.reason}"
    if checked.remarks or not checked.summed:
        return "it has been changed since it was made"
    return OutputMark(key, checked.crc32, checked.byte_count, stamp=stamp)


def stamp_of_result(target: Path) -> str:
    """Return what changes when a result changes, in a store or on a disk.

    Where store or disk cannot tell it is empty: then the next run reads the result through.
    """
    if not isinstance(target, UrlPath):
        return change_stamp(target)
    try:
        return stamp_of(target) or ""
    except FrameError:
        return ""


def as_stamped(stamps: Mapping[Path, str]) -> set[Path]:
    """Return which results have the stamps still that they had when they were made."""
    listed = listed_in_stores({path.parent for path in stamps})
    return {path for path, stamp in stamps.items() if stamp and stamp == _stamp_now(listed, path)}


def _stamp_now(listed: Mapping[Path, Mapping[str, str]], path: Path) -> str | None:
    return as_listed(listed, path)[1] if isinstance(path, UrlPath) else change_stamp(path)


def why_other(name: str, source: FileMark, known: OutputMark | None, record: RunRecord) -> str:
    """Say in what the job differs that made a file."""
    if known is not None and known.source_sha256 and known.source_sha256 != source.sha256:
        return f"it was made of another {name}: that file has changed since"
    if known is not None and dict(record.versions) != dict(versions()):
        return f"it was made by another version ({differing_versions(record)})"
    if known is not None:
        return "it was made with other options"
    return "it was made of another raw frame, with other options or by another version"


def differing_versions(record: RunRecord) -> str:
    """Name the versions of a run that are others now."""
    now = versions()
    parts = [f"{name} {old}" for name, old in record.versions.items() if now.get(name) != old]
    return ", ".join(parts)
