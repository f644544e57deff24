"""Pixels that a flat has no light for are masked, and take no part in what is said of a frame."""

from __future__ import annotations

import json

import numpy as np
import pytest
from astropy.io import fits
from astropy.stats import mad_std

from workbench import command, write_raw

SHAPE = (160, 240)
GAIN, READ_E = 1.5, 5.0


@pytest.fixture(scope="module")
def raw(tmp_path_factory):
    """A night of a slit that lights 70 of 160 rows; beside it the flat has a two-thousandth of its light."""
    folder = tmp_path_factory.mktemp("slit") / "raw"
    random = np.random.default_rng(2)
    rows = np.arange(SHAPE[0])
    slit = np.clip(np.minimum((rows - 50) / 2, (120 - rows) / 2), 0, 1)[:, np.newaxis]
    response = (0.9995 * slit + 0.0005) * random.normal(1.0, 0.01, SHAPE)
    minute = 0
    for kind, frames, exposure_s, light_e in (("bias", 3, 0.0, 0), ("flat", 3, 5.0, 30000), ("object", 2, 60.0, 60)):
        for number in range(frames):
            electrons = random.poisson(light_e * response) + random.normal(0.0, READ_E, SHAPE)
            cards = {"IMAGETYP": kind, "EXPTIME": exposure_s, "GAIN": GAIN, "RDNOISE": READ_E, "FILTER": "V"}
            cards["DATE-OBS"] = f"2026-03-05T02:{minute:02d}:00"
            write_raw(folder / f"{kind}{number}.fits", np.rint(1000 + electrons / GAIN).astype(np.uint16), **cards)
            minute += 1
    return folder


@pytest.fixture(scope="module")
def outs(raw, tmp_path_factory):
    made = {}
    for how in ("none", "rice-lossy"):
        made[how] = tmp_path_factory.mktemp(how) / "out"
        run = command("night", raw, "-o", made[how], "--compress", how, "--no-report")
        assert run.code == 0, run.out + run.err
    return made


def science(out, name="object0"):
    (path,) = out.glob(f"{name}.fits*")
    with fits.open(path) as hdus:
        image = next(hdu for hdu in hdus if hdu.data is not None)
        return image.header.copy(), image.data.copy(), hdus["MASK"].data.copy(), hdus["UNCERT"].data.copy()


def test_level_and_noise_are_those_of_the_slit(outs):
    header, pixels, mask, sigma = science(outs["none"])
    believed = mask == 0
    assert 0.35 < believed.mean() < 0.5
    assert header["SKYNOISE"] == pytest.approx(mad_std(pixels[believed]), rel=0.03)
    assert header["SKYLEVEL"] == pytest.approx(pixels[believed].mean(), abs=0.2)
    assert header["UNCMED"] == pytest.approx(np.median(sigma[believed]), rel=0.01)
    assert header["NOISERAT"] == pytest.approx(1.0, abs=0.04)


def test_the_loss_is_that_of_the_slit(outs):
    (_, before, mask, sigma), (header, after, _, lossy) = science(outs["none"]), science(outs["rice-lossy"])
    believed = mask == 0
    noise = mad_std(before[believed])
    added = (after - before)[believed].std()
    assert added == pytest.approx(noise / 8 / np.sqrt(12), rel=0.05)
    assert 100 * (np.sqrt(1 + (added / noise) ** 2) - 1) == pytest.approx(header["QGROWTH"], rel=0.1)
    assert np.abs(lossy - sigma)[believed].max() < 0.6e-3 * np.median(sigma[believed])


def test_a_frame_that_is_measured_anew_has_the_same_figures(raw, outs):
    """Its pixels are read back, with their mask, when the record of the run is lost."""
    record = outs["none"] / "run.json"
    before = json.loads(record.read_text())
    record.unlink()
    run = command("night", raw, "-o", outs["none"], "--no-report")
    assert run.code == 0, run.out + run.err
    after = json.loads(record.read_text())
    name = "object0.fits"
    (kept,) = [each["state"] for each in after["this_run"]["frames"] if each["name"] == name]
    assert kept == "skipped"
    figures = [each["this_run"]["figures"][name] for each in (before, after)]
    both = figures[0].keys() & figures[1].keys()  # what only the raw pixels show is not there again
    assert {"level_adu", "noise_adu"} < both
    assert {each: figures[1][each] for each in both} == pytest.approx({each: figures[0][each] for each in both})
