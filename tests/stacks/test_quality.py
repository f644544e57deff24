"""Measuring noise."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zeroframe.frames.statistics import clipped_std, pair_noise, sampled_level
from zeroframe.stacks.combine import CombineSpec, Rejection
from zeroframe.stacks.noise import SampledStack, measure_noise, sample_bands
from zeroframe.stacks.stack import ArrayStack

AVERAGE = CombineSpec()
CLIPPED = CombineSpec(rejection=Rejection(sigma_low=5, sigma_high=5))
SHAPE = (300, 400)


def normal(seed, sigma, shape_yx=SHAPE):
    return np.random.default_rng(seed).normal(0.0, sigma, shape_yx).astype(np.float32)


def stack_of(frames, sigma, pattern=0.0, row_sigma=0.0, shape_yx=SHAPE):
    rows = [row_sigma * np.random.default_rng(100 + n).normal(size=(shape_yx[0], 1)) for n in range(frames)]
    arrays = [(normal(n, sigma, shape_yx) + pattern + rows[n]).astype(np.float32) for n in range(frames)]
    return ArrayStack(arrays, [None] * frames, tuple(map(str, range(frames))))


class TestClippedStd:
    @pytest.mark.parametrize("sigma", [0.3, 4.0, 1e4])
    def test_normal(self, sigma):
        assert clipped_std(normal(1, sigma)) == pytest.approx(sigma, rel=0.01)

    def test_outliers_do_not_count(self):
        values = normal(1, 4.0)
        clean = clipped_std(values)
        values[::17, ::13] += 5000
        values[3, 3], values[4, 4] = np.nan, np.inf
        assert clipped_std(values) == pytest.approx(clean, rel=0.01)

    @pytest.mark.parametrize("sigma", [0.4, 1.2, 4.0])
    def test_whole_numbers(self, sigma):
        """The MAD of whole numbers is a whole number; the standard deviation is not misled by that."""
        values = np.rint(normal(1, sigma))
        assert clipped_std(values) == pytest.approx(float(values.std()), rel=0.002)

    def test_mostly_equal(self):
        values = np.zeros(1000)
        values[:100] = 1.0
        assert clipped_std(values) == pytest.approx(0.3)

    def test_too_few(self):
        assert np.isnan(clipped_std(np.array([1.0])))
        assert np.isnan(clipped_std(np.array([np.nan, np.nan])))
        assert clipped_std(np.array([2.0, 2.0])) == 0.0

    @settings(max_examples=50, deadline=None)
    @given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=50), st.floats(-1e3, 1e3))
    def test_shift_changes_nothing(self, values, shift):
        array = np.array(values)
        scale = max(1.0, float(np.abs(array).max()))
        # a value at the very edge of the cut may fall on either side of it
        found, shifted = clipped_std(np.rint(array)), clipped_std(np.rint(array) + np.rint(shift))
        assert shifted == pytest.approx(found, abs=1e-9 * scale)


class TestLevel:
    def test_mean_without_outliers(self):
        pixels = normal(1, 4.0, (900, 1100)) + np.float32(1100.3)
        pixels[:, ::50] = 60000
        assert sampled_level(pixels) == pytest.approx(1100.3, abs=0.05)

    def test_small_and_empty(self):
        assert sampled_level(np.array([[3.0]])) == 3.0
        assert np.isnan(sampled_level(np.full((5, 5), np.nan)))


class TestPairNoise:
    def test_pattern_rows_and_levels_drop_out(self):
        pattern = 50 * normal(9, 1.0)
        rows = np.arange(SHAPE[0])[:, None] ** 1.5
        assert pair_noise(normal(1, 4.0) + pattern, normal(2, 4.0) + pattern + rows + 30) == pytest.approx(
            4.0, rel=0.01
        )

    def test_cosmic_rays_drop_out(self):
        first = normal(1, 4.0)
        first[::29, ::31] += 3000
        assert pair_noise(first, normal(2, 4.0)) == pytest.approx(4.0, rel=0.01)

    def test_few_columns(self):
        """The mean that is taken out of each row takes noise with it, which is put back."""
        assert pair_noise(normal(1, 4.0, (50000, 3)), normal(2, 4.0, (50000, 3))) == pytest.approx(4.0, rel=0.02)

    def test_one_column(self):
        assert pair_noise(normal(1, 4.0, (90000, 1)), normal(2, 4.0, (90000, 1))) == pytest.approx(4.0, rel=0.02)

    def test_masked_pixels(self):
        first = normal(1, 4.0)
        first[:, 7] = np.nan
        first[5] = np.nan
        assert pair_noise(first, normal(2, 4.0)) == pytest.approx(4.0, rel=0.01)


class TestMeasureNoise:
    @pytest.mark.parametrize("frames", [2, 3, 6, 11])
    def test_average(self, frames):
        noise = measure_noise(stack_of(frames, 4.0, pattern=3 * normal(99, 1.0)), AVERAGE)
        assert noise.single == pytest.approx(4.0, rel=0.01)
        assert noise.calibrated == pytest.approx(4.0, rel=0.01)
        assert noise.expected == pytest.approx(4.0 / np.sqrt(frames), rel=0.01)
        assert noise.combined == pytest.approx(4.0 / np.sqrt(frames), rel=0.03)
        assert noise.scatter == pytest.approx(np.hypot(4.0 / np.sqrt(frames), 3.0), rel=0.01)

    def test_median_is_noisier(self):
        noise = measure_noise(stack_of(25, 4.0), CombineSpec("median"))
        assert noise.combined / noise.expected == pytest.approx(np.sqrt(np.pi / 2), rel=0.03)

    def test_rows(self):
        noise = measure_noise(stack_of(6, 4.0, row_sigma=1.0), AVERAGE)
        assert noise.single == pytest.approx(4.0, rel=0.01)
        assert noise.calibrated == pytest.approx(np.hypot(4.0, 1.0), rel=0.01)

    def test_outliers(self):
        stack = stack_of(12, 4.0)
        for number, array in enumerate(stack.arrays):
            array[number::97, ::53] += 8000
        clean = measure_noise(stack_of(12, 4.0), CLIPPED)
        noise = measure_noise(stack, CLIPPED)
        assert noise.combined == pytest.approx(clean.combined, rel=0.02)
        assert noise.single == pytest.approx(clean.single, rel=0.01)

    @pytest.mark.parametrize("frames", [3, 4, 9])
    @pytest.mark.parametrize("spec", [AVERAGE, CLIPPED, CombineSpec("median")], ids=["average", "clipped", "median"])
    def test_a_pattern_hundreds_of_times_the_noise(self, frames, spec):
        """A spectrum of a lamp: noise of 25 ADU on levels from nothing to 20 000."""
        x = np.linspace(0.0, 1.0, SHAPE[1])
        noise = measure_noise(stack_of(frames, 25.0, 20_000 * x**2 * np.hanning(SHAPE[0])[:, None]), spec)
        flat = measure_noise(stack_of(frames, 25.0), spec)
        assert noise.combined == pytest.approx(flat.combined, rel=0.03)

    def test_the_same_infinity_in_two_frames(self):
        stack = stack_of(3, 4.0)
        for frame in stack.arrays:
            frame[5, 5] = np.inf
        assert measure_noise(stack, AVERAGE).single == pytest.approx(4.0, rel=0.02)

    def test_single_frame(self):
        noise = measure_noise(stack_of(1, 4.0), AVERAGE)
        assert (noise.single, noise.calibrated, noise.combined, noise.expected) == (None, None, None, None)
        assert noise.scatter == pytest.approx(4.0, rel=0.01)

    def test_small_memory_gives_much_the_same(self):
        stack = stack_of(8, 4.0, shape_yx=(1000, 500))
        whole = measure_noise(stack, AVERAGE)
        thin = measure_noise(stack, AVERAGE, mem_limit_bytes=8_000_000)
        assert thin != whole
        assert thin.single == pytest.approx(whole.single, rel=0.02)

    def test_nothing_but_nan(self):
        arrays = [np.full((20, 20), np.nan, np.float32) for _ in range(4)]
        noise = measure_noise(ArrayStack(arrays, [None] * 4, ("a", "b", "c", "d")), CLIPPED)
        assert np.isnan(noise.single)
        assert np.isnan(noise.scatter)


class TestSampling:
    @settings(max_examples=200, deadline=None)
    @given(st.integers(1, 5000), st.integers(1, 5000), st.integers(1, 2_000_000))
    def test_bands(self, ny, nx, pixels):
        bands = sample_bands(ny, nx, pixels)
        rows = [row for band in bands for row in range(band.start, band.stop)]
        assert rows == sorted(set(rows))  # no row twice
        assert 0 <= rows[0] <= rows[-1] < ny
        assert len(rows) <= max(pixels // nx, 1)
        if pixels >= nx * ny:
            assert len(rows) == ny

    def test_bands_reach_from_end_to_end(self):
        bands = sample_bands(4128, 2048, 1_000_000)
        assert (bands[0].start, bands[-1].stop) == (0, 4128)

    def test_sample_holds_those_rows(self):
        stack = stack_of(2, 4.0, shape_yx=(1000, 500))
        sample = SampledStack.of(stack, 10_000_000)
        bands = sample_bands(1000, 500, 10_000_000 // 108)
        np.testing.assert_array_equal(sample.frames[1], np.concatenate([stack.arrays[1][band] for band in bands]))
        assert sample.shape_yx[0] < 1000
