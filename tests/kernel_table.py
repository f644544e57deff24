"""Every kernel, called on arrays with what is hard in them; as a program it prints what came out, for comparisons.

Arguments are names of `TABLE`; without any, all of it is called.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import os
import pkgutil
import sys

import numba
import numpy as np

import zeroframe.kernels
from zeroframe.kernels import (
    blocks,
    calibrate,
    columns,
    errors,
    exposures,
    masks,
    mending,
    moments,
    pooled,
    ranks,
    rice,
    strips,
    trails,
)
from zeroframe.kernels import extremes as extremes_kernels
from zeroframe.kernels import lacosmic as laplacian
from zeroframe.kernels import point_images as points
from zeroframe.kernels import raw as frame
from zeroframe.kernels import sorting as networks
from zeroframe.kernels import stack as stacks
from zeroframe.kernels import stack_weighted as weighted
from zeroframe.kernels._jit import _Kernel

#: Whether our loader has to work with the numba that is installed; with others numba's own dispatcher is enough.
LOADER_KNOWS_NUMBA = (0, 62) <= tuple(map(int, numba.__version__.split(".")[:2])) < (0, 70)
#: Whether kernels are called by numba's own dispatcher.
NJIT = os.environ.get("ZEROFRAME_KERNELS") == "njit" or not LOADER_KNOWS_NUMBA
NY, NX = 61, 83
NONE = np.zeros((0, 0), np.float32)
#: Rejections, by name; each with every statistic.
REJECTIONS = {
    "none": stacks.NO_LIMITS,
    "mad once": stacks.NO_LIMITS._replace(sigma_low=5.0, sigma_high=5.0),
    "std often": stacks.NO_LIMITS._replace(
        sigma_low=2.0, sigma_high=2.5, center_is_mean=True, spread_is_std=True, iterations=9
    ),
    "noise": stacks.NO_LIMITS._replace(sigma_low=3.0, sigma_high=3.0, floor_adu=2.5, photon_adu=0.7, floor_only=True),
    "ends": stacks.NO_LIMITS._replace(drop_low=1, drop_high=2),
    "bounds": stacks.NO_LIMITS._replace(value_low=990.0, value_high=1012.0),
}


def image(seed, dtype=np.float32, shape=(NY, NX), odd=True):
    """A level with noise and, where asked for, a few outliers and what is not finite."""
    rng = np.random.default_rng(seed)
    pixels = 1000.0 + 10.0 * np.round(rng.random(shape), 4) + rng.integers(-3, 4, shape)
    if odd:
        where = rng.integers(0, pixels.size, 24)
        pixels.flat[where] = [np.nan, np.inf, -np.inf, -5.0, 0.0, 60000.0] * 4
    return pixels.astype(dtype)


def mask_of(seed, shape=(NY, NX)):
    return np.random.default_rng(seed).random(shape) < 0.03


def raw_words(shape=(NY, NX)):
    return np.random.default_rng(9).integers(0, 65536, shape, np.uint16)


def flats_of(dtype):
    flat, no_mask = image(3, dtype), np.zeros((0, 0), np.bool_)
    yield calibrate.flat_level(flat, mask_of(5), 0.5, 5000.0), calibrate.flat_level(flat, no_mask, -np.inf, np.inf)


def frames_of(dtype):
    raw, rows = raw_words(), np.linspace(900.0, 1100.0, NY)
    flat, bent = np.zeros(NX), np.linspace(-1.0, 1.0, NX) / 3.0
    out, part = np.zeros((NY - 5, NX - 7), dtype), frame.Part(2, 3, NY - 5, NX - 7)
    for row_level, column_level in ((np.round(rows), flat), (rows, flat), (rows, bent)):
        frame.calibrate_swapped16(raw, 32768.0, row_level, column_level, part, out)
        yield (out.copy(),)
    for pixels in (image(6, dtype), raw, raw.astype(np.int32)):
        frame.calibrate_native(pixels, rows, bent, part._replace(flip_y=True, flip_x=True), out)
        yield (out.copy(),)


def words_of_files():
    for size in (1, 2047, 5001):
        words = np.random.default_rng(size).integers(0, 1 << 32, size, np.uint32)
        out = np.zeros_like(words)
        yield frame.swap_bytes32(words, out), out.copy()
        yield (frame.sum_swapped32(words),)
        yield (moments.count_not_finite32(words),)
        yield frame.read_floats32(words, out), out.copy()
        yield frame.swap_bytes32(out, out), out
    longs = np.random.default_rng(3).integers(0, 1 << 63, 999, np.uint64)
    frame.swap_bytes64(longs)
    yield (longs,)


def sums_and_columns(dtype):
    a, s, mask = image(11, dtype), image(12, dtype), mask_of(13)
    shape = (NY // 4, NX // 5)
    for sigma, masked in ((s, mask), (NONE.astype(dtype), np.zeros((0, 0), np.bool_))):
        totals, variances, counts = np.zeros(shape), np.zeros(shape), np.zeros(shape, np.int64)
        blocks.block_sums(a, sigma, masked, 4, 5, totals, variances, counts)
        yield totals, variances, counts
    residual, noise = image(14, dtype, odd=False) - dtype(1005.0), np.full((NY, NX), 3.0, dtype)
    columns.find_columns(residual, noise, 3.0, 4.0, mask)
    yield (mask.copy(),)
    columns.fill_gaps(mask, 3)
    yield (mask,)


def moments_of(dtype):
    values = image(21, dtype)
    yield moments.clipped_mean_std(values.reshape(-1), 1000.0, 4.0, 5.0, 0.0)
    yield moments.clipped_mean_std(np.full(3, np.nan, dtype), 0.0, 1.0, 5.0, 6.0)
    yield moments.clipped_mean_std(values.reshape(-1), 1000.0, 0.01, 5.0, 1.0)
    yield moments.clipped_mean_std(np.full(3, np.nan, dtype), 0.0, 1.0, 5.0, 0.0)
    moments.level_rows(values, 1000.0, 4.0, 3.0, 0.0)
    yield (values,)


def strips_of(dtype):
    stack, centre = image(25, dtype), image(26, np.float64, (NX,), odd=False)
    sums, counts = np.zeros(NY), np.zeros(NY, np.int64)
    strips.column_sums(stack, centre, 9.0, sums, counts)
    yield sums, counts
    lines = np.zeros(NX), np.zeros(NX), np.zeros(NX)
    strips.line_sums(stack, centre, 9.0, counts % 3 > 0, *lines)
    yield lines


def ranks_of(dtype):
    pixels = image(31, dtype)
    out = np.zeros((2, NY, NX), dtype)
    ranks.rank_filter(pixels, 5, 7, np.array([50.0, 16.0]), 0, out)
    yield (out,)
    places, medians = np.argwhere(mask_of(32)), np.zeros(np.count_nonzero(mask_of(32)))
    ranks.box_medians(pixels, places, 5, medians)
    yield (medians,)
    widths = np.zeros((-(-NY // 16), -(-NX // 10)))
    ranks.block_half_widths(pixels, 16, 10, 16.0, 84.0, widths)
    yield (widths,)


def calibrated_of(dtype):
    light, bias, dark, flat = image(41, dtype), image(42, dtype), image(43, dtype), image(44, dtype, odd=False)
    none, pedestal, own = NONE.astype(dtype), image(45, dtype), image(46, dtype)
    photons = calibrate.NoiseModel(16.0, 0.6, 3.0, 0.4, 1.2, 0.9)
    alone = photons._replace(per_gain=0.0)
    factors = calibrate.Factors(1.1, 1.0, 0.3, 1003.3, 1.4)
    out, error = np.zeros_like(light), np.zeros_like(light)
    for planes, level in (((bias, dark, flat), pedestal), ((bias, none, none), none), ((none, dark, flat), none)):
        around = photons._replace(from_surroundings=True, bias_in_flat=2e-3, dark_in_flat=1e-3)
        for sigma, noise in ((none, photons), (none, alone), (own, photons), (none, around)):
            bad = calibrate.calibrate_image(light, sigma, planes, planes, level, factors, noise, out, error)
            yield bad, out.copy(), error.copy()
    nothing = ((none,) * 3, (none,) * 3, none)
    yield calibrate.calibrate_image(light, none, *nothing, calibrate.Factors(), photons, out, none), out
    mask = np.zeros((NY - 5, NX - 7), np.uint8)
    yield masks.mask_high_swapped16(raw_words(), 32768.0, 61000.5, 2, 3, 4, mask), mask.copy()
    yield masks.mask_high_swapped16(raw_words(), 0.0, -40000.0, 2, 3, 8, mask), mask.copy()
    yield masks.mask_high(light, 1009.0, 2, 3, 1, mask), mask.copy()
    yield masks.add_found(mask_of(33, mask.shape), 16, mask), mask
    levels, places = np.zeros((-(-NY // 8), -(-NX // 8))), np.zeros((20, 2), np.int64)
    masks.block_levels(light, 8, levels)
    yield masks.odd_places(light, levels, 8, 0.004, 2.0, places), levels, places
    cells = np.zeros((NY // 2, NX // 2), light.dtype)
    masks.bin_by_two(light, cells)
    yield cells


def rays_of(dtype):
    sky = image(51, dtype, (140, 150), odd=False)
    rng = np.random.default_rng(52)
    for _ in range(60):
        y, x = rng.integers(0, 140), rng.integers(0, 150)
        sky[y : y + rng.integers(1, 4), x : x + rng.integers(1, 4)] += dtype(rng.integers(100, 4000))
    sky[70] += dtype(900.0)  # a line of the sky
    sky[30, 40], sky[90, 100] = np.nan, np.inf
    mask = mask_of(53, sky.shape).astype(np.uint8)
    for sigma, shift in ((np.full(sky.shape, 4.0, np.float32), 0), (np.full((3, 3), 4.0, np.float32), 6)):
        own = mask.copy()
        yield laplacian.mark_cosmic_rays(sky, sigma, shift, own, laplacian.SharpLimits()), own
        levels, sharp = np.full((3, 3), 1000.0, np.float32), laplacian.SharpLimits(point_ratio=0.6)
        own = mask.copy()
        yield laplacian.mark_cosmic_rays(sky, sigma, shift, own, sharp, levels), own
        ratios = np.zeros(30)
        limits = np.zeros(150, np.float32)
        yield points.point_ratios(sky, sigma, shift, mask, levels, (1.0, 0.15, 0.05), limits, ratios), ratios
        other, places = exposures.OtherFrame(sky[::-1].copy(), levels, 2.3, -4.6, 1.1), np.zeros((40, 2), np.int64)
        yield exposures.brighter_places(sky, sigma, shift, levels, other, 2.0, limits, places), places
        light = np.zeros((40, 4))
        exposures.light_at(other, places, light)
        yield light


def full_pixels_of(dtype):
    raw, own = raw_words(), image(91, dtype)
    for pixels, extremes, of in (
        (raw, extremes_kernels.stretch_extremes_swapped16, np.int16),
        (own, extremes_kernels.stretch_extremes, np.float64),
    ):  # fmt: skip
        low, high = np.zeros((NY, 2), of), np.zeros((NY, 2), of)
        extremes(pixels, 64, low, high)
        yield low, high
        counts = np.zeros(900, np.int64)
        if of is np.int16:
            extremes_kernels.count_tops_swapped16(raw, 64, high, 31000, 2, counts)
        else:
            extremes_kernels.count_tops(own, 64, high, 990.0, 0.25, 1, counts)
        yield (counts,)
    sky = image(92, dtype, odd=False)
    sky[20:24, 30:33], sky[10:40, 31] = 9000.0, 5000.0
    mask = np.where(sky == 9000.0, np.uint8(4), np.uint8(0))
    places, ends = np.zeros((12, 2), np.int64), np.zeros(12, np.int64)
    regions = trails.gather_regions(mask, 4, 8, places, ends)
    yield regions, places, ends
    for axis in (0, 1):
        own_mask = mask.copy()
        stars = trails.find_centres(places, ends[:regions], axis, NX)
        count = trails.follow_trails(sky, own_mask, places, ends[:regions], axis, (1000.0, 5.0, 1.0), (4, 8), stars)
        yield count, own_mask
    for sigma in (np.full(sky.shape, 3.0, dtype), np.zeros((0, 0), dtype)):
        mended, own_sigma, bad = sky.copy(), sigma.copy(), mask_of(93).astype(np.uint8)
        yield mending.mend_pixels(mended, own_sigma, bad, 1, 128, 4, 1, 5), mended, own_sigma, bad


def rice_codes():
    heap = np.random.default_rng(61).integers(0, 256, 40_000, np.uint8)
    starts, lengths = np.arange(40) * 1000, np.full(40, 1000)
    for dtype in (np.uint8, np.int16, np.int32):
        out = np.zeros((40, 64), dtype)
        yield rice.decode_rice(heap, starts, lengths, 16, rice.LEADING_ZEROS, out), out


def stacks_of(dtype, frames):
    values = image(70 + frames, dtype, (frames, 1100))
    values[0] += dtype(40.0) * (np.arange(1100) % 7 == 0)
    factors = np.where(np.arange(frames) % 3 == 0, 1.0, 1.01)
    pairs = networks.sorting_pairs(frames)
    results = np.zeros(1100, dtype), np.zeros(1100, dtype), np.zeros(1100, np.uint16)
    for statistic in (stacks.AVERAGE, stacks.MEDIAN, stacks.SUM):
        for limits in REJECTIONS.values():
            stacks.stack_ordered(values, factors, pairs, limits, statistic, *results)
            yield tuple(each.copy() for each in results)
        stacks.stack_average(values, factors, statistic, *results)
        yield tuple(each.copy() for each in results)
    for limits in REJECTIONS.values():
        own = values.copy()
        stacks.stack_reject(own, factors, pairs, limits)
        yield (own,)
    weighted.stack_weighted(values, factors, 1.0 + np.arange(frames) / 2, pairs, REJECTIONS["noise"], *results)
    yield results


def errors_of(dtype):
    values = image(90, dtype).reshape(-1)
    scatter = np.abs(image(91, dtype).reshape(-1) - dtype(1000.0))
    scatter[:3] = 0.0, np.nan, 1e6
    counts = np.random.default_rng(92).integers(0, 6, values.size).astype(np.uint16)
    of_count = np.random.default_rng(93).uniform(0.5, 2.0, (3, 6))
    tables = np.sort(np.random.default_rng(94).uniform(0.5, 100.0, (3, pooled.BINS + 1)), axis=1)
    law = np.array([4.0, 0.7, 990.0, 3.0, 0.2])
    pooled.pool_uncertainty(values, scatter, counts, of_count, law, tables, np.array([0, 0, 0, 1, 1, 2], np.int32))
    yield (scatter,)
    for others in ((values,), (values, scatter)):
        added = np.empty(values.size, np.float32)
        errors.add_in_quadrature(scatter, others, np.array([-1e-6, 0.5][: len(others)]), added)
        yield (added,)


#: What is called, by name; each yields tuples of numbers and arrays.
TABLE = {
    **{f"{make.__name__} {dtype.__name__}": (make, dtype)
       for make in (flats_of, frames_of, sums_and_columns, moments_of, strips_of, ranks_of, calibrated_of, rays_of,
                    errors_of, full_pixels_of)
       for dtype in (np.float32, np.float64)},
    **{f"stacks {dtype.__name__} {frames}": (stacks_of, dtype, frames)
       for dtype in (np.float32, np.float64) for frames in (3, 10)},
    "words": (words_of_files,),
    "rice": (rice_codes,),
}  # fmt: skip


def digest(results):
    """Return a hash of every bit of some results."""
    found = hashlib.sha256()
    for result in results:
        for part in result:
            known = isinstance(part, np.ndarray)
            found.update(f"{part.dtype}{part.shape}".encode() if known else repr(part).encode())
            found.update(part.tobytes() if known else b"")
    return found.hexdigest()


def all_kernels():
    found = {}
    for module in pkgutil.iter_modules(zeroframe.kernels.__path__, "zeroframe.kernels."):
        if module.name.rpartition(".")[2].startswith("_"):
            continue
        for name, value in vars(importlib.import_module(module.name)).items():
            if isinstance(value, _Kernel):
                found[f"{value.__module__}.{value.__name__}"] = value
                assert value.__module__ != module.name or value.__name__ == name
    return found


def reached(kernels):
    """Return the kernels that were called, by others of them, too."""
    left, found = [kernel for kernel in kernels if kernel._calls], set()
    while left:
        kernel = left.pop()
        if kernel in found:
            continue
        found.add(kernel)
        known = kernel.__wrapped__.__globals__
        left += [known[name] for name in kernel.__wrapped__.__code__.co_names if isinstance(known.get(name), _Kernel)]
    return found


def main(names):
    digests = {name: digest(TABLE[name][0](*TABLE[name][1:])) for name in names or TABLE}
    kernels = all_kernels()
    called = reached(kernels.values())
    ways = {name: type(call).__name__ for name, kernel in kernels.items() for call in kernel._calls.values()}
    sys.stdout.write(json.dumps({
        "digests": digests, "ways": ways, "not called": [n for n, k in kernels.items() if k not in called],
    }))  # fmt: skip


if __name__ == "__main__":
    main(sys.argv[1:])
