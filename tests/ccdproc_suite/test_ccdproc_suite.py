"""ccdproc's own tests, run against zeroframe: docs/ccdproc.md lists those that fail, each with a reason."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
PAGE = HERE.parents[1] / "docs" / "ccdproc.md"
#: They start processes of their own and take as long as all others together.
SLOW = ("test_combine_open_files.py", "test_memory_use.py")
_LISTED = re.compile(r"^\| `(test_\w+\.py::[^`]+)` \| (.+) \|$", re.MULTILINE)


def suite_folder():
    found = find_spec("ccdproc")
    return None if found is None else Path(found.origin).parent


SUITE = suite_folder()


pytestmark = pytest.mark.skipif(SUITE is None or not (SUITE / "tests").is_dir(), reason="needs ccdproc and its tests")


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory):
    """What became of each test, by its name without folders."""
    folder = tmp_path_factory.mktemp("suite")
    (folder / "pytest.ini").write_text("[pytest]\n")
    command = [sys.executable, "-m", "pytest", "-q", "-rA", "--tb=no", "-p", "swap_ccdproc", "-p", "no:cacheprovider"]
    command += ["-p", "no:zarr", "-c", str(folder / "pytest.ini"), f"--rootdir={SUITE.parent}", str(SUITE)]
    if not os.environ.get("ZEROFRAME_ALL_CASES"):
        command += [f"--ignore={SUITE / 'tests' / name}" for name in SLOW]
    path = os.pathsep.join([str(HERE), *filter(None, [os.environ.get("PYTHONPATH")])])
    environment = {**os.environ, "PYTHONPATH": path, "COLUMNS": "500"}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    found = re.findall(r"^(PASSED|FAILED|ERROR) \S*?(test_\w+\.py::.*?)(?: - .*)?$", done.stdout, re.MULTILINE)
    assert len(found) > 250, done.stdout[-3000:] + done.stderr[-3000:]
    return {name: outcome for outcome, name in found}


@pytest.mark.long
def test_reasons_are_given_for_what_fails(outcomes):
    """The list of the page is that of the tests that fail; a name with * at its end stands for several."""
    listed = dict(_LISTED.findall(PAGE.read_text(encoding="utf-8")))
    assert all(len(reason) > 20 for reason in listed.values())

    def on_the_page(name):
        return next((each for each in listed if each in (name, f"{name.partition('[')[0]}*")), None)

    failed = {name: on_the_page(name) for name, outcome in outcomes.items() if outcome != "PASSED"}
    assert [name for name, found in failed.items() if found is None] == []
    assert sorted(set(listed) - set(failed.values())) == [], "these pass, or are there no more"


@pytest.mark.long
def test_most_of_the_shared_modules_pass(outcomes):
    shared = ("test_ccdproc.py", "test_combiner.py", "test_image_collection.py")
    chosen = [outcome for name, outcome in outcomes.items() if name.startswith(shared)]
    assert chosen.count("PASSED") >= 183
