"""Flats with known truth: one sensor, one light, and what may go wrong with a frame of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

__all__ = ["Sensor", "sky_flat"]


@dataclass(frozen=True, eq=False)
class Sensor:
    """How each pixel answers to light: vignetting, a scatter of single pixels, and rings of dust."""

    response: np.ndarray
    gain_e_per_adu: float
    read_noise_adu: float

    @classmethod
    def drawn(cls, random: np.random.Generator, shape_yx: tuple[int, int] = (240, 320)) -> Sensor:
        """Draw one of the kinds that there are."""
        ny, nx = shape_yx
        y, x = np.mgrid[:ny, :nx]
        away = ((y / ny - random.uniform(0.4, 0.6)) ** 2 + (x / nx - random.uniform(0.4, 0.6)) ** 2) / 0.5
        response = (1.0 - random.uniform(0.02, 0.4) * away) * (
            1.0 + random.uniform(0.002, 0.02) * random.standard_normal((ny, nx))
        )
        for _ in range(5):
            radius = np.hypot(y - random.uniform(0, ny), x - random.uniform(0, nx))
            response *= 1.0 - random.uniform(0.01, 0.1) * (np.abs(radius - 15) < 6)
        return cls(response / response.mean(), float(random.uniform(0.5, 3.0)), float(random.uniform(1.0, 8.0)))

    def exposed(self, light_adu: np.ndarray | float, random: np.random.Generator) -> np.ndarray:
        """Return a frame less its bias, which is known to a fraction of an ADU."""
        electrons = random.poisson(np.maximum(self.response * light_adu * self.gain_e_per_adu, 0.0))
        noise = self.read_noise_adu * random.standard_normal(self.response.shape)
        return np.rint(electrons / self.gain_e_per_adu + noise + random.normal(0.0, 0.3)).astype(np.float32)


def sky_flat(sensor: Sensor, level_adu: float, random: np.random.Generator, *, stars: int = 0) -> np.ndarray:
    """Return a flat of the sky, with stars of 3 pixels (FWHM) at random places, some as bright as the sky."""
    ny, nx = sensor.response.shape
    light = np.full((ny, nx), float(level_adu))
    y, x = np.mgrid[:ny, :nx]
    for _ in range(stars):
        square = (y - random.uniform(0, ny)) ** 2 + (x - random.uniform(0, nx)) ** 2
        light += level_adu * 0.02 / random.uniform(0.02, 1.0) * np.exp(-square / (2 * 1.3**2))
    return sensor.exposed(light, random)
