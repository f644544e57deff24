"""The commands for a whole night: ``night``, ``explain`` and ``recipe``."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from zeroframe.cli_night_run import NightMeans, carry_out_plan
from zeroframe.cli_options import (
    OK,
    SUBTRACT,
    WRITE,
    Camera,
    Check,
    Cluster,
    DryRun,
    IgnoreChecksums,
    MemLimit,
    Out,
    Overwrite,
    Report,
    Workers,
    bytes_of,
    executor_of,
    local_path,
    path_or_url,
)

if TYPE_CHECKING:
    from zeroframe.night.jobs import NightPlan
    from zeroframe.night.recipe import NightRecipe

__all__ = ["add_night_commands", "explain", "night", "recipe"]

Recipe = Annotated[
    Path | None,
    typer.Option("--recipe", metavar="FILE", help="How: night.toml; see zeroframe recipe.", rich_help_panel=SUBTRACT),
]
ByNight = Annotated[
    bool,
    typer.Option("--by-night", help="RAW is a tree, or a list of frames, of many nights.", rich_help_panel=SUBTRACT),
]


def add_night_commands(app: typer.Typer) -> None:
    """Put the commands of this module among those of the program."""
    app.command(epilog="For example: zeroframe night RAW -o OUT --dry-run")(night)
    app.command(epilog="For example: zeroframe explain OUT/ccd.037.0.fits")(explain)
    app.command(epilog="For example: zeroframe recipe > night.toml")(recipe)


def night(
    raw: Annotated[
        Path,
        typer.Argument(
            metavar="RAW", parser=path_or_url, help="Folder with the raw frames, or its URL; it is never written to."
        ),
    ],
    out: Out,
    camera: Camera = None,
    recipe: Recipe = None,
    overwrite: Overwrite = False,
    dry_run: DryRun = False,
    check: Check = False,
    ignore_checksums: IgnoreChecksums = False,
    report: Report = True,
    by_night: ByNight = False,
    mem_limit: MemLimit = None,
    workers: Workers = None,
    cluster: Cluster = None,
) -> int:
    """Calibrate all frames of a night with the biases, darks and flats that belong to them.

    Which frames belong together is decided by their headers, before any pixel is touched: --dry-run shows it. Folders
    within RAW are entered, and found again in OUT.

    With --by-night RAW holds many nights, or is a list of frames. Each night goes into a folder of its own, as
    OUT/2026-11-20, and borrows what it lacks from the nearest night that has it.

    What is in OUT already, made of the same frames in the same way, is kept: a run that was cut short can be run again.
    """
    from zeroframe.io.urls import FAR_THREADS, any_far
    from zeroframe.screen_night import NightScreen

    asked = _recipe_of(recipe, camera)
    on = None if dry_run else cluster
    if any_far(raw, out):
        workers = workers or FAR_THREADS
    means = NightMeans(dry_run, check, not ignore_checksums, report, bytes_of(mem_limit), workers, on)
    if on is not None:  # its processes may be in other folders
        raw, out = raw.absolute(), out.absolute()
    if by_night:
        from zeroframe.cli_nights import carry_out_nights

        return carry_out_nights(raw, out, asked, means, overwrite=overwrite)
    plan = _planned(raw, out, asked, overwrite=overwrite, limit=means.limit, workers=workers)
    with executor_of(on, raw, out) as executor:
        return carry_out_plan(plan, means, NightScreen(), executor)[0]


def _recipe_of(path: Path | None, camera: str | None) -> NightRecipe:
    from zeroframe.night.recipe import NightRecipe, load_recipe

    asked = NightRecipe() if path is None else load_recipe(path)
    return asked if camera is None else replace(asked, frames=replace(asked.frames, camera=camera))


def _planned(
    raw: Path, out: Path, recipe: NightRecipe, *, overwrite: bool, limit: int | None, workers: int | None
) -> NightPlan:
    """Survey the raw folder, look at pixels where only they can tell, and plan."""
    from zeroframe.night.evidence import look_at_pixels
    from zeroframe.night.planning import plan_night
    from zeroframe.plan import check_output_folder
    from zeroframe.survey import survey_tree

    check_output_folder(raw, out)
    found = survey_tree(raw, output=out, workers=workers)
    evidence = look_at_pixels(found, recipe, mem_limit_bytes=limit, workers=workers)
    return plan_night(found, raw, out, recipe, evidence=evidence, overwrite=overwrite)


def explain(
    file: Annotated[
        Path,
        typer.Argument(metavar="FILE", parser=path_or_url, help="A result of zeroframe night, where it was put."),
    ],
) -> int:
    """Say which bias, dark and flat a result was made with, why, and what was the next best."""
    from zeroframe.night.explaining import explain_file
    from zeroframe.screen_night import NightScreen

    NightScreen().sentences(explain_file(file))
    return OK


def recipe(
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="FILE", parser=local_path, help="Where it is written.", rich_help_panel=WRITE
        ),
    ] = None,
    overwrite: Overwrite = False,
) -> int:
    """Write a recipe for zeroframe night with every default in it, to be changed."""
    from zeroframe.night.recipe import NightRecipe
    from zeroframe.night.recipe_writing import recipe_text

    text = recipe_text(NightRecipe())
    if output is None:
        sys.stdout.write(text)
        return OK
    from zeroframe.io.atomic import atomic_file, write_all
    from zeroframe.own_results import RECIPE
    from zeroframe.screen_night import NightScreen

    with atomic_file(output, overwrite=RECIPE.permission(output, overwrite=overwrite)) as descriptor:
        write_all(descriptor, [text.encode()])
    NightScreen().line(str(output), "recipe", "cyan")
    return OK
