"""Say in a few words how far images are from the first one: ``compare.py FILE FACTOR FILE FACTOR ...``."""

import sys

import numpy as np
from astropy.io import fits


def image(path: str, factor: str) -> np.ndarray:
    with fits.open(path, memmap=False) as hdus:
        pixels = next(hdu.data for hdu in hdus if hdu.data is not None)
        return pixels.astype(np.float32) * np.float32(factor)


def difference(reference: np.ndarray, other: np.ndarray) -> str:
    if reference.shape != other.shape:
        return f"{other.shape} and not {reference.shape}"
    apart = np.abs(other - reference)
    off = ~(apart <= 1e-4 * np.maximum(np.abs(reference), 1))
    if off.any():
        return f"{100 * off.mean():.3g} % of pixels differ, by {np.nanmedian(apart[off]):.3g} ADU"
    return "equal" if apart.max() == 0 else f"within {apart.max():.1g} ADU"


def main() -> None:
    pairs = list(zip(sys.argv[1::2], sys.argv[2::2], strict=True))
    reference = image(*pairs[0])
    print("reference")
    for path, factor in pairs[1:]:
        print(difference(reference, image(path, factor)))


main()
