"""The examples of ccdproc's documentation, run with only the import changed.

The pages are in its source distribution (``pip download --no-binary ccdproc --no-deps ccdproc``), whose folder ``docs``
is named by the environment variable CCDPROC_DOCS; the docstrings are in its wheel.
"""

from __future__ import annotations

import doctest
import importlib
import re
import warnings
from dataclasses import dataclass
from io import StringIO

import numpy as np

#: What pytest-doctestplus, by which ccdproc runs its pages, knows beside Python.
FLOAT_CMP, *_ = (doctest.register_optionflag(name) for name in ("FLOAT_CMP", "IGNORE_WARNINGS", "REMOTE_DATA"))
_NUMBER = re.compile(r"[-+]?(?:\d+\.\d*|\.\d+|\d+)(?:[eE][-+]?\d+)?")
_SKIPPED = re.compile(r"^( *)\.\. doctest-(?:skip|remote-data|requires)[^\n]*\n(?:\1 +[^\n]*\n| *\n)*", re.MULTILINE)


class NumbersChecker(doctest.OutputChecker):
    """Compares numbers as numbers where FLOAT_CMP is set."""

    def check_output(self, want, got, optionflags):
        if super().check_output(want, got, optionflags):
            return True
        if not optionflags & FLOAT_CMP:
            return False
        forms = ["".join(_NUMBER.sub("#", text).split()) for text in (want, got)]
        if not super().check_output(*forms, optionflags):
            return False
        wanted, found = (list(map(float, _NUMBER.findall(text))) for text in (want, got))
        return "..." in want or bool(np.allclose(wanted, found, rtol=1e-5))


@dataclass(frozen=True)
class Outcome:
    """What became of one example of a page."""

    page: str
    line: int
    source: str
    failed: bool
    said: str


class _Runner(doctest.DocTestRunner):
    def __init__(self, page):
        flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE | FLOAT_CMP
        super().__init__(checker=NumbersChecker(), verbose=False, optionflags=flags)
        self.page, self.outcomes = page, []

    def _note(self, test, example, failed, said):
        self.outcomes.append(Outcome(self.page, test.lineno + example.lineno + 1, example.source.strip(), failed, said))

    def report_success(self, _, test, example, got):
        self._note(test, example, False, got)

    def report_failure(self, _, test, example, got):
        self._note(test, example, True, f"wanted {example.want!r}, got {got!r}")

    def report_unexpected_exception(self, _, test, example, exc_info):
        self._note(test, example, True, f"{exc_info[0].__name__}: {exc_info[1]}")


def run_text(page, text, package, names=None):
    """Run the examples of a text in one namespace, with `package` in the place of ccdproc.

    Files that the examples read are ccdproc's, and so is the function that makes a folder of them.
    """
    text = _SKIPPED.sub(lambda match: "\n" * match[0].count("\n"), text)
    text = re.sub(r"\b(import|from) ccdproc\b(?!\.utils\.sample_directory)", rf"\1 {package}", text)
    text = re.sub(r"(?<!['\"])\bccdproc\.(?!utils\.sample_directory|tests\b)(?=\w)", f"{package}.", text)
    test = doctest.DocTestParser().get_doctest(text, dict(names or {}), page, page, 0)
    runner = _Runner(page)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        runner.run(test, out=StringIO().write, clear_globs=False)
    return runner.outcomes


def run_pages(folder, package):
    """Run every page of a folder, in the folder where one is: they write files."""
    return [
        outcome
        for path in sorted(folder.glob("*.rst"))
        if ">>>" in path.read_text(encoding="utf-8")
        for outcome in run_text(path.name, path.read_text(encoding="utf-8"), package)
    ]


def run_docstrings(package):
    """Run the examples of the docstrings of ccdproc's modules."""
    found = []
    for module in ("core", "combiner", "image_collection", "utils.slices"):
        theirs = importlib.import_module(f"ccdproc.{module}")
        names = {name: getattr(importlib.import_module(package), name, value) for name, value in vars(theirs).items()}
        for test in doctest.DocTestFinder(exclude_empty=True).find(theirs, theirs.__name__):
            if test.examples:
                found += run_text(test.name, test.docstring, package, names)
    return found
