"""What comes from a store other than it is there: one bit of a body of the right length."""

from __future__ import annotations

import base64
import binascii
import hashlib
import io
import itertools
import re
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("moto", reason="needs a store that speaks S3: pip install 'zeroframe[test]'")
pytest.importorskip("s3fs", reason="needs what reaches S3: pip install 'zeroframe[remote]'")

from stores import BUCKET, between, files, flipped, hashes_here, send, store
from workbench import command, raw_pixels, small_folder, write_raw
from zeroframe.errors import DamagedError
from zeroframe.io import read_raw
from zeroframe.io.places import Place
from zeroframe.io.stated_sums import Stated, difference
from zeroframe.io.urls import UrlPath

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::DeprecationWarning")
SECTIONS = ("--overscan", "[17:20,:]", "--trim", "[1:16,:]", "--no-report")
_NUMBERS = itertools.count(1)
MIB = 1 << 20


@pytest.fixture(scope="module")
def server():
    with store() as address:
        yield address


@pytest.fixture
def place(server):
    return Place(f"s3://{BUCKET}/harm{next(_NUMBERS)}")


def always(name):
    """Flip a bit in whatever comes of one file, but for its header."""
    return lambda method, path, body: flipped(body) if method == "GET" and path.endswith(name) else body


def once(name, times=1):
    left = itertools.count()

    def harm(method, path, body):
        hit = method == "GET" and path.endswith(name) and len(body) > 100 and next(left) < times
        return flipped(body) if hit else body

    return harm


class TestWholeObjects:
    def test_one_bit_is_refused_and_both_sums_are_named(self, server, place, tmp_path):
        path = write_raw(tmp_path / "b1.fits", raw_pixels(1))
        place.put(path, "b1.fits")
        right = hashlib.md5(path.read_bytes()).hexdigest()
        wrong = hashlib.md5(flipped(path.read_bytes())).hexdigest()
        with (
            between(server, always("b1.fits")),
            pytest.raises(
                DamagedError,
                match=f"{place.url}/b1.fits: other bytes come than are there, 2 times "
                rf"\(its ETag is {right}, the MD5 of what came {wrong}\); look at what stands between",
            ),
        ):
            Place(place.url).fetched("b1.fits")

    def test_a_bit_that_was_flipped_on_its_way_once_is_mended(self, server, place, tmp_path, caplog):
        path = write_raw(tmp_path / "b1.fits", raw_pixels(1))
        place.put(path, "b1.fits")
        with between(server, once("b1.fits")):
            found = read_raw(UrlPath(place.url, "b1.fits"))
        np.testing.assert_array_equal(found.decode(), read_raw(path).decode())
        assert [record.levelname for record in caplog.records if record.name == "zeroframe.io.places"] == ["WARNING"]

    def test_a_run_names_the_frame_and_makes_the_others(self, server, place, tmp_path):
        raw = tmp_path / "raw"
        small_folder(raw, 3)
        send(raw, Place(f"{place.url}/raw"))

        def harm(method, path, body):  # the header comes as it is
            return flipped(body, len(body) - 2000) if path.endswith("b2.fits") and len(body) > 3000 else body

        with between(server, harm):
            run = command("bias", f"{place.url}/raw", "-o", tmp_path / "out", *SECTIONS)
        assert run.code == 1, run.out + run.err
        assert re.search(rf"{place.url}/raw/b2\.fits: other bytes come than are there, 2 times", run.out)
        assert not (tmp_path / "out" / "b2.fits").exists()
        assert command("bias", f"{place.url}/raw", "-o", tmp_path / "out", *SECTIONS, "--overwrite").code == 0
        assert command("bias", raw, "-o", tmp_path / "here", *SECTIONS).code == 0
        assert hashes_here(tmp_path / "out") == hashes_here(tmp_path / "here")

    def test_a_result_that_arrives_otherwise_than_it_was_sent(self, place, tmp_path):
        """The store itself gets another byte."""
        raw = tmp_path / "raw"
        small_folder(raw, 2)
        real = files().put_file

        def spoiled(source, target, **more):
            if target.endswith("b1.fits"):
                other = tmp_path / "other"
                other.write_bytes(flipped(Path(source).read_bytes()))
                source = str(other)
            return real(source, target, **more)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(files(), "put_file", spoiled)
            run = command("bias", raw, "-o", f"{place.url}/out", *SECTIONS)
        assert run.code == 1
        assert f"{place.url}/out/b1.fits: has other bytes than were sent" in run.out

    def test_an_object_of_several_parts(self, server, place):
        content = np.random.default_rng(1).integers(0, 256, 11 * MIB, dtype=np.uint8).tobytes()
        self.put_in_parts(place, "a", content, (5 * MIB, 5 * MIB, MIB))
        self.put_in_parts(place, "odd", content, (5 * MIB, 6 * MIB))
        self.put_in_parts(place, "uneven", content, (5 * MIB, 11 * MIB // 2, MIB // 2))
        for name, parts in (("a", 3), ("odd", 2), ("uneven", 3)):
            assert place.find(name).stated.etag.endswith(f"-{parts}")
            assert UrlPath(place.url, name).read_bytes() == content
            with (
                between(server, lambda method, _, body: flipped(body) if method == "GET" else body),
                pytest.raises(DamagedError, match=rf"{name}: other bytes come than are there, 2 times \(its ETag is"),
            ):
                Place(place.url).fetched(name)

    def put_in_parts(self, place, name, content, sizes):
        where = {"Bucket": BUCKET, "Key": f"{place.url.removeprefix(f's3://{BUCKET}/')}/{name}"}
        upload = files().call_s3("create_multipart_upload", **where)["UploadId"]
        stream, parts = io.BytesIO(content), []
        for number, size in enumerate(sizes, start=1):
            made = files().call_s3(
                "upload_part", **where, PartNumber=number, UploadId=upload, Body=stream.read(size)
            )  # fmt: skip
            parts.append({"PartNumber": number, "ETag": made["ETag"]})
        files().call_s3("complete_multipart_upload", **where, UploadId=upload, MultipartUpload={"Parts": parts})


class TestSums:
    """What a store may say of an object, compared without one."""

    CONTENT = bytes(range(256)) * 9000

    def asked(self, **said):
        calls = []

        def head(**request):
            calls.append(request)
            return said

        return head, calls

    def difference(self, etag, head, content=CONTENT, **more):
        return difference(io.BytesIO(content), Stated(len(self.CONTENT), etag, **more), head)

    def test_an_etag_that_is_the_md5_costs_no_request(self):
        head, calls = self.asked()
        assert self.difference(hashlib.md5(self.CONTENT).hexdigest(), head) == ""
        assert calls == []

    @pytest.mark.parametrize("said", [{}, {"ServerSideEncryption": "AES256"}])
    def test_another_md5(self, said):
        head, _ = self.asked(**said)
        assert "its ETag is " in self.difference(hashlib.md5(self.CONTENT).hexdigest(), head, flipped(self.CONTENT))

    @pytest.mark.parametrize("said", [{"ServerSideEncryption": "aws:kms"}, {"SSECustomerAlgorithm": "AES256"}])
    def test_an_etag_of_an_encrypted_object_says_nothing(self, said):
        head, _ = self.asked(**said)
        assert self.difference("0" * 32, head) == ""

    @pytest.mark.parametrize(
        ("name", "made"),
        [
            ("ChecksumSHA256", lambda data: hashlib.sha256(data).digest()),
            ("ChecksumSHA1", lambda data: hashlib.sha1(data).digest()),
            ("ChecksumCRC32", lambda data: binascii.crc32(data).to_bytes(4, "big")),
        ],
    )
    def test_checksums_of_its_own_tell_where_the_etag_does_not(self, name, made):
        value = base64.b64encode(made(self.CONTENT)).decode()
        head, calls = self.asked(**{name: value}, ServerSideEncryption="aws:kms")
        assert self.difference("0" * 32, head) == ""
        assert calls == [{"ChecksumMode": "ENABLED"}]
        what = self.difference("0" * 32, head, flipped(self.CONTENT))
        assert what.startswith(f"its {name.removeprefix('Checksum')} is {value}, that of what came ")

    def test_parts_whose_size_the_store_does_not_tell(self):
        content = self.CONTENT[: 2 * MIB + 5]
        parts = [hashlib.md5(content[start : start + MIB]).digest() for start in (0, MIB, 2 * MIB)]
        stated = Stated(len(content), f"{hashlib.md5(b''.join(parts)).hexdigest()}-3")
        head, _ = self.asked(ContentLength=len(content))
        assert difference(io.BytesIO(content), stated, head) == ""
        # then parts of another size may have given it, and nobody can tell
        assert difference(io.BytesIO(flipped(content)), stated, head) == ""

    @pytest.mark.parametrize("etag", ["", "0x8D4BCC2E4835CD0", "9dd4e461268c8034f5c8564e155c67a6-", "AbCd" * 8])
    def test_etags_of_which_nothing_is_known(self, etag):
        assert self.difference(etag, self.asked()[0]) == ""
        assert self.difference(etag, None) == ""

    @pytest.mark.parametrize(
        "entry",
        [
            lambda md5: {"etag": "CKih16GjycICEAE=", "md5Hash": base64.b64encode(md5).decode()},
            lambda md5: {"etag": "0x8D4BCC2E4835CD0", "content_settings": {"content_md5": bytearray(md5)}},
        ],
        ids=["Google Cloud", "Azure"],
    )
    def test_other_stores_state_an_md5(self, entry):
        stated = Stated.of({"size": len(self.CONTENT), **entry(hashlib.md5(self.CONTENT).digest())})
        assert difference(io.BytesIO(self.CONTENT), stated, None) == ""
        assert difference(io.BytesIO(flipped(self.CONTENT)), stated, None).startswith("its MD5 is ")
