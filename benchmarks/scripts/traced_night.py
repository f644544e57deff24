"""A night by default, page and cosmic rays included, and what its timeline tells: ``traced_night.py RAW RUNS``.

``busy``: for what part of the time, from the first frame read to the last file written, cores had a task.
``light``: what part of all CPU time in tasks went to dark, flat, cosmic rays, UNCERT and MASK of science frames.
"""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

raw = sys.argv[1]
command = [
    sys.executable,
    "-m",
    "zeroframe",
    "night",
    raw,
    "-o",
    "out",
    "--recipe",
    "night.toml",
    "--trace",
    "trace.json",
]
begin = time.perf_counter()
subprocess.run(command, check=True, stdout=sys.stderr)
seconds = time.perf_counter() - begin

events = json.loads(Path("trace.json").read_text())["traceEvents"]
bars = [event for event in events if event["ph"] == "X"]
tasks = [bar for bar in bars if bar["name"].startswith("task:")]
first = min(bar["ts"] for bar in bars if bar["name"] == "read")
last = max(bar["ts"] + bar["dur"] for bar in bars if bar["name"] == "write")
within = sum(max(0, min(bar["ts"] + bar["dur"], last) - max(bar["ts"], first)) for bar in tasks)
busy = within / (last - first) / len(os.sched_getaffinity(0))


def cpu_ms(some: list[dict]) -> float:
    return sum(bar["args"]["cpu_ms"] for bar in some)


light = cpu_ms([bar for bar in bars if bar["name"] == "dark, flat, noise and mask"]) / cpu_ms(tasks)
print(json.dumps({"seconds": [seconds], "figures": {"busy": busy, "light": light}}))
