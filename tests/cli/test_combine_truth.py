"""What `zeroframe combine` says of a result against what is known of drawn frames: its error, and its exposure."""

from __future__ import annotations

import numpy as np
import pytest
from astropy.io import fits

from workbench import command, header_of, pixels_of
from zeroframe import combine

LEVEL_ADU, SIGMA_ADU, FRAMES, SHAPE = 1000.0, 20.0, 5, (150, 150)
EXPOSURES_S = (10.0, 20.0, 30.0, 40.0, 80.0)


def _written(folder, sigmas, levels, exposures=(60.0,) * FRAMES, cards=()):
    random = np.random.default_rng(1)
    folder.mkdir()
    paths = []
    for number, (sigma, level, exposure) in enumerate(zip(sigmas, levels, exposures, strict=True)):
        header = fits.Header([("BUNIT", "adu"), ("EXPTIME", exposure), ("DATE-OBS", f"2024-01-01T00:0{number}:00")])
        header.update(cards)
        paths.append(folder / f"f{number}.fits")
        fits.writeto(paths[-1], random.normal(level, sigma, SHAPE).astype(np.float32), header)
    return paths


def _combined(paths, target, *options):
    done = command("combine", *paths, "-o", target, *options)
    assert done.code == 0, done.err
    return target


def _chi2(target, truth):
    """Of a frame without structure its own mean is the truth: the error of the level is common to all pixels."""
    image = pixels_of(target).astype(np.float64)
    return float(np.square((image - truth(image)) / pixels_of(target, "UNCERT")).mean())


@pytest.mark.parametrize(
    "options",
    [
        "--zero median --clip 0",
        "--zero median",
        "--scale median --clip 0",
        "--weights 1,1,1,1,1 --clip 0",
        "--weights 1,2,3,4,5 --clip 0",
        "--weights 0,2,3,4,5 --clip 0",
        "--weights 1,2,3,4,5 --method sum --clip 0",
        "--minmax 0,60000",
        "--nlow 1 --nhigh 1",
        "--nlow 1 --method sum",
        "--nhigh 2 --method median",
        "--reject ccdclip --readnoise 20000 --gain 1000",
        "--reject gesd",
        "--reject winsorised --lsigma 2",
        "--reject avsigclip",
        "--reject pclip",
    ],
)
def test_the_error_of_equal_frames(options, tmp_path):
    paths = _written(tmp_path / "raw", [SIGMA_ADU] * FRAMES, [LEVEL_ADU] * FRAMES)
    target = _combined(paths, tmp_path / "y.fits", *options.split())
    assert _chi2(target, np.mean) == pytest.approx(1.0, abs=0.05)
    assert header_of(target)["UNCERTOF"] == "pixel"


@pytest.mark.parametrize("method", ["average", "sum"])
def test_the_error_of_frames_of_unequal_noise_that_are_weighted_by_it(method, tmp_path):
    sigmas = np.array([10.0, 10.0, 20.0, 20.0, 80.0])
    paths = _written(tmp_path / "raw", sigmas, [LEVEL_ADU] * FRAMES)
    weights = ",".join(f"{100.0 / sigma**2:.6g}" for sigma in sigmas)
    target = _combined(paths, tmp_path / "y.fits", "--weights", weights, "--method", method, "--clip", "0")
    # five values of unequal noise scatter otherwise than five of equal noise do: good to a tenth of the error
    assert _chi2(target, np.mean) == pytest.approx(1.0, abs=0.2)


def test_the_error_of_frames_that_are_scaled_by_much(tmp_path):
    levels = LEVEL_ADU * np.array([1.0, 2.0, 4.0, 0.5, 1.0])
    paths = _written(tmp_path / "raw", [SIGMA_ADU] * FRAMES, levels)
    target = _combined(paths, tmp_path / "y.fits", "--scale", "median", "--clip", "0")
    assert _chi2(target, np.mean) == pytest.approx(1.0, abs=0.12)  # noise of 1 to 8, as above


def test_the_verb_keeps_the_formula_of_ccdproc(tmp_path):
    paths = _written(tmp_path / "raw", [SIGMA_ADU] * FRAMES, [LEVEL_ADU] * FRAMES)
    values = np.stack([pixels_of(path) for path in paths]).astype(np.float64)
    made = combine(paths, weights=[1, 2, 3, 4, 5])
    np.testing.assert_allclose(made.uncertainty.array, values.std(axis=0) / FRAMES**0.5, rtol=1e-4)


@pytest.mark.parametrize(
    ("options", "exposure_s"),
    [
        ("--method sum", 180.0),
        ("--method sum --clip 0 --nlow 1", 144.0),  # a fifth of the values of every pixel is dropped
        ("--method sum --weights 1,1,1,0,0 --clip 0", 60.0),
        ("--method average", 36.0),
        ("--method average --weights 1,0,0,0,1 --clip 0", 45.0),
        ("--method median", 30.0),
        ("--method average --scale median --clip 0", 10.0),  # all have the level of the first
        ("--method average --scale 8,4,2,2,1 --clip 0", 76.0),
    ],
)
def test_exposure(options, exposure_s, tmp_path):
    levels = 10.0 * np.array(EXPOSURES_S)
    cards = {"ITIME": 1000.0}  # another card of exposure, in whatever unit
    paths = _written(tmp_path / "raw", [1.0] * FRAMES, levels, EXPOSURES_S, cards)
    header = header_of(_combined(paths, tmp_path / "y.fits", *options.split()))
    assert header["EXPTIME"] == pytest.approx(exposure_s)
    assert header["DATE-OBS"] == "2024-01-01T00:00:00"
    if "average" in options and "scale" not in options:
        assert header.comments["EXPTIME"] == "mean of 5 exposures, from 10 to 80"
    if options == "--method sum":
        assert header["ITIME"] == 5000.0
        assert header.comments["EXPTIME"] == "sum of the exposures of 5 frames"


def test_exposures_that_are_alike_stay_as_they_are(tmp_path):
    paths = _written(tmp_path / "raw", [1.0] * FRAMES, [LEVEL_ADU] * FRAMES)
    first = fits.getheader(paths[0])
    header = header_of(_combined(paths, tmp_path / "y.fits"))
    assert header["EXPTIME"] == first["EXPTIME"] == 60.0
    assert header.comments["EXPTIME"] == first.comments["EXPTIME"] == ""


def test_weights_that_are_all_zero_are_refused(tmp_path):
    paths = _written(tmp_path / "raw", [1.0] * FRAMES, [LEVEL_ADU] * FRAMES)
    done = command("combine", *paths, "-o", tmp_path / "y.fits", "--weights", "0,0,0,0,0")
    assert done.code == 2
    assert "all weights are zero" in " ".join(done.err.split())
    assert not (tmp_path / "y.fits").exists()


@pytest.mark.parametrize("first", ["--nlow 1", "--method median"])
@pytest.mark.parametrize("second", ["--nhigh 1", "--method sum"])
def test_each_way_of_combining_replaces_what_another_has_made(first, second, tmp_path):
    paths = _written(tmp_path / "raw", [1.0] * FRAMES, [LEVEL_ADU] * FRAMES)
    target = _combined(paths, tmp_path / "y.fits", *first.split())
    before = target.read_bytes()
    done = command("combine", *paths, "-o", target, *second.split())
    assert done.code == 2
    assert "--overwrite" in done.err
    assert target.read_bytes() == before
    _combined(paths, target, *second.split(), "--overwrite")
    assert target.read_bytes() != before


def test_what_is_not_our_own_is_kept(tmp_path):
    paths = _written(tmp_path / "raw", [1.0] * FRAMES, [LEVEL_ADU] * FRAMES)
    other = tmp_path / "other.fits"
    fits.writeto(other, np.ones((3, 3)))
    before = other.read_bytes()
    done = command("combine", *paths, "-o", other, "--nlow", "1", "--overwrite")
    assert done.code == 2
    assert "was not made by zeroframe combine" in " ".join(done.err.split())
    assert other.read_bytes() == before
