"""Cosmic rays among stars of every width, donuts and spectra: stars that are touched, and hits that are found."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

import star_fields
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


@pytest.mark.parametrize(("fwhm", "sky", "found"), [(1.0, 300.0, 0.8), (1.0, 30.0, 0.94), (1.3, 300.0, 0.9)])
def test_cores_of_stars_sharper_than_a_pixel_and_a_half_stay(fwhm, sky, found):
    """Of 1 pixel, 62 of 450 were masked; what is given for it are hits of less than 25 sigma."""
    total = searched(stars, fwhm, sky=sky)
    assert total.touched <= 0.002 * total.stars + 1
    assert total.tracks_found > found * total.tracks


def test_stars_whose_image_on_the_pixels_is_1_3_pixels_wide(monkeypatch):
    """Not of a star that wide, which pixels make wider: 40 of 411 cores were masked."""

    def at_the_middle(edges, center, width):
        return np.exp(-0.5 * ((edges[:-1] - center) / width) ** 2) / (width * np.sqrt(2.0 * np.pi))

    monkeypatch.setattr(star_fields, "_steps", at_the_middle)
    total = searched(stars, 1.3)
    assert total.touched <= 0.002 * total.stars + 1
    assert total.tracks_found > 0.85 * total.tracks


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


def test_hits_that_spread_a_little_are_no_points():
    """Of many tracks blurred by a third of a pixel some look like points sharper than any star."""
    random = np.random.default_rng(3)
    field = stars(3.0, 5, sky=30.0, count=0, rays=1500)
    charge = gaussian_filter(field.charge, 0.35)
    pixels = (random.poisson(field.light + charge) + 6.0 * random.standard_normal(charge.shape)).astype(np.float32)
    sigma = np.sqrt(np.maximum(pixels, 0.0) + 36.0).astype(np.float32)
    mask = np.zeros(pixels.shape, bool)
    assert sharpest_point(pixels, sigma, 0, mask.view(np.uint8), sky_levels(pixels, mask)) >= 0.25
    mask_lacosmic(pixels, sigma, mask)
    assert counted(field, mask).tracks_found > 0.96 * counted(field, mask).tracks
