"""The colours of a sensor: which filter each pixel of a 2 x 2 cell looks through, and what headers say of it.

A pattern is always that of the pixels as they are stored: the first letter is the first pixel of the first row of the
array, whatever the row is on the sky. Headers have it as the picture is seen from its top (``ROWORDER``, a convention
of Siril's that N.I.N.A. and SharpCap write) and from an offset (``XBAYROFF``, ``YBAYROFF``: MaxIm DL, SBFITSEXT).
"""

from __future__ import annotations

import re
import tomllib
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zeroframe.fits import Cards
from zeroframe.records import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, MutableMapping, Sequence

    from zeroframe.headers.sections import Section

__all__ = [
    "COLOUR_LETTERS",
    "COLOUR_SETTING",
    "FOUND_CARD",
    "XTRANS",
    "ColourPattern",
    "StatedColours",
    "cut_pattern",
    "read_colours",
    "state_pattern",
]

#: What the pattern is called among the settings by which frames are told apart.
COLOUR_SETTING = "colour pattern"
#: A pattern whose greens were found in flats: its letters X and Y are one of red and blue each.
FOUND_CARD = "CFAFOUND"
#: What is said of a sensor of Fuji's, whose pattern has 6 x 6 pixels.
XTRANS = "an X-Trans sensor, whose colours repeat after 6 x 6 pixels"
_XTRANS = re.compile(r"X[-_ ]?TRANS")
_TOKENS = re.compile(r"[A-Z]+")
_BAYER = re.compile(r"(?:RGGB|BGGR|GRBG|GBRG|XGGY|GXYG)\Z")
#: Two letters are the first row of a cell.
_HALVES = {"RG": "RGGB", "BG": "BGGR", "GR": "GRBG", "GB": "GBRG"}
#: Filters that are known (white, emerald), and those of a pattern that was found.
COLOUR_LETTERS = "RGBCMYWEX"
_FILTERS = frozenset("RGBCMYWE")


@dataclass(frozen=True, slots=True)
class ColourPattern:
    """Which filter each pixel of a cell of 2 x 2 looks through, in the order in which the array holds them.

    Parameters
    ----------
    letters : str
        Of the pixels ``[0, 0]``, ``[0, 1]``, ``[1, 0]`` and ``[1, 1]``: ``"RGGB"``. X and Y are red and blue, or blue
        and red, where nobody says which.

    Examples
    --------
    >>> pattern = ColourPattern("RGGB")
    >>> pattern.names, pattern.moved(1, 0).letters, pattern.moved(0, 1).letters
    (('R', 'G1', 'G2', 'B'), 'GBRG', 'GRBG')
    """

    letters: str

    @property
    def names(self) -> tuple[str, str, str, str]:
        """What the pixels of a cell are called; of two of one colour, the first is G1."""
        one, two, three, four = (
            f"{letter}{self.letters[: place + 1].count(letter)}" if self.letters.count(letter) > 1 else letter
            for place, letter in enumerate(self.letters)
        )
        return one, two, three, four

    @property
    def greens(self) -> tuple[int, int] | None:
        """The two places of a cell that look through one filter, from 0; None where no two do, on a diagonal."""
        return next((pair for pair in ((0, 3), (1, 2)) if self.letters[pair[0]] == self.letters[pair[1]]), None)

    @property
    def says_red(self) -> bool:
        """Whether it is known which of its pixels are red."""
        return "X" not in self.letters

    def moved(self, y0: int, x0: int) -> ColourPattern:
        """Return the pattern of an image that begins ``y0`` rows and ``x0`` columns further on."""
        rows = [self.letters[2 * ((y + y0) % 2) :][:2] for y in (0, 1)]
        return ColourPattern("".join(row[(x + x0) % 2] for row in rows for x in (0, 1)))

    def cut(self, rows: Sequence[int], columns: Sequence[int]) -> ColourPattern:
        """Return the pattern of an image made of some rows and columns, in the order in which they are read.

        Parameters
        ----------
        rows, columns : sequence of int
            Numbers from 0, each one more than the last, or one less where the image is turned.

        Examples
        --------
        >>> ColourPattern("RGGB").cut(range(7, -1, -1), range(8)).letters
        'GBRG'
        """
        return self.moved(rows[0], columns[0])


@dataclass(frozen=True, slots=True)
class StatedColours:
    """What a header says of the colours of its pixels.

    Attributes
    ----------
    pattern : ColourPattern or None
        None where it names none.
    card : str or None
        The card that names it.
    doubts : tuple of str
        What was said and could not be used.
    refused : str
        Why such a frame cannot be used at all: it is of an X-Trans sensor. Empty otherwise.
    """

    pattern: ColourPattern | None = None
    card: str | None = None
    doubts: tuple[str, ...] = ()
    refused: str = ""


@cache
def _words() -> dict[str, Any]:
    return tomllib.loads(Path(__file__).with_name("colours.toml").read_text(encoding="utf-8"))


def read_colours(cards: Mapping[str, object], shape_yx: tuple[int, ...] | None) -> StatedColours:
    """Read the colour pattern that a header states, as that of the pixels as they are stored.

    Parameters
    ----------
    cards : mapping of str to value
        The header.
    shape_yx : tuple of int or None
        Of its image; rows that are stored from the bottom of the picture up are counted from there.

    Examples
    --------
    >>> read_colours({"BAYERPAT": "RGGB", "XBAYROFF": 1}, (4, 6)).pattern
    ColourPattern(letters='GRBG')
    >>> read_colours({"BAYERPAT": "RGGB", "ROWORDER": "BOTTOM-UP"}, (4, 6)).pattern
    ColourPattern(letters='GBRG')
    """
    doubts = []
    words = tuple(_words()["cards"])
    for word in cards.present(words) if isinstance(cards, Cards) else words:
        value = cards.get(word)
        if value is None:
            continue
        letters = _letters(value)
        if letters == "":
            continue
        if letters == "XTRANS":
            return StatedColours(None, word, refused=f"{word} says that it is of {XTRANS}")
        if letters is None:
            doubts.append(f"{word} = {value!r} is not a pattern of colours that is known")
            continue
        pattern = ColourPattern(letters)
        if shape_yx is not None and _is_bottom_up(cards) and shape_yx[0] % 2 == 0:
            pattern = pattern.moved(1, 0)
        return StatedColours(pattern.moved(_offset(cards, "y"), _offset(cards, "x")), word, tuple(doubts))
    return StatedColours(doubts=tuple(doubts))


def _letters(value: object) -> str | None:
    """Return the four letters that a card holds, 'XTRANS', nothing where it speaks of no pattern; None: not known."""
    if not isinstance(value, str):
        return ""  # a number of the camera's own, or whether there is a pattern at all
    text = value.upper()
    tokens = _TOKENS.findall(text)
    if _XTRANS.search(text) or any(len(token) == 36 for token in tokens):
        return "XTRANS"
    for token in tokens:
        first: str = token[:4] if len(token) % 4 == 0 and token == token[:4] * (len(token) // 4) else token
        if _BAYER.match(first) or (len(first) == 4 and set(first) <= _FILTERS and len(set(first)) >= 3):
            return first
        if token in _HALVES:
            return _HALVES[token]
    says_nothing = not tokens or any(token.casefold() in _words()["nothing"] for token in tokens)
    return "" if says_nothing else None


def _is_bottom_up(cards: Mapping[str, Any]) -> bool:
    return any("BOTTOM" in str(cards.get(word, "")).upper().split("-")[0] for word in _words()["row_order"])


def _offset(cards: Mapping[str, Any], axis: str) -> int:
    """Return an offset, by which the pattern begins further on; of what is no whole number, none."""
    for word in _words()[f"offset_{axis}"]:
        value = cards.get(word)
        if isinstance(value, int | float) and not isinstance(value, bool) and value == value // 1:
            return int(value) % 2
    return 0


def cut_pattern(header: MutableMapping[str, Any], section: Section, shape_yx: tuple[int, ...]) -> None:
    """Make the colour pattern of a header true for an image that was cut out of a larger one, in place.

    Parameters
    ----------
    header : astropy.io.fits.Header or mapping
        Of the larger image.
    section : Section
        What was cut out; an axis that is read backwards was turned around.
    shape_yx : tuple of int
        Shape of the larger image.

    Notes
    -----
    The letters are written anew and the offsets set to 0, which programs read that know no offsets. Where rows were
    turned around, ROWORDER says the other order: the first row is on the other side of the sensor.

    Examples
    --------
    >>> from zeroframe.headers.sections import Section
    >>> header = {"BAYERPAT": "RGGB", "XBAYROFF": 0}
    >>> cut_pattern(header, Section.parse("[2:8,*]"), (4, 8))
    >>> header
    {'BAYERPAT': 'GRBG', 'XBAYROFF': 0}
    """
    stated = read_colours(header, shape_yx)
    if len(shape_yx) < 2:
        return
    slices = section.slices_yx(shape_yx)[-2:]
    rows, columns = (range(n)[part] for n, part in zip(shape_yx[-2:], slices, strict=True))
    if section.ranges[1].flipped:
        for word in _words()["row_order"]:
            if word in header:
                header[word] = "TOP-DOWN" if _is_bottom_up(header) else "BOTTOM-UP"
    if stated.pattern is not None and rows and columns:
        state_pattern(header, stated.pattern.cut(rows, columns), len(rows))


def state_pattern(header: MutableMapping[str, Any], pattern: ColourPattern | None, rows: int) -> None:
    """Write the colour pattern of the pixels as they are stored into a header, in its own words, in place.

    Parameters
    ----------
    header : astropy.io.fits.Header or mapping
        Of the image.
    pattern : ColourPattern or None
        None: there is none, and the cards that state one are removed.
    rows : int
        How many the image has.

    Examples
    --------
    >>> header = {"COLORTYP": "BGGR", "ROWORDER": "BOTTOM-UP"}
    >>> state_pattern(header, ColourPattern("RGGB"), 8)
    >>> header["COLORTYP"], read_colours(header, (8, 8)).pattern.letters
    ('GBRG', 'RGGB')
    """
    there = [word for word in _words()["cards"] if word in header and _letters(header.get(word))]
    if pattern is None or (not pattern.says_red and FOUND_CARD not in there):
        for word in there:
            del header[word]
        there = []
    if pattern is None:
        return
    written = pattern.moved(1, 0) if _is_bottom_up(header) and rows % 2 == 0 else pattern
    for word in there or [_words()["cards"][0] if pattern.says_red else FOUND_CARD]:
        header[word] = written.letters
    for word in _offset_words():
        if word in header:
            header[word] = 0


def _offset_words() -> Iterator[str]:
    for axis in ("x", "y"):
        yield from _words()[f"offset_{axis}"]
