"""Whatever a file says, it fails alone: files of a grammar, each beside two good frames, through every command."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from fits_grammar import draw_file
from reliability import ALL_CASES, ENVIRONMENT

SEARCH = os.environ.get("ZEROFRAME_EXAMPLES") == "search"
#: `make fuzz` takes half an hour for them on two free cores.
FILES = 20_000 if SEARCH else 150 if ALL_CASES else 30
PIECE = 500
MOST_MEGABYTES = 1000
#: A file that takes 5 s of the processor is named by the program itself; this is for one that hangs it.
PATIENCE_S = 300.0
PROGRAM = Path(__file__).resolve().parents[1] / "fits_fuzzing.py"


def test_a_number_is_a_file():
    """What was found once can be found again."""
    first, again = draw_file(17), draw_file(17)
    assert (first.name, first.content, first.told) == (again.name, again.content, again.told)
    assert len({draw_file(number).content for number in range(200)}) > 190


def _line_in_time(process: subprocess.Popen) -> str:
    """Return what a program says next; nothing at its end, which comes where it says nothing for long."""
    watchdog = threading.Timer(PATIENCE_S, process.kill)
    watchdog.start()
    line = process.stdout.readline()
    watchdog.cancel()
    return line


def run(first: int, count: int, folder: Path) -> list[dict]:
    """Return what is told of the files of some numbers; one over which nothing is told in time hangs the program."""
    environment = {**ENVIRONMENT, "ZEROFRAME_CACHE": str(folder / "cache"), "PYTHONPATH": os.pathsep.join(
        [ENVIRONMENT["PYTHONPATH"], str(PROGRAM.parent)])}  # fmt: skip
    arguments = [sys.executable, PROGRAM, str(first), str(count), folder / str(first)]
    told, begun = [], first
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True, env=environment) as process:
        while line := _line_in_time(process):
            said = json.loads(line)
            begun = said.get("begins", begun)
            if "number" in said:
                told.append(said)
    if process.returncode or len(told) != count:
        pytest.fail(f"file {begun} ends or hangs the program (exit code {process.returncode}): {draw_file(begun).told}")
    return told


@pytest.mark.long
@pytest.mark.fuzz
@pytest.mark.parametrize("first", range(0, FILES, PIECE))
def test_each_beside_two_good_frames(tmp_path, first):
    """No traceback, no hang, no memory without end, nothing that was not expected, and the good ones are done."""
    told = run(first, min(PIECE, FILES - first), tmp_path)
    wrong = {each["number"]: (each["told"], each["wrong"]) for each in told if each["wrong"]}
    assert not wrong
    unexpected = {each["number"]: (each["told"], each["logged"]) for each in told if each["logged"]}
    assert not unexpected
    assert max(each["megabytes"] for each in told) < MOST_MEGABYTES
