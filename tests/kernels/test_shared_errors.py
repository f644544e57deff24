"""An error of bias or dark that a frame and its flat have in common, by Monte Carlo: it is counted once."""

from __future__ import annotations

import numpy as np
import pytest

from zeroframe.frames.calibration_frames import share_in_flat
from zeroframe.kernels.calibrate import NO_NOISE, Factors, calibrate_image

SHAPE = 400, 500


def variance_ratio(light, level, scale, result=1.0, *, whole=False, subtracted="bias and dark", shared=True):
    """Return stated over true variance. Each pixel is a draw: bias, dark less that, flat less both, and a frame.

    Deviations of dark and flat are those of their own frames, or of the whole error. What is subtracted is the bias,
    the dark (which then holds the bias), or both, and the flat's own are others where they are not shared.
    """
    random = np.random.default_rng(1)
    read, of_bias, of_dark, response, flat_scale = 4.0, 3.0, 2.5, 0.8, 0.5

    def drawn(mean, sigma):
        return (mean + random.normal(0.0, sigma, SHAPE)).astype(np.float32)

    takes_bias, takes_dark = "bias" in subtracted, "dark" in subtracted
    if not takes_bias:
        scale = flat_scale = 1.0  # a dark that holds its bias is not scaled
    if not takes_dark:
        scale = flat_scale = 0.0

    def drawn_calibrations():
        bias = drawn(1000.0, of_bias)
        return bias, drawn(1010.0, of_dark) - (bias if takes_bias else np.float32(0.0))

    bias, dark = drawn_calibrations()
    of_flat = (bias, dark) if shared else drawn_calibrations()
    current = 10.0 if takes_dark else 0.0
    flat = drawn(1000.0 + current * flat_scale + level * response, 0.004 * level)
    flat -= (of_flat[0] if takes_bias else np.float32(0.0)) + np.float32(flat_scale) * of_flat[1]
    flat /= np.float32(level)
    frame = drawn(1000.0 + current * scale + light * response, read)
    left, kept = 1.0 - scale, 1.0 - flat_scale
    in_flat = (share_in_flat(level, None, [flat_scale]), share_in_flat(level, flat_scale, [])) if shared else (0.0, 0.0)
    noise = NO_NOISE._replace(
        read_variance=read**2, bias_share=left, dark_share=scale, flat_share=1.0, bias_in_flat=in_flat[0],
        dark_in_flat=in_flat[1], bias_in_dark=float(whole and takes_bias), flat_is_whole=whole,
    )  # fmt: skip
    deviations = [of_bias, of_dark, 0.004]
    if whole:
        deviations[1] = np.hypot(of_dark, of_bias if takes_bias else 0.0)
    if whole or not shared:
        inherited = (of_bias * kept if takes_bias else 0.0) ** 2 + (of_dark * flat_scale) ** 2
        deviations[2] = np.sqrt(0.004**2 + inherited / level**2)
    none, out, error = np.empty((0, 0), np.float32), np.empty(SHAPE, np.float32), np.empty(SHAPE, np.float32)
    planes, sigmas = [bias, dark, flat], [np.full(SHAPE, sigma, np.float32) for sigma in deviations]
    for place, is_used in enumerate((takes_bias, takes_dark)):
        if not is_used:
            planes[place] = sigmas[place] = none
    factors = Factors(dark=scale, result=result)
    calibrate_image(frame, none, tuple(planes), tuple(sigmas), none, factors, noise, out, error)
    stated = float(np.median(np.square(error.astype(np.float64))))
    return stated / float(np.var(out.astype(np.float64)))


@pytest.mark.parametrize("light", [0.0, 60.0, 200.0, 600.0])
@pytest.mark.parametrize("level", [200.0, 2000.0])
@pytest.mark.parametrize("scale", [1.0, 0.25])
@pytest.mark.parametrize("result", [1.0, 1.7])
def test_the_variance_is_that_of_drawn_frames(light, level, scale, result):
    # what the denominator does to second order is left out by all of it
    assert variance_ratio(light, level, scale, result) == pytest.approx(1.0, rel=0.035)


@pytest.mark.parametrize("light", [0.0, 200.0, 600.0])
@pytest.mark.parametrize("scale", [1.0, 0.25])
@pytest.mark.parametrize("subtracted", ["bias", "dark", "bias and dark"])
@pytest.mark.parametrize("shared", [True, False])
def test_deviations_of_the_whole_error_are_counted_once_too(light, scale, subtracted, shared):
    for level in (200.0, 2000.0):
        found = variance_ratio(light, level, scale, whole=True, subtracted=subtracted, shared=shared)
        assert found == pytest.approx(1.0, rel=0.035)
