"""Example data arrive whole and right, or not at all; from a real server on this machine."""

from __future__ import annotations

import bz2
import errno
import hashlib
import io
import json
import os
import signal
import socket
import subprocess
import sys
import tarfile
import threading
from collections import deque
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pooch
import pytest
from astropy.io import fits

import zeroframe.cli.download
import zeroframe.cli.unpacking
from workbench import command
from zeroframe.cli.download import Connection, RemoteFile, check_url, download
from zeroframe.cli.examples import EXAMPLES, fetch
from zeroframe.cli.unpacking import unpack_archive
from zeroframe.errors import (
    DamagedError,
    DownloadError,
    OutputError,
    OutputExistsError,
    UnsafeArchiveError,
    UsageError,
    ZeroframeError,
)

LFC = EXAMPLES["palomar-lfc"]
FRAMES = ("ccd.001.0.fits", "ccd.002.0.fits", "darks/ccd.013.0.fits")


def frame_bytes(level):
    file = io.BytesIO()
    pixels = np.random.default_rng(level).normal(level, 4, (60, 80)).astype(np.uint16)
    fits.PrimaryHDU(pixels).writeto(file)
    return file.getvalue()


def make_archive(members):
    """Pack (TarInfo or name, content) pairs."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:bz2") as archive:
        for info, content in members:
            if isinstance(info, str):
                info = tarfile.TarInfo(info)  # noqa: PLW2901
                info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return file.getvalue()


def folder_of(name):
    info = tarfile.TarInfo(name)
    info.type, info.mode = tarfile.DIRTYPE, 0o700
    return info, b""


def special(name, kind, target=""):
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info, b""


@pytest.fixture(scope="module")
def frames():
    return {name: frame_bytes(1000 + number) for number, name in enumerate(FRAMES)}


@pytest.fixture(scope="module")
def good_archive(frames):
    members = [folder_of("example-cryo-LFC"), ("example-cryo-LFC/._ccd.001.0.fits", b"\0\5\26\7")]
    return make_archive(members + [(f"example-cryo-LFC/{name}", content) for name, content in frames.items()])


@dataclass
class Server:
    """What the server has, how it behaves, and what it was asked."""

    content: bytes = b""
    checksum: str = ""
    record: bytes | None = None
    size: int | None = None
    redirect: str = ""
    tells_length: bool = True
    trickles: str = ""  # 'answer': the lines of the header, 'record' or 'file': their content, byte by byte
    drop_after: deque = field(default_factory=deque)  # bytes, one for each answer with the file
    statuses: deque = field(default_factory=deque)  # instead of the file
    seen: list = field(default_factory=list)
    url: str = ""
    stop: threading.Event = field(default_factory=threading.Event)

    @property
    def file_requests(self):
        return [headers for path, headers in self.seen if path.startswith("/records/")]

    def record_answer(self):
        if self.record is not None:
            return self.record
        checksum = self.checksum or "md5:" + hashlib.md5(self.content).hexdigest()
        size = len(self.content) if self.size is None else self.size
        entry = {"key": LFC.archive, "size": size, "checksum": checksum, "links": {"self": "unused"}}
        return json.dumps({"id": LFC.record, "files": [{"key": "README.md"}, entry]}).encode()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_GET(self):
        state = self.server.state
        state.seen.append((self.path, dict(self.headers)))
        if self.path == f"/api/records/{LFC.record}":
            return self.answer(200, state.record_answer())
        if self.path != f"/records/{LFC.record}/files/{LFC.archive}?download=1":
            return self.answer(404, b"nothing")
        if state.redirect:
            return self.answer(302, b"", {"Location": state.redirect})
        if state.statuses:
            return self.answer(state.statuses.popleft(), b"busy")
        return self.send_content(state)

    def send_content(self, state):
        drop = state.drop_after.popleft() if state.drop_after else None
        self.answer(200, state.content, drop=drop)

    def answer(self, status, content, headers=None, drop=None):
        state = self.server.state
        if state.trickles == "answer":
            return self.trickle(b"HTTP/1.1 200 OK\r\nX-Never: ")
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        if state.tells_length:
            self.send_header("Content-Length", str(len(content)))
        else:
            self.send_header("Connection", "close")
        self.end_headers()
        if state.trickles == ("record" if self.path.startswith("/api") else "file"):
            return self.trickle(content)
        try:
            self.wfile.write(content[:drop])
        except OSError:  # the other side has left
            self.close_connection = True
        if drop is not None or not state.tells_length:
            self.close_connection = True
        return None

    def trickle(self, begin):
        """Send a byte now and then, as long as the other side listens, or a minute."""
        self.close_connection = True
        try:
            for number in range(1200):
                self.wfile.write(begin[number : number + 1] or b"x")
                if self.server.state.stop.wait(0.05):
                    return
        except OSError:
            return


@pytest.fixture
def server(good_archive, monkeypatch):
    monkeypatch.setenv("no_proxy", "*")
    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    http.state = Server(good_archive, url=f"http://127.0.0.1:{http.server_port}")
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield http.state
    http.state.stop.set()
    http.shutdown()
    http.server_close()
    thread.join()


@pytest.fixture
def get(server, tmp_path):
    pauses = []

    def run(**keywords):
        connection = Connection(attempts=4, timeout_s=60, pause=pauses.append)
        return fetch("palomar-lfc", tmp_path / "data", base_url=server.url, connection=connection, **keywords)

    run.pauses = pauses
    run.folder = tmp_path / "data"
    return run


def listing(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def test_example_data_arrive_with_their_layout(server, get, frames):
    reports = []
    folder = get(progress=lambda done, total: reports.append((done, total)))
    assert folder == get.folder / "example-cryo-LFC"
    assert listing(get.folder) == [f"example-cryo-LFC/{name}" for name in sorted(frames)]
    assert all((folder / name).read_bytes() == content for name, content in frames.items())
    assert fits.getdata(folder / FRAMES[2]).shape == (60, 80)
    total = len(server.content)
    assert reports[0] == (0, total)
    assert reports[-1] == (total, total)
    assert reports == sorted(reports)
    assert get.pauses == []


def test_permissions_are_our_own(get):
    folder = get()
    plain = folder.parent / "plain"
    plain.mkdir()
    assert folder.stat().st_mode == plain.stat().st_mode
    assert not (folder / FRAMES[0]).stat().st_mode & 0o111


def test_a_dropped_connection_is_tried_again(server, get, frames):
    server.drop_after.extend([1000, 500])
    folder = get()
    assert listing(folder) == sorted(frames)
    assert len(server.file_requests) == 3
    assert get.pauses == [1.0, 2.0]


def test_connections_that_keep_breaking_leave_nothing(server, get, frames):
    server.drop_after.extend([700, 700, 700, 700])
    with pytest.raises(DownloadError, match=r"given up after 4 attempts"):
        get()
    assert list(get.folder.iterdir()) == []
    assert listing(get()) == sorted(frames)


@pytest.mark.parametrize("headers", [True, False], ids=["with its length", "without"])
def test_a_file_that_is_longer_than_announced(server, get, frames, headers):
    whole, server.content = server.content, server.content + bytes(1 << 20)
    server.size, server.checksum = len(whole), "md5:" + hashlib.md5(whole).hexdigest()
    server.tells_length = headers
    with pytest.raises(
        DownloadError, match=rf"(answers 200 with {len(whole) + (1 << 20)} bytes|sends more), but {len(whole)} were"
    ):
        get()
    assert list(get.folder.iterdir()) == []
    server.content = whole
    assert listing(get()) == sorted(frames)


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_busy_server_is_asked_again(server, get, frames, status):
    server.statuses.extend([status, status])
    assert listing(get()) == sorted(frames)
    assert get.pauses == [1.0, 2.0]


@pytest.mark.parametrize("status", [403, 404, 410])
def test_a_missing_file_is_not_asked_for_again(server, get, status):
    server.statuses.append(status)
    with pytest.raises(DownloadError, match=rf"/files/example-cryo-LFC\S+: the server says {status}"):
        get()
    assert get.pauses == []
    assert len(server.file_requests) == 1


@pytest.mark.parametrize("algorithm", ["md5", "sha256"])
def test_a_wrong_checksum_leaves_nothing(server, get, algorithm):
    server.checksum = f"{algorithm}:0123"
    with pytest.raises(DownloadError, match=f"its {algorithm} is [0-9a-f]+, but 0123 was announced"):
        get()
    assert listing(get.folder) == []
    server.checksum = f"{algorithm}:" + hashlib.new(algorithm, server.content).hexdigest().upper()
    assert get().is_dir()


@pytest.mark.parametrize(
    ("record", "message"),
    [
        (b"<html>", "no record as Zenodo gives it"),
        (b"[]", "no record as Zenodo gives it"),
        (b'{"files": [{"key": "other"}]}', "has no file example-cryo-LFC.tar.bz2"),
        (b'{"files": [{"key": "example-cryo-LFC.tar.bz2", "checksum": "md5:0"}]}', "no record"),
        (b'{"files": [{"key": "example-cryo-LFC.tar.bz2", "checksum": "crc:0", "size": 1}]}', "kind that is not known"),
        (b'{"files": [{"key": "example-cryo-LFC.tar.bz2", "checksum": "md5:0", "size": 0}]}', "0 bytes"),
        (b" " * (1 << 20) + b"{}", "longer than"),
    ],
)
def test_a_record_that_makes_no_sense(server, get, record, message):
    server.record = record
    with pytest.raises(DownloadError, match=message):
        get()
    assert server.file_requests == []


def test_redirects_are_followed_but_not_to_where_one_may_not_go(server, get):
    server.redirect = "http://example.com/evil.tar.bz2"
    with pytest.raises(UsageError, match="only https"):
        get()
    server.redirect = "file:///etc/passwd"
    with pytest.raises(ZeroframeError):
        get()


@pytest.mark.parametrize(
    "url", ["http://zenodo.org", "ftp://127.0.0.1/x", "file:///etc/passwd", "http://localhost.org"]
)
def test_only_https_leaves_this_machine(url, tmp_path):
    with pytest.raises(UsageError, match="only https"):
        fetch("palomar-lfc", tmp_path, base_url=url)
    check_url("https://zenodo.org/x")
    check_url("http://localhost:1/x")


def test_servers_that_cannot_be_reached(tmp_path, monkeypatch):
    monkeypatch.setenv("no_proxy", "*")
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        port = http.server_port
    pauses = []
    with pytest.raises(DownloadError, match=r"given up after 3 attempts.*refused"):
        fetch(
            "palomar-lfc",
            tmp_path,
            base_url=f"http://127.0.0.1:{port}",
            connection=Connection(attempts=3, pause=pauses.append),
        )
    assert pauses == [1.0, 2.0]

    def no_name(*_, **__):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", no_name)
    with pytest.raises(DownloadError, match=r"the server cannot be found .Name or service not known.; see to the net"):
        fetch("palomar-lfc", tmp_path, base_url="https://zeroframe.invalid", connection=Connection())
    with pytest.raises(UsageError, match="attempts"):
        Connection(attempts=0)


def test_pauses_grow_up_to_half_a_minute(server, get):
    server.statuses.extend([503] * 8)
    pauses = []
    with pytest.raises(DownloadError, match="given up after 8"):
        fetch("palomar-lfc", get.folder, base_url=server.url, connection=Connection(pause=pauses.append))
    assert pauses == [1, 2, 4, 8, 16, 30, 30]


def test_an_example_that_is_not_known(tmp_path):
    with pytest.raises(UsageError, match=r"there are palomar-lfc, apogee-cg16m; did you mean 'palomar-lfc'"):
        fetch("palomar-lcf", tmp_path)


@pytest.mark.parametrize("what", ["answer", "record", "file"])
def test_a_server_that_sends_byte_by_byte_is_left(server, get, tmp_path, what):
    """The timeouts of sockets begin anew with each byte."""
    server.trickles = what
    patience = Connection(attempts=4, timeout_s=0.5, pause=get.pauses.append)
    with pytest.raises(DownloadError, match=r"the server sent \d+ bytes in 0.5 s, which is too slow; try again later"):
        fetch("palomar-lfc", get.folder, base_url=server.url, connection=patience)
    assert get.pauses == []
    assert list(get.folder.iterdir()) == []
    left = [thread for thread in threading.enumerate() if thread.name == "download"]
    assert not left or (what == "answer" and left[0].daemon)


@pytest.mark.parametrize("error", [OSError(9, "Bad file descriptor"), RuntimeError("released"), ValueError("not set")])
def test_a_slow_server_is_left_when_its_connection_is_closed_just_then(server, get, monkeypatch, error):
    def shutdown(_):
        raise error

    server.trickles = "file"
    monkeypatch.setattr("urllib3.response.HTTPResponse.shutdown", shutdown)
    patience = Connection(attempts=4, timeout_s=0.5, pause=get.pauses.append)
    with pytest.raises(DownloadError, match="which is too slow"):
        fetch("palomar-lfc", get.folder, base_url=server.url, connection=patience)


@pytest.mark.parametrize(("bytes_per_s", "is_left"), [(9_999, True), (10_001, False)])
def test_how_slow_is_too_slow(monkeypatch, bytes_per_s, is_left):
    """An hour of waiting, by a clock that goes on when somebody waits."""
    now = [0.0]
    monkeypatch.setattr(zeroframe.cli.download.time, "monotonic", lambda: now[0])

    def wait(seconds):
        now[0] += seconds
        return now[0] > 3600

    watch = SimpleNamespace(arrived_bytes=lambda: int(bytes_per_s * now[0]))
    arguments = SimpleNamespace(wait=wait), watch, RemoteFile("https://a.b/c", 10**9, None), None, Connection()
    if is_left:
        with pytest.raises(DownloadError, match=r"sent 2999\d\d bytes in 30 s, which is too slow"):
            zeroframe.cli.download._wait(*arguments)
        assert now[0] == pytest.approx(30, abs=0.2)
    else:
        zeroframe.cli.download._wait(*arguments)


#: Fetches in a process of its own, and is killed when the folder has been renamed for the n-th time.
KILLED = """
import os, pathlib, sys
from zeroframe.cli import examples as fetching
rename, times = pathlib.Path.rename, int(sys.argv[3])
def counted(path, target):
    global times
    times -= 1
    if times == 0:
        os.kill(os.getpid(), 9)
    return rename(path, target)
pathlib.Path.rename = counted
fetching.fetch("palomar-lfc", sys.argv[1], base_url=sys.argv[2], overwrite=True)
"""


def killed(get, server, renames):
    run = subprocess.run(
        [sys.executable, "-c", KILLED, str(get.folder), server.url, str(renames)],
        env={**os.environ, "no_proxy": "*"},
        check=False,
    )
    assert run.returncode == -signal.SIGKILL


@pytest.mark.parametrize("renames", [1, 2, 3], ids=["unpacked", "before the old one goes", "before the new one comes"])
def test_what_a_killed_call_left_is_cleared_by_the_next(server, get, frames, renames):
    folder = get()
    cut = min(path for path in folder.rglob("*") if path.is_file())
    cut.write_bytes(cut.read_bytes()[:100])  # what was unpacked in part may be replaced, and is known again
    killed(get, server, renames)
    assert len(list(get.folder.iterdir())) == (1 if renames == 3 else 2)
    with pytest.raises(OutputExistsError, match="is there already"):
        get()
    assert cut.stat().st_size == 100  # nothing was lost
    assert listing(get(overwrite=True)) == sorted(frames)
    assert [path.name for path in get.folder.iterdir()] == ["example-cryo-LFC"]


def test_what_was_left_of_a_download_is_cleared_by_the_next(server, get, frames):
    server.trickles = "file"
    code = "import sys, zeroframe; zeroframe.fetch('palomar-lfc', sys.argv[1], base_url=sys.argv[2])"
    arguments = [sys.executable, "-c", code, str(get.folder), server.url]
    with subprocess.Popen(arguments, env={**os.environ, "no_proxy": "*"}) as process:
        while not server.file_requests:
            server.stop.wait(0.05)
        with pytest.raises(OutputError, match="another download is at work there; wait until it has ended"):
            get()
        process.kill()
    assert listing(get.folder)  # a file of some hidden name
    server.trickles = ""
    assert listing(get()) == sorted(frames)
    assert [path.name for path in get.folder.iterdir()] == ["example-cryo-LFC"]


def test_the_command_says_how_many_files_there_are_and_where(get, frames, monkeypatch):
    from zeroframe.cli import examples

    monkeypatch.setattr(examples, "fetch", lambda *_, overwrite, **__: get(overwrite=overwrite))
    out = str(get.folder)
    said = command("fetch", "palomar-lfc", out)
    assert (said.code, said.err) == (0, "")
    assert said.out == f"{len(frames)} files of palomar-lfc in {get.folder / 'example-cryo-LFC'}\n"
    refused = command("fetch", "palomar-lfc", out)
    assert refused.code == 2
    assert "is there already" in refused.err
    told = json.loads(command("fetch", "palomar-lfc", out, "--overwrite", "--json").out)
    files = {Path(each).relative_to(get.folder / "example-cryo-LFC").as_posix() for each in told["files"]}
    assert files == set(frames)


def test_without_pooch_it_is_said_what_to_install(get, monkeypatch):
    monkeypatch.setattr(zeroframe.cli.download, "find_spec", lambda _: None)
    with pytest.raises(UsageError, match=r"need pooch; install it with: pip install 'zeroframe\[examples\]'"):
        get()


def test_nothing_of_pooch_is_imported_before_it_is_needed():
    code = "import sys, zeroframe.cli.examples; print({'pooch', 'requests', 'urllib3'} & set(sys.modules))"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert said == "set()\n"


def test_a_folder_that_is_there_is_kept_unless_it_is_to_be_replaced(server, get, frames):
    folder = get()
    (folder / "mine.txt").write_text("notes")
    requests = len(server.seen)
    with pytest.raises(OutputExistsError, match="is there already"):
        get()
    assert len(server.seen) == requests
    with pytest.raises(OutputExistsError, match=r"holds mine\.txt, which is not from the archive"):
        get(overwrite=True)
    assert (folder / "mine.txt").read_text() == "notes"
    (folder / "mine.txt").unlink()
    changed = folder / min(frames)
    changed.write_bytes(b"x" + changed.read_bytes()[1:])
    with pytest.raises(OutputExistsError, match=r"which is not from the archive, or has been changed"):
        get(overwrite=True)
    assert changed.read_bytes()[:1] == b"x"
    changed.write_bytes(frames[changed.name][:100])  # cut off
    sorted(folder.iterdir())[1].unlink()
    assert listing(get(overwrite=True)) == sorted(frames)
    assert changed.read_bytes() == frames[changed.name]
    assert [path.name for path in get.folder.iterdir()] == ["example-cryo-LFC"]


def test_a_replacement_that_fails_leaves_what_was_there(server, get):
    folder = get()
    (folder / "mine.txt").write_text("notes")
    server.content = make_archive([("a/ok", b"1"), ("../out", b"2")])
    with pytest.raises(UnsafeArchiveError):
        get(overwrite=True)
    assert (folder / "mine.txt").exists()
    assert [path.name for path in get.folder.iterdir()] == ["example-cryo-LFC"]


@pytest.mark.parametrize("kind", ["file", "link"])
def test_what_is_no_folder_is_not_replaced(get, tmp_path, kind):
    get.folder.mkdir()
    target = get.folder / "example-cryo-LFC"
    if kind == "file":
        target.write_text("mine")
    else:
        target.symlink_to(tmp_path, target_is_directory=True)
    with pytest.raises(OutputExistsError, match="no folder"):
        get(overwrite=True)
    assert target.exists()


def huge(name, size):
    info = tarfile.TarInfo(name)
    info.size = size
    return info


def raw_archive(blocks):
    """Compress tar blocks as they are: tarfile itself would not write some of them."""
    return bz2.compress(b"".join(blocks))


def sparse_archive():
    info = tarfile.TarInfo("x/sparse")
    info.type, info.size = tarfile.GNUTYPE_SPARSE, 0
    return raw_archive([info.tobuf(tarfile.GNU_FORMAT), bytes(1024)])


HOSTILE = {
    "climbs out": (lambda: make_archive([("x/ok", b"1"), ("x/../../evil", b"2")]), "leads out of the folder"),
    "climbs out at once": (lambda: make_archive([("../evil", b"2")]), "leads out of the folder"),
    "absolute": (lambda: make_archive([("x/ok", b"1"), ("/tmp/evil-zeroframe", b"2")]), "leads out of the folder"),
    "backslash": (lambda: make_archive([("x\\..\\evil", b"2")]), "leads out of the folder"),
    "symbolic link": (
        lambda: make_archive([special("x/link", tarfile.SYMTYPE, "../.."), ("x/link/evil", b"2")]),
        "neither a file nor a folder",
    ),
    "harmless link": (lambda: make_archive([("x/a", b"1"), special("x/b", tarfile.SYMTYPE, "a")]), "neither a file"),
    "hard link": (lambda: make_archive([special("x/link", tarfile.LNKTYPE, "/etc/passwd")]), "neither a file"),
    "character device": (lambda: make_archive([special("x/null", tarfile.CHRTYPE)]), "neither a file nor a folder"),
    "block device": (lambda: make_archive([special("x/disk", tarfile.BLKTYPE)]), "neither a file nor a folder"),
    "pipe": (lambda: make_archive([special("x/pipe", tarfile.FIFOTYPE)]), "neither a file nor a folder"),
    "sparse": (sparse_archive, "neither a file nor a folder"),
    "bomb by size": (
        lambda: raw_archive([huge("x/zeros", 40 << 30).tobuf(tarfile.GNU_FORMAT), bytes(1 << 20)]),
        "holds more than 17179869184 bytes",
    ),
    "bomb in a header": (
        lambda: raw_archive(
            [
                tarfile.TarInfo.create_pax_global_header({"comment": "0" * (20 << 20)}),
            ]
        ),
        "has a header of 20",
    ),
    "bomb by number": (
        lambda: raw_archive([tarfile.TarInfo(f"x/{n}").tobuf() for n in range(2001)]),
        "more than 2000 files",
    ),
    "twice": (lambda: make_archive([("x/a", b"1"), ("x/a", b"2")]), "'x/a' twice"),
    "file and folder": (lambda: make_archive([("x/a", b"1"), ("x/a/b", b"2")]), "'x/a/b' twice"),
    "folder and file": (lambda: make_archive([("x/a/b", b"1"), ("x/a", b"2")]), "'x/a' twice"),
}


@pytest.mark.long
@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_archives_are_refused_and_leave_nothing(server, get, tmp_path, name):
    make, message = HOSTILE[name]
    server.content = make()
    with pytest.raises(UnsafeArchiveError, match=message):
        get()
    assert list(get.folder.iterdir()) == []
    assert [path.name for path in tmp_path.iterdir()] == ["data"]
    assert not os.path.lexists("/tmp/evil-zeroframe")


def test_more_than_is_allowed_is_refused_while_it_is_inflated(tmp_path):
    archive = tmp_path / "a.tar.bz2"
    archive.write_bytes(make_archive([(f"x/{number}", bytes(3000)) for number in range(10)]))
    assert len(unpack_archive(archive, tmp_path / "all", most_files=10, most_bytes=30_000)) == 10
    for limits in ({"most_bytes": 29_999}, {"most_files": 9}):
        with pytest.raises(UnsafeArchiveError, match="holds more than"):
            unpack_archive(archive, tmp_path / "some", **limits)
    # Records before a member that are not counted as members: only the inflated length gives them away.
    records = [tarfile.TarInfo.create_pax_global_header({"comment": "0" * 5000})] * 40
    archive.write_bytes(raw_archive([*records, tarfile.TarInfo("x").tobuf()]))
    with pytest.raises(UnsafeArchiveError, match="inflates to more than"):
        unpack_archive(archive, tmp_path / "some", most_files=10, most_bytes=1000)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.tar.bz2", "all"]


@pytest.mark.parametrize("members", [["a", "b/c"], ["./x/a", "./x/b/c"], ["other/a", "other/b/c"]])
def test_whatever_the_folder_in_the_archive_is_called(tmp_path, members):
    archive = tmp_path / "a.tar.bz2"
    archive.write_bytes(make_archive([(name, name.encode()) for name in members]))
    paths = unpack_archive(archive, tmp_path / "target")
    assert paths == [tmp_path / "target" / "a", tmp_path / "target" / "b" / "c"]


@pytest.mark.parametrize("damage", ["cut", "flipped", "not bzip2", "not tar", "empty", "lost header"])
def test_damaged_archives(tmp_path, good_archive, damage):
    archive = tmp_path / "a.tar.bz2"
    flipped = bytearray(good_archive)
    flipped[len(flipped) // 2] ^= 255
    content = {
        "cut": good_archive[: len(good_archive) // 2],
        "flipped": bytes(flipped),
        "not bzip2": b"hello",
        "not tar": bz2.compress(b"hello" * 1000),
        "empty": make_archive([]),
        "lost header": raw_archive([tarfile.TarInfo("x").tobuf(), b"\1" * 512, tarfile.TarInfo("y").tobuf()]),
    }[damage]
    archive.write_bytes(content)
    with pytest.raises(DamagedError, match=r"a.tar.bz2: (is damaged|holds no files)"):
        unpack_archive(archive, tmp_path / "target")
    assert [path.name for path in tmp_path.iterdir()] == ["a.tar.bz2"]


def test_a_full_disk_is_seen_before_it_is_full(server, get, monkeypatch):
    monkeypatch.setattr(zeroframe.cli.download.shutil, "disk_usage", lambda _: SimpleNamespace(free=100))
    with pytest.raises(OutputError, match="are free; make room"):
        get()
    assert server.file_requests == []


def test_an_archive_is_kept_when_only_the_room_to_unpack_it_is_missing(server, get, monkeypatch):
    free = [10**9, 10**9, 10]
    monkeypatch.setattr(zeroframe.cli.unpacking.shutil, "disk_usage", lambda _: SimpleNamespace(free=free.pop(0)))
    with pytest.raises(OutputError, match="but 10 are free"):
        get()
    assert listing(get.folder) == [f".example-cryo-LFC.part/{LFC.archive}"]
    monkeypatch.undo()
    monkeypatch.setenv("no_proxy", "*")
    requests = len(server.file_requests)
    get()
    assert len(server.file_requests) == requests
    assert [path.name for path in get.folder.iterdir()] == ["example-cryo-LFC"]


@pytest.mark.parametrize("where", ["download", "unpacking"])
def test_a_disk_that_fills_up_meanwhile_is_no_lost_connection(get, monkeypatch, where):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    if where == "download":
        monkeypatch.setattr(pooch.core.shutil, "move", full)
    else:
        monkeypatch.setattr(zeroframe.cli.unpacking, "write_all", full)
    with pytest.raises(OutputError, match="No space left"):
        get()
    assert get.pauses == []
    assert listing(get.folder) == ([f".example-cryo-LFC.part/{LFC.archive}"] if where == "unpacking" else [])


def test_a_folder_that_cannot_be_made(get, tmp_path):
    (tmp_path / "data").write_text("a file")
    with pytest.raises(ZeroframeError, match="data"):
        get()


def test_a_download_alone(server, tmp_path):
    url = f"{server.url}/records/{LFC.record}/files/{LFC.archive}?download=1"
    checksum = f"sha512:{hashlib.sha512(server.content).hexdigest()}"
    download(RemoteFile(url, len(server.content), checksum), tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == server.content
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
