"""From a Python function to machine code, by numba; the only module that imports it."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

import llvmlite.binding as llvm
import numba
import numpy as np
from numba import types
from numba.core.codegen import AOTCodeLibrary, CPUCodeLibrary, JITCPUCodegen
from numba.core.compiler import Flags, compile_extra
from numba.core.compiler_lock import global_compiler_lock
from numba.core.registry import CPUDispatcher, CPUTarget, cpu_target

from zeroframe.kernels._machine import MachineCode

if TYPE_CHECKING:
    from collections.abc import Callable

    from zeroframe.kernels._arguments import Kind

__all__ = ["compile_kernel", "dispatcher_of"]


class _Library(AOTCodeLibrary):  # type: ignore[misc]  # numba has no types
    """The code of one function, which becomes machine code as a part of the entry function only.

    numba would optimise each function that another one calls, and make machine code of it, before it does so with the
    whole: that took 40 % of the time.
    """

    def _optimize_final_module(self) -> None:
        pass

    def optimize(self) -> None:
        """Do it now, for all that is linked together."""
        CPUCodeLibrary._optimize_final_module(self)  # noqa: SLF001


class _Codegen(JITCPUCodegen):  # type: ignore[misc]
    """Makes code for this processor, and does not load it."""

    _library_class = _Library

    def _add_module(self, module: object) -> None:
        pass


class _Target(CPUTarget):  # type: ignore[misc]
    """Shares with numba's own target what is known about types and functions."""

    @cached_property
    def _toplevel_typing_context(self) -> Any:
        return cpu_target.typing_context

    @cached_property
    def _toplevel_target_context(self) -> Any:
        return cpu_target.target_context.subtarget(_internal_codegen=_Codegen("zeroframe"), get_executable=_stand_in)


def _stand_in(*_: object) -> object:
    """Return what a function is known by in place of the address of its machine code, which is not loaded."""
    return object()


class _Dispatcher(CPUDispatcher):  # type: ignore[misc]
    """Knows the code of a function, and is never called."""

    targetdescr = _Target("cpu")

    def add_overload(self, compiled: Any) -> None:
        self.overloads[tuple(compiled.signature.args)] = compiled


def dispatcher_of(function: Callable[..., Any]) -> Any:
    """Return the function in the form in which numba compiles it into others."""
    options = {"nopython": True, "error_model": "numpy", "_nrt": False}
    # without the wrappers by which Python would call it: they take a third of the time
    options |= {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}
    return _Dispatcher(function, targetoptions=options)


def compile_kernel(dispatcher: Any, kinds: tuple[Kind, ...]) -> MachineCode:
    """Compile a kernel for arguments of some kinds.

    Parameters
    ----------
    dispatcher : numba dispatcher
        From `dispatcher_of`.
    kinds : tuple of Kind
        Of the arguments.

    Returns
    -------
    MachineCode
        Of a function that takes plain numbers and addresses.

    Raises
    ------
    TypeError
        When the kernel needs more than the C library while it runs: it allocates, or it raises.
    """
    with global_compiler_lock:
        return _compile(dispatcher.py_func.__name__, *_entry(dispatcher, kinds))


def _compile(name: str, entry: Callable[..., Any], parameter_kinds: tuple[Any, ...]) -> MachineCode:
    """Compile a function that takes plain parameters."""
    typing, target = _Dispatcher.targetdescr.typing_context, _Dispatcher.targetdescr.target_context
    typing.refresh()
    target.refresh()
    flags = Flags()
    flags.no_cpython_wrapper = True
    flags.no_cfunc_wrapper = True
    flags.error_model = "numpy"
    flags.nrt = True  # for the calls that make arrays of addresses; what is left of it is nothing, see _emit
    compiled = compile_extra(typing, target, entry, parameter_kinds, None, flags, {})
    result = compiled.signature.return_type
    symbol = compiled.fndesc.llvm_func_name
    object_code = _emit(target.codegen(), compiled.library, symbol)
    return MachineCode(name, symbol, _letters(result), isinstance(result, types.BaseTuple), object_code)


def _emit(codegen: Any, library: Any, symbol: str) -> bytes:
    """Return the object code of a finished library, with nothing in it that nobody calls."""
    library.finalize()
    module = library._final_module  # noqa: SLF001
    for function in module.functions:
        if not function.is_declaration and function.name != symbol:
            function.linkage = "internal"
    library.optimize()
    machine = codegen._tm  # noqa: SLF001
    passes = llvm.create_new_module_pass_manager()
    passes.add_global_dead_code_eliminate_pass()
    passes.run(module, llvm.create_pass_builder(machine, llvm.create_pipeline_tuning_options()))
    foreign = [
        f.name for f in module.functions if f.is_declaration and f.name.startswith(("NRT_", "numba_", "Py", "_Py"))
    ]
    if foreign:
        raise TypeError(f"a kernel allocates or raises: its machine code calls {', '.join(sorted(foreign))}")
    return bytes(machine.emit_object(module))


def _letters(result: Any) -> str:
    """Return what `MachineCode.returns` says of a type."""
    if isinstance(result, types.BaseTuple):
        return "".join(map(_letters, result.types))
    if isinstance(result, types.NoneType):
        return ""
    if isinstance(result, types.Float) and result.bitwidth == 64:
        return "d"
    if isinstance(result, (types.Integer, types.IntegerLiteral)) and types.unliteral(result).bitwidth == 64:
        return "q"
    raise TypeError(f"a kernel returns int, float and tuples of them, not {result}")


def _entry(dispatcher: Any, kinds: tuple[Kind, ...]) -> tuple[Callable[..., Any], tuple[Any, ...]]:
    """Return a function that puts plain parameters together to what the kernel takes, and their types."""
    maker = _EntryMaker({"carray": numba.carray, "as_strided": np.lib.stride_tricks.as_strided, "function": dispatcher})
    arguments = [maker.argument(kind) for kind in kinds]
    source = f"def entry({', '.join(maker.names)}):\n    return function({', '.join(arguments)})\n"
    exec(source, maker.known)  # noqa: S102 -- made here, of names that are made here
    return maker.known["entry"], tuple(maker.types)


class _EntryMaker:
    """Writes the entry function, parameter by parameter."""

    def __init__(self, known: dict[str, Any]) -> None:
        self.known = known
        self.names: list[str] = []
        self.types: list[Any] = []

    def argument(self, kind: Kind) -> str:
        """Return what stands for an argument in the call of the kernel."""
        if kind == "float":
            return self._parameter(types.float64)
        if kind == "bool":
            return f"({self._parameter(types.int64)} != 0)"
        if isinstance(kind, str):
            return self._parameter(types.int64)
        if isinstance(kind[0], np.dtype):
            return self._array(*kind)
        parts = ", ".join(self.argument(part) for part in kind[1:])
        if kind[0] is tuple:
            return f"({parts},)"
        self.known[kind[0].__name__] = kind[0]
        return f"{kind[0].__name__}({parts})"

    def _array(self, dtype: Any, axes: int, in_order: object) -> str:
        address = self._parameter(types.CPointer(numba.from_dtype(dtype)))
        shape = ", ".join(self._parameter(types.int64) for _ in range(axes))
        if in_order:
            return f"carray({address}, ({shape},))"
        strides = ", ".join(self._parameter(types.int64) for _ in range(axes))
        return f"as_strided(carray({address}, (1,)), ({shape},), ({strides},))"

    def _parameter(self, kind: Any) -> str:
        self.names.append(f"p{len(self.names)}")
        self.types.append(kind)
        return self.names[-1]
