"""Crosstalk that nobody takes out is told by a night; stars that stand where a ghost would are not taken for one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from astropy.io import fits

from workbench import command, header_of
from zeroframe import night
from zeroframe.frames.ghosts import ghosts_of_frame
from zeroframe.simulate import SIMULATED_MOSAICS, any_camera, simulate_night

PART, TOP = 0.001, 60000.0


def starry(crosstalk):
    """Return a small camera of four amplifiers that sees stars as bright as it can hold."""
    camera = replace(SIMULATED_MOSAICS["quad-mef"].resized((400, 440)), crosstalk=crosstalk)
    (chip,) = camera.chips
    sensor = replace(chip.sensor, star_flux_range_e_per_s=(1500.0, 3e5), stars_per_mpix=150.0)
    return replace(camera, chips=(replace(chip, sensor=sensor),))


@pytest.mark.parametrize("part", [0.0, PART])
def test_a_night_tells_of_it(tmp_path, part):
    camera = starry(part)
    simulate_night(camera, tmp_path / "raw", seed=1)
    made = night(tmp_path / "raw", tmp_path / "out", report=False)
    told = [each for each in made.findings if each.code == "ZF208"]
    lit = [each.path for each in made.frames if each.kind == "science"]
    if not part:
        assert not told
        assert not any("XTALK" in header_of(path) for path in lit)
        return
    (finding,) = told
    assert finding.severity == "warning"
    assert set(finding.frames) == {path.name for path in lit}
    names = [each.name for each in camera.chips[0].amplifiers]
    for header in map(header_of, lit):
        victim, _, source = header["XTALKWHO"].split()
        assert names[names.index(victim) - 1] == source  # as they are simulated
        assert header["XTALK"] == pytest.approx(PART, abs=4 * header["XTALKERR"])
        assert header["XTALKADU"] == pytest.approx(65535 * header["XTALK"], rel=0.01)
    assert f"amplifier {header['XTALKWHO']}" in finding.sentence
    assert "--camera" in finding.remedy
    # a second run, which keeps all of it, says the same
    again = night(tmp_path / "raw", tmp_path / "out", report=False)
    assert [each.sentence for each in again.findings if each.code == "ZF208"] == [finding.sentence]


def test_a_camera_file_takes_it_out(tmp_path):
    simulate_night(starry(PART), tmp_path / "raw", seed=1)
    assert command("inspect", tmp_path / "raw", "--write", tmp_path / "my.toml").code == 0
    made = night(tmp_path / "raw", tmp_path / "out", report=False, camera=str(tmp_path / "my.toml"))
    assert all(each.state == "done" for each in made.frames)
    assert not [each for each in made.findings if each.code == "ZF208"]


def field(seed, crowded):
    """Draw what four amplifiers read: sky, stars with wings, full ones bled along columns; nothing of each other."""
    random = np.random.default_rng(seed)
    shape, read = (300, 320), {}
    y, x = np.mgrid[: shape[0], : shape[1]]
    for name in "ABCD":
        light = np.full(shape, 100.0)
        for flux in 20_000.0 * random.random(400 if crowded else 25) ** -1.0:
            at_y, at_x = random.uniform(0, shape[0]), random.uniform(0, shape[1])
            near = np.s_[max(int(at_y) - 40, 0) : int(at_y) + 40, max(int(at_x) - 40, 0) : int(at_x) + 40]
            away = (y[near] - at_y) ** 2 + (x[near] - at_x) ** 2
            light[near] += flux / (np.pi * 9.0) * (1.0 + away / 9.0) ** -2.5
        pixels = random.poisson(light) + random.normal(0.0, 4.0, shape)
        for column in np.flatnonzero((pixels > TOP).any(axis=0)):
            middle = int(np.flatnonzero(pixels[:, column] > TOP).mean())
            pixels[max(middle - 40, 0) : middle + 40, column] = TOP
        read[name] = np.minimum(pixels, TOP).astype(np.float32)
    return read


@pytest.mark.parametrize("crowded", [False, True])
def test_stars_are_no_ghosts(crowded):
    tops, told, seen, parts = dict.fromkeys("ABCD", TOP), 0, 0, []
    for seed in range(8):
        read = field(seed, crowded)
        assert not ghosts_of_frame(read, tops), seed
        with_ghosts = {
            name: values + np.float32(0.002) * sum(read[other] for other in read if other != name)
            for name, values in read.items()
        }
        seen += any((values > 0.15 * TOP).sum() >= 30 for values in read.values())
        found = ghosts_of_frame(with_ghosts, tops)
        told += bool(found)
        # the stars of the victim add to it in a crowded field, and take from it
        parts += [each.part for each in found]
    assert seen >= 6
    assert told >= 0.7 * seen
    assert np.median(parts) == pytest.approx(0.002, rel=0.15)


def test_a_bad_column_under_a_trail_is_no_ghost():
    read = field(3, crowded=False)
    read["B"][:, 100] += 50.0
    read["A"][50:250, 100] = TOP
    assert not [each for each in ghosts_of_frame(read, dict.fromkeys("ABCD", TOP)) if each.victim == "B"]


def test_one_amplifier_has_nobody_to_talk_to(tmp_path):
    simulate_night(any_camera("palomar-lfc").resized((128, 128)), tmp_path / "raw", seed=2)
    made = night(tmp_path / "raw", tmp_path / "out", report=False)
    assert not any("XTALK" in fits.getheader(each.path) for each in made.frames)
