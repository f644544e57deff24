"""Regions and verdicts on seeded cameras with known truth; `ZEROFRAME_ALL_CASES=1` runs all three hundred of them."""

from __future__ import annotations

import os

import numpy as np
import pytest

from inspection_cases import (
    ALL_CASES,
    COUNTS,
    FIRST_COARSE,
    LAYOUTS,
    by_kind,
    frames_of,
    is_coarse,
    make_case,
    mistakes,
    pixel_noise_adu,
)
from zeroframe.inspection import inspect_overscan

EVERYTHING = bool(os.environ.get("ZEROFRAME_ALL_CASES"))
#: One turn through the layouts with two frames of each kind, and one frame or six for every fourth case.
A_FEW = [*range(20, 40), *range(0, 20, 4), *range(40, 60, 4), *range(FIRST_COARSE, ALL_CASES, 12)]
#: Of verdicts: strips of rows beside an image whose level drifts from row to row agree with it, or not, by chance.
_MOST_WRONG = 0.02


@pytest.fixture(scope="module")
def outcomes():
    numbers = range(ALL_CASES) if EVERYTHING else A_FEW
    found = []
    for number in numbers:
        case = make_case(number)
        frames = frames_of(case)
        result = inspect_overscan(by_kind(case, frames), workers=1)
        found.append((case, result, mistakes(case, frames, result)))
    return found


def test_the_cases_hold_what_they_promise():
    cases = [make_case(number) for number in range(ALL_CASES)]
    assert {case.layout for case in cases} == set(LAYOUTS)
    counts = {sum(spec.kind == "flat" for spec in case.specs) for case in cases}
    assert counts == {0, *COUNTS}
    sides = {strip.side for case in cases for strip in case.camera.strips}
    assert sides == {"left", "right", "bottom", "top"}
    assert any(strip.hot_pixels for case in cases for strip in case.camera.strips)
    assert make_case(7) == make_case(7)


@pytest.mark.long
def test_regions_are_right_to_the_column(outcomes):
    wrong = [(case.name, said) for case, _, said in outcomes if any(text.startswith("region") for text in said)]
    # in coarse steps, or with little noise, light is followed to a tenth of an ADU, and one column is soon missed
    coarse = sum(is_coarse(case.number) for case, _, _ in outcomes)
    wrong_coarse = [name for name, _ in wrong if is_coarse(int(name.split()[0]))]
    assert len(wrong) - len(wrong_coarse) <= 0.05 * (len(outcomes) - coarse), wrong
    assert len(wrong_coarse) <= 0.2 * coarse, wrong


@pytest.mark.long
def test_no_region_is_invented_and_none_is_missed(outcomes):
    assert [(case.name, said) for case, _, said in outcomes if any(text.startswith("side") for text in said)] == []
    for case, result, _ in outcomes:
        if case.layout in {"none", "biases only"}:
            assert result.recommended is None
            assert result.strips == ()


@pytest.mark.long
def test_verdicts_are_right(outcomes):
    wrong = [(case.name, said) for case, _, said in outcomes if any(text.startswith("verdict") for text in said)]
    assert len(wrong) <= _MOST_WRONG * len(outcomes), wrong


@pytest.mark.long
def test_read_noise_and_gain_are_within_two_per_cent(outcomes):
    noises = [
        (r.read_noise_adu.value / pixel_noise_adu(case.camera), case.name)
        for case, r, _ in outcomes
        if r.read_noise_adu
    ]
    gains = [
        (r.gain_e_per_adu.value / case.camera.gain_e_per_adu, case.name) for case, r, _ in outcomes if r.gain_e_per_adu
    ]
    assert len(noises) > 15
    assert len(gains) > 15
    assert [pair for pair in noises + gains if abs(pair[0] - 1) > 0.02] == []
    assert abs(np.mean([ratio for ratio, _ in gains]) - 1) < 0.005
    assert abs(np.mean([ratio for ratio, _ in noises]) - 1) < 0.002


@pytest.mark.long
def test_what_is_missing_is_said(outcomes):
    for case, result, _ in outcomes:
        biases, flats = (sum(spec.kind == kind for spec in case.specs) for kind in ("bias", "flat"))
        told = "\n".join(result.sentences)
        assert ("no bias:" in told) == (biases == 0)
        assert ("one bias only" in told) == (biases == 1)
        assert ("no flat:" in told) == (flats == 0)
        assert (result.gain_e_per_adu is not None) == (biases > 0 and flats > 1)
        assert (result.read_noise_adu is not None) == (biases > 1)
