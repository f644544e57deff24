"""Whether two amplifiers read the columns of an image by turns."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from zeroframe.frames.numbers import number
from zeroframe.inspection.amplifier_seams import drift_orders

if TYPE_CHECKING:
    from zeroframe.inspection.axis_profiles import AxisProfiles

__all__ = ["read_by_turns"]

#: Levels of odd and even columns drift apart by so many sigma, and by this part of the read noise: less spoils nothing,
#: and many sensors of one amplifier do it.
_SIGMAS, _OF_NOISE = 10.0, 0.1
_FEWEST = 32
_BLOCKS = 16


def read_by_turns(profiles: AxisProfiles) -> str:
    """Say what shows that two amplifiers read odd and even columns; return nothing where one reads both.

    Parameters
    ----------
    profiles : AxisProfiles

    Returns
    -------
    str
        Only a drift proves it: that levels, and in colour sensors the light, differ always alike is pattern.
    """
    columns = profiles.static.shape[1] // 2 * 2
    if columns < _FEWEST:
        return ""
    # differences of neighbours, so that slow drifts along the columns drop out
    drifts = drift_orders(profiles, slice(0, columns))
    pairs = drifts[:, 1::2] - drifts[:, ::2]
    apart = pairs.mean(axis=1)
    # whatever noise lines have in common, as bands do, is in the scatter from block to block
    blocks = pairs[:, : pairs.shape[1] // _BLOCKS * _BLOCKS].reshape(len(pairs), _BLOCKS, -1).mean(axis=2)
    white = 4.0 * profiles.usual_noise**2 / profiles.height / columns
    variance = np.maximum(blocks.var(axis=1, ddof=1) / _BLOCKS, white)
    count = apart.size
    chi2 = float(np.sum(np.square(apart) / variance))
    deviate = (np.cbrt(chi2 / count) - 1.0 + 2.0 / (9.0 * count)) / np.sqrt(2.0 / (9.0 * count))
    rms = float(np.sqrt(np.mean(np.square(apart)) / profiles.static.shape[0]))
    if deviate >= _SIGMAS and rms >= _OF_NOISE * profiles.usual_noise:  # never where one of them is not known
        drifts_apart = f"by {number(rms, 2)} ADU ({deviate:.0f} sigma)"
        return f"levels of odd and even columns drift apart between biases, {drifts_apart}"
    return ""
