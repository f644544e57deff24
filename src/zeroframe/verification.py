"""Whether a folder of results is as it was made: nothing altered, nothing missing, nothing strange."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from zeroframe.errors import FrameError, NoFramesError
from zeroframe.io import looks_like_fits
from zeroframe.io.atomic import is_part
from zeroframe.io.marks import file_mark
from zeroframe.io.sums import check_file
from zeroframe.io.urls import FAR_THREADS, any_far, is_there
from zeroframe.locking import LOCK_NAME
from zeroframe.own_results import carried_key
from zeroframe.parallel import map_threads
from zeroframe.record import RECORD_NAME, read_record, report_problem

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from zeroframe.io.marks import FileMark
    from zeroframe.record import OutputMark, RunRecord

__all__ = ["Verified", "verify_folder"]


@dataclass(frozen=True, slots=True)
class Verified:
    """What was found.

    Attributes
    ----------
    outputs, inputs : int
        How many results, and how many raw frames, are as they were.
    problems : tuple of str
        One sentence for each file that is not.
    """

    outputs: int
    inputs: int
    problems: tuple[str, ...]


def verify_folder(out: Path, raw: Path | None = None, *, workers: int | None = None) -> Verified:
    """Compare a folder of results, and the raw frames behind it, with run.json.

    Every result is read through: its CRC-32 has to be that of run.json, its DATASUM and CHECKSUM those of its own
    headers, and its key that of the job. A report that the run wrote has to have its CRC-32.

    Parameters
    ----------
    out : pathlib.Path
        The results.
    raw : pathlib.Path, optional
        The raw frames; their SHA-256 is compared where it is given.
    workers : int, optional
        How many threads.

    Returns
    -------
    Verified

    Raises
    ------
    NoFramesError
        When there is no such folder, or no run.json in it that can be used.
    """
    if any_far(out, *([] if raw is None else [raw])):
        workers = workers or FAR_THREADS
    if not out.is_dir():
        raise NoFramesError(f"{out} is not a folder; give the one that was given to -o")
    record = read_record(out)
    if record is None:
        raise NoFramesError(
            f"{out / RECORD_NAME} is not there, or cannot be used, so there is nothing to compare with; "
            "give the folder that was given to -o, or run again"
        )
    marks = {**record.earlier, **record.outputs}
    found = map_threads(lambda name: _output_problem(out / name, marks[name]), list(marks), workers)
    found_wrong = [each for each in (*found, report_problem(out, record)) if each]
    problems = _of_the_run(out, record) + found_wrong + _strangers(out, marks)
    inputs = 0
    if raw is not None:
        compared = map_threads(
            lambda name: _input_problem(raw / name, record.inputs[name]), list(record.inputs), workers
        )
        problems += [each for each in compared if each]
        inputs = compared.count("")
    return Verified(found.count(""), inputs, tuple(problems))


def _of_the_run(out: Path, record: RunRecord) -> list[str]:
    """Say how the run ended where it did not end well."""
    if record.state != "finished":
        return [f"{out}: the last run did not come to its end; run it again"]
    said = list(record.this_run.get("frames", []))
    for part in ("combined", "masks"):  # of a night, lists
        found = record.this_run.get(part)
        said += found if isinstance(found, list) else []
    return [f"failed: {each['reason'] or each['name']}" for each in said if each["state"] == "failed"]


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
    return ""


def _input_problem(path: Path, mark: FileMark) -> str:
    try:
        same = file_mark(path).sha256 == mark.sha256
    except FrameError as error:
        return f"{path}: {error.reason}; its results cannot be made again"
    return "" if same else f"{path}: is not the raw frame that was calibrated; run again"


def _strangers(out: Path, marks: Mapping[str, OutputMark]) -> list[str]:
    """Name what the run has not made: frames, and what a dead run left behind. Other files are not our business.

    Of the folders within, those are looked into that hold results.
    """
    problems = []
    folders = {out, *((out / name).parent for name in marks)}
    for path in sorted(path for folder in folders if folder.is_dir() for path in folder.iterdir()):
        name = path.relative_to(out).as_posix()
        if name in marks or name in (RECORD_NAME, LOCK_NAME):
            continue
        if is_part(path.name):
            problems.append(f"{path}: is left over from a run that has died; it is removed by the next run")
        elif path.is_file() and looks_like_fits(path):
            problems.append(f"{path}: was not made by this run; move it elsewhere, or run again")
    return problems
