"""Kernels compiled and called by numba's own dispatcher, which only its public parts are needed for.

It takes the place of `zeroframe.kernels._build` where that cannot work: to the same bits, with numba imported at
each start.
"""

from __future__ import annotations

import threading
from pathlib import Path
from types import FunctionType
from typing import TYPE_CHECKING, Any

import numba
import numpy as np

from zeroframe.kernels._store import folder_for_numba

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["cache_folder", "dispatcher_of", "prepare"]

_CONFIGURING = threading.Lock()


def cache_folder(function: Callable[..., Any]) -> tuple[Path | None, tuple[str, ...]]:
    """Return where numba shall keep what it compiles of a function, or None, and what stands in the way of that."""
    return folder_for_numba(Path(function.__code__.co_filename), numba.__version__)


def dispatcher_of(function: Callable[..., Any], called: Mapping[str, Any], folder: Path | None) -> Any:
    """Return numba's dispatcher of a function.

    Parameters
    ----------
    function : callable
        In Python.
    called : mapping
        Dispatchers of the kernels that it calls, by the names that they have there.
    folder : Path or None
        Where compiled code is kept; None: nowhere.
    """
    # another dispatcher for each way of compiling: so the function gets names of its own for those that it calls
    own = FunctionType(
        function.__code__,
        {**function.__globals__, **called},
        function.__name__,
        function.__defaults__,
        function.__closure__,
    )
    own.__qualname__ = function.__qualname__
    if folder is None:
        return numba.njit(nogil=True, error_model="numpy")(own)
    with _CONFIGURING:
        usual = numba.config.CACHE_DIR
        numba.config.CACHE_DIR = str(folder)
        try:
            dispatcher = numba.njit(nogil=True, error_model="numpy", cache=True)(own)
        finally:
            numba.config.CACHE_DIR = usual
    if not Path(dispatcher.stats.cache_path).is_relative_to(folder):
        raise OSError(f"numba would keep it in {dispatcher.stats.cache_path}")
    return dispatcher


def prepare(
    dispatcher_in: Callable[[Path | None], Any],
    folder: Path | None,
    arguments: tuple[Any, ...],
    troubles: list[str],
) -> Callable[[tuple[Any, ...]], Any]:
    """Compile a kernel for the types of some arguments, or load what was compiled before.

    Parameters
    ----------
    dispatcher_in : callable
        Returns the dispatcher that keeps its code in a folder.
    folder : Path or None
        From `cache_folder`.
    arguments : tuple
        Of the kernel.
    troubles : list of str
        What went wrong with the folder is added here.

    Returns
    -------
    callable
        Takes the arguments as a tuple.
    """
    types = tuple(map(numba.typeof, _plain(arguments)))
    dispatcher = None
    if folder is not None:
        try:
            dispatcher = dispatcher_in(folder)
            dispatcher.compile(types)
        except numba.core.errors.NumbaError:
            raise  # of the kernel, not of the folder
        except Exception as error:  # noqa: BLE001 -- numba unpickles what is there: damage may raise anything
            troubles.append(f"{folder}: the cache of compiled functions cannot be used ({error!r})")
            dispatcher = None
    if dispatcher is None:
        dispatcher = dispatcher_in(None)
        dispatcher.compile(types)
    return lambda given: dispatcher(*_plain(given))


def _plain(value: Any) -> Any:
    """Return an argument, or a tuple of them, with Python's own numbers.

    numba would compile a kernel again for each type of numpy's numbers, and count in that type; the kinds of
    `zeroframe.kernels._arguments` know float64, int64 and bool.
    """
    if isinstance(value, np.ndarray):
        return value
    if isinstance(value, tuple):
        parts = map(_plain, value)
        return type(value)(*parts) if hasattr(value, "_fields") else tuple(parts)
    if isinstance(value, (bool, np.bool_)):
        return bool(value)
    return float(value) if isinstance(value, float) else int(value)
