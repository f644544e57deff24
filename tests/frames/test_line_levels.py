"""Levels of rows and columns that jump in frames of the sky: told where electronics make them, not where light does."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter, gaussian_filter1d

from zeroframe.frames.line_levels import measure_line_levels

SHAPE = 260, 300
NOISE = 20.0


def sky(seed, light=0.0):
    chance = np.random.default_rng(seed)
    return chance, 500.0 + light + chance.normal(0.0, NOISE, SHAPE)


def told(image, mask=None):
    return {name for name, value in measure_line_levels(image, NOISE, mask).items() if value > 0.5}


@pytest.mark.parametrize("size", [0.7, 1.5, 5.0])
@pytest.mark.parametrize("seed", range(4))
def test_jumps_are_measured(seed, size):
    chance, image = sky(seed)
    rows = measure_line_levels(image + chance.normal(0.0, size * NOISE, (SHAPE[0], 1)), NOISE)
    columns = measure_line_levels(image + chance.normal(0.0, size * NOISE, (1, SHAPE[1])), NOISE)
    assert rows["row_jumps_noises"] == pytest.approx(size, rel=0.25)
    assert columns["column_jumps_noises"] == pytest.approx(size, rel=0.25)
    assert rows.get("column_jumps_noises", 0.0) < 0.15 > columns.get("row_jumps_noises", 0.0)


def test_in_the_presence_of_stars_a_gradient_and_masked_pixels():
    chance, image = sky(1)
    stars = np.zeros(SHAPE)
    stars[chance.integers(0, SHAPE[0], 600), chance.integers(0, SHAPE[1], 600)] = chance.exponential(30000.0, 600)
    image += gaussian_filter(stars, 1.6) + np.linspace(0.0, 400.0, SHAPE[0])[:, None]
    mask = (chance.random(SHAPE) < 0.05).astype(np.uint8)
    image[mask != 0] = np.nan
    assert told(image, mask) == set()
    assert told(image + chance.normal(0.0, NOISE, (SHAPE[0], 1)), mask) == {"row_jumps_noises"}


def lines_of_the_sky(chance, width):
    lines = np.zeros(SHAPE[0])
    lines[chance.integers(0, SHAPE[0], 60)] = chance.exponential(4000.0, 60)
    return np.broadcast_to(gaussian_filter1d(lines, width)[:, None], SHAPE)


def orders(chance, width):
    y = np.arange(SHAPE[0])[:, None]
    return 3000.0 * np.exp(-0.5 * (((y + 0.02 * np.arange(SHAPE[1])) % 13 - 6) / width) ** 2)


def crowded(chance, width):
    stars = np.zeros(SHAPE)
    stars[chance.integers(0, SHAPE[0], 6000), chance.integers(0, SHAPE[1], 6000)] = chance.exponential(3000.0, 6000)
    return gaussian_filter(stars, width)


def moon(chance, width):
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    rough = gaussian_filter(chance.normal(0.0, 1.0, SHAPE), 2.0 * width)
    return 9000.0 * (np.hypot(y - 100, x - 400) < 250) * (1.0 + rough / rough.std() * 0.2)


def fringes(chance, width):
    return np.broadcast_to(300.0 * np.sin(np.arange(SHAPE[0]) / (2.0 * width))[:, None], SHAPE)


@pytest.mark.parametrize("width", [1.0, 1.5, 2.5])
@pytest.mark.parametrize("light", [lines_of_the_sky, orders, crowded, moon, fringes])
@pytest.mark.parametrize("turned", [False, True])
def test_light_is_none(light, width, turned):
    for seed in range(6):
        chance, image = sky(seed)
        image += light(chance, width)
        assert told(image.T if turned else image) == set(), (seed, measure_line_levels(image, NOISE))


def test_a_pattern_of_two_lines_is_none():
    _, image = sky(3)
    image[::2] += 100.0
    assert told(image) == set()


@pytest.mark.parametrize("shape", [(10, 300), (300, 10), (1, 1), (23, 95)])
def test_small_frames_tell_nothing(shape):
    assert measure_line_levels(np.zeros(shape), 1.0) == {}


def test_without_noise_or_values_nothing_is_told():
    assert measure_line_levels(np.full(SHAPE, np.nan), NOISE) == {}
    assert measure_line_levels(np.zeros(SHAPE), 0.0) == {}
    assert measure_line_levels(np.zeros(SHAPE), float("nan")) == {}


def test_false_alarms_are_rare():
    assert [seed for seed in range(300) if told(sky(seed)[1])] == []
