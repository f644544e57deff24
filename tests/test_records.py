"""Dataclasses whose methods are written late are what Python's own are, by comparison with those."""

from __future__ import annotations

import ast
import copy
import dataclasses
import inspect
import pickle
import subprocess
import sys
import threading
from dataclasses import field
from pathlib import Path
from typing import ClassVar

import pytest

import zeroframe
from zeroframe import records

PACKAGE = Path(zeroframe.__file__).parent
OPTIONS = [
    {},
    {"eq": False},
    {"slots": True},
    {"frozen": True},
    {"frozen": True, "eq": False},
    {"frozen": True, "slots": True},
    {"frozen": True, "slots": True, "eq": False},
    {"frozen": True, "slots": True, "kw_only": True},
]


def classes_of(dataclass, **options):
    """A class and one that is made of it, by one decorator."""

    @dataclass(**options)
    class Record:
        """Something that is known."""

        NONE: ClassVar[int] = 7
        name: str
        level: float = 0.5
        found: list[int] = field(default_factory=list, hash=False)
        hidden: int = field(default=3, repr=False, compare=False)
        made: list[int] = field(default_factory=lambda: [1], init=False, hash=False)

        def __post_init__(self):
            if self.level < 0:
                raise ValueError("below zero")

        @property
        def double(self):
            return 2 * self.level

    @dataclass(**options)
    class More(Record):
        extra: tuple[int, ...] = ()
        named: str = field(default="", kw_only=True)

    for each in (Record, More):
        each.__qualname__ = each.__name__
    return Record, More


def pairs(options):
    return zip(classes_of(dataclasses.dataclass, **options), classes_of(records.dataclass, **options), strict=True)


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_methods_are_those_of_python(options):
    for theirs, ours in pairs(options):
        assert str(inspect.signature(ours)).replace("zeroframe.", "") == str(inspect.signature(theirs))
        assert [each.name for each in dataclasses.fields(ours)] == [each.name for each in dataclasses.fields(theirs)]
        assert ours.__match_args__ == theirs.__match_args__
        assert hasattr(ours, "__dict__") == hasattr(theirs, "__dict__")
        made = [
            [kind(name="a"), kind(name="a"), kind(name="b", level=2.0, found=[1]), kind(name="a", hidden=4)]
            for kind in (theirs, ours)
        ]
        assert list(map(repr, made[0])) == list(map(repr, made[1]))
        same = [[one == other for one in many for other in many] for many in made]
        assert same[0] == same[1]
        assert ours(name="a") != theirs(name="a")
        assert [each.double for each in made[1]] == [1.0, 1.0, 4.0, 1.0]
        assert ours(name="a").found is not ours(name="a").found
        assert dataclasses.asdict(made[1][2]) == dataclasses.asdict(made[0][2])
        assert repr(dataclasses.replace(made[1][2], name="c")) == repr(dataclasses.replace(made[0][2], name="c"))
        assert repr(copy.deepcopy(made[1][2])) == repr(made[1][2])
        for kind in (theirs, ours):
            with pytest.raises(ValueError, match="below zero"):
                kind(name="a", level=-1.0)
            with pytest.raises(TypeError, match="name"):
                kind()


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_hashing_and_changing_are_as_in_python(options):
    for theirs, ours in pairs(options):
        assert (ours.__hash__ is None) == (theirs.__hash__ is None)
        if ours.__hash__ is not None and options.get("eq", True):
            assert hash(ours(name="a", found=[1])) == hash(theirs(name="a", found=[2]))
        for kind in (theirs, ours):
            one = kind(name="a")
            if options.get("frozen"):
                with pytest.raises(dataclasses.FrozenInstanceError, match="cannot assign to field 'level'"):
                    one.level = 2.0
                with pytest.raises(dataclasses.FrozenInstanceError, match="cannot delete field 'level'"):
                    del one.level
            else:
                one.level = 2.0
            assert one.level == (0.5 if options.get("frozen") else 2.0)


@records.dataclass(frozen=True, slots=True)
class Kept:
    """One that pickle finds by its name."""

    name: str
    values: tuple[int, ...] = ()


def test_frozen_objects_with_slots_are_pickled():
    one = Kept("a", (1, 2))
    assert pickle.loads(pickle.dumps(one)) == one
    assert copy.copy(one) == one


def test_methods_that_a_class_has_are_kept():
    for dataclass in (dataclasses.dataclass, records.dataclass):

        @dataclass(frozen=True)
        class Own:  # noqa: PLW1641 -- it is given one
            name: str

            def __eq__(self, other):
                return True

            def __repr__(self):
                return "own"

        assert Own("a") == Own("b")
        assert repr(Own("a")) == "own"
        assert hash(Own("a")) == hash(("a",))


def test_what_is_derived_without_a_decorator_has_the_methods():
    class Derived(Kept):
        def __init__(self, name):
            super().__init__(name, (3,))

    one = Derived("a")
    one.other = 1  # it has a dictionary
    assert (one.name, one.values) == ("a", (3,))
    assert repr(one).endswith("Derived(name='a', values=(3,))")
    with pytest.raises(dataclasses.FrozenInstanceError):
        one.name = "b"


def test_methods_are_written_when_they_are_looked_for_and_once():
    @records.dataclass(frozen=True)
    class Record:
        name: str

    assert not inspect.isfunction(vars(Record)["__init__"])
    Record("a")
    written = vars(Record)["__init__"]
    assert inspect.isfunction(written)
    assert not inspect.isfunction(vars(Record)["__eq__"])
    Record("b")
    assert vars(Record)["__init__"] is written
    assert written.__qualname__.endswith("Record.__init__")


def test_threads_may_write_them_at_once():
    for _ in range(20):

        @records.dataclass(frozen=True, slots=True)
        class Record:
            name: str

        gate, made = threading.Barrier(8), []

        def make(kind=Record, gate=gate, made=made):
            gate.wait()
            made.append(kind("a") == kind("a"))

        threads = [threading.Thread(target=make) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert made == [True] * 8


def test_all_classes_of_the_package_are_such():
    own = {"records.py", "kernels/_machine.py"}  # kernels need nothing of ours
    for path in PACKAGE.rglob("*.py"):
        if path.relative_to(PACKAGE).as_posix() in own:
            continue
        source = path.read_text(encoding="utf-8")
        # most have no such word, and parsing all takes two seconds
        for node in ast.walk(ast.parse(source)) if "dataclasses" in source else ():
            if isinstance(node, ast.ImportFrom) and node.module == "dataclasses":
                taken = {alias.name for alias in node.names}
                assert not taken & {"dataclass", "InitVar"}, f"{path.name} takes Python's own"


def test_a_start_writes_few_methods():
    code = (
        "import dataclasses, sys, zeroframe.run.engine, zeroframe.report.data;"
        "from zeroframe.records import _Late;"
        "kinds = {k for m in list(sys.modules.values()) if m.__name__.startswith('zeroframe.')"
        " for k in vars(m).values() if isinstance(k, type) and dataclasses.is_dataclass(k)};"
        "late = [k for k in kinds if isinstance(vars(k).get('__init__'), _Late)];"
        "print(len(late) / len(kinds), len(kinds))"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    share, kinds = map(float, said.split())
    assert kinds > 150
    assert share > 0.8
