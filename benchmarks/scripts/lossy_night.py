"""The same night with ``--compress rice-lossy``: how many times smaller its science frames are than written plainly.

``lossy_night.py RAW RUNS``. A plain science frame holds an image, its uncertainty and its mask: 9 bytes a pixel.
"""

import json
import subprocess
import sys
import time
from pathlib import Path

from astropy.io import fits

raw = sys.argv[1]
command = [sys.executable, "-m", "zeroframe", "night", raw, "-o", "out", "--recipe", "night.toml"]
begin = time.perf_counter()
subprocess.run([*command, "--compress", "rice-lossy"], check=True, stdout=sys.stderr)
seconds = time.perf_counter() - begin

smaller = []
for path in Path("out").rglob("*.fits.fz"):
    header = fits.getheader(path, 1)
    if "QSTEP" in header:
        smaller.append(9 * header["NAXIS1"] * header["NAXIS2"] / path.stat().st_size)
print(json.dumps({"seconds": [seconds], "figures": {"times smaller": min(smaller)}}))
