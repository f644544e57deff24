"""Several images of a file read as one: the pixels of each in its rows, the header of what all say alike."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from zeroframe.errors import DamagedError, FrameError, UnsupportedError
from zeroframe.fits import read_raw, scan
from zeroframe.fits.part_paths import part_path


def write_mef(path, shapes, dtype=np.uint16, compressed=False, seed=1):
    random = np.random.default_rng(seed)
    images = [random.integers(0, 1 << 15, shape).astype(dtype) for shape in shapes]
    hdus = [fits.PrimaryHDU(header=fits.Header({"OBSTYPE": "zero", "GAIN": 0.0}))]
    for number, image in enumerate(images, start=1):
        header = fits.Header({"CCDNAME": "one", "GAIN": 1.0 + number, "CRPIX1": 10.0 * number, "FILTER": "R"})
        if compressed:  # without quantisation of floats
            how = "GZIP_2" if image.dtype.kind == "f" else "RICE_1"
            hdu = fits.CompImageHDU(image, header, name=f"im{number}", compression_type=how, quantize_level=0)
        else:
            hdu = fits.ImageHDU(image, header, name=f"im{number}")
        hdus.append(hdu)
    fits.HDUList(hdus).writeto(path)
    return images


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("dtype", [np.uint16, np.int32, np.float32])
def test_images_stand_one_above_the_other(tmp_path, dtype, compressed):
    path = tmp_path / "a.fits"
    images = write_mef(path, [(4, 12), (5, 12), (3, 9)], dtype, compressed)
    raw = read_raw(part_path(path, (1, 2, 3), "x"), with_mark=True, check_sums=True)
    assert raw.layout.shape_yx == (12, 12)
    expected = np.concatenate([*images[:2], np.pad(images[2], ((0, 0), (0, 3)), constant_values=0)])
    found = raw.decode()
    np.testing.assert_array_equal(found[:9], expected[:9])
    np.testing.assert_array_equal(found[9:, :9], expected[9:, :9])
    assert raw.mark.sha256 == read_raw(path, ext=1, with_mark=True).mark.sha256


def test_some_of_the_images_and_one_alone(tmp_path):
    path = tmp_path / "a.fits"
    images = write_mef(path, [(4, 12)] * 4)
    np.testing.assert_array_equal(read_raw(part_path(path, (2, 4))).decode(), np.concatenate([images[1], images[3]]))
    alone = read_raw(part_path(path, (3,)))
    np.testing.assert_array_equal(alone.decode(), images[2])
    assert alone.cards["GAIN"] == 4.0


def test_the_header_holds_what_is_true_of_all(tmp_path):
    path = tmp_path / "a.fits"
    write_mef(path, [(4, 12)] * 2)
    frame = scan(part_path(path, (1, 2), "one"))
    cards = frame.cards_of(frame.image())
    assert (cards["CCDNAME"], cards["FILTER"], cards["OBSTYPE"]) == ("one", "R", "zero")
    assert cards["GAIN"] == 0.0  # of the primary header: the extensions do not agree
    assert cards["CRPIX1"] == 10.0
    assert (cards["NAXIS1"], cards["NAXIS2"]) == (12, 8)
    assert "EXTNAME" not in cards


def test_what_cannot_be_put_together(tmp_path):
    path = tmp_path / "a.fits"
    hdus = [fits.PrimaryHDU(), fits.ImageHDU(np.zeros((3, 4), np.uint16)), fits.ImageHDU(np.zeros((3, 4), np.float32))]
    fits.HDUList(hdus).writeto(path)
    with pytest.raises(UnsupportedError, match=r"a.fits\[x\]: extension 2 has bitpix -32, and extension 1 16"):
        read_raw(part_path(path, (1, 2), "x"))
    with pytest.raises(FrameError, match="has no extension 7"):
        scan(part_path(path, (1, 7)))


def test_an_extension_that_is_cut_off(tmp_path):
    path = tmp_path / "a.fits"
    write_mef(path, [(300, 400)] * 2)
    path.write_bytes(path.read_bytes()[:-100_000])
    with pytest.raises(DamagedError, match=r"extension 2 should have 240,000 bytes"):
        read_raw(part_path(path, (1, 2)))


def test_a_part_of_a_file_as_a_path(tmp_path):
    path = part_path(tmp_path / "a.fits", (1, 2), "chip1")
    write_mef(path.file, [(4, 12)] * 2)
    again = pickle.loads(pickle.dumps(path))
    assert (again, again.file, again.extensions, again.label) == (path, tmp_path / "a.fits", (1, 2), "chip1")
    assert path != path.file
    assert path != part_path(tmp_path / "a.fits", (3,), "chip2")
    assert (path.stat(), path.exists(), path.parent) == (path.file.stat(), True, tmp_path)
    assert path.relative_to(tmp_path) == Path("a.fits[chip1]")
    assert path.absolute().extensions == (1, 2)
