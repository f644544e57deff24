"""Files as FITS might be: headers, extensions, tables of tiles and wrappings, each right or wrong, drawn from a seed.

A file is built from a grammar and not from noise, and few things in it are wrong at once, so that what reads it gets
far. The same number gives the same file on any machine.
"""

from __future__ import annotations

import bz2
import gzip
import io
import random
from dataclasses import dataclass, field
from functools import cache

import numpy as np
from astropy.io import fits

__all__ = ["Drawn", "draw_file"]

NX, NY = 20, 12
BITPIX = {8: "u1", 16: ">i2", 32: ">i4", 64: ">i8", -32: ">f4", -64: ">f8"}
KINDS = ("bias", "zero", "dark", "flat", "object", "LIGHT", "FLAT,SKY", "arc")

#: Values as they stand in a card, by what is wrong with them.
WHOLE = (
    "0", "1", "-1", "2", "3", "7", "12", "13", "16", "19", "21", "240", "999", "1000", "32767", "65536", "100000",
    "2147483647", "2147483648", "4294967296", "9223372036854775807", "9223372036854775808", "-9223372036854775808",
    "1" + "0" * 25, "9" * 60,
)  # fmt: skip
REAL = (
    "0.0", "-0.0", "1.0", "1.5", "-1.5", "0.5", "1E-300", "-1E-300", "1E300", "-1E300", "1E-320", "4.9E-324",
    "1.8E308", "1E400", "3E11", "1D5", "1E-5", "99999.0", "-273.15", "-999", "1.", ".5", "+1.25", "1E", "1e5",
)  # fmt: skip
STRANGE = (
    "NaN", "nan", "inf", "-Infinity", "T", "F", "", "'16'", "''", "'x'", "(1,2)", "1,5", "0x10", "1_000", "' '",
    "'NaN'", "'none'", "1 2", "/ nothing", "'unclosed", "''''", "$(rm)", "#NUM!", "'[1,2]'", "'1e999'",
)  # fmt: skip
TEXTS = (
    "'bias'", "'dark'", "'FLAT'", "'=1+1'", "'@SUM(A1)'", "'<script>alert(1)</script>'", "'\x1b[2J'", "'../../etc'",
    "'/'", "'a/b'", "'.'", "'CON'", "'" + "x" * 66 + "'", "'R'", "'r'", "'\xe5ngstr\xf6m'", "'\x00'", "'%s%n'",
    "'it''s'", "'&'", "'adu'", "'electron'", "'counts'", "'m'", "'Palomar LFC'", "'a\tb'",
)  # fmt: skip
DATES = (
    "'2016-01-16T03:04:05'", "'2016-01-16'", "'16/01/99'", "'0001-01-01T00:00:00'", "'9999-12-31T23:59:59'",
    "'2016-02-30T00:00:00'", "'2016-01-16T25:61:61'", "'2016-1-6T1:2:3.4567890123456789'", "'0000-00-00'",
    "'1970-01-01T00:00:00'", "'tomorrow'", "2016.5", "'2016-01-16T03:04:05+14:00'", "'99999-01-01'",
)  # fmt: skip
SECTIONS = (
    "'[1:20,1:12]'", "'[17:20,1:12]'", "'[1:16,*]'", "'[20:1,12:1]'", "'[0:20,0:12]'", "'[1:999999999999,1:12]'",
    "'[-5:5,1:12]'", "'[1:20:3,1:12]'", "'[1:20]'", "'[,]'", "'[1:20,1:12,1:1]'", "'[5:5,5:5]'", "'UNKNOWN'",
    "'[1.5:20,1:12]'", "'[[1:20,1:12]]'", "'[17:20,1:12],[1:4,1:12]'", "'" + "[" * 60 + "'",
)  # fmt: skip
NUMBERS = WHOLE + REAL + STRANGE

#: Cards of an exposure, with what is usual and what may stand there instead.
CARDS = {
    "EXPTIME": (("0.0", "30.0", "300"), NUMBERS),
    "EXPOSURE": (("0.0", "30.0"), NUMBERS),
    "GAIN": (("1.5", "2"), NUMBERS),
    "EGAIN": (("1.5",), NUMBERS),
    "RDNOISE": (("4.0", "7.5"), NUMBERS),
    "CCD-TEMP": (("-110.0", "-20", "173.0"), NUMBERS),
    "XBINNING": (("1",), NUMBERS),
    "YBINNING": (("1",), NUMBERS),
    "CCDSUM": (("'1 1'",), (*TEXTS, *WHOLE, "'999 999'", "'0 0'")),
    "DATE-OBS": (("'2016-01-16T03:04:05'", "'2016-01-16'"), DATES),
    "MJD-OBS": (("57403.1",), NUMBERS),
    "UT": (("'03:04:05'",), (*TEXTS, *NUMBERS, "'99:99:99'")),
    "FILTER": (("'R'", "'g'"), (*TEXTS, *NUMBERS)),
    "OBJECT": (("'M 31'",), TEXTS),
    "INSTRUME": (("'none'",), (*TEXTS, "'LFC'", "'Apogee CCD'")),
    "TELESCOP": (("'none'",), TEXTS),
    "BUNIT": (("'adu'",), (*TEXTS, *STRANGE)),
    "BIASSEC": (("'[17:20,1:12]'",), SECTIONS),
    "TRIMSEC": (("'[1:16,1:12]'",), SECTIONS),
    "DATASEC": (("'[1:16,1:12]'",), SECTIONS),
    "CCDSEC": (("'[1:16,1:12]'",), SECTIONS),
    "DETSEC": (("'[1:16,1:12]'",), SECTIONS),
    "CRPIX1": (("8.5",), NUMBERS),
    "CRVAL1": (("150.0",), NUMBERS),
    "CD1_1": (("-1E-4",), NUMBERS),
    "CTYPE1": (("'RA---TAN'",), TEXTS),
    "LTV1": (("0.0",), NUMBERS),
    "LTM1_1": (("1.0",), NUMBERS),
    "NCOMBINE": (("1",), NUMBERS),
    "COMBINED": (("F",), ("T", "'yes'", *STRANGE)),
    "SATURATE": (("65535",), NUMBERS),
    "DATAMAX": (("65535",), NUMBERS),
    "BAYERPAT": (("'RGGB'",), (*TEXTS, *NUMBERS)),
    "OVERSCAN": (("'none'",), TEXTS),
    "ZFJOB": (("'0123456789abcdef'",), TEXTS),
    "DATASUM": (("'0'",), (*NUMBERS, "'4294967295'", "'99999999999999999999'", "'-1'")),
    "CHECKSUM": (("'0000000000000000'",), (*TEXTS, "'abcdefghijklmnop'")),
    "BSCALE": (("1.0",), NUMBERS),
    "BZERO": (("0.0", "32768", "32768.0"), NUMBERS),
    "BLANK": (("-32768",), NUMBERS),
    "EXTEND": (("T", "F"), STRANGE),
    "INHERIT": (("T", "F"), STRANGE),
    "GROUPS": (("F",), ("T", *STRANGE)),
    "PCOUNT": (("0",), NUMBERS),
    "GCOUNT": (("1",), NUMBERS),
    "EXTNAME": (("'SCI'",), ("'MASK'", "'UNCERT'", "'COUNTS'", "'COMPRESSED_IMAGE'", *TEXTS)),
    "EXTVER": (("1",), NUMBERS),
    "RAWLEVEL": (("1000.0",), NUMBERS),
    "NSATPIX": (("0",), NUMBERS),
}
#: Lines as they may stand between cards.
LINES = (
    "END     = 5", "END", "END     x", "end", "", "=", "= = =", "CONTINUE  'text &'", "CONTINUE", "HIERARCH",
    "HIERARCH ESO = 1", "HIERARCH ESO DET CHIP1 NX = 99", "HIERARCH = 5", "HIERARCH " + "A" * 60 + " = 1",
    "COMMENT \xff\xfe\x00", "HISTORY", "lower   = 5", "SP ACE  = 5", "SIMPLE  = F", "XTENSION= 'IMAGE'",
    "NAXIS1  = 20", "NAXIS1  = 21", "BITPIX  = -32", "BITPIX  = 16", "LONG    = 'a &'",
    "LONG    = '" + "y" * 66 + "&'", "A" * 80, "\x00" * 80, "\xff" * 80, "\x1b[31m", "KEY     =" + "9" * 70,
    "KEY     ='", "NAXIS   = 2", "NAXIS3  = 7", "ZIMAGE  = T", "ZIMAGE  = F", "DATE-OBS= '1999-12-31'",
    "EXPTIME = 1.0", "EXPTIME = 2.0", "=1+1    = 5",
)  # fmt: skip
TILE_CARDS = (
    "ZIMAGE", "ZCMPTYPE", "ZBITPIX", "ZNAXIS", "ZNAXIS1", "ZNAXIS2", "ZTILE1", "ZTILE2", "ZNAME1", "ZVAL1", "ZNAME2",
    "ZVAL2", "ZQUANTIZ", "ZDITHER0", "ZBLANK", "ZSCALE", "ZZERO", "ZMASKCMP", "TFIELDS", "THEAP", "TFORM1", "TTYPE1",
    "TFORM2", "TTYPE2", "TFORM3", "TSCAL1", "TZERO1", "TNULL1", "TDIM1", "PCOUNT", "GCOUNT", "NAXIS", "NAXIS1",
    "NAXIS2", "NAXIS3", "BITPIX", "XTENSION", "BSCALE", "BZERO",
)  # fmt: skip
TILE_VALUES = (
    *WHOLE, "T", "F", "", "'x'", "1.5", "-32", "-64", "8", "32", "10000000", "'RICE_1'", "'GZIP_1'", "'GZIP_2'",
    "'PLIO_1'", "'HCOMPRESS_1'", "'NOCOMPRESS'", "'1PB(9)'", "'1QB'", "'1PB(1000000000)'", "'1PD'", "'PB'", "'1J'",
    "'999999999E'", "'COMPRESSED_DATA'", "'GZIP_COMPRESSED_DATA'", "'UNCOMPRESSED_DATA'", "'ZSCALE'", "'BLOCKSIZE'",
    "'BYTEPIX'", "'NO_DITHER'", "'SUBTRACTIVE_DITHER_1'", "'IMAGE'", "'BINTABLE'", "'(4,3)'",
)  # fmt: skip


@dataclass(slots=True)
class Drawn:
    """A file, and what is wrong with it in words."""

    name: str
    content: bytes
    told: list[str] = field(default_factory=list)


def draw_file(number: int) -> Drawn:
    """Return the file of a number."""
    chance = random.Random(f"fits {number}")
    drawn = Drawn("", b"")
    wrong = chance.choice([0, 1, 1, 1, 1, 2, 2, 3, 5])
    make = chance.choice([_plain, _plain, _plain, _extensions, _tiles, _tiles])
    content = make(chance, drawn, wrong)
    content = _bent(chance, drawn, content) if chance.random() < 0.15 else content
    suffix, drawn.content = _wrapped(chance, drawn, content)
    drawn.name = chance.choice(["a-first", "x-last"]) + suffix
    return drawn


def _card(keyword: str, value: str) -> str:
    return f"{keyword:8}= {value:>20}"


def _pixels(chance: random.Random, bitpix: int, shape: tuple[int, ...]) -> bytes:
    """Return pixels about a level, now and then such as no camera gives."""
    source = np.random.default_rng(chance.randrange(1 << 30))
    values = source.normal(chance.choice([1000.0, 1000.0, 1000.0, 0.0, 30000.0]), 4.0, shape)
    how = chance.choice(["noise"] * 6 + ["constant", "extremes", "not finite", "huge"])
    if how == "constant":
        values[:] = 7
    elif how == "extremes" and bitpix > 0:
        values[:] = source.choice([0, 255 if bitpix == 8 else 2.0 ** (bitpix - 2), 1], shape)
    elif how == "not finite" and bitpix < 0:
        values = source.choice([np.nan, np.inf, -np.inf, 1000.0], shape)
    elif how == "huge" and bitpix < 0:
        values = source.choice([1e38, -1e38, 1e-45, 3.4e38], shape)
    if bitpix == 8:
        values = np.clip(values, 0, 255)
    return values.astype(BITPIX[bitpix]).tobytes()


def _header(chance: random.Random, drawn: Drawn, lines: list[str], wrong: int) -> bytes:
    """Return a header of some lines with cards of an exposure behind them, so many of which are wrong."""
    words = chance.sample(sorted(CARDS), chance.randrange(4, 14))
    cards = {word: chance.choice(CARDS[word][0]) for word in words if word not in {"GROUPS", "PCOUNT", "GCOUNT"}}
    cards.pop("DATASUM", None)
    cards.pop("CHECKSUM", None)
    cards.pop("ZFJOB", None)
    cards.pop("BLANK", None)
    cards["IMAGETYP"] = f"'{chance.choice(KINDS)}'"
    lines = [*lines, *(_card(word, value) for word, value in cards.items())]
    for _ in range(wrong):
        how = chance.choice(["value"] * 6 + ["line", "line", "structure", "drop", "repeat", "swap"])
        place = chance.randrange(len(lines))
        if how == "value":
            word = chance.choice(sorted(CARDS))
            lines = [line for line in lines if not line.startswith(f"{word:8}=")] + [
                _card(word, chance.choice(CARDS[word][1]))
            ]
            drawn.told.append(lines[-1])
        elif how == "line":
            lines.insert(place, chance.choice(LINES))
            drawn.told.append(f"line {place}: {lines[place]}")
        elif how == "structure":
            place = chance.randrange(min(len(lines), 6))
            lines[place] = lines[place][:9] + f"{chance.choice(NUMBERS):>21}"
            drawn.told.append(lines[place])
        elif how == "drop":
            drawn.told.append(f"without {lines.pop(place)}")
            lines = lines or ["COMMENT"]
        elif how == "repeat":
            other = chance.choice([lines[place], lines[place][:9] + f"{chance.choice(NUMBERS):>21}"])
            lines.insert(chance.randrange(len(lines) + 1), other)
            drawn.told.append(f"again {other}")
        else:
            other = chance.randrange(len(lines))
            lines[place], lines[other] = lines[other], lines[place]
            drawn.told.append(f"{lines[place]} and {lines[other]} in each other's place")
    if chance.random() < 0.02:
        lines += [f"HISTORY {number}" for number in range(chance.choice([40, 4000]))]
        drawn.told.append("a long header")
    if chance.random() < 0.02:
        drawn.told.append("no END")
        return _text(lines)
    return _text([*lines, "END"])


def _text(lines: list[str]) -> bytes:
    text = "".join(line[:80].ljust(80) for line in lines).encode("latin-1")
    return text.ljust(-(-len(text) // 2880) * 2880)


def _padded(data: bytes) -> bytes:
    return data.ljust(-(-len(data) // 2880) * 2880, b"\0")


def _shape(chance: random.Random) -> tuple[int, ...]:
    return chance.choice(
        [(NY, NX)] * 8 + [(NY, NX, 1)[::-1], (1, 1), (1, NX), (NY, 1), (3, NY, NX), (NX,), (64, 80), (NX, NY)]
    )


def _axes(shape: tuple[int, ...]) -> list[str]:
    return [_card("NAXIS", str(len(shape)))] + [_card(f"NAXIS{n}", str(size)) for n, size in enumerate(shape[::-1], 1)]


def _plain(chance: random.Random, drawn: Drawn, wrong: int) -> bytes:
    bitpix, shape = chance.choice([16, 16, 16, *BITPIX]), _shape(chance)
    lines = [_card("SIMPLE", "T"), _card("BITPIX", str(bitpix)), *_axes(shape)]
    drawn.told.append(f"one image of {bitpix} bits and shape {shape}")
    return _header(chance, drawn, lines, wrong) + _padded(_pixels(chance, bitpix, shape))


def _extensions(chance: random.Random, drawn: Drawn, wrong: int) -> bytes:
    """Return a file of several HDUs."""
    first = [_card("SIMPLE", "T"), _card("BITPIX", "8"), _card("NAXIS", "0"), _card("EXTEND", "T")]
    with_image = chance.random() < 0.4
    content = _plain(chance, drawn, wrong // 2) if with_image else _header(chance, drawn, first, wrong // 2)
    for _ in range(chance.choice([1, 1, 1, 2, 3, 12])):
        kind = chance.choice(["IMAGE"] * 5 + ["BINTABLE", "TABLE", "IUEIMAGE", "A3DTABLE", "x"])
        bitpix, shape = (16, _shape(chance)) if kind == "IMAGE" else (8, (3, 10))
        bitpix = chance.choice([16, 16, 8, -32]) if kind == "IMAGE" else bitpix
        lines = [
            f"XTENSION= '{kind:8}'",
            _card("BITPIX", str(bitpix)),
            *_axes(shape),
            _card("PCOUNT", "0"),
            _card("GCOUNT", "1"),
        ]
        if kind == "BINTABLE":
            lines += [_card("TFIELDS", "1"), _card("TFORM1", "'10A'")]
        name = chance.choice(["SCI", "SCI", "MASK", "UNCERT", "COUNTS", "PRIMARY", ""])
        lines += [_card("EXTNAME", f"'{name}'")] if name else []
        drawn.told.append(f"{kind} {name} of {bitpix} bits and shape {shape}")
        content += _header(chance, drawn, lines, wrong - wrong // 2) + _padded(_pixels(chance, bitpix, shape))
    return content


@cache
def _tiled(kind: str, bitpix: int) -> bytes:
    """Return a file that astropy has compressed."""
    source = np.random.default_rng(5)
    pixels = np.clip(source.normal(1000.0, 4.0, (NY, NX)), 0, 255 if bitpix == 8 else None).astype(BITPIX[bitpix])
    header = fits.Header({"IMAGETYP": "bias", "EXPTIME": 0.0, "BUNIT": "adu"})
    image = fits.CompImageHDU(pixels.astype(pixels.dtype.newbyteorder("=")), header, compression_type=kind)
    file = io.BytesIO()
    fits.HDUList([fits.PrimaryHDU(), image]).writeto(file)
    return file.getvalue()


def _tiles(chance: random.Random, drawn: Drawn, wrong: int) -> bytes:
    """Return a table of tiles, of which cards, descriptors or heap may be wrong."""
    kind, bitpix = (
        chance.choice(["RICE_1", "RICE_1", "GZIP_1", "GZIP_2", "NOCOMPRESS"]),
        chance.choice([16, 16, 32, 8, -32]),
    )
    content = bytearray(_tiled(kind, bitpix))
    drawn.told.append(f"tiles of {kind}, {bitpix} bits")
    start = content.index(b"XTENSION") // 2880 * 2880
    end = content.index(b"END".ljust(80), start)
    data = -(-(end + 80) // 2880) * 2880
    lines = [content[place : place + 80].decode("latin-1") for place in range(start, end, 80)]
    for _ in range(wrong):
        how = chance.choice(["card"] * 6 + ["descriptor", "heap", "exposure"])
        if how == "card":
            word, value = chance.choice(TILE_CARDS), chance.choice(TILE_VALUES)
            there = [number for number, line in enumerate(lines) if line.startswith(f"{word:8}=")]
            if there and chance.random() < 0.1:
                lines.pop(there[0])
                drawn.told.append(f"without {word}")
            elif there and chance.random() < 0.9:
                lines[there[0]] = _card(word, value)
                drawn.told.append(lines[there[0]])
            else:
                lines.append(_card(word, value))
                drawn.told.append(f"added {lines[-1]}")
        elif how == "exposure":
            word = chance.choice(sorted(CARDS))
            lines.append(_card(word, chance.choice(CARDS[word][1])))
            drawn.told.append(lines[-1])
        else:
            place = data + (chance.randrange(96) if how == "descriptor" else chance.randrange(len(content) - data))
            content[place] = chance.choice([0, 1, 127, 128, 255])
            drawn.told.append(f"byte {place} is {content[place]}")
    return bytes(content[:start]) + _text([*lines, "END"]) + bytes(content[data:])


def _bent(chance: random.Random, drawn: Drawn, content: bytes) -> bytes:
    """Return a file that has been cut, grown, or hit."""
    how = chance.choice(["cut", "cut in a block", "grown", "grown by a block", "bits", "bits", "empty"])
    drawn.told.append(how)
    if how == "cut":
        return content[: chance.randrange(len(content) + 1)]
    if how == "cut in a block":
        return content[: -chance.randrange(1, 2880)]
    if how == "grown":
        return content + bytes([chance.randrange(256)]) * chance.choice([1, 80, 2879, 100_000])
    if how == "grown by a block":
        return content + chance.choice([bytes(2880), b" " * 2880, content[:2880], b"XTENSION".ljust(2880)])
    if how == "bits":
        data = bytearray(content)
        for _ in range(chance.choice([1, 3])):
            data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
        return bytes(data)
    return b""


def _wrapped(chance: random.Random, drawn: Drawn, content: bytes) -> tuple[str, bytes]:
    """Return the ending of the name and the content as it is wrapped."""
    how = chance.choice(
        ["plain"] * 10 + ["gz", "gz", "bz2", "gz of gz", "two members", "gz cut off", "gz hit", "gz named fits"]
    )
    if how == "plain":
        return chance.choice([".fits", ".fits", ".fit", ".fts", ".fits.fz", ".FITS", ".fits.gz"]), content
    drawn.told.append(how)
    if how == "bz2":
        return ".fits.bz2", bz2.compress(content)
    packed = gzip.compress(content, 1, mtime=0)
    if how == "gz of gz":
        packed = gzip.compress(packed, 1, mtime=0)
    elif how == "two members":
        middle = len(content) // 2
        packed = gzip.compress(content[:middle], 1, mtime=0) + gzip.compress(content[middle:], 1, mtime=0)
    elif how == "gz cut off":
        packed = packed[: -chance.randrange(1, len(packed))]
    elif how == "gz hit":
        data = bytearray(packed)
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
        packed = bytes(data)
    return ".fits" if how == "gz named fits" else ".fits.gz", packed
