"""Files that several amplifiers read, as one image of a detector: by what the header says of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from zeroframe.errors import UsageError, nearest_name
from zeroframe.fits import read_raw, scan
from zeroframe.fits.astropy_headers import cards_from
from zeroframe.fits.decode import decoded_float
from zeroframe.fits.part_paths import PartPath, part_path
from zeroframe.fits.store.names import as_path
from zeroframe.frames.raw import calibrate_pixels, calibrated_header
from zeroframe.frames.regions import region_of
from zeroframe.frames.steps import FrameRecipe
from zeroframe.headers.amplifier_words import may_say_amplifiers
from zeroframe.headers.geometry import FoundDetector, detectors_in
from zeroframe.headers.result_cards import say_amplifiers

if TYPE_CHECKING:
    import os

    from astropy.io.fits import Header
    from numpy.typing import NDArray

__all__ = ["assembled_image", "detector_of"]


def detector_of(path: str | os.PathLike[str], name: str | None) -> tuple[FoundDetector, PartPath] | None:
    """Return a detector that several amplifiers read, and its part of the file; None for other files.

    Parameters
    ----------
    path : path
        The file.
    name : str or None
        Which detector, of a file that holds several.

    Raises
    ------
    UsageError
        When there are several and none is named, or none of that name.
    FrameError
        When the file cannot be read, or holds several images that are not those of amplifiers.
    """
    frame = scan(path)
    if len(frame.images) <= 1 and not any(may_say_amplifiers(hdu.cards) for hdu in frame.images):
        return None
    known = {each.name: each for each in detectors_in(frame)}
    if not known:
        return None
    listed = ", ".join(known)
    if name is None and len(known) > 1:
        raise UsageError(f"{path} holds the detectors {listed}; say which one: detector={next(iter(known))!r}")
    if name is not None and name not in known:
        raise UsageError(f"{path} holds no detector {name!r}, but {listed or 'one without a name'}"
                         f"{nearest_name(name, list(known)) or ''}")  # fmt: skip
    chosen = known[name] if name is not None else next(iter(known.values()))
    return chosen, part_path(as_path(path), chosen.extensions, chosen.name)


def assembled_image(found: FoundDetector, path: PartPath) -> tuple[NDArray[Any], Header]:
    """Return what the amplifiers of a detector read as one image, each less its own overscan; and its header.

    Parameters
    ----------
    found : FoundDetector
        What the header says.
    path : PartPath
        The images of the file.
    """
    raw = read_raw(path)
    shape_yx = raw.layout.shape_yx
    detector = found.detector.placed(shape_yx)
    regions = tuple(region_of(each) for each in detector.amplifiers)
    recipe = FrameRecipe(regions, found.detector.crosstalk)
    pixels = np.empty(recipe.shape_yx(shape_yx), decoded_float(raw.layout))
    calibrate_pixels(raw, recipe, pixels)
    header = cards_from(calibrated_header(raw, recipe).lines()).to_header()
    say_amplifiers(header, detector)
    return pixels, header
