"""Nights side by side: in the order that sharing needs, within the memory, with the bytes of one after the other."""

from __future__ import annotations

import threading

import pytest
from test_many_nights import RECIPE, real_nights  # noqa: F401 -- the recipe fixture looks for it

from nights import all_bytes
from reliability import ALL_CASES
from workbench import command
from zeroframe.run.abreast import Abreast, Piece


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
                assert self.begun[until].wait(20), f"{until} has not begun beside {name}"
            with self._lock:
                self._running.discard(name)
                self.said.append(f"/{name}")
            if error is not None:
                raise error
            return frozenset(makes)

        return Piece(place or name, frozenset(shares), memory, do)

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
