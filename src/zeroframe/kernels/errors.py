"""Standard deviations that are added in quadrature."""

# ruff: noqa: FURB136 -- conditional expressions become vector maxima, builtin max does not

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from zeroframe.kernels._jit import kernel

if TYPE_CHECKING:
    from zeroframe.kernels._jit import Array

__all__ = ["add_in_quadrature"]

#: Pixels that are worked on at once: their variances stay in the cache that is nearest.
_PART = 1024


def add_in_quadrature(sigma: Array, others: tuple[Array, ...], shares: Array, out: Array) -> None:
    """Write the root of squares of ``sigma`` and, by ``shares``, of ``others``; of what is below zero, zero.

    Squares are summed in float64, in the order of ``others``. NaN stays NaN.

    Parameters
    ----------
    sigma : float32 or float64, shape (pixels,)
        In C order, as all others are.
    others : tuple of float32 or float64, shape (pixels,)
        At least one; all of one type.
    shares : float64, shape (len(others),)
        What the squares of each are multiplied by; may be below zero.
    out : float32 or float64, shape (pixels,)
        Where the root is written to.
    """
    _add_in_quadrature(sigma, others, shares, out, np.empty(_PART))


@kernel
def _add_in_quadrature(sigma: Array, others: tuple[Array, ...], shares: Array, out: Array, work: Array) -> None:
    """Do it in parts, plane by plane, so that each loop becomes vector code."""
    for start in range(0, sigma.size, _PART):
        stop = min(start + _PART, sigma.size)
        own, target = sigma[start:stop], out[start:stop]
        for p in range(own.size):
            value = np.float64(own[p])
            work[p] = value * value
        for k in range(len(others)):
            other, share = others[k][start:stop], shares[k]
            for p in range(own.size):
                value = np.float64(other[p])
                work[p] += share * (value * value)
        for p in range(own.size):
            variance = work[p]
            target[p] = np.sqrt(0.0 if variance < 0.0 else variance)
