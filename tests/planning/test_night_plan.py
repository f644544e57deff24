"""A night is planned from headers alone: what belongs together, what is done, and what is said of it."""

from __future__ import annotations

import pickle
import random

import pytest

from night_headers import frame, plan, several, simulated_headers, told
from zeroframe.errors import CameraError, MismatchError, NoFramesError, OutputError, RawFolderError
from zeroframe.headers.kinds import Kind
from zeroframe.headers.survey import survey_tree
from zeroframe.inspection import inspect_overscan
from zeroframe.planning.detect import look_at_pixels
from zeroframe.planning.planning import plan_night
from zeroframe.planning.recipe import NightRecipe, parse_recipe
from zeroframe.planning.shorthands import recipe_for
from zeroframe.planning.words import explain_frame, plan_tree


@pytest.fixture
def raw(tmp_path):
    return tmp_path / "raw"


def by_name(made):
    return {each.name: each for each in made.frames}


def labels(made, kind=None):
    return [group.label for group in made.groups if kind is None or group.kind is kind]


def small_night(raw, dark_s=300.0):
    """Three biases, darks and flats, and two science frames of 300 s, in filters r and i; flats of r only."""
    several(raw, 3, "b", "bias")
    several(raw, 3, "d", "dark", dark_s)
    several(raw, 3, "f", "flat", 5.0, FILTER="r")
    frame(raw, "s1.fits", "science", 300.0, FILTER="r")
    frame(raw, "s2.fits", "science", 300.0, FILTER="i")


class TestSimulatedNights:
    def test_palomar_keeps_the_bias_in_its_darks(self, raw):
        made = plan(simulated_headers("palomar-lfc", raw))
        assert labels(made) == ["bias", "dark 7 s", "dark 70 s", "dark 300 s", "flat i'", "flat g'"]
        assert [len(group.frames) for group in made.groups] == [7, 3, 3, 3, 3, 3]
        assert all(group.includes_bias for group in made.groups if group.kind is not Kind.FLAT)
        assert not any(group.includes_bias for group in made.groups if group.kind is Kind.FLAT)
        steps = {name: each.steps for name, each in by_name(made).items()}
        g, i = steps["ccd.037.0.fits"], steps["ccd.043.0.fits"]
        assert (g.bias, g.dark, g.dark_scale, g.flat) == (
            None,
            "combined_dark_300s.fits",
            None,
            "combined_flat_gp.fits",
        )
        assert (i.dark, i.flat) == ("combined_dark_300s.fits", "combined_flat_ip.fits")
        assert g.masks == ("hot_pixels_300s.fits", "bad_pixels_gp.fits")
        assert (steps["ccd.014.0.fits"].dark, steps["ccd.017.0.fits"].dark) == (
            "combined_dark_70s.fits",
            "combined_dark_7s.fits",
        )
        assert made.camera.name == "palomar-lfc"
        assert str(by_name(made)["ccd.037.0.fits"].recipe.trim) == "[1:2048,1:4128]"
        assert by_name(made)["darks/ccd.002.0.fits"].target == raw.parent / "out" / "darks" / "ccd.002.0.fits"
        assert (made.incomplete, made.refused, made.ignored) == ((), (), ())
        assert "stays in dark 7 s, dark 70 s, dark 300 s" in told(made, "bias")

    def test_cg16m_subtracts_the_bias_and_scales_its_dark(self, raw):
        made = plan(simulated_headers("apogee-cg16m", raw))
        assert labels(made) == ["bias", "dark 90 s", "flat r"]
        bias, dark, flat = made.groups
        assert (dark.includes_bias, dark.frames[0].steps.bias) == (False, "combined_bias.fits")
        assert {each.steps.dark for each in flat.frames} == {"combined_dark_90s.fits"}
        scales = [each.steps.dark_scale for each in flat.frames]
        assert scales == pytest.approx([t / 90 for t in (1, 1, 1, 1, 1, 1.02, 1.06, 1.11, 1.16, 1.21)])
        for each in made.science:
            steps = each.steps
            assert (steps.bias, steps.dark, steps.dark_scale) == ("combined_bias.fits", "combined_dark_90s.fits", None)
            assert (steps.flat, steps.gain_e_per_adu) == ("combined_flat_r.fits", 1.5)
        assert "no dark has the exposure of 10 flat frames (1 s to 1.21 s)" in told(made, "bias")
        assert "dark 90 s scaled by 0.0111 to 0.0134 for 10 flat frames" in told(made, "dark")
        assert made.incomplete == ()
        assert bias.traits.temperature_c == pytest.approx(-20.045, abs=0.05)

    @pytest.mark.parametrize("camera", ["palomar-lfc", "apogee-cg16m"])
    def test_the_order_of_the_files_does_not_matter(self, raw, camera):
        found = survey_tree(simulated_headers(camera, raw))
        first = plan_night(found, raw, raw.parent / "out", NightRecipe())
        for seed in range(3):
            mixed = random.Random(seed).sample(found, len(found))
            assert plan_night(mixed, raw, raw.parent / "out", NightRecipe()) == first

    def test_jobs_are_plain_data(self, raw):
        made = plan(simulated_headers("palomar-lfc", raw))
        assert pickle.loads(pickle.dumps((made.groups, made.science, made.masks))) == (
            made.groups,
            made.science,
            made.masks,
        )


class TestBias:
    def test_of_no_use_without_darks_of_their_own_exposure(self, raw):
        small_night(raw)
        made = plan(raw)
        assert made.group("combined_dark_300s.fits").includes_bias is False
        flat = by_name(made)["f1.fits"].steps
        assert (flat.bias, flat.dark, flat.dark_scale) == (
            "combined_bias.fits",
            "combined_dark_300s.fits",
            pytest.approx(5 / 300),
        )
        assert by_name(made)["s1.fits"].steps.bias == "combined_bias.fits"

    def test_policies(self, raw):
        several(raw, 2, "b", "bias")
        several(raw, 2, "d", "dark", 60.0)
        frame(raw, "s.fits", "science", 60.002)
        kept, always, never = (plan(raw, f"[steps]\nbias = '{word}'") for word in ("auto", "always", "never"))
        assert kept.science[0].steps.bias is None
        assert kept.science[0].steps.dark_scale is None
        assert always.science[0].steps.bias == always.groups[1].frames[0].steps.bias == "combined_bias.fits"
        assert never.science[0].steps == kept.science[0].steps
        assert never.groups[1].includes_bias

    def test_a_dark_that_holds_its_bias_is_never_scaled(self, raw):
        several(raw, 2, "d", "dark", 60.0)
        frame(raw, "long.fits", "science", 60.0)
        frame(raw, "short.fits", "science", 10.0)
        made = plan(raw)
        long, short = (by_name(made)[name] for name in ("long.fits", "short.fits"))
        assert (long.steps.dark, long.steps.dark_scale) == ("combined_dark_60s.fits", None)
        assert short.steps.dark is None
        assert {each.name: each.missing for each in made.incomplete} == {
            "long.fits": ("flat",),
            "short.fits": ("bias", "dark", "flat"),
        }
        assert "it still holds its bias, so it is never scaled" in told(made, "no dark")
        assert "there is no bias in the folder; so it is used for its own exposure only" in told(made, "bias")

    def test_is_not_subtracted_where_the_dark_holds_it_and_is_where_no_dark_is_used(self, raw):
        small_night(raw)
        made = plan(raw, "[steps]\ndark = false")
        assert by_name(made)["s1.fits"].steps.bias == "combined_bias.fits"
        assert by_name(made)["s1.fits"].steps.dark is None
        assert {each.missing for each in made.incomplete} == {("flat",)}


class TestScaling:
    def folder(self, raw, *exposures_s):
        several(raw, 2, "b", "bias")
        for exposure_s in exposures_s:
            several(raw, 2, f"d{exposure_s:g}_", "dark", exposure_s)
        frame(raw, "s.fits", "science", 100.0)

    def test_down_from_the_longest(self, raw):
        self.folder(raw, 30.0, 120.0, 600.0)
        steps = plan(raw).science[0].steps
        assert (steps.dark, steps.dark_scale) == ("combined_dark_600s.fits", pytest.approx(1 / 6))

    def test_up_only_where_there_is_no_longer_one_and_never_silently(self, raw):
        self.folder(raw, 30.0, 60.0)
        made = plan(raw)
        steps = made.science[0].steps
        assert (steps.dark, steps.dark_scale) == ("combined_dark_60s.fits", pytest.approx(100 / 60))
        (choice,) = [each for each in made.choices if each.what == "dark"]
        assert not choice.certain
        assert "scaled by 1.67" in choice.value
        assert choice.reason == "no dark of 100 s or longer: its noise grows by as much"

    def test_a_dark_that_does_not_fit_is_not_said_to_be_missing(self, raw):
        several(raw, 2, "b", "bias", CCD_TEMP=-20.0)
        several(raw, 2, "cold", "dark", 60.0, CCD_TEMP=-20.0)
        several(raw, 2, "warm", "dark", 100.0, CCD_TEMP=10.0)
        frame(raw, "s.fits", "science", 100.0, CCD_TEMP=-20.0)
        frame(raw, "t.fits", "science", 30.0, CCD_TEMP=-20.0)
        down, up = told(plan(raw), "dark").splitlines()
        assert down == "dark 60 s, -20 C scaled by 0.5 for 1 science frame: no dark of 30 s"
        assert up.endswith(": no dark of 100 s or longer fits as well: its noise grows by as much")

    @pytest.mark.parametrize("line", ["largest_scale = 1.5", "scale = false", "largest_scale = 1"])
    def test_not_further_than_the_recipe_allows(self, raw, line):
        self.folder(raw, 60.0)
        made = plan(raw, f"[dark]\n{line}")
        assert made.science[0].steps.dark is None
        assert line.split(" ")[0] in told(made, "no dark")

    def test_down_is_allowed_whatever_the_largest_scale(self, raw):
        self.folder(raw, 200.0)
        assert plan(raw, "[dark]\nlargest_scale = 0").science[0].steps.dark_scale == 0.5

    def test_a_dark_of_no_time_is_not_scaled(self, raw):
        self.folder(raw, 0.0)
        assert plan(raw).science[0].steps.dark is None


class TestMissing:
    def test_is_said_and_left(self, raw):
        small_night(raw)
        made = plan(raw)
        assert [(each.name, each.missing) for each in made.incomplete] == [("s2.fits", ("flat",))]
        assert "for 1 of 2 science frames (s2.fits): vignetting" in told(made, "no flat")
        assert "flat r: another filter: r, not i" in told(made, "no flat")
        assert not next(each for each in made.choices if each.what == "no flat").certain

    def test_fails_where_the_recipe_says_so(self, raw):
        small_night(raw)
        made = plan(raw, "missing = 'fail'")
        assert [each.name for each in made.science] == ["s1.fits"]
        (refused,) = made.refused
        assert refused.path == raw / "s2.fits"
        assert isinstance(refused.problem, MismatchError)
        assert "no flat fits: flat r: another filter: r, not i" in str(refused.problem)

    def test_flats_that_fail_are_missed_by_science(self, raw):
        several(raw, 2, "f", "flat", 5.0, FILTER="r")
        frame(raw, "s.fits", "science", 300.0, FILTER="r")
        made = plan(raw, "missing = 'fail'")
        assert (made.groups, made.science) == ((), ())
        assert [each.path.name for each in made.refused] == ["f1.fits", "f2.fits", "s.fits"]

    def test_no_bias_and_no_dark(self, raw):
        several(raw, 2, "f", "flat", 5.0, FILTER="r")
        frame(raw, "s.fits", "science", 300.0, FILTER=" R ")
        made = plan(raw)
        assert made.science[0].steps.flat == "combined_flat_r.fits"
        assert made.group("combined_flat_r.fits").includes_bias
        for what in ("bias", "dark"):
            assert f"there is no {what} in the folder" in told(made, f"no {what}")
            whom = "for 2 of 2 flat frames (f1.fits, f2.fits) and 1 of 1 science frame (s.fits): "
            assert told(made, f"no {what}").startswith(whom)
            assert f"if none is wanted, say so by steps.{what} = " in told(made, f"no {what}")

    def test_nothing_at_all(self, raw):
        frame(raw, "t.fits", "focus")
        with pytest.raises(NoFramesError, match=r"no frame that can be used \(1 other; 1 left alone: IMAGETYP"):
            plan(raw)


class TestSorts:
    def test_mixed_binnings(self, raw):
        small_night(raw)
        several(raw, 2, "binned_b", "bias", shape_yx=(6, 10), CCDSUM="2 2")
        frame(raw, "binned_s.fits", "science", 300.0, shape_yx=(6, 10), CCDSUM="2 2", FILTER="r")
        made = plan(raw)
        binned = by_name(made)["binned_s.fits"]
        assert binned.steps.bias == "combined_bias_10_x_6_binned_2_x_2.fits"
        assert (binned.steps.dark, binned.steps.flat) == (None, None)
        assert "11 frames of 20 x 12 pixels, 3 frames of 10 x 6 pixels binned 2 x 2" in told(made, "sizes")
        assert "binned 1 x 1, not 2 x 2" in told(made, "no flat")

    def test_mixed_amplifiers(self, raw):
        for amplifier in ("A", "B"):
            several(raw, 2, f"{amplifier}b", "bias", AMPNAME=amplifier)
            frame(raw, f"{amplifier}s.fits", "science", 10.0, AMPNAME=amplifier)
        made = plan(raw)
        assert labels(made) == ["bias, amplifier A", "bias, amplifier B"]
        assert [each.steps.bias for each in made.science] == [f"combined_bias_amplifier_{a}.fits" for a in "AB"]
        assert "A (3 frames), B (3 frames)" in told(made, "amplifiers")
        (bias,) = [match for match in made.science[0].matches if match.what == "bias"]
        assert [each.reason for each in bias.candidates][1] == "another amplifier: B, not A"

    def test_temperatures_and_gains(self, raw):
        several(raw, 2, "cold", "dark", 60.0, CCD_TEMP=-20.1, GAIN=1.5)
        several(raw, 2, "warm", "dark", 60.0, CCD_TEMP=-10.0, GAIN=1.5)
        several(raw, 2, "high", "dark", 60.0, CCD_TEMP=-20.3, GAIN=0.5)
        frame(raw, "s.fits", "science", 60.0, CCD_TEMP=-19.9, GAIN=1.5)
        made = plan(raw)
        assert made.science[0].steps.dark == "combined_dark_60s_gain_1.5_-20C.fits"
        (dark,) = [match for match in made.science[0].matches if match.what == "dark"]
        assert {each.reason for each in dark.candidates[1:]} == {
            "at -10.0 C, not -19.9 C",
            "another gain: 0.5, not 1.5 e-/ADU",
        }

    def test_setting_of_a_cmos_camera(self, raw):
        for setting in (0, 100):
            several(raw, 2, f"b{setting}_", "bias", EGAIN=1.2, GAIN=setting)
        frame(raw, "s.fits", "science", 60.0, EGAIN=1.2, GAIN=100)
        assert plan(raw).science[0].steps.bias == "combined_bias_gain_setting_100.fits"

    def test_arcs_get_no_flat_and_others_nothing(self, raw):
        small_night(raw)
        frame(raw, "arc.fits", "arc", 300.0, FILTER="r")
        frame(raw, "focus.fits", "focus", 300.0, FILTER="r")
        frame(raw, "what.fits", None, 300.0, FILTER="r")
        frame(raw, "old.fits", "bias", COMBINED=True)
        made = plan(raw)
        arc = by_name(made)["arc.fits"]
        assert (arc.kind, arc.steps.flat, arc.steps.dark) == (Kind.ARC, None, "combined_dark_300s.fits")
        assert [each.missing for each in made.incomplete if each.name == "arc.fits"] == []
        reasons = {each.path.name: each.reason for each in made.ignored}
        assert reasons.keys() == {"focus.fits", "what.fits", "old.fits"}
        assert "name 'unknown' in steps.kinds" in reasons["what.fits"]
        more = plan(raw, "[steps]\nkinds = ['science', 'other', 'unknown']")
        assert {each.name: each.kind for each in more.science}["what.fits"] is Kind.SCIENCE
        assert by_name(more)["focus.fits"].steps.flat == "combined_flat_r.fits"
        assert "arc.fits" not in by_name(more)

    def test_dark_without_exposure(self, raw):
        small_night(raw)
        frame(raw, "d9.fits", "dark", None)
        assert [each.path.name for each in plan(raw).ignored] == ["d9.fits"]

    def test_guesses_are_said(self, raw):
        frame(raw, "z001.fits", None)
        frame(raw, "z002.fits", None, 2.0)
        made = plan(raw)
        assert "2 of 2 frames taken as bias" in told(made, "kind")
        assert "z002.fits (2 s)" in told(made, "exposure")
        assert "bias: one frame only" not in told(made, "combine")


class TestNights:
    def folder(self, raw):
        for day in (15, 16):
            date = f"2024-03-{day}"
            several(raw, 2, f"b{day}_", "bias", DATE_OBS=f"{date}T20:00:00")
            several(raw, 2, f"f{day}_", "flat", 5.0, FILTER="r", DATE_OBS=f"{date}T18:30:00")
            frame(raw, f"s{day}.fits", "science", 60.0, FILTER="r", DATE_OBS=f"2024-03-{day + 1}T02:00:00")
        several(raw, 2, "i", "flat", 5.0, FILTER="i", DATE_OBS="2024-03-15T18:40:00")
        frame(raw, "i16.fits", "science", 60.0, FILTER="i", DATE_OBS="2024-03-17T03:00:00")

    def test_the_same_night_first_and_the_next_one_said(self, raw):
        self.folder(raw)
        made = plan(raw)
        frames = by_name(made)
        assert frames["s15.fits"].traits.night == "2024-03-15"
        for night in (15, 16):
            steps = frames[f"s{night}.fits"].steps
            assert steps.bias == f"combined_bias_2024-03-{night}.fits"
            assert steps.flat == f"combined_flat_r_2024-03-{night}.fits"
        assert frames["i16.fits"].steps.flat == "combined_flat_i_2024-03-15.fits"
        (other,) = [each for each in made.choices if each.what == "flat of another night"]
        assert not other.certain
        assert other.value == "flat i, night of 2024-03-15 for i16.fits"
        assert "2: 2024-03-15 (7 frames), 2024-03-16 (6 frames)" in told(made, "nights")
        assert "10:30 UT" not in told(made, "nights")
        sentences = "\n".join(explain_frame("s16.fits", frames["s16.fits"].matches))
        assert "Next best: bias, night of 2024-03-15 (combined_bias_2024-03-15.fits): taken 1 night away." in sentences

    def test_too_far_away(self, raw):
        self.folder(raw)
        made = plan(raw, "[tolerances]\nflat_nights = 0")
        assert by_name(made)["i16.fits"].steps.flat is None
        assert "taken 1 night away, more than 0" in told(made, "no flat")

    def test_one_night_that_runs_over_midnight_of_universal_time(self, raw):
        several(raw, 2, "b", "bias", DATE_OBS="2024-03-15", UT="22:49:50")
        frame(raw, "s.fits", "science", 60.0, DATE_OBS="2024-03-16", UT=" 1:07:11.00")
        made = plan(raw)
        assert {each.traits.night for each in made.frames} == {"2024-03-15"}
        assert told(made, "nights") == ""

    def test_dates_alone(self, raw):
        several(raw, 2, "b", "bias", DATE_OBS="24/01/92")
        frame(raw, "s.fits", "science", 60.0, DATE_OBS="25/01/92")
        made = plan(raw)
        assert made.science[0].steps.bias == "combined_bias.fits"
        assert "the date only" in told(made, "nights")

    def test_copies_are_named_and_used(self, raw):
        several(raw, 2, "b", "bias", DATE_OBS="2024-03-15T22:00:00")
        made = plan(raw)
        assert told(made, "copies").startswith("b2.fits and b1.fits")
        assert len(made.groups[0].frames) == 2


class TestFiles:
    def test_two_that_would_collide(self, raw):
        small_night(raw)
        frame(raw, "S1.fit", "science", 300.0, FILTER="r")
        frame(raw, "combined_bias.fits", "science", 300.0, FILTER="r")
        frame(raw, "hot_pixels_300s.fits", "science", 300.0, FILTER="r")
        made = plan(raw)
        assert {each.path.name for each in made.refused} == {"s1.fits", "combined_bias.fits", "hot_pixels_300s.fits"}
        assert all(isinstance(each.problem, OutputError) for each in made.refused)
        frame(raw / "more", "s1.fits", "science", 300.0, FILTER="r")
        assert "more/s1.fits" in by_name(plan(raw))

    def test_compressed(self, raw):
        small_night(raw)
        made = plan(raw, "compress = 'gzip'")
        assert made.science[0].steps.needs == (
            "combined_bias.fits.gz",
            "combined_dark_300s.fits.gz",
            "combined_flat_r.fits.gz",
            "hot_pixels_300s.fits.gz",
            "bad_pixels_r.fits.gz",
        )
        assert all(each.target.name.endswith(".fits.gz") for each in (*made.frames, *made.groups, *made.masks))

    def test_into_the_raw_folder(self, raw):
        small_night(raw)
        frame(raw / "raw", "s9.fits", "science", 300.0)
        for out in (raw / "out", raw):
            with pytest.raises(RawFolderError):
                plan_night(survey_tree(raw), raw, out, NightRecipe())
        # the subfolder's results would stand in the raw folder itself
        with pytest.raises(RawFolderError):
            plan_night(survey_tree(raw), raw, raw.parent, NightRecipe())

    def test_files_that_cannot_be_read(self, raw):
        small_night(raw)
        (raw / "cut.fits").write_bytes(b"SIMPLE  =                    T")
        (raw / "notes.txt").write_text("clouds")
        assert [each.path.name for each in plan(raw).refused] == ["cut.fits"]


class TestTree:
    def names(self, raw, **options):
        return [item.path.relative_to(raw).as_posix() for item in survey_tree(raw, **options)]

    def test_folders_within_and_hidden_ones(self, raw):
        for name in ("b.fits", "darks/d.fits", "darks/old/e.fits", ".hidden/f.fits", "darks/._d.fits", "a/a.fits"):
            frame(raw, name, "bias")
        (raw / "notes.txt").write_text("clouds")
        assert self.names(raw) == ["b.fits", "a/a.fits", "darks/d.fits", "darks/old/e.fits"]

    def test_one_folder_alone(self, raw):
        for name in ("b.fits", "darks/d.fits"):
            frame(raw, name, "bias")
        assert self.names(raw, recurse=False) == ["b.fits"]

    def test_links_are_followed_once(self, raw, tmp_path):
        frame(raw, "b.fits", "bias")
        frame(tmp_path / "library", "d.fits", "dark", 60.0)
        (raw / "darks").symlink_to(tmp_path / "library")
        (raw / "round").symlink_to(raw)
        (tmp_path / "library" / "up").symlink_to(raw)
        (raw / "darks2").symlink_to(tmp_path / "library")
        assert self.names(raw) == ["b.fits", "darks/d.fits"]

    def test_a_folder_that_is_not_there(self, raw, tmp_path):
        with pytest.raises(NoFramesError, match="is not there; give the folder"):
            survey_tree(raw)
        (tmp_path / "file").touch()
        with pytest.raises(NoFramesError, match="is not a folder"):
            survey_tree(tmp_path / "file")


class TestRealFrames:
    def planned(self, folder, out, recipe=""):
        return plan_night(survey_tree(folder), folder, out, parse_recipe(recipe))

    def test_spectra(self, real_data, tmp_path):
        made = self.planned(real_data / "kpno-spectrograph", tmp_path / "out")
        assert [(group.label, len(group.frames)) for group in made.groups] == [("bias", 10), ("flat", 4)]
        # taken in the evening of the 24th and after midnight of universal time: one night
        assert {each.traits.night for each in made.frames} == {"1992-01-24"}
        assert {each.steps.bias for each in made.science} == {"combined_bias.fits"}
        assert {each.steps.flat for each in made.science if each.kind is Kind.ARC} == {None}
        assert {each.steps.flat for each in made.science if each.kind is Kind.SCIENCE} == {"combined_flat.fits"}
        assert {each.missing for each in made.incomplete} == {("dark",)}
        assert self.planned(real_data / "kpno-spectrograph", tmp_path / "out", "steps.dark = false").incomplete == ()

    def test_what_the_pixels_show_of_a_camera_that_is_not_known(self, real_data, tmp_path):
        folder, recipe = real_data / "kpno-spectrograph", NightRecipe()
        found = survey_tree(folder)
        evidence = look_at_pixels(found, recipe)
        assert evidence.verdict == inspect_overscan(folder).verdict
        assert look_at_pixels(found, recipe_for("bias", recipe, {})).verdict == evidence.verdict
        for said in ({"camera": "palomar-lfc"}, {"overscan": "none"}, {"trim": "[1:5,:]"}):
            assert look_at_pixels(found, recipe_for("night", recipe, said)) is None
        assert (
            look_at_pixels([each for each in found if each.facts.kind is Kind.FLAT], recipe_for("bias", recipe, {}))
            is None
        )
        made = plan_night(found, folder, tmp_path / "out", recipe, evidence=evidence)
        assert {each.recipe.regions[0].overscan for each in made.frames} == {evidence.recommended}
        assert {each.recipe.trim for each in made.frames} == {evidence.trim}
        assert evidence.verdict in told(made, "overscan")

    def test_darks_of_many_exposures(self, real_data, tmp_path):
        made = self.planned(real_data / "sbig-darks", tmp_path / "out")
        assert labels(made, Kind.DARK) == ["dark 10 s", "dark 30 s", "dark 70 s", "dark 130 s"]
        assert not any(group.includes_bias for group in made.groups if group.kind is Kind.DARK)

    def test_kinds_by_file_name_only(self, real_data, tmp_path):
        folder = real_data / "sbig-camera"
        made = self.planned(folder, tmp_path / "out")
        assert [(group.label, len(group.frames)) for group in made.groups] == [("bias", 9), ("dark 120 s", 3)]
        assert not made.ignored
        (planet,) = made.science  # no frame says that it is science, so what says nothing can be nothing else
        assert (planet.name, planet.facts.kind, planet.kind) == ("Mars1.FIT", None, Kind.SCIENCE)
        assert (planet.steps.bias, planet.steps.dark_scale) == ("combined_bias.fits", pytest.approx(1 / 120))


class TestFirstSteps:
    def test_sections_of_the_recipe(self, raw):
        small_night(raw)
        made = plan(raw, "[frames]\noverscan = '[17:20,:]'\ntrim = '[1:16,:]'")
        assert {str(each.recipe.trim) for each in made.frames} == {"[1:16,1:12]"}
        assert made.science[0].shape_yx == (12, 16)

    def test_no_overscan_though_the_camera_has_one(self, raw):
        made = plan(simulated_headers("palomar-lfc", raw), "[frames]\noverscan = 'none'")
        assert {each.recipe.subtracts_overscan for each in made.frames} == {False}
        assert {str(each.recipe.trim) for each in made.frames} == {"[1:2048,1:4128]"}
        assert told(made, "overscan") == "not subtracted: as asked for"

    def test_each_form_has_its_own(self, raw):
        simulated_headers("palomar-lfc", raw)
        frame(raw, "guider.fits", "science", 60.0, shape_yx=(100, 100))
        made = plan(raw)
        assert by_name(made)["guider.fits"].recipe.trim is None
        assert {str(each.recipe.trim) for each in made.frames if each.name != "guider.fits"} == {"[1:2048,1:4128]"}
        assert [each.what for each in made.choices if each.what.startswith("overscan of ")] == [
            "overscan of 24 frames, 2080 x 4128 pixels",
            "overscan of 1 frame, 100 x 100 pixels",
        ]

    def test_a_form_that_the_camera_cannot_be_is_refused(self, raw):
        simulated_headers("palomar-lfc", raw)
        frame(raw, "guider.fits", "science", 60.0, shape_yx=(100, 100))
        made = plan(raw, "[frames]\ncamera = 'palomar-lfc'")
        assert [each.path.name for each in made.refused] == ["guider.fits"]
        with pytest.raises(CameraError):
            plan(raw, "[frames]\ncamera = 'palomar-lcf'")

    def test_gain_of_recipe_then_header(self, raw):
        small_night(raw)
        frame(raw, "s3.fits", "science", 300.0, FILTER="r", GAIN=1.7, RDNOISE=4.0)
        said = [(each.steps.gain_e_per_adu, each.steps.read_noise_e) for each in plan(raw).science]
        assert said == [(None, None), (None, None), (1.7, 4.0)]
        asked = plan(raw, "[frames]\ngain_e_per_adu = 2\nread_noise_e = 5.5").science
        assert {(each.steps.gain_e_per_adu, each.steps.read_noise_e) for each in asked} == {(2.0, 5.5)}
        assert "gain will be measured, read noise will be measured" in told(plan(raw), "noise")


class TestSteps:
    def test_switches(self, raw):
        small_night(raw)
        off = plan(raw, "[steps]\nflat = false\nuncertainty = false\n[masks]\nhot_pixels = false\nbad_pixels = false")
        steps = off.science[0].steps
        assert (steps.flat, steps.of(Kind.FLAT), steps.uncertainty, steps.masks) == (None, None, False, ())
        assert off.masks == ()
        assert off.incomplete == ()
        on = plan(raw, "[steps]\nto_electrons = true\ncosmic_rays = 'lacosmic'\n[flat]\nmin_value = 0.3")
        steps = on.science[0].steps
        assert (steps.to_electrons, steps.cosmic_rays, steps.of(Kind.FLAT).min_value) == (True, "lacosmic", 0.3)

    def test_masks_of_the_longest_dark_and_of_flats_that_are_used(self, raw):
        small_night(raw)
        several(raw, 2, "long", "dark", 900.0)
        several(raw, 2, "i", "flat", 5.0, FILTER="z")
        made = plan(raw)
        assert [(job.what, job.source) for job in made.masks] == [
            ("hot", "combined_dark_900s.fits"),
            ("bad", "combined_flat_r.fits"),
        ]
        assert made.science[1].steps.masks == ("hot_pixels_900s.fits",)
        assert told(made, "not used").startswith("flat z")


class TestWords:
    def test_tree_names_every_result(self, raw):
        small_night(raw)
        frame(raw, "focus.fits", "focus")
        made = plan(raw, "missing = 'fail'")
        text = "\n".join(plan_tree(made).lines())
        for name in [group.name for group in made.groups] + [job.name for job in made.masks]:
            assert name in text
        assert "s1.fits: science, 300 s, r\n    minus bias, minus dark 300 s, divided by flat r" in text
        assert "    minus bias, minus 0.0167 x dark 300 s\n" in text
        assert "failed: 1 frame\n" in text
        assert "left alone: 1 file\n    focus.fits: " in text

    def test_what_is_missing_stands_in_the_tree(self, raw):
        small_night(raw)
        branch = next(each for each in plan_tree(plan(raw)).branches if each.text.startswith("s2.fits"))
        assert branch.mood == "doubtful"
        assert branch.lines()[-1] == "  no flat: flat r: another filter: r, not i"
        made = plan(raw, "[dark]\nscale = false")
        flat = next(each for each in plan_tree(made).branches if each.text.startswith("combined_flat_r.fits"))
        assert flat.lines()[-1].startswith("  no dark for 3 frames: dark 300 s: exposure 300 s, not 5 s: would be")

    def test_explained(self, raw):
        small_night(raw)
        several(raw, 2, "e", "dark", 400.0)
        made = plan(raw)
        said = "\n".join(explain_frame("s2.fits", by_name(made)["s2.fits"].matches))
        assert "s2.fits has dark 300 s (combined_dark_300s.fits) subtracted: same exposure: 300 s" in said
        assert (
            "  Next best: dark 400 s (combined_dark_400s.fits): exposure 400 s, not 300 s: would be scaled by 0.75."
            in said
        )
        assert "s2.fits is not divided by a flat, so vignetting, dust and pixel response stay in" in said
        assert "  Rejected: flat r (combined_flat_r.fits): another filter: r, not i." in said
        (only,) = explain_frame("b1.fits", by_name(made)["b1.fits"].matches)
        assert "goes into a combined frame as it is" in only
