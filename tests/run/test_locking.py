"""The lock of a folder, where the system does not play along."""

from __future__ import annotations

import errno
import fcntl
import os

import pytest
from test_faults import small_disk

from zeroframe.errors import OutputError, ZeroframeWarning
from zeroframe.run.lock import LOCK_NAME, folder_lock


def answering(monkeypatch, number):
    """Have the system answer every request for a lock with an error; return the list of descriptors that are asked."""
    asked = []

    def refuse(descriptor, how):
        asked.append(descriptor)
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", refuse)
    return asked


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP])
def test_a_disk_without_locks_is_said_and_used(tmp_path, monkeypatch, number):
    answering(monkeypatch, number)
    with (
        pytest.warns(ZeroframeWarning, match="this disk knows no locks; see to it that no other run"),
        folder_lock(tmp_path),
    ):
        assert (tmp_path / LOCK_NAME).exists()
    assert list(tmp_path.iterdir()) == []


def test_any_other_answer_stops_the_run(tmp_path, monkeypatch):
    asked = answering(monkeypatch, errno.EIO)
    with (
        pytest.raises(OutputError, match=r"\.zeroframe\.lock: cannot be written \(Input/output error\)"),
        folder_lock(tmp_path),
    ):
        pass
    with pytest.raises(OSError, match="Bad file descriptor"):  # it has been closed
        os.fstat(*asked)


@pytest.mark.parametrize("meanwhile", ["taken away", "another in its place"])
def test_a_lock_whose_file_is_not_the_one_in_the_folder_is_none(tmp_path, monkeypatch, meanwhile):
    """Between opening and locking, the run that held it has ended, and perhaps the next one has begun."""
    asked = []
    lock = fcntl.flock

    def late(descriptor, how):
        if not asked:
            (tmp_path / LOCK_NAME).unlink()
            if meanwhile == "another in its place":
                (tmp_path / LOCK_NAME).touch()
        asked.append(os.fstat(descriptor).st_ino)
        lock(descriptor, how)

    monkeypatch.setattr(fcntl, "flock", late)
    with folder_lock(tmp_path):
        assert len(asked) == 2
        assert (tmp_path / LOCK_NAME).stat().st_ino == asked[1]
        monkeypatch.undo()
        with pytest.raises(OutputError, match=f"process {os.getpid()} "), folder_lock(tmp_path):
            pass
    assert not (tmp_path / LOCK_NAME).exists()


def fill(file):
    while True:
        file.write(bytes(4096))


def test_a_full_disk_can_be_locked(tmp_path):
    """To see what is there, or to make room; who holds it is not known then."""
    with small_disk(tmp_path, 64):
        with (tmp_path / "filler").open("wb", buffering=0) as filler, pytest.raises(OSError, match="No space left"):
            fill(filler)
        with folder_lock(tmp_path):
            assert (tmp_path / LOCK_NAME).stat().st_size == 0
            with pytest.raises(OutputError, match="another run of zeroframe is writing there"), folder_lock(tmp_path):
                pass


def test_a_link_in_its_place_is_not_followed(tmp_path):
    (tmp_path / "mine").write_text("mine")
    (tmp_path / LOCK_NAME).symlink_to("mine")
    with pytest.raises(OutputError, match="is no lock that a run has left; move it away"), folder_lock(tmp_path):
        pass
    assert (tmp_path / "mine").read_text() == "mine"
