"""What the header of a combined frame says that exists already, be it of ours or of another program.

The words stand in ``stored.toml`` beside this module.
"""

from __future__ import annotations

import re
import tomllib
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zeroframe.headers.kinds import calibration_kinds
from zeroframe.records import dataclass

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["StoredFacts", "read_stored_facts"]

#: Of a history of thousands of lines, these decide.
_MOST_TEXT = 20_000
_OURS = "zeroframe"


@dataclass(frozen=True, slots=True)
class StoredFacts:
    """What one header says of how its combined frame was made.

    Attributes
    ----------
    made_by : str
        A program; ``'another program'`` where none is told.
    frames : int or None
        Of how many it was made; None where no card says it.
    subtracted : mapping of str to str
        Kinds that were subtracted from it before, and what the card says of each.
    says_all : bool
        Whether its program always says what it has subtracted, so that what is not said was not done.
    overscan : bool or None
        Whether an overscan was subtracted; None where nobody says it.
    may_run_to_one : bool
        Whether its program writes pixels from 0 to 1.
    is_mask : bool
        Whether it is a mask of bad pixels.
    """

    made_by: str
    frames: int | None
    subtracted: Mapping[str, str]
    says_all: bool
    overscan: bool | None
    may_run_to_one: bool
    is_mask: bool


@cache
def _tables() -> dict[str, Any]:
    return tomllib.loads(Path(__file__).with_name("stored.toml").read_text(encoding="utf-8"))


def read_stored_facts(cards: Mapping[str, object], file_name: str = "") -> StoredFacts:
    """Read what a header says of how a combined frame was made.

    Parameters
    ----------
    cards : mapping of str to value
        Its header.
    file_name : str, optional
        A mask may be told by it.

    Returns
    -------
    StoredFacts

    Examples
    --------
    >>> iraf = {"NCOMBINE": 5, "IMCMB001": "d1.fits", "ZEROCOR": "Zero level correction image is Zero"}
    >>> found = read_stored_facts(iraf)
    >>> found.made_by, found.frames, list(found.subtracted), found.overscan
    ('IRAF', 5, ['bias'], False)
    >>> read_stored_facts({"STACKCNT": 20, "PROGRAM": "Siril 1.2.1"}).may_run_to_one
    True
    """
    maker = _maker(cards)
    name = "another program" if maker is None else str(maker["name"])
    # IRAF's own raw frames say nothing of what was done, what it has combined does
    says_all = name == _OURS or (name == "IRAF" and cards.get("NCOMBINE") is not None)
    said = any(cards.get(word) not in {None, False, ""} for word in _tables()["overscan"]["cards"])
    return StoredFacts(
        made_by=name,
        frames=_frames(cards),
        subtracted=_subtracted(cards),
        says_all=says_all,
        overscan=True if said else False if says_all else None,
        may_run_to_one=maker is not None and maker.get("to_one", False),
        is_mask=_is_mask(cards, file_name),
    )


def _program(cards: Mapping[str, object]) -> str:
    said = (str(cards.get(word) or "")[:_MOST_TEXT] for word in _tables()["program"]["cards"])
    return "\n".join(said).casefold()


def _maker(cards: Mapping[str, object]) -> Mapping[str, Any] | None:
    program = _program(cards)
    for maker in _tables()["makers"]:
        if any(cards.get(word) is not None for word in maker.get("cards", ())):
            return dict(maker)
        if any(word in program for word in maker.get("words", ())):
            return dict(maker)
    return None


def _frames(cards: Mapping[str, object]) -> int | None:
    table = _tables()["frames"]
    for word in table["cards"]:
        value = cards.get(word)
        if isinstance(value, int | float) and not isinstance(value, bool) and value >= 1 and value == int(value):
            return int(value)
    program = _program(cards)
    for line in table["lines"]:
        found = re.search(line, program, re.IGNORECASE)
        if found is not None:
            return max(int(found[1]), 1)
    named = 0
    while cards.get(f"IMCMB{named + 1:03d}") is not None:
        named += 1
    return named or None


def _subtracted(cards: Mapping[str, object]) -> dict[str, str]:
    """Return what was subtracted, by kind: from the card of the row, or from those that others write."""
    table = _tables()["subtracted"]
    letters = str(cards.get("CALSTAT") or "").upper()
    found: dict[str, str] = {}
    for row in calibration_kinds():
        if row.divides:
            continue
        for word in dict.fromkeys((row.card, *table.get(row.kind.value, ()))):
            value = cards.get(word)
            if value not in {None, False, ""}:
                found[row.kind.value] = str(value)
                break
        else:
            letter = table["letters"].get(row.kind.value)
            if letter is not None and letter in letters:
                found[row.kind.value] = f"CALSTAT = {letters!r}"
    return found


def _is_mask(cards: Mapping[str, object], file_name: str) -> bool:
    if cards.get("MASKOF") is not None:
        return True
    stem = Path(file_name).name.casefold().partition(".")[0]
    for text in (str(cards.get("IMAGETYP") or ""), str(cards.get("OBJECT") or ""), stem):
        words = " ".join(re.findall(r"[a-z]+", text.casefold()))
        if words and any(re.search(rf"\b{word}\b", words) for word in _tables()["mask"]["words"]):
            return True
    return False
