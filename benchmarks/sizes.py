"""How much work the workloads are: the full size, and a quick one."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["QUICK", "Size"]


@dataclass(frozen=True, slots=True)
class Size:
    """How much work there is.

    Parameters
    ----------
    rows : int
        Rows of a raw frame, which has 2080 columns; a Large Format Camera's has 4128.
    few, many : int
        Frames in a folder: gzipped ones and others.
    stacks : tuple of int
        Frames that are combined.
    headers : int
        Files in the table of headers.
    listed : tuple of int
        Files that ``zeroframe ls`` lists.
    growth : tuple of int
        Frames that are combined under a limit of memory; beyond the largest of ``stacks`` they repeat.
    mpixels : tuple of int
        Sizes of a frame in million pixels, of which 10 are combined under a limit.
    limits_mb : (int, int)
        The limits of the two.
    runs_inside : int
        How often work is timed inside one process.
    night_dtypes : tuple of str
        What ccdproc reduces a night in.
    beside : bool
        Whether the plain case is measured beside amplifiers, colours, a library, and results with loss beside others.
    """

    rows: int = 4128
    few: int = 6
    many: int = 25
    stacks: tuple[int, ...] = (6, 25, 100)
    headers: int = 2000
    listed: tuple[int, ...] = (10_000, 100_000)
    growth: tuple[int, ...] = (10, 25, 50, 100, 200, 400)
    mpixels: tuple[int, ...] = (1, 4, 16, 36, 64, 100)
    limits_mb: tuple[int, int] = (500, 2000)
    runs_inside: int = 3
    night_dtypes: tuple[str, ...] = ("float64", "float32")
    beside: bool = True


#: Under a minute: says that the benchmark works, and nothing about speed.
QUICK = Size(
    rows=128,
    few=3,
    many=6,
    stacks=(6,),
    headers=100,
    listed=(100,),
    growth=(6, 12, 72),
    mpixels=(1, 4),
    limits_mb=(100, 150),
    runs_inside=2,
    night_dtypes=("float64",),
    beside=False,
)
