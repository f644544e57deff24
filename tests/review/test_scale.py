"""Numbers from 0 to 1 beside whole ones are told; frames about zero that are less their overscan are none."""

from __future__ import annotations

import pytest

from zeroframe.review import NightFigures, Subject, review_night


def frames(kind, level, noise, count=3):
    figures = {"raw_level_adu": level, "level_adu": level, "noise_adu": noise, "pixels": 1e6}
    return [Subject(f"{kind}{number}.fits", "frame", kind, "done", "adu", figures) for number in range(count)]


@pytest.mark.parametrize(("level", "noise", "told"), [(0.31, 8.4, False), (-0.2, 2.1, False), (0.015, 1e-4, True)])
def test_biases_about_zero_are_judged_by_their_noise(level, noise, told):
    night = NightFigures(
        (*frames("bias", level, noise), *frames("flat", 5146.0, 80.0), *frames("science", 251.0, 30.0))
    )
    assert ("ZF309" in [each.code for each in review_night(night)]) == told
