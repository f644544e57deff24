"""What is in a FITS file, from its header blocks alone."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from zeroframe.errors import DamagedError, FrameError, HeaderError, UnsupportedError
from zeroframe.fits.astropy_headers import inherited_cards
from zeroframe.fits.cards import ABRIDGED_BYTES, BLOCK_SIZE, CARD_SIZE, Cards, find_end
from zeroframe.fits.layout import Hdu, hdu_from_header, padded
from zeroframe.fits.part_paths import PartPath
from zeroframe.fits.stacked import stacked
from zeroframe.fits.store.names import UrlPath, as_path
from zeroframe.fits.streams import FIRST_READ, Encoding, Source, not_fits, open_source
from zeroframe.records import dataclass

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator, Sequence
    from pathlib import Path

__all__ = [
    "COPY_AGAIN",
    "FrameFile",
    "cut_off_clause",
    "is_called",
    "looks_like_fits",
    "refuse_blown_up",
    "scan",
    "walk",
]

_MOST_HEADER_BYTES = 4096 * BLOCK_SIZE  # 147,456 cards: beyond that the END card is missing
# All headers of a file: 10,000 extensions, or three of the longest headers. A gzip file of 4 MB can hold a million.
_MOST_BYTES_OF_HEADERS = 12_000 * BLOCK_SIZE
# Pixels that are so much larger than their file are no picture of a camera, whose noise does not shrink, and from this
# size on they are not unpacked.
_UNLIKELY_RATIO, _UNLIKELY_BYTES = 200, 1 << 28
_TEXT = bytes(range(32, 127)) + b"\0"
_COMPANIONS = ("MASK", "UNCERT", "COUNTS")  # what CCDData and zeroframe write beside an image
_HOW_TO_SPLIT = (
    "split it into a file for each plane, with astropy: for n, plane in enumerate(fits.getdata(FILE)): "
    "fits.writeto(f'{n:04d}.fits', plane, fits.getheader(FILE))"
)
#: What to do about a file that is not whole.
COPY_AGAIN = "copy it again from where it came from"


@dataclass(frozen=True, slots=True)
class FrameFile:
    """A FITS file as its headers describe it.

    Attributes
    ----------
    path : pathlib.Path
        The file.
    encoding : {'plain', 'gzip', 'bzip2', 'converted'}
        What wraps it; 'converted': it is of another format, and read as FITS.
    hdus : tuple of Hdu
        Every HDU in order; only the first when scanned with ``first_only``.
    remarks : tuple of str
        What is odd about the file, each a clause.
    is_abridged : bool
        Whether headers, and HDUs without the image, have been left out; see `abridged`.
    """

    path: Path
    encoding: Encoding
    hdus: tuple[Hdu, ...]
    remarks: tuple[str, ...] = ()
    is_abridged: bool = False

    def abridged(self) -> FrameFile:
        """Return what may be kept for each of many files: the same, unless its headers are very long.

        Returns
        -------
        FrameFile
            Where all headers have more than twice `zeroframe.fits.cards.ABRIDGED_BYTES`, those of the primary HDU and
            of the one image alone, without lines of comments.
        """
        if sum(len(hdu.stored_cards.text) for hdu in self.hdus) <= 2 * ABRIDGED_BYTES:
            return self
        images = self._images()
        kept = dict.fromkeys([self.hdus[0].index, *(hdu.index for hdu in images if len(images) == 1)])
        hdus = tuple(
            replace(hdu, cards=hdu.cards.abridged(), stored_cards=hdu.stored_cards.abridged())
            for hdu in self.hdus
            if hdu.index in kept
        )
        return replace(self, hdus=hdus, is_abridged=True)

    @property
    def cards(self) -> Cards:
        """The header of the one image, completed by the primary header, which it is where there is no one image."""
        images = self._images()
        return self.cards_of(images[0]) if len(images) == 1 else self.hdus[0].cards

    def part(self, path: PartPath) -> FrameFile:
        """Return some images of this file seen as a file of its own: one image, in which they stand above each other.

        Parameters
        ----------
        path : PartPath
            Which images.

        Returns
        -------
        FrameFile
            Of one image, of one extension that extension.

        Raises
        ------
        FrameError
            When the file does not have them.
        UnsupportedError
            When they are stored in different ways.
        """
        known = {hdu.index: hdu for hdu in self.hdus}
        missing = [number for number in path.extensions if number not in known]
        if missing:
            raise FrameError(path, f"has no extension {missing[0]}", f"it holds {self._contents(self.hdus)}")
        image = stacked(path, [known[number] for number in path.extensions])
        hdus = (image,) if image.index == 0 else (replace(self.hdus[0], layout=None), image)
        return replace(self, path=path, hdus=hdus)

    @property
    def images(self) -> tuple[Hdu, ...]:
        """The HDUs that hold an image; those that go with another one (MASK, UNCERT, COUNTS) are left out."""
        return tuple(self._images())

    def cards_of(self, hdu: Hdu) -> Cards:
        """Return the header of an HDU, completed by the primary header as `inherited_cards` does."""
        return hdu.cards if hdu.index == 0 else inherited_cards(self.hdus[0].cards, hdu.cards)

    def image(self, ext: int | str | None = None) -> Hdu:
        """Return the HDU that holds the image.

        Extensions named MASK, UNCERT and COUNTS go with the image before them, and are not images of their own.

        Parameters
        ----------
        ext : int or str, optional
            Number or name of the HDU (``'SCI'``, or ``'SCI,2'`` with its EXTVER). Without it the file must hold
            one image.

        Returns
        -------
        Hdu
            Its `layout` is there and has one or two axes.

        Raises
        ------
        FrameError
            When there is no such HDU.
        UnsupportedError
            When the HDU holds no image or one of three axes or more, or when there are several and `ext` is not given.
        """
        if ext is not None:
            found: Sequence[Hdu] = [hdu for hdu in self.hdus if is_called(hdu, ext)]
            if not found:
                raise FrameError(self.path, f"has no extension {ext!r}", f"it holds {self._contents(self.hdus)}")
        else:
            found = self._images()
        if len(found) > 1:
            raise UnsupportedError(
                self.path,
                f"holds {len(found)} images ({self._contents(tuple(found))}), and only one can be used yet",
                "choose one with --ext, or ext= in Python",
            )
        layout = found[0].layout if found else None
        if layout is None:
            images = self.images
            if not images:
                raise UnsupportedError(self.path, f"holds no image ({self._contents(self.hdus)})", "leave it out")
            what = f"holds no image in extension {ext!r}, but {len(images)} elsewhere ({self._contents(images)})"
            raise UnsupportedError(self.path, what, f"choose another extension, as {images[0].index}")
        if len(layout.shape_yx) > 2:
            raise UnsupportedError(self.path, _cube_words(layout.shape_yx), _HOW_TO_SPLIT)
        return found[0]

    def _images(self) -> Sequence[Hdu]:
        if len(self.hdus) == 1:  # nearly always
            return self.hdus if self.hdus[0].layout else ()
        images = [hdu for hdu in self.hdus if hdu.layout]
        return [hdu for hdu in images if hdu.name not in _COMPANIONS] or images

    def _contents(self, hdus: tuple[Hdu, ...]) -> str:
        listed = [f"{hdu.index} {hdu.name!r}" if hdu.name else str(hdu.index) for hdu in hdus]
        return "extensions " + ", ".join(listed[:20]) + (f" and {len(listed) - 20} more" if len(listed) > 20 else "")


def _cube_words(shape: tuple[int, ...]) -> str:
    """Say what a cube is: three planes are a picture that was developed, as a rule."""
    size = " x ".join(map(str, shape[::-1]))
    colours = ", three planes as of a colour picture that was developed already" if shape[0] == 3 else ""
    return f"is a cube of {size} pixels{colours}, and only images of two axes can be used"


def scan(path: str | os.PathLike[str], *, first_only: bool = False) -> FrameFile:
    """Read the headers of a FITS file, and no more of it than that takes.

    Of a file in a store some kilobytes are read; one that is compressed and has several HDUs is fetched.
    Of a gzip file with one HDU only the first blocks are inflated; that nothing follows is read from the size that
    gzip notes at the end. A file whose data are cut off can be scanned: a remark says so, and reading it fails.

    Parameters
    ----------
    path : path-like
        The file; plain, gzip and bzip2 are told apart by content.
    first_only : bool
        Read only the primary header.

    Returns
    -------
    FrameFile

    Raises
    ------
    NotFitsError
        When the content is not FITS.
    HeaderError
        When a card that is needed is missing or makes no sense, or there is no END card.
    DamagedError
        When the file ends within a header, or its compressed data are damaged.
    FrameError
        When the file cannot be opened.
    """
    path = as_path(path)
    if isinstance(path, PartPath) and path.extensions:
        return scan(path.file).part(path)
    if isinstance(path, UrlPath):
        from zeroframe.fits.store.ranges import scan_in_place

        found = scan_in_place(path)
        if found is not None:
            return found
    with open_source(path) as source:
        hdus = []
        for hdu in walk(source):
            hdus.append(hdu)
            if first_only or source.ends_at(hdu.end_offset):
                break
        return FrameFile(source.path, source.encoding, tuple(hdus), tuple(source.remarks))


def looks_like_fits(path: str | os.PathLike[str]) -> bool:
    """Say whether the content of a file begins as FITS does.

    Parameters
    ----------
    path : path-like
        The file. It may be plain, gzip or bzip2, whatever its name.

    Returns
    -------
    bool
        False also for folders, empty files and files that cannot be read.
    """
    path = as_path(path)
    try:
        if isinstance(path, UrlPath):
            from zeroframe.fits.store.ranges import begins_as_fits

            return begins_as_fits(path)
        with open_source(path) as source:
            return source.encoding == "converted" or source.read(9) == b"SIMPLE  ="
    except FrameError:
        return False


def walk(source: Source) -> Iterator[Hdu]:
    """Yield the HDUs of a stream one after the other.

    While the caller holds an HDU the source stands at the first byte of its data, and the caller may read them.
    What is wrong behind the last HDU, and data that are cut off, are added to the remarks of the source.

    Parameters
    ----------
    source : Source
        At its first byte.

    Yields
    ------
    Hdu

    Raises
    ------
    NotFitsError, HeaderError, DamagedError
        As `scan` does.
    """
    index = of_headers = 0
    while header := _read_header(source, index):
        of_headers += padded(len(header))
        if of_headers > _MOST_BYTES_OF_HEADERS:
            raise HeaderError(
                source.path,
                f"its headers have more than {_MOST_BYTES_OF_HEADERS:,} bytes, with {index} extensions so far",
                "leave it out, or split it",
            )
        hdu = hdu_from_header(source.path, index, header, source.position)
        yield hdu
        source.skip_to(hdu.end_offset)
        missing = hdu.data_offset + hdu.data_bytes - source.position
        if missing > 0:
            source.remarks.append(cut_off_clause(hdu, hdu.data_bytes - missing))
            return
        if source.position < hdu.end_offset:
            source.remarks.append("the padding behind its last data is incomplete")
            return
        index += 1


def refuse_blown_up(path: Path, file_bytes: int, image_bytes: int) -> None:
    """Raise where an image is far larger than its file can hold of a real one.

    Parameters
    ----------
    path : pathlib.Path
        The file.
    file_bytes, image_bytes : int
        Size of the file, and of the image when it is unpacked.

    Raises
    ------
    UnsupportedError
        When it has more than 256 MiB, and more than 200 times the size of the file. Real frames shrink to a half or a
        quarter by their noise; a mask of this size, which may well shrink so much, can be unpacked by hand.
    """
    if image_bytes > _UNLIKELY_BYTES and image_bytes > _UNLIKELY_RATIO * file_bytes:
        raise UnsupportedError(
            path,
            f"would unpack from {file_bytes:,} bytes to an image of {image_bytes:,}, as no frame of a camera does",
            "leave it out, or unpack it with gunzip or funpack if it is right",
        )


def cut_off_clause(hdu: Hdu, found: int) -> str:
    """Return the words for data that end too early."""
    where = f" of extension {hdu.index}" if hdu.index else ""
    return f"is cut off: the data{where} should have {hdu.data_bytes:,} bytes and have {max(found, 0):,}"


def _read_header(source: Source, index: int) -> bytes:
    """Return the next header up to its END card, the source then standing at the data; nothing at the end."""
    start = source.position
    header = source.read(FIRST_READ)
    if index == 0 and not header.startswith(b"SIMPLE"):
        raise not_fits(source.path, header, "" if source.encoding == "plain" else f" inside {source.encoding}")
    if index and not header.startswith(b"XTENSION"):
        if header:
            source.unread(header)
            count = f" (bytes: {source.file_size - start:,})" if source.encoding == "plain" else ""
            source.remarks.append(f"what stands behind its last data{count} is not FITS and is ignored")
        return b""
    searched = 0
    while (end := find_end(header, searched)) < 0:
        _refuse_endless(source, index, header, searched)
        searched = len(header) // CARD_SIZE * CARD_SIZE
        more = source.read(max(FIRST_READ, len(header)))
        if not more:
            where = f" of extension {index}" if index else ""
            raise DamagedError(
                source.path,
                f"is cut off within the header{where}: no END card in {len(header):,} bytes",
                COPY_AGAIN,
            )
        header += more
    if header[end + CARD_SIZE : padded(end + CARD_SIZE)].strip(b" \0"):
        # such as the cards with the checksums, when another one has become END
        where = f" of extension {index}" if index else ""
        source.remarks.append(f"what stands behind the END card of its header{where} is ignored")
    surplus = header[padded(end + CARD_SIZE) :]
    if surplus:
        source.unread(surplus)
    source.skip_to(start + padded(end + CARD_SIZE))
    return header[: end + CARD_SIZE]


def _refuse_endless(source: Source, index: int, header: bytes, searched: int) -> None:
    """Raise when what has been read since `searched` is no longer a header."""
    for start in range(searched, len(header), BLOCK_SIZE):
        block = header[start : start + BLOCK_SIZE]
        odd = block.translate(None, _TEXT)
        if len(odd) > len(block) // 4 or len(header) > _MOST_HEADER_BYTES:
            where = f" of extension {index}" if index else ""
            raise HeaderError(
                source.path,
                f"the END card is missing in the header{where}, which runs into something else after {start:,} bytes",
                COPY_AGAIN,
            )


def is_called(hdu: Hdu, ext: int | str) -> bool:
    """Say whether `ext`, a number or a name with or without ``,EXTVER``, means this HDU."""
    if isinstance(ext, int):
        return hdu.index == ext
    name, comma, version = ext.upper().partition(",")
    number = hdu.cards.get("EXTVER", 1)
    return hdu.name == name.strip() and (not comma or version.strip() == str(number))
