"""One header, asked by lists of keywords; what was found, passed over and could not be used is remembered."""

from __future__ import annotations

import re
from contextlib import suppress
from functools import cached_property, lru_cache
from math import isfinite
from typing import TYPE_CHECKING

from zeroframe.fits.cards import Cards
from zeroframe.headers.tables import dialect_tables, known_words
from zeroframe.records import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from zeroframe.headers.words import Words

__all__ = [
    "CardReader",
    "Noted",
    "is_finite",
    "letters",
    "parsed_number",
    "pattern_of",
    "shown",
    "whole_number",
]

_NUMBER = re.compile(
    r"([+-]?(?:[0-9]{1,30}\.?[0-9]{0,30}|\.[0-9]{1,30})(?:[eEdD][+-]?[0-9]{1,3})?)\s*([^\d\s,;+-][^\d,;]*)?"
)
_COMMA = re.compile(r"([+-]?\d{1,15}),(\d{1,15})(?![\d,])")
_SEVERAL = re.compile(r"[+-]?\d+\.?\d*(?:[eEdD][+-]?\d+)?(?=[\s,;:/\]\[()]|$)")
_MOST_SHOWN, _MOST_BITS = 80, 1000
_NEVER = r"(?!)"
_WORD = re.compile(r"[^\W\d_]+")


@dataclass(frozen=True, slots=True)
class Noted:
    """A card that was looked at for a fact.

    Attributes
    ----------
    fact : str
        What was asked: ``exposure``.
    keyword : str
        The card.
    value : str
        What it says, as shown to people.
    why : str
        Why it was passed over; empty where it was taken.
    """

    fact: str
    keyword: str
    value: str
    why: str = ""


class CardReader:
    """One header, asked by lists of keywords.

    Parameters
    ----------
    cards : mapping of str to value
        The header.
    words : Words
        What a user has taught.
    """

    def __init__(self, cards: Mapping[str, object], words: Words) -> None:
        self.cards = cards
        self.words = words
        self.doubts: list[str] = []
        self.remarks: list[str] = []
        self._noted: list[tuple[str, str, str]] = []
        self._form = cards if isinstance(cards, Cards) else None

    def remark(self, sentence: str) -> None:
        """Say what is said wherever the file is read."""
        self.doubts.append(sentence)
        self.remarks.append(sentence)

    def note(self, fact: str, keyword: str, why: str = "") -> None:
        """Remember that a card was taken for a fact, or why not."""
        self._noted.append((fact, keyword, why))

    @property
    def noted(self) -> list[Noted]:
        """Return what was looked at."""
        return [Noted(fact, keyword, shown(self.cards.get(keyword)), why) for fact, keyword, why in self._noted]

    def took(self, keyword: str, fact: str = "") -> bool:
        """Whether a card was taken for a fact, or for any."""
        return any(own == keyword and not why and (not fact or said == fact) for said, own, why in self._noted)

    def value(self, keyword: str) -> str | float | None:
        """Return a number, a text that says something, or None; of a card that comes twice, the first that does."""
        value = self.cards.get(keyword)
        if value is None:  # nearly always
            return None
        said = _said(value)
        if said is None and isinstance(self.cards, Cards) and keyword in self.cards.repeated:
            return next((each for each in map(_said, self.cards.contradicting(keyword)) if each is not None), None)
        return said

    def texts(self, keywords: Iterable[str]) -> Iterable[tuple[str, str]]:
        """Yield keyword and text of the cards that say something; numbers as they would be written."""
        for keyword in self.present(keywords):
            value = self.value(keyword)
            if value is not None:
                yield keyword, value if isinstance(value, str) else f"{value:.12g}"

    def first_text(self, keywords: Iterable[str], fact: str = "") -> str | None:
        """Return the first text of some cards."""
        for keyword, text in self.texts(keywords):
            if fact:
                self.note(fact, keyword)
            return text
        return None

    def present(self, keywords: Iterable[str]) -> Iterable[str]:
        """Return those keywords that need to be asked for, where the header can say that at once."""
        found = self.there(keywords)
        return keywords if found is None else found

    def there(self, keywords: Iterable[str]) -> tuple[str, ...] | None:
        """Return those keywords that are there; None where the header cannot say that at once."""
        if self._form is None:
            return None
        return self._form.present(keywords if isinstance(keywords, tuple) else tuple(keywords))

    def like(self, pattern: str) -> Iterable[str]:
        """Return the keywords that a pattern fits."""
        compiled = pattern_of(pattern)
        if self._form is not None:
            return self._form.like(compiled)
        return [keyword for keyword in dict.fromkeys(self.cards) if compiled.search(keyword)]

    def comment(self, keyword: str) -> str:
        """Return the comment of a card in lower case."""
        if isinstance(self.cards, Cards):
            return self.cards.comment(keyword).casefold()
        comments = getattr(self.cards, "comments", None)  # an astropy header
        return "" if comments is None or keyword not in self.cards else str(comments[keyword]).casefold()

    def commented(self, pattern: str, unless: str = "") -> Iterable[str]:
        """Return the keywords whose comments a pattern fits, and another one does not."""
        compiled, excluded = pattern_of(pattern), pattern_of(unless or _NEVER)
        if self._form is not None:
            return self._form.commented(compiled, excluded)
        told = ((keyword, self.comment(keyword)) for keyword in dict.fromkeys(self.cards) if keyword)
        return [keyword for keyword, text in told if text and compiled.search(text) and not excluded.search(text)]

    @cached_property
    def shape_yx(self) -> tuple[int, int] | None:
        """The size of the image that the header belongs to, if it belongs to one."""
        prefix = "Z" if self.cards.get("ZIMAGE") is True else ""
        nx, ny = (whole_number(self.value(f"{prefix}NAXIS{axis}")) for axis in (1, 2))
        return None if nx is None or ny is None else (ny, nx)

    def name_contradictions(self) -> None:
        """Name all values of keywords that stand several times and say different things; the first one counts."""
        if not isinstance(self.cards, Cards) or not self.cards.repeated:  # nearly always
            return
        for keyword in sorted(self.cards.repeated & known_words()):
            values = [value for value in self.cards.contradicting(keyword) if _said(value) is not None]
            if len(values) > 1:
                said = " and as ".join(map(shown, values))
                self.remark(f"{keyword} is given as {said}; the first of them is used")


def _said(value: object) -> str | float | None:
    if isinstance(value, str):
        text = value.strip()
        return None if text.casefold() in _undefined() else text
    return value if isinstance(value, int | float) and not isinstance(value, bool) and is_finite(value) else None


@lru_cache(maxsize=1)
def _undefined() -> frozenset[str]:
    return frozenset(dialect_tables()["undefined"])


def is_finite(value: float) -> bool:
    """Say whether a number is one, however long it is."""
    try:
        return isfinite(value)
    except OverflowError:  # a whole number of hundreds of digits
        return False


def shown(value: object) -> str:
    """Return a value as it is shown to people."""
    said = repr(value) if not isinstance(value, int) or value.bit_length() < _MOST_BITS else f"{value:#x}"
    return said if len(said) <= _MOST_SHOWN else said[:_MOST_SHOWN] + " …"


@lru_cache(maxsize=4096)
def parsed_number(text: str) -> tuple[float, str] | None:
    """Return the number of a text, and the unit behind it; None where it is no number, or several.

    Examples
    --------
    >>> parsed_number(" 5.0 C "), parsed_number("-15,0"), parsed_number("10.00 dB"), parsed_number("1.2, 1.3")
    ((5.0, 'c'), (-15.0, ''), (10.0, 'db'), None)
    """
    text = text.strip()
    comma = _COMMA.match(text)
    if comma is not None:
        text = f"{comma[1]}.{comma[2]}{text[comma.end() :]}"
    match = _NUMBER.fullmatch(text)
    if match is None:
        return None
    unit = (match[2] or "").strip().rstrip(".").casefold()
    return float(match[1].upper().replace("D", "E")), unit


def several_numbers(text: str) -> bool:
    """Say whether a text holds several numbers, as ``[3.3,3.4]`` does."""
    return len(_SEVERAL.findall(text)) > 1


def whole_number(value: str | float | None) -> int | None:
    """Return a whole number above zero that a card says."""
    if isinstance(value, str):
        parsed = parsed_number(value)
        value = parsed[0] if parsed is not None and not parsed[1] else None
    return int(value) if value is not None and is_finite(value) and value >= 1 and value == int(value) else None


@lru_cache(maxsize=1024)
def letters(text: str) -> str:
    """Return the words of a text: lower case, without accents; everything that is not a letter is one blank.

    Examples
    --------
    >>> letters("FLAT,SKY"), letters("Plage de lumière_1"), letters("Weißbild"), letters("MAßÉ")
    ('flat sky', 'plage de lumiere', 'weissbild', 'masse')
    """
    if not text.isascii():
        text = _plain(text)
    return " ".join(_WORD.findall(text.casefold()))


def _plain(text: str) -> str:
    """Return a text without accents."""
    spelt_out = text.replace("ß", "ss")
    if spelt_out.isascii():  # as in the tables, so that nothing is imported for them
        return spelt_out
    from unicodedata import combining, normalize

    with suppress(UnicodeError):  # UTF-8 that was read as Latin-1
        text = text.encode("latin-1").decode("utf-8")
    return "".join(c for c in normalize("NFKD", text.replace("ß", "ss")) if not combining(c))


@lru_cache(maxsize=256)
def pattern_of(text: str) -> re.Pattern[str]:
    """Return a pattern of the tables, compiled once."""
    return re.compile(text)


@lru_cache(maxsize=1024)
def unit_of(comment: str, table: str) -> str | None:
    """Return the unit that a comment names in brackets, behind 'in', or in a long word; None where it names none."""
    units = dialect_tables()[table]["units"]
    marked = re.findall(r"[\[(]\s*([^\])]{1,24}?)\s*[\])]", comment)
    # "exposure time in ms", and no "in ms since" or "in s-band"
    for bracketed in [*marked, *re.findall(r"(?<![a-z])in ([a-zµ]{1,12}\.?)\s*(?:$|[,;.)])", comment)]:
        for unit, words in units.items():
            if bracketed.rstrip(".") in words:
                return str(unit)
    for unit, words in units.items():
        if any(len(word) > 3 and re.search(rf"(?<![a-z]){re.escape(word)}(?![a-z])", comment) for word in words):
            return str(unit)
    return None
