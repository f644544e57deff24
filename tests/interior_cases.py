"""Images that one amplifier or several read, drawn at random: what the search for seams is tried on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Drawn:
    """Frames of a layout: biases and flats ``(frame, y, x)``, and where images and strips of each amplifier are."""

    biases: np.ndarray
    flats: np.ndarray
    images: tuple
    strips: tuple
    says: str


def smooth(random, n, rms):
    phase = np.arange(n) / n
    curve = sum(random.normal() * np.sin(2 * np.pi * (k * phase + random.random())) / k for k in (0.7, 1.6, 3.1))
    return rms * curve / np.sqrt(np.mean(curve**2))


def pattern(random, ny, nx):
    """Fixed pattern of a bias: shading, levels of columns, bad columns, sometimes a jump that is always the same."""
    fixed = smooth(random, nx, random.uniform(0, 3))[None, :] + smooth(random, ny, random.uniform(0, 2))[:, None]
    fixed = fixed + random.uniform(0, 1.0) * random.normal(size=nx)[None, :]
    for _ in range(random.integers(0, 4)):
        fixed[:, random.integers(nx)] += random.choice([-30.0, 40.0])
    if random.random() < 0.3:
        fixed[:, random.integers(nx // 4, 3 * nx // 4) :] += random.uniform(1, 5)
    return fixed


def draw(seed, amplifiers=None):
    """Draw one to four amplifiers side by side, their strips in mid-frame, outside, or all at the end."""
    random = np.random.default_rng(seed)
    count = random.integers(2, 5) if amplifiers is None else amplifiers
    ny = int(random.integers(200, 400))
    widths = random.integers(80, 200, count)
    strips = random.integers(8, 40, count)
    where = random.choice(["beside", "end"] if count > 1 else ["beside", "none"])
    noise = random.uniform(1.5, 15.0)
    levels = 1000.0 + np.cumsum(random.choice([-1, 1], count) * random.uniform(1.0, 40.0, count))
    together = bool(random.random() < 0.5)
    gains = random.uniform(1.0, 1.25, count)
    order = []  # (amplifier, is image, width)
    if where == "end":
        order = [(n, True, w) for n, w in enumerate(widths)] + [(n, False, s) for n, s in enumerate(strips)]
    else:
        for n, (w, s) in enumerate(zip(widths, strips, strict=True)):
            parts = [(n, True, w), (n, False, s)] if where == "beside" else [(n, True, w)]
            order += parts if n % 2 == 0 else parts[::-1]
    nx = sum(width for _, _, width in order)
    owner = np.concatenate([np.full(width, n) for n, _, width in order])
    lit = np.concatenate([np.full(width, image) for _, image, width in order])
    fixed = pattern(random, ny, nx) * lit
    x = np.cumsum(lit) / lit.sum()
    response = (1 - random.uniform(0, 0.3) * (x - 0.5) ** 2 * 4) * lit * (1 + 0.01 * random.normal(size=(ny, nx)))

    def frame(light):
        common, own = random.normal(0, 2), random.normal(0, 2, count)
        drift = [smooth(random, ny, 1.0) for _ in range(count)]
        level = levels + (common if together else own)
        rows = np.array(drift[:1] * count if together else drift)
        image = level[owner][None, :] + rows[owner].T + fixed
        electrons = random.poisson(light * response)
        return np.rint(image + electrons / gains[owner][None, :] + noise * random.normal(size=(ny, nx)))

    biases = np.stack([frame(0.0) for _ in range(2)])
    flats = frame(random.uniform(8_000, 20_000))[None]
    ends = np.cumsum([0, *(width for _, _, width in order)])
    parts = [(n, image, (int(a), int(b))) for (n, image, _), a, b in zip(order, ends, ends[1:], strict=False)]
    images = tuple(next(where for n, image, where in parts if image and n == each) for each in range(count))
    own = tuple([where for n, image, where in parts if not image and n == each] for each in range(count))
    steps = np.diff(levels).round(1)
    says = f"seed {seed}: {count} amplifiers, {where}, noise {noise:.1f}, levels {steps}, together {together}"
    return Drawn(biases, flats, images, own, says)
