"""The notebook's loop: ``ccdproc_calibrate.py RAW OUT SUFFIX DTYPE MOST``; nothing but its loop."""

import sys
from itertools import islice
from pathlib import Path

import ccdproc as ccdp
import numpy as np

raw, out, suffix, dtype, most = sys.argv[1:]
Path(out).mkdir()
# an .fz file has its image in the first extension, and the collection has to be told
packed = any(path.suffix == ".fz" for path in Path(raw).iterdir())
files = ccdp.ImageFileCollection(raw, ext=1 if packed else 0)
ccds = files.ccds(imagetyp="BIAS", ccd_kwargs={"unit": "adu"}, return_fname=True)
for ccd, file_name in islice(ccds, int(most)):
    if dtype == "float32":  # the notebook leaves it at ccdproc's default, float64
        ccd.data = ccd.data.astype(np.float32)
    # Subtract the overscan
    ccd = ccdp.subtract_overscan(ccd, overscan=ccd[:, 2055:], median=True)  # noqa: PLW2901
    # Trim the overscan
    ccd = ccdp.trim_image(ccd[:, :2048])  # noqa: PLW2901
    # Save the result
    ccd.write(Path(out) / (file_name.split(".fits")[0] + suffix))
