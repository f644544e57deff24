"""What an inspection says, of simulated cameras with headers and of real frames, and the objects it comes in."""

from __future__ import annotations

import os
import time
from dataclasses import replace

import numpy as np
import pytest
from astropy.nddata import CCDData
from astropy.table import Table

from zeroframe.errors import ArgumentError, CameraError, FrameError, NoFramesError, OutputExistsError, UsageError
from zeroframe.fits import ImagePart, write_fits
from zeroframe.headers.cameras import camera_to_toml, load_camera
from zeroframe.headers.survey import survey_tree
from zeroframe.inspection import inspect_overscan, write_camera, write_plot
from zeroframe.inspection.gain import gain_from_pairs, read_noise_from_pairs
from zeroframe.inspection.leak import StripPixels, measure_leak, row_level_noise
from zeroframe.inspection.profiles import clipped_column_means, side_view, strip_noise
from zeroframe.inspection.strips import find_edge
from zeroframe.inspection.tracking import measure_tracking
from zeroframe.simulate import SIMULATED_CAMERAS, FrameSpec, night_specs, sensor_truth, simulate_frame

LFC = replace(SIMULATED_CAMERAS["palomar-lfc"], image_shape_yx=(320, 350))
CG16M = replace(SIMULATED_CAMERAS["apogee-cg16m"], image_shape_yx=(320, 350))


def a_night(camera, biases=3, flats=2, science=1, seed=5):
    light = camera.filters[0]
    flat_s = 20000 * camera.gain_e_per_adu / light.flat_e_per_s
    specs = [FrameSpec("bias", file_name=f"b{n}.fits") for n in range(biases)]
    specs += [FrameSpec("flat", flat_s, light.name, f"f{n}.fits") for n in range(flats)]
    specs += [FrameSpec("science", 300.0, light.name, f"s{n}.fits", level_offset_adu=-20.0) for n in range(science)]
    sensor = sensor_truth(camera, seed)
    return specs, [simulate_frame(camera, spec, seed, index=k, sensor=sensor) for k, spec in enumerate(specs)]


def ccds(frames):
    return [CCDData(frame.pixels, unit="adu", meta=frame.header) for frame in frames]


def write_night(folder, specs, frames):
    for spec, frame in zip(specs, frames, strict=True):
        write_fits(folder / spec.file_name, [ImagePart(frame.pixels, frame.header)])


@pytest.fixture(scope="module")
def lfc():
    return inspect_overscan(ccds(a_night(LFC)[1]))


def test_a_header_that_starts_too_early_is_contradicted_with_the_number(lfc):
    assert lfc.decision == "use"
    assert str(lfc.recommended.section) == "[358:382,1:320]"
    assert lfc.recommended.axis == 1
    assert str(lfc.trim) == "[1:350,1:320]"
    assert lfc.verdict.startswith("use columns 358–382; header's BIASSEC starts 7 columns too early: flats are ")
    assert lfc.verdict.endswith(" ADU high at column 351")
    claimed = float(lfc.verdict.split("flats are ")[1].split()[0])
    assert claimed == pytest.approx(0.017 * 20000, rel=0.15)
    assert [number for number, _ in lfc.strips[0].rejected] == list(range(351, 358))


def test_the_drift_of_the_bias_level_in_other_frames_is_not_taken_for_light(lfc):
    assert lfc.strips[0].lit_shift_adu["science"] == pytest.approx(-20, abs=8)
    assert any("light cannot lower it" in sentence for sentence in lfc.sentences)


def test_gain_and_read_noise_come_with_their_errors(lfc):
    assert lfc.gain_e_per_adu.value == pytest.approx(1.1, rel=0.02)
    assert abs(lfc.gain_e_per_adu.value - 1.1) < 4 * lfc.gain_e_per_adu.error
    truth = np.hypot(4.0, 12**-0.5)
    assert lfc.read_noise_adu.value == pytest.approx(truth, rel=0.02)
    assert lfc.strips[0].read_noise_adu == pytest.approx(truth, rel=0.02)
    common = lfc.strips[0].common_noise
    assert common.row_adu == pytest.approx(truth / np.sqrt(25), rel=0.02)
    # rows of this camera have no level of their own, so that levels are averaged over neighbouring rows
    assert common.smoothed_lines >= 31
    assert lfc.strips[0].row_noise_adu == pytest.approx(truth / np.sqrt(25 * common.smoothed_lines), rel=0.02)
    (said,) = [text for text in lfc.sentences if "which all its pixels share" in text]
    assert f"averaged over {common.smoothed_lines}; row by row it would be 0.8" in said


def test_a_strip_that_light_fills_and_shifts_is_refused_and_trimmed():
    result = inspect_overscan(ccds(a_night(CG16M)[1]))
    assert result.decision == "do not use"
    assert result.recommended is None
    assert str(result.trim) == "[1:350,1:320]"
    assert result.verdict.startswith(
        "do not subtract the overscan (columns 351–363): light reaches all of it: flats are"
    )
    assert any("does not follow the bias level" in text for text in result.strips[0].objections)


def test_biases_alone_prove_nothing_but_check_the_header():
    result = inspect_overscan(ccds(a_night(LFC, biases=4, flats=0, science=0)[1]))
    assert result.decision == "not proven"
    assert result.recommended is None
    assert str(result.trim) == "[1:382,1:320]"
    assert any(text.startswith("header's BIASSEC [351:382,1:319] may be right") for text in result.sentences)
    wrong = [CCDData(ccd.data, unit="adu", meta={**ccd.meta, "BIASSEC": "[1:30,1:320]"}) for ccd in
             ccds(a_night(LFC, biases=4, flats=0, science=0)[1])]  # fmt: skip
    told = inspect_overscan(wrong).sentences
    (hint,) = (text for text in told if text.startswith("header's BIASSEC [1:30,1:320] does not stand out in biases"))
    assert hint.endswith("it may be image, or a strip with a pattern of its own, which only light tells apart")


def test_a_header_that_names_an_overscan_where_light_falls():
    camera = replace(LFC, strips=())
    frames = ccds(a_night(camera)[1])
    for frame in frames:
        frame.meta["BIASSEC"] = "[330:350,1:320]"
    result = inspect_overscan(frames)
    assert result.decision == "none"
    assert result.strips == ()
    assert "header's BIASSEC [330:350,1:320] is no overscan: light reaches it" in result.sentences


@pytest.mark.parametrize(
    ("section", "said"),
    [
        ("[358:382,1:320]", "use columns 358–382; header's BIASSEC is right; flats are "),
        ("[370:382,1:320]", "header's BIASSEC [370:382,1:320] leaves out 12 columns that light does not reach either"),
        ("[358:370,1:320]", "header's BIASSEC [358:370,1:320] leaves out 12 columns that light does not reach either"),
        ("[357:382,1:320]", "header's BIASSEC starts 1 column too early: flats are "),
        ("[340:382,1:320]", "header's BIASSEC starts 18 columns too early: column 340 is part of the image"),
        ("[1:20,1:320]", "header's BIASSEC [1:20,1:320] is elsewhere; flats are "),
        ("[358:382,1:20]", "header's BIASSEC [358:382,1:20] is elsewhere; flats are "),
        ("[358:400,1:320]", "use columns 358–382; flats are "),  # not of this frame
        ("[a:b]", "use columns 358–382; flats are "),
    ],
)
def test_every_way_in_which_a_header_can_be_wrong(section, said):
    frames = ccds(a_night(LFC, biases=2, flats=2, science=0)[1])
    for frame in frames:
        frame.meta["BIASSEC"] = section
    result = inspect_overscan(frames)
    assert str(result.recommended.section) == "[358:382,1:320]"
    assert said in result.verdict


def test_gain_noise_and_image_of_a_header_are_contradicted_by_pixels():
    frames = ccds(a_night(LFC, biases=2, flats=2, science=0)[1])
    for frame in frames:
        frame.meta.update({"GAIN": 2.2, "RDNOISE": 40.0, "TRIMSEC": "[5:350,1:320]"})
    told = inspect_overscan(frames).sentences
    assert "the header says a gain of 2.2 e/ADU; the pixels do not" in told
    (noise,) = [text for text in told if text.startswith("the header says a read noise of 40 e; the pixels have ")]
    assert float(noise.split("have ")[1].split()[0]) == pytest.approx(4.4, abs=0.2)
    assert noise.endswith(" e with that gain")
    assert "header's TRIMSEC [5:350,1:320] is not the image, which is [1:350,1:320]" in told


def test_a_column_that_stands_off_without_light_is_left_out_for_that():
    random = np.random.default_rng(8)
    image = np.r_[np.ones(100), np.zeros(30)]
    hot = np.zeros(130)
    hot[100] = 50.0
    biases = [random.normal(1000 + hot, 4, (200, 130)).round() for _ in range(3)]
    flats = [random.normal(1000 + hot + 9000 * image, 4, (200, 130)).round() for _ in range(2)]
    plain = inspect_overscan({"bias": biases, "flat": flats})
    assert str(plain.recommended.section) == "[102:130,1:200]"
    assert "column 101 stands off by 50" in plain.verdict
    header = {"BIASSEC": "[101:130,1:200]"}
    stated = [CCDData(one, unit="adu", meta={**header, "IMAGETYP": kind}) for kind, group in
              (("bias", biases), ("flat", flats)) for one in group]  # fmt: skip
    told = inspect_overscan(stated).verdict
    assert told.startswith(
        "use columns 102–130; header's BIASSEC starts 1 column too early: column 101 stands off by 50"
    )
    assert told.endswith("ADU in biases, too")


@pytest.mark.parametrize(
    ("section", "said"),
    [
        ("[1:320,1:30]", "header's BIASSEC [1:320,1:30] does not stand out in biases"),
        ("[1:320,291:320]", "header's BIASSEC [1:320,291:320] does not stand out in biases"),
        ("[100:120,100:120]", "header's BIASSEC [100:120,100:120] is no strip along a side of the frame"),
        ("[1:2,1:320]", "header's BIASSEC [1:2,1:320] cannot be checked on biases alone"),
    ],
)
def test_hints_about_sections_at_any_place(section, said):
    random = np.random.default_rng(9)
    pattern = random.normal(0, 3, (320, 1)) + random.normal(0, 3, 320)
    biases = [CCDData(random.normal(1000 + pattern, 4).round(), unit="adu",
                      meta={"IMAGETYP": "bias", "BIASSEC": section}) for _ in range(3)]  # fmt: skip
    result = inspect_overscan(biases)
    assert result.decision == "not proven"
    assert [text for text in result.sentences if text.startswith(said)]


def test_folder_survey_and_files_say_the_same(tmp_path, lfc):
    specs, frames = a_night(LFC)
    write_night(tmp_path, specs, frames)
    (tmp_path / "notes.txt").write_text("no frame")
    by_folder = inspect_overscan(tmp_path)
    assert by_folder.sentences == lfc.sentences
    assert inspect_overscan(sorted(tmp_path.glob("*.fits"))).sentences == lfc.sentences
    found = inspect_overscan(survey_tree(tmp_path, recurse=False))
    assert (found.recommended, found.trim, found.sentences) == (lfc.recommended, lfc.trim, lfc.sentences)


def test_without_light_nothing_is_recommended(tmp_path):
    write_night(tmp_path, *a_night(LFC, flats=0, science=0))
    result = inspect_overscan(survey_tree(tmp_path, recurse=False))
    assert result.recommended is None
    assert not result.strips
    assert result.verdict.startswith("cannot be checked")


def test_a_damaged_frame_is_left_out_and_named(tmp_path):
    write_night(tmp_path, *a_night(LFC))
    whole = (tmp_path / "b1.fits").read_bytes()
    (tmp_path / "b1.fits").write_bytes(whole[: len(whole) // 2])
    result = inspect_overscan(tmp_path)
    assert result.decision == "use"
    assert any(text.startswith("left out: ") and "b1.fits" in text for text in result.sentences)
    with pytest.raises(FrameError, match=r"b1\.fits"):
        inspect_overscan([tmp_path / "b1.fits"])


def test_a_frame_without_a_header_is_left_out_and_named(tmp_path):
    (tmp_path / "x.fits").write_text("clouds after midnight\n" * 200)
    with pytest.raises(NoFramesError, match=r"(?s)no frame.*x\.fits: .*not FITS"):
        inspect_overscan(tmp_path)
    write_night(tmp_path, *a_night(LFC))
    result = inspect_overscan(tmp_path)
    assert result.decision == "use"
    assert [text for text in result.sentences if text.startswith("left out: ") and "x.fits" in text]


def test_the_profile_that_is_written_is_read_back(tmp_path, lfc):
    path = tmp_path / "my-camera.toml"
    path.write_text(camera_to_toml(lfc.to_camera("my-camera")), encoding="utf-8")
    camera = load_camera(path)
    amplifier = camera.amplifiers[0]
    assert amplifier.overscan == lfc.recommended.section
    assert amplifier.trim == lfc.trim
    assert amplifier.overscan_reason == lfc.verdict
    assert amplifier.gain_e_per_adu == pytest.approx(lfc.gain_e_per_adu.value, abs=1e-4)
    header = a_night(LFC, biases=1, flats=0, science=0)[1][0].header
    assert camera.matches(header, (320, 382))
    assert not camera.matches({**header, "INSTRUME": "other"}, (320, 382))
    again = inspect_overscan(ccds(a_night(LFC)[1]), camera=path)
    assert again.sentences[-1] == "the profile of my-camera says the same: [358:382,1:320]"


def test_a_binned_camera_is_written_unbinned():
    frames = ccds(a_night(LFC)[1])
    for frame in frames:
        frame.meta["CCDBIN1"] = frame.meta["CCDBIN2"] = 2
    result = inspect_overscan(frames)
    camera = result.to_camera("binned")
    assert camera.shape_yx == (640, 764)
    assert camera.for_binning((2, 2)).amplifiers[0].overscan == result.recommended.section


def test_table_and_html_show_what_was_found(lfc):
    table = lfc.table
    assert isinstance(table, Table)
    assert len(table) == 1
    assert table["usable"][0] == "[358:382,1:320]"
    assert bool(table["use"][0])
    html = lfc._repr_html_()
    assert "use columns 358–382" in html
    assert "<table" in html
    empty = inspect_overscan(ccds(a_night(replace(LFC, strips=()))[1]))
    assert len(empty.table) == 0
    assert "there is no overscan" in empty._repr_html_()


@pytest.mark.parametrize("kinds", [(3, 2, 1), (1, 1, 0), (0, 2, 0), (3, 0, 0)])
def test_the_figure_is_drawn_whatever_was_given(tmp_path, kinds):
    result = inspect_overscan(ccds(a_night(LFC, *kinds)[1]))
    figure = result.plot()
    figure.savefig(tmp_path / "overscan.png")
    assert (tmp_path / "overscan.png").stat().st_size > 10_000
    assert len(figure.axes) == (2 * len(result.strips) or 4)
    written = "".join(text.get_text() for text in figure.texts) + figure.get_suptitle()
    assert result.verdict[1:20] in written.replace("\n", " ")
    if result.strips:
        labels = figure.axes[0].get_legend_handles_labels()[1]
        assert "image" in labels
        assert "header's BIASSEC" in labels


def test_what_is_no_frame_is_refused():
    pixels = np.zeros((20, 20))
    with pytest.raises(ArgumentError, match="what kind it is"):
        inspect_overscan([pixels])
    with pytest.raises(ArgumentError, match="'biass' is no kind of frame"):
        inspect_overscan({"biass": [pixels]})
    with pytest.raises(ArgumentError, match="holds no image"):
        inspect_overscan({"bias": [np.zeros(5)]})
    with pytest.raises(NoFramesError, match="no frame to inspect"):
        inspect_overscan([])
    with pytest.raises(NoFramesError, match="no frame to inspect"):
        inspect_overscan({"arc": [pixels]})
    with pytest.raises(NoFramesError, match="too small"):
        inspect_overscan({"bias": [np.zeros((1, 100))]})
    with pytest.raises(FrameError, match=r"nothere\.fits"):
        inspect_overscan("nothere.fits")


def test_masked_pixels_and_columns_do_no_harm():
    frames = ccds(a_night(LFC)[1])
    for frame in frames:
        frame.mask = np.zeros(frame.shape, dtype=bool)
        frame.mask[:, 370] = True
        frame.mask[5:9] = True
        frame.data[:, 370] = 60000
    result = inspect_overscan(frames)
    assert str(result.recommended.section) == "[358:382,1:320]"
    assert result.strips[0].deviant == (371,)
    assert all(np.isfinite(list(result.strips[0].lit_shift_adu.values())))


def test_infinite_pixels_are_masked_ones():
    """In neighbouring pixels, and in the same pixels of several frames: their difference is no number."""
    frames = ccds(a_night(LFC)[1])
    clean = inspect_overscan(frames)
    for frame in frames:
        frame.data = frame.data.astype(np.float32)
    whole = inspect_overscan(frames)
    assert whole.recommended == clean.recommended
    for frame in frames:
        frame.data[10:14, 370:375] = np.inf
        frame.data[100:102, 40:44] = -np.inf
        frame.data[:, 60] = np.inf
    result = inspect_overscan(frames)
    assert (result.decision, result.recommended, result.trim) == (clean.decision, clean.recommended, clean.trim)
    assert result.read_noise_adu.value == pytest.approx(clean.read_noise_adu.value, rel=0.01)
    assert result.strips[0].read_noise_adu == pytest.approx(clean.strips[0].read_noise_adu, rel=0.01)


def test_frames_without_noise_are_judged_by_their_levels():
    bias = np.full((100, 100), 1000, dtype=np.uint16)
    flat = bias.copy()
    flat[:, :90] = 5000
    result = inspect_overscan({"bias": [bias, bias], "flat": [flat, flat]})
    assert str(result.recommended.section) == "[91:100,1:100]"
    assert result.gain_e_per_adu is None


def smooth(depth=60, edge=12, leak=0.0, blur=0):
    signal = np.where(np.arange(depth) < edge, 0.0, 10000.0 - 10 * np.arange(depth))
    signal[edge - 1] += leak * 10000
    return np.convolve(np.pad(signal, 5, mode="edge"), np.ones(blur + 1) / (blur + 1), "same")[5:-5] if blur else signal


def test_only_a_sharp_edge_is_the_end_of_an_image():
    assert find_edge(smooth(), has_zero=True, noise_adu=1.0) == 12
    assert find_edge(smooth(leak=0.3), has_zero=True, noise_adu=1.0) == 12
    assert find_edge(smooth(blur=4), has_zero=True, noise_adu=1.0) is None
    assert find_edge(smooth(edge=1), has_zero=True, noise_adu=1.0) is None
    vignetted = 10000 * (1 - 0.6 * np.linspace(1, 0, 60) ** 2)
    assert find_edge(vignetted, has_zero=True, noise_adu=1.0) is None
    assert find_edge(smooth() + 8000, has_zero=True, noise_adu=1.0) is None  # a shadow, but still 8000 ADU of light
    star = np.zeros(60)
    star[30:36] = 500
    assert find_edge(star, has_zero=True, noise_adu=1.0) is None
    dead = smooth()
    dead[20] = 0
    assert find_edge(dead, has_zero=True, noise_adu=1.0) == 12


def test_the_threshold_is_the_noise_of_a_median():
    random = np.random.default_rng(3)
    medians = np.median(random.normal(0, 4.0, (20000, 25)), axis=1)
    assert row_level_noise(4.0, 25) == pytest.approx(medians.std(), rel=0.03)


def test_hot_columns_are_told_from_light_by_the_biases():
    random = np.random.default_rng(4)
    shape = (400, 20)
    leak = np.r_[200.0, 60.0, 18.0, 5.0, np.zeros(16)]
    hot = np.zeros(20)
    hot[[4, 10]] = 40
    biases = [StripPixels(random.normal(1000 + hot, 4, shape)) for _ in range(2)]
    lit = [StripPixels(random.normal(1000 + hot + leak, 4, shape), 20000.0) for _ in range(2)]
    profile = measure_leak(lit, biases, 4.0)
    assert (profile.first, profile.last, profile.deviant) == (5, 19, (10,))
    assert profile.leak_adu[:4] == pytest.approx(leak[:4], abs=1.5)
    assert profile.structure_adu[10] == pytest.approx(40, abs=1)


def test_light_that_reaches_the_edge_is_not_taken_for_its_zero():
    random = np.random.default_rng(11)
    shape = (300, 14)
    leak = 160.0 * np.exp(-np.arange(14) / 1.85)  # 0.14 ADU are left in the last column, 0.24 in the last but one
    biases = [StripPixels(random.normal(1000, 1.2, shape)) for _ in range(4)]
    lit = [StripPixels(random.normal(1000 + leak, 1.2, shape), 10000.0) for _ in range(4)]
    profile = measure_leak(lit, biases, 1.2)
    assert profile.first == np.flatnonzero(leak < profile.threshold_adu)[0] == 12
    assert profile.decay_adu[:12] == pytest.approx(leak[:12], abs=0.2)


def test_what_is_known_of_the_drift_of_rows_is_no_light():
    random = np.random.default_rng(12)
    shape, drift = (300, 20), np.linspace(5.0, -5.0, 20)
    leak = np.r_[20.0, 8.0, np.zeros(18)]
    biases = [StripPixels(random.normal(1000, 2.0, shape))]
    pixels = random.normal(1000 + leak + drift, 2.0, shape)
    assert measure_leak([StripPixels(pixels, 10000.0)], biases, 2.0).first > 2
    assert measure_leak([StripPixels(pixels, 10000.0, drift, 0.05)], biases, 2.0).first == 2


def test_tracking_needs_drift_and_two_frames():
    random = np.random.default_rng(5)
    drift = random.normal(0, 2, (4, 30)).cumsum(axis=1) * 0.2
    pattern = random.normal(0, 5, 30)
    own = random.normal(0, 2, (4, 30)).cumsum(axis=1) * 0.2

    def noisy(levels):
        return levels + random.normal(0, 0.1, levels.shape)

    assert measure_tracking(noisy(drift[:1]), noisy(drift[:1]), 0.1, 0.1) is None
    good = measure_tracking(noisy(drift + pattern), noisy(drift), 0.1, 0.1)
    assert good.follows is True
    assert good.slope == pytest.approx(1.0, abs=4 * good.slope_error)
    assert good.slope_error < 0.05
    assert good.drift_after_adu < 0.1
    assert measure_tracking(noisy(drift + pattern), noisy(own), 0.1, 0.1).follows is False
    still = np.zeros((4, 30))
    assert measure_tracking(noisy(still), noisy(still), 0.1, 0.1).follows is None


def test_gain_of_flats_of_different_brightness_with_vignetting_and_pixel_response():
    random = np.random.default_rng(6)
    y, x = np.mgrid[0:256, 0:512] / 512
    response = (1 - 0.5 * x - 0.2 * y) * random.normal(1, 0.02, (256, 512))
    gain, noise = 2.5, 3.0

    def bands(image):
        return np.rint(image).astype(np.uint16).reshape(8, 32, 512)

    flats = [bands(500 + random.poisson(level * response) / gain + random.normal(0, noise, response.shape))
             for level in (40000, 36000)]  # fmt: skip
    biases = [bands(500 + random.normal(0, noise, response.shape)) for _ in range(2)]
    read = read_noise_from_pairs(biases)
    assert read.value == pytest.approx(np.hypot(noise, 12**-0.5), rel=0.01)
    found = gain_from_pairs([(flats[0], flats[1])], biases, read.value, 65535.0)
    assert found.value == pytest.approx(gain, rel=0.015)
    assert gain_from_pairs([], biases, read.value, 65535.0) is None
    assert gain_from_pairs([(flats[0], flats[1])], biases, read.value, 3000.0) is None
    assert gain_from_pairs([(biases[0], biases[1])], biases, read.value, 65535.0) is None


def test_profiles_do_not_mind_outliers_or_masks():
    random = np.random.default_rng(7)
    block = np.rint(random.normal(1000, 4, (500, 6)))
    block[::50, 2] = 60000
    block[:, 4] = np.nan
    means, errors = clipped_column_means(block)
    assert means[[0, 1, 2, 3, 5]] == pytest.approx(1000, abs=0.9)
    assert np.isnan(means[4])
    assert errors[0] == pytest.approx(4 / np.sqrt(500), rel=0.15)
    rows = random.normal(0, 50, (500, 1))
    assert strip_noise(random.normal(0, 4, (500, 20)) + rows) == pytest.approx(4, rel=0.03)
    frame = np.arange(12).reshape(3, 4)
    assert side_view(frame, "bottom", 2).tolist() == [[0, 4], [1, 5], [2, 6], [3, 7]]


@pytest.mark.skipif(not os.environ.get("ZEROFRAME_ALL_CASES"), reason="ZEROFRAME_ALL_CASES=1 makes frames of full size")
@pytest.mark.parametrize(("name", "decision"), [("palomar-lfc", "use"), ("apogee-cg16m", "do not use")])
def test_cameras_of_full_size(tmp_path, name, decision):
    camera = SIMULATED_CAMERAS[name]
    specs = [spec for spec in night_specs(camera) if spec.kind != "dark" and "/" not in spec.file_name]
    filters = [spec.filter_name for spec in specs if spec.kind == "flat"]
    specs = [spec for spec in specs if spec.kind != "flat" or spec.filter_name == filters[0]]
    specs = specs[:2] + [spec for spec in specs if spec.kind == "flat"][:2]
    sensor = sensor_truth(camera, 1, filter_names=filters[:1])
    write_night(tmp_path, specs, [simulate_frame(camera, s, 1, index=k, sensor=sensor) for k, s in enumerate(specs)])
    start = time.perf_counter()
    result = inspect_overscan(tmp_path, camera=name)
    assert time.perf_counter() - start < 5.0
    assert result.decision == decision
    assert result.sentences[-1].startswith(f"the profile of {name} says the same")
    assert result.trim == load_camera(name).amplifiers[0].trim.resolve(camera.shape_yx)
    assert result.gain_e_per_adu.value == pytest.approx(camera.gain_e_per_adu, rel=0.01)


def test_kpno_the_first_columns_of_the_overscan_are_left_out(real_data):
    result = inspect_overscan(real_data / "kpno-spectrograph")
    assert result.decision == "use"
    assert str(result.recommended.section) == "[104:133,1:1024]"
    assert str(result.trim) == "[1:101,1:1024]"
    tracking = result.chosen.tracking
    assert tracking.follows is True
    assert tracking.slope == pytest.approx(1.0, abs=0.06)
    assert tracking.frames_before_adu == pytest.approx(0.21, abs=0.03)
    assert tracking.frames_after_adu < 0.02
    # the header's gain of 5.4 is right; its read noise of 3.5 e is not: digitisation in steps of 5.4 e adds 1.6 e only
    assert result.gain_e_per_adu.value == pytest.approx(5.4, rel=0.06)
    assert any(text.startswith("the header says a read noise of 3.5 e") for text in result.sentences)


def test_saao_strips_on_three_sides(real_data):
    result = inspect_overscan(real_data / "saao-left-overscan")
    assert {strip.side: str(strip.section) for strip in result.strips} == {
        "left": "[1:16,1:520]",
        "right": "[529:536,1:520]",
        "top": "[1:536,513:520]",
    }
    assert str(result.recommended.section) == "[1:16,1:520]"
    assert result.chosen.deviant == (2,)
    assert "header's TRIMSEC [17:528,1:520] is not the image, which is [17:528,1:512]" in result.sentences


def test_sbig_cameras_have_no_overscan(real_data):
    for folder, decision in (("sbig-spectrograph", "none"), ("sbig-darks", "none"), ("sbig-camera", "not proven")):
        result = inspect_overscan(real_data / folder)
        assert (folder, result.decision, result.strips) == (folder, decision, ())


def test_dark_current_shows_an_overscan_that_the_header_does_not_name(real_data):
    result = inspect_overscan(real_data / "lco-bias")
    assert result.header_sections == {}
    assert str(result.recommended.section) == "[1025:1040,1:1024]"


def test_spectra_without_biases_are_no_strips(real_data):
    frames = sorted((real_data / "odd").glob("v_*"))
    result = inspect_overscan(frames)
    assert (result.decision, result.strips) == ("not proven", ())


@pytest.mark.long
def test_profile_and_figure_are_written_once_and_only_when_proven(tmp_path, lfc):
    profile, figure = tmp_path / "mine.toml", tmp_path / "overscan.png"
    assert write_camera(lfc, profile).name == "mine"
    assert load_camera(profile).amplifiers[0].overscan == lfc.recommended.section
    write_plot(lfc, figure)
    assert figure.read_bytes().startswith(b"\x89PNG")
    for write, path in ((write_camera, profile), (write_plot, figure)):
        with pytest.raises(OutputExistsError):
            write(lfc, path)
        write(lfc, path, overwrite=True)
    with pytest.raises(CameraError, match=r"ends in \.toml"):
        write_camera(lfc, tmp_path / "mine.txt")
    with pytest.raises(UsageError, match=r"ends in \.png"):
        write_plot(lfc, tmp_path / "overscan.doc")
    unproven = inspect_overscan(ccds(a_night(LFC, flats=0, science=0)[1]))
    with pytest.raises(CameraError, match="cannot be checked"):
        write_camera(unproven, tmp_path / "no.toml")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine.toml", "overscan.png"]


def test_few_columns_give_one_level_a_frame():
    strip = replace(LFC.strips[0], width=10, leak_pixels=7)
    result = inspect_overscan(ccds(a_night(replace(LFC, strips=(strip,)))[1]))
    assert (result.decision, result.recommended.method) == ("use", "constant")
    assert str(result.strips[0].usable) == "[358:360,1:320]"
    assert result.verdict.startswith("use columns 358–360 for one level a frame; ")
    assert result.to_camera("mine").amplifiers[0].overscan_method == "constant"
    strip = replace(LFC.strips[0], width=10, leak_pixels=9)
    refused = inspect_overscan(ccds(a_night(replace(LFC, strips=(strip,)))[1]))
    assert refused.decision == "do not use"
    assert "light leaves only 1 of its 10 columns: flats are" in refused.verdict
