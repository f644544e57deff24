"""The scale of a dark fitted to hot pixels: against drawn frames of known scale, and in nights."""

from __future__ import annotations

import numpy as np
import pytest
from astropy.io import fits

from workbench import command
from zeroframe.frames.dark_scale import fit_dark_scale

SHAPE = 300, 400


def currents(random, hot):
    """Dark current of each pixel in one exposure of the dark, in electrons; some pixels are hot."""
    current = np.full(SHAPE, 5.0)
    current.flat[random.choice(current.size, hot, replace=False)] = 10 ** random.uniform(2.0, 4.3, hot)
    return current


def exposed(random, current, scale, *, light=0.0, gain=1.0, noise=4.0):
    return (random.poisson(scale * current + light) / gain + random.normal(0.0, noise, SHAPE)).astype(np.float32)


def stars(random, count=20):
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    light = np.zeros(SHAPE)
    for _ in range(count):
        square = (y - random.uniform(0, SHAPE[0])) ** 2 + (x - random.uniform(0, SHAPE[1])) ** 2
        light += 10 ** random.uniform(2.0, 4.5) * np.exp(-square / (2 * 1.5**2))
    return light


@pytest.mark.parametrize("truth", [0.1, 0.5, 1.37])
@pytest.mark.parametrize("sky", [0.0, 5000.0])
@pytest.mark.parametrize("gain", [0.5, 2.0])
def test_it_is_the_true_one_within_its_error(truth, sky, gain):
    pulls = []
    for seed in range(2):
        random = np.random.default_rng([seed, int(100 * truth), int(sky)])
        current = currents(random, 400)
        dark = np.mean([exposed(random, current, 1.0, gain=gain) for _ in range(5)], axis=0)
        frame = exposed(random, current, truth, light=sky + stars(random), gain=gain)
        found = fit_dark_scale(frame, dark, np.zeros(SHAPE, bool), gain_e_per_adu=gain if seed % 2 else None)
        assert found.doubt == ""
        assert found.error < 0.03 * truth
        pulls.append((found.scale - truth) / found.error)
    assert np.max(np.abs(pulls)) < 4.0


@pytest.mark.parametrize("hot", [0, 10])
def test_too_few_hot_pixels_tell_nothing(hot):
    random = np.random.default_rng(1)
    current = currents(random, hot)
    found = fit_dark_scale(exposed(random, current, 0.5), exposed(random, current, 1.0), np.zeros(SHAPE, bool))
    assert "hot pixels that can be used" in found.doubt


def test_a_dark_of_another_detector_tells_nothing():
    random = np.random.default_rng(2)
    frame = exposed(random, currents(random, 300), 0.5)
    assert fit_dark_scale(frame, exposed(random, currents(random, 300), 1.0), np.zeros(SHAPE, bool)).doubt


def test_masked_and_lost_pixels_take_no_part():
    random = np.random.default_rng(3)
    current = currents(random, 400)
    frame, dark = exposed(random, current, 0.5), exposed(random, current, 1.0)
    full = current > 5000
    frame[full] = 60.0
    frame[5] = np.nan
    found = fit_dark_scale(frame, dark, full)
    assert abs(found.scale - 0.5) < 4 * found.error


def test_colours_of_a_mosaic_do_not_matter():
    random = np.random.default_rng(4)
    current = currents(random, 400)
    light = np.full(SHAPE, 300.0)
    light[::2, ::2] = 3000.0
    frame = exposed(random, current, 0.7, light=light)
    found = fit_dark_scale(frame, exposed(random, current, 1.0), np.zeros(SHAPE, bool), spacing=2, gain_e_per_adu=1.0)
    assert abs(found.scale - 0.7) < 4 * found.error


def written(folder, random, *, warmer, hot=400, degrees=None):
    """A night whose science frames are as long as its darks, or a third of it, on a warmer detector."""
    current = currents(random, hot)
    folder.mkdir(parents=True)

    def write(name, kind, exposure_s, scale, light=0.0):
        adu = 700.0 + exposed(random, current, scale, light=light)
        header = fits.Header({"IMAGETYP": kind, "EXPTIME": exposure_s, "FILTER": "V", "GAIN": 1.0, "RDNOISE": 4.0})
        if degrees is not None:
            header["CCD-TEMP"] = degrees if kind == "object" else -10.0
        fits.writeto(folder / name, np.clip(np.rint(adu), 0, 65535).astype(np.uint16), header)

    for number in range(4):
        write(f"b{number}.fits", "bias", 0.0, 0.0)
        write(f"d{number}.fits", "dark", 300.0, 1.0)
        write(f"f{number}.fits", "flat", 5.0, 5.0 / 300.0, 20_000.0)
    write("s1.fits", "object", 300.0, warmer, 200.0)
    write("s2.fits", "object", 100.0, warmer / 3.0, 200.0)
    return current


def hot_error(folder, name, current):
    with fits.open(folder / name) as hdus:
        data, sigma, header = hdus[0].data, hdus["UNCERT"].data, hdus[0].header
    hot = (current > 500) & (current < 5000)
    return float(np.mean((data - 200.0)[hot]) / np.mean(current[hot])), header, data, sigma


@pytest.mark.long
def test_a_night_with_a_warmer_detector(tmp_path, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    current = written(tmp_path / "raw", np.random.default_rng(5), warmer=1.4)
    given = ("night", tmp_path / "raw", "--no-report", "-o")
    command(*given, tmp_path / "plain")
    run = command(*given, tmp_path / "fitted", "--dark-scale", "fit")
    assert run.code == 0, run.out + run.err
    for name, truth in (("s1.fits", 1.4), ("s2.fits", 1.4 / 3.0)):
        left, header, _, _ = hot_error(tmp_path / "fitted", name, current)
        assert header["DARKSCAL"] == pytest.approx(truth, abs=4 * header["DARKSERR"])
        assert header["DARKSERR"] < 0.02 * truth
        assert header["DARKCOR"].endswith(f"x {header['DARKSCAL']:.6g}")
        assert abs(left) < 0.02
        assert abs(hot_error(tmp_path / "plain", name, current)[0]) > 0.1
        assert f"x {header['DARKSCAL']:.3g}, fitted" in run.out  # and not what the exposures would say
    assert "what is fitted to the hot pixels of a frame takes its place" in " ".join(run.out.split())
    words = command("explain", tmp_path / "fitted" / "s1.fits").out
    assert "scale of the dark, fitted to hot pixels" in words


def test_where_hot_pixels_do_not_tell_the_exposure_does_and_it_is_said(tmp_path):
    current = written(tmp_path / "raw", np.random.default_rng(6), warmer=1.0, hot=6)
    recipe = tmp_path / "night.toml"
    recipe.write_text('[dark]\nscale_by = "fit"\n')
    run = command("night", tmp_path / "raw", "-o", tmp_path / "out", "--no-report", "--recipe", recipe)
    assert "hot pixels that can be used" in run.out.replace("\n", " ")
    assert "scaled by the exposures, 0.3333, not by a fit" in " ".join(run.out.split())
    assert "DARKSCAL" not in hot_error(tmp_path / "out", "s2.fits", current)[1]


@pytest.mark.long
def test_darks_of_another_temperature_are_used_where_their_scale_is_fitted(tmp_path, monkeypatch):
    """Dark current doubles every six degrees: 1.5 degrees are 19 %, and the plan said that no dark fits."""
    monkeypatch.setenv("COLUMNS", "200")
    warmer = 2.0 ** (1.5 / 6.0)
    current = written(tmp_path / "raw", np.random.default_rng(7), warmer=warmer, degrees=-8.5)
    given = ("night", tmp_path / "raw", "--no-report", "-o")
    assert "at -10.0 C, not -8.5 C" in " ".join(command(*given, tmp_path / "plain").out.split())
    assert "DARKCOR" not in hot_error(tmp_path / "plain", "s1.fits", current)[1]
    run = command(*given, tmp_path / "fitted", "--dark-scale", "fit")
    left, header, _, _ = hot_error(tmp_path / "fitted", "s1.fits", current)
    assert header["DARKSCAL"] == pytest.approx(warmer, abs=4 * header["DARKSERR"])
    assert abs(left) < 0.02
    with fits.open(tmp_path / "fitted" / "s1.fits") as hdus:  # and its hot pixels are masked
        assert (hdus["MASK"].data[current > 5000] != 0).mean() > 0.9
    said = " ".join(run.out.split())
    assert "dark of another temperature (please check): dark 300 s for s1.fits, s2.fits" in said
    assert "at -10.0 C, not -8.5 C: its scale is fitted to the hot pixels of the frame" in said


def test_darks_of_far_other_temperatures_are_not_used(tmp_path):
    current = written(tmp_path / "raw", np.random.default_rng(7), warmer=2.5, degrees=-2.0)
    command("night", tmp_path / "raw", "--no-report", "-o", tmp_path / "out", "--dark-scale", "fit")
    assert "DARKCOR" not in hot_error(tmp_path / "out", "s1.fits", current)[1]


def test_where_the_hot_pixels_of_a_warmer_dark_tell_nothing_it_is_said(tmp_path, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    written(tmp_path / "raw", np.random.default_rng(6), warmer=1.19, hot=6, degrees=-8.5)
    run = command("night", tmp_path / "raw", "-o", tmp_path / "out", "--no-report", "--dark-scale", "fit")
    assert "not by a fit, though it was taken at -10.0 C, not -8.5 C" in " ".join(run.out.split())
