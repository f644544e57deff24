"""When an exposure began, in whichever words and forms a header says it."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from math import isfinite
from typing import TYPE_CHECKING

from zeroframe.headers.card_reader import CardReader, pattern_of, shown
from zeroframe.headers.tables import dialect_tables
from zeroframe.records import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Moment", "clock_seconds", "parsed_moment", "read_date"]

_DAY_S, _HOUR_S = 86400.0, 3600.0
_MJD_ZERO = datetime(1858, 11, 17, tzinfo=UTC)
_JD_OF_MJD_ZERO = 2400000.5
_CLOCK_TEXT = r"(\d{1,2}:\d{1,2}(?::\d{1,2}(?:[.,]\d*)?)?)"
_REST = rf"(?:[T _]+{_CLOCK_TEXT})?\s*(Z|UTC?|[+-]\d{{2}}:?\d{{2}})?"
_ISO = re.compile(rf"(\d{{4}})[-/.](\d{{1,2}})[-/.](\d{{1,2}}){_REST}")
_ISO_DAY = re.compile(r"([0-9]{4})-([0-9]{1,2})-([0-9]{1,2})(?![0-9])")
_COMPACT = re.compile(r"(\d{4})(\d{2})(\d{2})(?:T?(\d{2})(\d{2})(\d{2}(?:\.\d*)?))?")
#: DD/MM/YY, as the standard had it until 1999; or what observers made of it.
_SHORT = re.compile(rf"(\d{{1,2}})[/.-](\d{{1,2}})[/.-](\d{{2}}|\d{{4}}){_REST}")
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_NAMED = re.compile(
    r"(?:[A-Za-z]{3,9},? )?"
    r"(?:(\d{1,2})[- ]([A-Za-z]{3,9})[- ](\d{4})|(\d{4})[- ]([A-Za-z]{3,9})[- ](\d{1,2})"
    rf"|([A-Za-z]{{3,9}}) +(\d{{1,2}}),? (?:{_CLOCK_TEXT} )?(\d{{4}})){_REST}"
)
_CLOCK = re.compile(
    r"(\d{1,2})[: hH](\d{1,2})(?:[: mM](\d{1,2}(?:[.,]\d*)?)s?)?\s*(a\.?m\.?|p\.?m\.?)?(?:\s*(?:UTC?|Z|GMT))?",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Moment:
    """When an exposure began, in universal time.

    Attributes
    ----------
    day : datetime.date
        The date.
    seconds : float or None
        Since midnight; None where only the date is known.
    """

    day: date
    seconds: float | None = None


def read_date(reader: CardReader) -> tuple[str | None, Moment | None]:
    """Return the date as it is written, and the moment that it means.

    Parameters
    ----------
    reader : CardReader
        The header.

    Returns
    -------
    text : str or None
        Of the first card that says a date; None where it is one that cannot be.
    began : Moment or None
        None where nothing says when the exposure began.
    """
    table = dialect_tables()["date"]
    first: str | None = None
    taught = [each.keyword for each in reader.words.cards("date")]
    for keyword, text in reader.texts([*taught, *table["cards"]]):
        number = reader.value(keyword) if keyword in taught else None
        counted = _counted(number) if isinstance(number, float) else None
        found = counted or parsed_moment(text, beside=_beside(reader, keyword))
        if _is_no_date(text):
            reader.remark(f"{keyword} = {shown(text)} is not a date of a CCD, and counts as unknown")
            reader.note("date", keyword, "is not a date of a CCD")
            continue
        if found is None:
            if keyword not in {"FRAME", "UT-OBS"}:  # mostly something else
                first = first or text
                reader.note("date", keyword, "is not a date in a form that is known")
            continue
        reader.note("date", keyword)
        return (text, found) if found.seconds is not None else (text, _with_clock(reader, found))
    for words, zero in ((table["mjd"], 0.0), (table["jd"], _JD_OF_MJD_ZERO)):
        for keyword in reader.present(words):
            counted = _counted(_as_number(reader.value(keyword)), zero)
            if counted is not None:
                reader.note("date", keyword)
                return first, counted
    return _by_comment(reader, first)


def _by_comment(reader: CardReader, first: str | None) -> tuple[str | None, Moment | None]:
    for keyword in reader.commented(dialect_tables()["date"]["comment"]):
        value = reader.value(keyword)
        found = parsed_moment(value) if isinstance(value, str) else _counted(value) or _counted(value, _JD_OF_MJD_ZERO)
        if found is not None:
            reader.note("date", keyword)
            words = f"{keyword} = {shown(value)} is taken for the beginning of the exposure, by its comment"
            reader.doubts.append(f"{words}; to be sure: --card date={keyword}")
            return str(value), found if found.seconds is not None else _with_clock(reader, found)
    return first, None


def _as_number(value: str | float | None) -> float | None:
    if isinstance(value, str):
        try:
            return float(value)
        except ValueError:
            return None
    return value


def _is_no_date(text: str) -> bool:
    table = dialect_tables()["date"]
    parts = _ISO_DAY.match(text)
    return parts is not None and not (
        table["first_year"] <= int(parts[1]) <= table["last_year"] and _day(*map(int, parts.groups())) is not None
    )


def _beside(reader: CardReader, keyword: str) -> tuple[date, ...]:
    """Return other dates of the header, where the order of day, month and year may have to be told."""
    text = reader.value(keyword)
    if not isinstance(text, str) or _SHORT.fullmatch(text) is None:
        return ()
    days = []
    for other in dialect_tables()["date"]["beside"]:
        value = None if other == keyword else reader.value(other)
        found = parsed_moment(value) if isinstance(value, str) else _counted(value) or _counted(value, _JD_OF_MJD_ZERO)
        if found is not None and not (isinstance(value, str) and _SHORT.fullmatch(value)):
            days.append(found.day)
    return tuple(days)


def _with_clock(reader: CardReader, found: Moment) -> Moment:
    """Complete a day by the time of day of another card."""
    for keyword, text in reader.texts(dialect_tables()["date"]["clock"]):
        value = reader.value(keyword)
        seconds = clock_seconds(value, reader.comment(keyword) if not isinstance(value, str) else "")
        if seconds is None and isinstance(value, str):
            whole = parsed_moment(text)
            seconds = None if whole is None or whole.day != found.day else whole.seconds
        if seconds is not None:
            reader.note("time of day", keyword)
            return Moment(found.day, seconds)
    return found


@lru_cache(maxsize=4096)
def parsed_moment(text: str, beside: tuple[date, ...] = ()) -> Moment | None:
    """Read a date, be it with a time of day or without.

    Parameters
    ----------
    text : str
        As ``2026-03-01T02:03:04``, ``2026/03/01``, ``26-Jan-2005``, ``20050126`` or ``08/05/10``; with a time zone
        behind it, it is turned into universal time.
    beside : tuple of date
        Other dates of the header, by which the order of ``08/05/10`` is told; by default it is day, month and year.

    Examples
    --------
    >>> parsed_moment("2017-12-19T18:33:43-0700")
    Moment(day=datetime.date(2017, 12, 20), seconds=5623.0)
    >>> parsed_moment("08/05/10").day, parsed_moment("08/05/10", beside=(date(2008, 5, 11),)).day
    (datetime.date(2010, 5, 8), datetime.date(2008, 5, 10))
    """
    text = text.strip()
    day: date | None = None
    clock = zone = ""
    match = _ISO.fullmatch(text)
    if match is not None:
        day, clock, zone = _day(int(match[1]), int(match[2]), int(match[3])), match[4], match[5]
    elif (match := _COMPACT.fullmatch(text)) is not None:
        day = _day(int(match[1]), int(match[2]), int(match[3]))
        clock = f"{match[4]}:{match[5]}:{match[6]}" if match[4] else ""
    elif (match := _NAMED.fullmatch(text)) is not None:
        day, clock, zone = _named_day(match)
    elif (match := _SHORT.fullmatch(text)) is not None:
        day, clock, zone = _short_day(match, beside), match[4], match[5]
    elif (match := _ISO_DAY.match(text)) is not None and text[match.end() : match.end() + 1] in {"T", " "}:
        day = _day(int(match[1]), int(match[2]), int(match[3]))  # what stands behind it is no time of the day
    if day is None:
        return None
    seconds = clock_seconds(clock) if clock else None
    return _in_universal_time(day, seconds, zone or "")


def _in_universal_time(day: date, seconds: float | None, zone: str) -> Moment:
    if seconds is None or zone[:1] not in {"+", "-"}:
        return Moment(day, seconds)
    minutes = int(zone[1:3]) * 60 + int(zone[-2:])
    seconds -= (60 if zone[0] == "+" else -60) * minutes
    return Moment(day + timedelta(days=seconds // _DAY_S), round(seconds % _DAY_S, 6))


def _named_day(match: re.Match[str]) -> tuple[date | None, str, str]:
    by_day, by_year = (match[1], match[2], match[3]), (match[6], match[5], match[4])
    day, month, year = by_day if match[1] else by_year if match[4] else (match[8], match[7], match[10])
    if month[:3].lower() not in _MONTHS:
        return None, "", ""
    number = _MONTHS.index(month[:3].lower()) + 1
    return _day(int(year), number, int(day)), match[9] or match[11], match[12]


def _short_day(match: re.Match[str], beside: Iterable[date]) -> date | None:
    """Return the day of 08/05/10: as the standard had it, unless other dates of the header say another order."""
    first, second, third = int(match[1]), int(match[2]), int(match[3])
    readings = [(third, second, first), (third, first, second)]
    if len(match[3]) == 2:
        readings.insert(1, (first, second, third))
    days = [each for each in (_day(_century(year), month, day) for year, month, day in readings) if each is not None]
    near = [each for each in days if any(abs((each - other).days) <= 1 for other in beside)]
    found = near or days
    return found[0] if found else None


def _century(year: int) -> int:
    return year if year > 99 else 1900 + year if year >= 70 else 2000 + year  # no CCD has seen the sky before 1970


def _day(year: int, month: int, day: int) -> date | None:
    try:
        return date(year, month, day)
    except ValueError:  # the 31st of February
        return None


def clock_seconds(value: str | float | None, comment: str = "") -> float | None:
    """Return a time of day in seconds since midnight.

    Parameters
    ----------
    value : str or float or None
        As ``10:38:18 a.m.``; a number is hours, or seconds where it is beyond 24 or the comment says so.
    comment : str
        Of the card.

    Examples
    --------
    >>> clock_seconds("1:30:00 p.m."), clock_seconds(7.116), clock_seconds(40000)
    (48600.0, 25617.6, 40000.0)
    """
    if value is None or isinstance(value, bool):
        return None
    if isinstance(value, str):
        match = _CLOCK.fullmatch(value.strip())
        if match is None:
            return _clock_number(value)
        hours, minutes, seconds = int(match[1]), int(match[2]), float((match[3] or "0").replace(",", "."))
        if match[4]:
            hours = hours % 12 + (12 if match[4][0] in "pP" else 0)
        # 60.9 s in a leap second; what is beyond is no time of the day
        return _HOUR_S * hours + 60.0 * minutes + seconds if hours < 24 and minutes < 60 and seconds < 61 else None
    if not isfinite(value) or value < 0:
        return None
    in_seconds = pattern_of(r"\bsec|\[s\]|\(s\)").search(comment) is not None
    if value < 24 and not in_seconds:
        return round(_HOUR_S * value, 3)
    return float(value) if value < _DAY_S else None


def _clock_number(text: str) -> float | None:
    number = _as_number(text)
    return None if number is None or "." not in text else clock_seconds(number)


def _counted(value: float | str | None, zero: float = 0.0) -> Moment | None:
    """Read a Julian date, whose days are counted from that of MJD 0 or another zero."""
    # what is beyond is no date of a CCD, and may be beyond the calendar
    if not isinstance(value, int | float) or not isfinite(value) or not 40000 < value - zero < 100000:
        return None
    time = _MJD_ZERO + timedelta(days=value - zero)
    return Moment(time.date(), (time - datetime.combine(time.date(), datetime.min.time(), UTC)).total_seconds())
