"""Frames of several cameras, chips, sizes and binnings in one folder: each has an overscan of its own."""

from __future__ import annotations

import numpy as np
import pytest
from astropy.io import fits

import zeroframe
from zeroframe.inspection import inspect_overscan
from zeroframe.inspection.sources import camera_words

#: Name, rows, columns of the image, strip, its side, bias level, cards.
CAMERAS = {
    "red": (200, 240, 24, "right", 1000.0, {"INSTRUME": "SPEC", "DETECTOR": "EEV red"}),
    "blue": (200, 240, 24, "left", 3000.0, {"INSTRUME": "SPEC", "DETECTOR": "EEV blue"}),
    "binned": (
        100,
        120,
        12,
        "right",
        1400.0,
        {"INSTRUME": "SPEC", "DETECTOR": "EEV red", "XBINNING": 2, "YBINNING": 2},
    ),
    "no overscan": (180, 220, 0, "right", 200.0, {"INSTRUME": "GUIDER", "DETECTOR": "KAF"}),
}


def write_folder(folder, names, biases=3):
    rng = np.random.default_rng(4)
    minute = 0
    for name in names:
        ny, nx, width, side, level, cards = CAMERAS[name]
        place = slice(width, None) if side == "left" else slice(0, nx)
        for kind, light, seconds, count in (("Bias", 0, 0.0, biases), ("Flat", 20000, 3.0, 2), ("Light", 300, 60.0, 2)):
            for number in range(count):
                pixels = rng.normal(level + rng.normal(0, 3), 4.0, (ny, nx + width))
                pixels[:, place] += rng.poisson(light, (ny, nx))
                header = fits.Header({"IMAGETYP": kind, "EXPTIME": seconds, "FILTER": "R", "EGAIN": 1.0, **cards})
                header["DATE-OBS"] = f"2026-03-01T02:{minute:02d}:00"
                minute += 1
                target = folder / f"{name.replace(' ', '_')}_{kind}_{number}.fits"
                fits.writeto(target, pixels.round().astype(np.uint16), header)


SECTIONS = {"red": "[241:264,1:200]", "blue": "[1:24,1:200]", "binned": "[121:132,1:100]"}


def test_each_is_looked_at_by_itself(tmp_path):
    write_folder(tmp_path, CAMERAS)
    result = inspect_overscan(tmp_path)
    found = {one.whose: None if one.recommended is None else str(one.recommended.section) for one in result.every}
    assert found == {
        "264 x 200 pixels, INSTRUME spec, DETECTOR eev red": SECTIONS["red"],
        "264 x 200 pixels, INSTRUME spec, DETECTOR eev blue": SECTIONS["blue"],
        "132 x 100 pixels binned 2 x 2": SECTIONS["binned"],
        "220 x 180 pixels": None,
    }
    assert [one.decision for one in result.every].count("none") == 1
    assert all(len(one.used["bias"]) == 3 for one in result.every)


def test_a_folder_of_one_camera_is_not_parted(tmp_path):
    write_folder(tmp_path, ["red"])
    with fits.open(tmp_path / "red_Bias_1.fits", mode="update") as opened:
        del opened[0].header["DETECTOR"]
    result = inspect_overscan(tmp_path)
    assert result.others == ()
    assert result.words == ()
    assert len(result.used["bias"]) == 3


def test_a_night_of_several_cameras_is_right_for_each(tmp_path):
    raw = tmp_path / "raw"
    raw.mkdir()
    write_folder(raw, ["red", "blue", "binned"])
    zeroframe.night(raw, tmp_path / "out", report=False)
    for name, section in SECTIONS.items():
        (path, *_) = sorted((tmp_path / "out").glob(f"{name}_Light_0.fits"))
        header, pixels = fits.getheader(path), fits.getdata(path)
        assert header["OVERSCAN"] == f"{section} auto"
        ny, nx, *_ = CAMERAS[name]
        assert pixels.shape == (ny, nx)
        assert np.median(pixels) == pytest.approx(300.0, abs=3.0)


def test_words_of_a_camera():
    assert camera_words(None) == ()
    assert camera_words({"INSTRUME": " ", "OBJECT": "x"}) == ()
    assert camera_words({"DETECTOR": "A", "INSTRUME": "B"}) == (("INSTRUME", "b"), ("DETECTOR", "a"))
