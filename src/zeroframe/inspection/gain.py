"""Read noise and gain from pairs of frames.

Photon transfer: in a frame of light the variance of a pixel, in ADU^2, is signal / gain + read noise^2, when the fixed
pattern of the response has been cancelled by the difference of two frames (J. R. Janesick, *Scientific Charge-Coupled
Devices*, SPIE 2001, chapter 2; *Photon Transfer*, SPIE 2007, chapter 5).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from zeroframe.frames.statistics import pair_noise
from zeroframe.kernels.stack import MAD_TO_SIGMA

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

__all__ = ["Measured", "gain_from_pairs", "read_noise_from_pairs"]

_BLOCK_COLUMNS = 64
_OUTLIER = 5.0
_MOST_UNEVEN = 0.3
_ROUNDING_VARIANCE = 1.0 / 12.0
#: A block must hold this much light against its read noise; dimmer ones say nothing about the gain.
_LEAST_SHARE_OF_PHOTON_NOISE = 0.5


@dataclass(frozen=True, slots=True)
class Measured:
    """A value, its standard error, and from how many pairs it comes."""

    value: float
    error: float
    pairs: int


def read_noise_from_pairs(biases: Sequence[NDArray[Any]]) -> Measured | None:
    """Return the read noise of the image from neighbouring biases.

    Parameters
    ----------
    biases : sequence of ndarray, shape (bands, height, columns)
        Samples of the image of each.

    Returns
    -------
    Measured or None
        In ADU, digitisation included (1/sqrt(12) ADU in quadrature); None for fewer than two frames.
    """
    pairs = [(biases[i], biases[i + 1]) for i in range(0, len(biases) - 1, 2)]
    if not pairs:
        return None
    noises = [pair_noise(_rows(a), _rows(b)) for a, b in pairs]
    noise = float(np.sqrt(np.mean(np.square(noises))))
    return Measured(noise, noise / float(np.sqrt(2.0 * sum(a.size for a, _ in pairs))), len(pairs))


def _rows(bands: NDArray[Any]) -> NDArray[Any]:
    return bands.reshape(-1, bands.shape[-1])


def gain_from_pairs(
    flats: Iterable[tuple[NDArray[Any], NDArray[Any]]],
    biases: Sequence[NDArray[Any]],
    read_noise_adu: float,
    saturation_adu: float,
) -> Measured | None:
    """Return the gain in electrons per ADU.

    Parameters
    ----------
    flats : iterable of pairs of ndarray, shape (bands, height, columns)
        Samples of the image in flats of one filter; gone through once.
    biases : sequence of ndarray, shape (bands, height, columns)
        Their mean is the zero of light.
    read_noise_adu : float
        Read noise.
    saturation_adu : float
        Blocks that reach nine tenths of it are left out.

    Returns
    -------
    Measured or None
        None where no block is fit: too little light, or saturated.

    Notes
    -----
    Level and variance are measured in blocks of up to 64 columns and 32 rows, so that vignetting does not matter. The
    second flat is scaled by the ratio r of the levels of its block; the variance of ``first - r second`` is then
    ``(1 + r) signal / gain + (1 + r^2) read_noise^2``. Real sensors share charge between neighbours when pixels fill
    up, which lowers the variance of bright flats by some per cent (the brighter-fatter effect), and so raises the gain
    that is found.
    """
    if not biases:
        return None
    zero = np.mean([_blocks(bias).mean(axis=1, dtype=np.float64) for bias in biases], axis=0)
    photon_adu2, signal_adu = [], []
    for first, second in flats:
        excess, signal = _pair_blocks(first, second, zero, read_noise_adu, saturation_adu)
        photon_adu2.append(excess)
        signal_adu.append(signal)
    if not photon_adu2:
        return None
    excess, signal = np.concatenate(photon_adu2), np.concatenate(signal_adu)
    if excess.size == 0:
        return None
    gains = signal / excess
    middle = float(np.median(gains))
    spread = MAD_TO_SIGMA * float(np.median(np.abs(gains - middle)))
    good = np.abs(gains - middle) <= _OUTLIER * spread if spread > 0 else np.ones(gains.size, dtype=np.bool_)
    gain = float(signal[good].sum() / excess[good].sum())
    return Measured(gain, spread / float(np.sqrt(good.sum())), len(photon_adu2))


def _block_size(columns: int) -> int:
    """Columns of a block; narrower ones in narrow images, so that the end of a slit spoils few of them."""
    return max(min(_BLOCK_COLUMNS, columns // 8), min(columns, 8))


def _is_even(bands: NDArray[Any]) -> NDArray[np.bool_]:
    """Whether the light of each block is even enough for one noise to hold for all of it: not at the end of a slit."""
    count, _, columns = bands.shape
    size = _block_size(columns)
    whole = columns // size
    columns_of_block = bands[:, :, : whole * size].mean(axis=1, dtype=np.float64).reshape(count * whole, size)
    lowest, highest = columns_of_block.min(axis=1), columns_of_block.max(axis=1)
    return np.asarray(highest - lowest < _MOST_UNEVEN * highest)


def _blocks(bands: NDArray[Any]) -> NDArray[np.float64]:
    """Cut bands into blocks; pixels of a block beside each other."""
    count, height, columns = bands.shape
    size = _block_size(columns)
    whole = columns // size
    cut = bands[:, :, : whole * size].reshape(count, height, whole, size)
    return np.ascontiguousarray(cut.transpose(0, 2, 1, 3), dtype=np.float64).reshape(count * whole, height * size)


def _pair_blocks(
    first: NDArray[Any], second: NDArray[Any], zero: NDArray[np.float64], read_noise_adu: float, saturation_adu: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Photon variance, and the signal that it belongs to, of the blocks that are fit."""
    a, b = _blocks(first), _blocks(second)
    fit = (np.maximum(a, b).max(axis=1) < 0.9 * saturation_adu) & np.isfinite(a + b).all(axis=1) & _is_even(first)
    a, b, zero = a[fit], b[fit], zero[fit]
    level_a, level_b = (np.median(part, axis=1) - zero for part in (a, b))
    lit = (level_a > 0) & (level_b > 0)
    a, b, zero, level_a, level_b = a[lit], b[lit], zero[lit], level_a[lit], level_b[lit]
    ratio = level_a / level_b
    difference = (a - zero[:, None]) - ratio[:, None] * (b - zero[:, None])
    difference -= np.median(difference, axis=1, keepdims=True)
    sigma = MAD_TO_SIGMA * np.median(np.abs(difference), axis=1, keepdims=True)
    good = np.abs(difference) <= _OUTLIER * sigma
    count = np.maximum(good.sum(axis=1), 2)
    mean = np.where(good, difference, 0.0).sum(axis=1) / count
    variance = (np.where(good, difference - mean[:, None], 0.0) ** 2).sum(axis=1) / (count - 1)
    read = (1.0 + ratio**2) * max(read_noise_adu**2, _ROUNDING_VARIANCE)
    signal = np.where(good, a - zero[:, None], 0.0).sum(axis=1) / count * (1.0 + ratio)
    bright = variance - read > _LEAST_SHARE_OF_PHOTON_NOISE * read
    return (variance - read)[bright], signal[bright]
