"""Regions of a frame: assembled as plain numpy slices would, each with the levels of its own overscan."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zeroframe.errors import SectionError
from zeroframe.fits import ImageLayout, RawImage
from zeroframe.fits.cards import Cards
from zeroframe.frames.overscan import OverscanSpec
from zeroframe.frames.raw import calibrate_pixels
from zeroframe.frames.regions import Region, assembled_shape, region_levels
from zeroframe.frames.steps import FrameRecipe
from zeroframe.headers.result_cards import Piece, assembled_cards
from zeroframe.headers.sections import AxisRange, Section


def boxed(x0, x1, y0, y1):
    """Return pixels x0 to x1 - 1 and y0 to y1 - 1, counted from 0, as a section."""
    return Section((AxisRange(x0 + 1, x1), AxisRange(y0 + 1, y1)))


def turned(section, flip_x, flip_y):
    return Section(
        tuple(
            AxisRange(*(part.ends()[::-1] if flip else part.ends()))
            for part, flip in zip(section.ranges, (flip_x, flip_y), strict=True)
        )
    )


@st.composite
def layouts(draw):
    """Draw amplifiers in rows and columns, each a block of the raw frame with image, serial and parallel overscan."""
    columns, rows = draw(st.integers(1, 3)), draw(st.integers(1, 3))
    width, height = draw(st.integers(2, 9)), draw(st.integers(2, 9))
    prescan, serial, parallel = draw(st.integers(0, 2)), draw(st.integers(1, 4)), draw(st.integers(0, 3))
    block_x, block_y = prescan + width + serial, height + parallel
    order = draw(st.permutations(range(columns * rows)))
    regions = []
    for number, goes_to in enumerate(order):
        y, x = (number // columns) * block_y, (number % columns) * block_x + prescan
        to_y, to_x = (goes_to // columns) * height, (goes_to % columns) * width
        place = turned(boxed(to_x, to_x + width, to_y, to_y + height), draw(st.booleans()), draw(st.booleans()))
        first = OverscanSpec(boxed(x + width, x + width + serial, y, y + block_y), 1, "mean")
        second = OverscanSpec(boxed(x, x + width, y + height, y + block_y), 0, "mean") if parallel else None
        trim = boxed(x, x + width, y, y + height)
        regions.append(Region(first, trim, second, place, name=f"A{number}"))
    return tuple(regions), (rows * block_y, columns * block_x), (rows * height, columns * width)


def raw_image(pixels, dtype):
    """Return a frame as a file holds it: as unsigned integers of 16 bits, or floats."""
    ny, nx = pixels.shape
    if dtype == "u2":
        layout = ImageLayout(16, (ny, nx), 1.0, 32768.0, None, 0, tile_compressed=False)
        return RawImage(Path("a.fits"), Cards(b""), layout, (pixels.astype(np.int32) - 32768).astype(">i2"))
    return RawImage(
        Path("a.fits"),
        Cards(b""),
        ImageLayout(-64, (ny, nx), 1.0, 0.0, None, 0, tile_compressed=False),
        pixels.astype(">f8"),
    )


def naive(pixels, regions, shape):
    """Assemble a frame by slices of numpy alone."""
    pixels, out = pixels.astype(np.float64), np.full(shape, np.nan)
    for region in regions:
        rows, columns = region.trim.slices_yx(pixels.shape)
        own = pixels.copy()
        serial = region.overscan.section.slices_yx(pixels.shape)
        own[serial[0]] -= pixels[serial].mean(axis=1)[:, None]
        if region.parallel is not None:
            strip = region.parallel.section.slices_yx(pixels.shape)
            own[:, strip[1]] -= own[strip].mean(axis=0)[None, :]
        out[region.place.slices_yx(shape)] = own[rows, columns]
    return out


@settings(deadline=None, max_examples=60)
@given(layouts(), st.sampled_from(["u2", "f8"]), st.integers(0, 99))
def test_assembled_as_slices_of_numpy_do_it(layout, dtype, seed):
    regions, shape, assembled = layout
    pixels = np.random.default_rng(seed).integers(0, 65536, shape).astype(np.float64)
    recipe = FrameRecipe(regions)
    assert recipe.shape_yx(shape) == assembled_shape(regions, shape) == assembled
    out = np.full(assembled, np.nan, np.float64)
    subtracted = calibrate_pixels(raw_image(pixels, dtype), recipe, out)
    expected = naive(pixels, regions, assembled)
    np.testing.assert_allclose(out, expected, rtol=0, atol=1e-9 * 65536)
    kept = sum(pixels[region.trim.slices_yx(shape)].sum() for region in regions)
    if regions[0].parallel is None:
        assert subtracted.mean_adu == pytest.approx((kept - expected.sum()) / expected.size, abs=1e-6)


@settings(deadline=None, max_examples=60)
@given(layouts())
def test_what_is_assembled_can_be_taken_apart(layout):
    regions, shape, assembled = layout
    plain = tuple(Region(trim=region.trim, place=region.place, name=region.name) for region in regions)
    pixels = np.arange(shape[0] * shape[1], dtype=np.float64).reshape(shape)
    out = np.full(assembled, np.nan)
    calibrate_pixels(raw_image(pixels, "u2"), FrameRecipe(plain), out)
    assert np.isfinite(out).all()  # every pixel was written
    for region in plain:
        np.testing.assert_array_equal(out[region.place.slices_yx(assembled)], pixels[region.trim.slices_yx(shape)])


@settings(deadline=None, max_examples=60)
@given(layouts(), st.data())
def test_the_reference_pixel_goes_where_its_pixel_goes(layout, data):
    regions, shape, assembled = layout
    region = data.draw(st.sampled_from(regions))
    rows, columns = region.kept(shape)
    y, x = data.draw(st.sampled_from(rows)), data.draw(st.sampled_from(columns))
    marked = np.zeros(shape)
    marked[y, x] = 1.0
    out = np.zeros(assembled)
    plain = tuple(Region(trim=each.trim, place=each.place) for each in regions)
    calibrate_pixels(raw_image(marked, "f8"), FrameRecipe(plain), out)
    header = {"CRPIX1": x + 1.0, "CRPIX2": y + 1.0, "CDELT1": 2.0, "BIASSEC": "[1:2,1:2]", "TRIMSECA": "[1:2,1:2]"}
    pieces = []
    for each in regions:
        part = each.part(shape)
        cut = boxed(part.x0, part.x0 + part.nx, part.y0, part.y0 + part.ny)
        pieces.append(Piece(cut, (part.to_x, part.to_y), (part.flip_x, part.flip_y)))
    assembled_cards(header, pieces, assembled)
    ((to_y, to_x),) = np.argwhere(out)
    assert (header["CRPIX1"], header["CRPIX2"]) == (to_x + 1.0, to_y + 1.0)
    assert header["CDELT1"] == (-2.0 if region.part(shape).flip_x else 2.0)
    assert header["DATASEC"] == f"[1:{assembled[1]},1:{assembled[0]}]"
    assert {"BIASSEC", "TRIMSECA", "LTV1"}.isdisjoint(header) or len(regions) == 1


def test_a_frame_of_one_amplifier_is_the_simplest_case():
    pixels = np.random.default_rng(1).integers(0, 65536, (12, 20)).astype(np.float64)
    raw = raw_image(pixels, "u2")
    spec = OverscanSpec(Section.parse("[17:20,1:12]"), 1, "mean")
    out = np.empty((12, 16))
    subtracted = calibrate_pixels(raw, FrameRecipe.of_one(spec, Section.parse("[16:1,1:12]")), out)
    levels = pixels[:, 16:].mean(axis=1)
    np.testing.assert_array_equal(out, (pixels[:, :16] - levels[:, None])[:, ::-1])
    assert subtracted.mean_adu == levels.mean()


def test_what_does_not_fit():
    place = Section.parse("[1:5,1:4]")
    with pytest.raises(SectionError, match=r"\[1:4,:\] cannot be put at \[1:5,1:4\], which has another size"):
        Region(trim=Section.parse("[1:4,*]"), place=place).part((4, 9))
    beside = Region(OverscanSpec(Section.parse("[6:9,5:8]")), Section.parse("[1:5,1:4]"), place=place)
    with pytest.raises(SectionError, match=r"the overscan \[6:9,5:8\] does not stand beside the pixels"):
        region_levels(lambda rows, columns: np.zeros((8, 9))[rows, columns], beside, (8, 9))
