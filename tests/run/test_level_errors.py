"""Without an overscan the level of each frame is off by what the levels of biases scatter by: LEVELERR says so."""

from __future__ import annotations

import numpy as np
import pytest
from astropy.io import fits

import zeroframe
from wrong_nights import Camera, Shot, write_night

BIASES = (14.0, -19.0, 6.0, -12.0, 9.0, 3.0)
DARKS = (5.0, -4.0, 7.0, -9.0)


def night(folder, dark_s, unit="adu"):
    shots = [
        *(Shot(f"b{i}.fits", "bias", 0, level=1000.0 + by) for i, by in enumerate(BIASES)),
        *(Shot(f"d{i}.fits", "dark", dark_s, level=1000.0 + by) for i, by in enumerate(DARKS)),
        *(Shot(f"f{i}.fits", "flat", 5, 30000.0) for i in range(3)),
        *(Shot(f"s{i}.fits", "object", 60, 300.0) for i in range(2)),
    ]
    write_night(folder / "raw", shots, Camera(gain=2.0, dark_rate=0.0))
    zeroframe.night(folder / "raw", folder / "out", report=False, unit=unit)
    return fits.getheader(folder / "out" / "s0.fits")


@pytest.mark.parametrize(("dark_s", "unit"), [(60, "adu"), (120, "adu"), (60, "electron")])
def test_the_error_of_the_level_is_what_drawn_levels_have(tmp_path, dark_s, unit):
    header = night(tmp_path, dark_s, unit)
    chance = np.random.default_rng(1)
    biases = chance.normal(0, np.std(BIASES, ddof=1), (100_000, len(BIASES) + 1))
    darks = chance.normal(0, np.std(DARKS, ddof=1), (100_000, len(DARKS)))
    bias = biases[:, 1:].mean(axis=1)
    level = biases[:, 0] - bias - 60 / dark_s * (darks.mean(axis=1) - bias)
    assert header["LEVELERR"] == pytest.approx(level.std() * header.get("GAINCOR", 1.0), rel=0.03)
    assert (header["BUNIT"] == "electron") == ("GAINCOR" in header)


def test_levels_that_stay_have_next_to_no_error(tmp_path):
    shots = [*(Shot(f"b{i}.fits", "bias", 0) for i in range(5)), Shot("s0.fits", "object", 60, 300.0)]
    write_night(tmp_path / "raw", shots)
    made = zeroframe.night(tmp_path / "raw", tmp_path / "out", report=False)
    assert fits.getheader(tmp_path / "out" / "s0.fits")["LEVELERR"] < 0.2
    assert "ZF311" not in {each.code for each in made.findings}


@pytest.mark.parametrize("darks", [(0.5,), (5.0, 5.0), (5.0, -4.0, 6.0), (15.0, -24.0, 6.0, 2.0)])
def test_the_level_of_a_dark_is_off_by_its_frames_and_by_its_bias(tmp_path, darks):
    shots = [
        *(Shot(f"b{i}.fits", "bias", 0, level=1000.0 + by) for i, by in enumerate(BIASES)),
        *(Shot(f"d{i}.fits", "dark", 60, level=1000.0 + by) for i, by in enumerate(darks)),
    ]
    write_night(tmp_path / "raw", shots, Camera(gain=2.0, dark_rate=0.0))
    zeroframe.night(tmp_path / "raw", tmp_path / "out", report=False)
    header = fits.getheader(tmp_path / "out" / "combined_dark_60s.fits")
    of_bias = np.std(BIASES, ddof=1)
    # levels of three darks that are alike by chance say nothing against those of six biases
    of_dark = np.std(darks, ddof=1) if len(darks) > 3 else of_bias
    assert header["LEVELOWN"] == pytest.approx(of_dark / len(darks) ** 0.5, rel=0.03)
    assert header["LEVELERR"] == pytest.approx(np.hypot(header["LEVELOWN"], of_bias / len(BIASES) ** 0.5), rel=0.03)
