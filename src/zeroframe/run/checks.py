"""Look at results as they stand on the disk: whether every file is there, and of the form that it should have."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zeroframe.errors import DamagedError, FrameError
from zeroframe.fits import scan
from zeroframe.fits.failures import attempt
from zeroframe.fits.store.names import REMOTE_THREADS, any_remote, byte_count
from zeroframe.fits.timeline import spanned
from zeroframe.records import dataclass
from zeroframe.run.result_files import as_stamped
from zeroframe.workers import batches_of, map_jobs, map_threads

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from concurrent.futures import Executor
    from pathlib import Path

    _Batch = Sequence[tuple[Path, tuple[int, int]]]

__all__ = ["FolderCheck", "Whole", "check_files", "read_back", "unchanged_files"]

#: So many files are a job of a worker.
_BATCH = 64
_TYPE_NAMES = {-32: "float32", -64: "float64"}


@dataclass(frozen=True, slots=True)
class FolderCheck:
    """What was read back.

    Attributes
    ----------
    files : int
        How many of the expected files are there and whole.
    shapes_yx : tuple of (int, int)
        Their different shapes.
    dtypes : tuple of str
        Their different types.
    byte_count : int
        Their sizes together.
    problems : tuple of str
        One sentence for each file that is missing, cut off, or has another form than it should.
    """

    files: int
    shapes_yx: tuple[tuple[int, ...], ...]
    dtypes: tuple[str, ...]
    byte_count: int
    problems: tuple[str, ...]


@spanned("check results")
def check_files(
    expected: Mapping[Path, tuple[int, int]],
    vouched: Mapping[Path, Whole] | None = None,
    executor: Executor | None = None,
) -> FolderCheck:
    """Read back the headers and sizes of files.

    Parameters
    ----------
    expected : mapping of path to tuple of int
        The files that should be there, with the shape of their images.
    vouched : mapping of path to Whole, optional
        Those of them that were read back before, and have not been changed since: they are not opened.
    executor : concurrent.futures.Executor, optional
        Whose processes open the others, many a job, instead of threads here.

    Returns
    -------
    FolderCheck
    """
    known = vouched or {}
    opened = [(path, shape) for path, shape in expected.items() if path not in known]
    looked = [each for some in _mapped(executor, batches_of(opened, _BATCH)) for each in some]
    whole = [*known.values(), *(each for each in looked if isinstance(each, Whole))]
    return FolderCheck(
        len(whole),
        tuple(sorted({each.shape_yx for each in whole})),
        tuple(sorted({each.dtype for each in whole})),
        sum(each.byte_count for each in whole),
        tuple(each for each in looked if isinstance(each, str)),
    )


@dataclass(frozen=True, slots=True)
class Whole:
    """A file that is as it should be.

    Attributes
    ----------
    shape_yx : tuple of int
        Of its image.
    dtype : str
        Of its pixels.
    byte_count : int
        Its size.
    """

    shape_yx: tuple[int, ...]
    dtype: str
    byte_count: int


@spanned("read back", lambda path, *_: path)
def read_back(path: Path, shape_yx: tuple[int, int]) -> Whole:
    """Look at a file that was written: whether it is there, complete, and holds an image of a shape.

    Raises
    ------
    FrameError
        When it does not; it says what is wrong.
    """
    frame = scan(path)
    layout, size = frame.image().layout, byte_count(path)
    advice = "run again with --overwrite"
    if layout is None or layout.shape_yx != shape_yx:
        found = "nothing" if layout is None else " x ".join(str(n) for n in reversed(layout.shape_yx))
        raise DamagedError(path, f"holds {found} and not {shape_yx[1]} x {shape_yx[0]} pixels", advice)
    if frame.remarks:
        raise DamagedError(path, "; ".join(frame.remarks), advice)
    return Whole(layout.shape_yx, _TYPE_NAMES.get(layout.bitpix, f"BITPIX {layout.bitpix}"), size)


def unchanged_files(known: Iterable[tuple[Path, str | None, Whole]]) -> dict[Path, Whole]:
    """Return the files that have their stamps still, and so are what they were found to be.

    Parameters
    ----------
    known : iterable of (path, str or None, Whole)
        Files, their stamps when they were read back, and what was found then.
    """
    found = {path: (stamp, whole) for path, stamp, whole in known}
    stamped = as_stamped({path: stamp for path, (stamp, _) in found.items() if stamp})
    return {path: whole for path, (_, whole) in found.items() if path in stamped}


def _mapped(executor: Executor | None, batches: Sequence[_Batch]) -> list[list[Whole | str]]:
    return [_looked_at(each) for each in batches] if executor is None else map_jobs(executor, _looked_at, batches)


def _looked_at(batch: _Batch) -> list[Whole | str]:
    return map_threads(_looked_at_one, batch, REMOTE_THREADS if any_remote(*(path for path, _ in batch)) else 1)


def _looked_at_one(expected: tuple[Path, tuple[int, int]]) -> Whole | str:
    """Look at one file; return what is wrong with it, where something is."""
    seen = attempt(expected[0], read_back, *expected)
    return str(seen) if isinstance(seen, FrameError) else seen
