"""Combined frames and masks of a night while others need them: in memory as far as that is allowed, else from disk."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from math import pi, sqrt
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np

from zeroframe.errors import FrameError
from zeroframe.io import read_raw, scan
from zeroframe.stacks import ImageOnDisk

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

__all__ = ["NO_PLANE", "Plane", "Shelf"]

#: A plane that is not there, as kernels know it.
NO_PLANE = np.empty((0, 0), np.float32)


@dataclass(frozen=True, eq=False)
class Plane:
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
        value = self.cards.get(word)
        return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None

    @property
    def sigma_factor(self) -> float:
        """What its standard deviations are multiplied by to be those of its error.

        The file holds std / sqrt(n), with the std divided by n; the error of a mean of n values is sqrt(n / (n - 1))
        times that, on average of the variance. That of a median is sqrt(pi / 2) sigma / sqrt(n).
        """
        frames = self.number("NCOMBINE") or 1.0
        if frames < 2.0:
            return 1.0
        return sqrt(pi / 2.0) if self.cards.get("COMBMETH") == "median" else sqrt(frames / (frames - 1.0))

    @property
    def byte_count(self) -> int:
        """How much memory it takes."""
        return self.data.nbytes + self.sigma.nbytes + (0 if self.mask is None else self.mask.nbytes)


class Shelf:
    """Planes by their names; those that were not used for longest are put away when there are too many.

    Parameters
    ----------
    out : pathlib.Path
        The folder that holds the files.
    limit_bytes : int
        How much memory planes may take; one may always be there.
    """

    def __init__(self, out: Path, limit_bytes: int) -> None:
        self._out = out
        self._limit = limit_bytes
        self._planes: OrderedDict[tuple[str, float | None], Plane] = OrderedDict()
        self._lock = Lock()

    def put(self, name: str, plane: Plane) -> None:
        """Keep a plane that has just been made."""
        with self._lock:
            self._add((name, None), plane)

    def get(self, name: str) -> Plane:
        """Return a plane, from its file where it is not in memory.

        Raises
        ------
        FrameError
            When the file cannot be read.
        """
        with self._lock:
            return self._got(name)

    def flat(self, name: str, lowest: float | None) -> Plane:
        """Return a flat to divide by: no lower than ``lowest``, and 1, without error, where it cannot be used."""
        with self._lock:
            key = (name, -np.inf if lowest is None else lowest)
            if key not in self._planes:
                self._add(key, _divisor(self._got(name), key[1]))
            self._planes.move_to_end(key)
            return self._planes[key]

    def _got(self, name: str) -> Plane:
        if (name, None) not in self._planes:
            self._add((name, None), _read(self._out / name))
        self._planes.move_to_end((name, None))
        return self._planes[name, None]

    def _add(self, key: tuple[str, float | None], plane: Plane) -> None:
        self._planes[key] = plane
        while len(self._planes) > 1 and sum(one.byte_count for one in self._planes.values()) > self._limit:
            self._planes.popitem(last=False)


def _read(path: Path) -> Plane:
    """Read a combined frame or a mask."""
    found = ImageOnDisk.find(scan(path))
    image = read_raw(path, ext=found.image.index)
    pixels = image.decode()
    if pixels.shape != found.layout.shape_yx:
        raise FrameError(path, "was changed while the night was reduced", "run again")
    sigmas = [hdu for hdu in found.frame.hdus if hdu.name == "UNCERT"]
    sigma = read_raw(path, ext=sigmas[0].index).decode() if sigmas else NO_PLANE
    mask = None if found.mask is None else read_raw(path, ext=found.mask.index).decode() != 0
    return Plane(pixels if pixels.dtype.kind == "f" else pixels != 0, sigma, mask, found.frame.cards_of(found.image))


def _divisor(flat: Plane, lowest: float) -> Plane:
    """Return a flat with 1 where it cannot be used; it is the same arrays where nothing has to be changed."""
    data, sigma, mask = flat.data, flat.sigma, flat.mask
    with np.errstate(invalid="ignore"):
        unusable = ~((data > 0) & (data < np.inf)) if lowest <= 0 else ~((data > -np.inf) & (data < np.inf))
    if mask is not None:
        unusable |= mask
    with np.errstate(invalid="ignore"):
        low = data < max(lowest, 0.0)
    if low.any():
        data = np.maximum(data, data.dtype.type(lowest)) if lowest > 0 else data
    if unusable.any():
        data = np.where(unusable, data.dtype.type(1.0), data)
        sigma = np.where(unusable, sigma.dtype.type(0.0), sigma) if sigma.size else sigma
    return Plane(data, sigma, unusable if unusable.any() else None, flat.cards)
