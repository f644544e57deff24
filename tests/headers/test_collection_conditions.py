"""Conditions on cards, as values and as text; parsing of cards on the fast way."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench import raw_pixels, write_raw
from zeroframe.errors import ArgumentError, AssumptionWarning, UsageError
from zeroframe.fits import Cards
from zeroframe.headers.columns import HeaderColumns, joined
from zeroframe.headers.query import condition, parse_where, select
from zeroframe.headers.reading import header_values
from zeroframe.headers.table import header_table
from zeroframe.verbs.collection import ImageFileCollection

VALUES = [None, True, False, 0, 60, 60.0, -1.5, "BIAS", "bias  ", "60", " 60.0", "2024-01-02", "T", "", "!x", "nan"]


@pytest.mark.parametrize(
    ("wanted", "met"),
    [
        ("bias", ["BIAS", "bias  "]),
        ("=bias", ["BIAS", "bias  "]),
        ("60", [60, 60.0, "60", " 60.0"]),
        (60, [60, 60.0, "60", " 60.0"]),
        ("6e1", [60, 60.0, "60", " 60.0"]),
        (np.int64(60), [60, 60.0, "60", " 60.0"]),
        (">0", [60, 60.0, "60", " 60.0"]),
        (">= -1.5", [0, 60, 60.0, -1.5, "60", " 60.0"]),
        ("<2024-02", ["2024-01-02", "", "!x"]),
        (True, [True, "T"]),
        ("t", [True, "T"]),
        (False, [False, 0]),
        ("=!x", ["!x"]),
        ("*", [value for value in VALUES if value is not None]),
        (None, [None]),
        ("", [None, ""]),
        ("!*", [None]),
        ("nan", ["nan"]),
        (["bias", None], [None, "BIAS", "bias  "]),
        ([], []),
        (np.array([0, 60]), [False, 0, 60, 60.0, "60", " 60.0"]),
        (lambda value: value == 60, [60, 60.0]),
    ],
)
def test_condition(wanted, met):
    test = condition(wanted).test
    found = [value for value in VALUES if test(value)]
    assert [(type(value), value) for value in found] == [(type(value), value) for value in met]


@given(st.sampled_from(["bias", "60", ">0", "*", "=!x", "<2024-02", ">= -1.5"]), st.sampled_from(VALUES))
def test_the_complement_is_met_exactly_where_the_condition_is_not(wanted, value):
    assert condition("!" + wanted).test(value) is not condition(wanted).test(value)


@pytest.mark.parametrize("wanted", [">", "!=", " <= ", "!"])
def test_an_operator_without_a_value(wanted):
    with pytest.raises(UsageError, match="compares with nothing"):
        condition(wanted)


def test_what_is_no_condition():
    with pytest.raises(ArgumentError, match="cannot be compared"):
        condition({"a": 1})
    with pytest.raises(UsageError, match="not a regular expression"):
        condition("(", regex=True)


HEADERS = HeaderColumns.of(
    ["a", "b", "c"],
    [
        {"imagetyp": "BIAS", "exptime": 0.0, "object": "", "filter": "g'"},
        {"imagetyp": "DARK", "exptime": 300.0, "object": "M 31"},
        {"imagetyp": "LIGHT", "exptime": 60, "object": "a,b", "filter": "r", "eso tpl id": 'say "x"'},
    ],
)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("imagetyp=bias", "a"),
        ("IMAGETYP == bias,dark  exptime>0", "b"),
        ("imagetyp!=bias,dark", "c"),
        ("exptime>=60 exptime<300", "c"),
        ("filter=g'", "a"),
        ("filter=g',r", "ac"),
        ("filter", "ac"),
        ("!filter", "b"),
        ("filter=*", "ac"),
        ("filter!=*", "b"),
        ("object='M 31'", "b"),
        ('object="m 31","a,b"', "bc"),
        ("object=''", "a"),
        ("object!=''", "bc"),
        ("object~^m", "b"),
        ("'ESO TPL ID'", "c"),
        ("nonesuch=''", "abc"),
        ("", "abc"),
    ],
)
def test_where(text, names):
    rows = select(HEADERS, parse_where(text))
    assert "".join(HEADERS.names[row] for row in rows) == names


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("imagetyp=bias =3", "'=3'"),
        ("exptime>", "'exptime>'"),
        ("!a=3", "'!a=3'"),
        ("a=,", "'a=,'"),
        ("a='b'c=3,", "c=3,"),
    ],
)
def test_where_that_cannot_be_understood_names_the_place(text, place):
    with pytest.raises(UsageError, match="cannot be understood") as caught:
        parse_where(text)
    assert place in str(caught.value)


def test_order_with_several_values_makes_no_sense():
    with pytest.raises(UsageError, match="several values"):
        parse_where("exptime>3,4")


FIELDS = st.one_of(
    st.from_regex(r"\A *'[ -~]{0,30}' *(/[ -~]{0,20})?\Z"),
    st.from_regex(r"\A *[+-]?[0-9]{1,20}(\.[0-9]{0,20})?([ED][+-]?[0-9]{1,2})? *(/[ -~]{0,20})?\Z"),
    st.sampled_from(
        ["T", "  F / no", "", "/ comment", "007", "-.5", "1.", "1.e5", "T/x", "'a''b' / c", "'&'", "1 2", "+0"]
    ),
    st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=60),
)


@given(
    st.from_regex(r"\A[A-Z][A-Z0-9_-]{0,7}\Z"),
    st.sampled_from(["= ", "=", "  ", " ="]),
    FIELDS,
)
def test_the_fast_way_of_parsing_a_card_agrees_with_the_other(keyword, sign, field):
    card = f"{keyword:8}{sign}{field}"[:80].ljust(80).encode()
    cards = Cards(card)
    expected = {name.lower(): value for name, value in cards.items() if name}
    found = header_values(cards)
    assert found == expected
    assert [type(value) for value in found.values()] == [type(value) for value in expected.values()]


HEADER = st.dictionaries(st.sampled_from("abcd"), st.sampled_from([1, 2.0, "x", None, True]), max_size=4)


@given(st.lists(HEADER, max_size=6), st.lists(HEADER, max_size=4), st.randoms(use_true_random=False))
def test_columns_keep_each_header(first, second, random):
    both = first + second
    names = [str(number) for number in range(len(both))]
    headers = joined([HeaderColumns.of(names[: len(first)], first), HeaderColumns.of(names[len(first) :], second)])
    assert [headers.header(row) for row in range(len(headers))] == both
    assert [list(headers.header(row)) for row in range(len(headers))] == [list(header) for header in both]
    rows = random.sample(range(len(both)), random.randint(0, len(both)))
    taken = headers.take(rows)
    assert [taken.header(row) for row in range(len(taken))] == [both[row] for row in rows]
    assert taken.keywords == list(dict.fromkeys(key for row in rows for key in both[row]))
    for keyword in "abcd":
        assert list(taken.column(keyword)) == [both[row].get(keyword) for row in rows]
    table = header_table(taken, taken.keywords)
    for keyword in taken.keywords:
        assert table[keyword].tolist() == [both[row].get(keyword) for row in rows]


def test_filters_that_differ_by_case_are_said(tmp_path):
    """Text is compared without regard to case, as ccdproc does it; but R and r are two filters."""
    for name in ("R", "r", "V"):
        write_raw(tmp_path / f"{ord(name)}.fits", raw_pixels(1), FILTER=name, OBJECT=f"m31{name}"[:3])
    files = ImageFileCollection(tmp_path)
    with pytest.warns(AssumptionWarning, match=r"filter = 'R' has found r, too; for R alone give a function"):
        assert len(files.files_filtered(filter="R")) == 2
    assert len(files.files_filtered(filter=lambda value: value == "R")) == 1
    assert len(files.files_filtered(filter="v")) == 1
    assert len(files.files_filtered(filter=["R", "r"])) == 2
    assert len(files.files_filtered(object="M31")) == 3
