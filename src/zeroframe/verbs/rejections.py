"""Rejections by the names that other programs have for them, from arguments of `zeroframe.combine` and its command."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Literal, get_args

from zeroframe.errors import UsageError, nearest_name

if TYPE_CHECKING:
    from zeroframe.stacks.combine import Rejection

__all__ = ["NamedRejection", "with_named"]

#: The command line has them in its help, and starts without numpy, which `Scheme` needs.
NamedRejection = Literal["ccdclip", "crreject", "avsigclip", "pclip", "winsorised", "gesd"]
#: IRAF repeats its noise model until nothing more is rejected.
_MOST_ROUNDS = 100


def with_named(
    rejection: Rejection,
    name: NamedRejection | None,
    *,
    low: float | None,
    high: float | None,
    readnoise: float | None,
    gain: float | None,
    pclip: float,
    outliers: float,
    significance: float,
    grow: float,
) -> Rejection:
    """Return a rejection with that of another program added, and what lies around rejected pixels.

    Parameters
    ----------
    rejection : Rejection
        What is rejected before: values, the lowest and highest.
    name : str or None
        As the other program calls it.
    low, high : float or None
        How many widths below and above the center; None is 3.
    readnoise, gain : float or None
        In electrons and electrons per ADU, of ``ccdclip`` and ``crreject``.
    pclip, outliers, significance
        As in `zeroframe.stacks.rejections.Scheme`.
    grow : float
        In pixels.

    Raises
    ------
    UsageError
        When the name is not known, clipping is asked for, too, or a figure is missing or makes no sense.
    """
    if grow:
        rejection = replace(rejection, grow=grow)
    if name is None:
        return rejection
    known = get_args(NamedRejection)
    if name not in known:
        raise UsageError(f"reject is {name!r}, not one of {', '.join(known)}{nearest_name(str(name), known)}")
    if rejection.clips:
        raise UsageError(f"reject={name!r} takes the place of sigma_clip; give one of them")
    low, high = (3.0 if each is None else abs(each) for each in (low, high))
    if name in {"ccdclip", "crreject"}:
        if readnoise is None or gain is None or not (0.0 <= readnoise < float("inf") and 0.0 < gain < float("inf")):
            raise UsageError(f"reject={name!r} needs the noise of the camera: readnoise in electrons, gain in e-/ADU")
        return replace(
            rejection,
            sigma_low=low if name == "ccdclip" else None,
            sigma_high=high,
            center="median",
            spread="floor",
            floor_adu=readnoise / gain,
            photon_adu=1.0 / gain,
            iterations=_MOST_ROUNDS,
        )
    from zeroframe.stacks.rejections import Scheme

    return replace(rejection, scheme=Scheme(name, low, high, pclip, outliers, significance))
