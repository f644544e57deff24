"""Levels of three frames: told where they are far apart, and of no camera that wanders a little."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest

import zeroframe
from wrong_nights import good_shots, write_night
from zeroframe.review import NightFigures, Subject, review_night

NOISE_ADU = 4.0


def codes(levels, used=()):
    parts = [
        Subject(f"d{number}.fits", "frame", "dark", "done",
                figures={"level_adu": float(level), "noise_adu": NOISE_ADU, "start_mjd": 61000.0 + number / 100},
                of="combined_dark.fits")
        for number, level in enumerate(levels)
    ]  # fmt: skip
    combined = Subject(
        "combined_dark.fits", "combined", "dark", "done", figures={"frames": float(len(levels))}, used=used
    )
    return {each.code for each in review_night(NightFigures((*parts, combined)))} & {"ZF306", "ZF311"}


@pytest.mark.parametrize("order", list(itertools.permutations((1006.0, 1012.6, 1018.9))))
def test_three_levels_that_are_far_apart(order):
    in_time = list(order) in (sorted(order), sorted(order, reverse=True))
    assert codes(order) == ({"ZF306"} if in_time else {"ZF311"})


def test_three_levels_of_a_camera_that_wanders():
    chance = np.random.default_rng(1)
    assert not any(codes(1000.0 + chance.normal(0.0, 0.4 * NOISE_ADU, 3)) for _ in range(500))


def test_one_of_three_that_is_off_is_not_a_drift():
    assert not codes((1000.0, 1000.4, 1030.0))


@pytest.mark.parametrize(
    ("levels", "used", "told"),
    [
        ((1000.0, 1013.0), (), True),
        ((1013.0, 1000.0), (), True),
        ((1000.0, 1011.0), (), False),
        ((20.0, 33.0), ("combined_bias.fits",), True),
        ((20.0, 31.0), ("combined_bias.fits",), False),
        ((400.0, 470.0), ("combined_bias.fits",), False),
        ((400.0, 510.0), ("combined_bias.fits",), True),
    ],
)
def test_two_levels_that_are_far_apart(levels, used, told):
    assert codes(levels, used) == ({"ZF311"} if told else set())


def test_two_levels_of_a_camera_that_wanders():
    chance = np.random.default_rng(2)
    assert not any(codes(1000.0 + chance.normal(0.0, 0.5 * NOISE_ADU, 2)) for _ in range(2000))


@pytest.mark.parametrize(("above", "told"), [(3.0, False), (20.0, True)])
def test_two_darks_that_are_near_each_other_by_chance_do_not_tell_that_the_third_is_odd(tmp_path, above, told):
    """Of a camera whose biases wander by 0.2 noises: from 0.25 noises on exit was 1, a bias having been subtracted."""
    shots = good_shots(counts=(5, 3, 0, 0))
    off = (0.9, -0.7, 0.4, -1.1, 0.5, 0.1, 0.0, above)
    shots = [replace(each, level=each.level + by) for each, by in zip(shots, off, strict=True)]
    write_night(tmp_path / "raw", shots, shape=(96, 128))
    review = zeroframe.night(tmp_path / "raw", tmp_path / "out", report=False).result.review
    assert [each.code for each in review.findings if each.code == "ZF202"] == ["ZF202"] * told


@pytest.mark.parametrize("frames", [4, 5, 6, 7])
def test_few_levels_of_a_camera_that_wanders_seldom_seem_to_drift(frames):
    chance = np.random.default_rng(3)
    drifts = ["ZF306" in codes(1000.0 + chance.normal(0.0, 0.4 * NOISE_ADU, frames)) for _ in range(1000)]
    assert np.mean(drifts) < 0.03


@pytest.mark.parametrize(
    "levels",
    [
        (0.0, 1.5, 3.0, 4.5, 6.0),  # evenly
        (6.0, 3.9, 2.1, 0.0),
        (0.0, 6.0, 8.0, 8.6, 9.0),  # unevenly, and far
        (5.5, 2.0, 0.0, 0.1, -0.1),  # settles
        (-8.0, -3.0, -1.0, -0.3, 0.0, 0.1),
        (0.0, 0.6, 1.2, 1.0, 2.0, 2.4, 3.9, 4.4),
    ],
)
def test_levels_that_drift(levels):
    assert codes([1000.0 + level for level in levels]) == {"ZF306"}
