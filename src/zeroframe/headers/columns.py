"""Headers of many files, kept by card and not by file: a table of thousands of files is made of few lists."""

from __future__ import annotations

from operator import itemgetter
from typing import TYPE_CHECKING

from zeroframe.records import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from zeroframe.fits.cards import CardValue

__all__ = ["HeaderColumns", "joined"]


@dataclass(frozen=True, slots=True)
class HeaderColumns:
    """What the headers of some files say.

    Attributes
    ----------
    paths : sequence of str
        Where the files are.
    names : sequence of str
        What they are called in tables.
    forms : sequence of tuple of str
        The keywords of each header, in lower case and in order.
    columns : mapping of str to sequence
        Keyword -> its value in each header; None where there is none.

    Examples
    --------
    >>> headers = HeaderColumns.of(["a", "b"], [{"gain": 1}, {"exptime": 2.0, "gain": 1}])
    >>> headers.keywords, headers.column("EXPTIME"), headers.column("file")
    (['gain', 'exptime'], [None, 2.0], ['a', 'b'])
    """

    paths: Sequence[str]
    names: Sequence[str]
    forms: Sequence[tuple[str, ...]]
    columns: Mapping[str, Sequence[CardValue]]

    @classmethod
    def of(cls, paths: Sequence[str], headers: Sequence[Mapping[str, CardValue]]) -> HeaderColumns:
        """Return the columns of headers that are given one by one; files are named by their paths."""
        known: dict[tuple[str, ...], tuple[str, ...]] = {}
        forms = []
        for header in headers:
            form = tuple(header)
            forms.append(known.setdefault(form, form))
        keywords = _united(forms)
        columns: dict[str, Sequence[CardValue]]
        if len(known) == 1 and len(keywords) > 1:  # one header as the other: a third of the time
            columns = dict(zip(keywords, zip(*map(itemgetter(*keywords), headers), strict=True), strict=True))
        else:
            columns = {keyword: [header.get(keyword) for header in headers] for keyword in keywords}
        return cls(paths, paths, forms, columns)

    def __len__(self) -> int:
        return len(self.paths)

    @property
    def keywords(self) -> list[str]:
        """Every keyword, in the order in which they are met; without ``'file'``, which stands for the name."""
        return [keyword for keyword in _united(self.forms) if keyword != "file"]

    def has(self, keyword: str) -> bool:
        """Say whether a header has this card, whatever its letter case; ``'file'`` is always there."""
        lower = keyword.lower()
        return lower == "file" or lower in self.columns

    def column(self, keyword: str) -> Sequence[CardValue]:
        """Return the values of a card, None where it is missing; of ``'file'`` the names."""
        lower = keyword.lower()
        if lower == "file":
            return self.names
        return self.columns[lower] if lower in self.columns else [None] * len(self)

    def header(self, row: int) -> dict[str, CardValue]:
        """Return the values of one header."""
        return {keyword: self.columns[keyword][row] for keyword in self.forms[row]}

    def take(self, rows: Sequence[int]) -> HeaderColumns:
        """Return some of the files, in the order of ``rows``."""
        if list(rows) == list(range(len(self))):
            return self
        forms = [self.forms[row] for row in rows]
        columns = {}
        for keyword in _united(forms):
            column = self.columns[keyword]
            columns[keyword] = [column[row] for row in rows]
        return HeaderColumns([self.paths[row] for row in rows], [self.names[row] for row in rows], forms, columns)


def joined(parts: Iterable[HeaderColumns]) -> HeaderColumns:
    """Return the files of all parts, one part behind the other."""
    filled = [part for part in parts if len(part)]
    if len(filled) == 1:
        return filled[0]
    forms = [form for part in filled for form in part.forms]
    return HeaderColumns(
        [path for part in filled for path in part.paths],
        [name for part in filled for name in part.names],
        forms,
        {keyword: [value for part in filled for value in part.column(keyword)] for keyword in _united(forms)},
    )


def _united(forms: Iterable[tuple[str, ...]]) -> list[str]:
    distinct = {id(form): form for form in forms}  # to hash a tuple takes as long as to go through it
    return list(dict.fromkeys(keyword for form in distinct.values() for keyword in form))
