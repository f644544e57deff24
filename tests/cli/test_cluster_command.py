"""The same command on a cluster: the bytes of a run here, whoever dies."""

from __future__ import annotations

import json
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import pytest

pytest.importorskip("distributed", reason="needs Dask: pip install 'zeroframe[cluster]'")

from clusters import cluster, kill_in_the_middle
from nights import bias_plan
from reliability import ALL_CASES, bias_arguments, hashes, results, small_night
from workbench import command
from zeroframe.run.engine import run_night
from zeroframe.run.session import RunSettings

FRAMES = 10
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::DeprecationWarning")


@pytest.fixture(scope="module")
def raw(tmp_path_factory):
    return small_night(tmp_path_factory.mktemp("night") / "raw", FRAMES)


@pytest.fixture(scope="module")
def here(raw, tmp_path_factory):
    """The results of a run without a cluster."""
    out = tmp_path_factory.mktemp("here") / "out"
    assert command(*bias_arguments(raw, out)).code == 0
    return results(out)


def said_of(out):
    return json.loads((out / "run.json").read_text())


@pytest.mark.long
def test_the_same_bytes_and_a_second_run_has_nothing_to_do(two_workers, raw, here, tmp_path):
    out = tmp_path / "out"
    run = command(*bias_arguments(raw, out, "--cluster", two_workers.address))
    assert (run.code, run.err) == (0, "")
    assert results(out) == here
    assert said_of(out)["this_run"]["executor"] == f"Dask at {two_workers.address}, 2 workers"
    again = command(*bias_arguments(raw, out, "--cluster", two_workers.address))
    assert again.code == 0
    assert results(out) == here
    assert {each["state"] for each in said_of(out)["this_run"]["frames"]} == {"skipped"}


@pytest.mark.skipif(not ALL_CASES, reason="ZEROFRAME_ALL_CASES=1 compresses the whole command's results, too")
def test_compressed_results(two_workers, raw, tmp_path):
    for name, more in (("far", ("--cluster", two_workers.address)), ("near", ())):
        assert command(*bias_arguments(raw, tmp_path / name, "--compress", "rice", *more)).code == 0
    assert results(tmp_path / "far") == results(tmp_path / "near")


@pytest.mark.long
def test_some_results_are_gone(two_workers, raw, here, tmp_path):
    out = tmp_path / "out"
    assert command(*bias_arguments(raw, out)).code == 0
    gone = sorted(out.glob("*.fits"))[:3]
    for path in gone:
        path.unlink()
    run = command(*bias_arguments(raw, out, "--cluster", two_workers.address))
    assert run.code == 0, run.err
    assert results(out) == here
    states = [each["state"] for each in said_of(out)["this_run"]["frames"]]
    assert (states.count("done"), states.count("skipped")) == (3, FRAMES - 3)


@pytest.mark.long
def test_one_worker_is_killed_and_then_the_scheduler_and_a_second_run_resumes(two_workers, raw, here, tmp_path):
    one, two = tmp_path / "one", tmp_path / "two"
    with cluster(tmp_path / "dask", held_up=True) as running:
        thread = kill_in_the_middle(running, running.workers[0], one)
        run = command(*bias_arguments(raw, one, "--cluster", running.address))
        thread.join()
        assert run.code == 0, run.err
        assert results(one) == here
        assert "1 lost since" in said_of(one)["this_run"]["executor"]
        thread = kill_in_the_middle(running, running.scheduler, two)
        run = command(*bias_arguments(raw, two, "--cluster", running.address))
        thread.join()
        assert run.code == 2
        assert f"zeroframe: the connection to the scheduler at {running.address} was lost" in run.err
        assert said_of(two)["state"] == "unfinished"
    run = command(*bias_arguments(raw, two, "--cluster", two_workers.address))
    assert run.code == 0, run.err
    assert results(two) == here


def test_a_frame_that_is_damaged_does_not_stop_the_others(two_workers, raw, tmp_path):
    night = small_night(tmp_path / "raw", 4)
    path = sorted(night.iterdir())[1]
    path.write_bytes(path.read_bytes()[:-5000])
    runs = {}
    for name, more in (("far", ("--cluster", two_workers.address)), ("near", ())):
        runs[name] = command(*bias_arguments(night, tmp_path / name, *more))
        assert runs[name].code == 1
    assert results(tmp_path / "far") == results(tmp_path / "near")
    reasons = [[each["reason"] for each in said_of(tmp_path / name)["this_run"]["frames"]] for name in runs]
    assert reasons[0] == reasons[1]


def test_a_cluster_that_is_not_there(raw, tmp_path):
    run = command(*bias_arguments(raw, tmp_path / "out", "--cluster", "nowhere"))
    assert run.code == 2
    assert "'nowhere' is not the address of a cluster" in run.err


@pytest.mark.long
def test_any_other_executor(raw, here, tmp_path):
    plan = bias_plan(raw, tmp_path / "out", overscan="[608:632,:]", trim="[1:600,:]")
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        assert run_night(plan, RunSettings(executor=pool)).is_good
    assert results(tmp_path / "out") == here
    assert not any(name.endswith(".part") for name in hashes(tmp_path / "out"))
