"""Rejections of other programs, beside naive oracles, the literature, and IRAF and Siril pixel by pixel."""

from __future__ import annotations

import math
import os

import numpy as np
import peers
import pytest
from astropy.nddata import CCDData

import naive
from zeroframe import combine
from zeroframe.errors import UsageError
from zeroframe.stacks.combine import CombineSpec, Rejection, combine_stack
from zeroframe.stacks.rejections import Scheme
from zeroframe.stacks.stack import ArrayStack

#: The other programs take a second to start; by default with one number of frames each.
ALL = bool(os.environ.get("ZEROFRAME_ALL_CASES"))
CCD = {"sigma_high": 3.0, "spread": "floor", "floor_adu": 4.5, "photon_adu": 0.5, "iterations": 100}


def combined(frames, rejection, **words):
    stack = ArrayStack(list(frames), [None] * len(frames), tuple(map(str, range(len(frames)))))
    return combine_stack(stack, CombineSpec("average", rejection), **words)


def with_gaps(frames, seed):
    holes = np.random.default_rng(seed).random(frames.shape) < 0.08
    found = frames.copy()
    found[holes] = np.nan
    return found


def columns(frames):
    """The values of each pixel, line by line."""
    return [[[float(v) for v in pixel if math.isfinite(v)] for pixel in line.T] for line in frames.transpose(1, 0, 2)]


ORACLES = {
    "avsigclip": lambda line, _: naive.avsigclip_line(line, 2.5, 3.0),
    "pclip": lambda line, n: [naive.pclip_pixel(values, n, 2.5, 3.0, -0.5) for values in line],
    "winsorised": lambda line, _: [naive.winsorised_pixel(values, 2.5, 3.0) for values in line],
    "gesd": lambda line, _: [naive.gesd_pixel(values, 0.3, 0.05) for values in line],
}


@pytest.mark.parametrize("count", [1, 2, 3, 4, 7, 12])
@pytest.mark.parametrize("name", ORACLES)
def test_equal_to_the_oracle(name, count):
    frames = with_gaps(peers.stack_of(count, count, (9, 23)), count)
    found = combined(frames, Rejection(scheme=Scheme(name, 2.5, 3.0)))
    expected = [ORACLES[name](line, count) for line in columns(frames)]
    np.testing.assert_array_equal(found.counts, [[len(left) for left in line] for line in expected])
    means = [[naive.mean(left) if left else math.nan for left in line] for line in expected]
    np.testing.assert_allclose(found.data, means, rtol=1e-5)
    if count > 6:
        assert (found.counts < np.isfinite(frames).sum(axis=0)).any()


@pytest.mark.parametrize("radius", [1.0, 1.5, 3.0])
def test_growing_is_that_of_the_oracle_and_does_not_depend_on_tiles(radius):
    frames = with_gaps(peers.stack_of(6, 3, (25, 17)), 3)
    rejection = Rejection(**CCD, grow=radius)
    found = combined(frames, rejection)
    pairs = [combined(frames, rejection, mem_limit_bytes=60_000, workers=workers) for workers in (1, 3)]
    for other in pairs:  # tiles of few rows
        np.testing.assert_array_equal(other.data, found.data)
        np.testing.assert_array_equal(other.counts, found.counts)
    finite = np.isfinite(frames)
    left = [[naive.crreject_pixel(values, 3.0, 4.5, 0.5) for values in line] for line in columns(frames)]
    rejected = np.zeros(frames.shape, bool)
    for frame, y, x in np.argwhere(finite):
        rejected[frame, y, x] = float(frames[frame, y, x]) not in left[y][x]
    grown = naive.grown(rejected, finite, radius)
    np.testing.assert_array_equal(found.counts, (finite & ~grown).sum(axis=0))
    assert grown.sum() > rejected.sum() > 0


def test_gesd_finds_what_the_literature_finds():
    """Rosner 1983, table 1: three outliers among 54 values, where ten are allowed."""
    values = (
        "-0.25 0.68 0.94 1.15 1.20 1.26 1.26 1.34 1.38 1.43 1.49 1.49 1.55 1.56 1.58 1.65 1.69 1.70 1.76 1.77 "
        "1.81 1.91 1.94 1.96 1.99 2.06 2.09 2.10 2.14 2.15 2.23 2.24 2.26 2.35 2.37 2.40 2.47 2.54 2.62 2.64 "
        "2.90 2.92 2.92 2.93 3.21 3.26 3.30 3.59 3.68 4.30 4.64 5.34 5.42 6.01 "
    )
    tile = np.array([float(word) for word in values.split()]).reshape(-1, 1, 1)
    before = tile.copy()
    Scheme("gesd", outliers=10 / 54, significance=0.05).reject(tile)
    assert sorted(before[np.isnan(tile)]) == [5.34, 5.42, 6.01]


@pytest.mark.parametrize("significance", [0.01, 0.05, 0.2])
def test_gesd_rejects_good_values_as_rarely_as_it_says(significance):
    """Nearly: the levels hold for the single rounds, and those together reject from a few more pixels."""
    tile = np.random.default_rng(4).normal(0.0, 1.0, (40, 80, 100))
    Scheme("gesd", significance=significance).reject(tile)
    touched = np.isnan(tile).any(axis=0).mean()
    assert 0.8 * significance < touched < 1.5 * significance


# --- the programs themselves -----------------------------------------------------------------------------------------

#: Of imcombine, and of ours; what of the pixels may differ at most. The figures are those of docs/rejections.md.
IMCOMBINE = {
    "ccdclip": ({"reject": "ccdclip", "rdnoise": "9.", "gain": "2."}, Rejection(**CCD, sigma_low=3.0), 0.001),
    "crreject": ({"reject": "crreject", "rdnoise": "9.", "gain": "2."}, Rejection(**CCD), 0.0),
    "avsigclip": ({"reject": "avsigclip"}, Rejection(scheme=Scheme("avsigclip")), 0.0),
    "avsigclip 2 4": (
        {"reject": "avsigclip", "lsigma": 2.0, "hsigma": 4.0},
        Rejection(scheme=Scheme("avsigclip", 2, 4)),
        0.0,
    ),
    "pclip": ({"reject": "pclip"}, Rejection(scheme=Scheme("pclip")), 0.0),
    "pclip 0.6": ({"reject": "pclip", "pclip": 0.6, "lsigma": 4.0}, Rejection(scheme=Scheme("pclip", 4, 3, 0.6)), 0.0),
    "pclip -2": ({"reject": "pclip", "pclip": -2.0}, Rejection(scheme=Scheme("pclip", pclip=-2.0)), 0.0),
    "grow 1": ({"reject": "crreject", "rdnoise": "9.", "gain": "2.", "grow": 1.0}, Rejection(**CCD, grow=1.0), 0.0),
    "grow 2.3": ({"reject": "crreject", "rdnoise": "9.", "gain": "2.", "grow": 2.3}, Rejection(**CCD, grow=2.3), 0.0),
    "minmax": ({"reject": "minmax", "nlow": 1, "nhigh": 1}, Rejection(drop_low=1, drop_high=1), 0.0),
}


@pytest.mark.skipif(peers.IRAF is None, reason="IRAF is not installed")
@pytest.mark.parametrize("count", [3, 4, 6, 7, 10, 25] if ALL else [6])
@pytest.mark.parametrize("name", IMCOMBINE)
def test_equal_to_imcombine(name, count, tmp_path):
    words, rejection, most = IMCOMBINE[name]
    frames = peers.stack_of(count, count)
    data, _ = peers.imcombine(frames, tmp_path, combine="average", **words)
    assert np.mean(np.abs(combined(frames, rejection).data - data) > 1e-3) <= most


@pytest.mark.skipif(peers.IRAF is None, reason="IRAF is not installed")
@pytest.mark.parametrize("what", ["zero", "scale"])
def test_levels_are_those_of_imcombine(what, tmp_path):
    frames = peers.stack_of(5, 8)
    given = [0.0, 30.0, -12.0, 7.5, 55.0] if what == "zero" else [1.0, 1.1, 0.9, 1.3, 0.7]
    (tmp_path / "levels.txt").write_text("\n".join(map(str, given)))
    data, _ = peers.imcombine(frames, tmp_path, combine="average", reject="none", **{what: "@levels.txt"})
    found = combine([CCDData(frame, unit="adu") for frame in frames], **{what: given})
    np.testing.assert_allclose(found.data, data, rtol=2e-6)


@pytest.mark.skipif(peers.SIRIL is None, reason="Siril is not installed")
@pytest.mark.parametrize("count", [5, 6, 7, 8, 11, 20] if ALL else [8])
@pytest.mark.parametrize(("low", "high"), [(3.0, 3.0), (2.0, 2.5)])
def test_equal_to_siril(low, high, count, tmp_path):
    """Up to 0.4 % differ, of odd numbers of frames: which of two values goes where Siril lets one more go."""
    frames = peers.stack_of(count, count).clip(0)
    data = peers.siril_stack(frames, tmp_path, f"w {low:g} {high:g}")
    found = combined(frames, Rejection(scheme=Scheme("winsorised", low, high)))
    differ = np.mean(np.abs(found.data - data) > 0.02)
    assert differ <= (0.006 if count % 2 else 0.001)


# --- the verb --------------------------------------------------------------------------------------------------------


def ccds(frames):
    return [CCDData(frame, unit="adu") for frame in frames]


@pytest.mark.parametrize("name", ["ccdclip", "crreject", "avsigclip", "pclip", "winsorised", "gesd"])
@pytest.mark.parametrize("method", ["average", "median", "sum"])
def test_the_verb_does_the_same(name, method):
    frames = peers.stack_of(9, 5)
    camera = {"readnoise": 9.0, "gain": 2.0} if name.startswith("c") else {}
    found = combine(ccds(frames), method=method, reject=name, grow=1.0, zero="median", **camera)
    assert name in found.meta["COMBREJ"] or "floor 4.5 photon 0.5" in found.meta["COMBREJ"]
    assert found.meta["COMBREJ"].endswith("grow 1")
    assert 0.5 < found.flags.mean() < 9
    light = 400.0 * (1.0 + 2.0 * np.arange(64) / 64)
    pair = (found, combine(ccds(frames), method=method))
    each, plain = (ccd.data / (ccd.flags if method == "sum" else 1) for ccd in pair)
    assert abs(np.nanmedian(each - light)) < 8.0  # pclip and grow leave a third of the values
    assert np.nanstd(each - light) < np.nanstd(plain - light) * (1.6 if method == "median" else 0.5)


def test_levels_by_name_and_function():
    frames = peers.stack_of(4, 6)
    frames += np.array([0.0, 30.0, -12.0, 7.0], np.float32)[:, None, None]
    medians = np.array([np.median(frame) for frame in frames])
    found = combine(ccds(frames), zero="median")
    np.testing.assert_allclose(found.data, (frames + (medians[0] - medians)[:, None, None]).mean(axis=0), rtol=1e-6)
    found = combine(ccds(frames), scale="median")
    np.testing.assert_allclose(found.data, (frames * (medians[0] / medians)[:, None, None]).mean(axis=0), rtol=1e-6)
    found = combine(ccds(frames), zero=lambda a: -np.median(a), scale=[1, 2, 3, 4])
    expected = (frames - medians[:, None, None]) * np.arange(1, 5)[:, None, None]
    np.testing.assert_allclose(found.data, expected.mean(axis=0), rtol=1e-5, atol=1e-3)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ({"reject": "crrejct"}, "did you mean 'crreject'"),
        ({"reject": "ccdclip"}, "needs the noise of the camera"),
        ({"reject": "ccdclip", "readnoise": 3.0, "gain": 0.0}, "needs the noise of the camera"),
        ({"reject": "gesd", "sigma_clip": True}, "takes the place of sigma_clip"),
        ({"reject": "gesd", "outliers": 0.0}, "outliers is 0.0"),
        ({"reject": "gesd", "significance": 2.0}, "significance is 2.0"),
        ({"reject": "pclip", "pclip": 0.0}, "pclip is 0.0"),
        ({"grow": -1.0}, "grow is -1.0"),
        ({"zero": "meen"}, "did you mean 'mean'"),
        ({"zero": [1.0]}, "zero has 1 values for 5 frames"),
        ({"zero": [1.0, np.nan, 1, 1, 1]}, "zero offset of frame 2 is nan"),
        ({"scale": "mode"}, "not one of mean, median"),
        ({"weights": np.zeros(5)}, "all weights are zero"),
    ],
)
def test_what_makes_no_sense_is_refused(words, said):
    with pytest.raises(UsageError, match=said):
        combine(ccds(peers.stack_of(5, 1, (4, 5))), **words)
