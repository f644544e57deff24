"""Combined frames of other programs: their scales, units and marks, what their headers say and what their pixels."""

from __future__ import annotations

import shutil
from concurrent.futures import ProcessPoolExecutor

import numpy as np
import pytest
from astropy.io import fits

import zeroframe
from nights import all_bytes, calibrated
from stored_nights import copied, night_of, same_science
from zeroframe.run.engine import run_night

GAIN = 1.5  # of the CG16M, as its headers say


@pytest.fixture(scope="module")
def night(tmp_path_factory):
    return night_of("apogee-cg16m", tmp_path_factory.mktemp("cg16m"))


@pytest.fixture(scope="module")
def lfc(tmp_path_factory):
    return night_of("palomar-lfc", tmp_path_factory.mktemp("lfc"))


@pytest.fixture(scope="module")
def planes(night):
    """What the night has combined, without any mark of ours."""
    found = {}
    for kind, name in (("bias", "bias"), ("dark", "dark_90s"), ("flat", "flat_r")):
        with fits.open(night.out / f"combined_{name}.fits") as hdus:
            found[kind] = np.array(hdus[0].data, np.float64)
    return found


WORDS = {"bias": "Master Bias", "dark": "Master Dark", "flat": "Master Flat"}


def write(folder, kind, pixels, night="2018-08-22", **cards):
    """Write a combined frame as a program for amateurs does."""
    folder.mkdir(exist_ok=True)
    said = {"IMAGETYP": WORDS[kind], "DATE-OBS": f"{night}T22:00:00", "CCD-TEMP": -20.0, "XBINNING": 1, "YBINNING": 1}
    said |= {"dark": {"EXPTIME": 90.0}, "flat": {"EXPTIME": 1.0, "FILTER": "r"}, "bias": {"EXPTIME": 0.0}}[kind]
    header = fits.Header({**said, **{word.replace("_", "-"): value for word, value in cards.items()}})
    fits.writeto(folder / f"master_{kind}.fits", pixels.astype(np.float32), header)


def doubts(made):
    return [doubt for group in made.plan.stored for doubt in group.stored.doubts]


def stored(made, kind):
    return next(group for group in made.plan.stored if group.kind == kind)


class TestScales:
    @pytest.mark.parametrize(
        ("program", "count"),
        [({"PROGRAM": "PixInsight 1.8.9"}, None), ({"PROGRAM": "Siril 1.2.1", "STACKCNT": 10}, 10), ({}, None)],
    )
    def test_pixels_from_0_to_1(self, night, planes, tmp_path, program, count):
        for kind in planes:
            scale = 1 / 65535 if kind != "flat" else 30000 / 65535
            write(tmp_path / "m", kind, planes[kind] * scale, **program)
        made = night.from_stored(tmp_path, tmp_path / "m")
        same_science(night, tmp_path / "out")
        assert sum("0 to 1" in "".join(group.stored.done) for group in made.plan.stored) == 2
        assert stored(made, "bias").stored.frames == (count or 1)
        assert stored(made, "bias").stored.figures["level_adu"] == pytest.approx(planes["bias"].mean(), rel=1e-3)
        assert doubts(made) == []

    @pytest.mark.parametrize("level", [0.3, 1.0, 27000.0])
    def test_a_flat_of_any_level(self, night, planes, tmp_path, level):
        for kind in planes:
            write(tmp_path / "m", kind, planes[kind] * (level if kind == "flat" else 1.0))
        night.from_stored(tmp_path, tmp_path / "m")
        same_science(night, tmp_path / "out")

    def test_electrons_and_electrons_per_second(self, night, planes, tmp_path):
        write(tmp_path / "m", "bias", planes["bias"] * GAIN, BUNIT="electron")
        write(tmp_path / "m", "dark", planes["dark"] * GAIN / 90, BUNIT="electron/s")
        write(tmp_path / "m", "flat", planes["flat"] * 9e4, BUNIT="electron")
        made = night.from_stored(tmp_path, tmp_path / "m")
        same_science(night, tmp_path / "out")
        assert "divided by the gain of 1.5" in "".join(stored(made, "bias").stored.done)

    def test_one_that_is_not_trimmed_is_trimmed_as_the_night(self, night, planes, tmp_path):
        for kind, plane in planes.items():
            whole = np.full((300, 413), 7.0)
            whole[:, :400] = plane
            write(tmp_path / "m", kind, whole)
        made = night.from_stored(tmp_path, tmp_path / "m")
        same_science(night, tmp_path / "out")
        assert all(group.stored.file.recipe is not None for group in made.plan.stored)

    def test_one_that_is_not_trimmed_loses_its_overscan_as_the_night_does(self, lfc, tmp_path):
        with fits.open(lfc.out / "combined_dark_300s.fits") as hdus:
            dark = np.array(hdus[0].data)
        whole = np.full((400, 632), 1234.0)
        whole[:, :600] += dark
        (tmp_path / "m").mkdir()
        header = fits.Header({"IMAGETYP": "dark", "NCOMBINE": 3, "EXPTIME": 300.0, "DATE-OBS": "2016-01-15"})
        fits.writeto(tmp_path / "m" / "d.fits", whole.astype(np.float32), header)
        for path in lfc.out.glob("combined_flat*.fits"):
            shutil.copy(path, tmp_path / "m")
        lfc.from_stored(tmp_path, tmp_path / "m")
        same_science(lfc, tmp_path / "out")


class TestBiasInDarks:
    """By the level against that of the bias, whatever the header says."""

    @pytest.mark.parametrize("cards", [{}, {"SUBBIAS": "ccd=<CCDData>"}, {"ZEROCOR": "Zero", "NCOMBINE": 10}])
    @pytest.mark.parametrize("with_bias_file", [True, False])
    def test_a_dark_that_holds_its_bias(self, night, planes, tmp_path, cards, with_bias_file):
        if with_bias_file:
            write(tmp_path / "m", "bias", planes["bias"])
        write(tmp_path / "m", "dark", planes["dark"] + planes["bias"], **cards)
        write(tmp_path / "m", "flat", planes["flat"])
        made = night.from_stored(tmp_path, tmp_path / "m")
        same_science(night, tmp_path / "out")
        assert stored(made, "dark").includes_bias
        assert any("says that it holds its bias" in doubt for doubt in doubts(made)) == bool(cards)

    @pytest.mark.parametrize("cards", [{}, {"ORIGIN": "NOAO-IRAF FITS Image Kernel", "NCOMBINE": 10}])
    def test_a_dark_without_its_bias(self, night, planes, tmp_path, cards):
        for kind in planes:
            write(tmp_path / "m", kind, planes[kind], **cards)
        made = night.from_stored(tmp_path, tmp_path / "m")
        same_science(night, tmp_path / "out")
        assert not stored(made, "dark").includes_bias
        assert any("its bias was subtracted" in doubt for doubt in doubts(made)) == bool(cards)


class TestWhatCannotBeUsed:
    def test_a_bias_whose_overscan_stayed_in(self, lfc, tmp_path):
        (tmp_path / "m").mkdir()
        with fits.open(lfc.out / "combined_bias.fits") as hdus:
            plane = hdus[0].data + 1000.0
        header = fits.Header({"IMAGETYP": "zero", "NCOMBINE": 5, "DATE-OBS": "2016-01-15"})
        fits.writeto(tmp_path / "m" / "Zero.fits", plane.astype(np.float32), header)
        made = lfc.from_stored(tmp_path, tmp_path / "m")
        (match,) = {match for each in made.result.frames for match in each.frame.matches if match.what == "bias"}
        assert match.chosen is None
        assert "none was subtracted from it" in match.reason

    def test_another_size_another_filter_another_temperature(self, night, planes, tmp_path):
        write(tmp_path / "m", "bias", planes["bias"][:, :380])
        write(tmp_path / "m", "dark", planes["dark"], CCD_TEMP=-10.0)
        write(tmp_path / "m", "flat", planes["flat"], FILTER="V")
        made = night.from_stored(tmp_path, tmp_path / "m")
        reasons = {match.what: match.reason for match in made.result.frames[0].frame.matches}
        assert "380 x 300 pixels, which is the size of no frame of the night" in reasons["bias"]
        assert "at -10.0 C, not -20.0 C" in reasons["dark"]
        assert "another filter: V, not r" in reasons["flat"]
        assert made.plan.stored == ()

    def test_a_bias_of_another_level_is_told(self, night, planes, tmp_path):
        write(tmp_path / "m", "bias", planes["bias"] + 400.0)
        made = night.from_stored(tmp_path, tmp_path / "m")
        assert any("above the darkest pixels" in doubt for doubt in doubts(made))
        assert any(finding.code == "ZF504" and finding.severity == "warning" for finding in made.findings)

    def test_a_noise_that_cannot_be_is_told(self, night, planes, tmp_path):
        """Of a bias that is smooth, of one that is noisier than a frame, of a flat that has seen little light."""
        noise = np.random.default_rng(5)
        wrong = {
            "smoothed": ("bias", np.full((300, 400), 1000.0) + noise.normal(0, 0.05, (300, 400)), {"NCOMBINE": 10}),
            "more than that of one frame": ("bias", 1000.0 + noise.normal(0, 40.0, (300, 400)), {}),
            "little light": ("flat", planes["flat"] * noise.normal(1.0, 0.1, (300, 400)), {}),
        }
        for words, (kind, plane, cards) in wrong.items():
            base = tmp_path / words.replace(" ", "_")
            base.mkdir()
            write(base / "m", kind, plane, **cards)
            text = night.recipe.replace("[frames]\n", "[frames]\nread_noise_e = 10.0\n")
            (base / "r.toml").write_text(text)
            plan = zeroframe.plan(
                night.later(base / "science"), base / "out", recipe=base / "r.toml", calibrations=base / "m"
            ).plan
            assert any(words in doubt for group in plan.stored for doubt in group.stored.doubts), words

    def test_what_is_no_calibration_frame_is_left_alone(self, night, tmp_path):
        folder = copied(tmp_path / "m", *night.out.glob("combined_*.fits"), night.target(night.out, night.science[0]))
        (folder / "broken.fits").write_bytes(b"SIMPLE  =                    T")
        made = night.from_stored(tmp_path, folder)
        (said,) = [choice.value for choice in made.plan.choices if choice.what == "stored, left alone"]
        assert "broken.fits" in said
        assert night.target(night.out, night.science[0]).name in said
        same_science(night, tmp_path / "out")

    def test_a_folder_without_frames_and_one_that_is_not_there(self, night, tmp_path):
        (tmp_path / "m").mkdir()
        with pytest.raises(zeroframe.NoFramesError, match="no stored calibration frame"):
            night.from_stored(tmp_path, tmp_path / "m")
        with pytest.raises(zeroframe.NoFramesError, match="is not there"):
            night.from_stored(tmp_path, tmp_path / "nowhere")

    def test_one_that_is_changed_after_the_plan_fails_its_frames(self, night, tmp_path):
        folder = copied(tmp_path / "m", *night.out.glob("combined_*.fits"))
        (tmp_path / "r.toml").write_text(night.recipe)
        science = night.later(tmp_path / "science")
        plan = zeroframe.plan(science, tmp_path / "out", recipe=tmp_path / "r.toml", calibrations=folder).plan
        with fits.open(folder / "combined_flat_r.fits", mode="update") as hdus:
            hdus[0].data[0, 0] = 1.5
        result = run_night(plan)
        assert {each.outcome.state for each in result.frames} == {"failed"}
        assert all("combined_flat_r.fits" in each.outcome.reason for each in result.frames)


class TestMasks:
    @pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.float32])
    @pytest.mark.parametrize("trimmed", [True, False])
    def test_a_mask_of_another_program_is_applied(self, night, tmp_path, dtype, trimmed):
        folder = copied(tmp_path / "m", *night.out.glob("combined_*.fits"))
        bad = np.zeros((300, 400 if trimmed else 413), dtype)
        bad[40:43, 50] = 1
        fits.writeto(folder / "bpm.fits", bad, fits.Header({"OBJECT": "bad pixel mask"}))
        made = night.from_stored(tmp_path, folder)
        assert [mask.name for mask in made.plan.stored_masks] == ["m/bpm.fits"]
        for name in night.science:
            mask = calibrated(night.target(tmp_path / "out", name)).mask
            assert mask[40:43, 50].all()
            without = calibrated(night.target(night.out, name)).mask
            without[40:43, 50] = True
            # a pixel that cosmic rays are looked for around, and is masked now, may change what is found
            assert np.count_nonzero(mask != without) < 10

    def test_our_own_keep_their_meaning_and_are_not_taken_beside_what_they_are_made_of(self, night, tmp_path):
        folder = copied(tmp_path / "m", *night.out.glob("*_pixels_*.fits"), *night.out.glob("combined_*.fits"))
        made = night.from_stored(tmp_path, folder)
        assert made.plan.stored_masks == ()
        for path in folder.glob("combined_*.fits"):
            path.rename(folder / path.name.replace("combined", "my"))
        recipe = "[masks]\nhot_pixels = false\nbad_pixels = false\n"
        made = night.from_stored(tmp_path, folder, recipe, overwrite=True)
        assert len(made.plan.stored_masks) == 2
        for name in night.science:
            ours, theirs = (fits.getdata(night.target(where, name), "MASK") for where in (night.out, tmp_path / "out"))
            np.testing.assert_array_equal(ours, theirs)


def test_processes_make_the_same_bytes(night, tmp_path):
    folder = copied(tmp_path / "m", *night.out.glob("combined_*.fits"))
    night.from_stored(tmp_path, folder)
    here = all_bytes(tmp_path / "out")
    shutil.rmtree(tmp_path / "out")
    with ProcessPoolExecutor(2) as executor:
        made = night.from_stored(tmp_path, folder, executor=executor)
    assert made.result.is_good, made.result.failed
    assert all_bytes(tmp_path / "out") == here


def test_raw_darks_and_flats_are_calibrated_with_a_stored_bias(night, tmp_path):
    folder = copied(tmp_path / "m", night.out / "combined_bias.fits")
    raw = copied(tmp_path / "raw", *(path for path in night.raw.iterdir() if not path.name.startswith("Bias")))
    (tmp_path / "r.toml").write_text(night.recipe)
    made = zeroframe.night(raw, tmp_path / "out", recipe=tmp_path / "r.toml", calibrations=folder, report=False)
    assert made.result.is_good, made.result.failed
    same_science(night, tmp_path / "out")


def test_combined_frames_among_the_raw_ones_name_the_remedy(night, tmp_path):
    raw = night.later(tmp_path / "raw")
    shutil.copy(night.out / "combined_bias.fits", raw)
    (tmp_path / "r.toml").write_text(night.recipe)
    made = zeroframe.night(raw, tmp_path / "out", recipe=tmp_path / "r.toml", report=False)
    assert any("--calibrations" in finding.sentence for finding in made.findings if finding.code == "ZF502")
    only = copied(tmp_path / "only", night.out / "combined_bias.fits")
    with pytest.raises(zeroframe.NoFramesError, match="--calibrations"):
        zeroframe.night(only, tmp_path / "none", report=False)
