"""Find cosmic rays in a single frame, mask them, and put something better in their place."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args

import numpy as np
from astropy import units as u
from astropy.nddata import CCDData

from zeroframe.errors import ArgumentError, UsageError, nearest_name
from zeroframe.fits.precision import float_dtype
from zeroframe.frames.calibration_frames import NO_CALIBRATION
from zeroframe.frames.colours import each_colour
from zeroframe.frames.cosmic_rays import far_above_median, mean_around, median_around
from zeroframe.frames.mosaic_stars import mask_in_colours
from zeroframe.frames.numbers import is_number
from zeroframe.frames.rank_filters import box_size
from zeroframe.kernels.calibrate import NO_NOISE, Factors, calibrate_image
from zeroframe.kernels.lacosmic import SharpLimits
from zeroframe.records import dataclass
from zeroframe.verbs.arguments import checked_names
from zeroframe.verbs.ccddata import require_ccd, with_data
from zeroframe.verbs.colours import by_planes, colours_of
from zeroframe.verbs.exceptions import UnlikeUnitsError
from zeroframe.verbs.working_frame import WorkingPlanes, deviations_of, kernel_pixels

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from zeroframe.headers.colours import ColourPattern

__all__ = ["cosmicray_lacosmic", "cosmicray_median"]

Cleaned: TypeAlias = "tuple[NDArray[Any], NDArray[np.bool_]]"
Finder = Literal["astroscrappy", "zeroframe"]

#: What cosmic rays are replaced by is taken from a box of this side, as in astroscrappy.
_CLEANING_BOX = 5
_CLEANED_BY = {"medmask": median_around, "meanmask": mean_around}
#: The program of our own takes medians along rows and columns, and no model of a star; these it cannot do otherwise.
_ONLY_ASTROSCRAPPY = {
    "sepmed": True, "fsmode": "median", "psfmodel": "gauss", "psffwhm": 2.5, "psfsize": 7, "psfk": None,
    "psfbeta": 4.765, "verbose": False, "inbkg": None,
}  # fmt: skip
_MOST_PASSES = 200


@checked_names
def cosmicray_lacosmic(
    ccd: CCDData | NDArray[Any],
    sigclip: float = 4.5,
    sigfrac: float = 0.3,
    objlim: float = 5.0,
    gain: float | u.Quantity = 1.0,
    readnoise: float | u.Quantity = 6.5,
    satlevel: float = 65535.0,
    pssl: float = 0.0,
    niter: int = 4,
    sepmed: bool = True,  # noqa: FBT001 -- ccdproc's arguments
    cleantype: Literal["median", "medmask", "meanmask", "idw"] = "meanmask",
    fsmode: Literal["median", "convolve"] = "median",
    psfmodel: Literal["gauss", "moffat", "gaussx", "gaussy"] = "gauss",
    psffwhm: float = 2.5,
    psfsize: int = 7,
    psfk: NDArray[Any] | None = None,
    psfbeta: float = 4.765,
    verbose: bool = False,  # noqa: FBT001
    gain_apply: bool = True,  # noqa: FBT001
    inbkg: NDArray[Any] | None = None,
    invar: NDArray[Any] | None = None,
    *,
    finder: Finder = "astroscrappy",
    others: Sequence[CCDData | NDArray[Any]] = (),
) -> CCDData | Cleaned:
    """Find cosmic rays by their sharp edges: L.A.Cosmic, by Astro-SCRAPPY or by the program that nights are reduced by.

    Parameters
    ----------
    ccd : CCDData or ndarray
        The frame, which is not changed. Masked pixels and those that are not finite take no part.
    sigclip, sigfrac, objlim : float
        Laplacian over noise where a cosmic ray begins; the fraction of that for its neighbours; the contrast against
        fine structure that stars do not reach.
    gain, readnoise : float or Quantity
        Electrons per ADU, and electrons.
    satlevel : float
        In electrons; what is above takes no part.
    pssl : float
        A constant sky that was subtracted, in ADU.
    niter : int
        At most so many passes.
    sepmed, cleantype, fsmode, psfmodel, psffwhm, psfsize, psfk, psfbeta, verbose, inbkg, invar
        As in `astroscrappy.detect_cosmics`.
    gain_apply : bool
        Whether the result is multiplied by the gain.
    finder : {'astroscrappy', 'zeroframe'}
        ``zeroframe`` finds what `zeroframe night` masks, some twenty times faster, and needs no other package: sharp
        lines of spectra and the images of points, however sharp, are left alone, those of a colour sensor too, where
        the header of a CCDData names the pattern (``BAYERPAT``). The noise is that of ``invar``, else
        the frame's uncertainty, else that of ``gain`` and ``readnoise``. Of ``cleantype`` it knows ``medmask`` and
        ``meanmask``; ``sepmed``, ``fsmode``, the arguments of the star's model, ``inbkg`` and ``verbose`` stay at their
        defaults.
    others : sequence of CCDData or ndarray
        Other exposures of the same field and exposure time, moved or not, for ``zeroframe``: what is bright in them
        too is light, and what is not was hit. One that does not show the same is left aside.

    Returns
    -------
    CCDData, or (ndarray, ndarray of bool)
        The cleaned frame with the cosmic rays masked; of an array, the cleaned array and the mask of cosmic rays.
        Where the gain is applied, pixels, uncertainty and unit are multiplied by it; otherwise all three stay.

    Raises
    ------
    UsageError
        When astroscrappy is not installed, ``pssl`` is given with ``inbkg`` or ``invar``, or the ``finder`` does not
        know an argument.
    UnitError
        When the units of frame, gain and read noise do not fit together.

    Notes
    -----
    P. G. van Dokkum 2001, PASP 113, 1420; C. McCully et al. 2018, astropy/astroscrappy (doi:10.5281/zenodo.1482019).

    Examples
    --------
    >>> sky = np.random.default_rng(0).normal(100.0, 3.0, (40, 40)).astype(np.float32)
    >>> sky[20, 20] = 5000.0
    >>> cleaned, cosmic = cosmicray_lacosmic(sky, readnoise=3.0)
    >>> bool(cosmic[20, 20]), bool(cleaned[20, 20] < 120.0)
    (True, True)
    """
    if finder not in get_args(Finder):
        raise ArgumentError(
            f"finder is {finder!r}, not 'astroscrappy' or 'zeroframe'{nearest_name(str(finder), get_args(Finder))}"
        )
    if pssl != 0 and finder == "astroscrappy":
        _say_old("pssl", "ccdproc 3.0 has no pssl; give the sky as an array, inbkg=np.full(frame.shape, sky)")
    if pssl != 0 and (inbkg is not None or invar is not None):
        raise UsageError("pssl and inbkg or invar contradict each other; put the sky into inbkg")
    seen = _seen_in(others, np.shape(ccd.data if isinstance(ccd, CCDData) else ccd), finder)
    if isinstance(ccd, CCDData) and finder == "astroscrappy":
        within = by_planes(
            require_ccd(ccd),
            lambda plane, own: cosmicray_lacosmic(
                plane, sigclip, sigfrac, objlim, gain, readnoise, satlevel, pssl, niter, sepmed, cleantype, fsmode,
                psfmodel, psffwhm, psfsize, psfk, psfbeta, verbose, gain_apply, own["inbkg"], own["invar"],
                finder=finder,
            ),
            {"inbkg": inbkg, "invar": invar},
        )  # fmt: skip
        if within is not None:
            return _counted(within, ccd, "L.A.Cosmic within each colour")
    frame = ccd if isinstance(ccd, CCDData) else None
    gain_used, noise_e = _gain_and_noise(frame, gain, readnoise)
    pixels, bad = _valid_pixels(ccd)
    for name, plane in (("inbkg", inbkg), ("invar", invar)):
        _check_plane(name, plane, pixels.shape)
    options: dict[str, Any] = {
        "sigclip": sigclip, "sigfrac": sigfrac, "objlim": objlim, "satlevel": satlevel, "niter": niter,
        "sepmed": sepmed, "cleantype": cleantype, "fsmode": fsmode, "psfmodel": psfmodel, "psffwhm": psffwhm,
        "psfsize": psfsize, "psfbeta": psfbeta, "verbose": verbose,
        "psfk": _single(psfk), "inbkg": _single(inbkg), "invar": _single(invar), "others": tuple(seen.values()),
    }  # fmt: skip
    shown = _Shown(pixels, bad, frame, pssl, float(gain_used.value), noise_e)
    cosmic, cleaned = (_by_astroscrappy if finder == "astroscrappy" else _by_zeroframe)(shown, options)
    out = np.where(cosmic, cleaned - np.float32(pssl), pixels).astype(float_dtype(pixels.dtype), copy=False)
    if frame is None:
        return (out * out.dtype.type(gain_used.value) if gain_apply else out), cosmic
    planes = WorkingPlanes(with_data(frame, out), owned=True)
    planes.add_mask(cosmic)
    if gain_apply and gain_used != 1.0 * u.one:
        planes.multiply(float(gain_used.value), frame.unit * gain_used.unit)
    result = planes.result()
    how = "L.A.Cosmic" if shown.colours is None else "L.A.Cosmic within each colour"
    result.meta["COSMICS"] = f"{how}: {int(cosmic.sum())} pixels"
    return result


def _seen_in(
    others: Sequence[CCDData | NDArray[Any]], shape_yx: tuple[int, ...], finder: Finder
) -> dict[str, NDArray[Any]]:
    """Return the pixels of other exposures, not finite where masked, each by a name."""
    if len(others) and finder != "zeroframe":
        raise UsageError("others is known to finder='zeroframe' only; say finder='zeroframe', or leave others out")
    seen = {}
    for number, other in enumerate(others):
        pixels, bad = _valid_pixels(other)
        if pixels.shape != shape_yx:
            sizes = " and ".join(
                " x ".join(str(size) for size in reversed(shape)) for shape in (pixels.shape, shape_yx)
            )
            raise UsageError(f"others[{number}] and the frame have different sizes, {sizes}; trim both alike")
        seen[f"others[{number}]"] = np.where(bad, np.nan, pixels.astype(float_dtype(pixels.dtype)))
    return seen


def _counted(within: CCDData, ccd: CCDData, how: str) -> CCDData:
    """Return a frame whose header says how many pixels were found."""
    before = np.zeros(ccd.shape, bool) if ccd.mask is None else np.asarray(ccd.mask, dtype=bool)
    within.meta["COSMICS"] = f"{how}: {int(np.count_nonzero(within.mask & ~before))} pixels"
    return within


@dataclass(frozen=True, eq=False)
class _Shown:
    """What cosmic rays are looked for in: pixels, those of them that take no part, and what their noise is made of."""

    pixels: NDArray[Any]
    bad: NDArray[np.bool_]
    frame: CCDData | None
    sky: float
    gain: float
    read_noise_e: float

    @property
    def colours(self) -> ColourPattern | None:
        """The pattern that the header states; an array has none."""
        return None if self.frame is None else colours_of(self.frame)


def _by_astroscrappy(shown: _Shown, options: dict[str, Any]) -> tuple[NDArray[np.bool_], NDArray[Any]]:
    """Return the cosmic rays, and the pixels with something better in their place, the sky included."""
    detect = _astroscrappy()
    del options["others"]
    given = _filled(shown.pixels, shown.bad) + np.float32(shown.sky)
    cosmic, cleaned = detect(given, inmask=shown.bad, gain=shown.gain, readnoise=shown.read_noise_e, **options)
    return cosmic, cleaned


def _by_zeroframe(shown: _Shown, options: dict[str, Any]) -> tuple[NDArray[np.bool_], NDArray[Any]]:
    """Do the same by the kernel of the night."""
    clean, limits = _checked(options)
    values = shown.pixels.astype(float_dtype(shown.pixels.dtype))
    values += values.dtype.type(shown.sky)
    masked = shown.bad.copy()
    for own, plane in each_colour(shown.colours, (masked,), (values,)):
        own[tuple(_saturated_stars(plane, options["satlevel"] / shown.gain).T)] = True
    before = masked.copy()
    sigma = _noise_of(shown, values, options["invar"])
    mask_in_colours(shown.colours, values, sigma, before, masked, limits, options["others"])
    cosmic = masked & ~before
    cleaned = values.copy()
    values[masked] = np.nan
    for own, plane, hit in each_colour(shown.colours, (cleaned,), (values, cosmic)):
        places = np.argwhere(hit)
        better = clean(plane, places, _CLEANING_BOX)
        found = np.isfinite(better)
        own[tuple(places[found].T)] = better[found]
    return cosmic, cleaned


def _checked(options: dict[str, Any]) -> tuple[Callable[..., NDArray[np.float64]], SharpLimits]:
    """Return how cosmic rays are replaced, and what they are; refuse what the kernel of the night does not know."""
    for name, default in _ONLY_ASTROSCRAPPY.items():
        given = options[name] is not None if default is None else options[name] != default
        if given:
            raise UsageError(f"finder='zeroframe' does not know {name}; leave it out, or take finder='astroscrappy'")
    clean = _CLEANED_BY.get(options["cleantype"])
    if clean is None:
        raise UsageError(f"cleantype is {options['cleantype']!r}; finder='zeroframe' knows {' and '.join(_CLEANED_BY)}")
    passes = box_size(options["niter"], "niter", 0)
    if passes > _MOST_PASSES:
        raise UsageError(f"niter is {passes}; finder='zeroframe' makes {_MOST_PASSES} passes at most")
    return clean, SharpLimits(options["sigclip"], options["sigfrac"], options["objlim"], passes=passes)


def _saturated_stars(values: NDArray[Any], limit: float) -> NDArray[np.int64]:
    """Return the places of saturated pixels with light around them; a lone one is a cosmic ray. As in astroscrappy."""
    with np.errstate(invalid="ignore"):
        places = np.argwhere(values >= limit)
    return places[median_around(values, places, _CLEANING_BOX) > limit / 10.0]


def _noise_of(shown: _Shown, values: NDArray[Any], variance: NDArray[np.float32] | None) -> NDArray[np.float32]:
    """Return standard deviations as the kernel of the night takes them."""
    if variance is not None:
        return np.sqrt(variance)
    sigma = None if shown.frame is None else deviations_of(shown.frame, np.dtype(np.float32))
    if sigma is not None:
        return sigma
    noise = NO_NOISE._replace(read_variance=(shown.read_noise_e / shown.gain) ** 2, per_gain=1.0 / shown.gain)
    made, none = np.empty(values.shape, np.float32), NO_CALIBRATION
    calibrate_image(
        values, none, (none, none, none), (none, none, none), none, Factors(), noise, np.empty_like(values), made
    )
    return made


def _astroscrappy() -> Any:  # noqa: ANN401 -- astroscrappy has no types
    try:
        from astroscrappy import detect_cosmics
    except ImportError as error:
        raise UsageError(
            "cosmicray_lacosmic needs astroscrappy; install it with: pip install 'zeroframe[cosmic]'"
        ) from error
    return detect_cosmics


def _say_old(name: str, sentence: str) -> None:
    """Warn, in the name of the caller of a verb, that an argument goes."""
    from astropy.utils.exceptions import AstropyDeprecationWarning

    warnings.warn(f"{name} is deprecated: {sentence}", AstropyDeprecationWarning, stacklevel=4)


def _check_plane(name: str, plane: object, shape: tuple[int, ...]) -> None:
    if plane is None:
        return
    if not isinstance(plane, np.ndarray):
        raise ArgumentError(f"{name} must be an array of the shape of the frame, not {type(plane).__name__}")
    if plane.shape != shape:
        raise UsageError(f"{name} has shape {plane.shape} and the frame {shape}; they must be equal")


def _single(array: NDArray[Any] | None) -> NDArray[np.float32] | None:
    return None if array is None else np.ascontiguousarray(array, dtype=np.float32)


def _gain_and_noise(
    frame: CCDData | None, gain: float | u.Quantity, readnoise: float | u.Quantity
) -> tuple[u.Quantity, float]:
    """Return the gain with its unit, and the read noise in electrons; numbers are electrons per ADU and electrons."""
    in_electrons = frame is not None and frame.unit == u.electron
    if not isinstance(gain, u.Quantity):
        gain = gain * (u.one if in_electrons else u.electron / u.adu)
    noise = readnoise if isinstance(readnoise, u.Quantity) else readnoise * u.electron
    if not 0.0 < gain.value < np.inf:
        raise UsageError(f"gain is {gain}; it must be above zero")
    if in_electrons and gain.value != 1.0:
        raise UnlikeUnitsError(f"the frame is in electrons already, and the gain is {gain}; leave gain at 1")
    product = gain.unit * (u.adu if frame is None else frame.unit)
    if not product.is_equivalent(noise.unit):
        raise UnlikeUnitsError(
            f"Inconsistent units: the gain in {gain.unit} times the frame in "
            f"{u.adu if frame is None else frame.unit or 'no unit'} "
            f"is in {product}, and the read noise in {noise.unit}; both must be in electrons"
        )
    return gain, float(noise.to_value(product))


def _valid_pixels(ccd: CCDData | NDArray[Any]) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """Return pixels of any real type, and which of them take no part."""
    if isinstance(ccd, CCDData):
        frame = require_ccd(ccd)
        mask, data = frame.mask, np.asarray(frame.data)
    elif isinstance(ccd, np.ndarray) and ccd.ndim == 2:
        mask, data = np.ma.getmaskarray(ccd) if isinstance(ccd, np.ma.MaskedArray) else None, np.ma.getdata(ccd)
    else:
        raise ArgumentError(f"ccd must be a CCDData or an array with two axes, not {type(ccd).__name__}")
    pixels = kernel_pixels(data)
    bad = np.zeros(pixels.shape, bool) if mask is None else np.array(np.broadcast_to(mask, pixels.shape), dtype=bool)
    if pixels.dtype.kind == "f":
        bad |= ~np.isfinite(pixels)
    return pixels, bad


def _filled(pixels: NDArray[Any], bad: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Return pixels as float32, with the median in place of what is not finite, which would spread."""
    single = pixels.astype(np.float32)
    lost = ~np.isfinite(single)
    if lost.any():
        single[lost] = np.median(single[~bad]) if not bad.all() else 0.0
    return single


@checked_names
def cosmicray_median(
    ccd: CCDData | NDArray[Any],
    error_image: NDArray[Any] | float | None = None,
    thresh: float = 5,
    mbox: int = 11,
    gbox: int = 0,
    rbox: int = 0,
) -> CCDData | Cleaned:
    """Find cosmic rays as pixels far above the median of their surroundings.

    Parameters
    ----------
    ccd : CCDData or ndarray
        The frame, which is not changed. Masked pixels and those that are not finite take no part.
    error_image : ndarray or float, optional
        Standard deviations; by default the frame's uncertainty, and where it has none the standard deviation of all
        its pixels.
    thresh : float
        How many standard deviations above the median a cosmic ray is.
    mbox : int
        Side of the box that the median is taken in.
    gbox : int
        Side of the box that every pixel found grows to; 0 for none.
    rbox : int
        Side of the box whose median replaces what was found; 0 for none. Cosmic rays and masked pixels take no part in
        it.

    Returns
    -------
    CCDData, or (ndarray, ndarray of bool)
        The frame with the cosmic rays masked; of an array, a copy of it and the mask of cosmic rays. Of the type of
        the input: medians are pixels of the frame.

    Raises
    ------
    ArgumentError
        When an argument is not known or of the wrong type.
    UsageError
        When a box is no whole number, or the error image has another shape.

    Notes
    -----
    After IRAF's ``crmedian``. Of an even number of pixels, the upper of the two in the middle is the median.

    Examples
    --------
    >>> sky = np.full((15, 15), 100, dtype=np.uint16)
    >>> sky[7, 7] = 900
    >>> cleaned, cosmic = cosmicray_median(sky, error_image=10.0, mbox=5, rbox=5)
    >>> np.argwhere(cosmic).tolist(), int(cleaned[7, 7])
    ([[7, 7]], 100)
    """
    mbox, gbox, rbox = box_size(mbox, "mbox"), box_size(gbox, "gbox", 0), box_size(rbox, "rbox", 0)
    if isinstance(ccd, CCDData):
        within = by_planes(
            require_ccd(ccd),
            lambda plane, own: cosmicray_median(plane, own["error_image"], thresh, mbox, gbox, rbox),
            {"error_image": error_image},
        )
        if within is not None:
            return _counted(within, ccd, f"median of {mbox} x {mbox} of each colour")
    pixels, bad = _valid_pixels(ccd)
    values = pixels.astype(float_dtype(pixels.dtype))
    values[bad] = np.nan
    error = _error_image(ccd, error_image, values)
    cosmic = far_above_median(values, error, thresh, mbox)
    if gbox > 1:
        from scipy.ndimage import maximum_filter

        cosmic = maximum_filter(cosmic, gbox)
    cleaned = pixels.copy()
    if rbox > 0:
        values[cosmic] = np.nan
        places = np.argwhere(cosmic)
        medians = median_around(values, places, rbox)
        found = np.isfinite(medians)
        cleaned[tuple(places[found].T)] = medians[found]
    if not isinstance(ccd, CCDData):
        return cleaned, cosmic
    result = with_data(ccd, cleaned)
    result.mask = cosmic if ccd.mask is None else np.asarray(ccd.mask, dtype=bool) | cosmic
    result.meta["COSMICS"] = f"median of {mbox} x {mbox}: {int(cosmic.sum())} pixels"
    return result


def _error_image(ccd: CCDData | NDArray[Any], error_image: object, values: NDArray[Any]) -> NDArray[Any] | float | None:
    if error_image is None:
        return deviations_of(ccd, values.dtype) if isinstance(ccd, CCDData) else None
    if isinstance(error_image, np.ndarray):
        if error_image.shape != values.shape:
            raise UsageError(f"error_image has shape {error_image.shape} and the frame {values.shape}")
        return error_image
    if not is_number(error_image):
        raise ArgumentError(f"error_image must be a number or an array, not {type(error_image).__name__}")
    return float(error_image)
