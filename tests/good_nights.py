"""Nights of good frames by cameras of all sorts, drawn with known truth and reduced: is what UNCERT says true?

``python tests/good_nights.py --nights 300`` prints a line a night, and what of all of them is right. Nothing of the
truth is taken from zeroframe: frames are drawn here, and compared with the light that was put in.
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
import warnings
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from astropy.io import fits

import zeroframe

SHAPE = 150, 192
STRIP = 32
SQUARE = 7
#: What a night must keep, and nearly all nights.
MOST, USUAL = (0.9, 1.1), (0.95, 1.05)


@dataclass(frozen=True)
class Camera:
    """What a night was taken with, and how."""

    seed: int
    read_noise_adu: float
    gain: float
    step: int
    bits: int
    bias_frames: int
    dark_frames: int
    flat_frames: int
    sky_e: float
    flat_adu: float
    overscan: bool
    stated: str
    method: str

    @classmethod
    def drawn(cls, seed: int) -> Camera:
        """Draw one; numbers that span decades are drawn evenly in their logarithm."""
        random = np.random.default_rng(seed)

        def decades(low: float, high: float) -> float:
            return float(np.exp(random.uniform(np.log(low), np.log(high))))

        bits = int(random.integers(12, 19))
        gain, noise = decades(0.25, 5.0), decades(0.4, 20.0)
        step = int(random.choice([1, 1, 1, 4, 16]))
        most = 2.0**bits
        # a converter of few steps has no pedestal of thousands, and a noise that it can hold
        noise, step = min(noise, most / 1000), min(step, max(2 ** (bits - 12), 1))
        # what stands in steps of 16 has a noise of some of them, or there is no picture
        noise = max(noise, 0.4 * step)
        sky = min(decades(1.0, 1e5), 0.5 * most * gain)
        return cls(
            seed=seed,
            read_noise_adu=noise,
            gain=gain,
            step=step,
            bits=bits,
            bias_frames=round(decades(2, 30)),
            dark_frames=round(decades(2, 30)),
            flat_frames=round(decades(2, 30)),
            sky_e=sky,
            flat_adu=float(random.uniform(0.2, 0.55)) * most,
            overscan=bool(random.random() < 0.7),
            stated=str(random.choice(["gain and noise", "gain", "nothing"])),
            method=str(random.choice(["average", "average", "median"])),
        )

    @property
    def offset_adu(self) -> float:
        """The level of a bias: no value is cut off below."""
        return max(10 * self.read_noise_adu, 0.02 * 2.0**self.bits) + 20


class Sensor:
    """What stays the same from frame to frame, and takes frames."""

    def __init__(self, camera: Camera, folder: Path) -> None:
        self.camera, self.folder = camera, folder
        self.random = np.random.default_rng(camera.seed + 1_000_000)
        ny, nx = SHAPE
        y, x = np.mgrid[:ny, :nx]
        vignetting = 1.0 - 0.25 * (((x - nx / 2) / nx) ** 2 + ((y - ny / 2) / ny) ** 2)
        response = vignetting * self.random.normal(1.0, 0.01, SHAPE)
        self.response = response / response.mean()  # as a flat has it that is divided by its level
        self.pattern_adu = self.random.normal(0.0, camera.read_noise_adu / 2, SHAPE)
        self.dark_e_per_s = np.full(SHAPE, 0.01) * self.random.uniform(0.8, 1.2, SHAPE)
        self.number = 0

    def take(self, kind: str, exposure_s: float, light_e: np.ndarray | float, filter_name: str = "") -> Path:
        """Write one frame: photons and electrons of dark current, read noise, pattern, level, steps, an end."""
        camera, random = self.camera, self.random
        electrons = random.poisson(light_e * self.response + self.dark_e_per_s * exposure_s)
        width = SHAPE[1] + (STRIP if camera.overscan else 0)
        adu = np.zeros((SHAPE[0], width))
        adu[:, : SHAPE[1]] = electrons / camera.gain + self.pattern_adu
        drift = random.normal(0.0, 0.5 * camera.read_noise_adu) if camera.overscan else 0.0
        adu += camera.offset_adu + drift + random.normal(0.0, camera.read_noise_adu, adu.shape)
        words = np.clip(np.rint(adu / camera.step) * camera.step, 0, 2.0**camera.bits - 1)
        when = f"{20 + self.number // 3600:02d}:{self.number // 60 % 60:02d}:{self.number % 60:02d}"
        cards = {"IMAGETYP": kind, "EXPTIME": exposure_s, "BUNIT": "adu", "INSTRUME": "drawn"}
        header = fits.Header({**cards, "DATE-OBS": f"2024-03-01T{when}"})
        if filter_name:
            header["FILTER"] = filter_name
        if camera.stated != "nothing":
            header["GAIN"] = camera.gain
        if camera.stated == "gain and noise":
            header["RDNOISE"] = camera.read_noise_adu * camera.gain
        if camera.overscan:
            header["BIASSEC"] = f"[{SHAPE[1] + 1}:{width},1:{SHAPE[0]}]"
            header["TRIMSEC"] = f"[1:{SHAPE[1]},1:{SHAPE[0]}]"
        self.number += 20
        path = self.folder / f"{kind}{self.number:05d}.fits"
        fits.PrimaryHDU(words.astype(np.uint16 if camera.bits <= 16 else np.int32), header).writeto(path)
        return path


def sky_of(camera: Camera) -> np.ndarray:
    """Light of a science frame, in electrons: a sky that is not quite even, and stars."""
    random = np.random.default_rng(camera.seed + 2_000_000)
    ny, nx = SHAPE
    y, x = np.mgrid[:ny, :nx]
    light = camera.sky_e * (1.0 + 0.1 * (x / nx - 0.5))
    most = 0.3 * 2.0**camera.bits * camera.gain
    for _ in range(12):
        flux = np.exp(random.uniform(np.log(30.0), np.log(3e4)))
        distance = (x - random.uniform(0, nx)) ** 2 + (y - random.uniform(0, ny)) ** 2
        light = light + min(flux / (2 * np.pi * 1.4**2), most) * np.exp(-distance / (2 * 1.4**2))
    return light


def reduced(camera: Camera, folder: Path) -> tuple[dict[str, float], list[str]]:
    """Take a night, reduce it, and compare; return figures, and what was said."""
    raw, out = folder / "raw", folder / "out"
    raw.mkdir(parents=True)
    sensor, sky = Sensor(camera, raw), sky_of(camera)
    for _ in range(camera.bias_frames):
        sensor.take("bias", 0.0, 0.0)
    for _ in range(camera.dark_frames):
        sensor.take("dark", 60.0, 0.0)
    for _ in range(camera.flat_frames):
        sensor.take("flat", 1.0, camera.flat_adu * camera.gain, "R")
    science = [sensor.take("light", 60.0, sky, "R") for _ in range(2)]
    recipe = folder / "night.toml"
    method = f'method = "{camera.method}"\n'
    recipe.write_text("".join(f"[{kind}]\n{method}" for kind in ("bias", "dark", "flat")))
    with warnings.catch_warnings(record=True):
        warnings.simplefilter("always")
        made = zeroframe.night(raw, out, recipe=recipe, report=False, workers=1)
    figures: dict[str, float] = {}
    truth = sky / camera.gain
    squares, rows, boxes, used = [], [], [], 0
    for path in science:
        with fits.open(out / path.name) as hdus:
            names = [hdu.name for hdu in hdus]
            if "UNCERT" not in names:
                return {"chi2": float("nan")}, [str(frame.reason) for frame in made.frames]
            data, sigma = (hdus[k].data.astype(np.float64) for k in (0, "UNCERT"))
            mask = hdus["MASK"].data != 0 if "MASK" in names else np.zeros(SHAPE, bool)
            figures |= {"gain used": hdus[0].header["GAINUSED"], "noise used": hdus[0].header["RNOISADU"]}
            common = hdus[0].header.get("OVSCERR", 0.0)  # of the level of a row, which all its pixels have
        good = ~mask & np.isfinite(data)
        error = np.where(good, data - truth, 0.0)
        variance = np.where(good, sigma**2, 0.0)
        used += int(good.sum())
        squares.append(np.square(error[good] / sigma[good]))
        level = error[good].mean()
        figures["level error adu"] = level
        # the error of the whole level is that of two frames' biases, not one of rows or squares
        count = good.sum(axis=1)
        spread = variance.sum(axis=1) + count * (count - 1) * common**2
        rows.append((np.where(good, error - level, 0.0)).sum(axis=1) / np.sqrt(spread))
        ny, nx = (length // SQUARE for length in SHAPE)
        cut = (slice(0, ny * SQUARE), slice(0, nx * SQUARE))
        shape = (ny, SQUARE, nx, SQUARE)
        sums = np.where(good, error - level, 0.0)[cut].reshape(shape).sum(axis=(1, 3))
        spreads = variance[cut].reshape(shape).sum(axis=(1, 3))
        boxes.append((sums / np.sqrt(np.maximum(spreads, 1e-30))).ravel())
    all_squares = np.concatenate(squares)
    figures |= {
        "chi2": float(all_squares.mean()),
        "chi2 error": float(all_squares.std() / all_squares.size**0.5),
        "chi2 median": float(np.median(all_squares) / 0.4549),
        "rows": float(np.concatenate(rows).std()),
        "boxes": float(np.concatenate(boxes).std()),
        "masked": 1.0 - used / (2 * sky.size),
    }
    return figures, [str(frame.reason) for frame in made.frames if frame.reason]


def night(seed: int) -> tuple[Camera, dict[str, float], list[str]]:
    """Draw and reduce one night in a folder of its own."""
    camera = Camera.drawn(seed)
    folder = Path(tempfile.mkdtemp(prefix="good_night_"))
    try:
        return camera, *reduced(camera, folder)
    finally:
        shutil.rmtree(folder)


def within(values: list[float], limits: tuple[float, float]) -> float:
    """Return which fraction of the values lies within limits; NaN does not."""
    return sum(limits[0] <= value <= limits[1] for value in values) / len(values)


def main() -> None:
    """Reduce many nights, and print what came of them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nights", type=int, default=300)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    found = []
    for seed in range(options.first, options.first + options.nights):
        camera, figures, reasons = night(seed)
        found.append({"camera": asdict(camera), "figures": figures, "said": reasons})
        odd = "" if USUAL[0] <= figures["chi2"] <= USUAL[1] else " <--"
        print(  # noqa: T201 -- a program
            f"{seed:4d} chi2 {figures['chi2']:.3f} ± {figures.get('chi2 error', np.nan):.3f} rows "
            f"{figures.get('rows', np.nan):.2f} boxes {figures.get('boxes', np.nan):.2f} masked "
            f"{100 * figures.get('masked', np.nan):.2f} %  rn {camera.read_noise_adu:.2f} gain {camera.gain:.2f} step "
            f"{camera.step} bits {camera.bits} N {camera.bias_frames},{camera.dark_frames},{camera.flat_frames} sky "
            f"{camera.sky_e:.0f} e flat {camera.flat_adu:.0f} {'strip' if camera.overscan else 'no strip'} "
            f"{camera.stated}, {camera.method}{odd} {reasons[:1] if odd else ''}",
            flush=True,
        )
        if options.json:
            options.json.write_text(json.dumps(found))
    for name in ("chi2", "rows", "boxes"):
        values = [each["figures"].get(name, float("nan")) for each in found]
        shares = [100 * within(values, limits) for limits in (USUAL, MOST)]
        print(f"{name}: {shares[0]:.1f} % within 5 %, {shares[1]:.1f} % within 10 %")  # noqa: T201


if __name__ == "__main__":
    main()
