"""The house of docs/architecture.md: a room imports only from rooms that stand below it."""

from __future__ import annotations

import ast
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "src" / "zeroframe"
#: The rooms from the ground up, as docs/architecture.md draws them. A room imports those below it, none of its floor.
FLOORS = (
    ("errors",),
    ("kernels", "records", "workers", "html"),
    ("fits",),
    ("headers",),
    ("frames", "simulate"),
    ("stacks", "inspection", "review"),
    ("planning", "verbs"),
    ("run", "viewer"),
    ("report",),
    ("cli",),
    ("__init__", "__main__"),
)
#: What no module of these rooms may need to be imported.
LIGHT = {
    "headers.sections": ("numpy", "numba", "astropy", "scipy"),
    "headers.dialects": ("numba", "astropy", "scipy"),
    "headers.cameras": ("numba", "astropy", "scipy"),
    "fits.cards": ("numba", "astropy", "scipy"),
    "fits.scan": ("numba", "astropy", "scipy"),
    "errors": ("numpy", "numba", "astropy", "scipy"),
    "cli.main": ("numpy", "numba", "astropy", "scipy"),
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
    return next((number for number, rooms in enumerate(FLOORS) if room(name) in rooms), None)


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
    found.discard("zeroframe.__version__")  # a constant, set before anything is imported
    inside = {word.removeprefix("zeroframe.") for word in found if word.startswith("zeroframe.")}
    return {
        word if word in MODULES else "__init__" if word.partition(".")[0] not in map(room, MODULES) else word
        for word in inside
    }


@pytest.mark.parametrize("name", MODULES)
def test_floors_are_built_on_those_below(name):
    assert floor(name) is not None, f"{name} stands on no floor; add it to FLOORS here, and to docs/architecture.md"
    for needed in imports_of(name):
        assert floor(needed) is not None
        below = room(needed) == room(name) or floor(needed) < floor(name)
        assert below, f"{name} imports {needed}, which does not stand below it"


def test_there_are_few_rooms_and_few_loose_files():
    folders = {path.name for path in PACKAGE.iterdir() if path.is_dir() and path.name != "__pycache__"}
    assert len(folders) <= 14
    assert len(list(PACKAGE.glob("*.py"))) <= 6
    assert folders | {path.stem for path in PACKAGE.glob("*.py")} == {name for rooms in FLOORS for name in rooms}


def test_the_map_names_every_room():
    page = (Path(__file__).resolve().parents[1] / "docs" / "architecture.md").read_text(encoding="utf-8")
    rooms = [name for names in FLOORS for name in names if (PACKAGE / name).is_dir()]
    assert [name for name in rooms if f"`{name}/`" not in page] == []


def test_modules_are_short():
    lines = {name: path_of(name).read_text(encoding="utf-8").count("\n") for name in MODULES}
    assert max(lines.values()) < 600, "split by meaning: one subject a module"


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
                allowed = name in {"kernels._build", "kernels._by_numba"}
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
