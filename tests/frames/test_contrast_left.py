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


def of_three_biases(random, *, divided=True):
    """A faint sky and a flat of 25,000 ADU, less the same three biases of 50 ADU of noise; and what was done."""
    light, lamp, bias = 300.0, 25_000.0, 29.0 * random.standard_normal(SHAPE)
    response = random.normal(1.0, 0.009, SHAPE)
    flat = response + 0.0067 * random.standard_normal(SHAPE) - bias / lamp
    frame = light * response + 60.0 * random.standard_normal(SHAPE) - bias
    sigma = np.full(SHAPE, 29.0, np.float32)
    done = [
        Operation(False, np.zeros(SHAPE, np.float32), sigma, share_in_flat=1.0 / lamp),
        Operation(True, flat.astype(np.float32), np.full(SHAPE, 0.0067, np.float32)),
    ]
    return (frame / flat if divided else frame).astype(np.float32), done


@pytest.mark.parametrize("divided", [True, False])
def test_what_was_subtracted_from_frame_and_flat_is_not_left_of_the_flat(divided):
    """It seemed to be 0.66 of the contrast, which is told from 0.3 on."""
    random = np.random.default_rng(5)
    left = []
    for _ in range(12):
        frame, done = of_three_biases(random, divided=divided)
        found = measure_left(RowSample.of(frame), frame, done)
        left.append(found["flat_left"])
        assert found["flat_left_error"] < 0.2
    assert np.mean(left) == pytest.approx(0.0 if divided else 1.0, abs=0.15)


@pytest.mark.parametrize("divided", [True, False])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_colours_of_a_mosaic_are_no_contrast_of_its_flat(seed, divided):
    """A dead column had moved the level of one colour by 0.6 %: 4.8 times the contrast seemed to be taken out."""
    random = np.random.default_rng(seed)
    colours = np.tile([[0.6, 1.0], [1.0, 0.7]], (SHAPE[0] // 2, SHAPE[1] // 2))
    level = np.tile([[1.006, 1.0], [1.0, 1.006]], (SHAPE[0] // 2, SHAPE[1] // 2))
    frame, flat = calibrated(random, 3000.0 * colours, divided=divided)
    flat = flat._replace(plane=(flat.plane * level).astype(np.float32))
    frame = (frame / level if divided else frame).astype(np.float32)
    found = measure_left(RowSample.of(frame), frame, [flat], colours=True)
    assert found["flat_left"] == pytest.approx(0.0 if divided else 1.0, abs=max(0.2, 4.0 * found["flat_left_error"]))
    assert found["flat_left_error"] < 0.3
