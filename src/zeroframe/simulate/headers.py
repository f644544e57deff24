"""Headers as the two real cameras write them, with what is wrong in them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from zeroframe import __version__
from zeroframe.headers.colours import ColourPattern
from zeroframe.headers.sections import Section

if TYPE_CHECKING:
    from collections.abc import Iterator

    from astropy.io.fits import Header

    from zeroframe.simulate.specs import FrameSpec, SimulatedCamera

__all__ = ["RawCard", "frame_header"]

#: Keyword, value and comment.
RawCard = tuple[str, str | int | float | bool, str]

_LFC_WORDS = {"bias": "BIAS", "dark": "DARK", "flat": "FLATFIELD", "science": "OBJECT"}
_CG16M_WORDS = {"bias": "BIAS", "dark": "DARK", "flat": "FLAT", "science": "LIGHT"}
_LFC_START = datetime(2016, 1, 16, 1, 30, tzinfo=UTC)
_CMOS_START = datetime(2024, 3, 9, 19, 2, 11, tzinfo=UTC)
_CG16M_START = datetime(2018, 8, 23, 1, 25, 17, tzinfo=UTC)
_UNIX_EPOCH_JD = 2440587.5


def frame_header(camera: SimulatedCamera, spec: FrameSpec, seed: int, index: int) -> Header:
    """Write the header of one simulated frame, in the style of its camera.

    The cards are those of the frames in the CCD Data Reduction Guide (astropy). Like there, an LFC header has no BUNIT,
    and its BIASSEC holds the columns that light leaks into and lacks the last row.

    Parameters
    ----------
    camera : SimulatedCamera
        Its ``header_style`` decides which cards there are.
    spec : FrameSpec
        The exposure.
    seed, index : int
        Written as a comment, so that the frame and its truth can be made again; the index also sets the time.

    Returns
    -------
    astropy.io.fits.Header
        Without the cards that describe the array, which the writer adds.
    """
    from astropy.io.fits import Header

    cards = {"palomar-lfc": _lfc_cards, "apogee-cg16m": _cg16m_cards, "osc-cmos": _cmos_cards}[camera.header_style]
    header = Header([*cards(camera, spec, index), *_colour_cards(camera)])
    header.add_comment(f"Simulated by zeroframe {__version__}: camera {camera.name}, seed {seed}, index {index}")
    return header


def _lfc_cards(camera: SimulatedCamera, spec: FrameSpec, index: int) -> Iterator[RawCard]:
    """Cards of the Large Format Camera at the 200-inch telescope."""
    start = _LFC_START + timedelta(minutes=6 * index)
    yield "DATE", f"{start:%Y-%m-%d}", "date this file was written"
    yield "ORIGIN", "California Institute of Technology", "institution"
    yield "LATITUDE", 33.4, "latitude of the observatory in degrees"
    yield "LONGITUD", -116.9, "longitude of the observatory in degrees"
    yield "TELESCOP", "Hale 5m Telescope", "telescope"
    yield "FRATIO", 7.5, "focal ratio"
    yield "INSTRUME", "LFC", "instrument"
    yield "DETECTOR", "SITe SI002 x 6", "detector"
    yield "FRAME", spec.number, "frame number"
    yield "CCDPICNO", spec.number, "picture number"
    yield "OBJECT", spec.object_name, "object"
    yield "IMAGETYP", spec.imagetyp or _LFC_WORDS[spec.kind], "type of image"
    yield "EXPTIME", float(spec.exposure_s), "exposure time in seconds"
    yield "DARKTIME", round(spec.exposure_s + 0.673, 3), "dark time in seconds"
    yield "DATE-OBS", f"{start:%Y-%m-%d}", "UT date"
    yield "UT", f"{start:%H:%M:%S}.00", "universal time"
    yield "JD", _julian_date(start), "Julian date"
    yield "RA", "04:08:58.50", "right ascension"
    yield "DEC", "33:25:12.69", "declination"
    yield "EQUINOX", 2000.0, "equinox of the coordinates"
    yield "EPOCH", 2000.0, "epoch of the coordinates"
    yield "AIRMASS", 1.0, "airmass"
    if spec.filter_name is not None:
        yield "FILTER", spec.filter_name, "filter"
    yield "GAIN", camera.gain_e_per_adu, "electrons per ADU"
    yield "SECPIX1", 0.182, "arcsec per pixel along axis 1"
    yield "SECPIX2", 0.182, "arcsec per pixel along axis 2"
    yield "CCDBIN1", 1, "binning along axis 1"
    yield "CCDBIN2", 1, "binning along axis 2"
    yield "ROTANGLE", 0.0, "rotation in degrees"
    yield "DATASEC", _image_section(camera), "image portion of the frame"
    yield "CCDSEC", _image_section(camera), "orientation to the full frame"
    if camera.strips:
        yield "BIASSEC", _strip_section(camera, missing_rows=1), "overscan portion of the frame"
    yield "LOGINFO", "Status=0x00000000", "read-out status"
    yield "CHIPID", 0, "chip of the mosaic"


def _cg16m_cards(camera: SimulatedCamera, spec: FrameSpec, index: int) -> Iterator[RawCard]:
    """Cards of an Apogee Aspen CG16M."""
    start = _CG16M_START + timedelta(minutes=2 * index)
    yield "DATE-OBS", f"{start:%Y-%m-%dT%H:%M:%S}", "start of the exposure (UT)"
    yield "EXPTIME", float(spec.exposure_s), "exposure time in seconds"
    yield "EXPOSURE", float(spec.exposure_s), "exposure time in seconds"
    yield "SET-TEMP", -20.0, "temperature asked for in C"
    # The cooler hunts by a few hundredths of a degree.
    yield "CCD-TEMP", round(-20.0 - 0.01 * (index * 7 % 10), 2), "temperature of the sensor in C"
    yield "XPIXSZ", 9.0, "pixel width in microns"
    yield "YPIXSZ", 9.0, "pixel height in microns"
    yield "XBINNING", 1, "binning along x"
    yield "YBINNING", 1, "binning along y"
    yield "XORGSUBF", 0, "first column of the subframe"
    yield "YORGSUBF", 0, "first row of the subframe"
    yield "READOUTM", "Monochrome", "read-out mode"
    if spec.filter_name is not None:
        yield "FILTER", spec.filter_name, "filter"
    yield "IMAGETYP", spec.imagetyp or _CG16M_WORDS[spec.kind], "type of image"
    yield "EGAIN", camera.gain_e_per_adu, "electrons per ADU"
    yield "FOCALLEN", 3200.0, "focal length in mm"
    yield "APTDIA", 400.0, "aperture in mm"
    yield "INSTRUME", "AspenCG16", "camera"
    yield "OBJECT", spec.object_name, "object"
    yield "JD", _julian_date(start), "Julian date"
    if camera.strips:
        yield "BIASSEC", _strip_section(camera, missing_rows=0), "overscan"
    yield "TRIMSEC", _image_section(camera), "part of the frame to keep"
    yield "BUNIT", "adu", "unit of the pixels"


def _cmos_cards(camera: SimulatedCamera, spec: FrameSpec, index: int) -> Iterator[RawCard]:
    """Cards of a cooled CMOS camera, as N.I.N.A. writes them."""
    start = _CMOS_START + timedelta(seconds=75 * index)
    yield "IMAGETYP", spec.imagetyp or _CG16M_WORDS[spec.kind], "Type of exposure"
    yield "EXPOSURE", float(spec.exposure_s), "[s] Exposure duration"
    yield "EXPTIME", float(spec.exposure_s), "[s] Exposure duration"
    yield "DATE-OBS", f"{start:%Y-%m-%dT%H:%M:%S}.000", "Time of observation (UTC)"
    yield "XBINNING", 1, "X axis binning factor"
    yield "YBINNING", 1, "Y axis binning factor"
    yield "GAIN", 100, "Sensor gain"
    yield "OFFSET", 50, "Sensor gain offset"
    yield "EGAIN", camera.gain_e_per_adu, "[e-/ADU] Electrons per A/D unit"
    yield "XPIXSZ", 3.76, "[um] Pixel X axis size"
    yield "YPIXSZ", 3.76, "[um] Pixel Y axis size"
    yield "INSTRUME", "Simulated OSC", "Imaging instrument name"
    yield "SET-TEMP", -10.0, "[degC] CCD temperature setpoint"
    yield "CCD-TEMP", -10.0, "[degC] CCD temperature"
    yield "ROWORDER", "TOP-DOWN", "FITS Image Orientation"
    yield "FOCALLEN", 400.0, "[mm] Focal length"
    yield "OBJECT", spec.object_name, "Name of the object of interest"
    if spec.filter_name is not None:
        yield "FILTER", spec.filter_name, "Active filter name"


def _colour_cards(camera: SimulatedCamera) -> Iterator[RawCard]:
    """Cards of the pattern of a colour sensor, as of the first pixel of the file."""
    if camera.colour_pattern and camera.names_colours:
        rows, columns = camera.image_slices_yx
        yield "BAYERPAT", ColourPattern(camera.colour_pattern).moved(rows.start, columns.start).letters, "colours"
        yield "XBAYROFF", 0, "Bayer pattern X axis offset"
        yield "YBAYROFF", 0, "Bayer pattern Y axis offset"


def _julian_date(time: datetime) -> float:
    """Julian date of a time, to a tenth of a second."""
    return round(_UNIX_EPOCH_JD + time.timestamp() / 86400, 6)


def _image_section(camera: SimulatedCamera) -> str:
    """Section of the image within the frame."""
    return str(Section.from_slices(camera.image_slices_yx, camera.shape_yx))


def _strip_section(camera: SimulatedCamera, *, missing_rows: int) -> str:
    """Section of the first strip, whole as the header claims it, less some rows at the end."""
    rows, columns = camera.strip_slices_yx(camera.strips[0])
    claimed = slice(rows.start, max(rows.start + 1, rows.stop - missing_rows)), columns
    return str(Section.from_slices(claimed, camera.shape_yx))
