"""Headers made from other headers: of a tile-compressed image from its table, and of an extension from its file."""

from __future__ import annotations

import re

from zeroframe.fits.cards import CARD_SIZE, Cards

__all__ = ["card_groups", "cards_from", "image_cards", "inherited_cards", "is_structural"]

# What describes the bytes of one HDU and not the exposure: never handed from one HDU to another.
# fmt: off
_STRUCTURAL = frozenset((
    "SIMPLE", "XTENSION", "BITPIX", "NAXIS", "EXTEND", "PCOUNT", "GCOUNT", "GROUPS", "BLOCKED", "BSCALE", "BZERO",
    "BLANK", "TFIELDS", "THEAP", "CHECKSUM", "DATASUM", "INHERIT", "ZIMAGE", "ZCMPTYPE", "ZBITPIX", "ZNAXIS",
    "ZTENSION", "ZSIMPLE", "ZEXTEND", "ZBLOCKED", "ZPCOUNT", "ZGCOUNT", "ZHECKSUM", "ZDATASUM", "ZMASKCMP",
    "ZQUANTIZ", "ZDITHER0", "ZBLANK", "ZSCALE", "ZZERO", "LONGSTRN",
))
# fmt: on
_NUMBERED = re.compile(r"(?:Z?NAXIS|ZTILE|ZNAME|ZVAL|TTYPE|TFORM|TUNIT|TNULL|TSCAL|TZERO|TDISP|TDIM)\d+\Z")
_TABLE_NAME = "COMPRESSED_IMAGE"


def is_structural(keyword: str) -> bool:
    """Say whether a keyword describes how an HDU is stored, and so cannot be carried to another one.

    Examples
    --------
    >>> is_structural("NAXIS2"), is_structural("ZTILE1"), is_structural("EXPTIME")
    (True, True, False)
    """
    return keyword in _STRUCTURAL or _NUMBERED.match(keyword) is not None


def card_groups(lines: list[str]) -> list[tuple[str, str]]:
    """Return (keyword, text) for each card, CONTINUE cards joined to the text of the card they belong to.

    Parameters
    ----------
    lines : list of str
        Cards of 80 characters.

    Returns
    -------
    list of tuple of str
        The keyword in upper case (``'HIERARCH'`` for all of those), and 80 characters or a multiple of it.
    """
    groups: list[tuple[str, str]] = []
    for line in lines:
        keyword = line[:8].rstrip().upper()
        if keyword == "CONTINUE" and groups:
            groups[-1] = (groups[-1][0], groups[-1][1] + line)
        else:
            groups.append((keyword, line))
    return groups


def image_cards(table: Cards) -> Cards:
    """Return the header of the image that a table of compressed tiles stands for.

    Parameters
    ----------
    table : Cards
        Header of the binary table (FITS standard 4.0, section 10.1).

    Returns
    -------
    Cards
        An image extension's header: what describes the table is gone, what describes the pixels is said by
        BITPIX and NAXIS, and BSCALE, BZERO and BLANK stay.
    """
    axes = table.get("ZNAXIS")
    count = axes if isinstance(axes, int) else 0
    shape = [(f"NAXIS{axis}", table.get(f"ZNAXIS{axis}")) for axis in range(1, min(count, 999) + 1)]
    numbers = [("BITPIX", table.get("ZBITPIX")), ("NAXIS", axes), *shape, ("PCOUNT", 0), ("GCOUNT", 1)]
    made = ["XTENSION= 'IMAGE   '".ljust(CARD_SIZE)]
    made += [f"{keyword:8}= {value!s:>20}".ljust(CARD_SIZE) for keyword, value in numbers]
    for keyword, text in card_groups(table.lines()):
        unnamed = keyword == "EXTNAME" and table.get("EXTNAME") == _TABLE_NAME
        kept = keyword in ("BSCALE", "BZERO", "BLANK", "INHERIT")
        if kept or not (is_structural(keyword) or unnamed):
            made.append(text)
    return cards_from(made)


def inherited_cards(primary: Cards, extension: Cards) -> Cards:
    """Return the header of an extension with what the primary header says of the whole file.

    Parameters
    ----------
    primary, extension : Cards
        The two headers of one file.

    Returns
    -------
    Cards
        The extension's cards, then those of the primary header that the extension lacks and that do not describe
        the storage. With ``INHERIT = F`` in the extension nothing is added. (The convention asks for ``INHERIT = T``;
        instruments that leave it out mean it all the same: they put the exposure time in the primary header only.)
    """
    if extension.get("INHERIT") is False:
        return extension
    own = card_groups(extension.lines())
    known = {keyword for keyword, _ in own} - {"COMMENT", "HISTORY", "", "HIERARCH"}
    added = [
        text
        for keyword, text in card_groups(primary.lines())
        if keyword not in known and not is_structural(keyword) and keyword not in ("EXTNAME", "EXTVER", "EXTLEVEL")
    ]
    while added and not added[-1].strip():
        added.pop()
    return cards_from([text for _, text in own] + added) if added else extension


def cards_from(texts: list[str]) -> Cards:
    """Return a header of cards of 80 characters, or a multiple of it."""
    return Cards("".join([*texts, "END".ljust(CARD_SIZE)]).encode("latin-1"))
