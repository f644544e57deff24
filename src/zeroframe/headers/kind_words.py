"""What a frame is for, by the words of its header, of its name, and of its folder."""

from __future__ import annotations

import re
from functools import cache, lru_cache
from typing import TYPE_CHECKING

from zeroframe.headers.card_reader import CardReader, letters, shown
from zeroframe.headers.kinds import Kind, calibration_kinds, is_calibration
from zeroframe.headers.tables import dialect_tables
from zeroframe.records import dataclass

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["NOTHING_SAID", "KindFound", "contradiction", "read_done", "read_flat_light", "read_kind", "unknown_word"]

_NOT_KNOWN = " is not a word for a kind of frame that is known"
_UNKNOWN = re.compile(rf"(\S+) = ['\"](.*)['\"]{_NOT_KNOWN}")
#: Where a word begins that is written in one with that before it.
_CAPITALS = re.compile(r"(?<=[a-z])(?=[A-Z])")
_EXTENSIONS = re.compile(r"\.(fits?|fts|gz|bz2|fz)$", re.IGNORECASE)
#: The reason of a kind that is not known, where nothing speaks.
NOTHING_SAID = "neither the header nor the file name says what kind of frame it is"


@dataclass(frozen=True, slots=True)
class KindFound:
    """What a frame is for.

    Attributes
    ----------
    kind : Kind or None
        None where nothing says it.
    reason : str
        The words that decided.
    certain : bool
        Whether a card says it that is meant for that.
    combined : bool
        Whether the word is that of a combined frame.
    contradicted_by : str or None
        What says another kind, where that is known already.
    """

    kind: Kind | None
    reason: str
    certain: bool = True
    combined: bool = False
    contradicted_by: str | None = None


def read_kind(reader: CardReader, file_name: str, folders: Sequence[str], exposure_s: float | None) -> KindFound:
    """Return what a frame is for.

    Parameters
    ----------
    reader : CardReader
        The header.
    file_name : str
        Asked where the header has no word; folders before it are left out.
    folders : sequence of str
        Names of the folders it lies in, the innermost last, asked where its name does not speak either.
    exposure_s : float or None
        A dark of no exposure is a bias, where another word says so.
    """
    taught = reader.words.kind_of(reader.cards, file_name, folders)
    if taught is not None:
        return KindFound(Kind(taught.kind), taught.reason)
    found = _of_cards(reader)
    if found.kind is not None:
        return _mended(reader, found, file_name, folders, exposure_s)
    if found.reason:
        return KindFound(None, found.reason, certain=False)
    return _of_other_words(reader, file_name, folders)


def unknown_word(reason: str) -> str | None:
    """Return the card and the word that a reason says is not known, as a rule for ``--kind`` has them; None of others.

    Examples
    --------
    >>> unknown_word("IMAGETYP = 'Whatever' is not a word for a kind of frame that is known")
    'IMAGETYP=Whatever'
    """
    said = _UNKNOWN.fullmatch(reason)
    return None if said is None else f"{said[1]}={said[2].strip()}"


def _of_cards(reader: CardReader) -> KindFound:
    """Return what the cards say that are meant for it; the reason of none is the first word that is not known."""
    table = dialect_tables()["kind"]
    taught = reader.words.cards("kind")
    for each in taught:
        value = reader.value(each.keyword)
        text = "" if value is None else value if isinstance(value, str) else f"{value:.12g}"
        kind = each.kind_of(text) or (_kind_of_row(text) or _kind_of_words(text) if text else None)
        if kind is not None:
            return KindFound(Kind(kind), f"{each.keyword} = {text!r}, as taught")
    unknown = ""
    like = [keyword for keyword in reader.like(table["like"]) if not re.search(table["unlike"], keyword)]
    for keyword in dict.fromkeys([*reader.present(table["cards"]), *reader.present(table["also_cards"]), *like]):
        value = reader.value(keyword)
        if isinstance(value, int | float):
            value = table["numbers"].get(keyword, {}).get(f"{value:g}")
        if not isinstance(value, str):  # FRAME = 14 is a running number
            continue
        kind = _kind_of_row(value) or _kind_of_words(value)
        if kind is not None:
            return KindFound(kind, f"{keyword} = {value!r}", combined=_says_combined(value))
        if keyword in table["cards"] and not _says_nothing(value):
            unknown = unknown or f"{keyword} = {value!r}{_NOT_KNOWN}"
    return KindFound(None, unknown, certain=False)


@lru_cache(maxsize=1024)
def _says_nothing(value: str) -> bool:
    table, words = dialect_tables()["kind"]["text"], letters(value)
    return words in table["not_a_kind"] or words in table["weak_science"] or len(words.replace(" ", "")) < 2


def _of_other_words(reader: CardReader, file_name: str, folders: Sequence[str]) -> KindFound:
    """Ask the observer's own words, the name of the file, those of its folders, and words that hardly say a thing."""
    table = dialect_tables()["kind"]
    for keyword, text in reader.texts(table["text"]["free_text_cards"]):
        kind = _lookup("phrases").get(letters(text))
        if is_calibration(kind) or (kind == Kind.ARC and keyword == "OBJECT" and _is_lamp(text)):
            return KindFound(kind, f"{keyword} = {text!r}", certain=False, combined=_says_combined(text))
    named = _of_file_name(file_name)
    if named.kind is not None:
        return named
    for depth in reversed(range(len(folders))):
        kind = _kind_of_folder(folders[depth], is_within=depth > 0)
        if kind is not None and kind in table["folders"]["kinds"]:
            reason = f"the folder {folders[depth]!r}"
            return KindFound(kind, reason, certain=False, combined=_says_combined(folders[depth]))
    for keyword in reader.present(table["cards"]):
        value = reader.value(keyword)
        if isinstance(value, str) and letters(value) in table["text"]["weak_science"]:
            return KindFound(Kind.SCIENCE, f"{keyword} = {value!r}", certain=False)
    return named


@lru_cache(maxsize=1024)
def _kind_of_folder(name: str, *, is_within: bool) -> Kind | None:
    """Return the kind that the name of a folder says: a whole phrase; of one within, a word will do: ``Flats_R``."""
    kind = _lookup("phrases").get(letters(name))
    if kind is not None or not is_within:
        return kind
    kinds = {_lookup("file_words")[word] for word in letters(name).split() if word in _lookup("file_words")}
    return kinds.pop() if len(kinds) == 1 else None


def _is_lamp(text: str) -> bool:
    return letters(text) not in {"cal", "line", "near", "une", "lampe"}


def _mended(
    reader: CardReader, found: KindFound, file_name: str, folders: Sequence[str], exposure_s: float | None
) -> KindFound:
    """Return what a frame is where a second word says more: a dark of no exposure called bias, a light called flat."""
    table = dialect_tables()["kind"]["text"]
    if found.kind is Kind.DARK and exposure_s == 0:
        others = [*((keyword, text) for keyword, text in reader.texts(table["free_text_cards"]))]
        for keyword, text in others:
            if _kind_of_words(text) is Kind.BIAS:
                return KindFound(Kind.BIAS, f"{keyword} = {text!r}, and no exposure; {found.reason}")
        named = _of_file_name(file_name)
        if named.kind is Kind.BIAS:
            return KindFound(Kind.BIAS, f"{named.reason}, and no exposure; {found.reason}")
        for folder in reversed(folders):
            if _lookup("phrases").get(letters(folder)) is Kind.BIAS:
                return KindFound(Kind.BIAS, f"the folder {folder!r}, and no exposure; {found.reason}")
    if found.kind is Kind.SCIENCE:
        purposes = {letters(text).replace(" ", "") for _, text in reader.texts(table["purpose_cards"])}
        is_calibrating = not purposes.isdisjoint(table["calibrating"])
        for keyword, text in reader.texts([*table["field_cards"], *(["OBJECT"] if is_calibrating else [])]):
            kind = _lookup("phrases").get(letters(text))
            if is_calibration(kind):
                return KindFound(kind, f"{keyword} = {text!r}", certain=False, contradicted_by=found.reason)
    return found


def contradiction(reader: CardReader, file_name: str, found: KindFound) -> str | None:
    """Return what says that a frame is a calibration frame of another kind; capture programs mislabel whole series."""
    if found.contradicted_by is not None or not found.certain:
        return found.contradicted_by
    table = dialect_tables()["kind"]
    taught = found.reason.endswith(("as taught", ")")) and "taught" in found.reason
    if taught:
        return None
    for keyword in reader.present(table["cards"]):
        value = reader.value(keyword)
        other = (_kind_of_row(value) or _kind_of_words(value)) if isinstance(value, str) else None
        if is_calibration(other) and other != found.kind and f"{keyword} = " not in found.reason:
            return f"{keyword} = {value!r}"
    if found.kind != Kind.SCIENCE:
        return None
    for keyword, text in reader.texts(["OBJECT"]):
        if is_calibration(_lookup("phrases").get(letters(text))) and re.search(
            table["text"]["no_object"], text.lower()
        ):
            return f"{keyword} = {text!r}"
    named = _of_file_name(file_name)
    return named.reason if is_calibration(named.kind) else None


def read_done(reader: CardReader) -> tuple[tuple[str, str], ...]:
    """Return which calibrations another program has done already, with what the header says of each.

    Examples
    --------
    >>> from zeroframe.headers.words import NO_WORDS
    >>> read_done(CardReader({"CALSTAT": "BDF"}, NO_WORDS))
    (('bias', "CALSTAT = 'BDF'"), ('dark', "CALSTAT = 'BDF'"), ('flat', "CALSTAT = 'BDF'"))
    """
    table = dialect_tables()["done"]
    found: dict[str, str] = {}
    for kind in ("bias", "dark", "flat"):
        for keyword in reader.present(table[kind]):
            value = reader.cards.get(keyword)
            said = "" if value is None or value is False else str(value).strip()
            if said.casefold() not in table["not_done"]:
                found.setdefault(kind, f"{keyword} = {shown(value)}")
    for keyword, text in reader.texts(table["letters"]):
        for kind in ("bias", "dark", "flat"):
            if re.fullmatch(r"[BDFMCSW]{1,6}", text.upper()) and kind[0].upper() in text.upper():
                found.setdefault(kind, f"{keyword} = {text!r}")
    last = max((("bias", "dark", "flat").index(kind) for kind in found), default=-1)
    return tuple((kind, found.get(kind) or next(iter(found.values()))) for kind in ("bias", "dark", "flat")[: last + 1])


def read_flat_light(reader: CardReader, found: KindFound, file_name: str) -> str | None:
    """Return which light a flat was lit by: ``dome``, ``twilight``, ``sky`` or ``lamp``; None where nothing says it."""
    if found.kind != Kind.FLAT:
        return None
    table = dialect_tables()["flat_light"]
    kind_cards = dialect_tables()["kind"]["cards"]
    texts = [text for _, text in reader.texts(kind_cards)]
    texts += [found.reason, *(text for _, text in reader.texts(table["cards"])), re.split(r"[/\\]", file_name)[-1]]
    for text in texts:
        light = _light_of(text)
        if light is not None:
            return light
    return None


@lru_cache(maxsize=1024)
def _light_of(text: str) -> str | None:
    words = set(letters(_CAPITALS.sub(" ", text)).split()) | set(letters(text).split())
    words |= {word.replace(own, "") for word in words for own in ("flatfield", "flats", "flat")}
    for light, own in dialect_tables()["flat_light"].items():
        if light != "cards" and not words.isdisjoint(own):
            return str(light)
    return None


def _kind_of_row(value: str) -> Kind | None:
    """Return the kind whose row of the table names this word."""
    rows = [row for row in calibration_kinds() if row.header_words]
    return next((row.kind for row in rows if letters(value) in row.header_words), None) if rows else None


@cache
def _lookup(table: str) -> dict[str, Kind]:
    """Turn one of the kind tables round: from word to kind."""
    return {letters(word): Kind(kind) for kind, words in dialect_tables()["kind"][table].items() for word in words}


@lru_cache(maxsize=1024)
def _kind_of_words(value: str) -> Kind | None:
    phrase = letters(value)
    kind = _lookup("phrases").get(phrase)
    if kind is not None:
        return kind
    kinds = {_lookup("words")[word] for word in phrase.split() if word in _lookup("words")}
    return (kinds.pop() if len(kinds) == 1 else None) if kinds else _kind_of_joined(value)


@lru_cache(maxsize=1024)
def _kind_of_joined(text: str) -> Kind | None:
    """Return the kind of calibration that a word says which is made of several: FLATDOME, DuskFlat, DETBIAS."""
    apart = letters(_CAPITALS.sub(" ", text)).split()
    kinds = {_lookup("words")[word] for word in apart if word in _lookup("words")}
    if kinds:
        return kind if len(kinds) == 1 and is_calibration(kind := kinds.pop()) else None
    for word in letters(text).split():
        kinds |= {Kind(kind) for kind, pattern in _joined_patterns().items() if pattern.fullmatch(word)}
    return kinds.pop() if len(kinds) == 1 else None


@cache
def _joined_patterns() -> dict[str, re.Pattern[str]]:
    """Return what words look like that are made of one that says a kind, and of others that go with it."""
    table = dialect_tables()["kind"]
    patterns = {}
    for kind, own in table["joined"].items():
        beside = f"(?:{'|'.join(table['joined_with'][kind])})*"
        patterns[kind] = re.compile(f"{beside}(?:{'|'.join(own)}){beside}")
    return patterns


def _of_file_name(file_name: str) -> KindFound:
    name = re.split(r"[/\\]", file_name)[-1]
    stem = name
    while _EXTENSIONS.search(stem):
        stem = _EXTENSIONS.sub("", stem)
    kinds = {_lookup("file_words")[word] for word in letters(stem).split() if word in _lookup("file_words")}
    first_word = re.match(r"([a-z])[0-9]+(?![a-z0-9])", stem.lower())
    if not kinds and first_word is not None:
        own = dialect_tables()["kind"]["file_letters"]
        kinds = {Kind(kind) for kind, letter in own.items() if letter == first_word[1]}
    if not kinds and (joined := _kind_of_joined(stem)) is not None:
        kinds = {joined}
    if len(kinds) != 1:
        return KindFound(None, NOTHING_SAID, certain=False)
    return KindFound(kinds.pop(), f"the file name {name!r}", certain=False, combined=_says_combined(stem))


@lru_cache(maxsize=1024)
def _says_combined(text: str) -> bool:
    return not set(letters(text).split()).isdisjoint(dialect_tables()["kind"]["text"]["combined_words"])
