"""The commands on a system without fcntl, pread and their kin, where nobody renames or removes an open file.

See `tests/like_windows.py`. What Windows does beyond that is tested by the workflow for the usual host, on a real one.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from kernel_table import NJIT
from nights import small_night
from zeroframe.fits import system
from zeroframe.fits.atomic import atomic_file, remove_stale_parts

pytestmark = pytest.mark.skipif(NJIT, reason="numba asks the real system, which is not Windows, where its cache may be")
COMMAND = Path(__file__).parents[1] / "like_windows.py"


def there(*arguments, folder):
    """Run a command on such a system; return exit code, standard output and standard error."""
    asked = subprocess.run(
        [sys.executable, COMMAND, *map(str, arguments)], check=False, cwd=folder, capture_output=True, text=True
    )
    return asked.returncode, asked.stdout, asked.stderr


def here(*arguments, folder):
    command = [sys.executable, "-m", "zeroframe", *map(str, arguments)]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)


def pixels_and_headers(folder):
    """Bytes of the results, without the record and the page, in which times stand."""
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir()) if path.suffix == ".fits"}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with raw frames, and the results that this system makes of them."""
    folder = tmp_path_factory.mktemp("windows")
    small_night(folder / "raw")
    here("night", "raw", "-o", "here", folder=folder)
    return folder


@pytest.fixture(scope="module")
def reduced(place):
    code, said, troubles = there("night", "raw", "-o", "there", folder=place)
    assert (code, troubles) == (0, ""), said + troubles
    return place / "there"


@pytest.mark.long
def test_a_night_is_the_same_to_the_byte(place, reduced):
    made = pixels_and_headers(reduced)
    assert len(made) > 6
    assert made == pixels_and_headers(place / "here")


@pytest.mark.long
def test_nothing_is_left_behind(place, reduced):
    assert not [path.name for path in place.rglob(".*")]


@pytest.mark.long
def test_a_second_run_keeps_everything_and_replaces_what_it_may(place, reduced):
    before = {path.name: path.stat().st_mtime_ns for path in reduced.glob("*.fits")}
    code, said, _ = there("night", "raw", "-o", "there", "--json", folder=place)
    assert code == 0
    assert json.loads(said)["verdict"]["tone"] == "good"
    assert {path.name: path.stat().st_mtime_ns for path in reduced.glob("*.fits")} == before
    code, _, troubles = there("night", "raw", "-o", "there", "--overwrite", folder=place)
    assert (code, troubles) == (0, "")
    assert pixels_and_headers(reduced) == pixels_and_headers(place / "here")


COMMANDS = [("ls", "raw"), ("explain", "raw/ccd.001.0.fits"), ("inspect", "raw"), ("verify", "there")]


@pytest.mark.long
@pytest.mark.parametrize("command", COMMANDS)
def test_other_commands_say_the_same(place, reduced, command):
    code, said, _ = there(*command, folder=place)
    same = here(*command, folder=place)
    assert (code, said) == (0, same.stdout)


@pytest.mark.long
def test_frames_are_combined(place, reduced):
    frames = [path.relative_to(place) for path in sorted((place / "raw").glob("*.fits"))[:3]]
    assert len(frames) == 3
    code, _, troubles = there("combine", *frames, "-o", "c.fits", folder=place)
    assert (code, troubles) == (0, ""), troubles
    here("combine", *frames, "-o", "d.fits", folder=place)
    assert (place / "c.fits").read_bytes() == (place / "d.fits").read_bytes()


@pytest.mark.long
def test_a_folder_in_which_another_run_writes_is_refused(place, tmp_path):
    """The other run is on such a system, too: it holds the lock of bytes."""
    held = "import like_windows, sys, pathlib; like_windows.hide()\nfrom zeroframe.run.lock import folder_lock\n"
    held += f"with folder_lock(pathlib.Path({str(tmp_path)!r})):\n    print('held', flush=True); sys.stdin.read()"
    other = subprocess.Popen(
        [sys.executable, "-c", held], cwd=COMMAND.parent, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        code, _, troubles = there("night", "raw", "-o", tmp_path, folder=place)
        assert other.stdin is not None
        other.stdin.close()
    assert code == 2
    assert f"another run of zeroframe (process {other.pid} on " in troubles


@pytest.mark.long
def test_a_killed_run_leaves_what_the_next_one_goes_on_with(place, tmp_path):
    begun = subprocess.Popen([sys.executable, COMMAND, "night", place / "raw", "-o", tmp_path / "out"])
    while not list((tmp_path / "out").glob("*.fits")) and begun.poll() is None:
        time.sleep(0.002)
    begun.kill()
    begun.wait()
    code, _, troubles = there("night", "raw", "-o", tmp_path / "out", folder=place)
    assert code == 0, troubles
    assert pixels_and_headers(tmp_path / "out") == pixels_and_headers(place / "here")


def test_a_file_that_another_program_has_open_is_named(tmp_path, monkeypatch):
    path = tmp_path / "a.fits"
    path.write_bytes(b"old")

    def refuse(source, target):
        error = PermissionError(13, "The process cannot access the file", str(target))
        error.winerror = 32  # type: ignore[attr-defined]
        raise error

    monkeypatch.setattr(os, "replace", refuse)
    with (
        pytest.raises(Exception, match=r"a\.fits: cannot be written .*; close the program that has it open"),
        atomic_file(path, overwrite=True),
    ):
        pass
    assert [each.name for each in tmp_path.iterdir()] == ["a.fits"]
    assert path.read_bytes() == b"old"


def test_where_a_file_is_closed_before_it_is_named_it_is_not_taken_for_left_over(tmp_path, monkeypatch):
    from zeroframe.fits import atomic

    monkeypatch.setattr(atomic, "MOVES_OPEN_FILES", False)
    hidden = tmp_path / atomic.hidden_name("a.fits")  # of this process, which is there; nobody has it locked
    hidden.write_bytes(b"")
    assert remove_stale_parts(tmp_path) == []
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    left = tmp_path / hidden.name.replace(f".{os.getpid()}-", f".{dead.pid}-")
    hidden.rename(left)
    assert remove_stale_parts(tmp_path) == [left.name]


@pytest.mark.parametrize(
    ("name", "legal"),
    [
        ("2026-11-30T02:18:34.fits", "2026-11-30T02_18_34.fits"),
        ('a<b>c"d|e?f*.fits', "a_b_c_d_e_f_.fits"),
        ("con.fits", "_con.fits"),
        ("COM1.fits.gz", "_COM1.fits.gz"),
        ("common.fits", "common.fits"),
        ("dark. ", "dark"),
    ],
)
def test_names_that_windows_does_not_know_are_changed_there_only(monkeypatch, name, legal):
    assert system.legal_name(name) == name
    monkeypatch.setattr(system, "MOVES_OPEN_FILES", False)
    assert system.legal_name(name) == legal
