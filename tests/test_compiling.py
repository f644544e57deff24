"""Kernels are compiled once, whoever comes first, and loaded from then on."""

from __future__ import annotations

import os
import subprocess
import sys

CODE = """
import sys
import numpy as np
from zeroframe.kernels.moments import clipped_mean_std
sys.stdin.read(1)
found = clipped_mean_std(np.array([1.0, 2.0, 3.0, 2.0, 900.0]), 2.0, 1.0, 5.0)
print(*found, sum(clipped_mean_std.stats.cache_hits.values()), "scipy.linalg" in sys.modules)
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


def test_many_processes_at_once_with_an_empty_cache(tmp_path):
    processes = [start(tmp_path) for _ in range(5)]
    for process in processes:  # all have imported what they need, and wait
        process.stdin.write("x")
        process.stdin.flush()
    said = [process.communicate() for process in processes]
    assert [err for _, err in said] == [""] * 5
    assert {tuple(out.split()[:3]) for out, _ in said} == {("4", "2.0", "0.7071067811865476")}
    last, err = start(tmp_path).communicate("x")
    assert last.split()[3:] == ["1", "False"], err  # loaded, and nothing that only a compilation needs
    files = sorted(path.suffix for path in tmp_path.rglob("*") if path.is_file())
    assert files == [".nbc", ".nbi"]
