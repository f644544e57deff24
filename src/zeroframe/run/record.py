"""OUT/run.json: what was run, on what, how, and how each frame ended.

What stands under ``this_run`` differs from run to run (times, places, what was skipped because it was there already).
All else is the same for the same inputs, recipe and versions, and so are the bytes of the results. Each section has
its SHA-256 there, under ``digests``, by which it is told later that somebody has changed it.
"""

from __future__ import annotations

import hashlib
import json
import warnings
from dataclasses import field, fields, replace
from typing import TYPE_CHECKING, Any, Literal

from zeroframe.errors import DamagedError, FrameError, ZeroframeWarning
from zeroframe.fits.atomic import atomic_file, write_all
from zeroframe.fits.fingerprint import FileMark, file_crc32
from zeroframe.fits.small_files import RECORD_BYTES, read_small_file, require_file
from zeroframe.fits.store.names import is_there
from zeroframe.headers.own_results import writable_record
from zeroframe.records import dataclass
from zeroframe.run.record_form import MisformedError, require_form

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = [
    "RECORD_NAME",
    "OutputMark",
    "RunRecord",
    "add_report",
    "begun_names",
    "known_record",
    "read_record",
    "report_problem",
    "write_record",
]

RECORD_NAME = "run.json"
_FORMAT = 2
#: Levels of run.json that are laid out in lines: the sections, what is in them, and the frames of ``this_run``.
_LAID_OUT = 3
#: Under ``this_run``, what follows from the rest.
_MADE_ANEW = frozenset(("stamps_of_results", "digests"))
_RUN_AGAIN = "run again, which writes it anew, or put the file back as it was"


@dataclass(frozen=True, slots=True)
class OutputMark:
    """What a result was when it was written.

    Attributes
    ----------
    key : str
        Of the job that made it.
    crc32, byte_count : int
        Of the file.
    sources : tuple of str
        Names of what it was made from: a raw frame, or calibrated ones.
    source_sha256 : str
        Of the raw frame; empty for a combined one.
    stamp : str
        What changes when the file changes, in a store or on a disk; empty where that cannot be told.
    """

    key: str
    crc32: int
    byte_count: int
    sources: tuple[str, ...] = ()
    source_sha256: str = ""
    stamp: str = ""


@dataclass(frozen=True, slots=True)
class RunRecord:
    """What run.json holds.

    Attributes
    ----------
    state : {'finished', 'unfinished'}
        A run that was killed leaves ``'unfinished'``.
    versions : mapping of str to str
        Of what made the results.
    recipe : mapping
        What was done.
    choices : list of mapping
        What was decided, and why.
    inputs : mapping of str to FileMark
        The raw frames that were read, by name.
    outputs : mapping of str to OutputMark
        The results, by name.
    earlier : mapping of str to OutputMark
        Results of earlier runs that stand in the folder, too.
    this_run : mapping
        What differs from run to run: ``frames`` with their states and reasons, ``seconds``, ``raw``.
    altered : tuple of str
        The sections that are not what they were when run.json was written.
    """

    state: Literal["finished", "unfinished"] = "unfinished"
    versions: Mapping[str, str] = field(default_factory=dict)
    recipe: Mapping[str, Any] = field(default_factory=dict)
    choices: list[dict[str, Any]] = field(default_factory=list)
    inputs: Mapping[str, FileMark] = field(default_factory=dict)
    outputs: Mapping[str, OutputMark] = field(default_factory=dict)
    earlier: Mapping[str, OutputMark] = field(default_factory=dict)
    this_run: Mapping[str, Any] = field(default_factory=dict)
    altered: tuple[str, ...] = ()

    @property
    def failed(self) -> frozenset[str]:
        """Names of the raw frames that failed."""
        frames = self.this_run.get("frames", [])
        return frozenset(each["name"] for each in frames if each["state"] == "failed")

    @property
    def failed_groups(self) -> frozenset[str]:
        """Names of the combined frames that could not be made."""
        combined = self.this_run.get("combined") or []
        ended = combined if isinstance(combined, list) else [combined]
        return frozenset(each["name"] for each in ended if each["state"] == "failed")

    @property
    def remarks(self) -> Mapping[str, str]:
        """What was doubtful of raw frames when they were calibrated, by name."""
        return {each["name"]: each.get("remark", "") for each in self.this_run.get("frames", [])}

    @property
    def report(self) -> tuple[str, int, int] | None:
        """Name, CRC-32 and size of the report, where one was written."""
        said = self.this_run.get("report")
        return None if said is None else (said["name"], said["crc32"], said["byte_count"])

    @property
    def begun(self) -> frozenset[str]:
        """Names of results that a run has set out to make, and that may be there without a mark of theirs."""
        return frozenset(map(str, self.this_run.get("begun", ())))

    def knows(self, name: str) -> bool:
        """Say whether a result of that name is one of this folder's runs."""
        return name in self.outputs or name in self.earlier or name in self.begun

    @property
    def was_good(self) -> bool:
        """Whether the run came to its end, and all was well."""
        return self.state == "finished" and self.this_run.get("all_is_well") is True


def write_record(folder: Path, record: RunRecord) -> None:
    """Write run.json, whole or not at all.

    Parameters
    ----------
    folder : pathlib.Path
        Of the results.
    record : RunRecord
        What it says.

    Raises
    ------
    OutputExistsError
        When another file of that name is there, which is kept.
    OutputError
        When it cannot be written.
    """
    said = _fields_of(record)
    del said["altered"]
    for of in ("inputs", "outputs", "earlier"):
        said[of] = {name: _fields_of(mark) for name, mark in said[of].items()}
    stamps = {name: mark.pop("stamp") for name, mark in said["inputs"].items()}
    written = {
        name: stamp for of in ("outputs", "earlier") for name, mark in said[of].items() if (stamp := mark.pop("stamp"))
    }
    of_results = {"stamps_of_results": written} if written else {}
    before = {name: value for name, value in record.this_run.items() if name not in _MADE_ANEW}
    said["this_run"] = {**before, "stamps": stamps, **of_results}
    said["this_run"]["digests"] = _digests(said)
    # names may hold bytes that no encoding knows; JSON says them as escapes
    text = _laid_out({"format": _FORMAT, **said}) + "\n"
    path = folder / RECORD_NAME
    with atomic_file(path, overwrite=writable_record(path)) as descriptor:
        write_all(descriptor, [text.encode("ascii")])


def _fields_of(of: RunRecord | FileMark | OutputMark) -> dict[str, Any]:
    """Return the fields as they are; `dataclasses.asdict` copies all that is in them: 0.07 s of 24 frames."""
    return {each.name: getattr(of, each.name) for each in fields(of)}


def _laid_out(value: object, depth: int = 0) -> str:
    """Return JSON with a line for each frame, result and setting.

    What is in them stands on one line: Python's own lines are written by Python, ten times slower than by C.

    Examples
    --------
    >>> print(_laid_out({"format": 2, "inputs": {}, "this_run": {"frames": [{"name": "a", "masked": [1, 2]}]}}))
    {
     "format": 2,
     "inputs": {},
     "this_run": {
      "frames": [
       {"name": "a", "masked": [1, 2]}
      ]
     }
    }
    """
    if depth == _LAID_OUT or not isinstance(value, dict | list | tuple) or not value:
        return json.dumps(value)
    if isinstance(value, dict):
        begin, end = "{}"
        parts = [f"{json.dumps(name)}: {_laid_out(each, depth + 1)}" for name, each in value.items()]
    else:
        begin, end = "[]"
        parts = [_laid_out(each, depth + 1) for each in value]
    blanks = "\n" + " " * depth
    return begin + ",".join(f"{blanks} {part}" for part in parts) + blanks + end


def _digests(said: Mapping[str, Any]) -> dict[str, str]:
    """Return the SHA-256 of each section, whatever the order and the blanks in it."""
    this_run = {name: value for name, value in said["this_run"].items() if name != "digests"}
    sections = {name: section for name, section in {**said, "this_run": this_run}.items() if name != "format"}
    texts = {name: json.dumps(section, sort_keys=True, separators=(",", ":")) for name, section in sections.items()}
    return {name: hashlib.sha256(text.encode("ascii")).hexdigest() for name, text in texts.items()}


def add_report(folder: Path, name: str) -> None:
    """Note in run.json what the report is that has just been written; it tells of this run, so it stands there.

    Parameters
    ----------
    folder : pathlib.Path
        Of the results.
    name : str
        Of the report in it.

    Raises
    ------
    FrameError
        When it cannot be read.
    OutputError
        When run.json cannot be written.
    """
    record = read_record(folder)
    if record is not None:
        crc32, size = file_crc32(folder / name)
        said = {"name": name, "crc32": crc32, "byte_count": size}
        write_record(folder, replace(record, this_run={**record.this_run, "report": said}))


def report_problem(folder: Path, record: RunRecord) -> str:
    """Return what is wrong with the report of a run; empty where nothing is, or it has written none."""
    if record.report is None:
        return ""
    name, *written = record.report
    path = folder / name
    try:
        found = file_crc32(path)
    except FrameError as error:
        return f"{path}: {error.reason}; run again"
    return "" if list(found) == written else f"{path}: has been altered; run again"


def read_record(folder: Path) -> RunRecord | None:
    """Read run.json.

    Parameters
    ----------
    folder : pathlib.Path
        Of the results.

    Returns
    -------
    RunRecord or None
        None where there is none.

    Raises
    ------
    DamagedError
        When there is one that cannot be used; it names the place in it, what stands there, and what is expected.
    """
    path = folder / RECORD_NAME
    try:
        require_file(path)
        said = json.loads(read_small_file(path, RECORD_BYTES))
        require_form(said)
    except FileNotFoundError:
        return None
    except MisformedError as error:
        raise DamagedError(path, f"cannot be used: {error}", _RUN_AGAIN) from error
    except RecursionError as error:
        raise DamagedError(path, "cannot be used: it is nested too deeply", _RUN_AGAIN) from error
    except ValueError as error:  # what is no JSON, or no UTF-8
        raise DamagedError(path, f"cannot be used: it is no JSON ({error})", _RUN_AGAIN) from error
    except OSError as error:
        raise DamagedError(path, f"cannot be used ({error.strerror})", "make it a file that may be read") from error
    return _record_of(said)


def known_record(folder: Path) -> RunRecord:
    """Return what is known of earlier runs: what run.json says, or nothing.

    Warns
    -----
    ZeroframeWarning
        When there is one that cannot be used.
    """
    try:
        return read_record(folder) or RunRecord()
    except DamagedError as error:
        what = f"{error.path}: {error.reason}; results are judged by their headers alone, and this run writes it anew"
        warnings.warn(what, ZeroframeWarning, stacklevel=2)
        return RunRecord()


def _record_of(said: dict[str, Any]) -> RunRecord:
    """Build a record of what has its form."""
    stamps = said["this_run"]["stamps"]
    inputs = {name: FileMark(mark["sha256"], mark["byte_count"], stamps[name]) for name, mark in said["inputs"].items()}
    written = said["this_run"].get("stamps_of_results", {})
    outputs, earlier = (
        {name: _output_of(each, written.get(name, "")) for name, each in said[word].items()}
        for word in ("outputs", "earlier")
    )
    found, known = _digests(said), said["this_run"]["digests"]
    altered = tuple(name for name in {**found, **known} if found.get(name) != known.get(name))
    return RunRecord(
        said["state"], said["versions"], said["recipe"], said["choices"], inputs, outputs, earlier, said["this_run"],
        altered,
    )  # fmt: skip


def _output_of(said: dict[str, Any], stamp: str) -> OutputMark:
    whole = said["key"], said["crc32"], said["byte_count"]
    return OutputMark(*whole, tuple(said["sources"]), said["source_sha256"], stamp)


def begun_names(out: Path, before: RunRecord, targets: set[str], known: set[str], state: str) -> list[str]:
    """Return the names of results that are ours, though no mark of them stands in run.json.

    A run that is killed leaves such, and one in which a frame failed whose earlier result is still there.

    Parameters
    ----------
    out : pathlib.Path
        The folder of results.
    before : RunRecord
        Of earlier runs.
    targets : set of str
        What this run makes.
    known : set of str
        Those of which marks stand in run.json.
    state : {'finished', 'unfinished'}
        When the run begins, all that it is going to make count.
    """
    ours = (before.begun | before.outputs.keys() | before.earlier.keys() | targets) - known
    begins = targets if state == "unfinished" else set[str]()
    return sorted(name for name in ours if name in begins or is_there(out / name))
