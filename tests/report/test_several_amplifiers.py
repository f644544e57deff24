"""The page of nights that several amplifiers and detectors read: each by its own pixels, all in their places."""

from __future__ import annotations

import numpy as np
import pytest

from zeroframe import night
from zeroframe.report import night_report_data
from zeroframe.simulate import SIMULATED_MOSAICS, simulate_night


def page_of(tmp_path, name, shape):
    camera = SIMULATED_MOSAICS[name].resized(shape)
    simulate_night(camera, tmp_path / "raw", seed=2)
    made = night(tmp_path / "raw", tmp_path / "out", report=False)
    data = night_report_data(made.plan, made.result)
    assert data.subtitle.startswith(f"{name} · ")  # whatever the first detector is called
    files, lights, chips = len(list((tmp_path / "raw").iterdir())), len(made.plan.science), len(camera.chips)
    told = f"{files * chips} frames" + (f" from {files} files" if chips > 1 else "")
    assert told in data.subtitle.split(" · ")
    told = f"{lights} science frames" + (f" from {lights // chips} files" if chips > 1 else "")
    assert f": {told} calibrated with bias" in data.verdict.headline
    return camera, {section.title: section for section in data.sections}


@pytest.mark.long
def test_the_overscan_of_each_amplifier_is_its_own(tmp_path):
    """Their levels differ by 37 ADU, and their extensions stand one above the other."""
    camera, sections = page_of(tmp_path, "quad-mef", (128, 192))
    plots = [plot for plot in sections["Bias"].plots if plot.title.startswith("Overscan of one raw frame")]
    for each in camera.chips[0].amplifiers:
        own = [plot for plot in plots if plot.title.endswith(f"amplifier {each.name}")]
        assert own
        for plot in own:
            assert np.median(plot.curves[0].y) == pytest.approx(each.level_adu, abs=10.0)
    assert "Focal plane" not in sections


@pytest.mark.long
def test_the_focal_plane_has_each_detector_in_its_place(tmp_path):
    camera, sections = page_of(tmp_path, "four-chip-mosaic", (96, 128))
    section = sections["Focal plane"]
    (blink,) = section.blinks
    (picture,) = blink.pictures
    assert "DETSEC" in blink.caption
    corners = [chip.origin_xy for chip in camera.chips]
    ny, nx = (max(c[1] for c in corners) + 96, max(c[0] for c in corners) + 128)
    assert picture.shades.shape == (ny, nx)  # small enough to be shown pixel by pixel
    inside = np.zeros((ny, nx), bool)
    for x, y in corners:
        inside[y : y + 96, x : x + 128] = True
        seen = picture.shades[y : y + 96, x : x + 128]
        assert np.mean(seen == 255) < 0.05  # what is masked
        assert 60 < np.median(seen[seen < 255]) < 200
    assert (picture.shades[~inside] == 255).all()
    (table,) = section.tables
    assert [row.cells[0] for row in table.rows] == [chip.name for chip in camera.chips]
    assert [row.cells[2] for row in table.rows] == [f"{x + 1}, {y + 1}" for x, y in corners]
