"""Amplifiers left apart: an image of each, with calibration frames of its own, and none of another one."""

from __future__ import annotations

import numpy as np
import pytest
from astropy.io import fits

import zeroframe
from mosaics import gain_map, truths
from workbench import command
from zeroframe.errors import UsageError
from zeroframe.simulate import SIMULATED_MOSAICS, simulate_night

SHAPES = {"two-amp-spectrograph": (200, 600), "quad-mef": (240, 360), "four-chip-mosaic": (96, 192)}


@pytest.mark.long
@pytest.mark.parametrize("name", SHAPES)
def test_each_amplifier_is_a_frame_of_its_own(tmp_path, name):
    camera = SIMULATED_MOSAICS[name].resized(SHAPES[name])
    simulate_night(camera, tmp_path / "raw", seed=3)
    done = command("night", tmp_path / "raw", "-o", tmp_path / "out", "--keep-amplifiers", "--no-report")
    assert done.code == 0, done.out + done.err
    for chip, (sky_adu, hits, hot) in zip(camera.chips, truths(camera, 3), strict=True):
        good = ~hits & ~hot & (sky_adu < 1.5 * np.median(sky_adu))
        gains = gain_map(chip)
        for each in chip.amplifiers:
            part = "-".join(filter(None, (chip.name, each.name)))
            place = each.place.slices_yx(sky_adu.shape)
            with fits.open(tmp_path / "out" / f"obs019.{part}.fits") as hdus:
                header, data, sigma = hdus[0].header, hdus[0].data.astype(float), hdus["UNCERT"].data
                masked = hdus["MASK"].data != 0 if "MASK" in hdus else np.zeros(data.shape, bool)
                assert "AMPLIFIERS" not in hdus
            assert data.shape == sky_adu[place].shape  # right side up, and in ADU of this amplifier
            for word in ("ZEROCOR", "DARKCOR", "FLATCOR"):
                assert f"{part}.fits" in header[word]
            seen = good[place] & ~masked
            # its flat is of itself alone, which has a level of 1
            scale = np.mean(gain_map(chip)) / np.mean(gains[place])
            expected = sky_adu[place]
            ratio = np.median(data[seen] / expected[seen])
            assert ratio == pytest.approx(scale, rel=0.05)
            assert 0.9 < np.mean(((data - ratio * expected)[seen] / sigma[seen]) ** 2) < 1.1
            assert not [word for word in header if word.startswith(("TRIMSECA", "TRIMSECB", "BIASSEC"))]


def test_a_camera_that_puts_them_together_is_refused(tmp_path):
    camera = SIMULATED_MOSAICS["two-amp-spectrograph"].resized((96, 192))
    simulate_night(camera, tmp_path / "raw")
    assert command("inspect", tmp_path / "raw", "--write", tmp_path / "two.toml").code == 0
    with pytest.raises(UsageError, match="its amplifiers stand in one image"):
        zeroframe.night(tmp_path / "raw", tmp_path / "out", camera=str(tmp_path / "two.toml"), keep_amplifiers=True)
