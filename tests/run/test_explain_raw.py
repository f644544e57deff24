"""``zeroframe explain`` of a raw frame says what was understood of it, whatever run.json stands above it."""

from __future__ import annotations

import pytest

import zeroframe
from workbench import command
from wrong_nights import good_shots, write_night


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_night(tmp_path / "raw", good_shots(counts=(3, 3, 3, 1)))
    return tmp_path


def _told(name):
    done = command("explain", name)
    assert done.code == 0, done.err
    return done.out


def test_below_the_results_of_the_run_that_read_it(folder):
    before = _told("raw/b0.fits")
    assert "IMAGETYP = 'bias'" in before
    zeroframe.night("raw", ".", report=False)
    assert _told("raw/b0.fits") == before
    assert "calibrated from" in _told("s0.fits")
    assert "combined bias" in _told("combined_bias.fits").lower() or "the average of" in _told("combined_bias.fits")


def test_below_the_results_of_another_run_and_a_record_that_cannot_be_read(folder):
    before = _told("raw/b0.fits")
    zeroframe.night("raw", "out", report=False)
    (folder / "out" / "more").mkdir()
    (folder / "raw" / "b0.fits").rename(folder / "out" / "more" / "b9.fits")
    assert _told("out/more/b9.fits") == before
    (folder / "out" / "run.json").write_text("{")
    assert _told("out/more/b9.fits") == before


def test_a_result_that_no_run_above_knows_is_not_taken_for_a_raw_frame(folder):
    zeroframe.night("raw", "out", report=False)
    (folder / "out" / "s0.fits").rename(folder / "out" / "moved.fits")
    done = command("explain", "out/moved.fits")
    assert done.code == 2
    assert "is not among the results of the last run" in done.err
