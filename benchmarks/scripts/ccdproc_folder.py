"""The two notebooks' code in one script: ``ccdproc_folder.py RAW OUT``."""

import sys
from pathlib import Path

import ccdproc as ccdp
import numpy as np
from astropy.stats import mad_std

raw, calibrated_path = Path(sys.argv[1]), Path(sys.argv[2])
calibrated_path.mkdir()
files = ccdp.ImageFileCollection(raw)
for ccd, file_name in files.ccds(imagetyp="BIAS", ccd_kwargs={"unit": "adu"}, return_fname=True):
    ccd = ccdp.subtract_overscan(ccd, overscan=ccd[:, 2055:], median=True)  # noqa: PLW2901
    ccd = ccdp.trim_image(ccd[:, :2048])  # noqa: PLW2901
    ccd.write(calibrated_path / file_name)

reduced_images = ccdp.ImageFileCollection(calibrated_path)
calibrated_biases = reduced_images.files_filtered(imagetyp="bias", include_path=True)
combined_bias = ccdp.combine(
    calibrated_biases,
    method="average",
    sigma_clip=True,
    sigma_clip_low_thresh=5,
    sigma_clip_high_thresh=5,
    sigma_clip_func=np.ma.median,
    sigma_clip_dev_func=mad_std,
    mem_limit=350e6,
)
combined_bias.meta["combined"] = True
combined_bias.write(calibrated_path / "combined_bias.fits")
