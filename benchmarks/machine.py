"""What the measurements were made on."""

from __future__ import annotations

import os
import platform
import re
import subprocess
from datetime import datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

__all__ = ["commit", "machine"]


def machine() -> dict[str, str]:
    """Return the machine and the versions, as words."""
    cpus = _field("/proc/cpuinfo", r"model name\s*:\s*(.+)") or platform.processor() or platform.machine()
    memory = _field("/proc/meminfo", r"MemTotal:\s*(\d+) kB")
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {
        "date": datetime.now().astimezone().isoformat(timespec="minutes"),
        "cores": str(cores),
        "processor": f"{cpus} ({platform.machine()})",
        "memory": f"{int(memory) * 1024 / 1e9:.0f} GB" if memory else "unknown",
        "system": f"{platform.system()} {platform.release()}",
        "load before": f"{os.getloadavg()[0]:.1f}",
        "Python": platform.python_version(),
        **{name: _version(name) for name in ("numpy", "numba", "astropy", "isal")},
    }


def commit() -> str:
    """Return the commit that is measured, as git says it; empty where it does not."""
    command = ["git", "describe", "--always", "--dirty", "--exclude=*"]
    folder = Path(__file__).resolve().parent
    found = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    return found.stdout.strip()


def _field(path: str, pattern: str) -> str | None:
    try:
        found = re.search(pattern, Path(path).read_text())
    except OSError:
        return None
    return found[1].strip() if found else None


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"
