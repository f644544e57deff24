"""Sorts of keys of a ``night.toml``: what a value means, what it has to be, and how it is read.

Each function returns what `dataclasses.field` takes as ``metadata``, so that a key is described once, beside the field
that holds it; reading, writing and the docs all use that.
"""

from __future__ import annotations

from math import isfinite
from typing import TYPE_CHECKING, Any

from zeroframe.errors import SectionError, UsageError
from zeroframe.headers.sections import Section
from zeroframe.records import dataclass

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from dataclasses import Field

__all__ = [
    "Key",
    "choice",
    "choices",
    "flag",
    "key_of_field",
    "made_when_asked",
    "name",
    "names",
    "number",
    "positive",
    "ranking",
    "read_key",
    "section",
    "whole",
]


@dataclass(frozen=True, slots=True)
class Key:
    """One key of ``night.toml``.

    Attributes
    ----------
    comment : str
        What it means.
    expected : str
        What its value has to be, in words.
    read : callable
        Turns what TOML gave into the value; a ValueError where it cannot be used.
    example : object
        Shown where the key has no default.
    words : tuple of str
        All values that it can have, where they are few.
    """

    comment: str
    expected: str
    read: Callable[[object], object]
    example: object = None
    words: tuple[str, ...] = ()


def read_key(key: Key, value: object, what: str) -> object:
    """Return what a value means; raises `UsageError`, which calls it ``what``, where it cannot be used."""
    try:
        return key.read(value)
    except SectionError as error:
        raise UsageError(f"{what}: {error}; expected is {key.expected}") from error
    except ValueError as error:
        raise UsageError(f"{what} = {value!r} cannot be used; expected is {key.expected}") from error


def key_of_field(one: Field[Any]) -> Key | None:
    """Return the key that a field of a recipe holds; None where it holds a table."""
    make = one.metadata.get("make")
    key = one.metadata.get("key") if make is None else make()["key"]
    return key if isinstance(key, Key) else None


def made_when_asked(make: Callable[[], Mapping[str, Key]]) -> Mapping[str, object]:
    """Describe a key whose words are known only when it is read: those of a table that may have another row by then."""
    return {"make": make}


def flag(comment: str) -> Mapping[str, Key]:
    """Describe a key that is true or false."""

    def read(value: object) -> object:
        return _accepted(value, isinstance(value, bool))

    return {"key": Key(comment, "true or false", read)}


def number(comment: str, least: float = 0.0) -> Mapping[str, Key]:
    """Describe a number that is no less than another."""
    return {"key": Key(comment, f"a number of at least {least:g}", _reader(lambda value: value >= least))}


def positive(comment: str, example: float) -> Mapping[str, Key]:
    """Describe a number above 0 that may be left out."""
    return {"key": Key(comment, "a number above 0", _reader(lambda value: value > 0), example)}


def whole(comment: str, example: int) -> Mapping[str, Key]:
    """Describe a whole number, not negative, that may be left out."""

    def read(value: object) -> object:
        return _accepted(value, type(value) is int and value >= 0)

    return {"key": Key(comment, "a whole number that is not negative", read, example)}


def choice(comment: str, words: Sequence[str], example: str = "") -> Mapping[str, Key]:
    """Describe one of a few words."""

    def read(value: object) -> object:
        return _accepted(value, isinstance(value, str) and value in words)

    return {"key": Key(comment, " or ".join(f"'{word}'" for word in words), read, example, tuple(words))}


def choices(comment: str, words: Sequence[str]) -> Mapping[str, Key]:
    """Describe a list of some of a few words; their order does not matter."""

    def read(value: object) -> object:
        _accepted(value, isinstance(value, list) and all(isinstance(one, str) and one in words for one in value))
        return tuple(word for word in words if isinstance(value, list) and word in value)

    expected = "a list of some of " + ", ".join(f"'{word}'" for word in words)
    return {"key": Key(comment, expected, read, words=tuple(words))}


def ranking(comment: str, words: Sequence[str]) -> Mapping[str, Key]:
    """Describe a list of some of a few words, whose order matters."""

    def read(value: object) -> object:
        _accepted(value, isinstance(value, list) and all(isinstance(one, str) and one in words for one in value))
        return tuple(dict.fromkeys(value)) if isinstance(value, list) else ()

    expected = "a list of some of " + ", ".join(f"'{word}'" for word in words) + " in their order"
    return {"key": Key(comment, expected, read, words=tuple(words))}


def name(comment: str, expected: str, example: str) -> Mapping[str, Key]:
    """Describe a text that may be left out, and is not empty."""

    def read(value: object) -> object:
        return _accepted(value, isinstance(value, str) and bool(value.strip()))

    return {"key": Key(comment, expected, read, example)}


def names(comment: str, expected: str) -> Mapping[str, Key]:
    """Describe a list of texts that are not empty."""

    def read(value: object) -> object:
        listed = [value] if isinstance(value, str) else value
        fits = isinstance(listed, list) and all(isinstance(one, str) and one.strip() for one in listed)
        return tuple(_accepted(listed, fits))  # type: ignore[arg-type]

    return {"key": Key(comment, expected, read)}


def section(comment: str, example: str, *, or_none: bool = False) -> Mapping[str, Key]:
    """Describe a section of x and y that may be left out; where ``or_none`` says so, the word 'none' will do, too."""

    def read(value: object) -> object:
        if or_none and value == "none":
            return value
        # a SectionError is a ValueError, too, and says more
        found = Section.parse(value) if isinstance(value, str) else None
        return _accepted(found, found is not None and len(found.ranges) == 2)

    return {"key": Key(comment, f"a section such as '{example}'" + (", or 'none'" if or_none else ""), read, example)}


def _reader(accept: Callable[[float], bool]) -> Callable[[object], object]:
    def read(value: object) -> object:
        if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
            raise ValueError(value)
        return float(_accepted(value, accept(value)))  # type: ignore[arg-type]

    return read


def _accepted(value: object, fits: bool) -> object:  # noqa: FBT001 -- what was found out, not a switch
    """Return the value, or raise; what a person reads is `Key.expected`."""
    if not fits:
        raise ValueError(value)
    return value
