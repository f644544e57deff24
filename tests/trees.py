"""Random trees of folders for the tests of raw data: files, links, hard links, mounts, names that differ by case."""

from __future__ import annotations

import gzip
import os
import random
import shutil
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import cache
from io import BytesIO
from pathlib import Path

import numpy as np
from astropy.io import fits

from sealed import bound, mounts_are_allowed

#: Kinds of raw frames, by their words and exposures.
KINDS = (("zero", 0.0), ("zero", 0.0), ("zero", 0.0), ("dark", 30.0), ("flat", 2.0), ("object", 30.0))
STEMS = ("b1", "b2", "b3", "B1", "s1", "combined_bias", "combined")
ENDINGS = (".fits", ".fits", ".fits", ".fit", ".fits.gz", ".FITS")
#: What is written by that name is not a frame, or stands in the way of one.
OTHERS = (
    "run.json",
    "report.html",
    ".zeroframe.lock",
    "notes.txt",
    "mine.toml",
    "headers.sqlite",
    "b1.fits",
    "s1.fits",
)
FOLDERS = ("a", "A", "b", "raw", "RAW", "out", "2026-11-19", "2026-11-20")
SHAPE_YX = (10, 14)


@cache
def frame_bytes(number: int, kind: int) -> bytes:
    """Return a raw frame of 14 x 10 pixels."""
    word, exposure_s = KINDS[kind]
    level = 1000.0 + 500 * (word in {"flat", "object"})
    pixels = np.rint(np.random.default_rng(number).normal(level, 4.0, SHAPE_YX)).astype(np.uint16)
    header = fits.Header({"IMAGETYP": word, "EXPTIME": exposure_s, "DATE-OBS": "2026-11-20T04:00:00"})
    content = BytesIO()
    fits.PrimaryHDU(pixels, header).writeto(content)
    return content.getvalue()


@dataclass
class Tree:
    """A tree and what there is in it; mounts end when the stack does."""

    root: Path
    dice: random.Random
    stack: ExitStack
    folders: list[Path] = field(default_factory=list)

    @classmethod
    def grown(cls, root: Path, seed: int, stack: ExitStack) -> Tree:
        tree = cls(root, random.Random(seed), stack)
        tree.folders = [root / "top"]
        (root / "top").mkdir(parents=True)
        for _ in range(tree.dice.randint(3, 6)):
            tree._new_folder()
        for _ in range(tree.dice.randint(5, 14)):
            tree._new_file()
        for _ in range(tree.dice.randint(2, 8)):
            tree.dice.choice((tree._link, tree._link, tree._hard_link, tree._linked_folder, tree._links_to_all))()
        if tree.dice.random() < 0.5 and mounts_are_allowed():
            tree._bind()
        return tree

    def folder(self) -> Path:
        return self.dice.choice(self.folders)

    def files(self) -> list[Path]:
        """Return what are no folders, links too, in an order that does not depend on the disk."""
        return sorted(Path(top, name) for top, _, names in os.walk(self.root) for name in names)

    def file(self) -> Path:
        return self.dice.choice(self.files())

    def name(self) -> str:
        if self.dice.random() < 0.2:
            return self.dice.choice(OTHERS)
        return self.dice.choice(STEMS) + self.dice.choice(ENDINGS)

    def place(self) -> Path | None:
        """Return a name that is free."""
        path = self.folder() / self.name()
        return None if os.path.lexists(path) else path

    def copied(self, path: Path) -> None:
        """Put a copy of a file where a result may go."""
        place = self.place()
        if place is not None and path.is_file():
            shutil.copy(path, place)

    def _new_folder(self) -> None:
        path = self.folder() / self.dice.choice(FOLDERS)
        if not os.path.lexists(path):
            path.mkdir()
            self.folders.append(path)

    def _new_file(self) -> None:
        place = self.place()
        if place is None:
            return
        content = frame_bytes(self.dice.randrange(6), self.dice.randrange(len(KINDS)))
        if self.dice.random() < 0.1:
            content = self.dice.choice((b"", b"mine\n", b'{"mine": 1}', content[:3000], bytes(2880)))
        place.write_bytes(gzip.compress(content, mtime=0) if place.name.endswith(".gz") else content)

    def _link(self) -> None:
        place, files = self.place(), self.files()
        if place is not None and files:
            place.symlink_to(self.dice.choice(files))

    def _hard_link(self) -> None:
        place, files = self.place(), [path for path in self.files() if not path.is_symlink()]
        if place is not None and files:
            os.link(self.dice.choice(files), place)

    def _links_to_all(self) -> None:
        """Fill a folder with links into another one, as those do who sort an archive."""
        archive, raw = self.folder(), self.folder()
        for path in sorted(archive.iterdir()):
            if path.is_file() and not os.path.lexists(raw / path.name):
                (raw / path.name).symlink_to(path)

    def _linked_folder(self) -> None:
        path = self.folder() / f"way{self.dice.randrange(3)}"
        if not os.path.lexists(path):
            path.symlink_to(self.folder())
            self.folders.append(path)

    def _bind(self) -> None:
        at = self.root / "mounted"
        at.mkdir()
        self.stack.enter_context(bound(self.folder(), at))
        self.folders.append(at)
