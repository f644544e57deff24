"""Files whose images may be those of amplifiers, and whose headers do not say where they belong.

Each image is looked at as a frame of its own, so that data, overscan, gain and read noise are those of the pixels.
Where the images belong, and which are read backwards, no pixel proves: of that a camera file is made to be filled in.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from zeroframe.fits.inputs import NO_INPUTS, Inputs
from zeroframe.headers.cameras import Camera, camera_to_toml
from zeroframe.headers.geometry import images_without_places
from zeroframe.headers.survey import survey
from zeroframe.inspection.inspecting import inspect_overscan
from zeroframe.inspection.writing import named_as_profile, write_profile
from zeroframe.records import dataclass

if TYPE_CHECKING:
    import os
    from collections.abc import Sequence

    from zeroframe.headers.survey import RawFrame
    from zeroframe.headers.words import Words
    from zeroframe.inspection.result import OverscanInspection

__all__ = ["PLACE_TO_FILL_IN", "SeenExtension", "look_at_extensions", "write_draft"]

#: What stands for a place until somebody writes it; no camera file can be used that holds it.
PLACE_TO_FILL_IN = "?"
_HOW = (
    "# Write where the pixels of each amplifier belong in the assembled image, counted from 1, as in\n"
    '# place = "[1:1024,1:1024]"; a range that is written backwards, "[2048:1025,1:1024]", turns them round.\n'
    "# Until then this file cannot be used.\n"
)


@dataclass(frozen=True, slots=True, eq=False)
class SeenExtension:
    """What the pixels of one extension show.

    Attributes
    ----------
    ext : str
        Its name, or its number where it has none.
    inspection : OverscanInspection
    """

    ext: str
    inspection: OverscanInspection

    @property
    def titled(self) -> tuple[tuple[str, OverscanInspection], ...]:
        """Whose inspection is drawn, and the inspection."""
        return ((f"extension {self.ext}", self.inspection),)


def look_at_extensions(
    found: Sequence[RawFrame], *, mem_limit_bytes: int | None = None, workers: int | None = None, words: Words
) -> list[SeenExtension]:
    """Look at each image of files whose headers do not say where their images belong.

    Parameters
    ----------
    found : sequence of RawFrame
        What was found in a folder.
    mem_limit_bytes, workers, words
        As for `zeroframe.inspection.inspect_overscan`.

    Returns
    -------
    list of SeenExtension
        In the order in which they stand in the files; nothing where no file is of that sort.
    """
    files = [(item, images_without_places(item.frame)) for item in found if item.frame is not None and item.problem]
    files = [(item, numbers) for item, numbers in files if numbers]
    if not files:
        return []
    first, numbers = files[0]
    alike = [item.path for item, own in files if own == numbers]
    seen = []
    for number in numbers:
        items = survey(alike, workers=workers, ext=number, words=words)
        hdu = next(each for each in first.frame.images if each.index == number) if first.frame is not None else None
        inspection = inspect_overscan(items, mem_limit_bytes=mem_limit_bytes, workers=workers)
        seen.append(SeenExtension(hdu.name if hdu is not None and hdu.name else str(number), inspection))
    return seen


def write_draft(
    seen: Sequence[SeenExtension], path: str | os.PathLike[str], *, overwrite: bool = False, inputs: Inputs = NO_INPUTS
) -> None:
    """Write a camera file in which only the places are missing.

    Parameters
    ----------
    seen : sequence of SeenExtension
        At least one.
    path, overwrite, inputs
        As for `zeroframe.inspection.write_camera`.

    Raises
    ------
    CameraError
        When the path does not end in ``.toml``.
    OutputExistsError, OutputError
        When another file is there, or it cannot be written.
    """
    target = named_as_profile(path)
    amplifiers = tuple(
        replace(each.inspection.to_camera(target.stem).amplifiers[0], name=each.ext, ext=each.ext) for each in seen
    )
    camera = Camera(target.stem, target.stem, None, amplifiers, source="its pixels")
    text = re.sub(r"(?m)^(trim = .*)$", f'\\1\nplace = "{PLACE_TO_FILL_IN}"', camera_to_toml(camera))
    write_profile(_HOW + text, target, inputs, overwrite=overwrite)
