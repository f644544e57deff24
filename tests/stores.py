"""What the tests of object stores share: a server that speaks S3, and folders sent there and back."""

from __future__ import annotations

import hashlib
import urllib.request
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from zeroframe.io import places
from zeroframe.io.places import Place

if TYPE_CHECKING:
    from collections.abc import Iterator
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


def ask(address: str, data: bytes = b"") -> None:
    """Post something to the server that is no business of S3."""
    request = urllib.request.Request(address, data, {"Content-Type": "text/plain"})
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request):
        pass


def files() -> Any:
    """Return what fsspec reaches the store with."""
    return places._filesystem("s3")


def send(folder: Path, place: Place) -> Place:
    """Put the files of a folder, and of those within, into a place."""
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            place.put(path, path.relative_to(folder).as_posix())
    return place


def hashes_there(place: Place) -> dict[str, str]:
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
