"""Small binary tables that stand beside an image."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from zeroframe.errors import DamagedError
from zeroframe.fits.building import card, finished_header, table_cards
from zeroframe.fits.checksums import add_sums, data_sum
from zeroframe.fits.layout import padded
from zeroframe.fits.scan import walk
from zeroframe.fits.streams import open_source
from zeroframe.records import dataclass

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray

__all__ = ["Column", "TablePart", "read_table", "table_buffers"]


@dataclass(frozen=True, slots=True, eq=False)
class Column:
    """One column: its name, one value a row (numbers or texts of ASCII), and its unit."""

    name: str
    values: NDArray[Any]
    unit: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class TablePart:
    """A table to be written as an extension of this name.

    Attributes
    ----------
    name : str
        EXTNAME.
    columns : tuple of Column
        At least one; all of one length.
    """

    name: str
    columns: tuple[Column, ...]


def table_buffers(part: TablePart) -> Iterator[bytes]:
    """Yield the bytes of a table as an extension (FITS standard 4.0, section 7.3).

    Examples
    --------
    >>> import numpy as np
    >>> part = TablePart("AMPLIFIERS", (Column("GAIN", np.array([1.1, 1.4]), "electron/adu"),))
    >>> header, data, padding = table_buffers(part)
    >>> np.frombuffer(data, ">f8").tolist(), len(data + padding)
    ([1.1, 1.4], 2880)
    """
    stored = [_stored(column.values) for column in part.columns]
    rows = len(stored[0])
    table = np.empty(rows, [(f"f{n}", values.dtype) for n, values in enumerate(stored)])
    for number, values in enumerate(stored):
        table[f"f{number}"] = values
    cards = [
        *table_cards(table.dtype.itemsize, rows, len(stored)),
        card("EXTNAME", part.name, "name of this extension"),
    ]
    for number, (column, values) in enumerate(zip(part.columns, stored, strict=True), start=1):
        cards += [card(f"TTYPE{number}", column.name), card(f"TFORM{number}", _form(values.dtype))]
        cards += [card(f"TUNIT{number}", column.unit)] if column.unit else []
    data = table.tobytes()
    padding = bytes(padded(len(data)) - len(data))
    yield finished_header(cards, add_sums(data_sum(data + padding)))
    yield data
    yield padding


def _stored(values: NDArray[Any]) -> NDArray[Any]:
    if values.dtype.kind == "U":
        encoded = np.char.encode(values, "ascii", "backslashreplace")
        return encoded.astype(f"S{max(encoded.dtype.itemsize, 1)}")
    return values.astype(">i4" if values.dtype.kind in "iu" else ">f8")


def _form(dtype: np.dtype[Any]) -> str:
    if dtype.kind == "S":
        return f"{dtype.itemsize}A"
    return "1J" if dtype.kind == "i" else "1D"


def read_table(path: str | os.PathLike[str], name: str) -> Mapping[str, NDArray[Any]]:
    """Return the columns of a table that `table_buffers` has made; of columns of other sorts nothing.

    Parameters
    ----------
    path : path-like
        A FITS file, plain or compressed.
    name : str
        EXTNAME of the table.

    Returns
    -------
    mapping of str to ndarray
        Texts, int32 and float64 by the names of their columns; empty where the file has no such table.

    Raises
    ------
    FrameError
        When the file cannot be read, or ends within the table.
    """
    with open_source(path) as source:
        for hdu in walk(source):
            if hdu.name == name and "TFIELDS" in hdu.stored_cards:
                data = source.read(hdu.data_bytes)
                if len(data) < hdu.data_bytes:
                    raise DamagedError(source.path, f"ends within the table {name}", "make it again")
                return _columns(hdu.stored_cards, data)
    return {}


def _columns(cards: Mapping[str, Any], data: bytes) -> Mapping[str, NDArray[Any]]:
    sorts = {"A": "S", "J": ">i4", "D": ">f8"}
    fields = []
    for number in range(1, int(cards["TFIELDS"]) + 1):
        form = str(cards[f"TFORM{number}"]).strip()
        count, sort = form[:-1] or "1", sorts.get(form[-1:])
        if sort is None or not count.isdigit() or (sort != "S" and count != "1"):
            return {}
        fields.append((str(cards[f"TTYPE{number}"]).strip(), sort + count if sort == "S" else sort))
    table = np.frombuffer(data, np.dtype(fields), count=int(cards["NAXIS2"]))
    return {name: np.char.decode(table[name], "ascii") if sort[0] == "S" else table[name] for name, sort in fields}
