"""The detectors of each science frame in one file of several extensions, where that is asked for.

It is made when the run has ended, of the files that are there then: ``n18.chip1.fits`` … become ``n18.mosaic.fits``,
with an extension ``SCI`` for each detector (EXTVER counts them, CCDNAME names them), its ``UNCERT`` and ``MASK`` of the
same EXTVER, and one table ``AMPLIFIERS``. What is there already of the same frames is kept.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from zeroframe.errors import FrameError
from zeroframe.fits import HeaderDraft, ImagePart, read_raw, scan, write_fits
from zeroframe.fits.failures import attempt
from zeroframe.fits.part_paths import file_of, part_path
from zeroframe.fits.tables import Column, TablePart, read_table
from zeroframe.frames.amplifier_table import AMPLIFIERS
from zeroframe.headers.own_results import COLOUR_PLANE
from zeroframe.headers.survey import KEY_CARD
from zeroframe.planning.focal_plane import detectors_of_files, focal_plane
from zeroframe.planning.targets import target_path
from zeroframe.records import dataclass

if TYPE_CHECKING:
    from pathlib import Path

    from zeroframe.fits import FrameFile, Hdu
    from zeroframe.planning.focal_plane import FocalPlane
    from zeroframe.planning.plan import NightFrame, NightPlan
    from zeroframe.run.outcomes import NightResult

__all__ = ["MOSAIC", "PART_CARD", "mosaic_key", "mosaic_products"]

#: In the name of a file that holds several detectors, and in its header the file of which an extension was made.
MOSAIC, PART_CARD = "mosaic", "PARTFILE"
#: Of a table, the unit of each of its columns.
_UNITS = {"LEVEL": "adu", "GAIN": "electron/adu", "RDNOISE": "electron", "SATURATE": "adu"}
#: Said of one file, and no word of an exposure.
_NOT_COMMON = ("CHECKSUM", "DATASUM", "EXTNAME", "EXTVER", "NAXIS", "COMMENT", "HISTORY", KEY_CARD)


def mosaic_products(plan: NightPlan, result: NightResult) -> list[str]:
    """Write what is asked for; return what went wrong, a sentence each.

    Parameters
    ----------
    plan, result
        As for `zeroframe.run.colour_products.colour_products`.
    """
    if not plan.recipe.steps.mosaic:
        return []
    there = {each.frame.name for each in result.frames if each.outcome.is_there}
    files = detectors_of_files(plan.science)
    if plan.science and not files:
        return ["--mosaic: no science frame is of a file that holds several detectors"]
    problems, taken = [], frozenset(frame.target for frame in plan.frames)
    for path, frames in files.items():
        missing = [frame.name for frame in frames if frame.name not in there]
        if missing:
            problems.append(f"{path}: no mosaic, for {', '.join(missing)} could not be calibrated")
            continue
        failed = attempt(path, _write, focal_plane(plan, frames), taken)
        problems += [str(failed)] if isinstance(failed, FrameError) else []
    return problems


def mosaic_key(keys: Sequence[str]) -> str:
    """Return the key of a file of several detectors, from those of the results of each."""
    return hashlib.sha256("\n".join(keys).encode()).hexdigest()[:32]


def _target(frame: NightFrame) -> Path:
    return target_path(frame.target.parent, part_path(file_of(frame.source), (), MOSAIC), frame.compress)


def _write(plane: FocalPlane, taken: frozenset[Path]) -> None:
    frames = plane.frames
    target = _target(frames[0])
    if target in taken:
        raise FrameError(target, "is the result of a detector of that name, so no mosaic is written", "rename the file")
    results = [scan(frame.target) for frame in frames]
    key = mosaic_key([_key_of(result) for result in results])
    if target.exists() and not isinstance(there := attempt(target, scan, target), FrameError) and _key_of(there) == key:
        return
    permission = COLOUR_PLANE.permission(target, overwrite=True)
    write_fits(target, _Parts(plane, results, key), compress=frames[0].compress, overwrite=permission)


def _key_of(result: FrameFile) -> str:
    # of a tile-compressed result the header stands in the extension
    return next((str(hdu.cards[KEY_CARD]) for hdu in result.hdus[:2] if KEY_CARD in hdu.cards), "")


@dataclass(frozen=True)
class _Parts(Sequence[ImagePart | TablePart]):
    """What stands in the file; each image is read when it is its turn, and only one is in memory."""

    plane: FocalPlane
    results: Sequence[FrameFile]
    key: str

    @property
    def _images(self) -> list[tuple[int, Hdu]]:
        return [
            (number, hdu) for number, result in enumerate(self.results) for hdu in result.hdus if hdu.layout is not None
        ]

    def __len__(self) -> int:
        return len(self._images) + 2

    def __getitem__(self, index: Any) -> Any:  # noqa: ANN401 -- of a sequence
        return list(self)[index]

    def __iter__(self) -> Iterator[ImagePart | TablePart]:
        yield ImagePart(None, self._primary())
        for number, hdu in self._images:
            result = self.results[number]
            is_science = hdu.index == result.image().index
            header = HeaderDraft(result.cards_of(hdu) if is_science else hdu.cards)
            if is_science:
                self._say_detector(header, number)
            header["EXTVER"] = (number + 1, "number of the detector")
            yield ImagePart(read_raw(result.path, ext=hdu.index).decode(), header, "SCI" if is_science else hdu.name)
        table = self._amplifiers()
        if table is not None:
            yield table

    def _say_detector(self, header: HeaderDraft, number: int) -> None:
        """Say of which detector an image is, and where that stands: right side up, as all of them."""
        plane, frame = self.plane, self.plane.frames[number]
        header["CCDNAME"] = (plane.names[number], "name of the detector")
        header[PART_CARD] = (frame.target.name, "result of this detector alone")
        (ny, nx), (y, x) = frame.shape_yx, plane.corners_yx[number]
        height, width = plane.shape_yx
        if plane.is_told:
            x_binning, y_binning = frame.facts.binning_xy or (1, 1)
            header["DETSEC"] = (
                f"[{x * x_binning + 1}:{(x + nx) * x_binning},{y * y_binning + 1}:{(y + ny) * y_binning}]",
                "in the focal plane, unbinned",
            )
            header["DETSIZE"] = (f"[1:{width * x_binning},1:{height * y_binning}]", "size of that")

    def _primary(self) -> HeaderDraft:
        """Return what the headers of all detectors say alike."""
        first, *others = [result.cards_of(result.image()) for result in self.results]
        draft = HeaderDraft(first)
        for word in list(draft):
            if word.startswith(_NOT_COMMON) or any(other.get(word) != first.get(word) for other in others):
                del draft[word]
        draft["NEXTEND"] = (len(self) - 1, "extensions")
        draft[KEY_CARD] = (self.key, "of the results that it is made of")
        return draft

    def _amplifiers(self) -> TablePart | None:
        """Return the tables of all detectors as one, whose first column names the detector."""
        tables = [read_table(result.path, AMPLIFIERS) for result in self.results]
        if not all(tables):
            return None
        names = [np.full(len(table["NAME"]), name) for name, table in zip(self.plane.names, tables, strict=True)]
        columns = [Column("DETECTOR", np.concatenate(names))]
        columns += [
            Column(name, np.concatenate([table[name] for table in tables]), _UNITS.get(name, "")) for name in tables[0]
        ]
        return TablePart(AMPLIFIERS, tuple(columns))
