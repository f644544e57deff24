"""Many nights that lend each other combined frames: each is made once, whichever night comes first."""

from __future__ import annotations

import json
from collections import Counter

import numpy as np
import pytest
from astropy.io import fits

from nights import all_bytes
from reliability import ALL_CASES
from workbench import command, pixels_of, raw_pixels, write_raw
from zeroframe.planning.lending import digests_of
from zeroframe.planning.nights import nights_of_tree
from zeroframe.planning.recipe import parse_recipe

NIGHTS = 20
CARDS = {"GAIN": 1.5, "RDNOISE": 6.0}
RECIPE = '[frames]\noverscan = "none"\ntrim = "[1:30,:]"\n[steps]\nbias = "always"\n[tolerances]\nflat_nights = 20\n'
LEVELS = {"bias": 1000.0, "dark": 1010.0, "flat": 9000.0, "science": 1500.0}
WORDS = {"bias": ("zero", 0.0), "dark": ("dark", 60.0), "flat": ("flat", 2.0), "science": ("object", 60.0)}


def archive(raw, has, nights=NIGHTS):
    """Write nights of frames of 40 x 30 pixels; ``has(night)`` says of which kinds there are three frames."""
    for night in range(1, nights + 1):
        for kind in ("science", *has(night)):
            for n in range(1 if kind == "science" else 3):
                word, exposure_s = WORDS[kind]
                cards = {"IMAGETYP": word, "EXPTIME": exposure_s, "DATE-OBS": f"2026-11-{night + 1:02d}T04:00:00"}
                cards |= {"FILTER": "g", "OBJECT": f"{kind} {n}", **CARDS}
                pixels = raw_pixels(1000 * night + 10 * len(kind) + n, (40, 30), LEVELS[kind])
                write_raw(raw / f"n{night:02d}" / f"{kind}{n}.fits", pixels, **cards)
    return raw


def run(raw, out, recipe, *more):
    done = command("night", raw, "-o", out, "--by-night", "--recipe", recipe, "--no-report", *more)
    assert done.code == 0, done.out + done.err
    return done


def combinations(out):
    """The raw frames of each combined frame that is there, as the records of the nights say."""
    found = Counter()
    for night in sorted(out.iterdir()):
        groups = json.loads((night / "run.json").read_text())["recipe"]["groups"]
        for name, group in groups.items():
            assert (night / name).exists()
            found[group["kind"], tuple(group["frames"])] += 1
            # each in the folder of the night whose frames it is made of
            assert {f"2026-11-{frame[1:3]}" for frame in group["frames"]} == {night.name}
    assert sum(found.values()) == len(list(out.rglob("combined_*.fits")))
    return found


def of_one_plan(raw, out):
    """The same by a plan of all nights at once, where each set of frames is one group."""
    from zeroframe.headers.survey import survey_tree
    from zeroframe.planning.planning import plan_night

    plan = plan_night(survey_tree(raw), raw, out, parse_recipe(RECIPE))
    return plan, Counter((str(group.kind), tuple(frame.name for frame in group.frames)) for group in plan.groups)


PATTERNS = {
    "the first has all": lambda night: ("bias", "dark", "flat") if night == 1 else (),
    "the last has all": lambda night: ("bias", "dark", "flat") if night == NIGHTS else (),
    "biases each, darks once, flats at times": lambda night: (
        ("bias",) + (("dark",) if night == 9 else ()) + (("flat",) if night % 6 == 0 else ())
    ),
    "two that lend each other": lambda night: {4: ("bias", "dark"), 15: ("bias", "flat")}.get(night, ()),
}


@pytest.mark.long
@pytest.mark.parametrize("pattern", PATTERNS if ALL_CASES else list(PATTERNS)[2:3])
def test_each_combined_frame_of_twenty_nights_is_made_once(tmp_path, pattern):
    raw, recipe = archive(tmp_path / "raw", PATTERNS[pattern]), tmp_path / "night.toml"
    recipe.write_text(RECIPE)
    run(raw, tmp_path / "out", recipe)
    plan, expected = of_one_plan(raw, tmp_path / "all")
    assert set(expected.values()) == {1}
    assert combinations(tmp_path / "out") == expected
    for frame in plan.science[:: 1 if ALL_CASES else 7]:
        night = f"2026-11-{int(frame.name[1:3]):02d}"
        header = fits.getheader(tmp_path / "out" / night / "science0.fits")
        assert all(header.get(card) for card in ("ZEROCOR", "DARKCOR", "FLATCOR"))
        assert command("verify", tmp_path / "out" / night).code == 0
    if ALL_CASES:
        before = all_bytes(tmp_path / "out")
        run(raw, tmp_path / "out", recipe)
        assert all_bytes(tmp_path / "out") == before
    # science is that of one plan of all nights, in which nothing is lent
    whole = command("night", raw, "-o", tmp_path / "all", "--recipe", recipe, "--no-report")
    assert whole.code == 0, whole.out + whole.err
    for frame in plan.science:
        night = f"2026-11-{int(frame.name[1:3]):02d}"
        for ext in (0, "UNCERT"):
            np.testing.assert_array_equal(
                pixels_of(tmp_path / "out" / night / "science0.fits", ext),
                pixels_of(tmp_path / "all" / frame.name, ext),
            )


def test_two_nights_that_lend_each_other_and_a_dry_run(tmp_path):
    """Whichever is reduced first makes what the other would; what is there already is lent in a dry run, too."""
    kinds = {1: ("bias", "dark"), 2: (), 3: ("bias", "flat")}
    raw, recipe = archive(tmp_path / "raw", lambda night: kinds.get(night, ()), 3), tmp_path / "night.toml"
    recipe.write_text(RECIPE)
    run(raw, tmp_path / "out", recipe)
    assert combinations(tmp_path / "out") == of_one_plan(raw, tmp_path / "all")[1]
    dry = run(raw, tmp_path / "out", recipe, "--dry-run")
    assert "to make" not in dry.out
    before = all_bytes(tmp_path / "out")
    run(raw, tmp_path / "out", recipe)
    assert all_bytes(tmp_path / "out") == before


def test_a_combined_frame_of_other_frames_or_made_otherwise_is_another(tmp_path):
    raw = archive(tmp_path / "raw", lambda night: ("bias", "dark", "flat") if night in {1, 2} else (), 3)
    digests = []
    for text in ("", "[flat]\nclip = 3\n", '[bias]\nmethod = "median"\n', "[dark]\nscale = false\n"):
        nights = nights_of_tree(raw, tmp_path / "out", parse_recipe(RECIPE + text))
        plans = [nights.plan(night) for night in nights.calendar.nights[:3]]
        digests.append([digests_of(plan) for plan in plans])
    plain, flat, bias, dark = digests
    for made in digests:
        assert len({*made[0].values(), *made[1].values()}) == 6
        assert set(made[2].values()) == set(made[1].values())  # lent by the nearer one
    names = {name: next(each for each in plain[0] if name in each) for name in ("bias", "dark", "flat")}
    same = {name: [made[0][each] == plain[0][each] for made in (flat, bias, dark)] for name, each in names.items()}
    # what is done to biases changes darks and flats, which are made with them; without a dark a flat is another one
    assert same == {"bias": [True, False, True], "dark": [True, False, True], "flat": [False, False, False]}


def test_stored_frames_serve_all_nights(tmp_path):
    raw = archive(tmp_path / "raw", lambda night: ("bias", "dark", "flat") if night == 1 else (), 2)
    recipe = tmp_path / "night.toml"
    recipe.write_text(RECIPE)
    run(raw, tmp_path / "first", recipe)
    masters = tmp_path / "masters"
    masters.mkdir()
    for path in (tmp_path / "first" / "2026-11-01").glob("combined_*.fits"):
        (masters / path.name).write_bytes(path.read_bytes())
    later = archive(tmp_path / "later", lambda _night: (), 2)
    run(later, tmp_path / "out", recipe, "--calibrations", masters)
    for night in (1, 2):
        for ext in (0, "UNCERT"):
            ours, theirs = (
                pixels_of(tmp_path / where / f"2026-11-0{night}" / "science0.fits", ext) for where in ("first", "out")
            )
            np.testing.assert_array_equal(ours, theirs)
