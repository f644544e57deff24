"""Whether a strip follows the bias level of the image, from frame to frame and along the frame."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from zeroframe.records import dataclass

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Tracking", "measure_tracking"]

#: Subtraction must leave no more than a tenth of the variance of the level. Of strips that go their own way, simulated
#: like those in the tests, two biases pass by chance in 2 % at a tenth, 5 % at a quarter and 13 % at a half.
_MOST_LEFT = 0.1
#: Levels of two whole frames agree by chance too often to tell that they follow where those of rows do not.
_FEWEST_FRAMES = 3


#: One frame in which the strip does not follow is left out where the others are so many, and are as much nearer to each
#: other than it is to them.
_FEWEST_WITHOUT_ONE, _ONE_OFF = 4, 3.0


@dataclass(frozen=True, slots=True)
class Tracking:
    """Level of the image against that of a strip, among biases; drift in ADU, noise of the levels taken off.

    Attributes
    ----------
    frames : int
        How many biases.
    slope, slope_error : float
        ADU of the image for one ADU of the strip, from frame to frame and along the frames together.
    frames_before_adu, frames_after_adu : float
        Standard deviation of the levels of the frames, and of the levels less that of the strip.
    drift_before_adu, drift_after_adu : float
        The same of groups of neighbouring rows (columns), about their mean over the frames.
    noise_adu : float
        Noise of the difference of two such levels.
    follows : bool or None
        None where there is less drift than noise, so that it cannot be told.
    frames_follow : bool
        Whether the levels of whole frames follow, whatever those of rows do.
    """

    frames: int
    slope: float
    slope_error: float
    frames_before_adu: float
    frames_after_adu: float
    drift_before_adu: float
    drift_after_adu: float
    noise_adu: float
    follows: bool | None
    frames_follow: bool = False

    @property
    def only_frames_follow(self) -> bool:
        """Whether the strip is good for one level a frame, and not for one a row."""
        return self.follows is False and self.frames_follow


def measure_tracking(
    image: NDArray[np.float64], strip: NDArray[np.float64], image_noise_adu: float, strip_noise_adu: float
) -> Tracking | None:
    """Compare levels of the image with those of a strip.

    Parameters
    ----------
    image, strip : ndarray, shape (frames, bins)
        Levels of groups of neighbouring rows of each bias.
    image_noise_adu, strip_noise_adu : float
        Noise of these levels.

    Returns
    -------
    Tracking or None
        None for fewer than two frames: the mean over the frames is the fixed pattern, and has to be taken off.

    Notes
    -----
    The slope is that of least squares, with what the noise of the strip adds to its sum of squares taken off.

    Where the strip does not follow, but does in all frames but one, that one is no bias, or was lit: the others tell.
    """
    found = _tracking(image, strip, image_noise_adu, strip_noise_adu)
    if found is None or found.follows is not False or found.frames_follow or found.frames < _FEWEST_WITHOUT_ONE:
        return found
    apart = (image - strip).mean(axis=1)
    off = int(np.argmax(np.abs(apart - np.median(apart))))
    others = np.delete(apart, off)
    # of a strip that does not follow the others are no nearer to each other than one of them is to the rest
    if abs(apart[off] - others.mean()) <= _ONE_OFF * max(
        float(np.ptp(others)), found.noise_adu / np.sqrt(image.shape[1])
    ):
        return found
    left = _tracking(np.delete(image, off, axis=0), np.delete(strip, off, axis=0), image_noise_adu, strip_noise_adu)
    return found if left is None or left.follows is False else left


def _tracking(
    image: NDArray[np.float64], strip: NDArray[np.float64], image_noise_adu: float, strip_noise_adu: float
) -> Tracking | None:
    """Compare levels of all frames; what is asked for and found as by `measure_tracking`."""
    frames, bins = image.shape
    if frames < 2:
        return None
    image_deviation, strip_deviation = image - image.mean(axis=0), strip - strip.mean(axis=0)
    freedom = (frames - 1) * bins

    def drift2(deviation: NDArray[np.float64], noise2: float) -> float:
        variance = float(np.sum(deviation**2)) / freedom
        return variance - noise2 if variance > noise2 else 0.0

    left_noise2 = image_noise_adu**2 + strip_noise_adu**2
    residual = image_deviation - strip_deviation
    before, after = drift2(image_deviation, image_noise_adu**2), drift2(residual, left_noise2)
    of_strip = drift2(strip_deviation, strip_noise_adu**2) * freedom
    slope = float(np.sum(image_deviation * strip_deviation)) / of_strip if of_strip > 0 else float("nan")
    misfit = float(np.sum((image_deviation - (0.0 if np.isnan(slope) else slope) * strip_deviation) ** 2))
    slope_error = float(np.sqrt(misfit / max(freedom - 1, 1) / of_strip)) if of_strip > 0 else float("nan")
    # A variance of so many levels is known to sqrt(2 / n) of the noise.
    uncertain = left_noise2 * float(np.sqrt(2.0 / freedom))
    follows: bool | None = after <= _MOST_LEFT * before + 3.0 * uncertain
    if max(before, of_strip / freedom) < 5.0 * uncertain:
        follows = None
    frames_before, frames_after = (float(each.mean(axis=1).std(ddof=1)) for each in (image, image - strip))
    return Tracking(
        frames,
        slope,
        slope_error,
        frames_before,
        frames_after,
        float(np.sqrt(before)),
        float(np.sqrt(after)),
        float(np.sqrt(left_noise2)),
        follows,
        frames >= _FEWEST_FRAMES
        and frames_after**2 <= _MOST_LEFT * frames_before**2 + left_noise2 / bins
        and frames_before**2 > 5.0 * left_noise2 / bins,
    )
