"""``python -m benchmarks``: measure zeroframe beside its peers, and write tables."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.frames import make_frames
from benchmarks.machine import machine
from benchmarks.measure import measure
from benchmarks.peers import PROGRAMS, installed
from benchmarks.sizes import QUICK, Size
from benchmarks.table import record, render, render_table, replaced, unlike
from benchmarks.workloads import LETTERS, workloads

__all__: list[str] = []

ROOT = Path(__file__).resolve().parents[1]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small frames, once: shows that the benchmark works")
    parser.add_argument("--only", default=",".join(LETTERS), help="workloads, as A,B 25 clipped (of %(default)s)")
    parser.add_argument("--peers", help="programs, as zeroframe,limit,IRAF; by default all that are installed")
    parser.add_argument("--repeat", type=int, help="rounds at most (5; 1 with --quick)")
    parser.add_argument("--budget", type=float, default=60.0, help="seconds a program and workload (%(default)s)")
    parser.add_argument("--rows", type=int, help="rows of a frame (4128; 128 with --quick)")
    parser.add_argument("--work", type=Path, default=Path(tempfile.gettempdir(), "zeroframe-bench"), help="work folder")
    parser.add_argument("--json", type=Path, help="where the figures go (WORK/results.json)")
    parser.add_argument(
        "--write-docs",
        action="store_true",
        help="write docs/performance.md; of a whole run, or of some rows by --update",
    )
    parser.add_argument("--from-json", type=Path, help="measure nothing, show the figures of an earlier run")
    parser.add_argument(
        "--update", action="store_true", help="put what is measured into the figures of --json, each with its own date"
    )
    given = parser.parse_args()
    if {name.split(" ")[0] for name in given.only.split(",")} - set(LETTERS):
        parser.error(f"--only takes {', '.join(LETTERS)}, or the whole name of a workload")
    some = given.only != ",".join(LETTERS)
    if given.write_docs and (given.quick or given.peers or given.rows or (some and not given.update)):
        parser.error(
            "--write-docs is for a whole run: leave out --quick, --only (but with --update), --peers and --rows"
        )
    if given.update and given.peers:
        parser.error("--update puts whole tables in place of others, whose programs took turns: leave out --peers")
    given.json = given.json or given.work / "results.json"
    if given.update and not given.json.exists():
        parser.error(f"--update: there is no {given.json}; say by --json where the figures are")
    return given


def _say(text: str) -> None:
    sys.stderr.write(text + "\n")


def _run(given: argparse.Namespace) -> dict[str, Any]:
    """Measure, and save the figures after each workload."""
    size = QUICK if given.quick else Size()
    if given.rows:
        size = Size(**{name: getattr(size, name) for name in Size.__slots__} | {"rows": given.rows})
    work = given.work.resolve()
    (work / "scratch").mkdir(parents=True, exist_ok=True)
    known = installed()
    allowed = set(given.peers.split(",")) if given.peers else {*known, "limit"}
    usable = {name for name, number in known.items() if number} | {"limit"}
    for name in sorted(set(known) - usable):
        _say(f"missing: {name} " + (f"(Debian: {PROGRAMS[name][1]})" if name in PROGRAMS else "(PyPI)"))
    report: dict[str, Any] = {"quick": given.quick, "rows": size.rows, "machine": machine(), "peers": known}
    path = given.json.absolute()
    report["workloads"] = []
    if given.update:
        earlier = json.loads(path.read_text())
        if reason := unlike(earlier, report):
            raise SystemExit(f"--update: {path} is of {reason}; its figures cannot stand beside new ones")
        report["workloads"] = earlier["workloads"]
        # programs that are not here have their tables from before
        report["peers"] = {name: known.get(name) or version for name, version in (known | earlier["peers"]).items()}
    for workload in workloads(work, size):
        if not {workload.letter, workload.key} & set(given.only.split(",")):
            continue
        _say(f"{workload.key}: {workload.title}")
        make_frames(work, size.rows, workload.needs)
        cases = [case for case in workload.cases() if case.program in allowed & usable]
        repeat = given.repeat or (1 if given.quick else 5)
        results = measure(cases, work / "scratch", repeat=repeat, budget_s=given.budget, say=_say)
        if results:
            made = record(workload.key, workload.title, results)
            report["workloads"] = replaced(report["workloads"], made)
            path.write_text(json.dumps(report, indent=1) + "\n")
            _say(render_table(made))
    return report


def main() -> int:
    """Measure or load, print, and tell by the exit code whether every program did its work."""
    given = _arguments()
    report = json.loads(given.from_json.read_text()) if given.from_json else _run(given)
    page = render(report)
    sys.stdout.write(page)
    if given.write_docs:
        if report["quick"] or report["rows"] != Size().rows:
            _say("only figures of full size are written into docs/performance.md")
            return 2
        (ROOT / "docs").mkdir(exist_ok=True)
        (ROOT / "docs" / "performance.md").write_text(page)
    failed = [
        f"{w['key']}: {row['name']}: {row['failure']}"
        for w in report["workloads"]
        for row in w["rows"]
        if row["failure"]
    ]
    for text in failed:
        _say(f"failed: {text}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
