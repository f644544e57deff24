"""Light that fell into all darks or biases: the sky lacks it. Any sky, and any dark that is right, tell nothing."""

import math

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from zeroframe.frames.patterns import RowSample, measure_left
from zeroframe.kernels.operations import Operation
from zeroframe.review.checks.results import shape_left
from zeroframe.review.figures import NightFigures, Subject
from zeroframe.review.findings import find_check

SHAPE = 256, 300
Y, X = np.mgrid[: SHAPE[0], : SHAPE[1]] / max(SHAPE)
DARKS = {
    "corner": np.exp(-((X - 0.95) ** 2 + (Y - 0.02) ** 2) / 0.03),
    "edge": np.exp(-X / 0.1),
    "both edges": np.exp(-X / 0.05) + np.exp(-(1.0 - X) / 0.05),
    "bottom": np.exp(-Y / 0.15),
    "ramp": Y,
    "rim": 2.0 * ((X - 0.5) ** 2 + (Y - 0.5) ** 2),
}


def nebula(chance):
    light = gaussian_filter(chance.normal(0.0, 1.0, SHAPE), chance.uniform(10.0, 60.0))
    return np.maximum(1.0 + chance.uniform(0.1, 0.8) * light / light.std(), 0.1)


def galaxy(chance):
    x, y = chance.uniform(0.0, 1.0, 2)
    return 1.0 + chance.uniform(0.5, 5.0) * np.exp(-np.hypot(X - x, 2.0 * (Y - y)) / chance.uniform(0.05, 0.3))


SKIES = {
    "even": lambda _: np.ones(SHAPE),
    "sloping": lambda chance: 1.0 + chance.uniform(-0.3, 0.3) * X + chance.uniform(-0.3, 0.3) * Y,
    "vignetted": lambda chance: 1.0 - chance.uniform(0.1, 0.6) * DARKS["rim"],
    "galaxy": galaxy,
    "nebula": nebula,
    "moon beside it": lambda chance: 1.0 + chance.uniform(0.2, 3.0) * np.exp(-(1.0 - Y) / chance.uniform(0.1, 0.5)),
}


def measured(chance, sky, dark, share):
    """Return what is measured of a frame that holds this share of the dark which is taken out of it."""
    light = sky + share * dark
    image = (chance.poisson(light) - dark).astype(np.float32)
    nothing = np.empty((0, 0), np.float32)
    found = measure_left(RowSample.of(image), image, [Operation(False, dark.astype(np.float32), nothing)])
    return found | {"level": float(np.median(image)), "noise": math.sqrt(float(np.median(light)))}


def told(figures):
    frame = Subject("s.fits", "frame", "science", "done", figures=figures)
    return [each.sentence for each in shape_left(NightFigures((frame,)), find_check("ZF415"))]


@pytest.mark.parametrize("sky", SKIES)
@pytest.mark.parametrize("dark", DARKS)
def test_a_dark_that_is_right_is_not_told(dark, sky):
    for seed in range(5):
        chance = np.random.default_rng(seed)
        level, most = chance.choice([100.0, 400.0, 2000.0]), chance.choice([30.0, 400.0, 1500.0])
        figures = measured(chance, level * SKIES[sky](chance), most * DARKS[dark], 1.0)
        assert told(figures) == [], (seed, figures)


@pytest.mark.parametrize("dark", ["corner", "edge", "both edges", "bottom"])
def test_light_in_the_darks_alone_is_told(dark):
    for seed in range(5):
        chance = np.random.default_rng(seed)
        sky = 1000.0 * (1.0 + 0.1 * X)
        (sentence,) = told(measured(chance, sky, 300.0 * DARKS[dark], 0.0))
        assert "of the shape of the dark or bias is taken out too much" in sentence


def test_what_is_too_little_to_be_seen_is_not_measured():
    chance = np.random.default_rng(1)
    assert "shape_left" not in measured(chance, np.full(SHAPE, 1000.0), 10.0 * DARKS["edge"], 0.0)
