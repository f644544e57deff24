"""Whoever is killed at whatever moment: run again, a night on a cluster has the bytes of one that nobody disturbed."""

from __future__ import annotations

import os

import pytest

pytest.importorskip("distributed", reason="needs Dask: pip install 'zeroframe[cluster]'")

from chaos import FRAMES, RECIPE, Chaos, blows_of, small_frames
from nights import all_bytes, carried_out
from reliability import ALL_CASES

pytestmark = [
    pytest.mark.skipif(os.name != "posix", reason="processes are forked"),
    pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::DeprecationWarning"),
]
#: A worker, the scheduler, the client is killed first in one of each three; test_cluster_night.py kills a worker, too.
ROUNDS = range(30) if ALL_CASES else (1, 2)
#: Compressed results are inflated into hidden files before they are combined.
WAYS = ("none", "rice")


@pytest.fixture(scope="module")
def raw(tmp_path_factory):
    raw = small_frames(tmp_path_factory.mktemp("chaos") / "raw")
    assert len(list(raw.iterdir())) == FRAMES
    return raw


@pytest.fixture(scope="module")
def undisturbed(raw, tmp_path_factory):
    """The results of runs on threads, by how they are compressed."""
    found = {}
    for way in WAYS:
        out = tmp_path_factory.mktemp("undisturbed") / way
        result = carried_out(raw, out, f'compress = "{way}"\n{RECIPE}')
        assert result.is_good
        assert len(result.groups) == 4
        found[way] = all_bytes(out)
    return found


@pytest.mark.long
@pytest.mark.parametrize("seed", ROUNDS)
def test_whoever_is_killed(seed, raw, undisturbed, tmp_path):
    way, recipe, out = WAYS[seed % 2], tmp_path / "night.toml", tmp_path / "out"
    recipe.write_text(f'compress = "{way}"\n{RECIPE}')
    round_of = Chaos(tmp_path / "round")
    try:
        blows = blows_of(seed)
        runs = round_of.run(["night", str(raw), "-o", str(out), "--recipe", str(recipe), "--no-report"], out, blows)
        assert round_of.died, "nobody was struck"
        assert all_bytes(out) == undisturbed[way], (blows, runs, round_of.said())
        assert not round_of.left_behind(out)
    finally:
        round_of.close()
