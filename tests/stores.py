"""What the tests of object stores share: a server that speaks S3, and folders sent there and back."""

from __future__ import annotations

import hashlib
import http.client
import threading
import urllib.request
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest

from zeroframe.fits.store import objects as places
from zeroframe.fits.store.objects import ObjectStore

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

BUCKET = "bucket"


@contextmanager
def store() -> Iterator[str]:
    """Run a server that speaks S3, with an empty bucket, on this machine's loopback; yield its address."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    address = f"http://{host}:{port}"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", address)
        patch.setenv("NO_PROXY", host)
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            patch.setenv(name, "testing")
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        for name in ("AWS_PROFILE", "AWS_CA_BUNDLE", "AWS_SESSION_TOKEN"):
            patch.delenv(name, raising=False)
        # of another server, which another module had; what that held is in this one, too
        files().clear_instance_cache()
        places._filesystem.cache_clear()
        ask(f"{address}/moto-api/reset")
        files().mkdir(BUCKET)
        yield address
    server.stop()


@contextmanager
def between(address: str, harm: Callable[[str, str, bytes], bytes]) -> Iterator[None]:
    """Put something between this machine and the store that hands everything on, but bodies of answers as it likes.

    ``harm(method, path, body)`` returns a body of the same length. Checksums in the headers are dropped, which S3 gives
    for no ranges either.
    """
    host = address.removeprefix("http://")

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def hand_on(self) -> None:
            asked = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            store = http.client.HTTPConnection(host)
            store.request(self.command, self.path, asked, dict(self.headers))
            answer = store.getresponse()
            body = answer.read()
            harmed = harm(self.command, self.path, body)
            assert len(harmed) == len(body)
            self.send_response_only(answer.status)
            for name, value in answer.getheaders():
                if name.lower() not in {"connection", "transfer-encoding"} and "checksum" not in name.lower():
                    self.send_header(name, value)
            self.send_header("Connection", "close")
            self.end_headers()
            self.wfile.write(harmed)
            self.close_connection = True
            store.close()

        do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = hand_on  # noqa: N815 -- http.server's names

        def log_message(self, *_: object) -> None:
            """Be silent."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.server_port}")
        files().clear_instance_cache()
        places._filesystem.cache_clear()
        try:
            yield
        finally:
            server.shutdown()
            server.server_close()
            thread.join()
            files().clear_instance_cache()
            places._filesystem.cache_clear()


def flipped(body: bytes, at: int = -1) -> bytes:
    """Return a body of which one bit is another; by default of the byte in its middle."""
    if not body:
        return body
    at = len(body) // 2 if at < 0 else at
    return body[:at] + bytes([body[at] ^ 1]) + body[at + 1 :]


def ask(address: str, data: bytes = b"") -> None:
    """Post something to the server that is no business of S3."""
    request = urllib.request.Request(address, data, {"Content-Type": "text/plain"})
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request):
        pass


def files() -> Any:
    """Return what fsspec reaches the store with."""
    return places._filesystem("s3")


def send(folder: Path, place: ObjectStore) -> ObjectStore:
    """Put the files of a folder, and of those within, into a place."""
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            place.put(path, path.relative_to(folder).as_posix())
    return place


def hashes_there(place: ObjectStore) -> dict[str, str]:
    """Return the SHA-256 of everything in a place and in folders within, but what tells of the run."""
    root = f"{place.url.removeprefix('s3://')}/"
    found = {name.removeprefix(root): files().cat_file(name) for name in files().find(root, refresh=True)}
    return {
        name: hashlib.sha256(data).hexdigest()
        for name, data in sorted(found.items())
        if name not in {"run.json", "report.html"}
    }


def hashes_here(folder: Path) -> dict[str, str]:
    """Return the same of a folder of a disk."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name not in {"run.json", "report.html"}
    }
