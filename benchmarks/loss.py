"""``python -m benchmarks.loss PLAIN LOSSY``: what science frames lose that are written with ``--compress rice-lossy``.

Both folders hold the results of one night, written without and with that option by ``zeroframe night``. Of each frame
that was written with loss a row is printed: how many times smaller the file is, and its image alone; by how much its
noise grows and its mean changes, in thousandths of its noise; and what the sums over stars are off by, in their errors.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
from astropy.io import fits
from scipy.ndimage import maximum_filter, uniform_filter

__all__: list[str] = []

_SIDE = 9
_HEAD = "| frame | file, times smaller | image | noise grows, % | mean, noises/1000 | stars | rms, errors | largest |"


def _row(plain: Path, lossy: Path) -> str:
    with fits.open(plain) as hdus, fits.open(lossy) as less, fits.open(lossy, disable_image_compression=True) as tables:
        header = less[1].header
        image, after = hdus[0].data.astype(float), less[1].data.astype(float)
        variance = hdus["UNCERT"].data.astype(float) ** 2
        smaller = hdus[0].data.nbytes / tables[1].size
    noise, sky = header["SKYNOISE"], header["SKYLEVEL"]
    apart = after - image
    grown = 100 * (np.sqrt(1 + np.nanvar(apart) / noise**2) - 1)
    peaks = (maximum_filter(image, _SIDE) == image) & (image > sky + 10 * noise)
    error = _SIDE * np.sqrt(uniform_filter(variance, _SIDE)[peaks])
    off = _SIDE**2 * uniform_filter(apart, _SIDE)[peaks] / error
    off = off[np.isfinite(off)]
    whole = plain.stat().st_size / lossy.stat().st_size
    mean = 1000 * np.nanmean(apart) / noise
    return (
        f"| {plain.name} | {whole:.2f} | {smaller:.2f} | {grown:.3f} | {mean:+.3f} | {off.size} | {off.std():.3f} "
        f"| {np.abs(off).max():.3f} |"
    )


def main() -> None:
    """Print a row for each frame that lost something."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.loss", description=__doc__)
    parser.add_argument("plain", type=Path, help="results, written as they are")
    parser.add_argument("lossy", type=Path, help="results of the same night, written with --compress rice-lossy")
    given = parser.parse_args()
    sys.stdout.write(_HEAD + "\n|---|" + "---:|" * 7 + "\n")
    for lossy in sorted(given.lossy.rglob("*.fits.fz")):
        plain = given.plain / lossy.relative_to(given.lossy).with_suffix("")
        if "QSTEP" in fits.getheader(lossy, 1):
            sys.stdout.write(_row(plain, lossy) + "\n")


if __name__ == "__main__":
    main()
