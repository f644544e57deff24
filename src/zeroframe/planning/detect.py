"""What pixels say of the overscan of a night's frames, where nothing else does."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

from zeroframe.errors import AssumptionWarning, FrameError, NoFramesError, ZeroframeError
from zeroframe.fits.failures import file_failure
from zeroframe.headers.cameras import recognise
from zeroframe.planning.select import takes_part

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zeroframe.headers.survey import RawFrame
    from zeroframe.inspection import OverscanInspection
    from zeroframe.planning.recipe import NightRecipe

__all__ = ["look_at_pixels"]


def look_at_pixels(
    found: Sequence[RawFrame], recipe: NightRecipe, *, mem_limit_bytes: int | None = None, workers: int | None = None
) -> OverscanInspection | None:
    """Look at the pixels of a few frames, where camera and sections are neither asked for nor known.

    Parameters
    ----------
    found : sequence of RawFrame
        Everything in the raw folder; of one of many nights, with what it borrows: its own frames may tell too little.
    recipe : NightRecipe
        What was asked for.
    mem_limit_bytes, workers
        As for `zeroframe.inspection.inspect_overscan`.

    Returns
    -------
    OverscanInspection or None
        None also where no frame can be read, as each is named with what is wrong when it is calibrated, and where they
        are too small to look at.
    """
    wishes = recipe.frames.wishes()
    if recipe.frames.overscan is not None or wishes.camera is not None or wishes.names_sections:
        return None
    unknown = _of_unknown_cameras(found)
    if not any(takes_part(item, recipe) for item in unknown):
        return None
    from zeroframe.inspection import inspect_overscan

    try:
        return inspect_overscan(unknown, mem_limit_bytes=mem_limit_bytes, workers=workers)
    except (FrameError, NoFramesError):
        return None
    except (ZeroframeError, Warning):
        raise
    except Exception as error:  # noqa: BLE001 -- without it the night is reduced all the same, and this is said
        failed = file_failure(error, unknown[0].path.parent)
        text = f"{failed.path}: the overscan was not looked for in the pixels, which {failed.reason}"
        warnings.warn(text, AssumptionWarning, stacklevel=2)
        return None


def _of_unknown_cameras(found: Sequence[RawFrame]) -> list[RawFrame]:
    """Return the raw frames whose camera is not recognised, by the first one of each form.

    Where there are others, those about which something is odd are left out: one that is cut off may be of any size.
    """
    unknown: dict[object, bool] = {}
    left: list[RawFrame] = []
    odd: list[RawFrame] = []
    for item in found:
        if item.problem is not None or item.frame is None or item.facts is None or item.facts.combined:
            continue
        if item.form not in unknown:
            unknown[item.form] = recognise(item.frame.cards, item.shape_yx or ()) is None
        if unknown[item.form]:
            (odd if item.frame.remarks else left).append(item)
    return left or (odd if all(unknown.values()) else [])
