"""A header that is changed as text says what astropy's says after the same changes."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import given
from hypothesis import strategies as st

from kernel_table import NJIT
from zeroframe.fits import Cards, HeaderDraft

START = """\
SIMPLE  =                    T / a comment of the standard
EXPTIME =                1.5D1 / s
OBJECT  = 'it''s / not '       / a name
HIERARCH ESO DET NAME = 'CCD-44' / c
HISTORY first
COMMENT said
HISTORY second
LONGONE = 'a text that goes on in another card because it does not fit into on&'
CONTINUE  'e card' / and its comment
GAIN    = 5.4"""


def start():
    return Cards(b"".join(line.ljust(80).encode("ascii") for line in [*START.splitlines(), "END"]))


def read_back(draft):
    return fits.Header.fromstring("".join(draft.lines()))


VALUES = st.one_of(
    st.booleans(),
    st.integers(-(2**63), 2**63),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=150).map(str.rstrip),
)


@given(st.text(st.sampled_from("abc =&/  "), min_size=60, max_size=240).map(str.rstrip))
def test_a_text_of_several_lines_stands_as_astropy_writes_it(text):
    draft = HeaderDraft(start())
    draft["COMBREJ"] = text
    assert "".join(draft.lines()).partition("COMBREJ =")[2].rstrip().removesuffix("END").rstrip() == (
        str(fits.Card("COMBREJ", text)).partition("COMBREJ =")[2].rstrip()
    )


@given(
    st.sampled_from(["EXPTIME", "OBJECT", "GAIN", "NEWONE", "ESO DET NAME"]),
    VALUES,
    st.text(st.characters(min_codepoint=48, max_codepoint=122), max_size=20),
)
def test_what_is_set_is_read_by_astropy(keyword, value, comment):
    draft = HeaderDraft(start())
    draft[keyword] = (value, comment)
    header = read_back(draft)
    if isinstance(value, float) and " " in keyword:  # astropy writes these cards, with as many digits as have room
        value = pytest.approx(value, rel=1e-12)
    assert draft[keyword] == value
    if not isinstance(value, str):  # astropy does not read all texts back that it writes
        assert header[keyword] == value
        assert comment.startswith(header.comments[keyword])
        assert header.comments[keyword] or not comment or " " in keyword
    assert all(len(line) % 80 == 0 for line in draft.lines())
    # what was not touched keeps every byte
    before = HeaderDraft(start()).lines()
    changed = [line for line in draft.lines() if line not in before]
    assert len(changed) == 1 or changed == []


def test_a_card_keeps_its_place_and_its_comment():
    draft = HeaderDraft(start())
    draft["EXPTIME"] = 30
    draft["OBJECT"] = "M 51"
    header = read_back(draft)
    assert list(header)[:3] == ["SIMPLE", "EXPTIME", "OBJECT"]
    assert header.comments["EXPTIME"] == "s"
    assert header.comments["OBJECT"] == "a name"
    assert header["LONGONE"].endswith("into one card")
    assert draft["LONGONE"] == header["LONGONE"]
    assert draft["hierarch eso det name"] == "CCD-44"


def test_lines_of_history_stand_together():
    draft = HeaderDraft(start())
    assert draft["HISTORY"] == ("first", "second")
    draft.add_history("x" * 100)
    draft.add_comment("more")
    header = read_back(draft)
    assert list(header["HISTORY"]) == ["first", "second", "x" * 72, "x" * 28]
    assert list(header["COMMENT"]) == ["said", "more"]
    draft.remove("HISTORY")
    assert "HISTORY" not in draft
    draft.remove("HISTORY", ignore_missing=True)
    with pytest.raises(KeyError):
        draft.remove("HISTORY")
    draft.add_history("alone")
    assert draft["HISTORY"] == ("alone",)


def test_what_it_has_not():
    draft = HeaderDraft()
    assert len(draft) == 0
    assert draft.get("HISTORY", ()) == ()
    assert draft.get("GAIN") is None
    for missing in ("GAIN", "COMMENT"):
        with pytest.raises(KeyError):
            draft[missing]
    with pytest.raises(KeyError):
        del draft["GAIN"]
    with pytest.raises(KeyError, match="add_history"):
        draft["HISTORY"] = "no"
    with pytest.raises(ValueError, match="all cards"):
        draft.remove("GAIN", remove_all=False)


def test_numbers_of_numpy_and_odd_values():
    draft = HeaderDraft()
    draft["A"] = np.float32(0.5)
    draft["B"] = np.int16(-3)
    draft["C"] = np.bool_(True)
    draft["D"] = None
    draft["E"] = 1e22
    draft["F"] = 1e-7
    header = read_back(draft)
    assert (header["A"], header["B"], header["C"]) == (0.5, -3, True)
    assert header["D"] is None
    assert (header["E"], header["F"]) == (1e22, 1e-7)
    assert "1.0E+22" in draft.lines()[4]
    with pytest.raises(ValueError, match="nan values are not allowed"):
        draft["G"] = float("nan")


@pytest.mark.long
def test_a_run_that_writes_plain_files_needs_no_astropy(tmp_path):
    rng = np.random.default_rng(1)
    raw = tmp_path / "raw"
    raw.mkdir()
    for number in range(3):
        pixels = rng.normal(1000, 4, (40, 60)).astype(np.uint16)
        hdu = fits.PrimaryHDU(pixels)
        hdu.header["IMAGETYP"] = "BIAS"
        hdu.writeto(raw / f"b{number}.fits")
    code = (
        "import sys; from zeroframe.cli.main import main\n"
        "try:\n"
        f"    main(['bias', {str(raw)!r}, '-o', sys.argv[1], '--overscan', '[50:60,:]', '--trim', '[1:49,:]',"
        " '--no-report'])\n"
        "except SystemExit as done:\n"
        "    assert not done.code, done.code\n"
        "heavy = ('astropy', 'scipy.linalg', 'jinja2', 'matplotlib')\n"
        "print(*[name for name in heavy if name in sys.modules], file=sys.stderr)\n"
    )
    for out in ("first", "second"):  # the first may have to compile kernels, which takes more
        done = subprocess.run([sys.executable, "-c", code, str(tmp_path / out)], check=True, capture_output=True)
        assert (tmp_path / out / "combined_bias.fits").is_file()
    brought_by_numba = [b"scipy.linalg"] if NJIT else []  # which is imported where our loader does not know it
    assert [name for name in done.stderr.split() if name not in brought_by_numba] == []
