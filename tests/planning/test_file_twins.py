"""A raw frame beside its own packed copy: taken once where the pixels are the same, refused by both names where not."""

from __future__ import annotations

import bz2
import gzip

import numpy as np
import pytest
from astropy.io import fits

from zeroframe import night
from zeroframe.cli.jobs import plan
from zeroframe.simulate import SIMULATED_MOSAICS, simulate_night

SHAPE = (60, 90)
KINDS = (("bias", 0, 0.0, 4), ("flat", 20000, 5.0, 3), ("object", 300, 5.0, 2))


@pytest.fixture
def raw(tmp_path):
    """Return the folder of a small night."""
    folder, chance = tmp_path / "raw", np.random.default_rng(5)
    folder.mkdir()
    for kind, light, exposure, count in KINDS:
        for number in range(count):
            pixels = 1000.0 + chance.poisson(light, SHAPE) + chance.normal(0.0, 5.0, SHAPE)
            cards = [("IMAGETYP", kind), ("EXPTIME", exposure), ("FILTER", "V"), ("GAIN", 1.0), ("INSTRUME", "T")]
            fits.writeto(folder / f"{kind}{number}.fits", np.rint(pixels).astype(np.uint16), fits.Header(cards))
    return folder


def packed(path, how, pixels=None):
    """Write a packed copy beside a frame, with other pixels where they are given."""
    with fits.open(path) as hdus:
        header, own = hdus[0].header, hdus[0].data if pixels is None else pixels
        other = path.with_name("plain.tmp")
        fits.PrimaryHDU(own, header).writeto(other)
        if how == "fz":
            fits.HDUList([fits.PrimaryHDU(), fits.CompImageHDU(own, header)]).writeto(f"{path}.fz")
        else:
            (path.parent / f"{path.name}.{how}").write_bytes({"gz": gzip, "bz2": bz2}[how].compress(other.read_bytes()))
        other.unlink()


def codes(made):
    return {each.code for each in made.findings if each.severity != "note"}


@pytest.mark.parametrize("how", ["gz", "fz", "bz2"])
def test_the_same_pixels_are_taken_once(raw, tmp_path, how):
    alone = night(raw, tmp_path / "alone", report=False)
    for name in ("bias0", "flat1", "object0"):
        packed(raw / f"{name}.fits", how)
    made = night(raw, tmp_path / "out", report=False)
    assert made.is_good
    assert codes(made) == codes(alone)
    assert sorted(each.path.name for each in made.frames) == sorted(each.path.name for each in alone.frames)
    assert {each.name: each.frames for each in made.combined} == {each.name: each.frames for each in alone.combined}
    assert {each.path.name for each in made.plan.ignored} == {
        f"{name}.fits.{how}" for name in ("bias0", "flat1", "object0")
    }
    assert all("pixels of the file of that name" in each.reason for each in made.plan.ignored)


def test_other_pixels_are_refused_by_both_names(raw, tmp_path):
    packed(raw / "object0.fits", "gz", np.full(SHAPE, 7, np.uint16))
    made = night(raw, tmp_path / "out", report=False)
    (first, second) = [each.sentence for each in made.findings if each.code == "ZF101"]
    assert "object0.fits: " in first
    assert "object0.fits.gz" in first
    assert "object0.fits.gz: is called as object0.fits is, and has other pixels" in second
    assert [each.path.name for each in made.frames if each.kind == "science"] == ["object1.fits"]


def test_a_copy_that_cannot_be_read_is_named(raw, tmp_path):
    packed(raw / "object0.fits", "gz")
    whole = (raw / "object0.fits.gz").read_bytes()
    (raw / "object0.fits.gz").write_bytes(whole[: len(whole) // 2])
    made = night(raw, tmp_path / "out", report=False)
    assert any("object0.fits.gz" in each.sentence for each in made.findings if each.severity == "error")
    assert [each.state for each in made.frames if each.path.name == "object0.fits"] == ["done"]


def test_names_in_other_folders_are_no_twins(raw, tmp_path):
    (raw / "more").mkdir()
    (raw / "object0.fits").rename(raw / "more" / "bias0.fits")
    made = plan(raw, tmp_path / "out").plan
    assert len(made.frames) == 9
    assert not made.ignored
    assert not made.refused


@pytest.mark.parametrize("camera", ["quad-mef", "four-chip-mosaic"])
def test_files_of_several_images(tmp_path, camera):
    simulate_night(SIMULATED_MOSAICS[camera].resized((128, 128)), tmp_path / "raw", seed=3)
    usual = plan(tmp_path / "raw", tmp_path / "out").plan
    one, other = sorted((tmp_path / "raw").glob("*.fits"))[:2]
    one.with_name(f"{one.name}.gz").write_bytes(gzip.compress(one.read_bytes()))
    other.with_name(f"{other.name}.gz").write_bytes(gzip.compress(one.read_bytes()))
    made = plan(tmp_path / "raw", tmp_path / "out").plan
    parts = len(SIMULATED_MOSAICS[camera].chips)
    assert len(made.ignored) == parts
    assert len(made.refused) == 2 * parts
    assert len(made.frames) == len(usual.frames) - parts
