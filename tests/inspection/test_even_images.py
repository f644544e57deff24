"""A dead column at the end of an image in mid-frame stays image, so that the halves keep their places."""

from __future__ import annotations

import numpy as np
import pytest

from zeroframe.inspection.even_images import of_one_width
from zeroframe.inspection.image_layout import image_layout
from zeroframe.inspection.sources import Pixels

NY = 300


def drawn(*parts, dead=()):
    """Frames of parts, each the level of its amplifier, what it is, and its columns; some columns are dead."""
    rng = np.random.default_rng(8)
    size = sum(columns for _, _, columns in parts)
    lit = np.concatenate([np.full(columns, float(kind == "image")) for _, kind, columns in parts])
    lit[list(dead)] = 0.0
    owner = np.concatenate([np.full(columns, level) for level, _, columns in parts])
    fixed = np.where(lit > 0, rng.normal(0, 1, size), 0.0)
    biases, flats = [], []
    for kept, light in [(biases, 0.0)] * 6 + [(flats, 15000.0)] * 3:
        drifts = {level: rng.normal(0, 1.5) for level in set(owner.tolist())}
        level = 900.0 + 30.0 * owner + np.array([drifts[each] for each in owner.tolist()]) + fixed
        pixels = level + rng.normal(0, 4, (NY, size)) + rng.poisson(np.broadcast_to(lit * light, (NY, size)))
        kept.append(Pixels(pixels.round().astype(np.uint16)))
    layout = image_layout(biases, flats)
    return [(each.image.start, each.image.stop) for each in layout.along_x.parts], layout.doubts


STRIP = 32
EACH = [(1, "image", 163), (1, "strip", STRIP), (2, "image", 163), (2, "strip", STRIP)]
MIDDLE = [(1, "image", 163), (1, "strip", STRIP), (2, "strip", STRIP), (2, "image", 163)]
PRESCANS = [(1, "strip", 12), *MIDDLE, (2, "strip", 12)]


@pytest.mark.parametrize(
    ("parts", "dead", "images"),
    [
        (EACH, [162], [(0, 163), (195, 358)]),
        (EACH, [195], [(0, 163), (195, 358)]),
        (MIDDLE, [162], [(0, 163), (227, 390)]),
        (MIDDLE, [227], [(0, 163), (227, 390)]),
        (PRESCANS, [174], [(12, 175), (239, 402)]),
        (EACH, [357], [(0, 163), (195, 357)]),  # an outer end: nothing moves
    ],
)
def test_the_image_keeps_its_width(parts, dead, images):
    found, doubts = drawn(*parts, dead=dead)
    assert found == images
    inner = dead[0] != 357
    assert any(f"column {dead[0] + 1} sees no light, and is taken for image" in said for said in doubts) == inner


@pytest.mark.parametrize("parts", [EACH, MIDDLE, PRESCANS])
def test_nothing_is_said_of_a_good_camera(parts):
    assert drawn(*parts)[1] == ()


def test_a_chip_of_an_odd_number_of_columns_is_left_alone():
    found, doubts = drawn((1, "image", 162), *EACH[1:])
    assert found == [(0, 162), (194, 357)]
    assert doubts == ()


def test_of_two_strips_that_could_hold_it_none_is_taken():
    images, runs = [slice(13, 175), slice(208, 371)], [slice(0, 13), slice(175, 208), slice(371, 383), slice(383, 415)]
    made, left, doubts = of_one_width(images, runs, 415)
    assert (made, left) == (images, runs)
    assert doubts == ["the image of columns 14 to 175 is one column narrower than others"]
