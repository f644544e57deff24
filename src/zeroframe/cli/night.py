"""The commands that carry out a plan, ``bias``, ``dark``, ``flat`` and ``night``; and ``explain`` and ``recipe``."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from zeroframe.cli.calibrate import RunOptions, carry_out_folder
from zeroframe.cli.console import say
from zeroframe.cli.documents import document_of, print_json
from zeroframe.cli.library import add_results, prepare_library
from zeroframe.cli.options import (
    COMBINE,
    OK,
    SUBTRACT,
    WRITE,
    CalibrationsAsked,
    Camera,
    Cards,
    Check,
    ClipAsked,
    Cluster,
    CompressAsked,
    DarkScaling,
    Debayer,
    DetectorAsked,
    DryRun,
    Ext,
    IgnoreChecksums,
    Interpolate,
    Json,
    KeepAmplifiers,
    Kinds,
    LibraryAdd,
    LibraryAsked,
    MemLimit,
    MethodAsked,
    Mosaic,
    NightsAtOnce,
    Out,
    Overscan,
    OverscanFit,
    OverscanMethod,
    OverscanOrder,
    Overwrite,
    OwnMask,
    Recurse,
    RejectAsked,
    Report,
    SplitColours,
    SpreadAsked,
    Strict,
    Trace,
    Trim,
    UnitAsked,
    Workers,
    bytes_of,
    local_path,
    overscan_of,
    path_or_url,
    section_of,
    taught_words,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from zeroframe.planning.recipe import NightRecipe

__all__ = ["add_night_commands", "explain", "recipe", "recipe_asked"]

Raw = Annotated[
    Path,
    typer.Argument(
        metavar="RAW", parser=path_or_url, help="Folder with the raw frames, or its URL; it is never written to."
    ),
]
Recipe = Annotated[
    Path | None,
    typer.Option(
        "--recipe",
        metavar="FILE",
        help="Settings file, written by zeroframe recipe; by default zeroframe.toml of RAW or above.",
        rich_help_panel=SUBTRACT,
    ),
]
Combine = Annotated[
    bool | None, typer.Option("--combine/--no-combine", help="Combine the calibrated frames.", rich_help_panel=COMBINE)
]
ByNight = Annotated[
    bool,
    typer.Option("--by-night", help="RAW is a tree, or a list of frames, of many nights.", rich_help_panel=SUBTRACT),
]


def add_night_commands(app: typer.Typer) -> None:
    """Put the commands of this module among those of the program."""
    for name, (what, example) in _COMMANDS.items():
        app.command(name, help=f"{what}\n\n{_ALL_OF_THEM}", epilog=f"For example: {example}")(_command(name))
    app.command(epilog="For example: zeroframe explain OUT/ccd.037.0.fits")(explain)
    app.command(epilog="For example: zeroframe recipe > night.toml")(recipe)


#: What each command does, and an example.
_COMMANDS = {
    "bias": (
        (
            "Calibrate the biases of a folder, and combine them into OUT/combined_bias.fits.\n\n"
            "Other frames are left alone. Folders within RAW are entered, and found again in OUT."
        ),
        "zeroframe bias RAW -o OUT --overscan '\\[2056:2080,:]' --trim '\\[1:2048,:]'",
    ),
    "dark": (
        (
            "Calibrate the darks of a folder with its biases, and combine those of one exposure.\n\n"
            "Other frames are left alone. Folders within RAW are entered, and found again in OUT."
        ),
        "zeroframe dark RAW -o OUT",
    ),
    "flat": (
        (
            "Calibrate the flats of a folder with its biases and darks, and combine those of one filter.\n\n"
            "Other frames are left alone. Folders within RAW are entered, and found again in OUT."
        ),
        "zeroframe flat RAW -o OUT",
    ),
    "night": (
        (
            "Calibrate all frames of a night with the biases, darks and flats that belong to them.\n\n"
            "Which frames belong together is decided by their headers, before any pixel is touched: --dry-run shows "
            "it. Folders within RAW are entered, and found again in OUT."
        ),
        "zeroframe night RAW -o OUT --dry-run",
    ),
}
_ALL_OF_THEM = (
    "Without --camera, --overscan and --trim a known camera is recognised by its header; of any other the pixels of a "
    "few frames decide (see zeroframe inspect). A header's BIASSEC is never simply believed.\n\n"
    "With --by-night RAW holds many nights, or is a list of frames. Each night goes into a folder of its own, as "
    "OUT/2026-11-20, and borrows what it lacks from the nearest night that has it.\n\n"
    "What is in OUT already, made of the same frames in the same way, is kept: a run that was cut short can be run "
    "again."
)


def _command(job: str) -> Callable[..., int]:
    """Return one of the commands: they differ in the frames that take part."""

    def run(
        raw: Raw,
        out: Out,
        camera: Camera = None,
        overscan: Overscan = None,
        trim: Trim = None,
        overscan_method: OverscanMethod = None,
        overscan_fit: OverscanFit = None,
        overscan_order: OverscanOrder = None,
        ext: Ext = None,
        detector: DetectorAsked = None,
        keep_amplifiers: KeepAmplifiers = None,
        own_mask: OwnMask = None,
        calibrations: CalibrationsAsked = None,
        library: LibraryAsked = None,
        library_add: LibraryAdd = False,
        interpolate: Interpolate = None,
        split_colours: SplitColours = None,
        debayer: Debayer = None,
        mosaic: Mosaic = None,
        dark_scale: DarkScaling = None,
        method: MethodAsked = None,
        clip: ClipAsked = None,
        clip_spread: SpreadAsked = None,
        reject_outliers: RejectAsked = None,
        combine: Combine = None,
        recipe: Recipe = None,
        kind: Kinds = None,
        card: Cards = None,
        recurse: Recurse = True,
        unit: UnitAsked = None,
        compress: CompressAsked = None,
        overwrite: Overwrite = False,
        dry_run: DryRun = False,
        check: Check = False,
        ignore_checksums: IgnoreChecksums = False,
        report: Report = True,
        by_night: ByNight = False,
        mem_limit: MemLimit = None,
        workers: Workers = None,
        nights_at_once: NightsAtOnce = None,
        cluster: Cluster = None,
        trace: Trace = None,
        strict: Strict = False,
        json: Json = False,
    ) -> int:
        from zeroframe.fits.timeline import recorded
        from zeroframe.planning.targets import check_output_folder

        said = {
            "camera": camera,
            "overscan": overscan,
            "trim": trim,
            "overscan_method": overscan_method,
            "overscan_fit": overscan_fit,
            "overscan_order": overscan_order,
            "ext": ext,
            "detector": detector,
            "keep_amplifiers": keep_amplifiers,
            "own_mask": own_mask,
            "calibrations": calibrations,
            "library": library,
            "interpolate": interpolate,
            "split_colours": split_colours,
            "debayer": debayer,
            "mosaic": mosaic,
            "dark_scale": dark_scale,
            "method": method,
            "clip": clip,
            "clip_spread": clip_spread,
            "reject_outliers": reject_outliers,
            "combine": combine,
            "unit": unit,
            "compress": compress,
            "kind": kind,
            "card": card,
        }
        on = None if dry_run else cluster
        options = RunOptions(
            *(dry_run, check, not ignore_checksums, report, bytes_of(mem_limit), workers, on, strict, json),
            nights_at_once=nights_at_once,
        )
        wanted = recipe_asked(job, recipe, said, raw)
        if library_add:
            wanted = prepare_library(wanted, raw, out, by_night=by_night, dry_run=dry_run)
        if trace is not None:
            check_output_folder(raw, trace.absolute().parent)
        with recorded(trace, overwrite=overwrite):
            code = _carried_out(job, raw, out, wanted, options, by_night=by_night, overwrite=overwrite, recurse=recurse)
        return max(code, add_results(out, wanted, code, options)) if library_add and not dry_run else code

    return run


def _carried_out(
    job: str,
    raw: Path,
    out: Path,
    recipe: NightRecipe,
    options: RunOptions,
    *,
    by_night: bool,
    overwrite: bool,
    recurse: bool,
) -> int:
    if options.cluster is not None:  # its processes may be in other folders
        raw, out = raw.absolute(), out.absolute()
    if by_night:
        from zeroframe.cli.nights import carry_out_nights

        return carry_out_nights(job, raw, out, recipe, options, overwrite=overwrite)
    return carry_out_folder(job, raw, out, recipe, options, overwrite=overwrite, recurse=recurse)


def recipe_asked(job: str, path: Path | None, said: Mapping[str, Any], raw: Path) -> NightRecipe:
    """Return the recipe of a command with its options: that of ``--recipe``, else the one found by RAW, and said.

    ``said`` holds the options by the names of the shorthands, sections as they were given.
    """
    from zeroframe.planning.found_recipe import found_recipe
    from zeroframe.planning.recipe import NightRecipe, load_recipe
    from zeroframe.planning.shorthands import recipe_for

    sections = {"overscan": overscan_of(said["overscan"]), "trim": section_of(said["trim"], "--trim")}
    said = {**said, **sections, "calibrations": said["calibrations"] or None}
    if path is None:
        path = found_recipe(raw)
        if path is not None:
            say(f"note: {path} is the recipe, found by RAW; --recipe FILE takes another, --recipe none none")
    elif str(path) == "none" and not path.exists():
        path = None
    return recipe_for(job, NightRecipe() if path is None else load_recipe(path), said)


def explain(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE|CODE",
            parser=path_or_url,
            help="A result, where it was put; a raw frame; or the code of a finding, as ZF301.",
        ),
    ],
    camera: Camera = None,
    kind: Kinds = None,
    card: Cards = None,
    json: Json = False,
) -> int:
    """Say which bias, dark and flat a result was made with, and why; what was understood of a raw frame; or of a code.

    Of a raw frame each fact is shown with the card it is from, what was passed over and why, and cards that look as if
    they mattered and are not known.
    """
    if re.fullmatch(r"(?i)ZF\d+", str(file)) and not file.exists():
        from zeroframe.review import explain_check

        said = explain_check(str(file))
    else:
        from zeroframe.run.explain import explain_file, is_raw

        if is_raw(file):
            from zeroframe.headers.explaining import explain_raw

            said = explain_raw(file, taught_words(camera, kind, card))
        else:
            said = explain_file(file)
    if json:
        print_json(document_of("explain", OK, said[0], sentences=list(said)))
        return OK
    from zeroframe.cli.console_night import NightScreen

    NightScreen().sentences(said)
    return OK


def recipe(
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="FILE", parser=local_path, help="Where it is written.", rich_help_panel=WRITE
        ),
    ] = None,
    overwrite: Overwrite = False,
    json: Json = False,
) -> int:
    """Write a recipe for zeroframe night or bias with every default in it, to be changed."""
    from zeroframe.planning.recipe import NightRecipe
    from zeroframe.planning.recipe_text import recipe_text

    text = recipe_text(NightRecipe())
    if output is None:
        if json:
            print_json(document_of("recipe", OK, recipe=text))
        else:
            sys.stdout.write(text)
        return OK
    from zeroframe.cli.console_night import NightScreen
    from zeroframe.fits.atomic import atomic_file, write_all
    from zeroframe.headers.own_results import RECIPE

    with atomic_file(output, overwrite=RECIPE.permission(output, overwrite=overwrite)) as descriptor:
        write_all(descriptor, [text.encode()])
    NightScreen.beside(json=json).line(str(output), "recipe", "cyan")
    if json:
        print_json(document_of("recipe", OK, recipe=text, out=str(output)))
    return OK
