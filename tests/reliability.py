"""What the tests of the promise share: runs that can be killed, hashes, a disk that can be read only."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from workbench import SMALL_LFC, SMALL_SECTIONS
from zeroframe.cli import main
from zeroframe.simulate import simulate_biases

if TYPE_CHECKING:
    from collections.abc import Iterator

SOURCE = Path(__file__).resolve().parents[1] / "src"
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(SOURCE), "COLUMNS": "100"}
PROGRAM = (sys.executable, "-m", "zeroframe")
#: The command, and what it leaves behind: how much memory it had at most. The system counts the memory of the parent,
#: too (ru_maxrss of a process that was begun by vfork), but not in VmHWM.
MEASURED = """
import os, re, sys
from zeroframe.cli import main
try:
    main(sys.argv[2:])
finally:
    with open("/proc/self/status") as status, open(sys.argv[1], "w") as peak:
        peak.write(re.search(r"VmHWM:\\s+(\\d+) kB", status.read())[1])
"""
ALL_CASES = bool(os.environ.get("ZEROFRAME_ALL_CASES"))


def small_night(folder: Path, frames: int) -> Path:
    """Write biases of 632 x 400 pixels."""
    simulate_biases(SMALL_LFC, folder, frames=frames)
    return folder


def bias_arguments(raw: Path, out: Path, *more: object, report: bool = False) -> list[str]:
    page = () if report else ("--no-report",)
    return ["bias", str(raw), "-o", str(out), *SMALL_SECTIONS, *page, *map(str, more)]


def hashes(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of everything in a folder, hidden files too."""
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.iterdir())}


def results(folder: Path) -> dict[str, str]:
    """Return the same, but what tells of the run: when it was, and what it found there already."""
    return {name: digest for name, digest in hashes(folder).items() if name not in {"run.json", "report.html"}}


class Fork:
    """The command in a child of this process, where all is imported and compiled already."""

    def __init__(self, arguments: list[str]) -> None:
        self.pid = os.fork()
        if self.pid == 0:
            code = 99
            try:
                nowhere = os.open(os.devnull, os.O_WRONLY)
                os.dup2(nowhere, 1)
                os.dup2(nowhere, 2)
                main(arguments)
            except SystemExit as leaving:
                code = int(leaving.code or 0)
            finally:
                os._exit(code)

    def kill(self, number: int = signal.SIGKILL) -> None:
        os.kill(self.pid, number)

    def wait(self) -> int:
        """Return the exit code, negative where a signal ended it."""
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])

    def is_over(self) -> bool:
        return os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


@dataclass(frozen=True)
class Ended:
    """How a process ended: exit code, what it wrote, how much memory it had at most, and how long it took."""

    code: int
    out: str
    err: str
    peak_bytes: int
    seconds: float


def in_a_process(*arguments: object, timeout_s: float = 120.0, **options: object) -> Ended:
    """Run the command as a program of its own."""
    environment = {**ENVIRONMENT, **options.pop("env", {})}
    started = time.monotonic()
    with tempfile.NamedTemporaryFile("r") as peak:
        process = subprocess.Popen(
            [sys.executable, "-c", MEASURED, peak.name, *map(str, arguments)],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment, **options,
        )  # fmt: skip
        try:
            out, err = process.communicate(timeout=timeout_s)
        except subprocess.TimeoutExpired:
            process.kill()
            out, err = process.communicate()
            pytest.fail(f"it hangs: {arguments}\n{out!r}\n{err!r}")
        texts = (stream.decode("utf-8", "backslashreplace") for stream in (out, err))
        return Ended(process.returncode, *texts, int(peak.read()) * 1024, time.monotonic() - started)


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """Make a folder one that cannot be written to: by its mode, or, as root may write everywhere, as a disk."""
    if os.geteuid():
        folder.chmod(0o500)
        try:
            yield
        finally:
            folder.chmod(0o700)
        return
    mounting = subprocess.run(
        ["mount", "--bind", folder, folder], capture_output=True, text=True, check=False
    )  # fmt: skip
    if mounting.returncode:
        pytest.skip(f"root may write everywhere, and may not mount here: {mounting.stderr.strip()}")
    try:
        subprocess.run(["mount", "-o", "remount,bind,ro", folder], check=True)
        yield
    finally:
        subprocess.run(["umount", folder], check=True)
