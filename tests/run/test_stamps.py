"""A second run believes results whose size, inode and times are what they were, and reads all others through."""

from __future__ import annotations

import json
import os
import sys
from contextlib import contextmanager
from functools import cache

import pytest

from nights import small_night
from workbench import command

#: What is opened while somebody watches; a hook of the interpreter cannot be taken away again.
_OPENED: list[list[str]] = []


def _hear(event, arguments):
    if event == "open" and _OPENED and isinstance(arguments[0], str | bytes | os.PathLike):
        _OPENED[-1].append(os.fsdecode(arguments[0]))


@cache
def _listen():
    """Listen from the first test on that wants to know, and not from when files are looked for: it slows all others."""
    sys.addaudithook(_hear)


@contextmanager
def opened_in(folder):
    """The names of the results that are opened, however that is done in Python."""
    _listen()
    _OPENED.append([])
    names: set[str] = set()
    try:
        yield names
    finally:
        paths = _OPENED.pop()
        names |= {os.path.basename(path) for path in paths if path.startswith(f"{folder}/") and path.endswith(".fits")}  # noqa: PTH119


@pytest.fixture
def folder(tmp_path):
    small_night(tmp_path / "raw", one_filter=True)
    assert night(tmp_path).code == 0
    return tmp_path


def night(folder, *options):
    return command("night", folder / "raw", "-o", folder / "out", "--no-report", *options)


def results(folder):
    return {path.name for path in (folder / "out").rglob("*.fits")}


def stamps(folder):
    said = json.loads((folder / "out" / "run.json").read_text())
    return {name: said["this_run"].get("stamps_of_results", {}).get(name, "") for name in said["outputs"]}


@pytest.mark.long
def test_nothing_is_opened_whose_stamp_is_what_it_was(folder):
    assert all(stamps(folder).values())
    with opened_in(folder / "out") as names:
        run = night(folder)
    assert run.code == 0
    assert names == set()


@pytest.mark.long
def test_check_reads_all(folder):
    with opened_in(folder / "out") as names:
        assert night(folder, "--check").code == 0
    assert names == results(folder)


def test_a_change_is_seen_even_if_times_are_put_back(folder):
    victim = folder / "out" / "combined_bias.fits"
    before = victim.stat()
    with victim.open("r+b") as file:
        file.seek(-2880 * 20, os.SEEK_END)
        file.write(b"\1")
    os.utime(victim, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert (victim.stat().st_size, victim.stat().st_mtime_ns) == (before.st_size, before.st_mtime_ns)
    run = night(folder)
    assert run.code == 2
    assert "combined_bias.fits: is there already: it has been changed since it was made" in run.err


@pytest.mark.long
def test_one_that_was_only_touched_is_read_through_once(folder):
    victim = folder / "out" / "combined_bias.fits"
    os.utime(victim)
    with opened_in(folder / "out") as names:
        assert night(folder).code == 0
    assert names == {"combined_bias.fits"}
    with opened_in(folder / "out") as names:
        assert night(folder).code == 0
    assert names == set()


def test_where_a_disk_counts_time_in_coarse_steps_all_is_read_through(folder):
    for path in (folder / "out").rglob("*.fits"):
        os.utime(path, ns=(10**18, 10**18))
    for _ in range(2):
        with opened_in(folder / "out") as names:
            assert night(folder).code == 0
        assert names == results(folder)
    assert set(stamps(folder).values()) == {""}
