"""What comes from a store other than it is there: one bit of a body of the right length."""

from __future__ import annotations

import base64
import binascii
import hashlib
import io
import itertools
import re
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("moto", reason="needs a store that speaks S3: pip install 'zeroframe[test]'")
pytest.importorskip("s3fs", reason="needs what reaches S3: pip install 'zeroframe[remote]'")

from stores import BUCKET, between, files, flipped, hashes_here, send, store
from workbench import command, raw_pixels, small_folder, write_raw
from zeroframe.errors import DamagedError
from zeroframe.fits import ImagePart, read_raw, write_fits
from zeroframe.fits.store.names import UrlPath
from zeroframe.fits.store.objects import ObjectStore
from zeroframe.fits.store.stated_sums import Stated, difference
from zeroframe.run.input_sums import require_sums
from zeroframe.stacks.bands import combine_in_bands, shared_stack
from zeroframe.stacks.combine import CombineSpec, combine_stack
from zeroframe.stacks.stack import RowSums, open_stack

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
    return ObjectStore(f"s3://{BUCKET}/harm{next(_NUMBERS)}")


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
            ObjectStore(place.url).fetched("b1.fits")

    def test_a_bit_that_was_flipped_on_its_way_once_is_mended(self, server, place, tmp_path, caplog):
        path = write_raw(tmp_path / "b1.fits", raw_pixels(1))
        place.put(path, "b1.fits")
        with between(server, once("b1.fits")):
            found = read_raw(UrlPath(place.url, "b1.fits"))
        np.testing.assert_array_equal(found.decode(), read_raw(path).decode())
        assert [record.levelname for record in caplog.records if record.name == "zeroframe.fits.store.objects"] == [
            "WARNING"
        ]

    @pytest.mark.long
    def test_a_run_names_the_frame_and_makes_the_others(self, server, place, tmp_path):
        raw = tmp_path / "raw"
        small_folder(raw, 3)
        send(raw, ObjectStore(f"{place.url}/raw"))

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

    @pytest.mark.long
    def test_an_object_of_several_parts(self, server, place, monkeypatch):
        monkeypatch.setattr("moto.s3.models.S3_UPLOAD_PART_MIN_SIZE", 1)
        content = np.random.default_rng(1).integers(0, 256, 1100, dtype=np.uint8).tobytes()
        self.put_in_parts(place, "a", content, (500, 500, 100))
        self.put_in_parts(place, "odd", content, (500, 600))
        self.put_in_parts(place, "uneven", content, (500, 550, 50))
        for name, parts in (("a", 3), ("odd", 2), ("uneven", 3)):
            assert place.find(name).stated.etag.endswith(f"-{parts}")
            assert UrlPath(place.url, name).read_bytes() == content
            with (
                between(server, lambda method, _, body: flipped(body) if method == "GET" else body),
                pytest.raises(DamagedError, match=rf"{name}: other bytes come than are there, 2 times \(its ETag is"),
            ):
                ObjectStore(place.url).fetched(name)

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


class TestRanges:
    """Headers, and rows of frames that are combined, are read by ranges of bytes, of which a store states no sum."""

    def at_first(self, old, new):
        """Put another word into what comes of b2.fits first, which is when its header is read."""
        seen = itertools.count()

        def harm(method, path, body):
            hit = method == "GET" and path.endswith("b2.fits") and next(seen) == 0
            return body.replace(old, new) if hit else body

        return harm

    @pytest.mark.long
    def test_a_header_that_came_otherwise_when_biases_were_planned(self, server, place, tmp_path):
        small_folder(tmp_path / "raw", 3, GAIN=1.5)
        send(tmp_path / "raw", ObjectStore(f"{place.url}/raw"))
        with between(server, self.at_first(b"GAIN    =                  1.5", b"GAIN    =                  1.4")):
            run = command("bias", f"{place.url}/raw", "-o", tmp_path / "out", *SECTIONS)
        assert run.code == 1, run.out + run.err
        assert f"{place.url}/raw/b2.fits: has another header than was read before; run again" in run.out

    @pytest.mark.long
    def test_a_header_that_came_otherwise_when_a_night_was_planned(self, server, place, tmp_path):
        for name in ("b1", "b2", "b3"):
            write_raw(tmp_path / "raw" / f"{name}.fits", raw_pixels(int(name[1])), EXPTIME=30.0, IMAGETYP="dark")
        send(tmp_path / "raw", ObjectStore(f"{place.url}/raw"))
        (tmp_path / "night.toml").write_text('[frames]\noverscan = "[17:20,:]"\ntrim = "[1:16,:]"\n')
        more = ("--recipe", tmp_path / "night.toml", "--no-report")
        with between(server, self.at_first(b"EXPTIME =                 30.0", b"EXPTIME =                 31.0")):
            run = command("night", f"{place.url}/raw", "-o", tmp_path / "out", *more)
        assert run.code == 1, run.out + run.err
        assert f"{place.url}/raw/b2.fits: has another header than was read before; run again" in run.out

    @pytest.mark.long
    @pytest.mark.parametrize("bands", ["here", "in bands"])
    def test_rows_that_came_otherwise(self, server, place, tmp_path, bands):
        """Their sums, in whatever pieces they were read, add up to the DATASUM of the frame."""
        folder = tmp_path / "frames"
        folder.mkdir()
        for number in (1, 2, 3):
            write_fits(folder / f"b{number}.fits", [ImagePart(raw_pixels(number, (70, 31)).astype(np.float32))])
        send(folder, place)
        paths = [UrlPath(place.url, f"b{number}.fits") for number in (1, 2, 3)]

        def harm(method, path, body):  # rows, but not the header
            return flipped(body) if path.endswith("b2.fits") and not body.startswith(b"SIMPLE") else body

        def combined():
            if bands == "here":
                stack = open_stack(paths, in_memory_bytes=0)[0]
                found = combine_stack(stack, CombineSpec(), mem_limit_bytes=40_000)
                require_sums(stack)
                return found
            with ThreadPoolExecutor(2) as pool, shared_stack(pool, paths, UrlPath(place.url)) as stack:
                found = combine_in_bands(pool, stack, CombineSpec(), band_bytes=1)
                require_sums(stack)
                return found

        expected = combine_stack(open_stack(sorted(folder.iterdir()), in_memory_bytes=0)[0], CombineSpec())
        assert combined().data.tobytes() == expected.data.tobytes()
        with (
            between(server, harm),
            pytest.raises(DamagedError, match=f"{place.url}/b2.fits: its data are not those it was written with"),
        ):
            combined()

    @pytest.mark.long
    def test_a_run_that_combines_rows_in_the_store(self, server, place, tmp_path, monkeypatch):
        """As where there is no room for copies: the frame is left out and named, and no wrong image is made."""
        small_folder(tmp_path / "raw", 3)
        full = shutil.disk_usage("/")._replace(free=0)
        monkeypatch.setattr(shutil, "disk_usage", lambda _: full)

        def harm(method, path, body):
            rows = method == "GET" and path.endswith("/out/b2.fits") and not body.startswith(b"SIMPLE")
            return flipped(body) if rows and len(body) > 64 else body

        with between(server, harm):
            run = command("bias", tmp_path / "raw", "-o", f"{place.url}/out", *SECTIONS)
        assert run.code == 1, run.out + run.err
        assert f"left out: bias: {place.url}/out/b2.fits: its data are not those it was written with" in run.out
        small_folder(tmp_path / "two", 1)
        shutil.copy(tmp_path / "raw" / "b3.fits", tmp_path / "two" / "b3.fits")
        assert command("bias", tmp_path / "two", "-o", tmp_path / "here", *SECTIONS).code == 0
        found = read_raw(UrlPath(place.url, "out/combined_bias.fits"), ext=0).decode()
        np.testing.assert_array_equal(found, read_raw(tmp_path / "here" / "combined_bias.fits", ext=0).decode())

    def test_sums_of_rows_that_were_not_all_read_or_twice_say_nothing(self):
        sums = RowSums()
        for rows in ((0, 4, 10), (6, 9, 30)):
            sums.add(*rows)
        assert sums.total(9) is None
        sums.add(4, 6, 20)
        assert (sums.total(9), sums.total(8)) == (60, None)
        sums.add(4, 6, 20)
        assert sums.total(9) is None
        sums.begin()
        assert sums.total(0) == 0


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
