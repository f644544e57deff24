"""``Combiner``: frames in memory that are clipped step by step, then combined; ccdproc's class, with its names."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import numpy as np

from zeroframe.errors import ArgumentError, NoFramesError, UsageError, nearest_name
from zeroframe.fits.precision import float_dtype
from zeroframe.headers.result_cards import combined_cards
from zeroframe.kernels.sorting import sorting_pairs
from zeroframe.stacks.combine import (
    CENTERS,
    SPREADS,
    Combined,
    CombineSpec,
    Method,
    Rejection,
    combine_stack,
)
from zeroframe.stacks.functions import Statistic, quiet_about_empty_pixels, statistic_name
from zeroframe.stacks.rejecting import reject_in_tile
from zeroframe.stacks.stack import ArrayStack
from zeroframe.verbs.ccddata import require_ccd
from zeroframe.verbs.combine import AXES, image_shape, require_alike, to_ccd
from zeroframe.verbs.exceptions import VerbAssumptionWarning
from zeroframe.verbs.levels import level_by
from zeroframe.workers import map_threads

if TYPE_CHECKING:
    from astropy.nddata import CCDData
    from numpy.typing import ArrayLike, DTypeLike, NDArray

__all__ = ["Combiner"]

_CLIP_OPTIONS = ("maxiters",)
_ROWS_OF_TILE = 64


class Combiner:
    """Frames that are scaled, clipped in as many steps as wanted, and combined.

    Parameters
    ----------
    ccd_iter : iterable of CCDData
        Frames of one shape and unit, of one, two or three axes; they are copied and never changed.
    dtype : dtype, optional
        float32 or float64; by default float32, float64 where a frame is.

    Attributes
    ----------
    data_arr : numpy.ma.MaskedArray, shape (frames, ny, nx)
        The frames that are worked on, masked where a pixel was masked, is not finite or has been rejected. Pixels and
        mask may be changed in place: every step looks at what stands there.

    Raises
    ------
    ArgumentError
        When something is not a CCDData.
    UnlikeFramesError
        When shapes or units differ; a MismatchError, and a TypeError as in ccdproc.

    Notes
    -----
    Every step looks at the scaled values, and only at those that are still there. ccdproc scales after clipping, and
    clips by statistics that count masked values too; see ``docs/ccdproc.md``.

    Examples
    --------
    >>> import numpy as np
    >>> from astropy.nddata import CCDData
    >>> combiner = Combiner([CCDData(np.full((2, 2), value), unit="adu") for value in (1.0, 2.0, 3.0, 90.0)])
    >>> combiner.clip_extrema(nlow=1, nhigh=1)
    >>> combiner
    <Combiner: 4 frames of 2 x 2 pixels, adu, float64; 8 of 16 values left out>
    >>> combiner.average_combine().data
    array([[2.5, 2.5],
           [2.5, 2.5]])
    """

    def __init__(self, ccd_iter: Iterable[CCDData], dtype: DTypeLike | None = None) -> None:
        if not isinstance(ccd_iter, Iterable):
            raise ArgumentError(f"ccd_iter must be a list or generator of CCDData, not {type(ccd_iter).__name__}")
        self.ccd_list = [require_ccd(ccd, f"frame {number}", axes=AXES) for number, ccd in enumerate(ccd_iter, start=1)]
        if not self.ccd_list:
            raise NoFramesError("there is nothing to combine: the list of frames is empty")
        require_alike(self.ccd_list)
        self.unit = self.ccd_list[0].unit
        wanted = np.result_type(*(float_dtype(ccd.data.dtype) for ccd in self.ccd_list)) if dtype is None else dtype
        values = np.stack([np.asarray(ccd.data).astype(wanted, copy=False) for ccd in self.ccd_list])
        mask = ~np.isfinite(values)
        for plane, ccd in zip(mask, self.ccd_list, strict=True):
            if ccd.mask is not None:
                np.logical_or(plane, np.asarray(ccd.mask, dtype=bool), out=plane)
        self.data_arr: np.ma.MaskedArray[Any, Any] = np.ma.MaskedArray(values, mask)
        self._weights: NDArray[Any] | None = None
        self._factors = np.ones(len(self.ccd_list))
        self._scaled = False

    def __repr__(self) -> str:
        frames, *shape = self.data_arr.shape
        size = " x ".join(map(str, reversed(shape)))
        told = f"{frames} frame{'' if frames == 1 else 's'} of {size} pixels, {self.unit}, {self.dtype.name}"
        masked = np.count_nonzero(np.ma.getmaskarray(self.data_arr))
        if masked:
            told += f"; {masked} of {self.data_arr.size} values left out"
        more = [word for word, there in (("weights", self._weights is not None), ("scaling", self._scaled)) if there]
        return f"<Combiner: {told}{'; with ' + ' and '.join(more) if more else ''}>"

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type that values are kept and combined in."""
        kept: np.dtype[Any] = self.data_arr.dtype
        return kept

    def _planes(self) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        """Return pixels and mask as images, (frames, ny, nx) each, whatever the frames' number of axes; not copies."""
        if np.ma.getmask(self.data_arr) is np.ma.nomask:
            self.data_arr.mask = np.zeros(self.data_arr.shape, dtype=bool)
        shape = (len(self.ccd_list), *image_shape(self.data_arr.shape[1:]))
        return np.ma.getdata(self.data_arr).reshape(shape), np.ma.getmaskarray(self.data_arr).reshape(shape)

    def _beside_frames(self, values: NDArray[Any]) -> NDArray[Any]:
        """Return one value a frame so that it spreads over the pixels."""
        return values.reshape(-1, *(1,) * (self.data_arr.ndim - 1))

    @property
    def weights(self) -> NDArray[Any] | None:
        """Weights for averages and sums: shape (frames,) or (frames, ny, nx); None for none."""
        return self._weights

    @weights.setter
    def weights(self, value: NDArray[Any] | None) -> None:
        if value is None:
            self._weights = None
            return
        if not isinstance(value, np.ndarray):
            raise ArgumentError(f"weights must be a numpy array, not {type(value).__name__}")
        whole = self.data_arr.shape
        if value.shape not in {whole, whole[:1]}:
            raise UsageError(f"weights have shape {value.shape}; these frames need {whole[:1]} or {whole}")
        self._weights = value

    @property
    def scaling(self) -> NDArray[np.float64] | None:
        """Factors that frames are multiplied by, shape (frames, 1, 1) for images; None for none."""
        return self._beside_frames(self._factors) if self._scaled else None

    @scaling.setter
    def scaling(self, value: Callable[..., Any] | ArrayLike | None) -> None:
        self._scaled = False
        self._factors = np.ones(len(self.ccd_list))
        if value is None:
            return
        if callable(value):
            # of a frame that is masked as a whole no level can be said, and none is needed
            whole = [bool(np.ma.getmaskarray(frame).all()) for frame in self.data_arr]
            pairs = zip(self.data_arr, whole, strict=True)
            factors = np.array([1.0 if masked else level_by(value, frame.copy()) for frame, masked in pairs])
        elif np.ndim(value) == 0:
            raise ArgumentError(f"scaling is {value!r}; give a function, or one factor for each frame")
        else:
            factors = np.asarray(value, dtype=np.float64)
        if factors.shape != (len(self.ccd_list),):
            raise UsageError(
                f"scaling needs a function, or one factor for each of the {len(self.ccd_list)} frames; "
                f"it has shape {factors.shape}"
            )
        self._factors, self._scaled = factors, True

    def clip_extrema(self, nlow: int | None = 0, nhigh: int | None = 0) -> None:
        """Reject the ``nlow`` lowest and ``nhigh`` highest values of each pixel.

        Where values are missing, the same fraction of what is left is rejected, cut to a whole number, as IRAF does.
        Numbers that leave nothing mask every pixel, as in ccdproc, with a warning.
        """
        rejection = Rejection(drop_low=nlow or 0, drop_high=nhigh or 0)
        if rejection.drop_low + rejection.drop_high < len(self.ccd_list):
            self._reject(rejection)
            return
        text = f"nlow={nlow} and nhigh={nhigh} leave nothing of {len(self.ccd_list)} frames: every pixel is masked"
        warnings.warn(text, VerbAssumptionWarning, stacklevel=2)
        self.data_arr.mask = True

    def minmax_clipping(self, min_clip: float | None = None, max_clip: float | None = None) -> None:
        """Reject values below ``min_clip`` or above ``max_clip``."""
        self._reject(Rejection(value_low=min_clip, value_high=max_clip))

    def sigma_clipping(
        self,
        low_thresh: float | None = 3,
        high_thresh: float | None = 3,
        func: Statistic = "mean",
        dev_func: Statistic = "std",
        **kwd: Any,  # noqa: ANN401 -- checked by name
    ) -> None:
        """Reject values further from the center than so many spreads.

        Parameters
        ----------
        low_thresh, high_thresh : float or None
            How many; None rejects nothing on that side.
        func, dev_func : str or callable
            Center (``'mean'``, ``'median'``) and spread (``'std'``, ``'mad_std'``), or functions that take a stack with
            NaN and ``axis=0``.
        **kwd
            ``maxiters``: how often clipping is repeated at most; 1 by default.

        Raises
        ------
        ArgumentError
            When an argument is not known.
        """
        for name in kwd:
            if name not in _CLIP_OPTIONS:
                raise ArgumentError(f"sigma_clipping() has no argument {name!r}{nearest_name(name, _CLIP_OPTIONS)}")
        rejection = Rejection(
            sigma_low=low_thresh,
            sigma_high=high_thresh,
            center=statistic_name(func, CENTERS),
            spread=statistic_name(dev_func, SPREADS),
            iterations=kwd.get("maxiters", 1),
        )
        self._reject(rejection)

    def _reject(self, rejection: Rejection) -> None:
        """Mask where a scaled value is rejected."""
        values, mask = self._planes()
        frames, ny, _ = values.shape
        pairs = sorting_pairs(frames)

        def one_tile(start: int) -> None:
            rows = slice(start, start + _ROWS_OF_TILE)
            scaled = np.ascontiguousarray(values[:, rows] * self._factors[:, None, None].astype(values.dtype))
            scaled[mask[:, rows]] = np.nan
            reject_in_tile(scaled, rejection, np.ones(frames), pairs)
            mask[:, rows] |= np.isnan(scaled)

        with quiet_about_empty_pixels() if rejection.in_numpy else nullcontext():
            map_threads(one_tile, range(0, ny, _ROWS_OF_TILE))

    def median_combine(
        self,
        median_func: Callable[..., Any] | None = None,
        scale_to: float | ArrayLike | None = None,
        uncertainty_func: Statistic | None = None,
    ) -> CCDData:
        """Combine by the median; the uncertainty is 1.4826 MAD / sqrt(n).

        Parameters
        ----------
        median_func : callable, optional
            Instead of the median; called with a masked array and ``axis=0``.
        scale_to : float or array_like, optional
            Factor for all frames, or one for each; overrides `scaling`.
        uncertainty_func : callable, optional
            Spread from which the uncertainty is made; called with NaN for what is masked, and ``axis=0``.

        Returns
        -------
        CCDData
            With uncertainty, mask where nothing was left, NCOMBINE, and in ``flags`` how many frames each pixel used.
        """
        return self._combine("median", median_func, scale_to, uncertainty_func, weighted=False)

    def average_combine(
        self,
        scale_func: Callable[..., Any] | None = None,
        scale_to: float | ArrayLike | None = None,
        uncertainty_func: Statistic | None = None,
        sum_func: Callable[..., Any] | None = None,
    ) -> CCDData:
        """Combine by the average, weighted where there are weights; the uncertainty is std / sqrt(n).

        Parameters
        ----------
        scale_func : callable, optional
            Instead of the average; called with a masked array and ``axis=0``. (The name is ccdproc's.)
        scale_to, uncertainty_func
            As for `median_combine`.
        sum_func : callable, optional
            What weighted values and weights are summed by; called with masked arrays and ``axis=0``.

        Returns
        -------
        CCDData
            As for `median_combine`.
        """
        function = scale_func
        if sum_func is not None and self._weights is not None:
            function = self._weighted_by(sum_func)
        return self._combine("average", function, scale_to, uncertainty_func, weighted=True)

    def sum_combine(
        self,
        sum_func: Callable[..., Any] | None = None,
        scale_to: float | ArrayLike | None = None,
        uncertainty_func: Statistic | None = None,
    ) -> CCDData:
        """Combine by the sum of what is left, weighted where there are weights; the uncertainty is std * sqrt(n).

        Parameters
        ----------
        sum_func : callable, optional
            Instead of the sum; called with a masked array and ``axis=0``.
        scale_to, uncertainty_func
            As for `median_combine`.

        Returns
        -------
        CCDData
            As for `median_combine`.
        """
        return self._combine("sum", sum_func, scale_to, uncertainty_func, weighted=True)

    def _weighted_by(self, sum_func: Callable[..., Any]) -> Callable[..., Any]:
        weights = self._weights
        if weights is not None and weights.ndim == 1:
            weights = self._beside_frames(weights)

        def average(values: np.ma.MaskedArray[Any, Any], axis: int) -> Any:  # noqa: ANN401 -- an array of either kind
            carried = np.ma.MaskedArray(np.broadcast_to(weights, values.shape), values.mask)  # type: ignore[arg-type]
            return sum_func(values * carried, axis=axis) / sum_func(carried, axis=axis)

        return average

    def _combine(
        self,
        method: Method,
        function: Callable[..., Any] | None,
        scale_to: float | ArrayLike | None,
        uncertainty_func: Statistic | None,
        *,
        weighted: bool,
    ) -> CCDData:
        from astropy.io.fits import Header

        frames = len(self.ccd_list)
        factors = self._factors
        if scale_to is not None:
            given = np.asarray(scale_to, dtype=np.float64)
            factors = np.broadcast_to(given.reshape(-1) if given.size in {1, frames} else given, (frames,))
        spread = None if uncertainty_func is None else statistic_name(uncertainty_func, SPREADS)
        names = tuple(f"frame {number}" for number in range(1, frames + 1))
        values, mask = self._planes()
        mask |= ~np.isfinite(values)
        weights = self._weights if weighted else None
        combined = combine_stack(
            ArrayStack(list(values), list(mask), names),
            CombineSpec(method, uncertainty=spread),
            factors=np.ascontiguousarray(factors),
            weights=weights if weights is None or weights.ndim == 1 else weights.reshape(values.shape),
        ).reshape(self.data_arr.shape[1:])
        if function is not None:
            combined = self._by_function(combined, function, factors)
        header = Header()
        combined_cards(header, names, method=method, rejection="by steps of a Combiner")
        return to_ccd(combined, self.unit, header)

    def _by_function(self, combined: Combined, function: Callable[..., Any], factors: NDArray[np.float64]) -> Combined:
        """Return the same with the data made by a function of the caller's own."""
        values = self.data_arr * self._beside_frames(factors).astype(self.dtype)
        data = np.ma.MaskedArray(function(values, axis=0)).filled(np.nan)
        return Combined(np.asarray(data, dtype=self.dtype), combined.uncertainty, combined.counts)
