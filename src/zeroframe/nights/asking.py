"""From a folder to a plan: its headers read, its pixels looked at where only they can tell, and all decided."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zeroframe.nights.evidence import look_at_pixels
from zeroframe.nights.planning import plan_night
from zeroframe.survey import survey_folder, survey_tree
from zeroframe.targets import check_output_folder

if TYPE_CHECKING:
    from pathlib import Path

    from zeroframe.nights.jobs import NightPlan
    from zeroframe.nights.recipe import NightRecipe

__all__ = ["planned"]


def planned(
    job: str,
    raw: Path,
    out: Path,
    recipe: NightRecipe,
    *,
    overwrite: bool = False,
    mem_limit_bytes: int | None = None,
    workers: int | None = None,
) -> NightPlan:
    """Plan what is to be done to a folder.

    Parameters
    ----------
    job : {'bias', 'dark', 'flat', 'night'}
        Only for a night folders within are entered.
    raw, out : pathlib.Path
        Where the frames are, and where results go.
    recipe : NightRecipe
        What is asked for, as `zeroframe.nights.shorthands.recipe_for` returns it.
    overwrite : bool, optional
        Whether files that are there already may be replaced.
    mem_limit_bytes, workers
        As for `zeroframe.inspection.inspect_overscan`.

    Returns
    -------
    NightPlan
        Nothing is done yet.

    Raises
    ------
    ZeroframeError
        As `zeroframe.nights.planning.plan_night` does; and when the folder cannot be read.
    """
    check_output_folder(raw, out)
    found = (
        survey_tree(raw, leave_out=[out], workers=workers) if job == "night" else survey_folder(raw, workers=workers)
    )
    evidence = look_at_pixels(found, recipe, mem_limit_bytes=mem_limit_bytes, workers=workers)
    return plan_night(found, raw, out, recipe, evidence=evidence, overwrite=overwrite)
