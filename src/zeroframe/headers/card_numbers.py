"""Numbers of a header: exposure, gain, read noise, temperature, saturation; whatever card, unit and spelling they have.

A number counts where a card of the tables says it, in the unit that its text, its name or its comment tells. Where none
does, a card is looked for whose name or comment says what it is. What cannot be meant is named, and counts as unknown.
"""

from __future__ import annotations

from math import fsum
from typing import TYPE_CHECKING, Any

from zeroframe.headers.card_reader import (
    CardReader,
    is_finite,
    parsed_number,
    pattern_of,
    several_numbers,
    shown,
    unit_of,
)
from zeroframe.headers.tables import dialect_tables
from zeroframe.records import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["read_exposure", "read_gain", "read_number", "read_read_noise", "read_temperature"]

_ZERO_CELSIUS_K = 273.15
_NOT_NUMBERS = frozenset(("nan", "+nan", "-nan"))
_DAY_S = 86400.0


@dataclass(frozen=True, slots=True)
class _Number:
    """A number of a card, in the unit that is written behind it."""

    value: float
    unit: str
    said: str | float


def _number_of(reader: CardReader, keyword: str, called: str) -> _Number | None:
    """Return the number that a card says; name what is none and says nothing else."""
    said = reader.cards.get(keyword)
    if said is None:  # nearly always
        return None
    value = reader.value(keyword)
    if value is None:
        word = said.strip().casefold() if isinstance(said, str) else ""
        if word in _NOT_NUMBERS or (isinstance(said, int | float) and not is_finite(said)):
            reader.remark(f"{keyword} = {shown(said)} is not {called}, and counts as unknown")
        return None
    if not isinstance(value, str):
        return _Number(float(value), "", value)
    parsed = parsed_number(value)
    return _Number(float("nan"), "", value) if parsed is None else _Number(*parsed, value)


def read_number(reader: CardReader, table: str) -> tuple[float | None, str | None]:
    """Return the first number of a table that is sensible, and the card that says it.

    Parameters
    ----------
    reader : CardReader
        The header.
    table : str
        As ``saturation``: with ``cards``, limits and what it is called.
    """
    limits = dialect_tables()[table]
    for keyword, factor in _asked(reader, table, limits["cards"]):
        number = _number_of(reader, keyword, limits["called"])
        if number is None:
            continue
        if isinstance(number.said, str) and several_numbers(number.said) and number.value != number.value:
            _pass_over_several(reader, table, keyword, number)
            return None, None
        value = number.value * factor if not number.unit else float("nan")
        found = _within(reader, table, keyword, value, number, limits)
        if found is not None:
            return found, keyword
    return None, None


def _asked(reader: CardReader, table: str, cards: Iterable[str]) -> Iterable[tuple[str, float]]:
    """Yield the cards that may say a number, those that a user has taught first, each with its factor."""
    for taught in reader.words.cards(table):
        yield taught.keyword, taught.factor
    factors = dialect_tables()[table].get("factors", {})
    for keyword in reader.present(cards):
        yield keyword, factors.get(keyword, 1.0)


def _pass_over_several(reader: CardReader, table: str, keyword: str, number: _Number) -> None:
    why = "holds several values, and which one is meant is not guessed"
    reader.doubts.append(f"{keyword} = {shown(number.said)} {why}")
    reader.note(table, keyword, why)


def _within(
    reader: CardReader, table: str, keyword: str, value: float, number: _Number, limits: Mapping[str, Any]
) -> float | None:
    """Return a number that can be meant; else say why not."""
    if value == 0 and not limits["zero_is_said"]:
        reader.note(table, keyword, "zero says nothing here")
        return None
    if 0 < value < limits.get("nothing", 0):
        value = 0.0
    if value == 0 or limits["smallest"] <= value <= limits["largest"]:
        reader.note(table, keyword)
        return value
    if limits["largest"] < value <= limits.get("largest_setting", 0):
        why = f"is too large to be meant as {limits['called']}"
        reader.doubts.append(f"{keyword} = {shown(number.said)} {why}")
    else:
        why = f"is not {limits['called']}, and counts as unknown"
        reader.remark(f"{keyword} = {shown(number.said)} {why}")
    reader.note(table, keyword, why)
    return None


def read_exposure(reader: CardReader) -> float | None:
    """Return the exposure in seconds."""
    table = dialect_tables()["exposure"]
    asked = list(_asked(reader, "exposure", table["cards"]))
    names = {keyword for keyword, _ in asked}
    if len(asked) > 1 and not names.isdisjoint(table["whole"]):  # a sum over coadds, beside that of one
        whole = [pair for pair in asked if pair[0] in table["whole"]]
        asked = whole + [pair for pair in asked if pair[0] not in table["whole"] and pair[0] not in table["parts"]]
        asked += [pair for pair in dict.fromkeys(_asked(reader, "exposure", table["cards"])) if pair not in asked]
    for keyword, factor in asked:
        found = _exposure_of(reader, keyword, factor, table)
        if found is not None:
            return found
    found = _between_ends(reader, table)
    return _exposure_beyond(reader, table) if found is None else found


def _exposure_of(reader: CardReader, keyword: str, factor: float, table: Mapping[str, Any]) -> float | None:
    number = _number_of(reader, keyword, table["called"])
    if number is None:
        return None
    value = number.value * factor
    if number.unit:
        scale = next((float(each or 1) for each, words in table["units"].items() if number.unit in words), None)
        value = float("nan") if scale is None else number.value * scale
    elif factor == 1.0 and value:
        unit = unit_of(reader.comment(keyword), "exposure")
        value *= float(unit or 1)
    return _within(reader, "exposure", keyword, value, number, table)


def _between_ends(reader: CardReader, table: Mapping[str, Any]) -> float | None:
    """Return the time between begin and end of an exposure, where both are there and no card says how long it was."""
    from zeroframe.headers.moments import clock_seconds, parsed_moment

    for begin, end in table["ends"]:
        texts = [reader.value(keyword) for keyword in (begin, end)]
        if None in texts:
            continue
        if begin.startswith("MJD"):
            spent = (float(texts[1]) - float(texts[0])) * _DAY_S if all(isinstance(t, float) for t in texts) else None  # type: ignore[arg-type]
        elif begin.startswith("DATE"):
            ends = [parsed_moment(str(text)) for text in texts]
            spent = _between(*ends)
        else:
            clocks = [clock_seconds(text, reader.comment(begin)) for text in texts]
            spent = None if None in clocks else (clocks[1] - clocks[0]) % _DAY_S  # type: ignore[operator]
        if spent is not None and 0 <= spent <= _DAY_S:
            reader.note("exposure", begin)
            reader.doubts.append(f"the exposure is what lies between {begin} and {end}, {spent:.6g} s; no card says it")
            return round(spent, 3)
    return None


def _between(begin: Any, end: Any) -> float | None:  # noqa: ANN401 -- moments
    if begin is None or end is None or begin.seconds is None or end.seconds is None:
        return None
    return float((end.day - begin.day).days * _DAY_S + end.seconds - begin.seconds)


def _exposure_beyond(reader: CardReader, table: Mapping[str, Any]) -> float | None:
    """Return what a card says that is called, or whose comment is, as an exposure."""
    for keyword in dict.fromkeys(
        [*reader.like(table["like"]), *reader.commented(table["comment"], table["comment_not"])]
    ):
        if keyword in table["cards"]:
            continue
        number = _number_of(reader, keyword, table["called"])
        if number is None or number.value != number.value or number.value < 0:
            continue
        factor = 1.0
        if not number.unit and keyword.endswith(("MS", "MSEC")):
            factor = 1e-3
        elif not number.unit and keyword.endswith(("US", "USEC")):
            factor = 1e-6
        found = _exposure_of(reader, keyword, factor, table)
        if found is not None:
            reader.doubts.append(_by_its_looks(reader, keyword, "exposure", "the exposure"))
            return found
    return None


def _by_its_looks(reader: CardReader, keyword: str, fact: str, what: str) -> str:
    """Say that a card was taken for something, and how that is made certain."""
    value = shown(reader.cards.get(keyword))
    return f"{keyword} = {value} is taken for {what}, by its name or comment; to be sure: --card {fact}={keyword}"


def read_gain(reader: CardReader) -> float | None:
    """Return the gain in e-/ADU; a setting of the camera is none."""
    table = dialect_tables()["gain"]
    taught = {each.keyword for each in reader.words.cards("gain")}
    for keyword, factor in _asked(reader, "gain", table["cards"]):
        found, ends = _gain_of(reader, keyword, factor, table, taught=keyword in taught)
        if found is not None or ends:
            return found
    found = _of_amplifiers(reader, "gain", table)
    if found is not None:
        return found
    for keyword in (*reader.present(table["inverse_cards"]), *reader.like(table["like"])):
        if keyword in table["cards"]:
            continue
        comment = reader.comment(keyword)
        inverse = pattern_of(table["inverse"]).search(comment) or keyword in table["inverse_cards"]
        if not inverse and not pattern_of(table["direct"]).search(comment):
            continue  # only a comment tells that a number of another card is in e-/ADU
        found, _ = _gain_of(reader, keyword, 1.0, table, inverted=bool(inverse))
        if found is not None:
            return found
    return None


def _gain_of(
    reader: CardReader, keyword: str, factor: float, table: Mapping[str, Any], *, taught: bool = False,
    inverted: bool = False,
) -> tuple[float | None, bool]:  # fmt: skip
    """Return the gain that a card says, and whether nothing else is asked."""
    number = _number_of(reader, keyword, table["called"])
    if number is None:
        return None, False
    value = number.value
    if isinstance(number.said, str) and value != value and several_numbers(number.said):
        _pass_over_several(reader, "gain", keyword, number)
        return None, True
    comment = "" if taught else reader.comment(keyword)
    direct = pattern_of(table["direct"]).search(f"{number.unit} {comment}")
    inverted = inverted or bool(comment and pattern_of(table["inverse"]).search(comment))
    why = f"is a setting of the camera, not {table['called']}"
    is_menu = not taught and 0 < value <= table["largest"] and _is_setting(reader, keyword, value, table)
    if not direct and not inverted and comment and pattern_of(table["setting_comment"]).search(comment):
        why = f"is a setting of the camera by its comment, not {table['called']}"
    elif not is_menu and (direct or not number.unit):
        value = 1 / value if inverted and not direct and value > 0 else value
        found = _within(reader, "gain", keyword, value * factor, number, table)
        return (found if found is None or not inverted else round(found, 6)), False
    reader.doubts.append(f"{keyword} = {shown(number.said)} {why}")
    reader.note("gain", keyword, why)
    return None, False


def _is_setting(reader: CardReader, keyword: str, number: float, limits: Mapping[str, Any]) -> bool:
    """Say whether a number is that of a camera's menu, which stands where a physical one belongs."""
    setting = limits["setting"]
    if keyword not in setting["cards"] or number != int(number):
        return False
    if number >= setting["from"] or any(reader.cards.get(word) is not None for word in setting["beside"]):
        return True
    instruments = [text for _, text in reader.texts([*dialect_tables()["text"]["instrument"], "CAM-MOD", "TELESCOP"])]
    names = " ".join(instruments).casefold().replace("-", " ").split()
    return any(name.startswith(tuple(setting["instruments"])) for name in names)


def _of_amplifiers(reader: CardReader, fact: str, table: Mapping[str, Any]) -> float | None:
    """Return the mean of what is said of each amplifier, where they agree; a frame has one number."""
    for family in table["families"]:
        found = []
        for keyword in reader.present(family):
            number = _number_of(reader, keyword, table["called"])
            if number is not None and not number.unit and table["smallest"] <= number.value <= table["largest"]:
                found.append((number.value, keyword))
        if not found:
            continue
        values = [value for value, _ in found]
        named = " and ".join(f"{keyword} = {value:.6g}" for value, keyword in found)
        if max(values) - min(values) <= table["agree"] * max(values):
            for _, keyword in found:
                reader.note(fact, keyword)
            if len(values) > 1:
                reader.doubts.append(f"{named} are those of {len(values)} amplifiers; their mean is used")
            return round(fsum(values) / len(values), 6)
        reader.doubts.append(f"{named} are those of {len(values)} amplifiers, and differ; none of them is used")
        for _, keyword in found:
            reader.note(fact, keyword, "amplifiers differ, so none of them is that of the frame")
        return None
    return None


def read_read_noise(reader: CardReader) -> float | None:
    """Return the read noise in electrons."""
    table = dialect_tables()["read_noise"]
    for keyword, factor in _asked(reader, "read_noise", table["cards"]):
        number = _number_of(reader, keyword, table["called"])
        if number is None:
            continue
        if isinstance(number.said, str) and number.value != number.value and several_numbers(number.said):
            _pass_over_several(reader, "read_noise", keyword, number)
            return None
        found = _noise_of(reader, keyword, factor, number, table)
        if found is not None:
            return found
    found = _of_amplifiers(reader, "read_noise", table)
    return _noise_beyond(reader, table) if found is None else found


def _noise_of(
    reader: CardReader, keyword: str, factor: float, number: _Number, table: Mapping[str, Any]
) -> float | None:
    if pattern_of(table["in_adu"]).search(f"{number.unit} {reader.comment(keyword)}"):
        why = "is in ADU by its comment"
        reader.note("read_noise", keyword, why)
        reader.doubts.append(f"{keyword} = {shown(number.said)} {why}, and is not used")
        return None
    value = number.value if number.unit in {"", "e", "e-", "electrons", "electron", "e- rms"} else float("nan")
    return _within(reader, "read_noise", keyword, value * factor, number, table)


def _noise_beyond(reader: CardReader, table: Mapping[str, Any]) -> float | None:
    """Return what a card says that is called like a read noise and whose comment says that it is in electrons."""
    for keyword in reader.like(table["like"]):
        number = None if keyword in table["cards"] else _number_of(reader, keyword, table["called"])
        comment = reader.comment(keyword)
        if number is None or number.unit or not pattern_of(r"\b(e-|e\b|electrons?|read)").search(comment):
            continue
        found = _noise_of(reader, keyword, 1.0, number, table)
        if found is not None:
            return found
    return None


def read_temperature(reader: CardReader) -> float | None:
    """Return the temperature of the detector in degrees Celsius; that of the air is none."""
    table = dialect_tables()["temperature"]
    weather = any(True for _ in reader.texts(table["weather"]))
    for keyword, factor in _asked(reader, "temperature", table["cards"]):
        if keyword in table["may_be_air"] and (weather or pattern_of(table["air"]).search(reader.comment(keyword))):
            if reader.value(keyword) is not None:
                reader.note("temperature", keyword, "is that of the air, as the weather beside it or its comment says")
            continue
        found = _celsius(reader, keyword, factor, table)
        if found is not None:
            return found
    beyond = [*reader.like(table["like"]), *reader.commented(table["comment"], table["comment_not"])]
    for keyword in dict.fromkeys(beyond):
        comment = reader.comment(keyword)
        if keyword in table["cards"] or (comment and pattern_of(table["air"]).search(comment)):
            continue
        if comment and pattern_of(table["comment_not"]).search(comment):
            continue
        number = _number_of(reader, keyword, table["called"])
        if number is None or number.value != number.value:
            continue
        found = _celsius(reader, keyword, 1.0, table)
        if found is not None:
            reader.doubts.append(_by_its_looks(reader, keyword, "temperature", "the temperature of the detector"))
            return found
    return None


def _celsius(reader: CardReader, keyword: str, factor: float, table: Mapping[str, Any]) -> float | None:
    number = _number_of(reader, keyword, table["called"])
    if number is None:
        return None
    unit = number.unit
    named = next((each for each, words in table["units"].items() if unit in words), None) if unit else ""
    if named == "":
        named = unit_of(reader.comment(keyword), "temperature") or ""
        # of several in one comment, kelvin is named where it is meant
        named = "k" if "kelvin" in reader.comment(keyword) else named
    value = float("nan") if named is None else number.value * factor
    if value in table["none"]:
        reader.note("temperature", keyword, "is what programs write that know none")
        return None
    if named == "k" and value <= 0:
        reader.note("temperature", keyword, "is no temperature in kelvin")
        return None
    if named == "f":
        value = (value - 32) / 1.8
    known = _within(reader, "temperature", keyword, value, number, table)
    if known is None:
        return None
    if named == "k" or (not named and known > table["kelvin_above"]):
        return round(known - _ZERO_CELSIUS_K, 6)
    return known
