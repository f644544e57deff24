"""The page of many nights: figures against nights, with what has changed marked. It rests on each night's run.json."""

from __future__ import annotations

import math
from dataclasses import field
from datetime import UTC, date, datetime
from statistics import median
from typing import TYPE_CHECKING
from urllib.parse import quote

from zeroframe.frames.numbers import number
from zeroframe.headers.kinds import Kind
from zeroframe.kernels.stack_limits import MAD_TO_SIGMA
from zeroframe.records import dataclass
from zeroframe.report.data import (
    Column,
    Curve,
    Fact,
    KeyFigure,
    PageSection,
    PageVerdict,
    Plot,
    Remark,
    ReportData,
    Span,
    Table,
    TableRow,
)
from zeroframe.report.sections.provenance import software_facts
from zeroframe.run.record import known_record

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from zeroframe.report.data import Tone
    from zeroframe.run.record import RunRecord

__all__ = ["nights_report_data"]

#: A figure is held against so many nights before it.
_MOST_BEFORE = 10
#: Their scatter counts from so many on; before, a change has to be larger than the part that a quantity allows.
_FEWEST_FOR_SCATTER = 4
_SIGMAS = 5.0
_MOST_CURVES = 5
_SHOWN_CHANGES = 12
#: Of what marks a change in a diagram, in nights.
_HALF_WIDTH = 0.35


@dataclass(frozen=True)
class Quantity:
    """What is followed from night to night.

    Attributes
    ----------
    title, unit : str
        Words for it.
    part : float
        A change of less than this part of the nights before is none.
    least : float
        Nor is one of less than this, in its unit.
    """

    title: str
    unit: str
    part: float
    least: float = 0.0


QUANTITIES = {
    "read_noise": Quantity("Read noise", "ADU", 0.25),
    "gain": Quantity("Gain", "e⁻/ADU", 0.25),
    "bias_level": Quantity("Bias level", "ADU", 0.02, 5.0),
    "dark_current": Quantity("Dark current", "ADU/s", 0.5, 0.01),
    "flat_level": Quantity("Flat level", "ADU", 0.5),
    "hot_pixels": Quantity("Hot pixels", "", 0.5, 20.0),
}


@dataclass
class _Night:
    """One night: its figures by quantity and by what they are of."""

    name: str
    record: RunRecord
    values: dict[str, dict[str, float]] = field(default_factory=dict)

    @property
    def headline(self) -> str:
        return str(self.record.this_run.get("verdict", "was not carried out to its end"))


@dataclass(frozen=True)
class _Change:
    night: str
    quantity: str
    of: str
    value: float
    before: float

    @property
    def sentence(self) -> str:
        what = QUANTITIES[self.quantity]
        return (
            f"{self.night}: {what.title.lower()} ({self.of}) {number(self.value)} {what.unit}, "
            f"{number(self.before)} in the nights before"
        )


def nights_report_data(out: Path, names: Sequence[str], *, command: str = "") -> ReportData:
    """Gather what the page of many nights shows.

    Parameters
    ----------
    out : pathlib.Path
        Holds a folder for each night.
    names : sequence of str
        The nights, in their order.
    command : str
        The command line.

    Returns
    -------
    ReportData
        Nights without results are named, too.
    """
    nights = [_Night(name, known_record(out / name)) for name in names]
    for night in nights:
        for quantity, of, value in _figures(night.record):
            night.values.setdefault(quantity, {})[of] = value
    changes = list(_changes(nights))
    odd = [night for night in nights if not night.record.was_good]
    plots = tuple(plot for quantity in QUANTITIES if (plot := _plot(nights, quantity, changes)) is not None)
    told = tuple(Remark(each.sentence, "note") for each in changes)
    said = f"{len(changes)} figure{'s' if len(changes) != 1 else ''} changed" if changes else "no figure changed"
    headline = f"{len(nights)} nights: {f'{len(odd)} want a look' if odd else 'all are well'}; {said}."
    verdict = PageVerdict("note" if odd or changes else "good", headline, told[:_SHOWN_CHANGES], told[_SHOWN_CHANGES:])
    return ReportData(
        title="Nights against each other",
        subtitle=f"{names[0]} to {names[-1]} · {out}" if names else str(out),
        verdict=verdict,
        figures=tuple(_key_figures(nights)),
        sections=(
            PageSection("Figures against nights", "", (), (), plots),
            PageSection("Nights", "", tables=(_table(nights, changes),)),
        ),
        provenance=(*([Fact("command", command)] if command else []), *software_facts()),
        made=f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
    )


def _figures(record: RunRecord) -> Iterator[tuple[str, str, float]]:
    """Yield quantity, what it is of, and its value, of a night."""
    figures: Mapping[str, Mapping[str, float]] = record.this_run.get("figures", {})
    groups = record.recipe.get("groups", {})
    frames = record.recipe.get("frames", {})
    bias_level = math.nan
    for name, group in groups.items():
        known, label, kind = figures.get(name, {}), group["label"], group["kind"]
        if kind == Kind.BIAS:
            bias_level = known.get("level_adu", math.nan)
            targets = [frames[frame]["target"] for frame in group["frames"] if frame in frames]
            raw = [figures[each]["raw_level_adu"] for each in targets if "raw_level_adu" in figures.get(each, {})]
            yield from _if_known("read_noise", label, known.get("read_noise_adu", math.nan))
            yield from _if_known("bias_level", label, median(raw) if raw else math.nan)
        elif kind == Kind.DARK and known.get("exposure_s", 0.0) > 0:
            less = bias_level if group["includes_bias"] else 0.0
            current = (known.get("level_adu", math.nan) - less) / known["exposure_s"]
            yield from _if_known("dark_current", label, current)
        elif kind == Kind.FLAT:
            yield from _if_known("flat_level", label, known.get("level_adu", math.nan))
            yield from _if_known("gain", label, known.get("gain_e_per_adu", math.nan))
    for name, mask in record.recipe.get("masks", {}).items():
        if mask["what"] == "hot":
            of = groups.get(mask["source"], {}).get("label", mask["source"])
            yield from _if_known("hot_pixels", of, figures.get(name, {}).get("masked_pixels", math.nan))


def _if_known(quantity: str, of: str, value: float) -> Iterator[tuple[str, str, float]]:
    if math.isfinite(value):
        yield quantity, of, value


def _changes(nights: Sequence[_Night]) -> Iterator[_Change]:
    """Yield figures that are not those of the nights before: by more than their scatter, and by more than is usual."""
    for number_, night in enumerate(nights):
        for quantity, found in night.values.items():
            for of, value in found.items():
                earlier = [each.values.get(quantity, {}).get(of) for each in nights[:number_]]
                before = [each for each in earlier if each is not None][-_MOST_BEFORE:]
                if before and abs(value - median(before)) > _limit(quantity, before):
                    yield _Change(night.name, quantity, of, value, median(before))


def _limit(quantity: str, before: Sequence[float]) -> float:
    what, middle = QUANTITIES[quantity], median(before)
    limit = max(what.part * abs(middle), what.least)
    if len(before) < _FEWEST_FOR_SCATTER:
        return limit
    return max(limit, _SIGMAS * MAD_TO_SIGMA * median(abs(each - middle) for each in before))


def _series(nights: Sequence[_Night], quantity: str) -> dict[str, list[tuple[int, float]]]:
    """Return the figures of a quantity by what they are of; those of most nights first."""
    found: dict[str, list[tuple[int, float]]] = {}
    for place, night in enumerate(nights):
        for of, value in night.values.get(quantity, {}).items():
            found.setdefault(of, []).append((place, value))
    return dict(sorted(found.items(), key=lambda each: -len(each[1])))


def _days(nights: Sequence[_Night]) -> tuple[list[float], str]:
    """Return where nights stand on an axis, and what that is called: days where all names are dates."""
    try:
        days = [date.fromisoformat(night.name[:10]).toordinal() for night in nights]
    except ValueError:
        return [float(number_) for number_ in range(1, len(nights) + 1)], "night, in their order"
    return [float(day - days[0]) for day in days], f"days from {nights[0].name[:10]}"


def _plot(nights: Sequence[_Night], quantity: str, changes: Sequence[_Change]) -> Plot | None:
    series, what = _series(nights, quantity), QUANTITIES[quantity]
    if not series or len(nights) < 2:
        return None
    days, axis = _days(nights)
    curves = tuple(
        Curve(of, tuple(days[place] for place, _ in points), tuple(value for _, value in points), marks=True)
        for of, points in list(series.items())[:_MOST_CURVES]
    )
    left = len(series) - len(curves)
    changed = {change.night for change in changes if change.quantity == quantity}
    spans = [
        Span(day - _HALF_WIDTH, day + _HALF_WIDTH, f"changed: {night.name}", "note")
        for day, night in zip(days, nights, strict=True)
        if night.name in changed
    ]
    return Plot(
        what.title, axis, _with_unit(what),
        f"{what.title} against nights, of {', '.join(curve.label for curve in curves)}", curves,
        tuple(spans[:_MOST_CURVES]),
        caption=f"{left} more are not drawn." if left else "", tabulated=True,
    )  # fmt: skip


def _table(nights: Sequence[_Night], changes: Sequence[_Change]) -> Table:
    columns = (
        *(Column("night"), Column("verdict", is_long=True)),
        *(Column(_with_unit(what), figure=True) for what in QUANTITIES.values()),
        Column("changed", is_long=True),
    )
    rows = []
    for night in nights:
        own = [each for each in changes if each.night == night.name]
        cells = [_cell(list(night.values.get(quantity, {}).values())) for quantity in QUANTITIES]
        changed = ", ".join(f"{QUANTITIES[each.quantity].title.lower()} ({each.of})" for each in own) or "–"
        tone: Tone = "note" if own or not night.record.was_good else "neutral"
        link = f"./{quote(night.name)}/report.html" if night.record.report is not None else ""
        rows.append(TableRow((night.name, night.headline, *cells, changed), tone, link))
    hint = (
        "Of several filters or exposures the range is given. Changed: by more than five times the scatter of up to ten "
        "nights before (where there are four), and by more than 25 % (read noise, gain), 2 % and 5 ADU (bias level), "
        "50 % (dark current, flat level, hot pixels)."
    )
    return Table("", columns, tuple(rows), hint)


def _with_unit(what: Quantity) -> str:
    return what.title.lower() + (f", {what.unit}" if what.unit else "")


def _cell(values: Sequence[float]) -> str:
    if not values:
        return "–"
    low, high = number(min(values), 4), number(max(values), 4)
    return low if low == high else f"{low} to {high}"


def _key_figures(nights: Sequence[_Night]) -> Iterator[KeyFigure]:
    yield KeyFigure("nights", str(len(nights)), f"{sum(night.record.was_good for night in nights)} well")
    for quantity, what in QUANTITIES.items():
        series = _series(nights, quantity)
        if series:
            of, points = next(iter(series.items()))
            values = [value for _, value in points]
            text = f"{number(min(values))} to {number(max(values))}, {of}" if len(values) > 1 else of
            yield KeyFigure(what.title.lower(), f"{number(median(values))} {what.unit}", text)
