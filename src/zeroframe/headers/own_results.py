"""Which files are results of our own, that a run may replace when it is told to; all others are kept.

Two witnesses are asked of a result: its own header, which carries the key of its job, and run.json of its folder, which
names it. A raw frame has neither. Where a power failure has emptied one of the two, the other one is enough: nothing is
lost with what is empty, and where run.json is empty the headers of results still tell them from raw frames.
"""

from __future__ import annotations

import json
import os
import re
import stat
import warnings
from functools import partial
from itertools import count
from typing import TYPE_CHECKING, Literal

from zeroframe.errors import FrameError, OutputExistsError, ZeroframeWarning
from zeroframe.fits import looks_like_fits, scan
from zeroframe.fits.atomic import is_freed
from zeroframe.fits.inputs import NO_INPUTS, Inputs
from zeroframe.fits.replacing import Overwrite, Replaceable
from zeroframe.fits.small_files import RECORD_BYTES, read_beginning
from zeroframe.fits.store.names import UrlPath, is_there
from zeroframe.headers.survey import KEY_CARD
from zeroframe.records import dataclass

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from zeroframe.fits import FrameFile

__all__ = [
    "COLOUR_PLANE",
    "COMBINED_FRAME",
    "INSPECTION",
    "INSPECTION_MARK",
    "RECIPE",
    "RECIPE_MARK",
    "SIMULATED_FRAME",
    "FolderResults",
    "RecordState",
    "SingleResult",
    "apart_from",
    "carried_key",
    "record_state",
    "require_own_record",
    "writable_record",
]

#: Of run.json: it is not there; it is one of ours; it was one, and is empty or cut off; it is
#: nothing that can be understood; it is somebody else's.
RecordState = Literal["absent", "whole", "lost", "rubbish", "strange"]
_ELSEWHERE = "move it away, or choose another folder with -o"
#: Words by which files are known that are no FITS files.
RECIPE_MARK = "How zeroframe reduces a night."
INSPECTION_MARK = "written by zeroframe inspect"
_HEAD_BYTES = 2880
_MARK_BYTES = 8192
_RECORD_BEGINS = re.compile(rb'\s*\{\s*"format":\s*\d+,\s*"state":\s*"(?:un)?finished"')
#: What stands in run.json; one that was edited by hand has most of it still.
_RECORD_KEYS = frozenset(("state", "versions", "recipe", "choices", "inputs", "outputs", "earlier", "this_run"))
_FEWEST_KEYS = 4
_COMBINED_LINE = re.compile(r"zeroframe \S+: \w+ of \d+ frames, rejection ")
_SIMULATED_LINE = re.compile(r"Simulated by zeroframe \S+: camera ")


def _kept_apart(path: Path) -> str:
    """Return why something is no file that can be replaced, whatever is in it; empty where it can, or is not there."""
    if isinstance(path, UrlPath) or not is_there(path):
        return ""
    mode = path.lstat().st_mode
    if stat.S_ISLNK(mode):
        return f"it is a link to {path.readlink()}"
    return "" if stat.S_ISREG(mode) else "it is not a file"


def _head(path: Path) -> bytes:
    if isinstance(path, UrlPath):
        from zeroframe.fits.store.objects import ObjectStore

        return ObjectStore.of(path).read_range(path.name, 0, _HEAD_BYTES)
    with path.open("rb") as file:
        return file.read(_HEAD_BYTES)


def _carries_mark(path: Path, mark: str) -> bool:
    """Say whether a file that is no FITS file has some words near its begin or its end, as zeroframe writes them there.

    Raises
    ------
    OSError
        When it cannot be read.
    """
    with path.open("rb") as file:
        begin = file.read(_MARK_BYTES)
        file.seek(max(file.seek(0, os.SEEK_END) - _MARK_BYTES, 0))
        return mark.encode() in begin or mark.encode() in file.read()


def _is_empty(path: Path) -> bool:
    """Say whether a file holds nothing, or zeros only as far as a header goes: so a power failure leaves it."""
    return not _head(path).strip(b"\0")


def carried_key(path: Path) -> str | None:
    """Return the key that a result carries; None where it carries none.

    Raises
    ------
    FrameError
        When its headers cannot be read.
    """
    return _key_of(scan(path))


def _key_of(frame: FrameFile) -> str | None:
    # of a tile-compressed result the header stands in the extension
    keys = [hdu.cards.get(KEY_CARD) for hdu in frame.hdus[:2]]
    return next((str(key) for key in keys if key is not None), None)


def _has_key(path: Path) -> bool:
    """Say whether a file carries the key of a job; one that is no FITS file does not."""
    return _says(path, lambda frame: _key_of(frame) is not None)


def _is_combined_here(path: Path) -> bool:
    """Say whether a file is a combined frame that zeroframe has written."""
    return _says(path, lambda frame: _has(frame, "COMBINED") and _has_line(frame, "HISTORY", _COMBINED_LINE))


def _is_simulated(path: Path) -> bool:
    """Say whether a file is a raw frame that zeroframe has simulated."""
    return _says(path, lambda frame: _key_of(frame) is None and _has_line(frame, "COMMENT", _SIMULATED_LINE))


def _says(path: Path, about: Callable[[FrameFile], bool]) -> bool:
    try:
        return about(scan(path))
    except FrameError:
        return False


def _has(frame: FrameFile, word: str) -> bool:
    return any(hdu.cards.get(word) is True for hdu in frame.hdus[:2])


def _has_line(frame: FrameFile, word: str, line: re.Pattern[str]) -> bool:
    lines = (card for hdu in frame.hdus[:2] for card in hdu.cards.lines() if card.startswith(word))
    return any(line.match(card[len(word) :].lstrip()) for card in lines)


def record_state(path: Path) -> RecordState:
    """Say what stands where run.json belongs.

    Parameters
    ----------
    path : pathlib.Path
        Of run.json.
    """
    if not is_there(path):
        return "absent"
    if not isinstance(path, UrlPath) and (_kept_apart(path) or path.lstat().st_nlink > 1 or looks_like_fits(path)):
        return "strange"
    content = read_beginning(path, RECORD_BYTES + 1)  # of a larger one, the beginning tells whether it was ours
    if not content.strip(b"\0"):
        return "lost"
    try:
        said = json.loads(content)
    except (ValueError, RecursionError):
        return "lost" if _RECORD_BEGINS.match(content) else "rubbish"
    if not isinstance(said, dict):
        return "rubbish"
    if not isinstance(said.get("format"), int) or len(_RECORD_KEYS & said.keys()) < _FEWEST_KEYS:
        return "rubbish"
    return "whole" if {"recipe", "versions", "this_run"} <= said.keys() else "lost"


def require_own_record(path: Path, *, among_ours: bool) -> None:
    """Refuse a run.json that somebody else has written; rubbish among results that are right was one of ours.

    Parameters
    ----------
    path : pathlib.Path
        Of run.json. Such rubbish is given another name, and said: it may be somebody's notes.
    among_ours : bool
        Whether there is a result that is right beside it.

    Raises
    ------
    OutputExistsError
        When it is none that zeroframe has written.
    """
    state = record_state(path)
    if state == "rubbish" and among_ours and not isinstance(path, UrlPath):
        _set_aside(path)
    elif state in {"rubbish", "strange"}:
        raise OutputExistsError(path, "is there already, and is none that zeroframe has written", _ELSEWHERE)


def _set_aside(path: Path) -> None:
    kept = next(each for number in count(1) if not os.path.lexists(each := path.with_name(f"{path.name}.{number}")))
    path.rename(kept)
    text = f"{path}: was no record of a run; it is kept as {kept.name}, and a new one is written"
    warnings.warn(text, ZeroframeWarning, stacklevel=4)


def writable_record(path: Path) -> Overwrite:
    """Return what of run.json may be replaced: one of ours; raises `OutputExistsError` for another's."""
    require_own_record(path, among_ours=False)
    return Replaceable.of(path) or False


@dataclass(frozen=True, slots=True)
class FolderResults:
    """The results of a folder as far as they may be replaced.

    Attributes
    ----------
    inputs : Inputs
        What results are made of.
    knows : callable
        Whether run.json names a result.
    record : RecordState
        What run.json is.
    """

    inputs: Inputs
    knows: Callable[[Path], bool]
    record: RecordState

    def strange(self, target: Path) -> str:
        """Return why a file may never be replaced; empty where it may, or none is there."""
        reason = _strange_reason(target, self.inputs)
        if reason or not is_there(target) or (not isinstance(target, UrlPath) and target.is_dir()):
            return reason  # a folder is in the way of its result only, and no file takes its place
        lost, known = self.record == "lost", self.knows(target)
        if _is_empty(target):
            return "" if lost or known else "it is empty, and run.json does not name it"
        if not _has_key(target):
            return "it was not made by zeroframe"
        return "" if lost or known else "run.json does not name it, so that nobody knows whose it is"

    def replaceable(self, target: Path) -> Overwrite:
        """Return what of a target may be replaced: the result that is there now, where it is one of ours."""
        return False if self.strange(target) else Replaceable.of(target) or False


def _strange_reason(target: Path, inputs: Inputs) -> str:
    """Return why something may not be replaced by anything: it is an input, or no file; else empty."""
    if inputs.holds(target):
        return "it is one of the files that results are made of, by a link or another name"
    if not isinstance(target, UrlPath) and target.is_dir() and not target.is_symlink():
        return ""
    return _kept_apart(target)


@dataclass(frozen=True, slots=True)
class SingleResult:
    """A kind of file that a command writes by itself, so that no run.json stands beside it.

    Attributes
    ----------
    made_by : str
        What makes such files.
    is_ours : callable
        Whether a file that is there is one of them, by what is in it.
    elsewhere : str
        What to do where another file is in its place.
    again : str
        How one of them is replaced.
    """

    made_by: str
    is_ours: Callable[[Path], bool]
    elsewhere: str
    again: str

    def permission(self, target: Path, inputs: Inputs = NO_INPUTS, *, overwrite: bool) -> Overwrite:
        """Return what of a file may be replaced.

        Parameters
        ----------
        target : pathlib.Path
            What is going to be written.
        inputs : Inputs
            What it is made of.
        overwrite : bool
            Whether one that this command made before may be replaced.

        Raises
        ------
        OutputExistsError
            When the file that is there may not be replaced; that it can be is said of our own only.
        """
        if not is_there(target) or (not isinstance(target, UrlPath) and is_freed(target)):
            return False
        reason = _strange_reason(target, inputs)
        if not reason and not self.is_ours(target):
            reason = f"it was not made by {self.made_by}"
        if reason:
            raise OutputExistsError(target, f"is there already, and is not replaced: {reason}", self.elsewhere)
        if not overwrite:
            raise OutputExistsError(target, "is there already", f"{self.elsewhere}, or {self.again}")
        return Replaceable.of(target) or False


def apart_from(inputs: Inputs, target: Path, *, overwrite: bool) -> Overwrite:
    """Return what of a file may be replaced by who calls a function of the library: anything but what it is made of.

    Raises
    ------
    OutputExistsError
        When it is one of the inputs, whatever ``overwrite`` says.
    """
    if inputs.holds(target):
        raise OutputExistsError(target, "is one of the files that it is made of", "choose another file")
    return (Replaceable.of(target) or False) if overwrite else False


COLOUR_PLANE = SingleResult("zeroframe", _has_key, "move it away, or choose another folder with -o", "run again")
COMBINED_FRAME = SingleResult("zeroframe combine", _is_combined_here, "choose another file with -o", "add --overwrite")
SIMULATED_FRAME = SingleResult(
    "zeroframe simulate", _is_simulated, "choose another folder", "ask for it to be overwritten"
)
RECIPE = SingleResult(
    "zeroframe recipe", partial(_carries_mark, mark=RECIPE_MARK), "choose another file with -o", "add --overwrite"
)
INSPECTION = SingleResult(
    "zeroframe inspect",
    partial(_carries_mark, mark=INSPECTION_MARK),
    "choose another file",
    "ask for it to be overwritten",
)
