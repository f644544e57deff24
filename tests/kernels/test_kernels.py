"""Kernels against the naive oracle; small arrays, so that they run as Python too (NUMBA_DISABLE_JIT=1)."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import naive
from zeroframe.kernels.raw import Part, calibrate_native, calibrate_swapped16, read_floats32, swap_bytes32, swap_bytes64
from zeroframe.kernels.sorting import sorting_pairs
from zeroframe.kernels.stack import (
    AVERAGE,
    MAD_TO_SIGMA,
    MEDIAN,
    NO_LIMITS,
    SUM,
    stack_average,
    stack_ordered,
    stack_reject,
)

METHODS = {"average": AVERAGE, "median": MEDIAN, "sum": SUM}
REJECTIONS = {
    "nothing": {},
    "notebook": {"sigma_low": 5.0, "sigma_high": 5.0},
    "tight": {"sigma_low": 1.5, "sigma_high": 2.0, "iterations": 5},
    "mean_std": {"sigma_low": 1.2, "sigma_high": 1.2, "center": "mean", "spread": "std", "iterations": 2},
    "mean_mad": {"sigma_low": 2.0, "sigma_high": 2.0, "center": "mean"},
    "median_std": {"sigma_low": 1.1, "sigma_high": 1.3, "spread": "std"},
    "high_only": {"sigma_high": 2.0},
    "low_only": {"sigma_low": 2.0},
    "values": {"value_low": 995.0, "value_high": 1004.0},
    "extrema": {"drop_low": 1, "drop_high": 1},
    "floor": {"sigma_low": 3.0, "sigma_high": 3.0, "floor_adu": 2.0, "photon_adu": 0.01},
    "all": {
        "value_high": 1500.0,
        "drop_high": 1,
        "sigma_low": 2.0,
        "sigma_high": 2.0,
        "iterations": 3,
    },
}


def limits_of(rejection):
    words = dict(rejection)
    center, spread = words.pop("center", "median"), words.pop("spread", "mad_std")
    return NO_LIMITS._replace(center_is_mean=center == "mean", spread_is_std=spread == "std", **words)


def run(stack, method, limits=NO_LIMITS, factors=None, kernel=stack_ordered):
    frames, pixels = stack.shape
    out, error, counts = np.empty(pixels, stack.dtype), np.empty(pixels, stack.dtype), np.empty(pixels, np.uint16)
    factors = np.ones(frames) if factors is None else factors
    if kernel is stack_ordered:
        stack_ordered(stack, factors, sorting_pairs(frames), limits, METHODS[method], out, error, counts)
    else:
        stack_average(stack, factors, METHODS[method], out, error, counts)
    return out, error, counts


def make_stack(frames, pixels=45, dtype=np.float32, seed=0, holes=True):
    """Quantised noise with cosmic rays, and with everything that is not a number."""
    rng = np.random.default_rng(seed + frames)
    stack = np.round(rng.normal(1000.0, 4.0, (frames, pixels))).astype(dtype)
    stack[rng.random(stack.shape) < 0.03] += 900
    if holes:
        for bad in (np.nan, np.inf, -np.inf):
            stack[rng.random(stack.shape) < 0.04] = bad
        stack[:, 3] = np.nan
        stack[:-1, 4] = np.inf
    return stack


def assert_matches(found, expected, dtype):
    tolerance = 3e-7 if dtype == np.float32 else 1e-12
    np.testing.assert_array_equal(found[2], expected[2])
    np.testing.assert_allclose(found[0], expected[0], rtol=tolerance)
    np.testing.assert_allclose(found[1], expected[1], rtol=4 * tolerance, atol=1e-4 if dtype == np.float32 else 1e-7)


# --- sorting networks ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", range(1, 11))
def test_network_sorts_every_pattern_of_zeros_and_ones(count):
    # a network that sorts all of these sorts everything (Knuth, 5.3.4, theorem Z)
    patterns = np.array(list(itertools.product((0, 1), repeat=count))).T
    for i, j in sorting_pairs(count):
        low, high = np.minimum(patterns[i], patterns[j]), np.maximum(patterns[i], patterns[j])
        patterns[i], patterns[j] = low, high
    assert (np.diff(patterns, axis=0) >= 0).all()


@pytest.mark.parametrize(
    ("count", "size"), [(1, 0), (2, 1), (4, 5), (8, 19), (16, 63), (25, 138), (100, 1077), (400, 7199)]
)
def test_network_has_batchers_size_and_sorts(count, size):
    pairs = sorting_pairs(count)
    assert pairs.shape == (size, 2)
    assert not pairs.flags.writeable
    values = np.random.default_rng(count).normal(size=(count, 50))
    expected = np.sort(values, axis=0)
    for i, j in pairs:
        values[[i, j]] = np.minimum(values[i], values[j]), np.maximum(values[i], values[j])
    np.testing.assert_array_equal(values, expected)


def test_the_factor_of_the_mad_is_that_of_a_normal_distribution():
    from scipy.stats import norm

    assert pytest.approx(1.0 / norm.ppf(0.75), rel=1e-15) == MAD_TO_SIGMA


# --- stacks ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    ("frames", "name"),
    [
        (frames, name)
        for frames in (1, 2, 3, 6, 13)
        for name, rejection in REJECTIONS.items()
        if frames > rejection.get("drop_low", 0) + rejection.get("drop_high", 0)
    ],
)
def test_ordered_matches_the_oracle(frames, name, method, dtype):
    stack = make_stack(frames, dtype=dtype)
    found = run(stack, method, limits_of(REJECTIONS[name]))
    assert_matches(found, naive.combine(stack, method, **REJECTIONS[name]), dtype)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("method", ["average", "sum"])
@pytest.mark.parametrize("frames", [1, 2, 3, 4, 5, 6, 9, 13])
@pytest.mark.parametrize("holes", [True, False])
def test_average_matches_the_oracle(holes, frames, method, dtype):
    stack = make_stack(frames, dtype=dtype, holes=holes)
    found = run(stack, method, kernel=stack_average)
    assert_matches(found, naive.combine(stack, method), dtype)


def test_frames_are_scaled_before_anything_is_rejected():
    stack = make_stack(6, dtype=np.float64)
    factors = np.array([1.0, 0.5, 2.0, 1.1, 0.9, 1.0])
    stack /= factors[:, None]
    for kernel, name in ((stack_average, "nothing"), (stack_ordered, "nothing"), (stack_ordered, "tight")):
        found = run(stack, "average", limits_of(REJECTIONS[name]), factors, kernel)
        assert_matches(found, naive.combine(stack, "average", factors, **REJECTIONS[name]), np.float64)


def test_below_zero_there_is_no_photon_noise():
    stack = np.array([[-50.0, 50.0], [-50.0, 50.0], [-50.0, 50.0], [-43.0, 57.0]])
    limits = NO_LIMITS._replace(sigma_low=3.0, sigma_high=3.0, floor_adu=2.0, photon_adu=1.0)
    np.testing.assert_array_equal(run(stack, "average", limits)[2], [3, 4])


def test_median_of_an_even_number_is_exact_before_it_is_rounded():
    # both values and their mean are exact in float32; a float32 sum of the two would be rounded
    stack = np.array([[2.0**24 - 1], [2.0**24 - 3]], dtype=np.float32)
    assert run(stack, "median")[0][0] == 2.0**24 - 2
    large = np.array([[3e38], [3e38]], dtype=np.float32)  # the sum overflows
    assert run(large, "median")[0][0] == np.float32(3e38)


def test_sums_of_whole_numbers_are_exact():
    stack = np.array([[100.0], [101.0], [101.0]], dtype=np.float32)
    for kernel in (stack_average, stack_ordered):
        assert run(stack, "sum", kernel=kernel)[0][0] == 302.0


def test_small_differences_of_large_values_keep_their_spread():
    stack = np.array([[1e9], [1e9 + 1], [1e9 + 2]])
    for kernel in (stack_average, stack_ordered):
        assert run(stack, "average", kernel=kernel)[1][0] == pytest.approx(np.sqrt(2 / 3) / np.sqrt(3), rel=1e-12)


@pytest.mark.parametrize("name", REJECTIONS)
def test_a_pixel_does_not_depend_on_its_neighbours(name):
    # more pixels than the widest block, then every pixel in blocks of another width
    stack = make_stack(3, pixels=530)
    limits = limits_of(REJECTIONS[name])
    whole = run(stack, "average", limits)
    for start, stop in ((0, 1), (1, 33), (33, 300), (300, 530)):
        part = run(np.ascontiguousarray(stack[:, start:stop]), "average", limits)
        for mine, theirs in zip(part, whole, strict=True):
            np.testing.assert_array_equal(mine, theirs[start:stop])


finite = st.floats(-1e6, 1e6, width=32)
values = st.one_of(finite, st.sampled_from([0.0, 1.0, 1.0, 2.0, float("nan"), float("inf")]))


@settings(deadline=None, max_examples=60)
@given(st.data(), st.sampled_from(sorted(METHODS)), st.sampled_from(sorted(REJECTIONS)))
def test_the_order_of_the_frames_does_not_matter_to_the_bit(data, method, name):
    column = data.draw(st.lists(values, min_size=3, max_size=9))
    shuffled = data.draw(st.permutations(column))
    limits = limits_of(REJECTIONS[name])
    first, second = (run(np.array(each, dtype=np.float32)[:, None], method, limits) for each in (column, shuffled))
    for mine, theirs in zip(first, second, strict=True):
        np.testing.assert_array_equal(mine, theirs)


# without those whose limit is rounded: a value may stand on it to the last bit
EXACT = sorted(set(REJECTIONS) - {"mean_std", "median_std", "mean_mad"})


@settings(deadline=None, max_examples=60)
@given(st.lists(values, min_size=3, max_size=9), st.sampled_from(sorted(METHODS)), st.sampled_from(EXACT))
def test_any_values_match_the_oracle(column, method, name):
    stack = np.array(column, dtype=np.float64)[:, None]
    found = run(stack, method, limits_of(REJECTIONS[name]))
    expected = naive.combine(stack, method, **REJECTIONS[name])
    np.testing.assert_array_equal(found[2], expected[2])
    np.testing.assert_allclose(found[0], expected[0], rtol=1e-9, atol=1e-6)


@settings(deadline=None, max_examples=40)
@given(st.lists(finite, min_size=2, max_size=7), st.sampled_from([0.5, 2.0, 1024.0]))
def test_scaling_by_powers_of_two_scales_the_result(column, factor):
    stack = np.array(column, dtype=np.float64)[:, None]
    limits = limits_of(REJECTIONS["tight"])
    plain = run(stack, "average", limits)
    scaled = run(stack, "average", limits, np.full(len(column), factor))
    np.testing.assert_array_equal(scaled[0], plain[0] * factor)
    np.testing.assert_array_equal(scaled[1], plain[1] * factor)
    np.testing.assert_array_equal(scaled[2], plain[2])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", REJECTIONS)
def test_reject_leaves_what_the_oracle_leaves(name, dtype):
    stack = make_stack(7, dtype=dtype)
    expected = [naive.survivors(column, **REJECTIONS[name]) for column in stack.T]
    stack_reject(stack, np.ones(7), sorting_pairs(7), limits_of(REJECTIONS[name]))
    assert not np.isinf(stack).any()
    for column, left in zip(stack.T, expected, strict=True):
        assert sorted(column[np.isfinite(column)].tolist()) == left


def test_reject_drops_the_first_of_equal_values():
    column = np.array([[5.0], [1.0], [1.0], [1.0], [5.0]])
    stack_reject(column, np.ones(5), sorting_pairs(5), NO_LIMITS._replace(drop_low=1, drop_high=1))
    np.testing.assert_array_equal(column[:, 0], [np.nan, np.nan, 1.0, 1.0, 5.0])


def test_reject_scales():
    column = np.array([[1.0], [2.0], [np.inf]])
    stack_reject(column, np.array([3.0, 2.0, 1.0]), sorting_pairs(3), NO_LIMITS)
    np.testing.assert_array_equal(column[:, 0], [3.0, 4.0, np.nan])


# --- single frames ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("zero", [0.0, 32768.0])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_calibrate_is_the_same_from_the_file_and_from_decoded_pixels(zero, dtype):
    rng = np.random.default_rng(1)
    stored = rng.integers(-32768, 32767, (9, 14), endpoint=True).astype(">i2")
    stored[0, :2] = -32768, 32767
    rows, columns = rng.normal(300, 1, 9), rng.normal(0, 1, 14)
    raw, native = np.empty((7, 10), dtype), np.empty((7, 10), dtype)
    calibrate_swapped16(stored.view(np.uint16), zero, rows, columns, Part(1, 2, 7, 10), raw)
    decoded = (stored.astype(np.int32) + int(zero)).astype(np.uint16 if zero else np.int16)
    calibrate_native(decoded, rows, columns, Part(1, 2, 7, 10), native)
    expected = decoded[1:8, 2:12].astype(np.float64) - (rows[1:8, None] + columns[None, 2:12])
    np.testing.assert_array_equal(raw, expected.astype(dtype))
    np.testing.assert_array_equal(native, expected.astype(dtype))


@pytest.mark.parametrize("kind", ["u1", "i2", "u2", "i4", "f4", "f8"])
def test_calibrate_takes_every_type_of_pixel(kind):
    pixels = np.arange(12).reshape(3, 4).astype(kind)
    out = np.empty((3, 4), np.float32)
    calibrate_native(pixels, np.ones(3), np.zeros(4), Part(0, 0, 3, 4), out)
    np.testing.assert_array_equal(out, np.arange(12).reshape(3, 4) - 1.0)


def test_floats_of_a_file_are_summed_and_counted_while_they_are_read():
    values = np.random.default_rng(3).normal(1000.0, 5.0, 1001).astype(np.float32)
    values[[3, 500, 1000]] = np.nan, np.inf, -np.inf
    stored = values.astype(">f4")
    words = stored.view(np.uint32).copy()
    total, not_finite = read_floats32(words, words)
    np.testing.assert_array_equal(words.view(np.float32), values)
    assert not_finite == 3
    assert total == int(stored.view(">u4").sum(dtype=np.uint64))


def test_bytes_are_swapped_and_summed():
    words = np.array([0x01020304, 0xFFFFFFFF, 0x80000000], dtype=np.uint32)
    out = np.empty_like(words)
    assert swap_bytes32(words, out) == 0x01020304 + 0xFFFFFFFF + 0x80000000
    np.testing.assert_array_equal(out, words.byteswap())
    long_words = np.array([0x0102030405060708, 2**64 - 1], dtype=np.uint64)
    swapped = long_words.copy()
    swap_bytes64(swapped)
    np.testing.assert_array_equal(swapped, long_words.byteswap())
