"""What the tests of the commands share: running them, small raw frames, and the same results by plain numpy."""

from __future__ import annotations

import io
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from astropy.io import fits

from zeroframe.cli.main import main
from zeroframe.simulate import SIMULATED_CAMERAS, SimulatedCamera

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

#: An LFC of 400 x 600 image pixels; its own overscan, of which the first seven columns are lit, follows them.
SMALL_LFC: SimulatedCamera = replace(SIMULATED_CAMERAS["palomar-lfc"], image_shape_yx=(400, 600))
SMALL_SECTIONS = ("--overscan", "[608:632,:]", "--trim", "[1:600,:]")


@dataclass(frozen=True)
class Run:
    """What a command left: its exit code, and what it wrote to standard output and standard error."""

    code: int
    out: str
    err: str


def command(*arguments: object) -> Run:
    """Run the command line in this process, where no terminal is."""
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err), pytest.raises(SystemExit) as leaving:
        main([str(argument) for argument in arguments])
    assert isinstance(leaving.value.code, int)
    return Run(leaving.value.code, out.getvalue(), err.getvalue())


def write_raw(path: Path, pixels: np.ndarray, **cards: object) -> Path:
    """Write one raw frame with astropy, a bias unless the cards say something else."""
    header = fits.Header({"IMAGETYP": "zero", "EXPTIME": 0.0, **cards})
    path.parent.mkdir(parents=True, exist_ok=True)
    fits.PrimaryHDU(pixels, header).writeto(path)
    return path


def raw_pixels(number: int, shape_yx: tuple[int, int] = (12, 20), level: float = 1000.0) -> np.ndarray:
    """Make pixels of a raw frame: a level and a noise of 4 ADU, another one for each number."""
    noise = np.random.default_rng(number).normal(level, 4.0, shape_yx)
    return np.rint(noise).astype(np.uint16)


def small_folder(folder: Path, frames: int = 3, **cards: object) -> list[Path]:
    """Write raw biases of 20 x 12 pixels, called b1.fits and so on."""
    return [write_raw(folder / f"b{n}.fits", raw_pixels(n), **cards) for n in range(1, frames + 1)]


def files_in(folder: Path) -> dict[str, bytes]:
    """Return the contents of all files of a folder and of those within."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


def write_files(folder: Path, contents: Mapping[str, bytes]) -> Path:
    """Write them into a folder, one after the other."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in contents.items():
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
    return folder


def pixels_of(path: Path, ext: int | str = 0) -> np.ndarray:
    """Read pixels with astropy, which also compares the checksums (a wrong one is a warning, so an error)."""
    with fits.open(path, checksum=True) as hdus:
        if ext == 0 and hdus[0].data is None:
            ext = 1
        return np.array(hdus[ext].data)


def header_of(path: Path, ext: int = 0) -> fits.Header:
    """Read a header with astropy."""
    return fits.getheader(path, ext)


def naive_clipped_mean(
    stack: np.ndarray, clip: float = 5.0, floor: float = 0.0, *, floor_alone: bool = False
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Clip once at so many 1.4826 MAD, or floors, about the median; return mean, standard deviation, number left.

    Of up to five calibration frames the floor counts alone: the MAD of so few says little.
    """
    stack = stack.astype(np.float64)
    center = np.median(stack, axis=0)
    spread = 0.0 if floor_alone else 1.482602218505602 * np.median(np.abs(stack - center), axis=0)
    kept = np.abs(stack - center) <= clip * np.maximum(spread, floor)
    return np.mean(stack, axis=0, where=kept), np.std(stack, axis=0, where=kept), kept.sum(axis=0)


def floor_of(path: Path) -> float:
    """Read the noise that clipping counted on from the header of a combined frame, where it has four digits."""
    return float(header_of(path)["COMBREJ"].rpartition(" floor ")[2])


def names_in(folder: Path) -> list[str]:
    """List everything in a folder, hidden files too, but what tells of the run and differs from one to the next."""
    return sorted(path.name for path in folder.iterdir() if path.name not in {"run.json", "report.html"})


def bytes_in(folder: Path) -> dict[str, bytes]:
    """Return what is in a folder, but what tells of the run."""
    return {name: (folder / name).read_bytes() for name in names_in(folder)}


def all_float32(paths: Iterable[Path], shape_yx: tuple[int, int]) -> bool:
    """Whether files are float32 images of one shape, as astropy reads them."""
    found = {(fits.getheader(path)["BITPIX"], fits.getdata(path).shape) for path in paths}
    return found == {(-32, shape_yx)}
