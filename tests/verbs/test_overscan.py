"""subtract_overscan against ccdproc 2.5, and levels against the naive oracle."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from astropy.io import fits
from astropy.modeling.models import Chebyshev1D, Gaussian1D, Polynomial1D
from astropy.nddata import CCDData, StdDevUncertainty

import naive
from zeroframe.errors import ArgumentError, AssumptionWarning, SectionError, UsageError
from zeroframe.frames.overscan import OverscanSpec, collapse_axis, frame_levels, strip_curve
from zeroframe.frames.strip_levels import line_levels
from zeroframe.headers.sections import Section
from zeroframe.kernels.raw import Part, calibrate_swapped16
from zeroframe.verbs.overscan import subtract_overscan, trim_image

NY, NX = 40, 60


def strip_levels(strip, **words):
    return strip_curve(strip, **words).level_adu


def frame_planes(*arguments):
    levels = frame_levels(*arguments)
    return levels.row_adu, levels.column_adu


def raw_frame(dtype=np.uint16, seed=0):
    """A bias that drifts along rows and columns, like the notebook's: overscan on the right and on top."""
    rng = np.random.default_rng(seed)
    level = 1000 + 0.3 * np.arange(NY)[:, None] + 0.1 * np.arange(NX)[None, :]
    pixels = rng.normal(level, 4.0)
    return CCDData(np.round(pixels).astype(dtype), unit="adu", meta=fits.Header({"OBJECT": "bias"}))


def peer(function, *args, **words):
    import ccdproc

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return getattr(ccdproc, function)(*args, **words)


def assert_float32_rounding(found, expected):
    assert found.data.dtype == np.float32
    np.testing.assert_allclose(found.data, np.asarray(expected.data, np.float64), rtol=6e-8, atol=1e-30)
    assert found.unit == expected.unit


# --- beside ccdproc --------------------------------------------------------------------------------------------------

CALLS = {
    "median": {"fits_section": "[51:60, :]", "median": True},
    "mean": {"fits_section": "[51:60, :]"},
    "odd": {"fits_section": "[52:60,1:40]", "median": True},
    "columns": {"fits_section": "[:, 31:40]", "overscan_axis": 0, "median": True},
    "shorter_side": {"fits_section": "[51:60, :]", "overscan_axis": None, "median": True},
    "shorter_side_on_top": {"fits_section": "[:, 31:40]", "overscan_axis": None},
    "polynomial": {"fits_section": "[51:60, :]", "median": True, "model": Polynomial1D(2)},
    "chebyshev": {"fits_section": "[51:60, :]", "model": Chebyshev1D(3)},
    "columns_fitted": {"fits_section": "[:, 31:40]", "overscan_axis": 0, "model": Polynomial1D(1)},
}


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("dtype", [np.uint16, np.int16, np.float32])
def test_equal_to_ccdproc(name, dtype):
    ccd = raw_frame(dtype)
    found = subtract_overscan(ccd, **CALLS[name])
    # ccdproc takes levels of float32 in float32; given float64 it is exact. Fits differ in the last digits
    ccd.data = ccd.data.astype(np.float64)
    expected = peer("subtract_overscan", ccd, **CALLS[name])
    assert found.data.dtype == np.float32
    np.testing.assert_allclose(found.data, expected.data, rtol=6e-8, atol=1e-11)


def test_the_notebook():
    ccd = raw_frame()
    expected = peer("trim_image", peer("subtract_overscan", ccd, overscan=ccd[:, 55:], median=True)[:, :48])
    found = trim_image(subtract_overscan(ccd, overscan=ccd[:, 55:], median=True)[:, :48])
    assert_float32_rounding(found, expected)
    spelled_out = trim_image(
        subtract_overscan(ccd, fits_section="[56:60, 1:40]", median=True), fits_section="[1:48, :]"
    )
    np.testing.assert_array_equal(spelled_out.data, found.data)


def test_positional_arguments_stand_as_in_ccdproc():
    ccd = raw_frame()
    assert_float32_rounding(
        subtract_overscan(ccd, ccd[30:], 0, None, True), peer("subtract_overscan", ccd, ccd[30:], 0, None, True)
    )


def test_float64_stays_float64_to_the_last_digits():
    ccd = raw_frame(np.float64)
    found, expected = subtract_overscan(ccd, ccd[:, 50:]), peer("subtract_overscan", ccd, ccd[:, 50:])
    assert found.data.dtype == np.float64
    np.testing.assert_allclose(found.data, expected.data, rtol=0, atol=1e-12)


# --- the verb --------------------------------------------------------------------------------------------------------


def test_the_verb_and_the_fused_pass_over_a_raw_file_give_the_same_bits():
    ccd = raw_frame()
    verb = trim_image(subtract_overscan(ccd, fits_section="[51:60, :]", median=True), fits_section="[3:48, 2:39]")
    spec = OverscanSpec(Section.parse("[51:60, :]"))
    rows, columns = frame_planes(ccd.data[:, 50:], spec, (NY, NX))
    stored = (ccd.data.astype(np.int32) - 32768).astype(">i2")
    fused = np.empty((38, 46), np.float32)
    calibrate_swapped16(stored.view(np.uint16), 32768.0, rows, columns, Part(1, 2, 38, 46), fused)
    np.testing.assert_array_equal(verb.data, fused)


def test_input_is_never_changed():
    ccd = raw_frame()
    ccd.mask = np.zeros((NY, NX), dtype=bool)
    ccd.uncertainty = StdDevUncertainty(np.ones((NY, NX)))
    before = ccd.copy()
    found = subtract_overscan(ccd, overscan=ccd[:, 50:])
    found.mask[:] = True
    found.uncertainty.array[:] = 7
    found.meta["OBJECT"] = "else"
    assert ccd.data.dtype == np.uint16
    np.testing.assert_array_equal(ccd.data, before.data)
    assert not ccd.mask.any()
    assert (ccd.uncertainty.array == 1).all()
    assert ccd.meta == before.meta


@pytest.mark.parametrize("dtype", [">u2", ">f4", ">f8", "i8", "u4", "f2", "?"])
def test_every_type_of_pixel(dtype):
    data = (np.arange(12).reshape(3, 4) % 2).astype(dtype)
    found = subtract_overscan(CCDData(data, unit="adu"), fits_section="[4:4,:]")
    np.testing.assert_array_equal(found.data, data.astype(float) - data[:, 3:].astype(float))
    assert found.data.dtype.isnative


def test_masked_pixels_of_the_strip_take_no_part():
    ccd = raw_frame()
    clean = subtract_overscan(ccd, fits_section="[52:60, :]", median=True)
    ccd.mask = np.zeros((NY, NX), dtype=bool)
    ccd.mask[:, 50] = True
    ccd.data[:, 50] = 60000
    for words in ({"fits_section": "[51:60, :]"}, {"overscan": ccd[:, 50:]}):
        found = subtract_overscan(ccd, median=True, **words)
        np.testing.assert_array_equal(np.delete(found.data, 50, axis=1), np.delete(clean.data, 50, axis=1))


def test_what_the_header_says():
    ccd = raw_frame()
    assert subtract_overscan(ccd, fits_section="[51:60, :]").meta["OVERSCAN"] == "[51:60,1:40] mean"
    assert subtract_overscan(ccd, ccd[:, 50:], median=True).meta["OVERSCAN"] == "[51:60,1:40] median"
    words = {"fits_section": "[51:60, :]", "method": "clipped", "fit": "spline", "order": 3}
    assert subtract_overscan(ccd, **words).meta["OVERSCAN"] == "[51:60,1:40] clipped spline 3"
    other = CCDData(np.full((NY, 5), 900.0), unit="adu")
    assert subtract_overscan(ccd, other).meta["OVERSCAN"] == "a strip of 5 x 40 pixels, mean"
    fitted = subtract_overscan(ccd, ccd[:, 50:], model=Polynomial1D(1))
    assert fitted.meta["OVERSCAN"] == "[51:60,1:40] Polynomial1D mean"
    assert "OVERSCAN" not in subtract_overscan(ccd, ccd[:, 50:], add_keyword=False).meta
    assert "OVERSCAN" not in subtract_overscan(ccd, ccd[:, 50:], add_keyword=None).meta
    assert subtract_overscan(ccd, ccd[:, 50:], add_keyword="oscan").meta["OSCAN"] is None
    assert subtract_overscan(ccd, ccd[:, 50:], add_keyword={"oscan": 3}).meta["OSCAN"] == 3


def test_a_strip_of_another_frame():
    ccd = raw_frame()
    other = CCDData(np.full((NY, 5), 900.0), unit="adu")
    np.testing.assert_array_equal(subtract_overscan(ccd, other).data, ccd.data - np.float32(900))


@pytest.mark.parametrize(
    ("words", "error", "text"),
    [
        ({}, ArgumentError, "either overscan"),
        ({"overscan": raw_frame()[:, 50:], "fits_section": "[51:60,:]"}, ArgumentError, "either overscan"),
        ({"overscan": np.ones((NY, 3))}, ArgumentError, "overscan must be a CCDData, not ndarray"),
        ({"fits_section": 5}, ArgumentError, "fits_section must be a text"),
        ({"fits_section": "[51:61,:]"}, SectionError, "x = 61 lies outside the image of 60 x 40"),
        ({"fits_section": "[51:60,1:30]"}, SectionError, r"covers 30 of the 40 rows"),
        ({"overscan": CCDData(np.ones((7, 5)), unit="adu")}, SectionError, "one whole side"),
        ({"fits_section": "[51:60,:]", "overscan_axis": 2}, ArgumentError, "overscan_axis is 2"),
        ({"fits_section": "[51:60,:]", "median": True, "method": "mean"}, ArgumentError, "contradict"),
        ({"fits_section": "[51:60,:]", "method": "mode"}, UsageError, "did you mean 'mean'|not one of"),
        ({"fits_section": "[51:60,:]", "fit": "chebychev"}, UsageError, "did you mean 'chebyshev'"),
        ({"fits_section": "[51:60,:]", "fit": "legendre", "order": 60}, UsageError, "needs 61 lines"),
        ({"fits_section": "[51:60,:]", "fit": "legendre", "model": Polynomial1D(1)}, ArgumentError, "contradict"),
        ({"fits_section": "[51:60,:]", "model": Gaussian1D()}, UsageError, "not linear"),
        (
            {"fits_section": "[51:60,:]", "model": Polynomial1D(100)},
            UsageError,
            "needs 101 lines, and the overscan has",
        ),
        ({"fits_section": "[51:60,:]", "add_keyword": 3}, ArgumentError, "add_keyword"),
    ],
)
def test_arguments_that_make_no_sense(words, error, text):
    with pytest.raises(error, match=text):
        subtract_overscan(raw_frame(), **words)


def test_frames_that_cannot_be_used():
    with pytest.raises(ArgumentError, match="ccd must be a CCDData"):
        subtract_overscan(np.ones((3, 4)), fits_section="[1:1,:]")
    with pytest.raises(UsageError, match="3 axes"):
        subtract_overscan(CCDData(np.ones((2, 3, 4)), unit="adu"), fits_section="[1:1,:]")


# --- levels ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["median", "mean", "clipped"])
@pytest.mark.parametrize("width", [1, 2, 7, 24, 25])
@pytest.mark.parametrize("dtype", [np.uint16, np.float32, np.float64])
def test_levels_match_the_oracle(method, width, dtype):
    rng = np.random.default_rng(width)
    strip = np.round(rng.normal(1000, 3, (50, width))).astype(dtype)
    strip[rng.random(strip.shape) < 0.02] += 500
    # whole numbers, whatever type holds them
    np.testing.assert_allclose(
        line_levels(strip, method).level_adu, naive.overscan_levels(strip, method, step_adu=1.0), rtol=1e-14
    )


@pytest.mark.parametrize("method", ["median", "mean", "clipped"])
def test_a_line_without_valid_pixels_takes_its_level_from_its_neighbours(method):
    strip = np.array([[1.0, 1], [np.nan, np.inf], [3, 3], [np.nan, 5], [np.nan, np.nan]])
    np.testing.assert_array_equal(strip_levels(strip, method=method), [1, 2, 3, 5, 5])
    with pytest.raises(UsageError, match="no pixel of the overscan section is valid"):
        strip_levels(np.full((3, 2), np.nan), method=method)


def test_clipping_whole_numbers_of_low_noise_is_not_all_or_nothing():
    # more than half of the pixels have one value, so their MAD is zero: the others are noise all the same
    strip = np.array([[10, 10, 10, 10, 11, 11, 9, 900]], dtype=np.uint16)
    assert strip_levels(strip, method="clipped")[0] == pytest.approx(71 / 7)


@pytest.mark.parametrize(("fit", "order"), [("chebyshev", 3), ("legendre", 3), ("spline", 1), ("spline", 5)])
def test_fits_reproduce_a_cubic_and_smooth_noise(fit, order):
    lines = np.linspace(-1, 1, 200)
    truth = 1000 + 3 * lines - 2 * lines**2 + lines**3
    strip = np.repeat(truth[:, None], 4, axis=1)
    np.testing.assert_allclose(strip_levels(strip, method="mean", fit=fit, order=order), truth, rtol=1e-12)
    noisy = strip + np.random.default_rng(0).normal(0, 4, strip.shape)
    rough, smooth = strip_levels(noisy, method="mean"), strip_levels(noisy, method="mean", fit=fit, order=order)
    assert np.std(smooth - truth) < 0.35 * np.std(rough - truth)
    noisy[50:60] = np.nan  # lines without a level do not draw the fit
    np.testing.assert_allclose(strip_levels(noisy, method="mean", fit=fit, order=order), truth, atol=2.0)


def test_a_spline_with_more_pieces_than_levels_is_refused():
    strip = np.ones((60, 3))
    strip[20:50] = np.nan
    with pytest.raises(UsageError, match="use fewer pieces"):
        strip_levels(strip, fit="spline", order=20)


def test_levels_of_a_frame():
    strip = np.arange(NY, dtype=float)[:, None] + np.zeros((1, 10))
    rows, columns = frame_planes(strip, OverscanSpec(Section.parse("[51:60,:]")), (NY, NX))
    np.testing.assert_array_equal(rows, np.arange(NY))
    assert (columns == 0).all()
    rows, columns = frame_planes(np.full((10, NX), 7.0), OverscanSpec(Section.parse("[:,31:40]"), axis=None), (NY, NX))
    assert (rows == 0).all()
    assert (columns == 7).all()


def test_a_strip_that_misses_a_line_says_so():
    # as the header of the Large Format Camera does: [2049:2080,1:4127] of 4128 rows
    with pytest.warns(AssumptionWarning, match="leaves out 1 lines"):
        rows, _ = frame_planes(
            np.arange(NY - 1, dtype=float)[:, None], OverscanSpec(Section.parse("[60,1:39]")), (NY, NX)
        )
    np.testing.assert_array_equal(rows, [*range(NY - 1), NY - 2])


def test_a_section_that_is_read_backwards_is_the_same_strip():
    ccd = raw_frame()
    np.testing.assert_array_equal(
        subtract_overscan(ccd, fits_section="[60:51,40:1]").data, subtract_overscan(ccd, fits_section="[51:60,:]").data
    )


@pytest.mark.parametrize(
    ("section", "axis", "expected"),
    [("[51:60,:]", 1, 1), ("[51:60,:]", None, 1), ("[:,31:40]", None, 0), ("[21:60,:]", None, 1), ("[51:60,:]", 0, 0)],
)
def test_the_axis_along_which_a_strip_is_collapsed(section, axis, expected):
    assert collapse_axis(OverscanSpec(Section.parse(section), axis=axis), (NY, NX)) == expected


@pytest.mark.parametrize(
    "words",
    [
        {"axis": 2},
        {"method": "mode"},
        {"fit": "line"},
        {"fit": "chebyshev", "order": -1},
        {"fit": "spline", "order": 0},
    ],
)
def test_specs_that_make_no_sense(words):
    with pytest.raises(UsageError):
        OverscanSpec(Section.parse("[1:3,:]"), **words)
