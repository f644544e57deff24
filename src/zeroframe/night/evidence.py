"""What pixels say of the overscan of a night's frames, where nothing else does."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zeroframe.errors import FrameError
from zeroframe.recipes import wants_evidence

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zeroframe.inspection import OverscanInspection
    from zeroframe.night.recipe import NightRecipe
    from zeroframe.survey import Found

__all__ = ["look_at_pixels"]


def look_at_pixels(
    found: Sequence[Found], recipe: NightRecipe, *, mem_limit_bytes: int | None = None, workers: int | None = None
) -> OverscanInspection | None:
    """Look at the pixels of a few frames, where camera and sections are neither asked for nor known.

    Parameters
    ----------
    found : sequence of Found
        Everything in the raw folder.
    recipe : NightRecipe
        What was asked for.
    mem_limit_bytes, workers
        As for `zeroframe.inspection.inspect_overscan`.

    Returns
    -------
    OverscanInspection or None
        None also where no frame can be read: each is named with what is wrong when it is calibrated.
    """
    if recipe.frames.overscan is not None or not wants_evidence(found, recipe.frames.wishes()):
        return None
    from zeroframe.inspection import inspect_overscan

    try:
        usable = [item for item in found if item.problem is None]
        return inspect_overscan(usable, mem_limit_bytes=mem_limit_bytes, workers=workers)
    except FrameError:
        return None
