"""One frame on arrays: its overscan subtracted and trimmed in one pass over its pixels; and how a frame may end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from zeroframe.fits import HeaderDraft, RawImage
from zeroframe.fits.decode import decoded_float
from zeroframe.frames.overscan import frame_levels
from zeroframe.headers.result_cards import trim_cards
from zeroframe.headers.sections import Section
from zeroframe.kernels.raw import calibrate_native, calibrate_swapped16, swap_bytes32

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

    from zeroframe.fits import Compression, ImageLayout
    from zeroframe.fits.fingerprint import FileMark
    from zeroframe.frames.quality import FrameQuality
    from zeroframe.frames.steps import FrameRecipe

__all__ = [
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
        Of the job, from `zeroframe.planning.uses.frame_key`.
    crc32 : int
        Of the calibrated file.
    stamp : str
        Of the calibrated file where it is in a store; see `zeroframe.run.record.OutputMark`.
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


def frame_bytes(layout: ImageLayout, shape_yx: tuple[int, int], compress: Compression) -> int:
    """Return how much memory one thread needs to subtract the overscan of a frame, trim it and write it.

    Parameters
    ----------
    layout : ImageLayout
        How the raw image is stored.
    shape_yx : tuple of int
        Of the calibrated frame.
    compress : {'none', 'gzip', 'rice'}
        Of what is written.
    """
    ny, nx = shape_yx
    pixels = int(np.prod(layout.shape_yx))
    out = ny * nx * decoded_float(layout).itemsize
    decoded = 0 if is_fused(layout) else 8 * pixels
    compressed = out if compress == "rice" else 0
    return layout.byte_count * (2 if layout.tile_compressed else 1) + decoded + 2 * out + compressed


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
