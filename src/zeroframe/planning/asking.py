"""From a folder to a plan: its headers read, its pixels looked at where only they can tell, and all decided."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from zeroframe.errors import NoFramesError
from zeroframe.fits.timeline import spanned
from zeroframe.headers.extensions import as_extension
from zeroframe.headers.survey import of_detector, survey_tree
from zeroframe.planning.colours import colours_by_pixels
from zeroframe.planning.detect import camera_with_extensions, look_at_pixels, with_detectors_seen
from zeroframe.planning.full_wells import share_full_wells
from zeroframe.planning.no_exposure import with_darks_as_biases
from zeroframe.planning.planning import plan_night
from zeroframe.planning.stored_folders import library_of, stored_items
from zeroframe.planning.targets import check_output_folder
from zeroframe.planning.twins import twins_aside
from zeroframe.workers import AS_USUAL, JobResources

if TYPE_CHECKING:
    from collections.abc import Sequence
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
    resources: JobResources = AS_USUAL,
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
    resources : JobResources, optional
        What may be used for it.

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
    found = survey_tree(
        raw,
        recurse=recurse,
        output=out,
        workers=resources.workers,
        ext=as_extension(recipe.frames.ext),
        camera=camera_with_extensions(recipe),
        words=recipe.all_words,
        executor=resources.executor,
    )
    return planned_of(job, found, raw, out, recipe, overwrite=overwrite, resources=resources)


@spanned("match")
def planned_of(
    job: str,
    found: Sequence[RawFrame],
    raw: Path,
    out: Path,
    recipe: NightRecipe,
    *,
    overwrite: bool = False,
    resources: JobResources = AS_USUAL,
) -> NightPlan:
    """Plan what is to be done to frames whose headers have been read; the rest is as for `planned`.

    Parameters
    ----------
    job, raw, out, recipe, overwrite, resources
        As for `planned`.
    found : sequence of RawFrame
        In the order of `zeroframe.headers.survey.survey_tree`.

    Returns
    -------
    NightPlan
    """
    found, twins = twins_aside(of_detector(found, recipe.frames.detector))
    found = with_detectors_seen(found, recipe, resources)
    stored, library = stored_items(recipe, resources), library_of(recipe)
    found = found if stored or library is not None else with_darks_as_biases(found)
    evidence = look_at_pixels(found, recipe, resources)
    plan = plan_night(
        *(found, raw, out, recipe), evidence=evidence, overwrite=overwrite, stored=stored, library=library
    )
    plan = share_full_wells(colours_by_pixels(twins.told_by(plan), resources.executor), resources)
    if job != "night" and not any(frame.kind == job for frame in plan.frames):
        # what such frames need may be there, and would be made without a word on what was asked for
        kinds = Counter(frame.kind.value for frame in plan.frames)
        listed = ", ".join(f"{number} {kind}" for kind, number in sorted(kinds.items()))
        raise NoFramesError(
            f"{raw}: no {job} frame that can be used ({listed}); give the folder that holds the raw {job}s, or say "
            f"which they are: --kind '{job}=*/{job}*/*.fits'"
        )
    return plan
