"""On a cluster, the process that a command was typed into opens no raw frame and no calibrated one: its workers do.

Of a combined frame it reads what the next one inherits, where it puts that together from bands of rows.
"""

from __future__ import annotations

import os
import shutil
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import pytest

from nights import RECIPES, all_bytes, small_night
from workbench import command, small_folder
from zeroframe.errors import FrameError, HeaderWarning, NoFramesError
from zeroframe.headers.survey import survey, survey_tree
from zeroframe.planning.calendar import make_calendar
from zeroframe.planning.recipe import parse_recipe
from zeroframe.workers import JobResources, done_by

RECIPE = RECIPES["palomar-lfc"]
SECTIONS = ("--overscan", "[17:20,:]", "--trim", "[1:16,:]")
pytestmark = [
    pytest.mark.long,
    pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::DeprecationWarning"),
]

_OPENED: list[tuple[str, str]] = []
_LOOKS: list[bool] = []


def _note(event, arguments):
    """Note what Python opens, with its mode; such a hook stays for the life of a process."""
    if _LOOKS and event == "open" and isinstance(arguments[0], str):
        path, mode, flags = arguments
        _OPENED.append((path, mode or ("w" if flags & (os.O_WRONLY | os.O_RDWR) else "r")))


@cache
def _listen():
    """Listen from the first test on that wants to know, and not from when files are looked for: it slows all others."""
    sys.addaudithook(_note)


@contextmanager
def opened_here(*folders):
    """Collect the frames below some folders that this process opens for reading."""
    _listen()
    found = []
    _OPENED.clear()
    _LOOKS.append(True)
    try:
        yield found
    finally:
        _LOOKS.clear()
        roots = tuple(f"{folder}{os.sep}" for folder in folders)
        found += [path for path, mode in _OPENED if path.startswith(roots) and ".fits" in path and "r" in mode]


@pytest.fixture(scope="module")
def raw(tmp_path_factory):
    return small_night(tmp_path_factory.mktemp("night") / "raw", one_filter=True)


@pytest.fixture
def recipe(tmp_path):
    path = tmp_path / "night.toml"
    path.write_text(RECIPE)
    return path


class TestOfADisk:
    def test_a_run_here_is_seen_to_read(self, raw, recipe, tmp_path):
        out = tmp_path / "out"
        with opened_here(raw, out) as found:
            assert command("night", raw, "-o", out, "--recipe", recipe, "--no-report").code == 0
        assert {path for path in found if path.startswith(str(raw))} == {str(path) for path in raw.rglob("*.fits")}

    def test_a_night_with_its_page(self, two_workers, raw, recipe, tmp_path):
        pytest.importorskip("jinja2", reason="the page needs jinja2: pip install 'zeroframe[report]'")
        near, far = tmp_path / "near", tmp_path / "far"
        assert command("night", raw, "-o", near, "--recipe", recipe).code == 0
        arguments = ("night", raw, "-o", far, "--recipe", recipe, "--cluster", two_workers.address)
        with opened_here(raw, far) as found:
            run = command(*arguments)
        assert (run.code, run.err, _calibrated(found)) == (0, "", [])
        assert all_bytes(far) == all_bytes(near)
        assert _pictures(far) == _pictures(near) != []
        (far / "ccd.037.0.fits").unlink()
        with opened_here(raw, far) as found:
            assert command(*arguments).code == 0
            assert command(*arguments, "--check").code == 0
        assert _calibrated(found) == []
        assert all_bytes(far) == all_bytes(near)

    def test_pixels_by_which_a_night_is_planned(self, two_workers, tmp_path):
        raw = tmp_path / "raw"
        assert command("simulate", "palomar-lfc", raw, "--night", "--size", "64x64").code == 0
        plans = []
        for more in ((), ("--cluster", two_workers.address), ("--by-night", "--cluster", two_workers.address)):
            out = tmp_path / f"out{len(plans)}"
            with opened_here(raw) as found:
                run = command("night", raw, "-o", out, "--no-report", *more)
            assert run.code == 0, run.err
            assert bool(found) is not bool(more)
            plans.append(all_bytes(out if "--by-night" not in more else next(out.iterdir())))
        assert plans[1] == plans[0] != {}
        assert plans[2] == plans[0]

    def test_biases_combined_by_bands(self, two_workers, tmp_path):
        raw, out = tmp_path / "raw", tmp_path / "far"
        small_folder(raw, 3)
        assert command("bias", raw, "-o", tmp_path / "near", *SECTIONS, "--no-report").code == 0
        with opened_here(raw, out) as found:
            run = command("bias", raw, "-o", out, *SECTIONS, "--no-report", "--cluster", two_workers.address)
        assert (run.code, found) == (0, [])
        assert all_bytes(out) == all_bytes(tmp_path / "near")


def _calibrated(found: list[str]) -> list[str]:
    """Leave out combined frames."""
    return [path for path in found if not Path(path).name.startswith("combined_")]


def _pictures(out: Path) -> list[str]:
    """Return what the page of a folder draws."""
    return [part.partition('"')[0] for part in (out / "report.html").read_text().split('src="data:')[1:]]


class TestHeaders:
    @pytest.fixture
    def folder(self, raw, tmp_path):
        """Frames, one that is cut off, one that states what cannot be, text called FITS, text, and a film."""
        folder = tmp_path / "raw"
        shutil.copytree(raw, folder)
        first, second, *_ = sorted(folder.glob("*.fits"))
        first.write_bytes(first.read_bytes()[:3000])
        second.write_bytes(second.read_bytes().replace(b"EXPTIME =", b"EXPTIME = 1e30 /", 1)[: second.stat().st_size])
        (folder / "a.fits").write_text("no frame")
        (folder / "notes.txt").write_text("clouds")
        (folder / "film.ser").write_bytes(b"LUCAM-RECORDER")
        return folder

    def test_as_they_are_found_here(self, folder):
        with warnings.catch_warnings(record=True) as near_said:
            warnings.simplefilter("always")
            near = survey_tree(folder)
        with ThreadPoolExecutor(2) as pool, warnings.catch_warnings(record=True) as far_said:
            warnings.simplefilter("always")
            far = survey_tree(folder, executor=pool)
        assert [(item.path, str(item.problem), item.facts, item.found) for item in far] == [
            (item.path, str(item.problem), item.facts, item.found) for item in near
        ]
        assert [str(each.message) for each in far_said] == [str(each.message) for each in near_said]
        assert len(near_said) >= 1
        assert sum(item.problem is not None for item in far) >= 2

    def test_nights_are_told_apart_as_here(self, folder):
        paths = [path for path in sorted(folder.rglob("*")) if path.is_file()]
        with ThreadPoolExecutor(2) as pool, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for sifts in (True, False):
                far = make_calendar(paths, parse_recipe(RECIPE), sifts=sifts, resources=JobResources(executor=pool))
                assert far == make_calendar(paths, parse_recipe(RECIPE), sifts=sifts)

    def test_many_files_are_one_job(self, raw):
        jobs = []

        class Counting(ThreadPoolExecutor):
            def submit(self, fn, /, *arguments):
                jobs.append(arguments)
                return super().submit(fn, *arguments)

        paths = sorted(raw.rglob("*.fits"))
        with Counting(2) as pool:
            assert len(survey(paths * 8, executor=pool)) == 8 * len(paths)
        assert len(jobs) == -(-8 * len(paths) // 64)


def _warn_and_fail(path):
    warnings.warn("an exposure of thousands of years", HeaderWarning, stacklevel=1)
    raise FrameError(path, "is none", "look at it")


class TestElsewhere:
    def test_what_is_said_there_is_said_here(self):
        said = pytest.warns(HeaderWarning, match="thousands of years")
        with ThreadPoolExecutor(1) as pool, said, pytest.raises(FrameError, match=r"b1\.fits: is none; look at it"):
            done_by(pool, _warn_and_fail, "b1.fits")

    def test_nothing_there(self, tmp_path):
        with pytest.raises(NoFramesError), ThreadPoolExecutor(1) as pool:
            survey_tree(tmp_path / "none", executor=pool)
