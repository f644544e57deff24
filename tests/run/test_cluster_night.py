"""`zeroframe night --cluster`: the bytes of a run here, whoever dies, in one night and in many."""

from __future__ import annotations

import json
import pickle
import shutil
import threading
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path

import pytest

pytest.importorskip("distributed", reason="needs Dask: pip install 'zeroframe[cluster]'")

from test_many_nights import RECIPE as MANY
from test_many_nights import real_nights

from clusters import GivingUp, cluster, kill_in_the_middle
from nights import RECIPES, all_bytes, carried_out, planned, small_night
from reliability import ALL_CASES
from workbench import command
from zeroframe.errors import ClusterError, FrameError, JobLostError, UsageError
from zeroframe.planning.uses import divisor_uses, frame_uses, gain_group, noise_group, pedestal_group
from zeroframe.run import cluster as far_crew
from zeroframe.run.cluster import FrameTask, GroupTask, bare_plan, calibrate_task, combine_task
from zeroframe.run.combined import Combination, ScaledStack
from zeroframe.run.dask import on_cluster
from zeroframe.run.engine import run_night
from zeroframe.run.keys import group_key
from zeroframe.run.outcomes import NightOutcome
from zeroframe.run.session import RunSettings
from zeroframe.stacks.bands import BandTask

RECIPE = RECIPES["palomar-lfc"]
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::DeprecationWarning")


@pytest.fixture(scope="module")
def raw(tmp_path_factory):
    return small_night(tmp_path_factory.mktemp("night") / "raw", one_filter=True)


@pytest.fixture(scope="module")
def here(raw, tmp_path_factory):
    """The results of a run without a cluster."""
    out = tmp_path_factory.mktemp("here") / "out"
    assert carried_out(raw, out, RECIPE).is_good
    return all_bytes(out)


def said_of(out):
    return json.loads((out / "run.json").read_text())


class TestOnACluster:
    @pytest.mark.long
    def test_the_same_bytes_and_a_second_run_has_nothing_to_do(self, two_workers, raw, here, recipe, tmp_path):
        out = tmp_path / "out"
        arguments = ("night", raw, "-o", out, "--recipe", recipe, "--no-report", "--cluster", two_workers.address)
        run = command(*arguments)
        assert (run.code, run.err) == (0, "")
        assert all_bytes(out) == here
        assert said_of(out)["this_run"]["executor"] == f"Dask at {two_workers.address}, 2 workers"
        gone = [out / name for name in ("combined_dark_300s.fits", "hot_pixels_300s.fits", "ccd.037.0.fits")]
        for path in gone:
            path.unlink()
        assert command(*arguments).code == 0
        assert all_bytes(out) == here
        this_run = said_of(out)["this_run"]
        assert [each["name"] for each in this_run["frames"] if each["state"] == "done"] == ["ccd.037.0.fits"]
        assert [each["state"] for each in this_run["combined"]].count("done") == 1
        assert command("verify", out, "--raw", raw).code == 0

    @pytest.mark.long
    def test_a_worker_is_killed_and_then_the_scheduler(self, two_workers, raw, here, recipe, tmp_path):
        one, two = tmp_path / "one", tmp_path / "two"

        def run_on(address, out):
            return command("night", raw, "-o", out, "--recipe", recipe, "--no-report", "--cluster", address)

        with cluster(tmp_path / "dask", held_up=True) as running:
            thread = kill_in_the_middle(running, running.workers[0], one)
            run = run_on(running.address, one)
            thread.join()
            assert run.code == 0, run.out + run.err
            assert all_bytes(one) == here
            assert "1 lost since" in said_of(one)["this_run"]["executor"]
            thread = kill_in_the_middle(running, running.scheduler, two)
            run = run_on(running.address, two)
            thread.join()
        assert run.code == 2
        assert "was lost; start the cluster and run again: what is done is kept" in run.err
        assert said_of(two)["state"] == "unfinished"
        run = run_on(two_workers.address, two)
        assert run.code == 0, run.out + run.err
        assert all_bytes(two) == here

    @pytest.mark.long
    @pytest.mark.parametrize("workers", [1, 2, 3])
    def test_any_number_of_workers(self, raw, here, tmp_path, workers, monkeypatch):
        monkeypatch.setattr(far_crew, "_WORTH_BYTES", 0)
        with on_cluster(f"local:{workers}") as executor:
            assert (executor.cores, executor.idle) == (workers, workers)
            assert carried_out(raw, tmp_path / "out", RECIPE, executor=executor).is_good
            assert executor.idle == workers
        assert all_bytes(tmp_path / "out") == here

    @pytest.mark.long
    def test_many_nights(self, two_workers, tmp_path):
        raw, small = real_nights(tmp_path / "raw"), tmp_path / "small.toml"
        small.write_text(MANY)
        at_once = ("--nights-at-once", 3)
        far = ("--cluster", two_workers.address)
        for name, more in (("near", ()), ("far", far), ("far3", (*far, *at_once))):
            run = command("night", raw, "-o", tmp_path / name, "--by-night", "--recipe", small, "--no-report", *more)
            assert run.code == 0, run.out + run.err
            assert all_bytes(tmp_path / name) == all_bytes(tmp_path / "near")


class TestAnyExecutor:
    @pytest.mark.long
    def test_processes(self, raw, here, tmp_path):
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
            assert carried_out(raw, tmp_path / "out", RECIPE, executor=pool).is_good
        assert all_bytes(tmp_path / "out") == here

    def test_groups_are_combined_by_bands_while_processes_are_idle(self, raw, here, tmp_path, monkeypatch):
        class Idle(ThreadPoolExecutor):
            cores = idle = 8

            def submit(self, fn, task, /):
                seen.append(task)
                return super().submit(fn, task)

        seen = []
        monkeypatch.setattr(far_crew, "_WORTH_BYTES", 0)
        with Idle(2) as pool:
            assert carried_out(raw, tmp_path / "out", RECIPE, executor=pool).is_good
            # which groups: one at a time is combined so, and it is chance which come while another is
            assert any(isinstance(task, BandTask) for task in seen)
            # no pixels: what was measured of each flat, in cells, are 39,000 bytes, however large it is
            most = [45_000 * len(task.what.frames) if isinstance(task, GroupTask) else 20_000 for task in seen]
            assert all(len(pickle.dumps(task)) < limit for task, limit in zip(seen, most, strict=True))
            pool.idle, seen[:] = 1, []
            assert carried_out(raw, tmp_path / "other", RECIPE, executor=pool).is_good
            assert not any(isinstance(task, BandTask) for task in seen)
            pool.idle = 8
            monkeypatch.undo()
            assert carried_out(raw, tmp_path / "small", RECIPE, executor=pool).is_good
            assert not any(isinstance(task, BandTask) for task in seen)
        assert all_bytes(tmp_path / "small") == here
        assert all_bytes(tmp_path / "out") == all_bytes(tmp_path / "other") == here

    @pytest.mark.long
    @pytest.mark.parametrize("compress", ["rice", *(["gzip"] if ALL_CASES else [])])
    def test_compressed_results(self, raw, tmp_path, compress):
        text = f'compress = "{compress}"\n' + RECIPE
        with ThreadPoolExecutor(2) as pool:
            assert carried_out(raw, tmp_path / "far", text, executor=pool).is_good
        assert carried_out(raw, tmp_path / "near", text).is_good
        assert all_bytes(tmp_path / "far") == all_bytes(tmp_path / "near")

    def test_frames_that_fail_and_what_becomes_of_the_others(self, raw, tmp_path):
        night = tmp_path / "raw"
        shutil.copytree(raw, night)
        for path in (night / "darks").iterdir():
            path.write_bytes(path.read_bytes()[:6000])
        with ThreadPoolExecutor(2) as pool:
            far = carried_out(night, tmp_path / "far", RECIPE, executor=pool)
        near = carried_out(night, tmp_path / "near", RECIPE)
        assert far.failed
        assert [text.replace("far", "near") for text in far.failed] == list(near.failed)
        assert [each.lost for each in far.frames] == [each.lost for each in near.frames]
        assert all_bytes(tmp_path / "far") == all_bytes(tmp_path / "near")

    @pytest.mark.parametrize("worth_bytes", [0, 512 << 20])
    def test_jobs_whose_workers_died(self, raw, tmp_path, worth_bytes, monkeypatch):
        monkeypatch.setattr(far_crew, "_WORTH_BYTES", worth_bytes)

        class Losing(ThreadPoolExecutor):
            def submit(self, fn, task, /):
                name = task.frame.name if isinstance(task, FrameTask) else ""
                if isinstance(task, GroupTask):
                    name = task.what.group.name
                elif isinstance(task, BandTask) and isinstance(task.stack, ScaledStack):
                    name = "combined_flat_gp.fits"
                if name in {"ccd.001.0.fits", "combined_flat_gp.fits"}:
                    future = Future()
                    future.set_exception(JobLostError("4 workers died"))
                    return future
                return super().submit(fn, task)

        with Losing(2) as pool:
            result = carried_out(raw, tmp_path / "out", RECIPE, executor=pool)
        assert {text.partition(": ")[2] for text in result.failed if "died" in text} == {"4 workers died"}
        assert [each.lost for each in result.frames if each.lost] == [("flat",)]

    def test_names_must_mean_the_same_to_all(self, raw, tmp_path, monkeypatch):
        monkeypatch.chdir(raw.parent)
        with ThreadPoolExecutor(1) as pool, pytest.raises(UsageError, match="plan the night with absolute paths"):
            carried_out(Path(raw.name), tmp_path / "out", RECIPE, executor=pool)

    def test_jobs_that_are_given_up(self, raw, tmp_path):
        with GivingUp(1) as pool, pytest.raises(ClusterError, match="given up by what carries them out"):
            carried_out(raw, tmp_path / "out", RECIPE, executor=pool)

    def test_an_interruption_does_not_wait_for_what_is_queued(self, raw, tmp_path, monkeypatch):
        begun, given_up, give_up = [], threading.Event(), far_crew.ExecutorBackend.give_up
        monkeypatch.setattr(far_crew.ExecutorBackend, "give_up", lambda self: (give_up(self), given_up.set()))

        class Slow(ThreadPoolExecutor):
            def submit(self, fn, /, *args, **kwargs):
                def noted(*given):
                    begun.append(fn)
                    if len(begun) == 2:
                        raise KeyboardInterrupt
                    assert len(begun) == 1 or given_up.wait(300)
                    return fn(*given)

                return super().submit(noted, *args, **kwargs)

        plan = planned(raw, tmp_path / "out", RECIPE)
        with Slow(1) as pool, pytest.raises(KeyboardInterrupt):
            run_night(plan, RunSettings(executor=pool))
        assert len(begun) <= 3 < len(plan.frames)  # one may have begun before the others were cancelled


class TestJobs:
    def test_what_is_sent_is_small_and_finds_the_same_groups(self, raw, tmp_path):
        plan = planned(raw, tmp_path / "out", RECIPE)
        for frame in plan.science:
            bare = bare_plan(plan, frame)
            for which in (noise_group, gain_group, pedestal_group):
                found, expected = which(bare, frame), which(plan, frame)
                assert getattr(found, "name", None) == getattr(expected, "name", None)
        for frame in plan.frames:
            bare = bare_plan(plan, frame)
            assert frame_uses(bare, frame) == frame_uses(plan, frame)
            assert len(pickle.dumps(FrameTask(frame, bare, {}, None, True))) < 40_000

    def test_what_is_sent_tells_what_the_flat_of_a_frame_was_made_with(self, raw, tmp_path):
        """Of all its frames, whichever differ, and of what is not used for the frame itself; so does the flat's key."""
        plan = planned(raw, tmp_path / "out", RECIPE)
        frame = plan.science[0]
        flat = plan.group(next(iter(divisor_uses(frame))))
        use = flat.frames[2].steps.uses[0]
        for changed in (replace(use, name="combined_bias.fits"), replace(use, scale=0.37)):
            odd = replace(flat.frames[2], steps=replace(flat.frames[2].steps, uses=(changed,)))
            group = replace(flat, frames=(*flat.frames[:2], odd, *flat.frames[3:]))
            groups = tuple(group if one is flat else one for one in plan.groups)
            bare = bare_plan(replace(plan, groups=groups), frame)
            assert bare.group(changed.name).name == changed.name
            assert {one.steps.uses for one in bare.group(flat.name).frames} == {one.steps.uses for one in group.frames}
            assert group_key(group, {}, {}) != group_key(flat, {}, {})
        assert group_key(flat, {}, {}) == group_key(replace(flat, frames=flat.frames[:2]), {}, {})

    def test_a_job_that_is_repeated_finds_its_own_result(self, raw, tmp_path):
        """As when a worker dies that has just written it."""
        plan = planned(raw, tmp_path / "out", RECIPE)
        group = plan.groups[0]
        for frame in group.frames:
            frame.target.parent.mkdir(parents=True, exist_ok=True)
        tasks = [FrameTask(frame, bare_plan(plan, frame), {}, None, True) for frame in group.frames]
        first, second = ([calibrate_task(task) for task in tasks] for _ in range(2))
        assert {made.outcome.state for made in second} == {"done"}
        assert [made.outcome.crc32 for made in first] == [made.outcome.crc32 for made in second]
        frames = tuple(
            NightOutcome(frame, made.outcome, made.said) for frame, made in zip(group.frames, first, strict=True)
        )
        task = GroupTask(Combination(group, frames, {}, None), plan.out, False, {})
        outcomes = [combine_task(task)[0].combined for _ in range(2)]
        assert [outcome.state for outcome in outcomes] == ["done", "done"]
        assert outcomes[0].crc32 == outcomes[1].crc32
        other = replace(task, what=replace(task.what, group=replace(group, reject_outliers=True)))
        assert "there is a file of that name already" in combine_task(other)[0].combined.reason

    def test_a_combined_frame_that_somebody_else_wrote_is_not_used(self, here, tmp_path):
        out = tmp_path / "out"
        out.mkdir()
        (out / "combined_bias.fits").write_bytes(here["combined_bias.fits"])
        with pytest.raises(FrameError, match="is not the one that this run has made"):
            far_crew._MINE.cache(out, {"combined_bias.fits": "another key"}, {})
