"""Combined frames and masks of a night while others need them: in memory as far as that is allowed, else from disk."""

from __future__ import annotations

from collections import Counter, OrderedDict
from dataclasses import dataclass
from math import pi, sqrt
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np

from zeroframe.errors import FrameError
from zeroframe.io import read_raw, scan
from zeroframe.stacks import ImageOnDisk

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
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
        return _number(self.cards, word)

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
    uses, flat_uses : mapping of str to int, optional
        How often the pixels of each will be asked for, as they are and as a flat to divide by; when `used` has been
        told so often, they are put away. Without both they stay as long as there is room.
    empty : callable, optional
        Makes memory for planes, as `numpy.empty` does.
    """

    def __init__(
        self,
        out: Path,
        limit_bytes: int,
        uses: Mapping[str, int] | None = None,
        flat_uses: Mapping[str, int] | None = None,
        empty: Callable[..., NDArray[Any]] = np.empty,
    ) -> None:
        self._out = out
        self._limit = limit_bytes
        self._empty = empty
        self._counts = uses is not None or flat_uses is not None
        self._uses, self._flat_uses = Counter(uses or {}), Counter(flat_uses or {})
        self._cards: dict[str, Mapping[str, Any]] = {}
        self._planes: OrderedDict[tuple[str, float | None], Plane] = OrderedDict()
        self._lock = Lock()

    def put(self, name: str, plane: Plane) -> None:
        """Keep a plane that has just been made; of one whose pixels nobody will ask for, only what its header says."""
        with self._lock:
            self._cards[name] = plane.cards
            if not self._counts or self._uses[name] > 0 or self._flat_uses[name] > 0:
                self._add((name, None), plane)

    def used(self, names: Iterable[str], flat: str | None = None) -> None:
        """Note that somebody who would ask for these planes, and this flat, will not ask for them again."""
        with self._lock:
            if not self._counts:
                return
            self._uses.subtract(names)
            self._flat_uses.subtract([] if flat is None else [flat])
            divisors = {name for name, lowest in self._planes if lowest is not None}
            for name, lowest in list(self._planes):
                as_it_is = lowest is None and self._uses[name] > 0
                as_flat = self._flat_uses[name] > 0 and (lowest is not None or name not in divisors)
                if not as_it_is and not as_flat:
                    del self._planes[name, lowest]

    def number(self, name: str, word: str) -> float | None:
        """Return what the header of a combined frame says, where it is a number; its pixels are not needed for that.

        Raises
        ------
        FrameError
            When the file cannot be read.
        """
        with self._lock:
            if name not in self._cards:
                found = ImageOnDisk.find(scan(self._out / name))
                self._cards[name] = found.frame.cards_of(found.image)
            return _number(self._cards[name], word)

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
        """Return a flat to divide by: no lower than ``lowest``, and 1, without error, where it cannot be used.

        Where nobody will ask for the flat as it is, it is made in its place.
        """
        with self._lock:
            key = (name, -np.inf if lowest is None else lowest)
            if key not in self._planes:
                plane = self._got(name)
                in_place = self._counts and self._uses[name] <= 0
                if in_place:
                    self._planes.pop((name, None), None)
                self._add(key, _divisor(plane, key[1], self._empty, in_place=in_place))
            self._planes.move_to_end(key)
            return self._planes[key]

    def _got(self, name: str) -> Plane:
        if (name, None) not in self._planes:
            plane = _read(self._out / name)
            self._cards[name] = plane.cards
            self._add((name, None), plane)
        self._planes.move_to_end((name, None))
        return self._planes[name, None]

    def _add(self, key: tuple[str, float | None], plane: Plane) -> None:
        self._planes[key] = plane
        while len(self._planes) > 1 and sum(one.byte_count for one in self._planes.values()) > self._limit:
            self._planes.popitem(last=False)


def _number(cards: Mapping[str, Any], word: str) -> float | None:
    value = cards.get(word)
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


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


def _divisor(flat: Plane, lowest: float, empty: Callable[..., NDArray[Any]], *, in_place: bool) -> Plane:
    """Return a flat with 1 where it cannot be used; it is the same arrays where nothing has to be changed."""
    data, sigma = flat.data, flat.sigma
    unusable, below = empty(data.shape, np.bool_), empty(data.shape, np.bool_)
    with np.errstate(invalid="ignore"):
        np.greater(data, 0.0 if lowest <= 0 else -np.inf, out=unusable)
        np.less(data, np.inf, out=below)
        unusable &= below
        np.logical_not(unusable, out=unusable)
        np.less(data, lowest, out=below)
    if flat.mask is not None:
        unusable |= flat.mask
    raised, spoilt = lowest > 0 and bool(below.any()), bool(unusable.any())
    if raised or spoilt:
        data = data if in_place else empty(data.shape, data.dtype)
        np.maximum(flat.data, data.dtype.type(lowest) if raised else -np.inf, out=data)
    if spoilt:
        data[unusable] = 1.0
        if sigma.size:
            if not in_place:
                sigma = empty(sigma.shape, sigma.dtype)
                sigma[...] = flat.sigma
            sigma[unusable] = 0.0
    return Plane(data, sigma, unusable if spoilt else None, flat.cards)
