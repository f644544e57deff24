"""Paths of parts of files: some images of a file that belong together, as one detector's, seen as a file of its own.

Whoever reads such a path by this package's functions gets one image, in which the images of the file stand one above
the other (`zeroframe.fits.scan.FrameFile.part`); whoever asks the system about it gets the file.
"""

from __future__ import annotations

from pathlib import Path, PosixPath
from typing import Any

__all__ = ["PartPath", "file_named", "file_of", "part_path"]


class PartPath(PosixPath):
    """Some images of a file; it can be pickled.

    Attributes
    ----------
    file : pathlib.Path
        The file itself; of what is derived from such a path (its folder, another name) the path itself.
    extensions : tuple of int
        Numbers of the HDUs, in the order in which their images are read, as a rule rising; empty of what is derived.
    label : str
        What tells it from other parts of the file; empty where there is only one.

    Examples
    --------
    >>> path = part_path(Path("raw/n1.fits"), (1, 2), "chip1")
    >>> str(path), path.name, path.parent.name, path.file.name, path.extensions
    ('raw/n1.fits[chip1]', 'n1.fits[chip1]', 'raw', 'n1.fits', (1, 2))
    >>> part_path(Path("raw/n1.fits"), (1, 2)) == Path("raw/n1.fits")
    True
    """

    @property
    def file(self) -> Path:
        """The file itself."""
        found: Path | None = self.__dict__.get("_file")
        return Path(str(self)) if found is None else found

    @property
    def extensions(self) -> tuple[int, ...]:
        """Numbers of the HDUs."""
        found: tuple[int, ...] = self.__dict__.get("_extensions", ())
        return found

    @property
    def label(self) -> str:
        """What tells it from other parts of the file."""
        return str(self.__dict__.get("_label", ""))

    def __fspath__(self) -> str:
        return str(self.__dict__.get("_file", self))

    def __reduce__(self) -> tuple[Any, ...]:
        return part_path, (self.file, self.extensions, self.label)

    def with_segments(self, *segments: Any) -> Path:  # noqa: ANN401 -- as of other paths
        """Return a plain path: what is derived from a part is none."""
        return Path(*map(str, segments))

    def absolute(self) -> PartPath:
        """Return it with the absolute path of its file."""
        return part_path(self.file.absolute(), self.extensions, self.label)

    def resolve(self, strict: bool = False) -> Path:  # type: ignore[override] # noqa: FBT001 -- as of other paths
        """Return where the file really is."""
        return self.file.resolve(strict)


def part_path(file: Path, extensions: tuple[int, ...], label: str = "") -> PartPath:
    """Return the path of some images of a file.

    Parameters
    ----------
    file : pathlib.Path
    extensions : tuple of int
        Numbers of the HDUs, in the order in which their images are to stand one above the other.
    label : str, optional
        What tells it from other parts of the file.
    """
    path = PartPath(f"{file}[{label}]" if label else str(file))
    path.__dict__.update(_file=file, _extensions=extensions, _label=label)
    return path


def file_of(path: Path) -> Path:
    """Return the file that a path is of: of a part of a file, the file.

    Examples
    --------
    >>> file_of(part_path(Path("n1.fits"), (1, 2), "chip1")), file_of(Path("n2.fits"))
    (PosixPath('n1.fits'), PosixPath('n2.fits'))
    """
    return path.file if isinstance(path, PartPath) else path


def file_named(folder: Path, name: str) -> Path:
    """Return the file of a folder that a name is of, which may be that of a part of it.

    Examples
    --------
    >>> file_named(Path("raw"), "n1.fits[chip1]").name, file_named(Path("raw"), "n1.fits").name
    ('n1.fits', 'n1.fits')
    """
    path = folder / name
    if name.endswith("]") and not path.exists():
        return folder / name[: name.rindex("[")]
    return path
