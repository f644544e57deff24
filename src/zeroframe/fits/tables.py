"""Small binary tables that stand beside an image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from zeroframe.fits.building import card, finished_header
from zeroframe.fits.checksums import add_sums, data_sum
from zeroframe.fits.layout import padded

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

__all__ = ["Column", "TablePart", "table_buffers"]


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
        card("XTENSION", "BINTABLE", "binary table extension"),
        card("BITPIX", 8, "array data type"),
        card("NAXIS", 2, "number of array dimensions"),
        card("NAXIS1", table.dtype.itemsize, "width of table in bytes"),
        card("NAXIS2", rows, "number of rows in table"),
        card("PCOUNT", 0, "no heap"),
        card("GCOUNT", 1, "number of groups"),
        card("TFIELDS", len(stored), "number of fields in each row"),
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
