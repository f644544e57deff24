"""Simulated frames hold the truth that they claim."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
from astropy.io import fits

from conftest import SEEDS
from zeroframe.errors import CameraError, OutputExistsError, UsageError
from zeroframe.simulate import (
    SIMULATED_CAMERAS,
    FrameSpec,
    Strip,
    any_camera,
    night_specs,
    sensor_truth,
    simulate_biases,
    simulate_frame,
    simulate_night,
)

LFC = replace(SIMULATED_CAMERAS["palomar-lfc"], image_shape_yx=(150, 168))
CG16M = replace(SIMULATED_CAMERAS["apogee-cg16m"], image_shape_yx=(150, 187))
QUIET = replace(LFC, cosmic_rays_per_mpix_s=0.0)
FLAT = FrameSpec("flat", 70.001, "g'")
DIGITISATION_VARIANCE = 1 / 12


def image_of(camera, frame):
    return frame.pixels[camera.image_slices_yx].astype(np.float64)


def strip_of(camera, frame, number=0):
    return frame.pixels[camera.strip_slices_yx(camera.strips[number])].astype(np.float64)


def mean_error(variance, count):
    """Four standard errors of a mean; seeds are fixed, so that a failure is a change."""
    return 4 * np.sqrt(variance / count)


@pytest.mark.parametrize(
    ("strips", "shape_yx", "image_yx", "strip_yx"),
    [
        ((), (40, 60), (0, 0), []),
        ((Strip("right", 5),), (40, 65), (0, 0), [((0, 40), (60, 65))]),
        ((Strip("left", 5),), (40, 65), (0, 5), [((0, 40), (0, 5))]),
        ((Strip("top", 5),), (45, 60), (0, 0), [((40, 45), (0, 60))]),
        ((Strip("bottom", 5),), (45, 60), (5, 0), [((0, 5), (0, 60))]),
        (
            (Strip("left", 3), Strip("right", 4), Strip("top", 5), Strip("bottom", 6)),
            (51, 67),
            (6, 3),
            [((0, 51), (0, 3)), ((0, 51), (63, 67)), ((46, 51), (3, 63)), ((0, 6), (3, 63))],
        ),
    ],
)
def test_strips_stand_where_their_side_says(strips, shape_yx, image_yx, strip_yx):
    camera = replace(LFC, image_shape_yx=(40, 60), strips=strips)
    (y0, x0), places = image_yx, [camera.strip_slices_yx(strip) for strip in strips]
    assert camera.shape_yx == shape_yx
    assert camera.image_slices_yx == (slice(y0, y0 + 40), slice(x0, x0 + 60))
    assert places == [tuple(slice(*ends) for ends in place) for place in strip_yx]
    covered = np.zeros(shape_yx, dtype=int)
    for place in [camera.image_slices_yx, *places]:
        covered[place] += 1
    assert (covered == 1).all()
    frame = simulate_frame(camera, FLAT, 1, index=0)
    assert frame.pixels.shape == shape_yx
    assert [strip.shape for strip in frame.truth.strip_expected_adu] == [covered[place].shape for place in places]


@pytest.mark.parametrize("camera", [LFC, CG16M], ids=lambda camera: camera.name)
@pytest.mark.parametrize("kind", ["bias", "dark", "flat", "science"])
def test_a_frame_scatters_around_its_expected_image_as_its_noise_says(camera, kind):
    spec = FrameSpec(kind, 0.0 if kind == "bias" else 2.0, camera.filters[0].name)
    frame = simulate_frame(camera, spec, 5, index=3)
    truth, clean = frame.truth, ~frame.truth.cosmic_rays
    residual = (image_of(camera, frame) - truth.expected_adu)[clean]
    charge_adu = np.maximum(0, truth.expected_adu - truth.level_adu)[clean].mean(dtype=float) if kind != "bias" else 0.0
    variance = truth.read_noise_adu**2 + charge_adu / camera.gain_e_per_adu + DIGITISATION_VARIANCE
    assert abs(residual.mean()) < mean_error(variance, residual.size)
    assert residual.var() == pytest.approx(variance, rel=0.06)
    strip = strip_of(camera, frame) - truth.strip_expected_adu[0]
    assert abs(strip.mean()) < mean_error(strip.var(), strip.size)


@pytest.mark.parametrize("gain", [0.5, 1.1, 4.0])
def test_shot_noise_follows_the_gain(gain):
    camera = replace(QUIET, gain_e_per_adu=gain, read_noise_e=4.0 * gain)
    sensor = sensor_truth(camera, 1)
    first, second = (simulate_frame(camera, FLAT, 1, index=index, sensor=sensor) for index in (0, 1))
    difference = image_of(camera, first) - image_of(camera, second)
    electrons = (first.truth.expected_adu - first.truth.level_adu).mean(dtype=float) * gain
    expected = 2 * (electrons / gain**2 + 4.0**2 + DIGITISATION_VARIANCE)
    # The scatter of a variance from n values is sqrt(2/n): 0.9 % here, times four.
    assert difference.var() == pytest.approx(expected, rel=0.036)


def test_the_same_seed_gives_the_same_frame_and_another_does_not():
    frames = [simulate_frame(LFC, FLAT, seed, index=4) for seed in (1, 1, 2)]
    np.testing.assert_array_equal(frames[0].pixels, frames[1].pixels)
    assert frames[0].header.tostring() == frames[1].header.tostring()
    np.testing.assert_array_equal(frames[0].truth.expected_adu, frames[1].truth.expected_adu)
    assert (frames[0].pixels != frames[2].pixels).mean() > 0.9


def test_noise_is_independent_between_frames_and_effects():
    camera = replace(QUIET, read_noise_e=11.0)
    sensor = sensor_truth(camera, 1)
    noise = []
    for index in range(3):
        frame = simulate_frame(camera, FrameSpec("bias"), 1, index=index, sensor=sensor)
        noise.append((image_of(camera, frame) - frame.truth.expected_adu).ravel())
    correlation = np.corrcoef(noise)[np.triu_indices(3, 1)]
    assert np.abs(correlation).max() < 4 / np.sqrt(noise[0].size)
    without_leak = replace(camera, strips=(replace(camera.strips[0], leak_fraction=0.0),))
    np.testing.assert_array_equal(
        image_of(camera, simulate_frame(camera, FLAT, 1, index=0)),
        image_of(without_leak, simulate_frame(without_leak, FLAT, 1, index=0)),
    )


def test_the_fixed_pattern_has_the_size_asked_for_and_no_mean():
    camera = replace(LFC, hot_fraction=0.0, smooth_pattern_adu=2.0, column_pattern_adu=1.5, pixel_pattern_adu=0.7)
    pattern = sensor_truth(camera, 3).fixed_pattern_adu
    assert pattern.dtype == np.float32
    assert abs(pattern.mean(dtype=float)) < 1e-6
    # 168 columns know the scatter of the columns to 5 %.
    assert pattern.std(dtype=float) == pytest.approx(np.sqrt(2.0**2 + 1.5**2 + 0.7**2), rel=0.1)
    only_smooth = replace(camera, column_pattern_adu=0.0, pixel_pattern_adu=0.0)
    assert sensor_truth(only_smooth, 3).fixed_pattern_adu.std(dtype=float) == pytest.approx(2.0, rel=1e-4)


def test_averaged_biases_approach_the_fixed_pattern():
    camera = replace(QUIET, frame_drift_adu=3.0)
    sensor = sensor_truth(camera, 1)
    stack = []
    for index in range(25):
        frame = simulate_frame(camera, FrameSpec("bias"), 1, index=index, sensor=sensor)
        rows = camera.image_slices_yx[0]
        stack.append(image_of(camera, frame) - frame.truth.level_adu - frame.truth.row_drift_adu[rows, None])
    residual = np.mean(stack, axis=0) - sensor.fixed_pattern_adu
    assert residual.std() == pytest.approx(np.sqrt((4.0**2 + DIGITISATION_VARIANCE) / 25), rel=0.03)


def test_levels_drift_between_frames_and_rows():
    camera = replace(QUIET, frame_drift_adu=3.0, row_drift_adu=1.5)
    sensor = sensor_truth(camera, 1)
    truths = [simulate_frame(camera, FrameSpec("bias"), 1, index=index, sensor=sensor).truth for index in range(40)]
    levels = np.array([truth.level_adu for truth in truths])
    assert levels.mean() == pytest.approx(camera.bias_level_adu, abs=mean_error(9.0, 40))
    assert levels.std() == pytest.approx(3.0, rel=0.35)
    for truth in truths:
        drift = truth.row_drift_adu[camera.image_slices_yx[0]].astype(float)
        assert drift.mean() == pytest.approx(0.0, abs=1e-5)
        assert np.sqrt(np.mean(drift**2)) == pytest.approx(1.5, rel=1e-4)
        assert np.corrcoef(drift[1:], drift[:-1])[0, 1] > 0.98
    offset = simulate_frame(camera, FrameSpec("bias", level_offset_adu=-20.0), 1, index=0, sensor=sensor)
    assert offset.truth.level_adu == pytest.approx(levels[0] - 20.0)


def test_row_noise_is_shared_by_image_and_strip():
    camera = replace(QUIET, row_noise_adu=8.0, read_noise_e=1.0)
    frame = simulate_frame(camera, FrameSpec("bias"), 1, index=0)
    by_row = image_of(camera, frame).mean(axis=1), strip_of(camera, frame).mean(axis=1)
    assert np.corrcoef(by_row)[0, 1] > 0.99


@pytest.mark.parametrize("tracks_image", [True, False])
def test_a_strip_follows_the_image_or_goes_its_own_way(tracks_image):
    strip = Strip("right", 32, tracks_image=tracks_image, offset_adu=7.0, lit_offset_adu=50.0)
    camera = replace(QUIET, strips=(strip,), frame_drift_adu=5.0)
    sensor = sensor_truth(camera, 1)
    differences = []
    for index in range(20):
        frame = simulate_frame(camera, FrameSpec("bias"), 1, index=index, sensor=sensor)
        differences.append(strip_of(camera, frame).mean() - image_of(camera, frame).mean())
    scatter = 5.0 * np.sqrt(2) if not tracks_image else 0.0
    assert np.mean(differences) == pytest.approx(7.0, abs=mean_error(scatter**2 + 0.01, 20))
    assert np.std(differences) == pytest.approx(scatter, rel=0.5, abs=0.1)
    dark, lit = (simulate_frame(camera, spec, 1, index=0, sensor=sensor) for spec in (FrameSpec("bias"), FLAT))
    assert (lit.truth.strip_expected_adu[0] - dark.truth.strip_expected_adu[0]) == pytest.approx(50.0, abs=1e-3)


def outwards(pixels, side):
    """Pixels of a strip, or of the image, as (along their common edge, outwards)."""
    return {"right": pixels, "left": np.fliplr(pixels), "top": pixels.T, "bottom": np.flipud(pixels).T}[side]


@pytest.mark.parametrize("side", ["left", "right", "bottom", "top"])
def test_light_leaks_exponentially_into_the_first_pixels_only(side):
    strip = Strip(side, 20, leak_pixels=7, leak_fraction=0.1, leak_length=2.5)
    camera = replace(QUIET, strips=(strip,), row_drift_adu=0.0, pixel_response_rms=0.05)
    sensor = sensor_truth(camera, 1)
    frame = simulate_frame(camera, FLAT, 1, index=0, sensor=sensor)
    flat_adu = sensor.response["g'"] * (313.0 * 70.001 / camera.gain_e_per_adu)
    edge_adu = outwards(flat_adu, side)[:, -4:].mean(axis=1)
    leak_adu = outwards(frame.truth.strip_expected_adu[0], side) - frame.truth.level_adu
    expected = 0.1 * edge_adu[:, None] * np.exp(-np.arange(7) / 2.5)
    np.testing.assert_allclose(leak_adu[:, :7], expected, rtol=1e-4, atol=1e-3)
    np.testing.assert_allclose(leak_adu[:, 7:], 0.0, atol=1e-3)
    measured = outwards(strip_of(camera, frame), side).mean(axis=0) - frame.truth.level_adu
    noise = np.sqrt((16 + DIGITISATION_VARIANCE + np.append(expected.mean(axis=0), np.zeros(13))) / len(leak_adu))
    assert np.abs(measured - np.append(expected.mean(axis=0), np.zeros(13))).max() < (4 * noise).max()


def test_biases_and_darks_do_not_leak():
    sensor = sensor_truth(QUIET, 1)
    for spec in (FrameSpec("bias"), FrameSpec("dark", 300.0)):
        truth = simulate_frame(QUIET, spec, 1, index=0, sensor=sensor).truth
        np.testing.assert_allclose(np.ptp(truth.strip_expected_adu[0], axis=1), 0.0, atol=1e-4)


def test_the_lfc_leaks_up_to_numpy_column_2054():
    camera = SIMULATED_CAMERAS["palomar-lfc"]
    assert camera.shape_yx == (4128, 2080)
    rows, columns = camera.strip_slices_yx(camera.strips[0])
    assert (rows, columns) == (slice(0, 4128), slice(2048, 2080))
    assert columns.start + camera.strips[0].leak_pixels == 2055
    assert SIMULATED_CAMERAS["apogee-cg16m"].shape_yx == (4096, 4109)


def test_hot_columns_stand_in_the_strip_counted_from_the_image():
    camera = replace(QUIET, strips=(Strip("left", 20, hot_pixels=(0, 12), hot_excess_adu=30.0),))
    frame = simulate_frame(camera, FrameSpec("bias"), 1, index=0)
    by_column = strip_of(camera, frame).mean(axis=0) - frame.truth.level_adu
    expected = np.zeros(20)
    expected[[19, 7]] = 30.0
    np.testing.assert_allclose(by_column, expected, atol=mean_error(16.1, 150))


def test_dark_current_and_hot_pixels_grow_with_the_exposure():
    camera = replace(QUIET, dark_e_per_s=0.5, hot_fraction=0.01, hot_dark_e_per_s=20.0)
    sensor = sensor_truth(camera, 1)
    hot = sensor.hot_pixels
    assert hot.sum() == round(0.01 * hot.size)
    assert sensor.dark_e_per_s[~hot] == pytest.approx(0.5)
    assert sensor.dark_e_per_s[hot].min() >= 0.5 + 0.2 * 20.0
    assert (sensor.dark_e_per_s[hot] - 0.5).mean() == pytest.approx(20.0, rel=0.3)
    frame = simulate_frame(camera, FrameSpec("dark", 100.0), 1, index=0, sensor=sensor)
    rows_adu = frame.truth.level_adu + frame.truth.row_drift_adu[:, None]
    gathered_e = (image_of(camera, frame) - rows_adu - sensor.fixed_pattern_adu) * camera.gain_e_per_adu
    variance_e = camera.read_noise_e**2 + DIGITISATION_VARIANCE * camera.gain_e_per_adu**2
    for where in (hot, ~hot):
        dark_e = (100.0 * sensor.dark_e_per_s[where]).mean(dtype=float)
        assert gathered_e[where].mean() == pytest.approx(dark_e, abs=mean_error(variance_e + dark_e, where.sum()))
    bias = simulate_frame(camera, FrameSpec("bias"), 1, index=0, sensor=sensor)
    in_bias = image_of(camera, bias)
    # Half the read-out time, 30 s, of 20 e/s at 1.1 e/ADU.
    assert in_bias[hot].mean() - in_bias[~hot].mean() == pytest.approx(30 * 20 / 1.1, rel=0.3)


@pytest.mark.parametrize("kind", ["bias", "dark"])
def test_cosmic_rays_are_where_the_truth_says_and_nowhere_else(kind):
    camera = replace(LFC, cosmic_rays_per_mpix_s=20.0, hot_fraction=0.0)
    frame = simulate_frame(camera, FrameSpec(kind, 10.0 if kind == "dark" else 0.0), 2, index=0)
    deviation = (image_of(camera, frame) - frame.truth.expected_adu) / camera.read_noise_adu
    hit = frame.truth.cosmic_rays
    assert 20 < hit.sum() < 0.05 * hit.size
    assert deviation[hit].min() > 10
    assert np.abs(deviation[~hit]).max() < 6
    assert not simulate_frame(QUIET, FrameSpec(kind, 10.0), 2, index=0).truth.cosmic_rays.any()


def test_more_exposure_gathers_more_cosmic_rays():
    camera = replace(LFC, cosmic_rays_per_mpix_s=10.0)
    hits = [simulate_frame(camera, FrameSpec("dark", s), 1, index=0).truth.cosmic_rays.sum() for s in (1.0, 300.0)]
    assert hits[1] > 5 * hits[0]


def test_bright_pixels_saturate():
    camera = replace(QUIET, saturation_adu=20000)
    frame = simulate_frame(camera, FLAT, 1, index=0)
    assert frame.pixels.max() == 20000
    assert frame.truth.expected_adu.max() > 20000
    assert (image_of(camera, frame)[frame.truth.expected_adu > 21000] == 20000).all()


def test_the_response_has_mean_one_and_differs_by_filter():
    sensor = sensor_truth(LFC, 1)
    assert sorted(sensor.response) == ["g'", "i'"]
    for response in sensor.response.values():
        assert response.mean(dtype=float) == pytest.approx(1.0, abs=1e-6)
        assert response[:10, :10].mean() < response[70:80, 80:90].mean() - 0.05
    assert (sensor.response["g'"] != sensor.response["i'"]).any()
    assert list(sensor_truth(LFC, 1, filter_names=["i'"]).response) == ["i'"]
    np.testing.assert_array_equal(sensor_truth(LFC, 1, filter_names=["i'"]).response["i'"], sensor.response["i'"])


def test_a_science_frame_is_sky_and_stars_times_the_response():
    camera = replace(QUIET, stars_per_mpix=1000.0)
    sensor = sensor_truth(camera, 1)
    spec = FrameSpec("science", 300.062, "g'", object_name="field")
    truth = simulate_frame(camera, spec, 1, index=9, sensor=sensor).truth
    assert truth.sky_e is not None
    charge_e = truth.sky_e * sensor.response["g'"] + sensor.dark_e_per_s * 300.062
    rows_adu = truth.level_adu + truth.row_drift_adu[:, None]
    expected = charge_e / camera.gain_e_per_adu + sensor.fixed_pattern_adu + rows_adu
    np.testing.assert_allclose(truth.expected_adu, expected, rtol=1e-5)
    assert np.median(truth.sky_e) == pytest.approx(1.5 * 300.062, rel=0.05)
    assert truth.sky_e.max() > 1.5 * np.median(truth.sky_e)
    again = simulate_frame(camera, replace(spec, filter_name="i'"), 1, index=10, sensor=sensor).truth
    other = simulate_frame(camera, replace(spec, object_name="elsewhere"), 1, index=9, sensor=sensor).truth
    assert again.sky_e is not None
    assert other.sky_e is not None
    stars = truth.sky_e - np.median(truth.sky_e)
    assert np.corrcoef(stars.ravel(), again.sky_e.ravel())[0, 1] > 0.99
    assert np.corrcoef(stars.ravel(), other.sky_e.ravel())[0, 1] < 0.5


def test_the_lfc_header_lies_as_the_real_one():
    camera = SIMULATED_CAMERAS["palomar-lfc"]
    small = replace(camera, image_shape_yx=(150, 168))
    header = simulate_frame(small, FrameSpec("bias", filter_name="i'", number=3), 7, index=2).header
    assert (header["IMAGETYP"], header["EXPTIME"], header["FILTER"], header["GAIN"]) == ("BIAS", 0.0, "i'", 1.1)
    assert (header["INSTRUME"], header["TELESCOP"], header["CCDPICNO"]) == ("LFC", "Hale 5m Telescope", 3)
    assert header["DATE-OBS"] == "2016-01-16"
    assert header["BIASSEC"] == "[169:200,1:149]"
    assert header["DATASEC"] == header["CCDSEC"] == "[1:168,1:150]"
    assert "BUNIT" not in header
    assert "seed 7, index 2" in str(header["COMMENT"])
    words = {spec.kind: simulate_frame(small, spec, 1, index=0).header["IMAGETYP"] for spec in night_specs(camera)[:14]}
    assert words == {"bias": "BIAS", "flat": "FLATFIELD", "science": "OBJECT"}
    assert simulate_frame(small, FrameSpec("dark", 7.0), 1, index=0).header["IMAGETYP"] == "DARK"
    assert simulate_frame(small, replace(FLAT, imagetyp="BIAS"), 1, index=0).header["IMAGETYP"] == "BIAS"


def test_the_cg16m_header():
    specs = night_specs("apogee-cg16m")
    header = simulate_frame(CG16M, specs[0], 1, index=0).header
    assert (header["IMAGETYP"], header["EXPTIME"], header["BUNIT"], header["EGAIN"]) == ("BIAS", 0.0, "adu", 1.5)
    assert (header["BIASSEC"], header["TRIMSEC"]) == ("[188:200,1:150]", "[1:187,1:150]")
    assert "FILTER" not in header
    assert header["CCD-TEMP"] == pytest.approx(-20.0, abs=0.2)
    words = {spec.kind: simulate_frame(CG16M, spec, 1, index=0).header["IMAGETYP"] for spec in specs}
    assert words == {"bias": "BIAS", "dark": "DARK", "flat": "FLAT", "science": "LIGHT"}
    assert simulate_frame(CG16M, specs[-1], 1, index=0).header["FILTER"] == "r"


@pytest.mark.parametrize(
    ("strips", "biassec", "datasec"),
    [
        ((), None, "[1:60,1:40]"),
        ((Strip("left", 5),), "[1:5,1:39]", "[6:65,1:40]"),
        ((Strip("top", 5),), "[1:60,41:44]", "[1:60,1:40]"),
    ],
)
def test_sections_follow_the_geometry(strips, biassec, datasec):
    camera = replace(LFC, image_shape_yx=(40, 60), strips=strips)
    header = simulate_frame(camera, FrameSpec("bias"), 1, index=0).header
    assert (header.get("BIASSEC"), header["DATASEC"]) == (biassec, datasec)


def table_rows(text, columns):
    """Rows of the HTML tables with so many columns, as tuples of text."""
    rows = re.findall(r"<tr>((?:<td>[^<]*</td>)+)</tr>", text.replace("&apos;", "'"))
    cells = [tuple(re.findall(r"<td>([^<]*)</td>", row)) for row in rows]
    return [row for row in cells if len(row) == columns]


def test_the_lfc_night_is_that_of_the_notebook():
    notebooks = sorted(SEEDS.glob("002_*.txt"))
    if not notebooks:
        pytest.skip("needs the notebooks in ../shared/seeds, which are not part of the project")
    text = notebooks[0].read_text(encoding="utf-8")
    words = {"bias": "BIAS", "dark": "DARK", "flat": "FLATFIELD", "science": "OBJECT"}
    specs = [(f"{s.file_name}.gz", words[s.kind], s.filter_name, str(s.exposure_s)) for s in night_specs("palomar-lfc")]
    assert [row[:4] for row in table_rows(text, 6)] == [row for row in specs if not row[0].startswith("darks/")]
    in_darks = [(name.removeprefix("darks/"), *rest) for name, *rest in specs if name.startswith("darks/")]
    assert [row for row in table_rows(text, 3) if row[2].endswith(".0")] == [
        (row[0], row[1], row[3]) for row in in_darks
    ]


def test_the_cg16m_night_has_biases_darks_flats_and_lights():
    specs = night_specs("apogee-cg16m")
    kinds = [spec.kind for spec in specs]
    assert [kinds.count(kind) for kind in ("bias", "dark", "flat", "science")] == [10, 10, 10, 2]
    assert {spec.exposure_s for spec in specs if spec.kind == "dark"} == {90.0}
    flats = [spec.exposure_s for spec in specs if spec.kind == "flat"]
    assert (min(flats), max(flats)) == (1.0, 1.21)
    assert len({spec.file_name for spec in specs}) == 32
    assert all(spec.file_name.endswith(".fit") for spec in specs)


@pytest.mark.parametrize("gzip", [False, True])
def test_biases_are_written_as_the_camera_would(tmp_path, gzip):
    seen = []
    paths = simulate_biases(QUIET, tmp_path / "raw", frames=3, gzip=gzip, seed=4, progress=seen.append)
    suffix = ".gz" if gzip else ""
    assert [path.name for path in paths] == [f"ccd.00{number}.0.fits{suffix}" for number in (1, 2, 3)]
    assert sorted(seen) == paths
    assert sorted((tmp_path / "raw").iterdir()) == paths
    for index, path in enumerate(paths):
        assert (path.read_bytes()[:2] == b"\x1f\x8b") is gzip
        with fits.open(path, checksum=True) as hdus:
            assert len(hdus) == 1
            assert hdus[0].header["BITPIX"] == 16
            data, header = hdus[0].data, hdus[0].header
            assert data.dtype == np.uint16
            frame = simulate_frame(QUIET, FrameSpec("bias", 0.0, "i'", "", index + 1, "bias"), 4, index=index)
            np.testing.assert_array_equal(data, frame.pixels)
            assert header["CCDPICNO"] == index + 1


def test_frames_do_not_depend_on_how_many_are_made(tmp_path):
    few = simulate_biases(LFC, tmp_path / "few", frames=1)
    many = simulate_biases(LFC, tmp_path / "many", frames=5)
    night = simulate_night(LFC, tmp_path / "night")
    assert few[0].read_bytes() == many[0].read_bytes() == night[0].read_bytes()
    assert many[4].read_bytes() == night[4].read_bytes()


@pytest.mark.parametrize(("camera", "count"), [(LFC, 24), (CG16M, 32)], ids=["lfc", "cg16m"])
def test_a_night_is_written_whole(tmp_path, camera, count):
    paths = simulate_night(camera, tmp_path, seed=2)
    specs = night_specs(camera)
    assert paths == [tmp_path / spec.file_name for spec in specs]
    assert sorted(path for path in tmp_path.rglob("*") if path.is_file()) == sorted(paths)
    assert len(paths) == count
    for path, spec in zip(paths, specs, strict=True):
        header = fits.getheader(path)
        assert (header["NAXIS1"], header["NAXIS2"]) == (200, 150)
        assert (header["EXPTIME"], header.get("FILTER")) == (spec.exposure_s, spec.filter_name)


def test_existing_files_are_kept_unless_told(tmp_path):
    (tmp_path / "ccd.002.0.fits").write_text("mine")
    with pytest.raises(OutputExistsError, match=r"ccd\.002\.0\.fits"):
        simulate_biases(LFC, tmp_path, frames=3)
    with pytest.raises(OutputExistsError, match=r"ccd\.002\.0\.fits: .* it was not made by zeroframe simulate"):
        simulate_biases(LFC, tmp_path, frames=3, overwrite=True)
    assert [path.read_text() for path in tmp_path.iterdir()] == ["mine"]
    (tmp_path / "ccd.002.0.fits").unlink()
    simulate_biases(LFC, tmp_path, frames=3)
    with pytest.raises(OutputExistsError, match=r"is there already; .* ask for it to be overwritten"):
        simulate_biases(LFC, tmp_path, frames=3)
    simulate_biases(LFC, tmp_path, frames=3, overwrite=True)
    assert fits.getheader(tmp_path / "ccd.002.0.fits")["IMAGETYP"] == "BIAS"


def test_an_error_in_progress_is_not_swallowed(tmp_path):
    def stop(path):
        raise KeyError(path.name)

    with pytest.raises(KeyError, match="ccd"):
        simulate_biases(LFC, tmp_path, frames=2, progress=stop)


def test_what_cannot_be_simulated_is_refused_in_words(tmp_path):
    with pytest.raises(CameraError, match="did you mean 'palomar-lfc'"):
        any_camera("palomar-lcf")
    with pytest.raises(UsageError, match="at least 1"):
        simulate_biases(LFC, tmp_path, frames=0)
    with pytest.raises(UsageError, match="not negative"):
        simulate_biases(LFC, tmp_path, seed=-1)
    with pytest.raises(UsageError, match=r"no filter \"g\", but g', i'|no filter 'g', but g', i'"):
        simulate_frame(LFC, FrameSpec("flat", 1.0, "g"), 1, index=0)
    with pytest.raises(UsageError, match="two strips on one side"):
        replace(LFC, strips=(Strip("left", 3), Strip("left", 4)))
    with pytest.raises(UsageError, match="too small"):
        replace(LFC, image_shape_yx=(4, 100))
    with pytest.raises(UsageError, match="gain must be positive"):
        replace(LFC, gain_e_per_adu=0.0)
    with pytest.raises(UsageError, match="cannot reach 9 of the 8"):
        Strip("top", 8, leak_pixels=9)
    with pytest.raises(UsageError, match="lie outside"):
        Strip("top", 8, hot_pixels=(8,))
    with pytest.raises(UsageError, match="at least 1"):
        Strip("top", 0)
    assert list(tmp_path.iterdir()) == []
