"""Where machine code is kept: a file for each kernel and combination of types, in the first folder that can hold it.

What is loaded is run. So nothing is loaded that another user could have written: a file and its folder have to belong
to this user, to root, or to whoever owns this package and could change it as well, and nobody else may write to them,
not even their group (as ssh asks of its keys). What is refused is said, and made anew elsewhere.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import secrets
import stat
import sys
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zeroframe.kernels._machine import MachineCode, host

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from zeroframe.kernels._arguments import Kind

__all__ = ["Store", "folder_for_numba", "keep_code", "kept_code"]

_MAGIC = b"zeroframe machine code 1\n"
_SUFFIX = ".zfk"
_FORBIDDEN = (errno.EACCES, errno.EPERM, errno.EROFS)
_ADVICE = "they are compiled at each start, in about a second each: set NUMBA_CACHE_DIR to another folder"

#: Folders of which was said that what is in them is not loaded; each kernel would say it again.
_REFUSED: set[Path] = set()


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
                return _unpack(_read_own(path), self._stamp)
            except (FileNotFoundError, NotADirectoryError, _StaleError):
                continue
            except _ForeignError as error:
                if folder not in _REFUSED:
                    _REFUSED.add(folder)
                    self.troubles.append(
                        f"{error}: the compiled functions that are there are not loaded, but made again"
                    )
            except (OSError, ValueError, LookupError) as error:
                self.troubles.append(f"{path}: the cache of compiled functions cannot be read ({error}); {_ADVICE}")
        return None

    def write(self, code: MachineCode) -> None:
        """Keep machine code, for processes that start later."""
        packed = _pack(code, self._stamp)
        why = "no folder can hold the cache of compiled functions"
        for folder in self._folders:
            try:
                _make_folder(folder)
                _write_whole(folder / self._name, packed)
            except _ForeignError as error:
                why = str(error)
            except OSError as error:
                if error.errno not in _FORBIDDEN:
                    why = f"{folder / self._name}: the cache of compiled functions cannot be written ({error})"
            else:
                return
        self.troubles.append(f"{why}; {_ADVICE}")


class _StaleError(Exception):
    """Made of another source, or by another version."""


class _ForeignError(Exception):
    """A place that another user may have written to."""


def kept_code(source: Path, name: str) -> bytes | None:
    """Return code that was kept beside a source by `keep_code`; None where there is none that can be trusted.

    Parameters
    ----------
    source : Path
        The file that the code belongs to.
    name : str
        Of what is kept; it changes with whatever the code was made of.

    Returns
    -------
    bytes or None
        Whole, and written by nobody else.
    """
    for folder in _folders(source):
        try:
            packed = _read_own(folder / name)
        except (OSError, _ForeignError):  # it is made anew; kernels of these folders say what is wrong with them
            continue
        if hashlib.sha256(packed[32:]).digest() == packed[:32]:
            return packed[32:]
    return None


def keep_code(source: Path, name: str, code: bytes) -> None:
    """Keep code beside a source, or in the user's own folder; where neither can hold it, it is made at each start.

    Parameters
    ----------
    source : Path
        The file that the code belongs to.
    name : str
        Of what is kept.
    code : bytes
        What `kept_code` is to return.
    """
    for folder in _folders(source):
        try:
            _make_folder(folder)
            _write_whole(folder / name, hashlib.sha256(code).digest() + code)
        except (OSError, _ForeignError):
            continue
        return


def folder_for_numba(source: Path, version: str) -> tuple[Path | None, tuple[str, ...]]:
    """Return a folder in which numba itself may keep what it compiles of a file.

    What numba keeps are pickles, which run what they say when they are loaded. As it makes folders and files with the
    permissions of the day, all of them stand in a folder that nobody else may even enter. Its name changes with the
    source of every kernel: numba looks at the file of a kernel only, and not at those of the kernels that it calls.

    Parameters
    ----------
    source : Path
        Where the kernel is defined.
    version : str
        Of numba.

    Returns
    -------
    folder : Path or None
        None where there is no place for it.
    troubles : tuple of str
        What speaks against folders, for people.
    """
    name = f"numba-{version}-{_stamp_of(tuple(_sources(source)))[:16]}"
    return _first_private(tuple(base / name for base in _folders(source)))


@cache
def _first_private(folders: tuple[Path, ...]) -> tuple[Path | None, tuple[str, ...]]:
    """Return the first folder that can be written to and is closed to others, and what was wrong with those before."""
    troubles: list[str] = []
    why = "no folder can hold the cache of compiled functions"
    for folder in folders:
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            _check_own(folder, 0o077)
            for path in folder.rglob("*"):
                _check_own(path, 0)
            if os.access(folder, os.W_OK):
                return folder, tuple(troubles)
        except _ForeignError as error:
            troubles.append(f"{error}: the compiled functions that are there are not loaded")
        except OSError as error:
            if error.errno not in _FORBIDDEN:
                why = f"{folder}: the cache of compiled functions cannot be written ({error})"
    return None, (*troubles, f"{why}; {_ADVICE}")


def _read_own(path: Path) -> bytes:
    """Read a file that nobody else could have written; a link is followed to no other."""
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0))
    with os.fdopen(descriptor, "rb") as file:
        _check_own(path.parent, 0o022)
        _check_status(path, os.fstat(descriptor), 0o022)
        return file.read()


def _make_folder(folder: Path) -> None:
    """Make a folder for machine code, if it is not there; refuse one that others may write to."""
    # Python's own folder beside the sources is for everybody who may read these; others are ours alone
    folder.mkdir(mode=0o777 if folder.name == "__pycache__" else 0o700, parents=True, exist_ok=True)
    _check_own(folder, 0o022)


def _check_own(path: Path, forbidden: int) -> None:
    _check_status(path, path.stat(), forbidden)


def _check_status(path: Path, status: os.stat_result, forbidden: int) -> None:
    """Refuse what belongs to somebody else, or grants somebody else what is forbidden."""
    if not hasattr(os, "geteuid"):
        return  # Windows: folders of a user are closed to others by lists that Python cannot read
    mode = stat.S_IMODE(status.st_mode)
    if status.st_uid not in _trusted_users() or mode & forbidden:
        raise _ForeignError(f"{path}: another user could have written here (owner {status.st_uid}, mode {mode:04o})")


@cache
def _trusted_users() -> frozenset[int]:
    return frozenset({0, os.geteuid(), Path(__file__).stat().st_uid})


@cache
def _stamp(source: Path) -> str:
    """Return what changes when machine code has to be made again.

    Any change in this folder does that, for kernels call each other; one that stands elsewhere may call these.
    """
    return _stamp_of((*_sources(source), _version_file("numba"), _version_file("llvmlite")))


def _sources(source: Path) -> list[Path]:
    """Return the files that machine code of one of them depends on."""
    kernels = Path(__file__).parent
    return [*sorted(kernels.glob("*.py")), *([] if source.parent == kernels else [source])]


@cache
def _stamp_of(files: tuple[Path, ...]) -> str:
    settings = [os.environ.get(name, "") for name in ("NUMBA_CPU_NAME", "NUMBA_CPU_FEATURES", "NUMBA_OPT")]
    parts = [*(path.read_bytes() for path in files), *map(str.encode, settings)]
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
    """Write under another name first: another process sees the whole file or none.

    Whoever shares the folder may read it: where root has made the machine code, others need not. Nobody else may write.
    """
    hidden = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with os.fdopen(os.open(hidden, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644), "wb") as file:
            file.write(packed)
        hidden.replace(path)
    except BaseException:
        hidden.unlink(missing_ok=True)
        raise
