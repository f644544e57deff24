"""The words of ``dialects.toml``, read once."""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path
from typing import Any

__all__ = ["dialect_tables", "known_words"]


@cache
def dialect_tables() -> dict[str, Any]:
    """Return what header words mean, as it stands in ``dialects.toml``."""
    # importlib.resources, which finds it in an archive, too, takes 6 ms of each start
    return tomllib.loads(Path(__file__).with_name("dialects.toml").read_text(encoding="utf-8"))


@cache
def known_words() -> frozenset[str]:
    """Return the keywords that a fact is read from, but for free text and for settings."""
    tables = dialect_tables()
    facts = [
        name for name in tables if name not in {"settings", "settings_blank", "optics", "optics_numbers", "flat_light"}
    ]
    lists = [tables[name]["cards"] for name in facts if isinstance(tables[name], dict) and "cards" in tables[name]]
    sections = [words for words in tables["section"].values() if isinstance(words, list)]
    return frozenset(word for words in (*lists, *sections) for word in words)
