"""`zeroframe combine` of biases whose levels are far apart says so, and of cameras that wander a little nothing."""

from __future__ import annotations

import numpy as np
import pytest

from workbench import command, write_raw

NOISE = 4.0


def said(folder, levels, kind="bias", seed=1):
    chance = np.random.default_rng(seed)
    for number, level in enumerate(levels):
        pixels = np.rint(chance.normal(300.0 + level, NOISE, (80, 90))).astype(np.uint16)
        write_raw(folder / f"{number}.fits", pixels, IMAGETYP=kind, EXPTIME=0.0 if kind == "bias" else 60.0)
    done = command("combine", *sorted(folder.glob("[0-9]*.fits")), "-o", folder / "c.fits", "--overwrite")
    assert done.code == 0
    return done.out + done.err


@pytest.mark.parametrize("levels", [(0, 40), (0, 20, 45), (0, 9, -8, 12, -11), tuple(range(0, 40, 4))])
@pytest.mark.parametrize("kind", ["bias", "dark"])
def test_levels_that_are_far_apart_are_told(tmp_path, levels, kind):
    text = said(tmp_path, levels, kind)
    assert "ZF311" in text
    assert f"the levels of its {len(levels)} frames" in text


def test_those_of_a_camera_that_wanders_are_not(tmp_path):
    chance = np.random.default_rng(5)
    for number in range(12):
        folder = tmp_path / str(number)
        folder.mkdir()
        levels = chance.normal(0.0, 0.4 * NOISE, 2 + number)
        assert "ZF311" not in said(folder, levels, seed=number)


def test_light_may_have_any_level(tmp_path):
    assert "ZF311" not in said(tmp_path, (0, 40, 90), "object")
