"""A text that cuts an array, as numpy or as FITS counts: ccdproc's ``slice_from_string``."""

from __future__ import annotations

import re

from zeroframe.errors import SectionError

__all__ = ["slice_from_string"]

_PART = re.compile(r"([+-]?\d+)?(?::([+-]?\d+)?(?::([+-]?\d+)?)?)?")
#: FITS' whole axis, and the whole axis backwards.
_STARS = (("-*:", "::-"), ("-*", "::-1"), ("*", ":"))


def slice_from_string(string: str, fits_convention: bool = False) -> tuple[slice, ...]:  # noqa: FBT001 -- ccdproc's order
    """Return the slices that a text stands for.

    `zeroframe.Section` reads what headers hold, and checks it against an image; this reads what numpy cuts by, too.

    Parameters
    ----------
    string : str
        Ranges with commas between, in brackets: ``'[1:-1, 0:4:2]'``. Blanks do not matter; an empty text is no slice.
    fits_convention : bool
        Count from 1, both ends included, x first; ``*`` is the whole axis, ``-*`` the whole axis backwards, and
        ``a > b`` runs backwards.

    Returns
    -------
    tuple of slice
        For numpy, y first.

    Raises
    ------
    SectionError
        When the brackets are missing, a range is not one, or FITS could not mean it.

    Examples
    --------
    >>> slice_from_string("[2:5, ::2]")
    (slice(2, 5, None), slice(None, None, 2))
    >>> slice_from_string("[1:2048, *]", fits_convention=True)
    (slice(None, None, None), slice(0, 2048, None))
    """
    text = "".join(string.split())
    if not text:
        return ()
    if not (text.startswith("[") and text.endswith("]")):
        raise SectionError(f"{string!r} must stand in brackets, such as '[0:10, :]'")
    text = text.strip("[]")
    if not fits_convention:
        return tuple(slice(*_ends(part, string)) for part in text.split(","))
    for star, means in _STARS:
        text = text.replace(star, means)
    return tuple(_as_numpy_counts(*_ends(part, string), string) for part in reversed(text.split(",")))


def _ends(part: str, string: str) -> tuple[int | None, int | None, int | None]:
    """Return start, stop and step of one range; a lone number is the stop, as Python's ``slice`` takes it."""
    match = _PART.fullmatch(part)
    if match is None:
        raise SectionError(f"{part!r} in {string!r} is not a range of pixels")
    first, last, step = (None if end is None else int(end) for end in match.groups())
    return (first, last, step) if ":" in part else (None, first, None)


def _as_numpy_counts(first: int | None, last: int | None, step: int | None, string: str) -> slice:
    start = None if first is None else first - 1
    if (start is not None and start < 0) or (last is not None and last < 0):
        raise SectionError(f"{string!r}: FITS counts pixels from 1, and not from the end")
    if first is None or last is None or first <= last:
        return slice(start, last, step)
    return slice(start, None if last == 1 else last - 2, -1 if step is None else -step)
