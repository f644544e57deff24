"""The jobs as functions: `bias`, `dark`, `flat` and `night` carry out a plan, `plan` shows what they would do.

They do what the commands of the same names do, to the same bytes. Options are those of the commands; those that say how
frames are treated are shorthands for keys of the recipe, and stand over it where both are given.
"""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypedDict, TypeVar, Unpack

from zeroframe.cli.bars import progress_for
from zeroframe.errors import UsageError, ZeroframeError, nearest_name
from zeroframe.fits.store.names import as_path
from zeroframe.fits.timeline import recorded
from zeroframe.planning.shorthands import SHORTHANDS, jobs, recipe_for
from zeroframe.planning.targets import check_output_folder
from zeroframe.run.reduced import Forecast, Reduction
from zeroframe.workers import JobResources, parse_size

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Mapping, Sequence
    from concurrent.futures import Executor

    from zeroframe.fits.formats import Compression
    from zeroframe.frames.level_fits import Fit
    from zeroframe.frames.overscan import LevelMethod
    from zeroframe.headers.sections import Section
    from zeroframe.planning.plan import NightPlan
    from zeroframe.planning.recipe import NightRecipe
    from zeroframe.run.outcomes import NightResult
    from zeroframe.stacks.clipping import ClipSpread

__all__ = ["Job", "Options", "PlanOptions", "bias", "dark", "flat", "night", "plan"]

Job = Literal["bias", "dark", "flat", "night"]
F = TypeVar("F", bound="Callable[..., Any]")


class PlanOptions(TypedDict, total=False):
    """What is done to frames, and where work may be kept; what is left out is left to the recipe.

    Attributes
    ----------
    recipe : NightRecipe or path
        What is done in full, as ``night.toml`` says it; by default all at its defaults.
    camera : str
        Name of a camera, or path of a profile.
    overscan, trim : str or Section
        As ``"[2056:2080,:]"``; ``overscan="none"``: none is subtracted.
    overscan_method : {'auto', 'median', 'mean', 'clipped', 'constant'}
    overscan_fit : {'chebyshev', 'legendre', 'spline'}
    overscan_order : int
        How the level of the overscan is taken.
    ext : str or int
        The one extension that is read of each file, by number or name (``'SCI,2'`` with its EXTVER).
    detector : str
        The one detector that is calibrated, of files that hold several.
    keep_amplifiers : bool
        Whether what each of several amplifiers read is left an image of its own.
    own_mask : str
        Path of a mask of bad pixels: a FITS image, or a list of regions.
    calibrations : path or list of path
        Folders of combined frames and masks that exist already, made by whatever program.
    library : path
        A library of such frames, or its URL, as ``zeroframe library add`` makes it.
    interpolate : bool
        Whether bad pixels and those of cosmic rays are replaced by their neighbours.
    split_colours, debayer : bool
        Whether of a colour sensor an image of each colour, or a picture, is written of each science frame, too.
    mosaic : bool
        Whether the detectors of a science frame are written into one file, too.
    dark_scale : {'exposure', 'fit'}
        What darks are scaled by: the ratio of exposures, or what fits the hot pixels of each frame best.
    combine : bool
        Whether frames are combined.
    method : {'average', 'median', 'sum'}
    clip : float
    clip_spread : {'noise', 'mad', 'std', 'ccd'}
    reject_outliers : bool
        How they are combined.
    unit : {'adu', 'electron'}
        Of science frames; electrons by the gain of each amplifier.
    compress : {'none', 'gzip', 'rice', 'rice-lossy'}
        How results are written.
    kind, card : str or sequence of str
        Of which kind frames are, and what a card means: ``kind="flat=*/sky*/*.fits"``, ``card="filter=FILTER01"``.
    recurse : bool
        Whether folders within are entered (by default).
    overwrite : bool
        Whether files that are there already may be replaced.
    check : bool
        Read raw frames and results again even if their times are the same.
    ignore_checksums : bool
        Use frames whose data do not have the sum of their header.
    mem_limit : str or int
        As ``"2G"``, or in bytes; by default half of what is free.
    workers : int
        Threads; by default one for each core.
    """

    recipe: NightRecipe | str | os.PathLike[str] | None
    camera: str | None
    overscan: str | Section | None
    trim: str | Section | None
    overscan_method: LevelMethod | None
    overscan_fit: Fit | None
    overscan_order: int | None
    ext: str | int | None
    detector: str | None
    keep_amplifiers: bool | None
    own_mask: str | None
    calibrations: str | os.PathLike[str] | Sequence[str | os.PathLike[str]] | None
    library: str | os.PathLike[str] | None
    interpolate: bool | None
    split_colours: bool | None
    debayer: bool | None
    mosaic: bool | None
    dark_scale: Literal["exposure", "fit"] | None
    combine: bool | None
    method: Literal["average", "median", "sum"] | None
    clip: float | None
    clip_spread: ClipSpread | None
    reject_outliers: bool | None
    unit: Literal["adu", "electron"] | None
    compress: Compression | None
    kind: str | Sequence[str] | None
    card: str | Sequence[str] | None
    recurse: bool
    overwrite: bool
    check: bool
    ignore_checksums: bool
    mem_limit: str | int | None
    workers: int | None


class Options(PlanOptions, total=False):
    """The same, and how a run is followed and shown.

    Attributes
    ----------
    report : bool
        Write OUT/report.html (by default); left out where jinja2 is not installed.
    progress : callable or bool
        Called with what is being done and the fraction done so far, from any thread. True: bars are shown; False: they
        are not; by default they are in a notebook.
    executor : concurrent.futures.Executor
        Where results are made, instead of on threads here: see `zeroframe.run.engine.run_night`.
    trace : path
        Write there what each thread did and when, as Perfetto and chrome://tracing open it.
    """

    report: bool
    progress: Callable[[str, float], None] | bool | None
    executor: Executor | None
    trace: str | os.PathLike[str] | None


def _with_options(table: type[Any]) -> Callable[[F], F]:
    """Show the options of a function one by one, where a notebook or `help` asks for its signature."""

    def show(function: F) -> F:
        known = {name: one for base in reversed(table.__mro__[:-2] or (table,)) for name, one in _hints(base).items()}
        plain = [one for one in inspect.signature(function).parameters.values() if one.kind is not one.VAR_KEYWORD]
        shown = [
            inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=_DEFAULTS.get(name), annotation=hint)
            for name, hint in known.items()
        ]
        result = inspect.signature(function).return_annotation
        function.__signature__ = inspect.Signature([*plain, *shown], return_annotation=result)  # type: ignore[attr-defined]
        return function

    return show


def _hints(table: type[Any]) -> Mapping[str, Any]:
    return {name: getattr(hint, "__forward_arg__", hint) for name, hint in table.__annotations__.items()}


_DEFAULTS = {"overwrite": False, "check": False, "ignore_checksums": False, "report": True, "recurse": True}


@_with_options(Options)
def bias(raw: str | os.PathLike[str], out: str | os.PathLike[str], **options: Unpack[Options]) -> Reduction:
    """Calibrate the biases of a folder, and combine them into ``combined_bias.fits``.

    Other frames are left alone; folders within are entered. What is in ``out`` already, made of the same frames
    in the same way, is kept.

    Parameters
    ----------
    raw : path
        Folder with the raw frames, or its URL; it is never written to.
    out : path
        Folder for the results, or its URL.
    **options
        See `PlanOptions` and `Options`.

    Returns
    -------
    Reduction
        One bad frame does not stop the others: what went wrong stands in its ``problems``.

    Raises
    ------
    NoFramesError
        When there is no bias in the folder.
    RawFolderError, OutputError, OutputExistsError
        When ``out`` lies within the raw folder, cannot be written to, or something else is in the place of a result.
    UsageError, SectionError, CameraError
        When an option cannot be used.
    MemoryLimitError
        When not even one frame fits.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import numpy as np
    >>> from astropy.io import fits
    >>> folder = tempfile.TemporaryDirectory()
    >>> raw, out = Path(folder.name, "raw"), Path(folder.name, "out")
    >>> raw.mkdir()
    >>> random = np.random.default_rng(1)
    >>> for number in range(5):
    ...     pixels = np.rint(random.normal(1000.0, 4.0, (100, 120))).astype(np.uint16)
    ...     header = fits.Header({"IMAGETYP": "bias", "BUNIT": "adu"})
    ...     fits.writeto(raw / f"b{number}.fits", pixels, header)

    >>> made = bias(raw, out, overscan="[101:120,:]", trim="[1:100,:]", report=False)
    >>> made
    <Reduction: 5 bias frames calibrated, 1 combined frame made; all is well>
    >>> combined = made.combined[0].read()
    >>> combined.shape, str(combined.unit), made.combined[0].frames
    ((100, 100), 'adu', 5)
    >>> figures = made.figures["combined_bias.fits"]
    >>> sorted(figures)[:3]
    ['expected_noise_adu', 'frames', 'interference_noises']
    >>> bool(figures["noise_adu"] < 1.1 * figures["expected_noise_adu"])
    True
    >>> folder.cleanup()
    """
    return _recorded("bias", raw, out, options)


@_with_options(Options)
def dark(raw: str | os.PathLike[str], out: str | os.PathLike[str], **options: Unpack[Options]) -> Reduction:
    """Calibrate the darks of a folder with its biases, and combine those of one exposure.

    Parameters, what is returned and what is raised are those of `bias`; options that say how frames are combined are
    about the darks.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> from zeroframe.simulate import any_camera, simulate_night
    >>> folder = TemporaryDirectory()
    >>> raw, out = Path(folder.name, "raw"), Path(folder.name, "out")
    >>> paths = simulate_night(any_camera("palomar-lfc").resized((64, 64)), raw)
    >>> [each.name for each in dark(raw, out, report=False).combined if each.kind == "dark"]
    ['combined_dark_7s.fits', 'combined_dark_70s.fits', 'combined_dark_300s.fits']
    >>> folder.cleanup()
    """
    return _recorded("dark", raw, out, options)


@_with_options(Options)
def flat(raw: str | os.PathLike[str], out: str | os.PathLike[str], **options: Unpack[Options]) -> Reduction:
    """Calibrate the flats of a folder with its biases and darks, and combine those of one filter.

    Parameters, what is returned and what is raised are those of `bias`; options that say how frames are combined are
    about the flats.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> from zeroframe.simulate import any_camera, simulate_night
    >>> folder = TemporaryDirectory()
    >>> raw, out = Path(folder.name, "raw"), Path(folder.name, "out")
    >>> paths = simulate_night(any_camera("palomar-lfc").resized((64, 64)), raw)
    >>> [each.name for each in flat(raw, out, report=False).combined if each.kind == "flat"]
    ['combined_flat_ip.fits', 'combined_flat_gp.fits']
    >>> folder.cleanup()
    """
    return _recorded("flat", raw, out, options)


@_with_options(Options)
def night(raw: str | os.PathLike[str], out: str | os.PathLike[str], **options: Unpack[Options]) -> Reduction:
    """Calibrate all frames of a night with the biases, darks and flats that belong to them.

    Folders within ``raw`` are entered. Which frames belong together is decided by their headers; `plan` shows it before
    a pixel is touched. Parameters, what is returned and what is raised are those of `bias`; options that say how frames
    are combined are about biases, darks and flats.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> from zeroframe.simulate import any_camera, simulate_night
    >>> folder = TemporaryDirectory()
    >>> raw, out = Path(folder.name, "raw"), Path(folder.name, "out")
    >>> paths = simulate_night(any_camera("palomar-lfc").resized((64, 64)), raw)
    >>> made = night(raw, out, report=False)
    >>> [frame.name for frame in made.frames if frame.kind == "science"]
    ['ccd.037.0.fits', 'ccd.043.0.fits']
    >>> folder.cleanup()
    """
    return _recorded("night", raw, out, options)


@_with_options(PlanOptions)
def plan(
    raw: str | os.PathLike[str],
    out: str | os.PathLike[str],
    job: Job = "night",
    **options: Unpack[PlanOptions],
) -> Forecast:
    """Show what a job would do, and write nothing.

    Parameters
    ----------
    raw, out : path
        Where the frames are, and where results would go.
    job : {'night', 'bias', 'dark', 'flat'}
        Which of the functions of this module.
    **options
        Those that would be given to it: see `PlanOptions`.

    Returns
    -------
    Forecast
        What would be made, kept and replaced, and why; as text, a tree.

    Raises
    ------
    ZeroframeError
        As the job itself would, but for what is in the place of a result: that stands in ``to_replace``.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> from zeroframe.simulate import any_camera, simulate_night
    >>> folder = TemporaryDirectory()
    >>> raw, out = Path(folder.name, "raw"), Path(folder.name, "out")
    >>> paths = simulate_night(any_camera("palomar-lfc").resized((64, 64)), raw)
    >>> forecast = plan(raw, out)
    >>> len(forecast.to_make), forecast.to_make[0].name, out.exists()
    (33, 'ccd.001.0.fits', False)
    >>> folder.cleanup()
    """
    from zeroframe.run.status import examine_night

    planned, _ = _planned(job, raw, out, options)
    statuses = examine_night(
        planned,
        check=options.get("check", False),
        check_sums=not options.get("ignore_checksums", False),
        workers=options.get("workers"),
    )
    return Forecast(planned, statuses)


def _planned(
    job: str, raw: str | os.PathLike[str], out: str | os.PathLike[str], options: Mapping[str, Any]
) -> tuple[NightPlan, int | None]:
    """Return the plan of a job, and its limit of memory in bytes."""
    from zeroframe.planning.asking import planned

    known = {**PlanOptions.__annotations__, **Options.__annotations__}
    for name in options:
        if name not in known:
            raise UsageError(f"the option {name} is not known{nearest_name(name, known)}")
    if job not in jobs():
        raise UsageError(f"job = {job!r} cannot be used; expected is one of {', '.join(jobs())}")
    frames, results = as_path(raw), as_path(out)
    if options.get("executor") is not None:  # its processes may be in other folders
        frames, results = frames.absolute(), results.absolute()
    limit = options.get("mem_limit")
    limit_bytes = parse_size(limit) if isinstance(limit, str) else limit
    said = {name: options[name] for name in SHORTHANDS if name in options}
    found = planned(
        job,
        frames,
        results,
        recipe_for(job, _recipe(options.get("recipe")), said),
        overwrite=options.get("overwrite", False),
        recurse=options.get("recurse", True),
        resources=JobResources(limit_bytes, options.get("workers"), options.get("executor")),
    )
    return found, limit_bytes


def _recipe(asked: NightRecipe | str | os.PathLike[str] | None) -> NightRecipe:
    from zeroframe.planning.recipe import NightRecipe, load_recipe

    if isinstance(asked, NightRecipe):
        return asked
    return NightRecipe() if asked is None else load_recipe(str(asked))


def _recorded(
    job: str, raw: str | os.PathLike[str], out: str | os.PathLike[str], options: Mapping[str, Any]
) -> Reduction:
    """Carry out a job, and record what threads do, where that is asked for."""
    asked = options.get("trace")
    path = None if asked is None else Path(asked)
    if path is not None:
        check_output_folder(as_path(raw), path.absolute().parent)
    with recorded(path, overwrite=options.get("overwrite", False)):
        return _carried_out(job, raw, out, options)


def _carried_out(
    job: str, raw: str | os.PathLike[str], out: str | os.PathLike[str], options: Mapping[str, Any]
) -> Reduction:
    from zeroframe.run.engine import run_session
    from zeroframe.run.session import RunSettings, begin_night

    planned, limit_bytes = _planned(job, raw, out, options)
    settings = RunSettings(
        limit_bytes,
        options.get("workers"),
        options.get("check", False),
        not options.get("ignore_checksums", False),
        options.get("executor"),
    )
    with (
        progress_for(options.get("progress")) as told,
        begin_night(planned, settings) as session,
    ):
        result = run_session(session, progress=told, measure=True)
        shown = result.read_from(session.copies)
        if options.get("report", True) and not session.matching_report:
            problem = _reported(job, planned, shown, options)
            if problem:
                return Reduction(planned, result, (problem,))
    return Reduction(planned, result)


def _reported(job: str, planned: NightPlan, result: NightResult, options: Mapping[str, Any]) -> str:
    """Write OUT/report.html, where that can be; return what is in the way, if something is."""
    from zeroframe.cli.page import report_threads
    from zeroframe.report import can_write_reports, night_page, replaceable_report, write_drawn
    from zeroframe.run.record import add_report

    if not can_write_reports():
        return ""
    target = planned.out / "report.html"
    workers = report_threads(options.get("workers"), planned.raw, planned.out)
    command = f"zeroframe.{job}({str(planned.raw)!r}, {str(planned.out)!r}, …)"
    try:
        replaces = replaceable_report(target)
        page = night_page(planned, result, command=command, workers=workers, executor=options.get("executor"))
        write_drawn(target, page, overwrite=replaces)
        add_report(planned.out, target.name)
    except ZeroframeError as error:
        return f"no report: {error}"
    return ""
