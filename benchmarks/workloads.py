"""The workloads: which frames, and who does what with them."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks import night, peers, programs, sensors
from benchmarks.frames import folder_of, paths_of
from benchmarks.measure import Case

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.sizes import Size

__all__ = ["LETTERS", "Workload", "workloads"]

LETTERS = ("A", "A'", "B", "C", "N", "T", "D", "E", "F", "G", "H", "L", "W", "I")


@dataclass(frozen=True, slots=True)
class Workload:
    """A table: cases that do the same work. ``cases`` is called when the frames of ``needs`` are there."""

    key: str
    title: str
    needs: tuple[str, ...]
    cases: Callable[[], list[Case]]

    @property
    def letter(self) -> str:
        """Which of the `LETTERS` it belongs to."""
        return self.key.split()[0]


def workloads(work: Path, size: Size) -> list[Workload]:
    """Return all workloads, in the order of the tables."""
    made = [_calibrate(work, size, kind) for kind in ("gzip", "plain", "rice")]
    made += [_calibrate_inside(work, size), _gzip_out(work, size)]
    made += [_combine(work, size, count, clipped=clipped) for count in size.stacks for clipped in (True, False)]
    made += [_combine_inside(work, size), _folder(work, size), _night(work, size), _default_night(work, size)]
    made += [_headers(work, size), *(_listing(work, size, files) for files in size.listed)]
    made += [_growth_frames(work, size), _growth_pixels(work, size), _few_descriptors(work, size)]
    made += [_start_up(work, size), _cold_kernels(work, size)]
    made += [_amplifiers(work, size), _colour(work, size), _library(work, size), _watch(work, size)]
    return [*made, _inspect(work, size)]


def _need(size: Size, kind: str) -> str:
    return f"{kind}:{size.few if kind == 'gzip' else size.many}"


def _calibrate(work: Path, size: Size, kind: str) -> Workload:
    need = _need(size, kind)
    raw = folder_of(work, size.rows, need)

    def cases() -> list[Case]:
        ours = peers.zeroframe_folder(raw, "--no-combine")
        theirs = [peers.ccdproc_calibrate(raw, "float64"), peers.ccdproc_calibrate(raw, "float32")]
        iraf = [] if kind == "rice" else [programs.iraf_calibrate(raw)]
        return [ours, *theirs, peers.numpy_calibrate(raw), *iraf]

    count, word = need.partition(":")[2], {"gzip": "gzipped", "rice": "Rice .fz"}.get(kind, kind)
    return Workload(f"A {count} {word}", f"Calibrate {count} {word} frames", (need,), cases)


def _calibrate_inside(work: Path, size: Size) -> Workload:
    need = _need(size, "plain")
    raw = folder_of(work, size.rows, need)

    def cases() -> list[Case]:
        runs = size.runs_inside
        return [
            peers.inside("zeroframe", "calibrate", raw, runs, "zeroframe"),
            peers.inside("limit", "files", raw, runs, "limit: read and written, nothing computed"),
            peers.inside("limit", "over", raw, runs, "the same, into files that exist", remark="no new pages"),
            peers.inside("limit", "hashed", raw, runs, "read, hashed, summed and written, nothing else computed"),
            peers.inside("ccdproc", "calibrate", raw, 1, "ccdproc, float64 (its default)"),
        ]

    return Workload("A inside", f"Calibrate {size.many} plain frames, inside one process", (need,), cases)


def _gzip_out(work: Path, size: Size) -> Workload:
    need = _need(size, "gzip")
    raw = folder_of(work, size.rows, need)

    def cases() -> list[Case]:
        remark = f"1 frame measured, times {size.few}"
        ours = ("--no-combine", "--compress", "gzip")
        return [
            peers.zeroframe_folder(raw, *ours, output="out/ccd.0001.fits.gz"),
            peers.zeroframe_folder(raw, "--no-combine", name="zeroframe, written plain"),
            peers.ccdproc_calibrate(raw, "float64", suffix=".fits.gz", most=1, scale=size.few, remark=remark),
            peers.ccdproc_calibrate(raw, "float32", suffix=".fits.gz", most=1, scale=size.few, remark=remark),
        ]

    return Workload("A' gzip", f"Calibrate {size.few} gzipped frames and write them as .fits.gz", (need,), cases)


def _combine(work: Path, size: Size, count: int, *, clipped: bool) -> Workload:
    need, unit = f"calibrated:{count}", f"unit:{count}"
    frames, unit_frames = paths_of(work, size.rows, need), paths_of(work, size.rows, unit)

    def siril() -> list[Case]:
        remark = "counts from 0 to 1"
        if not clipped:
            return [programs.siril_combine(unit_frames, how="med", name="Siril stack", remark=remark)]
        remark += "; clips repeatedly"
        clips = {"standard deviation": "s 5 5", "MAD": "a 7.413 7.413"}  # 5 times 1.4826 MAD
        return [
            programs.siril_combine(unit_frames, how=f"rej {clip}", name=f"Siril stack, {spread}", remark=remark)
            for spread, clip in clips.items()
        ]

    def cases() -> list[Case]:
        makers = (
            peers.zeroframe_combine,
            peers.ccdproc_combine,
            peers.numpy_combine,
            peers.astropop_combine,
            programs.iraf_combine,
            programs.gnuastro_combine,
            programs.fitsh_combine,
        )
        medians = [] if clipped else [peers.eloy_combine(frames)]
        return [*(maker(frames, clipped=clipped) for maker in makers), *medians, *siril()]

    how = "5-sigma median/MAD clipped mean" if clipped else "median"
    key = f"B {count} {'clipped' if clipped else 'median'}"
    return Workload(key, f"Combine {count} calibrated frames: {how}", (need, unit), cases)


def _combine_inside(work: Path, size: Size) -> Workload:
    count = min(size.many, max(size.stacks))
    need = f"calibrated:{count}"

    def cases() -> list[Case]:
        runs = size.runs_inside
        # the folder of calibrated frames may hold more: those of this stack are linked into the scratch folder
        links = {f"in/{path.name}": path for path in paths_of(work, size.rows, need)}
        shared = {"links": links, "folders": ("in",), "inputs": tuple(links.values())}
        stack = Path("in")
        return [
            peers.inside("zeroframe", "verb", stack, runs, "zeroframe.combine of CCDData", **shared),
            peers.inside("zeroframe", "arrays", stack, runs, "zeroframe, arrays to array", **shared),
            peers.inside("limit", "copy", stack, runs, "limit: one copy of the stack", **shared),
            peers.inside("ccdproc", "combine", stack, 1, "ccdproc.combine of CCDData", **shared),
        ]

    title = f"Combine {count} frames that are in memory: 5-sigma clipped mean, inside one process"
    return Workload("B inside", title, (need,), cases)


def _folder(work: Path, size: Size) -> Workload:
    need = _need(size, "plain")
    raw = folder_of(work, size.rows, need)

    def cases() -> list[Case]:
        output, named = "out/combined_bias.fits", "zeroframe, with its page"
        ours = peers.zeroframe_folder(raw, "--clip-spread", "mad", output=output)
        page = peers.zeroframe_folder(raw, "--clip-spread", "mad", output=output, page=True, name=named)
        return [ours, page, peers.ccdproc_folder(raw), programs.iraf_folder(raw)]

    title = f"Raw folder of {size.many} to calibrated frames and the combined bias, clipped"
    return Workload("C folder", title, (need,), cases)


def _night(work: Path, size: Size) -> Workload:
    need = "night:1"
    raw = folder_of(work, size.rows, need)

    def cases() -> list[Case]:
        theirs = [night.ccdproc_night(raw, dtype) for dtype in size.night_dtypes]
        return [night.zeroframe_night(raw), night.zeroframe_night(raw, page=True), *theirs, night.iraf_night(raw)]

    title = f"A raw night of {len(night.NIGHT_FILES)} frames, with darks and flats, to calibrated science frames"
    return Workload("N night", title, (need,), cases)


def _default_night(work: Path, size: Size) -> Workload:
    raw = folder_of(work, size.rows, "night:1")
    title = "The same night by default, cosmic rays and page included, and what its timeline tells"
    return Workload("T timeline", title, ("night:1",), lambda: sensors.traced_cases(raw)[: None if size.beside else 1])


def _listing(work: Path, size: Size, files: int) -> Workload:
    need = f"headers:{files}"
    folder = folder_of(work, size.rows, need)

    def cases() -> list[Case]:
        warm = {"ZEROFRAME_CACHE": str(work / "scratch" / "index")}
        return [peers.zeroframe("ls", folder, name=f"zeroframe ls, {files} files", environment=warm, warm_up=True)]

    return Workload(f"D ls {files}", f"List {files} files, of which an index is there", (need,), cases)


def _amplifiers(work: Path, size: Size) -> Workload:
    title = "A night of 20 frames that sixteen amplifiers read, and that one reads"
    return _of_sensors(
        work, size, "G amplifiers", title, {"amplifiers:16": "sixteen amplifiers", "amplifiers:1": "one"}
    )


def _colour(work: Path, size: Size) -> Workload:
    title = "A night of a colour sensor, and of the same sensor without colours"
    return _of_sensors(work, size, "H colour", title, {"colour:4": "colour sensor", "colour:1": "without colours"})


def _of_sensors(work: Path, size: Size, key: str, title: str, names: dict[str, str]) -> Workload:
    needs = tuple(names)[: None if size.beside else 1]
    raws = {names[need]: folder_of(work, size.rows, need) for need in needs}
    return Workload(key, title, needs, lambda: [sensors.night_of(raw, name) for name, raw in raws.items()])


def _library(work: Path, size: Size) -> Workload:
    raw = folder_of(work, size.rows, "night:1")
    title = "A second night that borrows from a library, and one that makes its own"
    scratch, most = work / "scratch", None if size.beside else 1
    return Workload("L library", title, ("night:1",), lambda: sensors.borrowing_cases(raw, scratch)[:most])


def _watch(work: Path, size: Size) -> Workload:
    raw = folder_of(work, size.rows, "night:1")
    title = "A night that is watched: each science frame as it arrives"
    return Workload("W watch", title, ("night:1",), lambda: sensors.watched_cases(raw))


def _inspect(work: Path, size: Size) -> Workload:
    raw = folder_of(work, size.rows, "night:1")

    def cases() -> list[Case]:
        inputs = tuple(raw / name for name in night.NIGHT_FILES)
        return [peers.zeroframe("inspect", raw, name="zeroframe inspect", inputs=inputs)]

    return Workload(
        "I inspect", f"Look at the pixels of a night of {len(night.NIGHT_FILES)} frames", ("night:1",), cases
    )


def _headers(work: Path, size: Size) -> Workload:
    need = f"headers:{size.headers}"
    folder = folder_of(work, size.rows, need)

    def cases() -> list[Case]:
        ours = []
        if _offers("ImageFileCollection"):
            warm = {"ZEROFRAME_CACHE": str(work / "scratch" / "index")}
            cold = {"ZEROFRAME_CACHE": "{run}/cache"}
            name = "zeroframe, no index yet"
            ours = [
                peers.header_table("zeroframe", folder, size.headers, environment=warm, warm_up=True),
                peers.header_table("zeroframe", folder, size.headers, name=name, environment=cold),
            ]
        return [*ours, peers.header_table("ccdproc", folder, size.headers)]

    return Workload("D headers", f"Table of the headers of {size.headers} files of 100 cards", (need,), cases)


def _offers(name: str) -> bool:
    """Whether zeroframe has such a name."""
    code = f"import zeroframe, sys; sys.exit(not hasattr(zeroframe, {name!r}))"
    return subprocess.run([sys.executable, "-c", code], capture_output=True, check=False).returncode == 0


def _has_command(name: str) -> bool:
    command = [sys.executable, "-m", "zeroframe", name, "--help"]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def _limited(frames: list[Path], count: int, name: str, limit_mb: int, mpixel: float, **more: object) -> Case:
    """``zeroframe combine`` of ``count`` frames, which repeat where there are fewer, under a limit of memory."""
    repeated = [frames[index % len(frames)] for index in range(count)]
    remark = f"{len(frames)} files, linked" if len(frames) < count else ""
    return peers.zeroframe_combine(
        repeated,
        clipped=True,
        options=("--mem-limit", f"{limit_mb}M"),
        name=name,
        output="",
        limit_mb=limit_mb,
        values=count * mpixel * 1e6,
        remark=remark,
        good_codes=(0, 1) if remark else (0,),
        **more,
    )


def _growth_frames(work: Path, size: Size) -> Workload:
    need = f"calibrated:{min(max(size.stacks), max(size.growth))}"
    frames = paths_of(work, size.rows, need)
    limit = size.limits_mb[0]

    def cases() -> list[Case]:
        mpixel = size.rows * 2048 / 1e6
        return [_limited(frames[:count], count, f"{count} frames", limit, mpixel) for count in size.growth]

    return Workload("E frames", f"Clipped mean of more and more frames within {limit} MB", (need,), cases)


def _growth_pixels(work: Path, size: Size) -> Workload:
    needs = tuple(f"square:{mpixel}" for mpixel in size.mpixels)
    limit = size.limits_mb[1]

    def cases() -> list[Case]:
        pairs = [(paths_of(work, size.rows, need), mpixel) for need, mpixel in zip(needs, size.mpixels, strict=True)]
        return [_limited(frames, 10, f"{mpixel} Mpixel", limit, mpixel) for frames, mpixel in pairs]

    return Workload("E pixels", f"Clipped mean of 10 larger and larger frames within {limit} MB", needs, cases)


def _few_descriptors(work: Path, size: Size) -> Workload:
    count = max(size.growth)
    need = f"calibrated:{min(max(size.stacks), count)}"
    frames = paths_of(work, size.rows, need)
    limit = size.limits_mb[0]

    def cases() -> list[Case]:
        mpixel = size.rows * 2048 / 1e6
        return [_limited(frames, count, "with ulimit -n 64", limit, mpixel, open_files=64)]

    return Workload("E files", f"Clipped mean of {count} files, of which 64 may be open", (need,), cases)


def _start_up(work: Path, size: Size) -> Workload:
    need, small, four = f"calibrated:{min(10, max(size.stacks))}", "square:1", "small:4"

    def cases() -> list[Case]:
        links = {f"in/{path.name}": path for path in paths_of(work, size.rows, need)}
        listing = [peers.zeroframe("ls", "in", name=f"zeroframe ls ({len(links)} files)", links=links, folders=("in",))]
        return [
            peers.zeroframe("--help", name="zeroframe --help"),
            *(listing if _has_command("ls") else []),
            peers.zeroframe_combine(
                paths_of(work, size.rows, small), clipped=True, name="zeroframe combine (2 files of a megapixel)"
            ),
            peers.zeroframe(
                "bias", folder_of(work, size.rows, four), "-o", "out", name="zeroframe bias (4 small frames)"
            ),
            Case("python -c 'import zeroframe'", "zeroframe", (sys.executable, "-c", "import zeroframe")),
            Case("python -c pass", "limit", (sys.executable, "-c", "pass")),
            Case("python -c 'import numpy'", "limit", (sys.executable, "-c", "import numpy")),
            Case("python -c 'import ccdproc'", "ccdproc", (sys.executable, "-c", "import ccdproc")),
        ]

    return Workload("F start", "Start-up", (need, small, four), cases)


def _cold_kernels(work: Path, size: Size) -> Workload:
    need = _need(size, "gzip")
    raw = folder_of(work, size.rows, need)

    def cases() -> list[Case]:
        cold, output = {"NUMBA_CACHE_DIR": "{run}/kernels"}, "out/combined_bias.fits"
        return [
            peers.zeroframe_folder(raw, output=output, name="zeroframe bias, kernels compiled before", warm_up=True),
            peers.zeroframe_folder(raw, output=output, name="zeroframe bias, first run ever", environment=cold),
        ]

    return Workload("F cold", f"First run: {size.few} gzipped frames calibrated and combined", (need,), cases)
