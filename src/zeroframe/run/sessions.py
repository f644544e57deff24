"""What runs have in common at their begin and end: the folder of results, the report that is kept, times as text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from zeroframe.errors import OutputError
from zeroframe.fits.folders import make_folders
from zeroframe.fits.store.names import is_there
from zeroframe.run.record import RunRecord, report_problem

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

__all__ = ["begun_names", "iso_time", "kept_report", "make_folder", "report_is_up_to_date"]


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


class _Statuses(Protocol):
    """Results that have been looked at, and what run.json said of them."""

    @property
    def record(self) -> RunRecord:
        """Of earlier runs."""

    @property
    def nothing_to_do(self) -> bool:
        """Whether every result is there already and up to date."""


def report_is_up_to_date(out: Path, statuses: _Statuses) -> bool:
    """Say whether the report that is there was written of these results, and is what it was."""
    record = statuses.record
    return statuses.nothing_to_do and record.report is not None and not report_problem(out, record)


def kept_report(out: Path, statuses: _Statuses) -> dict[str, Any]:
    """Return what is known of a report that tells of these results, too, unless the person has taken it away."""
    before = statuses.record
    if before.report is None or not statuses.nothing_to_do:
        return {}
    return {"report": before.this_run["report"]} if is_there(out / before.report[0]) else {}


def make_folder(folder: Path) -> None:
    """Make a folder for results where there is none; raises `OutputError` when that cannot be."""
    try:
        make_folders(folder)
    except OSError as error:
        raise OutputError(folder, f"cannot be made ({error.strerror})", "choose another folder with -o") from error


def iso_time(moment: datetime) -> str:
    """Return a time as run.json says it."""
    return moment.isoformat(timespec="milliseconds")
