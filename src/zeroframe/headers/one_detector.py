"""Frames that are combined are of one detector, binned alike: pixels of two chips have nothing in common."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zeroframe.errors import MismatchError
from zeroframe.headers.card_reader import CardReader, whole_number
from zeroframe.headers.set_up import read_binning
from zeroframe.headers.tables import dialect_tables
from zeroframe.headers.words import NO_WORDS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["is_one_grid", "require_one_detector"]

#: Frames that have these in common have been brought to one place on the sky, whatever read them.
_ON_SKY = ("CTYPE1", "CRVAL1", "CRVAL2", "CRPIX1", "CRPIX2")
#: So many names of frames stand in a sentence.
_MOST_NAMED = 3


def require_one_detector(frames: Sequence[tuple[str, Mapping[str, Any]]]) -> None:
    """Refuse frames whose headers say that they are of different detectors (chips), or binned differently.

    Parameters
    ----------
    frames : sequence of (str, mapping)
        What each is called, and its header. One that says nothing is of the same detector as the others; frames whose
        world coordinates are the same may be of several, as they have been projected to one grid.

    Raises
    ------
    MismatchError
        Which names the detectors, and a few frames of each.

    Examples
    --------
    >>> require_one_detector([("a.fits", {"CCDNAME": "1"}), ("b.fits", {"CCDNAME": "2"}), ("c.fits", {"CCDNAME": "2"})])
    Traceback (most recent call last):
        ...
    zeroframe.errors.MismatchError: b.fits: is of another detector than others: CCDNAME 1: a.fits; CCDNAME 2: b.fits \
and c.fits; combine the frames of each detector by themselves
    """
    if is_one_grid([cards for _, cards in frames]):
        return
    for word in (alternative[0] for alternative in dialect_tables()["settings"]["chip"]):
        said: dict[str, list[str]] = {}
        for name, cards in frames:
            text = str(cards.get(word, "")).strip()
            if text:
                said.setdefault(text, []).append(name)
        if len(said) > 1:
            told = "; ".join(f"{word} {text}: {_listed(names)}" for text, names in said.items())
            raise MismatchError(
                next(iter(list(said.values())[1])),
                f"is of another detector than others: {told}",
                "combine the frames of each detector by themselves",
            )
    _require_one_binning(frames)


def is_one_grid(headers: Sequence[Mapping[str, Any]]) -> bool:
    """Tell whether frames have the same world coordinates: they have been brought to one place on the sky.

    Examples
    --------
    >>> sky = {"CTYPE1": "RA---TAN", "CRVAL1": 10.0, "CRVAL2": 5.0, "CRPIX1": 3.0, "CRPIX2": 4.0}
    >>> is_one_grid([sky, sky | {"FILTER": "R"}]), is_one_grid([sky, sky | {"CRPIX1": 4.0}]), is_one_grid([{}, {}])
    (True, False, False)
    """
    places = {tuple(str(cards.get(word, "")) for word in _ON_SKY) for cards in headers}
    return len(places) == 1 and all(word in headers[0] for word in _ON_SKY)


def _require_one_binning(frames: Sequence[tuple[str, Mapping[str, Any]]]) -> None:
    table = dialect_tables()["binning"]
    words = [*table["cards"], *(word for pair in table["pairs"] for word in pair)]
    stated = [tuple(str(cards.get(word, "")) for word in words) for _, cards in frames]
    if len(set(stated)) < 2:  # nearly always, and headers need not be understood
        return
    known: dict[tuple[int, int], list[str]] = {}
    for name, cards in frames:
        binning = read_binning(CardReader(cards, NO_WORDS)) or _of_one_axis(cards)
        if binning is not None:
            known.setdefault(binning, []).append(name)
    if len(known) > 1:
        told = "; ".join(f"{x} x {y}: {_listed(names)}" for (x, y), names in known.items())
        raise MismatchError(
            list(known.values())[1][0],
            f"is binned otherwise than others: {told}",
            "combine the frames of each binning by themselves",
        )


def _of_one_axis(cards: Mapping[str, Any]) -> tuple[int, int] | None:
    """Return the binning of a header that states it of one axis alone: of both, as nearly all cameras bin."""
    for pair in dialect_tables()["binning"]["pairs"]:
        factors = [whole_number(cards.get(word)) for word in pair if word in cards]
        if len(factors) == 1 and factors[0] is not None:
            return factors[0], factors[0]
    return None


def _listed(names: Sequence[str]) -> str:
    shown, more = names[:_MOST_NAMED], len(names) - _MOST_NAMED
    if more > 0:
        return f"{', '.join(shown)} and {more} more"
    return " and ".join([", ".join(shown[:-1]), shown[-1]] if len(shown) > 1 else shown)
