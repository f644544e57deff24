"""How kernels are compiled: on their first call, once for all processes, without the interpreter's lock.

numba turns a kernel into machine code, which is kept on disk (`zeroframe.kernels._store`). Whoever starts later loads
the machine code by llvmlite alone (`zeroframe.kernels._machine`): importing numba takes longer than the calibration of
ten frames. What runs is in both cases the code of the store, called in the same way.

For that a kernel may use what needs no help of numba while it runs: arrays, numbers, tuples of them, other kernels. It
allocates nothing and raises nothing; work arrays are arguments.

All of this leans on how numba works inside. Where that is different, in an older or a newer numba, numba's own
dispatcher takes its place (`zeroframe.kernels._by_numba`): the same bits, 0.6 s later. ``ZEROFRAME_KERNELS=njit`` asks
for it.
"""

from __future__ import annotations

import gc
import os
import threading
import warnings
from contextlib import contextmanager
from functools import cache, update_wrapper
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar, cast

import numpy as np

from zeroframe.kernels._arguments import kind_of
from zeroframe.kernels._machine import MachineCode, load
from zeroframe.kernels._store import Store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from zeroframe.kernels._arguments import Kind

__all__ = ["Array", "kernel"]

#: Of any shape and dtype: which ones a kernel takes stands in its docstring.
Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]
F = TypeVar("F", bound="Callable[..., Any]")

#: Set once our loader has failed where numba does not: each further kernel would be compiled in vain, and fail, too.
_LOADER_FAILED = threading.Event()


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
        self._dispatchers_of_numba: dict[Path | None, Any] = {}

    def __call__(self, *arguments: Any) -> Any:
        kinds = tuple(map(kind_of, arguments))
        call = self._calls.get(kinds)
        if call is None:
            call = self._prepare(arguments, kinds)
        return call(arguments)

    def _prepare(self, arguments: tuple[Any, ...], kinds: tuple[Kind, ...]) -> Callable[..., Any]:
        """Find what is called with arguments of these types."""
        with self._lock:
            if kinds not in self._calls:
                troubles: list[str] = []
                call = None if _loader_is_off() else self._loaded(kinds, troubles)
                if call is None:
                    call = self._by_numba(arguments, troubles)
                    _LOADER_FAILED.set()  # now that it was not the kernel that cannot be compiled
                self._calls[kinds] = call
                for said in troubles:
                    _warn(said)
            return self._calls[kinds]

    def _loaded(self, kinds: tuple[Kind, ...], troubles: list[str]) -> Callable[..., Any] | None:
        """Load the machine code for these types, or make it; None where this numba does not allow it."""
        try:
            store = Store(self._function, kinds)
            code = store.read()
            is_hit = code is not None
            if code is None:
                code = self._compile(kinds)
                store.write(code)
            call = load(code, kinds)
        except Exception as error:  # noqa: BLE001 -- private parts of numba, which may be anything in another version
            _tell_of_failure(self._function.__name__, error)
            return None
        self.cache_hits += is_hit
        troubles += store.troubles
        return call

    def _by_numba(self, arguments: tuple[Any, ...], troubles: list[str]) -> Callable[..., Any]:
        """Have numba compile and call the kernel."""
        from zeroframe.kernels._by_numba import cache_folder, prepare

        folder, why = cache_folder(self._function)
        troubles += why
        return prepare(self.dispatcher_of_numba, folder, arguments, troubles)

    def dispatcher_of_numba(self, folder: Path | None) -> Any:
        """Return numba's own dispatcher, which keeps its code in a folder."""
        if folder not in self._dispatchers_of_numba:
            from zeroframe.kernels._by_numba import dispatcher_of

            known, used = self._function.__globals__, self._function.__code__.co_names
            called = {name: known[name] for name in used if isinstance(known.get(name), _Kernel)}
            theirs = {name: callee.dispatcher_of_numba(folder) for name, callee in called.items()}
            self._dispatchers_of_numba[folder] = dispatcher_of(self._function, theirs, folder)
        return self._dispatchers_of_numba[folder]

    def _compile(self, kinds: tuple[Kind, ...]) -> MachineCode:
        with _garbage_left_alone():
            from zeroframe.kernels._build import compile_kernel

            code: MachineCode = compile_kernel(self.dispatcher, kinds)
        return code

    @property
    def dispatcher(self) -> Any:
        """What numba calls a function that it can compile."""
        if self._dispatcher is None:
            from zeroframe.kernels._build import dispatcher_of

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


@cache
def _warn(what: str) -> None:
    """Say it, once."""
    warnings.warn(what, UserWarning, stacklevel=5)


@cache
def _njit_is_asked_for() -> bool:
    wish = os.environ.get("ZEROFRAME_KERNELS", "")
    if wish not in {"", "njit"}:
        warnings.warn(
            f"ZEROFRAME_KERNELS is {wish!r}, which is not known, and is ignored; it may be 'njit'",
            UserWarning,
            stacklevel=6,
        )
    return wish == "njit"


def _loader_is_off() -> bool:
    return _LOADER_FAILED.is_set() or _njit_is_asked_for()


def _tell_of_failure(name: str, error: Exception) -> None:
    import logging

    if _LOADER_FAILED.is_set():  # another thread has said so
        return
    logging.getLogger("zeroframe.kernels").info(
        "numba's own dispatcher calls the kernels from now on, as our loader failed with %s: %r", name, error
    )


def kernel(function: F) -> F:
    """Compile ``function`` on its first call and keep the result on disk, where there is a place for it.

    The lock of the interpreter is released, so plain threads run kernels side by side. Divisions follow numpy, which
    keeps them free of branches; ``fastmath`` stays off because NaN has a meaning here, and because results must
    not depend on how a loop was vectorised. With ``NUMBA_DISABLE_JIT=1`` kernels run as Python, where numpy's
    remarks on inf and NaN are silenced: compiled code does not make them.

    Notes
    -----
    Machine code is taken for valid while this package of kernels and the file that defines the kernel are unchanged. So
    a kernel may call others of its own file and of this package. It calls them by names of its module: numba's own
    dispatcher finds them only there.
    """
    if os.environ.get("NUMBA_DISABLE_JIT", "0") not in {"", "0"}:
        return np.errstate(all="ignore")(function)
    return cast("F", _Kernel(function))
