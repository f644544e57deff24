"""One simulated exposure of detectors that several amplifiers read, with its truth."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from zeroframe.headers.sections import AxisRange, Section
from zeroframe.records import dataclass
from zeroframe.simulate.frame import add_cosmic_rays, add_shot_noise, gathered_charge_e, light_on_sensor_e
from zeroframe.simulate.mosaic_headers import mosaic_headers
from zeroframe.simulate.sensor import sensor_truth
from zeroframe.simulate.sky import sky_image_e
from zeroframe.simulate.streams import Effect, random_stream

if TYPE_CHECKING:
    from collections.abc import Mapping

    from astropy.io.fits import Header
    from numpy.typing import NDArray

    from zeroframe.simulate.mosaics import AmplifierSpec, ChipSpec, SimulatedMosaic
    from zeroframe.simulate.sensor import SensorTruth
    from zeroframe.simulate.specs import FrameSpec

__all__ = ["ChipTruth", "MosaicFrame", "mosaic_sensors", "one_image_sections", "simulate_mosaic_frame"]


@dataclass(frozen=True, slots=True, eq=False)
class ChipTruth:
    """What is in one exposure of one chip; images are ``(ny, nx)`` of the assembled image, right side up.

    Parameters
    ----------
    charge_e : ndarray of float32
        Electrons from light and dark current that the exposure is expected to gather.
    pattern_adu : ndarray of float32
        Fixed pattern of the bias.
    levels_adu : mapping of str to float
        Bias level of each amplifier, by name.
    cosmic_rays : ndarray of bool
    sky_e : ndarray of float32 or None
        Science only: sky and stars, before the response.
    """

    charge_e: NDArray[np.float32]
    pattern_adu: NDArray[np.float32]
    levels_adu: Mapping[str, float]
    cosmic_rays: NDArray[np.bool_]
    sky_e: NDArray[np.float32] | None


@dataclass(frozen=True, slots=True, eq=False)
class MosaicFrame:
    """A raw file: the primary header, images of uint16 with their headers, and the truth of each chip.

    Where `one_image` is set of the camera, the one image goes with the primary header.
    """

    primary: Header
    images: tuple[tuple[NDArray[np.uint16], Header], ...]
    truth: tuple[ChipTruth, ...]


def mosaic_sensors(camera: SimulatedMosaic, seed: int) -> tuple[SensorTruth, ...]:
    """Return what is fixed in the sensor of each chip."""
    return tuple(sensor_truth(chip.sensor, seed) for chip in camera.chips)


def simulate_mosaic_frame(
    camera: SimulatedMosaic,
    spec: FrameSpec,
    seed: int,
    *,
    index: int,
    sensors: tuple[SensorTruth, ...] | None = None,
) -> MosaicFrame:
    """Simulate one raw file.

    Parameters
    ----------
    camera : SimulatedMosaic
    spec : FrameSpec
        The exposure.
    seed, index : int
        As of `simulate_frame`.
    sensors : tuple of SensorTruth, optional
        From `mosaic_sensors`; made anew where they are not given.

    Returns
    -------
    MosaicFrame

    Examples
    --------
    >>> from zeroframe.simulate import SIMULATED_MOSAICS, FrameSpec
    >>> small = SIMULATED_MOSAICS["quad-mef"].resized((64, 128))
    >>> frame = simulate_mosaic_frame(small, FrameSpec("bias"), seed=1, index=0)
    >>> len(frame.images), frame.images[0][0].shape, frame.images[0][1]["DETSEC"], frame.images[3][1]["DETSEC"]
    (4, (48, 122), '[1:128,1:64]', '[256:129,128:65]')
    """
    sensors = sensors or mosaic_sensors(camera, seed)
    made = [_chip(camera, chip, sensor, spec, seed, index) for chip, sensor in zip(camera.chips, sensors, strict=True)]
    primary, headers = mosaic_headers(camera, spec, seed, index)
    read = [pixels for raws, _ in made for pixels in raws]
    images = [_side_by_side(camera, read)] if camera.one_image else read
    return MosaicFrame(primary, tuple(zip(images, headers, strict=True)), tuple(truth for _, truth in made))


def _chip(
    camera: SimulatedMosaic, chip: ChipSpec, sensor: SensorTruth, spec: FrameSpec, seed: int, index: int
) -> tuple[list[NDArray[np.uint16]], ChipTruth]:
    """Return what the amplifiers of a chip read, each as it is read, and the truth."""
    sky = sky_image_e(chip.sensor, spec, seed) if spec.kind == "science" else None
    charge = gathered_charge_e(spec, sensor, light_on_sensor_e(chip.sensor, spec, sensor, sky))
    shape = chip.sensor.image_shape_yx
    expected = np.zeros(shape, np.float32) if charge is None else charge
    gathered = expected.copy()
    if charge is not None:
        add_shot_noise(gathered, charge, 1.0, random_stream(chip.sensor, seed, Effect.PHOTONS, index))
    hits = add_cosmic_rays(
        gathered,
        replace(chip.sensor, gain_e_per_adu=1.0),
        spec,
        random_stream(chip.sensor, seed, Effect.COSMIC_RAYS, index),
    )
    levels: dict[str, float] = {}
    read = []
    for number, amplifier in enumerate(chip.amplifiers):
        random = random_stream(chip.sensor, seed, Effect.AMPLIFIER, index, number)
        level = amplifier.level_adu + spec.level_offset_adu + camera.frame_drift_adu * float(random.standard_normal())
        levels[amplifier.name] = level
        read.append(_read(camera, amplifier, level, gathered, sensor.fixed_pattern_adu, random))
    tops = [each.saturation_adu for each in chip.amplifiers]
    talked = _with_crosstalk(camera, read, list(levels.values()), tops)
    raws = [_digitised(pixels, each) for pixels, each in zip(talked, chip.amplifiers, strict=True)]
    return raws, ChipTruth(expected, sensor.fixed_pattern_adu, levels, hits, sky)


def _with_crosstalk(
    camera: SimulatedMosaic, read: list[NDArray[np.float32]], levels_adu: list[float], tops: list[int]
) -> list[NDArray[np.float32]]:
    """Return what amplifiers read with a part of what the one before them (the last, of the first) reads then.

    That is no more than its converter's largest number: a pixel that is full gives no more.
    """
    if not camera.crosstalk:
        return read
    return [
        pixels + np.float32(camera.crosstalk) * (np.minimum(read[n - 1], tops[n - 1]) - np.float32(levels_adu[n - 1]))
        for n, pixels in enumerate(read)
    ]


def _read(
    camera: SimulatedMosaic,
    amplifier: AmplifierSpec,
    level_adu: float,
    charge: NDArray[np.float32],
    pattern_adu: NDArray[np.float32],
    random: np.random.Generator,
) -> NDArray[np.float32]:
    """Return the pixels of an amplifier in the order in which it reads them, before they are digitised."""
    ny, nx = camera.raw_shape_yx(amplifier)
    raw: NDArray[np.float32] = random.standard_normal((ny, nx), dtype=np.float32)
    raw *= np.float32(amplifier.read_noise_e / amplifier.gain_e_per_adu)
    raw += (level_adu + _drift(camera, ny, random))[:, None]
    own = charge / np.float32(amplifier.gain_e_per_adu) + pattern_adu
    rows, columns = amplifier.place.slices_yx(charge.shape)
    seen = own[rows, columns][_turn(amplifier)]
    raw[: seen.shape[0], camera.prescan : camera.prescan + seen.shape[1]] += seen
    return raw


def _turn(amplifier: AmplifierSpec) -> tuple[slice, slice]:
    x, y = (slice(None, None, -1 if flip else 1) for flip in amplifier.flips_xy)
    return y, x


def _drift(camera: SimulatedMosaic, rows: int, random: np.random.Generator) -> NDArray[np.float32]:
    """Return a slow curve over the rows, of zero mean and the camera's root mean square."""
    phase = np.arange(rows) / rows
    curve = sum(
        weight / cycles * np.sin(2 * np.pi * (cycles * phase + start))
        for cycles, weight, start in zip((0.7, 1.6, 3.1), random.uniform(0.5, 1.5, 3), random.random(3), strict=True)
    )
    curve = curve - np.mean(curve)
    return np.asarray(curve * (camera.row_drift_adu / np.sqrt(np.mean(np.square(curve)))), np.float32)


def _digitised(pixels: NDArray[np.float32], amplifier: AmplifierSpec) -> NDArray[np.uint16]:
    return np.clip(np.rint(pixels), 0, amplifier.saturation_adu).astype(np.uint16)


def _side_by_side(camera: SimulatedMosaic, read: list[NDArray[np.uint16]]) -> NDArray[np.uint16]:
    """Return one image, right side up: the images of the left half, the strips, the images of the right half."""
    ((chip),) = camera.chips
    ny, nx = camera.raw_shape_yx(chip.amplifiers[0])
    image = np.empty((ny, nx * len(read)), np.uint16)
    begins = {"prescan": 0, "data": camera.prescan, "overscan": nx - camera.serial}
    for amplifier, pixels, sections in zip(chip.amplifiers, read, one_image_sections(camera), strict=True):
        for part, section in sections.items():
            rows, columns = section.slices_yx(image.shape)
            cut = pixels[:, begins[part] : begins[part] + columns.stop - columns.start]
            image[rows, columns] = cut[_turn(amplifier)]
    return image


def one_image_sections(camera: SimulatedMosaic) -> tuple[dict[str, Section], ...]:
    """Return where image and strips of each amplifier stand in the one image of a camera.

    An amplifier that is read forwards has its overscan on the right, one that is read backwards on the left: of two,
    both strips stand in mid-frame.
    """
    ((chip),) = camera.chips
    ny, nx = camera.raw_shape_yx(chip.amplifiers[0])
    found: list[dict[str, Section]] = []
    for number, amplifier in enumerate(chip.amplifiers):
        widths: list[tuple[str, Any]] = [
            ("prescan", camera.prescan),
            ("data", nx - camera.prescan - camera.serial),
            ("overscan", camera.serial),
        ]
        at, own = number * nx, {}
        for part, width in widths[::-1] if amplifier.flips_xy[0] else widths:
            if width:
                own[part] = Section((AxisRange(at + 1, at + width), AxisRange(1, ny)))
            at += width
        found.append(own)
    return tuple(found)
