"""How kernels are compiled: lazily, cached on disk where that can be, without the interpreter's lock."""

from __future__ import annotations

import pickle
import warnings
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar, cast

import numba
import numpy as np
from numba.core.caching import FunctionCache
from numba.core.runtime import rtsys

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Array", "kernel"]

#: Of any shape and dtype: which ones a kernel takes stands in its docstring.
Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]
F = TypeVar("F", bound="Callable[..., Any]")

# What reading a cache gives that was cut off or overwritten by something else.
_DAMAGE = (OSError, EOFError, ValueError, TypeError, LookupError, ImportError, AttributeError, pickle.PickleError)


class _OptionalCache(FunctionCache):  # type: ignore[misc]  # numba has no types
    """numba's cache, but a disk that is full, read-only or damaged only costs time."""

    def load_overload(self, sig: object, target_context: object) -> object:
        # without numba's target_context.refresh(), which imports all that a compilation may need, scipy.linalg too
        # (0.3 s), and which compiling does by itself: to load machine code the runtime is enough
        rtsys.initialize(target_context)
        try:
            return self._load_overload(sig, target_context)
        except _DAMAGE as error:
            self._say(f"cannot be read ({error})")
            return None

    def save_overload(self, sig: object, data: object) -> None:
        try:
            super().save_overload(sig, data)
        except _DAMAGE as error:
            self.disable()
            self._say(f"cannot be written ({error})")

    def _say(self, what: str) -> None:
        _warn(f"{self.cache_path}: the cache of compiled functions {what}")


def _warn(what: str) -> None:
    text = f"{what}; they are compiled at each start, in about a second each: set NUMBA_CACHE_DIR to another folder"
    warnings.warn(text, UserWarning, stacklevel=4)


def kernel(function: F) -> F:
    """Compile ``function`` on its first call and cache the result on disk, where there is a place for it.

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
    compiled = numba.njit(nogil=True, error_model="numpy")(function)
    try:
        # as numba's own enable_caching() does, which lets a full disk end the call of a kernel
        compiled._cache = _OptionalCache(function)  # noqa: SLF001
    except RuntimeError:  # neither beside the source, nor in the user's cache folder, nor in NUMBA_CACHE_DIR
        _warn("no folder can hold the cache of compiled functions")
    return cast("F", compiled)
