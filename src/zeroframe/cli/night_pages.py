"""What is said of many nights, each on a page of its own, shown in their order; and how far those at work have got."""

from __future__ import annotations

from contextlib import contextmanager
from io import StringIO
from threading import RLock
from typing import TYPE_CHECKING, Any

from rich.console import Console

from zeroframe.cli.console_nights import NightsScreen

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from types import TracebackType
    from typing import Self

    from rich.progress import Progress, TaskID

    from zeroframe.planning.calendar import Night

__all__ = ["NightPages"]


class NightPages:
    """A page for each night; of those that are not through, the first is shown as it is written, the others when it is.

    Beneath them, on a terminal, stands a bar for all nights and one for each that is at work.

    Parameters
    ----------
    screen : NightsScreen
        Where they are shown.
    nights : sequence of Night
        In their order.
    """

    def __init__(self, screen: NightsScreen, nights: Sequence[Night]) -> None:
        self._screen, self._nights = screen, nights
        self._places = {night.name: place for place, night in enumerate(nights)}
        self._open: dict[int, _Page] = {}
        self._closed: set[int] = set()
        self._shown = 0
        self._lock = RLock()
        self._bars = _Bars(screen.bars_console, len(nights))

    def __enter__(self) -> Self:
        self._bars.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._bars.__exit__(kind, error, traceback)

    def of(self, night: Night) -> NightsScreen:
        """Return where to say something of a night."""
        place = self._places[night.name]
        with self._lock:
            page = self._open.get(place)
            if page is None:
                page = self._open[place] = _Page(self._screen, self._bars, night.name)
                if place == self._shown:
                    page.held.show()
                page.night_begins(night, f"{place + 1} of {len(self._nights)}")
            return page

    def waits(self, night: Night) -> None:
        """Note that a night is made, and waits until those before it are."""
        self._bars.tell(night.name, "waits for nights before it", {})

    def close(self, night: Night) -> None:
        """Note that nothing more is said of a night, and show what can be shown."""
        with self._lock:
            self._closed.add(self._places[night.name])
            while self._shown in self._closed:
                self._closed.discard(self._shown)
                self._open.pop(self._shown, None)
                self._shown += 1
                following = self._open.get(self._shown)
                if following is not None:
                    following.held.show()
        self._bars.done(night.name)


class _Held(StringIO):
    """A stream that keeps what is written until it is shown, and passes on what is written then."""

    def __init__(self, write: Callable[[str], None]) -> None:
        super().__init__()
        self._pass_on, self._is_shown = write, False
        self._lock = RLock()

    def write(self, text: str) -> int:
        with self._lock:
            if not self._is_shown:
                return super().write(text)
            self._pass_on(text)
        return len(text)

    def show(self) -> None:
        """Show what was kept, and all that comes."""
        with self._lock:
            self._is_shown = True
            if self.tell():
                self._pass_on(self.getvalue())


class _Page(NightsScreen):
    """What is said of one night, as it would look on the screen."""

    def __init__(self, screen: NightsScreen, bars: _Bars, night: str) -> None:
        onto = screen.console
        self.held = _Held(lambda text: bars.write_above(onto, text))
        self._bars, self._night, self.width, self._quiet = bars, night, screen.width, onto.quiet
        colours: Any = onto.color_system
        self._out = Console(
            file=self.held,
            width=onto.width,
            force_terminal=onto.is_terminal,
            color_system=colours,
            no_color=onto.no_color,
            highlight=False,
            quiet=onto.quiet,
        )
        self._err = screen.bars_console

    @contextmanager
    def progress(self) -> Iterator[Callable[[str, float], None]]:
        """Show how far the night has got, beside the others."""
        known: dict[str, float] = {}

        def told(what: str, fraction: float) -> None:
            known[what] = fraction
            self._bars.tell(self._night, what, known)

        yield told


class _Bars:
    """A bar for all nights, and one for each that is at work; nothing where nobody looks."""

    def __init__(self, console: Console, nights: int) -> None:
        self._console, self._nights = console, nights
        self._bars: Progress | None = None
        self._tasks: dict[str, TaskID] = {}
        self._lock = RLock()

    def __enter__(self) -> Self:
        if self._console.is_terminal and self._console.is_interactive:
            from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

            columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn())
            self._bars = Progress(*columns, console=self._console, transient=True)
            self._tasks[""] = self._bars.add_task("nights", total=self._nights)
            self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._bars is not None:
            self._bars.stop()

    def tell(self, night: str, what: str, fractions: Mapping[str, float]) -> None:
        """Tell what is done with a night, and how far each of its steps is, where that is known."""
        if self._bars is None:
            return
        with self._lock:
            if night not in self._tasks:
                self._tasks[night] = self._bars.add_task(night, total=1.0)
            far = sum(fractions.values()) / len(fractions) if fractions else None  # None: as far as before
            self._bars.update(self._tasks[night], description=f"{night} {what}", completed=far)

    def done(self, night: str) -> None:
        """Take away the bar of a night that is through."""
        if self._bars is None:
            return
        with self._lock:
            if night in self._tasks:
                self._bars.remove_task(self._tasks.pop(night))
            self._bars.advance(self._tasks[""])

    def write_above(self, console: Console, text: str) -> None:
        """Write a text onto another console of the same terminal; the bars step aside for that time."""
        with self._lock:
            if self._bars is not None:
                self._bars.stop()
            console.file.write(text)
            console.file.flush()
            if self._bars is not None:
                self._bars.start()
