"""What another process compiles while a first run begins is what that run needs, and nobody waits for it."""

from __future__ import annotations

import subprocess
import sys
import time

import numba
import pytest

from nights import RECIPES, small_night
from zeroframe import compiling_ahead
from zeroframe.compiling_ahead import compiled_ahead

pytestmark = pytest.mark.skipif(bool(numba.config.DISABLE_JIT), reason="nothing is compiled")

#: Runs a command, then compiles what would have been compiled ahead, and prints which of it the command did not use.
USED = """
import sys
from zeroframe.cli import main
from zeroframe.compiling_ahead import _STAGES
from zeroframe.kernels import _compile

prepared = set()
prepare = _compile._Kernel._prepare


def noted(kernel, kinds):
    prepared.add((kernel.__name__, kinds))
    return prepare(kernel, kinds)


_compile._Kernel._prepare = noted
try:
    main(sys.argv[1:])
except SystemExit as left:
    assert left.code == 0, left.code
used = set(prepared)
for stage in _STAGES[sys.argv[1]]:
    stage().compile()
print("not used:", *sorted({name for name, _ in prepared - used}))
print("left:", *sorted({name for name, _ in used}))
"""


@pytest.fixture(scope="module")
def raw(tmp_path_factory):
    return small_night(tmp_path_factory.mktemp("night") / "raw", one_filter=True)


@pytest.fixture
def cold(tmp_path, monkeypatch):
    """An empty store of machine code."""
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "kernels"))
    return tmp_path / "kernels"


def used_by(*arguments):
    """Return which kernels were compiled in vain, and which the command took."""
    run = subprocess.run(
        [sys.executable, "-c", USED, *map(str, arguments)], capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    *_, vain, taken = run.stdout.splitlines()
    return set(vain.split()[2:]), set(taken.split()[1:])


def test_what_a_run_needs_is_compiled_ahead(raw, tmp_path):
    recipe = tmp_path / "night.toml"
    recipe.write_text(RECIPES["palomar-lfc"], encoding="utf-8")
    vain, taken = used_by("night", raw, "-o", tmp_path / "night", "--recipe", recipe, "--no-report")
    assert vain == {"_read_floats32"}  # that of combine
    assert "search" in taken
    sections = ("--overscan", "[608:632,:]", "--trim", "[1:600,:]", "--overscan-method", "median")
    vain, taken = used_by("bias", raw, "-o", tmp_path / "bias", *sections, "--no-report")
    assert vain == {"_read_floats32"}
    assert "_stack_ordered" in taken
    frames = sorted((tmp_path / "bias").glob("ccd.*"))
    vain, taken = used_by("combine", *frames, "-o", tmp_path / "combined.fits")
    assert vain == set()
    assert "_read_floats32" in taken


def test_it_goes_on_beside_and_is_kept(cold):
    with compiled_ahead("combine"):
        until = time.monotonic() + 100
        while not list(cold.glob("moments.level_rows-*.zfk")):
            assert time.monotonic() < until, "nothing was compiled"
            time.sleep(0.05)
    assert {path.name.split("-")[0] for path in cold.iterdir()} == {
        "frame._swap_bytes32",
        "frame._read_floats32",
        "moments.clipped_mean_std",
        "moments.level_rows",
    }


def test_nobody_waits_for_it(cold):
    with compiled_ahead("night"):
        pass
    # what was interrupted is neither there nor half there, and what was finished in time can be used
    assert [path for path in cold.glob("*") if path.suffix != ".zfk"] == []
    assert not list(cold.glob("sharp_cells.settle-*"))


@pytest.mark.parametrize("cores", [1, 2])
def test_only_where_there_is_a_core_for_it(cold, monkeypatch, cores):
    class StartedError(Exception):
        pass

    def start(*_, **__):
        raise StartedError

    monkeypatch.setattr(compiling_ahead, "usable_cores", lambda: cores)
    monkeypatch.setattr(compiling_ahead.subprocess, "Popen", start)
    if cores == 1:
        with compiled_ahead("bias"):
            assert not cold.exists()
    else:
        with pytest.raises(StartedError), compiled_ahead("bias"):
            pass


def test_not_where_all_is_there(monkeypatch):
    for stage in compiling_ahead._STAGES["bias"]:
        stage().compile()
    monkeypatch.setattr(compiling_ahead.subprocess, "Popen", None)
    with compiled_ahead("bias"):
        pass
