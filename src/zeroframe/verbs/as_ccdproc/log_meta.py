"""The name of ``ccdproc.log_meta``."""

from zeroframe.verbs.settings import log_to_metadata

__all__ = ["log_to_metadata"]
