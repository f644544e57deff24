"""Results of earlier runs that nothing in the folder of raw frames stands behind any more."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zeroframe.fits.part_paths import file_named
from zeroframe.fits.store.names import is_there
from zeroframe.planning.decisions import listed
from zeroframe.planning.targets import target_path
from zeroframe.review import Incident
from zeroframe.run.status import result_name, result_targets

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from pathlib import Path

    from zeroframe.planning.plan import NightPlan
    from zeroframe.run.record import OutputMark, RunRecord

__all__ = ["LEFT_OVER", "left_over", "without_sources"]

#: The check that names them.
LEFT_OVER = "ZF506"


def left_over(plan: NightPlan, record: RunRecord) -> tuple[Incident, ...]:
    """Name the results of earlier runs that stand among those of this one and are not of the frames that there are.

    Parameters
    ----------
    plan : NightPlan
        Of this run.
    record : RunRecord
        Of the runs before, as it stood when this one began.

    Returns
    -------
    tuple of Incident
        For those whose raw frames are gone, and for those that this run has in another format. What is of raw frames
        that are there and take no part in this run, as the flats when biases alone are combined, is not among them.
    """
    targets = {result_name(plan, target) for target in result_targets(plan)}
    marks = {name: mark for name, mark in {**record.earlier, **record.outputs}.items() if name not in targets}
    raw = {item.path.relative_to(plan.raw).as_posix() for item in plan.found if item.path.is_relative_to(plan.raw)}
    # frames that another night lent may be there, and not be among those of this one
    others = {source for mark in marks.values() for source in mark.sources if source not in raw}
    raw |= {source for source in others if is_there(file_named(plan.raw, source))}
    gone = [name for name in without_sources(marks, {*raw, *targets}) if is_there(plan.out / name)]
    stems = {_stem(plan.out / name) for name in targets}
    twice = [
        name for name in marks if name not in gone and _stem(plan.out / name) in stems and is_there(plan.out / name)
    ]
    found = []
    if gone:
        said = f"{listed(gone)}: made by an earlier run, of raw frames that are not in {plan.raw} any more"
        found.append(Incident(LEFT_OVER, said, tuple(gone)))
    if twice:
        said = f"{listed(twice)}: made by an earlier run, and there in another format now"
        found.append(Incident(LEFT_OVER, said, tuple(twice)))
    return tuple(found)


def without_sources(marks: Mapping[str, OutputMark], there: Collection[str]) -> list[str]:
    """Return the results of which nothing is there that they were made of, be it through other results.

    Parameters
    ----------
    marks : mapping of str to OutputMark
        By name.
    there : collection of str
        Names of raw frames, and of results that are known to be up to date.

    Examples
    --------
    >>> from zeroframe.run.record import OutputMark
    >>> flat, mask = (OutputMark("", 0, 0, (of,)) for of in ("f1.fits", "combined_flat.fits"))
    >>> without_sources({"combined_flat.fits": flat, "bad_pixels.fits": mask}, {"b1.fits"})
    ['combined_flat.fits', 'bad_pixels.fits']
    >>> without_sources({"combined_flat.fits": flat, "bad_pixels.fits": mask}, {"f1.fits"})
    []
    """
    alive = set(there)
    while more := {name for name, mark in marks.items() if name not in alive and alive.intersection(mark.sources)}:
        alive |= more
    return [name for name, mark in marks.items() if mark.sources and name not in alive]


def _stem(path: Path) -> Path:
    """Return under which name a result would stand that is not compressed."""
    return target_path(path.parent, path, "none")
