"""Facts that stand where few cameras have them: begin and end, comments, amplifiers, other units, numbers of days."""

from __future__ import annotations

import pytest
from astropy.io import fits

from zeroframe.errors import UsageError
from zeroframe.fits.cards import Cards
from zeroframe.headers.dialects import read_facts
from zeroframe.headers.moments import clock_seconds, parsed_moment
from zeroframe.headers.words import parse_words


def facts(**cards):
    """Return what a header says; a pair is a value and its comment.

    Each comment that matters has a keyword of its own: headers of the same cards are taken to have the same comments.
    """
    header = fits.Header()
    for word, said in cards.items():
        header[word.replace("_", "-") if word.startswith(("DATE", "MJD", "UT", "TM")) else word] = said
    return read_facts(Cards(header.tostring(padding=False).encode("latin-1")))


def doubts_of(found):
    return " | ".join(found.doubts)


@pytest.mark.parametrize(
    ("cards", "seconds"),
    [
        ({"MJD_BEG": 57000.0, "MJD_END": 57000.001}, 86.4),
        ({"MJD_BEG": "noon", "MJD_END": 57000.001}, None),
        ({"DATE_BEG": "2020-01-01T23:59:30", "DATE_END": "2020-01-02T00:00:15"}, 45.0),
        ({"DATE_BEG": "2020-01-01", "DATE_END": "2020-01-02T00:00:15"}, None),
        ({"UT_START": "23:59:00", "UT_END": "00:01:30"}, 150.0),
        ({"UT_START": "23:59:00", "UT_END": "later"}, None),
        ({"TM_START": (43200.0, "[s]"), "TM_END": (43260.5, "[s]")}, 60.5),
    ],
)
def test_an_exposure_is_what_lies_between_begin_and_end(cards, seconds):
    found = facts(**cards)
    assert found.exposure_s == seconds
    assert ("the exposure is what lies between" in doubts_of(found)) is (seconds is not None)


@pytest.mark.parametrize(
    ("cards", "seconds"),
    [
        ({"EXPMS": 2500}, 2.5),
        ({"EXPUS": 2500000}, 2.5),
        ({"MYTIME": (3.5, "exposure time in seconds")}, 3.5),
        ({"ITSTIME": (3.5, "requested exposure time")}, None),
        ({"OURTIME": ("long", "exposure time")}, None),
        ({"EXPTIME": (1.5, "exposure in minutes")}, 90.0),
        ({"EXPTIME": "250 ms"}, 0.25),
        ({"EXPTIME": "3 weeks"}, None),
    ],
)
def test_an_exposure_by_its_name_its_comment_and_its_unit(cards, seconds):
    found = facts(**cards)
    assert found.exposure_s == (seconds if seconds is None else pytest.approx(seconds, rel=1e-9))
    if seconds is not None and "EXPTIME" not in cards:
        (word,) = cards
        assert f"to be sure: --card exposure={word}" in doubts_of(found)


@pytest.mark.parametrize(
    ("cards", "gain"),
    [
        ({"GAINA": 2.0, "GAINB": 2.2}, 2.1),
        ({"GAINA": 2.0, "GAINB": 3.0}, None),
        ({"GAINA": 2.0}, 2.0),
        ({"MYGAIN": (2.5, "e-/ADU")}, 2.5),
        ({"MYGAIN": (0.5, "ADU/e-")}, 2.0),
        ({"MYGAIN": (2.5, "of something")}, None),
        ({"GAIN": "1.1 1.2 1.3 1.4"}, None),
        ({"GAIN": 139}, None),
    ],
)
def test_a_gain_of_amplifiers_and_by_its_comment(cards, gain):
    assert facts(**cards).gain_e_per_adu == (gain if gain is None else pytest.approx(gain))


def test_what_amplifiers_say_is_told():
    assert "those of 2 amplifiers; their mean is used" in doubts_of(facts(GAINA=2.0, GAINB=2.2))
    assert "those of 2 amplifiers, and differ; none of them is used" in doubts_of(facts(GAINA=2.0, GAINB=3.0))


@pytest.mark.parametrize(
    ("cards", "noise"),
    [
        ({"RDNOISEA": 4.0, "RDNOISEB": 4.4}, 4.2),
        ({"MYRON": (5.0, "read noise in electrons")}, 5.0),
        ({"MYRON": (5.0, "a person")}, None),
        ({"RDNOISE": (5.0, "in ADU")}, None),
        ({"RDNOISE": "3.1 3.2 3.3 3.4"}, None),
        ({"RDNOISE": "3.5 electrons"}, 3.5),
        ({"RDNOISE": "3.5 volts"}, None),
    ],
)
def test_a_read_noise_in_electrons(cards, noise):
    assert facts(**cards).read_noise_e == (noise if noise is None else pytest.approx(noise))


@pytest.mark.parametrize(
    ("cards", "celsius"),
    [
        ({"CCD-TEMP": -20.5}, -20.5),
        ({"CCD-TEMP": 180.2}, -92.95),
        ({"CCD-TEMP": (253.15, "kelvin")}, -20.0),
        ({"CCD-TEMP": (0.0, "kelvin")}, None),
        ({"CCD-TEMP": "-4 F"}, -20.0),
        ({"CCD-TEMP": "-20 parsec"}, None),
        ({"CCD-TEMP": -999.0}, None),
        ({"TEMPERAT": -10.0}, -10.0),
        ({"TEMPERAT": 12.0, "HUMIDITY": 40.0}, None),
        ({"TEMPERAT": (12.0, "of the dome")}, None),
        ({"MYCOLD": (-30.0, "temperature of the CCD")}, -30.0),
        ({"ITSCOLD": (-30.0, "set temperature of the CCD")}, None),
        ({"OURCOLD": ("cold", "temperature of the CCD")}, None),
    ],
)
def test_a_temperature_is_that_of_the_detector(cards, celsius):
    assert facts(**cards).temperature_c == (celsius if celsius is None else pytest.approx(celsius))


@pytest.mark.parametrize(
    ("cards", "day", "seconds"),
    [
        ({"MJD_OBS": 59000.5}, "2020-05-31", 43200.0),
        ({"JD": 2459001.0}, "2020-05-31", 43200.0),
        ({"JD": "2459001.0"}, "2020-05-31", 43200.0),
        ({"JD": "yesterday"}, None, None),
        ({"DATE_OBS": "2020-05-31", "UT": "12:00:00"}, "2020-05-31", 43200.0),
        ({"DATE_OBS": "2020-05-31", "UT": "2020-05-31T12:00:00"}, "2020-05-31", 43200.0),
        ({"DATE_OBS": "2020-05-31", "UT": "2020-06-01T12:00:00"}, "2020-05-31", None),
        ({"DATE_OBS": "1899-12-30"}, None, None),
        ({"MYDAY": ("2020-05-31T12:00:00", "start of exposure")}, "2020-05-31", 43200.0),
        ({"ITSDAY": (59000.5, "start of exposure")}, "2020-05-31", 43200.0),
        ({"OURDAY": ("soon", "start of exposure")}, None, None),
    ],
)
def test_a_moment_by_days_clocks_and_comments(cards, day, seconds):
    found = facts(**cards).began
    assert (None if found is None else found.day.isoformat()) == day
    assert (None if found is None else found.seconds) == seconds


@pytest.mark.parametrize(
    ("text", "day", "seconds"),
    [
        ("20050126", "2005-01-26", None),
        ("20050126T101112", "2005-01-26", 36672.0),
        ("26-Jan-2005", "2005-01-26", None),
        ("26-Foo-2005", None, None),
        ("31/02/10", "2031-02-10", None),
        ("2005-01-26Tnoon", "2005-01-26", None),
        ("2005-02-31", None, None),
        ("2005-01-26T23:30:00-0100", "2005-01-27", 1800.0),
    ],
)
def test_forms_of_a_date(text, day, seconds):
    found = parsed_moment(text)
    assert (None if found is None else found.day.isoformat()) == day
    assert (None if found is None else found.seconds) == seconds


@pytest.mark.parametrize(
    ("value", "comment", "seconds"),
    [(True, "", None), ("10:38:18 p.m.", "", 81498.0), ("25:00:00", "", None), ("7.5", "", 27000.0), ("7", "", None),
     (7.5, "time [s]", 7.5), (-1.0, "", None), (90000.0, "", None)],
)  # fmt: skip
def test_a_time_of_day(value, comment, seconds):
    assert clock_seconds(value, comment) == seconds


@pytest.mark.parametrize(
    ("words", "kinds", "said"),
    [
        ([], None, "expected is a table"),
        ({"settings": {"mode": 3}}, None, "words.settings"),
        ({"fliter": "X"}, None, "not a meaning that can be taught"),
        ({"filter": 3}, None, "expected is the name of a card"),
        ({"filter": {"cards": "X"}}, None, "the key 'cards' is not known"),
        ({"filter": {"card": ""}}, None, "card = ''"),
        ({"filter": {"card": "X", "factor": 2.0}}, None, "factor = 2.0"),
        ({"gain": {"card": "X", "factor": 0}}, None, "factor = 0"),
        ({"filter": {"card": "X", "pattern": "("}}, None, "no regular expression"),
        ({"filter": {"card": "X", "values": {"flat": "y"}}}, None, "for kinds"),
        (None, {"kind": "flat"}, "expected are tables"),
        (None, [{"kind": "flat", "fiel": "x*"}], "the key 'fiel' is not known"),
        (None, [{"kind": "flat", "file": 3}], "expected is a pattern"),
        (None, [{"kind": "flat", "card": "OBJECT"}], "expected is { OBJECT"),
        (None, [{"kind": "flat", "list": "a.fits"}], "a list of file names"),
    ],
)
def test_words_that_cannot_be_used_are_named(words, kinds, said):
    with pytest.raises(UsageError) as caught:
        parse_words(words, kinds, "night.toml")
    assert "night.toml" in str(caught.value)
    assert said in str(caught.value)
