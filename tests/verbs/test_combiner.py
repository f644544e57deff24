"""Combiner, beside ccdproc's where ccdproc is right, and beside the naive oracle."""

from __future__ import annotations

import ccdproc
import numpy as np
import pytest
from astropy import units as u
from astropy.nddata import CCDData
from astropy.stats import mad_std
from astropy.utils.exceptions import AstropyUserWarning

from zeroframe import Combiner, combine
from zeroframe.errors import ArgumentError, MismatchError, NoFramesError, UnitError, UsageError


def frames_of(count, seed=1, shape=(7, 9)):
    random = np.random.default_rng(seed)
    values = np.round(random.normal(1000, 4, (count, *shape)))
    values[0, 0, 0] = 60000
    values[-1, 2, 3] = 0
    return [CCDData(plane.astype(np.float32), unit="adu") for plane in values]


def both(frames, dtype=None):
    return Combiner(frames, dtype=dtype), ccdproc.Combiner(frames, dtype=dtype)


def assert_same(ours, theirs):
    assert ours.unit == theirs.unit
    assert ours.meta["NCOMBINE"] == theirs.meta["NCOMBINE"]
    np.testing.assert_array_equal(ours.mask, theirs.mask)
    np.testing.assert_allclose(ours.data, theirs.data, rtol=1e-5)
    np.testing.assert_allclose(ours.uncertainty.array, theirs.uncertainty.array, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("count", [2, 3, 6, 25])
@pytest.mark.parametrize("method", ["median_combine", "average_combine", "sum_combine"])
def test_plain_combinations_are_those_of_ccdproc(count, method):
    ours, theirs = both(frames_of(count))
    assert_same(getattr(ours, method)(), getattr(theirs, method)())


@pytest.mark.parametrize(
    ("func", "dev_func"), [("mean", "std"), ("median", "mad_std"), (np.ma.median, mad_std), (np.nanmean, np.nanstd)]
)
def test_clipping_is_that_of_ccdproc(func, dev_func):
    ours, theirs = both(frames_of(12))
    for combiner in (ours, theirs):
        combiner.sigma_clipping(low_thresh=3, high_thresh=4, func=func, dev_func=dev_func)
    assert ours.data_arr.mask.sum() > 0
    np.testing.assert_array_equal(ours.data_arr.mask, theirs.data_arr.mask)
    assert_same(ours.average_combine(), theirs.average_combine())


def test_values_that_are_rejected_stay_readable_under_the_mask():
    frames = frames_of(6)
    ours, theirs = both(frames)
    for combiner in (ours, theirs):
        combiner.minmax_clipping(min_clip=900, max_clip=1100)
    np.testing.assert_array_equal(ours.data_arr.mask, theirs.data_arr.mask)
    np.testing.assert_array_equal(ours.data_arr.data, theirs.data_arr.data)
    assert_same(ours.median_combine(), theirs.median_combine())


def test_clipping_until_nothing_changes_as_ccdproc_teaches_it():
    combiner = Combiner(frames_of(25))
    before = -1
    while (now := int(combiner.data_arr.mask.sum())) != before:
        before = now
        combiner.sigma_clipping(func=np.ma.median, dev_func="std")
    at_once = Combiner(frames_of(25))
    at_once.sigma_clipping(func="median", dev_func="std", maxiters=100)
    np.testing.assert_array_equal(combiner.data_arr.mask, at_once.data_arr.mask)


def test_steps_follow_each_other():
    """The second step looks only at what the first has left; ccdproc's looks at masked values again."""
    values = np.array([0.0, 10, 11, 12, 13, 60000])[:, None, None] * np.ones((1, 2, 2))
    combiner = Combiner([CCDData(plane, unit="adu") for plane in values])
    combiner.minmax_clipping(max_clip=50000)
    combiner.clip_extrema(nlow=1, nhigh=1)
    # of the five that are left one is dropped at each end, 1 * 5 // 6 = 0: IRAF's fraction of what is left
    np.testing.assert_array_equal((~combiner.data_arr.mask).sum(axis=0), 5)
    combiner.clip_extrema(nlow=2, nhigh=0)
    np.testing.assert_array_equal(combiner.average_combine().data, np.mean([10, 11, 12, 13]))


def test_scaling_comes_before_rejection():
    values = np.array([100.0, 101, 99, 1000, 1010, 990])
    frames = [CCDData(np.full((2, 2), value), unit="adu") for value in values]
    combiner = Combiner(frames)
    combiner.scaling = [1, 1, 1, 0.1, 0.1, 0.1]
    combiner.sigma_clipping(low_thresh=3, high_thresh=3, func="median", dev_func="mad_std")
    np.testing.assert_allclose(combiner.average_combine().data, 100.0)
    assert combiner.scaling.shape == (6, 1, 1)
    combiner.scaling = lambda frame: 100 / np.ma.average(frame)
    np.testing.assert_allclose(combiner.average_combine().data, 100.0)
    np.testing.assert_allclose(combiner.average_combine(scale_to=2.0).data, 2 * values.mean())
    combiner.scaling = None
    assert combiner.scaling is None


def test_weights_are_those_of_ccdproc():
    ours, theirs = both(frames_of(6))
    for combiner in (ours, theirs):
        combiner.weights = np.arange(1.0, 7.0)
    assert_same(ours.average_combine(), theirs.average_combine())
    assert_same(ours.sum_combine(), theirs.sum_combine())
    assert_same(ours.average_combine(sum_func=np.ma.sum), theirs.average_combine(sum_func=np.ma.sum))
    planes = np.random.default_rng(2).uniform(0.5, 2, ours.data_arr.shape)
    for combiner in (ours, theirs):
        combiner.weights = planes
    assert_same(ours.average_combine(), theirs.average_combine())


def nan_middle(values, axis):
    return (np.nanmin(values, axis=axis) + np.nanmedian(values, axis=axis)) / 2


def nan_quartile_range(values, axis):
    return np.nanquantile(values, 0.75, axis=axis) - np.nanquantile(values, 0.25, axis=axis)


def test_functions_of_the_callers_own():
    ours, theirs = both(frames_of(6), dtype=np.float64)
    for combiner in (ours, theirs):
        combiner.sigma_clipping(low_thresh=2, high_thresh=1, func=nan_middle, dev_func=nan_quartile_range)
    assert ours.data_arr.mask.any()
    np.testing.assert_array_equal(ours.data_arr.mask, theirs.data_arr.mask)
    np.testing.assert_array_equal(ours.median_combine(median_func=np.ma.max).data, ours.data_arr.max(axis=0))
    spread = ours.average_combine(uncertainty_func=np.nanmedian).uncertainty.array
    count = (~ours.data_arr.mask).sum(axis=0)
    np.testing.assert_allclose(spread, np.ma.median(ours.data_arr, axis=0) / np.sqrt(count))


def test_masks_and_nan_take_no_part_and_frames_are_not_changed():
    frames = frames_of(5)
    frames[1].mask = np.zeros((7, 9), bool)
    frames[1].mask[3, 3] = True
    frames[2].data[4, 4] = np.nan
    for frame in frames:
        frame.mask = np.zeros((7, 9), bool) if frame.mask is None else frame.mask
        frame.mask[6, 8] = True
    copies = [frame.copy() for frame in frames]
    combiner = Combiner(frames)
    result = combiner.median_combine()
    assert result.mask.sum() == 1
    assert np.isnan(result.data[6, 8])
    assert (result.flags[3, 3], result.flags[4, 4], result.flags[6, 8], result.flags[0, 1]) == (4, 4, 0, 5)
    combiner.clip_extrema(1, 1)
    for frame, copy in zip(frames, copies, strict=True):
        np.testing.assert_array_equal(frame.data, copy.data)
        np.testing.assert_array_equal(frame.mask, copy.mask)
    expected = combine(frames, method="average", clip_extrema=True)
    np.testing.assert_array_equal(combiner.average_combine().data, expected.data)


def test_types():
    frames = [CCDData(np.full((2, 2), value, np.uint16), unit="adu") for value in (65535, 65535)]
    combiner = Combiner(frames)
    assert combiner.dtype == np.float32
    assert combiner.sum_combine().data[0, 0] == 131070
    assert Combiner(frames, dtype="float64").median_combine().data.dtype == np.float64


def test_what_cannot_be_combined_is_refused():
    frames = frames_of(3)
    with pytest.raises(ArgumentError, match="frame 2 must be a CCDData"):
        Combiner([frames[0], np.ones((7, 9))])
    with pytest.raises(ArgumentError, match="list or generator"):
        Combiner(None)
    with pytest.raises(NoFramesError):
        Combiner(frame for frame in ())
    with pytest.raises(MismatchError, match="frame 2"):
        Combiner([frames[0], CCDData(np.ones((2, 2)), unit="adu")])
    with pytest.raises(UnitError, match="electron"):
        Combiner([frames[0], CCDData(np.ones((7, 9)), unit=u.electron)])
    combiner = Combiner(frames)
    with pytest.raises(ArgumentError, match="did you mean 'maxiters'"):
        combiner.sigma_clipping(maxiter=3)
    with pytest.warns(AstropyUserWarning, match="leave nothing of 3 frames"):  # as ccdproc does, which says nothing
        combiner.clip_extrema(2, 1)
    assert combiner.data_arr.mask.all()
    combiner.scaling = np.ma.mean
    assert combiner.average_combine().mask.all()
    combiner = Combiner(frames)
    with pytest.raises(ArgumentError, match="numpy array"):
        combiner.weights = [1, 2, 3]
    with pytest.raises(UsageError, match="shape"):
        combiner.weights = np.ones(2)
    with pytest.raises(UsageError, match="one factor for each"):
        combiner.scaling = [1, 2]
    combiner.weights = None
    assert combiner.weights is None


# --- what may be changed ---------------------------------------------------------------------------------------------


def test_editing_data_arr_counts():
    """Pixels and mask as ccdproc's: 21.0 where nobody looks at what was edited, 1.5 where somebody does."""
    frames = [CCDData(np.full((2, 3), value, np.float32), unit="adu") for value in (1.0, 2.0, 60.0)]
    ours, theirs = both(frames)
    for combiner in (ours, theirs):
        combiner.data_arr.mask[2] = True
    assert_same(ours.average_combine(), theirs.average_combine())
    assert (ours.average_combine().data == 1.5).all()
    assert (frames[2].data == 60.0).all()
    for combiner in both(frames):
        combiner.data_arr[2, 0, 1] = 3.0
        combiner.data_arr[0, 1, 1] = np.ma.masked
        combiner.data_arr.data[1, 0, 0] = -40.0
        combiner.minmax_clipping(min_clip=0, max_clip=50)
        found = combiner.average_combine()
        assert found.data[0].tolist() == [1.0, 2.0, 1.5]
        assert found.data[1].tolist() == [1.5, 2.0, 1.5]


@pytest.mark.parametrize("seed", range(3))
def test_edits_before_each_step_are_those_of_ccdproc(seed):
    random = np.random.default_rng(seed)
    ours, theirs = both(frames_of(12, seed))
    places = random.integers(0, [12, 7, 9], (20, 3))
    for combiner in (ours, theirs):
        combiner.data_arr[tuple(places[:10].T)] = 1000.5
        combiner.sigma_clipping(low_thresh=3, high_thresh=3, func="median", dev_func="mad_std")
        combiner.data_arr.mask[tuple(places[10:].T)] = True
    np.testing.assert_array_equal(ours.data_arr.mask, theirs.data_arr.mask)
    assert_same(ours.average_combine(), theirs.average_combine())
    assert_same(ours.median_combine(), theirs.median_combine())
    ours.data_arr = np.ma.MaskedArray(np.ma.getdata(ours.data_arr) * 2)  # another array, without a mask
    assert_same(ours.average_combine(), _doubled(theirs).average_combine())


def _doubled(combiner):
    combiner.data_arr = np.ma.MaskedArray(np.ma.getdata(combiner.data_arr) * 2, np.zeros(combiner.data_arr.shape, bool))
    return combiner


@pytest.mark.parametrize("shape", [(30,), (4, 5, 6)])
def test_frames_of_one_and_three_axes(shape):
    ours, theirs = both(frames_of_any(8, shape))
    for combiner in (ours, theirs):
        combiner.scaling = lambda values: 1000.0 / np.ma.average(values)
        combiner.minmax_clipping(min_clip=100, max_clip=5000)
    assert ours.scaling.shape == theirs.scaling.shape == (8,) + (1,) * len(shape)
    for method in ("median_combine", "average_combine", "sum_combine"):
        assert_same(getattr(ours, method)(), getattr(theirs, method)())
        assert getattr(ours, method)().shape == shape
    assert_same(ours.average_combine(np.ma.mean), theirs.average_combine(np.ma.mean))
    # weights of frames that are no images ccdproc cannot spread
    weights = np.random.default_rng(1).uniform(0.5, 2.0, 8)
    expected = np.ma.average(ours.data_arr * ours.scaling, axis=0, weights=weights)
    ours.weights = weights
    np.testing.assert_allclose(ours.average_combine().data, expected, rtol=1e-12)
    np.testing.assert_allclose(ours.average_combine(sum_func=np.ma.sum).data, expected, rtol=1e-12)
    ours.weights = np.broadcast_to(weights.reshape(-1, *(1,) * len(shape)), (8, *shape)).copy()
    np.testing.assert_allclose(ours.average_combine().data, expected, rtol=1e-12)


def frames_of_any(count, shape):
    values = np.random.default_rng(2).normal(1000, 4, (count, *shape))
    values[0].flat[0], values[-1].flat[7] = 60000, 0
    return [CCDData(plane, unit="adu") for plane in values]


def test_a_scaling_that_is_one_number_is_a_type_error():
    combiner = Combiner(frames_of(3))
    with pytest.raises(TypeError, match="scaling is 5"):
        combiner.scaling = 5
    assert combiner.scaling is None
