"""Frames of other formats among the raw ones are named by every command that looks at a folder."""

from __future__ import annotations

import lzma

import pytest

from workbench import command, raw_pixels, write_raw
from zeroframe.errors import ZeroframeWarning
from zeroframe.headers.foreign import say_foreign


def test_many_are_counted():
    with pytest.warns(ZeroframeWarning, match=r"a\.NEF, b\.NEF, c\.NEF, d\.NEF and 2 more are not FITS"):
        say_foreign([f"raw/{name}.NEF" for name in "abcdef"])


@pytest.mark.parametrize("job", ["night", "bias", "ls", "inspect"])
def test_every_command_names_them(tmp_path, job):
    raw = tmp_path / "raw"
    for number in range(3):
        write_raw(raw / f"b{number}.fits", raw_pixels(number), IMAGETYP="bias", BUNIT="adu")
    (raw / "film.ser").write_bytes(b"LUCAM-RECORDER" + b"\0" * 1000)
    (raw / "dark1.TIF").write_bytes(b"II*\0\x10\0\0\0" + b"\0" * 1000)
    options = ("-o", tmp_path / "out", "--trim", "[*,*]", "--no-report") if job in {"night", "bias"} else ()
    run = command(job, raw, *options)
    for name, what in (("film.ser", "a film, which has to be split into frames"), ("dark1.TIF", "TIFF")):
        assert f"note: {name} is not FITS ({what}) and not read" in run.err, run.err
        assert run.err.count(name) == 1


@pytest.mark.parametrize("job", ["night", "bias", "ls"])
def test_a_frame_that_is_packed_in_what_is_not_read_is_missed(tmp_path, job):
    raw = tmp_path / "raw"
    for number in range(4):
        write_raw(raw / f"b{number}.fits", raw_pixels(number), IMAGETYP="bias", BUNIT="adu")
    packed = [(raw / f"b{number}.fits.xz") for number in (1, 3)]
    for path in packed:
        path.write_bytes(lzma.compress(path.with_suffix("").read_bytes()))
    packed[0].with_suffix("").unlink()
    (raw / "logs.zip").write_bytes(b"PK\3\4" + b"\0" * 1000)
    options = ("-o", tmp_path / "out", "--trim", "[*,*]", "--no-report") if job in {"night", "bias"} else ()
    run = command(job, raw, *options)
    said = " ".join((run.out + run.err).split())
    assert run.code == 1
    assert "b1.fits.xz: not FITS but compressed by xz; unpack it with unxz first" in said
    assert "logs.zip is not FITS (an archive) and not read; unpack it first, where frames are in it" in said
    # beside the frame itself it is a copy
    assert ("b3.fits.xz" in said) == (job == "ls")
