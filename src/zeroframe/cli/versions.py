"""What zeroframe runs with: Python, packages, and which extras are there."""

from __future__ import annotations

import platform
import re
from importlib.metadata import PackageNotFoundError, requires, version

from zeroframe import __version__

__all__ = ["extras", "package_versions", "version_lines"]

#: Packages without which nothing works, as they are called where they are installed.
_NEEDED = ("numpy", "astropy", "scipy", "numba", "llvmlite", "isal", "rich", "typer")
#: Extras that are for those who work on zeroframe, or that hold others.
_NOT_FOR_USERS = frozenset(("all", "coverage", "dev", "docs", "test"))


def package_versions() -> dict[str, str]:
    """Return the versions of what is needed, by name; ``'missing'`` where a package is not there."""
    return {name: _version_of(name) or "missing" for name in _NEEDED}


def _version_of(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def extras() -> dict[str, tuple[str, ...]]:
    """Return the extras, each with those of its packages that are missing.

    What they need is read from the metadata of the installed package, so it is what pip would install.
    """
    found: dict[str, list[str]] = {}
    try:
        needed = requires("zeroframe") or []
    except PackageNotFoundError:  # run from a folder, and not installed
        needed = []
    for requirement in needed:
        extra = re.search(r"""extra == ['"]([\w-]+)['"]""", requirement)
        name = re.match(r"[\w.-]+", requirement)
        if extra is None or name is None or extra[1] in _NOT_FOR_USERS:
            continue
        missing = found.setdefault(extra[1], [])
        if _version_of(name[0]) is None:
            missing.append(name[0])
    return {name: tuple(missing) for name, missing in sorted(found.items())}


def version_lines() -> list[str]:
    """Return the version, and what it runs with, a line each."""
    packages = ", ".join(f"{name} {number}" for name, number in package_versions().items())
    there = ", ".join(name for name, missing in extras().items() if not missing) or "none"
    return [
        f"zeroframe {__version__}",
        f"Python {platform.python_version()} on {platform.system()} {platform.machine()}",
        packages,
        f"extras: {there}",
    ]
