"""Modules that reading and writing files import when they first need them, imported before threads start.

Two threads that import a module at the same time may see it half made: Python lets one of them go on where each waits
for a lock of the other.
"""

from __future__ import annotations

from importlib import import_module

__all__ = ["READING", "RICE", "WRITING", "import_ahead"]

#: What pixels are read by.
READING = ("isal.igzip_lib", "zeroframe.fits.read", "zeroframe.fits.tiles_read", "zeroframe.fits.tiles_gzip")
#: What files are written by, gzip and tiles among them.
WRITING = ("isal.igzip_lib", "zeroframe.fits.write", "zeroframe.fits.igzip", "zeroframe.fits.tiles_write")
#: What tiles are compressed by, after Rice.
RICE = ("astropy.io.fits", "numpy.rec", "zeroframe.kernels.rice")


def import_ahead(*modules: str) -> None:
    """Import what threads would import at the same time.

    Parameters
    ----------
    *modules : str
        Names of modules.

    Examples
    --------
    >>> import sys
    >>> import_ahead(*READING)
    >>> "zeroframe.fits.tiles_gzip" in sys.modules
    True
    """
    for module in modules:
        import_module(module)
