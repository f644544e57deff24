"""The collection of the files of a folder: their headers as a table, choices among them, loops over them."""

from __future__ import annotations

import fnmatch
import os
import warnings
from copy import copy
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zeroframe.errors import FrameError, UsageError, nearest_name
from zeroframe.fits.inputs import NO_INPUTS, Inputs
from zeroframe.headers.columns import HeaderColumns
from zeroframe.headers.extensions import as_extension
from zeroframe.headers.query import select, unknown_cards
from zeroframe.headers.reading import is_named_as_fits, list_files, read_headers
from zeroframe.headers.table import beside_all, header_table, sort_key, wanted_keywords
from zeroframe.headers.taught_columns import TaughtBy, taught_by, with_taught
from zeroframe.verbs.collection_loops import (
    CcdReader,
    Saving,
    listed,
    loop,
    overwrites,
    read_data,
    read_hdu,
    read_header,
    save_ccd,
    save_part,
)
from zeroframe.verbs.collection_view import collection_html, collection_repr
from zeroframe.verbs.exceptions import NotDoneError, VerbWarning, as_python_says

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from astropy.table import Table


__all__ = ["ImageFileCollection"]

_ARGUMENTS = ("save_with_name", "save_location", "overwrite", "return_fname", "regex_match", "include_path")
_MOST_NAMED = 10


class ImageFileCollection:
    """FITS files and what their headers say.

    Files are known by their content, so that ``.FIT``, ``.fz``, compressed files and names without a suffix are found.
    Hidden files and subfolders are left out. A file that cannot be read is left out with a warning that names it.

    Parameters
    ----------
    location : str or path, optional
        The folder.
    keywords : list of str or '*', optional
        The columns of `summary`; by default every card of every header. ``['*', 'X']`` has a column more, which no
        header need have.
    find_fits_by_reading : bool, optional
        Files are found by reading anyway. True also leaves files out without a warning that are named as FITS and
        are not.
    filenames : str or list of str, optional
        The files, in this order, in place of those of the folder; relative to ``location`` where that is given.
    glob_include, glob_exclude : str, optional
        Patterns such as ``'*.fit'`` that the names of files in the folder must match, or must not.
    ext : int, str or (str, int), optional
        Which HDU is read: its number, its name, or name and EXTVER. 0 is the primary one; where that has no pixels and
        the file holds one image, as fpack writes it, it is that image, and its header is completed by the primary
        header. Of a file whose images are those of amplifiers `ccds` hands out the assembled image, as `read_ccd` does.
    header_ext : int or str, optional
        Another HDU for headers: the table, the filters and `headers`.
    words : Words, str or path, optional
        What is taught of headers, or the camera whose file does so; see `zeroframe.headers.taught_columns`.

    Raises
    ------
    NoFramesError
        When ``location`` is not a folder; one that is missing is a ``FileNotFoundError``, too.

    Warns
    -----
    ZeroframeWarning
        When files are left out, or none is found.

    Notes
    -----
    Headers are read once and remembered from run to run; see `zeroframe.headers.index`. Methods with ``**cards`` take
    a keyword of the header for each argument, in any letter case, and as its value what `zeroframe.headers.query`
    describes: ``imagetyp='bias'``, ``exptime='>300'``, ``filter=['g', 'r']``, ``object='!M 31'``, ``bunit=None``.
    Keywords that are not names in Python are passed as ``**{'DATE-OBS': '>=2024-01-02'}``. Columns that were added to
    `summary` count as cards. A card that no header has is met by no file, with a warning that names the nearest: a loop
    that waits for files goes on waiting.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> from astropy.io import fits
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for number, kind in enumerate(["bias", "dark", "bias"]):
    ...         header = fits.Header([("IMAGETYP", kind), ("EXPTIME", 10.0 * number)])
    ...         fits.writeto(Path(folder, f"f{number}.fits"), np.ones((2, 3), np.int16), header)
    ...     files = ImageFileCollection(folder)
    ...     names = files.files_filtered(imagetyp="BIAS", exptime="<15")
    ...     means = [float(ccd.data.mean()) for ccd in files.ccds(imagetyp="dark", ccd_kwargs={"unit": "adu"})]
    >>> names, means
    (['f0.fits'], [1.0])
    >>> files.summary["file", "imagetyp", "exptime"][1]["exptime"]
    np.float64(10.0)
    """

    def __init__(
        self,
        location: str | os.PathLike[str] | None = None,
        keywords: str | Sequence[str] | None = None,
        find_fits_by_reading: bool = False,  # noqa: FBT001 -- ccdproc's order
        filenames: str | os.PathLike[str] | Iterable[str | os.PathLike[str]] | None = None,
        glob_include: str | None = None,
        glob_exclude: str | None = None,
        ext: int | str | tuple[str, int] = 0,
        *,
        header_ext: int | str | None = None,
        words: TaughtBy = None,
    ) -> None:
        self._location: str | os.PathLike[str] = "" if location is None else location
        self._keywords = wanted_keywords(keywords)
        self._also = beside_all(keywords)
        self._by_reading = find_fits_by_reading
        self._filenames = listed(filenames)
        self._glob_include = None if glob_include is None else str(glob_include)
        self._glob_exclude = None if glob_exclude is None else str(glob_exclude)
        self._ext: int | str = as_extension(ext) or 0
        self._header_ext = header_ext
        self._words = taught_by(words)
        self._headers = HeaderColumns.of([], [])
        self._problems: tuple[FrameError, ...] = ()
        self._table: Table | None = None
        self._read()

    __repr__ = collection_repr
    _repr_html_ = collection_html

    @property
    def summary(self) -> Table:
        """The table of the headers: one row a file, the column ``file`` first, masked where a card is missing."""
        if self._table is None:
            self._table = header_table(self._headers, self._column_keywords())
        return self._table

    @property
    def location(self) -> str | os.PathLike[str]:
        """The folder, as it was given; empty where only file names were."""
        return self._location

    @property
    def files(self) -> list[str]:
        """The names of the files, in the order of the table."""
        return list(self._headers.names)

    @property
    def problems(self) -> tuple[FrameError, ...]:
        """Why files were left out."""
        return self._problems

    @property
    def keywords(self) -> list[str]:
        """The columns of the table; may be set, which takes columns out of it or makes it anew, and deleted."""
        own = ["file", *self._column_keywords()]
        return [*own, *(name for name in self._added() if name not in own)]

    @keywords.setter
    def keywords(self, keywords: str | Sequence[str] | None) -> None:
        self._keywords = [] if keywords is None else wanted_keywords(keywords)
        self._also = beside_all(keywords)
        if self._table is not None and self._keywords is not None and {*self._keywords} <= {*self._table.colnames}:
            self._table.keep_columns(["file", *self._keywords])
        else:
            self._table = None

    @keywords.deleter
    def keywords(self) -> None:
        self._keywords, self._also = [], []
        self._table = None

    @property
    def ext(self) -> int | str:
        """Which HDU is read."""
        return self._ext

    @property
    def header_ext(self) -> int | str | None:
        """Which HDU the headers are from, where that is another one."""
        return self._header_ext

    @property
    def glob_include(self) -> str | None:
        """The pattern that file names must match."""
        return self._glob_include

    @property
    def glob_exclude(self) -> str | None:
        """The pattern that file names must not match."""
        return self._glob_exclude

    def values(self, keyword: str, unique: bool = False) -> list[Any]:  # noqa: FBT001 -- ccdproc's order
        """Return what the headers say.

        Parameters
        ----------
        keyword : str
            Any card, a column that was added to the table, or ``'file'``.
        unique : bool, optional
            Each value once, in the order in which they are met.

        Returns
        -------
        list
            None where the card is missing.

        Raises
        ------
        UsageError
            When no header has the card and it is no column of the table; names the nearest.
        """
        headers = self._known()
        if not headers.has(keyword) and keyword.lower() not in map(str.lower, self.keywords):
            hint = nearest_name(keyword, headers.keywords)
            raise UsageError(f"there is no card {keyword!r} in any header of the collection{hint}")
        values = headers.column(keyword)
        return list(dict.fromkeys(values) if unique else values)

    def files_filtered(self, *, include_path: bool = False, regex_match: bool = False, **cards: object) -> list[str]:
        """Return the names of the files whose cards fulfil all conditions.

        Parameters
        ----------
        include_path : bool, optional
            Return paths.
        regex_match : bool, optional
            Take texts as regular expressions, searched for without regard to letter case.
        **cards
            The conditions; see the notes of the class.

        Returns
        -------
        list of str

        Raises
        ------
        UsageError
            When a condition cannot be understood, or a name is nearest to one of these arguments.

        Warns
        -----
        ZeroframeWarning
            When no header has such a card; names the nearest.
        """
        chosen = self._selected(cards, regex_match=regex_match)
        return list(chosen.paths if include_path else chosen.names)

    def filter(self, *, regex_match: bool = False, **cards: object) -> ImageFileCollection:
        """Return a new collection of the files that `files_filtered` returns.

        Parameters
        ----------
        regex_match, **cards
            As in `files_filtered`.

        Returns
        -------
        ImageFileCollection
            Of paths, without a location. No file is read again.
        """
        made = copy(self)
        made._restrict_to(self._selected(cards, regex_match=regex_match))  # noqa: SLF001 -- of the same class
        return made

    def sort(self, keys: str | Sequence[str]) -> None:
        """Sort the collection in place by one card or several; files that lack it come last.

        Parameters
        ----------
        keys : str or list of str
            The cards, the most important first.

        Raises
        ------
        UsageError
            When no header has such a card, or none is given.
        """
        if not keys:
            raise UsageError("sort needs a card, or a list of cards, to sort by")
        names = [keys] if isinstance(keys, str) else list(keys)
        columns = [self.values(name) for name in names]
        order = sorted(range(len(self._headers)), key=lambda row: [sort_key(column[row]) for column in columns])
        self._headers = self._headers.take(order)
        if self._table is not None and order:
            ordered = self._table[order]
            for name in self._table.colnames:
                self._table[name][:] = ordered[name]

    def refresh(self) -> None:
        """Look again which files there are and what their headers say."""
        self._read()

    def headers(
        self,
        *,
        do_not_scale_image_data: bool = True,
        save_with_name: str = "",
        save_location: str | os.PathLike[str] = "",
        overwrite: bool = False,
        return_fname: bool = False,
        regex_match: bool = False,
        **cards: object,
    ) -> Iterator[Any]:
        """Loop over the headers.

        What is handed out may be changed in place. When the loop goes on to the next file, a copy of the file with the
        change is saved, if ``save_with_name``, ``save_location`` or ``overwrite`` asks for it. Leaving the loop early
        saves nothing for the file at which it stands.

        Parameters
        ----------
        do_not_scale_image_data : bool, optional
            Whether the pixels of the copies are the stored numbers and not physical values.
        save_with_name : str, optional
            Put behind the name, before the suffixes: ``'_new'`` saves ``a.fits.gz`` as ``a_new.fits.gz``.
        save_location : str or path, optional
            The folder for the copies, which must be there.
        overwrite : bool, optional
            Replace what is there: with neither of the two above, the files of the collection themselves. With one of
            them, files of the collection are never replaced, whatever name or link leads to them.
        return_fname : bool, optional
            Hand out pairs with the name of the file, without its folder.
        regex_match, **cards
            Which files; as in `files_filtered`.

        Yields
        ------
        astropy.io.fits.Header
            Or a pair (Header, str).

        Raises
        ------
        UsageError
            When a condition cannot be understood; before the loop begins.
        OutputError
            When a copy cannot be saved.
        """
        ext = self._table_ext()
        save = partial(save_part, "header", ext, scaled=not do_not_scale_image_data)
        saving = Saving(save_with_name, save_location, overwrites(cards, overwrite=overwrite))
        chosen = self._selected(cards, regex_match=regex_match)
        return self._loop(chosen, partial(read_header, ext=ext), save, saving, named=return_fname)

    def data(
        self,
        *,
        do_not_scale_image_data: bool = False,
        save_with_name: str = "",
        save_location: str | os.PathLike[str] = "",
        overwrite: bool = False,
        return_fname: bool = False,
        regex_match: bool = False,
        **cards: object,
    ) -> Iterator[Any]:
        """Loop over the pixels, as arrays of shape (ny, nx) in native byte order.

        Parameters
        ----------
        do_not_scale_image_data : bool, optional
            Hand out the numbers as they are stored, without BSCALE and BZERO.
        save_with_name, save_location, overwrite, return_fname, regex_match, **cards
            As in `headers`.

        Yields
        ------
        numpy.ndarray
            Or a pair (ndarray, str).

        Raises
        ------
        UsageError, OutputError
            As in `headers`.
        FrameError
            When pixels cannot be read.
        """
        scaled = not do_not_scale_image_data
        save = partial(save_part, "data", self._ext, scaled=scaled)
        saving = Saving(save_with_name, save_location, overwrites(cards, overwrite=overwrite))
        chosen = self._selected(cards, regex_match=regex_match)
        read = partial(read_data, ext=self._ext, scaled=scaled)
        return self._loop(chosen, read, save, saving, named=return_fname)

    def hdus(
        self,
        *,
        do_not_scale_image_data: bool = False,
        save_with_name: str = "",
        save_location: str | os.PathLike[str] = "",
        overwrite: bool = False,
        return_fname: bool = False,
        regex_match: bool = False,
        **cards: object,
    ) -> Iterator[Any]:
        """Loop over the HDUs, as independent copies.

        Parameters
        ----------
        do_not_scale_image_data : bool, optional
            As in `data`.
        save_with_name, save_location, overwrite, return_fname, regex_match, **cards
            As in `headers`.

        Yields
        ------
        astropy.io.fits.PrimaryHDU, ImageHDU or CompImageHDU
            Or a pair (HDU, str).

        Raises
        ------
        UsageError, OutputError, FrameError
            As in `data`.
        """
        scaled = not do_not_scale_image_data
        save = partial(save_part, "hdu", self._ext, scaled=scaled)
        saving = Saving(save_with_name, save_location, overwrites(cards, overwrite=overwrite))
        chosen = self._selected(cards, regex_match=regex_match)
        read = partial(read_hdu, ext=self._ext, scaled=scaled)
        return self._loop(chosen, read, save, saving, named=return_fname)

    def ccds(
        self,
        ccd_kwargs: Mapping[str, Any] | None = None,
        *,
        save_with_name: str = "",
        save_location: str | os.PathLike[str] = "",
        overwrite: bool = False,
        return_fname: bool = False,
        regex_match: bool = False,
        **cards: object,
    ) -> Iterator[Any]:
        """Loop over the images as CCDData.

        Parameters
        ----------
        ccd_kwargs : mapping, optional
            ``unit`` overrides BUNIT; without either adu is assumed, and said once a loop. Also the other arguments of
            `astropy.nddata.fits_ccddata_reader`.
        save_with_name, save_location, return_fname, regex_match, **cards
            As in `headers`. Pixels, header, mask and uncertainty are saved; further HDUs of the file are not.
        overwrite : bool, optional
            Replace copies that are there; files of the collection are never replaced by CCDData.

        Yields
        ------
        astropy.nddata.CCDData
            Or a pair (CCDData, str).

        Raises
        ------
        UsageError
            As in `headers`, and when ``overwrite`` would replace files of the collection (a ``NotImplementedError``,
            too).
        OutputError, FrameError
            As in `data`.

        Warns
        -----
        AssumptionWarning
            When adu is assumed.
        """
        saving = Saving(save_with_name, save_location, overwrites(cards, overwrite=overwrite))
        chosen = self._selected(cards, regex_match=regex_match)
        if saving.is_in_place:
            raise NotDoneError(
                "overwrite=True would replace the files of the collection by calibrated ones; give save_location or "
                "save_with_name"
            )
        return self._loop(chosen, CcdReader(self._ext, ccd_kwargs), save_ccd, saving, named=return_fname)

    def _loop(
        self,
        chosen: HeaderColumns,
        read: Callable[[str], Any],
        save: Callable[..., None],
        saving: Saving,
        *,
        named: bool,
    ) -> Iterator[Any]:
        """Loop over chosen files, none of which may be replaced that was not asked for."""
        return loop(chosen.paths, read, save, saving, self._inputs(saving), named=named)

    def _restrict_to(self, chosen: HeaderColumns) -> None:
        """Keep these files, known by their paths, and the columns of the table."""
        self._keywords, self._also = self._column_keywords(), []
        self._location = ""
        self._filenames = list(chosen.paths)
        self._glob_include = self._glob_exclude = None
        self._headers = HeaderColumns(chosen.paths, chosen.paths, chosen.forms, chosen.columns)
        self._problems = ()
        self._table = None
        self._tell()

    def _table_ext(self) -> int | str:
        return self._ext if self._header_ext is None else self._header_ext

    def _column_keywords(self) -> list[str]:
        if self._keywords is not None:
            return self._keywords
        have = self._headers.keywords
        return [*have, *(keyword for keyword in self._also if not self._headers.has(keyword))]

    def _added(self) -> list[str]:
        """Return the columns that the user has added to the table."""
        if self._table is None or len(self._table) != len(self._headers):
            return []
        unknown = [name for name in self._table.colnames if not self._headers.has(name)]
        return [name for name in unknown if any(value is not None for value in self._table[name].tolist())]

    def _known(self) -> HeaderColumns:
        """Return the headers, with the columns that the user has added to the table as cards."""
        headers, added = self._headers, self._added()
        if not added:
            return headers
        columns = {name.lower(): self._table[name].tolist() for name in added}  # type: ignore[index]  # added: not None
        return HeaderColumns(headers.paths, headers.names, headers.forms, {**headers.columns, **columns})

    def _selected(self, cards: Mapping[str, object], *, regex_match: bool) -> HeaderColumns:
        headers = self._known()
        for keyword in unknown_cards(headers, cards.items(), regex=regex_match):
            hint = nearest_name(keyword, [*headers.keywords, *_ARGUMENTS])
            text = f"there is no card {keyword!r} in any of the {len(headers):,} headers{hint}"
            if any(hint.endswith(f"'{name}'?") for name in _ARGUMENTS):
                raise UsageError(text)
            warnings.warn(f"{text}; no file meets the condition", VerbWarning, stacklevel=4)
            return self._headers.take([])
        return self._headers.take(select(headers, cards.items(), regex=regex_match))

    def _inputs(self, saving: Saving) -> Inputs:
        """Return the files of the collection, also those that a loop leaves out, where something may be replaced."""
        return Inputs.of(map(Path, self._headers.paths)) if saving.overwrite else NO_INPUTS

    def _read(self) -> None:
        """Find the files and read their headers."""
        folder = os.fspath(self._location)
        with as_python_says():
            names = self._filenames or self._names_in_folder()
        paths = [os.path.join(folder, name) for name in names]  # noqa: PTH118 -- as it was given, './' and all
        headers, problems = read_headers(paths, ext=self._table_ext(), meant=self._is_meant)
        headers = headers if self._words is None else with_taught(headers, self._words)
        shown = [os.path.split(path)[1] for path in headers.paths] if folder else headers.paths
        self._headers = HeaderColumns(headers.paths, shown, headers.forms, headers.columns)
        self._problems = tuple(problems)
        self._table = None
        self._tell()

    def _is_meant(self, name: str) -> bool:
        """Say whether it is worth a warning that a file is not FITS."""
        return bool(self._filenames) or (not self._by_reading and is_named_as_fits(name))

    def _names_in_folder(self) -> list[str]:
        names = list_files(self._location) if os.fspath(self._location) else []
        if self._glob_include is not None:
            names = fnmatch.filter(names, self._glob_include)
        if self._glob_exclude is not None:
            unwanted = set(fnmatch.filter(names, self._glob_exclude))
            names = [name for name in names if name not in unwanted]
        return names

    def _tell(self) -> None:
        """Warn of files that were left out, and of an empty collection."""
        if self._problems:
            lines = [str(problem) for problem in self._problems[:_MOST_NAMED]]
            if len(self._problems) > _MOST_NAMED:
                lines.append(f"and {len(self._problems) - _MOST_NAMED} more, see .problems")
            files = "a file is" if len(self._problems) == 1 else f"{len(self._problems)} files are"
            warnings.warn(f"{files} left out of the collection: " + "\n".join(lines), VerbWarning, stacklevel=4)
        if not len(self._headers):
            warnings.warn("no FITS files in the collection.", VerbWarning, stacklevel=4)
