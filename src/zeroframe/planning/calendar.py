"""Which files belong to which night; of each of a million, what is remembered is its name, its kind and its night."""

from __future__ import annotations

import os
from collections import defaultdict
from datetime import date
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING

from zeroframe.errors import FrameError, NoFramesError
from zeroframe.fits.failures import attempt
from zeroframe.fits.part_paths import file_of
from zeroframe.headers.kinds import calibration_kinds
from zeroframe.headers.looking import Asked, look_at_files, tell
from zeroframe.planning.select import classify
from zeroframe.planning.traits import SHORTEST_DAY_S, emptiest_hours, moment_of, split_nights
from zeroframe.records import dataclass
from zeroframe.workers import AS_USUAL, JobResources, map_jobs

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from zeroframe.headers.kinds import Kind
    from zeroframe.planning.recipe import NightRecipe
    from zeroframe.planning.traits import Moment

__all__ = ["UNDATED", "Calendar", "Night", "make_calendar"]

#: What the night is called of frames of which nothing says when they were taken.
UNDATED = "undated"
#: So many headers are held at once, and read by a job of a worker: a second of them or five.
_CHUNK = 1000
#: So many jobs are handed out at once, by so many threads each, which wait for a shared disk.
_MOST_JOBS, _FAR_THREADS = 256, 1


@dataclass(frozen=True, slots=True)
class Night:
    """The files of one night.

    Attributes
    ----------
    name : str
        Date of the evening, as ``'2016-01-15'``; `UNDATED` where that is not known.
    files : tuple of str
        All of them, sorted.
    wanted : int
        How many of them take part, or ought to and cannot.
    folder : str
        The innermost folder that holds all that take part.
    calibrations : mapping of Kind to tuple of str
        Which of them are biases, darks and flats that can be used.
    """

    name: str
    files: tuple[str, ...]
    wanted: int
    folder: str
    calibrations: Mapping[Kind, tuple[str, ...]]

    @property
    def day(self) -> int | None:
        """Number of its day; None where its date is not known."""
        return None if self.name == UNDATED else date.fromisoformat(self.name).toordinal()


@dataclass(frozen=True, slots=True)
class Calendar:
    """All nights.

    Attributes
    ----------
    nights : tuple of Night
        Those of which a frame takes part, or ought to, in the order of their dates; frames without a date come last.
    idle : tuple of Night
        Those with nothing that is wanted.
    noon_s : float or None
        The time of day, in seconds since midnight UT, at which one night ends and the next begins; None where no header
        has a time of day.
    certain : bool
        Whether nothing is exposed for hours about that time on any day.
    """

    nights: tuple[Night, ...]
    idle: tuple[Night, ...]
    noon_s: float | None
    certain: bool


@dataclass(slots=True)
class _Noted:
    """One file."""

    path: str
    moment: Moment | None
    kind: Kind | None
    wanted: bool


def make_calendar(
    paths: Iterable[Path],
    recipe: NightRecipe,
    *,
    sifts: bool = True,
    within: Path | None = None,
    resources: JobResources = AS_USUAL,
) -> Calendar:
    """Read the headers of files, and tell nights apart.

    Parameters
    ----------
    paths : iterable of pathlib.Path
        Files.
    recipe : NightRecipe
        Which says what takes part.
    sifts : bool
        Whether what is no FITS file is passed over, instead of being said to be wrong.
    within : pathlib.Path, optional
        The folder that was given; see `zeroframe.headers.survey.survey`.
    resources : JobResources, optional
        What may be used for it; processes of an executor send what is remembered of headers.

    Returns
    -------
    Calendar
        A file of which nothing says when it was taken belongs to the night of the others in its folder, if that is one.

    Raises
    ------
    NoFramesError
        When there is no FITS file, or a folder cannot be read.
    """
    asked = Asked(None, None, recipe.all_words, within, sifts=sifts)
    noted = [each for chunk in _chunks(paths, recipe, asked, resources) for each in chunk.told()]
    if not noted:
        raise NoFramesError("there is no FITS file; give the folder that holds the nights, or a list of their files")
    moments = [each.moment for each in noted]
    split = split_nights(moments)
    noon_s, certain = split.noon_s, split.noon_s is None or split.idle_s >= SHORTEST_DAY_S
    if not certain:
        noon_s = emptiest_hours(moments)
        split = split_nights(moments, noon_s)
    by_name: dict[str, list[_Noted]] = defaultdict(list)
    for each, name in zip(noted, _adopted(noted, split.nights), strict=True):
        by_name[name].append(each)
    nights = [_night(name, members) for name, members in by_name.items()]
    nights.sort(key=lambda night: (night.day is None, night.name))
    return Calendar(
        tuple(night for night in nights if night.wanted),
        tuple(night for night in nights if not night.wanted),
        noon_s,
        certain,
    )


@dataclass(frozen=True, slots=True)
class _Chunk:
    """What is remembered of some files, and what is to be said of them."""

    noted: list[_Noted]
    remarks: list[str]
    passed: list[Path]

    def told(self) -> list[_Noted]:
        """Say it, and return the files."""
        tell(self.passed, self.remarks)
        return self.noted


def _chunks(paths: Iterable[Path], recipe: NightRecipe, asked: Asked, resources: JobResources) -> Iterator[_Chunk]:
    """Yield what is remembered of a thousand files after the other."""
    left = iter(paths)
    chunks = iter(lambda: list(islice(left, _CHUNK)), [])
    if resources.executor is None:
        yield from (_noted(chunk, recipe, asked, resources.workers) for chunk in chunks)
        return
    read = partial(_noted, recipe=recipe, asked=asked, workers=_FAR_THREADS)
    while some := list(islice(chunks, _MOST_JOBS)):
        yield from map_jobs(resources.executor, read, some)


def _noted(paths: Sequence[Path], recipe: NightRecipe, asked: Asked, workers: int | None) -> _Chunk:
    """Return what is remembered of some files."""
    looked = look_at_files(paths, asked, workers=workers)
    usable, refused, _ = classify(looked.found, recipe)
    kinds = {item.path: kind for item, kind in usable}
    wanted = {*kinds, *(each.path for each in refused)}
    files = {file_of(item.path): item for item in looked.found}  # of several detectors, the file once
    noted = []
    for file, item in files.items():
        moment = attempt(item.path, moment_of, item)
        known = None if isinstance(moment, FrameError) else moment  # its night, whichever that is, says why
        noted.append(_Noted(str(file), known, kinds.get(item.path), item.path in wanted))
    return _Chunk(noted, looked.remarks, looked.passed)


def _adopted(noted: Sequence[_Noted], nights: Sequence[str | None]) -> list[str]:
    """Return the night of each file; of one that says nothing, that of its folder."""
    of_folder: dict[str, set[str]] = defaultdict(set)
    folders = [os.path.dirname(each.path) for each in noted]  # noqa: PTH120 -- a Path takes 5 us
    for folder, night in zip(folders, nights, strict=True):
        if night is not None:
            of_folder[folder].add(night)
    lone = {folder: next(iter(names)) for folder, names in of_folder.items() if len(names) == 1}
    return [night or lone.get(folder, UNDATED) for folder, night in zip(folders, nights, strict=True)]


def _night(name: str, members: Sequence[_Noted]) -> Night:
    folders = {os.path.dirname(each.path) for each in members if each.wanted}  # noqa: PTH120
    folders = folders or {os.path.dirname(each.path) for each in members}  # noqa: PTH120
    return Night(
        name=name,
        files=tuple(sorted(each.path for each in members)),
        wanted=sum(each.wanted for each in members),
        folder=os.path.commonpath(folders),
        calibrations={
            row.kind: tuple(sorted(each.path for each in members if each.kind == row.kind))
            for row in calibration_kinds()
        },
    )
