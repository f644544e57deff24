"""What is fixed in a sensor: bias pattern, dark current, hot pixels, response to light."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from zeroframe.records import dataclass
from zeroframe.simulate.streams import Effect, name_key, random_stream

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from numpy.typing import NDArray

    from zeroframe.simulate.specs import SimulatedCamera

__all__ = ["SensorTruth", "sensor_truth"]


@dataclass(frozen=True, slots=True, eq=False)
class SensorTruth:
    """What every frame of one camera and seed has in common; arrays are ``(ny, nx)`` of the image area.

    Parameters
    ----------
    fixed_pattern_adu : ndarray of float32
        Added to every frame; its mean is zero. Hot pixels stand in it with the charge that they gather while a frame is
        read out (without the shot noise of that charge).
    hot_pixels : ndarray of bool
        Where the dark current is far above the rest.
    dark_e_per_s : ndarray of float32
        Dark current of each pixel.
    response : mapping of str to ndarray of float32
        Response to flat light by filter: vignetting, dust and pixel response, with mean 1.
    """

    fixed_pattern_adu: NDArray[np.float32]
    hot_pixels: NDArray[np.bool_]
    dark_e_per_s: NDArray[np.float32]
    response: Mapping[str, NDArray[np.float32]]


def sensor_truth(camera: SimulatedCamera, seed: int, *, filter_names: Iterable[str] | None = None) -> SensorTruth:
    """Make what is fixed in the sensor.

    Parameters
    ----------
    camera : SimulatedCamera
        The camera.
    seed : int
        The seed of the simulation.
    filter_names : iterable of str, optional
        The filters whose response is needed; by default all of the camera's.

    Returns
    -------
    SensorTruth
        The truth.

    Raises
    ------
    UsageError
        When the camera has no such filter.

    Examples
    --------
    >>> from dataclasses import replace
    >>> from zeroframe.simulate import SIMULATED_CAMERAS
    >>> camera = replace(SIMULATED_CAMERAS["palomar-lfc"], image_shape_yx=(64, 48))
    >>> truth = sensor_truth(camera, seed=1)
    >>> truth.fixed_pattern_adu.shape, truth.fixed_pattern_adu.dtype, sorted(truth.response)
    ((64, 48), dtype('float32'), ["g'", "i'"])
    """
    wanted = [light.name for light in camera.filters] if filter_names is None else list(filter_names)
    dark = np.full(camera.image_shape_yx, camera.dark_e_per_s, dtype=np.float32)
    hot_yx, excess_e_per_s = _hot_pixels(camera, seed)
    dark[hot_yx] += excess_e_per_s
    hot = np.zeros(camera.image_shape_yx, dtype=np.bool_)
    hot[hot_yx] = True
    pattern = _fixed_pattern(camera, seed)
    pattern[hot_yx] += excess_e_per_s * np.float32(0.5 * camera.readout_s / camera.gain_e_per_adu)
    pattern -= np.float32(pattern.mean(dtype=np.float64))
    return SensorTruth(pattern, hot, dark, {name: _response(camera, seed, name) for name in wanted})


def _fixed_pattern(camera: SimulatedCamera, seed: int) -> NDArray[np.float32]:
    """Smooth shading, a level for each column, and scatter of single pixels, in ADU."""
    ny, nx = camera.image_shape_yx
    columns = random_stream(camera, seed, Effect.COLUMN_PATTERN).standard_normal(nx, dtype=np.float32)
    pattern = random_stream(camera, seed, Effect.PIXEL_PATTERN).standard_normal((ny, nx), dtype=np.float32)
    pattern *= np.float32(camera.pixel_pattern_adu)
    pattern += _smooth_shading(camera, seed)
    pattern += columns * np.float32(camera.column_pattern_adu)
    return pattern


def _smooth_shading(camera: SimulatedCamera, seed: int) -> NDArray[np.float32]:
    """Products of the first three cosines along each axis, scaled to the root mean square that was asked for."""
    weights = random_stream(camera, seed, Effect.SMOOTH_PATTERN).standard_normal((3, 3), dtype=np.float32)
    weights[0, 0] = 0.0
    along_y, along_x = (
        np.cos(np.pi * np.arange(3)[:, None] * (np.arange(size) + 0.5) / size).astype(np.float32)
        for size in camera.image_shape_yx
    )
    # The cosines are orthogonal on these points, with mean square 1 for the first and 1/2 for the others.
    mean_square = np.array([1.0, 0.5, 0.5])
    rms = float(np.sqrt(mean_square @ np.square(weights) @ mean_square))
    return np.asarray(along_y.T @ (weights * np.float32(camera.smooth_pattern_adu / rms)) @ along_x, dtype=np.float32)


def _hot_pixels(
    camera: SimulatedCamera, seed: int
) -> tuple[tuple[NDArray[np.intp], NDArray[np.intp]], NDArray[np.float32]]:
    """Return indices of the hot pixels, and their dark current above the others' in e/s."""
    random = random_stream(camera, seed, Effect.HOT_PIXELS)
    ny, nx = camera.image_shape_yx
    flat_indices = random.choice(ny * nx, size=round(camera.hot_fraction * ny * nx), replace=False)
    # No weaker than a fifth of the mean, so that each one can be told from the rest.
    excess = camera.hot_dark_e_per_s * (0.2 + 0.8 * random.standard_exponential(flat_indices.size))
    rows, columns = np.unravel_index(flat_indices, (ny, nx))
    return (rows, columns), excess.astype(np.float32)


def _response(camera: SimulatedCamera, seed: int, filter_name: str) -> NDArray[np.float32]:
    """Response to flat light through one filter; the scatter of the pixels is the same through all."""
    camera.filter_light(filter_name)
    ny, nx = camera.image_shape_yx
    response = random_stream(camera, seed, Effect.PIXEL_RESPONSE).standard_normal((ny, nx), dtype=np.float32)
    response *= np.float32(camera.pixel_response_rms)
    response += np.float32(1.0)
    response *= _vignetting(camera)
    _shade_dust(response, camera, random_stream(camera, seed, Effect.DUST, name_key(filter_name)))
    response /= np.float32(response.mean(dtype=np.float64))
    return response


def _vignetting(camera: SimulatedCamera) -> NDArray[np.float32]:
    """Fall with the square of the distance from the centre, reaching its full depth in the corners."""
    y, x = (np.linspace(-1.0, 1.0, size, dtype=np.float32) ** 2 for size in camera.image_shape_yx)
    half_depth = np.float32(0.5 * camera.vignetting)
    return np.asarray((1 - half_depth * y)[:, None] - (half_depth * x)[None, :], dtype=np.float32)


def _shade_dust(response: NDArray[np.float32], camera: SimulatedCamera, random: np.random.Generator) -> None:
    """Darken rings, the out-of-focus shadows of dust under a telescope with a central obstruction, in place."""
    ny, nx = response.shape
    largest = min(40.0, min(ny, nx) / 8)
    for _ in range(camera.dust_grains):
        y0, x0 = random.uniform(0, ny), random.uniform(0, nx)
        radius = random.uniform(0.4, 1.0) * largest
        depth = random.uniform(0.02, 0.05)
        rows = slice(max(0, int(y0 - radius)), min(ny, int(y0 + radius) + 2))
        columns = slice(max(0, int(x0 - radius)), min(nx, int(x0 + radius) + 2))
        distance = np.hypot(
            np.arange(rows.start, rows.stop)[:, None] - y0, np.arange(columns.start, columns.stop)[None, :] - x0
        )
        ring = (distance < radius) & (distance > 0.35 * radius)
        response[rows, columns] *= np.where(ring, np.float32(1 - depth), np.float32(1))
