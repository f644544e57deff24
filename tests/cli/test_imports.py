"""What threads need is imported before they start: two of them never import astropy, or a module of ours, at once."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from typing import get_args

import pytest
import typer

from kernel_table import NJIT
from workbench import small_folder
from wrong_nights import GOOD, changed, write_night
from zeroframe.cli.main import app, main
from zeroframe.fits.formats import FORMATS
from zeroframe.frames.level_fits import FITS
from zeroframe.frames.strip_levels import LEVEL_METHODS
from zeroframe.stacks.clipping import CLIP_SPREADS
from zeroframe.verbs.rejections import NamedRejection

#: Runs a command with nothing imported but Python itself, and prints what other threads than the first one import.
PROBE = """
import sys, threading
seen = set()
class Watch:
    def find_spec(self, name, path=None, target=None):
        if threading.current_thread() is not threading.main_thread():
            seen.add((name, threading.get_ident()))
sys.meta_path.insert(0, Watch())
from zeroframe.cli.main import main
try:
    main(sys.argv[1:])
except SystemExit as left:
    sys.stderr.write("IMPORTED " + repr((left.code, sorted(seen))) + "\\n")
"""
FILTER = "Hydrogen alpha narrowband 3 nm ultra premium edition of the second kind, no. "


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("imports")
    shots = []
    for number, camera in enumerate(("ZWO ASI533MM Pro", "QHY268M")):
        cards = {"CCD-TEMP": -10.0, "FILTER": f"{FILTER}{number}", "INSTRUME": camera}
        shots += [
            type(each)(**{**vars(each), "name": f"{number}{each.name}"}) for each in changed(GOOD, "", cards=cards)
        ]
    write_night(folder / "raw", shots)
    probe(folder, "night", "raw", "-o", "out", "--no-report")
    # kernels are built once ever, for which one thread imports numba; that is no import of each run
    probe(folder, "inspect", "raw", "--workers", "1")
    probe(folder, "combine", "out/0b0.fits", "out/0b1.fits", "out/0b2.fits", "-o", "warm.fits", "--workers", "1")
    return folder


def probe(folder, *words):
    said = subprocess.run(
        [sys.executable, "-c", PROBE, *words], cwd=folder, capture_output=True, text=True, check=False
    )
    assert "Traceback" not in said.stderr, said.stderr
    code, seen = ast.literal_eval(said.stderr.split("IMPORTED ")[1])
    return code, seen, said.stderr[:2000]


@pytest.mark.long
@pytest.mark.parametrize(
    "words",
    [("night", "raw", "-o", "new", "--workers", "2"), ("night", "raw", "-o", "out", "--workers", "2"),
     ("bias", "raw", "-o", "b", "--workers", "2", "--compress", "gzip"),
     ("dark", "raw", "-o", "d", "--workers", "2", "--compress", "rice"),
     ("flat", "raw", "-o", "f", "--workers", "2"), ("night", "raw", "-o", "n", "--by-night", "--workers", "2"),
     ("night", "raw", "-o", "dry", "--dry-run", "--workers", "2"), ("inspect", "raw", "--workers", "2"),
     ("combine", "out/0b0.fits", "out/0b1.fits", "out/0b2.fits", "-o", "c.fits", "--workers", "2"),
     ("verify", "out", "--raw", "raw", "--workers", "2"), ("ls", "raw"), ("explain", "out/0s0.fits"), ("recipe",),
     ("simulate", "apogee-cg16m", "sim", "--frames", "2")],
    ids=lambda words: " ".join(words[:4]),
)  # fmt: skip
def test_threads_import_nothing_at_the_same_time(folder, words):
    code, seen, said = probe(folder, *words)
    assert code in (0, 1), said
    packages = {}
    for name, thread in seen:
        packages.setdefault(name.partition(".")[0], set()).add(thread)
    # one thread at a time may import a package; numba is looked for, and not imported
    assert {name for name, threads in packages.items() if len(threads) > 1} <= {"numba"}, packages
    # where numba's own dispatcher takes the place of our loader, the first thread that needs a kernel asks for it
    late = {"zeroframe.kernels._build", "zeroframe.kernels._by_numba"} if NJIT else set()
    assert {name for name, _ in seen if name.startswith("zeroframe.")} <= late


@pytest.mark.skipif(NJIT, reason="numba and what it imports are needed where our loader is not used")
def test_a_known_camera_needs_no_search_for_its_overscan(folder):
    code = PROBE.replace("repr((left.code, sorted(seen)))", "repr((left.code, sorted(sys.modules)))")
    words = ("bias", "raw", "-o", "lean", "--trim", "[2:9,2:9]", "--no-report")
    said = subprocess.run([sys.executable, "-c", code, *words], cwd=folder, capture_output=True, text=True, check=False)
    status, modules = ast.literal_eval(said.stderr.split("IMPORTED ")[1])
    assert status == 0, said.stdout + said.stderr[:2000]
    assert "zeroframe.stacks.pooled" in modules
    unneeded = {"numpy.ma", "zeroframe.inspection.findings", "zeroframe.inspection.inspecting", "astropy", "numba"}
    assert not unneeded.intersection(modules)


def test_help_and_what_reads_no_pixels_start_without_numpy():
    code = "import sys, zeroframe.cli.main; print('numpy' in sys.modules)"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout == "False\n"


def test_what_is_there_at_the_end_is_not_searched_for_garbage():
    code = (
        "import gc\nfrom zeroframe.__main__ import main\ntry:\n    main()\nfinally:\n    print(gc.get_freeze_count())"
    )
    said = subprocess.run([sys.executable, "-c", code, "--version"], capture_output=True, text=True, check=False)
    assert said.returncode == 0
    # a search would look at nearly all of them: importing alone makes more
    assert int(said.stdout.split()[-1]) > 20_000


@pytest.mark.parametrize("method", ["average", "median"])
def test_frames_that_share_no_calibration_are_combined_without_what_calibrates(tmp_path, method):
    paths = small_folder(tmp_path, 3)
    code = (
        "import sys\nfrom zeroframe.cli.main import main\ntry:\n    main(sys.argv[1:])\nfinally:\n"
        "    unneeded = 'zeroframe.run.cache', 'zeroframe.frames.raw', 'numpy.ma'\n"
        "    print([name for name in unneeded if name in sys.modules])"
    )
    words = ["combine", *map(str, paths), "-o", str(tmp_path / "c.fits"), "--method", method]
    said = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, check=False)
    assert (tmp_path / "c.fits").is_file()
    assert said.stdout.endswith("[]\n")


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("night", (*FITS, *LEVEL_METHODS, *CLIP_SPREADS, *FORMATS)),
        ("combine", (*get_args(NamedRejection), *CLIP_SPREADS)),
    ],
)
def test_help_names_all_words_of_an_option(capsys, command, words):
    with pytest.raises(SystemExit):
        main([command, "--help"])
    shown = capsys.readouterr().out
    assert [word for word in words if not re.search(rf"\b{word}\b", shown)] == []


def test_names_stay_short_of_what_a_card_holds(folder):
    names = [path.name for path in (folder / "out").rglob("combined_*.fits")]
    assert names
    assert all(len(name) <= 68 for name in names), names


def test_help_of_the_program_says_of_each_command_what_its_own_help_says(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")

    def said(*words):
        with pytest.raises(SystemExit):
            main(words)
        return capsys.readouterr().out

    shown = said("--help")
    commands = typer.main.get_command(app).commands  # with all their options
    assert len(commands) > 12
    for name, command in commands.items():
        assert f" {name} " in shown
        assert command.get_short_help_str(limit=60).rstrip(".") in shown
    assert said("-q", "ls", "--help") == said("ls", "--help")
