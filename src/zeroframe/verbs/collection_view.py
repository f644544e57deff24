"""What a collection of files looks like: in a line, and in a notebook."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zeroframe.html import safe_html, table_html

if TYPE_CHECKING:
    from zeroframe.verbs.collection import ImageFileCollection

__all__ = ["collection_html", "collection_repr"]

_MOST_ROWS = 12
#: Cards by which frames are told apart, in the spellings of most cameras; those that are there are shown.
_TELLING = (
    ("imagetyp", "imgtype", "obstype", "frame", "exptype"),
    ("object",),
    ("exptime", "exposure", "darktime"),
    ("filter", "filtnam", "filters", "insfilte"),
    ("date-obs", "dateobs"),
    ("naxis1",),
    ("naxis2",),
)


def collection_repr(collection: ImageFileCollection) -> str:
    """Return how the collection would be made again.

    Parameters
    ----------
    collection : ImageFileCollection
    """
    parts = [f"location={collection.location!r}"]
    if collection._keywords is not None:  # noqa: SLF001 -- what it was asked for
        parts.append(f"keywords={collection._keywords!r}")  # noqa: SLF001
    if collection._by_reading:  # noqa: SLF001
        parts.append("find_fits_by_reading=True")
    if collection._filenames:  # noqa: SLF001
        parts.append(f"filenames={collection._filenames!r}")  # noqa: SLF001
    patterns = {"glob_include": collection.glob_include, "glob_exclude": collection.glob_exclude}
    parts += [f"{name}={pattern!r}" for name, pattern in patterns.items() if pattern is not None]
    if collection.ext != 0:
        parts.append(f"ext={collection.ext!r}")
    if collection.header_ext is not None:
        parts.append(f"header_ext={collection.header_ext!r}")
    return f"{type(collection).__name__}({', '.join(parts)})"


def collection_html(collection: ImageFileCollection) -> str:
    """Return the first files of a collection and what tells them apart, for a notebook.

    Parameters
    ----------
    collection : ImageFileCollection
    """
    table = collection.summary
    known = {name.casefold(): name for name in table.colnames}
    first = [next((known[word] for word in words if word in known), None) for words in _TELLING]
    columns = ["file", *(name for name in first if name is not None)]
    number = len(table)
    files = f"{number} file{'' if number == 1 else 's'}"
    where = f" in {collection.location}" if collection.location else ""
    rows = [
        [None if table[name].mask[row] else table[name][row] for name in columns]
        for row in range(min(number, _MOST_ROWS))
    ]
    more = f"<p>and {number - _MOST_ROWS} more; <code>.summary</code> has all, and all cards</p>"
    shown = table_html(columns, rows) if number else ""
    return f"<p>{safe_html(files + where)}</p>{shown}{more if number > _MOST_ROWS else ''}"
