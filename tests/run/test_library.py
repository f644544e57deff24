"""A library of combined frames: what is added is there, whole, and found again by what it is valid for."""

from __future__ import annotations

import json
import multiprocessing
import shutil
from dataclasses import asdict, replace
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

import zeroframe
from nights import calibrated
from stored_nights import DAYS, night_of
from stores import BUCKET, files, store
from zeroframe.cli.main import main
from zeroframe.fits.store.names import as_path
from zeroframe.planning.library import INDEX_NAME, index_text, library_items, read_library
from zeroframe.run.library import add_to_library, verify_library


@pytest.fixture(scope="module")
def night(tmp_path_factory):
    return night_of("apogee-cg16m", tmp_path_factory.mktemp("cg16m"))


@pytest.fixture
def library(night, tmp_path):
    add_to_library(night.out, tmp_path / "library")
    return tmp_path / "library"


def exit_code(*words):
    with pytest.raises(SystemExit) as left:
        main([str(word) for word in words])
    return left.value.code


def taken(night, base, library, more="", **options):
    """The science frames of another night, reduced with a library alone."""
    recipe = base / "night.toml"
    recipe.write_text(night.recipe + more)
    raw = base / "science"
    if not raw.exists():
        night.later(raw)
    return zeroframe.night(raw, base / "out", recipe=recipe, library=library, **{"report": False, **options})


def same_as_raw(night, out):
    for name in night.science:
        ours, theirs = (calibrated(night.target(folder, name)) for folder in (night.out, out))
        np.testing.assert_array_equal(theirs.data, ours.data)
        np.testing.assert_array_equal(theirs.sigma, ours.sigma)
        np.testing.assert_array_equal(theirs.mask, ours.mask)


class TestAdding:
    def test_the_files_are_those_of_the_run_and_the_index_tells_them(self, night, library):
        entries = {Path(each.file).name: each for each in read_library(library).entries}
        assert set(entries) == {"combined_bias.fits", "combined_dark_90s.fits", "combined_flat_r.fits"}
        for name, each in entries.items():
            assert (library / each.file).read_bytes() == (night.out / name).read_bytes()
            assert (each.frames, each.made_by, each.traits.night) == (10, "zeroframe", "2018-08-22")
        dark = entries["combined_dark_90s.fits"]
        headers = [fits.getheader(path) for path in (night.folder / "raw").rglob("*.fit*")]
        temperatures_c = [each["CCD-TEMP"] for each in headers if each["IMAGETYP"].lower().startswith("dark")]
        assert len(temperatures_c) == dark.frames
        assert dark.traits.temperature_c == pytest.approx(np.mean(temperatures_c), abs=1e-6)
        assert (dark.traits.exposure_s, dark.includes_bias) == (90.0, False)
        assert entries["combined_flat_r.fits"].traits.filter_name == "r"
        assert verify_library(read_library(library)) == []

    def test_what_is_there_already_is_added_once(self, night, library):
        before = {path: path.stat().st_mtime_ns for path in library.rglob("*") if path.is_file()}
        again = add_to_library(night.out, library)
        assert (again.new, len(again.known)) == ((), 3)
        assert {path: path.stat().st_mtime_ns for path in library.rglob("*") if path.is_file()} == before

    def test_a_result_that_was_altered_is_refused(self, night, tmp_path):
        out = tmp_path / "out"
        shutil.copytree(night.out, out)
        with fits.open(out / "combined_bias.fits", mode="update") as hdus:
            hdus[0].data[3, 3] += 1
        with pytest.raises(zeroframe.DamagedError, match="is not the file that the run has made"):
            add_to_library(out, tmp_path / "library")
        assert not (tmp_path / "library").exists()

    def test_frames_of_another_program_are_taken_and_single_ones_named(self, night, tmp_path):
        folder = tmp_path / "masters"
        folder.mkdir()
        data = fits.getdata(night.out / "combined_bias.fits")
        said = {"IMAGETYP": "zero", "DATE-OBS": "2018-08-22T22:00:00"}
        fits.writeto(folder / "Zero.fits", data, fits.Header({**said, "NCOMBINE": 7, "IMCMB001": "a"}))
        fits.writeto(folder / "single.fits", data, fits.Header(said))
        added = add_to_library(folder, tmp_path / "library")
        (entry,) = read_library(tmp_path / "library").entries
        assert (entry.frames, entry.made_by, entry.kind) == (7, "IRAF", "bias")
        assert added.left_out == ("single.fits: a bias, but no card says that it was combined",)
        with pytest.raises(zeroframe.NoFramesError, match="no combined frame"):
            add_to_library(night.raw, tmp_path / "library")

    @pytest.mark.long
    def test_many_writers_at_once_lose_nothing(self, tmp_path):
        sources = []
        for number in range(6):
            folder = tmp_path / f"masters{number}"
            folder.mkdir()
            header = fits.Header({"IMAGETYP": "zero", "NCOMBINE": 2 + number, "DATE-OBS": f"2018-08-{10 + number}"})
            fits.writeto(folder / "Zero.fits", np.full((30, 40), number, np.float32), header)
            sources.append(folder)
        context = multiprocessing.get_context("spawn")
        writers = [context.Process(target=add_to_library, args=(each, tmp_path / "library")) for each in sources]
        for each in writers:
            each.start()
        for each in writers:
            each.join(300)
        assert [each.exitcode for each in writers] == [0] * len(writers)
        library = read_library(tmp_path / "library")
        assert sorted(each.frames for each in library.entries) == [2, 3, 4, 5, 6, 7]
        assert verify_library(library) == []

    def test_one_that_was_cut_off_is_added_again(self, night, library):
        """A file that has its name is whole; it does not stand in the index, and the next one puts it there."""
        (library / INDEX_NAME).unlink()
        added = add_to_library(night.out, library)
        assert len(added.new) == 3
        assert verify_library(read_library(library)) == []


class TestTaking:
    def test_science_is_that_of_raw_calibration_frames(self, night, library, tmp_path):
        made = taken(night, tmp_path, library)
        assert made.result.is_good, made.result.failed
        same_as_raw(night, tmp_path / "out")
        assert {name.partition("/")[0] for each in made.plan.frames for name in each.steps.needs if "/" in name} == {
            "library"
        }

    def test_of_a_thousand_those_of_the_nearest_night_are_looked_at(self, night, library, tmp_path):
        known = read_library(library)
        entries = []
        for number in range(333):
            day = date(2018, 10, 1) + timedelta(days=number - 333)
            for each in known.entries:
                kind, file = each.kind, f"x{number}/{each.file}"
                traits = replace(each.traits, night=day.isoformat())
                if kind == "flat" and number % 2:
                    traits = replace(traits, filter_name="V")
                if kind == "dark" and number % 3:
                    traits = replace(traits, temperature_c=-30.0)
                entries.append(replace(each, file=file, traits=traits))
        (library / INDEX_NAME).write_text(index_text([*entries, *known.entries]))
        recipe = tmp_path / "r.toml"
        recipe.write_text(night.recipe)
        plan = zeroframe.plan(night.later(tmp_path / "science"), tmp_path / "out", recipe=recipe).plan
        found = library_items(read_library(library), plan.frames, plan.recipe)
        files = {item.name.split("/", 1)[1] for item in found}
        taken_on = date.fromisoformat("2018-08-22") + timedelta(days=DAYS)
        by_file = {each.file: each for each in entries}
        nights = {kind: [] for kind in ("bias", "dark", "flat")}
        for file in files:
            nights[by_file[file].kind].append(by_file[file].traits)
        assert {kind: len(some) for kind, some in nights.items()} == {"bias": 3, "dark": 3, "flat": 3}
        for kind, some in nights.items():
            right = [
                each.traits for each in entries
                if each.kind == kind and each.traits.temperature_c != -30.0 and each.traits.filter_name != "V"
            ]  # fmt: skip
            apart = sorted(abs((date.fromisoformat(one.night) - taken_on).days) for one in right)[:3]
            assert sorted(abs((date.fromisoformat(one.night) - taken_on).days) for one in some) == apart

    def test_a_file_that_was_altered_is_not_used_and_told(self, night, library, tmp_path, capsys):
        (flat,) = library.rglob("combined_flat_r.fits")
        with fits.open(flat, mode="update") as hdus:
            hdus[0].data[3, 3] *= 2
        made = taken(night, tmp_path, library)
        assert all(frame.steps.flat is None for frame in made.plan.science)
        (said,) = [choice.value for choice in made.plan.choices if choice.what == "stored, left alone"]
        assert "combined_flat_r.fits" in said
        assert exit_code("library", "verify", library) == 1
        assert "has been altered" in capsys.readouterr().out
        flat.unlink()
        assert "is missing" in verify_library(read_library(library))[0]

    def test_a_library_that_is_not_there_or_damaged(self, night, library, tmp_path):
        with pytest.raises(zeroframe.NoFramesError, match="zeroframe library add"):
            taken(night, tmp_path, tmp_path / "nowhere")
        text = (library / INDEX_NAME).read_text()
        for wrong in (
            "",
            "{",
            "[]",
            text.replace('"format": 1', '"format": 9'),
            text.replace('"file": "', '"file": "../'),
        ):
            (library / INDEX_NAME).write_text(wrong)
            with pytest.raises(zeroframe.DamagedError, match="is no index of a library"):
                taken(night, tmp_path, library)
            with pytest.raises(zeroframe.DamagedError, match="is no index of a library"):
                add_to_library(night.out, library)


class TestCommands:
    def test_night_takes_from_it_and_adds_to_it(self, night, tmp_path, capsys):
        recipe, library = tmp_path / "r.toml", tmp_path / "library"
        recipe.write_text(night.recipe)
        options = ("--recipe", recipe, "--library", library, "--library-add", "--no-report")
        assert exit_code("night", night.raw, "-o", tmp_path / "first", *options) == 0
        assert "3 files added to" in capsys.readouterr().out
        science = night.later(tmp_path / "science")
        assert exit_code("night", science, "-o", tmp_path / "second", *options) == 0
        assert "nothing to add" in capsys.readouterr().out
        same_as_raw(night, tmp_path / "second")
        assert exit_code("library", "ls", library) == 0
        shown = capsys.readouterr().out
        assert "combined_dark_90s.fits" in shown
        assert exit_code("library", "ls", library, "--json") == 0
        listed = json.loads(capsys.readouterr().out)
        entries = [asdict(each) for each in read_library(library).entries]
        assert listed["entries"] == json.loads(json.dumps(entries))
        assert exit_code("library", "verify", library) == 0

    @pytest.mark.parametrize("place", ["raw", "raw/library", "link/library", "out", "out/library"])
    def test_it_never_lies_among_raw_frames_nor_among_the_results_it_takes(self, night, tmp_path, capsys, place):
        raw, out, recipe = tmp_path / "raw", tmp_path / "out", tmp_path / "r.toml"
        shutil.copytree(night.raw, raw)
        (tmp_path / "link").symlink_to(raw)
        recipe.write_text(night.recipe)
        before = sorted(raw.rglob("*"))
        adding = ("night", raw, "-o", out, "--recipe", recipe, "--library", tmp_path / place, "--library-add")
        assert exit_code(*adding, "--no-report") == 2
        assert "give the library a folder of its own" in capsys.readouterr().err
        assert not out.exists()
        assert exit_code("night", raw, "-o", out, "--recipe", recipe, "--no-report") == 0
        results = sorted(out.rglob("*"))
        assert exit_code("library", "add", out, tmp_path / place) == 2
        assert "give the library a folder of its own" in capsys.readouterr().err
        assert (sorted(raw.rglob("*")), sorted(out.rglob("*"))) == (before, results)

    def test_a_dry_run_makes_no_library(self, night, tmp_path):
        options = ("-o", tmp_path / "out", "--library", tmp_path / "library", "--library-add", "--dry-run")
        assert exit_code("night", night.raw, *options) == 0
        assert list(tmp_path.iterdir()) == []

    def test_a_folder_of_other_frames_is_no_library(self, night, tmp_path, capsys):
        science = night.later(tmp_path / "science")
        before = sorted(science.rglob("*"))
        assert exit_code("library", "add", night.out, science) == 2
        assert "it is no library" in capsys.readouterr().err
        assert sorted(science.rglob("*")) == before

    def test_adding_without_a_library_is_refused(self, night, tmp_path, capsys):
        assert exit_code("night", night.raw, "-o", tmp_path / "out", "--library-add") == 2
        assert "give --library DIR" in capsys.readouterr().err


@pytest.mark.long
def test_a_library_in_a_store(night, tmp_path):
    with store():
        url = f"s3://{BUCKET}/library"
        assert len(add_to_library(night.out, as_path(url)).new) == 3
        assert add_to_library(night.out, as_path(url)).new == ()
        assert verify_library(read_library(as_path(url))) == []
        made = taken(night, tmp_path, url)
        assert made.result.is_good, made.result.failed
        same_as_raw(night, tmp_path / "out")
        assert not [name for name in files().find(f"{BUCKET}/library") if name.rpartition("/")[2].startswith(".")]
