"""Bad input at scale: a word for every file that is not what it was, no crash, no hang, no memory without end."""

from __future__ import annotations

import gzip
import json
import random
import shutil
import warnings
from typing import TYPE_CHECKING

import numpy as np
import pytest
from astropy.io import fits

from bad_input import DATA, GOOD, NO_FILES, ODD_NAMES, REFUSED, UNDERSTOOD, everything, header, name_of, plain
from reliability import ALL_CASES, in_a_process
from workbench import command, names_in, raw_pixels, write_raw
from zeroframe.errors import FrameError, HeaderWarning
from zeroframe.fits import ImagePart, read_raw, scan, write_fits

if TYPE_CHECKING:
    from pathlib import Path

GIGABYTE = 1_000_000_000
CASES_OF_A_FORM = 600 if ALL_CASES else 80
FORMS = ("plain", "gzip", "rice", "extension", "without sums")
HEADER = {"IMAGETYP": "bias", "EXPTIME": 0.0, "BUNIT": "adu", "OBJECT": "zero", "INSTRUME": "none"}


def frame_of(folder: Path, form: str) -> Path:
    """Write a frame whose every byte counts."""
    pixels = raw_pixels(7, (24, 30))
    path = folder / ("frame.fits" + {"gzip": ".gz", "rice": ".fz"}.get(form, ""))
    header = fits.Header(HEADER)
    if form == "without sums":
        write_raw(path, pixels, **HEADER)
    elif form == "extension":
        parts = [ImagePart(None, header), ImagePart(pixels, fits.Header({"EXTVER": 1}), name="SCI")]
        write_fits(path, parts)
    else:
        write_fits(path, [ImagePart(pixels, header)], compress={"plain": "none"}.get(form, form))
    return path


def mutated(content: bytes, chance: random.Random) -> bytes:
    """Flip bits, cut, repeat, overwrite or move bytes, in the header as often as in the data."""
    data = bytearray(content)
    for _ in range(chance.choice([1, 1, 1, 2, 4])):
        size = len(data)
        # most of what stands in a file decides nothing: cards and the first data are hit more often
        place = chance.choice([chance.randrange(size), chance.randrange(min(size, 1200)), chance.randrange(size)])
        how = chance.choice(["bits", "bits", "bits", "cut", "end", "repeat", "zero", "text", "card"])
        length = chance.choice([1, 3, 80, 160, 2880])
        if how == "bits":
            for _ in range(chance.choice([1, 1, 2, 8])):
                data[min(place + chance.randrange(8), size - 1)] ^= 1 << chance.randrange(8)
        elif how == "cut":
            del data[place : place + length]
        elif how == "end":
            del data[place:]
        elif how == "repeat":
            data[place:place] = data[place : place + length]
        elif how == "zero":
            data[place : place + length] = bytes(len(data[place : place + length]))
        elif how == "text":
            data[place : place + 4] = chance.randbytes(4)
        else:
            start = place // 80 * 80
            card = chance.choice(
                [b"NAXIS1  = 99999999999", b"BITPIX  =                   -8", b"END", b"BZERO   = 1E400"]
            )
            data[start : start + 80] = card.ljust(80)
        if not data:
            return b""
    return bytes(data)


@pytest.mark.parametrize("form", FORMS)
def test_mutated_files(tmp_path, form):
    """Whatever is read without a word is what was written, wherever there is a sum that can tell."""
    path = frame_of(tmp_path, form)
    original = path.read_bytes()
    expected = read_raw(path, check_sums=True).decode()
    chance = random.Random(f"{form} 1")
    outcomes = {"refused": 0, "with a word": 0, "as it was": 0, "another image": 0}
    for number in range(CASES_OF_A_FORM):
        content = mutated(original, chance)
        path.write_bytes(content)
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            try:
                scan(path)
                image = read_raw(path, check_sums=True)
                pixels = image.decode()
            except FrameError as error:
                refused = error
            else:
                refused = None
        if refused is not None:
            outcomes["refused"] += 1
            assert str(path) in str(refused)
            assert refused.advice
            continue
        same = pixels.shape == expected.shape and np.array_equal(pixels, expected, equal_nan=True)
        if said:
            outcomes["with a word"] += 1
        elif same:
            outcomes["as it was"] += 1
        else:
            outcomes["another image"] += 1
            assert form == "without sums", f"case {number}: a wrong image without a word"
    assert outcomes["refused"] > CASES_OF_A_FORM // 10, outcomes
    assert sum(outcomes.values()) == CASES_OF_A_FORM


@pytest.fixture
def many(tmp_path):
    """A folder of three good frames and many mutated ones."""
    folder = tmp_path / "raw"
    folder.mkdir()
    good = frame_of(tmp_path, "plain")
    for number in range(3):
        shutil.copy(good, folder / f"good{number}.fits")
    good.unlink()
    chance = random.Random("folder 1")
    for form in FORMS:
        path = frame_of(tmp_path, form)
        content = path.read_bytes()
        for number in range(CASES_OF_A_FORM // 5):
            name = f"{form.replace(' ', '_')}{number:03}{''.join(path.suffixes)}"
            (folder / name).write_bytes(mutated(content, chance))
        path.unlink()
    return folder


@pytest.mark.long
def test_a_folder_of_mutated_files(many, tmp_path):
    out = tmp_path / "out"
    run = in_a_process("bias", many, "-o", out, "--trim", "[*,*]")
    assert run.code == 1, run.err[-3000:]
    assert "Traceback" not in run.err
    assert run.peak_bytes < GIGABYTE
    assert run.seconds < 60
    frames = {each["name"]: each for each in json.loads((out / "run.json").read_text())["this_run"]["frames"]}
    assert [frames[f"good{number}.fits"]["state"] for number in range(3)] == ["done"] * 3
    expected = fits.getdata(out / "good0.fits")
    silent = 0
    for name, frame in frames.items():
        assert frame["state"] in {"done", "failed"}
        assert frame["reason"] or frame["state"] == "done"
        if frame["state"] == "failed":
            assert str(many / name) in frame["reason"]
        elif not frame["reason"] and not name.startswith("without_sums"):
            written = out / (name.partition(".")[0] + ".fits")
            np.testing.assert_array_equal(fits.getdata(written), expected)
            silent += 1
    assert silent >= 3
    assert sum(frame["state"] == "failed" for frame in frames.values()) > 20
    # looking is as safe as reading
    listing = in_a_process("ls", many)
    assert listing.code in {0, 1}
    assert "Traceback" not in listing.err
    inspection = in_a_process("bias", many, "-o", tmp_path / "looked at")
    assert inspection.code in {0, 1, 2}
    assert "Traceback" not in inspection.err, inspection.err[-3000:]
    assert command("verify", out).code == 1


@pytest.mark.parametrize("name", REFUSED)
def test_refused(tmp_path, name):
    content, error = REFUSED[name]
    path = tmp_path / "frame.fits"
    path.write_bytes(content)
    with pytest.raises(error) as raised:
        read_raw(path, check_sums=True)
    assert str(raised.value).startswith(f"{path}: ")
    assert raised.value.advice


@pytest.mark.parametrize("name", UNDERSTOOD)
def test_understood(tmp_path, name):
    content, expected = UNDERSTOOD[name]
    path = tmp_path / "frame.fits"
    path.write_bytes(content)
    np.testing.assert_array_equal(read_raw(path, check_sums=True).decode(), expected)


def test_not_a_number_stays_so(tmp_path):
    pixels = raw_pixels(1).astype(np.float32)
    pixels[3, 4], pixels[5, 6] = np.nan, np.inf
    path = write_raw(tmp_path / "b.fits", pixels)
    np.testing.assert_array_equal(read_raw(path).decode(), pixels)


@pytest.mark.long
def test_rubbish_behind_a_gzipped_frame_that_would_fill_the_disk(tmp_path):
    """It is inflated piece by piece, and never kept."""
    path = tmp_path / "b.fits.gz"
    path.write_bytes(gzip.compress(header(*plain()) + DATA + bytes(400_000_000), 9))
    assert path.stat().st_size < 1_000_000
    with pytest.warns(HeaderWarning, match="behind its last data"):
        np.testing.assert_array_equal(read_raw(path).decode(), GOOD)


@pytest.fixture
def zoo(tmp_path):
    """Every named case in one folder, with things that are no files, and names that are no names."""
    return everything(tmp_path / "raw")


@pytest.mark.long
def test_a_folder_of_everything(zoo, tmp_path):
    out = tmp_path / "out"
    run = in_a_process("bias", zoo, "-o", out, "--trim", "[*,*]")
    assert run.code == 1, run.err[-3000:]
    assert "Traceback" not in run.err
    assert "\x1b" not in run.out + run.err
    assert run.peak_bytes < GIGABYTE
    frames = {each["name"]: each for each in json.loads((out / "run.json").read_text())["this_run"]["frames"]}
    for name in (*ODD_NAMES, "good0.fits", "good1.fits", "good2.fits"):
        assert frames[name]["state"] == "done", frames[name]
    for name in NO_FILES:
        assert frames[name]["state"] == "failed", frames[name]
    assert "folder.fits" not in frames
    refused = [name_of(number) for number in range(len(REFUSED))]
    assert {frames[name]["state"] for name in refused} == {"failed"}
    for name in ODD_NAMES:
        written = out / (name.removesuffix(".fits") + ".fits")
        np.testing.assert_array_equal(fits.getdata(written), raw_pixels(5))
    assert json.loads((out / "run.json").read_text())["outputs"]["new\nline.fits"]["sources"] == ["new\nline.fits"]
    again = command("bias", zoo, "-o", out, "--trim", "[*,*]")
    assert again.code == 1
    assert "calibrated and 1 combined frame" in again.out
    assert command("verify", out, "--raw", zoo).code == 1
    assert command("bias", zoo, "-o", out, "--trim", "[*,*]", "--dry-run").code == 0


class TestSums:
    @pytest.fixture
    def raw(self, tmp_path):
        for number in (1, 2, 3):
            path = tmp_path / "raw" / f"b{number}.fits"
            path.parent.mkdir(exist_ok=True)
            write_fits(path, [ImagePart(raw_pixels(number), fits.Header(HEADER))])
        content = bytearray((tmp_path / "raw" / "b2.fits").read_bytes())
        content[2880 + 11] ^= 4
        (tmp_path / "raw" / "b2.fits").write_bytes(content)
        return tmp_path / "raw"

    def test_data_of_another_sum_are_refused_unless_told_otherwise(self, raw, tmp_path):
        out = tmp_path / "out"
        run = command("bias", raw, "-o", out, "--trim", "[*,*]")
        assert run.code == 1
        (said,) = [line for line in run.out.splitlines() if line.startswith("failed: ")]
        for words in ("b2.fits", "its data are not those it was written with", "DATASUM", "--ignore-checksums"):
            assert words in said
        assert names_in(out) == ["b1.fits", "b3.fits", "combined_bias.fits"]
        run = command("bias", raw, "-o", out, "--trim", "[*,*]", "--ignore-checksums", "--overwrite")
        assert run.code == 0, run.out + run.err
        assert names_in(out) == ["b1.fits", "b2.fits", "b3.fits", "combined_bias.fits"]

    def test_combining_files(self, raw, tmp_path):
        target = tmp_path / "c.fits"
        run = command("combine", *sorted(raw.iterdir()), "-o", target)
        assert run.code == 1
        assert "left out: " in run.out
        assert "b2.fits: its data are not those it was written with" in run.out
        assert fits.getheader(target)["NCOMBINE"] == 2
        run = command("combine", *sorted(raw.iterdir()), "-o", target, "--overwrite", "--ignore-checksums")
        assert run.code == 0, run.out + run.err
        assert fits.getheader(target)["NCOMBINE"] == 3
        assert any("crc32" in line for line in fits.getheader(target)["HISTORY"])

    def test_a_changed_header_is_said_and_recorded(self, raw, tmp_path):
        path = raw / "b3.fits"
        path.write_bytes(path.read_bytes().replace(b"OBJECT  = 'zero", b"OBJECT  = 'hero"))
        (raw / "b2.fits").unlink()
        out = tmp_path / "out"
        run = command("bias", raw, "-o", out, "--trim", "[*,*]")
        assert run.code == 0
        assert "note: " in run.err
        assert "b3.fits: its header was changed after CHECKSUM was written" in run.err
        frames = {each["name"]: each for each in json.loads((out / "run.json").read_text())["this_run"]["frames"]}
        assert frames["b3.fits"]["reason"] == "its header was changed after CHECKSUM was written"
        assert frames["b1.fits"]["reason"] == ""


CODE = 'name = "x"\n[[amplifier]]\ntrim = """__import__("os").system("touch {mark}")"""\n'


def test_camera_files_are_data(tmp_path):
    """A profile that tries to be a program is a profile that is not valid."""
    write_raw(tmp_path / "raw" / "b.fits", raw_pixels(1))
    mark = tmp_path / "ran"
    for content in (
        CODE.format(mark=mark),
        f'import os; os.system("touch {mark}")\n',
        f'name = "!!python/object/apply:os.system [touch {mark}]"\n[[amplifier]]\ntrim = "$(touch {mark})"\n',
        "\0\1\2",
        "[" * 5000,
        "name = " + "9" * 5000 + "\n",
    ):
        (tmp_path / "my.toml").write_text(content)
        run = command("bias", tmp_path / "raw", "-o", tmp_path / "out", "--camera", tmp_path / "my.toml")
        assert run.code == 2, run.out
        assert "my.toml" in run.err
        assert not mark.exists()
