"""Pixels that flicker far above the noise of the others are masked, where there are biases enough to tell."""

from __future__ import annotations

import numpy as np
import pytest
from astropy.io import fits

import zeroframe
from wrong_nights import SHAPE, Camera, changed, good_shots, write_night
from zeroframe.frames.mask_bits import MaskBit

NOISY = np.random.default_rng(8).random(SHAPE) < 0.02
CAMERA = Camera(gain=1.0, read_noise=2.0, dark_rate=0.0)


def mask_of(folder, biases, by):
    def flicker(image, chance):
        return image + np.where(NOISY, chance.normal(0, by, SHAPE), 0.0)

    shots = changed(good_shots(CAMERA, (biases, 4, 4, 1), sky=20.0), "", edit=flicker)
    write_night(folder / "raw", shots, CAMERA)
    zeroframe.night(folder / "raw", folder / "out", report=False)
    with fits.open(folder / "out" / "s0.fits") as hdus:
        mask = hdus["MASK"].data if "MASK" in hdus else np.zeros(SHAPE, np.uint8)
        return mask, (hdus[0].data - np.median(hdus[0].data)) / hdus["UNCERT"].data


@pytest.mark.parametrize("biases", [10, 20])
def test_what_flickers_is_masked_and_nothing_else(tmp_path, biases):
    mask, deviation = mask_of(tmp_path, biases, 20.0)
    bad = mask & np.uint8(MaskBit.BAD) != 0
    assert (bad & NOISY).sum() > 0.97 * NOISY.sum()
    assert (bad & ~NOISY).sum() == 0
    good = mask == 0
    assert 0.9 < np.mean(deviation[good] ** 2) < 1.15


def test_few_biases_do_not_tell(tmp_path):
    mask, _ = mask_of(tmp_path, 8, 20.0)
    assert not (mask & np.uint8(MaskBit.BAD) != 0).any()


def test_even_noise_is_none(tmp_path):
    mask, _ = mask_of(tmp_path, 12, 0.0)
    assert not (mask & np.uint8(MaskBit.BAD) != 0).any()
