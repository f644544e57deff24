"""Raw files of cameras (CR2, CR3, NEF, ARW, DNG …) by rawpy, the wrapper of LibRaw: pixels as they were read."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

import numpy as np

from zeroframe.errors import DamagedError, UnsupportedError
from zeroframe.fits.converted import Converted
from zeroframe.fits.header import HeaderDraft

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["open_image", "text_tags"]

_ENTRY, _TEXT = 12, 2
_MOST_ENTRIES, _LONGEST = 512, 256


def text_tags(path: Path) -> dict[int, str]:
    """Return the texts of a TIFF by their tags (271: maker, 272: model); none where it is no TIFF.

    Parameters
    ----------
    path : pathlib.Path
        The file, which is opened to be read.
    """
    with path.open("rb") as file:
        start = file.read(8)
        order = {b"II": "<", b"MM": ">"}.get(start[:2])
        if order is None or len(start) < 8:
            return {}
        file.seek(struct.unpack(f"{order}I", start[4:])[0])
        count = file.read(2)
        if len(count) < 2:
            return {}
        entries = file.read(_ENTRY * min(struct.unpack(f"{order}H", count)[0], _MOST_ENTRIES))
        found = {}
        for at in range(0, len(entries) - _ENTRY + 1, _ENTRY):
            tag, kind, size, place = struct.unpack(f"{order}HHII", entries[at : at + _ENTRY])
            if kind != _TEXT or size > _LONGEST:
                continue
            if size > 4:
                file.seek(place)
                text = file.read(size)
            else:
                text = entries[at + 8 : at + 8 + size]
            found[tag] = text.split(b"\0")[0].decode("ascii", "replace").strip()
        return found


def open_image(where: str, path: Path) -> Converted:
    """Open a raw file.

    Parameters
    ----------
    where : str
        What rawpy can open.
    path : pathlib.Path
        What messages call it.

    Returns
    -------
    Converted
        All pixels of the sensor, masked borders included, which are named as BIASSEC; rows from the top of the picture.

    Raises
    ------
    DamagedError
        When it cannot be read.
    UnsupportedError
        When it holds no mosaic of a sensor, as a file that was developed.
    """
    import rawpy

    raw = None
    try:
        raw = rawpy.imread(where)
        raw.unpack()  # which exposure, ISO and colours need, too
        _refuse_developed(raw, path)
        header, sizes = _header(raw, path), raw.sizes
    except rawpy.LibRawError as error:
        _close(raw)
        raise _damaged(path, error) from error
    except BaseException:
        _close(raw)
        raise
    shape = int(sizes.raw_height), int(sizes.raw_width)
    return Converted(
        header, shape, np.dtype(np.uint16), lambda: np.array(raw.raw_image, dtype=np.uint16), lambda: _close(raw)
    )


def _close(raw: Any) -> None:  # noqa: ANN401 -- rawpy has no types
    if raw is not None:
        raw.close()


def _refuse_developed(raw: Any, path: Path) -> None:  # noqa: ANN401
    import rawpy

    if raw.raw_type is not rawpy.RawType.Flat:
        advice = "give the raw file as the camera wrote it"
        raise UnsupportedError(path, "holds three colours a pixel, as a raw file that was developed", advice)


def _damaged(path: Path, error: Exception) -> DamagedError:
    said = error.args[0] if error.args else error
    text = said.decode("utf-8", "replace") if isinstance(said, bytes) else str(said)
    return DamagedError(path, f"LibRaw cannot read it ({text})", "copy it again from the card of the camera")


def _header(raw: Any, path: Path) -> HeaderDraft:  # noqa: ANN401 -- rawpy has no types
    """Return what a raw file says, in the words of FITS; what it does not say is left out."""
    header = HeaderDraft()
    other, sizes = raw.other, raw.sizes
    if other.shutter_speed > 0:
        header["EXPTIME"] = (round(float(other.shutter_speed), 9), "[s] exposure time")
    if other.timestamp is not None and other.timestamp.year > 1970:
        header["DATE-OBS"] = (other.timestamp.isoformat(), "by the clock of the camera, in its time zone")
    if other.iso_speed > 0:
        header["ISOSPEED"] = (float(other.iso_speed), "ISO of the camera")
    for word, value, comment in (("APERTURE", other.aperture, "f number"), ("FOCALLEN", other.focal_length, "[mm]")):
        if value > 0:
            header[word] = (round(float(value), 3), comment)
    model = _camera(path, raw)
    if model:
        header["INSTRUME"] = (model, "camera")
    letters = _letters(raw)
    if letters is not None:
        header["BAYERPAT"] = (letters, "colours of the first pixels of the file")
    header["ROWORDER"] = ("TOP-DOWN", "the first row is the top of the picture")
    levels = [float(level) for level in raw.black_level_per_channel]
    if any(levels):
        header["BLACKLVL"] = (sum(levels) / len(levels), "ADU, by the camera: mean of its four colours")
    if raw.white_level:
        header["SATURATE"] = (float(raw.white_level), "ADU, by the camera")
    _say_borders(header, sizes)
    return header


def _letters(raw: Any) -> str | None:  # noqa: ANN401
    """Return the colours of the first 2 x 2 pixels, 'XTRANS' of a larger pattern; None of a sensor without filters."""
    names = raw.color_desc.decode("ascii", "replace")
    pattern = raw.raw_pattern
    if pattern is None or raw.num_colors < 3:
        return None
    return "XTRANS" if pattern.size != 4 else "".join(names[number] for number in pattern.ravel())


def _say_borders(header: HeaderDraft, sizes: Any) -> None:  # noqa: ANN401
    """Name the part that saw light, and the wider of the masked borders beside it, where there are some."""
    left, top = int(sizes.left_margin), int(sizes.top_margin)
    right, bottom = left + int(sizes.width), top + int(sizes.height)
    nx, ny = int(sizes.raw_width), int(sizes.raw_height)
    if (left, top, right, bottom) == (0, 0, nx, ny):
        return
    header["TRIMSEC"] = (f"[{left + 1}:{right},{top + 1}:{bottom}]", "the picture, by LibRaw")
    header["DATASEC"] = (f"[{left + 1}:{right},{top + 1}:{bottom}]", "")
    strips = {"left": (left, 1, left), "right": (nx - right, right + 1, nx)}
    width, first, last = max(strips.values())
    if width:
        header["BIASSEC"] = (f"[{first}:{last},1:{ny}]", "masked border of the sensor, by LibRaw")


def _camera(path: Path, raw: Any) -> str:  # noqa: ANN401
    """Return maker and model, which rawpy does not hand out: the tags of a TIFF, by which most raw files begin."""
    del raw
    from zeroframe.fits.camera_raw import text_tags

    found = text_tags(path)
    maker, model = found.get(271, ""), found.get(272, "")
    return model if model.casefold().startswith(maker.split(" ")[0].casefold()) else f"{maker} {model}".strip()
