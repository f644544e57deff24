"""The kernels that nights are reduced by, beside a naive oracle."""

from __future__ import annotations

import numpy as np
import pytest

import naive_frames
from zeroframe.frames.science import operate
from zeroframe.kernels.calibrate import Factors, NoiseModel, calibrate_image
from zeroframe.kernels.extremes import (
    count_tops,
    count_tops_swapped16,
    stretch_extremes,
    stretch_extremes_swapped16,
)
from zeroframe.kernels.masks import add_found, block_levels, mask_high, mask_high_swapped16, odd_places
from zeroframe.kernels.operations import subtract

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
    bias, dark = subtract(values["b"], NONE, 1.0), subtract(values["d"], NONE, 0.3)
    for done, expected in (([bias, dark], x - b - 0.3 * d), ([dark], x - 0.3 * d), ([bias], x - b)):
        out = values["x"].copy()
        assert operate(done, out) == 0
        np.testing.assert_array_equal(out, expected.astype(np.float32))


@pytest.mark.parametrize(("zero", "limit"), [(32768.0, 65535.0), (32768.0, 60000.5), (0.0, 32767.0), (0.0, -40000.0)])
def test_high_pixels_are_masked_in_the_bytes_of_the_file(zero, limit):
    stored = np.random.default_rng(3).integers(-32768, 32768, SHAPE).astype(">i2")
    stored[3, 4], stored[3, 5] = 32767, 32766
    expected = stored[2:, 3:].astype(np.float64) + zero >= limit
    mask = np.zeros(expected.shape, np.uint8)
    mask[0, 0] = 3
    count = mask_high_swapped16(stored.view(np.uint16), zero, limit, 2, 3, 4, mask)
    assert count == expected.sum()
    expected = np.where(expected, 4, 0)
    expected[0, 0] += 3
    np.testing.assert_array_equal(mask, expected)


def test_a_limit_beyond_the_file_masks_nothing():
    mask = np.zeros(SHAPE, np.uint8)
    assert mask_high_swapped16(np.full(SHAPE, 0xFF7F, np.uint16), 32768.0, 70000.0, 0, 0, 4, mask) == 0
    assert not mask.any()


def test_high_pixels_are_masked_in_decoded_frames():
    pixels = np.random.default_rng(3).normal(0, 1, SHAPE)
    pixels[4, 4] = np.nan
    mask = np.zeros((5, 30), np.uint8)
    count = mask_high(pixels, 1.0, 2, 3, 128, mask)
    np.testing.assert_array_equal(mask, 128 * (pixels[2:, 3:] >= 1.0))
    assert count == np.count_nonzero(mask)


@pytest.mark.parametrize("dtype", [np.uint16, np.int32, np.float32, np.float64])
def test_extremes_of_stretches_and_counts_of_the_highest(dtype):
    rng = np.random.default_rng(8)
    pixels = rng.integers(0, 65536, (23, 150)).astype(dtype)
    if np.dtype(dtype).kind == "f":
        pixels[3, 5], pixels[4, 140:], pixels[5, 64:128] = np.nan, np.inf, np.nan
    parts = [slice(0, 64), slice(64, 128), slice(128, 150)]
    with np.errstate(invalid="ignore"):
        finite = np.where(np.isfinite(pixels), pixels.astype(float), np.nan)
    highest = np.array([[np.nanmax(row[part], initial=-np.inf) for part in parts] for row in finite])
    lowest = np.array([[np.nanmin(row[part], initial=np.inf) for part in parts] for row in finite])
    counts = np.zeros(5536, np.int64)
    if dtype is np.uint16:
        words = (pixels ^ 0x8000).astype(">u2").view(np.uint16)  # as a file holds them, with BZERO = 32768
        low, high = np.empty((23, 3), np.int16), np.empty((23, 3), np.int16)
        stretch_extremes_swapped16(words, 64, low, high)
        count_tops_swapped16(words, 64, high, 60000 - 32768, 2, counts)
        low, high = low + 32768.0, high + 32768.0
    else:
        low, high = np.empty((23, 3)), np.empty((23, 3))
        stretch_extremes(pixels, 64, low, high)
        count_tops(pixels, 64, high, 60000.0, 1.0, 2, counts)
    np.testing.assert_array_equal(low, lowest)
    np.testing.assert_array_equal(high, highest)
    some = finite[::2][finite[::2] >= 60000]
    np.testing.assert_array_equal(counts, np.bincount(some.astype(int) - 60000, minlength=5536))


def test_what_is_found_gets_a_bit_where_nothing_else_is():
    rng = np.random.default_rng(5)
    mask = rng.integers(0, 3, SHAPE).astype(np.uint8)
    found = (mask != 0) | (rng.random(SHAPE) < 0.1)
    expected = [[int(m) or 16 * int(f) for m, f in zip(*rows, strict=True)] for rows in zip(mask, found, strict=True)]
    assert add_found(found, 16, mask) == np.count_nonzero(expected)
    np.testing.assert_array_equal(mask, expected)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(16, 16), (13, 21), (3, 5), (40, 77)])
def test_levels_of_blocks(shape, dtype):
    # rows of blocks with what is not finite, without, with values that occur several times, and cut-off ones
    pixels = np.random.default_rng(4).normal(5, 2, shape).astype(dtype)
    pixels[24:] = np.rint(pixels[24:])
    pixels[0, 0] = np.nan
    pixels[8:, :8] = np.nan
    found = np.empty((-(-shape[0] // 8), -(-shape[1] // 8)))
    block_levels(pixels, 8, found)
    for (i, j), level in np.ndenumerate(found):
        block = pixels[8 * i : 8 * i + 8 : 2, 8 * j : 8 * j + 8 : 2].ravel()
        values = sorted(float(v) for v in block if np.isfinite(v))
        assert level == values[len(values) // 2] if values else np.isnan(level)


@pytest.mark.parametrize("odd", [np.nan, np.inf, 6.0])
def test_odd_places(odd):
    pixels = np.random.default_rng(4).normal(5, 1, (13, 21)).astype(np.float32)
    pixels[9:] = 5.0  # nothing is odd in most blocks, in others one pixel
    pixels[7, 7] = pixels[10, 3] = odd
    levels = np.full((2, 3), 5.0)
    places = np.empty((300, 2), np.int64)
    count = odd_places(pixels, levels, 8, 0.2, 0.5, places)
    expected = np.argwhere(~(np.abs(pixels - 5.0) <= 1.0))
    np.testing.assert_array_equal(places[:count], expected)
    # where there is no room for all, they are counted all the same
    assert odd_places(pixels, levels, 8, 0.2, 0.5, places[:2]) == count
