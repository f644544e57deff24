"""A night by ccdproc's own functions, pixel by pixel: equal where ccdproc is right, a naive oracle where it is not."""

from __future__ import annotations

import logging
import warnings
from dataclasses import replace

import numpy as np
import pytest
from astropy import units as u
from astropy.nddata import CCDData, StdDevUncertainty

import naive_frames
from nights import CAMERAS, RECIPES, SEED, calibrated, carried_out
from zeroframe.simulate import simulate_night

ccdproc = pytest.importorskip("ccdproc")

#: Nothing is rejected, because ccdproc's clipping knows no noise; combining itself is compared elsewhere, too.
PLAIN = "".join(f"[{kind}]\nclip = 0\n" for kind in ("bias", "dark", "flat"))
STEPS = '[steps]\nto_electrons = true\ncosmic_rays = "none"\n'
CLOSE = {"rtol": 1e-5, "atol": 0.0}


@pytest.fixture(autouse=True)
def _quiet():
    logging.disable(logging.WARNING)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
    logging.disable(logging.NOTSET)


def night(name, folder, more=""):
    raw, out = folder / "raw", folder / "out"
    simulate_night(CAMERAS[name], raw, seed=SEED)
    result = carried_out(raw, out, RECIPES[name] + PLAIN + STEPS + more)
    assert result.is_good, result.failed
    return raw, out, result


@pytest.fixture(scope="module")
def lfc(tmp_path_factory):
    return night("palomar-lfc", tmp_path_factory.mktemp("lfc"))


@pytest.fixture(scope="module")
def cg16m(tmp_path_factory):
    return night("apogee-cg16m", tmp_path_factory.mktemp("cg16m"))


def ccd(path, unit="adu"):
    found = CCDData.read(path, unit=unit)
    found.data = found.data.astype(np.float64)
    return found


def prepared(path, camera):
    """Overscan and trim by ccdproc."""
    frame = ccd(path)
    if camera == "palomar-lfc":
        frame = ccdproc.subtract_overscan(frame, fits_section="[608:632,:]", overscan_axis=1, median=True)
        return ccdproc.trim_image(frame, fits_section="[1:600,:]")
    return ccdproc.trim_image(frame, fits_section="[1:400,:]")


def averaged(frames):
    return ccdproc.Combiner(frames).average_combine()


def same_errors(found, combined, frames, level=1.0):
    """Compare the errors of a mean, which are pooled, with those of ccdproc's scatter of each pixel, on average.

    That has the error of the level, too, which all pixels share; not that of a bias, which all frames share.
    """
    of_level = found.header.get("LEVELOWN", found.header.get("LEVELERR", 0.0))
    sigma = level * np.hypot(found.sigma, of_level)
    theirs = error_of_mean(combined, frames).uncertainty.array
    usual = sigma < 1.5 * np.median(sigma)  # others were hit in one frame, or are hot
    assert usual.mean() > 0.97
    assert np.mean(sigma[usual] ** 2) == pytest.approx(np.mean(theirs[usual] ** 2), rel=0.03)


#: Rows of which the noise of each pixel is compared; the light around them is looked at, too.
ROWS, AROUND = slice(103, 137), slice(100, 140)


def photon_noise(frame, less_bias, gain, noise):
    """Give a frame ccdproc's read and photon noise, in `ROWS` of the light that is expected there."""
    lit = less_bias.copy()
    per_gain = (1.0 * u.electron / u.adu / gain).value
    lit.data[ROWS] = naive_frames.expected_light(less_bias.data[AROUND], noise**2, per_gain)[3:-3]
    lit.uncertainty = None
    noisy = ccdproc.create_deviation(lit, gain=gain, readnoise=noise * gain.value * u.electron, disregard_nan=True)
    frame.uncertainty = noisy.uncertainty
    return frame


def share(combined, factors):
    """Bring the errors of a combined frame to the share that they have in each pixel of a result."""
    combined.uncertainty = StdDevUncertainty(combined.uncertainty.array * np.abs(factors))
    return combined


def error_of_mean(combined, frames):
    """What ccdproc's std / sqrt(n) has to be for the error of a mean: its std is divided by n."""
    combined.uncertainty = StdDevUncertainty(combined.uncertainty.array * np.sqrt(frames / (frames - 1)))
    return combined


def master_flat(raw, group, dark):
    """Flats less their dark, each scaled by its own level before they are averaged."""
    flats = [prepared(raw / frame.name, "palomar-lfc") for frame in group.group.frames]
    same = {"data_exposure": 70 * u.s, "dark_exposure": 70 * u.s}
    flats = [ccdproc.subtract_dark(flat, dark, **same) for flat in flats]
    levels = np.array([group.levels[frame.source] for frame in group.group.frames])
    for flat, level in zip(flats, levels, strict=True):
        flat.uncertainty = None
        assert level == pytest.approx(np.mean(flat.data), rel=5e-3)
    combiner = ccdproc.Combiner(flats)
    combiner.scaling = np.median(levels) / levels
    return combiner.average_combine()


class TestLfc:
    """The bias stays in the darks, each of which has the exposure of the frames that it is subtracted from."""

    def darks(self, raw, numbers):
        return [prepared(raw / "darks" / f"ccd.{n:03d}.0.fits", "palomar-lfc") for n in numbers]

    def biases(self, raw):
        paths = [raw / f"ccd.{n:03d}.0.fits" for n in range(1, 7)] + [raw / "darks" / "ccd.002.0.fits"]
        return averaged([prepared(path, "palomar-lfc") for path in paths])

    def test_calibrated_and_combined(self, lfc):
        raw, out, _ = lfc
        one = calibrated(out / "darks" / "ccd.013.0.fits").data
        np.testing.assert_allclose(one, self.darks(raw, [13])[0].data, rtol=1e-5, atol=1e-4)
        for name, numbers in (("300s", (13, 14, 15)), ("70s", (17, 18, 19)), ("7s", (23, 24, 25))):
            found, expected = calibrated(out / f"combined_dark_{name}.fits"), averaged(self.darks(raw, numbers))
            # values of about zero: against the level that was subtracted
            np.testing.assert_allclose(found.data, expected.data, rtol=1e-5, atol=1e-4)
            same_errors(found, expected, 3)

    def test_combined_flats(self, lfc):
        raw, out, result = lfc
        groups = {each.group.name: each for each in result.groups}
        for name, darks in (("gp", (17, 18, 19)), ("ip", (23, 24, 25))):
            found = calibrated(out / f"combined_flat_{name}.fits")
            expected = master_flat(raw, groups[f"combined_flat_{name}.fits"], averaged(self.darks(raw, darks)))
            level = expected.data.mean()
            np.testing.assert_allclose(found.data, expected.data / level, **CLOSE)
            same_errors(found, expected, len(groups[f"combined_flat_{name}.fits"].group.frames), level)

    @pytest.mark.long
    def test_science(self, lfc):
        """With the combined frames as they are in the files, so that nothing but the steps is compared."""
        raw, out, result = lfc
        noise = next(each.said["NOISEADU"] for each in result.groups if each.group.label == "bias")
        for name, flat_name in (("ccd.037.0.fits", "gp"), ("ccd.043.0.fits", "ip")):
            light = prepared(raw / name, "palomar-lfc")
            gain = light.header["GAIN"] * u.electron / u.adu
            # the photons of what lies above the bias, which stays in until the dark takes it away
            bias = self.biases(raw)
            bias.uncertainty = None
            light = photon_noise(light, ccdproc.subtract_bias(light, bias), gain, noise)
            dark = combined(out / "combined_dark_300s.fits", "adu")
            flat = combined(out / f"combined_flat_{flat_name}.fits", "")
            light = ccdproc.subtract_dark(light, dark, exposure_time="EXPTIME", exposure_unit=u.s)
            light = ccdproc.flat_correct(light, flat, norm_value=1.0)
            light = ccdproc.gain_correct(light, gain)
            found = calibrated(out / name)
            assert found.header["BUNIT"] == light.unit == "electron"
            np.testing.assert_allclose(found.data, light.data, **CLOSE)
            np.testing.assert_allclose(found.sigma[ROWS], light.uncertainty.array[ROWS], **CLOSE)


def combined(path, unit):
    found = CCDData.read(path, unit=unit or u.dimensionless_unscaled)
    sigma = StdDevUncertainty(found.uncertainty.array.astype(np.float64))
    return CCDData(found.data.astype(np.float64), unit=found.unit, meta=found.meta, uncertainty=sigma)


def own_sigma(out, name, in_flat=(0.0, 0.0)):
    """Return the errors of a combined frame of the CG16M without those of the bias and dark subtracted from it."""
    found = calibrated(out / name)
    of_bias, of_dark = (calibrated(out / each).sigma.astype(float) ** 2 for each in COMBINED[:2])
    shared = of_bias if name == COMBINED[1] else in_flat[0] ** 2 * of_bias + in_flat[1] ** 2 * (of_dark - of_bias)
    assert found.header["UNCERTIN"] == ("ZEROCOR" if name == COMBINED[1] else "ZEROCOR DARKCOR")
    return np.sqrt(found.sigma.astype(float) ** 2 - shared)


def with_own(out, name, unit, in_flat=(0.0, 0.0)):
    """Return the same as ccdproc has it, which counts every error by itself."""
    found = combined(out / name, unit)
    found.uncertainty = StdDevUncertainty(own_sigma(out, name, in_flat))
    return found


#: Bias, dark and flat of the CG16M.
COMBINED = ("combined_bias.fits", "combined_dark_90s.fits", "combined_flat_r.fits")


def shares_in_flat(raw, flat):
    """How much of bias and dark of 90 s is in a flat of the CG16M, over its level."""
    scale = ccd(raw / "AutoFlat-PANoRot-r-Bin1-010.fit").header["EXPTIME"] / 90.0
    level = flat.header["FLATLEVL"]
    return (1.0 - scale) / level, scale / level


class TestCg16m:
    """The bias is subtracted; the dark of 90 s is used as it is for science frames, and scaled for flats."""

    names = tuple(f"{n:03d}" for n in (*range(1, 10), 20))

    def bias(self, raw):
        return averaged([prepared(raw / f"Bias-S001-R001-C{n}-NoFilt.fit", "apogee-cg16m") for n in self.names])

    def dark(self, raw, bias):
        frames = [prepared(raw / f"Dark-S001-R001-C{n}-NoFilt.fit", "apogee-cg16m") for n in self.names]
        frames = [ccdproc.subtract_bias(frame, bias) for frame in frames]
        for frame in frames:
            frame.uncertainty = None
        return averaged(frames)

    @pytest.mark.long
    def test_combined(self, cg16m):
        raw, out, _ = cg16m
        bias = self.bias(raw)
        found = calibrated(out / "combined_bias.fits")
        np.testing.assert_allclose(found.data, bias.data, **CLOSE)
        same_errors(found, bias, 10)
        dark = self.dark(raw, bias)
        found = calibrated(out / "combined_dark_90s.fits")
        np.testing.assert_allclose(found.data, dark.data, rtol=1e-5, atol=2e-4)  # of 1000 ADU, less the bias
        same_errors(replace(found, sigma=own_sigma(out, COMBINED[1])), dark, 10)
        np.testing.assert_array_less(calibrated(out / COMBINED[0]).sigma, found.sigma)

    def test_flats_take_a_scaled_dark(self, cg16m):
        raw, out, _ = cg16m
        bias, dark = (combined(out / name, "adu") for name in ("combined_bias.fits", "combined_dark_90s.fits"))
        name = "AutoFlat-PANoRot-r-Bin1-010.fit"
        flat = ccdproc.subtract_bias(prepared(raw / name, "apogee-cg16m"), bias)
        flat = ccdproc.subtract_dark(flat, dark, exposure_time="EXPTIME", exposure_unit=u.s, scale=True)
        np.testing.assert_allclose(calibrated(out / f"{name}s").data, flat.data, **CLOSE)

    @pytest.mark.long
    def test_science(self, cg16m):
        """Where the dark is not scaled, the bias cancels, and its error with it, but for what the flat has of both."""
        raw, out, result = cg16m
        noise = next(each.said["NOISEADU"] for each in result.groups if each.group.label == "bias")
        bias, dark = combined(out / COMBINED[0], "adu"), with_own(out, COMBINED[1], "adu")
        name = "kelt-16-b-S001-R001-C084-r.fit"
        light = prepared(raw / name, "apogee-cg16m")
        gain = light.header["EGAIN"] * u.electron / u.adu
        light = photon_noise(light, ccdproc.subtract_bias(light, bias), gain, noise)
        in_bias, in_dark = shares_in_flat(raw, combined(out / COMBINED[2], ""))
        flat = with_own(out, COMBINED[2], "", (in_bias, in_dark))
        value = (light.data - bias.data - dark.data) / flat.data
        light = ccdproc.subtract_bias(light, share(bias, in_bias * value))
        dark = share(dark, 1.0 - in_dark * value)
        light = ccdproc.subtract_dark(light, dark, exposure_time="EXPTIME", exposure_unit=u.s)
        light = ccdproc.gain_correct(ccdproc.flat_correct(light, flat, norm_value=1.0), gain)
        found = calibrated(out / f"{name}s")
        np.testing.assert_allclose(found.data, light.data, **CLOSE)
        np.testing.assert_allclose(found.sigma[ROWS], light.uncertainty.array[ROWS], **CLOSE)


@pytest.mark.long
def test_where_ccdproc_is_wrong_a_bias_that_cancels_counts_twice(tmp_path):
    """A dark that is scaled by s was made with the bias that the light is less, too: (1 - s) of its error is left.

    ccdproc adds the whole error of the bias to the light, as if it were another one.
    """
    camera = CAMERAS["apogee-cg16m"]
    raw, out = tmp_path / "raw", tmp_path / "out"
    simulate_night(camera, raw, seed=SEED)
    from astropy.io import fits

    for path in raw.glob("kelt*"):
        with fits.open(path, mode="update") as hdus:
            hdus[0].header["EXPTIME"] = hdus[0].header["EXPOSURE"] = 45.0
    result = carried_out(raw, out, RECIPES["apogee-cg16m"] + PLAIN + STEPS)
    noise = next(each.said["NOISEADU"] for each in result.groups if each.group.label == "bias")
    name = "kelt-16-b-S001-R001-C084-r.fit"
    found = calibrated(out / f"{name}s")
    assert found.header["DARKCOR"] == "combined_dark_90s.fits x 0.5"
    in_flat = shares_in_flat(raw, combined(out / COMBINED[2], ""))
    planes = [calibrated(out / each) for each in COMBINED]
    sigmas = [planes[0].sigma, own_sigma(out, COMBINED[1]), own_sigma(out, COMBINED[2], in_flat)]
    pixels = fits.getdata(raw / name)[:, :400].astype(np.float64)
    small = (ROWS, slice(0, 60))
    flat = with_own(out, COMBINED[2], "", in_flat)
    lit = pixels - planes[0].data
    lit[ROWS] = naive_frames.expected_light(lit[AROUND], noise**2, 1 / 1.5)[3:-3]
    data, sigma = naive_frames.light(
        pixels[small],
        [plane.data[small] for plane in planes],
        [sigma[small] for sigma in sigmas],
        (pixels - lit)[small],
        *(0.5, 1.5, noise**2, 1 / 1.5, (0.5, 0.5, 1.0), in_flat),
    )
    np.testing.assert_allclose(found.data[small], data, **CLOSE)
    np.testing.assert_allclose(found.sigma[small], sigma, **CLOSE)

    bias, dark = combined(out / COMBINED[0], "adu"), with_own(out, COMBINED[1], "adu")
    light = CCDData(pixels, unit="adu", uncertainty=StdDevUncertainty(np.zeros_like(pixels)))
    with_bias = ccdproc.subtract_bias(light, bias)
    photons = photon_noise(with_bias.copy(), with_bias, 1.5 * u.electron / u.adu, noise)
    photons.uncertainty = StdDevUncertainty(np.hypot(photons.uncertainty.array, with_bias.uncertainty.array))
    both = {"data_exposure": 45 * u.s, "dark_exposure": 90 * u.s, "scale": True}
    light = ccdproc.flat_correct(ccdproc.subtract_dark(photons, dark, **both), flat, norm_value=1.0)
    theirs = 1.5 * light.uncertainty.array
    excess = (theirs**2 - found.sigma**2) * (flat.data / 1.5) ** 2
    value = found.data / 1.5
    counted = (1.0 - (0.5 - in_flat[0] * value) ** 2) * bias.uncertainty.array**2
    counted += (0.25 - (0.5 - in_flat[1] * value) ** 2) * dark.uncertainty.array**2
    np.testing.assert_allclose(excess[ROWS], counted[ROWS], rtol=0.02, atol=1e-3)


def test_where_ccdproc_is_wrong_the_error_of_a_mean_of_few_frames():
    """Its std / sqrt(n), with the std divided by n, is too small by sqrt((n - 1) / n) on average of the variance."""
    values = np.random.default_rng(5).normal(0, 4.0, (3, 200, 200))
    theirs = averaged([CCDData(plane, unit="adu") for plane in values])
    true_variance = np.mean(values.mean(axis=0) ** 2)
    assert np.mean(theirs.uncertainty.array**2) / true_variance == pytest.approx(2 / 3, rel=0.03)
    ours = error_of_mean(theirs, 3)
    assert np.mean(ours.uncertainty.array**2) / true_variance == pytest.approx(1.0, rel=0.03)
