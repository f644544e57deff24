"""Headers of simulated detectors of several amplifiers, as IRAF's mscred and its spectrographs have them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from zeroframe import __version__
from zeroframe.headers.sections import AxisRange, Section

if TYPE_CHECKING:
    from collections.abc import Iterator

    from astropy.io.fits import Header

    from zeroframe.simulate.headers import RawCard
    from zeroframe.simulate.mosaics import AmplifierSpec, ChipSpec, SimulatedMosaic
    from zeroframe.simulate.specs import FrameSpec

__all__ = ["mosaic_headers"]

_WORDS = {"bias": "zero", "dark": "dark", "flat": "dome flat", "science": "object"}
_START = datetime(2021, 3, 11, 0, 30, tzinfo=UTC)
#: By so many columns sections are wrong where headers are "shifted", and by this factor gains that are "gains off".
_OFF_COLUMNS, _OFF_GAIN = 3, 1.03
_SCALE_DEG = 0.26 / 3600


def mosaic_headers(camera: SimulatedMosaic, spec: FrameSpec, seed: int, index: int) -> tuple[Header, list[Header]]:
    """Return the primary header and those of the images.

    Parameters
    ----------
    camera : SimulatedMosaic
        Its ``header`` says what is right in them.
    spec : FrameSpec
        The exposure.
    seed, index : int
        Written as a comment; the index also sets the time.

    Returns
    -------
    primary : astropy.io.fits.Header
        As in files of mscred it holds words that are not to be handed down: BIASSEC 'UNKNOWN', GAIN 0.
    images : list of astropy.io.fits.Header
        One for each extension; of a camera of one image, the primary header once more.
    """
    from astropy.io.fits import Header

    primary = Header(list(_exposure_cards(camera, spec, index)))
    if camera.one_image:
        primary.extend(Header(list(_one_image_cards(camera))))
        primary.add_comment(_made_by(camera, seed, index))
        return primary, [primary]
    primary["BIASSEC"] = "UNKNOWN"
    primary["GAIN"] = 0.0
    number, images = 0, []
    for chip in camera.chips:
        for amplifier in chip.amplifiers:
            number += 1
            images.append(Header(list(_extension_cards(camera, chip, amplifier, number))))
    primary["NEXTEND"] = len(images)
    primary.add_comment(_made_by(camera, seed, index))
    return primary, images


def _made_by(camera: SimulatedMosaic, seed: int, index: int) -> str:
    return f"Simulated by zeroframe {__version__}: camera {camera.name}, seed {seed}, index {index}"


def _exposure_cards(camera: SimulatedMosaic, spec: FrameSpec, index: int) -> Iterator[RawCard]:
    start = _START + timedelta(minutes=5 * index)
    yield "OBJECT", spec.object_name, "object"
    yield "OBSTYPE", spec.imagetyp or _WORDS[spec.kind], "type of observation"
    yield "EXPTIME", float(spec.exposure_s), "exposure time in seconds"
    yield "DATE-OBS", f"{start:%Y-%m-%dT%H:%M:%S}", "start of the exposure (UT)"
    yield "INSTRUME", camera.name, "instrument"
    yield "TELESCOP", "Simulated 1 m", "telescope"
    if spec.filter_name is not None:
        yield "FILTER", spec.filter_name, "filter"
    yield "CCDSUM", f"{camera.binning_xy[0]} {camera.binning_xy[1]}", "binning"
    yield "BUNIT", "adu", "unit of the pixels"


def _gain(camera: SimulatedMosaic, amplifier: AmplifierSpec) -> float:
    return round(amplifier.gain_e_per_adu * (_OFF_GAIN if camera.header == "gains off" else 1.0), 4)


def _off(camera: SimulatedMosaic) -> int:
    return _OFF_COLUMNS if camera.header == "shifted" else 0


def _box(x1: int, x2: int, y1: int, y2: int) -> Section:
    return Section((AxisRange(x1, x2), AxisRange(y1, y2)))


def _one_image_cards(camera: SimulatedMosaic) -> Iterator[RawCard]:
    """Cards of each amplifier with its letter, as spectrographs of two amplifiers have them."""
    from zeroframe.simulate.mosaic_frames import one_image_sections

    if camera.header == "absent":
        return
    ((chip),) = camera.chips
    for amplifier, sections in zip(chip.amplifiers, one_image_sections(camera), strict=True):
        for word, part in (("TRIMSEC", "data"), ("BIASSEC", "overscan")):
            section = sections[part].shift(-_off(camera) if amplifier.flips_xy[0] else _off(camera), 0)
            yield f"{word}{amplifier.name}", str(section), f"{part} of amplifier {amplifier.name}"
        yield f"GAIN{amplifier.name}", _gain(camera, amplifier), "electrons per ADU"
        yield f"RDNOISE{amplifier.name}", amplifier.read_noise_e, "read noise in electrons"


def _extension_cards(
    camera: SimulatedMosaic, chip: ChipSpec, amplifier: AmplifierSpec, number: int
) -> Iterator[RawCard]:
    yield "EXTNAME", f"im{number}", "name of the extension"
    yield "EXTVER", number, "number of the extension"
    yield "INHERIT", True, "the primary header is part of this one"
    if camera.header == "absent":
        return
    ny, nx = camera.raw_shape_yx(amplifier)
    first, last, top = camera.prescan + 1, nx - camera.serial, ny - camera.parallel
    off = _off(camera)
    x_binning, y_binning = camera.binning_xy
    image_ny, image_nx = chip.sensor.image_shape_yx
    yield "AMPNAME", f"amplifier {amplifier.name}", "name of the amplifier"
    if chip.name:
        yield "CCDNAME", chip.name, "name of the chip"
    yield "DATASEC", str(_box(first + off, last + off, 1, top)), "pixels that see light"
    yield "TRIMSEC", str(_box(first + off, last + off, 1, top)), "pixels to keep"
    yield "BIASSEC", str(_box(last + 1 + off, min(nx, nx + off), 1, top)), "overscan"
    yield "CCDSIZE", f"[1:{image_nx * x_binning},1:{image_ny * y_binning}]", "unbinned size of the chip"
    yield "CCDSUM", f"{x_binning} {y_binning}", "binning"
    for word, origin in (("CCDSEC", (0, 0)), ("DETSEC", chip.origin_xy)):
        yield word, str(_on_sensor(camera, amplifier, origin)), "place, in unbinned pixels"
    yield "DETSIZE", _whole(camera), "unbinned size of the focal plane"
    for axis, (part, flip, pre) in enumerate(
        zip(amplifier.place.ranges, amplifier.flips_xy, (camera.prescan, 0), strict=True), start=1
    ):
        begin, end = part.ends()
        sign, binning = (-1 if flip else 1), camera.binning_xy[axis - 1]
        first_of_ccd = end * binning - (binning - 1) / 2 if flip else (begin - 1) * binning + (binning + 1) / 2
        yield f"ATM{axis}_{axis}", float(sign), "CCD to amplifier transformation"
        yield f"ATV{axis}", float(end * binning + 1 if flip else (1 - begin) * binning), "CCD to amplifier"
        yield f"LTM{axis}_{axis}", sign / binning, "CCD to image transformation"
        yield f"LTV{axis}", pre + 1 - sign * first_of_ccd / binning, "CCD to image"
    yield "GAIN", _gain(camera, amplifier), "electrons per ADU"
    yield "RDNOISE", amplifier.read_noise_e, "read noise in electrons"
    yield "SATURATE", amplifier.saturation_adu, "ADU"
    yield from _sky_cards(camera, chip, amplifier)


def _sky_cards(camera: SimulatedMosaic, chip: ChipSpec, amplifier: AmplifierSpec) -> Iterator[RawCard]:
    """World coordinates of one tangential projection for the whole focal plane, in pixels of this extension."""
    yield "CTYPE1", "RA---TAN", "projection"
    yield "CTYPE2", "DEC--TAN", "projection"
    yield "CRVAL1", 150.0, "degrees"
    yield "CRVAL2", 2.0, "degrees"
    for axis, (part, flip, pre, origin) in enumerate(
        zip(amplifier.place.ranges, amplifier.flips_xy, (camera.prescan, 0), chip.origin_xy, strict=True), start=1
    ):
        begin, end = part.ends()
        centre = 1000.5 - origin  # of the focal plane, in pixels of this chip
        yield f"CRPIX{axis}", pre + (end + 1 - centre if flip else centre - begin + 1), "reference pixel"
        degrees = (-_SCALE_DEG if axis == 1 else _SCALE_DEG) * camera.binning_xy[axis - 1]
        yield f"CD{axis}_{axis}", -degrees if flip else degrees, "degrees per pixel"


def _on_sensor(camera: SimulatedMosaic, amplifier: AmplifierSpec, origin_xy: tuple[int, int]) -> Section:
    ranges = []
    for part, flip, origin, binning in zip(
        amplifier.place.ranges, amplifier.flips_xy, origin_xy, camera.binning_xy, strict=True
    ):
        begin, end = part.ends()
        low, high = (begin - 1 + origin) * binning + 1, (end + origin) * binning
        ranges.append(AxisRange(high, low) if flip else AxisRange(low, high))
    return Section(tuple(ranges))


def _whole(camera: SimulatedMosaic) -> str:
    x = max(chip.origin_xy[0] + chip.sensor.image_shape_yx[1] for chip in camera.chips) * camera.binning_xy[0]
    y = max(chip.origin_xy[1] + chip.sensor.image_shape_yx[0] for chip in camera.chips) * camera.binning_xy[1]
    return f"[1:{x},1:{y}]"
