"""The notebook's call of ``ccdproc.combine``: ``ccdproc_combine.py FOLDER OUT METHOD CLIP [MEM_LIMIT]``."""

import sys
from pathlib import Path

import ccdproc as ccdp
import numpy as np
from astropy.stats import mad_std

folder, out, method, clip = sys.argv[1:5]
paths = sorted(str(path) for path in Path(folder).glob("*.fits"))
clipping = {
    "sigma_clip": True,
    "sigma_clip_low_thresh": 5,
    "sigma_clip_high_thresh": 5,
    "sigma_clip_func": np.ma.median,
    "sigma_clip_dev_func": mad_std,
}
combined = ccdp.combine(paths, method=method, mem_limit=350e6, **(clipping if clip == "5" else {}))
combined.meta["combined"] = True
combined.write(out)
