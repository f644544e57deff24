"""One frame on arrays: its overscan subtracted and trimmed in one pass over its pixels; and how a frame may end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from zeroframe.fits import HeaderDraft, RawImage
from zeroframe.fits.decode import decode_pixels, decoded_float
from zeroframe.fits.formats import FORMATS
from zeroframe.fits.timeline import spanned
from zeroframe.frames.crosstalk import take_out_crosstalk
from zeroframe.frames.pile_up import is_converter_top
from zeroframe.frames.regions import Subtracted, region_levels
from zeroframe.headers.colours import read_colours, state_pattern
from zeroframe.headers.dialects import number_words
from zeroframe.headers.result_cards import Piece, assembled_cards, set_card, trim_cards
from zeroframe.headers.sections import AxisRange, Section
from zeroframe.kernels.raw import calibrate_native, calibrate_swapped16, swap_bytes32
from zeroframe.records import dataclass

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

    from zeroframe.fits import Compression, ImageLayout
    from zeroframe.fits.fingerprint import FileMark
    from zeroframe.frames.quality import FrameQuality
    from zeroframe.frames.regions import Region
    from zeroframe.frames.steps import FrameRecipe
    from zeroframe.headers.colours import ColourPattern

__all__ = [
    "FrameOutcome",
    "calibrate_pixels",
    "calibrated_header",
    "frame_bytes",
    "is_fused",
    "native_pixels",
]

#: Said of the raw pixels, and not true of calibrated ones.
_STALE_CARDS = ("DATAMIN", "DATAMAX", "IRAF-MIN", "IRAF-MAX")

#: So many rows of an amplifier are looked at first, whether they have one value.
_LOOKED_AT = 8
#: Of fewer pixels it may be chance that they are the same.
_FEWEST_PIXELS = 100


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
        Of the calibrated file; see `zeroframe.run.record.OutputMark`.
    dtype : str
        Of its pixels, as they were read back from the file; empty where they were not.
    remark : str
        What was doubtful of the frame when it was made; of one that is skipped, as run.json has it.
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
    dtype: str = ""
    remark: str = ""

    @property
    def is_there(self) -> bool:
        """Whether its calibrated frame is there and right, made now or before."""
        return self.state in {"done", "skipped", "left out"}


def is_fused(layout: ImageLayout) -> bool:
    """Whether the pixels need no decoding before the kernel."""
    return layout.bitpix == 16 and layout.bscale == 1.0 and layout.blank is None and not layout.tile_compressed


def frame_bytes(layout: ImageLayout, shape_yx: tuple[int, int], compress: Compression) -> int:
    """Return how much memory one thread needs to subtract the overscan of a frame, trim it and write it.

    Parameters
    ----------
    layout : ImageLayout
        How the raw image is stored.
    shape_yx : tuple of int
        Of the calibrated frame.
    compress : {'none', 'gzip', 'rice', 'rice-lossy'}
        Of what is written.
    """
    ny, nx = shape_yx
    pixels = int(np.prod(layout.shape_yx))
    out = ny * nx * decoded_float(layout).itemsize
    decoded = 0 if is_fused(layout) else 8 * pixels
    compressed = out * FORMATS[compress].held_images
    return layout.byte_count * (2 if layout.tile_compressed else 1) + decoded + 2 * out + compressed


@spanned("overscan and trim")
def calibrate_pixels(
    raw: RawImage,
    recipe: FrameRecipe,
    out: NDArray[Any],
    unread_rows: NDArray[np.bool_] | None = None,
    decoded: NDArray[Any] | None = None,
) -> Subtracted:
    """Decode a raw frame, subtract its overscans, trim and assemble it, in one pass over its pixels.

    Parameters
    ----------
    raw : RawImage
        The frame as it stands in the file.
    recipe : FrameRecipe
        What is done.
    out : ndarray of float32 or float64
        The result, of the shape of the assembled image.
    unread_rows : ndarray of bool, shape (ny,), optional
        Rows of the raw frame that were never read: their overscan says nothing.
    decoded : ndarray, optional
        All pixels of the raw frame, where they had to be decoded already.

    Returns
    -------
    Subtracted
        What was subtracted, in units of the data, and what was odd about it.

    Raises
    ------
    SectionError
        When a section does not fit the frame.
    UsageError
        When no pixel of the overscan is valid.
    """
    ny, nx = raw.layout.shape_yx
    fused = is_fused(raw.layout)
    # of a frame that is not decoded by the kernel, all of it once
    if not fused and decoded is None:
        decoded = np.ascontiguousarray(raw.decode())
    pixels = raw.pixels.view(np.uint16) if fused or decoded is None else decoded

    def part_of(rows: Any, columns: Any) -> NDArray[Any]:  # noqa: ANN401 -- slices, or numbers
        part = decode_pixels(raw.pixels[rows, columns], raw.layout)
        if unread_rows is not None and np.any(unread_rows[rows]):
            part = part.astype(np.float64)
            part[unread_rows[rows]] = np.nan
        return part

    subtracted = Subtracted()
    for region in recipe.regions:
        if recipe.assembles and (value := _only_value(raw, region)) is not None:
            out[region.place_yx((ny, nx))] = np.nan
            subtracted = subtracted.and_constant(region.name, value)
            continue
        levels, part = region_levels(part_of, region, (ny, nx)), region.part((ny, nx))
        if fused:
            calibrate_swapped16(pixels, raw.layout.bzero, levels.row_adu, levels.column_adu, part, out)
        else:
            calibrate_native(pixels, levels.row_adu, levels.column_adu, part, out)
        subtracted = subtracted.and_of(levels, part.ny * part.nx, region.name)
    if recipe.crosstalk:
        take_out_crosstalk(out, recipe.regions, recipe.crosstalk, (ny, nx))
    return subtracted


def _only_value(raw: RawImage, region: Region) -> float | None:
    """Return the value that an amplifier has throughout, overscans included: it was not read. None where they differ.

    Of pixels that are full the overscan has a level of its own; where there is none, the top of a converter tells
    nothing.
    """
    shape = raw.layout.shape_yx
    part = region.part(shape)
    if part.ny * part.nx < _FEWEST_PIXELS:
        return None
    rows, columns = slice(part.y0, part.y0 + part.ny), slice(part.x0, part.x0 + part.nx)
    stored = raw.pixels[rows.start, columns.start]
    some = slice(rows.start, rows.stop, max(part.ny // _LOOKED_AT, 1))
    strips = (spec.section.slices_yx(shape) for spec in region.overscans)
    for place in ((some, columns), (rows, columns), *strips):  # as a rule a few rows are enough
        if not (raw.pixels[place] == stored).all():
            return None
    value = float(decode_pixels(raw.pixels[rows.start : rows.start + 1, columns], raw.layout)[0, 0])
    return None if not region.overscans and is_converter_top(value, 1.0) else value


def calibrated_header(
    raw: RawImage, recipe: FrameRecipe, colours: ColourPattern | None = None, *, unit: str | None = None
) -> HeaderDraft:
    """Return the header of a calibrated frame: that of the raw one, with what was done, and true for the trimmed image.

    Parameters
    ----------
    raw : RawImage
        The raw frame.
    recipe : FrameRecipe
        What is done to it.
    colours : ColourPattern, optional
        Of the calibrated frame.
    unit : {'adu', 'electron'}, optional
        Of the pixels, as they are taken, whatever the header calls it; without it, what it says stays, and none is adu.

    Returns
    -------
    HeaderDraft
        With OVERSCAN and TRIM where they were done, and BUNIT.
    """
    header = HeaderDraft(raw.cards)
    for stale in _STALE_CARDS:
        if stale in header:
            del header[stale]
    if recipe.assembles:
        _say_assembled(header, recipe, raw.layout)
    else:
        (region,) = recipe.regions
        if region.overscan is not None:
            header["OVERSCAN"] = (" and ".join(spec.describe() for spec in region.overscans), "subtracted")
        if region.trim is not None:
            trim_cards(header, region.trim, raw.layout.shape_yx)
            header["TRIM"] = (str(region.trim), "kept of the raw frame")
    rows = recipe.shape_yx(raw.layout.shape_yx)[0]
    stated = read_colours(header, (rows,)).pattern
    if stated != colours:
        state_pattern(header, colours, rows)
    _say_unit(header, unit)
    return header


def _say_unit(header: HeaderDraft, unit: str | None) -> None:
    """Say the unit by the name that astropy reads, and of pixels in electrons that their gain is 1."""
    said = str(header.get("BUNIT", "")).strip()
    if not said and unit in {None, "adu"}:
        header["BUNIT"] = ("adu", "assumed: the raw frame has no BUNIT")
    elif unit not in {None, said}:
        header["BUNIT"] = (unit, _ascii(f"the raw frame says {said or 'none'}"))
    if unit == "electron":
        for word in number_words("gain"):
            if word in header:
                header[word] = (1.0, "the pixels are in electrons")


def _turned(region: Region, shape_yx: tuple[int, ...]) -> Piece:
    """Return where a region is cut out of the raw frame, and where and how it stands in the result."""
    part = region.part(shape_yx)
    cut = Section((AxisRange(part.x0 + 1, part.x0 + part.nx), AxisRange(part.y0 + 1, part.y0 + part.ny)))
    return Piece(cut, (part.to_x, part.to_y), (part.flip_x, part.flip_y))


def _say_assembled(header: HeaderDraft, recipe: FrameRecipe, layout: ImageLayout) -> None:
    """Say in a header that the image was assembled of the regions of several amplifiers, and make it true for it."""
    regions, shape_yx = recipe.regions, layout.shape_yx
    pieces = [_turned(region, shape_yx) for region in regions]
    # of images that stand one above the other, coordinates are those of the lowest
    lowest = min(range(len(pieces)), key=lambda number: pieces[number].cut.ranges[1].ends())
    of = lowest if layout.images > 1 else None
    of_one = assembled_cards(header, pieces, recipe.shape_yx(shape_yx), of)
    for line in recipe.words():  # no line of the program's own: it is true of what is combined of such frames, too
        header.add_history(_ascii(line))
    if of_one is not None and "CRPIX1" in header:
        header.add_history(_ascii(f"world coordinates are those of amplifier {regions[of_one].name}"))
    if recipe.subtracts_overscan:
        header["OVERSCAN"] = (f"of each of {len(regions)} amplifiers, see HISTORY", "subtracted")
    header["TRIM"] = (f"assembled of {len(regions)} amplifiers, see HISTORY", "kept of the raw frame")
    gains = [region.gain_e_per_adu for region in regions if region.gain_e_per_adu is not None]
    noises = [region.read_noise_e for region in regions if region.read_noise_e is not None]
    for what, usual, values in (("gain", "GAIN", gains), ("read_noise", "RDNOISE", noises)):
        for word in [word for word in number_words(what) if word in header] or [usual]:
            if len(values) == len(regions):
                set_card(header, word, sum(values) / len(values), f"mean of {len(values)} amplifiers, see HISTORY")


def _ascii(words: str) -> str:
    """Return words as a header can hold them."""
    return words.encode("unicode_escape").decode("ascii")


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
