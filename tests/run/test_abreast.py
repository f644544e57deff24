"""Nights side by side: in the order that sharing needs, within the memory, with the bytes of one after the other."""

from __future__ import annotations

import json
import math
import re
import statistics
import threading

import numpy as np
import pytest
from test_many_nights import RECIPE, real_nights  # noqa: F401 -- the recipe fixture looks for it

from nights import all_bytes
from reliability import ALL_CASES
from workbench import command
from wrong_nights import Camera, changed, good_shots, write_night
from zeroframe.run.abreast import Abreast, Turn, Work


class Noting:
    """Pieces that note when they begin and end; some wait until others have begun."""

    def __init__(self):
        self.said, self.begun, self.most, self._running, self._lock = [], {}, 0, set(), threading.Lock()

    def piece(self, name, shares=(), makes=(), *, place=None, memory=0, until=None, error=None):
        began = self.begun.setdefault(name, threading.Event())

        def do(_beside):
            with self._lock:
                self.said.append(name)
                self._running.add(name)
                self.most = max(self.most, len(self._running))
            began.set()
            if until is not None:
                assert self.begun[until].wait(300), f"{until} has not begun beside {name}"
            with self._lock:
                self._running.discard(name)
                self.said.append(f"/{name}")
            if error is not None:
                raise error
            return frozenset(makes)

        return Work(place or name, frozenset(shares), memory, do)

    def carry_out(self, at_once, pieces, memory=100):
        Abreast(at_once, memory).carry_out(pieces)
        return self.said


class TestOrder:
    def test_side_by_side_where_nothing_is_shared(self):
        noting = Noting()
        noting.begun["b"] = threading.Event()
        noting.carry_out(2, [noting.piece("a", until="b"), noting.piece("b", until="a")])
        assert noting.most == 2

    def test_a_borrower_waits_for_its_lender_alone(self):
        """What c shares with b is settled when a has made it: c need not wait for b."""
        noting = Noting()
        noting.begun |= {"b": threading.Event(), "c": threading.Event()}
        pieces = [
            noting.piece("a", ["flat"], ["flat"]),
            noting.piece("b", ["flat"], until="c"),
            noting.piece("c", ["flat"], until="b"),
        ]
        said = noting.carry_out(3, pieces)
        assert said[:2] == ["a", "/a"]

    def test_what_the_lender_could_not_make_is_of_the_next(self):
        noting = Noting()
        pieces = [noting.piece("a", ["flat"]), noting.piece("b", ["flat"], ["flat"]), noting.piece("c", ["flat"])]
        assert noting.carry_out(3, pieces) == ["a", "/a", "b", "/b", "c", "/c"]

    def test_one_place_is_written_to_by_one_after_the_other(self):
        noting = Noting()
        pieces = [noting.piece(name, place="night") for name in "abc"]
        assert noting.carry_out(3, pieces) == ["a", "/a", "b", "/b", "c", "/c"]

    def test_memory(self):
        noting = Noting()
        pieces = [noting.piece(name, memory=60) for name in "abcd"]
        noting.carry_out(4, [*pieces, noting.piece("more than there is", memory=1000)])
        assert noting.most == 1

    def test_no_more_are_looked_for_than_are_needed(self):
        noting, found = Noting(), []

        def pieces():
            for number in range(20):
                assert number - sum(each.startswith("/") for each in noting.said) <= 4
                found.append(number)
                yield noting.piece(str(number))

        noting.carry_out(2, pieces())
        assert len(found) == 20

    def test_an_error_stops_those_that_have_not_begun(self):
        noting, stopped = Noting(), []
        pieces = [noting.piece("a", error=LookupError("a")), *(noting.piece(name, ["x"]) for name in "bcdefgh")]
        with pytest.raises(LookupError):
            Abreast(1, 0, lambda: stopped.append(True)).carry_out(pieces)
        assert (noting.said, stopped) == (["a", "/a"], [True])


def carried_out(raw, out, recipe, *more):
    return command("night", raw, "-o", out, "--by-night", "--recipe", recipe, "--no-report", *more)


def test_the_same_bytes_and_words_for_any_number_at_once(tmp_path, recipe):
    """Three nights that borrow from each other, in a circle: darks of the first, flats of the last."""
    raw, found, said = real_nights(tmp_path / "raw"), {}, {}
    for number in (1, 2, *((3, 8) if ALL_CASES else ())):
        out = tmp_path / f"out{number}"
        run = carried_out(raw, out, recipe, "--nights-at-once", number)
        assert (run.code, run.err) == (0, "")
        found[number] = all_bytes(out)
        lines = run.out.replace(out.name, "out").splitlines()
        said[number] = [line for line in lines if not line.startswith("│")]  # the summary says how long each took
    assert all(each == found[1] for each in found.values())
    assert all(each == said[1] for each in said.values())


def test_a_bad_night_stops_no_other(tmp_path, recipe):
    raw = real_nights(tmp_path / "raw")
    for path in (raw / "n11").iterdir():
        path.write_bytes(path.read_bytes()[:4000])  # all pixels are cut off
    run = carried_out(raw, tmp_path / "out", recipe, "--nights-at-once", 2)
    assert run.code == 1, run.out + run.err
    assert (tmp_path / "out" / "2026-11-10" / "s.fits").exists()
    assert (tmp_path / "out" / "2026-11-13" / "s.fits").exists()
    assert not (tmp_path / "out" / "2026-11-11" / "s.fits").exists()


def test_a_memory_limit_that_holds_one_night(tmp_path, recipe):
    raw = real_nights(tmp_path / "raw")
    assert carried_out(raw, tmp_path / "much", recipe, "--nights-at-once", 2).code == 0
    assert carried_out(raw, tmp_path / "little", recipe, "--nights-at-once", 2, "--mem-limit", "1M").code == 0
    assert all_bytes(tmp_path / "little") == all_bytes(tmp_path / "much")


class TestTurns:
    """What is held against others has its turn, in another order than what is made."""

    def piece(self, said, name, turn, shares=(), makes=(), memory=0):
        def do(_beside):
            said.append(f"make {name}")
            return frozenset(makes)

        last = Turn(turn, lambda: said.append(f"judge {name}"), lambda: said.append(f"tell {name}"))
        return Work(name, frozenset(shares), memory, do, last)

    @pytest.mark.parametrize("at_once", [1, 2, 3])
    def test_those_that_lend_are_made_first_and_judged_in_their_turn(self, at_once):
        said = []
        pieces = [
            self.piece(said, "third", 2, ["flat"], ["flat"]),
            self.piece(said, "first", 0, ["flat"]),
            self.piece(said, "second", 1, ["flat"]),
        ]
        Abreast(at_once, 0).carry_out(pieces)
        judged = [each for each in said if each.startswith("judge")]
        assert judged == ["judge first", "judge second", "judge third"]
        assert said.index("make third") < said.index("make first")
        assert all(said.index(f"judge {name}") < said.index(f"tell {name}") for name in ("first", "second", "third"))

    @pytest.mark.parametrize("at_once", [1, 2, 3, 8])
    @pytest.mark.parametrize("memory", [0, 40, 60, 100, 1000])
    def test_no_order_and_no_memory_keeps_them_waiting_for_ever(self, at_once, memory):
        """Any order of turns, with memory for two, for one, and for none of them."""
        for seed in range(20):
            turns = np.random.default_rng(seed).permutation(40).tolist()
            said = []
            pieces = [self.piece(said, turn, turn, memory=memory + turn) for turn in turns]
            Abreast(at_once, 100).carry_out(pieces)
            assert [each for each in said if "judge" in str(each)] == [f"judge {turn}" for turn in range(40)]
            assert sorted(said) == sorted(f"{what} {turn}" for turn in turns for what in ("make", "judge", "tell"))

    def test_what_waits_for_its_turn_takes_no_memory(self):
        """Each takes all the memory there is, and waits for the last one, which has the first turn."""
        said = []
        turns = [*range(1, 12), 0]
        Abreast(2, 10).carry_out([self.piece(said, turn, turn, memory=10) for turn in turns])
        assert [each for each in said if "make" in each] == [f"make {turn}" for turn in turns]
        assert said.index("make 0") < said.index("judge 0") < said.index("judge 1")

    def test_one_that_is_late_does_not_let_pile_up_all_others(self):
        late, said, made = threading.Event(), [], []

        def slow(_beside):
            assert late.wait(300)
            return frozenset()

        def pieces():
            yield Work("late", frozenset(), 0, slow, Turn(0, lambda: None, lambda: None))
            for turn in range(1, 60):
                made.append(turn)
                if turn == 15:
                    threading.Timer(0.2, late.set).start()
                if len(made) > 20:
                    assert late.is_set()
                yield self.piece(said, turn, turn)

        Abreast(2, 0).carry_out(pieces())
        assert len(made) == 59

    def test_a_turn_that_never_comes_is_no_silence(self):
        with pytest.raises(ValueError, match="turn 0 has never come"):
            Abreast(2, 0).carry_out([self.piece([], "second", 1)])


#: Read noise that grows by a fifth from night to night, in ADU.
DRIFT = tuple(4.0 * 1.2**number for number in range(6))


@pytest.fixture(scope="module")
def drifting(tmp_path_factory):
    """Six nights whose read noise grows; the flats of the first four are those of the fifth, which is made first."""
    raw = tmp_path_factory.mktemp("drift")
    for number, noise in enumerate(DRIFT):
        shots = good_shots(counts=(4, 0, 4 if number > 3 else 0, 1))
        date = f"2026-11-{number + 1:02d}"
        shots = changed(shots, "", cards={"DATE-OBS": f"{date}T23:00:00"})
        write_night(raw / date, shots, Camera(read_noise=noise), number)
    return raw


def told_of(out):
    """Return what run.json and the page of each night say, without when and how long."""
    found = {}
    for path in sorted(out.glob("*/run.json")):
        run = json.loads(path.read_text())["this_run"]
        page = re.sub(
            r"\d+(\.\d+)? (s|min)\b|\d{4}-\d\d-\d\d[T ][\d:.+]+", "…", (path.parent / "report.html").read_text()
        )
        found[path.parent.name] = run["verdict"], run["findings"], run["figures"], page.replace(out.name, "out")
    return found


@pytest.mark.long
def test_every_night_is_held_against_all_before_it_for_any_number_at_once(drifting, tmp_path):
    found = {}
    for number in (1, 2, 3, *((8,) if ALL_CASES else ())):
        out = tmp_path / f"out{number}"
        run = command("night", drifting, "-o", out, "--by-night", "--nights-at-once", number)
        assert run.code == 0, run.out + run.err
        found[number] = told_of(out), all_bytes(out)
    nights, _ = found[1]
    biases = [next(name for name in figures if "bias" in name) for _, _, figures, _ in nights.values()]
    assert biases == [f"combined_bias_{date}.fits" for date in list(nights)[:4]] + ["combined_bias.fits"] * 2
    told = zip(biases, nights.values(), strict=True)
    own = [figures[name] for name, (_, _, figures, _) in told]
    noises = [each["read_noise_adu"] for each in own]
    np.testing.assert_allclose(noises, DRIFT, rtol=0.05)
    for number, (name, (_, findings, _, _)) in enumerate(zip(biases, nights.values(), strict=True)):
        told = [each for each in findings if each["code"] == "ZF307" and each["frames"] == [name]]
        before = statistics.median(noises[:number]) if number else math.nan
        assert len(told) == (noises[number] > 1.25 * before), number
        assert number == 0 or math.isclose(own[number]["earlier_read_noise_adu"], before)
    for number, (told, written) in found.items():
        assert written == found[1][1]
        assert told == nights, number
