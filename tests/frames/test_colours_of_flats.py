"""A pattern of two by two pixels in a flat is a colour sensor's; fibres and orders of a spectrum make none."""

from __future__ import annotations

import numpy as np
import pytest

from zeroframe.frames.traces import measure_traces

SHAPE = (240, 256)
Y, X = np.mgrid[: SHAPE[0], : SHAPE[1]]


def seen(light, seed, level=None):
    pixels = light + np.random.default_rng(seed).normal(0, np.sqrt(np.maximum(light, 0) / 1.5 + 16))
    return measure_traces(pixels, float(np.median(pixels)) if level is None else level, 30.0, "flat")


def orders(seed):
    """Return orders that are tilted and bent, on little light."""
    chance = np.random.default_rng(seed)
    tilt, bend, width, apart = (
        chance.uniform(0, 0.1),
        chance.uniform(0, 3),
        chance.uniform(2, 5),
        chance.integers(20, 45),
    )
    middle = 20 + X * tilt + bend * ((X - 128) / 60) ** 2
    return 20000 * sum(np.exp(-(((Y - middle - apart * k) / width) ** 2)) for k in range(-1, 9)) + 1.0


@pytest.mark.parametrize("seed", range(20))
def test_orders_of_a_spectrum_are_no_colours(seed):
    assert seen(orders(seed), seed).get("colour_contrast", 0.0) < 0.08
    lines = 20000 * np.exp(-(((X - 40 - 0.05 * Y) % 37 - 18) ** 2) / 4.0) + 50.0  # the same along the other axis
    assert seen(lines, seed).get("colour_contrast", 0.0) < 0.08


@pytest.mark.parametrize("apart", [12, 13, 25])
def test_orders_that_lie_as_the_rows_that_are_looked_at_are_no_colours(apart):
    y, x = np.mgrid[:400, :400]
    bend = 20 * ((x - 200) / 200.0) ** 2
    light = sum(np.exp(-(((y - at - bend) / 1.8) ** 2)) for at in range(5, 395, apart)) * np.exp(
        -(((x - 200) / 180) ** 2)
    )
    light = 40000 * light + 4.0
    pixels = light + np.random.default_rng(apart).normal(0, np.sqrt(light / 1.5 + 16))
    found = measure_traces(pixels, float(np.mean(pixels)), 30.0, "flat")
    assert found.get("colour_contrast", 0.0) < 0.08


@pytest.mark.parametrize("contrast", [0.09, 0.5])
@pytest.mark.parametrize("shape", [np.ones(SHAPE), 1 - 0.7 * ((X - 128) / 128) ** 2, np.exp(-(((Y - 120) / 60) ** 2))])
def test_colours_are_seen_by_their_contrast(contrast, shape):
    square = np.array([[1.0, 1 / (1 + contrast)], [1 / (1 + contrast), 1 / (1 + contrast)]])
    found = seen(20000 * shape * np.tile(square, (120, 128)), 1)
    assert found["colour_contrast"] == pytest.approx(contrast, rel=0.05)
    assert found["colour_diagonal"] == 2.0
