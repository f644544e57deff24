"""Bias, dark, flat, gain and noise: beside ccdproc 2.5 where that is right, beside a naive oracle where it is not."""

from __future__ import annotations

import logging
import warnings

import numpy as np
import pytest
from astropy import units as u
from astropy.io import fits
from astropy.nddata import CCDData, InverseVariance, StdDevUncertainty, UnknownUncertainty, VarianceUncertainty
from astropy.wcs import WCS

import naive_frames
from zeroframe.errors import ArgumentError, AssumptionWarning, UnitError, UsageError
from zeroframe.verbs.arguments import Keyword
from zeroframe.verbs.calibration import create_deviation, flat_correct, gain_correct, subtract_bias, subtract_dark
from zeroframe.verbs.working_frame import WorkingPlanes

NY, NX = 12, 17
ADU, E = u.adu, u.electron
EXPOSURES = {"data_exposure": 30 * u.s, "dark_exposure": 60 * u.s, "scale": True}
SUBTRACTED = fits.Header({"ZEROCOR": "bias.fits"})


def frame(level, spread, error=None, *, seed=0, dtype=np.float32, unit="adu", kind=StdDevUncertainty, **words):
    rng = np.random.default_rng(seed)
    pixels = rng.normal(level, spread, (NY, NX)).astype(dtype)
    if error is None:
        return CCDData(pixels, unit=unit, **words)
    sigma = rng.uniform(0.5 * error, 1.5 * error, (NY, NX)).astype(dtype)
    power = {StdDevUncertainty: 1, VarianceUncertainty: 2, InverseVariance: -2}[kind]
    return CCDData(pixels, unit=unit, uncertainty=kind(sigma**power), **words)


def peer(function, *args, **words):
    """What ccdproc makes of the same in float64: its own float32 would be the larger error."""
    import ccdproc

    def wide(value):
        if not isinstance(value, CCDData):
            return value
        copy = value.copy()
        copy.data = np.asarray(value.data, dtype=np.float64)
        if copy.uncertainty is not None:
            copy.uncertainty.array = np.asarray(value.uncertainty.array, dtype=np.float64)
        return copy

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        logging.disable(logging.WARNING)
        try:
            return getattr(ccdproc, function)(*map(wide, args), **{name: wide(v) for name, v in words.items()})
        finally:
            logging.disable(logging.NOTSET)


def assert_equal(found, expected, rtol=1e-5):
    np.testing.assert_allclose(found.data, expected.data, rtol=rtol, atol=1e-30)
    assert found.unit == expected.unit
    if expected.uncertainty is None:
        assert found.uncertainty is None
    else:
        assert type(found.uncertainty) is type(expected.uncertainty)
        np.testing.assert_allclose(found.uncertainty.array, expected.uncertainty.array, rtol=rtol)
        assert found.uncertainty.unit == expected.uncertainty.unit
    if expected.mask is None:
        assert found.mask is None
    else:
        np.testing.assert_array_equal(found.mask, expected.mask)


MASK = np.random.default_rng(9).random((NY, NX)) < 0.1
OTHER_MASK = np.random.default_rng(8).random((NY, NX)) < 0.1

CALLS = {
    "bias": (subtract_bias, lambda own, other: ((own, other(1000, 2)), {})),
    "dark": (subtract_dark, lambda own, other: ((own, other(90, 5)), {**EXPOSURES, "scale": False})),
    "dark_scaled": (subtract_dark, lambda own, other: ((own, other(90, 5, meta=SUBTRACTED)), EXPOSURES)),
    "flat": (flat_correct, lambda own, other: ((own, other(2e4, 3e3)), {})),
    "flat_norm": (flat_correct, lambda own, other: ((own, other(2e4, 3e3)), {"norm_value": 1.9e4})),
    "flat_min": (flat_correct, lambda own, other: ((own, other(2e4, 3e3)), {"min_value": 1.8e4})),
    "gain": (gain_correct, lambda own, _: ((own, 1.7 * E / ADU), {})),
    "gain_number": (gain_correct, lambda own, _: ((own, 1.7), {})),
    "gain_of_each_pixel": (
        gain_correct,
        lambda own, _: ((own, np.linspace(1, 2, NY * NX).reshape(NY, NX) * E / ADU), {}),
    ),
    "gain_with_unit": (gain_correct, lambda own, _: ((own, 1.7), {"gain_unit": E / ADU})),
    "noise": (create_deviation, lambda own, _: ((own,), {"gain": 1.7 * E / ADU, "readnoise": 6 * E})),
}
# --- beside ccdproc --------------------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:the frame was exposed:zeroframe.errors.AssumptionWarning")
@pytest.mark.parametrize("errors", ["none", "both", "own", "other"])
@pytest.mark.parametrize("kind", [StdDevUncertainty, VarianceUncertainty, InverseVariance])
@pytest.mark.parametrize("name", CALLS)
def test_equal_to_ccdproc(name, kind, errors):
    if name == "noise" or (errors == "none" and kind is not StdDevUncertainty):
        kind = StdDevUncertainty
    verb, call = CALLS[name]
    own = frame(5000, 50, 10 if errors in {"both", "own"} else None, kind=kind)

    def other(level, spread, **words):
        error = level / 100 if errors in {"both", "other"} else None
        return frame(level, spread, error, seed=1, kind=kind, **words)

    args, words = call(own, other)
    assert_equal(verb(*args, **words), peer(verb.__name__, *args, **words))


@pytest.mark.filterwarnings("ignore:the frame was exposed:zeroframe.errors.AssumptionWarning")
@pytest.mark.parametrize("dtype", [np.uint16, np.int16, np.int32, np.float32, np.float64])
@pytest.mark.parametrize("name", CALLS)
def test_every_type_of_pixel(name, dtype):
    verb, call = CALLS[name]
    own = frame(5000, 50, dtype=dtype)
    args, words = call(own, lambda level, spread, **words: frame(level, spread, seed=1, **words))
    found = verb(*args, **words)
    assert_equal(found, peer(verb.__name__, *args, **words))
    if name == "noise":
        assert found.uncertainty.array.dtype == (np.float64 if dtype is np.float64 else np.float32)
    else:
        assert found.data.dtype == (np.float64 if dtype is np.float64 else np.float32)


@pytest.mark.parametrize("name", ["bias", "dark_scaled", "flat_norm"])
def test_masks_are_joined(name):
    verb, call = CALLS[name]
    own = frame(5000, 50, 10, mask=MASK)
    args, words = call(own, lambda level, spread, **words: frame(level, spread, 1, seed=1, mask=OTHER_MASK, **words))
    found, expected = verb(*args, **words), peer(verb.__name__, *args, **words)
    np.testing.assert_array_equal(found.mask, MASK | OTHER_MASK)
    np.testing.assert_array_equal(found.mask, expected.mask)
    good = ~found.mask
    np.testing.assert_allclose(found.data[good], expected.data[good], rtol=1e-5)
    np.testing.assert_allclose(found.uncertainty.array[good], expected.uncertainty.array[good], rtol=1e-5)


def test_keywords_and_headers_hold_exposures_as_in_ccdproc():
    own = frame(500, 5, meta=fits.Header({"EXPTIME": 30.0}))
    dark = frame(90, 5, seed=1, meta=fits.Header({"EXPTIME": 60.0, "ZEROCOR": "b"}))
    import ccdproc

    expected = peer("subtract_dark", own, dark, exposure_time="EXPTIME", exposure_unit=u.s, scale=True)
    by_keyword = peer("subtract_dark", own, dark, exposure_time=ccdproc.Keyword("EXPTIME", u.s), scale=True)
    assert_equal(by_keyword, expected)
    assert_equal(subtract_dark(own, dark, exposure_time="EXPTIME", exposure_unit=u.s, scale=True), expected)
    assert_equal(subtract_dark(own, dark, None, None, "EXPTIME", u.s, True), expected)
    assert_equal(subtract_dark(own, dark, exposure_time=Keyword("EXPTIME", u.s), scale=True), expected)
    # and what ccdproc asks for: nothing has to be said where the headers know it
    assert_equal(subtract_dark(own, dark, scale=True), expected)
    minutes = subtract_dark(own, dark, data_exposure=0.5, dark_exposure=1, exposure_unit="min", scale=True)
    assert_equal(minutes, expected)


def test_gain_from_a_keyword():
    own = frame(500, 5, 3, meta=fits.Header({"GAIN": 1.7}))
    import ccdproc

    expected = peer("gain_correct", own, ccdproc.Keyword("GAIN", E / ADU))
    assert_equal(gain_correct(own, Keyword("GAIN", E / ADU)), expected)


# --- where ccdproc is wrong: beside the oracle -----------------------------------------------------------------------


def test_unsigned_pixels_do_not_wrap_around():
    """ccdproc subtracts uint16 from uint16 in uint16: 5 - 7 is 65534, but for its oldest version beside numpy 2.0."""
    import ccdproc

    own, bias = CCDData(np.uint16([[5]]), unit=ADU), CCDData(np.uint16([[7]]), unit=ADU)
    assert ccdproc.subtract_bias(own, bias).data.item() in {65534, -2.0}
    assert subtract_bias(own, bias).data.item() == -2.0


def test_the_norm_of_a_flat_looks_at_good_pixels_only():
    """ccdproc takes the mean of all pixels, those that are masked, zero, negative or saturated included."""
    own = frame(500, 5, 3)
    flat = frame(2e4, 300, 100, seed=1, mask=OTHER_MASK)
    flat.data[OTHER_MASK] = 1e6
    flat.data[2, 3], flat.data[4, 5], flat.data[6, 7] = 0.0, -50.0, 1e9
    found = flat_correct(own, flat)
    norm = naive_frames.flat_norm(flat.data, OTHER_MASK)
    data, error, unusable = naive_frames.divide(
        own.data, own.uncertainty.array, flat.data, flat.uncertainty.array, norm
    )
    bad = OTHER_MASK | (unusable > 0)
    np.testing.assert_array_equal(found.mask, bad)
    np.testing.assert_allclose(found.data[~bad], data[~bad], rtol=1e-6)
    np.testing.assert_allclose(found.uncertainty.array[~bad], error[~bad], rtol=1e-6)
    np.testing.assert_array_equal(found.data[bad], own.data[bad])
    np.testing.assert_allclose(found.uncertainty.array[bad], own.uncertainty.array[bad], rtol=1e-6)
    wrong = peer("flat_correct", own, flat)
    assert not np.allclose(wrong.data[~bad], data[~bad], rtol=0.5)


@pytest.mark.parametrize("value", [0.0, -3.0, np.nan, np.inf])
def test_a_flat_that_cannot_be_used_masks_and_leaves_the_pixel(value):
    """ccdproc divides: by zero to inf, by a negative flat to a star of negative light, and masks none of them."""
    own = frame(500, 5, 3)
    flat = frame(2e4, 300, 100, seed=1)
    flat.data[3, 4] = value
    found = flat_correct(own, flat)
    assert np.argwhere(found.mask).tolist() == [[3, 4]]
    assert found.data[3, 4] == own.data[3, 4]
    assert np.isfinite(found.data).all()
    assert np.isfinite(found.uncertainty.array).all()
    # a least value rescues what is below it, as in ccdproc, but not what is no number
    rescued = flat_correct(own, flat, min_value=100.0)
    assert (rescued.mask is None) == (value <= 0)


def test_pixels_that_are_not_finite_are_masked():
    """ccdproc hands NaN on without a mask, and every mean that comes after is NaN."""
    own = frame(500, 5)
    own.data[1, 1] = np.nan
    bias = frame(100, 1, seed=1)
    bias.data[2, 2] = np.inf
    for found in (subtract_bias(own, bias), gain_correct(subtract_bias(own, bias), 2.0)):
        assert np.argwhere(found.mask).tolist() == [[1, 1], [2, 2]]
    assert np.argwhere(flat_correct(own, frame(2e4, 3, seed=2)).mask).tolist() == [[1, 1]]


def test_noise_of_pixels_below_zero_and_of_those_that_are_no_number():
    own = CCDData(np.array([[-20.0, 0.0, 100.0, np.nan]]), unit=ADU)
    words = {"gain": 2 * E / ADU, "readnoise": 6 * E}
    with pytest.warns(AssumptionWarning, match="1 pixels are below zero") as said:
        found = create_deviation(own, **words)
    assert said[0].filename == __file__
    np.testing.assert_array_equal(found.uncertainty.array, peer("create_deviation", own, **words).uncertainty.array)
    kept = create_deviation(own, **words, disregard_nan=True).uncertainty.array
    np.testing.assert_allclose(kept[:, :3], naive_frames.noise(own.data[:, :3], 2.0, 6.0))
    assert kept[0, 3] == 3.0
    # ccdproc promises the read noise in place of every NaN, and leaves it where the pixel itself is NaN
    promised = peer("create_deviation", own, **words, disregard_nan=True).uncertainty.array
    np.testing.assert_array_equal(promised[:, :3], kept[:, :3])
    assert np.isnan(promised[0, 3])


def test_noise_without_gain_says_what_it_takes_for_granted():
    own = CCDData(np.array([[100.0]]), unit=E)
    assert create_deviation(own, readnoise=6 * E).uncertainty.array.item() == pytest.approx(np.sqrt(136))
    with pytest.warns(AssumptionWarning, match="an ADU is taken for an electron"):
        found = create_deviation(CCDData(np.array([[100.0]]), unit=ADU), readnoise=6 * ADU)
    assert found.uncertainty.array.item() == pytest.approx(np.sqrt(136))


@pytest.mark.parametrize("kind", [StdDevUncertainty, VarianceUncertainty, InverseVariance])
def test_the_oracle_of_uncertainties(kind):
    own, dark = frame(500, 5, 3, kind=kind), frame(90, 5, 4, seed=1, meta=SUBTRACTED)
    power = {StdDevUncertainty: 1, VarianceUncertainty: 0.5, InverseVariance: -0.5}[kind]
    sigma = own.uncertainty.array.astype(np.float64) ** power
    data, error = naive_frames.subtract(own.data, sigma, dark.data, dark.uncertainty.array, 0.5)
    found = subtract_dark(own, dark, **EXPOSURES)
    assert type(found.uncertainty) is kind  # the kind of the frame counts where the two differ
    np.testing.assert_allclose(found.data, data, rtol=1e-6)
    np.testing.assert_allclose(found.uncertainty.array.astype(np.float64) ** power, error, rtol=1e-6)


def test_uncertainties_in_a_unit_of_their_own():
    own = CCDData(np.array([[2000.0]]), unit=ADU, uncertainty=StdDevUncertainty([[0.003]], unit="kadu"))
    bias = CCDData(np.array([[1000.0]]), unit=ADU, uncertainty=StdDevUncertainty([[4.0]]))
    assert subtract_bias(own, bias).uncertainty.array.item() == pytest.approx(5.0)


# --- units -----------------------------------------------------------------------------------------------------------


def test_units_are_converted_where_they_can_be():
    found = subtract_bias(CCDData(np.array([[5.0]]), unit="adu"), CCDData(np.array([[0.002]]), unit="kadu"))
    assert found.data.item() == pytest.approx(3.0)
    assert found.unit == ADU


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (
            lambda: subtract_bias(frame(5, 1), frame(1, 1, unit="electron")),
            "image is in adu and the bias in electron",
        ),
        (lambda: subtract_dark(frame(5, 1), frame(1, 1, unit="electron")), "gain_correct"),
        (lambda: gain_correct(frame(5, 1, unit="electron"), 2 * E / ADU), "needs no gain"),
        (lambda: create_deviation(frame(5, 1), gain=2 * E / ADU, readnoise=3 * ADU), "in the unit of the read noise"),
        (lambda: create_deviation(frame(5, 1), readnoise=3 * E), "in the unit of the read noise"),
        (lambda: flat_correct(frame(5, 1), frame(9, 1), norm_value=3 * E), "the flat is in adu"),
        (lambda: subtract_dark(frame(5, 1), frame(1, 1), 3 * u.m, 3 * u.m), "not a time"),
        (lambda: subtract_dark(frame(5, 1), frame(1, 1), 3, 3, exposure_unit="parsnip"), "not a unit"),
    ],
)
def test_units_that_do_not_fit(call, match):
    with pytest.raises(UnitError, match=match):
        call()


def test_gains_of_columns_and_those_that_are_not_known():
    own = frame(5000, 50, 10)
    gains = np.linspace(1.0, 2.0, NX)[None]
    found = gain_correct(own, gains, E / ADU)
    assert_equal(found, gain_correct(own, np.broadcast_to(gains, (NY, NX)) * E / ADU))
    assert found.meta["GAINCOR"] == "of each pixel, median 1.5 electron / adu"
    gains = np.where(np.arange(NX) == 2, np.nan, gains)
    with np.errstate(all="raise"):
        found = gain_correct(own, gains, E / ADU)
    np.testing.assert_array_equal(found.mask, np.broadcast_to(np.arange(NX) == 2, (NY, NX)))


def test_gains_of_pixels_come_in_their_place():
    """Between a bias and a flat that are noted, too: each in electrons, by arithmetic of numpy."""
    own, bias, flat = frame(5000, 50), frame(300, 5, seed=1, unit="electron"), frame(2, 0.1, seed=2)
    gains = np.linspace(1.0, 2.0, NY * NX).reshape(NY, NX)
    found = flat_correct(subtract_bias(gain_correct(own, gains * E / ADU), bias), flat, norm_value=2.0)
    np.testing.assert_allclose(found.data, (own.data * gains - bias.data) / (flat.data / 2.0), rtol=1e-6)
    planes = WorkingPlanes(own)
    planes.subtract(frame(300, 5, seed=1), 1.0, "the bias")
    planes.multiply_by(gains, E)
    planes.multiply(3.0, E)
    expected = (own.data - frame(300, 5, seed=1).data) * gains * 3.0
    np.testing.assert_allclose(planes.result().data, expected, rtol=1e-6)
    np.testing.assert_array_equal(own.data, frame(5000, 50).data)


def test_gain_makes_unit_and_bunit_true():
    own = frame(500, 5, meta=fits.Header({"BUNIT": "adu"}))
    found = gain_correct(own, 2 * E / ADU)
    assert found.unit == E
    assert found.meta["BUNIT"] == "electron"
    assert own.meta["BUNIT"] == "adu"
    assert gain_correct(CCDData(np.ones((1, 1)), unit="adu / s"), 2 * E / ADU).unit == E / u.s


def test_norm_and_gain_as_quantities():
    own, flat = frame(500, 5), frame(2e4, 300, seed=1)
    assert_equal(flat_correct(own, flat, norm_value=19 * u.Unit("kadu")), flat_correct(own, flat, norm_value=1.9e4))


# --- safety ----------------------------------------------------------------------------------------------------------


def test_scaling_up_and_scaling_a_bias_are_said():
    own, dark = frame(500, 5), frame(90, 5, seed=1)
    with pytest.warns(AssumptionWarning) as said:
        subtract_dark(own, dark, data_exposure=120 * u.s, dark_exposure=60 * u.s, scale=True)
    assert ["scaled up to 120 s" in str(said[0].message), "no ZEROCOR" in str(said[1].message)] == [True, True]
    assert {warning.filename for warning in said} == {__file__}
    with pytest.warns(AssumptionWarning, match="no ZEROCOR"):
        subtract_dark(own, dark, **EXPOSURES)
    # nothing is scaled, nothing is said: the exposures are the same
    subtract_dark(own, dark, data_exposure=60.001 * u.s, dark_exposure=60.002 * u.s, scale=True)
    # ccdproc's own word in the header is understood
    subtract_dark(own, peer("subtract_bias", dark, frame(1, 1)), **EXPOSURES)


def test_a_bias_subtracted_twice_is_said_by_a_warning_that_names_itself_an_assumption():
    bias = frame(100, 1)
    with pytest.warns(AssumptionWarning, match="subtracted already") as said:
        subtract_bias(subtract_bias(frame(500, 5), bias), bias)
    assert "Assumption" in said[0].category.__name__


def test_exposures_that_differ_are_said():
    with pytest.warns(AssumptionWarning, match="exposed 30 s and the dark 60 s"):
        subtract_dark(frame(500, 5), frame(90, 5), data_exposure=30 * u.s, dark_exposure=60 * u.s)


@pytest.mark.parametrize("dark_s", [0.0, -1.0, np.nan])
def test_a_dark_without_exposure_cannot_be_scaled(dark_s):
    with pytest.raises(UsageError, match="cannot be scaled"):
        subtract_dark(frame(500, 5), frame(90, 5), dark_s * u.s, 30 * u.s, scale=True)


def test_input_is_never_changed():
    for verb, call in CALLS.values():
        own = frame(5000, 50, 10, mask=MASK, meta=fits.Header({"OBJECT": "M 31"}), dtype=np.float64)
        args, words = call(own, lambda level, spread, **words: frame(level, spread, 1, seed=1, **words))
        before = [value.copy() if isinstance(value, CCDData) else value for value in args]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", AssumptionWarning)
            found = verb(*args, **words)
        found.data[:] = 0
        found.mask[:] = True
        found.uncertainty.array[:] = 0
        found.meta["OBJECT"] = "else"
        for value, was in zip(args, before, strict=True):
            if isinstance(value, CCDData):
                np.testing.assert_array_equal(value.data, was.data)
                np.testing.assert_array_equal(value.uncertainty.array, was.uncertainty.array)
                assert (value.mask is None) == (was.mask is None)
                assert value.mask is None or (value.mask == was.mask).all()
                assert value.meta == was.meta


def test_steps_at_once_give_the_bits_of_one_verb_after_the_other_rounded_once():
    own, bias, dark, flat = frame(5000, 50, 10), frame(1000, 2, 1, seed=1), frame(9, 3, 1, seed=2), frame(2e4, 300, 99)
    dark.meta["ZEROCOR"] = "bias.fits"
    wide = own.copy()
    wide.data, wide.uncertainty.array = own.data.astype(np.float64), own.uncertainty.array.astype(np.float64)
    one = flat_correct(subtract_dark(subtract_bias(wide, bias), dark), flat, norm_value=2e4)
    assert one.data.dtype == one.uncertainty.array.dtype == np.float64
    planes = WorkingPlanes(own)
    planes.subtract(bias, 1.0, "the bias")
    planes.subtract(dark, 1.0, "the dark")
    planes.divide(flat, lowest=-np.inf, norm=2e4)
    two = planes.result()
    np.testing.assert_array_equal(one.data.astype(np.float32), two.data)
    np.testing.assert_array_equal(one.uncertainty.array.astype(np.float32), two.uncertainty.array)


def test_steps_in_an_order_that_is_not_that_of_a_night():
    own, bias, dark, flat = frame(5000, 50, 10), frame(1000, 2, 1, seed=1), frame(9, 3, 1, seed=2), frame(2e4, 300, 99)
    planes = WorkingPlanes(own)
    planes.divide(flat, lowest=-np.inf, norm=2e4)
    planes.multiply(2.0, ADU)
    planes.subtract(bias, 1.0, "the bias")
    planes.subtract(dark, 3.0, "the dark")
    planes.subtract(bias, 0.5, "the bias")
    planes.divide(flat, lowest=-np.inf, norm=1e4)
    planes.divide(flat, lowest=-np.inf, norm=1e4)
    found = planes.result()
    data, error, _ = naive_frames.divide(own.data, own.uncertainty.array, flat.data, flat.uncertainty.array, 2e4)
    data, error = naive_frames.subtract(2 * data, 2 * error, bias.data, bias.uncertainty.array)
    data, error = naive_frames.subtract(data, error, dark.data, dark.uncertainty.array, 3.0)
    data, error = naive_frames.subtract(data, error, bias.data, bias.uncertainty.array, 0.5)
    for _ in range(2):
        data, error, _ = naive_frames.divide(data, error, flat.data, flat.uncertainty.array, 1e4)
    np.testing.assert_allclose(found.data, data, rtol=1e-6)
    np.testing.assert_allclose(found.uncertainty.array, error, rtol=1e-6)
    planes = WorkingPlanes(own)
    planes.subtract(bias, 1.0, "the bias")
    planes.set_noise(2.0, 6.0, negative_is_zero=True)
    planes.multiply(3.0, ADU)
    noise = naive_frames.noise(own.data - bias.data, 2.0, 6.0)
    np.testing.assert_allclose(planes.result().uncertainty.array, 3.0 * noise, rtol=1e-6)


# --- headers ---------------------------------------------------------------------------------------------------------


def test_headers_say_what_was_done_and_with_what():
    own = frame(5000, 50, meta=fits.Header({"OBJECT": "M 31"}))
    bias = frame(1000, 1, meta=fits.Header({"NCOMBINE": 25}))
    dark = frame(9, 1, meta=fits.Header({"FILENAME": "dark_60s.fits", "ZEROCOR": "x"}))
    flat = frame(2e4, 0, meta=fits.Header())
    found = gain_correct(flat_correct(subtract_dark(subtract_bias(own, bias), dark, **EXPOSURES), flat), 1.5 * E / ADU)
    words = {word: found.meta[word] for word in ("OBJECT", "ZEROCOR", "DARKCOR", "FLATCOR", "GAINCOR")}
    assert words == {
        "OBJECT": "M 31",
        "ZEROCOR": "combined from 25 frames",
        "DARKCOR": "dark_60s.fits x 0.5",
        "FLATCOR": "a frame in memory / 20000",
        "GAINCOR": "1.5 electron / adu",
    }
    assert not any(word in own.meta for word in ("ZEROCOR", "GAINCOR"))


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.filterwarnings("ignore:the frame was exposed:zeroframe.errors.AssumptionWarning")
def test_add_keyword_as_in_the_other_verbs(name):
    verb, call = CALLS[name]
    args, words = call(frame(5000, 50), lambda level, spread, **words: frame(level, spread, seed=1, **words))
    before = dict(args[0].meta)
    assert dict(verb(*args, **words, add_keyword=False).meta) == before
    assert dict(verb(*args, **words, add_keyword={"STEP": 3}).meta) == {**before, "STEP": 3}
    assert len(verb(*args, **words).meta) == len(before) + 1


def test_world_coordinates_and_counts_stay():
    own = frame(5000, 50, wcs=WCS(naxis=2))
    own.flags = np.full((NY, NX), 3, np.uint16)
    found = subtract_bias(own, frame(1000, 1))
    assert found.wcs is not own.wcs
    np.testing.assert_array_equal(found.wcs.wcs.crpix, own.wcs.wcs.crpix)
    np.testing.assert_array_equal(found.flags, own.flags)


# --- mistakes --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda: subtract_bias(np.ones((2, 2)), frame(1, 1)), "wrap it"),
        (lambda: subtract_bias(frame(1, 1), master="bias.fits"), "master must be a CCDData"),
        (lambda: subtract_bias(frame(1, 1), mastr=frame(1, 1)), "did you mean 'master'"),
        (lambda: subtract_dark(frame(1, 1)), "master must be a CCDData"),
        (lambda: subtract_dark(frame(1, 1), frame(1, 1), darkexposure=3), "did you mean 'dark_exposure'"),
        (lambda: subtract_dark(frame(1, 1), frame(1, 1), scale=True), "headers do not hold both"),
        (lambda: subtract_dark(frame(1, 1), frame(1, 1), data_exposure=3 * u.s), "give both"),
        (lambda: subtract_dark(frame(1, 1), frame(1, 1), 3, 3), "with its unit"),
        (lambda: subtract_dark(frame(1, 1), frame(1, 1), 3 * u.s, 3 * u.s, "EXPTIME"), "not both"),
        (lambda: subtract_dark(frame(1, 1), frame(1, 1), exposure_time="EXPTIME"), "exposure_unit=u.second"),
        (lambda: flat_correct(frame(1, 1), frame(1, 1), norm_val=3), "did you mean 'norm_value'"),
        (lambda: flat_correct(frame(1, 1), frame(1, 1), min_value="a"), "must be a number"),
        (lambda: gain_correct(frame(1, 1), "2"), "one quantity"),
        (lambda: create_deviation(frame(1, 1), readnoise=5), "5 \\* u.electron"),
        (lambda: create_deviation(frame(1, 1), gain=2, readnoise=5 * E), "gain is 2"),
        (lambda: create_deviation(frame(1, 1), readnose=5 * E), "did you mean 'readnoise'"),
    ],
)
def test_arguments_of_the_wrong_type(call, match):
    with pytest.raises(ArgumentError, match=match) as error:
        call()
    assert isinstance(error.value, TypeError)


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda: subtract_bias(frame(1, 1), frame(1, 1)[:5]), r"bias has shape \(5, 17\).*trim both"),
        (lambda: flat_correct(frame(1, 1), frame(1, 1)[:5]), "flat has shape"),
        (lambda: flat_correct(frame(1, 1), frame(1, 1), norm_value=0), "above zero"),
        (lambda: flat_correct(frame(1, 1), frame(-5, 1)), "no pixel above zero"),
        (lambda: gain_correct(frame(1, 1), -2 * E / ADU), "above zero"),
        (lambda: gain_correct(frame(1, 1), [1, 2] * E / ADU), "one gain, or one for each pixel"),
        (lambda: gain_correct(frame(1, 1), np.zeros(frame(1, 1).shape) * E / ADU), "gains are not above zero"),
        (lambda: create_deviation(frame(1, 1), gain=0 * E / ADU, readnoise=5 * E), "must be above zero"),
        (lambda: create_deviation(frame(1, 1), gain=1 * E / ADU, readnoise=-5 * E), "not below"),
        (
            lambda: subtract_dark(frame(1, 1), frame(1, 1), exposure_time="EXPTIM", exposure_unit="s"),
            "no card EXPTIM",
        ),
    ],
)
def test_values_that_cannot_be_used(call, match):
    with pytest.raises(UsageError, match=match):
        call()


def test_an_uncertainty_that_says_nothing_is_refused():
    own = CCDData(np.ones((NY, NX)), unit=ADU, uncertainty=UnknownUncertainty(np.ones((NY, NX))))
    with pytest.raises(UsageError, match="UnknownUncertainty, which cannot be carried through"):
        subtract_bias(own, frame(1, 1))


def test_keyword():
    assert Keyword("GAIN", value=2 * E / ADU).unit == E / ADU
    assert Keyword("FILTER", value="R").value == "R"
    assert Keyword("EXPTIME", "s", 3).value == 3 * u.s
    with pytest.raises(UsageError, match="has no unit"):
        Keyword("EXPTIME", value=3)
    with pytest.raises(UsageError, match="cannot be the text"):
        Keyword("EXPTIME", u.s).value_from({"EXPTIME": "long"})
    with pytest.raises(UsageError, match="did you mean 'EXPTIME'"):
        Keyword("EXPTIM", u.s).value_from({"EXPTIME": 3})
    with pytest.raises(ArgumentError, match="must be a number"):
        Keyword("EXPTIME", u.s, value=[3])
