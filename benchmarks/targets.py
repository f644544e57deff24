"""What the measurements must show, as ratios between rows of one run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

__all__ = ["TARGETS", "Target", "judge"]

Workloads = Sequence[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Target:
    """One promise: ``value`` of the workloads is at least, or at most, ``bound``."""

    text: str
    bound: float
    value: Callable[[Workloads], float]
    at_least: bool = True

    def met(self, value: float) -> bool:
        """Whether a measured value keeps the promise."""
        return value >= self.bound if self.at_least else value <= self.bound


class NotMeasuredError(LookupError):
    """A row that a target speaks of is not there, or failed."""


def judge(target: Target, workloads: Workloads) -> float | None:
    """Return the measured value of a target; None where its rows were not measured."""
    try:
        return target.value(workloads)
    except NotMeasuredError:
        return None


def _rows(workloads: Workloads, key: str, name: str) -> list[dict[str, Any]]:
    """The rows of a workload whose names begin so; all of them were measured."""
    rows = [row for w in workloads if w["key"] == key for row in w["rows"] if row["name"].startswith(name)]
    rows = [row for row in rows if "wall_s" in row]
    if not rows:
        raise NotMeasuredError(f"{key}: {name}")
    return rows


def _seconds(workloads: Workloads, key: str, *names: str) -> float:
    """The time of the fastest of some rows."""
    found = []
    for name in names:
        try:
            found.append(min(row["wall_s"] for row in _rows(workloads, key, name)))
        except NotMeasuredError:
            continue
    if not found:
        raise NotMeasuredError(f"{key}: {names}")
    return float(min(found))


def _faster(key: str, *names: str, ours: str = "zeroframe") -> Callable[[Workloads], float]:
    """How many times longer than ours the fastest of others takes."""
    return lambda workloads: _seconds(workloads, key, *names) / _first(workloads, key, ours)


def _first(workloads: Workloads, key: str, name: str) -> float:
    return float(_rows(workloads, key, name)[0]["wall_s"])


def _cpu(workloads: Workloads, key: str, ours: str, theirs: str) -> float:
    """CPU time of ours over that of theirs."""
    return float(_rows(workloads, key, ours)[0]["cpu_s"] / _rows(workloads, key, theirs)[0]["cpu_s"])


def _page_share(key: str) -> Callable[[Workloads], float]:
    """What part of a run its page takes."""
    return lambda workloads: 1 - _first(workloads, key, "zeroframe") / _first(workloads, key, _PAGE)


def _figure(key: str, row: str, name: str) -> Callable[[Workloads], float]:
    """A figure that a row tells beside its time."""

    def value(workloads: Workloads) -> float:
        figures = _rows(workloads, key, row)[0].get("figures", {})
        if name not in figures:
            raise NotMeasuredError(f"{key}: {name}")
        return float(figures[name])

    return value


def _listed(files: int) -> Callable[[Workloads], float]:
    return lambda workloads: _first(workloads, f"D ls {files}", "zeroframe ls")


def _most(workloads: Workloads, key: str, column: str) -> float:
    return float(max(row[column] for row in _rows(workloads, key, "")))


def _spread(key: str, largest: float) -> Callable[[Workloads], float]:
    """Growth of time beyond proportion: the slope of the upper half over that of the lower half of the rows."""

    def value(workloads: Workloads) -> float:
        rows = [row for row in _rows(workloads, key, "") if float(row["name"].split()[0]) <= largest]
        if len(rows) < 3:
            raise NotMeasuredError(key)
        size = [row["wall_s"] * 1e9 / row["ns_per_value"] for row in rows]
        middle = len(rows) // 2
        slope = [(rows[b]["wall_s"] - rows[a]["wall_s"]) / (size[b] - size[a]) for a, b in ((0, middle), (middle, -1))]
        return float(slope[1] / slope[0])

    return value


_DEFAULT = "ccdproc, float64"
_PAGE = "zeroframe, with its page"
_C_PROGRAMS = ("Siril", "Gnuastro", "fitsh")
_ALL = ("ccdproc", "astropy", "astropop", "eloy", "IRAF", *_C_PROGRAMS)

TARGETS = (
    Target("A 25 plain: times faster than ccdproc's default", 3.5, _faster("A 25 plain", _DEFAULT)),
    Target("A 25 plain: times faster than ccdproc in float32", 1.8, _faster("A 25 plain", "ccdproc, float32")),
    Target("A 25 plain: times faster than IRAF", 1.4, _faster("A 25 plain", "IRAF")),
    Target(
        "A inside: time over that of the limit",
        1.3,
        lambda w: _first(w, "A inside", "zeroframe") / _first(w, "A inside", "limit"),
        at_least=False,
    ),
    Target("A 6 gzipped: times faster than ccdproc's default", 3.5, _faster("A 6 gzipped", _DEFAULT)),
    Target("A' times faster than ccdproc", 100, _faster("A' gzip", "ccdproc")),
    Target(
        "A' time over that of writing plain",
        1.5,
        lambda w: _first(w, "A' gzip", "zeroframe") / _first(w, "A' gzip", "zeroframe, written plain"),
        at_least=False,
    ),
    Target("B 25 clipped: times faster than ccdproc", 25, _faster("B 25 clipped", "ccdproc")),
    Target("B 25 clipped: times faster than IRAF", 5, _faster("B 25 clipped", "IRAF")),
    Target("B 25 clipped: times faster than Siril, Gnuastro, fitsh", 3, _faster("B 25 clipped", *_C_PROGRAMS)),
    Target(
        "B inside: times faster than ccdproc",
        100,
        _faster("B inside", "ccdproc", ours="zeroframe, arrays"),
    ),
    Target(
        "B inside: time over that of one copy of the stack",
        4,
        lambda w: _first(w, "B inside", "zeroframe, arrays") / _first(w, "B inside", "limit"),
        at_least=False,
    ),
    Target("B 100 clipped: times faster than ccdproc", 20, _faster("B 100 clipped", "ccdproc")),
    Target("B 100 clipped: times faster than the fastest peer", 1, _faster("B 100 clipped", *_ALL)),
    Target("B 100 median: times faster than the fastest peer", 1, _faster("B 100 median", *_ALL)),
    *(
        Target(
            f"B {n}: time of the median over that of the clipped mean",
            1,
            lambda w, n=n: _first(w, f"B {n} median", "zeroframe") / _first(w, f"B {n} clipped", "zeroframe"),  # type: ignore[misc]
            at_least=False,
        )
        for n in (6, 25, 100)
    ),
    Target("C: times faster than ccdproc", 15, _faster("C folder", "ccdproc")),
    Target("N night: times faster than ccdproc's default", 8, _faster("N night", _DEFAULT)),
    Target("N night: times faster than ccdproc in float32", 5, _faster("N night", "ccdproc, float32")),
    Target("C with the page: times faster than ccdproc", 12, _faster("C folder", "ccdproc", ours=_PAGE)),
    Target("N with the page: times faster than ccdproc's default", 8, _faster("N night", _DEFAULT, ours=_PAGE)),
    Target("N with the page: times faster than IRAF", 3, _faster("N night", "IRAF", ours=_PAGE)),
    Target("C: part of the run that its page takes", 0.25, _page_share("C folder"), at_least=False),
    Target("N: part of the run that its page takes", 0.25, _page_share("N night"), at_least=False),
    Target("A 25 plain: CPU time over IRAF's", 1, lambda w: _cpu(w, "A 25 plain", "zeroframe", "IRAF"), at_least=False),
    Target("N night: CPU time over IRAF's", 1, lambda w: _cpu(w, "N night", _PAGE, "IRAF"), at_least=False),
    Target("T: part of the time for which cores are busy", 0.85, _figure("T timeline", "zeroframe night", "busy")),
    Target(
        "T: part of the CPU time for cosmic rays, UNCERT, MASK",
        0.6,
        _figure("T timeline", "zeroframe night", "light"),
        at_least=False,
    ),
    Target("T: science frames with loss, times smaller", 4, _figure("T timeline", "with --compress", "times smaller")),
    Target("I `zeroframe inspect` of 24 frames, s", 1.5, lambda w: _first(w, "I inspect", "zeroframe"), at_least=False),
    Target("D `zeroframe ls` of 10,000 files, warm, s", 0.4, _listed(10_000), at_least=False),
    Target("D `zeroframe ls` of 100,000 files, warm, s", 4, _listed(100_000), at_least=False),
    Target(
        "F `zeroframe bias` of four small frames, s",
        0.45,
        lambda w: _first(w, "F start", "zeroframe bias"),
        at_least=False,
    ),
    Target(
        "F `import zeroframe` over an empty program, s",
        0.02,
        lambda w: _first(w, "F start", "python -c 'import zeroframe'") - _first(w, "F start", "python -c pass"),
        at_least=False,
    ),
    Target("F `zeroframe --help`, s", 0.15, lambda w: _first(w, "F start", "zeroframe --help"), at_least=False),
    Target("F `zeroframe ls`, s", 0.6, lambda w: _first(w, "F start", "zeroframe ls"), at_least=False),
    Target(
        "F first run over a warm one, s",
        3,
        lambda w: _first(w, "F cold", "zeroframe bias, first") - _first(w, "F cold", "zeroframe bias, kernels"),
        at_least=False,
    ),
    Target("E frames: peak over the limit, MB", 200, lambda w: _most(w, "E frames", "over_limit_mb"), at_least=False),
    Target("E pixels: peak over the limit, MB", 200, lambda w: _most(w, "E pixels", "over_limit_mb"), at_least=False),
    Target(
        "E frames: slope of the time from 50 to 100 frames over that from 10 to 50",
        1.5,
        _spread("E frames", 100),
        at_least=False,
    ),
    Target(
        "E pixels: slope of the time of large frames over that of small ones",
        1.5,
        _spread("E pixels", 1e9),
        at_least=False,
    ),
    Target("E 400 files with 64 open: s", 600, lambda w: _first(w, "E files", "with ulimit"), at_least=False),
)
