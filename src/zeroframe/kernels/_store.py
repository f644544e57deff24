"""Where machine code is kept: a file for each kernel and combination of types, in the first folder that can hold it."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import sys
import tempfile
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zeroframe.kernels._machine import MachineCode, host

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from zeroframe.kernels._arguments import Kind

__all__ = ["Store"]

_MAGIC = b"zeroframe machine code 1\n"
_SUFFIX = ".zfk"
_FORBIDDEN = (errno.EACCES, errno.EPERM, errno.EROFS)


class Store:
    """The machine code of one kernel for one combination of types.

    Parameters
    ----------
    function : callable
        The kernel.
    kinds : tuple of Kind
        Of its arguments.

    Attributes
    ----------
    troubles : list of str
        What went wrong, for people: files that cannot be read, and that there is no place to write to.
    """

    def __init__(self, function: Callable[..., Any], kinds: tuple[Kind, ...]) -> None:
        self.troubles: list[str] = []
        source = Path(function.__code__.co_filename)
        self._stamp = _stamp(source)
        types = hashlib.sha256(repr((kinds, host())).encode()).hexdigest()[:16]
        self._name = f"{source.stem}.{function.__name__}-{types}{_SUFFIX}"
        self._folders = list(_folders(source))

    def read(self) -> MachineCode | None:
        """Return what is kept; None where there is nothing, or nothing that can be used."""
        for folder in self._folders:
            path = folder / self._name
            try:
                return _unpack(path.read_bytes(), self._stamp)
            except (FileNotFoundError, NotADirectoryError, _StaleError):
                continue
            except (OSError, ValueError, LookupError) as error:
                self.troubles.append(f"{path}: the cache of compiled functions cannot be read ({error})")
        return None

    def write(self, code: MachineCode) -> None:
        """Keep machine code, for processes that start later."""
        packed = _pack(code, self._stamp)
        why = "no folder can hold the cache of compiled functions"
        for folder in self._folders:
            try:
                folder.mkdir(parents=True, exist_ok=True)
                _write_whole(folder / self._name, packed)
            except OSError as error:
                if error.errno not in _FORBIDDEN:
                    why = f"{folder / self._name}: the cache of compiled functions cannot be written ({error})"
            else:
                return
        self.troubles.append(why)


class _StaleError(Exception):
    """Made of another source, or by another version."""


@cache
def _stamp(source: Path) -> str:
    """Return what changes when machine code has to be made again.

    Any change in this folder does that, for kernels call each other; one that stands elsewhere may call these.
    """
    kernels = Path(__file__).parent
    sources = [*sorted(kernels.glob("*.py")), _version_file("numba"), _version_file("llvmlite")]
    if source.parent != kernels:
        sources.append(source)
    settings = [os.environ.get(name, "") for name in ("NUMBA_CPU_NAME", "NUMBA_CPU_FEATURES", "NUMBA_OPT")]
    parts = [*(path.read_bytes() for path in sources), *map(str.encode, settings)]
    return hashlib.sha256(b"\0".join(parts)).hexdigest()


def _version_file(package: str) -> Path:
    """Return the file of a package that holds its version; asking importlib.metadata for it takes 0.03 s."""
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(f"{package} is not installed", name=package)
    return Path(spec.origin).with_name("_version.py")


def _folders(source: Path) -> Iterator[Path]:
    """Yield the folders that are tried: the one that was asked for; else beside the source, and the user's own."""
    named = os.environ.get("NUMBA_CACHE_DIR")
    if named:
        yield Path(named)
        return
    yield source.parent / "__pycache__"
    base = _cache_folder()
    if base is None:
        return
    place = hashlib.sha256(os.fsencode(source.parent)).hexdigest()[:16]
    yield base / "zeroframe" / f"kernels-{place}"


def _cache_folder() -> Path | None:
    """Return the user's folder for caches; None for a user without a home, as in some containers."""
    shared = os.environ.get("XDG_CACHE_HOME")
    if shared and sys.platform != "darwin":
        return Path(shared)
    try:
        home = Path.home()
    except RuntimeError:
        return None
    return home / "Library" / "Caches" if sys.platform == "darwin" else home / ".cache"


def _pack(code: MachineCode, stamp: str) -> bytes:
    about = {
        "name": code.name,
        "returns": code.returns,
        "is_tuple": code.is_tuple,
        "stamp": stamp,
    }
    body = json.dumps(about).encode() + b"\n" + code.object_code
    return _MAGIC + hashlib.sha256(body).digest() + body


def _unpack(packed: bytes, stamp: str) -> MachineCode:
    start = len(_MAGIC)
    body = packed[start + 32 :]
    if not packed.startswith(_MAGIC) or hashlib.sha256(body).digest() != packed[start : start + 32]:
        raise ValueError("it is damaged")
    line, _, object_code = body.partition(b"\n")
    about = json.loads(line)
    if about["stamp"] != stamp:
        raise _StaleError
    return MachineCode(about["name"], about["returns"], about["is_tuple"], object_code)


def _write_whole(path: Path, packed: bytes) -> None:
    """Write under another name first: another process sees the whole file or none."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(packed)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
