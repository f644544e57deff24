"""The commands on ``gs://`` and ``az://``, against emulators of these stores: the bytes of a run on a disk."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import socket
import subprocess
import sys
import time
from contextlib import contextmanager

import pytest

from clusters import cluster
from nights import RECIPES
from nights import small_night as whole_night
from stores import hashes_here, send
from workbench import command, small_folder
from zeroframe.errors import FrameError, OutputError, OutputExistsError
from zeroframe.fits.store import objects as places
from zeroframe.fits.store.names import UrlPath
from zeroframe.fits.store.objects import ObjectStore

SECTIONS = ("--overscan", "[17:20,:]", "--trim", "[1:16,:]", "--no-report")
#: Of a small night, two biases and two darks.
_COMBINED = ("ccd.001", "ccd.002", "darks/ccd.013", "darks/ccd.014")
#: Azurite's own account, which stands in its documents.
_ACCOUNT = "devstoreaccount1"
_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
pytestmark = pytest.mark.filterwarnings(
    "ignore::ResourceWarning", "ignore::DeprecationWarning", "ignore::FutureWarning"
)


def _free_port():
    with socket.socket() as asked:
        asked.bind(("127.0.0.1", 0))
        return asked.getsockname()[1]


@contextmanager
def _served(words, port, folder):
    """Run a server until the block ends."""
    with (folder / "log.txt").open("wb") as log:
        process = subprocess.Popen([*words], stdout=log, stderr=log, cwd=folder)
    try:
        end = time.monotonic() + 60
        while not _answers(port):
            if process.poll() is not None or time.monotonic() > end:
                pytest.fail(f"{words[0]} does not start: {(folder / 'log.txt').read_text()}")
            time.sleep(0.05)
        yield
    finally:
        process.kill()
        process.wait()


def _answers(port):
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True


def _google(patch):
    pytest.importorskip("gcsfs", reason="needs what reaches gs://: pip install 'zeroframe[stores]'")
    pytest.importorskip("gcp_storage_emulator", reason="needs a server of gs://: pip install 'zeroframe[stores]'")
    port = _free_port()
    patch.setenv("STORAGE_EMULATOR_HOST", f"http://127.0.0.1:{port}")
    return port, [
        *(sys.executable, "-c", "from gcp_storage_emulator.__main__ import main; main()", "start"),
        *("--host", "127.0.0.1", "--port", str(port), "--in-memory"),
    ]


def _azure(patch):
    pytest.importorskip("adlfs", reason="needs what reaches az://: pip install 'zeroframe[stores]'")
    found = shutil.which("azurite-blob")
    if found is None:
        pytest.skip("needs a server of az://, which npm brings: npm install --global azurite")
    port = _free_port()
    address = f"http://127.0.0.1:{port}/{_ACCOUNT}"
    words = (
        "DefaultEndpointsProtocol=http",
        f"AccountName={_ACCOUNT}",
        f"AccountKey={_KEY}",
        f"BlobEndpoint={address}",
    )
    patch.setenv("AZURE_STORAGE_CONNECTION_STRING", ";".join(words))
    quiet = ("--silent", "--disableTelemetry", "--inMemoryPersistence", "--skipApiVersionCheck")
    return port, [found, "--blobHost", "127.0.0.1", "--blobPort", str(port), *quiet]


@pytest.fixture(scope="module", params=["gs", "az"])
def scheme(request, tmp_path_factory):
    """A store with an empty bucket."""
    folder = tmp_path_factory.mktemp("store")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NO_PROXY", "127.0.0.1")
        # gcsfs asks by gRPC what kind of bucket it is, for two minutes, where nobody speaks that
        patch.setenv("GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT", "false")
        patch.setenv("FSSPEC_GS_TOKEN", "anon")
        port, words = {"gs": _google, "az": _azure}[request.param](patch)
        with _served(words, port, folder):
            from fsspec.config import conf, set_conf_env

            before = dict(conf)
            set_conf_env(conf)
            places._filesystem.cache_clear()
            try:
                places._filesystem(request.param).mkdir("bucket")
                yield request.param
            finally:
                conf.clear()
                conf.update(before)
                places._filesystem(request.param).clear_instance_cache()
                places._filesystem.cache_clear()


@pytest.fixture(scope="module")
def raw(scheme, tmp_path_factory):
    """Raw frames on a disk; those in the store are the same."""
    folder = tmp_path_factory.mktemp("night") / "raw"
    small_folder(folder, 3)
    send(folder, ObjectStore(f"{scheme}://bucket/raw"))
    return folder


@pytest.fixture
def place(scheme, request):
    """A folder of its own for each test."""
    return ObjectStore(f"{scheme}://bucket/{re.sub('[^a-z0-9_]', '-', request.node.name)}")


def hashes_there(place):
    return {
        file.name: hashlib.sha256(UrlPath(place.url, file.name).read_bytes()).hexdigest()
        for file in place.listing(hidden=True)
        if file.name not in {"run.json", "report.html"}
    }


def test_from_a_url_to_a_url(scheme, raw, place, tmp_path):
    there = f"{scheme}://bucket/raw"
    assert command("bias", raw, "-o", tmp_path / "out", *SECTIONS).code == 0
    run = command("bias", there, "-o", place.url, *SECTIONS)
    assert (run.code, run.err) == (0, "")
    assert hashes_there(place) == hashes_here(tmp_path / "out")
    assert hashes_there(ObjectStore(there)) == hashes_here(raw)
    again = command("bias", there, "-o", place.url, *SECTIONS)
    assert (again.code, again.err) == (0, "")
    said = json.loads(UrlPath(place.url, "run.json").read_bytes())
    assert [each["state"] for each in said["this_run"]["frames"]] == ["skipped"] * 3
    assert command("verify", place.url, "--raw", there).code == 0
    near, far = command("ls", raw, "--format", "json"), command("ls", there, "--format", "json")
    assert (far.code, far.out) == (near.code, near.out)


def test_a_night(place, tmp_path):
    raw, recipe = whole_night(tmp_path / "raw", one_filter=True), tmp_path / "night.toml"
    for path in list(raw.rglob("*.fits")):
        if path.relative_to(raw).as_posix().removesuffix(".0.fits") not in _COMBINED:
            path.unlink()
    recipe.write_text(RECIPES["palomar-lfc"])
    send(raw, ObjectStore(f"{place.url}/raw"))
    more = ("--recipe", recipe, "--no-report")
    assert command("night", raw, "-o", tmp_path / "out", *more).code == 0
    run = command("night", f"{place.url}/raw", "-o", f"{place.url}/out", *more)
    assert (run.code, run.err) == (0, "")
    there = hashes_there(ObjectStore(f"{place.url}/out"))
    there |= {f"darks/{name}": sha for name, sha in hashes_there(ObjectStore(f"{place.url}/out/darks")).items()}
    assert there == hashes_here(tmp_path / "out")


def test_on_a_cluster(scheme, raw, place, tmp_path):
    pytest.importorskip("distributed", reason="needs Dask: pip install 'zeroframe[cluster]'")
    assert command("bias", raw, "-o", tmp_path / "out", *SECTIONS).code == 0
    with cluster(tmp_path / "dask") as running:
        run = command("bias", f"{scheme}://bucket/raw", "-o", place.url, *SECTIONS, "--cluster", running.address)
    assert (run.code, run.err) == (0, "")
    assert hashes_there(place) == hashes_here(tmp_path / "out")


def test_what_is_there_is_not_replaced_without_being_asked(place, tmp_path):
    old, new = tmp_path / "old", tmp_path / "new"
    old.write_bytes(b"old")
    new.write_bytes(b"new")
    before = place.put(old, "a")
    with pytest.raises(OutputExistsError, match=f"{place.url}/a: there is a file of that name already"):
        place.put(new, "a")
    assert place.read_range("a", 0, 3) == b"old"
    after = place.put(new, "a", overwrite=True)
    assert place.read_range("a", 1, 3) == b"ew"
    assert before.stamp != after.stamp != ""


def test_what_is_not_there(scheme, place, tmp_path):
    assert place.find("a") is None
    with pytest.raises(FrameError, match=f"{place.url}/a: is not there"):
        place.read_range("a", 0, 1)
    run = command("ls", place.url)
    assert (run.code, "there is nothing in it, though there is a bucket 'bucket'" in run.err) == (2, True)
    run = command("ls", f"{scheme}://nowhere/raw")
    assert (run.code, "there is no bucket 'nowhere'; check its name" in run.err) == (2, True)
    (tmp_path / "a").write_bytes(b"1")
    with pytest.raises(OutputError, match=f"{scheme}://nowhere/out/a: "):
        ObjectStore(f"{scheme}://nowhere/out").put(tmp_path / "a", "a")
