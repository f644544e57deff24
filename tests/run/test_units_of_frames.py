"""Raw frames in electrons, in ADU by another name, in no unit that is known; combined frames in another unit or zero.

Frames are drawn here with a known light, gain and noise, and results are held against the light.
"""

from __future__ import annotations

import numpy as np
import pytest
from astropy.io import fits
from astropy.nddata import CCDData

import zeroframe
from amplifiers import SKY_E as SKY_OF_TWO
from amplifiers import TWO, response, write_night
from nights import calibrated

SHAPE = 96, 128
GAIN, READ_E, BIAS_ADU, SKY_E, DARK_E = 1.5, 5.0, 500.0, 300.0, 6.0
KINDS = {"bias": ("BIAS", 0.0), "dark": ("DARK", 60.0), "flat": ("FLAT", 2.0), "sci": ("LIGHT", 60.0)}


class Sky:
    """A sensor that takes frames of an even sky."""

    def __init__(self, folder, seed=2):
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.random, self.taken = folder, np.random.default_rng(seed), 0
        y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
        self.response = (1 - 0.1 * ((x / 64 - 1) ** 2 + (y / 48 - 1) ** 2)) * self.random.normal(1, 0.01, SHAPE)
        self.response /= self.response.mean()
        self.pattern_adu = self.random.normal(0, 2, SHAPE)

    def drawn(self, kind):
        light = {"flat": 20000.0 * GAIN, "sci": SKY_E}.get(kind, 0.0) * self.response
        light = light + {"dark": DARK_E, "sci": DARK_E, "flat": DARK_E / 30}.get(kind, 0.0)
        adu = (self.random.poisson(light) + self.random.normal(0, READ_E, SHAPE)) / GAIN + BIAS_ADU + self.pattern_adu
        return np.rint(adu)

    def header(self, kind, **cards):
        word, exposure_s = KINDS[kind]
        self.taken += 1
        when = f"2024-03-05T01:{self.taken:02d}:00"
        said = {"IMAGETYP": word, "EXPTIME": exposure_s, "DATE-OBS": when, "INSTRUME": "drawn", "GAIN": GAIN}
        said |= {"RDNOISE": READ_E} | ({"FILTER": "R"} if kind in {"flat", "sci"} else {}) | cards
        return fits.Header({word: value for word, value in said.items() if value is not None})

    def take(self, kind, count, scale=1.0, **cards):
        for number in range(count):
            pixels = (self.drawn(kind) * scale).astype(np.uint16 if scale == 1.0 else np.float32)
            fits.writeto(self.folder / f"{kind}{number}.fits", pixels, self.header(kind, **cards))

    def night(self, flats=5, scale=1.0, **cards):
        for kind, count in (("bias", 5), ("dark", 5), ("flat", flats), ("sci", 2)):
            self.take(kind, count, scale, **cards)


def reduced(tmp_path, unit="adu", **options):
    return zeroframe.night(tmp_path / "raw", tmp_path / "out", unit=unit, report=False, **options)


def against(tmp_path, truth, name="sci0.fits"):
    """The median of what is wrong, and chi-squared by UNCERT."""
    with fits.open(tmp_path / "out" / name) as hdus:
        wrong = hdus[0].data.astype(np.float64) - truth
        return float(np.median(wrong)), float(np.mean(np.square(wrong / hdus["UNCERT"].data)))


def said(made, what):
    return [choice for choice in made.plan.choices if choice.what == what]


class TestElectrons:
    @pytest.mark.parametrize("to", ["adu", "electron"])
    @pytest.mark.parametrize("flats", [1, 5])
    def test_are_not_multiplied_again(self, tmp_path, flats, to):
        """One flat measures no gain; that of five is one by chance only within its error."""
        Sky(tmp_path / "raw").night(flats, GAIN, BUNIT="electron")
        made = reduced(tmp_path, to)
        off, chi2 = against(tmp_path, SKY_E)
        assert abs(off) < 1.5, "a thousandth of the gain is 0.3"
        assert 0.94 < chi2 < 1.06
        header = fits.getheader(tmp_path / "out" / "sci0.fits")
        assert (header["BUNIT"], header["GAIN"], header["GAINUSED"]) == ("electron", 1.0, 1.0)
        assert header.get("GAINCOR", 1.0) == 1.0
        assert fits.getheader(tmp_path / "out" / "combined_bias.fits")["GAIN"] == 1.0
        assert "in electrons" in said(made, "noise")[0].reason
        assert warnings_of(made) == []

    @pytest.mark.parametrize("word", ["e-", "e", "electrons", "ELECTRONS", "photoelectrons", "e/pix"])
    def test_by_any_name_are_said_as_astropy_reads_them(self, tmp_path, word):
        Sky(tmp_path / "raw").night(1, GAIN, BUNIT=word)
        made = reduced(tmp_path)
        assert abs(against(tmp_path, SKY_E)[0]) < 1.5
        assert CCDData.read(tmp_path / "out" / "sci0.fits").unit == "electron"
        assert made.combined[0].read().unit == "electron"

    def test_that_the_pixels_contradict_are_adu(self, tmp_path):
        Sky(tmp_path / "raw").night(9, BUNIT="electron")
        made = reduced(tmp_path, "electron")
        assert abs(against(tmp_path, SKY_E)[0]) < 0.02 * SKY_E
        assert any("headers say that the frames are in electrons" in str(each.reason) for each in made.frames)

    def test_a_gain_that_is_asked_for_is_doubtful(self, tmp_path):
        Sky(tmp_path / "raw").night(1, GAIN, BUNIT="electron")
        (tmp_path / "r.toml").write_text("[frames]\ngain_e_per_adu = 1.5\n")
        plan = zeroframe.plan(tmp_path / "raw", tmp_path / "out", recipe=tmp_path / "r.toml").plan
        (choice,) = (choice for choice in plan.choices if choice.what == "noise")
        assert not choice.certain
        assert "1.5 was asked for" in choice.reason

    def test_two_gains_of_the_camera_stay_two(self, tmp_path):
        sky = Sky(tmp_path / "raw")
        for number, gain in enumerate((1.5, 3.0)):
            for kind in ("bias", "sci"):
                header = sky.header(kind, BUNIT="electron", GAIN=gain)
                for one in range(3):
                    fits.writeto(tmp_path / "raw" / f"{kind}{number}{one}.fits", np.float32(sky.drawn(kind)), header)
        plan = zeroframe.plan(tmp_path / "raw", tmp_path / "out").plan
        assert len([group for group in plan.groups if group.kind == "bias"]) == 2

    def test_of_several_amplifiers_have_one_gain(self, tmp_path):
        """The camera file keeps that of each; photons are counted by 1, and no amplifier is multiplied."""
        camera = write_night(TWO, tmp_path / "raw")
        for path in (tmp_path / "raw").iterdir():
            pixels, header = fits.getdata(path, header=True)
            gains = np.where(np.arange(pixels.shape[1]) < 180, 1.3, 1.9)
            header["BUNIT"] = "electron"
            fits.writeto(path, (pixels * gains).astype(np.float32), header, overwrite=True)
        zeroframe.night(tmp_path / "raw", tmp_path / "out", camera=str(camera), unit="electron", report=False)
        science = calibrated(next((tmp_path / "out").glob("object*.fits")))
        good = ~science.mask
        good[30:70, 190:230] = False  # a star
        wrong = science.data - SKY_OF_TWO * response(TWO).mean()
        for half in (np.s_[:, :160], np.s_[:, 160:]):
            own = good[half]
            assert abs(np.median(wrong[half][own])) < 2.0
            assert 0.94 < np.mean(np.square(wrong[half][own] / science.sigma[half][own])) < 1.06
        assert (science.header["GAIN"], science.header["GAINCOR"]) == (1.0, 1.0)


class TestAdu:
    @pytest.mark.parametrize("word", ["counts", "DU/PIXEL", "DN", "adu", "ADU", None])
    def test_by_any_name_are_said_as_astropy_reads_them(self, tmp_path, word):
        Sky(tmp_path / "raw").night(1, BUNIT=word)
        made = reduced(tmp_path)
        assert abs(against(tmp_path, SKY_E / GAIN)[0]) < 1.5
        assert CCDData.read(tmp_path / "out" / "sci0.fits").unit == "adu"
        assert made.combined[0].read().unit == "adu"
        assert {fits.getval(tmp_path / "out" / "sci0.fits", "BUNIT", ext) for ext in (0, "UNCERT")} == {"adu"}
        assert zeroframe.read_ccd(tmp_path / "out" / "sci0.fits").unit == "adu"

    def test_a_unit_that_is_not_known_is_named(self, tmp_path):
        Sky(tmp_path / "raw").night(1, BUNIT="mJy")
        made = reduced(tmp_path)
        (choice,) = said(made, "unit")
        assert "BUNIT = 'mJy' is not a unit of counts that is known" in choice.reason
        assert not choice.certain
        assert fits.getheader(tmp_path / "out" / "sci0.fits")["BUNIT"] == "adu"
        assert not [choice for choice in said(made, "header") if "BUNIT" in choice.value], "it is said once"

    def test_no_unit_is_said_as_before(self, tmp_path):
        Sky(tmp_path / "raw").night(1)
        (choice,) = said(reduced(tmp_path), "unit")
        assert (choice.reason, choice.certain) == ("assumed: their headers have no BUNIT", True)


def warnings_of(made):
    return [finding.sentence for finding in made.findings if finding.severity != "note"]


MASTERS = {"bias": "Master Bias", "dark": "Master Dark", "flat": "Master Flat"}


def stored(sky, folder, scale=1.0, changed=None, **cards):
    """Write combined frames as another program does: the bias is out of the dark and the flat; one may be changed."""
    folder.mkdir()
    plane = {kind: np.mean([sky.drawn(kind) for _ in range(5)], axis=0) for kind in MASTERS}
    plane["dark"] -= plane["bias"]
    plane["flat"] -= plane["bias"]
    for kind, word in MASTERS.items():
        header = sky.header(kind, IMAGETYP=word, NCOMBINE=5, **cards)
        pixels = plane[kind] * scale
        if changed is not None and kind in changed:
            pixels, more = changed[kind](pixels)
            header.update(more)
        fits.writeto(folder / f"master_{kind}.fits", pixels.astype(np.float32), header)


class TestStored:
    @pytest.mark.parametrize("gain", [GAIN, 1.0])
    def test_in_electrons_beside_frames_in_adu(self, tmp_path, gain):
        """Programs that multiply by the gain keep it in the header, or say 1, as we do."""
        sky = Sky(tmp_path / "raw")
        stored(sky, tmp_path / "m", GAIN, BUNIT="electron", GAIN=gain)
        sky.take("sci", 2, BUNIT="adu")
        reduced(tmp_path, calibrations=tmp_path / "m")
        off, chi2 = against(tmp_path, SKY_E / GAIN)
        assert abs(off) < 1.0
        assert 0.9 < chi2 < 1.1

    def test_in_adu_beside_frames_in_electrons(self, tmp_path):
        sky = Sky(tmp_path / "raw")
        stored(sky, tmp_path / "m", BUNIT="adu")
        sky.take("sci", 2, GAIN, BUNIT="electron")
        made = reduced(tmp_path, calibrations=tmp_path / "m")
        off, chi2 = against(tmp_path, SKY_E)
        assert abs(off) < 1.5
        assert 0.9 < chi2 < 1.1
        assert any("multiplied by its gain of 1.5" in done for group in made.plan.stored for done in group.stored.done)

    def test_our_own_in_electrons_are_taken_again(self, tmp_path):
        """What was made of raw frames that say GAIN = 1.5 says 1, and is theirs all the same."""
        sky = Sky(tmp_path / "raw")
        sky.night(5, GAIN, BUNIT="electron")
        reduced(tmp_path)
        again = tmp_path / "again"
        Sky(again / "raw", seed=3).take("sci", 2, GAIN, BUNIT="electron")
        made = reduced(again, calibrations=tmp_path / "out")
        assert {match.chosen is None for match in made.result.frames[0].frame.matches} == {False}
        assert abs(against(again, SKY_E)[0]) < 1.5

    @pytest.mark.parametrize("unit", [None, "mJy"])
    def test_of_no_unit_beside_frames_in_electrons_are_not_guessed(self, tmp_path, unit):
        sky = Sky(tmp_path / "raw")
        stored(sky, tmp_path / "m", GAIN, BUNIT=unit)
        sky.take("sci", 2, GAIN, BUNIT="electron")
        made = reduced(tmp_path, calibrations=tmp_path / "m")
        reasons = {match.what: match.reason for match in made.result.frames[0].frame.matches}
        assert "no unit that its header says" in reasons["bias"]

    def test_a_unit_that_is_not_known_is_named(self, tmp_path):
        sky = Sky(tmp_path / "raw")
        stored(sky, tmp_path / "m", BUNIT="mJy")
        sky.take("sci", 2, BUNIT="adu")
        made = reduced(tmp_path, calibrations=tmp_path / "m")
        doubts = {group.kind: group.stored.doubts for group in made.plan.stored}
        assert all(any("BUNIT = 'mJy'" in doubt for doubt in doubts[kind]) for kind in ("bias", "dark"))
        assert doubts["flat"] == (), "it is divided by its level"

    @pytest.mark.parametrize("word", [{"PEDESTAL": -100}, {"PEDESTAL": 100, "PROGRAM": "PixInsight 1.8.9"}])
    def test_a_constant_that_was_added_to_a_dark_is_taken_away(self, tmp_path, word):
        sky = Sky(tmp_path / "raw")
        stored(sky, tmp_path / "m", changed={"dark": lambda pixels: (pixels + 100.0, word)})
        sky.take("sci", 2)
        made = reduced(tmp_path, calibrations=tmp_path / "m")
        assert abs(against(tmp_path, SKY_E / GAIN)[0]) < 1.0
        (dark,) = (group for group in made.plan.stored if group.kind == "dark")
        assert "PEDESTAL = -100: added" in dark.stored.done[0]
        assert dark.stored.figures["level_adu"] == pytest.approx(DARK_E / GAIN, abs=0.5)
        assert warnings_of(made) == []

    def test_the_card_of_the_raw_frames_is_not_taken_for_it(self, tmp_path):
        """Of a dark whose bias, with the constant, was subtracted by a program that keeps cards; nothing is wrong."""
        sky = Sky(tmp_path / "raw")
        stored(sky, tmp_path / "m", PEDESTAL=-100)
        sky.take("sci", 2, PEDESTAL=-100)
        made = reduced(tmp_path, calibrations=tmp_path / "m")
        assert abs(against(tmp_path, SKY_E / GAIN)[0]) < 1.0
        assert warnings_of(made) == []

    def test_a_constant_of_a_bias_or_a_flat_alone_is_named(self, tmp_path):
        sky = Sky(tmp_path / "raw")
        added = {kind: lambda pixels: (pixels + 100.0, {"PEDESTAL": -100}) for kind in ("bias", "flat")}
        stored(sky, tmp_path / "m", changed=added)
        sky.take("sci", 2)
        made = reduced(tmp_path, calibrations=tmp_path / "m")
        doubts = {group.kind: " ".join(group.stored.doubts) for group in made.plan.stored}
        assert "PEDESTAL = -100, and 0 in frames of the night" in doubts["bias"]
        assert "PEDESTAL = -100" in doubts["flat"]
        assert doubts["dark"] == ""

    @pytest.mark.parametrize("level", [1.0, 100.0, 255.0])
    def test_the_level_of_a_flat_in_percent_is_no_count_of_photons(self, tmp_path, level):
        sky = Sky(tmp_path / "raw")
        stored(sky, tmp_path / "m", changed={"flat": lambda pixels: (pixels / pixels.mean() * level, {})})
        sky.take("sci", 2)
        made = reduced(tmp_path, calibrations=tmp_path / "m")
        assert 0.92 < against(tmp_path, SKY_E / GAIN)[1] < 1.06
        assert warnings_of(made) == []

    def test_that_of_few_photons_is(self, tmp_path):
        """Five flats of 100 ADU, with the scatter of their photons: that is their error."""
        sky = Sky(tmp_path / "raw")
        light = 100.0 * GAIN * 5
        few = {"flat": lambda _: (sky.random.poisson(light * sky.response) / GAIN / 5, {})}
        stored(sky, tmp_path / "m", changed=few)
        sky.take("sci", 2)
        made = reduced(tmp_path, calibrations=tmp_path / "m")
        (flat,) = (group for group in made.plan.stored if group.kind == "flat")
        assert flat.stored.uncertainty == "estimated"
        assert flat.stored.file.sigma == pytest.approx(1 / np.sqrt(light), rel=0.05)
