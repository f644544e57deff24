"""Amplifiers found in the pixels alone: drawn layouts, frames of one amplifier, real frames."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from interior_cases import draw
from zeroframe.headers.survey import survey_tree
from zeroframe.inspection.amplifiers import found_in_pixels
from zeroframe.inspection.interior import axis_layout

SHARED = Path(__file__).parents[3] / "shared" / "data"
MANY = 200 if os.environ.get("ZEROFRAME_ALL_CASES") else 72


def layout_of(drawn):
    biases, flats = drawn.biases.astype(float), drawn.flats.astype(float)
    return axis_layout(biases, flats, float(np.std(biases[1] - biases[0])) / np.sqrt(2.0))


def verdict(drawn):
    """Say how a layout was found: right to the column, not understood (which is said), taken for one, or wrong."""
    found = layout_of(drawn)
    if not found.is_understood:
        return "not understood"
    if len(found.parts) == 1:
        return "right" if len(drawn.images) == 1 else "taken for one"
    if tuple((part.image.start, part.image.stop) for part in found.parts) != drawn.images:
        return "wrong"
    within = [
        any(low <= part.strips[0].start and part.strips[0].stop <= high for low, high in strips)
        for part, strips in zip(found.parts, drawn.strips, strict=True)
    ]
    return "right" if all(within) else "wrong"


def test_drawn_layouts():
    """Of 200: 136 right to the column, 49 not understood, which is said, 12 taken for one amplifier, 3 wrong."""
    counts = Counter(verdict(draw(seed)) for seed in range(MANY))
    assert counts["right"] >= 0.6 * MANY
    assert counts["wrong"] <= 0.03 * MANY
    assert counts["taken for one"] <= 0.1 * MANY


def test_two_amplifiers_with_strips_in_mid_frame():
    """The common spectrograph: nearly all are right, and none is wrong by more than where two strips meet."""
    counts = Counter()
    for seed in range(1000, 1000 + MANY):
        drawn = draw(seed, 2)
        if any(drawn.strips[0][0][0] == stop for _, stop in drawn.images[:1]):
            counts[verdict(drawn)] += 1
    assert counts["right"] >= 0.9 * counts.total() > 5


def test_no_seam_is_invented_where_one_amplifier_reads():
    assert {verdict(draw(10_000 + seed, 1)) for seed in range(MANY)} == {"right"}


@pytest.mark.skipif(not SHARED.is_dir(), reason="needs the real frames")
@pytest.mark.filterwarnings("ignore")
def test_no_seam_is_invented_in_real_frames():
    groups = {}
    for item in survey_tree(SHARED):
        if item.problem is None and item.facts is not None and item.found is None:
            groups.setdefault((item.path.parent, item.form, item.facts.instrument), []).append(item)
    looked = 0
    for members in groups.values():
        kinds = Counter(item.facts.kind for item in members)
        looked += kinds["bias"] >= 2 and kinds["flat"] >= 1
        assert found_in_pixels(members) is None, members[0].path
    assert looked >= 2
