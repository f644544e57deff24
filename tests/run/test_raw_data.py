"""No file that something is made of, and none that is not our own result, is ever replaced: each way to come at one."""

from __future__ import annotations

import gzip
import json
import os
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from astropy.nddata import CCDData

from night_headers import frame
from reliability import bias_arguments, in_a_process
from reliability import small_night as small_biases
from sealed import bound, broken, sealed
from workbench import SMALL_LFC, command, names_in, raw_pixels, small_folder, write_raw
from zeroframe import ImageFileCollection, bias, write_ccd
from zeroframe import combine as combine_ccds
from zeroframe.errors import OutputError, OutputExistsError, RawFolderError
from zeroframe.fits.atomic import atomic_file, write_all
from zeroframe.fits.inputs import Inputs, RawFolders, url_parts
from zeroframe.fits.replacing import Replaceable
from zeroframe.fits.store.names import UrlPath, as_path
from zeroframe.headers.survey import survey_tree
from zeroframe.planning.nights import nights_of_list
from zeroframe.planning.planning import plan_night
from zeroframe.planning.recipe import NightRecipe
from zeroframe.planning.shorthands import recipe_for
from zeroframe.report import is_report
from zeroframe.run.engine import run_night
from zeroframe.run.lock import LOCK_NAME
from zeroframe.simulate import simulate_biases

BOTH = pytest.mark.parametrize("more", [(), ("--overwrite",)], ids=["as it is", "overwrite"])
SMALL_NIGHT = '[frames]\noverscan = "none"\ntrim = "[1:20,:]"\n'


@pytest.fixture
def archive(tmp_path):
    """A folder with three raw biases."""
    small_folder(tmp_path / "archive")
    return tmp_path / "archive"


@pytest.fixture
def raw(archive, tmp_path):
    """A folder of links into it."""
    return linked(archive, tmp_path / "raw")


@pytest.fixture
def recipe_file(tmp_path):
    path = tmp_path / "small.toml"
    path.write_text(SMALL_NIGHT)
    return path


def linked(archive: Path, raw: Path) -> Path:
    raw.mkdir()
    for path in archive.iterdir():
        (raw / path.name).symlink_to(path)
    return raw


def refused(*arguments, words=("raw data are never written to",), code=2):
    """Run a command that has to be refused without the advice to overwrite."""
    run = command(*arguments)
    assert run.code == code, run.out + run.err
    for word in words:
        assert str(word) in run.err
    assert "--overwrite" not in run.err or "--overwrite replaces only what zeroframe has made" in run.err
    return run


class TestLinksIntoAnArchive:
    @BOTH
    def test_bias(self, raw, archive, more):
        before = sealed(archive, raw)
        run = refused("bias", raw, "-o", archive, *more)
        assert f"{archive}: is where {raw / 'b1.fits'} really lies, and raw data are never written to" in run.err
        assert (broken(before), names_in(archive)) == ([], ["b1.fits", "b2.fits", "b3.fits"])

    @BOTH
    def test_night(self, raw, archive, recipe_file, more):
        for number in (4, 5):
            write_raw(archive / f"s{number}.fits", raw_pixels(number), IMAGETYP="object", EXPTIME=60.0)
            (raw / f"s{number}.fits").symlink_to(archive / f"s{number}.fits")
        before = sealed(archive, raw)
        refused("night", raw, "-o", archive, "--recipe", recipe_file, *more)
        assert (broken(before), len(names_in(archive))) == ([], 5)

    @BOTH
    def test_a_linked_subfolder(self, archive, tmp_path, recipe_file, more):
        raw = small_folder(tmp_path / "raw")[0].parent
        (raw / "more").symlink_to(archive)
        before = sealed(archive, raw)
        for out in (archive, archive / "out", archive / "deep" / "out"):
            run = refused("night", raw, "-o", out, "--recipe", recipe_file, *more)
            assert f"{out}: lies inside the raw data, which {raw / 'more'} leads to" in run.err
            refused("bias", raw, "-o", out, *more)
            refused("night", raw, "-o", out, "--by-night", "--recipe", recipe_file, *more)
        assert (broken(before), len(names_in(archive))) == ([], 3)

    @BOTH
    def test_a_list_of_links(self, tmp_path, recipe_file, more):
        archive, raw = tmp_path / "archive", tmp_path / "raw"
        night = archive / "2026-11-20"
        for number in (1, 2, 3):
            cards = {"DATE-OBS": "2026-11-20T04:00:00"}  # of the night that begins the day before
            write_raw(night / f"b{number}.fits", raw_pixels(number), **cards)
        linked(night, raw)
        frames = tmp_path / "frames.txt"
        frames.write_text("".join(f"{path}\n" for path in sorted(raw.iterdir())))
        before = sealed(archive, raw)
        name = nights_of_list(sorted(raw.iterdir()), tmp_path / "out", NightRecipe()).calendar.nights[0].name
        night.rename(archive / name)  # its results would go there
        for path in raw.iterdir():
            path.unlink()
            path.symlink_to(archive / name / path.name)
        before = sealed(archive, raw)
        run = command("night", frames, "-o", archive, "--by-night", "--recipe", recipe_file, *more)
        assert run.code == 2
        assert "really lies, and raw data are never written to" in run.out + run.err
        assert (broken(before), names_in(archive / name)) == ([], ["b1.fits", "b2.fits", "b3.fits"])

    @BOTH
    def test_one_night_does_not_write_where_frames_of_another_lie(self, tmp_path, recipe_file, more):
        """The folder is called as the night before: so it is where folders bear the date of the morning."""
        archive = tmp_path / "archive"
        for day in (19, 20):
            for number in (1, 2, 3):
                cards = {"DATE-OBS": f"2026-11-{day}T22:00:00"}
                write_raw(archive / f"2026-11-{day + 1}" / f"b{day}_{number}.fits", raw_pixels(number), **cards)
        frames = tmp_path / "frames.txt"
        frames.write_text("".join(f"{path}\n" for path in sorted(archive.rglob("*.fits"))))
        before = sealed(archive)
        run = command("night", frames, "-o", archive, "--by-night", "--recipe", recipe_file, *more)
        assert run.code == 1
        assert "archive/2026-11-20: is where" in run.out + run.err
        assert broken(before) == []
        assert names_in(archive / "2026-11-20") == ["b19_1.fits", "b19_2.fits", "b19_3.fits"]
        assert names_in(archive / "2026-11-19") == ["b19_1.fits", "b19_2.fits", "b19_3.fits", "combined_bias.fits"]

    @BOTH
    def test_compressed_frames_whose_results_have_other_names(self, archive, tmp_path, recipe_file, more):
        for path in archive.iterdir():
            (archive / f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes()))
            path.unlink()
        raw = linked(archive, tmp_path / "raw")
        before = sealed(archive, raw)
        refused("bias", raw, "-o", archive, *more)
        refused("night", raw, "-o", archive, "--recipe", recipe_file, *more)
        assert (broken(before), names_in(archive)) == ([], [f"b{n}.fits.gz" for n in (1, 2, 3)])

    @BOTH
    def test_a_link_that_leads_back_to_itself(self, archive, tmp_path, more):
        (tmp_path / "out").symlink_to("out")
        run = command("bias", archive, "-o", tmp_path / "out", *more)
        assert run.code == 2
        assert str(tmp_path / "out") in run.err

    @pytest.mark.parametrize("arguments", [("bias", "", "-o", "out"), ("bias", "raw", "-o", ""), ("ls", "")])
    def test_a_name_that_is_empty_is_no_folder(self, tmp_path, monkeypatch, arguments):
        """A script whose variable is not set means nothing, and not the folder it is in."""
        small_folder(tmp_path / "raw")
        small_folder(tmp_path)
        monkeypatch.chdir(tmp_path)
        before = names_in(tmp_path)
        run = command(*arguments)
        assert (run.code, names_in(tmp_path)) == (2, before)
        assert "is empty" in run.err

    def test_a_link_to_a_link(self, raw, archive, tmp_path):
        again = linked(raw, tmp_path / "again")
        before = sealed(archive, raw)
        refused("bias", again, "-o", archive, "--overwrite")
        refused("inspect", again, "--write", archive / "mine.toml")
        assert broken(before) == []
        assert command("bias", again, "-o", tmp_path / "out").code == 0

    def test_results_beside_the_archive_are_made(self, raw, archive, tmp_path):
        before = sealed(archive, raw)
        for out in (tmp_path / "out", archive / "reduced"):
            assert command("bias", raw, "-o", out).code == 0
            assert command("bias", raw, "-o", out, "--clip", "3", "--overwrite").code == 0
        assert broken(before) == []


class TestMounts:
    @BOTH
    def test_a_folder_inside_the_raw_folder_under_another_name(self, tmp_path, archive, recipe_file, more):
        inner, out = archive / "inner", tmp_path / "out"
        small_folder(inner)
        out.mkdir()
        before = sealed(archive)
        with bound(inner, out):
            for where in (out, out / "new"):
                run = refused("bias", archive, "-o", where, *more)
                assert f"{where}: lies inside the raw folder {archive}" in run.err
                refused("night", archive, "-o", where, "--recipe", recipe_file, *more)
                refused("inspect", archive, "--write", where / "mine.toml", *more)
        assert (broken(before), names_in(inner)) == ([], ["b1.fits", "b2.fits", "b3.fits"])

    @BOTH
    def test_what_is_mounted_inside_the_raw_folder(self, tmp_path, archive, recipe_file, more):
        (archive / "inner").mkdir()
        other = small_folder(tmp_path / "other")[0].parent
        with bound(other, archive / "inner"):
            before = sealed(archive, other)
            for where in (other, other / "new"):
                refused("bias", archive, "-o", where, *more)
                refused("night", archive, "-o", where, "--recipe", recipe_file, *more)
            assert broken(before) == []
        assert names_in(other) == ["b1.fits", "b2.fits", "b3.fits"]

    def test_the_raw_folder_under_another_name(self, tmp_path, archive):
        raw = tmp_path / "mounted"
        raw.mkdir()
        before = sealed(archive)
        with bound(archive, raw):
            refused("bias", raw, "-o", archive, "--overwrite", words=("is the raw folder",))
            refused("bias", raw, "-o", archive / "a" / "b", words=("lies inside the raw folder",))
        assert broken(before) == []


class TestRecordsOfSomebodyElse:
    """A run.json that no run of ours has written is kept, whatever it looks like."""

    @BOTH
    @pytest.mark.parametrize(
        "content",
        ['{"format": "fits", "telescope": "mine"}', '{"format": 3, "my": "settings"', '{"format": 3, "a": 1}'],
    )
    def test_in_a_folder_without_results(self, archive, tmp_path, recipe_file, more, content):
        out = tmp_path / "out"
        out.mkdir()
        (out / "run.json").write_text(content)
        before = sealed(archive, out)
        words = ("run.json: is there already, and is none that zeroframe has written",)
        refused("bias", archive, "-o", out, "--recipe", recipe_file, *more, words=words)
        refused("night", archive, "-o", out, "--recipe", recipe_file, *more, words=words)
        assert broken(before) == []


class TestLogs:
    def test_an_empty_file_may_be_a_frame(self, archive, tmp_path):
        (archive / "b9.fits").touch()
        before = sealed(archive)
        refused("--log-file", archive / "b9.fits", "ls", archive, words=("b9.fits",))
        refused(
            "--log-file", archive / "b9.fits", "recipe", "-o", tmp_path / "r.toml", words=("is no log of zeroframe",)
        )
        refused("--log-file", archive / "new.log", "ls", archive, words=("would be written into the raw folder",))
        assert broken(before) == []
        assert "new.log" not in names_in(archive)


class TestFilesThatAreNotOurs:
    """A file is replaced when its header says that it is a result, and run.json of its folder knows it."""

    @BOTH
    def test_a_hard_link_of_a_raw_frame(self, archive, tmp_path, recipe_file, more):
        out = tmp_path / "out"
        out.mkdir()
        os.link(archive / "b1.fits", out / "b2.fits")
        before = sealed(archive, out)
        words = (f"{out}: holds a raw frame (b2.fits, by a hard link), and raw data are never written to",)
        refused("bias", archive, "-o", out, *more, words=words)
        refused("night", archive, "-o", out, "--recipe", recipe_file, *more, words=words)
        assert (broken(before), names_in(out)) == ([], ["b2.fits"])

    def test_a_hard_link_that_comes_after_the_plan(self, archive, tmp_path):
        out = tmp_path / "out"
        recipe = recipe_for("bias", NightRecipe(), {})
        plan = plan_night(survey_tree(archive, recurse=False), archive, out, recipe, overwrite=True)
        out.mkdir()
        os.link(archive / "b1.fits", out / "b2.fits")
        before = sealed(archive, out)
        with pytest.raises(OutputExistsError, match="by a link or another name"):
            run_night(plan)
        assert (broken(before), names_in(out)) == ([], ["b2.fits"])

    @BOTH
    def test_a_raw_frame_of_another_night(self, archive, tmp_path, recipe_file, more):
        out = tmp_path / "out"
        write_raw(out / "b2.fits", raw_pixels(9))
        before = sealed(archive, out)
        refused("bias", archive, "-o", out, *more, words=("b2.fits: is there already", "it was not made by zeroframe"))
        refused("night", archive, "-o", out, "--recipe", recipe_file, *more, words=("it was not made by zeroframe",))
        assert (broken(before), names_in(out)) == ([], ["b2.fits"])
        assert "refuse" in command("bias", archive, "-o", out, "--dry-run", *more).out
        dry = command("night", archive, "-o", out, "--recipe", recipe_file, "--dry-run", *more)
        assert (dry.code, "move away what zeroframe has not made" in dry.out) == (2, True)

    def test_a_result_of_another_folder(self, archive, tmp_path):
        out, other = tmp_path / "out", tmp_path / "other"
        assert command("bias", archive, "-o", other).code == 0
        out.mkdir()
        shutil.copy(other / "b1.fits", out / "b1.fits")
        before = sealed(out, other)
        run = refused(
            "bias", archive, "-o", out, "--clip", "3", "--trim", "[1:10,:]", "--overwrite", words=("b1.fits",)
        )
        assert "run.json does not name it" in run.err
        assert broken(before) == []

    def test_a_raw_frame_among_results(self, archive, tmp_path):
        """It bears the name of a result, so run.json knows it; but its header tells."""
        out = tmp_path / "out"
        assert command("bias", archive, "-o", out).code == 0
        shutil.copy(archive / "b1.fits", out / "b1.fits")
        before = sealed(out, archive)
        refused("bias", archive, "-o", out, "--overwrite", words=("b1.fits", "it was not made by zeroframe"))
        assert broken(before) == []

    def test_results_of_a_run_that_was_killed_are_ours(self, archive, tmp_path):
        out = tmp_path / "out"
        assert command("bias", archive, "-o", out).code == 0
        record = json.loads((out / "run.json").read_bytes())
        record.update(outputs={}, inputs={}, state="unfinished")  # as it is when a run begins
        record["this_run"].update(stamps={}, begun=["b1.fits", "b2.fits", "b3.fits", "combined_bias.fits"])
        (out / "run.json").write_text(json.dumps(record))
        assert command("bias", archive, "-o", out, "--trim", "[1:10,:]").code == 2
        assert command("bias", archive, "-o", out, "--trim", "[1:10,:]", "--overwrite").code == 0
        assert fits.getdata(out / "b1.fits").shape == (12, 10)

    def test_a_result_whose_frame_fails_now_stays_ours(self, archive, tmp_path):
        out = tmp_path / "out"
        assert command("bias", archive, "-o", out).code == 0
        whole = (archive / "b2.fits").read_bytes()
        (archive / "b2.fits").write_bytes(whole[:3000])
        assert command("bias", archive, "-o", out, "--trim", "[1:10,:]", "--overwrite").code == 1
        (archive / "b2.fits").write_bytes(whole)
        assert command("bias", archive, "-o", out, "--trim", "[1:10,:]", "--overwrite").code == 0
        assert fits.getdata(out / "b2.fits").shape == (12, 10)

    @pytest.mark.parametrize("content", ['{"mine": 1}', "my notes", None, "link"])
    @BOTH
    def test_run_json(self, archive, tmp_path, recipe_file, content, more):
        out = tmp_path / "out"
        out.mkdir()
        if content is None:
            os.link(write_raw(tmp_path / "other" / "b1.fits", raw_pixels(7)), out / "run.json")
        elif content == "link":
            (out / "run.json").symlink_to(archive / "b1.fits")
        else:
            (out / "run.json").write_text(content)
        before = sealed(archive, out)
        words = (f"{out / 'run.json'}: is there already, and is none that zeroframe has written",)
        refused("bias", archive, "-o", out, *more, words=words)
        refused("night", archive, "-o", out, "--recipe", recipe_file, *more, words=words)
        assert broken(before) == []
        assert sorted(path.name for path in out.iterdir()) == ["run.json"]

    @BOTH
    def test_report_html(self, archive, tmp_path, more):
        out = tmp_path / "out"
        out.mkdir()
        (out / "report.html").write_text("<p>mine</p>")
        run = command("bias", archive, "-o", out, *more)
        assert run.code == 1
        assert f"no report: {out / 'report.html'}: there is a file of that name already" in run.err
        assert (out / "report.html").read_text() == "<p>mine</p>"
        (out / "report.html").unlink()
        (out / "report.html").symlink_to(archive / "b1.fits")
        before = sealed(archive)
        assert command("bias", archive, "-o", out, "--clip", "3", "--overwrite").code == 1
        assert broken(before) == []
        assert (out / "report.html").readlink() == archive / "b1.fits"

    def test_report_html_in_python(self, archive, tmp_path):
        out = tmp_path / "out"
        out.mkdir()
        (out / "report.html").write_text("<p>mine</p>")
        made = bias(archive, out, trim="[*,*]", overwrite=True)
        assert any("there is a file of that name already" in problem for problem in made.problems)
        assert (out / "report.html").read_text() == "<p>mine</p>"
        (out / "report.html").unlink()
        assert bias(archive, out, trim="[*,*]", clip=3, overwrite=True).problems == ()
        assert is_report(out / "report.html")

    def test_a_folder_in_the_place_of_a_result_is_to_be_moved(self, archive, tmp_path):
        """No option replaces it, so none is advised."""
        (tmp_path / "out" / "b2.fits").mkdir(parents=True)
        run = command("bias", archive, "-o", tmp_path / "out")
        assert run.code == 2
        assert "b2.fits: is there already: it is not a file; move the folder away" in run.err
        assert "--overwrite" not in run.err

    @pytest.mark.parametrize("make", [os.link, shutil.copy, os.symlink])
    def test_the_lock(self, archive, tmp_path, make):
        out = tmp_path / "out"
        out.mkdir()
        make(archive / "b1.fits", out / LOCK_NAME)
        before = sealed(archive, out)
        run = command("bias", archive, "-o", out, "--overwrite")
        assert (run.code, broken(before)) == (2, [])
        assert ("holds a raw frame" if make is os.link else "is no lock that a run has left; move it away") in run.err

    @pytest.mark.long
    @pytest.mark.parametrize("name", [LOCK_NAME, "run.json"])
    def test_a_pipe_that_nobody_writes_into(self, archive, tmp_path, name):
        out = tmp_path / "out"
        out.mkdir()
        os.mkfifo(out / name)
        for arguments in (("bias", archive, "-o", out), ("bias", archive, "-o", out, "--overwrite"), ("verify", out)):
            run = in_a_process(*arguments)
            assert run.code == 2, run.err
            assert "Traceback" not in run.err
        assert names_in(out) == ([name] if name == LOCK_NAME else [])
        assert (out / name).is_fifo()


class TestCombine:
    @BOTH
    def test_a_raw_frame_is_not_replaced(self, archive, more):
        before = sealed(archive)
        frames = [archive / "b1.fits", archive / "b2.fits"]
        refused("combine", *frames, "-o", archive / "b3.fits", *more, words=("not made by zeroframe combine",))
        assert broken(before) == []

    @pytest.mark.parametrize("make", [os.link, os.symlink])
    def test_a_frame_under_another_name(self, archive, tmp_path, make):
        make(archive / "b1.fits", tmp_path / "c.fits")
        before = sealed(tmp_path)
        frames = sorted(archive.iterdir())
        refused("combine", *frames, "-o", tmp_path / "c.fits", "--overwrite", words=("is one of the frames",))
        assert broken(before) == []

    def test_in_the_folder_of_its_frames(self, archive):
        """That is allowed as long as it is none of them."""
        before, target = sealed(archive), archive / "combined.fits"
        frames = sorted(archive.iterdir())
        assert command("combine", *frames, "-o", target).code == 0
        assert "add --overwrite" in command("combine", *frames, "-o", target).err
        assert command("combine", *frames[1:], "-o", target, "--overwrite").code == 0
        refused("combine", *frames, target, "-o", target, "--overwrite", words=("is one of the frames",))
        assert broken(before) == []

    def test_in_python(self, archive, tmp_path):
        os.link(archive / "b3.fits", tmp_path / "c.fits")
        frames = sorted(archive.iterdir())
        before = sealed(tmp_path)
        for target in (frames[1], tmp_path / "c.fits"):
            with pytest.raises(OutputExistsError, match="is one of the files that it is made of"):
                combine_ccds([str(path) for path in frames], output_file=target, overwrite_output=True, unit="adu")
        assert broken(before) == []
        for _ in range(2):
            combine_ccds([str(path) for path in frames], tmp_path / "d.fits", overwrite_output=True, unit="adu")


class TestCollection:
    def test_no_loop_replaces_another_file_of_the_collection(self, archive, raw):
        """The folder of the copies is the one in which the files behind the links lie."""
        before = sealed(archive, raw)
        files = ImageFileCollection(raw)
        for loop in (files.headers, files.data, files.hdus, files.ccds):
            with pytest.raises(OutputExistsError, match="is one of the files"):
                list(loop(save_location=archive, overwrite=True))
            with pytest.raises(OutputExistsError, match="is one of the files"):
                list(loop(save_location=archive, overwrite=True, imagetyp="zero"))
        assert broken(before) == []

    def test_a_file_that_the_loop_leaves_out(self, archive):
        os.link(archive / "b1.fits", archive / "b2_new.fits")
        files = ImageFileCollection(archive)
        with pytest.raises(OutputExistsError, match=r"b2_new\.fits already exists, and is one of the files"):
            list(files.headers(save_with_name="_new", overwrite=True, file="b2.fits"))

    def test_the_index_of_headers(self, archive, monkeypatch):
        monkeypatch.setenv("ZEROFRAME_CACHE", str(archive))
        before = sealed(archive)
        assert len(ImageFileCollection(archive).files) == 3
        assert (broken(before), len(names_in(archive))) == ([], 3)

    @pytest.mark.parametrize("make", [os.link, shutil.copy])
    def test_a_raw_frame_in_the_place_of_the_index(self, archive, tmp_path, monkeypatch, make):
        cache = tmp_path / "cache"
        cache.mkdir()
        make(archive / "b1.fits", cache / "headers.sqlite")
        monkeypatch.setenv("ZEROFRAME_CACHE", str(cache))
        before = sealed(archive, cache)
        with pytest.warns(UserWarning, match="headers are read from the files each time"):
            ImageFileCollection(archive)
        assert broken(before) == []


class TestSingleFiles:
    def test_recipe(self, archive, tmp_path):
        mine = tmp_path / "mine.toml"
        mine.write_text("mine = 1\n")
        before = sealed(tmp_path)
        for target in (mine, archive / "b1.fits"):
            refused("recipe", "-o", target, "--overwrite", words=("it was not made by zeroframe recipe",))
        assert broken(before) == []

    def test_inspect(self, tmp_path):
        raw = small_biases(tmp_path / "raw", 3)
        profile, figure = tmp_path / "mine.toml", tmp_path / "figure.png"
        os.link(raw / "ccd.001.0.fits", figure)
        profile.write_text('name = "mine"\n')
        before = sealed(tmp_path)
        refused(
            "inspect", raw, "--plot", figure, "--overwrite", words=("holds a raw frame (figure.png, by a hard link)",)
        )
        within = ("is the raw folder", "choose another folder for the file")
        refused("inspect", raw, "--write", raw / "mine.toml", words=within)
        figure.unlink()
        before = sealed(tmp_path)
        refused("inspect", raw, "--camera", profile, "--write", profile, "--overwrite", words=())
        assert broken(before) == []

    def test_simulated_frames_do_not_replace_real_ones(self, tmp_path):
        write_raw(tmp_path / "ccd.002.0.fits", raw_pixels(1))
        before = sealed(tmp_path)
        words = ("holds a frame that was not simulated (ccd.002.0.fits)",)
        refused("simulate", "palomar-lfc", tmp_path, "--frames", 2, "--overwrite", words=words)
        assert (broken(before), names_in(tmp_path)) == ([], ["ccd.002.0.fits"])

    @pytest.mark.parametrize("name", ["mine.fits", "mine.fits.gz", "mine"])
    def test_simulated_frames_are_not_put_among_real_ones(self, tmp_path, name):
        """A run that follows would combine both, and nobody could tell."""
        path = write_raw(tmp_path / "raw" / "mine.fits", raw_pixels(1))
        if name == "mine.fits.gz":
            path.write_bytes(gzip.compress(path.read_bytes()))
        path.rename(path.with_name(name))
        (tmp_path / "raw" / "notes.txt").write_text("seeing 1.2\n")
        words = (f"holds a frame that was not simulated ({name})",)
        refused("simulate", "palomar-lfc", tmp_path / "raw", "--frames", 1, *("--overwrite",), words=words)
        assert names_in(tmp_path / "raw") == [name, "notes.txt"]
        (tmp_path / "raw" / name).unlink()
        simulate_biases(SMALL_LFC, tmp_path / "raw", frames=1)
        simulate_biases(SMALL_LFC, tmp_path / "raw", frames=2, overwrite=True)
        assert names_in(tmp_path / "raw") == ["ccd.001.0.fits", "ccd.002.0.fits", "notes.txt"]


class TestTheMomentOfReplacing:
    """What was looked at is compared once more just before it is replaced."""

    @pytest.fixture
    def target(self, tmp_path):
        path = tmp_path / "a"
        path.write_bytes(b"old")
        return path

    def write(self, target, overwrite, meanwhile=None):
        with atomic_file(target, overwrite=overwrite) as descriptor:
            write_all(descriptor, [b"new"])
            if meanwhile is not None:
                meanwhile()

    def test_the_file_that_was_looked_at(self, target):
        self.write(target, Replaceable.of(target))
        assert target.read_bytes() == b"new"

    @pytest.mark.parametrize("make", [os.link, os.symlink, shutil.copy])
    def test_another_takes_its_place(self, target, tmp_path, make):
        other = tmp_path / "raw"
        other.write_bytes(b"raw")
        seen = Replaceable.of(target)

        def exchanged():
            target.unlink()
            make(other, target)

        with pytest.raises(OutputExistsError):
            self.write(target, seen, exchanged)
        assert (target.read_bytes(), other.read_bytes()) == (b"raw", b"raw")
        assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "raw"]

    def test_it_is_written_to(self, target):
        seen = Replaceable.of(target)
        with pytest.raises(OutputExistsError):
            self.write(target, seen, lambda: target.write_bytes(b"more"))
        assert target.read_bytes() == b"more"

    def test_it_goes(self, target):
        self.write(target, Replaceable.of(target), target.unlink)
        assert target.read_bytes() == b"new"

    def test_one_appears(self, tmp_path):
        with pytest.raises(OutputExistsError):
            self.write(tmp_path / "b", False, lambda: (tmp_path / "b").write_bytes(b"b"))
        assert (tmp_path / "b").read_bytes() == b"b"


class TestInputs:
    def test_files_are_known_by_any_name(self, archive, raw, tmp_path):
        os.link(archive / "b1.fits", tmp_path / "hard.fits")
        (tmp_path / "soft").symlink_to(raw / "b1.fits")
        inputs = Inputs.of(sorted(raw.iterdir()))
        assert all(map(inputs.holds, [*archive.iterdir(), *raw.iterdir(), tmp_path / "hard.fits", tmp_path / "soft"]))
        shutil.copy(archive / "b1.fits", tmp_path / "copy.fits")
        assert not any(map(inputs.holds, [tmp_path / "copy.fits", tmp_path / "nothing", archive, Path("x\0y")]))
        assert inputs.lying_in(archive) == inputs.lying_in(tmp_path / "raw" / ".." / "archive") == raw / "b1.fits"
        assert inputs.lying_in(raw) == raw / "b1.fits"
        assert inputs.lying_in(tmp_path) is None
        assert inputs.hard_link_in(tmp_path) == tmp_path / "hard.fits"
        assert inputs.hard_link_in(raw) is None
        assert inputs.hard_link_in(tmp_path / "nothing") is None

    @pytest.mark.usefixtures("raw")
    def test_folders(self, archive, tmp_path):
        (tmp_path / "way").symlink_to(archive)
        known = RawFolders.of([archive])
        for inside in ("archive", "archive/new", "way", "way/a/b", "raw/../archive/x"):
            assert known.around(tmp_path / inside) == archive
        for outside in ("raw", "archive2", "", "raw/new"):
            assert known.around(tmp_path / outside) is None
        absent = RawFolders.of([tmp_path / "absent"])
        assert absent.around(tmp_path / "absent" / "out") == tmp_path / "absent"

    def test_urls_of_any_spelling(self):
        raw = UrlPath("s3://bucket/night/raw")
        known = RawFolders.of([raw])
        for inside in ("s3://bucket/night/raw/", "S3A://bucket/night//raw/./out", "s3://bucket/night/x/../raw/a"):
            assert known.around(as_path(inside)) == raw
        for outside in ("s3://bucket/night/raw2", "s3://bucket/night", "s3://other/night/raw", "gs://bucket/night/raw"):
            assert known.around(as_path(outside)) is None
        assert url_parts(as_path("abfss://c@a.dfs.core.windows.net/x")) == url_parts(as_path("az://c/x"))
        inputs = Inputs.of([UrlPath("s3://bucket/raw/b1.fits")])
        assert inputs.holds(as_path("s3a://bucket//raw/b1.fits"))
        assert inputs.lying_in(as_path("s3://bucket/raw/")) == UrlPath("s3://bucket/raw/b1.fits")
        assert as_path("local:///data/raw") == Path("/data/raw")

    def test_plans_know_where_frames_lie(self, raw, archive):
        frame(archive, "s1.fits", "science", 60.0)
        (raw / "s1.fits").symlink_to(archive / "s1.fits")
        with pytest.raises(RawFolderError, match=r"is where .* really lies"):
            plan_night(survey_tree(raw), raw, archive, NightRecipe())
        with pytest.raises(RawFolderError, match="lies inside the raw data"):
            survey_tree(archive.parent, output=archive / "out", recurse=False)


def test_no_writer_replaces_whatever_is_there():
    """Who writes says what may be replaced; that anything may is for the callers of the library to say."""
    source = Path(__file__).resolve().parents[2] / "src" / "zeroframe"
    texts = {path.name: path.read_text(encoding="utf-8") for path in source.rglob("*.py")}
    asked = re.compile(r"\.permission\([^)]*overwrite=True\)")  # asks whether it is ours
    assert not [name for name, text in texts.items() if "overwrite=True)" in asked.sub("", text)]


def test_a_collection_changes_its_own_files_where_that_is_asked_for(archive):
    """With neither a name nor a folder the loop is about the files themselves, as in ccdproc; CCDData never are."""
    for header in ImageFileCollection(archive).headers(overwrite=True):
        header["OBSERVER"] = "me"
    assert all(fits.getval(path, "OBSERVER") == "me" for path in archive.iterdir())


def test_bias_of_frames_of_full_form(tmp_path):
    """The night of links ends in the same bytes as the night itself."""
    archive = small_biases(tmp_path / "archive", 3)
    raw = linked(archive, tmp_path / "raw")
    assert command(*bias_arguments(raw, tmp_path / "a")).code == 0
    assert command(*bias_arguments(archive, tmp_path / "b")).code == 0
    assert [(tmp_path / "a" / name).read_bytes() for name in names_in(tmp_path / "b")] == [
        (tmp_path / "b" / name).read_bytes() for name in names_in(tmp_path / "b")
    ]


def test_no_file_takes_the_place_of_a_device(tmp_path):
    """Whoever asks for a frame in /dev/null, as root, would leave the system without it."""
    os.mkfifo(tmp_path / "null")
    with pytest.raises(OutputExistsError, match="is a pipe or a device"):
        write_ccd(CCDData(np.ones((2, 3)), unit="adu"), tmp_path / "null", overwrite=True)
    assert (tmp_path / "null").is_fifo()


def test_a_ccd_is_written_where_nothing_is_lost(tmp_path):
    ccd = CCDData(np.zeros((2, 3), np.float32), unit="adu")
    ccd.write(tmp_path / "a.fits")
    with pytest.raises(OutputError):
        combine_ccds([str(tmp_path / "a.fits")], output_file=tmp_path / "a.fits", overwrite_output=True)
