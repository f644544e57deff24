"""ccdproc measured inside one process, after a small run that is not counted.

``inside_ccdproc.py calibrate|combine FOLDER RUNS``
"""

import json
import shutil
import sys
import time
from pathlib import Path

import ccdproc as ccdp
import numpy as np
from astropy.nddata import CCDData
from astropy.stats import mad_std

FOLDER, RUNS = Path(sys.argv[2]), int(sys.argv[3])


def calibrate(most: int) -> None:
    """Calibrate a folder as the notebook does, float64."""
    out = Path("out")
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir()
    for path in sorted(FOLDER.iterdir())[:most]:
        ccd = CCDData.read(path, unit="adu")
        ccd = ccdp.subtract_overscan(ccd, overscan=ccd[:, 2055:], median=True)
        ccd = ccdp.trim_image(ccd[:, :2048])
        ccd.write(out / path.name)


def combine(frames: list[CCDData]) -> None:
    """The notebook's call, with frames that are in memory."""
    clipping = {"sigma_clip": True, "sigma_clip_low_thresh": 5, "sigma_clip_high_thresh": 5}
    functions = {"sigma_clip_func": np.ma.median, "sigma_clip_dev_func": mad_std}
    ccdp.combine(frames, method="average", mem_limit=350e6, **clipping, **functions)


def main() -> None:
    seconds = []
    if sys.argv[1] == "calibrate":
        calibrate(1)
    else:
        frames = [CCDData.read(path) for path in sorted(FOLDER.glob("*.fits"))]
        combine([frame[:16] for frame in frames])
    for _ in range(RUNS):
        begin = time.perf_counter()
        if sys.argv[1] == "calibrate":
            calibrate(10**6)
        else:
            combine(frames)
        seconds.append(time.perf_counter() - begin)
    print(json.dumps({"seconds": seconds}))


main()
