"""Bad input and bad circumstances: one sentence that names the file, the right exit code, nothing half-written."""

from __future__ import annotations

import gzip
import os
import pty
import resource
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from reliability import HeldUp
from workbench import bytes_in, command, names_in, pixels_of, raw_pixels, small_folder, write_raw
from zeroframe.simulate import simulate_biases

SOURCE = Path(__file__).resolve().parents[2] / "src"
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(SOURCE), "COLUMNS": "80"}
#: Of a pipe, where lines are not folded.
UNFOLDED = {**ENVIRONMENT, "COLUMNS": ""}
PROGRAM = (sys.executable, "-m", "zeroframe")


@pytest.fixture
def raw(tmp_path):
    small_folder(tmp_path / "raw")
    return tmp_path / "raw"


@pytest.fixture
def out(tmp_path):
    return tmp_path / "out"


def refused(run, *words):
    """Nothing was done, and one sentence says why."""
    assert run.code == 2
    assert run.out == ""
    assert run.err.count("\n") == 1
    assert run.err.startswith("zeroframe: ")
    for word in words:
        assert str(word) in run.err
    return True


def others_went_on(run, out, bad, *words, frames=3):
    """One frame failed with one sentence, and the others were calibrated and combined."""
    assert run.code == 1, run.out + run.err
    (said,) = [line for line in run.out.splitlines() if line.startswith("failed: ")]
    for word in (bad, *words):
        assert str(word) in said
    assert "Finished with problems" in run.out
    assert names_in(out) == [*(f"b{number}.fits" for number in range(1, frames + 1)), "combined_bias.fits"]
    assert fits.getheader(out / "combined_bias.fits")["NCOMBINE"] == frames
    return True


class TestFolders:
    def test_missing(self, tmp_path, out):
        assert refused(command("bias", tmp_path / "nowhere", "-o", out), tmp_path / "nowhere", "is not there", "give")
        assert not out.exists()

    def test_a_file(self, raw, out):
        assert refused(command("bias", raw / "b1.fits", "-o", out), "is not a folder", "give")

    def test_empty(self, tmp_path, out):
        (tmp_path / "empty").mkdir()
        assert refused(command("bias", tmp_path / "empty", "-o", out), "no FITS file", "give the folder")
        assert not out.exists()

    def test_without_biases(self, tmp_path, out):
        for number in (1, 2):
            write_raw(tmp_path / "raw" / f"f{number}.fits", raw_pixels(number), IMAGETYP="flat")
        assert refused(command("bias", tmp_path / "raw", "-o", out), "no bias frame", "2 flat", "give the folder")
        assert not out.exists()

    def test_results_are_no_raw_frames(self, raw, out, tmp_path):
        assert command("bias", raw, "-o", out, "--no-combine").code == 0
        said = refused(command("bias", out, "-o", tmp_path / "again"), "calibrated already", "zeroframe combine")
        assert said
        assert not (tmp_path / "again").exists()
        shutil.copy(next(out.glob("*.fits")), raw / "result.fits")
        run = command("bias", raw, "-o", tmp_path / "again", "--dry-run")
        assert "left out: result.fits — calibrated already by zeroframe" in run.out

    def test_only_a_combined_bias(self, tmp_path, out):
        write_raw(tmp_path / "raw" / "c.fits", raw_pixels(1), COMBINED=True)
        assert refused(command("bias", tmp_path / "raw", "-o", out), "c.fits", "combined already")

    @pytest.mark.parametrize("where", ["same", "inside", "link", "inside a link", "dots"])
    def test_output_in_the_raw_folder(self, raw, tmp_path, where):
        link = tmp_path / "link"
        link.symlink_to(raw)
        places = {
            "same": raw,
            "inside": raw / "deep" / "out",
            "link": link,
            "inside a link": link / "out",
            "dots": tmp_path / "x" / ".." / "raw" / "out",
        }
        before = names_in(raw)
        run = command("bias", raw, "-o", places[where])
        assert refused(run, places[where], "raw", "never written to", "choose another folder with -o")
        assert names_in(raw) == before

    def test_raw_by_a_link(self, raw, tmp_path):
        (tmp_path / "link").symlink_to(raw)
        assert refused(command("bias", tmp_path / "link", "-o", raw / "out"), "lies inside the raw folder")

    def test_output_is_a_file(self, raw, out):
        out.write_text("mine")
        assert refused(command("bias", raw, "-o", out), out, "is a file, not a folder")
        assert out.read_text() == "mine"

    def test_output_cannot_be_made(self, raw, tmp_path):
        (tmp_path / "file").write_text("mine")
        run = command("bias", raw, "-o", tmp_path / "file" / "out")
        assert run.code == 2
        assert "cannot be made" in run.err
        assert "choose another folder with -o" in run.err


class TestFrames:
    def test_text_named_fits(self, raw, out):
        (raw / "notes.fits").write_text("clouds after midnight\n" * 200)
        assert others_went_on(command("bias", raw, "-o", out), out, raw / "notes.fits", "not FITS")

    def test_empty_file(self, raw, out):
        (raw / "b9.fits").touch()
        assert others_went_on(command("bias", raw, "-o", out), out, raw / "b9.fits", "empty")

    def test_header_without_naxis(self, raw, out):
        cards = ["SIMPLE  =                    T", "BITPIX  =                   16", "IMAGETYP= 'zero'", "END"]
        (raw / "b9.fits").write_bytes("".join(card.ljust(80) for card in cards).encode().ljust(2880) + bytes(2880))
        assert others_went_on(command("bias", raw, "-o", out), out, raw / "b9.fits", "NAXIS")

    def test_truncated_gzip(self, raw, out):
        content = gzip.compress((raw / "b1.fits").read_bytes())
        (raw / "b9.fits.gz").write_bytes(content[: len(content) * 2 // 3])
        assert others_went_on(command("bias", raw, "-o", out), out, raw / "b9.fits.gz", "cut off", "copy it again")

    def test_damaged_gzip(self, raw, out):
        content = bytearray(gzip.compress((raw / "b1.fits").read_bytes()))
        content[-6] ^= 0xFF
        (raw / "b9.fits.gz").write_bytes(content)
        assert others_went_on(command("bias", raw, "-o", out), out, raw / "b9.fits.gz", "copy it again")

    def test_truncated_plain(self, raw, out):
        content = (raw / "b1.fits").read_bytes()
        (raw / "b9.fits").write_bytes(content[: 2880 + 100])
        assert others_went_on(command("bias", raw, "-o", out), out, raw / "b9.fits", "cut off", "480", "100")

    def test_another_size(self, raw, out):
        write_raw(raw / "b9.fits", raw_pixels(9, (12, 18)))
        run = command("bias", raw, "-o", out)
        assert others_went_on(run, out, raw / "b9.fits", "18 x 12 pixels", "20 x 12 pixels", "folder of its own")

    def test_another_binning(self, raw, out):
        write_raw(raw / "b9.fits", raw_pixels(9), XBINNING=2, YBINNING=2)
        assert others_went_on(command("bias", raw, "-o", out), out, raw / "b9.fits", "binned 2 x 2")

    def test_another_unit(self, raw, out):
        write_raw(raw / "b9.fits", raw_pixels(9), BUNIT="electron")
        assert others_went_on(command("bias", raw, "-o", out), out, raw / "b9.fits", "in electron", "in adu")

    def test_several_images_in_one_file(self, raw, out):
        primary = fits.PrimaryHDU(header=fits.Header({"IMAGETYP": "zero"}))
        fits.HDUList([primary, fits.ImageHDU(raw_pixels(1)), fits.ImageHDU(raw_pixels(2))]).writeto(raw / "b9.fits")
        assert others_went_on(command("bias", raw, "-o", out), out, raw / "b9.fits", "holds 2 images")

    def test_a_cube(self, raw, out):
        write_raw(raw / "b9.fits", np.stack([raw_pixels(1), raw_pixels(2)]))
        assert others_went_on(command("bias", raw, "-o", out), out, raw / "b9.fits", "cube of 20 x 12 x 2")

    def test_one_axis(self, raw, out):
        write_raw(raw / "b9.fits", raw_pixels(1)[0])
        assert others_went_on(command("bias", raw, "-o", out), out, raw / "b9.fits", "an image of 20 pixels")

    def test_broken_link(self, raw, out):
        (raw / "b9.fits").symlink_to(raw / "nowhere.fits")
        assert others_went_on(command("bias", raw, "-o", out), out, raw / "b9.fits")

    def test_pipe(self, raw, out):
        os.mkfifo(raw / "b9.fits")
        assert others_went_on(command("bias", raw, "-o", out), out, raw / "b9.fits")

    def test_two_with_one_target(self, raw, out):
        write_raw(raw / "b1.fit", raw_pixels(7))
        run = command("bias", raw, "-o", out)
        assert run.code == 1, run.out + run.err
        said = [line for line in run.out.splitlines() if line.startswith("failed: ")]
        assert [line.split(":")[1].strip() for line in said] == [str(raw / "b1.fit"), str(raw / "b1.fits")]
        assert all("has other pixels" in line and "rename it" in line for line in said)
        assert names_in(out) == ["b2.fits", "b3.fits", "combined_bias.fits"]

    def test_a_copy_with_one_target_is_taken_once(self, raw, out):
        shutil.copy(raw / "b1.fits", raw / "b1.fit")
        run = command("bias", raw, "-o", out)
        assert run.code == 0, run.out + run.err
        assert names_in(out) == ["b1.fits", "b2.fits", "b3.fits", "combined_bias.fits"]
        assert fits.getheader(out / "combined_bias.fits")["NCOMBINE"] == 3

    def test_one_with_the_name_of_the_result(self, raw, out):
        shutil.copy(raw / "b1.fits", raw / "Combined_Bias.fits")
        run = command("bias", raw, "-o", out)
        assert others_went_on(run, out, raw / "Combined_Bias.fits", "taken by the combined frame", "rename")

    def test_all_of_them(self, raw, out):
        for path in raw.iterdir():
            path.write_bytes(path.read_bytes()[:3000])
        run = command("bias", raw, "-o", out)
        assert run.code == 2
        assert run.out.count("failed: ") == 3
        assert "not combined: combined_bias.fits: none of its 3 frames could be calibrated" in run.out
        assert names_in(out) == []

    def test_no_valid_pixel_in_the_overscan(self, raw, out):
        pixels = raw_pixels(1).astype(np.float32)
        pixels[:, 16:] = np.nan
        write_raw(raw / "b9.fits", pixels)
        run = command("bias", raw, "-o", out, "--overscan", "[17:20,:]")
        assert others_went_on(run, out, raw / "b9.fits", "no pixel of the overscan", "choose another section")


class TestOptions:
    @pytest.mark.parametrize("option", ["--overscan", "--trim"])
    def test_section_outside_the_image(self, raw, out, option):
        run = command("bias", raw, "-o", out, option, "[17:21,:]")
        assert refused(run, raw / "b1.fits", option[2:], "[17:21,:]", "20 x 12", f"give {option}")
        assert not out.exists()

    @pytest.mark.parametrize("text", ["17:20,:", "[a:b,:]", "[1:2]", "", "[0:5,:]"])
    def test_section_that_is_none(self, raw, out, text):
        run = command("bias", raw, "-o", out, "--overscan", text)
        assert run.code == 2
        assert run.err.startswith("zeroframe: ")
        assert "overscan" in run.err
        assert not out.exists()

    def test_overscan_that_covers_few_rows(self, raw, out):
        run = command("bias", raw, "-o", out, "--overscan", "[17:20,1:5]")
        assert run.code == 2
        assert "covers 5 of the 12 rows" in run.out
        assert names_in(out) == []

    def test_unknown_camera(self, raw, out):
        assert refused(command("bias", raw, "-o", out, "--camera", "palomar-lcf"), "did you mean 'palomar-lfc'?")

    def test_camera_of_another_size(self, raw, out):
        run = command("bias", raw, "-o", out, "--camera", "palomar-lfc")
        assert refused(run, raw / "b1.fits", "20 x 12 pixels", "2080 x 4128 pixels", "choose another camera")

    def test_profile_that_is_not_there(self, raw, out):
        assert refused(command("bias", raw, "-o", out, "--camera", "my.toml"), "my.toml")

    def test_profile_with_two_amplifiers(self, raw, out, tmp_path):
        (tmp_path / "two.toml").write_text('name = "two"\n[[amplifier]]\nname = "a"\n[[amplifier]]\nname = "b"\n')
        assert refused(command("bias", raw, "-o", out, "--camera", tmp_path / "two.toml"), "amplifier a has no trim")

    def test_unknown_option(self, raw, out):
        run = command("bias", raw, "-o", out, "--overscn", "[1:2,:]")
        assert run.code == 2
        assert "--overscan" in run.err
        assert not out.exists()

    @pytest.mark.parametrize(
        "options",
        [
            ("--clip", "-1"),
            ("--clip", "nan"),
            ("--clip", "five"),
            ("--method", "avrage"),
            ("--mem-limit", "lots"),
            ("--workers", "0"),
            ("--overscan-method", "mean"),
            ("--overscan", "[17:20,:]", "--overscan-order", "2"),
        ],
    )
    def test_values_that_make_no_sense(self, raw, out, options):
        run = command("bias", raw, "-o", out, *options)
        assert run.code == 2
        assert options[-2].removeprefix("--").partition("-")[0] in run.err
        assert "Traceback" not in run.err
        assert not out.exists()

    def test_missing_output_folder(self, raw):
        run = command("bias", raw)
        assert run.code == 2
        assert "--out" in run.err


class TestOutput:
    def test_a_file_of_that_name(self, raw, out):
        out.mkdir()
        (out / "b2.fits").write_text("mine")
        for more in ((), ("--overwrite",)):
            run = command("bias", raw, "-o", out, *more)
            assert refused(run, out / "b2.fits", "is there already", "it was not made by zeroframe", "move it away")
            assert names_in(out) == ["b2.fits"]
            assert (out / "b2.fits").read_text() == "mine"
        (out / "b2.fits").unlink()
        assert command("bias", raw, "-o", out).code == 0
        np.testing.assert_array_equal(pixels_of(out / "b2.fits"), fits.getdata(raw / "b2.fits"))

    def test_a_link_to_the_raw_frame_is_neither_replaced_nor_followed(self, raw, out):
        out.mkdir()
        (out / "b1.fits").symlink_to(raw / "b1.fits")
        before = (raw / "b1.fits").read_bytes()
        assert refused(command("bias", raw, "-o", out), out / "b1.fits", "is there already")
        assert refused(command("bias", raw, "-o", out, "--overwrite"), out / "b1.fits", "one of the files that results")
        assert (raw / "b1.fits").read_bytes() == before
        assert (out / "b1.fits").is_symlink()

    def test_a_folder_of_that_name(self, raw, out):
        (out / "b2.fits").mkdir(parents=True)
        run = command("bias", raw, "-o", out, "--overwrite")
        assert run.code == 1
        assert f"failed: {out / 'b2.fits'}: cannot be written" in run.out
        assert names_in(out) == ["b1.fits", "b2.fits", "b3.fits", "combined_bias.fits"]

    def test_a_combined_file_that_is_there(self, raw, out):
        out.mkdir()
        (out / "combined_bias.fits").write_text("mine")
        assert refused(command("bias", raw, "-o", out), out / "combined_bias.fits", "is there already")
        assert command("bias", raw, "-o", out, "--no-combine").code == 0
        assert (out / "combined_bias.fits").read_text() == "mine"

    @pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
    def test_read_only_folder(self, raw, out):
        out.mkdir(mode=0o500)
        run = command("bias", raw, "-o", out)
        assert refused(run, out, "choose a folder that may be written to")
        assert names_in(out) == []

    def test_read_only_disk(self, raw, out):
        out.mkdir()
        with small_disk(out, 1000):
            subprocess.run(["mount", "-o", "remount,ro", out], check=True)
            run = command("bias", raw, "-o", out)
            assert refused(run, out, "Read-only file system); choose a folder on a disk that may be written to")
            assert names_in(out) == []

    def test_full_disk(self, tmp_path):
        """A disk with room for two of six frames: those stay, nothing else, and it is said of each other one."""
        raw, out = tmp_path / "raw", tmp_path / "out"
        for number in range(1, 7):
            write_raw(raw / f"b{number}.fits", raw_pixels(number, (300, 400)))
        frame_kilobytes = (300 * 400 * 4 + 3 * 2880) // 1024
        out.mkdir()
        with small_disk(out, 5 * frame_kilobytes // 2):
            run = command("bias", raw, "-o", out, "--workers", 1)
            assert run.code == 1
            said = [line for line in run.out.splitlines() if line.startswith("failed: ")]
            assert len(said) == 1
            assert "No space left on device" in said[0]
            assert "make room" in said[0]
            assert all(f"b{number}.fits" in said[0] for number in range(3, 7))
            assert "not combined" in run.out
            assert names_in(out) == ["b1.fits", "b2.fits"]
            np.testing.assert_array_equal(pixels_of(out / "b2.fits"), fits.getdata(raw / "b2.fits"))

    @pytest.mark.long
    def test_limit_on_the_size_of_files(self, tmp_path):
        """The same without being root: the system refuses to write beyond a size."""
        raw, out = tmp_path / "raw", tmp_path / "out"
        for number in (1, 2):
            write_raw(raw / f"b{number}.fits", raw_pixels(number, (300, 400)))

        def limit_files():
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (600_000, 600_000))

        run = subprocess.run(
            [*PROGRAM, "bias", raw, "-o", out],
            capture_output=True, text=True, env=UNFOLDED, preexec_fn=limit_files, check=False,
        )  # fmt: skip
        # the frames fit, the combined one with its uncertainty and counts does not
        assert run.returncode == 1, run.stdout + run.stderr
        assert f"not combined: {out / 'combined_bias.fits'}: cannot be written (File too large)" in run.stdout
        assert names_in(out) == ["b1.fits", "b2.fits"]


class small_disk:  # noqa: N801 -- used as a function
    """A disk of so many kilobytes at a folder, while the block runs; needs root."""

    def __init__(self, folder, kilobytes):
        self.folder = folder
        self.kilobytes = kilobytes

    def __enter__(self):
        options = f"size={self.kilobytes}k"
        mounting = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", options, "tmpfs", self.folder], capture_output=True, text=True, check=False
        )
        if mounting.returncode:
            pytest.skip(f"needs a small disk, and may not make one: {mounting.stderr.strip()}")

    def __exit__(self, *_):
        subprocess.run(["umount", self.folder], check=True)


class TestMemory:
    @pytest.fixture
    def wide(self, tmp_path):
        for number in range(1, 6):
            write_raw(tmp_path / "wide" / f"b{number}.fits", raw_pixels(number, (1000, 1200)))
        return tmp_path / "wide"

    def test_too_small_for_a_frame(self, wide, out):
        for sections, what in ((), "what is looked at to find the overscan"), (("--trim", "[*,*]"), "one frame"):
            run = command("bias", wide, "-o", out, "--mem-limit", "5M", *sections)
            assert run.code == 2
            assert f"the memory limit of 5.0 MB does not hold {what}" in run.err
            assert "raise it to 13 MB or more" in run.err
            assert not out.exists()

    def test_bands_give_the_same_bytes(self, wide, out, tmp_path):
        assert command("bias", wide, "-o", out).code == 0
        run = command("bias", wide, "-o", tmp_path / "bands", "--mem-limit", "12.5M", "--workers", 2)
        assert run.code == 0, run.out + run.err
        assert bytes_in(out) == bytes_in(tmp_path / "bands")

    @pytest.mark.long
    def test_limit_is_kept(self, wide, out, tmp_path):
        import tracemalloc

        # everything is imported and compiled, what only frames in bands and without an overscan need, too
        command("bias", wide, "-o", out, "--mem-limit", 12_500_000, "--trim", "[*,*]")
        peaks = {}
        for limit in (12_500_000, 35_000_000):
            tracemalloc.start()
            try:
                assert (
                    command("bias", wide, "-o", tmp_path / str(limit), "--mem-limit", limit, "--trim", "[*,*]").code
                    == 0
                )
                peaks[limit] = tracemalloc.get_traced_memory()[1]
            finally:
                tracemalloc.stop()
        # one frame takes 12 MB; headers, buffers of files and the sample that gives a frame's level come on top
        assert all(10_000_000 < peak < limit + 5_000_000 for limit, peak in peaks.items()), peaks


class TestTerminal:
    def test_quiet_where_nobody_looks(self, raw, out):
        run = subprocess.run(
            [*PROGRAM, "bias", raw, "-o", out], capture_output=True, text=True, env=ENVIRONMENT, check=False
        )
        assert (run.returncode, run.stderr) == (0, "")
        assert "\x1b" not in run.stdout
        assert "All is well." in run.stdout

    def test_progress_and_width_on_a_terminal(self, raw, out):
        code, text = on_a_terminal("bias", raw, "-o", out)
        assert code == 0
        assert "calibrating" in text
        assert "combining" in text
        assert "100%" in text
        table = [line for line in text.split("Result in")[1].splitlines() if "│" in line]
        assert len(table) > 10
        assert max(len(line) for line in table) <= 80

    def test_control_characters_are_written_out(self, raw, out):
        (raw / "b1.fits").rename(raw / "b\x1b[2J\n1.fits")
        (raw / "x\x1b[2J.fits").write_text("no")
        write_raw(raw / "b4.fits", raw_pixels(4), OBSTYPE="zero")
        run = command("bias", raw, "-o", out)
        assert run.code == 1
        assert "\x1b" not in run.out + run.err
        assert "b\\x1b[2J\\n1.fits" in run.out
        run = command("bias", raw / "x\x1b[2J.fits", "-o", out)
        assert "\x1b" not in run.err

    @pytest.mark.long
    def test_names_that_no_encoding_knows(self, raw, out):
        (raw / "b1.fits").rename(raw / "b\udcff1.fits")
        run = subprocess.run(
            [*PROGRAM, "bias", raw, "-o", out], capture_output=True, env=ENVIRONMENT, check=False
        )  # fmt: skip
        assert run.returncode == 0, run.stderr
        assert b"b\\udcff1.fits" in run.stdout
        assert (os.fsencode(out) + b"/b\xff1.fits") in [os.fsencode(path) for path in out.iterdir()]

    def test_plain_ascii_terminal(self, raw, out):
        environment = {**ENVIRONMENT, "PYTHONIOENCODING": "ascii"}
        run = subprocess.run([*PROGRAM, "bias", raw, "-o", out], capture_output=True, env=environment, check=False)
        assert run.returncode == 0, run.stderr
        assert b"All is well." in run.stdout

    @pytest.mark.long
    def test_interrupt(self, tmp_path):
        simulate_biases("palomar-lfc", tmp_path / "raw", frames=2)
        for number in range(3, 40):
            (tmp_path / "raw" / f"ccd.{number:03d}.0.fits").hardlink_to(tmp_path / "raw" / "ccd.001.0.fits")
        out = tmp_path / "out"
        arguments = ("bias", tmp_path / "raw", "-o", out, "--compress", "gzip", "--workers", "2")
        run = HeldUp(tmp_path / "go on", *arguments, env=UNFOLDED)
        run.until(lambda: list(out.glob("c*.gz")))
        run.process.send_signal(signal.SIGINT)
        code, _, err = run.ended()
        assert code == 130
        assert err == "zeroframe: interrupted; results that are there are whole, and none is half-written\n"
        names = names_in(out)
        assert 1 <= len(names) < 39
        assert all(name.startswith("ccd.") and name.endswith(".fits.gz") for name in names)
        for name in names:
            assert fits.getdata(out / name).shape == (4128, 2048)


def on_a_terminal(*arguments):
    """Run the program with a terminal of 80 columns; return its exit code and all that was written."""
    leader, follower = pty.openpty()
    process = subprocess.Popen(
        [*PROGRAM, *map(str, arguments)], stdout=follower, stderr=follower, env=ENVIRONMENT | {"TERM": "xterm"}
    )
    os.close(follower)
    pieces = []
    while True:
        try:
            piece = os.read(leader, 65536)
        except OSError:  # Linux says so when the other end is closed
            break
        if not piece:
            break
        pieces.append(piece)
    os.close(leader)
    return process.wait(), b"".join(pieces).decode()


class TestHelp:
    def test_of_the_program(self):
        run = command("--help")
        assert run.code == 0
        assert "Usage: zeroframe" in run.out
        for word in ("bias", "combine", "simulate"):
            assert f"│ {word} " in run.out

    def test_without_arguments(self):
        run = command()
        assert "Usage: zeroframe" in run.out + run.err

    def test_of_bias(self):
        run = command("bias", "--help")
        assert run.code == 0
        for word in ("[2056:2080,:]", "[1:2048,:]", "--mem-limit", "never written to", "none, gzip (.fits.gz)"):
            assert word in run.out
        assert max(map(len, run.out.splitlines())) <= 80

    def test_version(self):
        first, *more = command("--version").out.splitlines()
        assert first == f"zeroframe {__import__('zeroframe').__version__}"
        assert f"numpy {__import__('numpy').__version__}, " in more[1]


def test_the_same_infinity_in_all_frames_is_no_remark(tmp_path):
    for number in range(3):
        pixels = raw_pixels(number, (60, 80)).astype(np.float32)
        pixels[3, 7], pixels[8, 9] = np.inf, -np.inf
        write_raw(tmp_path / "raw" / f"b{number}.fits", pixels, BUNIT="adu")
    run = command("bias", tmp_path / "raw", "-o", tmp_path / "out", "--trim", "[*,*]")
    assert (run.code, run.err) == (0, "")
