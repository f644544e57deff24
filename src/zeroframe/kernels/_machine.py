"""Machine code as it is kept, and how it becomes a function that Python can call."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from zeroframe.kernels._arguments import parameter_types, parameters

if TYPE_CHECKING:
    from collections.abc import Callable

    from zeroframe.kernels._arguments import Kind

__all__ = ["ENTRY", "MachineCode", "host", "load"]

#: The function in an object file that is called: with where the result goes, and the arguments as plain parameters.
ENTRY = "zeroframe_entry"


@dataclass(frozen=True, slots=True)
class MachineCode:
    """One kernel for one combination of types.

    Attributes
    ----------
    name : str
        Of the kernel.
    returns : str
        What it returns: 'q' for an integer, 'd' for a float; several of them for a tuple, none for nothing.
    is_tuple : bool
        Whether it returns a tuple.
    object_code : bytes
        An object file of this system, which needs nothing but the C library.
    """

    name: str
    returns: str
    is_tuple: bool
    object_code: bytes


@cache
def host() -> tuple[str, str, str]:
    """Return system, processor and its features: what machine code is made for."""
    import llvmlite.binding as llvm

    return llvm.get_process_triple(), llvm.get_host_cpu_name(), llvm.get_host_cpu_features().flatten()


@cache
def _target() -> Any:
    """Return the description of this machine that code is loaded with."""
    import llvmlite.binding as llvm

    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    return llvm.Target.from_triple(llvm.get_process_triple())


def load(code: MachineCode, kinds: tuple[Kind, ...]) -> Callable[[tuple[Any, ...]], Any]:
    """Load machine code into memory.

    Parameters
    ----------
    code : MachineCode
        What is loaded.
    kinds : tuple of Kind
        What it is called with.

    Returns
    -------
    callable
        Takes the arguments as a tuple; the interpreter's lock is released while it runs.
    """
    import llvmlite.binding as llvm

    machine = _target().create_target_machine(jit=True)
    engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), machine)
    engine.add_object_file(llvm.ObjectFileRef.from_data(code.object_code))
    engine.finalize_object()
    address = engine.get_function_address(ENTRY)
    if not address:
        raise ValueError(f"no function {ENTRY} in its machine code")
    plain = [part for kind in kinds for part in parameter_types(kind)]
    prototype = ctypes.CFUNCTYPE(ctypes.c_int32, ctypes.c_void_p, *plain)
    return _Call(engine, prototype(address), kinds, code)


class _Call:
    """Calls machine code, and keeps it in memory."""

    __slots__ = ("_engine", "_function", "_is_tuple", "_kinds", "_name", "_result", "_types")

    def __init__(self, engine: Any, function: Any, kinds: tuple[Kind, ...], code: MachineCode) -> None:
        self._engine = engine
        self._function = function
        self._kinds = kinds
        self._is_tuple = code.is_tuple
        self._name = code.name
        self._types = [ctypes.c_double if letter == "d" else ctypes.c_int64 for letter in code.returns]
        fields = [(f"part{i}", kind) for i, kind in enumerate(self._types)]
        self._result = type("_Result", (ctypes.Structure,), {"_fields_": fields})

    def __call__(self, arguments: tuple[Any, ...]) -> Any:
        result = self._result()
        status = self._function(ctypes.byref(result), *parameters(arguments, self._kinds))
        if status != 0:
            raise RuntimeError(f"the kernel {self._name} ended with status {status}")
        values = tuple(getattr(result, f"part{i}") for i in range(len(self._types)))
        if self._is_tuple:
            return values
        return values[0] if values else None
