"""What runs have in common at their begin and end: the folder of results, the report that is kept, times as text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from zeroframe.errors import OutputError
from zeroframe.io.urls import is_there
from zeroframe.record import RunRecord, report_problem

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

__all__ = ["iso_time", "kept_report", "make_folder", "report_is_right"]


class _Looked(Protocol):
    """Results that have been looked at, and what run.json said of them."""

    @property
    def record(self) -> RunRecord:
        """Of earlier runs."""

    @property
    def nothing_to_do(self) -> bool:
        """Whether every result is there already and right."""


def report_is_right(out: Path, standings: _Looked) -> bool:
    """Say whether the report that is there was written of these results, and is what it was."""
    record = standings.record
    return standings.nothing_to_do and record.report is not None and not report_problem(out, record)


def kept_report(out: Path, standings: _Looked) -> dict[str, Any]:
    """Return what is known of a report that tells of these results, too, unless the person has taken it away."""
    before = standings.record
    if before.report is None or not standings.nothing_to_do:
        return {}
    return {"report": before.this_run["report"]} if is_there(out / before.report[0]) else {}


def make_folder(folder: Path) -> None:
    """Make a folder for results where there is none; raises `OutputError` when that cannot be."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(folder, f"cannot be made ({error.strerror})", "choose another folder with -o") from error


def iso_time(moment: datetime) -> str:
    """Return a time as run.json says it."""
    return moment.isoformat(timespec="milliseconds")
