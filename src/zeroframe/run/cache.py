"""Combined frames and masks of a night while others need them: in memory as far as that is allowed, else from disk."""

from __future__ import annotations

from collections import Counter, OrderedDict
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np

from zeroframe.errors import FrameError
from zeroframe.fits import read_raw, scan
from zeroframe.fits.fingerprint import Watch
from zeroframe.frames.calibration_frames import (
    FLAT_LEVEL_CARD,
    NO_CALIBRATION,
    divisor_of,
    share_card,
    share_in_flat,
)
from zeroframe.frames.colours import COLOUR_LEVEL_CARD
from zeroframe.frames.steps import CalibrationFrame, number_of_card
from zeroframe.frames.stored import StoredFile, read_stored, read_stored_mask
from zeroframe.headers.colours import COLOUR_LETTERS
from zeroframe.headers.kinds import calibration_kinds
from zeroframe.kernels.raw import swap_bytes32
from zeroframe.stacks.stack import ImageOnDisk

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from zeroframe.fits import Hdu
    from zeroframe.planning.plan import NightPlan, StoredMask

__all__ = ["CalibrationCache", "stored_files"]


class CalibrationCache:
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
    watch : Watch, optional
        Knows the files as they were when they were made.
    stored : mapping of str to StoredFile, optional
        Combined frames and masks that lie elsewhere, by name.
    """

    def __init__(
        self,
        out: Path,
        limit_bytes: int,
        uses: Mapping[str, int] | None = None,
        flat_uses: Mapping[str, int] | None = None,
        empty: Callable[..., NDArray[Any]] = np.empty,
        watch: Watch | None = None,
        stored: Mapping[str, StoredFile | StoredMask] | None = None,
    ) -> None:
        self._out, self._stored = out, stored or {}
        self._watch = watch or Watch()
        self.limit_bytes = limit_bytes
        self._empty = empty
        self._counts = uses is not None or flat_uses is not None
        self._uses, self._flat_uses = Counter(uses or {}), Counter(flat_uses or {})
        self._cards: dict[str, Mapping[str, Any]] = {}
        self._planes: OrderedDict[tuple[str, float | None], CalibrationFrame] = OrderedDict()
        self._lock = Lock()

    @property
    def byte_count(self) -> int:
        """How much memory its planes take now."""
        with self._lock:
            return self._byte_count()

    def _byte_count(self) -> int:
        return sum(one.byte_count for one in self._planes.values())

    def put(self, name: str, plane: CalibrationFrame) -> None:
        """Keep a plane that has just been made; of one whose pixels nobody will ask for, only what its header says."""
        with self._lock:
            self._cards[name] = plane.cards
            if not self._counts or self._uses[name] > 0 or self._flat_uses[name] > 0:
                self._add((name, None), plane)

    def used(self, names: Iterable[str], flats: Iterable[str] = ()) -> None:
        """Note that somebody who would ask for these planes, and these flats, will not ask for them again."""
        with self._lock:
            if not self._counts:
                return
            self._uses.subtract(names)
            self._flat_uses.subtract(flats)
            divisors = {name for name, dimmest in self._planes if dimmest is not None}
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
            if name not in self._cards and name in self._stored:
                self._got(name)
            if name not in self._cards:
                found = ImageOnDisk.find(scan(self._out / name))
                self._cards[name] = found.frame.cards_of(found.image)
            return number_of_card(self._cards[name], word)

    def get(self, name: str) -> CalibrationFrame:
        """Return a plane, from its file where it is not in memory.

        Raises
        ------
        FrameError
            When the file cannot be read.
        """
        with self._lock:
            return self._got(name)

    def flat(self, name: str, dimmest: float | None) -> CalibrationFrame:
        """Return a flat to divide by: masked below ``dimmest``, and 1, without error, where it cannot be used.

        Where nobody will ask for the flat as it is, it is made in its place.
        """
        with self._lock:
            key = (name, -np.inf if dimmest is None else dimmest)
            if key not in self._planes:
                plane = self._got(name)
                in_place = self._counts and self._uses[name] <= 0
                if in_place:
                    self._planes.pop((name, None), None)
                dimmest = key[1] * _dimmest_colour(plane.cards)
                found = divisor_of(
                    plane.data, plane.sigma, plane.mask, dimmest=dimmest, empty=self._empty, in_place=in_place
                )
                self._add(key, CalibrationFrame(found.data, found.sigma, found.unusable, plane.cards, found.dim_pixels))
            self._planes.move_to_end(key)
            return self._planes[key]

    def inherited(self, cards: Mapping[str, Any]) -> dict[str, tuple[NDArray[Any], float]]:
        """Return whose errors are in a combined frame, because they were subtracted from its frames.

        Parameters
        ----------
        cards : mapping
            Its header: what was subtracted from its frames, scaled by what, and of a flat its level.

        Returns
        -------
        dict
            Standard deviations of each that has some, and by what their squares count, by the card that names it. An
            error of the bias that is in its dark, too, is counted once.

        Raises
        ------
        FrameError
            When one of them cannot be read.
        """
        level = number_of_card(cards, FLAT_LEVEL_CARD) or 1.0
        found = {}
        for card, (plane, scale, within) in self._subtracted(cards).items():
            left = share_in_flat(level, scale, [by for _, by in within])
            whole = sum((by / level) ** 2 for one, by in within if one.sigma.size and one.holds_error_of(card))
            if plane.sigma.size:
                found[card] = plane.sigma, (left**2 - whole) * plane.sigma_factor**2
        self.used(())
        return found

    def level_error(self, cards: Mapping[str, Any]) -> float:
        """Return the error that the level of a frame has of what was subtracted from it, by its header."""
        squares = 0.0
        for plane, scale, within in self._subtracted(cards).values():
            left = share_in_flat(1.0, scale, [by for _, by in within])
            squares += (left * plane.own_level_error) ** 2
        return float(np.sqrt(squares)) * (number_of_card(cards, "GAINCOR") or 1.0)

    def _subtracted(
        self, cards: Mapping[str, Any]
    ) -> dict[str, tuple[CalibrationFrame, float, list[tuple[CalibrationFrame, float]]]]:
        """Return what was subtracted from a frame, scaled by what, and what else was that is less it, by its card."""
        used: dict[str, tuple[CalibrationFrame, float]] = {}
        named: dict[str, str] = {}
        for row in calibration_kinds():
            name, _, said = str(cards.get(row.card) or "").partition(" x ")
            if name and not row.divides:
                scale = number_of_card(cards, share_card(row.card))
                used[row.card] = self.get(name), float(said or 1.0) if scale is None else scale
                named[row.card] = name
        return {
            card: (
                plane,
                scale,
                [one for one in used.values() if one[0] is not plane and one[0].cards.get(card) == named[card]],
            )
            for card, (plane, scale) in used.items()
        }

    def _got(self, name: str) -> CalibrationFrame:
        if (name, None) not in self._planes:
            stored = self._stored.get(name)
            path = self._out / name if stored is None else _file_of(stored).path
            self._watch.look([path])
            plane = _read(path, self._empty) if stored is None else _read_stored(stored, self._empty)
            self._watch.check([path])  # image, errors and mask are of one file
            self._cards[name] = plane.cards
            self._add((name, None), plane)
        self._planes.move_to_end((name, None))
        return self._planes[name, None]

    def _add(self, key: tuple[str, float | None], plane: CalibrationFrame) -> None:
        self._planes[key] = plane
        while len(self._planes) > 1 and self._byte_count() > self.limit_bytes:
            self._planes.popitem(last=False)


def _dimmest_colour(cards: Mapping[str, Any]) -> float:
    """Return the level of the dimmest colour of a flat that keeps the colour of its lamp; 1 of all others."""
    level = number_of_card(cards, FLAT_LEVEL_CARD)
    if cards.get("LAMPCOL") != "kept" or not level:
        return 1.0
    colours = [number_of_card(cards, f"{COLOUR_LEVEL_CARD}{letter}") for letter in COLOUR_LETTERS]
    return min([1.0, *(each / level for each in colours if each is not None)])


def stored_files(plan: NightPlan) -> dict[str, StoredFile | StoredMask]:
    """Return where combined frames and masks are that exist already, by name."""
    files: dict[str, StoredFile | StoredMask] = {mask.name: mask for mask in plan.stored_masks}
    return files | {group.name: group.stored.file for group in plan.stored if group.stored is not None}


def _file_of(stored: StoredFile | StoredMask) -> StoredFile:
    return stored if isinstance(stored, StoredFile) else stored.file


def _read_stored(stored: StoredFile | StoredMask, empty: Callable[..., NDArray[Any]]) -> CalibrationFrame:
    if isinstance(stored, StoredFile):
        return read_stored(stored, empty)
    return CalibrationFrame(read_stored_mask(stored.file), NO_CALIBRATION, None, {})


def _read(path: Path, empty: Callable[..., NDArray[Any]]) -> CalibrationFrame:
    """Read a combined frame or a mask."""
    found = ImageOnDisk.find(scan(path))
    pixels = _read_image(path, found.image, empty)
    if pixels.shape != found.layout.shape_yx:
        raise FrameError(path, "was changed while the night was reduced", "run again")
    sigmas = [hdu for hdu in found.frame.hdus if hdu.name == "UNCERT"]
    sigma = _read_image(path, sigmas[0], empty) if sigmas else NO_CALIBRATION
    mask = None if found.mask is None else _read_image(path, found.mask, empty) != 0
    return CalibrationFrame(pixels, sigma, mask, found.frame.cards_of(found.image))


def _read_image(path: Path, hdu: Hdu, empty: Callable[..., NDArray[Any]]) -> NDArray[Any]:
    """Read one image of a file; float32, as most are, in its own bytes, and into memory that is used again."""
    size = 0 if hdu.layout is None else hdu.layout.byte_count
    into = empty(size, np.uint8)
    raw = read_raw(path, ext=hdu.index, into=into)
    if raw.pixels.dtype != ">f4" or not np.shares_memory(raw.pixels, into):
        return raw.decode()
    words = raw.pixels.reshape(-1).view(np.uint32)
    swap_bytes32(words, words)
    return raw.pixels.view(np.float32)
