"""How far a job has got: bars on a terminal, and in a notebook."""

from __future__ import annotations

import sys
import time
from contextlib import contextmanager
from threading import Lock
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rich.console import Console

    Progress = Callable[[str, float], None]

__all__ = ["in_notebook", "progress_for", "terminal_bars"]

#: A notebook keeps each picture of the bars on its way to the browser.
_SHORTEST_PAUSE_S = 0.2


@contextmanager
def progress_for(
    wanted: Progress | bool | None,  # noqa: FBT001 -- what a person gives as `progress`
) -> Iterator[Progress | None]:
    """Give what a job tells of its progress to whoever wants to see it, for the time of a block.

    Parameters
    ----------
    wanted : callable, bool or None
        Who is told; True: bars, in the notebook or on standard error; False: nobody; None: bars in a notebook, where a
        person waits, and nobody else.

    Yields
    ------
    callable or None
        To be called, from any thread, with what is being done and the fraction done so far.
    """
    if callable(wanted):
        yield wanted
    elif wanted is not False and in_notebook():
        with _notebook_bars() as told:
            yield told
    elif wanted:
        from rich.console import Console

        with terminal_bars(Console(stderr=True)) as told:
            yield told
    else:
        yield None


def in_notebook() -> bool:
    """Say whether this is the kernel of a notebook."""
    shell = sys.modules.get("IPython.core.getipython")
    running: Any = None if shell is None else shell.get_ipython()
    return running is not None and hasattr(running, "kernel")


@contextmanager
def terminal_bars(console: Console) -> Iterator[Progress]:
    """Show a bar for each step while the work goes on; nothing where nobody looks.

    Parameters
    ----------
    console : rich.console.Console
        Where; the bars go when the block ends.
    """
    if not console.is_terminal:
        yield lambda _what, _fraction: None
        return
    from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description:12}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as bars:
        tasks: dict[str, TaskID] = {}
        lock = Lock()

        def report(what: str, fraction: float) -> None:
            with lock:
                if what not in tasks:
                    tasks[what] = bars.add_task(what, total=1.0)
            bars.update(tasks[what], completed=fraction)

        yield report


@contextmanager
def _notebook_bars() -> Iterator[Progress]:
    """Show bars under the cell, which go when the block ends."""
    from IPython.display import HTML, display

    handle = display(HTML(""), display_id=True)
    fractions: dict[str, float] = {}
    lock = Lock()
    shown_at_s = 0.0

    def report(what: str, fraction: float) -> None:
        nonlocal shown_at_s
        with lock:
            fractions[what] = max(fraction, fractions.get(what, 0.0))
            now_s = time.monotonic()
            if now_s - shown_at_s < _SHORTEST_PAUSE_S:
                return
            shown_at_s = now_s
            handle.update(HTML(bars_html(fractions)))

    try:
        yield report
    finally:
        handle.update(HTML(""))


def bars_html(fractions: dict[str, float]) -> str:
    """Return a bar for each step.

    Examples
    --------
    >>> bars_html({"calibrating": 0.25})
    '<div>calibrating <progress max="1" value="0.250"></progress> 25 %</div>'
    """
    from zeroframe.html import safe_html

    return "".join(
        f'<div>{safe_html(what)} <progress max="1" value="{fraction:.3f}"></progress> {100 * fraction:.0f} %</div>'
        for what, fraction in fractions.items()
    )
