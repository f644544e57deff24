"""The examples of ccdproc's documentation with the import changed: those that run with it run here."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

pytest.importorskip("ccdproc")

import doc_examples

PAGES = Path(os.environ.get("CCDPROC_DOCS", "not-there"))


@pytest.mark.filterwarnings("ignore")
def test_examples_of_docstrings(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    theirs, ours = (doc_examples.run_docstrings(package) for package in ("ccdproc", "zeroframe"))
    assert len(ours) == len(theirs) >= 80
    broken = {(each.page, each.line) for each in theirs if each.failed}  # they read a folder that nobody has
    assert len(broken) <= 8
    assert [each for each in ours if each.failed and (each.page, each.line) not in broken] == []


@pytest.mark.filterwarnings("ignore")
@pytest.mark.skipif(not PAGES.is_dir(), reason="CCDPROC_DOCS names no folder: see doc_examples.py")
@pytest.mark.parametrize("package", ["ccdproc", "zeroframe"])
def test_examples_of_pages(package, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = doc_examples.run_pages(PAGES, package)
    assert len(found) >= 150
    assert [each for each in found if each.failed] == []
