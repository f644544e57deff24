"""Nights that are wrong in one named way are named; good ones are not."""

from __future__ import annotations

import os

import pytest

import zeroframe
from wrong_nights import STATED_GAIN, WRONG, good_camera, write_night

GOOD_NIGHTS = 300 if os.environ.get("ZEROFRAME_ALL_CASES") else 12


def night(folder):
    return zeroframe.night(folder / "raw", folder / "out", report=False)


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_named(tmp_path, name):
    shots, codes, frame = WRONG[name]
    write_night(tmp_path / "raw", shots, stated_gain=STATED_GAIN.get(name))
    made = night(tmp_path)
    found = [each for each in made.findings if each.code in codes]
    assert found, (name, [(each.code, each.sentence) for each in made.findings])
    assert any(frame in " ".join((each.sentence, *each.frames)) for each in found), (frame, found)
    severe = {each.severity for each in made.findings}
    assert made.is_good == ("error" not in severe)


@pytest.mark.parametrize("seed", range(GOOD_NIGHTS))
def test_good_nights_are_good(tmp_path, seed):
    camera, shots = good_camera(seed)
    write_night(tmp_path / "raw", shots, camera, seed)
    made = night(tmp_path)
    worse = [each for each in made.findings if each.severity != "note"]
    assert worse == [], (camera, worse)
    assert made.is_good
    assert made.result.review.verdict.headline == "All is well."


def test_warnings_count_when_that_is_asked_for(tmp_path):
    write_night(tmp_path / "raw", WRONG["dark-just-below-bias"][0])
    review = night(tmp_path).result.review
    assert [each.severity for each in review.findings if each.code == "ZF301"] == ["warning"]
    assert (review.exit_code(strict=False), review.exit_code(strict=True)) == (0, 1)


def test_a_science_frame_that_was_not_read_to_its_end_is_not_well_in_a_second_run_either(tmp_path):
    write_night(tmp_path / "raw", WRONG["science-read-to-half"][0])
    first, again = night(tmp_path).result.review, night(tmp_path).result.review
    assert [each.sentence for each in again.findings if each.code == "ZF205"] == [
        each.sentence for each in first.findings if each.code == "ZF205"
    ]
    assert again.exit_code(strict=True) == 1
