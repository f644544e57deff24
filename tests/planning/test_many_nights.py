"""`zeroframe night --by-night`: nights told apart, what they lend each other, each in a folder that stands alone."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from night_headers import frame
from nights import all_bytes
from reliability import hashes
from workbench import command, pixels_of, raw_pixels, write_raw
from zeroframe.cli.calibrate import PlanRun
from zeroframe.errors import NoFramesError, RawFolderError, UnsupportedError, UsageError
from zeroframe.headers.survey import survey_tree
from zeroframe.headers.trees import tree_files
from zeroframe.planning.calendar import UNDATED, make_calendar
from zeroframe.planning.manifest import read_manifest
from zeroframe.planning.nights import nights_of_list, nights_of_tree
from zeroframe.planning.planning import plan_night
from zeroframe.planning.recipe import parse_recipe
from zeroframe.planning.traits import Moment, emptiest_hours, split_nights

CARDS = {"GAIN": 1.5, "RDNOISE": 6.0}
#: For frames of 30 x 40 pixels.
RECIPE = '[frames]\noverscan = "none"\ntrim = "[1:30,:]"\n'


def when(night: int, hour: int = 4) -> str:
    """Return a time in a night of November 2026 that begins in the evening of the day before, in universal time."""
    return f"2026-11-{night + 1:02d}T{hour:02d}:00:00"


def header(raw: Path, night: int, name: str, kind: str, exposure_s: float = 0.0, folder: str = "n{}", **cards) -> Path:
    """Write the header of a frame into the folder of its night."""
    where = raw / folder.format(night)
    return frame(where, f"{name}.fits", kind, exposure_s, DATE_OBS=when(night), **{**CARDS, **cards})


def night_of(raw: Path, night: int, *kinds: str, folder: str = "n{}", filter_name: str = "g") -> None:
    """Write the headers of a night: a science frame, and two of each kind that is named."""
    header(raw, night, f"s{night}", "science", 60.0, folder, FILTER=filter_name)
    for kind in kinds:
        exposure_s = {"bias": 0.0, "dark": 60.0, "flat": 2.0}[kind]
        cards = {"FILTER": filter_name} if kind == "flat" else {}
        for n in (1, 2):
            header(raw, night, f"{kind}{night}_{n}", kind, exposure_s, folder, **cards)


def nights_in(raw: Path, recipe: str = "", **more):
    return nights_of_tree(raw, raw.parent / "out", parse_recipe(recipe), **more)


def plan_of(raw: Path, night: int, recipe: str = ""):
    nights = nights_in(raw, recipe)
    [wanted] = [each for each in nights.calendar.nights if each.name == f"2026-11-{night:02d}"]
    return nights.plan(wanted)


def lent_to(raw: Path, night: int, recipe: str = "") -> set[str]:
    """Return the names of the frames of other nights that a night is planned with."""
    return {item.path.stem for item in plan_of(raw, night, recipe).found if item.path.parent.name != f"n{night}"}


class TestCalendar:
    @pytest.mark.parametrize("folder", ["n{}", "."])
    def test_a_folder_a_night_or_all_in_one(self, tmp_path, folder):
        for night in (3, 4, 9):
            night_of(tmp_path, night, "bias", folder=folder)
        calendar = make_calendar(tree_files(tmp_path), parse_recipe(""))
        assert [night.name for night in calendar.nights] == ["2026-11-03", "2026-11-04", "2026-11-09"]
        assert [night.wanted for night in calendar.nights] == [3, 3, 3]
        assert calendar.certain
        assert calendar.nights[0].folder == str(tmp_path / folder.format(3))

    def test_it_is_the_same_whatever_is_read_at_once(self, tmp_path, monkeypatch):
        for night in range(1, 6):
            night_of(tmp_path, night, "bias", "flat")
        whole = make_calendar(tree_files(tmp_path), parse_recipe(""))
        monkeypatch.setattr("zeroframe.planning.calendar._CHUNK", 3)
        assert make_calendar(tree_files(tmp_path), parse_recipe("")) == whole

    def test_files_that_say_nothing_belong_to_the_others_of_their_folder(self, tmp_path):
        night_of(tmp_path, 3, "bias")
        frame(tmp_path / "n3", "silent.fits", "bias")
        (tmp_path / "n3" / "damaged.fits").write_bytes(b"no FITS")
        frame(tmp_path / "elsewhere", "lost.fits", "science", 60.0)
        calendar = make_calendar(tree_files(tmp_path), parse_recipe(""))
        assert [(night.name, night.wanted) for night in calendar.nights] == [("2026-11-03", 5), (UNDATED, 1)]

    def test_nights_without_anything_that_is_wanted(self, tmp_path):
        night_of(tmp_path, 3, "bias")
        header(tmp_path, 5, "focus", "other", 5.0)
        calendar = make_calendar(tree_files(tmp_path), parse_recipe(""))
        assert [night.name for night in calendar.nights] == ["2026-11-03"]
        assert [night.name for night in calendar.idle] == ["2026-11-05"]

    def test_nothing_at_all(self, tmp_path):
        with pytest.raises(NoFramesError, match="there is no FITS file"):
            make_calendar(tree_files(tmp_path), parse_recipe(""))

    def test_years_in_which_darks_were_taken_at_any_hour(self):
        from datetime import date

        night = [Moment(date(2016, 1, day), 3600.0 * hour) for day in range(1, 29) for hour in range(2, 12)]
        darks = [Moment(date(2016, 2, 1), 450.0 * n) for n in range(192)]
        noon_s = emptiest_hours([*night, *darks])
        assert 11.5 <= noon_s / 3600 <= 22.5
        names = split_nights(night, noon_s).nights
        assert names == tuple(
            f"2016-01-{day - 1:02d}" if day > 1 else "2015-12-31" for day in range(1, 29) for _ in range(10)
        )

    def test_a_night_is_called_alike_alone_and_among_others(self, tmp_path):
        """Of a night of one exposure at dawn alone, the longest idle stretch is another one."""
        raw = tmp_path / "raw"
        night_of(raw, 3, "bias", "dark", "flat")
        for hour in (1, 10):
            frame(raw / "n5", f"s{hour}.fits", "science", 60.0, FILTER="g", DATE_OBS=when(5, hour), **CARDS)
        frame(raw / "n8", "s.fits", "science", 60.0, FILTER="g", DATE_OBS="2026-11-08T19:00:00", **CARDS)
        nights = nights_in(raw)
        assert [night.name for night in nights.calendar.nights] == ["2026-11-03", "2026-11-05", "2026-11-08"]
        for night in nights.calendar.nights:
            plan = nights.plan(night)
            assert {each.traits.night for each in plan.science} == {night.name}


class TestBorrowing:
    def test_the_nearest_night_and_of_two_the_earlier(self, tmp_path):
        raw = tmp_path / "raw"
        for night in (2, 8, 12):
            night_of(raw, night, "bias", "dark", "flat")
        night_of(raw, 10, "bias", "dark")
        night_of(raw, 11, "bias", "dark")
        assert lent_to(raw, 10) == {f"{kind}8_{n}" for kind in ("flat", "bias", "dark") for n in (1, 2)}
        assert lent_to(raw, 11) == {f"{kind}12_{n}" for kind in ("flat", "bias", "dark") for n in (1, 2)}
        assert lent_to(raw, 8) == set()

    def test_only_what_is_needed(self, tmp_path):
        """The dark has the exposure of all, so that its bias stays in it."""
        raw = tmp_path / "raw"
        night_of(raw, 8, "bias", "dark", "flat")
        header(raw, 8, "r1", "flat", 2.0, FILTER="r")
        header(raw, 8, "other", "dark", 500.0)
        night_of(raw, 10)
        recipe = "[steps]\nflat = false"
        assert lent_to(raw, 10, recipe + "\n[masks]\nhot_pixels = false") == {"dark8_1", "dark8_2"}
        assert lent_to(raw, 10, recipe) == {"dark8_1", "dark8_2", "other"}  # the longest tells the hot pixels
        plan = plan_of(raw, 10, recipe)
        [science] = plan.science
        assert science.steps.needs == ("combined_dark_60s.fits", "hot_pixels_500s.fits")
        assert plan.groups[0].target == tmp_path / "out" / "2026-11-10" / "combined_dark_60s.fits"
        assert plan.groups[0].frames[0].target == (
            tmp_path / "out" / "2026-11-10" / "borrowed" / "2026-11-08" / "dark8_1.fits"
        )

    def test_what_a_borrowed_frame_needs_in_its_turn(self, tmp_path):
        """The dark and the bias for the flats come from further nights than the flats."""
        raw = tmp_path / "raw"
        night_of(raw, 1, "bias")
        night_of(raw, 5, "dark")
        night_of(raw, 9, "flat")
        night_of(raw, 10)
        names = {"flat9_1", "flat9_2", "dark5_1", "dark5_2", "bias1_1", "bias1_2"}
        assert lent_to(raw, 10) == names
        assert not plan_of(raw, 10).incomplete

    def test_no_further_than_the_tolerances(self, tmp_path):
        raw = tmp_path / "raw"
        night_of(raw, 2, "bias", "dark", "flat")
        night_of(raw, 10, "bias", "dark")
        assert lent_to(raw, 10) == set()
        [missing] = plan_of(raw, 10).incomplete
        assert missing.missing == ("flat",)
        assert lent_to(raw, 10, "[tolerances]\nflat_nights = 8") >= {"flat2_1", "flat2_2"}

    @pytest.mark.parametrize(("borrow", "expected"), [("both", {"flat11"}), ("earlier", {"flat8"}), ("none", set())])
    def test_from_which_side(self, tmp_path, borrow, expected):
        raw = tmp_path / "raw"
        for night in (8, 10, 11):
            night_of(raw, night, "bias", "dark", *(["flat"] if night != 10 else []))
        lent = lent_to(raw, 10, f'[nights]\nborrow = "{borrow}"')
        assert {name.partition("_")[0] for name in lent if name.startswith("flat")} == expected

    def test_another_filter_is_no_help(self, tmp_path):
        raw = tmp_path / "raw"
        night_of(raw, 9, "bias", "dark", "flat", filter_name="r")
        night_of(raw, 7, "bias", "dark", "flat")
        night_of(raw, 10, "bias", "dark")
        assert {name[:5] for name in lent_to(raw, 10) if name.startswith("flat")} == {"flat7"}

    def test_biases_that_tell_the_noise_where_no_header_does(self, tmp_path):
        raw = tmp_path / "raw"
        for night, kinds in ((8, ("bias",)), (10, ("science",))):
            for kind in kinds:
                for n in (1, 2):
                    exposure_s = 0.0 if kind == "bias" else 60.0
                    frame(raw / f"n{night}", f"{kind}{n}.fits", kind, exposure_s, GAIN=1.5, DATE_OBS=when(night))
        assert lent_to(raw, 10, '[steps]\nbias = "never"\ndark = false\nflat = false') == {"bias1", "bias2"}

    def test_a_frame_without_its_flat_may_be_refused(self, tmp_path):
        raw = tmp_path / "raw"
        night_of(raw, 10, "bias", "dark")
        assert len(plan_of(raw, 10, 'missing = "fail"').refused) == 1
        night_of(raw, 12, "bias", "dark", "flat")
        assert not plan_of(raw, 10, 'missing = "fail"').refused

    @pytest.mark.parametrize("seed", range(4))
    def test_as_one_plan_of_all_nights_would_choose(self, tmp_path, seed):
        """Oracle: every night in one plan, where every combined frame is a candidate."""
        raw, chance = tmp_path / "raw", np.random.default_rng(seed)
        for night in sorted(chance.choice(np.arange(1, 29), 9, replace=False)):
            kinds = [kind for kind in ("bias", "dark", "flat") if chance.random() < 0.4]
            night_of(raw, int(night), *kinds, filter_name=str(chance.choice(["g", "r"])))
        recipe = '[steps]\nbias = "always"\n[tolerances]\nflat_nights = 20\ndark_nights = 25'
        whole = plan_night(survey_tree(raw), raw, tmp_path / "all", parse_recipe(recipe))
        nights = nights_in(raw, recipe)
        assert len(nights.calendar.nights) == 9
        for night in nights.calendar.nights:
            plan = nights.plan(night)
            for own in plan.science:
                [other] = [each for each in whole.science if each.name == own.name]
                assert _made_of(plan, own) == _made_of(whole, other)
                assert own.steps.dark_scale == other.steps.dark_scale


def _made_of(plan, frame) -> dict[str, object]:
    """Return the raw files that each combined frame of a frame is made of, and what those are made with."""
    groups = {group.name: group for group in plan.groups}
    found = {}
    for match in frame.matches:
        members = groups[match.chosen].frames if match.chosen is not None else ()
        found[match.what] = [(each.name, _made_of(plan, each)) for each in members]
    return found


def real_nights(raw: Path) -> Path:
    """Write frames of 40 x 30 pixels of three nights: darks in the first, flats in the last, biases in each."""
    number = 0

    def write(night: int, name: str, kind: str, exposure_s: float, level: float, **cards) -> None:
        nonlocal number
        number += 1
        cards = {"IMAGETYP": kind, "EXPTIME": exposure_s, "DATE-OBS": when(night), **CARDS, **cards}
        write_raw(raw / f"n{night}" / f"{name}.fits", raw_pixels(number, (40, 30), level), **cards)

    for night in (10, 11, 13):
        for n in range(3):
            write(night, f"b{n}", "zero", 0.0, 1000)
        write(night, "s", "object", 60.0, 1500, FILTER="g", OBJECT=f"field {night}")
    for n in range(3):
        write(10, f"d{n}", "dark", 60.0, 1010)
        write(13, f"f{n}", "flat", 2.0, 9000, FILTER="g", NUMBER=n)
    return raw


@pytest.fixture(scope="module")
def raw(tmp_path_factory):
    return real_nights(tmp_path_factory.mktemp("nights") / "raw")


@pytest.fixture(scope="module")
def done(raw, recipe, tmp_path_factory):
    """All nights, carried out by the command."""
    out = tmp_path_factory.mktemp("done") / "out"
    before = hashes(raw / "n10")
    run = command("night", raw, "-o", out, "--by-night", "--recipe", recipe)
    assert run.code == 0, run.out + run.err
    assert hashes(raw / "n10") == before
    return out, run


class TestOverscanThatOnlyPixelsShow:
    """Of a camera that nobody knows; its frames have 20 columns without light on the right."""

    def write(self, raw: Path, night: int, *kinds: str) -> None:
        """Write two frames of each kind."""
        for kind in kinds:
            exposure_s, light = {"zero": (0.0, 0), "dark": (60.0, 0), "flat": (2.0, 20000), "object": (60.0, 500)}[kind]
            for n in (1, 2):
                pixels = raw_pixels(100 * night + 10 * len(kind) + n, (100, 120)).astype(float)
                pixels[:, :100] += np.random.default_rng(light + n).normal(light, (light / 1.5) ** 0.5, (100, 100))
                cards = {"IMAGETYP": kind, "EXPTIME": exposure_s, "DATE-OBS": when(night), "FILTER": "g", **CARDS}
                path = raw / f"n{night}" / f"{kind}{n}.fits"
                write_raw(path, np.rint(pixels).astype(np.uint16), **cards, OBJECT=f"{kind} {n}")

    def sky_of(self, path: Path) -> tuple[float, tuple[int, ...]]:
        image = pixels_of(path)
        return float(np.median(image)), image.shape

    def test_a_night_that_borrows_is_treated_as_the_one_that_lends(self, tmp_path):
        """Frames of the sky alone do not show where light ends."""
        raw, out = tmp_path / "raw", tmp_path / "out"
        self.write(raw, 10, "zero", "dark", "flat", "object")
        self.write(raw, 11, "object")
        run = command("night", raw, "-o", out, "--by-night", "--no-report")
        assert run.code == 0, run.out + run.err
        for night in (10, 11):
            level, shape = self.sky_of(out / f"2026-11-{night}" / "object1.fits")
            assert shape == (100, 100)
            assert level == pytest.approx(500, abs=1.5)
        # the folder that was given to -o has no run.json of its own: all nights are looked at
        whole = command("verify", out, "--raw", raw)
        assert whole.code == 0, whole.out + whole.err
        results = [path for night in (10, 11) for path in (out / f"2026-11-{night}").glob("*.fits")]
        assert f"{len(results)} results" in whole.out
        with results[-1].open("r+b") as file:
            file.seek(-100, 2)
            file.write(b"\x55")
        altered = command("verify", out)
        assert altered.code == 1
        assert results[-1].name in altered.out + altered.err

    def test_a_night_without_biases(self, tmp_path):
        raw, out = tmp_path / "raw", tmp_path / "out"
        self.write(raw, 10, "dark", "flat", "object")
        run = command("night", raw, "-o", out, "--no-report")
        assert "overscan: [101:120,1:100] auto" in run.out
        level, shape = self.sky_of(out / "n10" / "object1.fits")
        assert shape == (100, 100)
        assert level == pytest.approx(500, abs=1.5)


class TestCarriedOut:
    def test_each_night_in_a_folder_that_stands_alone(self, done, raw):
        out, run = done
        nights = ["2026-11-10", "2026-11-11", "2026-11-13"]
        assert sorted(path.name for path in out.iterdir()) == [*nights, "overview.html"]
        # the science frames hardly have noise, which is a warning in each night
        assert run.out.count("what its uncertainties say (ZF403)") == 3
        assert f"All is well with 0 of 3 nights, but not with {', '.join(nights)}." in run.out
        assert "bias from 2026-11-10, 2026-11-13; dark from 2026-11-10; flat from 2026-11-13" in run.out
        for night in nights:
            verified = command("verify", out / night, "--raw", raw)
            assert verified.code == 0, verified.out + verified.err

    def test_pixels_are_those_of_one_command_on_the_same_frames(self, done, raw, recipe, tmp_path):
        out, _ = done
        one = tmp_path / "raw"
        for name in ("n10/d0", "n10/d1", "n10/d2", "n10/b0", "n10/b1", "n10/b2", "n13/f0", "n13/f1", "n13/f2"):
            target = one / f"{name}.fits"
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes((raw / f"{name}.fits").read_bytes())
        for name in ("n13/b0", "n13/b1", "n13/b2", "n11/b0", "n11/b1", "n11/b2", "n11/s"):
            target = one / f"{name}.fits"
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes((raw / f"{name}.fits").read_bytes())
        assert command("night", one, "-o", tmp_path / "out", "--recipe", recipe, "--no-report").code == 0
        for ext in (0, "UNCERT"):
            np.testing.assert_array_equal(
                pixels_of(out / "2026-11-11" / "s.fits", ext), pixels_of(tmp_path / "out" / "n11" / "s.fits", ext)
            )

    def test_it_is_explained(self, done):
        out, _ = done
        said = command("explain", out / "2026-11-11" / "s.fits").out
        lent = "2026-11-13/combined_flat_g.fits"
        assert f"s.fits is divided by flat g ({lent}): same filter: g, taken 2 nights away" in said
        assert f"{lent} existed already: {out / lent}, made by zeroframe of 3 frames" in said
        said = command("explain", out / "2026-11-13" / "f0.fits").out
        assert "has dark 60 s (2026-11-10/combined_dark_60s.fits), multiplied by 0.03333 subtracted" in said
        record = json.loads((out / "2026-11-11" / "run.json").read_text())
        choices = [choice["value"] for choice in record["choices"] if choice["what"] == "flat of another night"]
        assert choices == ["flat g for n11/s.fits"]

    def test_what_one_night_has_made_is_lent_and_not_made_again(self, done):
        out, _ = done
        made = sorted(path.relative_to(out).as_posix() for path in out.rglob("combined_*.fits"))
        biases = [f"2026-11-{night}/combined_bias.fits" for night in (10, 11, 13)]
        assert [name for name in made if "bias" not in name] == [
            "2026-11-10/combined_dark_60s.fits", "2026-11-13/combined_flat_g.fits",
        ]  # fmt: skip
        assert len(made) == len(biases) + 2
        assert not list(out.rglob("borrowed"))

    def test_a_second_run_has_nothing_to_do(self, done, raw, recipe):
        out, _ = done
        before = all_bytes(out)
        run = command("night", raw, "-o", out, "--by-night", "--recipe", recipe)
        assert run.code == 0
        assert all_bytes(out) == before
        states = {
            each["state"]
            for record in out.glob("*/run.json")
            for each in json.loads(record.read_text())["this_run"]["frames"]
        }
        assert states == {"skipped"}

    def test_a_list_of_the_same_frames(self, done, raw, recipe, tmp_path):
        out, _ = done
        frames = sorted(raw.rglob("*.fits"))
        (tmp_path / "frames.csv").write_text("night,path\n" + "".join(f"?,{path}\n" for path in frames))
        run = command("night", tmp_path / "frames.csv", "-o", tmp_path / "out", "--by-night", "--recipe", recipe)
        assert run.code == 0, run.out + run.err
        assert all_bytes(tmp_path / "out") == all_bytes(out)

    def test_a_dry_run_writes_nothing(self, raw, recipe, tmp_path):
        run = command("night", raw, "-o", tmp_path / "out", "--by-night", "--recipe", recipe, "--dry-run")
        assert run.code == 0
        assert run.out.count("Nothing was written") == 3
        assert "flat from 2026-11-13" in run.out
        assert not (tmp_path / "out").exists()

    def test_a_dry_run_says_which_nights_would_not_be_well(self, raw, tmp_path):
        night_of(tmp_path / "more", 20)  # a science frame, and nothing to calibrate it with
        (tmp_path / "more" / "bad.fits").write_bytes(b"SIMPLE  =")
        listed = tmp_path / "frames.txt"
        names = [*raw.rglob("*.fits"), *(tmp_path / "more").rglob("*.fits")]
        listed.write_text("".join(f"{name}\n" for name in names))
        recipe = tmp_path / "night.toml"
        recipe.write_text(RECIPE.replace("[1:30,:]", "[1:20,:]"))
        run = command("night", listed, "-o", tmp_path / "out", "--by-night", "--recipe", recipe, "--dry-run")
        verdicts = {
            line.split("│")[1].strip(): line.split("│")[-2].strip()
            for line in run.out.splitlines()[-12:]
            if "│ 2" in line
        }
        assert verdicts == dict.fromkeys(["2026-11-10", "2026-11-11", "2026-11-13"], "can begin") | {
            "2026-11-20": "would lack something"
        }
        [refused] = [line for line in run.out.splitlines() if line.startswith("refused: undated: ")]
        assert refused.endswith("no frame that can be used (no FITS file); give the folder that holds the raw night")
        assert "undated: " + str(tmp_path / "more" / "bad.fits") + ": is cut off within the header" in run.out

    def test_a_bad_night_does_not_stop_the_others(self, raw, recipe, tmp_path):
        nights = tmp_path / "raw"
        for name in ("n10", "n13"):
            (nights / name).mkdir(parents=True)
            for path in (raw / name).iterdir():
                (nights / name / path.name).write_bytes(path.read_bytes())
        for path in (nights / "n10").iterdir():
            path.write_bytes(path.read_bytes()[:2880])
        (nights / "n13" / "f0.fits").write_bytes((raw / "n13" / "f0.fits").read_bytes()[:-2880])
        night_of(nights, 20)
        out = tmp_path / "out"
        out.mkdir()
        for name in ("2026-11-10", "2026-11-13", "2026-11-20"):
            (out / name).write_text("in the way")
        arguments = ("night", nights, "-o", out, "--by-night", "--recipe", recipe, "--no-report")
        run = command(*arguments)
        assert run.code == 2
        assert run.out.count("is a file, not a folder") == 6  # where it happens, and in the summary
        assert "All is well with 0 of 3 nights, but not with 2026-11-10, 2026-11-13, 2026-11-20." in run.out
        (out / "2026-11-13").unlink()
        run = command(*arguments)
        assert run.code == 1
        done = json.loads((out / "2026-11-13" / "run.json").read_text())["this_run"]["frames"]
        states = {each["name"]: each["state"] for each in done}
        assert {states[f"n13/{name}.fits"] for name in ("b0", "b1", "b2", "s")} == {"done"}
        assert states["n10/d0.fits"] == "failed"

    def test_an_error_of_ours_in_one_night_does_not_stop_the_others(self, raw, recipe, tmp_path, monkeypatch):
        out = tmp_path / "out"

        class Failing(PlanRun):
            def make(self):
                if self.plan.out.name == "2026-11-11":
                    raise TypeError("nobody has foreseen this")
                super().make()

        monkeypatch.setattr("zeroframe.cli.nights.PlanRun", Failing)
        run = command("night", raw, "-o", out, "--by-night", "--recipe", recipe, "--no-report")
        assert run.code == 3
        assert "an unexpected error ended the command (TypeError: nobody has foreseen this)" in run.err
        assert [line for line in run.out.splitlines() if "2026-11-11" in line and "an unexpected error" in line]
        states = {
            path.parent.name: json.loads(path.read_text())["state"] for path in sorted(out.glob("2026-11-*/run.json"))
        }
        assert states == dict.fromkeys(["2026-11-10", "2026-11-13"], "finished")
        details = (out / "zeroframe.log").read_text()
        assert "in make" in details
        assert "TypeError: nobody has foreseen this" in details

    def test_a_listed_file_that_is_not_there(self, raw, recipe, tmp_path):
        listed = tmp_path / "list" / "frames.txt"
        listed.parent.mkdir()
        names = [*(raw / "n10").iterdir(), raw / "n10" / "gone.fits", listed]
        listed.write_text("".join(f"{name}\n" for name in names))
        run = command("night", listed, "-o", tmp_path / "out", "--by-night", "--recipe", recipe)
        assert run.code == 1
        assert f"{raw / 'n10' / 'gone.fits'}: there is no such file" in run.out
        assert f"{listed}: " in run.out


class TestWhatIsRefused:
    def test_results_among_raw_frames(self, raw):
        with pytest.raises(RawFolderError):
            nights_of_tree(raw, raw / "out", parse_recipe(""))
        frames = sorted(raw.rglob("*.fits"))
        with pytest.raises(RawFolderError, match="lies inside the raw folder"):
            nights_of_list(frames, raw / "n10" / "out", parse_recipe(""))
        nights = nights_of_list(frames, raw / "out", parse_recipe(RECIPE))  # beside them is allowed
        assert nights.plan(nights.calendar.nights[0]).out == raw / "out" / "2026-11-10"

    def test_lists_that_cannot_be_used(self, tmp_path):
        listed = tmp_path / "frames.txt"
        with pytest.raises(UsageError, match="cannot be read"):
            read_manifest(listed)
        listed.write_bytes(b"\xff\xfe\x00")
        with pytest.raises(UsageError, match="it is no text"):
            read_manifest(listed)
        listed.write_text("# nothing\n\n")
        with pytest.raises(UsageError, match="names no file"):
            read_manifest(listed)
        listed.write_text("n1/a.fits\ns3://bucket/n1/b.fits\n")
        with pytest.raises(UnsupportedError, match=r"s3://bucket/n1/b\.fits: is not on a disk, which --by-night needs"):
            read_manifest(listed)
        listed.write_text("file:///data/a.fits\n/data/a.fits\n")
        assert read_manifest(listed) == (Path("/data/a.fits"),)
        table = tmp_path / "frames.csv"
        table.write_text("file,night\na,1\n")
        with pytest.raises(UsageError, match=r"has no column 'path' \(it has: file, night\)"):
            read_manifest(table)
