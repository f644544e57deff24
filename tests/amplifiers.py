"""Nights of cameras with several amplifiers, with known truth: what the tests of assembled frames share."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from astropy.io import fits

from zeroframe.headers.cameras import Camera, camera_to_toml
from zeroframe.headers.detectors import Amplifier
from zeroframe.headers.sections import Section

#: Electrons a second, and a second exposure of darks and science.
DARK_E, EXPOSURE_S = 0.5, 100.0
FLAT_E, SKY_E = 24_000.0, 900.0


@dataclass(frozen=True)
class AmplifierCamera:
    """A detector that several amplifiers read into one image; ``levels`` are those of their biases."""

    camera: Camera
    assembled_yx: tuple[int, int]
    levels: tuple[float, ...]

    @property
    def shape_yx(self) -> tuple[int, int]:
        return self.camera.shape_yx


def amplifier(name, trim, place, overscan, gain, noise, saturation=65535.0, **more):
    more = {key: Section.parse(value) for key, value in more.items()}
    sections = {"trim": Section.parse(trim), "place": Section.parse(place), "overscan": Section.parse(overscan)}
    return Amplifier(
        name, overscan_method="mean", gain_e_per_adu=gain, read_noise_e=noise, saturation_adu=saturation,
        **sections, **more,
    )  # fmt: skip


#: A spectrograph's detector: both strips in mid-frame, the right half read backwards.
TWO = AmplifierCamera(
    Camera("two", "Two halves", (260, 360), (
        amplifier("A", "[1:160,1:260]", "[1:160,1:260]", "[161:180,1:260]", 1.3, 5.0),
        amplifier("B", "[201:360,1:260]", "[320:161,1:260]", "[181:200,1:260]", 1.9, 8.0, 50_000.0),
    )),
    (260, 320),
    (812.3, 1345.8),
)  # fmt: skip
#: Quadrants, the upper ones read from above, with prescans, serial overscans outside and parallel ones in the middle.
FOUR = AmplifierCamera(
    Camera("four", "Four quadrants", (288, 380), (
        amplifier("A", "[5:164,1:128]", "[1:160,1:128]", "[165:190,1:144]", 1.2, 4.0,
                  prescan="[1:4,1:144]", parallel_overscan="[5:164,129:144]"),
        amplifier("B", "[217:376,1:128]", "[161:320,1:128]", "[191:216,1:144]", 1.6, 5.0,
                  prescan="[377:380,1:144]", parallel_overscan="[217:376,129:144]"),
        amplifier("C", "[5:164,161:288]", "[1:160,256:129]", "[165:190,145:288]", 1.4, 6.5,
                  prescan="[1:4,145:288]", parallel_overscan="[5:164,145:160]"),
        amplifier("D", "[217:376,161:288]", "[320:161,129:256]", "[191:216,145:288]", 2.0, 7.0,
                  prescan="[377:380,145:288]", parallel_overscan="[217:376,145:160]"),
    )),
    (256, 320),
    (700.4, 905.1, 1210.7, 1500.2),
)  # fmt: skip
CAMERAS = {"two": TWO, "four": FOUR}


def response(of: AmplifierCamera) -> np.ndarray:
    """Return the flat of the detector itself: smooth, so that a step at a seam is none of its own."""
    ny, nx = of.assembled_yx
    y, x = np.mgrid[0:ny, 0:nx]
    return 1.0 - 0.2 * ((y / ny - 0.5) ** 2 + (x / nx - 0.4) ** 2)


def expose(of: AmplifierCamera, electrons: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Return a raw frame: charge as the detector collects it, read by its amplifiers, with noise and drifts."""
    ny, nx = of.shape_yx
    charge = random.poisson(electrons).astype(np.float64)
    raw = np.zeros((ny, nx))
    for each, level in zip(of.camera.amplifiers, of.levels, strict=True):
        rows = bounds([each.trim, each.overscan, each.parallel_overscan, each.prescan], 0)
        columns = bounds([each.trim, each.overscan, each.parallel_overscan, each.prescan], 1)
        drift = np.cumsum(random.normal(0.0, 0.15, rows.stop - rows.start))
        noise = random.normal(0.0, each.read_noise_e / each.gain_e_per_adu, raw[rows, columns].shape)
        raw[rows, columns] = level + drift[:, None] + noise
        raw[each.trim.slices_yx((ny, nx))] += charge[each.place.slices_yx(of.assembled_yx)] / each.gain_e_per_adu
    return np.clip(np.rint(raw), 0, 65535).astype(np.uint16)


def bounds(sections, axis):
    ends = [section.ranges[1 - axis].ends() for section in sections if section is not None]
    return slice(min(first for first, _ in ends) - 1, max(last for _, last in ends))


def write_night(of: AmplifierCamera, folder: Path, seed: int = 1, *, biases: int = 12) -> Path:
    """Write a night and its camera file; return the camera file."""
    random, flat = np.random.default_rng(seed), response(of)
    folder.mkdir()
    dark = np.full(of.assembled_yx, DARK_E * EXPOSURE_S)
    science = SKY_E * flat + dark
    science[40:60, 200:220] = 2e5  # a star that saturates
    kinds = [("bias", 0.0, 0.0 * flat)] * biases + [("dark", EXPOSURE_S, dark)] * 8
    kinds += [("flat", 1.0, FLAT_E * flat)] * 8 + [("object", EXPOSURE_S, science)] * 2
    for number, (kind, exposure_s, electrons) in enumerate(kinds):
        cards = {
            "IMAGETYP": kind, "EXPTIME": exposure_s, "FILTER": "R", "INSTRUME": "Amps", "BUNIT": "adu", "GAIN": 9.0,
            "BIASSEC": "[161:180,1:260]", "TRIMSEC": "[1:160,1:260]", "CRPIX1": 210.0, "CRPIX2": 30.0, "CDELT1": 0.1,
            "DATE-OBS": f"2024-05-01T{number // 60 + 1:02d}:{number % 60:02d}:00",
        }  # fmt: skip
        hdu = fits.PrimaryHDU(expose(of, electrons, random), fits.Header(list(cards.items())))
        hdu.writeto(folder / f"{kind}{number:02d}.fits")
    return write_camera(of.camera, folder.parent / f"{of.camera.name}.toml")


def write_camera(camera: Camera, path: Path) -> Path:
    path.write_text(camera_to_toml(camera))
    return path


def without(camera: Camera, **figures) -> Camera:
    """Return a camera whose second amplifier has other figures."""
    first, second, *others = camera.amplifiers
    return replace(camera, amplifiers=(first, replace(second, **figures), *others))


def naive(raw: np.ndarray, of: AmplifierCamera) -> np.ndarray:
    """Assemble a raw frame by slices of numpy: each amplifier less its own overscans, trimmed, turned, placed."""
    pixels, out = raw.astype(np.float64), np.full(of.assembled_yx, np.nan)
    for each in of.camera.amplifiers:
        own = pixels.copy()
        serial = each.overscan.slices_yx(of.shape_yx)
        own[serial[0]] -= pixels[serial].mean(axis=1)[:, None]
        if each.parallel_overscan is not None:
            parallel = each.parallel_overscan.slices_yx(of.shape_yx)
            own[:, parallel[1]] -= own[parallel].mean(axis=0)[None, :]
        out[each.place.slices_yx(of.assembled_yx)] = own[each.trim.slices_yx(of.shape_yx)]
    return out
