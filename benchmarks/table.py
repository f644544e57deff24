"""From results to tables: the record that goes into JSON, and its rendering in Markdown."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from statistics import median
from typing import TYPE_CHECKING, Any

from benchmarks.machine import commit
from benchmarks.targets import TARGETS, Target, judge

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.measure import Result

__all__ = ["record", "render", "render_table", "replaced", "unlike"]

INTRODUCTION = """\
# Performance

Made by `make bench` (`python -m benchmarks --write-docs`); do not edit.

Every program does the same work on the same frames, in turn, several times where that takes less than a few minutes.
The figures are medians. A row is a whole process, from its start to its end: imports are counted, files are in the page
cache, kernels have been compiled before unless the row says otherwise. Where a table says *inside one process*, the
program measured itself after a first run that is not counted. The programs of one table take turns; tables may have
been measured at different times, as they say. Memory is the largest resident set of any one process.

Raw frames are simulated biases of the Large Format Camera, {rows} x 2080 pixels of 16 bits. The medians of the rows of
the overscan are subtracted and the image is trimmed to {rows} x 2048 pixels of float32. Frames that are combined have
1000 ADU added, because Siril leaves out pixels of value 0. The night has six biases in one folder, a bias and nine
darks in another, six flats of two filters and two science frames, as in the CCD Data Reduction Guide. *Result* says
how the output compares with that of the first row: programs that clip by another spread, or repeatedly, reject other
values. In *T*, *busy* is the part of the time, from the first frame read to the last file written, for which cores had
a task, and *light* the part of the CPU time of tasks that goes to dark, flat, cosmic rays, UNCERT and MASK of science
frames. *G* is a night of 20 frames, *H* one of 28, whose images are as large.
"""

PEERS = """\
## Programs

A program is measured where it is installed and does the same work. *astropop* combines (`imcombine`, clipped or
median) and has no overscan, so it takes no part in *A*, *C* and *N*. *eloy* takes medians (`master_bias`), all frames
in memory, and knows neither overscan nor clipping. Both are on PyPI; eloy 0.0.11b0 needs twirl, which asks for an
astropy before 8, so they may be in an environment of their own, whose Python `ZEROFRAME_PEERS_PYTHON` names. *prose*
3.3.4 is not measured: it takes medians by the same function as eloy, asks for a numpy before 2 and an astropy before
6, and fetches a trained network from the internet when it is imported.

Some tables only are measured anew by `make bench ONLY=C,N`: each says when, of which commit, and how busy the machine
was (the mean number of running processes; 0 is idle). A machine that does other work, too, makes ratios uncertain.

"""

IN_THE_WAY = """\
## What stands in the way

- *A inside*: each raw frame is hashed (SHA-256) while it is read, and each result summed (CRC-32) while it is written:
  that is how a second run knows what need not be made again, and how `zeroframe verify` finds what was altered. The row
  *read, hashed, summed and written* holds the same work with nothing else; no program that does it can be faster than
  that. The levels of rows, the arithmetic, the quality of each frame and its header come on top.
- *A*, *B*, *C*, *N* as whole processes: Python, numpy, our own modules and the machine code of the kernels take their
  time at each start, whatever is to be done: *F start* holds a run on two small frames. It is half of what 6 frames
  take, and a third of what 25 take. Of the CPU time of a run on four small frames, half a second, numpy takes 0.05 s
  to be imported, our own modules 0.08 s: the methods of their 260 dataclasses are written when they are first used.
- *B* as a whole process: before frames are combined it is looked whether they belong together and how noisy they are;
  after it, three images are written (the result, its uncertainty, the number of frames of each pixel) where most other
  programs write one. To read the frames, to combine them and to write one image is a half of the time. The noise from
  which the errors of all pixels follow is pooled from samples of the frames: 0.1 s.
- *C* is *A 25* and *B 25* with one start. Results are written, which takes new pages for 0.85 GB, and read once more
  to be combined; keeping them in memory takes as many new pages again, and was slower. Of its time on one thread hashes
  and sums take 15 %, what makes the combined frame noisier than its pixels 14 %, waves along the rows of each frame
  7 %: what the verdict is made of.
- *N*: the timeline (below) of a night of 24 frames with its cosmic rays on two threads: each of them had a task for
  99 % of the time from the first frame read to the last written. Of 4.5 s of CPU a third writes 1.4 GB, most of it in
  the system, which has to find new pages; a sixth clips rows; a twelfth each goes to masks of bad pixels, to reading
  with its hash, and to the errors and the gain of combined frames. All that is done to science frames is a tenth.
- *D*: an index holds what `zeroframe ls` shows of each file, as long as the file, the code that reads headers and the
  taught words are what they were. Of some 11 us a file, 3 us ask the system whether it has changed; the first look at a
  folder takes 0.25 ms a file.
- *F first run*: numba takes half a second to be ready; then the kernel that clips stacks is compiled, eighteen
  functions, in which types are found and code is written by Python; then the others, one after the other.
- New pages: where the results of an earlier round have just been deleted the system may give out memory that is new to
  it, and on a virtual machine that can be ten times slower from one round to the next; the columns *from … to* tell.

## Where the time of a run goes

`zeroframe night RAW -o OUT --trace trace.json` (`bias`, `dark` and `flat`, too; `trace="trace.json"` of the functions)
writes what each thread did and when, in the Trace Event Format: open the file at [ui.perfetto.dev](https://ui.perfetto.dev),
which reads it in the browser and sends it nowhere, or at chrome://tracing. A row is a thread; one that begins takes the
row of one that has ended. The outermost bars are planning, tasks (a frame, a combination, a mask) and the page; within
them stand reading, each step, and writing. A bar says with what (`of`), and for how long of that the thread was at work
(`cpu_ms`): for the rest it waited, for a disk, another thread or a core. Bars of *first thread* named *wait
for tasks* are no work. On a cluster only the threads of this process are seen. A file that is there is replaced with
`--overwrite`, and only if it is a timeline. Without `--trace` nothing is recorded; a bar that is not recorded costs
0.2 µs, and a night of 24 frames has some 3000.
"""


def record(key: str, title: str, results: Sequence[Result]) -> dict[str, Any]:
    """One workload, as plain data."""
    now = datetime.now(UTC).isoformat(timespec="minutes")
    about = {"key": key, "title": title, "measured": now, "commit": commit(), "load": f"{os.getloadavg()[0]:.1f}"}
    return {**about, "rows": [_row(result) for result in results]}


def unlike(earlier: dict[str, Any], now: dict[str, Any]) -> str:
    """Say why figures of an earlier run cannot stand in one page with those of now; empty where they can."""
    for name in ("cores", "processor", "memory"):
        if earlier["machine"].get(name) != now["machine"].get(name):
            return f"another machine ({name}: {earlier['machine'].get(name)})"
    if (earlier["quick"], earlier["rows"]) != (now["quick"], now["rows"]):
        return f"frames of another size ({earlier['rows']} rows)"
    return ""


def replaced(workloads: Sequence[dict[str, Any]], made: dict[str, Any]) -> list[dict[str, Any]]:
    """The workloads with one of them measured anew in its place; a new one comes last."""
    if all(each["key"] != made["key"] for each in workloads):
        return [*workloads, made]
    return [made if each["key"] == made["key"] else each for each in workloads]


def _row(result: Result) -> dict[str, Any]:
    case, runs = result.case, result.runs
    row: dict[str, Any] = {
        "name": case.name,
        "program": case.program,
        "inside": case.inside,
        "runs": [{"wall_s": run.wall_s, "cpu_s": run.cpu_s, "peak_mb": run.peak_mb} for run in runs],
        "result": result.agreement,
        "remark": case.remark,
        "failure": result.failure,
    }
    if runs and not result.failure:
        row["figures"] = {name: median(run.figures[name] for run in runs) for name in runs[0].figures}
        times = [run.wall_s for run in runs]
        row |= {"wall_s": median(times), "least_s": min(times), "most_s": max(times), "count": len(times)}
        row["cpu_s"] = median(run.cpu_s for run in runs)
        row["peak_mb"] = median(run.peak_mb for run in runs)
        if case.limit_mb is not None:
            row["over_limit_mb"] = row["peak_mb"] - case.limit_mb
        if case.values:
            row["ns_per_value"] = row["wall_s"] * 1e9 / case.values
    return row


def render_table(workload: dict[str, Any]) -> str:
    """A workload's table in Markdown."""
    rows = workload["rows"]
    growth = any("over_limit_mb" in row for row in rows)
    inside = any(row["inside"] for row in rows)
    headings = ["program", "s", "from … to (runs)"]
    headings += ["ns a value", "peak MB", "peak − limit, MB"] if growth else ["ratio"]
    headings += [] if growth else ["peak MB"] if inside else ["CPU s", "peak MB", "result"]
    headings += ["remark"]
    base = rows[0].get("wall_s")
    lines = ["| " + " | ".join(headings) + " |", "|---" + "|---:" * (len(headings) - 2) + "|---|"]
    for row in rows:
        figures = [f"{name} {_seconds(value)}" for name, value in row.get("figures", {}).items()]
        remark = "; ".join([*filter(None, [row["remark"]]), *figures])
        cells = {"program": row["name"], "remark": remark, "result": row["result"]}
        if row["failure"]:
            cells["remark"] = "failed: " + row["failure"].replace("|", "/").replace("\n", " ")
        elif "wall_s" in row:
            cells |= _cells(row, base)
        lines.append("| " + " | ".join(cells.get(heading, "") for heading in headings) + " |")
    words = (("measured", "at"), ("commit", "of commit"), ("load", "load of the machine at the end"))
    said = [f"{how} {workload[name]}" for name, how in words if workload.get(name)]
    measured = f"Measured {', '.join(said)}." if said else ""
    return "\n".join(
        [f"### {workload['key']}: {workload['title']}", "", *([measured, ""] if measured else []), *lines, ""]
    )


def _cells(row: dict[str, Any], base: float | None) -> dict[str, str]:
    return {
        "s": _seconds(row["wall_s"]),
        "from … to (runs)": f"{_seconds(row['least_s'])} … {_seconds(row['most_s'])} ({row['count']})",
        "ratio": f"{row['wall_s'] / base:.3g}" if base else "",
        "CPU s": _seconds(row["cpu_s"]) if "cpu_s" in row else "",
        "peak MB": f"{row['peak_mb']:.0f}",
        "ns a value": f"{row.get('ns_per_value', 0):.2f}",
        "peak − limit, MB": f"{row.get('over_limit_mb', 0):+.0f}",
    }


def _seconds(value: float) -> str:
    return f"{value:.3g}" if value < 100 else f"{value:.0f}"


def render(report: dict[str, Any]) -> str:
    """The whole page in Markdown."""
    parts = [INTRODUCTION.format(rows=report["rows"])]
    if report["quick"]:
        parts.append("**Quick run on small frames: these figures say that the benchmark works, and nothing more.**\n")
    parts.append("## Machine\n")
    parts.append("\n".join(f"- {name}: {value}" for name, value in report["machine"].items()) + "\n")
    here = [f"{name} {value}" for name, value in report["peers"].items() if value]
    missing = [name for name, value in report["peers"].items() if not value]
    parts.append(f"Programs: {'; '.join(here)}. Missing: {', '.join(missing) or 'none'}.\n")
    parts.append(PEERS)
    judged = [(target, judge(target, report["workloads"])) for target in TARGETS]
    if not report["quick"] and any(value is not None for _, value in judged):
        parts += ["## Targets\n", _render_targets(judged), IN_THE_WAY]
    parts += ["## Measurements\n", *(render_table(workload) for workload in report["workloads"])]
    return "\n".join(parts)


def _render_targets(judged: Sequence[tuple[Target, float | None]]) -> str:
    lines = ["| target | wanted | measured | |", "|---|---:|---:|---|"]
    for target, value in judged:
        sign = "≥" if target.at_least else "≤"
        measured, met = (
            ("", "not measured") if value is None else (f"{value:.3g}", "met" if target.met(value) else "**missed**")
        )
        lines.append(f"| {target.text} | {sign} {target.bound:g} | {measured} | {met} |")
    return "\n".join(lines) + "\n"
