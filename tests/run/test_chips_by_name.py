"""Files of two chips that are told apart by CCDNAME alone: each is calibrated by its own overscan, bias and flat."""

from __future__ import annotations

import numpy as np
import pytest
from astropy.io import fits

from zeroframe import night

SHAPE, STRIP, GAIN = (60, 80), 16, 1.5
BIAS_ADU, RESPONSE = {"north": 900.0, "south": 1400.0}, {"north": 1.0, "south": 0.7}


@pytest.mark.parametrize("word", ["CCDNAME", "CHIPID"])
def test_each_chip_has_its_own_light(tmp_path, word):
    chance = np.random.default_rng(5)
    (tmp_path / "raw").mkdir()
    frames = [(f"b{n}", "bias", 0.0, 0.0) for n in range(3)] + [(f"f{n}", "flat", 20000.0, 5.0) for n in range(3)]
    frames.append(("s0", "object", 600.0, 60.0))
    for minute, (name, kind, light, exposure) in enumerate(frames):
        images = [fits.PrimaryHDU()]
        images[0].header.update(
            {"IMAGETYP": kind, "EXPTIME": exposure, "DATE-OBS": f"2026-02-03T21:{minute:02d}:00", "FILTER": "R"}
        )
        for chip, bias in BIAS_ADU.items():
            drift = chance.normal(0.0, 3.0)
            pixels = np.full((SHAPE[0], SHAPE[1] + STRIP), bias + drift)
            pixels[:, : SHAPE[1]] += chance.poisson(light * RESPONSE[chip] * GAIN, SHAPE) / GAIN
            pixels += chance.normal(0.0, 3.0, pixels.shape)
            image = fits.ImageHDU(np.rint(pixels).astype(np.uint16))
            image.header.update({word: chip, "GAIN": GAIN, "DATASEC": f"[1:{SHAPE[1]},1:{SHAPE[0]}]"})
            image.header["BIASSEC"] = f"[{SHAPE[1] + 1}:{SHAPE[1] + STRIP},1:{SHAPE[0]}]"
            images.append(image)
        fits.HDUList(images).writeto(tmp_path / "raw" / f"{name}.fits")
    night(tmp_path / "raw", tmp_path / "out", report=False)
    for chip, response in RESPONSE.items():
        found = fits.getdata(tmp_path / "out" / f"s0.{chip}.fits")
        assert found.shape == SHAPE
        # a flat has a level of 1 in each chip
        assert np.median(found) == pytest.approx(600.0 * response, abs=2.5)
