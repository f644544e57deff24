"""One frame of a night from its raw file to its calibrated one: read once, worked on in memory, written once."""

from __future__ import annotations

import math
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from zeroframe.errors import FrameError, OutputError
from zeroframe.fits import HeaderDraft, ImagePart, read_raw, write_fits
from zeroframe.fits.checksums import header_crc32
from zeroframe.fits.decode import decoded_float
from zeroframe.fits.failures import attempt
from zeroframe.fits.fingerprint import Crc32
from zeroframe.fits.formats import FORMATS
from zeroframe.frames.amplifier_table import amplifier_table
from zeroframe.frames.bleeding import grow_full, mask_bleeding
from zeroframe.frames.calibration_frames import BLIND_CARD, NO_CALIBRATION
from zeroframe.frames.colours import PHASES, level_by_colour, phases_of, plane_of, sky_of_colours
from zeroframe.frames.dark_parts import measure_dark_part
from zeroframe.frames.ghosts import GHOST_CARDS, ghosts_in, say_ghosts
from zeroframe.frames.line_levels import measure_line_levels
from zeroframe.frames.mask_bits import MaskBit, mask_header
from zeroframe.frames.patterns import RowSample, measure_left, measure_place
from zeroframe.frames.quality import FrameQuality, measure_frame, stated_noise
from zeroframe.frames.quantisation import say_steps, step_of_image, step_of_uncertainty
from zeroframe.frames.raw import FrameOutcome, calibrate_pixels, calibrated_header, native_pixels
from zeroframe.frames.raw_look import look_at, raw_remarks, unread_words
from zeroframe.frames.saturation import decide_saturation
from zeroframe.frames.science import mask_raw, masks_nothing, operate, record_steps, reduce_frame
from zeroframe.frames.seams import SeamStep, largest_step
from zeroframe.frames.statistics import sampled_level
from zeroframe.frames.traces import measure_traces
from zeroframe.headers.kinds import is_scaled_by_level, kind_row
from zeroframe.records import dataclass
from zeroframe.run.checks import read_back
from zeroframe.run.keys import frame_key, sign_frame
from zeroframe.run.result_files import stamp_of_result
from zeroframe.stacks.noise import noise_bands
from zeroframe.verbs.saving import float_part

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from zeroframe.fits import RawImage
    from zeroframe.fits.fingerprint import FileMark, Watch
    from zeroframe.fits.replacing import Overwrite
    from zeroframe.fits.store.names import UrlPath
    from zeroframe.fits.tables import TablePart
    from zeroframe.frames.raw_look import RawLook
    from zeroframe.frames.steps import Steps
    from zeroframe.frames.traces import Light
    from zeroframe.headers.colours import ColourPattern
    from zeroframe.planning.plan import NightFrame, OtherRaw
    from zeroframe.run.buffers import BufferPool
    from zeroframe.run.calibrations import CalibrationStore
    from zeroframe.run.pixel_cache import PixelCache
    from zeroframe.run.record import OutputMark

__all__ = ["FIGURES", "FrameMaker", "Made"]

#: What the header of a calibrated frame says of it in figures, so that they are known again when it is kept.
FIGURES = (
    *("RAWLEVEL", "GAINUSED", "GAINCOR", "RNOISADU", "NMASKED", "NUNLIT", "NCOSMIC", "NNOTFIN"),
    *("NSATPIX", "SATADU", "SATSAID", "NUNREAD", "UNREAD", "NBLEED", BLIND_CARD),
    *("SKYLEVEL", "SKYNOISE", "UNCMED", "NOISERAT", "LEVELERR", "DARKSCAL", "DARKSERR"),
    *("SEAMSTEP", "SEAMERR", "SEAMRAW", "QSTEP", *GHOST_CARDS),
    *(f"SKYLEV_{letter}" for letter in "RGBXY"),
)
#: A header that has one of them says that the sensor has colours.
_COLOUR_WORDS = ("BAYERPAT", "COLORTYP", "CFAPAT", "XBAYROFF", "BAYOFFX")
#: Where no mask is needed any more.
_NO_MASK = np.empty((0, 0), np.uint8)
_NO_COPIES: Mapping[Path, Path] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Made:
    """A frame that is there, and what its header says of it in figures."""

    outcome: FrameOutcome
    said: Mapping[str, Any]


class FrameMaker:
    """Calibrates frames of a night, on as many threads as ask for it.

    Parameters
    ----------
    calibrations : CalibrationStore
        What they are calibrated with.
    kept : PixelCache
        Takes the pixels of frames that will be combined.
    memory : BufferPool
        Lends memory for what is worked on.
    watch : Watch
        Looks at what is read and made.
    check_sums : bool
        Whether a raw frame whose data have not the sum that its header gives is refused.
    sampled : frozenset of path, optional
        Files of calibrated frames of which the rows stay in ``samples`` that tell their noise.
    copies : mapping of path to path, optional
        Where a result is written on this disk before it is put into a store; there it stays.
    """

    def __init__(
        self,
        calibrations: CalibrationStore,
        kept: PixelCache,
        memory: BufferPool,
        watch: Watch,
        *,
        check_sums: bool,
        sampled: frozenset[Path] = frozenset(),
        copies: Mapping[Path, Path] = _NO_COPIES,
    ) -> None:
        self._calibrations, self._kept, self._memory, self._watch = calibrations, kept, memory, watch
        self._check_sums, self._sampled, self._copies = check_sums, sampled, copies
        self.samples: dict[Path, NDArray[Any]] = {}

    def make(self, frame: NightFrame, used: Mapping[str, str], *, keep: bool, overwrite: Overwrite) -> Made:
        """Calibrate one frame and write it.

        Parameters
        ----------
        frame : NightFrame
            What is done.
        used : mapping of str to str
            Names and keys of what it is made with.
        keep : bool
            Whether its pixels stay in memory.
        overwrite : bool or Replaceable
            What of a file that is there may be replaced.

        Raises
        ------
        ZeroframeError, MemoryError, OSError
            When it cannot be read, calibrated or written.
        """
        raw, source = self._read(frame)
        looks = look_at(raw, frame.recipe.regions, frame.steps.gain_e_per_adu, frame.saturation.asked_adu)
        others, shas, unseen = self._others(frame)
        used = {**used, **shas}
        pixels = self._memory.empty(frame.shape_yx, decoded_float(frame.layout))
        levels = calibrate_pixels(raw, frame.recipe, pixels, looks[0].unread_rows, looks[0].decoded)
        subtracted = levels.mean_adu
        header = calibrated_header(raw, frame.recipe, frame.steps.colours, unit=frame.traits.unit)
        row = kind_row(frame.kind)
        mask = self._masked(frame, raw, looks, levels.constant, header)
        if row is not None and header["NUNREAD"]:
            pixels[mask & np.uint8(MaskBit.NODATA) != 0] = np.nan  # takes no part in anything
        quality = None
        if row is not None and row.is_zero:  # nothing more is done to a bias
            mask = _NO_MASK
            quality = measure_frame(pixels, colours=frame.steps.colours, empty=self._memory.empty)
        level = (level_by_colour(pixels, frame.steps.colours) if quality is None else quality.level_adu) + subtracted
        if np.isfinite(level):  # a frame without a valid pixel has none
            header["RAWLEVEL"] = (level, "mean level of the raw image")
        if row is None:
            _mask_bled(frame.steps, pixels, mask, header)
        done, more = self._with_dark_scale(frame, pixels, mask, header)
        sigma, remarks, left = self._reduced(done, pixels, mask, header, others)
        del others
        known_bad = mask
        if row is not None:
            mask = known_bad = _NO_MASK  # it is not written, and memory is counted without it
        quality = _with_traces(
            frame, quality or self._measured(frame, pixels, known_bad), pixels, known_bad, left, header
        )
        quality = replace(quality, traces={**quality.traces, "cut_off_fraction": looks[0].cut_off})
        if row is None:
            _say_noise(header, quality, pixels, sigma, mask, frame.steps.colours)
        self._take_sample(frame, pixels)
        record_steps(done, header)
        step, kept_whole = _step(frame, quality.noise_adu, header)
        key = frame_key(frame, source.sha256, used)
        sign_frame(header, frame.source, frame.recipe, source, key, levels)
        words = self._memory.empty(pixels.shape, pixels.dtype) if keep else pixels
        parts: list[ImagePart | TablePart] = [*_parts(pixels, words, sigma, mask, header, step)]
        if frame.recipe.assembles:
            parts.append(amplifier_table(frame.recipe.regions, levels.levels_adu))
        written, crc32 = self._write(frame, parts, overwrite=overwrite)
        if keep:
            self._kept.put(frame.target, pixels)
        said = [*raw.remarks, *levels.remarks, *unseen, *more, *remarks, *kept_whole]
        outcome = FrameOutcome(
            frame.source, "done", "; ".join(said), frame.target,
            bytes_out=written, source_mark=source, key=key, crc32=crc32, stamp=stamp_of_result(frame.target),
            dtype=read_back(frame.target, frame.shape_yx).dtype,
        )  # fmt: skip
        return _told(outcome, quality, frame.shape_yx, header)

    def _write(
        self, frame: NightFrame, parts: Sequence[ImagePart | TablePart], *, overwrite: Overwrite
    ) -> tuple[int, int]:
        """Write a calibrated frame, into a store by way of its copy on this disk; return its size and its CRC-32."""
        crc = Crc32()
        near = self._copies.get(frame.target)
        if near is None:
            written = write_fits(frame.target, parts, compress=frame.compress, overwrite=overwrite, on_bytes=crc.update)
        else:
            written = write_fits(near, parts, compress=frame.compress, on_bytes=crc.update)
            _put(near, frame.target, overwrite=overwrite)
        self._watch.renew(frame.target)
        return written, crc.value

    def recall(self, frame: NightFrame, up_to_date: FrameOutcome) -> Made:
        """Measure a frame that is up to date already, as if it had been calibrated now; raises as `make` does."""
        ny, nx = frame.shape_yx
        into = self._memory.empty(ny * nx * decoded_float(frame.layout).itemsize, np.uint8)
        self._watch.look([frame.target])
        raw = read_raw(frame.target, ext=_image_ext(frame), into=into)
        self._watch.check([frame.target])
        pixels = native_pixels(raw, lambda shape_yx: self._memory.empty(shape_yx, np.float32))
        self._take_sample(frame, pixels)
        ny, nx = pixels.shape
        mask = _NO_MASK
        if kind_row(frame.kind) is None and raw.cards.get("NMASKED"):  # else the file has no mask
            self._watch.look([frame.target])
            bits = read_raw(frame.target, ext="MASK", into=self._memory.empty(ny * nx, np.uint8))
            self._watch.check([frame.target])
            mask = bits.decode()
        quality = _with_traces(frame, self._measured(frame, pixels, mask), pixels, mask, {}, raw.cards)
        return _told(up_to_date, quality, (ny, nx), raw.cards)

    def _measured(self, frame: NightFrame, pixels: NDArray[Any], mask: NDArray[np.uint8]) -> FrameQuality:
        return measure_frame(
            pixels,
            is_flat=is_scaled_by_level(frame.kind),
            colours=frame.steps.colours,
            mask=mask if mask.size else None,
            empty=self._memory.empty,
        )

    def remember(self, frame: NightFrame, source: FileMark, mark: OutputMark) -> Made:
        """Measure a frame that somebody else has just made, as if it had been made here; raises as `make` does."""
        outcome = FrameOutcome(
            frame.source, "done", "", frame.target,
            bytes_out=mark.byte_count, source_mark=source, key=mark.key, crc32=mark.crc32, stamp=mark.stamp,
        )  # fmt: skip
        return self.recall(frame, outcome)

    def _masked(
        self,
        frame: NightFrame,
        raw: RawImage,
        looks: Sequence[RawLook],
        constant: Sequence[str],
        header: HeaderDraft,
    ) -> NDArray[np.uint8]:
        """Return the mask of what the raw pixels are not: read, linear, below saturation; the header is told."""
        found = [
            decide_saturation(look, frame.saturation.of_region(place, region.saturation_adu), raw.layout)
            for place, (look, region) in enumerate(zip(looks, frame.recipe.regions, strict=True))
        ]
        row = kind_row(frame.kind)
        if row is not None and row.is_zero and not constant and masks_nothing(looks, found):  # as of nearly every bias
            mask, full, unread = _NO_MASK, 0, 0
        else:
            mask = self._memory.empty(frame.shape_yx, np.uint8)
            mask[:] = 0
            full, unread = mask_raw(raw, looks, found, frame.recipe, mask)
        for region in frame.recipe.regions if constant else ():
            if region.name in constant:  # whatever its one value is
                mask[region.place_yx(frame.layout.shape_yx)] = MaskBit.NODATA
        if constant:
            full, unread = (int(np.count_nonzero(mask & np.uint8(bit))) for bit in (MaskBit.SATURATED, MaskBit.NODATA))
        header["NSATPIX"] = (full, "saturated pixels")
        lowest = min(found, key=lambda each: math.inf if each.limit_adu is None else each.limit_adu)
        if lowest.limit_adu is not None:
            header["SATADU"] = (lowest.limit_adu, f"ADU of the raw frame, saturated from here on, by {lowest.by}")
        against = next((each for each in found if each.against_adu is not None), None)
        if against is not None:
            header["SATSAID"] = (f"{against.against} = {against.against_adu:g}", "not the saturation, by the pixels")
        header["NUNREAD"] = (unread, "pixels that were never read")
        if unread:
            header["UNREAD"] = (unread_words(looks[0]), "of the raw frame: one value, or repeated")
        return mask

    def _take_sample(self, frame: NightFrame, pixels: NDArray[Any]) -> None:
        if frame.target in self._sampled:
            self.samples[frame.target] = np.concatenate([pixels[band] for band in noise_bands(*pixels.shape)])

    def _read(self, frame: NightFrame) -> tuple[RawImage, FileMark]:
        """Read a raw frame, and what its file is; raises `FrameError` when it is not the one that was planned for."""
        size = frame.layout.byte_count
        # a header that asks for more is of a file that is cut off, and reading it says so
        into = self._memory.empty(size, np.uint8) if size <= self._memory.limit_bytes else None
        self._watch.look([frame.source])
        raw = read_raw(frame.source, into=into, check_sums=self._check_sums, with_mark=True)
        same = raw.layout.shape_yx == frame.layout.shape_yx and (
            raw.layout == frame.layout or frame.layout.tile_compressed  # tiles are decoded to a layout of their own
        )
        if raw.mark is None or not same:
            raise FrameError(frame.source, "was changed while the night was reduced", "run again")
        if frame.header_crc32 not in (None, header_crc32(raw.cards)):
            raise FrameError(frame.source, "has another header than was read before", "run again")
        return raw, raw.mark

    def _others(self, frame: NightFrame) -> tuple[list[NDArray[Any]], dict[str, str], list[str]]:
        """Read other exposures of the field; return them, the hashes of their files, and which could not be read."""
        images, shas, unseen = [], {}, []
        for other in frame.others:
            made = attempt(other.source, self._other, frame, other)
            if isinstance(made, FrameError):
                unseen.append(f"cosmic rays are not judged by {other.name}: it cannot be read")
            else:
                images.append(made[0])
                shas[other.name] = made[1]
        return images, shas, unseen

    def _other(self, frame: NightFrame, other: OtherRaw) -> tuple[NDArray[Any], str]:
        into = self._memory.empty(other.layout.byte_count, np.uint8)
        raw = read_raw(other.source, into=into, check_sums=self._check_sums, with_mark=True)
        if raw.mark is None or raw.layout.shape_yx != frame.layout.shape_yx:
            raise FrameError(other.source, "was changed while the night was reduced", "run again")
        pixels = self._memory.empty(frame.shape_yx, decoded_float(frame.layout))
        calibrate_pixels(raw, frame.recipe, pixels)
        return pixels, raw.mark.sha256

    def _with_dark_scale(
        self, frame: NightFrame, pixels: NDArray[Any], mask: NDArray[np.uint8], header: HeaderDraft
    ) -> tuple[NightFrame, tuple[str, ...]]:
        """Return the frame with the scale of its dark, where that is fitted, and what is said; tell the header."""
        if not frame.steps.fits_dark:
            return frame, ()
        done, found, said = self._calibrations.fitted_dark(frame, pixels, mask)
        if found is not None:
            header["DARKSCAL"] = (found.scale, f"of the dark, fitted to {found.pixels} hot pixels")
            header["DARKSERR"] = (found.error, "its standard error")
        return done, said

    def _reduced(
        self,
        frame: NightFrame,
        pixels: NDArray[Any],
        mask: NDArray[np.uint8],
        header: HeaderDraft,
        others: Sequence[NDArray[Any]],
    ) -> tuple[NDArray[Any] | None, tuple[str, ...], dict[str, float]]:
        """Do what is done after overscan and trim; return deviations, what could not be done, and what is left."""
        row = kind_row(frame.kind)
        if row is not None and row.is_zero:
            return None, (), {}
        before = RowSample.of(pixels)
        if row is not None:
            operations = self._calibrations.operations(frame)
            if operations:
                operate(operations, pixels)
            if header["NSATPIX"]:
                # not measured: such a pixel takes no part in the combination
                pixels[mask & np.uint8(MaskBit.SATURATED) != 0] = np.nan
            return None, (), measure_place(before, operations) | _noise_of_small(before, header)
        with_ = self._calibrations.collect(frame)
        sigma = self._memory.empty(frame.shape_yx, np.float32) if with_.makes_noise else NO_CALIBRATION
        seam, regions = _seam(frame, pixels, mask), frame.recipe.regions
        ghosts = ghosts_in(pixels, regions, frame.layout.shape_yx, header) if frame.recipe.assembles else ()
        reduce_frame(frame, with_, pixels, mask, sigma, header, self._memory.empty, others)
        factor = header.get("GAINCOR", 1.0)
        if with_.level_error > 0:
            header["LEVELERR"] = (with_.level_error * factor, "error of the level, common to all pixels")
        if with_.blind:
            header[BLIND_CARD] = (" ".join(with_.blind), "amplifiers without light in the flat, masked")
        unlit = None
        if with_.unlit_pixels:
            header["NUNLIT"] = (with_.unlit_pixels, "of NMASKED, where the flat has too little light")
            unlit = mask & np.uint8(MaskBit.BAD) != 0
        left = measure_place(before, with_.operations) | _noise_of_small(before, header)
        mosaic = frame.steps.colours is not None
        left |= measure_left(before, pixels, with_.operations, float(factor), unlit, with_.dark_frames, colours=mosaic)
        if "dark_left" in left and np.isfinite(with_.dark_level):
            left["dark_taken_out"] = with_.dark_level * float(factor)
        if seam is not None:
            _say_seam(header, seam, _seam(frame, pixels, mask))
        say_ghosts(header, ghosts)
        return sigma if sigma.size else None, with_.remarks, left


def _noise_of_small(before: RowSample, header: HeaderDraft) -> dict[str, float]:
    """Return the noise of raw pixels whose level is no more than one: it tells fractions from what begins at zero."""
    level = header.get("RAWLEVEL")
    return {"raw_noise": before.noise} if level is not None and abs(level) <= 1.0 else {}


def _mask_bled(steps: Steps, pixels: NDArray[Any], mask: NDArray[np.uint8], header: HeaderDraft) -> None:
    """Mask what saturated pixels bled into, and what the recipe wants masked around them; tell the header."""
    full = header["NSATPIX"]
    bled = mask_bleeding(pixels, mask, full, steps.gain_e_per_adu, steps.colours)
    bled += grow_full(mask, steps.grow_saturated) if full else 0
    header["NBLEED"] = (bled, "pixels that saturated ones bled into")


def _put(near: Path, target: Path, *, overwrite: Overwrite) -> None:
    """Put a copy of a file into its place in a store; where that cannot be, the copy goes, too."""
    from zeroframe.fits.store.objects import ObjectStore

    try:
        ObjectStore.of(cast("UrlPath", target)).put(near, target.name, overwrite=overwrite)
    except (FrameError, OutputError):
        near.unlink()
        raise


def _seam(frame: NightFrame, pixels: NDArray[Any], mask: NDArray[np.uint8]) -> SeamStep | None:
    """Return the largest step at a seam between amplifiers; None where there is no seam."""
    if not frame.recipe.assembles:
        return None
    return largest_step(pixels, frame.recipe.regions, frame.layout.shape_yx, mask)


def _say_seam(header: HeaderDraft, raw: SeamStep, done: SeamStep | None) -> None:
    """Say how far the level steps between amplifiers when all is done, and before."""
    if done is not None:
        header["SEAMSTEP"] = (done.fraction, f"of the level, a step between {' and '.join(done.names)}")
        header["SEAMERR"] = (done.error, "its standard error")
    header["SEAMRAW"] = (raw.fraction, "the largest such step before dark and flat")


def _with_traces(
    frame: NightFrame,
    quality: FrameQuality,
    pixels: NDArray[Any],
    mask: NDArray[np.uint8],
    left: Mapping[str, float],
    header: Mapping[str, Any] | HeaderDraft,
) -> FrameQuality:
    """Add what the frame shows that it should not."""
    light: Light = "none"
    if kind_row(frame.kind) is None:
        light = "sky"
    elif is_scaled_by_level(frame.kind):
        light = "flat"
    colours = frame.steps.colours
    if colours is not None and light == "sky":
        traces = _traces_by_colour(pixels, quality.noise_adu, mask)
    else:
        traces = measure_traces(pixels, quality.level_adu, quality.noise_adu, light, mask if mask.size else None)
    if light == "sky":
        traces |= measure_dark_part(pixels, quality.noise_adu, mask if mask.size else None)
        own = (pixels, mask)
        if colours is not None:  # neighbours of one colour
            own = (plane_of(pixels, PHASES[0]), plane_of(mask, PHASES[0]))
        traces |= measure_line_levels(own[0], quality.noise_adu, own[1] if mask.size else None)
    if colours is not None or any(word in header for word in _COLOUR_WORDS):
        traces = {name: value for name, value in traces.items() if not name.startswith("colour_")}
    return replace(quality, traces={**traces, **left, **_masked_parts(mask, header)})


def _traces_by_colour(pixels: NDArray[Any], noise: float, mask: NDArray[np.uint8]) -> dict[str, float]:
    """Measure the same within each colour: sums of what is counted, and the worst column of all."""
    found: dict[str, float] = {}
    for phase in phases_of(pixels.shape):
        plane, own = (np.ascontiguousarray(plane_of(image, phase)) for image in (pixels, mask))
        some = measure_traces(plane, sampled_level(plane), noise, "sky", own if own.size else None)
        for name in ("odd_columns", "wrapped_pixels"):
            if name in some:
                found[name] = found.get(name, 0.0) + some[name]
        if some.get("odd_column_noises", 0.0) > found.get("odd_column_noises", 0.0):
            place = 2.0 * (some["odd_column"] - 1.0) + phase[1] + 1.0
            found |= {"odd_column": place, "odd_column_noises": some["odd_column_noises"]}
    return found


#: What a mask holds that no card counts, by the name of the figure; counted where more than this part is masked.
_PARTS_OF_MASK = {
    "bad_pixels": MaskBit.BAD,
    "hot_pixels": MaskBit.HOT,
    "bled_pixels": MaskBit.BLEED,
    "nonlinear_pixels": MaskBit.NONLINEAR,
}
_MANY_MASKED = 0.01


def _masked_parts(mask: NDArray[np.uint8], header: Mapping[str, Any] | HeaderDraft) -> dict[str, float]:
    """Count the pixels of a mask by their bits."""
    if not mask.size or float(header.get("NMASKED", 0)) < _MANY_MASKED * mask.size:
        return {}
    return {name: float(np.count_nonzero(mask & np.uint8(bit))) for name, bit in _PARTS_OF_MASK.items()}


def _say_noise(
    header: HeaderDraft,
    quality: FrameQuality,
    pixels: NDArray[Any],
    sigma: NDArray[Any] | None,
    mask: NDArray[np.uint8],
    colours: ColourPattern | None,
) -> None:
    """Say in the header of a science frame what its level and its noise are, and what was expected of the noise."""
    # a frame without a valid pixel has no level, and one of a single pixel no noise
    if np.isfinite(quality.level_adu):
        header["SKYLEVEL"] = (quality.level_adu, "mean level, outliers left out")
    if np.isfinite(quality.noise_adu):
        header["SKYNOISE"] = (quality.noise_adu, "noise of a pixel against its neighbours")
    if colours is not None:
        for letter, level in sky_of_colours(pixels, colours, mask).items():
            header[f"SKYLEV_{letter}"] = (level, f"the same of its pixels of colour {letter}")
    if sigma is None:
        return
    median, ratio = stated_noise(pixels, sigma, mask, colours)
    if np.isfinite(median) and np.isfinite(ratio):
        header["UNCMED"] = (median, "median of the uncertainties")
        header["NOISERAT"] = (ratio, "noise over uncertainty; 1 is right")


def _image_ext(frame: NightFrame) -> int:
    """Return where in the calibrated file the image stands: tiles are a table behind an empty primary HDU."""
    return FORMATS[frame.compress].image_ext


def _step(frame: NightFrame, noise: float, header: HeaderDraft) -> tuple[float | None, tuple[str, ...]]:
    """Return the step in which pixels are written, and why there is none where one was asked for; tell the header."""
    if not FORMATS[frame.compress].quantises:
        return None, ()
    step = step_of_image(noise)
    if step is None:
        return None, ("written without loss: its noise is not known",)
    say_steps(header, step, noise=noise)
    return step, ()


def _parts(
    pixels: NDArray[Any],
    words: NDArray[Any],
    sigma: NDArray[Any] | None,
    mask: NDArray[np.uint8],
    header: HeaderDraft,
    step: float | None,
) -> list[ImagePart]:
    """Return the pixels, the mask and the standard deviations as they go into the file.

    ``words`` is memory for the pixels as they are stored: that of the pixels themselves where they are not wanted any
    more. The standard deviations are used up. Where the pixels have a ``step``, they are written with loss.
    """
    parts = [replace(float_part(pixels, words, header), step=step)]
    if mask.any():
        parts.append(ImagePart(mask, mask_header(), "MASK"))
    if sigma is not None:
        said = HeaderDraft()
        said["UTYPE"] = ("StdDevUncertainty", "standard deviation of the primary image")
        said["BUNIT"] = header["BUNIT"]
        step = None if step is None else step_of_uncertainty(sigma, mask)
        if step is not None:
            say_steps(said, step)
        parts.append(replace(float_part(sigma, sigma, said, "UNCERT"), step=step))
    return parts


def _told(outcome: FrameOutcome, quality: FrameQuality, shape_yx: tuple[int, int], cards: Mapping[str, Any]) -> Made:
    """Complete an outcome by what was measured on the calibrated pixels, and what the header says of the raw ones."""
    said = {word: cards[word] for word in (*FIGURES, "BUNIT") if word in cards}
    remarks = raw_remarks(said, math.prod(shape_yx))
    if outcome.state == "done":
        remark = reason = "; ".join([*([outcome.reason] if outcome.reason else []), *remarks])
    else:  # kept: without run.json only its header tells of it
        remark, reason = outcome.remark or "; ".join(remarks), outcome.reason
    complete = replace(
        outcome,
        reason=reason,
        remark=remark,
        bytes_in=0 if outcome.source_mark is None else outcome.source_mark.byte_count,
        shape_yx=shape_yx,
        raw_level_adu=float(said.get("RAWLEVEL", np.nan)),
        level_adu=quality.level_adu,
        quality=replace(quality, saturated=int(said.get("NSATPIX", 0))),
    )
    return Made(complete, said)
