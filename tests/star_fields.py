"""Fields of stars, donuts and spectra with cosmic rays, of which every electron is known; what a search did there."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

__all__ = ["ONE", "Counted", "Field", "Pointing", "counted", "donuts", "spectra", "stars"]

READ_NOISE = 6.0


@dataclass(frozen=True, eq=False)
class Field:
    """A frame in electrons: pixels, standard deviations as a night has them, light, charge, places of its stars."""

    pixels: np.ndarray
    sigma: np.ndarray
    light: np.ndarray
    charge: np.ndarray
    stars: np.ndarray
    radius: float


@dataclass(frozen=True)
class Pointing:
    """An exposure of a field: which one, so that noise and hits differ; by how much it is moved, blurred, dimmed."""

    number: int | None = None
    moved_yx: tuple[float, float] = (0.0, 0.0)
    blurred: float = 1.0
    dimmed: float = 1.0

    def draws(self, random: np.random.Generator, seed: int) -> np.random.Generator:
        """Return what its noise and its hits are drawn from."""
        return random if self.number is None else np.random.default_rng((seed, self.number))


ONE = Pointing()


@dataclass(frozen=True)
class Counted:
    """What a search did.

    Stars touched of how many; tracks and pixels that hold more than five sigma found of how many; and false pixels. A
    track is found whose brightest pixel is masked.
    """

    touched: int
    stars: int
    tracks_found: int
    tracks: int
    found: int
    pixels: int
    false: int

    def __add__(self, other: Counted) -> Counted:
        return Counted(*(a + b for a, b in zip(self.all, other.all, strict=True)))

    @property
    def all(self) -> tuple[int, ...]:
        return (self.touched, self.stars, self.tracks_found, self.tracks, self.found, self.pixels, self.false)


def _exposed(light, random, rays, places, radius) -> Field:
    """Let light and cosmic rays fall: tracks of a pixel or some, of 160 to 10,000 electrons in each."""
    ny, nx = light.shape
    charge = np.zeros(light.shape)
    for _ in range(rays):
        y, x, angle = random.uniform(0, ny), random.uniform(0, nx), random.uniform(0, 2 * np.pi)
        one = 10 ** random.uniform(2.2, 4.0)
        for step in np.arange(0.0, 1.0 + random.exponential(4.0), 0.25):
            v, u = int(y + step * np.sin(angle)), int(x + step * np.cos(angle))
            if 0 <= v < ny and 0 <= u < nx:
                charge[v, u] += one * 0.25
    pixels = random.poisson(light + charge) + READ_NOISE * random.standard_normal(light.shape)
    sigma = np.sqrt(np.maximum(pixels, 0.0) + READ_NOISE**2)
    return Field(pixels.astype(np.float32), sigma.astype(np.float32), light, charge, places, radius)


def _steps(edges, center, width):
    """Integrate a Gaussian over pixels."""
    from scipy.special import erf

    return 0.5 * np.diff(erf((edges - 0.5 - center) / (width * np.sqrt(2.0))))


def _add_point(light, y, x, flux, fwhm, wings=0.15):
    """Add a star, integrated over pixels: a Gaussian and one twice as wide, as seeing makes it."""
    reach = int(5 * fwhm) + 4
    v0, v1 = max(int(y) - reach, 0), min(int(y) + reach + 1, light.shape[0])
    u0, u1 = max(int(x) - reach, 0), min(int(x) + reach + 1, light.shape[1])
    if v0 >= v1 or u0 >= u1:  # moved out of the frame
        return
    for share, width in ((1.0 - wings, fwhm / 2.3548), (wings, fwhm / 1.1774)):
        rows, columns = (_steps(np.arange(a, b + 1), c, width) for a, b, c in ((v0, v1, y), (u0, u1, x)))
        light[v0:v1, u0:u1] += share * flux * np.outer(rows, columns)


def _fluxes(random, count, fwhm, sky):
    """Draw peaks between 10 sigma of the sky and 60,000 electrons."""
    peaks = 10 ** random.uniform(np.log10(10 * np.sqrt(sky + READ_NOISE**2)), np.log10(60_000.0), count)
    return peaks * 1.2 * fwhm**2


def stars(fwhm, seed, *, sky=300.0, shape_yx=(600, 700), count=150, rays=150, by=ONE) -> Field:
    """Return a field of stars."""
    random = np.random.default_rng(seed)
    light = np.full(shape_yx, sky)
    places = random.uniform(10, np.array(shape_yx) - 10.0, (count, 2))
    fluxes = _fluxes(random, count, fwhm, sky)
    places = places + by.moved_yx
    for (y, x), flux in zip(places, fluxes, strict=True):
        _add_point(light, y, x, flux, fwhm * by.blurred)
    return _exposed(light * by.dimmed, by.draws(random, seed), rays, places, max(1.5, fwhm))


def donuts(outer, seed, *, sky=300.0, shape_yx=(600, 700), count=40, rays=150, seeing=2.5, by=ONE) -> Field:
    """Return a field of stars far out of focus: rings, blurred by the air."""
    from scipy.ndimage import gaussian_filter

    random = np.random.default_rng(seed)
    light = np.zeros(shape_yx)
    places = random.uniform(outer + 4, np.array(shape_yx) - outer - 4, (count, 2))
    v, u = np.mgrid[: shape_yx[0], : shape_yx[1]]
    places = places + by.moved_yx
    for y, x in places:
        # where a ring is not, it adds nothing: all of the frame takes ten times as long
        part = tuple(slice(max(int(middle - outer) - 1, 0), max(int(middle + outer) + 3, 0)) for middle in (y, x))
        down, along = v[part] - y, u[part] - x
        away = np.hypot(down, along)
        ring = np.clip(outer - away + 0.5, 0, 1) * np.clip(away - 0.4 * outer + 0.5, 0, 1)
        light[part] += 10 ** random.uniform(2.5, 4.8) * ring * (1.0 + 0.2 * np.cos(np.arctan2(down, along) - 1.0))
    light = (gaussian_filter(light, seeing * by.blurred / 2.3548) + sky) * by.dimmed
    return _exposed(light, by.draws(random, seed), rays, places, outer)


def spectra(fwhm, seed, *, sky=40.0, shape_yx=(500, 900), rays=150, by=ONE) -> Field:
    """Return traces along rows, a little tilted, with lines in absorption, and lines of the sky along columns."""
    random = np.random.default_rng(seed)
    ny, nx = shape_yx
    y, x = np.mgrid[:ny, :nx].astype(float)
    y, x, fwhm = y - by.moved_yx[0], x - by.moved_yx[1], fwhm * by.blurred
    light = np.full(shape_yx, sky)
    for place in random.uniform(0, nx, 30):
        light += 10 ** random.uniform(1.5, 4.3) * np.exp(-((x - place - 0.004 * y) ** 2) / (2 * (fwhm / 2.3548) ** 2))
    places = []
    for center in np.linspace(60, ny - 60, 6):
        spectrum = 10 ** random.uniform(2.5, 4.6) * (1.0 + 0.3 * np.sin(x[0] / 130.0))
        for line in random.uniform(0, nx, 20):
            spectrum *= 1.0 - random.uniform(0.1, 0.8) * np.exp(-((x[0] - line) ** 2) / (2 * (fwhm / 2.3548) ** 2))
        middle = center + random.uniform(-0.02, 0.02) * (x[0] - nx / 2)
        light += spectrum * np.exp(-((y - middle) ** 2) / (2 * (fwhm / 2.3548) ** 2))
        places += [(middle[int(u)] + by.moved_yx[0], u) for u in np.arange(10.0, nx - 10, 20.0)]
    return _exposed(light * by.dimmed, by.draws(random, seed), rays, np.array(places), fwhm)


def counted(field: Field, mask: np.ndarray) -> Counted:
    """Count what was masked; false is what lies more than two pixels from any charge, and touches the star it is in."""
    from scipy.ndimage import binary_dilation, label, maximum_position

    struck = binary_dilation(field.charge > 0.0, np.ones((5, 5)))
    false = mask & ~struck
    touched = 0
    for y, x in field.stars:
        v0, u0 = max(int(y - field.radius), 0), max(int(x - field.radius), 0)
        v1, u1 = int(y + field.radius) + 2, int(x + field.radius) + 2
        v, u = np.nonzero(false[v0:v1, u0:u1])
        touched += bool((np.hypot(v + v0 - y, u + u0 - x) <= field.radius).any())
    clear = field.charge > 5.0 * np.sqrt(field.light + READ_NOISE**2)
    numbers, _ = label(field.charge > 0.0, np.ones((3, 3)))
    bright = np.unique(numbers[clear])
    peaks = maximum_position(field.charge, numbers, bright)
    found = sum(bool(mask[place]) for place in peaks)
    pixels = int((mask & clear).sum()), int(clear.sum())
    return Counted(touched, len(field.stars), found, len(peaks), *pixels, int(false.sum()))
