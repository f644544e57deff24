"""What counts as a number among the arguments of a function."""

from __future__ import annotations

from typing import TypeGuard

import numpy as np

__all__ = ["is_number"]


def is_number(value: object) -> TypeGuard[float]:
    """Whether a value is one real number; truth values are none.

    Examples
    --------
    >>> is_number(np.float32(2)), is_number(True), is_number("2")
    (True, False, False)
    """
    return isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool)
