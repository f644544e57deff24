"""What happens to files while a run goes on, told to the logger ``zeroframe`` for whoever listens."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["log_outcome"]

_LOG = logging.getLogger("zeroframe")


def log_outcome(path: Path, state: str, reason: str) -> None:
    """Log how the work on one file has ended.

    Parameters
    ----------
    path : pathlib.Path
        The file: a raw frame, or a result that is made of others.
    state : str
        ``'done'``, ``'skipped'``, ``'left out'`` or ``'failed'``.
    reason : str
        A sentence that names the file, where there is more to say.
    """
    if state == "failed":
        _LOG.error("failed: %s", reason or path)
    else:
        _LOG.info("%s: %s", state, path)
