"""The section of the frames that were calibrated and not combined: before and after, with what, and why."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from zeroframe.frames.numbers import number, percent
from zeroframe.headers.kinds import Kind
from zeroframe.planning.decisions import lost_words
from zeroframe.planning.first_steps import Choice
from zeroframe.planning.grouping import exposure_words, filter_of, frames_words
from zeroframe.planning.words import explain_frame
from zeroframe.records import dataclass
from zeroframe.report.data import Blink, Column, Comparison, PageSection, Remark, Table, TableRow
from zeroframe.report.draw.figures import alike_pictures
from zeroframe.report.draw.sampling import TrimmedImage, open_rows, preview
from zeroframe.report.sections.glance import clock_words
from zeroframe.report.sections.reading import figure_words, level_words, unit_words
from zeroframe.stacks.measured import measure_rows
from zeroframe.workers import map_threads

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from zeroframe.planning.plan import NightFrame
    from zeroframe.planning.traits import Moment
    from zeroframe.report.data import PagePicture
    from zeroframe.report.sections.reading import NightView
    from zeroframe.run.outcomes import NightOutcome

__all__ = ["LightFigures", "measure_lights", "science_section"]

#: Frames that are shown before and after, and their pictures together: 1.4 MB of the page.
_MOST_SHOWN = 48
_ALL_PIXELS = 1_000_000
_MOST_PIXELS = 60_000
#: Larger pictures that can be blinked: 0.8 MB.
_MOST_LARGE, _LARGE_PIXELS = 3, 100_000
_MOST_ROWS = 400
#: Noise that differs from the uncertainty that is stated by more deserves a look.
_TOO_DIFFERENT = 0.15


@dataclass(frozen=True, slots=True)
class LightFigures:
    """What is told of a science frame in figures; NaN where it is not known.

    Attributes
    ----------
    raw_level, raw_noise : float
        Of the trimmed raw frame: its background, and the noise of a pixel against its neighbours.
    level, noise : float
        The same of the calibrated one, masked pixels left out.
    stated : float
        Median of the standard deviations that stand in the file.
    noise_ratio : float
        Noise of a pixel against its neighbours over what is stated of them, pixel by pixel: 1 is right.
    saturated, masked, pixels : int
        How many, of how many.
    unit : str
        Of what is calibrated.
    """

    raw_level: float
    raw_noise: float
    level: float
    noise: float
    stated: float
    noise_ratio: float
    saturated: int
    masked: int
    pixels: int
    unit: str


def measure_lights(view: NightView) -> dict[str, LightFigures]:
    """Measure the science frames that are there, on some of their rows, before and after.

    Parameters
    ----------
    view : NightView
        The night.

    Returns
    -------
    dict of str to LightFigures
        By the name of the frame.
    """
    there = [each for each in view.science if each.outcome.is_there][:_MOST_ROWS]
    measured = map_threads(_measured, there, view.workers)
    return {each.frame.name: figures for each, figures in zip(there, measured, strict=True)}


def _measured(each: NightOutcome) -> LightFigures:
    frame, said = each.frame, each.said
    before = measure_rows(TrimmedImage(open_rows(frame.source), frame.recipe), 0)
    after = measure_rows(open_rows(frame.target), 0)  # masked pixels left out
    ny, nx = frame.shape_yx
    return LightFigures(
        raw_level=float(said.get("RAWLEVEL", before.level_adu)),
        raw_noise=before.noise_adu,
        level=after.level_adu,
        noise=after.noise_adu,
        stated=float(said.get("UNCMED", math.nan)),
        noise_ratio=float(said.get("NOISERAT", math.nan)),
        saturated=int(said.get("NSATPIX", 0)),
        masked=int(said.get("NMASKED", 0)),
        pixels=ny * nx,
        unit=unit_words(frame, said),
    )


def science_section(
    view: NightView, figures: Mapping[str, LightFigures], moments: Mapping[Path, Moment]
) -> PageSection | None:
    """Return the section of the science frames; None where there is none.

    Parameters
    ----------
    view : NightView
        The night.
    figures : mapping of str to LightFigures
        From `measure_lights`.
    moments : mapping of path to Moment
        When raw files were begun.
    """
    lights = view.science
    if not lights:
        return None
    shown = _chosen(lights)
    drawn = [each for each in shown if each.outcome.is_there]
    pixels = min(_MOST_PIXELS, _ALL_PIXELS // max(2 * len(drawn), 1))
    pairs = map_threads(lambda each: _pictures(each, pixels), drawn, view.workers)
    pictures = {each.frame.name: pair for each, pair in zip(drawn, pairs, strict=True)}
    comparisons = tuple(_comparison(view, each, figures.get(each.frame.name), pictures, moments) for each in shown)
    left = len(lights) - len(shown)
    remarks = [Remark(f"{frames_words(left)} more are in the table, but not shown before and after.")] if left else []
    blinks = tuple(map_threads(_large_blink, _of_each_filter(drawn), view.workers))
    kinds = {each.frame.kind for each in lights}
    title = "Science" if kinds == {Kind.SCIENCE} else "Science and other frames that are not combined"
    tables = (_table(view, lights, figures),) if len(lights) > 1 else ()
    return PageSection(title, "ADU", tuple(remarks), blinks, tables=tables, comparisons=comparisons)


def _chosen(lights: Sequence[NightOutcome]) -> list[NightOutcome]:
    """Return those that are shown, in their order; those with which something is wrong first of all."""
    calm = sorted(lights, key=_is_calm)
    kept = {each.frame.name for each in calm[:_MOST_SHOWN]}
    return [each for each in lights if each.frame.name in kept]


def _is_calm(each: NightOutcome) -> bool:
    return each.is_good and not any(match.is_missing for match in each.frame.matches) and not each.outcome.reason


def _pictures(each: NightOutcome, pixels: int) -> tuple[tuple[PagePicture, ...], str]:
    """Return a frame before and after; what is masked is not shown after."""
    frame = each.frame
    before = preview(TrimmedImage(open_rows(frame.source), frame.recipe), pixels=pixels)
    after = preview(open_rows(frame.target), pixels=pixels)
    factor = _factor(each)
    files = str(frame.source), str(frame.target) if factor == 1.0 else ""
    pictures, caption = alike_pictures(
        frame.name, before, after / factor, unit_words(frame), (frame.shape_yx, pixels), files
    )
    electrons = "" if factor == 1.0 else f" Calibrated is shown in ADU, too: electrons over {number(factor)} e⁻/ADU."
    return pictures, f"{caption}{electrons}"


def _factor(each: NightOutcome) -> float:
    """Return what the calibrated frame was multiplied by to be in electrons."""
    if not each.frame.steps.to_electrons or each.said.get("BUNIT") != "electron":
        return 1.0
    return float(each.said.get("GAINCOR", 1.0))


def _large_blink(each: NightOutcome) -> Blink:
    pictures, caption = _pictures(each, _LARGE_PIXELS)
    where = each.frame.traits.filter_name
    return Blink(f"Before and after{', ' + where if where else ''}", pictures, f"{each.frame.name}. {caption}")


def _of_each_filter(drawn: Sequence[NightOutcome]) -> list[NightOutcome]:
    """Return the first frame of each of some filters."""
    first: dict[str | None, NightOutcome] = {}
    for each in drawn:
        first.setdefault(filter_of(each.frame.traits), each)
    return list(first.values())[:_MOST_LARGE]


def _table(view: NightView, lights: Sequence[NightOutcome], figures: Mapping[str, LightFigures]) -> Table:
    columns = (
        *(
            Column("file"),
            Column("filter"),
            Column("exposure", figure=True),
            Column("raw level", figure=True),
        ),
        *(Column("raw noise", figure=True), Column("level", figure=True), Column("noise", figure=True)),
        *(Column("stated", figure=True), Column("saturated", figure=True), Column("masked", figure=True)),
        Column("calibrated with", is_long=True),
    )
    rows = []
    for each in lights[:_MOST_ROWS]:
        frame, found = each.frame, figures.get(each.frame.name)
        cells = [frame.name, frame.traits.filter_name or "–", exposure_words(frame.traits.exposure_s)]
        if found is None:
            rows.append(TableRow((*cells, *("–" for _ in range(7)), each.outcome.state), "bad"))
            continue
        cells += [level_words(found.raw_level, found.raw_noise), figure_words(found.raw_noise)]
        cells += [level_words(found.level, found.noise), figure_words(found.noise), figure_words(found.stated)]
        cells += [f"{found.saturated:,}", f"{found.masked:,}", _used(view, frame)]
        rows.append(TableRow(tuple(cells), "neutral" if _is_calm(each) else "note", view.link(frame.target)))
    more = len(lights) - len(rows)
    hint = (
        "Level: of the background. Noise: of a pixel against its neighbours. Stated: the median of the uncertainties "
        "in the file; where the background is even, the noise is as much. Masked: saturated, hot and bad pixels, and "
        "cosmic rays where they are looked for."
    )
    hint += f" {more} more are not listed." if more > 0 else ""
    return Table("All of them", columns, tuple(rows), hint)


def _used(view: NightView, frame: NightFrame) -> str:
    said = [view.label(use.name) + _scale(use.scale) for use in frame.steps.uses]
    return ", ".join(said) or "overscan and trim only"


def _scale(scale: float | None) -> str:
    return "" if scale is None else f" × {scale:.3g}"


def _comparison(
    view: NightView,
    each: NightOutcome,
    found: LightFigures | None,
    pictures: Mapping[str, tuple[tuple[PagePicture, ...], str]],
    moments: Mapping[Path, Moment],
) -> Comparison:
    frame, facts = each.frame, each.frame.facts
    words = [frame.kind.value, facts.object_name, frame.traits.filter_name, exposure_words(frame.traits.exposure_s)]
    words.append(clock_words(moments.get(frame.source)))
    shown, caption = pictures.get(frame.name, ((), ""))
    return Comparison(
        frame.name,
        " · ".join(word for word in words if word),
        shown,
        None if found is None else _figures(found, unit_words(frame)),
        _steps(view, each),
        tuple(_remarks(view, each, found)),
        caption,
        tuple(line.strip() for line in explain_frame(frame.name, frame.matches)),
        view.link(frame.target) if each.outcome.is_there else "",
    )


def _figures(found: LightFigures, raw_unit: str) -> Table:
    columns = (
        Column(""),
        Column(f"raw, {raw_unit}", figure=True),
        Column(f"calibrated, {found.unit}", figure=True),
    )
    rows = [
        TableRow(("background", level_words(found.raw_level, found.raw_noise), level_words(found.level, found.noise))),
        TableRow(("noise of a pixel", figure_words(found.raw_noise), figure_words(found.noise))),
    ]
    if math.isfinite(found.stated):
        rows.append(TableRow(("uncertainty stated", "–", figure_words(found.stated))))
    rows.append(TableRow(("saturated", _share(found.saturated, found.pixels), "–")))
    rows.append(TableRow(("masked", "–", _share(found.masked, found.pixels))))
    return Table("", columns, tuple(rows))


def _share(count: int, pixels: int) -> str:
    return f"{count:,} ({percent(count / pixels)})" if count else "none"


def _steps(view: NightView, each: NightOutcome) -> tuple[Choice, ...]:
    """Return what was done with which combined frame, and why in short."""
    found = []
    for match in each.frame.matches:
        step = match.what
        if step in each.lost:
            found.append(Choice(step, "none", f"{match.chosen} could not be made: {lost_words(step)}", certain=False))
        elif match.chosen is not None:
            said = f"{view.label(match.chosen)}{_scale(match.scale)}"
            certain = match.scale is None or match.scale <= 1
            found.append(Choice(step, said, match.reason, certain))
        elif match.needed:
            found.append(Choice(step, "none", f"{lost_words(step)}: {match.reason}", certain=False))
        else:
            found.append(Choice(step, "not needed", match.reason))
    return tuple(found)


def _remarks(view: NightView, each: NightOutcome, found: LightFigures | None) -> list[Remark]:
    outcome = each.outcome
    if outcome.state == "failed":
        return [Remark(view.short(outcome.reason), "bad")]
    remarks = [Remark(view.short(outcome.reason), "note")] if outcome.state == "done" and outcome.reason else []
    if found is not None and math.isfinite(found.noise_ratio):
        apart = abs(found.noise_ratio - 1)
        text = f"Measured noise / uncertainty in the file: {figure_words(found.noise_ratio)} (1 is right)."
        remarks.append(Remark(text, "note" if apart > _TOO_DIFFERENT else "good"))
    return remarks
