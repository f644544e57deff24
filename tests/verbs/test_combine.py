"""combine() against ccdproc 2.5 where that is right, and against the naive oracle where it is not."""

from __future__ import annotations

import functools
import pickle
import warnings

import numpy as np
import pytest
from astropy.io import fits
from astropy.nddata import CCDData, StdDevUncertainty
from astropy.stats import mad_std
from astropy.utils.exceptions import AstropyUserWarning
from astropy.wcs import WCS
from hypothesis import given, settings
from hypothesis import strategies as st

import naive
from zeroframe.errors import (
    ArgumentError,
    AssumptionWarning,
    FrameError,
    MemoryLimitError,
    MismatchError,
    NoFramesError,
    OutputExistsError,
    UnitError,
    UsageError,
)
from zeroframe.stacks.combine import Combined, CombineSpec, Rejection, _tile_rows, combine_stack
from zeroframe.stacks.stack import ArrayStack
from zeroframe.verbs.combine import combine
from zeroframe.verbs.combiner import Combiner

NOTEBOOK = {
    "method": "average",
    "sigma_clip": True,
    "sigma_clip_low_thresh": 5,
    "sigma_clip_high_thresh": 5,
    "sigma_clip_func": np.ma.median,
    "sigma_clip_dev_func": mad_std,
    "mem_limit": 350e6,
}
SHAPE = (23, 31)


def frames_of(count, dtype=np.float32, seed=0, quantised=True):
    rng = np.random.default_rng(100 * seed + count)
    pixels = rng.normal(1000.0, 4.0, (count, *SHAPE))
    pixels = np.round(pixels) if quantised else pixels
    pixels[rng.random(pixels.shape) < 0.01] += 700.0
    return pixels.astype(dtype)


def ccds_of(pixels, masks=None):
    masks = [None] * len(pixels) if masks is None else masks
    return [CCDData(frame, unit="adu", mask=mask) for frame, mask in zip(pixels, masks, strict=True)]


def peer(ccds, **words):
    import ccdproc

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # numpy's remarks on what ccdproc does with NaN
        return ccdproc.combine(ccds, **words)


def assert_same(found, data, uncertainty, rtol=1e-5):
    np.testing.assert_allclose(found.data, data, rtol=rtol)
    np.testing.assert_allclose(found.uncertainty.array, uncertainty, rtol=rtol, atol=1e-5)


def masked_stack(ccds):
    return np.array([np.where(False if c.mask is None else c.mask, np.nan, c.data.astype(float)) for c in ccds])


# --- beside ccdproc --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [2, 3, 6, 25])
@pytest.mark.parametrize(
    "words",
    [
        NOTEBOOK,
        {"method": "median"},
        {"method": "average"},
        {"method": "sum"},
        {"method": "average", "minmax_clip": True, "minmax_clip_min": 995, "minmax_clip_max": 1200},
        {"method": "average", "scale": [1.0 + 0.01 * k for k in range(25)]},
        {"method": "average", "scale": lambda frame: 1.0 / np.median(frame)},
        {"method": "average", "weights": np.arange(1.0, 26.0)},
        {"method": "sum", "weights": np.arange(1.0, 26.0)},
        {"method": "average", "sigma_clip": True, "sigma_clip_low_thresh": 1.5, "sigma_clip_high_thresh": 1.7},
        {"method": "median", "sigma_clip": True, "sigma_clip_func": "median", "sigma_clip_dev_func": "mad_std"},
        {"method": "average", "combine_uncertainty_function": mad_std},
    ],
    ids=[
        "notebook",
        "median",
        "average",
        "sum",
        "minmax",
        "scale_list",
        "scale_function",
        "weights",
        "weighted_sum",
        "mean_std",
        "median_mad",
        "own_uncertainty",
    ],
)
@pytest.mark.parametrize("dtype", [np.uint16, np.float32, np.float64])
def test_equal_to_ccdproc(count, words, dtype):
    ccds = ccds_of(frames_of(count, dtype, quantised=dtype == np.uint16))
    words = {k: v[:count] if isinstance(v, (list, np.ndarray)) else v for k, v in words.items()}
    expected = peer(ccds, **words)
    found = combine(ccds, **words)
    assert found.data.dtype == (np.float64 if dtype == np.float64 else np.float32)
    assert found.unit == expected.unit
    np.testing.assert_array_equal(found.mask, expected.mask)
    assert_same(found, expected.data, expected.uncertainty.array)


@pytest.mark.parametrize("count", [3, 6, 25])
def test_equal_to_ccdproc_when_extrema_are_dropped(count):
    ccds = ccds_of(frames_of(count, quantised=False))  # of equal values ccdproc may drop one twice
    expected = peer(ccds, clip_extrema=True, nlow=1, nhigh=1)
    assert_same(combine(ccds, clip_extrema=True, nlow=1, nhigh=1), expected.data, expected.uncertainty.array)


@pytest.mark.parametrize("method", ["average", "median"])
@pytest.mark.parametrize("count", [2, 3, 6, 25])
def test_equal_to_ccdproc_with_masks_and_nan_where_nothing_is_clipped(count, method):
    pixels = frames_of(count)
    rng = np.random.default_rng(5)
    masks = rng.random(pixels.shape) < 0.2
    masks[:, 3, 4] = True
    pixels[rng.random(pixels.shape) < 0.1] = np.nan
    ccds = ccds_of(pixels, masks)
    expected, found = peer(ccds, method=method), combine(ccds, method=method)
    np.testing.assert_array_equal(np.isnan(found.data), np.isnan(expected.data))
    assert_same(found, expected.data, expected.uncertainty.array)
    if method == "average":
        # ccdproc's mask leaves out pixels that are NaN in all frames but not masked when nothing is masked anywhere
        np.testing.assert_array_equal(found.mask, expected.mask)


@pytest.mark.parametrize("count", [3, 6, 25])
def test_pixels_without_nan_are_clipped_as_by_ccdproc_beside_pixels_with_it(count):
    pixels = frames_of(count, quantised=False)
    pixels[0, 2:5] = np.nan
    expected, found = peer(ccds_of(pixels), **NOTEBOOK), combine(ccds_of(pixels), **NOTEBOOK)
    whole = np.isfinite(pixels).all(axis=0)
    np.testing.assert_allclose(found.data[whole], expected.data[whole], rtol=1e-5)
    # where a frame is NaN, np.ma.median of NaN is NaN, and ccdproc rejects nothing at all
    data, error, counts = naive.combine(pixels, sigma_low=5, sigma_high=5)
    assert_same(found, data, error)
    np.testing.assert_array_equal(found.flags, counts)


def test_ccdproc_clips_on_what_stands_under_the_mask_and_zeroframe_does_not():
    pixels = frames_of(6, quantised=False)
    masks = np.zeros(pixels.shape, dtype=bool)
    masks[:3, 5:8] = True
    pixels[:3, 5:8] = 60000.0  # saturated, and masked for it
    ccds = ccds_of(pixels, masks)
    words = {**NOTEBOOK, "sigma_clip_low_thresh": 3, "sigma_clip_high_thresh": 3}
    data, error, counts = naive.combine(masked_stack(ccds), sigma_low=3, sigma_high=3)
    found = combine(ccds, **words)
    assert_same(found, data, error)
    np.testing.assert_array_equal(found.flags, counts)
    # half of the values are wild: their median and MAD are those of the two heaps, so that nothing seems far off
    assert not np.allclose(peer(ccds, **words).data[5:8], data[5:8], rtol=1e-5)


def test_ccdproc_scales_after_clipping_and_zeroframe_before():
    pixels = frames_of(6, quantised=False)
    factors = np.array([1.0, 0.5, 2.0, 1.0, 0.8, 1.25])
    pixels /= factors[:, None, None].astype(np.float32)
    words = {**NOTEBOOK, "scale": factors}
    data, error, counts = naive.combine(pixels, factors=factors, sigma_low=5, sigma_high=5)
    found = combine(ccds_of(pixels), **words)
    assert_same(found, data, error)
    np.testing.assert_array_equal(found.flags, counts)
    # unscaled, the spread between flats of different brightness hides every cosmic ray
    assert np.abs(peer(ccds_of(pixels), **words).data - data).max() > 100


def test_ccdproc_divides_by_the_weights_of_masked_pixels_too():
    pixels = frames_of(3)
    masks = np.zeros(pixels.shape, dtype=bool)
    masks[2, 4] = True
    weights = np.array([1.0, 2.0, 5.0])
    ccds = ccds_of(pixels, masks)
    found = combine(ccds, weights=weights)
    np.testing.assert_allclose(found.data, naive.weighted(masked_stack(ccds), weights), rtol=1e-6)
    np.testing.assert_allclose(peer(ccds, weights=weights).data[4], found.data[4] * 3 / 8, rtol=1e-5)


def test_ccdproc_drops_what_is_masked_already_and_zeroframe_a_fraction_of_what_is_left():
    pixels = frames_of(6, quantised=False)
    masks = np.zeros(pixels.shape, dtype=bool)
    masks[0, 2:9] = True
    ccds = ccds_of(pixels, masks)
    data, error, counts = naive.combine(masked_stack(ccds), drop_low=2, drop_high=1)
    found = combine(ccds, clip_extrema=True, nlow=2, nhigh=1)
    assert_same(found, data, error)
    np.testing.assert_array_equal(found.flags, counts)
    assert counts[3, 0] == 4  # of five values 2/6 and 1/6 are one and none


def test_ccdproc_clips_at_three_where_no_limit_is_given_and_zeroframe_does_not():
    # its documentation says "If None, no rejection will be done"; astropy's sigma_clip takes None as its default, 3
    pixels = frames_of(25)
    words = {"sigma_clip": True, "sigma_clip_low_thresh": 1.5, "sigma_clip_high_thresh": None}
    data, error, counts = naive.combine(pixels, sigma_low=1.5, center="mean", spread="std")
    found = combine(ccds_of(pixels), **words)
    assert_same(found, data, error)
    np.testing.assert_array_equal(found.flags, counts)
    assert np.abs(peer(ccds_of(pixels), **words).data - data).max() > 20


def test_ccdproc_keeps_infinite_values_and_zeroframe_masks_them():
    pixels = frames_of(4)
    pixels[1, 3] = np.inf
    pixels[2, 3] = -np.inf
    found = combine(ccds_of(pixels))
    np.testing.assert_allclose(found.data[3], pixels[[0, 3], 3].mean(axis=0, dtype=np.float64), rtol=1e-6)
    assert (found.flags[3] == 2).all()


# --- what goes in and what comes out ---------------------------------------------------------------------------------


@pytest.mark.parametrize("words", [NOTEBOOK, {"method": "median"}, {"scale": [2.0] * 4}, {"weights": np.ones(4)}])
def test_input_is_never_changed(words):
    pixels = frames_of(4)
    pixels[0, 0, 0] = np.nan
    masks = np.zeros(pixels.shape, dtype=bool)
    masks[1, 2, 3] = True
    ccds = ccds_of(pixels.copy(), masks.copy())
    ccds[0].meta["OBJECT"] = "bias"
    combine(ccds, **words)
    for index, ccd in enumerate(ccds):
        np.testing.assert_array_equal(ccd.data, pixels[index])
        np.testing.assert_array_equal(ccd.mask, masks[index])
        assert dict(ccd.meta) == ({"OBJECT": "bias"} if index == 0 else {})
        assert ccd.flags is None


def test_uint16_does_not_wrap_around():
    ccds = ccds_of(np.full((3, 2, 2), 65000, dtype=np.uint16))
    for method, expected in (("average", 65000), ("median", 65000), ("sum", 195000)):
        found = combine(ccds, method=method, scale=[1, 1, 1])
        assert found.data.dtype == np.float32
        assert (found.data == expected).all()


@pytest.mark.parametrize(
    ("given", "wanted", "expected"),
    [
        (np.int16, None, np.float32),
        (np.uint8, None, np.float32),
        (np.int32, None, np.float32),
        (">f4", None, np.float32),
        (">f8", None, np.float64),
        (np.float32, "float64", np.float64),
        (np.float64, np.float32, np.float32),
    ],
)
def test_dtype(given, wanted, expected):
    found = combine(ccds_of(np.arange(12).reshape(3, 2, 2).astype(given)), dtype=wanted)
    assert found.data.dtype == expected
    assert found.uncertainty.array.dtype == expected
    assert found.data.dtype.isnative
    np.testing.assert_array_equal(found.data, [[4, 5], [6, 7]])


def test_one_frame_of_another_type_decides():
    frames = [*ccds_of(frames_of(2, np.uint16)), *ccds_of(frames_of(1, np.float64))]
    assert combine(frames).data.dtype == np.float64


@pytest.mark.parametrize("words", [NOTEBOOK, {"method": "median"}, {"method": "sum"}, {"weights": np.ones(4)}])
def test_pixels_masked_in_all_frames(words):
    pixels = frames_of(4)
    pixels[:, 1, 1] = np.nan
    masks = np.zeros(pixels.shape, dtype=bool)
    masks[:, 2, 2] = True
    found = combine(ccds_of(pixels, masks), **words)
    expected = np.zeros(SHAPE, dtype=bool)
    expected[1, 1] = expected[2, 2] = True
    np.testing.assert_array_equal(found.mask, expected)
    np.testing.assert_array_equal(np.isnan(found.data), expected)
    np.testing.assert_array_equal(np.isnan(found.uncertainty.array), expected)
    np.testing.assert_array_equal(found.flags == 0, expected)


@pytest.mark.parametrize("method", ["average", "median", "sum"])
@pytest.mark.parametrize("clip", [True, False])
def test_one_frame(method, clip):
    pixels = frames_of(1)
    pixels[0, 1, 1] = np.nan
    found = combine(ccds_of(pixels), method=method, sigma_clip=clip)
    np.testing.assert_array_equal(found.data, pixels[0])
    assert found.mask.sum() == 1
    assert (found.uncertainty.array[~found.mask] == 0).all()
    assert (found.flags[~found.mask] == 1).all()


@pytest.mark.parametrize("words", [{}, NOTEBOOK, {"method": "median"}])
def test_a_thousand_frames(words):
    rng = np.random.default_rng(3)
    pixels = np.round(rng.normal(1000, 4, (1000, 3, 5))).astype(np.float32)
    pixels[rng.random(pixels.shape) < 0.01] = 9000.0
    rejection = {"sigma_low": 5, "sigma_high": 5} if words is NOTEBOOK else {}
    data, error, counts = naive.combine(pixels, words.get("method", "average"), **rejection)
    found = combine(ccds_of(pixels), **words)
    assert_same(found, data, error)
    np.testing.assert_array_equal(found.flags, counts)


def test_counts_and_their_type():
    found = combine(ccds_of(np.array([[[1.0, 1.0]], [[2.0, np.nan]], [[3.0, 3.0]]])))
    assert found.flags.dtype == np.uint16
    np.testing.assert_array_equal(found.flags, [[3, 2]])


def test_the_header_says_what_was_combined(tmp_path):
    header = fits.Header({"OBJECT": "bias", "IMCMB009": "old"})
    ccds = [CCDData(frame, unit="adu", meta=header) for frame in frames_of(3)]
    found = combine(ccds, **NOTEBOOK)
    assert found.meta["COMBINED"] is True
    assert (found.meta["NCOMBINE"], found.meta["OBJECT"]) == (3, "bias")
    assert found.meta["COMBREJ"] == "clip -5 +5 mad_std about median"
    assert "IMCMB009" not in found.meta
    assert "NCOMBINE" not in header


def test_coordinates_of_the_first_frame_are_kept():
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    wcs.wcs.crpix = [10, 20]
    ccds = [CCDData(frame, unit="adu", wcs=wcs) for frame in frames_of(2)]
    assert combine(ccds).wcs.wcs.crpix.tolist() == [10, 20]


# --- own functions, weights, scales ----------------------------------------------------------------------------------


def own_median(stack, axis):
    return np.nanmedian(stack, axis=axis)


def own_mad_std(stack, axis):
    return naive.MAD_TO_SIGMA * np.nanmedian(np.abs(stack - np.nanmedian(stack, axis=axis, keepdims=True)), axis=axis)


@pytest.mark.parametrize("method", ["average", "median", "sum"])
@pytest.mark.parametrize(
    ("center", "spread"), [(own_median, own_mad_std), ("median", own_mad_std), (own_median, "mad_std")]
)
def test_own_functions_clip_as_the_kernels_do(method, center, spread):
    pixels = frames_of(8)
    pixels[2, :3] = np.nan
    pixels[:, 4, 4] = np.nan
    words = {"method": method, "sigma_clip": True, "sigma_clip_iterations": 3, "sigma_clip_floor": 1.0}
    own = combine(ccds_of(pixels), sigma_clip_func=center, sigma_clip_dev_func=spread, **words)
    compiled = combine(ccds_of(pixels), sigma_clip_func="median", sigma_clip_dev_func="mad_std", **words)
    np.testing.assert_array_equal(own.flags, compiled.flags)
    np.testing.assert_array_equal(own.mask, compiled.mask)
    assert_same(own, compiled.data, compiled.uncertainty.array, rtol=1e-6)


def test_own_functions_know_photon_noise():
    pixels = frames_of(8)
    names = tuple("abcdefgh")
    stack = ArrayStack(list(pixels), [None] * 8, names)
    words = {"sigma_low": 2.0, "sigma_high": 2.0, "floor_adu": 1.0, "photon_adu": 0.01}
    own = combine_stack(stack, CombineSpec(rejection=Rejection(center=own_median, **words)))
    compiled = combine_stack(stack, CombineSpec(rejection=Rejection(**words)))
    np.testing.assert_array_equal(own.counts, compiled.counts)


def test_masked_arrays_from_own_functions_are_understood():
    def masked_center(stack, axis):
        return np.ma.median(np.ma.masked_invalid(stack), axis=axis)

    pixels = frames_of(6)
    pixels[1, 2] = np.nan
    pixels[:, 0, 0] = np.nan
    words = {**NOTEBOOK, "sigma_clip_func": masked_center}
    np.testing.assert_array_equal(combine(ccds_of(pixels), **words).flags, combine(ccds_of(pixels), **NOTEBOOK).flags)


def test_an_own_uncertainty():
    def half_range(stack, axis):
        return (np.nanmax(stack, axis=axis) - np.nanmin(stack, axis=axis)) / 2

    pixels = frames_of(5)
    pixels[0, 1] = np.nan
    pixels[:, 2, 2] = np.nan
    counts = np.isfinite(pixels).sum(axis=0)
    expected = np.full(SHAPE, np.nan)
    left = counts > 0
    expected[left] = half_range(pixels[:, left], 0)
    for method, power in (("average", -0.5), ("sum", 0.5)):
        found = combine(ccds_of(pixels), method=method, combine_uncertainty_function=half_range)
        with np.errstate(divide="ignore"):
            np.testing.assert_allclose(found.uncertainty.array, expected * counts.astype(float) ** power, rtol=1e-6)


@pytest.mark.parametrize(("function", "name"), [(np.ma.std, "std"), (np.nanstd, "std"), (mad_std, "mad_std")])
def test_known_uncertainty_functions_leave_out_what_is_masked(function, name):
    pixels = frames_of(5)
    pixels[0, 1] = np.nan
    found = combine(ccds_of(pixels), method="median", combine_uncertainty_function=function)
    expected = [naive.STATISTICS[name](column[np.isfinite(column)].tolist()) for column in pixels[:, 1].T]
    np.testing.assert_allclose(found.uncertainty.array[1], np.array(expected) / 2, rtol=1e-6, atol=1e-7)


def test_a_function_that_gives_another_shape_is_named():
    def everything(stack, axis):
        return stack.sum()

    with pytest.raises(ArgumentError, match=r"everything\(stack, axis=0\) gives an array of shape \(\)"):
        combine(ccds_of(frames_of(3)), sigma_clip=True, sigma_clip_func=everything)


@pytest.mark.parametrize("total", [False, True])
@pytest.mark.parametrize("per_pixel", [False, True])
def test_weights(per_pixel, total):
    pixels = frames_of(5)
    pixels[1, 4] = np.nan
    rng = np.random.default_rng(0)
    weights = rng.random((5, *SHAPE) if per_pixel else 5)
    weights[2] = 0.0
    found = combine(ccds_of(pixels), method="sum" if total else "average", weights=weights)
    np.testing.assert_allclose(found.data, naive.weighted(pixels, weights, total=total), rtol=1e-6)
    np.testing.assert_array_equal(found.flags, np.isfinite(np.delete(pixels, 2, axis=0)).sum(axis=0))


def test_weights_and_rejection_together():
    pixels = frames_of(7)
    weights = np.arange(1.0, 8.0)
    kept = pixels.astype(float)
    for place in np.ndindex(SHAPE):
        column = (slice(None), *place)
        left = naive.survivors(kept[column], sigma_low=5, sigma_high=5)
        kept[column] = np.where((kept[column] >= left[0]) & (kept[column] <= left[-1]), kept[column], np.nan)
    found = combine(ccds_of(pixels), weights=weights, **NOTEBOOK)
    np.testing.assert_allclose(found.data, naive.weighted(kept, weights), rtol=1e-6)


@pytest.mark.parametrize("function", [np.median, np.ma.median, np.nanmedian])
def test_scale_functions_do_not_see_what_is_masked(function):
    pixels = frames_of(3)
    masks = np.zeros(pixels.shape, dtype=bool)
    masks[1, :9] = True
    clean = [float(np.median(frame[~mask].astype(np.float64))) for frame, mask in zip(pixels, masks, strict=True)]
    pixels[1, :9] = 65535.0
    found = combine(ccds_of(pixels, masks), scale=lambda frame: 1000.0 / function(frame))
    expected, _, _ = naive.combine(np.where(masks, np.nan, pixels), factors=1000.0 / np.array(clean))
    np.testing.assert_allclose(found.data, expected, rtol=1e-6)


@pytest.mark.parametrize("count", [1, 5, 30])
@pytest.mark.parametrize("whose", [combine, Combiner])
def test_the_guides_inverse_median_is_that_of_the_good_pixels(count, whose):
    """numpy's median of a masked array is a masked value where that stands in the middle, which it does by chance."""
    for seed in range(12):
        random = np.random.default_rng(seed)
        pixels = random.normal(1000.0, 10.0, (3, 9, 11))
        masks = np.zeros(pixels.shape, dtype=bool)
        for mask in masks:
            mask.flat[random.choice(mask.size, count, replace=False)] = True
        factors = [1 / np.median(frame[~mask]) for frame, mask in zip(pixels, masks, strict=True)]
        if whose is combine:
            found = combine(ccds_of(pixels, masks), scale=lambda frame: 1 / np.median(frame), dtype="float64")
        else:
            combiner = Combiner(ccds_of(pixels, masks), dtype="float64")
            combiner.scaling = lambda frame: 1 / np.median(frame)
            found = combiner.average_combine()
        scaled = np.where(masks, np.nan, pixels) * np.array(factors)[:, None, None]
        good = ~masks.all(axis=0)
        expected = np.nanmean(scaled[:, good], axis=0)
        np.testing.assert_allclose(np.asarray(found.data)[good], expected, rtol=1e-12)


FUNCTIONS = {
    "mean": (np.mean, lambda frame, good: frame[good].mean()),
    "its own mean": (lambda frame: frame.mean(), lambda frame, good: frame[good].mean()),
    "of a part": (lambda frame: np.median(frame[:4]), lambda frame, good: np.median(frame[:4][good[:4]])),
    "quantile": (lambda frame: np.percentile(frame, 30), lambda frame, good: np.percentile(frame[good], 30)),
    "of columns": (
        lambda frame: np.mean(np.median(frame, axis=0)),
        lambda frame, good: np.mean([np.median(frame[good[:, x], x]) for x in range(frame.shape[1])]),
    ),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_any_function_of_a_frame_is_that_of_its_good_pixels(name):
    function, of_good = FUNCTIONS[name]
    random = np.random.default_rng(3)
    pixels = random.normal(1000.0, 10.0, (3, 9, 11))
    masks = random.random(pixels.shape) < 0.3
    wild = np.where(masks, 1e9, pixels)
    found = combine(ccds_of(wild, masks), scale=lambda frame: 1 / function(frame), dtype="float64")
    factors = np.array([1 / of_good(frame, ~mask) for frame, mask in zip(pixels, masks, strict=True)])
    good = ~masks.all(axis=0)
    expected = np.nanmean((np.where(masks, np.nan, pixels) * factors[:, None, None])[:, good], axis=0)
    np.testing.assert_allclose(np.asarray(found.data)[good], expected, rtol=1e-12)


# --- the same bits ---------------------------------------------------------------------------------------------------

VARIANTS = {
    "notebook": NOTEBOOK,
    "median": {"method": "median"},
    "average": {},
    "weights": {"weights": np.arange(1.0, 7.0)},
    "own": {"sigma_clip": True, "sigma_clip_func": own_median, "sigma_clip_dev_func": own_mad_std},
}


def assert_identical(first, second):
    np.testing.assert_array_equal(first.data, second.data)
    np.testing.assert_array_equal(first.uncertainty.array, second.uncertainty.array)
    np.testing.assert_array_equal(first.mask, second.mask)
    np.testing.assert_array_equal(first.flags, second.flags)


@pytest.mark.parametrize("name", VARIANTS)
@pytest.mark.parametrize("dtype", [np.uint16, np.float64])
def test_identical_for_any_number_of_threads_and_any_memory_limit(name, dtype):
    pixels = frames_of(6, dtype, quantised=False)
    if dtype == np.float64:
        pixels[2, 4:7, 3:9] = np.nan
    words = {k: v for k, v in VARIANTS[name].items() if k != "mem_limit"}
    reference = combine(ccds_of(pixels), workers=1, **words)
    least = limit_for_one_row(pixels, name)
    for workers in (1, 2, 3):
        for limit in (least, 2 * least, "1G"):
            assert_identical(combine(ccds_of(pixels), workers=workers, mem_limit=limit, **words), reference)


def limit_for_one_row(pixels, name):
    size = 8 if pixels.dtype == np.float64 else 4
    copies = 12 if name in ("weights", "own") else 1
    return SHAPE[0] * SHAPE[1] * (2 * size + 2) + copies * len(pixels) * SHAPE[1] * size


@settings(deadline=None, max_examples=25)
@given(
    st.integers(1, 9), st.integers(1, 40), st.integers(1, 12), st.integers(1, 3), st.integers(0, 10**6), st.booleans()
)
def test_identical_for_any_tiling(count, ny, nx, workers, spare, median):
    rng = np.random.default_rng(count * 1000 + ny)
    pixels = rng.normal(100, 3, (count, ny, nx)).astype(np.float32)
    pixels[rng.random(pixels.shape) < 0.1] = np.nan
    stack = ArrayStack(list(pixels), [None] * count, tuple(map(str, range(count))))
    spec = CombineSpec("median" if median else "average", Rejection(sigma_low=2, sigma_high=2))
    reference = combine_stack(stack, spec, workers=1)
    least = ny * nx * 10 + count * nx * 4
    tiled = combine_stack(stack, spec, workers=workers, mem_limit_bytes=least + spare % (4 * least))
    for name in ("data", "uncertainty", "counts"):
        np.testing.assert_array_equal(getattr(tiled, name), getattr(reference, name))


@settings(deadline=None, max_examples=25)
@given(st.permutations(range(7)), st.sampled_from(["average", "median", "sum"]))
def test_the_order_of_the_frames_does_not_matter(order, method):
    pixels = frames_of(7)
    pixels[3, :5] = np.nan
    words = {**NOTEBOOK, "method": method}
    assert_identical(combine(ccds_of(pixels[list(order)]), **words), combine(ccds_of(pixels), **words))


@settings(deadline=None, max_examples=20)
@given(st.permutations(range(6)))
def test_a_plain_average_depends_on_the_order_by_rounding_only(order):
    pixels = frames_of(6, np.float64, quantised=False)
    found, expected = combine(ccds_of(pixels[list(order)])), combine(ccds_of(pixels))
    np.testing.assert_allclose(found.data, expected.data, rtol=1e-14)
    np.testing.assert_allclose(found.uncertainty.array, expected.uncertainty.array, rtol=1e-9)


def test_progress_rises_to_one():
    told = []
    combine(
        ccds_of(frames_of(6)),
        workers=3,
        mem_limit=limit_for_one_row(frames_of(6), "average") - 10 * SHAPE[0] * SHAPE[1],  # the result comes on top
        progress=told.append,
    )
    assert told == sorted(told)
    assert told[-1] == 1.0
    assert len(told) == SHAPE[0]


# --- what is refused -------------------------------------------------------------------------------------------------


def test_too_little_memory():
    with pytest.raises(
        MemoryLimitError, match=r"memory limit of 0\.0 MB does not hold the result \(0\.0 MB\) and one row of 6"
    ):
        combine(ccds_of(frames_of(6)), mem_limit=100)
    big = ArrayStack([np.broadcast_to(np.float32(1), (4128, 2048))] * 25, [None] * 25, ("x",) * 25)
    with pytest.raises(
        MemoryLimitError, match=r"result \(84\.5 MB\) and one row of 25 frames \(0\.2 MB\); raise it to 85 MB"
    ):
        combine_stack(big, CombineSpec(), mem_limit_bytes=50_000_000)


@given(
    st.integers(1, 400),
    st.integers(1, 300),
    st.integers(1, 300),
    st.integers(1, 9),
    st.integers(1, 12),
    st.floats(1, 50),
)
def test_tiles_stay_within_the_limit(frames, ny, nx, threads, copies, room):
    results, row = ny * nx * 10, frames * nx * 4 * copies
    limit = int(results + room * row)
    rows, used = _tile_rows(frames, (ny, nx), np.dtype(np.float32), limit, threads, copies=copies)
    assert 1 <= rows <= ny
    assert 1 <= used <= threads
    assert results + rows * used * row <= limit


def test_a_misspelt_argument_is_named():
    with pytest.raises(ArgumentError, match=r"'sigma_clip_dev_fun'; did you mean 'sigma_clip_dev_func'\?") as caught:
        combine(ccds_of(frames_of(2)), sigma_clip_dev_fun=mad_std)
    assert isinstance(caught.value, TypeError)


def test_the_guides_misspelling_is_taken_for_what_it_means_and_said():
    ccds = ccds_of(frames_of(6))
    words = {"sigma_clip": True, "sigma_clip_low_thresh": 3, "sigma_clip_func": np.ma.median}
    with pytest.warns(AstropyUserWarning, match="signma_clip_dev_func is misspelt"):
        found = combine(ccds, signma_clip_dev_func=mad_std, **words)
    assert_identical(found, combine(ccds, sigma_clip_dev_func=mad_std, **words))
    assert (found.flags != combine(ccds, **words).flags).any()  # it is not the default


@pytest.mark.parametrize("shape", [(40,), (3, 8, 9)])
@pytest.mark.parametrize("words", [NOTEBOOK, {"method": "median"}, {"method": "sum", "clip_extrema": True}])
def test_one_and_three_axes(shape, words):
    pixels = np.random.default_rng(3).normal(100.0, 5.0, (6, *shape)).astype(np.float32)
    mask = np.zeros(shape, bool)
    mask[..., 2] = True
    ccds = [CCDData(plane, unit="adu", mask=mask if number == 1 else None) for number, plane in enumerate(pixels)]
    found = combine(ccds, **words)
    # the same pixels as one long row
    masks = [None if ccd.mask is None else ccd.mask.reshape(1, -1) for ccd in ccds]
    flat = [CCDData(ccd.data.reshape(1, -1), unit="adu", mask=mask) for ccd, mask in zip(ccds, masks, strict=True)]
    expected = combine(flat, **words)
    assert found.shape == found.mask.shape == found.uncertainty.array.shape == found.flags.shape == shape
    np.testing.assert_array_equal(found.data.ravel(), expected.data.ravel())
    np.testing.assert_array_equal(found.flags.ravel(), expected.flags.ravel())
    weights = np.random.default_rng(4).uniform(0.5, 2.0, pixels.shape)
    if words.get("method", "average") == "average":
        found = combine(ccds, weights=weights)
        np.testing.assert_allclose(found.data[~mask], np.average(pixels, axis=0, weights=weights)[~mask], rtol=1e-6)


@pytest.mark.parametrize(
    "words",
    [
        {"sigma_clip": True, "sigma_clip_func": np.ma.median, "sigma_clip_dev_func": mad_std},
        {"method": "median"},
        {"weights": [1.0] * 6},
        {"reject": "pclip", "grow": 1},
    ],
)
def test_a_limit_that_does_not_hold_the_result_works(words, tmp_path):
    """The guide's 350e6 for frames of 61 million pixels, in small: the result comes on top of the limit."""
    pixels = np.random.default_rng(7).normal(1000, 5, (6, 300, 400)).astype(np.uint16)
    paths = [write(tmp_path / f"{number}.fits", plane, BUNIT="adu") for number, plane in enumerate(pixels)]
    limit = 350e6 / 61.2e6 * pixels[0].size
    assert limit < 10 * pixels[0].size  # of data, uncertainty and counts
    assert_identical(combine(paths, mem_limit=limit, **words), combine(paths, **words))


def test_readers_words_are_astropys(tmp_path):
    paths = []
    for number, plane in enumerate(frames_of(3)):
        hdus = [fits.PrimaryHDU(), fits.ImageHDU(plane, name="SCI"), fits.ImageHDU(plane * 0 + 9, name="OTHER")]
        paths.append(tmp_path / f"{number}.fits")
        fits.HDUList(hdus).writeto(paths[-1])
    found = combine(paths, unit="adu", hdu=1, method="median")
    np.testing.assert_allclose(found.data, np.median(frames_of(3), axis=0), rtol=1e-6)
    with pytest.raises(ArgumentError, match="did you mean 'hdu'"):
        combine(paths, hdus=1)


def test_errors_and_warnings_are_those_that_notebooks_catch(tmp_path):
    with pytest.raises(FileNotFoundError, match="there is no such file") as caught:
        combine([tmp_path / "none.fits"] * 2)
    assert isinstance(pickle.loads(pickle.dumps(caught.value)), FrameError)
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)
    target = write(tmp_path / "there.fits", np.zeros((2, 2), np.float32))
    with pytest.raises(OSError, match=r"there\.fits already exists") as caught:
        combine(ccds_of(frames_of(2)), output_file=target)
    assert isinstance(caught.value, OutputExistsError)
    assert pickle.loads(pickle.dumps(caught.value)).args == caught.value.args
    with pytest.warns(AstropyUserWarning, match="adu is assumed"):
        combine([target] * 2)
    for wrong in (1, None):
        with pytest.raises(ValueError, match="unrecognised input"):
            combine(wrong)


@pytest.mark.parametrize(
    ("words", "error", "text"),
    [
        ({"method": "avarage"}, UsageError, "did you mean 'average'"),
        ({"sigma_clip": True, "sigma_clip_func": "medain"}, UsageError, "did you mean 'median'"),
        ({"sigma_clip": True, "sigma_clip_dev_func": 3.0}, UsageError, "or a function"),
        ({"method": "median", "weights": np.ones(3)}, UsageError, "a median takes no weights"),
        ({"weights": np.ones(4)}, UsageError, r"weights have shape \(4,\)"),
        ({"weights": [1.0, -1.0, 2.0]}, UsageError, "not negative"),
        ({"scale": [1.0, 2.0]}, UsageError, "2 values for 3 frames"),
        ({"scale": [1.0, np.nan, 2.0]}, UsageError, "scale factor of frame 2 is nan"),
        ({"clip_extrema": True, "nlow": 2, "nhigh": 1}, UsageError, "leaves nothing of 3 frames"),
        ({"clip_extrema": True, "nlow": -1}, UsageError, "drop_low is -1"),
        ({"dtype": "int16"}, UsageError, "dtype is int16"),
        ({"mem_limit": "lots"}, UsageError, "'lots' is not a size"),
        ({"workers": -1}, UsageError, "workers is -1"),
        ({"sigma_clip_iterations": 0, "sigma_clip": True}, UsageError, "iterations is 0"),
    ],
)
def test_arguments_that_make_no_sense(words, error, text):
    with pytest.raises(error, match=text):
        combine(ccds_of(frames_of(3)), **words)


@pytest.mark.parametrize(
    ("frames", "error", "text"),
    [
        ([], NoFramesError, "the list of frames is empty"),
        (3, UsageError, "unrecognised input for list of images: 3"),
        ([np.zeros((2, 2))], ArgumentError, "frame 1 must be a CCDData, not ndarray; wrap it"),
        (
            [CCDData(np.zeros((2, 2)), unit="adu"), CCDData(np.zeros((2, 3)), unit="adu")],
            MismatchError,
            "frame 2: is 3 x 2",
        ),
        (
            [CCDData(np.zeros((2, 2)), unit="adu"), CCDData(np.zeros((2, 2)), unit="electron")],
            TypeError,
            "frame 2: is in",
        ),
        ([CCDData(np.zeros((2, 2, 2, 2)), unit="adu")], UsageError, "4 axes"),
        ([CCDData(np.zeros((2, 2), dtype=complex), unit="adu")], ArgumentError, "complex128"),
    ],
)
def test_frames_that_cannot_be_combined(frames, error, text):
    with pytest.raises(error, match=text):
        combine(frames)


def test_frames_may_come_from_a_generator():
    ccds = ccds_of(frames_of(3))
    assert_identical(combine(ccd for ccd in ccds), combine(ccds))


# --- files -----------------------------------------------------------------------------------------------------------


def write(path, pixels, mask=None, **cards):
    parts = [fits.PrimaryHDU(pixels, fits.Header(cards))]
    if mask is not None:
        parts.append(fits.ImageHDU(mask.astype(np.uint8), name="MASK"))
    fits.HDUList(parts).writeto(path)
    return path


@pytest.mark.parametrize("suffix", [".fits", ".fits.gz"])
@pytest.mark.parametrize("dtype", [np.uint16, np.int16, np.int32, np.float32, np.float64])
def test_files_give_the_same_bits_as_ccddata(tmp_path, dtype, suffix):
    pixels = frames_of(6, dtype, quantised=False)
    if np.dtype(dtype).kind == "f":
        pixels[2, :3] = np.nan
    paths = [write(tmp_path / f"b{i}{suffix}", frame, BUNIT="adu") for i, frame in enumerate(pixels)]
    expected = combine(ccds_of(pixels), **NOTEBOOK)
    assert_identical(combine(paths, **NOTEBOOK), expected)
    assert_identical(combine([str(path) for path in paths], workers=3, **NOTEBOOK), expected)
    # too little memory for compressed frames: they are inflated to temporary files
    tiny = {**NOTEBOOK, "mem_limit": limit_for_one_row(pixels.astype(np.float64), "average")}
    assert_identical(combine(paths, **tiny), expected)


def test_files_honour_their_mask(tmp_path):
    pixels = frames_of(4)
    masks = np.random.default_rng(0).random(pixels.shape) < 0.2
    for suffix in (".fits", ".fits.gz"):
        paths = [
            write(tmp_path / f"b{i}{suffix}", frame, mask, BUNIT="adu")
            for i, (frame, mask) in enumerate(zip(pixels, masks, strict=True))
        ]
        assert_identical(combine(paths, method="median"), combine(ccds_of(pixels, masks), method="median"))


def test_files_in_one_text_and_beside_ccddata(tmp_path):
    pixels = frames_of(3)
    paths = [str(write(tmp_path / f"b{i}.fits", frame, BUNIT="adu")) for i, frame in enumerate(pixels)]
    expected = combine(ccds_of(pixels))
    assert_identical(combine(",".join(paths)), expected)
    assert_identical(combine([*paths[:2], CCDData(pixels[2], unit="adu")]), expected)
    assert_identical(combine(np.array(paths)), expected)
    assert combine(paths).meta["IMCMB002"] == "b1.fits"


def test_scaled_files_with_blank_pixels(tmp_path):
    paths = []
    for index in range(3):
        hdu = fits.PrimaryHDU(np.array([[1, 2, -9], [4, 5, 6]], dtype=np.int16) + np.int16(index))
        hdu.header["BUNIT"] = "adu"
        hdu.writeto(tmp_path / f"s{index}.fits")
        with fits.open(tmp_path / f"s{index}.fits", mode="update", do_not_scale_image_data=True) as found:
            found[0].header["BSCALE"] = 0.5
            found[0].header["BZERO"] = 10.0
            found[0].header["BLANK"] = -9
        paths.append(tmp_path / f"s{index}.fits")
    found = combine(paths)
    np.testing.assert_array_equal(found.flags, [[3, 3, 2], [3, 3, 3]])
    np.testing.assert_array_equal(found.data, [[11.0, 11.5, 10 + 0.5 * -7.5], [12.5, 13.0, 13.5]])
    assert found.data.dtype == np.float32


def test_units_of_files(tmp_path):
    pixels = frames_of(3)
    bare = [write(tmp_path / f"n{i}.fits", frame) for i, frame in enumerate(pixels)]
    with pytest.warns(AssumptionWarning, match="adu is assumed") as said:
        assert combine(bare).unit == "adu"
    assert len(said) == 1
    assert combine(bare, unit="electron").unit == "electron"
    other = write(tmp_path / "other.fits", pixels[0], BUNIT="electron")
    same = write(tmp_path / "same.fits", pixels[0], BUNIT="ADU")
    plain = write(tmp_path / "plain.fits", pixels[0], BUNIT="adu")
    assert combine([plain, same]).unit == "adu"
    with pytest.raises(MismatchError, match=r"other\.fits: is in electron, but .*plain\.fits is in adu"):
        combine([plain, other])
    with pytest.raises(UnitError, match="'parsnips' is not a unit"):
        combine(bare, unit="parsnips")


def test_files_of_different_size(tmp_path):
    paths = [write(tmp_path / f"s{n}.fits", np.ones((n, 4), np.float32), BUNIT="adu") for n in (3, 5)]
    with pytest.raises(MismatchError, match=r"s5\.fits: is 4 x 5 pixels, but .*s3\.fits is 4 x 3"):
        combine(paths)


def test_the_result_is_written(tmp_path):
    pixels = frames_of(4)
    pixels[:, 0, 0] = np.nan
    target = tmp_path / "combined_bias.fits"
    found = combine(ccds_of(pixels), output_file=target, **NOTEBOOK)
    back = CCDData.read(target)
    np.testing.assert_array_equal(back.data, found.data)
    np.testing.assert_array_equal(back.mask, found.mask)
    np.testing.assert_array_equal(back.uncertainty.array, found.uncertainty.array)
    assert isinstance(back.uncertainty, StdDevUncertainty)
    assert (back.unit, back.meta["COMBINED"]) == ("adu", True)
    with pytest.raises(OutputExistsError):
        combine(ccds_of(pixels), output_file=target)
    combine(ccds_of(pixels), output_file=target, overwrite_output=True)


def test_the_result_can_be_written_as_the_notebook_does(tmp_path):
    found = combine(ccds_of(frames_of(3)), **NOTEBOOK)
    found.write(tmp_path / "combined.fits")
    np.testing.assert_array_equal(CCDData.read(tmp_path / "combined.fits").data, found.data)


# --- words -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rejection", "words"),
    [
        (Rejection(), "none"),
        (Rejection(value_low=3, drop_high=1), "values 3 to None drop 0 low 1 high"),
        (Rejection(sigma_high=3, iterations=2, floor_adu=4), "clip +3 mad_std about median floor 4 x2"),
        (Rejection(sigma_low=3, spread=functools.partial(np.nanstd, ddof=1)), "clip -3 partial about median"),
        (Rejection(sigma_low=3, center=own_median), "clip -3 mad_std about own_median"),
    ],
)
def test_a_rejection_in_words(rejection, words):
    assert rejection.describe() == words


def test_mask_of_a_combined_frame():
    counts = np.array([[0, 3]], dtype=np.uint16)
    np.testing.assert_array_equal(Combined(counts, counts, counts).mask, [[True, False]])


def test_another_word_for_a_method_is_told():
    with pytest.raises(UsageError, match="did you mean 'average'"):
        combine(ccds_of(frames_of(3)), method="mean")


def test_limits_come_before_extremes_and_a_combiner_does_as_it_is_told():
    """ccdproc's combine drops the extremes first: the page of differences says so."""
    pixels = np.array([1.0, 2.0, 3.0, 100.0, 200.0])[:, None, None] * np.ones((1, 2, 2))
    words = {"clip_extrema": True, "nlow": 0, "nhigh": 2, "minmax_clip": True, "minmax_clip_max": 50.0}
    assert combine(ccds_of(pixels), **words).data == pytest.approx(1.5)  # of three that are left, two fifths: one
    assert peer(ccds_of(pixels), **words).data == pytest.approx(2.0)
    combiner = Combiner(ccds_of(pixels))
    combiner.clip_extrema(nlow=0, nhigh=2)
    combiner.minmax_clipping(max_clip=50.0)
    assert combiner.average_combine().data == pytest.approx(2.0)
