"""Nights of other sensors, nights that borrow, and a night that is watched: what each costs beside the plain case."""

from __future__ import annotations

import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

from benchmarks.night import NIGHT_FILES, NIGHT_RECIPE, SCIENCE_FILES
from benchmarks.peers import inside, zeroframe

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.measure import Case

__all__ = ["borrowing_cases", "night_of", "traced_cases", "watched_cases"]


def night_of(raw: Path, name: str) -> Case:
    """A night of some sensor, by what it is and nothing else said."""
    frames = tuple(sorted(raw.rglob("*.fits")))
    return zeroframe("night", raw, "-o", "out", "--no-report", name=name, inputs=frames)


def borrowing_cases(raw: Path, scratch: Path) -> list[Case]:
    """Science frames calibrated by what their own night makes, and by a library of it, which is made here."""
    made, library = scratch / "library-night", scratch / "library"
    recipe = scratch / "library.toml"
    recipe.write_text(NIGHT_RECIPE)
    for folder in (made, library):
        shutil.rmtree(folder, ignore_errors=True)
    for arguments in (
        ("night", raw, "-o", made, "--no-report", "-q", "--recipe", recipe),
        ("library", "add", made, library, "-q"),
    ):
        subprocess.run([sys.executable, "-m", "zeroframe", *map(str, arguments)], check=True)
    shutil.rmtree(made)
    files, output = {"night.toml": NIGHT_RECIPE}, f"out/{SCIENCE_FILES[0]}"
    how = ("-o", "out", "--no-report", "--recipe", "night.toml")
    own = tuple(raw / name for name in NIGHT_FILES)
    science = tuple(raw / name for name in SCIENCE_FILES)
    lent = tuple(sorted(library.rglob("*.fits")))
    links = {f"raw/{path.name}": path for path in science}
    return [
        zeroframe(
            *("night", "raw", *how, "--library", library), name="science frames, with a library",
            inputs=(*science, *lent), files=files, links=links, folders=("raw",), output=output,
        ),
        zeroframe("night", raw, *how, name="a whole night", inputs=own, files=files, output=output),
    ]  # fmt: skip


def watched_cases(raw: Path) -> list[Case]:
    """How long after its arrival a science frame is calibrated, where biases, darks and flats are there."""
    files = {"night.toml": NIGHT_RECIPE}
    name = "zeroframe watch, from arrival to calibrated frame"
    remark = "0.4 s of it to see that the file is whole"
    return [inside("zeroframe", "watch_night.py", raw, 1, name, files=files, inputs=_all(raw), remark=remark)]


def traced_cases(raw: Path) -> list[Case]:
    """The default night, cosmic rays and page included, with what its timeline tells; and how small results can be."""
    named = {"traced_night.py": "zeroframe night, as it is by default", "lossy_night.py": "with --compress rice-lossy"}
    files = {"night.toml": NIGHT_RECIPE.replace('cosmic_rays = "none"\n', "")}
    return [inside("zeroframe", script, raw, 1, name, files=files, inputs=_all(raw)) for script, name in named.items()]


def _all(raw: Path) -> tuple[Path, ...]:
    return tuple(raw / name for name in NIGHT_FILES)
