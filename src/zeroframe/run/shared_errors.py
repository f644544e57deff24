"""Errors that calibrated frames share, as of one bias, dark and flat: a mean of many frames has them as each has.

What frames scatter by does not show them. They are those of the combined frames that the headers name, which lie
beside the frames.
"""

from __future__ import annotations

import math
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from zeroframe.errors import AssumptionWarning
from zeroframe.fits.store.names import any_remote
from zeroframe.frames.calibration_frames import WHOLE_CARD, with_errors
from zeroframe.headers.kinds import calibration_kinds
from zeroframe.headers.survey import KEY_CARD
from zeroframe.records import dataclass
from zeroframe.run.cache import CalibrationCache

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from zeroframe.fits import Cards

__all__ = ["FrameShares", "SharedErrors"]

#: Planes that are in memory at once, for each pixel: bias, dark and flat with their deviations, and what comes of them.
_BYTES_OF_PIXEL = 4 * 8
_MOST_OF_MEMORY = 0.5


@dataclass(frozen=True, slots=True)
class FrameShares:
    """What part of each frame a combination holds that scales, shifts or weighs them.

    Attributes
    ----------
    parts : tuple of float
        What each frame is multiplied by on its way into the result.
    light : tuple of float
        Which part of the light of the result is that of each frame.
    added_adu : float
        What was added to the frames, as it stands in the result: no light.
    """

    parts: tuple[float, ...]
    light: tuple[float, ...]
    added_adu: float = 0.0

    @classmethod
    def of(
        cls,
        method: str,
        frames: int,
        weights: Sequence[float] | None = None,
        factors: Sequence[float] | None = None,
        offsets: Sequence[float] | None = None,
    ) -> FrameShares:
        """Return the shares of frames to which offsets are added, that are multiplied by factors, and weighted.

        Factors bring frames to one level: each has as much light in the result as it weighs. A median counts all alike.

        Examples
        --------
        >>> FrameShares.of("average", 2, weights=[1.0, 3.0], factors=[1.0, 2.0])
        FrameShares(parts=(0.25, 1.5), light=(0.25, 0.75), added_adu=0.0)
        """
        by_weight = np.ones(frames) if weights is None or method == "median" else np.asarray(weights, np.float64)
        light = by_weight / by_weight.sum()
        parts = (by_weight if method == "sum" else light) * (1.0 if factors is None else np.asarray(factors))
        added = 0.0 if offsets is None else float((parts * np.asarray(offsets)).sum())
        return cls(tuple(parts.tolist()), tuple(light.tolist()), added)


class SharedErrors:
    """What is added to the uncertainties of a combination of frames that zeroframe has calibrated.

    Parameters
    ----------
    headers : mapping of pathlib.Path to Cards
        Of the frames. Those that zeroframe did not make tell nothing.
    shape_yx : tuple of int
        Of the combined frame.
    limit_bytes : int
        How much memory there is; where it does not do, nothing is added, and that is said.
    """

    def __init__(self, headers: Mapping[Path, Cards], shape_yx: tuple[int, ...], limit_bytes: int) -> None:
        self._headers, self._shape_yx, self._limit_bytes = headers, shape_yx, limit_bytes

    def added(
        self,
        data: NDArray[Any],
        sigma: NDArray[Any] | None,
        paths: Sequence[Path],
        method: str,
        shares: FrameShares | None = None,
    ) -> tuple[NDArray[Any] | None, dict[str, tuple[Any, str]], float]:
        """Return standard deviations with the errors that all frames have in common, and what the header says.

        Parameters
        ----------
        data, sigma : ndarray of float, shape (ny, nx)
            The combined frame. Without uncertainties nothing is added; else it is added to them in place.
        paths : sequence of pathlib.Path
            The frames that were combined.
        method : {'average', 'median', 'sum'}
            How.
        shares : FrameShares, optional
            What of each frame is in the result, where they do not count alike.

        Returns
        -------
        sigma, cards, level_error
            The last one is the error of the level that the frames have in common; 0: not known.
        """
        # frames of one bias, dark and flat together; the errors of others have nothing in common with theirs
        alike: dict[tuple[str, ...], list[Path]] = {}
        for path in paths if sigma is not None else ():
            if any(named := self._named(path)):
                alike.setdefault((str(path.parent), *named), []).append(path)
        if sigma is None or not alike:
            return sigma, {}, 0.0
        lacking = self._lacking([same[0] for same in alike.values()])
        if lacking:
            text = f"UNCERT leaves out the errors of bias, dark and flat, which all frames share: {lacking}"
            warnings.warn(text, AssumptionWarning, stacklevel=2)
            return sigma, {}, 0.0
        if shares is not None:
            data = data - data.dtype.type(shares.added_adu)
        variance = np.zeros(data.shape, sigma.dtype)
        levels, cards = 0.0, dict[str, None]()
        for same in alike.values():
            share = len(same) / len(paths)
            part = float(len(same)) if method == "sum" else share
            if shares is not None:
                chosen = [place for place, path in enumerate(paths) if path in same]
                share, part = (sum(each[place] for place in chosen) for each in (shares.light, shares.parts))
            cache = CalibrationCache(same[0].parent, self._limit_bytes)
            found = self._add(variance, data * sigma.dtype.type(share), self._headers[same[0]], part, cache)
            cards |= dict.fromkeys(found)
            levels += (part * cache.level_error(self._headers[same[0]])) ** 2
        if not cards:
            return sigma, {}, 0.0
        np.sqrt(np.maximum(variance, 0.0, out=variance), out=variance)
        said = {WHOLE_CARD: (" ".join(cards), "whose errors are in UNCERT, too")}
        return with_errors(sigma, [(variance, 1.0)], in_place=True), said, math.sqrt(levels)

    def _named(self, path: Path) -> tuple[str, ...]:
        """Return the combined frames that a frame of ours was calibrated with, as its header names them."""
        cards = self._headers[path]
        return tuple(str(cards.get(row.card) or "") if KEY_CARD in cards else "" for row in calibration_kinds())

    def _lacking(self, paths: Sequence[Path]) -> str:
        """Say what is not there of what is needed; empty where nothing is missing."""
        if _BYTES_OF_PIXEL * math.prod(self._shape_yx) > _MOST_OF_MEMORY * self._limit_bytes:
            return "there is too little memory for them"
        files = [path.parent / said.partition(" x ")[0] for path in paths for said in self._named(path) if said]
        missing = [file.name for file in dict.fromkeys(files) if any_remote(file) or not file.is_file()]
        return f"{', '.join(missing)} {'is' if len(missing) == 1 else 'are'} not beside them" if missing else ""

    @staticmethod
    def _add(
        variance: NDArray[Any], light: NDArray[Any], cards: Cards, part: float, cache: CalibrationCache
    ) -> list[str]:
        """Add the squares of the errors that frames have in common; return the cards that name whose.

        What was subtracted counts by ``part``, and the flat by the light of these frames in the combined one.
        """
        factor = float(cards.get("GAINCOR", 1.0))
        found, added = [], np.zeros(variance.shape, variance.dtype)
        for card, (sigma, share) in cache.inherited(cards).items():
            if sigma.shape == variance.shape:
                added += np.square(sigma) * variance.dtype.type(share * (part * factor) ** 2)
                found.append(card)
        for row in calibration_kinds():
            flat = cache.flat(str(cards[row.card]), None) if row.divides and cards.get(row.card) else None
            if flat is not None and flat.data.shape == variance.shape:
                added /= np.square(flat.data)
                if flat.sigma.shape == variance.shape:
                    added += np.square(light * flat.sigma / flat.data * variance.dtype.type(flat.sigma_factor))
                    found.append(row.card)
        variance += np.nan_to_num(added, copy=False, nan=0.0, posinf=0.0, neginf=0.0)
        return found
