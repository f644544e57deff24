"""Combined frames that exist: a file, and how its pixels become those of a combined frame of this night."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from zeroframe.errors import FrameError
from zeroframe.fits import read_raw, scan
from zeroframe.fits.decode import decoded_float
from zeroframe.fits.fingerprint import file_mark
from zeroframe.frames.calibration_frames import FLAT_LEVEL_CARD, NO_CALIBRATION, level_of_flat
from zeroframe.frames.mask_bits import MaskBit
from zeroframe.frames.raw import calibrate_pixels
from zeroframe.frames.steps import CalibrationFrame
from zeroframe.headers.result_cards import ERROR_CARD
from zeroframe.headers.survey import KEY_CARD
from zeroframe.records import dataclass

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

    from zeroframe.fits import FrameFile, Hdu
    from zeroframe.frames.steps import FrameRecipe

__all__ = ["StoredFile", "read_stored", "read_stored_mask"]

#: How astropy, ccdproc and we call a plane of uncertainties.
_UNCERTAINTY = "UNCERT"


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A combined frame that exists, and what is done to its pixels before it is used.

    Attributes
    ----------
    path : pathlib.Path
        The file, which is only read.
    sha256 : str
        Of its bytes when it was looked at.
    recipe : FrameRecipe or None
        Overscan and trim, of one that has the size of the raw frames; None: it is trimmed already.
    factor : float
        What its pixels are multiplied by then, to be in the unit of the night.
    offset : float
        What is added to them after that.
    over_level : bool
        Whether they are divided by their level after that, as flats are that were not.
    double : bool
        Whether its pixels stay in float64 where they are: those of the night are.
    sigma : float or None
        The standard deviation of each pixel where no plane of the file states them; None: it is not known.
    """

    path: Path
    sha256: str
    recipe: FrameRecipe | None = None
    factor: float = 1.0
    offset: float = 0.0
    over_level: bool = False
    double: bool = False
    sigma: float | None = None


def read_stored(file: StoredFile, empty: Callable[..., NDArray[Any]] = np.empty) -> CalibrationFrame:
    """Read a combined frame that exists.

    Parameters
    ----------
    file : StoredFile
        The file. Where ``sha256`` is not empty, it has to be the one that was looked at.
    empty : callable, optional
        Makes memory for planes, as `numpy.empty` does.

    Returns
    -------
    CalibrationFrame
        Of which a flat says in FLATLEVL what it was divided by.

    Raises
    ------
    FrameError
        When it cannot be read, or is another file than it was.
    """
    if file.sha256 and file_mark(file.path).sha256 != file.sha256:
        raise FrameError(file.path, "is not the stored calibration frame that was looked at", "run again")
    found = scan(file.path)
    image = found.image()
    cards = dict(found.cards_of(image).items())
    data = _plane(file, image, empty)
    mask = _named(found, "MASK")
    masked = None if mask is None else _kept(file, read_raw(file.path, ext=mask.index).decode() != 0)
    sigma = NO_CALIBRATION
    plane = _named(found, _UNCERTAINTY)
    if plane is not None:
        sigma = _deviations(file, found, plane)
    elif file.sigma is not None:
        cards[ERROR_CARD] = "estimated"  # it is that of an error, whatever the file says of how it was made
    if file.factor != 1.0:
        data *= data.dtype.type(file.factor)
        sigma = sigma * sigma.dtype.type(file.factor)
    if file.offset:
        data += data.dtype.type(file.offset)
    if file.over_level:
        level = level_of_flat(data, masked)
        if level is None:
            raise FrameError(file.path, "is a flat without any light", "leave it out")
        data /= data.dtype.type(level)
        sigma = sigma / sigma.dtype.type(level)
        cards.setdefault(FLAT_LEVEL_CARD, level)
    if plane is None and file.sigma is not None:
        sigma = empty(data.shape, np.float32)
        sigma[...] = file.sigma
    return CalibrationFrame(data, sigma, masked, cards)


def _named(found: FrameFile, name: str) -> Hdu | None:
    image = found.image()
    return next((hdu for hdu in found.hdus if hdu.name == name and hdu.layout and hdu.index != image.index), None)


def _plane(file: StoredFile, image: Hdu, empty: Callable[..., NDArray[Any]]) -> NDArray[Any]:
    """Return the pixels in native order, overscan subtracted and trimmed where that is to be done."""
    raw = read_raw(file.path, ext=image.index)
    dtype = decoded_float(raw.layout) if file.double else np.dtype(np.float32)
    if file.recipe is None:
        return np.array(raw.decode(), dtype=dtype)
    out = empty(file.recipe.shape_yx(raw.layout.shape_yx), dtype)
    calibrate_pixels(raw, file.recipe, out)
    return out


def _kept(file: StoredFile, plane: NDArray[Any]) -> NDArray[Any]:
    """Return what is kept of a plane that has the size of the image, turned and put where the pixels go."""
    if file.recipe is None:
        return np.ascontiguousarray(plane)
    shape_yx = plane.shape
    kept = np.zeros(file.recipe.shape_yx(shape_yx), plane.dtype)
    for region in file.recipe.regions:
        part = region.part((shape_yx[0], shape_yx[1]))
        own = plane[part.y0 : part.y0 + part.ny, part.x0 : part.x0 + part.nx]
        kept[region.place_yx(shape_yx)] = own[:: -1 if part.flip_y else 1, :: -1 if part.flip_x else 1]
    return kept


def _deviations(file: StoredFile, found: FrameFile, plane: Hdu) -> NDArray[Any]:
    """Return the standard deviations of a plane that holds them, their squares or the inverse of those."""
    stated = _kept(file, read_raw(file.path, ext=plane.index).decode())
    kind = str(found.cards_of(plane).get("UTYPE") or "").casefold()
    with np.errstate(invalid="ignore", divide="ignore"):
        if "inverse" in kind:
            stated = 1.0 / np.sqrt(stated)
        elif "variance" in kind:
            stated = np.sqrt(stated)
    return stated.astype(np.float32, copy=False)


def read_stored_mask(file: StoredFile) -> NDArray[np.uint8]:
    """Return the bits of a mask of bad pixels that exists; of another program, all that is not 0 is bad.

    Raises
    ------
    FrameError
        As `read_stored` does.
    """
    if file.sha256 and file_mark(file.path).sha256 != file.sha256:
        raise FrameError(file.path, "is not the stored mask that was looked at", "run again")
    found = scan(file.path)
    image = found.image()
    values = _kept(file, read_raw(file.path, ext=image.index).decode())
    if KEY_CARD in found.cards_of(image):
        return np.ascontiguousarray(values.astype(np.uint8))
    return np.where(values != 0, np.uint8(MaskBit.BAD), np.uint8(0))
