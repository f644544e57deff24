"""What tells flats of one light from those of another, as the headers of many spectrographs and cameras write it."""

import numpy as np
import pytest
from astropy.io import fits

import zeroframe
from zeroframe.headers.dialects import read_facts
from zeroframe.headers.explaining import parting_cards, unknown_cards
from zeroframe.headers.kinds import Kind

#: The keyword, and two of its words, by what writes it.
OPTICS = {
    "DEIMOS, grating": ("GRATENAM", "1200G", "600ZD"),
    "DEIMOS, mask": ("SLMSKNAM", "LVMslitC", "mask7"),
    "LRIS red": ("GRANAME", "600/7500", "400/8500"),
    "Kast red": ("GRATNG_N", "600/7500", "300/7500"),
    "Kast blue": ("GRISM_N", "600/4310", "452/3306"),
    "CAFOS": ("INSGRNAM", "green-200", "blue-100"),
    "DOLORES": ("GRM_ID", "LR-B", "VHRV"),
    "OSMOS": ("DISPID", "VPH red", "VPH blue"),
    "KCWI": ("BGRATNAM", "BL", "BH2"),
    "KCWI, slicer": ("IFUNAM", "Medium", "Large"),
    "FORS": ("ESO INS COLL NAME", "COLL_SR+6", "COLL_HR+7"),
    "VIMOS": ("ESO INS GRIS3 NAME", "HR_red", "LR_blue"),
    "RSS": ("MASKID", "PL0150N001", "PL0060N001"),
    "HIRES": ("XDISPERS", "RED", "UV"),
}


def facts_of(**cards):
    return read_facts(cards, "a.fits")


@pytest.mark.parametrize(("keyword", "one", "other"), OPTICS.values(), ids=OPTICS)
def test_optics_are_read(keyword, one, other):
    found = [facts_of(IMAGETYP="flat", **{keyword: word}).optics for word in (one, other)]
    assert [[value for _, value in each] for each in found] == [[one], [other]]


def test_both_arms_of_a_spectrograph():
    arms = {"GRATINGB": "B3000", "GRATINGR": "R7000"}
    assert dict(facts_of(IMAGETYP="flat", **arms).optics) == {"grating": "B3000, R7000"}


@pytest.mark.parametrize(("first", "second"), [("FORE", "AFT"), ("LIRF1NAM", "LIRF2NAM")])
def test_wheels_in_line(first, second):
    assert facts_of(IMAGETYP="flat", **{first: "open", second: "Ks"}).filter_name == "Ks"
    assert facts_of(IMAGETYP="flat", **{first: "J", second: "open"}).filter_name == "J"


@pytest.mark.parametrize("keyword", ["GRATORD", "MONOCH-GRATING", "XGRISM", "SLITMSK2", "CAMFILT"])
def test_names_that_hold_ra_or_ag_are_looked_at(keyword):
    cards = {"IMAGETYP": "flat", keyword: "x"}
    assert keyword in unknown_cards(cards) or facts_of(**cards).filter_name == "x"


@pytest.mark.parametrize("keyword", ["TELRA", "AGFILTER", "DOMETEMP", "ESO DET CHIP1 OUT1 GAIN", "RA-OFFS", "SUNALT"])
def test_what_matters_to_no_flat_is_not(keyword):
    assert unknown_cards({keyword: 3.5}) == []


def night(folder, flats, science):
    raw = folder / "raw"
    raw.mkdir()
    rng = np.random.default_rng(1)
    frames = (
        [("bias", 0.0, 0.0, flats)] * 3 + [("flat", 5.0, 20000.0, flats)] * 3 + [("object", 60.0, 900.0, science)] * 2
    )
    for number, (kind, exposure_s, light, cards) in enumerate(frames):
        header = fits.Header(
            {"IMAGETYP": kind, "EXPTIME": exposure_s, "GAIN": 1.0, "RDNOISE": 3.0, "BUNIT": "adu"} | cards
        )
        pixels = 500 + rng.poisson(light, (40, 50)) + rng.normal(0, 3, (40, 50))
        fits.writeto(raw / f"{number}.fits", pixels.round().astype(np.uint16), header)
    return zeroframe.plan(raw, folder / "out")


def said(plan):
    return [each for each in plan.choices if "of other light" in each.what]


def test_an_unknown_card_that_tells_flats_from_science_is_named(tmp_path):
    (choice,) = said(night(tmp_path, {"ECHGRISM": "LR"}, {"ECHGRISM": "HR"}))
    assert "ECHGRISM" not in choice.value
    assert "'LR' in them and 'HR' in what they divide" in choice.reason
    assert '[words] optics = { name = "ECHGRISM" }' in choice.reason
    assert not choice.certain


@pytest.mark.parametrize(
    ("flats", "science"),
    [({"ECHGRISM": "LR"}, {"ECHGRISM": "LR"}), ({"LAMPSEL": "on"}, {"LAMPSEL": "off"}),
     ({"GRATORD": 1}, {"GRATORD": 2}), ({"ECHGRISM": "LR"}, {})],
)  # fmt: skip
def test_others_are_not(tmp_path, flats, science):
    assert said(night(tmp_path, flats, science)) == []


def test_cards_that_differ_among_flats_part_nothing():
    flats = [{"ECHGRISM": "LR"}, {"ECHGRISM": "MR"}]
    assert parting_cards(flats, [{"ECHGRISM": "HR"}]) == []


class TestFlatsFiledAsObjects:
    """Gemini's twilight flats are of OBSTYPE OBJECT; what they are for stands in OBSCLASS."""

    def test_twilight_for_calibration_is_a_flat(self):
        facts = facts_of(OBSTYPE="OBJECT", OBJECT="Twilight", OBSCLASS="dayCal")
        assert facts.kind is Kind.FLAT
        assert facts.flat_light == "twilight"
        assert not facts.kind_certain

    @pytest.mark.parametrize("name", ["Twilight", "skyflat", "Bias"])
    def test_without_a_purpose_it_is_doubted(self, name):
        facts = facts_of(IMAGETYP="object", OBJECT=name)
        assert facts.kind is Kind.SCIENCE
        assert facts.kind_contradicted_by == f"OBJECT = '{name}'"

    @pytest.mark.parametrize("name", ["M13", "Trace", "Standard", "Plus", "continuum", "dark nebula B33", "Flatiron"])
    def test_objects_are_objects(self, name):
        for purpose in ("science", "partnerCal"):
            facts = facts_of(OBSTYPE="OBJECT", OBJECT=name, OBSCLASS=purpose)
            assert facts.kind is Kind.SCIENCE or (purpose != "science" and name in {"Trace", "Plus", "continuum"})
            assert facts.kind_contradicted_by is None or facts.kind is not Kind.SCIENCE


@pytest.mark.parametrize(
    ("card", "word", "kind"),
    [("IMAGETYP", "zro", "bias"), ("IMAGETYP", "flt", "flat"), ("IMAGETYP", "twi", "flat"), ("IMAGETYP", "cmp", "arc"),
     ("IMAGETYP", "drk", "dark"), ("ESO DPR TYPE", "STAR,WAVE", "science"), ("IMAGETYP", "SPECLFLAT", "flat"),
     ("IMAGETYP", "SPECLTARGET", "science"), ("IMAGETYP", "SPECLLAMP", "arc"), ("IMAGETYP", "sunsky", "flat")],
)  # fmt: skip
def test_short_words(card, word, kind):
    assert facts_of(**{card: word}).kind == kind


def test_an_offset_is_no_temperature():
    assert facts_of(IMAGETYP="bias", CCDOFFST=3).temperature_c is None
    assert facts_of(IMAGETYP="bias", CCDHT=-20.0).temperature_c is None
    assert facts_of(IMAGETYP="bias", CCDTEMP1=-100.0).temperature_c == -100.0


def test_read_noise_and_gain_of_other_archives():
    facts = facts_of(IMAGETYP="object", RO_GAIN=1.9, RO_NOISE=3.6)
    assert (facts.gain_e_per_adu, facts.read_noise_e) == (1.9, 3.6)
    assert facts_of(IMAGETYP="object", READNOI=5.1).read_noise_e == 5.1
