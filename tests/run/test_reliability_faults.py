"""What the system can do to a run: kill it, fill its disk, fail its reads, take its memory; the promise holds."""

from __future__ import annotations

import json
import os
import random
import resource
import shutil
import signal
import subprocess
import time

import numpy as np
import pytest
from astropy.io import fits

from kernel_table import NJIT
from nights import bias_plan
from reliability import (
    ALL_CASES,
    ENVIRONMENT,
    PROGRAM,
    SOURCE,
    Fork,
    HeldUp,
    bias_arguments,
    hashes,
    in_a_process,
    preloaded_library,
    read_only,
    results,
    small_night,
)
from workbench import SMALL_SECTIONS, command, names_in, raw_pixels, write_raw
from zeroframe.errors import FrameError
from zeroframe.fits import read_raw
from zeroframe.fits.fingerprint import file_mark
from zeroframe.run.engine import run_night

#: Fails or changes files while they are read: the only way to have a disk fail at a given byte without a driver for it.
SHIM = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

static int is_ours(int fd, char *path, size_t size) {
    char link[64];
    const char *name = getenv("SHIM_NAME");
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, size - 1);
    if (length < 0 || !name) return 0;
    path[length] = 0;
    return strstr(path, name) != NULL;
}

static int fails(int fd, off_t end) {
    char path[4096];
    const char *from = getenv("SHIM_FROM");
    if (!from || end <= atoll(from) || !is_ours(fd, path, sizeof path)) return 0;
    if (getenv("SHIM_TRUNCATE")) {
        if (truncate(path, atoll(from))) perror("shim");
        return 0;
    }
    errno = EIO;
    return 1;
}

static off_t sum(const struct iovec *parts, int count) {
    off_t total = 0;
    for (int i = 0; i < count; i++) total += parts[i].iov_len;
    return total;
}

#define NEXT(type, name, ...) ((type (*)(__VA_ARGS__)) dlsym(RTLD_NEXT, name))

ssize_t preadv(int fd, const struct iovec *parts, int count, off_t at) {
    if (fails(fd, at + sum(parts, count))) return -1;
    return NEXT(ssize_t, "preadv", int, const struct iovec *, int, off_t)(fd, parts, count, at);
}
ssize_t preadv64(int fd, const struct iovec *parts, int count, off_t at) { return preadv(fd, parts, count, at); }
ssize_t preadv2(int fd, const struct iovec *parts, int count, off_t at, int flags) {
    if (fails(fd, at + sum(parts, count))) return -1;
    return NEXT(ssize_t, "preadv2", int, const struct iovec *, int, off_t, int)(fd, parts, count, at, flags);
}
ssize_t preadv64v2(int fd, const struct iovec *parts, int count, off_t at, int flags) {
    return preadv2(fd, parts, count, at, flags);
}
ssize_t pread(int fd, void *data, size_t size, off_t at) {
    if (fails(fd, at + size)) return -1;
    return NEXT(ssize_t, "pread", int, void *, size_t, off_t)(fd, data, size, at);
}
ssize_t pread64(int fd, void *data, size_t size, off_t at) { return pread(fd, data, size, at); }
ssize_t read(int fd, void *data, size_t size) {
    if (fails(fd, lseek(fd, 0, SEEK_CUR) + size)) return -1;
    return NEXT(ssize_t, "read", int, void *, size_t)(fd, data, size);
}
"""


@pytest.fixture(scope="module")
def shim(tmp_path_factory):
    """A library that is loaded before libc's."""
    return preloaded_library(SHIM, tmp_path_factory.mktemp("shim"))


@pytest.fixture
def raw(tmp_path):
    return small_night(tmp_path / "raw", 3)


@pytest.fixture
def out(tmp_path):
    return tmp_path / "out"


@pytest.fixture(scope="module")
def twelve(tmp_path_factory):
    """Twelve frames, and what an undisturbed run makes of them."""
    folder = tmp_path_factory.mktemp("twelve")
    small_night(folder / "raw", 12)
    arguments = bias_arguments(folder / "raw", folder / "undisturbed")
    assert command(*arguments).code == 0
    return folder / "raw", results(folder / "undisturbed"), hashes(folder / "raw")


def failed(run, *words):
    """One frame failed, and its sentence has these words."""
    assert run.code == 1, run.out + run.err
    assert "Traceback" not in run.err
    (said,) = [line for line in run.out.splitlines() if line.startswith("failed: ")]
    for word in words:
        assert str(word) in said
    return True


@pytest.mark.long
def test_killed_at_random_moments(twelve, tmp_path):
    """Kill -9, sometimes more than once, then run again; ZEROFRAME_ALL_CASES=1 does it 50 times.

    The first time is between two touches of files, so that it is in the middle of the work however fast the machine is,
    every other time while frames are calibrated, which is a tenth of the touches; the others are when they are.
    """
    raw, undisturbed, raw_hashes = twelve
    out = tmp_path / "out"
    calibrating = Fork(bias_arguments(raw, out, "--no-combine"))
    assert calibrating.wait() == 0
    shutil.rmtree(out)
    touches, seconds = [], []
    for _ in range(3):  # the first of them is slower
        started = time.monotonic()
        run = Fork(bias_arguments(raw, out))
        assert run.wait() == 0
        seconds.append(time.monotonic() - started)
        touches.append(run.touches)
        shutil.rmtree(out)
    chance = random.Random(20240229)
    states = set()
    for number in range(50 if ALL_CASES else 6):
        arguments = bias_arguments(raw, out, report=number % 4 == 0)
        most = calibrating.touches if number % 2 else min(touches)
        run = Fork(arguments, dies_at=chance.randrange(1, most - 5))
        assert run.wait() == -signal.SIGKILL
        states.add(len(list(out.glob("*.fits"))) if out.is_dir() else -1)
        for _ in range(chance.choice([0, 0, 1, 2])):
            run = Fork(arguments)
            time.sleep(chance.uniform(0.0, min(seconds)))
            run.kill()
            assert run.wait() in {0, -signal.SIGKILL}
        again = command(*arguments)
        assert again.code == 0, again.out + again.err
        assert results(out) == undisturbed
        assert json.loads((out / "run.json").read_text())["state"] == "finished"
        assert not [name for name in names_in(out) if name.startswith(".")]
        shutil.rmtree(out)
    assert hashes(raw) == raw_hashes
    # in the middle of the work, and not only before and after
    assert len(states & set(range(1, 13))) >= 2, states


@pytest.mark.long
@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGHUP, 143), (signal.SIGINT, 130)])
def test_terminated(tmp_path, number, code):
    raw, out = tmp_path / "raw", tmp_path / "out"
    for index in range(24):
        write_raw(raw / f"b{index:02}.fits", raw_pixels(index, (300, 350)))
    run = HeldUp(
        *(tmp_path / "go on", "bias", raw, "-o", out, "--compress", "gzip", "--trim", "[*,*]", "--no-report"),
        env=ENVIRONMENT,
        # who runs the tests by nohup ignores SIGHUP, and so would the process
        preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_DFL),
    )
    run.until(lambda: list(out.glob("b*.gz")))
    run.process.send_signal(number)
    left_with, _, err = run.ended()
    assert left_with == code, err
    what = "terminated" if code == 143 else "interrupted"
    assert err == f"zeroframe: {what}; results that are there are whole, and none is half-written\n"
    there = names_in(out)
    assert not [name for name in there if name.startswith(".")]
    assert json.loads((out / "run.json").read_text())["state"] == "unfinished"
    for name in there:
        read_raw(out / name, check_sums=True)
    assert command("verify", out).code == 1
    run = command("bias", raw, "-o", out, "--compress", "gzip", "--trim", "[*,*]")
    assert run.code == 0
    assert f"Up to date: {len(there)} calibrated frame" in run.out
    assert command("verify", out).code == 0


class TestReading:
    @pytest.mark.long
    @pytest.mark.parametrize("packed", [False, True])
    def test_a_read_error_in_mid_file(self, raw, out, shim, packed):
        if packed:
            for path in sorted(raw.iterdir()):
                subprocess.run(["gzip", "-1", path], check=True)
        victim = sorted(raw.iterdir())[1]
        size = victim.stat().st_size
        before = hashes(raw)
        environment = {"LD_PRELOAD": str(shim), "SHIM_NAME": victim.name, "SHIM_FROM": str(size // 2)}
        run = in_a_process(*bias_arguments(raw, out), env=environment)
        assert failed(run, victim, "cannot be read (Input/output error)", "check the disk")
        assert names_in(out) == ["ccd.001.0.fits", "ccd.003.0.fits", "combined_bias.fits"]
        assert hashes(raw) == before
        there = hashes(out)
        run = command(*bias_arguments(raw, out))  # now it can be read
        assert run.code == 2
        assert f"combined_bias.fits: is there already: it was made without {victim.name.removesuffix('.gz')}" in run.err
        assert hashes(out) == there
        assert command(*bias_arguments(raw, out, "--overwrite")).code == 0

    @pytest.mark.parametrize("packed", [False, True])
    def test_a_file_that_shrinks_while_it_is_read(self, raw, out, shim, packed):
        if packed:
            for path in sorted(raw.iterdir()):
                subprocess.run(["gzip", "-1", path], check=True)
        victim = sorted(raw.iterdir())[1]
        size = victim.stat().st_size
        environment = {"LD_PRELOAD": str(shim), "SHIM_NAME": victim.name, "SHIM_FROM": str(size // 2 - size // 2 % 8)}
        run = in_a_process(*bias_arguments(raw, out), env={**environment, "SHIM_TRUNCATE": "1"})
        assert victim.stat().st_size < size
        assert failed(run, victim)
        assert "cut off" in run.out or "damaged" in run.out or "was changed while" in run.out
        assert names_in(out) == ["ccd.001.0.fits", "ccd.003.0.fits", "combined_bias.fits"]

    def test_a_file_that_is_written_while_it_is_read(self, tmp_path):
        """It keeps its size, and its data have no sum: only the time of modification tells."""
        path = write_raw(tmp_path / "b.fits", raw_pixels(1, (1000, 1000)))
        old = time.time_ns() - 10**10
        os.utime(path, ns=(old, old))

        content = path.read_bytes()
        original = os.preadv

        def write_and_read(descriptor, buffers, offset):
            with path.open("r+b") as file:
                file.seek(len(content) - 5000)
                file.write(b"\1" * 100)
            return original(descriptor, buffers, offset)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(os, "preadv", write_and_read)
            with pytest.raises(FrameError, match=r"was changed while it was read; run again"):
                read_raw(path)

    def test_a_file_that_is_cut_between_planning_and_reading(self, raw, out):
        plan = bias_plan(raw, out)
        victim = sorted(raw.iterdir())[2]
        os.truncate(victim, 100_000)
        result = run_night(plan)
        assert [each.outcome.state for each in result.frames] == ["done", "done", "failed"]
        assert "is cut off" in result.frames[2].outcome.reason
        assert not result.is_good

    def test_raw_files_are_opened_read_only(self, raw, out, tmp_path):
        """Python tells every opening of a file, from what module it may come."""
        script = tmp_path / "spy.py"
        script.write_text(
            "import sys, os\n"
            "opened = []\n"
            f"inside = lambda path: isinstance(path, (str, bytes, os.PathLike)) and {str(raw)!r} in os.fsdecode(path)\n"
            "def spy(event, arguments):\n"
            "    if event == 'open' and inside(arguments[0]):\n"
            "        opened.append((arguments[0], arguments[2]))\n"
            "    elif event.startswith(('os.', 'shutil.')) and event not in ('os.listdir', 'os.scandir'):\n"
            "        if any(inside(each) for each in arguments if not isinstance(each, int)):\n"
            "            opened.append((event, -1))\n"
            "sys.addaudithook(spy)\n"
            "from zeroframe.cli.main import main\n"
            "try:\n"
            "    main(sys.argv[1:])\n"
            "finally:\n"
            "    print('OPENED', len(opened), [each for each in opened if each[1] & ~(os.O_CLOEXEC | os.O_NONBLOCK)])\n"
        )
        before = hashes(raw)
        arguments = bias_arguments(raw, out)
        run = subprocess.run(
            [PROGRAM[0], script, *arguments], capture_output=True, text=True, env=ENVIRONMENT, check=False
        )
        assert run.returncode == 0, run.stderr
        word, number, *written = run.stdout.splitlines()[-1].split(maxsplit=2)
        assert (word, written) == ("OPENED", ["[]"])
        assert int(number) >= 6
        assert hashes(raw) == before


class TestWriting:
    def test_full_disk_leaves_whole_files_and_an_honest_run_json(self, raw, out):
        from test_faults import small_disk

        out.mkdir()
        frame_kilobytes = 600 * 400 * 4 // 1024 + 30
        with small_disk(out, frame_kilobytes * 2 + 40):
            run = command(*bias_arguments(raw, out, "--workers", 1))
            assert run.code == 1
            assert "No space left on device" in run.out
            assert names_in(out) == ["ccd.001.0.fits", "ccd.002.0.fits"]
            said = json.loads((out / "run.json").read_text())
            assert said["state"] == "finished"
            assert [frame["state"] for frame in said["this_run"]["frames"]] == ["done", "done", "failed"]
            subprocess.run(["mount", "-o", "remount,size=20m", out], check=True)
            assert command(*bias_arguments(raw, out)).code == 0
            assert command("verify", out).code == 0
            assert len(names_in(out)) == 4

    def test_not_even_room_for_run_json(self, raw, out):
        """Where run.json cannot be written, nothing is done."""
        out.mkdir()
        (out / "run.json").mkdir()
        run = command(*bias_arguments(raw, out))
        assert run.code == 2
        assert f"{out / 'run.json'}: is there already, and is none that zeroframe has written; move it away" in run.err
        assert names_in(out) == []

    def test_read_only_out(self, raw, out):
        out.mkdir()
        with read_only(out):
            run = command(*bias_arguments(raw, out))
            assert run.code == 2
            assert str(out) in run.err
            assert "may be written to" in run.err
            assert list(out.iterdir()) == []

    def test_read_only_out_that_is_finished(self, raw, out):
        """Looking is allowed."""
        assert command(*bias_arguments(raw, out)).code == 0
        with read_only(out):
            assert command("verify", out).code == 0
            assert command(*bias_arguments(raw, out, "--dry-run")).code == 0


class TestCaches:
    @pytest.fixture
    def copy(self, tmp_path):
        """The package in a place of its own, without what has been compiled."""
        shutil.copytree(SOURCE, tmp_path / "src", ignore=shutil.ignore_patterns("__pycache__"))
        return tmp_path / "src"

    @pytest.mark.long
    def test_nowhere_to_write(self, raw, out, copy, tmp_path):
        """Neither the package's folder nor HOME, NUMBA_CACHE_DIR and the cache folders may be written to."""
        closed = tmp_path / "closed"
        shutil.move(copy, closed / "src")
        (closed / "home").mkdir()
        home = str(closed / "home")
        environment = {
            "PYTHONPATH": str(closed / "src"), "HOME": home, "XDG_CACHE_HOME": f"{home}/cache",
            "XDG_CONFIG_HOME": f"{home}/config", "NUMBA_CACHE_DIR": f"{home}/numba", "ZEROFRAME_CACHE": f"{home}/zf",
            "MPLCONFIGDIR": f"{home}/mpl",
        }  # fmt: skip
        more = () if ALL_CASES else ("--no-combine",)  # each kernel takes a second to compile
        with read_only(closed):
            run = in_a_process(*bias_arguments(raw, out, *more), env=environment)
            listing = in_a_process("ls", raw, env=environment)
        assert run.code == 0, run.err
        assert "All is well." in run.out
        assert "note: no folder can hold the cache of compiled functions" in run.err
        assert run.err.count("cache of compiled functions") <= 3
        assert listing.code == 0
        assert "ccd.003.0.fits" in listing.out
        assert command(*bias_arguments(raw, out.with_name("usual"), *more)).code == 0
        assert len(names_in(out)) >= 3
        for name in names_in(out):
            np.testing.assert_array_equal(fits.getdata(out / name), fits.getdata(out.with_name("usual") / name))

    @pytest.mark.long
    @pytest.mark.skipif(NJIT, reason="numba keeps what it compiles; see kernels/test_kernel_ways.py")
    @pytest.mark.parametrize("harm", ["full", "cut off", "rubbish"])
    def test_a_cache_that_is_full_or_damaged(self, tmp_path, harm):
        """The cache of one kernel; that of all of them would be the same code."""
        from test_faults import small_disk

        folder = tmp_path / "numba"
        folder.mkdir()
        code = (
            "import numpy as np, sys\n"
            "from zeroframe.kernels.rows import count_not_finite as count\n"
            "print(count(np.array([np.nan, 1.0, np.inf])), count.cache_hits)\n"
        )

        def count():
            environment = {**ENVIRONMENT, "NUMBA_CACHE_DIR": str(folder)}
            run = subprocess.run([PROGRAM[0], "-c", code], capture_output=True, text=True, env=environment, check=False)
            assert run.returncode == 0, run.stderr
            return run.stdout.split(), run.stderr

        if harm == "full":
            with small_disk(folder, 8):
                folder.chmod(0o700)  # where others may write, nothing is kept
                (folder / "filler").write_bytes(bytes(8192))
                said, err = count()
                assert said == ["2", "0"]
                assert "the cache of compiled functions cannot be written" in err
            return
        assert count() == (["2", "0"], "")
        assert count() == (["2", "1"], "")
        for path in folder.rglob("*.zfk"):
            path.write_bytes(path.read_bytes()[:40] if harm == "cut off" else b"rubbish" * 100)
        said, err = count()
        assert said == ["2", "0"]
        assert "the cache of compiled functions cannot be read" in err


class TestLimits:
    @pytest.mark.long
    def test_few_open_files(self, tmp_path, out):
        raw = tmp_path / "raw"
        for number in range(100):
            write_raw(raw / f"b{number:03}.fits", raw_pixels(number, (30, 40)))

        def limit():
            resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))

        # so little memory that frames are read again, in bands
        run = in_a_process(
            "bias",
            raw,
            "-o",
            out,
            "--workers",
            8,
            "--mem-limit",
            "1M",
            "--trim",
            "[*,*]",
            "--no-report",
            preexec_fn=limit,
        )
        assert run.code in {0, 1}, run.out + run.err
        assert "All is well." in run.out or "does not belong" in run.out
        assert len(names_in(out)) == 101

    @pytest.mark.long
    def test_memory_limit_of_many_frames(self, tmp_path, out):
        """Sixty frames of 2.9 MB, which are 175 MB when they are calibrated, in 60 MB."""
        raw = tmp_path / "raw"
        first = write_raw(raw / "b000.fits", raw_pixels(1, (1000, 730)))
        others = [write_raw(raw / f"b{number:03}.fits", raw_pixels(number, (1000, 730))) for number in (1, 2, 3)]
        for number in range(4, 60):
            (raw / f"b{number:03}.fits").hardlink_to([first, *others][number % 4])
        tiny = tmp_path / "tiny"
        for number in range(60):
            write_raw(tiny / f"b{number:03}.fits", raw_pixels(number % 4, (12, 20)))
        nothing = in_a_process("bias", tiny, "-o", tmp_path / "nothing", "--trim", "[*,*]", "--no-report")
        limit = 60_000_000
        run = in_a_process("bias", raw, "-o", out, "--mem-limit", limit, "--trim", "[*,*]", "--no-report")
        assert run.code in {0, 1}, run.out + run.err
        assert len(names_in(out)) == 61
        assert run.peak_bytes - nothing.peak_bytes < limit, (run.peak_bytes, nothing.peak_bytes)

    @pytest.mark.skipif(not ALL_CASES, reason="ZEROFRAME_ALL_CASES=1 does it: 100 frames of full size, 7 GB of files")
    def test_memory_limit_of_a_hundred_full_frames(self, tmp_path, out):
        from zeroframe.simulate import simulate_biases

        raw = tmp_path / "raw"
        simulate_biases("palomar-lfc", raw, frames=4)
        for number in range(5, 101):
            (raw / f"ccd.{number:03}.0.fits").hardlink_to(raw / f"ccd.{number % 4 + 1:03}.0.fits")
        run = in_a_process("bias", raw, "-o", out, "--mem-limit", "256M", timeout_s=1000)
        assert run.code in {0, 1}, run.out + run.err
        assert len(names_in(out)) == 101
        # numba, astropy and numpy themselves take 160 MB
        assert run.peak_bytes < 256e6 + 200e6, run.peak_bytes
        shutil.rmtree(out)


@pytest.mark.long
def test_any_number_of_threads_gives_the_same_bytes(twelve, tmp_path):
    """1, 2 and 8 of them; half of the time in bands of rows. ZEROFRAME_ALL_CASES=1 does it 20 times in a row."""
    raw, undisturbed, _ = twelve
    for number in range(20 if ALL_CASES else 6):
        workers = (1, 2, 8)[number % 3]
        out = tmp_path / str(number)
        limits = () if number % 2 else ("--mem-limit", "14M")
        run = command(*bias_arguments(raw, out, "--workers", workers, *limits))
        assert run.code == 0, run.out + run.err
        assert results(out) == undisturbed
        shutil.rmtree(out)


def test_the_hash_is_that_of_sha256sum(raw):
    for path in raw.iterdir():
        printed = subprocess.run(["sha256sum", path], capture_output=True, text=True, check=True).stdout.split()[0]
        assert printed == file_mark(path).sha256 == read_raw(path, with_mark=True).mark.sha256


def test_sections_are_those_of_the_frames():
    """The small frames are what the tests take them for."""
    assert SMALL_SECTIONS == ("--overscan", "[608:632,:]", "--trim", "[1:600,:]")
