"""How a frame was taken: filter, grating and slit, binning, and how the sensor was read."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from zeroframe.headers.card_reader import CardReader, letters, pattern_of, shown, whole_number
from zeroframe.headers.tables import dialect_tables
from zeroframe.headers.words import NO_WORDS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

__all__ = ["binning_of", "read_binning", "read_filter", "read_optics", "read_settings"]

_FACTORS = re.compile(
    r"(?:bin(?:ning)?[ _:=]*)?[(\[]?\s*([0-9]{1,3})(?:\s*(?:[xX*,:/]|by|\s)\s*([0-9]{1,3}))?\s*[)\]]?", re.IGNORECASE
)
_SILENT = frozenset(("", "unknown", "undefined", "n/a", "none", "null", "not available", "notset"))
#: What a camera's amplifier can be set to, in whatever unit.
_SMALLEST_SETTING, _LARGEST_SETTING = 1e-3, 1e5


def read_filter(reader: CardReader) -> tuple[str | None, bool]:
    """Return the filter, and whether the header says that there was none.

    Parameters
    ----------
    reader : CardReader
        The header.

    Returns
    -------
    name : str or None
        As written, several wheels joined with ``+``; None where none is known, or there was none.
    without : bool
        Whether each wheel that is named holds nothing.
    """
    table = dialect_tables()["filter"]
    taught = list(reader.texts([each.keyword for each in reader.words.cards("filter")]))
    if taught:
        return _named(reader, "filter", taught)
    found = _single(reader, table) or _of_arms(reader, table) or _of_wheels(reader, table)
    if found is None:
        found = _filter_beyond(reader, table)
    return found or (None, False)


def _single(reader: CardReader, table: Mapping[str, Any]) -> tuple[str | None, bool] | None:
    """Return what one card says that sums up all wheels; where it names none, a second wheel counts."""
    empty: tuple[str | None, bool] | None = None
    for keyword, text in reader.texts(table["cards"]):
        if keyword in _of_several_wheels():
            continue  # they are asked together with the others
        if letters(text).replace(" ", "") in table["colour_patterns"]:
            reader.note("filter", keyword, "is the colour pattern of the sensor")
            continue
        own = [(keyword, text)]
        if not any(True for _ in reader.texts(["FILTER1"])):
            own += list(reader.texts(table["second"].get(keyword, ())))
        named = _named(reader, "filter", own)
        if named[0] is not None and not _is_clear(named[0]):
            return named
        empty = empty or named
        if not _holds_nothing(text) and not _is_clear(text):
            return named
    return (_of_arms(reader, table) or _of_wheels(reader, table, only_named=True) or empty) if empty else None


@lru_cache(maxsize=1)
def _of_several_wheels() -> frozenset[str]:
    table = dialect_tables()["filter"]
    wheels = (keyword for wheels in table["wheels"] for keyword in wheels)
    return frozenset((*wheels, *(keyword for arms in table["arms"] for keyword in arms.values())))


def _of_wheels(
    reader: CardReader, table: Mapping[str, Any], *, only_named: bool = False
) -> tuple[str | None, bool] | None:
    """Return the filters of the first wheels that hold one; of wheels that hold none, that they do."""
    empty: tuple[str | None, bool] | None = None
    for wheels in table["wheels"]:
        said = list(reader.texts(wheels))
        if not said:
            continue
        named = _named(reader, "filter", said)
        if named[0] is not None and not _is_clear(named[0]):
            return named
        empty = empty or named
    return None if only_named else empty


def _of_arms(reader: CardReader, table: Mapping[str, Any]) -> tuple[str | None, bool] | None:
    """Return the filter of the arm that took the frame, of a spectrograph of two."""
    for arms in table["arms"]:
        said = {arm: (keyword, text) for arm, keyword in arms.items() for _, text in reader.texts([keyword])}
        if not said:
            continue
        own = " ".join(text.casefold() for _, text in reader.texts(table["arm_cards"]))
        arm = next((arm for arm in said if re.search(rf"(?<![a-z]){arm}|{arm}(?![a-z])|lris{arm}", own)), None)
        if arm is None and "LRIS" in own.upper() and "red" in said:
            arm = "red"  # whose blue arm is called LRISBLUE
        return _named(reader, "filter", [said[arm]] if arm else list(said.values()))
    return None


def _named(reader: CardReader, fact: str, said: Sequence[tuple[str, str]]) -> tuple[str | None, bool]:
    """Return the filters of wheels, those left out that hold none."""
    kept = [(keyword, text) for keyword, text in said if not _holds_nothing(text)]
    coloured = [(keyword, text) for keyword, text in kept if not _is_clear(text)]
    for keyword, text in said:
        chosen = (keyword, text) in (coloured or kept[:1])
        reader.note(fact, keyword, "" if chosen else "is a place of a wheel that holds no filter")
    names = list(dict.fromkeys(text for _, text in coloured or kept[:1]))
    return "+".join(names) or None, not names


@lru_cache(maxsize=1024)
def _holds_nothing(text: str) -> bool:
    return letters(text) in dialect_tables()["filter"]["nothing_in_wheel"]


@lru_cache(maxsize=1024)
def _is_clear(text: str) -> bool:
    return letters(text) in dialect_tables()["filter"]["clear"]


def _filter_beyond(reader: CardReader, table: Mapping[str, Any]) -> tuple[str | None, bool] | None:
    """Return what cards say that are called, or commented, as a filter; or the number of its place."""
    known = {*table["cards"], *_of_several_wheels()}
    found = [keyword for keyword in reader.like(table["like"]) if keyword not in known]
    if not any(isinstance(reader.value(keyword), str) for keyword in found):
        found += [keyword for keyword in reader.commented(table["comment"]) if keyword not in known]
    said = [(keyword, text) for keyword, text in reader.texts(found) if isinstance(reader.value(keyword), str)]
    said = said or list(reader.texts(reader.like(table["places"])))[:1]
    said = [
        (keyword, text)
        for keyword, text in said
        if len(text) < 40 and "wheel" not in text.casefold() and not text.endswith((".fits", ".fit"))
    ]
    if not said:
        return None
    named = _named(reader, "filter", said)
    words = " and ".join(f"{keyword} = {shown(text)}" for keyword, text in said)
    reader.doubts.append(
        f"{words} is taken for the filter, by its name or comment; to be sure: --card filter={said[0][0]}"
    )
    return named


def read_binning(reader: CardReader) -> tuple[int, int] | None:
    """Return by what the sensor was binned along x and y."""
    table = dialect_tables()["binning"]
    taught = [each.keyword for each in reader.words.cards("binning")]
    if len(taught) == 2:
        x, y = (whole_number(reader.value(keyword)) for keyword in taught)
        if x is not None and y is not None:
            return x, y
    for keyword, text in reader.texts([*taught, *table["cards"]]):
        match = _FACTORS.fullmatch(text.strip())
        factors = (int(match[1]), int(match[2] or match[1])) if match else (0, 0)
        if min(factors) > 0 and max(factors) <= table["largest"]:
            reader.note("binning", keyword)
            return factors
        reader.doubts.append(f"{keyword} = {text!r} is not a binning such as '2 2'")
        reader.note("binning", keyword, "is not a binning such as '2 2'")
    for pair in table["pairs"]:
        found = _pair(reader, pair)
        if found is not None:
            return found
    return _binning_beyond(reader, table)


def binning_of(cards: Mapping[str, object]) -> tuple[int, int]:
    """Return the binning that a header states, and nothing else of it; 1 x 1 where it states none.

    Examples
    --------
    >>> binning_of({"XBINNING": 2, "YBINNING": 3}), binning_of({})
    ((2, 3), (1, 1))
    """
    return read_binning(CardReader(cards, NO_WORDS)) or (1, 1)


def _pair(reader: CardReader, pair: Sequence[str]) -> tuple[int, int] | None:
    if not any(True for _ in reader.present(pair)):
        return None
    x, y = (whole_number(reader.value(keyword)) for keyword in pair)
    if x is None or y is None:
        return None
    for keyword in pair:
        reader.note("binning", keyword)
    return x, y


def _binning_beyond(reader: CardReader, table: Mapping[str, Any]) -> tuple[int, int] | None:
    """Return what two cards say whose names differ by X and Y, or whose comments name the two axes."""
    names = [keyword for keyword in reader.like(table["like"]) if keyword not in table["cards"]]
    for name in names:
        for one, other in (("X", "Y"), ("H", "V"), ("1", "2"), ("C", "R"), ("COL", "ROW"), ("S", "P")):
            for place in (match.start() for match in re.finditer(one, name)):
                partner = name[:place] + other + name[place + len(one) :]
                found = _pair(reader, (name, partner)) if partner in names else None
                if found is not None and max(found) <= table["largest"]:
                    return found
    along = [next(iter(reader.commented(table[f"comment_{axis}"])), None) for axis in ("x", "y")]
    if None not in along and along[0] != along[1]:
        found = _pair(reader, [str(each) for each in along])
        if found is not None and max(found) <= table["largest"]:
            return found
    for keyword, text in reader.texts(names):
        match = _FACTORS.fullmatch(text.strip()) if isinstance(reader.value(keyword), str) else None
        if match and match[2] and 0 < int(match[1]) <= table["largest"] and 0 < int(match[2]) <= table["largest"]:
            reader.note("binning", keyword)
            return int(match[1]), int(match[2])
    return None


def read_settings(reader: CardReader, gain_e_per_adu: float | None) -> tuple[tuple[str, str], ...]:
    """Return what else a header says of how the sensor was read, by sort and as written.

    Parameters
    ----------
    reader : CardReader
        The header.
    gain_e_per_adu : float or None
        The gain that is known; another number under GAIN is a setting of the camera.
    """
    found = dict(_of_sorts(reader, "settings"))
    setting = _gain_setting(reader, gain_e_per_adu)
    if setting:
        found["gain setting"] = setting
    for name, keyword in reader.words.settings:
        text = _text(reader.cards.get(keyword))
        if text:
            found[name] = text
    for keyword, meaning in dialect_tables()["settings_blank"].items():
        blank = reader.cards.get(keyword)
        if isinstance(blank, str) and not blank.strip() and "flip" not in found:
            found["flip"] = meaning
    return tuple(found.items())


def read_optics(reader: CardReader) -> tuple[tuple[tuple[str, str], ...], tuple[tuple[str, float], ...]]:
    """Return grating, slit and the like as they are written, and the angles and wavelengths they stand at."""
    numbers = []
    for sort, keywords in dialect_tables()["optics_numbers"].items():
        for keyword in reader.present(keywords):
            value = reader.value(keyword)
            number = _angle(value) if isinstance(value, str) else value
            if number is not None:
                numbers.append((sort, float(number)))
                break
    found = dict(_of_sorts(reader, "optics"))
    for name, keyword in reader.words.optics:
        text = _text(reader.cards.get(keyword))
        if text:
            found[name] = text
    return tuple(found.items()), tuple(numbers)


def _angle(text: str) -> float | None:
    """Return degrees: ``24 deg 38 min``, ``24:38``, ``24.63``."""
    match = re.fullmatch(
        r"\s*([+-]?\d{1,3}(?:\.\d*)?)(?:\s*(?:deg|d|:)\s*(\d{1,2}(?:\.\d*)?)?\s*(?:min|m|'|:)?.*)?", text
    )
    return None if match is None else float(match[1]) + float(match[2] or 0) / 60


@lru_cache(maxsize=4)
def _sorts(table: str) -> tuple[tuple[tuple[str, tuple[tuple[str, ...], ...]], ...], tuple[str, ...]]:
    """Return the sorts of settings with their alternatives, and all keywords that may say one."""
    sorts = tuple(
        (sort, tuple(tuple(keywords) for keywords in alternatives))
        for sort, alternatives in dialect_tables()[table].items()
    )
    return sorts, tuple(keyword for _, alternatives in sorts for keywords in alternatives for keyword in keywords)


def _text(value: object) -> str:
    """Return what a card says, as one writes it; empty where it says nothing."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return ""
    text = " ".join(value.split()) if isinstance(value, str) else f"{value:.12g}"
    return "" if text.casefold() in _SILENT else text


@lru_cache(maxsize=256)
def _sorts_among(table: str, there: tuple[str, ...] | None) -> tuple[tuple[str, tuple[tuple[str, ...], ...]], ...]:
    """Return those sorts and alternatives of which a keyword is there; all, where that is not known."""
    sorts, _ = _sorts(table)
    if there is None:
        return sorts
    left = ((sort, tuple(each for each in words if not set(each).isdisjoint(there))) for sort, words in sorts)
    return tuple((sort, alternatives) for sort, alternatives in left if alternatives)


def _of_sorts(reader: CardReader, table: str) -> Iterable[tuple[str, str]]:
    cards = reader.cards
    for sort, alternatives in _sorts_among(table, reader.there(_sorts(table)[1])):
        for keywords in alternatives:
            said = [_text(cards.get(keyword)) for keyword in keywords]
            if any(said):
                yield sort, ", ".join(said)
                break


def _gain_setting(reader: CardReader, gain_e_per_adu: float | None) -> str:
    """Return the setting of a camera's amplifier, which stands under GAIN and is no gain in e-/ADU."""
    value = reader.cards.get("GAIN")
    if isinstance(value, str):
        text = _text(value)
        if not text or reader.took("GAIN"):
            return ""
        return "" if pattern_of(r"^[\[(].*,").search(text) else text  # a list is that of amplifiers
    if isinstance(value, bool) or not isinstance(value, int | float) or value == gain_e_per_adu:
        return ""
    if reader.took("GAIN", "gain"):
        return ""  # it was understood, be it turned round
    if value and not _SMALLEST_SETTING <= abs(value) <= _LARGEST_SETTING:  # neither gain nor setting: it is unknown
        return ""
    return _text(value)
