"""Where light ends: the sharp edge between the image and a strip beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from zeroframe.frames.medians import median_of_valid
from zeroframe.headers.kinds import Kind
from zeroframe.inspection.blind_strips import is_lit_in_some_frame
from zeroframe.inspection.profiles import MOST_LINES, SIDES, Side, clipped_column_means, neighbour_variances
from zeroframe.inspection.samples import LIT, FrameSample
from zeroframe.inspection.stated_edges import ends_where_stated

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

__all__ = ["edge_signals", "find_edge", "find_widths", "light_at_edge", "lit_lines", "structure_ratio"]

#: A strip has at least so many columns: one odd column at the edge of a sensor is no overscan.
_NARROWEST = 3
_INSIDE = 5
#: From the last column of the strip to the first of the image light rises by at least this share of itself.
_LEAST_STEP = 0.6
#: The edge of a baffle takes more than a column, that of the sensor does not: what a few lines say has to be sure.
_LEAST_STEP_OF_ORDERS = 0.8
#: A column of the strip that holds more than this share of the light beside it is odd.
_MOST_LEAK = 0.5
#: Light falls at the edge by at least this share of itself.
_LEAST_FALL = 0.6
#: Columns of a strip that may be odd.
_ODD_SHARE = 0.2
_LEAST_LIGHT_IN_NOISE = 8.0
#: Along a side light is even enough that in 80 % of it, it falls by a quarter of what is usual.
_GROUPS, _LEAST_FALL_ALONG, _LEAST_SHARE_ALONG = 24, 0.25, 0.8
#: Orders of a spectrum light some lines of a side only: the brightest tenth. Light is even where that is not so many
#: times the usual; a line is lit where it has this part of theirs.
_BRIGHTEST, _EVEN, _LIT_PART = 0.9, 4.0, 0.5


def edge_signals(
    samples: Sequence[FrameSample], side: Side
) -> tuple[NDArray[np.float64] | None, NDArray[np.float64] | None]:
    """Return what light adds to the columns of a side, summed over the frames that see light (or dark current).

    Parameters
    ----------
    samples : sequence of FrameSample
        Frames of all kinds.
    side : {'left', 'right', 'bottom', 'top'}
        Which side.

    Returns
    -------
    signal : ndarray or None
        From the edge of the frame inwards, in ADU above the biases; None without a frame that sees light.
    zero : ndarray or None
        The biases; None where there are none, and then ``signal`` has no zero point.
    """
    lit = [sample.medians[side] for sample in samples if sample.kind in {*LIT, Kind.DARK}]
    biases = [sample.medians[side] for sample in samples if sample.kind is Kind.BIAS]
    zero = np.mean(biases, axis=0) if biases else None
    if not lit:
        return None, zero
    return np.sum(lit, axis=0) - (len(lit) * zero if zero is not None else 0.0), zero


def find_edge(
    signal: NDArray[np.float64],
    *,
    has_zero: bool,
    noise_adu: float,
    least_step: float = _LEAST_STEP,
    stated: int | None = None,
) -> int | None:
    """Return how many columns lie beyond the place where light ends within one column; None where it does not.

    Parameters
    ----------
    signal : ndarray, shape (depth,)
        From the edge of the frame inwards.
    has_zero : bool
        Whether the signal has a zero point.
    noise_adu : float
        Noise of one value of ``signal``.
    least_step : float, optional
        By which share of itself light rises from one column to the next.
    stated : int, optional
        The width that the header states: light that ends there may be as narrow as it likes.

    Returns
    -------
    int or None
        Width of the strip.

    Notes
    -----
    The light just inside is compared with that of the outer half of the columns beyond. It must fall by 60 % of itself
    (vignetting does not do that), and by 60 % of that from one column to the next (the end of a slit takes two or three
    columns: in the KPNO spectra its steps are 0.38 and 0.45, those at the overscan 0.96). All but a fifth of the
    columns beyond must be dark, and the rest of the zone inside must be lit, or it would be a star.
    """
    valid = np.nan_to_num(signal, nan=float(np.nanmedian(signal)) if np.isfinite(signal).any() else 0.0)
    best: list[tuple[int, float]] = []
    steps = np.diff(valid, prepend=valid[0])
    for edge in range(_NARROWEST, valid.size - _INSIDE):
        if steps[edge] < 0.3 * steps.max():
            continue
        inside = float(np.median(valid[edge : edge + _INSIDE]))
        base = float(np.median(valid[: max(edge // 2, _NARROWEST)]))
        fall = inside - base
        if fall < _LEAST_LIGHT_IN_NOISE * noise_adu or (has_zero and fall < _LEAST_FALL * inside):
            continue
        narrow = float(np.median(valid[edge:])) - base < _LEAST_FALL * fall
        if narrow and edge != stated:  # the trace of a star or of an order
            continue
        share = (valid[:edge] - base) / fall
        if steps[edge] >= least_step * fall and (np.abs(share) > _MOST_LEAK).mean() <= _ODD_SHARE:
            best.append((edge, float(steps[edge])))
    if not best:
        return None
    tallest = max(step for _, step in best)
    return next(edge for edge, step in best if step >= 0.7 * tallest)


def find_widths(
    samples: Sequence[FrameSample], noise_adu: float | None, stated: Mapping[Side, int] | None = None
) -> dict[Side, int]:
    """Find the strips on all four sides.

    Parameters
    ----------
    samples : sequence of FrameSample
        Frames of all kinds.
    noise_adu : float or None
        Read noise of one pixel, where biases gave it.
    stated : mapping of side to int, optional
        Widths of strips by the header.

    Returns
    -------
    dict of side to int
        Columns or rows of each strip that light proves: it ends there, and beyond no frame sees any.
    """
    widths: dict[Side, int] = {}
    for side in SIDES:
        signal, zero = edge_signals(samples, side)
        if signal is None:
            continue
        frames = sum(sample.kind in {*LIT, Kind.DARK} for sample in samples)
        lines = min(len(samples[0].zones[side]), MOST_LINES)
        # of the sum of medians, which are good to half a step
        half = 0.5 * max(sample.step_adu for sample in samples)
        noise = float(np.sqrt(frames)) * (1.25 * (noise_adu or 0.0) / float(np.sqrt(lines)) + half)
        said = None if stated is None else stated.get(side)
        width = _blind_width(samples, side, signal, noise, said)
        if width is None or not _ends_everywhere(samples, side, width):
            width = _end_of_orders(samples, side, noise_adu)
        if said is not None and zero is not None and (width is None or width > said):
            width = _width_as_stated(samples, side, signal, noise, said) or width
        if width is None:
            continue
        if zero is not None or _is_quieter(samples, side, width):
            widths[side] = width
    return widths


def _blind_width(
    samples: Sequence[FrameSample], side: Side, signal: NDArray[np.float64], noise_adu: float, stated: int | None
) -> int | None:
    """Return the width of the widest strip with an edge of light, beyond which no frame sees any; None for none."""
    has_zero = any(sample.kind is Kind.BIAS for sample in samples)
    width = find_edge(signal, has_zero=has_zero, noise_adu=noise_adu, stated=stated)
    while width is not None and is_lit_in_some_frame(samples, side, width):
        # the edge is one of a lamp or of something bright; that of the sensor may lie further out
        width = find_edge(signal[: width - 1], has_zero=has_zero, noise_adu=noise_adu, stated=stated)
    return width


def _width_as_stated(
    samples: Sequence[FrameSample], side: Side, signal: NDArray[np.float64], noise_adu: float, stated: int
) -> int | None:
    """Return the width that a header states, where the little light beside it ends there; None where it does not."""
    ends = ends_where_stated(signal, stated, _LEAST_LIGHT_IN_NOISE * noise_adu)
    seen = ends and not is_lit_in_some_frame(samples, side, stated) and _ends_everywhere(samples, side, stated)
    return stated if seen else None


def _end_of_orders(samples: Sequence[FrameSample], side: Side, noise_adu: float | None) -> int | None:
    """Return where light ends that is in some lines only, as orders are that run to the side; None where it does not.

    Of each column the brightest tenth of its lines is looked at, in the brightest flat less a bias.
    """
    flats = [sample for sample in samples if sample.kind is Kind.FLAT]
    biases = [sample for sample in samples if sample.kind is Kind.BIAS]
    if not (flats and biases and noise_adu):
        return None
    brightest = max(flats, key=lambda sample: float(np.nansum(sample.zones[side], dtype=np.float64)))
    light = brightest.zones[side].astype(np.float64) - biases[0].zones[side]
    valid = np.isfinite(light)
    if not valid.any():
        return None
    usual = float(np.median(light[valid]))
    upper = np.quantile(np.where(valid, light, usual), _BRIGHTEST, axis=0)
    if not float(np.median(upper)) > _EVEN * max(usual, 0.0):
        return None
    light = np.where(valid, light - usual, 0.0)
    upper -= usual
    width = find_edge(upper, has_zero=False, noise_adu=2.0 * noise_adu, least_step=_LEAST_STEP_OF_ORDERS)
    if width is None:
        return None
    # the brightest of a group of lines tell, as there are dark ones in each
    return width if _falls_along(light, width, _BRIGHTEST) else None


def _ends_everywhere(samples: Sequence[FrameSample], side: Side, width: int) -> bool:
    """Whether light ends at a place along most of the side, in the brightest frame: that of a slit or a star does not.

    Only the middle half of the side is asked, where no other strip can be.
    """
    brightest = max(
        (sample for sample in samples if sample.kind in {*LIT, Kind.DARK}),
        key=lambda sample: light_at_edge(sample, side, width),
    )
    return _falls_along(brightest.zones[side], width, 0.5)


def _falls_along(zone: NDArray[Any], width: int, part: float) -> bool:
    """Whether light, a quantile of each group of lines, falls at a place along most of the middle half of a side."""
    lines = zone[len(zone) // 4 : -(-3 * len(zone) // 4)]
    groups = np.array_split(lines, min(_GROUPS if part == 0.5 else _GROUPS // 3, len(lines)))
    falls = np.array(
        [
            np.nanquantile(group[:, width : width + _INSIDE], part)
            - np.nanquantile(group[:, : max(width // 2, 1)], part)
            for group in groups
        ]
    )
    return float(np.mean(falls > _LEAST_FALL_ALONG * np.median(falls))) >= _LEAST_SHARE_ALONG


def lit_lines(sample: FrameSample, side: Side, width: int) -> NDArray[np.bool_]:
    """Return which lines of a zone are lit beside a strip: all, but where light is in orders that run to it."""
    zone = sample.zones[side]
    every = np.ones(len(zone), dtype=np.bool_)
    inside = zone[:, width : width + _INSIDE].astype(np.float64)
    valid = np.isfinite(inside)
    if sample.kind is not Kind.FLAT or not valid.any(axis=1).all():
        return every
    beside = np.where(valid, inside, 0.0).sum(axis=1) / valid.sum(axis=1)
    beside -= float(np.nanmedian(sample.medians[side][: max(width // 2, 1)]))
    usual, bright = (float(np.quantile(beside, part)) for part in (0.5, _BRIGHTEST))
    if not bright > _EVEN * usual:
        return every
    return np.asarray(beside > _LIT_PART * bright)


def _is_quieter(samples: Sequence[FrameSample], side: Side, width: int) -> bool:
    """Whether pixels beyond an edge have less than half the variance of those inside, as only unlit ones have.

    Without biases nothing else tells a strip from a part of the image that is dark.
    """
    for sample in samples:
        if sample.kind not in LIT:
            continue
        variances = neighbour_variances(sample.zones[side][:, : width + max(width, _INSIDE)])
        if float(np.nanmedian(variances[: max(width // 2, 1)])) < 0.5 * float(np.nanmedian(variances[width:])):
            return True
    return False


def light_at_edge(sample: FrameSample, side: Side, width: int) -> float:
    """Return the light of the image beside a strip, in ADU above the outer half of the strip."""
    medians = sample.medians[side]
    dark = float(np.nanmedian(medians[: max(width // 2, 1)]))
    lines = lit_lines(sample, side, width)
    if not lines.all():
        return float(np.nanmedian(sample.zones[side][lines, width : width + _INSIDE])) - dark
    return float(np.nanmedian(medians[width : width + _INSIDE])) - dark


def structure_ratio(biases: Sequence[FrameSample], side: Side, width: int) -> tuple[float, float, float] | None:
    """Compare the columns of a would-be strip with those inside, where there is no light to tell.

    Parameters
    ----------
    biases : sequence of FrameSample
        Biases.
    side : {'left', 'right', 'bottom', 'top'}
        Which side.
    width : int
        Columns that are said to be a strip.

    Returns
    -------
    outside, inside : float
        Scatter of the column levels, the part that noise explains taken off, in ADU.
    step : float
        Level outside less level inside, in ADU. None instead of all three where there are too few columns.
    """
    reach = 2 * width + _INSIDE
    if width < _NARROWEST + 1 or biases[0].zones[side].shape[1] < width + _INSIDE + 2:
        return None
    results = [clipped_column_means(sample.zones[side][:, :reach]) for sample in biases]
    means = np.mean([means for means, _ in results], axis=0)
    error2 = float(np.mean([errors**2 for _, errors in results])) / len(results)

    def pattern(part: NDArray[np.float64]) -> float:
        residual = part - np.polyval(np.polyfit(np.arange(part.size), part, 1), np.arange(part.size))
        return float(np.sqrt(max(float(np.sum(residual**2)) / max(part.size - 2, 1) - error2, 0.0)))

    outer, inner = means[:width], means[width:]
    return pattern(outer), pattern(inner), float(median_of_valid(outer) - median_of_valid(inner))
