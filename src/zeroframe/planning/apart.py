"""Amplifiers left apart: each becomes an image of its own, with calibration frames of its own."""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import TYPE_CHECKING

from zeroframe.errors import AssumptionWarning, FrameError, UsageError
from zeroframe.fits import scan
from zeroframe.fits.failures import attempt
from zeroframe.fits.part_paths import PartPath, file_of, part_path
from zeroframe.headers.detectors import Detector
from zeroframe.headers.sections import AxisRange, Section
from zeroframe.workers import batches_of, map_jobs

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from concurrent.futures import Executor
    from pathlib import Path

    from zeroframe.fits import FrameFile
    from zeroframe.headers.cameras import Camera
    from zeroframe.headers.detectors import Amplifier
    from zeroframe.headers.geometry import FoundDetector
    from zeroframe.headers.survey import RawFrame

__all__ = ["amplifiers_apart"]

#: What tells the frames of one amplifier from those of others; words of the header that do so are those of a detector.
_CHIP, _OF_READ_OUT = "chip", ("chip", "amplifier")
#: So many files are a job of a worker.
_BATCH = 64


def amplifiers_apart(
    found: Sequence[RawFrame], camera: Camera | None = None, executor: Executor | None = None
) -> list[RawFrame]:
    """Return a frame for each amplifier of frames that several have read; others as they are.

    Parameters
    ----------
    found : sequence of RawFrame
        Whose pixels have been looked at.
    camera : Camera, optional
        That was asked for.
    executor : concurrent.futures.Executor, optional
        Whose processes read headers, instead of this one.

    Raises
    ------
    UsageError
        When several amplifiers of the camera stand in one image, which its file puts together.

    Warns
    -----
    AssumptionWarning
        Where crosstalk is known, which cannot be taken out of one amplifier alone.
    """
    if camera is not None and len(camera.amplifiers) > 1 and not camera.names_extensions:
        raise UsageError(
            f"--keep-amplifiers and the camera {camera.name} do not go together: its amplifiers stand in one image; "
            "leave out --camera, or make a camera file of each amplifier alone"
        )
    files = list(dict.fromkeys(file_of(item.path) for item in found if _is_parted(item)))
    if executor is None:
        wholes = _scanned(files)
    else:
        wholes = [whole for some in map_jobs(executor, _scanned, batches_of(files, _BATCH)) for whole in some]
    whole_of = dict(zip(files, wholes, strict=True))
    return [part for item in found for part in _parts_of(item, whole_of)]


def _is_parted(item: RawFrame) -> bool:
    return item.found is not None and item.problem is None and len(item.found.detector.amplifiers) > 1


def _scanned(files: Sequence[Path]) -> list[FrameFile | FrameError]:
    return [attempt(file, scan, file) for file in files]


def _parts_of(item: RawFrame, whole_of: Mapping[Path, FrameFile | FrameError]) -> Iterator[RawFrame]:
    detector = item.found
    if detector is None or not _is_parted(item):
        yield item
        return
    if detector.detector.crosstalk:
        _say_crosstalk(item)
    file = file_of(item.path)
    whole = whole_of[file]
    for number, amplifier in enumerate(detector.detector.amplifiers):
        label = "-".join(filter(None, (detector.name, amplifier.name)))
        own = _alone(detector, number, label, item.path)
        path = part_path(file, own.extensions, label)
        if isinstance(whole, FrameError):
            yield replace(item, path=path, frame=None, problem=whole, found=own)
            continue
        facts = item.facts
        if facts is not None:
            settings = tuple(each for each in facts.settings if each[0] not in _OF_READ_OUT)
            facts = replace(
                facts,
                gain_e_per_adu=amplifier.gain_e_per_adu or facts.gain_e_per_adu,
                read_noise_e=amplifier.read_noise_e or facts.read_noise_e,
                settings=(*settings, (_CHIP, label)),
            )
        frame = attempt(file, whole.part, path)
        if isinstance(frame, FrameError):
            yield replace(item, path=path, frame=None, problem=frame, found=own)
        else:
            yield replace(item, path=path, frame=frame.abridged(), facts=facts, found=own)


def _alone(detector: FoundDetector, number: int, label: str, path: Path) -> FoundDetector:
    """Return a detector that has one of the amplifiers, in the extension that holds it."""
    # images may be read in another order than they stand in
    extensions = (path.extensions if isinstance(path, PartPath) else ()) or detector.extensions
    amplifier = detector.detector.amplifiers[number]
    rows = detector.extension_rows()
    first = 1 if amplifier.trim is None else amplifier.trim.ranges[1].ends()[0]
    place = next((n for n, part in enumerate(rows) if part.start < first <= part.stop), 0)
    down = rows[place].start if rows else 0
    own = replace(amplifier.shifted(0, -down), detector=label, place=_corner(amplifier))
    return replace(
        detector,
        detector=Detector(label, (own,)),
        extensions=(extensions[place],),
        heights=detector.heights[place : place + 1],
        sensor=detector.sensor[number : number + 1],
    )


def _corner(amplifier: Amplifier) -> Section | None:
    """Return the place of an amplifier in an image of its own: as large, and turned as before."""
    if amplifier.place is None:
        return None
    ranges = []
    for part in amplifier.place.ranges:
        first, last = part.ends()
        size = abs(last - first) + 1
        ranges.append(AxisRange(size, 1) if first > last else AxisRange(1, size))
    return Section(tuple(ranges))


def _say_crosstalk(item: RawFrame) -> None:
    text = f"{file_of(item.path).parent}: crosstalk is not taken out of amplifiers that are left apart"
    warnings.warn(text, AssumptionWarning, stacklevel=4)
