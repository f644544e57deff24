"""Which lines of an image tell its amplifiers, and what they tell along both axes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from zeroframe.inspection.axis_profiles import axis_profiles
from zeroframe.inspection.interior import AxisLayout, axis_layout, dark_runs, in_rows
from zeroframe.records import dataclass

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from zeroframe.inspection.sources import Pixels

__all__ = ["FEWEST_BIASES", "ImageLayout", "image_layout"]

#: So many lines across are looked at, and so many for a first look at where light is.
_LINES, _FIRST_LOOK = 512, 96
#: One bias of so many is odd where a cell of it is off by so many times what is usual, and as often the read noise.
_TELL_ODD, _ODD, _CELLS = 3, 10.0, 16
#: Drift shows between so many.
FEWEST_BIASES = 2


@dataclass(frozen=True, slots=True)
class ImageLayout:
    """Amplifiers of an image, in columns and in rows."""

    along_x: AxisLayout
    along_y: AxisLayout

    @property
    def amplifiers(self) -> int:
        """How many there are."""
        return len(self.along_x.parts) * len(self.along_y.parts)

    @property
    def by_turns(self) -> str:
        """What shows that two amplifiers read columns or rows by turns; empty where none do."""
        return self.along_x.by_turns or in_rows(self.along_y.by_turns)

    @property
    def doubts(self) -> tuple[str, ...]:
        """What the pixels leave open."""
        return (*self.along_x.doubts, *(in_rows(doubt) for doubt in self.along_y.doubts))


def image_layout(biases: Sequence[Pixels], flats: Sequence[Pixels]) -> ImageLayout | None:
    """Find the amplifiers of an image by its biases and flats.

    Parameters
    ----------
    biases, flats : sequence of Pixels
        Of one shape; flats of one filter and level, so that their noise can be told.

    Returns
    -------
    ImageLayout or None
        None where fewer than two biases or no flat have values.
    """
    biases, flats = ([each for each in some if not each.is_empty] for some in (biases, flats))
    if len(biases) < FEWEST_BIASES or not flats:
        return None
    noise = _noise(biases)
    biases = _without_odd_ones(biases, noise)
    lit_rows, lit_columns = (_lit_lines(biases[0], flats[0], axis, noise) for axis in (0, 1))
    along = []
    for axis, lines in ((1, lit_rows), (0, lit_columns)):
        chosen = lines[np.unique(np.linspace(0, lines.size - 1, min(_LINES, lines.size)).astype(int))]
        frames = [[_lines_of(each, axis, chosen) for each in some] for some in (biases, flats)]
        along.append(axis_layout(axis_profiles(frames[0], frames[1])))
    return ImageLayout(along[0], along[1])


def _lines_of(pixels: Pixels, axis: int, lines: NDArray[np.int64]) -> NDArray[np.float32]:
    """Return some rows (axis 1), or columns turned into rows (axis 0)."""
    part = pixels.filled(rows=lines) if axis == 1 else pixels.filled(columns=lines).T
    return np.ascontiguousarray(part, dtype=np.float32)


def _without_odd_ones(biases: Sequence[Pixels], noise: float) -> list[Pixels]:
    """Return biases without those that differ from all others in a part of the image, as one that was read to half."""
    if len(biases) < _TELL_ODD:
        return list(biases)
    step = max(biases[0].stored.shape[0] // _FIRST_LOOK, 1)
    rows = [each.filled(rows=slice(step // 2, None, step)).astype(np.float32) for each in biases]
    maps = np.array([[np.median(part, axis=1) for part in np.array_split(each, _CELLS, axis=1)] for each in rows])
    off = np.abs(maps - np.median(maps, axis=0)).max(axis=(1, 2))
    odd = off > np.maximum(_ODD * np.median(off), _ODD * noise)
    return [each for each, out in zip(biases, odd, strict=True) if not out or odd.sum() > len(biases) - 2]


def _noise(biases: Sequence[Pixels]) -> float:
    step = max(biases[0].stored.shape[0] // _FIRST_LOOK, 1)
    one, other = (each.filled(rows=slice(step // 2, None, step)).astype(np.float32) for each in biases[:2])
    difference = other - one
    return max(float(np.median(np.abs(difference - np.median(difference))) * 1.4826 / np.sqrt(2.0)), 0.3)


def _lit_lines(bias: Pixels, flat: Pixels, axis: int, noise: float) -> NDArray[np.int64]:
    """Return the rows (axis 0) or columns (axis 1) that see light."""
    across = bias.stored.shape[1 - axis]
    step = max(across // _FIRST_LOOK, 1)
    some = slice(step // 2, None, step)
    parts = [
        (each.filled(columns=some) if axis == 0 else each.filled(rows=some).T).astype(np.float32)
        for each in (bias, flat)
    ]
    # most of a line is image, or it is a strip
    light = np.asarray(np.percentile(parts[1] - parts[0], 70, axis=1), np.float64)
    dark = np.zeros(light.size, bool)
    for run in dark_runs(light, noise / np.sqrt(_FIRST_LOOK)):
        dark[run] = True
    return np.flatnonzero(~dark)
