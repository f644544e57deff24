"""Commands that nobody watches: streams that are closed, full or go away, homes and terminals that are not there."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import warnings
from pathlib import Path

import pytest

from reliability import ENVIRONMENT, PROGRAM
from workbench import bytes_in, command, raw_pixels, small_folder, write_raw
from zeroframe.cli.log_file import remarks_shown

SECTIONS = ("--overscan", "[17:20,:]", "--trim", "[1:16,:]")
FULL = Path("/dev/full")
needs_full = pytest.mark.skipif(not FULL.exists(), reason="needs a device that is always full")


def shell(line, *arguments, **environment):
    """Run a line of a shell, in which "$@" is the program with its arguments; return code, output, errors."""
    done = subprocess.run(
        ["bash", "-c", line, "bash", *PROGRAM, *map(str, arguments)],
        env={**ENVIRONMENT, **environment},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


@pytest.fixture(scope="module")
def raw(tmp_path_factory):
    folder = tmp_path_factory.mktemp("night") / "raw"
    small_folder(folder)
    return folder


@pytest.fixture(scope="module")
def expected(raw):
    """Results of a run whose output is read."""
    out = raw.parent / "expected"
    assert command("bias", raw, "-o", out, *SECTIONS).code == 0
    return bytes_in(out)


WAYS = {
    "closed output": '"$@" >&-',
    "closed errors": '"$@" 2>&-',
    "both closed": '"$@" >&- 2>&-',
    "all closed": '"$@" <&- >&- 2>&-',
    "full output": '"$@" >/dev/full',
    "both full": '"$@" >/dev/full 2>&1',
    "reader gone": 'set -o pipefail; "$@" | head -n 1',
    "reader of both gone": 'set -o pipefail; "$@" 2>&1 | true',
}


def clean(err):
    assert "Traceback" not in err
    assert "Exception ignored" not in err
    lines = [line for line in err.splitlines() if line]
    assert len(set(lines)) == len(lines), err  # nothing is said twice
    return lines


def ways(*names):
    return pytest.mark.parametrize(
        "way", [pytest.param(name, marks=needs_full) if "full" in name else name for name in names]
    )


class TestStreams:
    @ways(*WAYS)
    def test_the_work_goes_on(self, raw, expected, tmp_path, way):
        code, _, err = shell(WAYS[way], "bias", raw, "-o", tmp_path / "out", *SECTIONS, "--no-report")
        clean(err)
        assert code == 0, err
        assert bytes_in(tmp_path / "out") == expected

    @pytest.mark.long
    @ways("both closed", "both full", "reader of both gone")
    def test_the_exit_code_tells_of_a_frame_that_failed(self, tmp_path, way):
        bad = write_raw(tmp_path / "raw" / "b9.fits", raw_pixels(9))
        bad.write_bytes(bad.read_bytes()[:3000])
        small_folder(tmp_path / "raw", 2)
        code, _, err = shell(WAYS[way], "bias", tmp_path / "raw", "-o", tmp_path / "out", *SECTIONS)
        clean(err)
        assert code == 1, err
        assert (tmp_path / "out" / "b1.fits").exists()
        assert (tmp_path / "out" / "report.html").exists()

    @ways("closed errors", "both full")
    @pytest.mark.parametrize("more", [(), ("--no-such-option",)], ids=["refused", "usage"])
    def test_and_of_a_command_that_was_refused(self, raw, way, more):
        code, _, err = shell(WAYS[way], "bias", raw, "-o", raw, *more)
        assert (code, err) == (2, "")

    @ways(*WAYS)
    def test_ls(self, raw, way):
        """Where the output is the result, its loss is a loss; that a reader has seen enough is none."""
        self.lost_or_not(way, "ls", raw)

    @ways("closed output", "full output", "reader gone")
    @pytest.mark.parametrize("asked", ["ls json", "ls csv", "verify", "recipe", "inspect"])
    @pytest.mark.usefixtures("expected")
    def test_other_commands_whose_output_is_the_result(self, raw, way, asked):
        name, *form = asked.split()
        arguments = {"verify": [raw.parent / "expected"], "recipe": []}.get(name, [raw])
        self.lost_or_not(way, name, *arguments, *(("--format", *form) if form else ()))

    def lost_or_not(self, way, *arguments):
        code, _, err = shell(WAYS[way], *arguments)
        lines = clean(err)
        assert code == (1 if way.endswith(("closed", "full", "output")) else 0), err
        if way in {"closed output", "full output"}:
            (line,) = lines
            assert line.startswith("zeroframe: standard output could not be written (")

    @ways("both closed", "full output", "reader gone")
    @pytest.mark.parametrize("option", ["--help", "--version"])
    def test_help_and_version(self, way, option):
        code, _, err = shell(WAYS[way], option)
        assert "Traceback" not in err
        assert code == 0, err


@pytest.mark.long
@needs_full
def test_what_a_library_prints_by_itself_gets_into_no_result(raw, expected, tmp_path):
    """Where 1 and 2 are free, the next files that are opened get these numbers."""
    noisy = (
        "import os, sys\n"
        "from zeroframe.__main__ import main\n"
        "import zeroframe.fits.atomic as atomic\n"
        "real = atomic.write_all\n"
        "def write_all(*more):\n"
        "    real(*more)\n"
        "    os.write(1, b'noise'); os.write(2, b'noise')\n"
        "import zeroframe.fits.write as writing, zeroframe.run.record as record\n"
        "writing.write_all = record.write_all = write_all\n"
        "main()"
    )
    arguments = ["bias", str(raw), "-o", str(tmp_path / "out"), *SECTIONS, "--no-report", "--workers", "1"]
    done = subprocess.run(
        ["bash", "-c", '"$@" >&- 2>&-', "bash", sys.executable, "-c", noisy, *arguments], env=ENVIRONMENT, check=False
    )
    assert done.returncode == 0
    assert bytes_in(tmp_path / "out") == expected


class TestSurroundings:
    @pytest.mark.long
    @pytest.mark.parametrize(
        "settings",
        [
            {"LC_ALL": "C", "PYTHONIOENCODING": "ascii"},
            {"LANG": "C", "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
            {"TERM": "", "COLUMNS": "many"},
            {"TERM": "dumb", "COLUMNS": "1", "LINES": "0"},
            {"HOME": "/nowhere", "ZEROFRAME_CACHE": "", "XDG_CACHE_HOME": "", "MPLCONFIGDIR": ""},
        ],
        ids=lambda settings: " ".join(f"{name}={value}" for name, value in settings.items()),
    )
    def test_odd_settings(self, raw, expected, tmp_path, settings):
        code, out, err = shell('"$@"', "bias", raw, "-o", tmp_path / "out", *SECTIONS, **settings)
        clean(err)
        assert code == 0, err
        assert "All is well." in out
        assert bytes_in(tmp_path / "out") == expected

    @pytest.mark.skipif(os.geteuid() != 0, reason="only root may be a user who does not exist")
    def test_a_user_who_has_no_home_and_no_entry(self):
        """As in containers that are given some number of a user."""
        child = (
            "import os\n"
            "from pathlib import Path\n"
            "from zeroframe.headers.index import cache_folder\n"
            "from zeroframe.kernels import _store\n"
            "os.setgid(54321); os.setuid(54321)\n"
            "for name in ('HOME', 'ZEROFRAME_CACHE', 'XDG_CACHE_HOME', 'NUMBA_CACHE_DIR'): os.environ.pop(name, None)\n"
            "print(cache_folder(), *_store._folders(Path('/nowhere/a.py')))"
        )
        # where lines are counted: that user cannot write down which
        environment = {name: value for name, value in ENVIRONMENT.items() if name != "COVERAGE_PROCESS_CONFIG"}
        done = subprocess.run(
            [sys.executable, "-c", child], env=environment, capture_output=True, text=True, check=False
        )
        assert done.stderr == ""
        assert done.stdout.split() == ["None", "/nowhere/__pycache__"]

    def test_a_terminal_that_is_resized_and_goes_away(self, raw, expected, tmp_path):
        """Standard error is a terminal: its other end is closed while a bar is drawn."""
        import fcntl
        import pty
        import struct
        import termios

        leader, follower = pty.openpty()
        process = subprocess.Popen(
            [*PROGRAM, "bias", str(raw), "-o", str(tmp_path / "out"), *SECTIONS],
            stdin=subprocess.DEVNULL,
            stdout=follower,
            stderr=follower,
            env={**ENVIRONMENT, "TERM": "xterm"},
            start_new_session=True,
        )
        os.close(follower)
        seen = os.read(leader, 1)
        for columns in (1, 500, 0, 80):
            fcntl.ioctl(leader, termios.TIOCSWINSZ, struct.pack("HHHH", 2, columns, 0, 0))
        os.close(leader)
        assert process.wait(300) == 0
        assert seen
        assert bytes_in(tmp_path / "out") == expected


class TestLog:
    def test_events_times_and_levels(self, tmp_path):
        small_folder(tmp_path / "raw", 2)
        bad = write_raw(tmp_path / "raw" / "b9.fits", raw_pixels(9))
        bad.write_bytes(bad.read_bytes()[:3000])
        log = tmp_path / "zeroframe.log"
        run = command("--log-file", log, "bias", tmp_path / "raw", "-o", tmp_path / "out", *SECTIONS, "--no-report")
        assert run.code == 1
        lines = log.read_text().splitlines()
        stamp = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"
        assert all(re.match(rf"{stamp} (INFO|WARNING|ERROR) [\w.]+: ", line) for line in lines), lines
        said = [line.partition(": ")[2] for line in lines]
        assert said[0].startswith("zeroframe 0.")
        for name in ("b1.fits", "b2.fits"):
            assert f"done: {tmp_path / 'raw' / name}" in said
        assert any(line.startswith(f"failed: {bad}: is cut off") for line in said)
        assert f"done: {tmp_path / 'out' / 'combined_bias.fits'}" in said
        assert said[-1].startswith("exit code 1 after ")
        levels = {line.split()[1] for line in lines if "failed: " in line}
        assert levels == {"ERROR"}

    def test_a_second_run_is_added_and_the_screen_says_what_it_says_without(self, raw, tmp_path):
        log = tmp_path / "a.log"
        first = command("--log-file", log, "ls", raw)
        before = log.read_bytes()
        second = command("--log-file", log, "ls", raw)
        assert first == second == command("ls", raw)
        assert log.read_bytes().startswith(before)
        assert len(log.read_bytes()) > len(before)

    def test_warnings_are_remarks_and_stand_in_it(self, tmp_path):
        from astropy.io import fits

        small_folder(tmp_path / "raw", 2)
        path = tmp_path / "raw" / "b1.fits"
        with fits.open(path) as hdus:
            hdus[0].add_checksum()
            hdus.writeto(path, overwrite=True)
        path.write_bytes(path.read_bytes().replace(b"'zero    '", b"'zeros   '"))
        out = tmp_path / "out"
        run = command("--log-file", tmp_path / "a.log", "bias", tmp_path / "raw", "-o", out, *SECTIONS, "--no-report")
        assert run.code == 0, run.out + run.err
        assert run.err == f"note: {path}: its header was changed after CHECKSUM was written\n"
        warned = [line for line in (tmp_path / "a.log").read_text().splitlines() if " WARNING py.warnings: " in line]
        assert len(warned) == 1
        assert f"HeaderWarning: {path}: its header was changed" in warned[0]

    @pytest.mark.filterwarnings("default")
    def test_warnings_of_arithmetic_are_none(self, capsys):
        """numpy's name no file, and tell nobody what to do."""
        with remarks_shown():
            warnings.warn("Mean of empty slice", RuntimeWarning, stacklevel=1)
            warnings.warn("b1.fits: odd", UserWarning, stacklevel=1)
        said = capsys.readouterr()
        assert said.out + said.err == "note: b1.fits: odd\n"

    def test_verbose_shows_events(self, raw, tmp_path):
        quiet = command("bias", raw, "-o", tmp_path / "a", *SECTIONS, "--no-report")
        run = command("--verbose", "bias", raw, "-o", tmp_path / "a", *SECTIONS, "--no-report", "--overwrite")
        assert quiet.err == ""
        assert f"info: skipped: {raw / 'b1.fits'}\n" in run.err

    def test_a_night(self, tmp_path):
        from nights import RECIPES, small_night

        raw = small_night(tmp_path / "raw", one_filter=True)
        (tmp_path / "night.toml").write_text(RECIPES["palomar-lfc"])
        log, out = tmp_path / "a.log", tmp_path / "out"
        more = ("--recipe", tmp_path / "night.toml", "--no-report")
        run = command("--log-file", log, "night", raw, "-o", out, *more)
        assert run.code == 0, run.err
        done = {line.partition(" done: ")[2] for line in log.read_text().splitlines() if " done: " in line}
        paths = set(raw.rglob("*.fits"))
        made = {path for path in out.rglob("*.fits") if not (raw / path.relative_to(out)).exists()}
        assert done >= {str(path) for path in paths | made}

    @pytest.mark.parametrize("name", ["b1.fits", "notes.log"])
    def test_no_log_is_written_into_the_raw_folder(self, tmp_path, name):
        small_folder(tmp_path / "raw", 2)
        before = {path.name: path.read_bytes() for path in (tmp_path / "raw").iterdir()}
        for arguments in (("bias", "-o", tmp_path / "out"), ("night", "-o", tmp_path / "out"), ("inspect",)):
            run = command("--log-file", tmp_path / "raw" / name, arguments[0], tmp_path / "raw", *arguments[1:])
            assert run.code == 2
            assert f"{tmp_path / 'raw' / name}: would be written into the raw folder" in run.err
        assert {path.name: path.read_bytes() for path in (tmp_path / "raw").iterdir()} == before

    def test_nothing_else_is_taken_for_a_log(self, raw, tmp_path):
        mine = tmp_path / "mine.txt"
        mine.write_text("mine\n")
        frame = write_raw(tmp_path / "b.fits", raw_pixels(1))
        before = frame.read_bytes()
        for path in (mine, frame):
            run = command("--log-file", path, "ls", raw)
            assert (run.code, run.out) == (2, "")
            assert f"{path}: is there already and is no log of zeroframe; choose another name" in run.err
        assert mine.read_text() == "mine\n"
        assert frame.read_bytes() == before
        (tmp_path / "folder").mkdir()
        assert command("--log-file", tmp_path / "folder", "ls", raw).code == 2
        assert command("--log-file", tmp_path / "no" / "a.log", "ls", raw).code == 2

    @needs_full
    def test_a_log_that_cannot_be_written_on(self, raw, tmp_path, monkeypatch):
        """As on a full disk; the file itself can be opened."""
        import zeroframe.cli.log_file

        log, real = tmp_path / "a.log", zeroframe.cli.log_file._opened

        def full(path):
            os.close(real(path))
            return os.open(FULL, os.O_WRONLY)

        monkeypatch.setattr(zeroframe.cli.log_file, "_opened", full)
        run = command("--log-file", log, "bias", raw, "-o", tmp_path / "out", *SECTIONS, "--no-report")
        assert run.code == 0, run.err
        assert run.err == (
            f"note: {log}: cannot be written (No space left on device); make room on the disk and run again; "
            "the work goes on without the log\n"
        )

    def test_control_characters_stay_text(self, tmp_path):
        small_folder(tmp_path / "raw", 2)
        (tmp_path / "raw" / "b1.fits").rename(tmp_path / "raw" / "b\x1b[2J\n2026-01-01T00:00:00.000Z ERROR x.fits")
        log = tmp_path / "a.log"
        command("--log-file", log, "bias", tmp_path / "raw", "-o", tmp_path / "out", *SECTIONS, "--no-report")
        text = log.read_text()
        assert "\x1b" not in text
        assert not any(line.startswith("2026-01-01T00:00:00.000Z") for line in text.splitlines())

    def test_the_library_prints_nothing_by_itself(self):
        code = (
            "import logging, zeroframe\n"
            "logging.getLogger('zeroframe.some.where').error('heard by nobody')\n"
            "assert logging.getLogger('zeroframe').level == logging.NOTSET"
        )
        done = subprocess.run(
            [sys.executable, "-c", code], env=ENVIRONMENT, capture_output=True, text=True, check=False
        )
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")

    def test_after_a_command_everything_is_as_it_was(self, raw, tmp_path):
        import logging
        import warnings

        def state():
            loggers = [logging.getLogger(name) for name in ("zeroframe", "py.warnings")]
            return sys.stdout, sys.stderr, warnings.showwarning, *((one.level, *one.handlers) for one in loggers)

        command("ls", raw)  # logging itself puts a handler there the first time
        before = state()
        command("--log-file", tmp_path / "a.log", "--verbose", "ls", raw)
        assert state() == before


class TestUnforeseen:
    """An error that nobody has foreseen."""

    @pytest.fixture
    def broken(self, monkeypatch):
        def fail(*_, **__):
            raise RuntimeError("the unforeseen\nof two lines")

        monkeypatch.setattr("zeroframe.run.engine.made_in", fail)

    @pytest.mark.usefixtures("broken")
    def test_it_is_one_sentence_and_the_details_are_beside_the_results(self, raw, tmp_path):
        out = tmp_path / "out"
        run = command("bias", raw, "-o", out, *SECTIONS, "--no-report")
        assert run.code == 3
        (line,) = run.err.splitlines()
        assert line == (
            "zeroframe: an unexpected error ended the command (RuntimeError: the unforeseen); this is a fault of "
            f"zeroframe, and the details are in {out / 'zeroframe.log'}"
        )
        text = (out / "zeroframe.log").read_text()
        assert re.match(r"\d{4}-\d\d-\d\dT[\d:.]{12}Z CRITICAL zeroframe\.cli: zeroframe 0\.", text)
        for words in ("Traceback", "in fail", "RuntimeError: the unforeseen", "of two lines"):
            assert words in text
        assert not (out / ".zeroframe.lock").exists()
        command("bias", raw, "-o", out, *SECTIONS, "--no-report")  # it is added to
        assert (out / "zeroframe.log").read_text().startswith(text)

    @pytest.mark.usefixtures("broken")
    def test_a_log_that_was_asked_for_has_them(self, raw, tmp_path):
        log = tmp_path / "a.log"
        run = command("--log-file", log, "bias", raw, "-o", tmp_path / "out", *SECTIONS, "--no-report")
        assert run.code == 3
        assert run.err.endswith(f"the details are in {log}\n")
        assert "in fail" in log.read_text()
        assert log.read_text().count("Traceback") == 1
        assert not (tmp_path / "out" / "zeroframe.log").exists()

    @pytest.mark.usefixtures("broken")
    def test_what_is_no_log_is_not_written_to(self, raw, tmp_path):
        out = tmp_path / "out"
        out.mkdir()
        (out / "zeroframe.log").write_text("mine")
        run = command("bias", raw, "-o", out, *SECTIONS, "--no-report")
        assert run.code == 3
        details = Path(run.err.rpartition("the details are in ")[2].strip())
        assert "in fail" in details.read_text()
        details.unlink()
        assert (out / "zeroframe.log").read_text() == "mine"

    def test_a_command_without_results(self, raw, monkeypatch):
        import zeroframe.headers.listing

        monkeypatch.setattr(zeroframe.headers.listing, "list_frames", lambda *_, **__: 1 / 0)
        before = set(raw.iterdir())
        run = command("ls", raw)
        assert (run.code, run.out) == (3, "")
        details = Path(run.err.rpartition("the details are in ")[2].strip())
        assert "ZeroDivisionError" in details.read_text()
        details.unlink()
        assert set(raw.iterdir()) == before

    def test_nowhere_to_write(self, raw, monkeypatch):
        import tempfile

        import zeroframe.headers.listing

        monkeypatch.setattr(zeroframe.headers.listing, "list_frames", lambda *_, **__: 1 / 0)
        monkeypatch.setattr(tempfile, "tempdir", "/nowhere")
        run = command("ls", raw)
        assert run.code == 3
        assert run.err.endswith("and no file could be written that says more\n")

    def test_its_own_folder_of_raw_frames_takes_no_log(self, raw, monkeypatch):
        import zeroframe.planning.targets

        before = set(raw.iterdir())
        real = zeroframe.planning.targets.check_output_folder
        faults, calls = [], []

        def fault(*_, **__):
            faults.append(None)
            return 1 / 0

        def late(*arguments):
            calls.append(arguments)
            if faults:
                real(*arguments)

        monkeypatch.setattr("zeroframe.planning.asking.plan_night", fault)
        monkeypatch.setattr(zeroframe.planning.targets, "check_output_folder", late)
        monkeypatch.setattr("zeroframe.planning.asking.check_output_folder", late)
        assert command("bias", raw, "-o", raw, "--no-recurse", *SECTIONS).code == 3
        assert len(calls) > 1
        assert set(raw.iterdir()) == before
