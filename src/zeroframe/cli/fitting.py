"""Lines and tables that fit the screen: words are never broken, columns are left out, long names are shortened."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from rich.cells import cell_len, set_cell_size

from zeroframe.records import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = ["Column", "Fitted", "Names", "fit_columns", "lines_of", "shortened", "wrapped"]

#: A name is not shortened to fewer characters than this.
_LEAST_NAME = 12
#: Where a word that is longer than the screen may end: paths and names of files.
_SEAM = re.compile(r"[/_,;:.=-]")
#: A table has a line between columns, and a blank on either side of a cell.
_BETWEEN = 3
#: A screen that calls itself narrower is none: some terminals set COLUMNS=1.
_NARROWEST = 8


def wrapped(text: str, width: int | None, first: str = "", hang: str = "  ") -> list[str]:
    """Divide a text into lines that fit; words longer than a line end behind a stroke or a point.

    Parameters
    ----------
    text : str
        In one line.
    width : int or None
        Of the screen; None: as long as it is.
    first, hang : str
        What stands before the first line, and before the others.

    Examples
    --------
    >>> wrapped("raw/night/a_long_name.fits is there", 20)
    ['raw/night/a_long_', '  name.fits is there']
    """
    if width is None or width < max(_NARROWEST, cell_len(hang) + 2) or cell_len(first + text) <= width:
        return [first + text]
    lines, line, is_empty = [], first, True
    for given in text.split(" "):
        word, before = given, "" if is_empty else " "
        while cell_len(line + before + word) > width:
            if not is_empty or (line not in {hang, ""} and cell_len(hang + word) <= width):
                lines.append(line.rstrip())
                line, is_empty, before = hang, True, ""
                continue
            end = _seam(word, width - cell_len(line))
            lines.append(line + word[:end])
            line, word = hang, word[end:]
        line, is_empty = line + before + word, False
    return [*lines, line]


def _seam(word: str, room: int) -> int:
    """Return where a word is divided that does not fit: behind the last seam, if it is not too near the beginning."""
    room = max(room, 1)
    seams = [found.end() for found in _SEAM.finditer(word, 0, room)]
    return seams[-1] if seams and seams[-1] * 2 >= room else room


def shortened(name: str, width: int) -> str:
    """Return a name with its middle left out where it is too long; its end, which tells files apart, stays.

    Examples
    --------
    >>> shortened("2026-11-20_M31_Light_0007.fits", 18)
    '2026-1…t_0007.fits'
    """
    if cell_len(name) <= width:
        return name
    tail = max((width - 1) * 2 // 3, 1)
    return name[: max(width - 1 - tail, 0)] + "…" + name[-tail:]


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table.

    Attributes
    ----------
    name : str
        Its head.
    is_number : bool
        Set to the right.
    goes : int
        The higher, the sooner it is left out where there is no room; 0: never.
    """

    name: str
    is_number: bool = False
    goes: int = 0


@dataclass(frozen=True, slots=True)
class Fitted:
    """A table that fits: which columns are left, and their cells."""

    columns: tuple[Column, ...]
    rows: tuple[tuple[str, ...], ...]


def fit_columns(columns: Sequence[Column], rows: Iterable[Sequence[str]], width: int | None) -> Fitted:
    """Leave out columns until a table fits, and then shorten its longest texts.

    Parameters
    ----------
    columns : sequence of Column
        All of them.
    rows : iterable of sequence of str
        Their cells.
    width : int or None
        Of the screen; None: all fits.

    Examples
    --------
    >>> columns = [Column("file"), Column("level", True, 1), Column("noise", True, 2)]
    >>> fit_columns(columns, [("a.fits", "1000.00", "4.0")], 24).columns[-1].name
    'level'
    """
    # by column, as there may be a hundred thousand rows
    known: list[Sequence[str]] = [*zip(*rows, strict=True)] or [()] * len(columns)
    left = list(range(len(columns)))

    def widths() -> list[int]:
        return [max(cell_len(columns[n].name), _widest(known[n])) for n in left]

    def is_too_wide() -> bool:
        return width is not None and sum(widths()) + _BETWEEN * len(left) + 1 > width

    if width is not None and is_too_wide():
        most = max(width * 3 // 10, _LEAST_NAME)
        known = [cells if column.is_number else _cut(cells, most) for column, cells in zip(columns, known, strict=True)]
    while len(left) > 1 and is_too_wide():
        goes = max(left, key=lambda n: (columns[n].goes, n))
        if columns[goes].goes == 0:
            break
        left.remove(goes)
    room = widths()
    over = 0 if width is None else sum(room) + _BETWEEN * len(left) + 1 - width
    while over > 0 and max(room) > _LEAST_NAME:
        longest = room.index(max(room))
        room[longest] -= 1
        over -= 1
    heads = tuple(
        Column(shortened(columns[n].name, space), columns[n].is_number) for n, space in zip(left, room, strict=True)
    )
    cut = [_cut(known[n], space) for n, space in zip(left, room, strict=True)]
    return Fitted(heads, tuple(zip(*cut, strict=True)))


def _cut(cells: Sequence[str], width: int) -> Sequence[str]:
    return cells if _widest(cells) <= width else tuple(shortened(cell, width) for cell in cells)


def _lengths(cells: Sequence[str]) -> list[int]:
    """Return how many places of the screen each text takes: of plain letters, one each."""
    return [*map(len if "".join(cells).isascii() else cell_len, cells)]


def _widest(cells: Sequence[str]) -> int:
    return max(_lengths(cells), default=0)


def lines_of(fitted: Fitted, width: int | None = None) -> list[str]:
    """Return a table without a frame, its head first: columns two blanks apart, numbers set to the right.

    rich, which looks at the style of each cell, takes 0.4 s for a thousand rows.

    Parameters
    ----------
    fitted : Fitted
        The table.
    width : int or None
        Longer lines are cut off.

    Examples
    --------
    >>> lines_of(Fitted((Column("file"), Column("adu", True)), (("a.fits", "99"), ("b.fits", "1000"))))
    ['file     adu', 'a.fits    99', 'b.fits  1000']
    """
    set_in = []
    heads = tuple(column.name for column in fitted.columns)
    for column, cells in zip(fitted.columns, zip(heads, *fitted.rows, strict=True), strict=True):
        own = [cell.rstrip() for cell in cells] if column.is_number else cells
        lengths = _lengths(own)
        widest = max(lengths)  # once: for each row anew it took minutes of a hundred thousand
        blanks = [" " * (widest - length) for length in lengths]
        pairs = zip(blanks, own, strict=True) if column.is_number else zip(own, blanks, strict=True)
        set_in.append(["".join(pair) for pair in pairs])
    lines = ["  ".join(cells) for cells in zip(*set_in, strict=True)]
    if width is None or not lines or cell_len(lines[0]) <= width:  # all are of one length
        return lines
    return [set_cell_size(line, width) for line in lines]


class Names:
    """Short names for long ones, and the legend that says which is which.

    Parameters
    ----------
    names : iterable of (str, str)
        Each name, and the letter that its short one begins with.
    longest : int or None
        Names of up to so many characters stay as they are, if all are so short; None: all do.

    Examples
    --------
    >>> names = Names([("combined_dark_60s_gain100.fits", "D"), ("combined_dark_90s_gain100.fits", "D")], 20)
    >>> names.short("combined_dark_90s_gain100.fits"), names.legend[0]
    ('D2', ('D1', 'combined_dark_60s_gain100.fits'))
    """

    def __init__(self, names: Iterable[tuple[str, str]], longest: int | None) -> None:
        known = dict(names)
        self.legend: list[tuple[str, str]] = []
        if longest is not None and any(cell_len(name) > longest for name in known):
            numbers: dict[str, int] = {}
            for name, letter in known.items():
                numbers[letter] = numbers.get(letter, 0) + 1
                self.legend.append((f"{letter}{numbers[letter]}", name))
        self._short = {name: short for short, name in self.legend}

    def short(self, name: str) -> str:
        """Return the short name; the name itself where it has none."""
        return self._short.get(name, name)
