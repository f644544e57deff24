"""The noise of pixels contradicts the header: it is said on which frames it was measured."""

from __future__ import annotations

import pytest

import zeroframe
from wrong_nights import Camera, Shot, write_night


@pytest.mark.parametrize(
    ("biases", "told"), [(0, "the darks of this night have"), (3, "the biases of this night have")]
)
def test_the_frames_that_told_it_are_named(tmp_path, biases, told):
    noise = {"RDNOISE": 1.5}
    shots = [
        *(Shot(f"b{i}.fits", "bias", 0, cards=noise) for i in range(biases)),
        *(Shot(f"d{i}.fits", "dark", 60, cards=noise) for i in range(4)),
        *(Shot(f"s{i}.fits", "object", 60, 300.0, cards=noise) for i in range(2)),
    ]
    write_night(tmp_path / "raw", shots, Camera(dark_rate=0.0))
    found = zeroframe.night(tmp_path / "raw", tmp_path / "out", report=False).findings
    (said,) = [each.sentence for each in found if each.code == "ZF204"]
    assert told in said
