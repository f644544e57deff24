"""A night that is watched: whole files only, the bytes of `night`, what depends on better calibrations made again."""

from __future__ import annotations

import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Event

import numpy as np
import pytest
from astropy.io import fits

from nights import RECIPES, all_bytes, carried_out, small_night
from zeroframe.errors import NoFramesError
from zeroframe.planning.recipe import parse_recipe
from zeroframe.planning.shorthands import recipe_for
from zeroframe.run.live import arrivals as live_arrivals
from zeroframe.run.live.arrivals import Arrivals
from zeroframe.run.live.night import LiveNight, LiveSettings
from zeroframe.run.lock import folder_lock
from zeroframe.run.record import known_record

RECIPE = recipe_for("night", parse_recipe(RECIPES["palomar-lfc"], "the test"), {})
PATIENCE_S = 300.0


@pytest.fixture(scope="module")
def taken(tmp_path_factory):
    return small_night(tmp_path_factory.mktemp("taken"), one_filter=True)


class Watching:
    """A watch on a thread, which is interrupted at the end."""

    def __init__(self, raw, out, **options):
        self.rows, self.troubles = [], []
        self.live = LiveNight(
            LiveSettings(raw, out, RECIPE, **options), lambda _: False, self.rows.append, self.troubles.append
        )
        self._pool = ThreadPoolExecutor(1)
        self._ended = self._pool.submit(self.live.watch)

    def until(self, holds):
        end = time.monotonic() + PATIENCE_S
        while not holds(self.live.board.since(0)):
            assert not self._ended.done(), self._ended.exception()
            assert time.monotonic() < end, self.live.board.since(0)
            time.sleep(0.02)
        return {row.name: row for row in self.live.board.since(0).rows}

    def at_rest(self, frames):
        """Wait until so many frames are there, and all of them have come to their end."""
        return self.until(
            lambda news: (
                len(news.rows) == frames
                and all(row.state != "seen" for row in news.rows)
                and news.status.startswith("up to date")
            )
        )

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.live.end()
        self._ended.result(PATIENCE_S)
        self._pool.shutdown()


def drop(taken, raw, *names):
    for name in names:
        (raw / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(taken / name, raw / name)


def names_in(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.fits"))


def results(folder):
    return {name: data for name, data in all_bytes(folder).items() if name.endswith(".fits")}


class TestArrivals:
    def test_a_file_is_told_once_it_is_at_rest(self, tmp_path):
        raw = tmp_path / "raw"
        (raw / "deep").mkdir(parents=True)
        path = raw / "deep" / "a.fits"
        arrivals = Arrivals(raw, tmp_path / "out", rest_s=1.0)
        path.write_bytes(b"1")
        assert arrivals.look(now_s=10.0).rested == ()
        path.write_bytes(b"12")
        assert arrivals.look(now_s=11.5).rested == ()
        assert arrivals.look(now_s=12.0).rested == ()
        assert arrivals.look(now_s=12.6).rested == (path,)
        assert arrivals.look(now_s=13.0).rested == ()
        path.write_bytes(b"123")
        changes = arrivals.look(now_s=20.0)
        assert (changes.rested, changes.gone) == ((), (path,))
        assert arrivals.look(now_s=21.1).rested == (path,)
        path.unlink()
        assert arrivals.look(now_s=22.0).gone == (path,)

    def test_a_file_that_is_not_whole_is_tried_again_and_given_up(self, tmp_path):
        raw = tmp_path / "raw"
        raw.mkdir()
        path = raw / "a.fits"
        path.write_bytes(b"1")
        arrivals = Arrivals(raw, tmp_path / "out", rest_s=1.0)
        arrivals.look(now_s=0.0)
        assert arrivals.look(now_s=1.0).rested == (path,)
        assert arrivals.not_yet(path, now_s=1.1)
        assert arrivals.look(now_s=2.0).rested == ()
        assert arrivals.look(now_s=3.2).rested == (path,)
        assert not arrivals.not_yet(path, now_s=40.0)


@pytest.mark.parametrize("error", [OSError(28, "OS file watch limit reached"), RuntimeError("error in its inside")])
def test_a_system_that_cannot_tell_of_changes_stops_no_watch(tmp_path, monkeypatch, caplog, error):
    watchfiles = pytest.importorskip("watchfiles")

    def watch(*_, **__):
        yield set()
        raise error

    monkeypatch.setattr(watchfiles, "watch", watch)
    stop = Event()
    wakes = live_arrivals.wakes(tmp_path, stop)
    for _ in range(4):
        next(wakes)
    stop.set()
    assert list(wakes) == []
    assert "the system does not tell of changes" in caplog.text


@pytest.mark.parametrize("events", [False, True])
def test_a_folder_that_goes_ends_the_watch(tmp_path, events):
    raw = tmp_path / "raw"
    raw.mkdir()
    live = LiveNight(
        LiveSettings(raw, tmp_path / "out", RECIPE, events=events), lambda _: False, lambda _: None, lambda _: None
    )
    with ThreadPoolExecutor(1) as pool:
        ended = pool.submit(live.watch)
        raw.rmdir()
        with pytest.raises(NoFramesError, match=f"{raw} is not there"):
            ended.result(PATIENCE_S)
    assert not (tmp_path / "out").exists()


def test_a_file_that_is_never_whole_fails_in_the_end_and_may_be_replaced(taken, tmp_path, monkeypatch):
    monkeypatch.setattr(live_arrivals, "_AGAIN_S", 0.1)
    monkeypatch.setattr(live_arrivals, "_PATIENCE_S", 0.5)
    raw = tmp_path / "raw"
    raw.mkdir()
    name = "ccd.001.0.fits"
    cut = (taken / name).read_bytes()[:-5000]
    (raw / name).write_bytes(cut)
    with Watching(raw, tmp_path / "out") as watching:
        rows = watching.until(lambda news: name in news.names)
        assert rows[name].state == "failed"
        assert "cut off" in rows[name].reason
        assert watching.rows == [replace(rows[name], version=0)]
        assert (raw / name).read_bytes() == cut
        (raw / name).unlink()
        watching.until(lambda news: news.names == ())


@pytest.mark.long
def test_leaves_the_bytes_of_a_night_and_the_raw_data_alone(taken, tmp_path):
    raw, out = tmp_path / "raw", tmp_path / "out"
    raw.mkdir()
    order = sorted(names_in(taken), key=lambda name: ("darks" in name, name))
    with Watching(raw, out) as watching:
        for count in (4, 12, len(order)):
            drop(taken, raw, *order[:count])
            rows = watching.at_rest(count)
    assert all_bytes(raw) == all_bytes(taken)
    night = carried_out(raw, tmp_path / "night", RECIPES["palomar-lfc"])
    assert results(out) == results(tmp_path / "night")
    for each in night.frames:
        assert rows[each.frame.name].used == tuple(use.name for use in each.frame.steps.uses)
        assert rows[each.frame.name].state == "calibrated"


@pytest.mark.long
def test_what_is_right_is_not_read_again_and_keeps_its_figures(taken, tmp_path, monkeypatch):
    from zeroframe.run.frame import FrameMaker

    raw, out = tmp_path / "raw", tmp_path / "out"
    raw.mkdir()
    biases = [name for name in names_in(taken) if fits.getval(taken / name, "IMAGETYP").strip().lower() == "bias"]
    science = [name for name in names_in(taken) if name.startswith("ccd.037")]
    drop(taken, raw, *biases)
    with Watching(raw, out) as watching:
        watching.at_rest(len(biases))
        before = known_record(out).this_run["figures"]
        read = []
        recall = FrameMaker.recall
        monkeypatch.setattr(
            FrameMaker, "recall", lambda self, frame, right: read.append(frame.name) or recall(self, frame, right)
        )
        drop(taken, raw, *science)
        rows = watching.at_rest(len(biases) + 1)
    after = known_record(out).this_run["figures"]
    assert read == []
    assert {name: after[name] for name in before} == before
    assert rows[science[0]].level == pytest.approx(after[science[0]]["level_adu"])


@pytest.mark.long
def test_a_frame_that_is_still_written_waits_and_a_saturated_flat_is_told(taken, tmp_path):
    raw, out = tmp_path / "raw", tmp_path / "out"
    raw.mkdir()
    flats = ["ccd.014.0.fits", "ccd.015.0.fits"]
    whole = (taken / flats[0]).read_bytes()
    with fits.open(taken / flats[1]) as hdus:
        pixels = hdus[0].data.astype(np.float64)
        pixels[:, 100:600] = np.minimum(pixels[:, 100:600] * 4.0, 65535)
        header = hdus[0].header
        del header["DATASUM"], header["CHECKSUM"]
        full = fits.PrimaryHDU(pixels.astype(np.uint16), header)
    with Watching(raw, out, events=False) as watching:
        (raw / "half.fits").write_bytes(whole[: len(whole) // 2])
        full.writeto(tmp_path / "full.fits")
        (tmp_path / "full.fits").replace(raw / "full.fits")
        rows = watching.until(lambda news: "full.fits" in news.names)
        share = float((pixels[:, :600] >= 65535).mean())
        assert share > 0.5
        assert rows["full.fits"].saturated_fraction == pytest.approx(share, abs=0.001)
        assert [finding.code for finding in rows["full.fits"].findings] == ["ZF202"]
        assert "saturated" in rows["full.fits"].findings[0].sentence
        time.sleep(1.0)
        assert "half.fits" not in watching.live.board.since(0).names
        (raw / "half.fits").write_bytes(whole)
        rows = watching.at_rest(2)
        assert rows["half.fits"].state == "calibrated"
        (raw / "half.fits").unlink()
        watching.until(lambda news: news.names == ("full.fits",))


@pytest.mark.long
def test_says_that_another_run_holds_the_results_and_goes_on_when_it_ends(taken, tmp_path, monkeypatch):
    monkeypatch.setattr("zeroframe.run.live.night._LATEST_S", 1.5)
    raw, out = tmp_path / "raw", tmp_path / "out"
    raw.mkdir()
    out.mkdir()
    with Watching(raw, out) as watching:
        with folder_lock(out):
            drop(taken, raw, "ccd.001.0.fits", "ccd.002.0.fits", "ccd.003.0.fits")
            watching.until(lambda news: news.status.startswith("the night cannot be calibrated yet"))
            assert "another" in watching.troubles[0]
            assert not names_in(out)
        watching.at_rest(3)  # without any new frame
        assert watching.troubles[-1] == ""
    assert names_in(out)[:3] == ["ccd.001.0.fits", "ccd.002.0.fits", "ccd.003.0.fits"]
