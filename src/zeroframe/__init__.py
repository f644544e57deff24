"""zeroframe: raw CCD frames in, calibrated and combined frames out, with the reasons shown."""

from zeroframe._version import __version__

__all__ = ["__version__"]
