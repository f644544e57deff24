"""The names of ``ccdproc.image_collection``."""

from zeroframe.verbs.collection import ImageFileCollection

__all__ = ["ImageFileCollection"]
