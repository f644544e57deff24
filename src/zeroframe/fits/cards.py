"""One FITS header as a read-only mapping that is parsed by us, card by card, when a value is asked for.

A header table of thousands of files needs a handful of cards from each header. `Cards` therefore only notes
where each keyword stands and parses a value when it is looked up. Nothing in a header raises: what is not valid
FITS is kept as text, because real cameras write such cards in frames that are otherwise good.

The layout of a card is that of the FITS standard 4.0, section 4.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from zeroframe.fits.astropy_fits import astropy_fits

if TYPE_CHECKING:
    from astropy.io.fits import Header

__all__ = ["ABRIDGED_BYTES", "BLOCK_SIZE", "CARD_SIZE", "COMMENTARY", "CardValue", "Cards", "find_end"]

CardValue = bool | int | float | str | None

CARD_SIZE = 80
_KEYWORD_SIZE = 8
BLOCK_SIZE = 2880
#: A header longer than this is cut down before it is kept; those of cameras have 3 to 30 kB, the longest of ESO's 200.
ABRIDGED_BYTES = 1 << 18

#: Keywords of lines that have no value.
COMMENTARY = frozenset(("COMMENT", "HISTORY", ""))
_INTEGER = re.compile(r"[+-]?\d{1,400}\Z", re.ASCII)
_REAL = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[ED][+-]?\d+)?\Z", re.ASCII | re.IGNORECASE)
_QUOTED = re.compile(r"'((?:[^']|'')*)'")
_UNPRINTABLE = re.compile(r"[^ -~]")
# A card that astropy reads as we do and writes again without a word; any other is written anew by `to_header`.
_PLAIN_CARD = re.compile(
    r"(?:(?:(?=[A-Z0-9_-]+ *=)(?!HIERARCH|CONTINUE|END ).{8}= |HIERARCH (?:[A-Z0-9_-]+ )+= )"
    r" *(?:'(?:[ -&(-~]|'')*'|[TF](?![^ /])|[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[ED][+-]?\d{1,3})?(?![^ /]))? *(?:/[ -~]*)?"
    r"|CONTINUE  '(?:[ -&(-~]|'')*' *(?:/[ -~]*)?"
    r"|(?:COMMENT |HISTORY |        )[ -~]*)\Z"
)


def find_end(header: bytes, start: int = 0) -> int:
    """Return the offset of the END card, or -1 when there is none.

    Parameters
    ----------
    header : bytes
        Bytes of a header, beginning with its first card.
    start : int
        Where to begin; a multiple of 80.

    Returns
    -------
    int
        Offset in bytes, a multiple of 80.

    Examples
    --------
    >>> find_end(b"SIMPLE  =                    T".ljust(80) + b"END".ljust(80))
    80
    >>> find_end(b"ENDTIME = 3".ljust(80))
    -1
    """
    # first letters of cards only: to look for three letters everywhere takes ten times as long
    initials = header[start::CARD_SIZE]
    number = initials.find(b"E")
    while number >= 0:
        offset = start + number * CARD_SIZE
        if header.startswith(b"END", offset) and not header[offset + 3 : offset + CARD_SIZE].strip(b" \0"):
            return offset
        number = initials.find(b"E", number + 1)
    return -1


class Cards(Mapping[str, CardValue]):
    """The cards of one header.

    Parameters
    ----------
    text : bytes
        The header as it stands in the file: 80-byte cards, END included. What follows END is ignored.

    Attributes
    ----------
    text : bytes
        The header, END included and without the padding behind it.

    Notes
    -----
    Keywords are found whatever their letter case. Of a keyword that stands there several times the first counts.
    COMMENT, HISTORY and blank cards are one value each, their lines joined by newlines. A string that goes on in
    CONTINUE cards is one value, and HIERARCH keywords are found with and without that word in front.
    Numbers that are complex, not finite, or not numbers are kept as text.

    Examples
    --------
    >>> header = Cards(b"EXPTIME =                 1.5D1 / s".ljust(80) + b"FILTER  = 'g''      '".ljust(80) + b"END")
    >>> header["exptime"], header["FILTER"], header.get("GAIN")
    (15.0, "g'", None)
    """

    __slots__ = ("_end", "_hierarch", "_offsets", "_present", "_repeated", "text")

    def __init__(self, text: bytes) -> None:
        end = find_end(text)
        if end < 0:
            end = len(text)
            self.text = text
        else:
            self.text = text[: end + CARD_SIZE]
        self._end = end
        size = -(-end // CARD_SIZE) * CARD_SIZE
        whole = text.ljust(size)
        letters = tuple(whole[place:size:CARD_SIZE] for place in range(_KEYWORD_SIZE))
        # what is remembered of long headers, 100 bytes a card, would fill the memory
        indexed = _index_of if size <= ABRIDGED_BYTES else _index_of.__wrapped__
        offsets, present, self._repeated = indexed(letters)
        self._hierarch = "HIERARCH" in offsets
        if self._hierarch:
            present = {}
            offsets = {keyword: offset for keyword, offset in offsets.items() if keyword != "HIERARCH"}
            _index_hierarch(_decoded(text[:end]), offsets)
        self._offsets: Mapping[str, int] = offsets
        self._present = present

    def __getitem__(self, keyword: str) -> CardValue:
        name = self._name(keyword)
        if name is None:
            raise KeyError(keyword)
        if name in COMMENTARY:
            return "\n".join(line[8:].rstrip() for line in self.lines() if line[:8].strip().upper() == name)
        return self._value_at(self._offsets[name])

    def get(self, keyword: str, default: Any = None) -> Any:  # noqa: ANN401 -- as a mapping's
        """Return the value of a card, or ``default`` where there is none.

        That of `Mapping` raises and catches for each of the many words that a header does not have.
        """
        offset = self._offsets.get(keyword)
        if offset is None or keyword in COMMENTARY:
            if not self._hierarch and _upper(keyword) not in self._offsets:
                return default
            name = self._name(keyword)
            return default if name is None else self[name]
        return self._value_at(offset)

    def __iter__(self) -> Iterator[str]:
        return iter(self._offsets)

    def __len__(self) -> int:
        return len(self._offsets)

    def __contains__(self, keyword: object) -> bool:
        return isinstance(keyword, str) and self._name(keyword) is not None

    def __repr__(self) -> str:
        return f"<Cards: {len(self)} keywords>"

    def __reduce__(self) -> tuple[type[Cards], tuple[bytes]]:
        return Cards, (self.text,)

    def present(self, keywords: tuple[str, ...]) -> tuple[str, ...]:
        """Return those of some keywords that are there; this is found once for all headers of a camera.

        Parameters
        ----------
        keywords : tuple of str
            In any order.

        Returns
        -------
        tuple of str
            In the same order.

        Examples
        --------
        >>> Cards(b"EXPTIME = 30".ljust(80)).present(("EXPOSURE", "EXPTIME"))
        ('EXPTIME',)
        """
        found = self._present.get(keywords)
        if found is None:
            found = self._present[keywords] = tuple(keyword for keyword in keywords if keyword in self)
        return found

    def like(self, pattern: re.Pattern[str]) -> tuple[str, ...]:
        """Return the keywords that a pattern fits, in the order of the cards; found once for all headers of a camera.

        Parameters
        ----------
        pattern : re.Pattern
            Looked for in each keyword.

        Examples
        --------
        >>> Cards(b"EXPTIME = 30".ljust(80) + b"GAIN = 1".ljust(80)).like(re.compile("TIME$"))
        ('EXPTIME',)
        """
        key = ("like", pattern.pattern)
        found = self._present.get(key)
        if found is None:
            found = self._present[key] = tuple(keyword for keyword in self if pattern.search(keyword))
        return found

    def commented(self, pattern: re.Pattern[str], unless: re.Pattern[str]) -> tuple[str, ...]:
        """Return the keywords whose comments a pattern fits, and another one does not; looked for once for a camera.

        Headers of the same cards in the same order are taken to have comments on the same cards; that those that are
        found have such a comment here, too, is looked at in each.

        Parameters
        ----------
        pattern, unless : re.Pattern
            Looked for in each comment, in lower case.
        """
        key = ("commented", pattern.pattern, unless.pattern)
        found = self._present.get(key)
        if found is None:
            told = self._told()
            fitting = (keyword for keyword, text in told if _is_told(text, pattern, unless))
            found = self._present[key] = tuple(fitting)
        return tuple(keyword for keyword in found if _is_told(self.comment(keyword).casefold(), pattern, unless))

    def _told(self) -> tuple[tuple[str, str], ...]:
        """Return the keywords whose cards have a comment, each with its comment in lower case; found once, too."""
        found = self._present.get(("comments",))
        if found is None:
            with_slash = (
                keyword
                for keyword, offset in self._offsets.items()
                if self.text.find(b"/", offset, offset + CARD_SIZE) >= 0  # a tenth of the time to look for its comment
            )
            told = ((keyword, self.comment(keyword).casefold()) for keyword in with_slash)
            found = self._present["comments",] = tuple((keyword, text) for keyword, text in told if text)
        return found

    def comment(self, keyword: str) -> str:
        """Return what stands behind the value of a card; nothing where there is no such card, or it is commentary.

        Parameters
        ----------
        keyword : str
            In any letter case.

        Examples
        --------
        >>> Cards(b"GAIN    =                  1.5 / e-/ADU".ljust(80)).comment("GAIN")
        'e-/ADU'
        """
        name = self._name(keyword)
        if name is None or name in COMMENTARY:
            return ""
        offset = self._offsets[name]
        return _comment_of(_decoded(self.text[offset : offset + CARD_SIZE]))

    @property
    def repeated(self) -> frozenset[str]:
        """The keywords that stand several times, commentary left out; most headers have none."""
        return self._repeated

    def contradicting(self, keyword: str) -> tuple[CardValue, ...]:
        """Return the values of a keyword that stands several times and does not say the same each time.

        Parameters
        ----------
        keyword : str
            In upper case.

        Returns
        -------
        tuple
            In the order of the cards, each value once; empty where there is one value, or none.

        Examples
        --------
        >>> cards = Cards(b"NAXIS1  = 20".ljust(80) + b"NAXIS1  = 99".ljust(80) + b"GAIN = 2".ljust(80) * 2)
        >>> cards.contradicting("NAXIS1"), cards.contradicting("GAIN")
        ((20, 99), ())
        """
        if keyword not in self._repeated:
            return ()
        offsets = [n * CARD_SIZE for n, line in enumerate(self.lines()) if line[:8].strip().upper() == keyword]
        # 1 and True, and 1 and 1.0, are equal to Python and not to a reader of FITS
        values = {(type(value), value): value for value in map(self._value_at, offsets)}
        return tuple(values.values()) if len(values) > 1 else ()

    def lines(self) -> list[str]:
        """Return the cards as they stand, 80 characters each, END left out.

        Returns
        -------
        list of str
            Null bytes read as blanks, bytes beyond ASCII as Latin-1.
        """
        string = _decoded(self.text[: self._end])
        return [string[offset : offset + CARD_SIZE].ljust(CARD_SIZE) for offset in range(0, len(string), CARD_SIZE)]

    def valid_lines(self) -> list[str]:
        """Return the cards in a form that follows the standard.

        Returns
        -------
        list of str
            80 characters each, or a multiple of it for a card that was rewritten: with the value as we read
            it, bytes beyond ASCII as ``?``, and keywords that are not allowed after ``HIERARCH``.
        """
        lines = self.lines()
        valid: list[str] = []
        position = 0
        while position < len(lines):
            end = position + 1
            while end < len(lines) and lines[end].startswith("CONTINUE") and _continues(lines[end - 1]):
                end += 1
            group = lines[position:end]
            if all(map(_PLAIN_CARD.match, group)) and (end > position + 1 or not group[0].startswith("CONTINUE")):
                valid += group
            else:
                valid.append(_rewritten(group[0], self._value_at(position * CARD_SIZE)))
            position = end
        return valid

    def abridged(self) -> Cards:
        """Return a header that may be kept for each of many files.

        Returns
        -------
        Cards
            The same where it has no more than `ABRIDGED_BYTES`. Else its first cards with a value, as many as fit, and
            a line of COMMENT that says how many have been left out, and holds a digest of the whole.
        """
        if len(self.text) <= ABRIDGED_BYTES:
            return self
        import hashlib  # which takes 2 ms; few headers are as long as this

        kept: list[str] = []
        lines = self.lines()
        room = ABRIDGED_BYTES // CARD_SIZE - 3
        takes = False
        for line in lines:
            takes = takes if line.startswith("CONTINUE") else line[:8].strip().upper() not in COMMENTARY
            if takes and len(kept) < room:
                kept.append(line)
        digest = hashlib.blake2b(self.text, digest_size=16).hexdigest()
        kept.append(f"COMMENT {len(lines) - len(kept)} more cards; of all: {digest}".ljust(CARD_SIZE))
        return Cards("".join([*kept, "END".ljust(CARD_SIZE)]).encode("latin-1"))

    def to_header(self) -> Header:
        """Return the cards as an astropy header that can be changed and written.

        Cards that are not valid FITS are rewritten, so that astropy neither warns nor refuses; see `valid_lines`.

        Returns
        -------
        astropy.io.fits.Header

        Examples
        --------
        >>> Cards(b"BSCALE  = +1.000e+000".ljust(80) + b"END".ljust(80)).to_header()["BSCALE"]
        1.0
        """
        header: Header = astropy_fits().Header.fromstring("".join(self.valid_lines()))
        return header

    def _name(self, keyword: str) -> str | None:
        """Return the keyword as it is kept, or None when there is no such card."""
        if keyword in self._offsets:
            return keyword
        name = _upper(keyword)
        if self._hierarch:
            name = name.removeprefix("HIERARCH ").strip()
        return name if name in self._offsets else None

    def _value_at(self, offset: int) -> CardValue:
        card = _decoded(self.text[offset : offset + CARD_SIZE])
        value = _value_of(card)
        if not (isinstance(value, str) and value.endswith("&")) or _value_field(card) is None:
            return value
        while isinstance(value, str) and value.endswith("&"):
            offset += CARD_SIZE
            card = _decoded(self.text[offset : offset + CARD_SIZE])
            more = _QUOTED.match(card[8:].lstrip()) if card.startswith("CONTINUE") else None
            if more is None:
                break
            value = value[:-1] + more[1].replace("''", "'").rstrip()
        return value


def _is_told(comment: str, pattern: re.Pattern[str], unless: re.Pattern[str]) -> bool:
    return pattern.search(comment) is not None and unless.search(comment) is None


def _decoded(text: bytes) -> str:
    # each time anew: of thousands of headers that are kept, text would take as much memory again as bytes
    return text.replace(b"\0", b" ").decode("latin-1")


@lru_cache(maxsize=1024)
def _upper(keyword: str) -> str:
    return keyword.strip().upper()


@lru_cache(maxsize=256)
def _index_of(
    letters: tuple[bytes, ...],
) -> tuple[dict[str, int], dict[tuple[str, ...], tuple[Any, ...]], frozenset[str]]:
    """Return where each keyword stands first, from the first letters of all cards, their second letters and so on.

    Beside it are room for what `Cards.present` finds, and the keywords that stand several times.

    The headers of a camera have the same keywords in the same places: they share one index, which takes 10 kB, and is
    found in a fifth of the time in which it is made.
    """
    offsets: dict[str, int] = {}
    repeated: set[str] = set()
    for number, keyword in enumerate(zip(*letters, strict=True)):
        name = bytes(keyword).upper().replace(b"\0", b" ").decode("latin-1").strip()
        if offsets.setdefault(name, number * CARD_SIZE) != number * CARD_SIZE:
            repeated.add(name)
    offsets.pop("CONTINUE", None)
    return offsets, {}, frozenset(repeated - COMMENTARY - {"CONTINUE", "HIERARCH"})


def _index_hierarch(string: str, offsets: dict[str, int]) -> None:
    """Add the keywords of HIERARCH cards to `offsets`, which stays in the order of the cards."""
    for offset in range(0, len(string), CARD_SIZE):
        card = string[offset : offset + CARD_SIZE]
        if card[:8].upper() == "HIERARCH":
            keyword, equals, _ = card[8:].partition("=")
            name = " ".join(keyword.upper().split()) if equals else "HIERARCH"
            offsets.setdefault(name, offset)
    in_order = sorted(offsets.items(), key=lambda item: item[1])
    offsets.clear()
    offsets.update(in_order)


@lru_cache(maxsize=8192)  # most cards are the same in all frames of a night
def _value_of(card: str) -> CardValue:
    """Return the value of one card; of a card without one, what stands behind its keyword."""
    field = _value_field(card)
    return card[8:].strip() if field is None else _parse_value(field)


@lru_cache(maxsize=2048)
def _comment_of(card: str) -> str:
    field = _value_field(card)
    if field is None:
        return ""
    quoted = _QUOTED.match(field)
    return (field[quoted.end() :] if quoted else field).partition("/")[2].strip()


def _value_field(card: str) -> str | None:
    """Return what stands behind the equals sign of a card, or None for a card without a value."""
    if card[8:9] == "=":
        return card[9:].strip()
    if card[:8].upper() == "HIERARCH" and "=" in card:
        return card[card.index("=") + 1 :].strip()
    return None


def _parse_value(field: str) -> CardValue:
    if field[:1] == "'":
        quoted = _QUOTED.match(field)
        return quoted[1].replace("''", "'").rstrip() if quoted else field[1:].rstrip()
    text = field.partition("/")[0].rstrip()
    if text in ("T", "F"):
        return text == "T"
    if _INTEGER.match(text):
        return int(text)
    if _REAL.match(text):
        number = float(text.upper().replace("D", "E"))
        return number if abs(number) < float("inf") else text
    return text or None


def _continues(card: str) -> bool:
    """Say whether the string value of a card, or of a CONTINUE card, announces another CONTINUE card."""
    field = card[8:].lstrip() if card.startswith("CONTINUE") else _value_field(card)
    quoted = _QUOTED.match(field) if field else None
    return quoted is not None and quoted[1].rstrip().endswith("&")


def _rewritten(card: str, value: CardValue) -> str:
    """Return a valid card, or several with CONTINUE, with the keyword of `card` and this value."""
    Card = astropy_fits().Card  # noqa: N806 -- a class
    printable = _UNPRINTABLE.sub("?", card)
    keyword = printable[:8].rstrip().upper()
    if keyword in ("COMMENT", "HISTORY", ""):
        return f"{keyword:8}{printable[8:]}"
    if keyword == "CONTINUE" or (keyword == "HIERARCH" and "=" not in card):
        return f"COMMENT {printable[8:]}"
    if keyword == "END":  # 'END     = 5' ends no header, and no card may be called so
        return f"COMMENT {printable[:72]}"
    if keyword == "HIERARCH":
        keyword = "HIERARCH " + " ".join(printable[8:].partition("=")[0].upper().split())
    elif not re.match(r"[A-Z0-9_-]+\Z", keyword):
        keyword = "HIERARCH " + keyword.replace("=", "_")
    return str(Card(keyword, _UNPRINTABLE.sub("?", value) if isinstance(value, str) else value))
