"""Darks less their bias have the levels that the camera gave them: where biases wander, darks may."""

from __future__ import annotations

import numpy as np
import pytest

import zeroframe
from wrong_nights import Camera, Shot, write_night

NOISE = 4.0


def flagged(folder, bias_levels, dark_levels):
    shots = [
        *(Shot(f"b{i}.fits", "bias", 0, level=1000.0 + level) for i, level in enumerate(bias_levels)),
        *(Shot(f"d{i}.fits", "dark", 60, level=1000.0 + level) for i, level in enumerate(dark_levels)),
    ]
    write_night(folder / "raw", shots, Camera(gain=2.0, read_noise=NOISE, dark_rate=0.0))
    found = zeroframe.night(folder / "raw", folder / "out", report=False).findings
    return [each.sentence for each in found if each.code == "ZF202"]


WANDERS = 0.4 * NOISE * np.array([0.9, -1.1, 0.3, -0.4, 0.5])


@pytest.mark.parametrize("apart", [0.4, 0.7])
def test_a_dark_is_not_odd_whose_level_is_as_that_of_biases(tmp_path, apart):
    assert not flagged(tmp_path, WANDERS, (0.0, 0.1, apart * NOISE))


def test_beside_biases_that_hold_their_level_it_is(tmp_path):
    (said,) = flagged(tmp_path, (0.0,) * 5, (0.0, 0.1, 0.4 * NOISE))
    assert "d2.fits" in said


def test_far_off_it_is_odd_beside_any(tmp_path):
    (said,) = flagged(tmp_path, WANDERS, (0.0, 0.1, 3.0 * NOISE))
    assert "d2.fits" in said
