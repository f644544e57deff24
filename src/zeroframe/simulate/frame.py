"""One simulated frame, effect by effect, in the order in which light and electronics meet them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from zeroframe.records import dataclass
from zeroframe.simulate.headers import frame_header
from zeroframe.simulate.sensor import SensorTruth, sensor_truth
from zeroframe.simulate.sky import sky_image_e
from zeroframe.simulate.streams import Effect, random_stream

if TYPE_CHECKING:
    from astropy.io.fits import Header
    from numpy.typing import NDArray

    from zeroframe.simulate.specs import FrameSpec, SimulatedCamera, Strip

__all__ = [
    "FrameTruth",
    "SimulatedFrame",
    "add_cosmic_rays",
    "add_shot_noise",
    "gathered_charge_e",
    "light_on_sensor_e",
    "simulate_frame",
]

_LEAK_SOURCE_PIXELS = 4  # the image pixels next to a strip whose light leaks into it
_POISSON_ROWS = 256  # numpy makes float64 and int64 copies: in blocks they stay small


@dataclass(frozen=True, slots=True, eq=False)
class FrameTruth:
    """What is in one frame; images are ``(ny, nx)`` of the image area.

    Parameters
    ----------
    level_adu : float
        Bias level: the mean over the image rows.
    row_drift_adu : ndarray of float32, (rows of the whole frame,)
        What each row adds to the level. Its mean over the image rows is zero where there is no row noise.
    read_noise_adu : float
        Standard deviation of the Gaussian read noise; digitisation adds 1/sqrt(12) ADU in quadrature.
    expected_adu : ndarray of float32
        The image without noise, cosmic rays, digitisation and saturation: bias, pattern, dark current and light.
    strip_expected_adu : tuple of ndarray of float32
        The same for each strip of the camera, in the camera's order, each of the strip's own shape.
    cosmic_rays : ndarray of bool
        Pixels that hold charge from cosmic rays.
    sky_e : ndarray of float32 or None
        Science only: sky and stars in electrons, before response, dark current and bias.
    """

    level_adu: float
    row_drift_adu: NDArray[np.float32]
    read_noise_adu: float
    expected_adu: NDArray[np.float32]
    strip_expected_adu: tuple[NDArray[np.float32], ...]
    cosmic_rays: NDArray[np.bool_]
    sky_e: NDArray[np.float32] | None


@dataclass(frozen=True, slots=True, eq=False)
class SimulatedFrame:
    """A raw frame: ``pixels`` uint16 ``(ny, nx)`` with its strips, ``header``, and the ``truth`` behind them."""

    pixels: NDArray[np.uint16]
    header: Header
    truth: FrameTruth


def simulate_frame(
    camera: SimulatedCamera, spec: FrameSpec, seed: int, *, index: int, sensor: SensorTruth | None = None
) -> SimulatedFrame:
    """Simulate one raw frame.

    Parameters
    ----------
    camera : SimulatedCamera
        The camera.
    spec : FrameSpec
        The exposure.
    seed : int
        The seed of the simulation: fixes the sensor, the sky and, with ``index``, every noise.
    index : int
        Which frame of the simulation this is. Frames of different index have independent noise, however many there are.
    sensor : SensorTruth, optional
        What `sensor_truth` made for this camera and seed; made anew where it is not given.

    Returns
    -------
    SimulatedFrame
        Pixels, header and truth.

    Raises
    ------
    UsageError
        When a flat or science frame asks for a filter that the camera does not have.

    Examples
    --------
    >>> from dataclasses import replace
    >>> from zeroframe.simulate import SIMULATED_CAMERAS, FrameSpec
    >>> camera = replace(SIMULATED_CAMERAS["palomar-lfc"], image_shape_yx=(150, 168))
    >>> frame = simulate_frame(camera, FrameSpec("bias"), seed=1, index=0)
    >>> frame.pixels.shape, frame.pixels.dtype
    ((150, 200), dtype('uint16'))
    >>> abs(float(frame.pixels.mean()) - frame.truth.level_adu) < 0.5
    True
    """
    if sensor is None:
        needed = [camera.filter_light(spec.filter_name).name] if spec.is_lit else []
        sensor = sensor_truth(camera, seed, filter_names=needed)
    sky_e = sky_image_e(camera, spec, seed) if spec.kind == "science" else None
    light_e = light_on_sensor_e(camera, spec, sensor, sky_e)
    charge_e = gathered_charge_e(spec, sensor, light_e)
    level_adu, row_drift_adu = _bias_level(camera, spec, seed, index)
    expected_adu = _expected_adu(camera, sensor, charge_e, level_adu + row_drift_adu[camera.image_slices_yx[0]])

    frame = _read_noise_adu(camera, seed, index)
    image = frame[camera.image_slices_yx]
    photons = random_stream(camera, seed, Effect.PHOTONS, index)
    image += expected_adu
    if charge_e is not None:
        add_shot_noise(image, charge_e, camera.gain_e_per_adu, photons)
    cosmic_rays = add_cosmic_rays(image, camera, spec, random_stream(camera, seed, Effect.COSMIC_RAYS, index))
    strips_adu = tuple(
        _add_strip(frame, camera, spec, strip, light_e, level_adu + row_drift_adu, random_stream(camera, seed, *key))
        for strip, key in ((strip, (Effect.STRIP, index, number)) for number, strip in enumerate(camera.strips))
    )
    truth = FrameTruth(level_adu, row_drift_adu, camera.read_noise_adu, expected_adu, strips_adu, cosmic_rays, sky_e)
    return SimulatedFrame(
        _digitise(frame, camera.saturation_adu, camera.step_adu), frame_header(camera, spec, seed, index), truth
    )


def light_on_sensor_e(
    camera: SimulatedCamera, spec: FrameSpec, sensor: SensorTruth, sky_e: NDArray[np.float32] | None
) -> NDArray[np.float32] | None:
    """Electrons from light in each image pixel; None in the dark."""
    if not spec.is_lit:
        return None
    response = sensor.response[camera.filter_light(spec.filter_name).name]
    if sky_e is not None:
        return sky_e * response
    flat_e = camera.filter_light(spec.filter_name).flat_e_per_s * spec.exposure_s * spec.light_scale
    light = response * np.float32(flat_e)
    if camera.colour_pattern:
        light *= camera.by_colour(camera.flat_colours)
    return light


def gathered_charge_e(
    spec: FrameSpec, sensor: SensorTruth, light_e: NDArray[np.float32] | None
) -> NDArray[np.float32] | None:
    """Electrons that the exposure is expected to gather, from light and dark current; None for a bias."""
    if spec.exposure_s <= 0:
        return None
    charge_e = sensor.dark_e_per_s * np.float32(spec.exposure_s)
    if light_e is not None:
        charge_e += light_e
    return charge_e


def _bias_level(camera: SimulatedCamera, spec: FrameSpec, seed: int, index: int) -> tuple[float, NDArray[np.float32]]:
    """Bias level of the frame, and what each row adds to it."""
    random = random_stream(camera, seed, Effect.LEVEL, index)
    level_adu = camera.bias_level_adu + spec.level_offset_adu + camera.frame_drift_adu * float(random.standard_normal())
    return level_adu, _row_drift_adu(camera, random_stream(camera, seed, Effect.ROWS, index))


def _row_drift_adu(camera: SimulatedCamera, random: np.random.Generator) -> NDArray[np.float32]:
    """Return a slow curve over all rows, of zero mean and the camera's root mean square on the image, and row noise."""
    ny = camera.shape_yx[0]
    phase = np.arange(ny) / ny
    curve = sum(
        weight / cycles * np.sin(2 * np.pi * (cycles * phase + start))
        for cycles, weight, start in zip((0.7, 1.6, 3.1), random.uniform(0.5, 1.5, 3), random.random(3), strict=True)
    )
    on_image = camera.image_slices_yx[0]
    curve = curve - np.mean(curve[on_image])
    curve *= camera.row_drift_adu / np.sqrt(np.mean(np.square(curve[on_image])))
    curve += camera.row_noise_adu * random.standard_normal(ny)
    return np.asarray(curve, dtype=np.float32)


def _expected_adu(
    camera: SimulatedCamera,
    sensor: SensorTruth,
    charge_e: NDArray[np.float32] | None,
    row_level_adu: NDArray[np.float32],
) -> NDArray[np.float32]:
    """Return the image without noise: fixed pattern, level of each row, charge by the gain."""
    expected_adu = sensor.fixed_pattern_adu + row_level_adu[:, None]
    if charge_e is not None:
        expected_adu += charge_e / np.float32(camera.gain_e_per_adu)
    return expected_adu


def _read_noise_adu(camera: SimulatedCamera, seed: int, index: int) -> NDArray[np.float32]:
    """Return Gaussian read noise over the whole frame."""
    noise = random_stream(camera, seed, Effect.READ_NOISE, index).standard_normal(camera.shape_yx, dtype=np.float32)
    noise *= np.float32(camera.read_noise_adu)
    return noise


def add_shot_noise(
    pixels: NDArray[np.float32], charge_e: NDArray[np.float32], gain_e_per_adu: float, random: np.random.Generator
) -> None:
    """Add what Poisson's law makes of the expected charge, less the charge itself, in place."""
    for start in range(0, len(pixels), _POISSON_ROWS):
        expected_e = charge_e[start : start + _POISSON_ROWS]
        excess_e = random.poisson(expected_e) - expected_e
        pixels[start : start + _POISSON_ROWS] += (excess_e / gain_e_per_adu).astype(np.float32)


def add_cosmic_rays(
    image: NDArray[np.float32], camera: SimulatedCamera, spec: FrameSpec, random: np.random.Generator
) -> NDArray[np.bool_]:
    """Add tracks and clusters, in place; return where they are."""
    ny, nx = image.shape
    hit = np.zeros((ny, nx), dtype=np.bool_)
    seconds = spec.exposure_s + 0.5 * camera.readout_s
    for _ in range(random.poisson(camera.cosmic_rays_per_mpix_s * image.size / 1e6 * seconds)):
        rows, columns = _track(random) if random.random() < 0.6 else _cluster(random)
        rows += int(random.integers(ny))
        columns += int(random.integers(nx))
        inside = (rows >= 0) & (rows < ny) & (columns >= 0) & (columns < nx)
        rows, columns = rows[inside], columns[inside]
        # A few hundred to a few thousand electrons in each pixel; each stands well above the read noise.
        charge_e = 200 + random.lognormal(6.5, 0.8) * random.uniform(0.3, 1.0, rows.size)
        image[rows, columns] += (charge_e / camera.gain_e_per_adu).astype(np.float32)
        hit[rows, columns] = True
    return hit


def _track(random: np.random.Generator) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return offsets (y, x) of the pixels along a straight line of random direction and length, each once."""
    length = min(2 + random.exponential(6.0), 60.0)
    angle = random.uniform(0, 2 * np.pi)
    steps = np.arange(0, length, 0.5)
    points = np.rint(np.outer((np.sin(angle), np.cos(angle)), steps)).astype(np.intp)
    rows, columns = np.unique(points, axis=1)
    return rows, columns


def _cluster(random: np.random.Generator) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return offsets (y, x) of a block of one to three pixels a side."""
    height, width = random.integers(1, 4, 2)
    rows, columns = np.indices((height, width), dtype=np.intp).reshape(2, -1)
    return rows, columns


def _add_strip(
    frame: NDArray[np.float32],
    camera: SimulatedCamera,
    spec: FrameSpec,
    strip: Strip,
    light_e: NDArray[np.float32] | None,
    row_level_adu: NDArray[np.float32],
    random: np.random.Generator,
) -> NDArray[np.float32]:
    """Add level, offsets, leaked light and hot columns to one strip, in place; return it without noise."""
    slices_yx = camera.strip_slices_yx(strip)
    pixels = frame[slices_yx]
    own_level_adu = camera.bias_level_adu + spec.level_offset_adu + camera.frame_drift_adu * random.standard_normal()
    own_row_level_adu = np.float32(own_level_adu) + _row_drift_adu(camera, random)
    level_adu = row_level_adu if strip.tracks_image else own_row_level_adu
    charge_e = _strip_charge_e(camera, spec, strip, light_e)

    expected_adu = np.zeros(pixels.shape, dtype=np.float32)
    expected_adu += level_adu[slices_yx[0], None]
    expected_adu += np.float32(strip.offset_adu + (strip.lit_offset_adu if spec.is_lit else 0.0))
    if strip.lit_fraction and light_e is not None:
        expected_adu += np.float32(strip.lit_fraction * float(light_e.mean()) / camera.gain_e_per_adu)
    for number in strip.hot_pixels:
        _outwards(expected_adu, strip)[:, number] += np.float32(strip.hot_excess_adu)
    expected_adu += charge_e / np.float32(camera.gain_e_per_adu)

    pixels += expected_adu
    add_shot_noise(pixels, charge_e, camera.gain_e_per_adu, random)
    return expected_adu


def _strip_charge_e(
    camera: SimulatedCamera, spec: FrameSpec, strip: Strip, light_e: NDArray[np.float32] | None
) -> NDArray[np.float32]:
    """Electrons expected in a strip: dark current, and light that leaks from the image beside it."""
    rows, columns = camera.strip_slices_yx(strip)
    charge_e = np.zeros((rows.stop - rows.start, columns.stop - columns.start), dtype=np.float32)
    if strip.has_dark_current:
        charge_e += np.float32(camera.dark_e_per_s * spec.exposure_s)
    if light_e is not None and strip.leak_pixels:
        beside_image = charge_e if strip.side in {"bottom", "top"} else charge_e[camera.image_slices_yx[0]]
        edge_e = _outwards(light_e, strip)[:, -_LEAK_SOURCE_PIXELS:].mean(axis=1)
        fall = np.exp(-np.arange(strip.leak_pixels) / strip.leak_length)
        leak_e = strip.leak_fraction * np.outer(edge_e, fall)
        _outwards(beside_image, strip)[:, : strip.leak_pixels] += leak_e.astype(np.float32)
    return charge_e


def _outwards(pixels: NDArray[np.float32], strip: Strip) -> NDArray[np.float32]:
    """Return a view of pixels of a strip, or of the image, as (along their common edge, outwards)."""
    return {"right": pixels, "left": pixels[:, ::-1], "top": pixels.T, "bottom": pixels[::-1].T}[strip.side]


def _digitise(frame: NDArray[np.float32], saturation_adu: int, step_adu: int) -> NDArray[np.uint16]:
    """Round to whole numbers, within what the converter can give."""
    if step_adu > 1:
        frame /= np.float32(step_adu)
    np.rint(frame, out=frame)
    if step_adu > 1:
        frame *= np.float32(step_adu)
    np.clip(frame, 0, saturation_adu, out=frame)
    return frame.astype(np.uint16)
