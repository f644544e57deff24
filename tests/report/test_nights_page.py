"""The page of many nights, against nights of known truth in which two figures change."""

from __future__ import annotations

from dataclasses import replace

import pytest

from browser import Browser, find_browser
from workbench import command
from wrong_nights import Camera, good_shots, write_night
from zeroframe.report.nights import nights_report_data
from zeroframe.report.page import is_report

NIGHTS = [f"2026-11-{day:02d}" for day in range(10, 16)]
#: In the last but one the read noise has doubled, in the last the bias stands higher.
CAMERAS = [Camera()] * 4 + [Camera(read_noise=8.0), Camera()]
LEVELS = [1000.0] * 5 + [1200.0]


@pytest.fixture(scope="module")
def nights(tmp_path_factory):
    folder = tmp_path_factory.mktemp("nights")
    for number, (name, camera, level) in enumerate(zip(NIGHTS, CAMERAS, LEVELS, strict=True)):
        day = int(name[-2:])
        shots = [
            replace(shot, level=level, cards={"DATE-OBS": f"2026-11-{day:02d}T{20 + at // 60:02d}:{at % 60:02d}:00"})
            for at, shot in enumerate(good_shots(camera, counts=(4, 3, 3, 1)))
        ]
        write_night(folder / "raw" / name, shots, camera, seed=number + 1)
    command("night", folder / "raw", "-o", folder / "out", "--by-night", "--no-report")
    return folder


def curve_of(data, title):
    (plot,) = [plot for plot in data.sections[0].plots if plot.title == title]
    return plot.curves[0]


@pytest.mark.long
def test_figures_are_the_truth_of_each_night(nights):
    data = nights_report_data(nights / "out", NIGHTS)
    assert curve_of(data, "Read noise").y == pytest.approx([camera.read_noise for camera in CAMERAS], rel=0.06)
    assert curve_of(data, "Gain").y == pytest.approx([1.5] * 6, rel=0.12)
    # of frames whose overscan is not cut off, the level is that of the camera
    assert curve_of(data, "Bias level").y == pytest.approx(LEVELS, abs=1.0)
    assert curve_of(data, "Dark current").y == pytest.approx([0.1 / 1.5] * 6, abs=0.03)
    # the light falls off to the edges, by 5 % in the mean
    assert curve_of(data, "Flat level").y == pytest.approx([0.95 * 30000] * 6, rel=0.03)
    assert curve_of(data, "Read noise").x == (0.0, 1.0, 2.0, 3.0, 4.0, 5.0)


@pytest.mark.long
def test_what_has_changed_is_marked_and_nothing_else(nights):
    data = nights_report_data(nights / "out", NIGHTS)
    said = [remark.text for remark in (*data.verdict.remarks, *data.verdict.more)]
    assert len([text for text in said if text.startswith("2026-11-14: read noise (bias)")]) == 1
    assert len([text for text in said if text.startswith("2026-11-15: bias level (bias) 12")]) == 1
    noisy = [text for text in said if not text.startswith(("2026-11-14", "2026-11-15"))]
    assert noisy == []
    rows = data.sections[1].tables[0].rows
    assert [row.tone for row in rows[:4]] == ["neutral"] * 4
    assert "read noise" in rows[4].cells[-1]
    assert "bias level" in rows[5].cells[-1]


@pytest.mark.long
def test_a_night_without_results_is_named(nights):
    data = nights_report_data(nights / "out", [*NIGHTS[:2], "2026-11-30"])
    assert data.sections[1].tables[0].rows[2].cells[:2] == ("2026-11-30", "was not carried out to its end")


@pytest.mark.long
def test_the_command_writes_it_with_links_to_each_night(nights, tmp_path):
    command("night", nights / "raw", "-o", nights / "out", "--by-night")
    page = nights / "out" / "overview.html"
    assert is_report(page)
    program = find_browser()
    if program is None:
        pytest.skip("needs Chromium (on Debian: apt-get install chromium)")
    browser = Browser(program, tmp_path)
    try:
        for width in (390, 1280):
            browser.open(page, width)
            assert browser.value("document.documentElement.scrollWidth") <= width
        links = browser.value("[...document.querySelectorAll('table a')].map(a => a.getAttribute('href'))")
        assert links == [f"./{name}/report.html" for name in NIGHTS]
        assert browser.complaints == []
        browser.click("table a")
        browser.until("document.title.includes('calibrated') || document.querySelector('.comparison') !== null")
    finally:
        browser.close()
