"""The jobs as functions: what they return, and that they do what the commands do."""

from __future__ import annotations

import inspect
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from html.parser import HTMLParser

import numpy as np
import pytest
from astropy.nddata import CCDData, StdDevUncertainty

import zeroframe
from nights import RECIPES, all_bytes, calibrated
from nights import small_night as whole_night
from reliability import small_night
from workbench import SMALL_SECTIONS, command, naive_clipped_mean, pixels_of, raw_pixels, small_folder, write_raw
from zeroframe import errors

FRAMES = 5
SECTIONS = {"overscan": "[608:632,:]", "trim": "[1:600,:]"}


@pytest.fixture(scope="module")
def raw(tmp_path_factory):
    return small_night(tmp_path_factory.mktemp("biases") / "raw", FRAMES)


@pytest.fixture(scope="module")
def made(raw):
    return zeroframe.bias(raw, raw.parent / "out", **SECTIONS)


class TestBias:
    def test_the_bytes_are_those_of_the_command(self, raw, made, tmp_path):
        assert command("bias", raw, "-o", tmp_path / "out", *SMALL_SECTIONS).code == 0
        assert all_bytes(made.out) == all_bytes(tmp_path / "out")
        assert (made.out / "report.html").exists()
        assert command("verify", made.out, "--raw", raw).code == 0

    def test_frames_and_what_they_hold(self, raw, made):
        assert [frame.name for frame in made.frames] == sorted(path.name for path in raw.iterdir())
        for frame in made.frames:
            assert (frame.kind, frame.state, frame.reason, frame.is_there) == ("bias", "done", "", True)
            assert frame.raw == raw / frame.name
            ccd = frame.read()
            assert isinstance(ccd, CCDData)
            assert str(ccd.unit) == "adu"
            np.testing.assert_array_equal(ccd.data, pixels_of(frame.path))

    def test_combined_is_what_numpy_makes(self, made):
        (combined,) = made.combined
        assert (combined.name, combined.kind, combined.label, combined.frames) == (
            "combined_bias.fits",
            "bias",
            "bias",
            5,
        )
        ccd = combined.read()
        assert isinstance(ccd.uncertainty, StdDevUncertainty)
        stack = np.stack([pixels_of(frame.path) for frame in made.frames])
        expected, _, counts = naive_clipped_mean(stack, floor=_floor(made), floor_alone=True)
        same = pixels_of(combined.path, "COUNTS") == counts
        assert same.mean() > 0.9999
        np.testing.assert_allclose(ccd.data[same], expected[same], rtol=1e-5, atol=1e-5)

    def test_figures_are_those_of_the_pixels(self, made):
        figures = made.figures
        assert set(figures) == {*(frame.name for frame in made.frames), "combined_bias.fits"}
        for frame in made.frames:
            level = float(np.median(frame.read().data))
            assert figures[frame.name]["level_adu"] == pytest.approx(level, abs=0.2)
            assert figures[frame.name]["raw_level_adu"] == pytest.approx(
                float(np.median(pixels_of(frame.raw)[:, :600])), abs=1.0
            )
        one, combined = figures["ccd.001.0.fits"], figures["combined_bias.fits"]
        assert one["noise_adu"] == pytest.approx(4.0, rel=0.05)
        assert combined["read_noise_adu"] == pytest.approx(4.0, rel=0.05)
        assert combined["expected_noise_adu"] == pytest.approx(combined["noise_of_one_frame_adu"] / np.sqrt(5))
        # of two halves of the frames, which have nothing but the pattern in common
        stack = np.stack([pixels_of(frame.path) for frame in made.frames])
        difference = stack[:2].mean(axis=0) - stack[2:4].mean(axis=0)
        usual = difference[np.abs(difference - np.median(difference)) < 25.0]
        assert combined["noise_adu"] == pytest.approx(usual.std() / np.sqrt(FRAMES), rel=0.03)

    def test_it_reads_well(self, made):
        assert repr(made) == "<Reduction: 5 bias frames calibrated, 1 combined frame made; all is well>"
        assert made.is_good
        assert made.problems == ()
        page = made._repr_html_()
        for words in ("5 bias frames calibrated, 1 combined frame made; all is well.", "combined_bias.fits", " adu"):
            assert words in page

    def test_a_second_time_all_is_kept_and_measured(self, raw, made):
        before = {path: path.stat().st_mtime_ns for path in made.out.glob("*.fits")}
        again = zeroframe.bias(raw, made.out, **SECTIONS)
        assert {frame.state for frame in (*again.frames, *again.combined)} == {"skipped"}
        assert {path: path.stat().st_mtime_ns for path in made.out.glob("*.fits")} == before
        assert again.figures == made.figures

    def test_on_an_executor(self, raw, made, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        with ThreadPoolExecutor(2) as pool:
            assert zeroframe.bias(raw, "out", executor=pool, report=False, **SECTIONS).is_good
        assert all_bytes(tmp_path / "out") == all_bytes(made.out)

    def test_progress_is_told(self, raw, tmp_path):
        told = []
        zeroframe.bias(raw, tmp_path / "out", report=False, progress=lambda *each: told.append(each), **SECTIONS)
        assert ("calibrating", 1.0) in told
        assert ("combining", 1.0) in told


def _floor(made):
    from workbench import floor_of

    return floor_of(made.combined[0].path)


class TestWhatGoesWrong:
    def test_every_problem_is_a_sentence(self, tmp_path):
        raw = tmp_path / "raw"
        paths = small_folder(raw, 4)
        paths[1].write_bytes(paths[1].read_bytes()[:3000])
        write_raw(raw / "<script>alert(1)<script>.fits", raw_pixels(9, level=9000))
        made = zeroframe.bias(raw, tmp_path / "out", trim="[*,*]")
        assert not made.is_good
        assert any(str(paths[1]) in problem and "cut off" in problem for problem in made.problems)
        assert any("alert(1)" in problem and "its level of" in problem for problem in made.problems)
        assert [each.code for each in made.findings if each.severity != "note"] == ["ZF101", "ZF202"]
        # brought to the level of the others, of which the frame of 9000 ADU has no part
        others = [
            np.mean(made_of.read().data) for made_of in made.frames if made_of.path.name in {"b1.fits", "b3.fits"}
        ]
        assert np.mean(made.combined[0].read().data) == pytest.approx(np.mean(others), abs=1.0)
        headline = "4 bias frames calibrated, 1 combined frame made; 2 things to look at"
        assert repr(made).startswith(f"<Reduction: {headline}\n  ")
        (failed,) = [frame for frame in made.frames if not frame.is_there]
        assert failed.state == "failed"
        with pytest.raises(zeroframe.FrameError, match="there is no such file"):
            failed.read()
        elements = []
        parser = HTMLParser()
        parser.handle_starttag = lambda tag, _: elements.append(tag)
        parser.feed(made._repr_html_())
        assert "script" not in elements

    def test_a_report_in_the_place_of_which_something_else_is(self, raw, tmp_path):
        (tmp_path / "out").mkdir()
        (tmp_path / "out" / "report.html").write_text("mine")
        made = zeroframe.bias(raw, tmp_path / "out", **SECTIONS)
        assert not made.is_good
        assert made.problems[0].startswith("no report: ")
        assert made.combined[0].is_there

    @pytest.mark.parametrize(
        ("options", "error", "words"),
        [
            ({"overscn": "[1:5,:]"}, errors.UsageError, "the option overscn is not known; did you mean 'overscan'?"),
            ({"method": "mean"}, errors.UsageError, "method = 'mean' cannot be used; expected is 'average'"),
            ({"mem_limit": "5 zonks"}, errors.UsageError, "5 zonks"),
            ({"trim": "[1:9999,:]"}, errors.SectionError, "9999"),
            ({"camera": "nikon"}, errors.CameraError, "nikon"),
            ({"recipe": "nowhere.toml"}, errors.UsageError, "nowhere.toml: the recipe cannot be read"),
        ],
    )
    def test_what_cannot_be_begun_is_an_error(self, raw, tmp_path, options, error, words):
        for job in (zeroframe.bias, zeroframe.plan):
            with pytest.raises(error) as caught:
                job(raw, tmp_path / "out", **options)
            assert words in str(caught.value)
        assert not (tmp_path / "out").exists()

    def test_something_else_is_in_the_place_of_a_result(self, raw, tmp_path):
        (tmp_path / "out").mkdir()
        (tmp_path / "out" / "ccd.001.0.fits").write_text("mine")
        shown = zeroframe.plan(raw, tmp_path / "out", "bias", **SECTIONS)
        assert (list(shown.in_the_way), shown.to_replace) == ([tmp_path / "out" / "ccd.001.0.fits"], {})
        for overwrite in (False, True):
            with pytest.raises(zeroframe.OutputExistsError, match="is there already"):
                zeroframe.bias(raw, tmp_path / "out", overwrite=overwrite, **SECTIONS)
        assert (tmp_path / "out" / "ccd.001.0.fits").read_text() == "mine"

    def test_a_result_of_another_recipe(self, raw, tmp_path):
        assert zeroframe.bias(raw, tmp_path / "out", report=False, **SECTIONS).is_good
        others = {**SECTIONS, "trim": "[1:500,:]"}
        shown = zeroframe.plan(raw, tmp_path / "out", "bias", **others)
        assert tmp_path / "out" / "ccd.001.0.fits" in shown.to_replace
        with pytest.raises(zeroframe.OutputExistsError, match="is there already"):
            zeroframe.bias(raw, tmp_path / "out", **others)
        assert zeroframe.bias(raw, tmp_path / "out", overwrite=True, report=False, **others).is_good

    def test_nothing_to_work_on(self, tmp_path):
        with pytest.raises(zeroframe.NoFramesError, match="is not there"):
            zeroframe.night(tmp_path / "nowhere", tmp_path / "out")

    def test_a_job_that_there_is_not(self, raw, tmp_path):
        with pytest.raises(zeroframe.UsageError, match="job = 'lunch' cannot be used; expected is one of bias, dark"):
            zeroframe.plan(raw, tmp_path / "out", "lunch")


@pytest.fixture(scope="module")
def night(tmp_path_factory):
    folder = tmp_path_factory.mktemp("night")
    (folder / "night.toml").write_text(RECIPES["palomar-lfc"])
    raw = whole_night(folder / "raw", one_filter=True)
    return zeroframe.night(raw, folder / "out", recipe=folder / "night.toml", report=False)


class TestNight:
    def test_all_kinds_and_masks(self, night):
        assert night.is_good, night.problems
        kinds = {frame.kind for frame in night.frames}
        assert kinds == {"bias", "dark", "flat", "science"}
        assert {frame.kind for frame in night.combined} == {"bias", "dark", "flat"}
        assert {mask.kind for mask in night.masks} == {"hot", "bad"}
        for mask in night.masks:
            assert night.figures[mask.name]["masked_pixels"] == np.count_nonzero(pixels_of(mask.path))

    def test_a_science_frame_with_its_figures(self, night):
        (science,) = [frame for frame in night.frames if frame.kind == "science"]
        truth = calibrated(science.path)
        ccd = science.read()
        np.testing.assert_array_equal(ccd.uncertainty.array, truth.sigma)
        np.testing.assert_array_equal(ccd.mask, truth.mask)
        assert science.figures["masked_pixels"] == np.count_nonzero(truth.mask)
        assert science.figures["gain_e_per_adu"] == truth.header["GAINUSED"]
        flat = next(frame for frame in night.combined if frame.kind == "flat")
        assert flat.figures["level_adu"] == pytest.approx(truth_level(flat), rel=1e-6)

    def test_a_combined_flat_has_no_unit_and_others_have_that_of_the_frames(self, night):
        # a unit that is assumed would be warned of, and a warning fails
        units = {frame.kind: str(frame.read().unit) for frame in night.combined}
        assert units == {"bias": "adu", "dark": "adu", "flat": ""}
        flat = next(frame for frame in night.combined if frame.kind == "flat").read()
        assert np.nanmedian(flat.data) == pytest.approx(1.0, abs=0.05)

    def test_electrons_are_named_so(self, tmp_path):
        text = RECIPES["palomar-lfc"] + "[steps]\nto_electrons = true\n"
        (tmp_path / "night.toml").write_text(text)
        raw = whole_night(tmp_path / "raw", one_filter=True)
        made = zeroframe.night(
            raw, tmp_path / "out", recipe=zeroframe.load_recipe(tmp_path / "night.toml"), report=False
        )
        (science,) = [frame for frame in made.frames if frame.kind == "science"]
        assert {"level_e", "noise_e", "raw_level_adu"} <= set(science.figures)
        assert not {"level_adu", "noise_adu"} & set(science.figures)


def truth_level(flat):
    from workbench import header_of

    return header_of(flat.path)["FLATLEVL"]


class TestPlan:
    def test_nothing_is_written(self, raw, tmp_path):
        shown = zeroframe.plan(raw, tmp_path / "out", "bias", **SECTIONS)
        assert not (tmp_path / "out").exists()
        assert len(shown.to_make) == FRAMES + 1
        assert (shown.to_keep, shown.to_replace, shown.problems) == ((), {}, ())
        assert repr(shown) == f"<Forecast: {FRAMES + 1} to make; nothing was written>"
        assert "combined_bias.fits: bias" in str(shown)
        assert {choice.what for choice in shown.choices} >= {"overscan", "trim"}
        assert "nothing was written" in shown._repr_html_()

    def test_what_is_there_is_kept(self, raw, made):
        shown = zeroframe.plan(raw, made.out, "bias", **SECTIONS)
        assert len(shown.to_keep) == FRAMES + 1
        other = zeroframe.plan(raw, made.out, "bias", clip=3, **SECTIONS)
        assert other.to_replace == {made.out / "combined_bias.fits": "it was made with other options"}

    def test_a_night_is_the_default(self, raw, tmp_path):
        assert len(zeroframe.plan(raw, tmp_path / "out", **SECTIONS).to_make) == FRAMES + 1


class TestNames:
    def test_all_errors_stand_at_the_top(self):
        for name in errors.__all__:
            if isinstance(getattr(errors, name), type):
                assert getattr(zeroframe, name) is getattr(errors, name)
                assert name in zeroframe.__all__

    @pytest.mark.long
    def test_the_functions_are_not_hidden_by_modules(self):
        code = (
            "import pkgutil, importlib, zeroframe\n"
            "for each in pkgutil.walk_packages(zeroframe.__path__, 'zeroframe.'):\n"
            "    if '__main__' not in each.name: importlib.import_module(each.name)\n"
            "from types import ModuleType\n"
            "print(*[name for name in zeroframe.__all__ if isinstance(getattr(zeroframe, name), ModuleType)])\n"
        )
        found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert found.stdout.split() == []

    def test_importing_the_package_imports_none_of_it(self):
        code = "import sys, zeroframe; print(*[name for name in sys.modules if name.startswith('zeroframe.')])"
        found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert found.stdout.split() == []

    @pytest.mark.parametrize("name", ["bias", "dark", "flat", "night", "plan"])
    def test_options_are_shown_one_by_one(self, name):
        shown = inspect.signature(getattr(zeroframe, name)).parameters
        assert {"raw", "out", "overscan", "trim", "clip", "recipe", "compress", "overwrite"} <= set(shown)
        assert ("report" in shown) is (name != "plan")
        assert shown["overscan"].default is None


class TestJobsOfAKind:
    """`dark` and `flat` are asked for darks and flats: what these need is not enough."""

    @pytest.mark.parametrize("job", ["dark", "flat"])
    def test_no_frame_of_that_kind(self, raw, tmp_path, job):
        words = f"no {job} frame that can be used \\(5 bias\\); give the folder that holds the raw {job}s, or say which"
        with pytest.raises(zeroframe.NoFramesError, match=words):
            getattr(zeroframe, job)(raw, tmp_path / "out", **SECTIONS)
        assert not (tmp_path / "out").exists()

    def test_a_forecast_is_drawn_line_by_line(self, raw, tmp_path):
        shown = zeroframe.plan(raw, tmp_path / "out", "bias", **SECTIONS)._repr_html_()
        assert "\\n" not in shown
        assert shown.count("\n") >= 2
