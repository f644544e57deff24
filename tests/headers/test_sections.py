"""Sections against the FITS definition, spelled out pixel by pixel."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from zeroframe.errors import SectionError
from zeroframe.headers.sections import AxisRange, Section

SIZES = st.integers(1, 12)


def naive_cut(image, x_first, x_last, y_first, y_last):
    """Cut as the FITS standard counts: from 1, both ends included, backwards where first > last."""

    def walk(first, last):
        return list(range(first, last + 1)) if first <= last else list(range(first, last - 1, -1))

    return np.array([[image[y - 1, x - 1] for x in walk(x_first, x_last)] for y in walk(y_first, y_last)])


@st.composite
def images_and_sections(draw, *, flips=True):
    ny, nx = draw(SIZES), draw(SIZES)
    ends = [draw(st.integers(1, n)) for n in (nx, nx, ny, ny)]
    if not flips:
        ends = [*sorted(ends[:2]), *sorted(ends[2:])]
    image = np.arange(ny * nx).reshape(ny, nx)
    return image, ends, Section((AxisRange(*ends[:2]), AxisRange(*ends[2:])))


@st.composite
def axis_ranges(draw):
    if draw(st.booleans()):
        return AxisRange(None, None, reverse=draw(st.booleans()))
    number = st.none() | st.integers(1, 10**9 - 1)
    return AxisRange(draw(number), draw(number))


sections = st.lists(axis_ranges(), min_size=1, max_size=4).map(lambda ranges: Section(tuple(ranges)))


@given(sections)
def test_what_is_written_reads_back(section):
    assert Section.parse(str(section)) == section


@given(sections, st.sampled_from([" ", "  ", "\t"]))
def test_padding_does_not_matter(section, pad):
    padded = "".join(f"{pad}{character}{pad}" if character in "[],:" else character for character in str(section))
    assert Section.parse(padded) == section


@given(images_and_sections())
def test_slices_cut_what_the_standard_says(case):
    image, ends, section = case
    cut = image[section.slices_yx(image.shape)]
    np.testing.assert_array_equal(cut, naive_cut(image, *ends))
    assert section.shape_yx(image.shape) == cut.shape


@given(images_and_sections())
def test_slices_and_sections_are_inverse(case):
    image, _, section = case
    again = Section.from_slices(section.slices_yx(image.shape), image.shape)
    np.testing.assert_array_equal(image[again.slices_yx(image.shape)], image[section.slices_yx(image.shape)])
    assert again == section


@given(SIZES, st.none() | st.integers(-15, 15), st.none() | st.integers(-15, 15), st.sampled_from([None, 1, -1]))
def test_any_numpy_slice_becomes_the_section_of_the_same_pixels(n, start, stop, step):
    line = np.arange(n)
    cut = line[slice(start, stop, step)]
    if cut.size == 0:
        with pytest.raises(SectionError, match="cuts nothing"):
            Section.from_slices((slice(start, stop, step),), (n,))
        return
    section = Section.from_slices((slice(start, stop, step),), (n,))
    np.testing.assert_array_equal(line[section.slices_yx((n,))], cut)


@given(images_and_sections(flips=False), st.data())
def test_intersection_holds_the_common_pixels(case, data):
    image, _, one = case
    ny, nx = image.shape
    x = sorted(data.draw(st.tuples(st.integers(1, nx), st.integers(1, nx))))
    y = sorted(data.draw(st.tuples(st.integers(1, ny), st.integers(1, ny))))
    other = Section((AxisRange(*x), AxisRange(*y)))
    common = one.intersect(other)
    expected = set(image[one.slices_yx(image.shape)].flat) & set(image[other.slices_yx(image.shape)].flat)
    held = set() if common is None else set(image[common.slices_yx(image.shape)].flat)
    assert held == expected
    assert other.intersect(one) == common


@given(images_and_sections(), st.integers(0, 5), st.integers(0, 5))
def test_shifted_section_cuts_the_same_from_a_padded_image(case, dx, dy):
    image, _, section = case
    padded = np.pad(image, ((dy, 0), (dx, 0)), constant_values=-1)
    shifted = section.shift(dx, dy)
    np.testing.assert_array_equal(padded[shifted.slices_yx(padded.shape)], image[section.slices_yx(image.shape)])
    assert shifted.shift(-dx, -dy) == section


@given(images_and_sections(), st.booleans(), st.booleans())
def test_flip_then_cut_is_cut_then_flip(case, x, y):
    image, _, section = case
    axes = [axis for axis, wanted in ((0, y), (1, x)) if wanted]
    moved = section.flip(image.shape, x=x, y=y)
    np.testing.assert_array_equal(
        np.flip(image, axes)[moved.slices_yx(image.shape)], np.flip(image[section.slices_yx(image.shape)], axes)
    )
    assert moved.flip(image.shape, x=x, y=y) == section


@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 5))
def test_bin_keeps_the_binned_pixels_that_lie_wholly_inside(first, last, factor):
    low, high = min(first, last), max(first, last)
    inside = [b for b in range(1, 50) if low <= (b - 1) * factor + 1 and b * factor <= high]
    section = Section((AxisRange(first, last),))
    if not inside:
        with pytest.raises(SectionError, match="no whole pixel"):
            section.bin(factor)
        return
    (binned,) = section.bin(factor).ranges
    assert sorted(binned.ends()) == [inside[0], inside[-1]]
    if len(inside) > 1:
        assert binned.flipped == (first > last)


@given(images_and_sections(), st.integers(1, 4), st.integers(1, 4))
def test_unbin_is_undone_by_bin(case, fx, fy):
    _, ends, section = case
    assume(ends[0] != ends[1] or fx == 1 or not section.flipped)
    assert section.unbin(fx, fy).bin(fx, fy) == section


def test_unbinned_section_holds_the_pixels_that_were_added_up():
    sensor = np.arange(6 * 8).reshape(6, 8)
    binned = sensor.reshape(3, 2, 4, 2).sum(axis=(1, 3))
    section = Section.parse("[2:3,1:2]")
    fine = sensor[section.unbin(2, 2).slices_yx(sensor.shape)]
    np.testing.assert_array_equal(fine.reshape(2, 2, 2, 2).sum(axis=(1, 3)), binned[section.slices_yx(binned.shape)])


def test_open_ends_survive_binning():
    section = Section.parse("[5:,:9]")
    assert str(section.bin(2, 2)) == "[3:,:4]"
    assert str(section.unbin(2, 2)) == "[9:,:18]"
    assert str(Section.parse("[-*,*]").bin(2, 3)) == "[-*,:]"


@pytest.mark.parametrize(
    ("text", "shape", "resolved"),
    [
        ("[1:2048,1:4128]", (4128, 2080), "[1:2048,1:4128]"),
        ("[2056:2080,:]", (4128, 2080), "[2056:2080,1:4128]"),
        ("[*,5]", (10, 20), "[1:20,5:5]"),
        ("[-*,*]", (10, 20), "[20:1,1:10]"),
        ("[   4:  13,   1: 520]", (520, 536), "[4:13,1:520]"),
        ("[5:,:3]", (10, 20), "[5:20,1:3]"),
        ("[7]", (9,), "[7:7]"),
        ("[ 101 : 1 , * ]", (10, 101), "[101:1,1:10]"),
        ("[*,*,2]", (2, 4, 6), "[1:6,1:4,2:2]"),
    ],
)
def test_notation(text, shape, resolved):
    assert str(Section.parse(text).resolve(shape)) == resolved


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("1:10,1:10", "square brackets"),
        ("", "square brackets"),
        ("UNKNOWN", "square brackets"),
        ("[1:10,1:10", "square brackets"),
        ("[[1:10,1:10]]", "square brackets"),
        ("[]", "'' is not a range"),
        ("[1:10,]", "'' is not a range"),
        ("[a:b,*]", "'a:b' is not a range"),
        ("[0:10,1:10]", "counts pixels from 1"),
        ("[-3:10,*]", "'-3:10' is not a range"),
        ("[1:10:2,*]", "has a step (1:10:2)"),
        ("[1 0,*]", "'1 0' is not a range"),
        ("[1.5:3,*]", "'1.5:3' is not a range"),
        ("[1:" + "9" * 5000 + ",*]", "is not a range"),
        ("[١:٢,*]", "is not a range"),
    ],
)
def test_what_is_no_section_is_refused_with_a_sentence(text, words):
    with pytest.raises(SectionError) as caught:
        Section.parse(text)
    assert words in str(caught.value)
    assert text in str(caught.value)


def test_outside_the_image_names_section_and_size():
    with pytest.raises(SectionError) as caught:
        Section.parse("[2049:2176,1:10]").slices_yx((10, 10))
    message = str(caught.value)
    assert "[2049:2176,1:10]" in message
    assert "x = 2176" in message
    assert "10 x 10 pixels" in message


@pytest.mark.parametrize("text", ["[11,*]", "[11:,*]", "[:11,*]", "[11:1,*]", "[*,7]"])
def test_outside_is_never_cut_silently(text):
    with pytest.raises(SectionError, match="lies outside the image of 10 x 6 pixels"):
        Section.parse(text).resolve((6, 10))


@pytest.mark.parametrize(
    ("operation", "words"),
    [
        (lambda: Section.parse("[4096:4109]").slices_yx((4096, 4109)), "has 1 axis, but the image has 2"),
        (lambda: Section.parse("[*,*]").shift(1, 0), "open end"),
        (lambda: Section.parse("[1:5,1:5]").shift(-1, 0), "counts pixels from 1"),
        (lambda: Section.parse("[1:5,1:5]").shift(1), "has 2 axes, but the shift has 1"),
        (lambda: Section.parse("[1:5,1:5]").bin(2), "has 2 axes, but the binning has 1"),
        (lambda: Section.parse("[1:5,1:5]").bin(0, 1), "binned by 0"),
        (lambda: Section.parse("[5:1]").intersect(Section.parse("[1:5]")), "read backwards"),
        (lambda: Section.parse("[*]").intersect(Section.parse("[1:5]")), "open end"),
        (
            lambda: Section.parse("[1:5]").intersect(Section.parse("[1:5,1:5]")),
            "has 1 axis, but the section [1:5,1:5] has 2",
        ),
        (lambda: Section.parse("[1:5]").flip((5,), y=True), "no y axis"),
        (lambda: Section.from_slices((slice(None), slice(None)), (5,)), "2 slices do not fit"),
        (lambda: Section.from_slices((slice(0, 5, 2),), (5,)), "step of 2"),
        (lambda: Section(()), "at least one axis"),
        (lambda: AxisRange(1, None, reverse=True), "whole axis backwards"),
    ],
)
def test_what_cannot_be_done_is_said(operation, words):
    with pytest.raises(SectionError) as caught:
        operation()
    assert words in str(caught.value)


def test_properties():
    assert Section.parse("[1:5,9:2]").flipped
    assert not Section.parse("[1:5,2:9]").flipped
    assert Section.parse("[1:5,9:2]").resolved
    assert not Section.parse("[1:5,*]").resolved
    assert {Section.parse("[1:5,:]"), Section.parse("[1 : 5, *]")} == {Section.parse("[1:5,*]")}
