"""`zeroframe watch --serve` in Chromium: frames drop in while the page is open; killed, begun again, ended."""

from __future__ import annotations

import shutil
import signal
import socket
import subprocess
import sys
from contextlib import contextmanager

import numpy as np
import pytest
from astropy.io import fits

from nights import RECIPES, all_bytes, carried_out, small_night
from workbench import small_folder

ROWS = "Object.fromEntries([...document.querySelectorAll('tr[data-name]')].map(r => [r.dataset.name, r.innerText]))"
STATUS = "document.getElementById('status').textContent"


@contextmanager
def watching(folder, *options):
    """A watch in a process of its own, and its address."""
    (folder / "night.toml").write_text(RECIPES["palomar-lfc"])
    asked = [
        sys.executable,
        "-m",
        "zeroframe",
        "watch",
        "raw",
        "-o",
        "out",
        "--recipe",
        "night.toml",
        "--serve",
        *options,
    ]
    with subprocess.Popen(
        asked, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=folder, errors="replace"
    ) as process:
        try:
            said = process.stdout.readline()
            yield process, next(word for word in said.split() if word.startswith("http")).rstrip(";")
        finally:
            process.kill()


@contextmanager
def plain_watch(folder, *options):
    """A watch in a process of its own, which nobody looks at."""
    asked = [sys.executable, "-m", "zeroframe", "watch", "raw", "-o", "out", *options]
    with subprocess.Popen(asked, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=folder) as process:
        try:
            yield process
        finally:
            process.kill()


def ended(process, by=signal.SIGINT):
    process.send_signal(by)
    said = process.stdout.read()
    return process.wait(), said


def results(folder):
    return {name: data for name, data in all_bytes(folder).items() if name.endswith(".fits")}


@pytest.mark.long
def test_a_night_drops_in(browser, tmp_path):
    taken = small_night(tmp_path / "taken", one_filter=True)
    raw, out = tmp_path / "raw", tmp_path / "out"
    raw.mkdir()
    names = sorted(path.relative_to(taken).as_posix() for path in taken.rglob("*.fits"))
    with fits.open(taken / "ccd.016.0.fits") as hdus:
        full = np.minimum(hdus[0].data.astype(np.float64) * 4.0, 65535).astype(np.uint16)
        header = hdus[0].header
        del header["DATASUM"], header["CHECKSUM"]
        fits.writeto(tmp_path / "full.fits", full, header)
    delays = []
    with watching(tmp_path) as (process, url):
        browser.open(url)
        for name in names[:10]:
            (raw / name).parent.mkdir(exist_ok=True)
            shutil.copyfile(taken / name, raw / name)
            delays.append(browser.until(f"document.querySelector('tr[data-name=\"{name}\"] img') !== null"))
        (tmp_path / "full.fits").replace(raw / "again.fits")
        browser.until("!document.getElementById('alarm').hidden")
        assert "again.fits may have to be taken again" in browser.value("document.getElementById('alarm').innerText")
        assert "saturated" in browser.value("document.getElementById('alarm').innerText")
        browser.value("document.querySelector('#alarm button').click()")
        assert browser.value("document.getElementById('alarm').hidden")
        loaded = "[...document.images].every(image => image.complete && image.naturalWidth > 0)"
        browser.until(loaded)  # a picture that goes while it is fetched is one that is not there
        (raw / "again.fits").unlink()
        browser.until("document.querySelector('tr[data-name=\"again.fits\"]') === null")
        browser.until(loaded)
        assert browser.complaints == []
        process.send_signal(signal.SIGKILL)
        process.wait()
        browser.until(f"{STATUS}.includes('has ended')")
    assert min(delays) < 5.0  # other work on the machine makes some wait
    with watching(tmp_path) as (process, url):
        browser.open(url, 390, 844)
        for name in names[10:]:
            (raw / name).parent.mkdir(exist_ok=True)
            shutil.copyfile(taken / name, raw / name)
        browser.until(f"Object.values({ROWS}).filter(text => !text.includes('waits')).length === {len(names)}")
        assert browser.value("document.documentElement.scrollWidth") <= 390
        link = browser.value("document.querySelector('tr[data-name=\"ccd.037.0.fits\"] a').href")
        browser.open(link)
        browser.until("document.getElementById('stage').dataset.state === 'whole'")
        titles = browser.value("[...document.querySelectorAll('[role=tab]')].map(e => e.textContent)")
        assert titles == ["raw/ccd.037.0.fits", "out/ccd.037.0.fits"]
        process.send_signal(signal.SIGINT)
        said = process.stdout.read()
        assert process.wait() == 0, said
    assert "All is well." in said
    assert (out / "report.html").exists()
    assert all_bytes(raw) == all_bytes(taken)
    carried_out(raw, tmp_path / "night", RECIPES["palomar-lfc"])
    assert results(out) == results(tmp_path / "night")


def test_refuses_to_write_where_frames_arrive(tmp_path):
    (tmp_path / "raw").mkdir()
    asked = [sys.executable, "-m", "zeroframe", "watch", "raw", "-o", "raw/out"]
    refused = subprocess.run(asked, capture_output=True, text=True, cwd=tmp_path, check=False, timeout=300)
    assert refused.returncode == 2
    assert "raw data are never written to" in " ".join(
        refused.stderr.split()
    )  # folded where the name of the folder is long
    absent = subprocess.run(
        [*asked[:4], "nowhere", "-o", "out"], capture_output=True, text=True, cwd=tmp_path, check=False, timeout=300
    )
    assert absent.returncode == 2
    assert "nowhere is not there" in absent.stderr
    assert not (tmp_path / "out").exists()


def test_takes_the_recipe_that_night_would_take(tmp_path):
    """The last sentence of its help: OUT holds what ``zeroframe night RAW -o OUT`` would have made."""
    raw = tmp_path / "raw"
    raw.mkdir()
    (raw / "zeroframe.toml").write_text('[frames]\noverscann = "none"\n')
    asked = [sys.executable, "-m", "zeroframe", "watch", "raw", "-o", "out"]
    refused = subprocess.run(asked, capture_output=True, text=True, cwd=tmp_path, check=False, timeout=300)
    assert refused.returncode == 2, refused.stdout
    assert "zeroframe.toml is the recipe, found by RAW" in refused.stderr
    assert "overscann" in refused.stderr


def test_refuses_a_camera_that_nobody_knows_before_the_night(tmp_path):
    (tmp_path / "raw").mkdir()
    asked = [sys.executable, "-m", "zeroframe", "watch", "raw", "-o", "out", "--camera", "palomar-lcf"]
    refused = subprocess.run(asked, capture_output=True, text=True, cwd=tmp_path, check=False, timeout=300)
    assert refused.returncode == 2, refused.stdout
    assert "did you mean 'palomar-lfc'" in refused.stderr


@pytest.mark.long
def test_of_two_watches_on_one_folder_the_second_is_refused_while_the_first_lives(tmp_path):
    (tmp_path / "raw").mkdir()
    with plain_watch(tmp_path) as first:
        assert first.stdout.readline().startswith("watching: raw")
        with plain_watch(tmp_path) as second:
            said = second.stdout.read()
            assert second.wait() == 2, said
            named = f"zeroframe: out: another zeroframe watch (process {first.pid} on {socket.gethostname()})"
            assert said.startswith(f"{named} puts there what it calibrates")
        assert first.poll() is None
        first.kill()
        first.wait()
    assert (tmp_path / "out" / ".zeroframe.watch.lock").exists()  # and stops nobody
    with plain_watch(tmp_path) as third:
        assert third.stdout.readline().startswith("watching: raw")
        code, said = ended(third)
        assert code == 2, said  # there is no frame
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.long
def test_other_options_are_said_before_anything_is_replaced(tmp_path):
    small_folder(tmp_path / "raw")
    recipe = '[frames]\noverscan = "none"\ntrim = "[1:{},:]"\n'
    carried_out(tmp_path / "raw", tmp_path / "out", recipe.format(18))
    (tmp_path / "night.toml").write_text(recipe.format(16))
    with plain_watch(tmp_path, "--recipe", "night.toml", "--no-report") as process:
        line = process.stdout.readline()
        assert line.startswith("replaces: out holds 4 results of an earlier run, made with frames.trim = [1:18,:] and")
        assert " not [1:16,:]" in line
        for line in process.stdout:
            if line.startswith("calibrated: b3.fits"):
                break
        ended(process)
    assert fits.getdata(tmp_path / "out" / "b1.fits").shape[1] == 16
    with plain_watch(tmp_path, "--recipe", "night.toml", "--no-report") as process:
        assert process.stdout.readline().startswith("watching: raw")
        ended(process)
