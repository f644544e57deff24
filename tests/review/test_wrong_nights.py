"""Nights that are wrong in one named way are named; good ones are not; docs/findings.md says how often."""

from __future__ import annotations

import json
import os
import re

import pytest

import zeroframe
from wrong_nights import WRONG, write_night
from wrong_nights_table import DATA, GOOD_NIGHTS, PAGE, VARIANTS, good_night, page, wrong_night

ALL = bool(os.environ.get("ZEROFRAME_ALL_CASES"))
#: Each wrong night by one of the variants, in turn; every third one in the default suite.
SOME = [(name, number % len(VARIANTS)) for number, name in enumerate(WRONG)]
CASES = [(name, variant) for name in WRONG for variant in range(len(VARIANTS))] if ALL else SOME[::4]


@pytest.mark.parametrize(("name", "variant"), CASES)
def test_what_is_wrong_is_named(tmp_path, name, variant):
    named, found = wrong_night(name, variant, tmp_path)
    assert named, [(each.code, each.sentence) for each in found]
    assert [each.sentence for each in found if re.search(r"[0-9]e[+-][0-9]", each.sentence)] == []


@pytest.mark.parametrize("seed", range(GOOD_NIGHTS if ALL else 6))
def test_good_nights_are_good(tmp_path, seed):
    found = [each for each in good_night(seed, tmp_path) if each.severity != "note"]
    measured = json.loads(DATA.read_text())["good"]
    # what the page admits for 300 nights is all that there may be among them
    assert {each.code for each in found} <= set(measured["codes"]), found
    assert "error" not in {each.severity for each in found}


@pytest.mark.parametrize("kind", ["biases", "darks", "flats", "science"])
def test_fractions_beside_whole_numbers_are_told_as_such(tmp_path, kind):
    write_night(tmp_path / "raw", WRONG[f"{kind}-from-0-to-1"][0])
    found = zeroframe.night(tmp_path / "raw", tmp_path / "out", report=False).findings
    assert "ZF309" in {each.code for each in found}, found


def test_rates_are_what_is_promised():
    measured = json.loads(DATA.read_text())
    assert set(measured["wrong"]) == set(WRONG)
    assert len(WRONG) >= 60
    assert [name for name, each in measured["wrong"].items() if not all(each["named"])] == []
    assert measured["good"]["nights"] >= 300
    assert "error" not in measured["good"]["severities"]
    assert measured["good"]["severities"].get("warning", 0) <= 0.01 * measured["good"]["nights"]


def test_the_page_is_what_was_measured():
    assert PAGE.read_text(encoding="utf-8") == page(json.loads(DATA.read_text()))


def test_warnings_count_when_that_is_asked_for(tmp_path):
    write_night(tmp_path / "raw", WRONG["dark-just-below-bias"][0])
    review = zeroframe.night(tmp_path / "raw", tmp_path / "out", report=False).result.review
    assert [each.severity for each in review.findings if each.code == "ZF301"] == ["warning"]
    assert (review.exit_code(strict=False), review.exit_code(strict=True)) == (0, 1)


def night(folder):
    return zeroframe.night(folder / "raw", folder / "out", report=False)


def test_a_science_frame_that_was_not_read_to_its_end_is_not_well_in_a_second_run_either(tmp_path):
    write_night(tmp_path / "raw", WRONG["science-read-to-half"][0])
    first, again = night(tmp_path).result.review, night(tmp_path).result.review
    assert [each.sentence for each in again.findings if each.code == "ZF205"] == [
        each.sentence for each in first.findings if each.code == "ZF205"
    ]
    assert again.exit_code(strict=True) == 1
