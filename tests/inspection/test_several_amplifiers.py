"""What ``zeroframe inspect`` shows and writes of files that several amplifiers read."""

from __future__ import annotations

import json
import tomllib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from matplotlib.image import imread

import zeroframe
from workbench import command
from zeroframe.simulate import SIMULATED_MOSAICS, simulate_night

jsonschema = pytest.importorskip("jsonschema")
SCHEMA = json.loads((Path(zeroframe.__file__).parent / "review" / "document.schema.json").read_text())


@pytest.mark.long
@pytest.mark.parametrize(
    ("name", "shape", "amplifiers"), [("quad-mef", (240, 360), 4), ("four-chip-mosaic", (240, 256), 8)]
)
def test_the_plot_holds_every_amplifier(tmp_path, name, shape, amplifiers):
    raw, plot, profile = tmp_path / "raw", tmp_path / "overscan.png", tmp_path / "my.toml"
    simulate_night(SIMULATED_MOSAICS[name].resized(shape), raw, seed=11)
    run = command("inspect", raw, "--plot", plot, "--write", profile, "--json")
    assert run.code == 0, run.err
    said = json.loads(run.out)
    jsonschema.validate(said, SCHEMA)
    assert sum(len(each["amplifiers"]) for each in said["detectors"]) == amplifiers
    assert said["written"] == [str(profile), str(plot)]
    height, width, _ = imread(plot).shape
    assert height / width > 0.4 * amplifiers  # a strip at least for each
    again = command("inspect", raw, "--plot", plot)
    assert again.code == 2
    assert "is there already" in again.err


@pytest.mark.long
def test_extensions_whose_places_no_header_says(tmp_path):
    """The night is refused with what to write; `inspect` writes all of it but the places, and no such file is used."""
    camera = replace(SIMULATED_MOSAICS["quad-mef"].resized((240, 360)), header="absent")
    simulate_night(camera, tmp_path / "raw", seed=13)
    refused = command("night", tmp_path / "raw", "-o", tmp_path / "out")
    assert refused.code == 2
    assert "do not say where they belong" in refused.err
    assert "write a camera file with an [[amplifier]] for each" in refused.err
    assert refused.err.count("do not say where") == 1  # and not once for each file
    plot, profile = tmp_path / "plot.png", tmp_path / "my.toml"
    run = command("inspect", tmp_path / "raw", "--write", profile, "--plot", plot, "--json")
    assert run.code == 0, run.err
    assert "fill in the place of each" in run.err
    said = json.loads(run.out)
    jsonschema.validate(said, SCHEMA)
    assert "fill in the place of each" in said["verdict"]["headline"]
    assert said["written"] == [str(profile), str(plot)]
    for each, true in zip(said["extensions"], camera.chips[0].amplifiers, strict=True):
        assert each["trim"] == "[27:206,1:120]"  # in pixels of the file, which is binned 2 x 2
        assert each["gain_e_per_adu"] == pytest.approx(true.gain_e_per_adu, rel=0.03)
    assert imread(plot).shape[0] / imread(plot).shape[1] > 0.4 * 4  # a strip at least for each
    written = tomllib.loads((tmp_path / "my.toml").read_text())["amplifier"]
    for each, true in zip(written, camera.chips[0].amplifiers, strict=True):
        assert (each["trim"], each["place"]) == ("[53:412,1:240]", "?")
        assert each["gain_e_per_adu"] == pytest.approx(true.gain_e_per_adu, rel=0.03)
    again = command("night", tmp_path / "raw", "-o", tmp_path / "out", "--camera", tmp_path / "my.toml")
    assert again.code == 2
    assert "amplifier 1: place: '?'" in again.err


@pytest.mark.long
def test_amplifiers_that_no_header_names_are_shown(tmp_path):
    camera = replace(SIMULATED_MOSAICS["two-amp-spectrograph"].resized((200, 600)), header="absent")
    simulate_night(camera, tmp_path / "raw", seed=14)
    run = command("inspect", tmp_path / "raw", "--plot", tmp_path / "plot.png", "--write", tmp_path / "my.toml")
    assert run.code == 0, run.err
    assert "2 amplifiers, by the pixels: columns 301 to 364 are a strip in mid-frame" in run.out
    trims = [each["trim"] for each in tomllib.loads((tmp_path / "my.toml").read_text())["amplifier"]]
    assert trims == ["[1:300,1:200]", "[365:664,1:200]"]


def test_explain_names_the_gains_of_amplifiers_once(tmp_path):
    simulate_night(SIMULATED_MOSAICS["quad-mef"].resized((240, 360)), tmp_path, seed=15)
    run = command("explain", tmp_path / "obs001.fits")
    assert "gain: of each amplifier, below" in run.out
    assert "gain: not known" not in run.out
    assert run.out.count("e-/ADU") == 4


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
