"""Camera profiles: those that come along, and a user's own."""

from __future__ import annotations

import dataclasses
import string
from pathlib import Path

import pytest
from astropy.io import fits
from hypothesis import given
from hypothesis import strategies as st
from test_dialects import header_of

from zeroframe.errors import CameraError
from zeroframe.headers.cameras import Camera, camera_names, camera_to_toml, load_camera, recognise
from zeroframe.headers.detectors import Amplifier
from zeroframe.headers.sections import AxisRange, Section

MINIMAL = 'name = "mine"\n[[amplifier]]\n'


@pytest.fixture
def load(tmp_path):
    def load_text(text):
        path = tmp_path / "mine.toml"
        path.write_text(text, encoding="utf-8")
        return load_camera(path)

    return load_text


def test_palomar_lfc():
    camera = load_camera("palomar-lfc")
    (amplifier,) = camera.amplifiers
    assert camera.shape_yx == (4128, 2080)
    assert str(amplifier.overscan) == "[2056:2080,1:4128]"
    assert amplifier.overscan.slices_yx(camera.shape_yx) == (slice(0, 4128), slice(2055, 2080))
    assert amplifier.trim.slices_yx(camera.shape_yx) == (slice(0, 4128), slice(0, 2048))
    assert (amplifier.overscan_axis, amplifier.overscan_method) == (1, "median")
    assert "BIASSEC" in amplifier.overscan_reason


def test_apogee_cg16m():
    camera = load_camera("apogee-cg16m")
    (amplifier,) = camera.amplifiers
    assert camera.shape_yx == (4096, 4109)
    assert amplifier.overscan is None
    assert "light leaks" in amplifier.overscan_reason
    assert amplifier.trim.slices_yx(camera.shape_yx) == (slice(0, 4096), slice(0, 4096))


def test_names():
    assert camera_names() == ["apogee-cg16m", "palomar-lfc"]
    camera_names().clear()
    assert camera_names() == ["apogee-cg16m", "palomar-lfc"]


@pytest.mark.parametrize("name", camera_names())
def test_profiles_explain_themselves(name):
    camera = load_camera(name)
    assert camera.name == name
    assert camera.title
    assert camera.source
    assert camera.match
    assert all(amplifier.overscan_reason for amplifier in camera.amplifiers)
    assert recognise(header_of(name), camera.shape_yx) is camera


@pytest.mark.parametrize(
    ("change", "shape_yx"),
    [
        ({}, (4128, 2048)),  # trimmed already
        ({}, (4097, 2080)),
        ({"CHIPID": 3}, (4128, 2080)),  # another chip of the mosaic
        ({"INSTRUME": "LFC2"}, (4128, 2080)),
        ({"INSTRUME": None}, (4128, 2080)),
        ({"CCDBIN1": 2, "CCDBIN2": 2}, (4128, 2080)),
        ({}, (2064, 1040)),  # binned, but the header does not say so
        ({}, (1, 4128, 2080)),
    ],
)
def test_a_frame_of_another_camera_is_not_recognised(change, shape_yx):
    assert recognise({**header_of("palomar-lfc"), **change}, shape_yx) is None


def test_recognised_without_chip_number_and_whatever_the_case():
    cards = {"INSTRUME": "lfc ", "DETECTOR": "SITe SI002 x 6"}
    assert recognise(cards, (4128, 2080)).name == "palomar-lfc"


@pytest.mark.parametrize(("binning", "shape_yx"), [((2, 2), (2064, 1040)), ((4, 1), (4128, 520))])
def test_binned_frame_is_recognised_and_its_sections_follow(binning, shape_yx):
    cards = {**header_of("palomar-lfc"), "CCDBIN1": binning[0], "CCDBIN2": binning[1]}
    camera = recognise(cards, shape_yx)
    assert camera is load_camera("palomar-lfc")
    binned = camera.for_binning(binning)
    assert binned.shape_yx == shape_yx
    assert binned.amplifiers[0].trim.shape_yx(shape_yx) == (shape_yx[0], 2048 // binning[0])
    assert binned.amplifiers[0].overscan.unbin(*binning).ranges[0].first >= 2056


@pytest.mark.parametrize("nx", [2054, 2055])
def test_size_that_is_no_multiple_of_the_binning(nx):
    cards = {"INSTRUME": "AspenCG16", "XBINNING": 2, "YBINNING": 2}
    assert recognise(cards, (2048, nx)).name == "apogee-cg16m"


def test_binning_limits():
    camera = load_camera("palomar-lfc")
    assert camera.for_binning((1, 1)) is camera
    assert camera.for_binning((2, 2)).for_binning((2, 2)).shape_yx == (2064, 1040)
    with pytest.raises(CameraError, match=r"binned \(2, 2\) already"):
        camera.for_binning((2, 2)).for_binning((4, 4))
    with pytest.raises(CameraError, match=r"cannot be binned 26 x 1: .* no whole pixel"):
        camera.for_binning((26, 1))
    with pytest.raises(CameraError, match="a factor is 1 or more"):
        camera.for_binning((0, 1))
    with pytest.raises(CameraError, match="a profile needs the unbinned one"):
        camera_to_toml(camera.for_binning((2, 2)))


def test_real_frames_are_not_mistaken(real_data):
    """None of the real frames is of a camera with a profile, although names come near (Apogee USB/Net)."""
    recognised, seen = [], 0
    for folder in ("kpno-spectrograph", "sbig-camera", "sbig-darks", "saao-left-overscan", "maxim-dl"):
        for path in sorted((real_data / folder).iterdir()):
            header = fits.getheader(path)
            seen += 1
            if recognise(header, (header["NAXIS2"], header["NAXIS1"])) is not None:
                recognised.append(path)
    assert seen > 40
    assert recognised == []


def test_users_file_with_two_amplifiers(load):
    camera = load("""
        name = "mine"
        shape_xy = [100, 50]
        [match]
        instrume = "Mine*"
        [[amplifier]]
        name = "left"
        overscan = "[1:4,*]"
        overscan_method = "mean"
        trim = "[11:50,*]"
        gain_e_per_adu = 2
        [[amplifier]]
        name = "right"
        overscan = "[91:100,:]"
        overscan_axis = 0
        overscan_method = "clipped"
        trim = "[51:90,:]"
        read_noise_e = 4.5
    """)
    left, right = camera.amplifiers
    assert (camera.title, camera.shape_yx, camera.match) == ("mine", (50, 100), (("INSTRUME", "Mine*"),))
    assert (left.name, str(left.overscan), left.overscan_method, left.gain_e_per_adu) == (
        "left",
        "[1:4,:]",
        "mean",
        2.0,
    )
    assert (right.overscan_axis, right.overscan_method, right.read_noise_e) == (0, "clipped", 4.5)
    assert camera.matches({"INSTRUME": "MineTwo"}, (50, 100))
    assert not camera.matches({"INSTRUME": "MineTwo"}, (50, 99))


def test_camera_without_patterns_is_chosen_by_name_only(load):
    assert not load(MINIMAL).matches({}, (50, 100))


def test_camera_without_size_is_known_by_its_cards(load):
    camera = load('name = "mine"\n[match]\nCAMERA = ["A?", "B*"]\n[[amplifier]]\n')
    assert camera.matches({"CAMERA": "A1"}, (7, 7))
    assert camera.matches({"CAMERA": "bcd"}, (9, 9))
    assert not camera.matches({"CAMERA": "A12"}, (7, 7))
    assert not camera.matches({}, (7, 7))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("nmae = 'x'\n[[amplifier]]", ["'nmae' is not known", "did you mean 'name'?"]),
        (MINIMAL + "overscna = '[1:2,:]'", ["amplifier 1", "'overscna' is not known", "did you mean 'overscan'?"]),
        (MINIMAL + "zzz = 1", ["'zzz' is not known; known are name, overscan"]),
        (MINIMAL + "[[amplifier]]\ngian = 1", ["amplifier 2", "'gian'"]),
        ("[[amplifier]]", ["'name' is missing"]),
        ("name = 'x'", ["at least one [[amplifier]]"]),
        ("name = 'x'\namplifier = []", ["at least one [[amplifier]]"]),
        ("name = 'x'\namplifier = 3", ["amplifier = 3", "[[amplifier]]"]),
        ("name = 7\n[[amplifier]]", ["name = 7", "a text in quotes"]),
        ("name = 'x'\nshape_xy = [10]\n[[amplifier]]", ["shape_xy = [10]", "[NAXIS1, NAXIS2]"]),
        ("name = 'x'\nshape_xy = [10, 0]\n[[amplifier]]", ["shape_xy = [10, 0]"]),
        ("name = 'x'\nsaturation_adu = '65535'\n[[amplifier]]", ["saturation_adu = '65535'", "a number above 0"]),
        (MINIMAL + "gain_e_per_adu = 0", ["gain_e_per_adu = 0", "above 0"]),
        (MINIMAL + "gain_e_per_adu = nan", ["gain_e_per_adu = nan"]),
        (MINIMAL + "read_noise_e = true", ["read_noise_e = True"]),
        (MINIMAL + "overscan = 5", ["overscan = 5", "a text in quotes"]),
        (MINIMAL + "overscan = '[5:'", ["amplifier 1: overscan", "'[5:' is not a section"]),
        (MINIMAL + "trim = '[1:5]'", ["amplifier 1: trim", "not one of x and y"]),
        (MINIMAL + "trim = '[5:1,:]'", ["not one of x and y, read forwards"]),
        ("name='x'\nshape_xy=[10,20]\n[[amplifier]]\ntrim='[1:11,:]'", ["trim", "outside the image of 10 x 20 pixels"]),
        (MINIMAL + "overscan_axis = 2", ["overscan_axis = 2", "0 or 1"]),
        (MINIMAL + "overscan_axis = true", ["overscan_axis = True", "0 or 1"]),
        (MINIMAL + "overscan_method = 'mode'", ["overscan_method = 'mode'", "'median' or 'mean' or 'clipped'"]),
        (MINIMAL + "[match]\nINSTRUME = 5", ["match: INSTRUME = 5"]),
        (MINIMAL + "[match]\nINSTRUME = []", ["match: INSTRUME = []"]),
        ("name = 'x'\nmatch = 'LFC'\n[[amplifier]]", ["match = 'LFC'", "a [match] block"]),
        ("name = ", ["not a TOML file", "at end of document"]),
    ],
)
def test_a_wrong_profile_names_file_key_and_value(load, text, words):
    with pytest.raises(CameraError) as caught:
        load(text)
    message = str(caught.value)
    assert "mine.toml: " in message
    for word in words:
        assert word in message


def test_unknown_cameras(tmp_path):
    with pytest.raises(CameraError, match=r"no camera is called 'palomar_lfc'; did you mean 'palomar-lfc'\?"):
        load_camera("palomar_lfc")
    with pytest.raises(CameraError, match="known are apogee-cg16m, palomar-lfc"):
        load_camera("hubble")
    with pytest.raises(CameraError, match="known are"):
        load_camera("../profiles/palomar-lfc")
    with pytest.raises(CameraError, match=r"none\.toml: the camera file cannot be read"):
        load_camera(tmp_path / "none.toml")
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(CameraError, match=r"binary\.toml: this is not a TOML file"):
        load_camera(tmp_path / "binary.toml")


@pytest.mark.parametrize("name", camera_names())
def test_profiles_survive_being_written(load, name):
    assert load(camera_to_toml(load_camera(name))) == load_camera(name)


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
words = st.text(string.ascii_uppercase + "-", min_size=1, max_size=8)
positive = st.none() | st.floats(1e-6, 1e6)
ranges = st.lists(st.integers(1, 10), min_size=2, max_size=2).map(lambda ends: AxisRange(*sorted(ends)))
rectangles = st.none() | st.tuples(ranges, ranges | st.just(AxisRange(None, None))).map(Section)
ends = st.tuples(st.integers(1, 99), st.integers(1, 99)).map(lambda pair: AxisRange(*pair))
places = st.none() | st.tuples(ends, ends).map(Section)
amplifiers = st.builds(
    Amplifier,
    texts,
    rectangles,
    st.sampled_from([0, 1]),
    st.sampled_from(["median", "mean", "clipped"]),
    texts,
    rectangles,
    rectangles,
    rectangles,
    places,
    positive,
    positive,
    positive,
    texts,
)
matches = st.dictionaries(words, st.lists(texts, min_size=1, max_size=3), max_size=3).map(
    lambda found: tuple((card, pattern) for card, patterns in found.items() for pattern in patterns)
)
cameras = st.builds(
    Camera,
    words,
    texts.filter(bool),
    st.none() | st.tuples(st.integers(10, 99), st.integers(10, 99)),
    st.lists(amplifiers, min_size=1, max_size=3).map(tuple),
    matches,
    texts,
    positive,
)


@given(cameras)
def test_any_camera_survives_being_written(tmp_path_factory, camera):
    path = tmp_path_factory.getbasetemp() / "any.toml"
    path.write_text(camera_to_toml(camera), encoding="utf-8", newline="")
    assert load_camera(path) == camera


def test_the_files_that_the_page_shows_can_be_used(load):
    page = (Path(__file__).parents[2] / "docs" / "cameras.md").read_text(encoding="utf-8")
    one, several = (load(block.partition("```")[0]) for block in page.split("```toml\n")[1:])
    assert len(one.amplifiers) == 1
    (detector,) = several.detectors
    assert [each.name for each in detector.placed(several.shape_yx).amplifiers] == ["A", "B"]
    keys = {field.name for field in dataclasses.fields(Amplifier)} - {"overscan_reason"}
    assert {key for key in keys if f"`{key}`" not in page} == set()
