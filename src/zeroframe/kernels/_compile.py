"""How kernels are compiled: on their first call, once for all processes, without the interpreter's lock.

numba turns a kernel into machine code, which is kept on disk (`zeroframe.kernels._store`). Whoever starts later loads
the machine code by llvmlite alone (`zeroframe.kernels._machine`): importing numba takes longer than the calibration of
ten frames. What runs is in both cases the code of the store, called in the same way.

For that a kernel may use what needs no help of numba while it runs: arrays, numbers, tuples of them, other kernels. It
allocates nothing and raises nothing; work arrays are arguments.
"""

from __future__ import annotations

import gc
import os
import threading
import warnings
from contextlib import contextmanager
from functools import update_wrapper
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar, cast

import numpy as np

from zeroframe.kernels._arguments import kind_of
from zeroframe.kernels._machine import MachineCode, load
from zeroframe.kernels._store import Store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from zeroframe.kernels._arguments import Kind

__all__ = ["Array", "is_kept", "kernel"]

#: Of any shape and dtype: which ones a kernel takes stands in its docstring.
Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]
F = TypeVar("F", bound="Callable[..., Any]")


class _Kernel:
    """A function that is compiled for each combination of the types of its arguments.

    Attributes
    ----------
    cache_hits : int
        How many of them were loaded from the store.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        update_wrapper(self, function)
        self.cache_hits = 0
        self._function = function
        self._calls: dict[tuple[Kind, ...], Callable[..., Any]] = {}
        self._lock = threading.Lock()
        self._dispatcher: Any = None

    def __call__(self, *arguments: Any) -> Any:
        kinds = tuple(map(kind_of, arguments))
        call = self._calls.get(kinds)
        if call is None:
            call = self._prepare(kinds)
        return call(arguments)

    def _prepare(self, kinds: tuple[Kind, ...]) -> Callable[..., Any]:
        """Load the machine code for these types, or make it."""
        with self._lock:
            if kinds not in self._calls:
                store = Store(self._function, kinds)
                code = store.read()
                self.cache_hits += code is not None
                if code is None:
                    code = self._compile(kinds)
                    store.write(code)
                for said in store.troubles:
                    _warn(said)
                self._calls[kinds] = load(code, kinds)
            return self._calls[kinds]

    def is_kept(self, arguments: tuple[Any, ...]) -> bool:
        """Whether the machine code for arguments of these types is in the store."""
        return Store(self._function, tuple(map(kind_of, arguments))).read() is not None

    def _compile(self, kinds: tuple[Kind, ...]) -> MachineCode:
        with _garbage_left_alone():
            from zeroframe.kernels._compiling import compile_kernel

            code: MachineCode = compile_kernel(self.dispatcher, kinds)
        return code

    @property
    def dispatcher(self) -> Any:
        """What numba calls a function that it can compile."""
        if self._dispatcher is None:
            from zeroframe.kernels._compiling import dispatcher_of

            self._dispatcher = dispatcher_of(self._function)
        return self._dispatcher

    @property
    def _numba_type_(self) -> Any:
        """By this numba knows a kernel that another one calls."""
        return self.dispatcher._numba_type_


@contextmanager
def _garbage_left_alone() -> Iterator[None]:
    """Look for no garbage: numba makes objects by the million and keeps most; a tenth of its time went to the search.

    Where several threads compile, the first that came switches the search on again, so it is never left off.
    """
    searched = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if searched:
            gc.enable()


def _warn(what: str) -> None:
    text = f"{what}; they are compiled at each start, in about a second each: set NUMBA_CACHE_DIR to another folder"
    warnings.warn(text, UserWarning, stacklevel=5)


def kernel(function: F) -> F:
    """Compile ``function`` on its first call and keep the result on disk, where there is a place for it.

    The lock of the interpreter is released, so plain threads run kernels side by side. Divisions follow numpy, which
    keeps them free of branches; ``fastmath`` stays off because NaN has a meaning here, and because results must
    not depend on how a loop was vectorised. With ``NUMBA_DISABLE_JIT=1`` kernels run as Python, where numpy's
    remarks on inf and NaN are silenced: compiled code does not make them.

    Notes
    -----
    Machine code is taken for valid while this package of kernels and the file that defines the kernel are unchanged. So
    a kernel may call others of its own file and of this package.
    """
    if os.environ.get("NUMBA_DISABLE_JIT", "0") not in {"", "0"}:
        return np.errstate(all="ignore")(function)
    return cast("F", _Kernel(function))


def is_kept(function: Callable[..., Any], arguments: tuple[Any, ...]) -> bool:
    """Whether nothing has to be compiled to call a kernel with arguments of these types."""
    return not isinstance(function, _Kernel) or function.is_kept(arguments)
