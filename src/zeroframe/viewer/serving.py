"""Frames served to a browser: one page, and the tiles that it asks for."""

from __future__ import annotations

import re
from dataclasses import field
from functools import cached_property
from typing import TYPE_CHECKING

from zeroframe.records import dataclass
from zeroframe.viewer.describe import described, titles_of
from zeroframe.viewer.page import page_head
from zeroframe.viewer.server import Answer
from zeroframe.viewer.tiles import TiledPicture, pack

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zeroframe.viewer.planes import Picture

__all__ = ["ServedPictures"]

_TILE = re.compile(r"tiles/([tm])(\d{1,4})-(\d{1,3})-(\d{1,6})-(\d{1,6})")


@dataclass(eq=False)
class ServedPictures:
    """Images that a browser may ask for.

    Attributes
    ----------
    pictures : sequence of Picture
        What is shown, in this order.
    """

    pictures: Sequence[Picture]
    _shown: list[TiledPicture] = field(init=False)

    def __post_init__(self) -> None:
        self._shown = [TiledPicture(each) for each in self.pictures]

    @cached_property
    def _page(self) -> bytes:
        titles = titles_of(self.pictures)
        told = [described(each, title) for each, title in zip(self._shown, titles, strict=True)]
        page = page_head({"served": True, "tiles": "tiles", "pictures": told}, ", ".join(titles[:3]), connects=True)
        return (page + "</body></html>\n").encode()

    def prepare(self) -> None:
        """Make what a browser asks for first, before it does; raises `FrameError` where a file cannot be read."""
        for each in self._shown:
            each.prepare()

    def answer(self, path: str) -> Answer | None:
        """Return the page (for ``''``) or a tile (``'tiles/t0-0-3-2'``: image, level, along y, along x); else None.

        Raises
        ------
        FrameError
            When a file cannot be read.
        """
        if not path:
            return Answer(self._page)
        asked = _TILE.fullmatch(path)
        if asked is None:
            return None
        number, level, ty, tx = (int(each) for each in asked.groups()[1:])
        if number >= len(self._shown):
            return None
        tiled = self._shown[number] if asked[1] == "t" else self._shown[number].mask
        if tiled is None or level >= len(tiled.levels):
            return None
        try:
            values = tiled.values(level, ty, tx)
        except IndexError:
            return None
        return Answer(pack(values), "application/octet-stream")
