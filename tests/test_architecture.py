"""The house of DESIGN.md: every floor imports only from its own floor or from those below."""

from __future__ import annotations

import ast
import importlib
import subprocess
import sys
from fnmatch import fnmatch
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "src" / "zeroframe"
FLOORS = (
    (
        "_version",
        "errors",
        "failures",
        "events",
        "fragments",
        "sections",
        "memory",
        "small_files",
        "parallel",
        "executing",
        "medians",
        "precision",
        "kernels",
    ),
    (
        *("dialects", "io", "headers"),
        *("header_*", "conditions", "listing", "survey", "readback", "locking", "store_lock", "own_results"),
        *("display", "downloading", "unpacking", "fetching"),
    ),
    (
        *("cameras", "ccd", "overscan", "corrections", "saving"),
        *("calibration_frames", "cosmic_ray_masks"),
        *("callables", "spooling", "stacks", "combining", "combiner", "frame_combiner", "band_jobs"),
        *("collection", "collection_*"),
        *("verbs", "planes", "calibration", "processing", "cosmic_rays"),
        *("defects", "filters", "blocks", "reprojection"),
    ),
    ("inspection", "quality", "frame_quality", "clipping", "excess", "combination"),
    (
        "recipes",
        "targets",
        "frames",
        "results",
        "combine_jobs",
        "input_sums",
        "provenance",
        "record",
        "record_form",
        "resume",
        "sessions",
        "verification",
        "nights",
    ),
    ("report", "simulate", "cluster", "reduction", "reduced"),
    ("screen", "screen_*", "cli", "cli_*", "__init__", "__main__"),
)
#: What no module of these rooms may need to be imported.
LIGHT = {
    "sections": ("numpy", "numba", "astropy", "scipy"),
    "dialects": ("numba", "astropy", "scipy"),
    "cameras": ("numba", "astropy", "scipy"),
    "io.cards": ("numba", "astropy", "scipy"),
    "io.scan": ("numba", "astropy", "scipy"),
    "errors": ("numpy", "numba", "astropy", "scipy"),
}


def module_names():
    names = []
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        names.append(".".join(parts[:-1] if len(parts) > 1 and parts[-1] == "__init__" else parts))
    return names


MODULES = module_names()


def path_of(name):
    path = PACKAGE.joinpath(*name.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def room(name):
    return name.partition(".")[0]


def floor(name):
    floors = [number for number, rooms in enumerate(FLOORS) if any(fnmatch(room(name), each) for each in rooms)]
    return floors[0] if floors else None


def imports_of(name):
    """Modules of zeroframe that a module imports anywhere, in functions and for its annotations, too."""
    found = set()
    for node in ast.walk(ast.parse(path_of(name).read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name} has a relative import in line {node.lineno}"
            # `from zeroframe import io` means the module
            found |= (
                {f"{node.module}.{alias.name}" for alias in node.names} if node.module == "zeroframe" else {node.module}
            )
    inside = {word.removeprefix("zeroframe.") for word in found if word.startswith("zeroframe.")}
    return {
        word if word in MODULES else "__init__" if word.partition(".")[0] not in map(room, MODULES) else word
        for word in inside
    }


@pytest.mark.parametrize("name", MODULES)
def test_floors_are_built_on_those_below(name):
    assert floor(name) is not None, f"{name} stands on no floor; add it to FLOORS in this test, and to DESIGN.md"
    for needed in imports_of(name):
        assert floor(needed) is not None
        assert floor(needed) <= floor(name), f"{name} imports {needed} from a floor above"


def test_rooms_of_one_floor_do_not_lean_on_each_other_in_a_circle():
    needs = {}
    for name in MODULES:
        needs.setdefault(room(name), set()).update(room(needed) for needed in imports_of(name))
    left = {name: {other for other in others if other != name} for name, others in needs.items()}
    while left:
        free = [name for name, others in left.items() if not others & left.keys()]
        assert free, f"these import each other: {sorted(left)}"
        for name in free:
            del left[name]


def test_kernels_know_numpy_numba_and_llvmlite_and_nothing_else():
    for name in MODULES:
        if room(name) != "kernels":
            continue
        assert all(room(needed) == "kernels" for needed in imports_of(name))
        for node in ast.walk(ast.parse(path_of(name).read_text(encoding="utf-8"))):
            words = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            words += [node.module] if isinstance(node, ast.ImportFrom) else []
            for word in words:
                top = word.partition(".")[0]
                known = {"zeroframe", "numpy", "numba", "llvmlite"} | set(sys.stdlib_module_names)
                assert top in known, f"{name} imports {word}"
                allowed = name in {"kernels._compiling", "kernels._by_numba"}
                assert top != "numba" or allowed, f"{name} would import numba at each start"


@pytest.mark.parametrize("name", MODULES)
def test_public_names_are_stated_and_exist(name):
    if name == "__main__":
        return
    module = importlib.import_module("zeroframe" if name == "__init__" else f"zeroframe.{name}")
    defined = [
        node.name
        for node in ast.parse(path_of(name).read_text(encoding="utf-8")).body
        if isinstance(node, (ast.ClassDef, ast.FunctionDef)) and not node.name.startswith("_")
    ]
    if not defined and not hasattr(module, "__all__"):
        return
    assert len(set(module.__all__)) == len(module.__all__)
    missing = [public for public in module.__all__ if not hasattr(module, public)]
    assert not missing, f"{name}.__all__ names what is not there: {missing}"


@pytest.mark.parametrize("name", LIGHT)
def test_importing_stays_light(name):
    code = f"import sys, zeroframe.{name}; print(*[m for m in {LIGHT[name]!r} if m in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not found.stdout.split(), f"importing zeroframe.{name} imports {found.stdout}"
