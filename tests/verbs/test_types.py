"""What mypy says of a notebook's calls: wrong arguments are found, right ones are let pass."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SOURCES = Path(__file__).resolve().parents[2] / "src"
RIGHT = """
from pathlib import Path
import numpy as np
import pytest
import zeroframe as ccdp
paths = ["a.fits", Path("b.fits")]
ccdp.combine(paths, method="average", unit="adu", sigma_clip=True, sigma_clip_func=np.ma.median, mem_limit=350e6)
ccdp.combine("a.fits,b.fits", "out.fits", scale=lambda a: 1 / np.median(a), weights=np.ones(2), hdu=1)
ccdp.combine(paths, scale=[1.0, 2.0], reject="crreject", readnoise=5.0, gain=1.5, zero="median")
ccdp.combine(paths, signma_clip_dev_func=np.ma.std)
ccdp.read_ccd("a.fits", unit="adu", ext=1)
"""
WRONG = {
    "ccdp.combine(paths, sigma_clip_dev_fun=np.ma.std)": "sigma_clip_dev_fun",
    'ccdp.combine(paths, method="avarage")': "method",
    'ccdp.combine(paths, nlow="1")': "nlow",
    'ccdp.combine(paths, reject="crrejct")': "reject",
    "ccdp.combine(paths, hdu=[1])": "hdu",
    "ccdp.combine(3)": "incompatible type",
    'ccdp.read_ccd("a.fits", units="adu")': "units",
    "ccdp.read_ccd(3)": "incompatible type",
}


@pytest.mark.long
def test_mypy_finds_wrong_arguments(tmp_path):
    snippet = tmp_path / "notebook.py"
    lines = RIGHT.strip().splitlines()
    snippet.write_text("\n".join([*lines, *WRONG]) + "\n")
    (tmp_path / "mypy.ini").write_text(
        "[mypy]\nfollow_imports = silent\nignore_missing_imports = True\n"
        "[mypy-astropy.*]\nfollow_imports = skip\n[mypy-matplotlib.*]\nfollow_imports = skip\n"
        "[mypy-scipy.*]\nfollow_imports = skip\n[mypy-numba.*]\nfollow_imports = skip\n"
    )
    command = [sys.executable, "-m", "mypy", "--config-file", "mypy.ini", "--cache-dir", str(tmp_path / "cache")]
    environment = {"MYPYPATH": str(SOURCES), "PATH": ""}
    done = subprocess.run(
        [*command, "notebook.py"], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    said = {}
    for line in done.stdout.splitlines():
        if line.startswith("notebook.py:") and ": error:" in line:
            said.setdefault(int(line.split(":")[1]), line)
    assert {number: line for number, line in said.items() if number <= len(lines)} == {}
    for number, (call, word) in enumerate(WRONG.items(), start=len(lines) + 1):
        assert word in said.get(number, done.stdout + done.stderr), call
