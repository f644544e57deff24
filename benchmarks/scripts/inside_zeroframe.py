"""zeroframe measured inside one process, after a first run that is not counted.

``inside_zeroframe.py calibrate|verb|arrays FOLDER RUNS``
"""

import json
import shutil
import sys
import time
from collections.abc import Callable
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

import numpy as np

FOLDER, RUNS = Path(sys.argv[2]), int(sys.argv[3])


def timed(work: Callable[[], object], prepare: Callable[[], object] = lambda: None) -> list[float]:
    """Seconds of each run but the first."""
    seconds = []
    for _ in range(RUNS + 1):
        prepare()
        begin = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - begin)
    return seconds[1:]


def calibrate() -> list[float]:
    """The command that calibrates a folder, in a warm process; the files of the run before are removed first."""
    from zeroframe.cli.main import main

    def work() -> None:
        sections = ["--overscan", "[2056:2080,*]", "--trim", "[1:2048,*]"]
        with redirect_stdout(StringIO()):
            try:
                main(["bias", str(FOLDER), "--out", "out", *sections, "--no-combine", "--no-report"])
            except SystemExit as left:
                if left.code:
                    raise

    return timed(work, lambda: shutil.rmtree("out", ignore_errors=True))


def verb() -> list[float]:
    """`zeroframe.combine` of CCDData in memory, called as the notebook calls ccdproc's."""
    from astropy.stats import mad_std

    import zeroframe

    frames = [zeroframe.read_ccd(path) for path in sorted(FOLDER.glob("*.fits"))]
    clipping = {"sigma_clip_low_thresh": 5, "sigma_clip_high_thresh": 5}
    functions = {"sigma_clip_func": np.ma.median, "sigma_clip_dev_func": mad_std}
    return timed(lambda: zeroframe.combine(frames, method="average", sigma_clip=True, **clipping, **functions))


def arrays() -> list[float]:
    """The numerical half alone: arrays in memory to a combined array."""
    from zeroframe.fits import read_raw
    from zeroframe.stacks.combine import CombineSpec, Rejection, combine_stack
    from zeroframe.stacks.stack import ArrayStack

    paths = sorted(FOLDER.glob("*.fits"))
    pixels = [np.ascontiguousarray(read_raw(path).decode()) for path in paths]
    stack = ArrayStack(pixels, [None] * len(pixels), tuple(path.name for path in paths))
    spec = CombineSpec("average", Rejection(sigma_low=5, sigma_high=5))
    return timed(lambda: combine_stack(stack, spec))


print(json.dumps({"seconds": {"calibrate": calibrate, "verb": verb, "arrays": arrays}[sys.argv[1]]()}))
