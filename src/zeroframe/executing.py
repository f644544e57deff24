"""Jobs that are carried out elsewhere, by any `concurrent.futures.Executor`: other processes, or a cluster.

What is known of the executor is what the standard library says of it. Jobs are functions of a module, so that another
process finds them by name, and their arguments and results are plain data that can be pickled.
"""

from __future__ import annotations

from concurrent.futures import CancelledError
from itertools import islice
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, TypeVar

from zeroframe.errors import ClusterError, JobLostError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from concurrent.futures import Executor, Future

__all__ = ["map_jobs"]

T = TypeVar("T")
R = TypeVar("R")

#: So many jobs are with the executor at once: enough for hundreds of workers, and what is planned for a million frames
#: does not have to be in the memory of a scheduler, which takes a few kilobytes a job.
_MOST_WAITING = 1000


def map_jobs(
    executor: Executor,
    function: Callable[[T], R],
    items: Iterable[T],
    *,
    rescue: Callable[[T, JobLostError], R] | None = None,
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
    rescue : callable, optional
        Called as ``rescue(item, error)`` where a job is lost together with those who worked on it; its result stands
        for that of the job. Without it that ends the whole.
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
            results[number] = _result(future, work[number], rescue)
            if progress is not None:
                progress(done / len(work))
    finally:  # also when the person interrupts
        for future in waiting:
            future.cancel()
    return results


def _result(future: Future[R], item: T, rescue: Callable[[T, JobLostError], R] | None) -> R:
    try:
        return future.result()
    except JobLostError as error:
        if rescue is None:
            raise
        return rescue(item, error)
    except CancelledError as error:
        reason = "jobs were given up by what carries them out; run again: what is done is kept"
        raise ClusterError(reason) from error
