"""Variances of single pixels by their neighbours, of strips whose noise is known."""

from __future__ import annotations

import numpy as np
import pytest

from zeroframe.inspection.profiles import neighbour_variances


@pytest.mark.parametrize("lines", [100, 900, 4128])
@pytest.mark.parametrize("noise", [0.3, 4.0])
def test_are_those_of_the_noise_however_tall_the_strip(lines, noise):
    view = np.random.default_rng(lines).normal(1000.0, noise, (lines, 24))
    assert neighbour_variances(view).mean() == pytest.approx(noise**2, rel=0.15)


@pytest.mark.parametrize("step", [1, 4, 16])
@pytest.mark.parametrize("lines", [100, 4128])
def test_are_no_less_than_those_of_rounding(step, lines):
    """Of a noise far below the step all pixels are alike, but for some that say what the step is."""
    view = np.full((lines, 24), 1000.0)
    view[:: lines // 50, ::5] += step
    np.testing.assert_allclose(neighbour_variances(view)[1], step**2 / 12.0, rtol=1e-9)
