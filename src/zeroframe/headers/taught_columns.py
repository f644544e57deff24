"""Headers as a table in which cards say what a user has taught that they mean."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from zeroframe.headers.columns import HeaderColumns
from zeroframe.headers.dialects import read_facts
from zeroframe.headers.words import Words

if TYPE_CHECKING:
    from zeroframe.fits.cards import CardValue

__all__ = ["TaughtBy", "taught_by", "with_taught"]

#: Words, or the camera that teaches them: its name, or the path of its file.
TaughtBy = Words | str | os.PathLike[str] | None


def taught_by(words: TaughtBy) -> Words | None:
    """Return words, be they given or those of a camera: its name, or the path of its file; None where there are none.

    Raises
    ------
    CameraError
        When there is no such camera.
    """
    from zeroframe.headers.cameras import load_camera

    if words is None or isinstance(words, Words):
        return words
    return load_camera(Path(words) if isinstance(words, os.PathLike) else words).words


def with_taught(headers: HeaderColumns, words: Words) -> HeaderColumns:
    """Return headers whose cards IMAGETYP, EXPTIME and FILTER say what is understood of each file by taught words.

    Parameters
    ----------
    headers : HeaderColumns
        As they stand in the files.
    words : Words
        What is taught.

    Returns
    -------
    HeaderColumns
        A card of what is not understood stays as it is.

    Examples
    --------
    >>> from zeroframe.headers.words import words_of_options
    >>> words = words_of_options(["flat=sky*"], ["filter=FPOSN"])
    >>> taught = with_taught(HeaderColumns.of(["sky1.fits"], [{"fposn": "r"}]), words)
    >>> taught.column("imagetyp"), taught.column("filter")
    (('flat',), ('r',))
    """
    rows: list[dict[str, CardValue]] = []
    for row, path in enumerate(headers.paths):
        own = headers.header(row)
        folder, name = os.path.split(path)
        cards = {keyword.upper(): value for keyword, value in own.items()}
        facts = read_facts(cards, name, folders=Path(folder).absolute().parts[-2:], words=words)
        known = {"imagetyp": facts.kind, "exptime": facts.exposure_s, "filter": facts.filter_name}
        said = {keyword: value for keyword, value in known.items() if value is not None}
        rows.append({**own, **{key: str(value) if key == "imagetyp" else value for key, value in said.items()}})
    made = HeaderColumns.of(list(headers.paths), rows)
    return HeaderColumns(headers.paths, headers.names, made.forms, made.columns)
