"""Two amplifiers of one chip, and columns at their seam that no light reaches: they stay where the header has them."""

from __future__ import annotations

import numpy as np
import pytest
from astropy.io import fits

import zeroframe
from zeroframe.headers.survey import survey_tree
from zeroframe.inspection.amplifiers import look_at_amplifiers

HALF, NY, STRIP, PRESCAN = 120, 150, 24, 6
LIMIT = 2_000_000_000


def strip(rng, columns, level):
    return rng.normal(level, 3.0, (NY, columns))


def by_letters(rng, image, stated=0):
    """Strips at the outer sides, as of DECam: the unlit columns of both halves touch each other."""
    pixels = [strip(rng, STRIP, 1000), image[:, :HALF] + 1000, image[:, HALF:] + 1100, strip(rng, STRIP, 1100)]
    a, b = STRIP + 1 + stated, STRIP + HALF + 1
    cards = {
        "DATASECA": f"[{a}:{a + HALF - 1},1:{NY}]", "DATASECB": f"[{b}:{b + HALF - 1},1:{NY}]",
        "BIASSECA": f"[1:{STRIP},1:{NY}]", "BIASSECB": f"[{b + HALF}:{b + HALF + STRIP - 1},1:{NY}]",
    }  # fmt: skip
    return [(np.hstack(pixels), cards)], [(a - stated, 1), (b, 1)], [(1, STRIP), (b + HALF, STRIP)]


def by_digits(rng, image, stated=0):
    """Strips at the seam, as of KCWI: DSEC1, BSEC1, CSEC1; those of the second fall, as the pixels are read."""
    left = [strip(rng, PRESCAN, 1000), image[:, :HALF] + 1000, strip(rng, STRIP, 1000)]
    right = [strip(rng, STRIP, 1080), image[:, HALF:] + 1080, strip(rng, PRESCAN, 1080)]
    end = PRESCAN + HALF
    a, b = PRESCAN + 1 + stated, end + 2 * STRIP + 1
    cards = {
        "NVIDINP": 2, "DSEC1": f"[{a}:{a + HALF - 1},1:{NY}]", "DSEC2": f"[{b + HALF - 1}:{b},1:{NY}]",
        "BSEC1": f"[{end + 1}:{end + STRIP},1:{NY}]", "BSEC2": f"[{end + STRIP + 1}:{b - 1},1:{NY}]",
        "CSEC1": f"[1:{HALF},1:{NY}]", "CSEC2": f"[{2 * HALF}:{HALF + 1},1:{NY}]",
    }  # fmt: skip
    return (
        [(np.hstack([*left, *right]), cards)],
        [(a - stated, 1), (b, 1)],
        [(end + 1, STRIP), (end + STRIP + 1, STRIP)],
    )


def by_extensions(rng, image, stated=0):
    """An extension each, the second turned, as of LRIS."""
    made = []
    for number, part in enumerate((image[:, :HALF], image[:, : HALF - 1 : -1])):
        level = 1000 + 80 * number
        pixels = np.hstack([strip(rng, PRESCAN, level), part + level, strip(rng, STRIP, level)])
        place = f"[1:{HALF},1:{NY}]" if number == 0 else f"[{2 * HALF}:{HALF + 1},1:{NY}]"
        a = PRESCAN + 1 + stated
        made.append((pixels, {"EXTNAME": f"VidInp{number + 1}", "DATASEC": f"[{a}:{a + HALF - 1},1:{NY}]",
                              "BIASSEC": f"[{PRESCAN + HALF + 1}:{PRESCAN + HALF + STRIP},1:{NY}]",
                              "DETSEC": place}))  # fmt: skip
    places = [(PRESCAN + 1, 1), (PRESCAN + 1, NY + 1)]
    return made, places, [(PRESCAN + HALF + 1, STRIP)] * 2


def written(folder, layout, *, gap, outer=0, stated=0):
    """Write biases, flats and science frames; return where the data and the strips of both amplifiers truly begin."""
    rng = np.random.default_rng(4)
    folder.mkdir()
    for number, (kind, exposure, light) in enumerate(
        [("bias", 0, 0)] * 5 + [("flat", 5, 20000)] * 3 + [("object", 60, 300)]
    ):
        lit = np.full((NY, 2 * HALF), float(light))
        lit[:, HALF - gap : HALF + gap] = 0.0
        lit[:, :outer] = 0.0
        image = rng.poisson(lit * 1.5) / 1.5 + rng.normal(0.0, 3.0, lit.shape)
        parts, data, strips = layout(rng, image, stated)
        own = {"IMAGETYP": kind, "EXPTIME": float(exposure), "DATE-OBS": f"2020-01-01T02:{number:02d}:00"}
        own |= {"INSTRUME": layout.__name__}
        pixels = [(each.round().astype(np.uint16), cards) for each, cards in parts]
        if len(pixels) == 1:
            fits.writeto(folder / f"x{number}.fits", pixels[0][0], fits.Header(own | pixels[0][1]))
        else:
            hdus = [fits.ImageHDU(each, fits.Header(cards)) for each, cards in pixels]
            fits.HDUList([fits.PrimaryHDU(header=fits.Header(own)), *hdus]).writeto(folder / f"x{number}.fits")
    return data, strips


def looked_at(folder):
    return look_at_amplifiers(list(survey_tree(folder, recurse=False)), LIMIT).found.detector.amplifiers


def ends(section):
    return section.ranges[0].ends()


LAYOUTS = [by_letters, by_digits, by_extensions]


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("gap", [0, 1, 12])
def test_unlit_columns_at_the_seam_stay_image(tmp_path, layout, gap):
    data, strips = written(tmp_path / "raw", layout, gap=gap)
    for each, (first, _), (begin, width) in zip(looked_at(tmp_path / "raw"), data, strips, strict=True):
        assert ends(each.trim) == (first, first + HALF - 1)
        low, high = ends(each.overscan)
        assert begin <= low < high <= begin + width - 1
        assert high - low + 1 >= width - 3


@pytest.mark.parametrize("layout", LAYOUTS)
def test_unlit_columns_at_an_outer_end_are_cut(tmp_path, layout):
    data, _ = written(tmp_path / "raw", layout, gap=0, outer=8)
    first, second = looked_at(tmp_path / "raw")
    assert ends(first.trim) == (data[0][0] + 8, data[0][0] + HALF - 1)
    assert ends(second.trim) == (data[1][0], data[1][0] + HALF - 1)


def test_a_header_that_is_off_by_some_columns_is_still_contradicted(tmp_path):
    data, _ = written(tmp_path / "raw", by_digits, gap=0, stated=2)
    first, _ = looked_at(tmp_path / "raw")
    assert ends(first.trim) == (data[0][0], data[0][0] + HALF - 1)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_halves_of_a_result_are_not_pushed_together(tmp_path, layout):
    written(tmp_path / "raw", layout, gap=4)
    zeroframe.night(tmp_path / "raw", tmp_path / "out", report=False)
    pixels, mask = (fits.getdata(tmp_path / "out" / "x8.fits", name) for name in (0, "MASK"))
    assert pixels.shape == (NY, 2 * HALF)
    dark = np.flatnonzero((mask != 0).mean(axis=0) > 0.9)
    assert dark.tolist() == list(range(HALF - 4, HALF + 4))


def test_a_slit_that_lights_a_part_of_two_amplifiers_makes_no_camera_that_contradicts_itself(tmp_path):
    """Parts of the unlit image pass for strips; no header speaks of the amplifiers."""
    rng = np.random.default_rng(2)
    columns, width, raw = 133, 101, tmp_path / "raw"
    raw.mkdir()
    x = np.arange(columns)
    light = np.where((x >= 31) & (x < 75), 7400.0, 35.0 + 60.0 * np.exp(-np.abs(x - 53.0) / 14.0))
    light[[30, 31, 75, 76]] = 345.0, 3100.0, 4700.0, 1000.0
    light[width:] = 0.0
    for number, (kind, exposure, level) in enumerate(
        [("bias", 0, 0)] * 5 + [("flat", 5, 1)] * 3 + [("object", 60, 0.05)]
    ):
        one = rng.poisson(np.broadcast_to(level * light, (300, columns)) * 2.0) / 2.0
        pixels = np.hstack([one + 650, one[:, ::-1] + 750]) + rng.normal(0, 1.5, (300, 2 * columns))
        header = fits.Header({"IMAGETYP": kind, "EXPTIME": float(exposure), "INSTRUME": "slit", "GAIN": 2.0})
        header["DATE-OBS"] = f"2020-01-01T02:{number:02d}:00"
        fits.writeto(raw / f"x{number}.fits", pixels.round().astype(np.uint16), header)
    zeroframe.night(raw, tmp_path / "out", report=False)
    assert fits.getdata(tmp_path / "out" / "x8.fits").shape == (300, 2 * width)
