"""The level of flats: of each frame, by which they are brought to one level, and of their combination."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from zeroframe.frames.calibration_frames import (
    BLIND_CARD,
    FLAT_LEVEL_CARD,
    blind_regions,
    brightest_hundredth,
    level_of_flat,
)
from zeroframe.frames.colours import COLOUR_LEVEL_CARD, PHASES, levels_of_colours, whole_cells
from zeroframe.frames.statistics import sampled_level
from zeroframe.stacks.noise import read_bands, sample_bands

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from zeroframe.frames.regions import Region
    from zeroframe.headers.colours import ColourPattern
    from zeroframe.planning.plan import Group
    from zeroframe.stacks.combine import Combined
    from zeroframe.stacks.stack import Stack

__all__ = ["all_lit_levels", "normalise"]

#: Levels are those of about so many pixels, which hold this part at least of the light of the brightest.
_LEVEL_PIXELS = 100_000
_LIT = 0.5
#: Of pixels that all frames have there are enough where they are this part of those that are looked at.
_SHARED = 0.1


def all_lit_levels(stack: Stack, colours: ColourPattern | None, shared: bool) -> list[list[float]]:  # noqa: FBT001 -- a job
    """Return the levels of the flats of a stack, as `_lit_levels` does.

    Parameters
    ----------
    stack : Stack
        The flats.
    colours : ColourPattern or None
        Of their sensor.
    shared : bool
        Whether some lack pixels: then those count that all of them have, as light is not even.
    """
    frames = len(stack.names)
    known = _known_to_all(stack, frames) if shared else None
    return [_lit_levels(stack, index, colours, known) for index in range(frames)]


def _known_to_all(stack: Stack, frames: int) -> NDArray[np.bool_] | None:
    """Return which pixels of the rows that are looked at are finite in all frames; None where too few are."""
    bands = sample_bands(*stack.shape_yx, _LEVEL_PIXELS)
    known = np.isfinite(read_bands(stack, 0, bands))
    for index in range(1, frames):
        known &= np.isfinite(read_bands(stack, index, bands))
    return known if np.count_nonzero(known) > _SHARED * known.size else None


def _lit_levels(
    stack: Stack, index: int, colours: ColourPattern | None, known: NDArray[np.bool_] | None
) -> list[float]:
    """Return the mean level of the brighter pixels of a flat, outliers left out; of a colour sensor, of four planes.

    Those count that hold at least half as much as the brightest hundredth: nearly all of a flat of the sky or a screen,
    and of a spectrograph's what the slit lights. Between them lies scattered light, which says little.
    """
    bands = sample_bands(*stack.shape_yx, _LEVEL_PIXELS)
    sample = read_bands(stack, index, bands)
    if known is not None:
        sample = np.where(known, sample, sample.dtype.type(np.nan))
    if colours is None:
        return [_lit_level(sample)]
    rows = np.concatenate([np.arange(band.start, band.stop) for band in bands])
    return [_lit_level(sample[rows % 2 == dy, dx::2]) for dy, dx in PHASES]


def _lit_level(sample: NDArray[Any]) -> float:
    sample = sample[np.isfinite(sample)]
    if not sample.size:
        return float("nan")
    lit = sample[sample >= _LIT * brightest_hundredth(sample)]
    return sampled_level(lit.reshape(1, -1))


def normalise(
    combined: Combined,
    uncertainty: NDArray[Any] | None,
    group: Group,
    regions: Sequence[Region],
    shape_yx: tuple[int, ...],
) -> dict[str, tuple[Any, str]]:
    """Divide a combined flat by its level, in place; of a colour sensor, each colour by its own.

    Amplifiers that see no light have no part in the level; the flat says which they are.
    """
    data = combined.data
    blind = blind_regions(data, regions, shape_yx)
    for region in blind:
        data[region.place_yx(shape_yx)] = np.nan
    level = level_of_flat(data)
    if level is None:
        return {}
    cards: dict[str, tuple[Any, str]] = {}
    if blind:
        cards[BLIND_CARD] = (" ".join(region.name for region in blind), "amplifiers without light, masked")
    divisor: Any = data.dtype.type(level)
    if group.colours is not None:
        cell = levels_of_colours(data, group.colours)
        cards |= {
            f"{COLOUR_LEVEL_CARD}{letter}": (float(cell[place]), f"the same of its pixels of colour {letter}")
            for place, letter in enumerate(group.colours.letters)
        }
        if not group.keeps_lamp_colour:
            divisor = whole_cells(cell, data.shape).astype(data.dtype)
        else:
            cards["LAMPCOL"] = ("kept", "colours of the flat are those of its lamp")
    data /= divisor
    if uncertainty is not None:
        uncertainty /= divisor
    return {FLAT_LEVEL_CARD: (level, "level before it was divided by it"), "BUNIT": ("", "a ratio"), **cards}
