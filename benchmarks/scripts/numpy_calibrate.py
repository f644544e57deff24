"""Plain astropy and numpy: ``numpy_calibrate.py RAW OUT``; float32 from the start."""

import sys
from pathlib import Path

import numpy as np
from astropy.io import fits

raw, out = Path(sys.argv[1]), Path(sys.argv[2])
out.mkdir()
for path in sorted(raw.iterdir()):
    with fits.open(path) as hdus:
        hdu = next(hdu for hdu in hdus if hdu.header["NAXIS"] == 2)
        pixels = hdu.data.astype(np.float32)
        header = hdu.header
    level = np.median(pixels[:, 2055:], axis=1, keepdims=True)
    fits.writeto(out / (path.name.split(".fits")[0] + ".fits"), pixels[:, :2048] - level, header)
