"""``python -m benchmarks.scale --table``: index and plan the headers of a survey, which are simulated in memory.

A survey is many nights, each a folder of its own. Headers have 102 cards of which some 20 differ from frame to frame.
For each night they are understood as a survey of files does, stored in the index of headers, loaded from it again, and
planned into jobs that could be sent to workers; then the night is forgotten. What reading them from disks would take
comes on top and is not measured here.
"""

from __future__ import annotations

import argparse
import gc
import json
import resource
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

from zeroframe.fits import FrameFile
from zeroframe.fits.layout import hdu_from_header
from zeroframe.headers.columns import HeaderColumns
from zeroframe.headers.dialects import read_facts
from zeroframe.headers.index import FolderMemory, HeaderIndex
from zeroframe.headers.reading import ParsedCards, header_values
from zeroframe.headers.survey import RawFrame
from zeroframe.workers import map_jobs

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Seconds", "header_of", "measure_scale", "table_of"]

_FILTERS = ("g'", "r'", "i'")
_SIZE_YX = (4128, 2080)
_FILE_BYTES = 11520 + 17_173_440
#: Of a night of 400: 40 biases, 40 darks, 60 flats, 260 science frames.
_KINDS = (("BIAS", 0.10), ("DARK", 0.20), ("FLAT", 0.35), ("OBJECT", 1.0))
_CONSTANT_CARDS = 66
_STEPS = ("simulated", "understood", "indexed", "loaded", "planned")


@dataclass(frozen=True, slots=True)
class Seconds:
    """What one night took, in seconds of a core, and what came out."""

    headers: int
    simulated: float
    understood: float
    indexed: float
    loaded: float
    planned: float
    jobs: int
    peak_bytes: int


def _card(keyword: str, value: object) -> str:
    written = f"'{value:8}'" if isinstance(value, str) else f"{value:>20}"
    return f"{keyword:8}= {written}".ljust(80)[:80]


def header_of(night: int, number: int, frames: int) -> bytes:
    """Make the header of one frame."""
    share = number / frames
    kind = next(kind for kind, below in _KINDS if share < below)
    exposure_s = {"BIAS": 0.0, "DARK": (30.0, 60.0)[number % 2], "FLAT": 1.0 + number % 5}.get(kind, 60.0)
    seconds = 3600 + number * 80
    clock = f"{seconds // 3600 % 24:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}.{number % 1000:03d}"
    date = f"{2000 + night // 336:04d}-{night // 28 % 12 + 1:02d}-{night % 28 + 1:02d}"
    varying = {
        "IMAGETYP": kind, "EXPTIME": exposure_s, "DATE-OBS": f"{date}T{clock}", "FILTER": _FILTERS[number % 3],
        "OBJECT": f"field {number % 40}", "FILENUM": night * 10_000 + number, "UT": clock, "MJD": 51544.0 + night,
        "RA": f"{number % 24:02d}:{number % 60:02d}:00", "DEC": f"+{number % 90:02d}:{night % 60:02d}:00",
        "AIRMASS": 1 + number % 1000 / 1000, "HA": number % 977 / 100, "ST": seconds / 3600,
        "CCDTEMP": -120 + number % 100 / 100, "FOCUS": number % 500 / 7, "SEQ": number % 13,
        "GAIN": 2.0, "RDNOISE": 11.0, "CCDSUM": "1 1", "BIASSEC": "[2049:2080,1:4127]", "TRIMSEC": "[1:2048,1:4127]",
        "INSTRUME": "LFC", "DETECTOR": "SITe SI002 x 6", "CHIPID": 0, "TELESCOP": "Palomar 200-inch",
        "OBSERVER": "a survey", "TELRA": seconds / 240, "TELDEC": number % 90 / 3, "PARANGLE": number % 360 / 2,
    }  # fmt: skip
    cards = [_card(word, value) for word, value in varying.items()]
    return "".join([_constant_cards(), *cards, "END".ljust(80)]).encode("ascii")


@cache
def _constant_cards() -> str:
    layout = {"BITPIX": 16, "NAXIS": 2, "NAXIS1": _SIZE_YX[1], "NAXIS2": _SIZE_YX[0], "BSCALE": 1, "BZERO": 32768}
    cards = [f"{'SIMPLE':8}= {'T':>20}".ljust(80), *(_card(word, value) for word, value in layout.items())]
    cards += [_card(f"KEY{n:03d}", f"value {n}" if n % 2 else n * 1.5) for n in range(_CONSTANT_CARDS)]
    return "".join(cards)


def _found(path: Path, header: bytes) -> RawFrame:
    """Do what a survey does with the header of a file."""
    hdu = hdu_from_header(path, 0, header, 11520)
    frame = FrameFile(path, "plain", (hdu,))
    return RawFrame(path, frame, read_facts(hdu.cards, path.name), None)


def _planned(found: list[RawFrame], raw: Path, out: Path) -> int:
    """Plan a night; return how many jobs it has."""
    from zeroframe.planning.planning import plan_night
    from zeroframe.planning.recipe import parse_recipe

    plan = plan_night(found, raw, out, parse_recipe('[frames]\ncamera = "palomar-lfc"'))
    return len(plan.science) + sum(len(group.frames) + 1 for group in plan.groups)


def one_night(night: int, *, frames: int, folder: Path) -> Seconds:
    """Index and plan one night of headers."""
    clock, raw = time.process_time, Path("/survey") / f"{night:05d}"
    start = clock()
    texts = [header_of(night, number, frames) for number in range(frames)]
    names = [f"ccd.{night * 10_000 + number:08d}.fits" for number in range(frames)]
    simulated = clock()
    found = [_found(raw / name, text) for name, text in zip(names, texts, strict=True)]
    understood = clock()
    parsed = ParsedCards()
    values = [header_values(item.frame.cards, parsed) for item in found if item.frame is not None]
    stamps = [f"{_FILE_BYTES}.{1_500_000_000_000_000_000 + number}.{number}" for number in range(frames)]
    index = HeaderIndex(folder / f"headers-{night % 16}.sqlite")
    index.store(str(raw), "0", FolderMemory(HeaderColumns.of(names, values), stamps))
    indexed = clock()
    memory = index.load(str(raw), "0")
    if len(memory.headers) != frames:
        raise RuntimeError(f"the index knows {len(memory.headers)} of {frames} headers of {raw}")
    loaded = clock()
    jobs = _planned(found, raw, folder / "out")
    planned = clock()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return Seconds(
        frames,
        simulated - start,
        understood - simulated,
        indexed - understood,
        loaded - indexed,
        planned - loaded,
        jobs,
        peak,
    )


def measure_scale(headers: int, frames: int, processes: int, progress: Callable[[float], None] | None = None) -> dict:
    """Index and plan a survey; return what it took."""
    nights = -(-headers // frames)
    as_the_program = {"initializer": gc.set_threshold, "initargs": (100_000,)}
    with tempfile.TemporaryDirectory() as name, ProcessPoolExecutor(processes, **as_the_program) as pool:
        start = time.perf_counter()
        folder = Path(name)
        parts = map_jobs(pool, partial(one_night, frames=frames, folder=folder), range(nights), progress=progress)
        wall = time.perf_counter() - start
        index_bytes = sum(path.stat().st_size for path in folder.glob("*.sqlite"))
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    steps = {step: sum(getattr(part, step) for part in parts) for step in _STEPS}
    return {
        "headers": sum(part.headers for part in parts),
        "nights": nights,
        "jobs": sum(part.jobs for part in parts),
        "processes": processes,
        "wall_s": wall,
        "core_s": steps,
        "core_s_without_simulation": sum(steps.values()) - steps["simulated"],
        "index_bytes": index_bytes,
        "peak_bytes": own + processes * max(part.peak_bytes for part in parts),
        "slowest_night": asdict(max(parts, key=lambda part: part.planned)),
    }


def table_of(found: dict) -> str:
    """Return the figures as docs/scale.md shows them."""
    words = {
        "understood": "its cards and facts",
        "indexed": f"into the index, {found['index_bytes'] / found['headers']:.0f} bytes a frame",
        "loaded": "out of the index",
        "planned": "its share of the plan of a night",
    }
    micro = {step: 1e6 * found["core_s"][step] / found["headers"] for step in words}
    rows = [f"| {text} | {micro[step]:.3g} µs |" for step, text in words.items()]
    whole = f"| together | {sum(micro.values()):.0f} µs |"
    made_up = 1e6 * found["core_s"]["simulated"] / found["headers"]
    said = (
        f"{found['headers']:,} headers of {found['nights']:,} nights in {found['wall_s']:.0f} s with "
        f"{found['processes']} processes, {made_up:.0f} µs each for making them up included; "
        f"{found['peak_bytes'] / 1e9:.2f} GB for all processes together."
    )
    return "\n".join(["| step | one header, one core |", "|---|---|", *rows, whole, "", said])


def main() -> None:
    """Measure, and print the figures as JSON."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale", description=__doc__)
    parser.add_argument("--headers", type=int, default=1_000_000, help="how many (%(default)s)")
    parser.add_argument("--frames", type=int, default=400, help="of a night (%(default)s)")
    parser.add_argument("--processes", type=int, default=2, help="(%(default)s)")
    parser.add_argument("--table", action="store_true", help="as docs/scale.md shows it, and not as JSON")
    given = parser.parse_args()
    found = measure_scale(given.headers, given.frames, given.processes)
    sys.stdout.write((table_of(found) if given.table else json.dumps(found, indent=1)) + "\n")


if __name__ == "__main__":
    main()
