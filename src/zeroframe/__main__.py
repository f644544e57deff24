"""The program: ``zeroframe``, and ``python -m zeroframe``."""

import ctypes
import gc
import os

__all__ = ["main"]

#: Of glibc's mallopt: arrays from this size on are mapped by themselves, and so many bytes freed are kept; threads
#: share one heap.
_MMAP_THRESHOLD, _TRIM_THRESHOLD, _MOST_ARENAS = -3, -1, -8
_MAPPED_BYTES, _KEPT_BYTES = 32 << 20, 512 << 20


def main() -> None:
    """Run the command line.

    A fifth of the start is saved here. Importing makes some 100 000 objects that stay, which are searched for garbage
    again and again by default, in 40 ms each time, and twice more at the end; and numpy's library of linear algebra
    starts a thread for each core, which waits in a busy loop: nothing here uses it on more than small systems of
    equations.
    """
    from zeroframe.cli.streams import fill_descriptors

    fill_descriptors()  # before any file is opened that stays open
    gc.set_threshold(400_000)
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    _keep_freed_memory()
    from zeroframe.cli.main import main as run

    try:
        run()
    finally:
        gc.freeze()  # all that is there goes with the process, unsearched


def _keep_freed_memory() -> None:
    """Have arrays of some megabytes made from memory that others have left, not from fresh pages each time.

    To combine 25 frames took 38 000 fresh pages and takes 25 000: a tenth of the time. Other C libraries go their own
    way.
    """
    library = ctypes.CDLL(None)
    if hasattr(library, "mallopt"):
        library.mallopt(_MMAP_THRESHOLD, _MAPPED_BYTES)
        library.mallopt(_TRIM_THRESHOLD, _KEPT_BYTES)
        library.mallopt(_MOST_ARENAS, 1)


if __name__ == "__main__":
    main()
