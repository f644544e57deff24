"""What stands in the file of an HDU that is about to be written: the blocks of its header, and arrays as bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from zeroframe.errors import ArgumentError, UsageError
from zeroframe.fits.astropy_headers import card_groups, is_structural
from zeroframe.fits.cards import CARD_SIZE, Cards
from zeroframe.fits.checksums import add_sums, data_sum, encode_checksum
from zeroframe.fits.header import HeaderDraft
from zeroframe.fits.layout import padded
from zeroframe.records import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from astropy.io.fits import Header

__all__ = [
    "CHUNK_BYTES",
    "StoredForm",
    "card",
    "described_cards",
    "finished_header",
    "mandatory_cards",
    "offset_cards",
    "stored_bytes",
    "stored_chunks",
    "stored_form",
    "table_cards",
    "writable_cards",
]

CHUNK_BYTES = 1 << 18  # swapped, summed and written or compressed while it is in the second-level cache


@dataclass(frozen=True, slots=True)
class StoredForm:
    """How an array is stored: BITPIX, the big-endian dtype, and BZERO of the sign convention (0 for none)."""

    bitpix: int
    dtype: np.dtype[Any]
    bzero: int


def stored_form(path: Path, data: np.ndarray[Any, Any]) -> StoredForm:
    """Return how an array is stored.

    Parameters
    ----------
    path : pathlib.Path
        The file, for the message.
    data : ndarray
        The array.

    Returns
    -------
    StoredForm

    Raises
    ------
    ArgumentError
        When FITS has no form for this dtype.
    """
    kind, size = data.dtype.kind, data.dtype.itemsize
    if kind == "f" and size in (4, 8):
        return StoredForm(-8 * size, np.dtype(f">f{size}"), 0)
    if kind == "b" or (kind == "u" and size == 1):
        return StoredForm(8, np.dtype("u1"), 0)
    if kind == "i" and size == 1:
        return StoredForm(8, np.dtype("u1"), -128)
    if kind in "iu":
        return StoredForm(8 * size, np.dtype(f">i{size}"), 1 << (8 * size - 1) if kind == "u" else 0)
    raise ArgumentError(
        f"{path}: an array of dtype {data.dtype} cannot be written as FITS; convert it to float32 first"
    )


def stored_bytes(data: np.ndarray[Any, Any], form: StoredForm) -> bytes:
    """Return all bytes of an array as they are stored."""
    return b"".join([bytes(chunk) for chunk in stored_chunks(data, form)])


def stored_chunks(data: np.ndarray[Any, Any], form: StoredForm) -> Iterator[memoryview]:
    """Yield the bytes of an array as they are stored, piece by piece.

    Parameters
    ----------
    data : ndarray
        The array. One that is contiguous and stored as it stands is not copied.
    form : StoredForm
        From `stored_form`.

    Yields
    ------
    memoryview
        Bytes, a multiple of four but for the last piece. The next piece may overwrite it, so use it before.
    """
    if data.dtype == form.dtype and data.flags.c_contiguous:
        yield data.reshape(-1).view(np.uint8).data
        return
    pieces = _pieces(data)
    scratch = np.empty(0, form.dtype)
    for piece in pieces:
        if piece.size > scratch.size:
            scratch = np.empty(piece.size, form.dtype)
        target = scratch[: piece.size].reshape(piece.shape)
        if form.bzero:
            size = form.dtype.itemsize
            unsigned = piece.view(piece.dtype.str.replace("i", "u"))
            np.bitwise_xor(unsigned, np.array(1 << (8 * size - 1), f"u{size}"), out=target.view(f">u{size}"))
        else:
            target[...] = piece
        yield scratch[: piece.size].view(np.uint8).data


def _pieces(data: np.ndarray[Any, Any]) -> Iterator[np.ndarray[Any, Any]]:
    """Yield parts of an array in order, of a multiple of four pixels but for the last."""
    lines: np.ndarray[Any, Any]
    if data.flags.c_contiguous or data.ndim < 2:
        lines, step = data.reshape(-1), CHUNK_BYTES // data.dtype.itemsize
    else:
        lines = data.reshape(-1, data.shape[-1])
        step = max(4, CHUNK_BYTES // max(1, lines[:1].nbytes) // 4 * 4)
    for start in range(0, len(lines), step):
        yield lines[start : start + step]


_UNSIGNED_COMMENT = "offset of the integers' sign convention"


def card(keyword: str, value: bool | float | str, comment: str = "") -> str:  # noqa: FBT001 - a value, not a flag
    """Return one card in fixed format.

    Parameters
    ----------
    keyword : str
        At most eight characters.
    value : bool, int, float or str
        A string of at most 68 characters.
    comment : str
        Cut where the card ends.

    Returns
    -------
    str
        80 characters.

    Examples
    --------
    >>> card("NAXIS", 2).rstrip()
    'NAXIS   =                    2'
    >>> card("EXTNAME", "SCI").rstrip()
    "EXTNAME = 'SCI     '"
    """
    if isinstance(value, bool):
        text = f"{'T' if value else 'F':>20}"
    elif isinstance(value, str):
        quoted = value.replace("'", "''")
        text = f"'{quoted:8}'"
    else:
        text = f"{value:>20}"
    line = f"{keyword:8}= {text:20}" + (f" / {comment}" if comment else "")
    if len(line.partition(" / ")[0].rstrip()) > CARD_SIZE:
        raise ValueError(f"{keyword} = {value!r} does not fit a card")
    return line[:CARD_SIZE].ljust(CARD_SIZE)


def mandatory_cards(
    bitpix: int, shape: tuple[int, ...], bzero: int, *, primary: bool, extend: bool = False
) -> list[str]:
    """Return the cards that describe an image, in the order that the standard asks for (section 4.4.1).

    Parameters
    ----------
    bitpix : int
        As stored.
    shape : tuple of int
        As numpy has it; empty for an HDU without data.
    bzero : int
        Offset of the sign convention, 0 for none.
    primary, extend : bool
        Whether it is the primary HDU, and whether extensions follow it.
    """
    lines = [
        card("SIMPLE", True, "conforms to FITS standard") if primary else card("XTENSION", "IMAGE", "Image extension")
    ]
    lines += [card("BITPIX", bitpix, "array data type"), card("NAXIS", len(shape), "number of array dimensions")]
    lines += [card(f"NAXIS{axis}", size) for axis, size in enumerate(shape[::-1], 1)]
    if not primary:
        lines += [card("PCOUNT", 0, "number of parameters"), card("GCOUNT", 1, "number of groups")]
    elif extend:
        lines.append(card("EXTEND", True, "extensions follow"))
    return lines + offset_cards(bzero)


def table_cards(row_bytes: int, rows: int, fields: int, heap_bytes: int = 0) -> list[str]:
    """Return the cards that a binary table begins with."""
    return [
        card("XTENSION", "BINTABLE", "binary table extension"),
        card("BITPIX", 8, "array data type"),
        card("NAXIS", 2, "number of array dimensions"),
        card("NAXIS1", row_bytes, "width of table in bytes"),
        card("NAXIS2", rows, "number of rows in table"),
        card("PCOUNT", heap_bytes, "size of the heap" if heap_bytes else "no heap"),
        card("GCOUNT", 1, "number of groups"),
        card("TFIELDS", fields, "number of fields in each row"),
    ]


def offset_cards(bzero: int) -> list[str]:
    """Return BSCALE and BZERO where integers of the other sign are stored."""
    return [card("BSCALE", 1), card("BZERO", bzero, _UNSIGNED_COMMENT)] if bzero else []


def described_cards(header: Header | HeaderDraft | Cards | None, name: str = "") -> list[str]:
    """Return the cards of a header that describe the exposure and not how it was stored.

    Parameters
    ----------
    header : astropy.io.fits.Header, HeaderDraft, Cards or None
        The header of the image. What describes its storage is left out, BLANK and checksums included.
    name : str
        EXTNAME, in place of that in the header; empty for none.

    Returns
    -------
    list of str
        Cards of 80 characters, or a multiple of it for long strings.

    Raises
    ------
    ValueError
        When a card cannot be written.
    """
    lines = [card("EXTNAME", name, "name of this extension")] if name else []
    if header is None:
        return lines
    if isinstance(header, HeaderDraft):
        own = header.lines()
    elif isinstance(header, Cards):
        own = header.valid_lines()
    else:
        text = header.tostring(sep="", endcard=False, padding=False)
        own = Cards(
            text.encode("latin-1")
        ).valid_lines()  # astropy warns of cards that are not valid, but hands them on
    kept = [
        text for keyword, text in card_groups(own) if not (is_structural(keyword) or (name and keyword == "EXTNAME"))
    ]
    while kept and not kept[-1].strip():
        kept.pop()
    return lines + kept


def finished_header(cards: Iterable[str], datasum: int) -> bytes:
    """Return header blocks with DATASUM and CHECKSUM added.

    Parameters
    ----------
    cards : iterable of str
        All other cards, in order, without END.
    datasum : int
        Sum over the data of the HDU, padding included.

    Returns
    -------
    bytes
        A multiple of 2880. No date is in it: the same HDU always has the same header.
    """
    zeros = card("CHECKSUM", "0" * 16, "HDU checksum")
    body = "".join([*cards, card("DATASUM", str(datasum), "data unit checksum")])
    size = padded(len(body) + 2 * CARD_SIZE)
    blank = (body + zeros + "END").ljust(size).encode("ascii")
    checksum = encode_checksum(add_sums(data_sum(blank), datasum))
    return (body + zeros.replace("0" * 16, checksum) + "END").ljust(size).encode("ascii")


def writable_cards(path: Path, header: Header | HeaderDraft | Cards | None, name: str = "") -> list[str]:
    """Return `described_cards` of a header that goes into a file.

    Raises
    ------
    UsageError
        When a card cannot be written; it names the file.
    """
    try:
        return described_cards(header, name)
    except ValueError as error:
        raise UsageError(f"{path}: its header cannot be written ({error}); mend that card") from error
