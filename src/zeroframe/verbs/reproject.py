"""Project a frame onto other world coordinates, through the package reproject."""

from __future__ import annotations

import copy
import re
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from astropy.nddata import CCDData

from zeroframe.errors import ArgumentError, UsageError, nearest_name
from zeroframe.fits.precision import float_dtype
from zeroframe.verbs.arguments import checked_names
from zeroframe.verbs.ccddata import add_keywords, require_ccd
from zeroframe.verbs.working_frame import deviations_of, kernel_pixels, uncertainty_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from astropy.wcs import WCS
    from numpy.typing import NDArray

__all__ = ["wcs_project"]

Order = Literal["nearest-neighbor", "bilinear", "biquadratic", "bicubic"]

_ORDERS = ("nearest-neighbor", "bilinear", "biquadratic", "bicubic")
#: Where a projected mask is above this, a masked pixel took part; less is rounding.
_TOOK_PART = 1e-8
#: Cards that belong to the old pixels.
_OLD_CARDS = re.compile(
    r"(CRPIX|CRVAL|CDELT|CTYPE|CUNIT|CROTA|CRDER|CSYER)\d[A-Z]?|(CD|PC)\d_\d[A-Z]?|PV\d_\d+[A-Z]?"
    r"|(A|B|AP|BP)_(ORDER|DMAX|\d+_\d+)|(LONPOLE|LATPOLE|WCSAXES|WCSNAME|RADESYS|EQUINOX|RADECSYS)[A-Z]?"
    r"|LTV\d|LTM\d_\d|BIASSEC|TRIMSEC|DATASEC|AMPSEC|CCDSEC|DETSEC|CCDSUM"
)


@checked_names
def wcs_project(
    ccd: CCDData,
    target_wcs: WCS,
    target_shape: Sequence[int] | None = None,
    order: Order = "bilinear",
    *,
    add_keyword: object = True,
) -> CCDData:
    """Project a frame onto other celestial coordinates; counts are scaled by the ratio of the pixels' areas.

    Parameters
    ----------
    ccd : CCDData
        The frame, with celestial world coordinates; not changed.
    target_wcs : astropy.wcs.WCS
        The coordinates of the result.
    target_shape : (int, int), optional
        Rows and columns of the result; by default those of the frame.
    order : {'nearest-neighbor', 'bilinear', 'biquadratic', 'bicubic'}
        How it is interpolated.
    add_keyword : bool, str, mapping or None
        True writes the card WCSPROJ; False or None nothing; a text or mapping is written instead.

    Returns
    -------
    CCDData
        float32, or float64 where the frame is. Masked where a masked pixel took part, and outside of the frame.

    Raises
    ------
    ArgumentError
        When an argument is not known or of the wrong type.
    UsageError
        When one of the coordinates is not celestial, or reproject is not installed.

    Notes
    -----
    Variances are summed with the squares of the weights of the pixels that took part; the two higher orders take those
    of bilinear interpolation. Neighbours in the result have errors in common, which an uncertainty of single pixels
    does not tell.

    Examples
    --------
    >>> from astropy.wcs import WCS
    >>> wcs = WCS({"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CDELT1": -0.001, "CDELT2": 0.001,
    ...            "CRPIX1": 2.0, "CRPIX2": 2.0})
    >>> shifted = wcs.deepcopy()
    >>> shifted.wcs.crpix = [1.0, 2.0]
    >>> frame = CCDData(np.arange(9.0).reshape(3, 3), unit="adu", wcs=wcs)
    >>> wcs_project(frame, shifted).data.round(6)[:, :2]
    array([[1., 2.],
           [4., 5.],
           [7., 8.]])
    """
    frame = require_ccd(ccd)
    if order not in _ORDERS:
        raise UsageError(
            f"order is {order!r}; it must be one of {', '.join(_ORDERS)}{nearest_name(str(order), _ORDERS)}"
        )
    for wcs, name in ((frame.wcs, "the frame"), (target_wcs, "target_wcs")):
        if not getattr(wcs, "is_celestial", False):
            raise UsageError(
                f"the world coordinates of {name} are not celestial; both must have right ascension and declination"
            )
    shape = frame.shape if target_shape is None else tuple(int(n) for n in target_shape)
    if len(shape) != 2 or min(shape) < 1:
        raise ArgumentError(f"target_shape is {target_shape!r}; give rows and columns")
    from astropy.wcs.utils import proj_plane_pixel_area

    area = float(proj_plane_pixel_area(target_wcs) / proj_plane_pixel_area(frame.wcs))
    data, mask, variance = _project(frame, target_wcs, shape, order)
    dtype = float_dtype(np.asarray(frame.data).dtype)
    uncertainty = None
    if variance is not None:
        uncertainty = uncertainty_of(type(frame.uncertainty), (area * np.sqrt(variance)).astype(dtype))
    result = CCDData(
        (area * data).astype(dtype),
        unit=frame.unit,
        meta=_projected_header(frame, target_wcs, shape),
        mask=mask if mask.any() else None,
        wcs=target_wcs,
        uncertainty=uncertainty,
    )
    add_keywords(result, {"WCSPROJ": f"{order}, area {area:.6g}"}, add_keyword)
    return result


def _project(
    frame: CCDData, target_wcs: WCS, shape: tuple[int, ...], order: Order
) -> tuple[NDArray[np.float64], NDArray[np.bool_], NDArray[np.float64] | None]:
    """Return pixels, mask and variances on the new coordinates."""
    reproject = _reproject_interp()
    pixels = kernel_pixels(np.asarray(frame.data)).astype(np.float64)
    bad = ~np.isfinite(pixels)
    if bad.any():  # splines would carry it over the whole image
        pixels[bad] = np.median(pixels[~bad]) if not bad.all() else 0.0
    if frame.mask is not None:
        bad |= np.asarray(frame.mask, dtype=bool)
    planes = [pixels]
    if bad.any():
        planes.append(bad.astype(np.float64))
    sigma = deviations_of(frame, np.dtype(np.float64))
    if sigma is not None and order == "nearest-neighbor":
        planes.append(sigma * sigma)
    # in one call, so that coordinates are worked out once
    found = list(reproject((np.array(planes), frame.wcs), target_wcs, shape_out=(len(planes), *shape), order=order)[0])
    data = found.pop(0)
    mask = np.isnan(data)
    if bad.any():
        mask |= found.pop(0) > _TOOK_PART
    if sigma is None:
        return data, mask, None
    if order == "nearest-neighbor":
        return data, mask, found.pop(0)
    ramps = np.indices(frame.shape, dtype=np.float64)
    places = reproject((ramps, frame.wcs), target_wcs, shape_out=(2, *shape), order="bilinear")[0]
    return data, mask, _bilinear_variance(sigma * sigma, places[0], places[1])


def _reproject_interp() -> Any:  # noqa: ANN401 -- reproject has no types
    try:
        from reproject import reproject_interp
    except ImportError as error:
        raise UsageError("wcs_project needs reproject; install it with: pip install 'zeroframe[wcs]'") from error
    return reproject_interp


def _bilinear_variance(
    variance: NDArray[np.float64], y: NDArray[np.float64], x: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the variance of bilinear interpolation at (y, x), which are NaN outside of the frame."""
    ny, nx = variance.shape
    outside = np.isnan(y) | np.isnan(x)
    y, x = np.where(outside, 0.0, y), np.where(outside, 0.0, x)
    y0 = np.clip(np.floor(y).astype(np.intp), 0, max(ny - 2, 0))
    x0 = np.clip(np.floor(x).astype(np.intp), 0, max(nx - 2, 0))
    fy, fx = y - y0, x - x0
    y1, x1 = np.minimum(y0 + 1, ny - 1), np.minimum(x0 + 1, nx - 1)
    low = (1 - fx) ** 2 * variance[y0, x0] + fx**2 * variance[y0, x1]
    high = (1 - fx) ** 2 * variance[y1, x0] + fx**2 * variance[y1, x1]
    return np.where(outside, np.nan, (1 - fy) ** 2 * low + fy**2 * high)


def _projected_header(frame: CCDData, target_wcs: WCS, shape: tuple[int, ...]) -> Any:  # noqa: ANN401
    """Return the header without what belonged to the old pixels, and with the new coordinates."""
    meta = copy.deepcopy(frame.meta)
    for word in [str(word) for word in meta if _OLD_CARDS.fullmatch(str(word))]:
        del meta[word]
    for word, value in target_wcs.to_header(relax=True).items():
        if _OLD_CARDS.fullmatch(word):
            meta[word] = value
    for axis in (1, 2):
        if f"NAXIS{axis}" in meta:
            meta[f"NAXIS{axis}"] = shape[-axis]
    return meta
