"""The bytes of a FITS file as one stream, whatever wraps them: nothing, gzip or bzip2.

The wrapping is found by content, never by the file's name. Files are opened read-only. What is inflated is bounded by
what the caller asks for, so that a small file cannot fill the memory.
"""

from __future__ import annotations

import errno
import os
import stat
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol, Self

from zeroframe.errors import DamagedError, FrameError, NotFitsError
from zeroframe.fits.store.names import UrlPath, as_path
from zeroframe.fits.system import BINARY, NO_WAIT, read_at, read_into_at

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from types import TracebackType

__all__ = [
    "Encoding",
    "OpenFile",
    "Source",
    "open_source",
    "open_source_descriptor",
    "read_failed",
]

Encoding = Literal["plain", "gzip", "bzip2", "converted"]

FIRST_READ = 4 * 2880  # holds the header of most frames
_COMPRESSED_READ = 65536  # with pieces of 128 KiB the fastest of 16 KiB to 1 MiB: 790 MB/s inflated
_PIECE = 131072
_TOLD_PIECE = 1 << 18
_MAGIC: dict[Encoding, bytes] = {"gzip": b"\x1f\x8b", "bzip2": b"BZh"}
# A byte of deflate stands for at most 1032 bytes, a block of bzip2 (some 40 bytes at least) for 900 kB.
_LARGEST_RATIO: dict[Encoding, int] = {"gzip": 1040, "bzip2": 50_000}
#: With these a file may begin that `zeroframe.fits.converted` reads; a look at it takes no import.
_OF_OTHER_FORMATS = (b"XISF", b"II", b"MM", b"FUJIFILM", b"\0MRM")
_FOREIGN = (
    (
        b"\0\5\x16\7",
        "an AppleDouble leftover of macOS, which holds no image",
        "delete it; the frame has no '._' in its name",
    ),
    (b"PK\3\4", "a zip archive", "unpack it first"),
    (b"\x1f\x9d", "compressed by the old 'compress' program", "unpack it with uncompress first"),
    (b"\xfd7zXZ", "compressed by xz", "unpack it with unxz first"),
    (b"(\xb5/\xfd", "compressed by zstd", "unpack it with unzstd first"),
    (b"\x89PNG", "a PNG picture", ""),
    (b"\xff\xd8\xff", "a JPEG picture", ""),
    (b"II*\0", "a TIFF picture", "convert it to FITS first"),
    (b"MM\0*", "a TIFF picture", "convert it to FITS first"),
    (b"LUCAM-RECORDER", "a SER film", "split it into FITS frames first, as Siril's 'convert' or PIPP does"),
)


class _Decompressor(Protocol):
    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int = -1) -> bytes: ...


class Source(ABC):
    """A stream of bytes that is read once from front to back; a context manager that closes its file.

    Attributes
    ----------
    path : pathlib.Path
        The file.
    encoding : {'plain', 'gzip', 'bzip2', 'converted'}
        What wraps the FITS bytes; of a file of another format they are made.
    file_size : int
        Bytes on disk.
    position : int
        Offset of the next byte in the unwrapped stream.
    remarks : list of str
        What is odd about the file though nothing of it is lost, each a clause.
    cut_off : bool
        Whether compressed data have ended before their own end mark.
    stamp : str or None
        Of a file that was fetched from a store: what changes there when the file changes.
    """

    encoding: Encoding = "plain"
    stamp: str | None = None

    def __init__(self, path: Path, descriptor: int, file_size: int) -> None:
        self.path = path
        self.file_size = file_size
        self.position = 0
        self.remarks: list[str] = []
        self.cut_off = False
        self._descriptor = descriptor
        self._listener: Callable[[bytes | memoryview], object] | None = None
        self._told = 0  # so many bytes of the file has the listener been told

    def status(self) -> os.stat_result:
        """Return what the system says of the open file now."""
        return os.fstat(self._descriptor)

    def tell_bytes(self, listener: Callable[[bytes | memoryview], object]) -> None:
        """Tell a listener every byte of the file, as it stands on the disk, when it is read; before anything is read.

        Parameters
        ----------
        listener : callable
            Called with pieces, each once and in order, which it must not keep: hashes and checksums are made so.
        """
        self._listener = listener

    def tell_rest(self) -> int:
        """Tell the listener what has not been read; return the size of the file."""
        while piece := self._pread_at(self._told, _TOLD_PIECE):
            self._tell(piece, self._told)
        return self._told

    def _tell(self, data: bytes | memoryview, start: int) -> None:
        """Tell the listener bytes that stand at `start` of the file, and what was skipped before them."""
        if self._listener is None or start + len(data) <= self._told:
            return
        while self._told < start and (piece := self._pread_at(self._told, min(start - self._told, _TOLD_PIECE))):
            self._listener(piece)
            self._told += len(piece)
        self._listener(data[max(self._told - start, 0) :])
        self._told = start + len(data)

    def _pread_at(self, position: int, size: int) -> bytes:
        try:
            return read_at(self._descriptor, size, position)
        except OSError as error:
            raise read_failed(self.path, error) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        os.close(self._descriptor)

    @property
    @abstractmethod
    def most_bytes(self) -> int:
        """The most bytes that the stream can hold, from the size of the file."""

    @abstractmethod
    def read(self, size: int) -> bytes:
        """Return the next `size` bytes; fewer only at the end."""

    @abstractmethod
    def unread(self, data: bytes) -> None:
        """Give back the last bytes that were read."""

    @abstractmethod
    def read_into(self, target: memoryview) -> int:
        """Fill `target` and return the number of bytes; fewer than its length only at the end."""

    @abstractmethod
    def skip_to(self, position: int) -> None:
        """Go forward to `position`, or to the end where that comes first."""

    @abstractmethod
    def ends_at(self, position: int) -> bool:
        """Say whether the stream is known, without reading it, to end at `position`."""


class _PlainSource(Source):
    """A file that nothing wraps; `first` are its first bytes, which have been read to find that out."""

    def __init__(self, path: Path, descriptor: int, file_size: int, first: bytes) -> None:
        super().__init__(path, descriptor, file_size)
        self._first = first

    @property
    def most_bytes(self) -> int:
        return self.file_size

    def read(self, size: int) -> bytes:
        pieces = []
        while size > 0:
            piece = self._first[self.position : self.position + size] or self._pread_at(self.position, size)
            if not piece:
                break
            pieces.append(piece)
            self._tell(piece, self.position)
            self.position += len(piece)
            size -= len(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def unread(self, data: bytes) -> None:
        self.position -= len(data)

    def read_into(self, target: memoryview) -> int:
        done = 0
        while done < len(target):
            try:
                count = read_into_at(self._descriptor, target[done:], self.position)
            except OSError as error:
                raise read_failed(self.path, error) from error
            if not count:
                break
            self._tell(target[done : done + count], self.position)
            done += count
            self.position += count
        return done

    def skip_to(self, position: int) -> None:
        self.position = min(position, self.file_size)

    def ends_at(self, position: int) -> bool:
        return self.file_size == position


class _InflatingSource(Source):
    """A file wrapped by gzip or bzip2, of one member or several."""

    def __init__(self, path: Path, descriptor: int, file_size: int, encoding: Encoding, first: bytes) -> None:
        super().__init__(path, descriptor, file_size)
        self.encoding = encoding
        self._new_decompressor, self._failures = _decompression(encoding)
        self._decompressor = self._new_decompressor()
        self._input = first
        self._pending = b""
        self._ended = False

    @property
    def most_bytes(self) -> int:
        return self.file_size * _LARGEST_RATIO[self.encoding]

    def read(self, size: int) -> bytes:
        pieces = []
        while size > 0 and (piece := self._inflate(size)):
            pieces.append(piece)
            size -= len(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def unread(self, data: bytes) -> None:
        self._pending = data + self._pending
        self.position -= len(data)

    def read_into(self, target: memoryview) -> int:
        done = 0
        while done < len(target) and (piece := self._inflate(min(_PIECE, len(target) - done))):
            target[done : done + len(piece)] = piece
            done += len(piece)
        return done

    def skip_to(self, position: int) -> None:
        while self.position < position and self._inflate(min(_PIECE, position - self.position)):
            pass

    def ends_at(self, position: int) -> bool:
        # The last four bytes of a gzip member are the size of what it holds (RFC 1952); there is one member as a rule.
        if self.encoding != "gzip":
            return False
        try:
            trailer = read_at(self._descriptor, 4, max(0, self.file_size - 4))
        except OSError as error:
            raise read_failed(self.path, error) from error
        return int.from_bytes(trailer, "little") == position % 2**32

    def _inflate(self, limit: int) -> bytes:
        """Return the next bytes, at most `limit` and at least one; none at the end."""
        if self._pending:
            piece, self._pending = self._pending[:limit], self._pending[limit:]
        else:
            piece = b""
            while not piece and not self._ended:
                piece = self._inflate_more(limit)
        self.position += len(piece)
        return piece

    def _inflate_more(self, limit: int) -> bytes:
        if self._decompressor.eof:
            self._next_member()
            return b""
        data = b""
        if self._decompressor.needs_input:
            data = self._input or self._read_compressed()
            self._input = b""
            if not data:
                self.cut_off = self._ended = True
                return b""
        try:
            return self._decompressor.decompress(data, limit)
        except self._failures as error:
            raise DamagedError(
                self.path,
                f"its {self.encoding} data are damaged after {self.position:,} unpacked bytes ({error})",
                "copy it again from where it came from",
            ) from error

    def _next_member(self) -> None:
        """Begin the next member, or note the end; zeros may pad the last one, and tapes leave rubbish behind it."""
        rest = self._decompressor.unused_data
        magic = _MAGIC[self.encoding]
        while len(rest := rest.lstrip(b"\0")) < len(magic) and (more := self._read_compressed()):
            rest += more
        if rest.startswith(magic):
            self._decompressor = self._new_decompressor()
            self._input = rest
            return
        self._ended = True
        if rest:
            self.remarks.append(f"bytes behind the end of its {self.encoding} data are ignored")

    def tell_bytes(self, listener: Callable[[bytes | memoryview], object]) -> None:
        super().tell_bytes(listener)
        self._tell(self._input, 0)

    def _read_compressed(self) -> bytes:
        try:
            data = os.read(self._descriptor, _COMPRESSED_READ)
        except OSError as error:
            raise read_failed(self.path, error) from error
        self._tell(data, self._told)
        return data


class OpenFile(NamedTuple):
    """A file that is open for reading.

    Attributes
    ----------
    descriptor : int
        Of the file, or of a copy of it on this disk.
    byte_count : int
        Its size.
    stamp : str or None
        Of a file of a store: what changes there when the file changes.
    """

    descriptor: int
    byte_count: int
    stamp: str | None = None


def open_source_descriptor(path: Path) -> OpenFile:
    """Open a regular file read-only; one of a store is fetched.

    Parameters
    ----------
    path : pathlib.Path
        The file.

    Returns
    -------
    OpenFile

    Raises
    ------
    FrameError
        When there is no such file, or it may not be read.
    NotFitsError
        When it is a folder, a socket or another thing that is not a file, or is empty.
    """
    if isinstance(path, UrlPath):
        from zeroframe.fits.store.objects import ObjectStore

        return OpenFile(*ObjectStore.of(path).fetched(path.name))
    try:
        # Without O_NONBLOCK opening a pipe would wait for somebody to write into it.
        descriptor = os.open(path, os.O_RDONLY | BINARY | NO_WAIT)
    except OSError as error:
        raise _open_failed(path, error) from error
    status = os.fstat(descriptor)
    if stat.S_ISREG(status.st_mode) and status.st_size:
        return OpenFile(descriptor, status.st_size)
    os.close(descriptor)
    if stat.S_ISREG(status.st_mode):
        raise NotFitsError(path, "the file is empty (0 bytes)", "copy it again from where it came from, or delete it")
    what = "a folder" if stat.S_ISDIR(status.st_mode) else "a pipe or a device"
    raise NotFitsError(path, f"is {what}, not a file", "name a FITS file")


def open_source(path: str | os.PathLike[str]) -> Source:
    """Open a file and find out what wraps it.

    Parameters
    ----------
    path : path-like
        The file.

    Returns
    -------
    Source
        At the first byte of the unwrapped stream. Use it in a ``with`` statement.

    Raises
    ------
    FrameError
        When the file cannot be opened.
    NotFitsError
        When it is no regular file, empty, or begins neither as FITS nor as gzip or bzip2 does.
    """
    path = as_path(path)
    opened = open_source_descriptor(path)
    try:
        first = os.read(opened.descriptor, FIRST_READ)
    except OSError as error:
        os.close(opened.descriptor)
        raise read_failed(path, error) from error
    try:
        source = _source_of(path, opened, first)
        if source is None:
            raise not_fits(path, first)
    except FrameError:
        os.close(opened.descriptor)
        raise
    source.stamp = opened.stamp
    return source


def _source_of(path: Path, opened: OpenFile, first: bytes) -> Source | None:
    """Return the stream of a file that begins so; None where that is not FITS."""
    for encoding, magic in _MAGIC.items():
        if first.startswith(magic):
            return _InflatingSource(path, opened.descriptor, opened.byte_count, encoding, first)
    if first.startswith(b"SIMPLE"):
        return _PlainSource(path, opened.descriptor, opened.byte_count, first)
    if first.startswith(_OF_OTHER_FORMATS) or first[4:11] == b"ftypcrx":
        from zeroframe.fits.converted import converted_source

        return converted_source(path, opened.descriptor, opened.byte_count, first)
    return None


def not_fits(path: Path, first: bytes, wrapped: str = "") -> NotFitsError:
    """Return the error for a file whose first bytes are not those of FITS, saying what they are where known."""
    for magic, what, advice in _FOREIGN:
        if first.startswith(magic):
            return NotFitsError(path, f"not FITS but {what}{wrapped}", advice or "leave it out")
    begins = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in first[:24])
    kind = "text" if not first.translate(None, bytes(range(32, 127)) + b"\t\r\n") else "something else"
    return NotFitsError(
        path,
        f"not FITS but {kind}{wrapped}: it begins with '{begins}' and not with 'SIMPLE  ='",
        "leave it out, or copy the frame again from where it came from",
    )


def _decompression(encoding: Encoding) -> tuple[Callable[[], _Decompressor], tuple[type[Exception], ...]]:
    """Return what makes a decompressor, and what that raises for damaged data."""
    if encoding == "bzip2":
        from bz2 import BZ2Decompressor

        return BZ2Decompressor, (OSError, ValueError, EOFError)
    from isal import igzip_lib

    # It checks the CRC at the end of a member.
    failure: type[Exception] = igzip_lib.IsalError  # type: ignore[assignment]  # the stub has an instance
    return lambda: igzip_lib.IgzipDecompressor(flag=igzip_lib.DECOMP_GZIP), (failure, EOFError)


def _open_failed(path: Path, error: OSError) -> FrameError:
    if error.errno == errno.ENOENT and path.is_symlink():
        return FrameError(path, f"is a link to {path.readlink()}, which does not exist", "mend or delete the link")
    if error.errno in (errno.ENOENT, errno.ENOTDIR):
        return FrameError(path, "there is no such file", "check the name")
    if error.errno in (errno.EACCES, errno.EPERM):
        return FrameError(path, "may not be read (permission denied)", "ask its owner for read permission")
    if error.errno == errno.ELOOP:
        return FrameError(path, "is a link that leads back to itself", "mend or delete the link")
    if error.errno == errno.ENXIO:
        return NotFitsError(path, "is a socket or a device, not a file", "name a FITS file")
    return FrameError(path, f"cannot be opened ({error.strerror})", "see to that and run again")


def read_failed(path: Path, error: OSError) -> DamagedError:
    """Return the error for a file that the system cannot read."""
    return DamagedError(path, f"cannot be read ({error.strerror})", "check the disk, or copy the file again")
