"""The kernels that nights are reduced by, beside a naive oracle."""

from __future__ import annotations

import numpy as np
import pytest

import naive_frames
from zeroframe.frames.science import subtract_planes
from zeroframe.kernels.calibrate import Factors, NoiseModel, calibrate_image
from zeroframe.kernels.masks import block_levels, mask_high, mask_high_swapped16, odd_places

SHAPE = (7, 33)
NONE = np.empty((0, 0), np.float32)


def planes(dtype, seed=0):
    """A frame, bias, dark and flat, and their errors."""
    rng = np.random.default_rng(seed)
    levels = {"x": (1500, 30), "b": (1000, 2), "d": (90, 9), "f": (1, 0.1)}
    errors = {"b": 1.5, "d": 3.0, "f": 0.01}
    values = {name: rng.normal(*of, SHAPE).astype(dtype) for name, of in levels.items()}
    return values, {name: rng.uniform(0.5, 1.5, SHAPE).astype(dtype) * dtype(size) for name, size in errors.items()}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("used", ["bdf", "bd", "df", "f", "b", ""])
@pytest.mark.parametrize("with_pedestal", [True, False])
def test_light_is_reduced_as_by_hand(dtype, used, with_pedestal):
    values, errors = planes(dtype)
    none = np.empty((0, 0), dtype)
    values["x"][2, 5] = -40.0  # below the pedestal
    noise = NoiseModel(17.0, 1 / 1.5, 1003.0, 0.7, 0.3, 1.2)
    pedestal = values["b"] if with_pedestal else none
    given = tuple(values[name] if name in used else none for name in "bdf")
    sigmas = tuple(errors[name] if name in used else none for name in "bdf")
    out, sigma = np.empty(SHAPE, dtype), np.empty(SHAPE, dtype)
    bad = calibrate_image(values["x"], none, given, sigmas, pedestal, Factors(dark=0.3, result=1.5), noise, out, sigma)
    expected = naive_frames.light(
        values["x"],
        [values[name] if name in used else None for name in "bdf"],
        [errors[name] if name in used else None for name in "bdf"],
        values["b"] if with_pedestal else np.full(SHAPE, 1003.0),
        *(0.3, 1.5, 17.0, 1 / 1.5, (0.7, 0.3, 1.2)),
    )
    tolerance = 1e-6 if dtype == np.float32 else 1e-13
    np.testing.assert_allclose(out, expected[0], rtol=tolerance)
    np.testing.assert_allclose(sigma, expected[1], rtol=tolerance)
    assert bad == 0


def test_in_place_gives_the_same_bits_and_counts_what_is_not_finite():
    values, errors = planes(np.float32)
    values["x"][1, 1], values["d"][2, 2] = np.nan, np.inf
    noise = NoiseModel(17.0, 0.9, 0.0, 1.0, 1.0, 1.0)
    arguments = (
        tuple(values[name] for name in "bdf"), tuple(errors[name] for name in "bdf"),
        values["b"], Factors(result=1.1), noise,
    )  # fmt: skip
    out, sigma, in_place = np.empty(SHAPE, np.float32), np.empty(SHAPE, np.float32), values["x"].copy()
    assert calibrate_image(values["x"], NONE, *arguments, out, sigma) == 2
    assert np.isnan(out[1, 1])
    assert not np.isfinite(out[2, 2])
    again = np.empty(SHAPE, np.float32)
    calibrate_image(in_place, NONE, *arguments, in_place, again)
    np.testing.assert_array_equal(in_place, out)
    np.testing.assert_array_equal(again, sigma)
    without = np.empty(SHAPE, np.float32)
    calibrate_image(values["x"], NONE, *arguments, without, NONE)
    np.testing.assert_array_equal(without, out)


def test_planes_are_subtracted_as_by_hand():
    values, _ = planes(np.float32)
    x, b, d = (values[name].astype(np.float64) for name in "xbd")
    for bias, dark, expected in (
        (values["b"], values["d"], x - b - 0.3 * d), (NONE, values["d"], x - 0.3 * d), (values["b"], NONE, x - b),
    ):  # fmt: skip
        out = values["x"].copy()
        subtract_planes(out, bias, dark, 0.3)
        np.testing.assert_array_equal(out, expected.astype(np.float32))


@pytest.mark.parametrize(("zero", "limit"), [(32768.0, 65535.0), (32768.0, 60000.5), (0.0, 32767.0), (0.0, -40000.0)])
def test_high_pixels_are_masked_in_the_bytes_of_the_file(zero, limit):
    stored = np.random.default_rng(3).integers(-32768, 32768, SHAPE).astype(">i2")
    stored[3, 4], stored[3, 5] = 32767, 32766
    expected = stored[2:, 3:].astype(np.float64) + zero >= limit
    mask = np.zeros(expected.shape, bool)
    mask[0, 0] = True
    count = mask_high_swapped16(stored.view(np.uint16), zero, limit, 2, 3, mask)
    assert count == expected.sum()
    expected[0, 0] = True
    np.testing.assert_array_equal(mask, expected)


def test_a_limit_beyond_the_file_masks_nothing():
    mask = np.zeros(SHAPE, bool)
    assert mask_high_swapped16(np.full(SHAPE, 0xFF7F, np.uint16), 32768.0, 70000.0, 0, 0, mask) == 0
    assert not mask.any()


def test_high_pixels_are_masked_in_decoded_frames():
    pixels = np.random.default_rng(3).normal(0, 1, SHAPE)
    pixels[4, 4] = np.nan
    mask = np.zeros((5, 30), bool)
    count = mask_high(pixels, 1.0, 2, 3, mask)
    np.testing.assert_array_equal(mask, pixels[2:, 3:] >= 1.0)
    assert count == mask.sum()


@pytest.mark.parametrize("shape", [(16, 16), (13, 21), (3, 5)])
def test_levels_of_blocks(shape):
    pixels = np.random.default_rng(4).normal(5, 2, shape).astype(np.float32)
    pixels[0, 0] = np.nan
    pixels[8:, :8] = np.nan
    found = np.empty((-(-shape[0] // 8), -(-shape[1] // 8)))
    block_levels(pixels, 8, found)
    for (i, j), level in np.ndenumerate(found):
        block = pixels[8 * i : 8 * i + 8 : 2, 8 * j : 8 * j + 8 : 2].ravel()
        values = sorted(float(v) for v in block if np.isfinite(v))
        assert level == values[len(values) // 2] if values else np.isnan(level)


def test_odd_places():
    pixels = np.random.default_rng(4).normal(5, 1, (13, 21)).astype(np.float32)
    pixels[7, 7] = np.nan
    levels = np.full((2, 3), 5.0)
    places = np.empty((300, 2), np.int64)
    count = odd_places(pixels, levels, 8, 0.2, 0.5, places)
    expected = np.argwhere(~(np.abs(pixels - 5.0) <= 1.0))
    np.testing.assert_array_equal(places[:count], expected)
    # where there is no room for all, they are counted all the same
    assert odd_places(pixels, levels, 8, 0.2, 0.5, places[:2]) == count
