"""Which amplifier a strip without light belongs to: that of the image with which its level drifts."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from zeroframe.inspection.amplifier_seams import drift_orders, find_seams

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from zeroframe.inspection.axis_profiles import AxisProfiles

__all__ = ["cut_strip", "images_differ", "owners_of_strips"]

#: Columns of an image beside a strip that are compared with it.
_BESIDE, _NEAR_STRIP, _NEXT = 64, 24, 12
#: Levels of an image and of its own strip differ by about so much, in ADU, and by this part of the read noise.
_LEVELS_ADU, _LEVELS_NOISE = 4.0, 0.2
#: Chi-squares that differ by so much decide.
_DECIDES = 9.0
#: Two images are read by different amplifiers from so many sigma.
_DIFFER = 5.0
_NARROWEST = 3
#: What the widths of strips let expect counts as so much of chi-square.
_USUAL = 6.0
#: The noise of so many groups of lines is compared.
_GROUPS = 4


def cut_strip(profiles: AxisProfiles, run: slice, images: Sequence[slice]) -> tuple[list[slice], list[int]]:
    """Return the parts of a strip that amplifiers read.

    Parameters
    ----------
    profiles : AxisProfiles
    run : slice
        Columns without light.
    images : sequence of slice
        What amplifiers have of the lit columns.

    Returns
    -------
    pieces : list of slice
        Cut where drift, level or noise step; one at an end in as many parts as there are images without another strip.
    unsure : list of int
        Columns before which it is cut, where it may be one next to them.
    """
    proven, suspected = find_seams(profiles, run.start, run.stop, lit=False)
    unsure = [seam.column for seam in (*proven, *suspected) if not seam.sure_column]
    cuts = sorted(seam.column for seam in (*proven, *suspected))
    remote = _all_at_one_end(profiles, run, images)
    if len(cuts) < len(images) - 1 and remote and (run.stop - run.start) % len(images) == 0:
        width = (run.stop - run.start) // len(images)
        even = [run.start + width * n for n in range(1, len(images))]
        if width >= _NARROWEST and all(min(abs(cut - each) for each in even) <= 1 for cut in cuts):
            cuts = even
    ends = [run.start, *cuts, run.stop]
    return [slice(a, b) for a, b in pairwise(ends)], [cut for cut in cuts if cut in unsure]


def _all_at_one_end(profiles: AxisProfiles, run: slice, images: Sequence[slice]) -> bool:
    """Whether several images touch each other, and only this run can hold their strips."""
    at_edge = run.start == 0 or run.stop == profiles.static.shape[1]
    touch = all(one.stop == other.start for one, other in pairwise(images))
    lit = sum(image.stop - image.start for image in images)
    others = profiles.static.shape[1] - lit - (run.stop - run.start)
    return at_edge and touch and len(images) > 1 and others == 0


def _levels(
    profiles: AxisProfiles, columns: slice
) -> tuple[NDArray[np.float64], float, NDArray[np.float64], NDArray[np.float64]]:
    """Return slow drifts, the variance of one, the static level, and logarithms of the noise of groups of bins."""
    drifts = drift_orders(profiles, columns).mean(axis=1)
    variance = float(np.median(profiles.noise2[:, columns])) / profiles.height / (columns.stop - columns.start)
    static = np.median(profiles.static[:, columns], axis=1)
    noise = np.log([part.mean() for part in np.array_split(profiles.noise2[:, columns], min(_GROUPS, len(static)))])
    return drifts, variance, static, noise


def _near(strip: slice, image: slice) -> slice:
    """Return the columns of an image that are next to a strip."""
    if image.stop <= strip.start:
        return slice(max(image.stop - _BESIDE, image.start), image.stop)
    return slice(image.start, min(image.start + _BESIDE, image.stop))


def _distance(profiles: AxisProfiles, strip: slice, image: slice) -> float:
    """Return chi-square of a strip being read as an image is: by drift, level and read noise."""
    near = _near(strip, image)
    own, its = _levels(profiles, strip), _levels(profiles, near)
    return float(np.sum(np.square(own[0] - its[0]))) / (own[1] + its[1]) + _unlike(profiles, strip, image)


def _steps_of_drift(profiles: AxisProfiles, before: slice, after: slice, places: Sequence[int]) -> list[float]:
    """Return for columns minus the chi-square that a step of the drifts before them, and a parabola, leave."""
    low, high = max(before.stop - _NEAR_STRIP, before.start), min(after.start + _NEAR_STRIP, after.stop)
    drifts = drift_orders(profiles, slice(low, high))
    # along that in which the images differ, so that the noise of many drifts makes no step
    apart = drifts[:, after.start - low :].mean(axis=1) - drifts[:, : before.stop - low].mean(axis=1)
    values = (apart / max(float(np.linalg.norm(apart)), 1e-12)) @ drifts
    variance = float(np.median(profiles.noise2[:, low:high])) / profiles.height
    x = np.linspace(-1.0, 1.0, high - low)
    told = []
    for place in places:
        basis = np.stack([np.ones_like(x), x, x**2, np.where(np.arange(low, high) >= place, 1.0, -1.0)])
        q, _ = np.linalg.qr(basis.T)
        told.append(-float(np.sum(np.square(values - q @ (q.T @ values)))) / variance)
    return told


def _unlike(profiles: AxisProfiles, strip: slice, image: slice) -> float:
    """Return chi-square of a strip being read as an image is, by level and read noise alone."""
    near = _near(strip, image)
    own, its = _levels(profiles, strip), _levels(profiles, near)
    scale = _LEVELS_ADU + _LEVELS_NOISE * profiles.usual_noise
    level = float(np.mean(np.minimum(np.square((own[2] - its[2]) / scale), 25.0)))
    pixels = (1.0 / (strip.stop - strip.start) + 1.0 / (near.stop - near.start)) / profiles.lines * len(own[3])
    noise_error2 = 2.0 * float(pixels) / max(0.75 * profiles.noise_pairs, 1.0) + 0.0004
    noise = min(float(np.sum(np.square(own[3] - its[3]))) / noise_error2, 25.0)
    return float(level + noise)


def images_differ(profiles: AxisProfiles, one: slice, other: slice) -> bool:
    """Whether drift, read noise or level show that two runs of columns are not read by one amplifier."""
    own, its = (
        _levels(profiles, slice(max(one.stop - _BESIDE, one.start), one.stop)),
        _levels(profiles, slice(other.start, min(other.start + _BESIDE, other.stop))),
    )
    number = own[0].size
    chi2 = float(np.sum(np.square(own[0] - its[0]))) / (own[1] + its[1])
    drift = (np.cbrt(chi2 / number) - 1.0 + 2.0 / (9.0 * number)) / np.sqrt(2.0 / (9.0 * number))
    widths = [min(each.stop - each.start, _BESIDE) for each in (one, other)]
    error = np.sqrt(2.0 * sum(1.0 / width for width in widths) / profiles.lines / max(0.75 * profiles.noise_pairs, 1.0))
    noise = np.abs(own[3] - its[3]).max() / error / np.sqrt(len(own[3]))
    # shading makes levels differ that are far from each other
    near = [
        np.median(profiles.static[:, part], axis=1)
        for part in (
            slice(max(one.stop - _NEXT, one.start), one.stop),
            slice(other.start, min(other.start + _NEXT, other.stop)),
        )
    ]
    apart = np.abs(near[1] - near[0]).mean() > max(3.0, 0.5 * profiles.usual_noise)
    return bool(drift > _DIFFER or noise > _DIFFER or apart)


def owners_of_strips(
    profiles: AxisProfiles, images: Sequence[slice], strips: Sequence[slice]
) -> tuple[list[tuple[slice, int]], list[str]]:
    """Return to which image each strip belongs, and what is not certain of it.

    Parameters
    ----------
    profiles : AxisProfiles
    images, strips : sequence of slice
        In rising order; at least two images.

    Returns
    -------
    owned : list of (slice, int)
        Strips, those in mid-frame cut in halves where each is that of the image beside it, with the number of an image.
    doubts : list of str
    """
    owned: list[tuple[slice, int]] = []
    doubts: list[str] = []
    for run, members in _runs_of(strips):
        touching = [n for n, each in enumerate(images) if each.stop == run.start or each.start == run.stop]
        if not touching:  # what is left of a part that is too dim for an image stands between
            continue
        if run.start == 0 or run.stop == profiles.static.shape[1] or len(touching) == 1:
            found, said = _at_the_end(profiles, images, members, touching)
        else:
            found, said = _in_mid_frame(profiles, images, members, touching, _usual_side(profiles, strips, run))
        owned += found
        doubts += said
    return owned, doubts


_Owned = tuple[list[tuple[slice, int]], list[str]]


def _at_the_end(
    profiles: AxisProfiles, images: Sequence[slice], members: Sequence[slice], touching: Sequence[int]
) -> _Owned:
    """Return owners of strips at an edge of the frame: of one the image beside it, of several in order all images."""
    if len(members) == 1:
        return [(members[0], touching[0])], []
    distances = np.array([[_distance(profiles, strip, image) for image in images] for strip in members])
    nearest = [int(each) for each in distances.argmin(axis=1)]
    if len(members) != len(images):
        said = (
            f"{len(members)} strips stand at the edge of the frame, columns {_words(members)}, for {len(images)} images"
        )
        return list(zip(members, nearest, strict=True)), [said]
    orders = [list(range(len(images))), list(range(len(images)))[::-1]]
    sums = [float(sum(distances[n, own] for n, own in enumerate(order))) for order in orders]
    best = orders[int(np.argmin(sums))]
    contrary = float(distances.min(axis=1).sum()) < min(sums) - _DECIDES * len(images)
    said = f"the strips of columns {_words(members)} drift as images do that stand in another order"
    return list(zip(members, best, strict=True)), [said] if contrary else []


def _in_mid_frame(
    profiles: AxisProfiles, images: Sequence[slice], members: Sequence[slice], touching: Sequence[int], usual: str
) -> _Owned:
    """Return owners of the strips between two images: first those of the one before them, then of the one after."""
    before, after = touching
    if len(members) == 1:
        (run,) = members
        middle = (run.start + run.stop) // 2
        halves = [slice(run.start, middle), slice(middle, run.stop)]
        if middle - run.start < _NARROWEST:
            halves = [run, run]
        first, second = (
            _unlike(profiles, half, images[after]) - _unlike(profiles, half, images[before]) for half in halves
        )
        steps = _steps_of_drift(profiles, images[before], images[after], range(run.start, run.stop + 1))
        drifts = [steps[place - run.start] for place in (run.stop, run.start, middle)]
        cut = run.start + int(np.argmax(steps))
        if max(steps) - max(drifts) > _DECIDES and min(cut - run.start, run.stop - cut) >= 2 * _NARROWEST:
            # to a few columns, which are left out
            return [(slice(run.start, cut - _NARROWEST), before), (slice(cut + _NARROWEST, run.stop), after)], []
        scores = dict(
            zip(
                ("before", "after", "halves"),
                (first + second + drifts[0], -first - second + drifts[1], first - second + drifts[2]),
                strict=True,
            )
        )
        scores[usual] += _USUAL
        best = max(scores, key=lambda name: scores[name])
        decided = scores[best] - sorted(scores.values())[-2] > _DECIDES
        chosen = best if decided else usual
        said = (
            f"the strip of columns {run.start + 1} to {run.stop} drifts as the images on both sides do; by the widths "
            f"of the strips it is taken for that of {_WHOSE[chosen]}"
        )
        doubts = [] if decided else [said]
        if chosen == "halves":
            return [(halves[0], before), (halves[1], after)], doubts
        return [(run, before if chosen == "before" else after)], doubts
    gains = [_distance(profiles, each, images[after]) - _distance(profiles, each, images[before]) for each in members]
    # so many are those of the image before; of two that differ, each image has one
    cuts = [1] if len(members) == 2 else range(len(members) + 1)
    best_cut = max(cuts, key=lambda cut: sum(gains[:cut]) - sum(gains[cut:]))
    return [(each, before if n < best_cut else after) for n, each in enumerate(members)], []


_WHOSE = {"before": "the image before it", "after": "the image after it", "halves": "both, half of it each"}


def _usual_side(profiles: AxisProfiles, strips: Sequence[slice], run: slice) -> str:
    """Return whose a strip in mid-frame is by the strips at the edges: where one is as wide, all stand on that side."""
    width = run.stop - run.start
    for other, members in _runs_of(strips):
        if len(members) == 1 and other.stop - other.start == width:
            if other.start == 0:
                return "after"
            if other.stop == profiles.static.shape[1]:
                return "before"
    return "halves"


def _words(strips: Sequence[slice]) -> str:
    return ", ".join(f"{strip.start + 1}–{strip.stop}" for strip in strips)


def _runs_of(strips: Sequence[slice]) -> list[tuple[slice, list[slice]]]:
    """Return runs of strips that touch each other, and the strips of each."""
    runs: list[tuple[slice, list[slice]]] = []
    for strip in sorted(strips, key=lambda one: one.start):
        if runs and runs[-1][0].stop == strip.start:
            run, members = runs[-1]
            runs[-1] = (slice(run.start, strip.stop), [*members, strip])
        else:
            runs.append((strip, [strip]))
    return runs
