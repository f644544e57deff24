"""Images that one amplifier or several read, drawn at random: what the search for amplifiers is tried on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

#: Amplifiers in columns and in rows.
GRIDS = ((1, 1), (2, 1), (2, 1), (3, 1), (4, 1), (8, 1), (16, 1), (1, 2), (1, 4), (2, 2), (2, 2), (4, 2), (8, 2))


@dataclass(frozen=True)
class Range:
    """A run of columns (rows) that one amplifier reads: ``kind`` is image, overscan or prescan; counted from 0."""

    owner: int
    kind: str
    begin: int
    end: int


@dataclass(frozen=True)
class Drawn:
    """Frames of a layout: biases and flats ``(frame, y, x)``, and of what columns and rows are made up."""

    biases: np.ndarray
    flats: np.ndarray
    columns: tuple[Range, ...]
    rows: tuple[Range, ...]
    gains: np.ndarray
    noises: np.ndarray
    says: str

    @property
    def amplifiers(self):
        return (count_of(self.columns)) * count_of(self.rows)


def count_of(ranges):
    return 1 + max(each.owner for each in ranges)


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


def along(random, count, longest, where, strip, prescan):
    """Return what stands along one axis, in order: image and strips of each amplifier, in one of the usual ways."""
    equal = random.random() < 0.6
    images = np.full(count, random.integers(56, longest)) if equal else random.integers(56, longest, count)
    parts = []
    for n in range(count):
        own = [(n, "image", images[n])]
        after = {"after": True, "before": False, "inner": n % 2 == 0, "outer": n % 2 == 1}.get(where)
        if after is not None:
            own.append((n, "overscan", strip))
            if prescan:
                own.insert(0, (n, "prescan", prescan))
        parts += own if after is not False else own[::-1]
    if where == "end":
        parts += [(n, "overscan", strip) for n in range(count)]
    ends = np.cumsum([0, *(width for _, _, width in parts)])
    return tuple(Range(n, kind, int(a), int(b)) for (n, kind, _), a, b in zip(parts, ends, ends[1:], strict=False))


def draw(seed, grid=None):
    """Draw a layout of one to sixteen amplifiers, and frames of it."""
    random = np.random.default_rng(seed)
    across, up = GRIDS[random.integers(len(GRIDS))] if grid is None else grid
    serial = str(random.choice(["after", "before", "inner", "outer", "end", "none"], p=[0.2, 0.1, 0.3, 0.2, 0.1, 0.1]))
    parallel = str(random.choice(["none", "inner", "outer", "after"], p=[0.5, 0.3, 0.1, 0.1]))
    prescan = int(random.integers(4, 12)) if random.random() < 0.3 else 0
    columns = along(random, across, 200 if across < 5 else 110, serial, int(random.integers(10, 40)), prescan)
    rows = along(random, up, 200, parallel, int(random.integers(6, 24)), 0)
    if up == 1:
        rows = along(random, 1, 320, parallel, int(random.integers(6, 24)), 0)
    together, noise_e = bool(random.random() < 0.5), random.uniform(1.5, 15.0)
    difference = float(np.exp(random.uniform(0.0, np.log(60.0))))
    count = across * up
    levels = 1000.0 + difference * (random.permutation(count) + random.uniform(-0.2, 0.2, count))
    gains = random.uniform(1.0, 1.25, count)
    noises = noise_e / gains * random.normal(1.0, 0.04, count)
    biases, flats = int(random.integers(3, 9)), int(random.integers(2, 4))
    light = random.uniform(8_000, 20_000)
    frames = Exposures(random, columns, rows, levels, gains, noises, together)
    says = (
        f"seed {seed}: {across} x {up}, serial {serial}, parallel {parallel}, prescan {prescan}, noise {noise_e:.1f}, "
        f"levels {difference:.1f} apart, together {together}, {biases} biases, {flats} flats"
    )
    made = np.stack([frames.frame(0.0) for _ in range(biases)]), np.stack([frames.frame(light) for _ in range(flats)])
    return Drawn(*made, columns, rows, gains, noises, says)


class Exposures:
    """A detector whose frames are drawn one after the other."""

    def __init__(self, random, columns, rows, levels, gains, noises, together):
        self.random, self.together = random, together
        self.levels, self.gains, self.noises = levels, gains, noises
        nx, ny = columns[-1].end, rows[-1].end
        x_owner, y_owner = (
            np.concatenate([np.full(r.end - r.begin, r.owner) for r in each]) for each in (columns, rows)
        )
        self.owner = y_owner[:, None] * count_of(columns) + x_owner[None, :]
        lit_x, lit_y = (
            np.concatenate([np.full(r.end - r.begin, r.kind == "image") for r in each]) for each in (columns, rows)
        )
        self.lit = lit = lit_y[:, None] & lit_x[None, :]
        self.fixed = pattern(random, ny, nx) * lit
        x, y = (np.cumsum(each) / each.sum() - 0.5 for each in (lit_x, lit_y))
        falls = random.uniform(0, 0.3, 2)
        shape = 1 - 4 * falls[0] * x[None, :] ** 2 - 2 * falls[1] * (y[:, None] - random.uniform(-0.3, 0.3)) ** 2
        self.response = shape * lit * (1 + 0.01 * random.normal(size=(ny, nx)))

    def hits(self):
        """Return electrons of cosmic rays: tracks of some pixels, in the image and where it is read."""
        random, (ny, nx) = self.random, self.owner.shape
        charge = np.zeros((ny, nx))
        for _ in range(random.poisson(ny * nx / 5_000)):
            y, x, angle, length = (
                random.integers(ny),
                random.integers(nx),
                random.uniform(0, np.pi),
                random.exponential(5),
            )
            steps = np.arange(0, 1 + length, 0.7)
            ys, xs = (y + steps * np.sin(angle)).astype(int), (x + steps * np.cos(angle)).astype(int)
            inside = (ys < ny) & (xs < nx) & (xs >= 0)
            charge[ys[inside], xs[inside]] += random.exponential(1_500)
        return charge * self.lit

    def frame(self, light):
        random, count = self.random, len(self.levels)
        ny, nx = self.owner.shape
        drifts = np.full(count, random.normal(0, 2)) if self.together else random.normal(0, 2, count)
        curves = [smooth(random, ny, 1.0) for _ in range(1 if self.together else count)]
        curves = np.stack(curves * count if self.together else curves)
        image = (self.levels + drifts)[self.owner] + curves[self.owner, np.arange(ny)[:, None]] + self.fixed
        electrons = random.poisson(light * np.clip(self.response, 0, None))
        electrons = electrons + self.hits()
        noise = self.noises[self.owner] * random.normal(size=(ny, nx))
        return np.rint(image + electrons / self.gains[self.owner] + noise).astype(np.float32)
