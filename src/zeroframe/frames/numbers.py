"""Numbers in sentences, as people write them; what counts as one among arguments; whole ones spread evenly."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, TypeGuard

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = ["is_number", "mean_of_known", "number", "percent", "spread_evenly"]

#: Digits of a number that count, where nothing else is asked for.
_DIGITS = 4


def is_number(value: object) -> TypeGuard[float]:
    """Whether a value is one real number; truth values are none.

    Examples
    --------
    >>> is_number(np.float32(2)), is_number(True), is_number("2")
    (True, False, False)
    """
    return isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool)


def spread_evenly(first: int, last: int, count: int) -> NDArray[np.intp]:
    """Return so many whole numbers from the first to the last, each once: fewer where there are not so many.

    `numpy.unique` loads `numpy.ma`, which takes 15 ms of each start.

    Examples
    --------
    >>> spread_evenly(2, 5, 3), spread_evenly(0, 1, 4), spread_evenly(3, 3, 0).size
    (array([2, 3, 5]), array([0, 1]), 0)
    """
    numbers: NDArray[np.intp] = np.linspace(first, last, count).astype(np.intp)
    kept: NDArray[np.intp] = numbers[np.diff(numbers, prepend=numbers[:1] - 1) != 0]
    return kept


def mean_of_known(values: Sequence[float | None]) -> float | None:
    """Return the mean of values that are all known; None where one is not, or there is none.

    Examples
    --------
    >>> mean_of_known([1.0, 2.0]), mean_of_known([1.0, None]), mean_of_known([])
    (1.5, None, None)
    """
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known and len(known) == len(values) else None


def number(value: float | None, digits: int = _DIGITS) -> str:
    """Write a number with so many digits that count, and without an exponent where it can be helped.

    Examples
    --------
    >>> number(1012.345), number(0.81234), number(-0.0), number(None), number(123456.0), number(3.0)
    ('1012', '0.8123', '0', '–', '123456', '3')
    """
    if value is None or not math.isfinite(value):
        return "–"
    if value == 0:
        return "0"
    decimals = max(digits - 1 - math.floor(math.log10(abs(value))), 0)
    text = f"{value:.{min(decimals, 8)}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def percent(fraction: float | None, digits: int = 2) -> str:
    """Write a fraction as a percentage, of two digits by default.

    Examples
    --------
    >>> percent(0.00113), percent(5.7e-7), percent(1.0), percent(12.345)
    ('0.11 %', '0.000057 %', '100 %', '1234 %')
    """
    return f"{number(None if fraction is None else 100 * fraction, digits)} %"
