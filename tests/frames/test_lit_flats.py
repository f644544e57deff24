"""Flats of spectrographs, masks and round fields: what optics draw is light, what stands off it is a defect."""

from __future__ import annotations

import numpy as np
import pytest

from lit_flats import LIGHTS, flat_with_defects
from zeroframe.frames.bad_pixels import bad_pixels

NONE = {"pixels": 0, "columns": 0, "clusters": 0}


def _near(bad, reach=3):
    """Return what lies so near a defect."""
    ny, nx = bad.shape
    padded = np.pad(bad, reach)
    places = [(dy, dx) for dy in range(2 * reach + 1) for dx in range(2 * reach + 1)]
    return np.logical_or.reduce([padded[dy : dy + ny, dx : dx + nx] for dy, dx in places])


@pytest.mark.parametrize("name", LIGHTS)
@pytest.mark.parametrize("electrons", [300.0, 20000.0])
def test_light_is_no_defect(name, electrons):
    """Before, 4 to 16 % of these frames were called bad, and a quarter of some."""
    for seed in range(10, 13):
        flat, _, _ = flat_with_defects(name, seed, electrons=electrons, **NONE)
        assert bad_pixels(flat, 10.0, 0.2).mask.mean() < 1.5e-3, seed


@pytest.mark.parametrize(
    ("name", "most"), [("fibres", 0.95), ("slit", 0.98), ("slitlets", 0.94), ("corners", 0.98), ("field", 0.88)]
)
def test_defects_are_found_where_light_has_lines(name, most):
    """Before, half of those behind fibres and slits; spots of four pixels have no lines that a defect could stand off.

    Of a column that meets the rim of a field what lies near the rim is not told from it.
    """
    found = count = 0
    for seed in range(20, 24):
        flat, bad, lit = flat_with_defects(name, seed)
        mask = bad_pixels(flat, 10.0, 0.2).mask
        found, count = found + np.count_nonzero(mask[bad & lit]), count + np.count_nonzero(bad & lit)
        assert np.mean(mask & ~_near(bad)) < 2e-3, seed
    assert found > most * count


@pytest.mark.long
def test_most_defects_are_found_where_orders_are_narrow():
    found = count = 0
    for seed in range(20, 26):
        flat, bad, lit = flat_with_defects("orders", seed)
        mask = bad_pixels(flat, 10.0, 0.2).mask
        found, count = found + np.count_nonzero(mask[bad & lit]), count + np.count_nonzero(bad & lit)
    assert found > 0.8 * count


@pytest.mark.parametrize("factor", [0.3, 1.8])
def test_a_pixel_in_a_gap_between_fibres_is_held_against_the_gap(factor):
    y = np.arange(120)[:, None]
    profile = np.minimum(1.0, 0.15 + ((y % 24 - 12) / 4.0) ** 2)
    flat = (profile * np.random.default_rng(3).normal(1.0, 0.01, (120, 300))).astype(np.float32)
    flat[60, 100] *= factor
    np.testing.assert_array_equal(np.argwhere(bad_pixels(flat, 10.0, 0.2).mask), [[60, 100]])
