"""From a folder to a plan: its headers read, its pixels looked at where only they can tell, and all decided."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from zeroframe.errors import NoFramesError
from zeroframe.fits.timeline import spanned
from zeroframe.headers.extensions import as_extension
from zeroframe.headers.survey import of_detector, survey_folder, survey_tree
from zeroframe.planning.colours import colours_by_pixels
from zeroframe.planning.detect import camera_with_extensions, look_at_pixels, with_detectors_seen
from zeroframe.planning.full_wells import share_full_wells
from zeroframe.planning.no_exposure import with_darks_as_biases
from zeroframe.planning.planning import plan_night
from zeroframe.planning.stored_folders import library_of, stored_items
from zeroframe.planning.targets import check_output_folder

if TYPE_CHECKING:
    from collections.abc import Sequence
    from concurrent.futures import Executor
    from pathlib import Path

    from zeroframe.headers.survey import RawFrame
    from zeroframe.planning.plan import NightPlan
    from zeroframe.planning.recipe import NightRecipe

__all__ = ["planned", "planned_of"]


@spanned("plan", lambda *given, **_: given[1])
def planned(
    job: str,
    raw: Path,
    out: Path,
    recipe: NightRecipe,
    *,
    overwrite: bool = False,
    recurse: bool = True,
    mem_limit_bytes: int | None = None,
    workers: int | None = None,
    executor: Executor | None = None,
) -> NightPlan:
    """Plan what is to be done to a folder.

    Parameters
    ----------
    job : {'bias', 'dark', 'flat', 'night'}
        What is wanted.
    raw, out : pathlib.Path
        Where the frames are, and where results go.
    recipe : NightRecipe
        What is asked for, as `zeroframe.planning.shorthands.recipe_for` returns it.
    overwrite : bool, optional
        Whether files that are there already may be replaced.
    recurse : bool, optional
        Whether folders within are entered.
    mem_limit_bytes, workers
        As for `zeroframe.inspection.inspect_overscan`.
    executor : concurrent.futures.Executor, optional
        Whose processes read headers and pixels, instead of threads here; they see files under the same names.

    Returns
    -------
    NightPlan
        Nothing is done yet.

    Raises
    ------
    ZeroframeError
        As `zeroframe.planning.planning.plan_night` does; and when the folder cannot be read.
    """
    check_output_folder(raw, out)
    look = survey_tree if recurse else survey_folder
    found = look(
        raw,
        output=out,
        workers=workers,
        ext=as_extension(recipe.frames.ext),
        camera=camera_with_extensions(recipe),
        words=recipe.all_words,
        executor=executor,
    )
    return planned_of(
        *(job, found, raw, out, recipe),
        overwrite=overwrite,
        mem_limit_bytes=mem_limit_bytes,
        workers=workers,
        executor=executor,
    )


@spanned("match")
def planned_of(
    job: str,
    found: Sequence[RawFrame],
    raw: Path,
    out: Path,
    recipe: NightRecipe,
    *,
    overwrite: bool = False,
    mem_limit_bytes: int | None = None,
    workers: int | None = None,
    executor: Executor | None = None,
) -> NightPlan:
    """Plan what is to be done to frames whose headers have been read; the rest is as for `planned`.

    Parameters
    ----------
    job, raw, out, recipe, overwrite, mem_limit_bytes, workers, executor
        As for `planned`.
    found : sequence of RawFrame
        In the order of `zeroframe.headers.survey.survey_tree`.

    Returns
    -------
    NightPlan
    """
    found = of_detector(found, recipe.frames.detector)
    found = with_detectors_seen(found, recipe, mem_limit_bytes=mem_limit_bytes, executor=executor)
    stored, library = stored_items(recipe, workers=workers, executor=executor), library_of(recipe)
    found = found if stored or library is not None else with_darks_as_biases(found)
    means = {"mem_limit_bytes": mem_limit_bytes, "workers": workers}
    evidence = look_at_pixels(found, recipe, **means, executor=executor)
    plan = plan_night(
        *(found, raw, out, recipe), evidence=evidence, overwrite=overwrite, stored=stored, library=library
    )
    plan = share_full_wells(colours_by_pixels(plan, executor), **means, executor=executor)
    if job != "night" and not any(frame.kind == job for frame in plan.frames):
        # what such frames need may be there, and would be made without a word on what was asked for
        kinds = Counter(frame.kind.value for frame in plan.frames)
        listed = ", ".join(f"{number} {kind}" for kind, number in sorted(kinds.items()))
        raise NoFramesError(
            f"{raw}: no {job} frame that can be used ({listed}); give the folder that holds the raw {job}s, or say "
            f"which they are: --kind '{job}=*/{job}*/*.fits'"
        )
    return plan
