"""ccdmask: beside ccdproc 2.5, and beside what IRAF's help page says where ccdproc does something else."""

from __future__ import annotations

import numpy as np
import pytest
from astropy.nddata import CCDData

import naive_frames
from zeroframe.errors import ArgumentError, UsageError
from zeroframe.verbs.ccdmask import ccdmask


def ratio(shape=(60, 47), dtype=np.float64, seed=0):
    """A ratio of flats with dead, hot and clustered pixels."""
    rng = np.random.default_rng(seed)
    pixels = rng.normal(1.0, 0.01, shape) + 0.05 * np.linspace(-1, 1, shape[1])
    for y, x in ((5, 5), (17, 30), (18, 30), (40, 46), (59, 0)):
        pixels[y, x] = 0.1
    pixels[33, 20] = 3.0
    return CCDData(pixels.astype(dtype), unit="")


def peer(ccd, **words):
    import ccdproc

    return ccdproc.ccdmask(ccd, **words)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    "words",
    [{}, {"ncmed": 5, "nlmed": 3, "ncsig": 11, "nlsig": 20}, {"lsigma": 4, "hsigma": 30}, {"ncmed": 8}],
    ids=["plain", "boxes", "thresholds", "even"],
)
@pytest.mark.parametrize("byblocks", [False, True])
def test_equal_to_ccdproc(words, byblocks, dtype):
    ccd = ratio(dtype=dtype)
    found = ccdmask(ccd, byblocks=byblocks, **words)
    np.testing.assert_array_equal(found, peer(ccd, byblocks=byblocks, **words))
    assert found[[5, 17, 18, 40], [5, 30, 30, 46]].all()


def test_bad_columns_are_filled_as_in_ccdproc():
    ccd = ratio()
    for y in (10, 12, 14, 17, 20, 40, 50):
        ccd.data[y, 8] = 0.1
    found = ccdmask(ccd, findbadcolumns=True)
    np.testing.assert_array_equal(found, peer(ccd, findbadcolumns=True))
    assert found[10:21, 8].all()
    assert not found[21:40, 8].any()


def test_gaps_of_fewer_than_ngood_are_filled_everywhere():
    """ccdproc fills gaps of ngood itself, against its own documentation, and none in the last rows."""
    ccd = ratio()
    ccd.data[[10, 16, 30, 35, 54, 57], 8] = 0.1
    found = ccdmask(ccd, findbadcolumns=True, ngood=5)
    assert not found[11:16, 8].any()
    assert found[31:35, 8].all()
    assert found[55:57, 8].all()
    wrong = peer(ccd, findbadcolumns=True, ngood=5)
    assert wrong[11:16, 8].all()
    assert not wrong[55:57, 8].any()


def test_columns_that_are_low_as_a_whole():
    """ccdproc's documentation has IRAF's sums over columns, its code has not: such a column is not found."""
    ccd = ratio(seed=1)
    ccd.data[12:52, 25] -= 0.02  # 2 sigma: no pixel is found alone
    assert ccdmask(ccd)[:, 25].sum() == 0
    found = ccdmask(ccd, findbadcolumns=True)
    assert found[16:52, 25].all()
    assert not found[:10, 25].any()
    assert not found[54:, 25].any()
    np.testing.assert_array_equal(np.delete(found, 25, axis=1), np.delete(ccdmask(ccd), 25, axis=1))
    assert peer(ccd, findbadcolumns=True)[:, 25].sum() == 0
    ccd.data[12:52, 25] += 0.04
    assert ccdmask(ccd, findbadcolumns=True)[:, 25].sum() >= 30


@pytest.mark.parametrize("byblocks", [False, True])
def test_pixels_that_are_masked_or_not_finite(byblocks):
    """ccdproc lets NaN into its medians, and forgets it in blocks; masks it does not look at."""
    ccd = ratio()
    out = np.random.default_rng(5).random(ccd.shape) < 0.05
    expected = ccd.data.copy()
    expected[out] = np.nan
    ccd.data[out] = 50.0
    ccd.mask = out.copy()
    ccd.mask[3, 3], ccd.data[3, 3], expected[3, 3] = False, np.nan, np.nan
    residual = expected - naive_frames.moving_percentile(expected, 7, 7, 50.0)
    found = ccdmask(ccd, byblocks=byblocks)
    if byblocks:
        sigma = np.empty(ccd.shape)
        for y in range(0, 60, 15):
            for x in range(0, 47, 15):
                part = residual[y : y + 15, x : x + 15]
                low, high = np.nanpercentile(part, [30.9, 69.1])
                sigma[y : y + 15, x : x + 15] = 0.5 * (high - low)
    else:
        high = naive_frames.moving_percentile(residual, 15, 15, 69.1)
        sigma = 0.5 * (high - naive_frames.moving_percentile(residual, 15, 15, 30.9))
    np.testing.assert_array_equal(found, np.isnan(expected) | (np.abs(residual) > 9 * sigma))


def test_input_is_never_changed():
    ccd = ratio()
    before = ccd.data.copy()
    ccdmask(ccd, findbadcolumns=True)
    np.testing.assert_array_equal(ccd.data, before)
    assert ccd.mask is None


@pytest.mark.parametrize(
    ("call", "error", "match"),
    [
        (lambda: ccdmask(np.ones((3, 3))), UsageError, "ratio must be a CCDData"),
        (lambda: ccdmask(CCDData(np.ones(3), unit="")), UsageError, "an image has two"),
        (lambda: ccdmask(ratio(), ncmed=0), UsageError, "ncmed is 0"),
        (lambda: ccdmask(ratio(), hsigma=0), UsageError, "hsigma is 0"),
        (lambda: ccdmask(ratio(), findbadcols=True), ArgumentError, "did you mean 'findbadcolumns'"),
    ],
)
def test_mistakes(call, error, match):
    with pytest.raises(error, match=match):
        call()
