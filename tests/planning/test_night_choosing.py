"""What is found for one frame and shared by others is what each of them would have been told on its own."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from test_night_matching import LIGHT, a_frame, a_group

from zeroframe.frames.steps import FrameRecipe
from zeroframe.headers.kinds import Kind
from zeroframe.headers.sections import Section
from zeroframe.planning.matching import match_frame, why_not_together
from zeroframe.planning.matching_memo import Fitting, MatchCache
from zeroframe.planning.recipe import NightRecipe

KINDS = {"bias": Kind.BIAS, "dark": Kind.DARK, "flat": Kind.FLAT}
RECIPE = NightRecipe()


def any_traits(chance):
    """Configuration about the limits of what belongs together, many of them the same."""
    return replace(
        LIGHT,
        shape_yx=chance.choice([(12, 20)] * 5 + [(6, 10)]),
        exposure_s=chance.choice([0.0, 60.0, 60.01, 300.0, 302.0, None]),
        filter_name=chance.choice(["g'", "G'", "i'", None]),
        temperature_c=chance.choice([-20.0, -19.0, -18.96, -15.0, -14.9, round(chance.uniform(-21, -19), 2), None]),
        gain_e_per_adu=chance.choice([2.0, 2.02, 2.1, None]),
        settings=chance.choice([(), (("read-out mode", "Fast"),), (("read-out mode", "Slow"),)]),
        night=chance.choice(["2016-01-15", "2016-01-23", None]),
    )


@pytest.mark.parametrize("what", KINDS)
@pytest.mark.parametrize("seed", range(10))
def test_the_same_as_alone(what, seed):
    chance = random.Random(seed)
    groups = [
        replace(
            a_group(f"group {number}", KINDS[what], chance.choice([1, 3]), includes_bias=chance.random() < 0.5),
            traits=any_traits(chance),
        )
        for number in range(seed % 4)
    ]
    choosing, fitting = MatchCache(what, groups, RECIPE), Fitting(what, groups, RECIPE.tolerances)
    for number in range(150):
        frame = a_frame(f"{number}.fits", Kind.SCIENCE, any_traits(chance))
        assert choosing.of(frame) == match_frame(what, frame.traits, frame.recipe, groups, RECIPE)
        alone = [each for each in groups if not why_not_together(what, frame.traits, each.traits, RECIPE.tolerances)]
        assert list(fitting.of(frame)) == alone


def test_frames_that_differ_in_nothing_that_matters_share_a_match():
    groups = [a_group("dark", temperature_c=-20.0)]
    choosing = MatchCache("dark", groups, RECIPE)
    first, second, filtered, warm = (
        choosing.of(a_frame("f.fits", Kind.SCIENCE, replace(LIGHT, **change)))
        for change in (
            {"temperature_c": -20.1},
            {"temperature_c": -19.9},
            {"filter_name": "i'"},
            {"temperature_c": -5.0},
        )
    )
    assert first is second is filtered
    assert warm.chosen is None
    assert "not -5.0 C" in warm.reason


def test_a_recipe_that_is_gone_is_not_taken_for_the_next_one():
    groups = [a_group("bias", Kind.BIAS)]
    choosing = MatchCache("bias", groups, RECIPE)
    plain = [replace(a_frame(kind=Kind.SCIENCE), recipe=FrameRecipe()) for _ in range(50)]
    assert {choosing.of(frame).chosen for frame in plain} == {"bias.fits"}
    del plain  # their memory, and ids with it, goes to others
    trimmed = FrameRecipe.of_one(trim=Section.parse("[1:10,1:10]"))
    others = [replace(a_frame(kind=Kind.SCIENCE), recipe=replace(trimmed)) for _ in range(50)]
    assert {choosing.of(frame).chosen for frame in others} == {None}


def test_another_overscan_or_trim_is_another_frame():
    groups = [a_group("bias", Kind.BIAS)]
    trimmed = replace(a_frame(kind=Kind.SCIENCE), recipe=FrameRecipe.of_one(trim=Section.parse("[1:10,1:10]")))
    choosing, fitting = MatchCache("bias", groups, RECIPE), Fitting("bias", groups, RECIPE.tolerances)
    assert choosing.of(a_frame(kind=Kind.SCIENCE)).chosen == "bias.fits"
    assert choosing.of(trimmed).chosen is None
    assert list(fitting.of(a_frame(kind=Kind.SCIENCE))) == groups
    assert fitting.of(trimmed) == ()
