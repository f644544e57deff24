"""The table of a collection: one row a file, one column a keyword, each column of the type of its values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from astropy.table import Table

    from zeroframe.fits.cards import CardValue
    from zeroframe.headers.columns import HeaderColumns

__all__ = ["beside_all", "header_table", "sort_key", "wanted_keywords"]


def header_table(headers: HeaderColumns, keywords: Sequence[str]) -> Table:
    """Return the table of some keywords.

    Parameters
    ----------
    headers : HeaderColumns
        The files, one row each.
    keywords : sequence of str
        The columns behind ``'file'``, named as they are written here; letter case does not matter for finding cards.

    Returns
    -------
    astropy.table.Table
        Masked where a header lacks the card or the card has no value. Columns are int64, float64, bool or str; of
        Python objects where the values are of several types, or too large; and of masked zeros for a card that no
        header has.
    """
    from astropy.table import Table

    columns = [_column(keyword, headers.column(keyword)) for keyword in ("file", *keywords)]
    return Table(columns, masked=True, copy=False)


def sort_key(value: CardValue) -> tuple[int, Any]:
    """Return what puts values of one card in order: numbers, then texts, then those that are missing.

    Examples
    --------
    >>> sorted(["b", 2, None, 1.5, "a"], key=sort_key)
    [1.5, 2, 'a', 'b', None]
    """
    if value is None:
        return 2, 0
    return (1, value) if isinstance(value, str) else (0, value)


def wanted_keywords(keywords: str | Sequence[str] | None) -> list[str] | None:
    """Return the columns asked for, without ``'file'`` and each once; None for all, with or without others beside."""
    listed = ["*"] if keywords is None else [keywords] if isinstance(keywords, str) else list(keywords)
    return None if "*" in listed else [keyword for keyword in dict.fromkeys(listed) if keyword.lower() != "file"]


def beside_all(keywords: str | Sequence[str] | None) -> list[str]:
    """Return the columns that are asked for beside all of them, each once.

    Examples
    --------
    >>> beside_all(["*", "seeing", "file"]), beside_all("*"), beside_all(["exptime"])
    (['seeing'], [], [])
    """
    if keywords is None or isinstance(keywords, str) or "*" not in keywords:
        return []
    return [keyword for keyword in dict.fromkeys(keywords) if keyword != "*" and keyword.lower() != "file"]


def _column(name: str, values: Sequence[Any]) -> Any:  # noqa: ANN401 -- astropy has no types
    import numpy as np
    from astropy.table import MaskedColumn

    types = set(map(type, values))
    mask = np.zeros(len(values), dtype=bool)
    if type(None) in types:
        mask = np.array([value is None for value in values], dtype=bool)
        types.discard(type(None))
    dtype, filler = _dtype(types)
    data = [filler if value is None else value for value in values] if mask.any() else values
    try:
        array: np.ndarray[Any, Any] = np.array(data, dtype=dtype)
    except OverflowError:  # an integer beyond 64 bits
        array = np.array(data, dtype=object)
    return MaskedColumn(array, name=name, mask=mask, copy=False)


def _dtype(types: set[type]) -> tuple[type, object]:
    """Return the type of a column, and what stands behind its mask."""
    if types <= {int, float}:
        return (int, 0) if types == {int} else (float, 0.0)
    if types == {bool}:
        return bool, False
    if types == {str}:
        return str, ""
    return object, None
