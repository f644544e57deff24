"""What ``zeroframe inspect`` shows and writes of files that several amplifiers read."""

from __future__ import annotations

import json

import numpy as np
import pytest
from astropy.io import fits
from matplotlib.image import imread

from workbench import command
from zeroframe.simulate import SIMULATED_MOSAICS, simulate_night


@pytest.mark.parametrize(
    ("name", "shape", "amplifiers"), [("quad-mef", (240, 360), 4), ("four-chip-mosaic", (240, 256), 8)]
)
def test_the_plot_holds_every_amplifier(tmp_path, name, shape, amplifiers):
    raw, plot, profile = tmp_path / "raw", tmp_path / "overscan.png", tmp_path / "my.toml"
    simulate_night(SIMULATED_MOSAICS[name].resized(shape), raw, seed=11)
    run = command("inspect", raw, "--plot", plot, "--write", profile, "--json")
    assert run.code == 0, run.err
    said = json.loads(run.out)
    assert sum(len(each["amplifiers"]) for each in said["detectors"]) == amplifiers
    assert said["written"] == [str(profile), str(plot)]
    height, width, _ = imread(plot).shape
    assert height / width > 0.4 * amplifiers  # a strip at least for each
    again = command("inspect", raw, "--plot", plot)
    assert again.code == 2
    assert "is there already" in again.err


def test_files_that_are_not_of_several_amplifiers_are_named(tmp_path):
    simulate_night(SIMULATED_MOSAICS["quad-mef"].resized((240, 360)), tmp_path, seed=12)
    header = fits.Header({"IMAGETYP": "BIAS", "EXPTIME": 0.0})
    pixels = np.random.default_rng(1).normal(500, 4, (240, 360)).astype(np.int16)
    fits.PrimaryHDU(pixels, header).writeto(tmp_path / "guider.fits")
    (tmp_path / "empty.fits").touch()
    run = command("inspect", tmp_path)
    assert run.code == 0
    assert "guider.fits: not looked at" in run.err
    assert "empty.fits: not looked at: the file is empty" in run.err
