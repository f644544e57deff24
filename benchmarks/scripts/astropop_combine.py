"""``astropop_combine.py FOLDER OUT average|median CLIP``: ``astropop.image.imcombine`` of a folder."""

import sys
from pathlib import Path

from astropop.image import imcombine

folder, out, method, clip = Path(sys.argv[1]), sys.argv[2], sys.argv[3], float(sys.argv[4])
clipping = {"sigma_clip": clip, "sigma_cen_func": "median", "sigma_dev_func": "mad_std"} if clip else {}
paths = [str(path) for path in sorted(folder.iterdir())]
combined = imcombine(paths, method={"average": "mean"}.get(method, method), **clipping)
combined.write(out, overwrite=True)
