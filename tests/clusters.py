"""What the tests on clusters share: real schedulers and workers on the loopback, and jobs that go wrong."""

from __future__ import annotations

import bz2
import json
import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from reliability import small_night
from zeroframe.run.cluster import calibrate_task

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from zeroframe.run.cluster import FrameTask
    from zeroframe.run.frame import Made

TESTS = Path(__file__).resolve().parent
#: Workers find zeroframe, and the jobs of this module.
PYTHONPATH = os.pathsep.join([str(TESTS.parent / "src"), str(TESTS)])
_WAIT_S = 300.0
#: An idle cluster looks at itself a hundred times a second, which takes a tenth of a core from the other tests.
AT_EASE = {
    "DASK_DISTRIBUTED__ADMIN__SYSTEM_MONITOR__INTERVAL": "10s",
    "DASK_DISTRIBUTED__ADMIN__TICK__INTERVAL": "1s",
    "DASK_DISTRIBUTED__WORKER__PROFILE__ENABLED": "False",
}


class GivingUp(ThreadPoolExecutor):
    """Cancels every job."""

    def submit(self, *_, **__):
        future = Future()
        future.cancel()
        future.set_running_or_notify_cancel()
        return future


def slow_night(folder: Path, frames: int) -> Path:
    """Write biases of 632 x 400 pixels that take so long to read that somebody can be killed meanwhile."""
    for path in sorted(small_night(folder, frames).iterdir()):
        path.with_name(path.name + ".bz2").write_bytes(bz2.compress(path.read_bytes()))
        path.unlink()
    return folder


#: What a worker does that can be held up: while a file is there, it gives no name to any but its first result.
_HELD_UP = """
import os, sys, time
named = set()
def hold_up(event, about):
    if event == "os.link" and ".fits" in str(about[1]):
        # a set, and not a number, since Dask loads this twice
        named.add(about[1]) if os.path.exists({gate!r}) else named.clear()
        while len(named) > 1 and os.path.exists({gate!r}):
            time.sleep(0.01)
sys.addaudithook(hold_up)
"""


class Cluster:
    """A scheduler and its workers, each a process of its own."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self._folder, self._environment = folder, environment
        self.gate = folder / "gate"
        said = folder / "scheduler.json"
        quiet = ["--no-dashboard", "--host", "127.0.0.1", "--port", "0", "--scheduler-file", str(said)]
        self.scheduler = self._start("distributed.cli.dask_scheduler", *quiet)
        until(lambda: said.exists() and said.stat().st_size > 0, "the scheduler listens")
        self.address: str = json.loads(said.read_text())["address"]
        self.workers: list[subprocess.Popen[bytes]] = []

    def add_worker(self, *more: str) -> None:
        """Start a worker of one thread, without a nanny that would start another when it dies."""
        quiet = ["--nthreads", "1", "--no-nanny", "--no-dashboard", "--death-timeout", "300"]
        where = ["--host", "127.0.0.1", "--local-directory", str(self._folder)]
        self.workers.append(self._start("distributed.cli.dask_worker", self.address, *quiet, *where, *more))

    def add_worker_that_can_be_held_up(self) -> None:
        """Start one that stands still after a result while the `gate` is there."""
        self.add_worker("--preload", _HELD_UP.format(gate=str(self.gate)))

    def wait_for_workers(self) -> None:
        """Wait until the scheduler knows them."""
        log = self._folder / "log.txt"
        until(lambda: log.read_bytes().count(b"Registered to:") >= len(self.workers), "the workers are there")

    def _start(self, module: str, *arguments: str) -> subprocess.Popen[bytes]:
        log = (self._folder / "log.txt").open("ab")
        with log:
            environment = {**os.environ, **AT_EASE, **self._environment, "PYTHONPATH": PYTHONPATH}
            return subprocess.Popen(
                [sys.executable, "-m", module, *arguments], env=environment, stdout=log, stderr=log, cwd=self._folder
            )

    def close(self) -> None:
        for process in (*self.workers, self.scheduler):
            process.kill()
        for process in (*self.workers, self.scheduler):
            process.wait()


@contextmanager
def cluster(folder: Path, workers: int = 2, *, held_up: bool = False, **environment: str) -> Iterator[Cluster]:
    """Run a scheduler and workers of one thread for the time of a block; they can be held up where that is asked."""
    folder.mkdir(parents=True, exist_ok=True)
    started = Cluster(folder, environment)
    try:
        for _ in range(workers):
            (started.add_worker_that_can_be_held_up if held_up else started.add_worker)()
        started.wait_for_workers()
        yield started
    finally:
        started.close()


def kill_in_the_middle(running: Cluster, victim: subprocess.Popen[bytes], out: Path) -> threading.Thread:
    """Kill one as soon as the first result is there, when no worker goes on meanwhile; return the thread that does."""
    running.gate.touch()

    def wait_and_kill() -> None:
        try:
            until(lambda: out.is_dir() and any(out.rglob("*.fits")), "the first result is there")
            victim.kill()
            victim.wait()
        finally:
            running.gate.unlink()

    thread = threading.Thread(target=wait_and_kill)
    thread.start()
    return thread


def until(condition, what: str) -> None:
    """Wait until something is so."""
    end = time.monotonic() + _WAIT_S
    while not condition():
        if time.monotonic() > end:
            pytest.fail(f"waited {_WAIT_S:g} s in vain until {what}")
        time.sleep(0.02)


def calibrate_and_die_once(task: FrameTask) -> Made:
    """Calibrate a frame; the first time that this is done in a folder, die before anyone is told of it."""
    made = calibrate_task(task)
    try:
        (task.frame.target.parent.parent / "has died").touch(exist_ok=False)
    except FileExistsError:
        return made
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("is dead")


def die(_: object) -> None:
    """Do what no worker survives."""
    os.kill(os.getpid(), signal.SIGKILL)


def fail(text: str) -> None:
    """Do what fails each time."""
    raise LookupError(text)


def tasks_of_scheduler(dask_scheduler) -> int:
    """Count what a scheduler knows of; called there."""
    return len(dask_scheduler.tasks)
