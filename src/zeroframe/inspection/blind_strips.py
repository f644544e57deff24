"""Whether a strip along a side is blind in every frame that sees light, and what headers say of such strips.

An edge of the light is the edge of the sensor only where it is so in all frames: a lamp that fades towards the blue, or
a disc that is full, have edges of their own, and beside those other frames see light.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from zeroframe.headers.kinds import Kind
from zeroframe.inspection.samples import LIT, FrameSample
from zeroframe.inspection.strip_light import StripLight, light_by_noise

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from zeroframe.headers.sections import Section
    from zeroframe.inspection.profiles import Side

__all__ = ["image_light", "is_blind_in_bright_flats", "is_lit_in_some_frame", "stated_widths", "widths_beside"]

#: A strip is looked at in so many parts; in the one next to the image light may leak.
_PARTS = 4
#: So many columns of the image beside it are not compared: of these one may be a line of a spectrum, or a star.
_BESIDE = 5
#: Of the light of the image beside it, a strip that is none holds more than this part.
_LIT_SHARE = 0.3
#: Light of a flat, in noises of a pixel, of which some would be seen.
_BRIGHT = 30.0
#: A strip along a side has at least this part of its length.
_LONG, _NARROWEST = 0.9, 3
_FEWEST_BIASES = 2


def stated_widths(sections: Mapping[str, Section], shape_yx: tuple[int, int]) -> dict[Side, int]:
    """Return how wide the strips are along the sides of a frame, by its header.

    Parameters
    ----------
    sections : mapping of str to Section
        BIASSEC, DATASEC and TRIMSEC as far as they are known, resolved.
    shape_yx : tuple of int
        Of the frame.

    Returns
    -------
    dict of side to int
        Of sides that have one. Nothing where the header calls the same columns image and overscan.

    Examples
    --------
    >>> from zeroframe.headers.sections import Section
    >>> sections = {"DATASEC": Section.parse("[1:300,1:240]"), "BIASSEC": Section.parse("[301:332,1:240]")}
    >>> stated_widths(sections, (240, 332))
    {'right': 32}
    """
    image = sections.get("DATASEC") or sections.get("TRIMSEC")
    bias = sections.get("BIASSEC")
    widths: dict[Side, int] = {}
    if image is not None:
        widths = widths_beside(image, shape_yx)
    if bias is None:
        return {}
    ny, nx = shape_yx
    (x1, x2), (y1, y2) = (sorted(part.ends()) for part in bias.ranges)
    along_y = y2 - y1 + 1 >= _LONG * ny
    side: Side = ("left" if x1 + x2 < nx else "right") if along_y else ("bottom" if y1 + y2 < ny else "top")
    width = {"left": x2, "right": nx - x1 + 1, "bottom": y2, "top": ny - y1 + 1}[side]
    whole = along_y or x2 - x1 + 1 >= _LONG * nx
    if not whole or width > (nx if along_y else ny) // 2:
        return {}
    if image is None:
        own = x2 - x1 + 1 if along_y else y2 - y1 + 1
        return {side: width} if width < 2 * own else {}
    return {side: widths[side]} if widths.get(side, 0) >= width else {}


def widths_beside(image: Section, shape_yx: tuple[int, int]) -> dict[Side, int]:
    """Return how much of a frame lies beside what its header calls image, on sides where something does."""
    ny, nx = shape_yx
    (x1, x2), (y1, y2) = (sorted(part.ends()) for part in image.ranges)
    widths: dict[Side, int] = {"left": x1 - 1, "right": nx - x2, "bottom": y1 - 1, "top": ny - y2}
    return {side: width for side, width in widths.items() if width > 0}


def is_lit_in_some_frame(samples: Sequence[FrameSample], side: Side, width: int) -> bool:
    """Say whether a frame sees light in a would-be strip, as in the image beside it, by the noise of its photons.

    Parameters
    ----------
    samples : sequence of FrameSample
        Frames of all kinds; without a bias nothing is said.
    side : {'left', 'right', 'bottom', 'top'}
        Which side.
    width : int
        Columns of the strip.
    """
    biases = [sample for sample in samples if sample.kind is Kind.BIAS]
    if not biases:
        return False
    dark = biases[0].zones[side]
    for sample in samples:
        if sample.kind not in LIT:
            continue
        other = next((each for each in samples if each is not sample and each.kind is sample.kind), None)
        image = slice(min(width + _BESIDE, dark.shape[1] - 2), None)
        for part in _parts(width):
            seen = light_by_noise(
                (sample.zones[side][:, part], dark[:, part]),
                (sample.zones[side][:, image], dark[:, image]),
                None if other is None else other.zones[side][:, image],
            )
            if seen is not None and seen.is_light and seen.share > _LIT_SHARE:
                return True
    return False


def _parts(width: int) -> list[slice]:
    """Return parts of a strip, from the edge of the frame inwards, but the one next to the image."""
    if width < 2 * _PARTS:
        return [slice(max(width - 1, 2))]
    ends = np.linspace(0, width, _PARTS + 1).astype(int)
    return [slice(int(a), int(b)) for a, b in pairwise(ends[:-1])]


def is_blind_in_bright_flats(samples: Sequence[FrameSample], side: Side, width: int, noise_adu: float | None) -> bool:
    """Say whether a strip that a header states holds no light in any frame, though flats are bright beside it.

    Parameters
    ----------
    samples, side, width
        As for `is_lit_in_some_frame`.
    noise_adu : float or None
        Noise of a pixel of a bias.

    Returns
    -------
    bool
        False also where there are fewer than two biases, or no bright flat to tell.
    """
    biases = [sample for sample in samples if sample.kind is Kind.BIAS]
    flats = [sample for sample in samples if sample.kind is Kind.FLAT]
    if len(biases) < _FEWEST_BIASES or not flats or not noise_adu or width < _NARROWEST:
        return False
    if max(image_light(flat, biases[0], side, width) for flat in flats) < _BRIGHT * noise_adu:
        return False
    return not any(
        seen is not None and seen.is_light
        for sample in samples
        if sample.kind in LIT
        for seen in [_light_of_strip(sample, biases[0], side, width)]
    )


def _light_of_strip(sample: FrameSample, bias: FrameSample, side: Side, width: int) -> StripLight | None:
    strips = sample.zones[side][:, :width], bias.zones[side][:, :width]
    return light_by_noise(strips, (_image(sample, side, width), _image(bias, side, width)))


def image_light(sample: FrameSample, bias: FrameSample, side: Side, width: int) -> float:
    """Return the light of the image, the mean beside the strip of a side, in ADU."""
    lit, dark = (_image(each, side, width) for each in (sample, bias))
    return float(np.nanmean(lit) - np.nanmean(dark))


def _image(sample: FrameSample, side: Side, width: int) -> NDArray[Any]:
    """Return rows of a frame without the columns (or rows) of a strip."""
    bands = sample.bands
    if side == "left":
        bands = bands[:, :, width:]
    elif side == "right":
        bands = bands[:, :, : bands.shape[2] - width]
    else:
        ny, height = sample.size.shape_yx[0], bands.shape[1]
        first, last = (width, ny) if side == "bottom" else (0, ny - width)
        kept = [k for k, row in enumerate(sample.band_rows) if first <= row and row + height <= last]
        bands = bands[kept or [len(bands) // 2]]
    return bands.reshape(-1, bands.shape[-1])
