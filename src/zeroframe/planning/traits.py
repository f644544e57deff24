"""What a header says that decides which frames belong together: how the sensor was read, and when."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cache, lru_cache
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zeroframe.fits import Cards
from zeroframe.headers.colours import COLOUR_SETTING
from zeroframe.planning.plan import Configuration

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from zeroframe.headers.dialects import FrameFacts
    from zeroframe.headers.survey import RawFrame

__all__ = [
    "Moment",
    "NightSplit",
    "emptiest_hours",
    "moment_of",
    "parse_moment",
    "read_traits",
    "settings_of",
    "split_nights",
]

_SILENT = frozenset(("", "unknown", "undefined", "n/a", "none", "null"))
_DAY_S = 86400.0
#: What a camera's amplifier can be set to, in whatever unit.
_SMALLEST_SETTING, _LARGEST_SETTING = 1e-3, 1e5
_MJD_ZERO = datetime(1858, 11, 17, tzinfo=UTC)
_JD_OF_MJD_ZERO = 2400000.5
_ISO = re.compile(r"(\d{4})-(\d{1,2})-(\d{1,2})(?:[T ](.+?)Z?)?")
#: DD/MM/YY, as the standard had it until 1999.
_OLD = re.compile(r"(\d{1,2})/(\d{1,2})/(\d{2})")
_CLOCK = re.compile(r"(\d{1,2}):(\d{1,2})(?::(\d{1,2}(?:\.\d*)?))?")


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


@dataclass(frozen=True, slots=True)
class NightSplit:
    """How exposures were told apart by night.

    Attributes
    ----------
    nights : tuple of (str or None)
        Of each exposure, the date of the evening, as ``'2016-01-15'``; None where it is not known when it was taken.
    noon_s : float or None
        The time of day, in seconds since midnight UT, at which one night ends and the next begins; None where no header
        has a time of day, and the date is all there is.
    idle_s : float
        For so long about that time nothing was exposed on any day.
    """

    nights: tuple[str | None, ...]
    noon_s: float | None
    idle_s: float


def read_traits(item: RawFrame, night: str | None = None) -> Configuration:
    """Return what a frame is matched by.

    Parameters
    ----------
    item : RawFrame
        With an image that can be used.
    night : str, optional
        Its night, which is not known from one frame alone: see `split_nights`.

    Returns
    -------
    Configuration
    """
    facts = item.facts
    shape_yx, binning_xy, unit = item.form
    ny, nx = shape_yx or (0, 0)
    cards: Mapping[str, object] = item.frame.cards if item.frame is not None else {}
    if facts is None:
        return Configuration((ny, nx), night=night)
    return Configuration(
        shape_yx=(ny, nx),
        binning_xy=binning_xy,
        unit=unit,
        exposure_s=facts.exposure_s,
        filter_name=facts.filter_name,
        temperature_c=facts.temperature_c,
        gain_e_per_adu=facts.gain_e_per_adu,
        settings=settings_of(cards, facts),
        night=night,
    )


def settings_of(cards: Mapping[str, object], facts: FrameFacts) -> tuple[tuple[str, str], ...]:
    """Return what a header says of how the sensor was read, beyond its facts.

    Examples
    --------
    >>> from zeroframe.headers.dialects import read_facts
    >>> cards = {"READOUTM": "Fast", "INSTRUME": "A"}
    >>> settings_of(cards, read_facts(cards))
    (('camera', 'A'), ('read-out mode', 'Fast'))
    """
    colours = () if facts.colours is None else ((COLOUR_SETTING, facts.colours.letters),)
    return (*_settings(cards), *_gain_setting(cards, facts), *colours)


@cache
def _tables() -> dict[str, Any]:
    return tomllib.loads(Path(__file__).with_name("traits.toml").read_text(encoding="utf-8"))


@cache
def _settings_words() -> tuple[tuple[tuple[str, tuple[tuple[str, ...], ...]], ...], tuple[str, ...]]:
    """Return the sorts of settings with their alternatives, and all keywords that may say one."""
    sorts = tuple(
        (sort, tuple(tuple(keywords) for keywords in alternatives))
        for sort, alternatives in _tables()["settings"].items()
    )
    return sorts, tuple(keyword for _, alternatives in sorts for keywords in alternatives for keyword in keywords)


def _text(value: object) -> str:
    """Return what a card says, as one writes it; empty where it says nothing."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return ""
    text = " ".join(value.split()) if isinstance(value, str) else f"{value:.12g}"
    return "" if text.casefold() in _SILENT else text


@lru_cache(maxsize=256)
def _settings_among(there: tuple[str, ...] | None) -> tuple[tuple[str, tuple[tuple[str, ...], ...]], ...]:
    """Return those sorts and alternatives of which a keyword is there; all, where that is not known."""
    sorts, _ = _settings_words()
    if there is None:
        return sorts
    left = ((sort, tuple(each for each in words if not set(each).isdisjoint(there))) for sort, words in sorts)
    return tuple((sort, alternatives) for sort, alternatives in left if alternatives)


def _settings(cards: Mapping[str, object]) -> tuple[tuple[str, str], ...]:
    there = cards.present(_settings_words()[1]) if isinstance(cards, Cards) else None
    found = []
    for sort, alternatives in _settings_among(there):
        for keywords in alternatives:
            said = [_text(cards.get(keyword)) for keyword in keywords]
            if any(said):
                found.append((sort, ", ".join(said)))
                break
    return tuple(found)


def _gain_setting(cards: Mapping[str, object], facts: FrameFacts) -> tuple[tuple[str, str], ...]:
    """Return the setting of a CMOS camera's amplifier, which stands under GAIN and is no gain in e-/ADU."""
    value = cards.get("GAIN")
    if isinstance(value, bool) or not isinstance(value, int | float) or value == facts.gain_e_per_adu:
        return ()
    if value and not _SMALLEST_SETTING <= abs(value) <= _LARGEST_SETTING:  # neither gain nor setting: it is unknown
        return ()
    return (("gain setting", _text(value)),)


def moment_of(item: RawFrame) -> Moment | None:
    """Return when an exposure began, or None where its header does not say it.

    Parameters
    ----------
    item : RawFrame
        With a header.

    Returns
    -------
    Moment or None
    """
    if item.frame is None or item.facts is None:
        return None
    cards = item.frame.cards
    found = parse_moment(item.facts.date_obs or "")
    if found is not None and found.seconds is None:
        clocks = (_clock(_text(cards.get(word))) for word in _tables()["time"]["clock"])
        return Moment(found.day, next((seconds for seconds in clocks if seconds is not None), None))
    return found or _counted(cards)


def parse_moment(text: str) -> Moment | None:
    """Read a DATE-OBS; None where it is no date."""
    iso, old = _ISO.fullmatch(text.strip()), _OLD.fullmatch(text.strip())
    try:
        if iso is not None:
            return Moment(date(int(iso[1]), int(iso[2]), int(iso[3])), _clock(iso[4] or ""))
        if old is not None:
            return Moment(date(1900 + int(old[3]), int(old[2]), int(old[1])))
    except ValueError:  # the 31st of February: a header's mistake, and then nothing is known
        return None
    return None


def _clock(text: str) -> float | None:
    match = _CLOCK.fullmatch(text.strip())
    if match is None:
        return None
    hours, minutes, seconds = int(match[1]), int(match[2]), float(match[3] or 0)
    # 60.9 s in a leap second; what is beyond is no time of the day
    return 3600.0 * hours + 60.0 * minutes + seconds if hours < 24 and minutes < 60 and seconds < 61 else None


def _counted(cards: Mapping[str, object]) -> Moment | None:
    """Read a Julian date."""
    for words, zero in ((_tables()["time"]["mjd"], 0.0), (_tables()["time"]["jd"], _JD_OF_MJD_ZERO)):
        for word in words:
            value = cards.get(word)
            # what is beyond is no date of a CCD, and may be beyond the calendar
            if isinstance(value, int | float) and isfinite(value) and 40000 < value - zero < 100000:
                time = _MJD_ZERO + timedelta(days=value - zero)
                return Moment(
                    time.date(), (time - datetime.combine(time.date(), datetime.min.time(), UTC)).total_seconds()
                )
    return None


def split_nights(moments: Sequence[Moment | None], noon_s: float | None = None) -> NightSplit:
    """Tell exposures apart by night.

    Parameters
    ----------
    moments : sequence of Moment or None
        When they began.
    noon_s : float, optional
        Where one night ends and the next begins, when that is known from more exposures than these.

    Returns
    -------
    NightSplit

    Notes
    -----
    A night runs from noon to noon, but headers seldom say where the telescope stands, and in universal time a night may
    begin at any hour. The longest stretch of the day in which nothing was exposed on any date is daytime; its middle is
    taken for noon.

    Examples
    --------
    >>> evening, morning = Moment(date(2016, 1, 16), 5400.0), Moment(date(2016, 1, 16), 43200.0)
    >>> split_nights([evening, morning, Moment(date(2016, 1, 17), 7200.0)]).nights
    ('2016-01-15', '2016-01-15', '2016-01-16')
    """
    clocks = sorted(
        {moment.seconds % _DAY_S for moment in moments if moment is not None and moment.seconds is not None}
    )
    if not clocks:
        return NightSplit(tuple(None if each is None else each.day.isoformat() for each in moments), None, 0.0)
    if noon_s is None:
        gaps = [(later - clock, clock) for clock, later in zip(clocks, [*clocks[1:], clocks[0] + _DAY_S], strict=True)]
        idle_s, begins_s = max(gaps)
        noon_s = (begins_s + idle_s / 2) % _DAY_S
    else:
        idle_s = min((clock - noon_s) % _DAY_S for clock in clocks) + min((noon_s - clock) % _DAY_S for clock in clocks)
    return NightSplit(tuple(_night_of(moment, noon_s) for moment in moments), noon_s, idle_s)


def _night_of(moment: Moment | None, noon_s: float) -> str | None:
    if moment is None:
        return None
    before_noon = moment.seconds is not None and moment.seconds < noon_s
    return (moment.day - timedelta(days=1 if before_noon else 0)).isoformat()


def emptiest_hours(moments: Sequence[Moment | None], hours: int = 3) -> float | None:
    """Return the middle of those hours of the day in which least was exposed, for years in which no hour was idle.

    Parameters
    ----------
    moments : sequence of Moment or None
        When exposures began.
    hours : int
        How many.

    Returns
    -------
    float or None
        In seconds since midnight UT, to five minutes; None where no time of day is known.

    Examples
    --------
    >>> night = [Moment(date(2016, 1, day), 3600.0 * hour) for day in range(1, 9) for hour in range(2, 12)]
    >>> darks_all_day = [Moment(date(2016, 1, 9), 900.0 * quarter) for quarter in range(96)]
    >>> 12 <= emptiest_hours(night + darks_all_day) / 3600 <= 25
    True
    """
    slots = 288
    counts = [0] * slots
    for moment in moments:
        if moment is not None and moment.seconds is not None:
            counts[int(moment.seconds % _DAY_S * slots / _DAY_S)] += 1
    if not any(counts):
        return None
    width = hours * slots // 24
    begins = min(range(slots), key=lambda begin: sum(counts[(begin + each) % slots] for each in range(width)))
    return (begins + width / 2) % slots * _DAY_S / slots
