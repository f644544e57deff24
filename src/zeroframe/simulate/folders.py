"""Folders of simulated frames: a set of biases, or the whole night of the CCD Data Reduction Guide's examples."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Literal

from zeroframe.errors import OutputError, UsageError
from zeroframe.fits import looks_like_fits
from zeroframe.fits.ahead import WRITING, import_ahead
from zeroframe.headers.own_results import SIMULATED_FRAME
from zeroframe.headers.trees import folder_files
from zeroframe.simulate.frame import simulate_frame
from zeroframe.simulate.mosaic_frames import mosaic_sensors, simulate_mosaic_frame
from zeroframe.simulate.mosaics import SimulatedMosaic, any_camera
from zeroframe.simulate.sensor import sensor_truth
from zeroframe.simulate.specs import FrameSpec, SimulatedCamera
from zeroframe.workers import map_threads, usable_cores

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Sequence

    from zeroframe.fits import ImagePart
    from zeroframe.fits.replacing import Overwrite
    from zeroframe.simulate.specs import FrameKind

__all__ = ["bias_specs", "night_specs", "simulate_biases", "simulate_night"]

# A science frame of the CG16M takes up to 400 MB while it is made: more threads would ask too much of a laptop.
_MOST_THREADS = 4


def bias_specs(camera: str | SimulatedCamera | SimulatedMosaic, frames: int) -> tuple[FrameSpec, ...]:
    """Return the exposures of a set of biases, named as the camera names them.

    Parameters
    ----------
    camera : str, SimulatedCamera or SimulatedMosaic
        The camera.
    frames : int
        How many.

    Returns
    -------
    tuple of FrameSpec
        The exposures; a frame's ``index`` in `simulate_frame` is its place here.

    Raises
    ------
    CameraError, UsageError
        When no simulated camera has that name, or fewer than one frame is asked for.

    Examples
    --------
    >>> [spec.file_name for spec in bias_specs("palomar-lfc", 2)]
    ['ccd.001.0.fits', 'ccd.002.0.fits']
    """
    camera = any_camera(camera)
    if frames < 1:
        raise UsageError(f"{frames} frames cannot be simulated; ask for at least 1")
    if isinstance(camera, SimulatedMosaic):
        return tuple(_mosaic_frame("bias", number) for number in range(1, frames + 1))
    make = {"palomar-lfc": _lfc_frame, "apogee-cg16m": _cg16m_dark_frame, "osc-cmos": _cmos_dark_frame}
    return tuple(make[camera.header_style]("bias", number) for number in range(1, frames + 1))


def night_specs(camera: str | SimulatedCamera | SimulatedMosaic) -> tuple[FrameSpec, ...]:
    """Return the exposures of a whole night: names, kinds, filters and exposure times as in the guide's examples.

    Parameters
    ----------
    camera
        As for `bias_specs`, which says what is returned and raised; a night begins with its biases, so their pixels are
        those of `simulate_biases`.

    Examples
    --------
    >>> specs = night_specs("palomar-lfc")
    >>> len(specs), specs[-1].file_name, specs[-1].exposure_s
    (24, 'darks/ccd.025.0.fits', 7.0)
    """
    camera = any_camera(camera)
    if isinstance(camera, SimulatedMosaic):
        return _mosaic_night()
    nights = {"palomar-lfc": _lfc_night, "apogee-cg16m": _cg16m_night, "osc-cmos": _cmos_night}
    return nights[camera.header_style]()


def simulate_biases(
    camera: str | SimulatedCamera | SimulatedMosaic,
    directory: str | os.PathLike[str],
    *,
    frames: int = 6,
    gzip: bool = False,
    seed: int = 1,
    overwrite: bool = False,
    progress: Callable[[Path], None] | None = None,
) -> list[Path]:
    """Write a folder of raw bias frames.

    Parameters
    ----------
    camera : str, SimulatedCamera or SimulatedMosaic
        The camera.
    directory : path
        Where to write; made if it is not there.
    frames : int, optional
        How many. Frames are the same whether few or many are made.
    gzip : bool, optional
        Write ``.gz`` files.
    seed : int, optional
        The seed, not negative.
    overwrite : bool, optional
        Replace simulated frames of the same names; other files are never replaced.
    progress : callable, optional
        Called with the path of each frame when it is written: by the thread that wrote it, never by two at once.

    Returns
    -------
    list of Path
        The files, in the order of `bias_specs`.

    Raises
    ------
    CameraError
        When no simulated camera has that name.
    UsageError
        When fewer than one frame is asked for, or the seed is negative.
    OutputExistsError
        When a file is there already that may not be replaced; nothing has been written then.
    OutputError
        When a file cannot be written, or the folder holds frames that were not simulated.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> camera = any_camera("palomar-lfc").resized((64, 64))
    >>> with TemporaryDirectory() as folder:
    ...     paths = simulate_biases(camera, folder, frames=3)
    >>> len(paths), paths[0].name
    (3, 'ccd.001.0.fits')
    """
    camera = any_camera(camera)
    specs = bias_specs(camera, frames)
    return _write_folder(camera, specs, Path(directory), gzip=gzip, seed=seed, overwrite=overwrite, progress=progress)


def simulate_night(
    camera: str | SimulatedCamera | SimulatedMosaic,
    directory: str | os.PathLike[str],
    *,
    gzip: bool = False,
    seed: int = 1,
    overwrite: bool = False,
    progress: Callable[[Path], None] | None = None,
) -> list[Path]:
    """Write the raw frames of a whole night: biases, darks, flats and science frames.

    Parameters
    ----------
    camera : str, SimulatedCamera or SimulatedMosaic
        The camera.
    directory : path
        Where to write; it and the folders within are made if they are not there.
    gzip, seed, overwrite, progress
        As in `simulate_biases`.

    Returns
    -------
    list of Path
        The files, in the order of `night_specs`.

    Raises
    ------
    CameraError, UsageError, OutputExistsError, OutputError
        As `simulate_biases` does; and when the camera lacks a filter of the night.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> camera = any_camera("palomar-lfc").resized((64, 64))
    >>> with TemporaryDirectory() as folder:
    ...     paths = simulate_night(camera, folder)
    >>> len(paths), paths[0].name
    (24, 'ccd.001.0.fits')
    """
    camera = any_camera(camera)
    specs = night_specs(camera)
    return _write_folder(camera, specs, Path(directory), gzip=gzip, seed=seed, overwrite=overwrite, progress=progress)


def _write_folder(
    camera: SimulatedCamera | SimulatedMosaic,
    specs: Sequence[FrameSpec],
    directory: Path,
    *,
    gzip: bool,
    seed: int,
    overwrite: bool,
    progress: Callable[[Path], None] | None,
) -> list[Path]:
    """Make and write the frames in threads; numpy and igzip let go of the interpreter while they work."""
    if seed < 0:
        raise UsageError(f"the seed is {seed}; give a number that is not negative")
    paths = [directory / (spec.file_name + (".gz" if gzip else "")) for spec in specs]
    for folder in {path.parent for path in paths}:
        _refuse_real_frames(folder)
    replaces = {path: SIMULATED_FRAME.permission(path, overwrite=overwrite) for path in paths}
    parts_of = _parts_of_mosaic(camera, seed) if isinstance(camera, SimulatedMosaic) else _parts(camera, specs, seed)
    for folder in {path.parent for path in paths}:
        folder.mkdir(parents=True, exist_ok=True)

    one_at_a_time = Lock()

    def make(index: int) -> None:
        _write_raw(paths[index], parts_of(specs[index], index), gzip=gzip, overwrite=replaces[paths[index]])
        if progress is not None:
            with one_at_a_time:
                progress(paths[index])

    import_ahead(*WRITING, "astropy.io.fits")
    map_threads(make, range(len(specs)), min(_MOST_THREADS, usable_cores()))
    return paths


def _refuse_real_frames(folder: Path) -> None:
    """Refuse a folder in which other frames lie: what is calibrated there next would take both for one night."""
    for path in folder_files(folder) if folder.is_dir() else ():
        if path.is_file() and looks_like_fits(path) and not SIMULATED_FRAME.is_ours(path):
            reason = f"holds a frame that was not simulated ({path.name}), and simulated ones would be mixed with it"
            raise OutputError(folder, reason, "choose another folder")


def _parts(
    camera: SimulatedCamera, specs: Sequence[FrameSpec], seed: int
) -> Callable[[FrameSpec, int], list[ImagePart]]:
    """Return what makes the one image of a raw file."""
    from zeroframe.fits import ImagePart

    # Frames that see light need the response of their filter, and only of that.
    filters = {spec.filter_name for spec in specs if spec.is_lit}
    sensor = sensor_truth(camera, seed, filter_names=[camera.filter_light(name).name for name in filters])

    def make(spec: FrameSpec, index: int) -> list[ImagePart]:
        frame = simulate_frame(camera, spec, seed, index=index, sensor=sensor)
        return [ImagePart(frame.pixels, frame.header)]

    return make


def _parts_of_mosaic(camera: SimulatedMosaic, seed: int) -> Callable[[FrameSpec, int], list[ImagePart]]:
    """Return what makes the images of a raw file, one for each amplifier."""
    from zeroframe.fits import ImagePart

    sensors = mosaic_sensors(camera, seed)

    def make(spec: FrameSpec, index: int) -> list[ImagePart]:
        frame = simulate_mosaic_frame(camera, spec, seed, index=index, sensors=sensors)
        images = [ImagePart(pixels, header, str(header.get("EXTNAME", ""))) for pixels, header in frame.images]
        return images if camera.one_image else [ImagePart(None, frame.primary), *images]

    return make


def _write_raw(path: Path, parts: Sequence[ImagePart], *, gzip: bool, overwrite: Overwrite) -> None:
    """Write one frame as the camera would: 16-bit whole numbers with BZERO 32768."""
    from zeroframe.fits import write_fits

    write_fits(path, parts, compress="gzip" if gzip else "none", overwrite=overwrite)


def _mosaic_night() -> tuple[FrameSpec, ...]:
    """Return a night of 8 biases, 3 darks of 120 s, 6 flats and 3 science frames in one filter."""
    kinds = [("bias", 0.0)] * 8 + [("dark", 120.0)] * 3 + [("flat", 10.0)] * 6 + [("science", 120.0)] * 3
    return tuple(_mosaic_frame(kind, number, exposure) for number, (kind, exposure) in enumerate(kinds, start=1))  # type: ignore[arg-type]


def _mosaic_frame(kind: FrameKind, number: int, exposure_s: float = 0.0) -> FrameSpec:
    name = "R" if kind in {"flat", "science"} else None
    return FrameSpec(kind, exposure_s, name, f"obs{number:03d}.fits", number, "field" if kind == "science" else kind)


def _lfc_night() -> tuple[FrameSpec, ...]:
    """Return the first example's tables: 6 biases, 3 + 3 flats, 2 science frames; in ``darks`` a bias and 9 darks."""
    biases = [_lfc_frame("bias", number) for number in range(1, 7)]
    flats_g = [
        FrameSpec("flat", exposure_s, "g'", f"ccd.{number:03d}.0.fits", number, "flat_g")
        for number, exposure_s in ((14, 70.001), (15, 70.011), (16, 70.001))
    ]
    flats_i = [FrameSpec("flat", 7.0, "i'", f"ccd.{number:03d}.0.fits", number, "flat_i") for number in (17, 18, 19)]
    science = [
        FrameSpec("science", exposure_s, name, f"ccd.{number:03d}.0.fits", number, "field", level_offset_adu=-20.0)
        for number, name, exposure_s in ((37, "g'", 300.062), (43, "i'", 300.014))
    ]
    darks = [_lfc_frame("bias", 2)] + [
        _lfc_frame("dark", number, exposure_s)
        for exposure_s, numbers in ((300.0, (13, 14, 15)), (70.0, (17, 18, 19)), (7.0, (23, 24, 25)))
        for number in numbers
    ]
    in_folder = [replace(spec, file_name=f"darks/{spec.file_name}") for spec in darks]
    return (*biases, *flats_g, *flats_i, *science, *in_folder)


def _cg16m_night() -> tuple[FrameSpec, ...]:
    """Return the table of the second example: 10 biases, 10 darks of 90 s, 10 twilight flats, 2 light frames."""
    numbers = (*range(1, 10), 20)
    biases = [_cg16m_dark_frame("bias", number) for number in numbers]
    darks = [_cg16m_dark_frame("dark", number, 90.0) for number in numbers]
    # Exposures are no shorter than 1 s: the counts fall with the twilight, until exposures grow to hold them.
    exposures_s = (1.0, 1.0, 1.0, 1.0, 1.0, 1.02, 1.06, 1.11, 1.16, 1.21)
    flats = [
        FrameSpec(
            "flat",
            exposure_s,
            "r",
            f"AutoFlat-PANoRot-r-Bin1-{number:03d}.fit",
            number,
            light_scale=1.26 * 0.955 ** (number - 1),
        )
        for number, exposure_s in enumerate(exposures_s, start=1)
    ]
    lights = [
        FrameSpec("science", 90.0, "r", f"kelt-16-b-S001-R001-C{number:03d}-r.fit", number, "kelt-16b")
        for number in (84, 125)
    ]
    return (*biases, *darks, *flats, *lights)


def _cmos_night() -> tuple[FrameSpec, ...]:
    """Return the table of a night with a colour camera: 10 biases, 6 darks and 4 lights of 60 s, 8 flats of a panel."""
    biases = [_cmos_dark_frame("bias", number) for number in range(1, 11)]
    darks = [_cmos_dark_frame("dark", number, 60.0) for number in range(1, 7)]
    flats = [FrameSpec("flat", 2.0, "clear", f"FLAT/flat_{number:04d}.fits", number) for number in range(1, 9)]
    lights = [
        FrameSpec("science", 60.0, "clear", f"LIGHT/m67_60s_{number:04d}.fits", number, "M 67")
        for number in range(1, 5)
    ]
    return (*biases, *darks, *flats, *lights)


def _cmos_dark_frame(kind: Literal["bias", "dark"], number: int, exposure_s: float = 0.0) -> FrameSpec:
    """Return a bias or dark of the CMOS camera, in the folder of its kind."""
    return FrameSpec(kind, exposure_s, None, f"{kind.upper()}/{kind}_{number:04d}.fits", number)


def _lfc_frame(kind: Literal["bias", "dark"], number: int, exposure_s: float = 0.0) -> FrameSpec:
    """Return a bias or dark of the LFC; its filter wheel is reported even then."""
    return FrameSpec(kind, exposure_s, "i'", f"ccd.{number:03d}.0.fits", number, kind)


def _cg16m_dark_frame(kind: Literal["bias", "dark"], number: int, exposure_s: float = 0.0) -> FrameSpec:
    """Return a bias or dark of the CG16M; no filter is reported."""
    name = f"{kind.capitalize()}-S001-R001-C{number:03d}-NoFilt.fit"
    return FrameSpec(kind, exposure_s, None, name, number)
