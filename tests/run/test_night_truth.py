"""Calibrated nights against frames whose truth is known."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from nights import CAMERAS, RECIPES, SEED, Calibrated, calibrated, carried_out, sensor_of, small_night, truth_of
from reliability import ALL_CASES
from zeroframe.run.outcomes import NightResult
from zeroframe.simulate import (
    SIMULATED_CAMERAS,
    FrameSpec,
    SimulatedCamera,
    night_specs,
    simulate_frame,
    simulate_night,
)

ELECTRONS = "[steps]\nto_electrons = true\n"
#: Which combined frames belong to which science frame; the bias of the LFC stays in its darks.
RIGHT = {
    "ccd.037.0.fits": (None, "combined_dark_300s.fits", "combined_flat_gp.fits"),
    "ccd.043.0.fits": (None, "combined_dark_300s.fits", "combined_flat_ip.fits"),
    "kelt-16-b-S001-R001-C084-r.fit": ("combined_bias.fits", "combined_dark_90s.fits", "combined_flat_r.fits"),
    "kelt-16-b-S001-R001-C125-r.fit": ("combined_bias.fits", "combined_dark_90s.fits", "combined_flat_r.fits"),
}


@dataclass(frozen=True)
class Night:
    camera: SimulatedCamera
    result: NightResult
    out: Path

    @property
    def science(self) -> list[FrameSpec]:
        return [spec for spec in night_specs(self.camera) if spec.kind == "science"]

    def frame(self, name: str) -> Calibrated:
        return calibrated(self.out / name.replace(".fit", ".fits").replace(".fitss", ".fits"))


def sizes():
    small = [pytest.param((name, "small"), id=f"{name}-small") for name in CAMERAS]
    full = [pytest.param((name, "full"), id=f"{name}-full") for name in CAMERAS] if ALL_CASES else []
    return [*small, *full]


@pytest.fixture(scope="module", params=sizes())
def night(request, tmp_path_factory):
    name, size = request.param
    camera = CAMERAS[name] if size == "small" else SIMULATED_CAMERAS[name]
    folder = tmp_path_factory.mktemp("night")
    simulate_night(camera, folder / "raw", seed=SEED)
    recipe = (RECIPES[name] if size == "small" else "") + ELECTRONS
    return Night(camera, carried_out(folder / "raw", folder / "out", recipe), folder / "out")


def binned(image, size=16):
    """Means of squares of so many pixels, those that are NaN left out."""
    ny, nx = (length // size * size for length in image.shape)
    return np.nanmean(image[:ny, :nx].reshape(ny // size, size, nx // size, size), axis=(1, 3))


@pytest.mark.long
def test_everything_is_done(night):
    assert night.result.is_good, night.result.failed
    assert len(night.result.done) == len(night_specs(night.camera))


@pytest.mark.long
def test_science_agrees_with_the_sky_within_its_uncertainty(night):
    """Over all pixels that are not masked; and over those that no cosmic ray hit, also not one too weak to be found."""
    for spec in night.science:
        found, truth = night.frame(spec.file_name), truth_of(night.camera, spec.file_name)
        assert found.header["BUNIT"] == "electron"
        pulls = (found.data - truth.sky_e)[~found.mask] / found.sigma[~found.mask]
        assert 0.9 < np.mean(pulls**2) < 1.1, spec.file_name
        good = ~found.mask & ~truth.cosmic_rays
        assert good.mean() > 0.99
        pulls = (found.data - truth.sky_e)[good] / found.sigma[good]
        assert 0.97 < np.mean(pulls**2) < 1.03, spec.file_name
        assert np.abs(pulls).max() < 7.0
        # what all pixels share: the level of the bias of one frame, where no overscan follows it
        shared_e = 0.0 if night.camera.name == "palomar-lfc" else 4 * night.camera.frame_drift_adu * 1.5
        assert abs(np.mean((found.data - truth.sky_e)[good])) < 0.5 + shared_e


@pytest.mark.long
def test_bright_and_dark_pixels_have_the_right_uncertainty_alike(night):
    """Stars, whose error the flat dominates, and the sky between them."""
    for spec in night.science:
        found, truth = night.frame(spec.file_name), truth_of(night.camera, spec.file_name)
        good = ~found.mask & ~truth.cosmic_rays
        pulls = (found.data - truth.sky_e) / found.sigma
        for lit in (truth.sky_e > 3 * np.median(truth.sky_e), truth.sky_e < 1.01 * np.median(truth.sky_e)):
            number = np.count_nonzero(good & lit)
            if number > 50:
                assert np.mean(pulls[good & lit] ** 2) == pytest.approx(1.0, abs=0.05 + 5 * np.sqrt(2 / number))


@pytest.mark.long
def test_shape_of_the_flat_is_removed(night):
    """What is left of vignetting and dust, in squares where the noise of the flats is a sixteenth of a pixel's."""
    for spec in night.science:
        response = sensor_of(night.camera).response[spec.filter_name]
        flat = calibrated(night.out / RIGHT[spec.file_name][2])
        assert np.std(binned(response)) > 0.01
        assert np.std(binned(flat.data / response)) < 0.002
        assert np.abs(binned(flat.data / response) - 1).max() < 0.004
        assert flat.data.mean() == pytest.approx(1.0, abs=1e-5)


@pytest.mark.long
def test_right_calibration_is_chosen(night):
    by_name = {each.frame.name: each.frame for each in night.result.frames}
    for spec in night.science:
        steps = by_name[spec.file_name].steps
        assert (steps.bias, steps.dark, steps.flat) == RIGHT[spec.file_name]
        assert steps.dark_scale is None
        header = night.frame(spec.file_name).header
        assert header.get("ZEROCOR") == RIGHT[spec.file_name][0]
        assert (header["DARKCOR"], header["FLATCOR"]) == RIGHT[spec.file_name][1:]


@pytest.mark.long
def test_gain_and_noise_come_out_as_they_are(night):
    for each in night.result.groups:
        if "GAINMEAS" in each.said:
            assert each.said["GAINMEAS"] == pytest.approx(night.camera.gain_e_per_adu, rel=0.05)
        if str(each.group.kind) == "bias":
            # with the noise of the overscan's level, or the drift of rows that none follows
            assert each.said["NOISEADU"] == pytest.approx(np.hypot(night.camera.read_noise_adu, 0.29), rel=0.05)


@pytest.mark.long
def test_combined_frames_are_what_they_claim(night):
    """Darks, against the true dark current (and the pattern of the bias, where it stays in), within their error."""
    sensor = sensor_of(night.camera)
    for each in night.result.groups:
        if str(each.group.kind) != "dark":
            continue
        found = calibrated(each.group.target)
        truth = sensor.dark_e_per_s * each.group.traits.exposure_s / night.camera.gain_e_per_adu
        if each.group.includes_bias:
            truth = truth + sensor.fixed_pattern_adu
        error = found.data - truth
        usual = np.abs(error) < 5 * np.std(error)
        error = error - np.median(error)
        frames = len(each.group.frames)
        noise = night.camera.read_noise_adu / np.sqrt(frames)
        if not each.group.includes_bias:
            noise = np.hypot(noise, night.camera.read_noise_adu / np.sqrt(10))
        assert np.std(error[usual]) == pytest.approx(noise, rel=0.15)
        pulls = error[usual] / found.sigma[usual]
        assert np.mean(pulls**2) == pytest.approx(1.0, abs=0.08)


@pytest.mark.long
def test_gain_that_no_header_states_is_measured(tmp_path):
    camera = CAMERAS["palomar-lfc"]
    simulate_night(camera, tmp_path / "raw", seed=SEED)
    for path in (tmp_path / "raw").rglob("*.fits"):
        with fits.open(path, mode="update") as hdus:
            del hdus[0].header["GAIN"]
    result = carried_out(tmp_path / "raw", tmp_path / "out", RECIPES["palomar-lfc"] + ELECTRONS)
    assert result.is_good, result.failed
    found, truth = calibrated(tmp_path / "out" / "ccd.037.0.fits"), truth_of(camera, "ccd.037.0.fits")
    assert found.header["GAINUSED"] == pytest.approx(camera.gain_e_per_adu, rel=0.05)
    assert found.header["BUNIT"] == "electron"
    good = ~found.mask & ~truth.cosmic_rays
    ratio = found.header["GAINUSED"] / camera.gain_e_per_adu
    pulls = (found.data / ratio - truth.sky_e)[good] / (found.sigma[good] / ratio)
    assert np.mean(pulls**2) == pytest.approx(1.0, abs=0.06)


def test_a_stated_read_noise_counts_with_that_of_the_overscan(tmp_path):
    """The median of 25 columns adds 3 % to the variance of a pixel without light."""
    camera = CAMERAS["palomar-lfc"]
    raw = small_night(tmp_path / "raw", one_filter=True)
    stated = camera.read_noise_adu * camera.gain_e_per_adu
    carried_out(raw, tmp_path / "out", RECIPES["palomar-lfc"] + f"read_noise_e = {stated}\n" + ELECTRONS)
    found = calibrated(tmp_path / "out" / "ccd.037.0.fits")
    assert found.header["RNOISADU"] == pytest.approx(camera.read_noise_adu * np.sqrt(1 + np.pi / 2 / 25))


def test_the_pixels_are_believed_where_the_header_contradicts_them(tmp_path):
    raw = small_night(tmp_path / "raw", one_filter=True)
    for path in raw.rglob("*.fits"):
        with fits.open(path, mode="update") as hdus:
            hdus[0].header["RDNOISE"] = 1.0
    result = carried_out(raw, tmp_path / "out", RECIPES["palomar-lfc"] + ELECTRONS)
    found = calibrated(tmp_path / "out" / "ccd.037.0.fits")
    assert found.header["RNOISADU"] == pytest.approx(4.13, rel=0.02)
    light = next(each for each in result.frames if each.frame.name == "ccd.037.0.fits")
    assert "say a noise of 0.937 ADU, the biases of this night have 4.1" in light.outcome.reason


def test_low_counts_do_not_bias_the_uncertainty(tmp_path):
    """Photon noise is taken from the noisy pixels: with 10 electrons of sky and 10 of read noise it is still right."""
    camera = CAMERAS["apogee-cg16m"]
    faint = replace(camera, filters=(replace(camera.filters[0], sky_e_per_s=0.11),))
    simulate_night(faint, tmp_path / "raw", seed=SEED)
    result = carried_out(tmp_path / "raw", tmp_path / "out", RECIPES["apogee-cg16m"] + ELECTRONS)
    assert result.is_good, result.failed
    name = "kelt-16-b-S001-R001-C084-r.fit"
    specs = night_specs(faint)
    index = next(number for number, spec in enumerate(specs) if spec.file_name == name)
    truth = simulate_frame(faint, specs[index], SEED, index=index, sensor=sensor_of(faint)).truth
    found = calibrated(tmp_path / "out" / f"{name}s")
    good = ~found.mask & ~truth.cosmic_rays
    error = (found.data - truth.sky_e)[good]
    pulls = (error - np.mean(error)) / found.sigma[good]  # the drift of the level is as large as the sky
    assert np.mean(pulls**2) == pytest.approx(1.0, abs=0.06)
    # the mean of max(0, signal) of a noisy pixel is above the mean signal: the variance comes out high by some per cent
    assert np.mean(found.sigma[good] ** 2) / np.var(error) == pytest.approx(1.0, abs=0.06)
