"""A first run on two cores: another process compiles the many small kernels while the first large one is compiled.

numba compiles one kernel at a time in a process. What the other process has compiled is found in the store of machine
code; where it was slower, or could not, a kernel is compiled when it is called, as ever.
"""

from __future__ import annotations

import signal
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias

import numpy as np

from zeroframe.kernels._compile import is_kept
from zeroframe.kernels.frame import calibrate_swapped16, read_floats32, swap_bytes32
from zeroframe.kernels.moments import clipped_mean_std, level_rows
from zeroframe.parallel import usable_cores

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["Command", "compiled_ahead"]

Command: TypeAlias = Literal["bias", "combine", "night"]


class _Stage(NamedTuple):
    """Kernels that are compiled together.

    Attributes
    ----------
    compile : callable
        Calls each of them on one pixel, with the types that it is called with in a usual run.
    kernel, arguments
        One of them: where its machine code is there, so is that of the others.
    """

    compile: Callable[[], object]
    kernel: Callable[..., Any]
    arguments: tuple[Any, ...]


def _calibrating() -> _Stage:
    raw, level, pixels = np.zeros((1, 1), np.uint16), np.zeros(1), np.zeros((1, 1), np.float32)
    arguments = (raw, 0.0, level, level, 0, 0, pixels)
    return _Stage(lambda: calibrate_swapped16(*arguments), calibrate_swapped16, arguments)


def _combining() -> _Stage:
    words, wide = np.zeros(1, np.uint32), np.zeros((1, 1))

    def compile_all() -> None:
        swap_bytes32(words, words)
        read_floats32(words, words)
        for dtype in (np.float32, np.float64):
            clipped_mean_std(np.zeros(1, dtype), 0.0, 1.0, 5.0)
        level_rows(wide, 0.0, 1.0, 5.0)

    return _Stage(compile_all, level_rows, (wide, 0.0, 1.0, 5.0))


def _reducing() -> _Stage:
    from zeroframe.kernels.calibrate import Factors, NoiseModel, calibrate_image
    from zeroframe.kernels.masks import mask_high_swapped16

    one, mask = np.ones((1, 1), np.float32), np.zeros((1, 1), np.bool_)
    arguments = (np.zeros((1, 1), np.uint16), 0.0, 1.0, 0, 0, mask)

    def compile_all() -> None:
        mask_high_swapped16(*arguments)
        three = (one, one, one)
        noise = NoiseModel(1.0, 1.0, 1.0, 1.0, 1.0, 1.0)
        calibrate_image(one, one, three, three, one, Factors(), noise, one, one)

    return _Stage(compile_all, mask_high_swapped16, arguments)


def _masking() -> _Stage:
    from zeroframe.kernels.calibrate import flat_level
    from zeroframe.kernels.masks import block_levels, odd_places
    from zeroframe.kernels.ranks import box_medians

    one, level, places = np.ones((1, 1), np.float32), np.zeros((1, 1)), np.zeros((1, 2), np.int64)

    def compile_all() -> None:
        flat_level(one, np.zeros((0, 0), np.bool_), 0.0, 2.0)
        block_levels(one, 1, level)
        box_medians(one, places, 1, np.zeros(1))
        odd_places(one, level, 1, 1.0, 1.0, places)

    return _Stage(compile_all, odd_places, (one, level, 1, 1.0, 1.0, places))


def _finding_rays() -> _Stage:
    from zeroframe.kernels.laplacian import SharpLimits, mark_cosmic_rays
    from zeroframe.kernels.sharp_cells import settle

    one, mask = np.ones((1, 1), np.float32), np.zeros((1, 1), np.uint8)
    return _Stage(lambda: mark_cosmic_rays(one, one, 0, mask, SharpLimits()), settle, (mask,))


_STAGES: dict[str, tuple[Callable[[], _Stage], ...]] = {
    "bias": (_calibrating, _combining),
    "combine": (_combining,),
    "night": (_calibrating, _combining, _reducing, _masking, _finding_rays),
}


@contextmanager
def compiled_ahead(command: Command) -> Iterator[None]:
    """Compile kernels in another process until the block ends, where they are not kept yet and there is a core for it.

    Parameters
    ----------
    command : {'bias', 'combine', 'night'}
        What will be done.

    Examples
    --------
    >>> with compiled_ahead("bias"):
    ...     pass
    """
    if usable_cores() < 2 or not any(_missing(command)):
        yield
        return
    arguments = [sys.executable, "-m", "zeroframe.compiling_ahead", command]
    none = subprocess.DEVNULL  # what it cannot do is done, and told, by this process
    with subprocess.Popen(arguments, stdin=none, stdout=none, stderr=none) as process:  # noqa: S603 -- this program
        try:
            yield
        finally:
            process.terminate()


def _missing(command: str) -> Iterator[_Stage]:
    stages = (stage() for stage in _STAGES[command])
    return (stage for stage in stages if not is_kept(stage.kernel, stage.arguments))


def _leave(*_: object) -> None:
    sys.exit()  # by way of what removes half-written files


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, _leave)
    for missing in _missing(sys.argv[1]):
        missing.compile()
