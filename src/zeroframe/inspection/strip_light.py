"""Whether the level of a strip rises by light: by the noise of photons, which a level that moves does not bring."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from zeroframe.frames.medians import median_of_valid
from zeroframe.frames.statistics import clipped_std, quantisation_step
from zeroframe.inspection.profiles import clipped_column_means
from zeroframe.records import dataclass

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["SAID_SHARE", "StripLight", "light_by_noise"]

#: From this part of the light of the image on, light in the level of a strip is said.
SAID_SHARE = 5e-4

#: The noise has grown where it is so many of its errors.
_SURE = 5.0
#: Light explains a rise where the noise has grown by this part of what the image promises at the least; of one frame
#: alone by less, as the pattern of its response is in what it promises. More than so many times that is not of photons.
_LEAST_NOISE, _LEAST_OF_ONE, _MOST_NOISE = 0.3, 0.02, 4.0
#: Levels of whole numbers whose noise is less than a step have a noise of their own each.
_OF_A_STEP = 0.25


@dataclass(frozen=True, slots=True)
class StripLight:
    """What a lit frame has in a strip more than a bias.

    Attributes
    ----------
    rise_adu : float
        Of the level; the median of its columns, so that a trail in the first ones does not count.
    image_adu : float
        Light of the image: the mean.
    is_light : bool
        Whether the noise of its pixels has grown with it, as by photons.
    """

    rise_adu: float
    image_adu: float
    is_light: bool

    @property
    def share(self) -> float:
        """The part of the light of the image that is in the strip."""
        return self.rise_adu / self.image_adu if self.image_adu > 0.0 else 0.0


def light_by_noise(
    strips: tuple[NDArray[Any], NDArray[Any]],
    images: tuple[NDArray[Any], NDArray[Any]],
    other: NDArray[Any] | None = None,
    *,
    least_share: float = 0.0,
) -> StripLight | None:
    """Compare a strip, and the image, in a lit frame and in a bias.

    Parameters
    ----------
    strips : tuple of ndarray, shape (lines, columns)
        Of the lit frame and of the bias; columns are counted from the image outwards, or towards it.
    images : tuple of ndarray, shape (lines, columns)
        Some of the image, neighbours beside each other.
    other : ndarray, shape (lines, columns), optional
        The same of another lit frame, from whose difference the pattern of the response drops out.
    least_share : float
        Where less of the light of the image is in the strip, it is not asked whether it is light.

    Returns
    -------
    StripLight or None
        None where there are too few columns or lines to tell.

    Notes
    -----
    The variance of differences of neighbouring columns is that of pixels, whatever the level of rows and columns is. By
    light ``L`` it grows by ``L / gain``, and the image says how large that is for its own light. An offset, and what a
    bright row does to the electronics, move the level only: 159 ADU in flats of 65,000 (and 206 in science frames of
    150) of one real camera, without more noise.

    Examples
    --------
    >>> random = np.random.default_rng(1)
    >>> dark, image = random.normal(1000.0, 4.0, (2, 300, 20))
    >>> lit = 1000.0 + random.poisson(60.0, (300, 20)) + random.normal(0.0, 4.0, (300, 20))
    >>> bright = 1000.0 + random.poisson(20000.0, (300, 20)) + random.normal(0.0, 4.0, (300, 20))
    >>> seen = light_by_noise((lit, dark), (bright, image))
    >>> print(f"{seen.share:.1%}", seen.is_light)
    0.3% True
    >>> light_by_noise((dark + 60.0, dark), (bright, image)).is_light
    False
    """
    if min(strips[0].shape[1], images[0].shape[1]) < 2 or len(strips[0]) < 2:
        return None
    light, zero = (float(np.nanmean(image)) for image in images)
    rise = float(median_of_valid(clipped_column_means(strips[0])[0] - clipped_column_means(strips[1])[0]))
    if not rise > 0.0 or rise < least_share * (light - zero):  # the noise takes longer to tell than all else
        return StripLight(rise, light - zero, is_light=False)
    lit, dark = (_columns(strip) for strip in strips)
    more = lit - dark
    step = max(map(quantisation_step, strips))
    count = len(strips[0])
    # of a variance of n differences, those of neighbouring pairs of columns share a column
    error = float(np.median(lit + dark)) * float(np.sqrt(2.0 / count / max(more.size / 2.0, 1.0)))
    error = max(error, 1.25 * float(more.std()) / float(np.sqrt(max(more.size / 2.0, 1.0))))
    grown = float(np.median(more))
    is_light = grown > max(_SURE * error, _OF_A_STEP * step**2)
    if is_light:  # which takes longer to tell than all before
        expected = rise * _noise_of_light(images, other)
        least = _LEAST_OF_ONE if other is None else _LEAST_NOISE
        is_light = least * expected < grown < _MOST_NOISE * expected
    return StripLight(rise, light - zero, is_light)


def _noise_of_light(images: tuple[NDArray[Any], NDArray[Any]], other: NDArray[Any] | None) -> float:
    """Return the variance that each ADU of light brings; 0 where the image has no light."""
    lit, dark = (image.astype(np.float64) for image in images)
    zero = float(np.nanmean(dark))
    light = float(np.nanmean(lit)) - zero
    read = float(np.median(_columns(dark)))
    if other is None:
        return max(float(np.median(_columns(lit))) - read, 0.0) / light if light > 0.0 else 0.0
    others = float(np.nanmean(other)) - zero
    if min(light, others) <= 0.0:
        return 0.0
    ratio = light / others
    noise = float(np.median(_columns(lit - ratio * other))) - (1.0 + ratio**2) * read
    return max(noise, 0.0) / (light + ratio**2 * others)


def _columns(block: NDArray[Any]) -> NDArray[np.float64]:
    """Return the variance of pixels from each pair of neighbouring columns."""
    step = quantisation_step(block)
    differences = np.ascontiguousarray(np.diff(block.astype(np.float64), axis=1).T)
    return np.array([0.5 * clipped_std(column, step) ** 2 for column in differences])
