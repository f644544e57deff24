"""Notebooks as people write them give the same with either package: pixels to 1e-5, masks, uncertainties, units."""

from __future__ import annotations

import os
import warnings

import ccdproc
import numpy as np
import pytest
from astropy.nddata import CCDData
from notebook_styles import FIRST, STYLES, write_made, write_night

import zeroframe

ALL = bool(os.environ.get("ZEROFRAME_ALL_CASES"))
#: By default a few of each style.
CHOSEN = [(style, number) for style in STYLES for number in range(0, len(STYLES[style]), 1 if ALL else 5)]


@pytest.fixture(scope="module", params=[1, 2, 3] if ALL else [1])
def night(request, tmp_path_factory):
    raw, made = tmp_path_factory.mktemp("raw"), tmp_path_factory.mktemp("made")
    write_night(raw, request.param)
    write_made(raw, made)
    return raw, made


def run(cell, package, night, out):
    out.mkdir()
    names = {"ccdp": package, "raw": night[0], "made": night[1], "out": out}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        exec(FIRST + cell, names)
        return flattened(names["found"])


def flattened(found):
    return [found] if isinstance(found, CCDData) else [one for each in found for one in flattened(each)]


def assert_alike(ours, theirs):
    assert ours.unit == theirs.unit
    assert ours.shape == theirs.shape
    masks = [
        np.zeros(ccd.shape, bool) if ccd.mask is None else np.broadcast_to(ccd.mask, ccd.shape)
        for ccd in (ours, theirs)
    ]
    # pixels that are not finite are masked here
    np.testing.assert_array_equal(masks[0], masks[1] | ~np.isfinite(theirs.data))
    good = ~masks[0]
    assert good.any()
    scale = np.abs(theirs.data[good]).max()
    np.testing.assert_allclose(ours.data[good], theirs.data[good], rtol=1e-5, atol=1e-5 * scale)
    if theirs.uncertainty is not None and ours.uncertainty is not None:
        scale = np.nanmax(theirs.uncertainty.array[good])
        np.testing.assert_allclose(ours.uncertainty.array[good], theirs.uncertainty.array[good], atol=1e-4 * scale)


@pytest.mark.parametrize(("style", "number"), CHOSEN)
def test_cells_give_the_same(style, number, night, tmp_path):
    cell = STYLES[style][number]
    mine, other = cell if isinstance(cell, tuple) else (cell, cell)
    ours = run(mine, zeroframe, night, tmp_path / "ours")
    theirs = run(other, ccdproc, night, tmp_path / "theirs")
    assert len(ours) == len(theirs) > 0
    for one, two in zip(ours, theirs, strict=True):
        assert_alike(one, two)


def test_every_style_has_cells_enough():
    assert {style: len(cells) for style, cells in STYLES.items() if len({*cells}) < 15} == {}
