"""Photon noise of faint pixels, against a naive oracle and against frames whose truth is known."""

from __future__ import annotations

import numpy as np
import pytest
from astropy import units as u
from astropy.nddata import CCDData

import zeroframe
from naive_frames import expected_light
from zeroframe.kernels.calibrate import NO_NOISE, Factors, calibrate_image

NONE = np.empty((0, 0), np.float32)


def stated(light, read_noise, gain, *, pedestal=NONE, level=0.0, around=True):
    """The standard deviations that a frame gets."""
    noise = NO_NOISE._replace(
        read_variance=read_noise**2, per_gain=1.0 / gain, level=level, from_surroundings=around
    )  # fmt: skip
    out, sigma = np.empty_like(light), np.empty_like(light)
    calibrate_image(light, NONE, (NONE,) * 3, (NONE,) * 3, pedestal, Factors(), noise, out, sigma)
    np.testing.assert_array_equal(out, light)
    return sigma


@pytest.mark.parametrize("shape", [(1, 1), (2, 30), (9, 5), (11, 12), (20, 40)])
@pytest.mark.parametrize("spoilt", [False, True])
def test_it_is_the_rule_pixel_by_pixel(shape, spoilt):
    random = np.random.default_rng(shape[0] + spoilt)
    light = (random.poisson(6.0, shape) / 1.3 + random.normal(0.0, 2.0, shape)).astype(np.float32)
    light[random.random(shape) < 0.02] = 300.0
    if shape[0] > 10:
        light[4] = 1000.0  # a row so bright that it is not looked at
    if spoilt:
        light[random.random(shape) < 0.05] = np.nan
        light.flat[-1] = np.inf
    expected = expected_light(light.astype(np.float64), 4.0, 1 / 1.3)
    with np.errstate(invalid="ignore"):
        sigma = np.sqrt(4.0 + np.where(expected > 0, expected, 0.0) / 1.3)
    finite = np.isfinite(light)
    np.testing.assert_allclose(stated(light, 2.0, 1.3)[finite], sigma[finite], rtol=1e-5)


def test_light_is_counted_from_the_pedestal_or_the_level():
    light = np.random.default_rng(2).normal(5.0, 2.0, (40, 50)).astype(np.float32)
    pedestal = np.random.default_rng(3).normal(1000.0, 30.0, light.shape).astype(np.float32)
    expected = stated(light, 2.0, 1.3)
    np.testing.assert_allclose(stated(light + np.float32(1000.0), 2.0, 1.3, level=1000.0), expected, rtol=1e-3)
    np.testing.assert_allclose(stated(light + pedestal, 2.0, 1.3, pedestal=pedestal), expected, rtol=1e-3)


def test_in_place_is_the_same():
    light = np.random.default_rng(2).normal(5.0, 2.0, (40, 50)).astype(np.float32)
    expected = stated(light, 2.0, 1.3)
    noise = NO_NOISE._replace(read_variance=4.0, per_gain=1 / 1.3, from_surroundings=True)
    sigma, factors = np.empty_like(light), Factors(result=2.0)
    calibrate_image(light, NONE, (NONE,) * 3, (NONE,) * 3, NONE, factors, noise, light, sigma)
    np.testing.assert_allclose(sigma, 2.0 * expected, rtol=1e-6)


@pytest.mark.parametrize("read_noise_e", [0.2, 0.5, 1.0, 3.0, 8.0])
@pytest.mark.parametrize("sky_e", [1.0, 3.0, 10.0, 100.0])
def test_a_faint_sky_is_neither_too_quiet_nor_biased(sky_e, read_noise_e):
    random, gain, shape = np.random.default_rng(7), 1.3, (800, 800)
    light = ((random.poisson(sky_e, shape) + random.normal(0.0, read_noise_e, shape)) / gain).astype(np.float32)
    sigma = stated(light, read_noise_e / gain, gain).astype(np.float64)
    squares = np.square((light - sky_e / gain) / sigma)
    assert squares.std() / squares.size**0.5 < 0.005
    assert 0.97 < squares.mean() < 1.03
    weights = sigma**-2
    mean_e = gain * np.sum(weights * light) / weights.sum()
    error_e = gain * weights.sum() ** -0.5
    assert abs(mean_e - sky_e) < 0.01 * sky_e + 4 * error_e


@pytest.mark.parametrize("fwhm", [1.5, 3.0, 6.0])
@pytest.mark.parametrize(("read_noise_e", "sky_e"), [(3.0, 5.0), (0.2, 2.0), (0.2, 20.0)])
def test_stars_keep_their_own_photon_noise(fwhm, read_noise_e, sky_e):
    """Of a sensor that counts photons, too: a pixel beside a star that holds none is not without noise (it was 3.5)."""
    random, gain, shape = np.random.default_rng(8), 1.3, (600, 600)
    y, x = np.mgrid[: shape[0], : shape[1]]
    truth, width = np.full(shape, sky_e), fwhm / 2.355
    for place in range(20, 580, 20):
        for other in range(20, 580, 20):
            cut = (slice(place - 10, place + 11), slice(other - 10, other + 11))
            flux = np.exp(random.uniform(np.log(50.0), np.log(30_000.0)))
            cy, cx = place + random.uniform(-0.5, 0.5), other + random.uniform(-0.5, 0.5)
            shape_of_star = np.exp(-((x[cut] - cx) ** 2 + (y[cut] - cy) ** 2) / (2 * width**2))
            truth[cut] += flux * shape_of_star / (2 * np.pi * width**2)
    light = ((random.poisson(truth) + random.normal(0.0, read_noise_e, shape)) / gain).astype(np.float32)
    sigma = stated(light, read_noise_e / gain, gain)
    squares = np.square((light - truth / gain) / sigma)
    above = (truth - sky_e) / np.sqrt(sky_e + read_noise_e**2)
    for low, high in ((0.0, 0.2), (0.2, 1.0), (1.0, 3.0), (3.0, 10.0), (10.0, np.inf)):
        part = squares[(above >= low) & (above < high)]
        assert abs(part.mean() - 1.0) < 0.12 + 4 * part.std() / part.size**0.5, (low, high)
    bright = above > 50
    expected = np.sqrt(truth[bright] + read_noise_e**2) / gain
    assert np.median(sigma[bright] / expected) == pytest.approx(1.0, abs=0.01)


def test_the_verb_has_it_by_name():
    light = CCDData(np.random.default_rng(2).normal(5.0, 2.0, (40, 50)), unit="adu")
    given = {"gain": 1.3 * u.electron / u.adu, "readnoise": 2.6 * u.electron, "disregard_nan": True}
    own = zeroframe.create_deviation(light, **given).uncertainty.array
    around = zeroframe.create_deviation(light, photon_noise_of="surroundings", **given).uncertainty.array
    np.testing.assert_allclose(own, np.sqrt(np.fmax(light.data, 0) * 1.3 + 2.6**2) / 1.3)
    assert around.std() < own.std() / 3
    with pytest.raises(zeroframe.errors.ArgumentError, match="photon_noise_of is 'sky', not one of pixel"):
        zeroframe.create_deviation(light, photon_noise_of="sky", **given)
