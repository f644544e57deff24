"""A mask of bad pixels of the user's own, as an image and as regions; and pixels that are replaced by neighbours."""

from __future__ import annotations

import numpy as np
import pytest
from astropy.io import fits

from nights import RECIPES, bits, calibrated, small_night
from workbench import command
from zeroframe.errors import MismatchError, UsageError
from zeroframe.frames.own_masks import mask_of_regions, own_mask, read_own_mask
from zeroframe.frames.steps import FrameRecipe
from zeroframe.headers.sections import Section
from zeroframe.kernels.mending import mend_pixels

NAME, SCIENCE = "palomar-lfc", "ccd.037.0.fits"
DS9 = """# Region file format: DS9 version 4.1
global color=green dashlist=8 3 width=1
image
box(10,20,1,5,0) # color=red
circle(30,12,2)
line(5,5,9,5)
point(40, 3)
"""


def inside(x, y):
    """Whether a pixel is in a region of `DS9`, by hand."""
    return (
        (x == 10 and 17.5 <= y < 22.5)
        or (x - 30) ** 2 + (y - 12) ** 2 <= 4
        or (y == 5 and 5 <= x <= 9)
        or (x, y) == (40, 3)
    )


def test_regions_of_ds9():
    expected = [[inside(x, y) for x in range(1, 51)] for y in range(1, 31)]
    np.testing.assert_array_equal(mask_of_regions(DS9, (30, 50)), expected)


def test_lists_of_iraf_and_what_lies_outside():
    found = mask_of_regions("3 4\n7 9 2 3\n\n# a comment\n90 95 1 2\nline(48,28,60,40)", (30, 50))
    expected = np.zeros((30, 50), bool)
    expected[3, 2] = expected[1:3, 6:9] = True
    expected[[27, 28, 29], [47, 48, 49]] = True
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(
    "line", ["fk5", 'circle(10:00:00,+2:00:00,3")', "box(1,2)", "ellipse(1,2,3,4,0)", "1 2 3", "bad"]
)
def test_other_lines_are_refused_by_number(line):
    with pytest.raises(UsageError, match=r"bad\.reg: line 2"):
        mask_of_regions(f"image\n{line}\n", (30, 50), "bad.reg")


@pytest.mark.parametrize("trim", [None, "[3:42,5:25]", "[42:3,5:25]", "[*,25:1]"])
def test_a_mask_of_the_raw_frame_is_trimmed_as_the_frame_is(tmp_path, trim):
    mask = np.random.default_rng(1).integers(-1, 2, (30, 50)).astype(np.int16)
    section = None if trim is None else Section.parse(trim)
    recipe = FrameRecipe.of_one(trim=section)
    expected = mask if section is None else mask[section.slices_yx(mask.shape)]
    for dtype in (np.int16, np.float32):
        fits.PrimaryHDU(mask.astype(dtype)).writeto(tmp_path / "bad.fits", overwrite=True)
        found = read_own_mask(own_mask(tmp_path / "bad.fits"), (30, 50), recipe)
        np.testing.assert_array_equal(found, (expected != 0).astype(np.uint8))
    fits.PrimaryHDU(expected.astype(np.int16)).writeto(tmp_path / "trimmed.fits")
    np.testing.assert_array_equal(read_own_mask(own_mask(tmp_path / "trimmed.fits"), (30, 50), recipe), expected != 0)


def test_another_size_and_another_content_are_refused(tmp_path):
    fits.PrimaryHDU(np.zeros((7, 8), np.uint8)).writeto(tmp_path / "bad.fits")
    found = own_mask(tmp_path / "bad.fits")
    with pytest.raises(MismatchError, match="8 x 7"):
        read_own_mask(found, (30, 50), FrameRecipe.of_one())
    (tmp_path / "bad.fits").write_text("1 2")
    with pytest.raises(UsageError, match="changed"):
        read_own_mask(found, (30, 50), FrameRecipe.of_one())
    with pytest.raises(UsageError, match="nowhere"):
        own_mask(tmp_path / "nowhere.reg")


class TestMending:
    def test_against_the_light_of_a_sky_and_its_uncertainty(self):
        """The error of what is put in, over what is said of it: chi-square of 1."""
        rng = np.random.default_rng(3)
        y, x = np.mgrid[:300, :300]
        truth = 500.0 + 0.2 * x + 0.1 * y
        noise = np.sqrt(truth / 2.0 + 16.0)
        pixels = (truth + noise * rng.standard_normal(truth.shape)).astype(np.float32)
        sigma, mask = noise.astype(np.float32), (rng.random(truth.shape) < 0.03).astype(np.uint8) * 2
        mask[100:103, 50:53], mask[:, 200] = 1, 16
        before, bad = pixels.copy(), mask != 0
        pixels[bad] = 1e5
        count = mend_pixels(pixels, sigma, mask, 1 + 2 + 16, 128, 4, 1, 5)
        assert count == bad.sum()
        np.testing.assert_array_equal(mask & 128 != 0, bad)
        np.testing.assert_array_equal(pixels[~bad], before[~bad])
        chi2 = np.mean(((pixels - truth)[bad] / sigma[bad]) ** 2)
        assert chi2 == pytest.approx(1.0, abs=0.12)
        assert (sigma[bad] < noise[bad]).mean() > 0.9

    def test_in_a_star_the_uncertainty_knows_that_the_image_changes(self):
        y, x = np.mgrid[-20:21, -20:21]
        truth = 200.0 + 5000.0 * np.exp(-(x**2 + y**2) / 8.0)
        rng = np.random.default_rng(1)
        errors = []
        for place in [(20, 20), (20, 22), (18, 21), (22, 18)]:
            for _ in range(50):
                pixels, sigma = truth + 5.0 * rng.standard_normal(truth.shape), np.full(truth.shape, 5.0)
                mask = np.zeros(truth.shape, np.uint8)
                mask[place] = 2
                mend_pixels(pixels, sigma, mask, 2, 128, 4, 1, 5)
                errors.append((pixels[place] - truth[place]) / sigma[place])
        assert np.sqrt(np.mean(np.square(errors))) < 3.0

    def test_full_pixels_and_those_without_neighbours_stay(self):
        pixels, sigma = np.full((9, 9), 7.0, np.float32), np.zeros((0, 0), np.float32)
        mask = np.full((9, 9), 1, np.uint8)
        assert mend_pixels(pixels, sigma, mask, 1, 128, 4, 1, 5) == 0
        mask = np.zeros((9, 9), np.uint8)
        mask[4, 4], mask[2, 2] = 1 + 4, 1
        pixels[mask != 0] = 99.0
        assert mend_pixels(pixels, sigma, mask, 1, 128, 4, 1, 5) == 1
        assert (pixels[4, 4], pixels[2, 2], mask[2, 2]) == (99.0, 7.0, 129)


@pytest.mark.long
def test_a_night_with_a_mask_of_ones_own(tmp_path):
    raw = small_night(tmp_path / "raw", one_filter=True)
    recipe = tmp_path / "night.toml"
    recipe.write_text(RECIPES[NAME])
    (tmp_path / "bad.reg").write_text("image\nbox(100,50,5,1)\n200 200 1 10\n")
    arguments = ("night", raw, "--recipe", recipe, "--bad-pixels", tmp_path / "bad.reg")
    command(*arguments, "-o", tmp_path / "out")
    command(*arguments, "-o", tmp_path / "mended", "--interpolate")
    plain, mended = bits(tmp_path / "out" / SCIENCE), bits(tmp_path / "mended" / SCIENCE)
    bad = np.zeros(plain.shape, bool)
    bad[49, 97:102] = bad[:10, 199] = True
    assert (plain[bad] & 1 != 0).all()
    assert not (plain & 128).any()
    assert (mended[bad] & 129 == 129).all()
    np.testing.assert_array_equal(mended & 127, plain)
    first, second = calibrated(tmp_path / "out" / SCIENCE), calibrated(tmp_path / "mended" / SCIENCE)
    np.testing.assert_array_equal(first.data[mended & 128 == 0], second.data[mended & 128 == 0])
    assert second.header["NINTERP"] == np.count_nonzero(mended & 128) > 15
    (tmp_path / "bad.reg").write_text("image\nbox(100,50,5,1)\n")
    again = command(*arguments, "-o", tmp_path / "out")
    assert again.code != 0  # another mask is another result, which takes --overwrite
    assert "other options" in again.out + again.err
