"""``python -m benchmarks.memory_table``: the memory limit against what is really taken, for every command.

What is measured are a process's own pages (anonymous and shared memory, as Linux counts them in ``/proc/PID/status``),
looked at every few milliseconds. Where control groups for memory can be made, each run is in one that allows the limit
and 200 MB, page cache included: a run that took more would be killed.

Frames are of few kinds of pixels, and hard links to few files where the command takes those; a night leaves out copies.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["CASES", "Case", "Measured", "main", "measured", "own_bytes", "run_case"]

ROOT = Path(__file__).resolve().parents[1]
#: What the program and its libraries may take beside the limit.
OWN_BYTES = 200_000_000
SHAPES_YX = {"small": (32, 32), "LFC": (4128, 2080), "10k": (10_000, 10_000)}
SUFFIXES = {"plain": ".fits", "gz": ".fits.gz", "fz": ".fits.fz"}
COMMANDS = ("bias", "night", "combine", "inspect")
#: How often memory is looked at.
_EVERY_S = 0.004
_KINDS = ("bias", "dark", "flat", "object")
_LEVELS = {"bias": 1000, "dark": 1050, "flat": 20000, "object": 2000}
_EXPOSURES_S = {"bias": 0.0, "dark": 60.0, "flat": 5.0, "object": 60.0}
_NOISE_ROWS = 400
_GROUPS = Path("/sys/fs/cgroup")
_RECIPE = '[frames]\noverscan = "none"\ntrim = "[*,*]"\n'


@dataclass(frozen=True)
class Case:
    """One run: a command on so many frames of one size and form, within a limit."""

    command: str
    form: str
    size: str
    frames: int
    limit: str


@dataclass(frozen=True)
class Measured:
    """How a run ended: what it took, whether the group killed it, its exit code, and its last words."""

    peak_bytes: int
    was_killed: bool
    in_group: bool
    code: int
    seconds: float
    said: str

    def verdict(self, limit_bytes: int) -> str:
        """Say in a few words what came of it."""
        if self.was_killed:
            return "KILLED"
        refused = re.search(r"the memory limit .*?(?:or more|files first)", " ".join(self.said.split()))
        if self.peak_bytes > limit_bytes + OWN_BYTES:
            return "TOO MUCH"
        if refused and self.code:
            return "refused: " + refused[0]
        return "done" if self.code in {0, 1} else f"exit code {self.code}"


def _cases() -> list[Case]:
    found = []
    for command in COMMANDS:
        for form in SUFFIXES:
            found += [Case(command, form, "small", number, "50M") for number in (4, 100, 4000)]
            found += [Case(command, form, "LFC", number, "600M") for number in (4, 100)]
            found += [Case(command, form, "LFC", 4, "100M")]
            found += [Case(command, form, "10k", 4, limit) for limit in ("500M", "3500M")]
    # links are enough for these, and nothing is unpacked; results of 4,000 frames would be 136 GB and 1.6 TB
    found += [Case("combine", "plain", "LFC", 4000, "400M"), Case("combine", "plain", "10k", 100, "2G")]
    found += [Case("combine", "plain", "10k", 4000, "500M"), Case("inspect", "plain", "10k", 100, "2G")]
    return found


CASES = _cases()


def own_bytes(pid: int) -> int:
    """Return how many bytes of memory are a process's own; 0 where it has ended."""
    try:
        said = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    return sum(1024 * int(kilobytes) for kilobytes in re.findall(r"^Rss(?:Anon|Shmem):\s+(\d+) kB", said, re.MULTILINE))


@contextmanager
def _group(most_bytes: int) -> Iterator[Path | None]:
    """Make a control group that allows so much memory, of whichever version there is; None where that cannot be."""
    old = (_GROUPS / "memory" / "memory.limit_in_bytes").exists()
    folder = (_GROUPS / "memory" if old else _GROUPS) / f"zeroframe-{os.getpid()}-{time.monotonic_ns()}"
    try:
        folder.mkdir()
        (folder / ("memory.limit_in_bytes" if old else "memory.max")).write_text(str(most_bytes))
    except OSError:
        with suppress(OSError):
            folder.rmdir()
        yield None
        return
    try:
        yield folder
    finally:
        for _ in range(100):  # the system takes a moment to see that nobody is in it any more
            try:
                folder.rmdir()
                break
            except OSError:
                time.sleep(0.05)


def measured(command: Sequence[object], limit_bytes: int) -> Measured:
    """Run a command, and look at its memory while it runs.

    Parameters
    ----------
    command : sequence
        Program and arguments.
    limit_bytes : int
        What it was told to keep to.

    Returns
    -------
    Measured
    """
    started = time.perf_counter()
    with _group(limit_bytes + OWN_BYTES) as group:
        before = () if group is None else ("sh", "-c", f'echo $$ > {group}/cgroup.procs && exec "$@"', "sh")
        process = subprocess.Popen(
            [*before, *map(str, command)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd=ROOT
        )
        said: list[bytes] = []
        reader = Thread(target=lambda: said.append(process.stdout.read() if process.stdout else b""))
        reader.start()
        peak = 0
        while process.poll() is None:
            peak = max(peak, own_bytes(process.pid))
            time.sleep(_EVERY_S)
        reader.join()
    text = b"".join(said).decode("utf-8", "replace")
    seconds = time.perf_counter() - started
    return Measured(peak, process.returncode == -9, group is not None, process.returncode, seconds, text)


def _write(path: Path, kind: str, number: int, shape_yx: tuple[int, int]) -> None:
    """Write one frame; its rows repeat, so that the largest take a second."""
    import numpy as np

    from zeroframe.fits import ImagePart, write_fits

    ny, nx = shape_yx
    rows = min(ny, _NOISE_ROWS)
    noise = np.random.default_rng((number, len(kind))).normal(_LEVELS[kind], 5.0, (rows, nx)).round()
    pixels = np.resize(noise.astype(np.uint16), shape_yx)
    compress = "gzip" if path.name.endswith(".gz") else "rice" if path.name.endswith(".fz") else "none"
    write_fits(path, [ImagePart(pixels, _header(kind, number))], compress=compress)  # type: ignore[arg-type]


def _header(kind: str, number: int) -> object:
    from astropy.io.fits import Header

    day, second = divmod(number, 86400)
    said = {"IMAGETYP": kind, "EXPTIME": _EXPOSURES_S[kind], "FILTER": "g", "BUNIT": "adu", "GAIN": 1.0, "RDNOISE": 5.0}
    header = Header(said)
    header["DATE-OBS"] = f"2020-01-{day + 1:02d}T{second // 3600:02d}:{second // 60 % 60:02d}:{second % 60:02d}"
    return header


def _frames(folder: Path, case: Case, distinct: int) -> list[Path]:
    """Write the frames of a case: biases; of a night and an inspection four kinds in turn."""
    folder.mkdir(parents=True)
    shape, suffix = SHAPES_YX[case.size], SUFFIXES[case.form]
    kinds = _KINDS if case.command == "night" else ("bias", "flat") if case.command == "inspect" else ("bias",)
    paths = []
    for number in range(case.frames):
        kind = kinds[number % len(kinds)]
        path = folder / f"{kind}{number:05d}{suffix}"
        if number < distinct:
            _write(path, kind, number, shape)
        else:
            path.hardlink_to(paths[number % len(kinds) + (number // len(kinds)) % 2 * len(kinds)])
        paths.append(path)
    return paths


def run_case(case: Case, work: Path) -> Measured:
    """Make the frames of a case, run it, and take everything away again.

    Parameters
    ----------
    case : Case
        What is run.
    work : pathlib.Path
        A folder with room for the frames and what is made of them.

    Returns
    -------
    Measured
    """
    from zeroframe.workers import parse_size

    raw, out = work / "raw", work / "out"
    try:
        # a night leaves out copies, so all of its frames have headers of their own
        paths = _frames(raw, case, case.frames if case.command == "night" else min(case.frames, 4))
        (work / "night.toml").write_text(_RECIPE)
        arguments: dict[str, tuple[object, ...]] = {
            "bias": ("bias", raw, "-o", out, "--trim", "[*,*]", "--no-report"),
            "night": ("night", raw, "-o", out, "--recipe", work / "night.toml", "--no-report"),
            "combine": ("combine", *paths, "-o", work / "combined.fits"),
            "inspect": ("inspect", raw),
        }
        program = (sys.executable, "-m", "zeroframe")
        return measured((*program, *arguments[case.command], "--mem-limit", case.limit), parse_size(case.limit))
    finally:
        for each in (raw, out):
            shutil.rmtree(each, ignore_errors=True)
        (work / "combined.fits").unlink(missing_ok=True)


def _row(case: Case, found: Measured, limit_bytes: int) -> str:
    group = "yes" if found.in_group and not found.was_killed else "no" if found.in_group else "not tried"
    cells = (
        case.command, case.form, case.size, f"{case.frames:,}", case.limit, f"{found.peak_bytes / 1e6:.0f}",
        group, f"{found.seconds:.0f}", found.verdict(limit_bytes),
    )  # fmt: skip
    return "| " + " | ".join(cells) + " |"


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, and print a table; the exit code is 1 where anything took more than the limit and 200 MB."""
    from zeroframe.workers import parse_size

    parser = argparse.ArgumentParser(prog="python -m benchmarks.memory_table", description=__doc__)
    parser.add_argument("--only", default="", help="cases whose words, as 'night gz LFC 100', hold all of these")
    parser.add_argument("--work", type=Path, default=Path(tempfile.gettempdir(), "zeroframe-memory"))
    given = parser.parse_args(arguments)
    print("| command | frames are | size | N | limit | own pages at most, MB | lives in limit + 200 MB | s | |")
    print("|---|---|---|---:|---:|---:|---|---:|---|")
    well = True
    for case in CASES:
        words = (case.command, case.form, case.size, str(case.frames), case.limit)
        if not set(given.only.split()) <= set(words):
            continue
        work = given.work / "-".join(words)
        work.mkdir(parents=True, exist_ok=True)
        try:
            found = run_case(case, work)
        finally:
            shutil.rmtree(work, ignore_errors=True)
        limit_bytes = parse_size(case.limit)
        print(_row(case, found, limit_bytes), flush=True)
        well = well and not found.was_killed and found.peak_bytes <= limit_bytes + OWN_BYTES
    return 0 if well else 1


if __name__ == "__main__":
    sys.exit(main())
