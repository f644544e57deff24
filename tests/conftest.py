"""What the tests share."""

from __future__ import annotations

import itertools
import os
import signal
import sys
from collections import Counter
from functools import cache
from pathlib import Path

import pytest
import typer.main
from hypothesis import HealthCheck, settings

# a change is judged by the same examples wherever and whenever it is tested, and by no clock; `make fuzz` looks for new
settings.register_profile(
    "repeatable", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow], database=None
)
settings.register_profile("search", max_examples=1000, deadline=None, print_blob=True)
settings.load_profile(os.environ.get("ZEROFRAME_EXAMPLES", "repeatable"))

# a shell starts what runs in the background with Ctrl-C ignored, and children inherit that
signal.signal(signal.SIGINT, signal.default_int_handler)

# where Python is told to write no bytecode, each of the hundreds of programs that tests start would compile all anew
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

# pytest-xdist tells its workers how wide a screen is, by which lines would be folded; and readline, which pytest
# imports, tells the processes that tests start, past os.environ
os.environ.pop("COLUMNS", None)
os.unsetenv("COLUMNS")

# typer builds the parser of all commands each time that one is called, which takes longer than many of the tests
typer.main.get_command = cache(typer.main.get_command)

REAL_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
SEEDS = REAL_DATA.parent / "seeds"


#: How much longer a test that is marked `long` takes than another.
_LONG = 30


@pytest.hookimpl(trylast=True)  # of the tests that are left when others have been deselected
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files that take longest: else one process may begin with such a one when the other is done."""
    weights = Counter[Path]()
    for item in items:
        weights[item.path] += _LONG if item.get_closest_marker("long") else 1
    items.sort(key=lambda item: -weights[item.path])


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real frames that stands beside the project where it is developed."""
    if not REAL_DATA.is_dir():
        pytest.skip("needs the real frames in ../shared/data, which are not part of the project")
    return REAL_DATA


@pytest.fixture(scope="module")
def recipe(request, tmp_path_factory):
    """The text that a test module calls RECIPE, in a file: how its nights are reduced."""
    path = tmp_path_factory.mktemp("recipe") / "night.toml"
    path.write_text(request.module.RECIPE)
    return path


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    """A browser without a window."""
    from browser import Browser, find_browser

    program = find_browser()
    if program is None:
        pytest.skip("needs Chromium (on Debian: apt-get install chromium)")
    opened = Browser(program, tmp_path_factory.mktemp("profile"))
    yield opened
    opened.close()


@pytest.fixture(scope="session")
def two_workers(tmp_path_factory):
    """A Dask scheduler and two workers of one thread, for all tests that leave them alive: they take 2 s to start."""
    pytest.importorskip("distributed", reason="needs Dask: pip install 'zeroframe[cluster]'")
    from clusters import cluster

    with cluster(tmp_path_factory.mktemp("dask")) as running:
        yield running


@pytest.fixture(scope="session")
def _caches(tmp_path_factory):
    """Names of cache folders; to make one for each test would take a quarter of the time of the small tests."""
    folder = tmp_path_factory.mktemp("caches")
    return (folder / str(number) for number in itertools.count())


@pytest.fixture(autouse=True)
def _own_cache(_caches, monkeypatch):
    """Tests do not write to the user's cache folder, nor read what another one wrote."""
    monkeypatch.setenv("ZEROFRAME_CACHE", str(next(_caches)))
