"""The commands for a whole night: ``night``, ``explain`` and ``recipe``."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from zeroframe.cli_options import (
    INCOMPLETE,
    OK,
    REFUSED,
    SUBTRACT,
    WRITE,
    Camera,
    Check,
    DryRun,
    IgnoreChecksums,
    MemLimit,
    Out,
    Overwrite,
    Report,
    Workers,
    bytes_of,
)
from zeroframe.cli_report import can_write, write_page

if TYPE_CHECKING:
    from zeroframe.night.jobs import NightPlan
    from zeroframe.night.recipe import NightRecipe
    from zeroframe.night.results import NightResult
    from zeroframe.report import ReportData
    from zeroframe.screen_night import NightScreen

__all__ = ["add_night_commands", "explain", "night", "recipe"]

Recipe = Annotated[
    Path | None,
    typer.Option("--recipe", metavar="FILE", help="How: night.toml; see zeroframe recipe.", rich_help_panel=SUBTRACT),
]


def add_night_commands(app: typer.Typer) -> None:
    """Put the commands of this module among those of the program."""
    app.command(epilog="For example: zeroframe night RAW -o OUT --dry-run")(night)
    app.command(epilog="For example: zeroframe explain OUT/ccd.037.0.fits")(explain)
    app.command(epilog="For example: zeroframe recipe > night.toml")(recipe)


def night(
    raw: Annotated[Path, typer.Argument(metavar="RAW", help="Folder with the raw frames; it is never written to.")],
    out: Out,
    camera: Camera = None,
    recipe: Recipe = None,
    overwrite: Overwrite = False,
    dry_run: DryRun = False,
    check: Check = False,
    ignore_checksums: IgnoreChecksums = False,
    report: Report = True,
    mem_limit: MemLimit = None,
    workers: Workers = None,
) -> int:
    """Calibrate all frames of a night with the biases, darks and flats that belong to them.

    Which frames belong together is decided by their headers, before any pixel is touched: --dry-run shows it. Folders
    within RAW are entered, and found again in OUT.

    What is in OUT already, made of the same frames in the same way, is kept: a run that was cut short can be run again.
    """
    from zeroframe.night.carrying import carry_out_night
    from zeroframe.night.session import begin_night
    from zeroframe.screen_night import NightScreen

    limit = bytes_of(mem_limit)
    plan = _planned(raw, out, _recipe_of(recipe, camera), overwrite=overwrite, limit=limit, workers=workers)
    screen = NightScreen()
    if dry_run:
        return _dry_run(plan, screen, check=check, workers=workers)
    with begin_night(plan, mem_limit_bytes=limit, workers=workers, check=check) as session:
        screen.night_found(plan)
        screen.choices(plan.choices)
        with screen.progress() as progress:
            measure = report and can_write() and not session.right_report
            result = carry_out_night(session, progress=progress, check_sums=not ignore_checksums, measure=measure)
        screen.night_result(plan, result)
        reported = not report or session.right_report or _write_report(plan, result, screen, workers)
    return _night_code(result) if reported else max(_night_code(result), INCOMPLETE)


def _write_report(plan: NightPlan, result: NightResult, screen: NightScreen, workers: int | None) -> bool:
    """Write OUT/report.html and say so; return False where it should be there and cannot."""

    def measured(command: str) -> ReportData:
        from zeroframe.report import night_report_data

        return night_report_data(plan, result, command=command, workers=workers)

    return write_page(plan.out, measured, screen, overwrite=plan.overwrite)


def _recipe_of(path: Path | None, camera: str | None) -> NightRecipe:
    from zeroframe.night.recipe import NightRecipe, load_recipe

    asked = NightRecipe() if path is None else load_recipe(path)
    return asked if camera is None else replace(asked, frames=replace(asked.frames, camera=camera))


def _planned(
    raw: Path, out: Path, recipe: NightRecipe, *, overwrite: bool, limit: int | None, workers: int | None
) -> NightPlan:
    """Survey the raw folder, look at pixels where only they can tell, and plan."""
    from zeroframe.errors import FrameError
    from zeroframe.night.planning import plan_night
    from zeroframe.plan import check_output_folder
    from zeroframe.recipes import wants_evidence
    from zeroframe.survey import survey_tree

    check_output_folder(raw, out)
    found = survey_tree(raw, leave_out=[out], workers=workers)
    evidence = None
    if recipe.frames.overscan is None and wants_evidence(found, recipe.frames.wishes()):
        from zeroframe.inspection import inspect_overscan

        try:
            usable = [item for item in found if item.problem is None]
            evidence = inspect_overscan(usable, mem_limit_bytes=limit, workers=workers)
        except FrameError:
            evidence = None  # each of the frames is named with what is wrong when it is calibrated
    return plan_night(found, raw, out, recipe, evidence=evidence, overwrite=overwrite)


def _dry_run(plan: NightPlan, screen: NightScreen, *, check: bool, workers: int | None) -> int:
    """Show what would be done; return the code with which it would be refused."""
    from zeroframe.night.standing import examine_night

    screen.night_found(plan)
    screen.choices(plan.choices)
    standings = examine_night(plan, check=check, workers=workers)
    screen.night_tree(plan, standings)
    return REFUSED if standings.refused and not plan.overwrite else OK


def _night_code(result: NightResult) -> int:
    if result.is_good:
        return OK
    return INCOMPLETE if result.done else REFUSED


def explain(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A result of zeroframe night, where it was put.")],
) -> int:
    """Say which bias, dark and flat a result was made with, why, and what was the next best."""
    from zeroframe.night.explaining import explain_file
    from zeroframe.screen_night import NightScreen

    NightScreen().sentences(explain_file(file))
    return OK


def recipe(
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE", help="Where it is written.", rich_help_panel=WRITE),
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
    from zeroframe.screen_night import NightScreen

    with atomic_file(output, overwrite=overwrite) as descriptor:
        write_all(descriptor, [text.encode()])
    NightScreen().line(str(output), "recipe", "cyan")
    return OK
