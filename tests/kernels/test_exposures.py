"""What another exposure says of the pixels of a frame, against scipy's interpolation and a plain look at each pixel."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import map_coordinates

from zeroframe.kernels.exposures import OtherFrame, brighter_places, light_at
from zeroframe.kernels.point_images import SKY_SHIFT

SHAPE = (70, 83)
EDGE = 1 << SKY_SHIFT


def blocks(levels, shape):
    """Each pixel's value of its block."""
    return levels.repeat(EDGE, axis=0).repeat(EDGE, axis=1)[: shape[0], : shape[1]]


def skies(rng, shape):
    return rng.normal(100, 20, [-(-size // EDGE) for size in shape]).astype(np.float32)


@pytest.fixture(params=[(0.0, 0.0), (2.4, -3.7), (-5.0, 1.25)], ids=str)
def other(request):
    rng = np.random.default_rng(7)
    pixels = rng.normal(100, 60, SHAPE).astype(np.float32)
    return OtherFrame(pixels, skies(rng, SHAPE), *request.param, 1.7)


def expected_of(other, rows, columns):
    """The light at each place: between the four pixels around, less the sky of the first of them; NaN outside."""
    at_y, at_x = rows + other.shift_y, columns + other.shift_x
    v, u = np.floor(at_y).astype(int), np.floor(at_x).astype(int)
    ny, nx = other.pixels.shape
    inside = (v >= 0) & (u >= 0) & (v + 1 < ny) & (u + 1 < nx)
    light = map_coordinates(other.pixels.astype(np.float64), [at_y, at_x], order=1, mode="nearest")
    sky = blocks(other.sky, SHAPE)[np.clip(v, 0, ny - 1), np.clip(u, 0, nx - 1)]
    return np.where(inside, other.scale * (light - sky), np.nan)


@pytest.mark.parametrize("shift", [0, 2])
def test_pixels_that_are_brighter_than_another_exposure_makes_them(other, shift):
    rng = np.random.default_rng(8)
    pixels = rng.normal(100, 30, SHAPE).astype(np.float32)
    pixels[5, 6] = pixels[20, 30] = 5000.0
    sigma = rng.uniform(5, 15, (SHAPE[0] // (1 << shift) + 1, SHAPE[1] // (1 << shift) + 1)).astype(np.float32)
    sky = skies(rng, SHAPE)
    y, x = np.indices(SHAPE)
    reach = 2.0 * sigma[y >> shift, x >> shift].astype(np.float64)
    light = pixels.astype(np.float64) - blocks(sky, SHAPE)
    expected = np.argwhere((light > reach) & (light - reach > expected_of(other, y.astype(float), x.astype(float))))
    assert 20 < len(expected) < pixels.size // 2
    for room in (len(expected) + 3, 4):
        places = np.full((room, 2), -1, np.int64)
        count = brighter_places(pixels, sigma, shift, sky, other, 2.0, np.empty(SHAPE[1], np.float32), places)
        assert count == len(expected)
        np.testing.assert_array_equal(places[:count], expected[:room])
        assert (places[count:] == -1).all()


def test_what_it_says_at_a_pixel_and_around_it(other):
    places = np.argwhere(np.ones(SHAPE, bool))
    out = np.empty((len(places), 4))
    light_at(other, places, out)
    y, x = (places[:, axis].astype(float) for axis in (0, 1))
    around = np.array([[expected_of(other, y + dy, x + dx) for dx in (-1, 0, 1)] for dy in (-1, 0, 1)])
    np.testing.assert_allclose(out[:, 0], around[1, 1], rtol=1e-9, atol=1e-6)
    beside = (around[0, 1] + around[2, 1] + around[1, 0] + around[1, 2]) / 4
    np.testing.assert_allclose(out[:, 3], beside, rtol=1e-9, atol=1e-6)
    whole = np.isfinite(around).all(axis=(0, 1))
    assert whole.sum() > 4000
    np.testing.assert_allclose(out[whole, 1], around.min(axis=(0, 1))[whole], rtol=1e-9, atol=1e-6)
    np.testing.assert_allclose(out[whole, 2], around.max(axis=(0, 1))[whole], rtol=1e-9, atol=1e-6)
