"""The same arithmetic as in the kernels, spelled out slowly: one pixel at a time, on Python lists, in float64.

Nothing here is imported from zeroframe, so that a mistake cannot be made twice.
"""

from __future__ import annotations

import math

import numpy as np

MAD_TO_SIGMA = 1.482602218505602  # 1 / norm.ppf(0.75)


def median(values):
    ordered = sorted(values)
    n = len(ordered)
    return 0.5 * (ordered[(n - 1) // 2] + ordered[n // 2])


def mean(values):
    return math.fsum(values) / len(values)


def std(values):
    center = mean(values)
    return math.sqrt(math.fsum((v - center) ** 2 for v in values) / len(values))


def mad_std(values):
    center = median(values)
    return MAD_TO_SIGMA * median([abs(v - center) for v in values])


STATISTICS = {"median": median, "mean": mean, "std": std, "mad_std": mad_std}


def survivors(
    values,
    *,
    value_low=None,
    value_high=None,
    drop_low=0,
    drop_high=0,
    sigma_low=None,
    sigma_high=None,
    center="median",
    spread="mad_std",
    iterations=1,
    floor_adu=0.0,
    photon_adu=0.0,
):
    """What is left of the values of one pixel: value limits, then extrema, then clipping."""
    frames = len(values)
    left = sorted(float(v) for v in values if math.isfinite(v))
    left = [v for v in left if (value_low is None or v >= value_low) and (value_high is None or v <= value_high)]
    n = len(left)
    left = left[drop_low * n // frames : n - drop_high * n // frames]
    if sigma_low is None and sigma_high is None:
        return left
    for _ in range(iterations):
        if not left:
            break
        middle = STATISTICS[center](left)
        floor = math.sqrt(floor_adu**2 + max(middle, 0.0) * photon_adu)
        width = max(STATISTICS[spread](left), floor)
        kept = [
            v
            for v in left
            if (sigma_low is None or v >= middle - sigma_low * width)
            and (sigma_high is None or v <= middle + sigma_high * width)
        ]
        if len(kept) == len(left):
            break
        left = kept
    return left


def reduce(left, method):
    """Result and uncertainty of what is left of one pixel."""
    n = len(left)
    if n == 0:
        return math.nan, math.nan
    if method == "median":
        return median(left), mad_std(left) / math.sqrt(n)
    if method == "sum":
        return math.fsum(left), std(left) * math.sqrt(n)
    return mean(left), std(left) / math.sqrt(n)


def combine(stack, method="average", factors=None, **rejection):
    """Data, uncertainty and counts of a stack of any shape (frames, ...), NaN where masked."""
    stack = np.asarray(stack, dtype=np.float64)
    if factors is not None:
        stack = stack * np.reshape(factors, (-1, *[1] * (stack.ndim - 1)))
    shape = stack.shape[1:]
    data, error, counts = np.empty(shape), np.empty(shape), np.empty(shape, dtype=int)
    for place in np.ndindex(shape):
        left = survivors(stack[(slice(None), *place)], **rejection)
        data[place], error[place] = reduce(left, method)
        counts[place] = len(left)
    return data, error, counts


def weighted(stack, weights, *, total=False):
    """Sum of w x, over the sum of w or not, of the values of each pixel that are not masked."""
    stack = np.asarray(stack, dtype=np.float64)
    weights = np.broadcast_to(np.reshape(weights, np.shape(weights) + (1,) * (3 - np.ndim(weights))), stack.shape)
    out = np.full(stack.shape[1:], math.nan)
    for place in np.ndindex(out.shape):
        column = (slice(None), *place)
        pairs = [(v, w) for v, w in zip(stack[column], weights[column], strict=True) if math.isfinite(v) and w > 0]
        if pairs:
            value = math.fsum(v * w for v, w in pairs)
            out[place] = value if total else value / math.fsum(w for _, w in pairs)
    return out


def overscan_levels(strip, method="median", *, step_adu=0.0):
    """Level of each row of a strip, NaN where no pixel is valid."""
    levels = []
    for row in np.asarray(strip, dtype=np.float64):
        left = [v for v in row if math.isfinite(v)]
        if method == "clipped":
            floor = 0.5 * MAD_TO_SIGMA * step_adu
            left = survivors(left, sigma_low=3.0, sigma_high=3.0, iterations=3, floor_adu=floor) if left else []
        levels.append(math.nan if not left else median(left) if method == "median" else mean(left))
    return np.array(levels)


# --- rejections of other programs ------------------------------------------------------------------------------------


def sample_std(values):
    center = mean(values)
    return math.sqrt(math.fsum((v - center) ** 2 for v in values) / (len(values) - 1))


def nearest_if_nothing_is_left(left, before):
    """IRAF's nkeep=1: where all would be rejected, those stay that are nearest to the median."""
    if left or not before:
        return left
    center = median(before)
    least = min(abs(v - center) for v in before)
    return [v for v in before if abs(v - center) <= least]


def avsigclip_line(pixels, low, high):
    """What is left of the pixels of one line: a list of values for each."""
    ratio, count = 0.0, 0
    for values in pixels:
        if len(values) >= 3:
            center = median(values)
            ratio += math.fsum((v - center) ** 2 for v in values) / max(center, 1.0)
            count += len(values)
    found = []
    for values in pixels:
        left = list(values)
        while len(left) >= 3:
            center = median(left)
            sigma = math.sqrt(ratio / (count - 1)) * math.sqrt(max(center, 1.0))
            kept = [v for v in left if center - v <= low * sigma and v - center <= high * sigma]
            kept = nearest_if_nothing_is_left(kept, left)
            if len(kept) == len(left):
                break
            left = kept
        found.append(left)
    return found


def pclip_pixel(values, frames, low, high, pclip):
    """What is left of one pixel of so many frames."""
    n = len(values)
    if n < 3:
        return list(values)
    ordered, center = sorted(values), median(values)
    steps = max(1, int(abs(pclip) if abs(pclip) >= 1 else abs(pclip) * (frames // 2) + 1e-9))
    place = min(n // 2 + steps, n - 1) if pclip > 0 else max((n - 1) // 2 - steps, 0)
    width = abs(ordered[place] - center)
    kept = [v for v in values if center - v <= low * width and v - center <= high * width]
    return nearest_if_nothing_is_left(kept, values)


def winsorised_pixel(values, low, high):
    """Siril's: outliers are brought in to 1.5 sigma until sigma stands still; then values are clipped by it."""
    left, first = list(values), len(values)
    while len(left) > 3:
        center, sigma, moved = median(left), sample_std(left), list(left)
        for _ in range(200):
            moved = [min(max(v, center - 1.5 * sigma), center + 1.5 * sigma) for v in moved]
            before, center, sigma = sigma, median(moved), 1.134 * sample_std(moved)
            if abs(sigma - before) <= 0.0005 * before:
                break
        room, kept = first - 2 * (first - len(left)) - 4, []
        for v in left:
            outside = center - v > low * sigma or v - center > high * sigma
            if outside and room > 0:
                room -= 1
            else:
                kept.append(v)
        if len(kept) == len(left):
            return left
        left = kept
    return left


def gesd_pixel(values, outliers, significance):
    """Rosner's: the most extreme is taken out, again and again; the last that was too far goes, and all before it."""
    from scipy.stats import t

    left, taken, confirmed = list(values), [], 0
    for number in range(1, int(outliers * len(values) + 1e-9) + 1):
        n = len(left)
        if n < 3:
            break
        center, sigma = mean(left), sample_std(left)
        farthest = max(left, key=lambda v: abs(v - center))
        quantile = t.ppf(1 - significance / (2 * n), n - 2)
        if abs(farthest - center) / sigma > (n - 1) * quantile / math.sqrt(n * (n - 2 + quantile**2)):
            confirmed = number
        taken.append(farthest)
        left.remove(farthest)
    kept = list(values)
    for value in taken[:confirmed]:
        kept.remove(value)
    return kept


def crreject_pixel(values, high, floor, per_light):
    """IRAF's: what is too high for the noise of the camera, until nothing more is."""
    left = list(values)
    while len(left) >= 2:
        center = median(left)
        sigma = math.sqrt(floor**2 + max(center, 0.0) * per_light)
        kept = [v for v in left if v - center <= high * sigma]
        if len(kept) == len(left):
            break
        left = kept
    return left


def grown(rejected, finite, radius):
    """Return where values are rejected once each frame's rejected pixels have grown; arrays (frames, ny, nx)."""
    found = np.array(rejected)
    _, ny, nx = found.shape
    for frame, y, x in np.argwhere(rejected):
        for other_y in range(ny):
            for other_x in range(nx):
                if math.hypot(other_y - y, other_x - x) <= radius:
                    found[frame, other_y, other_x] = True
    for y in range(ny):
        for x in range(nx):
            if not (finite[:, y, x] & ~found[:, y, x]).any():
                found[:, y, x] = rejected[:, y, x]
    return found
