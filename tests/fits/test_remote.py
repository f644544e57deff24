"""Files of an object store that speaks S3: read, written and looked for as those of a disk are."""

from __future__ import annotations

import os
import pickle
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

pytest.importorskip("moto", reason="needs a store that speaks S3: pip install 'zeroframe[test]'")
pytest.importorskip("s3fs", reason="needs what reaches S3: pip install 'zeroframe[remote]'")

from stores import files, hashes_here, hashes_there, send, store
from workbench import pixels_of, raw_pixels, small_folder, write_raw
from zeroframe.errors import (
    DamagedError,
    FrameError,
    NoFramesError,
    NotFitsError,
    OutputError,
    OutputExistsError,
    UnsupportedError,
    UsageError,
)
from zeroframe.fits import ImagePart, read_raw, scan, write_fits
from zeroframe.fits.atomic import remove_stale_parts
from zeroframe.fits.fingerprint import file_crc32, file_mark, stamp_of
from zeroframe.fits.store import objects as places
from zeroframe.fits.store.names import UrlPath, as_path, byte_count, is_there, is_url
from zeroframe.fits.store.objects import ObjectStore
from zeroframe.fits.store.ranges import scan_by_ranges
from zeroframe.headers.survey import survey, survey_tree
from zeroframe.stacks.bands import combine_in_bands, shared_stack
from zeroframe.stacks.combine import CombineSpec, combine_stack
from zeroframe.stacks.stack import open_stack

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::DeprecationWarning")


@pytest.fixture(scope="module")
def server():
    with store() as address:
        yield address


@pytest.fixture
def place(server, request):
    """A folder of its own for each test."""
    return ObjectStore(f"s3://bucket/{re.sub('[^a-z0-9_]', '-', request.node.name)}")


@pytest.fixture
def asked(monkeypatch):
    """Every range of bytes that is asked for."""
    ranges, real = [], ObjectStore.read_range

    def noted(self, name, start, stop):
        ranges.append((name, start, stop))
        return real(self, name, start, stop)

    monkeypatch.setattr(ObjectStore, "read_range", noted)
    return ranges


@pytest.fixture
def spool(tmp_path, monkeypatch):
    """Where files are on their way."""
    folder = tmp_path / "tmp"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def path_in(place, name=""):
    return UrlPath(place.url, name)


class TestPlace:
    def test_what_is_put_is_there_and_can_be_fetched(self, place, tmp_path):
        paths = small_folder(tmp_path / "raw", 2)
        send(tmp_path / "raw", place)
        assert [(file.name, file.size) for file in place.listing()] == [
            (path.name, path.stat().st_size) for path in paths
        ]
        assert hashes_there(place) == hashes_here(tmp_path / "raw")
        with path_in(place, "b1.fits").open("rb") as file:
            assert file.read() == paths[0].read_bytes()

    def test_folders_and_hidden_files_are_not_listed(self, place, tmp_path):
        path = tmp_path / "a"
        path.write_bytes(b"a")
        for name in ("a", ".hidden", "within/b"):
            place.put(path, name)
        # what other programs take for a folder; older s3fs takes the slash away
        bucket, _, folder = place.url.removeprefix("s3://").partition("/")
        files().call_s3("put_object", Bucket=bucket, Key=f"{folder}/within/", Body=b"")
        assert [file.name for file in place.listing()] == ["a"]
        assert [file.name for file in place.listing(hidden=True)] == [".hidden", "a"]
        assert place.folders() == ["within"]

    def test_what_is_there_is_not_replaced_without_being_asked(self, place, tmp_path):
        old, new = tmp_path / "old", tmp_path / "new"
        old.write_bytes(b"old")
        new.write_bytes(b"new")
        place.put(old, "a")
        with pytest.raises(OutputExistsError, match=f"{place.url}/a: there is a file of that name already"):
            place.put(new, "a")
        assert place.read_range("a", 0, 3) == b"old"
        place.put(new, "a", overwrite=True)
        assert place.read_range("a", 0, 3) == b"new"

    def test_what_appears_meanwhile_is_kept(self, place, tmp_path, monkeypatch):
        old, new = tmp_path / "old", tmp_path / "new"
        old.write_bytes(b"old")
        new.write_bytes(b"new")
        place.put(old, "a")
        real, calls = ObjectStore.find, []

        def blind_at_first(self, name):
            calls.append(name)
            return None if len(calls) == 1 else real(self, name)

        monkeypatch.setattr(ObjectStore, "find", blind_at_first)
        with pytest.raises(OutputExistsError):
            place.put(new, "a")
        assert place.read_range("a", 0, 3) == b"old"

    def test_other_bytes_have_arrived(self, place, tmp_path, monkeypatch):
        path = tmp_path / "a"
        path.write_bytes(b"1234")
        real = files().put_file

        def spoil(_, target, **more):
            spoiled = tmp_path / "spoiled"
            spoiled.write_bytes(b"1235")
            return real(str(spoiled), target, **more)

        monkeypatch.setattr(files(), "put_file", spoil)
        with pytest.raises(OutputError, match="has other bytes than were sent"):
            place.put(path, "a")

    def test_an_etag_that_is_no_md5_is_no_error(self, place, tmp_path, monkeypatch):
        path = tmp_path / "a"
        path.write_bytes(b"1234")
        monkeypatch.setattr(places, "_file_md5", lambda _: "of something else")
        assert place.put(path, "a").size == 4

    def test_a_file_that_changes_while_it_is_fetched(self, place, tmp_path, spool, monkeypatch):
        path = tmp_path / "a"
        path.write_bytes(b"1234")
        place.put(path, "a")
        path.write_bytes(b"4321")
        real = ObjectStore.read_range

        def changing(self, name, start, stop):
            data = real(self, name, start, stop)
            place.put(path, "a", overwrite=True)
            return data

        monkeypatch.setattr(ObjectStore, "read_range", changing)
        with pytest.raises(FrameError, match=f"{place.url}/a: was changed while it was read; run again"):
            place.fetched("a")
        assert list(spool.iterdir()) == []

    def test_a_file_of_which_fewer_bytes_come(self, place, tmp_path, monkeypatch):
        path = tmp_path / "a"
        path.write_bytes(b"1234")
        place.put(path, "a")
        monkeypatch.setattr(ObjectStore, "read_range", lambda *_: b"123")
        with pytest.raises(DamagedError, match=f"{place.url}/a: gave 3 of its 4 bytes; run again"):
            place.fetched("a")

    def test_what_is_not_there(self, place, tmp_path):
        assert place.find("a") is None
        with pytest.raises(FrameError, match=f"{place.url}/a: is not there"):
            place.read_range("a", 0, 1)
        with pytest.raises(NoFramesError, match="s3://nowhere/raw: there is no bucket 'nowhere'; check its name"):
            ObjectStore("s3://nowhere/raw").listing()
        with pytest.raises(NoFramesError, match="there is nothing in it, though there is a bucket 'bucket'; check"):
            place.listing()
        path = tmp_path / "a"
        path.write_bytes(b"1")
        with pytest.raises(OutputError, match="s3://nowhere/out/a: there is no bucket 'nowhere'; make it"):
            ObjectStore("s3://nowhere/out").put(path, "a")
        with pytest.raises(OutputError, match=f"{place.url}/a: is not there"):
            place.remove("a")
        place.remove("a", missing_ok=True)

    @pytest.mark.usefixtures("server")
    def test_nobody_answers(self, monkeypatch):
        import s3fs

        unreached = s3fs.S3FileSystem(
            endpoint_url="http://127.0.0.1:9", key="k", secret="s", skip_instance_cache=True,
            config_kwargs={"retries": {"max_attempts": 0}, "connect_timeout": 1},
        )  # fmt: skip
        unreached.retries = 1
        monkeypatch.setattr(places, "_filesystem", lambda _: unreached)
        with pytest.raises(
            NoFramesError, match=r"s3://bucket/raw cannot be reached \(.*127.0.0.1:9.*check the network"
        ):
            ObjectStore("s3://bucket/raw").listing()

    def test_places_where_files_are_seen_half_written_take_no_results(self, tmp_path):
        (tmp_path / "a").write_bytes(b"1")
        with pytest.raises(OutputError, match="memory://out/a: files are seen half-written there"):
            ObjectStore("memory://out").put(tmp_path / "a", "a")

    def test_without_anything_that_tells_of_a_change_there_is_no_stamp(self, place):
        entry = {"name": "bucket/a", "size": 4, "type": "file"}
        assert place._file(entry).stamp == ""
        assert place._file({**entry, "etag": '"0x8D"'}).stamp == "4.0x8D"
        assert place._file({**entry, "last_modified": "noon"}).stamp == "4.noon"

    def test_kinds_of_places_that_are_not_known(self):
        with pytest.raises(UsageError, match="nonsense://a cannot be reached"):
            ObjectStore("nonsense://a")
        with pytest.raises(UsageError, match="'raw' is no URL; write for example s3://bucket/folder"):
            ObjectStore("raw")


class TestPaths:
    def test_their_parts_are_those_of_a_path(self):
        path = as_path("S3A://bucket/raw//night 1/b1.fits")
        assert str(path) == "s3://bucket/raw/night 1/b1.fits"
        assert (path.name, path.stem, path.parent) == ("b1.fits", "b1", UrlPath("s3://bucket/raw", "night 1"))
        assert path == UrlPath(str(path)) == pickle.loads(pickle.dumps(path)) != Path("s3:/bucket/raw/night 1/b1.fits")
        assert path.absolute() is path.resolve() is path
        assert path.relative_to(UrlPath("s3://bucket/raw")) == Path("night 1/b1.fits")
        assert UrlPath("s3://bucket") in path.parents
        assert sorted([path, path.with_name("a")]) == [path.with_name("a"), path]

    def test_the_system_is_never_asked(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        path = UrlPath("s3://bucket/raw/b1.fits")
        for touch in (open, fits.open, np.fromfile):
            with pytest.raises(UnsupportedError, match=r"s3://bucket/raw/b1\.fits: is not on a disk, which this needs"):
                touch(path)
        with pytest.raises(UnsupportedError):
            path.stat()
        with pytest.raises(UnsupportedError, match="cannot be opened with mode 'w'"):
            path.open("w")
        assert list(tmp_path.iterdir()) == []

    def test_what_is_there(self, place, tmp_path):
        paths = small_folder(tmp_path / "raw", 1)
        send(tmp_path / "raw", place)
        there, nowhere = path_in(place, "b1.fits"), path_in(place, "c")
        assert [is_there(there), there.is_file(), there.is_dir()] == [True, True, False]
        assert [is_there(nowhere), nowhere.is_file(), nowhere.is_dir()] == [False, False, False]
        assert [is_there(path_in(place)), path_in(place).is_file(), path_in(place).is_dir()] == [True, False, True]
        assert byte_count(there) == paths[0].stat().st_size
        assert list(path_in(place).iterdir()) == [there]
        assert (stamp_of(there), stamp_of(nowhere)) == (place.find("b1.fits").stamp, None)
        with pytest.raises(FrameError, match="there is no such file; check the name"):
            byte_count(nowhere)
        with pytest.raises(FileNotFoundError):
            nowhere.read_bytes()

    def test_file_urls_are_paths(self):
        assert as_path("file:///data/raw%20frames") == Path("/data/raw frames")
        assert as_path("s3://bucket/raw") == UrlPath("s3://bucket/raw")
        assert not is_url("C:/raw")
        with pytest.raises(UsageError, match="names a file of the machine 'server'"):
            as_path("file://server/data")


class TestFiles:
    def test_they_are_read_as_those_of_a_disk(self, place, tmp_path, spool):
        (tmp_path / "raw").mkdir()
        for compress in ("none", "gzip", "rice"):
            write_fits(tmp_path / "raw" / compress, [ImagePart(raw_pixels(1, (30, 40)))], compress=compress)
        send(tmp_path / "raw", place)
        for path in sorted((tmp_path / "raw").iterdir()):
            far = path_in(place, path.name)
            found, expected = read_raw(far, with_mark=True, check_sums=True), read_raw(path, with_mark=True)
            np.testing.assert_array_equal(found.decode(), expected.decode())
            assert (found.mark.sha256, found.mark.byte_count) == (expected.mark.sha256, expected.mark.byte_count)
            assert found.mark.stamp == file_mark(far).stamp == stamp_of(far)
            assert file_crc32(far) == file_crc32(path)
        assert list(spool.iterdir()) == []

    @pytest.mark.parametrize("compress", ["none", "gzip", "rice"])
    def test_they_are_written_as_those_of_a_disk(self, place, tmp_path, spool, compress):
        parts = [ImagePart(raw_pixels(1, (30, 40)).astype(np.float32))]
        far, near = path_in(place, "a.fits"), tmp_path / "a.fits"
        assert write_fits(far, parts, compress=compress) == write_fits(near, parts, compress=compress)
        assert far.read_bytes() == near.read_bytes()
        with pytest.raises(OutputExistsError, match=f"{far}: there is a file of that name already"):
            write_fits(far, parts)
        write_fits(far, parts, overwrite=True)
        assert list(spool.iterdir()) == []

    def test_what_fails_while_it_is_written_leaves_nothing(self, place, spool):
        def fail(_):
            raise RuntimeError("in the middle")

        far = path_in(place, "a.fits")
        with pytest.raises(RuntimeError):
            write_fits(far, [ImagePart(raw_pixels(1))], on_bytes=fail)
        assert not is_there(far)
        assert list(spool.iterdir()) == []

    def test_leftovers_are_removed(self, place, tmp_path):
        (tmp_path / "a").write_bytes(b"a")
        for name in (".a.fits.4711-0123abcd.part", ".mine", "a.fits"):
            place.put(tmp_path / "a", name)
        assert remove_stale_parts(path_in(place)) == [".a.fits.4711-0123abcd.part"]
        assert [file.name for file in place.listing(hidden=True)] == [".mine", "a.fits"]
        assert remove_stale_parts(path_in(place, "nowhere")) == []

    def test_folders_of_those_who_were_killed_are_removed(self, spool):
        from zeroframe.fits.store.spool import remove_stale_folders, temporary_folder

        old, young = (Path(tempfile.mkdtemp(prefix="zeroframe-way-", dir=spool)) for _ in range(2))
        foreign = spool / "zeroframe-other"
        foreign.mkdir()
        (old / "b1.fits").write_bytes(b"half")
        with temporary_folder() as used:
            for folder in (old, used, foreign):
                os.utime(folder, (0, 0))
            assert remove_stale_folders() == [old]
            assert used.is_dir()
        assert sorted(spool.iterdir()) == sorted([young, foreign])

    def test_an_empty_file_and_none(self, place, tmp_path):
        (tmp_path / "a").write_bytes(b"")
        place.put(tmp_path / "a", "a")
        with pytest.raises(NotFitsError, match="the file is empty"):
            read_raw(path_in(place, "a"))
        with pytest.raises(FrameError, match=f"{place.url}/b: there is no such file"):
            scan(path_in(place, "b"))


class TestHeaders:
    def test_they_are_read_by_a_few_kilobytes(self, place, tmp_path, asked):
        paths = small_folder(tmp_path / "raw", 3, OBJECT="zero")
        large = write_raw(tmp_path / "raw" / "large.fits", raw_pixels(1, (300, 400)))
        (tmp_path / "raw" / "notes.txt").write_text("clouds")
        send(tmp_path / "raw", place)
        asked.clear()
        found, expected = survey_tree(place.url, recurse=False), survey_tree(tmp_path / "raw", recurse=False)
        assert [item.facts for item in found] == [item.facts for item in expected]
        assert [item.layout for item in found] == [item.layout for item in expected]
        assert [item.path for item in found] == [path_in(place, path.name) for path in (*paths, large)]
        assert max(stop - start for _, start, stop in asked) <= 11520 < large.stat().st_size
        assert len(asked) == 4 + 1  # the notes, too

    def test_a_tree_in_the_order_of_one_on_a_disk(self, place, tmp_path):
        for folder in ("b", "a/deep", "."):
            small_folder(tmp_path / "raw" / folder, 1)
        (tmp_path / "raw" / ".hidden").mkdir()
        small_folder(tmp_path / "raw" / "out", 1)
        send(tmp_path / "raw", place)
        found = survey_tree(place.url)
        expected = survey_tree(tmp_path / "raw")
        assert [item.path.relative_to(path_in(place)) for item in found] == [
            item.path.relative_to(tmp_path / "raw") for item in expected
        ]

    @pytest.mark.parametrize("compress", ["gzip", "rice"])
    def test_compressed_files(self, place, tmp_path, compress, asked):
        (tmp_path / "raw").mkdir()
        path = tmp_path / "raw" / f"a.{compress}"
        header = fits.Header({"IMAGETYP": "zero", "EXPTIME": 0.0})
        write_fits(path, [ImagePart(raw_pixels(1, (400, 500)), header)], compress=compress)
        send(tmp_path / "raw", place)
        asked.clear()
        [found] = survey([path_in(place, path.name)])
        [expected] = survey([path])
        assert found.problem is None
        assert (found.facts, found.layout) == (expected.facts, expected.layout)
        assert found.frame.encoding == expected.frame.encoding
        assert sum(stop - start for _, start, stop in asked) < path.stat().st_size

    def test_a_compressed_file_of_several_extensions_is_fetched(self, place, tmp_path, spool):
        (tmp_path / "raw").mkdir()
        path = tmp_path / "raw" / "a.fits.gz"
        parts = [ImagePart(raw_pixels(n, (200, 300)), name=name) for n, name in enumerate(("SCI", "MASK"))]
        write_fits(path, parts, compress="gzip")
        send(tmp_path / "raw", place)
        assert [hdu.name for hdu in scan(path_in(place, "a.fits.gz")).hdus] == ["SCI", "MASK"]
        assert list(spool.iterdir()) == []

    def test_every_extension_is_found(self, place, tmp_path):
        (tmp_path / "raw").mkdir()
        path = tmp_path / "raw" / "a.fits"
        write_fits(path, [ImagePart(raw_pixels(n, (100, 100)), name=name) for n, name in enumerate(("A", "B", "C"))])
        send(tmp_path / "raw", place)
        [found] = survey_tree(place.url, recurse=False)
        assert [hdu.data_offset for hdu in found.frame.hdus] == [hdu.data_offset for hdu in scan(path).hdus]
        assert str(found.problem).startswith(f"{place.url}/a.fits: holds 3 images")

    @pytest.mark.parametrize(
        "content", [b"", b"what is not FITS", b"SIMPLE  =  T".ljust(2880), b"\x1f\x8b and no more"]
    )
    def test_what_is_wrong_is_said_of_the_url(self, place, tmp_path, content):
        path = tmp_path / "a.fits"
        path.write_bytes(content)
        place.put(path, "a.fits")
        [found] = survey_tree(place.url, recurse=False)
        [expected] = survey([path])
        assert type(found.problem) is type(expected.problem)
        assert str(found.problem) == str(expected.problem).replace(str(path), f"{place.url}/a.fits")

    def test_a_file_that_is_cut_off_is_remarked_as_on_a_disk(self, tmp_path):
        path = write_raw(tmp_path / "a.fits", raw_pixels(1, (100, 100)))
        data = path.read_bytes()[:-6000]
        path.write_bytes(data)
        found = scan_by_ranges(path, len(data), lambda start, stop: data[start:stop])
        assert found.remarks == survey([path])[0].frame.remarks != ()


class TestRows:
    def test_a_band_reads_only_its_rows_and_combines_to_the_same_bits(self, place, tmp_path, asked):
        from concurrent.futures import ThreadPoolExecutor

        (tmp_path / "raw").mkdir()
        paths = [tmp_path / "raw" / f"b{n}.fits" for n in range(3)]
        for n, path in enumerate(paths):
            write_fits(path, [ImagePart(raw_pixels(n, (64, 30)).astype(np.float32 if n else np.uint16))])
        send(tmp_path / "raw", place)
        far = [path_in(place, path.name) for path in paths]
        stack = open_stack(far, in_memory_bytes=0)[0]
        asked.clear()
        out = np.empty((4, 30), np.float32)
        stack.read_rows(1, slice(10, 14), out)
        np.testing.assert_array_equal(out, pixels_of(paths[1])[10:14])
        start = stack.images[1].layout.data_offset
        assert asked == [("b1.fits", start + 10 * 120, start + 14 * 120)]
        expected = combine_stack(open_stack(paths, in_memory_bytes=0)[0], CombineSpec())
        with ThreadPoolExecutor(2) as pool, shared_stack(pool, far, path_in(place)) as shared:
            asked.clear()
            found = combine_in_bands(pool, shared, CombineSpec(), band_bytes=1)
            assert len(asked) == 3 * 64 // 16  # one request for each frame and band of 16 rows
            assert sum(stop - start for _, start, stop in asked) == 64 * 30 * (4 + 4 + 2)
        for name in ("data", "uncertainty", "counts"):
            assert getattr(found, name).tobytes() == getattr(expected, name).tobytes()

    def test_a_file_that_ends_too_early(self, place, tmp_path):
        path = write_raw(tmp_path / "a.fits", raw_pixels(1, (400, 30)))
        path.write_bytes(path.read_bytes()[:-5760])
        place.put(path, "a.fits")
        stack = open_stack([path_in(place, "a.fits")], in_memory_bytes=0)[0]
        with pytest.raises(DamagedError, match=f"{place.url}/a.fits: is cut off: the data should have 24,000 bytes"):
            stack.read_rows(0, slice(390, 400), np.empty((10, 30), np.float32))


def test_nothing_of_fsspec_is_imported_without_a_url(tmp_path):
    small_folder(tmp_path / "raw", 2)
    code = (
        "import sys; from zeroframe.cli.main import main\n"
        "try: main(sys.argv[1:])\n"
        "finally: print(*({'fsspec', 's3fs', 'botocore', 'aiohttp', 'zeroframe.fits.store.objects'}"
        " & set(sys.modules)))"
    )
    arguments = [
        "bias",
        str(tmp_path / "raw"),
        "-o",
        f"file://{tmp_path / 'out'}",
        "--overscan",
        "[17:20,:]",
        "--no-report",
    ]
    found = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False)
    assert (found.returncode, found.stderr) == (0, "")
    assert found.stdout.splitlines()[-1] == ""
