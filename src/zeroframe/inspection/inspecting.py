"""The inspection itself: choose frames, look at them, and judge."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from zeroframe.errors import FrameError, MemoryLimitError, NoFramesError, SectionError, ZeroframeError
from zeroframe.fits.ahead import READING, import_ahead
from zeroframe.frames.colours import PHASES
from zeroframe.frames.medians import median_of_known
from zeroframe.frames.overscan import OverscanSpec
from zeroframe.headers.cameras import Camera, load_camera
from zeroframe.headers.kinds import Kind
from zeroframe.headers.sections import Section
from zeroframe.headers.words import NO_WORDS, Words
from zeroframe.inspection.blind_strips import is_blind_in_bright_flats, stated_widths
from zeroframe.inspection.findings import Frames, examine_strips, rough_noise
from zeroframe.inspection.gain import Measured, cut_bands, gain_from_pairs, like_pairs, read_noise_from_pairs
from zeroframe.inspection.misnamed import without_misnamed
from zeroframe.inspection.profiles import SIDES, Side
from zeroframe.inspection.result import OverscanInspection, StripFinding
from zeroframe.inspection.samples import LIT, FrameSample, SampleSize, choose_size, take_samples
from zeroframe.inspection.sources import (
    CameraWords,
    Source,
    choose_sources,
    flat_key,
    gather_sources,
    split_sources,
)
from zeroframe.inspection.stated_edges import BESIDE_STATED, without_unlit_image
from zeroframe.inspection.strips import edge_signals, find_widths, structure_ratio
from zeroframe.inspection.verdict import Evidence, adu, choose_parallel, choose_strip, decide, write_sentences
from zeroframe.workers import default_limit_bytes

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

__all__ = ["inspect_overscan", "judge_samples"]

_SATURATION_ADU = 65535.0
#: By less than this part of what columns of the image differ in biases, those of an overscan do.
_LESS_STRUCTURE = 0.5
#: So many more cameras, chips, sizes and binnings of one folder are looked at: each reads a dozen frames.
_MOST_OTHERS = 15
_MATCHED_CARDS = ("INSTRUME", "DETECTOR", "CHIPID")


def inspect_overscan(
    frames: object,
    camera: str | Path | Camera | None = None,
    *,
    mem_limit_bytes: int | None = None,
    workers: int | None = None,
    words: Words = NO_WORDS,
    recurse: bool = True,
) -> OverscanInspection:
    """Find the overscan from the pixels of a few frames, and judge whether it is good for anything.

    Frames of several cameras, chips, sizes or binnings are looked at apart: what is returned is of those with most
    biases, and its ``others`` are of the rest.

    Parameters
    ----------
    frames : path, sequence, or mapping
        A folder; or a sequence of paths, of what `survey` found, or of CCDData, whose headers say what kind they are;
        or a mapping of kind (``'bias'``, ``'flat'``, ``'science'``, ``'dark'``) to such a sequence or to arrays. At
        most four biases, four flats, two science frames and a dark are looked at.
    camera : str, path or Camera, optional
        A profile whose overscan is compared with what is found.
    mem_limit_bytes : int, optional
        By default half of the memory that is available. Frames are read one after the other where it is short, and
        where that does not help, fewer lines of each side are kept, which a sentence says.
    workers : int, optional
        How many threads.
    words : Words, optional
        What a user has taught of headers, beside the file of the camera.
    recurse : bool, optional
        Whether folders within a folder are entered.

    Returns
    -------
    OverscanInspection
        Strips on all sides, verdict, read noise and gain.

    Raises
    ------
    NoFramesError
        When no frame of a kind that is of use was given.
    ArgumentError
        When something is no frame, or its kind is not known.
    FrameError
        When a file that was named cannot be used, or no file of a folder can be read.
    CameraError
        When the camera is not known.
    MemoryLimitError
        When the limit does not hold one frame and a small sample of the others.

    Examples
    --------
    >>> import numpy as np
    >>> random = np.random.default_rng(1)
    >>> image = np.r_[np.ones(100), 0.01, np.zeros(19)]  # light leaks into the first column of the overscan
    >>> biases = [random.normal(1000, 4, (200, 120)).round() for _ in range(2)]
    >>> flats = [random.normal(1000 + 9000 * image, 4, (200, 120)).round() for _ in range(2)]
    >>> result = inspect_overscan({"bias": biases, "flat": flats})
    >>> print(result.recommended.section, result.trim)
    [102:120,1:200] [1:100,1:200]
    """
    profile = camera if isinstance(camera, Camera) or camera is None else load_camera(camera)
    taught = words if profile is None else words.before(profile.words)
    gathered, refused = gather_sources(frames, workers, words=taught, recurse=recurse)
    limit = mem_limit_bytes or default_limit_bytes()
    (named, first), *rest = split_sources(gathered)
    others: list[OverscanInspection] = []
    left_out: list[ZeroframeError] = [*refused]
    for own_words, sources in rest[:_MOST_OTHERS]:
        try:
            others.append(_inspect_alike(sources, own_words, profile, limit, workers))
        except (FrameError, NoFramesError, MemoryLimitError) as error:  # named, and the rest is looked at
            left_out.append(error)
    result = _inspect_alike(first, named, profile, limit, workers)
    more = [f"left out: {problem}" for problem in left_out]
    if rest[_MOST_OTHERS:]:
        more.append(f"of {len(rest) - _MOST_OTHERS} more cameras, chips, sizes or binnings no frames were looked at")
    return replace(result, sentences=(*result.sentences, *more), others=tuple(others))


def _inspect_alike(
    gathered: Sequence[Source], words: CameraWords, profile: Camera | None, limit_bytes: int, workers: int | None
) -> OverscanInspection:
    """Look at frames of one camera, chip, size and binning."""
    sources = choose_sources(gathered)
    import_ahead(*READING)
    stated = stated_widths(_header_sections(sources, sources[0].shape_yx), sources[0].shape_yx)
    least_depth = max(stated.values(), default=0) + BESIDE_STATED
    size, at_once = choose_size(sources, limit_bytes, workers, least_depth=least_depth)
    samples, problems = take_samples(sources, size, at_once)
    result = judge_samples(samples, profile)
    more = (*_about_size(size), *(f"left out: {problem}" for problem in problems))
    return replace(result, words=words, sentences=(*result.sentences, *more))


def _about_size(size: SampleSize) -> list[str]:
    """Say so where the memory limit holds less than is looked at else."""
    if size.is_full:
        return []
    ny, nx = (f"{size.place(side, size.length(side)):,} of {size.length(side):,}" for side in ("left", "bottom"))
    return [f"the memory limit holds only {ny} rows and {nx} columns of each frame's sides; with more, less is missed"]


def judge_samples(samples: Sequence[FrameSample], camera: Camera | None) -> OverscanInspection:
    """Judge what was kept of frames of one camera, size and binning."""
    samples, misnamed = without_misnamed(samples)
    shape_yx, binning_xy = samples[0].source.form
    noise = rough_noise(samples)
    header = _header_sections([sample.source for sample in samples], shape_yx)
    stated = stated_widths(header, shape_yx)
    widths = find_widths(samples, noise, stated)
    believed = _believed(samples, stated, widths, noise)
    widths = without_unlit_image(samples, {**widths, **believed}, header, shape_yx)
    frames = Frames(samples, widths, shape_yx, frozenset(believed))
    strips = examine_strips(frames)
    read_noise, gain = _noise_and_gain(frames, camera)
    lit_sides = _lit_sides(frames, noise)
    proven = bool(strips) or len(lit_sides) == len(SIDES)
    hints = [] if proven else _hints(frames, header)
    kinds = Counter(sample.kind for sample in samples)
    facts = samples[0].source.facts
    trim = Section.from_slices(frames.image_slices_yx(), shape_yx)
    evidence = Evidence(
        *(strips, lit_sides, kinds, header, shape_yx, trim, hints, read_noise, gain),
        header_gain_e_per_adu=facts.gain_of_pixels if facts else None,
        header_read_noise_e=facts.read_noise_e if facts else None,
    )
    chosen = choose_strip(strips)
    spec = None if chosen is None or chosen.usable is None else _spec_of(chosen, chosen.usable)
    parallel = choose_parallel(strips, chosen)
    used: dict[str, tuple[str, ...]] = {
        kind.value: tuple(sample.source.name for sample in samples if sample.kind == kind) for kind in kinds
    }
    sentences = (*write_sentences(evidence), *_about_camera(camera, spec, binning_xy), *misnamed)
    return OverscanInspection(
        decision=decide(evidence),
        parallel=None if parallel is None or parallel.usable is None else _spec_of(parallel, parallel.usable),
        recommended=spec,
        trim=trim,
        strips=strips,
        sentences=sentences,
        header_sections=header,
        read_noise_adu=read_noise,
        gain_e_per_adu=gain,
        shape_yx=shape_yx,
        binning_xy=binning_xy,
        used=used,
        match=_match(samples[0].source),
        sides=_side_profiles(samples),
    )


def _believed(
    samples: Sequence[FrameSample], stated: Mapping[Side, int], widths: Mapping[Side, int], noise: float | None
) -> dict[Side, int]:
    """Return the widths of strips that only the header states, where pixels say that they are none of the image.

    Light that does not run to the side, as of fibres or of a round field, shows no edge there. But no frame has light
    in the strip, bright as the flats are, and its columns do not differ in biases as those of the image do.
    """
    biases = [sample for sample in samples if sample.kind is Kind.BIAS]
    believed: dict[Side, int] = {}
    for side, width in stated.items():
        if side in widths or not is_blind_in_bright_flats(samples, side, width, noise):
            continue
        structure = structure_ratio(biases, side, width)
        if structure is not None and structure[0] < _LESS_STRUCTURE * structure[1]:
            believed[side] = width
    return believed


def _spec_of(strip: StripFinding, usable: Section) -> OverscanSpec:
    """Return how the level of a strip is taken: of each row by what its pixels are, or one of the frame."""
    return OverscanSpec(usable, strip.axis, "constant" if strip.one_level else "auto")


def _within_colours(bands: NDArray[Any]) -> NDArray[Any]:
    """Return bands of a colour sensor as four times as many, each of one place of the cell of 2 x 2 pixels."""
    height, width = (size // 2 * 2 for size in bands.shape[1:])
    if min(height, width) < 2:
        return bands
    return np.concatenate([bands[:, dy:height:2, dx:width:2] for dy, dx in PHASES])


def _noise_and_gain(frames: Frames, camera: Camera | None) -> tuple[Measured | None, Measured | None]:
    rows, columns = frames.image_slices_yx()
    first = frames.samples[0]
    height = first.bands.shape[1]
    inside = [k for k, row in enumerate(first.band_rows) if rows.start <= row and row + height <= rows.stop]
    bands = {id(sample): sample.bands[inside or [0]][:, :, columns] for sample in frames.samples}
    if any(sample.source.facts is not None and sample.source.facts.colours is not None for sample in frames.samples):
        bands = {name: _within_colours(some) for name, some in bands.items()}
    biases = [bands[id(sample)] for sample in frames.biases]
    noise = read_noise_from_pairs(biases)
    read_noise = noise.value if noise is not None else rough_noise(frames.samples)
    if read_noise is None:
        return None, None
    saturation = (camera.saturation_adu if camera is not None else None) or _SATURATION_ADU
    pairs = [(cut_bands(bands[id(a)]), cut_bands(bands[id(b)])) for a, b in _flat_pairs(frames.samples)]
    return noise, gain_from_pairs(pairs, [cut_bands(bias) for bias in biases], read_noise, saturation)


def _flat_pairs(samples: Sequence[FrameSample]) -> list[tuple[FrameSample, FrameSample]]:
    """Pair flats of one filter, one exposure and nearly one level."""
    flats = [sample for sample in samples if sample.kind is Kind.FLAT]
    if len(flats) < 2:
        return []
    dark = [median_of_known(sample.bands) for sample in samples if sample.kind is Kind.BIAS]
    levels = [float(np.nanmean(sample.bands) - (np.mean(dark) if dark else 0.0)) for sample in flats]
    return [(flats[i], flats[j]) for i, j in like_pairs([flat_key(flat.source) for flat in flats], levels)]


def _header_sections(sources: Sequence[Source], shape_yx: tuple[int, int]) -> dict[str, Section]:
    """Sections of the first header that has any, as far as they fit the frame."""
    for source in sources:
        facts = source.facts
        if facts is None:
            continue
        stated = {
            "BIASSEC": facts.bias_section,
            "TRIMSEC": facts.trim_section,
            "DATASEC": facts.data_section,
        }
        sections = {}
        for name, section in stated.items():
            if section is None or len(section.ranges) != len(shape_yx):
                continue
            try:
                sections[name] = section.resolve(shape_yx)
            except SectionError:  # outside the frame: a header that lies; the pixels decide
                continue
        if sections:
            return sections
    return {}


def _lit_sides(frames: Frames, noise: float | None) -> dict[Side, float]:
    """Light in the outermost columns of sides without a strip, where it stands out from noise and drift."""
    lit: dict[Side, float] = {}
    count = len([sample for sample in frames.samples if sample.kind in {*LIT, Kind.DARK}])
    if not count or not frames.biases or noise is None:
        return lit
    levels = [float(np.nanmean(sample.along[1])) for sample in frames.biases]
    drift = float(np.std(levels, ddof=1)) if len(levels) > 1 else noise
    for side in SIDES:
        signal, _ = edge_signals(frames.samples, side)
        if side in frames.widths or signal is None:
            continue
        light = float(np.nanmedian(signal[:3])) / count
        if light > max(3.0 * noise, 5.0 * drift):
            lit[side] = light
    return lit


def _hints(frames: Frames, header: Mapping[str, Section]) -> list[str]:
    """Check the header's overscan by the structure of biases: a hint, no proof."""
    section = header.get("BIASSEC")
    if section is None or not frames.biases:
        return []
    place = _side_of(section, frames.shape_yx)
    if place is None:
        return [f"header's BIASSEC {section} is no strip along a side of the frame"]
    side, width = place
    structure = structure_ratio(frames.biases, side, width)
    if structure is None:
        return [f"header's BIASSEC {section} cannot be checked on biases alone"]
    outside, inside, step = structure
    found = f"levels of its columns scatter by {adu(outside)} ADU, those of the image beside it by {adu(inside)} ADU"
    if outside < _LESS_STRUCTURE * inside:
        return [f"header's BIASSEC {section} may be right: {found}, and it stands {step:+.2f} ADU off"]
    told = f"header's BIASSEC {section} does not stand out in biases: {found}"
    return [f"{told}; it may be image, or a strip with a pattern of its own, which only light tells apart"]


def _side_of(section: Section, shape_yx: tuple[int, int]) -> tuple[Side, int] | None:
    """Side and width of the strip from a section to the edge of the frame."""
    (x1, x2), (y1, y2) = (sorted(part.ends()) for part in section.ranges)
    ny, nx = shape_yx
    if y2 - y1 + 1 >= 0.9 * ny and x2 - x1 + 1 < nx // 2:
        return ("left", x2) if x1 + x2 < nx else ("right", nx - x1 + 1)
    if x2 - x1 + 1 >= 0.9 * nx and y2 - y1 + 1 < ny // 2:
        return ("bottom", y2) if y1 + y2 < ny else ("top", ny - y1 + 1)
    return None


def _about_camera(camera: Camera | None, spec: OverscanSpec | None, binning_xy: tuple[int, int]) -> list[str]:
    if camera is None:
        return []
    if len(camera.amplifiers) > 1:
        return [f"the profile of {camera.name} has {len(camera.amplifiers)} amplifiers; here the image is seen as one"]
    known = camera.for_binning(binning_xy).amplifiers[0].overscan
    found = spec.section if spec is not None else None
    if known == found:
        return [f"the profile of {camera.name} says the same: {known or 'no overscan to subtract'}"]
    return [
        f"the profile of {camera.name} says {known or 'not to subtract the overscan'}, the pixels {found or 'none'}"
    ]


def _match(source: Source) -> tuple[tuple[str, str], ...]:
    """Cards by which the camera can be recognised again; what a pattern would misread is left out."""
    cards = source.cards
    if cards is None:
        return ()
    pairs = []
    for card in _MATCHED_CARDS:
        value = cards.get(card)
        text = "" if value is None or isinstance(value, bool) else str(value).strip()
        if text and text.isprintable() and not set(text) & set("*?[]"):
            pairs.append((card, text))
    return tuple(pairs)


def _side_profiles(samples: Sequence[FrameSample]) -> dict[Side, dict[str, np.ndarray[Any, Any]]]:
    kinds = dict.fromkeys(sample.kind for sample in samples)
    return {
        side: {
            kind.value: np.mean([sample.medians[side] for sample in samples if sample.kind == kind], axis=0)
            for kind in kinds
        }
        for side in SIDES
    }
