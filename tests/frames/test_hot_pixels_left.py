"""What hot pixels say of a dark, by simulated detectors of known current; rays of a lone dark say nothing."""

from __future__ import annotations

import numpy as np
import pytest

from zeroframe.frames.calibration_frames import NO_CALIBRATION
from zeroframe.frames.patterns import RowSample, measure_left
from zeroframe.kernels.operations import subtract
from zeroframe.review import NightFigures, Subject, review_night

SHAPE, GAIN, READ_ADU = (200, 300), 1.5, 4.0
SKY = 130.0


def current(chance, usual=2.0, share=4e-3, mean=300.0):
    """Return dark current in ADU: usual pixels, and hot ones as there are more of the faint."""
    dark = np.full(SHAPE, usual)
    hot = chance.random(SHAPE) < share
    dark[hot] += chance.exponential(mean, hot.sum())
    return dark


def exposed(chance, light):
    return chance.poisson(light * GAIN) / GAIN + chance.normal(0.0, READ_ADU, SHAPE)


def hits(chance, count):
    rays = np.zeros(SHAPE)
    rays[chance.integers(0, SHAPE[0], count), chance.integers(0, SHAPE[1], count)] = chance.exponential(1500.0, count)
    return rays


def figures(chance, dark, of_darks, frames, rays=0):
    """Return the figures of a frame whose darks had another current than itself."""
    darks = np.mean([exposed(chance, of_darks) + hits(chance, rays) for _ in range(frames)], axis=0)
    done = subtract(darks.astype(np.float32), NO_CALIBRATION, 1.0)
    raw = exposed(chance, SKY + dark).astype(np.float32)
    pixels = raw - done.plane
    found = measure_left(RowSample.of(raw), pixels, [done], dark_frames=frames)
    noise = float(np.sqrt((SKY + np.median(dark)) / GAIN + READ_ADU**2))
    return found | {
        "level_adu": float(np.median(pixels)),
        "noise_adu": noise,
        "dark_taken_out": float(np.median(darks)),
        "level_error_adu": 0.05,
    }


def sentences(found):
    science = Subject("s.fits", "frame", "science", "done", figures=found)
    return [each.sentence for each in review_night(NightFigures((science,))) if each.code == "ZF410"]


@pytest.mark.parametrize("rays", [30, 400])
def test_rays_of_a_lone_dark_are_no_hot_pixels(rays):
    chance = np.random.default_rng(rays)
    for _ in range(6):
        dark = current(chance)
        assert not sentences(figures(chance, dark, dark, 1, rays))


def test_a_lone_dark_that_is_too_warm_is_told_beside_its_rays():
    chance = np.random.default_rng(2)
    for _ in range(4):
        dark = current(chance, share=8e-3)
        found = figures(chance, dark, 1.6 * dark, 1, rays=100)
        assert sentences(found)
        assert found["dark_left"] == pytest.approx(1 / 1.6 - 1, abs=4 * found["dark_left_error"] + 0.03)


@pytest.mark.parametrize("frames", [1, 2, 3, 12])
@pytest.mark.parametrize(("of_darks", "truth"), [(1.0, 0.0), (0.5, 1.0), (1.25, -0.2)])
def test_what_is_left_has_no_bias(frames, of_darks, truth):
    """Most hot pixels are as faint as can be told: chosen by a noisy dark alone, they would seem to be hotter in it."""
    chance = np.random.default_rng(frames)
    left = []
    for _ in range(12):
        dark = current(chance, share=0.02, mean=100.0)
        left.append(figures(chance, dark, of_darks * dark, frames)["dark_left"])
    assert np.mean(left) == pytest.approx(truth, abs=0.012 * (1 + truth) + 3 * np.std(left) / np.sqrt(len(left)))


def test_what_is_subtracted_twice_is_told():
    chance = np.random.default_rng(3)
    dark = current(chance)
    found = figures(chance, np.zeros(SHAPE), dark, 5)
    assert found["dark_left"] == pytest.approx(-1.0, abs=0.05)
    assert sentences(found)


def test_a_sky_that_a_warm_dark_lowers_is_told_by_how_much():
    chance = np.random.default_rng(4)
    dark = current(chance, usual=60.0)
    (said,) = sentences(figures(chance, dark, 1.3 * dark, 3))
    low = float(said.split("sky is ")[1].split()[0])
    assert low == pytest.approx(0.3 * 60.0, rel=0.1)


def test_a_dark_without_a_level_lowers_no_sky():
    chance = np.random.default_rng(5)
    dark = current(chance, usual=2.0)
    assert not sentences(figures(chance, dark, 1.2 * dark, 3))


def test_good_skies_over_much_dark_current_are_not_accused():
    chance = np.random.default_rng(6)
    for number in range(12):
        usual, share, mean = chance.uniform(20, 200), 10 ** chance.uniform(-3, -1.5), chance.uniform(60, 600)
        dark = current(chance, usual, share, mean)
        assert not sentences(figures(chance, dark, dark * chance.uniform(0.98, 1.02), 1 + number % 6, rays=0))
