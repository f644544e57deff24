"""What little light shows of the strips that a header states: scattered light, beyond the end of a slit or a field.

Where the image is not lit to its side, light has its steepest edge within the image, and none at the strip. But some is
scattered to all columns of the image, and it ends where the strip begins.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from zeroframe.headers.kinds import Kind
from zeroframe.inspection.blind_strips import stated_widths, widths_beside
from zeroframe.inspection.samples import LIT, FrameSample

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from zeroframe.headers.sections import Section
    from zeroframe.inspection.profiles import Side

__all__ = ["BESIDE_STATED", "ends_where_stated", "without_unlit_image"]

#: Columns beside a strip that a zone holds, so that an edge there is seen.
BESIDE_STATED = 8
_INSIDE, _NARROWEST = 5, 3
#: By so much of itself light rises from the last column of the strip to the second one of the image: the sum of two
#: columns may be one of each.
_LEAST_STEP = 0.6
#: Columns of the strip that may hold more than half of the light beside it.
_ODD_SHARE = 0.2
#: A dark strip that holds this part of the light of its frame more than the strip of the header is image.
_SCATTERED = 0.001


def ends_where_stated(signal: NDArray[np.float64], width: int, least_light: float) -> bool:
    """Say whether light ends at the strip that a header states, however little there is beside it.

    Parameters
    ----------
    signal : ndarray, shape (depth,)
        Light from the edge of the frame inwards.
    width : int
        Columns of the strip.
    least_light : float
        Of less nothing is said.

    Examples
    --------
    >>> import numpy as np
    >>> signal = np.r_[np.zeros(16), 47.0, 97.0, 98.0, 99.0, 100.0, 102.0, np.geomspace(104, 7000, 10)]
    >>> [ends_where_stated(signal, width, 5.0) for width in (14, 16, 17, 18)]
    [False, True, True, False]
    """
    if width < _NARROWEST or width + _INSIDE > signal.size or not np.isfinite(signal[: width + _INSIDE]).all():
        return False
    base = float(np.median(signal[: max(width // 2, _NARROWEST)]))
    fall = float(np.median(signal[width : width + _INSIDE])) - base
    if fall < least_light:
        return False
    step = max(float(signal[width + 1] - signal[width - 1]), float(signal[width] - signal[width - 2]))
    odd = np.abs(signal[:width] - base) > 0.5 * fall
    return step >= _LEAST_STEP * fall and float(odd.mean()) <= _ODD_SHARE


def without_unlit_image(
    samples: Sequence[FrameSample],
    widths: Mapping[Side, int],
    sections: Mapping[str, Section],
    shape_yx: tuple[int, int],
) -> dict[Side, int]:
    """Return widths of strips without those of sides that a header calls image, where some light is in all of them.

    Parameters
    ----------
    samples : sequence of FrameSample
        Frames of all kinds.
    widths : mapping of side to int
        Of strips that pixels show.
    sections : mapping of str to Section
        Of the header, resolved.
    shape_yx : tuple of int
        Of the frame.

    Returns
    -------
    dict of side to int
        The same, where the header's own strip is not among them: nothing tells then where no light is.
    """
    image = sections.get("DATASEC") or sections.get("TRIMSEC")
    own = next((side for side in stated_widths(sections, shape_yx) if side in widths), None)
    biases = [sample for sample in samples if sample.kind is Kind.BIAS]
    lit = [sample for sample in samples if sample.kind in LIT]
    if image is None or own is None or not biases or not lit:
        return dict(widths)
    beside = widths_beside(image, shape_yx)
    brightest = max(lit, key=lambda sample: float(np.nanmean(sample.bands)))
    whole = float(np.nanmean(brightest.bands) - np.nanmean(biases[0].bands))

    def light(side: Side) -> float:
        outer = slice(max(widths[side] // 2, _NARROWEST))
        dark = np.mean([bias.medians[side][outer] for bias in biases], axis=0)
        return float(np.nanmedian(brightest.medians[side][outer] - dark))

    none = light(own)
    return {side: width for side, width in widths.items() if side in beside or light(side) - none < _SCATTERED * whole}
