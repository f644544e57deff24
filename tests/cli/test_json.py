"""``--json`` of every command: one document on standard output, nothing else, of the shipped schema."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import zeroframe
from workbench import command
from wrong_nights import GOOD, WRONG, changed, good_shots, write_night
from zeroframe.cli.main import app

jsonschema = pytest.importorskip("jsonschema")
SCHEMA = json.loads((Path(zeroframe.__file__).parent / "review" / "document.schema.json").read_text())


def run(*words, code=0):
    said = command(*words, "--json")
    assert said.code == code, said.err
    document = json.loads(said.out, parse_constant=pytest.fail)
    jsonschema.validate(document, SCHEMA)
    assert document["verdict"]["exit_code"] == code
    assert document["command"] == (" ".join(map(str, words[:2])) if words[0] == "library" else words[0])
    return document


@pytest.fixture(scope="module")
def night(tmp_path_factory):
    folder = tmp_path_factory.mktemp("json")
    write_night(folder / "raw", good_shots(counts=(3, 3, 3, 2)))
    return folder, run("night", folder / "raw", "-o", folder / "out", "--no-report")


def test_every_command_has_it():
    for registered in app.registered_commands:
        name = registered.name or registered.callback.__name__
        assert "--json" in command(name, "--help").out, name


def test_night(night):
    assert night[1]["verdict"]["tone"] == "good"
    assert {each["kind"] for each in night[1]["results"]} >= {"bias", "dark", "flat", "science"}


@pytest.mark.parametrize("job", ["bias", "dark", "flat"])
def test_jobs(night, tmp_path, job):
    found = run(job, night[0] / "raw", "-o", tmp_path / "out", "--no-report")
    assert job in {each["kind"] for each in found["results"]}


def test_dry_run(night, tmp_path):
    found = run("night", night[0] / "raw", "-o", tmp_path / "out", "--dry-run")
    assert {each["what"] for each in found["plan"]} == {"make"}
    assert not (tmp_path / "out").exists()
    kept = run("night", night[0] / "raw", "-o", night[0] / "out", "--dry-run")
    assert {each["what"] for each in kept["plan"]} == {"keep"}


def test_by_night(tmp_path):
    for day in ("20", "21"):
        write_night(
            tmp_path / "raw" / day, changed(good_shots(counts=(3, 0, 0, 0)), "", cards={
                "DATE-OBS": f"2026-11-{day}T22:00:00"}), seed=int(day),
        )  # fmt: skip
    found = run("bias", tmp_path / "raw", "-o", tmp_path / "out", "--by-night", "--no-report")
    assert [each["night"] for each in found["nights"]] == ["2026-11-20", "2026-11-21"]
    assert {each["document"]["verdict"]["headline"] for each in found["nights"]} == {"All is well."}


def test_combine_ls_inspect_verify_explain(night, tmp_path):
    folder, _ = night
    frames = sorted((folder / "out").glob("b[0-9].fits"))
    assert [each["what"] for each in run("combine", *frames, "-o", tmp_path / "c.fits")["results"]] == ["combined"]
    listed = run("ls", folder / "raw")
    assert len(listed["frames"]) == 11
    assert set(listed["frames"][0]) == set(listed["columns"])
    found = run("inspect", folder / "raw")
    assert found["cameras"][0]["decision"] == "none"
    assert found["cameras"][0]["gain_e_per_adu"] == pytest.approx(1.5, rel=0.1)
    verified = run("verify", folder / "out")
    assert verified["outputs"] == len(night[1]["results"])
    assert (verified["inputs"], verified["inputs_left"], verified["earlier"]) == (0, 11, 0)
    with_raw = run("verify", folder / "out", "--raw", folder / "raw")
    assert (with_raw["inputs"], with_raw["inputs_left"]) == (11, 0)
    assert "s0.fits" in " ".join(run("explain", folder / "out" / "s0.fits")["sentences"])
    assert run("explain", "ZF301")["sentences"][0].startswith("ZF301")


def test_what_is_altered_is_in_it(night, tmp_path):
    shutil.copytree(night[0] / "out", tmp_path / "out")
    (tmp_path / "out" / "s0.fits").unlink()
    found = run("verify", tmp_path / "out", code=1)
    assert "s0.fits" in " ".join(found["problems"])
    assert found["verdict"]["tone"] == "bad"


def test_library(night, tmp_path):
    folder, library = night[0] / "out", tmp_path / "library"
    added = run("library", "add", folder, library)
    assert len(added["added"]) == 3
    assert run("library", "add", folder, library)["known"] == added["added"]
    entries = run("library", "ls", library)["entries"]
    assert {each["kind"] for each in entries} == {"bias", "dark", "flat"}
    assert run("library", "verify", library)["files"] == 3
    (library / entries[0]["file"]).unlink()
    assert entries[0]["file"] in " ".join(run("library", "verify", library, code=1)["problems"])


@pytest.mark.long
def test_simulate_and_recipe(tmp_path):
    found = run("simulate", "apogee-cg16m", tmp_path / "raw", "--frames", "1")
    assert [Path(each).exists() for each in found["files"]] == [True]
    assert "[bias]" in run("recipe")["recipe"]
    assert Path(run("recipe", "-o", tmp_path / "night.toml")["out"]).exists()


@pytest.mark.parametrize(
    "words",
    [("night", "nowhere", "-o", "out"), ("ls", "nowhere"), ("explain", "ZF999"), ("combine", "x.fits", "-o", "y.fits"),
     ("verify", "nowhere"), ("inspect", "nowhere"), ("library", "add", "nowhere", "library"),
     ("library", "verify", "nowhere"), ("night", "raw", "-o", "out", "--clip", "many")],
)  # fmt: skip
def test_what_cannot_be_done_is_a_document_too(tmp_path, monkeypatch, words):
    monkeypatch.chdir(tmp_path)
    found = run(*words, code=2)
    assert found["error"]
    assert found["verdict"]["tone"] == "bad"


@pytest.mark.long
@pytest.mark.skipif(shutil.which("jq") is None, reason="jq is not installed")
def test_jq_reads_it(tmp_path):
    write_night(tmp_path / "raw", WRONG["dark-below-bias"][0])
    line = f"{sys.executable} -m zeroframe night {tmp_path}/raw -o {tmp_path}/out --json --no-report | jq -r .verdict"
    said = subprocess.run(line, shell=True, capture_output=True, text=True, check=True)
    assert json.loads(said.stdout) == {"tone": "bad", "headline": "Finished with problems (1 frame).", "exit_code": 1}


def test_python_gives_the_same(night):
    again = zeroframe.night(night[0] / "raw", night[0] / "out", report=False)
    assert again.figures == {each["name"]: each["figures"] for each in night[1]["results"] if each["figures"]}
    assert len(GOOD) > len(again.frames)
