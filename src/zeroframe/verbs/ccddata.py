"""CCDData in and out: from files, units that are not given, floating point types, what a verb leaves in the header."""

from __future__ import annotations

import copy
import re
import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from astropy.nddata import CCDData, InverseVariance, StdDevUncertainty, VarianceUncertainty

from zeroframe.errors import ArgumentError, UsageError
from zeroframe.fits import read_raw, scan
from zeroframe.fits.precision import float_dtype
from zeroframe.headers.dialects import unit_word
from zeroframe.headers.extensions import as_extension
from zeroframe.verbs.amplifiers import assembled_image, detector_of
from zeroframe.verbs.exceptions import NoKeywordsError, UnlikeUnitsError, VerbAssumptionWarning, as_python_says

if TYPE_CHECKING:
    import os

    from astropy.io.fits import Header
    from astropy.units import Unit
    from numpy.typing import NDArray

__all__ = [
    "add_keywords",
    "masked_values",
    "read_ccd",
    "require_ccd",
    "unit_of",
    "wcs_of",
    "with_data",
]

_LONGEST_WORD = 8  # of a card; longer ones need the HIERARCH convention
#: By what UTYPE says, which astropy writes.
_UNCERTAINTIES = {kind.__name__: kind for kind in (StdDevUncertainty, VarianceUncertainty, InverseVariance)}


def require_ccd(value: object, name: str = "ccd", *, axes: tuple[int, ...] = (2,)) -> CCDData:
    """Return ``value`` if it is a CCDData with two axes, or as many as ``axes`` says.

    Raises
    ------
    ArgumentError
        When it is something else.
    UsageError
        When it has another number of axes.
    """
    if not isinstance(value, CCDData):
        hint = "; wrap it: CCDData(array, unit='adu')" if isinstance(value, np.ndarray) else ""
        raise ArgumentError(f"{name} must be a CCDData, not {type(value).__name__}{hint}")
    if len(value.shape) not in axes:
        raise UsageError(f"{name} has {len(value.shape)} axes; an image has two")
    return value


def unit_of(path: str | os.PathLike[str], bunit: object, unit: str | Unit | None) -> Unit:
    """Return the unit of a frame: the one given, the header's, or adu, which is said.

    Raises
    ------
    UnitError
        When the header's BUNIT is not a unit and none is given, or the one given is not a unit.

    Warns
    -----
    AssumptionWarning
        When neither is there and adu is assumed.
    """
    from astropy import units as u

    if unit is not None:
        try:
            return u.Unit(unit)
        except ValueError as error:
            raise UnlikeUnitsError(f"{unit!r} is not a unit; write for example 'adu' or 'electron'") from error
    word = bunit.strip() if isinstance(bunit, str) else ""
    if not word:
        warnings.warn(
            f"{path}: no BUNIT in the header and no unit given: adu is assumed", VerbAssumptionWarning, stacklevel=3
        )
        return u.adu
    found = _unit_named(word)
    if found is not None:
        return found
    raise UnlikeUnitsError(f"{path}: BUNIT is {word!r}, which is not a unit; give unit='adu'")


def _unit_named(word: str) -> Unit | None:
    """Return the unit of a name, be it one that astropy knows or one that cameras write; None where it is neither.

    What begins with ``e`` alone is electrons, where astropy has the charge of one.
    """
    from astropy import units as u

    if not word:
        return None
    camera = unit_word(word)
    spellings = [word, word.lower() if camera is None else camera]
    for spelling in reversed(spellings) if re.match(r"e\b", word) else spellings:
        found = u.Unit(spelling, parse_strict="silent")
        if not isinstance(found, u.UnrecognizedUnit):
            return found
    return None


def read_ccd(
    path: str | os.PathLike[str],
    unit: str | Unit | None = None,
    *,
    ext: int | str | tuple[str, int] | None = None,
    amplifiers: bool | None = None,
    detector: str | None = None,
) -> CCDData:
    """Read one frame as a CCDData, whatever its compression and whatever its name.

    Parameters
    ----------
    path : path
        A FITS file, plain or compressed by gzip, bzip2 or tiles.
    unit : str or Unit, optional
        Overrides the header's BUNIT.
    ext : int, str or (str, int), optional
        Which extension, by number, name, or name and EXTVER; by default the one that holds the image. Its companions in
        the extensions MASK, UNCERT and COUNTS are then read too; of one that is named with its EXTVER, those of the
        same.
    amplifiers : bool, optional
        Whether the image is assembled of what several amplifiers read, by what the header says of them: each less the
        level of its own overscan, trimmed, turned and put into its place. By default where each stands in an extension
        of its own; a file of one image is read as it is. False: refuse what cannot be read as it is.
    detector : str, optional
        Which detector, of a file that holds several.

    Returns
    -------
    CCDData
        Pixels in the type of the file (uint16 for raw frames); a mask where a pixel is not finite or masked in the
        file; uncertainty and ``flags`` (how many frames were combined) where the file has them.

    Raises
    ------
    FrameError
        When the file cannot be used.
    UsageError
        When there are several detectors and none is named, or none of that name.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> from zeroframe.simulate import any_camera, simulate_biases
    >>> with TemporaryDirectory() as folder:
    ...     (path,) = simulate_biases(any_camera("palomar-lfc").resized((64, 64)), folder, frames=1)
    ...     ccd = read_ccd(path, unit="adu")
    >>> ccd.shape, ccd.data.dtype, str(ccd.unit), ccd.header["IMAGETYP"]
    ((64, 96), dtype('uint16'), 'adu', 'BIAS')
    """
    with as_python_says():
        found = None if ext is not None or amplifiers is False else detector_of(path, detector)
        if found is not None and (amplifiers or len(found[0].extensions) > 1):
            pixels, assembled = assembled_image(*found)
            mask = None if np.isfinite(pixels).all() else ~np.isfinite(pixels)
            unit = unit_of(path, assembled.get("BUNIT"), unit)
            return CCDData(pixels, unit=unit, meta=assembled, mask=mask, wcs=wcs_of(assembled))
        raw = read_raw(path, ext=as_extension(ext))
    data = raw.decode()
    header = raw.cards.to_header()
    mask = ~np.isfinite(data) if data.dtype.kind == "f" else np.zeros(data.shape, dtype=bool)
    parts = _companions(path, ext[1] if isinstance(ext, tuple) else None) if ext is None or type(ext) is tuple else {}
    if "MASK" in parts:
        mask |= parts["MASK"] != 0
    ccd = CCDData(
        data,
        unit=unit_of(path, header.get("BUNIT"), unit),
        meta=header,
        mask=mask if mask.any() else None,
        wcs=wcs_of(header),
        uncertainty=parts.get("UNCERT"),
    )
    ccd.flags = parts.get("COUNTS")
    return ccd


def _companions(path: str | os.PathLike[str], version: int | None) -> dict[str, Any]:
    """Read what belongs to the primary image of a file, or one of some EXTVER; the uncertainty as what it is."""
    found: dict[str, Any] = {}
    for hdu in scan(path).hdus[1:]:
        if hdu.layout is None or hdu.name not in {"MASK", "UNCERT", "COUNTS"}:
            continue
        if version is not None and hdu.cards.get("EXTVER") != version:
            continue
        values = read_raw(path, ext=hdu.index).decode()
        if hdu.name == "UNCERT":
            kind = _UNCERTAINTIES.get(str(hdu.cards.get("UTYPE", "StdDevUncertainty")))
            if kind is None:
                text = f"{path}: an uncertainty of the kind {hdu.cards.get('UTYPE')!r} is not known, and left out"
                warnings.warn(text, VerbAssumptionWarning, stacklevel=4)
                continue
            values = kind(values, unit=_unit_named(str(hdu.cards.get("BUNIT") or "")), copy=False)
        found[hdu.name] = values
    return found


def wcs_of(header: Header) -> Any:  # noqa: ANN401 -- astropy has no types
    """Return the world coordinates of a header that has celestial ones, else None."""
    if not any(word in header for word in ("CTYPE1", "CD1_1", "PC1_1")):
        return None
    from astropy.wcs import WCS

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # astropy's remarks on old cards are not about calibration
        found = WCS(header, naxis=2)
    return found if found.wcs.ctype[0] else None


def with_data(ccd: CCDData, data: NDArray[Any]) -> CCDData:
    """Return a copy of a frame with other pixels, without copying those it had."""
    result = CCDData(
        data,
        unit=ccd.unit,
        meta=copy.deepcopy(ccd.meta),
        mask=None if ccd.mask is None else np.array(ccd.mask),
        wcs=None if ccd.wcs is None else ccd.wcs.deepcopy(),
        uncertainty=copy.deepcopy(ccd.uncertainty),
        psf=ccd.psf,
    )
    result.flags = copy.deepcopy(ccd.flags)
    return result


def masked_values(ccd: CCDData) -> NDArray[Any]:
    """Return the pixels as floating point numbers with NaN where masked; a copy."""
    values = np.array(ccd.data, dtype=float_dtype(ccd.data.dtype))
    if ccd.mask is not None:
        values[np.broadcast_to(ccd.mask, values.shape)] = np.nan
    return values


def add_keywords(ccd: CCDData, cards: Mapping[str, object], add_keyword: object) -> None:
    """Put what a verb did into the metadata of its result.

    Parameters
    ----------
    ccd : CCDData
        The result, changed in place.
    cards : mapping
        What the verb says of itself, as card -> value.
    add_keyword : bool, str, Keyword, mapping or None
        ccdproc's argument: True writes ``cards``, unless ``zeroframe.conf.auto_logging`` is False; False or None writes
        nothing; a text (as a card without a value), a `zeroframe.Keyword` or a mapping is written instead.

    Raises
    ------
    NoKeywordsError
        When ``add_keyword`` is none of these.
    """
    from zeroframe.verbs.arguments import Keyword
    from zeroframe.verbs.settings import conf

    if add_keyword is None or add_keyword is False or (add_keyword is True and not conf.auto_logging):
        return
    if add_keyword is True:
        wanted: Mapping[str, object] = cards
    elif isinstance(add_keyword, str):
        wanted = {add_keyword: None}
    elif isinstance(add_keyword, Keyword):
        wanted = {add_keyword.name: add_keyword.value}
    elif isinstance(add_keyword, Mapping):
        wanted = add_keyword
    else:
        raise NoKeywordsError(
            f"add_keyword must be True, False, a text, a Keyword or a mapping, not {type(add_keyword).__name__}"
        )
    for key, value in wanted.items():
        _put(ccd.meta, key, value)


def _put(meta: Any, key: str, value: object) -> None:  # noqa: ANN401 -- a Header or a dict
    """Set a card; a quantity is a number with its unit behind it, as headers hold it."""
    if isinstance(meta, dict):
        meta[key] = value
        return
    unit = getattr(value, "unit", None)
    held = value if unit is None else getattr(value, "value", value)
    word = f"HIERARCH {key}" if len(key) > _LONGEST_WORD else key
    meta[word] = held if unit is None else (held, f"[{unit}]")
