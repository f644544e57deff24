"""The timeline of a run: a file that viewers open, in which each thread does one thing at a time."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest

import zeroframe
from zeroframe.cli.main import main
from zeroframe.errors import OutputExistsError, RawFolderError, UsageError
from zeroframe.fits.timeline import recorded, span, spanned
from zeroframe.simulate import any_camera, simulate_night


@pytest.fixture(scope="module")
def raw(tmp_path_factory):
    raw = tmp_path_factory.mktemp("timeline") / "raw"
    simulate_night(any_camera("palomar-lfc").resized((64, 64)), raw)
    return raw


@pytest.fixture(scope="module")
def night(raw):
    """A night that was recorded, with its folder and the spans by threads."""
    folder = raw.parent
    path = folder / "trace.json"
    zeroframe.night(raw, folder / "out", report=False, workers=2, trace=path)
    return folder, json.loads(path.read_text())


def spans_of(document):
    """The spans of each thread, in nanoseconds: begin, end, what is done, with what."""
    threads = {}
    for event in document["traceEvents"]:
        if event["ph"] == "X":
            begin = round(event["ts"] * 1000)
            end = begin + round(event["dur"] * 1000)
            one = begin, end, event["name"], event["args"].get("of", "")
            threads.setdefault(event["tid"], []).append(one)
    return threads


def test_the_file_is_what_the_format_asks_for(night):
    _, document = night
    assert set(document) == {"displayTimeUnit", "otherData", "traceEvents"}
    assert document["displayTimeUnit"] in ("ms", "ns")
    named = {}
    for event in document["traceEvents"]:
        assert event["ph"] in ("X", "M")
        assert isinstance(event["pid"], int)
        assert isinstance(event["tid"], int)
        if event["ph"] == "M":
            assert event["name"] in ("process_name", "thread_name")
            named.setdefault(event["name"], {})[event["tid"]] = event["args"]["name"]
        else:
            assert event["ts"] >= 0
            assert event["dur"] >= 0
            assert 0 <= event["args"]["cpu_ms"] <= event["dur"] / 1000 + 10  # the clock of the cores may tick slowly
    assert set(spans_of(document)) <= set(named["thread_name"])
    assert len(set(named["thread_name"].values())) == len(named["thread_name"])


def test_spans_of_a_thread_lie_within_each_other_or_apart(night):
    for spans in spans_of(night[1]).values():
        open_until = []
        for begin, end, *what in sorted(spans, key=lambda each: (each[0], -each[1])):
            while open_until and open_until[-1] <= begin:
                open_until.pop()
            assert not open_until or end <= open_until[-1], what
            open_until.append(end)


def test_every_frame_that_is_read_or_written_is_there(night):
    folder, document = night
    spans = [each for thread in spans_of(document).values() for each in thread]
    read = {about for *_, what, about in spans if what == "read"}
    assert {str(path) for path in (folder / "raw").rglob("*.fits")} <= read
    written = {about for *_, what, about in spans if what == "write"}
    assert written == {str(path) for path in (folder / "out").rglob("*.fits")}
    tasks = {about for *_, what, about in spans if what.startswith("task: ")}
    assert {"combined_bias.fits", "ccd.037.0.fits"} <= {Path(name).name for name in tasks}


def test_two_threads_have_rows_of_their_own_and_later_ones_take_them_over(tmp_path):
    path, both = tmp_path / "trace.json", threading.Barrier(2)

    def work(name):
        with span(name):
            both.wait(300)

    with recorded(path):
        for turn in ("a", "b"):
            threads = [threading.Thread(target=work, args=(f"{turn}{number}",)) for number in (1, 2)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
    rows = spans_of(json.loads(path.read_text()))
    assert sorted(sorted(what[0] for *_, what, _ in spans) for spans in rows.values()) == [["a", "b"], ["a", "b"]]
    assert 0 not in rows


def test_nothing_is_recorded_where_nobody_asked(tmp_path):
    assert span("read", "a") is span("write")
    calls = []
    named = spanned("read", calls.append)(len)
    assert named([1, 2]) == 2
    assert calls == []
    with recorded(None), span("read"):
        pass
    with recorded(tmp_path / "a.json"):
        assert named([3]) == 1
    assert calls == [[3]]


def test_a_run_that_fails_leaves_its_timeline(tmp_path):
    path = tmp_path / "trace.json"
    with pytest.raises(ZeroDivisionError), recorded(path), span("divide"):
        raise ZeroDivisionError
    ((*_, what, _),) = spans_of(json.loads(path.read_text()))[0]
    assert what == "divide"


def test_nothing_is_replaced_and_nothing_is_written_among_raw_frames(raw, tmp_path):
    path = tmp_path / "trace.json"
    path.write_text("mine")
    with pytest.raises(OutputExistsError):
        zeroframe.bias(raw, tmp_path / "out", trace=path)
    assert path.read_text() == "mine"
    with pytest.raises(RawFolderError):
        zeroframe.bias(raw, tmp_path / "out", trace=raw / "trace.json")
    assert not (raw / "trace.json").exists()
    assert not (tmp_path / "out").exists()
    with recorded(tmp_path / "other.json"), pytest.raises(UsageError), recorded(tmp_path / "third.json"):
        pass
    assert not (tmp_path / "third.json").exists()


def test_the_commands_record_too(raw, tmp_path, capsys):
    path = tmp_path / "trace.json"
    with pytest.raises(SystemExit) as left:
        main(["bias", str(raw), "-o", str(tmp_path / "out"), "--no-report", "--trace", str(path)])
    assert left.value.code in (0, 1), capsys.readouterr().err
    spans = [each for thread in spans_of(json.loads(path.read_text())).values() for each in thread]
    assert {str(p) for p in (tmp_path / "out").rglob("*.fits")} == {of for *_, what, of in spans if what == "write"}
