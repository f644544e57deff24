"""What a response falls short by, from pairs of flats that are drawn and bent: all the way, or beyond a knee."""

from __future__ import annotations

import numpy as np
import pytest

from zeroframe.inspection.gain import gain_from_pairs

GAIN, READ_NOISE, TOP = 1.5, 4.0, 50_000.0
SHAPE = 3, 32, 512


def bending(shortfall):
    """Return a response that falls short by this where it says TOP: of light, what is measured."""
    light = TOP / (1.0 - shortfall)
    return lambda own: own * (1.0 - shortfall / light * own)


def with_knee(place, slope):
    """Return a response that is straight up to a part of TOP, and flatter beyond."""
    knee = place * TOP
    return lambda own: np.where(own < knee, own, knee + slope * (own - knee))


def truth(response, level):
    """Return by what part the response falls short where it says so much."""
    light = np.linspace(0.4 * level, 4.0 * level, 200_001)
    return 1.0 - level / light[np.argmax(response(light) >= level)]


def measured(response, shares=(0.1, 0.2, 0.4, 0.6, 0.8, 0.98)):
    random = np.random.default_rng(11)
    fall_off = np.broadcast_to(1.0 - 0.15 * np.linspace(-1.0, 1.0, SHAPE[2]) ** 2, SHAPE)
    highest = TOP / (1.0 - truth(response, TOP))

    def flat(share):
        light = random.poisson(share * highest * fall_off * GAIN) / GAIN
        return response(light) + READ_NOISE * random.standard_normal(SHAPE)

    pairs = [(flat(share), flat(share)) for share in shares]
    biases = [READ_NOISE * random.standard_normal(SHAPE) for _ in range(3)]
    return gain_from_pairs(pairs, biases, READ_NOISE, 65535.0)


@pytest.mark.parametrize("shortfall", [-0.05, 0.03, 0.1, 0.2, 0.3])
def test_a_response_that_bends_all_the_way(shortfall):
    """By a straight line it was 0.13 of 0.1, 0.38 of 0.2, and 0.85 of 0.3."""
    response = bending(shortfall)
    found = measured(response)
    assert found.is_bent
    assert found.bend == pytest.approx(truth(response, found.bend_level), abs=0.01)
    assert found.value == pytest.approx(GAIN, rel=0.02)


@pytest.mark.parametrize(("place", "slope"), [(0.5, 0.9), (0.5, 0.7), (0.7, 0.7), (0.7, 0.5)])
def test_a_response_with_a_knee(place, slope):
    """Of the stronger ones the bright blocks were outliers, and nothing was seen, or 0.43 of 0.17."""
    response = with_knee(place, slope)
    found = measured(response)
    assert found.is_bent
    assert found.bend == pytest.approx(truth(response, found.bend_level), rel=0.4)
    assert found.value == pytest.approx(GAIN, rel=0.02)


def test_a_straight_one_is_not_bent():
    found = measured(lambda own: own)
    assert not found.is_bent
    assert abs(found.bend) < 0.015
