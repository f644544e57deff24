"""The words of ``dialects.toml``, read once."""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path
from typing import Any

__all__ = ["all_words", "dialect_tables", "known_words"]

_LONGEST_WORD = 40


@cache
def dialect_tables() -> dict[str, Any]:
    """Return what header words mean, as it stands in ``dialects.toml``."""
    # importlib.resources, which finds it in an archive, too, takes 6 ms of each start
    tables = tomllib.loads(Path(__file__).with_name("dialects.toml").read_text(encoding="utf-8"))
    return {name: _frozen(table) for name, table in tables.items()}


def _frozen(value: Any) -> Any:  # noqa: ANN401 -- what TOML can say
    """Return lists as tuples, which can be looked up."""
    if isinstance(value, dict):
        return {name: _frozen(each) for name, each in value.items()}
    return tuple(map(_frozen, value)) if isinstance(value, list) else value


@cache
def known_words() -> frozenset[str]:
    """Return the keywords that a fact is read from, but for free text and for settings."""
    tables = dialect_tables()
    facts = [
        name for name in tables if name not in {"settings", "settings_blank", "optics", "optics_numbers", "flat_light"}
    ]
    lists = [tables[name]["cards"] for name in facts if isinstance(tables[name], dict) and "cards" in tables[name]]
    sections = [words for words in tables["section"].values() if isinstance(words, tuple)]
    return frozenset(word for words in (*lists, *sections) for word in words)


@cache
def all_words() -> frozenset[str]:
    """Return every keyword that stands in the tables, whatever it is asked for."""
    found: set[str] = set()
    for table in dialect_tables().values():
        _gather(table, found)
    return frozenset(found)


def _gather(value: object, found: set[str]) -> None:
    if isinstance(value, str):
        if value.isupper() and len(value) < _LONGEST_WORD:
            found.add(value)
    elif isinstance(value, tuple):
        for each in value:
            _gather(each, found)
    elif isinstance(value, dict):
        for name, each in value.items():
            _gather(name, found)
            _gather(each, found)
