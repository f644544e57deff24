"""What is done to one frame, as data; what it is calibrated with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol

from zeroframe.frames.calibration_frames import NO_CALIBRATION, error_factor

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import NDArray

    from zeroframe.frames.overscan import OverscanSpec
    from zeroframe.headers.sections import Section
    from zeroframe.kernels.calibrate import NoiseModel


__all__ = ["COSMIC_RAYS", "CalibratedFrame", "CalibrationFrame", "Calibrations", "CosmicRays", "FrameRecipe", "Steps"]


@dataclass(frozen=True, slots=True)
class FrameRecipe:
    """What is done to a frame.

    Parameters
    ----------
    overscan : OverscanSpec, optional
        How the overscan is subtracted; None: it is not.
    trim : Section, optional
        What is kept of the frame; None: all.
    """

    overscan: OverscanSpec | None = None
    trim: Section | None = None


CosmicRays = Literal["none", "lacosmic", "median"]


#: How cosmic rays are found in science frames.
COSMIC_RAYS: tuple[CosmicRays, ...] = ("none", "lacosmic", "median")


@dataclass(frozen=True, slots=True)
class Steps:
    """What is done to a frame after its overscan is subtracted and it is trimmed, in this order; by default nothing.

    Attributes
    ----------
    uncertainty : bool
        Whether a standard deviation is made for each pixel and carried on. Where the read noise or the gain is None, it
        has to be measured.
    bias, dark, flat : str or None
        Names of combined frames, relative to OUT: subtracted, subtracted, divided by.
    dark_scale : float or None
        What the dark is multiplied by; None: it is used as it is.
    flat_min_value : float or None
        The flat, brought to a level of 1, is no lower than this.
    masks : tuple of str
        Names of masks, relative to OUT; their pixels are masked.
    gain_e_per_adu, read_noise_e : float or None
        As recipe, camera or header say; None where none of them does.
    to_electrons : bool
        Whether the result is multiplied by the gain.
    cosmic_rays : {'none', 'lacosmic', 'median'}
        How cosmic rays are found and masked, last of all.
    """

    uncertainty: bool = False
    bias: str | None = None
    dark: str | None = None
    dark_scale: float | None = None
    flat: str | None = None
    flat_min_value: float | None = None
    masks: tuple[str, ...] = ()
    gain_e_per_adu: float | None = None
    read_noise_e: float | None = None
    to_electrons: bool = False
    cosmic_rays: CosmicRays = "none"

    @property
    def needs(self) -> tuple[str, ...]:
        """Names of the combined frames and masks that must be there first."""
        return tuple(name for name in (self.bias, self.dark, self.flat, *self.masks) if name is not None)


@dataclass(frozen=True, eq=False)
class Calibrations:
    """What one science frame is calibrated with.

    Attributes
    ----------
    bias, dark, flat : CalibrationFrame or None
        Combined frames; the flat is above zero everywhere.
    masks : tuple of ndarray of bool
        Pixels that are masked.
    pedestal : ndarray
        What light and dark current are counted from in each pixel; of shape (0, 0) where that is one level.
    gain_e_per_adu, read_noise_adu : float or None
        None where they are not known, or nobody asks for them.
    noise : NoiseModel or None
        None where no uncertainty is made.
    remarks : tuple of str
        What could not be done, and why.
    """

    bias: CalibrationFrame | None
    dark: CalibrationFrame | None
    flat: CalibrationFrame | None
    masks: tuple[NDArray[Any], ...]
    pedestal: NDArray[Any]
    gain_e_per_adu: float | None
    read_noise_adu: float | None
    noise: NoiseModel | None
    remarks: tuple[str, ...]

    @property
    def planes(self) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
        """Bias, dark and flat, as kernels take them."""
        return tuple(NO_CALIBRATION if one is None else one.data for one in (self.bias, self.dark, self.flat))  # type: ignore[return-value]

    @property
    def sigmas(self) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
        """Their standard deviations; none where no uncertainty is made."""
        used = (None, None, None) if self.noise is None else (self.bias, self.dark, self.flat)
        return tuple(NO_CALIBRATION if one is None else one.sigma for one in used)  # type: ignore[return-value]


class CalibratedFrame(Protocol):
    """What has to be known of a frame while it is calibrated; frames of a plan are such.

    Attributes
    ----------
    recipe : FrameRecipe
        Overscan and trim.
    steps : Steps
        What is done after that.
    saturated_at_adu : float or None
        The value of a saturated raw pixel, where it is known.
    """

    @property
    def recipe(self) -> FrameRecipe: ...  # noqa: D102 -- told above
    @property
    def steps(self) -> Steps: ...  # noqa: D102
    @property
    def saturated_at_adu(self) -> float | None: ...  # noqa: D102


@dataclass(frozen=True, eq=False)
class CalibrationFrame:
    """A combined frame, or a mask.

    Attributes
    ----------
    data : ndarray of float, shape (ny, nx)
        The image; of a mask, of bool.
    sigma : ndarray of float, shape (ny, nx) or (0, 0)
        Standard deviations as the file holds them.
    mask : ndarray of bool or None
        Where there is nothing.
    cards : mapping
        What its header says.
    """

    data: NDArray[Any]
    sigma: NDArray[Any]
    mask: NDArray[np.bool_] | None
    cards: Mapping[str, Any]

    def number(self, word: str) -> float | None:
        """Return what a card says, where it is a number."""
        return _number(self.cards, word)

    @property
    def sigma_factor(self) -> float:
        """What its standard deviations are multiplied by to be those of its error."""
        return error_factor(self.cards)

    @property
    def byte_count(self) -> int:
        """How much memory it takes."""
        return self.data.nbytes + self.sigma.nbytes + (0 if self.mask is None else self.mask.nbytes)


def _number(cards: Mapping[str, Any], word: str) -> float | None:
    value = cards.get(word)
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
