"""Whether light reaches a strip that was given as the overscan: what the pixels of a bias and a lit frame say."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from zeroframe.errors import SectionError
from zeroframe.fits.failures import attempt
from zeroframe.frames.medians import median_of_valid
from zeroframe.headers.kinds import Kind
from zeroframe.inspection.sources import Pixels, source_of
from zeroframe.inspection.strip_light import SAID_SHARE, light_by_noise
from zeroframe.records import dataclass

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from zeroframe.frames.strip_levels import LevelMethod
    from zeroframe.headers.sections import Section
    from zeroframe.headers.survey import RawFrame
    from zeroframe.inspection.sources import Source

__all__ = ["LitStrip", "lit_strip"]

#: A strip is none where it has so much of the light of the frame, by its level alone; and where the noise of photons
#: proves the light. With less of it, down to SAID_SHARE, it is said: a trail of charge lies in the first columns, and
#: is not counted.
_PART, _PROVEN_PART = 0.1, 0.01
#: Less light than this may be the drift of a level.
_LEAST_LIGHT_ADU = 50.0
#: So much the mean of a strip may be off its median by chance.
_LEAST_OF_FEW_ADU = 1.0
_MOST_FRAMES = 3
#: So many rows and columns at most tell a level.
_MOST_LINES = 128
#: So many lines, and neighbouring columns, tell the noise.
_NOISE_LINES, _NOISE_COLUMNS = 512, 128


@dataclass(frozen=True, slots=True)
class LitStrip:
    """Light in a strip.

    Attributes
    ----------
    lit, dark : str
        The frame with light, and the bias that it is held against.
    strip_adu, frame_adu : float
        Light in the strip and in the whole frame.
    is_none : bool
        Whether it is so much that the strip is no overscan.
    seen : str
        By what it is seen.
    """

    lit: str
    dark: str
    strip_adu: float
    frame_adu: float
    is_none: bool = True
    seen: str = "with the noise of photons"


@dataclass(frozen=True, slots=True, eq=False)
class _Seen:
    """Of one frame, the medians of the strip and of the whole, and pixels of both whose neighbours are there.

    And what a few columns add to the level of the strip, where their light is in it.
    """

    name: str
    strip_adu: float
    frame_adu: float
    strip: NDArray[Any]
    image: NDArray[Any]
    few_adu: float


def lit_strip(items: Sequence[RawFrame], section: Section, method: LevelMethod | None = None) -> LitStrip | None:
    """Return how much light reaches a strip, where it is more than an overscan has.

    Parameters
    ----------
    items : sequence of RawFrame
        Of any sizes: each lit frame is held against a bias of its own. The brightest of a few flats tells, where there
        are no flats a science frame.
    section : Section
        The strip.
    method : str, optional
        How its level is taken: in a mean the light of a few columns is, too, which others leave out.

    Returns
    -------
    LitStrip or None
        None also where there is no bias or no light to tell it by.
    """
    sources = [source for source in (source_of(item) for item in items if item.problem is None) if source is not None]
    for shape_yx in dict.fromkeys(source.shape_yx for source in sources):
        alike = [source for source in sources if source.shape_yx == shape_yx]
        biases = [source for source in alike if source.kind is Kind.BIAS]
        lit = [source for source in alike if source.kind is Kind.FLAT] or [
            source for source in alike if source.kind is Kind.SCIENCE
        ]
        if not (biases and lit):
            continue  # nothing is read that cannot tell
        try:
            rows, columns = section.resolve(shape_yx).slices_yx(shape_yx)
        except SectionError:  # it is named where the recipe is chosen
            continue
        dark = _seen(biases, (rows, columns), 1, method)
        bright = _seen(lit, (rows, columns), _MOST_FRAMES, method)
        found = [_judged(each, bias, bright) for each in bright for bias in dark]
        told = [each for each in found if each is not None]
        if told:
            return max(told, key=lambda each: each.is_none)
    return None


def _judged(lit: _Seen, bias: _Seen, others: Sequence[_Seen]) -> LitStrip | None:
    """Hold a lit frame against a bias: first the levels, then the noise that only light has."""
    light, usual = lit.strip_adu - bias.strip_adu, lit.frame_adu - bias.frame_adu
    if usual > _LEAST_LIGHT_ADU and light > _PART * usual:
        return LitStrip(lit.name, bias.name, light, usual)
    of_few = lit.few_adu - bias.few_adu  # what moves a level moves it in all columns alike
    if usual > _LEAST_LIGHT_ADU and of_few > max(SAID_SHARE * usual, _LEAST_OF_FEW_ADU):
        return LitStrip(lit.name, bias.name, of_few, usual, of_few >= _PROVEN_PART * usual, "in a few of its columns")
    other = next((each.image for each in others if each is not lit), None)
    seen = light_by_noise((lit.strip, bias.strip), (lit.image, bias.image), other, least_share=SAID_SHARE)
    if seen is None or not seen.is_light:
        return None
    light = max(seen.image_adu, usual)  # of what is bright: the middle columns may lie between two amplifiers
    share = seen.rise_adu / light
    if light > _LEAST_LIGHT_ADU and share >= SAID_SHARE:
        return LitStrip(lit.name, bias.name, seen.rise_adu, light, share >= _PROVEN_PART)
    return None


def _seen(sources: Sequence[Source], strip: tuple[slice, slice], most: int, method: LevelMethod | None) -> list[_Seen]:
    """Return what the first frames show that can be read and are not empty."""
    found: list[_Seen] = []
    for source in sources:
        if len(found) == most:
            break
        pixels = attempt(source.whose, source.read)
        if isinstance(pixels, Pixels) and not pixels.is_empty:
            whole = (slice(0, source.shape_yx[0]), slice(0, source.shape_yx[1]))
            levels = [float(median_of_valid(pixels.part(*map(_some, part)).ravel())) for part in (strip, whole)]
            blocks = [_neighbours(pixels, part) for part in (strip, whole)]
            mean = float(np.nanmean(pixels.part(*map(_some, strip)))) if method == "mean" else levels[0]
            found.append(_Seen(source.name, levels[0], levels[1], blocks[0], blocks[1], mean - levels[0]))
    return found


def _some(lines: slice) -> slice:
    return slice(lines.start, lines.stop, max((lines.stop - lines.start) // _MOST_LINES, 1))


def _neighbours(pixels: Pixels, part: tuple[slice, slice]) -> NDArray[Any]:
    """Return some lines along a part of a frame, and the middle ones across, all of those beside each other."""
    heights = [lines.stop - lines.start for lines in part]
    across = 0 if heights[0] < heights[1] else 1
    along, middle = part[1 - across], part[across]
    some = slice(along.start, along.stop, max(heights[1 - across] // _NOISE_LINES, 1))
    start = max(middle.start, (middle.start + middle.stop - _NOISE_COLUMNS) // 2)
    beside = slice(start, min(start + _NOISE_COLUMNS, middle.stop))
    return pixels.filled(some, beside) if across == 1 else pixels.filled(beside, some).T
