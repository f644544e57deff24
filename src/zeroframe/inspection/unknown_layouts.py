"""Amplifiers of cameras of which no header and no camera file says anything, by the pixels of their frames."""

from __future__ import annotations

import warnings
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from zeroframe.errors import AssumptionWarning, FrameError, UnsupportedError
from zeroframe.headers.geometry import contradiction_of
from zeroframe.headers.kinds import Kind
from zeroframe.inspection.image_layout import FEWEST_BIASES, ImageLayout, image_layout
from zeroframe.inspection.interior import detector_of_pixels
from zeroframe.inspection.sources import flat_key, parted_by_words, source_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zeroframe.headers.geometry import FoundDetector
    from zeroframe.headers.survey import RawFrame
    from zeroframe.inspection.sources import Source

__all__ = ["found_in_pixels", "layout_of_sources", "short_darks_as_biases", "with_amplifiers_seen"]

#: Frames that are smaller are not searched for seams, and of others so many at most are looked at.
_SMALLEST, _MOST_BIASES, _MOST_FLATS = 64, 8, 3
#: Darks of this many seconds are as good as biases: 0.02 e-/s of a CCD leave less than their read noise by far.
_SHORT_S = 10.0


def with_amplifiers_seen(items: Sequence[RawFrame]) -> dict[int, RawFrame]:
    """Return frames of files of one image with the amplifiers that their pixels show.

    Parameters
    ----------
    items : sequence of RawFrame
        Of any cameras and sizes, each of which is looked at by itself.

    Returns
    -------
    dict of int to RawFrame
        By the `id` of what was given; frames that are as they were are not in it. Those of a detector whose
        amplifiers read its columns by turns have a problem.

    Warns
    -----
    AssumptionWarning
        Where the pixels leave something open.
    """
    groups: dict[object, list[RawFrame]] = {}
    for item in items:
        groups.setdefault((item.form[:3], item.facts.instrument if item.facts else None), []).append(item)
    seen: dict[int, RawFrame] = {}
    for members in (part for alike in groups.values() for part in _cameras_among(alike)):
        try:
            detector = found_in_pixels(members)
        except UnsupportedError as error:
            told = {id(each): UnsupportedError(each.path, error.reason, error.advice) for each in members}
            seen |= {id(each): replace(each, problem=told[id(each)]) for each in members}
            continue
        if detector is not None:
            seen |= {id(each): replace(each, found=detector) for each in members}
    return seen


def _cameras_among(members: Sequence[RawFrame]) -> list[list[RawFrame]]:
    """Part the frames of one form and instrument by chips, as an inspection does."""
    read = [item for item in members if item.frame is not None]
    cards = [item.frame.cards_of(item.frame.image()) for item in read if item.frame is not None]
    return list(parted_by_words(read, cards).values())


def found_in_pixels(items: Sequence[RawFrame]) -> FoundDetector | None:
    """Return the amplifiers that the pixels of frames of one image show, where headers say nothing of them.

    Parameters
    ----------
    items : sequence of RawFrame
        Of one camera and form, each a file of one image.

    Returns
    -------
    FoundDetector or None
        None where the pixels show one amplifier, and where there are no two biases (or short darks) and a flat.

    Raises
    ------
    UnsupportedError
        When two amplifiers read columns, or rows, by turns.

    Warns
    -----
    AssumptionWarning
        Where the pixels leave something open.
    """
    sources = [source for source in map(source_of, items) if source is not None]
    layout = layout_of_sources(sources)
    if layout is None:
        return None
    if layout.by_turns:
        raise UnsupportedError(
            items[0].path,
            f"was read by two amplifiers that take turns: {layout.by_turns}",
            "write each amplifier's pixels as an image of its own before they are calibrated",
        )
    ny, nx = sources[0].shape_yx
    for doubt in layout.doubts:
        warnings.warn(f"{items[0].path.parent}: not certain from the pixels: {doubt}", AssumptionWarning, stacklevel=2)
    found = detector_of_pixels(layout.along_x, layout.along_y, (ny, nx))
    problem = None if found is None else contradiction_of(found, (ny, nx))
    if problem is None:
        return found
    said = f"the pixels show several amplifiers that contradict each other, and one is taken: {problem}"
    warnings.warn(f"{items[0].path.parent}: {said}", AssumptionWarning, stacklevel=2)
    return None


def layout_of_sources(sources: Sequence[Source]) -> ImageLayout | None:
    """Return the layout that biases and flats among frames show; None where there are too few, or too small ones."""
    biases = [source for source in short_darks_as_biases(sources) if source.kind is Kind.BIAS]
    flats = [source for source in sources if source.kind is Kind.FLAT]
    if len(biases) < FEWEST_BIASES or not flats or min(sources[0].shape_yx) < _SMALLEST:
        return None
    try:
        return image_layout([each.read() for each in _spread(biases)], [each.read() for each in _alike(flats)])
    except FrameError:  # it is named when it is calibrated
        return None


def short_darks_as_biases(sources: Sequence[Source]) -> list[Source]:
    """Return frames of which, where none is a bias, the shortest darks are: they hold little else if they are short."""
    times = [source.facts.exposure_s if source.facts and source.kind is Kind.DARK else None for source in sources]
    shortest = min((time for time in times if time is not None), default=np.inf)
    if shortest > _SHORT_S or any(source.kind is Kind.BIAS for source in sources):
        return list(sources)
    return [
        replace(source, kind=Kind.BIAS) if time == shortest else source
        for source, time in zip(sources, times, strict=True)
    ]


def _spread(biases: Sequence[Source]) -> list[Source]:
    """Return some biases, so that drift shows."""
    return [biases[int(place)] for place in np.linspace(0, len(biases) - 1, min(_MOST_BIASES, len(biases))).round()]


def _alike(flats: Sequence[Source]) -> list[Source]:
    """Return a few flats of that filter and exposure of which there are most."""
    keys = [flat_key(each) for each in flats]
    common = Counter(keys).most_common(1)[0][0]
    return [each for each, key in zip(flats, keys, strict=True) if key == common][:_MOST_FLATS]
