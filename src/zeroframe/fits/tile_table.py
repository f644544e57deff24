"""The table that holds an image cut into compressed tiles."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zeroframe.errors import DamagedError
from zeroframe.records import dataclass

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np

    from zeroframe.fits.cards import Cards
    from zeroframe.fits.layout import Hdu, ImageLayout

__all__ = ["TileTable"]


@dataclass(frozen=True, slots=True, eq=False)
class TileTable:
    """A table of tiles as it is stored, each with its place in the heap behind the rows.

    Attributes
    ----------
    path : pathlib.Path
        The file, for messages.
    hdu : Hdu
        The table, whose sizes have been checked.
    layout : ImageLayout
        Of the image.
    stored : ndarray of uint8
        The data of the table as stored, heap included.
    """

    path: Path
    hdu: Hdu
    layout: ImageLayout
    stored: np.ndarray[Any, Any]

    @property
    def cards(self) -> Cards:
        """The cards that describe the tiles."""
        return self.hdu.stored_cards

    def damaged(self, why: str) -> DamagedError:
        """Return the error that says why the tiles cannot be read."""
        what = f"its compressed tiles cannot be read ({why})"
        return DamagedError(self.path, what, "copy it again from where it came from")
