"""Cosmic rays: beside ccdproc 2.5, and beside a naive oracle where pixels are left out."""

from __future__ import annotations

import sys
import warnings

import numpy as np
import pytest
from astropy import units as u
from astropy.nddata import CCDData, StdDevUncertainty, VarianceUncertainty

import naive_frames
from zeroframe.errors import ArgumentError, UnitError, UsageError
from zeroframe.frames.rank_filters import box_size, moving_percentiles
from zeroframe.verbs.cosmic_rays import cosmicray_lacosmic, cosmicray_median

E, ADU = u.electron, u.adu


def sky(shape=(60, 50), dtype=np.float64, seed=0):
    """Noise, two stars, and cosmic rays of one to three pixels."""
    rng = np.random.default_rng(seed)
    y, x = np.indices(shape)
    pixels = rng.normal(400, 8, shape)
    for cy, cx in ((20, 15), (40, 33)):
        pixels += 3000 * np.exp(-((y - cy) ** 2 + (x - cx) ** 2) / (2 * 2.0**2))
    for cy, cx, length in ((5, 5, 1), (30, 40, 3), (50, 10, 2), (12, 44, 1)):
        pixels[cy, cx : cx + length] += 2500
    return pixels.astype(dtype)


def peer(function, *args, **words):
    import ccdproc

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return getattr(ccdproc, function)(*args, **words)


def bad_pixels(shape, share=0.08, seed=3):
    return np.random.default_rng(seed).random(shape) < share


# --- moving percentiles ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("box", [(11, 11), (4, 6), (1, 9), (15, 15), (1, 1)])
@pytest.mark.parametrize("shape", [(70, 65), (9, 7), (1, 80)])
def test_moving_percentiles_are_those_of_scipy(shape, box, dtype):
    from scipy import ndimage

    # few different values, and of both signs: ties and -0.0 must not matter
    pixels = np.random.default_rng(1).normal(0, 2, shape).round(0 if dtype is np.float32 else 3).astype(dtype)
    found = moving_percentiles(pixels, box, [50.0, 69.1, 30.9])
    np.testing.assert_array_equal(found[0], ndimage.median_filter(pixels, size=box))
    np.testing.assert_array_equal(found[1], ndimage.percentile_filter(pixels, 69.1, size=box))
    np.testing.assert_array_equal(found[2], ndimage.percentile_filter(pixels, 30.9, size=box))
    assert found.dtype == dtype


@pytest.mark.parametrize("share", [0.1, 0.9, 1.0])
def test_moving_percentiles_leave_pixels_out(share):
    pixels = np.random.default_rng(2).normal(0, 1, (25, 31))
    pixels[bad_pixels(pixels.shape, share)] = np.nan
    pixels[0, 0] = np.inf
    for percent in (50.0, 30.9, 100.0):
        (found,) = moving_percentiles(pixels, (3, 5), [percent])
        np.testing.assert_array_equal(found, naive_frames.moving_percentile(pixels, 3, 5, percent))


def test_threads_and_bands_change_nothing():
    pixels = np.random.default_rng(3).normal(0, 1, (600, 40)).astype(np.float32)
    one = moving_percentiles(pixels, (7, 7), [50.0], workers=1)
    np.testing.assert_array_equal(one, moving_percentiles(pixels, (7, 7), [50.0], workers=3))


@pytest.mark.parametrize("value", [0, -1, 2.5, "7", True, np.nan, np.inf])
def test_sizes_of_boxes(value):
    with pytest.raises(UsageError, match="mbox is"):
        box_size(value, "mbox")


# --- cosmicray_median ------------------------------------------------------------------------------------------------

MEDIAN_CALLS = {
    "number": {"error_image": 8.0},
    "image": {"error_image": np.full((60, 50), 8.0), "thresh": 10, "mbox": 7},
    "nothing": {},
    "even": {"error_image": 8.0, "mbox": 6, "gbox": 2},
    "grown": {"error_image": 8.0, "thresh": 20, "gbox": 3},
}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", MEDIAN_CALLS)
def test_median_equal_to_ccdproc(name, dtype):
    data, words = sky(dtype=dtype), MEDIAN_CALLS[name]
    cleaned, cosmic = cosmicray_median(data, **words)
    expected_data, expected = peer("cosmicray_median", data.astype(np.float64), **words)
    np.testing.assert_array_equal(cosmic, expected)
    np.testing.assert_array_equal(cleaned, data)
    np.testing.assert_array_equal(expected_data, data)
    assert cosmic.sum() >= 7
    assert cleaned.dtype == dtype
    if name in {"number", "image"}:
        ccd = CCDData(data, unit=ADU, uncertainty=StdDevUncertainty(np.full(data.shape, 8.0)))
        words = {key: value for key, value in words.items() if key != "error_image"}
        np.testing.assert_array_equal(cosmicray_median(ccd, **words).mask, expected)
        np.testing.assert_array_equal(peer("cosmicray_median", ccd, **words).mask, expected)


def test_replacements_do_not_hold_cosmic_rays():
    """ccdproc masks the cosmic rays, and hands them to a filter of scipy that does not look at masks."""
    data = sky()
    cleaned, cosmic = cosmicray_median(data, error_image=8.0, thresh=20, rbox=3)
    without = np.where(cosmic, np.nan, data)
    expected = naive_frames.moving_percentile(without, 3, 3, 50.0)
    filled = cosmic & np.isfinite(expected)
    np.testing.assert_array_equal(cleaned[filled], expected[filled])
    np.testing.assert_array_equal(cleaned[~filled], data[~filled])
    wrong, same = peer("cosmicray_median", data, error_image=8.0, thresh=20, rbox=3)
    np.testing.assert_array_equal(same, cosmic)
    assert (wrong[cosmic] > cleaned[cosmic]).any()
    np.testing.assert_array_equal(wrong[~cosmic], data[~cosmic])


@pytest.mark.parametrize("mask_as", ["mask", "nan"])
def test_masked_pixels_take_no_part(mask_as):
    data, bad = sky(), bad_pixels((60, 50))
    data[bad] = 60000.0 if mask_as == "mask" else np.nan
    ccd = CCDData(data, unit=ADU, mask=bad if mask_as == "mask" else None)
    found = cosmicray_median(ccd, error_image=8.0, mbox=5, rbox=5)
    without = np.where(bad, np.nan, data)
    cosmic = (without - naive_frames.moving_percentile(without, 5, 5, 50.0)) / 8.0 > 5
    assert cosmic.any()
    np.testing.assert_array_equal(found.mask, cosmic | bad if mask_as == "mask" else cosmic)
    without[cosmic] = np.nan
    level = naive_frames.moving_percentile(without, 5, 5, 50.0)
    replaced = cosmic & np.isfinite(level)
    np.testing.assert_array_equal(found.data[replaced], level[replaced])
    masked_array = cosmicray_median(np.ma.MaskedArray(data, bad), error_image=8.0, mbox=5)[1]
    np.testing.assert_array_equal(masked_array, cosmic)


def test_the_error_of_a_frame_is_its_uncertainty_of_any_kind_or_its_spread():
    """ccdproc takes a variance for a standard deviation, and fails on a frame without uncertainty."""
    data = sky()
    expected = cosmicray_median(data, error_image=8.0)[1]
    ccd = CCDData(data, unit=ADU, uncertainty=VarianceUncertainty(np.full(data.shape, 64.0)))
    np.testing.assert_array_equal(cosmicray_median(ccd).mask, expected)
    assert peer("cosmicray_median", ccd).mask.sum() < expected.sum()
    plain = CCDData(data, unit=ADU)
    np.testing.assert_array_equal(cosmicray_median(plain).mask, cosmicray_median(data)[1])
    np.testing.assert_array_equal(cosmicray_median(plain, error_image=8.0).mask, expected)


def test_raw_pixels_do_not_wrap_around_and_keep_their_type():
    """ccdproc subtracts the median in uint16: every pixel below it is far above."""
    data = sky(dtype=np.uint16)
    cleaned, cosmic = cosmicray_median(data, error_image=8.0, rbox=5)
    np.testing.assert_array_equal(cosmic, cosmicray_median(data.astype(np.float64), error_image=8.0)[1])
    assert cleaned.dtype == np.uint16
    assert peer("cosmicray_median", data, error_image=8.0)[1].mean() > 0.3


def test_median_leaves_its_input_alone():
    data = sky()
    ccd = CCDData(data.copy(), unit=ADU, mask=bad_pixels(data.shape), uncertainty=StdDevUncertainty(np.ones((60, 50))))
    mask = ccd.mask.copy()
    found = cosmicray_median(ccd, rbox=5)
    assert found.meta["COSMICS"].startswith("median of 11 x 11")
    np.testing.assert_array_equal(ccd.data, data)
    np.testing.assert_array_equal(ccd.mask, mask)
    assert "COSMICS" not in ccd.meta
    np.testing.assert_array_equal(found.uncertainty.array, ccd.uncertainty.array)


@pytest.mark.parametrize(
    ("call", "error", "match"),
    [
        (lambda: cosmicray_median([1, 2]), ArgumentError, "CCDData or an array"),
        (lambda: cosmicray_median(np.ones(3)), ArgumentError, "two axes"),
        (lambda: cosmicray_median(sky(), error_image="8"), ArgumentError, "number or an array"),
        (lambda: cosmicray_median(sky(), error_image=np.ones((2, 2))), UsageError, "error_image has shape"),
        (lambda: cosmicray_median(sky(), rbox=-1), UsageError, "rbox is -1"),
        (lambda: cosmicray_median(sky(), threshold=5), ArgumentError, "did you mean 'thresh'"),
    ],
)
def test_median_mistakes(call, error, match):
    with pytest.raises(error, match=match):
        call()


# --- cosmicray_lacosmic ----------------------------------------------------------------------------------------------

LACOSMIC_CALLS = {
    "plain": {"readnoise": 5.0},
    "gain": {"readnoise": 5.0, "gain": 1.7},
    "not_applied": {"readnoise": 5.0, "gain": 1.7, "gain_apply": False},
    "strict": {"readnoise": 5.0, "sigclip": 8.0, "objlim": 2.0, "cleantype": "medmask", "niter": 2},
    "convolve": {"readnoise": 5.0, "fsmode": "convolve", "psfmodel": "moffat", "sepmed": False},
    "background": {"readnoise": 5.0, "inbkg": np.full((60, 50), 100.0, np.float32)},
    "variance": {"readnoise": 5.0, "invar": np.full((60, 50), 64.0, np.float32)},
    "sky": {"readnoise": 5.0, "pssl": 200.0},
}
#: ccdproc says of pssl that it goes, and so do we; of cosmic rays found by the kernel of the night it is no remark.
OLD = pytest.mark.filterwarnings("ignore:.*pssl:astropy.utils.exceptions.AstropyDeprecationWarning")


@OLD
@pytest.mark.parametrize("name", LACOSMIC_CALLS)
def test_lacosmic_equal_to_ccdproc(name):
    data, words = sky(dtype=np.float32), LACOSMIC_CALLS[name]
    cleaned, cosmic = cosmicray_lacosmic(data, **words)
    expected_data, expected = peer("cosmicray_lacosmic", data, **words)
    np.testing.assert_array_equal(cosmic, expected)
    np.testing.assert_allclose(cleaned, expected_data, rtol=1e-5)
    assert cosmic.sum() >= (2 if name == "convolve" else 7)
    mask = np.zeros(data.shape, bool)
    mask[3, 3] = True
    ccd = CCDData(data, unit=ADU, mask=mask)
    found, other = cosmicray_lacosmic(ccd, **words), peer("cosmicray_lacosmic", ccd, **words)
    np.testing.assert_allclose(found.data, other.data, rtol=1e-5)
    np.testing.assert_array_equal(found.mask, other.mask)
    if name != "not_applied":
        assert found.unit == other.unit == E


def test_what_gain_does_to_unit_and_uncertainty():
    """ccdproc leaves the uncertainty in ADU, and with gain_apply=False it calls pixels in ADU electrons."""
    ccd = CCDData(sky(dtype=np.float32), unit=ADU, uncertainty=StdDevUncertainty(np.full((60, 50), 8.0, np.float32)))
    applied = cosmicray_lacosmic(ccd, gain=2.0, readnoise=5.0)
    assert applied.unit == E
    assert (applied.uncertainty.array == 16.0).all()
    kept = cosmicray_lacosmic(ccd, gain=2.0, readnoise=5.0, gain_apply=False)
    assert kept.unit == ADU
    assert (kept.uncertainty.array == 8.0).all()
    np.testing.assert_allclose(2.0 * kept.data, applied.data, rtol=1e-6)
    wrong = peer("cosmicray_lacosmic", ccd, gain=2.0, readnoise=5.0, gain_apply=False)
    assert wrong.unit == E
    np.testing.assert_allclose(wrong.data, kept.data, rtol=1e-6)


@pytest.mark.long
def test_quantities_and_frames_in_electrons():
    ccd = CCDData(sky(dtype=np.float32), unit=ADU)
    found = cosmicray_lacosmic(ccd, gain=2 * E / ADU, readnoise=5 * E)
    np.testing.assert_array_equal(found.data, cosmicray_lacosmic(ccd, gain=2.0, readnoise=5.0).data)
    electrons = CCDData(2 * ccd.data, unit=E)
    again = cosmicray_lacosmic(electrons, readnoise=5.0)
    assert again.unit == E
    np.testing.assert_array_equal(again.mask, found.mask)
    with pytest.raises(UnitError, match="in electrons already"):
        cosmicray_lacosmic(electrons, gain=2.0)
    with pytest.raises(UnitError, match="both must be in electrons"):
        cosmicray_lacosmic(ccd, gain=2 * E / ADU, readnoise=5 * ADU)


def test_pixels_that_are_not_finite_do_not_spread():
    """In ccdproc one NaN blinds every box of the filters that holds it, and every pass widens it."""
    data = sky(dtype=np.float32)
    expected = cosmicray_lacosmic(data, readnoise=5.0)[1]
    data[30, 25] = np.nan
    cleaned, cosmic = cosmicray_lacosmic(data, readnoise=5.0)
    np.testing.assert_array_equal(cosmic, expected)
    assert np.argwhere(~np.isfinite(cleaned)).tolist() == [[30, 25]]


@OLD
def test_lacosmic_keeps_what_is_not_a_cosmic_ray_to_the_last_digit():
    data = sky()
    before = data.copy()
    cleaned, cosmic = cosmicray_lacosmic(data, readnoise=5.0, pssl=100.0)
    np.testing.assert_array_equal(cleaned[~cosmic], data[~cosmic])
    np.testing.assert_array_equal(data, before)
    assert cleaned.dtype == np.float64
    raw = cosmicray_lacosmic(CCDData(sky(dtype=np.uint16), unit=ADU), readnoise=5.0)
    assert raw.data.dtype == np.float32
    assert raw.meta["COSMICS"] == f"L.A.Cosmic: {raw.mask.sum()} pixels"


@OLD
@pytest.mark.parametrize(
    ("call", "error", "match"),
    [
        (lambda: cosmicray_lacosmic([1]), ArgumentError, "CCDData or an array"),
        (lambda: cosmicray_lacosmic(sky(), sigclp=3), ArgumentError, "did you mean 'sigclip'"),
        (lambda: cosmicray_lacosmic(sky(), gain=0), UsageError, "above zero"),
        (lambda: cosmicray_lacosmic(sky(), inbkg=3), ArgumentError, "inbkg must be an array"),
        (lambda: cosmicray_lacosmic(sky(), invar=np.ones((2, 2))), UsageError, r"invar has shape \(2, 2\)"),
        (lambda: cosmicray_lacosmic(sky(), pssl=3, inbkg=sky()), UsageError, "contradict"),
    ],
)
def test_lacosmic_mistakes(call, error, match):
    with pytest.raises(error, match=match):
        call()


# --- cosmicray_lacosmic, by the kernel of the night ------------------------------------------------------------------


@pytest.mark.long
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.uint16])
def test_our_lacosmic_finds_what_astroscrappy_finds(dtype, monkeypatch):
    data = sky(dtype=dtype)
    theirs = cosmicray_lacosmic(data, gain=1.7, readnoise=5.0)
    monkeypatch.setitem(sys.modules, "astroscrappy", None)  # it is not needed
    before = data.copy()
    cleaned, cosmic = cosmicray_lacosmic(data, gain=1.7, readnoise=5.0, finder="zeroframe")
    hit = np.zeros(data.shape, bool)
    for cy, cx, length in ((5, 5, 1), (30, 40, 3), (50, 10, 2), (12, 44, 1)):
        hit[cy, cx : cx + length] = True
    assert cosmic[hit].all()
    assert theirs[1][hit].all()
    assert cosmic.sum() <= hit.sum() + 5  # a neighbour here and there stands above the noise
    np.testing.assert_array_equal(data, before)
    assert cleaned.dtype == theirs[0].dtype
    np.testing.assert_allclose(cleaned[~cosmic], 1.7 * data[~cosmic].astype(cleaned.dtype), rtol=1e-6)
    # means of 5 x 5 pixels around, as theirs are
    np.testing.assert_allclose(cleaned[hit], theirs[0][hit], atol=1.7 * 8)


def test_our_lacosmic_replaces_by_means_and_medians_of_good_pixels():
    data = sky()
    mask = bad_pixels(data.shape, 0.02)
    mask[2:8, 2:9] = False
    ccd = CCDData(data, unit=ADU, mask=mask, uncertainty=StdDevUncertainty(np.full(data.shape, 8.0)))
    for cleantype, replaced in (("meanmask", np.mean), ("medmask", np.median)):
        found = cosmicray_lacosmic(ccd, cleantype=cleantype, gain_apply=False, finder="zeroframe")
        assert found.mask[5, 5]
        around = found.mask[3:8, 3:8]
        values = data[3:8, 3:8][~around]
        assert values.size >= 20
        if values.size % 2 == 0 and cleantype == "medmask":
            expected = np.sort(values)[values.size // 2]
        else:
            expected = replaced(values)
        assert found.data[5, 5] == pytest.approx(expected, rel=1e-12)
        assert found.unit == ADU
        np.testing.assert_array_equal(found.data[~found.mask], data[~found.mask])
        assert found.mask[mask].all()
        assert found.meta["COSMICS"] == f"L.A.Cosmic: {(found.mask & ~mask).sum()} pixels"


def test_the_noise_that_our_lacosmic_sees():
    """A variance, else the frame's own uncertainty of any kind, else gain and read noise."""
    data = sky()
    wide = {"finder": "zeroframe", "gain_apply": False}
    own = cosmicray_lacosmic(
        CCDData(data, unit=ADU, uncertainty=VarianceUncertainty(np.full(data.shape, 64.0))), **wide
    )
    given = cosmicray_lacosmic(data, invar=np.full(data.shape, 64.0, np.float32), **wide)[1]
    np.testing.assert_array_equal(own.mask, given)
    # of a noise of 2000 ADU nothing stands out
    loud = CCDData(data, unit=ADU, uncertainty=StdDevUncertainty(np.full(data.shape, 2000.0)))
    assert not cosmicray_lacosmic(loud, **wide).mask.any()
    assert not cosmicray_lacosmic(data, readnoise=2000.0, **wide)[1].any()
    assert cosmicray_lacosmic(loud, invar=np.full(data.shape, 64.0), **wide).mask.sum() == given.sum()
    # the sky that was subtracted has its noise: 400 ADU of it, but for which weaker spikes would be found
    low = data - 400.0
    low[40, 10] += 50.0
    assert not cosmicray_lacosmic(low, readnoise=1.0, pssl=400.0, **wide)[1][40, 10]
    assert cosmicray_lacosmic(low, readnoise=1.0, **wide)[1][40, 10]


def test_saturated_stars_take_no_part_in_our_lacosmic():
    data = np.random.default_rng(1).normal(400, 8, (60, 50))
    data[20:27, 20:27] += 40000.0
    data[50, 40] = 60000.0
    cleaned, cosmic = cosmicray_lacosmic(data, satlevel=40000.0, finder="zeroframe")
    assert not cosmic[18:29, 18:29].any()
    assert cosmic[50, 40]  # a lone pixel is no star
    np.testing.assert_array_equal(cleaned[18:29, 18:29], data[18:29, 18:29])


@pytest.mark.parametrize(
    ("words", "error", "match"),
    [
        ({"finder": "zerofram"}, ArgumentError, "did you mean 'zeroframe'"),
        ({"finder": "zeroframe", "sepmed": False}, UsageError, "does not know sepmed"),
        ({"finder": "zeroframe", "psfk": np.ones((3, 3))}, UsageError, "does not know psfk"),
        ({"finder": "zeroframe", "inbkg": np.ones((60, 50))}, UsageError, "does not know inbkg"),
        ({"finder": "zeroframe", "cleantype": "idw"}, UsageError, "knows medmask and meanmask"),
        ({"finder": "zeroframe", "niter": 201}, UsageError, "200 passes"),
        ({"finder": "zeroframe", "invar": np.ones((2, 2))}, UsageError, "invar has shape"),
    ],
)
def test_mistakes_with_our_lacosmic(words, error, match):
    with pytest.raises(error, match=match):
        cosmicray_lacosmic(sky(), **words)


def test_without_astroscrappy_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "astroscrappy", None)
    with pytest.raises(UsageError, match=r"pip install 'zeroframe\[cosmic\]'"):
        cosmicray_lacosmic(sky())
