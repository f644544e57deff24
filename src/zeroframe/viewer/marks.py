"""Where the amplifiers, the overscan and the sections of its header are on an image: rectangles with names."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from zeroframe.errors import CameraError, SectionError, UnsupportedError
from zeroframe.fits.astropy_fits import astropy_fits
from zeroframe.frames.amplifier_table import AMPLIFIERS
from zeroframe.headers.cameras import recognise
from zeroframe.headers.geometry import detectors_in
from zeroframe.headers.sections import Section
from zeroframe.headers.set_up import binning_of
from zeroframe.records import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zeroframe.headers.detectors import Amplifier
    from zeroframe.viewer.planes import Picture

__all__ = ["Mark", "marks_of"]

_HEADER_WORDS = ("DATASEC", "TRIMSEC", "BIASSEC")
_ROLES = (("data", "trim"), ("overscan", "overscan"), ("overscan", "parallel_overscan"), ("prescan", "prescan"))


@dataclass(frozen=True)
class Mark:
    """A rectangle on an image.

    Attributes
    ----------
    name : str
        What is written at its corner.
    role : {'data', 'overscan', 'prescan', 'header'}
        What it marks; 'header': only the header says so, and pixels were not asked.
    box : tuple of int
        First and last column, first and last row, counted from 1, rising.
    source : str
        How it is known.
    facts : str
        Gain, read noise and the like, in words.
    """

    name: str
    role: str
    box: tuple[int, int, int, int]
    source: str
    facts: str = ""


def marks_of(picture: Picture) -> tuple[tuple[Mark, ...], tuple[str, ...]]:
    """Return what is marked on an image, and what could not be understood.

    Parameters
    ----------
    picture : Picture
        The image.

    Returns
    -------
    marks : tuple of Mark
        Of a result the amplifiers of its table AMPLIFIERS; of a raw frame those of its camera, where that is known, or
        of its header; else the sections that its header names.
    problems : tuple of str
        Sections that cannot be read, each a clause.
    """
    problems: list[str] = []
    found = list(_of_table(picture)) or list(_of_camera(picture, problems)) or list(_of_detectors(picture, problems))
    return tuple(found or _of_header(picture, problems)), tuple(problems)


def _box(section: Section) -> tuple[int, int, int, int]:
    (x1, x2), (y1, y2) = (part.ends() for part in section.ranges)
    return min(x1, x2), max(x1, x2), min(y1, y2), max(y1, y2)


def _facts(gain: float | None, read_noise: float | None, level: float | None = None) -> str:
    said = [(gain, "gain {:.4g} e⁻/ADU"), (read_noise, "read noise {:.4g} e⁻"), (level, "overscan level {:.6g} ADU")]
    return ", ".join(text.format(value) for value, text in said if value is not None and math.isfinite(value))


def _of_table(picture: Picture) -> Iterator[Mark]:
    """Amplifiers of a frame that was assembled here."""
    if not any(hdu.name == AMPLIFIERS for hdu in picture.frame.hdus):
        return
    rows: Any = astropy_fits().getdata(picture.path, AMPLIFIERS)
    for row in rows:
        name, section = str(row["NAME"]).strip(), str(row["SECTION"]).strip()
        facts = _facts(float(row["GAIN"]), float(row["RDNOISE"]), float(row["LEVEL"]))
        box = _box(Section.parse(section).resolve(picture.image.shape_yx)) if section else None
        ny, nx = picture.image.shape_yx
        yield Mark(name, "data", box or (1, nx, 1, ny), f"table {AMPLIFIERS}", facts)


def _of_camera(picture: Picture, problems: list[str]) -> Iterator[Mark]:
    """Regions of a raw frame whose camera is known."""
    cards, shape = picture.cards, picture.image.shape_yx
    camera = recognise(cards, shape)
    if camera is None or len(picture.frame.images) > 1:
        return
    try:
        camera = camera.for_binning(binning_of(cards))
        amplifiers = [each.resolved(shape) for each in camera.amplifiers]
    except (CameraError, SectionError) as error:
        problems.append(f"camera {camera.name}: {error}")
        return
    for each in amplifiers:
        yield from _of_amplifier(each, f"camera {camera.name}")


def _of_detectors(picture: Picture, problems: list[str]) -> Iterator[Mark]:
    """Amplifiers that the headers of a raw file speak of."""
    try:
        detectors = detectors_in(picture.frame)
    except UnsupportedError as error:
        if len(picture.frame.images) == 1:
            problems.append(str(error.reason))
        return
    own = picture.image.hdu.index
    for detector in detectors:
        if own not in detector.extensions:
            continue
        rows = detector.extension_rows()
        first, last = (0, picture.image.shape_yx[0])
        if rows:
            stands = rows[detector.extensions.index(own)]
            first, last = stands.start, stands.stop
        for amplifier in detector.detector.amplifiers:
            section = amplifier.trim
            if section is not None and not first < _box(section)[2] <= last:
                continue
            yield from _of_amplifier(amplifier.shifted(0, -first), f"header ({detector.convention})")


def _of_amplifier(amplifier: Amplifier, source: str) -> Iterator[Mark]:
    for role, attribute in _ROLES:
        section: Section | None = getattr(amplifier, attribute)
        if section is None:
            continue
        name = amplifier.name if role == "data" else f"{role} {amplifier.name}".strip()
        facts = _facts(amplifier.gain_e_per_adu, amplifier.read_noise_e) if role == "data" else ""
        yield Mark(name or role, role, _box(section), source, facts)


def _of_header(picture: Picture, problems: list[str]) -> Iterator[Mark]:
    """Sections of the header, which nobody has held against the pixels."""
    for word in _HEADER_WORDS:
        said = picture.cards.get(word)
        if not isinstance(said, str) or not said.strip():
            continue
        ny, nx = picture.image.shape_yx
        try:
            box = _box(Section.parse(said).resolve((ny, nx)))
        except SectionError as error:
            problems.append(f"{word}: {error}")
            continue
        if box != (1, nx, 1, ny):
            yield Mark(word, "header", box, "header")
