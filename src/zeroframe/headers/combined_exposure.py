"""The exposure of a combined frame: of a sum the sum, of an average the mean of those that took part.

And what else of the frames differs, and is a number of which the mean is true of the combined frame.
"""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING, Any

import numpy as np

from zeroframe.headers.dialects import number_words

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

__all__ = ["combined_conditions", "combined_exposure"]

#: Beside the temperature of the sensor, by the words of `dialects.toml`.
_CONDITIONS = ("AIRMASS",)


def combined_exposure(
    headers: Sequence[Mapping[str, object]],
    method: str,
    *,
    factors: NDArray[np.float64] | None = None,
    weights: NDArray[Any] | None = None,
    kept: float = 1.0,
) -> dict[str, tuple[float, str]]:
    """Return what the cards of exposure say in the header of a combined frame, where that is not what the first says.

    Parameters
    ----------
    headers : sequence of mapping
        Of the frames, in their order.
    method : {'average', 'median', 'sum'}
        How they were combined.
    factors : ndarray of float, optional
        What each was multiplied by: its exposure counts as if it had been so much longer.
    weights : ndarray of float, shape (frames,), optional
        Of averages and sums.
    kept : float
        Of a sum: the fraction of its values that each pixel has, where some are always dropped.

    Returns
    -------
    dict of str to (float, str)
        By card, in the unit of the card; a card that not all frames have, or that is no number, is not in it.

    Examples
    --------
    >>> headers = [{"EXPTIME": 10.0}, {"EXPTIME": 20.0}, {"EXPTIME": 60.0}]
    >>> combined_exposure(headers, "sum")
    {'EXPTIME': (90.0, 'sum of the exposures of 3 frames')}
    >>> combined_exposure(headers, "average")
    {'EXPTIME': (30.0, 'mean of 3 exposures, from 10 to 60')}
    >>> combined_exposure(headers[:1] * 3, "average")
    {}
    """
    scale = np.ones(len(headers)) if factors is None else factors
    shares = np.ones(len(headers)) if weights is None else weights
    found: dict[str, tuple[float, str]] = {}
    for card in number_words("exposure"):
        values = _numbers_of(headers, card)
        if values is None:
            continue
        each = scale * values
        if method == "sum":
            total = float((shares * each).sum()) * kept
            said = f"sum of the exposures of {each.size} frames"
        else:
            # that of numpy imports its masked arrays, in 8 ms
            total = median(each.tolist()) if method == "median" else float((shares * each).sum() / shares.sum())
            what = "median" if method == "median" else "mean"
            said = f"{what} of {each.size} exposures, from {each.min():.6g} to {each.max():.6g}"
        if not np.isclose(total, each[0], rtol=1e-9, atol=0.0):
            found[card] = (float(f"{total:.9g}"), said)
        elif method != "sum" and np.ptp(each) > 0 and not np.allclose(each, each[0], rtol=1e-6):
            found[card] = (float(each[0]), said)
    return found


def combined_conditions(
    headers: Sequence[Mapping[str, object]], *, weights: NDArray[Any] | None = None
) -> dict[str, tuple[float, str]]:
    """Return temperature and airmass of a combined frame, where they are not what the first header says: the means.

    Parameters
    ----------
    headers : sequence of mapping
        Of the frames, in their order.
    weights : ndarray of float, shape (frames,), optional
        Of averages and sums.

    Returns
    -------
    dict of str to (float, str)
        As of `combined_exposure`.

    Examples
    --------
    >>> combined_conditions([{"CCD-TEMP": -9.0, "AIRMASS": 1.2}, {"CCD-TEMP": -10.0}])
    {'CCD-TEMP': (-9.5, 'mean of 2 frames, from -10 to -9')}
    """
    found: dict[str, tuple[float, str]] = {}
    for card in (*number_words("temperature"), *_CONDITIONS):
        values = _numbers_of(headers, card)
        if values is not None and np.ptp(values) > 0:
            mean = float(np.average(values, weights=weights))
            said = f"mean of {values.size} frames, from {values.min():.6g} to {values.max():.6g}"
            found[card] = (float(f"{mean:.6g}"), said)
    return found


def _numbers_of(headers: Sequence[Mapping[str, object]], card: str) -> NDArray[np.float64] | None:
    """Return what all headers say; None where one has no such card, or one that is no number."""
    values = [header.get(card) for header in headers]
    if not all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in values):
        return None
    return np.array(values, dtype=np.float64)
