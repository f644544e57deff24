"""What a header says, whatever words its camera uses for it.

The words stand in ``dialects.toml`` beside this module; the code only knows how to read each sort of value.
What a header says in a form that cannot be used (a list of gains, a section outside the image) is not guessed at:
the fact is None, and a sentence in `FrameFacts.doubts` says why.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from datetime import date
from functools import cache, cached_property, lru_cache
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zeroframe.errors import SectionError
from zeroframe.fits.cards import Cards
from zeroframe.headers.colours import ColourPattern, read_colours
from zeroframe.headers.kinds import Kind, calibration_kinds, is_calibration
from zeroframe.headers.sections import Section

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["FrameFacts", "number_words", "read_facts"]

_ZERO_CELSIUS_K = 273.15
_NUMBER = re.compile(
    r"([+-]?(?:[0-9]{1,30}\.?[0-9]{0,30}|\.[0-9]{1,30})(?:[eEdD][+-]?[0-9]{1,3})?)\s*([a-z]*\.?)", re.IGNORECASE
)
_SECONDS = ("s", "sec", "secs", "second", "seconds")
_NOT_NUMBERS = frozenset(("nan", "+nan", "-nan"))
_ISO_DATE = re.compile(r"([0-9]{4})-([0-9]{1,2})-([0-9]{1,2})(?![0-9])")
_MOST_SHOWN, _MOST_BITS = 80, 1000
_FACTORS = re.compile(r"([0-9]{1,3})(?:\s*[x, ]\s*([0-9]{1,3}))?", re.IGNORECASE)
_EXTENSIONS = re.compile(r"\.(fits?|fts|gz|bz2|fz)$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class FrameFacts:
    """What one header says of its frame.

    Attributes
    ----------
    kind : Kind or None
        None where neither the header nor the file name says it.
    kind_reason : str
        The words that decided: ``IMAGETYP = 'zero'`` or ``the file name 'z001.FIT'``.
    kind_certain : bool
        False where only the file name or a free text of the observer says so.
    exposure_s : float or None
        In seconds.
    filter_name : str or None
        As written, without surrounding blanks; several wheels are joined with ``+``, empty ones left out.
    unit : str or None
        In astropy's spelling: ``'adu'``, ``'electron'``, ``'adu / s'``, ...
    gain_e_per_adu, read_noise_e, temperature_c : float or None
        In electrons per ADU, electrons (root mean square) and degrees Celsius.
    binning_xy : tuple of int or None
        Sensor pixels per image pixel along x and y.
    object_name, date_obs, instrument : str or None
        As written.
    bias_section, trim_section, data_section, ccd_section : Section or None
        As written; None where absent, unreadable (``'UNKNOWN'``) or outside the image.
    combined : bool
        The header says that the frame was combined from others: it is not a raw one.
    doubts : tuple of str
        What the header says but could not be used, one sentence each.
    remarks : tuple of str
        Those of them that are said wherever the file is read: numbers and dates that cannot be, such as a gain of
        1E-300 or an exposure of thousands of years, and cards that contradict each other.
    saturation_adu, linear_adu : float or None
        From where on raw pixels are full, and up to where they answer to light in proportion, in ADU of the raw frame.
    saturation_card, linear_card : str or None
        The cards that say so.
    kind_contradicted_by : str or None
        Another card, or the file name, that says another kind of calibration: ``FRAME = 'Dark'``.
    colours : ColourPattern or None
        The filters of a colour sensor, of the pixels as they are stored.
    colours_card : str or None
        The card that says so.
    colours_refused : str or None
        Why the colours of its pixels cannot be told apart: it is of an X-Trans sensor.
    """

    kind: Kind | None
    kind_reason: str
    kind_certain: bool
    exposure_s: float | None
    filter_name: str | None
    unit: str | None
    gain_e_per_adu: float | None
    read_noise_e: float | None
    temperature_c: float | None
    binning_xy: tuple[int, int] | None
    object_name: str | None
    date_obs: str | None
    instrument: str | None
    bias_section: Section | None
    trim_section: Section | None
    data_section: Section | None
    ccd_section: Section | None
    combined: bool
    doubts: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()
    saturation_adu: float | None = None
    saturation_card: str | None = None
    linear_adu: float | None = None
    linear_card: str | None = None
    kind_contradicted_by: str | None = None
    colours: ColourPattern | None = None
    colours_card: str | None = None
    colours_refused: str | None = None

    @property
    def saturation_may_be_maximum(self) -> bool:
        """Whether the card may as well hold the highest value of this very frame."""
        return self.saturation_card in _tables()["saturation"]["may_be_maximum"]


def read_facts(cards: Mapping[str, object], file_name: str = "") -> FrameFacts:
    """Read what a header says of its frame.

    Parameters
    ----------
    cards : mapping of str to value
        `zeroframe.fits.Cards`, `astropy.io.fits.Header`, or a dict with keywords in upper case.
    file_name : str, optional
        Asked for the kind where the header has no word for it; folders before it are ignored.

    Returns
    -------
    FrameFacts

    Examples
    --------
    >>> facts = read_facts({"IMAGETYP": "zero    ", "EXPTIME": 0.0, "BIASSEC": "[102:133,1:1024]"})
    >>> facts.kind, facts.kind_reason, str(facts.bias_section)
    (<Kind: 'bias'>, "IMAGETYP = 'zero'", '[102:133,1:1024]')
    >>> read_facts({"EXPTIME": 0.12}, "z001.FIT").kind_certain
    False
    """
    reader = _Reader(cards)
    reader.name_contradictions()
    kind, reason, certain, combined = _kind(reader, file_name)
    text, section = _tables()["text"], _tables()["section"]
    saturation_adu, saturation_card = reader.number_and_card("saturation")
    linear_adu, linear_card = reader.number_and_card("linearity")
    colours = read_colours(cards, reader.shape_yx)
    reader.doubts += colours.doubts
    return FrameFacts(
        kind=kind,
        kind_reason=reason,
        kind_certain=certain,
        exposure_s=reader.number("exposure", _SECONDS),
        filter_name=_filter(reader),
        unit=_unit(reader),
        gain_e_per_adu=reader.number("gain"),
        read_noise_e=reader.number("read_noise"),
        temperature_c=_temperature(reader),
        binning_xy=_binning(reader),
        object_name=reader.first_text(text["object_name"]),
        date_obs=_date_obs(reader),
        instrument=reader.first_text(text["instrument"]),
        bias_section=_section(reader, section["bias_section"]),
        trim_section=_section(reader, section["trim_section"]),
        data_section=_section(reader, section["data_section"]),
        ccd_section=_section(reader, section["ccd_section"]),
        combined=combined or _is_combined(reader),
        doubts=tuple(reader.doubts),
        remarks=tuple(reader.remarks),
        kind_contradicted_by=_contradiction(reader, file_name, kind) if certain else None,
        saturation_adu=saturation_adu,
        saturation_card=saturation_card,
        linear_adu=linear_adu,
        linear_card=linear_card,
        colours=colours.pattern,
        colours_card=colours.card,
        colours_refused=colours.refused or None,
    )


def number_words(what: str) -> tuple[str, ...]:
    """Return the keywords that a number is read from, the first one that is there.

    Parameters
    ----------
    what : str
        A table of dialects.toml: ``gain``, ``read_noise``, ``exposure`` …

    Examples
    --------
    >>> number_words("gain")[:2]
    ('EGAIN', 'E-GAIN')
    """
    return tuple(_tables()[what]["cards"])


@cache
def _tables() -> dict[str, Any]:
    # importlib.resources, which finds it in an archive, too, takes 6 ms of each start
    return tomllib.loads(Path(__file__).with_name("dialects.toml").read_text(encoding="utf-8"))


@cache
def _words() -> frozenset[str]:
    """Return the keywords that a fact is read from, but for free text."""
    tables = _tables()
    lists = [table["cards"] for table in tables.values() if isinstance(table, dict) and "cards" in table]
    return frozenset(word for words in (*lists, *tables["section"].values()) for word in words)


@cache
def _undefined() -> frozenset[str]:
    return frozenset(_tables()["undefined"])


@cache
def _lookup(table: str) -> dict[str, Kind]:
    """Turn one of the kind tables round: from word to kind."""
    return {word: Kind(kind) for kind, words in _tables()["kind"][table].items() for word in words}


class _Reader:
    """One header, asked by lists of keywords; remembers what it could not use."""

    def __init__(self, cards: Mapping[str, object]) -> None:
        self.cards = cards
        self.doubts: list[str] = []
        self.remarks: list[str] = []

    def remark(self, sentence: str) -> None:
        self.doubts.append(sentence)
        self.remarks.append(sentence)

    def value(self, keyword: str) -> str | float | None:
        """Return a number, a text that says something, or None."""
        value = self.cards.get(keyword)
        if value is None:  # nearly always
            return None
        if isinstance(value, str):
            value = value.strip()
            return None if value.casefold() in _undefined() else value
        return value if isinstance(value, int | float) and not isinstance(value, bool) and _is_finite(value) else None

    def texts(self, keywords: Iterable[str]) -> Iterable[tuple[str, str]]:
        """Yield keyword and text of the cards that say something; numbers as they would be written."""
        for keyword in self.present(keywords):
            value = self.value(keyword)
            if value is not None:
                yield keyword, value if isinstance(value, str) else f"{value:.12g}"

    def present(self, keywords: Iterable[str]) -> Iterable[str]:
        """Return those keywords that need to be asked for, where the header can say that at once."""
        return self.cards.present(tuple(keywords)) if isinstance(self.cards, Cards) else keywords

    def first_text(self, keywords: Iterable[str]) -> str | None:
        for _, text in self.texts(keywords):
            return text
        return None

    @cached_property
    def shape_yx(self) -> tuple[int, int] | None:
        """The size of the image that the header belongs to, if it belongs to one."""
        prefix = "Z" if self.cards.get("ZIMAGE") is True else ""
        nx, ny = (_whole(self.value(f"{prefix}NAXIS{axis}")) for axis in (1, 2))
        return None if nx is None or ny is None else (ny, nx)

    def number(self, table: str, units: tuple[str, ...] = ()) -> float | None:
        """Return the first number that is sensible; those that are not count as unknown."""
        return self.number_and_card(table, units)[0]

    def number_and_card(self, table: str, units: tuple[str, ...] = ()) -> tuple[float | None, str | None]:
        """Return the first number that is sensible, and the card that says it; those that are not count as unknown.

        The one place where numbers of headers are looked at that calibration counts with.
        """
        limits = _tables()[table]
        for keyword in self.present(limits["cards"]):
            said = self.cards.get(keyword)
            if said is None:  # nearly always
                continue
            value = self.value(keyword)
            if value is None:
                self._name_no_number(keyword, said, limits["called"])
                continue
            if isinstance(value, str) and len(_NUMBER.findall(value)) > 1:
                self.doubts.append(
                    f"{keyword} = {_shown(value)} holds several values, and which one is meant is not guessed"
                )
                return None, None
            number = _number(value, units) if isinstance(value, str) else float(value)
            if number == 0 and not limits["zero_is_said"]:
                continue
            if number is not None and number <= limits["largest"] and self._is_setting(keyword, number, limits):
                self.doubts.append(f"{keyword} = {_shown(value)} is a setting of the camera, not {limits['called']}")
                continue
            if number is not None and (number == 0 or limits["smallest"] <= number <= limits["largest"]):
                return number, keyword
            if number is not None and limits["largest"] < number <= limits.get("largest_setting", 0):
                self.doubts.append(f"{keyword} = {_shown(value)} is too large to be meant as {limits['called']}")
            else:
                self.remark(f"{keyword} = {_shown(value)} is not {limits['called']}, and counts as unknown")
        return None, None

    def _is_setting(self, keyword: str, number: float, limits: Mapping[str, Any]) -> bool:
        """Say whether a number is that of a camera's menu, which stands where a physical one belongs."""
        setting = limits.get("setting")
        if setting is None or keyword not in setting["cards"] or number != int(number):
            return False
        if number >= setting["from"] or any(self.cards.get(word) is not None for word in setting["beside"]):
            return True
        names = str(self.first_text(_tables()["text"]["instrument"]) or "").casefold().replace("-", " ").split()
        return any(name.startswith(tuple(setting["instruments"])) for name in names)

    def _name_no_number(self, keyword: str, said: object, called: str) -> None:
        """Name what is written where a number belongs and is none, such as NaN; 'unknown' and the like say so."""
        word = said.strip().casefold() if isinstance(said, str) else ""
        if word in _NOT_NUMBERS or (isinstance(said, int | float) and not _is_finite(said)):
            self.remark(f"{keyword} = {_shown(said)} is not {called}, and counts as unknown")

    def name_contradictions(self) -> None:
        """Name all values of keywords that stand several times and say different things; the first one counts."""
        if not isinstance(self.cards, Cards) or not self.cards.repeated:  # nearly always
            return
        for keyword in sorted(self.cards.repeated & _words()):
            values = self.cards.contradicting(keyword)
            if values:
                said = " and as ".join(map(_shown, values))
                self.remark(f"{keyword} is given as {said}; the first of them is used")


def _is_finite(value: float) -> bool:
    try:
        return isfinite(value)
    except OverflowError:  # a whole number of hundreds of digits
        return False


def _shown(value: object) -> str:
    said = repr(value) if not isinstance(value, int) or value.bit_length() < _MOST_BITS else f"{value:#x}"
    return said if len(said) <= _MOST_SHOWN else said[:_MOST_SHOWN] + " …"


def _number(text: str, units: tuple[str, ...]) -> float | None:
    match = _NUMBER.fullmatch(text.strip())
    if match is None or match[2].rstrip(".").lower() not in {"", *units}:
        return None
    return float(match[1].upper().replace("D", "E"))


def _date_obs(reader: _Reader) -> str | None:
    """Return the date as it is written, unless it is one that cannot be."""
    table = _tables()["date"]
    for keyword, text in reader.texts(table["cards"]):
        parts = _ISO_DATE.match(text)
        if parts is None or (table["first_year"] <= int(parts[1]) <= table["last_year"] and _is_day(parts)):
            return text
        reader.remark(f"{keyword} = {_shown(text)} is not a date of a CCD, and counts as unknown")
    return None


def _is_day(parts: re.Match[str]) -> bool:
    try:
        date(*(int(part) for part in parts.groups()))
    except ValueError:  # the 31st of February
        return False
    return True


def _filter(reader: _Reader) -> str | None:
    table = _tables()["filter"]
    single = reader.first_text(table["cards"])
    if single is not None:
        return single
    for wheels in table["wheels"]:
        names = [text for _, text in reader.texts(wheels)]
        if names:
            kept = [name for name in names if name.casefold() not in table["nothing_in_wheel"]]
            return "+".join(kept) or names[0]
    return None


def _unit(reader: _Reader) -> str | None:
    table = _tables()["unit"]
    for keyword, text in reader.texts(table["cards"]):
        word = re.sub(r"\s+", "", text.casefold())
        for unit, words in table["words"].items():
            if word in words:
                return str(unit)
        reader.doubts.append(f"{keyword} = {text!r} is not a unit of counts that is known")
    return None


def _temperature(reader: _Reader) -> float | None:
    number = reader.number("temperature")
    if number is None or number <= _tables()["temperature"]["kelvin_above"]:
        return number
    return round(number - _ZERO_CELSIUS_K, 6)


def _binning(reader: _Reader) -> tuple[int, int] | None:
    table = _tables()["binning"]
    for keyword, text in reader.texts(table["cards"]):
        match = _FACTORS.fullmatch(text)
        factors = (int(match[1]), int(match[2] or match[1])) if match else (0, 0)
        if min(factors) > 0:
            return factors
        reader.doubts.append(f"{keyword} = {text!r} is not a binning such as '2 2'")
    for pair in table["pairs"]:
        x, y = (_whole(reader.value(keyword)) for keyword in pair)
        if x is not None and y is not None:
            return x, y
    return None


def _whole(value: str | float | None) -> int | None:
    number = _number(value, units=()) if isinstance(value, str) else value
    return int(number) if number is not None and _is_finite(number) and number >= 1 and number == int(number) else None


def _section(reader: _Reader, keywords: list[str]) -> Section | None:
    for keyword, text in reader.texts(keywords):
        try:
            of_the_sensor = keyword in _tables()["section"]["of_the_sensor"]
            section = _section_within(text, None if of_the_sensor else reader.shape_yx)
        except SectionError as error:
            reader.doubts.append(f"{keyword}: {error}")
        else:
            return section
    return None


@lru_cache(maxsize=1024)  # frames of a camera have the same few
def _section_within(text: str, shape_yx: tuple[int, int] | None) -> Section:
    """Read a section that has to lie inside an image, where its size is known."""
    section = Section.parse(text)
    if shape_yx is not None:
        section.resolve(shape_yx)
    return section


def _is_combined(reader: _Reader) -> bool:
    flag = reader.cards.get("COMBINED")
    count = _whole(reader.value("NCOMBINE"))
    return flag is True or (isinstance(flag, str) and flag.strip().upper() in {"T", "TRUE"}) or (count or 0) > 1


def _kind(reader: _Reader, file_name: str) -> tuple[Kind | None, str, bool, bool]:
    """Return kind, reason, whether it is certain, and whether the word says 'combined'."""
    table = _tables()["kind"]
    unknown = ""
    for keyword in reader.present(table["cards"]):
        value = reader.value(keyword)
        if not isinstance(value, str):  # FRAME = 14 is a running number
            continue
        kind = _kind_of_row(value) or _kind_of_words(value)
        if kind is not None:
            return kind, f"{keyword} = {value!r}", True, _says_combined(value)
        if _letters(value) not in table["not_a_kind"]:
            unknown = unknown or f"{keyword} = {value!r} is not a word for a kind of frame that is known"
    if unknown:
        return None, unknown, False, False
    for keyword, text in reader.texts(table["free_text_cards"]):
        kind = _lookup("phrases").get(_letters(text))
        if is_calibration(kind):
            return kind, f"{keyword} = {text!r}", False, _says_combined(text)
    return _kind_of_file_name(file_name)


def _contradiction(reader: _Reader, file_name: str, kind: Kind | None) -> str | None:
    """Return what says that a frame is a calibration frame of another kind; capture programs mislabel whole series."""
    for keyword in reader.present(_tables()["kind"]["cards"]):
        value = reader.value(keyword)
        other = (_kind_of_row(value) or _kind_of_words(value)) if isinstance(value, str) else None
        if is_calibration(other) and other != kind:
            return f"{keyword} = {value!r}"
    other, reason, _, _ = _kind_of_file_name(file_name)
    return reason if is_calibration(other) and other != kind and kind == Kind.SCIENCE else None


def _kind_of_row(value: str) -> Kind | None:
    """Return the kind whose row of the table names this word."""
    rows = [row for row in calibration_kinds() if row.header_words]
    return next((row.kind for row in rows if _letters(value) in row.header_words), None) if rows else None


@lru_cache(maxsize=1024)
def _kind_of_words(value: str) -> Kind | None:
    phrase = _letters(value)
    kind = _lookup("phrases").get(phrase)
    if kind is not None:
        return kind
    kinds = {_lookup("words")[word] for word in phrase.split() if word in _lookup("words")}
    return kinds.pop() if len(kinds) == 1 else None


def _kind_of_file_name(file_name: str) -> tuple[Kind | None, str, bool, bool]:
    nothing = None, "neither the header nor the file name says what kind of frame it is", False, False
    name = re.split(r"[/\\]", file_name)[-1]
    stem = name
    while _EXTENSIONS.search(stem):
        stem = _EXTENSIONS.sub("", stem)
    kinds = {_lookup("file_words")[word] for word in _letters(stem).split() if word in _lookup("file_words")}
    first_word = re.match(r"([a-z])[0-9]+(?![a-z0-9])", stem.lower())
    if not kinds and first_word is not None:
        kinds = {Kind(kind) for kind, letter in _tables()["kind"]["file_letters"].items() if letter == first_word[1]}
    if len(kinds) != 1:
        return nothing
    return kinds.pop(), f"the file name {name!r}", False, _says_combined(stem)


@lru_cache(maxsize=1024)
def _says_combined(text: str) -> bool:
    return not set(_letters(text).split()).isdisjoint(_tables()["kind"]["combined_words"])


def _letters(text: str) -> str:
    """Return the words of a text: lower case, everything that is not a letter is one blank."""
    return " ".join(re.findall(r"[a-z]+", text.casefold()))
