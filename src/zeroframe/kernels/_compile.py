"""How kernels are compiled: lazily, cached on disk, without the interpreter's lock."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar, cast

import numba
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Array", "kernel"]

#: Of any shape and dtype: which ones a kernel takes stands in its docstring.
Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]
F = TypeVar("F", bound="Callable[..., Any]")


def kernel(function: F) -> F:
    """Compile ``function`` on its first call and cache the result on disk.

    The lock of the interpreter is released, so plain threads run kernels side by side. ``error_model="numpy"``
    keeps divisions free of branches; ``fastmath`` stays off because NaN has a meaning here, and because results must
    not depend on how a loop was vectorised. With ``NUMBA_DISABLE_JIT=1`` kernels run as Python, where numpy's
    remarks on inf and NaN are silenced: compiled code does not make them.

    Notes
    -----
    numba takes a cached kernel for valid while the file that defines it is unchanged, whatever happens to kernels in
    other files that it calls. So kernels that call each other stand in one module.
    """
    if numba.config.DISABLE_JIT:
        return np.errstate(all="ignore")(function)
    return cast("F", numba.njit(cache=True, nogil=True, error_model="numpy")(function))
