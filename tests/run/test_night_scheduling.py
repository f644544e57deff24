"""Tasks of a night in the right order on threads, and the memory of frames between calibration and combination."""

from __future__ import annotations

import weakref
from dataclasses import replace
from threading import Barrier, Lock

import numpy as np
import pytest

from nights import RECIPES, carried_out, planned, small_night
from zeroframe.run.pixel_cache import PixelCache, image_bytes
from zeroframe.run.schedule import Task, run_tasks, urgent_first

NAME = "palomar-lfc"
TABLE = {"flat": ("f1", "f2"), "f1": ("dark",), "f2": ("dark",), "dark": ("d1", "d2"), "d1": (), "d2": ()}


def tasks_of(table, do):
    """Tasks by what they need; each calls ``do`` with its name."""
    return [Task(name, frozenset(needs), lambda busy, name=name: do(name, busy)) for name, needs in table.items()]


class TestRunTasks:
    @pytest.mark.parametrize("threads", [1, 2, 5])
    def test_none_begins_before_what_it_needs_is_done(self, threads):
        lock, begun, done, early = Lock(), [], set(), []

        def do(name, _busy):
            with lock:
                begun.append(name)
                early.extend(set(TABLE[name]) - done)
            with lock:
                done.add(name)

        run_tasks(tasks_of(TABLE, do), threads)
        assert sorted(begun) == sorted(TABLE)
        assert early == []

    def test_of_those_that_can_begin_the_first_does(self):
        begun = []
        run_tasks(tasks_of({"late": ("c",), "b": (), "a": (), "c": ()}, lambda name, _busy: begun.append(name)), 1)
        assert begun == ["b", "a", "c", "late"]
        begun.clear()
        run_tasks(tasks_of({"stack": ("a",), "a": (), "b": ()}, lambda name, _busy: begun.append(name)), 1)
        assert begun == ["a", "stack", "b"]

    def test_threads_work_at_once_and_no_more_than_asked_for(self):
        together = Barrier(2, timeout=300)
        lock, running, most = Lock(), [], []

        def do(name, _busy):
            with lock:
                running.append(name)
                most.append(len(running))
            together.wait()
            with lock:
                running.remove(name)

        run_tasks(tasks_of(dict.fromkeys("abcdef", ()), do), 2)
        assert max(most) == 2

    def test_a_task_knows_how_many_want_cores(self):
        busy = {}
        run_tasks(tasks_of({"a": (), "b": (), "c": ("a", "b")}, busy.__setitem__), 1)
        assert busy == {"a": 2, "b": 1, "c": 1}

    def test_an_error_stops_what_has_not_begun(self):
        begun = []

        def do(name, _busy):
            begun.append(name)
            if name == "b":
                raise OSError("out of film")

        with pytest.raises(OSError, match="out of film"):
            run_tasks(tasks_of({"a": (), "b": (), "c": (), "d": ("c",)}, do), 1)
        assert begun == ["a", "b"]

    def test_what_waits_for_ever_is_named(self):
        begun = []
        table = {"a": (), "hen": ("egg",), "egg": ("hen",)}
        with pytest.raises(ValueError, match=r"never done: \['hen', 'egg'\]"):
            run_tasks(tasks_of(table, lambda name, _busy: begun.append(name)), 2)
        assert begun == ["a"]


class TestUrgentFirst:
    def test_the_longest_chain_begins_first_and_others_keep_their_order(self):
        costs = {"flat": 3.0, "d1": 0.5, "late": 4.5}
        table = {**TABLE, "late": (), "last": ()}
        tasks = [Task(name, frozenset(needs), print, costs.get(name, 1.0)) for name, needs in table.items()]
        # d2: 1 + dark 1 + f1 1 + flat 3
        assert [task.name for task in urgent_first(tasks)] == ["d2", "d1", "dark", "late", "f1", "f2", "flat", "last"]

    def test_what_is_not_there_is_left_to_those_who_run_them(self):
        tasks = [Task("a", frozenset(["nowhere"]), print), Task("b", frozenset(), print)]
        assert urgent_first(tasks) == tasks

    def test_tasks_that_wait_for_each_other_are_refused(self):
        with pytest.raises(ValueError, match="cycle"):
            urgent_first([Task("a", frozenset(["b"]), print), Task("b", frozenset(["a"]), print)])

    def test_what_flats_need_comes_before_what_only_science_frames_need(self, raw, tmp_path):
        """Chains end together: both cores are busy until the last frame."""
        done = []
        plan = planned(raw, tmp_path / "out", RECIPES[NAME])
        carried_out(raw, tmp_path / "out", RECIPES[NAME], workers=1, progress=lambda what, _: done.append(what))
        assert done.count("combining") == len(plan.groups)
        assert done[-len(plan.science) :] == ["calibrating"] * len(plan.science)


@pytest.fixture(scope="module")
def raw(tmp_path_factory):
    return small_night(tmp_path_factory.mktemp("night") / "raw")


@pytest.fixture
def groups(raw, tmp_path):
    return planned(raw, tmp_path / "out", RECIPES[NAME]).groups


def packed(group):
    """The same group, its frames written compressed."""
    return replace(group, frames=tuple(replace(frame, compress="gzip") for frame in group.frames))


def filled(kept, group):
    """Keep pixels of all frames of a group; return their arrays."""
    arrays = [np.empty(frame.shape_yx, np.float32) for frame in group.frames]
    for frame, array in zip(group.frames, arrays, strict=True):
        kept.put(frame.target, array)
    return arrays


class TestKeptPixels:
    def test_frames_that_are_written_plainly_are_not_kept(self, groups):
        kept = PixelCache(10**9)
        assert not any(kept.claim(group) for group in groups)
        assert all(kept.claim(packed(group)) for group in map(packed, groups)) is False  # decided when asked first
        assert all(PixelCache(10**9).claim(packed(group)) for group in groups)

    def test_what_is_kept_is_given_out_until_it_is_released(self, groups):
        biases = packed(groups[0])
        kept = PixelCache(10**9)
        assert kept.claim(biases)
        arrays = filled(kept, biases)
        known = [weakref.ref(one) for one in arrays]
        assert [id(one) for one in kept.of(biases).values()] == [id(one) for one in arrays]
        del arrays
        kept.release(biases)
        assert kept.of(biases) == {}
        assert all(one() is None for one in known)

    def test_no_more_is_kept_than_there_is_room_for(self, groups):
        first, second, third = map(packed, groups[:3])
        size = image_bytes(first.frames[0])
        kept = PixelCache(size * (len(first.frames) + 2))
        assert kept.claim(first)
        assert not kept.claim(second)
        kept.release(first)
        assert not kept.claim(second)  # some of its frames may have been made meanwhile
        assert kept.claim(third)


@pytest.mark.long
def test_results_are_the_same_however_many_threads_and_however_little_memory(raw, tmp_path):
    """Frames that are kept and frames that are read again, one after the other and at once."""
    texts = {}
    for name, options in {
        "one": {"workers": 1},
        "four": {"workers": 4},
        "little": {"workers": 2, "mem_limit_bytes": 40_000_000},
    }.items():
        result = carried_out(raw, tmp_path / name, RECIPES[NAME], **options)
        assert result.is_good, result.failed
        assert [each.frame.name for each in result.frames] == [
            frame.name for frame in planned(raw, tmp_path / "x", RECIPES[NAME]).frames
        ]
        texts[name] = {
            path.relative_to(tmp_path / name): path.read_bytes() for path in (tmp_path / name).rglob("*.fits")
        }
        assert set(result.seconds) == {"bias", "dark", "flat", "science", "read_back"}
        assert np.all(np.array(list(result.seconds.values())) > 0)
    assert texts["one"] == texts["four"] == texts["little"]
