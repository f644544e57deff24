"""How much memory there is, and how much may be used."""

from __future__ import annotations

import os
import re
from pathlib import Path

from zeroframe.errors import UsageError

__all__ = ["available_bytes", "default_limit_bytes", "parse_size"]

_UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12, "KI": 2**10, "MI": 2**20, "GI": 2**30, "TI": 2**40}
_SIZE = re.compile(r"\s*(\d+\.?\d*(?:E\+?\d+)?|\.\d+)\s*([KMGT]?I?)B?\s*")
_ENDLESS = 2**62
_SMALL_COMPUTER = 4 * 2**30  # bytes that are built in, where the system does not say how many
_CONTROL_GROUPS = Path("/sys/fs/cgroup")


def parse_size(text: str | float) -> int:
    """Return the number of bytes that a text such as ``'2G'``, ``'500 MB'`` or ``'1.5GiB'`` means.

    Parameters
    ----------
    text : str, int or float
        A number of bytes, or a number with a unit; ``k``, ``M``, ``G`` are powers of 1000, ``Ki`` … of 1024.

    Returns
    -------
    int
        Bytes, at least 1.

    Raises
    ------
    UsageError
        When it is not a positive size.

    Examples
    --------
    >>> parse_size("2G"), parse_size("256 MiB"), parse_size(16e9)
    (2000000000, 268435456, 16000000000)
    """
    if isinstance(text, str):
        match = _SIZE.fullmatch(text.upper())
        number = float(match[1]) * _UNITS.get(match[2], 0) if match else 0.0
    else:
        number = float(text)
    if not 1 <= number < 2**60:
        raise UsageError(f"{text!r} is not a size in memory; write for example '2G', '500M' or '1.5GiB'")
    return int(number)


def available_bytes() -> int:
    """Return how much memory can be used without pushing others out, in bytes.

    On Linux MemAvailable, or what the control groups of this process still allow where that is less; elsewhere half
    of what is built in.
    """
    try:
        found = re.search(r"MemAvailable:\s+(\d+) kB", Path("/proc/meminfo").read_text())
    except OSError:
        found = None
    if found is None:
        return _built_in_bytes() // 2
    return min(int(found[1]) * 1024, *map(_group_bytes, _own_groups()))


def _built_in_bytes() -> int:
    if hasattr(os, "sysconf"):  # macOS
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    import ctypes

    number_of_kb = ctypes.c_ulonglong()
    library = getattr(ctypes, "windll", None)
    if library is None or not library.kernel32.GetPhysicallyInstalledSystemMemory(ctypes.byref(number_of_kb)):
        return _SMALL_COMPUTER
    return number_of_kb.value * 1024


def _own_groups() -> list[Path]:
    """Return the folders of the control group (version 2) of this process and of those that hold it."""
    try:
        found = re.search(r"^0::/(.*)$", Path("/proc/self/cgroup").read_text(), re.MULTILINE)
    except OSError:
        found = None
    folder = _CONTROL_GROUPS / (found[1] if found else "")
    return [folder, *(parent for parent in folder.parents if parent.is_relative_to(_CONTROL_GROUPS))]


def _group_bytes(folder: Path) -> int:
    """Return what one control group still allows; practically endless where it sets no limit."""
    try:
        limit = (folder / "memory.max").read_text().strip()
        used = (folder / "memory.current").read_text().strip()
        # cached files count as used, but give way
        cached = re.search(r"^inactive_file (\d+)$", (folder / "memory.stat").read_text(), re.MULTILINE)
    except OSError:
        return _ENDLESS
    if not (limit.isdigit() and used.isdigit()):
        return _ENDLESS
    return max(int(limit) - int(used) + (int(cached[1]) if cached else 0), 1)


def default_limit_bytes() -> int:
    """Return the limit where none is given: half of what is available, so that the person can go on working."""
    return available_bytes() // 2
