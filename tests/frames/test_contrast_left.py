"""What is left of a flat in frames that hold far more light in one part than in the other."""

from __future__ import annotations

import numpy as np
import pytest

from zeroframe.frames.patterns import RowSample, measure_left
from zeroframe.kernels.operations import Operation

SHAPE = 240, 300


def calibrated(random, light, *, divided=True):
    """Return a frame of such light divided by a noisy flat, or not, and the flat as it was applied."""
    response = random.normal(1.0, 0.01, SHAPE)
    noise = 0.004
    flat = response + noise * random.standard_normal(SHAPE)
    frame = random.poisson(light * response) + 5.0 * random.standard_normal(SHAPE)
    plane, sigma = flat.astype(np.float32), np.full(SHAPE, noise, np.float32)
    return (frame / flat if divided else frame).astype(np.float32), Operation(divides=True, plane=plane, sigma=sigma)


def half_moon():
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    return 300.0 + 60_000.0 * (np.hypot(y - 120.0, x - 100.0) < 90)


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize(
    "light", [half_moon(), np.full(SHAPE, 3000.0), np.full(SHAPE, 30.0)], ids=["moon", "sky", "dark"]
)
def test_nothing_is_left_of_a_flat_that_was_divided_by(light, seed):
    """Of a moon on a dark sky, 57 % of the contrast was said to be taken out too much."""
    frame, flat = calibrated(np.random.default_rng(seed), light)
    found = measure_left(RowSample.of(frame), frame, [flat])
    assert abs(found["flat_left"]) < max(0.15, 4.0 * found["flat_left_error"])


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("light", [half_moon(), np.full(SHAPE, 30_000.0)], ids=["moon", "sky"])
def test_all_is_left_of_one_that_was_not(light, seed):
    frame, flat = calibrated(np.random.default_rng(seed), light, divided=False)
    found = measure_left(RowSample.of(frame), frame, [flat])
    assert found["flat_left"] == pytest.approx(1.0, abs=max(0.2, 4.0 * found["flat_left_error"]))
