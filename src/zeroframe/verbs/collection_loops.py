"""What the loops over a collection hand out, and how it is saved when the loop goes on."""

from __future__ import annotations

import os
import warnings
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from zeroframe.errors import ArgumentError, DamagedError, OutputError, UsageError
from zeroframe.fits import scan
from zeroframe.fits.formats import compression_of
from zeroframe.headers.own_results import apart_from
from zeroframe.headers.reading import chosen_hdu, header_cards
from zeroframe.records import dataclass
from zeroframe.verbs.exceptions import MissingTargetError, VerbAssumptionWarning, as_python_says

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    import numpy as np
    from astropy.io.fits import Header
    from astropy.nddata import CCDData

    from zeroframe.fits import FrameFile, Hdu
    from zeroframe.fits.inputs import Inputs
    from zeroframe.fits.replacing import Overwrite

__all__ = [
    "CcdReader",
    "Saving",
    "listed",
    "loop",
    "overwrites",
    "read_data",
    "read_hdu",
    "read_header",
    "save_ccd",
    "save_part",
]

_PLAIN_CCD_KWARGS = frozenset(("unit",))
_WRAPPINGS = (".gz", ".bz2", ".fz")


@dataclass(frozen=True, slots=True)
class Saving:
    """Whether and where the items of a loop are saved.

    Attributes
    ----------
    with_name : str
        Put behind the name of the file, before its suffixes.
    location : str or path
        The folder; empty for that of the file.
    overwrite : bool
        Whether files that are there may be replaced: the file itself only where neither name nor location is given,
        other files of the collection never.

    Examples
    --------
    >>> Saving("_new").target("raw/a.1.fits.gz").as_posix()
    'raw/a.1_new.fits.gz'
    >>> Saving().target("raw/a.1.fits.gz") is None
    True
    """

    with_name: str = ""
    location: str | os.PathLike[str] = ""
    overwrite: bool = False

    def check(self) -> None:
        """Refuse a folder that is not there.

        Raises
        ------
        OutputError
            Before the loop begins.
        """
        if os.fspath(self.location) and not Path(self.location).is_dir():
            raise MissingTargetError(self.location, "is not a folder that is there", "make it first")

    @property
    def is_in_place(self) -> bool:
        """Whether the files themselves are to be changed."""
        return self.overwrite and not self.with_name and not os.fspath(self.location)

    def replaces(self, target: Path, inputs: Inputs) -> Overwrite:
        """Return what of a target may be replaced.

        Raises
        ------
        OutputExistsError
            When it is a file of the collection, by whatever name or link.
        """
        return True if self.is_in_place else apart_from(inputs, target, overwrite=self.overwrite)

    def target(self, path: str) -> Path | None:
        """Return where the item of a file is saved; None where it is not."""
        source = Path(path)
        folder = Path(self.location) if os.fspath(self.location) else source.parent
        target = folder / _with_name(source.name, self.with_name)
        same = os.path.realpath(target) == os.path.realpath(source)
        return target if self.overwrite or not same else None


def _with_name(name: str, addition: str) -> str:
    if not addition:
        return name
    wrapping = next((suffix for suffix in _WRAPPINGS if name.lower().endswith(suffix)), "")
    inner, wrapping = (name[: -len(wrapping)], name[-len(wrapping) :]) if wrapping else (name, "")
    stem, suffix = os.path.splitext(inner)  # noqa: PTH122 -- of a name, not of a path
    return stem + addition + suffix + wrapping


def read_header(path: str, ext: int | str) -> Header:
    """Return one header, to be changed and saved."""
    return header_cards(path, ext).to_header()


def read_data(path: str, ext: int | str, *, scaled: bool = True) -> np.ndarray[Any, Any]:
    """Return the pixels of one image, native byte order: physical values, or the numbers as they are stored."""
    from zeroframe.fits import read_raw

    raw = read_raw(path, ext=chosen_hdu(scan(path), ext).index)
    return raw.decode() if scaled else raw.pixels.astype(raw.pixels.dtype.newbyteorder("="))


def read_hdu(path: str, ext: int | str, *, scaled: bool = True) -> Any:  # noqa: ANN401 -- an HDU of astropy
    """Return one HDU of astropy, independent of the file; raises `DamagedError` where its data are cut off."""
    from astropy.io import fits

    index = chosen_hdu(scan(path), ext).index
    with fits.open(path, memmap=False, do_not_scale_image_data=not scaled) as hdus:
        try:
            return hdus[index].copy()
        except ValueError as error:  # numpy's, of which nobody would know what file it is about
            raise DamagedError(path, f"its data cannot be read ({error})", "copy the file again") from error


class CcdReader:
    """Reads the CCDData of one loop.

    Parameters
    ----------
    ext : int or str
        Which HDU.
    options : mapping or None
        Arguments of `astropy.nddata.fits_ccddata_reader`, but for the HDU. With none but ``unit``, our own reader is
        used, which is faster for compressed files.
    """

    def __init__(self, ext: int | str, options: Mapping[str, Any] | None) -> None:
        self._ext = ext
        self._options = dict(options or {})
        self._warned = False
        if "hdu" in self._options:
            raise ArgumentError("ccd_kwargs cannot have 'hdu': the collection has it as ext=")

    def __call__(self, path: str) -> CCDData:
        """Return the CCDData of a file.

        Warns
        -----
        AssumptionWarning
            Once, where neither the header nor ``unit`` says what the unit is.
        """
        frame = scan(path)
        if self._ext == 0 and not self._options.keys() - _PLAIN_CCD_KWARGS and len(frame.images) > 1:
            from zeroframe.verbs.ccddata import read_ccd

            return read_ccd(path, self._options.get("unit"))
        hdu = chosen_hdu(frame, self._ext)
        unit = self._unit(path, frame, hdu)
        if not self._options.keys() <= _PLAIN_CCD_KWARGS:
            from astropy.nddata import fits_ccddata_reader

            return fits_ccddata_reader(path, hdu=hdu.index, **{**self._options, "unit": unit})
        from zeroframe.verbs.ccddata import read_ccd

        # Only the reader that chooses the image itself adds the mask and the uncertainty that go with it.
        names = {other.name for other in frame.hdus}
        alone = names.isdisjoint(("MASK", "UNCERT", "COUNTS")) or hdu.index > 1
        return read_ccd(path, unit, ext=hdu.index if alone else None)

    def _unit(self, path: str, frame: FrameFile, hdu: Hdu) -> Any:  # noqa: ANN401 -- a unit of astropy
        from zeroframe.verbs.ccddata import unit_of

        unit = self._options.get("unit")
        bunit = frame.cards_of(hdu).get("BUNIT")
        if unit is None and not str(bunit or "").strip():
            if not self._warned:
                self._warned = True
                warnings.warn(
                    f"{path}: no BUNIT in the header and no unit given: adu is assumed, here and for other files "
                    "without it; ccd_kwargs={'unit': 'adu'} says so",
                    VerbAssumptionWarning,
                    stacklevel=4,
                )
            unit = "adu"
        return unit_of(path, bunit, unit)


def loop(
    paths: Sequence[str],
    read: Callable[[str], Any],
    save: Callable[..., None],
    saving: Saving,
    inputs: Inputs,
    *,
    named: bool,
) -> Iterator[Any]:
    """Check what can be checked now, and return the loop.

    Parameters
    ----------
    paths : sequence of str
        The files.
    read : callable
        From a path to what is handed out.
    save : callable
        Called with item, path, target and ``overwrite`` when the loop goes on.
    saving : Saving
        Whether and where.
    inputs : Inputs
        What must not be replaced.
    named : bool
        Hand out pairs with the name of the file.

    Returns
    -------
    iterator
    """
    saving.check()
    with as_python_says():
        if saving.overwrite:  # without it nothing that is there is replaced
            for target in filter(None, map(saving.target, paths)):
                saving.replaces(target, inputs)

    def items() -> Iterator[Any]:
        for path in paths:
            with as_python_says():
                item = read(path)
            yield (item, Path(path).name) if named else item
            target = saving.target(path)
            if target is not None:
                with as_python_says():
                    save(item, path, target, overwrite=saving.replaces(target, inputs))

    return items()


def save_ccd(ccd: CCDData, _: str, target: Path, *, overwrite: Overwrite) -> None:
    """Write a CCDData, compressed as the name of the file says."""
    from zeroframe.verbs.saving import write_ccd

    suffix = target.suffix.lower()
    if suffix == ".bz2":
        raise OutputError(target, "bzip2 is not written", "save under another name, or loop over the data")
    write_ccd(ccd, target, compress=compression_of(target), overwrite=overwrite)


def save_part(
    part: Literal["header", "data", "hdu"],
    ext: int | str,
    item: Any,  # noqa: ANN401 -- what `part` says
    path: str,
    target: Path,
    *,
    overwrite: Overwrite,
    scaled: bool,
) -> None:
    """Write a copy of a file with one part replaced; its other HDUs are kept.

    Parameters
    ----------
    part : {'header', 'data', 'hdu'}
        What ``item`` is.
    ext : int or str
        The HDU whose header or data, or which itself, is replaced.
    item : Header, ndarray or HDU
        What takes its place.
    path : str
        The file.
    target : Path
        The new file, which may be the file itself. It appears whole or not at all.
    overwrite : bool or Replaceable
        What of ``target`` may be replaced.
    scaled : bool
        False keeps stored numbers, BSCALE and BZERO as they are.

    Raises
    ------
    OutputExistsError, OutputError
        When the file is there, or cannot be written.
    UsageError
        When the header cannot be written.
    """
    from zeroframe.fits.atomic import atomic_file, write_all

    content = _changed_file(path, ext, part, item, scaled=scaled)
    with atomic_file(target, overwrite=overwrite) as descriptor:
        write_all(descriptor, [_wrapped(content, target)])


def _changed_file(path: str, ext: int | str, part: str, item: Any, *, scaled: bool) -> bytes:  # noqa: ANN401
    from astropy.io import fits

    index = chosen_hdu(scan(path), ext).index
    stream = BytesIO()
    with fits.open(path, memmap=False, do_not_scale_image_data=not scaled) as hdus:
        if part == "hdu":
            hdus[index] = item
        else:
            setattr(hdus[index], part, item)
        try:
            hdus.writeto(stream, checksum=True, output_verify="silentfix+exception")
        except fits.VerifyError as error:
            raise UsageError(f"{path}: the copy has a header that cannot be written: {error}") from error
    return stream.getvalue()


def _wrapped(content: bytes, target: Path) -> bytes:
    suffix = target.suffix.lower()
    if suffix == ".gz":
        from isal import igzip

        compressed: bytes = igzip.compress(content, 1, mtime=0)
        return compressed
    if suffix == ".bz2":
        import bz2

        return bz2.compress(content)
    return content


def overwrites(cards: dict[str, object], *, overwrite: bool) -> bool:
    """Take what ``overwrite`` was called in ccdproc until 2.0 out of the conditions."""
    if "clobber" not in cards:
        return overwrite
    warnings.warn("clobber is deprecated: it is overwrite", DeprecationWarning, stacklevel=4)
    return bool(cards.pop("clobber"))


def listed(filenames: str | os.PathLike[str] | Iterable[str | os.PathLike[str]] | None) -> list[str]:
    """Return names of files that were given in whatever way as a list."""
    if filenames is None:
        return []
    if isinstance(filenames, str | os.PathLike):
        return [os.fspath(filenames)]
    return [os.fspath(name) for name in filenames]
