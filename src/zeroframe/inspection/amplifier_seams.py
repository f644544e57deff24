"""Where another amplifier begins, within columns that see light or within a strip that sees none.

What proves it is something that no sensor does by itself: the level drifts otherwise on both sides; read noise, or the
noise of light, step with the level; or level and light step clearly at one column. A level that steps always by the
same amount is what fixed pattern does, too: it is told, and proves nothing alone.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from zeroframe.inspection.axis_profiles import without_lone_columns
from zeroframe.inspection.steps_between_columns import (
    Features,
    best_split,
    sharpness,
    significance,
    split_margin,
    whitened,
)
from zeroframe.records import dataclass

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from zeroframe.inspection.axis_profiles import AxisProfiles

__all__ = ["Evidence", "Seam", "drift_orders", "evidence_of", "find_seams", "seam_expected"]

#: A step counts from so many sigma, as hundreds of columns and several windows are tried, and is sharp by so much.
_SIGMAS, _SHARP = 6.5, 13.0
#: One of fixed pattern has correlations of its own.
_STATIC_SIGMAS = 8.0
#: At a column that is known by the level, drift and noise need less.
_KNOWN_SIGMAS, _KNOWN_SHARP = 4.0, 7.0
#: Where a seam is expected by the others, less still.
_EXPECTED_SIGMAS, _EXPECTED_SHARP = 4.0, 3.0
#: Level and light that step at one column are amplifiers where both do so very clearly.
_BOTH, _LEAST_LIGHT, _MOST_LIGHT = 12.0, 0.004, 0.7
_FEWEST = 4
#: Light of more steps than that has structure of its own, that of fibres or slits.
_MOST_OF_LIGHT = 12
#: So many steps of the light alone may be amplifiers of nearly one level; of more, it is slits that make them.
_FEW_OF_LIGHT = 2
#: Light alone that steps by more is the edge of a shadow: read noise in ADU would step with such gains, too.
_MOST_ALONE = 0.35
#: Whether light steps is seen by so many columns, and as many beyond them, on each side; it has to in so many bins.
_NEAR, _MOST_BINS = 4, 0.6
#: A step of drift alone has to be so many times as sharp as at any of so many other columns.
_STANDS_OUT, _MOST_COMPARED = 2.0, 80
#: The noise of light has to step by so many of its errors, and as the light does by no more than so many.
_SHOT_SIGMAS, _SHOT_AGREES = 3.5, 3.5
#: So many columns at each end of a part are not tried, so many places at most, and so near to another one none.
_MARGIN, _STRIP_MARGIN, _MOST_TRIED, _APART = 12, 4, 24, 8
#: The column is looked for so far about the best place.
_REACH = 10
#: Orders of the cosine transform over bins: drift along the frame is slow; what is static differs by amplifiers.
_DRIFT_ORDERS, _STATIC_ORDERS = 6, 2
#: A column next to it explains a seam less well by so much of chi-square.
_SURE_COLUMN = 9.0
#: So many columns on each side tell how far something steps that is slow.
_WIDE = 128
#: Bins are taken together in so many groups where the noise of a few lines is too uncertain.
_GROUPS = 4
#: Of fewer biases it is not told whether a step is of one of them; the others step by less than this part of it, and
#: the mean level by what it makes there; so many columns on each side are close, and step by so many usual steps.
_FEWEST_BIASES, _LITTLE, _CLOSE, _PATTERNS = 3, 0.1, 2, 4.0
_NONE: NDArray[np.float64] = np.zeros((0, 0))


@dataclass(frozen=True, slots=True)
class Seam:
    """A column before which another amplifier begins.

    Attributes
    ----------
    column : int
        Counted from 0.
    drift, static, light, noise, shot : float
        By how many sigma steps what drifts between biases, the mean level, the light, the read noise, and the noise of
        light against the light; 0 where it does not, or not sharply.
    step_adu : float
        Of the mean level.
    light_step : float
        Of the logarithm of the light.
    sure_column : bool
        Whether it is this column, and not one next to it.
    """

    column: int
    drift: float
    static: float
    light: float
    noise: float
    shot: float
    step_adu: float
    light_step: float
    sure_column: bool = True

    @property
    def proven(self) -> bool:
        """Whether only another amplifier explains it."""
        both = self.static > 0 and self.gains_may_differ
        noise = self.noise > 0 and (self.static > 0 or self.light > 0)
        return self.drift > 0 or noise or (self.shot > 0 and self.light > 0) or both

    @property
    def gains_may_differ(self) -> bool:
        """Whether the light steps very clearly, and by no more than gains of amplifiers do."""
        return self.light > _BOTH and _LEAST_LIGHT < abs(self.light_step) < _MOST_LIGHT

    @property
    def reason(self) -> str:
        """What steps, in words."""
        told = []
        if self.drift > 0:
            told.append(f"the level drifts otherwise on its two sides ({self.drift:.0f} sigma)")
        if self.static > 0:
            told.append(f"the level steps by {self.step_adu:+.2f} ADU")
        if self.light > 0:
            told.append(f"flats step by {100 * self.light_step:+.2f} %")
        if self.noise > 0:
            told.append("read noise steps")
        if self.shot > 0:
            told.append("the noise of light steps with it")
        return ", ".join(told)


@dataclass(frozen=True, slots=True, eq=False)
class Evidence:
    """Features of the columns of a part, of unit variance.

    Attributes
    ----------
    drifts : tuple of Features
        Of whole frames, of slow drift along them, and of all bins.
    static, light, noise, shot : Features
        Mean level, logarithm of the light, of the variance of a pixel, of the noise of light over the light.
    static_adu : ndarray, shape (columns,)
        Mean over bins, for words.
    light_logs, shot_logs : ndarray, shape (bins, columns)
        Logarithm of the light, and of its noise over it, in bins that have enough of it; none without a pair of flats.
    shot_error : float
        That of the last, of one column and bin.
    """

    drifts: tuple[Features, ...]
    static: Features
    light: Features
    noise: Features
    static_adu: NDArray[np.float64]
    light_logs: NDArray[np.float64]
    shot_logs: NDArray[np.float64]
    shot_error: float


def drift_orders(profiles: AxisProfiles, columns: slice) -> NDArray[np.float64]:
    """Return slow drift along the frame, of each contrast between biases; shape (features, columns)."""
    basis = _cosines(profiles.static.shape[0], _DRIFT_ORDERS)
    return np.concatenate(np.einsum("ob,kbx->kox", basis, profiles.drift[:, :, columns]))


def _cosines(bins: int, orders: int) -> NDArray[np.float64]:
    """Return orthonormal cosines over bins, shape (orders, bins)."""
    number = min(orders, bins)
    phase = (np.arange(bins) + 0.5) / bins
    basis = np.cos(np.pi * np.arange(number)[:, np.newaxis] * phase)
    return np.asarray(basis / np.linalg.norm(basis, axis=1, keepdims=True))


def evidence_of(profiles: AxisProfiles, begin: int, end: int, *, lit: bool) -> Evidence:
    """Return the features of columns ``begin`` to ``end``, counted from 0.

    Parameters
    ----------
    profiles : AxisProfiles
    begin, end : int
    lit : bool
        Whether they see light; in those that do not, nothing is asked of flats.
    """
    part = slice(begin, end)
    bins = profiles.static.shape[0]
    variance = float(np.median(profiles.noise2[:, part])) / profiles.height
    drift = profiles.drift[:, :, part]
    orders = [_cosines(bins, 1), _cosines(bins, _DRIFT_ORDERS)]
    drifts = [whitened(np.concatenate(np.einsum("ob,kbx->kox", basis, drift)), variance) for basis in orders]
    drifts.append(whitened(np.concatenate(drift), variance))
    few = _cosines(bins, _STATIC_ORDERS)
    level = _cleaned(profiles.static[:, part])
    static = whitened(few @ level, variance / profiles.biases)
    noise_log = _cleaned(np.log(profiles.noise2[:, part]))
    noise = whitened(few @ noise_log, 2.0 / (profiles.height * max(0.75 * profiles.noise_pairs, 1.0)))
    light, light_logs, shot_logs, shot_error = Features(np.zeros((0, end - begin))), _NONE, _NONE, 0.0
    if lit:
        bright, shot = profiles.light[:, part], profiles.shot[:, part]
        enough = bright.min(axis=1) > 20.0 * profiles.usual_noise
        enough &= np.median(bright, axis=1) > 0.3 * float(np.median(bright))
        if enough.sum() >= max(bins // 2, 1):
            light_logs = _cleaned(np.log(bright[enough]))
            light = whitened(_cosines(int(enough.sum()), _STATIC_ORDERS) @ light_logs, 0.0)
            shot_logs, shot_error = _noise_over_light(bright[enough], shot[enough], profiles)
            light_logs = light_logs if not shot_logs.size else np.log(_grouped(bright[enough]))
    return Evidence(tuple(drifts), static, light, noise, level.mean(axis=0), light_logs, shot_logs, shot_error)


def _noise_over_light(
    light: NDArray[np.float64], shot: NDArray[np.float64], profiles: AxisProfiles
) -> tuple[NDArray[np.float64], float]:
    """Return the logarithm of the noise of light over light in groups of bins, and the error of a column and group."""
    grouped = _grouped(shot)
    if not np.isfinite(grouped).all() or not (grouped > 0).all():
        return _NONE, 0.0
    logs = np.log(grouped)
    scatter = float(np.std(np.diff(logs, axis=1))) / np.sqrt(2.0)
    pairs = profiles.height * light.shape[0] / grouped.shape[0] * max(0.75 * profiles.shot_pairs, 1.0)
    return logs, max(float(np.sqrt(2.0 / pairs)), scatter)


def _grouped(profiles: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the means of groups of bins."""
    return np.stack([each.mean(axis=0) for each in np.array_split(profiles, min(_GROUPS, profiles.shape[0]))])


def _cleaned(profiles: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return profiles without columns that stand off alone, by the scatter of neighbours."""
    steps = np.abs(np.diff(profiles, axis=1))
    usual = float(np.median(steps)) / 0.954 if steps.size else 0.0
    return without_lone_columns(profiles, max(usual, 1e-6))


def find_seams(profiles: AxisProfiles, begin: int, end: int, *, lit: bool = True) -> tuple[list[Seam], list[Seam]]:
    """Find where other amplifiers begin within columns ``begin`` to ``end``.

    Returns
    -------
    proven, suspected : list of Seam
        By column. Suspected are sharp steps of the level that may be fixed pattern, and a few of the light that the
        sensor may have: two amplifiers whose levels, drifts and noise are alike differ in gain alone.
    """
    evidence = evidence_of(profiles, begin, end, lit=lit)
    kinds = (*evidence.drifts, evidence.static, evidence.noise)
    breaks = _breaks(evidence, (*kinds, evidence.light), end - begin)
    if len(breaks) > _MOST_OF_LIGHT:  # it may be the light that has structure
        without = _breaks(evidence, kinds, end - begin)
        breaks = without if len(breaks) - len(without) > _MOST_OF_LIGHT else breaks
    ends = [0, *sorted(breaks), end - begin]
    judged = [_judged(evidence, column, low, high) for low, column, high in zip(ends, ends[1:], ends[2:], strict=False)]
    judged = [
        each
        for each, low, high in zip(judged, ends, ends[2:], strict=False)
        if each.light or each.noise or not _is_of_one_bias(profiles, begin + low, begin + each.column, begin + high)
    ]
    moved = [replace(each, column=each.column + begin) for each in judged]
    unproven = [each for each in moved if not each.proven]
    by_light = [
        each
        for each in unproven
        if not each.static
        and each.gains_may_differ
        and abs(each.light_step) < _MOST_ALONE
        and _all_along(evidence.light_logs, each.column - begin)
    ]
    few = by_light if len(by_light) <= _FEW_OF_LIGHT else []
    return [each for each in moved if each.proven], [each for each in unproven if each.static > 0 or each in few]


def _is_of_one_bias(profiles: AxisProfiles, begin: int, column: int, end: int) -> bool:
    """Whether the level steps before a column in one bias only, and nothing else does: it has jumped as it was read.

    An amplifier drifts by itself from each frame to the next, or differs in its level, its light or its noise.
    """
    biases = profiles.biases
    if biases < _FEWEST_BIASES:
        return False
    each, static = profiles.bias_levels().mean(axis=1), profiles.static.mean(axis=0, keepdims=True)
    # fixed pattern steps, too, where few columns are looked at: another bias may have jumped near by
    pattern = float(np.median(np.abs(np.diff(static[0, begin:end]))))
    for wide in (_WIDE, _CLOSE):
        low, high = max(begin, column - wide), min(end, column + wide)
        steps = _steps(each, column, low, high)
        one = int(np.argmax(np.abs(steps - np.median(steps))))
        others = np.delete(steps, one)
        jump = float(steps[one] - others.mean())
        lines = profiles.lines * np.array([column - low, high - column])
        error = profiles.usual_noise * float(np.sqrt(np.sum(1.0 / lines)))
        more = float(_steps(static, column, low, high)[0]) - jump / biases
        little = max(_KNOWN_SIGMAS * error, _LITTLE * abs(jump))
        if (
            abs(jump) > _SIGMAS * error
            and float(others.std(ddof=1)) <= little
            and abs(more) <= max(little, _PATTERNS * pattern if wide == _CLOSE else 0.0)
        ):
            return True
    return False


def seam_expected(profiles: AxisProfiles, begin: int, end: int, column: int, between: tuple[int, int]) -> Seam | None:
    """Return the seam before a column where one is expected, by what is too weak to be found anywhere; None without.

    Parameters
    ----------
    profiles : AxisProfiles
    begin, end : int
        The lit columns in which it is.
    column : int
    between : tuple of int
        The seams, or ends, before and after it.
    """
    evidence = evidence_of(profiles, begin, end, lit=True)
    low, high = (each - begin for each in between)
    best: Seam | None = None
    for near in (column - begin, column - begin - 1, column - begin + 1):
        seam = _judged(evidence, near, low, high, expected=True)
        strength = max(seam.drift, seam.static, seam.light, seam.noise)
        if strength > 0 and (best is None or strength > max(best.drift, best.static, best.light, best.noise)):
            best = replace(seam, column=near + begin)
    return best


def _breaks(evidence: Evidence, kinds: Sequence[Features], size: int) -> list[int]:
    """Return columns before which one of several kinds of features steps sharply."""
    found: list[int] = []
    parts = [(0, size)]
    while parts:
        low, high = parts.pop()
        column = _first_break(evidence, kinds, low, high)
        if column is not None:
            found.append(column)
            parts += [(low, column), (column, high)]
    return found


def _first_break(evidence: Evidence, kinds: Sequence[Features], low: int, high: int) -> int | None:
    """Return the column of a part before which features step most clearly, and sharply."""
    margin = _MARGIN if len(evidence.light) else _STRIP_MARGIN
    places = np.arange(low + margin, high - margin + 1)
    if not places.size:
        return None
    for less_slope in (True, False):
        deviates = np.stack([significance(each, places, low, high, less_slope=less_slope) for each in kinds])
        if deviates.max() < _SIGMAS:
            continue
        # at all places at once: one by one it is a quarter of the whole search
        drifts = np.argmax([significance(each, places, low, high) for each in evidence.drifts], axis=0)
        for _ in range(_MOST_TRIED):
            which, at = (int(n) for n in np.unravel_index(int(np.argmax(deviates)), deviates.shape))
            if deviates[which, at] < _SIGMAS:
                break
            together = _together(evidence, evidence.drifts[int(drifts[at])])
            column = best_split(together, int(places[at]), _REACH, low, high)
            if sharpness(kinds[which], column, low, high) > _SHARP and low + _FEWEST <= column <= high - _FEWEST:
                return column
            deviates[which, np.abs(places - places[at]) < _APART] = -np.inf
    return None


def _together(evidence: Evidence, drift: Features) -> Features:
    """Return all features, of drift one kind."""
    features = (drift, evidence.static, evidence.light, evidence.noise)
    return Features(np.concatenate([one.values for one in features]))


def _judged(evidence: Evidence, column: int, low: int, high: int, *, expected: bool = False) -> Seam:
    """Return what steps before a column, of which the parts on both sides are without another step."""
    place = np.array([column])

    def steps(features: Features, sigmas: float, sharp: float) -> float:
        deviate = float(significance(features, place, low, high)[0])
        return deviate if deviate > sigmas and sharpness(features, column, low, high) > sharp else 0.0

    first = (_EXPECTED_SIGMAS, _EXPECTED_SHARP) if expected else (_STATIC_SIGMAS, _SHARP)
    static, light = (steps(one, *first) for one in (evidence.static, evidence.light))
    # where level or light step is known, so that no other place could have been taken for that of the others
    known = expected or static > 0 or light > 0
    sigmas, sharp = (_KNOWN_SIGMAS, _KNOWN_SHARP) if known else (_SIGMAS, _SHARP)
    static = static or (steps(evidence.static, _STATIC_SIGMAS, _KNOWN_SHARP) if known else 0.0)
    drifts = [steps(one, sigmas, sharp) for one in evidence.drifts]
    strongest = max(evidence.drifts, key=lambda one: significance(one, place, low, high)[0])
    light_steps = _steps(evidence.light_logs, column, low, high)
    if max(drifts) > 0 and not static and not light:
        drifts = [z if z and _stands_out(one, column, low, high) else 0.0
                  for z, one in zip(drifts, evidence.drifts, strict=True)]  # fmt: skip
    return Seam(
        column,
        max(drifts),
        static,
        light,
        steps(evidence.noise, sigmas, sharp),
        _noise_of_light(evidence, light_steps, column, low, high) if light > 0 else 0.0,
        float(_steps(evidence.static_adu[np.newaxis], column, low, high)[0]),
        float(light_steps[np.argmax(np.abs(light_steps))]) if light_steps.size else 0.0,
        split_margin(_together(evidence, strongest), column, low, high) > _SURE_COLUMN,
    )


def _stands_out(features: Features, column: int, low: int, high: int) -> bool:
    """Whether features step far more sharply before a column than before others of its part: drifts can be rough."""
    others = [each for each in range(low + _FEWEST, high - _FEWEST + 1) if abs(each - column) > _MARGIN]
    others = others[:: max(len(others) // _MOST_COMPARED, 1)]
    usual = max((sharpness(features, each, low, high) for each in others), default=0.0)
    return sharpness(features, column, low, high) > _STANDS_OUT * usual


def _noise_of_light(evidence: Evidence, light_steps: NDArray[np.float64], column: int, low: int, high: int) -> float:
    """Return by how many sigma the noise of light steps as the light does, which another gain makes and nothing else.

    Levels of a flat and variances over levels are both one over the gain, so that in each bin their logarithms step
    alike; another sensitivity leaves the second alone.
    """
    if not evidence.shot_logs.size:
        return 0.0
    length = float(np.linalg.norm(light_steps))
    if not length:
        return 0.0
    own = float(_steps(evidence.shot_logs, column, low, high) @ light_steps) / length
    columns = min(column - low, _WIDE), min(high - column, _WIDE)
    error = evidence.shot_error * float(np.sqrt(1.0 / columns[0] + 1.0 / columns[1]))
    agrees = abs(own - length) < max(_SHOT_AGREES * error, 0.3 * length)
    return own / error if own > _SHOT_SIGMAS * error and agrees else 0.0


def _all_along(logs: NDArray[np.float64], column: int) -> bool:
    """Whether light steps before a column in most of its bins: a speck of dust has an edge in few of them."""
    if not 2 * _NEAR <= column <= logs.shape[1] - 2 * _NEAR:
        return False
    near = logs[:, column - 2 * _NEAR : column + 2 * _NEAR].reshape(logs.shape[0], 4, _NEAR).mean(axis=2)
    slopes = (near[:, 1] - near[:, 0] + near[:, 3] - near[:, 2]) / 2.0  # light that falls off has them everywhere
    return float(np.mean(np.abs(near[:, 2] - near[:, 1] - slopes) > _LEAST_LIGHT)) > _MOST_BINS


def _steps(profiles: NDArray[np.float64], column: int, low: int, high: int) -> NDArray[np.float64]:
    """Return how far each profile steps before a column, by many columns on both sides."""
    if not profiles.size:
        return np.zeros(0)
    before, after = profiles[:, max(column - _WIDE, low) : column], profiles[:, column : min(column + _WIDE, high)]
    return np.asarray(after.mean(axis=1) - before.mean(axis=1))
