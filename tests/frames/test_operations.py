"""Operations on a frame, in any order and number, against numpy in float64."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from zeroframe.frames.calibration_frames import NO_CALIBRATION, with_errors
from zeroframe.frames.science import operate
from zeroframe.kernels.calibrate import NO_NOISE
from zeroframe.kernels.operations import divide, subtract

SHAPE = (9, 300)  # rows of more than two parts of the kernel
ORDERS = [order for number in range(6) for order in itertools.product("-/", repeat=number)]


def planes_of(rng, order):
    """Return the operations, and the same as numbers: how, plane, sigma, factor."""
    operations, numbers = [], []
    for sign in order:
        low, high = (0.5, 2.0) if sign == "/" else (10.0, 200.0)
        plane = rng.uniform(low, high, SHAPE).astype(np.float32)
        sigma = (plane * rng.uniform(0.001, 0.01, SHAPE)).astype(np.float32)
        factor = 1.0 if sign == "/" else float(rng.uniform(0.3, 2.0))
        made = (divide if sign == "/" else subtract)(plane, sigma, factor)
        operations.append(made)
        numbers.append((sign, plane.astype(float), sigma.astype(float), factor))
    return operations, numbers


@pytest.mark.parametrize("order", ORDERS, ids=lambda order: "".join(order) or "none")
@pytest.mark.parametrize("with_pedestal", [False, True])
def test_any_order(order, with_pedestal):
    rng = np.random.default_rng(len(order))
    raw = rng.uniform(1000.0, 5000.0, SHAPE).astype(np.float32)
    operations, numbers = planes_of(rng, order)
    pedestal = rng.uniform(100.0, 300.0, SHAPE).astype(np.float32)
    level = 50.0
    expected = raw.astype(float)
    variance = 16.0 + np.maximum(expected - (pedestal if with_pedestal else level), 0.0) / 2.0
    for sign, plane, sigma, factor in numbers:
        if sign == "-":
            expected, variance = expected - factor * plane, variance + (factor * sigma) ** 2
        else:
            expected, variance = expected / plane, variance / plane**2
            variance = variance + (expected * sigma / plane) ** 2
    pixels, sigma = raw.copy(), np.empty(SHAPE, np.float32)
    noise = NO_NOISE._replace(read_variance=16.0, per_gain=0.5, level=level)
    count = operate(
        operations,
        pixels,
        factor=1.5,
        noise=noise,
        pedestal=pedestal if with_pedestal else NO_CALIBRATION,
        sigma=sigma,
    )
    assert count == 0
    largest = np.abs(raw).max() * 2.0 ** (2 + order.count("/"))  # differences of numbers as large as this
    np.testing.assert_allclose(pixels, 1.5 * expected, rtol=1e-6, atol=largest * 1e-7)
    np.testing.assert_allclose(sigma, 1.5 * np.sqrt(variance), rtol=1e-5)
    alone = raw.copy()
    assert operate(operations, alone, factor=1.5) == 0
    np.testing.assert_array_equal(alone, pixels)


def test_bias_dark_and_flat_take_one_pass():
    """Rounded once: the bits are those of float64 rounded to float32."""
    rng = np.random.default_rng(3)
    raw = rng.uniform(1000.0, 60000.0, SHAPE).astype(np.float32)
    operations, ((_, bias, _, one), (_, dark, _, scale), (_, flat, _, _)) = planes_of(rng, "--/")
    pixels = raw.copy()
    operate(operations, pixels)
    exact = (raw.astype(float) - one * bias - scale * dark) * (1.0 / flat)
    np.testing.assert_array_equal(pixels, exact.astype(np.float32))


def test_what_is_not_finite_is_counted_after_the_last_pass():
    raw = np.full(SHAPE, 7.0, np.float32)
    raw[0, :5] = np.nan, np.inf, -np.inf, np.nan, 1.0
    plane = np.ones(SHAPE, np.float32)
    plane[1, :2] = np.nan
    operations = [subtract(plane, NO_CALIBRATION, 1.0), *[subtract(np.ones_like(plane), NO_CALIBRATION, 1.0)] * 4]
    assert operate(operations, raw) == 6
    assert raw[3, 3] == 2.0


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_errors_are_added_in_place_where_that_is_asked_for(dtype):
    rng = np.random.default_rng(3)
    sigma, first, second = (rng.uniform(1.0, 3.0, SHAPE).astype(dtype) for _ in range(3))
    parts = [(first, 0.5), (second, -0.1)]
    sums = np.square(sigma, dtype=float) + 0.5 * np.square(first, dtype=float) - 0.1 * np.square(second, dtype=float)
    before = sigma.copy()
    beside = with_errors(sigma, parts)
    np.testing.assert_array_equal(sigma, before)
    np.testing.assert_allclose(beside, np.sqrt(sums), rtol=1e-6)
    assert with_errors(sigma, parts, in_place=True) is sigma
    np.testing.assert_array_equal(sigma, beside)
