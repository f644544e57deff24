"""The index of headers: what it remembers, what it forgets, and that it can only ever cost a warning."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import given, settings
from hypothesis import strategies as st

from zeroframe.errors import ZeroframeWarning
from zeroframe.headers import index as header_index
from zeroframe.headers import reading as header_reading
from zeroframe.headers.columns import HeaderColumns
from zeroframe.headers.index import FolderMemory, HeaderIndex, cache_folder, default_index, file_stamp
from zeroframe.headers.reading import read_headers

LONG_AGO = (1.5e9, 1.5e9)


def memory_of(headers, others=None):
    names = list(headers)
    columns = HeaderColumns.of(names, list(headers.values()))
    return FolderMemory(columns, [f"stamp of {name}" for name in names], others or {})


def said(memory):
    return {name: memory.headers.header(row) for row, name in enumerate(memory.headers.names)}


@pytest.fixture
def folder(tmp_path):
    raw = tmp_path / "raw"
    raw.mkdir()
    for number in range(3):
        header = fits.Header([("IMAGETYP", "BIAS"), ("FRAME", number)])
        fits.PrimaryHDU(np.zeros((2, 2), np.int16), header).writeto(raw / f"f{number}.fits")
        os.utime(raw / f"f{number}.fits", LONG_AGO)
    (raw / "notes").write_text("clouds")
    os.utime(raw / "notes", LONG_AGO)
    return raw


@pytest.fixture
def index(tmp_path):
    return HeaderIndex(tmp_path / "deep" / "cache" / "headers.sqlite")


@pytest.fixture
def scans(monkeypatch):
    """The names of the files that are really read."""
    read = []

    def counted(path, **kwargs):
        read.append(Path(path).name)
        return original(path, **kwargs)

    original = header_reading.scan
    monkeypatch.setattr(header_reading, "scan", counted)
    return read


def look(folder, index, **kwargs):
    headers, problems = read_headers([str(path) for path in sorted(folder.iterdir())], index=index, **kwargs)
    assert problems == []
    return {Path(path).name: headers.header(row) for row, path in enumerate(headers.paths)}


def test_files_that_have_not_changed_are_not_read_again(folder, index, scans):
    first = look(folder, index)
    assert scans == ["f0.fits", "f1.fits", "f2.fits", "notes"]
    scans.clear()
    assert look(folder, index) == first
    assert scans == []
    assert list(look(folder, HeaderIndex(None))) == list(first)


def test_only_what_has_changed_is_read(folder, index, scans):
    look(folder, index)
    scans.clear()
    fits.setval(folder / "f1.fits", "FRAME", value=77)
    os.utime(folder / "f1.fits", (1.6e9, 1.6e9))
    (folder / "f0.fits").rename(folder / "g0.fits")
    (folder / "f2.fits").unlink()
    again = look(folder, index)
    assert (scans, list(again)) == (["f1.fits", "g0.fits"], ["f1.fits", "g0.fits"])
    assert again["f1.fits"]["frame"] == 77
    assert said(index.load(str(folder.resolve()), "0")).keys() == {"f1.fits", "g0.fits"}


def test_a_replaced_file_of_the_same_size_and_time_is_read_again(folder, index):
    look(folder, index)
    text = (folder / "f1.fits").read_bytes().replace(b"BIAS", b"DARK")
    (folder / "new").write_bytes(text)
    (folder / "new").replace(folder / "f1.fits")
    os.utime(folder / "f1.fits", LONG_AGO)
    assert look(folder, index)["f1.fits"]["imagetyp"] == "DARK"


def test_a_file_that_has_just_been_written_is_not_remembered(folder, index, scans):
    os.utime(folder / "f1.fits")
    look(folder, index)
    scans.clear()
    look(folder, index)
    assert scans == ["f1.fits"]


def test_looking_at_a_part_keeps_the_rest(folder, index, scans):
    look(folder, index)
    os.utime(folder / "f1.fits", (1.6e9, 1.6e9))
    read_headers([str(folder / "f1.fits")], index=index)
    scans.clear()
    look(folder, index)
    assert scans == []


def test_each_extension_has_its_own_memory(folder, index):
    look(folder, index)
    _, problems = read_headers([str(folder / "f0.fits")], ext=1, index=index)
    assert len(problems) == 1
    assert len(look(folder, index)) == 3


def test_a_link_to_a_folder_is_the_folder(folder, index, scans, tmp_path):
    look(folder, index)
    scans.clear()
    (tmp_path / "link").symlink_to(folder)
    look(tmp_path / "link", index)
    assert scans == []


VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.text(max_size=8)
)


@settings(max_examples=40, deadline=None)
@given(st.dictionaries(st.text(min_size=1, max_size=4), st.dictionaries(st.sampled_from("abc"), VALUES), max_size=5))
def test_what_is_stored_is_what_is_loaded(tmp_path_factory, headers):
    index = HeaderIndex(tmp_path_factory.mktemp("index") / "headers.sqlite")
    index.store("/data", "0", memory_of(headers, {"x": "1"}))
    loaded = index.load("/data", "0")
    assert said(loaded) == headers
    for name, header in said(loaded).items():
        assert [(key, type(value)) for key, value in header.items()] == [
            (key, type(value)) for key, value in headers[name].items()
        ]
    assert list(loaded.stamps) == [f"stamp of {name}" for name in headers]
    assert loaded.others == {"x": "1"}


def test_names_that_are_not_text(tmp_path, index):
    folder = tmp_path / os.fsdecode(b"n\xff")
    folder.mkdir()
    name = str(folder / os.fsdecode(b"\xe9.fits"))
    fits.PrimaryHDU(np.zeros((2, 2))).writeto(tmp_path / "a.fits")
    (tmp_path / "a.fits").rename(name)
    os.utime(name, LONG_AGO)
    for _ in range(2):
        headers, problems = read_headers([name], index=index)
        assert (headers.paths, problems) == ([name], [])
    assert len(index.load(os.path.realpath(folder), "0").headers) == 1


def test_the_longest_unused_folders_are_forgotten(tmp_path, monkeypatch):
    index = HeaderIndex(tmp_path / "headers.sqlite", most_characters=3000)
    clock = iter(range(10**6, 10**9, 10**5))
    monkeypatch.setattr(header_index.time, "time", lambda: next(clock))
    long = {f"{number}.fits": {"frame": number, "object": "x" * 50} for number in range(12)}
    assert len(header_index._encoded(memory_of(long))) < 1000
    for number in range(10):
        index.store(f"/data/{number}", "0", memory_of(long))
        assert len(index.load("/data/0", "0").headers) == 12  # used again and again
    kept = [number for number in range(10) if len(index.load(f"/data/{number}", "0").headers)]
    assert kept[0] == 0
    assert kept[-1] == 9
    assert len(kept) < 7
    index.store("/data/huge", "0", memory_of({f"{number}": {"object": str(number) * 9} for number in range(500)}))
    assert len(index.load("/data/huge", "0").headers) == 0
    assert len(index.load("/data/0", "0").headers) == 12


def damaged_versions(path):
    whole = path.read_bytes()
    middle = whole.index(b"BIAS")
    return {
        "rubbish": b"this is not a database" * 300,
        "cut off": whole[: len(whole) // 2],
        "a value changed": whole[:middle] + b"DARK" + whole[middle + 4 :],
        "a page zeroed": whole[:4096] + bytes(4096) + whole[8192:],
    }


@pytest.mark.parametrize("damage", ["rubbish", "cut off", "a value changed", "a page zeroed"])
def test_a_damaged_index_costs_a_warning_and_is_made_anew(folder, index, damage):
    expected = look(folder, index)
    index.path.write_bytes(damaged_versions(index.path)[damage])
    path = index.path
    with pytest.warns(ZeroframeWarning, match=r"headers\.sqlite: the index of headers was damaged .* has been deleted"):
        assert look(folder, index) == expected
    assert not path.exists()
    for _ in range(2):
        assert look(folder, HeaderIndex(path)) == expected


def test_an_index_with_other_columns_is_damaged(folder, index):
    expected = look(folder, index)
    with sqlite3.connect(index.path) as connection:
        connection.execute("ALTER TABLE folders DROP COLUMN crc")
    connection.close()
    with pytest.warns(ZeroframeWarning, match="was damaged"):
        assert look(folder, HeaderIndex(index.path)) == expected
    assert look(folder, HeaderIndex(index.path)) == expected


def test_what_other_code_has_read_is_read_anew_and_kept(folder, index, scans, monkeypatch):
    """Two releases, or a release and what is being developed, may share a cache."""
    expected = look(folder, index)
    with monkeypatch.context() as patch:
        patch.setattr(header_index, "code_mark", lambda *_: "of another release")
        assert len(index.load(str(folder.resolve()), "0").headers) == 0
        assert look(folder, index) == expected
        assert len(index.load(str(folder.resolve()), "0").headers) == 3
    scans.clear()
    assert look(folder, index) == expected
    assert scans == []


def test_an_index_of_another_form_is_begun_anew(folder, index, monkeypatch):
    expected = look(folder, index)
    monkeypatch.setattr(header_index, "_FORMAT", "tables of another form")
    assert len(index.load(str(folder.resolve()), "0").headers) == 0
    assert look(folder, index) == expected
    assert len(index.load(str(folder.resolve()), "0").headers) == 3


def test_a_cache_folder_that_cannot_be_written_costs_a_warning(folder, tmp_path):
    (tmp_path / "file").touch()
    index = HeaderIndex(tmp_path / "file" / "headers.sqlite")
    with pytest.warns(ZeroframeWarning, match="cannot be used"):
        assert len(look(folder, index)) == 3
    assert len(look(folder, index)) == 3  # and not a second one


def test_an_index_that_another_process_holds_costs_a_warning(folder, index, monkeypatch):
    look(folder, index)
    monkeypatch.setattr(header_index, "_WAIT_S", 0.05)
    holder = sqlite3.connect(index.path, isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    try:
        with pytest.warns(ZeroframeWarning, match="database is locked"):
            assert len(look(folder, index)) == 3
    finally:
        holder.close()
    assert len(look(folder, HeaderIndex(index.path))) == 3


def test_many_threads_and_processes_at_once(tmp_path):
    path = tmp_path / "headers.sqlite"
    code = (
        "import sys, warnings; from pathlib import Path; warnings.simplefilter('error')\n"
        "from zeroframe.headers.index import *; from zeroframe.headers.columns import HeaderColumns\n"
        "index = HeaderIndex(Path(sys.argv[1]))\n"
        "for number in range(20):\n"
        "    folder = f'/data/{sys.argv[2]}/{number % 5}'\n"
        "    index.store(folder, '0', FolderMemory(HeaderColumns.of(['a'], [{'n': number}]), ['s']))\n"
        "    assert index.load(folder, '0').headers.header(0) == {'n': number}\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    runs = [
        subprocess.Popen([sys.executable, "-c", code, str(path), str(number)], env=environment) for number in range(3)
    ]
    index = HeaderIndex(path)
    failures = []

    def use(number):
        for _ in range(20):
            index.store(f"/thread/{number}", "0", memory_of({"a": {"n": number}}))
            if said(index.load(f"/thread/{number}", "0")) != {"a": {"n": number}}:
                failures.append(number)

    threads = [threading.Thread(target=use, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [run.wait(300) for run in runs] == [0, 0, 0]
    assert failures == []


def test_where_the_cache_is(monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("ZEROFRAME_CACHE", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    assert cache_folder() == tmp_path / ".cache" / "zeroframe"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "x"))
    assert cache_folder() == tmp_path / "x" / "zeroframe"
    monkeypatch.setattr(sys, "platform", "darwin")
    assert cache_folder() == tmp_path / "Library" / "Caches" / "zeroframe"
    monkeypatch.setenv("ZEROFRAME_CACHE", str(tmp_path / "own"))
    assert default_index().path == tmp_path / "own" / "headers.sqlite"
    monkeypatch.setenv("ZEROFRAME_CACHE", "off")
    assert (cache_folder(), default_index().path) == (None, None)
    assert len(default_index().load("/data", "0").headers) == 0


def test_the_stamp_of_a_settled_file(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"1234")
    status = path.stat()
    stamp = file_stamp(status, status.st_mtime_ns + 3 * 10**9)
    assert stamp == f"4.{status.st_mtime_ns}.{status.st_ino}"
    assert file_stamp(status, status.st_mtime_ns - 10**9) is None  # the clock of a server is ahead


def test_slow_files_are_read_on_threads(folder, monkeypatch):
    names = set()
    original = header_reading.scan
    side_by_side = threading.Event()

    def slow(path, **kwargs):
        name = threading.current_thread().name
        if name == threading.main_thread().name:
            time.sleep(0.003)
        else:
            names.add(name)
            if len(names) > 4:
                side_by_side.set()
            assert side_by_side.wait(300)
        return original(path, **kwargs)

    paths = [str(folder / "f0.fits")]
    for number in range(3, 60):
        os.link(folder / "f0.fits", folder / f"f{number}.fits")
        paths.append(str(folder / f"f{number}.fits"))
    monkeypatch.setattr(header_reading, "scan", slow)
    headers, _ = read_headers(paths, index=HeaderIndex(None))
    assert list(headers.paths) == paths
    assert len(names) > 4


def words(each, numbers):
    return {"words": each, "of": numbers}


def forged(content):
    """What somebody may have written into the index who knows its form, and its CRC."""
    said = json.loads(content)
    count = len(said["names"])
    keyword = next(iter(said["columns"]))
    return {
        "no parts": {},
        "a list": [1, 2],
        "a number": 7,
        "names that are numbers": said | {"names": list(range(count))},
        "names that are one text": said | {"names": "abc"},
        "names of another number": said | {"names": [*said["names"], "more.fits"]},
        "stamps that are none": said | {"stamps": [None] * count},
        "too few stamps": said | {"stamps": []},
        "others that are a list": said | {"others": ["a.txt"]},
        "others that are numbers": said | {"others": {"a.txt": 5}},
        "a form beyond the last": said | {"form_of": [99] * count},
        "forms by text": said | {"form_of": ["0"] * count},
        "a form without its columns": said | {"columns": {}},
        "forms that are numbers": said | {"forms": [[1, 2]]},
        "a column that is a number": said | {"columns": {**said["columns"], keyword: 5}},
        "a column that is short": said | {"columns": {**said["columns"], keyword: []}},
        "values that are lists": said | {"columns": {**said["columns"], keyword: [[1]] * count}},
        "one value that is an object": said | {"columns": {**said["columns"], keyword: {"=": {"a": 1}}}},
        "an empty object": said | {"columns": {**said["columns"], keyword: {}}},
        "words that are one text": said | {"columns": {**said["columns"], keyword: words("ab", [0] * count)}},
        "words that are lists": said | {"columns": {**said["columns"], keyword: words([["a"]], [0] * count)}},
        "a word beyond the last": said | {"columns": {**said["columns"], keyword: words(["a"], [1] * count)}},
        "a word from the end": said | {"columns": {**said["columns"], keyword: words(["a"], [-1] * count)}},
        "a word by its truth": said | {"columns": {**said["columns"], keyword: words(["a", "b"], [True] * count)}},
        "too few words": said | {"columns": {**said["columns"], keyword: words(["a"], [0] * (count - 1))}},
        "words without numbers": said | {"columns": {**said["columns"], keyword: {"words": ["a"]}}},
    }


FORGED = list(forged('{"names": ["a"], "columns": {"a": []}}'))


@pytest.mark.parametrize("how", [*FORGED, "nested without end", "no text", "bytes"])
def test_a_forged_index_is_not_believed(folder, index, how):
    """Its sums are right, and what it says is not of its form: headers are read from the files."""
    expected = look(folder, index)
    key = (os.fsencode(folder.resolve()), "0")
    with sqlite3.connect(index.path) as connection:
        (content,) = connection.execute("SELECT content FROM folders").fetchone()
        new = {"nested without end": "[" * 200_000, "no text": None, "bytes": content.encode()}.get(how)
        if how in FORGED:
            new = json.dumps(forged(content)[how], separators=(",", ":"))
        crc = header_index._crc(key, new) if isinstance(new, str) else 0
        connection.execute("UPDATE folders SET content = ?, crc = ?", (new, crc))
    connection.close()
    with pytest.warns(ZeroframeWarning, match=r"headers\.sqlite: the index of headers was damaged"):
        assert look(folder, HeaderIndex(index.path)) == expected
    assert look(folder, HeaderIndex(index.path)) == expected
