"""The colour pattern of a sensor: what headers say of it, and that what they say stays true."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from astropy.io import fits
from astropy.nddata import CCDData

from zeroframe.errors import UsageError
from zeroframe.headers.colours import ColourPattern, read_colours, state_pattern
from zeroframe.headers.dialects import read_facts
from zeroframe.headers.result_cards import trim_cards
from zeroframe.headers.sections import Section
from zeroframe.verbs.blocks import block_average, block_reduce, block_replicate
from zeroframe.verbs.overscan import trim_image

BAYER = ("RGGB", "BGGR", "GRBG", "GBRG")


def mosaic(header, shape_yx):
    """Paint which colour each stored pixel is by the words of a header, as they are meant, pixel by pixel."""
    ny, nx = shape_yx
    painted = np.empty(shape_yx, "U1")
    for y, x in itertools.product(range(ny), range(nx)):
        row = ny - 1 - y if str(header.get("ROWORDER", "")).startswith("BOTTOM") else y
        dy, dx = header.get("YBAYROFF", 0), header.get("XBAYROFF", 0)
        painted[y, x] = header["BAYERPAT"][2 * ((row + dy) % 2) + (x + dx) % 2]
    return painted


@pytest.mark.parametrize(
    ("cards", "letters"),
    [
        ({"BAYERPAT": "RGGB    "}, "RGGB"),
        ({"BAYERPAT": "grbg"}, "GRBG"),
        ({"COLORTYP": "BAYER_GBRG"}, "GBRG"),
        ({"BAYERPAT": "RGGB8"}, "RGGB"),
        ({"CFAPAT": "RG"}, "RGGB"),
        ({"BAYERPAT": "TRUE", "COLORTYP": "BGGR"}, "BGGR"),
        ({"BAYERPAT": "GBRG", "XBAYROFF": 1, "YBAYROFF": 1}, "GRBG"),
        ({"BAYERPAT": "RGGB", "XBAYROFF": 2.0}, "RGGB"),
        ({"BAYERPAT": "CYGM"}, "CYGM"),
        ({"CFAFOUND": "XGGY"}, "XGGY"),
        ({"COLORTYP": "MONO"}, None),
        ({"COLORTYP": 0}, None),
        ({"BAYERPAT": ""}, None),
        ({"BAYERPAT": "QQQQ"}, None),
        ({}, None),
    ],
)
def test_words(cards, letters):
    found = read_facts(cards | {"NAXIS": 2, "NAXIS1": 6, "NAXIS2": 4})
    assert (None if found.colours is None else found.colours.letters) == letters
    assert any("QQQQ" in doubt for doubt in found.doubts) == ("QQQQ" in cards.values())


@pytest.mark.parametrize(
    "cards",
    [{"BAYERPAT": "X-Trans"}, {"COLORTYP": "XTRANS"}, {"CFA": "GGRGGBGGBGGRBRGRBGGGBGGRGGRGGBRBGBRG"}],
)
def test_xtrans_is_named(cards):
    found = read_facts(cards)
    assert found.colours is None
    assert "X-Trans" in found.colours_refused


@pytest.mark.parametrize("shape_yx", [(8, 10), (7, 9), (8, 9), (7, 10)])
@pytest.mark.parametrize("order", [None, "TOP-DOWN", "BOTTOM-UP"])
@pytest.mark.parametrize("offsets", [(0, 0), (1, 0), (0, 1), (1, 1)])
def test_pattern_is_true_after_any_cut(shape_yx, order, offsets):
    """Which filter a pixel looked through does not change when it is cut out or turned around."""
    rng = np.random.default_rng(hash((shape_yx, order, offsets)) % 2**32)
    for letters in BAYER:
        header = {"BAYERPAT": letters, "XBAYROFF": offsets[0]}
        if order != "BOTTOM-UP":
            header["YBAYROFF"] = offsets[1]
        if order is not None:
            header["ROWORDER"] = order
        before = mosaic(header, shape_yx)
        pattern = read_colours(header, shape_yx).pattern
        assert pattern.letters == "".join(before[:2, :2].ravel())
        for _ in range(6):
            ends = [sorted(rng.integers(1, n + 1, 2)) for n in shape_yx[::-1]]
            ends = [pair[:: rng.choice([-1, 1])] for pair in ends]
            section = Section.parse("[" + ",".join(f"{a}:{b}" for a, b in ends) + "]")
            after = dict(header)
            trim_cards(after, section, shape_yx)
            cut = before[section.slices_yx(shape_yx)]
            assert (mosaic(after, cut.shape) == cut).all(), (section, after)


def test_stating_a_found_pattern_takes_wrong_words_away():
    header = fits.Header({"BAYERPAT": "RGGB", "XBAYROFF": 1})
    state_pattern(header, ColourPattern("GXYG"), 10)
    assert "BAYERPAT" not in header
    assert header["CFAFOUND"] == "GXYG"
    assert read_colours(header, (10, 10)).pattern == ColourPattern("GXYG")
    state_pattern(header, None, 10)
    assert "CFAFOUND" not in header


def test_trim_image_keeps_the_colours():
    ccd = CCDData(np.ones((6, 8)), unit="adu", meta=fits.Header({"BAYERPAT": "RGGB"}))
    assert trim_image(ccd, fits_section="[2:8,2:6]").meta["BAYERPAT"] == "BGGR"
    assert trim_image(ccd[:, 1:]).meta["BAYERPAT"] == "GRBG"
    assert ccd.meta["BAYERPAT"] == "RGGB"


@pytest.mark.parametrize("function", [block_reduce, block_average, block_replicate])
def test_blocks_over_a_pattern_are_refused(function):
    ccd = CCDData(np.ones((6, 8)), unit="adu", meta=fits.Header({"BAYERPAT": "RGGB"}))
    with pytest.raises(UsageError, match="split_colours"):
        function(ccd, 2)
    del ccd.meta["BAYERPAT"]
    assert function(ccd, 2) is not None
