"""From samples of frames to findings about each strip."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from zeroframe.frames.medians import medians_of_rows
from zeroframe.frames.numbers import percent
from zeroframe.frames.overscan import StripCurve, strip_curve
from zeroframe.headers.kinds import Kind
from zeroframe.headers.sections import Section
from zeroframe.inspection.blind_strips import image_light
from zeroframe.inspection.leak import LeakProfile, StripPixels, measure_leak
from zeroframe.inspection.profiles import (
    SIDES,
    Side,
    clipped_block_means,
    clipped_column_means,
    neighbour_variances,
    strip_noise,
)
from zeroframe.inspection.result import StripCurves, StripFinding
from zeroframe.inspection.samples import LIT, MOST_SAMPLED, FrameSample, bins_of, cells_of
from zeroframe.inspection.strip_light import StripLight, light_by_noise
from zeroframe.inspection.strips import light_at_edge, lit_lines
from zeroframe.inspection.tracking import Tracking, measure_tracking
from zeroframe.inspection.verdict import KIND_WORDS, adu, choose_strip
from zeroframe.inspection.worth import FrameLevel, StripWorth, common_noise, weigh_strip
from zeroframe.records import dataclass

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

__all__ = ["FEWEST_COLUMNS", "Frames", "examine_strips", "rough_noise"]

#: The level of a row of fewer has more than half of the noise of a pixel.
FEWEST_COLUMNS = 5
#: Of fewer it cannot be told which is odd; of these, all rows together still give a level a frame.
FEWEST_FOR_A_FRAME = 2
_BESIDE = 12


@dataclass(frozen=True, slots=True, eq=False)
class Frames:
    """The samples, and the widths of the strips on all sides; those beside which no light is are told apart."""

    samples: Sequence[FrameSample]
    widths: Mapping[Side, int]
    shape_yx: tuple[int, int]
    unlit_sides: frozenset[Side] = frozenset()

    @property
    def biases(self) -> list[FrameSample]:
        """Samples of biases."""
        return [sample for sample in self.samples if sample.kind is Kind.BIAS]

    @property
    def lit(self) -> list[FrameSample]:
        """Samples of frames that see light; darks where there are none."""
        lit = [sample for sample in self.samples if sample.kind in LIT]
        return lit or [sample for sample in self.samples if sample.kind is Kind.DARK]

    def light(self, sample: FrameSample, side: Side) -> float:
        """Light of the image beside a strip, in ADU; where none is beside it, that of the whole image."""
        if side in self.unlit_sides:
            return image_light(sample, self.biases[0], side, self.widths[side])
        return light_at_edge(sample, side, self.widths[side])

    def width(self, side: Side) -> int:
        """Columns of the strip on a side; 0 where there is none."""
        return self.widths.get(side, 0)

    def image_lines(self, side: Side) -> slice:
        """Lines of a side that lie beside the image, not beside other strips."""
        pairs: tuple[tuple[Side, Side], tuple[Side, Side]] = (("bottom", "top"), ("left", "right"))
        before, after = pairs[0] if side in {"left", "right"} else pairs[1]
        length = self.shape_yx[0] if side in {"left", "right"} else self.shape_yx[1]
        return slice(self.width(before), length - self.width(after))

    def strip(self, sample: FrameSample, side: Side) -> NDArray[Any]:
        """Pixels of a strip as (lines beside the image, columns from the image outwards)."""
        return sample.zones[side][self.zone_lines(sample, side), : self.widths[side]][:, ::-1]

    def zone_lines(self, sample: FrameSample, side: Side) -> slice:
        """Lines of the zone of a side that lie beside the image."""
        beside = self.image_lines(side)
        return slice(sample.size.place(side, beside.start), sample.size.place(side, beside.stop))

    def image_slices_yx(self) -> tuple[slice, slice]:
        """Where the image is."""
        return self.image_lines("left"), self.image_lines("bottom")


def rough_noise(samples: Sequence[FrameSample]) -> float | None:
    """Return the noise of one pixel of biases, as neighbours on one line of a zone show it; None without biases."""
    variances = [
        float(medians_of_rows(neighbour_variances(sample.zones["right"])[np.newaxis])[0])
        for sample in samples
        if sample.kind is Kind.BIAS
    ]
    return float(np.sqrt(min(variances))) if variances else None


def examine_strips(frames: Frames) -> tuple[StripFinding, ...]:
    """Measure all strips: those of columns first, as they tell how the rows of the others drift.

    Parameters
    ----------
    frames : Frames
        The samples; where there is a strip, at least one sees light.

    Returns
    -------
    tuple of StripFinding
        In the order of `SIDES`.
    """
    found: list[StripFinding] = []
    for side in SIDES:  # left and right, bottom and top
        if side in frames.widths:
            of_rows = {} if side in {"left", "right"} else _rows_by_columns(frames, found)
            found.append(_examine_strip(frames, side, of_rows))
    return tuple(found)


def _rows_by_columns(frames: Frames, found: Sequence[StripFinding]) -> dict[int, StripCurve]:
    """Return what a strip of columns says of the level of each row of each frame; nothing where none tells."""
    strip = choose_strip([each for each in found if each.axis == 1])  # strips of rows know nothing of single rows
    whole = all(sample.size.is_full for sample in frames.samples)
    if strip is None or strip.usable_numbers is None or strip.one_level or not whole:
        return {}
    first, last = strip.usable_numbers
    numbers = np.array([number for number in range(first, last + 1) if number not in strip.deviant])
    columns = numbers - 1 if strip.side == "left" else frames.shape_yx[1] - numbers  # of the zone, from the edge
    return {id(each): strip_curve(each.zones[strip.side][:, columns], method="auto") for each in frames.samples}


def _strip_pixels(
    frames: Frames, side: Side, sample: FrameSample, light_adu: float, of_rows: Mapping[int, StripCurve]
) -> StripPixels:
    """Return the strip in one frame, with what is known of the drift of its rows."""
    pixels, curve = frames.strip(sample, side), of_rows.get(id(sample))
    if curve is None:
        lit = lit_lines(sample, side, frames.widths[side])[frames.zone_lines(sample, side)]
        return StripPixels(pixels[lit] if light_adu and lit.any() else pixels, light_adu)
    rows = np.array(_numbers(frames.shape_yx, side, frames.widths[side])) - 1
    drift = curve.level_adu[rows]
    return StripPixels(pixels, light_adu, drift - drift.mean(), curve.error_adu)


def _examine_strip(frames: Frames, side: Side, of_rows: Mapping[int, StripCurve]) -> StripFinding:
    """Measure one strip."""
    axis: Literal[0, 1] = 1 if side in {"left", "right"} else 0
    lit = [(sample, frames.light(sample, side)) for sample in frames.lit]
    brightest, light = max(lit, key=lambda pair: pair[1])
    noise = _strip_read_noise(frames, side)
    strips = {id(sample): frames.strip(sample, side) for sample in frames.samples}
    profile = measure_leak(
        [_strip_pixels(frames, side, sample, one, of_rows) for sample, one in lit],
        [_strip_pixels(frames, side, sample, 0.0, of_rows) for sample in frames.biases],
        noise,
    )
    used = _used_columns(profile)
    clean = len(used) if profile.clean else 0
    levels = _levels(strips, used, profile, {id(sample): one for sample, one in lit})
    offset, tracking, deviations, of_columns = _against_image(frames, side, used, noise)
    numbers = _numbers(frames.shape_yx, side, frames.widths[side])
    one_level = clean < FEWEST_COLUMNS or (tracking is not None and tracking.only_frames_follow)
    worth = weigh_strip(
        [FrameLevel(levels[id(sample)], one, sample.kind is Kind.SCIENCE) for sample, one in lit],
        [levels[id(sample)] for sample in frames.biases],
        tracking,
        one_level=one_level,
    )
    common = common_noise([strips[id(sample)][:, used] for sample in frames.biases or frames.lit]) if clean else None
    objections = (
        _too_narrow(profile, clean, numbers, brightest.kind, axis),
        None if clean < FEWEST_FOR_A_FRAME else _harmful(worth, profile.threshold_adu),
        _astray(tracking),
    )
    ends = (numbers[profile.first], numbers[profile.last]) if profile.clean else None
    return StripFinding(
        side=side,
        axis=axis,
        section=_section(frames.shape_yx, axis, numbers[0], numbers[-1]),
        usable=None if ends is None else _section(frames.shape_yx, axis, *ends),
        numbers=numbers,
        leak_adu=tuple(map(float, profile.leak_adu)),
        leak_error_adu=tuple(map(float, profile.error_adu)),
        structure_adu=tuple(map(float, profile.structure_adu)),
        threshold_adu=profile.threshold_adu,
        brightest=f"{brightest.kind.value} {brightest.source.name}",
        light_adu=light,
        deviant=tuple(sorted(numbers[k] for k in profile.deviant)),
        offset_adu=offset,
        lit_shift_adu=_lit_shifts(frames, levels),
        tracking=tracking,
        of_columns=of_columns,
        read_noise_adu=noise,
        common_noise=common,
        worth=worth,
        light=_proven_light(frames, side, used, [sample for sample, _ in lit if sample.kind in LIT]),
        one_level=one_level,
        objections=tuple(objection for objection in objections if objection is not None),
        curves=StripCurves(*_curves(frames, side, levels), *deviations),
        unlit=side in frames.unlit_sides,
    )


def _proven_light(frames: Frames, side: Side, used: list[int], lit: Sequence[FrameSample]) -> StripLight | None:
    """Return how much of the light of a frame is in the columns whose level is taken; None where nothing tells."""
    if not (lit and frames.biases):
        return None
    brightest = max(lit, key=lambda sample: frames.light(sample, side))
    other = next((each for each in lit if each is not brightest and each.kind is brightest.kind), None)
    columns = frames.image_slices_yx()[1]

    def strip(sample: FrameSample) -> NDArray[Any]:
        return frames.strip(sample, side)[:, used]

    def image(sample: FrameSample) -> NDArray[Any]:
        bands = sample.bands[:, :, columns]
        return bands.reshape(-1, bands.shape[-1])

    bias = frames.biases[0]
    return light_by_noise(
        (strip(brightest), strip(bias)), (image(brightest), image(bias)), None if other is None else image(other)
    )


def _strip_read_noise(frames: Frames, side: Side) -> float:
    """Noise of pixels of the strip, from biases; else from the outer half of it in the least noisy lit frame."""
    if frames.biases:
        noises = [strip_noise(frames.strip(sample, side)) for sample in frames.biases]
        return float(np.sqrt(np.mean(np.square(noises))))
    outer = frames.widths[side] // 2
    return min(strip_noise(frames.strip(sample, side)[:, outer:]) for sample in frames.lit)


def _numbers(shape_yx: tuple[int, int], side: Side, width: int) -> tuple[int, ...]:
    """FITS numbers of the columns (rows) of a strip, from the image outwards."""
    length = shape_yx[1] if side in {"left", "right"} else shape_yx[0]
    if side in {"left", "bottom"}:
        return tuple(range(width, 0, -1))
    return tuple(range(length - width + 1, length + 1))


def _section(shape_yx: tuple[int, int], axis: int, first: int, last: int) -> Section:
    part = slice(min(first, last) - 1, max(first, last))
    whole = slice(None)
    return Section.from_slices((whole, part) if axis == 1 else (part, whole), shape_yx)


def _used_columns(profile: LeakProfile) -> list[int]:
    """Columns whose level is taken: the clean ones; where there are none, the outermost quarter."""
    if profile.clean:
        return [k for k in range(profile.first, profile.last + 1) if k not in profile.deviant]
    width = profile.leak_adu.size
    return list(range(width - min(max(4, width // 4), width), width))


def _levels(
    strips: Mapping[int, NDArray[Any]], used: list[int], profile: LeakProfile, lights: Mapping[int, float]
) -> dict[int, float]:
    """Level of the strip in each frame; where light reaches all of it, less that light, which is no shift of it."""
    levels = {key: float(np.nanmedian(clipped_column_means(strip[:, used])[0])) for key, strip in strips.items()}
    if profile.clean:
        return levels
    leak = float(np.median(profile.leak_adu[used])) / max(lights.values())
    return {key: level - leak * lights.get(key, 0.0) for key, level in levels.items()}


def _lit_shifts(frames: Frames, levels: Mapping[int, float]) -> dict[str, float]:
    """Level of the strip in lit frames of each kind, less that in biases."""
    if not frames.biases:
        return {}
    zero = float(np.mean([levels[id(sample)] for sample in frames.biases]))
    kinds = dict.fromkeys(sample.kind for sample in frames.lit)
    return {
        kind.value: float(np.mean([levels[id(sample)] for sample in frames.lit if sample.kind == kind])) - zero
        for kind in kinds
    }


def _against_image(
    frames: Frames, side: Side, used: list[int], noise: float
) -> tuple[float | None, Tracking | None, tuple[NDArray[np.float64], NDArray[np.float64]], Tracking | None]:
    """Offset, tracking, the deviations of image and strip about their mean over the biases, and tracking of columns."""
    nothing = np.empty((0, 0))
    if not frames.biases:
        return None, None, (nothing, nothing), None
    axis = 1 if side in {"left", "right"} else 0
    lines, across = frames.shape_yx[1 - axis], frames.shape_yx[axis]
    bins = bins_of(lines)
    height = lines // bins
    beside = frames.image_lines(side)
    inner = slice(-(-beside.start // height), max(beside.stop // height, -(-beside.start // height) + 1))
    columns = [frames.widths[side] - 1 - k for k in used]
    cells = _image_cells(frames, side, across)
    image = np.array([sample.along[axis][inner][:, cells].mean(axis=1) for sample in frames.biases])
    strip = np.array([clipped_block_means(sample.zones[side][:, columns], bins)[inner] for sample in frames.biases])
    offset = float(np.mean(strip) - np.mean(image))
    sampled = min(across, MOST_SAMPLED) * len(cells) / len(cells_of(across))
    kept = min(height, frames.samples[0].size.lines_per_bin)
    noises = noise / float(np.sqrt(height * sampled)), noise / float(np.sqrt(kept * len(columns)))
    tracking = measure_tracking(image, strip, *noises)
    if tracking is None:
        return offset, None, (nothing, nothing), None
    # beside a strip of columns, what is common to a frame and to its rows is taken off before
    own_image, own_strip = (each - each.mean(axis=1, keepdims=True) for each in (image, strip))
    of_columns = measure_tracking(own_image, own_strip, *noises) if axis == 0 else None
    return offset, tracking, (image - image.mean(axis=0), strip - strip.mean(axis=0)), of_columns


def _image_cells(frames: Frames, side: Side, across: int) -> list[int]:
    """Cells that lie in the image, or the middle one where none does."""
    image = frames.image_lines("bottom" if side in {"left", "right"} else "left")
    cells = cells_of(across)
    inside = [k for k, cell in enumerate(cells) if image.start <= cell.start and cell.stop <= image.stop]
    return inside or [len(cells) // 2]


def _curves(frames: Frames, side: Side, levels: Mapping[int, float]) -> tuple[NDArray[Any], dict[str, NDArray[Any]]]:
    """Profiles of the strip and some of the image, by kind, above the level of the strip without light."""
    width = frames.widths[side]
    reach = min(width + _BESIDE, frames.samples[0].zones[side].shape[1])
    length = frames.shape_yx[1] if side in {"left", "right"} else frames.shape_yx[0]
    numbers = np.arange(1, reach + 1) if side in {"left", "bottom"} else np.arange(length, length - reach, -1)
    by_kind: dict[str, NDArray[Any]] = {}
    kinds = dict.fromkeys(sample.kind for sample in frames.samples)
    for kind in kinds:
        profiles = [
            clipped_column_means(sample.zones[side][frames.zone_lines(sample, side), :reach])[0] - levels[id(sample)]
            for sample in frames.samples
            if sample.kind == kind
        ]
        by_kind[kind.value] = np.mean(profiles, axis=0)
    return numbers, by_kind


def _too_narrow(
    profile: LeakProfile, clean: int, numbers: tuple[int, ...], kind: Kind, axis: Literal[0, 1]
) -> str | None:
    """Say so where light leaves fewer columns than a level needs."""
    if clean >= FEWEST_FOR_A_FRAME:
        return None
    word = "column" if axis == 1 else "row"
    lit = np.flatnonzero(profile.decay_adu > profile.threshold_adu)
    if lit.size == 0:
        return f"only {clean} of its {len(numbers)} {word}s can be used, too few for a level"
    rest = f"light leaves only {clean} of its {len(numbers)} {word}s" if clean else "light reaches all of it"
    last = int(lit[-1])
    return (
        f"{rest}: {KIND_WORDS[kind.value]} are {adu(float(profile.decay_adu[last]))} ADU high at {word} {numbers[last]}"
    )


def _harmful(worth: StripWorth | None, harmless_adu: float) -> str | None:
    """Say so where subtracting the strip does more harm to science frames than leaving it."""
    if worth is None or not worth.with_adu > max(worth.without_adu, harmless_adu):
        return None
    whose = "science frames" if worth.has_science else "a science frame"
    return (
        f"its level rises by {percent(worth.leak)} of the light: subtracting it leaves an error of "
        f"{adu(worth.with_adu)} ADU in {whose} of {adu(worth.light_adu)} ADU, leaving it one of "
        f"{adu(worth.without_adu)} ADU"
    )


def _astray(tracking: Tracking | None) -> str | None:
    """Say so where the strip does not follow the image."""
    if tracking is None or tracking.follows is not False or tracking.only_frames_follow:
        return None
    return (
        f"the strip does not follow the bias level: over {tracking.frames} biases that of the image drifts by "
        f"{tracking.drift_before_adu:.2f} ADU, and less the strip by {tracking.drift_after_adu:.2f} ADU"
    )
