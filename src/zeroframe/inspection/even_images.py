"""Images of amplifiers that are one column narrower than the others: a dead column beside a strip passes for strip."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["of_one_width"]

_FEWEST = 2


def of_one_width(
    images: Sequence[slice], runs: Sequence[slice], size: int
) -> tuple[list[slice], list[slice], list[str]]:
    """Return images and strips, the last column of a narrower image taken from the strip in mid-frame beside it.

    Chips are cut evenly, and a column that is lost within the frame moves all that stands beyond it. Strips have to
    say the same: those of a chip of an odd number of columns are even. At the outer ends nothing moves, and pixels
    decide.

    Parameters
    ----------
    images, runs : sequence of slice
        Columns with light, and without, counted from 0.
    size : int
        Columns of the frame.

    Returns
    -------
    images, runs : list of slice
    doubts : list of str
        What was taken for image without light to prove it, or might be.

    Examples
    --------
    >>> of_one_width([slice(0, 162), slice(195, 358)], [slice(162, 195), slice(358, 390)], 390)[:2]
    ([slice(0, 163, None), slice(195, 358, None)], [slice(163, 195, None), slice(358, 390, None)])
    """
    made, left, doubts = list(images), list(runs), list[str]()
    widths = [_width(each) for each in images]
    usual = max(widths, key=lambda width: (widths.count(width), width), default=0)
    if len(images) < _FEWEST or not all(width in {usual, usual - 1} for width in widths):
        return made, left, []
    for number, image in enumerate(images):
        beside = [run for run in left if run.stop == image.start or run.start == image.stop]
        wider = [run for run in beside if _has_one_more(run, left, size)]
        if widths[number] == usual or not wider:
            continue
        if len(wider) > 1:
            doubts.append(f"the image of columns {image.start + 1} to {image.stop} is one column narrower than others")
            continue
        (run,) = wider
        if run.start == 0 or run.stop == size:
            continue
        follows = run.start == image.stop
        column = run.start if follows else run.stop - 1
        made[number] = slice(image.start, column + 1) if follows else slice(column, image.stop)
        left[left.index(run)] = slice(column + 1, run.stop) if follows else slice(run.start, column)
        doubts.append(
            f"column {column + 1} sees no light, and is taken for image and not for the strip beside it, as images are "
            f"of {usual} columns each then"
        )
    return made, left, doubts


def _has_one_more(run: slice, runs: Sequence[slice], size: int) -> bool:
    """Whether a strip has one column more than another one, or, between two images, no even number of them."""
    others = [_width(each) for each in runs if each is not run]
    in_mid_frame = run.start > 0 and run.stop < size
    return _width(run) - 1 in others or (in_mid_frame and _width(run) % 2 == 1 and _width(run) not in others)


def _width(each: slice) -> int:
    return int(each.stop - each.start)
