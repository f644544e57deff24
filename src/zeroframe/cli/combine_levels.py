"""What the options of ``combine`` say of each frame: factors, offsets and weights, and the errors that frames share."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from zeroframe.errors import UsageError
from zeroframe.records import dataclass

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from astropy.nddata import CCDData

    from zeroframe.fits import Cards

__all__ = ["LEVEL_WORDS", "FrameNumbers", "add_shared_errors", "numbers_of"]

LEVEL_WORDS = ("mean", "median")


def numbers_of(text: str, option: str) -> list[float]:
    """Return numbers with commas between.

    Examples
    --------
    >>> numbers_of("1,0.98", "--scale")
    [1.0, 0.98]
    """
    try:
        return [float(word) for word in text.split(",")]
    except ValueError:
        raise UsageError(f"{option} is {text!r}; write numbers with commas between, one for each frame") from None


class _ToFirst:
    """By what each frame gets the level of the first, which is remembered."""

    def __init__(self, option: str, word: str) -> None:
        from zeroframe.verbs.levels import LEVELS

        self._option, self._word, self._level_of = option, word, LEVELS[word]
        self._first: float | None = None
        self.values: list[float] = []

    def __call__(self, pixels: Any) -> float:  # noqa: ANN401 -- an array, masked or not
        level = float(self._level_of(pixels))
        first = self._first = level if self._first is None else self._first
        if self._option == "zero":
            self.values.append(first - level)
        elif level > 0:
            self.values.append(first / level)
        else:
            raise UsageError(f"scale={self._word!r} needs frames with levels above zero; one is {level:g}")
        return self.values[-1]


@dataclass(frozen=True)
class FrameNumbers:
    """By what frames are multiplied, what is added to them, and how they are weighted; None: nothing of it.

    Attributes
    ----------
    scale, zero : list of float, callable or None
        As `zeroframe.combine` takes them; what a callable has returned is known afterwards.
    weights : list of float or None
    """

    scale: Any = None
    zero: Any = None
    weights: list[float] | None = None

    @classmethod
    def read(cls, scale: str | None, zero: str | None, weights: str | None) -> FrameNumbers:
        """Read what stands on the command line."""
        said = {}
        for option, text in (("scale", scale), ("zero", zero)):
            if text is not None:
                said[option] = _ToFirst(option, text) if text in LEVEL_WORDS else numbers_of(text, f"--{option}")
        return cls(**said, weights=None if weights is None else numbers_of(weights, "--weights"))

    @property
    def factors(self) -> list[float] | None:
        """By what frames were multiplied."""
        return self.scale.values if isinstance(self.scale, _ToFirst) else self.scale

    @property
    def offsets(self) -> list[float] | None:
        """What was added to them before."""
        return self.zero.values if isinstance(self.zero, _ToFirst) else self.zero


def add_shared_errors(
    made: CCDData, headers: Mapping[Path, Cards], method: str, numbers: FrameNumbers, mem_limit_bytes: int | None
) -> None:
    """Add to a combined frame the errors of bias, dark and flat that its frames have in common; tell its header.

    Parameters
    ----------
    made : CCDData
        The combined frame, which is changed.
    headers : mapping of path to Cards
        Of the frames, in their order.
    method : {'average', 'median', 'sum'}
        How they were combined.
    numbers : FrameNumbers
        By what.
    mem_limit_bytes : int or None
        How much memory there is.
    """
    from zeroframe.headers.survey import KEY_CARD

    if made.uncertainty is None or not any(KEY_CARD in cards for cards in headers.values()):
        return
    from astropy.nddata import StdDevUncertainty

    from zeroframe.run.shared_errors import FrameShares, SharedErrors
    from zeroframe.workers import default_limit_bytes

    shares = FrameShares.of(method, len(headers), numbers.weights, numbers.factors, numbers.offsets)
    shared = SharedErrors(headers, made.shape, mem_limit_bytes or default_limit_bytes())
    sigma, said, of_level = shared.added(made.data, made.uncertainty.array, list(headers), method, shares)
    if of_level > 0:
        own = float(made.meta.get("LEVELERR", 0.0))
        said["LEVELERR"] = (math.hypot(own, of_level), "error of the level, common to all pixels")
    made.uncertainty = StdDevUncertainty(sigma, copy=False)
    made.meta.update(said)
