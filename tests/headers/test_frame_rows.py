"""What `zeroframe ls` says of a frame, remembered: it is never another thing than the file says when it is read."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import given, settings
from hypothesis import strategies as st

import zeroframe
from zeroframe.fits import scan
from zeroframe.headers import frame_rows
from zeroframe.headers import index as header_index
from zeroframe.headers.dialects import read_facts
from zeroframe.headers.frame_rows import ROW_COLUMNS
from zeroframe.headers.listing import list_frames
from zeroframe.headers.survey import survey_tree
from zeroframe.headers.words import words_of_options
from zeroframe.simulate import SIMULATED_MOSAICS, simulate_night

HEADERS = Path(__file__).resolve().parents[1] / "data" / "headers"
COLUMNS = ("file", *ROW_COLUMNS)
LONG_AGO_S = 1.5e9
#: Of each sample: only cards that say how the image is stored are ours.
STRUCTURE = ("SIMPLE", "BITPIX", "NAXIS", "NAXIS1", "NAXIS2", "BZERO", "BSCALE", "EXTEND", "END", "XTENSION")


def sample_cards():
    """The cards of every header of the corpus, 80 characters each."""
    for path in sorted(HEADERS.rglob("*.txt")):
        for block in ("\n" + path.read_text(encoding="utf-8")).split("\n@ "):
            lines = [line for line in block.split("\n") if line[8:10] == "= " or "=" in line[:40]]
            cards = []
            for line in lines:
                keyword, _, rest = line.partition("=")
                whole = line if line.startswith("HIERARCH") else f"{keyword.strip():8.8}= {rest.strip()}"
                if keyword.strip() not in STRUCTURE and " | " not in line:
                    cards.append(whole.encode("latin-1", "replace")[:80].ljust(80))
            if cards:
                yield cards


SAMPLES = list(sample_cards())


def write(path, cards):
    """Write a file of 16 x 12 pixels with some cards, and have it written long ago."""
    first = ("SIMPLE  = T", "BITPIX  = 16", "NAXIS   = 2", "NAXIS1  = 16", "NAXIS2  = 12")
    text = b"".join([*(card.encode().ljust(80) for card in first), *cards, b"END".ljust(80)])
    path.write_bytes(text + b" " * (-len(text) % 2880) + bytes(2880))
    write.clock = getattr(write, "clock", LONG_AGO_S) + 1
    os.utime(path, (write.clock, write.clock))


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("ZEROFRAME_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def reads(monkeypatch):
    """The files that are really read."""
    read = []

    def counted(path, *args, **kwargs):
        read.append(Path(path).name)
        return original(path, *args, **kwargs)

    original = frame_rows.header_cards
    monkeypatch.setattr(frame_rows, "header_cards", counted)
    return read


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """Every header of the corpus, detectors of several amplifiers, and files that are none."""
    folder = tmp_path_factory.mktemp("corpus") / "raw"
    (folder / "Flats").mkdir(parents=True)
    for number, cards in enumerate(SAMPLES):
        write(folder / ("Flats" if number % 3 == 0 else "") / f"a{number:04d}.fits", cards)
    for camera in ("quad-mef", "four-chip-mosaic"):
        simulate_night(SIMULATED_MOSAICS[camera].resized((64, 64)), folder / camera, seed=7)
    two = fits.HDUList([fits.PrimaryHDU(), *(fits.ImageHDU(np.zeros((3, 4), np.uint16)) for _ in range(2))])
    two.writeto(folder / "two.fits")
    fits.PrimaryHDU(np.zeros((3, 4, 1, 1))).writeto(folder / "bias_cube.fits")
    (folder / "zero_cut.fits").write_bytes((folder / "two.fits").read_bytes()[:200])
    (folder / "notes.txt").write_text("clouds")
    for path in folder.rglob("*.*"):
        os.utime(path, (LONG_AGO_S, LONG_AGO_S))
    return folder


def rows_of(folder, **options):
    listing = list_frames(folder, columns=COLUMNS, **options)
    return {row[0]: dict(zip(COLUMNS[1:], row[1:], strict=True)) for row in listing.rows}


def anew(folder, monkeypatch, **options):
    with monkeypatch.context() as patch:
        patch.setenv("ZEROFRAME_CACHE", "off")
        return rows_of(folder, **options)


def test_the_corpus_is_not_small():
    assert len(SAMPLES) > 100


def test_a_second_look_says_the_same_and_reads_nothing(corpus, cache, reads, monkeypatch):
    first = rows_of(corpus)
    assert len(reads) > len(SAMPLES)
    reads.clear()
    assert rows_of(corpus) == first
    assert reads == ["zero_cut.fits"]  # a problem is looked at again
    assert anew(corpus, monkeypatch) == first
    assert [str(problem) for problem in list_frames(corpus).problems] == [
        str(problem) for problem in list_frames(corpus).problems
    ]


def test_it_is_what_a_night_understands(corpus, cache):
    """The survey reads whole headers each time, and nothing is remembered for it."""
    rows_of(corpus)
    rows = rows_of(corpus)
    seen = 0
    for item in survey_tree(corpus):
        if item.facts is None or item.found is not None or item.problem is not None:
            continue
        row, facts = rows[item.path.relative_to(corpus).as_posix()], item.facts
        assert row["kind"] == (None if facts.kind is None else facts.kind.value)
        said = (row["exposure"], row["filter"], row["object"], row["date"])
        assert said == (facts.exposure_s, facts.filter_name, facts.object_name, facts.date_obs)
        assert all(doubt in (row["uncertain"] or "") for doubt in facts.doubts)
        assert row["size"] == " x ".join(map(str, item.shape_yx[::-1]))
        seen += 1
    assert seen > len(SAMPLES) * 0.9


CHANGED = st.sampled_from(
    ["IMAGETYP", "OBSTYPE", "FRAME", "EXPTIME", "EXPOSURE", "FILTER", "FILTER1", "OBJECT", "DATE-OBS", "GAIN",
     "CCDTEMP", "BIASSEC", "TRIMSEC", "ZFJOB", "NCOMBINE", "COMBINED", "BUNIT", "XBINNING", "CALSTAT", "NEWCARD"]
)  # fmt: skip
VALUES = st.one_of(
    st.sampled_from(
        ["'bias'", "'Light Frame'", "'flat'", "'x'", "''", "T", "12.5", "-1", "1E9", "[1:4,1:4]", "'[1:40,*]'",
         "'2020-02-30'", "'2021-03-04T05:06:07'", "'r'", "'open'", "'30 s'", "nan", "1.5D3"]
    ),
    st.integers(-5, 10**6).map(str),
    st.text("abcdef XYZ019.-", max_size=12).map(lambda text: f"'{text}'"),
)  # fmt: skip
EDITS = st.lists(
    st.tuples(st.integers(0, 400), st.sampled_from(["set", "drop", "double", "swap"]), CHANGED, VALUES),
    min_size=1,
    max_size=4,
)


def edited(cards, edits):
    cards = list(cards)
    for number, how, keyword, value in edits:
        place = number % len(cards)
        new = f"{keyword:8}= {value}".encode().ljust(80)[:80]
        own = cards[place][:10] if cards[place][8:10] == b"= " else new[:10]
        if how == "set":
            cards = [card for card in cards if not card.startswith(new[:9])] + [new]
        elif how == "drop" and len(cards) > 1:
            del cards[place]
        elif how == "double":
            cards.insert(place, (own + value.encode()).ljust(80)[:80])
        else:
            cards[place] = (own + value.encode()).ljust(80)[:80]
    return cards


@settings(max_examples=40, deadline=None)
@given(number=st.integers(0, len(SAMPLES) - 1), edits=st.lists(EDITS, min_size=1, max_size=3))
def test_a_changed_card_is_seen(tmp_path_factory, number, edits):
    """Of each state of the file the index says what its cards say, asked directly."""
    folder = tmp_path_factory.mktemp("changed") / "raw"
    folder.mkdir()
    path, cards = folder / "s.fits", SAMPLES[number]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ZEROFRAME_CACHE", str(folder.parent / "cache"))
        for each in edits:
            write(path, cards := edited(cards, each))
            for _ in range(2):
                facts = read_facts(scan(path).cards, "s.fits", folders=("raw",))
                (row,) = rows_of(folder).values()
                assert row["kind"] == (None if facts.kind is None else facts.kind.value)
                said = (row["exposure"], row["filter"], row["object"], row["date"])
                assert said == (facts.exposure_s, facts.filter_name, facts.object_name, facts.date_obs)
                assert all(doubt in (row["uncertain"] or "") for doubt in facts.doubts)


def one_frame(tmp_path, folder="raw", **cards):
    (tmp_path / folder).mkdir(exist_ok=True)
    path = tmp_path / folder / "x1.fits"
    write(path, [f"{keyword:8}= {value}".encode().ljust(80) for keyword, value in cards.items()])
    return path


def only(folder, **options):
    (row,) = rows_of(folder, **options).values()
    return row


@pytest.mark.parametrize("what", ["size", "mtime_ns", "inode"])
def test_a_changed_file_is_read_anew(tmp_path, cache, reads, what):
    path = one_frame(tmp_path, IMAGETYP="'bias'", EXPTIME="0.0")
    before = path.stat()
    assert only(path.parent)["kind"] == "bias"
    text = path.read_bytes().replace(b"'bias'", b"'dark'")
    if what == "inode":
        (path.parent / "y").write_bytes(text)
        (path.parent / "y").replace(path)
    else:
        path.write_bytes(text + (bytes(2880) if what == "size" else b""))
    later_ns = 1 if what == "mtime_ns" else 0
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns + later_ns))
    differ = [
        name for name in ("st_size", "st_mtime_ns", "st_ino") if getattr(path.stat(), name) != getattr(before, name)
    ]
    assert differ == [{"size": "st_size", "mtime_ns": "st_mtime_ns", "inode": "st_ino"}[what]]
    assert only(path.parent)["kind"] == "dark"
    assert reads == ["x1.fits"] * 2


def test_what_is_taught_counts(tmp_path, cache):
    path = one_frame(tmp_path, SHOT="'sky'", EXPMS="1500", COLOUR="'r'", EXPTIME="7.0")
    folder = path.parent
    taught = words_of_options(["flat=SHOT=sky"], ["exposure=EXPMS*0.001", "filter=COLOUR"])
    otherwise = words_of_options(["dark=x*.fits"], ["exposure=EXPMS"])
    for _ in range(2):
        found = [only(folder), only(folder, words=taught), only(folder, words=otherwise)]
        assert [row["exposure"] for row in found] == [7.0, 1.5, 1500.0]
        assert [row["kind"] for row in found][1:] == ["flat", "dark"]
        assert [row["filter"] for row in found][1] == "r"


def test_the_folder_that_was_given_counts(tmp_path, cache):
    """Names of folders from the one that was given on say the kind of a frame where nothing else does."""
    (tmp_path / "flats").mkdir()
    one_frame(tmp_path, "flats/p1", EXPTIME="3.0")
    for _ in range(2):
        assert only(tmp_path / "flats")["kind"] == "flat"
        assert only(tmp_path / "flats" / "p1")["kind"] != "flat"


def test_the_name_counts(tmp_path, cache):
    path = one_frame(tmp_path, EXPTIME="3.0")
    assert only(path.parent)["kind"] is None
    path.rename(path.with_name("dark_7.fits"))
    assert only(path.parent)["kind"] == "dark"


SAY = (
    "import sys; from zeroframe.headers.listing import list_frames\n"
    "print(*list_frames(sys.argv[1], columns=['kind', 'exposure']).rows[0])"
)


def said_by(package, folder, cache):
    environment = {**os.environ, "ZEROFRAME_CACHE": str(cache), "PYTHONPATH": str(package)}
    run = subprocess.run(
        [sys.executable, "-c", SAY, str(folder)], env=environment, capture_output=True, text=True, check=True
    )
    return run.stdout.strip()


def test_another_table_of_words_says_anew(tmp_path, cache):
    """The program itself, with a word more in its tables, beside the one without, both with one cache."""
    folder = one_frame(tmp_path, MYSHOT="'Nebel'", IMAGETYP="'nebel'", EXPTIME="4.0").parent
    package, source = tmp_path / "other", Path(zeroframe.__file__).parent
    for part in ("*.py", "fits/**/*.py", "headers/**/*.*", "kernels/*.py"):
        for path in source.glob(part):
            if path.suffix in {".py", ".toml"}:
                target = package / "zeroframe" / path.relative_to(source)
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(path, target)
    own = said_by(source.parent, folder, cache)
    assert own == "None 4.0"
    tables = package / "zeroframe" / "headers" / "dialects.toml"
    text = tables.read_text(encoding="utf-8")
    assert text.count('"object", "objects", "obj",') == 1
    tables.write_text(text.replace('"object", "objects", "obj",', '"nebel", "object",'), encoding="utf-8")
    assert said_by(package, folder, cache) == "science 4.0"
    assert said_by(source.parent, folder, cache) == own
    with sqlite3.connect(cache / "headers.sqlite") as connection:
        assert connection.execute("SELECT count(*) FROM folders").fetchone() == (2,)
    connection.close()


def test_all_code_that_a_row_is_made_by_counts(corpus):
    """Every module that is loaded while rows are made is in the key, but for those that no value passes through."""
    code = (
        "import sys; from zeroframe.headers.listing import list_frames; list_frames(sys.argv[1])\n"
        "print(*[module.__file__ for name, module in sys.modules.items() if name.startswith('zeroframe')])"
    )
    environment = {**os.environ, "ZEROFRAME_CACHE": "off"}
    run = subprocess.run(
        [sys.executable, "-c", code, str(corpus)], env=environment, capture_output=True, text=True, check=True
    )
    package = Path(zeroframe.__file__).parent
    counted = {path for pattern in header_index._CODE for path in package.glob(pattern)}
    loaded = {Path(path) for path in run.stdout.split()}
    others = {path.relative_to(package).as_posix() for path in loaded - counted}
    assert len(loaded & counted) > 30
    assert others <= {"__init__.py", "records.py", "workers.py", "kernels/__init__.py", "kernels/operations.py"}
    assert {"dialects.toml", "colours.toml"} <= {path.name for path in counted}


def damaged(whole, how):
    place = whole.index(b'"bias"')
    return {
        "rubbish": b"no database" * 500,
        "cut off": whole[: len(whole) // 3],
        "another kind": whole[:place] + b'"dark"' + whole[place + 6 :],
        "empty": b"",
    }[how]


@pytest.mark.parametrize("how", ["rubbish", "cut off", "another kind", "empty"])
@pytest.mark.filterwarnings("ignore:.*the index of headers was damaged")
def test_a_damaged_index_is_not_believed(small_index, monkeypatch, how):
    folder, cache, whole, truth = small_index
    monkeypatch.setenv("ZEROFRAME_CACHE", str(cache))
    (cache / "headers.sqlite").write_bytes(damaged(whole, how))
    assert rows_of(folder) == truth
    assert rows_of(folder) == truth


@pytest.mark.filterwarnings("ignore:.*the index of headers")
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_any_byte_of_the_index_may_be_another(small_index, data):
    """It is noticed, or it does not matter."""
    folder, cache, whole, truth = small_index
    place = data.draw(st.integers(0, len(whole) - 1))
    byte = data.draw(st.integers(0, 255))
    (cache / "headers.sqlite").write_bytes(whole[:place] + bytes([byte]) + whole[place + 1 :])
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ZEROFRAME_CACHE", str(cache))
        assert rows_of(folder) == truth


@pytest.fixture(scope="module")
def small_index(tmp_path_factory):
    folder = tmp_path_factory.mktemp("small") / "raw"
    folder.mkdir()
    for number, cards in enumerate(SAMPLES[:12]):
        write(folder / f"a{number}.fits", cards)
    cache = folder.parent / "cache"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ZEROFRAME_CACHE", str(cache))
        truth = rows_of(folder)
        assert truth == anew(folder, patch)
    return folder, cache, (cache / "headers.sqlite").read_bytes(), truth


TURNS = """
import json, os, sys
from zeroframe.headers.listing import list_frames
folder, own = sys.argv[1:]
path = os.path.join(folder, own + '.fits')
for turn in range(12):
    with open(path, 'rb') as file:
        text = file.read()
    number = b'EXPTIME = %6d' % turn
    with open(path + '.new', 'wb') as file:
        file.write(text[:400] + number.ljust(80) + text[480:])
    os.utime(path + '.new', (1.5e9 + turn, 1.5e9 + turn))
    os.replace(path + '.new', path)
    rows = dict(list_frames(folder, columns=['file', 'exposure']).rows)
    assert rows[own + '.fits'] == turn, (own, turn, rows)
"""


def test_two_processes_at_once(tmp_path, cache):
    """Each changes a file of its own and lists the folder of both: it is told what its file says now."""
    for own in ("left", "right"):
        one_frame(tmp_path, EXPTIME="99", IMAGETYP="'object'").rename(tmp_path / "raw" / f"{own}.fits")
    runs = [
        subprocess.Popen(
            [sys.executable, "-W", "error", "-c", TURNS, str(tmp_path / "raw"), own],
            stderr=subprocess.PIPE,
            text=True,
        )
        for own in ("left", "right")
    ]
    assert [run.communicate(timeout=60)[1] for run in runs] == ["", ""]
    assert {row["exposure"] for row in rows_of(tmp_path / "raw").values()} == {11.0}


def test_what_is_remembered_of_many_files_is_small(tmp_path, cache):
    """Words that come again and again stand there once: a folder takes little more than names and stamps."""
    for number in range(200):
        section = f"'[2000:208{number % 3},1:12]'"
        path = one_frame(tmp_path, IMAGETYP=f"'{'flat' if number % 2 else 'bias'}'", BIASSEC=section)
        path.rename(path.with_name(f"n{number:03d}.fits"))
    said = rows_of(tmp_path / "raw")
    assert len({row["uncertain"] for row in said.values()}) == 3
    with sqlite3.connect(cache / "headers.sqlite") as connection:
        (content,) = connection.execute("SELECT content FROM folders").fetchone()
    connection.close()
    told = json.loads(content)
    bare = sum(len(name) + len(stamp) for name, stamp in zip(told["names"], told["stamps"], strict=True))
    assert len(content) < 2 * bare
    assert rows_of(tmp_path / "raw") == said


def test_a_card_that_stands_twice_is_named(tmp_path, cache):
    path = one_frame(tmp_path, IMAGETYP="'bias'", EXPTIME="2.0")
    write(path, [b"EXPTIME = 2.0".ljust(80), b"EXPTIME = 3.0".ljust(80), b"IMAGETYP= 'bias'".ljust(80)])
    for _ in range(2):
        assert only(path.parent)["exposure"] == 2.0
        assert "EXPTIME is given as 2.0 and as 3.0; the first of them is used" in only(path.parent)["uncertain"]


def test_what_went_wrong_once_is_not_remembered(tmp_path, cache, monkeypatch):
    """A lack of memory is no property of the file."""
    (tmp_path / "raw").mkdir()
    images = [fits.ImageHDU(np.zeros((3, 4), np.uint16)) for _ in range(2)]
    fits.HDUList([fits.PrimaryHDU(), *images]).writeto(tmp_path / "raw" / "two.fits")
    os.utime(tmp_path / "raw" / "two.fits", (LONG_AGO_S, LONG_AGO_S))

    def fails(_frame):
        raise MemoryError

    with monkeypatch.context() as patch:
        patch.setattr("zeroframe.headers.geometry.detectors_in", fails)
        listing = list_frames(tmp_path / "raw")
        assert (listing.rows, [problem.reason for problem in listing.problems]) == ((), ["there is not enough memory"])
    assert "holds 2 images" in only(tmp_path / "raw")["uncertain"]


@pytest.mark.parametrize("first", ["seconds", "milliseconds"])
def test_equal_cards_with_other_comments_say_other_things(tmp_path, cache, first):
    """A unit in the comment is that of its own file, whichever file of the folder comes first."""
    (tmp_path / "raw").mkdir()
    comments = {"seconds": "exposure time [s]", "milliseconds": "exposure time [ms]"}
    names = {said: "a.fits" if said == first else "b.fits" for said in comments}
    for said, comment in comments.items():
        write(tmp_path / "raw" / names[said], [f"EXPTIME =               1500.0 / {comment}".encode().ljust(80)])
    for _ in range(2):
        rows = rows_of(tmp_path / "raw")
        assert {said: rows[name]["exposure"] for said, name in names.items()} == {"seconds": 1500, "milliseconds": 1.5}


def test_a_card_is_taken_by_the_comment_of_its_own_file(tmp_path, cache):
    """Where a comment alone says that a card is the exposure, it has to stand in this file."""
    (tmp_path / "raw").mkdir()
    for name, comment in (("a.fits", "exposure time in seconds"), ("b.fits", "tint of the paper")):
        write(tmp_path / "raw" / name, [f"TINTVAL =                 12.0 / {comment}".encode().ljust(80)])
    for _ in range(2):
        rows = rows_of(tmp_path / "raw")
        assert (rows["a.fits"]["exposure"], rows["b.fits"]["exposure"]) == (12.0, None)
