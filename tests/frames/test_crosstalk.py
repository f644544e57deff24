"""Crosstalk is taken out of what amplifiers read: against the simulation, and a loop over pixels."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from astropy.io import fits

import zeroframe
from workbench import command
from zeroframe.errors import CameraError
from zeroframe.frames.crosstalk import in_read_order, take_out_crosstalk
from zeroframe.frames.regions import Region
from zeroframe.headers.cameras import camera_to_toml, load_camera
from zeroframe.headers.detectors import Crosstalk
from zeroframe.headers.sections import Section
from zeroframe.simulate import SIMULATED_MOSAICS, simulate_night

PART = 0.004
SHAPES = {"two-amp-spectrograph": (200, 600), "quad-mef": (240, 360), "sixteen-mef": (240, 1600)}


def with_bright_stars(camera):
    (chip,) = camera.chips
    sensor = replace(chip.sensor, star_flux_range_e_per_s=(2e3, 1e6))
    return replace(camera, chips=(replace(chip, sensor=sensor),))


def inspected(raw, profile):
    done = command("inspect", raw, "--write", profile)
    assert done.code == 0, done.err
    return done


def with_matrix(profile, camera, part):
    """Add the crosstalk that the simulation makes to a camera file: each amplifier holds a part of the one before."""
    text = "\n".join(line for line in profile.read_text().splitlines())
    text = text.partition("[[crosstalk]]")[0]
    names = [each.name for each in camera.chips[0].amplifiers]
    for source, victim in zip([names[-1], *names[:-1]], names, strict=True):
        text += f'\n[[crosstalk]]\nfrom = "{source}"\nto = "{victim}"\npart = {part}\n'
    profile.write_text(text)


@pytest.mark.long
@pytest.mark.parametrize("name", SHAPES)
def test_a_night_with_ghosts_becomes_the_one_without(tmp_path, name):
    """The same seed with and without crosstalk: what the matrix takes out is what the simulation put in."""
    plain = with_bright_stars(SIMULATED_MOSAICS[name].resized(SHAPES[name]))
    talking = replace(plain, crosstalk=PART)
    for folder, camera in (("plain", plain), ("talking", talking)):
        simulate_night(camera, tmp_path / folder, seed=5)
    inspected(tmp_path / "plain", tmp_path / "camera.toml")
    recipe = "[steps]\ncosmic_rays = 'none'\nflat = false\n"
    (tmp_path / "night.toml").write_text(recipe)
    options = {"recipe": tmp_path / "night.toml", "report": False}
    made = {}
    for folder in ("plain", "talking", "corrected"):
        if folder == "corrected":
            with_matrix(tmp_path / "camera.toml", talking, PART)
        raw = "plain" if folder == "plain" else "talking"
        result = zeroframe.night(
            tmp_path / raw, tmp_path / "out" / folder, camera=str(tmp_path / "camera.toml"), **options
        )
        assert not [each.outcome.reason for each in result.result.frames if not each.outcome.is_there]
        made[folder] = fits.getdata(tmp_path / "out" / folder / "obs018.fits").astype(float)
    header = fits.getheader(tmp_path / "out" / "corrected" / "obs018.fits")
    ghosts = made["talking"] - made["plain"]
    left = made["corrected"] - made["plain"]
    assert np.max(ghosts) > 100.0  # a bright star in another amplifier
    strong = ghosts > 20.0
    assert np.abs(np.mean(left[strong])) < 0.02 * np.mean(ghosts[strong])
    assert np.std(left) < 1.2  # rounding, twice
    assert f"{PART:g} of amplifier" in "\n".join(header["HISTORY"])


def test_pixels_that_were_read_at_once():
    """Two images above and beside each other, each read towards its corner: against a loop over pixels."""
    random = np.random.default_rng(3)
    ny, nx = 6, 10
    raw = random.normal(100.0, 30.0, (2 * ny, 2 * nx))
    raw[1, 2] = np.nan
    names = {"A": (0, 0), "B": (0, 1), "C": (1, 0), "D": (1, 1)}
    regions = []
    for name, (j, i) in names.items():
        box = f"[{i * nx + 1}:{(i + 1) * nx},{j * ny + 1}:{(j + 1) * ny}]"
        place = Section.parse(box)
        # stored as read: the right ones are turned along x, the upper ones along y, when they are put in their place
        (x1, x2), (y1, y2) = (part.ends() for part in place.ranges)
        turned = Section.parse(f"[{x2}:{x1},{y1}:{y2}]" if i else box)
        if j:
            (a, b) = (part.ends() for part in turned.ranges)
            turned = Section.parse(f"[{a[0]}:{a[1]},{b[1]}:{b[0]}]")
        regions.append(Region(trim=Section.parse(box), place=turned, name=name))
    matrix = {("A", "B"): 0.01, ("C", "B"): -0.02, ("B", "D"): 0.03, ("D", "A"): 0.005}
    expected = raw.copy()
    for (source, victim), part in matrix.items():
        for y, x in np.ndindex(ny, nx):
            at = {name: ((2 * ny - 1 - y if j else y), (2 * nx - 1 - x if i else x)) for name, (j, i) in names.items()}
            value = raw[at[source]]
            expected[at[victim]] -= part * (value if np.isfinite(value) else 0.0)
    pixels = raw.copy()
    take_out_crosstalk(pixels, regions, [Crosstalk(*pair, part) for pair, part in matrix.items()], raw.shape)
    np.testing.assert_allclose(pixels, expected, rtol=1e-12)
    views = in_read_order(raw, regions, raw.shape)
    assert views["D"][0, 0] == raw[-1, -1]


def camera_text(*entries):
    text = 'name = "mine"\nshape_xy = [40, 20]\n'
    for name, x in (("A", 1), ("B", 21)):
        text += f'[[amplifier]]\nname = "{name}"\ntrim = "[{x}:{x + 19},:]"\n'
    return text + "".join(f"[[crosstalk]]\n{entry}\n" for entry in entries)


def test_camera_files(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(camera_text('from = "A"\nto = "B"\npart = 0.001', 'from = "B"\nto = "A"\npart = -0.0005'))
    camera = load_camera(path)
    assert camera.crosstalk == (Crosstalk("A", "B", 0.001), Crosstalk("B", "A", -0.0005))
    path.write_text(camera_to_toml(camera))
    assert load_camera(path) == camera
    for entry, words in (
        ('from = "A"\nto = "A"\npart = 0.1', "expected are two amplifiers of one detector"),
        ('from = "A"\nto = "C"\npart = 0.1', "no amplifier is called 'C'"),
        ('from = "A"\nto = "B"\npart = 3', "expected is a number between -0.1 and 0.1"),
        ('from = "A"\nto = "B"', "the key 'part' is missing"),
        ('from = "A"\nto = "B"\npart = 0.1\nby = 3', "the key 'by' is not known"),
        ('from = "A"\nto = "B"\npart = 0.1\n[[crosstalk]]\nfrom = "A"\nto = "B"\npart = 0.1', "is there twice"),
    ):
        path.write_text(camera_text(entry))
        with pytest.raises(CameraError, match=words):
            load_camera(path)


@pytest.mark.long
def test_inspect_measures_it_and_writes_what_matters(tmp_path):
    """By the bright stars of science frames: some per cent about what the simulation puts in; none where none is."""
    camera = with_bright_stars(SIMULATED_MOSAICS["quad-mef"].resized((400, 600)))
    for folder, part in (("talking", PART), ("plain", 0.0)):
        simulate_night(replace(camera, crosstalk=part), tmp_path / folder, seed=5)
        done = inspected(tmp_path / folder, tmp_path / f"{folder}.toml")
        known = load_camera(tmp_path / f"{folder}.toml").crosstalk
        if part:
            pairs = {(each.source, each.victim): each.part for each in known}
            assert set(pairs) == {("D", "A"), ("A", "B"), ("B", "C"), ("C", "D")}
            assert np.allclose(list(pairs.values()), PART, rtol=0.05)
            assert np.mean(list(pairs.values())) == pytest.approx(PART, rel=0.025)
            assert "crosstalk matters" in done.out
        else:
            assert known == ()
            assert "crosstalk: no more than" in done.out
    zeroframe.night(tmp_path / "talking", tmp_path / "out", camera=str(tmp_path / "talking.toml"), report=False)
    assert "crosstalk" in "".join(fits.getheader(tmp_path / "out" / "obs018.fits")["HISTORY"])
