"""The name of ``ccdproc.utils.slices``."""

from zeroframe.verbs.slices import slice_from_string

__all__ = ["slice_from_string"]
