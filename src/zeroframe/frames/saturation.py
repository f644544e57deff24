"""From where on a raw pixel is full: what recipe, camera and header state, held against what the pixels show."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from zeroframe.frames.pile_up import converter_top
from zeroframe.records import dataclass

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zeroframe.fits import ImageLayout
    from zeroframe.frames.raw_look import RawLook

__all__ = ["NOTHING_STATED", "Saturation", "StatedSaturation", "decide_saturation", "shared_limit"]

#: By this fraction of its value a stated saturation may lie off the one that the pixels show, before it is named.
_DIFFERS = 0.01


@dataclass(frozen=True, slots=True)
class StatedSaturation:
    """What is stated of where raw pixels are full, in ADU of the raw frame; None where nothing is.

    Attributes
    ----------
    asked_adu, asked_by : float, str, or None
        By the recipe, else the camera: it is believed, but where the pixels show that they are full before.
    header_adu, header_card : float, str, or None
        By the header. Pixels that go beyond it, or pile up elsewhere, are believed instead.
    is_maximum : bool
        Whether the card may as well hold the highest value of this very frame, as DATAMAX does.
    linear_adu, linear_card : float, str, or None
        By the header: up to where the answer to light is linear.
    shared_adu : tuple of (float or None)
        Of each amplifier, where other frames of the night prove that its pixels are full, and this one goes as high.
    """

    asked_adu: float | None = None
    asked_by: str | None = None
    header_adu: float | None = None
    header_card: str | None = None
    is_maximum: bool = False
    linear_adu: float | None = None
    linear_card: str | None = None
    shared_adu: tuple[float | None, ...] = ()

    def of_region(self, place: int, asked_adu: float | None) -> StatedSaturation:
        """Return the same for one amplifier, for which the camera file may state its own."""
        own = self if asked_adu is None else replace(self, asked_adu=asked_adu, asked_by="camera")
        return replace(own, shared_adu=own.shared_adu[place : place + 1]) if own.shared_adu else own


NOTHING_STATED = StatedSaturation()


@dataclass(frozen=True, slots=True)
class Saturation:
    """From where on the pixels of one raw frame are full.

    Attributes
    ----------
    limit_adu : float or None
        In ADU of the raw frame; None where it is not known.
    by : str
        What says so: ``'pixels'``, ``'recipe'``, ``'camera'``, a card, or ``'type'``, the most that the file can hold.
    nonlinear_adu : float or None
        From here on the answer is not linear, by the header.
    against_adu, against : float, str, or None
        What was stated and not believed, and where.
    """

    limit_adu: float | None
    by: str | None
    nonlinear_adu: float | None = None
    against_adu: float | None = None
    against: str | None = None


def decide_saturation(look: RawLook, stated: StatedSaturation, layout: ImageLayout) -> Saturation:
    """Say from where on the pixels of a frame are full.

    Parameters
    ----------
    look : RawLook
        What its pixels show.
    stated : StatedSaturation
        What recipe, camera and header state.
    layout : ImageLayout
        How it is stored.
    """
    top = converter_top(layout, look.step)
    asked, header, linear = stated.asked_adu, stated.header_adu, stated.linear_adu
    shared = stated.shared_adu[0] if stated.shared_adu else None
    heaps = [each for each in (None if look.pile_up is None else look.pile_up.limit, shared) if each is not None]
    if heaps:
        heap = min(heaps)
        limit: float = heap
        by: str | None = "pixels"
        if asked is not None and asked < limit:
            limit, by = asked, stated.asked_by
        said, card = (asked, stated.asked_by) if asked is not None else (header, stated.header_card)
        if said is not None and abs(said - heap) > _DIFFERS * abs(heap) and not (stated.is_maximum and asked is None):
            return Saturation(limit, by, linear, said, card)
        return Saturation(limit, by, linear)
    if asked is not None:
        return Saturation(asked, stated.asked_by, linear)
    if header is not None and not (stated.is_maximum and look.highest <= header):
        if look.highest <= header * (1.0 + _DIFFERS):
            return Saturation(header, stated.header_card, linear)
        # values go on beyond it, and thin out as those of light do
        return Saturation(top, "type", header if linear is None else min(header, linear), header, stated.header_card)
    return Saturation(top, "type", linear)


def shared_limit(tops: Sequence[tuple[float, float | None]], most: float | None) -> float | None:
    """Say from where on pixels are full in all frames of one setting, as some of them prove it.

    Parameters
    ----------
    tops : sequence of (float, float or None)
        Of each frame the highest value that was read, and from where on its highest values are heaped up.
    most : float or None
        What a file can hold at most: a heap there says nothing new.

    Returns
    -------
    float or None
        None where no frame proves anything, where they do not agree, and where a frame goes beyond it: then the heap is
        of something else.

    Examples
    --------
    >>> shared_limit([(51003.0, 50981.0), (50998.0, None), (21000.0, None)], 65535.0)
    50981.0
    >>> shared_limit([(51003.0, 50981.0), (64000.0, None)], 65535.0) is None
    True
    """
    heaps = [heap for _, heap in tops if heap is not None and (most is None or heap < most)]
    if not heaps:
        return None
    limit = min(heaps)
    return limit if max(highest for highest, _ in tops) <= limit + _DIFFERS * abs(limit) else None
