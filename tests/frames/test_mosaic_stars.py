"""Sharp stars of a colour sensor are not taken for cosmic rays, though each colour sees them as one pixel."""

from __future__ import annotations

import numpy as np
import pytest
from astropy.nddata import CCDData

import star_fields
from star_fields import Counted, counted
from zeroframe import cosmicray_lacosmic
from zeroframe.frames.colours import each_colour, sky_of_colours
from zeroframe.frames.cosmic_rays import mask_lacosmic
from zeroframe.frames.mosaic_stars import free_stars, mask_in_colours
from zeroframe.headers.colours import ColourPattern

PATTERN = ColourPattern("RGGB")
#: What the filters let pass.
PASS = {"R": 0.5, "G": 1.0, "B": 0.35}


def mosaic(fwhm, seed, monkeypatch):
    """Return a field of stars seen through the filters of a colour sensor."""
    exposed = star_fields._exposed

    def through(light, *given):
        filters = np.ones(light.shape)
        for letter, (dy, dx) in zip(PATTERN.letters, ((0, 0), (0, 1), (1, 0), (1, 1)), strict=True):
            filters[dy::2, dx::2] = PASS[letter]
        return exposed(light * filters, *given)

    with monkeypatch.context() as patch:
        patch.setattr(star_fields, "_exposed", through)
        return star_fields.stars(fwhm, seed)


def searched(field, sigma):
    """Return masks without and with a look at the other colours."""
    mask, none = np.zeros(field.pixels.shape, bool), np.empty((0, 0), np.float32)
    for own, plane, own_sigma in each_colour(PATTERN, (mask,), (field.pixels, sigma)):
        mask_lacosmic(plane, own_sigma if sigma.size else none, own, in_colour=True)
    within = mask.copy()
    freed = free_stars(field.pixels, sigma, np.zeros(mask.shape, np.uint8), mask)
    assert freed == np.count_nonzero(within & ~mask)
    assert not (mask & ~within).any()
    return within, mask


@pytest.mark.parametrize(("fwhm", "most"), [(1.5, 0.15), (2.0, 0.1), (2.5, 0.015), (3.0, 0.015), (4.0, 0.035)])
@pytest.mark.parametrize("known", [True, False])
def test_sharp_stars_are_light(fwhm, most, known, monkeypatch):
    """Within colours alone 96, 89, 3, 3 and 3 % of them are touched."""
    total = Counted(0, 0, 0, 0, 0, 0, 0)
    for seed in (600, 601, 602):
        field = mosaic(fwhm, seed, monkeypatch)
        _, mask = searched(field, field.sigma if known else np.empty((0, 0), np.float32))
        total += counted(field, mask)
    assert total.touched <= most * total.stars + 1
    assert total.tracks_found > 0.9 * total.tracks


def test_a_hit_beside_a_star_stays(monkeypatch):
    field = mosaic(3.0, 603, monkeypatch)
    within, mask = searched(field, field.sigma)
    hits = (field.charge > 30.0 * np.sqrt(field.light + 36.0)) & within
    assert mask[hits].mean() > 0.95


def test_the_sky_is_told_of_each_colour(monkeypatch):
    field = mosaic(3.0, 604, monkeypatch)
    found = sky_of_colours(field.pixels, PATTERN)
    assert found.keys() == PASS.keys()
    for letter, level in found.items():
        assert level == pytest.approx(300.0 * PASS[letter], rel=0.03)


def test_the_verb_finds_what_a_night_masks(monkeypatch):
    """It used to look within colours alone, where nine of ten stars of two pixels are touched."""
    field = mosaic(2.0, 605, monkeypatch)
    frame = CCDData(field.pixels, unit="electron", meta={"BAYERPAT": "RGGB"})
    done = cosmicray_lacosmic(frame, readnoise=6.0, invar=np.square(field.sigma), satlevel=1e9, finder="zeroframe")
    within, expected = searched(field, field.sigma)
    np.testing.assert_array_equal(done.mask, expected)
    assert counted(field, done.mask).touched < 0.2 * counted(field, within).touched
    assert done.meta["COSMICS"] == f"L.A.Cosmic within each colour: {np.count_nonzero(expected)} pixels"
    np.testing.assert_array_equal(done.data[~expected], field.pixels[~expected])
    hits = expected & (field.charge > 3000.0)
    assert np.median(done.data[hits] / field.light[hits]) == pytest.approx(1.0, abs=0.15)


def test_one_search_is_behind_nights_and_verbs(monkeypatch):
    field = mosaic(2.5, 606, monkeypatch)
    none = np.zeros(field.pixels.shape, bool)
    found = none.copy()
    count = mask_in_colours(PATTERN, field.pixels, field.sigma, none, found)
    np.testing.assert_array_equal(found, searched(field, field.sigma)[1])
    assert count == np.count_nonzero(found)
