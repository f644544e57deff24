"""A library of combined frames: a folder, or a place of a store, with an index of what is valid when and for what.

Only the index is read to answer which of them a night may need; what it names is then looked at as any frame that
exists already (`zeroframe.planning.stored`).
"""

from __future__ import annotations

import json
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zeroframe.errors import DamagedError, NoFramesError
from zeroframe.fits.small_files import RECORD_BYTES, read_small_file
from zeroframe.fits.store.names import is_there
from zeroframe.frames.stored import StoredFile
from zeroframe.headers.kinds import Kind, calibration_kinds
from zeroframe.headers.survey import survey
from zeroframe.planning.matching import best_of
from zeroframe.planning.plan import Configuration, Group, Stored
from zeroframe.planning.stored import StoredItem
from zeroframe.records import dataclass
from zeroframe.stacks.combine import CombineSpec

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from zeroframe.frames.steps import FrameRecipe
    from zeroframe.headers.kinds import CalibrationKind
    from zeroframe.planning.plan import NightFrame
    from zeroframe.planning.recipe import NightRecipe

__all__ = ["INDEX_NAME", "Library", "LibraryEntry", "index_text", "library_items", "read_library"]

INDEX_NAME = "library.json"
_FORMAT = 1
#: Of each sort of frames, so many of each kind are looked at: the best by their headers.
_MOST_OF_A_KIND = 3
_ANY = CombineSpec()


@dataclass(frozen=True, slots=True)
class LibraryEntry:
    """A combined frame of a library.

    Attributes
    ----------
    file : str
        Its path within the library, with forward slashes.
    sha256 : str
        Of its bytes.
    byte_count : int
    kind : str
        Of calibration.
    frames : int
        Of how many it was made, 1 where nobody says it.
    made_by : str
    includes_bias : bool
        Whether the bias is in it, as far as its header says.
    added : str
        When, in UTC.
    source : str
        Where it was taken from.
    traits : Configuration
        What it is matched by; ``shape_yx`` is that of the file.
    """

    file: str
    sha256: str
    byte_count: int
    kind: str
    frames: int
    made_by: str
    includes_bias: bool
    added: str
    source: str
    traits: Configuration


@dataclass(frozen=True, slots=True)
class Library:
    """A library, as its index says.

    Attributes
    ----------
    folder : pathlib.Path
    entries : tuple of LibraryEntry
        In the order of the index: by kind, night and name.
    """

    folder: Path
    entries: tuple[LibraryEntry, ...] = ()


def read_library(folder: Path, *, must_exist: bool = True) -> Library:
    """Read the index of a library.

    Parameters
    ----------
    folder : pathlib.Path
        The library.
    must_exist : bool
        Whether it is an error that there is none; else an empty one is returned.

    Raises
    ------
    NoFramesError
        When there is no index.
    DamagedError
        When the index cannot be read.
    """
    path = folder / INDEX_NAME
    if not is_there(path):
        if must_exist:
            raise NoFramesError(f"{path} is not there; make a library with zeroframe library add OUT {folder}")
        return Library(folder)
    try:
        said = json.loads(read_small_file(path, RECORD_BYTES))
        return Library(folder, _entries(said))
    except (OSError, ValueError, TypeError, LookupError, RecursionError) as error:
        advice = "move it away, and add the folders of results again: files that are there already are kept"
        raise DamagedError(path, f"is no index of a library that can be read ({error})", advice) from error


def _entries(said: Mapping[str, Any]) -> tuple[LibraryEntry, ...]:
    if said["format"] != _FORMAT:
        raise ValueError(f"its format is {said['format']}, and {_FORMAT} is known")
    return tuple(_entry(each) for each in said["entries"])


def _entry(said: Mapping[str, Any]) -> LibraryEntry:
    traits = dict(said["traits"])
    traits["settings"] = tuple((str(sort), str(value)) for sort, value in traits["settings"])
    traits |= {name: tuple(traits[name]) for name in ("shape_yx", "binning_xy", "case_counts")}
    values = {each.name: said[each.name] for each in fields(LibraryEntry)} | {"traits": Configuration(**traits)}
    path = str(values["file"])
    if not path or path.startswith("/") or ".." in path.split("/"):
        raise ValueError(f"{path!r} is no file within the library")
    return LibraryEntry(**values)


def index_text(entries: Iterable[LibraryEntry]) -> str:
    r"""Return the text of an index, an entry a line.

    Examples
    --------
    >>> index_text([])
    '{"format": 1, "entries": [\n]}\n'
    """
    order = {row.kind.value: place for place, row in enumerate(calibration_kinds())}
    known = sorted(entries, key=lambda each: (order.get(each.kind, len(order)), each.traits.night or "", each.file))
    lines = ",\n".join(json.dumps(asdict(each)) for each in known)
    return f'{{"format": {_FORMAT}, "entries": [\n{lines}' + ("\n" if lines else "") + "]}\n"


def library_items(library: Library, frames: Sequence[NightFrame], recipe: NightRecipe) -> list[StoredItem]:
    """Return what of a library frames of a night may need: of each kind, the best by the index.

    Parameters
    ----------
    library : Library
        The library.
    frames : sequence of NightFrame
        Of the night.
    recipe : NightRecipe
        With the tolerances, and the greatest age.

    Returns
    -------
    list of StoredItem
        Of which only headers have been read.
    """
    forms = _Forms(frames)
    chosen: dict[str, LibraryEntry] = {}
    for row in calibration_kinds():
        entries = {each.file: each for each in library.entries if each.kind == row.kind.value}
        candidates = [group for each in entries.values() if (group := _candidate(each, row, forms, recipe)) is not None]
        for traits, first_steps in forms.sorts_for(row):
            best = best_of(row.kind, traits, first_steps, candidates, recipe, _MOST_OF_A_KIND)
            chosen |= {group.name: entries[group.name] for group in best}
    found = survey([library.folder / name for name in chosen], words=recipe.all_words)
    title = library.folder.name or "library"
    return [
        StoredItem(f"{title}/{entry.file}", item, entry.sha256)
        for entry, item in zip(chosen.values(), found, strict=True)
    ]


class _Forms:
    """The frames of a night: one of each sort that matches alike, and what is done first to those of each size."""

    def __init__(self, frames: Sequence[NightFrame]) -> None:
        alike = {(frame.traits, frame.recipe): frame for frame in reversed(frames)}
        self._sorts = list(alike)
        self._recipes: dict[tuple[object, ...], dict[FrameRecipe, Configuration]] = {}
        for frame in alike.values():
            for shape_yx in (frame.shape_yx, frame.traits.shape_yx):
                known = self._recipes.setdefault((shape_yx, frame.traits.binning_xy), {})
                known.setdefault(frame.recipe, frame.traits)

    def sorts_for(self, row: CalibrationKind) -> list[tuple[Configuration, FrameRecipe]]:
        """Return what frames differ in as far as it matters for a kind, and what is done to them first."""
        nothing: dict[str, Any] = {} if row.by_exposure else {"exposure_s": None}
        nothing |= {} if row.by_filter else {"filter_name": None}
        return list(dict.fromkeys((replace(traits, **nothing), first) for traits, first in self._sorts))

    def of(self, entry: LibraryEntry) -> dict[FrameRecipe, Configuration]:
        """Return what is done first to frames that an entry fits by its size."""
        return self._recipes.get((entry.traits.shape_yx, entry.traits.binning_xy), {})


def _candidate(entry: LibraryEntry, row: CalibrationKind, forms: _Forms, recipe: NightRecipe) -> Group | None:
    """Return an entry as what it is matched as; None where no frame has its size."""
    recipes = forms.of(entry)
    if not recipes:
        return None
    like = next(iter(recipes.values()))
    traits = replace(entry.traits, shape_yx=like.shape_yx, unit=like.unit)
    how = recipe.combination(row.kind)
    age = recipe.calibrations.greatest_age_days
    path = Path(entry.file)
    file = StoredFile(path, entry.sha256)
    stored = Stored(file, entry.made_by, entry.frames, tuple(recipes), most_nights=age)
    return Group(
        kind=Kind(entry.kind),
        name=entry.file,
        label=entry.file,
        frames=(),
        target=path,
        spec=_ANY,  # nothing is combined
        clip_spread=how.clip_spread,
        scaled_by_level=row.scaled_by_level,
        reject_outliers=False,
        includes_bias=entry.includes_bias,
        traits=traits,
        stored=stored,
    )
