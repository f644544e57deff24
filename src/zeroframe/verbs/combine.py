"""Combine frames that are CCDData or files: ccdproc's ``combine``, with its argument names."""

from __future__ import annotations

import inspect
import os
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, TypedDict, Unpack, get_args

import numpy as np

from zeroframe.errors import ArgumentError, MismatchError, NoFramesError, UsageError, nearest_name
from zeroframe.fits import scan
from zeroframe.fits.inputs import Inputs
from zeroframe.fits.precision import float_dtype
from zeroframe.fits.store.names import as_path
from zeroframe.headers.extensions import part_of
from zeroframe.headers.one_detector import require_one_detector
from zeroframe.headers.own_results import apart_from
from zeroframe.headers.result_cards import combined_cards
from zeroframe.records import dataclass
from zeroframe.stacks.combine import (
    CENTERS,
    SPREADS,
    Combined,
    CombineSpec,
    Method,
    Rejection,
    combine_stack,
    require_room,
    result_bytes,
)
from zeroframe.stacks.empty_frames import NO_VALUE, is_empty
from zeroframe.stacks.functions import Statistic, statistic_name
from zeroframe.stacks.loss import warn_of_loss
from zeroframe.stacks.measured import with_pooled_noise
from zeroframe.stacks.stack import ArrayStack, Stack, held_bytes, open_stack
from zeroframe.verbs.ccddata import read_ccd, require_ccd, unit_of, wcs_of
from zeroframe.verbs.exceptions import (
    UnlikeFramesError,
    UnlikeFrameUnitsError,
    VerbAssumptionWarning,
    as_python_says,
)
from zeroframe.verbs.levels import scale_factors, zero_offsets
from zeroframe.verbs.rejections import NamedRejection, with_named
from zeroframe.workers import default_limit_bytes, parse_size

if TYPE_CHECKING:
    from astropy.io.fits import Header
    from astropy.nddata import CCDData
    from astropy.units import Unit
    from numpy.typing import ArrayLike, NDArray

__all__ = ["AXES", "combine", "image_shape", "require_alike", "to_ccd"]

#: How many axes frames in memory may have; files hold images.
AXES = (1, 2, 3)
#: How the CCD Data Reduction Guide misspells an argument in every chapter but the first, and what it means by it.
_GUIDES_SPELLING: Mapping[str, str] = {"signma_clip_dev_func": "sigma_clip_dev_func"}

#: The uncertainty of each pixel's error, beside the spreads of ccdproc's formula.
_POOLED = "pooled"

#: As many rows of all frames as numpy's functions need at once.
_ROWS_IN_HAND = 16

Frames: TypeAlias = "Iterable[CCDData | str | os.PathLike[str]] | str | os.PathLike[str]"


class ReaderWords(TypedDict, total=False):
    """Further arguments of `combine`: those of astropy's reader, and one that is misspelt in a public guide."""

    hdu: int | str
    hdu_mask: str | None
    hdu_uncertainty: str | None
    hdu_flags: str | None
    hdu_psf: str | None
    key_uncertainty_type: str
    memmap: bool
    mode: str
    uint: bool
    ignore_blank: bool
    ignore_missing_end: bool
    ignore_missing_simple: bool
    output_verify: str
    signma_clip_dev_func: Statistic


def _with_extension(frames: list[Any], ext: int | str | tuple[str, int] | None) -> list[Any]:
    """Return paths that lead to one extension of each file; other frames as they are."""
    if ext is None:
        return frames
    return [part_of(as_path(one), ext) if isinstance(one, (str, os.PathLike)) else one for one in frames]


def _frame_list(img_list: object) -> list[Any]:
    """Return the frames asked for as a list."""
    if isinstance(img_list, (str, os.PathLike)):
        text = os.fspath(img_list)
        return [part.strip() for part in text.split(",")] if "," in text and not Path(text).exists() else [text]
    if isinstance(img_list, np.ndarray):
        return list(img_list.tolist())
    if isinstance(img_list, Iterable):
        return list(img_list)
    raise UsageError(f"unrecognised input for list of images: {img_list!r}; give CCDData or names of files in a list")


def _reader_words(words: Mapping[str, Any]) -> dict[str, Any]:
    """Return what of the arguments is the reader's; refuse those that nobody knows, and name the nearest.

    Raises
    ------
    ArgumentError
        For a name that is not known.
    """
    for name in words:
        if name in _GUIDES_SPELLING:
            text = f"{name} is misspelt, in the public guide, too, and taken for {_GUIDES_SPELLING[name]}"
            warnings.warn(text, VerbAssumptionWarning, stacklevel=3)
        elif name not in ReaderWords.__optional_keys__:
            known = [name for name in inspect.signature(combine).parameters if name != "words"]
            hint = nearest_name(name, [*known, *sorted(ReaderWords.__optional_keys__ - set(_GUIDES_SPELLING))])
            raise ArgumentError(f"combine() has no argument {name!r}{hint}")
    return {name: value for name, value in words.items() if name not in _GUIDES_SPELLING}


def _opened(frame: object, unit: str | Unit | None, reader: Mapping[str, Any]) -> object:
    if not isinstance(frame, (str, os.PathLike)):
        return frame
    if not reader:
        return read_ccd(frame, unit)
    from astropy.nddata import fits_ccddata_reader

    return fits_ccddata_reader(frame, unit=unit, **reader)


def _layout_of(path: str | os.PathLike[str]) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """Return the shape of an image in a file, and the type that it is combined in."""
    layout = scan(path).image().layout
    return ((0, 0), np.dtype(np.float32)) if layout is None else (layout.shape_yx, float_dtype(np.dtype(layout.dtype)))


def _limit_bytes(
    mem_limit: float | str | None, frames: int, layout: Callable[[], tuple[tuple[int, ...], np.dtype[Any]]]
) -> int:
    """Return the memory that there is: what was said, and the result on top where that alone would not do."""
    if mem_limit is None:
        return default_limit_bytes()
    limit = parse_size(mem_limit)
    shape, dtype = layout()
    result = result_bytes(shape, dtype)
    rows = _ROWS_IN_HAND * frames * shape[-1] * dtype.itemsize
    return limit if limit >= result + rows else limit + result


def _weights_of(weights: NDArray[Any], stack: Stack) -> NDArray[Any]:
    """Return weights of each pixel as the stack has its frames; others as they are."""
    shape = (len(stack.names), *stack.shape_yx)
    return weights.reshape(shape) if weights.ndim > 1 and weights.size == np.prod(shape) else weights


def _stack_of_ccds(frames: Sequence[object]) -> tuple[Stack, CCDData, Unit]:
    """Frames in memory as a stack, with the frame whose header the result takes over."""
    ccds = [require_ccd(frame, f"frame {number}", axes=AXES) for number, frame in enumerate(frames, start=1)]
    require_alike(ccds)
    names = tuple(f"frame {number}" for number in range(1, len(ccds) + 1))
    shape = image_shape(ccds[0].shape)
    arrays = [np.asarray(ccd.data).reshape(shape) for ccd in ccds]
    masks = [None if ccd.mask is None else np.broadcast_to(ccd.mask, ccd.shape).reshape(shape) for ccd in ccds]
    return ArrayStack(arrays, masks, names), ccds[0], ccds[0].unit


def image_shape(shape: tuple[int, ...]) -> tuple[int, int]:
    """Return as what image an array of any number of axes is worked on.

    Examples
    --------
    >>> image_shape((7,)), image_shape((5, 7)), image_shape((3, 5, 7))
    ((1, 7), (5, 7), (15, 7))
    """
    return int(np.prod(shape[:-1])), int(shape[-1])


def require_alike(ccds: Sequence[CCDData]) -> None:
    """Refuse frames of other shape or unit than the first, and those of several detectors.

    Raises
    ------
    UnlikeFramesError
        Naming the frame.
    MismatchError
        When headers name different detectors, or binnings.
    """
    first = ccds[0]
    for number, ccd in enumerate(ccds, start=1):
        name = f"frame {number}"
        if ccd.shape != first.shape:
            size, first_size = (" x ".join(str(n) for n in reversed(frame.shape)) for frame in (ccd, first))
            raise UnlikeFramesError(name, f"is {size} pixels, the first {first_size}", "leave it out")
        if ccd.unit != first.unit:
            raise UnlikeFrameUnitsError(name, f"is in {ccd.unit}, the first in {first.unit}", "convert one of them")
    if not _on_one_grid(ccds):
        require_one_detector([(f"frame {number}", ccd.meta) for number, ccd in enumerate(ccds, start=1)])


def _on_one_grid(ccds: Sequence[CCDData]) -> bool:
    """Whether frames have the same world coordinates: then they may be of several detectors, projected to one grid."""
    first = ccds[0].wcs
    return first is not None and all(
        ccd.wcs is first or (ccd.wcs is not None and ccd.wcs.wcs.compare(first.wcs)) for ccd in ccds
    )


def _stack_of_paths(
    paths: Sequence[str | os.PathLike[str]], unit: str | Unit | None, limit_bytes: int, workers: int | None
) -> tuple[Stack, Header, Unit]:
    """Files as a stack, with the header that the result takes over."""
    half = limit_bytes // 2
    stack, scanned = open_stack(
        paths,
        in_memory_bytes=lambda frames, shape_yx, dtype: min(half, require_room(frames, shape_yx, dtype, limit_bytes)),
        limit_bytes=limit_bytes,
        workers=workers,
    )
    require_one_detector([(str(path), frame.cards) for path, frame in zip(paths, scanned, strict=True)])
    warn_of_loss(scanned)
    stated = [frame.cards.get("BUNIT") for frame in scanned]
    units = {value: unit_of(scanned[stated.index(value)].path, value, unit) for value in dict.fromkeys(stated)}
    for frame, value in zip(scanned, stated, strict=True):
        if units[value] != units[stated[0]]:
            raise MismatchError(
                frame.path, f"is in {value}, but {paths[0]} is in {units[stated[0]]}", "give unit= for all of them"
            )
    return stack, scanned[0].cards.to_header(), units[stated[0]]


@dataclass(frozen=True, slots=True, eq=False)
class _Frames:
    """Frames that are open: what the result takes over of the first one, and the memory that there is beside them."""

    stack: Stack
    meta: Any
    wcs: Any
    unit: Unit
    shape: tuple[int, ...]
    limit_bytes: int


def _opened_frames(
    frames: Sequence[Any],
    unit: str | Unit | None,
    reader: Mapping[str, Any],
    mem_limit: float | str | None,
    workers: int | None,
) -> _Frames:
    if not reader and all(isinstance(frame, (str, os.PathLike)) for frame in frames):
        with as_python_says():
            limit = _limit_bytes(mem_limit, len(frames), lambda: _layout_of(frames[0]))
            stack, meta, result_unit = _stack_of_paths(frames, unit, limit, workers)
        return _Frames(stack, meta, wcs_of(meta), result_unit, stack.shape_yx, limit - held_bytes(stack))
    stack, first, result_unit = _stack_of_ccds([_opened(frame, unit, reader) for frame in frames])
    limit = _limit_bytes(mem_limit, len(frames), lambda: (stack.shape_yx, stack.dtype))
    return _Frames(stack, first.meta.copy(), first.wcs, result_unit, first.shape, limit)


def _with_values(stack: Stack) -> list[int]:
    """Return the numbers of the frames that have a value, and name the others; all of them where none has one."""
    empty = {number for number in range(len(stack.names)) if is_empty(stack, number)}
    if not empty:
        return list(range(len(stack.names)))
    names = ", ".join(stack.names[number] for number in sorted(empty))
    alone = len(empty) == len(stack.names)
    what = "so the result has none" if alone else "left out"
    text = f"{names}: {NO_VALUE if len(empty) == 1 else 'none of their pixels has a value'}; {what}"
    warnings.warn(text, VerbAssumptionWarning, stacklevel=3)
    return [number for number in range(len(stack.names)) if alone or number not in empty]


def _of_kept(given: Any, kept: Sequence[int], frames: int) -> Any:  # noqa: ANN401
    """Return what is given frame by frame for those that are kept; anything else as it is."""
    if given is None or isinstance(given, str) or callable(given):
        return given
    values = np.asarray(given)
    return values[list(kept)] if values.ndim and len(values) == frames else given


def to_ccd(combined: Combined, unit: Unit, meta: Any, *, wcs: Any = None) -> CCDData:  # noqa: ANN401
    """Return a combined frame as CCDData with uncertainty, mask, and in ``flags`` how many frames each pixel used."""
    from astropy.nddata import CCDData, StdDevUncertainty

    ccd = CCDData(
        combined.data,
        unit=unit,
        meta=meta,
        mask=combined.mask,
        wcs=wcs,
        uncertainty=StdDevUncertainty(combined.uncertainty, copy=False),
    )
    ccd.flags = combined.counts
    return ccd


def combine(
    img_list: Frames,
    output_file: str | os.PathLike[str] | None = None,
    method: Method = "average",
    weights: ArrayLike | None = None,
    scale: Callable[..., Any] | ArrayLike | Literal["mean", "median"] | None = None,
    mem_limit: float | str | None = None,
    clip_extrema: bool = False,  # noqa: FBT001 -- ccdproc's arguments, which the notebooks use
    nlow: int = 1,
    nhigh: int = 1,
    minmax_clip: bool = False,  # noqa: FBT001
    minmax_clip_min: float | None = None,
    minmax_clip_max: float | None = None,
    sigma_clip: bool = False,  # noqa: FBT001
    sigma_clip_low_thresh: float | None = 3,
    sigma_clip_high_thresh: float | None = 3,
    sigma_clip_func: Statistic = "mean",
    sigma_clip_dev_func: Statistic = "std",
    dtype: Any = None,  # noqa: ANN401 -- whatever numpy takes
    combine_uncertainty_function: Statistic | None = None,
    overwrite_output: bool = False,  # noqa: FBT001
    *,
    unit: str | Unit | None = None,
    ext: int | str | tuple[str, int] | None = None,
    sigma_clip_iterations: int = 1,
    sigma_clip_floor: float = 0.0,
    reject: NamedRejection | None = None,
    readnoise: float | None = None,
    gain: float | None = None,
    pclip: float = -0.5,
    outliers: float = 0.3,
    significance: float = 0.05,
    grow: float = 0.0,
    zero: Callable[..., Any] | ArrayLike | Literal["mean", "median"] | None = None,
    workers: int | None = None,
    progress: Callable[[float], None] | None = None,
    **words: Unpack[ReaderWords],
) -> CCDData:
    """Combine frames into one: mask, scale, reject, combine.

    Parameters
    ----------
    img_list : list of CCDData, or list of paths, or str
        The frames; a text may hold several file names with commas between. Uncompressed files are read in bands of
        rows, so that stacks larger than the memory can be combined. Frames in memory may have one, two or three axes.
        One that has no value in any pixel is left out, and a warning names it.
    output_file : path, optional
        Where the result is also written, with its uncertainty and mask.
    method : {'average', 'median', 'sum'}
        What is made of the values that are left.
    weights : array_like, optional
        Of shape (frames,) or (frames, ny, nx), for averages and sums. A value of weight zero is masked.
    scale : array_like or callable, optional
        A factor for each frame, or a function that computes it from the pixels: an array, a masked one where pixels
        are masked. ``'mean'`` and ``'median'`` give all frames that level of the first. Frames are scaled before
        anything is rejected.
    mem_limit : float or str, optional
        Bytes, or a text such as ``'2G'``; by default half of what is available. Where it does not hold the result and a
        few rows of all frames, the result comes on top of it.
    clip_extrema, nlow, nhigh : bool, int, int
        Drop the ``nlow`` lowest and ``nhigh`` highest values; where values are masked, the same fraction of those that
        are left, cut to a whole number.
    minmax_clip, minmax_clip_min, minmax_clip_max : bool, float, float
        Reject values outside of these.
    sigma_clip, sigma_clip_low_thresh, sigma_clip_high_thresh : bool, float or None, float or None
        Reject values further from the center than so many spreads.
    sigma_clip_func, sigma_clip_dev_func : str or callable
        Center (``'mean'``, ``'median'``) and spread (``'std'``, ``'mad_std'``). numpy's functions of these names,
        masked or not, and astropy's ``mad_std`` run in compiled code; other functions are called with NaN where a
        value is masked, and ``axis=0``.
    dtype : dtype, optional
        Of the result; by default float32, float64 where an input needs it.
    combine_uncertainty_function : str or callable, optional
        The spread that the uncertainty is made from, as for ``sigma_clip_dev_func``. ``'pooled'``: the error of each
        pixel, from its own scatter and the noise of all pixels of these frames, as the files of a night have it; right
        for few frames, too, where the scatter of a pixel says little, and with weights, ``zero``, ``nlow`` or
        ``reject``, of which ccdproc's formula knows nothing. What frames have in common, as the errors of one bias,
        dark and flat, no scatter shows: the command ``zeroframe combine`` adds it, by the files beside the frames.
    overwrite_output : bool
        Whether an existing ``output_file`` may be replaced; a file of ``img_list`` never is.
    unit : str or Unit, optional
        Unit of the files; overrides BUNIT.
    ext : int, str or (str, int), optional
        The one extension that is read of each file: its number, its name, or name and EXTVER.
    hdu, hdu_mask, hdu_uncertainty, hdu_flags, key_uncertainty_type, memmap, mode, uint, output_verify, ignore_blank
        Of `astropy.nddata.fits_ccddata_reader`, as keywords. With any of them all files are read into the memory by
        astropy, each as it says.
    sigma_clip_iterations : int
        How often clipping is repeated at most.
    sigma_clip_floor : float
        The spread is never taken as smaller than this (a read noise).
    reject : {'ccdclip', 'crreject', 'avsigclip', 'pclip', 'winsorised', 'gesd'}, optional
        A rejection of IRAF or Siril in place of ``sigma_clip``, with its two thresholds; see docs/rejections.md.
    readnoise, gain : float, optional
        In electrons and electrons per ADU, of ``ccdclip`` and ``crreject``.
    pclip : float
        Of ``pclip``: which value tells the width, counted from the median.
    outliers, significance : float
        Of ``gesd``: the largest fraction that may be rejected; how often a value is where all are good.
    grow : float
        Of a frame, what lies within so many pixels of a rejected one is rejected, too.
    zero : array_like, callable, 'mean' or 'median', optional
        What is added to each frame before it is scaled; as for ``scale``.
    workers : int, optional
        How many threads; by default as many as there are cores.
    progress : callable, optional
        Called with the fraction done so far.

    Returns
    -------
    CCDData
        With the header of the first frame and COMBINED, NCOMBINE, IMCMBnnn; uncertainty (average: std/sqrt(n),
        median: 1.4826 MAD/sqrt(n), as ccdproc has it); mask where nothing was left; ``flags`` holds how many frames
        each pixel used.

    Raises
    ------
    ArgumentError
        When an argument is not known (the nearest name is suggested) or has the wrong type.
    UsageError
        When a value cannot be used.
    FrameError
        When a file cannot be read (one that is missing is a ``FileNotFoundError``, too) or does not fit the others, as
        frames of several detectors, or binned differently, do not.
    UnlikeFramesError
        When frames in memory differ in shape or unit; a ``TypeError`` as in ccdproc.
    OutputExistsError
        When there is an ``output_file`` that may not be replaced; an ``OSError``, too.

    Examples
    --------
    >>> import numpy as np
    >>> from astropy.nddata import CCDData
    >>> frames = [CCDData(np.full((2, 2), value), unit="adu") for value in (1.0, 2.0, 6.0)]
    >>> combine(frames, method="median").data
    array([[2., 2.],
           [2., 2.]])
    """
    reader = _reader_words(words)
    if "signma_clip_dev_func" in words:
        sigma_clip_dev_func = words["signma_clip_dev_func"]
    with as_python_says():
        frames = _with_extension(_frame_list(img_list), ext)
    if method not in get_args(Method):
        hint = nearest_name(str(method), get_args(Method))
        raise UsageError(f"unrecognised combine method {method!r}, not one of {', '.join(get_args(Method))}{hint}")
    if not frames:
        raise NoFramesError("there is nothing to combine: the list of frames is empty")
    named = [as_path(frame) for frame in frames if isinstance(frame, (str, os.PathLike))]
    with as_python_says():
        replaces = output_file is not None and apart_from(
            Inputs.of(named), as_path(output_file), overwrite=overwrite_output
        )
    opened = _opened_frames(frames, unit, reader, mem_limit, workers)
    kept = _with_values(opened.stack)
    if len(kept) < len(frames):
        scale, zero, weights = (_of_kept(each, kept, len(frames)) for each in (scale, zero, weights))
        opened = _opened_frames([frames[number] for number in kept], unit, reader, mem_limit, workers)
    stack, meta = opened.stack, opened.meta
    rejection = Rejection(
        value_low=minmax_clip_min if minmax_clip else None,
        value_high=minmax_clip_max if minmax_clip else None,
        drop_low=(nlow or 0) if clip_extrema else 0,
        drop_high=(nhigh or 0) if clip_extrema else 0,
        sigma_low=sigma_clip_low_thresh if sigma_clip else None,
        sigma_high=sigma_clip_high_thresh if sigma_clip else None,
        center=statistic_name(sigma_clip_func, CENTERS),
        spread=statistic_name(sigma_clip_dev_func, SPREADS),
        iterations=sigma_clip_iterations,
        floor_adu=sigma_clip_floor,
    )
    rejection = with_named(
        rejection, reject, low=sigma_clip_low_thresh, high=sigma_clip_high_thresh, readnoise=readnoise, gain=gain,
        pclip=pclip, outliers=outliers, significance=significance, grow=grow,
    )  # fmt: skip
    factors, offsets = scale_factors(scale, stack), zero_offsets(zero, stack)
    shares = None if weights is None else _weights_of(np.asarray(weights), stack)
    spread = combine_uncertainty_function
    if isinstance(spread, str) and spread == _POOLED:
        spec = CombineSpec(method, rejection)
        weighted = shares is not None
        spec = with_pooled_noise(stack, spec, factors=factors, offsets=offsets, weighted=weighted, workers=workers)
    else:
        spec = CombineSpec(method, rejection, None if spread is None else statistic_name(spread, SPREADS))
    combined = combine_stack(
        stack,
        spec,
        factors=factors,
        offsets=offsets,
        weights=shares,
        dtype=None if dtype is None else np.dtype(dtype),
        mem_limit_bytes=opened.limit_bytes,
        workers=workers,
        progress=progress,
    )
    combined_cards(meta, [Path(n).name for n in stack.names], method=method, rejection=rejection.describe())
    if spec.pooled is not None:
        meta.update(spec.pooled.cards(method, len(stack.names), shares))
    result = to_ccd(combined.reshape(opened.shape), opened.unit, meta, wcs=opened.wcs)
    if output_file is not None:
        from zeroframe.verbs.saving import write_ccd

        with as_python_says():
            write_ccd(result, output_file, overwrite=replaces)
    return result
