"""What a header says that decides which frames belong together: how the sensor was read, and when."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from zeroframe.headers.moments import Moment
from zeroframe.planning.plan import Configuration
from zeroframe.records import dataclass

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zeroframe.headers.survey import RawFrame

__all__ = [
    "NO_FILTER",
    "SHORTEST_DAY_S",
    "Moment",
    "NightSplit",
    "emptiest_hours",
    "in_electrons",
    "moment_of",
    "read_traits",
    "split_nights",
]

#: What the filter is called of frames whose headers say that there was none.
NO_FILTER = "no filter"
_DAY_S = 86400.0
#: With less idle time than this, the day cannot be told from a break in the night.
SHORTEST_DAY_S = 3 * 3600.0
_CHIP = "chip"


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
    shape_yx, binning_xy, unit, _ = item.form
    ny, nx = shape_yx or (0, 0)
    if facts is None:
        return Configuration((ny, nx), night=night)
    return Configuration(
        shape_yx=(ny, nx),
        binning_xy=binning_xy,
        unit=unit,
        exposure_s=facts.exposure_s,
        filter_name=NO_FILTER if facts.without_filter else facts.filter_name,
        temperature_c=facts.temperature_c,
        gain_e_per_adu=_gain_of(item, facts.gain_e_per_adu, unit),
        settings=_with_detector(facts.settings, item.detector),
        night=night,
        flat_light=facts.flat_light,
        optics=facts.optics,
        angles=facts.angles,
        done=tuple(kind for kind, _ in facts.done),
    )


def in_electrons(item: RawFrame) -> bool:
    """Whether the pixels of a frame are in electrons, as its header says: they were multiplied by the gain before.

    A header keeps the gain of the camera then, as a rule; that of these pixels is 1.
    """
    return item.form[2] == "electron"


def _gain_of(item: RawFrame, stated: float | None, unit: str) -> float | None:
    """Return the gain; of several amplifiers the mean of theirs, as their results state it, and no single one.

    That of pixels in electrons is 1, as our results say: it tells nothing of the camera. Another one tells its setting.
    """
    if unit == "electron" and stated == 1.0:
        return None
    amplifiers = () if item.found is None else item.found.detector.amplifiers
    if len(amplifiers) < 2:
        return stated
    gains = [each.gain_e_per_adu for each in amplifiers if each.gain_e_per_adu is not None]
    return sum(gains) / len(gains) if len(gains) == len(amplifiers) else None


def _with_detector(settings: tuple[tuple[str, str], ...], detector: str) -> tuple[tuple[str, str], ...]:
    """Return settings that tell the detectors of one file apart, where no word of the headers does."""
    if not detector or any(sort == _CHIP for sort, _ in settings):
        return settings
    return (*settings, (_CHIP, detector))


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
    return None if item.facts is None else item.facts.began


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
    >>> from datetime import date
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


def emptiest_hours(moments: Sequence[Moment | None]) -> float | None:
    """Return the middle of the three hours of the day in which least was exposed, for years in which no hour was idle.

    Parameters
    ----------
    moments : sequence of Moment or None
        When exposures began.

    Returns
    -------
    float or None
        In seconds since midnight UT, to five minutes; None where no time of day is known.

    Examples
    --------
    >>> from datetime import date
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
    width = 3 * slots // 24
    begins = min(range(slots), key=lambda begin: sum(counts[(begin + each) % slots] for each in range(width)))
    return (begins + width / 2) % slots * _DAY_S / slots
