"""Words that a user teaches, on headers and folders that mean nothing without them."""

from __future__ import annotations

import numpy as np
import pytest
from astropy.io import fits

from zeroframe.errors import CameraError, UsageError
from zeroframe.headers.cameras import Camera, camera_to_toml, load_camera
from zeroframe.headers.detectors import Amplifier
from zeroframe.headers.dialects import read_facts
from zeroframe.headers.explaining import dividing_cards, explain_header, unknown_cards
from zeroframe.headers.kinds import Kind
from zeroframe.headers.listing import list_frames
from zeroframe.headers.survey import survey_tree
from zeroframe.headers.words import Words, parse_words, words_of_options, words_text
from zeroframe.planning.recipe import NightRecipe, parse_recipe
from zeroframe.planning.recipe_text import recipe_text

SECRET = {"PLACA": "Cuadro Plano", "EXPMS": 1500, "WHEELX": "rojo", "TEMPINFO": "T=-20.5;P=3", "NBX": 2, "NBY": 3}
TAUGHT = """
[words]
kind = { card = "PLACA", values = { flat = ["*Plano"], bias = ["Cero"] } }
exposure = { card = "EXPMS", factor = 0.001 }
filter = "WHEELX"
temperature = { card = "TEMPINFO", pattern = "T=([-0-9.]+)" }
binning = ["NBX", "NBY"]
settings = { fibre = "FIBRE" }
optics = { prism = "PRISM" }

[[kinds]]
kind = "bias"
folder = "Ceros*"

[[kinds]]
kind = "other"
list = ["a1.fits"]

[[kinds]]
kind = "dark"
card = { OBJECT = "Tapa*" }
"""


def taught():
    return parse_recipe(TAUGHT).words


def test_what_means_nothing_is_understood():
    facts = read_facts({**SECRET, "FIBRE": "A", "PRISM": "LR"}, "x.fits", words=taught())
    assert (facts.kind, facts.kind_certain) == (Kind.FLAT, True)
    assert (facts.exposure_s, facts.filter_name, facts.temperature_c, facts.binning_xy) == (1.5, "rojo", -20.5, (2, 3))
    assert dict(facts.settings)["fibre"] == "A"
    assert dict(facts.optics) == {"prism": "LR"}
    assert read_facts(SECRET, "x.fits").kind is None


@pytest.mark.parametrize(
    ("name", "folders", "cards", "kind"),
    [
        ("b.fits", ("raw", "Ceros 2"), {"IMAGETYP": "object"}, Kind.BIAS),
        ("a1.fits", (), {"IMAGETYP": "object"}, Kind.OTHER),
        ("xa1.fits", (), {"IMAGETYP": "object"}, Kind.SCIENCE),
        ("b.fits", (), {"IMAGETYP": "object", "OBJECT": "tapa puesta"}, Kind.DARK),
    ],
)
def test_rules_come_before_cards(name, folders, cards, kind):
    assert read_facts(cards, name, folders=folders, words=taught()).kind is kind


@pytest.mark.parametrize(
    ("pattern", "name", "folders", "fits_it"),
    [
        ("*/sky*/*.fits", "a.fits", ("raw", "sky1"), True),
        ("sky*/*.fits", "a.fits", ("raw", "sky1"), True),
        ("sky*/*.fits", "a.fits", ("raw", "dome"), False),
        ("s*.fits", "sky.fits", ("raw",), True),
        ("s*.fits", "a.fits", ("sky",), False),
        ("**/Flats/*", "a.fits", ("raw", "flats"), True),
    ],
)
def test_patterns_of_files(pattern, name, folders, fits_it):
    words = words_of_options([f"flat={pattern}"])
    assert (read_facts({}, name, folders=folders, words=words).kind_reason.endswith("(taught)")) is fits_it


def test_words_are_written_and_read_back_equal(tmp_path):
    words = taught()
    again = parse_recipe(words_text(words)).words
    assert again == words
    recipe = parse_recipe(TAUGHT)
    assert parse_recipe(recipe_text(recipe)) == recipe
    assert recipe_text(NightRecipe()) != recipe_text(recipe)
    camera = Camera("mine", "mine", None, (Amplifier(),), words=words)
    (tmp_path / "mine.toml").write_text(camera_to_toml(camera))
    assert load_camera(tmp_path / "mine.toml").words == words


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[words]\nfiltre = 'X'", "words.filtre is not a meaning that can be taught; did you mean 'filter'"),
        ("[words]\nfilter = 3", "words.filter = 3 cannot be used"),
        ("[words]\nfilter = { card = 'X', factor = 2 }", "factor = 2 cannot be used"),
        ("[words]\ntemperature = { card = 'X', pattern = '(' }", "is no regular expression"),
        ("[words]\nkind = { card = 'X', values = { flt = ['a'] } }", "'flt' is no kind of frame; did you mean 'flat'"),
        ("[[kinds]]\nkind = 'flat'", "says not which frames"),
        ("[[kinds]]\nkind = 'flat'\nfiles = 'a'", "the key 'files' is not known"),
    ],
)
def test_what_cannot_be_taught_is_named(text, said, tmp_path):
    with pytest.raises(UsageError, match=r"night\.toml: ") as caught:
        parse_recipe(text, "night.toml")
    assert said in str(caught.value)
    (tmp_path / "my.toml").write_text('name = "my"\n[[amplifier]]\n' + text)
    with pytest.raises(CameraError):
        load_camera(tmp_path / "my.toml")


@pytest.mark.parametrize("option", ["flat", "flat=", "flt=a*", "=a"])
def test_options_that_cannot_be_used_are_named(option):
    with pytest.raises(UsageError, match="--kind"):
        words_of_options([option])


def test_kinds_that_take_part_and_kinds_that_are_taught():
    recipe = parse_recipe("kinds = ['bias']\n[[words.kinds]]\nkind = 'bias'\nfile = 'q*'")
    assert (recipe.kinds, recipe.words.kinds[0].file) == (("bias",), "q*")
    assert parse_words({}, None, "x") == Words()


def write(path, **cards):
    path.parent.mkdir(parents=True, exist_ok=True)
    fits.writeto(path, np.ones((4, 4), np.uint16), fits.Header(cards))


def test_folders_speak_where_nothing_else_does(tmp_path):
    for folder, name in (("Darks", "a"), ("Flats_R", "b"), ("Lights", "c"), ("Flats_R", "bias_7"), ("junk", "d")):
        write(tmp_path / "raw" / folder / f"{name}.fits", EXPTIME=3.0)
    write(tmp_path / "raw" / "Darks" / "flat.fits", EXPTIME=3.0, IMAGETYP="object")
    found = {item.path.stem: item.facts for item in survey_tree(tmp_path / "raw")}
    kinds = {name: (facts.kind, facts.kind_certain) for name, facts in found.items()}
    assert kinds == {
        "a": (Kind.DARK, False),
        "b": (Kind.FLAT, False),
        "c": (Kind.SCIENCE, False),
        "bias_7": (Kind.BIAS, False),
        "d": (None, False),
        "flat": (Kind.SCIENCE, True),
    }


def test_listing_and_survey_understand_alike(tmp_path):
    for number in range(3):
        write(tmp_path / "raw" / f"x{number}.fits", **SECRET, GAIN=1.2)
    words = taught()
    listing = list_frames(tmp_path / "raw", columns=["kind", "exposure", "filter"], words=words, why=True)
    assert set(listing.rows) == {("flat", 1.5, "rojo")}
    assert {item.facts.filter_name for item in survey_tree(tmp_path / "raw", words=words)} == {"rojo"}
    assert any(line.startswith("exposure: 1.5 s, from EXPMS = 1500") for line in listing.explanations[0][1])


def test_what_may_matter_is_named():
    lines = explain_header({"IMAGETYP": "flat", "LAMPSEL": "blue", "GAIN": 100, "AIRMASS": 1.3}, "a.fits")
    assert "not known, and it may matter: LAMPSEL = 'blue'" in lines
    assert any("passed over: GAIN = 100" in line for line in lines)
    assert "exposure: not known; teach it by --card exposure=CARD" in lines
    assert unknown_cards({"LAMPSEL": "blue"}, words_of_options((), ["filter=LAMPSEL"])) == []


@pytest.mark.parametrize(
    ("values", "divides"),
    [
        (["a"] * 3 + ["b"] * 3, True),
        (["a"] * 5 + ["b"], False),
        (["a"] * 6, False),
        (list("abcdef"), False),
        ([1, 1, 2, 2, 3, 3], True),
    ],
)
def test_cards_that_divide_a_group(values, divides):
    headers = [{"EXPTIME": 1.0, "LAMPSEL": value, "AIRMASS": value} for value in values]
    assert [each.keyword for each in dividing_cards(headers)] == (["LAMPSEL"] if divides else [])


def test_a_collection_takes_words(tmp_path):
    from zeroframe import ImageFileCollection

    for number, kind in enumerate(["Cuadro Plano", "Cuadro Plano", "Cero"]):
        write(tmp_path / "raw" / f"x{number}.fits", **{**SECRET, "PLACA": kind})
    (tmp_path / "my.toml").write_text('name = "my"\n[[amplifier]]\n' + TAUGHT)
    files = ImageFileCollection(tmp_path / "raw", words=str(tmp_path / "my.toml"))
    assert files.files_filtered(imagetyp="flat", exptime=1.5) == ["x0.fits", "x1.fits"]
    assert files.files_filtered(imagetyp="bias", filter="rojo") == ["x2.fits"]
    assert "imagetyp" not in ImageFileCollection(tmp_path / "raw").keywords
