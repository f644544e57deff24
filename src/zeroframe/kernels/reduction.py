"""A frame of a night in one pass: less its bias, less its dark, over its flat, with its noise; and masks of pixels.

All planes are float32 or float64, of shape (ny, nx), C order; a plane of shape (0, 0) is not there. Arithmetic is
float64 in registers and rounded once, when ``out`` is written. What is not finite stays so, and is counted. The
interpreter's lock is released.

As in `zeroframe.kernels.arithmetic`, a row is worked on several times while it is in the first-level cache, each time
by a loop short enough to be compiled to vector code.
"""

# ruff: noqa: FURB136 -- conditional expressions become vector maxima, builtin max does not

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from zeroframe.kernels._compile import kernel
from zeroframe.kernels.rows import count_not_finite

if TYPE_CHECKING:
    from zeroframe.kernels._compile import Array

__all__ = [
    "LightNoise",
    "block_levels",
    "mask_high",
    "mask_high_swapped16",
    "odd_places",
    "reduce_light",
    "subtract_planes",
]


class LightNoise(NamedTuple):
    """What the noise of a frame of light is made of.

    Attributes
    ----------
    read_variance : float
        Of one pixel, in squared units of the frame.
    per_gain : float
        1 / gain: what one unit of signal adds to the variance.
    level : float
        Signal is counted from here, where there is no plane that says from where.
    bias_share, dark_share, flat_share : float
        What the standard deviations of bias, dark and flat are multiplied by.
    """

    read_variance: float
    per_gain: float
    level: float
    bias_share: float
    dark_share: float
    flat_share: float


@kernel
def _subtract_row(own: Array, other: Array, scale: float) -> None:
    """Subtract ``scale * other`` from a row, in place."""
    for x in range(own.size):
        own[x] -= scale * np.float64(other[x])


def subtract_planes(pixels: Array, bias: Array, dark: Array, scale: float, out: Array) -> int:
    """Write ``pixels - bias - scale * dark``; return how many pixels of ``out`` are not finite.

    ``out`` may be ``pixels``.
    """
    return _subtract_planes(pixels, bias, dark, scale, out, np.empty(out.shape[1]))


@kernel
def _subtract_planes(pixels: Array, bias: Array, dark: Array, scale: float, out: Array, own: Array) -> int:
    """Do it; ``own`` is a row of float64 to work in."""
    ny, nx = out.shape
    bad = 0
    for y in range(ny):
        source, target = pixels[y], out[y]
        for x in range(nx):
            own[x] = np.float64(source[x])
        if bias.size > 0:
            _subtract_row(own, bias[y], 1.0)
        if dark.size > 0:
            _subtract_row(own, dark[y], scale)
        for x in range(nx):
            target[x] = own[x]
        bad += count_not_finite(target)
    return bad


@kernel
def _photon_variance(own: Array, noise: LightNoise, variance: Array) -> None:
    """Write read and photon noise of a row; what lies below the level has no photon noise."""
    for x in range(own.size):
        signal = own[x] - noise.level
        variance[x] = noise.read_variance + noise.per_gain * (signal if signal > 0.0 else 0.0)


@kernel
def _photon_variance_above(own: Array, pedestal: Array, noise: LightNoise, variance: Array) -> None:
    """Do the same, with a level of each pixel."""
    for x in range(own.size):
        signal = own[x] - np.float64(pedestal[x])
        variance[x] = noise.read_variance + noise.per_gain * (signal if signal > 0.0 else 0.0)


@kernel
def _add_variance(variance: Array, sigma: Array, scale: float) -> None:
    """Add the square of ``scale * sigma`` to a row, in place."""
    for x in range(variance.size):
        added = scale * np.float64(sigma[x])
        variance[x] += added * added


@kernel
def _divide_row(own: Array, variance: Array, flat: Array, factor: float) -> None:
    """Divide a row by the flat and multiply it by a factor, in place; its variance alike."""
    for x in range(own.size):
        inverse = 1.0 / np.float64(flat[x])
        own[x] *= inverse
        variance[x] *= inverse * inverse
        own[x] *= factor
        variance[x] *= factor * factor


@kernel
def _add_flat_variance(own: Array, variance: Array, flat: Array, flat_sigma: Array, flat_share: float) -> None:
    """Add what the error of the flat does to a row that was divided by it, in place."""
    for x in range(own.size):
        of_flat = own[x] * flat_share * np.float64(flat_sigma[x]) / np.float64(flat[x])
        variance[x] += of_flat * of_flat


def reduce_light(
    pixels: Array,
    planes: tuple[Array, Array, Array],
    sigmas: tuple[Array, Array, Array],
    pedestal: Array,
    scale: float,
    factor: float,
    noise: LightNoise,
    out: Array,
    out_sigma: Array,
) -> int:
    """Write ``(pixels - bias - scale * dark) / flat * factor``, and its standard deviation.

    Parameters
    ----------
    pixels : float
        The frame, less its overscan and trimmed. ``out`` may be the same.
    planes, sigmas : tuple of three
        Bias, dark and flat, and their standard deviations. The flat is normalised, and above zero everywhere.
    pedestal : float
        The level that light and dark current are counted from, in each pixel: photon noise is that of
        ``pixels - pedestal``. Where there is none, ``noise.level`` is taken.
    scale : float
        What the dark is multiplied by.
    factor : float
        What the result is multiplied by: the gain, for a result in electrons.
    noise : LightNoise
        Read and photon noise.
    out, out_sigma : float
        The results. Where ``out_sigma`` is of shape (0, 0), no noise is worked out.

    Returns
    -------
    int
        How many pixels of ``out`` are not finite.

    Notes
    -----
    The variance of ``L - b - s (D - b)``, where the bias b was subtracted from light and dark, is that of
    ``L - (1 - s) b - s D``: the bias is one frame, and its error drops out where the dark is not scaled. So its share
    is 1 - s there, and that of the dark s. Errors are taken to first order, and that of the gain as none.
    """
    work = np.zeros((2, out.shape[1]))
    return _reduce_light(pixels, planes, sigmas, pedestal, scale, factor, noise, out, out_sigma, work)


@kernel
def _reduce_light(
    pixels: Array,
    planes: tuple[Array, Array, Array],
    sigmas: tuple[Array, Array, Array],
    pedestal: Array,
    scale: float,
    factor: float,
    noise: LightNoise,
    out: Array,
    out_sigma: Array,
    work: Array,
) -> int:
    """Do it; ``work`` is two rows of float64 to work in."""
    bias, dark, flat = planes
    bias_sigma, dark_sigma, flat_sigma = sigmas
    ny, nx = out.shape
    own, variance = work[0], work[1]
    bad = 0
    for y in range(ny):
        source, target = pixels[y], out[y]
        for x in range(nx):
            own[x] = np.float64(source[x])
        if out_sigma.size > 0:
            # before anything is subtracted: photon noise is that of the light that was read
            if pedestal.size > 0:
                _photon_variance_above(own, pedestal[y], noise, variance)
            else:
                _photon_variance(own, noise, variance)
            if bias_sigma.size > 0:
                _add_variance(variance, bias_sigma[y], noise.bias_share)
            if dark_sigma.size > 0:
                _add_variance(variance, dark_sigma[y], noise.dark_share)
        if bias.size > 0:
            _subtract_row(own, bias[y], 1.0)
        if dark.size > 0:
            _subtract_row(own, dark[y], scale)
        if flat.size > 0:
            _divide_row(own, variance, flat[y], factor)
            if flat_sigma.size > 0:
                _add_flat_variance(own, variance, flat[y], flat_sigma[y], noise.flat_share)
        elif factor != 1.0:
            for x in range(nx):
                own[x] *= factor
                variance[x] *= factor * factor
        for x in range(nx):
            target[x] = own[x]
        bad += count_not_finite(target)
        if out_sigma.size > 0:
            deviations = out_sigma[y]
            for x in range(nx):
                deviations[x] = np.sqrt(variance[x])
    return bad


@kernel
def mask_high_swapped16(pixels: Array, zero: float, limit: float, y0: int, x0: int, mask: Array) -> int:
    """Set ``mask`` where a raw pixel reaches a limit; return how many pixels do.

    Parameters
    ----------
    pixels : uint16, shape (ny, nx)
        The bytes of the file seen as native uint16, as in `zeroframe.kernels.frame.calibrate_swapped16`.
    zero : float
        BZERO.
    limit : float
        In units of the raw frame.
    y0, x0 : int
        Where the trimmed image starts.
    mask : bool, shape of the trimmed image
        What is set already stays.
    """
    ny, nx = mask.shape
    count = 0
    # compared as integers; a limit that int16 does not reach is reached by no pixel, or by all
    whole = np.ceil(limit - zero)
    if whole > 32767.0:
        return 0
    lowest = np.int64(whole) if whole > -32768.0 else np.int64(-32768)
    for y in range(ny):
        source, target = pixels[y0 + y], mask[y]
        here = 0
        for x in range(nx):
            raw = source[x0 + x]
            here += 1 if np.int32(np.int16((raw << 8) | (raw >> 8))) >= lowest else 0
        # counting is vector code, setting is not; few rows have anything to set
        if here > 0:
            for x in range(nx):
                raw = source[x0 + x]
                if np.int32(np.int16((raw << 8) | (raw >> 8))) >= lowest:
                    target[x] = True
            count += here
    return count


@kernel
def mask_high(pixels: Array, limit: float, y0: int, x0: int, mask: Array) -> int:
    """Do the same for pixels of any native type that are decoded already."""
    ny, nx = mask.shape
    count = 0
    for y in range(ny):
        source, target = pixels[y0 + y], mask[y]
        for x in range(nx):
            if source[x0 + x] >= limit:
                target[x] = True
                count += 1
    return count


def block_levels(pixels: Array, size: int, out: Array) -> None:
    """Write the median of every second pixel of every second row of each square block; NaN where none is finite.

    Parameters
    ----------
    pixels : float, shape (ny, nx)
        Not finite where left out.
    size : int
        Side of a block.
    out : float64, shape (ceil(ny / size), ceil(nx / size))
        Of an even number of pixels, the upper of the two in the middle.
    """
    _block_levels(pixels, size, out, np.empty(((size + 1) // 2) ** 2))


@kernel
def _block_levels(pixels: Array, size: int, out: Array, values: Array) -> None:
    """Do it; ``values`` has room for those of one block."""
    ny, nx = pixels.shape
    for i in range(out.shape[0]):
        for j in range(out.shape[1]):
            count = 0
            for y in range(i * size, min((i + 1) * size, ny), 2):
                for x in range(j * size, min((j + 1) * size, nx), 2):
                    value = np.float64(pixels[y, x])
                    if np.abs(value) < np.inf:
                        place = count
                        while place > 0 and values[place - 1] > value:  # a handful of values: sorted as they come
                            values[place] = values[place - 1]
                            place -= 1
                        values[place] = value
                        count += 1
            out[i, j] = values[count // 2] if count > 0 else np.nan


@kernel
def odd_places(pixels: Array, levels: Array, size: int, fraction: float, least: float, places: Array) -> int:
    """Find the pixels that stand off the level of their block; return how many there are.

    Parameters
    ----------
    pixels : float, shape (ny, nx)
        The image.
    levels : float64
        From `block_levels`, with the same ``size``.
    fraction, least : float
        Odd is what stands off by more than this fraction of the level and by more than ``least``, or is not finite.
    places : int64, shape (n, 2)
        Filled with row and column of as many of them as there is room for.
    """
    ny, nx = pixels.shape
    count = 0
    for y in range(ny):
        row = pixels[y]
        for j in range(levels.shape[1]):
            level = levels[y // size, j]
            reach = max(fraction * np.abs(level), least)
            first, last = j * size, min((j + 1) * size, nx)
            here = 0
            for x in range(first, last):
                here += not np.abs(np.float64(row[x]) - level) <= reach  # NaN is odd: it compares as false
            if here > 0:
                for x in range(first, last):
                    if not np.abs(np.float64(row[x]) - level) <= reach:
                        if count < places.shape[0]:
                            places[count, 0] = y
                            places[count, 1] = x
                        count += 1
    return count
