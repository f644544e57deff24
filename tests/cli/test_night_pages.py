"""What is said of nights side by side: in their order, beneath it bars for those at work."""

from __future__ import annotations

import io
import re

from rich.console import Console

from zeroframe.cli.console_nights import NightsScreen
from zeroframe.cli.night_pages import NightPages
from zeroframe.planning.calendar import Night


def night(day):
    return Night(f"2026-11-{day:02d}", (), 1, "raw", {})


class Terminal(NightsScreen):
    """A screen on which results and progress go to one terminal, which keeps all that it is sent."""

    def __init__(self, *, is_terminal=True):
        super().__init__()
        self.file = io.StringIO()
        self.width = 80
        self._out = self._err = Console(
            file=self.file, force_terminal=is_terminal, force_interactive=is_terminal, width=80, color_system=None
        )


def seen(text):
    """Return what was written, without what steers a terminal."""
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text)


def test_pages_in_their_order_and_a_bar_for_each_night_at_work(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")  # rich draws no bars in one that is "dumb"
    screen, nights = Terminal(), [night(day) for day in (1, 2, 3)]
    with NightPages(screen, nights) as pages:
        third, first = pages.of(nights[2]), pages.of(nights[0])
        third.line("of the third")
        with third.progress() as told:
            told("calibrating", 0.25)
        first.line("of the first")
        with first.progress() as told:
            told("calibrating", 1.0)
            told("combining", 0.5)
        pages._bars._bars.refresh()
        drawn = seen(screen.file.getvalue())
        assert "of the first" in drawn
        assert "of the third" not in drawn
        last = drawn[drawn.rindex("nights") :]
        assert re.search(r"2026-11-03 calibrating .* 25%", last)
        assert re.search(r"2026-11-01 combining .* 75%", last)
        pages.waits(nights[2])
        pages._bars._bars.refresh()
        assert re.search(r"2026-11-03 waits for nights before it .* 25%", seen(screen.file.getvalue()))
        for each in (nights[2], nights[0]):
            pages.close(each)
        assert "of the third" not in screen.file.getvalue()  # the second has not been shown
        pages.of(nights[1]).line("of the second")
        pages.close(nights[1])
    said = seen(screen.file.getvalue())
    places = [said.index(text) for text in ("(1 of 3)", "of the first", "(2 of 3)", "of the second", "(3 of 3)")]
    assert places == sorted(places) < [said.index("of the third")]
    assert re.search(r"nights .* 67%", said)


def test_no_bars_where_nobody_looks():
    screen, nights = Terminal(is_terminal=False), [night(1)]
    with NightPages(screen, nights) as pages, pages.of(nights[0]).progress() as told:
        told("calibrating", 0.5)
        pages.close(nights[0])
    assert screen.file.getvalue() == "\n2026-11-01 (1 of 1)\n"
