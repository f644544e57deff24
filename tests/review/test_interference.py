"""A wave that comes and goes is interference; a pattern that stands in every frame is subtracted with the bias."""

from __future__ import annotations

import numpy as np
import pytest

import zeroframe
from wrong_nights import GOOD, SHAPE, changed, wave, write_night

Y, X = np.mgrid[: SHAPE[0], : SHAPE[1]]
COLUMNS = np.random.default_rng(5).normal(0, 15, SHAPE[1])
PATTERNS = {
    "large columns and rows": 60 * np.sin(X / 8) + 30 * np.cos(Y / 31) + COLUMNS,
    "part of the rows": 40 * np.tanh((X - 88) / 25) * np.tanh((Y - 70) / 20) + 6 * np.sin(X / 3) * (Y > 70),
    "oblique": 5 * np.sin((X + 0.7 * Y) / 4),
}


def told(folder, shots):
    write_night(folder / "raw", shots)
    made = zeroframe.night(folder / "raw", folder / "out", report=False)
    return [name for each in made.findings if each.code == "ZF602" for name in each.frames]


@pytest.mark.parametrize("name", PATTERNS)
def test_what_is_fixed_is_not_told_of(tmp_path, name):
    def edit(image, _):
        return image + PATTERNS[name]

    assert told(tmp_path, changed(GOOD, "", edit=edit)) == []


def test_a_wave_upon_a_pattern_is_told_of(tmp_path):
    def edit(image, chance):
        return wave(4.0)(image + PATTERNS["oblique"], chance)

    assert set(told(tmp_path, changed(GOOD, "b", edit=edit))) >= {"b0.fits", "b4.fits"}


def test_a_wave_in_one_frame_is_told_of(tmp_path):
    assert told(tmp_path, changed(GOOD, "b3", edit=wave(4.0))) == ["b3.fits"]
