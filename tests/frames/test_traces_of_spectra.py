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


def turned(values, how):
    return {"as taken": values, "mirrored": values[:, ::-1], "upside down": values[::-1], "turned": values[::-1, ::-1],
            "transposed": values.T}[how]  # fmt: skip


@pytest.mark.parametrize("how", ["as taken", "mirrored", "upside down", "turned", "transposed"])
def test_a_slit_that_lights_a_part_of_the_frame_has_one_verdict_however_it_is_read(how):
    """The lamp's colours run along the slit, beside which there is no light."""
    ny, nx = 1024, 101
    across = np.where((np.arange(nx) >= 31) & (np.arange(nx) < 75), 1.0, 0.0)
    across[[31, 74]] = 0.45, 0.65
    lamp = np.linspace(1.3, 0.8, ny)[:, None] * across * (1.0 - 0.1 * np.abs(np.arange(nx) - 53.0) / 22.0)
    sky = 400.0 * np.linspace(0.8, 1.25, ny)[:, None] * np.ones(nx)
    pixels = turned(sky + np.random.default_rng(3).normal(0, NOISE, (ny, nx)), how).astype(np.float32)
    plane = turned(lamp, how).astype(np.float32)
    flat = divide(plane, np.zeros((0, 0), np.float32), 1.0)
    assert "light_left" not in measure_left(RowSample.of(pixels), pixels, [flat], unlit=plane < 0.1)


@pytest.mark.parametrize("shape", [(200, 400), (203, 405), (207, 399)])
def test_a_mirrored_frame_has_the_same_cells(shape):
    ny, nx = shape
    y, x = np.mgrid[:ny, :nx]
    flat = 1.0 - 0.5 * ((x - 0.3 * nx) / nx) ** 2 - 0.3 * ((y - 0.6 * ny) / ny) ** 2
    pixels = (300.0 * flat + np.random.default_rng(5).normal(0, NOISE, shape)).astype(np.float32)
    found = []
    for how in ("as taken", "mirrored"):
        own, plane = (np.ascontiguousarray(turned(each, how).astype(np.float32)) for each in (pixels, flat))
        said = measure_left(RowSample.of(own), own, [divide(plane, np.zeros((0, 0), np.float32), 1.0)])
        found.append((said["light_left"], said["light_left_error"]))
    assert np.ptp(found, axis=0) == pytest.approx([0.0, 0.0], abs=1e-6)
