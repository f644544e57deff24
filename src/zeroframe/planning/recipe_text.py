"""A recipe as the text of a ``night.toml``: every key with its value and a comment."""

from __future__ import annotations

import json
from dataclasses import fields
from textwrap import wrap
from typing import TYPE_CHECKING, Any

from zeroframe.headers.kinds import calibration_kinds, kind_row
from zeroframe.headers.own_results import RECIPE_MARK
from zeroframe.headers.words import words_text
from zeroframe.planning.recipe_fields import key_of_field

if TYPE_CHECKING:
    from zeroframe.planning.recipe import NightRecipe
    from zeroframe.planning.recipe_fields import Key

__all__ = ["recipe_text"]

_HEAD = (
    f"{RECIPE_MARK} Keys that are taken out are at their defaults; those behind a # have none, and are "
    "left to the camera, the headers and the pixels."
)
_WIDTH = 100
_WORDS = (
    "Words of headers that zeroframe does not know; see docs/words.md. [[words.kinds]] says of which kind frames are: "
    "the first that fits counts"
)
_WORDS_EXAMPLE = """# [words]
# filter = "FILTER01"
# exposure = { card = "EXPMS", factor = 0.001 }
# kind = { card = "SHOT", values = { flat = ["Plano*"] } }

# [[words.kinds]]
# kind = "flat"
# file = "sky*/*.fits"
"""
_TITLES = {
    "frames": "Every frame",
    "steps": "What is done to frames after overscan and trim",
    "masks": "Pixels that are masked in science frames",
    "tolerances": "How far frames may differ and still belong together",
    "calibrations": "Combined frames and masks that exist already",
    "findings": "Findings that count for more or for less than docs/findings.md says",
    "nights": "Many nights, one after the other: zeroframe night --by-night",
}


def recipe_text(recipe: NightRecipe) -> str:
    """Write a recipe so that `zeroframe.planning.recipe.parse_recipe` reads the same back.

    Parameters
    ----------
    recipe : NightRecipe
        By default, one at its defaults.

    Returns
    -------
    str
        TOML, each key below a comment that says what it means.

    Examples
    --------
    >>> from zeroframe.planning.recipe import NightRecipe
    >>> print(recipe_text(NightRecipe()).splitlines()[-1])
    # file = "sky*/*.fits"
    """
    lines = _comment(_HEAD)
    tables = []
    for one in fields(recipe):
        key, value = key_of_field(one), getattr(recipe, one.name)
        if one.name == "words":
            continue
        if one.name == "others":
            names = [row.kind.value for row in calibration_kinds() if not hasattr(recipe, row.kind)]
            tables += [(name, recipe.combination(name)) for name in names]
        elif key is None:
            tables.append((one.name, value))
        else:
            lines += _entry(one.name, key, value)
    for name, table in tables:
        row = kind_row(name)
        lines += ["", "", f"[{name}]", *_comment(_TITLES[name] if row is None else row.words.recipe)]
        for one in fields(table):
            key = key_of_field(one)
            if key is not None:
                lines += _entry(one.name, key, getattr(table, one.name))
    return "\n".join(lines) + "\n" + _words(recipe)


def _words(recipe: NightRecipe) -> str:
    """Return what is taught, or how one teaches."""
    title = "\n\n" + "\n".join(_comment(_WORDS)) + "\n"
    return title + (words_text(recipe.words) or _WORDS_EXAMPLE)


def _entry(name: str, key: Key, value: object) -> list[str]:
    said = f"# {name} = {_toml(key.example)}" if value is None else f"{name} = {_toml(value)}"
    return ["", *_comment(key.comment + (f" ({key.expected})" if key.words else "")), said]


def _comment(text: str) -> list[str]:
    return [f"# {line}" for line in wrap(text, _WIDTH)]


def _toml(value: Any) -> str:  # noqa: ANN401 -- whatever a key holds
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, tuple):
        return f"[{', '.join(map(_toml, value))}]"
    # JSON's escapes are those of TOML's basic strings, except that TOML wants DEL escaped too
    return json.dumps(str(value), ensure_ascii=False).replace("\x7f", "\\u007f")
