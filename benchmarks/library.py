"""``python -m benchmarks.library``: how long a library of combined frames takes to say what a night may need.

The index is written with so many entries of biases, darks of three exposures and flats of three filters, one set a
night; the night has 60 frames of twelve sorts. Measured are the reading of the index and the choice among its entries,
headers of what is chosen (nine to thirty files) included.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import numpy as np
from astropy.io import fits

import zeroframe
from zeroframe.planning.library import LibraryEntry, index_text, library_items, read_library
from zeroframe.planning.plan import Configuration, NightPlan
from zeroframe.planning.recipe import parse_recipe

__all__: list[str] = []

_SHAPE_YX = (64, 80)
_EXPOSURES_S, _FILTERS = (30.0, 120.0, 300.0), ("g", "r", "i")
_SETS = (
    ("bias", 0.0, None),
    *(("dark", seconds, None) for seconds in _EXPOSURES_S),
    *(("flat", 2.0, name) for name in _FILTERS),
)


def _make(folder: Path, entries: int) -> None:
    """Write a library of so many entries; the files have the smallest pixels that can be looked at."""
    known = []
    for number in range(entries):
        kind, exposure_s, filter_name = _SETS[number % len(_SETS)]
        night = date(2026, 6, 1) - timedelta(days=number // len(_SETS))
        file = f"{night}/{kind}_{exposure_s:g}_{filter_name or ''}.fits"
        header = fits.Header({"IMAGETYP": kind, "EXPTIME": exposure_s, "NCOMBINE": 10, "INSTRUME": "cam"})
        header["DATE-OBS"], header["CCD-TEMP"] = f"{night}T20:00:00", -20.0
        if filter_name:
            header["FILTER"] = filter_name
        path = folder / file
        path.parent.mkdir(exist_ok=True)
        fits.writeto(path, np.zeros(_SHAPE_YX, np.float32), header)
        traits = Configuration(
            _SHAPE_YX, exposure_s=exposure_s, filter_name=filter_name, temperature_c=-20.0,
            settings=(("camera", "cam"),), night=night.isoformat(),
        )  # fmt: skip
        known.append(LibraryEntry(file, "", 0, kind, 10, "zeroframe", kind == "bias", "", "", traits))
    (folder / "library.json").write_text(index_text(known))


def _night(folder: Path) -> NightPlan:
    """Plan a night of 60 science frames: three exposures, three filters, four fields."""
    raw = folder / "raw"
    raw.mkdir()
    for number in range(60):
        header = fits.Header({"IMAGETYP": "object", "INSTRUME": "cam", "CCD-TEMP": -20.0, "GAIN": 1.0})
        header["EXPTIME"], header["FILTER"] = _EXPOSURES_S[number % 3], _FILTERS[number // 3 % 3]
        header["DATE-OBS"] = f"2026-06-{5 + number // 30:02d}T22:00:{number % 60:02d}"
        fits.writeto(raw / f"{number:02d}.fits", np.full(_SHAPE_YX, 1000, np.uint16), header)
    return zeroframe.plan(raw, folder / "out", recipe=parse_recipe('[frames]\noverscan = "none"')).plan


def main() -> None:
    """Measure, and print a line for each size of the library."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.library", description=__doc__)
    parser.add_argument("--entries", type=int, nargs="*", default=[100, 1000, 10000], help="sizes (%(default)s)")
    parser.add_argument("--repeat", type=int, default=7, help="times each (%(default)s)")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        plan = _night(Path(name))
        for entries in given.entries:
            folder = Path(name, f"library{entries}")
            folder.mkdir()
            _make(folder, entries)
            wall, cpu, found = [], [], 0
            for _ in range(given.repeat):
                before, clock = time.process_time(), time.perf_counter()
                library = read_library(folder)
                found = len(library_items(library, plan.frames, replace(plan.recipe)))
                cpu.append(time.process_time() - before)
                wall.append(time.perf_counter() - clock)
            told = f"{statistics.median(wall):.3f} s ({statistics.median(cpu):.3f} s of a core)"
            sys.stdout.write(f"{entries} entries: {told}, {found} chosen\n")


if __name__ == "__main__":
    main()
