"""``combine`` names frames that a night keeps apart, and is silent where set-ups may differ."""

from __future__ import annotations

import numpy as np
import pytest
from astropy.io import fits

from workbench import command, header_of

SHAPE = (64, 80)
SKY = {"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRVAL1": 10.0, "CRVAL2": 5.0, "CRPIX1": 3.0, "CRPIX2": 4.0}
LIGHT = {"bias": 0.0, "dark": 10.0, "flat": 20000.0, "object": 300.0}
#: A set-up, another one, and how the other one is named.
PLACES = {
    "sub-frame": ({"XORGSUBF": 0, "YORGSUBF": 0}, {"XORGSUBF": 50, "YORGSUBF": 0}, "sub-frame is 50, 0"),
    "row order": ({"ROWORDER": "TOP-DOWN"}, {"ROWORDER": "BOTTOM-UP"}, "row order is BOTTOM-UP"),
    "colours": ({"BAYERPAT": "RGGB"}, {"BAYERPAT": "BGGR"}, "colour pattern is BGGR"),
}
OF_THE_SENSOR = {
    "speed": ({"READOUTM": "fast"}, {"READOUTM": "slow"}, "read-out mode is slow"),
    "offset": ({"OFFSET": 10}, {"OFFSET": 50}, "offset setting is 50"),
    "camera": ({"INSTRUME": "One"}, {"INSTRUME": "Other"}, "camera is Other"),
}


def _frames(folder, kind, cards):
    random = np.random.default_rng(4)
    paths = []
    for number, own in enumerate(cards):
        image = random.normal(1000.0, 4.0, SHAPE) + random.poisson(LIGHT[kind], SHAPE)
        header = fits.Header({"IMAGETYP": kind, "EXPTIME": float(kind != "bias"), "BUNIT": "adu", **own})
        fits.PrimaryHDU(image.round().astype(np.uint16), header).writeto(folder / f"f{number}.fits")
        paths.append(folder / f"f{number}.fits")
    return paths


def _combined(folder, kind, cards, *options):
    done = command("combine", *_frames(folder, kind, cards), "-o", folder / "c.fits", *options)
    return done, " ".join(done.out.split())


@pytest.mark.parametrize("kind", LIGHT)
@pytest.mark.parametrize("what", PLACES)
@pytest.mark.parametrize("odd", [0, 2])
def test_frames_whose_pixels_stand_elsewhere_are_named(kind, what, odd, tmp_path):
    usual, other, words = PLACES[what]
    done, said = _combined(tmp_path, kind, [other if number == odd else usual for number in range(3)])
    assert done.code == 1
    assert f"f{odd}.fits: its {words}, of most others it is" in said
    assert said.count("ZF202") == said.count("does not belong") + said.count("zeroframe explain ZF202") == 2


@pytest.mark.parametrize("kind", LIGHT)
@pytest.mark.parametrize("what", OF_THE_SENSOR)
def test_calibration_frames_are_of_one_setting(kind, what, tmp_path):
    usual, other, words = OF_THE_SENSOR[what]
    done, said = _combined(tmp_path, kind, [usual, usual, other])
    assert (done.code, words in said) == ((0, False) if kind == "object" else (1, True))


@pytest.mark.parametrize(("kind", "code"), [("bias", 0), ("dark", 0), ("flat", 1), ("object", 0)])
@pytest.mark.parametrize("filters", [("R", "R", "V"), ("R", "V")])
def test_flats_are_of_one_filter_and_frames_of_the_sky_may_be_of_several(kind, code, filters, tmp_path):
    done, said = _combined(tmp_path, kind, [{"FILTER": name} for name in filters])
    assert done.code == code
    assert ("its filter is V" in said) == bool(code)


def test_the_odd_one_is_left_out_where_that_is_asked_for(tmp_path):
    done, said = _combined(tmp_path, "flat", [{"FILTER": name} for name in "RRV"], "--reject-outliers")
    assert done.code == 0
    assert "f2.fits: its filter is V, of most others it is R (ZF203)" in said
    assert header_of(tmp_path / "c.fits")["NCOMBINE"] == 2


@pytest.mark.parametrize("cards", [
    ({"XORGSUBF": 0, "YORGSUBF": 0}, {}, {"CCDSEC": "[1:80,1:64]"}),  # said by other cards, or not at all
    ({"XORGSUBF": 0, "YORGSUBF": 0}, {"XORGSUBF": 0.0, "YORGSUBF": 0.0}),
    ({"CCDSEC": "[1:80,1:64]", **SKY}, {"CCDSEC": "[5:84,1:64]", **SKY}),  # brought to one place
    ({"TELESCOP": "one"}, {"TELESCOP": "other"}),
    ({"FILTER": "R "}, {"FILTER": "R"}, {}),
    ({"XBINNING": 2}, {"XBINNING": 2}, {"XBINNING": 2}),
])  # fmt: skip
def test_what_may_differ_is_not_named(cards, tmp_path):
    done, said = _combined(tmp_path, "object" if "CTYPE1" in cards[0] else "flat", cards)
    assert (done.code, "ZF202" in said) == (0, False), said


def test_the_binning_of_one_axis_alone_is_one(tmp_path):
    done, _ = _combined(tmp_path, "bias", [{"XBINNING": 1}, {"XBINNING": 1}, {"XBINNING": 2}])
    assert done.code == 2
    assert "is binned otherwise than others" in done.err
