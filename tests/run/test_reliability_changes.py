"""What was read is what is named, and what changes while it is read is refused, whatever its times say."""

from __future__ import annotations

import contextlib
import gc
import os
import re
import shutil
import sys
import tracemalloc
import zlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from astropy.io import fits

from nights import RECIPES, carried_out, planned
from nights import small_night as whole_night
from reliability import bias_arguments, small_night
from workbench import command, header_of, names_in, pixels_of, raw_pixels, write_raw
from zeroframe.errors import FrameError
from zeroframe.fits import ImagePart, read_raw, scan, write_fits
from zeroframe.fits.fingerprint import Watch
from zeroframe.headers.survey import survey, survey_tree
from zeroframe.inspection import inspect_overscan
from zeroframe.run.cache import CalibrationCache
from zeroframe.run.engine import run_night
from zeroframe.run.input_sums import InputSums
from zeroframe.stacks.stack import FileStack, ImageOnDisk
from zeroframe.stacks.tallied import TalliedStack
from zeroframe.workers import map_threads

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

#: Frames are larger than the blocks in which headers are read.
SHAPE_YX = (100, 120)


@dataclass
class Opened:
    """Does something to a file just before it is opened for the n-th time, in any way, for reading."""

    path: Path
    at: int
    do: Callable[[Path], None]
    times: int = 0
    done: bool = False
    busy: bool = field(default=False, repr=False)

    def tell(self, path: object, flags: object) -> None:
        if self.busy or not isinstance(path, (str, os.PathLike)) or os.fspath(path) != str(self.path):
            return
        if not isinstance(flags, int) or flags & (os.O_WRONLY | os.O_RDWR):
            return
        self.times += 1
        if self.times == self.at:
            self.busy = self.done = True
            self.do(self.path)
            self.busy = False


_ACTIVE: list[Opened] = []


def _hook(event: str, arguments: tuple[object, ...]) -> None:
    if event == "open":
        for each in _ACTIVE:
            each.tell(arguments[0], arguments[2])


@pytest.fixture(scope="module", autouse=True)
def openings():
    """Have Python tell every opening of a file; such a hook stays until the process ends."""
    sys.addaudithook(_hook)


@contextlib.contextmanager
def opening(path: Path, at: int, do: Callable[[Path], None]) -> Iterator[Opened]:
    watcher = Opened(path, at, do)
    _ACTIVE.append(watcher)
    try:
        yield watcher
    finally:
        _ACTIVE.remove(watcher)


def change_pixels(path: Path) -> None:
    """Write other pixels into a file; its size and the time of its modification are what they were."""
    before = path.stat()
    with path.open("r+b") as file:
        file.seek(before.st_size - 2880)
        file.write(b"\1\2\3\4" * 20)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def replace_file(path: Path) -> None:
    """Put another file in its place, of the same size and time of modification."""
    before = path.stat()
    other = path.with_name("other")
    shutil.copy(path, other)
    with other.open("r+b") as file:
        file.seek(before.st_size - 2880)
        file.write(b"\1\2\3\4" * 20)
    os.utime(other, ns=(before.st_atime_ns, before.st_mtime_ns))
    other.replace(path)


def write_calibrated(path: Path, number: int) -> Path:
    write_fits(path, [ImagePart(raw_pixels(number, SHAPE_YX).astype(np.float32), fits.Header({"IMAGETYP": "zero"}))])
    return path


def write_masked(path: Path, number: int) -> Path:
    mask = np.zeros(SHAPE_YX, np.uint8)
    mask[3, number] = 1
    image = ImagePart(raw_pixels(number, SHAPE_YX).astype(np.float32), fits.Header({"IMAGETYP": "zero"}))
    write_fits(path, [image, ImagePart(mask, name="MASK")])
    return path


def write_combined(path: Path) -> Path:
    planes = [ImagePart(np.full(SHAPE_YX, value, np.float32), name=name) for value, name in ((1, ""), (2, "UNCERT"))]
    write_fits(path, [*planes, ImagePart(np.eye(*SHAPE_YX, dtype=np.uint8), name="MASK")])
    return path


def write_tiles(path: Path, number: int) -> Path:
    fits.CompImageHDU(raw_pixels(number, SHAPE_YX), fits.Header({"IMAGETYP": "zero", "EXPTIME": 0.0})).writeto(path)
    return path


#: Sorts of frames that `combine` reads in different ways: in bands twice, inflated once, with and without DATASUM.
SORTS = {
    "raw": ("fits", lambda path, number: write_raw(path, raw_pixels(number, SHAPE_YX))),
    "gzip": ("fits.gz", lambda path, number: write_raw(path, raw_pixels(number, SHAPE_YX))),
    "tiles": ("fits.fz", write_tiles),
    "calibrated": ("fits", write_calibrated),
    "masked": ("fits", write_masked),
}


def frames_of(sort: str, folder: Path) -> list[Path]:
    suffix, write = SORTS[sort]
    folder.mkdir()
    return [write(folder / f"b{number}.{suffix}", number) for number in range(4)]


def named(target: Path) -> list[str]:
    """What the header of a combined frame says of the content of each of its frames."""
    return [line.partition(" ")[2] for line in header_of(target)["HISTORY"] if re.match(r"IMCMB\d+ ", line)]


def crc_words(paths) -> list[str]:
    return [f"crc32 {zlib.crc32(path.read_bytes()):08x}" for path in paths]


class TestCombine:
    @pytest.mark.parametrize("more", [(), ("--ignore-checksums",)])
    @pytest.mark.parametrize("sort", SORTS)
    def test_every_byte_counts_in_what_names_a_file(self, tmp_path, sort, more):
        """Of frames without sums, the first 11,520 bytes used to be all that was named."""
        paths = frames_of(sort, tmp_path / "frames")
        target = tmp_path / "c.fits"
        assert command("combine", *paths, "-o", target, *more).code == 0
        first = named(target)
        assert first == crc_words(paths)
        if sort == "raw":
            change_pixels(paths[2])
            assert command("combine", *paths, "-o", target, "--overwrite", *more).code in {0, 1}
            assert named(target) == crc_words(paths)
            assert [one == other for one, other in zip(first, named(target), strict=True)] == [True, True, False, True]

    @pytest.mark.long
    @pytest.mark.parametrize("do", [change_pixels, replace_file])
    @pytest.mark.parametrize("sort", ["raw", "calibrated", "masked"])
    def test_a_frame_that_changes_between_its_reads(self, tmp_path, sort, do):
        """At whatever moment: it is left out, named, and nothing of it is in the result."""
        paths = frames_of(sort, tmp_path / "whole")
        target = tmp_path / "c.fits"
        with opening(paths[1], 0, do) as undisturbed:
            assert command("combine", *paths, "-o", target, "--ignore-checksums").code == 0
        assert 4 <= undisturbed.times <= 16  # each costs a round trip over a network
        others = tmp_path / "others.fits"
        assert command("combine", paths[0], *paths[2:], "-o", others, "--ignore-checksums").code == 0
        for at in range(1, undisturbed.times + 1):
            folder = shutil.copytree(tmp_path / "whole", tmp_path / f"{at}")
            copies = sorted(folder.iterdir())
            with opening(copies[1], at, do) as opened:
                run = command("combine", *copies, "-o", target, "--overwrite", "--ignore-checksums")
            assert opened.done
            assert run.code == 1, (at, run.out)
            said = [line for line in run.out.splitlines() if line.startswith("left out: ")]
            assert said
            assert str(copies[1]) in said[0]
            assert "was changed while it was read" in said[0]
            assert header_of(target)["NCOMBINE"] == 3
            np.testing.assert_array_equal(pixels_of(target), pixels_of(others))

    @pytest.mark.parametrize("sort", ["gzip", "tiles"])
    def test_a_compressed_frame_that_is_replaced_between_its_reads(self, tmp_path, sort):
        paths = frames_of(sort, tmp_path / "whole")
        target = tmp_path / "c.fits"
        with opening(paths[1], 0, replace_file) as undisturbed:
            assert command("combine", *paths, "-o", target).code == 0
        for at in range(1, undisturbed.times + 1):
            folder = shutil.copytree(tmp_path / "whole", tmp_path / f"{at}")
            copies = sorted(folder.iterdir())

            def replace_by_the_next(path: Path, other: Path = copies[3]) -> None:
                shutil.copy(other, path.with_name("other"))
                path.with_name("other").replace(path)

            with opening(copies[1], at, replace_by_the_next):
                run = command("combine", *copies, "-o", target, "--overwrite")
            assert run.code == 1, (at, run.out)
            assert "was changed while it was read" in run.out
            assert header_of(target)["NCOMBINE"] == 3

    @pytest.mark.parametrize("sort", ["raw", "calibrated"])
    def test_sums_tell_where_the_times_of_a_disk_do_not(self, tmp_path, sort):
        """FAT and some network disks keep no time of change."""
        paths = frames_of(sort, tmp_path / "frames")
        items = survey(paths)
        sums = InputSums(items, check=False, workers=1)
        images = tuple(ImageOnDisk.find(scan(path)) for path in paths)

        def read() -> TalliedStack:
            stack = TalliedStack(FileStack(images, tuple(map(str, paths))))
            for index in range(len(paths)):
                for start in (60, 0, 30, 90):  # in any order
                    out = np.empty((min(30, SHAPE_YX[0] - start), SHAPE_YX[1]), np.float32)
                    stack.read_rows(index, slice(start, start + len(out)), out)
            return stack

        sums.compare(paths, read())
        assert [sums.word(path) for path in paths] == crc_words(paths)
        change_pixels(paths[2])
        with pytest.raises(FrameError, match=f"^{paths[2]}: was changed while it was read"):
            sums.compare(paths, read())


@pytest.mark.long
def test_what_is_counted_of_a_frame_does_not_grow_with_its_bands(tmp_path):
    """Of thousands of frames that are read row by row it would be more than the memory limit."""
    rows = 4000
    frames = [tmp_path / f"c{number}.fits" for number in range(3)]
    for number, path in enumerate(frames):
        write_fits(path, [ImagePart(np.random.default_rng(number).normal(size=(rows, 5)).astype(np.float32))])
    images = tuple(ImageOnDisk.find(scan(path)) for path in frames)
    opened = FileStack(images, tuple(map(str, frames)))

    def read(stack: TalliedStack, start: int) -> None:
        out = np.empty((1, 5), np.float32)
        for index in range(len(frames)):
            stack.read_rows(index, slice(start, start + 1), out)

    alone = TalliedStack(opened)
    read(alone, 0)
    tracemalloc.start()
    for start in range(1, rows):
        read(alone, start)
    gc.collect()
    kept = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert kept < 25 * rows  # a record of each would be 150 bytes a row and frame
    together = TalliedStack(opened)
    map_threads(lambda start: read(together, start), range(rows), 3)
    for stack in (alone, together):
        for index, path in enumerate(frames):
            data = path.read_bytes()[scan(path).hdus[0].data_offset :][: rows * 20]
            assert stack.data_crc32(index) == (zlib.crc32(data), len(data))
            assert stack.data_sum(index) == int(fits.getval(path, "DATASUM"))
        read(stack, 7)
        assert stack.data_crc32(0) is None  # a row was read twice


def test_a_file_whose_time_of_modification_is_put_back_while_it_is_read(tmp_path, monkeypatch):
    path = write_raw(tmp_path / "b.fits", raw_pixels(1, (1000, 1000)))
    original = os.preadv

    def write_and_read(descriptor, buffers, offset):
        change_pixels(path)
        return original(descriptor, buffers, offset)

    monkeypatch.setattr(os, "preadv", write_and_read)
    with pytest.raises(FrameError, match="was changed while it was read; run again"):
        read_raw(path)


def test_a_watch_sees_what_changes_and_nothing_else(tmp_path):
    paths = [tmp_path / name for name in ("a", "b", "c", "d", "e")]
    for path in paths[:4]:
        path.write_bytes(bytes(6000))
    watch = Watch()
    watch.look(paths)
    watch.check(paths)
    paths[0].read_bytes()
    paths[4].write_bytes(b"1")
    watch.renew(paths[4])
    watch.look(paths)
    watch.check([*paths, tmp_path / "never looked at"])
    for number, do in enumerate([change_pixels, replace_file, Path.unlink]):
        do(paths[number])
        with pytest.raises(FrameError, match=f"^{paths[number]}: was changed while it was read"):
            watch.check(paths[number:])


class TestBias:
    @pytest.mark.long
    def test_a_result_that_changes_before_it_is_combined(self, tmp_path):
        """It is changed when it is opened to be combined, for its noise or for its pixels."""
        raw = small_night(tmp_path / "raw", 4)
        out = tmp_path / "out"
        victim = out / "ccd.002.0.fits"
        arguments = bias_arguments(raw, out)
        with opening(victim, 0, change_pixels) as undisturbed:
            assert command(*arguments).code == 0
        assert undisturbed.times >= 3
        for at in (1, 2, 3):
            shutil.rmtree(out)
            with opening(victim, at, change_pixels):
                run = command(*arguments)
            assert run.code == 1, run.out
            assert f"{victim}: was changed while it was read" in run.out
            assert header_of(out / "combined_bias.fits")["NCOMBINE"] == 3

    @pytest.mark.long
    def test_a_raw_frame_that_changes_while_the_report_is_written(self, tmp_path):
        raw = small_night(tmp_path / "raw", 3)
        out = tmp_path / "out"
        victim = raw / "ccd.001.0.fits"
        with opening(victim, 0, change_pixels) as undisturbed:
            assert command(*bias_arguments(raw, out, report=True)).code == 0
        shutil.rmtree(out)
        with opening(victim, undisturbed.times, change_pixels):
            run = command(*bias_arguments(raw, out, report=True))
        assert run.code == 1
        assert f"no report: {victim}: was changed while it was read" in run.err
        assert not (out / "report.html").exists()


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A small night, and its recipe."""
    folder = tmp_path_factory.mktemp("night")
    whole_night(folder / "raw", one_filter=True)
    (folder / "night.toml").write_text(RECIPES["palomar-lfc"])
    return folder


class TestNight:
    @pytest.mark.long
    def test_a_result_that_changes_before_it_is_combined(self, whole, tmp_path):
        out = tmp_path / "out"
        victim = out / "ccd.002.0.fits"
        text = RECIPES["palomar-lfc"]
        for at in (1, 2):
            shutil.rmtree(out, ignore_errors=True)
            with opening(victim, at, change_pixels) as opened:
                result = carried_out(whole / "raw", out, text)
            assert opened.done
            (bias,) = [each.combined for each in result.groups if each.group.kind.value == "bias"]
            assert not result.is_good
            assert [line for line in bias.left_out if line.startswith(f"{victim}: was changed while it was read")]

    def test_a_calibration_that_changes_before_it_is_used(self, tmp_path):
        """Its header, image, errors and mask are read one after the other."""
        whole = write_combined(tmp_path / "whole.fits")
        watch = Watch()
        with opening(whole, 0, change_pixels) as undisturbed:
            plane = CalibrationCache(tmp_path, 10**9, watch=watch).get("whole.fits")
        assert plane.data[0, 0] == 1.0
        assert undisturbed.times == 4
        for at in range(1, 5):
            shutil.copy(whole, tmp_path / f"{at}.fits")
            cache = CalibrationCache(tmp_path, 10**9, watch=watch)
            with (
                opening(tmp_path / f"{at}.fits", at, change_pixels),
                pytest.raises(FrameError, match=rf"{at}\.fits: was changed while it was read"),
            ):
                cache.get(f"{at}.fits")
        replace_file(whole)  # after it was made, and before it is read
        with pytest.raises(FrameError, match=r"whole\.fits: was changed"):
            CalibrationCache(tmp_path, 10**9, watch=watch).get("whole.fits")

    def test_another_raw_frame_of_that_name_after_planning(self, whole, tmp_path):
        """Of the same size, but of another filter: it would be divided by the wrong flat."""
        raw, out = tmp_path / "raw", tmp_path / "out"
        shutil.copytree(whole / "raw", raw)
        plan = planned(raw, out, RECIPES["palomar-lfc"])
        (science,) = plan.science
        with fits.open(science.source, mode="update") as hdus:
            hdus[0].header["FILTER"] = "z"
        result = run_night(plan)
        (outcome,) = [each.outcome for each in result.frames if each.frame.name == science.name]
        assert outcome.state == "failed"
        assert "has another header than was read before" in outcome.reason
        assert not science.target.exists()

    @pytest.mark.long
    def test_a_raw_frame_that_changes_while_the_report_is_written(self, whole, tmp_path):
        raw, out = tmp_path / "raw", tmp_path / "out"
        shutil.copytree(whole / "raw", raw)
        (science,) = planned(raw, out, RECIPES["palomar-lfc"]).science
        arguments = ("night", raw, "-o", out, "--recipe", whole / "night.toml")
        for path in raw.iterdir():  # else what was seen of them is not remembered, and how often they are read, chance
            os.utime(path, (1e9, 1e9))
        assert command(*arguments).code == 0
        shutil.rmtree(out)
        with opening(science.source, 0, change_pixels) as undisturbed:
            assert command(*arguments).code == 0
        shutil.rmtree(out)
        with opening(science.source, undisturbed.times, change_pixels):
            run = command(*arguments)
        assert run.code == 1
        assert f"no report: {science.source}: was changed while it was read" in run.err


def test_a_frame_that_is_another_one_when_it_is_inspected(tmp_path):
    """The headers had been read, and the frame was chosen by them."""
    raw = small_night(tmp_path / "raw", 3)
    found = survey_tree(raw, recurse=False)
    victim = raw / names_in(raw)[1]
    pixels = fits.getdata(victim)
    write_raw(tmp_path / "flat.fits", pixels, IMAGETYP="flat").replace(victim)
    said = [line for line in inspect_overscan(found).sentences if str(victim) in line]
    assert said == [f"left out: {victim}: was changed while frames were inspected; run again"]
