"""Everything that zeroframe raises or warns with, as one tree.

::

    ZeroframeError
    ├── UsageError (also ValueError)           an argument has a value that cannot be used
    │   ├── SectionError                       a section that cannot be read, or lies outside the image
    │   ├── CameraError                        a camera that is not known, or a profile that is not valid
    │   └── UnitError                          units that do not fit together
    ├── ArgumentError (also TypeError)         an argument that is not known, or of the wrong type
    ├── FrameError                             one file cannot be used; names the file and what to do
    │   ├── NotFitsError                       the content is not FITS
    │   ├── HeaderError                        required cards are missing or make no sense
    │   ├── DamagedError                       the file is cut off, or its checksum is wrong
    │   ├── UnsafeArchiveError                 an archive that could do harm when unpacked
    │   ├── UnsupportedError                   valid, but of a form that is not supported yet
    │   └── MismatchError                      valid, but it does not fit the other frames
    ├── OutputError                            a result cannot be written; names the file and what to do
    │   ├── OutputExistsError                  a file is there already and may not be replaced
    │   ├── FolderBusyError                    another run is writing into the folder
    │   ├── FolderLostError                    the folder of results was removed or replaced while a run wrote into it
    │   └── RawFolderError                     the result would be written into the raw data
    ├── DownloadError                          something cannot be downloaded, or is not as it should be
    ├── ClusterError                           a cluster cannot be used, or was lost while it worked
    ├── JobLostError                           the processes that worked on one job have died, one after the other
    ├── NoFramesError                          nothing to work on
    └── MemoryLimitError                       the work does not fit in the memory limit

    ZeroframeWarning (UserWarning)
    ├── AssumptionWarning                      something was assumed that neither caller nor file said
    └── HeaderWarning                          a header that contradicts itself or the standard

Every `FrameError`, `OutputError` and `DownloadError` carries ``path``, ``reason`` and ``advice``, and reads as one
sentence: ``<path>: <reason>; <advice>``. Verbs on CCDData raise subclasses that Python, astropy or ccdproc would raise
there, too, such as ``FileNotFoundError``: `zeroframe.verbs.exceptions`.
"""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable
    from types import TracebackType

__all__ = [
    "ArgumentError",
    "AssumptionWarning",
    "CameraError",
    "ClusterError",
    "DamagedError",
    "DownloadError",
    "FolderBusyError",
    "FolderLostError",
    "FrameError",
    "HeaderError",
    "HeaderWarning",
    "JobLostError",
    "MemoryLimitError",
    "MismatchError",
    "NoFramesError",
    "NotFitsError",
    "OutputError",
    "OutputExistsError",
    "RawFolderError",
    "SectionError",
    "UnitError",
    "UnsafeArchiveError",
    "UnsupportedError",
    "UsageError",
    "ZeroframeError",
    "ZeroframeWarning",
    "nearest_name",
    "said_together",
]


class ZeroframeError(Exception):
    """Base of every error that zeroframe raises on purpose.

    A notebook, and IPython, show its sentence and the line that led to it, without the way through our code: what is to
    be done stands in the sentence.

    Examples
    --------
    >>> try:
    ...     raise FrameError("b3.fits", "is cut off", "copy it again")
    ... except ZeroframeError as error:
    ...     print(error)
    b3.fits: is cut off; copy it again
    """

    def _render_traceback_(self) -> list[str]:
        """Return what IPython prints in place of a traceback."""
        said = f"{type(self).__name__}: {self}"
        line = _line_outside(self.__traceback__)
        whole = "the way through the code: import sys, traceback; traceback.print_exception(sys.last_value)"
        return [line, said, whole] if line else [said, whole]


class UsageError(ZeroframeError, ValueError):
    """An argument has a value that cannot be used."""


class SectionError(UsageError):
    """A section that cannot be read, or that lies outside the image."""


class CameraError(UsageError):
    """A camera that is not known, or a camera profile that is not valid."""


class UnitError(UsageError):
    """Units that do not fit together."""


class ArgumentError(ZeroframeError, TypeError):
    """An argument that is not known, or that has the wrong type."""


def _line_outside(traceback: TracebackType | None) -> str:
    """Return the line that called this package, as a sentence; empty where nobody has it."""
    import linecache
    import os

    package = os.path.join(os.path.dirname(__file__), "")  # noqa: PTH118, PTH120 -- names of code, not all of files
    last = None
    while traceback is not None and not traceback.tb_frame.f_code.co_filename.startswith(package):
        last, traceback = traceback, traceback.tb_next
    text = "" if last is None else linecache.getline(last.tb_frame.f_code.co_filename, last.tb_lineno).strip()
    return f"line {last.tb_lineno}: {text}" if last is not None and text else ""


class _PathError(ZeroframeError):
    """An error about one file: what is wrong with it, and what to do about it."""

    def __init__(self, path: str | os.PathLike[str], reason: str, advice: str = "") -> None:
        super().__init__(path, reason, advice)
        self.path = path
        self.reason = reason
        self.advice = advice

    def __str__(self) -> str:
        return self.said_of(self.path)

    def said_of(self, named: object) -> str:
        """Return the sentence with another subject than the one file."""
        return f"{named}: {self.reason}" + (f"; {self.advice}" if self.advice else "")


class FrameError(_PathError):
    """One file cannot be used."""


class NotFitsError(FrameError):
    """The content of the file is not FITS."""


class HeaderError(FrameError):
    """Cards that are required are missing, or make no sense."""


class DamagedError(FrameError):
    """The file is cut off, cannot be decompressed, or its checksum is wrong."""


class UnsupportedError(FrameError):
    """The file is valid, but of a form that is not supported yet."""


class MismatchError(FrameError):
    """The file is valid, but it does not fit the other frames."""


class OutputError(_PathError):
    """A result cannot be written."""


class OutputExistsError(OutputError):
    """A file is there already and may not be replaced."""


class FolderBusyError(OutputError):
    """Another run is writing into the folder."""


class FolderLostError(OutputError):
    """The folder of results was removed or replaced while a run wrote into it."""


class RawFolderError(OutputError):
    """The result would be written into the folder of the raw data."""


class UnsafeArchiveError(FrameError):
    """An archive holds what no data set needs, and what could do harm."""


class DownloadError(_PathError):
    """Something cannot be downloaded, or is not what it should be; ``path`` is its URL."""


class ClusterError(ZeroframeError):
    """A cluster cannot be used, or was lost while it worked; what is there already is kept."""


class JobLostError(ZeroframeError):
    """The processes that worked on one job have died, one after the other; other jobs go on."""


class NoFramesError(ZeroframeError):
    """Nothing to work on."""


class MemoryLimitError(ZeroframeError):
    """The work does not fit in the memory limit that was given."""


class ZeroframeWarning(UserWarning):
    """Base of every warning that zeroframe gives."""


class AssumptionWarning(ZeroframeWarning):
    """Something was assumed that neither the caller nor the file said."""


class HeaderWarning(ZeroframeWarning):
    """A header that contradicts itself or the FITS standard."""


#: Words for one thing: of these another is meant, however near the letters of a third are.
_SAME = (("mean", "average", "avg"), ("sum", "total", "add"), ("none", "off", "no"))


def nearest_name(name: str, known: Iterable[str]) -> str:
    """Return a hint that names the known name that is another word for this one, else the nearest, or an empty string.

    Parameters
    ----------
    name : str
        What was asked for.
    known : iterable of str
        What there is; letter case does not matter.

    Returns
    -------
    str
        ``"; did you mean 'X'?"`` or ``""``.

    Examples
    --------
    >>> nearest_name("sigma_clip_dev_fun", ["sigma_clip", "sigma_clip_dev_func"])
    "; did you mean 'sigma_clip_dev_func'?"
    >>> nearest_name("mean", ["average", "median", "sum"])
    "; did you mean 'average'?"
    >>> nearest_name("zzz", ["exptime"])
    ''
    """
    by_folded = {candidate.casefold(): candidate for candidate in known}
    same = next((words for words in _SAME if name.casefold() in words), ())
    close = [word for word in same if word in by_folded] or difflib.get_close_matches(
        name.casefold(), by_folded, n=1, cutoff=0.6
    )
    return f"; did you mean '{by_folded[close[0]]}'?" if close else ""


def said_together(problems: Iterable[Exception]) -> list[str]:
    """Return sentences about problems, one for all files of which the same is said.

    Parameters
    ----------
    problems : iterable of Exception
        In the order in which they are told.

    Returns
    -------
    list of str
        Of several files the first is named, and how many more there are.

    Examples
    --------
    >>> problems = [FrameError(name, "is empty", "copy it again") for name in ("a.fits", "b.fits", "c.fits")]
    >>> said_together([*problems, UsageError("no such column")])
    ['a.fits and 2 more files: is empty; copy it again', 'no such column']
    """
    counts: dict[tuple[str, str], int] = {}
    first: dict[tuple[str, str], Exception] = {}
    for problem in problems:
        said = (problem.reason, problem.advice) if isinstance(problem, _PathError) else (str(problem), "")
        counts[said] = counts.get(said, 0) + 1
        first.setdefault(said, problem)
    return [_of_several(problem, counts[said] - 1) for said, problem in first.items()]


def _of_several(problem: Exception, more: int) -> str:
    if not more or not isinstance(problem, _PathError):
        return str(problem)
    return problem.said_of(f"{problem.path} and {more} more file{'' if more == 1 else 's'}")
