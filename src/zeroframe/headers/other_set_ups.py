"""Frames that are combined without a plan were taken with one set-up: what a plan keeps apart is named."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, TypeVar

from zeroframe.headers.colours import COLOUR_SETTING
from zeroframe.headers.kinds import Kind, is_calibration
from zeroframe.headers.one_detector import is_one_grid
from zeroframe.headers.tables import dialect_tables

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from zeroframe.headers.dialects import FrameFacts

__all__ = ["other_set_ups"]

N = TypeVar("N")
#: By what pixels of a sensor come to stand elsewhere in the image.
_PLACES = ("sub-frame", "row order", "flip", COLOUR_SETTING)
#: Not of how a sensor was read; chips that are not the same are refused.
_NEVER = ("telescope", "chip")


def other_set_ups(
    frames: Sequence[tuple[N, Mapping[str, Any], FrameFacts]],
) -> list[tuple[N, str, str]]:
    """Return which frames are of another set-up than most: the frame, of what sort that is, and a sentence.

    Parameters
    ----------
    frames : sequence of (name, cards, facts)
        Frames of one size. Their sub-frames, the order of their rows and their colour patterns are compared, unless
        they have been brought to one place on the sky; of calibration frames all settings of the sensor; and of flats
        the filter. Frames of the sky may be of several filters on purpose. One that says nothing is like the others.

    Returns
    -------
    list of (name, what, sentence)

    Examples
    --------
    >>> from zeroframe.headers.dialects import read_facts
    >>> headers = [{"IMAGETYP": "flat", "FILTER": name, "XORGSUBF": 0, "YORGSUBF": 0} for name in ("R", "R", "V")]
    >>> other_set_ups([(number, cards, read_facts(cards)) for number, cards in enumerate(headers)])
    [(2, 'filter', 'its filter is V, of most others it is R')]
    """
    if len(frames) < 2:
        return []
    found: list[tuple[N, str, str]] = []
    for sort in _sorts(frames):
        for said in _by_cards(sort, frames):
            found += _odd(sort, said)
    flats = [(name, _filter(facts)) for name, _, facts in frames if facts.kind is Kind.FLAT]
    return found + _odd("filter", flats)


def _sorts(frames: Sequence[tuple[N, Mapping[str, Any], FrameFacts]]) -> Iterable[str]:
    """Return the settings that must be alike."""
    known = list(dict.fromkeys(sort for _, _, facts in frames for sort, _ in facts.settings))
    if all(is_calibration(facts.kind) for _, _, facts in frames):
        return [sort for sort in known if sort not in _NEVER]
    moved = is_one_grid([cards for _, cards, _ in frames])
    return [] if moved else [sort for sort in known if sort in _PLACES]


def _by_cards(
    sort: str, frames: Sequence[tuple[N, Mapping[str, Any], FrameFacts]]
) -> Iterable[list[tuple[N, str | None]]]:
    """Return what frames say of a setting, those apart that say it by other cards: their words cannot be compared."""
    parted: dict[object, list[tuple[N, str | None]]] = {}
    for name, cards, facts in frames:
        text = dict(facts.settings).get(sort)
        if text is not None:
            by = next((tuple(each) for each in _alternatives(sort) if any(word in cards for word in each)), ())
            parted.setdefault(by, []).append((name, text))
    return parted.values()


def _alternatives(sort: str) -> Sequence[Sequence[str]]:
    known: Mapping[str, Sequence[Sequence[str]]] = dialect_tables()["settings"]
    return known.get(sort, ())


def _filter(facts: FrameFacts) -> str | None:
    return "none" if facts.without_filter else facts.filter_name


def _odd(what: str, said: Sequence[tuple[N, str | None]]) -> list[tuple[N, str, str]]:
    """Return those that say another thing than most do; of as many the first are right."""
    known = [(name, text) for name, text in said if text]
    if len({text for _, text in known}) < 2:
        return []
    usual = Counter(text for _, text in known).most_common(1)[0][0]
    others = "of most others it is" if len(known) > 2 else "of the other it is"
    return [(name, what, f"its {what} is {text}, {others} {usual}") for name, text in known if text != usual]
