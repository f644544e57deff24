"""No line is wider than the screen, and no word is broken, however long the names of files and groups are."""

from __future__ import annotations

import io
import os
import re

import numpy as np
import pytest
from rich.console import Console
from rich.table import Table
from rich.text import Text

from workbench import command
from wrong_nights import GOOD, Shot, changed, column, write_night
from zeroframe.cli.fitting import Column, Fitted, Names, fit_columns, lines_of, shortened, wrapped

FILTERS = ("Hydrogen alpha narrowband 3 nm ultra premium edition", "Oxygen III narrowband 6 nm edge filter no. 2")
CARDS = {"CCD-TEMP": -10.0, "INSTRUME": "ZWO ASI533MM Pro of the north dome"}


@pytest.fixture(scope="module")
def night(tmp_path_factory):
    folder = tmp_path_factory.mktemp("a_folder_with_a_long_name_of_its_own")
    shots = changed(GOOD, "", cards={**CARDS, "FILTER": FILTERS[0]})
    shots = changed(shots, "s", edit=column(400.0))
    name = "2026-11-20_01-02-03_the_cold_dark_of_the_second_half_of_the_night_number_{}.fits"
    shots += [Shot(name.format(n), "dark", 120, 40.0, cards=CARDS) for n in range(4)]
    shots += [Shot(f"other_flat{n}.fits", "flat", 5, 0.0, cards={**CARDS, "FILTER": FILTERS[1]}) for n in range(4)]
    write_night(folder / "raw", shots)
    run(folder, 80, "night", "raw", "-o", "out")
    return folder


def run(folder, width, *words):
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("COLUMNS", str(width))
        return command(*words)


#: What is said only where there is no room.
LEFT_OUT = " left out: exposure, filter, size, object, date: --columns shows them, or a wider screen"
COMMANDS = [
    ("night", "raw", "-o", "out"), ("night", "raw", "-o", "new", "--dry-run"), ("ls", "raw"), ("inspect", "raw"),
    ("bias", "raw", "-o", "biases", "--dry-run"), ("dark", "raw", "-o", "out", "--dry-run"), ("verify", "out"),
    ("explain", "out/s0.fits"), ("explain", "ZF410"), ("night", "nowhere", "-o", "out3"),
    ("combine", "out/b0.fits", "out/d0.fits", "out/d1.fits", "-o", "a_combined_frame_with_a_rather_long_name.fits",
     "--overwrite"),
]  # fmt: skip


@pytest.mark.parametrize("width", [60, 80, 120] if os.environ.get("ZEROFRAME_ALL_CASES") else [60])
@pytest.mark.parametrize("words", COMMANDS, ids=lambda words: " ".join(words)[:30])
def test_lines_fit_and_words_are_whole(night, words, width):
    said, wide = run(night, width, *words), run(night, 5000, *words)
    known = set((wide.out + wide.err + LEFT_OUT).split())
    after_seam = False
    for line in (said.out + said.err).splitlines():
        assert len(line) <= width, line
        in_table = line[:1] in set("┏┃┡│└┌") and line.rstrip()[-1:] in set("┓┃┩│┘┐")
        if in_table:
            continue
        pieces = [piece for piece in re.sub("^[BDFM][0-9]: ", "", line).split() if piece not in {"│", "├──", "└──"}]
        for place, piece in enumerate(pieces):
            is_cut = piece[-1:] in "/_,;:.=-" and place == len(pieces) - 1
            if not (after_seam and place == 0) and "…" not in piece:
                assert is_cut or piece in known or len(piece) > width // 2, (line, piece)
            after_seam = is_cut


@pytest.mark.long
def test_tables_drop_columns_and_keep_what_matters(night):
    heads = {}
    for width in (60, 80, 120):
        shown = run(night, width, "night", "raw", "-o", "out").out
        heads[width] = [line for line in shown.splitlines() if line.startswith("┃ file")]
        assert all(name in head for head in heads[width] for name in ("file", "level"))
    assert "frames" in heads[120][0]
    assert "frames" not in heads[60][0]


def test_short_names_have_a_legend(night):
    shown = run(night, 60, "night", "raw", "-o", "out").out
    assert "│ B1 " in shown
    assert "B1: combined_bias.fits" in shown
    legend = {line.split(":")[0] for line in shown.splitlines() if re.match(r"[BDFM][0-9]: ", line)}
    used = set(re.findall(r"│ ([BDFM][0-9]) ", shown))
    assert used == legend


class TestFitting:
    @pytest.mark.parametrize("width", range(8, 60, 3))
    def test_every_line_fits_and_nothing_is_lost(self, width):
        text = "dark: combined_dark_120s_-25C_gain100_offset50.fits: its level of 12.3 ADU (limit 3.0) is odd"
        lines = wrapped(text, width, "label: ")
        assert all(len(line) <= width for line in lines)
        assert "".join("".join(lines).split()) == "".join(("label: " + text).split())

    def test_ends_of_names_stay(self):
        assert shortened("abcdefghij_0001.fits", 12).endswith("01.fits")
        assert len(shortened("abcdefghij_0001.fits", 12)) == 12

    def test_columns_go_in_their_order(self):
        columns = [Column("a"), Column("b", goes=2), Column("c", goes=1)]
        rows = [("x" * 10, "y" * 10, "z" * 10)]
        names = [[one.name for one in fit_columns(columns, rows, width).columns] for width in (40, 30, 15)]
        assert names == [["a", "b", "c"], ["a", "c"], ["a"]]

    def test_short_names_are_given_only_where_they_are_needed(self):
        assert Names([("a.fits", "B")], 20).legend == []
        assert Names([("a" * 30, "B")], None).legend == []

    @pytest.mark.parametrize("seed", range(20))
    def test_lines_are_those_that_rich_draws(self, seed):
        random = np.random.default_rng(seed)

        def drawn(most):
            return "".join(random.choice([*"ab_[x] é界"], random.integers(0, most))).strip()

        columns = tuple(Column(drawn(9) or "h", bool(random.integers(2))) for _ in range(random.integers(1, 6)))
        rows = tuple(tuple(drawn(12) for _ in columns) for _ in range(random.integers(0, 7)))
        screen = Console(file=io.StringIO(), width=200)
        table = Table(box=None, pad_edge=False)
        for one in columns:
            table.add_column(Text(one.name), justify="right" if one.is_number else "left", no_wrap=True)
        for row in rows:
            table.add_row(*map(Text, row))
        screen.print(table)
        lines = lines_of(Fitted(columns, rows), 200)
        assert "\n".join(lines) + "\n" == screen.file.getvalue()
        assert max(map(len, lines_of(Fitted(columns, rows), 3))) <= 3
