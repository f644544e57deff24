"""Frames of many cameras that are full in places, or are not: simulated pixel by pixel, with their truth.

As a program it counts what is found and what is found by mistake: ``python tests/saturation_cases.py [SEEDS]``.
"""

from __future__ import annotations

import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from astropy.io import fits

NY, NX = 260, 330


@dataclass(frozen=True)
class Camera:
    """Electrons per ADU, noise and well in electrons, ADU of the bias, bits, the step of what it writes, the knee."""

    gain: float
    noise_e: float
    bias_adu: float
    bits: int
    shift: int
    well_e: float
    knee: float

    @property
    def top(self):
        """The highest number that it writes."""
        return (2**self.bits - 1) * self.shift

    @property
    def well_limits(self):
        """Whether the well is full before the converter is at its top."""
        return self.well_e / self.gain + self.bias_adu + 5 * self.noise_e / self.gain < 2**self.bits - 1


def cameras(rng):
    """Draw a camera: 12 to 18 bits, steps of 1 to 16, a full well below or above the top of the converter."""
    bits = int(rng.choice([12, 14, 16, 18]))
    shift = int(rng.choice([1, 4, 16])) if bits < 16 else 1
    shift = min(shift, 2 ** (16 - bits)) if bits <= 16 else 1
    gain = float(10 ** rng.uniform(-0.6, 0.7))
    top_e = 2**bits * gain
    well = float(top_e * rng.uniform(0.4, 0.85)) if rng.random() < 0.5 else 10 * top_e
    noise = float(10 ** rng.uniform(-0.4, 1.3))
    knee = float(rng.choice([1.0, 0.85]))
    return Camera(gain, noise, float(rng.integers(30, 60) * 2 ** (bits - 12)), bits, shift, well, knee)


def exposed(camera, light_e, rng):
    """Return what a camera writes of light, and where its pixels are full."""
    e = rng.poisson(np.maximum(light_e, 0.0)).astype(float)
    knee = camera.knee * camera.well_e
    soft = camera.well_e - knee
    held = (
        np.minimum(e, camera.well_e)
        if soft == 0
        else np.where(e > knee, knee + soft * (1 - np.exp(-(e - knee) / max(soft, 1e-9))), e)
    )
    adu = camera.bias_adu + (held + camera.noise_e * rng.standard_normal(e.shape)) / camera.gain
    number = np.floor(adu + 0.5)
    full = (number >= 2**camera.bits - 1) | (e >= (camera.well_e if soft == 0 else knee + 6 * soft))
    return np.clip(number, 0, 2**camera.bits - 1) * camera.shift, full


def stars(rng, peaks_e, fwhm, sky_e, donut=False):
    """Return light of stars of given peaks."""
    y, x = np.mgrid[:NY, :NX].astype(float)
    light = np.full((NY, NX), float(sky_e))
    for peak in peaks_e:
        y0, x0 = rng.uniform(20, NY - 20), rng.uniform(20, NX - 20)
        r2 = (y - y0) ** 2 + (x - x0) ** 2
        if donut:
            r = np.sqrt(r2)
            light += peak / (1 + np.exp((r - 9) / 0.6)) * (1 - 1 / (1 + np.exp((r - 4) / 0.6)))
        else:
            light += peak * np.exp(-4 * np.log(2) * r2 / fwhm**2)
    return light


def most_e(camera):
    """Return the electrons at which a camera is full."""
    return min(camera.well_e, (2**camera.bits - 1 - camera.bias_adu) * camera.gain)


def full_frames(camera, rng):
    """Yield name, light of frames that are full in places."""
    most, sky = most_e(camera), 10 ** rng.uniform(0.5, 3.0)
    yield "one star", stars(rng, [most * rng.uniform(3, 30)], rng.uniform(3, 8), sky)
    yield "field", stars(rng, most * 10 ** rng.uniform(-3, 1.5, 40), rng.uniform(2, 6), sky)
    yield "donuts", stars(rng, [most * 2.5, most * 0.5, most * 0.2], 5, sky, donut=True)
    slope = np.linspace(0.6, 1.6, NX)[None, :] * np.ones((NY, 1))
    yield "flat", most * slope * (1 + 0.01 * rng.standard_normal((NY, NX)))
    hot = np.full((NY, NX), 3.0)
    hot[rng.integers(0, NY, 60), rng.integers(0, NX, 60)] = most * rng.uniform(0.2, 5, 60)
    yield "dark", hot


def good_frames(camera, rng):
    """Yield name, light of frames that are full nowhere."""
    most, sky = most_e(camera) * camera.knee, 10 ** rng.uniform(0.5, 3.0)
    yield "bias", np.zeros((NY, NX))
    hot = np.full((NY, NX), 3.0)
    hot[rng.integers(0, NY, 60), rng.integers(0, NX, 60)] = most * rng.uniform(0.001, 0.7, 60)
    yield "dark", hot
    yield "one star", stars(rng, [most * rng.uniform(0.1, 0.8)], rng.uniform(2, 25), sky)
    yield "field", stars(rng, most * 10 ** rng.uniform(-3, -0.15, 40), rng.uniform(2, 12), sky)
    yield "donut", stars(rng, [most * rng.uniform(0.2, 0.8)], 5, sky, donut=True)
    level = rng.uniform(0.05, 0.7)
    yield "constant flat", np.full((NY, NX), most * level)
    yield "flat", most * level * (1 - 0.3 * (np.linspace(-1, 1, NX) ** 2)[None, :]) * np.ones((NY, 1))
    yield "grained flat", most * level * (1 + 0.01 * rng.standard_normal((NY, NX)))
    yield "slit", most * level * np.exp(-(np.linspace(-2, 2, NY)[:, None] ** 2)) * np.ones((1, NX))


def written(camera, numbers, path):
    """Write a frame as the camera does."""
    dtype = np.uint16 if camera.bits <= 16 else np.int32
    fits.PrimaryHDU(numbers.astype(dtype)).writeto(path, overwrite=True)
    return path


def cases(seeds):
    """Yield camera, gain in e-/ADU of the file where it is told, name, whether it is full, numbers, what is full."""
    for seed in range(seeds):
        rng = np.random.default_rng(seed)
        camera = cameras(rng)
        known = camera.gain / camera.shift if seed % 2 else None
        limited = ("well, soft" if camera.knee < 1 else "well") if camera.well_limits else "converter"
        for name, light in full_frames(camera, rng):
            numbers, full = exposed(camera, light, rng)
            if np.count_nonzero(full) >= 6:
                yield camera, known, f"{name}, {limited}", True, numbers, full
        for name, light in good_frames(camera, rng):
            yield camera, known, name, False, *exposed(camera, light, rng)


def counted(seeds, folder):
    """Return of each sort how many were found to be full, of how many: of full frames, and of good ones."""
    from zeroframe.fits import read_raw
    from zeroframe.frames.raw_look import look_at
    from zeroframe.frames.regions import Region

    found, false = {}, {}
    for camera, known, name, is_full, numbers, full in cases(seeds):
        heap = look_at(read_raw(written(camera, numbers, Path(folder, "a.fits"))), [Region()], known)[0].pile_up
        if is_full:
            # nearly all that is full, and hardly anything else
            hit = heap is not None and (numbers[full] >= heap.limit).mean() > 0.85
            hit = hit and (numbers[~full] >= heap.limit).mean() < 0.02
            found.setdefault(name, []).append(hit)
        else:
            false.setdefault(name, []).append(heap is not None)
    return found, false


def main(seeds):
    """Count."""
    with tempfile.TemporaryDirectory() as folder:
        for what, sorts in zip(("found", "false"), counted(seeds, folder), strict=True):
            for name, hits in sorts.items():
                sys.stdout.write(f"{what} {name}: {sum(hits)} of {len(hits)}\n")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 40)
