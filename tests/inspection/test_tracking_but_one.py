"""A strip that follows the bias level in all frames but one, which is no bias, and strips that do not follow."""

from __future__ import annotations

import numpy as np
import pytest

from zeroframe.inspection.tracking import measure_tracking

BINS, NOISE_ADU = 15, 0.25


def levels(chance, frames, drift, share):
    """Return levels of image and strip that have this share of the drift in common."""
    common = chance.normal(0.0, drift, frames)[:, None] * np.ones(BINS)
    own = chance.normal(0.0, drift, frames)[:, None] * np.ones(BINS)
    image = 1000.0 + common + chance.normal(0.0, NOISE_ADU, (frames, BINS))
    strip = 998.0 + share * common + (1.0 - share) * own + chance.normal(0.0, NOISE_ADU, (frames, BINS))
    return image, strip


@pytest.mark.parametrize("frames", [4, 6, 9])
@pytest.mark.parametrize("rogue_adu", [2.0, 10.0, -4.0])
def test_one_rogue_does_not_condemn_the_strip(frames, rogue_adu):
    chance = np.random.default_rng(frames)
    for number in range(20):
        image, strip = levels(chance, frames, 2.0, 1.0)
        image[number % frames] += rogue_adu
        assert measure_tracking(image, strip, NOISE_ADU, NOISE_ADU).follows is not False


@pytest.mark.parametrize("frames", [4, 6, 9])
def test_a_strip_that_does_not_follow_is_condemned(frames):
    chance = np.random.default_rng(frames)
    said = [measure_tracking(*levels(chance, frames, 3.0, 0.0), NOISE_ADU, NOISE_ADU).follows for _ in range(60)]
    assert np.mean([each is False for each in said]) >= 0.9
