"""The commands on URLs of an object store that speaks S3: the bytes of a run on a disk, resumed and verified."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from itertools import count

import pytest

pytest.importorskip("moto", reason="needs a store that speaks S3: pip install 'zeroframe[test]'")
pytest.importorskip("s3fs", reason="needs what reaches S3: pip install 'zeroframe[remote]'")

from clusters import cluster, until
from nights import RECIPES, bias_plan
from nights import small_night as whole_night
from reliability import ALL_CASES, ENVIRONMENT
from stores import ask, files, hashes_here, hashes_there, send, store
from workbench import command, small_folder
from zeroframe.errors import OutputExistsError
from zeroframe.fits.fingerprint import Watch, file_crc32
from zeroframe.fits.store.names import UrlPath
from zeroframe.fits.store.objects import ObjectStore
from zeroframe.run.buffers import BufferPool
from zeroframe.run.cache import CalibrationCache
from zeroframe.run.calibrations import CalibrationStore
from zeroframe.run.cluster import FrameTask, bare_plan, calibrate_task
from zeroframe.run.frame import FrameMaker
from zeroframe.run.lock import LOCK_NAME, folder_lock
from zeroframe.run.pixel_cache import PixelCache

RAW = "s3://bucket/raw"
FRAMES = 3
#: What is left of a small night: two biases, two darks, two flats with two darks of theirs, one of science.
LEFT = ("ccd.001", "ccd.002", "ccd.014", "ccd.015", "ccd.037", *(f"darks/ccd.{n:03d}" for n in (13, 14, 17, 18)))
#: Those of them that are combined, and no more.
COMBINED = ("ccd.001", "ccd.002", "darks/ccd.013", "darks/ccd.014")
_NUMBERS = count(1)
SECTIONS = ("--overscan", "[17:20,:]", "--trim", "[1:16,:]", "--no-report")
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::DeprecationWarning")

#: A run asks a server of this process for some hundred things, at 6 ms of a processor each.
more_cases = pytest.mark.skipif(not ALL_CASES, reason="ZEROFRAME_ALL_CASES=1 runs more cases on URLs")


@pytest.fixture(scope="module")
def server():
    with store() as address:
        yield address


@pytest.fixture(scope="module")
def raw(server, tmp_path_factory):
    """Raw frames on a disk; those at RAW are the same."""
    folder = tmp_path_factory.mktemp("night") / "raw"
    small_folder(folder, FRAMES)
    send(folder, ObjectStore(RAW))
    return folder


@pytest.fixture(scope="module")
def here(raw, tmp_path_factory):
    """The results of a run on a disk."""
    out = tmp_path_factory.mktemp("here") / "out"
    assert command("bias", raw, "-o", out, *SECTIONS).code == 0
    return hashes_here(out)


@pytest.fixture
def out(raw):
    """A place of its own for each test; of a short name, which stands in the title of a narrow table."""
    return ObjectStore(f"s3://bucket/{next(_NUMBERS)}")


@pytest.fixture(scope="module")
def finished(raw):
    """A place where a run has ended well."""
    place = ObjectStore("s3://bucket/finished")
    assert bias(RAW, place.url).code == 0
    return place


@pytest.fixture
def made(finished, out):
    """The same in a place of its own for each test: a copy has the same ETag."""
    for file in finished.listing():
        files().cp_file(file.url, f"{out.url}/{file.name}")
    return out


@pytest.fixture
def puts(monkeypatch):
    """Every name under which something is put into a store."""
    names, real = [], ObjectStore.put

    def noted(self, source, name, **more):
        names.append(name)
        return real(self, source, name, **more)

    monkeypatch.setattr(ObjectStore, "put", noted)
    return names


@pytest.fixture
def pixels(monkeypatch):
    """Every URL of a frame that is fetched whole, or of which more is read at once than headers need."""
    urls, real_range, real_fetched = [], ObjectStore.read_range, ObjectStore.fetched

    def noted(self, name, start, stop):
        if stop - start > 20_000 and name.endswith(".fits"):
            urls.append(self.url_of(name))
        return real_range(self, name, start, stop)

    def noted_whole(self, name):
        urls.extend([self.url_of(name)] if name.endswith(".fits") else [])
        return real_fetched(self, name)

    monkeypatch.setattr(ObjectStore, "read_range", noted)
    monkeypatch.setattr(ObjectStore, "fetched", noted_whole)
    return urls


@pytest.fixture
def read_here(monkeypatch):
    """Every URL of a frame of which this process asks for bytes."""
    urls, real = [], ObjectStore.read_range

    def noted(self, name, start, stop):
        urls.extend([self.url_of(name)] if ".fits" in name else [])
        return real(self, name, start, stop)

    monkeypatch.setattr(ObjectStore, "read_range", noted)
    return urls


def bias(raw, out, *more):
    return command("bias", raw, "-o", out, *SECTIONS, *more)


def record_of(place):
    return json.loads(UrlPath(place.url, "run.json").read_bytes())


def states_of(place):
    return [each["state"] for each in record_of(place)["this_run"]["frames"]]


class TestBytes:
    def test_from_a_url_to_a_url_and_raw_frames_stay_as_they_are(self, out, raw, here):
        run = bias(RAW, out.url)
        assert (run.code, run.err) == (0, "")
        assert f"Result in {out.url}" in run.out
        assert hashes_there(out) == here
        assert hashes_there(ObjectStore(RAW)) == hashes_here(raw)
        assert not out.find(LOCK_NAME)
        said = record_of(out)
        assert (said["state"], said["this_run"]["out"]) == ("finished", out.url)
        assert said["this_run"]["executor"] == "threads"
        assert said["this_run"]["stamps_of_results"] == {
            file.name: file.stamp for file in out.listing() if file.name != "run.json"
        }

    def test_from_a_url_to_a_disk(self, here, tmp_path):
        assert bias(RAW, tmp_path / "out").code == 0
        assert hashes_here(tmp_path / "out") == here

    def test_from_a_disk_to_a_url(self, out, raw, here):
        assert bias(raw, out.url).code == 0
        assert hashes_there(out) == here

    def test_urls_of_files(self, raw, here, tmp_path):
        assert bias(raw.as_uri(), (tmp_path / "the out").as_uri()).code == 0
        assert hashes_here(tmp_path / "the out") == here

    @pytest.mark.long
    def test_a_cluster_which_inflates_compressed_results_in_the_store(self, out, raw, tmp_path, puts, monkeypatch):
        monkeypatch.setattr("zeroframe.run.cluster._WORTH_BYTES", 0)
        pytest.importorskip("distributed", reason="needs Dask: pip install 'zeroframe[cluster]'")
        with cluster(tmp_path / "dask", workers=2) as running:
            run = bias(RAW, out.url, "--cluster", running.address, "--compress", "gzip")
        assert (run.code, run.err) == (0, "")
        assert record_of(out)["this_run"]["executor"] == f"Dask at {running.address}, 2 workers"
        assert puts == [LOCK_NAME, "run.json", "combined_bias.fits.gz", "run.json"]  # the worker puts the frames
        assert bias(raw, tmp_path / "gzip", "--compress", "gzip").code == 0
        assert hashes_there(out) == hashes_here(tmp_path / "gzip")
        assert not [file.name for file in out.listing(hidden=True) if file.name.startswith(".")]

    @pytest.mark.long
    def test_on_a_cluster_the_workers_read_all_frames(self, out, here, tmp_path, read_here):
        pytest.importorskip("distributed", reason="needs Dask: pip install 'zeroframe[cluster]'")
        with cluster(tmp_path / "dask") as running:
            run = command("bias", RAW, "-o", out.url, *SECTIONS[:-1], "--cluster", running.address)
        assert (run.code, run.err, read_here) == (0, "", [])
        assert hashes_there(out) == here
        assert b"combined_bias.fits" in UrlPath(out.url, "report.html").read_bytes()
        assert bias(RAW, f"{out.url}/near").code == 0
        assert len(set(read_here)) >= 2 * FRAMES

    @more_cases
    def test_compressed_results_are_inflated_here_once(self, out, raw, tmp_path, puts):
        assert bias(RAW, out.url, "--compress", "rice").code == 0
        assert bias(raw, tmp_path / "out", "--compress", "rice").code == 0
        assert hashes_there(out) == hashes_here(tmp_path / "out")
        frames = [f"b{n}.fits.fz" for n in range(1, FRAMES + 1)]
        assert sorted(puts) == sorted([LOCK_NAME, "run.json", *frames, "combined_bias.fits.fz", "run.json"])

    @pytest.mark.long
    def test_the_report(self, out):
        run = command("bias", RAW, "-o", out.url, *SECTIONS[:-1])
        assert run.code == 0, run.err
        assert f"report: {out.url}/report.html" in run.out
        page = UrlPath(out.url, "report.html")
        assert b"combined_bias.fits" in page.read_bytes()
        before = out.find("report.html")
        assert command("bias", RAW, "-o", out.url, *SECTIONS[:-1]).code == 0
        assert out.find("report.html") == before
        assert files().info(f"{out.url}/report.html", refresh=True)["ContentType"] == "text/html"

    @more_cases
    def test_a_frame_that_is_damaged(self, out, raw, tmp_path):
        bad = tmp_path / "b9.fits"
        bad.write_bytes((raw / "b1.fits").read_bytes()[:3000])
        night = send(raw, ObjectStore(f"{out.url}/raw"))
        night.put(bad, bad.name)
        run = bias(night.url, f"{out.url}/out")
        assert run.code == 1
        assert f"{night.url}/b9.fits: is cut off" in run.out + run.err


class TestJobs:
    def task(self, raw, out):
        """Plan the first frame as a job for others."""
        plan = bias_plan(UrlPath(raw), UrlPath(out.url), overscan="[17:20,:]", trim="[1:16,:]")
        frame = plan.frames[0]
        return FrameTask(frame, bare_plan(plan, frame), {}, None, True)

    def test_one_that_is_repeated_finds_its_own_result(self, out):
        task = self.task(RAW, out)
        first, second = calibrate_task(task).outcome, calibrate_task(task).outcome
        assert (first.state, second.state) == ("done", "done")
        assert (first.crc32, first.stamp) == (second.crc32, second.stamp)
        assert first.stamp == out.find("b1.fits").stamp

    @pytest.mark.parametrize("copied", [False, True])
    def test_the_result_of_something_else_is_kept(self, out, tmp_path, copied):
        task = self.task(RAW, out)
        frame, plan = task.frame, task.plan
        copies = {frame.target: tmp_path / "b1.fits"} if copied else {}
        calibrations = CalibrationStore(plan, CalibrationCache(plan.out, 1), {})
        maker = FrameMaker(calibrations, PixelCache(0), BufferPool(10**9), Watch(), check_sums=True, copies=copies)
        files().pipe_file(f"{out.url}/b1.fits", b"mine")
        with pytest.raises(OutputExistsError, match="there is a file of that name already") as caught:
            maker.make(frame, {}, keep=False, overwrite=False)
        assert str(caught.value).startswith(f"{out.url}/b1.fits: ")
        assert UrlPath(out.url, "b1.fits").read_bytes() == b"mine"
        assert list(tmp_path.iterdir()) == []
        made = maker.make(frame, {}, keep=False, overwrite=True)
        assert made.outcome.state == "done"
        assert made.outcome.crc32 == file_crc32(frame.target)[0]

    def test_nothing_is_left_on_this_disk(self, out, tmp_path, monkeypatch):
        (tmp_path / "tmp").mkdir()
        monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
        assert bias(RAW, out.url).code == 0
        assert list((tmp_path / "tmp").iterdir()) == []

    @more_cases
    def test_without_room_for_copies_rows_are_read_in_the_store(self, out, here, monkeypatch):
        full = shutil.disk_usage("/")._replace(free=0)
        monkeypatch.setattr(shutil, "disk_usage", lambda _: full)
        asked, real = [], ObjectStore.read_range

        def noted(self, name, start, stop):
            asked.append(self.url)
            return real(self, name, start, stop)

        monkeypatch.setattr(ObjectStore, "read_range", noted)
        assert bias(RAW, out.url).code == 0
        assert hashes_there(out) == here
        # of each frame its rows, and before that the samples by which the noise is measured
        assert asked.count(out.url) > 6 * FRAMES


class TestSecondRun:
    def test_it_has_nothing_to_do_and_reads_no_pixel(self, made, monkeypatch, puts):
        before, asked, real = made.listing(), [], ObjectStore.read_range

        def noted(self, name, start, stop):
            asked.append((name, start))
            return real(self, name, start, stop)

        puts.clear()
        monkeypatch.setattr(ObjectStore, "read_range", noted)
        assert bias(RAW, made.url).code == 0
        assert [each for each in made.listing() if each.name != "run.json"] == [
            each for each in before if each.name != "run.json"
        ]
        assert puts == [LOCK_NAME, "run.json"]
        assert set(states_of(made)) == {"skipped"}
        assert not [name for name, start in asked if start and name.endswith(".fits")]

    def test_what_is_gone_is_made_again(self, made, here, puts):
        for name in ("b2.fits", "combined_bias.fits"):
            made.remove(name)
        puts.clear()
        assert bias(RAW, made.url).code == 0
        assert sorted(set(puts)) == [LOCK_NAME, "b2.fits", "combined_bias.fits", "run.json"]
        assert sorted(states_of(made)) == ["done", *["skipped"] * (FRAMES - 1)]
        assert hashes_there(made) == here

    def test_what_has_been_altered_is_refused_and_made_again_when_that_is_asked_for(self, made, here, tmp_path):
        altered = bytearray(UrlPath(made.url, "b2.fits").read_bytes())
        altered[-1] ^= 1
        (tmp_path / "b2.fits").write_bytes(altered)
        made.put(tmp_path / "b2.fits", "b2.fits", overwrite=True)
        run = bias(RAW, made.url)
        assert run.code == 2
        assert f"{made.url}/b2.fits: is there already: it has been changed since it was made" in run.err
        assert command("verify", made.url).code == 1
        assert bias(RAW, made.url, "--overwrite").code == 0
        assert hashes_there(made) == here

    def test_a_raw_frame_that_has_changed_is_seen(self, out, raw):
        night = send(raw, ObjectStore(f"{out.url}/raw"))
        assert bias(night.url, f"{out.url}/out").code == 0
        night.put(raw / "b1.fits", "b2.fits", overwrite=True)
        run = bias(night.url, f"{out.url}/out")
        assert run.code == 2
        assert "it was made of another b2.fits: that file has changed since" in run.err

    def test_without_run_json_results_are_judged_by_what_is_in_them(self, made, puts):
        made.remove("run.json")
        puts.clear()
        assert bias(RAW, made.url).code == 0
        assert set(puts) == {LOCK_NAME, "run.json"}
        assert set(states_of(made)) == {"skipped"}

    @more_cases
    def test_check_reads_everything_through(self, made, monkeypatch):
        fetched, real = [], ObjectStore.fetched

        def noted(self, name):
            fetched.append(name)
            return real(self, name)

        monkeypatch.setattr(ObjectStore, "fetched", noted)
        assert bias(RAW, made.url, "--check", "--dry-run").code == 0
        frames = [f"b{n}.fits" for n in range(1, FRAMES + 1)]
        assert sorted(fetched) == sorted([*frames, *frames, "combined_bias.fits", "run.json"])

    @pytest.mark.long
    def test_a_run_that_is_killed(self, out, here):
        slowed = (
            "import sys, time\n"
            "from zeroframe.fits.store.objects import ObjectStore\n"
            "from zeroframe.cli.main import main\n"
            "put = ObjectStore.put\n"
            "slow = lambda self, source, name, **more: (time.sleep(0.3), put(self, source, name, **more))[1]\n"
            "ObjectStore.put = slow\n"
            "main(sys.argv[1:])"
        )
        environment = {**ENVIRONMENT, **{name: value for name, value in os.environ.items() if name.startswith("AWS")}}
        arguments = ["bias", RAW, "-o", out.url, *SECTIONS, "--workers", "1"]
        with subprocess.Popen([sys.executable, "-c", slowed, *arguments], env=environment) as process:
            until(lambda: out.find("b2.fits") is not None, "the second result is there")
            other = bias(RAW, out.url)
            assert other.code == 2
            assert f"{out.url}: another run of zeroframe (process {process.pid} on " in other.err
            process.send_signal(signal.SIGKILL)
        assert out.find(LOCK_NAME) is not None
        assert out.find("combined_bias.fits") is None
        run = bias(RAW, out.url)
        assert (run.code, run.err) == (0, "")
        assert "skipped" in states_of(out)
        assert hashes_there(out) == here

    def test_somebody_else_is_writing(self, out, tmp_path):
        (tmp_path / "lock").write_text("process 1 on elsewhere")
        out.put(tmp_path / "lock", LOCK_NAME)
        run = bias(RAW, out.url)
        assert run.code == 2
        assert "another run of zeroframe (process 1 on elsewhere) is writing there, or was killed there" in run.err
        assert f"if it has been killed, remove {out.url}/{LOCK_NAME} and run again" in run.err
        assert UrlPath(out.url, LOCK_NAME).read_bytes() == b"process 1 on elsewhere"

    def test_a_lock_that_another_has_taken_meanwhile_is_left_to_it(self, out, tmp_path):
        (tmp_path / "lock").write_text("process 1 on elsewhere")
        with folder_lock(UrlPath(out.url)):
            out.put(tmp_path / "lock", LOCK_NAME, overwrite=True)
        assert out.find(LOCK_NAME) is not None


class TestOtherCommands:
    def test_verify(self, made, raw):
        run = command("verify", made.url, "--raw", RAW)
        assert (run.code, run.err) == (0, "")
        assert f"verified: {FRAMES + 1} results, and {FRAMES} raw frames: as when the run ended." in run.out
        files().pipe_file(f"{made.url}/b2.fits", b"what is no frame")
        files().pipe_file(f"{made.url}/stranger.fits", (raw / "b1.fits").read_bytes())
        made.remove("b3.fits")
        run = command("verify", made.url)
        assert run.code == 1
        for words in ("b2.fits: has been altered", "b3.fits: is missing", "stranger.fits: was not made by this run"):
            assert f"{made.url}/{words}" in run.out

    def test_ls(self, raw, out):
        (raw.parent / "notes.txt").write_text("clouds")
        out.put(raw.parent / "notes.txt", "notes.txt")
        out.put(raw.parent / "notes.txt", "bad.fits")
        send(raw, out)
        run, expected = command("ls", out.url, "--format", "json"), command("ls", raw, "--format", "json")
        assert run.code == 1
        assert json.loads(run.out) == json.loads(expected.out)
        assert f"note: {out.url}/bad.fits: not FITS but text" in run.err
        assert "notes.txt" not in run.err

    def test_inspect(self, raw):
        run, expected = command("inspect", RAW), command("inspect", raw)
        assert (run.code, run.out.replace(RAW, str(raw))) == (expected.code, expected.out)

    @pytest.mark.long
    def test_combine(self, out, raw, tmp_path):
        night = ObjectStore(f"{out.url}/raw")
        send(raw, night)
        near = command("combine", *sorted(raw.iterdir()), "-o", tmp_path / "combined.fits")
        assert near.code == 0
        for target in (f"{out.url}/combined.fits", tmp_path / "far.fits"):
            run = command("combine", f"{night.url}/b[1-9].fits", "-o", target)
            assert run.code == 0, run.err
        expected = (tmp_path / "combined.fits").read_bytes()
        assert UrlPath(out.url, "combined.fits").read_bytes() == (tmp_path / "far.fits").read_bytes() == expected
        again = command("combine", f"{night.url}/b1.fits", "-o", f"{out.url}/combined.fits")
        assert f"{out.url}/combined.fits: is there already" in again.err
        own = command("combine", f"{night.url}/b1.fits", "-o", f"{night.url}/b1.fits", "--overwrite")
        assert f"{night.url}/b1.fits: is one of the frames to be combined" in own.err
        none = command("combine", f"{night.url}/x*.fits", "-o", f"{out.url}/combined.fits")
        assert f"{night.url}/x*.fits fits no file; see what is there with zeroframe ls {night.url}" in none.err

    @more_cases
    def test_a_combined_frame_of_which_one_cannot_be_read(self, made, tmp_path):
        altered = bytearray(UrlPath(made.url, "b2.fits").read_bytes())
        altered[3000] ^= 1
        files().pipe_file(f"{made.url}/b2.fits", bytes(altered))
        run = command("combine", f"{made.url}/b*.fits", "-o", tmp_path / "combined.fits")
        assert run.code == 1
        assert f"left out: {made.url}/b2.fits: its data are not those it was written with" in run.out

    @pytest.mark.long
    def test_a_night_and_a_second_run_that_reads_no_pixel(self, out, tmp_path, puts, pixels):
        raw, far, more = self.night(out, tmp_path, COMBINED)
        run = command("night", f"{out.url}/raw", "-o", far.url, *more, "--no-report")
        assert (run.code, run.err) == (0, "")
        pixels.clear()
        assert command("night", raw, "-o", tmp_path / "out", *more, "--no-report").code == 0
        assert hashes_there(far) == hashes_here(tmp_path / "out")
        puts.clear()
        assert command("night", f"{out.url}/raw", "-o", far.url, *more, "--no-report").code == 0
        assert (set(puts), set(states_of(far)), pixels) == ({LOCK_NAME, "run.json"}, {"skipped"}, [])
        assert command("night", f"{out.url}/raw", "-o", far.url, *more, "--check", "--dry-run").code == 0
        assert len(set(pixels)) == len(COMBINED) + len(hashes_here(tmp_path / "out"))
        altered = bytearray(UrlPath(far.url, "combined_bias.fits").read_bytes())
        altered[-1] ^= 1
        (tmp_path / "altered").write_bytes(altered)
        far.put(tmp_path / "altered", "combined_bias.fits", overwrite=True)
        run = command("night", f"{out.url}/raw", "-o", far.url, *more, "--dry-run")
        assert f"in the way: {far.url}/combined_bias.fits: it has been changed since it was made" in run.out
        run = command("night", f"{out.url}/raw", "-o", far.url, "--by-night")
        assert run.code == 2
        assert f"{out.url}/raw: is not on a disk, which --by-night needs; give zeroframe night the URL of" in run.err

    @more_cases
    def test_a_whole_night_and_a_second_run(self, out, tmp_path):
        raw, far, more = self.night(out, tmp_path, LEFT)
        assert command("night", raw, "-o", tmp_path / "out", *more).code == 0
        run = command("night", f"{out.url}/raw", "-o", far.url, *more)
        assert (run.code, run.err) == (0, "")
        assert hashes_there(far) == hashes_here(tmp_path / "out")
        assert command("night", f"{out.url}/raw", "-o", far.url, *more).code == 0
        assert {each["state"] for each in record_of(far)["this_run"]["frames"]} == {"skipped"}
        assert command("verify", far.url, "--raw", f"{out.url}/raw").code == 0
        assert "flat" in command("explain", f"{far.url}/ccd.037.0.fits").out

    def night(self, out, tmp_path, left):
        """Make some frames of a night, send them; return their folder, the place of results, and options."""
        raw = whole_night(tmp_path / "raw", one_filter=True)
        for path in list(raw.rglob("*.fits")):
            if path.relative_to(raw).as_posix().removesuffix(".0.fits") not in left:
                path.unlink()
        recipe = tmp_path / "night.toml"
        recipe.write_text(RECIPES["palomar-lfc"])
        send(raw, ObjectStore(f"{out.url}/raw"))
        return raw, ObjectStore(f"{out.url}/out"), ("--recipe", recipe)


class TestRefused:
    @pytest.mark.parametrize(
        ("raw_url", "out_url", "words"),
        [
            ("s3://nowhere/raw", "x", "s3://nowhere/raw: there is no bucket 'nowhere'; check its name"),
            ("s3://bucket/none", "x", "s3://bucket/none: there is nothing in it, though there is a bucket 'bucket'"),
            (RAW, "s3://nowhere/out", "s3://nowhere/out: there is no bucket 'nowhere'; make it, or check its name"),
            (RAW, RAW, "is the raw folder, and raw data are never written to; choose another folder"),
            (RAW, f"{RAW}/out", f"lies inside the raw folder {RAW}, and raw data are never written to"),
            (RAW, "S3A://bucket//raw/./out", f"lies inside the raw folder {RAW}, and raw data are never written to"),
            (RAW, "s3://bucket/x/../raw", f"lies inside the raw folder {RAW}, and raw data are never written to"),
            (RAW, "memory://out", "memory://out: files are seen half-written there"),
            ("file://server/raw", "x", "names a file of the machine 'server'; write file:///folder"),
            ("nonsense://raw", "x", "nonsense://raw cannot be reached"),
        ],
    )
    @pytest.mark.usefixtures("server")
    def test_in_one_sentence(self, tmp_path, monkeypatch, raw_url, out_url, words):
        monkeypatch.chdir(tmp_path)
        run = bias(raw_url, out_url)
        assert run.code == 2
        assert words in run.err
        assert len(run.err.splitlines()) == 1
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize("name", ["b2.fits", "run.json"])
    def test_what_is_none_of_our_results_is_kept(self, made, raw, tmp_path, name):
        content = (raw / "b2.fits").read_bytes() if name == "b2.fits" else b'{"mine": 1}'
        (tmp_path / "mine").write_bytes(content)
        made.put(tmp_path / "mine", name, overwrite=True)
        run = bias(RAW, made.url, "--clip", "3", "--overwrite")
        assert run.code == 2
        # without a record nobody knows whose the results are: the first of them is named
        stopped_by = {"b2.fits": "b2.fits", "run.json": "combined_bias.fits"}[name]
        assert f"{made.url}/{stopped_by}: is there already" in run.err
        assert "move it away" in run.err
        assert UrlPath(made.url, name).read_bytes() == content

    def test_combine_replaces_what_it_has_made_and_nothing_else(self, made):
        frames = [f"{made.url}/b1.fits", f"{made.url}/b2.fits"]
        before = UrlPath(made.url, "b3.fits").read_bytes()
        run = command("combine", *frames, "-o", f"{made.url}/b3.fits", "--overwrite")
        assert (run.code, "it was not made by zeroframe combine" in run.err) == (2, True)
        assert UrlPath(made.url, "b3.fits").read_bytes() == before
        own = command("combine", *frames, "-o", f"{made.url}/./b1.fits".replace("bucket/", "bucket//"), "--overwrite")
        assert (own.code, "is one of the frames to be combined" in own.err) == (2, True)

    def test_without_permission(self, server, out, raw, tmp_path):
        def allow(actions):
            ask(f"{server}/moto-api/reset-auth", actions)

        allow(b"0")
        try:
            reading, writing = bias(RAW, tmp_path / "x"), bias(raw, out.url)
        finally:
            allow(b"inf")
        for run, url in ((reading, RAW), (writing, out.url)):
            assert run.code == 2
            assert f"{url}" in run.err
            assert "may not be used (" in run.err
            assert "check the credentials (AWS_PROFILE, or what your store needs), and what they allow" in run.err
            assert len(run.err.splitlines()) == 1

    @pytest.mark.usefixtures("raw")
    def test_without_credentials(self, monkeypatch, tmp_path):
        from zeroframe.fits.store import objects as places

        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            monkeypatch.delenv(name)
        for name in ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"):
            monkeypatch.setenv(name, str(tmp_path / "none"))
        monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        files().clear_instance_cache()
        places._filesystem.cache_clear()
        try:
            run = command("ls", RAW)
        finally:  # whoever comes next has some
            files().clear_instance_cache()
            places._filesystem.cache_clear()
        assert run.code == 2
        assert f"{RAW} may not be used without credentials" in run.err
        assert "name some with AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY" in run.err
        assert len(run.err.splitlines()) == 1

    def test_what_is_needed_is_not_installed(self, monkeypatch, tmp_path):
        from zeroframe.fits.store import objects as places

        places._filesystem.cache_clear()
        monkeypatch.setitem(sys.modules, "fsspec", None)
        run = bias(RAW, tmp_path / "x")
        assert run.code == 2
        assert f"{RAW} cannot be reached (" in run.err
        assert "install what it needs: pip install 'zeroframe[remote]'" in run.err

    def test_commands_that_need_a_disk(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        run = command("simulate", "palomar-lfc", "s3://bucket/raw")
        assert (run.code, len(run.err.splitlines())) == (2, 1)
        assert "s3://bucket/raw: is not on a disk, which this command needs; copy it to a folder of a disk" in run.err
        assert list(tmp_path.iterdir()) == []
