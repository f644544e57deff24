"""Memory of images that is used again and again through a night."""

from __future__ import annotations

import math
import weakref
from collections import deque
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import DTypeLike, NDArray

__all__ = ["BufferPool"]

#: Less than this is not worth the trouble: it comes and goes with the heap.
_LEAST_BYTES = 1 << 18
#: Spare memory is used for an image that needs at least one part of so many of it.
_ROOMIEST = 2


class _Lease:
    """What an array on lent memory rests on: when the last view of it is gone, so is this."""

    __slots__ = ("__array_interface__", "__weakref__")

    def __init__(self, memory: NDArray[np.uint8]) -> None:
        self.__array_interface__ = memory.__array_interface__


class BufferPool:
    """Lends memory for arrays, and takes it back by itself when an array and all views of it are gone.

    Memory that is new to a process has to be cleared by the system, page by page, when it is first written to: 10 ms
    for a frame of 34 MB where all is well, and 90 ms on a virtual machine that has to ask for the pages itself. What a
    night needs at one time is a quarter of what it needs altogether.

    Parameters
    ----------
    limit_bytes : int
        How much may be lent and lie spare together; beyond, spare memory is given back to the system.

    Examples
    --------
    >>> memory = BufferPool(100_000_000)
    >>> first = memory.empty((1000, 1000), np.float32)
    >>> place = first.ctypes.data
    >>> del first
    >>> memory.empty((500, 1000), np.float64).ctypes.data == place
    True
    """

    def __init__(self, limit_bytes: int) -> None:
        self._limit = limit_bytes
        self._held = 0
        self._spare: list[NDArray[np.uint8]] = []
        # filled when an array dies, which may be at any moment and in any thread, so by what needs no lock
        self._returned: deque[NDArray[np.uint8]] = deque()
        self._lock = Lock()

    @property
    def limit_bytes(self) -> int:
        """How much may be lent and lie spare together."""
        return self._limit

    @property
    def held_bytes(self) -> int:
        """How much is lent and lies spare."""
        return self._held

    def empty(self, shape: int | tuple[int, ...], dtype: DTypeLike = np.float64) -> NDArray[Any]:
        """Return an array in C order, as `numpy.empty` does; what stands in it is of no use.

        Parameters
        ----------
        shape : int or tuple of int
        dtype : dtype

        Raises
        ------
        MemoryError
            When the system has no more.
        """
        kind = np.dtype(dtype)
        size = kind.itemsize * (shape if isinstance(shape, int) else math.prod(shape))
        if size < _LEAST_BYTES:
            return np.empty(shape, kind)
        memory = self._memory(size)
        loan = _Lease(memory)
        weakref.finalize(loan, self._returned.append, memory).atexit = False
        return np.asarray(loan)[:size].view(kind).reshape(shape)

    def _memory(self, size: int) -> NDArray[np.uint8]:
        """Return at least so many bytes: the smallest spare piece that is not far too large, or a new one."""
        with self._lock:
            while self._returned:
                self._spare.append(self._returned.popleft())
            self._spare.sort(key=len)
            for place, piece in enumerate(self._spare):
                if size <= len(piece) <= _ROOMIEST * size:
                    return self._spare.pop(place)
            while self._spare and self._held + size > self._limit:
                self._held -= len(self._spare.pop())
            self._held += size
        try:
            return np.empty(size, np.uint8)
        except MemoryError:
            with self._lock:
                self._held -= size
            raise
