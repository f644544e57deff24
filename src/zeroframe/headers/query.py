"""Conditions on the cards of a header: equality, order, absence, alternatives, patterns, and any function of the value.

They are given as values (``exptime='>300'``) or as one text (``'imagetyp=bias exptime>300'``).
"""

from __future__ import annotations

import operator
import re
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from zeroframe.errors import ArgumentError, AssumptionWarning, UsageError
from zeroframe.records import dataclass

if TYPE_CHECKING:
    from zeroframe.fits.cards import CardValue
    from zeroframe.headers.columns import HeaderColumns

__all__ = ["Condition", "condition", "parse_where", "select", "unknown_cards"]

_NUMBER = re.compile(r"\s*[+-]?(?:\d+\.?\d*|\.\d+)(?:[eEdD][+-]?\d+)?\s*\Z", re.ASCII)
_PREFIX = re.compile(r"\s*(!=|==|>=|<=|[<>!=])\s*(.*)\Z", re.DOTALL)
_ORDER: Mapping[str, Callable[[Any, Any], bool]] = {
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
}
#: How cards begin that name a filter.
_FILTER_WORDS = ("filt", "insfilte", "wffband")
_TRUTH = {True: ("t", "true"), False: ("f", "false")}
# The quotes of filters such as g' stand within a word and do not begin a quotation.
_WORD = r"""(?:"[^"]*"|'[^']*')(?=[\s,]|\Z)|[^\s,]+"""
_TERM = re.compile(
    rf"""\s*(?:(?P<absent>!)?(?P<name>"[^"]+"|'[^']+'|[^\s"'=<>!~,]+))
    (?:\s*(?P<operator>!=|==|>=|<=|[=<>~])\s*(?P<words>(?:{_WORD})(?:,(?:{_WORD}))*))?(?=\s|\Z)""",
    re.VERBOSE,
)


@dataclass(frozen=True, slots=True)
class Condition:
    """What the value of a card must be.

    Attributes
    ----------
    test : callable
        Given a value, None where there is none, says whether it fulfils the condition.
    asks_for_missing : bool
        Whether a card that no header has is a sensible question and not a slip of the pen.
    """

    test: Callable[[CardValue], bool]
    asks_for_missing: bool = False


def condition(wanted: object, *, regex: bool = False) -> Condition:
    r"""Return the condition that a value given by a user stands for.

    Parameters
    ----------
    wanted : str, int, float, bool, None, callable, iterable or Condition
        Text is compared without regard to letter case and to blanks around it, and a number as a number wherever it
        stands: ``'60'`` is met by 60.0. ``'*'``: the card is there. ``None``: it is missing. ``''``: it is missing or
        blank. ``'>300'``, ``'<='`` and so on compare numbers, or texts such as dates. ``'!bias'`` or ``'!=bias'`` is
        met where ``'bias'`` is not, by headers without the card too; ``'=!x'`` is the text ``'!x'`` itself.
        A callable gets the value, of cards that are there. Of a list, tuple, set or array any member.
    regex : bool
        Take texts, apart from ``'*'`` and ``''``, as regular expressions that are searched for in the value.

    Returns
    -------
    Condition

    Raises
    ------
    ArgumentError
        When ``wanted`` is of another type.
    UsageError
        When it is an operator without a value, or not a regular expression.

    Examples
    --------
    >>> condition("60").test(60.0), condition("BIAS").test("bias  "), condition(["g", ">3"]).test(4)
    (True, True, True)
    >>> condition("!bias").test("dark"), condition(None).test("dark")
    (True, False)
    >>> condition("^fl", regex=True).test("FLATFIELD")
    True
    """
    if hasattr(wanted, "tolist"):  # a number or an array of numpy
        wanted = wanted.tolist()
    if isinstance(wanted, Condition):
        return wanted
    if wanted is None:
        return Condition(lambda value: value is None, asks_for_missing=True)
    if isinstance(wanted, str):
        return _text_condition(wanted, regex=regex)
    if isinstance(wanted, bool | int | float):
        return _equal_to_number(wanted)
    if callable(wanted):
        return Condition(lambda value: value is not None and bool(wanted(value)))
    if isinstance(wanted, Iterable) and not isinstance(wanted, Mapping | bytes):
        return _any_of([condition(one, regex=regex) for one in wanted])
    raise ArgumentError(
        f"{wanted!r} ({type(wanted).__name__}) cannot be compared with cards; give a text, a number, None, a function "
        "of the value, or a list of these"
    )


def select(
    headers: HeaderColumns,
    wanted: Iterable[tuple[str, object]],
    *,
    regex: bool = False,
) -> list[int]:
    """Return the rows of the files that fulfil all conditions.

    Parameters
    ----------
    headers : HeaderColumns
        Of the files.
    wanted : iterable of (str, value)
        Keywords, ``'file'`` among them, and what `condition` understands.
    regex : bool
        As in `condition`.

    Returns
    -------
    list of int
        In rising order.

    Raises
    ------
    UsageError
        When a condition cannot be understood, or a function fails.
    """
    rows = list(range(len(headers)))
    for keyword, value in wanted:
        made = condition(value, regex=regex)
        column = headers.column(keyword)
        rows = [row for row in rows if _fulfils(made, column[row], keyword, headers.paths[row])]
        if keyword.lower().startswith(_FILTER_WORDS):
            _say_spellings(keyword, value, [column[row] for row in rows])
    return rows


def unknown_cards(headers: HeaderColumns, wanted: Iterable[tuple[str, object]], *, regex: bool = False) -> list[str]:
    """Return the cards that conditions are on and that no header has, unless that is what the condition asks for.

    Parameters
    ----------
    headers, wanted, regex
        As in `select`.

    Returns
    -------
    list of str
        Empty where there is no header at all.
    """
    if not len(headers):
        return []
    lacking = [(keyword, value) for keyword, value in wanted if not headers.has(keyword)]
    return [keyword for keyword, value in lacking if not condition(value, regex=regex).asks_for_missing]


def _say_spellings(keyword: str, wanted: object, found: Sequence[CardValue]) -> None:
    """Say so where one name has found several filters that differ by case only: Cousins R and Sloan r are two."""
    asked = [wanted] if isinstance(wanted, str) else wanted if isinstance(wanted, list | tuple | set) else []
    for name in [each.strip() for each in asked if isinstance(each, str)]:
        texts = {value.strip() for value in found if isinstance(value, str)}
        spelled = sorted(text for text in texts if text.casefold() == name.casefold() and text not in asked)
        if name in texts and spelled:
            text = f"{keyword} = {name!r} has found {', '.join(spelled)}, too; for {name} alone give a function: "
            warnings.warn(f"{text}{keyword}=lambda value: value == {name!r}", AssumptionWarning, stacklevel=5)


def parse_where(text: str) -> list[tuple[str, Condition]]:
    r"""Return the conditions of a text, which must all be fulfilled.

    Parameters
    ----------
    text : str
        Terms with blanks between them: ``imagetyp=bias``, ``exptime>0``, ``filter=g,r`` (any of), ``object!=''``,
        ``object~^M3`` (a regular expression), ``bunit`` (the card is there), ``!bunit`` (it is missing). Words with
        blanks or commas, keywords among them, stand in quotes; what is quoted is always meant as it stands.

    Returns
    -------
    list of (str, Condition)

    Raises
    ------
    UsageError
        Naming the place from which on the text cannot be understood.

    Examples
    --------
    >>> [keyword for keyword, _ in parse_where("imagetyp = bias exptime>0 !bunit 'ESO TPL ID'=x")]
    ['imagetyp', 'exptime', 'bunit', 'ESO TPL ID']
    >>> parse_where("filter=g',r'")[0][1].test("G'")
    True
    """
    terms, position = [], 0
    text = text.rstrip()
    while position < len(text):
        match = _TERM.match(text, position)
        if match is None or (match["absent"] and match["operator"]):
            raise UsageError(
                f"the condition cannot be understood from {text[position:].strip()!r} on; write for example "
                "\"imagetyp=bias exptime>0 object='M 31'\""
            )
        name = match["name"].strip("\"'")
        if match["operator"]:
            terms.append((name, _compared(match["operator"], re.findall(_WORD, match["words"]))))
        else:
            terms.append((name, condition(None if match["absent"] else "*")))
        position = match.end()
    return terms


def _compared(sign: str, words: list[str]) -> Condition:
    """Return the condition of one term of a text."""
    if sign == "~":
        return _any_of([_pattern(_unquoted(word)) for word in words])
    if sign in _ORDER:
        if len(words) > 1:
            raise UsageError(f"{sign}{','.join(words)} compares with several values; give one")
        return _ordered(sign, _unquoted(words[0]))
    one_of = _any_of([condition("*") if word == "*" else _equal_to_text(_unquoted(word)) for word in words])
    return _complement(one_of, asks_for_missing=words == ["*"]) if sign == "!=" else one_of


def _unquoted(word: str) -> str:
    return word[1:-1] if len(word) > 1 and word[0] in "\"'" and word[-1] == word[0] else word


def _text_condition(wanted: str, *, regex: bool) -> Condition:
    if wanted.strip() == "*":
        return Condition(lambda value: value is not None)
    if not wanted.strip():
        return _equal_to_text("")
    if regex:
        return _pattern(wanted)
    match = _PREFIX.match(wanted)
    if match is None:
        return _equal_to_text(wanted)
    sign, operand = match.groups()
    if not operand:
        raise UsageError(f"{wanted!r} compares with nothing; write a value behind it, as in {wanted.strip()}300")
    if sign in _ORDER:
        return _ordered(sign, operand)
    if sign == "!":
        return _complement(condition(operand), asks_for_missing=operand == "*")
    return _complement(_equal_to_text(operand)) if sign == "!=" else _equal_to_text(operand)


def _equal_to_text(wanted: str) -> Condition:
    folded = wanted.strip().casefold()
    number = _as_number(wanted)

    def test(value: CardValue) -> bool:
        if value is None:
            return not folded
        if isinstance(value, bool):
            return folded in _TRUTH[value]
        if isinstance(value, str):
            return value.strip().casefold() == folded or (number is not None and _as_number(value) == number)
        return value == number

    return Condition(test, asks_for_missing=not folded)


def _equal_to_number(wanted: float) -> Condition:
    def test(value: CardValue) -> bool:
        if isinstance(value, str):
            if isinstance(wanted, bool):
                return value.strip().casefold() in _TRUTH[wanted]
            return _as_number(value) == wanted
        return value is not None and value == wanted

    return Condition(test)


def _ordered(sign: str, operand: str) -> Condition:
    compare = _ORDER[sign]
    number = _as_number(operand)
    folded = operand.strip().casefold()

    def test(value: CardValue) -> bool:
        if value is None or isinstance(value, bool):
            return False
        if number is None:
            return isinstance(value, str) and compare(value.strip().casefold(), folded)
        own = _as_number(value) if isinstance(value, str) else value
        return own is not None and compare(own, number)

    return Condition(test)


def _pattern(text: str) -> Condition:
    try:
        search = re.compile(text, re.IGNORECASE).search
    except re.error as error:
        raise UsageError(f"{text!r} is not a regular expression ({error})") from None

    def test(value: CardValue) -> bool:
        if isinstance(value, bool):
            return search("T" if value else "F") is not None
        return value is not None and search(str(value).strip()) is not None

    return Condition(test)


def _any_of(conditions: Sequence[Condition]) -> Condition:
    if len(conditions) == 1:
        return conditions[0]
    return Condition(
        lambda value: any(one.test(value) for one in conditions), any(one.asks_for_missing for one in conditions)
    )


def _complement(one: Condition, *, asks_for_missing: bool = False) -> Condition:
    return Condition(lambda value: not one.test(value), asks_for_missing)


def _as_number(text: str) -> int | float | None:
    if not _NUMBER.match(text):
        return None
    try:
        return int(text)  # exact beyond 2**53
    except ValueError:
        return float(text.upper().replace("D", "E"))


def _fulfils(made: Condition, value: CardValue, keyword: str, path: str) -> bool:
    try:
        return made.test(value)
    except (TypeError, ValueError, AttributeError) as error:
        raise UsageError(
            f"{path}: the condition on {keyword} fails for {value!r} ({error}); mend the function, or "
            "leave the file out"
        ) from error
