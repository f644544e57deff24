"""Headers of results."""

from __future__ import annotations

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS
from hypothesis import given
from hypothesis import strategies as st

from zeroframe.headers.result_cards import combined_cards, trim_cards
from zeroframe.headers.sections import Section

LFC = {"BIASSEC": "[2049:2080,1:4127]", "CCDSEC": "[1:2048,1:4128]"}
LFC_SHAPE = (4128, 2080)


def trimmed(cards, section, shape):
    header = fits.Header(cards)
    trim_cards(header, Section.parse(section), shape)
    return dict(header)


@pytest.mark.parametrize(
    ("cards", "section", "shape", "expected"),
    [
        # Palomar LFC: CCDSEC has no DATASEC beside it, and describes the corner of its size
        (LFC, "[1:2048,:]", LFC_SHAPE, {"CCDSEC": "[1:2048,1:4128]"}),
        (LFC, "[11:2048,21:4128]", LFC_SHAPE, {"CCDSEC": "[11:2048,21:4128]", "LTV1": -10.0, "LTV2": -20.0}),
        (LFC, "[1:2060,:]", LFC_SHAPE, {"BIASSEC": "[2049:2060,1:4127]", "CCDSEC": "[1:2048,1:4128]"}),
        (LFC, "[2049:2080,:]", LFC_SHAPE, {"BIASSEC": "[1:32,1:4127]", "LTV1": -2048.0}),
        # an Apogee camera, whose TRIMSEC is what is kept
        (
            {"BIASSEC": "[4097:4109,1:4096]", "TRIMSEC": "[1:4096,1:4096]"},
            "[1:4096,:]",
            (4096, 4109),
            {"TRIMSEC": "[1:4096,1:4096]"},
        ),
        # SAAO: overscan on the left, padded numbers
        (
            {"BIASSEC": "[   4:  13,   1: 520]", "TRIMSEC": "[  17: 528,   1: 520]"},
            "[17:528,:]",
            (520, 536),
            {"TRIMSEC": "[1:512,1:520]", "LTV1": -16.0},
        ),
        # a frame that is binned by two, where pixels of the sensor count double
        (
            {"DATASEC": "[1:10,1:10]", "CCDSEC": "[101:120,201:220]"},
            "[3:10,1:9]",
            (10, 12),
            {"DATASEC": "[1:8,1:9]", "CCDSEC": "[105:120,201:218]", "LTV1": -2.0},
        ),
        # an amplifier that is read from the right
        (
            {"DATASEC": "[1:10,1:10]", "DETSEC": "[20:11,1:10]"},
            "[1:8,:]",
            (10, 12),
            {"DATASEC": "[1:8,1:10]", "DETSEC": "[20:13,1:10]"},
        ),
        # flipped: the same pixels of the sensor, in the other direction
        (
            {"DATASEC": "[1:10,1:10]", "CCDSEC": "[1:10,1:10]"},
            "[12:1,:]",
            (10, 12),
            {"DATASEC": "[3:12,1:10]", "CCDSEC": "[10:1,1:10]", "LTM1_1": -1.0, "LTV1": 13.0},
        ),
        # what cannot be read, or cannot be true, goes
        ({"BIASSEC": "UNKNOWN", "DATASEC": "[1:99,1:99]", "CCDSEC": "[1:7,1:7,1:2]"}, "[1:5,:]", (10, 12), {}),
        ({"CCDSEC": "[1:9,1:10]", "BIASSEC": "[1:3,1:10]"}, "[4:12,:]", (10, 12), {"LTV1": -3.0}),
        # one number of several columns, NAXIS
        ({"NAXIS1": 12, "NAXIS2": 10}, "[5,:]", (10, 12), {"NAXIS1": 1, "NAXIS2": 10, "LTV1": -4.0}),
        ({"LTV1": -5.0, "LTV2": 0.0}, "[3:12,:]", (10, 12), {"LTV1": -7.0, "LTV2": 0.0}),
        (
            {"CRPIX1": "unknown", "CRPIX1A": 5},
            "[3:12,:]",
            (10, 12),
            {"CRPIX1": "unknown", "CRPIX1A": 3.0, "LTV1": -2.0},
        ),
    ],
)
def test_trimmed_headers(cards, section, shape, expected):
    assert trimmed(cards, section, shape) == expected


def test_comments_stay():
    header = fits.Header([("DATASEC", "[1:10,1:10]", "where light falls")])
    trim_cards(header, Section.parse("[2:10,:]"), (10, 12))
    assert header.comments["DATASEC"] == "where light falls"


@pytest.mark.parametrize("section", ["[3:16,2:11]", "[16:3,2:11]", "[3:16,11:2]", "[16:3,11:2]"])
@pytest.mark.parametrize(
    "matrix", [{"CDELT1": -1e-4, "CDELT2": 2e-4}, {"CD1_1": -1e-4, "CD1_2": 3e-5, "CD2_1": 2e-5, "CD2_2": 1e-4}]
)
def test_a_pixel_keeps_its_coordinates(section, matrix):
    shape = (12, 20)
    header = fits.Header(
        {"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRVAL1": 10.0, "CRVAL2": 20.0, "CRPIX1": 8.5, "CRPIX2": 6.0}
    )
    header.update(matrix)
    before = WCS(header)
    trim_cards(header, Section.parse(section), shape)
    numbers = np.arange(shape[0] * shape[1]).reshape(shape)
    cut = numbers[Section.parse(section).slices_yx(shape)]
    y, x = np.indices(cut.shape)
    sky = WCS(header).pixel_to_world_values(x, y)
    expected = before.pixel_to_world_values(cut % shape[1], cut // shape[1])
    np.testing.assert_allclose(sky, expected, rtol=0, atol=1e-12)


@given(st.integers(1, 20), st.integers(1, 20), st.integers(1, 20), st.integers(1, 20))
def test_sections_and_physical_coordinates_name_the_same_pixels(a, b, first, last):
    shape = (3, 20)
    numbers = np.arange(20)[None, :] + np.zeros((3, 1), dtype=int)
    stood = Section.parse(f"[{min(a, b)}:{max(a, b)},1:3]")
    cut = Section.parse(f"[{first}:{last},:]")
    header = fits.Header({"DATASEC": str(stood), "CCDSEC": str(stood)})
    trim_cards(header, cut, shape)
    image = numbers[cut.slices_yx(shape)]
    kept = sorted(set(range(min(a, b), max(a, b) + 1)) & set(range(min(first, last), max(first, last) + 1)))
    if not kept:
        assert "DATASEC" not in header
        assert "CCDSEC" not in header
        return
    inside = image[Section.parse(header["DATASEC"]).slices_yx(image.shape)]
    assert sorted(inside[0] + 1) == kept
    # read in the direction of the section, the sensor's columns are those of the image
    np.testing.assert_array_equal(numbers[Section.parse(header["CCDSEC"]).slices_yx(shape)], inside)
    scale, shift = header.get("LTM1_1", 1.0), header.get("LTV1", 0.0)
    np.testing.assert_array_equal(scale * (image[0] + 1) + shift, np.arange(1, image.shape[1] + 1))


def test_combined_cards():
    header = fits.Header({"OBJECT": "bias", "IMCMB001": "old", "IMCMB777": "old"})
    combined_cards(header, ["a.fits", "häßlich " * 20 + ".fits"], method="median", rejection="none")
    assert header["COMBINED"] is True
    assert (header["NCOMBINE"], header["COMBMETH"], header["COMBREJ"]) == (2, "median", "none")
    assert header["IMCMB001"] == "a.fits"
    assert header["IMCMB002"].startswith("h\\xe4\\xdflich")
    assert "IMCMB777" not in header
    assert header.comments["NCOMBINE"] == "number of frames combined"
    assert fits.Header.fromstring(header.tostring())["IMCMB002"] == header["IMCMB002"]


def test_a_thousand_names_do_not_fit():
    header = {}
    combined_cards(header, [f"{n}.fits" for n in range(1, 1201)], method="average", rejection="none")
    assert header["NCOMBINE"] == 1200
    assert header["IMCMB999"] == "999.fits"
    assert sum(word.startswith("IMCMB") for word in header) == 999
