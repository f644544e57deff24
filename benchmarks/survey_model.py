"""``python -m benchmarks.survey_model``: how long a survey takes on a cluster, by a sum and by a simulation of events.

The sum asks of each resource how long it is busy: storage, the network and the cores of the workers, the scheduler,
the client. The one that is busy longest limits the survey. A sum knows nothing of waiting: of workers without a job
while the last frames of a night are made, of jobs that wait for a combined frame. The simulation does: every job goes
from the client to the scheduler, waits for a worker, reads, computes and writes, and is taken back; of each night its
biases, darks, flats and science frames follow one another, each after what it is calibrated with, and some nights are
carried out beside each other. Where the two agree, the sum may be believed.
"""

from __future__ import annotations

import argparse
import sys
from collections import deque
from dataclasses import dataclass, fields, replace
from heapq import heappop, heappush
from itertools import count
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Costs", "Simulated", "Survey", "busy_seconds", "simulate_survey", "table_of"]

#: So many headers are a job of a worker.
_LOOKED_AT = 64
#: Of a night: which part of its frames, and how many combined frames come of them, in the order of what needs what.
_STAGES = ((0.10, 1), (0.10, 2), (0.15, 3), (0.65, 0))


@dataclass(frozen=True, slots=True)
class Costs:
    """What things cost on one core: as ``python -m benchmarks.costs`` and ``benchmarks.scale`` measured them.

    Attributes
    ----------
    client_s, scheduler_s : float
        A frame costs the client, and the scheduler.
    night_s : float
        A night costs the client beside its frames.
    header_s : float
        A header that comes from a worker costs the client, with its share of the plan.
    look_s : float
        A header costs a worker, which reads it where nights are told apart, and again where its own is planned.
    calibration_s, science_s, combined_s : float
        To calibrate a frame that will be combined, one that will not, and for each frame of a combination.
    header_mb, raw_mb, calibration_mb, science_mb : float
        Megabytes that are read of a header, twice, of a raw frame, and of results of both sorts.
    """

    client_s: float = 0.0040
    scheduler_s: float = 0.0045
    night_s: float = 1.0
    header_s: float = 150e-6
    look_s: float = 700e-6
    calibration_s: float = 0.095
    science_s: float = 0.48
    combined_s: float = 0.087
    header_mb: float = 0.03
    raw_mb: float = 17.2
    calibration_mb: float = 33.8
    science_mb: float = 76.1


@dataclass(frozen=True, slots=True)
class Survey:
    """What is to be done, and with what.

    Attributes
    ----------
    frames, night_frames : int
        In all, and of one night.
    workers : int
        Of one thread.
    storage_mb_s, network_mb_s : float
        What the storage gives to all together, and the network to one worker.
    nights_at_once : int
        Carried out beside each other.
    jobs_at_once : int
        Of one night.
    """

    frames: int
    workers: int
    storage_mb_s: float
    night_frames: int = 400
    network_mb_s: float = 1250.0
    nights_at_once: int = 8
    jobs_at_once: int = 256

    @property
    def nights(self) -> int:
        """How many nights there are."""
        return max(round(self.frames / self.night_frames), 1)


@dataclass(frozen=True, slots=True)
class Simulated:
    """How long a survey took, and how many seconds each resource was busy, workers all together."""

    seconds: float
    busy: dict[str, float]


def _stages(survey: Survey) -> list[tuple[int, int]]:
    """Return of a night how many frames each stage has, and how many combined frames are made of them."""
    return [(round(part * survey.night_frames), combined) for part, combined in _STAGES]


def busy_seconds(costs: Costs, survey: Survey) -> dict[str, float]:
    """Return how long each resource is busy at least, in seconds: cores and network of the workers shared by all.

    Examples
    --------
    >>> costs = Costs(1e-3, night_s=0.0, header_s=0.0, look_s=0.0, calibration_s=0.1, science_s=0.1, combined_s=0.0)
    >>> found = busy_seconds(costs, Survey(400_000, 100, 1e6))
    >>> round(found["client"], 6), round(found["workers' cores"], 6)
    (413.0, 400.0)
    """
    frames = combined = megabytes = core_s = 0.0
    for number, made in _stages(survey):
        again = number if made else 0
        each_mb, each_s = (costs.calibration_mb, costs.calibration_s) if made else (costs.science_mb, costs.science_s)
        frames, combined = frames + number, combined + made
        megabytes += number * (costs.raw_mb + each_mb) + again * costs.calibration_mb + made * costs.calibration_mb
        core_s += number * each_s + again * costs.combined_s
    megabytes, core_s = megabytes + frames * costs.header_mb, core_s + frames * costs.look_s
    jobs = frames + combined + -(-survey.night_frames // _LOOKED_AT)
    client_s = jobs * costs.client_s + frames * costs.header_s + costs.night_s
    return {
        "storage": survey.nights * megabytes / survey.storage_mb_s,
        "workers' network": survey.nights * megabytes / survey.network_mb_s / survey.workers,
        "workers' cores": survey.nights * core_s / survey.workers,
        "scheduler": survey.nights * jobs * costs.scheduler_s,
        "client": survey.nights * client_s,
    }


class _Server:
    """Serves one after the other, in the order in which they come."""

    def __init__(self, events: _Events) -> None:
        self._events, self._free, self.busy = events, 0.0, 0.0

    def serve(self, seconds: float, then: Callable[[], None], least: float = 0.0) -> None:
        """Serve for so long; go on then, and not before ``least`` seconds have gone by."""
        self._free = max(self._free, self._events.now) + seconds
        self.busy += seconds
        self._events.at(max(self._free, self._events.now + least), then)


class _Events:
    """What happens, in the order of time."""

    def __init__(self) -> None:
        self.now, self._heap, self._number = 0.0, [], count()

    def at(self, moment: float, do: Callable[[], None]) -> None:
        """Do something at a moment; of two at one moment, the one first that was noted first."""
        heappush(self._heap, (moment, next(self._number), do))

    def run(self) -> float:
        """Let everything happen; return when the last thing did."""
        while self._heap:
            self.now, _, do = heappop(self._heap)
            do()
        return self.now


@dataclass(frozen=True, slots=True)
class _Job:
    read_mb: float
    core_s: float
    write_mb: float
    done: Callable[[], None]


class _Cluster:
    """Client, scheduler, storage and workers."""

    def __init__(self, costs: Costs, survey: Survey, events: _Events) -> None:
        self.costs, self.survey, self.events = costs, survey, events
        self.client, self.scheduler, self.storage = (_Server(events) for _ in range(3))
        self._idle, self._queue, self.worked = survey.workers, deque[_Job](), 0.0

    def hand_over(self, job: _Job) -> None:
        """Send a job on its way: half of what it costs client and scheduler is spent before it is done."""
        self.client.serve(
            self.costs.client_s / 2, lambda: self.scheduler.serve(self.costs.scheduler_s / 2, lambda: self._come(job))
        )

    def _come(self, job: _Job) -> None:
        self._queue.append(job)
        self._begin()

    def _begin(self) -> None:
        while self._idle and self._queue:
            self._idle -= 1
            self._move(self._queue[0].read_mb, self._computing(self._queue.popleft()))

    def _computing(self, job: _Job) -> Callable[[], None]:
        self.worked += job.core_s
        end = lambda: self._move(job.write_mb, lambda: self._ended(job))  # noqa: E731 -- what follows, read backwards
        return lambda: self.events.at(self.events.now + job.core_s, end)

    def _move(self, megabytes: float, then: Callable[[], None]) -> None:
        survey = self.survey
        self.storage.serve(megabytes / survey.storage_mb_s, then, least=megabytes / survey.network_mb_s)

    def _ended(self, job: _Job) -> None:
        self._idle += 1
        self._begin()
        self.scheduler.serve(self.costs.scheduler_s / 2, lambda: self.client.serve(self.costs.client_s / 2, job.done))


class _Night:
    """One night: headers, plan and stages follow one another, each of so many jobs at once as a scheduler may hold."""

    def __init__(self, cluster: _Cluster, ended: Callable[[], None]) -> None:
        self._cluster, self._ended = cluster, ended
        self._stages, self._combining, self._is_planned = deque(_stages(cluster.survey)), list[_Job](), False
        costs, frames = cluster.costs, cluster.survey.night_frames
        batches = [min(_LOOKED_AT, frames - start) for start in range(0, frames, _LOOKED_AT)]
        self._hand_over(deque(_Job(n * costs.header_mb, n * costs.look_s, 0.0, self._another) for n in batches))

    def _plan(self) -> None:
        costs, survey = self._cluster.costs, self._cluster.survey
        self._is_planned = True
        self._cluster.client.serve(costs.night_s + survey.night_frames * costs.header_s, self._next_stage)

    def _next_stage(self) -> None:
        if not self._stages:
            self._ended()
            return
        frames, combined = self._stages.popleft()
        costs = self._cluster.costs
        kind = (costs.calibration_s, costs.calibration_mb) if combined else (costs.science_s, costs.science_mb)
        jobs = deque(_Job(costs.raw_mb, *kind, self._another) for _ in range(frames))
        of = frames / max(combined, 1)
        self._combining = [
            _Job(of * costs.calibration_mb, of * costs.combined_s, costs.calibration_mb, self._another)
            for _ in range(combined)
        ]
        self._hand_over(jobs)

    def _hand_over(self, jobs: deque[_Job]) -> None:
        self._jobs, self._running = jobs, 0
        for _ in range(min(len(jobs), self._cluster.survey.jobs_at_once)):
            self._one_more()

    def _one_more(self) -> None:
        self._running += 1
        self._cluster.hand_over(self._jobs.popleft())

    def _another(self) -> None:
        self._running -= 1
        if self._jobs:
            self._one_more()
        elif not self._running:
            combining, self._combining = deque(self._combining), []
            if combining:
                self._hand_over(combining)
            elif not self._is_planned:
                self._plan()
            else:
                self._next_stage()


def simulate_survey(costs: Costs, survey: Survey) -> Simulated:
    """Let a survey happen, event by event.

    Parameters
    ----------
    costs : Costs
        What things cost.
    survey : Survey
        What is to be done.
    """
    events = _Events()
    cluster = _Cluster(costs, survey, events)
    left = survey.nights

    def next_night() -> None:
        nonlocal left
        if left:
            left -= 1
            _Night(cluster, next_night)

    for _ in range(survey.nights_at_once):
        next_night()
    seconds = events.run()
    busy = {"storage": cluster.storage.busy, "scheduler": cluster.scheduler.busy, "client": cluster.client.busy}
    return Simulated(seconds, busy | {"workers' cores": cluster.worked})


def table_of(costs: Costs, survey: Survey, *, most_simulated: int = 1_000_000) -> str:
    """Return sum and simulation as docs/scale.md shows them.

    Parameters
    ----------
    costs : Costs
        What things cost.
    survey : Survey
        What is to be done.
    most_simulated : int
        Of more frames, so many are simulated, and the rest takes its share of time.
    """
    busy = busy_seconds(costs, survey)
    part = min(survey.frames, most_simulated)
    simulated = simulate_survey(costs, replace(survey, frames=part)).seconds * survey.frames / part
    longest = max(busy, key=lambda name: busy[name])
    title = f"{survey.frames:,} frames, {survey.workers:,} workers, storage of {survey.storage_mb_s / 1000:g} GB/s"
    rows = [f"| {'**' if name == longest else ''}{name}{'**' if name == longest else ''} | {_hours(seconds)} |"
            for name, seconds in busy.items()]  # fmt: skip
    more = simulated / busy[longest] - 1
    told = f"| simulated, of {survey.nights_at_once} nights at once | {_hours(simulated)} ({100 * more:+.0f} %) |"
    return "\n".join([f"| {title} | busy for |", "|---|---|", *rows, told])


def _hours(seconds: float) -> str:
    return f"{seconds / 3600:.1f} h" if seconds >= 3600 else f"{seconds / 60:.0f} min"


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.survey_model", description=__doc__)
    for field in fields(Costs):
        parser.add_argument(f"--{field.name.replace('_', '-')}", type=float, default=field.default)
    parser.add_argument("--nights-at-once", type=int, help="8 with 100 workers, 16 with 1,000")
    given = vars(parser.parse_args())
    at_once = given.pop("nights_at_once")
    for usual, survey in ((8, Survey(1_000_000, 100, 5000.0)), (16, Survey(10_000_000, 1000, 50_000.0))):
        sys.stdout.write(table_of(Costs(**given), replace(survey, nights_at_once=at_once or usual)) + "\n\n")


if __name__ == "__main__":
    main()
