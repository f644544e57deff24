"""What of a file can be looked at: its images, each with its mask and its header."""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING, Any

import numpy as np

from zeroframe.errors import UnsupportedError
from zeroframe.fits import scan
from zeroframe.fits.decode import decode_pixels
from zeroframe.fits.read import read_band, read_raw
from zeroframe.frames.mask_bits import MEANINGS, MaskBit, bits_of_header
from zeroframe.headers.extensions import as_extension
from zeroframe.records import dataclass

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from zeroframe.fits import FrameFile, Hdu
    from zeroframe.fits.layout import ImageLayout

__all__ = ["Picture", "Plane", "open_pictures"]

_MASK = "MASK"
_MEANING = {bit.name: text for bit, text in MEANINGS.items()}


@dataclass(eq=False)
class Plane:
    """The pixels of one image of a file, read as they are asked for.

    Attributes
    ----------
    frame : FrameFile
        The file.
    hdu : Hdu
        The image in it.
    """

    frame: FrameFile
    hdu: Hdu
    _kept: NDArray[Any] | None = field(default=None, repr=False)

    @property
    def layout(self) -> ImageLayout:
        """How the pixels are stored."""
        if self.hdu.layout is None:
            raise UnsupportedError(self.frame.path, f"extension {self.hdu.index} holds no image", "choose another one")
        return self.hdu.layout

    @property
    def shape_yx(self) -> tuple[int, int]:
        """Shape of the image; one of one axis is a single row."""
        shape = self.layout.shape_yx
        return (1, shape[0]) if len(shape) == 1 else (shape[0], shape[1])

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the values that the file holds, of native byte order."""
        nothing = np.zeros((1, 1), self.layout.dtype)
        found: np.dtype[Any] = decode_pixels(nothing, self.layout).dtype
        return found

    def read_rows(self, start: int, stop: int) -> NDArray[Any]:
        """Return some rows, decoded.

        Parameters
        ----------
        start, stop : int
            Rows counted from 0, ``stop`` not among them.

        Returns
        -------
        ndarray, shape (stop - start, nx)
            The values of the file: integers stay integers; masked pixels have theirs.

        Raises
        ------
        FrameError
            When they cannot be read. A compressed image is read whole, once, and kept.
        """
        layout, (_, nx) = self.layout, self.shape_yx
        if self.frame.encoding != "plain" or not layout.in_one_piece or len(layout.shape_yx) == 1:
            if self._kept is None:
                decoded = read_raw(self.frame.path, ext=self.hdu.index).decode()
                self._kept = decoded.reshape(self.shape_yx)
            return self._kept[start:stop]
        stored = np.empty((stop - start, nx), layout.dtype)
        read_band(self.frame, self.hdu, slice(start, stop), stored)
        return decode_pixels(stored, layout)


@dataclass(frozen=True)
class Picture:
    """One image of a file, as it is shown.

    Attributes
    ----------
    path : pathlib.Path
        The file.
    title : str
        Its name, with that of the extension where the file holds several images.
    image : Plane
        Its pixels.
    mask : Plane or None
        Its mask.
    bits : mapping of str to int
        Names of the bits of the mask, with their values.
    frame : FrameFile
        The file's headers.
    left_out : tuple of str
        What of the file is not shown, each a clause.
    """

    path: Path
    title: str
    image: Plane
    mask: Plane | None
    bits: Mapping[str, int]
    frame: FrameFile
    left_out: tuple[str, ...] = ()

    @property
    def cards(self) -> Mapping[str, Any]:
        """The header of the image, completed by the primary header."""
        return self.frame.cards_of(self.image.hdu)

    @property
    def header_text(self) -> str:
        """The cards as they stand in the file, one a line."""
        text = self.image.hdu.stored_cards.text.decode("ascii", "backslashreplace")
        return "\n".join(text[at : at + 80].rstrip() for at in range(0, len(text), 80))

    @property
    def unit(self) -> str:
        """What BUNIT says; empty where it says nothing."""
        return str(self.cards.get("BUNIT", "")).strip()

    @property
    def origin_xy(self) -> tuple[float, float]:
        """Where its first pixel stands in the image that it was cut out of (LTV1, LTV2), counted from 0."""
        found = []
        for word in ("LTV1", "LTV2"):
            value = self.cards.get(word, 0)
            usable = isinstance(value, int | float) and abs(value) < np.inf
            found.append(-float(value) if usable and value else 0.0)
        return found[0], found[1]

    def bit_meaning(self, name: str) -> str:
        """Say what a bit of the mask means; empty where it is not one of ours."""
        return _MEANING.get(name, "")


def open_pictures(path: Path, ext: str | None = None) -> tuple[Picture, ...]:
    """Return the images of a file.

    Parameters
    ----------
    path : pathlib.Path
        A file of any format that can be read.
    ext : str, optional
        Number or name of one extension; by default all images, without those that go with another one.

    Returns
    -------
    tuple of Picture
        At least one.

    Raises
    ------
    FrameError
        When the file cannot be read.
    UnsupportedError
        When it holds no image of two axes.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from astropy.io import fits
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "a.fits")
    ...     fits.writeto(path, np.arange(6, dtype=np.uint16).reshape(2, 3))
    ...     (picture,) = open_pictures(path)
    ...     print(picture.title, picture.image.dtype, picture.image.read_rows(1, 2))
    a.fits uint16 [[3 4 5]]
    """
    frame = scan(path)
    chosen = [frame.image(as_extension(ext))] if ext is not None else _images(frame)
    several = len(chosen) > 1
    shown = {hdu.index for hdu in chosen}
    masks = [hdu for hdu in frame.hdus if hdu.name == _MASK and hdu.layout is not None and hdu.index not in shown]
    found = []
    for hdu in chosen:
        name = f"{path.name}[{hdu.name or hdu.index}]" if several or ext is not None else path.name
        image = Plane(frame, hdu)
        mask = _mask_of(frame, image, masks)
        bits = {} if mask is None else bits_of_header(mask.hdu.cards)
        others = shown | ({mask.hdu.index} if mask else set())
        found.append(Picture(path, name, image, mask, bits, frame, _left_out(frame, others)))
    return tuple(found)


def _images(frame: FrameFile) -> list[Hdu]:
    images = [hdu for hdu in frame.images if hdu.layout is not None and len(hdu.layout.shape_yx) <= 2]
    # of none, or only of cubes: let the one rule of what can be used say what is there
    return images or [frame.image()]


def _mask_of(frame: FrameFile, image: Plane, masks: list[Hdu]) -> Plane | None:
    """Return the mask of an image; the image itself where it is a mask, as one of hot pixels in a file of its own."""
    if any(f"MBIT{bit.bit_length() - 1}" in image.hdu.cards for bit in MaskBit) and image.dtype.kind in "iu":
        return image
    for hdu in masks:
        plane = Plane(frame, hdu)
        if plane.shape_yx == image.shape_yx and plane.dtype.kind in "iub":
            return plane
    return None


def _left_out(frame: FrameFile, shown: set[int]) -> tuple[str, ...]:
    images = [hdu for hdu in frame.hdus if hdu.layout is not None and hdu.index not in shown]
    return tuple(f"extension {hdu.index} {hdu.name}".strip() + " is not shown; choose it with --ext" for hdu in images)
