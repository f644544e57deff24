"""Matching frame after frame: what is found for one is shared by all that differ from it in nothing that matters.

Most frames of a night are of a few sorts, and to compare one with every combined frame takes longer than all else that
is planned for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

from zeroframe.headers.kinds import calibration_kind
from zeroframe.planning.grouping import Batch
from zeroframe.planning.matching import limits_of, match_frame, why_not_together

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Sequence

    from zeroframe.frames.steps import FrameRecipe
    from zeroframe.headers.kinds import Kind
    from zeroframe.planning.plan import Configuration, Group, Match, NightFrame
    from zeroframe.planning.recipe import NightRecipe, Tolerances

__all__ = ["Fitting", "MatchCache"]

Combined = TypeVar("Combined", Batch, "Group")


class _Sorts:
    """Tells which frames compare alike with some combined frames, exposure left aside."""

    def __init__(self, what: Kind, combined: Iterable[Configuration], tolerances: Tolerances) -> None:
        self._row = calibration_kind(what)
        tolerance = self._row.temperature_tolerance
        self._same = None if tolerance is None else tolerances.temperature_check(tolerance)
        known = {each.temperature_c for each in combined}
        self._temperatures_c = sorted(degrees_c for degrees_c in known if degrees_c is not None)
        self._statuses: dict[float | None, Hashable] = {None: None}
        self._recipes: dict[int, tuple[FrameRecipe, int]] = {}
        self._recipe_numbers: dict[FrameRecipe, int] = {}

    def of(self, frame: NightFrame) -> Hashable:
        """Return what a frame shares with those for which the same is found, in the same words."""
        traits = frame.traits
        return (
            *(traits.shape_yx, traits.binning_xy, traits.unit, traits.settings, traits.gain_e_per_adu),
            *(self._standing(traits.temperature_c), traits.night, self._recipe_number(frame.recipe)),
            (traits.filter_name, traits.optics, traits.angles) if self._row.by_filter else None,
        )

    def _recipe_number(self, recipe: FrameRecipe) -> int:
        """Return the same number for equal recipes; one is hashed once, which takes longer than all else here."""
        if id(recipe) not in self._recipes:  # it is kept: an id is given to another object once its own is gone
            number = self._recipe_numbers.setdefault(recipe, len(self._recipe_numbers))
            self._recipes[id(recipe)] = recipe, number
        return self._recipes[id(recipe)][1]

    def _standing(self, own_c: float | None) -> Hashable:
        """Return how a temperature compares with those of the combined frames; where it is too far off, itself."""
        if own_c is not None and own_c not in self._statuses:
            is_near = self._same is None or all(self._same(each_c, own_c) for each_c in self._temperatures_c)
            degrees = tuple(round(abs(own_c - each_c)) for each_c in self._temperatures_c)
            self._statuses[own_c] = degrees if is_near else own_c
        return self._statuses[own_c]


class Fitting(Generic[Combined]):
    """The combined frames of one kind, made or to be made, that may be used for a frame, exposure left aside.

    Parameters
    ----------
    what : Kind
        Of the combined frames.
    combined : sequence of Batch or of Group
        All of that kind.
    tolerances : Tolerances
        How far they may differ from a frame.
    """

    def __init__(self, what: Kind, combined: Sequence[Combined], tolerances: Tolerances) -> None:
        self._what, self._tolerances = what, tolerances
        self._combined: Sequence[Combined] = combined
        self._sorts = _Sorts(what, [each.traits for each in combined], tolerances)
        self._found: dict[Hashable, tuple[Combined, ...]] = {}

    def of(self, frame: NightFrame) -> tuple[Combined, ...]:
        """Return those that may be used for a frame, in their order."""
        sort = self._sorts.of(frame)
        if sort not in self._found:
            self._found[sort] = tuple(each for each in self._combined if self._belongs(frame, each))
        return self._found[sort]

    def _belongs(self, frame: NightFrame, combined: Combined) -> bool:
        if isinstance(combined, Batch):
            same_first_steps, limits = frame.recipe == combined.frames[0].recipe, self._tolerances
        else:
            same_first_steps, limits = combined.has_recipe(frame.recipe), limits_of(combined, self._tolerances)
        return same_first_steps and not why_not_together(self._what, frame.traits, combined.traits, limits)


class MatchCache:
    """The choice of a combined frame of one kind; see `zeroframe.planning.matching.match_frame`.

    Parameters
    ----------
    what : Kind
        Of the combined frames.
    groups : sequence of Group
        All of that kind.
    recipe : NightRecipe
        With the tolerances, and how far darks may be scaled.
    """

    def __init__(self, what: Kind, groups: Sequence[Group], recipe: NightRecipe) -> None:
        self._what, self._groups, self._recipe = what, groups, recipe
        self._by_exposure = calibration_kind(what).by_exposure
        self._sorts = _Sorts(what, [group.traits for group in groups], recipe.tolerances)
        self._chosen: dict[Hashable, Match] = {}

    def of(self, frame: NightFrame) -> Match:
        """Return the match of a frame."""
        sort = self._sorts.of(frame), frame.traits.exposure_s if self._by_exposure else None
        if sort not in self._chosen:
            self._chosen[sort] = match_frame(self._what, frame.traits, frame.recipe, self._groups, self._recipe)
        return self._chosen[sort]
