"""Images for the page: levels of grey with a stretch that several images share, and PNG files of them."""

from __future__ import annotations

import base64
import struct
import zlib
from typing import TYPE_CHECKING, Any

import numpy as np

from zeroframe.frames.medians import quantiles_of_valid

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["NO_PIXEL", "png_bytes", "png_uri", "shades", "stretch_limits"]

#: The shade of what is no pixel: trimmed away, or masked.
NO_PIXEL = 255
_WHITE = 254
#: Of no pixel: a dull blue, which no level of grey is taken for.
_NO_PIXEL_RGB = (66, 92, 138)
_GREY = bytes(round(255 * shade / _WHITE) for shade in range(_WHITE + 1) for _ in range(3))
_STRETCH_SHARES = (0.005, 0.995)


def stretch_limits(image: NDArray[Any]) -> tuple[float, float]:
    """Return between which values an image is stretched: what 99 % of its pixels lie within.

    Parameters
    ----------
    image : ndarray
        Not finite where there is no pixel.

    Returns
    -------
    low, high : float
        ``low < high``, also for an image that is the same everywhere or has no pixel.

    Examples
    --------
    >>> import numpy as np
    >>> stretch_limits(np.full((2, 2), 7.0))
    (6.5, 7.5)
    """
    valid = image[np.isfinite(image)]
    if valid.size == 0:
        return 0.0, 1.0
    low, high = (float(limit) for limit in quantiles_of_valid(valid, _STRETCH_SHARES))
    room = max(0.5, float(np.spacing(abs(low))))  # of a number beyond 1e16 a half is nothing
    return (low, high) if low < high else (low - room, high + room)


def shades(image: NDArray[Any], low: float, high: float) -> NDArray[np.uint8]:
    """Return shades of grey: 0 at ``low`` and below, 254 at ``high`` and above, 255 where there is no pixel.

    Parameters
    ----------
    image : ndarray, shape (ny, nx)
        Not finite where there is no pixel.
    low, high : float
        Limits of the stretch.

    Returns
    -------
    ndarray of uint8, shape (ny, nx)

    Examples
    --------
    >>> import numpy as np
    >>> shades(np.array([[-1.0, 0.5, 2.0, np.nan]]), 0.0, 1.0)
    array([[  0, 127, 254, 255]], dtype=uint8)
    """
    finite = np.isfinite(image)
    scaled = (np.where(finite, image, low) - low) * (_WHITE / (high - low))
    result = np.clip(np.rint(scaled), 0, _WHITE).astype(np.uint8)
    result[~finite] = NO_PIXEL
    return result


def png_bytes(image: NDArray[np.uint8]) -> bytes:
    """Return shades of grey as a PNG file, row 0 at the bottom.

    Parameters
    ----------
    image : ndarray of uint8, shape (ny, nx)
        As `shades` gives them.

    Returns
    -------
    bytes
        A PNG with a palette (PNG specification, third edition, W3C 2025: chunks IHDR, PLTE, IDAT, IEND).
    """
    height, width = image.shape
    rows = np.zeros((height, width + 1), np.uint8)  # the first byte of each row says that it is not filtered
    rows[:, 1:] = image[::-1]
    header = struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)
    chunks = (
        (b"IHDR", header),
        (b"PLTE", _GREY + bytes(_NO_PIXEL_RGB)),
        (b"IDAT", zlib.compress(rows.tobytes(), 6)),
        (b"IEND", b""),
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body)) for name, body in chunks
    )


def png_uri(image: NDArray[np.uint8]) -> str:
    """Return shades of grey as a ``data:`` address, which a page can hold in itself."""
    return "data:image/png;base64," + base64.b64encode(png_bytes(image)).decode("ascii")
