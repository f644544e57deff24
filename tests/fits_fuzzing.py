"""Run every command over files of the grammar, each beside two good frames; a program of its own, so that a file that
hangs it or fills the memory is found by whoever has started it.

    python tests/fits_fuzzing.py FIRST COUNT FOLDER

writes one line of JSON for each file: its number, seconds, megabytes at most so far, and what went wrong.
"""

from __future__ import annotations

import io
import json
import logging
import math
import re
import shutil
import sys
import time
import traceback
from collections.abc import Collection
from contextlib import redirect_stderr, redirect_stdout
from functools import cache
from pathlib import Path

import numpy as np
import typer.main
from astropy.io import fits

from fits_grammar import NX, NY, draw_file

__all__ = ["GOOD", "look", "run_files", "write_good"]

GOOD = ("good1.fits", "good2.fits")
#: Of noises that are nearly the same, which those of so few pixels are not as a rule.
SEEDS = (116, 150)
#: A page takes as long as all the rest: each so many files one is written.
REPORT_EACH = 10
MOST_SECONDS = 5.0

# typer builds the parser of all commands each time that one is called, which takes as long as all the rest
typer.main.get_command = cache(typer.main.get_command)


class _Log(logging.Handler):
    """What was not expected: each is in the log with its traceback, and no command ends by it."""

    def __init__(self) -> None:
        super().__init__()
        self.told: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        if error is None or record.levelno < logging.ERROR:
            return  # what is told of a run, and of what was foreseen
        place = traceback.extract_tb(error.__traceback__)[-1] if error.__traceback__ else None
        where = f" in {Path(place.filename).name}:{place.lineno}" if place else ""
        self.told.append(f"{record.getMessage()}: {error}{where}"[:300])


def write_good(folder: Path) -> None:
    for seed, name in zip(SEEDS, GOOD, strict=True):
        pixels = np.random.default_rng(seed).normal(1000.0, 4.0, (NY, NX)).round().astype(np.uint16)
        header = fits.Header({"IMAGETYP": "bias", "EXPTIME": 0.0, "BUNIT": "adu", "DATE-OBS": "2016-01-16T02:00:00"})
        fits.PrimaryHDU(pixels, header).writeto(folder / name)


def _command(*arguments: object) -> tuple[int | None, str]:
    """Return the exit code, None where an exception came through, and all that was written."""
    from zeroframe.cli.main import main

    said = io.StringIO()
    try:
        with redirect_stdout(said), redirect_stderr(said):
            main([str(argument) for argument in arguments])
    except SystemExit as leaving:
        return (leaving.code if isinstance(leaving.code, int) else None), said.getvalue()
    except BaseException:  # noqa: BLE001 -- that is what is looked for
        return None, said.getvalue() + traceback.format_exc()
    return 0, said.getvalue()


def _states(out: Path) -> dict[str, str]:
    try:
        said = json.loads((out / "run.json").read_text())
    except (OSError, ValueError):
        return {}
    return {each["name"]: each["state"] for each in said["this_run"].get("frames", [])}


def look(
    raw: Path, base: Path, number: int, most_seconds: float = math.inf, only: Collection[str] | None = None
) -> list[str]:
    """Run every command, or ``only`` some, over a folder of two good frames and another; return what went wrong.

    ``most_seconds`` of the processor are a hang; it is for those who have compiled the kernels before.
    """
    wrong = []
    trim = ("--trim", "[*,*]") if number % 2 else ()
    page = () if number % REPORT_EACH == 0 else ("--no-report",)
    files = sorted(path for path in raw.iterdir())
    runs = {
        "bias": ("bias", raw, "-o", base / "bias", *trim, *page),
        "night": ("night", raw, "-o", base / "night", *page),
        "combine": ("combine", *files, "-o", base / "combined.fits"),
        "inspect": ("inspect", raw),
        "ls": ("ls", raw, "--format", ("table", "csv", "json")[number % 3]),
        "verify": ("verify", base / "night", "--raw", raw),
    }
    for name, arguments in runs.items():
        if only is not None and name not in only:
            continue
        started = time.process_time()  # other work on the machine does not change it
        code, said = _command(*arguments)
        seconds = time.process_time() - started
        if code not in {0, 1}:
            wrong.append(f"{name}: exit code {code}: {said[-2000:]}")
        elif "Traceback" in said:
            wrong.append(f"{name}: {said[-2000:]}")
        elif seconds > most_seconds:
            wrong.append(f"{name}: took {seconds:.1f} s")
        elif name in {"bias", "night"}:
            states = _states(base / name)
            lost = [good for good in GOOD if states.get(good) != "done"]
            wrong += [f"{name}: {good} is {states.get(good)}: {said[-1500:]}" for good in lost]
            combined = sorted((base / name).glob("combined_bias*.fits"))
            wrong += [] if combined else [f"{name}: no combined bias: {said[-1500:]}"]
        elif name == "ls":
            wrong += [f"{name}: {good} is not listed: {said[-1500:]}" for good in GOOD if good not in said]
            steers = re.search(r"[\x00-\x08\x0b-\x1f\x7f]", said)
            wrong += [f"{name}: a control character: {said[-500:]!r}"] if steers else []
        elif name == "combine" and not (base / "combined.fits").exists():
            wrong.append(f"{name}: nothing is combined: {said[-1500:]}")
    return wrong


def run_files(first: int, count: int, base: Path) -> None:
    """Run the files of some numbers, and write what comes of each."""
    log = _Log()
    logging.getLogger("zeroframe").addHandler(log)
    kept = base / "good"
    kept.mkdir(parents=True)
    write_good(kept)
    for number in (REPORT_EACH, 1):  # everything is imported, and the kernels are compiled
        shutil.copytree(kept, base / "warm" / "raw")
        look(base / "warm" / "raw", base / "warm", number)
        shutil.rmtree(base / "warm")
    for number in range(first, first + count):
        drawn = draw_file(number)
        print(json.dumps({"begins": number}), flush=True)  # noqa: T201 -- for whoever waits
        place = base / str(number)
        shutil.copytree(kept, place / "raw")
        (place / "raw" / drawn.name).write_bytes(drawn.content)
        log.told.clear()
        started = time.process_time()
        wrong = look(place / "raw", place, number, MOST_SECONDS)
        seconds = time.process_time() - started
        with Path("/proc/self/status").open() as status:
            peak = re.search(r"VmHWM:\s+(\d+) kB", status.read())
        told = {
            "number": number, "seconds": round(seconds, 3), "megabytes": int(peak[1]) // 1000 if peak else 0,
            "wrong": wrong, "logged": log.told, "told": drawn.told if wrong or log.told else [],
        }  # fmt: skip
        print(json.dumps(told), flush=True)  # noqa: T201
        shutil.rmtree(place)


if __name__ == "__main__":
    run_files(int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]))
