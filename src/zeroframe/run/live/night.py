"""A night that is planned again and carried out again as its frames arrive, by the engine of every other night.

What is up to date already, by its stamp, is neither made nor read again: its figures are those of run.json. So a frame
costs what it takes to make it, and a better calibration what depends on it.
"""

from __future__ import annotations

import math
import time
from dataclasses import replace
from threading import Event, Lock, Thread
from typing import TYPE_CHECKING, Any

from zeroframe.errors import DamagedError, FrameError, NoFramesError, NotFitsError, OutputError, ZeroframeError
from zeroframe.fits.failures import attempt
from zeroframe.fits.part_paths import file_of
from zeroframe.planning.asking import planned_of
from zeroframe.records import dataclass
from zeroframe.run.engine import run_session
from zeroframe.run.kept import spared_results
from zeroframe.run.live.arrivals import Arrivals, wakes
from zeroframe.run.live.board import Board, FrameRow
from zeroframe.run.live.first_look import FirstLooks, Seen
from zeroframe.run.session import AS_USUAL, RunSettings, begin_night

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from zeroframe.headers.survey import RawFrame
    from zeroframe.planning.plan import NightPlan
    from zeroframe.planning.recipe import NightRecipe
    from zeroframe.review import Finding, Subject
    from zeroframe.run.outcomes import NightOutcome, NightResult

__all__ = ["LiveNight", "LiveSettings"]

#: The night is carried out when no frame has come for so long, or so long after the first that waits.
_QUIET_S, _LATEST_S = 1.0, 12.0
#: How often it is asked whether that is so.
_TURN_S = 0.05
_STATES = {"done": "calibrated", "skipped": "calibrated"}


@dataclass(frozen=True)
class LiveSettings:
    """What is asked for.

    Attributes
    ----------
    raw, out : pathlib.Path
        Where frames arrive, and where results go.
    recipe : NightRecipe
        As for a night that is over.
    recurse : bool
        Whether folders within are looked at.
    run : RunSettings
        How the night is carried out, again and again.
    events : bool
        Whether the system is asked to tell of new files.
    """

    raw: Path
    out: Path
    recipe: NightRecipe
    recurse: bool = True
    run: RunSettings = AS_USUAL
    events: bool = True


class LiveNight:
    """Watches a folder, and keeps a board and the results up to date.

    Parameters
    ----------
    settings : LiveSettings
        What is asked for.
    seen : callable
        Called from a thread with each frame at first sight, its pixels included, before its row stands on the board;
        says whether there is a picture of it now.
    told : callable
        Called with each row that is new, or has come to its end, from several threads.
    troubled : callable
        Called each time the night has been carried out: with the reason why it could not be, or with nothing.
    """

    def __init__(
        self,
        settings: LiveSettings,
        seen: Callable[[Seen], bool],
        told: Callable[[FrameRow], None],
        troubled: Callable[[str], None],
    ) -> None:
        self.settings, self.board = settings, Board()
        self._seen, self._told, self._troubled = seen, told, troubled
        self._arrivals = Arrivals(settings.raw, settings.out, recurse=settings.recurse)
        self._looks = FirstLooks(settings.raw, settings.out, settings.recipe, settings.run.check_sums)
        self._items: dict[Path, list[RawFrame]] = {}
        self._lock, self._stop = Lock(), Event()
        self._first_s, self._last_s, self._again_s = math.inf, math.inf, math.inf
        self._failure: BaseException | None = None

    def watch(self) -> None:
        """Watch until somebody interrupts it, or calls `end`.

        Raises
        ------
        ZeroframeError
            When the folder cannot be read any more, or the results cannot be written.
        KeyboardInterrupt
            When it is interrupted.
        """
        looking = Thread(target=self._look_on, name="zeroframe-watch", daemon=True)
        looking.start()
        try:
            while self._failure is None and not self._stop.wait(_TURN_S):
                if self._is_due():
                    self._carry_out()
        finally:
            self._stop.set()
            looking.join()
        if self._failure is not None:
            raise self._failure

    def end(self) -> None:
        """End the watch, from another thread; what is being made is made to its end."""
        self._stop.set()

    # ---- the first look, on a thread of its own

    def _look_on(self) -> None:
        try:
            for _ in wakes(self.settings.raw, self._stop, events=self.settings.events):
                changes = self._arrivals.look()
                for path in changes.gone:
                    self._forget(path)
                for path in changes.rested:
                    self._look_at(path)
                    if self._stop.is_set():
                        return
        except BaseException as error:  # noqa: BLE001 -- handed to the thread that waits, which raises it
            self._failure = error

    def _forget(self, path: Path) -> None:
        with self._lock:
            items = self._items.pop(path, [])
            self._due()
        for item in items:
            self._looks.forget(item.path)
        for row in self.board.since(0).rows:
            if file_of(row.source) == path:
                self.board.change(row.name, lambda _: None)

    def _look_at(self, path: Path) -> None:
        found = attempt(path, self._looks.headers, path)
        items = [] if isinstance(found, FrameError) else found
        if isinstance(found, FrameError) and self._waits(path, found):
            return
        for item in items:
            seen = attempt(item.path, self._looks.look, item)
            if isinstance(seen, FrameError):
                if self._waits(path, seen):
                    return
                self._failed(item.path, seen)
            elif seen is not None:
                self._put(seen)
        if items:
            with self._lock:
                self._items[path] = items
                self._due()

    def _waits(self, path: Path, error: FrameError) -> bool:
        """Say whether a file may only be unfinished, and will be looked at again."""
        unfinished = isinstance(error, DamagedError | NotFitsError) or not path.exists()
        return unfinished and self._arrivals.not_yet(path)

    def _failed(self, path: Path, error: FrameError) -> None:
        name = self._name(path)
        row = FrameRow(name, path, arrived_s=_written_s(path), seen_s=time.time(), state="failed", reason=error.reason)
        self.board.put(row)
        self._told(row)

    def _put(self, seen: Seen) -> None:
        facts, subject = seen.facts, seen.subject
        kind = subject.kind if subject is not None else "" if facts is None or facts.kind is None else facts.kind.value
        row = FrameRow(
            seen.name,
            seen.path,
            kind=kind,
            object_name="" if facts is None else facts.object_name or "",
            filter_name="" if facts is None else facts.filter_name or "",
            exposure_s=None if facts is None else facts.exposure_s,
            arrived_s=_written_s(seen.path),
            state="left alone" if seen.left_alone else "seen",
            reason=seen.left_alone,
            findings=seen.findings,
            pictured=self._seen(seen),
            **_figures(subject),
        )
        row = replace(row, seen_s=time.time())
        self.board.put(row)
        self._told(row)

    def _name(self, path: Path) -> str:
        raw = self.settings.raw
        return path.relative_to(raw).as_posix() if path.is_relative_to(raw) else path.name

    # ---- the night, on the thread that waits

    def _due(self) -> None:
        now = time.monotonic()
        self._first_s, self._last_s = min(self._first_s, now), now

    def _is_due(self) -> bool:
        now = time.monotonic()
        with self._lock:
            quiet, late = now - self._last_s >= _QUIET_S, now - self._first_s >= _LATEST_S
            return quiet or late or now >= self._again_s

    def _carry_out(self) -> None:
        """Plan the night with the frames that are there, and carry it out."""
        with self._lock:
            self._first_s = self._last_s = self._again_s = math.inf
            found = [item for path in sorted(self._items) for item in self._items[path]]
        settings, begun = self.settings, time.monotonic()
        if not found:
            return
        try:
            self.board.say(f"calibrating: {len(found)} frames are there")
            plan = planned_of(
                *("night", found, settings.raw, settings.out, settings.recipe),
                overwrite=True,
                resources=settings.run.resources,
            )
            self._looks.evidence = plan.evidence
            with begin_night(plan, settings.run) as session:
                spared = spared_results(session)
                result = run_session(session, progress=self._progress, spared=spared)
        except NoFramesError as error:
            self.board.say(str(error))
            return
        except ZeroframeError as error:
            self._troubled(str(error))
            self.board.say(f"the night cannot be calibrated yet: {error}")
            if isinstance(error, OutputError):  # a folder that is held, a full disk: no frame tells when it ended
                self._again_s = time.monotonic() + _LATEST_S
            return
        self._troubled("")
        self._tell(plan, result)
        self.board.say(f"up to date; the last time took {time.monotonic() - begun:.1f} s")

    def _progress(self, what: str, fraction: float) -> None:
        self.board.say(f"{what}, {100 * fraction:.0f} %")

    def _tell(self, plan: NightPlan, result: NightResult) -> None:
        subjects = {each.name: each for each in result.review.night.subjects}
        single: dict[str, list[Finding]] = {}
        whole = []
        names = {frame.name: frame.name for frame in plan.frames}
        names |= {frame.target.relative_to(plan.out).as_posix(): frame.name for frame in plan.frames}
        for finding in result.review.findings:
            of = {names[name] for name in finding.frames if name in names}
            if len(of) == 1:
                single.setdefault(of.pop(), []).append(finding)
            else:
                whole.append(finding)
        for each in result.frames:
            subject = subjects.get(each.frame.target.relative_to(plan.out).as_posix())
            self._ended(each, subject, tuple(single.get(each.frame.name, ())))
        self.board.find(tuple(whole))

    def _ended(self, each: NightOutcome, subject: Subject | None, findings: tuple[Finding, ...]) -> None:
        outcome = each.outcome

        def now(row: FrameRow | None) -> FrameRow | None:
            if row is None:  # it has gone meanwhile
                return None
            figures = _figures(subject) if outcome.is_there else {}
            if figures.get("saturated_fraction") is None:
                figures.pop("saturated_fraction", None)
            known = {(finding.code, finding.frames) for finding in findings}
            first = tuple(one for one in row.findings if (one.code, one.frames) not in known and row.state == "seen")
            return replace(
                row,
                state=_STATES.get(outcome.state, outcome.state),
                reason="" if outcome.state == "skipped" else outcome.reason,
                target=outcome.target if outcome.is_there else None,
                used=tuple(use.name for use in each.frame.steps.uses),
                findings=findings + (first if outcome.state in _STATES else ()),
                **figures,
            )

        before = self.board.row(each.frame.name)
        if before is None:
            return
        after = now(before)
        if after is not None and replace(after, version=before.version) != before:
            self.board.change(each.frame.name, now)
            if outcome.state != "skipped":
                self._told(after)


def _written_s(path: Path) -> float:
    try:
        return file_of(path).stat().st_mtime
    except OSError:  # it has gone meanwhile
        return time.time()


def _figures(subject: Subject | None) -> dict[str, Any]:
    """Return what a row tells of the figures of a frame."""
    if subject is None:
        return {}

    def known(value: float) -> float | None:
        return value if math.isfinite(value) else None

    return {
        "level": known(subject.get("level")),
        "noise": known(subject.get("noise")),
        "unit": {"adu": "ADU", "e": "e⁻"}.get(subject.unit, subject.unit),
        "saturated_fraction": known(subject.fraction("saturated_pixels")),
    }
