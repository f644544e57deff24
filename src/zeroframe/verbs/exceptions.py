"""Exceptions of `zeroframe.errors` as a notebook written for ccdproc catches them, and warnings as astropy's.

Such notebooks say ``except FileNotFoundError``, ``except u.UnitsError``, ``warnings.simplefilter("ignore",
AstropyUserWarning)``. `zeroframe.errors` stands on the ground floor and knows no astropy, so these stand here.
"""

from __future__ import annotations

import errno
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from astropy.units import UnitsError
from astropy.utils.exceptions import AstropyUserWarning

from zeroframe.errors import (
    ArgumentError,
    AssumptionWarning,
    FrameError,
    MismatchError,
    NoFramesError,
    OutputError,
    OutputExistsError,
    UnitError,
    UsageError,
    ZeroframeWarning,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = [
    "MissingFolderError",
    "MissingFrameError",
    "MissingTargetError",
    "NoKeywordsError",
    "NotDoneError",
    "OutputFileExistsError",
    "UnlikeFrameUnitsError",
    "UnlikeFramesError",
    "UnlikeUnitsError",
    "VerbAssumptionWarning",
    "VerbWarning",
    "as_python_says",
]


class VerbWarning(ZeroframeWarning, AstropyUserWarning):  # type: ignore[misc]  # astropy has no types
    """A warning of a verb on CCDData."""


class VerbAssumptionWarning(AssumptionWarning, VerbWarning):
    """A verb assumed something that neither the caller nor the file said."""


class UnlikeUnitsError(UnitError, UnitsError):  # type: ignore[misc]
    """Units that do not fit together; astropy's ``UnitsError`` too."""


class UnlikeFramesError(MismatchError, TypeError):
    """Frames in memory that differ in shape or unit and are to be combined; a ``TypeError`` as in ccdproc."""


class UnlikeFrameUnitsError(UnlikeFramesError, UnitError):
    """Frames in memory that differ in their unit and are to be combined."""


class NoKeywordsError(ArgumentError, AttributeError):
    """What is to be written into a header is neither text nor mapping; an ``AttributeError`` as in ccdproc."""


class MissingFrameError(FrameError, FileNotFoundError):
    """A file that is not there."""

    def __init__(self, path: str | os.PathLike[str], reason: str, advice: str = "") -> None:
        super().__init__(path, reason, advice)
        self.errno, self.strerror, self.filename = errno.ENOENT, reason, os.fspath(path)

    def __reduce__(self) -> Any:  # noqa: ANN401 -- OSError would put its own arguments together
        return type(self), (self.path, self.reason, self.advice)


class OutputFileExistsError(OutputExistsError, FileExistsError):
    """A file that is there already and may not be replaced."""

    def __init__(self, path: str | os.PathLike[str], reason: str, advice: str = "") -> None:
        super().__init__(path, reason, advice)
        self.errno, self.strerror, self.filename = errno.EEXIST, reason, os.fspath(path)

    def __str__(self) -> str:
        # "already exists" is what astropy says, and what programs look for
        told = "already exists" if self.reason.endswith("already") else f"already exists, and {self.reason}"
        return f"{self.path} {told}" + (f"; {self.advice}" if self.advice else "")

    def __reduce__(self) -> Any:  # noqa: ANN401
        return type(self), (self.path, self.reason, self.advice)


class MissingTargetError(OutputError, FileNotFoundError):
    """A folder that is to be written to and is not there."""

    def __init__(self, path: str | os.PathLike[str], reason: str, advice: str = "") -> None:
        super().__init__(path, reason, advice)
        self.errno, self.strerror, self.filename = errno.ENOENT, reason, os.fspath(path)

    def __reduce__(self) -> Any:  # noqa: ANN401
        return type(self), (self.path, self.reason, self.advice)


class NotDoneError(UsageError, NotImplementedError):
    """What is asked for is not done, on purpose; a ``NotImplementedError`` as in ccdproc."""


class MissingFolderError(NoFramesError, FileNotFoundError):
    """A folder that is not there."""


@contextmanager
def as_python_says() -> Iterator[None]:
    """Let a file or folder that is missing be a ``FileNotFoundError`` too, and one that is in the way an ``OSError``.

    Examples
    --------
    >>> with as_python_says():
    ...     raise OutputExistsError("mean.fits", "is there already", "choose another name")
    Traceback (most recent call last):
    zeroframe.verbs.exceptions.OutputFileExistsError: mean.fits already exists; choose another name
    """
    try:
        yield
    except OutputExistsError as error:
        if isinstance(error, OSError):
            raise
        raise OutputFileExistsError(error.path, error.reason, error.advice) from error
    except FrameError as error:
        if type(error) is not FrameError or not isinstance(error.__cause__, FileNotFoundError | NotADirectoryError):
            raise
        raise MissingFrameError(error.path, error.reason, error.advice) from error
    except NoFramesError as error:
        if not isinstance(error.__context__, FileNotFoundError) or isinstance(error, OSError):
            raise
        raise MissingFolderError(str(error)) from error
