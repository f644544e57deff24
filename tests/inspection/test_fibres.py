"""The gaps between fibres are no strips of amplifiers, however many there are and whichever way they run."""

import numpy as np
import pytest
from astropy.io import fits

import zeroframe

NY, NX, STRIP = 300, 340, 32


def fibres(count, along, width, tilt):
    y, x = np.mgrid[:NY, :NX].astype(float)
    across, other, size = (x, y, NX) if along == "x" else (y, x, NY)
    step = (size - 24) / count
    return sum(
        (0.6 + 0.4 * np.cos(number))
        * np.exp(-(((across - 12 - step * number - tilt * np.sin(other / 80)) / width) ** 2))
        for number in range(count)
    )


@pytest.mark.parametrize("strip", [STRIP, 0])
@pytest.mark.parametrize(
    ("count", "along", "width", "tilt"),
    [(24, "x", 1.7, 3.0), (24, "x", 1.7, 0.0), (20, "y", 1.7, 3.0), (10, "x", 1.7, 3.0), (24, "x", 2.6, 3.0)],
)
def test_one_amplifier_stays_one(tmp_path, count, along, width, tilt, strip):
    light = 15.0 + 25000.0 * fibres(count, along, width, tilt)
    chance = np.random.default_rng(3)
    raw = tmp_path / "raw"
    raw.mkdir()
    for number, kind in enumerate(["bias"] * 5 + ["flat"] * 4):
        image = 1000.0 + chance.normal(0.0, 3.0, (NY, NX + strip))
        if kind == "flat":
            image[:, :NX] += chance.poisson(light)
        header = fits.Header({"IMAGETYP": kind, "EXPTIME": 0.0 if kind == "bias" else 5.0, "INSTRUME": "drawn"})
        if strip:
            header["BIASSEC"], header["TRIMSEC"] = f"[{NX + 1}:{NX + strip},1:{NY}]", f"[1:{NX},1:{NY}]"
        fits.writeto(raw / f"{number}.fits", image.round().astype(np.uint16), header)
    plan = zeroframe.plan(raw, tmp_path / "out").plan
    (recipe,) = {frame.recipe for frame in plan.frames}
    (region,) = recipe.regions
    assert ("" if region.overscan is None else str(region.overscan.section)) == ("[341:372,1:300]" if strip else "")
