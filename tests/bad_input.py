"""Bad input by name: contents of files that are refused or understood, names that are no names, no files at all."""

from __future__ import annotations

import gzip
import os
import socket
import struct
import zlib
from typing import TYPE_CHECKING

import numpy as np

from workbench import raw_pixels, write_raw
from zeroframe.errors import DamagedError, HeaderError, NotFitsError, UnsupportedError

if TYPE_CHECKING:
    from pathlib import Path


def cards(*lines: str) -> bytes:
    return "".join(line.ljust(80) for line in lines).encode("latin-1")


def header(*lines: str, end: bool = True) -> bytes:
    body = cards(*lines, *(["END"] if end else []))
    return body.ljust(-(-len(body) // 2880) * 2880)


def plain(naxis1="20", naxis2="12", bitpix="16", *more: str, simple="T", naxis="2") -> tuple[str, ...]:
    return (
        f"SIMPLE  = {simple:>20}", f"BITPIX  = {bitpix:>20}", f"NAXIS   = {naxis:>20}",
        f"NAXIS1  = {naxis1:>20}", f"NAXIS2  = {naxis2:>20}", *more, "IMAGETYP= 'bias    '",
    )  # fmt: skip


def bomb(start: bytes, filler: bytes, millions: int = 300) -> bytes:
    """Return the gzip of ``start`` and of so many million times the same byte, without going through them all."""
    packing, million = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS), filler * 1_000_000
    head = packing.compress(start) + packing.flush(zlib.Z_FULL_FLUSH)
    part = packing.compress(million) + packing.flush(zlib.Z_FULL_FLUSH)  # stands alone, so it may be repeated
    crc32 = zlib.crc32(start)
    for _ in range(millions):
        crc32 = zlib.crc32(million, crc32)
    end = packing.flush() + struct.pack("<II", crc32, len(start) + millions * len(million))
    return gzip.compress(b"")[:10] + head + part * millions + end


DATA = raw_pixels(1).astype(">i2").tobytes().ljust(2880, b"\0")
#: Contents of files that have to be refused, and by what.
REFUSED = {
    "NAXIS is missing": (
        header("SIMPLE  =                    T", "BITPIX  =                   16") + DATA,
        HeaderError,
    ),
    "NAXIS too large": (header(*plain(naxis="3")) + DATA, HeaderError),
    "NAXIS of a thousand": (header(*plain(naxis="1000")) + DATA, HeaderError),
    "NAXIS negative": (header(*plain(naxis="-2")) + DATA, HeaderError),
    "NAXIS not a number": (header(*plain(naxis="'two'")) + DATA, HeaderError),
    "terabytes": (header(*plain("1000000", "1000000")) + DATA, DamagedError),
    "more than 64 bits": (header(*plain("9" * 19, "9" * 19)) + DATA, DamagedError),
    "negative size": (header(*plain("-20")) + DATA, HeaderError),
    "fraction of a pixel": (header(*plain("20.5")) + DATA, HeaderError),
    "two sizes": (header(*plain("20", "12", "16", "NAXIS1  =                   99")) + DATA, HeaderError),
    "two BITPIX": (header(*plain("20", "12", "16", "BITPIX  =                  -32")) + DATA, HeaderError),
    "two BSCALE": (
        header(*plain("20", "12", "16", "BSCALE  =                  1.0", "BSCALE  =                  2.0")) + DATA,
        HeaderError,
    ),
    "BSCALE of nothing": (header(*plain("20", "12", "16", "BSCALE  =               1E-300")) + DATA, HeaderError),
    "BZERO beyond float32": (header(*plain("20", "12", "16", "BZERO   =               1E+300")) + DATA, HeaderError),
    "size zero": (header(*plain("0")) + DATA, UnsupportedError),
    "BITPIX 7": (header(*plain(bitpix="7")) + DATA, HeaderError),
    "BITPIX -16": (header(*plain(bitpix="-16")) + DATA, HeaderError),
    "BITPIX a text": (header(*plain(bitpix="'16'")) + DATA, HeaderError),
    "BSCALE 0": (header(*plain("20", "12", "16", "BSCALE  =                  0.0")) + DATA, HeaderError),
    "BSCALE NaN": (header(*plain("20", "12", "16", "BSCALE  =                  NaN")) + DATA, HeaderError),
    "BZERO a text": (header(*plain("20", "12", "16", "BZERO   = 'zero'")) + DATA, HeaderError),
    "END is missing": (header(*plain(), end=False) + DATA, (HeaderError, DamagedError)),
    "END is missing, and nothing follows": (header(*plain(), end=False), DamagedError),
    "header cut off": (header(*plain())[:200], DamagedError),
    "data cut off": (header(*plain()) + DATA[:100], DamagedError),
    "no data": (header(*plain()), DamagedError),
    "empty": (b"", NotFitsError),
    "one byte": (b"S", NotFitsError),
    "text": (b"clouds after midnight\n" * 300, NotFitsError),
    "only zeros": (bytes(5760), NotFitsError),
    "gzip of nothing": (gzip.compress(b""), NotFitsError),
    "gzip of a gzip": (gzip.compress(gzip.compress(header(*plain()) + DATA)), NotFitsError),
    "gzip of text": (gzip.compress(b"clouds" * 1000), NotFitsError),
    "gzip cut off": (gzip.compress(header(*plain()) + DATA)[:-12], DamagedError),
    "gzip that asks for terabytes": (gzip.compress(header(*plain("1000000", "1000000")) + DATA), UnsupportedError),
    "gzip magic and nothing": (b"\x1f\x8b", (NotFitsError, DamagedError)),
    "bzip2 magic and rubbish": (b"BZh9" + b"rubbish" * 100, (NotFitsError, DamagedError)),
    "a bomb of zeros": (bomb(b"", b"\0"), NotFitsError),
    "a bomb that has no END": (bomb(header(*plain(), end=False), b" "), HeaderError),
    "a cube": (header(*plain(naxis="3"), "NAXIS3  =                    2") + DATA, UnsupportedError),
}


GOOD = raw_pixels(1).astype(">i2").astype(np.int16)
FIRST = int(GOOD[0, 0])
NOT_NUMBERS = raw_pixels(1).astype(np.float32)
NOT_NUMBERS[3, 4], NOT_NUMBERS[5, 6], NOT_NUMBERS[5, 7] = np.nan, np.inf, -np.inf
#: Contents that are odd, and what they mean all the same.
UNDERSTOOD = {
    "BLANK": (
        header(*plain("20", "12", "16", f"BLANK   = {FIRST:>20}")) + DATA,
        np.where(np.equal(GOOD, FIRST), np.nan, GOOD),
    ),
    "NaN and infinity": (
        header(*plain(bitpix="-32")) + NOT_NUMBERS.astype(">f4").tobytes().ljust(2880, b"\0"),
        NOT_NUMBERS,
    ),
    "non-ASCII cards": (header(*plain("20", "12", "16", "OBSERVER= 'Ångström'", "COMMENT \xff\xfe\x00")) + DATA, GOOD),
    "duplicate cards that agree": (header(*plain("20", "12", "16", "NAXIS1  =                   20")) + DATA, GOOD),
    "HIERARCH": (header(*plain("20", "12", "16", "HIERARCH ESO DET CHIP1 NX = 99 / not NAXIS1")) + DATA, GOOD),
    "CONTINUE": (
        header(*plain("20", "12", "16", "COMMENT_= 'a long &'", "CONTINUE  'text &'", "CONTINUE  ''")) + DATA,
        GOOD,
    ),
    "CONTINUE of nothing": (header(*plain("20", "12", "16", "CONTINUE  'text'", "CONTINUE")) + DATA, GOOD),
    "SIMPLE = F": (header(*plain(simple="F")) + DATA, GOOD),
    "cards of control characters": (header(*plain("20", "12", "16", "OBJECT  = '\x1b[2J\x07'")) + DATA, GOOD),
    "a script for an OBJECT": (header(*plain("20", "12", "16", "OBJECT  = '<script>alert(1)</script>'")) + DATA, GOOD),
}  # fmt: skip


ODD_NAMES = (
    "with space.fits", "it's.fits", 'say "b".fits', "-o.fits", "--overwrite", "ночь.fits", "夜.fits", "new\nline.fits",
    "tab\t.fits", "bell\x07\x1b[31m.fits", "semi;rm -rf.fits", "$(HOME).fits", "[bold]b.fits", "a" * 240 + ".fits",
    "b\udcff.fits", "<script>.fits", "%s%n.fits",
)  # fmt: skip
#: What is in a folder of everything and is no file that can be read.
NO_FILES = ("pipe.fits", "loop.fits", "gone.fits", "null.fits", "socket.fits")


def name_of(number: int) -> str:
    """Return the name of a case in the folder of everything."""
    return f"case{number:02}.fits"


def no_files(folder: Path) -> None:
    """Put into a folder what is called like a frame and is none."""
    (folder / "folder.fits").mkdir()
    os.mkfifo(folder / "pipe.fits")
    for name, target in (("loop.fits", "loop.fits"), ("gone.fits", "nowhere"), ("null.fits", "/dev/null")):
        (folder / name).symlink_to(target)
    here = os.open(".", os.O_RDONLY)
    os.chdir(folder)  # names of sockets are short
    try:
        with socket.socket(socket.AF_UNIX) as door:
            door.bind("socket.fits")
    finally:
        os.fchdir(here)
        os.close(here)


def everything(folder: Path) -> Path:
    """Write every named case into one folder, with things that are no files, and names that are no names."""
    for number in range(3):
        write_raw(folder / f"good{number}.fits", raw_pixels(number), BUNIT="adu")
    for number, (content, _) in enumerate([*REFUSED.values(), *UNDERSTOOD.values()]):
        (folder / name_of(number)).write_bytes(content)
    no_files(folder)
    for name in ODD_NAMES:
        write_raw(folder / name, raw_pixels(5), BUNIT="adu")
    return folder
