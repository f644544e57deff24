"""What the page is told of the images that it shows, as plain data."""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING, Any

from zeroframe.html import visible
from zeroframe.viewer.figures import PERCENTS
from zeroframe.viewer.tiles import TILE

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from zeroframe.viewer.planes import Picture
    from zeroframe.viewer.tiles import Level, TiledMask, TiledPicture

__all__ = ["described", "titles_of"]

_BEYOND = 2.0**53


def titles_of(pictures: Sequence[Picture]) -> list[str]:
    """Return what images are called, with the folder where several files have one name."""
    often = Counter(each.title for each in pictures)
    return [f"{each.path.parent.name}/{each.title}" if often[each.title] > 1 else each.title for each in pictures]


def described(
    tiled: TiledPicture, title: str, *, missing: Collection[int] = (), remarks: tuple[str, ...] = ()
) -> dict[str, Any]:
    """Return what the page is told of an image.

    Parameters
    ----------
    tiled : TiledPicture
        The image.
    title : str
        What it is called.
    missing : collection of int
        Numbers of the levels whose tiles the page does not get.
    remarks : tuple of str
        What is to be said about that, each a sentence.

    Returns
    -------
    dict
        Nothing but what JSON holds: names with what is not printable written out, no number that is not finite.
    """
    picture, found = tiled.picture, tiled.figures
    marks, problems = tiled.marks
    said = [*remarks, *(f"{each[:1].upper()}{each[1:]}." for each in picture.left_out)]
    said += [f"{each[:1].upper()}{each[1:]}." for each in problems]
    if picture.image.dtype.kind in "iu" and picture.image.dtype.itemsize == 8 and _is_beyond(tiled):
        said.append("Values beyond 9.007e15 are shown rounded to what a browser's numbers hold.")
    return {
        "title": visible(title),
        "unit": visible(picture.unit),
        "shape": list(picture.image.shape_yx),
        "type": picture.image.dtype.name,
        "whole": picture.image.dtype.kind in "iu",
        "tile": TILE,
        "levels": [_level(level, there=n not in missing) for n, level in enumerate(tiled.levels)],
        "origin": list(picture.origin_xy),
        "percents": list(PERCENTS),
        "percentiles": list(found.percentiles),
        "noise": found.noise,
        "histogram": {"low": found.low, "width": found.width, "counts": list(found.counts)},
        "sampled": [found.rows, found.of_rows, found.columns],
        "marks": [
            {"name": visible(m.name), "role": m.role, "box": list(m.box), "source": visible(m.source), "facts": m.facts}
            for m in marks
        ],
        "mask": None if tiled.mask is None else _mask(tiled, tiled.mask),
        "header": "\n".join(visible(line) for line in picture.header_text.splitlines()),
        "remarks": [visible(each) for each in said],
    }


def _is_beyond(tiled: TiledPicture) -> bool:
    ends = tiled.figures.percentiles[:1] + tiled.figures.percentiles[-1:]
    return any(abs(end) > _BEYOND for end in ends if math.isfinite(end))


def _level(level: Level, *, there: bool) -> dict[str, Any]:
    return {
        "factor": level.factor,
        "shape": list(level.shape_yx),
        "code": level.code,
        "step": level.step,
        "offset": level.offset,
        "there": there,
    }


def _mask(tiled: TiledPicture, mask: TiledMask) -> dict[str, Any]:
    picture, counts = tiled.picture, mask.counts
    names = {value: name for name, value in picture.bits.items()}
    bits = sorted({*names, *counts})
    return {
        "levels": [_level(level, there=True) for level in mask.levels],
        "bits": [
            {
                "value": bit,
                "name": visible(names.get(bit, f"bit {bit.bit_length() - 1}")),
                "meaning": picture.bit_meaning(names.get(bit, "")),
                "count": counts.get(bit, 0),
            }
            for bit in bits
        ],
    }
