"""How many threads work, and within how much memory: the one place that starts threads.

Kernels, decompression and file access release the interpreter's lock, so plain threads use all cores.
"""

from __future__ import annotations

import os
import re
import warnings
from concurrent.futures import FIRST_EXCEPTION, CancelledError, ThreadPoolExecutor, wait
from itertools import islice
from pathlib import Path
from queue import SimpleQueue
from threading import Lock
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar, cast

from zeroframe.errors import ClusterError, UsageError, ZeroframeError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from concurrent.futures import Executor, Future

__all__ = [
    "AS_USUAL",
    "JobResources",
    "available_bytes",
    "batches_of",
    "default_limit_bytes",
    "done_by",
    "map_jobs",
    "map_threads",
    "parse_size",
    "usable_cores",
    "worker_count",
]

T = TypeVar("T")
R = TypeVar("R")
_ONE_AT_A_TIME = Lock()
_UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12, "KI": 2**10, "MI": 2**20, "GI": 2**30, "TI": 2**40}
_SIZE = re.compile(r"\s*(\d+\.?\d*(?:E\+?\d+)?|\.\d+)\s*([KMGT]?I?)B?\s*")
_ENDLESS = 2**62
_SMALL_COMPUTER = 4 * 2**30  # bytes that are built in, where the system does not say how many
_CONTROL_GROUPS = Path("/sys/fs/cgroup")


class JobResources(NamedTuple):
    """What a job may use, and where it is done.

    Attributes
    ----------
    mem_limit_bytes : int or None
        By default half of the memory that is available.
    workers : int or None
        How many threads; by default as many as there are cores.
    executor : concurrent.futures.Executor or None
        Whose processes read headers and pixels, instead of threads here; they see files under the same names.
    """

    mem_limit_bytes: int | None = None
    workers: int | None = None
    executor: Executor | None = None


#: Half of the memory, and a thread for each core.
AS_USUAL = JobResources()


def usable_cores() -> int:
    """Return how many cores this process may use.

    Examples
    --------
    >>> usable_cores() >= 1
    True
    """
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def worker_count(workers: int | None) -> int:
    """Return how many threads are meant: as many as there are cores where None is given.

    Raises
    ------
    UsageError
        When it is less than 1.

    Examples
    --------
    >>> worker_count(3)
    3
    """
    if workers is not None and workers < 1:
        raise UsageError(f"workers is {workers!r}; it must be 1 or more")
    return usable_cores() if workers is None else workers


def map_threads(function: Callable[[T], R], items: Iterable[T], workers: int | None = None) -> list[R]:
    """Apply a function to every item, on threads; results come in the order of the items.

    Parameters
    ----------
    function : callable
        Called once an item.
    items : iterable
        Read to its end before the first call.
    workers : int, optional
        How many threads; by default as many as there are cores.

    Returns
    -------
    list
        What the function returned.

    Raises
    ------
    UsageError
        When ``workers`` is less than 1.
    Exception
        The first error of an item, in the order of the items; those that have not started by then are not run.

    Examples
    --------
    >>> map_threads(abs, [-1, 2, -3], workers=2)
    [1, 2, 3]
    """
    work = list(items)
    count = min(worker_count(workers), len(work))
    if count <= 1:
        return [function(item) for item in work]
    with ThreadPoolExecutor(count) as pool:
        futures = [pool.submit(function, item) for item in work]
        try:
            wait(futures, return_when=FIRST_EXCEPTION)
        finally:  # also when the person interrupts: what has not started does not start any more
            for future in futures:
                future.cancel()
        wait(futures)
        for future in futures:
            if not future.cancelled() and (error := future.exception()) is not None:
                raise error
        return [future.result() for future in futures]


#: So many jobs are with the executor at once: enough for hundreds of workers, and what is planned for a million frames
#: does not have to be in the memory of a scheduler, which takes a few kilobytes a job.
_MOST_WAITING = 1000


def map_jobs(
    executor: Executor,
    function: Callable[[T], R],
    items: Iterable[T],
    *,
    progress: Callable[[float], None] | None = None,
    most_waiting: int = _MOST_WAITING,
) -> list[R]:
    """Apply a function to every item on an executor; results come in the order of the items.

    Parameters
    ----------
    executor : concurrent.futures.Executor
        It may take jobs in any order, and anywhere.
    function : callable
        Of a module, called once an item; again where the executor repeats what was lost.
    items : iterable
        Read to its end before the first call.
    progress : callable, optional
        Called with the fraction done so far, from this thread.
    most_waiting : int
        How many jobs are handed over at once.

    Returns
    -------
    list
        What the function returned.

    Raises
    ------
    ClusterError
        When the executor gives up jobs that nobody has cancelled.
    Exception
        The first error that a job ends with; those that have not started by then are cancelled.

    Examples
    --------
    >>> from concurrent.futures import ThreadPoolExecutor
    >>> with ThreadPoolExecutor(2) as pool:
    ...     map_jobs(pool, abs, [-1, 2, -3])
    [1, 2, 3]
    """
    work = list(items)
    results: list[Any] = [None] * len(work)
    unsent = iter(range(len(work)))
    waiting: dict[Future[R], int] = {}
    # a queue and not `as_completed`, which looks at all that wait each time
    ended: SimpleQueue[Future[R]] = SimpleQueue()
    try:
        for done in range(1, len(work) + 1):
            for number in islice(unsent, max(most_waiting - len(waiting), 0)):
                future = executor.submit(function, work[number])
                waiting[future] = number
                future.add_done_callback(ended.put)
            future = ended.get()
            number = waiting.pop(future)
            results[number] = _result(future)
            if progress is not None:
                progress(done / len(work))
    finally:  # also when the person interrupts
        for future in waiting:
            future.cancel()
    return results


def _result(future: Future[R]) -> R:
    try:
        return future.result()
    except CancelledError as error:
        reason = "jobs were given up by what carries them out; run again: what is done is kept"
        raise ClusterError(reason) from error


def batches_of(items: Sequence[T], size: int) -> list[Sequence[T]]:
    """Return parts of a sequence, one after the other.

    Examples
    --------
    >>> batches_of("abcde", 2)
    ['ab', 'cd', 'e']
    """
    return [items[start : start + size] for start in range(0, len(items), size)]


def done_by(executor: Executor | None, function: Callable[..., R], *arguments: Any) -> R:  # noqa: ANN401 -- of any function
    """Call a function on a process of an executor, and say here what it warns of there; without one, call it here.

    Parameters
    ----------
    executor : concurrent.futures.Executor or None
        Where it is called.
    function : callable
        Of a module.
    *arguments
        What it is called with, which can be pickled.

    Returns
    -------
    object
        What it returned.

    Raises
    ------
    ClusterError
        When the executor gives it up and nobody has cancelled it.
    Exception
        What the function raises.

    Examples
    --------
    >>> from concurrent.futures import ThreadPoolExecutor
    >>> with ThreadPoolExecutor(1) as pool:
    ...     done_by(pool, divmod, 7, 2), done_by(None, divmod, 7, 2)
    ((3, 1), (3, 1))
    """
    if executor is None:
        return function(*arguments)
    answer = _result(executor.submit(_overheard, function, arguments))
    for warning in answer.said:
        warnings.warn(warning, stacklevel=2)
    if answer.error is not None:
        raise answer.error
    return cast("R", answer.result)


class _Answer(NamedTuple):
    """What a function returned, or raised of what was foreseen: an executor need not try that again."""

    result: Any
    error: ZeroframeError | None
    said: list[Warning]


def _overheard(function: Callable[..., Any], arguments: tuple[Any, ...]) -> _Answer:
    """Call a function and note what it warns of: one at a time, as warnings are the whole process's."""
    with _ONE_AT_A_TIME, warnings.catch_warnings(record=True) as noted:
        warnings.simplefilter("always")
        try:
            result, error = function(*arguments), None
        except ZeroframeError as raised:
            result, error = None, raised
    return _Answer(result, error, [each.message for each in noted if isinstance(each.message, Warning)])


def parse_size(text: str | float) -> int:
    """Return the number of bytes that a text such as ``'2G'``, ``'500 MB'`` or ``'1.5GiB'`` means.

    Parameters
    ----------
    text : str, int or float
        A number of bytes, or a number with a unit; ``k``, ``M``, ``G`` are powers of 1000, ``Ki`` … of 1024.

    Returns
    -------
    int
        Bytes, at least 1.

    Raises
    ------
    UsageError
        When it is not a positive size.

    Examples
    --------
    >>> parse_size("2G"), parse_size("256 MiB"), parse_size(16e9)
    (2000000000, 268435456, 16000000000)
    """
    if isinstance(text, str):
        match = _SIZE.fullmatch(text.upper())
        number = float(match[1]) * _UNITS.get(match[2], 0) if match else 0.0
    else:
        number = float(text)
    if not 1 <= number < 2**60:
        raise UsageError(f"{text!r} is not a size in memory; write for example '2G', '500M' or '1.5GiB'")
    return int(number)


def available_bytes() -> int:
    """Return how much memory can be used without pushing others out, in bytes.

    On Linux MemAvailable, or what the control groups of this process still allow where that is less; elsewhere half
    of what is built in.
    """
    try:
        found = re.search(r"MemAvailable:\s+(\d+) kB", Path("/proc/meminfo").read_text())
    except OSError:
        found = None
    if found is None:
        return _built_in_bytes() // 2
    return min(int(found[1]) * 1024, *map(_group_bytes, _own_groups()))


def _built_in_bytes() -> int:
    if hasattr(os, "sysconf"):  # macOS
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    import ctypes

    number_of_kb = ctypes.c_ulonglong()
    library = getattr(ctypes, "windll", None)
    if library is None or not library.kernel32.GetPhysicallyInstalledSystemMemory(ctypes.byref(number_of_kb)):
        return _SMALL_COMPUTER
    return number_of_kb.value * 1024


def _own_groups() -> list[Path]:
    """Return the folders of the control group (version 2) of this process and of those that hold it."""
    try:
        found = re.search(r"^0::/(.*)$", Path("/proc/self/cgroup").read_text(), re.MULTILINE)
    except OSError:
        found = None
    folder = _CONTROL_GROUPS / (found[1] if found else "")
    return [folder, *(parent for parent in folder.parents if parent.is_relative_to(_CONTROL_GROUPS))]


def _group_bytes(folder: Path) -> int:
    """Return what one control group still allows; practically endless where it sets no limit."""
    try:
        limit = (folder / "memory.max").read_text().strip()
        used = (folder / "memory.current").read_text().strip()
        # cached files count as used, but give way
        cached = re.search(r"^inactive_file (\d+)$", (folder / "memory.stat").read_text(), re.MULTILINE)
    except OSError:
        return _ENDLESS
    if not (limit.isdigit() and used.isdigit()):
        return _ENDLESS
    return max(int(limit) - int(used) + (int(cached[1]) if cached else 0), 1)


def default_limit_bytes() -> int:
    """Return the limit where none is given: half of what is available, so that the person can go on working."""
    return available_bytes() // 2
