"""Darks of no time, of which nobody knows how long they were exposed, and lone ones."""

from __future__ import annotations

import pytest
from astropy.io import fits

import zeroframe
from workbench import command
from wrong_nights import Shot, write_night

SCIENCE = (
    *(Shot(f"f{i}.fits", "flat", 5, 30000.0) for i in range(3)),
    *(Shot(f"s{i}.fits", "object", 60, 300.0) for i in range(2)),
)


def frames(name, kind, exposure_s, count=4, **cards):
    return [Shot(f"{name}{i}.fits", kind, exposure_s, cards=cards) for i in range(count)]


def night(folder, shots):
    write_night(folder / "raw", [*shots, *SCIENCE])
    found = zeroframe.night(folder / "raw", folder / "out", report=False).findings
    return {each.code: each for each in found}, [each.sentence for each in found]


def without_exposure(folder, name):
    for path in (folder / "raw").glob(f"{name}*.fits"):
        fits.delval(path, "EXPTIME")


class TestNoTime:
    def test_darks_of_no_time_are_biases_where_there_are_none(self, tmp_path):
        codes, said = night(tmp_path, [*frames("q", "dark", 0), *frames("d", "dark", 60)])
        assert not codes.keys() & {"ZF104", "ZF204"}
        assert any("q0.fits, q1.fits, q2.fits, q3.fits taken as biases" in each for each in said)
        header = fits.getheader(tmp_path / "out" / "s0.fits")
        assert header["ZEROCOR"] == "combined_bias.fits"
        assert header["DARKCOR"] == "combined_dark_60s.fits"
        assert "ZEROCOR" in fits.getheader(tmp_path / "out" / "combined_dark_60s.fits")

    def test_beside_biases_it_is_said_what_they_may_be(self, tmp_path):
        codes, said = night(tmp_path, [*frames("b", "bias", 0), *frames("d", "dark", 0)])
        assert "if that is true it is a bias" in codes["ZF104"].sentence
        assert not any("inf" in each.split() for each in said)
        assert fits.getheader(tmp_path / "out" / "combined_bias.fits")["NCOMBINE"] == 4

    def test_what_is_told_to_be_a_dark_is_one(self, tmp_path):
        write_night(tmp_path / "raw", [*frames("d", "dark", 0), *SCIENCE])
        done = command("night", tmp_path / "raw", "-o", tmp_path / "out", "--no-report", "--kind", "dark=d*.fits")
        assert "taken as biases" not in done.out + done.err
        assert (tmp_path / "out" / "combined_dark_0s.fits").exists()

    def test_a_card_that_nobody_filled_is_no_exposure(self, tmp_path):
        shots = [*frames("d", "dark", 0), Shot("s9.fits", "object", 0, 300.0)]
        write_night(tmp_path / "raw", shots)
        found = zeroframe.night(tmp_path / "raw", tmp_path / "out", report=False).findings
        assert not any("taken as biases" in each.sentence for each in found)


class TestNotKnown:
    @pytest.mark.parametrize("biases", [4, 0])
    def test_darks_are_named_with_what_to_say(self, tmp_path, biases):
        write_night(
            tmp_path / "raw", [*frames("b", "bias", 0, biases), *frames("d", "dark", 60, LASTED=60000), *SCIENCE]
        )
        without_exposure(tmp_path, "d")
        found = zeroframe.night(tmp_path / "raw", tmp_path / "out", report=False).findings
        codes = {each.code: each for each in found}
        assert codes["ZF510"].frames == tuple(f"d{i}.fits" for i in range(4))
        assert "d0.fits" in codes["ZF104"].sentence
        assert "--card exposure=" in codes["ZF104"].sentence
        command("night", tmp_path / "raw", "-o", tmp_path / "again", "--no-report", "--card", "exposure=LASTED*0.001")
        assert (tmp_path / "again" / "combined_dark_60s.fits").exists()

    def test_it_is_said_beside_darks_that_fit(self, tmp_path):
        write_night(
            tmp_path / "raw", [*frames("b", "bias", 0), *frames("d", "dark", 60), *frames("e", "dark", 60), *SCIENCE]
        )
        without_exposure(tmp_path, "e")
        codes = {each.code for each in zeroframe.night(tmp_path / "raw", tmp_path / "out", report=False).findings}
        assert "ZF510" in codes
        assert "ZF104" not in codes

    def test_good_nights_hear_nothing(self, tmp_path):
        codes, said = night(tmp_path, [*frames("b", "bias", 0), *frames("d", "dark", 60)])
        assert "ZF510" not in codes
        assert not any("taken as" in each for each in said)


@pytest.mark.parametrize("darks", [1, 3])
def test_of_a_lone_dark_it_is_said_that_hits_are_called_hot(tmp_path, darks):
    _, said = night(tmp_path, [*frames("b", "bias", 0), *frames("d", "dark", 60, darks)])
    told = [each for each in said if "cannot be told from hot pixels" in each]
    assert len(told) == (1 if darks == 1 else 0)
    assert all("hot_pixels_60s.fits of dark 60 s" in each for each in told)
