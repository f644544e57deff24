"""Frames whose word for their kind is in no table: a night names the word, the frames, and what to say."""

from __future__ import annotations

import shlex

import numpy as np

from workbench import command, write_raw
from zeroframe import night

SHAPE = (24, 40)


def _frames(raw, word):
    chance = np.random.default_rng(3)
    for name, kind, level, exposure in (("b", "bias", 0, 0.0), ("f", word, 20000, 4.0), ("s", "object", 900, 60.0)):
        for number in range(3):
            pixels = np.rint(chance.normal(1000 + level, 5 + level**0.5, SHAPE)).astype(np.uint16)
            cards = {"DATE-OBS": f"2026-01-01T0{'bfs'.index(name)}:{number:02d}:00", "GAIN": 1.0}
            write_raw(raw / f"{name}{number}.fits", pixels, IMAGETYP=kind, EXPTIME=exposure, **cards)


def test_the_word_is_named_and_the_rule_that_is_given_helps(tmp_path):
    (tmp_path / "raw").mkdir()
    _frames(tmp_path / "raw", "ZWIELICHT")
    found = {each.code: each for each in night(tmp_path / "raw", tmp_path / "out", report=False).findings}
    assert found["ZF509"].frames == ("f0.fits", "f1.fits", "f2.fits")
    assert "'ZWIELICHT'" in found["ZF509"].sentence
    assert "f0.fits" in found["ZF104"].sentence
    rule = shlex.split(found["ZF509"].sentence.split("--kind ")[1])[0]
    assert rule == "flat=IMAGETYP=ZWIELICHT"
    again = command("night", tmp_path / "raw", "-o", tmp_path / "again", "--no-report", "--kind", rule)
    assert (tmp_path / "again" / "combined_flat.fits").exists() or list((tmp_path / "again").glob("combined_flat*")), (
        again.err
    )


def test_words_that_are_known_are_not_named(tmp_path):
    (tmp_path / "raw").mkdir()
    _frames(tmp_path / "raw", "FLATDOME")
    codes = {each.code for each in night(tmp_path / "raw", tmp_path / "out", report=False).findings}
    assert not codes & {"ZF104", "ZF509"}
