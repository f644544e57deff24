"""Tasks that need one another, on threads: each begins as soon as what it needs is done."""

from __future__ import annotations

from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from graphlib import TopologicalSorter
from heapq import heappop, heappush
from typing import TYPE_CHECKING

from zeroframe.records import dataclass

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Sequence

__all__ = ["Task", "run_tasks", "urgent_first"]


@dataclass(frozen=True, slots=True)
class Task:
    """One piece of work.

    Attributes
    ----------
    name : hashable
        What others call it.
    needs : frozenset
        Names of the tasks that must be done before.
    do : callable
        Called with how many tasks run or could run at that moment, itself counted: a task that is alone may use all
        cores. It keeps what it finds to itself, and what it raises stops everything.
    cost : float
        How long it takes, in any unit; a rough guess will do.
    """

    name: Hashable
    needs: frozenset[Hashable]
    do: Callable[[int], object]
    cost: float = 1.0


def urgent_first(tasks: Sequence[Task]) -> list[Task]:
    """Order tasks by how much has to follow them, so that no core waits for a long chain of tasks at the end.

    Parameters
    ----------
    tasks : sequence of Task
        Those that are equally urgent keep their order.

    Returns
    -------
    list of Task
        First those that begin the most costly chain of tasks of which each needs the one before: the critical path
        (Hu 1961, Operations Research 9, 841).

    Raises
    ------
    ValueError
        When tasks wait for each other.

    Examples
    --------
    >>> chain = {"dark 300 s": (), "dark 7 s": (), "flat": ("dark 7 s",), "science": ("dark 300 s", "flat")}
    >>> tasks = [Task(name, frozenset(needs), print) for name, needs in chain.items()]
    >>> [task.name for task in urgent_first(tasks)]
    ['dark 7 s', 'dark 300 s', 'flat', 'science']
    """
    known = {task.name: task for task in tasks}
    chain = {task.name: task.cost for task in tasks}  # from its begin to the end of what follows
    order = TopologicalSorter({task.name: task.needs & known.keys() for task in tasks}).static_order()
    for name in reversed(list(order)):
        for need in known[name].needs & known.keys():
            chain[need] = max(chain[need], known[need].cost + chain[name])
    return sorted(tasks, key=lambda task: -chain[task.name])


def run_tasks(tasks: Sequence[Task], threads: int, give_up: Callable[[], object] | None = None) -> None:
    """Carry out tasks; of those that can begin, the first does.

    Parameters
    ----------
    tasks : sequence of Task
        The most urgent first.
    threads : int
        How many are carried out at once.
    give_up : callable, optional
        Called when an error or the person ends it early, before those that run are waited for.

    Raises
    ------
    ValueError
        When tasks wait for each other, or for one that is not there; those that do not have been carried out then.
    Exception
        The first error of a task. Those that run then are waited for, and no other begins.

    Examples
    --------
    >>> done = []
    >>> tasks = [Task(name, frozenset(needs), lambda busy, name=name: done.append(name)) for name, needs in
    ...          (("stack", ("a", "b")), ("a", ()), ("b", ("a",)))]
    >>> run_tasks(tasks, 2)
    >>> done
    ['a', 'b', 'stack']
    """
    with ThreadPoolExecutor(max(threads, 1)) as pool:
        try:
            _run_all(tasks, threads, pool)
        except BaseException:
            if give_up is not None:
                give_up()
            raise


def _run_all(tasks: Sequence[Task], threads: int, pool: ThreadPoolExecutor) -> None:
    queue = _Queue(tasks)
    running: dict[Future[object], Hashable] = {}
    while queue.waiting or queue.ready or running:
        busy = len(running) + len(queue.ready)
        for _ in range(min(threads - len(running), len(queue.ready))):
            task = queue.take()
            running[pool.submit(task.do, busy)] = task.name
        if not running:
            raise ValueError(f"these wait for what is never done: {queue.names()}")
        for future in wait(running, return_when=FIRST_COMPLETED).done:
            queue.done(running.pop(future))
            future.result()


class _Queue:
    """Tasks that have not begun; of many thousands, only those are looked at that a task which is done lets begin."""

    def __init__(self, tasks: Sequence[Task]) -> None:
        self._tasks = tasks
        self._followers: dict[Hashable, list[int]] = {}
        self.waiting: dict[int, set[Hashable]] = {}
        self.ready: list[int] = []  # a heap of places: the most urgent first
        for place, task in enumerate(tasks):
            if task.needs:
                self.waiting[place] = set(task.needs)
                for need in task.needs:
                    self._followers.setdefault(need, []).append(place)
            else:
                self.ready.append(place)

    def take(self) -> Task:
        """Return the most urgent task that can begin."""
        return self._tasks[heappop(self.ready)]

    def done(self, name: Hashable) -> None:
        """Note that a task is done, and who need not wait for it any more."""
        for place in self._followers.pop(name, []):
            left = self.waiting[place]
            left.discard(name)
            if not left:
                del self.waiting[place]
                heappush(self.ready, place)

    def names(self) -> list[Hashable]:
        """Return the names of those that wait."""
        return [self._tasks[place].name for place in sorted(self.waiting)]
