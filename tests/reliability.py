"""What the tests of the promise share: runs that can be killed, hashes, a disk that can be read only."""

from __future__ import annotations

import hashlib
import itertools
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import warnings
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from workbench import SMALL_LFC, SMALL_SECTIONS, files_in, write_files
from zeroframe.cli.main import main
from zeroframe.simulate import simulate_biases

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SOURCE = Path(__file__).resolve().parents[1] / "src"
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(SOURCE)}
PROGRAM = (sys.executable, "-m", "zeroframe")
#: The command, and what it leaves behind: how much memory it had at most, and its seconds of the processor, which other
#: work on the machine does not change. The system counts the memory of the parent, too (ru_maxrss of a process that was
#: begun by vfork), but not in VmHWM.
MEASURED = """
import os, re, sys, time
from zeroframe.cli.main import main
try:
    main(sys.argv[2:])
finally:
    with open("/proc/self/status") as status, open(sys.argv[1], "w") as measured:
        measured.write(re.search(r"VmHWM:\\s+(\\d+) kB", status.read())[1] + f" {time.process_time()}")
"""
#: What takes longer hangs: it is waited for so long only where something is broken.
PATIENCE_S = 300.0
ALL_CASES = bool(os.environ.get("ZEROFRAME_ALL_CASES"))


def small_night(folder: Path, frames: int) -> Path:
    """Write biases of 632 x 400 pixels."""
    return write_files(folder, _biases(frames))


@cache
def _biases(frames: int) -> dict[str, bytes]:
    """Simulate them once for all tests of a process."""
    with tempfile.TemporaryDirectory() as folder:
        simulate_biases(SMALL_LFC, folder, frames=frames)
        return files_in(Path(folder))


def bias_arguments(raw: Path, out: Path, *more: object, report: bool = False) -> list[str]:
    page = () if report else ("--no-report",)
    return ["bias", str(raw), "-o", str(out), *SMALL_SECTIONS, *page, *map(str, more)]


def hashes(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of everything in a folder, hidden files too."""
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.iterdir())}


def results(folder: Path) -> dict[str, str]:
    """Return the same, but what tells of the run: when it was, and what it found there already."""
    return {name: digest for name, digest in hashes(folder).items() if name not in {"run.json", "report.html"}}


#: What a run does to files; moments between them are counted, so that a child can end at one of them.
_TOUCHES = frozenset(("open", "os.link", "os.rename", "os.remove", "os.mkdir", "os.scandir", "fcntl.flock"))
#: The command, held up: but for the first few, no file gets its name before a file is there whose path comes first. So
#: it is found at work however busy the machine is; and it is slow from then on: what came meanwhile comes first.
_HELD_UP = """
import itertools, os, sys, time
names = itertools.count(1)
def hold_up(event, about):
    if event == "os.link" and ".fits" in str(about[1]):
        number = next(names)
        while number > 6 and not os.path.exists(sys.argv[1]):
            time.sleep(0.01)
        time.sleep(0.1)
sys.addaudithook(hold_up)
from zeroframe.cli.main import main
main(sys.argv[2:])
"""


def forked() -> int:
    """Fork without the warning of Python 3.12 that threads of libraries, which are idle here, are not in the child."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return os.fork()


class Fork:
    """The command in a child of this process, where all is imported and compiled already.

    It kills itself at one of the moments between its touches of files, where such a number is given.
    """

    def __init__(self, arguments: list[str], *, dies_at: int = 0) -> None:
        self._counted, count = os.pipe()
        self.pid = forked()
        if self.pid == 0:
            code = 99
            touches = itertools.count(1)

            def touch(event: str, _: object) -> None:
                if event in _TOUCHES and next(touches) == dies_at:
                    os.kill(os.getpid(), signal.SIGKILL)

            sys.addaudithook(touch)
            try:
                nowhere = os.open(os.devnull, os.O_WRONLY)
                os.dup2(nowhere, 1)
                os.dup2(nowhere, 2)
                main(arguments)
            except SystemExit as leaving:
                code = int(leaving.code or 0)
            finally:
                os.write(count, str(next(touches) - 1).encode())
                os._exit(code)
        os.close(count)

    def kill(self, number: int = signal.SIGKILL) -> None:
        os.kill(self.pid, number)

    def wait(self) -> int:
        """Return the exit code, negative where a signal ended it."""
        self.touches = int(os.read(self._counted, 20) or 0)  # none where it was killed
        os.close(self._counted)
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


class HeldUp:
    """The command in a process of its own, which stands still after some results until it is let go on.

    Parameters
    ----------
    gate : pathlib.Path
        A file that is not there yet.
    *arguments
        Of the command.
    **options
        Of `subprocess.Popen`.
    """

    def __init__(self, gate: Path, *arguments: object, **options: object) -> None:
        self._gate = gate
        asked = [sys.executable, "-c", _HELD_UP, str(gate), *map(str, arguments)]
        self.process = subprocess.Popen(asked, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options)

    def until(self, holds: Callable[[], object]) -> None:
        """Wait until something is so, or the process has ended."""
        deadline = time.monotonic() + PATIENCE_S
        while not holds() and time.monotonic() < deadline and self.process.poll() is None:
            time.sleep(0.01)

    def ended(self) -> tuple[int, str, str]:
        """Let it go on; return its exit code and what it has written, when it has ended."""
        self._gate.touch()
        out, err = self.process.communicate(timeout=PATIENCE_S)
        return self.process.returncode, out, err


@dataclass(frozen=True)
class Ended:
    """How a process ended: exit code, what it wrote, its memory at most, and its seconds of the processor."""

    code: int
    out: str
    err: str
    peak_bytes: int
    seconds: float


def in_a_process(*arguments: object, timeout_s: float = PATIENCE_S, **options: object) -> Ended:
    """Run the command as a program of its own."""
    environment = {**ENVIRONMENT, **options.pop("env", {})}
    with tempfile.NamedTemporaryFile("r") as measured:
        process = subprocess.Popen(
            [sys.executable, "-c", MEASURED, measured.name, *map(str, arguments)],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment, **options,
        )  # fmt: skip
        try:
            out, err = process.communicate(timeout=timeout_s)
        except subprocess.TimeoutExpired:
            process.kill()
            out, err = process.communicate()
            pytest.fail(f"it hangs: {arguments}\n{out!r}\n{err!r}")
        texts = (stream.decode("utf-8", "backslashreplace") for stream in (out, err))
        kilobytes, seconds = measured.read().split()
        return Ended(process.returncode, *texts, int(kilobytes) * 1024, float(seconds))


def preloaded_library(source: str, folder: Path) -> Path:
    """Compile what stands before libc's functions in a process that is started with LD_PRELOAD."""
    if shutil.which("gcc") is None or os.uname().sysname != "Linux":
        pytest.skip("needs gcc and Linux")
    (folder / "shim.c").write_text(source)
    subprocess.run(["gcc", "-shared", "-fPIC", "-o", folder / "shim.so", folder / "shim.c", "-ldl"], check=True)
    return folder / "shim.so"


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
