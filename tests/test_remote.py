"""Raw frames and results in an object store that speaks S3: the bytes of a run on a disk."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

pytest.importorskip("moto", reason="needs a store that speaks S3: pip install 'zeroframe[test]'")
pytest.importorskip("s3fs", reason="needs what reaches S3: pip install 'zeroframe[remote]'")

from clusters import cluster
from reliability import ALL_CASES, hashes
from workbench import pixels_of, raw_pixels, small_folder, write_raw
from zeroframe import places
from zeroframe.cluster import on_cluster
from zeroframe.combining import CombineSpec, combine_stack
from zeroframe.errors import DamagedError, FrameError, NoFramesError, OutputError, OutputExistsError, UsageError
from zeroframe.executing import map_jobs
from zeroframe.frame_jobs import FrameTask, calibrate_frames
from zeroframe.io import ImagePart, write_fits
from zeroframe.io.ranges import scan_by_ranges
from zeroframe.places import Place, is_url, local_path
from zeroframe.plan import BiasWishes, plan_bias
from zeroframe.recipes import RecipeWishes
from zeroframe.remote_jobs import RemoteStack, RemoteTask, calibrate_remote_frame, survey_place
from zeroframe.sections import Section
from zeroframe.stacks import open_stack
from zeroframe.survey import survey, survey_folder

FRAMES = 4
WISHES = BiasWishes(RecipeWishes(overscan=Section.parse("[17:20,:]"), trim=Section.parse("[1:16,:]")))
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::DeprecationWarning")


@pytest.fixture(scope="module")
def store():
    """A server that speaks S3, with an empty bucket."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
        patch.setenv("NO_PROXY", host)
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            patch.setenv(name, "testing")
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        for name in ("AWS_PROFILE", "AWS_CA_BUNDLE", "AWS_SESSION_TOKEN"):
            patch.delenv(name, raising=False)
        _files().mkdir("bucket")
        yield
    server.stop()


def _files():
    return places._filesystem("s3")


@pytest.fixture
def place(store, request):
    """A folder of its own for each test."""
    return Place(f"s3://bucket/{request.node.name}")


@pytest.fixture
def asked(monkeypatch):
    """Every range of bytes that is asked for."""
    ranges, real = [], Place.read_range

    def noted(self, name, start, stop):
        ranges.append((name, start, stop))
        return real(self, name, start, stop)

    monkeypatch.setattr(Place, "read_range", noted)
    return ranges


def send(folder, place):
    for path in sorted(folder.iterdir()):
        place.put(path, path.name)
    return place


def tasks_of(raw, out, spool):
    """Plan what is in one place, into another."""
    found, files = survey_place(raw, spool)
    plan = plan_bias(found, spool / "raw", spool / "out", WISHES)
    file_of = {file.name: file for file in files}
    return [RemoteTask(FrameTask(job), raw, file_of[job.source.name], out) for job in plan.calibrate]


def run_here(raw, out):
    out.mkdir()
    plan = plan_bias(survey_folder(raw), raw, out, WISHES)
    with ThreadPoolExecutor(1) as pool:
        assert {each.state for each in calibrate_frames(pool, [FrameTask(job) for job in plan.calibrate])} == {"done"}
    return out


def fetched(place, folder):
    folder.mkdir()
    for file in place.listing():
        place.fetch(file, folder / file.name)
    return folder


class TestPlace:
    def test_what_is_put_is_there_and_can_be_fetched(self, place, tmp_path):
        small_folder(tmp_path / "raw", 2)
        send(tmp_path / "raw", place)
        assert [(file.name, file.size) for file in place.listing()] == [
            (path.name, path.stat().st_size) for path in sorted((tmp_path / "raw").iterdir())
        ]
        assert hashes(fetched(place, tmp_path / "back")) == hashes(tmp_path / "raw")

    def test_folders_and_hidden_files_are_not_listed(self, place, tmp_path):
        path = tmp_path / "a"
        path.write_bytes(b"a")
        for name in ("a", ".hidden", "within/b"):
            place.put(path, name)
        assert [file.name for file in place.listing()] == ["a"]

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
        real, calls = Place.find, []

        def blind_at_first(self, name):
            calls.append(name)
            return None if len(calls) == 1 else real(self, name)

        monkeypatch.setattr(Place, "find", blind_at_first)
        with pytest.raises(OutputExistsError):
            place.put(new, "a")
        assert place.read_range("a", 0, 3) == b"old"

    def test_other_bytes_have_arrived(self, place, tmp_path, monkeypatch):
        path = tmp_path / "a"
        path.write_bytes(b"1234")
        real = _files().put_file

        def spoil(_, target, **more):
            spoiled = tmp_path / "spoiled"
            spoiled.write_bytes(b"1235")
            return real(str(spoiled), target, **more)

        monkeypatch.setattr(_files(), "put_file", spoil)
        with pytest.raises(OutputError, match="has other bytes than were sent"):
            place.put(path, "a")

    def test_an_etag_that_is_no_md5_is_no_error(self, place, tmp_path, monkeypatch):
        path = tmp_path / "a"
        path.write_bytes(b"1234")
        monkeypatch.setattr(places, "_file_md5", lambda _: "of something else")
        assert place.put(path, "a").size == 4

    def test_a_file_that_changes_while_it_is_fetched(self, place, tmp_path):
        path = tmp_path / "a"
        path.write_bytes(b"1234")
        before = place.put(path, "a")
        path.write_bytes(b"4321")
        place.put(path, "a", overwrite=True)
        with pytest.raises(FrameError, match=f"{place.url}/a: was changed while it was read; run again"):
            place.fetch(before, tmp_path / "b")
        assert not (tmp_path / "b").exists()
        assert [each.name for each in tmp_path.iterdir()] == ["a"]

    def test_what_is_not_there(self, place, tmp_path):
        assert place.find("a") is None
        with pytest.raises(FrameError, match=f"{place.url}/a: is not there"):
            place.read_range("a", 0, 1)
        with pytest.raises(NoFramesError, match="s3://nowhere/raw is not there; check the name"):
            Place("s3://nowhere/raw").listing()
        path = tmp_path / "a"
        path.write_bytes(b"1")
        with pytest.raises(OutputError, match="s3://nowhere/out/a: is not there"):
            Place("s3://nowhere/out").put(path, "a")

    @pytest.mark.usefixtures("store")
    def test_nobody_answers(self, monkeypatch):
        import s3fs

        files = s3fs.S3FileSystem(
            endpoint_url="http://127.0.0.1:9", key="k", secret="s", skip_instance_cache=True,
            config_kwargs={"retries": {"max_attempts": 0}, "connect_timeout": 1},
        )  # fmt: skip
        files.retries = 1
        monkeypatch.setattr(places, "_filesystem", lambda _: files)
        with pytest.raises(NoFramesError, match=r"s3://bucket/raw cannot be reached \(.*127.0.0.1:9"):
            Place("s3://bucket/raw").listing()

    def test_places_where_files_are_seen_half_written_take_no_results(self, tmp_path):
        (tmp_path / "a").write_bytes(b"1")
        with pytest.raises(UsageError, match="a file there is seen half-written"):
            Place("memory://out").put(tmp_path / "a", "a")

    def test_kinds_of_places_that_are_not_known(self):
        with pytest.raises(UsageError, match="nonsense://a cannot be reached"):
            Place("nonsense://a")
        with pytest.raises(UsageError, match="'raw' is no URL; write for example s3://bucket/folder"):
            Place("raw")


class TestHeaders:
    def test_they_are_read_by_a_few_kilobytes(self, place, tmp_path, asked):
        paths = small_folder(tmp_path / "raw", 3, OBJECT="zero")
        large = write_raw(tmp_path / "raw" / "large.fits", raw_pixels(1, (300, 400)))
        send(tmp_path / "raw", place)
        asked.clear()
        found, _ = survey_place(place, tmp_path / "spool")
        expected = survey_folder(tmp_path / "raw")
        assert [item.facts for item in found] == [item.facts for item in expected]
        assert [item.layout for item in found] == [item.layout for item in expected]
        assert [item.path for item in found] == [tmp_path / "spool" / path.name for path in (*paths, large)]
        assert max(stop - start for _, start, stop in asked) <= 11520 < large.stat().st_size
        assert len(asked) == 4

    @pytest.mark.parametrize("compress", ["gzip", "rice"])
    def test_compressed_files(self, place, tmp_path, compress):
        (tmp_path / "raw").mkdir()
        path = tmp_path / "raw" / f"a.{compress}"
        header = fits.Header({"IMAGETYP": "zero", "EXPTIME": 0.0})
        write_fits(path, [ImagePart(raw_pixels(1, (200, 300)), header)], compress=compress)
        send(tmp_path / "raw", place)
        [found], _ = survey_place(place, tmp_path / "spool")
        [expected] = survey([path])
        assert found.problem is None
        assert (found.facts, found.layout) == (expected.facts, expected.layout)
        assert found.frame.encoding == expected.frame.encoding

    def test_a_compressed_file_of_several_extensions_is_fetched(self, place, tmp_path):
        (tmp_path / "raw").mkdir()
        (tmp_path / "spool").mkdir()
        path = tmp_path / "raw" / "a.fits.gz"
        parts = [ImagePart(raw_pixels(n, (200, 300)), name=name) for n, name in enumerate(("SCI", "MASK"))]
        write_fits(path, parts, compress="gzip")
        send(tmp_path / "raw", place)
        [found], _ = survey_place(place, tmp_path / "spool")
        assert [hdu.name for hdu in found.frame.hdus] == ["SCI", "MASK"]
        assert list((tmp_path / "spool").iterdir()) == []

    def test_every_extension_is_found(self, place, tmp_path):
        (tmp_path / "raw").mkdir()
        path = tmp_path / "raw" / "a.fits"
        write_fits(path, [ImagePart(raw_pixels(n, (100, 100)), name=name) for n, name in enumerate(("A", "B", "C"))])
        send(tmp_path / "raw", place)
        [found], _ = survey_place(place, tmp_path)
        assert [hdu.data_offset for hdu in found.frame.hdus] == [
            hdu.data_offset for hdu in survey([path])[0].frame.hdus
        ]
        assert str(found.problem).startswith(f"{place.url}/a.fits: holds 3 images")

    @pytest.mark.parametrize(
        "content", [b"", b"what is not FITS", b"SIMPLE  =  T".ljust(2880), b"\x1f\x8b and no more"]
    )
    def test_what_is_wrong_is_said_of_the_url(self, place, tmp_path, content):
        path = tmp_path / "a.fits"
        path.write_bytes(content)
        place.put(path, "a.fits")
        [found], _ = survey_place(place, tmp_path)
        [expected] = survey([path])
        assert type(found.problem) is type(expected.problem)
        assert str(found.problem) == str(expected.problem).replace(str(path), f"{place.url}/a.fits")

    def test_a_file_that_is_cut_off_is_remarked_as_on_a_disk(self, tmp_path):
        path = write_raw(tmp_path / "a.fits", raw_pixels(1, (100, 100)))
        data = path.read_bytes()[:-6000]
        path.write_bytes(data)
        found = scan_by_ranges(path, len(data), lambda start, stop: data[start:stop])
        assert found.remarks == survey([path])[0].frame.remarks != ()


class TestFrames:
    def test_the_bytes_of_a_run_on_a_disk_and_nothing_left_behind(self, place, tmp_path, monkeypatch):
        import tempfile

        small_folder(tmp_path / "raw", FRAMES)
        expected = run_here(tmp_path / "raw", tmp_path / "here")
        raw, out = send(tmp_path / "raw", Place(place.url + "/raw")), Place(place.url + "/out")
        (tmp_path / "tmp").mkdir()
        monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
        outcomes = [calibrate_remote_frame(task) for task in tasks_of(raw, out, tmp_path / "spool")]
        assert {outcome.state for outcome in outcomes} == {"done"}
        assert [outcome.source_mark.stamp for outcome in outcomes] == [file.stamp for file in raw.listing()]
        assert list((tmp_path / "tmp").iterdir()) == []
        assert hashes(fetched(out, tmp_path / "back")) == hashes(expected)

    @pytest.mark.skipif(not ALL_CASES, reason="ZEROFRAME_ALL_CASES=1 does without Dask what the next test does")
    def test_other_processes(self, place, tmp_path):
        small_folder(tmp_path / "raw", FRAMES)
        expected = run_here(tmp_path / "raw", tmp_path / "here")
        raw, out = send(tmp_path / "raw", Place(place.url + "/raw")), Place(place.url + "/out")
        with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
            outcomes = map_jobs(pool, calibrate_remote_frame, tasks_of(raw, out, tmp_path / "spool"))
        assert {outcome.state for outcome in outcomes} == {"done"}
        assert hashes(fetched(out, tmp_path / "back")) == hashes(expected)

    def test_a_cluster(self, place, tmp_path):
        pytest.importorskip("distributed", reason="needs Dask: pip install 'zeroframe[cluster]'")
        small_folder(tmp_path / "raw", FRAMES)
        expected = run_here(tmp_path / "raw", tmp_path / "here")
        raw, out = send(tmp_path / "raw", Place(place.url + "/raw")), Place(place.url + "/out")
        with cluster(tmp_path / "dask", workers=1) as running, on_cluster(running.address) as executor:
            outcomes = map_jobs(executor, calibrate_remote_frame, tasks_of(raw, out, tmp_path / "spool"))
        assert {outcome.state for outcome in outcomes} == {"done"}
        assert hashes(fetched(out, tmp_path / "back")) == hashes(expected)

    def test_a_job_that_is_repeated_finds_its_own_result(self, place, tmp_path):
        small_folder(tmp_path / "raw", 1)
        raw, out = send(tmp_path / "raw", Place(place.url + "/raw")), Place(place.url + "/out")
        [task] = tasks_of(raw, out, tmp_path / "spool")
        first, second = calibrate_remote_frame(task), calibrate_remote_frame(task)
        assert (first.state, second.state) == ("done", "done")
        assert first.crc32 == second.crc32

    def test_the_result_of_something_else_is_kept(self, place, tmp_path):
        small_folder(tmp_path / "raw", 1)
        raw, out = send(tmp_path / "raw", Place(place.url + "/raw")), Place(place.url + "/out")
        [task] = tasks_of(raw, out, tmp_path / "spool")
        (tmp_path / "other").write_bytes(b"mine")
        out.put(tmp_path / "other", task.frame.job.target.name)
        outcome = calibrate_remote_frame(task)
        assert outcome.state == "failed"
        assert outcome.reason.startswith(f"{out.url}/b1.fits: there is a file of that name already")
        assert out.read_range("b1.fits", 0, 4) == b"mine"
        overwriting = replace(task, frame=replace(task.frame, overwrite=True))
        assert calibrate_remote_frame(overwriting).state == "done"

    def test_a_damaged_frame_is_named_by_its_url(self, place, tmp_path):
        [path] = small_folder(tmp_path / "raw", 1)
        raw, out = send(tmp_path / "raw", Place(place.url + "/raw")), Place(place.url + "/out")
        path.write_bytes(path.read_bytes()[:-2880])
        raw.put(path, path.name, overwrite=True)
        [task] = tasks_of(raw, out, tmp_path / "spool")
        outcome = calibrate_remote_frame(task)
        assert outcome.state == "failed"
        assert outcome.reason.startswith(f"{raw.url}/b1.fits: is cut off")
        assert out.find("b1.fits") is None


class TestRows:
    def test_a_band_reads_only_its_rows_and_combines_to_the_same_bits(self, place, tmp_path, asked):
        (tmp_path / "raw").mkdir()
        paths = [tmp_path / "raw" / f"b{n}.fits" for n in range(3)]
        for n, path in enumerate(paths):
            pixels = raw_pixels(n, (40, 30)).astype(np.float32 if n else np.uint16)
            write_fits(path, [ImagePart(pixels)])
        send(tmp_path / "raw", place)
        stack = RemoteStack.of(place, survey_place(place, tmp_path)[0])
        asked.clear()
        out = np.empty((4, 30), np.float32)
        stack.read_rows(1, slice(10, 14), out)
        np.testing.assert_array_equal(out, pixels_of(paths[1])[10:14])
        assert asked == [("b1.fits", stack.layouts[1].data_offset + 10 * 120, stack.layouts[1].data_offset + 14 * 120)]
        expected = combine_stack(open_stack(paths, in_memory_bytes=0)[0], CombineSpec())
        found = combine_stack(stack, CombineSpec())
        for name in ("data", "uncertainty", "counts"):
            assert getattr(found, name).tobytes() == getattr(expected, name).tobytes()

    def test_a_file_that_ends_too_early(self, place, tmp_path):
        path = write_raw(tmp_path / "a.fits", raw_pixels(1, (400, 30)))
        path.write_bytes(path.read_bytes()[:-5760])
        place.put(path, "a.fits")
        stack = RemoteStack.of(place, survey_place(place, tmp_path)[0])
        with pytest.raises(
            DamagedError, match=f"{place.url}/a.fits: is cut off: rows 390 to 400 should have 600 bytes"
        ):
            stack.read_rows(0, slice(390, 400), np.empty((10, 30), np.float32))


def test_nothing_of_fsspec_is_imported_without_a_url():
    modules = ", ".join(f"zeroframe.{name}" for name in ("cli", "run", "places", "remote_jobs", "night.many"))
    code = f"import sys, {modules}; print(*({{'fsspec', 's3fs', 'botocore', 'aiohttp'}} & set(sys.modules)))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not found.stdout.split()


def test_file_urls_are_paths():
    assert local_path("file:///data/raw%20frames") == Path("/data/raw frames")
    assert local_path("s3://bucket/raw") is None
    assert not is_url("C:/raw")
    with pytest.raises(UsageError, match="names a file of the machine 'server'"):
        local_path("file://server/data")
