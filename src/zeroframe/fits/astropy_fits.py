"""astropy's FITS, imported when it is first needed, by one thread at a time."""

from __future__ import annotations

from importlib import import_module
from threading import RLock
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from types import ModuleType

__all__ = ["astropy_fits"]

_ONE_AT_A_TIME = RLock()


def astropy_fits() -> ModuleType | Any:  # noqa: ANN401 -- as a module it would have no attributes
    """Return `astropy.io.fits`.

    Its import takes 0.4 s, which most commands never need. Two threads that import parts of astropy at the same time
    may see modules that are half made: Python lets them, where each waits for a lock of the other.
    """
    with _ONE_AT_A_TIME:
        return import_module("astropy.io.fits")
