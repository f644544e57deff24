"""The modules of ``ccdproc.utils``."""
