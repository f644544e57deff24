"""When things were exposed, as SVG whose text keeps its size: places are percentages of the width."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from zeroframe.records import dataclass

if TYPE_CHECKING:
    from zeroframe.report.data import Timeline

__all__ = ["DrawnBar", "DrawnLane", "DrawnTimeline", "draw_timeline"]

_LANE_HEIGHT = 42.0
_AXIS_HEIGHT = 22.0
_STEPS_H = (1 / 12, 1 / 6, 1 / 4, 1 / 2, 1.0, 2.0, 3.0, 6.0, 12.0, 24.0)
_MOST_TICKS = 6
_MARGIN = 0.02
#: What is shorter is still seen.
_LEAST_PERCENT = 0.25


@dataclass(frozen=True, slots=True)
class DrawnBar:
    """Left edge and width, in percent of the width of the figure."""

    left: float
    width: float
    label: str


@dataclass(frozen=True, slots=True)
class DrawnLane:
    """A label at ``y``, and bars below it."""

    label: str
    style: int
    y: float
    bars: tuple[DrawnBar, ...]


@dataclass(frozen=True, slots=True)
class DrawnTimeline:
    """A figure of so many pixels in height; ticks are (percent, time of the day)."""

    timeline: Timeline
    lanes: tuple[DrawnLane, ...]
    ticks: tuple[tuple[float, str], ...]
    height: float
    axis_y: float


def draw_timeline(timeline: Timeline) -> DrawnTimeline:
    """Return where everything in a timeline stands.

    Parameters
    ----------
    timeline : Timeline
        With at least one bar.

    Returns
    -------
    DrawnTimeline

    Examples
    --------
    >>> from zeroframe.report.data import Bar, Lane, Timeline
    >>> drawn = draw_timeline(Timeline("t", "a", (Lane("bias", 0, (Bar(23.0, 0.0, "b"), Bar(25.0, 0.5, "c"))),)))
    >>> [tick[1] for tick in drawn.ticks]
    ['23:30', '00:00', '00:30', '01:00']
    """
    bars = [bar for lane in timeline.lanes for bar in lane.bars]
    first, last = min(bar.start_h for bar in bars), max(bar.start_h + bar.length_h for bar in bars)
    room = max(_MARGIN * (last - first), 1 / 60)
    low, high = first - room, last + room
    scale = 100.0 / (high - low)
    lanes = tuple(
        DrawnLane(
            lane.label,
            lane.style % 5,
            round(number * _LANE_HEIGHT + 14.0, 1),
            tuple(
                DrawnBar(
                    round((bar.start_h - low) * scale, 3),
                    round(max(bar.length_h * scale, _LEAST_PERCENT), 3),
                    bar.label,
                )
                for bar in lane.bars
            ),
        )
        for number, lane in enumerate(timeline.lanes)
    )
    axis_y = len(lanes) * _LANE_HEIGHT - 8.0
    return DrawnTimeline(timeline, lanes, _ticks(low, high), axis_y + _AXIS_HEIGHT, axis_y)


def _ticks(low: float, high: float) -> tuple[tuple[float, str], ...]:
    """Return round times, as (percent, words), that are not so near an edge that they would be cut."""
    # beyond the longest step whole days: however long an exposure is, the ticks stay as few
    days = math.ceil((high - low) / _STEPS_H[-1] / _MOST_TICKS)
    step = next((step for step in _STEPS_H if (high - low) / step <= _MOST_TICKS), _STEPS_H[-1] * days)
    times = [step * n for n in range(math.ceil(low / step), math.floor(high / step) + 1)]
    placed = [(round(100.0 * (time - low) / (high - low), 3), _clock(time)) for time in times]
    return tuple((place, words) for place, words in placed if 3.0 <= place <= 97.0)


def _clock(hours: float) -> str:
    minutes = round(60 * hours) % (24 * 60)
    return f"{minutes // 60:02d}:{minutes % 60:02d}"
