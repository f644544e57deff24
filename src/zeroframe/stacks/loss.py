"""What is said of frames that lost something when they were written."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

from zeroframe.errors import AssumptionWarning

if TYPE_CHECKING:
    from collections.abc import Iterable

    from zeroframe.fits import FrameFile

__all__ = ["warn_of_loss"]


def warn_of_loss(frames: Iterable[FrameFile]) -> None:
    """Name the frames whose floats were written in whole steps: what is made of them has that loss, too.

    Parameters
    ----------
    frames : iterable of FrameFile
        What is combined.

    Warns
    -----
    AssumptionWarning
        Once for all of them.
    """
    images = [(frame.path, frame.image().layout) for frame in frames]
    lossy = [str(path) for path, layout in images if layout is not None and layout.quantised]
    if lossy:
        names = ", ".join(lossy[:5]) + (f" and {len(lossy) - 5} more" if len(lossy) > 5 else "")
        text = f"{names}: written with loss, as floats in whole steps, and so is what is combined of them"
        warnings.warn(text, AssumptionWarning, stacklevel=3)
