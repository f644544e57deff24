"""Mean and standard deviation without outliers, against plain numpy; arrays are small enough for uncompiled kernels."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from zeroframe.kernels.moments import clipped_mean_std, level_rows

CUT = 5.0


def naive(values, center, spread, cut):
    """Cut again and again, as the docstring says, in float64."""
    values = values.astype(np.float64)
    low, high, before = center - cut * spread, center + cut * spread, -1
    for _ in range(50):
        with np.errstate(invalid="ignore"):
            kept = values[(values >= low) & (values <= high)]
        if kept.size == 0:
            return 0, np.nan, np.nan
        mean, std = kept.mean(), kept.std()
        if kept.size == before:
            break
        before = kept.size
        low, high = mean - cut * std, mean + cut * std
    return kept.size, mean, std


def guess(values):
    valid = values[np.isfinite(values)]
    center = float(np.median(valid)) if valid.size else 0.0
    return center, 1.4826 * float(np.median(np.abs(valid - center))) if valid.size else 1.0


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("level", [0.0, 1000.0, -3e4])
def test_outliers_and_what_is_not_finite_take_no_part(dtype, level):
    values = np.random.default_rng(1).normal(level, 4.0, 600).astype(dtype)
    clean = values.copy()
    values[::50] = level + 5000
    values[1::50], values[2::50], values[3::50] = np.nan, np.inf, -np.inf
    expected = np.delete(clean, np.r_[0:600:50, 1:600:50, 2:600:50, 3:600:50])
    count, mean, std = clipped_mean_std(values, *guess(values), CUT, 0.0)
    assert count == expected.size
    assert mean == pytest.approx(expected.astype(np.float64).mean(), abs=1e-9 * max(abs(level), 1))
    assert std == pytest.approx(expected.astype(np.float64).std(), rel=1e-9)


@settings(max_examples=60, deadline=None)
@given(arrays(np.float64, st.integers(1, 30), elements=st.integers(-1000, 1000).map(float)), st.floats(2.0, 6.0))
def test_against_numpy(values, cut):
    center, spread = guess(values)
    # a value at the very edge of the cut may fall on either side of it
    found = clipped_mean_std(values, center, spread + 0.123, cut + 0.0123, 0.0)
    assert found == pytest.approx(naive(values, center, spread + 0.123, cut + 0.0123), rel=1e-9, abs=1e-6)


def test_nothing_is_left():
    for values in (np.array([]), np.full(5, np.nan), np.array([np.inf, -np.inf])):
        count, mean, std = clipped_mean_std(values, 0.0, 1.0, CUT, 0.0)
        assert count == 0
        assert np.isnan([mean, std]).all()
    assert clipped_mean_std(np.array([10.0, 20.0]), 0.0, 1.0, CUT, 0.0)[0] == 0


def test_what_is_all_alike_has_no_spread():
    assert clipped_mean_std(np.full(9, 7.0, np.float32), 7.0, 0.0, CUT, 0.0) == (9, 7.0, 0.0)


def test_rows_lose_their_level_in_place():
    random = np.random.default_rng(2)
    values = random.normal(0.0, 4.0, (5, 80)) + np.arange(5)[:, None] * 3.0
    values[1, 7], values[2] = 9000.0, np.nan
    before = values.copy()
    level_rows(values, 6.0, 5.0, CUT, 0.0)
    for row, original in zip(values[[0, 1, 3, 4]], before[[0, 1, 3, 4]], strict=True):
        np.testing.assert_allclose(row, original - naive(original, 6.0, 5.0, CUT)[1], atol=1e-9)
    assert np.isnan(values[2]).all()
    assert values[1, 7] > 8900
