"""Whether what came from a store is what the store says that it holds: by MD5, ETag and checksums.

An ETag is the MD5 of an object that was put in one piece, and the MD5 of the MD5s of its parts, with their number
behind it, of one that was put in parts; with keys of AWS's own service or of the customer, and in directory buckets, it
is neither. Google Cloud and Azure state an MD5 of its own beside the ETag. S3 may know a checksum of its own besides.
"""

from __future__ import annotations

import base64
import hashlib
import re
import zlib
from typing import TYPE_CHECKING, Any, Protocol

from zeroframe.records import dataclass

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from typing import BinaryIO

    class Digest(Protocol):
        """What `hashlib` calls a hash."""

        def update(self, data: bytes, /) -> None:
            """Take more bytes."""

        def digest(self) -> bytes:
            """Return the hash."""


__all__ = ["Head", "Stated", "difference"]

_MIB = 1 << 20
_PIECE = 1 << 20
_MD5 = re.compile(r"[0-9a-f]{32}")
_OF_PARTS = re.compile(r"(?P<digest>[0-9a-f]{32})-(?P<parts>[1-9]\d{0,4})")
#: More parts than this are not asked for one by one.
_MOST_PARTS = 100
#: Of how many sizes that parts may have it is tried whether they give the ETag, where a store does not tell it.
_MOST_SIZES = 16


class Head(Protocol):
    """Asks S3 about an object; what is named goes into the request."""

    def __call__(self, **request: Any) -> Mapping[str, Any]:  # noqa: ANN401 -- whatever S3 takes
        """Return the answer to HEAD."""


class _Crc32:
    """A CRC-32 with the methods of a hash."""

    def __init__(self) -> None:
        self._value = 0

    def update(self, data: bytes) -> None:
        self._value = zlib.crc32(data, self._value)

    def digest(self) -> bytes:
        return self._value.to_bytes(4, "big")


#: What S3 calls its checksums, those that can be made here; CRC-32C and CRC-64 would need a library more.
_CHECKSUMS: Mapping[str, Callable[[], Digest]] = {
    "ChecksumSHA256": hashlib.sha256,
    "ChecksumSHA1": lambda: hashlib.sha1(usedforsecurity=False),
    "ChecksumCRC32": _Crc32,
}


@dataclass(frozen=True, slots=True)
class Stated:
    """What a store says of the bytes of an object.

    Attributes
    ----------
    size : int
        How many there are.
    etag : str
        Its ETag; empty where there is none.
    md5 : str
        Its MD5, where the store states one beside the ETag; else empty.
    """

    size: int
    etag: str
    md5: str = ""

    @classmethod
    def of(cls, entry: Mapping[str, Any]) -> Stated:
        """Take it from what fsspec says of an object.

        Examples
        --------
        >>> Stated.of({"size": 0, "ETag": '"d41d8cd98f00b204e9800998ecf8427e"'}).etag
        'd41d8cd98f00b204e9800998ecf8427e'
        >>> Stated.of({"size": 0, "etag": "CKih16GjycICEAE=", "md5Hash": "1B2M2Y8AsgTpgAmY7PhCfg=="}).md5
        'd41d8cd98f00b204e9800998ecf8427e'
        """
        etag = str(entry.get("ETag") or entry.get("etag") or "").strip('"')
        settings = entry.get("content_settings")
        said = entry.get("md5Hash") or (settings.get("content_md5") if isinstance(settings, dict) else None)
        return cls(int(entry["size"] or 0), etag, _hexadecimal(said))


def _hexadecimal(md5: object) -> str:
    """Return a MD5 in hexadecimal digits, which Google gives in base 64 and Azure as bytes."""
    if isinstance(md5, bytes | bytearray):
        return bytes(md5).hex()
    return base64.b64decode(md5).hex() if isinstance(md5, str) else ""


def difference(file: BinaryIO, stated: Stated, head: Head | None) -> str:
    """Say in what a file that came from a store differs from what the store says of it.

    Parameters
    ----------
    file : binary file
        What came, as many bytes as there should be.
    stated : Stated
        What the store says.
    head : callable or None
        Asks S3 for more; None for another store. It is called only where the ETag is not the MD5 of the file.

    Returns
    -------
    str
        A clause; empty where there is no difference, or nothing that can be compared.
    """
    if stated.md5:
        found = _digest(file, _md5).hex()
        return "" if found == stated.md5 else f"its MD5 is {stated.md5}, that of what came {found}"
    if head is None:
        return ""
    if _MD5.fullmatch(stated.etag) and _digest(file, _md5).hex() == stated.etag:
        return ""
    of_parts = _OF_PARTS.fullmatch(stated.etag)
    if of_parts is not None and _has_parts(file, stated, of_parts, head):
        return ""
    return _by_checksums(file, stated, head)


def _by_checksums(file: BinaryIO, stated: Stated, head: Head) -> str:
    """Compare by checksums, where S3 knows some; else say that the ETag differs, where it is made of the bytes."""
    said = head(ChecksumMode="ENABLED")
    for name, make in _CHECKSUMS.items():
        value = said.get(name)
        if isinstance(value, str) and "-" not in value:  # that of parts has their number behind it
            found = base64.b64encode(_digest(file, make)).decode("ascii")
            what = name.removeprefix("Checksum")
            return "" if found == value else f"its {what} is {value}, that of what came {found}"
    encrypted = said.get("SSECustomerAlgorithm") or said.get("ServerSideEncryption") not in (None, "AES256")
    if encrypted or not _is_of_bytes(stated, head):
        return ""
    return f"its ETag is {stated.etag}, the MD5 of what came {_digest(file, _md5).hex()}"


def _is_of_bytes(stated: Stated, head: Head) -> bool:
    """Say whether an ETag follows from the bytes in a way that is known."""
    return bool(_MD5.fullmatch(stated.etag)) or (bool(_OF_PARTS.fullmatch(stated.etag)) and _first_part(head) > 0)


def _has_parts(file: BinaryIO, stated: Stated, etag: re.Match[str], head: Head) -> bool:
    """Say whether a file, divided in parts, gives an ETag."""
    count = int(etag["parts"])
    return any(
        hashlib.md5(b"".join(_md5_of_parts(file, sizes)), usedforsecurity=False).hexdigest() == etag["digest"]
        for sizes in _divisions(stated.size, count, head)
    )


def _divisions(size: int, count: int, head: Head) -> Iterator[Sequence[int]]:
    """Yield how an object may have been divided in parts: all of one size but the last, as all programs do; or not."""
    first = _first_part(head)
    if first and -(-size // first) == count:
        yield [first] * (count - 1) + [size - first * (count - 1)]
    if first and count <= _MOST_PARTS:
        yield [int(head(PartNumber=number).get("ContentLength", 0)) for number in range(1, count + 1)]
    if first:
        return
    sizes = [mib * _MIB for mib in range(1, -(-size // _MIB) + 1) if -(-size // (mib * _MIB)) == count]
    for each in sizes[:_MOST_SIZES]:
        yield [each] * (count - 1) + [size - each * (count - 1)]


def _first_part(head: Head) -> int:
    """Return the size of the first part; 0 where the store does not tell it."""
    said = head(PartNumber=1)
    return int(said.get("ContentLength", 0)) if said.get("PartsCount") else 0


def _md5_of_parts(file: BinaryIO, sizes: Sequence[int]) -> Iterator[bytes]:
    file.seek(0)
    for size in sizes:
        digest, left = _md5(), size
        while left > 0 and (piece := file.read(min(left, _PIECE))):
            digest.update(piece)
            left -= len(piece)
        yield digest.digest()


def _md5() -> Digest:
    return hashlib.md5(usedforsecurity=False)


def _digest(file: BinaryIO, make: Callable[[], Digest]) -> bytes:
    file.seek(0)
    digest = make()
    while piece := file.read(_PIECE):
        digest.update(piece)
    return digest.digest()
