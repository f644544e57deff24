"""Plans are made from headers alone, and say everything that will be done."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from nights import bias_plan
from workbench import raw_pixels, small_folder, write_raw
from zeroframe.errors import (
    CameraError,
    MismatchError,
    NoFramesError,
    OutputError,
    OutputExistsError,
    RawFolderError,
    SectionError,
    UnsupportedError,
    UsageError,
)
from zeroframe.frames.overscan import OverscanSpec
from zeroframe.frames.steps import FrameRecipe, Steps
from zeroframe.headers.cameras import Camera, camera_to_toml
from zeroframe.headers.detectors import Amplifier
from zeroframe.headers.sections import Section
from zeroframe.headers.survey import survey, survey_tree
from zeroframe.planning.first_steps import RecipeOptions, choose_recipe
from zeroframe.planning.planning import plan_night
from zeroframe.planning.recipe import NightRecipe
from zeroframe.planning.targets import check_output_folder, same_form, target_path
from zeroframe.run.result_files import refuse_foreign
from zeroframe.run.status import examine_night

LFC = {"INSTRUME": "LFC", "DETECTOR": "SITe SI002 x 6", "CHIPID": 0}


@pytest.fixture
def raw(tmp_path):
    small_folder(tmp_path / "raw")
    return tmp_path / "raw"


@pytest.fixture
def out(tmp_path):
    return tmp_path / "out"


def plan(raw, out, **said):
    """Plan without a look at pixels: what is not said is not done."""
    return bias_plan(raw, out, **{"overscan": "none", **said})


def section(text):
    return Section.parse(text)


class TestTargets:
    @pytest.mark.parametrize(
        ("name", "compress", "expected"),
        [
            ("a.fits", "none", "a.fits"),
            ("a.fit", "none", "a.fits"),
            ("A.FTS", "none", "A.fits"),
            ("ccd.001.0.fits.gz", "none", "ccd.001.0.fits"),
            ("a.fits.fz", "gzip", "a.fits.gz"),
            ("a.fits.bz2", "rice", "a.fits.fz"),
            ("frame_0001", "none", "frame_0001.fits"),
            (".fits", "none", ".fits.fits"),
        ],
    )
    def test_names(self, name, compress, expected):
        assert target_path(Path("out"), Path("raw", name), compress) == Path("out", expected)

    def test_second_of_two_with_one_target_is_refused(self, raw, out):
        write_raw(raw / "B1.fit", raw_pixels(8))
        made = plan(raw, out)
        assert [frame.source.name for frame in made.frames] == ["B1.fit", "b2.fits", "b3.fits"]
        (refused,) = made.refused
        assert refused.path == raw / "b1.fits"
        assert isinstance(refused.problem, OutputError)

    def test_without_combining_the_name_is_free(self, raw, out):
        write_raw(raw / "combined_bias.fits", raw_pixels(8))
        assert len(plan(raw, out).refused) == 1
        assert plan(raw, out, combine=False).refused == ()


class TestOutputFolder:
    def test_beside_and_above_the_raw_folder_are_fine(self, raw, tmp_path):
        check_output_folder(raw, tmp_path / "raw2")
        check_output_folder(raw, tmp_path)

    @pytest.mark.parametrize("where", [".", "out", "a/b/c", "../raw", "../raw/x"])
    def test_within(self, raw, where):
        with pytest.raises(RawFolderError, match="raw"):
            check_output_folder(raw, raw / where)

    def test_within_by_a_link_on_the_way(self, raw, tmp_path):
        (tmp_path / "link").symlink_to(raw)
        with pytest.raises(RawFolderError, match="lies inside"):
            check_output_folder(raw, tmp_path / "link" / "a" / "b")
        with pytest.raises(RawFolderError, match="is the raw folder"):
            check_output_folder(tmp_path / "link", raw)


class TestPlan:
    def test_needs_no_pixels(self, raw, out):
        """Frames whose data have been cut away are planned as any other."""
        whole = plan(raw, out)
        for path in raw.iterdir():
            path.write_bytes(path.read_bytes()[:2880])
        cut = plan(raw, out)
        assert replace(cut, found=()) == replace(whole, found=())
        assert not out.exists()

    def test_jobs(self, raw, out):
        made = plan(raw, out, overscan="[17:20,:]", trim="[16:1,*]")
        assert [frame.target for frame in made.frames] == [out / f"b{n}.fits" for n in (1, 2, 3)]
        assert {frame.shape_yx for frame in made.frames} == {(12, 16)}
        recipe = FrameRecipe.of_one(OverscanSpec(section("[17:20,1:12]"), None, "auto"), section("[16:1,1:12]"))
        assert {frame.recipe for frame in made.frames} == {recipe}
        assert {frame.steps for frame in made.frames} == {Steps()}
        (group,) = made.groups
        assert group.frames == made.frames
        assert group.target == out / "combined_bias.fits"
        assert (group.spec.method, group.spec.rejection.sigma_high) == ("average", 5.0)
        assert (made.masks, made.science, made.uncombined) == ((), (), ())

    def test_all_become_one_whatever_their_night_temperature_and_gain(self, tmp_path, out):
        """As `zeroframe bias` always did; a night divides them."""
        for number, (night, degrees) in enumerate([("2024-03-14", -10.0), ("2024-03-15", -20.0)]):
            cards = {"DATE-OBS": f"{night}T22:00:00", "CCD-TEMP": degrees, "GAIN": 1.0 + number}
            write_raw(tmp_path / "raw" / f"b{number}.fits", raw_pixels(number), **cards)
        (group,) = plan(tmp_path / "raw", out).groups
        assert (group.name, len(group.frames)) == ("combined_bias.fits", 2)
        found = survey_tree(tmp_path / "raw")
        assert len(plan_night(found, tmp_path / "raw", out, NightRecipe()).groups) == 2

    def test_existing_results(self, raw, out):
        out.mkdir()
        (out / "b1.fits").touch()
        (out / "b3.fits").touch()
        with pytest.raises(OutputExistsError, match=r"b1.fits: is there already \(and 1 more of this run\): it "):
            refuse_foreign(examine_night(plan(raw, out)))
        assert plan(raw, out, overwrite=True).overwrite
        assert plan(raw, out, compress="gzip").frames[0].target == out / "b1.fits.gz"

    def test_no_biases(self, tmp_path, out):
        write_raw(tmp_path / "raw" / "f.fits", raw_pixels(1), IMAGETYP="flat")
        with pytest.raises(NoFramesError, match=r"no bias frame that can be used \(1 flat\)"):
            plan(tmp_path / "raw", out)

    def test_unusable_files_of_another_kind_are_not_our_business(self, raw, out):
        write_raw(raw / "cube.fits", raw_pixels(1)[None].repeat(3, 0), IMAGETYP="object")
        write_raw(raw / "bias_cube.fits", raw_pixels(1)[None].repeat(3, 0))
        assert [refused.path.name for refused in plan(raw, out).refused] == ["bias_cube.fits"]

    def test_most_frames_decide(self, raw):
        write_raw(raw / "a_first_but_odd.fits", raw_pixels(1, (10, 10)))
        usable, refused = same_form(survey_tree(raw, recurse=False))
        assert [item.path.name for item in usable] == ["b1.fits", "b2.fits", "b3.fits"]
        assert isinstance(refused[0].problem, MismatchError)
        assert "is 10 x 10 pixels in adu, but most of the frames are 20 x 12 pixels in adu" in str(refused[0].problem)

    def test_unit_that_is_not_stated_is_adu(self, raw):
        write_raw(raw / "b4.fits", raw_pixels(4), BUNIT="ADU")
        assert same_form(survey_tree(raw, recurse=False))[1] == []


class TestRecipe:
    def choose(self, tmp_path, shape_yx=(12, 20), cards=None, **wishes):
        path = write_raw(tmp_path / "one.fits", raw_pixels(1, shape_yx), **(cards or {}))
        recipe, camera, choices = choose_recipe(survey([path])[0], RecipeOptions(**wishes))
        return recipe, camera, {choice.what: choice for choice in choices}

    def profile(self, tmp_path, **amplifier):
        path = tmp_path / "my.toml"
        path.write_text(camera_to_toml(Camera("mine", "My camera", (12, 20), (Amplifier(**amplifier),))))
        return str(path)

    def test_nothing_known(self, tmp_path):
        recipe, camera, choices = self.choose(tmp_path, cards={"BIASSEC": "[17:20,1:12]"})
        assert (recipe, camera) == (FrameRecipe(), None)
        assert not choices["overscan"].certain
        assert "[17:20,1:12]" in choices["overscan"].reason

    def test_section_of_the_header_that_says_nothing(self, tmp_path):
        _, _, choices = self.choose(tmp_path, cards={"BIASSEC": "UNKNOWN"})
        assert choices["overscan"].certain
        assert "names no overscan" in choices["overscan"].reason

    def test_camera_by_profile(self, tmp_path):
        amplifier = {"overscan": section("[18:20,:]"), "trim": section("[1:16,:]"), "overscan_method": "mean"}
        name = self.profile(tmp_path, **amplifier, overscan_reason="because")
        recipe, camera, choices = self.choose(tmp_path, camera=name)
        assert camera.name == "mine"
        assert recipe == FrameRecipe.of_one(OverscanSpec(section("[18:20,1:12]"), 1, "mean"), section("[1:16,1:12]"))
        assert [choices[what].reason for what in ("camera", "overscan", "trim")] == [
            "as asked for",
            "because",
            "profile of mine",
        ]

    def test_what_is_asked_for_overrides_the_camera(self, tmp_path):
        name = self.profile(tmp_path, overscan=section("[18:20,:]"), trim=section("[1:16,:]"), overscan_method="mean")
        wishes = {"overscan_fit": "spline", "overscan_order": 2, "overscan_method": "clipped"}
        recipe, _, choices = self.choose(tmp_path, camera=name, trim=section("[1:10,:]"), **wishes)
        assert recipe.regions[0].overscan == OverscanSpec(section("[18:20,1:12]"), 1, "clipped", "spline", 2)
        assert str(recipe.trim) == "[1:10,1:12]"
        assert choices["trim"].reason == "as asked for"

    def test_order_zero_is_a_constant(self, tmp_path):
        wishes = {"overscan": section("[17:20,:]"), "overscan_fit": "chebyshev", "overscan_order": 0}
        assert self.choose(tmp_path, **wishes)[0].regions[0].overscan.order == 0

    def test_sections_switch_recognition_off(self, tmp_path):
        cards = {**LFC, "CCDSUM": "16 16"}
        recipe, camera, choices = self.choose(tmp_path, (258, 130), cards, trim=section("[1:128,:]"))
        assert camera is None
        assert recipe.regions[0].overscan is None
        assert choices["overscan"].reason == "none asked for"

    def test_recognised_and_binned(self, tmp_path):
        recipe, camera, choices = self.choose(tmp_path, (258, 130), {**LFC, "CCDSUM": "16 16"})
        assert camera.name == "palomar-lfc"
        assert (str(recipe.regions[0].overscan.section), str(recipe.trim)) == ("[130:130,1:258]", "[1:128,1:258]")
        assert "recognised by INSTRUME = 'LFC'" in choices["camera"].reason

    @pytest.mark.parametrize("nx", [256, 257])
    def test_size_that_is_no_multiple_of_the_binning(self, tmp_path, nx):
        """4109 columns binned by 16 are 256 on one camera and 257 on another."""
        cards = {"INSTRUME": "AspenCG16", "XBINNING": 16, "YBINNING": 16}
        recipe, camera, _ = self.choose(tmp_path, (256, nx), cards)
        assert camera.name == "apogee-cg16m"
        assert str(recipe.trim) == "[1:256,1:256]"

    def test_errors(self, tmp_path):
        cases = [
            ({"camera": "nikon"}, CameraError, "nikon"),
            ({"camera": "palomar-lfc"}, MismatchError, "one.fits: is 20 x 12 pixels, but frames of camera palomar-lfc"),
            ({"trim": section("[1:21,:]")}, SectionError, "one.fits: trim: .*21.*give --trim"),
            ({"overscan": section("[30:31,:]")}, SectionError, "overscan"),
            ({"overscan_method": "mean"}, UsageError, "give --overscan too"),
            ({"overscan_fit": "spline"}, UsageError, "give --overscan too"),
            ({"overscan": section("[17:20,:]"), "overscan_order": 1}, UsageError, "give --overscan-fit"),
        ]
        for number, (wishes, error, words) in enumerate(cases):
            with pytest.raises(error, match=words):
                self.choose(tmp_path / str(number), **wishes)

    def test_several_amplifiers(self, tmp_path):
        path = tmp_path / "two.toml"
        path.write_text(camera_to_toml(Camera("two", "", None, (Amplifier("a"), Amplifier("b")))))
        with pytest.raises(
            CameraError, match=r"two does not fit .*one\.fits \(20 x 12 pixels\): amplifier a has no trim"
        ):
            self.choose(tmp_path, camera=str(path))
        (tmp_path / "one.fits").unlink()
        chips = tuple(Amplifier(detector=name) for name in "ab")
        path.write_text(camera_to_toml(Camera("two", "", None, chips)))
        with pytest.raises(UnsupportedError, match="2 detectors in a file"):
            self.choose(tmp_path, camera=str(path))
