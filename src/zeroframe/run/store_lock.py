"""One run at a time in a folder of a store, which knows no locks: an object there says who is writing.

S3 lets only one run put it there. Whoever holds it renews it as a sign of life, so that another run, on whatever
machine, can wait and see whether it changes: clocks are never compared, and a host name and a process number, which
containers share, prove nothing. On the machine itself the system knows whether the process is still there. A run that
gave no sign of life for the whole lease, because its machine was suspended or the store out of reach, has lost the
lock, and is told so before it writes its run.json.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import secrets
import socket
import threading
import time
import warnings
from contextlib import contextmanager
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING

from zeroframe.errors import (
    FolderBusyError,
    FolderLostError,
    FrameError,
    OutputError,
    OutputExistsError,
    ZeroframeError,
    ZeroframeWarning,
)
from zeroframe.fits.store.spool import temporary_folder
from zeroframe.records import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zeroframe.fits.store.objects import ObjectStore, RemoteFile

__all__ = ["BEAT_S", "LEASE_BEATS", "Holder", "StoreLock", "store_lock"]

_LOG = logging.getLogger(__name__)
#: So often a lock is renewed: four requests a minute.
BEAT_S = 15.0
#: After so many times without being renewed it is taken for that of a dead run: a minute and a half, which is longer
#: than a store is usually out of reach.
LEASE_BEATS = 6
_LONGEST_BEAT_S = 600.0
#: Between two looks at the lock of another run, in times in which it is renewed.
_LOOK_BEATS = 0.25
_MOST_TRIES = 5
#: Bytes of such an object that are read; so many letters are shown of one that is none of ours.
_LONGEST_CONTENT, _LETTERS_SHOWN = 2000, 200


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds a lock.

    Attributes
    ----------
    token : str
        Random, another one for each lock that is taken.
    process : int
    host : str
        For people.
    machine : str
        What tells this boot of this machine, and this space of process numbers, from all others; empty where the
        system does not tell.
    started : str
        When the process began, as the system counts.
    beat : int
        How often the lock was renewed.
    beat_s : float
        Seconds between that.
    """

    token: str
    process: int
    host: str
    machine: str
    started: str
    beat: int
    beat_s: float

    @classmethod
    def of_this_process(cls, beat_s: float) -> Holder:
        """Return this process as the holder of a new lock."""
        number = os.getpid()
        host = socket.gethostname().encode("ascii", "replace").decode("ascii")
        return cls(secrets.token_hex(16), number, host, _machine(), _started(number), 0, beat_s)

    @classmethod
    def read(cls, content: bytes) -> Holder | None:
        """Return who holds a lock; None where what stands there was not written by this class."""
        try:
            said = json.loads(content)
            holder = cls(**{each.name: said[each.name] for each in fields(cls)})
        except (ValueError, TypeError, LookupError, RecursionError):
            return None
        texts = (holder.token, holder.host, holder.machine, holder.started)
        numbers = (holder.process, holder.beat, holder.beat_s)
        well = all(isinstance(one, str) for one in texts) and all(isinstance(one, int | float) for one in numbers)
        return holder if well and 0 < holder.beat_s <= _LONGEST_BEAT_S else None

    def __str__(self) -> str:
        return f"process {self.process} on {self.host}"

    @property
    def content(self) -> bytes:
        """What stands in the object."""
        return json.dumps(asdict(self)).encode("ascii")

    @property
    def is_dead(self) -> bool | None:
        """Whether the process is there no more; None where only its signs of life can tell."""
        if not self.machine or self.machine != _machine():
            return None
        return _started(self.process) != self.started


def _machine() -> str:
    """Return boot and process space of this machine, where the system tells (Linux)."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        space = os.stat("/proc/self/ns/pid")  # noqa: PTH116 -- of what the link leads to, which has no name
    except OSError:
        return ""
    return f"{boot} {space.st_dev}.{space.st_ino} {socket.gethostname()}"


def _started(process: int) -> str:
    """Return when a process began, in ticks since the boot; empty where there is none, or the system does not tell."""
    try:
        said = Path(f"/proc/{process}/stat").read_bytes()
    except OSError:
        return ""
    return said.rpartition(b")")[2].split()[19].decode("ascii")  # the 22nd word; the second may hold blanks


class StoreLock:
    """A lock that is held, and renewed by a thread until it is released.

    Parameters
    ----------
    folder, name : ObjectStore and str
        Where it is.
    holder : Holder
        Who holds it.
    """

    def __init__(self, folder: ObjectStore, name: str, holder: Holder) -> None:
        self._place, self._name, self._holder = folder, name, holder
        self._lost = ""
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="zeroframe-lock", daemon=True)
        self._thread.start()

    def check(self) -> None:
        """Raise `FolderLostError` when another run has taken the lock meanwhile."""
        if self._lost:
            raise FolderLostError(
                self._place.url,
                f"another run of zeroframe ({self._lost}) has taken over the folder, as this run gave no sign of life "
                f"for {LEASE_BEATS * self._holder.beat_s:.0f} s",
                "wait until that has ended, and run again",
            )

    def release(self) -> None:
        """Give it up, unless another run has taken it."""
        self._stop.set()
        self._thread.join()
        found = _look(self._place, self._name)
        if found is not None and self._is_own(found.holder):
            self._place.remove(self._name, missing_ok=True)

    def _is_own(self, holder: Holder | str) -> bool:
        return isinstance(holder, Holder) and holder.token == self._holder.token

    def _beat(self) -> None:
        while not self._stop.wait(self._holder.beat_s) and not self._lost:
            try:
                self._renew()
            except ZeroframeError as error:  # the next beat tries again; the lease is some of them long
                _LOG.warning("the lock could not be renewed: %s", error)

    def _renew(self) -> None:
        found = _look(self._place, self._name)
        if found is None or not self._is_own(found.holder):
            self._lost = "which has ended since" if found is None else str(found.holder)
            _LOG.error("%s: the lock is lost to another run (%s)", self._place.url, self._lost)
            return
        self._holder = replace(self._holder, beat=self._holder.beat + 1)
        self._place.replace_note(found.file, self._holder.content)


@dataclass(frozen=True, slots=True)
class _Found:
    """A lock that is there: the object, and who holds it, as text where that is not one of ours."""

    file: RemoteFile
    holder: Holder | str


def _look(place: ObjectStore, name: str) -> _Found | None:
    while (file := place.find(name)) is not None:
        try:
            content = place.read_range(name, 0, min(file.size, _LONGEST_CONTENT))
        except FrameError:
            if place.find(name) is not None:
                raise
            continue  # it has gone just now
        return _Found(file, Holder.read(content) or content[:_LETTERS_SHOWN].decode("ascii", "replace").strip())
    return None


@contextmanager
def store_lock(folder: ObjectStore, name: str) -> Iterator[StoreLock]:
    """Hold a folder of a store for one run.

    Parameters
    ----------
    folder : ObjectStore
        The folder.
    name : str
        Of the object that is the lock.

    Yields
    ------
    StoreLock
        Whose `StoreLock.check` tells whether it is still held.

    Raises
    ------
    OutputError
        When another run holds it, or the folder may not be written to.
    """
    own = Holder.of_this_process(BEAT_S)
    try:
        _take(folder, name, own)
    except OutputExistsError:
        raise
    except OutputError as error:
        raise type(error)(folder.url, error.reason, error.advice) from error
    lock = StoreLock(folder, name, own)
    try:
        yield lock
    finally:
        lock.release()


def _take(folder: ObjectStore, name: str, own: Holder) -> None:
    """Put the lock there, or take that of a dead run; in a store that holds to no conditions the last one has it."""
    for _ in range(_MOST_TRIES):
        found = _look(folder, name)
        if found is not None and not _is_free(folder, name, found):
            continue  # it has gone meanwhile
        # another run may have been quicker; or it was this one, whose answer was lost on the way
        with contextlib.suppress(OutputExistsError):
            if found is None:
                _put(folder, name, own)
            else:
                folder.replace_note(found.file, own.content)
        now = _look(folder, name)
        if now is not None and isinstance(now.holder, Holder) and now.holder.token == own.token:
            return
    raise FolderBusyError(folder.url, "other runs of zeroframe begin there at the same time", "run again in a minute")


def _put(folder: ObjectStore, name: str, own: Holder) -> None:
    with temporary_folder() as here:
        (here / name).write_bytes(own.content)
        folder.put(here / name, name)


def _is_free(folder: ObjectStore, name: str, found: _Found) -> bool:
    """Say whether a lock is that of a dead run; False where it is gone; raise `OutputError` where somebody holds it."""
    holder, path = found.holder, folder.url_of(name)
    if not isinstance(holder, Holder):
        reason = f"another run of zeroframe ({holder or 'somebody'}) is writing there, or was killed there"
        advice = f"wait until it has ended; if it has been killed, remove {path} and run again"
        raise FolderBusyError(folder.url, reason, advice)
    dead = holder.is_dead
    if dead is None:
        lease_s = LEASE_BEATS * holder.beat_s
        text = f"{path}: {holder} holds this folder; waiting for a sign of life, {lease_s:.0f} s at most"
        warnings.warn(text, ZeroframeWarning, stacklevel=6)
        now = _watched(folder, name, found.file, holder.beat_s)
        if now is None:
            return False
        dead = now == found.file
    if not dead:
        reason = f"another run of zeroframe ({holder}) is writing there"
        raise FolderBusyError(folder.url, reason, "wait until it has ended, or choose another folder with -o")
    _LOG.warning("%s: taken over from %s, which is dead", path, holder)
    return True


def _watched(folder: ObjectStore, name: str, file: RemoteFile, beat_s: float) -> RemoteFile | None:
    """Look at a lock until it changes, goes, or its lease is over, by this machine's own count of seconds."""
    began = time.monotonic()
    while time.monotonic() - began < LEASE_BEATS * beat_s:
        time.sleep(_LOOK_BEATS * beat_s)
        now = folder.find(name)
        if now != file:
            return now
    return file
