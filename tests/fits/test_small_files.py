"""Small files that are pipes: read while somebody writes, and not waited for without end."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import pytest

from workbench import command
from zeroframe.fits import small_files
from zeroframe.fits.small_files import read_small_file


@pytest.fixture
def pipe(tmp_path, monkeypatch):
    path = tmp_path / "night.toml"
    os.mkfifo(path)
    monkeypatch.setattr(small_files, "_PATIENCE_S", 300)  # who writes may take long to start
    return path


def writing(pipe, code):
    return subprocess.Popen([sys.executable, "-c", f"import time\nwith open({str(pipe)!r}, 'w') as pipe:\n{code}"])


def test_what_comes_slowly_is_read_whole(pipe):
    text = "a = 1\n" * 30_000  # more than a pipe holds
    with writing(
        pipe, "    pipe.write('a = 1\\n' * 10_000); pipe.flush(); time.sleep(0.3); pipe.write('a = 1\\n' * 20_000)"
    ):
        assert read_small_file(pipe, 1 << 20) == text.encode()


def test_more_than_such_a_file_may_have(pipe):
    with writing(pipe, "    [pipe.write('x') for _ in range(900)]"), pytest.raises(OSError, match="more than"):
        read_small_file(pipe, 400)


def test_nobody_writes(pipe, tmp_path, monkeypatch):
    monkeypatch.setattr(small_files, "_PATIENCE_S", 0.2)
    begun = time.monotonic()
    with pytest.raises(OSError, match=r"it is a pipe, and nothing came through it in 0\.2 s"):
        read_small_file(pipe, 100)
    assert time.monotonic() - begun < 60
    (tmp_path / "raw").mkdir()
    run = command("night", tmp_path / "raw", "-o", tmp_path / "out", "--recipe", pipe)
    assert run.code == 2
    assert f"{pipe}: the recipe cannot be read (it is a pipe, and nothing came through it" in run.err


def test_a_recipe_through_a_pipe(pipe, tmp_path):
    (tmp_path / "raw").mkdir()
    with writing(pipe, "    pipe.write('[bias]\\nclip = -7\\n')"):
        run = command("night", tmp_path / "raw", "-o", tmp_path / "out", "--recipe", pipe)
    assert (run.code, "bias.clip" in run.err) == (2, True)
