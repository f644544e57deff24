"""The verdict: the worst finding, in one sentence, one colour and one exit code."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from zeroframe.records import dataclass

if TYPE_CHECKING:
    from zeroframe.review.figures import NightFigures
    from zeroframe.review.rows import Finding

__all__ = ["Review", "Verdict", "verdict_of"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a run comes to.

    Attributes
    ----------
    tone : {'good', 'note', 'bad'}
        Good where there is nothing to look at, bad where something was not made or is likely wrong.
    headline : str
        In words.
    """

    tone: Literal["good", "note", "bad"]
    headline: str

    @property
    def is_good(self) -> bool:
        """Whether everything was made, and no finding says that a result is likely wrong."""
        return self.tone != "bad"


@dataclass(frozen=True, slots=True)
class Review:
    """Figures of a run, what they mean, and the verdict on it."""

    night: NightFigures
    findings: tuple[Finding, ...]

    @property
    def verdict(self) -> Verdict:
        """The worst finding."""
        return verdict_of(self.findings)

    def exit_code(self, *, strict: bool) -> int:
        """Return 1 where something was not made or is likely wrong; ``strict``: where there is a warning, too."""
        return int(not self.verdict.is_good or (strict and bool(self.of("warning"))))

    def of(self, severity: str) -> tuple[Finding, ...]:
        """Return the findings of a severity."""
        return tuple(each for each in self.findings if each.severity == severity)


def verdict_of(findings: tuple[Finding, ...]) -> Verdict:
    """Return the verdict that findings come to.

    Examples
    --------
    >>> verdict_of(()).headline
    'All is well.'
    """
    errors = sum(each.severity == "error" for each in findings)
    warnings = sum(each.severity == "warning" for each in findings)
    if errors:
        wrong = {name for each in findings if each.severity == "error" for name in each.frames}
        number = f" ({len(wrong)} frame{'' if len(wrong) == 1 else 's'})" if wrong else ""
        return Verdict("bad", f"Finished with problems{number}.")
    if warnings:
        return Verdict("note", f"Done; {'one thing' if warnings == 1 else f'{warnings} things'} to look at.")
    return Verdict("good", "All is well.")
