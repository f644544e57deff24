"""What combined frames are to the frames that they calibrate: the level of a flat, its usable pixels, errors of means.

The night and the verbs on CCDData ask here, so that both give the same answers.
"""

from __future__ import annotations

from math import pi, sqrt
from typing import TYPE_CHECKING, Any

import numpy as np

from zeroframe.frames.statistics import sampled_level
from zeroframe.headers.result_cards import ERROR_CARD
from zeroframe.kernels.calibrate import flat_level
from zeroframe.kernels.errors import add_in_quadrature
from zeroframe.records import dataclass

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from zeroframe.frames.regions import Region

__all__ = [
    "BLIND_CARD",
    "FLAT_LEVEL_CARD",
    "NO_CALIBRATION",
    "NO_MASK",
    "WHOLE_CARD",
    "Divisor",
    "blind_regions",
    "brightest_hundredth",
    "divisor_of",
    "error_factor",
    "level_of_flat",
    "share_card",
    "share_in_flat",
    "with_errors",
]

#: A plane that is not there, and a mask, as kernels know them.
NO_CALIBRATION = np.empty((0, 0), np.float32)
NO_MASK = np.empty((0, 0), np.bool_)
#: What a flat says that was divided by its level: what that was.
FLAT_LEVEL_CARD = "FLATLEVL"
#: What a combined frame says of its standard deviations: cards of those subtracted whose errors are in them, too.
WHOLE_CARD = "UNCERTIN"
#: What a flat, and a frame that is divided by it, says of amplifiers that saw no light: their names.
BLIND_CARD = "BLINDAMP"
#: An amplifier sees no light where its level in a flat is less than this part of that of the brightest one. Light that
#: is scattered beside a slit is more: half a percent and up.
_BLIND = 1e-3
#: Below this part of the level where a flat is not believed any more, it says nothing about a pixel.
_TELLS_NOTHING = 0.1

#: The level of a flat is first guessed on about so many pixels.
_GUESS_PIXELS = 1e5
#: Hot pixels stand this many times above the value that a hundredth of all exceeds.
_BRIGHTER = 10.0
_BRIGHT = 0.99


def brightest_hundredth(values: NDArray[Any]) -> float:
    """Return the value that a hundredth of others exceeds.

    Examples
    --------
    >>> brightest_hundredth(np.arange(200.0))
    198.0
    """
    place = min(int(_BRIGHT * values.size), values.size - 1)
    return float(np.partition(values, place)[place])


def level_of_flat(
    flat: NDArray[Any], mask: NDArray[np.bool_] | None = None, *, lowest: float = -np.inf
) -> float | None:
    """Return the level of a flat: the mean of its usable pixels; hot ones far above all others take no part.

    Parameters
    ----------
    flat : ndarray of float32 or float64, shape (ny, nx)
        Usable is what is finite and above zero.
    mask : ndarray of bool, optional
        What is masked is not used.
    lowest : float
        Finite pixels below count as this.

    Returns
    -------
    float or None
        None where no pixel can be used.

    Notes
    -----
    Far above is more than ten times the value that a hundredth of the usable pixels exceeds. The median would not do in
    its place: of a spectrograph's flat most pixels may be dark.

    Examples
    --------
    >>> flat = np.full((20, 20), 3.0)
    >>> flat[0, :4] = 0.0, np.nan, -1.0, 1e9
    >>> level_of_flat(flat)
    3.0
    """
    step = max(1, int(np.sqrt(flat.size / _GUESS_PIXELS)))
    sample = flat[::step, ::step]
    usable = np.isfinite(sample) & (sample > 0)
    if mask is not None:
        usable &= ~mask[::step, ::step]
    sample = sample[usable]
    if not sample.size and lowest <= 0.0:
        return None
    bright = brightest_hundredth(sample) if sample.size else lowest
    whole_mask = NO_MASK if mask is None else np.ascontiguousarray(mask)
    count, level = flat_level(flat, whole_mask, float(lowest), _BRIGHTER * max(bright, lowest))
    return level if count else None


def blind_regions(flat: NDArray[Any], regions: Sequence[Region], raw_shape_yx: tuple[int, ...]) -> list[Region]:
    """Return which of several amplifiers see no light in a flat.

    Parameters
    ----------
    flat : ndarray of float, shape (ny, nx)
        Less its bias.
    regions : sequence of Region
        What the amplifiers read.
    raw_shape_yx : tuple of int
        Of the raw frame.

    Examples
    --------
    >>> from zeroframe.frames.regions import Region
    >>> from zeroframe.headers.sections import Section
    >>> halves = [Region(trim=Section.parse(f"[{a}:{a + 4},*]"), place=Section.parse(f"[{a}:{a + 4},1:8]"), name=name)
    ...           for a, name in ((1, "A"), (6, "B"))]
    >>> flat = np.repeat([[900.0, 0.2]], 5, axis=1) * np.ones((8, 1))
    >>> [region.name for region in blind_regions(flat, halves, (8, 10))]
    ['B']
    """
    if len(regions) < 2:
        return []
    levels = [sampled_level(flat[region.place_yx(raw_shape_yx)]) for region in regions]
    brightest = max((level for level in levels if np.isfinite(level)), default=0.0)
    return [region for region, level in zip(regions, levels, strict=True) if level < _BLIND * brightest]


@dataclass(frozen=True, eq=False)
class Divisor:
    """A flat that every pixel can be divided by.

    Attributes
    ----------
    data, sigma : ndarray of float, shape (ny, nx); of ``sigma`` also (0, 0)
        Where the flat cannot be used, its level, without error: the pixel stays as it is.
    unusable : ndarray of bool, or None
        Where that is, and where the flat is too dim to be believed; None where it is nowhere.
    dim_pixels : int
        How many are too dim.
    """

    data: NDArray[Any]
    sigma: NDArray[Any]
    unusable: NDArray[np.bool_] | None
    dim_pixels: int = 0


def divisor_of(
    flat: NDArray[Any],
    sigma: NDArray[Any],
    mask: NDArray[np.bool_] | None,
    *,
    lowest: float = -np.inf,
    dimmest: float = -np.inf,
    level: float = 1.0,
    empty: Callable[..., NDArray[Any]] = np.empty,
    in_place: bool = False,
) -> Divisor:
    """Return a flat to divide by: its level where it cannot be used, and with a mask of where it is not believed.

    Parameters
    ----------
    flat : ndarray of float32 or float64, shape (ny, nx)
        Of any level. It cannot be used where it is masked, not finite, or, unless ``lowest`` is above zero, not above
        zero.
    sigma : ndarray of float, shape (ny, nx) or (0, 0)
        Its standard deviations.
    mask : ndarray of bool, or None
        What is masked.
    lowest : float
        Pixels below are taken as this, as ccdproc does it: their light comes out wrong, and nothing says so.
    dimmest : float
        Pixels below are not believed, and stay what they are. Those below a tenth of it, where a flat holds noise and
        stray light, cannot be used: what is divided by so little is larger than anything in the frame.
    level : float
        What counts as a flat of one.
    empty : callable
        Makes memory, as `numpy.empty` does.
    in_place : bool
        Whether the arrays may be written to. Otherwise they stay, and are those of the result where nothing has to be
        changed.

    Examples
    --------
    >>> found = divisor_of(np.array([[2.0, 0.1, 0.01, np.nan]]), NO_CALIBRATION, None, level=2.0, dimmest=0.2)
    >>> found.data, found.unusable
    (array([[2. , 0.1, 2. , 2. ]]), array([[False,  True,  True,  True]]))
    """
    unusable, below = empty(flat.shape, np.bool_), empty(flat.shape, np.bool_)
    with np.errstate(invalid="ignore"):
        tells_nothing = _TELLS_NOTHING * max(dimmest, 0.0) if lowest <= 0 else -np.inf
        np.greater(flat, tells_nothing, out=unusable)
        np.less(flat, np.inf, out=below)
        unusable &= below
        np.logical_not(unusable, out=unusable)
        np.less(flat, lowest, out=below)
    if mask is not None:
        unusable |= mask
    with np.errstate(invalid="ignore"):
        dim = flat < dimmest if dimmest > 0 else None
    raised, spoilt = lowest > 0 and bool(below.any()), bool(unusable.any())
    data = flat
    if raised or spoilt:
        data = flat if in_place else empty(flat.shape, flat.dtype)
        np.maximum(flat, flat.dtype.type(lowest) if raised else -np.inf, out=data)
    if spoilt:
        data[unusable] = level
        if sigma.size:
            given = sigma
            if not in_place:
                sigma = empty(sigma.shape, sigma.dtype)
                sigma[...] = given
            sigma[unusable] = 0.0
    dim_pixels = 0 if dim is None else int(np.count_nonzero(dim))
    if dim is not None and dim_pixels:
        unusable |= dim
        spoilt = True
    return Divisor(data, sigma, unusable if spoilt else None, dim_pixels)


def share_card(step_card: str) -> str:
    """Return the card of a combined flat that says how much of a bias or dark was subtracted from it, in the mean.

    It is there where that is not what was subtracted from each of its frames: they have different exposures, so that a
    dark is scaled, or different levels, so that an error counts more in the fainter ones.

    Examples
    --------
    >>> share_card("DARKCOR"), share_card("ZEROCOR")
    ('DARKPART', 'ZEROPART')
    """
    return f"{step_card[:4]}PART"


def share_in_flat(level: float | None, scale: float | None, within: Sequence[float | None]) -> float:
    """Return how much of a combined frame is in a flat, over its level, as `NoiseModel.bias_in_flat` has it.

    Parameters
    ----------
    level : float or None
        Of the flat, before it was divided by it. None: nothing is known to be shared.
    scale : float or None
        What the combined frame was multiplied by when it was subtracted from the flat; None: it was used as it is.
    within : sequence of (float or None)
        The same for what else was subtracted from the flat and is less this frame, as a dark is less its bias.

    Examples
    --------
    >>> share_in_flat(200.0, None, [0.5])
    0.0025
    """
    if level is None or not level > 0:
        return 0.0
    # as they are read again from a header
    scales = [1.0 if each is None else float(f"{each:.6g}") for each in (scale, *within)]
    return (scales[0] - sum(scales[1:])) / float(f"{level:.8g}")


def with_errors(
    sigma: NDArray[Any], parts: Sequence[tuple[NDArray[Any], float]], *, in_place: bool = False
) -> NDArray[Any]:
    """Return standard deviations with those of other frames among them.

    Parameters
    ----------
    sigma : ndarray of float, shape (ny, nx)
    parts : sequence of (ndarray, float)
        Standard deviations of the same shape, and by what their squares count; below zero for what another part has
        of them already.
    in_place : bool
        Whether ``sigma``, in C order, may be written to, and is the result; new memory for a frame of 34 MB takes some
        machines 70 ms. Otherwise it stays.

    Examples
    --------
    >>> with_errors(np.array([[3.0]]), [(np.array([[2.0]]), 4.0)])
    array([[5.]])
    """
    if not parts:
        return sigma if in_place else sigma.copy()
    own = np.ascontiguousarray(sigma)
    out = own if in_place else np.empty(sigma.shape, sigma.dtype)
    # to float64, where they differ: that changes no value
    dtype = np.result_type(*(other.dtype for other, _ in parts))
    others = tuple(np.ascontiguousarray(other, dtype).reshape(-1) for other, _ in parts)
    shares = np.array([share for _, share in parts])
    add_in_quadrature(own.reshape(-1), others, shares, out.reshape(-1))
    return out


def error_factor(cards: Mapping[str, Any]) -> float:
    """Return what the standard deviations of a combined frame are multiplied by to be those of its error.

    A combined frame of ccdproc's formula states std / sqrt(n), with the std divided by n; the error of a mean of n
    values is sqrt(n / (n - 1)) times that, on average of the variance. That of a median is sqrt(pi / 2) times sigma /
    sqrt(n). One that says UNCERTOF states the errors themselves.

    Parameters
    ----------
    cards : mapping
        Its header. Where NCOMBINE and COMBMETH do not say how it was made, its standard deviations are believed.

    Examples
    --------
    >>> round(error_factor({"NCOMBINE": 3, "COMBMETH": "average"}), 3), error_factor({"NCOMBINE": 3})
    (1.225, 1.0)
    """
    if ERROR_CARD in cards:
        return 1.0
    frames, method = cards.get("NCOMBINE"), cards.get("COMBMETH")
    if not isinstance(frames, int | float) or isinstance(frames, bool) or method is None or frames < 2:
        return 1.0
    return sqrt(pi / 2.0) if method == "median" else sqrt(frames / (frames - 1.0))
