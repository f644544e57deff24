"""Reaching a Dask cluster, or starting one on this machine, and looking whether it can do the work."""

from __future__ import annotations

import logging
import re
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from zeroframe.errors import ClusterError, UsageError, ZeroframeError
from zeroframe.fits.store.names import UrlPath
from zeroframe.run.dask.executor import ClusterExecutor, different_versions
from zeroframe.run.keys import versions

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from distributed import Client

__all__ = ["on_cluster", "require_seen"]

_LOCAL = re.compile(r"local:([1-9]\d{0,3})")
_SCHEDULER = re.compile(r"(tcp|tls|ws|wss|ucx)://\S+:\d+")
_HOW = "write tcp://scheduler:8786, or local:4 for four processes on this machine"


@contextmanager
def on_cluster(
    address: str, *, folders: tuple[Path, ...] = (), retries: int = 2, wait_s: float = 30.0
) -> Iterator[ClusterExecutor]:
    """Connect to a Dask cluster for the time of a block.

    Parameters
    ----------
    address : str
        Of the scheduler, as ``tcp://scheduler:8786``; or ``local:N`` for N processes of one thread on this machine,
        which end with the block.
    folders : tuple of pathlib.Path
        What every worker must see under the same absolute name.
    retries : int
        How often Dask repeats a job that ends with an error.
    wait_s : float
        How long to wait for the scheduler, and for its first worker.

    Yields
    ------
    ClusterExecutor

    Raises
    ------
    UsageError
        When the address is none.
    ClusterError
        When Dask is not installed, nobody answers, there is no worker, or a worker cannot do the work: it has another
        version of zeroframe or of what computes and compresses, or does not see a folder.

    Examples
    --------
    >>> with on_cluster("here"):
    ...     pass
    Traceback (most recent call last):
        ...
    zeroframe.errors.UsageError: 'here' is not the address of a cluster; write tcp://scheduler:8786, ...
    """
    local = _LOCAL.fullmatch(address)
    if local is None and _SCHEDULER.fullmatch(address) is None:
        raise UsageError(f"{address!r} is not the address of a cluster; {_HOW}")
    with _connected(address, None if local is None else int(local[1]), wait_s) as client:
        _require_worker(client, address, wait_s)
        with ClusterExecutor(client, retries=retries) as executor:
            require_seen(executor, *folders)
            yield executor


@contextmanager
def _connected(address: str, processes: int | None, wait_s: float) -> Iterator[Client]:
    try:
        from distributed import Client, LocalCluster
    except ImportError as error:
        raise ClusterError(f"a cluster needs Dask ({error}); install it: pip install 'zeroframe[cluster]'") from error
    if processes is not None:
        # no page to look at: its port may be taken
        quiet = {"dashboard": False, "dashboard_address": "127.0.0.1:0"}
        with (
            LocalCluster(
                n_workers=processes,
                threads_per_worker=1,
                dashboard_address=None,
                worker_dashboard_address=None,
                scheduler_kwargs=quiet,
                silence_logs=logging.ERROR,  # it warns of workers that end late, which are ours to end
            ) as started,
            Client(started, set_as_default=False) as client,
        ):
            yield client
        return
    try:
        client = Client(address, timeout=wait_s, set_as_default=False)
    except (OSError, ValueError) as error:
        raise ClusterError(
            f"no scheduler answers at {address} ({_first_line(error)}); start one with 'dask scheduler', or check the "
            "address"
        ) from error
    try:
        yield client
    finally:
        with suppress(OSError, TimeoutError):  # the scheduler may be gone
            client.close(timeout=5)


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


def _require_worker(client: Client, address: str, wait_s: float) -> None:
    try:
        client.wait_for_workers(1, timeout=wait_s)
    except (TimeoutError, OSError) as error:
        raise ClusterError(
            f"the scheduler at {address} has no workers; start some with 'dask worker {address}'"
        ) from error


def _seen(folders: tuple[Path, ...]) -> tuple[dict[str, str], list[str]]:
    """Return what a worker has, and which folders it does not see; called there."""
    return dict(versions()), [str(folder) for folder in folders if not _is_seen(folder)]


def _is_seen(folder: Path) -> bool:
    if not isinstance(folder, UrlPath):
        return folder.is_dir()
    try:
        folder.is_dir()  # of one that is empty nobody sees anything
    except ZeroframeError:
        return False
    return True


def require_seen(executor: ClusterExecutor, *folders: Path) -> None:
    """See to it that all workers can do the work, and see folders under the same absolute names.

    Parameters
    ----------
    executor : ClusterExecutor
        Connected.
    *folders : pathlib.Path
        Which there are.

    Raises
    ------
    ClusterError
        As `on_cluster` does.
    """
    found = executor.told_by_all(_seen, tuple(folder.absolute() for folder in folders))
    for worker, said in sorted(found.items()):
        if isinstance(said, BaseException):
            words = f"{type(said).__name__}: {_first_line(said)}" if isinstance(said, Exception) else repr(said)
            raise ClusterError(f"the worker at {worker} cannot be used ({words}); install zeroframe there, too")
        theirs, missing = said
        differing = different_versions(theirs, versions())
        if differing:
            raise ClusterError(
                f"the worker at {worker} has {differing}, so its results would have other bytes; give all the same"
            )
        if missing:
            raise ClusterError(
                f"the worker at {worker} does not see {missing[0]}; raw frames and results must be on a disk that all "
                "share, under the same name, or in a store that all may use"
            )
