"""`zeroframe combine` of calibrated frames against the light they were drawn from: errors that all of them share."""

from __future__ import annotations

import numpy as np
import pytest
from astropy.io import fits

from workbench import command, header_of
from zeroframe import night

SHAPE, GAIN, READ_E, SKY_E, DARK_E = (120, 150), 1.5, 6.0, 150.0, 40.0
BIAS_S = (("bias", "bias", 0.0, 0.0, 4), ("dark", "dark", 0.0, 300.0, 3), ("flat", "flat", 30000.0, 5.0, 3))


@pytest.fixture(scope="module")
def calibrated(tmp_path_factory):
    """Return the folder of results of a night of twelve science frames."""
    folder = tmp_path_factory.mktemp("night")
    raw = folder / "raw"
    raw.mkdir()
    chance = np.random.default_rng(7)
    response = 1.0 + 0.02 * chance.standard_normal(SHAPE)
    minute = 0
    for name, kind, light, exposure, count in (*BIAS_S, ("sci", "object", SKY_E, 300.0, 12)):
        for number in range(count):
            electrons = chance.poisson(light * response + DARK_E * exposure / 300.0)
            pixels = 1000.0 + np.pad((electrons + chance.normal(0.0, READ_E, SHAPE)) / GAIN, ((0, 0), (0, 24)))
            pixels[:, SHAPE[1] :] += chance.normal(0.0, READ_E / GAIN, (SHAPE[0], 24))
            cards = [("IMAGETYP", kind), ("EXPTIME", exposure), ("GAIN", GAIN), ("INSTRUME", "T1"), ("FILTER", "V")]
            minute += 6
            cards += [("DATE-OBS", f"2026-03-04T{20 + minute // 60:02d}:{minute % 60:02d}:00")]
            cards += [
                ("DATASEC", f"[1:{SHAPE[1]},1:{SHAPE[0]}]"),
                ("BIASSEC", f"[{SHAPE[1] + 1}:{SHAPE[1] + 24},1:120]"),
            ]
            fits.writeto(raw / f"{name}{number}.fits", np.rint(pixels).astype(np.uint16), fits.Header(cards))
    night(raw, folder / "out", report=False)
    return folder / "out"


@pytest.mark.parametrize(
    ("frames", "options"),
    [
        (12, ()),
        (5, ()),
        (12, ("--method", "median")),
        (12, ("--method", "sum")),
        (12, ("--scale", "median")),
        (12, ("--zero", "mean")),
        (12, ("--zero", ",".join(["300"] * 12))),
        (12, ("--scale", ",".join(["2"] * 12), "--method", "median")),
        (12, ("--weights", ",".join(["1", "3"] * 6))),
        (12, ("--weights", ",".join(["1", "3"] * 6), "--scale", "median", "--method", "sum", "--clip", "0")),
        (12, ("--nhigh", "1", "--nlow", "1")),
    ],
)
def test_uncertainty_is_that_of_the_error(calibrated, tmp_path, frames, options):
    target = tmp_path / "c.fits"
    done = command("combine", *sorted(calibrated.glob("sci*.fits"))[:frames], "-o", target, *options)
    assert done.code == 0, done.err
    with fits.open(target) as found:
        image, sigma = (found[ext].data.astype(np.float64) for ext in (0, "UNCERT"))
        good = found["MASK"].data == 0 if "MASK" in found else np.ones(SHAPE, bool)
    # the light is the same everywhere; the error of the level is common to all pixels
    off = (image - image[good].mean())[good] / sigma[good]
    assert np.square(off).mean() == pytest.approx(1.0, abs=0.05)
    header = header_of(target)
    assert header["UNCERTIN"] == "ZEROCOR DARKCOR FLATCOR"
    # the dark was subtracted from each, and its bias from both: that drops out
    of_dark = header_of(calibrated / "combined_dark_300s.fits")["LEVELOWN"]
    times = (24 if "--weights" in options else frames) if "sum" in options else 1
    times *= 2 if ",".join(["2"] * 12) in options else 1
    assert header["LEVELERR"] > 0.99 * of_dark * times


def test_what_is_added_to_frames_is_no_light_that_a_flat_divides(calibrated, tmp_path):
    frames = sorted(calibrated.glob("sci*.fits"))
    sigmas = []
    for added in ("0", "30000"):
        target = tmp_path / f"{added}.fits"
        assert command("combine", *frames, "-o", target, "--zero", ",".join([added] * 12), "--clip", "0").code == 0
        with fits.open(target) as found:
            sigmas.append(float(np.median(found["UNCERT"].data)))
    assert sigmas[1] == pytest.approx(sigmas[0], rel=0.01)


def test_what_gaussian_noise_loses_is_told_with_photon_noise(calibrated, tmp_path):
    done = command("combine", *sorted(calibrated.glob("sci*.fits")), "-o", tmp_path / "c.fits")
    (line,) = [line for line in done.out.splitlines() if "expected from Gaussian noise" in line]
    assert float(line.split("│")[2]) < 2.0


def test_without_the_combined_frames_it_is_said_what_is_left_out(calibrated, tmp_path):
    for path in calibrated.glob("sci*.fits"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    done = command("combine", *sorted(tmp_path.glob("sci*.fits")), "-o", tmp_path / "c.fits")
    assert done.code == 0
    assert "combined_bias.fits" in done.err + done.out
    assert "UNCERTIN" not in header_of(tmp_path / "c.fits")
