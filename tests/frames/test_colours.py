"""Which pixels of a sensor are green, by the light of flats: of any lamp, level and noise, and of sensors without."""

from __future__ import annotations

import numpy as np
import pytest

from zeroframe.frames.colours import ColourPattern, each_colour, pattern_by_levels, phase_levels


def bands(rng, cell, level=5000.0, zero=1000.0, gain=0.8):
    """Return rows of a flat with shading, noise, hot pixels and stars."""
    shape = (16, 8, 400)
    light = level * np.tile(np.reshape(cell, (2, 2)), (4, 200)) * np.linspace(0.8, 1.0, 16)[:, None, None]
    pixels = rng.poisson(light * gain) / gain + rng.normal(zero, 3.0, shape)
    pixels[rng.random(shape) < 0.003] += 20000.0
    return np.clip(np.rint(pixels), 0, 65535).astype(np.uint16)


@pytest.mark.parametrize("seed", range(6))
def test_green_is_found_whatever_the_lamp(seed):
    rng = np.random.default_rng(seed)
    for greens in ((0, 3), (1, 2)):
        cell = np.ones(4)
        others = [place for place in range(4) if place not in greens]
        cell[others] = rng.uniform(0.15, 0.85, 2)
        cell[greens[1]] *= rng.uniform(0.99, 1.01)
        level = rng.choice([150.0, 1000.0, 20000.0])
        levels, errors = phase_levels(bands(rng, cell, level))
        found = pattern_by_levels(levels, errors, 1000.0)
        assert found is not None
        assert found.greens == greens


@pytest.mark.parametrize("seed", range(6))
def test_sensors_without_filters_have_none(seed):
    rng = np.random.default_rng(100 + seed)
    odd = rng.uniform(0.9, 0.97)
    for cell in ([1, 1, 1, 1], [1, 1, odd, odd], [1, odd, 1, odd], [1, 1.004, 0.998, 1]):
        levels, errors = phase_levels(bands(rng, cell))
        assert pattern_by_levels(levels, errors, 1000.0) is None, cell


@pytest.mark.parametrize("shape_yx", [(4, 6), (5, 7), (1, 9), (6, 1)])
def test_planes_cover_every_pixel_once(shape_yx):
    image = np.arange(float(np.prod(shape_yx))).reshape(shape_yx)
    seen = np.zeros(shape_yx)
    for own, plane in each_colour(ColourPattern("RGGB"), (seen,), (image,)):
        assert own.flags.c_contiguous
        assert plane.shape == own.shape
        np.add(own, plane + 1, out=own)
    assert (seen == image + 1).all()
