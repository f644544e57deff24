"""wcs_project: beside ccdproc 2.5, and uncertainties beside simulated noise."""

from __future__ import annotations

import sys
import warnings
from functools import cache

import numpy as np
import pytest
from astropy.io import fits
from astropy.nddata import CCDData, InverseVariance, StdDevUncertainty
from astropy.wcs import WCS

from zeroframe.errors import ArgumentError, UsageError
from zeroframe.verbs.ccddata import wcs_of
from zeroframe.verbs.reproject import wcs_project

SHAPE = (31, 37)


def sky_wcs(crpix=(18.0, 15.0), scale=1e-4, angle=0.0):
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = "RA---TAN", "DEC--TAN"
    wcs.wcs.crpix, wcs.wcs.crval = crpix, (150.0, 2.0)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    wcs.wcs.cdelt = -scale, scale
    wcs.wcs.pc = turn
    wcs.wcs.set()
    return wcs


def frame(dtype=np.float64, **words):
    pixels = np.random.default_rng(0).normal(500, 30, SHAPE)
    return CCDData(pixels.astype(dtype), unit="adu", wcs=sky_wcs(), **words)


def peer(*args, **words):
    import ccdproc

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return ccdproc.wcs_project(*args, **words)


TARGETS = {
    "same": sky_wcs(),
    "shifted": sky_wcs((15.7, 18.2)),
    "turned": sky_wcs(angle=0.5),
    "larger_pixels": sky_wcs((9.0, 8.0), 2e-4),
}


@pytest.mark.parametrize("order", ["nearest-neighbor", "bilinear", "biquadratic", "bicubic"])
@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("masked", [False, True])
def test_equal_to_ccdproc(target, order, masked):
    mask = np.random.default_rng(1).random(SHAPE) < 0.05 if masked else None
    shape = None if target != "larger_pixels" else (16, 19)
    found = wcs_project(frame(mask=mask), TARGETS[target], shape, order)
    expected = peer(frame(mask=mask), TARGETS[target], shape, order)
    np.testing.assert_allclose(found.data, expected.data, rtol=1e-9)
    if expected.mask is None:
        assert found.mask is None
    else:
        np.testing.assert_array_equal(found.mask, expected.mask)
    assert found.unit == expected.unit
    assert found.wcs.wcs.compare(expected.wcs.wcs)
    assert wcs_project(frame(np.float32), TARGETS[target], shape, order).data.dtype == np.float32


def test_counts_are_scaled_by_the_area():
    found = wcs_project(CCDData(np.ones(SHAPE), unit="adu", wcs=sky_wcs()), TARGETS["larger_pixels"], (10, 10))
    np.testing.assert_allclose(found.data, 4.0, rtol=1e-6)


NOISE = np.random.default_rng(2).uniform(2.0, 9.0, SHAPE)
TURNED = sky_wcs((15.7, 18.2), angle=0.3)


@cache
def scatter(order):
    """The standard deviation of pixels of noise when they are projected, from 100 frames."""
    rng = np.random.default_rng(3)
    frames = (CCDData(rng.normal(0, NOISE), unit="adu", wcs=sky_wcs()) for _ in range(100))
    return np.std([wcs_project(frame, TURNED, order=order).data for frame in frames], axis=0)


@pytest.mark.long
@pytest.mark.parametrize("order", ["nearest-neighbor", "bilinear"])
@pytest.mark.parametrize("kind", [StdDevUncertainty, InverseVariance])
def test_uncertainties_are_those_of_simulated_noise(order, kind):
    """ccdproc drops the uncertainty."""
    stored = kind(NOISE if kind is StdDevUncertainty else NOISE**-2.0)
    ccd = CCDData(np.zeros(SHAPE), unit="adu", wcs=sky_wcs(), uncertainty=stored)
    found = wcs_project(ccd, TURNED, order=order)
    assert type(found.uncertainty) is kind
    error = found.uncertainty.array if kind is StdDevUncertainty else found.uncertainty.array**-0.5
    good = ~found.mask
    ratio = scatter(order)[good] / error[good]
    assert good.sum() > 600
    assert np.mean(ratio) == pytest.approx(1.0, abs=0.01)
    assert np.abs(ratio - 1).max() < 0.35  # 1 / sqrt(2 * 100) is 0.07


def test_higher_orders_take_the_bilinear_uncertainty():
    ccd = frame(uncertainty=StdDevUncertainty(np.full(SHAPE, 3.0)))
    one, two = (wcs_project(ccd, TARGETS["shifted"], order=order) for order in ("bilinear", "bicubic"))
    np.testing.assert_array_equal(one.uncertainty.array, two.uncertainty.array)
    middle = one.uncertainty.array[10:20, 10:20]
    fx, fy = 0.3, 0.2
    expected = 3.0 * np.sqrt((fx**2 + (1 - fx) ** 2) * (fy**2 + (1 - fy) ** 2))
    np.testing.assert_allclose(middle, expected, rtol=1e-6)


@pytest.mark.parametrize("order", ["bilinear", "bicubic"])
def test_a_pixel_that_is_not_finite_stays_one_pixel(order):
    """In ccdproc one NaN makes the whole image NaN with splines."""
    ccd = frame()
    ccd.data[10, 10] = np.nan
    found = wcs_project(ccd, TARGETS["same"], order=order)
    assert np.isfinite(found.data).all()
    assert found.mask[10, 10]
    assert found.mask.sum() <= 100
    if order == "bicubic":
        assert peer(ccd, TARGETS["same"], order=order).mask.all()


def test_the_header_follows():
    header = fits.Header(
        {"OBJECT": "M 31", "DATE-OBS": "2020-01-01", "CRPIX1": 1.0, "CD1_2": 3.0, "BIASSEC": "[1:2,1:31]", "NAXIS1": 37}
    )
    ccd = frame(meta=header)
    found = wcs_project(ccd, TARGETS["shifted"], (20, 25))
    assert (found.meta["OBJECT"], found.meta["DATE-OBS"]) == ("M 31", "2020-01-01")
    assert found.meta["CRPIX1"] == 15.7
    assert found.meta["NAXIS1"] == 25
    assert not {"BIASSEC", "CD1_2"} & set(found.meta)
    assert found.meta["WCSPROJ"] == "bilinear, area 1"
    np.testing.assert_allclose(wcs_of(found.meta).wcs_pix2world(3, 4, 0), TARGETS["shifted"].wcs_pix2world(3, 4, 0))
    assert header["CRPIX1"] == 1.0
    assert "WCSPROJ" not in wcs_project(ccd, TARGETS["shifted"], add_keyword=False).meta


@pytest.mark.parametrize(
    ("call", "error", "match"),
    [
        (lambda: wcs_project(frame(), WCS(naxis=2)), UsageError, "target_wcs are not celestial"),
        (lambda: wcs_project(CCDData(np.ones(SHAPE), unit="adu"), sky_wcs()), UsageError, "of the frame are not"),
        (lambda: wcs_project(frame(), sky_wcs(), order="bilinaer"), UsageError, "did you mean 'bilinear'"),
        (lambda: wcs_project(frame(), sky_wcs(), (3,)), ArgumentError, "rows and columns"),
        (lambda: wcs_project(frame(), sky_wcs(), targetshape=(3, 3)), ArgumentError, "did you mean 'target_shape'"),
    ],
)
def test_mistakes(call, error, match):
    with pytest.raises(error, match=match):
        call()


def test_without_reproject_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "reproject", None)
    with pytest.raises(UsageError, match=r"pip install 'zeroframe\[wcs\]'"):
        wcs_project(frame(), sky_wcs())
