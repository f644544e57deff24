"""Tasks that need one another, on threads: each begins as soon as what it needs is done."""

from __future__ import annotations

from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Sequence

__all__ = ["Task", "run_tasks"]


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
    """

    name: Hashable
    needs: frozenset[Hashable]
    do: Callable[[int], object]


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
            _run_all(list(tasks), threads, pool)
        except BaseException:
            if give_up is not None:
                give_up()
            raise


def _run_all(waiting: list[Task], threads: int, pool: ThreadPoolExecutor) -> None:
    done = set[object]()
    running: dict[Future[object], object] = {}
    while waiting or running:
        ready = [task for task in waiting if task.needs <= done]
        busy = len(running) + len(ready)
        for task in ready[: threads - len(running)]:
            waiting.remove(task)
            running[pool.submit(task.do, busy)] = task.name
        if not running:
            raise ValueError(f"these wait for what is never done: {[task.name for task in waiting]}")
        for future in wait(running, return_when=FIRST_COMPLETED).done:
            done.add(running.pop(future))
            future.result()
