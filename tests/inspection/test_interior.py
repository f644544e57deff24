"""Amplifiers found in the pixels alone: drawn layouts, frames of one amplifier, real frames."""

from __future__ import annotations

import os
import warnings
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from layout_cases import count_of, draw
from workbench import command
from zeroframe.headers.survey import survey_tree
from zeroframe.inspection.image_layout import image_layout
from zeroframe.inspection.sources import Pixels
from zeroframe.inspection.unknown_layouts import found_in_pixels

SHARED = Path(__file__).parents[3] / "shared" / "data"
MANY = 200 if os.environ.get("ZEROFRAME_ALL_CASES") else 24


def layout_of(drawn):
    return image_layout(*([Pixels(frame) for frame in some] for some in (drawn.biases, drawn.flats)))


def wrong_along(found, ranges):
    """Say what is wrong of the parts along one axis: their number, an image, or the strip that gives the level."""
    if len(found.parts) != count_of(ranges):
        return f"{len(found.parts)} of {count_of(ranges)}"
    if len(found.parts) == 1:
        return ""
    images = [each for each in ranges if each.kind == "image"]
    for part, image in zip(found.parts, images, strict=True):
        if (part.image.start, part.image.stop) != (image.begin, image.end):
            return f"image {part.image}, not {image}"
        own = [each for each in ranges if each.owner == image.owner and each.kind == "overscan"]
        if bool(own) != bool(part.strips):
            return f"strips {part.strips}, not {own}"
        if own and not any(each.begin <= part.strips[0].start and part.strips[0].stop <= each.end for each in own):
            return f"strip {part.strips[0]}, not {own}"
    return ""


def verdict(drawn):
    """Say how a layout was found: right to the column, with a word of doubt, taken for one amplifier, or wrong."""
    found = layout_of(drawn)
    wrong = [wrong_along(found.along_x, drawn.columns), wrong_along(found.along_y, drawn.rows)]
    word = "said" if found.doubts else "without a word"
    if not any(wrong):
        return "right"
    return f"{'one' if found.amplifiers == 1 else 'wrong'}, {word}"


def test_drawn_layouts():
    counts = Counter(verdict(draw(seed)) for seed in range(MANY))
    assert counts["right"] >= 0.9 * MANY, counts
    assert counts["wrong, without a word"] + counts["one, without a word"] <= 0.01 * MANY, counts


def test_two_amplifiers_with_strips_in_mid_frame_are_right():
    """The common spectrograph, whose drifts may be the same."""
    drawn = [draw(seed, (2, 1)) for seed in range(1000, 1000 + MANY)]
    inner = [each for each in drawn if "serial inner" in each.says]
    assert len(inner) > 3
    counts = Counter(map(verdict, inner))
    assert counts["right"] == len(inner), counts


def test_no_seam_is_invented_where_one_amplifier_reads():
    assert {layout_of(draw(10_000 + seed, (1, 1))).amplifiers for seed in range(MANY)} == {1}


def test_dead_columns_in_mid_frame_are_no_strip():
    drawn = draw(3, (1, 1))
    flats = drawn.flats.copy()
    image = next(each for each in drawn.columns if each.kind == "image")
    dead = slice((image.begin + image.end) // 2, (image.begin + image.end) // 2 + 7)
    flats[:, :, dead] = drawn.biases[: len(flats), :, dead][: len(flats)]
    found = image_layout([Pixels(each) for each in drawn.biases], [Pixels(each) for each in flats])
    assert found.amplifiers == 1
    assert any(f"columns {dead.start + 1} to {dead.stop} see no light" in doubt for doubt in found.doubts)


def test_drift_that_is_a_ramp_over_the_columns_is_no_seam():
    """The level settles along each row, more in one frame than in the next."""
    random = np.random.default_rng(5)
    drawn = draw(10_007, (1, 1))
    nx = drawn.columns[-1].end
    settles = np.exp(-np.arange(nx) / 30.0) + np.arange(nx) / nx
    biases = [each + random.normal(0, 10) * settles for each in drawn.biases]
    found = image_layout([Pixels(each) for each in biases], [Pixels(each) for each in drawn.flats])
    assert found.amplifiers == 1
    assert not found.by_turns


@pytest.mark.skipif(not SHARED.is_dir(), reason="needs the real frames")
def test_no_seam_is_invented_in_real_frames():
    groups = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for item in survey_tree(SHARED):
            if item.problem is None and item.facts is not None and item.found is None:
                groups.setdefault((item.path.parent, item.form, item.facts.instrument), []).append(item)
    looked = 0
    for members in groups.values():
        kinds = Counter(item.facts.kind for item in members)
        looked += kinds["bias"] >= 2 and kinds["flat"] >= 1
        assert found_in_pixels(members) is None, members[0].path  # a doubt would be a warning, and so an error here
    assert looked >= 5


def test_columns_that_are_read_by_turns_are_refused(tmp_path):
    random = np.random.default_rng(6)
    drawn = draw(10_008, (1, 1))
    odd = np.arange(drawn.columns[-1].end) % 2
    biases = [each + odd * random.normal(0, 2) for each in drawn.biases]
    for axis, word in ((1, "columns"), (0, "rows")):
        turned = [[each if axis == 1 else each.T for each in some] for some in (biases, drawn.flats)]
        found = image_layout(*([Pixels(each) for each in some] for some in turned))
        assert f"levels of odd and even {word} drift apart" in found.by_turns
    write_frames(tmp_path, biases, drawn.flats)
    run = command("night", tmp_path, "-o", tmp_path.parent / "out")
    assert run.code == 2
    assert "two amplifiers that take turns" in run.err


def test_one_bias_that_was_read_to_half_makes_no_amplifiers():
    drawn = draw(10_009, (1, 1))
    biases = drawn.biases.copy()
    biases[1, len(biases[1]) // 2 :] = 65535.0
    found = image_layout([Pixels(each) for each in biases], [Pixels(each) for each in drawn.flats])
    assert found.amplifiers == 1


def write_frames(folder, biases, flats):
    for kind, frames in (("zero", biases), ("flat", flats)):
        for number, pixels in enumerate(frames):
            header = fits.Header(
                {"OBSTYPE": kind, "EXPTIME": 5.0 * (kind == "flat"), "INSTRUME": "drawn", "FILTER": "R"}
            )
            header["DATE-OBS"] = f"2024-05-01T{2 + (kind == 'flat'):02d}:{number:02d}:00"
            fits.PrimaryHDU(np.rint(pixels).astype(np.uint16), header).writeto(folder / f"{kind}{number}.fits")
