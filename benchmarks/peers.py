"""The programs that zeroframe is measured against: which are here, and how each is asked for the same work.

Every function returns a `Case` with all its parameters; paths without a folder are in the scratch folder.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from typing import TYPE_CHECKING

from benchmarks.measure import SCRIPTS, Case

if TYPE_CHECKING:
    from pathlib import Path

__all__ = [
    "BIASSEC",
    "TRIMSEC",
    "astropop_combine",
    "ccdproc_calibrate",
    "ccdproc_combine",
    "ccdproc_folder",
    "eloy_combine",
    "files_in",
    "frame_names",
    "header_table",
    "inside",
    "installed",
    "numpy_calibrate",
    "numpy_combine",
    "python_script",
    "stack_case",
    "zeroframe",
    "zeroframe_combine",
    "zeroframe_folder",
]

BIASSEC, TRIMSEC = "[2056:2080,*]", "[1:2048,*]"
#: The programs that are not Python packages, how they are asked for their version, and Debian's package.
PROGRAMS = {
    "IRAF": (("irafcl", "-v"), "iraf-noao"),
    "Siril": (("siril-cli", "--version"), "siril"),
    "Gnuastro": (("astarithmetic", "--version"), "gnuastro"),
    "fitsh": (("ficombine", "--version"), "fitsh"),
}


#: Python packages that combine frames. One of them asks for an older astropy than zeroframe is measured with, so they
#: may be installed elsewhere: the environment names the Python that has them.
PACKAGES = ("astropop", "eloy")
PEERS_PYTHON = "ZEROFRAME_PEERS_PYTHON"


def installed() -> dict[str, str | None]:
    """Return the version of each peer; None where it is not installed."""
    found: dict[str, str | None] = {"zeroframe": _package("zeroframe"), "ccdproc": _package("ccdproc")}
    found["numpy"] = f"astropy {_package('astropy')}, numpy {_package('numpy')}"
    found |= {name: _package_of_peers(name) for name in PACKAGES}
    for name, (command, _) in PROGRAMS.items():
        found[name] = None
        if shutil.which(command[0]):
            text = subprocess.run(command, capture_output=True, text=True, check=False).stdout
            number = re.search(r"\d+(\.\d+)+", text)
            found[name] = number[0] if number else "of unknown version"
    return found


def _package(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return "of this tree" if find_spec(name) else None  # run from the sources, not installed


def _peers_python() -> str:
    return os.environ.get(PEERS_PYTHON, sys.executable)


def _package_of_peers(name: str) -> str | None:
    code = f"from importlib.metadata import version; print(version({name!r}))"
    asked = subprocess.run([_peers_python(), "-c", code], capture_output=True, text=True, check=False)
    return asked.stdout.strip() or None


def files_in(folder: Path) -> tuple[Path, ...]:
    return tuple(sorted(folder.iterdir()))


def python_script(script: str, *arguments: object) -> tuple[str, ...]:
    """Return the command that runs one of the scripts."""
    return (sys.executable, str(SCRIPTS / script), *map(str, arguments))


# ---- calibrate a folder ----


def zeroframe(*arguments: object, name: str = "zeroframe", **more: object) -> Case:
    """Any zeroframe command."""
    return Case(name, "zeroframe", (sys.executable, "-m", "zeroframe", *map(str, arguments)), **more)  # type: ignore[arg-type]


def zeroframe_folder(
    raw: Path,
    *options: str,
    output: str = "out/ccd.0001.fits",
    name: str = "zeroframe",
    page: bool = False,
    **more: object,
) -> Case:
    """``zeroframe bias``: by default with the combination, and without the page."""
    # the notebook's median of each row
    sections = ("--overscan", BIASSEC, "--overscan-method", "median", "--trim", TRIMSEC)
    # the peers write no report
    arguments = ("bias", raw, "--out", "out", *(() if page else ("--no-report",)), *sections, *options)
    return zeroframe(*arguments, name=name, inputs=files_in(raw), output=output, **more)


def ccdproc_calibrate(
    raw: Path, dtype: str, *, suffix: str = ".fits", most: int | None = None, scale: float = 1.0, remark: str = ""
) -> Case:
    """The notebook's loop."""
    command = python_script("ccdproc_calibrate.py", raw, "out", suffix, dtype, most or 10**6)
    name = f"ccdproc, {dtype}" + (" (its default)" if dtype == "float64" else "")
    output = f"out/ccd.0001{suffix}"
    return Case(name, "ccdproc", command, inputs=files_in(raw), output=output, scale=scale, remark=remark)


def ccdproc_folder(raw: Path) -> Case:
    """The two notebooks' code in one script."""
    command = python_script("ccdproc_folder.py", raw, "out")
    remark = "writes float64"
    return Case("ccdproc", "ccdproc", command, inputs=files_in(raw), output="out/combined_bias.fits", remark=remark)


def numpy_calibrate(raw: Path) -> Case:
    """Plain astropy and numpy."""
    command = python_script("numpy_calibrate.py", raw, "out")
    return Case("astropy and numpy", "numpy", command, inputs=files_in(raw), output="out/ccd.0001.fits")


# ---- combine frames ----


def stack_case(name: str, program: str, command: tuple[str, ...], frames: list[Path], **more: object) -> Case:
    links = {f"in/cal_{index + 1:05d}.fits": path for index, path in enumerate(frames)}
    distinct = tuple(dict.fromkeys(frames))
    more = {"folders": ("in",), "output": "out.fits"} | more
    return Case(name, program, command, inputs=distinct, links=links, **more)  # type: ignore[arg-type]


def frame_names(frames: list[Path]) -> list[str]:
    return [f"in/cal_{index + 1:05d}.fits" for index in range(len(frames))]


def zeroframe_combine(frames: list[Path], *, clipped: bool, options: tuple[str, ...] = (), **more: object) -> Case:
    """``zeroframe combine``."""
    how = (
        ("--method", "average", "--clip", "5", "--clip-spread", "mad")
        if clipped
        else ("--method", "median", "--clip", "0")
    )
    arguments = ("combine", *frame_names(frames), "-o", "out.fits", *how, *options)
    command = (sys.executable, "-m", "zeroframe", *arguments)
    name = str(more.pop("name", "zeroframe"))
    return stack_case(name, "zeroframe", command, frames, **more)


def ccdproc_combine(frames: list[Path], *, clipped: bool) -> Case:
    """The notebook's call of ``ccdproc.combine``."""
    how = ("average", 5) if clipped else ("median", 0)
    return stack_case("ccdproc", "ccdproc", python_script("ccdproc_combine.py", "in", "out.fits", *how), frames)


def astropop_combine(frames: list[Path], *, clipped: bool) -> Case:
    """``astropop.image.imcombine``, with the spread and the center that we take."""
    how = ("average", 5) if clipped else ("median", 0)
    command = _peer_script("astropop_combine.py", "in", "out.fits", *how)
    return stack_case("astropop imcombine", "astropop", command, frames, remark="float64, as it writes")


def eloy_combine(frames: list[Path]) -> Case:
    """``eloy.calibration.master_bias``: the median, without a header."""
    command = _peer_script("eloy_combine.py", "in", "out.fits")
    return stack_case("eloy master_bias", "eloy", command, frames, remark="all frames in memory; no header, no errors")


def _peer_script(script: str, *arguments: object) -> tuple[str, ...]:
    return (_peers_python(), str(SCRIPTS / script), *map(str, arguments))


def numpy_combine(frames: list[Path], *, clipped: bool) -> Case:
    """Plain astropy and numpy, in bands of rows."""
    how = ("average", 5) if clipped else ("median", 0)
    command = python_script("numpy_combine.py", "in", "out.fits", *how)
    return stack_case("astropy and numpy", "numpy", command, frames)


# ---- the rest ----


def header_table(program: str, folder: Path, files: int, **more: object) -> Case:
    """``ImageFileCollection(folder).summary``."""
    command = python_script("header_table.py", program, folder, files)
    name = str(more.pop("name", program))
    return Case(name, program, command, inputs=files_in(folder), **more)  # type: ignore[arg-type]


def inside(program: str, what: str, folder: Path, runs: int, name: str, **more: object) -> Case:
    """A measurement that a program makes of itself, in one process."""
    script = {"zeroframe": "inside_zeroframe.py", "ccdproc": "inside_ccdproc.py", "limit": "inside_limits.py"}[program]
    own = what.endswith(".py")  # a script for this alone
    command = python_script(what, folder, runs) if own else python_script(script, what, folder, runs)
    inputs = more.pop("inputs", None) or files_in(folder)
    return Case(name, program, command, inputs=inputs, inside=True, **more)  # type: ignore[arg-type]
