"""Levels of an overscan on what cameras really write: coarse steps, bad lines, trails of stars; truth is simulated."""

from __future__ import annotations

import re

import numpy as np
import pytest
from astropy.io import fits
from astropy.modeling.models import Chebyshev1D
from astropy.nddata import CCDData

import zeroframe
from zeroframe.errors import AssumptionWarning, UsageError
from zeroframe.frames.level_curves import FitRejection, smooth_curve, standing_off
from zeroframe.frames.overscan import OverscanSpec, frame_levels, strip_curve
from zeroframe.frames.statistics import clipped_std, pair_noise, quantisation_step, sampled_level
from zeroframe.frames.strip_levels import line_levels
from zeroframe.headers.sections import Section
from zeroframe.verbs.overscan import subtract_overscan


def digitised(level, noise, step, width, seed=0, outliers=0.0):
    """Pixels about the levels of lines, in whole steps, with hits of cosmic rays."""
    rng = np.random.default_rng(seed)
    clean = np.round(rng.normal(level[:, None], noise, (level.size, width)) / step) * step
    pixels = clean + (rng.random(clean.shape) < outliers) * rng.exponential(3000.0, clean.shape).round() * step
    return clean, np.clip(pixels, 0, 65535).astype(np.uint16)


# --- the estimator ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("step", [1, 4, 16])
@pytest.mark.parametrize("noise", [0.4, 0.8, 1.6, 4.0, 20.0])
@pytest.mark.parametrize("width", [8, 25, 60])
def test_the_automatic_level_is_as_good_as_the_mean_of_clean_pixels(step, noise, width):
    truth = 1000.0 + np.linspace(0.0, 1.7 * step, 4000)  # every place between two steps is passed
    clean, pixels = digitised(truth, noise, step, width, seed=width, outliers=0.001)
    ideal = clean.mean(axis=1) - truth
    found = line_levels(pixels, "auto").level_adu - truth
    assert np.std(found) < 1.05 * np.std(ideal)
    assert abs(np.mean(found) - np.mean(ideal)) < 3.0 * np.hypot(noise, step / 12**0.5) / np.sqrt(width * truth.size)


@pytest.mark.parametrize(("noise", "step"), [(0.4, 1), (1.6, 4), (6.0, 16)])
def test_the_median_is_far_worse_where_the_noise_is_of_the_order_of_the_step(noise, step):
    truth = 1000.0 + np.linspace(0.0, 1.7 * step, 4000)
    _, pixels = digitised(truth, noise, step, 25)
    median, automatic, clipped = (line_levels(pixels, how).level_adu - truth for how in ("median", "auto", "clipped"))
    assert np.std(median) > 2.0 * np.std(automatic)
    assert np.std(clipped) < 1.1 * np.std(automatic)  # its floor knows the step


@pytest.mark.parametrize("dtype", [np.uint16, np.int32, np.float32, np.float64])
def test_the_step_is_seen_whatever_type_holds_it(dtype):
    _, pixels = digitised(np.full(500, 1000.0), 2.0, 4, 20)
    pixels[3, 3] = 65535  # no multiple of four
    assert quantisation_step(pixels.astype(dtype)) == 4.0
    assert quantisation_step(np.random.default_rng(0).normal(1000, 3, (300, 20)).astype(dtype)) < 1.1


def test_what_is_known_of_the_error_of_a_level():
    truth = 1000.0 + np.linspace(0.0, 12.0, 3000)
    for noise, step, width in ((0.4, 1, 20), (4.0, 1, 25), (3.0, 4, 40)):
        _, pixels = digitised(truth, noise, step, width, outliers=0.001)
        found = line_levels(pixels, "auto")
        assert found.noise_adu == pytest.approx(np.hypot(noise, step / 12**0.5), rel=0.03)
        assert found.error_adu == pytest.approx(np.std(found.level_adu - truth), rel=0.06)


def test_hot_columns_and_hits_do_not_move_the_automatic_level():
    truth = 1000.0 + np.linspace(0.0, 3.0, 1000)
    _, pixels = digitised(truth, 4.0, 1, 20)
    for excess in (6, 15, 80, 5000):
        hot = pixels.copy()
        hot[:, [0, 7]] += np.uint16(excess)
        assert abs(np.mean(line_levels(hot, "auto").level_adu - truth)) < 0.1


# --- spreads that must not collapse ----------------------------------------------------------------------------------


@pytest.mark.parametrize("step", [1, 4, 16])
@pytest.mark.parametrize("share", [0.15, 0.3, 0.4, 0.6, 1.0, 5.0])
def test_the_noise_of_frames_in_coarse_steps_does_not_collapse(step, share):
    rng = np.random.default_rng(int(100 * share))
    level = 1000.0 + rng.uniform(0.0, step, (300, 1))
    frames = []
    for _ in range(2):
        raw = np.round(rng.normal(level, share * step, (300, 325)) / step) * step
        raw[rng.random(raw.shape) < 1e-4] += 5000 * step
        frames.append((raw[:, :300] - raw[:, 300:].mean(axis=1, keepdims=True)).astype(np.float32))
    # by the plain scatter of what is no hit
    each = [frame - np.median(frame, axis=1, keepdims=True) for frame in frames]
    difference = (each[0] - each[1])[(np.abs(each[0]) < 4000 * step) & (np.abs(each[1]) < 4000 * step)]
    assert pair_noise(*frames) == pytest.approx(np.std(difference) / np.sqrt(2.0), rel=0.05)


def test_values_that_pile_up_on_one_step_keep_their_spread():
    rng = np.random.default_rng(4)
    offsets = rng.normal(0.0, 0.01, 400)  # of the columns, whose means were taken off
    values = np.round(rng.normal(0.0, 0.4, (300, 400))) - offsets
    assert clipped_std(values, 1.0) == pytest.approx(np.std(values), rel=0.02)
    assert clipped_std(values) < 0.1 * np.std(values)


@pytest.mark.parametrize("step", [1, 4, 16])
@pytest.mark.parametrize("share", [0.2, 0.3, 0.4, 0.6, 1.0])
def test_the_level_of_a_frame_in_coarse_steps_is_its_mean_whatever_was_subtracted_from_its_rows(step, share):
    rng = np.random.default_rng(int(100 * share) + step)
    for place in np.linspace(0.0, 1.0, 9):
        words = np.rint(rng.normal(0.0, share, (150, 192)) + place) * step
        rows = step * (place + np.linspace(0.0, 0.03, 150) + 0.01 * rng.standard_normal(150))
        pixels = (words - rows[:, None]).astype(np.float32)
        assert sampled_level(pixels) == pytest.approx(float(pixels.mean()), abs=0.02 * share * step)


def test_two_levels_of_light_are_no_steps():
    rng = np.random.default_rng(3)
    pixels = rng.normal(100.0, 3.0, (200, 300)).astype(np.float32)
    pixels[:10] += 500.0
    assert sampled_level(pixels) == pytest.approx(100.0, abs=0.1)


# --- fits ------------------------------------------------------------------------------------------------------------

LEVEL = 10000.0 + np.linspace(0.0, 20.0, 400)
BAD_LINES = {
    "first of 65535": (slice(0, 1), 65535),
    "last of 65535": (slice(399, 400), 65535),
    "first never read": (slice(0, 1), 0),
    "one inside": (slice(150, 151), 20000),
    "a block": (slice(30, 45), 14000),
    "little": (slice(0, 1), 10060),
}


def with_bad_lines(where, value, seed=3):
    pixels = np.random.default_rng(seed).normal(LEVEL[:, None], 4.0, (400, 240)).round()
    pixels[where] = value
    return pixels


@pytest.mark.parametrize("bad", BAD_LINES)
@pytest.mark.parametrize(("fit", "order"), [("chebyshev", 0), ("chebyshev", 1), ("legendre", 12), ("spline", 5)])
def test_bad_lines_do_not_move_a_fit(bad, fit, order):
    pixels = with_bad_lines(*BAD_LINES[bad])
    found = strip_curve(pixels[:, 200:], method="median", fit=fit, order=order).level_adu
    clean = strip_curve(with_bad_lines(slice(0), 0)[:, 200:], method="median", fit=fit, order=order).level_adu
    others = np.delete(np.arange(400), np.arange(400)[BAD_LINES[bad][0]])
    assert np.abs(found - clean)[others].max() < 0.8


def test_a_fit_that_rejects_nothing_follows_everything():
    strip = with_bad_lines(slice(0, 1), 65535)[:, 200:]
    taken = strip_curve(strip, fit="chebyshev", order=1, reject=FitRejection(iterations=0)).level_adu
    lines = np.arange(400)
    plain = np.polyval(np.polyfit(lines, np.median(strip, axis=1), 1), lines)
    np.testing.assert_allclose(taken, plain, rtol=1e-9)
    with pytest.raises(UsageError, match="cannot reject"):
        FitRejection(low=-1.0)


@pytest.mark.parametrize("bad", BAD_LINES)
def test_a_model_of_astropy_rejects_alike(bad):
    where, value = BAD_LINES[bad]
    ccd = CCDData(with_bad_lines(where, value).astype(np.uint16), unit="adu")
    words = {"fits_section": "[201:240,:]", "median": True, "model": Chebyshev1D(1)}
    found = np.median(subtract_overscan(ccd, **words).data, axis=1)
    assert np.abs(np.delete(found, np.arange(400)[where])).max() < 3.0
    if abs(value - 10000) > 5000:
        pulled = np.median(subtract_overscan(ccd, **words, niterate=0).data, axis=1)
        assert np.abs(np.delete(pulled, np.arange(400)[where])).max() > 30.0


# --- trails of stars -------------------------------------------------------------------------------------------------


def trailed(side, covers=30, width=4, value=65535, seed=5):
    """A sky of 500 ADU above a bias of 1000, a strip of 30, and a star whose trail runs through both."""
    rng = np.random.default_rng(seed)
    pixels = rng.normal(1500.0, 4.0, (300, 430)).round()
    pixels[:, 400:] = rng.normal(1000.0, 4.0, (300, 30)).round()
    pixels[150 : 150 + width, 200 : 400 + covers] = value
    return (pixels if side == "right" else pixels.T.copy()).astype(np.uint16)


@pytest.mark.parametrize("side", ["right", "top"])
@pytest.mark.parametrize("covers", [30, 20, 12])
@pytest.mark.parametrize("value", [65535, 16383, 1400])
@pytest.mark.parametrize("method", ["auto", "median", "clipped"])
def test_the_trail_of_a_star_does_not_give_its_rows_a_level(side, covers, value, method):
    pixels = trailed(side, covers, value=value)
    section = Section.parse("[401:430,:]" if side == "right" else "[:,401:430]")
    spec = OverscanSpec(section, 1 if side == "right" else 0, method)
    strip = pixels[section.slices_yx(pixels.shape)]
    found = frame_levels(strip, spec, pixels.shape, lambda n: pixels[n, :400] if side == "right" else pixels[:400, n].T)
    levels = found.row_adu if side == "right" else found.column_adu
    # 12 of 30 leave the median at the 83rd percentile of the others
    assert np.abs(levels - 1000.0).max() < 6.0
    if covers == 30:
        (remark,) = found.remarks
        what = "rows" if side == "right" else "columns"
        numbers, away = re.match(r"overscan of (.*) stands (\d+) ADU above its surroundings", remark).groups()
        assert numbers == f"{what} 151 to 154"
        assert int(away) == pytest.approx(value - 1000, abs=3)


def test_a_line_that_the_image_follows_keeps_its_level():
    # the controller's first rows settle, and one row is 300 ADU low, image and strip alike
    rng = np.random.default_rng(1)
    level = 1000.0 + 200.0 * np.exp(-np.arange(300) / 3.0)
    level[77] -= 300.0
    pixels = rng.normal(level[:, None] + np.linspace(0, 400, 430), 4.0).round()
    pixels[:, 400:] = rng.normal(level[:, None], 4.0, (300, 30)).round()
    for method in ("auto", "median"):
        spec = OverscanSpec(Section.parse("[401:430,:]"), 1, method)
        found = frame_levels(pixels[:, 400:], spec, pixels.shape, lambda numbers: pixels[numbers, :400])
        assert found.remarks == ()
        assert np.abs(found.row_adu - level).max() < 5.0


@pytest.mark.parametrize("light", [0.0, 130.0, 20000.0])
@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("from_end", [False, True])
def test_a_level_that_settles_over_the_first_rows_is_followed(light, seed, from_end):
    # 40 ADU, less by a factor of e every 15 rows, image and strip alike; a flat is not even, and has photon noise
    rng = np.random.default_rng(seed)
    ramp = 40.0 * np.exp(-np.arange(240) / 15.0)
    level = 1000.0 + (ramp[::-1] if from_end else ramp)
    away = np.hypot(*np.meshgrid(np.linspace(-1, 1, 300), np.linspace(-1, 1, 240)))
    pixels = rng.normal(level[:, None], 4.0, (240, 332))
    pixels[:, :300] += rng.poisson(1.5 * light * (1.0 - 0.1 * away**2)) / 1.5
    pixels = pixels.round()
    spec = OverscanSpec(Section.parse("[301:332,:]"), 1, "auto")
    found = frame_levels(pixels[:, 300:], spec, pixels.shape, lambda numbers: pixels[numbers, :300])
    assert found.remarks == ()
    assert np.abs(found.row_adu - level).max() < 5.0 * 4.0 / np.sqrt(32)


@pytest.mark.parametrize("value", [65535, 1600])
def test_a_trail_through_the_first_rows_is_none_of_the_level(value):
    pixels = trailed("right", value=value, width=0)
    pixels[:4, 200:430] = value
    spec = OverscanSpec(Section.parse("[401:430,:]"), 1, "auto")
    found = frame_levels(pixels[:, 400:], spec, pixels.shape, lambda numbers: pixels[numbers, :400])
    assert "overscan of rows 1 to 4 " in found.remarks[0]
    assert np.abs(found.row_adu - 1000.0).max() < 6.0


def test_the_verb_and_a_night_say_it_and_agree(tmp_path):
    pixels = trailed("right")
    ccd = CCDData(pixels, unit="adu")
    with pytest.warns(AssumptionWarning, match="overscan of rows 151 to 154 stands 6453. ADU above"):
        done = subtract_overscan(ccd, fits_section="[401:430,:]", median=True)
    assert np.median(done.data[150, :190]) == pytest.approx(500.0, abs=3.0)
    raw = tmp_path / "raw"
    raw.mkdir()
    header = fits.Header({"IMAGETYP": "bias", "EXPTIME": 0.0})
    for number in range(3):
        own = trailed("right", seed=number) if number == 1 else trailed("right", width=0, seed=number)
        fits.writeto(raw / f"b{number}.fits", own, header)
    made = zeroframe.bias(raw, tmp_path / "out", overscan="[401:430,:]", trim="[1:400,:]", report=False)
    frame = fits.getheader(tmp_path / "out" / "b1.fits")
    history = " ".join(str(line) for line in frame["HISTORY"])
    assert re.search(r"overscan of rows 151 to 154 stands 6453\d ADU above its", " ".join(history.split()))
    (said,) = [each.reason for each in made.frames if each.raw.name == "b1.fits"]
    assert "overscan of rows 151 to 154" in said
    assert np.median(fits.getdata(tmp_path / "out" / "b1.fits")[150, :190]) == pytest.approx(500.0, abs=3.0)


# --- smoothing -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("lines", [400, 2000])
def test_levels_without_structure_are_smoothed_and_keep_their_drift(lines):
    x = np.linspace(0.0, 1.0, lines)
    truth = 1000.0 + 8.0 * x + 2.0 * np.sin(7.0 * x)
    _, pixels = digitised(truth, 4.0, 1, 25, seed=lines)
    plain = line_levels(pixels, "auto")
    found = strip_curve(pixels, method="auto")
    assert found.smoothed_lines >= 31
    assert np.std(found.level_adu - truth) < 0.35 * np.std(plain.level_adu - truth)
    assert found.error_adu == pytest.approx(plain.error_adu / np.sqrt(found.smoothed_lines))


STRUCTURES = {
    "rows of their own": lambda rng, n: rng.normal(0.0, 0.8, n),
    "alternating rows": lambda rng, n: np.tile([0.6, -0.6], n // 2),  # noqa: ARG005
    "a hum of 20 rows": lambda rng, n: 1.0 * np.sin(np.arange(n) * 2 * np.pi / 20.0),  # noqa: ARG005
    "first rows that settle": lambda rng, n: 12.0 * np.exp(-np.arange(n) / 4.0),  # noqa: ARG005
    "a jump": lambda rng, n: np.where(np.arange(n) < n // 3, 0.0, 4.0),  # noqa: ARG005
}


@pytest.mark.parametrize("name", STRUCTURES)
def test_rows_with_structure_keep_it(name):
    rng = np.random.default_rng(11)
    own = STRUCTURES[name](rng, 1000)
    _, pixels = digitised(1000.0 + own, 4.0, 1, 25, seed=12)
    found = strip_curve(pixels, method="auto")
    plain = line_levels(pixels, "auto").level_adu
    # never worse than row by row, anywhere: not in any twenty neighbouring rows
    error, usual = (
        np.abs(np.add.reduceat(each - 1000.0 - own, np.arange(0, 1000, 20))) for each in (found.level_adu, plain)
    )
    assert error.max() < max(1.3 * usual.max(), 20.0)
    if name in {"rows of their own", "alternating rows"}:
        assert found.smoothed_lines == 1


def test_smoothing_is_rare_on_structure_and_usual_without():
    rng = np.random.default_rng(2)
    everything = np.ones(600, dtype=bool)
    white = [smooth_curve(1000.0 + rng.normal(0, 1, 600), everything, 1.0)[1] > 1 for _ in range(200)]
    rows = [smooth_curve(1000.0 + rng.normal(0, 1.4, 600), everything, 1.0)[1] > 1 for _ in range(200)]
    assert np.mean(white) > 0.95
    assert np.mean(rows) < 0.05


@pytest.mark.parametrize("lines", [150, 600, 4000])
def test_levels_that_are_noise_are_hardly_ever_taken_for_structure(lines):
    """A night has dozens of frames, and one of them that is not smoothed shows in the sums over its rows."""
    rng = np.random.default_rng(lines)
    everything = np.ones(lines, dtype=bool)
    left = [smooth_curve(1000.0 + rng.normal(0, 1, lines), everything, 1.0)[1] == 1 for _ in range(400)]
    assert np.mean(left) < 0.01


def test_sums_over_rows_are_no_noisier_than_single_pixels_say():
    rng = np.random.default_rng(8)
    ratios = {}
    for method in ("median", "auto"):
        sums = []
        for _ in range(6):
            pixels = rng.normal(1000.0, 4.0, (1000, 525)).round()
            curve = strip_curve(pixels[:, 500:].astype(np.uint16), method=method)
            sums.append((pixels[:, :500] - curve.level_adu[:, None]).sum(axis=1))
        ratios[method] = np.std(sums) / (np.hypot(4.0, 12**-0.5) * np.sqrt(500))
    assert ratios["median"] > 4.0
    assert ratios["auto"] < 1.3


def test_what_stands_off_is_measured_by_the_scatter_of_the_levels():
    levels = 1000.0 + np.random.default_rng(0).normal(0, 0.8, 500)
    assert not standing_off(levels, 4.0).any()
    levels[100] += 30.0
    assert np.flatnonzero(standing_off(levels, 4.0)).tolist() == [100]
    assert not standing_off(np.full(500, 7.0), 0.0).any()
