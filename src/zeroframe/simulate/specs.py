"""What a simulated camera and a simulated exposure are made of: plain, frozen descriptions."""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

from zeroframe.errors import UsageError, nearest_name
from zeroframe.records import dataclass

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import NDArray

__all__ = [
    "SIMULATED_CAMERAS",
    "FilterLight",
    "FrameKind",
    "FrameSpec",
    "Side",
    "SimulatedCamera",
    "Strip",
]

Side = Literal["left", "right", "bottom", "top"]
FrameKind = Literal["bias", "dark", "flat", "science"]
HeaderStyle = Literal["palomar-lfc", "apogee-cg16m", "osc-cmos"]


@dataclass(frozen=True, slots=True)
class Strip:
    """Columns or rows beside the image that no light should reach: overscan or prescan.

    Parameters
    ----------
    side : {'left', 'right', 'bottom', 'top'}
        Where it stands. Left and bottom are the low pixel numbers. Strips on the left and right span every row of
        the frame; strips at the bottom and top span the columns of the image.
    width : int
        Columns (left, right) or rows (bottom, top).
    leak_pixels : int, optional
        How many columns or rows, counted from the image, light reaches. Beyond them there is none at all.
    leak_fraction : float, optional
        Light in the pixel next to the image, as a fraction of the mean light in the last four image pixels of that
        row or column.
    leak_length : float, optional
        Pixels over which the leak falls by a factor e.
    offset_adu : float, optional
        Constant offset against the bias level of the image.
    lit_offset_adu : float, optional
        Further offset in every frame that sees light (flat, science).
    lit_fraction : float, optional
        Further offset, as a fraction of the mean light of the image: light moves the level of the whole strip.
    tracks_image : bool, optional
        Whether the strip follows the image's bias level from frame to frame and row to row. If not, it drifts by as
        much, on its own.
    has_dark_current : bool, optional
        Whether its pixels gather dark current, as real but covered pixels do.
    hot_pixels : tuple of int, optional
        Columns or rows of the strip that are hot, counted from the image, 0 being next to it.
    hot_excess_adu : float, optional
        By how much they are high.
    """

    side: Side
    width: int
    leak_pixels: int = 0
    leak_fraction: float = 0.0
    leak_length: float = 1.5
    offset_adu: float = 0.0
    lit_offset_adu: float = 0.0
    lit_fraction: float = 0.0
    tracks_image: bool = True
    has_dark_current: bool = False
    hot_pixels: tuple[int, ...] = ()
    hot_excess_adu: float = 40.0

    def __post_init__(self) -> None:
        if self.width < 1:
            raise UsageError(f"the strip on the {self.side} is {self.width} pixels wide; give at least 1")
        if not 0 <= self.leak_pixels <= self.width:
            raise UsageError(
                f"light cannot reach {self.leak_pixels} of the {self.width} pixels of the {self.side} strip"
            )
        if any(not 0 <= number < self.width for number in self.hot_pixels):
            raise UsageError(f"hot pixels {self.hot_pixels} lie outside the {self.width} of the {self.side} strip")


@dataclass(frozen=True, slots=True)
class FilterLight:
    """How much light arrives through one filter, in electrons per second and pixel where the response is 1."""

    name: str
    flat_e_per_s: float
    sky_e_per_s: float


@dataclass(frozen=True, slots=True)
class SimulatedCamera:
    """A camera with known truth; change fields with `dataclasses.replace` to get another.

    Parameters
    ----------
    name : str
        Enters the random streams: cameras of different names have different patterns from the same seed.
    header_style : {'palomar-lfc', 'apogee-cg16m', 'osc-cmos'}
        Which cards the headers hold, and how files are named.
    image_shape_yx : (int, int)
        Rows and columns that see light.
    strips : tuple of Strip, optional
        Overscan and prescan; at most one on each side.
    bias_level_adu, frame_drift_adu : float, optional
        Mean bias level, and its standard deviation from frame to frame.
    row_drift_adu : float, optional
        Root mean square over the rows of the slow curve that each frame adds to the bias level.
    row_noise_adu : float, optional
        Standard deviation of a level of its own that each row adds.
    smooth_pattern_adu, column_pattern_adu, pixel_pattern_adu : float, optional
        Root mean square of the three parts of the fixed pattern of the image.
    read_noise_e, gain_e_per_adu : float, optional
        Gaussian read noise, before digitisation adds 1/sqrt(12) ADU in quadrature; gain.
    saturation_adu : int, optional
        The largest number that the converter gives.
    step_adu : int, optional
        Step between the numbers that it gives: 4 where 14 bits are shifted into 16.
    dark_e_per_s : float, optional
        Dark current of every pixel.
    hot_fraction, hot_dark_e_per_s : float, optional
        Share of hot pixels, and the mean of their exponentially distributed extra dark current.
    readout_s : float, optional
        Time to read the frame. Hot pixels gather charge, and cosmic rays arrive, during half of it on average; so
        biases show both.
    cosmic_rays_per_mpix_s : float, optional
        Hits per second and million image pixels.
    filters : tuple of FilterLight, optional
        Light through each filter.
    vignetting, dust_grains, pixel_response_rms : float, int, float, optional
        Flat response: light lost in the corner, number of dust shadows, pixel-to-pixel scatter.
    stars_per_mpix, seeing_fwhm_pixels : float, optional
        Stars per million image pixels, and the width of their Gaussian images.
    star_flux_range_e_per_s : (float, float), optional
        Faintest and brightest star; their numbers fall as 1/flux (cumulative).
    colour_pattern : str, optional
        Filters of the first 2 x 2 pixels of the image, as they are stored: ``'RGGB'``. Empty: a sensor without filters.
    flat_colours, sky_colours : (float, float, float), optional
        What red, green and blue pixels get of the light of a flat, and of the sky.
    names_colours : bool, optional
        Whether headers name the pattern.

    Examples
    --------
    >>> from dataclasses import replace
    >>> SIMULATED_CAMERAS["palomar-lfc"].shape_yx
    (4128, 2080)
    >>> small = replace(SIMULATED_CAMERAS["palomar-lfc"], image_shape_yx=(150, 180), strips=(Strip("left", 20),))
    >>> small.shape_yx, small.image_slices_yx
    ((150, 200), (slice(0, 150, None), slice(20, 200, None)))
    """

    name: str
    header_style: HeaderStyle
    image_shape_yx: tuple[int, int]
    strips: tuple[Strip, ...] = ()
    bias_level_adu: float = 1000.0
    frame_drift_adu: float = 2.0
    row_drift_adu: float = 1.0
    row_noise_adu: float = 0.0
    smooth_pattern_adu: float = 1.0
    column_pattern_adu: float = 1.0
    pixel_pattern_adu: float = 0.5
    read_noise_e: float = 5.0
    gain_e_per_adu: float = 1.0
    saturation_adu: int = 65535
    step_adu: int = 1
    dark_e_per_s: float = 0.001
    hot_fraction: float = 1e-4
    hot_dark_e_per_s: float = 1.0
    readout_s: float = 60.0
    cosmic_rays_per_mpix_s: float = 0.1
    filters: tuple[FilterLight, ...] = ()
    vignetting: float = 0.15
    dust_grains: int = 12
    pixel_response_rms: float = 0.01
    stars_per_mpix: float = 150.0
    seeing_fwhm_pixels: float = 5.0
    star_flux_range_e_per_s: tuple[float, float] = (10.0, 3000.0)
    colour_pattern: str = ""
    flat_colours: tuple[float, float, float] = (0.45, 1.0, 0.6)
    sky_colours: tuple[float, float, float] = (0.7, 1.0, 0.5)
    names_colours: bool = True

    def __post_init__(self) -> None:
        if self.colour_pattern not in {"", "RGGB", "BGGR", "GRBG", "GBRG"}:
            raise UsageError(f"the colour pattern {self.colour_pattern!r} is none of RGGB, BGGR, GRBG and GBRG")
        sides = [strip.side for strip in self.strips]
        if len(set(sides)) < len(sides):
            raise UsageError(f"two strips on one side ({', '.join(sides)}); make one wider strip of them")
        if min(self.image_shape_yx) < 8:
            raise UsageError(f"an image of {self.image_shape_yx} (y, x) pixels is too small; give at least 8 x 8")
        if not (self.gain_e_per_adu > 0 and self.read_noise_e >= 0 and 0 < self.saturation_adu <= 65535):
            raise UsageError("gain must be positive, read noise not negative, saturation between 1 and 65535 ADU")

    def resized(self, image_shape_yx: tuple[int, int]) -> SimulatedCamera:
        """Return the same camera with a sensor of another size; its strips are as wide as before.

        Examples
        --------
        >>> SIMULATED_CAMERAS["palomar-lfc"].resized((512, 480)).shape_yx
        (512, 512)
        """
        return replace(self, image_shape_yx=image_shape_yx)

    @property
    def read_noise_adu(self) -> float:
        """Gaussian read noise in ADU, before digitisation."""
        return self.read_noise_e / self.gain_e_per_adu

    @property
    def shape_yx(self) -> tuple[int, int]:
        """Rows and columns of the whole frame, strips included."""
        width = {strip.side: strip.width for strip in self.strips}
        ny, nx = self.image_shape_yx
        return ny + width.get("bottom", 0) + width.get("top", 0), nx + width.get("left", 0) + width.get("right", 0)

    @property
    def image_slices_yx(self) -> tuple[slice, slice]:
        """Where the image stands in the frame."""
        width = {strip.side: strip.width for strip in self.strips}
        y0, x0 = width.get("bottom", 0), width.get("left", 0)
        ny, nx = self.image_shape_yx
        return slice(y0, y0 + ny), slice(x0, x0 + nx)

    def strip_slices_yx(self, strip: Strip) -> tuple[slice, slice]:
        """Return where one of the camera's strips stands in the frame."""
        ny, nx = self.shape_yx
        rows, columns = self.image_slices_yx
        places = {
            "left": (slice(0, ny), slice(0, strip.width)),
            "right": (slice(0, ny), slice(nx - strip.width, nx)),
            "bottom": (slice(0, strip.width), columns),
            "top": (slice(rows.stop, rows.stop + strip.width), columns),
        }
        return places[strip.side]

    def by_colour(self, light: tuple[float, float, float]) -> NDArray[np.float32]:
        """Return a factor for each pixel of the image by its filter; of shape (1, 1) where there are none."""
        import numpy as np

        if not self.colour_pattern:
            return np.ones((1, 1), np.float32)
        ny, nx = self.image_shape_yx
        cell = np.array([light["RGB".index(letter)] for letter in self.colour_pattern], np.float32).reshape(2, 2)
        return np.tile(cell, (ny // 2 + 1, nx // 2 + 1))[:ny, :nx]

    def filter_light(self, filter_name: str | None) -> FilterLight:
        """Return the light through a filter; `UsageError` when the camera has no such filter."""
        for light in self.filters:
            if light.name == filter_name:
                return light
        names = [light.name for light in self.filters]
        hint = nearest_name(filter_name or "", names)
        raise UsageError(
            f"the simulated camera {self.name} has no filter {filter_name!r}, but {', '.join(names)}{hint}"
        )


@dataclass(frozen=True, slots=True)
class FrameSpec:
    """One exposure that is to be simulated.

    Parameters
    ----------
    kind : {'bias', 'dark', 'flat', 'science'}
        What the shutter and the telescope do.
    exposure_s : float, optional
        Exposure time.
    filter_name : str, optional
        Needed for flats and science; otherwise only written to the header (None: no card).
    file_name : str, optional
        Path within the folder, with forward slashes.
    number : int, optional
        The frame's number in the observing log.
    object_name : str, optional
        OBJECT card; science frames of one object show the same stars.
    level_offset_adu : float, optional
        Added to the bias level of this frame.
    light_scale : float, optional
        Factor on the light of a flat: twilight fades.
    imagetyp : str, optional
        Word to write instead of the true one, for frames that are labelled wrongly.
    """

    kind: FrameKind
    exposure_s: float = 0.0
    filter_name: str | None = None
    file_name: str = ""
    number: int = 1
    object_name: str = ""
    level_offset_adu: float = 0.0
    light_scale: float = 1.0
    imagetyp: str = ""

    @property
    def is_lit(self) -> bool:
        """Whether light falls on the sensor."""
        return self.kind in {"flat", "science"} and self.exposure_s > 0


# Size, GAIN, flats of 19,900 ADU and light up to numpy column 2054: the notebooks of the CCD Data Reduction Guide that
# show these frames (taken 2016-01-16). Read noise, drift and pattern are ours.
_PALOMAR_LFC = SimulatedCamera(
    name="palomar-lfc",
    header_style="palomar-lfc",
    image_shape_yx=(4128, 2048),
    strips=(Strip("right", 32, leak_pixels=7, leak_fraction=0.017, leak_length=1.5),),
    bias_level_adu=1100.0,
    read_noise_e=4.4,
    gain_e_per_adu=1.1,
    filters=(FilterLight("g'", 313.0, 1.5), FilterLight("i'", 3130.0, 4.0)),
)

# Size, gain 1.5, read noise 10 e, dark current 0.01 ADU/s, and an overscan that lies above the bias level, is mostly
# leaked light, and shifts by 50 ADU between biases and flats: the same guide's frames of 2018-08-23. Levels are ours.
_APOGEE_CG16M = SimulatedCamera(
    name="apogee-cg16m",
    header_style="apogee-cg16m",
    image_shape_yx=(4096, 4096),
    strips=(
        Strip(
            "right",
            13,
            leak_pixels=13,
            leak_fraction=0.03,
            leak_length=6.0,
            offset_adu=12.0,
            lit_offset_adu=50.0,
            tracks_image=False,
            has_dark_current=True,
        ),
    ),
    bias_level_adu=1000.0,
    frame_drift_adu=1.5,
    smooth_pattern_adu=1.5,
    read_noise_e=10.0,
    gain_e_per_adu=1.5,
    dark_e_per_s=0.015,
    hot_fraction=3e-4,
    hot_dark_e_per_s=5.0,
    readout_s=16.0,
    filters=(FilterLight("r", 36000.0, 4.0),),
    vignetting=0.25,
    star_flux_range_e_per_s=(20.0, 6000.0),
)

# Figures as makers of cooled CMOS cameras publish them for sensors of 14 bits in 16; the sky is that of a small town.
_OSC_CMOS = SimulatedCamera(
    name="osc-cmos",
    header_style="osc-cmos",
    image_shape_yx=(1080, 1920),
    bias_level_adu=1000.0,
    frame_drift_adu=0.3,
    row_drift_adu=0.2,
    smooth_pattern_adu=0.5,
    column_pattern_adu=0.5,
    pixel_pattern_adu=1.0,
    read_noise_e=2.2,
    gain_e_per_adu=0.8,
    saturation_adu=65532,
    step_adu=4,
    dark_e_per_s=0.01,
    hot_fraction=3e-4,
    hot_dark_e_per_s=4.0,
    readout_s=1.0,
    filters=(FilterLight("clear", 12000.0, 8.0),),
    vignetting=0.2,
    seeing_fwhm_pixels=3.5,
    colour_pattern="RGGB",
)

SIMULATED_CAMERAS: Mapping[str, SimulatedCamera] = MappingProxyType(
    {camera.name: camera for camera in (_PALOMAR_LFC, _APOGEE_CG16M, _OSC_CMOS)}
)
