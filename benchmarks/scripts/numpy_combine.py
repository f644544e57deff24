"""Plain astropy and numpy, in bands of rows: ``numpy_combine.py FOLDER OUT METHOD CLIP``."""

import sys
from contextlib import ExitStack
from pathlib import Path

import numpy as np
from astropy.io import fits
from astropy.stats import sigma_clip

ROWS = 128
folder, out, method, clip = sys.argv[1:5]
paths = sorted(Path(folder).glob("*.fits"))
with ExitStack() as stack:
    images = [stack.enter_context(fits.open(path))[0] for path in paths]
    result = np.empty(images[0].shape, np.float32)
    for start in range(0, len(result), ROWS):
        band = np.array([image.section[start : start + ROWS] for image in images], np.float32)
        if clip == "5":
            band = sigma_clip(band, sigma=5, maxiters=1, stdfunc="mad_std", axis=0, masked=False, copy=False)
        combine = np.median if method == "median" else np.nanmean
        result[start : start + ROWS] = combine(band, axis=0)
    fits.writeto(out, result, images[0].header)
