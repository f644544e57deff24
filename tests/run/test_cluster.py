"""Frames calibrated and combined by real Dask processes: the same bytes as here, whoever dies."""

from __future__ import annotations

import gc
import subprocess
import sys
import time
from concurrent.futures import CancelledError, ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("distributed", reason="needs Dask: pip install 'zeroframe[cluster]'")

from clusters import GivingUp, calibrate_and_die_once, cluster, die, fail, slow_night, tasks_of_scheduler, until
from nights import bias_plan
from reliability import ALL_CASES, bias_arguments, hashes, results
from workbench import command
from zeroframe.errors import ClusterError, DamagedError, JobLostError, OutputExistsError, UsageError
from zeroframe.run.cluster import FrameTask, bare_plan, calibrate_task
from zeroframe.run.combined import ScaledStack
from zeroframe.run.dask import on_cluster
from zeroframe.run.engine import run_night
from zeroframe.run.session import RunSettings
from zeroframe.run.status import examine_night
from zeroframe.stacks.bands import band_rows, combine_in_bands, shared_stack
from zeroframe.stacks.combine import CombineSpec, Rejection, combine_stack
from zeroframe.stacks.stack import open_stack
from zeroframe.workers import map_jobs

FRAMES = 8
SECTIONS = {"overscan": "[608:632,:]", "trim": "[1:600,:]"}
SPEC = CombineSpec(rejection=Rejection(sigma_low=5, sigma_high=5, floor_adu=4.0))
# Dask's own processes and threads are not ours to mend
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::DeprecationWarning")


@pytest.fixture(scope="module")
def raw(tmp_path_factory):
    return slow_night(tmp_path_factory.mktemp("night") / "raw", FRAMES)


@pytest.fixture(scope="module")
def here(raw, tmp_path_factory):
    """The calibrated frames as this process makes them."""
    plan = plan_of(raw, tmp_path_factory.mktemp("here"))
    assert {calibrate_task(task).outcome.state for task in tasks_of(plan)} == {"done"}
    return plan.out


@pytest.fixture
def executor(two_workers):
    with on_cluster(two_workers.address) as connected:
        yield connected


def plan_of(raw, out, compress="none"):
    out.mkdir(parents=True, exist_ok=True)
    return bias_plan(raw, out, compress=compress, combine=False, **SECTIONS)


def tasks_of(plan, statuses=None):
    up_to_date = {frame.name: None if statuses is None else statuses[frame.name].up_to_date for frame in plan.frames}
    return [FrameTask(frame, bare_plan(plan, frame), {}, up_to_date[frame.name], True) for frame in plan.frames]


def calibrated_on(executor, tasks, progress=None):
    """Calibrate frames as jobs; return how they ended."""
    return [made.outcome for made in map_jobs(executor, calibrate_task, tasks, progress=progress)]


def connect(address, **more):
    """Connect, and leave again."""
    with on_cluster(address, **more):
        pass


def paths_in(folder):
    return sorted(folder.glob("*.fits*"))


class TestTheSameBytes:
    def test_calibrated_frames(self, executor, raw, here, tmp_path):
        plan, told = plan_of(raw, tmp_path / "out"), []
        outcomes = calibrated_on(executor, tasks_of(plan), told.append)
        assert [outcome.source for outcome in outcomes] == [frame.source for frame in plan.frames]
        assert {outcome.state for outcome in outcomes} == {"done"}
        assert told == [number / FRAMES for number in range(1, FRAMES + 1)]
        assert hashes(plan.out) == hashes(here)

    def test_relative_paths(self, executor, raw, here, tmp_path, monkeypatch):
        monkeypatch.chdir(raw.parent)
        with pytest.raises(UsageError, match="plan the night with absolute paths"):
            run_night(plan_of(Path(raw.name), tmp_path / "out"), RunSettings(executor=executor))
        address = executor._client.scheduler.address
        run = command(*bias_arguments(Path(raw.name), tmp_path / "out", "--no-combine", "--cluster", address))
        assert run.code == 0, run.out + run.err
        assert results(tmp_path / "out") == hashes(here)

    def test_what_is_there_is_only_measured(self, executor, raw, here):
        plan, before = plan_of(raw, here), hashes(here)
        outcomes = calibrated_on(executor, tasks_of(plan, examine_night(plan).frames))
        assert {outcome.state for outcome in outcomes} == {"skipped"}
        assert all(outcome.quality is not None for outcome in outcomes)
        assert hashes(here) == before

    @pytest.mark.parametrize("band_bytes", [1, 1_000_000, 1 << 30])
    def test_combined_for_any_banding(self, executor, here, band_bytes):
        expected = combine_stack(open_stack(paths_in(here), in_memory_bytes=0)[0], SPEC)
        told = []
        with shared_stack(executor, paths_in(here), here) as stack:
            found = combine_in_bands(executor, stack, SPEC, band_bytes=band_bytes, progress=told.append)
        for name in ("data", "uncertainty", "counts"):
            assert getattr(found, name).dtype == getattr(expected, name).dtype
            assert getattr(found, name).tobytes() == getattr(expected, name).tobytes()
        assert len(told) == len(band_rows(FRAMES, 400, 600 * 4, band_bytes)) == {1: 25, 1_000_000: 8}.get(band_bytes, 1)

    @pytest.mark.parametrize("places", [1, 4])
    def test_frames_that_are_scaled_as_they_are_read(self, here, places):
        """Flats, and those of a colour sensor, whose colours alternate from row to row, in bands of odd rows, too."""
        factors = tuple(tuple(1.0 + 0.1 * frame + 0.01 * place for place in range(places)) for frame in range(FRAMES))
        expected = combine_stack(ScaledStack(open_stack(paths_in(here), in_memory_bytes=0)[0], factors), SPEC)
        with ThreadPoolExecutor(2) as pool, shared_stack(pool, paths_in(here), here) as stack:
            for rows in (16, 17, 399):
                found = combine_in_bands(pool, ScaledStack(stack, factors), SPEC, band_bytes=rows * FRAMES * 600 * 4)
                assert found.data.tobytes() == expected.data.tobytes()
                assert found.uncertainty.tobytes() == expected.uncertainty.tobytes()

    @pytest.mark.parametrize("compress", ["rice", *(["gzip"] if ALL_CASES else [])])
    def test_compressed_frames_are_inflated_once_and_nothing_is_left(self, executor, raw, here, tmp_path, compress):
        plan = plan_of(raw, tmp_path / "out", compress)
        calibrated_on(executor, tasks_of(plan))
        before = hashes(plan.out)
        expected = combine_stack(open_stack(paths_in(here), in_memory_bytes=0)[0], SPEC)
        with shared_stack(executor, paths_in(plan.out), plan.out) as stack:
            assert len(hashes(plan.out)) == 2 * FRAMES
            found = combine_in_bands(executor, stack, SPEC)
        assert found.data.tobytes() == expected.data.tobytes()
        assert hashes(plan.out) == before

    def test_a_band_reads_only_its_rows(self, here, tmp_path):
        """Of files that are cut off in their last row, all bands but the last can be combined."""
        paths = [tmp_path / path.name for path in paths_in(here)]
        for path, whole in zip(paths, paths_in(here), strict=True):
            path.write_bytes(whole.read_bytes()[: 2880 * (whole.stat().st_size // 2880 - 2)])
        done = []
        with (
            ThreadPoolExecutor(1) as pool,
            shared_stack(pool, paths, tmp_path) as stack,
            pytest.raises(DamagedError, match="cut off"),
        ):
            combine_in_bands(pool, stack, SPEC, band_bytes=1, progress=done.append)
        assert len(done) == 24


class TestWhoDies:
    """Workers and schedulers that die in mid-run are killed under the whole command, too: test_cluster_command.py."""

    @pytest.mark.skipif(not ALL_CASES, reason="ZEROFRAME_ALL_CASES=1 kills a worker under the jobs alone, too")
    def test_a_worker_in_mid_run(self, raw, here, tmp_path):
        plan = plan_of(raw, tmp_path / "out")
        with cluster(tmp_path / "dask") as running, on_cluster(running.address) as executor:
            outcomes = calibrated_on(executor, tasks_of(plan), lambda _: running.workers[0].kill())
            assert [worker.poll() is None for worker in running.workers] == [False, True]
        assert {outcome.state for outcome in outcomes} == {"done"}
        assert {name: digest for name, digest in hashes(plan.out).items() if not name.endswith(".part")} == hashes(here)

    @pytest.mark.skipif(not ALL_CASES, reason="ZEROFRAME_ALL_CASES=1 kills the scheduler under the jobs alone, too")
    def test_the_scheduler_and_a_second_run_that_resumes(self, two_workers, raw, here, tmp_path):
        plan = plan_of(raw, tmp_path / "out")
        with cluster(tmp_path / "one") as running, on_cluster(running.address) as executor:
            with pytest.raises(ClusterError, match=r"connection to the scheduler at tcp://.* was lost.*run again"):
                calibrated_on(executor, tasks_of(plan), lambda _: running.scheduler.kill())
            with pytest.raises(ClusterError, match="was lost"):
                executor.submit(abs, 1)
        statuses = examine_night(plan).frames
        assert "keep" in {status.verdict for status in statuses.values()}
        with on_cluster(two_workers.address) as executor:
            outcomes = calibrated_on(executor, tasks_of(plan, statuses))
        assert {outcome.state for outcome in outcomes} <= {"done", "skipped"}
        assert {name: digest for name, digest in hashes(plan.out).items() if not name.endswith(".part")} == hashes(here)

    @pytest.mark.long
    def test_one_that_has_written_its_result_and_told_nobody_and_all_who_work_on_one_job(self, raw, here, tmp_path):
        plan = plan_of(raw, tmp_path / "out")
        once_more = {"DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "1"}
        with (
            cluster(tmp_path / "dask", workers=3, **once_more) as running,
            on_cluster(running.address) as executor,
        ):
            made = map_jobs(executor, calibrate_and_die_once, tasks_of(plan))
            assert (tmp_path / "has died").exists()
            assert {each.outcome.state for each in made} == {"done"}
            assert hashes(plan.out) == hashes(here)
            with pytest.raises(JobLostError, match="2 workers died while they worked on it"):
                map_jobs(executor, die, [None])
            assert [worker.wait() for worker in running.workers] == [-9, -9, -9]

    def test_one_that_held_results_that_are_known(self, two_workers):
        """Dask would make them anew, and wait for it at the end, if it still kept them."""
        with on_cluster(two_workers.address) as executor:
            gc.collect()
            gc.disable()
            try:
                assert map_jobs(executor, abs, range(-20, 0)) == list(range(20, 0, -1))
                kept = partial(executor._client.run_on_scheduler, tasks_of_scheduler)
                until(lambda: kept() == 0, "nothing is kept")
            finally:
                gc.enable()


class TestWhatIsSaid:
    def test_a_frame_that_cannot_be_read(self, executor, raw, tmp_path):
        plan = plan_of(raw, tmp_path / "out")
        (group,) = plan.uncombined
        missing = replace(group.frames[0], source=tmp_path / "missing.fits")
        plan = replace(plan, uncombined=(replace(group, frames=(missing, group.frames[1])),))
        outcomes = [each.outcome for each in run_night(plan, RunSettings(executor=executor)).frames]
        assert [outcome.state for outcome in outcomes] == ["failed", "done"]
        assert outcomes[0].reason == f"{missing.source}: there is no such file; check the name"

    def test_a_result_of_something_else_is_not_taken_for_ones_own(self, executor, raw, here, tmp_path):
        plan = plan_of(raw, tmp_path / "out")
        other = paths_in(here)[1].read_bytes()
        plan.frames[0].target.write_bytes(other)
        changed = bytearray(paths_in(here)[1].read_bytes())
        changed[-3000] ^= 1
        plan.frames[1].target.write_bytes(changed)
        for task in tasks_of(plan)[:2]:
            with pytest.raises(OutputExistsError, match="there is a file of that name already"):
                executor.submit(calibrate_task, task).result()
        assert plan.frames[0].target.read_bytes() == other

    def test_the_error_of_a_job(self, executor):
        with pytest.raises(LookupError, match="seven"):
            map_jobs(executor, fail, ["seven"])

    def test_nobody_answers(self):
        with pytest.raises(ClusterError, match=r"no scheduler answers at tcp://127.0.0.1:9 .*dask scheduler"):
            connect("tcp://127.0.0.1:9", wait_s=0.5)

    def test_no_workers(self, tmp_path):
        words = "has no workers; start some with 'dask worker tcp://"
        with cluster(tmp_path, workers=0) as running, pytest.raises(ClusterError, match=words):
            connect(running.address, wait_s=0.5)

    def test_a_folder_that_workers_do_not_see(self, two_workers, tmp_path):
        with pytest.raises(
            ClusterError, match=r"the worker at tcp://.* does not see .*nowhere; raw frames and results"
        ):
            connect(two_workers.address, folders=(tmp_path, tmp_path / "nowhere"))

    def test_another_version_here_than_there(self, two_workers, monkeypatch):
        from zeroframe.run.dask import connecting, executor

        ours = {**connecting.versions(), "numpy": "0.9"}
        monkeypatch.setattr(connecting, "versions", lambda: ours)
        with pytest.raises(ClusterError, match=r"the worker at tcp://.* has numpy .* there and 0.9 here"):
            connect(two_workers.address)
        monkeypatch.undo()
        monkeypatch.setattr(executor, "versions", lambda: ours)
        # as if that worker had joined later
        with (
            on_cluster(two_workers.address) as connected,
            pytest.raises(ClusterError, match=r"a worker has numpy .* 0\.9 here"),
        ):
            connected.submit(abs, 1).result()

    @pytest.mark.parametrize("address", ["here", "local:0", "local:", "127.0.0.1:8786", "http://a:1", "tcp://a"])
    def test_what_is_no_address(self, address):
        with pytest.raises(UsageError, match="is not the address of a cluster; write tcp://scheduler:8786, or local:4"):
            connect(address)


def test_processes_on_this_machine(raw, here, tmp_path):
    plan = plan_of(raw, tmp_path / "out")
    with on_cluster("local:1") as executor:
        calibrated_on(executor, tasks_of(plan))
    assert hashes(plan.out) == hashes(here)


class TestAnyExecutor:
    def test_jobs_are_handed_over_a_few_at_a_time(self):
        with ThreadPoolExecutor(3) as pool:
            assert map_jobs(pool, abs, range(-50, 0), most_waiting=4) == list(range(50, 0, -1))

    def test_no_more_are_handed_over_than_may_wait(self):
        class Counting(ThreadPoolExecutor):
            waiting = most = 0

            def submit(self, fn, /, *args, **kwargs):
                self.waiting += 1
                self.most = max(self.most, self.waiting)
                return super().submit(fn, *args, **kwargs)

        with Counting(1) as pool:

            def told(_):
                pool.waiting -= 1

            map_jobs(pool, abs, range(20), most_waiting=4, progress=told)
            assert pool.most == 4

    def test_an_error_cancels_what_waits(self):
        seen = []

        def one(number):
            seen.append(number)
            if number == 2:
                raise LookupError("two")
            time.sleep(0.01)

        with ThreadPoolExecutor(1) as pool, pytest.raises(LookupError):
            map_jobs(pool, one, range(200))
        assert len(seen) < 200

    def test_jobs_that_are_given_up(self):
        with GivingUp(1) as pool, pytest.raises(ClusterError, match="given up by what carries them out") as caught:
            map_jobs(pool, abs, [1])
        assert isinstance(caught.value.__cause__, CancelledError)

    def test_a_frame_job_on_a_thread(self, raw, here, tmp_path):
        plan = plan_of(raw, tmp_path / "out")
        with ThreadPoolExecutor(2) as pool:
            calibrated_on(pool, tasks_of(plan))
        assert hashes(plan.out) == hashes(here)
        assert calibrate_task(tasks_of(plan)[0]).outcome.state == "done"  # its own result, there already


def test_nothing_of_dask_is_imported_without_being_asked_for():
    names = ("cli.main", "cli.calibrate", "stacks.bands", "workers", "run.dask", "run.engine", "run.cluster")
    modules = ", ".join(f"zeroframe.{name}" for name in names)
    code = f"import sys, {modules}; print(*({{'dask', 'distributed', 'tornado'}} & set(sys.modules)))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not found.stdout.split()


def test_without_dask_the_option_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(ClusterError, match=r"a cluster needs Dask .*pip install 'zeroframe\[cluster\]'"):
        connect("local:1")


def test_bands_cover_all_rows_once():
    for frames, ny, row_bytes in [(1, 1, 4), (25, 4128, 8192), (1000, 4128, 8192), (3, 17, 1 << 26)]:
        bands = band_rows(frames, ny, row_bytes)
        rows = np.concatenate([np.arange(ny)[start : start + bands.step] for start in bands])
        np.testing.assert_array_equal(rows, np.arange(ny))
