"""Where the pixels of a stack come from: arrays in memory, or files read in bands of rows.

A stack gives bands of rows of each frame as floating point numbers with NaN where a pixel is masked, so that frames
are never in memory all at once unless they were before.
"""

from __future__ import annotations

import math
import os
from contextlib import ExitStack, contextmanager
from dataclasses import field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from zeroframe.errors import ArgumentError, MemoryLimitError, MismatchError, NoFramesError, UnsupportedError
from zeroframe.fits import FrameFile, Hdu, ImageLayout, RawImage, read_band, read_raw, scan
from zeroframe.fits.cards import Cards
from zeroframe.fits.checksums import add_sums
from zeroframe.fits.decode import decode_pixels, decoded_float
from zeroframe.fits.failures import blame
from zeroframe.fits.precision import float_dtype
from zeroframe.fits.read import open_descriptor
from zeroframe.fits.store.names import any_remote
from zeroframe.kernels.raw import Part, calibrate_swapped16, read_floats32, swap_floats
from zeroframe.records import dataclass
from zeroframe.stacks.spool import Spool, SpooledStack
from zeroframe.workers import map_threads, worker_count

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

__all__ = [
    "ArrayStack",
    "FileStack",
    "ImageOnDisk",
    "RowSums",
    "Stack",
    "StackView",
    "held_bytes",
    "held_open",
    "kept_open",
    "open_stack",
]

_NO_CARDS = Cards(b"END".ljust(80))
#: Files that stay open while they are combined, and of how many that may be open they are one at most.
_HELD_OPEN, _OF_ALLOWED = 32, 8


class Stack(Protocol):
    """Frames of one shape, given band by band."""

    @property
    def names(self) -> tuple[str, ...]:
        """What each frame is called in messages and headers."""

    @property
    def shape_yx(self) -> tuple[int, int]:
        """Shape of each frame."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """float64 where any frame needs it, else float32."""

    def read_rows(self, index: int, rows: slice, out: NDArray[Any]) -> None:
        """Fill ``out`` (C-contiguous float, ``(rows, nx)``) with rows of one frame, NaN where masked."""


@dataclass(frozen=True)
class StackView:
    """A stack that is seen otherwise: with other frames or other values, as a subclass says.

    Attributes
    ----------
    stack : Stack
        The frames.
    """

    stack: Stack

    @property
    def names(self) -> tuple[str, ...]:
        """What each frame is called."""
        return self.stack.names

    @property
    def shape_yx(self) -> tuple[int, int]:
        """Shape of each frame."""
        return self.stack.shape_yx

    @property
    def dtype(self) -> np.dtype[Any]:
        """That of the stack."""
        return self.stack.dtype


def _common_dtype(dtypes: Sequence[np.dtype[Any]]) -> np.dtype[Any]:
    """float64 where any input is float64."""
    return np.dtype(max((float_dtype(dtype) for dtype in dtypes), key=lambda dtype: dtype.itemsize))


@dataclass(frozen=True)
class ArrayStack:
    """Frames that are in memory.

    Parameters
    ----------
    arrays : sequence of ndarray, each of shape (ny, nx)
        The pixels, of any real type; they are not changed.
    masks : sequence of (ndarray of bool or None)
        True where a pixel is masked.
    names : tuple of str
        What each frame is called.

    Raises
    ------
    NoFramesError
        When there is no array.
    ArgumentError
        When an array does not hold real numbers.
    MismatchError
        When the shape of an array or a mask differs from that of the first array, or has not two axes.
    """

    arrays: Sequence[NDArray[Any]]
    masks: Sequence[NDArray[np.bool_] | None]
    names: tuple[str, ...]

    def __post_init__(self) -> None:
        if not self.arrays:
            raise NoFramesError("a stack needs at least one frame")
        first = self.arrays[0].shape
        for name, array, mask in zip(self.names, self.arrays, self.masks, strict=True):
            if array.dtype.kind not in "biuf":
                raise ArgumentError(f"{name} is an array of {array.dtype}; frames hold real numbers")
            _require_shape(name, array.shape, self.names[0], first)
            if mask is not None:
                _require_shape(f"the mask of {name}", mask.shape, self.names[0], first)

    @property
    def shape_yx(self) -> tuple[int, int]:
        """Shape of each frame."""
        ny, nx = self.arrays[0].shape
        return ny, nx

    @cached_property  # asked for with each band that is read
    def dtype(self) -> np.dtype[Any]:
        """float64 where any frame needs it, else float32."""
        return _common_dtype([array.dtype for array in self.arrays])

    def read_rows(self, index: int, rows: slice, out: NDArray[Any]) -> None:
        """Fill ``out`` with rows of one frame, NaN where masked."""
        np.copyto(out, self.arrays[index][rows], casting="same_kind")
        mask = self.masks[index]
        if mask is not None:
            out[mask[rows]] = np.nan


class RowSums:
    """Sums over the stored words of rows that were read of an image, by which the whole can be compared with DATASUM.

    A range of bytes of an object has no sum that a store would state; but the sums of all rows, in whatever pieces they
    were read, add up to that of the image. It can be pickled, and rows may be added from many threads.
    """

    def __init__(self) -> None:
        self.found: list[tuple[int, int, int]] = []

    def add(self, start: int, stop: int, total: int) -> None:
        """Note the sum over some rows."""
        self.found.append((start, stop, total))

    def begin(self) -> None:
        """Forget what was read before."""
        self.found.clear()

    def total(self, rows: int) -> int | None:
        """Return the sum over all rows; None where they were not read, each once."""
        at, sums = 0, []
        for start, stop, total in sorted(self.found):
            if start != at:
                return None
            at = stop
            sums.append(total)
        return add_sums(*sums) if at == rows else None


@dataclass(frozen=True)
class ImageOnDisk:
    """One image in a file, with the mask that stands in its extension MASK.

    Attributes
    ----------
    frame : FrameFile
        The file.
    image, mask : Hdu
        The image; the mask, None where there is none.
    layout : ImageLayout
        Of the image.
    sums : RowSums or None
        Of one in a store, what has been read of it, where that can be summed.
    descriptor : int or None
        Of the file, while it is kept open.
    """

    frame: FrameFile
    image: Hdu
    layout: ImageLayout
    mask: Hdu | None
    sums: RowSums | None = field(default=None, compare=False)
    descriptor: int | None = None

    @classmethod
    def find(cls, frame: FrameFile) -> ImageOnDisk:
        """Return the one image of a file; raises `UnsupportedError` when it has not two axes."""
        image = frame.image()
        layout = image.layout
        if layout is None or len(layout.shape_yx) != 2:
            raise UnsupportedError(frame.path, "holds an image that has not two axes", "leave it out")
        if layout.tile_compressed and layout.images == 1:
            from zeroframe.fits.tiles_read import check_tiles

            check_tiles(frame.path, image, layout)  # before anybody counts on the sizes that it says
        masks = [hdu for hdu in frame.hdus if hdu.name == "MASK" and hdu.layout is not None]
        found = cls(frame, image, layout, masks[0] if masks and masks[0].index != image.index else None)
        if found.mask is not None and found.mask.layout is not None:
            _require_mask_of(frame, found.mask.layout.shape_yx, layout.shape_yx)
        return replace(found, sums=RowSums()) if any_remote(frame.path) and found.is_summed else found

    def bare(self) -> ImageOnDisk:
        """Return the same without the headers of the file."""
        frame = replace(self.frame, hdus=tuple(map(_without_cards, self.frame.hdus)))
        mask = None if self.mask is None else _without_cards(self.mask)
        return replace(self, frame=frame, image=_without_cards(self.image), mask=mask)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Floating point type that the pixels are worked on in."""
        return decoded_float(self.layout)

    @property
    def is_plain(self) -> bool:
        """Whether rows can be read from the file as they stand."""
        layouts = [hdu.layout for hdu in (self.image, self.mask) if hdu is not None]
        return self.frame.encoding == "plain" and all(layout is None or layout.in_one_piece for layout in layouts)

    @property
    def kept_bytes(self) -> int:
        """How much memory its pixels and its mask take when they are inflated."""
        value = decode_pixels(np.zeros((1, 1), self.layout.dtype), self.layout)
        return math.prod(self.layout.shape_yx) * (value.itemsize + (self.mask is not None))

    @property
    def inflating_bytes(self) -> int:
        """How much memory it takes to inflate it: as it is stored, and decoded; tiles stand there three times."""
        stored = self.layout.byte_count
        return self.kept_bytes + stored + (3 * self.image.data_bytes + stored if self.layout.tile_compressed else 0)

    @property
    def is_summed(self) -> bool:
        """Whether the sum over its data can be taken while rows are read: each row is a whole number of words."""
        layout = self.layout
        plain = layout.bitpix == -32 and (layout.bscale, layout.bzero) == (1.0, 0.0)
        return self.is_plain and self.mask is None and plain

    @property
    def is_alone(self) -> bool:
        """Whether the file is a header, this image as it stands, and what fills its last block: nothing else."""
        return self.is_plain and len(self.frame.hdus) == 1 and not self.frame.remarks

    def read_summed(
        self, rows: slice, out: NDArray[Any], on_bytes: Callable[[memoryview], object] | None = None
    ) -> tuple[int, int]:
        """Fill ``out`` (float32) with rows; return the sum of the stored words, and how many are not finite."""
        self._read_stored(rows, out, on_bytes)
        words = out.reshape(-1).view(np.uint32)
        total, not_finite = read_floats32(words, words)
        if self.sums is not None:
            self.sums.add(rows.start, rows.stop, int(total))
        return int(total), int(not_finite)

    def read_rows(self, rows: slice, out: NDArray[Any], on_bytes: Callable[[memoryview], object] | None = None) -> None:
        """Fill ``out`` with decoded rows of a plain file, NaN where masked; ``on_bytes`` is told the image's bytes."""
        if self.sums is not None and out.itemsize == 4:
            self.read_summed(rows, out, on_bytes)
            return
        self._read_image_rows(rows, out, on_bytes)
        if self.mask is not None and self.mask.layout is not None:
            mask = np.empty(out.shape, np.dtype(self.mask.layout.dtype))
            read_band(self.frame, self.mask, rows, mask, self.descriptor)
            out[mask != 0] = np.nan

    def read_bands(self, bands: Sequence[slice], out: NDArray[Any]) -> None:
        """Fill ``out`` with bands of rows, one below the other, as `read_rows` does with each.

        They are decoded together where that can be: to call a kernel takes as long as it works on 20 kB.
        """
        ends = np.cumsum([0, *(rows.stop - rows.start for rows in bands)])
        together = self.sums is None and self.mask is None
        stored = self._room_for_stored(out) if together else out
        for rows, first, last in zip(bands, ends[:-1], ends[1:], strict=True):
            if together:
                self._read_stored(rows, stored[first:last], None)
            else:
                self.read_rows(rows, out[first:last])
        if together:
            self._decode(stored, out)

    def _is_stored_as(self, out: NDArray[Any]) -> bool:
        """Whether the file holds floats of this size that need nothing but their bytes in order."""
        return self.layout.bitpix == -8 * out.itemsize and (self.layout.bscale, self.layout.bzero) == (1.0, 0.0)

    def _read_stored(self, rows: slice, out: NDArray[Any], on_bytes: Callable[[memoryview], object] | None) -> None:
        read_band(self.frame, self.image, rows, out, self.descriptor)
        if on_bytes is not None:
            on_bytes(out.reshape(-1).view(np.uint8).data)

    def _read_image_rows(self, rows: slice, out: NDArray[Any], on_bytes: Callable[[memoryview], object] | None) -> None:
        stored = self._room_for_stored(out)
        self._read_stored(rows, stored, on_bytes)
        self._decode(stored, out)

    def _room_for_stored(self, out: NDArray[Any]) -> NDArray[Any]:
        """Return where what is stored is read to: ``out`` itself, where only the order of its bytes is changed then."""
        return out if self._is_stored_as(out) else np.empty(out.shape, np.dtype(self.layout.dtype))

    def _decode(self, stored: NDArray[Any], out: NDArray[Any]) -> None:
        """Decode by a kernel for the common types, else as whole files are decoded: to the same bits."""
        layout = self.layout
        if stored is out:
            swap_floats(out)
            return
        if layout.bitpix == 16 and layout.bscale == 1.0 and layout.blank is None:
            ny, nx = out.shape
            calibrate_swapped16(
                stored.view(np.uint16), layout.bzero, np.zeros(ny), np.zeros(nx), Part(0, 0, ny, nx), out
            )
            return
        decoded = RawImage(self.frame.path, self.image.cards, layout, stored).decode()
        np.copyto(out, decoded, casting="same_kind")


@dataclass(frozen=True)
class FileStack:
    """Frames in uncompressed FITS files, of which only the rows asked for are read.

    Files are opened for each band, so a stack of any length needs one file descriptor a thread; of few frames they are
    held open by `held_open`.

    Parameters
    ----------
    images : tuple of ImageOnDisk
        Plain, of one shape.
    names : tuple of str
        What each frame is called.
    """

    images: tuple[ImageOnDisk, ...]
    names: tuple[str, ...]

    @property
    def shape_yx(self) -> tuple[int, int]:
        """Shape of each frame."""
        ny, nx = self.images[0].layout.shape_yx
        return ny, nx

    def bare(self) -> FileStack:
        """Return the same without headers, which of thousands of small frames are most of what is in memory.

        Frames of a store keep theirs: what is read of them is compared with the sum that stands there.
        """
        return FileStack(tuple(image if image.sums is not None else image.bare() for image in self.images), self.names)

    @cached_property  # asked for with each band that is read
    def dtype(self) -> np.dtype[Any]:
        """float64 where any frame needs it, else float32."""
        return _common_dtype([image.dtype for image in self.images])

    def read_rows(self, index: int, rows: slice, out: NDArray[Any]) -> None:
        """Fill ``out`` with rows of one frame, NaN where masked."""
        image = self.images[index]
        blame(image.frame.path, image.read_rows, rows, out)

    def read_bands(self, index: int, bands: Sequence[slice], out: NDArray[Any]) -> None:
        """Do so with bands of rows, one below the other."""
        image = self.images[index]
        blame(image.frame.path, image.read_bands, bands, out)


@contextmanager
def kept_open(stack: Stack, index: int) -> Iterator[tuple[Stack, int]]:
    """Open the file of a frame once for all rows that are read of it in a block: over a network each time counts.

    Yields
    ------
    stack : Stack
    index : int
        Where its rows are read; the same stack and index, where they are in memory or in a store.
    """
    if not isinstance(stack, FileStack) or any_remote(stack.images[index].frame.path):
        yield stack, index
        return
    image = stack.images[index]
    with open_descriptor(image.frame.path) as descriptor:
        yield FileStack((replace(image, descriptor=descriptor),), (stack.names[index],)), 0


@contextmanager
def held_open(stack: Stack) -> Iterator[Stack]:
    """Open the files of a stack once for all bands that are read of them in a block, where they are few.

    To open a file and to close it takes a quarter of the time that it takes to read a band of it.

    Yields
    ------
    stack : Stack
        Of the same frames; the same stack, where they are many, in memory or in a store.
    """
    if not isinstance(stack, FileStack) or len(stack.images) > _most_held_open():
        yield stack
        return
    if any_remote(*(image.frame.path for image in stack.images)):
        yield stack
        return
    with ExitStack() as opened:
        held = tuple(
            replace(image, descriptor=opened.enter_context(open_descriptor(image.frame.path))) for image in stack.images
        )
        yield FileStack(held, stack.names)


def _most_held_open() -> int:
    """Return how many files may stay open: few of those that the system allows, since others need some, too."""
    allowed = os.sysconf("SC_OPEN_MAX") if hasattr(os, "sysconf") else 0  # Windows
    return min(_HELD_OPEN, allowed // _OF_ALLOWED)


def held_bytes(stack: Stack) -> int:
    """Return how much memory the pixels of a stack take; 0 where they are in files."""
    if not isinstance(stack, ArrayStack):
        return 0
    return sum(array.nbytes for array in (*stack.arrays, *stack.masks) if array is not None)


def _without_cards(hdu: Hdu) -> Hdu:
    return replace(hdu, cards=_NO_CARDS, stored_cards=_NO_CARDS)


def _require_mask_of(frame: FrameFile, mask: tuple[int, ...], image: tuple[int, ...]) -> None:
    if mask != image:
        size, image_size = (" x ".join(str(n) for n in reversed(each)) for each in (mask, image))
        reason = f"its mask is {size} pixels, but its image is {image_size}"
        raise MismatchError(frame.path, reason, "leave it out, or mend the extension MASK")


def _require_shape(name: str, shape: tuple[int, ...], first_name: str, first: tuple[int, ...]) -> None:
    if len(shape) != 2:
        raise MismatchError(name, f"has {len(shape)} axes", "frames that are combined have two")
    if shape != first:
        size, first_size = (" x ".join(str(n) for n in reversed(each)) for each in (shape, first))
        raise MismatchError(
            name, f"is {size} pixels, but {first_name} is {first_size}", "leave it out, or combine frames of one size"
        )


def open_stack(
    paths: Sequence[str | os.PathLike[str]],
    *,
    in_memory_bytes: int | Callable[[int, tuple[int, int], np.dtype[Any]], int],
    limit_bytes: int = 2**62,
    spool_folder: Path | None = None,
    workers: int | None = None,
) -> tuple[Stack, list[FrameFile]]:
    """Open files as a stack, without reading pixels of uncompressed ones.

    Parameters
    ----------
    paths : sequence of path
        FITS files, uncompressed or compressed in any way that can be read.
    in_memory_bytes : int or callable
        Compressed frames are kept in memory where all of them together need no more than this; otherwise they are
        inflated once into one temporary file. A function is called with the number of frames, their shape and dtype,
        and what it raises ends it before any pixel is read.
    limit_bytes : int, optional
        How much memory all of this may take: it decides how many are inflated at once.
    spool_folder : Path, optional
        Where the temporary file goes; by default into the system's folder.
    workers : int, optional
        How many threads inflate.

    Returns
    -------
    stack : Stack
    frames : list of FrameFile
        The headers.

    Raises
    ------
    NoFramesError
        When there is no path.
    FrameError
        When a file cannot be read, or its shape differs from that of the first.
    MemoryLimitError
        When one frame alone takes more than ``limit_bytes``.
    OutputError
        When there is no room for the temporary file.
    """
    if not paths:
        raise NoFramesError("a stack needs at least one frame")
    frames = [blame(path, scan, path) for path in paths]
    images = [ImageOnDisk.find(frame) for frame in frames]
    names = tuple(str(frame.path) for frame in frames)
    for name, image in zip(names, images, strict=True):
        _require_shape(name, image.layout.shape_yx, names[0], images[0].layout.shape_yx)
    plain = FileStack(tuple(images), names)
    if not isinstance(in_memory_bytes, int):
        in_memory_bytes = in_memory_bytes(len(images), plain.shape_yx, plain.dtype)
    if all(image.is_plain for image in images):
        return plain, frames
    largest = max(image.inflating_bytes for image in images)
    if largest > limit_bytes:
        raise MemoryLimitError(
            f"the memory limit of {limit_bytes / 1e6:.1f} MB does not hold one frame while it is unpacked; raise it to "
            f"{largest / 1e6 + 1:.0f} MB or more, or unpack the files first"
        )
    kept = sum(image.kept_bytes for image in images)
    spools = kept > min(in_memory_bytes, limit_bytes - largest)
    threads = min(worker_count(workers), (limit_bytes - (0 if spools else kept)) // largest)

    def inflated(image: ImageOnDisk) -> tuple[NDArray[Any], NDArray[np.bool_] | None]:
        return blame(image.frame.path, _inflated, image)

    if not spools:
        arrays, masks = zip(*map_threads(inflated, images, threads), strict=True)
        return ArrayStack(arrays, masks, names), frames
    spool = Spool(spool_folder)
    places = map_threads(lambda image: spool.put(*inflated(image)), images, threads)
    return SpooledStack(spool, tuple(places), names, plain.shape_yx, plain.dtype), frames


def _inflated(image: ImageOnDisk) -> tuple[NDArray[Any], NDArray[np.bool_] | None]:
    """Return the pixels of a file, and its mask."""
    pixels = read_raw(image.frame.path, ext=image.image.index).decode()
    if image.mask is None:
        return pixels, None
    return pixels, read_raw(image.frame.path, ext=image.mask.index).decode() != 0
