"""Run programs as whole processes, in turn, and note their time and memory.

Nothing here may import numpy: the peak memory that the system reports of a child is never less than what its parent
held when it started it.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from threading import Timer
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["SCRIPTS", "Case", "Result", "Run", "measure", "run_once"]

SCRIPTS = Path(__file__).resolve().parent / "scripts"
#: The slowest work that is measured takes some 200 s.
TIMEOUT_S = 1200.0


@dataclass(frozen=True)
class Case:
    """One program at one piece of work.

    Parameters
    ----------
    name : str
        Its row in the table; the first case of a workload is what the others are compared with.
    program : str
        Whose it is: 'zeroframe', 'ccdproc', …; ``--peers`` chooses by it.
    command : tuple of str
        What is run, in a scratch folder of its own that is emptied before each run.
    inputs : tuple of Path
        Files that are read once beforehand, so that they are in the page cache.
    files : dict
        Scripts and lists that are written into the scratch folder beforehand.
    links : dict
        Symbolic links that are made there beforehand.
    folders : tuple of str
        Folders that are made there beforehand.
    output : str
        A file, in the scratch folder, that must be there afterwards, and that is compared with the first case's.
    environment : dict
        Added to that of the harness; ``{run}`` is the scratch folder.
    inside : bool
        The command measures itself, and prints ``{"seconds": [...]}``; of the process only the memory is noted. It
        may print ``"figures"``, too: numbers by name, which stand in the remark.
    scale : float
        The times are multiplied by this, where part of the work stands for the whole.
    factor : float
        What the pixels of the output are to be multiplied by, to be those of the others.
    warm_up : bool
        Run it once beforehand, for something that it keeps between runs.
    values : float
        How many pixel values are processed; 0 where that says nothing.
    limit_mb : float, optional
        The limit of memory that the program was given.
    open_files : int, optional
        ``ulimit -n``.
    remark : str
        Where its work differs.
    good_codes : tuple of int
        Exit codes with which it has done its work: 1 where it has to find that frames stand there twice.
    """

    name: str
    program: str
    command: tuple[str, ...]
    inputs: tuple[Path, ...] = ()
    files: dict[str, str] = field(default_factory=dict)
    links: dict[str, Path] = field(default_factory=dict)
    folders: tuple[str, ...] = ()
    output: str = ""
    environment: dict[str, str] = field(default_factory=dict)
    inside: bool = False
    scale: float = 1.0
    factor: float = 1.0
    warm_up: bool = False
    values: float = 0.0
    limit_mb: float | None = None
    open_files: int | None = None
    remark: str = ""
    good_codes: tuple[int, ...] = (0,)


@dataclass(frozen=True, slots=True)
class Run:
    """What one run took."""

    wall_s: float
    cpu_s: float
    peak_mb: float
    figures: dict[str, float] = field(default_factory=dict)


@dataclass
class Result:
    """All runs of a case; ``failure`` says why there are none."""

    case: Case
    runs: list[Run] = field(default_factory=list)
    spent_s: float = 0.0
    agreement: str = ""
    failure: str = ""


class RunError(Exception):
    """A program did not do its work."""


def measure(
    cases: Sequence[Case], scratch: Path, *, repeat: int, budget_s: float, say: Callable[[str], None]
) -> list[Result]:
    """Run every case, in rounds, each as often as its budget allows and at least once.

    Every other round goes backwards, so that no program always follows the same one.
    """
    results = [Result(case) for case in cases]
    kept = scratch / "outputs"
    shutil.rmtree(kept, ignore_errors=True)
    kept.mkdir()
    for number in range(repeat):
        for result in results if number % 2 == 0 else reversed(results):
            if result.failure or (number and result.spent_s * (number + 1) / number > budget_s):
                continue
            say(f"  {result.case.name} ({number + 1})")
            begin = time.perf_counter()
            try:
                if number == 0 and result.case.warm_up:
                    run_once(result.case, scratch / "run")
                result.runs.append(run_once(result.case, scratch / "run"))
                result.spent_s += time.perf_counter() - begin
                if number == 0 and result.case.output:
                    (scratch / "run" / result.case.output).rename(kept / str(results.index(result)))
            except RunError as failed:
                result.failure = str(failed)
                say(f"  {result.case.name} failed: {failed}")
    _compare(results, kept)
    shutil.rmtree(kept)
    shutil.rmtree(scratch / "run", ignore_errors=True)
    return results


def run_once(case: Case, folder: Path) -> Run:
    """Run a case once, in a folder that is emptied before.

    Raises
    ------
    RunError
        When the program ends with an error, or what it ought to write is not there.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for name in case.folders:
        (folder / name).mkdir(parents=True)
    for name, target in case.links.items():
        (folder / name).symlink_to(target)
    for name, text in case.files.items():
        (folder / name).write_text(text)
    _read_through(case.inputs)
    log = folder.parent / "output.txt"
    begin = time.perf_counter()
    child = _start(case, folder, log)
    timer = Timer(TIMEOUT_S, os.killpg, (child, signal.SIGKILL))
    timer.start()
    _, status, usage = os.wait4(child, 0)
    wall = time.perf_counter() - begin
    timer.cancel()
    timer.join()
    code = os.waitstatus_to_exitcode(status)
    text = log.read_text(errors="replace")
    if code not in case.good_codes or (case.output and not (folder / case.output).is_file()):
        last = " / ".join(line.strip() for line in text.splitlines()[-12:] if line.strip())
        reason = f"exit code {code}" if code not in case.good_codes else f"{case.output} was not written"
        raise RunError(f"{reason}: {last[-500:]}")
    figures: dict[str, float] = {}
    if case.inside:
        told = json.loads(text.splitlines()[-1])
        wall, figures = median(told["seconds"]), told.get("figures", {})
    cpu = usage.ru_utime + usage.ru_stime
    return Run(wall * case.scale, cpu * case.scale, usage.ru_maxrss * 1024 / 1e6, figures)


def _start(case: Case, folder: Path, log: Path) -> int:
    """Start the program, as the leader of a group of processes."""
    environment = os.environ | {"HOME": str(folder.parent / "home"), "TERM": "dumb"}
    if "PYTHONPATH" in environment:  # the scratch folder is not where a relative one was meant from
        environment["PYTHONPATH"] = os.pathsep.join(map(os.path.abspath, environment["PYTHONPATH"].split(os.pathsep)))
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # modules of installed packages are compiled, so ours may be, too
    environment |= {name: value.replace("{run}", str(folder)) for name, value in case.environment.items()}
    (folder.parent / "home").mkdir(exist_ok=True)
    child = os.fork()
    if child:
        return child
    try:
        os.setsid()
        os.chdir(folder)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
        os.dup2(out, 1)
        os.dup2(out, 2)
        if case.open_files is not None:
            resource.setrlimit(resource.RLIMIT_NOFILE, (case.open_files, case.open_files))
        os.execvpe(case.command[0], case.command, environment)
    except OSError as error:
        os.write(2, str(error).encode())
    finally:
        os._exit(127)


def _read_through(paths: Sequence[Path]) -> None:
    """Put files into the page cache."""
    buffer = bytearray(1 << 20)
    for path in paths:
        with path.open("rb", buffering=0) as file:
            while file.readinto(buffer):
                pass


def _compare(results: Sequence[Result], kept: Path) -> None:
    """Say how far each case's output is from the first one's; all in one process, so that it is started once."""
    there = [(result, kept / str(number)) for number, result in enumerate(results)]
    there = [(result, path) for result, path in there if path.exists()]
    if len(there) < 2:
        return
    arguments = [text for result, path in there for text in (str(path), str(result.case.factor))]
    found = subprocess.run(
        [sys.executable, str(SCRIPTS / "compare.py"), *arguments], capture_output=True, text=True, check=False
    )
    if found.returncode != 0:
        raise RunError(f"the results cannot be compared: {found.stderr.strip()[-300:]}")
    for (result, _), line in zip(there, found.stdout.splitlines(), strict=True):
        result.agreement = line
