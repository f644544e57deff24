"""Kernels give the same bits however they were compiled, and run no code that another user could have written."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import threading
from pathlib import Path

import numba
import numpy as np
import pytest

import zeroframe.kernels._jit as compiling
from kernel_table import LOADER_KNOWS_NUMBA, NJIT
from zeroframe.kernels import _store
from zeroframe.kernels._jit import _Kernel
from zeroframe.kernels.moments import clipped_mean_std
from zeroframe.kernels.rows import count_not_finite

pytestmark = pytest.mark.skipif(bool(numba.config.DISABLE_JIT), reason="nothing is compiled")
loader_only = pytest.mark.skipif(NJIT, reason="the loader is switched off, or does not know this numba")

TABLE = Path(__file__).resolve().parents[1] / "kernel_table.py"
#: How a numba may differ that the loader does not understand.
FAILURES = {
    "cannot be imported": "import sys; sys.modules['zeroframe.kernels._build'] = None",
    "fails while it compiles": """
import zeroframe.kernels._build as compiling
compiling._optimise = lambda *_: 1 / 0
""",
    "fails while it loads": """
import zeroframe.kernels._jit as compile_
compile_.load = lambda *_: 1 / 0
""",
}
VALUES = np.array([1.0, np.nan, 3.0, 2.0, np.inf, 2.0])


def run(code, *arguments, **environment):
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **environment},
    )
    assert done.returncode == 0, done.stderr
    return done


def table(*names, before="", way=""):
    """Call every kernel, or some, in a process of its own."""
    code = f"{before}\nimport runpy, sys; sys.argv[:1] = []; runpy.run_path(sys.argv[0], run_name='__main__')"
    return json.loads(run(code, str(TABLE), *names, ZEROFRAME_KERNELS=way).stdout)


@pytest.mark.long
def test_all_ways_give_the_same_bits():
    """Each kernel; where most tests use the loader, numba does some of them only, as compiling takes it a minute."""
    names = () if NJIT else ("moments_of float32", "calibrated_of float32", "words")
    loaded, by_numba = table(), table(*names, way="njit")
    failed = table(*names, before=FAILURES["fails while it loads"])
    assert loaded["not called"] == []
    # no kernel needs what the loader does not give
    assert set(loaded["ways"].values()) == {"_Call" if LOADER_KNOWS_NUMBA else "function"}
    for other in (by_numba, failed):
        assert set(other["ways"].values()) == {"function"}
        assert other["digests"] == {name: loaded["digests"][name] for name in names or loaded["digests"]}


@pytest.mark.long
@loader_only
@pytest.mark.parametrize("failure", FAILURES)
def test_where_the_loader_fails_nobody_notices(tmp_path, failure):
    code = f"""{FAILURES[failure]}
import sys, logging
import numpy as np
logging.basicConfig(level=sys.argv[1])
logging.getLogger("numba").setLevel("WARNING")
from zeroframe.kernels.moments import clipped_mean_std
from zeroframe.kernels.rows import count_not_finite
values = np.array([1.0, np.nan, 3.0, 2.0, np.inf, 2.0])
print(*clipped_mean_std(values, 2.0, 1.0, 5.0, 0.0), count_not_finite(values))
"""
    said = run(code, "WARNING", NUMBA_CACHE_DIR=str(tmp_path))
    assert said.stdout.split() == ["4", "2.0", "0.7071067811865476", "2"]
    assert said.stderr == ""
    told = run(code, "INFO", NUMBA_CACHE_DIR=str(tmp_path)).stderr.splitlines()
    assert len(told) == 1, "the second kernel was compiled in vain, too"
    assert told[0].startswith(
        "INFO:zeroframe.kernels:numba's own dispatcher calls the kernels from now on, as our loader failed with "
        "clipped_mean_std: "
    )


@pytest.mark.long
def test_a_setting_that_is_not_known_is_said():
    code = (
        "import numpy as np; from zeroframe.kernels.rows import count_not_finite as f; f(np.ones(1)); f(np.ones((1)))"
    )
    said = run(code, ZEROFRAME_KERNELS="numpy").stderr
    assert said.count("ZEROFRAME_KERNELS is 'numpy', which is not known, and is ignored; it may be 'njit'") == 1


@pytest.fixture
def store(tmp_path, monkeypatch):
    """An empty folder for compiled code, and nothing that was said before."""
    folder = tmp_path / "store"
    folder.mkdir(mode=0o700)
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(folder))
    monkeypatch.setattr(_store, "_REFUSED", set())
    monkeypatch.setattr(compiling, "_LOADER_FAILED", threading.Event())
    _store._first_private.cache_clear()
    return folder


def fresh(kernel):
    """A kernel as another process would have it."""
    return _Kernel(kernel.__wrapped__)


#: What another user may have done to a file of the store, or to its folder.
TAMPERED = {
    "file that the group may write to": lambda path: path.chmod(0o664),
    "file that all may write to": lambda path: path.chmod(0o646),
    "folder that the group may write to": lambda path: path.parent.chmod(0o770),
    "folder that all may write to": lambda path: path.parent.chmod(0o1777),
    "file of somebody else": lambda path: os.chown(path, 54321, -1),
    "folder of somebody else": lambda path: os.chown(path.parent, 54321, -1),
}


def tamper(how, path):
    try:
        TAMPERED[how](path)
    except PermissionError:
        pytest.skip("only root may give files away")


@loader_only
@pytest.mark.parametrize("how", TAMPERED)
def test_what_another_user_could_have_written_is_not_loaded(store, how, recwarn):
    for kernel in (count_not_finite, clipped_mean_std):
        fresh(kernel)(VALUES, *((2.0, 1.0, 5.0, 0.0) if kernel is clipped_mean_std else ()))
    assert len(list(store.glob("*.zfk"))) == 2
    again = fresh(count_not_finite)
    assert again(VALUES) == 2
    assert again.cache_hits == 1
    for path in store.glob("*.zfk"):
        tamper(how, path)
    refused = [fresh(count_not_finite), fresh(clipped_mean_std)]
    assert refused[0](VALUES) == 2
    assert refused[1](VALUES, 2.0, 1.0, 5.0, 0.0)[0] == 4
    assert [kernel.cache_hits for kernel in refused] == [0, 0]
    said = [str(each.message) for each in recwarn if "could have written here" in str(each.message)]
    of_reading = [text for text in said if "are not loaded, but made again" in text]
    assert len(of_reading) == 1, said  # not once for each kernel
    assert str(store) in of_reading[0]
    assert ("owner 54321" in of_reading[0]) == ("somebody else" in how)
    if how.startswith("file"):  # what was refused was made again, and is our own now
        assert len(said) == 1
        again = fresh(count_not_finite)
        again(VALUES)
        assert again.cache_hits == 1


@loader_only
def test_a_link_to_another_file_is_not_followed(store, tmp_path, recwarn):
    fresh(count_not_finite)(VALUES)
    (path,) = store.glob("*.zfk")
    path.rename(tmp_path / "elsewhere")
    path.symlink_to(tmp_path / "elsewhere")
    again = fresh(count_not_finite)
    assert again(VALUES) == 2
    assert again.cache_hits == 0
    assert not path.is_symlink()


@loader_only
def test_others_may_read_it_but_not_write(store):
    """Where root has run zeroframe first, others need not compile anything."""
    before = os.umask(0)
    try:
        fresh(count_not_finite)(VALUES)
    finally:
        os.umask(before)
    (path,) = store.glob("*.zfk")
    assert path.stat().st_mode & 0o777 == 0o644


@pytest.fixture
def njit(store, monkeypatch):
    monkeypatch.setattr(compiling, "_njit_is_asked_for", lambda: True)
    return store


def misses(kernel):
    (dispatcher,) = (each for folder, each in kernel._dispatchers_of_numba.items() if folder is not None)
    return sum(dispatcher.stats.cache_misses.values())


def test_numbas_own_cache_is_used(njit):
    assert fresh(count_not_finite)(VALUES) == 2
    (folder,) = njit.iterdir()
    assert folder.stat().st_mode & 0o777 == 0o700
    assert list(folder.rglob("*.nbi"))
    again = fresh(count_not_finite)
    assert again(VALUES) == 2
    assert misses(again) == 0


@pytest.mark.parametrize(
    "how", ["others may enter", "others may write", "somebody else's", "a file of somebody else's"]
)
def test_a_folder_of_numba_that_others_may_enter_is_not_used(njit, how, recwarn):
    fresh(count_not_finite)(VALUES)
    (folder,) = njit.iterdir()
    kept = next(folder.rglob("*.nbi"))
    try:
        {
            "others may enter": lambda: folder.chmod(0o701),
            "others may write": lambda: folder.chmod(0o720),
            "somebody else's": lambda: os.chown(folder, 54321, -1),
            "a file of somebody else's": lambda: os.chown(kept, 54321, -1),
        }[how]()
    except PermissionError:
        pytest.skip("only root may give files away")
    kept.write_bytes(b"cos\nsystem\n(S'touch stolen'\ntR.")
    _store._first_private.cache_clear()
    again = fresh(count_not_finite)
    assert again(VALUES) == 2
    said = [str(each.message) for each in recwarn]
    assert any("could have written here" in text and "that are there are not loaded" in text for text in said), said
    assert list(again._dispatchers_of_numba) == [None]


def test_numbas_own_cache_may_be_damaged(njit):
    fresh(count_not_finite)(VALUES)
    for path in njit.rglob("*.nb?"):
        path.write_bytes(path.read_bytes()[:40])
    again = fresh(count_not_finite)
    with pytest.warns(UserWarning, match=r"numba-.*: the cache of compiled functions cannot be used"):
        assert again(VALUES) == 2


@pytest.mark.long
def test_a_kernel_that_is_called_by_another_is_that_of_the_same_way(njit):
    """numba looks at the file of a kernel only: a change in the file of one that it calls gives another folder."""
    from zeroframe.kernels.ranks import _box_medians

    medians = np.zeros(1)
    fresh(_box_medians)(np.ones((3, 4), np.float32), np.zeros((1, 2), np.int64), 3, medians, np.zeros(9))
    assert medians == [1.0]
    (folder,) = njit.iterdir()
    assert _store._stamp_of(tuple(_store._sources(Path(_box_medians.__wrapped__.__code__.co_filename)))).startswith(
        folder.name.rpartition("-")[2]
    )


def test_numbers_of_numpy_are_those_of_python(njit):
    """Each of them would be compiled again, and counted in its own type."""
    kernel = fresh(clipped_mean_std)
    usual = kernel(VALUES, 2.0, 1.0, 5.0, 0.0)
    assert kernel(VALUES, np.float64(2.0), np.float64(1.0), 5.0, 0.0) == usual
    (dispatcher,) = kernel._dispatchers_of_numba.values()
    assert len(dispatcher.signatures) == 1


def test_what_numba_cannot_compile_does_not_switch_the_loader_off(store, caplog):
    kernel = fresh(count_not_finite)
    with caplog.at_level(logging.DEBUG), pytest.raises(numba.core.errors.NumbaError):
        kernel(np.array(["text"]))
    assert not compiling._LOADER_FAILED.is_set()
    assert kernel(VALUES) == 2
