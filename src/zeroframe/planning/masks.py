"""Which masks are made, of which combined frames, and for which science frames."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from zeroframe.headers.kinds import Kind, calibration_kind, calibration_kinds
from zeroframe.planning.matching import nights_apart
from zeroframe.planning.matching_memo import Fitting
from zeroframe.planning.plan import MaskJob
from zeroframe.planning.targets import target_path

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zeroframe.frames.steps import Use
    from zeroframe.planning.plan import Group, NightFrame, StoredMask
    from zeroframe.planning.recipe import NightRecipe

__all__ = ["Masks", "mask_names"]


def mask_names(kind: Kind, stem: str, recipe: NightRecipe) -> tuple[str, ...]:
    """Return what the mask of a combined frame is called, if there is to be one.

    Parameters
    ----------
    kind : Kind
        Of the combined frame.
    stem : str
        Its file name, without an ending.
    recipe : NightRecipe
        Which says whether there are masks.

    Returns
    -------
    tuple of str
        One name without an ending, or none.

    Examples
    --------
    >>> from zeroframe.planning.recipe import NightRecipe
    >>> mask_names(Kind.DARK, "combined_dark_300s", NightRecipe())
    ('hot_pixels_300s',)
    """
    row = calibration_kind(kind)
    word = f"{row.mask}_pixels"
    wanted = row.mask is not None and getattr(recipe.masks, word)
    return (stem.replace(f"combined_{kind.value}", word, 1),) if wanted else ()


def _plain(name: str) -> str:
    """Return the name of a stored frame as a part of that of a file."""
    stem = re.sub(r"(?i)\.(fits?|fts|gz|bz2|fz|xisf)(?=$|\.)", "", name)
    return re.sub(r"[^\w.+-]+", "_", stem, flags=re.ASCII).strip("_.")


class Masks:
    """The masks of a night; those that no frame needs are not made.

    Parameters
    ----------
    recipe : NightRecipe
        With the thresholds.
    out : pathlib.Path
        Where results go.
    groups : sequence of Group
        All combined frames, made here or stored.
    stored : sequence of StoredMask, optional
        Masks that exist already.
    """

    def __init__(
        self, recipe: NightRecipe, out: Path, groups: Sequence[Group], stored: Sequence[StoredMask] = ()
    ) -> None:
        self._recipe, self._stored = recipe, stored
        #: Names of masks that exist already, and that frames need.
        self.used_stored: set[str] = set()
        kinds = [row.kind for row in calibration_kinds() if row.mask is not None and row.by_exposure]
        self._darks = [
            Fitting(kind, [group for group in groups if group.kind == kind], recipe.tolerances) for kind in kinds
        ]
        self._jobs = {group.name: self._job(group, out) for group in groups}
        self._used: set[str] = set()

    @property
    def jobs(self) -> tuple[MaskJob, ...]:
        """Those that have been asked for, in the order of their combined frames."""
        return tuple(job for name, job in self._jobs.items() if job is not None and name in self._used)

    def of(self, frame: NightFrame, uses: Sequence[Use]) -> tuple[str, ...]:
        """Return the names of the masks of a frame: hot pixels of the longest dark that fits, bad ones of its flat."""
        fitting = [darks.of(frame) for darks in self._darks]
        sources = [min(darks, key=lambda dark: self._order(frame, dark)).name for darks in fitting if darks]
        # a dark of another temperature, whose scale is fitted, has the hot pixels of the frame, too
        sources += [use.name for use in uses if not (calibration_kind(use.kind).by_exposure and sources)]
        windows = frame.recipe.windows(frame.layout.shape_yx)
        for source in sources:
            job = self._jobs.get(source)
            if job is not None and job.what == "bad" and len(windows) > 1:  # a stored flat is of the same amplifiers
                self._jobs[source] = replace(job, amplifiers=windows)
        jobs = [self._jobs.get(source) for source in sources]
        self._used.update(job.source for job in jobs if job is not None)
        stored = tuple(mask.name for mask in self._stored if self._is_for(frame, mask))
        self.used_stored.update(stored)
        return (*(job.name for job in jobs if job is not None), *stored)

    @staticmethod
    def _is_for(frame: NightFrame, mask: StoredMask) -> bool:
        same = (frame.traits.shape_yx, frame.traits.binning_xy) == (mask.shape_yx, mask.binning_xy)
        own, others = dict(frame.traits.settings), dict(mask.settings)
        alike = all(own[sort].casefold() == others[sort].casefold() for sort in own.keys() & others.keys())
        return same and alike and frame.recipe in mask.recipes

    @staticmethod
    def _order(frame: NightFrame, dark: Group) -> tuple[int, float]:
        return nights_apart(frame.traits, dark.traits) or 0, -(dark.traits.exposure_s or 0.0)

    def _job(self, group: Group, out: Path) -> MaskJob | None:
        stem = Path(group.name).name.partition(".fits")[0]
        if group.stored is not None:  # whatever it is called, and in whatever folder
            stem = f"combined_{group.kind.value}_{_plain(group.name)}"
        names = mask_names(group.kind, stem, self._recipe)
        if not names:
            return None
        thresholds = self._recipe.masks
        target = target_path(out, Path(f"{names[0]}.fits"), group.compress)
        if calibration_kind(group.kind).mask == "hot":
            return MaskJob("hot", target.name, group.name, target, thresholds.hot_sigmas)
        return MaskJob(
            "bad", target.name, group.name, target, thresholds.bad_sigmas, thresholds.bad_fraction, group.colours
        )
