"""An error of bias or dark that a frame and its flat have in common, by Monte Carlo: it is counted once."""

from __future__ import annotations

import numpy as np
import pytest

from zeroframe.frames.calibration_frames import share_in_flat
from zeroframe.kernels.calibrate import NO_NOISE, Factors, calibrate_image

SHAPE = 400, 500


def variance_ratio(light, level, scale, result=1.0):
    """Return stated over true variance. Each pixel is a draw: bias, dark less that, flat less both, and a frame."""
    random = np.random.default_rng(1)
    read, of_bias, of_dark, response, flat_scale = 4.0, 3.0, 2.5, 0.8, 0.5

    def drawn(mean, sigma):
        return (mean + random.normal(0.0, sigma, SHAPE)).astype(np.float32)

    bias = drawn(1000.0, of_bias)
    dark = drawn(1010.0, of_dark) - bias  # its stated error is that of its own frames
    flat = drawn(1000.0 + 10.0 * flat_scale + level * response, 0.004 * level) - bias - np.float32(flat_scale) * dark
    flat /= np.float32(level)
    frame = drawn(1000.0 + 10.0 * scale + light * response, read)
    in_flat = share_in_flat(level, None, [flat_scale]), share_in_flat(level, flat_scale, [])
    noise = NO_NOISE._replace(
        read_variance=read**2, bias_share=1.0 - scale, dark_share=scale, flat_share=1.0,
        bias_in_flat=in_flat[0], dark_in_flat=in_flat[1],
    )  # fmt: skip
    sigmas = tuple(np.full(SHAPE, sigma, np.float32) for sigma in (of_bias, of_dark, 0.004))
    none, out, error = np.empty((0, 0), np.float32), np.empty(SHAPE, np.float32), np.empty(SHAPE, np.float32)
    factors = Factors(dark=scale, result=result)
    calibrate_image(frame, none, (bias, dark, flat), sigmas, none, factors, noise, out, error)
    stated = float(np.median(np.square(error.astype(np.float64))))
    return stated / float(np.var(out.astype(np.float64)))


@pytest.mark.parametrize("light", [0.0, 60.0, 200.0, 600.0])
@pytest.mark.parametrize("level", [200.0, 2000.0])
@pytest.mark.parametrize("scale", [1.0, 0.25])
@pytest.mark.parametrize("result", [1.0, 1.7])
def test_the_variance_is_that_of_drawn_frames(light, level, scale, result):
    # what the denominator does to second order is left out by all of it
    assert variance_ratio(light, level, scale, result) == pytest.approx(1.0, rel=0.035)
