"""Whole numbers of little noise in quantised tiles: few values, a little off in every row, and no heap at the top."""

import numpy as np
import pytest
from astropy.io import fits

import zeroframe

NY, NX = 242, 292
Y, X = np.mgrid[:NY, :NX]


def told(folder, light, seed):
    """Calibrate three biases as astropy compresses floating-point numbers, the first with light; what is saturated."""
    folder.mkdir()
    chance = np.random.default_rng(seed)
    waves = chance.uniform(-0.8, 0.8) * X / NX + chance.uniform(-0.8, 0.8) * Y / NY
    pattern = 2.7 * np.cos(2 * np.pi * waves + chance.uniform(0, 6))
    for number in range(3):
        rows = np.cumsum(chance.normal(size=(NY, 1)), axis=0) / NY**0.5
        pixels = 1072.0 + chance.normal(0.0, 0.74, (NY, NX)) + pattern + rows + 0.5 * chance.normal(size=(1, NX))
        pixels = np.minimum(np.round(pixels + (light if number == 0 else 0.0)), 4000.0).astype(np.float32)
        cards = fits.Header({"IMAGETYP": "BIAS", "EXPTIME": 0.0, "GAIN": 4.6})
        cards["DATE-OBS"] = f"2024-03-10T20:00:{number:02d}"
        hdus = fits.HDUList([fits.PrimaryHDU(), fits.CompImageHDU(pixels, cards)])
        hdus.writeto(folder / f"b{number}.fits.fz")
    found = zeroframe.night(folder, folder.with_name("out"), report=False).findings
    return [each.sentence for each in found if "saturated" in each.sentence]


@pytest.mark.parametrize("seed", [5, 9, 10, 13, 15, 18, 21])
def test_a_bias_is_not_saturated(tmp_path, seed):
    """Of 24 such nights these 7 were told to be, and exit was 1."""
    assert told(tmp_path / "raw", 0.0, seed) == []


def test_what_is_saturated_is_found(tmp_path):
    star = 9000.0 * np.exp(-((Y - 120.0) ** 2 + (X - 150.0) ** 2) / 500.0)
    assert told(tmp_path / "raw", star, 1)
