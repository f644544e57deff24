"""Tasks of a night in the right order on threads, and the memory of frames between calibration and combination."""

from __future__ import annotations

from threading import Barrier, Lock
from types import SimpleNamespace

import numpy as np
import pytest

from nights import RECIPES, carried_out, planned, small_night
from zeroframe.night.keeping import KeptPixels, image_bytes
from zeroframe.night.scheduling import Task, run_tasks

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
        together = Barrier(2, timeout=30)
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


@pytest.fixture(scope="module")
def raw(tmp_path_factory):
    return small_night(tmp_path_factory.mktemp("night") / "raw")


@pytest.fixture
def groups(raw, tmp_path):
    return planned(raw, tmp_path / "out", RECIPES[NAME]).groups


def filled(kept, group):
    """Keep pixels of all frames of a group; return their arrays."""
    arrays = []
    for frame in group.frames:
        arrays.append(kept.memory(frame))
        kept.put(frame.target, arrays[-1])
    return arrays


class TestKeptPixels:
    def test_memory_of_one_group_is_used_for_the_next(self, groups):
        biases, darks = groups[0], groups[1]
        kept = KeptPixels(groups, 10**9)
        assert kept.claim(biases)
        first = filled(kept, biases)
        assert {id(one) for one in kept.of(biases).values()} == {id(one) for one in first}
        kept.release(biases)
        assert kept.of(biases) == {}
        assert kept.claim(darks)
        assert all(any(one is other for other in first) for one in filled(kept, darks))

    def test_two_groups_never_share_memory_while_they_are_kept(self, groups):
        kept = KeptPixels(groups, 10**9)
        arrays = []
        for group in groups[:2]:
            assert kept.claim(group)
            arrays += filled(kept, group)
        assert len({id(one) for one in arrays}) == sum(len(group.frames) for group in groups[:2])

    def test_no_more_is_kept_than_there_is_room_for(self, groups):
        size = image_bytes(groups[0].frames[0])
        kept = KeptPixels(groups, size * (len(groups[0].frames) + 2))
        assert kept.claim(groups[0])
        assert not kept.claim(groups[1])
        kept.release(groups[0])
        assert not kept.claim(groups[1])  # some of its frames may have been made meanwhile
        assert kept.claim(groups[2])

    def test_spare_memory_that_no_frame_to_come_needs_is_let_go(self, groups):
        import weakref

        kept = KeptPixels(groups[:2], 10**9)
        kept.claim(groups[0])
        known = [weakref.ref(one) for one in filled(kept, groups[0])]
        kept.release(groups[0])
        assert sum(one() is not None for one in known) == len(groups[1].frames)
        kept.claim(groups[1])
        filled(kept, groups[1])
        kept.release(groups[1])
        assert sum(one() is not None for one in known) == 0

    def test_memory_of_another_shape_makes_way_where_room_is_short(self, groups):
        other = SimpleNamespace(
            name="other", frames=[SimpleNamespace(shape_yx=(40, 30), layout=groups[0].frames[0].layout, target=None)]
        )
        size = sum(map(image_bytes, groups[0].frames))
        kept = KeptPixels([*groups, other], size)
        kept.claim(groups[0])
        filled(kept, groups[0])
        kept.release(groups[0])
        assert kept.claim(other)
        assert kept.memory(other.frames[0]).shape == (40, 30)
        assert kept._spare == []


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
