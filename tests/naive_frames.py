"""Arithmetic between frames and boxes of pixels, spelled out slowly: one pixel at a time, in Python's floats.

Nothing here is imported from zeroframe, so that a mistake cannot be made twice.
"""

from __future__ import annotations

import math

import numpy as np


def each_pixel(function, *images):
    """Call a function with the values of each pixel; it returns a tuple, and so does this."""
    shape = images[0].shape
    first = function(*(float(image[0, 0]) for image in images))
    out = [np.empty(shape) for _ in first]
    for place in np.ndindex(shape):
        for target, value in zip(out, function(*(float(image[place]) for image in images)), strict=True):
            target[place] = value
    return out


def subtract(a, sa, b, sb, scale=1.0):
    return each_pixel(lambda a, sa, b, sb: (a - scale * b, math.hypot(sa, scale * sb)), a, sa, b, sb)


def divide(a, sa, f, sf, norm):
    """Value, error, and whether the flat is unusable (then the pixel stays as it is)."""

    def one(a, sa, f, sf):
        if not (math.isfinite(f) and f > 0):
            return a, sa, 1.0
        n, sn = f / norm, sf / norm
        return a / n, math.sqrt((sa / n) ** 2 + (a * sn / n**2) ** 2), 0.0

    return each_pixel(one, a, sa, f, sf)


def flat_norm(flat, mask):
    values = [float(v) for v, m in zip(flat.ravel(), mask.ravel(), strict=True) if not m and math.isfinite(v) and v > 0]
    middle = sorted(values)[len(values) // 2]
    return math.fsum(v for v in values if v <= 10 * middle) / sum(v <= 10 * middle for v in values)


def noise(a, gain, read_noise):
    return each_pixel(lambda a: (math.sqrt(max(gain * a, 0.0) + read_noise**2) / gain,), a)[0]


def mirror(i, n):
    while not 0 <= i < n:
        i = -i - 1 if i < 0 else 2 * n - 1 - i
    return i


def box(image, y, x, height, width):
    """The finite values in a box around a pixel, sorted; the image is mirrored at its edges."""
    ny, nx = image.shape
    rows = [mirror(y - height // 2 + i, ny) for i in range(height)]
    columns = [mirror(x - width // 2 + i, nx) for i in range(width)]
    return sorted(float(image[r, c]) for r in rows for c in columns if math.isfinite(image[r, c]))


def moving_percentile(image, height, width, percent):
    out = np.full(image.shape, math.nan)
    for y, x in np.ndindex(image.shape):
        values = box(image, y, x, height, width)
        if values:
            out[y, x] = values[min(int(len(values) * percent / 100.0), len(values) - 1)]
    return out


def blocks(image, mask, by, bx):
    """The valid values of each block."""
    ny, nx = image.shape[0] // by, image.shape[1] // bx
    return [
        [
            [
                float(image[y, x])
                for y in range(i * by, (i + 1) * by)
                for x in range(j * bx, (j + 1) * bx)
                if not mask[y, x]
            ]
            for j in range(nx)
        ]
        for i in range(ny)
    ]


def light(x, planes, sigmas, pedestal, scale, factor, read_variance, per_gain, shares, in_flat=(0.0, 0.0)):
    """A frame less bias and scaled dark, over the flat, times a factor, and its error, one pixel at a time.

    Photon noise is that of what is above the pedestal; ``in_flat`` is how much of bias and dark is in the flat, too,
    over its level.
    """
    names = ("bias", "dark", "flat")

    def one(x, b, d, f, sb, sd, sf, p):
        value = (x - b - scale * d) / f
        variance = read_variance + per_gain * max(x - p, 0.0)
        variance += ((shares[0] - in_flat[0] * value) * sb) ** 2 + ((shares[1] - in_flat[1] * value) * sd) ** 2
        relative = shares[2] * sf / f
        return factor * value, factor * math.sqrt(variance / f**2 + (value * relative) ** 2)

    missing = {"bias": 0.0, "dark": 0.0, "flat": 1.0}
    full = [np.full(x.shape, missing[n]) if a is None else a for n, a in zip(names, planes, strict=True)]
    errors = [np.zeros(x.shape) if a is None else a for a in sigmas]
    return each_pixel(one, x, *full, *errors, pedestal)


def expected_light(light, read_variance, per_gain):
    """The light that photon noise is made of: of the 48 pixels around where they are faint and even, else the own."""
    ny, nx = light.shape
    expected = light.copy()
    for y in range(ny):
        if np.all(light[y] >= 400.0 * per_gain):
            continue
        for x in range(nx):
            near, far = [], []
            for j in range(max(y - 3, 0), min(y + 4, ny)):
                for i in range(max(x - 3, 0), min(x + 4, nx)):
                    if (i, j) != (x, y) and np.isfinite(light[j, i]):
                        (near if abs(i - x) <= 1 and abs(j - y) <= 1 else far).append(light[j, i])
            if not near or not far or not np.isfinite(light[y, x]):
                continue
            sky = (sum(near) + sum(far)) / (len(near) + len(far))
            variance = read_variance + per_gain * max(sky, 0.0)
            uneven = np.mean(near) - np.mean(far)
            even = uneven**2 <= 9.0 * variance * (1 / len(near) + 1 / len(far))
            out = max(abs(light[y, x] - sky) - 2.0 * per_gain, 0.0)
            if even and out**2 <= 3.5**2 * variance:
                expected[y, x] = sky
            elif per_gain:  # one electron more than were counted, as far as read noise does not hide it
                expected[y, x] += per_gain / (1.0 + read_variance / per_gain**2)
    return expected
