"""The frames that everything is measured on: seeded, made once in a work folder, and used again.

``python -m benchmarks.frames FOLDER ROWS NEED...`` makes them in a process of its own, so that the harness stays
small. A need is a kind and a number: ``plain:25``; ``night:1`` is a whole night.
"""

from __future__ import annotations

import io
import shutil
import subprocess
import sys
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.night import NIGHT_FILES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zeroframe.fits import Compression
    from zeroframe.simulate import SimulatedFrame

__all__ = ["folder_of", "make_frames", "paths_of"]

SEED = 20
#: Siril leaves out pixels of value 0, of which frames around zero have many; so this is added to calibrated frames.
PEDESTAL_ADU = 1000.0
#: Nights of other sensors, whole folders.
_NIGHTS = ("amplifiers", "colour")
SUFFIX = {"gzip": ".fits.gz", "rice": ".fits.fz"}


def folder_of(work: Path, rows: int, need: str) -> Path:
    """Return where the frames of a need are."""
    kind, _, number = need.partition(":")
    return work / f"frames-{rows}" / (kind if kind in {"calibrated", "unit", "night"} else f"{kind}-{number}")


def paths_of(work: Path, rows: int, need: str) -> list[Path]:
    """Return the files of a need, whether they are there or not."""
    kind, _, number = need.partition(":")
    folder = folder_of(work, rows, need)
    if kind in _NIGHTS:
        return [folder.with_name(f"{folder.name}.made")]
    if kind == "night":
        return [folder / name for name in NIGHT_FILES]
    count = 2 if kind == "square" else int(number)
    return [folder / f"ccd.{index + 1:04d}{SUFFIX.get(kind, '.fits')}" for index in range(count)]


def make_frames(work: Path, rows: int, needs: Sequence[str]) -> None:
    """Make what is missing, in another process."""
    missing = [need for need in needs if not all(path.exists() for path in paths_of(work, rows, need))]
    if missing:
        command = [sys.executable, "-m", "benchmarks.frames", str(work), str(rows), *missing]
        subprocess.run(command, check=True, cwd=Path(__file__).resolve().parents[1])


@cache
def _sensor(rows: int) -> tuple[Any, Any]:
    from zeroframe.simulate import SIMULATED_CAMERAS, sensor_truth

    camera = replace(SIMULATED_CAMERAS["palomar-lfc"], image_shape_yx=(rows, 2048))
    return camera, sensor_truth(camera, SEED, filter_names=[])


def _raw(rows: int, index: int) -> SimulatedFrame:
    """One raw bias of the Large Format Camera, 2080 columns wide."""
    from zeroframe.simulate import bias_specs, simulate_frame

    camera, sensor = _sensor(rows)
    return simulate_frame(camera, bias_specs(camera, index + 1)[index], SEED, index=index, sensor=sensor)


@cache
def _small_header() -> Any:  # noqa: ANN401 -- astropy is imported where it is used
    return _raw(64, 0).header


def _make_one(kind: str, number: int, rows: int, index: int, path: Path) -> None:
    """Write one frame; `write_fits` renames it into place when it is whole."""
    import numpy as np

    from zeroframe.fits import ImagePart, write_fits

    if kind == "headers":
        _write_many_cards(path, index)
        return
    if kind == "square":
        side = round((number * 1e6) ** 0.5)
        noise = np.random.default_rng((SEED, index)).normal(PEDESTAL_ADU, 4.0, 1 << 22).round().astype(np.float32)
        write_fits(path, [ImagePart(np.resize(noise, (side, side)), None)])
        return
    raw = _raw(64 if kind == "small" else rows, index)
    if kind in {"calibrated", "unit"}:
        level = np.median(raw.pixels[:, 2055:], axis=1, keepdims=True)
        pixels = raw.pixels[:, :2048].astype(np.float32) - level.astype(np.float32) + np.float32(PEDESTAL_ADU)
        raw.header["BUNIT"] = "adu"
        if kind == "unit":  # Siril counts from 0 to 1
            pixels /= np.float32(65535)
        write_fits(path, [ImagePart(pixels, raw.header)])
        return
    compress: Compression = "gzip" if kind == "gzip" else "rice" if kind == "rice" else "none"
    write_fits(path, [ImagePart(raw.pixels, raw.header)], compress=compress)


def _make_night(rows: int, folder: Path) -> None:
    """Write every raw frame of a night."""
    from zeroframe.simulate import SIMULATED_CAMERAS, simulate_night

    camera = replace(SIMULATED_CAMERAS["palomar-lfc"], image_shape_yx=(rows, 2048))
    simulate_night(camera, folder, seed=SEED, overwrite=True)


def _make_other_night(kind: str, number: int, rows: int, folder: Path) -> None:
    """Write a night of a sensor that 16 amplifiers read or 1, or of a sensor that has 4 sorts of pixels or 1."""
    from zeroframe.headers.sections import Section
    from zeroframe.simulate import SIMULATED_CAMERAS, SIMULATED_MOSAICS, simulate_night

    shutil.rmtree(folder, ignore_errors=True)
    shape_yx = (rows, 2048)
    if kind == "colour":
        camera = replace(SIMULATED_CAMERAS["osc-cmos"], image_shape_yx=shape_yx)
        simulate_night(camera if number > 1 else replace(camera, colour_pattern=""), folder, seed=SEED)
    else:
        mosaic = SIMULATED_MOSAICS["sixteen-mef"].resized(shape_yx)
        (chip,) = mosaic.chips
        whole = replace(chip.amplifiers[0], place=Section.parse(f"[1:{shape_yx[1]},1:{rows}]"))
        one = replace(mosaic, chips=(replace(chip, amplifiers=(whole,)),))
        simulate_night(mosaic if number > 1 else one, folder, seed=SEED)
    folder.with_name(f"{folder.name}.made").touch()


@cache
def _many_cards() -> bytes:
    """A file that holds a small image with 100 cards, one of which is to be replaced."""
    import numpy as np
    from astropy.io import fits

    header = _small_header().copy()
    header["OBSNUM"] = 0
    data = np.zeros((16, 16), np.uint16)
    number = 0
    while len(fits.PrimaryHDU(data, header).header) < 100:
        header[f"EXTRA{number:03d}"] = (number * 1.5, "one of many cards")
        number += 1
    file = io.BytesIO()
    fits.PrimaryHDU(data, header).writeto(file)
    return file.getvalue()


def _write_many_cards(path: Path, index: int) -> None:
    """Write it with a number of its own."""
    before, after = (f"OBSNUM  = {number:20d}".encode() for number in (0, index))
    part = path.with_name(f".{path.name}")
    part.write_bytes(_many_cards().replace(before, after))
    part.rename(path)


def _main(work: Path, rows: int, needs: Sequence[str]) -> None:
    from zeroframe.workers import map_threads

    for need in needs:
        kind, _, number = need.partition(":")
        if kind in _NIGHTS:
            _make_other_night(kind, int(number), rows, folder_of(work, rows, need))
            continue
        if kind == "night":
            _make_night(rows, folder_of(work, rows, need))
            continue
        folder_of(work, rows, need).mkdir(parents=True, exist_ok=True)
        jobs = [(index, path) for index, path in enumerate(paths_of(work, rows, need)) if not path.exists()]
        if kind in {"headers", "square"}:
            for index, path in jobs:
                _make_one(kind, int(number), rows, index, path)
        else:
            _sensor(rows)
            map_threads(lambda job: _make_one(kind, int(number), rows, *job), jobs)  # noqa: B023 -- used up at once


if __name__ == "__main__":
    _main(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3:])
