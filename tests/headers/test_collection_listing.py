"""The rows of `zeroframe ls`."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from astropy.io import fits

from zeroframe.errors import NoFramesError, UsageError
from zeroframe.headers.listing import LISTED_COLUMNS, Listing, list_frames
from zeroframe.simulate import SIMULATED_CAMERAS, SIMULATED_MOSAICS, simulate_night


@pytest.fixture(scope="module")
def night(tmp_path_factory):
    folder = tmp_path_factory.mktemp("night")
    simulate_night(replace(SIMULATED_CAMERAS["palomar-lfc"], image_shape_yx=(64, 48)), folder)
    return folder


@pytest.fixture(autouse=True)
def _own_index(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("ZEROFRAME_CACHE", str(tmp_path_factory.mktemp("cache")))


def test_the_night_of_the_notebook(night):
    whole = list_frames(night)
    assert len(whole.rows) == 24
    assert next(row[:2] for row in whole.rows if "/" in row[0]) == ("darks/ccd.002.0.fits", "bias")
    listing = list_frames(night, recurse=False)
    assert listing.columns == LISTED_COLUMNS
    assert len(listing.rows) == 14
    assert listing.problems == ()
    name, kind, exposure, wheel, size, *_, uncertain = listing.rows[0]
    assert (name, kind, exposure, wheel, size, uncertain) == ("ccd.001.0.fits", "bias", 0.0, "i'", "80 x 64", None)
    kinds = [row[1] for row in listing.rows]
    assert {kind: kinds.count(kind) for kind in kinds} == {"bias": 6, "flat": 6, "science": 2}


def test_columns_and_conditions(night):
    listing = list_frames(night, columns=["file", "imagetyp", "exptime"], where="kind=flat exptime>50 filter=g'")
    assert listing.rows == (
        ("ccd.014.0.fits", "FLATFIELD", 70.001),
        ("ccd.015.0.fits", "FLATFIELD", 70.011),
        ("ccd.016.0.fits", "FLATFIELD", 70.001),
    )
    assert len(list_frames(night, where="imagetyp=bias", recurse=False).rows) == 6
    assert len(list_frames(night, where="!bunit", recurse=False).rows) == 14
    with pytest.raises(UsageError, match="did you mean 'imagetyp'"):
        list_frames(night, where="imagetype=bias")
    with pytest.raises(UsageError, match="did you mean 'exptime'"):
        list_frames(night, columns=["exptim"])
    with pytest.raises(NoFramesError):
        list_frames(night / "nowhere")


def test_real_frames(real_data):
    listing = list_frames(real_data / "kpno-spectrograph", columns=["file", "kind", "size"])
    assert {row[1] for row in listing.rows} >= {"bias", "flat", "science"}
    broken = list_frames(real_data / "broken")
    assert {problem.path.name for problem in broken.problems} >= {"symlink-as-text.fits", "zero-bytes.fits"}


def test_an_empty_table_says_why(night, tmp_path):
    assert "none of 24 frames fulfils 'exptime>1e6'" in list_frames(night, where="exptime>1e6").empty_because
    (tmp_path / "inner").mkdir()
    (tmp_path / "notes.txt").write_text("clear")
    assert "there is no FITS file; give" in list_frames(tmp_path).empty_because
    assert "leave out --no-recurse" in list_frames(tmp_path, recurse=False).empty_because
    assert list_frames(night).empty_because == ""


def test_what_is_uncertain_is_said(tmp_path):
    from astropy.io import fits

    fits.HDUList([fits.PrimaryHDU()]).writeto(tmp_path / "nothing.fits")
    header = fits.Header([("EXPTIME", "long"), ("COMBINED", True), ("FILTER", "r")])
    fits.PrimaryHDU([[1, 2, 3]], header).writeto(tmp_path / "bias_1.fits")
    listing = list_frames(tmp_path, columns=["file", "kind", "size", "FILTER", "uncertain"])
    (bias, nothing) = listing.rows
    assert bias[:4] == ("bias_1.fits", "bias", "3 x 1", "r")
    for words in ("the kind is from the file name 'bias_1.fits'", "EXPTIME = 'long' is not", "combined from others"):
        assert words in bias[4]
    assert nothing[1:4] == (None, None, None)
    assert "neither the header nor the file name says" in nothing[4]


def test_it_needs_neither_astropy_nor_numba_nor_numpy(night):
    code = (
        "import sys; from zeroframe.headers.listing import list_frames; list_frames(sys.argv[1], where='exptime>0')\n"
        "print(sorted({'astropy', 'numba', 'numpy'} & set(sys.modules)))"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    run = subprocess.run(
        [sys.executable, "-c", code, str(night)], env=environment, capture_output=True, text=True, check=True
    )
    assert run.stdout.strip() == "[]"


def test_listing_is_a_table_in_a_notebook():
    listing = Listing(("file", "object"), (("a.fits", "<script>"), ("b.fits", None)), ())
    page = listing._repr_html_()
    assert page.count("<tr") == 3
    assert "&lt;script&gt;" in page


@pytest.mark.parametrize(
    ("camera", "shape", "size", "names"),
    [
        ("quad-mef", (120, 160), "160 x 120 of 4 amplifiers", None),
        ("four-chip-mosaic", (100, 128), "4 detectors, 128 x 100 of 2 amplifiers", "chip1, chip2, chip3, chip4"),
    ],
)
def test_files_of_several_images_say_their_detectors(tmp_path, camera, shape, size, names):
    simulate_night(SIMULATED_MOSAICS[camera].resized(shape), tmp_path, seed=7)
    listing = list_frames(tmp_path, columns=["size", "detectors", "uncertain"])
    assert set(listing.rows) == {(size, names, None)}


def test_files_whose_first_header_is_of_no_image(tmp_path):
    pixels = np.zeros((30, 40), np.uint16)
    one = fits.HDUList([fits.PrimaryHDU(), fits.ImageHDU(pixels)])
    two = fits.HDUList([fits.PrimaryHDU(), fits.ImageHDU(pixels), fits.ImageHDU(pixels)])
    none = fits.HDUList([fits.PrimaryHDU(), fits.BinTableHDU.from_columns([fits.Column("x", "J", array=[1])])])
    for name, hdus in (("one", one), ("two", two), ("none", none)):
        hdus[0].header["IMAGETYP"] = "BIAS"
        hdus.writeto(tmp_path / f"{name}.fits")
    rows = {
        name: (size, said) for name, size, said in list_frames(tmp_path, columns=["file", "size", "uncertain"]).rows
    }
    assert rows["one.fits"] == ("40 x 30", None)
    assert rows["none.fits"] == (None, None)
    assert rows["two.fits"][0] is None
    assert "holds 2 images" in rows["two.fits"][1]
