"""The benchmark itself: on tiny frames, its tables and its JSON come out right."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from reliability import ALL_CASES
from zeroframe.simulate import night_specs

ROOT = Path(__file__).resolve().parents[1]


def run_benchmarks(*arguments: object) -> subprocess.CompletedProcess[str]:
    paths = os.pathsep.join([str(ROOT / "src"), os.environ.get("PYTHONPATH", "")])
    command = [sys.executable, "-m", "benchmarks", *map(str, arguments)]
    environment = os.environ | {"PYTHONPATH": paths}
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A work folder in which the smallest run was made."""
    folder = tmp_path_factory.mktemp("bench")
    size = ("--quick", "--rows", 64, "--repeat", 1)
    done = run_benchmarks(*size, "--only", "C", "--peers", "zeroframe,ccdproc", "--work", folder)
    assert done.returncode == 0, done.stdout + done.stderr
    (folder / "page.md").write_text(done.stdout)
    return folder


@pytest.fixture
def report(work: Path) -> dict[str, Any]:
    return json.loads((work / "results.json").read_text())


@pytest.mark.long
def test_json_holds_the_runs_and_the_machine(report):
    (workload,) = report["workloads"]
    assert workload["key"] == "C folder"
    assert [row["name"] for row in workload["rows"]] == ["zeroframe", "zeroframe, with its page", "ccdproc"]
    assert workload["measured"] > "2026"
    for row in workload["rows"]:
        assert len(row["runs"]) == 1
        assert 0.05 < row["wall_s"] < 60
        assert 20 < row["peak_mb"] < 2000
    assert report["rows"] == 64
    assert int(report["machine"]["cores"]) >= 1
    assert report["peers"]["zeroframe"]


@pytest.mark.long
def test_both_did_the_same_work(report):
    results = [row["result"] for row in report["workloads"][0]["rows"]]
    assert results[0] == "reference"
    assert results[1] == "equal"
    assert results[2] == "equal" or results[2].startswith("within")


@pytest.mark.long
def test_page_shows_the_table_with_the_ratio(work, report):
    page = (work / "page.md").read_text()
    rows = [line.split(" | ") for line in page.splitlines() if line.startswith(("| zeroframe |", "| ccdproc |"))]
    assert [row[0] for row in rows] == ["| zeroframe", "| ccdproc"]
    ours, _, theirs = (row["wall_s"] for row in report["workloads"][0]["rows"])
    assert rows[0][3] == "1"
    assert float(rows[1][3]) == pytest.approx(theirs / ours, rel=0.01)
    assert "Quick run" in page


@pytest.mark.long
def test_page_can_be_made_again_from_the_json(work):
    again = run_benchmarks("--from-json", work / "results.json")
    assert again.returncode == 0
    assert again.stdout == (work / "page.md").read_text()


@pytest.mark.long
def test_failure_is_shown_and_told_by_the_exit_code(work, report, tmp_path):
    row = report["workloads"][0]["rows"][1]
    row["failure"] = "exit code 3: out of film"
    path = tmp_path / "failed.json"
    path.write_text(json.dumps(report))
    shown = run_benchmarks("--from-json", path)
    assert shown.returncode == 1
    assert "failed: exit code 3: out of film" in shown.stdout


def test_docs_are_only_written_of_a_whole_run(tmp_path):
    refused = run_benchmarks("--quick", "--write-docs", "--work", tmp_path)
    assert refused.returncode == 2
    assert "whole run" in refused.stderr


@pytest.mark.long
class TestSomeTablesOnly:
    def test_the_others_stay_with_their_dates(self, work, report, tmp_path):
        path = tmp_path / "figures.json"
        report["workloads"][0]["measured"] = "2026-01-01T00:00+00:00"
        report["peers"]["fitsh"] = "0.9.4"
        path.write_text(json.dumps(report))
        size = ("--quick", "--rows", 64, "--repeat", 1, "--work", work, "--json", path)
        done = run_benchmarks(*size, "--only", "I", "--update")
        assert done.returncode == 0, done.stderr
        after = json.loads(path.read_text())
        assert after["workloads"][0] == report["workloads"][0]
        assert [each["key"] for each in after["workloads"]] == ["C folder", "I inspect"]
        assert after["workloads"][1]["measured"] > "2026-01-02"
        assert after["peers"]["fitsh"] == "0.9.4"
        assert "Measured at 2026-01-01T00:00+00:00" in done.stdout

    @pytest.mark.parametrize(
        ("what", "word"), [({"machine": {"cores": "1000"}}, "another machine"), ({"rows": 32}, "another size")]
    )
    def test_not_beside_figures_of_something_else(self, work, report, tmp_path, what, word):
        path = tmp_path / "figures.json"
        path.write_text(json.dumps(report | what))
        size = ("--quick", "--rows", 64, "--work", work, "--json", path)
        refused = run_benchmarks(*size, "--only", "I", "--update")
        assert refused.returncode != 0
        assert word in refused.stderr
        assert json.loads(path.read_text()) == report | what

    def test_not_with_some_programs_only(self, work, tmp_path):
        refused = run_benchmarks("--update", "--peers", "zeroframe", "--work", work)
        assert refused.returncode == 2
        assert "--peers" in refused.stderr
        missing = run_benchmarks("--update", "--only", "C", "--work", tmp_path)
        assert missing.returncode == 2
        assert "there is no" in missing.stderr


def test_targets_read_times_cpu_and_figures(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT))
    from benchmarks.targets import TARGETS, judge

    def row(name, wall_s, cpu_s=1.0, **figures):
        return {"name": name, "wall_s": wall_s, "cpu_s": cpu_s, "figures": figures}

    night = [row("zeroframe", 3.0), row("zeroframe, with its page", 4.0, 6.0), row("IRAF ccdproc", 10.0, 8.0)]
    measured = [
        {"key": "N night", "rows": night},
        {"key": "T timeline", "rows": [row("zeroframe night", 5.0, busy=0.9), row("with --compress", 6.0)]},
        {"key": "D ls 10000", "rows": [row("zeroframe ls, 10000 files", 0.3)]},
    ]
    found = {target.text: judge(target, measured) for target in TARGETS}
    assert found["N with the page: times faster than IRAF"] == 2.5
    assert found["N: part of the run that its page takes"] == 0.25
    assert found["N night: CPU time over IRAF's"] == 0.75
    assert found["T: part of the time for which cores are busy"] == 0.9
    assert found["T: science frames with loss, times smaller"] is None
    assert found["D `zeroframe ls` of 10,000 files, warm, s"] == 0.3
    assert found["C with the page: times faster than ccdproc"] is None


@pytest.mark.skipif(
    not ALL_CASES, reason="ZEROFRAME_ALL_CASES=1 reduces a night by both; pixels are compared in test_night_ccdproc.py"
)
def test_night_is_reduced_by_both_to_the_same_science_frames(tmp_path):
    size = ("--quick", "--rows", 64, "--repeat", 1)
    done = run_benchmarks(*size, "--only", "N", "--peers", "zeroframe,ccdproc", "--work", tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    (workload,) = json.loads((tmp_path / "results.json").read_text())["workloads"]
    ours, _, theirs = workload["rows"]
    assert ours["result"] == "reference"
    assert theirs["name"] == "ccdproc, float64 (its default)"
    if theirs["result"] != "equal" and not theirs["result"].startswith("within"):
        # a few values of the flats are clipped by one and not by the other: their levels decide it
        found = re.fullmatch(r"(\S+) % of pixels differ, by (\S+) ADU", theirs["result"])
        assert found is not None, theirs["result"]
        assert float(found[1]) < 5
        assert float(found[2]) < 2
    raw = {
        path.relative_to(tmp_path / "frames-64" / "night").as_posix()
        for path in (tmp_path / "frames-64").rglob("*.fits")
    }
    assert raw == {spec.file_name for spec in night_specs("palomar-lfc")}
