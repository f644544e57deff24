"""Frames written with what belongs to them, and read back."""

from __future__ import annotations

import numpy as np
import pytest
from astropy.io import fits
from astropy.nddata import CCDData, InverseVariance, StdDevUncertainty, VarianceUncertainty
from astropy.wcs import WCS

from zeroframe.errors import ArgumentError, AssumptionWarning, OutputExistsError, UnitError, UsageError
from zeroframe.verbs.ccddata import read_ccd, unit_of, with_data
from zeroframe.verbs.saving import image_parts, write_ccd

SUFFIXES = {"none": ".fits", "gzip": ".fits.gz", "rice": ".fits.fz"}


def full_frame(dtype=np.float32):
    rng = np.random.default_rng(0)
    ccd = CCDData(rng.normal(100, 5, (6, 8)).astype(dtype), unit="electron", meta=fits.Header({"OBJECT": "bias"}))
    ccd.mask = rng.random((6, 8)) < 0.3
    ccd.uncertainty = StdDevUncertainty(rng.random((6, 8)).astype(np.float32))
    ccd.flags = rng.integers(0, 25, (6, 8)).astype(np.uint16)
    return ccd


@pytest.mark.parametrize("compress", SUFFIXES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.uint16])
def test_written_frames_come_back(tmp_path, compress, dtype):
    ccd = full_frame(dtype)
    path = tmp_path / f"frame{SUFFIXES[compress]}"
    assert write_ccd(ccd, path, compress=compress) == path.stat().st_size
    back = read_ccd(path)
    assert back.data.dtype == dtype
    np.testing.assert_array_equal(back.data, ccd.data)
    np.testing.assert_array_equal(back.mask, ccd.mask)
    np.testing.assert_array_equal(back.uncertainty.array, ccd.uncertainty.array)
    np.testing.assert_array_equal(back.flags, ccd.flags)
    assert back.flags.dtype == np.uint16
    assert (back.unit, back.meta["OBJECT"], back.meta["BUNIT"]) == ("electron", "bias", "electron")


@pytest.mark.parametrize("compress", ["none", "gzip"])
def test_astropy_reads_them(tmp_path, compress):
    ccd = full_frame()
    path = tmp_path / f"frame{SUFFIXES[compress]}"
    write_ccd(ccd, path, compress=compress)
    back = CCDData.read(path)
    np.testing.assert_array_equal(back.data, ccd.data)
    np.testing.assert_array_equal(back.mask, ccd.mask)
    np.testing.assert_array_equal(back.uncertainty.array, ccd.uncertainty.array)
    assert isinstance(back.uncertainty, StdDevUncertainty)
    assert back.unit == "electron"
    with fits.open(path, checksum=True) as file:
        assert [hdu.name for hdu in file] == ["PRIMARY", "MASK", "UNCERT", "COUNTS"]
        assert file["MASK"].data.dtype == np.uint8
        assert file["UNCERT"].header["BUNIT"] == "electron"
        np.testing.assert_array_equal(file["COUNTS"].data, ccd.flags)


def test_what_astropy_wrote_is_read(tmp_path):
    ccd = full_frame()
    ccd.write(tmp_path / "theirs.fits")
    back = read_ccd(tmp_path / "theirs.fits")
    np.testing.assert_array_equal(back.mask, ccd.mask)
    np.testing.assert_array_equal(back.uncertainty.array, ccd.uncertainty.array)
    assert back.flags is None


def test_only_what_is_there_is_written(tmp_path):
    ccd = CCDData(np.ones((3, 4), np.float32), unit="adu", mask=np.zeros((3, 4), bool))
    write_ccd(ccd, tmp_path / "plain.fits")
    with fits.open(tmp_path / "plain.fits") as file:
        assert len(file) == 1
    back = read_ccd(tmp_path / "plain.fits")
    assert back.mask is None
    assert back.uncertainty is None


@pytest.mark.parametrize(("kind", "power"), [(VarianceUncertainty, 2), (InverseVariance, -2)])
def test_other_kinds_of_uncertainty_are_written_as_standard_deviations(tmp_path, kind, power):
    ccd = CCDData(np.ones((3, 4), np.float32), unit="adu", uncertainty=kind(np.full((3, 4), 2.0**power)))
    write_ccd(ccd, tmp_path / "frame.fits")
    back = CCDData.read(tmp_path / "frame.fits")
    assert isinstance(back.uncertainty, StdDevUncertainty)
    assert back.uncertainty.array.dtype.itemsize == 4
    np.testing.assert_array_equal(back.uncertainty.array, 2.0)


def test_metadata_that_are_no_header_and_coordinates(tmp_path):
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    wcs.wcs.crpix = [3.0, 4.0]
    ccd = CCDData(np.ones((3, 4), np.float32), unit="adu", meta={"OBJECT": "bias", "a long word": 3}, wcs=wcs)
    write_ccd(ccd, tmp_path / "frame.fits")
    back = read_ccd(tmp_path / "frame.fits")
    assert (back.meta["OBJECT"], back.meta["A LONG WORD"]) == ("bias", 3)
    assert back.wcs.wcs.crpix.tolist() == [3.0, 4.0]
    assert (back.meta["NAXIS1"], back.meta["NAXIS2"]) == (4, 3)


def test_what_cannot_be_written(tmp_path):
    path = tmp_path / "frame.fits"
    with pytest.raises(ArgumentError, match="ccd must be a CCDData"):
        write_ccd(np.ones((3, 4)), path)
    with pytest.raises(UsageError, match=r"frame\.fits: the metadata cannot be written"):
        write_ccd(CCDData(np.ones((3, 4)), unit="adu", meta={"BAD": float("nan")}), path)
    assert not path.exists()
    write_ccd(CCDData(np.ones((3, 4)), unit="adu"), path)
    with pytest.raises(OutputExistsError):
        write_ccd(CCDData(np.ones((3, 4)), unit="adu"), path)
    write_ccd(CCDData(np.zeros((3, 4)), unit="adu"), path, overwrite=True)
    assert not read_ccd(path).data.any()


def test_uncertainties_are_not_copied_when_they_are_float32_of_any_byte_order():
    for order in ("<f4", ">f4"):
        error = np.ones((3, 4), order)
        parts = image_parts(np.ones((3, 4), np.float32), fits.Header(), uncertainty=error)
        assert [part.name for part in parts] == ["", "UNCERT"]
        assert parts[1].data is error


@pytest.mark.parametrize(
    ("bunit", "expected"),
    [
        ("adu", "adu"),
        ("ADU", "adu"),
        (" ELECTRONS ", "electron"),
        ("counts", "adu"),
        ("DN", "DN"),
        ("e-", "electron"),
        ("electron / s", "electron / s"),
    ],
)
def test_units_of_headers(bunit, expected):
    assert unit_of("a.fits", bunit, None) == expected
    assert unit_of("a.fits", bunit, "photon") == "photon"


def test_units_that_are_none():
    with pytest.raises(UnitError, match=r"a\.fits: BUNIT is 'turnips', which is not a unit; give unit='adu'"):
        unit_of("a.fits", "turnips", None)
    for missing in (None, "  ", 3):
        with pytest.warns(AssumptionWarning, match=r"a\.fits: no BUNIT"):
            assert unit_of("a.fits", missing, None) == "adu"


def test_pixels_that_are_not_finite_are_masked_when_read(tmp_path):
    data = np.ones((3, 4), np.float32)
    data[1, 2] = np.inf
    fits.PrimaryHDU(data).writeto(tmp_path / "a.fits")
    assert np.argwhere(read_ccd(tmp_path / "a.fits", "adu").mask).tolist() == [[1, 2]]


def test_a_copy_with_other_pixels_shares_nothing():
    ccd = full_frame()
    other = with_data(ccd, np.zeros((6, 8)))
    other.mask[:] = True
    other.uncertainty.array[:] = 9
    other.flags[:] = 9
    other.meta["OBJECT"] = "else"
    same = full_frame()
    np.testing.assert_array_equal(ccd.mask, same.mask)
    np.testing.assert_array_equal(ccd.uncertainty.array, same.uncertainty.array)
    np.testing.assert_array_equal(ccd.flags, same.flags)
    assert ccd.meta["OBJECT"] == "bias"
    assert other.uncertainty.parent_nddata is other
