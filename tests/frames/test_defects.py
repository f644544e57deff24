"""Hot and bad pixels by kind: single ones, columns and clusters of any width, glow, patterns."""

from __future__ import annotations

import numpy as np
import pytest

from zeroframe.frames.bad_pixels import bad_pixels, even_amplifiers, hot_pixels
from zeroframe.kernels.calibrate import Window

SHAPE = (520, 600)


def vignetted(random, shape=SHAPE, noise=0.01):
    y, x = (np.mgrid[: shape[0], : shape[1]] / np.reshape(shape, (2, 1, 1))) - 0.5
    return (1.0 - 0.6 * (x**2 + y**2)) * (1.0 + noise * random.standard_normal(shape))


def flat_with(defects, seed=1):
    """Return a flat with some regions darker or brighter by a factor, and where they are."""
    flat = vignetted(np.random.default_rng(seed))
    truth = np.zeros(SHAPE, bool)
    for place, factor in defects:
        flat[place] *= factor
        truth[place] = True
    return flat.astype(np.float32), truth


class TestBadPixels:
    @pytest.mark.parametrize("width", [1, 2, 3, 4, 5, 6, 7, 8, 10, 13, 16, 20, 26, 32, 40])
    @pytest.mark.parametrize("factor", [0.0, 0.6, 1.5])
    def test_columns_and_clusters_of_any_width(self, width, factor):
        first = 217 + width % 3
        defects = [(np.s_[:, first : first + width], factor), (np.s_[100 : 100 + width, 401 : 401 + width], factor)]
        flat, truth = flat_with(defects)
        mask = bad_pixels(flat, 10.0, 0.2).mask
        assert mask[truth].mean() > (0.99 if width < 25 else 0.8)
        assert np.count_nonzero(mask & ~truth) <= 0.001 * truth.size

    @pytest.mark.parametrize("width", [4, 6, 9])
    def test_columns_at_the_edge(self, width):
        flat, truth = flat_with([(np.s_[:, :width], 0.5)])
        mask = bad_pixels(flat, 10.0, 0.2).mask
        assert mask[truth].mean() > 0.95
        assert np.count_nonzero(mask & ~truth) <= 0.001 * truth.size

    def test_rows_and_part_of_a_column(self):
        flat, truth = flat_with([(np.s_[300:308], 0.7), (np.s_[50:400, 90:96], 0.4)])
        mask = bad_pixels(flat, 10.0, 0.2).mask
        assert mask[truth].mean() > 0.99
        assert np.count_nonzero(mask & ~truth) <= 0.001 * truth.size

    @pytest.mark.parametrize("shape", [(60, 80), (100, 150), (120, 160), (520, 600), (1000, 50)])
    @pytest.mark.parametrize("slope", [0.1, 0.6])
    def test_a_good_flat_has_none(self, shape, slope):
        y, x = (np.mgrid[: shape[0], : shape[1]] / np.reshape(shape, (2, 1, 1))) - 0.5
        flat = (1.0 - 2 * slope * (x**2 + y**2)) * np.random.default_rng(3).normal(1.0, 0.01, shape)
        assert bad_pixels(flat.astype(np.float32), 10.0, 0.2).count == 0

    @pytest.mark.parametrize("axis", [0, 1])
    def test_rows_that_differ_in_turn_are_a_pattern(self, axis):
        flat = vignetted(np.random.default_rng(4))
        (flat if axis == 0 else flat.T)[::2] *= 1.6
        flat[200, 300] *= 0.4
        flat[:, 70:76] *= 0.5
        mask = bad_pixels(flat.astype(np.float32), 10.0, 0.2).mask
        assert mask[200, 300]
        assert mask[:, 70:76].mean() > 0.99
        assert mask.sum() - 1 - 6 * SHAPE[0] <= 0.001 * mask.size

    @pytest.mark.parametrize("axis", [0, 1])
    def test_the_flat_stays_as_it_is(self, axis):
        """Also where it is a view of other memory, as in a night, and has a pattern along either axis."""
        memory = np.empty(SHAPE[0] * SHAPE[1] + 7, np.float32)
        flat = memory[: SHAPE[0] * SHAPE[1]].reshape(SHAPE)
        flat[:] = vignetted(np.random.default_rng(12))
        (flat if axis == 0 else flat.T)[::2] *= np.float32(1.6)
        before = flat.copy()
        bad_pixels(flat, 10.0, 0.2)
        hot_pixels(flat, 5.0)
        np.testing.assert_array_equal(flat, before)

    def test_orders_of_a_spectrograph_are_no_defects(self):
        y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
        orders = np.exp(-(((y + x * 0.03) % 24 - 12) ** 2) / 2 / 3.5**2) + 0.02
        flat = orders * np.random.default_rng(5).normal(1.0, 0.01, SHAPE)
        assert bad_pixels(flat.astype(np.float32), 10.0, 0.2).mask.mean() < 0.03

    def test_a_slit_ends_where_it_ends(self):
        flat = vignetted(np.random.default_rng(6))
        flat[:120] *= 0.02
        flat[430:] *= 0.02
        assert bad_pixels(flat.astype(np.float32), 10.0, 0.2).mask.mean() < 0.005


class TestHotPixels:
    def dark(self, seed, noise=3.0):
        return 2.0 + noise * np.random.default_rng(seed).standard_normal(SHAPE)

    def test_glow_of_an_amplifier_is_none(self):
        """2 e-/s in the corner, 300 s long, which the dark corrects."""
        random = np.random.default_rng(7)
        y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
        glow = 600.0 * np.exp(-np.hypot(y - SHAPE[0], x - SHAPE[1]) / 80.0)
        dark = self.dark(8) + random.poisson(glow)
        assert (dark > 2.0 + 20 * 3.0).mean() > 0.03  # what stands above the median of all
        dark[500, 570] += 3000.0
        found = hot_pixels(dark.astype(np.float32), 20.0)
        assert found.mask[500, 570]
        assert found.count <= 3

    @pytest.mark.parametrize("axis", [0, 1])
    def test_rows_that_differ_in_turn_are_a_pattern(self, axis):
        dark = self.dark(9)
        (dark if axis == 0 else dark.T)[1::2] += 400.0
        random = np.random.default_rng(10)
        hot = np.zeros(SHAPE, bool)
        hot.flat[random.choice(hot.size, 200, replace=False)] = True
        dark[hot] += random.uniform(100.0, 5000.0, 200)
        found = hot_pixels(dark.astype(np.float32), 20.0)
        np.testing.assert_array_equal(found.mask, hot)

    @pytest.mark.parametrize("width", [1, 3, 4, 6, 10, 18])
    def test_hot_columns_and_clusters_of_any_width(self, width):
        dark = self.dark(11)
        truth = np.zeros(SHAPE, bool)
        for place in (np.s_[100:, 50 : 50 + width], np.s_[30 : 30 + width, 333 : 333 + width]):
            dark[place] += 200.0
            truth[place] = True
        found = hot_pixels(dark.astype(np.float32), 20.0)
        assert found.mask[truth].mean() > 0.99
        assert np.count_nonzero(found.mask & ~truth) == 0


def test_amplifiers_of_other_gains_are_no_defects():
    """A corner that others of far higher gain surround: the same pixels are bad as in a flat of one gain."""
    random = np.random.default_rng(8)
    even = random.normal(1.0, 0.004, (256, 320)) + 0.05 * np.linspace(-1.0, 1.0, 320)
    even[40, 30:33], even[200, 300], even[128, 100:104] = 0.5, 0.3, 0.6
    windows = [Window(y, y + 128, x, x + 80) for y in (0, 128) for x in range(0, 320, 80)]
    flat = even.copy()
    for number, window in enumerate(windows):
        flat[window.y0 : window.y1, window.x0 : window.x1] *= 1.4 if number == 0 else 0.95
    expected = bad_pixels(even, 10.0, 0.2).mask
    assert 8 <= expected.sum() <= 12
    assert bad_pixels(flat, 10.0, 0.2).count > 100  # what the steps alone make of it
    np.testing.assert_array_equal(bad_pixels(even_amplifiers(flat, windows), 10.0, 0.2).mask, expected)
