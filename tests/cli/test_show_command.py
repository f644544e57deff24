"""`zeroframe show`: what it writes, says and refuses."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from urllib.request import urlopen

import numpy as np
import pytest
from astropy.io import fits

from zeroframe.cli.console import Screen
from zeroframe.cli.show import show


def zeroframe(*arguments, cwd):
    asked = [sys.executable, "-m", "zeroframe", "show", *map(str, arguments)]
    return subprocess.run(asked, capture_output=True, text=True, cwd=cwd, check=False, timeout=300)


@pytest.fixture
def frame(tmp_path):
    folder = tmp_path / "raw"
    folder.mkdir()
    fits.writeto(folder / "a.fits", np.arange(30, dtype=np.uint16).reshape(5, 6))
    return folder / "a.fits"


@pytest.mark.long
def test_a_page_is_written_and_never_among_raw_frames(frame, tmp_path):
    made = zeroframe("raw/a.fits", "--json", cwd=tmp_path)
    assert made.returncode == 0, made.stderr
    told = json.loads(made.stdout)
    assert (told["out"], told["bytes"]) == ("show.html", (tmp_path / "show.html").stat().st_size)
    again = zeroframe("raw/a.fits", cwd=tmp_path)
    assert again.returncode == 2
    assert "--overwrite" in again.stderr
    among = zeroframe("a.fits", cwd=frame.parent)
    assert among.returncode == 2
    assert "raw data are never written to" in among.stderr
    assert list(frame.parent.iterdir()) == [frame]


def test_what_is_no_image_is_named(tmp_path):
    (tmp_path / "notes.fits").write_text("nothing")
    refused = zeroframe("notes.fits", "-o", "p.html", cwd=tmp_path)
    assert refused.returncode == 2
    assert "notes.fits" in refused.stderr
    assert not (tmp_path / "p.html").exists()


def test_serves_until_it_is_interrupted(frame, tmp_path):
    asked = [sys.executable, "-m", "zeroframe", "show", str(frame), "--serve"]
    plain = {word: value for word, value in os.environ.items() if word != "PYTHONUNBUFFERED"}  # it flushes by itself
    with subprocess.Popen(asked, stdout=subprocess.PIPE, text=True, cwd=tmp_path, env=plain) as serving:
        said = serving.stdout.readline()
        url = next(word.rstrip(";") for word in said.split() if word.startswith("http"))
        with urlopen(url) as answer:
            assert b"a.fits" in answer.read()
        serving.send_signal(signal.SIGINT)
        assert serving.wait(300) == 0
    assert list(tmp_path.iterdir()) == [frame.parent]


def test_may_be_interrupted_while_it_says_where(frame, monkeypatch):
    def interrupted(*_):
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(Screen, "line", interrupted)
    assert show([frame], serve=True, open_it=False) == 0
