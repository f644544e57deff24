"""The gain of a colour sensor is found within its colours, however much these differ."""

from __future__ import annotations

from dataclasses import replace

import pytest

from zeroframe import inspect_overscan
from zeroframe.simulate import SIMULATED_CAMERAS, Strip, night_specs, simulate_night


@pytest.mark.parametrize(("pattern", "lamp"), [("RGGB", (0.45, 1.0, 0.6)), ("GBRG", (1.0, 0.95, 0.1))])
def test_gain_within_colours(tmp_path, pattern, lamp):
    known = SIMULATED_CAMERAS["osc-cmos"]
    camera = replace(
        known, image_shape_yx=(240, 320), strips=(Strip("left", 24),), colour_pattern=pattern, flat_colours=lamp
    )
    assert len(night_specs(camera)) == 28
    simulate_night(camera, tmp_path, seed=4)
    for kind in ("DARK", "LIGHT"):
        for path in (tmp_path / kind).iterdir():
            path.unlink()
    files = sorted(tmp_path.rglob("*.fits"))
    found = inspect_overscan(files)
    assert found.gain_e_per_adu.value == pytest.approx(known.gain_e_per_adu, rel=0.06)
