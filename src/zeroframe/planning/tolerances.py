"""How far frames may differ and still belong together."""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING

from zeroframe.planning import recipe_fields as key
from zeroframe.records import dataclass

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Tolerances"]


@dataclass(frozen=True, slots=True)
class Tolerances:
    """How far frames may differ and still belong together: all of them stand here."""

    exposure_s: float = field(
        default=0.05, metadata=key.number("exposures are the same that differ by no more than so many seconds")
    )
    exposure_fraction: float = field(
        default=0.01, metadata=key.number("or by no more than this fraction of the longer one")
    )
    temperature_c: float = field(
        default=1.0,
        metadata=key.number(
            "degrees between a dark and what it is subtracted from, or between darks that are combined"
        ),
    )
    bias_temperature_c: float = field(default=5.0, metadata=key.number("the same for biases"))
    gain_fraction: float = field(
        default=0.01, metadata=key.number("fraction by which the gains that headers state may differ")
    )
    angle: float = field(
        default=0.1,
        metadata=key.number(
            "degrees between the gratings of flats, or between their central wavelengths, in their unit"
        ),
    )
    bias_nights: float = field(
        default=30.0, metadata=key.number("nights between a bias and what it is subtracted from")
    )
    dark_nights: float = field(default=30.0, metadata=key.number("the same for darks"))
    flat_nights: float = field(default=7.0, metadata=key.number("the same for flats: dust moves"))

    def same_exposure(self, one_s: float, other_s: float) -> bool:
        """Say whether two exposures are the same.

        Examples
        --------
        >>> Tolerances().same_exposure(60.001, 60.002), Tolerances().same_exposure(300.0, 290.0)
        (True, False)
        """
        return _within(one_s, other_s, max(self.exposure_s, self.exposure_fraction * max(one_s, other_s)))

    def same_gain(self, one: float, other: float) -> bool:
        """Say whether two gains are the same."""
        return _within(one, other, self.gain_fraction * max(one, other))

    def same_angle(self, one: float, other: float) -> bool:
        """Say whether two gratings stand at the same angle."""
        return _within(one, other, self.angle)

    def same_temperature(self, one_c: float, other_c: float) -> bool:
        """Say whether two temperatures are the same for darks."""
        return _within(one_c, other_c, self.temperature_c)

    def temperature_check(self, name: str) -> Callable[[float, float], bool]:
        """Return what says whether two temperatures are the same by one of these tolerances, such as that of biases."""
        limit_c = float(getattr(self, name))
        return lambda one_c, other_c: _within(one_c, other_c, limit_c)


def _within(one: float, other: float, limit: float) -> bool:
    """Whether numbers as they are written differ by no more than a limit: in the computer 1.1 - 1.0 is above 0.1."""
    return abs(one - other) <= limit * (1 + 1e-9)
