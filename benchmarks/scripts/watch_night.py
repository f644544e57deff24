"""How long after its arrival a science frame is calibrated by ``zeroframe watch``: ``watch_night.py RAW RUNS``.

Biases, darks and flats are there before, and have been combined; then the science frames of ``RAW`` arrive one by one,
each under its own name at once, as a camera program renames what it has written. Told are the seconds of each from its
name to that of its result, and the CPU time that a frame takes, first looks and the last run over the night included.
"""

import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

from astropy.io import fits

raw, here, out = Path(sys.argv[1]), Path("raw"), Path("out")
paths = sorted(raw.rglob("*.fits"))
science = [path for path in paths if "object" in str(fits.getheader(path)["IMAGETYP"]).lower()]
before = [path for path in paths if path not in science]


def arrive(path: Path) -> Path:
    """Copy a frame beside its place, then give it its name."""
    target = here / path.relative_to(raw)
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(path, target.with_name(f".{target.name}.part"))
    target.with_name(f".{target.name}.part").rename(target)
    return out / path.relative_to(raw)


def wait_for(path: Path, watch: "subprocess.Popen[bytes]") -> None:
    """Wait until a result is there."""
    while not path.exists():
        if watch.poll() is not None:
            sys.exit(f"the watch ended with {watch.returncode} before {path} was there")
        time.sleep(0.005)


def cpu_of(process: int) -> float:
    """CPU time of a process that runs, by what Linux says of it."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


for each in before:
    arrive(each)
arguments = ("watch", here, "-o", out, "--no-report", "--recipe", "night.toml", "-q")
# where this runs in the background of a shell that has it ignored, the watch would inherit that and never end
signal.signal(signal.SIGINT, signal.default_int_handler)
watch = subprocess.Popen([sys.executable, "-m", "zeroframe", *map(str, arguments)], stdout=sys.stderr)
wait_for(out / "combined_flat_gp.fits", watch)
wait_for(out / "combined_flat_ip.fits", watch)
used = -1.0
while used != (used := cpu_of(watch.pid)):  # until it is at rest
    time.sleep(0.5)
seconds = []
for each in science:
    result = arrive(each)
    begin = time.perf_counter()
    wait_for(result, watch)
    seconds.append(time.perf_counter() - begin)
watch.send_signal(signal.SIGINT)
code = watch.wait()
if code:
    sys.exit(f"the watch ended with {code}")
usage = resource.getrusage(resource.RUSAGE_CHILDREN)
print(json.dumps({"seconds": seconds, "figures": {"CPU s a frame": (usage.ru_utime + usage.ru_stime) / len(paths)}}))
