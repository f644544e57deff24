"""Extensions of amplifiers, against IRAF's mscred on the same files: overscan, trim, merging, zero."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

import zeroframe
from workbench import command
from zeroframe.simulate import SIMULATED_MOSAICS, simulate_night

IRAF = shutil.which("irafcl")
MSCRED = any(Path("/usr/lib/iraf", place, "mscred").is_dir() for place in ("extern", "."))
SHAPES = {"quad-mef": (128, 192), "sixteen-mef": (128, 640), "four-chip-mosaic": (64, 128)}

pytestmark = pytest.mark.skipif(IRAF is None or not MSCRED, reason="IRAF and its package mscred are not installed")

SCRIPT = """
set imtype = "fits"
mscred
mscred.instrument = ""
mscred.pixeltype = "real real"
mscred.verbose = no
ccdproc.ccdtype = ""
ccdproc.bpmasks = ""
ccdproc.xtalkcor = no
ccdproc.fixpix = no
ccdproc.overscan = yes
ccdproc.trim = yes
ccdproc.darkcor = no
ccdproc.flatcor = no
ccdproc.sflatcor = no
ccdproc.merge = yes
ccdproc.interactive = no
ccdproc.function = "mean"
ccdproc.biassec = "!biassec"
ccdproc.trimsec = "!trimsec"
ccdproc ("zero*.fits", output="@zeros", zerocor=no)
ccdproc ("zero*.fits", output="@apart", zerocor=no, merge=no)
zerocombine ("@apart", output="Zero", combine="average", reject="none", ccdtype="", process=no, delete=no, scale="none")
ccdproc ("object.fits", output="done.fits", zerocor=yes, zero="Zero", merge=yes)
logout
"""


def by_mscred(raw: Path, work: Path, biases: list[str], science: str) -> None:
    """Run mscred on a night; it merges what has one CCDNAME, which a file of one chip need not have."""
    work.mkdir()
    names = [f"zero{number}.fits" for number in range(len(biases))]
    for name, source in zip([*names, "object.fits"], [*biases, science], strict=True):
        with fits.open(raw / source) as hdus:
            for hdu in hdus[1:]:
                hdu.header.setdefault("CCDNAME", "one")
            hdus.writeto(work / name)
    for listed in ("zeros", "apart"):  # its zero has to be of amplifiers, as the frames are that it is subtracted from
        (work / listed).write_text("".join(f"{listed[0]}{name}\n" for name in names))
    environment = os.environ | {"HOME": str(work), "USER": "nobody", "TERM": "dumb"}
    done = subprocess.run(
        [str(IRAF)], input=SCRIPT, cwd=work, env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert (work / "done.fits").exists(), done.stdout[-3000:] + done.stderr[-1000:]


def merged(path: Path, number: int) -> np.ndarray:
    """Return the image of one chip, in the order of the file; mscred leaves it as its first amplifier has read it."""
    with fits.open(path) as hdus:
        image = [hdu for hdu in hdus if hdu.data is not None][number]
        (x1, x2), (y1, y2) = (part.ends() for part in zeroframe.Section.parse(image.header["CCDSEC"]).ranges)
        return image.data.astype(float)[:: 1 if y1 < y2 else -1, :: 1 if x1 < x2 else -1]


@pytest.mark.long
@pytest.mark.parametrize("name", SHAPES)
def test_mscred_makes_the_same(tmp_path, name):
    """To the pixel, but for the rounding of float32: in each chip, reversed sections and all."""
    camera = SIMULATED_MOSAICS[name].resized(SHAPES[name])
    raw, profile = tmp_path / "raw", tmp_path / "camera.toml"
    simulate_night(camera, raw, seed=9)
    files = sorted(path.name for path in raw.iterdir())
    kinds = {each: fits.getval(raw / each, "OBSTYPE") for each in files}
    biases = [each for each in files if kinds[each] == "zero"][:3]
    science = next(each for each in files if kinds[each] == "object")
    flats = [each for each in files if "flat" in kinds[each]][:2]
    for each in set(files) - {*biases, *flats, science}:
        (raw / each).unlink()
    by_mscred(raw, tmp_path / "iraf", biases, science)

    # the same steps: a level of each row from the header's section, no second overscan
    assert command("inspect", raw, "--write", profile).code == 0
    text = re.sub(r'overscan_method = "\w+"', 'overscan_method = "mean"', profile.read_text())
    profile.write_text("".join(line for line in text.splitlines(True) if not line.startswith("parallel_overscan")))
    recipe = tmp_path / "night.toml"
    recipe.write_text("[bias]\nclip = 0\n[steps]\nbias = 'always'\ndark = false\nflat = false\ncosmic_rays = 'none'\n")
    zeroframe.night(raw, tmp_path / "out", camera=str(profile), recipe=recipe, report=False)

    for number, chip in enumerate(camera.chips):
        part = f".{chip.name}" if len(camera.chips) > 1 else ""
        for place, bias in enumerate(biases):
            ours = fits.getdata(tmp_path / "out" / bias.replace(".fits", f"{part}.fits"))
            theirs = merged(tmp_path / "iraf" / f"zzero{place}.fits", number)
            np.testing.assert_allclose(ours, theirs, rtol=0, atol=2e-4)
        with fits.open(tmp_path / "out" / science.replace(".fits", f"{part}.fits")) as hdus:
            ours, table = hdus[0].data.astype(float), hdus["AMPLIFIERS"].data
            common = hdus[0].header["GAINREL"]
        # ours have one scale: each amplifier was multiplied by its gain over the mean
        for row in table:
            ends = [part.ends() for part in zeroframe.Section.parse(row["SECTION"]).ranges]
            (x1, x2), (y1, y2) = map(sorted, ends)
            place = np.s_[y1 - 1 : y2, x1 - 1 : x2]
            theirs = merged(tmp_path / "iraf" / "done.fits", number)[place]
            np.testing.assert_allclose(ours[place] * common / row["GAIN"], theirs, rtol=2e-6, atol=2e-3)
