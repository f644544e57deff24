"""What lets the program start fast: dataclasses whose methods are written when they are first used, and lazy names.

Python writes the methods of a dataclass as text, and compiles it, at each start: 0.4 ms a class, of which there are
some 250 here, most of them for what a run does not do. Here a class gets its fields at once, and each method when
somebody looks for it. All else is as ever: `dataclasses.fields`, `dataclasses.replace`, `dataclasses.asdict`,
signatures, comparing, hashing, pickling, matching by position.
"""

from __future__ import annotations

import dataclasses
import sys
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from dataclasses import dataclass
else:

    def dataclass(
        cls: type | None = None,
        /,
        *,
        frozen: bool = False,
        slots: bool = False,
        eq: bool = True,
        kw_only: bool = False,
    ) -> Callable[[type], type] | type:
        """Make a dataclass, as `dataclasses.dataclass` does; a type checker takes it for that.

        Parameters
        ----------
        cls : type, optional
            The class; a decorator is returned where it is not given.
        frozen, slots, eq, kw_only : bool
            As there. There is no order, and no field that is only given to ``__post_init__``.

        Returns
        -------
        type or callable
            The class with its fields, a new one where it has slots.
        """
        made = partial(_made, frozen=frozen, slots=slots, eq=eq, kw_only=kw_only)
        return made if cls is None else made(cls)


__all__ = ["dataclass", "lazy_names"]


class _Factory:
    """Stands in a signature for what is made anew for each object."""

    def __repr__(self) -> str:
        return "<factory>"


_FACTORY = _Factory()


class _Late:
    """A method that takes the place of this when it is first looked for; two threads may both write it."""

    __slots__ = ("name", "owner", "write")

    def __init__(self, owner: type, name: str, write: Callable[[type], Callable[..., Any]]) -> None:
        self.owner, self.name, self.write = owner, name, write

    def __get__(self, instance: object, kind: type | None = None) -> Any:  # noqa: ANN401 -- a function, or one bound
        method = self.write(self.owner)
        method.__qualname__ = f"{self.owner.__qualname__}.{self.name}"
        method.__module__ = self.owner.__module__
        setattr(self.owner, self.name, method)
        return method.__get__(instance, kind)


def _made(cls: type, *, frozen: bool, slots: bool, eq: bool, kw_only: bool) -> type:
    own = set(cls.__dict__)
    if cls.__dict__.get("__hash__", True) is None and "__eq__" in own:
        own.remove("__hash__")  # Python has put it there
    if cls.__doc__ is None:  # it would be made of a signature
        cls.__doc__ = cls.__name__
    cls = dataclasses.dataclass(init=False, repr=False, eq=False, slots=slots, kw_only=kw_only)(cls)
    late = {"__init__": _frozen_init_of if frozen else _init_of, "__repr__": _repr_of}
    if eq:
        late |= {"__eq__": _eq_of} | ({"__hash__": _hash_of} if frozen else {})
    for name, write in late.items():
        if name not in own:
            setattr(cls, name, _Late(cls, name, write))
    if eq and not frozen and "__hash__" not in own:
        cls.__hash__ = None  # type: ignore[assignment]
    if frozen:
        _freeze(cls)
        if slots and not own & {"__getstate__", "__setstate__"}:
            for name, method in (("__getstate__", _state), ("__setstate__", _set_state)):
                setattr(cls, name, method)
    return cls


def _freeze(cls: type) -> None:
    names = frozenset(each.name for each in dataclasses.fields(cls))

    def __setattr__(self: object, name: str, value: object) -> None:  # noqa: N807 -- it becomes one
        if type(self) is cls or name in names:
            raise dataclasses.FrozenInstanceError(f"cannot assign to field {name!r}")
        super(cls, self).__setattr__(name, value)  # type: ignore[arg-type]

    def __delattr__(self: object, name: str) -> None:  # noqa: N807
        if type(self) is cls or name in names:
            raise dataclasses.FrozenInstanceError(f"cannot delete field {name!r}")
        super(cls, self).__delattr__(name)  # type: ignore[arg-type]

    cls.__setattr__, cls.__delattr__ = __setattr__, __delattr__  # type: ignore[assignment]


def _state(self: Any) -> list[object]:  # noqa: ANN401 -- any of them
    """Return what is pickled of a frozen object with slots."""
    return [getattr(self, each.name) for each in dataclasses.fields(self)]


def _set_state(self: Any, state: list[object]) -> None:  # noqa: ANN401
    for each, value in zip(dataclasses.fields(self), state, strict=True):
        object.__setattr__(self, each.name, value)


def _written(cls: type, name: str, arguments: str, body: list[str], known: dict[str, Any]) -> Callable[..., Any]:
    """Compile a method that knows some names beside those of its module."""
    lines = [f"def written({', '.join(known)}):", f" def {name}({arguments}):", *(f"  {line}" for line in body)]
    made: dict[str, Any] = {}
    # the text is made of names of fields, as in `dataclasses`
    exec("\n".join([*lines, f" return {name}"]), vars(sys.modules[cls.__module__]), made)  # noqa: S102
    method: Callable[..., Any] = made["written"](**known)
    return method


def _frozen_init_of(cls: type) -> Callable[..., Any]:
    return _init_of(cls, "_set(self, {0!r}, {1})")


def _init_of(cls: type, assign: str = "self.{0} = {1}") -> Callable[..., Any]:
    """Write ``__init__``: arguments that must be given, those that need not, and those that are given by name."""
    known: dict[str, Any] = {"_set": object.__setattr__, "_FACTORY": _FACTORY}
    places: list[str] = []
    names: list[str] = []
    body: list[str] = []
    annotations: dict[str, object] = {}
    for each in dataclasses.fields(cls):
        name, value, default = each.name, each.name, f"_default_{each.name}"
        if each.default_factory is not dataclasses.MISSING:
            known[default] = each.default_factory
            value = f"{default}() if {name} is _FACTORY else {name}" if each.init else f"{default}()"
            given = f"{name}=_FACTORY"
        elif each.default is not dataclasses.MISSING:
            known[default] = each.default
            given = f"{name}={default}"
        else:
            given = name
        if each.init:
            (names if each.kw_only else places).append(given)
            annotations[name] = each.type
        elif each.default_factory is dataclasses.MISSING:
            continue
        body.append(assign.format(name, value))
    if hasattr(cls, "__post_init__"):
        body.append("self.__post_init__()")
    arguments = ", ".join(["self", *places, *(["*", *names] if names else [])])
    method = _written(cls, "__init__", arguments, body or ["pass"], known)
    method.__annotations__ = {**annotations, "return": None}
    return method


def _repr_of(cls: type) -> Callable[..., Any]:
    names = [each.name for each in dataclasses.fields(cls) if each.repr]

    def __repr__(self: object) -> str:  # noqa: N807
        return f"{type(self).__qualname__}({', '.join(f'{name}={getattr(self, name)!r}' for name in names)})"

    return __repr__


def _compared(cls: type, of: str, *, hashed: bool = False) -> str:
    """Return the text of a tuple of what two objects are compared by."""
    chosen = [
        each.name
        for each in dataclasses.fields(cls)
        if (each.compare if not hashed or each.hash is None else each.hash)
    ]
    return f"({''.join(f'{of}.{name}, ' for name in chosen)})"


def _eq_of(cls: type) -> Callable[..., Any]:
    same = f"return {_compared(cls, 'self')} == {_compared(cls, 'other')}"
    body = ["if other.__class__ is self.__class__:", f" {same}", "return NotImplemented"]
    return _written(cls, "__eq__", "self, other", body, {})


def _hash_of(cls: type) -> Callable[..., Any]:
    return _written(cls, "__hash__", "self", [f"return hash({_compared(cls, 'self', hashed=True)})"], {})


def lazy_names(package: str, homes: Mapping[str, str]) -> Callable[[str], Any]:
    """Return the ``__getattr__`` of a package whose modules are imported when a name of theirs is first used.

    Parameters
    ----------
    package : str
        Its name.
    homes : mapping of str to str
        For each public name the module, within the package, that holds it.

    Examples
    --------
    >>> find = lazy_names("zeroframe", {"Section": "headers.sections"})
    >>> find("Section").__name__
    'Section'
    """

    def found(name: str) -> Any:  # noqa: ANN401 -- whatever the name stands for
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(import_module(f"{package}.{homes[name]}"), name)

    return found
