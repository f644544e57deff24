"""The notebooks of the gallery run, twice in one folder, and show what is stored in them."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import nbformat
import pytest

DOCS = Path(__file__).resolve().parents[2] / "docs"
NOTEBOOKS = {path.stem: path for path in sorted((DOCS / "gallery").glob("*.ipynb"))}
#: `make notebooks` runs all of them twice.
RUN_AGAIN = NOTEBOOKS if os.environ.get("ZEROFRAME_ALL_CASES") else ("bias-frames", "again")


@pytest.fixture(scope="module")
def runner():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(DOCS / "_ext"))
        import run_notebooks

        yield run_notebooks
        sys.modules.pop("run_notebooks")


@pytest.fixture(scope="module")
def kernel(runner, tmp_path_factory):
    """One kernel for all of them: to start one takes longer than most notebooks do."""
    with runner.kernel(tmp_path_factory.mktemp("kernel")) as manager:
        yield manager


def test_there_are_enough():
    assert len(NOTEBOOKS) >= 12


@pytest.mark.long
@pytest.mark.parametrize("name", NOTEBOOKS)
def test_it_shows_what_is_stored_and_can_be_run_again(name, runner, kernel, tmp_path):
    stored = runner.texts(nbformat.read(NOTEBOOKS[name], as_version=4))
    for _ in range(2 if name in RUN_AGAIN else 1):
        shown = runner.texts(runner.run(NOTEBOOKS[name], kernel, tmp_path))
        assert len(shown) == len(stored)
        for new, old in zip(shown, stored, strict=True):
            assert runner.same(new, old), f"{new}\nand stored is\n{old}"


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_it_is_stored_with_pictures_and_without_what_changes_each_time(name, runner):
    notebook = nbformat.read(NOTEBOOKS[name], as_version=4)
    nbformat.validate(notebook)
    codes = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in codes] == list(range(1, len(codes) + 1))
    outputs = [output for cell in codes for output in cell.outputs]
    assert any("image/png" in output.get("data", {}) for output in outputs)
    assert not any("a cell fails or warns" in text or " at 0x" in text for text in runner.texts(notebook))
    assert NOTEBOOKS[name].stat().st_size < 1_000_000


@pytest.mark.parametrize(
    ("one", "other", "good"),
    [
        ("noise 4.010 adu", "noise 4.0101 adu", True),
        ("noise 4.010 adu", "noise 4.10 adu", False),
        ("7 frames", "6 frames", False),
        ("7 frames", "7 biases", False),
        ("(1, 2)", "(1, 2, 3)", False),
    ],
)
def test_what_is_the_same(one, other, good, runner):
    assert runner.same(one, other) is good
