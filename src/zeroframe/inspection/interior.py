"""Several amplifiers in one image, found in the pixels alone: strips in mid-frame, and seams where the level jumps.

An overscan in mid-frame is a run of columns without any light between columns that have it, with edges of one column.
A seam is where the level of biases jumps from one column to the next, and where the jump is another one in flats, or
another one in each bias: fixed pattern jumps, too, but by the same amount always.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise, product
from typing import TYPE_CHECKING

import numpy as np

from zeroframe.headers.detectors import Amplifier, Detector
from zeroframe.headers.geometry import FoundDetector
from zeroframe.headers.sections import AxisRange, Section

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = ["AxisLayout", "Part", "axis_layout", "detector_of_pixels"]

#: Less light than this part of that beside it is none; columns with more than that part are image.
_DARK, _LIT = 0.004, 0.3
#: Strips and images are no narrower.
_NARROWEST, _LEAST_IMAGE = 4, 24
#: So many columns beside a seam tell its level, and so many errors the jump needs.
_BESIDE, _NEAR, _SIGMAS = 24, 4, 8.0
#: By so many errors the jump has to differ between frames, or between biases and flats, to be one of amplifiers.
_CHANGES = 5.0
_SIGMA_OF_MAD = 1.4826
#: By so much the variance of a median is above that of a mean.
_MEDIAN = np.pi / 2


@dataclass(frozen=True, slots=True)
class Part:
    """What one amplifier has of the columns (rows) of an image, counted from 0.

    Attributes
    ----------
    image : slice
        What sees light.
    strips : tuple of slice
        What sees none and belongs to it, the widest first.
    """

    image: slice
    strips: tuple[slice, ...]


@dataclass(frozen=True, slots=True)
class AxisLayout:
    """The parts of an image along one axis, and what told them apart."""

    parts: tuple[Part, ...]
    reasons: tuple[str, ...]

    @property
    def is_understood(self) -> bool:
        """Whether each of several parts has one strip of its own; else parts or strips were missed."""
        return len(self.parts) == 1 or all(len(part.strips) == 1 for part in self.parts)


def axis_layout(biases: NDArray[np.float64], flats: NDArray[np.float64], noise: float) -> AxisLayout:
    """Find the parts of an image along one axis.

    Parameters
    ----------
    biases, flats : ndarray, shape (frames, lines, columns)
        Some lines of frames without and with light; at least two biases and one flat.
    noise : float
        Of a pixel without light.

    Returns
    -------
    AxisLayout
        One part where nothing tells several apart.
    """
    bias = _profiles(biases)
    light = np.median(_profiles(flats) - bias.mean(axis=0), axis=0)
    error = noise / np.sqrt(biases.shape[1])
    runs = _dark_runs(light, error)
    lit = _between(runs, light.size)
    seams = [seam for each in lit for seam in _seams(each, bias, _profiles(flats), error)]
    if len(lit) + len(seams) < 2:
        return AxisLayout((Part(slice(0, light.size), ()),), ())
    reasons = [f"columns {a.stop + 1} to {b.start} are a strip in mid-frame" for a, b in pairwise(lit)]
    reasons += [f"the level jumps at column {seam + 1}, by another amount in each frame" for seam in seams]
    images = _cut(lit, seams)
    strips = [part for run in runs for part in _halves(run, bias, error, light.size)]
    return AxisLayout(tuple(_owned(images, strips, bias, light, error)), tuple(reasons))


def _profiles(frames: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the level of each column of each frame: the mean of its pixels, outliers cut."""
    middle = np.median(frames, axis=1, keepdims=True)
    spread = _SIGMA_OF_MAD * np.median(np.abs(frames - middle), axis=1, keepdims=True) + 1.0
    return np.asarray(np.clip(frames, middle - 4 * spread, middle + 4 * spread).mean(axis=1))


def _dark_runs(light: NDArray[np.float64], error: float) -> list[slice]:
    """Return runs of columns without light that reach an edge of the frame, or lie between lit ones."""
    bright = float(np.percentile(light, 75))
    if bright < 100 * error:
        return []
    dark = light < max(_LIT * bright, 0.0)
    edges = np.flatnonzero(np.diff(np.concatenate([[False], dark, [False]]))).reshape(-1, 2)
    runs = []
    for start, stop in edges:
        width = stop - start
        if width < _NARROWEST:
            continue
        inner = light[start:stop]
        beside = [light[max(start - 3, 0) : start], light[stop : stop + 3]]
        level = min(float(np.median(each)) for each in beside if each.size)
        base = float(np.median(inner))
        # no light at all, and an edge of one column on each side that has image beside it
        sharp = [
            light[at] - light[within] > 0.6 * (light[at] - base)
            for at, within in ((start - 1, start), (stop, stop - 1))
            if 0 <= at < light.size
        ]
        if abs(base) < max(_DARK * level, 8 * error) and all(sharp) and level > _LIT * bright:
            runs.append(slice(int(start), int(stop)))
    return runs


def _between(runs: Sequence[slice], size: int) -> list[slice]:
    ends = [0, *(end for run in runs for end in (run.start, run.stop)), size]
    return [slice(a, b) for a, b in zip(ends[::2], ends[1::2], strict=True) if b - a >= _LEAST_IMAGE]


def _jump(profiles: NDArray[np.float64], seam: int, lit: slice) -> tuple[NDArray[np.float64], float]:
    """Return how far the level of each frame steps before a column, and the scatter of columns about it."""
    before = profiles[:, max(seam - _BESIDE, lit.start) : seam]
    after = profiles[:, seam : min(seam + _BESIDE, lit.stop)]
    # medians: a hot or dead column is no step
    middles = [np.median(part, axis=1, keepdims=True) for part in (before, after)]
    rest = np.concatenate(
        [np.abs(part - middle) for part, middle in zip((before, after), middles, strict=True)], axis=1
    )
    scatter = _SIGMA_OF_MAD * float(np.median(rest))
    return np.asarray(middles[1] - middles[0])[:, 0], scatter


def _seams(lit: slice, bias: NDArray[np.float64], flats: NDArray[np.float64], error: float) -> list[int]:
    """Return before which columns of a lit part another amplifier begins."""
    mean = bias.mean(axis=0)
    candidates = []
    for seam in _worth_a_look(mean, lit, error):
        step, scatter = _jump(mean[np.newaxis], seam, lit)
        significance = abs(float(step[0])) / (max(scatter, error) * np.sqrt(_MEDIAN * 2.0 / _BESIDE))
        near = _near_step(mean, seam)
        sharp = abs(near) > 0.5 * abs(float(step[0])) and near * float(step[0]) > 0
        if significance > _SIGMAS and sharp:
            candidates.append((significance, seam))
    found: list[int] = []
    for _, seam in sorted(candidates, reverse=True):
        # medians tell it to two columns or so; the step itself is between two neighbours
        exact = max(
            range(seam - 3, seam + 4), key=lambda at: abs(float(mean[at] - mean[at - 1])) * _both_ways(mean, at)
        )
        if all(abs(exact - other) >= _LEAST_IMAGE for other in found) and _changes(exact, lit, bias, flats, error):
            found.append(exact)
    return sorted(found)


def _worth_a_look(profile: NDArray[np.float64], lit: slice, error: float) -> list[int]:
    """Return columns before which the level steps by more than its error, and than it does before most: at once."""
    middles = np.median(np.lib.stride_tricks.sliding_window_view(profile, _NEAR), axis=1)
    seams = np.arange(lit.start + _LEAST_IMAGE, lit.stop - _LEAST_IMAGE + 1)
    if not seams.size:
        return []
    near = np.abs(middles[seams] - middles[seams - _NEAR])
    usual = _SIGMA_OF_MAD * float(np.median(near))
    return [int(seam) for seam in seams[near > max(2.0 * error, 2.0 * usual)]]


def _both_ways(profile: NDArray[np.float64], seam: int) -> float:
    """Return 1 where columns beside a step stay on its two sides, less where only one column stands out."""
    step = profile[seam] - profile[seam - 1]
    wide = _near_step(profile, seam)
    return float(np.clip(wide / step, 0.0, 1.0)) if step else 0.0


def _changes(seam: int, lit: slice, bias: NDArray[np.float64], flats: NDArray[np.float64], error: float) -> bool:
    """Whether the jump of a seam is not always the same, as that of fixed pattern is."""
    of_biases, _ = _jump(bias, seam, lit)
    single = error * np.sqrt(_MEDIAN * 2.0 / _BESIDE)
    if np.ptp(of_biases) > _CHANGES * single * np.sqrt(2.0):
        return True
    light = np.median(flats - bias.mean(axis=0), axis=0)
    places = np.arange(lit.start + _NEAR, lit.stop - _NEAR + 1)
    steps = np.array([_near_step(light, int(place)) for place in places])
    usual = _SIGMA_OF_MAD * float(np.median(np.abs(steps - np.median(steps))))
    step = abs(_near_step(light, seam) - float(np.median(steps)))
    return step > max(_SIGMAS * usual, 0.004 * float(np.median(light[lit])))


def _near_step(profile: NDArray[np.float64], seam: int) -> float:
    """Return how far a profile steps before a column, by the few columns next to it."""
    return float(np.median(profile[seam : seam + _NEAR]) - np.median(profile[seam - _NEAR : seam]))


def _cut(lit: Sequence[slice], seams: Sequence[int]) -> list[slice]:
    images = []
    for each in lit:
        ends = [each.start, *(seam for seam in seams if each.start < seam < each.stop), each.stop]
        images += [slice(a, b) for a, b in pairwise(ends)]
    return images


def _pieces(run: slice, bias: NDArray[np.float64], error: float) -> list[slice]:
    """Return the parts of a strip that amplifiers read: cut where its level jumps, and again within the parts."""
    best, at = 0.0, 0
    for place in range(run.start + 2, run.stop - 1):
        parts = bias[:, run.start : place], bias[:, place : run.stop]
        apart = np.abs(parts[1].mean(axis=1) - parts[0].mean(axis=1)).max()
        rest = [float(np.std(part - part.mean(axis=1, keepdims=True))) for part in parts]
        spread = max(*rest, error) * np.sqrt(1.0 / parts[0].shape[1] + 1.0 / parts[1].shape[1])
        if apart / spread > best:
            best, at = float(apart / spread), place
    if best <= _SIGMAS:
        return [run]
    cut = [slice(run.start, at), slice(at, run.stop)]
    return [piece for part in cut for piece in (_pieces(part, bias, error) if part.stop - part.start > 4 else [part])]


def _halves(run: slice, bias: NDArray[np.float64], error: float, size: int) -> list[slice]:
    """Return the parts of a strip that amplifiers read: where its level jumps, else halves of one in mid-frame."""
    pieces = _pieces(run, bias, error)
    if len(pieces) > 1 or run.start == 0 or run.stop == size:
        return pieces
    middle = (run.start + run.stop) // 2
    return [slice(run.start, middle), slice(middle, run.stop)]


def _owned(
    images: Sequence[slice],
    strips: Sequence[slice],
    bias: NDArray[np.float64],
    light: NDArray[np.float64],
    error: float,
) -> list[Part]:
    """Give each strip to the image whose level it has in every bias, the nearest where several have it."""
    owned: dict[int, list[slice]] = {number: [] for number in range(len(images))}
    levels = [bias[:, image].mean(axis=1) for image in images]
    for strip in strips:
        own = bias[:, strip].mean(axis=1)
        apart = [float(np.abs(own - level).max()) for level in levels]
        near = [min(abs(strip.stop - image.start), abs(image.stop - strip.start)) for image in images]
        close = [number for number, each in enumerate(apart) if each < min(apart) + 8 * error + 1.0]
        chosen = min(close, key=lambda number: near[number])
        usable = [n for n in range(strip.start, strip.stop) if abs(light[n]) < max(0.0005 * light.max(), 6 * error)]
        if usable:
            owned[chosen].append(slice(usable[0], usable[-1] + 1))
    return [
        Part(image, tuple(sorted(owned[number], key=lambda each: each.start - each.stop)))
        for number, image in enumerate(images)
    ]


def detector_of_pixels(along_x: AxisLayout, along_y: AxisLayout, shape_yx: tuple[int, int]) -> FoundDetector | None:
    """Return the amplifiers that layouts along both axes make; None where there is only one, or it is not understood.

    Parameters
    ----------
    along_x, along_y : AxisLayout
        Of columns and of rows.
    shape_yx : tuple of int
        Of the image.
    """
    strips_in_columns = all(part.strips for part in along_x.parts)
    understood = along_x.is_understood and (along_y.is_understood or strips_in_columns)
    if len(along_x.parts) * len(along_y.parts) < 2 or not understood:
        return None
    amplifiers = []
    for number, (row, column) in enumerate(product(along_y.parts, along_x.parts)):
        rows, columns = row.image, column.image
        overscan, axis = None, 1
        if column.strips:
            overscan = _section(column.strips[0], rows)
        elif row.strips:
            overscan, axis = _section(columns, row.strips[0]), 0
        amplifiers.append(
            Amplifier(
                chr(ord("A") + number) if number < 26 else str(number + 1),
                overscan=overscan,
                overscan_axis=1 if axis else 0,
                overscan_reason="found in the pixels",
                trim=_section(columns, rows),
            )
        )
    why = "; ".join([*along_x.reasons, *(reason.replace("column", "row") for reason in along_y.reasons)])
    nowhere = (None,) * len(amplifiers)
    detector = Detector("", tuple(amplifiers))
    return FoundDetector(detector, (0,), f"pixels: {why}", heights=(shape_yx[0],), sensor=nowhere)


def _section(columns: slice, rows: slice) -> Section:
    return Section((AxisRange(columns.start + 1, columns.stop), AxisRange(rows.start + 1, rows.stop)))
