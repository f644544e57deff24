"""Whether the data of a FITS file are those it was written with: DATASUM and CHECKSUM compared, without decoding."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zeroframe.errors import DamagedError
from zeroframe.fits.cards import CARD_SIZE
from zeroframe.fits.checksums import add_sums, data_sum
from zeroframe.fits.fingerprint import Crc32
from zeroframe.fits.layout import padded
from zeroframe.fits.scan import COPY_AGAIN, cut_off_clause, walk
from zeroframe.fits.streams import open_source
from zeroframe.records import dataclass

if TYPE_CHECKING:
    import os
    from pathlib import Path

    from zeroframe.fits.layout import Hdu
    from zeroframe.fits.streams import Source

__all__ = ["CheckedFile", "check_file", "compare_sums"]

_PIECE = 1 << 18


@dataclass(frozen=True, slots=True)
class CheckedFile:
    """A file that was read from front to back.

    Attributes
    ----------
    crc32, byte_count : int
        Of the file as it stands on the disk.
    summed : int
        How many of its HDUs have a DATASUM or a CHECKSUM.
    remarks : tuple of str
        What is odd about it though no pixel is lost, each a clause.
    """

    crc32: int
    byte_count: int
    summed: int
    remarks: tuple[str, ...]


def check_file(path: str | os.PathLike[str]) -> CheckedFile:
    """Read a FITS file and compare every DATASUM and CHECKSUM in it; nothing of it is kept in memory.

    Parameters
    ----------
    path : path-like
        Plain, gzip, bzip2, or with compressed tiles, whose sums are those of the tiles as they are stored.

    Returns
    -------
    CheckedFile

    Raises
    ------
    FrameError
        When it cannot be read, is no FITS file, is cut off, or has data of another sum.
    """
    crc = Crc32()
    summed = 0
    with open_source(path) as source:
        source.tell_bytes(crc.update)
        for hdu in walk(source):
            if {"DATASUM", "CHECKSUM"} & hdu.stored_cards.keys():
                summed += 1
                source.remarks += compare_sums(source.path, hdu, _sum_of_data(source, hdu))
        if source.cut_off:
            raise DamagedError(source.path, f"its {source.encoding} data are cut off", COPY_AGAIN)
        byte_count = source.tell_rest()  # before the CRC is asked for: what was skipped is read here
        return CheckedFile(crc.value, byte_count, summed, tuple(source.remarks))


def _sum_of_data(source: Source, hdu: Hdu) -> int:
    """Sum over the data at which the source stands, padding included."""
    buffer = memoryview(bytearray(_PIECE))
    total, left = 0, padded(hdu.data_bytes)
    padding = left - hdu.data_bytes
    while left and (count := source.read_into(buffer[: min(left, _PIECE)])):
        total = add_sums(total, data_sum(buffer[:count]))
        left -= count
    if left > padding:
        raise DamagedError(source.path, cut_off_clause(hdu, padded(hdu.data_bytes) - left), COPY_AGAIN)
    return total


def compare_sums(path: Path, hdu: Hdu, found: int) -> tuple[str, ...]:
    """Compare the sum over the data of an HDU with what its header says.

    Parameters
    ----------
    path : pathlib.Path
        The file, for the message.
    hdu : Hdu
        The HDU.
    found : int
        Sum over its data as stored, padding included.

    Returns
    -------
    tuple of str
        A clause on what else does not fit, where the data do.

    Raises
    ------
    DamagedError
        When DATASUM is another.
    """
    cards = hdu.stored_cards
    if not {"DATASUM", "CHECKSUM"} & cards.keys():
        return ()
    expected = _as_sum(cards.get("DATASUM"))
    if expected not in (None, found):
        raise DamagedError(
            path,
            f"its data are not those it was written with (DATASUM is {expected}, the sum of the data is {found})",
            f"{COPY_AGAIN}, or use it as it is without checking sums (--ignore-checksums)",
        )
    changed = "its header was" if expected is not None else "its header or its data were"
    if "CHECKSUM" not in cards:
        return () if expected is not None else ("its DATASUM cannot be read, so its data were not checked",)
    header_sum = data_sum(cards.text.ljust(padded(len(cards.text))))
    whole_sum = add_sums(header_sum, found)
    return () if whole_sum in (0, 0xFFFFFFFF) else (f"{changed} changed after CHECKSUM was written",)


def _as_sum(value: object) -> int | None:
    text = str(value).strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) <= CARD_SIZE else None
