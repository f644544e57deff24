"""Three hundred seeded cameras, their frames, and what an inspection of these frames ought to say.

The truth is taken from the simulation's noise-free planes. A column of a strip is free of light when its mean leak in
the brightest frame that was given is below the noise of the level of one row, ``sigma * sqrt(pi / (2 n))`` for a strip
of n columns and a pixel noise sigma (read noise and digitisation): such a column moves the median of a row by less than
1/n of its noise. The region to use starts at the first column from which on that holds, and ends at the edge of the
frame; hot columns at either end of it are left out, those inside belong to it.

From case 200 on the cameras have little noise, or numbers in steps of 4 or 16.

A strip whose level light moves is good where that moves it less, in science frames, than they have drifted.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from zeroframe.simulate import (
    SIMULATED_CAMERAS,
    FrameSpec,
    SimulatedCamera,
    SimulatedFrame,
    Strip,
    sensor_truth,
    simulate_frame,
)

ALL_CASES = 300
#: From here on noise is of the order of the step between numbers; of further cases, too, of each 300 the last hundred.
FIRST_COARSE = 200
FEWEST_COLUMNS = 2
#: By how much science frames have drifted since the biases.
SCIENCE_DRIFT_ADU = -20.0
LAYOUTS = (
    *("right", "right", "left", "top", "right+top", "left+right", "none", "none", "bottom", "left+bottom"),
    *("hot", "hot", "cg16m", "cg16m", "offset", "drifts apart", "right", "left", "biases only", "no biases"),
)
COUNTS = (1, 2, 6)


@dataclass(frozen=True)
class Case:
    """One camera, how many frames of it are given, and their kinds."""

    number: int
    layout: str
    camera: SimulatedCamera
    specs: tuple[FrameSpec, ...]

    @property
    def name(self) -> str:
        counts = {kind: sum(spec.kind == kind for spec in self.specs) for kind in ("bias", "flat", "science")}
        return f"{self.number} {self.layout} {counts}"


@dataclass(frozen=True)
class StripTruth:
    """Columns (rows) of one strip, by FITS number."""

    side: str
    first: int
    last: int
    usable: tuple[int, int] | None
    good: bool | None


@dataclass(frozen=True)
class Truth:
    decision: str | None
    strips: dict[str, StripTruth]
    trim: tuple[int, int, int, int]


def is_coarse(number: int) -> bool:
    return number % ALL_CASES >= FIRST_COARSE


def make_case(number: int) -> Case:
    random = np.random.default_rng([20240501, number])
    layout = LAYOUTS[number % len(LAYOUTS)]
    count = COUNTS[(number // len(LAYOUTS)) % len(COUNTS)]
    base = SIMULATED_CAMERAS["palomar-lfc" if random.random() < 0.6 and layout != "cg16m" else "apogee-cg16m"]
    strips = _strips(layout, random)
    # A strip of rows cannot follow what drifts from row to row, whatever its level does.
    coarse = _coarse(base, random) if is_coarse(number) else {}
    step = coarse.get("step_adu", 1)
    only_rows = bool(strips) and all(strip.side in {"top", "bottom"} for strip in strips)
    camera = replace(
        base,
        name=f"case-{number}",
        image_shape_yx=(int(random.integers(280, 360)), int(random.integers(300, 420))),
        strips=strips,
        row_drift_adu=step * (0.1 if only_rows else float(random.uniform(0.3, 1.5))),
        frame_drift_adu=step * float(random.uniform(1.0, 3.0)),
        cosmic_rays_per_mpix_s=0.05,
        **coarse,
    )
    return Case(number, layout, camera, _specs(layout, count, camera, random))


def _coarse(base, random):
    """Read noise of 0.4 to 2 ADU in steps of 1, and of a third of a step to one and a half of 4 or 16."""
    step = int(random.choice([1, 1, 4, 16]))
    noise_adu = (
        float(np.exp(random.uniform(np.log(0.4), np.log(2.0)))) if step == 1 else step * random.uniform(0.35, 1.5)
    )
    return {"step_adu": step, "read_noise_e": noise_adu * base.gain_e_per_adu, "saturation_adu": 65520}


def _specs(layout, count, camera, random):
    light = camera.filters[0]
    flat_s = float(random.uniform(6000, 24000)) * camera.gain_e_per_adu / light.flat_e_per_s
    science_s = float(random.uniform(100, 400)) * camera.gain_e_per_adu / light.sky_e_per_s
    biases = [FrameSpec("bias")] * (0 if layout == "no biases" else count)
    flats = [
        FrameSpec("flat", flat_s, light.name, light_scale=float(random.uniform(0.9, 1.1)))
        for _ in range(0 if layout == "biases only" else count)
    ]
    science = [FrameSpec("science", science_s, light.name, level_offset_adu=SCIENCE_DRIFT_ADU)] * (
        layout != "biases only" and count > 1
    )
    return (*biases, *flats, *science)


def _strip(side, random, **changes):
    width = int(random.integers(10, 51))
    leaks = random.random() < 0.85
    cut = random.random() < 0.6
    strip = Strip(
        side,
        width,
        leak_pixels=0 if not leaks else int(random.integers(1, min(12, width - 6) + 1)) if cut else width,
        leak_fraction=float(10 ** random.uniform(-2.7, -1.0)) if leaks else 0.0,
        leak_length=float(random.uniform(0.6, 2.2)),
        offset_adu=float(random.choice([0.0, 3.0, -8.0, 12.0])),
        has_dark_current=bool(random.random() < 0.3),
    )
    return replace(strip, **changes)


def _strips(layout, random):
    if layout == "none":
        return ()
    if layout == "cg16m":  # light all over, an offset that light shifts, a level of its own
        width = int(random.integers(10, 21))
        return (
            Strip(
                str(random.choice(["left", "right"])),
                width,
                leak_pixels=width,
                leak_fraction=float(random.uniform(0.01, 0.06)),
                leak_length=float(random.uniform(5.0, 9.0)),
                offset_adu=12.0,
                lit_offset_adu=50.0,
                tracks_image=False,
                has_dark_current=True,
            ),
        )
    if layout == "offset":
        return (_strip("right", random, lit_fraction=float(10 ** random.uniform(-3.0, -0.5))),)
    if layout == "drifts apart":
        return (_strip(str(random.choice(["left", "right"])), random, tracks_image=False),)
    if layout == "hot":
        strip = _strip(str(random.choice(["left", "right"])), random)
        hot = random.choice(np.arange(strip.width), size=int(random.integers(1, 4)), replace=False)
        return (replace(strip, hot_pixels=tuple(int(k) for k in hot), hot_excess_adu=float(random.uniform(15, 80))),)
    if layout in {"biases only", "no biases"}:
        return (_strip("right", random),)
    return tuple(_strip(side, random) for side in layout.split("+"))


def frames_of(case: Case) -> list[SimulatedFrame]:
    names = {spec.filter_name for spec in case.specs if spec.is_lit}
    sensor = sensor_truth(case.camera, case.number, filter_names=names)
    return [
        simulate_frame(case.camera, spec, case.number, index=index, sensor=sensor)
        for index, spec in enumerate(case.specs)
    ]


def by_kind(case: Case, frames: list[SimulatedFrame]) -> dict[str, list[np.ndarray]]:
    kinds = {}
    for spec, frame in zip(case.specs, frames, strict=True):
        kinds.setdefault(spec.kind, []).append(frame.pixels)
    return kinds


def pixel_noise_adu(camera: SimulatedCamera) -> float:
    return float(np.sqrt(camera.read_noise_adu**2 + camera.step_adu**2 / 12.0))


def truth_of(case: Case, frames: list[SimulatedFrame]) -> Truth:
    rows, columns = case.camera.image_slices_yx
    trim = (columns.start + 1, columns.stop, rows.start + 1, rows.stop)
    if not any(spec.is_lit for spec in case.specs):
        return Truth("not proven", {}, trim)
    strips = {strip.side: _strip_truth(case, frames, number, strip) for number, strip in enumerate(case.camera.strips)}
    if not strips:
        return Truth("none", {}, trim)
    verdicts = [strip.good for strip in strips.values()]
    if None in verdicts and True not in verdicts:
        return Truth(None, strips, trim)
    return Truth("use" if True in verdicts else "do not use", strips, trim)


def mistakes(case: Case, frames: list[SimulatedFrame], result) -> list[str]:
    """What an inspection got wrong, each with one of the words 'verdict', 'region' and 'side' at its beginning."""
    truth = truth_of(case, frames)
    found = {strip.side: strip for strip in result.strips}
    wrong = []
    if truth.decision is not None and result.decision != truth.decision:
        wrong.append(f"verdict: {result.decision}, not {truth.decision}")
    if found.keys() != truth.strips.keys():
        wrong.append(f"side: {sorted(found)}, not {sorted(truth.strips)}")
    for side in found.keys() & truth.strips.keys():
        strip, true = found[side], truth.strips[side]
        if (min(strip.numbers), max(strip.numbers)) != (true.first, true.last):
            wrong.append(f"region: {side} {min(strip.numbers)}-{max(strip.numbers)}, not {true.first}-{true.last}")
        if strip.usable_numbers != true.usable:
            wrong.append(f"region: {side} use {strip.usable_numbers}, not {true.usable}")
        if true.good is not None and true.good != (not strip.objections):
            wrong.append(f"verdict: {side} {strip.objections}")
    if truth.strips or truth.decision == "none":
        x, y = (part.ends() for part in result.trim.ranges)
        if (*x, *y) != truth.trim:
            wrong.append(f"region: trim {result.trim}, not {truth.trim}")
    return wrong


def _strip_truth(case, frames, number, strip):
    camera = case.camera
    length = camera.shape_yx[1] if strip.side in {"left", "right"} else camera.shape_yx[0]
    width = strip.width
    fits = range(width, 0, -1) if strip.side in {"left", "bottom"} else range(length - width + 1, length + 1)
    threshold = pixel_noise_adu(camera) * np.sqrt(np.pi / (2 * width))
    free = np.array([leak < threshold for leak in _leak(case, frames, number, strip)])
    start = 0 if free.all() else int(np.flatnonzero(~free)[-1]) + 1
    columns = list(range(start, width))
    while columns and columns[0] in strip.hot_pixels:
        columns.pop(0)
    while columns and columns[-1] in strip.hot_pixels:
        columns.pop()
    ends = sorted((fits[columns[0]], fits[columns[-1]])) if columns else None
    cool = [column for column in columns if column not in strip.hot_pixels]
    good = len(cool) >= FEWEST_COLUMNS and follows(case, strip) and _is_worth_it(case, strip, threshold)
    # one bias does not tell whether a strip follows: what light does to the whole of it looks like drift
    if (
        len(cool) >= FEWEST_COLUMNS
        and strip.lit_offset_adu > 0
        and sum(spec.kind == "bias" for spec in case.specs) == 1
    ):
        good = None
    # Beside a strip of columns the level drifts from row to row, which a strip of rows cannot follow: not judged.
    judged = strip.side in {"left", "right"} or len({s.side in {"left", "right"} for s in camera.strips}) == 1
    return StripTruth(strip.side, min(fits), max(fits), tuple(ends) if ends else None, good if judged else None)


def _is_worth_it(case, strip, harmless_adu):
    """Whether light moves the level of a strip less than science frames drift; None within a factor of two."""
    if not strip.lit_fraction or not any(spec.kind == "bias" for spec in case.specs):
        return True
    light = case.camera.filters[0]
    seconds = {spec.kind: spec.exposure_s for spec in case.specs if spec.is_lit}
    has_science = "science" in seconds
    rate = light.sky_e_per_s if has_science else 0.01 * light.flat_e_per_s
    moved = strip.lit_fraction * rate * seconds["science" if has_science else "flat"] / case.camera.gain_e_per_adu
    allowed = max(abs(SCIENCE_DRIFT_ADU), harmless_adu) if has_science else harmless_adu
    return None if allowed / 2 < moved < 2 * allowed else moved < allowed


def _along(plane, strip):
    """Mean of a strip's plane for each of its columns, from the image outwards."""
    return {"right": plane, "left": plane[:, ::-1], "top": plane.T, "bottom": plane[::-1].T}[strip.side].mean(axis=0)


def _leak(case, frames, number, strip):
    """Light in each column, in the brightest frame: what the strip holds above the same strip without leak."""
    dark = replace(case.camera, strips=tuple(replace(one, leak_pixels=0) for one in case.camera.strips))
    rows = case.camera.image_slices_yx[0] if strip.side in {"left", "right"} else slice(None)
    sensor = sensor_truth(dark, case.number)
    most = np.zeros(strip.width)
    for index, (spec, frame) in enumerate(zip(case.specs, frames, strict=True)):
        if spec.kind == "flat":  # far brighter than science frames
            # streams hang on the camera's name, so that everything but the leak is the same
            without = simulate_frame(dark, spec, case.number, index=index, sensor=sensor)
            planes = [one.truth.strip_expected_adu[number][rows] for one in (frame, without)]
            most = np.maximum(most, _along(planes[0], strip) - _along(planes[1], strip))
    return most


def follows(case, strip):
    """Whether a strip is made to follow the level of the image; True where fewer than two biases cannot tell."""
    return strip.tracks_image or sum(spec.kind == "bias" for spec in case.specs) < 2
