"""What a job gave, for a notebook: frames, combined frames, masks, figures by name, and what went wrong."""

from __future__ import annotations

from collections import Counter
from dataclasses import field
from functools import cached_property
from typing import TYPE_CHECKING, Literal

from zeroframe.html import safe_html, table_html, verdict_html
from zeroframe.records import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from astropy.nddata import CCDData

    from zeroframe.planning.first_steps import Choice
    from zeroframe.planning.plan import NightPlan
    from zeroframe.review import Finding
    from zeroframe.run.outcomes import GroupOutcome, NightOutcome, NightResult
    from zeroframe.run.result_files import ResultStatus
    from zeroframe.run.status import NightStatuses

__all__ = ["CalibratedFrame", "CombinedFrame", "Forecast", "MaskFile", "Reduction"]

_MOST_ROWS = 60


@dataclass(frozen=True, slots=True)
class _File:
    """A result that stands in a file.

    Attributes
    ----------
    name : str
        Of the file, relative to the folder of results.
    path : pathlib.Path
        Where it is.
    kind : str
        ``'bias'``, ``'dark'``, ``'flat'``, ``'science'``, ``'arc'``, ``'other'``; of a mask ``'hot'`` or ``'bad'``.
    state : {'done', 'skipped', 'left out', 'failed'}
        What is skipped was there already; what is left out is calibrated, but was not combined.
    reason : str
        Why, in words; empty where there is nothing to say.
    figures : mapping of str to float
        What was measured, by name; the unit is the end of the name.
    """

    name: str
    path: Path
    kind: str
    state: str
    reason: str = ""
    figures: Mapping[str, float] = field(default_factory=dict)

    @property
    def is_there(self) -> bool:
        """Whether the file is there and up to date, made now or before."""
        return self.state != "failed"

    def read(self) -> CCDData:
        """Read the file: its image with unit, header, uncertainty and mask, as far as it has them.

        Returns
        -------
        astropy.nddata.CCDData

        Raises
        ------
        FrameError
            When it is not there, or cannot be read.
        """
        from zeroframe.verbs.ccddata import read_ccd

        return read_ccd(self.path)


@dataclass(frozen=True, slots=True)
class CalibratedFrame(_File):
    """One calibrated frame; ``raw`` is the file that it was made of."""

    raw: Path | None = None

    @classmethod
    def of(cls, each: NightOutcome, out: Path, figures: Mapping[str, float]) -> CalibratedFrame:
        """Take what a run says of a frame."""
        frame, outcome = each.frame, each.outcome
        name = frame.target.relative_to(out).as_posix()
        said = (name, frame.target, frame.kind.value, outcome.state, outcome.reason, figures)
        return cls(*said, raw=frame.source)


@dataclass(frozen=True, slots=True)
class CombinedFrame(_File):
    """One combined frame.

    Attributes
    ----------
    label : str
        What it is called in words.
    frames : int
        Of how many frames it was made.
    is_relative : bool
        Whether it has a level of 1 and no unit, as a flat that is divided by.
    """

    label: str = ""
    frames: int = 0
    is_relative: bool = False

    @classmethod
    def of(cls, each: GroupOutcome, figures: Mapping[str, float]) -> CombinedFrame:
        """Take what a run says of a combined frame."""
        combined = each.combined
        said = (each.group.name, each.group.target, each.group.kind.value, combined.state, combined.reason)
        relative = each.group.scaled_by_level
        return cls(*said, figures, label=each.group.label, frames=combined.frames, is_relative=relative)

    def read(self) -> CCDData:
        """Read the frame: see `CalibratedFrame.read`; one that is relative has no unit."""
        from zeroframe.verbs.ccddata import read_ccd

        return read_ccd(self.path, unit="" if self.is_relative else None)


@dataclass(frozen=True, slots=True)
class MaskFile(_File):
    """A mask of pixels; read, its data are 1 where a pixel is bad, and have no unit."""

    def read(self) -> CCDData:
        """Read the mask; see `CombinedFrame.read`."""
        from zeroframe.verbs.ccddata import read_ccd

        return read_ccd(self.path, unit="")


@dataclass(frozen=True, eq=False)
class Reduction:
    """What a job gave.

    Attributes
    ----------
    plan : NightPlan
        What was to be done, and why.
    result : NightResult
        All that is known of what was done.
    more_problems : tuple of str
        What went wrong beside the results themselves: a report that could not be written.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> import zeroframe
    >>> from zeroframe.simulate import any_camera, simulate_biases
    >>> folder = TemporaryDirectory()
    >>> raw = Path(folder.name, "raw")
    >>> paths = simulate_biases(any_camera("palomar-lfc").resized((64, 64)), raw, frames=3)
    >>> made = zeroframe.bias(raw, Path(folder.name, "out"), trim="[1:64,:]", report=False)
    >>> made.is_good, [each.name for each in made.combined], made.combined[0].read().shape
    (True, ['combined_bias.fits'], (64, 64))
    >>> folder.cleanup()
    """

    plan: NightPlan
    result: NightResult
    more_problems: tuple[str, ...] = ()

    @property
    def out(self) -> Path:
        """The folder of results."""
        return self.plan.out

    @cached_property
    def frames(self) -> tuple[CalibratedFrame, ...]:
        """The calibrated frames, in whatever state they ended."""
        known, out = self.figures, self.plan.out
        return tuple(
            CalibratedFrame.of(each, out, known.get(each.frame.target.relative_to(out).as_posix(), {}))
            for each in self.result.frames
        )

    @cached_property
    def combined(self) -> tuple[CombinedFrame, ...]:
        """The combined frames: biases, darks, flats."""
        return tuple(CombinedFrame.of(each, self.figures.get(each.group.name, {})) for each in self.result.groups)

    @cached_property
    def masks(self) -> tuple[MaskFile, ...]:
        """The masks of hot and bad pixels."""
        return tuple(
            MaskFile(
                *(each.job.name, each.job.target, each.job.what, each.state, each.reason),
                self.figures.get(each.job.name, {}),
            )
            for each in self.result.masks
        )

    @property
    def figures(self) -> dict[str, Mapping[str, float]]:
        """What was measured of each result, by its name: ``figures["combined_bias.fits"]["noise_adu"]``."""
        return {each.name: each.figures for each in self.result.review.night.subjects if each.figures}

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What the figures mean, the worst first: code, severity, sentence, frames, and what can be done."""
        return self.result.review.findings

    @property
    def problems(self) -> tuple[str, ...]:
        """One sentence for each finding that is no mere note: what went wrong, and what is to be looked at."""
        said = [each.sentence for each in self.findings if each.severity != "note"]
        return tuple(dict.fromkeys((*said, *self.more_problems)))

    @property
    def is_good(self) -> bool:
        """Whether everything was made that was asked for, and no finding says that a result is likely wrong."""
        return self.result.is_good and not self.more_problems

    def _headline(self) -> str:
        kinds = Counter(each.frame.kind.value for each in self.result.done)
        said = ", ".join(f"{number} {kind} {_frames(number)}" for kind, number in kinds.items()) or "no frame"
        combined = sum(each.combined.is_there for each in self.result.groups)
        made = f", {combined} combined {_frames(combined)} made" if self.result.groups else ""
        number = len(self.problems)
        verdict = "all is well" if not number else f"{number} thing{'' if number == 1 else 's'} to look at"
        return f"{said} calibrated{made}; {verdict}"

    def __repr__(self) -> str:
        return "\n  ".join([f"<Reduction: {self._headline()}", *self.problems[:5]]) + ">"

    def _repr_html_(self) -> str:
        """Return the verdict for a notebook, what it rests on, and the figures of the combined frames."""
        headline = self._headline()
        tone = self.result.review.verdict.tone if self.is_good else "bad"
        told = verdict_html(tone, headline[:1].upper() + headline[1:] + ".", self.problems)
        rows = [_row(each) for each in self.combined] or [_row(each) for each in self.frames[:_MOST_ROWS]]
        where = f"<p>{safe_html(self.plan.out)}</p>"
        return told + table_html(("file", "level", "noise", "expected"), rows) + where


def _frames(number: int) -> str:
    return "frame" if number == 1 else "frames"


def _row(each: _File) -> Sequence[object]:
    return (each.name, *(_figure_of(each, what) for what in ("level", "noise", "expected_noise")))


def _figure_of(each: _File, what: str) -> str | None:
    """Return a figure with its unit, which is the end of its name."""
    for name, value in each.figures.items():
        figure, _, unit = name.rpartition("_")
        if figure == what:
            return f"{value:.4g} {unit}"
    return None


@dataclass(frozen=True, eq=False)
class Forecast:
    """What a job would do.

    Attributes
    ----------
    plan : NightPlan
        What is done to each frame, with what, and why.
    statuses : NightStatuses
        What of it is there already.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> import zeroframe
    >>> from zeroframe.simulate import any_camera, simulate_biases
    >>> with TemporaryDirectory() as folder:
    ...     raw = Path(folder, "raw")
    ...     paths = simulate_biases(any_camera("palomar-lfc").resized((64, 64)), raw, frames=3)
    ...     forecast = zeroframe.plan(raw, Path(folder, "out"), "bias", trim="[1:64,:]")
    >>> len(forecast.to_make), len(forecast.to_keep)
    (4, 0)
    """

    plan: NightPlan
    statuses: NightStatuses

    @property
    def to_make(self) -> tuple[Path, ...]:
        """Results that are not there yet."""
        return tuple(each.target for each in self._of("make"))

    @property
    def to_keep(self) -> tuple[Path, ...]:
        """Results that are there and up to date."""
        return tuple(each.target for each in self._of("keep"))

    @property
    def to_replace(self) -> dict[Path, str]:
        """What is in the place of a result, and why it is not that: without ``overwrite``, the job would stop."""
        return {each.target: each.reason for each in self._of("replace")}

    @property
    def in_the_way(self) -> dict[Path, str]:
        """What is in the place of a result and none of ours, and why: it is never replaced, and the job would stop."""
        return {each.target: each.reason for each in self._of("refuse")}

    def _of(self, verdict: str) -> Iterator[ResultStatus]:
        return (each for each in self.statuses.all if each.verdict == verdict)

    @property
    def choices(self) -> tuple[Choice, ...]:
        """What was decided, and why."""
        return self.plan.choices

    @property
    def problems(self) -> tuple[str, ...]:
        """One sentence for each frame that could not take part, or would lack something."""
        lacking = [f"{each.name}: {each.reason}" for each in self.plan.incomplete]
        return (*(str(each.problem) for each in self.plan.refused), *lacking)

    def _headline(self) -> str:
        numbers = Counter(each.verdict for each in self.statuses.all)
        said = ", ".join(f"{number} to {verdict}" for verdict, number in numbers.items())
        return f"{said}; nothing was written"

    def __str__(self) -> str:
        """Return the plan as a tree."""
        from zeroframe.planning.words import plan_tree

        return "\n".join(plan_tree(self.plan).lines())

    def __repr__(self) -> str:
        return f"<Forecast: {self._headline()}>"

    def _repr_html_(self) -> str:
        """Return what would be done for a notebook: a verdict, the choices, and the tree."""
        tone: Literal["good", "note"] = "note" if self.to_replace or self.in_the_way or self.problems else "good"
        told = verdict_html(tone, self._headline()[:1].upper() + self._headline()[1:] + ".", self.problems)
        chosen = table_html(("what", "choice", "why"), [(each.what, each.value, each.reason) for each in self.choices])
        lines = "\n".join(safe_html(line) for line in str(self).splitlines())
        return f"{told}{chosen}<pre>{lines}</pre>"
