"""Medians of a few values along the lines of an image, by minima and maxima alone, which become vector code.

What is the smallest and what is the largest of more than half of the values cannot be their median, and is forgotten.
"""

# ruff: noqa: FURB136 -- conditional expressions become vector maxima, builtin max does not

from __future__ import annotations

from typing import TYPE_CHECKING

from zeroframe.kernels._jit import kernel

if TYPE_CHECKING:
    from zeroframe.kernels._jit import Array

__all__ = ["high", "low", "medians5", "medians7", "medians9"]


@kernel
def low(a: float, b: float) -> float:
    """Return the lower of two numbers."""
    return a if a < b else b  # of a NaN and a number the second one; windows hold no NaN


@kernel
def high(a: float, b: float) -> float:
    """Return the higher of two numbers."""
    return b if a < b else a


@kernel
def _middle3(a: float, b: float, c: float) -> float:
    return high(low(a, b), low(high(a, b), c))


@kernel
def _middle5(a: float, b: float, c: float, d: float, e: float) -> float:
    # of a to d the lowest and the highest are forgotten: two are left, and e
    return _middle3(high(low(a, b), low(c, d)), low(high(a, b), high(c, d)), e)


@kernel
def _middle7(a: float, b: float, c: float, d: float, e: float, f: float, g: float) -> float:
    below, above, under, over = low(a, b), high(a, b), low(c, d), high(c, d)
    # of a to e the lowest and the highest are forgotten: the middle two of a to d are left, and of the other three
    # (e, and those of a to d that were lowest and highest) the one in the middle
    rest = high(low(e, high(above, over)), low(below, under))
    return _middle5(high(below, under), low(above, over), rest, f, g)


@kernel
def _middle9(a: float, b: float, c: float, d: float, e: float, f: float, g: float, h: float, i: float) -> float:
    # three groups of three, each sorted: the median of all is that of the highest of their lowest, the median of their
    # medians, and the lowest of their highest
    least = high(high(low(low(a, b), c), low(low(d, e), f)), low(low(g, h), i))
    most = low(low(high(high(a, b), c), high(high(d, e), f)), high(high(g, h), i))
    return _middle3(least, _middle3(_middle3(a, b, c), _middle3(d, e, f), _middle3(g, h, i)), most)


@kernel
def medians5(source: Array, step: int, out: Array) -> None:
    """Write the medians of 5 values, each a step after the other; the first and last ones of ``out`` stay as they are.

    ``source`` and ``out`` are images as one row each: a step of 1 goes along rows, one of their width along columns.
    """
    count = source.size - 4 * step
    a, b, c = source[:count], source[step:], source[2 * step :]
    d, e, target = source[3 * step :], source[4 * step :], out[2 * step :]
    for i in range(count):
        target[i] = _middle5(a[i], b[i], c[i], d[i], e[i])


@kernel
def medians7(source: Array, step: int, out: Array) -> None:
    """Do the same for 7 values."""
    count = source.size - 6 * step
    a, b, c, d = source[:count], source[step:], source[2 * step :], source[3 * step :]
    e, f, g, target = source[4 * step :], source[5 * step :], source[6 * step :], out[3 * step :]
    for i in range(count):
        target[i] = _middle7(a[i], b[i], c[i], d[i], e[i], f[i], g[i])


@kernel
def medians9(source: Array, step: int, out: Array) -> None:
    """Do the same for 9 values."""
    count = source.size - 8 * step
    a, b, c, d, e = source[:count], source[step:], source[2 * step :], source[3 * step :], source[4 * step :]
    f, g, h, k = source[5 * step :], source[6 * step :], source[7 * step :], source[8 * step :]
    target = out[4 * step :]
    for i in range(count):
        target[i] = _middle9(a[i], b[i], c[i], d[i], e[i], f[i], g[i], h[i], k[i])
