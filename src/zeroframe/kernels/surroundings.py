"""What light a pixel of a faint sky is expected to hold, from its surroundings: photon noise without the pixel's own.

A pixel of a faint sky says little of the light that fell on it. With the noise taken from its own value, a pixel that
is high by chance is stated as noisier, one that is low as quieter: chi-square is 1.2 for a sky of a few electrons, and
a mean with inverse variances as weights is tens of per cent too low. Its neighbours say the same without that, where
all of them see the same sky. They do not near a star, at an edge, or where a pixel stands out: there its own value is
taken.
"""

# ruff: noqa: FURB136 -- conditional expressions become vector maxima, builtin max does not

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from zeroframe.kernels._jit import kernel

if TYPE_CHECKING:
    from zeroframe.kernels._jit import Array

__all__ = ["REACH", "expect_light", "judge_light", "light_above", "light_from", "surroundings"]

#: The sky is that of 7 x 7 pixels around: their mean has a forty-eighth of the variance of one.
REACH = 3
#: Neighbours see another light where the mean of the nearest eight differs from that of the others by so many errors.
_UNEVEN = 3.0
#: A pixel stands out by so many sigma and two electrons: photons of a faint sky are not normally distributed.
_OUT_SIGMA, _OUT_E = 3.5, 2.0
#: Who knows nothing else takes the variance of n counted photons as n + 1: with n alone, what holds none is without
#: noise. Read noise of some electrons hides single ones, and what is added.
_UNKNOWN_E, _TINY = 1.0, 1e-30
#: Of so many electrons the own value is as good: chi-square changes by 2 over it, the mean by one electron.
_BRIGHT_E = 400.0


def surroundings(nx: int) -> tuple[Array, Array, Array]:
    """Return memory for the light of rows around one, which of it is valid, and for sums over columns."""
    rows = 2 * REACH + 1
    return np.zeros((rows, nx)), np.zeros((rows, nx + 1)), np.zeros((5, nx + 2 * REACH))


@kernel
def light_above(source: Array, pedestal: Array, factor: float, light: Array) -> None:
    """Write what light a row holds above a level of each pixel."""
    for x in range(light.size):
        light[x] = factor * np.float64(source[x]) - factor * np.float64(pedestal[x])


@kernel
def light_from(source: Array, level: float, factor: float, light: Array) -> None:
    """Do the same above one level, which is in units of the light."""
    for x in range(light.size):
        light[x] = factor * np.float64(source[x]) - level


@kernel
def judge_light(light: Array, valid: Array) -> None:
    """Write where the light of a row is a number, last whether it is so everywhere; elsewhere it becomes 0."""
    invalid = 0
    for x in range(light.size):
        finite = np.abs(light[x]) < np.inf
        invalid += not finite
        valid[x] = 1.0 if finite else 0.0
        light[x] = light[x] if finite else 0.0
    valid[light.size] = 1.0 if invalid == 0 else 0.0


@kernel
def _is_bright(light: Array, per_gain: float) -> bool:
    """Whether no pixel of a row is so faint that it matters."""
    faint = 0
    for x in range(light.size):
        faint += light[x] < _BRIGHT_E * per_gain
    return faint == 0


@kernel
def expect_light(
    light: Array, valid: Array, sums: Array, y: int, ny: int, read_variance: float, per_gain: float, expected: Array
) -> None:
    """Write the light that is expected in row ``y`` of ``ny``.

    Parameters
    ----------
    light, valid : float64, shapes (7, nx) and (7, nx + 1)
        What `light_above` and `judge_light` have written, of row ``r`` in place ``r % 7``; of up to three rows before
        and after.
    sums : float64, shape (5, nx + 6)
        To work in; its first and last three columns are zero.
    read_variance, per_gain : float
        The noise of a pixel without light, and what one unit of light adds.
    expected : float64, shape (nx,)
        The result.
    """
    rows, nx = light.shape
    own = light[y % rows]
    if _is_bright(own, per_gain):
        for x in range(nx):
            expected[x] = own[x]
        return
    first, end = max(y - REACH, 0), min(y + REACH + 1, ny)
    top, bottom = max(y - 1, 0), min(y + 2, ny)
    all_light, all_valid, near_light, near_valid = sums[0], sums[1], sums[2], sums[3]
    _sum_rows(light, first, end, all_light)
    _sum_rows(light, top, bottom, near_light)
    whole = nx > 4 * REACH
    for row in range(first, end):
        whole = whole and valid[row % rows, nx] > 0.0
    if whole:
        many, close = (end - first) * 7.0, (bottom - top) * 3.0
        _judge_full(own, all_light, near_light, many - close, close - 1.0, read_variance, per_gain, expected)
        for x in range(REACH, 3 * REACH):  # near the ends alone they are looked at
            all_valid[x] = all_valid[nx + 2 * REACH - 1 - x] = float(end - first)
            near_valid[x] = near_valid[nx + 2 * REACH - 1 - x] = float(bottom - top)
    else:
        _sum_rows(valid[:, :nx], first, end, all_valid)
        _sum_rows(valid[:, :nx], top, bottom, near_valid)
    good = valid[y % rows]
    for x in range(nx):
        if whole and REACH <= x < nx - REACH:
            continue
        total, count, near, close = 0.0, 0.0, 0.0, 0.0
        for k in range(2 * REACH + 1):
            total += all_light[x + k]
            count += all_valid[x + k]
        for k in range(2, 5):
            near += near_light[x + k]
            close += near_valid[x + k]
        far, many = total - near, count - close
        near -= own[x]
        close -= good[x]
        if many > 0.0 and close > 0.0:
            expected[x] = _judged(own[x], near, far, 1.0 / close, 1.0 / many, read_variance, per_gain)
        else:
            expected[x] = own[x]


@kernel
def _sum_rows(values: Array, first: int, end: int, sums: Array) -> None:
    """Add up rows, which stand at their number modulo 7; a margin of three columns on each side stays zero."""
    rows, nx = values.shape
    target = sums[REACH : nx + REACH]
    a = values[first % rows]
    for x in range(nx):
        target[x] = a[x]
    for row in range(first + 1, end):
        a = values[row % rows]
        for x in range(nx):
            target[x] += a[x]


@kernel
def _judged(
    own: float, near: float, far: float, per_near: float, per_far: float, read_variance: float, per_gain: float
) -> float:
    """Return what light is expected, by sums over the nearest and the other neighbours, and one over their numbers."""
    sky = (near + far) * (per_near * per_far / (per_near + per_far))
    variance = read_variance + per_gain * (sky if sky > 0.0 else 0.0)
    uneven = near * per_near - far * per_far
    out = np.abs(own - sky) - _OUT_E * per_gain
    out = out if out > 0.0 else 0.0
    even = uneven * uneven <= _UNEVEN * _UNEVEN * (per_near + per_far) * variance
    even = even & (out * out <= _OUT_SIGMA * _OUT_SIGMA * variance)
    return sky if even else own + _UNKNOWN_E * per_gain**3 / (per_gain * per_gain + read_variance + _TINY)


@kernel
def _judge_full(
    own: Array,
    all_light: Array,
    near_light: Array,
    many: float,
    close: float,
    read_variance: float,
    per_gain: float,
    expected: Array,
) -> None:
    """Judge the pixels of a row that have all their neighbours: a loop that becomes vector code."""
    inside = own.size - 2 * REACH
    a, b, c, d = all_light[3:], all_light[4:], all_light[5:], all_light[6:]
    e, f, g = all_light[7:], all_light[8:], all_light[9:]
    p, q, r = near_light[5:], near_light[6:], near_light[7:]
    middle, target = own[REACH:], expected[REACH:]
    per_near, per_far = 1.0 / close, 1.0 / many
    for x in range(inside):
        near = p[x] + q[x] + r[x]
        far = a[x] + b[x] + c[x] + d[x] + e[x] + f[x] + g[x] - near
        target[x] = _judged(middle[x], near - middle[x], far, per_near, per_far, read_variance, per_gain)
