"""Flats of several levels tell whether the camera is linear, by how their noise grows."""

from __future__ import annotations

import pytest

import zeroframe
from wrong_nights import Camera, Shot, changed, good_shots, write_night


def night(folder, bend, seed, levels=(5000.0, 26000.0)):
    """Reduce a night with flats of two levels, of a response that falls short by this at 30000 ADU."""

    def bent(image, _):
        light = image - 1000.0
        return 1000.0 + light * (1 - bend * light / 30000.0)

    camera = Camera(gain=1.5)
    flats = [Shot(f"f{i}.fits", "flat", 5, level) for i, level in enumerate(3 * levels)]
    shots = changed([*good_shots(camera, (6, 4, 0, 2)), *flats], "", edit=bent)
    write_night(folder / "raw", shots, camera, seed, shape=(240, 256))
    return {each.code for each in zeroframe.night(folder / "raw", folder / "out", report=False).findings}


@pytest.mark.parametrize("seed", range(4))
def test_a_linear_camera_is_not_told_of(tmp_path, seed):
    assert "ZF313" not in night(tmp_path, 0.0, seed)


@pytest.mark.parametrize("bend", [0.15, 0.22])
def test_a_bend_is_told_of(tmp_path, bend):
    assert "ZF313" in night(tmp_path, bend, 1)
