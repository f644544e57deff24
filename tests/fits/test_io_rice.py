"""Rice tiles: decoded to what astropy makes of them, and refused where they are damaged."""

from __future__ import annotations

import contextlib

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import given, settings
from hypothesis import strategies as st

from zeroframe.errors import DamagedError
from zeroframe.fits import read_raw, scan
from zeroframe.fits.tile_table import TileTable
from zeroframe.fits.tiles_rice import decode_rice_image


def write(path, pixels, **options):
    hdu = fits.CompImageHDU(pixels, compression_type="RICE_1", **options)
    fits.HDUList([fits.PrimaryHDU(), hdu]).writeto(path, overwrite=True)
    return path


def decoded(path):
    """By our own kernel; None where it leaves the image to astropy."""
    frame = scan(path)
    hdu = frame.image()
    data = path.read_bytes()[hdu.data_offset :]
    return decode_rice_image(TileTable(path, hdu, hdu.layout, np.frombuffer(data, np.uint8)))


def stored(path):
    """The integers as they stand in the file, by astropy."""
    with fits.open(path, do_not_scale_image_data=True) as hdus:
        return np.asarray(hdus[1].data)


def image_of(name, dtype):
    rng = np.random.default_rng(1)
    lowest, highest = np.iinfo(dtype).min, np.iinfo(dtype).max
    images = {
        "noise": rng.normal(100, 4, (12, 70)),
        "the same": np.full((12, 70), 7),
        "everything": rng.integers(lowest, highest, (12, 70), endpoint=True),
        "steps": np.where(np.arange(70) % 33 == 0, highest, 0) * np.ones((12, 1)),
        "one column": rng.normal(50, 2, (9, 1)),
    }
    return images[name].astype(dtype)


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.uint16, np.int32])
@pytest.mark.parametrize("name", ["noise", "the same", "everything", "steps", "one column"])
def test_as_astropy(tmp_path, dtype, name):
    pixels = image_of(name, dtype)
    path = write(tmp_path / "a.fits.fz", pixels)
    own = decoded(path)
    assert own is not None
    np.testing.assert_array_equal(own, stored(path))
    np.testing.assert_array_equal(read_raw(path).decode(), pixels)


@pytest.mark.parametrize("tile", [(1, 70), (4, 70), (12, 70)])
def test_tiles_of_whole_rows(tmp_path, tile):
    pixels = np.random.default_rng(2).normal(300, 9, (12, 70)).astype(np.int16)
    path = write(tmp_path / "a.fits.fz", pixels, tile_shape=tile)
    np.testing.assert_array_equal(decoded(path), pixels)


@pytest.mark.parametrize(
    ("pixels", "options"),
    [
        (np.ones((12, 70), np.int16), {"tile_shape": (10, 10)}),
        (np.ones((12, 70), np.int16), {"tile_shape": (5, 70)}),  # the last tile is lower
        (np.random.default_rng(1).normal(0, 1, (12, 70)).astype(np.float32), {}),
    ],
    ids=["squares", "a lower last tile", "quantised floats"],
)
def test_other_tables_are_left_to_astropy(tmp_path, pixels, options):
    path = write(tmp_path / "a.fits.fz", pixels, **options)
    assert decoded(path) is None
    np.testing.assert_array_equal(read_raw(path).decode(), fits.getdata(path))


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_damaged_tiles_give_an_error_or_other_numbers(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("rice") / "a.fits.fz"
    write(path, np.random.default_rng(3).normal(300, 9, (12, 40)).astype(np.int16))
    offset = scan(path).image().data_offset
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(offset, offset + 12 * 8 + 400))
        content[place] = data.draw(st.integers(0, 255))
    path.write_bytes(content)
    with contextlib.suppress(DamagedError):
        assert decoded(path).shape == (12, 40)


def test_a_tile_that_ends_too_early(tmp_path):
    path = write(tmp_path / "a.fits.fz", np.random.default_rng(3).normal(300, 9, (12, 40)).astype(np.int16))
    offset = scan(path).image().data_offset
    content = bytearray(path.read_bytes())
    content[offset + 8 * 4 + 3] -= 9  # the length of the fifth tile
    path.write_bytes(content)
    with pytest.raises(DamagedError, match="tile 5 of 12 ends too early"):
        read_raw(path)
    content[offset + 8 * 4 : offset + 8 * 4 + 4] = (0).to_bytes(4, "big")
    path.write_bytes(content)
    with pytest.raises(DamagedError, match="tile 5 of 12 ends too early"):
        read_raw(path)
    content[offset + 8 * 4 : offset + 8 * 4 + 4] = (10**6).to_bytes(4, "big")
    path.write_bytes(content)
    with pytest.raises(DamagedError, match="outside its data"):
        read_raw(path)
