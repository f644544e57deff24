"""Calibrate one frame: read it once, subtract and trim in one pass over its pixels, write it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from zeroframe.errors import FrameError
from zeroframe.failures import attempt
from zeroframe.frame_quality import FrameQuality, measure_frame
from zeroframe.headers import trim_cards
from zeroframe.io import HeaderDraft, RawImage, read_raw, write_fits
from zeroframe.io.checksums import header_crc32
from zeroframe.io.decoding import decoded_float
from zeroframe.io.marks import Crc32
from zeroframe.kernels.frame import calibrate_native, calibrate_swapped16, swap_bytes32
from zeroframe.overscan import frame_levels
from zeroframe.provenance import LEVEL_CARD, frame_key, sign_frame
from zeroframe.quality import noise_bands
from zeroframe.saving import float_part
from zeroframe.sections import Section

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

    from zeroframe.io import ImageLayout
    from zeroframe.io.marks import FileMark
    from zeroframe.io.replacing import Overwrite
    from zeroframe.plan import CalibrateJob
    from zeroframe.recipes import FrameRecipe

__all__ = [
    "Calibrator",
    "FrameOutcome",
    "calibrate_pixels",
    "calibrated_header",
    "frame_bytes",
    "is_fused",
    "kept_ranges",
    "native_pixels",
]

#: Said of the raw pixels, and not true of calibrated ones.
_STALE_CARDS = ("DATAMIN", "DATAMAX", "IRAF-MIN", "IRAF-MAX")
_WHOLE = Section.parse("[*,*]")


@dataclass(frozen=True, slots=True)
class FrameOutcome:
    """How one frame ended.

    Attributes
    ----------
    source : pathlib.Path
        The raw file.
    state : {'done', 'skipped', 'left out', 'failed'}
        ``reason`` says why, or of what is done what was doubtful though it is; what is skipped is there and right, what
        is left out is calibrated, but was not combined: it does not belong to the others.
    target : pathlib.Path or None
        The calibrated file; None where there never was to be one.
    bytes_in, bytes_out : int
        Sizes of the files.
    shape_yx : tuple of int
        Of the calibrated frame.
    raw_level_adu, level_adu : float
        Mean level of the image, outliers left out, before and after the subtraction of the overscan.
    quality : FrameQuality or None
        What the calibrated frame is like.
    source_mark : FileMark or None
        What the raw file was when it was read.
    key : str
        Of the job, from `zeroframe.provenance.frame_key`.
    crc32 : int
        Of the calibrated file.
    stamp : str
        Of the calibrated file where it is in a store; see `zeroframe.record.OutputMark`.
    """

    source: Path
    state: Literal["done", "skipped", "left out", "failed"]
    reason: str = ""
    target: Path | None = None
    bytes_in: int = 0
    bytes_out: int = 0
    shape_yx: tuple[int, int] = (0, 0)
    raw_level_adu: float = float("nan")
    level_adu: float = float("nan")
    quality: FrameQuality | None = None
    source_mark: FileMark | None = None
    key: str = ""
    crc32: int = 0
    stamp: str = ""

    @property
    def is_there(self) -> bool:
        """Whether its calibrated frame is there and right, made now or before."""
        return self.state in {"done", "skipped", "left out"}


def is_fused(layout: ImageLayout) -> bool:
    """Whether the pixels need no decoding before the kernel."""
    return layout.bitpix == 16 and layout.bscale == 1.0 and layout.blank is None and not layout.tile_compressed


def kept_ranges(trim: Section | None, shape_yx: tuple[int, ...]) -> tuple[range, range]:
    """Return the rows and columns of a raw frame that are kept, in the order of the trimmed image.

    Examples
    --------
    >>> kept_ranges(Section.parse("[3:1,*]"), (2, 4))
    (range(0, 2), range(2, -1, -1))
    """
    rows, columns = (_WHOLE if trim is None else trim).slices_yx(shape_yx)
    return range(shape_yx[0])[rows], range(shape_yx[1])[columns]


def frame_bytes(job: CalibrateJob) -> int:
    """Return how much memory one thread needs to calibrate a frame."""
    ny, nx = job.shape_yx
    stored = job.layout.byte_count
    pixels = int(np.prod(job.layout.shape_yx))
    out = ny * nx * decoded_float(job.layout).itemsize
    decoded = 0 if is_fused(job.layout) else 8 * pixels
    compressed = out if job.compress == "rice" else 0
    return stored * (2 if job.layout.tile_compressed else 1) + decoded + 2 * out + compressed


def calibrate_pixels(raw: RawImage, recipe: FrameRecipe, out: NDArray[Any]) -> float:
    """Decode a raw frame, subtract its overscan and trim it, in one pass over its pixels.

    Parameters
    ----------
    raw : RawImage
        The frame as it stands in the file.
    recipe : FrameRecipe
        What is done.
    out : ndarray of float32 or float64
        The result, of the shape of the trimmed frame.

    Returns
    -------
    float
        The mean level that was subtracted, in units of the data.

    Raises
    ------
    SectionError
        When a section does not fit the frame.
    UsageError
        When no pixel of the overscan is valid.
    """
    ny, nx = raw.layout.shape_yx
    row_level, column_level = np.zeros(ny), np.zeros(nx)
    if recipe.overscan is not None:
        slices = recipe.overscan.section.slices_yx((ny, nx))
        strip = RawImage(raw.path, raw.cards, raw.layout, raw.pixels[slices]).decode()
        row_level, column_level = frame_levels(strip, recipe.overscan, (ny, nx))
    rows, columns = kept_ranges(recipe.trim, (ny, nx))
    y0, x0 = min(rows[0], rows[-1]), min(columns[0], columns[-1])
    if is_fused(raw.layout):
        calibrate_swapped16(raw.pixels.view(np.uint16), raw.layout.bzero, row_level, column_level, y0, x0, out)
    else:
        calibrate_native(np.ascontiguousarray(raw.decode()), row_level, column_level, y0, x0, out)
    if rows.step < 0 or columns.step < 0:
        out[:] = out[:: rows.step, :: columns.step].copy()
    return float(row_level.mean() + column_level.mean())


def calibrated_header(raw: RawImage, recipe: FrameRecipe) -> HeaderDraft:
    """Return the header of a calibrated frame: that of the raw one, with what was done, and true for the trimmed image.

    Parameters
    ----------
    raw : RawImage
        The raw frame.
    recipe : FrameRecipe
        What is done to it.

    Returns
    -------
    HeaderDraft
        With OVERSCAN and TRIM where they were done, and BUNIT.
    """
    header = HeaderDraft(raw.cards)
    for stale in _STALE_CARDS:
        if stale in header:
            del header[stale]
    if recipe.overscan is not None:
        header["OVERSCAN"] = (recipe.overscan.describe(), "subtracted")
    if recipe.trim is not None:
        trim_cards(header, recipe.trim, raw.layout.shape_yx)
        header["TRIM"] = (str(recipe.trim), "kept of the raw frame")
    if not str(header.get("BUNIT", "")).strip():
        header["BUNIT"] = ("adu", "assumed: the raw frame has no BUNIT")
    return header


def native_pixels(raw: RawImage, empty: Callable[[tuple[int, int]], NDArray[np.float32]]) -> NDArray[Any]:
    """Return the pixels of a calibrated frame that has been read, in native byte order.

    Parameters
    ----------
    raw : RawImage
        The frame as it stands in its file.
    empty : callable
        Makes memory for an image of float32.

    Returns
    -------
    ndarray of float32 or float64
    """
    if raw.pixels.dtype != ">f4":
        return raw.decode()
    ny, nx = raw.layout.shape_yx
    pixels = empty((ny, nx))
    swap_bytes32(raw.pixels.reshape(-1).view(np.uint32), pixels.reshape(-1).view(np.uint32))
    return pixels


@dataclass
class _Buffers:
    """Memory that one thread uses again for each frame: fresh pages cost 90 ms a frame."""

    raw: NDArray[np.uint8] = field(default_factory=lambda: np.empty(0, np.uint8))
    words: NDArray[np.float32] = field(default_factory=lambda: np.empty(0, np.float32))
    pixels: NDArray[np.float32] = field(default_factory=lambda: np.empty(0, np.float32))

    def raw_of(self, size: int) -> NDArray[np.uint8]:
        """Return at least so many bytes."""
        if self.raw.size < size:
            self.raw = np.empty(size, np.uint8)
        return self.raw

    def words_of(self, shape_yx: tuple[int, int]) -> NDArray[np.float32]:
        """Return memory for an image as it is stored."""
        size = shape_yx[0] * shape_yx[1]
        if self.words.size < size:
            self.words = np.empty(size, np.float32)
        return self.words[:size].reshape(shape_yx)

    def pixels_of(self, shape_yx: tuple[int, int]) -> NDArray[np.float32]:
        """Return memory for an image."""
        size = shape_yx[0] * shape_yx[1]
        if self.pixels.size < size:
            self.pixels = np.empty(size, np.float32)
        return self.pixels[:size].reshape(shape_yx)


class Calibrator:
    """Carries out calibration jobs on threads; each thread takes a set of buffers and gives it back.

    Parameters
    ----------
    threads : int
        How many jobs run at once.
    keep : bool
        Whether calibrated pixels stay in memory, in ``kept`` by their target.
    sample : bool
        Whether the rows on which frames are compared to measure their noise do, in ``samples``.
    check_sums : bool
        Whether a raw frame whose data have not the sum that its header gives is refused.
    saturation_adu : float, optional
        The value of a saturated raw pixel, where the camera's is known.
    """

    def __init__(
        self,
        *,
        threads: int,
        keep: bool,
        check_sums: bool = True,
        saturation_adu: float | None = None,
        sample: bool = False,
    ) -> None:
        self.kept: dict[Path, NDArray[Any]] = {}
        self.samples: dict[Path, NDArray[Any]] = {}
        self._keep = keep
        self._sample = sample
        self._check_sums = check_sums
        self._saturation_adu = saturation_adu
        self._free: SimpleQueue[_Buffers] = SimpleQueue()
        for _ in range(threads):
            self._free.put(_Buffers())

    def __call__(self, job: CalibrateJob, overwrite: Overwrite = False, header: int | None = None) -> FrameOutcome:
        """Calibrate one frame and write it; what goes wrong with it stands in the outcome, and stops no other.

        Parameters
        ----------
        job : CalibrateJob
            What is done.
        overwrite : bool or Replaceable
            What of a file that is there may be replaced, as for `zeroframe.io.write_fits`.
        header : int, optional
            CRC-32 of the header by which that was decided.
        """
        buffers = self._free.get()
        outcome = attempt(job.source, self._calibrate, job, buffers, overwrite, header)
        self._free.put(buffers)
        return outcome if isinstance(outcome, FrameOutcome) else _failed(job, outcome)

    def _saturation(self, job: CalibrateJob) -> float | None:
        """Return the value of a saturated raw pixel: the camera's, else the most that the file can hold."""
        layout = job.layout
        if self._saturation_adu is not None or layout.bitpix not in {8, 16} or layout.bscale != 1.0:
            return self._saturation_adu
        return layout.bzero + (255.0 if layout.bitpix == 8 else 32767.0)

    def _calibrate(
        self, job: CalibrateJob, buffers: _Buffers, overwrite: Overwrite, header_before: int | None
    ) -> FrameOutcome:
        raw = read_raw(
            job.source, into=buffers.raw_of(job.layout.byte_count), check_sums=self._check_sums, with_mark=True
        )
        # tiles are decoded to a layout of their own
        same = raw.layout.shape_yx == job.layout.shape_yx and (raw.layout == job.layout or job.layout.tile_compressed)
        if raw.mark is None or not same:
            raise FrameError(job.source, "was changed while the frames were calibrated", "run again")
        if header_before not in (None, header_crc32(raw.cards)):
            raise FrameError(job.source, "has another header than was read before", "run again")
        dtype = decoded_float(job.layout)
        fresh = self._keep or dtype != np.float32
        pixels = np.empty(job.shape_yx, dtype) if fresh else buffers.pixels_of(job.shape_yx)
        subtracted = calibrate_pixels(raw, job.recipe, pixels)
        header = calibrated_header(raw, job.recipe)
        key = frame_key(job, raw.mark.sha256)
        sign_frame(header, job, raw.mark, key, subtracted)
        crc = Crc32()
        # only float32 is swapped here
        words = buffers.words_of(job.shape_yx) if dtype == np.float32 else pixels
        part = float_part(pixels, words, header)
        written = write_fits(job.target, [part], compress=job.compress, overwrite=overwrite, on_bytes=crc.update)
        if self._keep:
            self.kept[job.target] = pixels
        self._take_sample(job, pixels)
        outcome = FrameOutcome(
            job.source,
            "done",
            "; ".join(raw.remarks),
            job.target,
            bytes_out=written,
            source_mark=raw.mark,
            key=key,
            crc32=crc.value,
        )
        return _measured(outcome, pixels, subtracted, self._saturation(job))

    def _take_sample(self, job: CalibrateJob, pixels: NDArray[Any]) -> None:
        if self._sample:
            self.samples[job.target] = np.concatenate([pixels[band] for band in noise_bands(*pixels.shape)])

    def recall(self, job: CalibrateJob, right: FrameOutcome) -> FrameOutcome:
        """Measure a frame that is there already and right, as if it had been calibrated now."""
        buffers = self._free.get()
        outcome = attempt(job.target, self._recall, job, right, buffers)
        self._free.put(buffers)
        return outcome if isinstance(outcome, FrameOutcome) else _failed(job, outcome)

    def _recall(self, job: CalibrateJob, right: FrameOutcome, buffers: _Buffers) -> FrameOutcome:
        ny, nx = job.shape_yx
        raw = read_raw(job.target, into=buffers.raw_of(ny * nx * decoded_float(job.layout).itemsize))
        pixels = native_pixels(raw, buffers.pixels_of)
        self._take_sample(job, pixels)
        subtracted = raw.cards.get(LEVEL_CARD)
        level = float(subtracted) if isinstance(subtracted, int | float) else 0.0
        return _measured(right, pixels, level, self._saturation(job))


def _failed(job: CalibrateJob, error: FrameError) -> FrameOutcome:
    return FrameOutcome(job.source, "failed", str(error), job.target)


def _measured(
    outcome: FrameOutcome, pixels: NDArray[Any], subtracted: float, saturation_adu: float | None
) -> FrameOutcome:
    """Complete an outcome by what is measured on the calibrated pixels."""
    quality = measure_frame(pixels, saturated_at=None if saturation_adu is None else saturation_adu - subtracted)
    bytes_in = 0 if outcome.source_mark is None else outcome.source_mark.byte_count
    ny, nx = pixels.shape
    level = quality.level_adu
    return replace(
        outcome,
        bytes_in=bytes_in,
        shape_yx=(ny, nx),
        raw_level_adu=level + subtracted,
        level_adu=level,
        quality=quality,
    )
