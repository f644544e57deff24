"""``zeroframe night --by-night``: many nights, one after the other."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Any

from zeroframe.cli.calibrate import carried_out, carry_out_plan
from zeroframe.cli.documents import document_of, print_json
from zeroframe.cli.options import INCOMPLETE, OK, REFUSED, UNFORESEEN, executor_of
from zeroframe.errors import ClusterError, UnsupportedError, ZeroframeError
from zeroframe.fits.failures import file_failure

if TYPE_CHECKING:
    from collections.abc import Sequence
    from concurrent.futures import Executor
    from pathlib import Path

    from zeroframe.cli.calibrate import NightResources
    from zeroframe.cli.console_nights import NightsScreen, Told
    from zeroframe.planning.calendar import Night
    from zeroframe.planning.nights import NightSeries
    from zeroframe.planning.recipe import NightRecipe

__all__ = ["carry_out_nights"]


def carry_out_nights(
    job: str, raw: Path, out: Path, recipe: NightRecipe, means: NightResources, *, overwrite: bool
) -> int:
    """Plan and carry out every night of a tree or a list; one that fails does not stop the others.

    Parameters
    ----------
    job : str
        The command: ``'bias'``, ``'dark'``, ``'flat'`` or ``'night'``.
    raw : pathlib.Path
        A folder, or a file that names frames.
    out : pathlib.Path
        Holds a folder for each night.
    recipe : NightRecipe
        What was asked for.
    means : NightResources
        How it is done.
    overwrite : bool
        Whether files that are there already may be replaced.

    Returns
    -------
    int
        The exit code: that of all nights where they agree, else that something is incomplete.

    Raises
    ------
    ZeroframeError
        When there are no nights, or the cluster is lost.
    Exception
        The first that nobody has foreseen, when all nights have had their turn.
    """
    from zeroframe.cli.console_nights import NightsScreen
    from zeroframe.fits.store.names import UrlPath

    for folder in (raw, out):
        if isinstance(folder, UrlPath):
            raise UnsupportedError(
                folder, "is not on a disk, which --by-night needs", "give zeroframe night the URL of each night"
            )
    screen = NightsScreen(sys.stderr if means.json else None)
    nights = _found(raw, out, recipe, overwrite=overwrite, workers=means.workers)
    screen.calendar(nights.calendar, raw)
    told: list[Told] = []
    documents: list[dict[str, Any]] = []
    unforeseen: list[Exception] = []
    with executor_of(means.cluster, nights.raw, out) as executor:
        for number, night in enumerate(nights.calendar.nights, start=1):
            screen.night_begins(night, f"{number} of {len(nights.calendar.nights)}")
            one, document = _one(job, nights, night, means, screen, executor, unforeseen)
            told.append(one)
            documents.append(document)
    screen.summary(told, out, dry_run=means.dry_run)
    if unforeseen:
        raise unforeseen[0]
    code = _code_of(told)
    if means.json:
        print_json(document_of(job, code, raw=str(raw), out=str(out), nights=documents))
    return code


def _found(raw: Path, out: Path, recipe: NightRecipe, *, overwrite: bool, workers: int | None) -> NightSeries:
    from zeroframe.planning.manifest import read_manifest
    from zeroframe.planning.nights import nights_of_list, nights_of_tree

    if raw.is_file():
        return nights_of_list(read_manifest(raw), out, recipe, overwrite=overwrite, workers=workers)
    return nights_of_tree(raw, out, recipe, overwrite=overwrite, workers=workers)


def _one(
    job: str,
    nights: NightSeries,
    night: Night,
    means: NightResources,
    screen: NightsScreen,
    executor: Executor | None,
    unforeseen: list[Exception],
) -> tuple[Told, dict[str, Any]]:
    """Carry out one night; keep no more of it than a line of the summary, a document, and what nobody has foreseen."""
    from zeroframe.cli.console_nights import Told
    from zeroframe.run.outcomes import NightResult

    started = time.perf_counter()
    try:
        plan = nights.plan(night, mem_limit_bytes=means.limit, workers=means.workers)
        code, ended = carry_out_plan(plan, means, screen, executor)
        document = {"document": carried_out(job, plan, ended, code)} if means.json else {}
    except ClusterError:
        raise  # the others would fail, too
    except Exception as error:  # noqa: BLE001 -- one night must not stop the others
        known = error if isinstance(error, ZeroframeError) else file_failure(error, night.folder)
        screen.night_failed(night, known)
        if isinstance(error, ZeroframeError | MemoryError | OSError):
            code = REFUSED
        else:
            unforeseen.append(error)
            code = UNFORESEEN
        return Told.of_failure(night, str(known), code), {"night": night.name, "exit_code": code, "problem": str(known)}
    result = ended if isinstance(ended, NightResult) else None
    told = Told.of_night(night, plan, result, code, time.perf_counter() - started)
    return told, {"night": night.name, "exit_code": code, **document}


def _code_of(told: Sequence[Told]) -> int:
    codes = {each.code for each in told}
    if codes <= {OK}:
        return OK
    return REFUSED if codes == {REFUSED} else INCOMPLETE
