"""Simulated cameras whose detectors are read through several amplifiers: plain, frozen descriptions."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

from zeroframe.errors import CameraError, UsageError, nearest_name
from zeroframe.headers.sections import AxisRange, Section
from zeroframe.records import dataclass
from zeroframe.simulate.specs import SIMULATED_CAMERAS, FilterLight, SimulatedCamera

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "HEADER_TRUTHS",
    "SIMULATED_MOSAICS",
    "AmplifierSpec",
    "ChipSpec",
    "HeaderTruth",
    "SimulatedMosaic",
    "any_camera",
]

#: What is right and wrong in the headers: all of it right; no word of amplifiers; every section off by three columns;
#: every gain 3 % too high.
HeaderTruth = Literal["true", "absent", "shifted", "gains off"]
HEADER_TRUTHS: tuple[HeaderTruth, ...] = ("true", "absent", "shifted", "gains off")


@dataclass(frozen=True, slots=True)
class AmplifierSpec:
    """One amplifier of a simulated detector.

    Parameters
    ----------
    name : str
    place : Section
        The pixels of the chip's image that it reads, in rising order.
    flips_xy : (bool, bool)
        Along which axes it is read backwards: its first pixel is then the last of the place.
    gain_e_per_adu, read_noise_e : float
    level_adu : float
        Mean level of its bias.
    saturation_adu : int, optional
        The largest number that its converter gives.
    """

    name: str
    place: Section
    flips_xy: tuple[bool, bool]
    gain_e_per_adu: float
    read_noise_e: float
    level_adu: float
    saturation_adu: int = 65535


@dataclass(frozen=True, slots=True)
class ChipSpec:
    """One simulated detector: what its sensor is like, and who reads it.

    Parameters
    ----------
    name : str
    sensor : SimulatedCamera
        Its image, pattern, dark current and light; its strips, gain, level and noise are not used.
    amplifiers : tuple of AmplifierSpec
    origin_xy : (int, int), optional
        Where its first pixel stands in the focal plane, in (binned) pixels from 0.
    """

    name: str
    sensor: SimulatedCamera
    amplifiers: tuple[AmplifierSpec, ...]
    origin_xy: tuple[int, int] = (0, 0)


@dataclass(frozen=True, slots=True)
class SimulatedMosaic:
    """A camera of one chip or several, each of one amplifier or several.

    Parameters
    ----------
    name : str
        Enters the random streams.
    chips : tuple of ChipSpec
    prescan, serial, parallel : int
        Columns that an amplifier reads before its image and after it, and rows after it.
    one_image : bool
        Whether all amplifiers of the one chip stand in one image, beside each other: all images, and the strips between
        or behind them. If not, each amplifier is an extension of its own, as it is read.
    binning_xy : (int, int), optional
        Only said in headers: sizes are those of binned pixels.
    header : {'true', 'absent', 'shifted', 'gains off'}, optional
        See `HEADER_TRUTHS`.
    frame_drift_adu, row_drift_adu : float, optional
        As of `SimulatedCamera`; each amplifier drifts on its own.
    crosstalk : float, optional
        Part of what one amplifier of a chip reads that is added to what the next one reads at the same moment.

    Examples
    --------
    >>> camera = SIMULATED_MOSAICS["quad-mef"]
    >>> [each.name for each in camera.chips[0].amplifiers], camera.raw_shape_yx(camera.chips[0].amplifiers[0])
    (['A', 'B', 'C', 'D'], (1040, 1082))
    """

    name: str
    chips: tuple[ChipSpec, ...]
    prescan: int
    serial: int
    parallel: int
    one_image: bool = False
    binning_xy: tuple[int, int] = (1, 1)
    header: HeaderTruth = "true"
    frame_drift_adu: float = 2.0
    row_drift_adu: float = 1.0
    crosstalk: float = 0.0

    def __post_init__(self) -> None:
        if self.header not in HEADER_TRUTHS:
            raise UsageError(f"headers are {', '.join(HEADER_TRUTHS)}, not {self.header!r}")
        if self.one_image and (len(self.chips) > 1 or self.parallel):
            raise UsageError("one image holds one chip, without parallel overscan; make extensions of its amplifiers")

    def raw_shape_yx(self, amplifier: AmplifierSpec) -> tuple[int, int]:
        """Return the shape of what one amplifier reads, strips included."""
        (x1, x2), (y1, y2) = (part.ends() for part in amplifier.place.ranges)
        return y2 - y1 + 1 + self.parallel, x2 - x1 + 1 + self.prescan + self.serial

    def resized(self, image_shape_yx: tuple[int, int]) -> SimulatedMosaic:
        """Return the same camera with chips of another size, which their amplifiers share as before.

        Examples
        --------
        >>> small = SIMULATED_MOSAICS["sixteen-mef"].resized((128, 256))
        >>> str(small.chips[0].amplifiers[-1].place)
        '[225:256,65:128]'
        """
        ny, nx = image_shape_yx
        chips = []
        for number, chip in enumerate(self.chips):
            old_ny, old_nx = chip.sensor.image_shape_yx
            amplifiers = tuple(
                replace(each, place=_scaled(each.place, (old_nx, old_ny), (nx, ny))) for each in chip.amplifiers
            )
            x, y = chip.origin_xy
            origin = (round(x * nx / old_nx), round(y * ny / old_ny))
            sensor = replace(chip.sensor, image_shape_yx=image_shape_yx)
            chips.append(replace(self.chips[number], sensor=sensor, amplifiers=amplifiers, origin_xy=origin))
        return replace(self, chips=tuple(chips))


def _scaled(place: Section, old_xy: tuple[int, int], new_xy: tuple[int, int]) -> Section:
    ranges = []
    for part, old, new in zip(place.ranges, old_xy, new_xy, strict=True):
        first, last = part.ends()
        ranges.append(AxisRange((first - 1) * new // old + 1, last * new // old))
    return Section(tuple(ranges))


def _sensor(name: str, image_shape_yx: tuple[int, int], **more: float) -> SimulatedCamera:
    return SimulatedCamera(
        name=name,
        header_style="palomar-lfc",
        image_shape_yx=image_shape_yx,
        column_pattern_adu=0.5,
        filters=(FilterLight("R", 2000.0, 5.0),),
        dark_e_per_s=0.01,
        pixel_response_rms=0.008,
        star_flux_range_e_per_s=(20.0, 4000.0),
        **more,  # type: ignore[arg-type]
    )


def _tiled(
    names: str | list[str], image_shape_yx: tuple[int, int], columns: int, rows: int, *, outer_columns: bool = False
) -> tuple[AmplifierSpec, ...]:
    """Return amplifiers in columns and rows, each reading towards a corner, row after row from the first one.

    With ``outer_columns`` only what lies right of the middle is read backwards along x, as two-sided registers are;
    else every amplifier is read so along x, as in the segments of ITL's sensors.
    """
    ny, nx = image_shape_yx
    width, height = nx // columns, ny // rows
    made = []
    for number, (row, column) in enumerate(product(range(rows), range(columns))):
        place = Section(
            (
                AxisRange(column * width + 1, (column + 1) * width),
                AxisRange(row * height + 1, (row + 1) * height),
            )
        )
        flips = (column >= columns / 2 if outer_columns else True), row >= rows / 2 and rows > 1
        gain = 1.1 + 0.07 * (number * 5 % 7)
        made.append(
            AmplifierSpec(names[number], place, flips, gain, 4.0 + 0.5 * (number * 3 % 5), 900.0 + 37.0 * number)
        )
    return tuple(made)


_TWO = SimulatedMosaic(
    "two-amp-spectrograph",
    (ChipSpec("", _sensor("two-amp-spectrograph", (512, 2048)), _tiled("AB", (512, 2048), 2, 1, outer_columns=True)),),
    prescan=0,
    serial=32,
    parallel=0,
    one_image=True,
)
_QUAD = SimulatedMosaic(
    "quad-mef",
    (ChipSpec("", _sensor("quad-mef", (2048, 2048)), _tiled("ABCD", (2048, 2048), 2, 2, outer_columns=True)),),
    prescan=26,
    serial=32,
    parallel=16,
    binning_xy=(2, 2),
)
_SIXTEEN = SimulatedMosaic(
    "sixteen-mef",
    (
        ChipSpec(
            "S00",
            _sensor("sixteen-mef", (4096, 4096)),
            _tiled([f"C{row}{column}" for row in "01" for column in range(8)], (4096, 4096), 8, 2),
        ),
    ),
    prescan=3,
    serial=64,
    parallel=48,
)
_FOUR_CHIPS = SimulatedMosaic(
    "four-chip-mosaic",
    tuple(
        ChipSpec(
            f"chip{number + 1}",
            _sensor(f"four-chip-mosaic-{number + 1}", (2048, 1024)),
            tuple(
                replace(
                    each,
                    name=f"{number + 1}{each.name}",
                    gain_e_per_adu=each.gain_e_per_adu + 0.05 * number,
                    level_adu=each.level_adu + 120.0 * number,
                )
                for each in _tiled("AB", (2048, 1024), 2, 1, outer_columns=True)
            ),
            (number % 2 * 1064, number // 2 * 2088),
        )
        for number in range(4)
    ),
    prescan=8,
    serial=40,
    parallel=0,
)

SIMULATED_MOSAICS: Mapping[str, SimulatedMosaic] = MappingProxyType(
    {camera.name: camera for camera in (_TWO, _QUAD, _SIXTEEN, _FOUR_CHIPS)}
)


def any_camera(camera: str | SimulatedCamera | SimulatedMosaic) -> SimulatedCamera | SimulatedMosaic:
    """Return the simulated camera of that name, of one amplifier or of several.

    Raises
    ------
    CameraError
        When there is none of that name.

    Examples
    --------
    >>> any_camera("quad-mef").serial
    32
    >>> any_camera("quad")
    Traceback (most recent call last):
    zeroframe.errors.CameraError: no simulated camera is called 'quad'; ...
    """
    if not isinstance(camera, str):
        return camera
    known: dict[str, SimulatedCamera | SimulatedMosaic] = {**SIMULATED_CAMERAS, **SIMULATED_MOSAICS}
    if camera not in known:
        hint = nearest_name(camera, known)
        raise CameraError(f"no simulated camera is called {camera!r}; there are {', '.join(known)}{hint}")
    return known[camera]
