"""What a watch is going to replace of an earlier run: said before it is done."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from zeroframe.run.keys import as_data, versions
from zeroframe.run.record import known_record
from zeroframe.run.result_files import differing_versions

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from zeroframe.planning.recipe import NightRecipe

__all__ = ["replaced_by"]

#: So many options are named.
_MOST_NAMED = 4
#: Settings that make no result another: what is wanted, how it is judged, and of which nights.
_HARMLESS = ("kinds", "findings", "nights")


def replaced_by(raw: Path, out: Path, recipe: NightRecipe) -> str:
    """Say which results of a folder are made again since they were made otherwise; nothing where there are none.

    Parameters
    ----------
    raw, out : pathlib.Path
        Where frames arrive, and where results go.
    recipe : NightRecipe
        As the night is going to be calibrated.

    Returns
    -------
    str
        A sentence about ``out``.
    """
    record = known_record(out)
    number = len(record.outputs)
    if not number:
        return ""
    wanted = json.loads(json.dumps(as_data(recipe)))
    now = {name: value for name, value in wanted.items() if name not in _HARMLESS}
    why = list(_differing(record.recipe.get("night", {}), now))
    more = len(why) - _MOST_NAMED
    why = why[:_MOST_NAMED] + ([f"{more} more"] if more > 0 else [])
    before = record.this_run.get("raw")
    if before is not None and before != str(raw.absolute()):
        why.append(f"of the frames in {before}")
    if dict(record.versions) != dict(versions()):
        why.append(f"by another version ({differing_versions(record)})")
    if not why:
        return ""
    results = "1 result" if number == 1 else f"{number} results"
    return (
        f"{out} holds {results} of an earlier run, made with {'; '.join(why)}: what is another now is replaced as soon "
        "as frames are there; choose another folder with -o to keep them"
    )


def _differing(before: Mapping[str, Any], now: Mapping[str, Any], within: str = "") -> Iterator[str]:
    """Yield the settings that are others now, and what they were."""
    for name, value in now.items():
        was = before.get(name)
        if isinstance(value, dict) and isinstance(was, dict):
            yield from _differing(was, value, f"{within}{name}.")
        elif was != value:
            yield f"{within}{name} = {_word(was)} and not {_word(value)}"


def _word(value: object) -> str:
    return "none" if value is None else str(value)
