"""Frames of colour sensors split into their colours: pixels, masks, errors and coordinates of each."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from astropy.io import fits
from astropy.nddata import CCDData, StdDevUncertainty
from astropy.wcs import WCS, Sip

from zeroframe import ccdmask, cosmicray_lacosmic, cosmicray_median, split_colours
from zeroframe.errors import UsageError
from zeroframe.headers.colour_planes import plane_cards
from zeroframe.headers.colours import ColourPattern

PLACES = list(itertools.product((0, 1), (0, 1)))


def coordinates(with_cd, sip, seed=1):
    rng = np.random.default_rng(seed)
    wcs = WCS(naxis=2)
    wcs.wcs.crpix = rng.uniform(-20, 60, 2)
    wcs.wcs.crval = 83.6, 22.0
    turn = np.array([[0.8, 0.6], [-0.6, 0.8]]) * 4e-4
    if with_cd:
        wcs.wcs.cd = turn
    else:
        wcs.wcs.cdelt = -4e-4, 4e-4
        wcs.wcs.pc = turn / 4e-4
    wcs.wcs.ctype = ("RA---TAN-SIP", "DEC--TAN-SIP") if sip else ("RA---TAN", "DEC--TAN")
    if sip:
        a, b = (np.zeros((4, 4)) for _ in range(2))
        a[2, 0], a[1, 1], a[0, 3], b[0, 2], b[2, 1] = 1e-4, -2e-4, 3e-6, 2e-4, 1e-6
        wcs.sip = Sip(a, b, None, None, wcs.wcs.crpix)
    wcs.wcs.set()
    return wcs


@pytest.mark.parametrize("shape_yx", [(6, 8), (7, 9), (7, 8)])
@pytest.mark.parametrize("letters", ["RGGB", "GBRG"])
def test_planes_hold_their_pixels(shape_yx, letters):
    rng = np.random.default_rng(2)
    data, mask = rng.normal(100, 9, shape_yx), rng.random(shape_yx) < 0.2
    sigma = rng.uniform(1, 2, shape_yx)
    ccd = CCDData(
        data, unit="adu", mask=mask, uncertainty=StdDevUncertainty(sigma), meta=fits.Header({"BAYERPAT": letters})
    )
    planes = split_colours(ccd)
    assert list(planes) == {"RGGB": ["R", "G1", "G2", "B"], "GBRG": ["G1", "B", "R", "G2"]}[letters]
    seen = 0
    for (name, plane), (dy, dx) in zip(planes.items(), PLACES, strict=True):
        rows, columns = range(dy, shape_yx[0], 2), range(dx, shape_yx[1], 2)
        for (i, y), (j, x) in itertools.product(enumerate(rows), enumerate(columns)):
            assert plane.data[i, j] == data[y, x]
            assert plane.mask[i, j] == mask[y, x]
            assert plane.uncertainty.array[i, j] == sigma[y, x]
            seen += 1
        assert plane.meta["COLOUR"] == name
        assert "BAYERPAT" not in plane.meta
        assert plane.unit == ccd.unit
    assert seen == data.size
    assert ccd.meta["BAYERPAT"] == letters


@pytest.mark.parametrize(("with_cd", "sip"), [(True, False), (False, False), (True, True)])
def test_each_pixel_stays_where_it_is_on_the_sky(with_cd, sip):
    """By astropy's own coordinates of the frame; those of a plane, from its header and from its CCDData."""
    wcs = coordinates(with_cd, sip)
    shape_yx = (31, 42)
    ccd = CCDData(np.zeros(shape_yx), unit="adu", wcs=wcs, meta=fits.Header({"BAYERPAT": "RGGB"}))
    header = wcs.to_header(relax=True)
    for (place, (dy, dx)), plane in zip(enumerate(PLACES), split_colours(ccd).values(), strict=True):
        cards = header.copy()
        plane_cards(cards, ColourPattern("RGGB"), place, shape_yx)
        y, x = np.mgrid[dy : shape_yx[0] : 2, dx : shape_yx[1] : 2]
        expected = wcs.all_pix2world(x, y, 0)
        i, j = np.indices(y.shape)
        for found in (plane.wcs, WCS(cards)):
            np.testing.assert_allclose(found.all_pix2world(j, i, 0), expected, rtol=0, atol=1e-9)


def test_sections_physical_pixels_and_sizes():
    header = fits.Header(
        {"DATASEC": "[3:20,1:9]", "BIASSEC": "[2:2,*]", "CCDSEC": "[1:20,1:9]", "LTV1": -100.0, "XPIXSZ": 3.76}
    )
    header["XBINNING"], header["NAXIS1"], header["NAXIS2"] = 1, 20, 9
    even, odd = header.copy(), header.copy()
    plane_cards(even, ColourPattern("RGGB"), 0, (9, 20))
    plane_cards(odd, ColourPattern("RGGB"), 3, (9, 20))
    # columns 3, 5 … 19 and 4, 6 … 20; rows 1 … 9 and 2 … 8
    assert (even["DATASEC"], odd["DATASEC"]) == ("[2:10,1:5]", "[2:10,1:4]")
    assert "BIASSEC" not in even
    assert odd["BIASSEC"] == "[1:1,1:4]"
    assert "CCDSEC" not in even
    assert (even["NAXIS1"], even["NAXIS2"], odd["NAXIS2"]) == (10, 5, 4)
    assert (even["XPIXSZ"], even["XBINNING"]) == (7.52, 1)
    # column 1 was physical column 101
    assert even["LTV1"] == pytest.approx(1 - 101 / 2)


def test_without_a_pattern_it_says_what_to_give():
    ccd = CCDData(np.zeros((4, 4)), unit="adu")
    with pytest.raises(UsageError, match="pattern='RGGB'"):
        split_colours(ccd)
    assert list(split_colours(ccd, "GRBG")) == ["G1", "R", "B", "G2"]


@pytest.mark.parametrize("finder", ["zeroframe", "astroscrappy"])
def test_cosmic_rays_are_found_within_a_colour(finder):
    rng = np.random.default_rng(5)
    light = np.tile([[180.0, 400.0], [400.0, 240.0]], (60, 70))
    data = rng.normal(light, np.sqrt(light + 25.0)).astype(np.float32)
    hits = np.zeros(data.shape, bool)
    hits.ravel()[rng.choice(data.size, 40, replace=False)] = True
    data[hits] += 3000.0
    ccd = CCDData(data, unit="electron", meta=fits.Header({"BAYERPAT": "RGGB"}))
    found = cosmicray_lacosmic(ccd, readnoise=5.0, finder=finder)
    # astroscrappy leaves out what is next to an edge; of all neighbours it would mask one colour whole
    assert found.mask[hits].mean() > 0.85
    assert np.count_nonzero(found.mask & ~hits) < 40
    assert found.meta["BAYERPAT"] == "RGGB"
    assert found.meta["COSMICS"].endswith(f"{np.count_nonzero(found.mask)} pixels")
    known = hits & found.mask
    np.testing.assert_allclose(found.data[known], light[known], atol=100)
    median = cosmicray_median(ccd, error_image=np.sqrt(light + 25.0), thresh=6, rbox=5)
    assert median.mask[hits].all()
    assert np.count_nonzero(median.mask & ~hits) < 5
    assert ccd.mask is None


def test_ccdmask_compares_pixels_of_one_colour():
    rng = np.random.default_rng(6)
    ratio = np.tile([[0.45, 1.0], [1.0, 0.6]], (60, 70)) * rng.normal(1.0, 0.01, (120, 140))
    bad = np.zeros(ratio.shape, bool)
    bad.ravel()[rng.choice(ratio.size, 30, replace=False)] = True
    ratio[bad] *= 0.7
    mask = ccdmask(CCDData(ratio, unit="", meta={"BAYERPAT": "RGGB"}))
    assert mask[bad].all()
    assert np.count_nonzero(mask & ~bad) < 10
