"""How values of one normal distribution scatter, and what is the error of their combination: known, or drawn."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from zeroframe.kernels.sorting import sorting_pairs
from zeroframe.records import dataclass
from zeroframe.stacks.combine import CombineSpec, Rejection, combine_stack
from zeroframe.stacks.grids import MOST_DRAWN_FRAMES, Numbers
from zeroframe.stacks.pooled_noise import unbiased
from zeroframe.stacks.rejecting import reject_in_tile
from zeroframe.stacks.rejections import lose_at_random
from zeroframe.stacks.stack import ArrayStack

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from numpy.typing import NDArray

    from zeroframe.stacks.combine import Method

__all__ = ["ONE_VALUE", "SMALL_BYTES", "Law", "are_drawn", "laws_of"]

#: What scatters by more than all but so few pixels do by chance takes no part in what is common to all.
_TAIL = 1e-3
#: Ways of combining of which the error cannot be written down are tried on so many drawn pixels: 0.7 % of the variance.
_DRAWN_PIXELS = 40_000
#: So many values at a time: no limit of memory counts them.
_DRAWN_AT_A_TIME = 1 << 18
#: The limit of what needs none; to ask how much memory there is takes 1 ms.
SMALL_BYTES = 1 << 30
_FEWEST_DRAWN = 1000
#: Rejection of fewer good values than this costs nothing that could be seen.
_HARMLESS_RATE = 1e-4
_GRID_LOG = np.linspace(-24.0, 9.0, 6001)


@dataclass(frozen=True, eq=False)
class Law:
    """How values of one normal distribution, of sigma 1, scatter, and what is the error of their combination.

    Attributes
    ----------
    squares, shares : ndarray
        Which fraction of pixels has a scatter whose square is no larger.
    loss : float
        Variance of the result, in that of a plain mean of so many values.
    """

    squares: NDArray[np.float64]
    shares: NDArray[np.float64]
    loss: float

    def below(self, square: NDArray[np.float64]) -> NDArray[np.float64]:
        """Fraction of pixels with less scatter."""
        return np.interp(square, self.squares, self.shares, left=0.0, right=1.0)

    def trimmed(self) -> tuple[float, float]:
        """Where scatters are cut, and the mean of the squares below."""
        cut = float(np.interp(1.0 - _TAIL, self.shares, self.squares))
        steps = np.diff(self.shares, prepend=0.0)
        kept = self.squares <= cut
        return cut, float((steps * self.squares)[kept].sum() / steps[kept].sum())


#: One value has no scatter.
ONE_VALUE = Law(np.zeros(2), np.array([0.0, 1.0]), 1.0)


def are_drawn(spec: CombineSpec, rate: float | None) -> bool:
    """Whether anything is drawn to tell how values scatter, where a fraction of good ones is rejected."""
    return spec.method == "median" or _rejects(spec.rejection, rate)


def _rejects(rejection: Rejection, rate: float | None) -> bool:
    drops = rejection.drop_low + rejection.drop_high > 0 or rejection.scheme is not None
    return drops or (rejection.clips and (rate is None or rate > _HARMLESS_RATE))


def laws_of(
    spec: CombineSpec, counts: Sequence[int], frames: int, rate: float | None, numbers: Numbers, grown: float
) -> dict[int, Law]:
    """Return how so many values scatter: by the chi-square distribution of a mean, else as drawn numbers do."""
    laws = _drawn(spec, frames, numbers, grown) if _rejects(spec.rejection, rate) else {}
    for count in counts:
        if count < 2:
            laws[count] = ONE_VALUE
        elif count not in laws:
            # of pixels that lost a value by a mask, the rest is as good as any
            alone = _drawn(CombineSpec(spec.method), count, numbers) if spec.method == "median" else {}
            laws[count] = alone.get(count) or _chi_square(count - 1)
    return laws


def _chi_square(freedom: int) -> Law:
    """Chi-square over its degrees of freedom: its density times x, over equal steps of log x."""
    log_density = 0.5 * freedom * (_GRID_LOG - np.exp(_GRID_LOG))
    density = np.exp(log_density - log_density.max())
    shares = np.cumsum(density)
    return Law(np.exp(_GRID_LOG), shares / shares[-1], 1.0)


def _drawn(spec: CombineSpec, frames: int, numbers: Numbers, grown: float = 0.0) -> dict[int, Law]:
    """Combine drawn numbers just so; return what comes of it for each number of values that is left often.

    What is lost beside rejected values is no outlier itself: it is lost at random, and what is left scatters as before.
    """
    n = min(frames, MOST_DRAWN_FRAMES)
    rejection, share = spec.rejection, n / frames
    if not rejection.is_none:  # limits of value are those of the data, not of drawn numbers
        rejection = replace(
            rejection,
            value_low=None,
            value_high=None,
            drop_low=round(rejection.drop_low * share),
            drop_high=round(rejection.drop_high * share),
            floor_adu=1.0 if rejection.spread == "floor" else rejection.floor_adu / numbers.sigma,
            photon_adu=0.0,
            grow=0.0,  # here pixels have no neighbours
        )
    if numbers.step or rejection.by_callable:
        laws = _of_draws(spec.method, rejection, n, numbers, grown)
    else:
        laws = dict(_of_smooth_draws(spec.method, rejection, n, numbers.dtype, grown))
    if n < frames and n in laws:
        laws[frames] = laws[n]
    return laws


@lru_cache(maxsize=8)
def _of_smooth_draws(
    method: Method, rejection: Rejection, frames: int, dtype: np.dtype[Any], grown: float
) -> dict[int, Law]:
    """Draw once what is the same for all combinations of as many frames: 5 ms of each."""
    return _of_draws(method, rejection, frames, Numbers(1.0, 0.0, None, dtype), grown)


def _of_draws(method: Method, rejection: Rejection, n: int, numbers: Numbers, grown: float) -> dict[int, Law]:
    """Draw and combine."""
    random = np.random.default_rng(1)
    piece = min(max(_DRAWN_AT_A_TIME // n, 1), _DRAWN_PIXELS)
    data, uncertainty = (np.empty(_DRAWN_PIXELS, numbers.dtype) for _ in range(2))
    counts = np.empty(_DRAWN_PIXELS, np.uint16)
    for start in range(0, _DRAWN_PIXELS, piece):
        part = slice(start, min(start + piece, _DRAWN_PIXELS))
        values = numbers.rounded(random.standard_normal((n, 1, part.stop - start)), random)
        # of the type of the frames: for that kernels are compiled already
        values = values.astype(numbers.dtype)
        left = rejection
        if grown:
            reject_in_tile(values, rejection, np.ones(n), sorting_pairs(n))
            lose_at_random(values, grown, random)
            left = Rejection()
        stack = ArrayStack(list(values), [None] * n, ("",) * n)
        found = combine_stack(stack, CombineSpec(method, left), mem_limit_bytes=SMALL_BYTES, workers=1)
        for target, plane in ((data, found.data), (uncertainty, found.uncertainty), (counts, found.counts)):
            target[part] = plane[0]
    laws = {}
    for count in np.flatnonzero(np.bincount(counts)).tolist():
        chosen = counts == count
        if count < 2 or np.count_nonzero(chosen) < _FEWEST_DRAWN:
            continue
        root = count**-0.5 if method == "sum" else count**0.5
        error = uncertainty[chosen].astype(np.float64)
        scatter = np.square(error * root * unbiased(method, np.array(count)))
        results = data[chosen].astype(np.float64) / (count if method == "sum" else 1)
        scatter.sort()
        shares = np.arange(1, scatter.size + 1) / scatter.size
        laws[count] = Law(scatter, shares, float(np.var(results) * count))
    return laws
