"""trim_image against ccdproc 2.5 and against the header it has to make true."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from astropy.io import fits
from astropy.nddata import CCDData, StdDevUncertainty
from astropy.wcs import WCS

from zeroframe.errors import ArgumentError, SectionError
from zeroframe.verbs.ccddata import read_ccd
from zeroframe.verbs.overscan import trim_image

NY, NX = 12, 20
CARDS = {
    "NAXIS1": NX,
    "NAXIS2": NY,
    "BIASSEC": "[17:20,1:12]",
    "DATASEC": "[1:16,1:12]",
    "CCDSEC": "[1:16,1:12]",
    "CRPIX1": 8.5,
    "CRPIX2": 6.0,
}


def frame(dtype=np.uint16, wcs=None):
    data = np.arange(NY * NX).reshape(NY, NX).astype(dtype)
    return CCDData(data, unit="adu", meta=fits.Header(CARDS), wcs=wcs)


def peer(ccd, **words):
    import ccdproc

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return ccdproc.trim_image(ccd, **words)


@pytest.mark.parametrize("section", ["[1:16, :]", "[3:16,2:11]", "[1:20,1:12]", "[5,:]"])
def test_equal_to_ccdproc(section):
    ccd = frame()
    ccd.mask = ccd.data % 7 == 0
    ccd.uncertainty = StdDevUncertainty(ccd.data / 10.0)
    found = trim_image(ccd, fits_section=section)
    # of '[5,:]' ccdproc makes an image of one axis; ours keeps two
    expected = peer(ccd, fits_section=section if section != "[5,:]" else "[5:5,:]")
    np.testing.assert_array_equal(found.data, expected.data)
    np.testing.assert_array_equal(found.mask, expected.mask)
    np.testing.assert_array_equal(found.uncertainty.array, expected.uncertainty.array)
    assert found.data.dtype == np.uint16


def test_slices_and_sections_give_the_same(tmp_path):
    ccd = frame()
    by_slice, by_section = trim_image(ccd[1:11, 2:16]), trim_image(ccd, fits_section="[3:16,2:11]")
    np.testing.assert_array_equal(by_slice.data, by_section.data)
    assert by_slice.meta == by_section.meta
    assert by_slice.meta["TRIM"] == "[3:16,2:11]"


def test_it_is_a_copy():
    ccd = frame()
    for found in (trim_image(ccd[:, :16]), trim_image(ccd, fits_section="[1:16,:]"), trim_image(ccd)):
        found.data[:] = 0
        found.meta["OBJECT"] = "else"
    np.testing.assert_array_equal(ccd.data, np.arange(NY * NX).reshape(NY, NX))
    assert dict(ccd.meta) == CARDS


def test_the_header_is_true_afterwards():
    meta = trim_image(frame()[2:, :16]).meta
    assert "BIASSEC" not in meta
    assert (meta["DATASEC"], meta["CCDSEC"]) == ("[1:16,1:10]", "[1:16,3:12]")
    assert (meta["CRPIX1"], meta["CRPIX2"], meta["LTV2"]) == (8.5, 4.0, -2.0)
    assert (meta["NAXIS1"], meta["NAXIS2"]) == (16, 10)


def test_a_frame_that_is_whole_keeps_its_header():
    assert dict(trim_image(frame(), add_keyword=False).meta) == CARDS


def test_a_trimmed_frame_is_not_trimmed_again_because_it_was_a_slice_once():
    ccd = frame()
    ccd.data = ccd.data[:, 4:]  # a view of a larger array, with a header that is true already
    ccd.meta["NAXIS1"] = 16
    assert trim_image(ccd).meta["DATASEC"] == "[1:16,1:12]"
    assert trim_image(ccd).meta["CRPIX1"] == 8.5


def test_coordinates_follow():
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    wcs.wcs.crpix = [8.5, 6.0]
    wcs.wcs.crval = [10.0, 20.0]
    wcs.wcs.cdelt = [-1e-4, 1e-4]
    ccd = frame(wcs=wcs)
    for found in (trim_image(ccd, fits_section="[3:16,2:11]"), trim_image(ccd[1:11, 2:16])):
        assert found.wcs.wcs.crpix.tolist() == [6.5, 5.0]
        assert (found.meta["CRPIX1"], found.meta["CRPIX2"]) == (6.5, 5.0)
    with pytest.raises(SectionError, match=r"flips the image"):
        trim_image(ccd, fits_section="[16:3,2:11]")


def test_flips():
    ccd = frame()
    ccd.mask = ccd.data % 7 == 0
    ccd.uncertainty = StdDevUncertainty(ccd.data / 10.0)
    found = trim_image(ccd, fits_section="[16:3,11:2]")
    np.testing.assert_array_equal(found.data, ccd.data[1:11, 2:16][::-1, ::-1])
    np.testing.assert_array_equal(found.mask, ccd.mask[1:11, 2:16][::-1, ::-1])
    np.testing.assert_array_equal(found.uncertainty.array, ccd.uncertainty.array[1:11, 2:16][::-1, ::-1])
    assert found.data.flags.c_contiguous


def test_what_is_written_to_the_header():
    ccd = frame()
    assert trim_image(ccd).meta["TRIM"] == "[1:20,1:12]"
    assert "TRIM" not in trim_image(ccd, add_keyword=None).meta
    assert trim_image(CCDData(np.ones((3, 4)), unit="adu"), "[1:2,:]").meta == {"TRIM": "[1:2,1:3]"}


def test_metadata_that_are_no_header():
    ccd = CCDData(np.ones((3, 4)), unit="adu", meta={"DATASEC": "[2:4,1:3]", 5: "a key that is no text"})
    assert trim_image(ccd, "[2:4,:]").meta["DATASEC"] == "[1:3,1:3]"


@pytest.mark.parametrize(
    ("words", "error"),
    [
        ({"fits_section": "[1:21,:]"}, SectionError),
        ({"fits_section": "[1:2:3,:]"}, SectionError),
        ({"fits_section": 3}, ArgumentError),
        ({"add_keyword": 3.0}, ArgumentError),
    ],
)
def test_arguments_that_make_no_sense(words, error):
    with pytest.raises(error):
        trim_image(frame(), **words)


def test_an_array_is_refused():
    with pytest.raises(ArgumentError, match="wrap it"):
        trim_image(np.ones((3, 4)))


def test_frames_from_files_are_trimmed_like_others(tmp_path):
    header = fits.Header({**{k: v for k, v in CARDS.items() if "NAXIS" not in k}, "BUNIT": "adu"})
    fits.PrimaryHDU(frame().data, header).writeto(tmp_path / "raw.fits")
    ccd = read_ccd(tmp_path / "raw.fits")
    assert ccd.data.dtype == np.uint16
    found = trim_image(ccd[:, 2:16])
    assert (found.meta["DATASEC"], found.meta["CRPIX1"], found.meta["NAXIS1"]) == ("[1:14,1:12]", 6.5, 14)


@pytest.mark.parametrize("dtype", [np.uint16, np.int16, np.float32])
def test_frames_that_astropy_read_are_trimmed_like_others(tmp_path, dtype):
    header = fits.Header({**{k: v for k, v in CARDS.items() if "NAXIS" not in k}, "BUNIT": "adu"})
    fits.PrimaryHDU(frame(dtype).data, header).writeto(tmp_path / "raw.fits")
    found = trim_image(CCDData.read(tmp_path / "raw.fits")[:, 2:16])
    assert (found.meta["DATASEC"], found.meta["TRIM"], found.meta["NAXIS1"]) == ("[1:14,1:12]", "[3:16,1:12]", 14)
