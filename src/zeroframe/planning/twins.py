"""Files of one frame: plain and packed beside each other, as ``a.fits`` and ``a.fits.gz``; it is taken once."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from zeroframe.errors import FrameError, OutputError
from zeroframe.fits import read_raw
from zeroframe.fits.failures import attempt
from zeroframe.fits.part_paths import PartPath, file_of
from zeroframe.planning.plan import Ignored
from zeroframe.planning.targets import Refused, bare_name
from zeroframe.records import dataclass

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from zeroframe.headers.survey import RawFrame
    from zeroframe.planning.plan import NightPlan

__all__ = ["Twins", "twins_aside"]

#: Why a second file of a frame is left alone.
_SAME_PIXELS = "has the pixels of the file of that name beside it, which is taken"


@dataclass(frozen=True)
class Twins:
    """Files that take no part because another one has their name.

    Attributes
    ----------
    items : tuple of RawFrame
        What is known of them.
    ignored : tuple of Ignored
        Those with the pixels of a file that takes part.
    refused : tuple of Refused
        Those with one name and other pixels: nothing tells which of them is right.
    """

    items: tuple[RawFrame, ...]
    ignored: tuple[Ignored, ...]
    refused: tuple[Refused, ...]

    def told_by(self, plan: NightPlan) -> NightPlan:
        """Return a plan that tells of them, too."""
        if not self.items:
            return plan
        found = sorted((*plan.found, *self.items), key=lambda each: str(each.path))
        refused = sorted((*plan.refused, *self.refused), key=lambda each: str(each.path))
        return replace(plan, found=tuple(found), ignored=(*plan.ignored, *self.ignored), refused=tuple(refused))


def twins_aside(found: Sequence[RawFrame]) -> tuple[Sequence[RawFrame], Twins]:
    """Take of files of one folder that are called alike, but for how they are packed, the first where all are alike.

    Parameters
    ----------
    found : sequence of RawFrame
        Everything in the raw folder.

    Returns
    -------
    left : sequence of RawFrame
        Those that are frames of their own. What cannot be read stays, and is named when its turn comes.
    twins : Twins
        The others. Pixels are read where names are alike, and nowhere else.
    """
    if len({str(item.path).rpartition(".")[2] for item in found}) < 2:  # all of one form, as nearly always
        return found, Twins((), (), ())
    alike: dict[tuple[Path, str, str], list[RawFrame]] = {}
    for item in found:
        label = item.path.label if isinstance(item.path, PartPath) else ""
        alike.setdefault((file_of(item.path).parent, bare_name(item.path), label), []).append(item)
    aside: list[RawFrame] = []
    ignored, refused = list[Ignored](), list[Refused]()
    for items in alike.values():
        if len(items) == 1:
            continue
        items.sort(key=lambda item: file_of(item.path).name)  # a plain file comes before the same one packed
        first, *others = paths = [item.path for item in items]
        same = [attempt(path, _have_one_image, first, path) for path in others]
        if any(isinstance(each, FrameError) for each in same):
            continue
        if all(same):
            ignored += [Ignored(path, _SAME_PIXELS) for path in others]
        else:
            refused += [_unlike(path, others[0] if path is first else first) for path in paths]
        aside += items[1:] if all(same) else items
    out = {id(item) for item in aside}
    left = [item for item in found if id(item) not in out] if aside else found
    return left, Twins(tuple(aside), tuple(ignored), tuple(refused))


def _unlike(path: Path, other: Path) -> Refused:
    reason = f"is called as {file_of(other).name} is, and has other pixels: nothing tells which of them is right"
    return Refused(path, OutputError(path, reason, "take one of them away, or rename it"))


def _have_one_image(one: Path, other: Path) -> bool:
    """Whether two files hold the same numbers, however they are packed."""
    first, second = (read_raw(path).decode() for path in (one, other))
    return first.shape == second.shape and np.array_equal(first, second, equal_nan=first.dtype.kind == "f")
