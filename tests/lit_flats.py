"""Flats of instruments that light a detector unevenly, with known defects: fibres, slits, orders, masks, fields."""

from __future__ import annotations

import numpy as np

__all__ = ["LIGHTS", "blurred", "flat_with_defects"]


def blurred(light: np.ndarray, fwhm: float) -> np.ndarray:
    """Return the image of light that optics spread as a Gaussian, by sums along rows and columns."""
    sigma = fwhm / 2.3548
    reach = int(4 * sigma) + 1
    weights = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    weights /= weights.sum()
    for axis in (0, 1):
        padded = np.pad(light, [(reach, reach) if each == axis else (0, 0) for each in (0, 1)], mode="edge")
        size = light.shape[axis]
        light = sum(
            weight * np.take(padded, range(start, start + size), axis=axis) for start, weight in enumerate(weights)
        )
    return light


def _colour(shape, random):
    """Return how the light of a lamp changes along the spectrum."""
    x = np.linspace(-1, 1, shape[1])
    return np.maximum(1.0 + random.uniform(-0.9, 0.9) * x - random.uniform(0, 0.5) * x**2, 0.02)


def fibres(shape, random):
    """Fibres side by side along columns, some apart, their spectra along rows and a little tilted."""
    y, x = np.mgrid[: shape[0], : shape[1]]
    tilt = random.uniform(-0.01, 0.01)
    light, place = np.full(shape, random.uniform(0.0, 0.02)), random.uniform(4, 10)
    width = random.uniform(4, 20)
    while place < shape[0] + 0.01 * shape[1]:
        inside = np.abs(y + tilt * x - place) < 0.5 * width
        light = light + random.uniform(0.7, 1.2) * inside
        place += width + random.choice([1.0, 1.5, 2.5, 4.0, 6.0, 15.0])
    return blurred(light, random.uniform(2.0, 3.5)) * _colour(shape, random)


def slit(shape, random):
    """A long slit that lights part of the rows; dust on its jaws dims some of them from end to end."""
    y = np.arange(shape[0])[:, None]
    first, last = shape[0] * random.uniform(0.05, 0.4), shape[0] * random.uniform(0.6, 0.95)
    profile = np.where((y > first) & (y < last), 1.0, 0.01)
    for _ in range(6):
        profile = profile * (1 - random.uniform(0.2, 0.9) * (np.abs(y - random.uniform(first, last)) < 1.0))
    light = profile * np.ones(shape)
    return blurred(light, random.uniform(1.8, 3.0)) * _colour(shape, random)


def orders(shape, random):
    """Orders of an echelle spectrograph: curved, closer and closer, bright in their middle."""
    y, x = np.mgrid[: shape[0], : shape[1]]
    bend, tilt = random.uniform(-20, 20) / shape[1] ** 2 * 4, random.uniform(-0.05, 0.05)
    light, place, apart = np.full(shape, 0.01), -30.0, random.uniform(12, 40)
    blaze = np.exp(-(((x - shape[1] / 2) / shape[1] * random.uniform(1.0, 2.5)) ** 2))
    width = random.uniform(2.5, 8.0)
    while place < shape[0] + 30:
        away = y - place - tilt * x - bend * (x - shape[1] / 2) ** 2
        light += blaze * (np.abs(away) < 0.5 * width)
        place += apart
        apart = max(apart * 0.97, width + 2.0)
    return blurred(light, random.uniform(2.0, 3.5))


def spots(shape, random):
    """Pinholes or lenslets: round spots on a grid."""
    y, x = np.mgrid[: shape[0], : shape[1]]
    step, turn = random.uniform(8, 20), random.uniform(0, 0.5)
    u, v = np.cos(turn) * x - np.sin(turn) * y, np.sin(turn) * x + np.cos(turn) * y
    away = np.hypot((u % step) - step / 2, (v % step) - step / 2)
    return blurred(np.where(away < random.uniform(1.5, 0.4 * step), 1.0, 0.01), random.uniform(2.0, 3.0))


def slitlets(shape, random):
    """A mask with many short slits, each with its spectrum: bright rectangles of all sizes."""
    light = np.full(shape, 0.01)
    place = 3.0
    while place < shape[0] - 12:
        height, left = random.integers(5, 30), random.integers(0, shape[1] // 2)
        right = left + random.integers(shape[1] // 4, shape[1])
        light[int(place) : int(place) + height, left:right] = random.uniform(0.4, 1.4)
        place += height + random.integers(2, 8)
    return blurred(light, random.uniform(1.8, 3.0))


def field(shape, random):
    """A round field whose rim is sharp but for the image of a point, and vignetted."""
    y, x = np.mgrid[: shape[0], : shape[1]]
    away = np.hypot(y - shape[0] * random.uniform(0.4, 0.6), x - shape[1] * random.uniform(0.4, 0.6))
    radius = random.uniform(0.35, 0.6) * max(shape)
    light = np.where(away < radius, 1.0 - 0.4 * (away / radius) ** 2, 0.005)
    return blurred(light, random.uniform(1.8, 4.0))


def corners(shape, random):
    """Corners that the optics darken to nothing."""
    y, x = (np.mgrid[: shape[0], : shape[1]] / np.reshape(shape, (2, 1, 1))) - 0.5
    away = np.hypot(y, x) / 0.707
    return 1.0 / (1.0 + np.exp((away - random.uniform(0.6, 0.95)) / random.uniform(0.01, 0.1))) + 0.003


LIGHTS = {each.__name__: each for each in (fibres, slit, orders, spots, slitlets, field, corners)}


def flat_with_defects(name, seed, shape=(400, 520), electrons=20000.0, pixels=60, columns=3, clusters=3):
    """Return a combined flat of level 1, where it is bad, and where light is enough to tell.

    Single pixels, columns of 1 to 6 pixels and squares of 2 to 7 answer with 0 to 0.6, or 1.5 to 2, of what others do.
    """
    random = np.random.default_rng(seed)
    light = LIGHTS[name](shape, random)
    light /= np.median(light[light > 0.5 * light.max()])
    answer, bad = np.ones(shape), np.zeros(shape, bool)

    def put(place):
        answer[place] = random.uniform(0.0, 0.6) if random.random() < 0.7 else random.uniform(1.5, 2.0)
        bad[place] = True

    for _ in range(pixels):
        put((random.integers(shape[0]), random.integers(shape[1])))
    for _ in range(columns):
        first, width = random.integers(0, shape[1] - 8), random.integers(1, 7)
        put(np.s_[random.integers(0, shape[0] // 3) :, first : first + width])
    for _ in range(clusters):
        size, y, x = random.integers(2, 8), random.integers(shape[0] - 8), random.integers(shape[1] - 8)
        put(np.s_[y : y + size, x : x + size])
    read = 6.0
    seen = random.poisson(light * answer * electrons) + random.normal(0.0, read, shape)
    return (seen / electrons).astype(np.float32), bad, light > 0.3
