"""Cosmic rays among stars of every width, donuts and spectra: stars that are touched, and hits that are found."""

from __future__ import annotations

import numpy as np
import pytest

from reliability import ALL_CASES
from star_fields import Counted, counted, donuts, spectra, stars
from zeroframe.frames.cosmic_rays import mask_lacosmic, sharpest_point, sky_levels

FIELDS = 10 if ALL_CASES else 2
NOBODY_KNOWS = np.empty((0, 0), np.float32)


def searched(make, size, *, known=True, **options):
    """Search some fields, and count."""
    total = Counted(0, 0, 0, 0, 0, 0, 0)
    for seed in range(100, 100 + FIELDS):
        field = make(size, seed, **options)
        mask = np.zeros(field.pixels.shape, bool)
        mask_lacosmic(field.pixels, field.sigma if known else NOBODY_KNOWS, mask)
        total += counted(field, mask)
    return total


@pytest.mark.parametrize("fwhm", [1.5, 1.75, 2.0, 2.5, 3.0, 4.0, 6.0, 8.0, 10.0])
def test_stars_are_not_touched_and_hits_are_found(fwhm):
    total = searched(stars, fwhm)
    assert total.touched <= 0.002 * total.stars + 1  # two standard errors of so few stars
    # points as sharp as hits hide some; where stars are 10 pixels wide, half of the field lies in their light
    assert total.tracks_found > (0.95 if 1.5 < fwhm < 8.0 else 0.93) * total.tracks
    assert total.found > 0.92 * total.pixels


@pytest.mark.parametrize(("sky", "known"), [(20.0, True), (5000.0, True), (300.0, False)])
def test_of_any_sky_and_noise(sky, known):
    total = searched(stars, 3.0, sky=sky, known=known)
    assert total.touched <= 0.002 * total.stars + 1
    assert total.tracks_found > 0.92 * total.tracks


@pytest.mark.parametrize("outer", [6.0, 12.0, 18.0])
def test_donuts(outer):
    """Of which L.A.Cosmic alone touches half: their noise is more than that of what is around."""
    total = searched(donuts, outer)
    # of the thousand pixels in and about a donut one may stand out by its noise
    assert total.touched <= 0.05 * total.stars
    assert total.tracks_found > 0.93 * total.tracks


@pytest.mark.parametrize("fwhm", [1.8, 2.5, 4.0])
def test_spectra_and_lines_of_the_sky(fwhm):
    total = searched(spectra, fwhm)
    assert total.touched <= 0.002 * total.stars
    assert total.tracks_found > 0.88 * total.tracks


@pytest.mark.parametrize("fwhm", [2.0, 3.0, 5.0])
def test_how_sharp_points_are_is_measured_beside_cosmic_rays(fwhm):
    field = stars(fwhm, 5)
    mask = np.zeros(field.pixels.shape, bool)
    found = sharpest_point(field.pixels, field.sigma, 0, mask.view(np.uint8), sky_levels(field.pixels, mask))
    centred = 2.0 ** (-4.0 / fwhm**2)
    assert 0.8 * centred < found < 1.05 * centred


def test_without_stars_it_is_that_of_two_pixels():
    field = stars(3.0, 5, count=0, rays=0)
    mask = np.zeros(field.pixels.shape, bool)
    assert sharpest_point(field.pixels, field.sigma, 0, mask.view(np.uint8), sky_levels(field.pixels, mask)) == 0.5
