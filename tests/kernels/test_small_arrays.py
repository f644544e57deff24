"""Kernels on arrays of some hundred pixels, against loops over single pixels: quick in plain Python, too."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from zeroframe.kernels.errors import add_in_quadrature
from zeroframe.kernels.masks import bin_by_two
from zeroframe.kernels.mending import mend_pixels
from zeroframe.kernels.pooled import BINS, pool_uncertainty, scatter_of_place
from zeroframe.kernels.sorting import sorting_pairs
from zeroframe.kernels.stack_limits import NO_LIMITS
from zeroframe.kernels.stack_weighted import stack_weighted
from zeroframe.kernels.strips import column_sums, line_sums
from zeroframe.kernels.trails import find_centres, follow_trails, gather_regions

FULL, BLEED = 4, 8


def regions_of(mask):
    """Gather the regions of full pixels."""
    count = np.count_nonzero(mask & FULL)
    places, ends = np.empty((count, 2), np.int64), np.empty(count, np.int64)
    return places, ends[: gather_regions(mask, FULL, BLEED, places, ends)]


class TestRegions:
    def test_are_those_of_scipy(self):
        random = np.random.default_rng(1)
        mask = np.where(random.random((17, 23)) < 0.3, FULL, random.integers(0, 4, (17, 23))).astype(np.uint8)
        before = mask.copy()
        places, ends = regions_of(mask)
        np.testing.assert_array_equal(mask, before)
        labels, count = ndimage.label(mask == FULL, np.ones((3, 3)))
        assert len(ends) == count > 5
        gathered = np.split(places, ends[:-1])
        assert {frozenset(map(tuple, region)) for region in gathered} == {
            frozenset(map(tuple, np.argwhere(labels == number))) for number in range(1, count + 1)
        }

    def test_of_nothing_are_none(self):
        assert regions_of(np.full((3, 4), 3, np.uint8))[1].size == 0


def star_with_trail(first, last, *, brightness=3000.0):
    """A round star at (20, 12), full in its core, whose column is lit from one row to another; and the trail alone."""
    y, x = np.mgrid[:41, :25]
    light = 100.0 + 40_000.0 / (1.0 + ((y - 20) ** 2 + (x - 12) ** 2) / 4.0) ** 2.5
    mask = np.where(light > 20_000.0, FULL, 0).astype(np.uint8)
    trail = np.zeros(light.shape, bool)
    trail[first:last, 12] = True
    trail &= mask == 0
    light[trail] += brightness
    return light, mask, trail


class TestTrails:
    SKY = (100.0, 5.0, 1.0)

    def follow(self, light, mask, axis=0):
        places, ends = regions_of(mask)
        if axis == 1:
            light, mask = light.T.copy(), mask.T.copy()
            places = places[:, ::-1].copy()
        stars = find_centres(places, ends, axis, max(light.shape))
        count = follow_trails(light, mask, places, ends, axis, self.SKY, (FULL, BLEED), stars)
        return count, mask if axis == 0 else mask.T

    @pytest.mark.parametrize("axis", [0, 1])
    @pytest.mark.parametrize(("first", "last"), [(0, 41), (20, 41), (4, 21), (5, 38)])
    def test_are_masked_from_end_to_end(self, axis, first, last):
        light, mask, trail = star_with_trail(first, last)
        count, masked = self.follow(light, mask, axis)
        np.testing.assert_array_equal(masked & BLEED != 0, trail)
        assert count == trail.sum()
        np.testing.assert_array_equal(masked & FULL, mask & FULL)

    def test_a_star_without_one_has_none(self):
        light, mask, _ = star_with_trail(0, 0)
        assert self.follow(light, mask)[0] == 0

    def test_one_of_some_pixels_is_the_wing_of_a_star(self):
        light, mask, _ = star_with_trail(18, 24)
        assert self.follow(light, mask)[0] == 0

    def test_a_gap_of_one_pixel_does_not_end_it_and_two_do(self):
        light, mask, trail = star_with_trail(0, 41)
        light[34, 12] = light[36:38, 12] = 100.0
        _, masked = self.follow(light, mask)
        trail[36:] = False
        np.testing.assert_array_equal(masked & BLEED != 0, trail)

    def test_it_ends_where_another_region_is_full(self):
        light, mask, trail = star_with_trail(0, 41)
        mask[31, 12] = FULL
        _, masked = self.follow(light, mask)
        trail[31, 12] = False
        np.testing.assert_array_equal(masked & BLEED != 0, trail)

    def test_what_has_no_neighbours_is_held_against_the_sky(self):
        """A frame of one column, and one whose neighbours are no numbers."""
        light, mask, trail = star_with_trail(0, 41)
        strip, own = light[:, 12:13].copy(), mask[:, 12:13].copy()
        assert self.follow(strip, own)[0] == trail.sum()
        light[:, 14:], light[:, :11] = np.nan, np.nan
        assert self.follow(light, mask)[0] == trail.sum()

    def test_what_is_masked_already_is_not_counted(self):
        light, mask, trail = star_with_trail(0, 41)
        mask[0:5, 12] |= BLEED
        assert self.follow(light, mask)[0] == trail.sum() - 5


def naive_mended(pixels, sigma, mask, bits, mended, reach, stride, fewest):
    """Neighbours ring by ring, as lists."""
    pixels, mask, sigma = pixels.copy(), mask.copy(), sigma.copy()
    ny, nx = mask.shape
    count = 0
    for y in range(ny):
        for x in range(nx):
            if not mask[y, x] & bits or mask[y, x] & ~np.uint8(bits):
                continue
            good = []
            for ring in range(1, reach + 1):
                steps = [
                    (dy, dx)
                    for dy in range(-ring, ring + 1)
                    for dx in range(-ring, ring + 1)
                    if max(abs(dy), abs(dx)) == ring
                ]
                good += [
                    (1 / (dy**2 + dx**2), y + stride * dy, x + stride * dx)
                    for dy, dx in steps
                    if 0 <= y + stride * dy < ny and 0 <= x + stride * dx < nx
                    and mask[y + stride * dy, x + stride * dx] == 0
                ]  # fmt: skip
                if len(good) >= fewest:
                    break
            if len(good) < fewest:
                continue
            weights = np.array([weight for weight, _, _ in good])
            values = np.array([pixels[place[1:]] for place in good])
            noises = np.array([sigma[place[1:]] for place in good])
            mean = np.average(values, weights=weights)
            n = len(good)
            scatter = np.average((values - mean) ** 2, weights=weights) * n / (n - 1)
            noise = np.average(noises**2, weights=weights)
            changes = scatter - noise if scatter > noise * (1 + 2 * np.sqrt(2 / (n - 1))) else 0.0
            pixels[y, x] = mean
            sigma[y, x] = np.sqrt((weights**2 * noises**2).sum() / weights.sum() ** 2 + changes)
            mask[y, x] |= mended
            count += 1
    return count, pixels, sigma, mask


class TestMending:
    @pytest.mark.parametrize(("reach", "stride", "fewest"), [(1, 1, 3), (2, 1, 5), (2, 2, 4), (1, 1, 6)])
    @pytest.mark.parametrize("step", [0.0, 30.0])
    def test_is_the_mean_of_the_nearest_good_ones(self, reach, stride, fewest, step):
        random = np.random.default_rng(reach + 10 * stride)
        pixels = random.normal(100.0, 3.0, (11, 13))
        pixels[:, 6:] += step
        sigma = random.uniform(2.0, 4.0, pixels.shape)
        mask = random.choice([0, 0, 0, 0, 1, 16, 17, 4], pixels.shape).astype(np.uint8)
        mask[3:8, 2:7] = 1  # some have no good neighbours
        expected = naive_mended(pixels, sigma, mask, 17, 128, reach, stride, fewest)
        count = mend_pixels(pixels, sigma, mask, 17, 128, reach, stride, fewest)
        assert count == expected[0] > 0
        np.testing.assert_allclose(pixels, expected[1], rtol=1e-12)
        np.testing.assert_allclose(sigma, expected[2], rtol=1e-9)
        np.testing.assert_array_equal(mask, expected[3])

    def test_of_a_frame_without_uncertainties(self):
        pixels = np.array([[1.0, 2.0, 3.0], [4.0, 99.0, 6.0], [7.0, 8.0, 9.0]], np.float32)
        mask = np.zeros((3, 3), np.uint8)
        mask[1, 1] = 1
        assert mend_pixels(pixels, np.empty((0, 0), np.float32), mask, 1, 128, 1, 1, 3) == 1
        assert pixels[1, 1] == 5.0
        assert mask[1, 1] == 129


def naive_weighted(values, factors, variances, limits):
    """Return mean, its standard deviation and the number of values of one pixel."""
    scaled = values * factors
    there = np.flatnonzero(np.isfinite(scaled))
    if not there.size:
        return np.nan, np.nan, 0
    centre = np.median(scaled[there])
    level = scaled[there].min() if there.size == 2 else centre
    sigma = np.sqrt(limits.floor_adu**2 + max(level * limits.photon_adu, 0.0))
    if there.size == 2:
        low, high = sorted(there, key=lambda frame: scaled[frame])
        allowed = limits.sigma_high * sigma * np.sqrt(variances[low] + variances[high])
        kept = [low] if scaled[high] - scaled[low] > allowed else [low, high]
    else:
        reach = np.sqrt(variances) * sigma
        kept = [
            frame
            for frame in there
            if -limits.sigma_low * reach[frame] <= scaled[frame] - centre <= limits.sigma_high * reach[frame]
        ]
    if not kept:
        return scaled[there].min(), 0.0, 1
    weights = 1 / variances[kept]
    mean = np.average(scaled[kept], weights=weights)
    variance = np.average((scaled[kept] - mean) ** 2, weights=weights)
    return mean, np.sqrt(variance / len(kept)), len(kept)


class TestWeighted:
    @pytest.mark.parametrize("frames", [2, 3, 6])
    def test_is_the_mean_by_inverse_variances_of_what_the_noise_explains(self, frames):
        random = np.random.default_rng(frames)
        factors, variances = random.uniform(0.8, 1.2, frames), random.uniform(0.5, 4.0, frames)
        sigma = np.sqrt(25.0 + 1000.0 * 0.5)
        stack = (1000.0 + random.normal(0.0, sigma, (frames, 150)) * np.sqrt(variances)[:, None]) / factors[:, None]
        stack[random.random(stack.shape) < 0.1] += 900.0
        stack[random.random(stack.shape) < 0.1] = np.nan
        stack[:, 3] = np.nan
        stack[: frames // 2, 5] = 5000.0
        limits = NO_LIMITS._replace(sigma_low=4.0, sigma_high=3.0, floor_adu=5.0, photon_adu=0.5)
        out, error, counts = np.empty(150), np.empty(150), np.empty(150, np.uint16)
        stack_weighted(stack, factors, variances, sorting_pairs(frames), limits, out, error, counts)
        with np.errstate(invalid="ignore"):
            expected = [naive_weighted(column, factors, variances, limits) for column in stack.T]
        np.testing.assert_array_equal(counts, [each[2] for each in expected])
        np.testing.assert_allclose(out, [each[0] for each in expected], rtol=1e-12)
        np.testing.assert_allclose(error, [each[1] for each in expected], rtol=1e-7, atol=1e-4)
        assert counts.min() == 0
        assert 0 < np.count_nonzero(counts == frames) < 150


class TestPooled:
    @pytest.mark.parametrize(
        "law", [(30.0, 0.7, 10.0, 20.0, 4.0), (30.0, 0.0, 10.0, 30.0, 4.0), (30.0, 0.0, 10.0, 20.0, 0.0)]
    )
    def test_each_pixel_is_looked_up_by_its_scatter(self, law):
        random = np.random.default_rng(4)
        size, most = 150, 5
        data = random.uniform(-50.0, 500.0, size)
        shown = random.uniform(0.0, 30.0, size)
        shown[:3] = 1e5, np.nan, 0.0
        counts = random.integers(0, most + 1, size).astype(np.uint16)
        counts[:3] = 4
        of_count = random.uniform(0.5, 2.0, (3, most + 1))
        law = np.array(law)
        data[7] = np.inf  # the variance is the least there, whatever light adds to it
        places = np.arange(BINS + 1.0)
        tables = np.stack([1.0 + 0.001 * places, 2.0 + 0.002 * places])
        rows = np.array([0, 0, 1, 0, 1, 1], np.int32)
        expected = shown.copy()
        for p in range(size):
            n = counts[p]
            if n == 0:
                continue
            level = max(data[p] * of_count[0, n], law[2])
            with np.errstate(invalid="ignore"):
                variance = np.fmax(law[0] + law[1] * level, law[3])
            relative = np.sqrt(max((shown[p] * of_count[1, n]) ** 2 - law[4], 0.0) / variance)
            if relative < 120.0:
                ratio = np.interp(512.0 * relative / (relative + 8.0), places, tables[rows[n]])
            elif np.isnan(relative):
                ratio = np.nan
            else:
                ratio = tables[rows[n], BINS] * relative / scatter_of_place(np.float64(BINS))
            expected[p] = np.sqrt(variance) * ratio * of_count[2, n]
        with np.errstate(invalid="ignore"):
            pool_uncertainty(data, shown, counts, of_count, law, tables, rows)
        np.testing.assert_allclose(np.delete(shown, 1), np.delete(expected, 1), rtol=1e-12)


class TestErrors:
    @pytest.mark.parametrize("dtype", [np.float32, np.float64])
    def test_squares_are_added_in_float64(self, dtype):
        random = np.random.default_rng(5)
        size, shares = 2100, np.array([0.3, -1.2])  # more than is worked on at once
        sigma, *others = np.abs(random.normal(3.0, 1.0, (3, size))).astype(dtype)
        sigma[:3] = np.nan, np.inf, 1e30
        expected = []
        for own, first, second in zip(sigma.tolist(), *(other.tolist() for other in others), strict=True):
            variance = own * own + shares[0] * (first * first) + shares[1] * (second * second)
            expected.append(np.sqrt(max(variance, 0.0)))
        added = np.empty_like(sigma)
        add_in_quadrature(sigma, tuple(others), shares, added)
        np.testing.assert_array_equal(added, np.array(expected).astype(dtype))
        assert np.count_nonzero(added == 0.0) > 100
        assert np.isnan(added[0])


class TestStrips:
    def test_sums_are_those_of_numpy(self):
        random = np.random.default_rng(6)
        stack = random.normal(1000.0, 4.0, (7, 19)).astype(np.float32)
        stack[2, 3], stack[4, 5], stack[5, :] = np.nan, 1200.0, 2000.0
        centre = random.normal(1000.0, 0.5, 19)
        differences = stack.astype(np.float64) - centre
        inside = np.abs(differences) <= 9.0
        kept = np.where(inside, differences, 0.0)
        sums, counts = np.empty(7), np.empty(7, np.int64)
        column_sums(stack, centre, 9.0, sums, counts)
        np.testing.assert_allclose(sums, kept.sum(axis=1), rtol=1e-12, atol=1e-12)
        np.testing.assert_array_equal(counts, inside.sum(axis=1))
        used = np.array([True, True, True, False, True, True, True])
        sums, squares, counts = np.full((3, 19), 7.0)
        line_sums(stack, centre, 9.0, used, sums, squares, counts)
        np.testing.assert_allclose(sums, kept[used].sum(axis=0), rtol=1e-12, atol=1e-12)
        np.testing.assert_allclose(squares, (kept[used] ** 2).sum(axis=0), rtol=1e-12)
        np.testing.assert_array_equal(counts, inside[used].sum(axis=0))


def test_squares_of_four_pixels():
    pixels = np.random.default_rng(7).normal(10.0, 2.0, (7, 9))
    pixels[0, 0] = pixels[2:4, 2] = pixels[4, 4:6] = pixels[5, 4] = np.nan
    pixels[1, 6] = np.inf
    cells = np.empty((3, 4))
    bin_by_two(pixels, cells)
    for (y, x), found in np.ndenumerate(cells):
        four = pixels[2 * y : 2 * y + 2, 2 * x : 2 * x + 2]
        good = four[np.isfinite(four)]
        np.testing.assert_allclose(found, good.mean() if good.size > 1 else np.nan, rtol=1e-12)
