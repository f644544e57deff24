"""What is done to one frame, as data; what it is calibrated with."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal, Protocol

from zeroframe.errors import CameraError
from zeroframe.frames.calibration_frames import WHOLE_CARD, error_factor
from zeroframe.frames.regions import Region, assembled_shape
from zeroframe.headers.kinds import Kind, calibration_kind
from zeroframe.headers.result_cards import LEVEL_ERROR_CARD, OWN_LEVEL_ERROR_CARD
from zeroframe.kernels.calibrate import Window
from zeroframe.records import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import numpy as np
    from numpy.typing import NDArray

    from zeroframe.frames.overscan import OverscanSpec
    from zeroframe.frames.own_masks import OwnMask
    from zeroframe.frames.saturation import StatedSaturation
    from zeroframe.headers.colours import ColourPattern
    from zeroframe.headers.detectors import Crosstalk
    from zeroframe.headers.sections import Section
    from zeroframe.kernels.calibrate import NoiseModel
    from zeroframe.kernels.operations import Operation

__all__ = [
    "COSMIC_RAYS",
    "CalibratedFrame",
    "CalibrationFrame",
    "Calibrations",
    "CosmicRays",
    "Electronics",
    "FrameRecipe",
    "Steps",
    "Use",
    "number_of_card",
]


@dataclass(frozen=True, slots=True)
class FrameRecipe:
    """What is done to a frame first: the overscan of each of its regions is subtracted, and they are assembled.

    Parameters
    ----------
    regions : tuple of Region
        One for each amplifier; of one that read the whole frame, its overscan and what is kept.
    crosstalk : tuple of Crosstalk
        What of regions is taken out of other ones.

    Examples
    --------
    >>> from zeroframe.headers.sections import Section
    >>> FrameRecipe.of_one(trim=Section.parse("[1:6,*]")).shape_yx((4, 8))
    (4, 6)
    """

    regions: tuple[Region, ...] = (Region(),)
    crosstalk: tuple[Crosstalk, ...] = ()

    @classmethod
    def of_one(cls, overscan: OverscanSpec | None = None, trim: Section | None = None) -> FrameRecipe:
        """Return what is done to a frame that one amplifier read; None is not done."""
        return cls((Region(overscan, trim),))

    @property
    def subtracts_overscan(self) -> bool:
        """Whether an overscan is subtracted, of every region."""
        return all(region.overscans for region in self.regions)

    @property
    def assembles(self) -> bool:
        """Whether the frame has several regions."""
        return len(self.regions) > 1

    @property
    def trim(self) -> Section | None:
        """What is kept of a frame that one amplifier read; of several, each has its own."""
        return None if self.assembles else self.regions[0].trim

    def windows(self, raw_shape_yx: tuple[int, ...]) -> tuple[Window, ...]:
        """Return the pixels of each region in the image that a raw frame becomes."""
        places = [region.place_yx(raw_shape_yx) for region in self.regions]
        return tuple(Window(rows.start, rows.stop, columns.start, columns.stop) for rows, columns in places)

    def shape_yx(self, raw_shape_yx: tuple[int, ...]) -> tuple[int, int]:
        """Return the shape of the image that a raw frame becomes."""
        return assembled_shape(self.regions, raw_shape_yx)

    def colours_of(self, raw: ColourPattern | None, raw_shape_yx: tuple[int, ...]) -> ColourPattern | None:
        """Return the colour pattern of the image that a raw frame becomes.

        Parameters
        ----------
        raw : ColourPattern or None
            Of the raw frame.
        raw_shape_yx : tuple of int
            Its shape.

        Raises
        ------
        CameraError
            When regions are put together in such a way that their colours do not go on from one to the next.

        Examples
        --------
        >>> from zeroframe.headers.colours import ColourPattern
        >>> from zeroframe.headers.sections import Section
        >>> recipe = FrameRecipe.of_one(trim=Section.parse("[2:7,*]"))
        >>> recipe.colours_of(ColourPattern("RGGB"), (4, 8)).letters
        'GRBG'
        """
        if raw is None:
            return None
        found = {region.name: region.colours_of(raw, raw_shape_yx) for region in self.regions}
        if len(set(found.values())) > 1:
            said = ", ".join(f"{name} {pattern.letters}" for name, pattern in found.items())
            raise CameraError(
                f"the colours of the amplifiers do not go on from one to the next in the assembled image ({said}); "
                "mend their trim and place in the camera file"
            )
        return next(iter(found.values()))

    def of_electrons(self) -> FrameRecipe:
        """Return the same for pixels that are in electrons: each of their amplifiers has a gain of 1."""
        if not self.assembles:
            return self
        return replace(self, regions=tuple(replace(region, gain_e_per_adu=1.0) for region in self.regions))

    def without_overscan(self) -> FrameRecipe:
        """Return the same without any overscan subtracted."""
        return replace(self, regions=tuple(replace(region, overscan=None, parallel=None) for region in self.regions))

    def words(self) -> tuple[str, ...]:
        """Say what is done, a line a step, as headers do; of several amplifiers, that of each begins with its name."""
        lines = [line for region in self.regions for line in _region_words(region)]
        lines += [f"amplifier {each.victim}: {each.part:g} of amplifier {each.source} taken out, crosstalk"
                  for each in self.crosstalk]  # fmt: skip
        return tuple(lines)


def _region_words(region: Region) -> Iterator[str]:
    whose = f"amplifier {region.name}: " if region.name else ""
    for spec in region.overscans:
        yield f"{whose}overscan {spec.describe()} subtracted"
    if region.place is not None:
        yield f"{whose}{region.trim} put at {region.place}"
    elif region.trim is not None:
        yield f"{whose}trimmed to {region.trim}"
    figures = (
        ("gain {:g} e-/ADU", region.gain_e_per_adu),
        ("read noise {:g} e-", region.read_noise_e),
        ("saturated at {:g} ADU", region.saturation_adu),
    )
    known = [words.format(value) for words, value in figures if value is not None]
    if known:
        yield f"{whose}{', '.join(known)}"


CosmicRays = Literal["none", "lacosmic", "exposures", "median"]


#: How cosmic rays are found in science frames.
COSMIC_RAYS: tuple[CosmicRays, ...] = ("none", "lacosmic", "exposures", "median")


@dataclass(frozen=True, slots=True)
class Use:
    """A combined frame that a frame is calibrated with.

    Attributes
    ----------
    kind : Kind
        What it is, and so what is done with it: see `zeroframe.headers.kinds`.
    name : str
        Of the combined frame, relative to OUT.
    scale : float or None
        What it is multiplied by; None: it is used as it is.
    min_value : float or None
        Where one to divide by, brought to a level of 1, is lower than this, pixels are masked.
    """

    kind: Kind
    name: str
    scale: float | None = None
    min_value: float | None = None

    @property
    def divides(self) -> bool:
        """Whether the frame is divided by it."""
        return calibration_kind(self.kind).divides


@dataclass(frozen=True, slots=True)
class Steps:
    """What is done to a frame after its overscan is subtracted and it is trimmed, in this order; by default nothing.

    Attributes
    ----------
    uncertainty : bool
        Whether a standard deviation is made for each pixel and carried on. Where the read noise or the gain is None, it
        has to be measured.
    uses : tuple of Use
        The combined frames that it is calibrated with, in this order; one of a kind at most.
    masks : tuple of str
        Names of masks, relative to OUT; their pixels are masked.
    gain_e_per_adu, read_noise_e : float or None
        As recipe, camera or header say; None where none of them does.
    own_mask : OwnMask or None
        A mask of bad pixels that the user gave.
    interpolate : bool
        Whether bad pixels, hot ones and those of cosmic rays are replaced from their neighbours.
    grow_saturated : int
        What lies so many pixels around saturated ones and their trails is masked, too.
    to_electrons : bool
        Whether the result is multiplied by the gain.
    cosmic_rays : {'none', 'lacosmic', 'exposures', 'median'}
        How cosmic rays are found and masked, last of all.
    colours : ColourPattern or None
        Of the calibrated frame: what looks at neighbours does so within a colour. None of a sensor without filters.
    fits_dark : bool
        Whether the scale of the dark is fitted to the hot pixels of the frame, where they tell it.
    """

    uncertainty: bool = False
    uses: tuple[Use, ...] = ()
    masks: tuple[str, ...] = ()
    gain_e_per_adu: float | None = None
    read_noise_e: float | None = None
    own_mask: OwnMask | None = None
    interpolate: bool = False
    grow_saturated: int = 0
    to_electrons: bool = False
    cosmic_rays: CosmicRays = "none"
    colours: ColourPattern | None = None
    fits_dark: bool = False

    @property
    def needs(self) -> tuple[str, ...]:
        """Names of the combined frames and masks that must be there first."""
        return (*(use.name for use in self.uses), *self.masks)

    def of(self, kind: str) -> Use | None:
        """Return the combined frame of a kind; None where none is used."""
        return next((use for use in self.uses if use.kind == kind), None)

    def name_of(self, kind: str) -> str | None:
        """Return the name of the combined frame of a kind; None where none is used."""
        used = self.of(kind)
        return None if used is None else used.name

    @property
    def bias(self) -> str | None:
        """Name of the combined bias."""
        return self.name_of(Kind.BIAS)

    @property
    def dark(self) -> str | None:
        """Name of the combined dark."""
        return self.name_of(Kind.DARK)

    @property
    def flat(self) -> str | None:
        """Name of the combined flat."""
        return self.name_of(Kind.FLAT)

    @property
    def dark_scale(self) -> float | None:
        """What the dark is multiplied by; None: it is used as it is."""
        used = self.of(Kind.DARK)
        return None if used is None else used.scale


@dataclass(frozen=True, slots=True)
class Electronics:
    """What brings the pixels of one amplifier to electrons, and what noise they have.

    Attributes
    ----------
    window : Window or None
        Its pixels in the assembled image; None: all.
    to_electrons : float or None
        What the result is multiplied by to be in electrons. That of a frame over its flat is the same for all
        amplifiers, because the flat has brought them to one scale.
    noise : NoiseModel or None
        None where no uncertainty is made.
    read_noise_e : float or None
        Of one pixel without light; None where it, or the gain, is not known.
    """

    window: Window | None
    to_electrons: float | None
    noise: NoiseModel | None
    read_noise_e: float | None = None


@dataclass(frozen=True, eq=False)
class Calibrations:
    """What one science frame is calibrated with.

    Attributes
    ----------
    operations : tuple of Operation
        What is done with combined frames, in this order.
    masks : tuple of ndarray of uint8
        Pixels that are masked, as bits of `zeroframe.frames.mask_bits.MaskBit`.
    pedestal : ndarray
        What light and dark current are counted from in each pixel; of shape (0, 0) where that is one level.
    gain_e_per_adu, read_noise_adu : float or None
        Of several amplifiers, their means. None where they are not known, or nobody asks for them.
    electronics : tuple of Electronics
        One for each amplifier.
    remarks : tuple of str
        What could not be done, and why.
    unlit_pixels : int
        How many pixels are masked because the flat has too little light there.
    blind : tuple of str
        Amplifiers that saw no light in the flat.
    level_error : float
        Error of the level, common to all pixels: what the levels of frames without light scatter by. 0: not known.
    dark_frames : int
        How many frames the dark was combined of; 0: not known.
    dark_level : float
        Level of the dark as it is subtracted, in ADU; NaN where there is none, or it holds its bias.
    """

    operations: tuple[Operation, ...]
    masks: tuple[NDArray[Any], ...]
    pedestal: NDArray[Any]
    gain_e_per_adu: float | None
    read_noise_adu: float | None
    electronics: tuple[Electronics, ...]
    remarks: tuple[str, ...]
    unlit_pixels: int = 0
    blind: tuple[str, ...] = ()
    level_error: float = 0.0
    dark_frames: int = 0
    dark_level: float = float("nan")

    @property
    def makes_noise(self) -> bool:
        """Whether standard deviations are made."""
        return all(each.noise is not None for each in self.electronics)


class CalibratedFrame(Protocol):
    """What has to be known of a frame while it is calibrated; frames of a plan are such.

    Attributes
    ----------
    recipe : FrameRecipe
        Overscan and trim.
    steps : Steps
        What is done after that.
    saturation : StatedSaturation
        What is stated of where raw pixels are full.
    """

    @property
    def recipe(self) -> FrameRecipe: ...  # noqa: D102 -- told above
    @property
    def steps(self) -> Steps: ...  # noqa: D102
    @property
    def saturation(self) -> StatedSaturation: ...  # noqa: D102


@dataclass(frozen=True, eq=False)
class CalibrationFrame:
    """A combined frame, or a mask.

    Attributes
    ----------
    data : ndarray of float, shape (ny, nx)
        The image; of a mask, bits of uint8.
    sigma : ndarray of float, shape (ny, nx) or (0, 0)
        Standard deviations as the file holds them.
    mask : ndarray of bool or None
        Where there is nothing.
    cards : mapping
        What its header says.
    dim_pixels : int
        Of a flat to divide by, how many are masked because they have too little light.
    """

    data: NDArray[Any]
    sigma: NDArray[Any]
    mask: NDArray[np.bool_] | None
    cards: Mapping[str, Any]
    dim_pixels: int = 0

    def number(self, word: str) -> float | None:
        """Return what a card says, where it is a number."""
        return number_of_card(self.cards, word)

    @property
    def sigma_factor(self) -> float:
        """What its standard deviations are multiplied by to be those of its error."""
        return error_factor(self.cards)

    def holds_error_of(self, card: str) -> bool:
        """Whether its standard deviations have the error of what its header names by this card, such as ZEROCOR."""
        return card in str(self.cards.get(WHOLE_CARD, "")).split()

    @property
    def own_level_error(self) -> float:
        """By how much its level may be off, in all pixels alike, without what was subtracted from its frames."""
        own = self.number(OWN_LEVEL_ERROR_CARD)
        return (self.number(LEVEL_ERROR_CARD) if own is None else own) or 0.0

    @property
    def byte_count(self) -> int:
        """How much memory it takes."""
        return self.data.nbytes + self.sigma.nbytes + (0 if self.mask is None else self.mask.nbytes)


def number_of_card(cards: Mapping[str, Any], word: str) -> float | None:
    """Return the number that a card holds; None where it is not there, or no number."""
    value = cards.get(word)
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
