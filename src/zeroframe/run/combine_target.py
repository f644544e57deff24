"""The file that frames are combined into: whether it may be replaced, and what killed combinations left beside it."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

from zeroframe.errors import OutputError, OutputExistsError, ZeroframeWarning
from zeroframe.fits.atomic import remove_dead_parts
from zeroframe.fits.inputs import Inputs
from zeroframe.fits.store.names import any_remote
from zeroframe.headers.own_results import COMBINED_FRAME

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from zeroframe.fits.replacing import Overwrite

__all__ = ["remove_what_killed_ones_left", "replaced_target"]


def remove_what_killed_ones_left(target: Path) -> None:
    """Remove what combinations that were killed left in the folder; where that cannot be, it is no reason to stop."""
    if any_remote(target) or not target.parent.is_dir():
        return
    try:
        remove_dead_parts(target.parent)
    except OutputError as error:
        warnings.warn(str(error), ZeroframeWarning, stacklevel=3)


def replaced_target(target: Path, paths: Sequence[Path], *, overwrite: bool) -> Overwrite:
    """Return what of a combined frame may be replaced; never a file of the input, nor one that we have not combined.

    Parameters
    ----------
    target : pathlib.Path
        What is going to be written.
    paths : sequence of pathlib.Path
        What is combined.
    overwrite : bool
        Whether a combined frame that is there already may be replaced.

    Raises
    ------
    OutputExistsError, OutputError
        As `run_combine` says.
    """
    inputs = Inputs.of(paths)
    if inputs.holds(target):
        raise OutputExistsError(target, "is one of the frames to be combined", "choose another file with -o")
    replaces = COMBINED_FRAME.permission(target, inputs, overwrite=overwrite)
    if not any_remote(target) and not target.parent.is_dir():
        raise OutputError(target, f"the folder {target.parent} is not there", "make it, or choose another file with -o")
    return replaces
