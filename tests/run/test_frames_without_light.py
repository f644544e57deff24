"""A science frame without light, or a part of it, where another exposure of the field has it, is named with figures."""

from __future__ import annotations

import numpy as np
import pytest
from astropy.io import fits

import zeroframe
from zeroframe.frames.dark_parts import measure_dark_part

NY, NX, STRIP, GAIN = 160, 180, 24, 1.5
EVEN = np.ones((NY, NX))
HALF = np.where(np.arange(NY)[:, None] < 100, EVEN, 0.0)
BLADE = np.where(np.arange(NX)[None, :] >= 60, EVEN, 0.0)
Y, X = np.mgrid[:NY, :NX]
VIGNETTED = 1.0 - 0.85 * np.hypot(Y / NY - 0.5, X / NX - 0.5) / 0.71
FIBRES = sum(np.exp(-(((Y - at) / 1.5) ** 2)) for at in range(8, NY // 2, 24))

STARS = sum(
    flux * np.exp(-((X - x) ** 2 + (Y - y) ** 2) / 3.4)
    for x, y, flux in np.random.default_rng(5).uniform((0, 0, 100), (NX, NY, 3000), (25, 3))
)


def limb(x):
    """Return the Moon, whose limb is at this column of the middle row."""
    return 9000.0 / (1.0 + np.exp(np.clip(np.hypot(X - x + 300.0, Y - NY / 2) - 300.0, -50, 50)))


def made(folder, skies, flat=EVEN, filters=(), objects=(), minutes=()):
    """Reduce a night whose science frames have these skies, in electrons; return ZF207 by frame."""
    raw, rng = folder / "raw", np.random.default_rng(3)
    raw.mkdir()

    def write(name, kind, exposure_s, light_e, filter_name="V", object_name="NGC 1", minute=None):
        pixels = 1000.0 + rng.normal(0.0, 0.5) + rng.normal(0.0, 4.0, (NY, NX + STRIP))
        pixels[:, :NX] += rng.poisson(np.clip(light_e, 0.0, None) * EVEN) / GAIN
        header = fits.Header({"IMAGETYP": kind, "EXPTIME": exposure_s, "INSTRUME": "C", "GAIN": GAIN})
        header["FILTER"], header["OBJECT"] = filter_name, object_name
        if minute is not None:
            header["DATE-OBS"] = f"2026-03-04T{21 + minute // 60:02d}:{minute % 60:02d}:00"
        header["DATASEC"], header["BIASSEC"] = f"[1:{NX},1:{NY}]", f"[{NX + 1}:{NX + STRIP},1:{NY}]"
        fits.writeto(raw / f"{name}.fits", pixels.round().clip(0, 65535).astype(np.uint16), header)

    for number in range(3):
        write(f"b{number}", "bias", 0.0, 0.0)
    for name in dict.fromkeys(filters or "V"):
        for number in range(3):
            write(f"f{name}{number}", "flat", 5.0, 30000.0 * flat, name)
    for number, sky in enumerate(skies):
        what = {"filter_name": filters[number]} if filters else {}
        what |= {"object_name": objects[number]} if objects else {}
        what |= {"minute": minutes[number]} if minutes else {}
        write(f"s{number}", "object", 60.0, sky * flat, **what)
    result = zeroframe.night(
        raw, folder / "out", report=False, workers=1, overscan=f"[{NX + 1}:{NX + STRIP},:]", trim=f"[1:{NX},:]"
    )
    return {each.frames[0]: each for each in result.findings if each.code == "ZF207"}


def test_frames_without_light_are_named_and_the_others_are_not(tmp_path):
    said = made(tmp_path, [200.0, 0.0, 200.0 * HALF, 200.0 * BLADE, 190.0])
    assert said.keys() == {"s1.fits", "s2.fits", "s3.fits"}
    assert "it has no light" in said["s1.fits"].sentence
    assert "rows 101 to 160, 38 % of it, have no light" in said["s2.fits"].sentence
    assert "columns 1 to 60, 33 % of it, have no light" in said["s3.fits"].sentence
    assert all("127 ADU" in each.sentence or "127 all over" in each.sentence for each in said.values())
    assert all(each.severity == "warning" for each in said.values())


@pytest.mark.parametrize("skies", [[200.0, 0.0, 0.0, 190.0], [200.0, 190.0, 0.0, 0.0], [0.0, 0.0, 0.0, 200.0]])
def test_several_in_a_row_are_named(tmp_path, skies):
    said = made(tmp_path, skies, minutes=range(0, 2 * len(skies), 2))
    assert said.keys() == {f"s{number}.fits" for number, sky in enumerate(skies) if not sky}
    assert all("of the same field and exposure" in each.sentence for each in said.values())


def test_a_field_that_is_dark_is_told_by_those_before_and_after_it(tmp_path):
    night = {"skies": [200.0, 0.0, 0.0, 190.0], "objects": ("a", "b", "b", "c"), "minutes": (0, 10, 12, 30)}
    said = made(tmp_path, **night)
    assert said.keys() == {"s1.fits", "s2.fits"}
    assert all("of another field through the same filter, would be 12" in each.sentence for each in said.values())


IN_ROWS = {"objects": ("a", "b", "b", "c"), "minutes": (0, 10, 12, 30)}


@pytest.mark.parametrize(
    "night",
    [
        {"skies": [0.0, 0.3, 0.0]},  # dark skies, as of a narrow band
        {"skies": [200.0 * HALF, 210.0 * HALF]},  # a slit: all frames alike
        {"skies": [200.0, 20.0, 60.0]},  # the moon sets
        {"skies": [20000.0, 300.0]},  # twilight
        {"skies": [200.0, 190.0], "flat": VIGNETTED},
        {"skies": [200.0, 190.0], "flat": FIBRES + 1e-4},
        {"skies": [200.0, 0.0], "filters": "VB"},  # of another filter
        {"skies": [200.0 * EVEN, 100.0 * np.exp(-(((X - 50) / 25.0) ** 2))], "objects": ("sky", "nebula")},
        {"skies": [sky + STARS for sky in (60.0, 8.0, 1.5, 0.5, 0.4, 0.3)]},
        {"skies": [60.0, 0.3 + STARS, 60.0]},  # the lights of a car
        {"skies": [60.0, 8.0, 1.5, 0.5, 0.4, 0.3]},
        {"skies": [limb(300.0), limb(90.0), limb(300.0), limb(30.0)]},
        {"skies": [200.0, 200.0 * (Y + 0.2 * X < 100.0), 200.0]},
        {"skies": [200.0, 200.0 * HALF + STARS, 200.0]},
        {"skies": [200.0, 2000.0 * HALF, 200.0]},
        {"skies": [200.0, 0.0, 0.0], "minutes": (0, 40, 42)},
        {"skies": [200.0, 0.1 + STARS, 0.1 + STARS, 190.0], **IN_ROWS},
        {"skies": [200.0, 0.0, 0.0, 190.0], **IN_ROWS, "filters": "VBBV"},
        {"skies": [200.0, 0.0, 0.0, 190.0], **IN_ROWS, "minutes": (0, 30, 40, 75)},
        {"skies": [200.0, 4.0, 0.0, 190.0], **IN_ROWS},
        {"skies": [200.0, 190.0, 0.0, 0.0], "objects": ("a", "a", "b", "b"), "minutes": (0, 10, 12, 30)},
    ],
    ids=[
        "dark", "slit", "moon", "twilight", "vignetted", "fibres", "another filter", "another object",
        "stars from twilight on", "stars between lights", "from twilight on", "limb", "slanting", "stars beside",
        "brighter", "long after", "a field with stars", "a field in another filter", "an hour later", "a faint sky",
        "the last field",
    ],
)  # fmt: skip
def test_good_nights_are_not(tmp_path, night):
    assert made(tmp_path, **night) == {}


@pytest.mark.parametrize(("first", "last"), [(0, 37), (111, 160), (60, 100)])
@pytest.mark.parametrize("along", [1, 2])
def test_where_the_dark_part_is(first, last, along):
    frame = np.random.default_rng(first).normal(60.0, 5.0, (160, 160))
    frame[first:last] -= 60.0
    found = measure_dark_part(frame if along == 2 else frame.T, 5.0)
    assert (found["dark_part_along"], found["dark_part_first"], found["dark_part_last"]) == (along, first + 1, last)
    assert abs(found["dark_part_noises"]) < 0.1
    assert found["sky_noises"] == pytest.approx(12.0, abs=0.2)


@pytest.mark.parametrize("first", [80, 130, 230])
def test_a_part_that_is_dark_may_be_most_of_the_frame(first):
    frame = np.random.default_rng(1).normal(60.0, 5.0, (320, 320))
    frame[:, first:] -= 60.0
    found = measure_dark_part(frame, 5.0)
    assert (found["dark_part_along"], found["dark_part_first"], found["dark_part_last"]) == (1.0, first + 1.0, 320.0)
    assert found["sky_noises"] == pytest.approx(12.0, abs=0.2)


@pytest.mark.filterwarnings("error")
def test_what_is_masked_does_not_hide_a_border():
    frame = np.random.default_rng(1).normal(60.0, 5.0, (320, 320))
    frame[200:] -= 60.0
    frame[:, :90] = frame[202] = frame[250] = frame[::7, ::5] = np.nan
    found = measure_dark_part(frame, 5.0, np.isnan(frame).astype(np.uint8))
    assert found["dark_part_along"] == 2.0
    assert (found["dark_part_first"], found["dark_part_last"]) == (pytest.approx(201.0, abs=1.5), 320.0)


@pytest.mark.parametrize("radius", [300, 1000, 4000])
def test_a_limb_that_is_little_curved_is_no_border(radius):
    y, x = np.mgrid[:400, :400]
    moon = 3000.0 / (1.0 + np.exp(np.clip(np.hypot(x - 200.0 + radius, y - 200.0) - radius, -50, 50)))
    found = measure_dark_part(np.random.default_rng(1).normal(moon, np.sqrt(25.0 + moon)), 40.0)
    assert "dark_part_first" not in found


@pytest.mark.parametrize("slope", [0.0, 0.02, 0.1, 0.5])
def test_a_border_that_is_aslant_is_none(slope):
    y, x = np.mgrid[:320, :320]
    frame = np.random.default_rng(1).normal(np.where(y + slope * (x - 160) < 160, 60.0, 0.0), 5.0)
    assert ("dark_part_first" in measure_dark_part(frame, 5.0)) == (slope == 0.0)


def test_a_star_in_the_dark_is_a_source_and_hot_pixels_are_none():
    frame = np.random.default_rng(1).normal(0.0, 5.0, (320, 320))
    frame[::40, ::40] += 500.0
    assert measure_dark_part(frame, 5.0)["has_sources"] == 0.0
    frame[100:104, 200:204] += 60.0
    assert measure_dark_part(frame, 5.0)["has_sources"] == 1.0
