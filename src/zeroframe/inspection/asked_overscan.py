"""Whether light reaches a strip that was given as the overscan: what the pixels of a bias and a lit frame say."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zeroframe.errors import SectionError
from zeroframe.fits.failures import attempt
from zeroframe.frames.medians import median_of_valid
from zeroframe.headers.kinds import Kind
from zeroframe.inspection.sources import Pixels, source_of
from zeroframe.records import dataclass

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zeroframe.headers.sections import Section
    from zeroframe.headers.survey import RawFrame
    from zeroframe.inspection.sources import Source

__all__ = ["LitStrip", "lit_strip"]

#: A strip is lit where it has so much of the light of the frame; overscans with trails or a leak have a few percent.
_PART = 0.1
#: Less light than this may be the drift of a level.
_LEAST_LIGHT_ADU = 50.0
_MOST_FRAMES = 3
#: So many rows and columns at most tell a level.
_MOST_LINES = 128


@dataclass(frozen=True, slots=True)
class LitStrip:
    """Light in a strip.

    Attributes
    ----------
    lit, dark : str
        The frame with light, and the bias that it is held against.
    strip_adu, frame_adu : float
        Light in the strip and in the whole frame, medians.
    """

    lit: str
    dark: str
    strip_adu: float
    frame_adu: float


def lit_strip(items: Sequence[RawFrame], section: Section) -> LitStrip | None:
    """Return how much light reaches a strip, where it is more than an overscan can have.

    Parameters
    ----------
    items : sequence of RawFrame
        Of any sizes: each lit frame is held against a bias of its own. The brightest of a few flats tells, where there
        are no flats a science frame.
    section : Section
        The strip.

    Returns
    -------
    LitStrip or None
        None also where there is no bias or no light to tell it by.
    """
    sources = [source for source in (source_of(item) for item in items if item.problem is None) if source is not None]
    for shape_yx in dict.fromkeys(source.shape_yx for source in sources):
        alike = [source for source in sources if source.shape_yx == shape_yx]
        biases = [source for source in alike if source.kind is Kind.BIAS][:1]
        lit = [source for source in alike if source.kind is Kind.FLAT] or [
            source for source in alike if source.kind is Kind.SCIENCE
        ]
        if not (biases and lit):
            continue  # nothing is read that cannot tell
        try:
            rows, columns = section.resolve(shape_yx).slices_yx(shape_yx)
        except SectionError:  # it is named where the recipe is chosen
            continue
        dark = _levels(biases, (rows, columns))
        for name, strip, frame in _levels(lit[:_MOST_FRAMES], (rows, columns)):
            for bias, dark_strip, dark_frame in dark:
                light, usual = strip - dark_strip, frame - dark_frame
                if usual > _LEAST_LIGHT_ADU and light > _PART * usual:
                    return LitStrip(name, bias, light, usual)
    return None


def _levels(sources: Sequence[Source], strip: tuple[slice, slice]) -> list[tuple[str, float, float]]:
    """Return the name and the medians of the strip and of the frame, of those that can be read."""
    found = []
    for source in sources:
        pixels = attempt(source.whose, source.read)
        if isinstance(pixels, Pixels):
            whole = (slice(0, source.shape_yx[0]), slice(0, source.shape_yx[1]))
            levels = [float(median_of_valid(pixels.part(*map(_some, part)).ravel())) for part in (strip, whole)]
            found.append((source.name, levels[0], levels[1]))
    return found


def _some(lines: slice) -> slice:
    return slice(lines.start, lines.stop, max((lines.stop - lines.start) // _MOST_LINES, 1))
