"""ccd_process: all steps at once, beside ccdproc 2.5 and beside the single verbs."""

from __future__ import annotations

import numpy as np
import pytest
from astropy import units as u
from astropy.io import fits
from astropy.modeling.models import Polynomial1D
from astropy.nddata import CCDData, StdDevUncertainty
from test_calibration import assert_equal, peer

import naive_frames
from zeroframe.errors import ArgumentError, AssumptionWarning, UnitError, UsageError
from zeroframe.verbs.calibration import create_deviation, flat_correct, gain_correct, subtract_bias, subtract_dark
from zeroframe.verbs.overscan import subtract_overscan, trim_image
from zeroframe.verbs.process import ccd_process

NY, NX = 20, 24
TRIMMED = (NY, 20)
GAIN, NOISE = 1.6 * u.electron / u.adu, 5 * u.electron


def raw(dtype=np.uint16):
    pixels = np.random.default_rng(0).normal(3000, 40, (NY, NX))
    pixels[:, 20:] = np.random.default_rng(1).normal(900, 3, (NY, 4))
    return CCDData(pixels.astype(dtype), unit="adu", meta=fits.Header({"OBJECT": "M 31", "EXPTIME": 30.0}))


def combined(level, spread, unit="adu", *, seed, **cards):
    rng = np.random.default_rng(seed)
    return CCDData(
        rng.normal(level, spread, TRIMMED).astype(np.float32),
        unit=unit,
        uncertainty=StdDevUncertainty(rng.uniform(0.5, 1.5, TRIMMED).astype(np.float32) * level / 500),
        meta=fits.Header(cards),
    )


def masters(unit="adu"):
    return {
        "master_bias": combined(100, 1, unit, seed=2),
        "dark_frame": combined(40, 2, unit, seed=3, EXPTIME=60.0, ZEROCOR="bias"),
        "master_flat": combined(2e4, 900, unit, seed=4),
        "exposure_key": "EXPTIME",
        "exposure_unit": u.s,
    }


CALLS = {
    "nothing": {},
    "section": {"oscan": "[21:24,:]", "trim": "[1:20,:]"},
    "mean": {"oscan": "[21:24,:]", "trim": "[1:20,:]", "oscan_median": False},
    "model": {"oscan": "[21:24,:]", "trim": "[1:20,:]", "oscan_model": Polynomial1D(2)},
    "gain": {"oscan": "[21:24,:]", "trim": "[1:20,:]", "gain": GAIN},
    "error": {"oscan": "[21:24,:]", "trim": "[1:20,:]", "gain": GAIN, "readnoise": NOISE, "error": True},
    "in_electrons": {
        "oscan": "[21:24,:]",
        "trim": "[1:20,:]",
        "gain": GAIN,
        "readnoise": NOISE,
        "error": True,
        **masters("electron"),
        "dark_scale": True,
    },
    "in_adu": {
        "oscan": "[21:24,:]",
        "trim": "[1:20,:]",
        "gain": GAIN,
        "readnoise": NOISE,
        "error": True,
        **masters(),
        "dark_scale": True,
        "gain_corrected": False,
    },
    "flat_only": {"trim": "[1:20,:]", "master_flat": masters()["master_flat"], "min_value": 1.9e4},
    "mask": {"bad_pixel_mask": np.random.default_rng(5).random((NY, NX)) < 0.1},
}


@pytest.mark.parametrize("dtype", [np.uint16, np.float32, np.float64])
@pytest.mark.parametrize("name", CALLS)
def test_equal_to_ccdproc(name, dtype):
    found, expected = ccd_process(raw(dtype), **CALLS[name]), peer("ccd_process", raw(dtype), **CALLS[name])
    assert_equal(found, expected)


def test_the_overscan_as_a_slice():
    ccd = raw(np.float64)
    assert_equal(ccd_process(ccd, oscan=ccd[:, 20:]), ccd_process(ccd, oscan="[21:24,:]"))


def test_the_bits_of_the_verbs_one_by_one_rounded_once():
    ccd, used = raw(), masters("electron")
    one = trim_image(subtract_overscan(ccd, fits_section="[21:24,:]", median=True), "[1:20,:]")
    one.data = one.data.astype(np.float64)
    one = gain_correct(create_deviation(one, gain=GAIN, readnoise=NOISE, disregard_nan=True), GAIN)
    one = subtract_dark(
        subtract_bias(one, used["master_bias"]),
        used["dark_frame"],
        exposure_time="EXPTIME",
        exposure_unit="s",
        scale=True,
    )
    one = flat_correct(one, used["master_flat"])
    all_at_once = ccd_process(ccd, **CALLS["in_electrons"])
    assert all_at_once.data.dtype == np.float32
    np.testing.assert_array_equal(all_at_once.data, one.data.astype(np.float32))
    np.testing.assert_array_equal(all_at_once.uncertainty.array, one.uncertainty.array.astype(np.float32))
    assert dict(all_at_once.meta) == dict(one.meta)


def test_input_is_never_changed():
    ccd, words = raw(np.float32), {**masters(), "bad_pixel_mask": np.zeros(TRIMMED, bool), "dark_scale": True}
    ccd.mask = np.zeros((NY, NX), bool)
    ccd.uncertainty = StdDevUncertainty(np.ones((NY, NX), np.float32))
    before = ccd.copy()
    kept = {name: value.copy() for name, value in words.items() if isinstance(value, CCDData)}
    found = ccd_process(ccd, trim="[1:20,:]", **words)
    found.data[:] = 0
    found.mask[:] = True
    found.uncertainty.array[:] = 0
    np.testing.assert_array_equal(ccd.data, before.data)
    assert not ccd.mask.any()
    assert (ccd.uncertainty.array == 1).all()
    assert ccd.meta == before.meta
    assert not words["bad_pixel_mask"].any()
    for name, value in kept.items():
        np.testing.assert_array_equal(words[name].data, value.data)
        assert words[name].meta == value.meta


def test_nothing_to_do_is_a_copy():
    ccd = raw()
    found = ccd_process(ccd)
    assert found.data.dtype == np.uint16
    assert not np.shares_memory(found.data, ccd.data)
    assert found.meta == ccd.meta
    assert found.meta is not ccd.meta


def test_the_mask_of_bad_pixels_is_joined_to_that_of_the_frame():
    """ccdproc puts it in place of the frame's own mask, so that saturated pixels come back to life."""
    ccd = raw()
    ccd.mask = np.zeros((NY, NX), bool)
    ccd.mask[1, 1] = True
    bad = np.zeros((NY, NX), bool)
    bad[2, 2] = True
    assert np.argwhere(ccd_process(ccd, bad_pixel_mask=bad).mask).tolist() == [[1, 1], [2, 2]]
    assert np.argwhere(peer("ccd_process", ccd, bad_pixel_mask=bad).mask).tolist() == [[2, 2]]


def test_pixels_below_zero_get_the_read_noise():
    """In ccdproc half of the pixels of a bias have NaN as their uncertainty."""
    ccd = CCDData(np.array([[-3.0, 10.0]]), unit="adu")
    words = {"error": True, "gain": GAIN, "readnoise": NOISE}
    np.testing.assert_allclose(ccd_process(ccd, **words).uncertainty.array, [[5.0, np.sqrt(16 + 25)]])
    assert np.isnan(peer("ccd_process", ccd, **words).uncertainty.array[0, 0])


def test_a_level_that_is_no_light_is_said_and_a_pedestal_takes_it_away():
    """ccdproc counts the level of a bias as light: 1000 ADU of it add 16 ADU of noise to every pixel."""
    rng = np.random.default_rng(6)
    light = CCDData(rng.normal(1010, 9, TRIMMED).astype(np.float32), unit="adu")
    bias = CCDData(rng.normal(1000, 3, TRIMMED).astype(np.float32), unit="adu")
    words = {"error": True, "gain": GAIN, "readnoise": NOISE, "gain_corrected": False, "master_bias": bias}
    with pytest.warns(AssumptionWarning, match="counted as light") as said:
        ccd_process(light, **words)
    assert said[0].filename == __file__
    found = ccd_process(light, **words, pedestal=bias)
    expected = naive_frames.noise(light.data.astype(np.float64) - bias.data, 1.6, 5.0)
    np.testing.assert_allclose(found.uncertainty.array, 1.6 * expected, rtol=1e-6)
    alone = create_deviation(light, gain=GAIN, readnoise=NOISE, disregard_nan=True, pedestal=bias)
    np.testing.assert_allclose(alone.uncertainty.array, expected, rtol=1e-6)
    np.testing.assert_array_equal(alone.data, light.data)
    below = int(np.sum(light.data < bias.data))
    assert below
    with pytest.warns(AssumptionWarning, match=f"{below} pixels are below zero"):
        nan = create_deviation(light, gain=GAIN, readnoise=NOISE, pedestal=bias).uncertainty.array
    np.testing.assert_array_equal(np.isnan(nan), light.data < bias.data)
    with pytest.raises(UnitError, match="pedestal in electron"):
        ccd_process(light, **words, pedestal=CCDData(bias.data, unit="electron"))
    with pytest.raises(ArgumentError, match="pedestal must be a CCDData"):
        ccd_process(light, **words, pedestal=3)


def test_headers_and_add_keyword():
    found = ccd_process(raw(), **CALLS["in_electrons"])
    done = {"OVERSCAN", "TRIM", "NOISEMOD", "GAINCOR", "ZEROCOR", "DARKCOR", "FLATCOR"}
    assert done <= set(found.meta)
    silent = ccd_process(raw(), **CALLS["in_electrons"], add_keyword=False)
    assert not done & set(silent.meta)
    assert ccd_process(raw(), gain=GAIN, add_keyword={"DONE": "all"}).meta["DONE"] == "all"


def test_a_dark_that_holds_its_bias_is_said_here_too():
    words = CALLS["in_adu"] | {"dark_frame": combined(40, 2, seed=3, EXPTIME=60.0)}
    with pytest.warns(AssumptionWarning, match="no ZEROCOR") as said:
        ccd_process(raw(), **words)
    assert said[0].filename == __file__


@pytest.mark.parametrize(
    ("words", "error", "match"),
    [
        ({"oscan": 3}, ArgumentError, "oscan must be"),
        ({"trim": 3}, ArgumentError, "trim must be"),
        ({"error": True}, UsageError, "needs gain and readnoise"),
        ({"error": True, "gain": GAIN}, UsageError, "needs gain and readnoise"),
        ({"gain": "2"}, ArgumentError, "one quantity"),
        ({"bad_pixel_mask": 3}, ArgumentError, "must be an array"),
        ({"bad_pixel_mask": np.zeros((2, 2), bool)}, UsageError, r"mask has shape \(2, 2\)"),
        ({"master_bias": 3}, ArgumentError, "must be a CCDData"),
        ({"dark_frame": 3}, ArgumentError, "must be a CCDData"),
        ({"master_flat": 3}, ArgumentError, "flat must be a CCDData"),
        ({"masterflat": 3}, ArgumentError, "did you mean 'master_flat'"),
        (
            {"trim": "[1:20,:]", "gain": GAIN, "master_bias": combined(1, 1, seed=1)},
            UnitError,
            "in electron and the bias",
        ),
        ({"master_bias": combined(1, 1, seed=1)}, UsageError, "trim both"),
    ],
)
def test_mistakes(words, error, match):
    with pytest.raises(error, match=match):
        ccd_process(raw(), **words)
