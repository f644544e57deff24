"""Masks of a night: hot pixels, bad pixels, saturated ones, cosmic rays; and where they end up."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

import naive_frames
from nights import CAMERAS, RECIPES, calibrated, carried_out, planned, sensor_of, small_night, truth_of
from zeroframe.frames.bad_pixels import bad_pixels, hot_pixels

NAME = "palomar-lfc"
SCIENCE = "ccd.037.0.fits"
ELECTRONS = "[steps]\nto_electrons = true\n"


@pytest.fixture(scope="module")
def raw(tmp_path_factory):
    return small_night(tmp_path_factory.mktemp("masks") / "raw", one_filter=True)


@pytest.fixture(scope="module")
def plain(raw, tmp_path_factory):
    """The night in electrons; cosmic rays are not looked for."""
    out = tmp_path_factory.mktemp("plain") / "out"
    return out, carried_out(raw, out, RECIPES[NAME] + ELECTRONS + 'cosmic_rays = "none"\n')


def test_hot_pixels_stand_above_the_median_by_so_many_sigmas():
    dark = np.random.default_rng(1).normal(3.0, 2.0, (80, 90)).astype(np.float32)
    dark[5, 6], dark[7, 8], dark[9, 9] = 3.0 + 30.0, np.nan, np.inf
    found = hot_pixels(dark, 12.0)
    finite = sorted(float(v) for v in dark.ravel() if np.isfinite(v))
    median = finite[len(finite) // 2]
    mad = sorted(abs(v - median) for v in finite)[len(finite) // 2]
    limit = median + 12.0 * 1.482602218505602 * mad
    assert found.limit == pytest.approx(limit, rel=2e-3)
    np.testing.assert_array_equal(found.mask, ~(dark <= limit))
    assert found.count == 3


def test_a_dark_of_whole_numbers_without_spread_has_no_hot_pixels_everywhere():
    dark = np.zeros((50, 50), np.float32)
    dark[::10, ::10] = 1.0
    dark[3, 3] = 900.0
    assert hot_pixels(dark, 20.0).count == 1


def test_a_dark_without_a_valid_pixel_is_hot():
    assert hot_pixels(np.full((4, 5), np.nan, np.float32), 20.0).count == 20


@pytest.mark.parametrize("column", [None, 31])
def test_bad_pixels_stand_off_the_median_of_their_surroundings(column):
    """Against all medians, not only those around pixels that the quick look finds."""
    rng = np.random.default_rng(2)
    flat = rng.normal(1.0, 0.01, (40, 60)) * np.linspace(0.7, 1.3, 60)
    places = rng.integers(0, (40, 60), (25, 2))
    flat[tuple(places.T)] *= rng.uniform(0.2, 1.8, 25)
    if column is not None:
        flat[:, column] *= 0.5
    flat[3, 3], flat[20, 20:23] = np.nan, 0.1
    flat = flat.astype(np.float32)
    found = bad_pixels(flat, 10.0, 0.2)
    median = naive_frames.moving_percentile(flat, 7, 7, 50.0)
    reach = np.maximum(0.2 * np.abs(median), 10.0 * found.noise)
    np.testing.assert_array_equal(found.mask, ~(np.abs(flat - median) <= reach))
    assert found.mask[3, 3]
    assert found.mask[20, 20:23].all()
    assert found.noise < 0.03


def test_a_smooth_flat_has_no_bad_pixel():
    y, x = np.mgrid[-1:1:100j, -1:1:150j]
    flat = (1 - 0.3 * (x**2 + y**2)) * np.random.default_rng(0).normal(1, 0.01, x.shape)
    assert bad_pixels(flat.astype(np.float32), 10.0, 0.2).count == 0


def test_the_true_hot_pixels_are_found_and_masked(plain):
    out, result = plain
    sensor = sensor_of(CAMERAS[NAME])
    hot = next(each for each in result.masks if each.job.what == "hot")
    mask = calibrated(hot.job.target).data != 0
    bright = sensor.hot_pixels & (sensor.dark_e_per_s * 300 / 1.1 > hot.limit + 20)
    assert bright.sum() > 5
    assert mask[bright].all()
    assert not mask[~sensor.hot_pixels].any()
    science = calibrated(out / SCIENCE)
    assert science.mask[mask].all()
    assert science.header["NMASKED"] == science.mask.sum()
    header = fits.getheader(hot.job.target)
    assert (header["IMAGETYP"], header["MASKOF"], header["NMASKED"]) == ("MASK", "combined_dark_300s.fits", hot.count)


def changed(raw, folder, names, change):
    """A copy of the night in which the pixels of some frames are others."""
    shutil.copytree(raw, folder)
    for name in names:
        with fits.open(folder / name, mode="update") as hdus:
            change(hdus[0].data)
            for word in ("DATASUM", "CHECKSUM"):
                hdus[0].header.remove(word)
    return folder


def test_saturated_pixels_are_masked(raw, tmp_path):
    def saturate(pixels):
        pixels[100:103, 50:55] = 65535
        pixels[200, 300] = 65534
        pixels[0, 610] = 65535  # in the overscan

    night = changed(raw, tmp_path / "raw", [SCIENCE], saturate)
    carried_out(night, tmp_path / "out", RECIPES[NAME] + '[steps]\ncosmic_rays = "none"\n')
    found = calibrated(tmp_path / "out" / SCIENCE)
    assert found.header["NSATPIX"] == 15
    assert found.mask[100:103, 50:55].all()
    assert not found.mask[200, 300]


def test_what_is_saturated_in_every_dark_is_masked(raw, tmp_path):
    def saturate(pixels):
        pixels[70, 80] = 65535

    names = [f"darks/ccd.{number:03d}.0.fits" for number in (13, 14, 15)]
    carried_out(changed(raw, tmp_path / "raw", names, saturate), tmp_path / "out", RECIPES[NAME])
    dark, science = (calibrated(tmp_path / "out" / name) for name in ("combined_dark_300s.fits", SCIENCE))
    assert np.isnan(dark.data[70, 80])
    assert dark.mask[70, 80]
    assert np.isnan(science.data[70, 80])
    assert science.mask[70, 80]
    assert science.header["NNOTFIN"] == 1


def test_dead_pixels_are_masked_and_never_divide_by_nothing(raw, tmp_path):
    def kill(pixels):
        pixels[40, 60] = 1090  # no light at all

    names = [f"ccd.{number:03d}.0.fits" for number in (14, 15, 16)]
    result = carried_out(changed(raw, tmp_path / "raw", names, kill), tmp_path / "out", RECIPES[NAME])
    assert [each.count for each in result.masks if each.job.name == "bad_pixels_gp.fits"] == [1]
    found = calibrated(tmp_path / "out" / SCIENCE)
    assert found.mask[40, 60]
    assert np.isfinite(found.data[40, 60])
    assert np.isfinite(found.sigma[40, 60])


@pytest.mark.parametrize("how", ["median", "lacosmic"])
def test_cosmic_rays_are_masked_and_pixels_stay_as_they_are(raw, plain, tmp_path, how):
    carried_out(raw, tmp_path, RECIPES[NAME] + ELECTRONS + f'cosmic_rays = "{how}"\n')
    before, after = calibrated(plain[0] / SCIENCE), calibrated(tmp_path / SCIENCE)
    np.testing.assert_array_equal(before.data, after.data)
    truth = truth_of(CAMERAS[NAME], SCIENCE)
    hit = truth.cosmic_rays & ~before.mask
    assert hit.sum() > 20
    assert after.mask[hit].mean() > 0.8
    new = after.mask & ~before.mask
    assert after.header["NCOSMIC"] == new.sum()
    # stars are sharper than a median follows
    sky = truth.sky_e < 1.2 * np.median(truth.sky_e)
    assert (new & ~truth.cosmic_rays & sky).sum() < (0.1 if how == "median" else 1.0) * hit.sum()


def test_cosmic_rays_where_no_noise_is_known(raw, plain, tmp_path):
    """By the scatter of the pixels, which is said where an uncertainty was wanted."""
    night = Path(shutil.copytree(raw, tmp_path / "raw"))
    for number in (14, 15, 16):  # of flats, the gain would be measured
        (night / f"ccd.{number:03d}.0.fits").unlink()
    for path in night.rglob("*.fits"):
        with fits.open(path, mode="update") as hdus:
            del hdus[0].header["GAIN"]
    result = carried_out(night, tmp_path / "out", RECIPES[NAME])
    after = calibrated(tmp_path / "out" / SCIENCE)
    (told,) = (each.outcome.reason for each in result.frames if each.frame.name == SCIENCE)
    assert "cosmic rays are found by the scatter of the pixels" in told
    assert after.sigma is None
    hit = truth_of(CAMERAS[NAME], SCIENCE).cosmic_rays & ~calibrated(plain[0] / SCIENCE).mask
    assert after.mask[hit].mean() > 0.8
    assert after.header.comments["NCOSMIC"] == "pixels of cosmic rays, by lacosmic and scatter"
    assert hit.sum() / 2 < after.header["NCOSMIC"] < 3 * hit.sum()


def test_masks_can_be_left_out(raw, tmp_path):
    text = RECIPES[NAME] + '[masks]\nhot_pixels = false\nbad_pixels = false\n[steps]\ncosmic_rays = "none"\n'
    assert not planned(raw, tmp_path / "out", text).masks
    assert not carried_out(raw, tmp_path / "out", text).masks
    assert not calibrated(tmp_path / "out" / SCIENCE).mask.any()


@pytest.mark.parametrize("reach", [22, 27])
@pytest.mark.parametrize("corner", [(0, 0), (215, 247), (0, 120)])
def test_glow_is_not_hot_and_what_is_hot_in_it_is(reach, corner):
    """A smooth glow at an edge: the dark corrects it; single pixels, a cluster, and wide columns stay hot."""
    chance = np.random.default_rng(5)
    y, x = np.mgrid[:216, :248]
    far = (y - corner[0]) ** 2 + (x - corner[1]) ** 2
    dark = 18.0 + 600.0 * np.exp(-far / 2 / reach**2)
    truth = np.zeros(dark.shape, bool)
    truth.reshape(-1)[chance.choice(dark.size, 200, replace=False)] = True
    truth[100:109, 60:69] = truth[:, 180:185] = True
    dark += 800.0 * truth
    dark = chance.normal(dark, np.sqrt(dark / 6 + 4)).astype(np.float32)
    found = hot_pixels(dark, 20.0).mask
    assert np.count_nonzero(found & ~truth) < 1e-3 * found.size
    assert np.count_nonzero(found & truth) > 0.99 * np.count_nonzero(truth)
