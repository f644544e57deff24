"""Sizes of memory, and threads."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from zeroframe import workers
from zeroframe.errors import UsageError
from zeroframe.workers import available_bytes, default_limit_bytes, map_threads, parse_size, usable_cores, worker_count


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("2G", 2 * 10**9),
        ("500 MB", 5 * 10**8),
        ("1.5GiB", 3 * 2**29),
        (" 64k ", 64000),
        ("1e9", 10**9),
        (350e6, 35 * 10**7),
        ("4Ti", 4 * 2**40),
        (1, 1),
        ("100B", 100),
        (".5M", 500000),
        ("2.G", 2 * 10**9),
    ],
)
def test_sizes(text, size):
    assert parse_size(text) == size


@pytest.mark.parametrize(
    "text", ["", "G", ".", "1.2.3M", "-1G", "0", 0, -5, "inf", float("nan"), float("inf"), "2X", "I", "1e99", "2 GG"]
)
def test_sizes_that_make_no_sense(text):
    with pytest.raises(UsageError, match="is not a size in memory; write for example '2G'"):
        parse_size(text)


def test_half_of_what_is_there_is_the_default():
    assert 0 < available_bytes() < 2**50
    assert default_limit_bytes() == pytest.approx(available_bytes() / 2, rel=0.2)


@pytest.fixture
def groups(tmp_path, monkeypatch):
    monkeypatch.setattr(workers, "_CONTROL_GROUPS", tmp_path)
    monkeypatch.setattr(workers, "_own_groups", lambda: [tmp_path / "job", tmp_path])

    def write(folder, limit, used, cached=0):
        folder.mkdir(exist_ok=True)
        (folder / "memory.max").write_text(f"{limit}\n")
        (folder / "memory.current").write_text(f"{used}\n")
        (folder / "memory.stat").write_text(f"anon 5\ninactive_file {cached}\nfile 9\n")

    return lambda *sizes, inner=True: write(tmp_path / "job" if inner else tmp_path, *sizes)


def test_control_groups_limit_what_is_available(groups):
    unlimited = available_bytes()
    groups(5_000_000, 3_000_000, 1_000_000)
    assert available_bytes() == 3_000_000
    groups(2_000_000, 0, inner=False)
    assert available_bytes() == 2_000_000
    groups(5_000_000, 9_000_000)
    assert available_bytes() == 1
    groups("max", 9_000_000)
    groups("max", 9_000_000, inner=False)
    assert available_bytes() == pytest.approx(unlimited, rel=0.2)


def test_the_groups_of_this_process_are_found():
    found = workers._own_groups()
    assert found[-1] == workers._CONTROL_GROUPS
    assert all(folder.is_relative_to(workers._CONTROL_GROUPS) for folder in found)


@pytest.fixture
def no_meminfo(monkeypatch):
    """A system that has no /proc, as macOS and Windows."""
    read_text = Path.read_text

    def missing(path, *args, **options):
        if path.is_relative_to("/proc"):
            raise FileNotFoundError(2, "No such file or directory", str(path))
        return read_text(path, *args, **options)

    monkeypatch.setattr(Path, "read_text", missing)


def test_where_linux_does_not_say_what_is_free_it_is_half_of_what_is_built_in(no_meminfo, monkeypatch):
    pages = {"SC_PAGE_SIZE": 16384, "SC_PHYS_PAGES": 2**20}
    monkeypatch.setattr(os, "sysconf", pages.__getitem__, raising=False)
    assert available_bytes() == 2**33


@pytest.mark.parametrize(("answers", "expected"), [(True, 2**33), (False, 2**31), (None, 2**31)])
def test_windows_is_asked_in_its_own_words(no_meminfo, monkeypatch, answers, expected):
    """16 GiB in kilobytes; a system that does not answer is taken for one of 4 GiB."""

    def answer(where):
        where._obj.value = 2**24
        return answers

    asked = SimpleNamespace(kernel32=SimpleNamespace(GetPhysicallyInstalledSystemMemory=answer))
    monkeypatch.delattr(os, "sysconf", raising=False)
    monkeypatch.setattr(ctypes, "windll", None if answers is None else asked, raising=False)
    assert available_bytes() == expected


def test_a_process_in_no_group_has_the_limits_of_the_whole(no_meminfo):
    assert workers._own_groups() == [workers._CONTROL_GROUPS]


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "gnu_get_libc_version"), reason="another C library")
def test_threads_take_the_memory_that_others_have_left():
    # eight threads fill 3 MB in turn, while all others are there; pages of four kilobytes that are new are counted
    code = (
        "import resource, threading\nfrom zeroframe.__main__ import _keep_freed_memory\n_keep_freed_memory()\n"
        "import numpy as np\nfrom concurrent.futures import ThreadPoolExecutor\n"
        "turns = [threading.Event() for _ in range(9)]\n"
        "def fill(number):\n"
        "    turns[number].wait()\n"
        "    before = resource.getrusage(resource.RUSAGE_THREAD).ru_minflt\n"
        "    np.ones(3 << 17)\n"
        "    found = resource.getrusage(resource.RUSAGE_THREAD).ru_minflt - before\n"
        "    turns[number + 1].set()\n"
        "    turns[8].wait()\n"
        "    return found\n"
        "turns[0].set()\n"
        "with ThreadPoolExecutor(8) as pool:\n"
        "    print(sum(pool.map(fill, range(8))))"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(said.stdout) < 4 * (3 << 20) / 4096  # as of four of them at most; each of its own heap: of eight


def test_results_come_in_order():
    def slow_first(n):
        time.sleep(0.02 if n == 0 else 0)
        return -n

    assert map_threads(slow_first, range(9), workers=4) == [-n for n in range(9)]
    assert map_threads(slow_first, [], workers=4) == []


def test_the_first_error_is_raised_and_the_rest_is_not_started():
    started = []

    def fail(n):
        started.append(n)
        time.sleep(0.1 if n else 0.0)  # time enough for the first error to be seen on a busy machine
        raise KeyError(n)

    with pytest.raises(KeyError, match="0"):
        map_threads(fail, range(1000), workers=2)
    assert len(started) < 500


def test_threads_run_side_by_side():
    meeting = threading.Barrier(3, timeout=300)
    assert map_threads(lambda _: meeting.wait() >= 0, range(3), workers=3) == [True] * 3


@pytest.mark.parametrize("workers", [0, -3])
def test_workers_that_make_no_sense(workers):
    with pytest.raises(UsageError, match=f"workers is {workers}"):
        map_threads(abs, [1], workers=workers)
    with pytest.raises(UsageError):
        worker_count(workers)
    assert worker_count(None) == usable_cores()
