"""The guide's notebooks in one script: ``ccdproc_night.py RAW OUT READ_NOISE_E DTYPE``.

Biases and darks as in its chapters 2 and 3, flats as in 5, science frames as in 6, with the uncertainty carried along;
the bias stays in the darks. The guide leaves arithmetic at ccdproc's default, float64, and writes float32.
"""

import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

import ccdproc as ccdp
import numpy as np
from astropy import units as u
from astropy.nddata import CCDData
from astropy.stats import mad_std

RAW, OUT, READ_NOISE_E, DTYPE = Path(sys.argv[1]), Path(sys.argv[2]), float(sys.argv[3]), np.dtype(sys.argv[4])
FOLDERS = (".", "darks")
CLIPPING = {
    "method": "average",
    "sigma_clip": True,
    "sigma_clip_low_thresh": 5,
    "sigma_clip_high_thresh": 5,
    "sigma_clip_func": np.ma.median,
    "sigma_clip_dev_func": mad_std,
    "mem_limit": 350e6,
    "dtype": DTYPE,
}


def raw_frames(imagetyp: str) -> Iterator[tuple[CCDData, Path]]:
    """Raw frames of a kind, less overscan and trimmed, with what they are to be called."""
    for folder in FOLDERS:
        files = ccdp.ImageFileCollection(RAW / folder)
        if imagetyp not in files.summary["imagetyp"]:
            continue
        for ccd, name in files.ccds(imagetyp=imagetyp, ccd_kwargs={"unit": "adu"}, return_fname=True):
            ccd.data = ccd.data.astype(DTYPE)
            ccd = ccdp.subtract_overscan(ccd, overscan=ccd[:, 2055:], median=True)  # noqa: PLW2901
            yield ccdp.trim_image(ccd[:, :2048]), OUT / folder / name


def write(ccd: CCDData, path: Path) -> None:
    ccd.data = ccd.data.astype(np.float32)
    if ccd.uncertainty is not None:
        ccd.uncertainty.array = ccd.uncertainty.array.astype(np.float32)
    ccd.write(path)


def combine(paths: list[str], name: str, **more: object) -> None:
    combined = ccdp.combine(paths, **CLIPPING, **more)
    combined.meta["combined"] = True
    write(combined, OUT / name)


def combined_frames(imagetyp: str, word: str) -> dict[object, CCDData]:
    """Combined frames by what their header says."""
    files = ccdp.ImageFileCollection(OUT)
    return {ccd.header[word]: ccd for ccd in files.ccds(imagetyp=imagetyp, combined=True)}


def less_dark(ccd: CCDData, darks: dict[object, CCDData]) -> CCDData:
    nearest = min(darks, key=lambda seconds: abs(seconds - ccd.header["exptime"]))
    return ccdp.subtract_dark(ccd, darks[nearest], exposure_time="exptime", exposure_unit=u.second)


def biases() -> None:
    paths = []
    for ccd, path in raw_frames("BIAS"):
        write(ccd, path)
        paths.append(str(path))
    combine(paths, "combined_bias.fits")


def darks() -> None:
    for ccd, path in raw_frames("DARK"):
        write(ccd, path)
    files = ccdp.ImageFileCollection(OUT / "darks")
    is_dark = files.summary["imagetyp"] == "DARK"
    for seconds in sorted(set(files.summary["exptime"][is_dark])):
        paths = files.files_filtered(imagetyp="dark", exptime=seconds, include_path=True)
        combine(paths, f"combined_dark_{seconds:g}s.fits")


def flats() -> None:
    darks = combined_frames("DARK", "exptime")
    for ccd, path in raw_frames("FLATFIELD"):
        write(less_dark(ccd, darks), path)
    files = ccdp.ImageFileCollection(OUT)
    is_flat = files.summary["imagetyp"] == "FLATFIELD"
    for name in sorted(set(files.summary["filter"][is_flat])):
        paths = files.files_filtered(imagetyp="flatfield", filter=name, include_path=True)
        combine(paths, f"combined_flat_{name.strip(chr(39))}.fits", scale=inverse_median)


def inverse_median(image: np.ndarray) -> float:
    return float(1 / np.median(image))


def science() -> None:
    darks, flats = combined_frames("DARK", "exptime"), combined_frames("FLATFIELD", "filter")
    for ccd, path in raw_frames("OBJECT"):
        gain = ccd.header["gain"] * u.electron / u.adu
        ccd = ccdp.create_deviation(ccd, gain=gain, readnoise=READ_NOISE_E * u.electron, disregard_nan=True)  # noqa: PLW2901
        write(ccdp.flat_correct(less_dark(ccd, darks), flats[ccd.header["filter"]]), path)


warnings.simplefilter("ignore")
(OUT / "darks").mkdir(parents=True)
for chapter in (biases, darks, flats, science):
    chapter()
