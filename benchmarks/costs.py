"""``python -m benchmarks.costs``: what a job of a night on a cluster costs worker, scheduler and client.

Workers: the jobs of a simulated night of full size, one after the other, in seconds of their thread; the bytes that
they read and write are those of the files. Scheduler and client: two nights of tiny frames on a scheduler and a worker,
each a process of its own; the difference of their seconds of the processor, over that of their frames.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from concurrent.futures import Executor, Future
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np
from astropy.io import fits

from zeroframe.headers.survey import survey_tree
from zeroframe.planning.planning import plan_night
from zeroframe.planning.recipe import parse_recipe
from zeroframe.run.cluster import FrameTask, GroupTask
from zeroframe.run.engine import run_night
from zeroframe.run.session import RunSettings
from zeroframe.simulate import SIMULATED_CAMERAS, simulate_night

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["measure_jobs", "measure_workers"]

_DASK = "distributed.cli.dask_"
#: What a scheduler does that has nothing to do, a hundred times a second, would be counted with the frames.
_AT_EASE = {"DASK_DISTRIBUTED__ADMIN__SYSTEM_MONITOR__INTERVAL": "10s", "DASK_DISTRIBUTED__ADMIN__TICK__INTERVAL": "1s"}


class _InTurn(Executor):
    """Carries out jobs where they are submitted, one after the other, and notes what each sort took."""

    def __init__(self) -> None:
        self.seconds: dict[str, list[float]] = defaultdict(list)
        self._lock = Lock()

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:  # noqa: ANN401
        future: Future[Any] = Future()
        with self._lock:
            started = time.thread_time()
            try:
                future.set_result(fn(*args, **kwargs))
            except Exception as error:  # noqa: BLE001 -- as an executor does
                future.set_exception(error)
            spent = time.thread_time() - started
        task = args[0]
        if isinstance(task, FrameTask):
            self.seconds[str(task.frame.kind)].append(spent)
        elif isinstance(task, GroupTask):
            self.seconds["combining a frame"].append(spent / len(task.what.frames))
        return future


def measure_workers(camera: str = "palomar-lfc") -> dict[str, float]:
    """Return seconds of a core for a frame of each kind, and for each frame of a combination, on a simulated night.

    Medians; the first job of each kind, for which kernels are loaded, counts as any other.
    """
    with tempfile.TemporaryDirectory() as name:
        raw, out = Path(name).resolve() / "raw", Path(name).resolve() / "out"
        simulate_night(SIMULATED_CAMERAS[camera], raw, seed=1)
        executor = _InTurn()
        result = run_night(plan_night(survey_tree(raw), raw, out, parse_recipe("")), RunSettings(executor=executor))
        if result.failed:
            raise RuntimeError(f"the night could not be made: {result.failed}")
        sizes = {"raw": [path.stat().st_size for path in raw.rglob("*.fits")]}
        for each in result.frames:
            sizes.setdefault(f"{each.frame.kind} written", []).append(each.frame.target.stat().st_size)
    seconds = {kind: float(np.median(spent)) for kind, spent in executor.seconds.items()}
    return seconds | {f"MB {what}": float(np.median(bytes_)) / 1e6 for what, bytes_ in sizes.items()}


def measure_jobs(few: int = 100, many: int = 500) -> dict[str, float]:
    """Return seconds of the processor that client and scheduler spend on a frame, and the client on a night."""
    with tempfile.TemporaryDirectory() as name, _cluster(Path(name)) as (address, scheduler):
        folder, spent = Path(name), {}
        _client(_tiny_night(folder / "first", 20), folder / "out-first", address)
        for number in (few, many):
            before = _processor_s(scheduler)
            client = _client(_tiny_night(folder / f"raw{number}", number), folder / f"out{number}", address)
            spent[number] = client, _processor_s(scheduler) - before
    client, scheduler_s = ((spent[many][n] - spent[few][n]) / (many - few) for n in (0, 1))
    return {"client a frame": client, "scheduler a frame": scheduler_s, "client a night": spent[few][0] - few * client}


def _client(raw: Path, out: Path, address: str) -> float:
    """Run a night; return what its client spent."""
    command = [sys.executable, "-m", "zeroframe", "night", str(raw), "-o", str(out), "--no-report"]
    process = subprocess.Popen(
        [*command, "--recipe", str(_recipe(raw)), "--cluster", address], stdout=subprocess.DEVNULL
    )
    _, status, used = os.wait4(process.pid, 0)
    if os.waitstatus_to_exitcode(status):
        raise RuntimeError(f"the night in {raw} could not be made")
    return used.ru_utime + used.ru_stime


def _recipe(raw: Path) -> Path:
    path = raw.with_suffix(".toml")
    path.write_text('[frames]\noverscan = "none"\ntrim = "[1:40,:]"\n')
    return path


def _processor_s(process: subprocess.Popen[bytes]) -> float:
    fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def _cluster(folder: Path) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """Run a scheduler and a worker, each a process of its own."""
    said, quiet = folder / "scheduler.json", ["--no-dashboard", "--host", "127.0.0.1"]
    log = (folder / "log.txt").open("wb")

    def start(what: str, *arguments: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", f"{_DASK}{what}", *arguments, *quiet]
        return subprocess.Popen(command, stdout=log, stderr=log, cwd=folder, env=os.environ | _AT_EASE)

    started = [start("scheduler", "--port", "0", "--scheduler-file", str(said))]
    try:
        while not (said.exists() and said.stat().st_size):
            if started[0].poll() is not None:
                raise RuntimeError((folder / "log.txt").read_text())
            time.sleep(0.05)
        address = json.loads(said.read_text())["address"]
        started.append(start("worker", address, "--nthreads", "1", "--no-nanny"))
        yield address, started[0]
    finally:
        for process in started:
            process.kill()
            process.wait()
        log.close()


def _tiny_night(folder: Path, frames: int) -> Path:
    """Write frames of 30 x 40 pixels: a tenth biases, a fifth darks and flats, science frames."""
    folder.mkdir()
    random = np.random.default_rng(frames)
    kinds = (
        ("zero", 0.0, 1000, 0.1),
        ("dark", 60.0, 1010, 0.2),
        ("flat", 2.0, 9000, 0.35),
        ("object", 60.0, 1500, 1.0),
    )
    for number in range(frames):
        kind, exposure_s, level, _ = next(each for each in kinds if number / frames < each[3])
        cards = {"IMAGETYP": kind, "EXPTIME": exposure_s, "FILTER": "g", "GAIN": 1.5, "RDNOISE": 4.0, "NUMBER": number}
        cards["DATE-OBS"] = f"2026-11-21T{2 + number // 60:02d}:{number % 60:02d}:00"
        pixels = np.rint(random.normal(level, 4.0, (30, 40))).astype(np.uint16)
        fits.PrimaryHDU(pixels, fits.Header(cards)).writeto(folder / f"f{number:04d}.fits")
    return folder


def main() -> None:
    """Measure, and print the figures as JSON."""
    argparse.ArgumentParser(prog="python -m benchmarks.costs", description=__doc__).parse_args()
    for measure in (measure_jobs, measure_workers):
        sys.stdout.write(json.dumps(measure(), indent=1) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
