"""What headers of real cameras say: a few cards of each stand in ``headers/``."""

from __future__ import annotations

from pathlib import Path

import pytest
from astropy.io import fits

from zeroframe.headers.dialects import FrameFacts, read_facts
from zeroframe.headers.kinds import Kind
from zeroframe.headers.sections import Section

HEADERS = Path(__file__).resolve().parents[1] / "data" / "headers"


def header_of(name):
    return fits.Header.fromstring((HEADERS / f"{name}.txt").read_text(), sep="\n")


# Each line is what the header truly says, read by a person; whatever is not named must be None.
CAMERAS = {
    "palomar-lfc": {
        "kind": Kind.FLAT,
        "kind_reason": "IMAGETYP = 'FLATFIELD'",
        "exposure_s": 70.001,
        "filter_name": "g'",
        "gain_e_per_adu": 1.1,
        "binning_xy": (1, 1),
        "object_name": "flat_g",
        "date_obs": "2016-01-16",
        "instrument": "LFC",
        "bias_section": "[2049:2080,1:4127]",
        "data_section": "[1:2048,1:4128]",
        "ccd_section": "[1:2048,1:4128]",
    },
    "apogee-cg16m": {
        "kind": Kind.FLAT,
        "kind_reason": "IMAGETYP = 'FLAT'",
        "exposure_s": 1.0,
        "filter_name": "r",
        "unit": "adu",
        "temperature_c": -20.0225025,
        "binning_xy": (1, 1),
        "date_obs": "2018-08-23T01:25:17",
        "instrument": "AspenCG16",
        "trim_section": "[1:4096,:]",
        "doubts": ("BIASSEC: the section [4096:4109] has 1 axis",),
    },
    "kpno-te1k": {
        "kind": Kind.BIAS,
        "kind_reason": "IMAGETYP = 'zero'",
        "exposure_s": 0.0,
        "gain_e_per_adu": 5.4,
        "read_noise_e": 3.5,
        "temperature_c": -113.0,
        "binning_xy": (1, 1),
        "object_name": "biases 1st afternoon",
        "date_obs": "24/01/92",
        "instrument": "test",
        "bias_section": "[102:133,1:1024]",
        "trim_section": "[1:101,1:1024]",
        "data_section": "[1:101,1:1024]",
        "ccd_section": "[75:175,1:1024]",
    },
    "sbig-ccdsoft": {
        "kind_reason": "neither the header nor the file name says what kind of frame it is",
        "kind_certain": False,
        "exposure_s": 0.0,
        "gain_e_per_adu": 0.46,
        "temperature_c": -4.817803680962,
        "binning_xy": (1, 1),
        "date_obs": "2019-04-29",
        "instrument": "SBIG ST-7/7E/7XE",
    },
    "sbig-ccdops": {
        "kind_reason": "neither the header nor the file name says what kind of frame it is",
        "kind_certain": False,
        "exposure_s": 0.12,
        "filter_name": "Red",
        "gain_e_per_adu": 2.03,
        "temperature_c": 0.1890187278651,
        "binning_xy": (1, 1),
        "instrument": "SBIG ST-7",
    },
    "lco-sinistro": {
        "kind": Kind.BIAS,
        "kind_reason": "OBSTYPE = 'BIAS'",
        "exposure_s": 0.0,
        "filter_name": "rp",
        "read_noise_e": 14.8,
        "temperature_c": -100.0002823,
        "binning_xy": (2, 2),
        "instrument": "fl08",
        "doubts": ("GAIN = '[2.01", "TRIMSEC: the section [1:4096,1:4096] does not fit", "DATASEC: "),
    },
    "saao-ste3": {
        "kind": Kind.SCIENCE,
        "kind_reason": "IMAGETYP = 'object'",
        "exposure_s": 150.04,
        "filter_name": "48",
        "gain_e_per_adu": 1.9,
        "read_noise_e": 5.0,
        "temperature_c": -92.95,
        "object_name": "rf0420",
        "instrument": "STE3 CCD",
        "bias_section": "[4:13,1:520]",
        "trim_section": "[17:528,1:520]",
    },
    "swope-4k": {
        "kind": Kind.SCIENCE,
        "kind_reason": "EXPTYPE = 'Object'",
        "exposure_s": 10.0,
        "filter_name": "r",
        "unit": "adu",
        "gain_e_per_adu": 1.04,
        "read_noise_e": 3.0,
        "temperature_c": -110.0,
        "binning_xy": (1, 1),
        "object_name": "Didymos",
        "instrument": "Direct/4Kx4K-4",
        "bias_section": "[2049:2176,2057:2184]",
        "trim_section": "[1:2048,1:2056]",
    },
    "lt-sprat": {
        "kind": Kind.ARC,
        "kind_reason": "OBSTYPE = 'ARC'",
        "exposure_s": 10.0,
        "filter_name": "4020longpass",
        "gain_e_per_adu": 2.45,
        "temperature_c": -59.479,
        "binning_xy": (1, 1),
        "object_name": "ARC: Xe for LHS6328",
        "instrument": "SPRAT",
        "combined": True,
    },
    "lsst-archon": {
        "kind": Kind.FLAT,
        "kind_reason": "IMGTYPE = 'FLAT'",
        "exposure_s": 30.611,
        "filter_name": "550CutOn",
        "gain_e_per_adu": 3.85,
        "read_noise_e": 1.0,
        "temperature_c": -95.12656,
        "binning_xy": (1, 1),
        "instrument": "ArchonCCDController",
    },
    "hst-wfpc2": {
        "kind": Kind.SCIENCE,
        "kind_reason": "IMAGETYP = 'EXT'",
        "kind_certain": False,
        "exposure_s": 0.23,
        "filter_name": "F673N",
        "gain_e_per_adu": 7.0,
        "date_obs": "19/05/94",
        "instrument": "WFPC2",
    },
    "maxim-dl": {
        "kind": Kind.SCIENCE,
        "kind_reason": "IMAGETYP = 'Light Frame'",
        "exposure_s": 36.6,
        "filter_name": "V",
        "gain_e_per_adu": 1.34967,
        "read_noise_e": 9.4386337143,
        "temperature_c": -20.20166775,
        "binning_xy": (1, 1),
        "instrument": "Apogee USB/Net",
    },
}


def test_every_header_has_its_expectation():
    assert {path.stem for path in HEADERS.glob("*.txt")} == set(CAMERAS)


@pytest.mark.parametrize("name", CAMERAS)
def test_real_headers(name):
    expected = {"kind_certain": True, "combined": False, "remarks": (), **CAMERAS[name]}
    facts = read_facts(header_of(name))
    doubts = expected.pop("doubts", ())
    assert len(facts.doubts) == len(doubts)
    for said, start in zip(facts.doubts, doubts, strict=True):
        assert said.startswith(start)
    for field in FrameFacts.__slots__:
        value = getattr(facts, field)
        if field not in {"doubts", "settings", "optics", "angles", "began", "done"}:
            told = expected.get(field, False if field == "without_filter" else None)
            assert (str(value) if isinstance(value, Section) else value) == told, field


@pytest.mark.parametrize(
    ("word", "kind"),
    [
        *[
            (word, Kind.BIAS)
            for word in ("zero", "BIAS", "Bias Frame", "bias", "Bias", "ZERO    ", "Offset", "bias 2x2")
        ],
        *[(word, Kind.DARK) for word in ("Dark Frame", "DARK", "dark", "flat dark", "DARKFLAT", "Dark-Flat")],
        *[(word, Kind.FLAT) for word in ("FLATFIELD", "Flat Field", "dome flat", "SKYFLAT", "FLAT,SKY", "LAMP,FLAT")],
        *[(word, Kind.FLAT) for word in ("Flat Frame", "flat-field", "twilight flat", "flat (dome, V)", "PFLAT")],
        *[(word, Kind.SCIENCE) for word in ("Light Frame", "LIGHT", "OBJECT", "object", "EXPOSE", "STANDARD", "sci")],
        *[(word, Kind.ARC) for word in ("comp", "ARC", "arc lamp", "WAVE", "comparison")],
        *[(word, Kind.OTHER) for word in ("focus", "flat mask", "AUTO_FOCUS", "SKY", "fringe", "TEST")],
        *[(word, None) for word in ("qwerty", "biased", "bias flat", "N/A", "", "  ", "SPECTROSCOPIC")],
    ],
)
def test_words_for_kinds(word, kind):
    assert read_facts({"IMAGETYP": word}).kind is kind


@pytest.mark.parametrize(
    "card",
    [
        "IMAGETYP",
        "IMGTYPE",
        "OBSTYPE",
        "EXPTYPE",
        "FRAMETYP",
        "FRAME",
        "PICTTYPE",
        "DATA-TYP",
        "ESO DPR TYPE",
        "FLAVOR",
    ],
)
def test_cards_for_kinds(card):
    facts = read_facts({card: "BIAS"}, "flat_001.fits")
    assert (facts.kind, facts.kind_reason, facts.kind_certain) == (Kind.BIAS, f"{card} = 'BIAS'", True)


def test_hierarch_cards_are_found_in_an_astropy_header():
    header = fits.Header()
    header["HIERARCH ESO DPR TYPE"] = "FLAT,LAMP"
    header["HIERARCH ESO DET WIN1 BINX"] = 2
    header["HIERARCH ESO DET WIN1 BINY"] = 1
    facts = read_facts(header)
    assert (facts.kind, facts.binning_xy) == (Kind.FLAT, (2, 1))


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("slitview.00000352.BIAS.FIT", Kind.BIAS),
        ("slitview.00000357.FLAT.FIT", Kind.FLAT),
        ("z001.FIT", Kind.BIAS),
        ("d003.FIT", Kind.DARK),
        ("D003.fits.gz", Kind.DARK),
        ("bias_001.fits", Kind.BIAS),
        ("bias001.fits.fz", Kind.BIAS),
        ("zero0003.fits", Kind.BIAS),
        ("10dark_0.FIT", Kind.DARK),
        ("flat_V_1.fits", Kind.FLAT),
        ("night/bias/flat-2.fit", Kind.FLAT),
        ("raw\\dark\\M31.fit", None),
        ("flats/M31.fits", None),
        ("Mars1.FIT", None),
        ("rz001.fits", None),
        ("M31-z001.fits", None),
        ("z001a.fits", None),
        ("zeta.fits", None),
        ("d.fits", None),
        ("0cbias.FIT", None),
        ("darkness.fits", None),
        ("flatiron.fits", None),
        ("dark_for_flat.fits", None),
        ("biasflat.fits", None),
        ("", None),
    ],
)
def test_file_names_are_the_last_resort(name, kind):
    facts = read_facts({"EXPTIME": 0.12}, name)
    assert (facts.kind, facts.kind_certain) == (kind, False)
    if kind is not None:
        assert repr(name.rsplit("/", 1)[-1]) in facts.kind_reason


def test_an_unknown_word_of_the_header_silences_the_file_name():
    facts = read_facts({"IMAGETYP": "WHATEVER"}, "bias_001.fits")
    assert facts.kind is None
    assert facts.kind_reason == "IMAGETYP = 'WHATEVER' is not a word for a kind of frame that is known"


@pytest.mark.parametrize("nothing", ["N/A", "UNKNOWN", "  ", "imaging", 14, True, None, fits.card.Undefined()])
def test_a_word_that_says_nothing_leaves_the_next_to_speak(nothing):
    assert read_facts({"IMAGETYP": nothing, "OBSTYPE": "DARK"}, "flat_1.fits").kind is Kind.DARK
    assert read_facts({"IMAGETYP": nothing}, "flat_1.fits").kind is Kind.FLAT


def test_object_speaks_only_where_it_is_the_whole_word():
    facts = read_facts({"OBJECT": "Zero"}, "a001.fits")
    assert (facts.kind, facts.kind_certain, facts.kind_reason) == (Kind.BIAS, False, "OBJECT = 'Zero'")
    assert read_facts({"OBJECT": "flat galaxy"}, "").kind is None
    assert read_facts({"OBJECT": "biases 1st afternoon"}, "").kind is None
    assert read_facts({"OBJECT": "bias", "IMAGETYP": "object"}, "").kind is Kind.SCIENCE


@pytest.mark.parametrize("exposure", [0.0, 60.0])
def test_exposure_neither_makes_nor_unmakes_a_bias(exposure):
    assert read_facts({"EXPTIME": exposure}).kind is None
    assert read_facts({"EXPTIME": exposure, "IMAGETYP": "bias"}).kind is Kind.BIAS


@pytest.mark.parametrize(
    ("cards", "exposure_s"),
    [
        ({"EXPTIME": 70.001}, 70.001),
        ({"EXPOSURE": 3}, 3.0),
        ({"EXP_TIME": 1.5}, 1.5),
        ({"ITIME": 2.0}, 2.0),
        ({"EXPTIME": "30.5"}, 30.5),
        ({"EXPTIME": " 30 sec "}, 30.0),
        ({"EXPTIME": "+1.2D+001"}, 12.0),
        ({"EXPTIME": "30 min"}, 1800.0),
        ({"EXPTIME": "30 parsecs"}, None),
        ({"EXPTIME": "unknown", "EXPOSURE": 5.0}, 5.0),
        ({"EXPTIME": -1.0, "EXPOSURE": 5.0}, 5.0),
        ({"EXPTIME": float("nan")}, None),
        ({"EXPTIME": True}, None),
        ({}, None),
    ],
)
def test_exposure(cards, exposure_s):
    assert read_facts(cards).exposure_s == exposure_s


@pytest.mark.parametrize(
    ("cards", "name"),
    [
        ({"FILTER": " V "}, "V"),
        ({"FILTER": "i'"}, "i'"),
        ({"FILTER1": "open", "FILTER2": "R"}, "R"),
        ({"FILTER1": "B", "FILTER2": "Clear"}, "B"),
        ({"FILTER1": "B", "FILTER2": "ND3"}, "B+ND3"),
        ({"FILTER1": "clear", "FILTER2": "open"}, "clear"),
        ({"FILTER": "N/A", "FILTER1": "air", "FILTER2": "rp"}, "rp"),
        ({"FILTERS": 48}, "48"),
        ({"FILTNAM": "Ha"}, "Ha"),
        ({"FILTNAM1": "F673N", "FILTNAM2": "", "FILTER1": 33, "FILTER2": 0}, "F673N"),
        ({"FILTER": ""}, None),
        ({}, None),
    ],
)
def test_filter(cards, name):
    assert read_facts(cards).filter_name == name


@pytest.mark.parametrize(
    ("cards", "gain", "doubts"),
    [
        ({"GAIN": 1.9}, 1.9, 0),
        ({"GAIN": "1.9"}, 1.9, 0),
        ({"GAIN": 139, "EGAIN": 0.8}, 0.8, 0),
        ({"GAIN": 139}, None, 1),
        ({"GAIN": 25}, None, 1),
        ({"GAIN": 30.0}, None, 1),
        ({"GAIN": 12}, 12.0, 0),
        ({"GAIN": 5, "OFFSET": 10}, None, 1),
        ({"GAIN": 5, "EGAIN": 0.0}, None, 1),
        ({"GAIN": 1, "INSTRUME": "ZWO ASI120MM"}, None, 1),
        ({"GAIN": 1, "INSTRUME": "QHY268M"}, None, 1),
        ({"GAIN": 1.3, "INSTRUME": "QHY268M", "OFFSET": 30}, 1.3, 0),
        ({"GAIN": 2, "INSTRUME": "ALFOSC"}, 2.0, 0),
        ({"GAIN": "[3.3,3.4,3.3,3.4]", "CCDGAIN": 1.0}, None, 1),
        ({"GAIN": "high", "CCDGAIN": 2.0}, 2.0, 1),
        ({"GAIN": 0.0}, None, 0),
        ({"GAIN": float("inf")}, None, 1),
        ({}, None, 0),
    ],
)
def test_gain_is_never_guessed(cards, gain, doubts):
    facts = read_facts(cards)
    assert facts.gain_e_per_adu == gain
    assert len(facts.doubts) == doubts


@pytest.mark.parametrize(
    ("cards", "binning"),
    [
        ({"CCDSUM": "2 1"}, (2, 1)),
        ({"BINNING": "2x2"}, (2, 2)),
        ({"BINNING": "1X4"}, (1, 4)),
        ({"BINNING": 3}, (3, 3)),
        ({"XBINNING": 2, "YBINNING": 3}, (2, 3)),
        ({"CCDXBIN": 1, "CCDYBIN": 1}, (1, 1)),
        ({"CCDBIN1": 4, "CCDBIN2": 2}, (4, 2)),
        ({"XBINNING": 0, "YBINNING": 0, "CCDXBIN": 2, "CCDYBIN": 2}, (2, 2)),
        ({"CCDSUM": "no", "XBINNING": 2.0, "YBINNING": "2"}, (2, 2)),
        ({"XBINNING": 2}, None),
        ({}, None),
    ],
)
def test_binning(cards, binning):
    assert read_facts(cards).binning_xy == binning


@pytest.mark.parametrize(
    ("unit", "expected"),
    [
        ("adu", "adu"),
        ("ADU ", "adu"),
        ("DU/PIXEL", "adu"),
        ("COUNTS", "adu"),
        ("e-", "electron"),
        ("electrons", "electron"),
        ("ELECTRONS/S", "electron / s"),
        ("parsec", None),
        ("", None),
    ],
)
def test_unit_is_one_that_astropy_reads(unit, expected):
    from astropy.units import Unit

    facts = read_facts({"BUNIT": unit})
    assert facts.unit == expected
    assert expected is None or Unit(facts.unit).to_string() == expected
    assert len(facts.doubts) == (unit == "parsec")


@pytest.mark.parametrize("text", ["UNKNOWN", "[0:0,0:0]", "[1:10:2,1:5]", "[1:300,1:5]", "[5:9]", "1:5,1:5", "[,]", 7])
def test_impossible_sections_are_none(text):
    facts = read_facts({"NAXIS1": 100, "NAXIS2": 50, "BIASSEC": text, "TRIMSEC": "[1:90,*]"})
    assert facts.bias_section is None
    assert str(facts.trim_section) == "[1:90,:]"
    assert len(facts.doubts) == (text != "UNKNOWN")


def test_section_of_the_sensor_may_be_larger_than_the_image():
    facts = read_facts({"NAXIS1": 10, "NAXIS2": 10, "CCDSEC": "[1001:1010,1:10]"})
    assert str(facts.ccd_section) == "[1001:1010,1:10]"


def test_tile_compressed_image_has_the_size_of_its_pixels():
    cards = {"ZIMAGE": True, "NAXIS1": 8, "NAXIS2": 50, "ZNAXIS1": 100, "ZNAXIS2": 50, "BIASSEC": "[91:100,:]"}
    assert str(read_facts(cards).bias_section) == "[91:100,:]"


@pytest.mark.parametrize(
    ("cards", "combined"),
    [
        ({"COMBINED": True}, True),
        ({"COMBINED": "T"}, True),
        ({"COMBINED": False}, False),
        ({"NCOMBINE": 26}, True),
        ({"NCOMBINE": 1}, False),
        ({"IMAGETYP": "Master Bias"}, True),
        ({"IMAGETYP": "masterflat"}, True),
        ({"IMAGETYP": "bias"}, False),
    ],
)
def test_combined(cards, combined):
    assert read_facts(cards).combined is combined


@pytest.mark.filterwarnings("ignore::astropy.utils.exceptions.AstropyWarning")  # CCDSoft pads headers with nulls
def test_kinds_of_the_real_frames(real_data):
    """The kind of every frame whose kind its observers wrote down (../shared/data/README.md)."""
    expected = {
        "kpno-spectrograph": {"bias": 10, "flat": 4, "arc": 2, "science": 9},
        "sbig-spectrograph": {"bias": 5, "flat": 3},
        "sbig-camera": {"bias": 9, "dark": 3, "None": 1},
        "sbig-darks": {"bias": 1, "dark": 6},
        "saao-left-overscan": {"science": 1},
        "lco-bias": {"bias": 1, "dark": 1},
        "maxim-dl": {"science": 1},
    }
    found = {}
    for folder in expected:
        for path in sorted((real_data / folder).iterdir()):
            with fits.open(path) as hdus:
                header = next(hdu.header for hdu in hdus if hdu.header["NAXIS"] > 0)
                kind = str(read_facts(header, path.name).kind)
            counts = found.setdefault(folder, {})
            counts[kind] = counts.get(kind, 0) + 1
    assert found == expected


@pytest.mark.parametrize(
    ("comment", "exposure_s"),
    [
        ("Exposure time in ms", 60.0),
        ("in ms, as asked for", 60.0),
        ("exposure time in msec.", 60.0),
        ("[ms] exposure", 60.0),
        ("exposure time in ms since midnight", 60000.0),
        ("exposure time in S-band", 60000.0),
        ("exposure time in s", 60000.0),
        ("length of the exposure", 60000.0),
    ],
)
def test_the_unit_of_an_exposure_stands_in_its_comment(comment, exposure_s):
    header = fits.Header([("IMAGETYP", "dark"), ("EXPOSURE", 60000, comment)])
    assert read_facts(header).exposure_s == exposure_s


@pytest.mark.parametrize(
    ("word", "kind", "light"),
    [
        ("FLATDOME", Kind.FLAT, "dome"),
        ("FLATSKY", Kind.FLAT, "sky"),
        ("FLATTWI", Kind.FLAT, "twilight"),
        ("AutoFlat", Kind.FLAT, None),
        ("DawnFlat", Kind.FLAT, "twilight"),
        ("DuskFlat", Kind.FLAT, "twilight"),
        ("Domflat", Kind.FLAT, "dome"),
        ("LedFlats", Kind.FLAT, "lamp"),
        ("GreenFlat", Kind.FLAT, None),
        ("DETBIAS", Kind.BIAS, None),
        ("AutoDark", Kind.DARK, None),
        ("FlatDark", Kind.DARK, None),
        ("FLATBIAS", None, None),
        ("DomeLight", None, None),
        ("FlatFocusTest", None, None),
    ],
)
def test_words_written_as_one(word, kind, light):
    facts = read_facts({"IMAGETYP": word, "EXPTIME": 3.0}, "x001.fits")
    assert (facts.kind, facts.flat_light) == (kind, light)


@pytest.mark.parametrize(
    ("counted", "bias", "data"),
    [
        ({"PRSCX": 0, "OVSCX": 0, "PRSCY": 5, "OVSCY": 5}, "[:,86:90]", "[:,6:85]"),
        ({"PRSCX": 0, "OVSCX": 0, "PRSCY": 7, "OVSCY": 0}, "[:,1:7]", "[:,8:90]"),
        ({"PRSCX": 6, "OVSCX": 12, "PRSCY": 0, "OVSCY": 6}, "[89:100,1:84]", "[7:88,1:84]"),
        ({"PRSCX": 20}, "[1:20,:]", "[21:100,:]"),
        ({"PRSCX": 0, "OVSCX": 0, "PRSCY": 0, "OVSCY": 0}, "None", "None"),
        ({"PRSCY": 60, "OVSCY": 60}, "None", "None"),  # more than there is
    ],
)
def test_eso_counts_rows_and_columns_of_prescan_and_overscan(counted, bias, data):
    cards = {"NAXIS1": 100, "NAXIS2": 90, **{f"ESO DET OUT1 {word}": pixels for word, pixels in counted.items()}}
    facts = read_facts(cards)
    assert (str(facts.bias_section), str(facts.data_section)) == (bias, data)
