"""Verbs on frames whose header speaks of several amplifiers: each by its own figures, against numpy."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from astropy import units as u
from astropy.io import fits
from astropy.nddata import CCDData

import zeroframe as ccdp
from zeroframe.errors import UsageError
from zeroframe.simulate import SIMULATED_MOSAICS, night_specs, simulate_mosaic_frame, simulate_night

#: Of a raw frame: image of A, its overscan, that of B, image of B.
A, OVERSCAN_A, OVERSCAN_B, B = np.s_[:, :96], np.s_[:, 96:128], np.s_[:, 128:160], np.s_[:, 160:]


@pytest.fixture
def two(tmp_path):
    camera = SIMULATED_MOSAICS["two-amp-spectrograph"].resized((64, 192))
    simulate_night(camera, tmp_path, seed=4)
    return camera, tmp_path / "obs018.fits"


def raw_of(path):
    return CCDData.read(path, unit="adu")


def test_each_loses_the_level_of_its_own_overscan(two):
    ccd = raw_of(two[1])
    before = ccd.data.copy()
    done = ccdp.subtract_overscan(ccd, method="mean")
    expected = before.astype(float)
    for strip, parts in ((OVERSCAN_A, (A, OVERSCAN_A)), (OVERSCAN_B, (B, OVERSCAN_B))):
        level = before[strip].astype(float).mean(axis=1, keepdims=True)
        for part in parts:
            expected[part] -= level
    np.testing.assert_allclose(done.data, expected, atol=2e-3)
    np.testing.assert_array_equal(ccd.data, before)
    assert done.meta["OVERSCAN"].startswith("of each amplifier: A [97:128,1:64], B [129:160,1:64]")
    with pytest.raises(ccdp.ArgumentError, match="it was subtracted already"):
        ccdp.subtract_overscan(done)
    # one strip for all is still what is asked for, with its warning
    with pytest.warns(UserWarning, match="several amplifiers read it"):
        ccdp.subtract_overscan(ccd, fits_section="[97:128,:]")


def test_trimmed_they_are_put_together(two):
    ccd = ccdp.subtract_overscan(raw_of(two[1]), method="mean")
    ccd.mask = np.zeros(ccd.shape, bool)
    ccd.mask[5, 170] = True
    done = ccdp.trim_image(ccd)
    np.testing.assert_array_equal(done.data, np.concatenate([ccd.data[A], ccd.data[B]], axis=1))
    assert np.argwhere(done.mask).tolist() == [[5, 106]]
    assert (done.meta["DATASECA"], done.meta["DATASECB"]) == ("[1:96,1:64]", "[97:192,1:64]")
    assert "TRIMSECA" not in done.meta
    assert "BIASSECB" not in done.meta
    whole = ccdp.read_ccd(two[1], "adu", amplifiers=True)
    assert whole.shape == done.shape
    assert np.abs(whole.data - done.data).max() < 3.0  # levels that are smoothed, and those of single rows


def test_gain_and_noise_are_each_ones_own(two):
    camera, path = two
    gains = {each.name: each.gain_e_per_adu for each in camera.chips[0].amplifiers}
    noises = {each.name: each.read_noise_e for each in camera.chips[0].amplifiers}
    ccd = ccdp.trim_image(ccdp.subtract_overscan(raw_of(path)))
    electrons = ccdp.gain_correct(ccd)
    assert electrons.unit == u.electron
    np.testing.assert_allclose(electrons.data[:, :96], ccd.data[:, :96] * gains["A"], rtol=1e-6)
    np.testing.assert_allclose(electrons.data[:, 96:], ccd.data[:, 96:] * gains["B"], rtol=1e-6)
    for frame, to_electrons in ((ccd, gains), (electrons, dict.fromkeys("AB", 1.0))):
        noisy = ccdp.create_deviation(frame, disregard_nan=True)
        assert noisy.uncertainty.unit == frame.unit
        for name, part in (("A", np.s_[:, :96]), ("B", np.s_[:, 96:])):
            light = np.maximum(frame.data[part] * to_electrons[name], 0.0)
            expected = np.sqrt(light + noises[name] ** 2) / to_electrons[name]
            np.testing.assert_allclose(noisy.uncertainty.array[part], expected, rtol=1e-5)
    with pytest.raises((ccdp.ArgumentError, UsageError)):
        ccdp.gain_correct(CCDData(np.ones((4, 5)), unit="adu"))
    with pytest.raises(UsageError, match="read noise must be given"):
        ccdp.create_deviation(CCDData(np.ones((4, 5)), unit="adu"))


def test_quadrants_that_were_assembled_when_they_were_read(tmp_path):
    """A mosaic file: its amplifiers are known to verbs after read_ccd; the seams of a flat sky go with the gains."""
    camera = replace(SIMULATED_MOSAICS["quad-mef"].resized((128, 192)), row_drift_adu=0.0)
    flat = next(spec for spec in night_specs(camera) if spec.kind == "flat")
    frame = simulate_mosaic_frame(camera, flat, 3, index=5)
    hdus = [fits.PrimaryHDU(header=frame.primary), *(fits.ImageHDU(*each) for each in frame.images)]
    fits.HDUList(hdus).writeto(tmp_path / "flat.fits")
    ccd = ccdp.read_ccd(tmp_path / "flat.fits", "adu")
    assert [ccd.meta[f"AMPNAM{letter}"] for letter in "ABCD"] == ["A", "B", "C", "D"]
    done = ccdp.gain_correct(ccd)
    left, right = done.data[:60, 80:96], done.data[:60, 96:112]
    assert abs(np.median(right) / np.median(left) - 1.0) < 0.01
    assert abs(np.median(ccd.data[:60, 96:112]) / np.median(ccd.data[:60, 80:96]) - 1.0) > 0.1


def test_a_slice_of_such_a_frame_is_of_one(two):
    ccd = raw_of(two[1])
    part = ccd[:, :96]
    with pytest.raises(ccdp.ArgumentError, match="no overscan is given"):
        ccdp.subtract_overscan(part)
    assert ccdp.trim_image(part).shape == (64, 96)
