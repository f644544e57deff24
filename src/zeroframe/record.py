"""OUT/run.json: what was run, on what, how, and how each frame ended.

What stands under ``this_run`` differs from run to run (times, places, what was skipped because it was there already).
All else is the same for the same inputs, recipe and versions, and so are the bytes of the results.
"""

from __future__ import annotations

import json
import warnings
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

from zeroframe.errors import FrameError, ZeroframeWarning
from zeroframe.io.atomic import atomic_file, write_all
from zeroframe.io.marks import FileMark, file_crc32
from zeroframe.small_files import RECORD_BYTES, read_small_file

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["RECORD_NAME", "OutputMark", "RunRecord", "add_report", "read_record", "report_problem", "write_record"]

RECORD_NAME = "run.json"
_FORMAT = 1


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
        Of a file of a store: what changes there when the file changes; empty for one of a disk, which is read through.
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
    """

    state: Literal["finished", "unfinished"] = "unfinished"
    versions: Mapping[str, str] = field(default_factory=dict)
    recipe: Mapping[str, Any] = field(default_factory=dict)
    choices: list[dict[str, Any]] = field(default_factory=list)
    inputs: Mapping[str, FileMark] = field(default_factory=dict)
    outputs: Mapping[str, OutputMark] = field(default_factory=dict)
    earlier: Mapping[str, OutputMark] = field(default_factory=dict)
    this_run: Mapping[str, Any] = field(default_factory=dict)

    @property
    def failed(self) -> frozenset[str]:
        """Names of the raw frames that failed."""
        frames = self.this_run.get("frames", [])
        return frozenset(each["name"] for each in frames if each["state"] == "failed")

    @property
    def report(self) -> tuple[str, int, int] | None:
        """Name, CRC-32 and size of the report, where one was written."""
        said = self.this_run.get("report")
        return None if said is None else (str(said["name"]), int(said["crc32"]), int(said["byte_count"]))

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
    OutputError
        When it cannot be written.
    """
    said = asdict(record)
    stamps = {name: mark.pop("stamp") for name, mark in said["inputs"].items()}
    written = {
        name: stamp for of in ("outputs", "earlier") for name, mark in said[of].items() if (stamp := mark.pop("stamp"))
    }
    of_results = {"stamps_of_results": written} if written else {}
    before = {name: value for name, value in record.this_run.items() if name != "stamps_of_results"}
    said["this_run"] = {**before, "stamps": stamps, **of_results}
    # names may hold bytes that no encoding knows; JSON says them as escapes
    text = json.dumps({"format": _FORMAT, **said}, indent=1) + "\n"
    with atomic_file(folder / RECORD_NAME, overwrite=True) as descriptor:
        write_all(descriptor, [text.encode("ascii")])


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
        None where there is none, or none that can be used.

    Warns
    -----
    ZeroframeWarning
        When there is one that cannot be used.
    """
    path = folder / RECORD_NAME
    try:
        said = json.loads(read_small_file(path, RECORD_BYTES))
        return _record_of(said)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, LookupError, AttributeError, RecursionError) as error:
        what = f"{path}: cannot be used ({type(error).__name__}: {error}); results are judged by their headers alone"
        warnings.warn(what, ZeroframeWarning, stacklevel=2)
        return None


def _record_of(said: dict[str, Any]) -> RunRecord:
    if said["format"] != _FORMAT:
        raise ValueError(f"its format is {said['format']!r}, not {_FORMAT}")
    stamps = said["this_run"]["stamps"]
    inputs = {name: FileMark(mark["sha256"], mark["byte_count"], stamps[name]) for name, mark in said["inputs"].items()}
    written = dict(said["this_run"].get("stamps_of_results", {}))
    outputs, earlier = (
        {name: _output_of(each, str(written.get(name, ""))) for name, each in said[word].items()}
        for word in ("outputs", "earlier")
    )
    if said["state"] not in ("finished", "unfinished"):
        raise ValueError(f"its state is {said['state']!r}")
    record = RunRecord(
        said["state"], dict(said["versions"]), dict(said["recipe"]), list(said["choices"]),
        inputs, outputs, earlier, dict(said["this_run"]),
    )  # fmt: skip
    record.failed, record.report  # noqa: B018 -- raise where what they are made of is not what it should be
    return record


def _output_of(said: dict[str, Any], stamp: str) -> OutputMark:
    texts = (str(said["key"]), int(said["crc32"]), int(said["byte_count"]))
    return OutputMark(*texts, tuple(map(str, said["sources"])), str(said["source_sha256"]), stamp)
