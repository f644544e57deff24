"""Every named case of bad input, for every command that reads: one sentence, the right exit code, nothing lost."""

from __future__ import annotations

import csv
import io
import json
import shutil

import numpy as np
import pytest
from astropy.io import fits
from test_faults import on_a_terminal

from bad_input import NO_FILES, ODD_NAMES, REFUSED, UNDERSTOOD, everything, name_of, no_files
from reliability import in_a_process
from workbench import command, names_in, pixels_of, raw_pixels, write_raw

GIGABYTE = 1_000_000_000
CASES = [*REFUSED, *UNDERSTOOD]
CONTENTS = {**REFUSED, **UNDERSTOOD}
#: Their headers can be read, and are those of frames that are not compared with the good ones.
OF_ANOTHER_SIZE = ("terabytes", "more than 64 bits")


def harmless(run, said=None):
    """It ended by itself, in words, with no control character for the terminal and no memory without end."""
    assert run.code in {0, 1, 2}, run.err
    said = run.out + run.err if said is None else said
    assert "Traceback" not in said
    assert not {"\x1b", "\x07"} & set(said)
    assert run.peak_bytes < GIGABYTE
    assert run.seconds < 60
    return True


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    """Three good frames, of other pixels than those of the cases."""
    folder = tmp_path_factory.mktemp("good")
    return [write_raw(folder / f"good{number}.fits", raw_pixels(10 + number), BUNIT="adu") for number in range(3)]


@pytest.fixture
def case(tmp_path, good):
    """Write one case into a folder beside two good frames."""

    def write(name):
        folder = tmp_path / "raw"
        folder.mkdir()
        for path in good[:2]:
            shutil.copy(path, folder)
        (folder / "case.fits").write_bytes(CONTENTS[name][0])
        return folder

    return write


@pytest.mark.parametrize("name", REFUSED)
def test_combine_leaves_it_out_and_goes_on(case, tmp_path, name):
    folder, target = case(name), tmp_path / "c.fits"
    run = command("combine", *sorted(folder.iterdir()), "-o", target)
    assert run.code == 1, run.out + run.err
    (said,) = [line for line in run.out.splitlines() if line.startswith("left out: ")]
    assert str(folder / "case.fits") in said
    assert "Finished with problems" in run.out
    assert fits.getheader(target)["NCOMBINE"] == 2
    np.testing.assert_array_equal(pixels_of(target, "COUNTS"), 2)


@pytest.mark.parametrize("name", UNDERSTOOD)
def test_combine_understands_it(case, tmp_path, name):
    folder, target = case(name), tmp_path / "c.fits"
    run = command("combine", *sorted(folder.iterdir()), "-o", target, "--method", "median", "--clip", "0")
    assert run.code == 0, run.out + run.err
    planes = [
        np.where(np.isfinite(plane), plane, np.nan) for plane in (raw_pixels(10), raw_pixels(11), UNDERSTOOD[name][1])
    ]
    assert fits.getheader(target)["NCOMBINE"] == 3
    np.testing.assert_array_equal(pixels_of(target), np.nanmedian(planes, axis=0))
    np.testing.assert_array_equal(pixels_of(target, "COUNTS"), np.isfinite(planes).sum(axis=0))


@pytest.mark.parametrize("name", CASES)
def test_inspect(case, name):
    folder = case(name)
    run = command("inspect", folder)
    assert run.code == 0, run.out + run.err
    assert "cannot be checked" in run.out
    named = [line for line in run.out.splitlines() if f"left out: {folder / 'case.fits'}" in line]
    assert len(named) == (name in REFUSED and name not in OF_ANOTHER_SIZE)
    assert f"looked at: {2 if name in REFUSED else 3} bias" in run.out


@pytest.fixture(scope="module")
def zoo(tmp_path_factory):
    return everything(tmp_path_factory.mktemp("zoo"))


class TestList:
    @pytest.mark.parametrize("shape", ["table", "csv", "json"])
    def test_a_folder_of_everything(self, zoo, shape):
        run = in_a_process("ls", zoo, "--format", shape)
        assert harmless(run)
        assert run.code == 1
        for name in (*NO_FILES, *(name_of(number) for number, case in enumerate(REFUSED) if "header" in case)):
            assert str(zoo / name) in run.err, name
        assert "folder.fits" not in run.out
        if shape == "table":
            return
        if shape == "json":
            listed = {row["file"]: row for row in json.loads(run.out)}
            assert listed["b\udcff.fits"]["kind"] == "bias"
        else:
            listed = {row["file"]: row for row in csv.DictReader(io.StringIO(run.out, newline=""))}
        # what others open holds no control character; JSON has escapes for them
        assert listed["new\nline.fits" if shape == "json" else r"new\nline.fits"]["kind"] == "bias"
        assert listed["good1.fits"]["size"] == "20 x 12"
        for number, case in enumerate(CASES):
            if case in UNDERSTOOD:
                assert listed[name_of(number)]["size"] == "20 x 12"

    @pytest.mark.parametrize("shape", ["csv", "json"])
    def test_no_shape_of_it_steers_a_terminal(self, zoo, shape):
        code, text = on_a_terminal("ls", zoo, "--format", shape)
        assert code == 1
        assert "bell\\x07\\x1b[31m.fits" in text or "bell\\u0007\\u001b[31m.fits" in text
        assert not {"\x1b", "\x07"} & set(text)

    def test_what_a_header_says_reaches_no_terminal_as_it_stands(self, zoo):
        number = CASES.index("cards of control characters")
        run = command("ls", zoo, "--columns", "file,object")
        (line,) = [line for line in run.out.splitlines() if name_of(number) in line]
        assert "[2J" in line
        assert line.isprintable()


class TestNames:
    """Names that a shell, a terminal, a table or an option parser could take for something else."""

    @pytest.fixture
    def named(self, tmp_path):
        folder = tmp_path / "raw"
        for number, name in enumerate(ODD_NAMES):
            write_raw(folder / name, raw_pixels(number), BUNIT="adu")
        return folder

    def test_combine(self, named, tmp_path):
        run = in_a_process("combine", "-o", tmp_path / "c.fits", "--", *sorted(ODD_NAMES), cwd=named)
        assert harmless(run)
        assert run.code == 0, run.out + run.err
        header = fits.getheader(tmp_path / "c.fits")
        assert header["NCOMBINE"] == len(ODD_NAMES)
        shown = {header[f"IMCMB{number:03}"] for number in range(1, len(ODD_NAMES) + 1)}
        assert {"-o.fits", "--overwrite", "it's.fits", "<script>.fits", "semi;rm -rf.fits"} < shown
        assert len(shown) == len(ODD_NAMES)

    def test_inspect(self, named):
        run = in_a_process("inspect", named)
        assert harmless(run)
        assert "looked at: 4 bias" in run.out

    @pytest.mark.parametrize("name", ["-o", "--help", "new\nline", "b\udcff", "it's a folder"])
    def test_folders(self, named, tmp_path, monkeypatch, name):
        place, out = tmp_path / "places" / name, tmp_path / "results" / name
        place.parent.mkdir()
        named.rename(place)
        monkeypatch.chdir(place.parent)
        run = command("bias", "--trim", "[*,*]", "--no-report", "--out", out, "--", name)
        assert run.code == 0, run.out + run.err
        assert not {"\x1b", "\x07"} & set(run.out + run.err)
        assert len(names_in(out)) == len(ODD_NAMES) + 1
        assert command("verify", "--raw", place, "--", out).code == 0


class TestVerify:
    @pytest.fixture
    def made(self, tmp_path, good):
        out = tmp_path / "out"
        assert command("bias", good[0].parent, "-o", out, "--trim", "[*,*]", "--no-report").code == 0
        return out

    @pytest.mark.parametrize("name", CASES)
    def test_a_result_that_is_something_else_now(self, made, name):
        (made / "good1.fits").write_bytes(CONTENTS[name][0])
        run = command("verify", made)
        assert run.code == 1
        (said,) = [line for line in run.out.splitlines() if line.startswith("problem: ")]
        assert f"{made / 'good1.fits'}: has been altered" in said

    @pytest.mark.parametrize("names", [("folder.fits", *NO_FILES[:2]), NO_FILES[2:]])
    def test_results_that_are_no_files_now(self, made, names):
        results = [made / f"good{number}.fits" for number in range(3)]
        for path in results:
            path.unlink()
        no_files(made)
        for other in {"folder.fits", *NO_FILES} - set(names):
            (made / other).rmdir() if other == "folder.fits" else (made / other).unlink()
        for name, path in zip(names, results, strict=True):
            (made / name).rename(path)
        run = in_a_process("verify", made)
        assert harmless(run)
        assert run.code == 1
        said = [line for line in run.out.splitlines() if line.startswith("problem: ")]
        assert len(said) == len(results)
        for line, path in zip(said, results, strict=True):
            assert f"{path}: has been altered" in line

    def test_a_folder_of_everything_beside_the_results(self, made, tmp_path):
        for path in sorted(everything(tmp_path / "zoo").iterdir()):
            if not (made / path.name).exists():
                path.rename(made / path.name)
        run = in_a_process("verify", made)
        assert harmless(run)
        assert run.code == 1
        strangers = [line for line in run.out.splitlines() if "was not made by this run" in line]
        assert len(strangers) >= len(ODD_NAMES)
        assert "verified: 4 results" in run.out

    def test_raw_frames_that_are_something_else_now(self, made, good, tmp_path):
        raw = tmp_path / "raw"
        shutil.copytree(good[0].parent, raw)
        for path in raw.iterdir():
            path.unlink()
        no_files(raw)
        (raw / "pipe.fits").rename(raw / "good0.fits")
        (raw / "folder.fits").rename(raw / "good1.fits")
        (raw / "good2.fits").write_bytes(b"")
        run = in_a_process("verify", made, "--raw", raw)
        assert harmless(run)
        assert run.code == 1
        problems = [line for line in run.out.splitlines() if line.startswith("problem: ")]
        assert [number for number in range(3) for line in problems if str(raw / f"good{number}.fits") in line] == [
            0,
            1,
            2,
        ]


def test_bias_goes_on_without_each_of_them(case, tmp_path):
    """One process for each would take minutes: they stand in one folder in test_a_folder_of_everything, too."""
    for name in ("terabytes", "a bomb that has no END", "END is missing", "BITPIX 7"):
        folder, out = case(name), tmp_path / "out"
        run = command("bias", folder, "-o", out, "--trim", "[*,*]")
        assert run.code == 1
        assert f"failed: {folder / 'case.fits'}: " in run.out
        assert names_in(out) == ["combined_bias.fits", "good0.fits", "good1.fits"]
        shutil.rmtree(folder)
        shutil.rmtree(out)
