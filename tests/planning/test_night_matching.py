"""Candidates are ranked, and each says why it is chosen or turned down."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from night_headers import frame, plan, several
from zeroframe.errors import HeaderWarning
from zeroframe.fits import ImageLayout
from zeroframe.frames.steps import FrameRecipe, Steps
from zeroframe.headers.dialects import read_facts
from zeroframe.headers.kinds import Kind
from zeroframe.headers.survey import survey
from zeroframe.planning.grouping import filter_key, grouped
from zeroframe.planning.matching import match_frame, rank_candidates, why_not_together
from zeroframe.planning.plan import Configuration, Group, Match, NightFrame, match_from_data
from zeroframe.planning.recipe import DarkRecipe, NightRecipe, Tolerances
from zeroframe.planning.traits import Moment, moment_of, read_traits, split_nights
from zeroframe.planning.words import explain_frame
from zeroframe.run.keys import as_data
from zeroframe.stacks.combine import CombineSpec

LIGHT = Configuration((12, 20), exposure_s=300.0, filter_name="g'", temperature_c=-20.0, night="2016-01-15")
LAYOUT = ImageLayout(
    bitpix=16, shape_yx=(12, 20), bscale=1.0, bzero=32768.0, blank=None, data_offset=2880, tile_compressed=False
)


def a_frame(name="f.fits", kind=Kind.DARK, traits=LIGHT):
    return NightFrame(name, Path(name), Path("out", name), kind, FrameRecipe(), Steps(), LAYOUT, read_facts({}), traits)


def a_group(label, kind=Kind.DARK, frames=3, *, includes_bias=False, **traits):
    own = replace(LIGHT, **traits)
    members = tuple(a_frame(f"{label}{n}.fits", kind, own) for n in range(frames))
    name = f"{label}.fits"
    return Group(
        kind, name, label, members, Path("out", name), CombineSpec("average"), "noise", False, False, includes_bias, own
    )


def ranked(what, groups, frame_traits=LIGHT, **recipe):
    found = rank_candidates(what, frame_traits, FrameRecipe(), groups, NightRecipe(**recipe))
    return {each.label: each for each in found}


class TestReasons:
    @pytest.mark.parametrize(
        ("what", "change", "reason"),
        [
            ("flat", {"filter_name": "i'"}, "another filter: i', not g'"),
            ("flat", {"filter_name": None}, "its filter is g', and that of the flat is not known"),
            ("dark", {"binning_xy": (2, 2)}, "binned 2 x 2, not 1 x 1"),
            ("dark", {"shape_yx": (10, 10)}, "10 x 10 pixels, not 20 x 12 pixels"),
            ("dark", {"unit": "electron"}, "in electron, not in adu"),
            ("dark", {"temperature_c": -10.0}, "at -10.0 C, not -20.0 C"),
            ("bias", {"temperature_c": 0.0}, "at 0.0 C, not -20.0 C"),
            ("flat", {"night": "2016-01-25"}, "taken 10 nights away, more than 7"),
            (
                "dark",
                {"exposure_s": 600.0, "includes_bias": True},
                "exposure 600 s, not 300 s: it still holds its bias",
            ),
            ("dark", {"exposure_s": 70.0}, "exposure 70 s, not 300 s: would be scaled by 4.29, more than"),
            ("dark", {"exposure_s": None}, "the exposure of the dark is not known"),
        ],
    )
    def test_of_those_that_cannot_be_used(self, what, change, reason):
        kind = {"bias": Kind.BIAS, "dark": Kind.DARK, "flat": Kind.FLAT}[what]
        found = ranked(what, [a_group("good", kind), a_group("bad", kind, **change)])
        assert (found["good"].rank, found["good"].usable) == (1, True)
        assert (found["bad"].rank, found["bad"].usable) == (2, False)
        assert found["bad"].reason.startswith(reason)

    @pytest.mark.parametrize(
        ("change", "reason"),
        [
            ({"night": "2016-01-18"}, "taken 3 nights away"),
            ({"night": None}, "when it was taken is not known"),
            ({"exposure_s": 600.0}, "exposure 600 s, not 300 s: would be scaled by 0.5"),
            ({"exposure_s": 200.0}, "exposure 200 s, not 300 s: would be scaled by 1.5"),
            ({"temperature_c": -20.9}, "at -20.9 C, further off"),
            ({"temperature_c": None}, "its temperature is not known"),
            ({"frames": 2}, "made of 2 frames, not 3"),
            ({}, "as good as good, which is named first"),
        ],
    )
    def test_of_those_that_are_not_the_best(self, change, reason):
        found = ranked("dark", [a_group("other", **change), a_group("good")])
        assert found["good"].rank == 1
        assert (found["other"].usable, found["other"].reason) == (True, reason)

    def test_several_at_once(self):
        found = ranked("flat", [a_group("bad", Kind.FLAT, filter_name="i'", binning_xy=(2, 2))])
        assert found["bad"].reason == "binned 2 x 2, not 1 x 1; another filter: i', not g'"

    def test_the_one_that_is_nearest_to_fit_comes_first_of_those_that_do_not(self):
        found = ranked("flat", [a_group("a", Kind.FLAT, filter_name="i", unit="x"), a_group("b", Kind.FLAT, unit="x")])
        assert list(found) == ["b", "a"]

    @pytest.mark.parametrize("sort", ["amplifier", "read-out mode", "chip"])
    def test_settings(self, sort):
        wanted = replace(LIGHT, settings=((sort, "Fast"),))
        own = {"settings": ((sort, "slow"),)}
        assert ranked("dark", [a_group("d", **own)], wanted)["d"].reason == f"another {sort}: slow, not Fast"
        for same in (((sort, "fast"),), (), (("camera", "x"),)):
            assert ranked("dark", [a_group("d", settings=same)], wanted)["d"].usable

    def test_of_the_best(self):
        assert ranked("dark", [a_group("d")])["d"].reason == "same exposure: 300 s, taken the same night"
        other = ranked("dark", [a_group("d", exposure_s=600.0, night="2016-01-14")])["d"]
        assert other.reason == "none has 300 s; 600 s scaled down by 0.5, taken 1 night away, none that fits is nearer"
        warm = a_group("warm", temperature_c=(LIGHT.temperature_c or 0.0) + 20.0)
        found = ranked("dark", [a_group("d", exposure_s=600.0), warm])
        assert found["d"].reason.startswith("none that fits as well has 300 s; 600 s scaled down by 0.5")
        flat = a_group("f", Kind.FLAT, filter_name=" G' ")
        assert ranked("flat", [flat])["f"].reason.startswith("same filter:  G' , taken the same night")

    def test_overscan_and_trim_have_to_be_the_same(self):
        group = a_group("d")
        other = replace(
            group, frames=tuple(replace(each, recipe=FrameRecipe.of_one("x", None)) for each in group.frames)
        )
        assert ranked("dark", [other])["d"].reason == "its overscan or trim is another one"


class TestRanks:
    def test_darks(self):
        groups = [
            a_group("up", exposure_s=200.0),
            a_group("up more", exposure_s=160.0),
            a_group("down", exposure_s=400.0),
            a_group("down long", exposure_s=900.0),
            a_group("same, few", exposure_s=300.2, frames=1),
            a_group("same of last night", night="2016-01-14"),
        ]
        assert list(ranked("dark", groups)) == [
            "same, few",
            "down long",
            "down",
            "up",
            "up more",
            "same of last night",
        ]

    def test_of_darks_to_be_scaled_the_one_with_least_noise(self):
        many, long = a_group("many", exposure_s=400.0, frames=30), a_group("long", exposure_s=900.0, frames=3)
        assert list(ranked("dark", [long, many])) == ["many", "long"]
        assert ranked("dark", [long, many])["long"].reason.endswith("would be scaled by 0.333, noisier than many")

    def test_none_fits(self):
        match = match_frame("dark", LIGHT, FrameRecipe(), [a_group("d", exposure_s=1.0)], NightRecipe())
        assert (match.chosen, match.is_missing, len(match.candidates)) == (None, True, 1)
        nothing = match_frame("flat", LIGHT, FrameRecipe(), [], NightRecipe())
        assert nothing.reason == "there is no flat in the folder"
        wrong = [a_group(f"f{n}", Kind.FLAT, filter_name="z") for n in range(5)]
        assert match_frame("flat", LIGHT, FrameRecipe(), wrong, NightRecipe()).reason.endswith("; and 2 more")

    def test_of_many_the_best_are_kept(self):
        many = [a_group(f"d{n:02d}", frames=n) for n in range(1, 31)]
        match = match_frame("dark", LIGHT, FrameRecipe(), many, NightRecipe())
        assert [each.label for each in match.candidates] == [f"d{n:02d}" for n in range(30, 18, -1)]
        assert len(ranked("dark", many)) == 30

    def test_scaling_forbidden(self):
        recipe = {"dark": DarkRecipe(scale=False)}
        assert not ranked("dark", [a_group("d", exposure_s=600.0)], **recipe)["d"].usable
        assert ranked("dark", [a_group("d")], **recipe)["d"].usable

    @given(st.permutations(range(7)))
    def test_the_order_of_the_groups_does_not_matter(self, order):
        groups = [a_group(f"d{n}", exposure_s=100.0 * (n // 2 + 1), frames=n % 3 + 1) for n in range(7)]
        recipe = NightRecipe()
        expected = rank_candidates("dark", LIGHT, FrameRecipe(), groups, recipe)
        assert rank_candidates("dark", LIGHT, FrameRecipe(), [groups[n] for n in order], recipe) == expected


names = st.sampled_from([None, "g'", "G' ", "i'", "r + clear"])
numbers = st.one_of(st.none(), st.floats(-40, 10))
traits = st.builds(
    Configuration,
    st.sampled_from([(12, 20), (6, 10)]),
    st.sampled_from([(1, 1), (2, 2)]),
    st.sampled_from(["adu", "electron"]),
    st.one_of(st.none(), st.floats(0, 1000)),
    names,
    numbers,
    st.one_of(st.none(), st.floats(0.1, 10)),
    st.sampled_from([(), (("amplifier", "A"),), (("amplifier", "B"), ("chip", "1"))]),
    st.sampled_from([None, "2016-01-15", "2016-02-15"]),
)


class TestTogether:
    @given(st.sampled_from(["bias", "dark", "flat"]), traits, traits)
    def test_either_way_round(self, what, one, other):
        tolerances = Tolerances()
        forward, backward = (why_not_together(what, *pair, tolerances) for pair in ((one, other), (other, one)))
        assert len(forward) == len(backward)
        assert why_not_together(what, one, one, tolerances) == []

    @given(st.lists(traits, min_size=1, max_size=8), st.sampled_from([Kind.BIAS, Kind.DARK, Kind.FLAT]), st.randoms())
    def test_batches_hold_each_frame_once_whatever_their_order(self, each, kind, random):
        frames = [a_frame(f"f{n:02d}.fits", kind, one) for n, one in enumerate(each)]
        batches = grouped(kind, frames, Tolerances())
        assert sorted(one.name for batch in batches for one in batch.frames) == [one.name for one in frames]
        assert grouped(kind, random.sample(frames, len(frames)), Tolerances()) == batches
        for unique in ("label", "stem"):
            assert len({getattr(batch, unique).casefold() for batch in batches}) == len(batches)

    @given(st.lists(st.floats(0, 100), min_size=1, max_size=20))
    def test_darks_of_a_batch_have_the_exposure_of_the_shortest(self, exposures_s):
        frames = [
            a_frame(f"f{n:02d}.fits", traits=replace(LIGHT, exposure_s=seconds))
            for n, seconds in enumerate(exposures_s)
        ]
        tolerances = Tolerances()
        for batch in grouped(Kind.DARK, frames, tolerances):
            own = [one.traits.exposure_s for one in batch.frames]
            assert all(tolerances.same_exposure(min(own), seconds) for seconds in own)
            assert min(own) <= batch.traits.exposure_s <= max(own)

    def test_filters(self):
        assert len({filter_key(name) for name in ("G'", " g' ", "g'")}) == 1
        assert filter_key("Clear + R") == filter_key("clear+r")
        assert filter_key("g") != filter_key("g'")

    def test_names(self, tmp_path):
        several(tmp_path / "raw", 2, "a", "flat", 1.0, FILTER="g'")
        several(tmp_path / "raw", 2, "b", "flat", 1.0, FILTER="gp")
        several(tmp_path / "raw", 2, "c", "flat", 1.0, FILTER="H alpha/6563")
        several(tmp_path / "raw", 2, "d", "dark", 0.12)
        several(tmp_path / "raw", 2, "e", "flat", 1.0)
        several(tmp_path / "raw", 2, "f", "flat", 1.0, FILTER1="R", FILTER2="air")
        assert [group.name for group in plan(tmp_path / "raw").groups] == [
            "combined_dark_0.12s.fits",
            "combined_flat.fits",
            "combined_flat_gp.fits",
            "combined_flat_gp_2.fits",
            "combined_flat_H_alpha_6563.fits",
            "combined_flat_R.fits",
        ]


class TestTraits:
    def item(self, tmp_path, **cards):
        return survey([frame(tmp_path, "f.fits", "dark", 60.0, **cards)])[0]

    def test_settings(self, tmp_path):
        cards = {"INSTRUME": " LFC ", "CHIPID": 0, "READOUTM": "Mono  chrome", "XORGSUBF": 4, "YORGSUBF": 0}
        assert read_traits(self.item(tmp_path, **cards)).settings == (
            ("camera", "LFC"),
            ("chip", "0"),
            ("read-out mode", "Mono chrome"),
            ("sub-frame", "4, 0"),
        )
        silent = {"AMPNAME": "N/A", "CCDSEC": "UNKNOWN", "READOUTM": ""}
        (tmp_path / "f.fits").unlink()
        assert read_traits(self.item(tmp_path, **silent)).settings == ()

    @pytest.mark.parametrize(
        ("cards", "expected"),
        [
            ({"DATE_OBS": "2016-01-16T01:30:00.5"}, ("2016-01-16", 5400.5)),
            ({"DATE_OBS": "2016-01-16 01:30"}, ("2016-01-16", 5400.0)),
            ({"DATE_OBS": "2016-01-16T01:30:00Z"}, ("2016-01-16", 5400.0)),
            ({"DATE_OBS": "2016-01-16", "UT": " 1:30:00.00"}, ("2016-01-16", 5400.0)),
            ({"DATE_OBS": "2016-01-16", "TIME_OBS": "01:30:00"}, ("2016-01-16", 5400.0)),
            ({"DATE_OBS": "16/01/96", "UT": "01:30:00"}, ("1996-01-16", 5400.0)),
            ({"DATE_OBS": "2016-01-16"}, ("2016-01-16", None)),
            ({"MJD_OBS": 57403.0625}, ("2016-01-16", 5400.0)),
            ({"JD": 2457403.5625}, ("2016-01-16", 5400.0)),
            ({"DATE_OBS": "yesterday"}, None),
            ({"JD": 0.0}, None),
            ({}, None),
        ],
    )
    def test_time(self, tmp_path, cards, expected):
        moment = moment_of(self.item(tmp_path, **cards))
        if expected is None:
            assert moment is None
        else:
            assert moment.day.isoformat() == expected[0]
            assert moment.seconds == (None if expected[1] is None else pytest.approx(expected[1], abs=0.01))

    @pytest.mark.parametrize("day", ["2016-02-31", "0001-01-01", "9999-12-31T23:59:59"])
    def test_a_day_that_cannot_be_is_no_time_and_is_named(self, tmp_path, day):
        with pytest.warns(HeaderWarning, match=f"DATE-OBS = '{day}' is not a date of a CCD, and counts as unknown"):
            item = self.item(tmp_path, DATE_OBS=day)
        assert moment_of(item) is None

    @pytest.mark.parametrize("clock", ["25:00:00", "12:60:00", "12:00:61", "99:99:99"])
    def test_a_clock_that_cannot_be_leaves_the_day(self, tmp_path, clock):
        moment = moment_of(self.item(tmp_path, DATE_OBS=f"2016-01-16T{clock}"))
        assert (moment.day.isoformat(), moment.seconds) == ("2016-01-16", None)

    @pytest.mark.parametrize("offset_h", range(-12, 13, 3))
    def test_nights_anywhere_on_earth(self, offset_h):
        """Two nights from afternoon to morning, local time, written in universal time."""
        local = [
            datetime(2024, 3, day, 15, tzinfo=UTC) + timedelta(hours=h)
            for day in (10, 11)
            for h in (0, 4, 7, 9, 12, 16)
        ]
        moments = [
            Moment(each.date(), (each - each.replace(hour=0, minute=0)).total_seconds())
            for each in (one - timedelta(hours=offset_h) for one in local)
        ]
        split = split_nights(moments)
        assert len(set(split.nights[:6])) == len(set(split.nights[6:])) == 1
        assert split.nights[0] != split.nights[6]

    def test_unknown_times(self):
        assert split_nights([None, None]).nights == (None, None)
        assert split_nights([]).nights == ()


def test_matches_survive_as_plain_data(tmp_path):
    raw = tmp_path / "raw"
    several(raw, 2, "b", "bias")
    several(raw, 2, "d", "dark", 60.0)
    several(raw, 2, "f", "flat", 1.0, FILTER="r")
    frame(raw, "s.fits", "science", 90.0, FILTER="i")
    for each in plan(raw).frames:
        again = [match_from_data(said) for said in json.loads(json.dumps(as_data(list(each.matches))))]
        assert tuple(again) == each.matches
        assert explain_frame(each.name, again) == explain_frame(each.name, each.matches)
    with pytest.raises(KeyError):
        match_from_data({"what": "bias"})
    assert match_from_data(as_data(Match("bias", None, None, False, "why"))).reason == "why"
