"""Names that differ by case only: two where frames of one kind have both, else one, and said."""

from __future__ import annotations

import json

import numpy as np
import pytest
from astropy.io import fits

from night_headers import frame, plan, several, told
from nights import calibrated
from workbench import command, write_raw
from zeroframe.headers.kinds import Kind

SHAPE_YX = (60, 80)
LEVEL, NOISE = 1000.0, 4.0


@pytest.fixture
def raw(tmp_path):
    return tmp_path / "raw"


def flats_of(made):
    """The combined flats: their file, and which raw frames they are made of."""
    return {group.name: [each.name for each in group.frames] for group in made.groups if group.kind is Kind.FLAT}


def chosen(made):
    return {each.name: each.steps.flat for each in made.science}


class TestFilters:
    def test_two_where_flats_have_both(self, raw):
        for name in ("R", "r"):
            several(raw, 3, f"flat-{'cousins' if name == 'R' else 'sloan'}-", "flat", 5.0, FILTER=name)
            frame(raw, f"s-{'cousins' if name == 'R' else 'sloan'}.fits", "science", 60.0, FILTER=name)
        made = plan(raw)
        assert flats_of(made) == {
            "combined_flat_R_upper_case.fits": [f"flat-cousins-{n}.fits" for n in (1, 2, 3)],
            "combined_flat_r_lower_case.fits": [f"flat-sloan-{n}.fits" for n in (1, 2, 3)],
        }
        assert [group.label for group in made.groups] == ["flat R", "flat r"]
        assert chosen(made) == {
            "s-cousins.fits": "combined_flat_R_upper_case.fits",
            "s-sloan.fits": "combined_flat_r_lower_case.fits",
        }
        assert told(made, "filter") == "R and r are 2: frames of one kind have both: they are told apart by their case"
        assert "another filter: R, not r" in str(made.science[1].matches[2].candidates)

    def test_two_where_science_frames_have_both(self, raw):
        """Then a flat of one of them is none for the other."""
        several(raw, 3, "f", "flat", 5.0, FILTER="R")
        frame(raw, "s1.fits", "science", 60.0, FILTER="R")
        frame(raw, "s2.fits", "science", 60.0, FILTER="r")
        made = plan(raw)
        assert chosen(made) == {"s1.fits": "combined_flat_R_upper_case.fits", "s2.fits": None}
        assert "another filter: R, not r" in told(made, "no flat")

    @pytest.mark.parametrize(("flat", "science"), [("Clear", "CLEAR"), ("R", "r"), ("Clear + Ha", "clear+HA")])
    def test_one_where_no_kind_has_both_and_said(self, raw, flat, science):
        several(raw, 3, "f", "flat", 5.0, FILTER=flat)
        frame(raw, "s1.fits", "science", 60.0, FILTER=science)
        made = plan(raw)
        (name,) = flats_of(made)
        assert chosen(made) == {"s1.fits": name}
        (choice,) = [each for each in made.choices if each.what == "filter"]
        assert not choice.certain
        assert choice.value.endswith("are taken for one")
        assert f"flat frames have {''.join(flat.split())}" in choice.reason
        assert f"science frames have {''.join(science.split())}" in choice.reason

    def test_nothing_is_said_of_names_that_differ_otherwise(self, raw):
        for name in ("g", "g'", "R", "i"):
            several(raw, 2, f"f{name.replace(chr(39), 'p')}", "flat", 5.0, FILTER=name)
        made = plan(raw)
        assert list(flats_of(made)) == [f"combined_flat_{name}.fits" for name in ("g", "gp", "i", "R")]
        assert told(made, "filter") == ""

    def test_other_names_keep_theirs(self, raw):
        """What R and r are called does not depend on what else is there, nor is another filter called otherwise."""
        for name in ("V", "R", "r"):
            several(raw, 2, {"V": "v", "R": "cousins", "r": "sloan"}[name], "flat", 5.0, FILTER=name)
        assert set(flats_of(plan(raw))) == {
            *("combined_flat_R_upper_case.fits", "combined_flat_r_lower_case.fits", "combined_flat_V.fits"),
        }

    @pytest.mark.parametrize("names", [("Ha", "HA", "ha", "hA"), ("R", "r"), ("R", "r", "R_upper_case", "r_2")])
    def test_no_two_results_have_one_name_on_a_disk_that_ignores_case(self, raw, names):
        for number, name in enumerate(names):
            several(raw, 2, f"f{number}-", "flat", 5.0, FILTER=name)
            frame(raw, f"s{number}.fits", "science", 60.0, FILTER=name)
        made = plan(raw)
        targets = [*(group.target for group in made.groups), *(job.target for job in made.masks)]
        assert len(targets) == 2 * len(names)
        assert len({str(target).casefold() for target in targets}) == len(targets)
        by_name = {group.name: {each.traits.filter_name for each in group.frames} for group in made.groups}
        assert all(by_name[str(each.steps.flat)] == {each.traits.filter_name} for each in made.science)


class TestSettings:
    """Amplifiers, read-out modes, cameras: the same rule."""

    def test_two_where_biases_have_both(self, raw):
        for name in ("A", "a"):
            several(raw, 3, f"bias-{ord(name)}-", "bias", AMPNAME=name)
            frame(raw, f"s{ord(name)}.fits", "science", 60.0, AMPNAME=name)
        made = plan(raw)
        by_name = {group.name: group for group in made.groups}
        assert len({name.casefold() for name in by_name}) == 2
        for each in made.science:
            assert by_name[str(each.steps.bias)].traits.settings == each.traits.settings
        assert told(made, "amplifier").startswith("A and a are 2")

    def test_one_where_no_kind_has_both_and_said(self, raw):
        several(raw, 3, "b", "bias", READOUTM="Fast")
        frame(raw, "s1.fits", "science", 60.0, READOUTM="FAST")
        made = plan(raw)
        assert made.science[0].steps.bias == "combined_bias.fits"
        assert "science frames have FAST, bias frames have Fast" in told(made, "read-out mode")
        assert told(made, "read-out modes") == ""


def flat_field(name: str) -> np.ndarray:
    """The response in two filters: brighter to the right, or to the top."""
    y, x = np.mgrid[: SHAPE_YX[0], : SHAPE_YX[1]]
    return 1.0 + 0.2 * ((x / SHAPE_YX[1] if name == "R" else y / SHAPE_YX[0]) - 0.5)


def write_night(folder, filters=("R", "r")):
    chance = np.random.default_rng(7)

    def write(name, light, kind, **cards):
        pixels = chance.poisson(light) + chance.normal(LEVEL, NOISE, SHAPE_YX)
        write_raw(folder / name, np.rint(pixels).astype(np.uint16), IMAGETYP=kind, BUNIT="adu", **cards)

    for number in range(4):
        write(f"b{number}.fits", np.zeros(SHAPE_YX), "zero")
    for number, name in enumerate(filters):
        for each in range(4):
            write(f"f{number}-{each}.fits", 20000.0 * flat_field(name), "flat", FILTER=name, EXPTIME=2.0)
        write(f"s{number}.fits", 333.0 * flat_field(name), "object", FILTER=name, EXPTIME=60.0)


def test_each_science_frame_is_divided_by_the_flat_of_its_own_filter(raw, tmp_path):
    """Averaged, the two flats would leave 17 ADU in a sky of 333, and nothing would be said."""
    write_night(raw)
    out = tmp_path / "out"
    recipe = tmp_path / "night.toml"
    recipe.write_text('[frames]\noverscan = "none"\ngain_e_per_adu = 1.0\n[steps]\ndark = false\n')
    run = command("night", raw, "-o", out, "--recipe", recipe)
    assert run.code == 0, run.out + run.err
    assert "R and r are 2" in run.out
    for number in (0, 1):
        sky = calibrated(out / f"s{number}.fits")
        left = sky.data - 333.0
        assert abs(left.mean()) < 1.5
        # what is left of the flat: means of columns and of rows, whose noise is 20 / sqrt(60)
        assert np.sqrt(np.mean(left.mean(axis=0) ** 2)) < 4.0
        assert np.sqrt(np.mean(left.mean(axis=1) ** 2)) < 4.0
    assert fits.getval(out / "combined_flat_R_upper_case.fits", "NCOMBINE") == 4
    assert fits.getval(out / "combined_flat_r_lower_case.fits", "NCOMBINE") == 4
    said = json.loads((out / "run.json").read_text())["recipe"]["frames"]
    assert {each["traits"]["filter_name"] for each in said.values() if each["kind"] == "flat"} == {"R", "r"}
    again = command("night", raw, "-o", out, "--recipe", recipe)
    assert again.code == 0
    assert "Up to date: " in again.out
