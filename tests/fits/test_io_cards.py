"""Cards: what stands in a header is read as astropy reads it, and what is not valid is kept as text."""

from __future__ import annotations

import gzip
import pickle
import subprocess
import sys
import warnings
from pathlib import Path

import pytest
from astropy.io import fits
from hypothesis import example, given
from hypothesis import strategies as st

from zeroframe.fits import Cards
from zeroframe.fits.cards import find_end


def header_bytes(*cards: str | bytes) -> bytes:
    raw = [card if isinstance(card, bytes) else card.encode("latin-1") for card in (*cards, "END")]
    assert all(len(card) <= 80 for card in raw)
    return b"".join(card.ljust(80) for card in raw)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("                   42 / answer", 42),
        ("42", 42),
        ("-7/no space", -7),
        ("+1.000000000000e+000", 1.0),
        ("1.5D-3", 0.0015),
        (".5", 0.5),
        ("5.", 5.0),
        ("T/CCDSOFT-SOFTWARE BISQUE 2", True),
        ("                   F", False),
        ("'it''s   '           / quoted", "it's"),
        ("'  leading kept  '", "  leading kept"),
        ("''", ""),
        ("'with / slash' / comment", "with / slash"),
        ("'no end", "no end"),
        ("", None),
        ("  / only a comment", None),
        ("unquoted text / comment", "unquoted text"),
        ("NaN", "NaN"),
        ("inf", "inf"),
        ("1E999", "1E999"),
        ("1_000", "1_000"),
        ("0x10", "0x10"),
        ("(1.0, 2.0)", "(1.0, 2.0)"),
        ("T\0\0\0\0", True),
        ("99999999999999999999999", 99999999999999999999999),
    ],
)
def test_value(field: str, value: object) -> None:
    cards = Cards(header_bytes(f"KEY     = {field}"))
    assert cards["KEY"] == value
    assert type(cards["KEY"]) is type(value)


@example("", "'")
@given(
    st.one_of(
        st.booleans(),
        st.integers(-(2**63), 2**63),
        st.floats(allow_nan=False, allow_infinity=False),
        st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=200).map(str.rstrip),
    ),
    st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=20),
)
def test_reads_what_astropy_writes(value: object, comment: str) -> None:
    header = fits.Header()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # astropy says when it cuts a comment
        header["KEY"] = (value, comment)
        header["HIERARCH some long keyword"] = 5
        header["AFTER"] = "x"
        text = header.tostring()
    cards = Cards(text.encode("ascii"))
    assert list(cards) == ["KEY", "SOME LONG KEYWORD", "AFTER"]
    assert type(cards["KEY"]) is type(value)
    if isinstance(value, float):  # written with 16 digits
        assert cards["KEY"] == fits.Header.fromstring(text)["KEY"]
    else:  # astropy itself does not read every text back that it writes: '' with the comment "'" becomes "' /"
        assert cards["KEY"] == value
    assert cards["AFTER"] == "x"


def test_keywords_are_found_in_any_case_and_the_first_counts() -> None:
    cards = Cards(header_bytes("ExpTime =                  2.5", "EXPTIME =                  9.0"))
    assert cards["exptime"] == cards["EXPTIME"] == cards[" ExpTime "] == 2.5
    assert "exptime" in cards
    assert 5 not in cards
    assert len(cards) == 1
    assert cards.get("GAIN") is None
    with pytest.raises(KeyError, match="GAIN"):
        cards["GAIN"]


def test_commentary_is_joined() -> None:
    cards = Cards(header_bytes("COMMENT one", "A       = 1", "COMMENT   two", "HISTORY did", "        blank"))
    assert cards["COMMENT"] == "one\n  two"
    assert cards["HISTORY"] == "did"
    assert cards[""] == "blank"
    with pytest.raises(KeyError):
        Cards(header_bytes("A       = 1"))["HISTORY"]


def test_hierarch() -> None:
    cards = Cards(
        header_bytes("A       = 1", "HIERARCH ESO DET CHIP1 NAME = 'CCD-44' / c", "B       = 2", "HIERARCH odd")
    )
    assert cards["ESO DET CHIP1 NAME"] == cards["hierarch eso det chip1 name"] == "CCD-44"
    assert "HIERARCH ESO DET CHIP1 NAME" in cards
    assert list(cards) == ["A", "ESO DET CHIP1 NAME", "B", "HIERARCH"]
    assert cards["HIERARCH"] == "odd"


def test_continue() -> None:
    cards = Cards(
        header_bytes(
            "LONG    = 'one &'", "CONTINUE  'two &'", "CONTINUE  'three' / c", "CONTINUE  'stray'", "AMP     = 'a&'"
        )
    )
    assert cards["LONG"] == "one two three"
    assert cards["AMP"] == "a&"
    assert "CONTINUE" not in cards


def test_card_without_value_indicator_is_text() -> None:
    assert Cards(header_bytes("REMARK  some words"))["REMARK"] == "some words"


def test_text_ends_with_end() -> None:
    raw = header_bytes("A       = 1")
    assert Cards(raw + b" " * 2720 + b"B       = 2".ljust(80)).text == raw
    assert Cards(b"A       = 1".ljust(80))["A"] == 1
    assert Cards(b"A       = 1")["A"] == 1


def test_find_end_is_aligned_and_alone() -> None:
    assert find_end(header_bytes("A       = 'END     '", "ENDTIME = 3")) == 160
    assert find_end(b"A".ljust(80) + b"END\0\0".ljust(80, b"\0")) == 80
    assert find_end(b" END".ljust(80)) == -1
    assert find_end(b"END is near".ljust(80)) == -1


def test_pickle_and_repr() -> None:
    cards = Cards(header_bytes("A       = 1"))
    assert pickle.loads(pickle.dumps(cards)) == cards
    assert repr(cards) == "<Cards: 1 keywords>"


def test_to_header_mends_what_astropy_would_refuse() -> None:
    cards = Cards(
        header_bytes(
            "SIMPLE  =                    T/no space",
            "BSCALE  = +1.0e+000",
            b"OBSERVER= 'Jos\xe9'",
            "SPACE K = 3",
            "D.OT    = 4",
            "BAD     = not a value",
            "CONTINUE  'stray'",
            "HIERARCH no equals",
            "HIERARCH lower case = 5",
            "LONG    = 'one&'",
            "CONTINUE  'two'",
            "NOVALUE text",
            "HISTORY Jos\xe9",
            "OPEN    = 'no end",
        )
    )
    header = cards.to_header()
    assert fits.Header.fromstring(header.tostring()) == header  # warnings are errors here
    assert header["BSCALE"] == 1.0
    assert header["OBSERVER"] == "Jos?"
    assert header["SPACE K"] == 3
    assert header["D.OT"] == 4
    assert header["BAD"] == "not a value"
    assert header["LOWER CASE"] == 5
    assert header["LONG"] == "onetwo"
    assert header["NOVALUE"] == "text"
    assert header["OPEN"] == "no end"
    assert "stray" in str(header["COMMENT"])
    assert "no equals" in str(header["COMMENT"])
    assert str(header["HISTORY"]) == "Jos?"


@given(st.lists(st.binary(min_size=80, max_size=80), max_size=6))
def test_nothing_in_a_header_raises(lines: list[bytes]) -> None:
    cards = Cards(b"".join(lines))
    assert len(dict(cards)) == len(cards)
    text = cards.to_header().tostring()
    assert len(text) % 2880 == 0


@pytest.mark.long
def test_real_headers_are_read_as_astropy_does(real_data: Path) -> None:
    compared = 0
    for path in sorted(real_data.rglob("*")):
        raw = path.read_bytes() if path.is_file() else b""
        raw = gzip.decompress(raw) if raw.startswith(b"\x1f\x8b") else raw
        if not raw.startswith(b"SIMPLE") or "corrupt" in path.name:
            continue
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # some of these headers are not valid; astropy says so
            with fits.open(path, disable_image_compression=True) as hdus:
                theirs = [(hdu._header_offset, hdu.header.copy()) for hdu in hdus]
        for offset, header in theirs:
            cards = Cards(raw[offset:])
            ours = cards.to_header()
            ours.tostring()
            assert set(cards) == set(header), path
            for keyword in set(header):
                try:
                    expected = header[keyword]
                except fits.VerifyError:  # text without quotes, say 15:58:11.37, which astropy reads after mending it
                    header.cards[keyword].verify("silentfix")
                    expected = header[keyword]
                if keyword in ("COMMENT", "HISTORY", ""):
                    assert cards[keyword] == "\n".join(map(str, expected)), path
                    continue
                expected = None if isinstance(expected, fits.card.Undefined) else expected
                assert cards[keyword] == expected, (path, keyword)
                assert type(cards[keyword]) is type(expected), (path, keyword)
                again = ours[keyword]
                assert (None if isinstance(again, fits.card.Undefined) else again) == expected, (path, keyword)
            compared += 1
    assert compared > 100


def test_headers_need_neither_numpy_nor_astropy() -> None:
    code = "import sys, zeroframe.fits; sys.exit(any(m in sys.modules for m in ('numpy', 'astropy', 'numba', 'isal')))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
