"""Frames without any value: each is named and left out, and the rest of the night is what it is without them."""

from __future__ import annotations

import numpy as np
import pytest
from astropy.io import fits

import zeroframe
from workbench import command, names_in
from wrong_nights import good_shots, write_night
from zeroframe.headers.survey import survey
from zeroframe.inspection.asked_overscan import lit_strip
from zeroframe.inspection.image_layout import image_layout
from zeroframe.inspection.inspecting import inspect_overscan
from zeroframe.inspection.sources import Pixels

EMPTY = {"NaN": np.nan, "infinite": np.inf}


def _emptied(folder, names, value=np.nan):
    for name in names:
        with fits.open(folder / name, mode="update") as hdus:
            hdus[0].data = np.full(hdus[0].shape, value, np.float32)
    return folder


def _night(folder, names=(), value=np.nan):
    write_night(folder, good_shots(counts=(5, 5, 5, 2)))
    return _emptied(folder, names, value)


def _pixels(out, name):
    return fits.getdata(out / name)


@pytest.mark.parametrize("value", EMPTY.values(), ids=EMPTY)
@pytest.mark.parametrize("name", ["b0.fits", "b2.fits", "d0.fits", "f0.fits"])
def test_a_night_is_as_if_an_empty_calibration_frame_were_not_there(name, value, tmp_path):
    made = zeroframe.night(_night(tmp_path / "raw", [name], value), tmp_path / "out", report=False)
    said = [each for each in made.findings if each.code == "ZF203"]
    assert [each.frames for each in said] == [(name,)]
    assert "have no value" in said[0].sentence
    assert not [each for each in made.findings if each.severity != "note"]
    other = _night(tmp_path / "other")
    (other / name).unlink()
    zeroframe.night(other, tmp_path / "without", report=False)
    for result in ("s0.fits", "s1.fits"):
        assert np.array_equal(_pixels(tmp_path / "out", result), _pixels(tmp_path / "without", result))


@pytest.mark.parametrize("option", [[], ["--reject-outliers"]])
@pytest.mark.parametrize("kind", ["bias", "dark", "flat"])
def test_where_all_are_empty_nothing_is_combined(kind, option, tmp_path):
    names = [f"{kind[0]}{number}.fits" for number in range(5)]
    done = command("night", _night(tmp_path / "raw", names), "-o", tmp_path / "out", "--no-report", *option)
    assert done.code == 1
    assert not [name for name in names_in(tmp_path / "out") if name.startswith(f"combined_{kind}")]
    assert "all of its 5 frames were left out: 100 % of its pixels have no value" in " ".join(done.out.split())


def test_a_folder_of_empty_biases_is_not_well(tmp_path):
    raw = _night(tmp_path / "raw", [f"b{number}.fits" for number in range(5)])
    done = command("bias", raw, "-o", tmp_path / "out", "--no-report")
    assert done.code == 1
    assert "All is well" not in done.out
    assert "combined_bias.fits" not in names_in(tmp_path / "out")


def _frames(biases=4, flats=3, seed=3):
    random = np.random.default_rng(seed)
    light = np.where(np.arange(180) < 164, 20000.0, 0.0)

    def read(part):
        return random.normal(1000.0 + random.normal(0, 2) + part * light, 4.0, (140, 180)).astype(np.float32)

    return [read(0.0) for _ in range(biases)], [read(1.0) for _ in range(flats)]


@pytest.mark.parametrize("place", [0, 2])
def test_inspection_finds_the_same_beside_empty_frames(place):
    biases, flats = _frames()
    empty = np.full_like(biases[0], np.nan)
    known = inspect_overscan({"bias": biases, "flat": flats})
    found = inspect_overscan({"bias": [*biases[:place], empty, *biases[place:]][:4], "flat": [empty, *flats]})
    assert str(found.recommended.section) == str(known.recommended.section) == "[165:180,1:140]"
    assert [text for text in found.sentences if "none of its pixels has a value" in text]
    lists = ([*biases[:place], empty, *biases[place:]], [empty, *flats])
    layout = image_layout(*([Pixels(each) for each in some] for some in lists))
    assert layout == image_layout(*([Pixels(each) for each in some] for some in (biases, flats)))
    assert layout.amplifiers == 1
    assert not layout.by_turns


def test_amplifiers_are_not_asked_of_frames_that_are_all_empty():
    biases, flats = _frames()
    empty = [np.full_like(biases[0], np.nan)] * 3
    for some in ((empty, flats), ([*empty, biases[0]], flats), (biases, empty)):
        assert image_layout(*([Pixels(each) for each in those] for those in some)) is None
    assert Pixels(np.ma.masked_all((4, 4)).filled(0), None, np.ones((4, 4), bool)).is_empty
    assert not Pixels(np.zeros((4, 4), np.uint16)).is_empty


def test_light_in_an_overscan_is_seen_beside_an_empty_bias(tmp_path):
    raw = _night(tmp_path / "raw", ["b0.fits"])
    found = survey(sorted(raw.iterdir()))
    assert lit_strip(found, zeroframe.Section.parse("[1:16,:]")).dark == "b1.fits"
