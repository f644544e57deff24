"""The folders of combined frames that a recipe names: what lies in them, and what results call it."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING

from zeroframe.errors import NoFramesError
from zeroframe.fits.store.names import UrlPath, as_path
from zeroframe.headers.survey import survey, survey_files
from zeroframe.headers.trees import tree_files
from zeroframe.workers import AS_USUAL, JobResources

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from zeroframe.planning.library import Library
    from zeroframe.planning.recipe import NightRecipe
    from zeroframe.planning.stored import StoredItem

__all__ = ["library_of", "stored_items"]


def stored_items(recipe: NightRecipe, resources: JobResources = AS_USUAL) -> list[StoredItem]:
    """Read the headers of the combined frames that a recipe names.

    Parameters
    ----------
    recipe : NightRecipe
        With folders, or single files, in ``calibrations``.
    resources : JobResources, optional
        What may be used for it.

    Returns
    -------
    list of StoredItem
        In the order of the folders, and of the names within.

    Raises
    ------
    NoFramesError
        When a folder is not there, cannot be read, or holds no FITS file.
    """
    if not recipe.calibrations.folders:  # as most recipes; what plans such frames is not imported
        return []
    from zeroframe.planning.stored import StoredItem

    items: list[StoredItem] = []
    taken: set[str] = set()
    for text in recipe.calibrations.folders:
        folder = as_path(text)
        title = _title(folder, taken)
        single = not isinstance(folder, UrlPath) and folder.is_file()
        if not (single or isinstance(folder, UrlPath) or folder.is_dir()):
            raise NoFramesError(
                f"{folder}, named for combined calibration frames, is not there; give the folder that holds them"
            )
        words, (_, workers, executor) = recipe.all_words, resources
        if single:
            found = survey([folder], workers=workers, words=words, executor=executor)
        else:
            files = list(tree_files(folder))
            found = survey_files(files, workers=workers, words=words, within=folder, executor=executor)
        if not found:
            raise NoFramesError(
                f"{folder}: no FITS file, so no stored calibration frame; give the folder that holds them"
            )
        for each in found:
            name = title if single else f"{title}/{each.path.relative_to(folder).as_posix()}"
            items.append(StoredItem(name, each))
    return items


def library_of(recipe: NightRecipe) -> Library | None:
    """Return the library that a recipe names, as its index says; None where it names none; raises `NoFramesError`."""
    name = recipe.calibrations.library
    if name is None:
        return None
    from zeroframe.planning.library import read_library

    return read_library(as_path(name))


def _title(folder: Path, taken: set[str]) -> str:
    """Return what a folder is called in results: by its own name, and by a number where two have one."""
    name = folder.name or (folder if isinstance(folder, UrlPath) else folder.resolve()).name or "calibrations"
    title = next(each for each in _numbered(name) if each not in taken)
    taken.add(title)
    return title


def _numbered(name: str) -> Iterator[str]:
    yield name
    yield from (f"{name}_{number}" for number in count(2))
