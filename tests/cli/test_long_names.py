"""Names that are too long for the file system: refused in one sentence, wherever a command takes a path."""

from __future__ import annotations

import pytest

from workbench import command, files_in, names_in, small_folder
from zeroframe.cli.log_file import Call, write_details

LONG = "x" * 300
COMMANDS = {
    "night -o": ("night", "RAW", "-o", LONG),
    "bias -o": ("bias", "RAW", "-o", LONG),
    "night RAW": ("night", LONG, "-o", "o"),
    "ls": ("ls", LONG),
    "verify": ("verify", LONG),
    "inspect": ("inspect", LONG),
    "watch": ("watch", LONG, "-o", "o"),
    "simulate": ("simulate", "palomar-lfc", LONG, "--size", "64x64"),
    "library add": ("library", "add", "RAW", LONG),
    "calibrations": ("night", "RAW", "-o", "o", "--calibrations", LONG),
    "trace": ("night", "RAW", "-o", "o", "--trace", LONG),
    "recipe --out": ("recipe", "--out", LONG),
}


@pytest.mark.parametrize("words", COMMANDS.values(), ids=COMMANDS)
def test_it_is_refused_in_one_sentence(words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    small_folder(tmp_path / "raw")
    before = files_in(tmp_path / "raw")
    done = command(*("raw" if word == "RAW" else word for word in words))
    assert done.code == 2
    assert "(File name too long); choose a shorter name" in done.err
    assert not {"Traceback", "fault of zeroframe"} & set(done.err.splitlines())
    assert "fault of zeroframe" not in done.err
    assert "Traceback" not in done.err
    assert files_in(tmp_path / "raw") == before
    assert names_in(tmp_path) == ["raw"]


def test_details_of_a_fault_are_written_where_the_folder_of_results_cannot_be_looked_at(tmp_path):
    call = Call(["night", "raw", "-o", LONG])
    call.command = "night"
    call.parameters = {"raw": tmp_path, "out": tmp_path / LONG}
    details = write_details(ValueError("of ours"), call)
    assert details is not None
    assert "of ours" in details.read_text()
