"""The photons of the dark current are in the uncertainties, once, whichever frames tell the noise of reading."""

from __future__ import annotations

import numpy as np
import pytest
from astropy.io import fits

import zeroframe
from wrong_nights import Camera, Shot, write_night
from zeroframe.frames.mask_bits import MaskBit

CAMERA = Camera(gain=1.2, read_noise=2.5)
LONG_S, SHORT_S = 180, 3


def shots(sky, biases=0, short=0):
    return [
        *(Shot(f"b{i}.fits", "bias", 0) for i in range(biases)),
        *(Shot(f"d{i}.fits", "dark", LONG_S) for i in range(7)),
        *(Shot(f"e{i}.fits", "dark", SHORT_S) for i in range(short)),
        *(Shot(f"f{i}.fits", "flat", SHORT_S, 30000.0) for i in range(4)),
        *(Shot(f"s{i}.fits", "object", LONG_S, sky) for i in range(2)),
    ]


def with_strip(image, chance):
    """Put an overscan beside the drawn pixels: the level alone, and noise."""
    strip = chance.normal(1000.0, CAMERA.read_noise, (len(image), 24))
    return np.concatenate([image, strip], axis=1)


def chi_and_rays(folder):
    """Return the scatter of a flat sky over its uncertainties, and how many pixels are called cosmic rays."""
    with fits.open(folder / "out" / "s0.fits") as hdus:
        mask = hdus["MASK"].data if "MASK" in hdus else np.zeros(hdus[0].shape, np.uint8)
        good = mask == 0
        residuals = (hdus[0].data - np.median(hdus[0].data[good])) / hdus["UNCERT"].data
        return np.sqrt(np.mean(residuals[good] ** 2)), np.count_nonzero(mask & MaskBit.COSMIC)


def run(folder, frames, rate, unit="adu"):
    camera = Camera(gain=CAMERA.gain, read_noise=CAMERA.read_noise, dark_rate=rate)
    write_night(folder / "raw", frames, camera, shape=(200, 220))
    return zeroframe.night(folder / "raw", folder / "out", report=False, unit=unit)


@pytest.mark.parametrize(
    ("rate", "sky", "given", "unit"),
    [
        (0.2, 170.0, {"short": 5}, "adu"),
        (1.0, 42.0, {"short": 5}, "adu"),
        (1.0, 42.0, {"short": 5}, "electron"),
        (1.0, 42.0, {"short": 1}, "adu"),
        (1.0, 42.0, {}, "adu"),
        (1.0, 42.0, {"biases": 1}, "adu"),
        (1.0, 42.0, {"biases": 5}, "adu"),
    ],
    ids=["weak current", "strong", "electrons", "one short dark", "one exposure", "one bias", "biases"],
)
def test_drawn_current_is_in_the_uncertainties_once(tmp_path, rate, sky, given, unit):
    made = run(tmp_path, shots(sky, **given), rate, unit)
    chi, rays = chi_and_rays(tmp_path)
    assert chi == pytest.approx(1.0, abs=0.02)
    assert rays < 8
    assert "ZF403" not in {each.code for each in made.findings}


@pytest.mark.parametrize("short", [0, 5])
def test_it_is_with_an_overscan_too(tmp_path, short):
    cards = {"BIASSEC": "[221:244,1:200]", "DATASEC": "[1:220,1:200]"}
    frames = [
        Shot(each.name, each.kind, each.exposure_s, each.light, cards=cards, edit=with_strip)
        for each in shots(42.0, short=short)
    ]
    made = run(tmp_path, frames, 1.0)
    chi, rays = chi_and_rays(tmp_path)
    assert chi == pytest.approx(1.0, abs=0.02)
    assert rays < 8
    assert "ZF403" not in {each.code for each in made.findings}
