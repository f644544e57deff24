"""Biases, darks, flats and nights are plans of one engine: the same bytes by either command, each keeps the other's."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
from astropy.io import fits

from nights import RECIPES, all_bytes, bias_plan
from nights import small_night as whole_night
from reliability import small_night
from workbench import SMALL_SECTIONS, command, pixels_of, raw_pixels, small_folder, write_raw
from zeroframe.errors import UsageError
from zeroframe.planning.recipe import NightRecipe, parse_recipe
from zeroframe.planning.shorthands import SHORTHANDS, recipe_for, with_shorthands

FRAMES = 3


@pytest.fixture(scope="module")
def raw(tmp_path_factory):
    return small_night(tmp_path_factory.mktemp("biases") / "raw", FRAMES)


@pytest.fixture(scope="module")
def night_raw(tmp_path_factory):
    return whole_night(tmp_path_factory.mktemp("night") / "raw", one_filter=True)


def run(job, raw, out, *more):
    return command(job, raw, "-o", out, "--no-report", *more)


def times(folder):
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*.fits*")}


def said_of(out):
    return json.loads((out / "run.json").read_text())


class TestBiasAndNight:
    @pytest.mark.parametrize("more", [(), ("--compress", "rice"), ("--reject-outliers", "--clip-spread", "mad")])
    def test_of_one_folder_give_the_same_bytes(self, raw, tmp_path, more):
        for job in ("bias", "night"):
            made = run(job, raw, tmp_path / job, *SMALL_SECTIONS, *more)
            assert made.code == 0, made.out + made.err
        ours, theirs = all_bytes(tmp_path / "bias"), all_bytes(tmp_path / "night")
        assert len(ours) == FRAMES + 1
        assert ours == theirs

    @pytest.mark.parametrize("jobs", [("bias", "night"), ("night", "bias")])
    def test_each_keeps_what_the_other_made(self, raw, tmp_path, jobs):
        out = tmp_path / "out"
        assert run(jobs[0], raw, out, *SMALL_SECTIONS).code == 0
        before = times(out)
        second = run(jobs[1], raw, out, *SMALL_SECTIONS)
        assert second.code == 0, second.out + second.err
        assert f"Up to date: {FRAMES} calibrated and 1 combined frame" in second.out
        assert times(out) == before
        assert command("verify", out, "--raw", raw).code == 0

    @pytest.mark.long
    def test_a_night_goes_on_from_its_biases(self, night_raw, tmp_path):
        recipe = tmp_path / "night.toml"
        recipe.write_text(RECIPES["palomar-lfc"])
        raw, out = tmp_path / "raw", tmp_path / "out"
        shutil.copytree(night_raw, raw)
        for path in (raw / "darks").iterdir():  # a folder that bias does not enter
            if fits.getheader(path)["IMAGETYP"] == "BIAS":
                path.unlink()
        assert run("bias", raw, out, "--recipe", recipe).code == 0
        before = times(out)
        whole = run("night", raw, out, "--recipe", recipe)
        assert whole.code == 0, whole.out + whole.err
        assert f"Up to date: {len(before) - 1} calibrated and 1 combined frame" in whole.out
        assert {path: when for path, when in times(out).items() if path in before} == before
        assert run("night", raw, tmp_path / "fresh", "--recipe", recipe).code == 0
        assert all_bytes(out) == all_bytes(tmp_path / "fresh")

    def test_explain_and_verify_know_results_of_bias(self, raw, tmp_path):
        out = tmp_path / "out"
        assert run("bias", raw, out, *SMALL_SECTIONS).code == 0
        frame = command("explain", out / "ccd.001.0.fits")
        assert frame.code == 0, frame.err
        assert "ccd.001.0.fits is a bias frame, calibrated from ccd.001.0.fits." in frame.out
        combined = command("explain", out / "combined_bias.fits")
        assert f"combined_bias.fits is bias: the average of {FRAMES} frames." in combined.out
        assert "noise of a pixel of one frame, measured on pairs: " in combined.out


#: Options of the command, what they are given, and the keys of the recipe that they stand for.
SAID = {
    "interpolate": ("--interpolate", None, "masks.interpolate = true"),
    "split_colours": ("--split-colours", None, "steps.split_colours = true"),
    "dark_scale": ("--dark-scale", "fit", "dark.scale_by = 'fit'"),
    "unit": ("--unit", "electron", "steps.to_electrons = true"),
    "overscan": ("--overscan", "[17:20,:]", "frames.overscan = '[17:20,:]'"),
    "trim": ("--trim", "[1:16,:]", "frames.trim = '[1:16,:]'"),
    "overscan_method": ("--overscan-method", "mean", "frames.overscan_method = 'mean'"),
    "overscan_fit": ("--overscan-fit", "legendre", "frames.overscan_fit = 'legendre'"),
    "overscan_order": ("--overscan-order", "2", "frames.overscan_order = 2"),
    "method": ("--method", "median", "bias.method = 'median'"),
    "clip": ("--clip", "3", "bias.clip = 3"),
    "clip_spread": ("--clip-spread", "std", "bias.clip_spread = 'std'"),
    "reject_outliers": ("--reject-outliers", None, "bias.reject_outliers = true"),
    "compress": ("--compress", "gzip", "compress = 'gzip'"),
}


class TestOptionsAreKeysOfTheRecipe:
    def test_every_option_but_some_is_tried(self):
        # a mask of one's own is a file: tests/frames/test_own_masks.py; stored frames: tests/run/test_stored.py and
        # test_library.py; words that are taught: tests/headers/test_words.py; pictures of colours:
        # test_colour_products.py; parts of files:
        # tests/verbs/test_detectors.py, test_keep_amplifiers.py, test_mosaic_products.py
        stored, parts = {"calibrations", "library"}, {"ext", "detector", "keep_amplifiers", "mosaic"}
        others = {"camera", "combine", "own_mask", "kind", "card", "debayer"}
        assert set(SHORTHANDS) - set(SAID) == {*others, *stored, *parts}

    @pytest.mark.parametrize("job", ["bias", "night"])
    def test_the_same_bytes_either_way(self, tmp_path, job):
        small_folder(tmp_path / "raw", 5)
        options = [each for option, value, _ in SAID.values() for each in (option, value) if each is not None]
        (tmp_path / "my.toml").write_text("\n".join(key for *_, key in SAID.values()))
        for name, more in (("options", options), ("recipe", ("--recipe", tmp_path / "my.toml"))):
            made = run(job, tmp_path / "raw", tmp_path / name, *more)
            assert made.code == 0, made.out + made.err
        assert all_bytes(tmp_path / "options") == all_bytes(tmp_path / "recipe")
        header = fits.getheader(tmp_path / "options" / "combined_bias.fits.gz")
        assert (header["COMBMETH"], header["OVERSCAN"]) == ("median", "[17:20,1:12] mean legendre 2")
        asked = [said_of(tmp_path / name)["recipe"]["night"] for name in ("options", "recipe")]
        for table in ("frames", "bias", "compress"):
            assert asked[0][table] == asked[1][table]

    def test_options_stand_over_the_recipe(self):
        recipe = parse_recipe("[bias]\nclip = 3\nmethod = 'median'")
        assert recipe_for("bias", recipe, {"clip": 4.0}).bias.clip == 4.0
        assert recipe_for("bias", recipe, {"clip": None}).bias == recipe_for("bias", recipe, {}).bias
        assert recipe_for("bias", recipe, {}).bias.method == "median"

    @pytest.mark.parametrize(
        ("said", "words"),
        [
            ({"clip": -1}, "clip = -1 cannot be used; expected is a number of at least 0"),
            ({"method": "mean"}, "method = 'mean' cannot be used; expected is 'average' or 'median' or 'sum'"),
            ({"trim": "[1:2"}, "trim: "),
            ({"overscn": "[1:2,:]"}, "overscn is not known; did you mean 'overscan'?"),
        ],
    )
    def test_what_is_wrong_is_named(self, said, words):
        with pytest.raises(UsageError) as caught:
            with_shorthands(NightRecipe(), ("bias",), said)
        assert str(caught.value).startswith(words)


class TestNotCombined:
    def test_noise_is_measured_and_odd_ones_are_named(self, tmp_path):
        random = np.random.default_rng(1)
        for number in range(5):
            level = 1000 + 300 * (number == 4)
            write_raw(tmp_path / "raw" / f"b{number}.fits", np.rint(random.normal(level, 5.0, (80, 100))).astype("u2"))
        made = run("bias", tmp_path / "raw", tmp_path / "out", "--no-combine", "--overscan", "[1:10,:]")
        assert made.code == 0, made.out
        row = next(line for line in made.out.splitlines() if "read noise of one frame" in line)
        assert float(row.split("│")[2]) == pytest.approx(5.0, rel=0.05)
        odd = run("bias", tmp_path / "raw", tmp_path / "odd", "--no-combine", "--trim", "[*,*]")
        assert odd.code == 1
        assert "b4.fits: its level of 1" in odd.out
        assert "--reject-outliers excludes it" in odd.out
        left = run("bias", tmp_path / "raw", tmp_path / "left", "--no-combine", "--trim", "[*,*]", "--reject-outliers")
        assert left.code == 0
        assert said_of(tmp_path / "left")["this_run"]["frames"][4]["state"] == "left out"
        assert not list(tmp_path.glob("*/combined_bias.fits"))
        said = command("explain", tmp_path / "out" / "b0.fits")
        assert "b0.fits: no bias, dark or flat is used for it, and it is not combined, as was asked for." in said.out

    def test_by_night_there_is_one_for_each(self, tmp_path):
        for night in ("2024-03-14", "2024-03-15"):
            for number in range(3):
                cards = {"DATE-OBS": f"{night}T2{number}:00:00"}
                write_raw(tmp_path / "raw" / f"{night}-{number}.fits", raw_pixels(number), **cards)
        made = run("bias", tmp_path / "raw", tmp_path / "out", "--by-night", "--trim", "[*,*]")
        assert made.code == 0, made.out + made.err
        assert [path.parent.name for path in sorted(tmp_path.glob("out/*/combined_bias.fits"))] == [
            *("2024-03-14", "2024-03-15")
        ]

    def test_by_the_recipe_nothing_is_made_with_them(self, night_raw, tmp_path):
        recipe = tmp_path / "night.toml"
        recipe.write_text(RECIPES["palomar-lfc"] + "[bias]\ncombine = false\n")
        made = run("night", night_raw, tmp_path / "out", "--recipe", recipe)
        assert not (tmp_path / "out" / "combined_bias.fits").exists()
        assert (tmp_path / "out" / "ccd.001.0.fits").exists()
        assert "ZEROCOR" not in fits.getheader(tmp_path / "out" / "ccd.037.0.fits")
        again = run("night", night_raw, tmp_path / "out", "--recipe", recipe)
        assert (again.code, "Up to date: " in again.out) == (made.code, True)
        assert {frame["state"] for frame in said_of(tmp_path / "out")["this_run"]["frames"]} == {"skipped"}


class TestKinds:
    def test_darks_are_less_their_bias(self, night_raw, tmp_path):
        recipe = tmp_path / "night.toml"
        recipe.write_text(RECIPES["palomar-lfc"])
        made = run("dark", night_raw, tmp_path / "out", "--recipe", recipe)
        assert made.code == 0, made.out + made.err  # darks of this night lie in a folder within
        assert {group["kind"] for group in said_of(tmp_path / "out")["recipe"]["groups"].values()} == {"bias", "dark"}
        made = run("dark", night_raw, tmp_path / "flat", "--recipe", recipe, "--no-recurse")
        assert made.code == 2
        assert "no dark frame that can be used (6 bias); give the folder that holds the raw darks" in made.err
        made = run("dark", night_raw / "darks", tmp_path / "darks", "--recipe", recipe)
        assert made.code == 0, made.out + made.err
        said = said_of(tmp_path / "darks")["recipe"]
        assert {group["kind"] for group in said["groups"].values()} == {"bias", "dark"}
        assert all((tmp_path / "darks" / name).exists() for name in said["groups"])
        for frame in said["frames"].values():
            if frame["kind"] == "dark":
                assert fits.getheader(tmp_path / "darks" / frame["target"])["ZEROCOR"] == "combined_bias.fits"

    def test_flats_with_biases_and_darks(self, tmp_path):
        random = np.random.default_rng(2)
        raw = tmp_path / "raw"
        for number in range(4):
            write_raw(raw / f"b{number}.fits", random.normal(1000, 4, (60, 80)).astype("f4"), IMAGETYP="bias")
            cards = {"IMAGETYP": "dark", "EXPTIME": 10.0}
            write_raw(raw / f"d{number}.fits", random.normal(1050, 4, (60, 80)).astype("f4"), **cards)
            cards = {"IMAGETYP": "flat", "EXPTIME": 10.0, "FILTER": "R", "GAIN": 1.0}
            write_raw(raw / f"f{number}.fits", random.normal(21050, 140, (60, 80)).astype("f4"), **cards)
            write_raw(raw / f"s{number}.fits", random.normal(1100, 10, (60, 80)).astype("f4"), IMAGETYP="object")
        made = run("flat", raw, tmp_path / "out", "--trim", "[*,*]")
        assert made.code == 0, made.out + made.err
        assert "4 left alone (4 science)" in made.out
        flat = tmp_path / "out" / "combined_flat_R.fits"
        assert pixels_of(flat).mean() == pytest.approx(1.0, abs=1e-3)
        assert fits.getheader(flat)["FLATLEVL"] == pytest.approx(20000, rel=0.01)
        assert not list((tmp_path / "out").glob("s*.fits"))

    def test_kinds_of_the_recipe(self, tmp_path):
        raw = tmp_path / "raw"
        small_folder(raw, 2)
        write_raw(raw / "f1.fits", raw_pixels(9), IMAGETYP="flat")
        (tmp_path / "my.toml").write_text("kinds = ['bias']")
        made = run("night", raw, tmp_path / "out", "--recipe", tmp_path / "my.toml")
        assert made.code == 0, made.out + made.err
        assert "to calibrate it, too, name 'flat' in kinds of the recipe" in made.out
        assert [path.name for path in sorted((tmp_path / "out").glob("*.fits"))] == [
            *("b1.fits", "b2.fits", "combined_bias.fits")
        ]

    def test_a_sum_is_not_subtracted(self, night_raw, tmp_path):
        recipe = tmp_path / "night.toml"
        recipe.write_text(RECIPES["palomar-lfc"] + "[bias]\nmethod = 'sum'\n")
        made = run("night", night_raw, tmp_path / "out", "--recipe", recipe)
        assert made.code == 2
        assert "bias.method = 'sum': the sum of 7 frames cannot be subtracted from one frame; use 'average'" in made.err
        assert not (tmp_path / "out").exists()


def test_saturated_pixels_of_a_bias_are_counted_and_kept(tmp_path):
    for number in (1, 2, 3):
        pixels = raw_pixels(number)
        if number == 2:
            pixels[:3] = 65535
        write_raw(tmp_path / "raw" / f"b{number}.fits", pixels)
    made = run("bias", tmp_path / "raw", tmp_path / "out", "--trim", "[*,*]")
    assert made.code == 1
    assert "b2.fits: 25.00 % of its pixels are saturated" in made.out
    assert [fits.getheader(tmp_path / "out" / f"b{n}.fits")["NSATPIX"] for n in (1, 2, 3)] == [0, 60, 0]
    np.testing.assert_array_equal(pixels_of(tmp_path / "out" / "b2.fits")[:3], 65535)


def test_a_plan_of_biases_is_a_night_whose_only_kind_is_bias(raw, tmp_path):
    plan = bias_plan(raw, tmp_path / "out", overscan="[608:632,:]", trim="[1:600,:]")
    assert (plan.recipe.kinds, plan.recipe.steps.kinds) == (("bias",), ())
    assert [group.name for group in plan.groups] == ["combined_bias.fits"]
    assert (plan.science, plan.masks, plan.incomplete) == ((), (), ())
