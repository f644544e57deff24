"""What the chaos tests share: a scheduler, workers and clients as forks of one process, and who is killed when.

To start Python, Dask and zeroframe takes 2 s for each process. Here they are imported once, in a server from which all
processes are forked (`multiprocessing`), so that a round with a dozen processes costs little more than its frames.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import random
import signal
import sys
import tempfile
import time
from dataclasses import dataclass, field
from multiprocessing import forkserver
from pathlib import Path

import pytest

from clusters import PYTHONPATH, until
from workbench import raw_pixels, write_raw

#: Of frames of 60 x 80 pixels.
RECIPE = """
[frames]
overscan = "none"
trim = "[1:80,:]"
"""
FRAMES = 60
TEMPORARY = "tmp"
_WORKERS = 2
#: More runs than there are kills would be one that fails by itself.
_MOST_RUNS = 6
_CARDS = {"GAIN": 1.5, "RDNOISE": 4.0}
_PATIENCE_S = 300.0


def small_frames(raw: Path) -> Path:
    """Write a night of 60 frames that are calibrated in milliseconds: what there is to kill are the jobs."""
    number = 0

    def write(name: str, kind: str, exposure_s: float, level: float, **cards: object) -> None:
        nonlocal number
        clock = f"2026-11-21T{2 + number // 60:02d}:{number % 60:02d}:00"
        cards = {"IMAGETYP": kind, "EXPTIME": exposure_s, "DATE-OBS": clock, "NUMBER": number, **_CARDS, **cards}
        number += 1
        write_raw(raw / f"{name}.fits", raw_pixels(number, (60, 80), level), **cards)

    for n in range(10):
        write(f"b{n}", "zero", 0.0, 1000)
    for n in range(8):
        write(f"d{n}", "dark", 60.0, 1010)
    for n in range(6):
        for band in "gr":
            write(f"f{band}{n}", "flat", 2.0, 9000 + 300 * n, FILTER=band)
    for n in range(15):
        for band in "gr":
            write(f"s{band}{n}", "object", 60.0, 1500, FILTER=band, OBJECT=f"field {n}")
    return raw


def _begin(folder: str) -> None:
    """Begin a process: what it says goes into a file, and temporary files into a folder that is looked into."""
    os.environ["TMPDIR"] = f"{folder}/{TEMPORARY}"
    tempfile.tempdir = None
    log = f"{folder}/log.txt"
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    sys.stdout, sys.stderr = open(1, "w", closefd=False), open(2, "w", closefd=False)  # noqa: SIM115


def _schedule(folder: str, said: str) -> None:
    """Be a scheduler; say its address in a file."""
    from distributed import Scheduler

    _begin(folder)

    async def serve() -> None:
        async with Scheduler(host="127.0.0.1", port=0, dashboard=False) as scheduler:
            Path(said + ".part").write_text(scheduler.address)
            Path(said + ".part").rename(said)
            await scheduler.finished()

    asyncio.run(serve())


def _work(folder: str, address: str) -> None:
    """Be a worker of one thread."""
    from distributed import Worker

    _begin(folder)

    async def serve() -> None:
        quiet = {"host": "127.0.0.1", "nthreads": 1, "dashboard": False, "local_directory": f"{folder}/dask"}
        async with Worker(address, **quiet) as worker:
            await worker.finished()

    asyncio.run(serve())


def _command(folder: str, arguments: list[str]) -> None:
    """Be the command."""
    from zeroframe.cli.main import main

    _begin(folder)
    main(arguments)


@dataclass(frozen=True)
class Blow:
    """What is done to whom, and when.

    Attributes
    ----------
    victim : {'worker', 'scheduler', 'client', 'frozen worker'}
        One that is frozen stands still for half a second.
    after : int
        When so many files are in the folder of results.
    delay_s : float
        So many seconds later.
    is_replaced : bool
        Of a worker: whether another one joins at once.
    """

    victim: str
    after: int
    delay_s: float
    is_replaced: bool


def blows_of(seed: int) -> tuple[Blow, ...]:
    """Draw who is killed in a round; each of the three that may be is the first in every third round."""
    drawn = random.Random(seed)
    victims = [("worker", "scheduler", "client")[seed % 3]]
    victims += drawn.choices(("worker", "scheduler", "client", "frozen worker"), k=drawn.randrange(3))
    return tuple(
        Blow(victim, drawn.randrange(FRAMES + 6), drawn.uniform(0.0, 0.04), drawn.random() < 0.7) for victim in victims
    )


@dataclass
class Chaos:
    """Processes of one round, and what became of them."""

    folder: Path
    died: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(["chaos_preload"])
        with pytest.MonkeyPatch.context() as patch:  # the server knows no other path while it imports that
            patch.setenv("PYTHONPATH", PYTHONPATH)
            forkserver.ensure_running()
        self.folder.mkdir()
        (self.folder / TEMPORARY).mkdir()
        self._number, self._orphans = 0, []
        self._start_cluster()

    def _start(self, target: object, *arguments: object) -> multiprocessing.process.BaseProcess:
        process = self._context.Process(target=target, args=(str(self.folder), *arguments), daemon=True)
        process.start()
        return process

    def _start_cluster(self) -> None:
        self._number += 1
        said = self.folder / f"address-{self._number}"
        self.scheduler = self._start(_schedule, str(said))
        until(said.exists, "the scheduler listens")
        self.address = said.read_text()
        self.workers = [self._start_worker() for _ in range(_WORKERS)]

    def _start_worker(self) -> multiprocessing.process.BaseProcess:
        return self._start(_work, self.address)

    def run(self, arguments: list[str], out: Path, blows: tuple[Blow, ...]) -> int:
        """Run the command on the cluster, strike meanwhile, and run it again until it comes to its end.

        Returns
        -------
        int
            How often it was run.
        """
        left = sorted(blows, key=lambda blow: blow.after)
        for runs in range(1, _MOST_RUNS + 1):
            self._mend()
            client = self._start(_command, [*arguments, "--cluster", self.address])
            while client.is_alive() and left:
                if _files_in(out) >= left[0].after:
                    time.sleep(left[0].delay_s)
                    self._strike(left.pop(0), client)
                time.sleep(0.002)
            client.join(_PATIENCE_S)
            assert client.exitcode is not None, f"it hangs: {self.died}\n{self.said()}"
            if client.exitcode == 0 and not left:
                return runs
            left = left[1:] if client.exitcode == 0 else left  # its moment never came: all is there already
        raise AssertionError(f"{self.died} {_MOST_RUNS} runs, and the last ended with {client.exitcode}")

    def _mend(self) -> None:
        """Replace whoever is dead before the command is run again."""
        if not self.scheduler.is_alive():
            self._orphans += self.workers  # they end when they see it, and do what they were at
            self._start_cluster()
        self.workers = [worker for worker in self.workers if worker.is_alive()]
        while len(self.workers) < _WORKERS:
            self.workers.append(self._start_worker())

    def _strike(self, blow: Blow, client: multiprocessing.process.BaseProcess) -> None:
        self.died.append(blow.victim)
        alive = [worker for worker in self.workers if worker.is_alive()]
        if blow.victim == "client":
            client.kill()
        elif blow.victim == "scheduler":
            self.scheduler.kill()
            self.scheduler.join()
        elif alive and blow.victim == "frozen worker":
            os.kill(alive[0].pid, signal.SIGSTOP)
            time.sleep(0.5)
            os.kill(alive[0].pid, signal.SIGCONT)
        elif alive:
            alive[0].kill()
            if blow.is_replaced or len(alive) == 1:  # of no worker at all one waits for ever, as for a slow one
                self.workers.append(self._start_worker())

    def left_behind(self, out: Path) -> list[str]:
        """Return the hidden files among the results, and what is in the folder for temporary files, but for Dask's."""
        temporary = [path for path in (self.folder / TEMPORARY).iterdir() if path.name != "dask-scratch-space"]
        return [str(path) for path in (*out.rglob(".*"), *temporary)]

    def said(self) -> str:
        """Return what the processes have said."""
        return (self.folder / "log.txt").read_text()

    def close(self) -> None:
        """End all processes."""
        for process in (*self._orphans, *self.workers, self.scheduler):
            process.kill()
            process.join()


def _files_in(out: Path) -> int:
    return sum(1 for path in out.rglob("*.fits*")) if out.is_dir() else 0
