"""Lines of a spectrum are no odd columns, and the colours of a lamp no shape of the sky; what is odd is still told."""

import numpy as np
import pytest

from zeroframe.frames.patterns import RowSample, measure_left
from zeroframe.frames.traces import measure_traces
from zeroframe.kernels.operations import divide

NY, NX, NOISE = 200, 400, 5.0


def spectrum(chance):
    """A sky with lines as wide as a slit makes them, and nothing else."""
    x = np.arange(NX)
    lines = sum(chance.exponential(200) * np.exp(-(((x - at) / 1.8) ** 2) / 2) for at in chance.uniform(10, 390, 25))
    return 150.0 + lines + chance.normal(0, NOISE, (NY, NX))


@pytest.mark.parametrize("seed", range(6))
def test_lines_are_no_odd_columns(seed):
    sky = spectrum(np.random.default_rng(seed))
    assert measure_traces(sky, 150.0, NOISE, "sky")["odd_columns"] == 0


@pytest.mark.parametrize("off", [-40.0, 25.0])
def test_a_column_that_is_odd_is_found_among_them(off):
    chance = np.random.default_rng(9)
    sky = 150.0 + chance.normal(0, NOISE, (NY, NX))
    sky[:, 123] += off
    found = measure_traces(sky, 150.0, NOISE, "sky")
    assert (found["odd_columns"], found["odd_column"]) == (1, 124)


def left(light, flat):
    """Say what of a flat is left in a frame that was divided by it."""
    chance = np.random.default_rng(2)
    pixels = (light + chance.normal(0, NOISE, (NY, NX))).astype(np.float32)
    plane = flat.astype(np.float32)
    return measure_left(RowSample.of(pixels), pixels, [divide(plane, np.zeros((0, 0), np.float32), 1.0)])


def test_the_colours_of_a_lamp_are_no_shape_of_the_sky():
    lamp = np.exp(-(((np.arange(NX) - 260) / 170.0) ** 2)) * np.ones((NY, 1))
    assert "light_left" not in left(300.0 / lamp, lamp)


def test_vignetting_that_is_left_is_told():
    y, x = np.mgrid[:NY, :NX]
    flat = 1.0 - 0.4 * ((x - NX / 2) / NX) ** 2 - 0.4 * ((y - NY / 2) / NY) ** 2
    assert left(300.0 * flat, flat)["light_left"] == pytest.approx(1.0, abs=0.1)
