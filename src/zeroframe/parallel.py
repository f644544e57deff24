"""Threads: the one place that starts them.

Kernels, decompression and file access release the interpreter's lock, so plain threads use all cores.
"""

from __future__ import annotations

import os
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from typing import TYPE_CHECKING, TypeVar

from zeroframe.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = ["map_threads", "usable_cores", "worker_count"]

T = TypeVar("T")
R = TypeVar("R")


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
