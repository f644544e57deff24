"""From a Python function to machine code, by numba; the only module that imports it."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

import llvmlite.binding as llvm
import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.core.codegen import AOTCodeLibrary, JITCPUCodegen
from numba.core.compiler_lock import global_compiler_lock
from numba.core.registry import CPUDispatcher, CPUTarget, cpu_target
from numba.np.arrayobj import populate_array

from zeroframe.kernels._machine import ENTRY, MachineCode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from zeroframe.kernels._arguments import Kind

__all__ = ["compile_kernel", "dispatcher_of"]

_ADDRESS, _INT32, _INT64 = ir.IntType(8).as_pointer(), ir.IntType(32), ir.IntType(64)


class _Library(AOTCodeLibrary):  # type: ignore[misc]  # numba has no types
    """The code of one function, which becomes machine code as a part of the entry function only.

    numba would optimise each function that another one calls, and make machine code of it, before it does so with the
    whole: that took 40 % of the time.
    """

    def _optimize_final_module(self) -> None:
        pass


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
        return _compile(dispatcher, tuple(map(_type_of, kinds)))


def _compile(dispatcher: Any, argument_types: tuple[Any, ...]) -> MachineCode:
    """Compile a kernel, and an entry to it that takes plain parameters."""
    targets = _Dispatcher.targetdescr
    targets.typing_context.refresh()
    targets.target_context.refresh()
    dispatcher.compile(argument_types)
    compiled = dispatcher.overloads[argument_types]
    result = compiled.signature.return_type
    codegen = targets.target_context.codegen()
    library = codegen.create_library("zeroframe")
    library.add_ir_module(_Entry(targets.target_context).written(compiled.fndesc))
    library.add_linking_library(compiled.library)
    code = _emit(codegen, library)
    return MachineCode(dispatcher.py_func.__name__, _letters(result), isinstance(result, types.BaseTuple), code)


def _emit(codegen: Any, library: Any) -> bytes:
    """Return the object code of a library, with nothing in it that nobody calls."""
    library.finalize()
    module = library._final_module  # noqa: SLF001
    for function in module.functions:
        if not function.is_declaration and function.name != ENTRY:
            function.linkage = "internal"
    machine = codegen._tm  # noqa: SLF001
    _optimise(module, machine)
    foreign = [
        f.name for f in module.functions if f.is_declaration and f.name.startswith(("NRT_", "numba_", "Py", "_Py"))
    ]
    if foreign:
        raise TypeError(f"a kernel allocates or raises: its machine code calls {', '.join(sorted(foreign))}")
    return bytes(machine.emit_object(module))


def _optimise(module: Any, machine: Any) -> None:
    """Optimise all at once, and leave out what nobody calls any more.

    numba does it in two rounds, and unrolls loops: kernels are no faster for that (loops over pixels are vectors, four
    at a time), and compiling the largest takes a sixth longer.
    """
    options = llvm.create_pipeline_tuning_options(speed_level=3)
    options.loop_vectorization = True
    options.slp_vectorization = False
    options.loop_unrolling = False
    builder = llvm.create_pass_builder(machine, options)
    passes = builder.getModulePassManager()
    passes.add_global_dead_code_eliminate_pass()
    passes.run(module, builder)


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


def _type_of(kind: Kind) -> Any:
    """Return what numba calls a kind of argument."""
    if isinstance(kind, str):
        return {"float": types.float64, "bool": types.boolean, "int": types.int64}[kind]
    if isinstance(kind[0], np.dtype):
        dtype, axes, in_order = kind
        return types.Array(numba.from_dtype(dtype), axes, "C" if in_order else "A")
    return types.BaseTuple.from_types(tuple(map(_type_of, kind[1:])), None if kind[0] is tuple else kind[0])


class _Entry:
    """Writes the function that puts plain parameters together to what the kernel takes.

    In the compiler's own words: a function in Python for the same took as long to compile as three kernels.
    """

    def __init__(self, target: Any) -> None:
        self._target = target
        self._parameters: Iterator[Any] = iter(())

    def written(self, kernel: Any) -> Any:
        """Return a module with the entry: it is handed where the result goes, and returns numba's status."""
        module = self._target.create_module(ENTRY)
        plain = [part for each in kernel.argtypes for part in self._parameter_types(each)]
        function = ir.Function(module, ir.FunctionType(_INT32, [_ADDRESS, *plain]), ENTRY)
        builder = ir.IRBuilder(function.append_basic_block())
        where, *rest = function.args
        self._parameters = iter(rest)
        arguments = [self._argument(builder, each) for each in kernel.argtypes]
        callee = self._target.declare_function(module, kernel)
        call = self._target.call_conv.call_function
        status, result = call(builder, callee, kernel.restype, kernel.argtypes, arguments)
        if not isinstance(kernel.restype, types.NoneType):
            builder.store(result, builder.bitcast(where, result.type.as_pointer()))
        builder.ret(status.code)
        return module

    def _parameter_types(self, of: Any) -> list[Any]:
        """Return the types of `zeroframe.kernels._arguments.parameter_types`."""
        if isinstance(of, types.Array):
            return [_ADDRESS, *[_INT64] * (of.ndim if of.layout == "C" else 2 * of.ndim)]
        if isinstance(of, types.BaseTuple):
            return [part for own in of.types for part in self._parameter_types(own)]
        return [ir.DoubleType() if of == types.float64 else _INT64]

    def _argument(self, builder: Any, of: Any) -> Any:
        """Return an argument of the kernel, made of the next parameters."""
        if isinstance(of, types.Array):
            return self._array(builder, of)
        if isinstance(of, types.BaseTuple):
            return self._target.make_tuple(builder, of, [self._argument(builder, own) for own in of.types])
        value = next(self._parameters)
        return builder.icmp_signed("!=", value, _INT64(0)) if of == types.boolean else value

    def _array(self, builder: Any, of: Any) -> Any:
        array = self._target.make_array(of)(self._target, builder)
        address = builder.bitcast(next(self._parameters), array.data.type)
        item_bytes = _INT64(self._target.get_abi_sizeof(self._target.get_data_type(of.dtype)))
        shape = [next(self._parameters) for _ in range(of.ndim)]
        if of.layout == "C":
            strides = [item_bytes]
            for length in reversed(shape[1:]):
                strides.insert(0, builder.mul(strides[0], length))
        else:
            strides = [next(self._parameters) for _ in range(of.ndim)]
        populate_array(array, address, shape, strides, item_bytes, None)
        return array._getvalue()  # noqa: SLF001
