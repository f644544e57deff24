"""The verbs on one CCDData: subtract the overscan, trim."""

from __future__ import annotations

import warnings
from math import sqrt
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from astropy.nddata import CCDData

from zeroframe.errors import ArgumentError, SectionError, UsageError
from zeroframe.fits.precision import float_dtype
from zeroframe.frames.level_curves import fit_rejecting, standing_off
from zeroframe.frames.overscan import FitRejection, LevelMethod, OverscanSpec, collapse_axis, frame_levels
from zeroframe.headers.amplifier_words import says_amplifiers
from zeroframe.headers.result_cards import trim_cards
from zeroframe.headers.sections import Section
from zeroframe.kernels.raw import Part, calibrate_native
from zeroframe.verbs.ccddata import add_keywords, require_ccd, with_data
from zeroframe.verbs.exceptions import VerbAssumptionWarning
from zeroframe.verbs.several import detector_of, put_together, subtract_each
from zeroframe.verbs.working_frame import kernel_pixels

if TYPE_CHECKING:
    from astropy.modeling import Model
    from numpy.typing import NDArray

    from zeroframe.frames.level_fits import Fit

__all__ = ["subtract_overscan", "trim_image"]

_SEVERAL = (
    "its header says that several amplifiers read it: read_ccd(file, amplifiers=True) subtracts from each the level of "
    "its own overscan, and puts them together"
)


def _section_of_view(part: NDArray[Any], whole: NDArray[Any]) -> Section | None:
    """Where an array that is a slice of another stands in it; None where it is not a slice of it."""
    if part.ndim != whole.ndim or part.strides != whole.strides or not np.may_share_memory(part, whole):
        return None
    offset = part.__array_interface__["data"][0] - whole.__array_interface__["data"][0]
    slices = []
    for stride, length in zip(whole.strides, part.shape, strict=True):
        start, offset = divmod(offset, stride)
        slices.append(slice(start, start + length))
    fits = all(s.start >= 0 and s.stop <= n for s, n in zip(slices, whole.shape, strict=True))
    return Section.from_slices(tuple(slices), whole.shape) if fits and offset == 0 else None


def _strip_values(data: NDArray[Any], mask: NDArray[np.bool_] | None) -> NDArray[Any]:
    """Return the strip's pixels, NaN where masked; unchanged where nothing is."""
    if mask is None or not np.any(mask):
        return data
    values = np.array(data, dtype=float_dtype(data.dtype))
    values[np.broadcast_to(mask, values.shape)] = np.nan
    return values


def subtract_overscan(
    ccd: CCDData,
    overscan: CCDData | None = None,
    overscan_axis: int | None = 1,
    fits_section: str | None = None,
    median: bool = False,  # noqa: FBT001 -- ccdproc's arguments, which the notebooks use
    model: Model | None = None,
    *,
    method: LevelMethod | None = None,
    fit: Fit | None = None,
    order: int = 1,
    low_reject: float = 5.0,
    high_reject: float = 5.0,
    niterate: int = 10,
    add_keyword: object = True,
) -> CCDData:
    """Subtract the level of the overscan, row by row or column by column.

    Parameters
    ----------
    ccd : CCDData
        The raw frame, which is not changed.
    overscan : CCDData, optional
        The strip, as a slice of ``ccd``. Either this or ``fits_section``; without both, where the header says that
        several amplifiers read the image, each loses the level of its own. One line of pixels, ``ccd[:, 1]``, has one
        level for the whole frame (``overscan_axis=0``).
    overscan_axis : 0, 1 or None
        The numpy axis along which the strip is collapsed: 1 gives a level for each row. None: the shorter side.
    fits_section : str, optional
        Where the strip stands, as ``'[x1:x2, y1:y2]'``, counted from 1, both ends included.
    median : bool
        Take the median across the strip; otherwise the mean.
    model : astropy.modeling.Model, optional
        A linear model that is fitted to the levels along the strip.
    method : {'auto', 'median', 'mean', 'clipped', 'constant'}, optional
        Instead of ``median``: how the level is taken across the strip; ``auto`` as `zeroframe.bias` does, by what the
        pixels are.
    fit : {'chebyshev', 'legendre', 'spline'}, optional
        Instead of ``model``: smooth the levels by a fit.
    order : int
        Degree of the polynomial, or number of pieces of the spline.
    low_reject, high_reject : float
        Of ``model`` and ``fit``: a line so many sigmas below or above the curve is left out, as in IRAF.
    niterate : int
        How often the fit is repeated with what it has rejected left out, at most; 0 fits all lines, as ccdproc does.
    add_keyword : bool, str, mapping or None
        True writes the card OVERSCAN; False or None nothing; a text or mapping is written instead.

    Returns
    -------
    CCDData
        float32, or float64 where the input needs it; same shape, mask, unit and uncertainty.

    Raises
    ------
    ArgumentError
        When an argument has the wrong type, or both or neither of ``overscan`` and ``fits_section`` are given.
    SectionError
        When the strip lies outside the image, or does not run along its whole side.

    Warns
    -----
    AssumptionWarning
        When the header says that several amplifiers read the image, of which each has an overscan of its own.
        When the level of some lines stands off from its surroundings along the strip and the image does not follow, as
        where the trail of a saturated star runs through it. They have the level of their neighbours, where ccdproc
        would make them thousands of ADU too dark; on strips without such lines the result is that of ccdproc.

    Examples
    --------
    >>> import numpy as np
    >>> from astropy.nddata import CCDData
    >>> raw = CCDData(np.full((4, 6), 100, dtype=np.uint16), unit="adu")
    >>> flat = subtract_overscan(raw, fits_section="[5:6, :]", median=True)
    >>> float(flat.data.max()), flat.data.dtype.name, flat.meta["OVERSCAN"]
    (0.0, 'float32', '[5:6,1:4] median')
    """
    ccd = require_ccd(ccd)
    if median and method not in {None, "median"}:
        raise ArgumentError(f"median=True and method={method!r} contradict each other; give one of them")
    if model is not None and fit is not None:
        raise ArgumentError("model and fit contradict each other; give one of them")
    if isinstance(overscan, CCDData) and len(overscan.shape) == 1 and fits_section is None:
        return _minus_one_level(ccd, overscan, overscan_axis, median=median, add_keyword=add_keyword)
    detector = detector_of(ccd) if overscan is None and fits_section is None else None
    if detector is not None and not ccd.meta.get("OVERSCAN"):
        level = method or ("median" if median else "auto")
        if model is not None or fit is not None:
            raise ArgumentError("no model is fitted to the overscans of several amplifiers; give one overscan")
        return subtract_each(ccd, detector, level, add_keyword)
    section, strip, where = _locate_strip(ccd, overscan, fits_section)
    if _is_whole_of_several(ccd):
        warnings.warn(
            f"one overscan is subtracted from the whole image, and {_SEVERAL}", VerbAssumptionWarning, stacklevel=2
        )
    level = method or ("median" if median else "mean")
    reject = FitRejection(low_reject, high_reject, niterate)
    spec = OverscanSpec(section, _axis(overscan_axis), level, fit, order, reject)
    ny, nx = ccd.shape
    axis = collapse_axis(spec, (ny, nx))
    levels = frame_levels(strip, spec, (ny, nx), lambda numbers: _image_lines(ccd, numbers, section, axis))
    for remark in levels.remarks:
        warnings.warn(remark, VerbAssumptionWarning, stacklevel=2)
    row_level, column_level = levels.row_adu, levels.column_adu
    if model is not None:
        if axis == 1:
            row_level = _fit_model(model, row_level, levels.error_adu, strip.shape[1], reject)
        else:
            column_level = _fit_model(model, column_level, levels.error_adu, strip.shape[0], reject)
    data = np.asarray(ccd.data)
    out = np.empty((ny, nx), float_dtype(data.dtype))
    calibrate_native(kernel_pixels(data), row_level, column_level, Part(0, 0, ny, nx), out)
    result = with_data(ccd, out)
    words = where if model is None else f"{where} {type(model).__name__}"
    add_keywords(result, {"OVERSCAN": f"{words} {spec.describe().removeprefix(str(section)).strip()}"}, add_keyword)
    return result


def _minus_one_level(
    ccd: CCDData, overscan: CCDData, axis: int | None, *, median: bool, add_keyword: object
) -> CCDData:
    """Subtract the one level of a row or column that numpy has cut out of a frame as a line of pixels."""
    if axis not in {0, None}:
        raise ArgumentError(
            f"overscan has one axis and overscan_axis is {axis}; a line of pixels has one level, with overscan_axis=0; "
            "for a level of each row cut a strip: ccd[:, 1:2]"
        )
    values = np.asarray(_strip_values(np.asarray(overscan.data), overscan.mask), dtype=np.float64)
    level = float(np.nanmedian(values) if median else np.nanmean(values))
    data = np.asarray(ccd.data)
    dtype = float_dtype(data.dtype)
    result = with_data(ccd, (data - level).astype(dtype))
    add_keywords(result, {"OVERSCAN": f"a line of {values.size} pixels, {level:.6g}"}, add_keyword)
    return result


def _axis(value: int | None) -> Literal[0, 1] | None:
    if value is not None and value not in (0, 1):
        raise ArgumentError(f"overscan_axis is {value!r}; it must be 0, 1 or None")
    return None if value is None else 1 if value == 1 else 0


def _locate_strip(
    ccd: CCDData, overscan: CCDData | None, fits_section: str | None
) -> tuple[Section, NDArray[Any], str]:
    """Return the strip's place, its pixels, and how a header calls it, from either of the two arguments."""
    if overscan is None and fits_section is None:
        raise ArgumentError(_which_strip(ccd))
    if overscan is not None and fits_section is not None:
        raise ArgumentError("give either overscan (a slice of the frame) or fits_section, and not both")
    if fits_section is not None:
        if not isinstance(fits_section, str):
            raise ArgumentError(f"fits_section must be a text such as '[2056:2080, :]', not {fits_section!r}")
        section = Section.parse(fits_section).resolve(ccd.shape)
        slices = section.slices_yx(ccd.shape)
        mask = None if ccd.mask is None else np.broadcast_to(ccd.mask, ccd.shape)[slices]
        return section, _strip_values(np.asarray(ccd.data)[slices], mask), str(section)
    overscan = require_ccd(overscan, "overscan")
    values = _strip_values(np.asarray(overscan.data), overscan.mask)
    found = _section_of_view(np.asarray(overscan.data), np.asarray(ccd.data))
    if found is not None:
        return found, values, str(found)
    ny, nx = overscan.shape
    return _section_of_shape(overscan.shape, ccd.shape), values, f"a strip of {nx} x {ny} pixels,"


def _which_strip(ccd: CCDData) -> str:
    """Say what to do where no strip is given."""
    done = ccd.meta.get("OVERSCAN")
    if done:
        return f"no overscan is given, and none is left: it was subtracted already (OVERSCAN = {done!r})"
    if says_amplifiers(ccd.meta):
        return f"no overscan is given, and {_SEVERAL}"
    return "no overscan is given: give either overscan, a slice of the frame, or fits_section"


def _is_whole_of_several(ccd: CCDData) -> bool:
    """Whether a frame is all that several amplifiers read into one image, by its header; a slice of it is not."""
    sizes = tuple(ccd.meta.get(f"NAXIS{axis}") for axis in (2, 1))
    return sizes == tuple(ccd.shape) and says_amplifiers(ccd.meta)


def _section_of_shape(strip_yx: tuple[int, ...], shape_yx: tuple[int, ...]) -> Section:
    """Return a place for a strip that is no slice of the frame: it only has to run along one side."""
    if len(strip_yx) != len(shape_yx) or not any(a == b for a, b in zip(strip_yx, shape_yx, strict=True)):
        raise SectionError(
            f"the overscan has shape {strip_yx} and the frame {shape_yx}; it must run along one whole side of the frame"
        )
    return Section.from_slices(tuple(slice(0, min(a, b)) for a, b in zip(strip_yx, shape_yx, strict=True)), shape_yx)


def _image_lines(ccd: CCDData, numbers: NDArray[np.int_], section: Section, axis: Literal[0, 1]) -> NDArray[Any]:
    """Return the frame's pixels beside a strip in some rows (or columns, of axis 0), NaN where masked."""
    outside = np.delete(np.arange(ccd.shape[axis]), section.slices_yx(ccd.shape)[axis])
    places = np.ix_(numbers, outside) if axis == 1 else np.ix_(outside, numbers)
    mask = None if ccd.mask is None else np.broadcast_to(ccd.mask, ccd.shape)[places]
    lines = _strip_values(np.asarray(ccd.data)[places], mask)
    return lines if axis == 1 else lines.T


def _fit_model(
    model: Model, levels: NDArray[np.float64], error_adu: float, width: int, reject: FitRejection
) -> NDArray[np.float64]:
    """Fit an astropy model to the levels, by least squares, against the line number."""
    from astropy.modeling.fitting import LinearLSQFitter, ModelLinearityError

    lines = np.arange(levels.size)
    usual = np.ones(levels.size, dtype=np.bool_)
    if reject.iterations:
        usual = ~standing_off(levels, error_adu * sqrt(width))

    free = sum(not model.fixed[parameter] for parameter in model.param_names)

    def fit(taken: NDArray[np.bool_]) -> NDArray[np.float64]:
        if model.linear and taken.sum() < free:
            said = f"the model {type(model).__name__} has {free} free parameters, so it"
            raise UsageError(f"{said} needs {free} lines, and the overscan has {taken.sum()}")
        return np.asarray(LinearLSQFitter()(model, lines[taken], levels[taken])(lines))

    try:
        return fit_rejecting(levels, usual, error_adu, reject, fit)
    except ModelLinearityError as error:
        name = type(model).__name__
        raise UsageError(
            f"the model {name} is not linear in its parameters; use one that is, such as Chebyshev1D, or fit="
        ) from error


def trim_image(ccd: CCDData, fits_section: str | None = None, *, add_keyword: object = True) -> CCDData:
    """Cut a section out of a frame, as a copy, and make its header true.

    Parameters
    ----------
    ccd : CCDData
        The frame, which is not changed; or a slice of one, which is copied.
    fits_section : str, optional
        What is kept, as ``'[x1:x2, y1:y2]'``, counted from 1, both ends included; ``a > b`` flips. Without it, where
        the header says that several amplifiers read the image, what each of them read is kept, and put in its place.
    add_keyword : bool, str, mapping or None
        True writes the card TRIM; False or None nothing; a text or mapping is written instead.

    Returns
    -------
    CCDData
        With BIASSEC, DATASEC, CCDSEC, LTV and CRPIX made true.

    Raises
    ------
    ArgumentError
        When an argument has the wrong type.
    SectionError
        When the section lies outside the frame.

    Examples
    --------
    >>> import numpy as np
    >>> from astropy.nddata import CCDData
    >>> raw = CCDData(np.arange(24.0).reshape(4, 6), unit="adu")
    >>> trim_image(raw, fits_section="[1:4, :]").shape, trim_image(raw[:, :4]).shape
    ((4, 4), (4, 4))
    """
    ccd = require_ccd(ccd)
    if fits_section is not None and not isinstance(fits_section, str):
        raise ArgumentError(f"fits_section must be a text such as '[1:2048, :]', not {fits_section!r}")
    if fits_section:
        section = Section.parse(fits_section).resolve(ccd.shape)
        result = _cut(ccd, section)
        trim_cards(result.meta, section, ccd.shape)
        add_keywords(result, {"TRIM": str(section)}, add_keyword)
        return result
    detector = detector_of(ccd)
    if detector is not None and "TRIM" not in ccd.meta:
        return put_together(ccd, detector, add_keyword)
    result = ccd.copy()
    found = _slice_of_what(ccd)
    if found is None:
        add_keywords(result, {"TRIM": str(Section.parse("[*,*]").resolve(ccd.shape))}, add_keyword)
    else:
        trim_cards(result.meta, *found)
        add_keywords(result, {"TRIM": str(found[0])}, add_keyword)
    return result


def _slice_of_what(ccd: CCDData) -> tuple[Section, tuple[int, ...]] | None:
    """Where a frame that is a slice of another stands in it, and the shape of that; None where it is no slice.

    astropy slices pixels, mask and coordinates, and leaves the header as it was. Where the header's NAXIS are those of
    the slice, it is true already.
    """
    data = np.asarray(ccd.data)
    whole = data.base
    if not isinstance(whole, np.ndarray) or whole.shape == data.shape:
        return None
    section = _section_of_view(data, whole)
    stated = (ccd.meta.get("NAXIS2"), ccd.meta.get("NAXIS1"))
    if section is None or (None not in stated and stated != whole.shape):
        return None
    return section, whole.shape


def _cut(ccd: CCDData, section: Section) -> CCDData:
    """Copy what a section names; flipped where it says so."""
    slices = section.slices_yx(ccd.shape)
    if not section.flipped:
        return ccd[slices].copy()
    if ccd.wcs is not None:
        raise SectionError(
            f"{section} flips the image, and its world coordinates cannot follow; set ccd.wcs = None first"
        )
    rising = ccd[tuple(slice(min(part.ends()) - 1, max(part.ends())) for part in reversed(section.ranges))].copy()
    flips = tuple(slice(None, None, part.step) for part in slices)
    rising.data = np.ascontiguousarray(rising.data[flips])
    if rising.mask is not None:
        rising.mask = np.ascontiguousarray(rising.mask[flips])
    if rising.uncertainty is not None:
        rising.uncertainty.array = np.ascontiguousarray(rising.uncertainty.array[flips])
    return rising
