"""Darks whose header gives an exposure of 0 s, or none at all: what they are good for, and what is said of them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from zeroframe.headers.kinds import Kind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zeroframe.headers.dialects import FrameFacts
    from zeroframe.headers.survey import RawFrame

__all__ = ["EXPOSURE_NOT_KNOWN", "NO_BIAS_ELSE", "with_darks_as_biases"]

#: Why a dark that does not say how long it was exposed is left alone.
EXPOSURE_NOT_KNOWN = "its header does not say how long it was exposed"
#: How the reason ends by which darks of no exposure are biases.
NO_BIAS_ELSE = "an exposure of 0 s, and no frame is called bias"


def with_darks_as_biases(found: Sequence[RawFrame]) -> Sequence[RawFrame]:
    """Return the same files, darks of no exposure as biases, where no frame is one and headers tell exposures.

    Many programs know no biases: they are taken as darks of no time. Where every frame has that exposure it is no
    exposure, but a card that nobody filled.

    Parameters
    ----------
    found : sequence of RawFrame
        Everything in the raw folder.

    Returns
    -------
    sequence of RawFrame
        The same where nothing is changed.
    """
    facts = [item.facts for item in found if item.facts is not None and not item.facts.combined]
    zero = [said for said in facts if _is_zero_dark(said)]
    others = [said.exposure_s for said in facts if said.exposure_s is not None and not _is_zero_dark(said)]
    if not zero or any(said.kind is Kind.BIAS for said in facts) or (others and not any(others)):
        return found
    return [
        replace(item, facts=_as_bias(item.facts)) if item.facts is not None and _is_zero_dark(item.facts) else item
        for item in found
    ]


def _is_zero_dark(said: FrameFacts) -> bool:
    return said.kind is Kind.DARK and said.exposure_s == 0 and not said.combined and "taught" not in said.kind_reason


def _as_bias(said: FrameFacts) -> FrameFacts:
    return replace(said, kind=Kind.BIAS, kind_reason=f"{said.kind_reason}, but {NO_BIAS_ELSE}")
