"""Medians, quantiles and distinct values without numpy.ma are those of numpy."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from zeroframe.frames.medians import (
    distinct_of_valid,
    median_of_known,
    median_of_valid,
    medians_of_rows,
    quantiles_of_valid,
)

SHARES = (0.0, 0.001, 0.1, 0.25, 0.5, 0.77, 0.999, 1.0)


@pytest.mark.parametrize("count", [1, 2, 3, 7, 100, 3001])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("whole", [False, True])
def test_as_numpy_has_them(count: int, dtype: type, whole: bool) -> None:
    values = np.random.default_rng(count).normal(100.0, 30.0, count).astype(dtype)
    values = np.rint(values) if whole else values
    assert median_of_valid(values) == np.median(values)
    found = quantiles_of_valid(values, SHARES)
    np.testing.assert_array_equal(found, np.quantile(values, SHARES))
    assert found.dtype == np.float64
    for share in SHARES:  # of one share in float32 the last bit depends on numpy's version
        one = quantiles_of_valid(values, share)
        np.testing.assert_allclose(one, np.quantile(values, share), rtol=3e-7 if dtype is np.float32 else 0.0)
        assert one.dtype == dtype
    for own, theirs in zip(distinct_of_valid(values), np.unique(values, return_counts=True), strict=True):
        np.testing.assert_array_equal(own, theirs)


@pytest.mark.parametrize("axis", [0, 1, 2, -1])
@pytest.mark.parametrize("dtype", [np.uint16, np.float32, np.float64])
@pytest.mark.parametrize("shape", [(4, 5, 6), (5, 6, 7), (1, 2, 3)])
def test_along_each_axis(axis: int, dtype: type, shape: tuple[int, ...]) -> None:
    values = np.rint(np.random.default_rng(9).normal(100.0, 30.0, shape)).clip(0).astype(dtype)
    found, true = median_of_valid(values, axis), np.median(values, axis=axis)
    np.testing.assert_array_equal(found, true)
    assert found.dtype == true.dtype


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_medians_of_rows_without_what_is_missing(dtype: type) -> None:
    random = np.random.default_rng(3)
    values = np.rint(random.normal(100.0, 30.0, (40, 11))).astype(dtype)
    values[random.random(values.shape) < np.linspace(0, 0.95, 40)[:, np.newaxis]] = np.nan
    values[:, 0], values[-1] = 100.0, np.nan
    found = medians_of_rows(values)
    np.testing.assert_array_equal(found[:-1], [np.median(row[~np.isnan(row)]) for row in values[:-1]])
    assert np.isnan(found[-1])


@pytest.mark.parametrize("dtype", [np.uint16, np.float32, np.float64])
@pytest.mark.parametrize("missing", [0, 1, 7, 34])
def test_median_of_what_is_known(dtype: type, missing: int) -> None:
    values = np.rint(np.random.default_rng(missing).normal(100.0, 9.0, (5, 7))).astype(dtype)
    if dtype is not np.uint16:
        values.flat[:missing] = np.nan
        values.flat[-1] = np.inf
    found, true = median_of_known(values), np.nanmedian(values)
    assert found == true
    assert found.dtype == true.dtype
    assert np.isnan(median_of_known(np.full((2, 2), np.nan)))


def test_distinct_values_of_nothing() -> None:
    assert [each.size for each in distinct_of_valid(np.empty(0))] == [0, 0]


def test_numpy_ma_is_not_imported() -> None:
    code = (
        "import sys, numpy as np; from zeroframe.frames import medians as m; v = np.arange(9.0);"
        "m.quantiles_of_valid(v, 0.3), m.distinct_of_valid(v), m.median_of_valid(v), m.median_of_known(v);"
        "print('numpy.ma' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"
