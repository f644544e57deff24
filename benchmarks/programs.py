"""The peers that are not Python packages: IRAF, Siril, Gnuastro and fitsh, with all their parameters."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from benchmarks.measure import Case
from benchmarks.peers import BIASSEC, TRIMSEC, files_in, frame_names, stack_case

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["fitsh_combine", "gnuastro_combine", "iraf_calibrate", "iraf_combine", "iraf_folder", "siril_combine"]

_IRAF_CALIBRATE = f"""\
noao
imred
ccdred
ccdred.instrument = ""
ccdred.pixeltype = "real real"
ccdred.verbose = no
ccdred.logfile = ""
ccdproc ("@raw.lst", output="@out.lst", ccdtype="", noproc=no, fixpix=no, overscan=yes, trim=yes, zerocor=no, \
darkcor=no, flatcor=no, illumcor=no, fringecor=no, readcor=no, scancor=no, readaxis="line", biassec="{BIASSEC}", \
trimsec="{TRIMSEC}", interactive=no, function="median")
"""
_IRAF_COMBINE = """\
images
immatch
imcombine ("@frames.lst", "{output}", combine="{method}", reject="{reject}", lsigma=5., hsigma=5., mclip=yes, \
scale="none", zero="none", weight="none", outtype="real", logfile="")
"""
_IRAF_COMMAND = ("irafcl", "-e", "-f", "work.cl")


def iraf_calibrate(raw: Path) -> Case:
    """IRAF's ccdproc; gzipped files are inflated first by gzip, because IRAF does not read them."""
    gzipped = files_in(raw)[0].suffix == ".gz"
    names = [path.name.split(".fits")[0] + ".fits" for path in files_in(raw)]
    files = {
        "work.cl": _IRAF_CALIBRATE + "logout\n",
        "raw.lst": "".join(f"plain/{name}\n" for name in names),
        "out.lst": "".join(f"out/{name}\n" for name in names),
    }
    links = {} if gzipped else dict(zip([f"plain/{name}" for name in names], files_in(raw), strict=True))
    inflate = f'for f in {raw}/*.gz; do gzip -dc "$f" > plain/$(basename "$f" .gz) || exit 1; done; exec irafcl "$@"'
    command = ("sh", "-c", inflate, *_IRAF_COMMAND) if gzipped else _IRAF_COMMAND
    return Case(
        "IRAF ccdproc",
        "IRAF",
        command,
        inputs=files_in(raw),
        files=files,
        links=links,
        folders=("plain", "out"),
        output="out/ccd.0001.fits",
        remark="inflated by gzip first, which is counted" if gzipped else "",
    )


def iraf_folder(raw: Path) -> Case:
    """IRAF's ccdproc and imcombine in one script."""
    case = iraf_calibrate(raw)
    combine = _IRAF_COMBINE.format(output="out/combined_bias.fits", method="average", reject="sigclip")
    case.files["work.cl"] = _IRAF_CALIBRATE + combine + "logout\n"
    case.files["frames.lst"] = case.files["out.lst"]
    name = "IRAF ccdproc, imcombine"
    remark = "clips by standard deviation, repeatedly"
    return Case(
        name,
        "IRAF",
        case.command,
        inputs=case.inputs,
        files=case.files,
        links=case.links,
        folders=case.folders,
        output="out/combined_bias.fits",
        remark=remark,
    )


def iraf_combine(frames: list[Path], *, clipped: bool) -> Case:
    """``imcombine``."""
    method, reject = ("average", "sigclip") if clipped else ("median", "none")
    script = _IRAF_COMBINE.format(output="out.fits", method=method, reject=reject) + "logout\n"
    files = {"work.cl": script, "frames.lst": "\n".join(frame_names(frames)) + "\n"}
    remark = "clips by standard deviation, repeatedly" if clipped else ""
    return stack_case("IRAF imcombine", "IRAF", _IRAF_COMMAND, frames, files=files, remark=remark)


def siril_combine(frames: list[Path], *, how: str, name: str, remark: str = "") -> Case:
    """Siril's ``stack``; ``how`` is 'med', 'rej s 5 5' (standard deviation) or 'rej a 7.413 7.413' (MAD).

    Siril counts from 0 to 1 and cuts off what is more, so it gets frames that are divided by 65535.
    """
    settings = f"requires 1.0.0\nsetext fits\nset32bits\nsetmem 0.9\nsetcpu {os.cpu_count()}\n"
    script = f"{settings}stack cal_ {how} -nonorm -out=../out\n"
    command = ("sh", "-c", 'exec siril-cli -s "$PWD/work.ssf" -d "$PWD/in"')
    return stack_case(name, "Siril", command, frames, files={"work.ssf": script}, factor=65535.0, remark=remark)


def gnuastro_combine(frames: list[Path], *, clipped: bool) -> Case:
    """``astarithmetic``."""
    how = ("5", "1", "sigclip-mean") if clipped else ("median",)
    command = ("astarithmetic", *frame_names(frames), str(len(frames)), *how, "-g0", "-q", "-o", "out.fits")
    remark = "clips by standard deviation, once" if clipped else ""
    return stack_case("Gnuastro astarithmetic", "Gnuastro", command, frames, remark=remark)


def fitsh_combine(frames: list[Path], *, clipped: bool) -> Case:
    """``ficombine``."""
    how = "rejmean,iterations=1,sigma=5" if clipped else "median"
    command = ("ficombine", *frame_names(frames), "-m", how, "-b", "-32", "-o", "out.fits")
    remark = "clips by standard deviation, once" if clipped else ""
    return stack_case("fitsh ficombine", "fitsh", command, frames, remark=remark)
