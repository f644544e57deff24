"""A whole night of the Large Format Camera: its files, and how each program is asked to reduce it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.measure import Case
from benchmarks.peers import BIASSEC, TRIMSEC, python_script, zeroframe

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["NIGHT_FILES", "NIGHT_RECIPE", "SCIENCE_FILES", "ccdproc_night", "iraf_night", "zeroframe_night"]


def _named(*numbers: int, folder: str = "") -> tuple[str, ...]:
    return tuple(f"{folder}ccd.{number:03d}.0.fits" for number in numbers)


#: What is combined, by what the result is called, and what is not: as `zeroframe.simulate.night_specs` has them. They
#: stand here, too, because that imports numpy, which the harness may not.
_BIASES = {"bias": (*_named(*range(1, 7)), *_named(2, folder="darks/"))}
_DARKS = {
    "dark_300s": _named(13, 14, 15, folder="darks/"),
    "dark_70s": _named(17, 18, 19, folder="darks/"),
    "dark_7s": _named(23, 24, 25, folder="darks/"),
}
_FLATS = {"flat_g": _named(14, 15, 16), "flat_i": _named(17, 18, 19)}
_SCIENCE = {"flat_g": _named(37), "flat_i": _named(43)}
_DARK_OF = {"flat_g": "dark_70s", "flat_i": "dark_7s"}
NIGHT_FILES = tuple(
    name for groups in (_BIASES, _DARKS, _FLATS, _SCIENCE) for names in groups.values() for name in names
)
SCIENCE_FILES = tuple(name for names in _SCIENCE.values() for name in names)
_OUTPUT = "out/ccd.037.0.fits"
_READ_NOISE_E = 4.4
#: The guide's way of clipping, and no look for cosmic rays, which the others do not take. Frames that are cut short are
#: no camera's, so the sections are given.
NIGHT_RECIPE = f"""\
[frames]
overscan = "{BIASSEC}"
overscan_method = "median"
trim = "{TRIMSEC}"

[bias]
clip_spread = "mad"

[dark]
clip_spread = "mad"

[flat]
clip_spread = "mad"

[steps]
cosmic_rays = "none"
"""


def zeroframe_night(raw: Path, *, page: bool = False) -> Case:
    """``zeroframe night``: without its report, since the others write none; and with it, as it is by default."""
    arguments = ("night", raw, "-o", "out", *(() if page else ("--no-report",)), "--recipe", "night.toml")
    name = "zeroframe, with its page" if page else "zeroframe"
    return zeroframe(*arguments, name=name, inputs=_inputs(raw), files={"night.toml": NIGHT_RECIPE}, output=_OUTPUT)


def ccdproc_night(raw: Path, dtype: str) -> Case:
    """The chapters of the guide in one script."""
    command = python_script("ccdproc_night.py", raw, "out", _READ_NOISE_E, dtype)
    name = f"ccdproc, {dtype}" + (" (its default)" if dtype == "float64" else "")
    remark = "another level of each flat, which decides some of what is clipped; no masks"
    return Case(name, "ccdproc", command, inputs=_inputs(raw), output=_OUTPUT, remark=remark)


def iraf_night(raw: Path) -> Case:
    """IRAF's ccdproc and imcombine in one script."""
    lists = {f"{name}.lst": _under("out", names) for name, names in (_BIASES | _DARKS | _FLATS).items()}
    lists |= {"raw.lst": _under("raw", NIGHT_FILES), "out.lst": _under("out", NIGHT_FILES)}
    return Case(
        "IRAF ccdproc, imcombine",
        "IRAF",
        ("irafcl", "-e", "-f", "work.cl"),
        inputs=_inputs(raw),
        files={"work.cl": _iraf_script(), **lists},
        links={"raw": raw},
        folders=("out/darks",),
        output=_OUTPUT,
        remark="clips by standard deviation, repeatedly; no uncertainties, no masks",
    )


def _inputs(raw: Path) -> tuple[Path, ...]:
    return tuple(raw / name for name in NIGHT_FILES)


def _under(folder: str, names: tuple[str, ...]) -> str:
    return "".join(f"{folder}/{name}\n" for name in names)


def _iraf_script() -> str:
    lines = ["images", "immatch", "noao", "imred", "ccdred", 'ccdred.instrument = ""']
    lines += ['ccdred.pixeltype = "real real"', "ccdred.verbose = no", 'ccdred.logfile = ""']
    lines += [_iraf_ccdproc("@raw.lst", "@out.lst")]
    lines += [_iraf_imcombine(name, "none") for name in (*_BIASES, *_DARKS)]
    for name in _FLATS:
        lines += [_iraf_ccdproc(f"@{name}.lst", dark=_DARK_OF[name]), _iraf_imcombine(name, "median")]
    for flat, names in _SCIENCE.items():
        lines += [_iraf_ccdproc(f"out/{name}", dark="dark_300s", flat=flat) for name in names]
    return "\n".join([*lines, "logout", ""])


def _iraf_ccdproc(images: str, output: str = "", *, dark: str = "", flat: str = "") -> str:
    """Overscan and trim into new files; or dark and flat, in place."""

    def is_on(given: str) -> str:
        return "yes" if given else "no"

    return (
        f'ccdproc ("{images}", output="{output}", ccdtype="", noproc=no, fixpix=no, overscan={is_on(output)}, '
        f"trim={is_on(output)}, zerocor=no, darkcor={is_on(dark)}, flatcor={is_on(flat)}, illumcor=no, fringecor=no, "
        f'readcor=no, scancor=no, readaxis="line", biassec="{BIASSEC}", trimsec="{TRIMSEC}", '
        f'dark="{_combined(dark)}", flat="{_combined(flat)}", interactive=no, function="median")'
    )


def _iraf_imcombine(name: str, scale: str) -> str:
    return (
        f'imcombine ("@{name}.lst", "{_combined(name)}", combine="average", reject="sigclip", lsigma=5., hsigma=5., '
        f'mclip=yes, scale="{scale}", zero="none", weight="none", outtype="real", logfile="")'
    )


def _combined(name: str) -> str:
    return f"out/combined_{name}.fits" if name else ""
