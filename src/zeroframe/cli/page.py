"""The page that a run leaves behind, for every command that writes one."""

from __future__ import annotations

import shlex
import sys
from typing import TYPE_CHECKING

from zeroframe.cli.console import say
from zeroframe.errors import ZeroframeError
from zeroframe.fits.failures import error_sentence

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from zeroframe.cli.console import Screen

__all__ = ["REPORT_NAME", "can_write", "report_threads", "write_overview", "write_run_page"]

REPORT_NAME = "report.html"
#: Of many nights, in the folder that holds theirs.
OVERVIEW_NAME = "overview.html"
#: More readers than this would each hold a frame of a store whole.
_FAR_READERS = 4


def can_write() -> bool:
    """Say whether what is needed for it is installed."""
    from zeroframe.report import can_write_reports

    return can_write_reports()


def report_threads(workers: int | None, *folders: Path) -> int | None:
    """Return how many threads read for a page: each holds a frame of a store whole, and waits for it most of the time.

    Parameters
    ----------
    workers : int or None
        What was asked for.
    folders : pathlib.Path
        Where the frames are.
    """
    from zeroframe.fits.store.names import any_remote

    return min(workers or _FAR_READERS, _FAR_READERS) if any_remote(*folders) else workers


def write_run_page(out: Path, drawn: Callable[[str], bytes], screen: Screen) -> bool:
    """Write OUT/report.html and say so; a file of that name that is no report of ours is kept.

    Parameters
    ----------
    out : pathlib.Path
        The folder of results.
    drawn : callable
        Called with the command line; returns the page.
    screen : Screen
        Where it is said.

    Returns
    -------
    bool
        False where it should be there and cannot.
    """
    from zeroframe.report import replaceable_report, write_drawn
    from zeroframe.run.record import add_report

    target = out / REPORT_NAME
    if not can_write():
        say("note: no report.html, which needs jinja2; install it: pip install 'zeroframe[report]', or say --no-report")
        return True
    try:
        replaces = replaceable_report(target)
        write_drawn(target, drawn(shlex.join(["zeroframe", *sys.argv[1:]])), overwrite=replaces)
        add_report(out, target.name)
    except Exception as error:  # noqa: BLE001 -- the results are there whatever becomes of the page
        say(f"no report: {error if isinstance(error, ZeroframeError) else error_sentence(error, target)}")
        return False
    screen.line(str(target), "report", "cyan")
    return True


def write_overview(out: Path, nights: Sequence[str], screen: Screen) -> None:
    """Write OUT/overview.html, of nights that have been carried out, and say so.

    Parameters
    ----------
    out : pathlib.Path
        Holds a folder for each night.
    nights : sequence of str
        Names of these.
    screen : Screen
        Where it is said.
    """
    from zeroframe.report import replaceable_report, write_report
    from zeroframe.report.nights import nights_report_data

    if not can_write():
        return  # what is needed has been said for each night
    target = out / OVERVIEW_NAME
    data = nights_report_data(out, nights, command=shlex.join(["zeroframe", *sys.argv[1:]]))
    try:
        write_report(target, data, overwrite=replaceable_report(target))
    except ZeroframeError as error:
        say(f"no overview: {error}")
        return
    screen.line(str(target), "overview", "cyan")
