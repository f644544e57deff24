"""Amplifiers found in the pixels alone: drawn layouts, frames of one amplifier, real frames."""

from __future__ import annotations

import os
import warnings
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from layout_cases import count_of, draw
from layout_figures import by_header, by_pixels, layout_of, write_frames
from workbench import command
from zeroframe.headers.survey import survey_tree
from zeroframe.inspection.image_layout import image_layout
from zeroframe.inspection.sources import Pixels
from zeroframe.inspection.unknown_layouts import found_in_pixels
from zeroframe.simulate import SIMULATED_CAMERAS, simulate_night

SHARED = Path(__file__).parents[3] / "shared" / "data"
MANY = 200 if os.environ.get("ZEROFRAME_ALL_CASES") else 16


@pytest.mark.long
def test_drawn_layouts():
    """Right to the column in nine of ten; what is not comes with a word."""
    counts = Counter(by_pixels(draw(seed))[0] for seed in range(MANY))
    assert counts["right"] + counts["right, with a doubt"] >= 0.9 * MANY, counts
    assert not [said for said in counts if "without a word" in said], counts


@pytest.mark.long
@pytest.mark.parametrize("seed", [150, 158, 174, 192, 3070, 3090])
def test_amplifiers_that_differ_in_gain_alone_are_told(seed):
    """Levels are 1 to 3 ADU apart, drift together, and read noise is alike: only the light of flats steps."""
    drawn = draw(seed)
    assert "without a word" not in by_pixels(drawn)[0]


def test_a_step_of_light_in_a_part_of_the_rows_is_no_amplifier():
    """The edge of a speck of dust, which a sensor of one amplifier has."""
    drawn = draw(10_011, (1, 1))
    flats = drawn.flats.copy()
    image = next(each for each in drawn.columns if each.kind == "image")
    columns, rows = slice((image.begin + image.end) // 2, (image.begin + 3 * image.end) // 4), flats.shape[1]
    flats[:, : rows // 4, columns] *= 0.9
    assert not layout_of(replace(drawn, flats=flats)).doubts


@pytest.mark.long
def test_a_header_that_is_true_is_confirmed():
    # the last two had been cut by jumps of the level beyond the borders of their data
    counts = Counter(by_header(draw(seed))[0] for seed in (*range(MANY // 2), 18, 25))
    del counts[None]  # one amplifier
    assert counts["right"] == counts.total() > 3, counts


@pytest.mark.long
def test_a_header_that_is_off_by_some_columns_is_contradicted():
    """Only where strips stand at all: else a header that cuts some columns off may mean it."""
    counts = Counter()
    for seed in range(MANY // 2):
        drawn = draw(seed)
        if count_of(drawn.columns) > 1 and any(each.kind == "overscan" for each in drawn.columns):
            counts[by_header(drawn, 3)[0]] += 1
    assert counts["right"] == counts.total() > 3, counts


def test_two_amplifiers_with_strips_in_mid_frame_are_right():
    """The common spectrograph, whose drifts may be the same."""
    drawn = [draw(seed, (2, 1)) for seed in range(1000, 1000 + MANY)]
    inner = [each for each in drawn if "serial inner" in each.says]
    assert len(inner) > 3
    counts = Counter(by_pixels(each)[0].partition(",")[0] for each in inner)
    assert counts["right"] == len(inner), counts


@pytest.mark.long
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


@pytest.mark.parametrize("name", ["palomar-lfc", "apogee-cg16m"])
def test_strips_of_simulated_cameras_of_one_amplifier_are_none_of_another(tmp_path, name):
    """Light reaches that of the Apogee, whose level drifts by itself: it is no image, and no seam is beside it."""
    simulate_night(replace(SIMULATED_CAMERAS[name], image_shape_yx=(300, 400)), tmp_path, seed=1)
    assert found_in_pixels(survey_tree(tmp_path)) is None


@pytest.mark.parametrize("kind", ["rows", "walk", "start"])
def test_rough_drifts_are_no_seams(kind):
    """Noise of whole rows, levels that walk along the frame, and rows and a frame that begin off."""
    random, drawn = np.random.default_rng(7), draw(10_011, (1, 1))
    _, ny, nx = drawn.biases.shape

    def rough(frame):
        if kind == "rows":
            return frame + random.normal(0, 3, (ny, 1))
        if kind == "walk":
            return frame + np.cumsum(random.normal(0, 0.5, ny))[:, None]
        begins = np.where(np.arange(ny) < 3, random.normal(0, 50), 0)[:, None]
        return frame + random.normal(0, 2) * np.exp(-np.arange(nx) / 20) + begins

    frames = [np.stack([rough(frame) for frame in some]) for some in (drawn.biases, drawn.flats)]
    assert layout_of(replace(drawn, biases=frames[0], flats=frames[1])).amplifiers == 1


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


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("noise_of_lines_adu", [0.5, 3.0, 20.0])
def test_noise_that_a_line_has_in_common_is_no_turn(axis, noise_of_lines_adu):
    """Bands: the level of each row, or column, jumps from line to line and from frame to frame."""
    random = np.random.default_rng(7)
    for seed in range(10_020, 10_026):
        drawn = draw(seed, (1, 1))
        size = [1, 1]
        size[axis] = drawn.biases[0].shape[axis]
        biases = [each + random.normal(0, noise_of_lines_adu, size) for each in drawn.biases]
        found = image_layout([Pixels(each) for each in biases], [Pixels(each) for each in drawn.flats])
        assert not found.by_turns, seed


def test_columns_that_are_read_by_turns_are_refused(tmp_path):
    random = np.random.default_rng(6)
    drawn = draw(10_008, (1, 1))
    odd = np.arange(drawn.columns[-1].end) % 2
    biases = [each + odd * random.normal(0, 2) for each in drawn.biases]
    for axis, word in ((1, "columns"), (0, "rows")):
        turned = [[each if axis == 1 else each.T for each in some] for some in (biases, drawn.flats)]
        found = image_layout(*([Pixels(each) for each in some] for some in turned))
        assert f"levels of odd and even {word} drift apart" in found.by_turns
    write_frames(tmp_path, replace(drawn, biases=np.stack(biases)))
    run = command("night", tmp_path, "-o", tmp_path.parent / "out")
    assert run.code == 2
    assert "two amplifiers that take turns" in run.err


def test_one_bias_that_was_read_to_half_makes_no_amplifiers():
    drawn = draw(10_009, (1, 1))
    biases = drawn.biases.copy()
    biases[1, len(biases[1]) // 2 :] = 65535.0
    found = image_layout([Pixels(each) for each in biases], [Pixels(each) for each in drawn.flats])
    assert found.amplifiers == 1


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("count", [3, 5])
def test_a_level_that_jumps_as_a_bias_is_read_makes_no_amplifiers(axis, count):
    # each frame at a row of its own, image and overscan alike
    rng = np.random.default_rng(count)

    def frame(light_e):
        pixels = 1000.0 + rng.normal(0.0, 0.5) + rng.normal(0.0, 4.0, (240, 332))
        pixels[:, :300] += rng.poisson(light_e, (240, 300)) / 1.5 + pattern
        pixels[rng.integers(20, 220) :] += rng.normal(0.0, 8.0)
        return Pixels((pixels if axis == 0 else pixels.T).round().clip(0, 65535).astype(np.uint16))

    pattern = rng.normal(0.0, 1.0, 300)
    found = image_layout([frame(0.0) for _ in range(count)], [frame(30000.0) for _ in range(3)])
    assert found.amplifiers == 1
