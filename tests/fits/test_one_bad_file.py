"""Whatever a file says, it fails alone: every kind of thing that once stopped a whole run, beside good frames."""

from __future__ import annotations

import csv
import io
import logging
import os
import re
import shutil
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from bad_input import DATA, header, plain
from fits_fuzzing import GOOD, look, write_good
from reliability import ALL_CASES, ENVIRONMENT, in_a_process
from workbench import command, raw_pixels, write_raw
from zeroframe.errors import DamagedError, FrameError, HeaderError, HeaderWarning, UsageError, ZeroframeWarning
from zeroframe.fits import scan
from zeroframe.fits.failures import attempt, blame, file_failure
from zeroframe.headers.survey import survey, survey_tree
from zeroframe.planning.manifest import read_manifest

KINDS = ("bias", "dark", "flat", "object")


def card(keyword: str, value: str) -> str:
    return f"{keyword:8}= {value:>20}"


def image(*lines: str, kind: str = "bias") -> bytes:
    """Return a frame of 20 x 12 pixels with more cards."""
    return header(*plain()[:-1], f"IMAGETYP= '{kind:8}'", *lines) + DATA


def extension(*lines: str, kind: str = "bias") -> bytes:
    """Return the same as an extension, with other counts."""
    empty = header(card("SIMPLE", "T"), card("BITPIX", "8"), card("NAXIS", "0"), card("EXTEND", "T"))
    return empty + header("XTENSION= 'IMAGE   '", *plain()[1:5], *lines, f"IMAGETYP= '{kind:8}'") + DATA


def tiles(keyword: str, value: str, kind: str = "bias") -> bytes:
    """Return a frame in Rice tiles, of which one card is another one, or one more."""
    pixels = fits.CompImageHDU(
        raw_pixels(3).astype(np.int16), fits.Header({"IMAGETYP": kind}), compression_type="RICE_1"
    )
    file = io.BytesIO()
    fits.HDUList([fits.PrimaryHDU(), pixels]).writeto(file)
    content = file.getvalue()
    start = content.index(b"XTENSION")
    end = content.index(b"END".ljust(80), start)
    lines = [content[place : place + 80].decode() for place in range(start, end, 80)]
    kept = [line for line in lines if not line.startswith(f"{keyword:8}=")]
    place = next((n for n, line in enumerate(lines) if line.startswith(f"{keyword:8}=")), len(kept))
    kept.insert(place, card(keyword, value))
    data = -(-(end + 80) // 2880) * 2880
    return content[:start] + header(*kept) + content[data:]


#: What once ended a run with a traceback, hung it, or made it refuse everything.
ONCE = {
    "GCOUNT of none": lambda kind: extension(card("PCOUNT", "0"), card("GCOUNT", "0"), kind=kind),
    "GCOUNT of two": lambda kind: extension(card("PCOUNT", "0"), card("GCOUNT", "2"), kind=kind),
    "PCOUNT of an image": lambda kind: extension(card("PCOUNT", "7"), card("GCOUNT", "1"), kind=kind),
    "THEAP is true": lambda kind: tiles("THEAP", "T", kind),
    "THEAP is a text": lambda kind: tiles("THEAP", "'NO_DITHER'", kind),
    "THEAP beyond the data": lambda kind: tiles("THEAP", "99999999999", kind),
    "ten million columns": lambda kind: tiles("TFIELDS", "10000000", kind),
    "no column": lambda kind: tiles("TFIELDS", "0", kind),
    "rows of gigabytes": lambda kind: tiles("NAXIS1", "2147483647", kind),
    "rows without end": lambda kind: tiles("NAXIS2", "1" + "0" * 25, kind),
    "pixels that no tile can hold": lambda kind: tiles("ZNAXIS1", "4294967296", kind),
    "END with a value": lambda kind: image("END     = 5", kind=kind),
    "end in small letters": lambda kind: image("end", kind=kind),
    "a gain of nothing": lambda kind: image(card("GAIN", "1E-300"), card("RDNOISE", "4.0"), kind=kind),
    "a gain below nothing": lambda kind: image(card("GAIN", "-1.5"), card("RDNOISE", "4.0"), kind=kind),
    "a noise beyond numbers": lambda kind: image(card("GAIN", "1.5"), card("RDNOISE", "1E300"), kind=kind),
    "a noise that is none": lambda kind: image(card("GAIN", "1.5"), card("RDNOISE", "NaN"), kind=kind),
    "nanoseconds": lambda kind: image(card("EXPTIME", "3E11"), "DATE-OBS= '2016-01-16T03:04:05'", kind=kind),
    "the year one": lambda kind: image("DATE-OBS= '0001-01-01T00:00:00'", kind=kind),
    "the last year": lambda kind: image("DATE-OBS= '9999-12-31T23:59:59'", kind=kind),
    "a mask of another size": lambda kind: (
        image(kind=kind)
        + header("XTENSION= 'IMAGE   '", *plain("10", "3", "8")[1:5], "EXTNAME = 'MASK    '")
        + bytes(2880)
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ONCE)
def test_it_fails_alone(tmp_path, name, kind, caplog):
    """Every command comes to its end in words, and the two good frames beside it are done.

    For all but a night, a dark or a flat is what a science frame is.
    """
    raw = tmp_path / "raw"
    raw.mkdir()
    write_good(raw)
    (raw / "a.fits").write_bytes(ONCE[name](kind))
    # odd: sections are given; every tenth: with the page
    only = None if ALL_CASES or kind in {"bias", "object"} else {"night", "verify"}
    assert look(raw, tmp_path, 10 if kind == "object" else 1, only=only) == []
    unforeseen = [record for record in caplog.records if record.exc_info and record.levelno >= logging.ERROR]
    assert not unforeseen, "it is refused with a sentence of its own"


SENSELESS = [
    ("GAIN", "1E-300", "GAIN = 1e-300 is not a gain in electrons per ADU, and counts as unknown"),
    ("GAIN", "-1.5", "GAIN = -1.5 is not a gain in electrons per ADU"),
    ("GAIN", "1E300", "GAIN = 1e+300 is not a gain in electrons per ADU"),
    ("GAIN", "9" * 60, "is not a gain in electrons per ADU"),
    ("EGAIN", "'inf'", "EGAIN = 'inf' is not a gain in electrons per ADU"),
    ("RDNOISE", "1E300", "RDNOISE = 1e+300 is not a read noise in electrons"),
    ("RDNOISE", "NaN", "RDNOISE = 'NaN' is not a read noise in electrons"),
    ("RDNOISE", "-7", "RDNOISE = -7 is not a read noise in electrons"),
    ("EXPTIME", "3E11", "EXPTIME = 300000000000.0 is not an exposure in seconds"),
    ("EXPTIME", "-1", "EXPTIME = -1 is not an exposure in seconds"),
    ("CCD-TEMP", "1E9", "CCD-TEMP = 1000000000.0 is not a temperature"),
    ("DATE-OBS", "'0001-01-01T00:00:00'", "DATE-OBS = '0001-01-01T00:00:00' is not a date of a CCD"),
    ("DATE-OBS", "'2016-02-30'", "DATE-OBS = '2016-02-30' is not a date of a CCD"),
]


def test_numbers_by_which_programs_mean_none(tmp_path):
    """POCS writes 1e-32 s for a bias, and many a program -999 for a sensor that is not there: nobody has to be told."""
    path = tmp_path / "a.fits"
    path.write_bytes(image(card("EXPTIME", "1E-300"), card("CCD-TEMP", "-999")))
    (found,) = survey([path])
    assert found.facts.exposure_s == 0.0
    assert found.facts.temperature_c is None


@pytest.mark.parametrize(("keyword", "value", "said"), SENSELESS)
def test_a_number_that_cannot_be_is_unknown_and_named(tmp_path, keyword, value, said):
    path = tmp_path / "a.fits"
    path.write_bytes(image(card(keyword, value)))
    with pytest.warns(HeaderWarning, match=re.escape(f"{path}: ") + ".*" + re.escape(said)):
        (found,) = survey([path])
    facts = found.facts
    unknown = {
        "GAIN": facts.gain_e_per_adu, "EGAIN": facts.gain_e_per_adu, "RDNOISE": facts.read_noise_e,
        "EXPTIME": facts.exposure_s, "CCD-TEMP": facts.temperature_c, "DATE-OBS": facts.date_obs,
    }  # fmt: skip
    assert unknown[keyword] is None
    assert found.problem is None


@pytest.mark.parametrize(
    ("keyword", "value"),
    [("GAIN", "0.0"), ("GAIN", "30.0"), ("GAIN", "139"), ("RDNOISE", "0"), ("EXPTIME", "0.0"), ("EXPTIME", "86400.0"),
     ("CCD-TEMP", "0.0"), ("CCD-TEMP", "77.0"), ("DATE-OBS", "'1986-03-13T01:02:03'"), ("DATE-OBS", "'13/03/86'")],
)  # fmt: skip
def test_a_number_that_may_be_is_not_talked_about(tmp_path, keyword, value):
    path = tmp_path / "a.fits"
    path.write_bytes(image(card(keyword, value)))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        survey([path])


@pytest.mark.parametrize(
    "arguments", [("bias", "-o", "OUT", "--no-report"), ("night", "-o", "OUT", "--no-report"), ("inspect",)]
)
def test_the_person_is_told_the_value_and_the_file(tmp_path, arguments):
    raw = tmp_path / "raw"
    raw.mkdir()
    write_good(raw)
    (raw / "a.fits").write_bytes(image(card("RDNOISE", "1E300")))
    run = command(arguments[0], raw, *(tmp_path / "out" if one == "OUT" else one for one in arguments[1:]))
    assert run.code == 0, run.out + run.err
    assert f"{raw / 'a.fits'}: RDNOISE = 1e+300 is not a read noise in electrons, and counts as unknown" in run.err


class TestContradictions:
    """Cards that stand twice and differ: we would take the first, other programs take the last."""

    @pytest.mark.parametrize(
        ("keyword", "value", "said"),
        [("NAXIS1", "21", "20 and as 21"), ("NAXIS2", "13", "12 and as 13"), ("NAXIS", "3", "2 and as 3"),
         ("BITPIX", "-32", "16 and as -32"), ("NAXIS1", "20.0", "20 and as 20.0")],
    )  # fmt: skip
    def test_what_decides_where_pixels_stand_is_refused(self, tmp_path, keyword, value, said):
        path = tmp_path / "a.fits"
        path.write_bytes(image(card(keyword, value)))
        with pytest.raises(HeaderError, match=re.escape(f"{path}: {keyword} is given as {said} in the header; ")):
            scan(path)

    @pytest.mark.parametrize("keyword", ["BSCALE", "BZERO", "BLANK"])
    def test_what_decides_what_pixels_mean_is_refused(self, tmp_path, keyword):
        path = tmp_path / "a.fits"
        path.write_bytes(image(card(keyword, "1"), card(keyword, "2")))
        with pytest.raises(HeaderError, match=f"{keyword} is given as 1 and as 2"):
            scan(path)

    @pytest.mark.parametrize("keyword", ["ZNAXIS1", "ZBITPIX", "ZTILE1", "TFIELDS", "NAXIS1", "TFORM1"])
    def test_tiles(self, tmp_path, keyword):
        path = tmp_path / "a.fits.fz"
        content = tiles("EXPTIME", "7.5")
        added = card(keyword, "'1PB(7)'" if keyword == "TFORM1" else "7").encode().ljust(80)
        path.write_bytes(content.replace(card("EXPTIME", "7.5").encode().ljust(80), added))
        with pytest.raises(HeaderError, match=f"{keyword} is given as .* and as .*7"):
            scan(path)

    def test_the_same_twice_is_no_contradiction(self, tmp_path):
        path = tmp_path / "a.fits"
        path.write_bytes(image(card("NAXIS1", "20"), card("BITPIX", "16"), card("BZERO", "0"), card("BZERO", "0")))
        assert scan(path).image().layout.shape_yx == (12, 20)

    def test_two_exposures_are_both_named(self, tmp_path):
        path = tmp_path / "a.fits"
        path.write_bytes(image(card("EXPTIME", "30.0"), card("EXPTIME", "300.0")))
        with pytest.warns(HeaderWarning, match="EXPTIME is given as 30.0 and as 300.0; the first of them is used"):
            (found,) = survey([path])
        assert found.facts.exposure_s == 30.0


class TestFolders:
    @pytest.fixture
    def raw(self, tmp_path):
        raw = tmp_path / "raw"
        raw.mkdir()
        write_good(raw)
        return raw

    @pytest.mark.parametrize("more", [(), ("--by-night",)])
    def test_one_that_may_not_be_read_is_named_and_passed_over(self, raw, tmp_path, more):
        closed = raw / "lost+found"
        closed.mkdir(mode=0o000)
        # root may read everything, unless it gives that up
        humbly = ("setpriv", "--bounding-set", "-dac_override,-dac_read_search") if os.geteuid() == 0 else ()
        if humbly and shutil.which("setpriv") is None:
            pytest.skip("root may read everything, and setpriv is not there to give that up")
        program = [
            *humbly,
            sys.executable,
            "-m",
            "zeroframe",
            "night",
            raw,
            "-o",
            tmp_path / "out",
            "--no-report",
            *more,
        ]
        run = subprocess.run(program, capture_output=True, text=True, env=ENVIRONMENT, check=False)
        closed.chmod(0o700)
        assert run.returncode == 0, run.stdout + run.stderr
        assert f"{closed}: cannot be read (Permission denied), so nothing in this folder takes part" in run.stderr
        assert len(list((tmp_path / "out").rglob("good*.fits"))) == 2

    @pytest.mark.long
    @pytest.mark.parametrize("more", [(), ("--by-night",)])
    def test_a_tree_990_deep(self, raw, tmp_path, more):
        bottom = deep_folder(raw, 990)
        try:
            write_raw(bottom / "deep.fits", raw_pixels(7), BUNIT="adu", **{"DATE-OBS": "2016-01-16T02:10:00"})
            run = command("night", raw, "-o", tmp_path / "out", "--no-report", *more)
            assert run.code == 0, run.out + run.err
            assert len(list(survey_tree(raw))) == 3
            out = next((tmp_path / "out").glob("2016-01-*")) if more else tmp_path / "out"
            assert (out / bottom.relative_to(raw) / "deep.fits").exists()
            assert fits.getheader(out / "combined_bias.fits")["NCOMBINE"] == 3
            assert command("verify", out, "--raw", raw).code == 0
        finally:
            remove_deep(tmp_path)

    def test_a_folder_that_may_be_listed_and_not_looked_into(self, raw, tmp_path):
        """Read permission without that to search it: names are there, and nothing can be said of what they are."""
        half = raw / "half"
        half.mkdir()
        shutil.copy(raw / GOOD[0], half / "c.fits")
        half.chmod(0o400)
        humbly = ("setpriv", "--bounding-set", "-dac_override,-dac_read_search") if os.geteuid() == 0 else ()
        if humbly and shutil.which("setpriv") is None:
            pytest.skip("root may read everything, and setpriv is not there to give that up")
        program = [*humbly, sys.executable, "-m", "zeroframe", "night", raw, "-o", tmp_path / "out", "--no-report"]
        run = subprocess.run(program, capture_output=True, text=True, env=ENVIRONMENT, check=False)
        half.chmod(0o700)
        assert run.returncode == 1, run.stdout + run.stderr
        assert f"{half / 'c.fits'}: may not be read (permission denied)" in run.stdout
        assert "Traceback" not in run.stderr


def deep_folder(folder: Path, depth: int) -> Path:
    """Make folders within each other, one level at a time: Python's own would call itself too often."""
    for _ in range(depth):
        folder = folder / "d"
        folder.mkdir()
    return folder


def remove_deep(folder: Path) -> None:
    """Remove a deep tree, which `shutil.rmtree` of pytest cannot."""
    subprocess.run(["rm", "-rf", *folder.iterdir()], check=True)


class TestLists:
    def test_a_nul_is_named_with_its_line(self, tmp_path):
        listed = tmp_path / "frames.txt"
        listed.write_bytes(b"a.fits\nb\0.fits\n")
        with pytest.raises(UsageError, match=re.escape(f"{listed} has a NUL character in line 2")):
            read_manifest(listed)
        run = command("night", listed, "-o", tmp_path / "out", "--by-night")
        assert run.code == 2
        assert "NUL" in run.err

    @pytest.mark.parametrize("text", ["path\n" + "x" * 200_000 + "\n", 'path\n"' + "y" * 200_000])
    def test_a_table_with_a_field_beyond_measure(self, tmp_path, text):
        listed = tmp_path / "frames.csv"
        listed.write_text(text)
        with pytest.raises(UsageError, match=re.escape(f"{listed} cannot be read as a table (field larger than")):
            read_manifest(listed)


class TestCsv:
    """A table that others open: no control character, no cell that a spreadsheet runs."""

    CELLS = (
        "=1+1",
        "+SUM(A1)",
        "-2+3+cmd|' /C calc'!A0",
        "@SUM(1)",
        "\tx",
        "\rx",
        " =1+1",
        "bias",
        "-12:30:45",
        "-110.5",
        "+3",
        "\x1b[2J",
    )

    def test_into_a_file(self, tmp_path):
        for number, text in enumerate(self.CELLS):
            write_raw(tmp_path / f"{number:02}.fits", raw_pixels(1), OBJECT=text) if text.isprintable() else (
                tmp_path / f"{number:02}.fits"
            ).write_bytes(image(f"OBJECT  = '{text}'"))
        write_raw(tmp_path / "=HYPERLINK(1).fits", raw_pixels(1), EXPTIME=2.5)
        run = command("ls", tmp_path, "--format", "csv", "--columns", "file,object,exptime,naxis1")
        assert run.code == 0, run.err
        assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f]", run.out)
        rows = list(csv.reader(run.out.splitlines()))
        for row in rows[1:]:
            for cell in row:
                assert re.fullmatch(r"[+-]?[0-9.]+", cell) or not re.match(r"\s*[=+\-@\t\r]", cell), cell
        objects = {row[0]: row[1] for row in rows[1:]}
        assert objects["00.fits"] == "'=1+1"
        assert objects["07.fits"] == "bias"
        assert objects["09.fits"] == "-110.5"
        assert "'=HYPERLINK(1).fits" in objects
        assert {row[3] for row in rows[1:]} == {"20"}

    def test_names_of_columns_too(self, tmp_path):
        (tmp_path / "a.fits").write_bytes(image("=1+1    = 5"))
        run = command("ls", tmp_path, "--format", "csv", "--columns", "file,=1+1")
        assert run.out.splitlines() == ["file,'=1+1", "a.fits,5"]


class TestReport:
    @pytest.mark.long
    def test_an_exposure_of_ten_thousand_years(self, tmp_path):
        """In nanoseconds, which once made a page of 470 MB and took 3.9 GB."""
        raw = tmp_path / "raw"
        raw.mkdir()
        write_good(raw)
        for kind in KINDS:
            (raw / f"{kind}.fits").write_bytes(ONCE["nanoseconds"](kind))
        run = in_a_process("night", raw, "-o", tmp_path / "out")
        assert run.code in {0, 1}, run.err
        assert "EXPTIME = 300000000000.0 is not an exposure in seconds" in run.err
        assert (tmp_path / "out" / "report.html").stat().st_size < 2_000_000
        assert run.peak_bytes < 1_000_000_000

    @pytest.mark.parametrize("hours", [1e-6, 0.5, 30.0, 2777.8, 8.3e7, 1e15])
    def test_the_axis_has_few_ticks_however_long_it_is(self, hours):
        from zeroframe.report.data import Bar, Lane, Timeline
        from zeroframe.report.draw.timelines import draw_timeline

        drawn = draw_timeline(Timeline("t", "a", (Lane("x", 0, (Bar(23.0, hours, "b"), Bar(25.0, 0.5, "c"))),)))
        assert len(drawn.ticks) <= 8

    @pytest.mark.parametrize("level", [0.0, 1e4, 1e20, 3e38])
    @pytest.mark.parametrize("dtype", [np.float32, np.float64])
    def test_pictures_and_histograms_of_a_constant(self, level, dtype):
        from zeroframe.report.draw.images import shades, stretch_limits
        from zeroframe.report.draw.sampling import bins_for, histogram_of

        pixels = np.full((3, 4), level, dtype)
        low, high = stretch_limits(pixels)
        assert shades(pixels, low, high).shape == (3, 4)
        # neither whole nor half numbers
        pixels[0, 0] = level * 1.0000003 + 0.1
        assert sum(histogram_of(pixels, *bins_for(pixels, level, 1e-12)).counts) == 12

    @pytest.mark.parametrize("sigma", [1e-45, 1e-40, 1e38])
    def test_histograms_at_the_ends_of_float32(self, sigma):
        """Bins that float32 cannot tell apart, and limits beyond it."""
        from zeroframe.report.draw.sampling import bins_for, histogram_of

        pixels = np.array([0.0, 1e-45, -1e-45, 3e38, 0.1], np.float32)
        found = histogram_of(pixels, *bins_for(pixels, 0.0, sigma))
        assert sum(found.counts) == 5
        assert len(found.counts) > 40


#: Where one file of several is handled: command, what is broken there.
PLACES = [
    ("bias", "zeroframe.headers.looking.read_facts"),
    ("bias", "zeroframe.run.frame.calibrated_header"),
    ("night", "zeroframe.headers.looking.read_facts"),
    ("night", "zeroframe.run.frame.calibrated_header"),
    ("night", "zeroframe.planning.select.moment_of"),
    ("night", "zeroframe.planning.select.read_traits"),
    ("combine", "zeroframe.headers.looking.read_facts"),
    ("combine", "zeroframe.run.input_sums.check_file"),
    ("inspect", "zeroframe.headers.looking.read_facts"),
    ("inspect", "zeroframe.fits.read_raw"),
    ("ls", "zeroframe.headers.frame_rows.header_cards"),
    ("ls", "zeroframe.headers.dialects.read_facts"),
    ("verify", "zeroframe.run.verify.check_file"),
    ("verify", "zeroframe.run.verify.file_mark"),
]


@pytest.mark.parametrize(("verb", "place"), PLACES)
def test_what_was_never_thought_of_fails_one_file(tmp_path, monkeypatch, caplog, verb, place):
    """An error of ours, in any place where one file of several is at work: a sentence, and the traceback in the log."""
    raw, out = tmp_path / "raw", tmp_path / "out"
    raw.mkdir()
    write_good(raw)
    write_raw(raw / "a.fits", raw_pixels(7), OBJECT="victim", BUNIT="adu")
    if verb == "verify":
        assert command("bias", raw, "-o", out, "--trim", "[*,*]", "--no-report").code == 0
    module, _, name = place.rpartition(".")
    whole = getattr(sys.modules.get(module) or __import__(module, fromlist=["x"]), name)

    def breaks(*arguments, **options):
        text = " ".join(_words(one) for one in arguments)
        if "a.fits" in text or "victim" in text:
            raise ZeroDivisionError("an error of ours")
        return whole(*arguments, **options)

    monkeypatch.setattr(place, breaks)
    arguments = {
        "bias": ("bias", raw, "-o", out, "--trim", "[*,*]", "--no-report"),
        "night": ("night", raw, "-o", out, "--no-report"),
        "combine": ("combine", *sorted(raw.iterdir()), "-o", tmp_path / "c.fits"),
        "inspect": ("inspect", raw),
        "ls": ("ls", raw),
        "verify": ("verify", out, "--raw", raw),
    }[verb]
    with caplog.at_level(logging.ERROR, logger="zeroframe"):
        run = command(*arguments)
    said = run.out + run.err
    assert "cannot be used (ZeroDivisionError: an error of ours)" in said, said
    assert "Traceback" not in said
    assert run.code == (0 if verb == "inspect" else 1), said
    assert any(record.exc_info and record.exc_info[0] is ZeroDivisionError for record in caplog.records)
    if verb in {"bias", "night"}:
        assert all((out / good).exists() for good in GOOD)
        assert next(out.glob("combined_bias*.fits")).exists()
    elif verb == "combine":
        assert fits.getheader(tmp_path / "c.fits")["NCOMBINE"] == 2


def _words(one: object) -> str:
    """Return enough of an argument to tell whose it is."""
    text = getattr(one, "text", None)
    path = getattr(one, "path", None) or getattr(one, "source", None)
    said = dict(one).get("OBJECT", "") if hasattr(one, "keys") else ""
    return f"{one if isinstance(one, (str, Path)) else ''} {text if isinstance(text, bytes) else b''!r} {path} {said}"


class TestFailures:
    """The three functions that everything above rests on."""

    def test_a_file_of_several(self, caplog):
        with caplog.at_level(logging.ERROR, logger="zeroframe"):
            failed = attempt("a.fits", int, "many\n" * 200)
        assert isinstance(failed, FrameError)
        assert str(failed).startswith("a.fits: cannot be used (ValueError: invalid literal")
        assert "\n" not in str(failed)
        assert len(str(failed)) < 400
        (record,) = caplog.records
        assert record.exc_info[0] is ValueError
        assert "many\\nmany" in str(record.exc_info[1])

    def test_what_is_understood_is_not_logged(self, caplog):
        error = DamagedError("b.fits", "is cut off", "copy it again")

        def read():
            raise error

        assert attempt("b.fits", read) is error
        assert not caplog.records

    def test_what_no_file_is_to_blame_for(self):
        def full():
            raise MemoryError

        with pytest.raises(MemoryError):
            blame("a.fits", full)
        assert "not enough memory" in str(attempt("a.fits", full))

    def test_a_warning_that_the_person_made_an_error(self):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            with pytest.raises(ZeroframeWarning):
                attempt("a.fits", warnings.warn, "look", ZeroframeWarning)

    def test_nothing_is_printed_without_a_handler(self):
        code = "from zeroframe.fits.failures import attempt; print(attempt('a.fits', int, 'x'))"
        run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=ENVIRONMENT, check=True)
        assert run.stderr == ""
        assert run.stdout.startswith("a.fits: cannot be used (ValueError")

    def test_what_the_system_says(self):
        assert str(file_failure(OSError(5, "Input/output error"), "a.fits")) == (
            "a.fits: Input/output error; see to that and run again"
        )
