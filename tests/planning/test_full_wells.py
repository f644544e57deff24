"""What some frames prove of their full well holds for all that were read alike."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace

import numpy as np
import pytest
from astropy.io import fits

from workbench import command
from zeroframe.frames.mask_bits import MaskBit
from zeroframe.frames.saturation import shared_limit
from zeroframe.planning.asking import planned
from zeroframe.planning.full_wells import share_full_wells
from zeroframe.planning.recipe import NightRecipe

SHAPE = NY, NX = 120, 150
GAIN, NOISE_E, BIAS_ADU, WELL_E = 1.2, 6.0, 1000.0, 60000.0
#: Stars a frame: of the first and fifth enough to prove where the well is full.
STARS = (14, 1, 1, 14, 1)


def stars(number, rng):
    y, x = np.mgrid[:NY, :NX]
    light = np.full(SHAPE, 200.0)
    for _ in range(number):
        centre = rng.uniform(20, NY - 20), rng.uniform(20, NX - 20)
        light += 1e5 * np.exp(-((y - centre[0]) ** 2 + (x - centre[1]) ** 2) / (2 * 1.3**2))
    return light


def write(path, kind, light_e, exposure_s, rng, settings=()):
    """Write a frame of a camera whose well is full at 60,000 electrons; return where its pixels are full."""
    e = np.minimum(rng.poisson(light_e).astype(float), WELL_E)
    adu = BIAS_ADU + e / GAIN + rng.normal(0.0, NOISE_E / GAIN, SHAPE)
    header = fits.Header([("IMAGETYP", kind), ("EXPTIME", exposure_s), ("INSTRUME", "CAM"), ("GAIN", GAIN), *settings])
    header["OBJECT"] = "NGC 1" if kind == "object" else kind
    fits.PrimaryHDU(np.clip(adu.round(), 0, 65535).astype(np.uint16), header).writeto(path)
    return e >= WELL_E


@pytest.fixture(scope="module")
def night(tmp_path_factory):
    raw = tmp_path_factory.mktemp("night") / "raw"
    raw.mkdir()
    rng = np.random.default_rng(5)
    for number in range(4):
        write(raw / f"bias{number}.fits", "bias", np.zeros(SHAPE), 0.0, rng)
    for number in range(3):
        write(raw / f"flat{number}.fits", "flat", np.full(SHAPE, 20000.0), 5.0, rng)
    full = {
        f"sci{number}.fits": write(raw / f"sci{number}.fits", "object", stars(count, rng), 60.0, rng)
        for number, count in enumerate(STARS)
    }
    return raw, full


def test_pixels_are_masked_that_only_other_frames_prove_full(night, tmp_path):
    raw, full = night
    made = command("night", raw, "-o", tmp_path / "out", "--no-report")
    assert made.code == 0, made.out + made.err
    limits = set()
    for name, pixels in full.items():
        with fits.open(tmp_path / "out" / name) as hdus:
            assert pixels.sum() >= 2
            assert (hdus["MASK"].data[pixels] & MaskBit.SATURATED != 0).all(), name
            limits.add(hdus[0].header["SATADU"])
    assert len(limits) == 1
    assert limits.pop() == pytest.approx(BIAS_ADU + WELL_E / GAIN, abs=6 * NOISE_E / GAIN)


def test_run_again_makes_nothing_anew(night, tmp_path):
    raw, _ = night
    for _ in range(2):
        made = command("night", raw, "-o", tmp_path / "out", "--no-report")
        assert made.code == 0, made.out + made.err
        times = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").glob("*.fits")}
    assert command("night", raw, "-o", tmp_path / "out", "--no-report").code == 0
    assert times == {path: path.stat().st_mtime_ns for path in (tmp_path / "out").glob("*.fits")}


def test_another_setting_is_another_well(night, tmp_path):
    raw, _ = night
    other = tmp_path / "raw"
    shutil.copytree(raw, other)
    rng = np.random.default_rng(6)
    write(other / "fast.fits", "object", stars(1, rng), 60.0, rng, [("READMODE", "fast")])
    plan = planned("night", other, tmp_path / "out", NightRecipe())
    shared = {frame.name: frame.saturation.shared_adu for frame in plan.science}
    assert shared.pop("fast.fits") == ()
    assert all(len(limits) == 1 for limits in shared.values())


def test_what_was_seen_of_a_frame_is_remembered(night, tmp_path, monkeypatch):
    raw, _ = night
    monkeypatch.setenv("ZEROFRAME_CACHE", str(tmp_path / "cache"))
    old = tmp_path / "raw"
    shutil.copytree(raw, old, copy_function=shutil.copy2)
    for path in old.iterdir():
        os.utime(path, (1e9, 1e9))
    first = planned("night", old, tmp_path / "out", NightRecipe())
    monkeypatch.setattr("zeroframe.planning.full_wells.read_raw", None)  # it would fail if it were called
    bare = replace(
        first,
        science=tuple(replace(frame, saturation=replace(frame.saturation, shared_adu=())) for frame in first.science),
    )
    again = share_full_wells(bare)
    assert [frame.saturation for frame in again.science] == [frame.saturation for frame in first.science]


@pytest.mark.parametrize(
    ("tops", "limit"),
    [
        ([(51003.0, 50981.0), (50998.0, None)], 50981.0),
        ([(51003.0, 50981.0), (51001.0, 50989.0)], 50981.0),
        ([(51003.0, 50981.0), (64000.0, None)], None),  # a frame goes beyond: the heap is of something else
        ([(65535.0, 65535.0), (65535.0, None)], None),  # the top of the converter, which is known
        ([(40000.0, None), (30000.0, None)], None),
    ],
)
def test_shared_limit(tops, limit):
    assert shared_limit(tops, 65535.0) == limit
