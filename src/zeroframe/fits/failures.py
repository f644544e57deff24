"""What goes wrong with one file: that file fails alone, with one sentence for the person and all details in the log."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from zeroframe.errors import ClusterError, FolderLostError, FrameError, OutputError, ZeroframeError

if TYPE_CHECKING:
    import os
    from collections.abc import Callable

__all__ = ["attempt", "blame", "error_sentence", "file_failure"]

P = ParamSpec("P")
R = TypeVar("R")

_LOG = logging.getLogger("zeroframe")
# A library writes nothing to the screen by itself: without any handler Python would print what is logged here.
_LOG.addHandler(logging.NullHandler())
#: So many characters of the message of an exception stand in a sentence; all of it stands in the log.
_MOST_CHARACTERS = 200


def attempt(
    path: str | os.PathLike[str], do: Callable[P, R], *arguments: P.args, **options: P.kwargs
) -> R | FrameError:
    """Do something with one file, whatever the file holds.

    Parameters
    ----------
    path : path
        The file.
    do : callable
        Called with the other arguments.
    *arguments, **options
        Of ``do``.

    Returns
    -------
    object or FrameError
        What ``do`` returned, or why it could not do it: the caller passes over this file and goes on with the next.

    Raises
    ------
    ClusterError
        When the cluster is lost, which no file is to blame for.
    FolderLostError
        When the folder of results is gone, which ends the run.
    Warning
        When the person has turned warnings into errors.

    Examples
    --------
    >>> attempt("a.fits", len, [1, 2])
    2
    >>> print(attempt("a.fits", int, "many"))
    a.fits: cannot be used (ValueError: invalid literal for int() with base 10: 'many'); leave it out, ...
    """
    try:
        return do(*arguments, **options)
    except (ClusterError, FolderLostError, Warning):
        raise
    except Exception as error:  # noqa: BLE001 -- a file may say anything, and must not stop the others
        return file_failure(error, path)


def blame(path: str | os.PathLike[str], do: Callable[P, R], *arguments: P.args, **options: P.kwargs) -> R:
    """Do something with one file of several, so that the caller learns which of them it failed for.

    Parameters
    ----------
    path, do, *arguments, **options
        As for `attempt`.

    Returns
    -------
    object
        What ``do`` returned.

    Raises
    ------
    FrameError
        Whatever went wrong.
    MemoryError
        Which no file is to blame for: where files are read side by side, it meets any of them.

    Examples
    --------
    >>> blame("a.fits", len, [1, 2])
    2
    """
    try:
        return do(*arguments, **options)
    except (ZeroframeError, MemoryError, Warning):
        raise
    except Exception as error:
        raise file_failure(error, path) from error


def file_failure(error: Exception, path: str | os.PathLike[str]) -> FrameError:
    """Return what an exception means for the file that was at work; where it came about goes to the log.

    Of errors that are raised on purpose, whose sentence says what is wrong, that is a detail (logging.DEBUG).

    Parameters
    ----------
    error : Exception
        What was raised.
    path : path
        The file; a `FrameError` names its own.

    Returns
    -------
    FrameError

    Examples
    --------
    >>> print(file_failure(MemoryError(), "a.fits"))
    a.fits: there is not enough memory; use fewer --workers, or a smaller --mem-limit
    """
    level = logging.DEBUG if isinstance(error, ZeroframeError) else logging.ERROR
    _LOG.log(level, "%s: %s", path, type(error).__name__, exc_info=error)
    if isinstance(error, FrameError):
        return error
    if isinstance(error, OutputError):
        return FrameError(error.path, error.reason, error.advice)
    if isinstance(error, ZeroframeError):
        return FrameError(path, str(error))
    if isinstance(error, MemoryError):
        return FrameError(path, "there is not enough memory", "use fewer --workers, or a smaller --mem-limit")
    if isinstance(error, OSError):
        return FrameError(path, str(error.strerror or error), "see to that and run again")
    said = " ".join(str(error).split())
    said = said if len(said) <= _MOST_CHARACTERS else said[:_MOST_CHARACTERS] + " …"
    what = f"{type(error).__name__}: {said}" if said else type(error).__name__
    return FrameError(path, f"cannot be used ({what})", "leave it out, and report this with the traceback in the log")


def error_sentence(error: Exception, path: str | os.PathLike[str]) -> str:
    """Return what an error says, with the file that it is about; the traceback of one of Python's goes to the log.

    Examples
    --------
    >>> error_sentence(OSError(28, "No space left on device"), "b.fits")
    'b.fits: No space left on device; see to that and run again'
    """
    return str(file_failure(error, path))
