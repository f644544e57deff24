"""Masks as bits: what they are called, how others read them, and what a night writes."""

from __future__ import annotations

import warnings
from pathlib import Path

import astropy.nddata
import ccdproc
import numpy as np
import pytest
from astropy.io import fits
from astropy.nddata import CCDData

import zeroframe
from nights import RECIPES, carried_out, small_night
from zeroframe.frames.mask_bits import MEANINGS, MaskBit, bits_of_header

NAME, SCIENCE = "palomar-lfc", "ccd.037.0.fits"
#: As documented: whoever has stored numbers relies on them.
VALUES = {
    "BAD": 1,
    "HOT": 2,
    "SATURATED": 4,
    "BLEED": 8,
    "COSMIC": 16,
    "NODATA": 32,
    "NONLINEAR": 64,
    "INTERPOLATED": 128,
}


@pytest.fixture(scope="module")
def night(tmp_path_factory):
    """A night of which a science frame has saturated pixels in its image."""
    folder = tmp_path_factory.mktemp("bits")
    raw = small_night(folder / "raw", one_filter=True)
    with fits.open(raw / SCIENCE, mode="update") as hdus:
        hdus[0].data[100:110, 50:60] = 65535
        for word in ("DATASUM", "CHECKSUM"):
            hdus[0].header.remove(word)
    carried_out(raw, folder / "out", RECIPES[NAME])
    return folder / "out"


def test_names_values_and_meanings_are_one_table():
    assert {bit.name: bit.value for bit in MaskBit} == VALUES
    assert set(MEANINGS) == set(MaskBit)


def test_the_table_of_the_docs_is_the_table():
    lines = Path(__file__).parents[2].joinpath("docs", "night.md").read_text("utf-8").splitlines()
    rows = [tuple(cell.strip() for cell in line.split("|")[1:-1]) for line in lines]
    expected = [(bit.name, str(bit.value), MEANINGS[bit]) for bit in MaskBit]
    assert [row for row in rows if row and row[0] in VALUES] == expected


def test_a_result_says_which_pixel_is_masked_for_what(night):
    mask, header = fits.getdata(night / SCIENCE, "MASK"), fits.getheader(night / SCIENCE, "MASK")
    assert mask.dtype == np.uint8
    assert {header[f"MBIT{place}"]: 1 << place for place in range(8)} == VALUES
    assert bits_of_header(header) == VALUES
    assert (mask[100:110, 50:60] & 4 != 0).all()
    assert np.count_nonzero(mask & 4) == fits.getval(night / SCIENCE, "NSATPIX")
    hot = fits.getdata(next(night.glob("hot_pixels*.fits")))
    assert set(np.unique(hot)) == {0, 2}
    np.testing.assert_array_equal(mask & 2 != 0, hot != 0)
    assert np.count_nonzero(mask & 16) == fits.getval(night / SCIENCE, "NCOSMIC") > 0
    assert np.count_nonzero(mask) == fits.getval(night / SCIENCE, "NMASKED")
    np.testing.assert_array_equal(zeroframe.read_mask(night / SCIENCE), mask)


def test_astropy_ccdproc_and_zeroframe_read_a_mask_of_true_and_false(night):
    expected = fits.getdata(night / SCIENCE, "MASK") != 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        frames = [
            CCDData.read(night / SCIENCE),
            ccdproc.CCDData.read(night / SCIENCE),
            zeroframe.read_ccd(night / SCIENCE),
        ]
    for frame in frames:
        assert frame.mask.dtype == np.bool_
        np.testing.assert_array_equal(frame.mask, expected)


def test_combining_leaves_masked_pixels_out_whatever_their_bit(tmp_path):
    values = np.arange(1.0, 7.0, dtype=np.float32)
    paths = []
    for number, bit in enumerate([0, 1, 4, 16, 128, 32]):
        image = fits.PrimaryHDU(np.full((4, 5), values[number]))
        image.header["BUNIT"] = "adu"
        mask = np.zeros((4, 5), np.uint8)
        mask[1, number % 5] = bit
        paths.append(tmp_path / f"{number}.fits")
        fits.HDUList([image, fits.ImageHDU(mask, name="MASK")]).writeto(paths[-1])
    expected = np.full((4, 5), values.mean())
    for number in range(1, 6):
        expected[1, number % 5] = (values.sum() - values[number]) / 5
    found = zeroframe.combine([str(path) for path in paths], method="average")
    np.testing.assert_allclose(found.data, expected, rtol=1e-6)
    frames = [zeroframe.read_ccd(path) for path in paths]
    np.testing.assert_allclose(zeroframe.combine(frames, method="average").data, expected, rtol=1e-6)


def test_masks_of_0_and_1_and_frames_without_one(tmp_path):
    mask = np.array([[False, True]])
    CCDData(np.ones((1, 2)), unit="adu", mask=mask).write(tmp_path / "old.fits")
    assert zeroframe.read_mask(tmp_path / "old.fits").tolist() == [[0, 1]]
    assert bits_of_header(fits.getheader(tmp_path / "old.fits", "MASK")) == {"BAD": 1}
    CCDData(np.ones((1, 2)), unit="adu").write(tmp_path / "none.fits")
    assert zeroframe.read_mask(tmp_path / "none.fits").tolist() == [[0, 0]]


@pytest.mark.parametrize("ignore", [0, 5, 255, None, "1,4", "~1,4", "4+16", "~16", "0", "~0"])
@pytest.mark.parametrize("flip", [None, False, True])
def test_boolean_masks_are_those_of_ccdproc(ignore, flip):
    if flip is not None and (ignore is None or isinstance(ignore, str)):
        with pytest.raises(zeroframe.ArgumentError):
            zeroframe.bitfield_to_boolean_mask(np.zeros((2, 2), np.uint8), ignore, flip)
        with pytest.raises((TypeError, ValueError)):
            ccdproc.bitfield_to_boolean_mask(np.zeros((2, 2), np.uint8), ignore, flip)
        return
    bits = np.random.default_rng(2).integers(0, 256, (20, 30)).astype(np.uint8)
    for dtype in (np.uint8, np.int32):
        found = zeroframe.bitfield_to_boolean_mask(bits.astype(dtype), ignore, flip)
        expected = ccdproc.bitfield_to_boolean_mask(bits.astype(dtype), ignore, flip)
        assert found.dtype == expected.dtype == np.bool_
        np.testing.assert_array_equal(found, expected)


def test_bits_by_name():
    bits = np.random.default_rng(3).integers(0, 256, (20, 30)).astype(np.uint8)
    np.testing.assert_array_equal(
        zeroframe.bitfield_to_boolean_mask(bits, "~SATURATED,BLEED"),
        astropy.nddata.bitfield_to_boolean_mask(bits, "~4,8", dtype=bool),
    )
    with pytest.raises(zeroframe.ArgumentError, match="SATURATE"):
        zeroframe.bitfield_to_boolean_mask(bits, "SATURATE")
    with pytest.raises(zeroframe.ArgumentError):
        zeroframe.bitfield_to_boolean_mask(np.ones((2, 2)), 0)
