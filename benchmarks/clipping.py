"""``python -m benchmarks.clipping``: ways of rejecting values, on biases whose truth is known.

``--write-docs`` writes docs/clipping.md.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass, replace
from math import pi, sqrt
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from zeroframe.frames.statistics import clipped_std, sampled_level
from zeroframe.simulate import SIMULATED_CAMERAS, bias_specs, sensor_truth, simulate_frame
from zeroframe.stacks.clipping import ClipSpread, clip_spec, gaussian_rate, noise_floor, with_floor
from zeroframe.stacks.combine import CombineSpec, combine_stack
from zeroframe.stacks.noise import frame_noise
from zeroframe.stacks.stack import ArrayStack

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__: list[str] = []

ROOT = Path(__file__).resolve().parents[1]
NUMBERS = (3, 6, 12, 25)
SHAPE_YX = (512, 1024)
#: Columns of the overscan that light does not reach, of which each row's median is subtracted.
FREE_COLUMNS = 25
#: Tracks in 60 times the number that a bias of the simulated camera has, so that there are thousands of hit pixels.
MORE_COSMIC_RAYS = 60
#: Weak hits beside them, in one pixel of so many: the tails of charge that spreads.
FAINT_FRACTION, FAINT_ADU = 5e-4, (15.0, 60.0)
CAMERA = replace(
    SIMULATED_CAMERAS["palomar-lfc"],
    image_shape_yx=SHAPE_YX,
    cosmic_rays_per_mpix_s=MORE_COSMIC_RAYS * SIMULATED_CAMERAS["palomar-lfc"].cosmic_rays_per_mpix_s,
)
#: Read noise, rounding to whole numbers, and the noise of the median that is subtracted from each row.
SIGMA_ADU = sqrt(CAMERA.read_noise_adu**2 + 1 / 12) * sqrt(1 + pi / 2 / FREE_COLUMNS)


@dataclass(frozen=True)
class Rule:
    """A way of combining; ``iterations`` as often as its original repeats."""

    name: str
    spec: CombineSpec
    spread: ClipSpread = "mad"


def _rule(name: str, clip: float, spread: ClipSpread, iterations: int = 1) -> Rule:
    spec = clip_spec("average", clip, spread)
    return Rule(name, replace(spec, rejection=replace(spec.rejection, iterations=iterations)), spread)


RULES = (
    _rule("**5 MAD, no less than the noise** (`noise`, the default)", 5, "noise"),
    _rule("5 MAD (`mad`, the notebooks')", 5, "mad"),
    _rule("5 noises (`ccd`)", 5, "ccd"),
    _rule("3 noises, repeated (IRAF's ccdclip)", 3, "ccd", 10),
    _rule("5 standard deviations (`std`)", 5, "std"),
    _rule("3 standard deviations, repeated (IRAF's sigclip)", 3, "std", 10),
    Rule("median", CombineSpec("median")),
    Rule("average of all", CombineSpec("average")),
)


@dataclass(frozen=True)
class Night:
    """Calibrated frames, what they have in common, and where what hit them."""

    frames: list[NDArray[np.float32]]
    pattern_adu: NDArray[np.float32]
    rays: list[NDArray[np.bool_]]
    faint: list[NDArray[np.bool_]]


def simulate(seed: int, frames: int) -> Night:
    """Make calibrated biases."""
    sensor = sensor_truth(CAMERA, seed, filter_names=[])
    night = Night([], sensor.fixed_pattern_adu, [], [])
    rows, columns = CAMERA.image_slices_yx
    for index, spec in enumerate(bias_specs(CAMERA, frames)):
        frame = simulate_frame(CAMERA, spec, seed, index=index, sensor=sensor)
        random = np.random.default_rng((seed, index))
        faint = random.random(SHAPE_YX) < FAINT_FRACTION
        raw = frame.pixels.astype(np.float32)
        raw[rows, columns][faint] += np.rint(random.uniform(*FAINT_ADU, int(faint.sum()))).astype(np.float32)
        level = np.median(raw[:, -FREE_COLUMNS:], axis=1, keepdims=True)
        night.frames.append((raw - level)[rows, columns])
        night.rays.append(frame.truth.cosmic_rays)
        night.faint.append(faint & ~frame.truth.cosmic_rays)
    return night


@dataclass
class Tally:
    """What a rule did to all nights of one number of frames."""

    variance: float = 0.0
    nights: int = 0
    rays: int = 0
    rays_left: int = 0
    faint_bias: float = 0.0
    rejected: int = 0
    values: int = 0
    rate: float | None = 0.0


def measure(rule: Rule, night: Night, frames: int, tally: Tally) -> None:
    """Combine the first frames of a night, and hold the result against the truth."""
    arrays = night.frames[:frames]
    stack = ArrayStack(arrays, [None] * frames, tuple(map(str, range(frames))))
    noise = frame_noise(stack)
    floor = noise_floor(noise, [sampled_level(array) for array in arrays])
    spec = with_floor(rule.spec, rule.spread, floor, frames)
    combined = combine_stack(stack, spec)
    error = combined.data - night.pattern_adu
    rays, faint = np.any(night.rays[:frames], axis=0), np.any(night.faint[:frames], axis=0)
    clean = ~(rays | faint)
    error -= np.mean(error[clean])
    sigma = SIGMA_ADU / sqrt(frames)
    tally.variance += clipped_std(error[clean]) ** 2
    tally.nights += 1
    # where two frames are hit at one place no rule can tell; they are counted for all
    tally.rays += int(rays.sum())
    tally.rays_left += int(np.count_nonzero(np.abs(error[rays]) > 5 * sigma))
    tally.faint_bias += float(np.mean(error[faint & ~rays])) / sigma
    tally.rejected += int(frames * clean.sum() - combined.counts[clean].sum(dtype=np.int64))
    tally.values += int(frames * clean.sum())
    tally.rate = gaussian_rate(frames, spec.rejection, SIGMA_ADU)


def run(seeds: Sequence[int]) -> dict[tuple[str, int], Tally]:
    """Measure every rule for every number of frames."""
    tallies = {(rule.name, frames): Tally() for rule in RULES for frames in NUMBERS}
    for seed in seeds:
        night = simulate(seed, max(NUMBERS))
        for (name, frames), tally in tallies.items():
            measure(next(rule for rule in RULES if rule.name == name), night, frames, tally)
    return tallies


INTRODUCTION = """\
# Clipping that knows the noise

Made by `python -m benchmarks.clipping --write-docs`; do not edit.

With few frames the spread of the values of one pixel says little about their noise. The MAD of six values of a normal
distribution is often a fraction of sigma, and that of whole numbers may be zero, so that good values are rejected; a
lone outlier cannot stand further than n / sqrt(n - 1) standard deviations from the median, so that nothing is rejected
at five in six frames. The noise of the frames is known far better, from pairs of them. So `zeroframe bias` and
`zeroframe combine` take 1.4826 MAD, *but no less than the noise of the frames* (`--clip-spread noise`). It is a floor
and never a ceiling: a pixel that is noisier than the others keeps its own spread, where IRAF's ccdclip, which takes
the noise alone, rejects its good values.

`--clip-spread mad` is the notebooks' recipe, `std` the standard deviation, `ccd` the noise alone. The noise is measured
and not typed in: from up to eight pairs of frames, with what the subtraction of an overscan adds to it, and with how
far the levels of the frames scatter; biases and darks whose levels are more than a noise apart are brought to one level
before, and the result has the level that it had. For darks, flats and light with a GAIN in their headers, brighter
pixels are given their photon noise. The MAD of five values or fewer is often several
sigma: of so few biases, darks or flats the noise decides alone, and of two values that it does not explain the
lower one stays. Of two frames of other kinds nothing is rejected.

## Measured

{seeds} simulated nights of Large Format Camera biases, {ny} x {nx} pixels, row medians of {columns} overscan columns
subtracted: noise {sigma:.2f} ADU, the camera's own cosmic rays in {more} times their number ({rays} hit pixels in the
{most} frames of all nights), and weak hits of {faint[0]:.0f} to {faint[1]:.0f} ADU in one pixel of {one_in:.0f}.
Against the notebooks' recipe the floor costs no noise and leaves no more cosmic rays; of hits that are too weak to
stand out it leaves a little more, since it rejects fewer values altogether. A lower `--clip` takes more of them, at
the price of good values.
"""

TABLES = (
    (
        "Noise over the ideal",
        "Of the combined frame against the truth, where nothing hit, over {sigma:.2f} ADU / sqrt(N). Good to 0.001.",
        lambda tally, frames: f"{sqrt(tally.variance / tally.nights) / (SIGMA_ADU / sqrt(frames)):.3f}",
    ),
    (
        "Cosmic rays left",
        (
            "Pixels that were hit and stand more than five sigma of the ideal combined frame off the truth, in a "
            "thousand. Where two of three frames are hit at one place, no rule can tell."
        ),
        lambda tally, _: f"{1000 * tally.rays_left / tally.rays:.1f}",
    ),
    (
        "What weak hits leave",
        "Mean error of the pixels with a weak hit, in sigma of the ideal combined frame.",
        lambda tally, _: f"{tally.faint_bias / tally.nights:.2f}",
    ),
    (
        "Good values rejected",
        (
            "Of the values of pixels that nothing hit, in a million; in brackets what the closing table calls "
            "*a Gaussian would give*."
        ),
        lambda tally, _: _rejected(tally),
    ),
)


def _rejected(tally: Tally) -> str:
    if tally.rate == 0.0 and tally.rejected == 0:
        return "0"
    expected = "" if tally.rate is None else f" ({_parts(tally.rate)})"
    return _parts(tally.rejected / tally.values) + expected


def _parts(fraction: float) -> str:
    return f"{1e6 * fraction:.2g}" if fraction < 1e-5 else f"{1e6 * fraction:.0f}"


def render(tallies: dict[tuple[str, int], Tally], seeds: int) -> str:
    """Return the page in Markdown."""
    rays = tallies[RULES[0].name, max(NUMBERS)].rays
    facts = {
        "seeds": seeds,
        "ny": SHAPE_YX[0],
        "nx": SHAPE_YX[1],
        "columns": FREE_COLUMNS,
        "sigma": SIGMA_ADU,
        "more": MORE_COSMIC_RAYS,
        "rays": rays,
        "most": max(NUMBERS),
        "faint": FAINT_ADU,
        "one_in": 1 / FAINT_FRACTION,
    }
    parts = [INTRODUCTION.format(**facts)]
    for title, words, cell in TABLES:
        lines = ["| rule | " + " | ".join(f"N = {n}" for n in NUMBERS) + " |", "|---|" + "---:|" * len(NUMBERS)]
        for rule in RULES:
            cells = [cell(tallies[rule.name, frames], frames) for frames in NUMBERS]
            lines.append(f"| {rule.name} | " + " | ".join(cells) + " |")
        parts += [f"### {title}\n", words.format(**facts) + "\n", "\n".join(lines) + "\n"]
    return "\n".join(parts)


def main() -> int:
    """Measure, print, and write the page if asked for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.clipping", description=__doc__)
    parser.add_argument("--nights", type=int, default=6, help="simulated nights (%(default)s)")
    parser.add_argument("--write-docs", action="store_true", help="write docs/clipping.md")
    given = parser.parse_args()
    page = render(run(range(1, given.nights + 1)), given.nights)
    sys.stdout.write(page)
    if given.write_docs:
        (ROOT / "docs" / "clipping.md").write_text(page)
    return 0


if __name__ == "__main__":
    sys.exit(main())
