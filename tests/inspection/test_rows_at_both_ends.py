"""Strips of rows below and above the image: each is looked at, and a night follows the drift that they show."""

from __future__ import annotations

import numpy as np
import pytest
from astropy.io import fits

import zeroframe
from zeroframe.inspection import inspect_overscan

NOISE, GAIN = 3.0, 1.5
ESO = "HIERARCH ESO DET OUT1 "


def frame(rng, light_adu, level, strips, shape_yx):
    """A frame of a level and even light, with strips on the left, right, bottom and top."""
    left, right, below, above = strips
    ny, nx = shape_yx
    pixels = rng.normal(level, NOISE, (below + ny + above, left + nx + right))
    pixels[below : below + ny, left : left + nx] += rng.poisson(light_adu * GAIN, shape_yx) / GAIN
    return pixels.round().astype(np.uint16)


@pytest.mark.parametrize(
    ("strips", "shape_yx", "widths"),
    [
        ((0, 0, 5, 5), (300, 700), {"bottom": 5, "top": 5}),  # columns beyond the depth of a zone
        ((0, 0, 12, 12), (500, 120), {"bottom": 12, "top": 12}),
        ((0, 0, 8, 20), (900, 900), {"bottom": 8, "top": 20}),
        ((6, 16, 8, 8), (300, 700), {"left": 6, "right": 16, "bottom": 8, "top": 8}),
        ((0, 0, 0, 8), (300, 700), {"top": 8}),
    ],
)
def test_each_is_found(strips, shape_yx, widths):
    rng = np.random.default_rng(3)
    given = {
        kind: [frame(rng, light, 200 + rng.normal(0, 4), strips, shape_yx) for _ in range(count)]
        for kind, light, count in (("bias", 0, 4), ("flat", 20000, 2), ("science", 300, 1))
    }
    result = inspect_overscan(given)
    assert {strip.side: len(strip.numbers) for strip in result.strips} == widths
    assert result.decision == "use"
    (left, _, below, _), (ny, nx) = strips, shape_yx
    assert str(result.trim) == f"[{left + 1}:{left + nx},{below + 1}:{below + ny}]"
    assert result.recommended.axis == (1 if strips[1] else 0)


@pytest.mark.parametrize("strips", [(0, 0, 5, 5), (6, 12, 0, 6)])
def test_a_night_takes_the_drift_out(tmp_path, strips):
    rng, (left, right, below, above), (ny, nx) = np.random.default_rng(5), strips, (300, 400)
    raw = tmp_path / "raw"
    raw.mkdir()
    kinds = [("BIAS", 0.0, 0.0, 0.0)] * 4 + [("FLAT,SKY", 5.0, 20000.0, 0.0)] * 4
    kinds += [("OBJECT", 60.0, 300.0, 8.0), ("OBJECT", 60.0, 300.0, -8.0)]
    for number, (kind, exposure, light, drift) in enumerate(kinds):
        header = fits.Header({"EXPTIME": exposure, "INSTRUME": "FORS2", "DATE-OBS": f"2015-01-01T02:{number:02d}:00"})
        header["HIERARCH ESO DPR TYPE"] = kind
        for word, value in (("PRSCX", left), ("OVSCX", right), ("PRSCY", below), ("OVSCY", above), ("CONAD", GAIN),
                            ("RON", NOISE * GAIN), ("NX", nx), ("NY", ny)):  # fmt: skip
            header[ESO + word] = value
        fits.writeto(raw / f"x{number}.fits", frame(rng, light, 200.0 + drift, strips, (ny, nx)), header)
    zeroframe.night(raw, tmp_path / "out", report=False)
    for number in (8, 9):
        pixels = fits.getdata(tmp_path / "out" / f"x{number}.fits")
        assert pixels.shape == (ny, nx)
        assert np.median(pixels) == pytest.approx(300.0, abs=1.0)
