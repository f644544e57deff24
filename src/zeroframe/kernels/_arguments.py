"""What a kernel is called with: the kinds of its arguments, and how they are handed to machine code.

Machine code takes plain numbers and addresses, as a function written in C does: an array is its address and its shape
(and its strides, where it is not in C order), a tuple is its parts one after the other.
"""

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Kind", "kind_of", "parameter_types", "parameters"]

#: 'int', 'float' or 'bool'; dtype, number of axes and whether it is in C order; the class of a tuple and its parts.
Kind: TypeAlias = str | tuple[Any, ...]


def kind_of(value: Any) -> Kind:
    """Return what kind of argument a value is.

    Raises
    ------
    TypeError
        When a kernel cannot take it.

    Examples
    --------
    >>> kind_of(2.5), kind_of(np.int64(3)), kind_of(np.zeros((2, 3), np.float32))
    ('float', 'int', (dtype('float32'), 2, True))
    """
    if isinstance(value, np.ndarray):
        return value.dtype, value.ndim, value.flags.c_contiguous
    if isinstance(value, float):
        return "float"
    if isinstance(value, (bool, np.bool_)):
        return "bool"
    if isinstance(value, (int, np.integer)):
        return "int"
    if isinstance(value, tuple):
        return type(value), *map(kind_of, value)
    raise TypeError(f"a kernel takes arrays, numbers and tuples of them, not {type(value).__name__}")


def parameter_types(kind: Kind) -> list[type]:
    """Return the C types that an argument of some kind becomes.

    Examples
    --------
    >>> [kind.__name__ for kind in parameter_types((np.dtype("f4"), 2, True))]
    ['c_void_p', 'c_long', 'c_long']
    """
    if kind == "float":
        return [ctypes.c_double]
    if isinstance(kind, str):
        return [ctypes.c_int64]
    if isinstance(kind[0], np.dtype):
        _, axes, in_order = kind
        return [ctypes.c_void_p, *[ctypes.c_int64] * (axes if in_order else 2 * axes)]
    return [part for own in kind[1:] for part in parameter_types(own)]


def parameters(values: Sequence[Any], kinds: Sequence[Kind]) -> list[Any]:
    """Return arguments as machine code takes them, in the order of `parameter_types`."""
    found: list[Any] = []
    for value, kind in zip(values, kinds, strict=True):
        if kind == "float":
            found.append(value)
        elif isinstance(kind, str):
            found.append(int(value))  # ctypes knows no integers of numpy
        elif isinstance(kind[0], np.dtype):
            found.append(value.ctypes.data)
            found += value.shape
            if not kind[2]:
                found += value.strides
        else:
            found += parameters(value, kind[1:])
    return found
