"""What is computed from the values of a pixel in a stack of frames, and what is rejected from them before."""

# ruff: noqa: FURB136 -- conditional expressions become vector minima and maxima, builtin min and max do not

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from zeroframe.kernels._jit import kernel

__all__ = ["AVERAGE", "MAD_TO_SIGMA", "MEDIAN", "NO_LIMITS", "PAIR_REACH", "SUM", "Limits", "spread_with_floor"]

#: What is computed from the values that are left.
AVERAGE, MEDIAN, SUM = 0, 1, 2

#: 1 / Φ⁻¹(3/4), where Φ is the normal distribution: a median absolute deviation times this estimates sigma.
MAD_TO_SIGMA = 1.482602218505602

#: Two values differ by sqrt(2) sigma.
PAIR_REACH = 1.4142135623730951


class Limits(NamedTuple):
    """What is rejected from the values of one pixel, in this order; see `zeroframe.stacks.combine.Rejection`."""

    value_low: float
    value_high: float
    drop_low: int
    drop_high: int
    sigma_low: float
    sigma_high: float
    center_is_mean: bool
    spread_is_std: bool
    iterations: int
    floor_adu: float
    photon_adu: float
    floor_only: bool = False
    photon_from: float = 0.0


#: Nothing is rejected.
NO_LIMITS = Limits(-np.inf, np.inf, 0, 0, np.inf, np.inf, False, False, 1, 0.0, 0.0)


@kernel
def spread_with_floor(spread: float, center: float, limits: Limits) -> float:
    """Return the spread, no smaller than read noise and photon noise of the center allow, or exactly that.

    The center counts from ``photon_from`` on: that of a dark may hold the bias.
    """
    photons = (center - limits.photon_from) * limits.photon_adu
    floor = np.sqrt(limits.floor_adu * limits.floor_adu + (photons if photons > 0.0 else 0.0))
    return spread if spread > floor and not limits.floor_only else floor
