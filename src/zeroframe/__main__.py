"""The program: ``zeroframe``, and ``python -m zeroframe``."""

import gc
import os

__all__ = ["main"]


def main() -> None:
    """Run the command line.

    A fifth of the start is saved here. Importing makes some 100 000 objects that stay, which are searched for garbage
    again and again by default; and numpy's library of linear algebra starts a thread for each core, which waits in a
    busy loop: nothing here uses it on more than small systems of equations.
    """
    gc.set_threshold(100_000)
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    from zeroframe.cli import main as run

    run()


if __name__ == "__main__":
    main()
