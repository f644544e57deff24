"""Kernels are compiled once, whoever comes first, and loaded from then on."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from importlib.metadata import version
from typing import Any, NamedTuple

import numba
import numpy as np
import pytest

from kernel_table import NJIT
from zeroframe.kernels import _jit as _compile
from zeroframe.kernels._jit import kernel
from zeroframe.run.keys import versions

compiled_only = pytest.mark.skipif(bool(numba.config.DISABLE_JIT), reason="nothing is compiled")

CODE = """
import sys
import numpy as np
from zeroframe.kernels.moments import clipped_mean_std
sys.stdin.read(1)
found = clipped_mean_std(np.array([1.0, 2.0, 3.0, 2.0, 900.0]), 2.0, 1.0, 5.0, 0.0)
print(*found, clipped_mean_std.cache_hits, "numba" in sys.modules)
"""


def start(folder):
    return subprocess.Popen(
        [sys.executable, "-c", CODE],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "NUMBA_CACHE_DIR": str(folder)},
    )


@pytest.mark.long
@compiled_only
def test_many_processes_at_once_with_an_empty_cache(tmp_path):
    processes = [start(tmp_path) for _ in range(3)]
    for process in processes:  # all have imported what they need, and wait
        process.stdin.write("x")
        process.stdin.flush()
    said = [process.communicate() for process in processes]
    assert [err for _, err in said] == [""] * 3
    assert {tuple(out.split()[:3]) for out, _ in said} == {("4", "2.0", "0.7071067811865476")}
    last, err = start(tmp_path).communicate("x")
    # loaded, without what only a compilation needs; where numba does it all, it is there
    assert last.split()[3:] == (["0", "True"] if NJIT else ["1", "False"]), err
    kept = sorted(path.suffix for path in tmp_path.rglob("*") if path.is_file())
    # numba keeps one index a source file as each process found it: of several at once it may keep what one of them made
    assert set(kept) == {".nbc", ".nbi"} if NJIT else kept == [".zfk"]


class Parts(NamedTuple):
    factor: float
    upwards: bool
    rows: Any


@kernel
def parts_of_all_kinds(pixels, parts, pair, count, out):
    for y in range(pixels.shape[0]):
        for x in range(pixels.shape[1]):
            out[y, x] = pixels[y, x] * parts.factor + parts.rows[y] + pair[1][x] + (count if parts.upwards else -count)
    return pixels.shape[0], pair[0] + 0.5


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize("upwards", [True, False])
def test_arguments_arrive_as_they_are(folder, upwards):
    """Numbers, tuples in tuples, arrays with strides of their own."""
    whole = np.arange(60.0, dtype=np.float32).reshape(6, 10)
    pixels, columns, rows = whole[::-2, 1::3], np.arange(6)[::-2], np.arange(3.0)
    out = np.full((6, 3), -1.0)[::2]
    found = parts_of_all_kinds(pixels, Parts(2.0, np.bool_(upwards), rows), (7.25, columns), np.int16(3), out)
    assert found == (3, 7.75)
    np.testing.assert_array_equal(out, pixels * 2.0 + rows[:, None] + columns + (3 if upwards else -3))


@compiled_only
def test_what_a_kernel_cannot_take_is_refused():
    with pytest.raises(TypeError, match="not float32"):
        parts_of_all_kinds(np.zeros((2, 2)), np.float32(3))


@compiled_only
def test_a_kernel_that_allocates_is_left_to_numba(folder, monkeypatch):
    """Our loader would run it where it was compiled, and nowhere else."""
    monkeypatch.setattr(_compile, "_LOADER_FAILED", threading.Event())

    @kernel
    def total(count):
        return np.ones(count).sum()

    assert total(3) == 3.0
    assert not list(folder.rglob("*.zfk"))


@compiled_only
def test_a_kernel_that_raises_is_not_silent(folder):
    @kernel
    def root(value):
        if value < 0.0:
            raise ValueError("below zero")
        return value**0.5

    assert root(9.0) == 3.0
    with pytest.raises(ValueError if NJIT else RuntimeError) as said:
        root(-9.0)
    assert str(said.value) == ("below zero" if NJIT else "the kernel root ended with status 1")


@pytest.mark.long
@compiled_only
def test_another_source_is_compiled_again(folder):
    """A changed kernel must not run the code of the old one."""
    for factor, hits in ((2, 0), (3, 0), (3, 1)):
        path = folder / "own.py"
        path.write_text(
            f"from zeroframe.kernels._jit import kernel\n\n\n@kernel\ndef times(value):\n    return value * {factor}\n",
            encoding="utf-8",
        )
        code = "import own; print(own.times(7), own.times.cache_hits)"
        said = subprocess.run(
            [sys.executable, "-B", "-c", code],
            cwd=folder,
            capture_output=True,
            text=True,
            check=True,
            env={**os.environ},
        )
        assert said.stdout.split() == [str(7 * factor), "0" if NJIT else str(hits)]


def test_versions_are_those_that_are_installed():
    assert {
        name: version(name) for name in ("astropy", "isal", "numba", "numpy", "scipy")
    }.items() <= versions().items()
