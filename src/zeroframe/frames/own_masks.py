"""A user's own mask of bad pixels: a FITS image that is not 0 where a pixel is bad, or a text of places and regions.

A text has a line for each region, in pixels as FITS counts them, from 1, of the raw frame as it stands in its file:
regions of DS9 (``box(x,y,width,height)``, ``circle(x,y,radius)``, ``line(x1,y1,x2,y2)``, ``point(x,y)``), or numbers
alone as IRAF's fixpix reads them (``x y``, or ``x1 x2 y1 y2``).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from zlib import crc32

import numpy as np

from zeroframe.errors import MismatchError, UsageError
from zeroframe.fits import looks_like_fits, read_raw
from zeroframe.fits.small_files import LIST_BYTES, read_small_file
from zeroframe.frames.mask_bits import MaskBit
from zeroframe.records import dataclass

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from zeroframe.frames.steps import FrameRecipe

__all__ = ["OwnMask", "mask_of_regions", "own_mask", "read_own_mask"]

_SHAPE = re.compile(r"(?:(?:image|physical)\s*;)?\s*([a-z]+)\s*\(([^)]*)\)\s*$", re.IGNORECASE)
#: Lines of DS9 that say how regions are drawn, and in which pixels: those of the image, which are those of FITS.
_SETTINGS = re.compile(r"(?:global\b.*|image|physical)$", re.IGNORECASE)
_NUMBERS = re.compile(r"[\s,]+")


@dataclass(frozen=True, slots=True)
class OwnMask:
    """A file that holds a mask, and the CRC-32 of its content: a result with another content is another result."""

    path: Path
    crc32: int


def own_mask(path: Path) -> OwnMask:
    """Return a file that holds a mask, as it is now; raises `UsageError` when it cannot be read."""
    return OwnMask(path, crc32(_content(path)))


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UsageError(f"{path}: the mask of bad pixels cannot be read ({error.strerror})") from error


def read_own_mask(found: OwnMask, raw_shape_yx: tuple[int, ...], recipe: FrameRecipe) -> NDArray[np.uint8]:
    """Read a mask for frames of one size.

    Parameters
    ----------
    found : OwnMask
        The file.
    raw_shape_yx : tuple of int
        Shape of the raw frame.
    recipe : FrameRecipe
        What is kept of it, and where it goes. A FITS image is one of the raw frame or of the trimmed one, by its size.

    Returns
    -------
    ndarray of uint8
        `MaskBit.BAD` where a pixel of the trimmed frame is bad.

    Raises
    ------
    UsageError
        When it cannot be read or understood, or is not what it was when the work was planned.
    MismatchError
        When it has another size.
    """
    content = _content(found.path)
    if crc32(content) != found.crc32:
        raise UsageError(f"{found.path}: the mask of bad pixels was changed meanwhile; run again")
    shape_yx = recipe.shape_yx(raw_shape_yx)
    if looks_like_fits(found.path):
        pixels = read_raw(found.path).decode()
        bad = ~(pixels == 0)  # what is not finite is bad, too
        if bad.shape == shape_yx and bad.shape != raw_shape_yx:
            return _plane(bad)
        if bad.shape != raw_shape_yx:
            sizes = [f"{shape[1]} x {shape[0]}" for shape in (bad.shape, raw_shape_yx, shape_yx)]
            reason = f"the mask is {sizes[0]} pixels, frames are {sizes[1]}, and {sizes[2]} when they are trimmed"
            raise MismatchError(found.path, reason, "give a mask of one of these sizes")
    else:
        text = read_small_file(found.path, LIST_BYTES).decode("utf-8", "replace")
        bad = mask_of_regions(text, (raw_shape_yx[0], raw_shape_yx[1]), str(found.path))
    kept = np.zeros(shape_yx, bool)
    for region in recipe.regions:
        part = region.part(raw_shape_yx)
        own = bad[part.y0 : part.y0 + part.ny, part.x0 : part.x0 + part.nx]
        kept[region.place_yx(raw_shape_yx)] = own[:: -1 if part.flip_y else 1, :: -1 if part.flip_x else 1]
    return _plane(kept)


def _plane(bad: NDArray[Any]) -> NDArray[np.uint8]:
    return np.ascontiguousarray(bad).view(np.uint8) * np.uint8(MaskBit.BAD)


def mask_of_regions(text: str, shape_yx: tuple[int, int], where: str = "the list of regions") -> NDArray[np.bool_]:
    r"""Return a mask that is true within regions.

    Parameters
    ----------
    text : str
        A region a line; what stands behind ``#`` is left out.
    shape_yx : tuple of int
        Of the image; what lies outside is left out.
    where : str, optional
        What messages call it.

    Returns
    -------
    ndarray of bool

    Raises
    ------
    UsageError
        When a line is none of these, such as a region in right ascension and declination.

    Examples
    --------
    >>> mask_of_regions("image\nbox(2,1,3,1)\n4 2", (2, 4)).astype(int)
    array([[1, 1, 1, 0],
           [0, 0, 0, 1]])
    """
    mask = np.zeros(shape_yx, bool)
    for number, line in enumerate(text.splitlines(), start=1):
        said = line.partition("#")[0].strip()
        if not said or _SETTINGS.match(said):
            continue
        shape = _SHAPE.match(said)
        try:
            values = [float(each) for each in _NUMBERS.split((shape[2] if shape else said).strip())]
            _draw(mask, shape[1].casefold() if shape else "", values)
        except ValueError as error:
            raise UsageError(
                f"{where}: line {number}, {said!r}, is no region that is known; known are box, circle, line and point "
                "in pixels, as DS9 writes them with 'image', and lines of 'x y' or 'x1 x2 y1 y2'"
            ) from error
    return mask


def _draw(mask: NDArray[np.bool_], name: str, values: list[float]) -> None:
    """Mask one region; raises ValueError where there is none of this name with so many numbers."""
    y, x = np.ogrid[1 : mask.shape[0] + 1, 1 : mask.shape[1] + 1]
    match name, values:
        case ("", [x0, y0]) | ("point", [x0, y0]):
            mask |= (x == np.rint(x0)) & (y == np.rint(y0))
        case "", [x1, x2, y1, y2]:
            mask |= (x >= x1) & (x <= x2) & (y >= y1) & (y <= y2)
        case ("box", [x0, y0, width, height]) | ("box", [x0, y0, width, height, 0.0]):
            mask |= (x >= x0 - width / 2) & (x < x0 + width / 2) & (y >= y0 - height / 2) & (y < y0 + height / 2)
        case "circle", [x0, y0, radius]:
            mask |= (x - x0) ** 2 + (y - y0) ** 2 <= radius**2
        case "line", [x1, y1, x2, y2]:
            steps = int(max(abs(x2 - x1), abs(y2 - y1), 0.0)) + 1
            at_x, at_y = (np.rint(np.linspace(a, b, steps + 1)).astype(int) - 1 for a, b in ((x1, x2), (y1, y2)))
            inside = (at_x >= 0) & (at_x < mask.shape[1]) & (at_y >= 0) & (at_y < mask.shape[0])
            mask[at_y[inside], at_x[inside]] = True
        case _:
            raise ValueError(name)
