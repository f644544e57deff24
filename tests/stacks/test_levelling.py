"""Frames whose levels wander, with hits of known places: what is rejected does not depend on the levels."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from astropy.io import fits

from zeroframe.headers.kinds import Kind
from zeroframe.stacks.clipping import clip_spec
from zeroframe.stacks.levelling import LevelledStack
from zeroframe.stacks.measured import combine_prepared, prepare
from zeroframe.stacks.stack import ArrayStack, open_stack

SHAPE, NOISE = (300, 320), 4.0


def drawn(levels, seed=1, share=1e-3):
    """Return frames of these levels, and where one of them, and no more, was hit."""
    chance = np.random.default_rng(seed)
    pattern = chance.normal(0.0, NOISE / 2, SHAPE)
    frames, hits = [], np.zeros((len(levels), *SHAPE), bool)
    for level, hit in zip(levels, hits, strict=True):
        frame = level + pattern + chance.normal(0.0, NOISE, SHAPE)
        hit[:] = chance.random(SHAPE) < share
        frame[hit] += np.exp(chance.uniform(np.log(60.0), np.log(3000.0), hit.sum()))
        frames.append(np.rint(frame).astype(np.float32))
    return frames, pattern, hits.sum(axis=0) == 1, hits.any(axis=0)


def combined(frames, spread="noise", method="average", kind=Kind.DARK):
    stack = ArrayStack(frames, [None] * len(frames), tuple(map(str, range(len(frames)))))
    prepared = prepare(stack, clip_spec(method, 5.0, spread), spread, kind=kind)
    return *combine_prepared(stack, prepared), prepared


LEVELS = {
    "two": (300.0, 340.0),
    "three": (300.0, 340.0, 395.0),
    "two and one far off": (300.0, 301.0, 390.0),
    "a random walk": (300.0, 315.0, 340.0, 322.0, 360.0),
    "ten": tuple(300.0 + 15.0 * np.random.default_rng(3).standard_normal(10)),
}


@pytest.mark.parametrize("kind", [Kind.BIAS, Kind.DARK])
@pytest.mark.parametrize("levels", LEVELS.values(), ids=LEVELS)
def test_hits_are_rejected_and_leave_pixels_of_the_level_of_the_others(levels, kind):
    frames, pattern, once, hit = drawn(levels)
    found, clipping, prepared = combined(frames, kind=kind)
    off = found.data - pattern
    level = np.median(off[~hit])
    off -= level
    error = NOISE / np.sqrt(len(levels) - 1)
    assert once.sum() > 150
    assert np.abs(off[once]).max() < 6.0 * error
    assert np.square(off[~hit] / found.uncertainty[~hit]).mean() == pytest.approx(1.0, abs=0.04)
    assert clipping.rejected == pytest.approx(once.sum(), abs=8, rel=0.02)
    said = prepared.error_cards(len(levels))
    assert said["LEVELERR"][0] == pytest.approx(np.std(levels, ddof=1) / np.sqrt(len(levels)), rel=0.02)
    assert said["LEVELOFF"][0] == pytest.approx(np.ptp(levels), rel=0.02)


@pytest.mark.parametrize("method", ["average", "median"])
def test_the_level_is_what_it_was(method):
    frames, _, _, hit = drawn(LEVELS["three"])
    found, _, _ = combined(frames, method=method)
    plain = np.mean(frames, axis=0) if method == "average" else np.median(frames, axis=0)
    assert np.median(found.data[~hit]) == pytest.approx(np.median(plain[~hit]), abs=0.5)
    if method == "average":
        assert np.abs((found.data - plain)[found.counts == 3]).max() < 1e-3


@pytest.mark.parametrize(
    ("levels", "spread", "kind"),
    [
        ((300.0, 300.5, 301.0), "noise", Kind.DARK),
        ((300.0, 340.0, 395.0), "mad", Kind.DARK),
        ((300.0, 340.0, 395.0), "std", Kind.BIAS),
        ((300.0, 340.0, 395.0), "noise", Kind.SCIENCE),
        ((300.0, 340.0, 395.0), "noise", None),
        ((300.0, 340.0, 395.0), "noise", Kind.FLAT),
    ],
)
def test_frames_of_one_level_others_rules_and_light_stay_as_they_are(levels, spread, kind):
    frames, _, _, _ = drawn(levels)
    _, _, prepared = combined(frames, spread, kind=kind)
    assert prepared.offsets == ()
    assert "LEVELOFF" not in prepared.error_cards(len(levels))
    stack = ArrayStack(frames, [None] * 3, tuple("abc"))
    assert LevelledStack.of(stack, prepared.offsets) is stack


def test_processes_that_read_files_give_the_same_bits(tmp_path):
    frames, _, _, _ = drawn(LEVELS["three"])
    for number, frame in enumerate(frames):
        fits.writeto(tmp_path / f"{number}.fits", frame)
    stack, _ = open_stack(sorted(tmp_path.glob("*.fits")), in_memory_bytes=0)
    prepared = prepare(stack, clip_spec("average", 5.0), kind=Kind.DARK)
    here, _ = combine_prepared(stack, prepared)
    with ThreadPoolExecutor(2) as pool:
        there, _ = combine_prepared(stack, prepared, masked=(0, 0, 0), executor=pool)
    for name in ("data", "uncertainty", "counts"):
        assert getattr(there, name).tobytes() == getattr(here, name).tobytes()
