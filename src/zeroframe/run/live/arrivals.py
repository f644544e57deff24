"""Which files of a folder are whole, while others are still being written there."""

from __future__ import annotations

import logging
import math
import time
from importlib.util import find_spec
from typing import TYPE_CHECKING

from zeroframe.fits.fingerprint import FileState, state_of
from zeroframe.headers.trees import tree_files
from zeroframe.records import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from threading import Event

__all__ = ["Arrivals", "Changes", "wakes"]

_LOG = logging.getLogger(__name__)
#: A file at rest for so long has probably been written to its end; its content has the last word.
REST_S = 0.4
#: How often the folder is looked at where nobody tells that it has changed, as on a server.
POLL_S = 0.2
#: A file that is at rest and not whole is tried again after so long, and given up after the second.
_AGAIN_S, _PATIENCE_S = 2.0, 20.0


def wakes(folder: Path, stop: Event, *, events: bool = True) -> Iterator[None]:
    """Yield whenever it is time to look at a folder: when the system tells of a change, and every 0.2 s anyway.

    Parameters
    ----------
    folder : pathlib.Path
        The folder, with those within.
    stop : threading.Event
        Ends it.
    events : bool
        Whether the system is asked to tell (by ``watchfiles``, where that is installed). Folders of another machine
        tell nothing, and are looked at all the same.
    """
    if events and find_spec("watchfiles") is not None:
        from watchfiles import watch

        asked = {"debounce": 50, "step": 20, "rust_timeout": int(1000 * POLL_S)}
        try:
            for _ in watch(folder, stop_event=stop, yield_on_timeout=True, raise_interrupt=False, **asked):
                yield
        except (OSError, RuntimeError) as error:  # it watches no more folders than so many, or the folder has just gone
            _LOG.warning(
                "%s: the system does not tell of changes (%s); the folder is looked at all the same", folder, error
            )
    while not stop.wait(POLL_S):
        yield


@dataclass(slots=True)
class _Known:
    """A file as it was when it was looked at last."""

    state: FileState
    since_s: float
    told: bool = False
    tried_s: float = -math.inf


@dataclass(frozen=True, slots=True)
class Changes:
    """What has become of a folder since it was looked at before.

    Attributes
    ----------
    rested : tuple of path
        Files that are at rest now and were not told before, or are others than they were.
    gone : tuple of path
        Files that were told and are not there any more, or are being written again.
    """

    rested: tuple[Path, ...]
    gone: tuple[Path, ...]


class Arrivals:
    """Looks at a folder again and again, and tells of each file once it is at rest.

    Parameters
    ----------
    folder : pathlib.Path
        The folder.
    output : pathlib.Path
        Where results go.
    recurse : bool
        Whether folders within are looked at, too.
    rest_s : float
        How long size and times of a file stay the same before it is told.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> with tempfile.TemporaryDirectory() as name:
    ...     raw = Path(name, "raw")
    ...     raw.mkdir()
    ...     arrivals = Arrivals(raw, Path(name, "out"))
    ...     _ = (raw / "a.fits").write_bytes(b"half")
    ...     first, second = arrivals.look(now_s=1.0), arrivals.look(now_s=2.0)
    >>> [[path.name for path in each.rested] for each in (first, second)]
    [[], ['a.fits']]
    """

    def __init__(self, folder: Path, output: Path, *, recurse: bool = True, rest_s: float = REST_S) -> None:
        self._folder, self._output, self._recurse, self._rest_s = folder, output, recurse, rest_s
        self._known: dict[Path, _Known] = {}

    def look(self, now_s: float | None = None) -> Changes:
        """Look at the folder.

        Parameters
        ----------
        now_s : float, optional
            By a clock that never goes back; by default now.

        Returns
        -------
        Changes

        Raises
        ------
        NoFramesError
            When the folder cannot be read.
        RawFolderError
            When the results lie in it.
        """
        now = time.monotonic() if now_s is None else now_s
        there = {path: state for path in self._files() if (state := state_of(path)) is not None}
        gone = [path for path, known in self._known.items() if known.told and there.get(path) != known.state]
        rested = []
        for path, state in there.items():
            known = self._known.get(path)
            if known is None or known.state != state:
                self._known[path] = _Known(state, now)
            elif not known.told and now - known.since_s >= self._rest_s and now - known.tried_s >= _AGAIN_S:
                known.told = True
                rested.append(path)
        for path in [path for path in self._known if path not in there]:
            del self._known[path]
        return Changes(tuple(rested), tuple(gone))

    def _files(self) -> list[Path]:
        return list(tree_files(self._folder, recurse=self._recurse, output=self._output))

    def not_yet(self, path: Path, now_s: float | None = None) -> bool:
        """Take back that a file is at rest: its content says that it is not whole. It is told again in a while.

        Returns
        -------
        bool
            False where it has been like that for so long that it will stay so.
        """
        now = time.monotonic() if now_s is None else now_s
        known = self._known.get(path)
        if known is None:
            return True
        if now - known.since_s > _PATIENCE_S:
            return False
        known.told, known.tried_s = False, now
        return True
