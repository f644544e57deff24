"""Nights that are wrong in one named way are named; good ones are not."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from wrong_nights import STATED_GAIN, WRONG, Camera, good_camera, write_night

PROGRAM = (sys.executable, "-m", "zeroframe")
GOOD_NIGHTS = 300 if os.environ.get("ZEROFRAME_ALL_CASES") else 12


def night(raw, out, *options):
    words = map(str, ("night", raw, "-o", out, "--no-report", "--json", *options))
    run = subprocess.run([*PROGRAM, *words], capture_output=True, text=True, check=False)
    assert "Traceback" not in run.stderr, run.stderr
    return run.returncode, json.loads(run.stdout) if run.stdout else {"findings": [], "verdict": {}}, run.stderr


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_named(tmp_path, name):
    shots, codes = WRONG[name]
    write_night(tmp_path / "raw", shots, stated_gain=STATED_GAIN.get(name))
    code, said, errors = night(tmp_path / "raw", tmp_path / "out")
    found = {each["code"]: each for each in said["findings"]}
    assert codes & set(found), (name, sorted(found), errors)
    assert any(found[each]["sentence"] for each in codes & set(found))
    assert code == said["verdict"]["exit_code"] == (1 if said["verdict"]["tone"] == "bad" else 0)


@pytest.mark.parametrize("seed", range(GOOD_NIGHTS))
def test_good_nights_are_good(tmp_path, seed):
    camera, shots = good_camera(seed)
    write_night(tmp_path / "raw", shots, camera, seed)
    code, said, errors = night(tmp_path / "raw", tmp_path / "out")
    worse = [each for each in said["findings"] if each["severity"] != "note"]
    assert worse == [], (camera, worse)
    assert code == 0, errors
    assert said["verdict"]["headline"] == "All is well."


def test_warnings_count_when_that_is_asked_for(tmp_path):
    write_night(tmp_path / "raw", WRONG["dark-just-below-bias"][0], Camera())
    code, said, _ = night(tmp_path / "raw", tmp_path / "out")
    assert [each["severity"] for each in said["findings"] if each["code"] == "ZF301"] != []
    strict, _, _ = night(tmp_path / "raw", tmp_path / "out", "--strict")
    assert (code, strict) in {(0, 1), (1, 1)}
