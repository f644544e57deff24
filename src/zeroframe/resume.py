"""What of a plan is there already and right, and what has to be made; nothing is written here.

A result is right when it carries the key of its job (`zeroframe.provenance`) and has not been changed since: its CRC-32
is that of run.json, or, after a run that was killed, its DATASUM and CHECKSUM are those of its own header.
"""

from __future__ import annotations

import stat
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, Protocol

from zeroframe.errors import FrameError, OutputExistsError
from zeroframe.executing import map_jobs
from zeroframe.failures import attempt
from zeroframe.frames import FrameOutcome
from zeroframe.io.inputs import Inputs
from zeroframe.io.marks import file_crc32, file_mark, stamp_of
from zeroframe.io.sums import check_file
from zeroframe.io.urls import UrlPath, is_there
from zeroframe.own_results import FolderResults, carried_key, record_state
from zeroframe.parallel import map_threads
from zeroframe.provenance import combine_key, frame_key, recorded_recipe, versions
from zeroframe.record import RECORD_NAME, OutputMark, RunRecord, known_record

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from concurrent.futures import Executor
    from pathlib import Path

    from zeroframe.io.marks import FileMark
    from zeroframe.plan import BiasPlan, CalibrateJob

__all__ = [
    "RIGHT",
    "RIGHT_COMBINED",
    "Judged",
    "Standing",
    "Standings",
    "as_listed",
    "bias_results",
    "carried_key",
    "differing_versions",
    "examine",
    "listed_in_stores",
    "output_mark",
    "own_mark",
    "refuse_foreign",
    "refuse_strange",
    "source_mark",
    "stamp_of_result",
    "stranger",
    "why_other",
    "would_be_refused",
]

RIGHT = "made of the same raw frame in the same way, and unchanged since"
RIGHT_COMBINED = "made of the same frames in the same way, and unchanged since"


@dataclass(frozen=True, slots=True)
class Standing:
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
    right : FrameOutcome or None
        Of a calibrated frame that is kept, before it is measured.
    mark : OutputMark or None
        Of a result that is kept.
    """

    target: Path
    verdict: Literal["make", "keep", "replace", "refuse"]
    reason: str
    right: FrameOutcome | None = None
    mark: OutputMark | None = None


@dataclass(frozen=True, slots=True)
class Standings:
    """How all results of a plan stand.

    Attributes
    ----------
    frames : tuple of Standing
        One for each calibration job, in order.
    combined : Standing or None
        None where nothing is combined.
    record : RunRecord
        Of earlier runs; an empty one where there is none.
    """

    frames: tuple[Standing, ...]
    combined: Standing | None
    record: RunRecord

    @property
    def all(self) -> tuple[Standing, ...]:
        """The frames, and the combined one."""
        return (*self.frames, *([self.combined] if self.combined is not None else []))

    @property
    def refused(self) -> tuple[Standing, ...]:
        """What has something else in its place."""
        return tuple(standing for standing in self.all if standing.verdict in {"replace", "refuse"})

    @property
    def nothing_to_do(self) -> bool:
        """Whether every result is there already and right."""
        return all(standing.verdict == "keep" for standing in self.all)


def examine(
    plan: BiasPlan, *, check: bool = False, workers: int | None = None, executor: Executor | None = None
) -> Standings:
    """Look at what is in the folder of results.

    Raw frames are hashed where a result of theirs is there; the hash of run.json is believed where size, time of
    modification and inode are what they were. Results on a disk are always read through; those of a store are believed
    where their stamps are what they were, which a store changes whenever it takes other bytes.

    Parameters
    ----------
    plan : BiasPlan
        What is going to be done.
    check : bool
        Hash raw frames whatever their times say, and read results through that are in a store.
    workers : int, optional
        How many threads.
    executor : concurrent.futures.Executor, optional
        Where frames are looked at, instead of on threads here.

    Returns
    -------
    Standings
    """
    record = known_record(plan.out) if plan.out.is_dir() else RunRecord()
    listed = listed_in_stores({folder for job in plan.calibrate for folder in (job.source.parent, job.target.parent)})
    looks = [
        _Look(job, _about(job, record), check, as_listed(listed, job.source)[1], *as_listed(listed, job.target))
        for job in plan.calibrate
    ]
    frames = map_threads(_standing, looks, workers) if executor is None else _looked_elsewhere(executor, looks)
    combined = _combined_standing(plan, frames, record, check=check)
    if any(each is not None and each.verdict == "replace" for each in (*frames, combined)):
        results = bias_results(plan, record)
        frames = [stranger(standing, results) for standing in frames]
        combined = None if combined is None else stranger(combined, results)
    return Standings(tuple(frames), combined, record)


def bias_results(plan: BiasPlan, record: RunRecord) -> FolderResults:
    """Return which files in the folder of results are ours; looking at the raw frames takes 2 us a frame."""
    inputs = Inputs.of(item.path for item in plan.found)
    return FolderResults(inputs, lambda target: record.knows(target.name), record_state(plan.out / RECORD_NAME))


def stranger(standing: Standing, results: FolderResults) -> Standing:
    """Tell a file that is none of our results, and so is never replaced, from one that may be."""
    reason = results.strange(standing.target) if standing.verdict == "replace" else ""
    if not reason:
        return standing
    said = reason if standing.reason in reason else f"{standing.reason}, and {reason}"
    return replace(standing, verdict="refuse", reason=said)


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
            from zeroframe.io.places import Place

            place = Place(str(folder))
            listed[folder] = {file.name: file.stamp for file in place.listing()} if place.is_there() else {}
    return listed


def as_listed(listed: Mapping[Path, Mapping[str, str]], path: Path) -> tuple[bool | None, str | None]:
    """Say whether a file of a store is there, and what stamp it has; both None for a file of a disk."""
    files = listed.get(path.parent)
    return (None, None) if files is None else (path.name in files, files.get(path.name))


@dataclass(frozen=True, slots=True)
class _Look:
    """A result to be looked at, with what is known of it; and what is listed of raw frame and result in a store."""

    job: CalibrateJob
    record: RunRecord
    check: bool
    source_stamp: str | None = None
    is_there: bool | None = None
    target_stamp: str | None = None


def _about(job: CalibrateJob, record: RunRecord) -> RunRecord:
    """Keep what a record says of one job."""
    source, target = job.source.name, job.target.name
    inputs = {name: mark for name, mark in [(source, record.inputs.get(source))] if mark is not None}
    known = record.outputs.get(target) or record.earlier.get(target)
    return RunRecord(versions=record.versions, inputs=inputs, outputs={} if known is None else {target: known})


def _standing(look: _Look) -> Standing:
    """Look at a result; one that cannot be looked at is in the way."""
    found = attempt(look.job.target, _look, look)
    if isinstance(found, FrameError):
        return Standing(look.job.target, "replace", f"it {found.reason}")
    return found


def _look(look: _Look) -> Standing:
    job, record = look.job, look.record
    if not (is_there(job.target) if look.is_there is None else look.is_there):
        return Standing(job.target, "make", "is not there yet")
    known = record.outputs.get(job.target.name) or record.earlier.get(job.target.name)
    try:
        source = source_mark(job.source, job.source.name, record, check=look.check, stamp=look.source_stamp)
    except FrameError:
        return Standing(job.target, "replace", f"{job.source.name} cannot be read to compare them")
    key = frame_key(job, source.sha256)
    found = own_mark(job.target, key, known, check=look.check, stamp=look.target_stamp)
    if isinstance(found, str):
        return Standing(job.target, "replace", found or why_other(job.source.name, source, known, record))
    mark = replace(found, sources=(job.source.name,), source_sha256=source.sha256)
    right = FrameOutcome(
        job.source, "skipped", f"{job.target}: {RIGHT}", job.target,
        bytes_out=mark.byte_count, source_mark=source, key=key, crc32=mark.crc32, stamp=mark.stamp,
    )  # fmt: skip
    return Standing(job.target, "keep", RIGHT, right, mark)


def _looked_elsewhere(executor: Executor, looks: Sequence[_Look]) -> list[Standing]:
    """Look at results where they are read fastest; files are named so that a process in another folder finds them."""
    there = [
        replace(look, job=replace(look.job, source=look.job.source.absolute(), target=look.job.target.absolute()))
        for look in looks
    ]
    return [
        replace(
            found,
            target=look.job.target,
            right=None if found.right is None else replace(found.right, source=look.job.source, target=look.job.target),
        )
        for look, found in zip(looks, map_jobs(executor, _standing, there), strict=True)
    ]


class Judged(Protocol):
    """Results that have been looked at."""

    @property
    def refused(self) -> tuple[Standing, ...]:
        """What has something else in its place."""


def refuse_foreign(standings: Judged) -> None:
    """Raise when something stands in the place of a result.

    Raises
    ------
    OutputExistsError
        Which names the first, and says what it is.
    """
    _refuse(standings.refused, "choose another folder with -o, or replace with --overwrite")


def refuse_strange(standings: Judged) -> None:
    """Raise when a file that is none of our results stands in the place of one: it is never replaced.

    Raises
    ------
    OutputExistsError
        Which names the first, and says what it is.
    """
    strange = [standing for standing in standings.refused if standing.verdict == "refuse"]
    _refuse(
        strange, "move it away, or choose another folder with -o; --overwrite replaces only what zeroframe has made"
    )


def would_be_refused(standings: Judged, *, overwrite: bool) -> bool:
    """Say whether a run would stop at what is there."""
    return any(not overwrite or standing.verdict == "refuse" for standing in standings.refused)


def _refuse(there: Sequence[Standing], advice: str) -> None:
    if there:
        more = "" if len(there) == 1 else f" (and {len(there) - 1} more of this run)"
        raise OutputExistsError(there[0].target, f"is there already{more}: {there[0].reason}", advice)


def output_mark(outcome: FrameOutcome) -> OutputMark:
    """Return what run.json says of a calibrated frame."""
    sha256 = "" if outcome.source_mark is None else outcome.source_mark.sha256
    return OutputMark(outcome.key, outcome.crc32, outcome.bytes_out, (outcome.source.name,), sha256, outcome.stamp)


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


def own_mark(
    target: Path, key: str, known: OutputMark | None, *, check: bool = False, stamp: str | None = None
) -> OutputMark | str:
    """Return the mark of a result that is right; else why not, in words, or empty where it is of another job.

    One of a store is believed where its stamp, which is ``stamp`` as it has just been listed, is what it was when it
    was put there, and ``check`` is not asked for.
    """
    if isinstance(target, UrlPath):
        stamp = stamp or stamp_of(target)
        if not check and known is not None and known.key == key and known.stamp and known.stamp == stamp:
            return known
    elif not stat.S_ISREG(target.lstat().st_mode):
        return "it is a link" if target.is_symlink() else "it is not a file"
    try:
        if known is not None and known.key == key:
            crc32, byte_count = file_crc32(target)
            same = (crc32, byte_count) == (known.crc32, known.byte_count)
            return replace(known, stamp=stamp or "") if same else "it has been changed since it was made"
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
    return OutputMark(key, checked.crc32, checked.byte_count, stamp=stamp or "")


def stamp_of_result(target: Path) -> str:
    """Return what a store says of a result that has just been put there; empty for one on a disk.

    Where the store does not answer it is empty, too: then the next run reads the result through.
    """
    if not isinstance(target, UrlPath):
        return ""
    try:
        return stamp_of(target) or ""
    except FrameError:
        return ""


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


def _combined_standing(
    plan: BiasPlan, frames: Sequence[Standing], record: RunRecord, *, check: bool
) -> Standing | None:
    """Judge the combined frame by the keys that its frames have, or will have."""
    job = plan.combine
    if job is None:
        return None
    if not is_there(job.target):
        return Standing(job.target, "make", "is not there yet")
    known = record.outputs.get(job.target.name) or record.earlier.get(job.target.name)
    keys = {}
    for each, standing in zip(plan.calibrate, frames, strict=True):
        key = standing.right.key if standing.right is not None else _key_to_be(each, record)
        if key is not None:
            keys[each.target.name] = key
    found = own_mark(job.target, combine_key(plan, job, keys), known, check=check)
    if isinstance(found, str):
        return Standing(job.target, "replace", found or _why_other_combined(plan, tuple(keys), known, record))
    return Standing(job.target, "keep", RIGHT_COMBINED, mark=replace(found, sources=tuple(keys)))


def _key_to_be(job: CalibrateJob, record: RunRecord) -> str | None:
    """Return the key of a frame that is not there yet; None where it failed in the last run, and will again."""
    if job.source.name in record.failed:
        return None
    try:
        return frame_key(job, source_mark(job.source, job.source.name, record, check=False).sha256)
    except FrameError:
        return None


def _why_other_combined(plan: BiasPlan, names: tuple[str, ...], known: OutputMark | None, record: RunRecord) -> str:
    if known is None:
        return "it was made of other frames, with other options or by another version"
    if dict(record.versions) != dict(versions()):
        return f"it was made by another version ({differing_versions(record)})"
    if record.recipe.get("combine") != recorded_recipe(plan)["combine"]:
        return "it was made with other options"
    new = [name for name in names if name not in known.sources]
    gone = [name for name in known.sources if name not in names]
    if new or gone:
        first, *others = new or gone
        more = f" and {len(others)} more" if others else ""
        return f"it was made {'without' if new else 'with'} {first}{more}"
    return "its frames have changed since"
