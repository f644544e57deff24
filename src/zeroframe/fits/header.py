"""A header that is being written: the cards of a frame as they stand, with some of them changed.

Cards that are not touched keep every byte, and nothing of astropy is imported: that would take longer than to calibrate
ten frames. What is set is written in the fixed format of the FITS standard 4.0, section 4.2.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, MutableMapping
from typing import Any

from zeroframe.fits.astropy_fits import astropy_fits
from zeroframe.fits.astropy_headers import card_groups
from zeroframe.fits.cards import CARD_SIZE, COMMENTARY, Cards

__all__ = ["HeaderDraft"]

#: Of a text that goes on in the next line, the letters of one: 80 less keyword, quotes and ampersand.
_PIECE_LENGTH = 67
_COMMENTARY_LENGTH = CARD_SIZE - 8
#: Where the comment of a card with a value in fixed format begins.
_VALUE_END = 30


class HeaderDraft(MutableMapping[str, Any]):
    """The cards of a header, to be changed; it answers as an astropy header does, as far as a result needs it.

    Parameters
    ----------
    cards : Cards, optional
        What it begins with. Cards that are not valid FITS are rewritten, see `Cards.valid_lines`.

    Notes
    -----
    Of COMMENT, HISTORY and blank cards the value is the tuple of their lines. A card that is set keeps its place and,
    where none is given, its comment; a new one comes last. Deleting takes all cards of that keyword.

    Examples
    --------
    >>> draft = HeaderDraft(Cards(b"EXPTIME =                 1.50 / s".ljust(80) + b"END".ljust(80)))
    >>> draft["NCOMBINE"] = (3, "frames combined")
    >>> draft["EXPTIME"] = 2.5
    >>> for line in draft.lines():
    ...     print(line.rstrip())
    EXPTIME =                  2.5 / s
    NCOMBINE=                    3 / frames combined
    """

    def __init__(self, cards: Cards | None = None) -> None:
        self._groups = [] if cards is None else card_groups(cards.valid_lines())
        self._names = [_name_of(*group) for group in self._groups]

    def lines(self) -> list[str]:
        """Return the cards, 80 characters each or a multiple of it, without END."""
        return [text for _, text in self._groups]

    def __getitem__(self, keyword: str) -> Any:  # noqa: ANN401 -- of any type, as headers are
        name = _normal(keyword)
        if name in COMMENTARY:
            found = tuple(
                text[8:].rstrip() for each, (_, text) in zip(self._names, self._groups, strict=True) if each == name
            )
            if not found:
                raise KeyError(keyword)
            return found
        return Cards(self._groups[self._place(name)][1].encode("latin-1"))[name]

    def __setitem__(self, keyword: str, value: object) -> None:
        name = _normal(keyword)
        if name in COMMENTARY:
            raise KeyError(f"{keyword or 'a blank keyword'} is not one value; use add_history")
        comment = None
        if isinstance(value, tuple):
            value, comment = value
        if name in self._names:
            place = self._place(name)
            old = self._groups[place][1]
            self._groups[place] = (name, _card(name, value, _comment_of(old) if comment is None else comment))
        else:
            self._groups.append((name, _card(name, value, comment or "")))
            self._names.append(name)

    def __delitem__(self, keyword: str) -> None:
        name = _normal(keyword)
        if name not in self._names:
            raise KeyError(keyword)
        kept = [place for place, each in enumerate(self._names) if each != name]
        self._groups = [self._groups[place] for place in kept]
        self._names = [self._names[place] for place in kept]

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys(self._names))

    def __len__(self) -> int:
        return len(set(self._names))

    def __contains__(self, keyword: object) -> bool:
        return isinstance(keyword, str) and _normal(keyword) in self._names

    def remove(self, keyword: str, *, ignore_missing: bool = False, remove_all: bool = True) -> None:
        """Delete all cards of a keyword."""
        if not remove_all:
            raise ValueError("all cards of a keyword are removed at once")
        if keyword in self or not ignore_missing:
            del self[keyword]

    def add_history(self, line: str) -> None:
        """Add a line of HISTORY, cut into pieces of 72 characters where it is longer, behind those that are there."""
        self._extend("HISTORY", [line])

    def add_comment(self, line: str) -> None:
        """Add a line of COMMENT, as `add_history` does."""
        self._extend("COMMENT", [line])

    def _extend(self, name: str, lines: Iterable[str]) -> None:
        names = self._names
        # from the end, where lines of a combined frame's thousands of frames stand
        place = next((place for place in range(len(names), 0, -1) if names[place - 1] == name), len(names))
        pieces = [
            line[start : start + _COMMENTARY_LENGTH]
            for line in lines
            for start in range(0, max(len(line), 1), _COMMENTARY_LENGTH)
        ]
        self._groups[place:place] = [(name, f"{name:8}{piece}".ljust(CARD_SIZE)) for piece in pieces]
        self._names[place:place] = [name] * len(pieces)

    def _place(self, name: str) -> int:
        try:
            return self._names.index(name)
        except ValueError:
            raise KeyError(name) from None


def _normal(keyword: str) -> str:
    name = keyword.strip().upper()
    return name.removeprefix("HIERARCH ").strip()


def _name_of(keyword: str, text: str) -> str:
    """Return the keyword by which a card is found."""
    if keyword != "HIERARCH" or "=" not in text:
        return keyword
    return " ".join(text[8:].partition("=")[0].upper().split())


def _comment_of(text: str) -> str:
    """Return the comment of a card of one line; empty for one that goes on."""
    if len(text) > CARD_SIZE:
        return ""
    value = text[10:] if text[8:10] == "= " else text.partition("=")[2]
    quoted = value.lstrip()[:1] == "'"
    inside = False
    for place, letter in enumerate(value):
        if quoted and letter == "'":
            inside = not inside
        elif letter == "/" and not inside:
            return value[place + 1 :].strip()
    return ""


def _card(name: str, value: object, comment: str) -> str:
    """Return a card; by astropy where more than a plain text takes several lines, or a keyword has another form.

    To import it takes as long as the calibration of ten frames, and how frames were combined may take two lines.
    """
    plain = value.item() if hasattr(value, "item") else value
    field = _field(plain)
    if field is not None and len(name) <= 8 and " " not in name and len(field) <= CARD_SIZE - 10:
        line = f"{name:8}= {field}"
        if comment:
            line = f"{line.ljust(_VALUE_END)} / {comment}"
        return line[:CARD_SIZE].ljust(CARD_SIZE)
    if field is not None and isinstance(plain, str) and not comment and len(name) <= 8 and "'" not in plain:
        return _continued(name, plain)
    return str(astropy_fits().Card(name if len(name) <= 8 and " " not in name else f"HIERARCH {name}", plain, comment))


def _continued(name: str, text: str) -> str:
    """Return a card of several lines, which end where a word does, as those of astropy."""
    pieces, rest = [], text
    while len(rest) > _PIECE_LENGTH - (" " in rest):
        end = rest.rfind(" ", 0, _PIECE_LENGTH) + 1 or _PIECE_LENGTH
        pieces.append(f"'{rest[:end]}&'")
        rest = rest[end:]
    begins = [f"{name:8}= ", *["CONTINUE  "] * len(pieces)]
    return "".join(
        (begin + piece).ljust(CARD_SIZE) for begin, piece in zip(begins, [*pieces, f"'{rest}'"], strict=True)
    )


def _field(value: object) -> str | None:
    """Return a value in fixed format; None where it has none."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return f"{'T' if value else 'F':>20}"
    if isinstance(value, int):
        return f"{value:>20}"
    if isinstance(value, float) and abs(value) < float("inf"):
        mantissa, letter, exponent = repr(value).upper().partition("E")
        point = "" if "." in mantissa else ".0"
        return f"{mantissa + point + letter + exponent:>20}"
    if isinstance(value, str) and value.isascii() and value.isprintable():
        quoted = value.replace("'", "''")
        return f"'{quoted:8}'".ljust(20)
    return None
