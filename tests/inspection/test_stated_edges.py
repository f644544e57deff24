"""Slits that light a part of the image: scattered light ends at the strip that the header states, or there is none."""

from __future__ import annotations

import numpy as np
import pytest
from astropy.nddata import CCDData

from zeroframe.inspection import inspect_overscan
from zeroframe.inspection.stated_edges import ends_where_stated

NY = 600


def profile(image, slit, *, scattered=40.0, light=7000.0, sharp=True):
    """Light of columns: a slit, and what it scatters to all others, less and less."""
    x = np.arange(image, dtype=float)
    first, last = slit
    away = np.maximum(np.maximum(first - x, x - last), 0.0)
    lit = np.where(away == 0, light, scattered * (1.0 + 2.0 * np.exp(-away / 8.0)))
    if not sharp:  # the end of a slit takes two columns
        for place in (first - 1, last + 1):
            if 0 <= place < image:
                lit[place] = 0.45 * light
    return lit


def frames_of(columns, cards, *, noise=1.5, gain=2.0, turned=False):
    rng = np.random.default_rng(6)
    given = []
    for kind, level in [("bias", 0.0)] * 4 + [("flat", 1.0)] * 3 + [("object", 0.1)]:
        pixels = rng.poisson(np.broadcast_to(level * columns, (NY, columns.size)) * gain) / gain
        pixels = (pixels + rng.normal(650.0 + rng.normal(0, 1.0), noise, pixels.shape)).round().astype(np.uint16)
        given.append(CCDData(pixels.T if turned else pixels, unit="adu", meta={"IMAGETYP": kind, **cards}))
    return given


def named(first, last, *, turned=False):
    return f"[1:{NY},{first}:{last}]" if turned else f"[{first}:{last},1:{NY}]"


def cards_of(image, strip, *, turned=False):
    return {"DATASEC": named(*image, turned=turned), "BIASSEC": named(*strip, turned=turned)}


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize(
    ("image", "slit", "strip"),
    [
        (70, (20, 45), 16),  # both ends of the slit within the image
        (70, (0, 45), 16),  # lit to the left side
        (60, (0, 30), 34),  # a strip of more than a third of the frame
        (400, (60, 250), 40),
        (700, (60, 500), 280),  # a strip that is wider than zones are
    ],
)
def test_the_strip_of_the_header_is_used_and_unlit_image_stays(image, slit, strip, turned):
    columns = np.concatenate([profile(image, slit), np.zeros(strip)])
    sections = (1, image), (image + 1, image + strip)
    result = inspect_overscan(frames_of(columns, cards_of(*sections, turned=turned), turned=turned))
    assert str(result.trim) == named(*sections[0], turned=turned)
    assert result.decision == "use"
    assert str(result.recommended.section) == named(*sections[1], turned=turned)


@pytest.mark.parametrize("left_out", [0, 1])
def test_a_column_that_is_half_image_is_neither(left_out):
    """Binned, a column may be the sum of one of the image and one of the overscan."""
    columns = np.concatenate([profile(101, (31, 75)), np.zeros(32)])[1 - left_out :]
    columns = columns[: columns.size // 2 * 2].reshape(-1, 2).sum(axis=1)
    whole, first = (101 - (1 - left_out)) // 2, -(-(101 - (1 - left_out)) // 2) + 1
    result = inspect_overscan(frames_of(columns, cards_of((1, whole), (first, columns.size))))
    assert str(result.trim) == named(1, whole)
    assert str(result.recommended.section) == named(first, columns.size)


def test_a_header_that_calls_unlit_image_overscan_is_not_believed():
    columns = profile(120, (30, 60), sharp=False)
    result = inspect_overscan(frames_of(columns, cards_of((1, 96), (97, 120))))
    assert result.recommended is None
    assert str(result.trim) == named(1, 120)


def test_a_prescan_that_the_header_calls_image_is_still_cut():
    columns = np.concatenate([np.zeros(20), profile(200, (0, 199)), np.zeros(24)])
    result = inspect_overscan(frames_of(columns, cards_of((1, 220), (221, 244))))
    assert str(result.trim) == named(21, 220)


@pytest.mark.parametrize("decay", [0.5, 1.0, 2.0, 5.0])
def test_light_that_decays_in_a_strip_has_no_edge(decay):
    signal = np.concatenate([100.0 * np.exp(-np.arange(20)[::-1] / decay), np.full(40, 20000.0)])
    assert not any(ends_where_stated(signal, width, 1.0) for width in range(3, 18))
    assert ends_where_stated(signal, 20, 1.0)
