"""Software binning: beside ccdproc 2.5 for the pixels, and beside an oracle for all that ccdproc drops."""

from __future__ import annotations

import math

import numpy as np
import pytest
from astropy.io import fits
from astropy.nddata import CCDData, StdDevUncertainty, VarianceUncertainty
from astropy.wcs import WCS, Sip
from test_calibration import peer

import naive_frames
from zeroframe.errors import ArgumentError, UsageError
from zeroframe.headers.dialects import read_facts
from zeroframe.verbs.blocks import block_average, block_reduce, block_replicate

SHAPE = (13, 18)


def frame(dtype=np.float32, **words):
    pixels = np.random.default_rng(0).normal(500, 30, SHAPE)
    return CCDData(pixels.astype(dtype), unit="adu", **words)


def errors(kind=StdDevUncertainty):
    sigma = np.random.default_rng(1).uniform(1, 5, SHAPE)
    return kind(sigma if kind is StdDevUncertainty else sigma**2)


def holes(share=0.2):
    return np.random.default_rng(2).random(SHAPE) < share


def sky_wcs(cd=False):
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = "RA---TAN", "DEC--TAN"
    wcs.wcs.crpix, wcs.wcs.crval = (7.5, 4.25), (10.0, 20.0)
    if cd:
        wcs.wcs.cd = [[-1e-4, 2e-5], [3e-5, 1.1e-4]]
    else:
        wcs.wcs.cdelt = -1e-4, 1.1e-4
        wcs.wcs.pc = [[0.9, -0.1], [0.2, 0.95]]
    wcs.wcs.set()
    return wcs


# --- beside ccdproc --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("block", [2, (3, 2), (1, 5), 13])
@pytest.mark.parametrize("dtype", [np.uint16, np.float32, np.float64])
@pytest.mark.parametrize("func", [np.sum, np.mean, np.median, np.max, np.std])
def test_reduce_equal_to_ccdproc(func, dtype, block):
    ccd = frame(dtype)
    found, expected = block_reduce(ccd, block, func), peer("block_reduce", ccd, block, func)
    np.testing.assert_allclose(found.data, expected.data, rtol=1e-5)
    assert found.unit == expected.unit
    assert found.mask is None
    assert found.data.dtype == (np.float64 if dtype is np.float64 else np.float32)
    if func is np.mean:
        np.testing.assert_array_equal(block_average(ccd, block).data, found.data)


@pytest.mark.parametrize("conserve_sum", [True, False])
@pytest.mark.parametrize("block", [2, (3, 2)])
def test_replicate_equal_to_ccdproc(block, conserve_sum):
    found = block_replicate(frame(), block, conserve_sum)
    np.testing.assert_allclose(found.data, peer("block_replicate", frame(), block, conserve_sum).data, rtol=1e-6)
    assert found.unit == frame().unit


def test_arrays_as_in_ccdproc():
    import ccdproc

    data = np.arange(24.0).reshape(4, 6)
    for name, function in (
        ("block_reduce", block_reduce),
        ("block_average", block_average),
        ("block_replicate", block_replicate),
    ):
        found = function(data, 2)
        assert type(found) is np.ndarray
        np.testing.assert_array_equal(found, getattr(ccdproc, name)(data, 2))


# --- what ccdproc drops: mask, uncertainty, world coordinates --------------------------------------------------------


@pytest.mark.parametrize("kind", [StdDevUncertainty, VarianceUncertainty])
def test_masks_and_uncertainties_of_sums_and_means(kind):
    mask = holes(0.3)
    mask[:3, :2] = True  # one block without any pixel
    ccd = frame(np.float64, mask=mask, uncertainty=errors(kind))
    ccd.data[4, 5] = np.nan
    left_out = mask | np.isnan(ccd.data)
    values = naive_frames.blocks(ccd.data, left_out, 3, 2)
    variances = naive_frames.blocks(errors().array ** 2, left_out, 3, 2)
    total, mean = block_reduce(ccd, (3, 2)), block_average(ccd, (3, 2))
    to_sigma = np.sqrt if kind is VarianceUncertainty else np.asarray
    for found in (total, mean):
        assert type(found.uncertainty) is kind
    for i, row in enumerate(values):
        for j, left in enumerate(row):
            assert total.mask[i, j] == (len(left) < 6)
            assert mean.mask[i, j] == (not left)
            if left:
                error = math.sqrt(math.fsum(variances[i][j]))
                assert total.data[i, j] == pytest.approx(math.fsum(left))
                assert mean.data[i, j] == pytest.approx(math.fsum(left) / len(left))
                assert to_sigma(total.uncertainty.array)[i, j] == pytest.approx(error)
                assert to_sigma(mean.uncertainty.array)[i, j] == pytest.approx(error / len(left))
    assert mean.mask.sum() >= 1
    assert not mean.mask.all()


def test_masks_of_other_functions():
    mask = holes(0.3)
    mask[:3, :2] = True
    ccd = frame(np.float64, mask=mask, uncertainty=errors())
    values = naive_frames.blocks(ccd.data, mask, 3, 2)
    middle, largest = block_reduce(ccd, (3, 2), np.median), block_reduce(ccd, (3, 2), np.max)
    assert middle.uncertainty is None
    assert largest.uncertainty is None
    for i, row in enumerate(values):
        for j, left in enumerate(row):
            assert largest.mask[i, j] == (len(left) < 6)
            assert middle.mask[i, j] == (not left)
            if left:
                assert middle.data[i, j] == np.median(left)
            if len(left) == 6:
                assert largest.data[i, j] == max(left)


def test_there_and_back():
    ccd = frame(np.float64, mask=holes(), uncertainty=errors(), wcs=sky_wcs())
    whole = ccd[:12, :18]
    found = block_reduce(block_replicate(whole, (3, 2)), (3, 2))
    np.testing.assert_allclose(found.data[~found.mask], whole.data[~found.mask])
    np.testing.assert_array_equal(found.mask, whole.mask)
    np.testing.assert_allclose(found.wcs.wcs.crpix, whole.wcs.wcs.crpix)
    np.testing.assert_allclose(found.wcs.pixel_scale_matrix, whole.wcs.pixel_scale_matrix)
    copies = block_replicate(whole, (3, 2), conserve_sum=False)
    np.testing.assert_array_equal(copies.uncertainty.array[::3, ::2], whole.uncertainty.array)
    np.testing.assert_allclose(
        block_replicate(whole, (3, 2)).uncertainty.array[1::3, 1::2] * 6, whole.uncertainty.array
    )


@pytest.mark.parametrize("cd", [False, True])
def test_world_coordinates_of_larger_pixels(cd):
    """The centre of a block of 3 x 2 stands between the centres of its pixels, in the sky too."""
    wcs = sky_wcs(cd)
    ccd = frame(wcs=wcs, meta=wcs.to_header())
    found = block_reduce(ccd, (3, 2))
    # block (x, y) = (2, 1), counted from 0, holds the pixels x 4..5 and y 3..5
    np.testing.assert_allclose(found.wcs.wcs_pix2world(2, 1, 0), wcs.wcs_pix2world(4.5, 4.0, 0), rtol=1e-12)
    np.testing.assert_allclose(WCS(found.meta).wcs_pix2world(2, 1, 0), wcs.wcs_pix2world(4.5, 4.0, 0), rtol=1e-12)
    smaller = block_replicate(ccd, (3, 2))
    np.testing.assert_allclose(smaller.wcs.wcs_pix2world(8.5, 10.0, 0), wcs.wcs_pix2world(4, 3, 0), rtol=1e-12)
    np.testing.assert_array_equal(ccd.wcs.wcs.crpix, [7.5, 4.25])


def test_cards_that_count_pixels_are_made_true():
    header = fits.Header(
        {
            "NAXIS1": 18, "NAXIS2": 13, "BIASSEC": "[15:18,1:13]", "DATASEC": "[1:14,1:13]", "TRIMSEC": "bad",
            "CCDSEC": "[101:118,1:13]", "CRPIX1": 7.5, "CRPIX2": 4.25, "CDELT1": -0.1, "CDELT2": 0.2, "LTV1": -100.0,
            "LTM1_1": 1.0, "XBINNING": 2, "YBINNING": 1, "CCDSUM": "2 1", "EXPTIME": 60.0,
        }
    )  # fmt: skip
    found = block_reduce(frame(meta=header), (3, 2)).meta
    assert (found["NAXIS1"], found["NAXIS2"]) == (9, 4)
    assert found["BIASSEC"] == "[8:9,1:4]"
    assert found["DATASEC"] == "[1:7,1:4]"
    assert "TRIMSEC" not in found
    assert found["CRPIX1"] == pytest.approx((7.5 - 0.5) / 2 + 0.5)
    assert found["CRPIX2"] == pytest.approx((4.25 - 0.5) / 3 + 0.5)
    assert (found["CDELT1"], found["CDELT2"]) == pytest.approx((-0.2, 0.6))
    assert (found["LTV1"], found["LTM1_1"]) == (pytest.approx(-49.75), 0.5)
    assert read_facts(found).binning_xy == (4, 3)
    assert (found["CCDSUM"], found["EXPTIME"]) == ("4 3", 60.0)
    assert header["CCDSUM"] == "2 1"


def test_distorted_coordinates_are_refused():
    wcs = sky_wcs()
    wcs.wcs.ctype = "RA---TAN-SIP", "DEC--TAN-SIP"
    wcs.sip = Sip(np.full((3, 3), 1e-7), np.full((3, 3), 1e-7), None, None, wcs.wcs.crpix)
    with pytest.raises(UsageError, match="distortions"):
        block_reduce(frame(wcs=wcs), 2)


def test_input_is_never_changed():
    ccd = frame(mask=holes(), uncertainty=errors(), meta=fits.Header({"NAXIS1": 18}))
    before = ccd.copy()
    for function in (block_reduce, block_average, block_replicate):
        found = function(ccd, 1)
        found.data[:] = 0
        found.mask[:] = True
        found.uncertainty.array[:] = 0
        found.meta["NAXIS1"] = 3
    np.testing.assert_array_equal(ccd.data, before.data)
    np.testing.assert_array_equal(ccd.mask, before.mask)
    np.testing.assert_array_equal(ccd.uncertainty.array, before.uncertainty.array)
    assert ccd.meta == before.meta


@pytest.mark.parametrize("block", [0, -1, 2.5, (1, 2, 3), "2", (14, 1), (1, 19)])
def test_blocks_that_make_no_sense(block):
    with pytest.raises(UsageError, match="block"):
        block_reduce(frame(), block)


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda: block_reduce([1, 2], 2), "CCDData or an array"),
        (lambda: block_reduce(frame(), 2, "sum"), "must be a function"),
        (lambda: block_reduce(frame(), 2, lambda data, axis: (data, axis)[0]), "must give"),
        (lambda: block_average(frame(), block_sizes=2), "did you mean 'block_size'"),
        (lambda: block_replicate(frame(), 2, conserve_sums=True), "did you mean 'conserve_sum'"),
    ],
)
def test_mistakes(call, match):
    with pytest.raises(ArgumentError, match=match):
        call()
