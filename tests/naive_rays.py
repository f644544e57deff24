"""L.A.Cosmic written down as its paper has it: whole images, doubled pixels, medians of everything, all in float64.

Nothing here is imported from zeroframe, so that a mistake cannot be made twice. Images go on beyond their edges as
their mirror images.
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage

#: Of images of half pixels; the factor of the paper is 1/4.
LAPLACIAN = np.array([[0, -1, 0], [-1, 4, -1], [0, -1, 0]]) / 4.0
SQUARE = np.ones((3, 3), bool)


def medians(image, size):
    """Along rows and then along columns, as astroscrappy's."""
    return ndimage.median_filter(ndimage.median_filter(image, size=(1, size)), size=(size, 1))


def mean_around(image, good, y, x):
    rows, columns = slice(max(y - 2, 0), y + 3), slice(max(x - 2, 0), x + 3)
    values = image[rows, columns][good[rows, columns] & np.isfinite(image[rows, columns])]
    return values.mean() if values.size else np.median(image[np.isfinite(image)])


def with_means(image, places, good):
    out = image.copy()
    for y, x in np.argwhere(places):
        out[y, x] = mean_around(image, good, y, x)
    return out


def signal_to_noise(image, noise):
    doubled = np.kron(image, np.ones((2, 2)))
    positive = np.maximum(ndimage.convolve(doubled, LAPLACIAN, mode="reflect"), 0.0)
    ny, nx = image.shape
    # a fourth of four half pixels; that of the stencil is 4 too small; over the 2 of two half pixels a pixel
    return positive.reshape(ny, 2, nx, 2).sum(axis=(1, 3)) / (2.0 * noise)


def is_light(image, masked, y, x, laplacian, sigma, contrast, fraction):
    """Whether a pixel belongs to a line along its row or column, or to the image of a point."""
    ny, nx = image.shape
    good = np.isfinite(image) & ~masked
    rows, columns = np.arange(max(y - 15, 0), min(y + 16, ny)), np.arange(max(x - 15, 0), min(x + 16, nx))
    for line, known in ((image[rows, x], good[rows, x]), (image[y, columns], good[y, columns])):
        values = np.sort(line[known])
        if values.size and not image[y, x] - values[values.size // 2] > contrast * laplacian:
            return True
    around = [(v, u) for v in range(y - 1, y + 2) for u in range(x - 1, x + 2) if 0 <= v < ny and 0 <= u < nx]
    v, u = max(around, key=lambda place: np.nan_to_num(image[place], nan=-np.inf))
    if not (2 <= v < ny - 2 and 2 <= u < nx - 2):
        return False
    up_down = min(image[v - 1, u], image[v + 1, u]) - min(image[v - 2, u], image[v + 2, u])
    left_right = min(image[v, u - 1], image[v, u + 1]) - min(image[v, u - 2], image[v, u + 2])
    height = image[v, u] - image[v - 2 : v + 3 : 2, u - 2 : u + 3 : 2].min()
    return bool(min(up_down, left_right) > fraction * height + sigma)


def is_blunt(image, sigma, gone, y, x, noise, ratio):
    """Whether a pixel stands no higher over its neighbours than the sharpest image of a point; the sky is at zero."""
    ny, nx = image.shape

    def known(v, u):
        there = 0 <= v < ny and 0 <= u < nx and not gone[v, u] and np.isfinite(image[v, u])
        return image[v, u] if there else np.nan

    pairs = [[known(y - 1, x), known(y + 1, x)], [known(y, x - 1), known(y, x + 1)]]
    whole = [sum(pair) / 2 for pair in pairs if not np.isnan(pair).any()]
    single = [value for pair in pairs for value in pair if not np.isnan(value)]
    light = max(min(whole) if whole else max(single, default=0.0), 0.0) / ratio
    around = [(v, u) for v in range(y - 1, y + 2) for u in range(x - 1, x + 2) if 0 <= v < ny and 0 <= u < nx]
    values = sorted(sigma[place] for place in around if place != (y, x) and np.isfinite(sigma[place]))
    beside = max(noise, values[len(values) // 2]) if values else noise
    if beside > 1.2 * noise and len(whole) < 2:
        return True
    error = beside * np.sqrt(1 + 0.5 / ratio**2)
    needed = 5.0 * error if beside > 1.2 * noise else max(3.0 * error, 5.0 * beside)
    return not image[y, x] - light > needed


def cosmic_rays(
    pixels, sigma, mask, clip=4.5, fraction=0.3, objlim=5.0, contrast=0.8, wings=0.05, passes=4, ratio=np.nan
):
    """Where cosmic rays are."""
    image, sigma = pixels.astype(np.float64), sigma.astype(np.float64)
    lost = ~(np.isfinite(image) & np.isfinite(sigma))
    free = ~ndimage.binary_dilation(mask | lost, SQUARE)
    found = np.zeros(mask.shape, bool)
    for _ in range(passes):
        repaired = lost | found
        cleaned = with_means(image, repaired, ~mask & ~found)
        noise = medians(with_means(sigma, repaired, ~mask & ~found), 7)
        sharp = signal_to_noise(cleaned, noise)
        sharp -= medians(sharp, 7)
        fine = medians(cleaned, 5)
        structure = np.maximum((fine - medians(fine, 9)) / noise, 0.01)
        hit = (sharp > clip) & (sharp > objlim * structure) & free
        for y, x in np.argwhere(hit):
            light = is_light(image, mask, y, x, sharp[y, x] * noise[y, x], noise[y, x], contrast, wings)
            hit[y, x] = not light and not (ratio > 0 and is_blunt(image, sigma, mask | found, y, x, noise[y, x], ratio))
        hit = ndimage.binary_dilation(hit, SQUARE) & free & (sharp > clip)
        hit = ndimage.binary_dilation(hit, SQUARE) & free & (sharp > fraction * clip)
        if not (hit & ~found).any():
            break
        found |= hit
    return found & ~mask
