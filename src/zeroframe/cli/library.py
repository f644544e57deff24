"""``zeroframe library``: combined frames that nights take from each other, with an index of what they are."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from zeroframe.cli.documents import document_of, print_json
from zeroframe.cli.options import INCOMPLETE, OK, Json, Workers, path_or_url
from zeroframe.errors import UsageError

if TYPE_CHECKING:
    from zeroframe.cli.calibrate import RunOptions
    from zeroframe.planning.library import LibraryEntry
    from zeroframe.planning.recipe import NightRecipe

__all__ = ["add_results", "library_app", "prepare_library"]

library_app = typer.Typer(
    name="library",
    no_args_is_help=True,
    help="Keep combined frames in a library, from which nights take what they lack.",
)
_Out = Annotated[
    Path, typer.Argument(metavar="OUT", parser=path_or_url, help="Folder of results, or of combined frames.")
]
_Library = Annotated[Path, typer.Argument(metavar="DIR", parser=path_or_url, help="The library, or its URL (s3://…).")]
_COLUMNS = ("kind", "exposure", "filter", "temperature", "size", "binning", "night", "frames", "made by", "file")


@library_app.command("add", epilog="For example: zeroframe library add OUT library")
def add(out: _Out, folder: _Library, workers: Workers = None, json: Json = False) -> int:
    """Copy the combined frames of a folder of results into a library."""
    from zeroframe.cli.console import Screen, counted
    from zeroframe.run.library import add_to_library

    added = add_to_library(out, folder, workers=workers)
    screen = Screen.beside(json=json)
    for name in added.new:
        screen.line(name, "added", "green")
    if added.known:
        screen.line(counted(len(added.known), "file"), "there already", "cyan")
    for said in added.left_out:
        screen.line(said, "left alone", "yellow")
    if json:
        new, known, left_out = map(list, (added.new, added.known, added.left_out))
        print_json(document_of("library add", OK, added=new, known=known, left_out=left_out))
    return OK


@library_app.command("ls", epilog="For example: zeroframe library ls library")
def list_library(
    folder: _Library,
    json: Json = False,
) -> int:
    """Show what a library holds, by its index."""
    from zeroframe.cli.console import Screen
    from zeroframe.headers.listing import Listing
    from zeroframe.planning.library import read_library

    library = read_library(folder)
    if json:
        print_json(document_of("library ls", OK, entries=[asdict(each) for each in library.entries]))
        return OK
    Screen().listing(Listing(_COLUMNS, tuple(_row(each) for each in library.entries), ()))
    return OK


def _row(entry: LibraryEntry) -> tuple[str | float | None, ...]:
    traits = entry.traits
    ny, nx = traits.shape_yx
    seen = (traits.exposure_s, traits.filter_name, traits.temperature_c)
    binning = " x ".join(map(str, traits.binning_xy))
    return (entry.kind, *seen, f"{nx} x {ny}", binning, traits.night, entry.frames, entry.made_by, entry.file)


@library_app.command("verify", epilog="For example: zeroframe library verify library")
def verify(folder: _Library, json: Json = False) -> int:
    """Say which files of a library are missing, have been altered, or do not stand in its index."""
    from zeroframe.cli.console import Screen, counted
    from zeroframe.planning.library import read_library
    from zeroframe.run.library import verify_library

    library = read_library(folder)
    problems = verify_library(library)
    screen, code = Screen.beside(json=json), INCOMPLETE if problems else OK
    for problem in problems:
        screen.line(problem, "wrong", "red")
    if not problems:
        screen.line(f"{counted(len(library.entries), 'file')} as when they were added.", "verified", "green")
    if json:
        print_json(document_of("library verify", code, files=len(library.entries), problems=list(problems)))
    return code


def prepare_library(recipe: NightRecipe, raw: Path, out: Path, *, by_night: bool, dry_run: bool) -> NightRecipe:
    """See to it that results can be added to the library that a recipe names; one that is not there is made, empty.

    Return the recipe: in a dry run, which makes none, without a library that is not there.
    """
    from zeroframe.fits.store.names import as_path, is_there
    from zeroframe.planning.library import INDEX_NAME
    from zeroframe.run.library import begin_library, check_library_folder

    if recipe.calibrations.library is None:
        raise UsageError("--library-add: no library is named; give --library DIR")
    if by_night:
        raise UsageError(
            "--library-add is of one night; with --by-night nights lend each other what they need, and each folder of "
            "results can be added with zeroframe library add"
        )
    folder = as_path(recipe.calibrations.library)
    check_library_folder(folder, raw, out)
    if not dry_run:
        begin_library(folder)
    elif not is_there(folder / INDEX_NAME):
        return replace(recipe, calibrations=replace(recipe.calibrations, library=None))
    return recipe


def add_results(out: Path, recipe: NightRecipe, code: int, options: RunOptions) -> int:
    """Add the combined frames of a run to the library, where all is well; return the exit code for that."""
    from zeroframe.cli.console import Screen, counted
    from zeroframe.errors import NoFramesError
    from zeroframe.fits.store.names import as_path
    from zeroframe.run.library import add_to_library

    screen, name = Screen.beside(json=options.json), str(recipe.calibrations.library)
    if code != OK:
        screen.line(f"nothing is added to {name}, because not all is well", "library", "yellow")
        return OK
    try:
        added = add_to_library(out, as_path(name), workers=options.workers)
    except NoFramesError:
        screen.line(f"nothing to add to {name}: no frame was combined", "library", "cyan")
        return OK
    there = f", {len(added.known)} were there already" if added.known else ""
    screen.line(f"{counted(len(added.new), 'file')} added to {name}{there}", "library", "green")
    return OK
