"""Frames of a stack of which no pixel has a value: nothing is combined of them, and they spoil what others tell."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from zeroframe.stacks.noise import read_bands

if TYPE_CHECKING:
    from zeroframe.stacks.stack import Stack

__all__ = ["NO_VALUE", "is_empty"]

#: What is said of such a frame.
NO_VALUE = "none of its pixels has a value"
#: So many pixels are read at once.
_PIXELS = 1 << 20


def is_empty(stack: Stack, index: int) -> bool:
    """Tell whether a frame has no finite value at all.

    Parameters
    ----------
    stack : Stack
        The frames; what is masked is not finite.
    index : int
        Which. A row in the middle is read, and only where that is empty the others, from the first on.

    Examples
    --------
    >>> from zeroframe.stacks.stack import ArrayStack
    >>> frames = [np.full((3, 4), np.nan), np.zeros((3, 4))]
    >>> stack = ArrayStack(frames, [None, np.arange(12).reshape(3, 4) < 11], ("a", "b"))
    >>> is_empty(stack, 0), is_empty(stack, 1)
    (True, False)
    """
    ny, nx = stack.shape_yx
    height = max(_PIXELS // nx, 1)
    bands = [slice(ny // 2, ny // 2 + 1), *(slice(row, min(row + height, ny)) for row in range(0, ny, height))]
    return not any(np.isfinite(read_bands(stack, index, [band])).any() for band in bands)
