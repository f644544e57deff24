"""Dask's executor, with its errors in our words, and an end where the scheduler is gone.

Queue, placement, work stealing and retries are Dask's. Its executor cancels what it has when the connection to the
scheduler breaks, but a result that is being fetched at that moment never comes (distributed 2026.8); so a thread looks
every half a second whether the client still is connected.
"""

from __future__ import annotations

from concurrent.futures import CancelledError, Executor, Future, InvalidStateError
from concurrent.futures import wait as wait_for
from contextlib import suppress
from functools import partial
from threading import Event, Lock, Thread
from typing import TYPE_CHECKING, Any, TypeVar

from zeroframe.errors import ClusterError, JobLostError
from zeroframe.run.keys import versions

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import TracebackType
    from typing import Self

    from distributed import Client

__all__ = ["ClusterExecutor", "different_versions"]

R = TypeVar("R")

_LOOK_S = 0.5
_ENDS_BY_ITSELF_S = 2.0


def different_versions(theirs: Mapping[str, str], ours: Mapping[str, str]) -> str:
    """Say in what versions differ, in a few words; empty where they do not.

    Examples
    --------
    >>> different_versions({"numpy": "2.1", "code": "a"}, {"numpy": "2.2", "code": "a"})
    'numpy 2.1 there and 2.2 here'
    """
    names = [name for name in {**ours, **theirs} if theirs.get(name) != ours.get(name)]
    if names == ["code"]:
        return "another state of the source code of zeroframe"
    parts = [f"{name} {theirs.get(name, 'missing')} there and {ours.get(name, 'missing')} here" for name in names]
    return ", ".join(part for part in parts if not part.startswith("code "))


def _checked(ours: Mapping[str, str], job: Callable[[], R]) -> R:
    """Carry out a job on a worker; one that has joined since the run began may be of another version."""
    differing = different_versions(versions(), ours)
    if differing:
        raise ClusterError(f"a worker has {differing}, so its results would have other bytes; give all the same")
    return job()


class ClusterExecutor(Executor):
    """Carries out jobs on the workers of a Dask cluster.

    Parameters
    ----------
    client : distributed.Client
        Connected.
    retries : int
        How often Dask repeats a job that ends with an error; where the worker died it does so anyway
        (``distributed.scheduler.allowed-failures``).

    Notes
    -----
    A job ends with `ClusterError` where the scheduler was lost, and with `JobLostError` where its workers died.
    """

    def __init__(self, client: Client, *, retries: int = 2) -> None:
        self._client = client
        self._address = client.scheduler.address
        self._executor = client.get_executor(pure=False, retries=retries)
        # What was handed out, and Dask's future of it. Dask keeps a result, and makes it anew when its worker dies, as
        # long as there is a reference to its future: when it is known there must be none, and no circle of them.
        self._pending: dict[Future[Any], Future[Any]] = {}
        self._lock = Lock()
        self._closing = Event()
        threads = client.nthreads()
        self._first_workers = frozenset(threads)
        #: How many jobs the workers carry out at once, as many as there are when the run begins.
        self.cores: int = sum(threads.values())
        self._watch = Thread(target=self._look, name="zeroframe-cluster", daemon=True)
        self._watch.start()

    def __str__(self) -> str:
        if self._is_lost():
            return f"Dask at {self._address}, lost"
        now = frozenset(self._client.nthreads())
        lost, new = len(self._first_workers - now), len(now - self._first_workers)
        changes = [f"{lost} lost since" if lost else "", f"{new} joined since" if new else ""]
        return ", ".join([f"Dask at {self._address}", f"{len(self._first_workers)} workers", *filter(None, changes)])

    @property
    def idle(self) -> int:
        """How many jobs more would begin at once, as far as is known here."""
        with self._lock:
            return max(self.cores - len(self._pending), 0)

    def submit(self, fn: Callable[..., R], /, *args: Any, **kwargs: Any) -> Future[R]:  # noqa: ANN401
        """Hand over a job; see `concurrent.futures.Executor.submit`.

        Parameters
        ----------
        fn : callable
            Of a module that workers can import.
        *args
            Its arguments, which can be pickled.
        **kwargs
            None.

        Returns
        -------
        concurrent.futures.Future

        Raises
        ------
        ClusterError
            When the scheduler is gone.
        """
        if kwargs:
            raise TypeError("jobs for a cluster take no keyword arguments, which Dask would take for its own")
        if self._is_lost():
            raise self._lost()
        outer: Future[R] = Future()
        # in one piece: Dask of 2024 looks into tuples and lists of arguments, and makes lists of named tuples there
        inner = self._executor.submit(_checked, dict(versions()), partial(fn, *args))
        with self._lock:
            self._pending[outer] = inner
        outer.add_done_callback(self._ended)
        inner.add_done_callback(lambda future: self._hand_over(future, outer))
        return outer

    def told_by_all(self, function: Callable[..., R], *arguments: Any) -> dict[str, R | BaseException]:  # noqa: ANN401 -- of any function
        """Call a function on every worker that there is now; return what each returned, or what went wrong there.

        Parameters
        ----------
        function : callable
            Of a module that workers can import.
        *arguments
            What it is called with.
        """
        return dict(self._client.run(function, *arguments, on_error="return"))

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:  # noqa: FBT001
        """Take no more jobs; see `concurrent.futures.Executor.shutdown`."""
        if cancel_futures:
            for future in self._unfinished():
                future.cancel()
        if wait:
            wait_for(self._unfinished())
        # its own wait may never end, where results that are known were lost with their worker
        self._executor.shutdown(wait=False)
        self._closing.set()
        self._watch.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.shutdown(cancel_futures=kind is not None)

    def _is_lost(self) -> bool:
        return str(self._client.status) != "running"

    def _lost(self) -> ClusterError:
        return ClusterError(
            f"the connection to the scheduler at {self._address} was lost; start the cluster and run again: "
            "what is done is kept"
        )

    def _unfinished(self) -> list[Future[Any]]:
        with self._lock:
            return list(self._pending)

    def _ended(self, outer: Future[Any]) -> None:
        with self._lock:
            inner = self._pending.pop(outer)
        if outer.cancelled():
            inner.cancel()

    def _hand_over(self, inner: Future[Any], outer: Future[Any]) -> None:
        from distributed import KilledWorker

        with suppress(InvalidStateError):  # it has been given up already
            if not outer.set_running_or_notify_cancel():
                return
            try:
                outer.set_result(inner.result())
            except CancelledError:
                outer.set_exception(self._lost())
            except KilledWorker as error:
                died = error.allowed_failures + 1
                words = f"{died} workers died while they worked on it, one after the other; look at what they wrote"
                outer.set_exception(JobLostError(words))
            except Exception as error:  # noqa: BLE001 -- whatever the job ended with
                outer.set_exception(error)

    def _look(self) -> None:
        """Until it is closed: give up what will never end."""
        while not self._closing.wait(_LOOK_S):
            if not self._is_lost():
                continue
            self._closing.wait(_ENDS_BY_ITSELF_S)
            for future in self._unfinished():
                with suppress(InvalidStateError):
                    future.set_exception(self._lost())
