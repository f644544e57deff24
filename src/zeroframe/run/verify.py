"""Whether a folder of results is as it was made: nothing altered, nothing missing, nothing strange."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from zeroframe.errors import FrameError, NoFramesError
from zeroframe.fits import looks_like_fits, scan
from zeroframe.fits.atomic import is_part
from zeroframe.fits.failures import attempt
from zeroframe.fits.fingerprint import file_mark
from zeroframe.fits.part_paths import file_named
from zeroframe.fits.store.names import REMOTE_THREADS, UrlPath, any_remote, as_path, is_there
from zeroframe.fits.verify import check_file
from zeroframe.headers.colour_planes import PLANE_CARD
from zeroframe.headers.own_results import carried_key
from zeroframe.records import dataclass
from zeroframe.run.left_over import without_sources
from zeroframe.run.lock import LOCK_NAME
from zeroframe.run.mosaic_products import MOSAIC, PART_CARD, mosaic_key
from zeroframe.run.record import RECORD_NAME, read_record, report_problem
from zeroframe.workers import map_threads

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from collections.abc import Set as AbstractSet
    from pathlib import Path

    from zeroframe.fits.fingerprint import FileMark
    from zeroframe.run.record import OutputMark, RunRecord

__all__ = ["Verified", "verify_folder"]

M = TypeVar("M")

_AGAIN = "delete it, and run again as it was made"


@dataclass(frozen=True, slots=True)
class Verified:
    """What was found.

    Attributes
    ----------
    outputs, inputs : int
        How many results, and how many raw frames, are as they were.
    problems : tuple of str
        One sentence for each file that is not.
    earlier : int
        How many of the results were made by an earlier run, as in another format, and not made again by the last one.
    inputs_left : int
        How many raw frames were not compared, as their folder was not given.
    """

    outputs: int
    inputs: int
    problems: tuple[str, ...]
    earlier: int = 0
    inputs_left: int = 0

    @property
    def counts(self) -> dict[str, int]:
        """Of files, by what they are."""
        return {name: getattr(self, name) for name in ("outputs", "earlier", "inputs", "inputs_left")}


def verify_folder(out: Path, raw: Path | None = None, *, workers: int | None = None) -> Verified:
    """Compare a folder of results, and the raw frames behind it, with run.json; of many nights, each night.

    Every result is read through: its CRC-32 has to be that of run.json, its DATASUM and CHECKSUM those of its own
    headers, and its key that of the job. A report that the run wrote has to have its CRC-32, and each section of
    run.json its SHA-256. Folders within are looked into, too, but for those with a run.json of their own, which hold
    the results of another run, and the folder of the raw frames.

    Parameters
    ----------
    out : pathlib.Path
        The results.
    raw : pathlib.Path, optional
        The raw frames; their SHA-256 is compared where it is given, and that of stored calibration frames.
    workers : int, optional
        How many threads.

    Returns
    -------
    Verified

    Raises
    ------
    NoFramesError
        When there is no such folder, or no run.json in it.
    DamagedError
        When there is a run.json that cannot be used.
    """
    if any_remote(out, *([] if raw is None else [raw])):
        workers = workers or REMOTE_THREADS
    if not out.is_dir():
        raise NoFramesError(f"{out} is not a folder; give the one that was given to -o")
    record = read_record(out)
    nights = [] if record is not None else [each for each in sorted(out.iterdir()) if is_there(each / RECORD_NAME)]
    if nights:
        return _together([verify_folder(each, raw, workers=workers) for each in nights])
    if record is None:
        raise NoFramesError(
            f"{out / RECORD_NAME} is not there, so there is nothing to compare with; "
            "give the folder that was given to -o, or run again"
        )
    marks = {**record.earlier, **record.outputs}
    found = map_threads(lambda name: _problem(out / name, _output_problem, marks[name]), list(marks), workers)
    found_wrong = [each for each in (*found, report_problem(out, record)) if each]
    strangers, products = _not_recorded(out, record, raw)
    problems = _of_the_record(out, record) + _of_the_run(out, record) + found_wrong + strangers
    inputs = 0
    if raw is not None:
        compared = map_threads(
            lambda name: _problem(file_named(raw, name), _input_problem, record.inputs[name]),
            list(record.inputs),
            workers,
        )
        stored = [_problem(as_path(path), _stored_problem, sha256) for path, sha256 in _stored(record).items()]
        problems += [each for each in (*compared, *stored) if each]
        inputs = compared.count("") + stored.count("")
        problems += _of_frames_gone(out, raw, record)
    left = len(record.inputs) if raw is None else 0
    earlier = sum(not said for name, said in zip(marks, found, strict=True) if name not in record.outputs)
    return Verified(found.count("") + products, inputs, tuple(problems), earlier, left)


def _together(parts: list[Verified]) -> Verified:
    """Return what was found in many nights as one."""
    problems = tuple(problem for each in parts for problem in each.problems)
    return Verified(problems=problems, **{name: sum(each.counts[name] for each in parts) for name in parts[0].counts})


def _of_frames_gone(out: Path, raw: Path, record: RunRecord) -> list[str]:
    """Name results of earlier runs of which no raw frame is there any more."""
    sources = {source for mark in record.earlier.values() for source in mark.sources}
    there = {name for name in sources if is_there(file_named(raw, name))}
    gone = without_sources(record.earlier, {*there, *record.outputs})
    reason = "was made by an earlier run, of raw frames that are not there any more; delete it if it is not wanted"
    return [f"{out / name}: {reason}" for name in gone if is_there(out / name)]


def _of_the_run(out: Path, record: RunRecord) -> list[str]:
    """Say how the run ended where it did not end well."""
    if record.state != "finished":
        return [f"{out}: the last run did not finish; run it again"]
    said = [*record.this_run.get("frames", [])]
    for part in ("combined", "masks"):  # of a night, lists
        found = record.this_run.get(part) or []
        said += found if isinstance(found, list) else [found]
    return [f"failed: {each['reason'] or each['name']}" for each in said if each["state"] == "failed"]


def _problem(path: Path, look: Callable[[Path, M], str], mark: M) -> str:
    """Return what is wrong with a file, be it that it cannot be looked at; empty where nothing is."""
    return str(attempt(path, look, path, mark))


def _of_the_record(out: Path, record: RunRecord) -> list[str]:
    """Name what has been changed in run.json since it was written, and what in it contradicts itself."""
    path = out / RECORD_NAME
    problems = [f"{path}: {name} has been changed since it was written; run again" for name in record.altered]
    for name, mark in record.outputs.items():
        known = record.inputs.get(mark.sources[0]) if mark.source_sha256 and mark.sources else None
        if known is not None and known.sha256 != mark.source_sha256:
            what = f"inputs and outputs give two hashes of {mark.sources[0]}, of which {name} was made"
            problems.append(f"{path}: {what}; run again")
    return problems


def _output_problem(path: Path, mark: OutputMark) -> str:
    """Return what is wrong with a result; empty where nothing is."""
    if not is_there(path):
        return f"{path}: is missing; run again"
    try:
        checked = check_file(path)
        key = carried_key(path)
    except FrameError as error:
        return f"{path}: has been altered ({error.reason}); run again with --overwrite"
    if checked.remarks:
        return f"{path}: has been altered ({'; '.join(checked.remarks)}); run again with --overwrite"
    if (checked.crc32, checked.byte_count) != (mark.crc32, mark.byte_count):
        why = "was made by another job" if key != mark.key else "has other bytes than were written, though valid sums"
        return f"{path}: has been altered ({why}); run again with --overwrite"
    if key != mark.key:
        return f"{path}: carries the key {key}, and {RECORD_NAME} says {mark.key}; run again"
    return ""


def _input_problem(path: Path, mark: FileMark) -> str:
    try:
        same = file_mark(path).sha256 == mark.sha256
    except FrameError as error:
        return f"{path}: {error.reason}; its results cannot be made again"
    return "" if same else f"{path}: is not the raw frame that was calibrated; run again"


def _stored(record: RunRecord) -> dict[str, str]:
    """Return the combined frames and masks that existed already and were used: paths, and hashes."""
    said = record.recipe.get("stored")
    known = said.values() if isinstance(said, dict) else ()
    return {each["path"]: each.get("file", each)["sha256"] for each in known}


def _stored_problem(path: Path, sha256: str) -> str:
    if not is_there(path):
        return f"{path}: the stored calibration frame is not there any more; what it was used for cannot be made again"
    same = file_mark(path).sha256 == sha256
    return "" if same else f"{path}: is not the stored calibration frame that was used; run again"


def _not_recorded(out: Path, record: RunRecord, raw: Path | None) -> tuple[list[str], int]:
    """Name what the run has not made: frames, and what a dead run left behind. Other files are not our business.

    Images of one colour and pictures of a calibrated frame are counted where they are as they were made.
    """
    marks = {**record.earlier, **record.outputs}
    names = {*marks, RECORD_NAME, LOCK_NAME}
    problems, products = [], 0
    said = record.this_run.get("raw")
    leave_out = {_identity(folder) for folder in (raw, None if said is None else as_path(said)) if folder is not None}
    for path in _files_within(out, leave_out):
        name = path.relative_to(out).as_posix()
        if name in names:
            continue
        if is_part(path.name):
            problems.append(f"{path}: is left over from a run that has died; it is removed by the next run")
        elif looks_like_fits(path):
            problem = _product_problem(path, name, marks)
            problems += [problem] if problem else []
            products += not problem
    return problems, products


def _product_problem(path: Path, name: str, marks: Mapping[str, OutputMark]) -> str:
    """Return what is wrong with a file that run.json does not name; empty for what is made of frames that it names."""
    if f".{MOSAIC}." in path.name:
        return _mosaic_problem(path, name, marks)
    stem, _, rest = name.rpartition("_")
    colour, dot, ending = rest.partition(".")
    frame = marks.get(stem + dot + ending)
    found = None if frame is None else attempt(path, scan, path)
    if frame is None or isinstance(found, FrameError) or found is None or found.cards.get(PLANE_CARD) != colour:
        return f"{path}: was not made by this run; move it elsewhere, or run again"
    if carried_key(path) != frame.key:
        return f"{path}: is of {stem + dot + ending} as it was in an earlier run; {_AGAIN}"
    return _altered(path)


def _altered(path: Path) -> str:
    checked = attempt(path, check_file, path)
    altered = checked.reason if isinstance(checked, FrameError) else "; ".join(checked.remarks)
    return f"{path}: has been altered ({altered}); {_AGAIN}" if altered else ""


def _mosaic_problem(path: Path, name: str, marks: Mapping[str, OutputMark]) -> str:
    """Return what is wrong with a file of several detectors; empty where each is that of a result."""
    found = attempt(path, scan, path)
    parts = [] if isinstance(found, FrameError) else [hdu.cards for hdu in found.hdus if PART_CARD in hdu.cards]
    folder, _, _ = name.rpartition("/")
    results = [marks.get(f"{folder}/{cards[PART_CARD]}".lstrip("/")) for cards in parts]
    if not parts or None in results:
        return f"{path}: was not made by this run; move it elsewhere, or run again"
    if carried_key(path) != mosaic_key([each.key for each in results if each is not None]):
        return f"{path}: is of detectors as they were in an earlier run; {_AGAIN}"
    return _altered(path)


def _identity(folder: Path) -> object:
    """Return by what a folder is known: `Path.resolve` would look at all folders above."""
    if isinstance(folder, UrlPath):
        return str(folder)
    try:
        found = folder.stat()
    except OSError:
        return folder
    return found.st_dev, found.st_ino


def _files_within(folder: Path, leave_out: AbstractSet[object]) -> Iterator[Path]:
    """Yield the files of a folder and of those within, sorted; links to folders are not followed."""
    left = [folder]
    while left:  # not by calling itself: folders may lie within each other as deep as the system allows
        files, inner = _listed(left.pop())
        yield from files
        left += [
            each for each in reversed(inner) if _identity(each) not in leave_out and not is_there(each / RECORD_NAME)
        ]


def _listed(folder: Path) -> tuple[list[Path], list[Path]]:
    """Return the files of a folder, and the folders in it that are no links."""
    if isinstance(folder, UrlPath):
        from zeroframe.fits.store.objects import ObjectStore

        place = ObjectStore(str(folder))
        return [folder / file.name for file in place.listing(hidden=True)], [folder / name for name in place.folders()]
    found = sorted(folder.iterdir())
    folders = [path for path in found if path.is_dir() and not path.is_symlink()]
    return [path for path in found if path.is_file()], folders
