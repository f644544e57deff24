"""A result is made again when the code that makes it has changed, and not when any other has."""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import zeroframe
from reliability import PROGRAM, bias_arguments, results, small_night
from zeroframe.run.keys import _MAKERS

PACKAGE = Path(zeroframe.__file__).parent
#: What begins to make a frame, a combined frame or a mask; all that these need may change bytes, but for the others.
BEGINNINGS = ("run/cache.py", "run/calibrations.py", "run/combined.py", "run/frame.py", "run/mask.py")
#: What the makers need that can change no byte of a result, and why.
OTHERS = {
    "sentences, the log, and marks that are compared": {
        *(
            "errors.py",
            "html.py",
            "headers/foreign.py",
            "headers/own_results.py",
            "run/combine_target.py",
            "run/record.py",
            "run/record_form.py",
        ),
        *("run/result_files.py", "run/checks.py"),
    },
    "where and by how many it is done": {"workers.py"},
    "when methods of small classes are written": {"records.py"},
    "what is decided beforehand, which stands in the key": {
        *(
            "headers/amplifier_words.py",
            "headers/detectors.py",
            "headers/extensions.py",
            "headers/geometry.py",
            "headers/one_detector.py",
            "headers/other_set_ups.py",
            "planning/targets.py",
            "headers/looking.py",
            "headers/survey.py",
            "headers/trees.py",
        ),
        *("planning/grouping.py", "planning/plan.py", "planning/matching.py"),
    },
    "what is judged of what was measured": {
        *(f"review/{name}.py" for name in ("__init__", "figures", "findings", "rows", "verdict")),
        *(f"review/checks/{name}.py" for name in ("between_kinds", "files", "levels", "made", "results", "within")),
    },
    "of the table of kinds, bytes depend on what `doings` of a row puts into the key": {"headers/kinds.py"},
    "what is told of a result beside it": {
        "stacks/loss.py",
        "stacks/noise_budget.py",
        "run/outcomes.py",
        "run/combined_outcome.py",
    },
    "of verbs, and of files that are combined without a key": {
        *(f"verbs/{name}.py" for name in ("amplifiers", "arguments", "ccddata", "exceptions", "settings")),
        "run/input_sums.py",
    },
}


def copy_of_the_package(folder):
    shutil.copytree(PACKAGE, folder / "zeroframe")
    return folder / "zeroframe"


def add_a_remark(path):
    with path.open("a", encoding="utf-8") as file:
        file.write("\n# a remark\n")


def program(package, *arguments):
    """Run the program of a copy of the package."""
    environment = {**os.environ, "PYTHONPATH": str(package.parent)}
    return subprocess.run(
        [*PROGRAM, *map(str, arguments)], env=environment, capture_output=True, text=True, check=False
    )


def code_of(package):
    """Return the hash of the code of a copy of the package, as results and run.json carry it."""
    said = "import zeroframe.run.keys as p; print(p.__file__, p.versions()['code'])"
    environment = {**os.environ, "PYTHONPATH": str(package.parent)}
    run = subprocess.run([sys.executable, "-c", said], env=environment, capture_output=True, text=True, check=True)
    file, code = run.stdout.split()
    assert Path(file) == package / "run/keys.py"
    return code


@pytest.mark.long
def test_what_shows_results_does_not_count_and_what_makes_them_does(tmp_path):
    package = copy_of_the_package(tmp_path)
    code = code_of(package)
    for name in (
        "report/draw/timelines.py",
        "report/page.py",
        "cli/main.py",
        "cli/night.py",
        "cli/console.py",
        "planning/planning.py",
    ):
        add_a_remark(package / name)
    assert code_of(package) == code
    seen = {code}
    for name in (
        "kernels/stack.py",
        "fits/write.py",
        "frames/raw.py",
        "run/combined.py",
        "stacks/combine.py",
        "headers/dialects.toml",
    ):
        add_a_remark(package / name)
        seen.add(code_of(package))
    assert len(seen) == 7


@pytest.mark.long
def test_a_remark_on_the_report_keeps_results_and_one_on_a_kernel_does_not(tmp_path):
    raw, out = small_night(tmp_path / "raw", 2), tmp_path / "out"
    package = copy_of_the_package(tmp_path)
    assert program(package, *bias_arguments(raw, out)).returncode == 0
    before = {path: path.stat().st_mtime_ns for path in out.glob("*.fits")}
    digests = results(out)
    for name in ("report/draw/timelines.py", "cli/main.py"):
        add_a_remark(package / name)
    run = program(package, *bias_arguments(raw, out))
    assert run.returncode == 0, run.stdout + run.stderr
    assert {path: path.stat().st_mtime_ns for path in out.glob("*.fits")} == before
    add_a_remark(package / "kernels" / "frame.py")
    run = program(package, *bias_arguments(raw, out))
    assert run.returncode == 2
    assert "it was made by another version (code " in run.stderr
    assert results(out) == digests


def modules():
    return {path.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob("*.py")}


def needed_by(name, known):
    """Return the modules that a module imports when it runs, in its functions too."""
    found = set()

    def look(node):
        if isinstance(node, ast.If) and getattr(node.test, "id", "") == "TYPE_CHECKING":
            return
        if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "zeroframe":
            folder = "/".join(node.module.split(".")[1:])
            names = {alias.name for alias in node.names} - {"__version__"}  # which stands in the key itself
            if not names:
                return
            inner = {f"{folder}/{name}.py".lstrip("/") for name in names}
            found.update(inner | {f"{folder}.py", f"{folder}/__init__.py"})
        for child in ast.iter_child_nodes(node):
            look(child)

    look(ast.parse((PACKAGE / name).read_text(encoding="utf-8")))
    return found & known


def test_all_that_makers_need_counts_or_is_known_not_to_matter():
    known, needed, waiting = modules(), set(), list(BEGINNINGS)
    while waiting:
        name = waiting.pop()
        if name not in needed:
            needed.add(name)
            waiting += needed_by(name, known)
    counted = {path.relative_to(PACKAGE).as_posix() for pattern in _MAKERS for path in PACKAGE.glob(pattern)}
    others = set().union(*OTHERS.values())
    assert needed - counted == others
    assert {
        name for name in counted - needed if not name.startswith(("fits/", "kernels/")) and "__init__" not in name
    } == {"headers/colours.toml", "headers/dialects.toml"}


@pytest.mark.parametrize("pattern", _MAKERS)
def test_every_pattern_names_something(pattern):
    assert list(PACKAGE.glob(pattern))
