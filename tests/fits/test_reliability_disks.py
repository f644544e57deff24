"""Odd disks: without hard links, without locks, folders that vanish; the promise holds, or it is said."""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import signal
import subprocess
import threading
from contextlib import ExitStack
from pathlib import Path

import pytest

from reliability import (
    ALL_CASES,
    ENVIRONMENT,
    PATIENCE_S,
    PROGRAM,
    Fork,
    HeldUp,
    bias_arguments,
    forked,
    preloaded_library,
    read_only,
)
from reliability import results as results_of
from reliability import small_night as small_biases
from workbench import command, names_in, raw_pixels, small_folder, write_raw
from zeroframe.errors import FolderLostError, OutputError, OutputExistsError, ZeroframeWarning
from zeroframe.fits.atomic import INFLATED, atomic_file, remove_dead_parts, remove_stale_parts
from zeroframe.fits.odd_disks import hidden_name, is_of_dead, is_part, rename_to_new
from zeroframe.run.lock import LOCK_NAME, folder_lock

#: A disk without hard links, without renames that do not replace, without locks; and a process that is killed just
#: before its n-th rename, or at the first removal of a file of some name that it may not remove.
SHIM = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NEXT(type, name, ...) ((type (*)(__VA_ARGS__)) dlsym(RTLD_NEXT, name))
static int refused(const char *what, int number) {
    if (!getenv(what)) return 0;
    errno = number;
    return 1;
}
static int renames;

int link(const char *from, const char *to) {
    if (refused("SHIM_NO_LINKS", EPERM)) return -1;
    return NEXT(int, "link", const char *, const char *)(from, to);
}
int linkat(int one, const char *from, int other, const char *to, int flags) {
    if (refused("SHIM_NO_LINKS", EPERM)) return -1;
    return NEXT(int, "linkat", int, const char *, int, const char *, int)(one, from, other, to, flags);
}
int renameat2(int one, const char *from, int other, const char *to, unsigned flags) {
    if (refused("SHIM_NO_LINKS", EINVAL)) return -1;
    return NEXT(int, "renameat2", int, const char *, int, const char *, unsigned)(one, from, other, to, flags);
}
int flock(int descriptor, int how) {
    if (refused("SHIM_NO_LOCKS", ENOLCK)) return -1;
    return NEXT(int, "flock", int, int)(descriptor, how);
}
int rename(const char *from, const char *to) {
    const char *at = getenv("SHIM_KILLED_AT"), *count = getenv("SHIM_COUNT");
    renames++;
    if (at && renames == atoi(at)) kill(getpid(), SIGKILL);
    if (count) {
        FILE *file = fopen(count, "w");
        fprintf(file, "%d", renames);
        fclose(file);
    }
    return NEXT(int, "rename", const char *, const char *)(from, to);
}
int unlink(const char *path) {
    const char *kept = getenv("SHIM_KEPT");
    if (kept && strstr(path, kept)) { errno = EACCES; return -1; }
    return NEXT(int, "unlink", const char *)(path);
}
"""


@pytest.fixture(scope="module")
def shim(tmp_path_factory):
    """Run the command beneath a library that is loaded before libc's."""
    library = preloaded_library(SHIM, tmp_path_factory.mktemp("shim"))

    def run(*arguments, **said):
        # Python gives its compiled modules their names by a rename, too, which would count
        environment = {**ENVIRONMENT, "PYTHONDONTWRITEBYTECODE": "1", "LD_PRELOAD": str(library)}
        environment |= {f"SHIM_{name}": str(value) for name, value in said.items()}
        return subprocess.run(
            [*PROGRAM, *map(str, arguments)],
            capture_output=True, text=True, env=environment, timeout=PATIENCE_S, check=False,
        )  # fmt: skip

    return run


@pytest.fixture(scope="module")
def biases(tmp_path_factory):
    """Three frames, and what an undisturbed run on an ordinary disk makes of them."""
    folder = tmp_path_factory.mktemp("biases")
    raw = small_biases(folder / "raw", 3)
    assert command(*bias_arguments(raw, folder / "out")).code == 0
    return raw, results_of(folder / "out")


@pytest.fixture
def exfat(tmp_path):
    """A real disk without hard links, of 32 MB."""
    if os.geteuid() or not all(map(shutil.which, ("mkfs.exfat", "mount.exfat-fuse", "losetup"))):
        pytest.skip("needs root, exfatprogs and exfat-fuse")
    image, folder = tmp_path / "image", tmp_path / "exfat"
    with image.open("wb") as file:
        file.truncate(32 << 20)
    folder.mkdir()
    subprocess.run(["mkfs.exfat", image], check=True, capture_output=True)
    device = subprocess.run(["losetup", "-f", "--show", image], capture_output=True, text=True, check=False)
    if device.returncode:
        pytest.skip(f"no loop device: {device.stderr.strip()}")
    with ExitStack() as until:
        until.callback(subprocess.run, ["losetup", "-d", device.stdout.strip()], check=True)
        mounted = subprocess.run(
            ["mount.exfat-fuse", device.stdout.strip(), folder], capture_output=True, text=True, check=False
        )
        if mounted.returncode:
            pytest.skip(f"exFAT cannot be mounted here: {mounted.stderr.strip()}")
        until.callback(subprocess.run, ["umount", folder], check=True)
        yield folder


def tidy(folder: Path, undisturbed: dict[str, str]) -> bool:
    """The results are those of an undisturbed run, and nothing hidden is left."""
    assert results_of(folder) == undisturbed
    return not [name for name in names_in(folder) if name.startswith(".")]


class TestWithoutHardLinks:
    @pytest.mark.long
    @pytest.mark.parametrize("more", [{}, {"NO_LOCKS": 1}])
    def test_a_kill_before_any_rename_costs_nothing(self, biases, tmp_path, shim, more):
        """Also the one between reserving a name and giving it, which used to leave a result of 0 bytes for good."""
        raw, undisturbed = biases
        out, count = tmp_path / "out", tmp_path / "count"
        arguments = bias_arguments(raw, out, "--workers", 1)
        run = shim(*arguments, NO_LINKS=1, COUNT=count, **more)
        assert run.returncode == 0, run.stdout + run.stderr
        assert ("this disk knows no locks" in run.stderr) == bool(more)
        assert tidy(out, undisturbed)
        renames = int(count.read_text())
        assert renames >= 10  # two for each of four results, and two of run.json
        for at in range(1, renames + 1) if ALL_CASES else (2, 5):
            shutil.rmtree(out)
            killed = shim(*arguments, NO_LINKS=1, KILLED_AT=at, **more)
            assert killed.returncode == -signal.SIGKILL
            again = shim(*arguments, NO_LINKS=1, **more)
            assert again.returncode == 0, (at, again.stdout + again.stderr)
            assert tidy(out, undisturbed)

    @pytest.mark.long
    def test_a_kill_at_any_touch_of_a_real_disk(self, biases, exfat):
        raw, undisturbed = biases
        out = exfat / "out"
        arguments = bias_arguments(raw, out)
        run = Fork(arguments)
        assert run.wait() == 0
        assert tidy(out, undisturbed)
        for at in range(1, run.touches - 5, 1 if ALL_CASES else 13):
            shutil.rmtree(out)
            killed = Fork(arguments, dies_at=at)
            assert killed.wait() == -signal.SIGKILL
            again = command(*arguments)
            assert again.code == 0, (at, again.out + again.err)
            assert tidy(out, undisturbed)

    def test_combine_goes_on_where_a_name_was_reserved(self, tmp_path, shim):
        frames, target = small_folder(tmp_path / "frames"), tmp_path / "out" / "c.fits"
        target.parent.mkdir()
        arguments = ("combine", *frames, "-o", target, "--clip", 0)
        assert shim(*arguments, NO_LINKS=1, KILLED_AT=2).returncode == -signal.SIGKILL
        assert target.stat().st_size == 0
        assert len(names_in(target.parent)) == 2
        run = shim(*arguments, NO_LINKS=1)
        assert run.returncode == 0, run.stderr
        assert names_in(target.parent) == ["c.fits"]

    def test_anything_that_is_written_goes_on(self, tmp_path, shim):
        """A recipe, whose folder nobody holds."""
        target = tmp_path / "night.toml"
        assert shim("recipe", "-o", target, NO_LINKS=1, KILLED_AT=2).returncode == -signal.SIGKILL
        assert target.stat().st_size == 0
        run = shim("recipe", "-o", target, NO_LINKS=1)
        assert run.returncode == 0, run.stderr
        assert names_in(tmp_path) == ["night.toml"]
        assert target.stat().st_size > 0

    def test_an_empty_file_of_somebody_else_is_kept(self, tmp_path, shim):
        target = tmp_path / "night.toml"
        assert (
            shim("recipe", "-o", target, NO_LINKS=1, KILLED_AT=1).returncode == -signal.SIGKILL
        )  # nothing is reserved
        target.touch()
        run = shim("recipe", "-o", target, NO_LINKS=1)
        assert run.returncode == 2
        assert "is there already, and is not replaced: it was not made by zeroframe recipe" in run.stderr
        assert target.stat().st_size == 0

    @pytest.mark.parametrize("at_once", [True, False])
    def test_what_is_there_is_never_replaced(self, tmp_path, monkeypatch, at_once):
        if not at_once:
            monkeypatch.setattr("zeroframe.fits.odd_disks._renamed_at_once", lambda *_: False)
        (tmp_path / "mine").write_text("mine")
        (tmp_path / "new").write_text("new")
        with pytest.raises(FileExistsError):
            rename_to_new(tmp_path / "new", tmp_path / "mine")
        assert (tmp_path / "mine").read_text() == "mine"
        (tmp_path / "new").write_text("new")
        rename_to_new(tmp_path / "new", tmp_path / "other")
        assert names_in(tmp_path)[-1] == "other"
        assert (tmp_path / "other").read_text() == "new"
        assert not [name for name in names_in(tmp_path) if name.startswith(".")]

    def test_a_real_disk_keeps_what_is_there(self, exfat):
        (exfat / "mine").write_text("mine")
        with pytest.raises(OutputExistsError), atomic_file(exfat / "mine") as descriptor:
            os.write(descriptor, b"new")

        with pytest.raises(OutputExistsError), atomic_file(exfat / "late"):
            (exfat / "late").write_text("mine")
        assert (exfat / "late").read_text() == (exfat / "mine").read_text() == "mine"
        assert names_in(exfat) == ["late", "mine"]

    def test_long_names(self, tmp_path, shim):
        target = tmp_path / ("n" * 250 + ".toml")
        assert shim("recipe", "-o", target, NO_LINKS=1, KILLED_AT=2).returncode == -signal.SIGKILL
        (tmp_path / "n").touch()
        remove_stale_parts(tmp_path)
        assert names_in(tmp_path) == ["n"]


class TestWithoutLocks:
    @pytest.fixture
    def no_locks(self, monkeypatch):
        def refuse(_descriptor, _how):
            raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

        monkeypatch.setattr(fcntl, "flock", refuse)

    @pytest.mark.usefixtures("no_locks")
    def test_a_second_run_is_refused_all_the_same(self, tmp_path):
        with ExitStack() as first:
            with pytest.warns(ZeroframeWarning, match="knows no locks"):
                lock = first.enter_context(folder_lock(tmp_path))
            with (
                pytest.warns(ZeroframeWarning, match="knows no locks"),
                pytest.raises(OutputError, match=rf"process {os.getpid()} on .* is writing there"),
                folder_lock(tmp_path),
            ):
                pass
            lock.check()
            assert len(list(tmp_path.iterdir())) == 2
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.usefixtures("no_locks")
    def test_who_has_died_holds_nothing(self, tmp_path):
        child = forked()
        if child == 0:
            with pytest.warns(ZeroframeWarning), folder_lock(tmp_path):
                os.kill(os.getpid(), signal.SIGKILL)
        os.waitpid(child, 0)
        assert len(list(tmp_path.iterdir())) == 2
        with pytest.warns(ZeroframeWarning), folder_lock(tmp_path):
            pass
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.usefixtures("no_locks")
    def test_hidden_files_of_the_dead_are_removed_and_of_the_living_not(self, tmp_path):
        child = forked()
        if child == 0:
            with atomic_file(tmp_path / "dead"):
                os.kill(os.getpid(), signal.SIGKILL)
        os.waitpid(child, 0)
        elsewhere = tmp_path / f".far.fits.{child}-{'0' * 8}.part"  # a number that is of nobody here
        elsewhere.touch()
        assert not is_of_dead(elsewhere.name)
        with atomic_file(tmp_path / "alive"):
            (dead,) = [name for name in names_in(tmp_path) if name.startswith(".dead")]
            assert is_of_dead(dead)
            assert remove_stale_parts(tmp_path) == [dead]
        assert names_in(tmp_path) == [elsewhere.name, "alive"]


class TestHiddenFiles:
    @pytest.mark.long
    def test_killed_combinations_are_tidied_up_by_the_next(self, tmp_path):
        """At any touch of a file, of which most leave a hidden file."""
        frames = small_folder(tmp_path / "frames", 3)
        target = tmp_path / "out" / "c.fits"
        target.parent.mkdir()
        run = Fork(["combine", *map(str, frames), "-o", str(target), "--clip", "0"])
        assert run.wait() == 0
        target.unlink()
        for at in range(1, run.touches + 1, 1 if ALL_CASES else 2):
            Fork(["combine", *map(str, frames), "-o", str(target), "--clip", "0"], dies_at=at).wait()
            target.unlink(missing_ok=True)
        living = subprocess.Popen(
            [PROGRAM[0], "-c", _WRITES, str(target.with_name("living.fits"))],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=ENVIRONMENT, text=True,
        )  # fmt: skip
        assert living.stdout.readline() == "writing\n"
        read_by_a_cluster = target.with_name(hidden_name("a.fits.gz", INFLATED))
        read_by_a_cluster.touch()
        assert command("combine", *frames, "-o", target, "--clip", "0").code == 0
        (hidden,) = [name for name in names_in(target.parent) if name.startswith(".living")]
        assert names_in(target.parent) == sorted([hidden, read_by_a_cluster.name, "c.fits"])
        living.communicate("go on\n")
        assert living.returncode == 0
        assert target.with_name("living.fits").read_bytes() == b"living"
        assert remove_stale_parts(target.parent) == [read_by_a_cluster.name]

    def test_what_may_not_be_removed_stops_no_combination(self, tmp_path, shim):
        frames, target = small_folder(tmp_path / "frames"), tmp_path / "out" / "c.fits"
        target.parent.mkdir()
        left = target.with_name(hidden_name("left.fits"))
        left.touch()
        run = shim("combine", *frames, "-o", target, "--clip", 0, KEPT=left.name)
        assert run.returncode == 0, run.stderr
        assert f"{left}: is left over from a run that has died, and cannot be removed (Permission denied)" in run.stderr

    def test_nobody_takes_a_file_that_is_just_begun_for_left_over(self, tmp_path):
        """Hundreds of files, while others tidy up all the time."""
        ended = threading.Event()

        def tidy_up():
            while not ended.is_set():
                remove_dead_parts(tmp_path)

        tidying = [threading.Thread(target=tidy_up) for _ in range(2)]
        for each in tidying:
            each.start()
        try:
            for number in range(300):
                with atomic_file(tmp_path / f"{number}") as descriptor:
                    os.write(descriptor, b"whole")
        finally:
            ended.set()
            for each in tidying:
                each.join()
        assert len(names_in(tmp_path)) == 300
        assert all((tmp_path / f"{number}").read_bytes() == b"whole" for number in range(300))

    def test_names_of_hidden_files(self):
        assert is_part(hidden_name("a" * 300))
        assert len(os.fsencode(hidden_name("é" * 300, ".naming"))) <= 255
        assert not is_of_dead(hidden_name("a.fits"))


#: Writes a file, and waits in the middle.
_WRITES = """
import os, sys
from pathlib import Path
from zeroframe.fits.atomic import atomic_file
with atomic_file(Path(sys.argv[1])) as descriptor:
    os.write(descriptor, b"living")
    print("writing", flush=True)
    sys.stdin.readline()
"""


class TestFoldersThatVanish:
    def test_the_lock_knows_its_folder(self, tmp_path):
        out = tmp_path / "out"
        out.mkdir()
        with folder_lock(out) as lock:
            lock.check()
            shutil.rmtree(out)
            with pytest.raises(FolderLostError, match=f"^{out}: was removed or replaced"):
                lock.check()
            out.mkdir()
            with folder_lock(out) as second:
                with pytest.raises(FolderLostError):
                    lock.check()
                second.check()
                inode = (out / LOCK_NAME).stat().st_ino
        assert inode  # the first has let go of what it held, and not of the lock of the second
        assert not (out / LOCK_NAME).exists()
        with folder_lock(out) as first:
            shutil.rmtree(out)
            out.mkdir()
            until = ExitStack()
            second = until.enter_context(folder_lock(out))
            with pytest.raises(FolderLostError):
                first.check()
        with until:
            second.check()
        out.rmdir()
        out.write_text("a file")
        with pytest.raises(FolderLostError):
            first.check()

    @pytest.mark.long
    @pytest.mark.parametrize("what", ["bias", "night"])
    @pytest.mark.parametrize("again", [False, True])
    def test_rm_rf_in_mid_run(self, tmp_path, what, again):
        raw, out = tmp_path / "raw", tmp_path / "out"
        for index in range(24):
            write_raw(raw / f"b{index:02}.fits", raw_pixels(index, (300, 350)))
        (tmp_path / "night.toml").write_text('[frames]\noverscan = "none"\n')
        options = ["--trim", "[*,*]"] if what == "bias" else ["--recipe", str(tmp_path / "night.toml")]
        arguments = [what, str(raw), "-o", str(out), *options, "--no-report"]
        first = HeldUp(tmp_path / "go on", *arguments, env=ENVIRONMENT)
        first.until(lambda: len(list(out.glob("b*.fits"))) >= 3)
        while out.exists():
            shutil.rmtree(out, ignore_errors=True)
        (tmp_path / "go on").touch()
        run = command(*arguments) if again else None
        code, said, err = first.ended()
        assert code == 1, said + err
        assert err == (
            f"zeroframe: {out}: was removed or replaced while results were written into it; see who did that, "
            "and run again\n"
        )
        assert "Traceback" not in said
        if run is None:
            assert not out.exists()
        else:
            assert run.code == 0, run.out + run.err
            assert command("verify", out, "--raw", raw).code == 0
            assert len(names_in(out)) == 25

    def test_a_lock_file_that_cannot_be_removed(self, biases, tmp_path, shim):
        raw, undisturbed = biases
        out = tmp_path / "out"
        run = shim(*bias_arguments(raw, out), KEPT=LOCK_NAME)
        assert run.returncode == 0, run.stderr
        assert "Traceback" not in run.stderr
        lines = [line for line in run.stderr.splitlines() if str(out / LOCK_NAME) in line]
        assert len(lines) == 1
        assert "this lock file cannot be removed (Permission denied); it stops nobody, and may be removed" in lines[0]
        assert command(*bias_arguments(raw, out)).code == 0  # which removes it
        assert tidy(out, undisturbed)

    def test_a_folder_that_may_not_be_written_to_any_more(self, tmp_path):
        with ExitStack() as last:
            lock = ExitStack()
            lock.enter_context(folder_lock(tmp_path))
            last.enter_context(read_only(tmp_path))
            with pytest.warns(ZeroframeWarning, match="this lock file cannot be removed"):
                lock.close()
