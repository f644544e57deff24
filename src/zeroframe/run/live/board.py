"""What is known of the frames of a night that is being taken, for those who show it."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import replace
from threading import Condition
from typing import TYPE_CHECKING

from zeroframe.records import dataclass

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from zeroframe.review import Finding

__all__ = ["Board", "FrameRow", "News"]


@dataclass(frozen=True)
class FrameRow:
    """One frame of the night.

    Attributes
    ----------
    name : str
        What the night calls it: the raw file, within the folder of raw frames.
    source : pathlib.Path
        The raw file, or the part of it that one detector is.
    target : pathlib.Path or None
        Its calibrated frame; None as long as there is none.
    kind, object_name, filter_name : str
        By its header; empty where that does not say.
    exposure_s : float or None
    arrived_s, seen_s : float
        When the file was last written to, and when it was first looked at, in seconds of the epoch.
    state : str
        ``'seen'``, then what became of it: ``'calibrated'``, ``'left out'``, ``'failed'``, ``'left alone'``.
    reason : str
        Why, where that is not plain.
    level, noise : float or None
        Of the background, and of a pixel; of the raw frame less its overscan until it is calibrated.
    unit : str
        Of both.
    saturated_fraction : float or None
    used : tuple of str
        What it was calibrated with.
    findings : tuple of Finding
        What is odd about it.
    pictured : bool
        Whether there is a picture of it.
    version : int
        Of the board, when this was written.
    """

    name: str
    source: Path
    target: Path | None = None
    kind: str = ""
    object_name: str = ""
    filter_name: str = ""
    exposure_s: float | None = None
    arrived_s: float = 0.0
    seen_s: float = 0.0
    state: str = "seen"
    reason: str = ""
    level: float | None = None
    noise: float | None = None
    unit: str = ""
    saturated_fraction: float | None = None
    used: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()
    pictured: bool = False
    version: int = 0


@dataclass(frozen=True)
class News:
    """What has changed on a board.

    Attributes
    ----------
    version : int
        To be asked with next time.
    rows : tuple of FrameRow
        Those that are new or other than they were.
    names : tuple of str
        Of all rows, in their order.
    status : str
        What is being done.
    findings : tuple of Finding
        On the night as a whole: those that name no single frame of it.
    """

    version: int
    rows: tuple[FrameRow, ...]
    names: tuple[str, ...]
    status: str
    findings: tuple[Finding, ...]


class Board:
    """Rows that are written by some threads and read by others.

    Examples
    --------
    >>> from pathlib import Path
    >>> board = Board()
    >>> board.put(FrameRow("a.fits", Path("a.fits")))
    >>> news = board.since(0)
    >>> [row.name for row in news.rows], board.since(news.version).rows
    (['a.fits'], ())
    """

    def __init__(self) -> None:
        self._rows: OrderedDict[str, FrameRow] = OrderedDict()
        self._version = 0
        self._status = "waiting for frames"
        self._findings: tuple[Finding, ...] = ()
        self._changed = Condition()

    def put(self, row: FrameRow) -> None:
        """Write a row; one of the same name is replaced in its place."""
        self.change(row.name, lambda _: row)

    def change(self, name: str, how: Callable[[FrameRow | None], FrameRow | None]) -> None:
        """Replace a row by what a function makes of it; None removes it."""
        with self._changed:
            row = how(self._rows.get(name))
            self._version += 1
            if row is None:
                self._rows.pop(name, None)
            else:
                self._rows[name] = replace(row, version=self._version)
            self._changed.notify_all()

    def say(self, status: str) -> None:
        """Tell what is being done."""
        with self._changed:
            if status != self._status:
                self._status = status
                self._version += 1
                self._changed.notify_all()

    def find(self, findings: tuple[Finding, ...]) -> None:
        """Tell what was found on the night as a whole."""
        with self._changed:
            if findings != self._findings:
                self._findings = findings
                self._version += 1
                self._changed.notify_all()

    def row(self, name: str) -> FrameRow | None:
        """Return a row."""
        with self._changed:
            return self._rows.get(name)

    def since(self, version: int, wait_s: float = 0.0) -> News:
        """Return what has changed since a version; waits so long for something to change."""
        with self._changed:
            self._changed.wait_for(lambda: self._version != version, wait_s)
            rows = tuple(row for row in self._rows.values() if row.version > version)
            return News(self._version, rows, tuple(self._rows), self._status, self._findings)
