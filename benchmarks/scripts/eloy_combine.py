"""``eloy_combine.py FOLDER OUT``: ``eloy.calibration.master_bias`` of a folder, which is a median."""

import sys
from pathlib import Path

import numpy as np
from astropy.io import fits
from eloy.calibration import master_bias

combined = master_bias([str(path) for path in sorted(Path(sys.argv[1]).iterdir())])
fits.writeto(sys.argv[2], combined.astype(np.float32))
