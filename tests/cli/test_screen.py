"""What a person sees: tables of the overscan and of a folder, remarks that come again, progress on a terminal."""

from __future__ import annotations

import os
import pty
import re
import sys
import threading
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import pytest

from workbench import command, write_raw
from zeroframe.cli.console import Remarks, Screen, say
from zeroframe.errors import HeaderWarning
from zeroframe.fits import ImagePart, write_fits
from zeroframe.html import visible
from zeroframe.simulate import SIMULATED_CAMERAS, FrameSpec, sensor_truth, simulate_frame

LFC = replace(SIMULATED_CAMERAS["palomar-lfc"], image_shape_yx=(320, 350))


@pytest.fixture(scope="module")
def inspected(tmp_path_factory):
    folder = tmp_path_factory.mktemp("raw")
    light, sensor = LFC.filters[0], sensor_truth(LFC, 5)
    flat_s = 20000 * LFC.gain_e_per_adu / light.flat_e_per_s
    specs = [FrameSpec("bias", file_name=f"b{number}.fits") for number in range(3)]
    specs += [FrameSpec("flat", flat_s, light.name, f"f{number}.fits") for number in range(2)]
    for number, spec in enumerate(specs):
        frame = simulate_frame(LFC, spec, 5, index=number, sensor=sensor)
        write_fits(folder / spec.file_name, [ImagePart(frame.pixels, frame.header)])
    return command("inspect", folder)


class TestInspection:
    def test_verdict_comes_first(self, inspected):
        assert inspected.code == 0, inspected.err
        assert inspected.out.startswith(
            "overscan: use columns 358–382; header's BIASSEC starts 7 columns too early: flats are "
        )

    def test_strips_are_a_table(self, inspected):
        (row,) = [line for line in inspected.out.splitlines() if line.startswith("│")]
        cells = [cell.strip() for cell in row.strip("│").split("│")]
        assert cells[:3] == ["right *", "[351:382,1:320]", "[358:382,1:320]"]
        assert float(cells[3]) == pytest.approx(4.0, abs=0.2)
        assert all(re.fullmatch(r"\d+\.\d\d", cell) for cell in cells[3:])

    def test_what_it_rests_on(self, inspected):
        assert "\nlooked at: 3 bias, 2 flat\n" in inspected.out
        assert "\n  right strip, columns 351–382: " in inspected.out


class TestListing:
    @pytest.fixture
    def folder(self, tmp_path):
        write_raw(tmp_path / "zero1.fits", np.zeros((12, 20), np.uint16), OBJECT="[bold]red[/]")
        write_raw(tmp_path / "n0002.fits", np.zeros((12, 20), np.uint16), IMAGETYP="", EXPTIME=30.0, OBJECT="x!!!y")
        steering = tmp_path / "n0002.fits"  # astropy would not write it
        steering.write_bytes(steering.read_bytes().replace(b"x!!!y", b"x\x1b[2J"))
        return tmp_path

    def test_a_table_and_what_is_uncertain_below(self, folder):
        run = command("ls", folder)
        assert run.code == 0, run.err
        lines = run.out.splitlines()
        assert lines[0].split() == ["file", "kind", "exposure", "filter", "size", "object", "date"]
        (zero,) = [line for line in lines if line.startswith("zero1.fits")]
        assert zero.split()[:2] == ["zero1.fits", "bias"]
        assert zero.rstrip().endswith("[bold]red[/]")
        assert "20 x 12" in zero
        doubts = [line for line in lines if line.startswith("uncertain: ")]
        assert [line for line in doubts if "n0002.fits: " in line]
        assert not {"\x1b", "\x07"} & set(run.out)

    def test_columns_that_were_asked_for(self, folder):
        run = command("ls", folder, "--columns", "file,EXPTIME,object")
        lines = [line.strip().split(maxsplit=2) for line in run.out.splitlines()]
        assert lines == [["file", "EXPTIME", "object"], ["n0002.fits", "30.0", "x\\x1b[2J"],
                         ["zero1.fits", "0.0", "[bold]red[/]"]]  # fmt: skip

    @pytest.mark.parametrize(
        ("count", "names"),
        [(1, "d0.fits"), (4, "d0.fits, d1.fits, d2.fits, d3.fits"), (5, "d0.fits, d1.fits, d2.fits and 2 more")],
    )
    def test_what_is_uncertain_of_many_is_said_once(self, tmp_path, count, names):
        for number in range(count):
            write_raw(tmp_path / f"d{number}.fits", np.zeros((12, 20), np.uint16), IMAGETYP="bias", EXPTIME="long")
        run = command("ls", tmp_path)
        (said,) = [line for line in run.out.splitlines() if line.startswith("uncertain: ")]
        assert said.startswith(f"uncertain: {names}: EXPTIME = 'long' ")
        alone = command("ls", tmp_path, "--columns", "uncertain")
        assert (alone.code, alone.out) == (0, said.replace(f"{names}: ", "") + "\n")
        csv = command("ls", tmp_path, "--columns", "file,uncertain", "--format", "csv")
        assert csv.out.count("EXPTIME = 'long'") == count


class TestRemarks:
    def test_what_holds_for_many_is_said_once_and_counted(self, capsys):
        remarks = Remarks()
        for number in range(3):
            remarks.show(HeaderWarning(f"b{number}.fits: its header was changed"), HeaderWarning, "", 0)
        remarks.show(HeaderWarning("c.fits: it is odd"), HeaderWarning, "", 0)
        remarks.show("no subject", HeaderWarning, "", 0)
        assert capsys.readouterr().err.splitlines() == [
            "note: b0.fits: its header was changed", "note: c.fits: it is odd", "note: no subject",
        ]  # fmt: skip
        remarks.close()
        assert capsys.readouterr().err == "note: the same of 2 more: its header was changed\n"

    def test_lines_stay_lines_and_nothing_else_steers(self, capsys):
        say("one\ntwo\x1b[2J\x07")
        assert capsys.readouterr().err == "one\ntwo\\x1b[2J\\x07\n"
        assert visible("ночь") == "ночь"
        assert visible("b\udcff") == "b\\udcff"


@contextmanager
def terminal(monkeypatch):
    """Have standard error on a terminal; what is written there is in the list when the block is over."""
    leader, follower = pty.openpty()
    pieces = []

    def follow():
        try:
            while piece := os.read(leader, 65536):
                pieces.append(piece)
        except OSError:  # Linux says so when the other end is closed
            pass

    reader = threading.Thread(target=follow)
    reader.start()
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "80")
    with monkeypatch.context() as patch, os.fdopen(follower, "w") as stream:
        patch.setattr(sys, "stderr", stream)
        yield pieces
    reader.join()
    os.close(leader)


class TestProgress:
    def test_a_bar_for_each_step_from_many_threads(self, monkeypatch):
        with terminal(monkeypatch) as pieces, Screen().progress() as report:
            for what in ("calibrating", "combining"):
                threads = [
                    threading.Thread(target=report, args=(what, fraction)) for fraction in (0.25, 0.5, 0.75, 1.0)
                ]
                for thread in threads:
                    thread.start()
                for thread in threads:
                    thread.join()
                report(what, 1.0)
        text = b"".join(pieces).decode()
        assert "calibrating" in text
        assert "combining" in text
        assert "100%" in text

    def test_none_where_nobody_looks(self, capsys):
        with Screen().progress() as report:
            report("calibrating", 0.5)
        assert capsys.readouterr() == ("", "")
