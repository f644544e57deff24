"""What each thread does and when: a file in the Trace Event Format, which Perfetto and chrome://tracing open.

Where nothing is recorded, a span costs less than a microsecond.
"""

from __future__ import annotations

import json
import os
import threading
import time
from contextlib import contextmanager, nullcontext
from functools import wraps
from typing import TYPE_CHECKING, Any, TypeVar, cast

from zeroframe.errors import OutputExistsError, UsageError
from zeroframe.fits.atomic import atomic_file, write_all
from zeroframe.fits.replacing import Replaceable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

__all__ = ["recorded", "span", "spanned"]

F = TypeVar("F", bound="Callable[..., Any]")
_NOTHING = nullcontext()
#: What timelines of ours begin with.
_BEGIN = b'{"displayTimeUnit":"ms","otherData":{"program":"zeroframe"}'


class _Timeline:
    """Spans of threads of this process; times are nanoseconds since it began."""

    def __init__(self) -> None:
        self._began_ns = time.perf_counter_ns()
        self._lock = threading.Lock()
        self._rows = [threading.current_thread()]
        self._events: list[dict[str, object]] = []

    @contextmanager
    def span(self, what: str, about: object) -> Iterator[None]:
        began_ns, worked_ns = time.perf_counter_ns(), time.thread_time_ns()
        row = self._row()
        try:
            yield
        finally:
            lasted_ns = time.perf_counter_ns() - began_ns
            arguments: dict[str, object] = {"cpu_ms": (time.thread_time_ns() - worked_ns) / 1e6}
            if about is not None:
                arguments["of"] = str(about)
            self._events.append(
                {
                    "ph": "X",
                    "name": what,
                    "cat": "zeroframe",
                    "pid": os.getpid(),
                    "tid": row,
                    "ts": (began_ns - self._began_ns) / 1e3,
                    "dur": lasted_ns / 1e3,
                    "args": arguments,
                }
            )

    def _row(self) -> int:
        """Return the row of this thread: each combination starts threads of its own, which take those of ended ones."""
        this = threading.current_thread()
        with self._lock:
            if this in self._rows:
                return self._rows.index(this)
            ended = (row for row, thread in enumerate(self._rows) if not thread.is_alive())
            row = next(ended, len(self._rows))
            self._rows[row : row + 1] = [this]
            return row

    def as_json(self) -> bytes:
        """Return what was recorded as the file that viewers open."""
        about = {"ph": "M", "pid": os.getpid()}
        names = [
            {**about, "name": "thread_name", "tid": row, "args": {"name": f"thread {row}" if row else "first thread"}}
            for row in range(len(self._rows))
        ]
        process = {**about, "name": "process_name", "tid": 0, "args": {"name": "zeroframe"}}
        about_all = {"displayTimeUnit": "ms", "otherData": {"program": "zeroframe"}}
        told = {**about_all, "traceEvents": [process, *names, *self._events]}
        return json.dumps(told, separators=(",", ":")).encode()


#: What is recorded in this process; spans are looked for in a hundred places, which have nothing else in common.
_RECORDED: list[_Timeline] = []


@contextmanager
def recorded(path: Path | None, *, overwrite: bool = False) -> Iterator[None]:
    """Record what all threads of this process do until the block ends, however it ends, and write it into a file.

    Parameters
    ----------
    path : pathlib.Path or None
        The file; None: nothing is recorded.
    overwrite : bool
        Whether a timeline that is there may be replaced; no other file ever is.

    Raises
    ------
    OutputExistsError
        When there is a file that may not be replaced; nothing is done then.
    OutputError
        When it cannot be written.
    UsageError
        When something is recorded already.

    Examples
    --------
    >>> import json, tempfile
    >>> from pathlib import Path
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "trace.json")
    ...     with recorded(path), span("write", "flat.fits"):
    ...         pass
    ...     events = json.loads(path.read_bytes())["traceEvents"]
    >>> [event["name"] for event in events], events[-1]["ph"], events[-1]["args"]["of"]
    (['process_name', 'thread_name', 'write'], 'X', 'flat.fits')
    """
    if path is None:
        yield
        return
    if _RECORDED:
        raise UsageError(f"{path}: a timeline is being recorded in this process; end that first")
    replaces = (Replaceable.of(path) or False) if overwrite and _is_timeline(path) else False
    if path.exists() and not replaces:
        raise OutputExistsError(
            path, "is there already", "choose another file for the timeline; --overwrite replaces a timeline only"
        )
    timeline = _Timeline()
    _RECORDED.append(timeline)
    try:
        yield
    finally:
        _RECORDED.clear()
        with atomic_file(path, overwrite=replaces) as descriptor:
            write_all(descriptor, [timeline.as_json()])


def _is_timeline(path: Path) -> bool:
    """Whether a file is a timeline of ours."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(len(_BEGIN)) == _BEGIN


def span(what: str, about: object = None) -> AbstractContextManager[None]:
    """Record a block of this thread, if anything is recorded.

    Parameters
    ----------
    what : str
        What is done.
    about : object, optional
        With what: the path of a file, a name.

    Returns
    -------
    context manager

    Examples
    --------
    >>> with span("read", "flat.fits"):
    ...     pass
    """
    return _RECORDED[0].span(what, about) if _RECORDED else _NOTHING


def spanned(what: str, about: Callable[..., object] | None = None) -> Callable[[F], F]:
    """Record each call of a function as a span.

    Parameters
    ----------
    what : str
        What is done.
    about : callable, optional
        Says with what, of the arguments of the call.

    Examples
    --------
    >>> @spanned("measure", lambda level: level)
    ... def half(level):
    ...     return level / 2
    >>> half(3.0)
    1.5
    """

    def decorated(function: F) -> F:
        @wraps(function)
        def timed(*arguments: Any, **options: Any) -> Any:  # noqa: ANN401 -- those of the function
            if not _RECORDED:
                return function(*arguments, **options)
            with span(what, None if about is None else about(*arguments, **options)):
                return function(*arguments, **options)

        return cast("F", timed)

    return decorated
