"""Frames of several detectors, or binned differently, are not combined: by command, in Python, from memory."""

from __future__ import annotations

import numpy as np
import pytest
from astropy.io import fits
from astropy.nddata import CCDData
from astropy.wcs import WCS

import zeroframe
from workbench import command
from zeroframe.errors import MismatchError


def write(folder, name, **cards):
    header = fits.Header({"BUNIT": "adu", "IMAGETYP": "bias", **cards})
    pixels = np.random.default_rng(sum(map(ord, name))).normal(100.0, 4.0, (40, 60))
    fits.writeto(folder / name, np.rint(pixels).astype(np.uint16), header)
    return folder / name


@pytest.mark.parametrize("word", ["CCDNAME", "CHIPID", "CCDNUM", "DETID"])
def test_chips(tmp_path, word):
    paths = [write(tmp_path, f"a{n}.fits", **{word: n % 2 + 1}) for n in range(4)]
    said = rf"{word} 1: .*a0.fits and .*a2.fits; {word} 2: .*a1.fits and .*a3.fits; combine the frames of each detector"
    for make in (zeroframe.combine, lambda names: zeroframe.Combiner(map(zeroframe.read_ccd, names))):
        with pytest.raises(MismatchError, match=rf"{word} 1: .*; {word} 2: .*; combine the frames of each detector"):
            make(paths)
    with pytest.raises(MismatchError, match=said):
        zeroframe.combine(paths)
    done = command("combine", *paths, "-o", tmp_path / "c.fits")
    assert done.code == 2
    assert "combine the frames of each detector by themselves" in done.err
    assert not (tmp_path / "c.fits").exists()
    # one alone, and with frames that do not say it
    more = write(tmp_path, "more.fits")
    assert command("combine", paths[0], paths[2], more, "-o", tmp_path / "c.fits").code == 0
    assert zeroframe.combine([paths[1], paths[3], more]).meta["NCOMBINE"] == 3


def test_binnings_of_one_size(tmp_path):
    paths = [write(tmp_path, f"a{n}.fits", XBINNING=n, YBINNING=n) for n in (1, 2)]
    same = write(tmp_path, "same.fits", CCDSUM="2 2")
    for make in (zeroframe.combine, lambda names: zeroframe.combine(list(map(zeroframe.read_ccd, names)))):
        with pytest.raises(MismatchError, match=r"1 x 1: .*; 2 x 2: .*; combine the frames of each binning"):
            make(paths)
        assert make([paths[1], same]).meta["NCOMBINE"] == 2  # two ways to say it
    done = command("combine", *paths, "-o", tmp_path / "c.fits")
    assert (done.code, "of each binning by themselves" in done.err) == (2, True)


def test_chips_on_one_grid_of_the_sky(tmp_path):
    """As after wcs_project: which chip saw a pixel does not matter any more."""
    sky = {"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRVAL1": 10.0, "CRVAL2": 5.0, "CRPIX1": 3.0, "CRPIX2": 4.0}
    sky |= {"CDELT1": -1e-4, "CDELT2": 1e-4}
    paths = [write(tmp_path, f"a{n}.fits", CCDNAME=str(n), **sky) for n in (1, 2)]
    assert zeroframe.combine(paths).meta["NCOMBINE"] == 2
    frames = [CCDData(np.ones((4, 5)), unit="adu", meta={"CCDNAME": n}, wcs=WCS(fits.Header(sky))) for n in "12"]
    assert zeroframe.combine(frames).meta["NCOMBINE"] == 2
    frames[1].wcs = WCS(fits.Header({**sky, "CRPIX1": 900.0}))
    with pytest.raises(MismatchError, match="CCDNAME 1: frame 1; CCDNAME 2: frame 2"):
        zeroframe.combine(frames)
