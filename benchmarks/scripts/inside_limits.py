"""What the machine can do when nothing is computed, on two threads.

``inside_limits.py files FOLDER RUNS``: read every file, and write for each a new one of 4 bytes a pixel.
``inside_limits.py over FOLDER RUNS``: the same, into files that exist already.
``inside_limits.py hashed FOLDER RUNS``: as ``files``, with SHA-256 of what is read and CRC-32 of what is written.
``inside_limits.py copy FOLDER RUNS``: copy the pixels of all files, in memory.
"""

import hashlib
import json
import os
import shutil
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import local

import numpy as np
from isal import isal_zlib

PATHS, RUNS = sorted(Path(sys.argv[2]).iterdir()), int(sys.argv[3])
THREADS = 2
HEADER, COLUMNS_RAW, COLUMNS = 2 * 2880, 2080, 2048
MINE = local()


def output_size() -> int:
    """Bytes of a calibrated frame: that of the trimmed image in float32, with a header."""
    from astropy.io import fits

    with fits.open(PATHS[0]) as hdus:
        shape = next(hdu.shape for hdu in hdus if len(hdu.shape) == 2)
    return HEADER + shape[0] * COLUMNS * 4


def transfer(path: Path, size: int, *, hashed: bool) -> None:
    """Read a file and write another one, through buffers that are used again."""
    if not hasattr(MINE, "read"):
        MINE.read, MINE.write = bytearray(path.stat().st_size * 2), memoryview(b"\1" * size)
    descriptor = os.open(path, os.O_RDONLY)
    count = os.preadv(descriptor, [MINE.read], 0)
    os.close(descriptor)
    if hashed:
        hashlib.sha256(memoryview(MINE.read)[:count]).digest()
        isal_zlib.crc32(MINE.write)
    descriptor = os.open(Path("out") / path.name, os.O_WRONLY | os.O_CREAT)
    left = MINE.write
    while left:
        left = left[os.write(descriptor, left) :]
    os.close(descriptor)


def files(pool: ThreadPoolExecutor, *, over: bool, hashed: bool) -> list[float]:
    size, seconds = output_size(), []
    for _ in range(RUNS + 1):
        if not over:
            shutil.rmtree("out", ignore_errors=True)
        Path("out").mkdir(exist_ok=True)
        begin = time.perf_counter()
        list(pool.map(lambda path: transfer(path, size, hashed=hashed), PATHS))
        seconds.append(time.perf_counter() - begin)
    return seconds[1:]


def copy(pool: ThreadPoolExecutor) -> list[float]:
    source = np.concatenate([np.fromfile(path, np.uint8) for path in PATHS])
    target, seconds = np.zeros_like(source), []
    halves = [slice(0, source.size // 2), slice(source.size // 2, None)]
    for _ in range(RUNS + 1):
        begin = time.perf_counter()
        list(pool.map(lambda half: np.copyto(target[half], source[half]), halves))
        seconds.append(time.perf_counter() - begin)
    return seconds[1:]


with ThreadPoolExecutor(THREADS) as threads:
    what = sys.argv[1]
    found = copy(threads) if what == "copy" else files(threads, over=what == "over", hashed=what == "hashed")
print(json.dumps({"seconds": found}))
