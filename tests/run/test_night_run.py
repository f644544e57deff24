"""`zeroframe night`, `explain` and `recipe` on small simulated nights: what is written, kept, refused and said."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from astropy.nddata import CCDData

from bad_input import ODD_NAMES, REFUSED, everything, name_of
from night_headers import frame, several, simulated_headers
from nights import RECIPES, all_bytes, calibrated, carried_out, planned, small_night
from reliability import Fork, hashes
from workbench import command, raw_pixels, write_raw
from zeroframe.errors import MemoryLimitError, NoFramesError, OutputError, OutputExistsError
from zeroframe.planning.words import plan_tree
from zeroframe.run.lock import folder_lock
from zeroframe.run.session import begin_night

NAME = "palomar-lfc"
RECIPE = RECIPES[NAME]
COMBINED = (
    *("combined_bias.fits", "combined_dark_300s.fits", "combined_dark_70s.fits", "combined_dark_7s.fits"),
    *("combined_flat_gp.fits", "combined_flat_ip.fits"),
)
MASKS = ("bad_pixels_gp.fits", "bad_pixels_ip.fits", "hot_pixels_300s.fits")
SCIENCE = ("ccd.037.0.fits", "ccd.043.0.fits")


@pytest.fixture(scope="module")
def raw(tmp_path_factory):
    return small_night(tmp_path_factory.mktemp("night") / "raw")


@pytest.fixture(scope="module")
def part(tmp_path_factory):
    """What the science frame in g' needs."""
    return small_night(tmp_path_factory.mktemp("part") / "raw", one_filter=True)


@pytest.fixture(scope="module")
def fresh(raw, recipe, tmp_path_factory):
    """A night carried out by the command."""
    out = tmp_path_factory.mktemp("fresh") / "out"
    before = {path.name: hashes(path) for path in (raw / "darks",)}
    run = command("night", raw, "-o", out, "--recipe", recipe)
    assert run.code == 0, run.out + run.err
    assert {path.name: hashes(path) for path in (raw / "darks",)} == before
    return out, run


def rewritten(path: Path, change) -> None:
    """Change the pixels of a raw frame."""
    with fits.open(path, mode="update") as hdus:
        change(hdus[0].data)
        for word in ("DATASUM", "CHECKSUM"):
            hdus[0].header.remove(word)


def copied(raw: Path, folder: Path) -> Path:
    return Path(shutil.copytree(raw, folder / "raw"))


class TestFresh:
    def test_every_result_is_there(self, fresh, raw):
        out, run = fresh
        names = set(all_bytes(out))
        assert names == {*all_bytes(raw), *COMBINED, *MASKS}
        assert "All is well." in run.out
        assert run.out.startswith("Found 7 biases, 9 darks, 6 flats and 2 science frames in ")

    def test_headers_say_what_was_done_in_the_words_of_iraf(self, fresh):
        out, _ = fresh
        header = fits.getheader(out / "ccd.037.0.fits")
        assert header["OVERSCAN"].startswith("[608:632,1:400]")
        assert header["TRIM"] == "[1:600,1:400]"
        assert header["DARKCOR"] == "combined_dark_300s.fits"
        assert header["FLATCOR"] == "combined_flat_gp.fits"
        assert "ZEROCOR" not in header
        assert header["GAINUSED"] == 1.1
        assert header["NMASKED"] > 0
        dark = fits.getheader(out / "combined_dark_300s.fits")
        assert dark["COMBINED"] is True
        assert dark["NCOMBINE"] == 3
        assert [dark[f"IMCMB{n:03d}"] for n in (1, 2, 3)] == [f"darks/ccd.{n:03d}.0.fits" for n in (13, 14, 15)]
        assert "RAWLEVEL" not in dark
        flat = fits.getheader(out / "combined_flat_gp.fits")
        assert flat["FLATLEVL"] == pytest.approx(19900, rel=0.02)
        assert flat["DARKCOR"] == "combined_dark_70s.fits"

    def test_ccddata_reads_results_with_uncertainty_and_mask(self, fresh):
        out, _ = fresh
        light = CCDData.read(out / "ccd.037.0.fits")
        assert (light.unit, light.shape) == ("adu", (400, 600))
        assert light.uncertainty.array.shape == light.mask.shape == light.shape
        assert 0 < light.mask.sum() == light.header["NMASKED"]
        flat = CCDData.read(out / "combined_flat_gp.fits")
        assert flat.unit == ""
        assert flat.data.mean() == pytest.approx(1.0, abs=1e-5)

    def test_verify_finds_all_as_it_was(self, fresh, raw):
        out, _ = fresh
        run = command("verify", out, "--raw", raw)
        assert run.code == 0, run.out
        assert "33 results, and 24 raw frames" in run.out
        assert "Not compared" not in run.out
        run = command("verify", out)
        assert "33 results: as when the run ended. Not compared: 24 raw frames; --raw compares them, too." in " ".join(
            run.out.split()
        )

    @pytest.mark.long
    def test_the_report_is_written_once(self, fresh, raw, recipe, tmp_path):
        pytest.importorskip("jinja2")
        out = tmp_path / "out"
        shutil.copytree(fresh[0], out)
        assert "report: " in fresh[1].out
        before = (out / "report.html").read_bytes()
        run = command("night", raw, "-o", out, "--recipe", recipe)
        assert run.code == 0
        assert "report: " not in run.out
        assert (out / "report.html").read_bytes() == before
        (out / "report.html").unlink()
        assert "report: " in command("night", raw, "-o", out, "--recipe", recipe).out
        assert command("verify", out).code == 0

    def test_run_json_holds_everything(self, fresh, raw):
        out, _ = fresh
        said = json.loads((out / "run.json").read_text())
        assert said["state"] == "finished"
        assert set(said["outputs"]) == set(all_bytes(out))
        assert set(said["inputs"]) == set(all_bytes(raw))
        frame = said["recipe"]["frames"]["ccd.037.0.fits"]
        assert frame["target"] == "ccd.037.0.fits"
        assert frame["steps"]["dark"] == "combined_dark_300s.fits"
        assert {match["what"] for match in frame["matches"]} == {"bias", "dark", "flat"}
        assert said["recipe"]["night"]["flat"]["min_value"] == 0.1
        assert said["this_run"]["all_is_well"] is True
        assert {each["state"] for each in said["this_run"]["frames"]} == {"done"}

    def test_results_are_no_raw_frames(self, fresh, part, recipe, tmp_path):
        """Calibrated again, they would look as if all were well."""
        run = command("night", fresh[0], "-o", tmp_path / "again")
        assert run.code == 2
        assert "; 27 left alone: calibrated already by zeroframe, so not a raw frame); give the folder" in run.err
        both = copied(part, tmp_path)
        shutil.copytree(fresh[0], both / "results")
        run = command("night", both, "-o", tmp_path / "out", "--recipe", recipe, "--dry-run")
        assert "; 33 left alone" in run.out

    def test_pixels_are_those_of_plain_numpy(self, fresh, raw):
        """Science frame, from the combined frames as they are in the files."""
        out, _ = fresh
        pixels = fits.getdata(raw / "ccd.037.0.fits").astype(np.float64)
        light = pixels[:, :600] - np.median(pixels[:, 607:632], axis=1)[:, None]
        dark, flat = (calibrated(out / f"combined_{name}.fits").data for name in ("dark_300s", "flat_gp"))
        np.testing.assert_allclose(calibrated(out / "ccd.037.0.fits").data, (light - dark) / flat, rtol=3e-7)


class TestExplain:
    def test_a_science_frame(self, fresh):
        out, _ = fresh
        run = command("explain", out / "ccd.037.0.fits")
        assert run.code == 0, run.err
        assert "dark 300 s (combined_dark_300s.fits) subtracted" in run.out
        assert "divided by flat g' (combined_flat_gp.fits)" in run.out
        assert "Rejected: dark 70 s" in run.out
        assert "Rejected: flat i'" in run.out
        assert "gain: 1.1 e-/ADU" in run.out

    def test_frames_within_folders_combined_frames_and_masks(self, fresh):
        out, _ = fresh
        assert "is a dark frame" in command("explain", out / "darks" / "ccd.013.0.fits").out
        run = command("explain", out / "combined_dark_300s.fits")
        assert "the average of 3 frames" in run.out
        assert "It is used for ccd.037.0.fits, ccd.043.0.fits." in run.out
        assert "the mask of hot pixels of combined_dark_300s.fits" in command("explain", out / MASKS[2]).out
        assert "The noise of" in command("explain", out / "combined_bias.fits").out

    def test_what_the_run_has_not_made(self, fresh, raw, tmp_path):
        out, _ = fresh
        run = command("explain", raw / "ccd.037.0.fits")  # a raw frame: what is understood of its header
        assert run.code == 0
        assert "kind: science, from IMAGETYP = 'OBJECT'" in run.out
        copy = tmp_path / "out"
        shutil.copytree(out, copy)
        shutil.copy(copy / "ccd.037.0.fits", copy / "mine.fits")
        run = command("explain", copy / "mine.fits")
        assert run.code == 2
        assert "not among the results" in run.err
        shutil.copy(copy / "ccd.043.0.fits", copy / "ccd.037.0.fits")
        assert "Careful: ccd.037.0.fits is not the file" in command("explain", copy / "ccd.037.0.fits").out


class TestDryRun:
    def test_shows_a_tree_and_writes_nothing(self, raw, recipe, tmp_path):
        run = command("night", raw, "-o", tmp_path / "out", "--recipe", recipe, "--dry-run")
        assert run.code == 0
        assert "combined_dark_300s.fits: dark 300 s" in run.out
        assert "ccd.037.0.fits: science" in run.out
        assert "Nothing was written: 33 to make." in run.out
        assert not (tmp_path / "out").exists()

    def test_no_line_is_cut_off(self, tmp_path):
        raw, out, recipe = tmp_path / "raw", tmp_path / "out", tmp_path / "night.toml"
        recipe.write_text('[frames]\noverscan = "none"\n')
        several(raw, 5, "of_a_long_name_such_as_observatories_like_them_", "bias")
        frame(raw, "s.fits", "science", 60.0)
        tree = plan_tree(planned(raw, out, recipe.read_text())).lines()
        assert max(map(len, tree)) > 160
        run = command("night", raw, "-o", out, "--recipe", recipe, "--dry-run")
        assert {line.strip() for line in tree} <= {line.lstrip("│├└─ ") for line in run.out.splitlines()}

    def test_says_what_is_in_the_way(self, fresh, raw, recipe, tmp_path):
        out = tmp_path / "out"
        shutil.copytree(fresh[0], out)
        run = command("night", raw, "-o", out, "--recipe", recipe, "--dry-run")
        assert (run.code, "Nothing was written: 33 to keep." in run.out) == (0, True)
        (out / "ccd.037.0.fits").write_bytes(b"something else")
        run = command("night", raw, "-o", out, "--recipe", recipe, "--dry-run")
        assert run.code == 2
        assert "in the way: " in run.out
        assert "1 to refuse" in run.out


class TestResume:
    def test_nothing_is_made_again(self, fresh, raw, recipe, tmp_path):
        out = tmp_path / "out"
        shutil.copytree(fresh[0], out)
        before = all_bytes(out)
        times = {path: path.stat().st_mtime_ns for path in out.rglob("*.fits")}
        run = command("night", raw, "-o", out, "--recipe", recipe)
        assert run.code == 0
        assert "24 calibrated and 6 combined frames, 3 masks" in run.out
        assert all_bytes(out) == before
        assert {path: path.stat().st_mtime_ns for path in out.rglob("*.fits")} == times

    @pytest.mark.long
    @pytest.mark.parametrize(
        "gone",
        [
            ("ccd.037.0.fits",),
            ("combined_dark_300s.fits", "hot_pixels_300s.fits"),
            ("combined_flat_gp.fits", "ccd.014.0.fits", "ccd.043.0.fits"),
            ("combined_bias.fits", "darks/ccd.013.0.fits", "bad_pixels_gp.fits", "run.json"),
        ],
    )
    def test_only_what_is_missing_is_made_and_is_the_same(self, fresh, raw, recipe, tmp_path, gone):
        out = tmp_path / "out"
        shutil.copytree(fresh[0], out)
        before = all_bytes(out)
        for name in gone:
            (out / name).unlink()
        times = {path: path.stat().st_mtime_ns for path in out.rglob("*.fits")}
        run = command("night", raw, "-o", out, "--no-report", "--recipe", recipe)
        assert run.code == 0, run.out + run.err
        assert all_bytes(out) == before
        assert {path: path.stat().st_mtime_ns for path in times} == times
        states = json.loads((out / "run.json").read_text())["this_run"]
        made = {
            each["name"] for part in ("frames", "combined", "masks") for each in states[part] if each["state"] == "done"
        }
        assert made == {name for name in gone if name != "run.json"}

    @pytest.mark.long
    def test_a_changed_dark_makes_what_depends_on_it_anew(self, fresh, raw, recipe, tmp_path):
        out, night = tmp_path / "out", copied(raw, tmp_path)
        shutil.copytree(fresh[0], out)
        before = all_bytes(out)
        rewritten(night / "darks" / "ccd.018.0.fits", lambda pixels: pixels[:5].__iadd__(30))
        run = command("night", night, "-o", out, "--no-report", "--recipe", recipe)
        assert run.code == 2
        assert "that file has changed since" in run.err
        assert all_bytes(out) == before
        run = command("night", night, "-o", out, "--no-report", "--recipe", recipe, "--overwrite")
        assert run.code == 0, run.out + run.err
        again = tmp_path / "again"
        assert command("night", night, "-o", again, "--no-report", "--recipe", recipe).code == 0
        assert all_bytes(out) == all_bytes(again)
        changed = {name for name, content in all_bytes(out).items() if content != before[name]}
        # the dark of 70 s, the flats in g', and the science frame in g'
        assert changed == {
            *("darks/ccd.018.0.fits", "combined_dark_70s.fits", "combined_flat_gp.fits", "bad_pixels_gp.fits"),
            *("ccd.014.0.fits", "ccd.015.0.fits", "ccd.016.0.fits", "ccd.037.0.fits"),
        }

    @pytest.mark.long
    def test_a_raw_frame_that_has_been_mended(self, part, recipe, tmp_path):
        """As its error advises; what was combined without it is named before anything is made."""
        night, out = copied(part, tmp_path), tmp_path / "out"
        path = night / "ccd.001.0.fits"
        whole = path.read_bytes()
        path.write_bytes(whole[:-30000])
        arguments = ("night", night, "-o", out, "--no-report", "--recipe", recipe)
        assert command(*arguments).code == 1
        before = all_bytes(out)
        assert "1 to make" in command(*arguments, "--dry-run").out  # it would fail again
        path.write_bytes(whole)
        for more in ((), ("--dry-run",)):
            run = command(*arguments, *more)
            assert run.code == 2
            said = (run.err or run.out[run.out.index("in the way: ") :]).splitlines()[0]
            assert "combined_bias.fits: " in said  # and not what was made with it
            assert "it was made without ccd.001.0.fits" in said
        assert all_bytes(out) == before
        assert command(*arguments, "--overwrite").code == 0
        assert carried_out(part, tmp_path / "new", RECIPE).is_good
        assert all_bytes(out) == all_bytes(tmp_path / "new")

    @pytest.mark.long
    def test_a_frame_of_another_sum_that_is_allowed_now(self, part, recipe, tmp_path):
        night, out = copied(part, tmp_path), tmp_path / "out"
        altered = bytearray((night / "ccd.001.0.fits").read_bytes())
        altered[50_000] ^= 1
        (night / "ccd.001.0.fits").write_bytes(altered)
        arguments = ("night", night, "-o", out, "--no-report", "--recipe", recipe)
        assert command(*arguments).code == 1
        assert "ccd.001.0.fits" in command(*arguments).out
        assert command(*arguments, "--ignore-checksums").code == 2
        assert command(*arguments, "--ignore-checksums", "--overwrite").code == 0

    def test_another_recipe_refuses_to_replace(self, fresh, raw, tmp_path):
        out = tmp_path / "out"
        shutil.copytree(fresh[0], out)
        with pytest.raises(OutputExistsError, match="made with other options"):
            carried_out(raw, out, RECIPE + "[steps]\nto_electrons = true\n")

    @pytest.mark.long
    @pytest.mark.parametrize("share", [0.3, 0.7])
    def test_a_run_that_was_killed_goes_on(self, part, recipe, tmp_path, share):
        out, whole = tmp_path / "out", tmp_path / "whole"
        arguments = ["--recipe", str(recipe), "--workers", "2", "--no-report"]
        first = Fork(["night", str(part), "-o", str(whole), *arguments])
        assert first.wait() == 0
        killed = Fork(["night", str(part), "-o", str(out), *arguments], dies_at=int(share * first.touches))
        assert killed.wait() == -9
        run = command("night", part, "-o", out, *arguments)
        assert run.code == 0, run.out + run.err
        assert all_bytes(out) == all_bytes(whole)
        assert command("verify", out, "--raw", part).code == 0


class TestFailures:
    def test_one_bad_frame_does_not_stop_the_others(self, part, tmp_path, recipe):
        night, out = copied(part, tmp_path), tmp_path / "out"
        path = night / "ccd.015.0.fits"
        path.write_bytes(path.read_bytes()[:-30000])
        run = command("night", night, "-o", out, "--no-report", "--recipe", recipe)
        assert run.code == 1
        assert "ccd.015.0.fits" in run.out
        assert "cut off" in run.out
        assert fits.getheader(out / "combined_flat_gp.fits")["NCOMBINE"] == 2
        assert (out / "ccd.037.0.fits").exists()
        assert command("verify", out).code == 1
        said = command("explain", out / "ccd.015.0.fits").out
        assert "ccd.015.0.fits is not there, because the last run could not make it: " in said
        assert "is cut off: the data should have" in said
        assert "there is no such file; check the name" in command("explain", out / "ccd.099.0.fits").err
        # a second run finds the same, and keeps what is there
        again = command("night", night, "-o", out, "--no-report", "--recipe", recipe)
        assert again.code == 1
        assert "16 calibrated and 4 combined frames" in again.out

    def test_a_folder_of_everything(self, tmp_path):
        """Headers that ask for terabytes cost nothing but their own frames."""
        raw, out = tmp_path / "raw", tmp_path / "out"
        raw.mkdir()
        everything(raw)
        for number in range(2):
            write_raw(raw / f"d{number}.fits", raw_pixels(number, level=1010.0), IMAGETYP="dark", EXPTIME=60.0)
        write_raw(raw / "s.fits", raw_pixels(7, level=1200.0), IMAGETYP="object", EXPTIME=60.0)
        run = command("night", raw, "-o", out, "--no-report")
        assert run.code == 1
        states = {each["name"]: each for each in json.loads((out / "run.json").read_text())["this_run"]["frames"]}
        assert {states[name]["state"] for name in ("s.fits", "d0.fits", "good0.fits", *ODD_NAMES)} == {"done"}
        terabytes = name_of([*REFUSED].index("terabytes"))
        assert "is cut off: the data should have 2,000,000,000,000 bytes and have" in states[terabytes]["reason"]

    def test_a_frame_that_asks_for_terabytes_among_those_of_a_known_camera(self, tmp_path):
        """It is not looked at to find an overscan."""
        raw = simulated_headers("palomar-lfc", tmp_path / "raw")
        (raw / "odd.fits").write_bytes(REFUSED["terabytes"][0])
        run = command("night", raw, "-o", tmp_path / "out", "--dry-run")
        assert run.code == 0, run.err
        assert "camera of 24 frames, 2080 x 4128 pixels: Palomar 200-inch" in run.out

    @pytest.mark.parametrize("missing", ["leave", "fail"])
    def test_a_dark_that_cannot_be_made(self, part, tmp_path, missing):
        night, out = copied(part, tmp_path), tmp_path / "out"
        for number in (13, 14, 15):
            path = night / "darks" / f"ccd.{number:03d}.0.fits"
            path.write_bytes(path.read_bytes()[:-30000])
        result = carried_out(night, out, f'missing = "{missing}"\n{RECIPE}')
        assert not result.is_good
        by_name = {each.frame.name: each for each in result.frames}
        dark = next(each for each in result.groups if each.group.name == "combined_dark_300s.fits")
        assert "none of its 3 frames" in dark.combined.reason
        science = by_name["ccd.037.0.fits"]
        if missing == "fail":
            assert science.outcome.state == "failed"
            assert "needs combined_dark_300s.fits, which could not be made" in science.outcome.reason
            return
        assert science.lost == ("dark",)
        header = fits.getheader(out / "ccd.037.0.fits")
        assert "DARKCOR" not in header
        assert header["FLATCOR"] == "combined_flat_gp.fits"
        assert "But its dark could not be made" in command("explain", out / "ccd.037.0.fits").out

    def test_a_flat_whose_dark_cannot_be_made_fails(self, part, tmp_path):
        night, out = copied(part, tmp_path), tmp_path / "out"
        for number in (17, 18, 19):
            path = night / "darks" / f"ccd.{number:03d}.0.fits"
            path.write_bytes(path.read_bytes()[:-30000])
        result = carried_out(night, out, RECIPE)
        states = {each.frame.name: each.outcome.state for each in result.frames}
        assert states["ccd.014.0.fits"] == "failed"
        assert states["darks/ccd.013.0.fits"] == "done"
        by_name = {each.frame.name: each for each in result.frames}
        assert by_name["ccd.037.0.fits"].lost == ("flat",)

    def test_saturated_flats_are_left_out_with_the_figure(self, part, tmp_path, recipe):
        night, out = copied(part, tmp_path), tmp_path / "out"
        rewritten(night / "ccd.014.0.fits", lambda pixels: pixels[:20, :600].fill(65535))
        run = command("night", night, "-o", out, "--no-report", "--recipe", recipe)
        assert "5 % of this flat is saturated (limit 1 %)" in run.out
        assert fits.getheader(out / "combined_flat_gp.fits")["NCOMBINE"] == 2
        assert run.code == 0

    def test_all_flats_saturated(self, part, tmp_path):
        night, out = copied(part, tmp_path), tmp_path / "out"
        for number in (14, 15, 16):
            rewritten(night / f"ccd.{number:03d}.0.fits", lambda pixels: pixels[:, :600].fill(65535))
        result = carried_out(night, out, RECIPE)
        flat = next(each for each in result.groups if each.group.name == "combined_flat_gp.fits")
        assert not flat.combined.is_there
        assert "all of its 3 frames were left out" in flat.combined.reason
        assert "of this flat is saturated (limit 1 %)" in flat.combined.reason
        by_name = {each.frame.name: each for each in result.frames}
        assert by_name["ccd.037.0.fits"].lost == ("flat",)
        for name, words in (
            ("combined_flat_gp", "all of its 3 frames"),
            ("bad_pixels_gp", "needs combined_flat_gp.fits"),
        ):
            said = command("explain", out / f"{name}.fits").out
            assert said.startswith(f"{name}.fits is not there, because the last run could not make it: ")
            assert words in said


class TestMeans:
    @pytest.mark.parametrize("options", [{"workers": 1}, {"workers": 4}, {"mem_limit_bytes": 20_000_000}])
    def test_threads_and_memory_do_not_change_a_bit(self, fresh, raw, tmp_path, options):
        result = carried_out(raw, tmp_path / "out", RECIPE, **options)
        assert result.is_good, result.failed
        assert all_bytes(tmp_path / "out") == all_bytes(fresh[0])

    def test_too_little_memory_is_said_before_anything_is_written(self, raw, tmp_path):
        with pytest.raises(MemoryLimitError, match="raise it to"):
            carried_out(raw, tmp_path / "out", RECIPE, mem_limit_bytes=1_000_000)
        assert not (tmp_path / "out").exists()

    @pytest.mark.long
    @pytest.mark.parametrize(("how", "suffix"), [("gzip", ".fits.gz"), ("rice", ".fits.fz")])
    def test_compressed_results_hold_the_same(self, fresh, raw, tmp_path, how, suffix):
        out = tmp_path / "out"
        result = carried_out(raw, out, f'compress = "{how}"\n{RECIPE}')
        assert result.is_good, result.failed
        for name in ("ccd.037.0", "combined_flat_gp", "darks/ccd.013.0"):
            with fits.open(out / f"{name}{suffix}") as hdus:
                found = next(hdu.data for hdu in hdus if hdu.data is not None)
                np.testing.assert_array_equal(found, fits.getdata(fresh[0] / f"{name}.fits"))
        assert command("verify", out, "--raw", raw).code == 0
        before = all_bytes(out)
        (out / f"ccd.037.0{suffix}").unlink()
        again = carried_out(raw, out, f'compress = "{how}"\n{RECIPE}')
        assert len(again.skipped) == 23
        assert all_bytes(out) == before
        levels = [each.outcome.level_adu for each in again.frames]
        assert levels == [each.outcome.level_adu for each in result.frames]
        with pytest.raises(NoFramesError, match="27 left alone: calibrated already by zeroframe"):
            planned(out, tmp_path / "again", "")

    def test_one_run_at_a_time(self, raw, tmp_path):
        out = tmp_path / "out"
        out.mkdir()
        with folder_lock(out), pytest.raises(OutputError, match="another run"):
            carried_out(raw, out, RECIPE)

    def test_what_dead_runs_have_left_is_removed_from_folders_within(self, raw, tmp_path):
        out = tmp_path / "out"
        (out / "darks").mkdir(parents=True)
        left = [out / ".a.fits.99999999-0123abcd.part", out / "darks" / ".b.fits.99999999-0123abcd.part"]
        for path in left:
            path.write_bytes(b"half")
        with begin_night(planned(raw, out, RECIPE)):
            assert not any(path.exists() for path in left)

    def test_strangers_in_folders_within_are_found(self, fresh, tmp_path):
        out = tmp_path / "out"
        shutil.copytree(fresh[0], out)
        shutil.copy(out / "ccd.037.0.fits", out / "darks" / "other.fits")
        run = command("verify", out)
        assert run.code == 1
        assert "darks/other.fits: was not made by this run" in run.out


class TestRecipe:
    def test_the_command_writes_every_default(self, tmp_path):
        printed = command("recipe")
        assert printed.code == 0
        assert "[tolerances]" in printed.out
        path = tmp_path / "night.toml"
        assert command("recipe", "-o", path).code == 0
        assert path.read_text() == printed.out
        assert command("recipe", "-o", path).code == 2
        assert command("recipe", "-o", path, "--overwrite").code == 0

    def test_an_unknown_key_is_refused_before_anything_is_written(self, raw, tmp_path):
        path = tmp_path / "night.toml"
        path.write_text("[flat]\nmin_valeu = 1\n")
        run = command("night", raw, "-o", tmp_path / "out", "--recipe", path)
        assert run.code == 2
        assert "min_value" in run.err
        assert not (tmp_path / "out").exists()


class TestLoneFrames:
    """A group of one frame has no scatter: its noise is that of the model."""

    def test_uncertainty_of_a_lone_dark(self, part, tmp_path):
        night, out = copied(part, tmp_path), tmp_path / "out"
        for number in (14, 15):
            (night / "darks" / f"ccd.{number:03d}.0.fits").unlink()
        result = carried_out(night, out, RECIPE)
        noise = next(each.said["NOISEADU"] for each in result.groups if each.group.label == "bias")
        dark = calibrated(out / "combined_dark_300s.fits")
        expected = np.sqrt(noise**2 + np.maximum(dark.data, 0) / 1.1)
        np.testing.assert_allclose(dark.sigma, expected, rtol=1e-5)
        assert np.isfinite(calibrated(out / "ccd.037.0.fits").sigma).all()

    def test_without_gain_and_flats_there_is_no_uncertainty_and_that_is_said(self, part, tmp_path):
        night, out = copied(part, tmp_path), tmp_path / "out"
        for number in range(14, 17):
            (night / f"ccd.{number:03d}.0.fits").unlink()
        for path in night.rglob("*.fits"):
            with fits.open(path, mode="update") as hdus:
                hdus[0].header.remove("GAIN")
        result = carried_out(night, out, RECIPE)
        science = next(each for each in result.frames if each.frame.name == "ccd.037.0.fits")
        assert "gain is not known and could not be measured: no uncertainty" in science.outcome.reason
        assert calibrated(out / "ccd.037.0.fits").sigma is None
