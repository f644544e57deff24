"""What run.json has to look like: a table of forms, and the place of the first thing that is otherwise.

A form is a function of a value and its place; it raises `MisformedError` where the value is not of that form. Places
read as they would be written in Python: ``inputs["b1.fits"].sha256``, ``this_run.frames[3].state``.
"""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from zeroframe.headers.kinds import calibration_kinds

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Form = Callable[[Any, str], None]

__all__ = ["MisformedError", "require_form"]

_LONGEST_SHOWN = 60


class MisformedError(Exception):
    """Something is not as it has to be; the text names the place, what stands there, and what is expected."""

    def __init__(self, place: str, value: object, expected: str) -> None:
        shown = repr(value)
        shown = shown if len(shown) <= _LONGEST_SHOWN else f"{shown[:_LONGEST_SHOWN]}…"
        super().__init__(f"{place or 'its content'} is {shown}, expected is {expected}")


def require_form(said: object) -> None:
    """Require that what was read from run.json has its form.

    Parameters
    ----------
    said : object
        From JSON.

    Raises
    ------
    MisformedError
        Which names the first place that is otherwise.
    """
    _RECORD(said, "")
    if not isinstance(said, dict):
        return
    stamps = said["this_run"]["stamps"]
    for name in said["inputs"]:
        if name not in stamps:
            raise MisformedError("this_run.stamps", stamps, f"a value for {name!r}, too, which stands in inputs")
    recipe = said["recipe"]
    if "command" in recipe:
        _NIGHT(recipe, "recipe")
        _NIGHTS_RUN(said["this_run"], "this_run")
    else:
        _BIAS(recipe, "recipe")
        return
    for name, group in recipe["groups"].items():
        for number, frame in enumerate(group["frames"]):
            if frame not in recipe["frames"]:
                place = f"{_within('recipe.groups', name)}.frames[{number}]"
                raise MisformedError(place, frame, "a name that stands in recipe.frames")


def _within(place: str, name: str) -> str:
    if re.fullmatch(r"[A-Za-z_]\w*", name):
        return f"{place}.{name}" if place else name
    quoted = name.replace("\\", "\\\\").replace('"', '\\"')
    return f'{place}["{quoted}"]'


def _of(kind: type, words: str) -> Form:
    def form(value: object, place: str) -> None:
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            raise MisformedError(place, value, words)

    return form


_TEXT, _FLAG, _ANY_TABLE = _of(str, "a text"), _of(bool, "true or false"), _of(dict, "a table")


def _number(value: object, place: str) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise MisformedError(place, value, "a number")


def _figure(value: object, place: str) -> None:
    """Accept a number, nothing, and what JSON has no number for."""
    if value is not None and value not in ("nan", "inf", "-inf"):
        _number(value, place)


def _whole(below: int) -> Form:
    def form(value: object, place: str) -> None:
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < below:
            raise MisformedError(place, value, f"a whole number from 0 to {below - 1}")

    return form


def _matching(pattern: str, words: str) -> Form:
    def form(value: object, place: str) -> None:
        if not isinstance(value, str) or not re.fullmatch(pattern, value):
            raise MisformedError(place, value, words)

    return form


def _one_of(*values: object) -> Form:
    words = " or ".join(repr(value) for value in values)

    def form(value: object, place: str) -> None:
        if not any(type(value) is type(each) and value == each for each in values):
            raise MisformedError(place, value, words)

    return form


def _or_null(form: Form) -> Form:
    def either(value: object, place: str) -> None:
        if value is not None:
            form(value, place)

    return either


def _file_name(value: object, place: str) -> None:
    """Require the name of a file within a folder: nobody is led out of it."""
    path = PurePosixPath(value) if isinstance(value, str) else None
    if path is None or not path.name or path.is_absolute() or ".." in path.parts or "\0" in str(path):
        raise MisformedError(place, value, "the name of a file in this folder")


def _list_of(form: Form) -> Form:
    def each(value: object, place: str) -> None:
        if not isinstance(value, list):
            raise MisformedError(place, value, "a list")
        for number, one in enumerate(value):
            form(one, f"{place}[{number}]")

    return each


def _named(form: Form, name_form: Form = _TEXT) -> Form:
    """Return the form of a table whose values are alike."""

    def each(value: object, place: str) -> None:
        if not isinstance(value, dict):
            raise MisformedError(place, value, "a table")
        for name, one in value.items():
            name_form(name, f"a name in {place}")
            form(one, _within(place, name))

    return each


def _table(required: Mapping[str, Form], optional: Mapping[str, Form] | None = None) -> Form:
    """Return the form of a table that holds at least this."""

    def table(value: object, place: str) -> None:
        if not isinstance(value, dict):
            raise MisformedError(place, value, "a table")
        for name, form in required.items():
            if name not in value:
                raise MisformedError(place, sorted(value), f"that {name!r} stands in it, too")
            form(value[name], _within(place, name))
        for name, form in (optional or {}).items():
            if name in value:
                form(value[name], _within(place, name))

    return table


def _one_or_more(form: Form) -> Form:
    """Return the form of what is a list in the record of a night, and a table or nothing in that of biases."""
    many = _list_of(form)

    def either(value: object, place: str) -> None:
        if isinstance(value, list):
            many(value, place)
        elif value is not None:
            form(value, place)

    return either


_SHA256 = _matching("[0-9a-f]{64}", "a SHA-256: 64 hexadecimal digits")
_SIZE, _CRC32 = _whole(2**63), _whole(2**32)


def _a_kind(value: object, place: str) -> None:
    """Accept the name of a kind of calibration."""
    _one_of(*(row.kind.value for row in calibration_kinds()))(value, place)


_OUTPUT = _table(
    {
        "key": _matching("[0-9a-f]{32}", "a key: 32 hexadecimal digits"),
        "crc32": _CRC32,
        "byte_count": _SIZE,
        "sources": _list_of(_TEXT),
        "source_sha256": _matching("(?:[0-9a-f]{64})?", "a SHA-256, or an empty text"),
    }
)
_ENDED = _table(
    {"name": _TEXT, "state": _one_of("done", "skipped", "left out", "failed", "waiting"), "reason": _TEXT},
    {"lost": _list_of(_a_kind), "left_out": _list_of(_TEXT), "remark": _TEXT},
)
_FINDING = _table(
    {
        "code": _matching("ZF[0-9]{3}", "a code: ZF and three digits"),
        "severity": _one_of("note", "warning", "error"),
        "sentence": _TEXT,
        "frames": _list_of(_TEXT),
        "figure": _figure,
        "expected": _figure,
        "remedy": _TEXT,
    }
)
_THIS_RUN = _table(
    {"stamps": _named(_or_null(_TEXT)), "digests": _named(_SHA256)},
    {
        "stamps_of_results": _named(_TEXT),
        "report": _table({"name": _file_name, "crc32": _CRC32, "byte_count": _SIZE}),
        "frames": _list_of(_ENDED),
        "combined": _one_or_more(_ENDED),
        "masks": _list_of(_ENDED),
        "all_is_well": _FLAG,
        "verdict": _TEXT,
        "findings": _list_of(_FINDING),
        "figures": _named(_named(_number)),
        "raw": _matching(r"[^\0]*", "the name of a folder"),
        "out": _TEXT,
    },
)
_NIGHTS_RUN = _table({}, {"combined": _list_of(_ENDED)})
_RECORD = _table(
    {
        "format": _one_of(2),
        "state": _one_of("finished", "unfinished"),
        "versions": _named(_TEXT),
        "recipe": _ANY_TABLE,
        "choices": _list_of(_ANY_TABLE),
        "inputs": _named(_table({"sha256": _SHA256, "byte_count": _SIZE})),
        "outputs": _named(_OUTPUT, _file_name),
        "earlier": _named(_OUTPUT, _file_name),
        "this_run": _THIS_RUN,
    }
)
_CANDIDATE = _table(
    {"name": _TEXT, "label": _TEXT, "rank": _number, "usable": _FLAG, "scale": _or_null(_number), "reason": _TEXT}
)
_MATCH = _table(
    {
        "what": _a_kind,
        "chosen": _or_null(_TEXT),
        "scale": _or_null(_number),
        "needed": _FLAG,
        "reason": _TEXT,
        "candidates": _list_of(_CANDIDATE),
    }
)
_STEPS = _table(
    {"bias": _or_null(_TEXT), "dark": _or_null(_TEXT), "flat": _or_null(_TEXT), "masks": _list_of(_TEXT)},
)
_FRAME = _table(
    {"target": _file_name, "kind": _TEXT, "steps": _STEPS, "matches": _list_of(_MATCH), "uses": _list_of(_TEXT)}
)
_GROUP = _table(
    {
        "kind": _TEXT,
        "label": _TEXT,
        "frames": _list_of(_TEXT),
        "spec": _table({"method": _TEXT}),
        "scaled_by_level": _FLAG,
        "includes_bias": _FLAG,
    }
)
_NIGHT = _table(
    {
        "command": _one_of("night"),
        "frames": _named(_FRAME),
        "groups": _named(_GROUP, _file_name),
        "masks": _named(_table({"what": _TEXT, "source": _TEXT}), _file_name),
    }
)
_BIAS = _table(
    {
        "frames": _or_null(_ANY_TABLE),
        "combine": _or_null(_ANY_TABLE),
        "compress": _or_null(_TEXT),
        "camera": _or_null(_TEXT),
    }
)
