"""Which frames of a night are of a colour sensor: by recipe, by their headers, and by the light of its flats."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from zeroframe.errors import FrameError, UnsupportedError
from zeroframe.fits import read_band, read_raw, scan
from zeroframe.fits.decode import decode_pixels
from zeroframe.fits.failures import attempt
from zeroframe.frames.colours import pattern_by_levels, phase_levels
from zeroframe.frames.numbers import number
from zeroframe.headers.colours import ColourPattern
from zeroframe.headers.kinds import Kind, kind_row
from zeroframe.planning.first_steps import Choice
from zeroframe.planning.grouping import frames_words
from zeroframe.records import dataclass
from zeroframe.workers import done_by

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from concurrent.futures import Executor

    from numpy.typing import NDArray

    from zeroframe.headers.survey import RawFrame
    from zeroframe.planning.plan import Group, NightFrame, NightPlan
    from zeroframe.planning.recipe import NightRecipe

__all__ = ["colours_by_pixels", "stated_pattern"]

#: So many bands of so many rows are looked at, and of each the middle half: beside it may be an overscan.
_BANDS, _BAND_ROWS = 16, 8
#: Without colours are cells whose pixels differ by less than so many errors, or this fraction of their level.
_ALIKE_SIGMAS, _ALIKE_FRACTION = 5.0, 5e-3


def stated_pattern(item: RawFrame, recipe: NightRecipe) -> ColourPattern | None:
    """Return the colour pattern of a raw frame as recipe or header state it, of the pixels as they are stored.

    Parameters
    ----------
    item : RawFrame
        The frame.
    recipe : NightRecipe
        What was asked for.

    Raises
    ------
    UnsupportedError
        When it is of a sensor whose colours are not understood.
    """
    asked = recipe.frames.colour_pattern
    if asked is not None:
        return None if asked == "none" else ColourPattern(asked)
    facts = item.facts
    if facts is not None and facts.colours_refused:
        advice = (
            "develop such frames with a program that knows the sensor; as frames without colours they are calibrated "
            "with colour_pattern = 'none' under [frames] of the recipe"
        )
        raise UnsupportedError(item.path, f"cannot be calibrated colour by colour: {facts.colours_refused}", advice)
    return None if facts is None else facts.colours


@dataclass(frozen=True, slots=True)
class _Seen:
    """What lit frames of one size show: the pattern, and by which frames."""

    pattern: ColourPattern | None
    names: tuple[str, ...]
    light_adu: tuple[float, ...]


def colours_by_pixels(plan: NightPlan, executor: Executor | None = None) -> NightPlan:
    """Return a plan whose frames have the colours that its flats show, where headers say nothing or something else.

    Parameters
    ----------
    plan : NightPlan
        As headers tell it.
    executor : concurrent.futures.Executor, optional
        One of whose processes looks at the pixels, instead of this one.

    Returns
    -------
    NightPlan
        The same one where nothing is to be changed. What was decided by pixels stands in its choices.
    """
    if plan.recipe.frames.colour_pattern is not None:
        return plan
    frames = [frame for group in (*plan.groups, *plan.uncombined) for frame in group.frames] + list(plan.science)
    decided: dict[tuple[int, ...], dict[ColourPattern | None, ColourPattern | None]] = {}
    choices: list[Choice] = []
    for shape_yx in dict.fromkeys(frame.layout.shape_yx for frame in frames):
        alike = [frame for frame in frames if frame.layout.shape_yx == shape_yx]
        lit = _lit(alike)
        seen = None if not lit or _is_known_camera(plan, lit) else done_by(executor, _look, alike, lit)
        if seen is None:
            continue
        for stated in dict.fromkeys(frame.facts.colours for frame in alike):
            pattern, choice = _decide(stated, seen, [frame for frame in alike if frame.facts.colours == stated])
            if pattern != stated:
                decided.setdefault(shape_yx, {})[stated] = pattern
            choices += [] if choice is None else [choice]
    told = replace(plan, choices=(*plan.choices, *choices)) if choices else plan
    return _with_colours(told, decided) if decided else told


def _lit(frames: Sequence[NightFrame]) -> list[NightFrame]:
    """Return the flats, or where there are none what is not combined."""
    flats = [frame for frame in frames if frame.kind is Kind.FLAT]
    return flats or [frame for frame in frames if kind_row(frame.kind) is None]


def _look(frames: Sequence[NightFrame], lit: Sequence[NightFrame]) -> _Seen | None:
    """Look at some of the lit ones among frames of one size; None where none tells."""
    zero_adu: float | None = None
    found: list[_Seen] = []
    for frame in [lit[0], lit[-1]] if len(lit) > 1 else lit:
        rows = _rows(frame)
        if rows is None:
            continue
        levels, errors = phase_levels(rows)
        if _are_alike(levels, errors) and all(each.facts.colours is None for each in lit):
            return None  # nearly always, by one frame
        zero_adu = _zero_level(frames) if zero_adu is None else zero_adu
        pattern = pattern_by_levels(levels, errors, zero_adu)
        found.append(_Seen(pattern, (frame.name,), tuple(float(level) - zero_adu for level in levels)))
    if not found or any(each.pattern != found[0].pattern for each in found):
        return None
    seen = replace(found[0], names=tuple(each.names[0] for each in found))
    return None if seen.pattern is None and lit[0].kind is Kind.FLAT and _has_colours(frames) else seen


def _has_colours(frames: Sequence[NightFrame]) -> bool:
    """Whether science frames show colours, or none can tell: a lamp behind a filter may light all colours alike."""
    science = [frame for frame in frames if kind_row(frame.kind) is None]
    rows = [
        rows
        for frame in {id(one): one for one in (*science[:1], *science[-1:])}.values()
        if (rows := _rows(frame)) is not None
    ]
    return not rows or not all(_are_alike(*phase_levels(each)) for each in rows)


def _are_alike(levels: NDArray[np.float64], errors: NDArray[np.float64]) -> bool:
    """Whether the pixels of a cell hold the same light."""
    return bool(np.ptp(levels) < max(_ALIKE_SIGMAS * errors.max(), _ALIKE_FRACTION * abs(levels.mean())))


def _zero_level(frames: Sequence[NightFrame]) -> float:
    """Return the level without light, of a bias, else of a dark; 0 where there is none."""
    for kind in (Kind.BIAS, Kind.DARK):
        for frame in frames:
            rows = _rows(frame) if frame.kind is kind else None
            if rows is not None:
                return float(np.median(rows))
    return 0.0


def _is_known_camera(plan: NightPlan, lit: Sequence[NightFrame]) -> bool:
    """Whether the frames are of a camera with a profile, and no header names colours: it has none."""
    return plan.camera is not None and all(frame.facts.colours is None for frame in lit)


def _rows(frame: NightFrame) -> NDArray[Any] | None:
    """Return bands of rows of a raw frame, of shape (bands, rows, columns); None where they cannot be read."""
    found = attempt(frame.source, _read_rows, frame)
    return None if isinstance(found, FrameError) else found  # it is named when it is calibrated


def _read_rows(frame: NightFrame) -> NDArray[Any] | None:
    ny, nx = frame.layout.shape_yx
    if min(ny, nx) < 2 * _BAND_ROWS:
        return None
    starts = np.unique(np.linspace(ny // 8, ny - ny // 8 - _BAND_ROWS, _BANDS).astype(int) // 2 * 2)
    columns = slice(nx // 4 // 2 * 2, nx - nx // 4)
    bands = [slice(int(start), int(start) + _BAND_ROWS) for start in starts]
    scanned = scan(frame.source)
    hdu = scanned.image()
    if hdu.layout is None or hdu.layout.shape_yx != (ny, nx):
        return None
    if hdu.layout.tile_compressed or scanned.encoding != "plain":
        raw = read_raw(frame.source)
        return np.stack([decode_pixels(raw.pixels[band, columns], raw.layout) for band in bands])
    rows = np.empty((len(bands), _BAND_ROWS, nx), hdu.layout.dtype)
    for band, out in zip(bands, rows, strict=True):
        read_band(scanned, hdu, band, out)
    return np.stack([decode_pixels(each[:, columns], hdu.layout) for each in rows])


def _decide(
    stated: ColourPattern | None, seen: _Seen, frames: Sequence[NightFrame]
) -> tuple[ColourPattern | None, Choice | None]:
    """Return what counts of what headers state and flats show, and what is to be said of it."""
    by = " and ".join(seen.names)
    levels = ", ".join(number(level) for level in seen.light_adu)
    shown = f"the four pixels of a cell of 2 x 2 hold {levels} ADU of light in {by}"
    whom = frames_words(len(frames))
    line = 'colour_pattern = "RGGB" (or "BGGR", "GRBG", "GBRG", "none") under [frames] of the recipe'
    if stated is None and seen.pattern is not None:
        value = f"{whom} are of a colour sensor, green on the {_diagonal(seen.pattern)} diagonal"
        reason = f"{shown}; no header names its colours, and which are red is not known: {line}"
        return seen.pattern, Choice("colour pattern", value, reason, certain=False)
    if stated is None:
        return None, None
    card = next(frame.facts.colours_card for frame in frames)
    if seen.pattern is None:
        spread = max(seen.light_adu) - min(seen.light_adu)
        if spread > 0.02 * max(map(abs, seen.light_adu)):
            return stated, None  # neither one nor none
        value = f"none in {whom}, though {card} says {stated.letters}"
        reason = f"{shown}, all alike, as where colours were binned together; if they are not, {line}"
        return None, Choice("colour pattern", value, reason, certain=False)
    if stated.greens is not None and stated.greens != seen.pattern.greens:
        turned = stated.moved(1, 0)
        value = f"{turned.letters} in {whom}, though {card} says {stated.letters}"
        reason = f"{shown}: green is on the other diagonal, as where rows are in the other order; if not so, {line}"
        return turned, Choice("colour pattern", value, reason, certain=False)
    value = f"{stated.letters} in {whom}, calibrated colour by colour"
    return stated, Choice("colour pattern", value, f"{card}, and its flats agree")


def _diagonal(pattern: ColourPattern) -> str:
    return "first" if pattern.greens == (0, 3) else "second"


def _with_colours(
    plan: NightPlan, decided: Mapping[tuple[int, ...], Mapping[ColourPattern | None, ColourPattern | None]]
) -> NightPlan:
    """Return a plan whose frames have other colours."""

    def told(frames: Iterable[NightFrame]) -> Iterator[NightFrame]:
        for frame in frames:
            changed = decided.get(frame.layout.shape_yx, {})
            if frame.facts.colours in changed:
                pattern = frame.recipe.colours_of(changed[frame.facts.colours], frame.layout.shape_yx)
                yield replace(frame, steps=replace(frame.steps, colours=pattern))
            else:
                yield frame

    def of(groups: Iterable[Group]) -> tuple[Group, ...]:
        return tuple(replace(group, frames=tuple(told(group.frames))) for group in groups)

    groups, science = of(plan.groups), tuple(told(plan.science))
    users = [*(frame for group in groups for frame in group.frames), *science]
    stored = tuple(_as_its_users(group, users) for group in plan.stored)
    colours = {group.name: group.colours for group in (*groups, *stored)}
    masks = tuple(replace(job, colours=colours[job.source]) if job.what == "bad" else job for job in plan.masks)
    return replace(plan, groups=groups, stored=stored, uncombined=of(plan.uncombined), science=science, masks=masks)


def _as_its_users(group: Group, frames: Iterable[NightFrame]) -> Group:
    """Return a combined frame that exists already with the colours of the frames that are calibrated with it."""
    pattern = next((each.steps.colours for each in frames if group.name in each.steps.needs), group.colours)
    return group if group.stored is None else replace(group, stored=replace(group.stored, colours=pattern))
