"""Shorthands for keys of a recipe: what a command line or a notebook says of a job in a word."""

from __future__ import annotations

import os
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any

from zeroframe.errors import UsageError, nearest_name
from zeroframe.fits.formats import FORMATS, lossless
from zeroframe.headers.kinds import calibration_kinds
from zeroframe.headers.sections import Section
from zeroframe.headers.words import words_of_options
from zeroframe.planning.recipe import (
    BiasRecipe,
    DarkRecipe,
    FramesRecipe,
    MaskRecipe,
    NightRecipe,
    StepsRecipe,
    kind_names,
)
from zeroframe.planning.recipe_calibrations import CalibrationsRecipe
from zeroframe.planning.recipe_fields import key_of_field, read_key

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from dataclasses import Field

__all__ = ["SHORTHANDS", "jobs", "recipe_for", "with_shorthands"]

#: What is said of every frame, of how frames are combined, and of the whole.
_OF_FRAMES = ("camera", "overscan", "trim", "overscan_method", "overscan_fit", "overscan_order", "ext", "detector")
_OF_AMPLIFIERS = ("keep_amplifiers",)
_OF_COMBINATIONS = ("combine", "method", "clip", "clip_spread", "reject_outliers")
_OF_MASKS = ("own_mask", "interpolate")
_OF_STEPS = ("split_colours", "debayer", "mosaic")
_OF_DARKS = ("dark_scale",)
_OF_ALL = ("compress",)
#: What `unit` says of ``steps.to_electrons``.
_UNITS = {"adu": False, "electron": True}
#: What shorthands call keys of ``[calibrations]``.
_OF_CALIBRATIONS = {"calibrations": "folders", "library": "library"}
_OF_WORDS = ("kind", "card")
SHORTHANDS = (
    *(*_OF_FRAMES, *_OF_AMPLIFIERS, *_OF_COMBINATIONS, *_OF_MASKS, *_OF_STEPS, *_OF_DARKS),
    *(*_OF_ALL, *_OF_CALIBRATIONS, *_OF_WORDS, "unit"),
)


def jobs() -> Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]]:
    """Return of each job which calibration frames take part, and of which a shorthand says how they are combined.

    Examples
    --------
    >>> jobs()["dark"], jobs()["night"][0]
    ((('bias', 'dark'), ('dark',)), ('bias', 'dark', 'flat'))
    """
    alone = {row.kind.value: ((*row.needs, row.kind), (row.kind,)) for row in calibration_kinds()}
    plain = {job: tuple(tuple(map(str, kinds)) for kinds in both) for job, both in alone.items()}
    return {**plain, "night": (kind_names(), kind_names())}  # type: ignore[dict-item]


def recipe_for(job: str, recipe: NightRecipe, said: Mapping[str, Any]) -> NightRecipe:
    """Return the recipe of a job: biases, darks or flats alone, with what they need, or a whole night.

    Parameters
    ----------
    job : {'bias', 'dark', 'flat', 'night'}
        What is wanted. Of all but a night, nothing but calibration frames takes part.
    recipe : NightRecipe
        What was asked for in full.
    said : mapping
        Shorthands by name; None where nothing is said.

    Returns
    -------
    NightRecipe

    Raises
    ------
    UsageError
        As `with_shorthands` does.

    Examples
    --------
    >>> recipe = recipe_for("bias", NightRecipe(), {"trim": "[1:2048,:]", "clip": 3.0, "method": None})
    >>> recipe.kinds, recipe.steps.kinds, str(recipe.frames.trim), recipe.bias.clip, recipe.dark.clip
    (('bias',), (), '[1:2048,:]', 3.0, 5.0)
    """
    kinds, combined = jobs()[job]
    if job != "night":
        recipe = replace(recipe, kinds=kinds, steps=replace(recipe.steps, kinds=()))
        wanted = said.get("compress")
        if wanted in FORMATS and FORMATS[wanted].quantises:
            raise UsageError(
                f"{wanted} is for science frames, and what frames are calibrated with is written without loss; "
                f"use {lossless(wanted)}"
            )
    if job == "bias":
        recipe = replace(recipe, bias=replace(recipe.bias, together=True))
    return with_shorthands(recipe, combined, said)


def with_shorthands(recipe: NightRecipe, kinds: Sequence[str], said: Mapping[str, Any]) -> NightRecipe:
    """Return a recipe with the keys changed that shorthands name.

    Parameters
    ----------
    recipe, said
        As for `recipe_for`; the names are those of `SHORTHANDS`.
    kinds : sequence of {'bias', 'dark', 'flat'}
        Of which it is said how they are combined.

    Raises
    ------
    UsageError
        When a shorthand is not known, or its value cannot be used.
    """
    for name in said:
        if name not in SHORTHANDS:
            raise UsageError(f"{name} is not known{nearest_name(name, SHORTHANDS) or ''}")
    known = {name: value for name, value in said.items() if value is not None}
    if isinstance(known.get("ext"), int):
        known["ext"] = str(known["ext"])
    frames = _read(FramesRecipe, known, (*_OF_FRAMES, *_OF_AMPLIFIERS))
    combined = _read(BiasRecipe, known, _OF_COMBINATIONS)
    for kind in kinds if combined else ():
        recipe = recipe.with_combination(kind, **combined)
    if "dark_scale" in known:
        one = next(each for each in fields(DarkRecipe) if each.name == "scale_by")
        recipe = recipe.with_combination("dark", scale_by=_value(one, known["dark_scale"]))
    if "unit" in known:
        recipe = replace(recipe, steps=replace(recipe.steps, to_electrons=_in_electrons(known["unit"])))
    stored = {key: _listed(known[name]) for name, key in _OF_CALIBRATIONS.items() if name in known}
    return replace(
        recipe,
        frames=replace(recipe.frames, **frames) if frames else recipe.frames,
        calibrations=replace(recipe.calibrations, **_read(CalibrationsRecipe, stored, tuple(stored))),
        masks=replace(recipe.masks, **_read(MaskRecipe, known, _OF_MASKS)),
        steps=replace(recipe.steps, **_read(StepsRecipe, known, _OF_STEPS)),
        words=words_of_options(_texts(known.get("kind")), _texts(known.get("card"))).before(recipe.words),
        **_read(NightRecipe, known, _OF_ALL),
    )


def _in_electrons(unit: object) -> bool:
    if unit not in _UNITS:
        raise UsageError(f"unit = {unit!r} cannot be used; expected is {' or '.join(map(repr, _UNITS))}")
    return _UNITS[str(unit)]


def _texts(value: str | Sequence[str] | None) -> Sequence[str]:
    return [value] if isinstance(value, str) else list(value or ())


def _listed(value: object) -> object:
    """Return paths as a recipe has them: texts, and lists of such."""
    if isinstance(value, str | os.PathLike):
        return str(value)
    return [str(each) for each in value] if isinstance(value, list | tuple) else value


def _read(table: type[Any], said: Mapping[str, Any], names: Sequence[str]) -> dict[str, Any]:
    """Return values as a table of the recipe holds them."""
    known = {one.name: one for one in fields(table)}
    return {name: _value(known[name], said[name]) for name in names if name in said}


def _value(one: Field[Any], value: object) -> object:
    key = key_of_field(one)
    return value if key is None or isinstance(value, Section) else read_key(key, value, one.name)
