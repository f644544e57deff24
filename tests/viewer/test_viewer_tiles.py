"""What a browser gets of an image is what astropy reads in the file; coarse levels and figures are those of numpy."""

from __future__ import annotations

import json
import re
import zlib
from base64 import b64decode

import numpy as np
import pytest
from astropy.io import fits

from zeroframe.errors import OutputExistsError, UnsupportedError
from zeroframe.viewer.figures import measure_values
from zeroframe.viewer.marks import marks_of
from zeroframe.viewer.page import write_page
from zeroframe.viewer.planes import open_pictures
from zeroframe.viewer.tiles import TILE, TiledPicture, pack

RANDOM = np.random.default_rng(18)
NO_VALUE = -(2**31)


def unpacked(packed, code):
    """The numbers of a tile, by zlib and a plain loop over the places of their bytes."""
    places = zlib.decompress(packed, -15)
    size = np.dtype(code).itemsize
    count = len(places) // size
    return np.array(
        [np.frombuffer(bytes(places[p * count + n] for p in range(size)), f"<{code}")[0] for n in range(count)]
    )


def written(path, pixels, **cards):
    fits.writeto(path, pixels, fits.Header(cards))
    return TiledPicture(open_pictures(path)[0])


@pytest.mark.parametrize("dtype", ["u1", "i2", "u2", "i4", "u4", "f4", "f8"])
def test_level_0_holds_the_values_of_the_file(tmp_path, dtype):
    pixels = RANDOM.integers(0, 200, (9, 7)).astype(dtype)
    if dtype[0] == "f":
        pixels += RANDOM.normal(size=pixels.shape).astype(dtype)
        pixels[2, 3] = np.nan
    tiled = written(tmp_path / "a.fits", pixels)
    level = tiled.levels[0]
    found = unpacked(pack(tiled.values(0, 0, 0)), level.code).reshape(9, 7)
    expected = fits.getdata(tmp_path / "a.fits")
    np.testing.assert_array_equal(found, expected)
    assert (level.step, level.offset, level.code) == (1.0, 0.0, dtype)


@pytest.mark.parametrize("suffix", [".fits", ".fits.gz"])
def test_tiles_together_are_the_image(tmp_path, suffix):
    pixels = RANDOM.integers(0, 65535, (TILE + 40, 2 * TILE + 3)).astype(np.uint16)
    tiled = written(tmp_path / f"a{suffix}", pixels)
    down, across = tiled.levels[0].tiles_yx
    assert (down, across) == (2, 3)
    rows = [np.hstack([tiled.values(0, ty, tx) for tx in range(across)]) for ty in range(down)]
    np.testing.assert_array_equal(np.vstack(rows), pixels)
    with pytest.raises(IndexError):
        tiled.values(0, 2, 0)


def test_coarse_levels_are_means(tmp_path):
    pixels = RANDOM.normal(1000.0, 4.0, (1501, 700)).astype(np.float32)
    pixels[100:140, 200:260] = np.nan
    pixels[0, 0] = np.nan
    tiled = written(tmp_path / "a.fits", pixels)
    assert [level.factor for level in tiled.levels] == [1, 2, 4]
    for number, factor in ((1, 2), (2, 4)):
        level = tiled.levels[number]
        ny, nx = level.shape_yx
        stored = np.vstack(
            [
                np.hstack([tiled.values(number, ty, tx) for tx in range(level.tiles_yx[1])])
                for ty in range(level.tiles_yx[0])
            ]
        )
        values = np.where(stored == NO_VALUE, np.nan, stored * level.step + level.offset)
        whole = np.full((ny * factor, nx * factor), np.nan)
        whole[:1501, :700] = pixels
        blocks = whole.reshape(ny, factor, nx, factor)
        with pytest.warns(RuntimeWarning, match="empty"):
            means = np.nanmean(blocks, axis=(1, 3))
        inside = np.isfinite(blocks).all(axis=(1, 3))
        assert level.step < 4.0 / 12
        np.testing.assert_allclose(values[inside], means[inside], atol=0.51 * level.step)
        np.testing.assert_array_equal(np.isnan(values), np.isnan(means))


def test_figures_are_those_of_the_data_and_not_of_the_overscan(tmp_path):
    pixels = RANDOM.normal(2000.0, 5.0, (300, 320)).round().astype(np.uint16)
    pixels[:, 300:] = 300
    path = tmp_path / "a.fits"
    fits.writeto(path, pixels)
    found = TiledPicture(open_pictures(path)[0]).figures
    assert found.percentiles[0] == 300
    assert sum(found.counts) == pixels.size
    # an integer stands in the middle of its bin
    assert (found.low * 2) % 2 == 1
    assert found.width == round(found.width)
    assert found.noise == pytest.approx(5.0, rel=0.2)


def test_a_mask_is_seen_from_afar_and_counted_by_bits(tmp_path):
    pixels = np.zeros((1300, 1300), np.float32)
    mask = np.zeros((1300, 1300), np.uint8)
    mask[700, 900], mask[5, 6], mask[5, 7] = 4, 2, 16 | 2
    hdus = fits.HDUList(
        [fits.PrimaryHDU(pixels), fits.ImageHDU(mask, fits.Header({"MBIT1": "HOT", "MBIT2": "SAT"}), name="MASK")]
    )
    hdus.writeto(tmp_path / "a.fits")
    tiled = TiledPicture(open_pictures(tmp_path / "a.fits")[0])
    assert tiled.mask.counts == {2: 2, 4: 1, 16: 1}
    assert [level.factor for level in tiled.mask.levels] == [1, 2, 4]
    coarse = tiled.mask.planes[2]
    assert coarse[700 // 4, 900 // 4] == 4
    assert coarse[5 // 4, 6 // 4] == 18
    assert np.count_nonzero(coarse) == 2


def test_amplifiers_of_a_mosaic_are_marked_where_its_header_says(tmp_path):
    from zeroframe.simulate import simulate_biases

    simulate_biases("quad-mef", tmp_path, frames=1)
    path = next(tmp_path.glob("*.fits"))
    pictures = open_pictures(path)
    assert len(pictures) == 4
    for picture in pictures:
        marks, problems = marks_of(picture)
        assert problems == ()
        said = fits.getheader(path, picture.image.hdu.index)
        x1, x2, y1, y2 = map(int, re.findall(r"\d+", said["DATASEC"]))
        assert [mark.box for mark in marks if mark.role == "data"] == [(x1, x2, y1, y2)]
        x1, x2, y1, y2 = map(int, re.findall(r"\d+", said["BIASSEC"]))
        assert (x1, x2, y1, y2) in [mark.box for mark in marks if mark.role == "overscan"]


def test_figures_are_of_the_amplifiers_data_alone(tmp_path):
    pixels = RANDOM.normal(2000.0, 5.0, (60, 90)).round().astype(np.uint16)
    pixels[:, 40:50] = 300
    cards = {
        "DATASECA": "[1:40,1:60]",
        "BIASSECA": "[41:45,1:60]",
        "DATASECB": "[51:90,1:60]",
        "BIASSECB": "[46:50,1:60]",
    }
    tiled = written(tmp_path / "a.fits", pixels, **cards)
    assert [mark.name for mark in tiled.marks[0] if mark.role == "data"] == ["A", "B"]
    found = tiled.figures
    assert found.percentiles[0] > 1900
    assert sum(found.counts) == 60 * 80
    assert (found.rows, found.of_rows, found.columns) == (60, 60, 80)


def test_a_section_that_cannot_be_read_is_said(tmp_path):
    fits.writeto(
        tmp_path / "a.fits", np.zeros((5, 6), np.int16), fits.Header({"BIASSEC": "[7:9,1:5]", "TRIMSEC": "[2:4,1:5]"})
    )
    marks, problems = marks_of(open_pictures(tmp_path / "a.fits")[0])
    assert [(mark.name, mark.role, mark.box) for mark in marks] == [("TRIMSEC", "header", (2, 4, 1, 5))]
    assert len(problems) == 1
    assert "BIASSEC" in problems[0]


class TestPage:
    def page(self, tmp_path, pixels, **options):
        fits.writeto(tmp_path / "a.fits", pixels)
        out = tmp_path / "page"
        out.mkdir()
        made = write_page(out / "p.html", open_pictures(tmp_path / "a.fits"), **options)
        text = (out / "p.html").read_text()
        told = json.loads(re.search(r'id="data">(.*?)</script>', text, re.DOTALL)[1])
        tiles = dict(re.findall(r'<script type="text/plain" id="([^"]+)">([^<]*)</script>', text))
        assert made.bytes_out == len(text.encode())
        return made, told, tiles

    def test_holds_every_pixel(self, tmp_path):
        pixels = RANDOM.integers(0, 65535, (40, 700)).astype(np.uint16)
        _, told, tiles = self.page(tmp_path, pixels)
        assert set(tiles) == {"t0-0-0-0", "t0-0-0-1", "t0-1-0-0"}
        found = [unpacked(b64decode(tiles[f"t0-0-0-{tx}"]), "u2").reshape(40, -1) for tx in (0, 1)]
        np.testing.assert_array_equal(np.hstack(found), pixels)
        assert told["pictures"][0]["shape"] == [40, 700]

    def test_says_what_is_left_out(self, tmp_path):
        pixels = RANDOM.integers(0, 65535, (1300, 1300)).astype(np.uint16)
        made, told, tiles = self.page(tmp_path, pixels, max_bytes=2_500_000)
        assert [level["there"] for level in told["pictures"][0]["levels"]] == [False, True, True]
        assert not [name for name in tiles if name.startswith("t0-0-")]
        assert "averaged over 2 x 2 pixels" in told["pictures"][0]["remarks"][0]
        assert len(made.left_out) == 1
        assert made.bytes_out < 2_500_000

    def test_replaces_nothing_but_its_own(self, tmp_path):
        fits.writeto(tmp_path / "a.fits", np.zeros((5, 6), np.int16))
        pictures = open_pictures(tmp_path / "a.fits")
        other = tmp_path / "notes.html"
        other.write_text("<!DOCTYPE html><title>mine</title>")
        with pytest.raises(OutputExistsError, match="not made by zeroframe show"):
            write_page(other, pictures, overwrite=True)
        assert other.read_text().endswith("mine</title>")
        write_page(tmp_path / "p.html", pictures)
        with pytest.raises(OutputExistsError, match="--overwrite"):
            write_page(tmp_path / "p.html", pictures)
        write_page(tmp_path / "p.html", pictures, overwrite=True)

    def test_text_of_headers_stays_text(self, tmp_path):
        evil = "</script><script>alert(1)</script>"
        fits.writeto(tmp_path / "a.fits", np.zeros((5, 6), np.int16), fits.Header({"OBJECT": evil, "BUNIT": "<b>&"}))
        write_page(tmp_path / "p.html", open_pictures(tmp_path / "a.fits"))
        assert evil not in (tmp_path / "p.html").read_text()


def test_a_cube_is_refused(tmp_path):
    fits.writeto(tmp_path / "a.fits", np.zeros((3, 5, 6), np.int16))
    with pytest.raises(UnsupportedError, match="cube"):
        open_pictures(tmp_path / "a.fits")


def test_figures_of_infinite_pixels_are_those_of_the_others(tmp_path):
    values = RANDOM.normal(100.0, 3.0, (40, 50)).astype(np.float32)
    values[:, 20:24] = np.inf
    fits.writeto(tmp_path / "a.fits", values)
    found = measure_values(open_pictures(tmp_path / "a.fits")[0].image)
    assert found.noise == pytest.approx(3.0, rel=0.1)
    assert found.percentiles[-1] == values[np.isfinite(values)].max()
