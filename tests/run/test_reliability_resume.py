"""What is right is kept, what is not is named, and what is made again has the bytes of a fresh run."""

from __future__ import annotations

import hashlib
import json
import os
import re
import signal
import threading
import time
from pathlib import Path

import pytest
from astropy.io import fits

from reliability import Fork, bias_arguments, forked, hashes, results, small_night
from workbench import command, names_in, raw_pixels, write_raw
from zeroframe.errors import OutputError
from zeroframe.fits import read_raw
from zeroframe.fits.fingerprint import file_crc32, file_mark
from zeroframe.fits.verify import check_file
from zeroframe.run.lock import LOCK_NAME, folder_lock

FRAMES = 4


@pytest.fixture
def raw(tmp_path):
    return small_night(tmp_path / "raw", FRAMES)


@pytest.fixture
def out(tmp_path):
    return tmp_path / "out"


def bias(raw, out, *more):
    return command(*bias_arguments(raw, out, *more))


def fresh(raw, folder, *more):
    """Return the results of a run that finds nothing."""
    assert bias(raw, folder, *more).code == 0
    return results(folder)


def said_of(out):
    return json.loads((out / "run.json").read_text())


def states(out):
    return {each["name"]: each["state"] for each in said_of(out)["this_run"]["frames"]}


def times(out):
    """When each result was last written."""
    return {
        path.name: path.stat().st_mtime_ns for path in out.iterdir() if path.name not in {"run.json", "report.html"}
    }


class TestProvenance:
    def test_header_of_a_frame(self, raw, out):
        bias(raw, out)
        source = next(iter(sorted(raw.iterdir())))
        header = fits.getheader(out / source.name)
        lines = list(header["HISTORY"])
        assert f"sha256 {file_mark(source).sha256}" in lines
        assert f"zeroframe made this of {source.name}" in lines
        assert any(line.endswith(": overscan [608:632,1:400] auto subtracted") for line in lines)
        assert any(line.endswith(": trimmed to [1:600,1:400]") for line in lines)
        assert header["ZFJOB"] == said_of(out)["outputs"][source.name]["key"]
        assert header["OVERSCAN"].startswith("[608:632,1:400]")
        strip = fits.getdata(source)[:, 607:]
        assert header["OVSCMEAN"] == pytest.approx(strip.mean(), abs=1)

    def test_header_of_the_combined_frame(self, raw, out):
        bias(raw, out)
        header = fits.getheader(out / "combined_bias.fits")
        said = said_of(out)
        names = [path.name for path in sorted(raw.iterdir())]
        lines = list(header["HISTORY"])
        for number, name in enumerate(names, start=1):
            assert header[f"IMCMB{number:03d}"] == name
            assert f"IMCMB{number:03d} ZFJOB {said['outputs'][name]['key']}" in lines
        assert header["ZFJOB"] == said["outputs"]["combined_bias.fits"]["key"]
        assert "OVSCMEAN" not in header
        assert not any(line.startswith(("sha256", "zeroframe made this of")) for line in lines)

    def test_history_of_the_camera_stays(self, tmp_path, out):
        write_raw(tmp_path / "raw" / "b.fits", raw_pixels(1), HISTORY="taken through clouds")
        assert command("bias", tmp_path / "raw", "-o", out, "--trim", "[*,*]").code == 0
        assert fits.getheader(out / "b.fits")["HISTORY"][0] == "taken through clouds"
        assert fits.getheader(out / "combined_bias.fits")["HISTORY"][0] == "taken through clouds"

    def test_run_json(self, raw, out):
        bias(raw, out)
        said = said_of(out)
        assert said["state"] == "finished"
        assert set(said["inputs"]) == {path.name for path in raw.iterdir()}
        for name, mark in said["inputs"].items():
            assert mark == {"sha256": file_mark(raw / name).sha256, "byte_count": (raw / name).stat().st_size}
        for name, mark in said["outputs"].items():
            checked = check_file(out / name)
            assert (checked.crc32, checked.byte_count) == (mark["crc32"], mark["byte_count"])
        frames, groups = said["recipe"]["frames"], said["recipe"]["groups"]
        assert set(frames) == {path.name for path in raw.iterdir()}
        regions = [region for frame in frames.values() for region in frame["recipe"]["regions"]]
        assert [region["trim"] for region in regions] == ["[1:600,1:400]"] * len(frames)
        assert groups["combined_bias.fits"]["frames"] == sorted(frames)
        assert groups["combined_bias.fits"]["spec"]["rejection"]["sigma_high"] == 5.0
        assert {"zeroframe", "code", "numpy", "numba"} <= set(said["versions"])
        assert {choice["what"] for choice in said["choices"]} >= {"overscan", "trim"}
        assert {"look", "bias", "read_back"} <= set(said["this_run"]["seconds"])

    def test_only_this_run_differs_between_runs(self, raw, tmp_path):
        for name in ("a", "b"):
            bias(raw, tmp_path / name)
        first, second = (said_of(tmp_path / name) for name in ("a", "b"))
        assert first.pop("this_run") != second.pop("this_run")
        assert first == second

    def test_every_frame_has_a_state(self, raw, out):
        paths = sorted(raw.iterdir())
        bias(raw, out)
        (out / paths[0].name).unlink()
        content = paths[1].read_bytes()
        paths[1].write_bytes(content[: len(content) // 2])
        assert bias(raw, out, "--overwrite").code == 1
        found = states(out)
        assert [found[path.name] for path in paths] == ["done", "failed", "skipped", "skipped"]
        frames = {each["name"]: each for each in said_of(out)["this_run"]["frames"]}
        assert "cut off" in frames[paths[1].name]["reason"]


class TestResume:
    def test_a_finished_run_is_kept(self, raw, out):
        first = fresh(raw, out)
        before = times(out)
        run = bias(raw, out)
        assert run.code == 0, run.out + run.err
        assert f"Up to date: {FRAMES} calibrated and 1 combined frame" in run.out
        assert "All is well." in run.out
        assert (results(out), times(out)) == (first, before)
        assert set(states(out).values()) == {"skipped"}
        run = bias(raw, out)
        assert run.code == 0
        assert times(out) == before

    @pytest.mark.parametrize("compress", ["none", "gzip", "rice"])
    def test_what_is_missing_is_made(self, raw, out, compress):
        first = fresh(raw, out, "--compress", compress)
        names = sorted(first)
        before = times(out)
        for lost in (names[:1], names[1:3], names[-1:], names[:-1]):
            for name in lost:
                (out / name).unlink()
            run = bias(raw, out, "--compress", compress)
            assert run.code == 0, run.out + run.err
            assert results(out) == first
            after = times(out)
            kept = [name for name in names if name not in lost]
            assert {name: after[name] for name in kept} == {name: before[name] for name in kept}
            before = after

    def test_without_run_json_headers_tell(self, raw, out):
        first = fresh(raw, out)
        before = times(out)
        (out / "run.json").unlink()
        run = bias(raw, out)
        assert run.code == 0, run.out + run.err
        assert (results(out), times(out)) == (first, before)
        assert set(states(out).values()) == {"skipped"}

    @pytest.mark.parametrize(
        "content", [b"", b"{", b"[]", b'{"format": 99}', b"\xff" * 50, b'{"format":1}', b"[" * 9999]
    )
    def test_run_json_that_is_damaged(self, raw, out, content):
        first = fresh(raw, out)
        (out / "run.json").write_bytes(content)
        run = bias(raw, out)
        assert run.code == 0, run.out + run.err
        assert "run.json: cannot be used" in run.err
        # what is not known for a record of ours, say somebody's notes, is kept under another name
        kept = {"run.json.1": hashlib.sha256(content).hexdigest()} if content else {}
        assert results(out) == {**first, **kept}
        assert ("it is kept as run.json.1, and a new one is written" in run.err) == bool(kept)
        assert said_of(out)["state"] == "finished"

    def test_a_frame_that_is_added(self, raw, out, tmp_path):
        more = small_night(tmp_path / "more", FRAMES + 1)
        extra = max(more.iterdir())
        bias(raw, out)
        before = times(out)
        os.link(extra, raw / extra.name)
        run = bias(raw, out)
        assert run.code == 2
        assert f"combined_bias.fits: is there already: it was made without {extra.name}" in run.err
        assert times(out) == before
        assert bias(raw, out, "--overwrite").code == 0
        assert results(out) == fresh(raw, tmp_path / "fresh")
        changed = {name for name, when in times(out).items() if before.get(name) != when}
        assert changed == {extra.name, "combined_bias.fits"}

    def test_a_frame_that_is_changed(self, raw, out, tmp_path):
        bias(raw, out)
        before = times(out)
        victim = sorted(raw.iterdir())[2]
        pixels = fits.getdata(victim)
        pixels[100:110, 100:110] += 7
        victim.unlink()
        write_raw(victim, pixels, IMAGETYP="bias", INSTRUME="another")
        run = bias(raw, out)
        assert run.code == 2
        assert f"it was made of another {victim.name}" in run.err
        assert bias(raw, out, "--overwrite").code == 0
        assert results(out) == fresh(raw, tmp_path / "fresh")
        changed = {name for name, when in times(out).items() if before[name] != when}
        assert changed == {victim.name, "combined_bias.fits"}

    def test_a_frame_that_is_taken_away(self, raw, out, tmp_path):
        bias(raw, out)
        victim = sorted(raw.iterdir())[1]
        victim.unlink()
        run = bias(raw, out)
        assert run.code == 2
        assert f"it was made with {victim.name}" in run.err
        assert bias(raw, out, "--overwrite").code == 0
        expected = fresh(raw, tmp_path / "fresh")
        assert {name: digest for name, digest in results(out).items() if name in expected} == expected
        assert list(said_of(out)["earlier"]) == [victim.name]
        assert command("verify", out).code == 0

    def test_options_for_the_combination(self, raw, out, tmp_path):
        bias(raw, out)
        before = times(out)
        run = bias(raw, out, "--clip", "3")
        assert run.code == 2
        assert "combined_bias.fits: is there already: it was made with other options" in run.err
        assert bias(raw, out, "--clip", "3", "--overwrite").code == 0
        assert results(out) == fresh(raw, tmp_path / "fresh", "--clip", "3")
        assert {name for name, when in times(out).items() if before[name] != when} == {"combined_bias.fits"}

    def test_options_for_the_frames(self, raw, out, tmp_path):
        bias(raw, out)
        run = bias(raw, out, "--overscan-method", "mean")
        assert run.code == 2
        assert f"(and {FRAMES} more of this run): it was made with other options" in run.err
        assert bias(raw, out, "--overscan-method", "mean", "--overwrite").code == 0
        assert results(out) == fresh(raw, tmp_path / "fresh", "--overscan-method", "mean")

    def test_another_version(self, raw, out, monkeypatch):
        bias(raw, out)
        now = {**said_of(out)["versions"], "numpy": "0.1"}
        for module in ("run.result_files", "run.keys", "run.status"):
            monkeypatch.setattr(f"zeroframe.{module}.versions", lambda: now)
        run = bias(raw, out)
        assert run.code == 2
        assert "it was made by another version (numpy" in run.err

    def test_an_altered_result_is_not_kept(self, raw, out):
        first = fresh(raw, out)
        name = sorted(first)[1]
        content = bytearray((out / name).read_bytes())
        # two pixels change places, which no sum of FITS sees
        start = len(content) - 2880 * 20
        content[start : start + 8] = content[start + 4 : start + 8] + content[start : start + 4]
        (out / name).write_bytes(content)
        check_file(out / name)
        run = bias(raw, out)
        assert run.code == 2
        assert f"{name}: is there already: it has been changed since it was made" in run.err
        assert bias(raw, out, "--overwrite").code == 0
        assert results(out) == first

    def test_an_altered_result_without_run_json(self, raw, out):
        first = fresh(raw, out)
        name = sorted(first)[1]
        (out / "run.json").unlink()
        content = bytearray((out / name).read_bytes())
        content[-2880 * 20] ^= 1
        (out / name).write_bytes(content)
        run = bias(raw, out)
        assert run.code == 2
        assert name in run.err
        assert "DATASUM" in run.err

    def test_times_stand_for_the_content_of_raw_frames_unless_told_otherwise(self, raw, out):
        old = time.time_ns() - 10**10
        for path in raw.iterdir():
            os.utime(path, ns=(old, old))
        bias(raw, out)
        victim = min(raw.iterdir())
        content = bytearray(victim.read_bytes())
        content[-2880 * 10] ^= 1
        with victim.open("r+b") as file:  # the same inode
            file.write(content)
        os.utime(victim, ns=(old, old))
        assert bias(raw, out).code == 0
        run = bias(raw, out, "--check")
        assert run.code == 2
        assert f"it was made of another {victim.name}" in run.err

    def test_frames_that_fail_every_time(self, raw, out):
        victim = sorted(raw.iterdir())[1]
        victim.write_bytes(victim.read_bytes()[:9000])
        assert bias(raw, out).code == 1
        first, before = results(out), times(out)
        assert bias(raw, out).code == 1
        assert (results(out), times(out)) == (first, before)

    def test_two_folders_into_one(self, raw, out, tmp_path):
        more = small_night(tmp_path / "more", FRAMES + 2)
        for path in sorted(more.iterdir())[:FRAMES]:
            path.unlink()
        assert bias(raw, out, "--no-combine").code == 0
        assert bias(more, out, "--no-combine").code == 0
        assert len(names_in(out)) == FRAMES + 2
        assert command("verify", out).code == 0
        before = times(out)
        assert bias(raw, out, "--no-combine").code == 0
        assert times(out) == before

    def test_what_dead_runs_left_is_removed(self, raw, out):
        out.mkdir()
        for name in (".ccd.001.0.fits.4711-0123abcd.part", ".run.json.1-00000000.part"):
            (out / name).write_bytes(b"half")
        (out / ".mine.part").write_bytes(b"mine")
        assert bias(raw, out).code == 0
        assert [name for name in names_in(out) if name.startswith(".")] == [".mine.part"]


class TestDryRun:
    def test_shows_and_writes_nothing(self, raw, out):
        run = bias(raw, out, "--dry-run")
        assert run.code == 0
        assert run.out.count(" make ") == FRAMES + 1
        assert f"Nothing was written: {FRAMES + 1} to make." in run.out
        assert not out.exists()

    def test_keep_make_replace_refuse(self, raw, out):
        bias(raw, out)
        (out / "ccd.001.0.fits").unlink()
        before = hashes(out)
        run = bias(raw, out, "--dry-run", "--clip", "4")
        assert run.code == 2
        assert "make    ccd.001.0.fits (of ccd.001.0.fits): is not there yet" in run.out
        assert "keep    ccd.002.0.fits (of ccd.002.0.fits): made of the same raw frame" in run.out
        assert "refuse  combined_bias.fits (of 4 frames): it was made with other options" in run.out
        run = bias(raw, out, "--dry-run", "--clip", "4", "--overwrite")
        assert run.code == 0
        assert "replace combined_bias.fits" in run.out
        assert hashes(out) == before


class TestVerify:
    @pytest.fixture
    def made(self, raw, out):
        assert bias(raw, out).code == 0
        return out

    def test_all_is_as_it_was(self, made, raw):
        run = command("verify", made, "--raw", raw)
        assert run.code == 0
        assert f"verified: {FRAMES + 1} results, and {FRAMES} raw frames" in run.out

    def test_every_kind_of_harm_is_named(self, made, raw):
        names = sorted(names_in(made))
        (made / names[0]).unlink()
        content = bytearray((made / names[1]).read_bytes())
        content[-2880 * 20] ^= 1
        (made / names[1]).write_bytes(content)
        with fits.open(made / names[2], mode="update", output_verify="fix") as hdus:
            hdus[0].header["OBJECT"] = "another"
        content = bytearray((made / names[3]).read_bytes())
        start = len(content) - 2880 * 20
        content[start : start + 8] = content[start + 4 : start + 8] + content[start : start + 4]
        (made / names[3]).write_bytes(content)
        (made / names[4]).write_bytes((made / names[4]).read_bytes()[:-2880])
        write_raw(made / "stranger.fits", raw_pixels(1))
        (made / "notes.txt").write_text("clouds")
        victim = min(raw.iterdir())
        victim.write_bytes(victim.read_bytes().replace(b"LFC", b"LFD"))
        sorted(raw.iterdir())[1].unlink()
        run = command("verify", made, "--raw", raw)
        assert run.code == 1
        said = [line for line in run.out.splitlines() if line.startswith("problem: ")]
        expected = [
            f"{names[0]}: is missing",
            f"{names[1]}: has been altered (its data are not those",
            f"{names[2]}: has been altered",
            f"{names[3]}: has been altered (has other bytes than were written, though valid sums)",
            f"{names[4]}: has been altered (",
            "stranger.fits: was not made by this run",
            f"{victim.name}: is not the raw frame that was calibrated",
            "there is no such file",
        ]
        assert len(said) == len(expected), run.out
        for words in expected:
            assert any(words in line for line in said), words

    def test_a_run_that_did_not_end(self, made):
        said = said_of(made)
        said["state"] = "unfinished"
        (made / "run.json").write_text(json.dumps(said))
        (made / ".x.fits.1-0123abcd.part").touch()
        run = command("verify", made)
        assert run.code == 1
        assert "did not finish" in run.out
        assert "left over from a run that has died" in run.out

    def test_frames_that_failed_are_named(self, raw, out):
        victim = sorted(raw.iterdir())[1]
        victim.write_bytes(victim.read_bytes()[:9000])
        bias(raw, out)
        run = command("verify", out)
        assert run.code == 1
        assert victim.name in run.out

    @pytest.mark.parametrize("where", ["nowhere", "empty"])
    def test_folders_that_hold_no_results(self, tmp_path, where):
        (tmp_path / "empty").mkdir()
        run = command("verify", tmp_path / where)
        assert run.code == 2
        assert str(tmp_path / where) in run.err


class TestReport:
    """The page tells of a run, with its command line, so run.json says what it is where it speaks of this run."""

    @pytest.fixture
    def made(self, raw, out):
        assert command(*bias_arguments(raw, out, report=True)).code == 0
        assert command("verify", out).code == 0
        return out / "report.html"

    def test_it_stands_in_run_json(self, made, out):
        said = said_of(out)
        crc32, size = file_crc32(made)
        assert said["this_run"]["report"] == {"name": "report.html", "crc32": crc32, "byte_count": size}
        assert "report.html" not in said["outputs"]

    @pytest.mark.parametrize("harm", ["altered", "missing", "a folder"])
    def test_verify_tells_and_the_next_run_mends(self, made, raw, out, harm):
        content = made.read_bytes()
        made.unlink()
        if harm == "altered":
            made.write_bytes(content.replace(b"All is well", b"All is bad!"))
        elif harm == "a folder":
            made.mkdir()
        run = command("verify", out)
        assert run.code == 1
        (said,) = [line for line in run.out.splitlines() if line.startswith("problem: ")]
        assert str(made) in said
        assert "run again" in said
        before = times(out)
        if harm == "a folder":
            assert command(*bias_arguments(raw, out, report=True)).code == 1  # it is not ours to replace
            made.rmdir()
        assert command(*bias_arguments(raw, out, report=True)).code == 0
        assert times(out) == before
        assert command("verify", out).code == 0
        assert b"<!DOCTYPE html>" in made.read_bytes()[:100]

    def test_it_is_kept_where_nothing_has_changed(self, made, raw, out):
        before = made.stat()
        for report in (True, False, True):
            assert command(*bias_arguments(raw, out, report=report)).code == 0
            assert made.stat().st_mtime_ns == before.st_mtime_ns
            assert said_of(out)["this_run"]["report"]["byte_count"] == before.st_size

    def test_without_one_nothing_is_missed(self, made, raw, out):
        made.unlink()
        assert bias(raw, out).code == 0
        assert "report" not in said_of(out)["this_run"]
        assert command("verify", out).code == 0

    @pytest.mark.usefixtures("made")
    def test_it_is_made_anew_for_other_results(self, raw, out):
        before = said_of(out)["this_run"]["report"]
        assert bias(raw, out, "--clip", "3", "--overwrite").code == 0
        assert "report" not in said_of(out)["this_run"]  # it told of others
        assert command(*bias_arguments(raw, out, "--clip", "3", report=True)).code == 0
        assert said_of(out)["this_run"]["report"] != before
        assert command("verify", out).code == 0

    @pytest.mark.parametrize("said", ["page", {"name": "report.html"}, {"name": "report.html", "crc32": "x"}, 7])
    @pytest.mark.usefixtures("made")
    def test_run_json_that_says_nonsense_of_it(self, raw, out, said):
        record = said_of(out)
        record["this_run"]["report"] = said
        (out / "run.json").write_text(json.dumps(record))
        run = command(*bias_arguments(raw, out, report=True))
        assert run.code == 0, run.out + run.err
        assert "run.json: cannot be used" in run.err
        assert command("verify", out).code == 0


class TestLock:
    def test_second_run_is_refused(self, raw, out):
        out.mkdir()
        with folder_lock(out):
            run = bias(raw, out)
            assert run.code == 2
            assert f"another run of zeroframe (process {os.getpid()} on " in run.err
            assert "wait until it has ended, or choose another folder with -o" in run.err
            assert names_in(out) == [LOCK_NAME]
            assert bias(raw, out, "--dry-run").code == 0
        assert bias(raw, out).code == 0
        assert LOCK_NAME not in names_in(out)

    def test_two_runs_at_once(self, raw, out, tmp_path):
        runs = [Fork(bias_arguments(raw, out)) for _ in range(4)]
        codes = sorted(run.wait() for run in runs)
        assert codes[0] == 0
        assert set(codes) <= {0, 2}
        assert results(out) == fresh(raw, tmp_path / "fresh")

    def test_a_crash_leaves_no_lock_behind(self, raw, out):
        out.mkdir()
        reader, writer = os.pipe()
        child = forked()
        if child == 0:
            with folder_lock(out):
                os.write(writer, b"!")
                signal.pause()
        assert os.read(reader, 1) == b"!"
        with pytest.raises(OutputError, match=f"process {child} "), folder_lock(out):
            pass
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        assert (out / LOCK_NAME).exists()
        assert bias(raw, out).code == 0

    def test_many_in_turn(self, out):
        """Whoever waits never gets a lock that another holds, though the file is made and removed all the time."""
        out.mkdir()
        inside, most, refused, entered = [0], [0], [0], [0]

        def contend():
            for _ in range(200):
                try:
                    with folder_lock(out):
                        inside[0] += 1
                        entered[0] += 1
                        most[0] = max(most[0], inside[0])
                        inside[0] -= 1
                except OutputError:
                    refused[0] += 1

        threads = [threading.Thread(target=contend) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert most[0] == 1
        assert entered[0] + refused[0] == 800
        assert entered[0] > 0


def cut_to_nothing(out):
    (out / "ccd.002.0.fits").write_bytes(b"")


def cut_in_the_middle(out):
    path = out / "combined_bias.fits"
    path.write_bytes(path.read_bytes()[:500_000] + bytes(300_000))


def lost_the_record(out):
    (out / "run.json").write_bytes(b"")


def all_of_it(out):
    cut_to_nothing(out)
    cut_in_the_middle(out)
    lost_the_record(out)
    (out / "ccd.001.0.fits").unlink()
    (out / ".ccd.003.0.fits.4711-0123abcd.part").write_bytes(bytes(2880))


@pytest.mark.parametrize("loss", [cut_to_nothing, cut_in_the_middle, lost_the_record, all_of_it])
def test_what_a_power_failure_may_leave(raw, out, loss):
    """Nothing is forced to the disk: what had been written may be empty, cut off or gone, in any order."""
    first = fresh(raw, out)
    loss(out)
    run = bias(raw, out)
    if loss is lost_the_record:
        assert run.code == 0
    else:
        assert run.code == 2
        assert "is there already" in run.err
        assert bias(raw, out, "--overwrite").code == 0
    assert results(out) == first
    assert command("verify", out).code == 0


def test_raw_image_of_a_result_is_what_was_combined(raw, out):
    """A kept frame is measured and combined from its file, to the same bits as from memory."""
    first = fresh(raw, out)
    (out / "combined_bias.fits").unlink()
    run = bias(raw, out)
    assert run.code == 0
    assert results(out) == first
    assert read_raw(out / "ccd.001.0.fits", check_sums=True).remarks == ()


def test_every_sentence_of_the_promise_names_tests_that_exist():
    tests = Path(__file__).resolve().parents[1]
    text = (tests.parent / "docs" / "reliability.md").read_text(encoding="utf-8")
    promise = text.partition("`ZEROFRAME_ALL_CASES=1`")[0]
    sentences = [part for part in re.split(r"\n(?=- |## |\n)", promise) if part.startswith("- ")]
    assert len(sentences) >= 14
    for sentence in sentences:
        named = re.findall(r"`(\w+/test_\w+\.py)::(test_\w+)`", sentence)
        assert named, sentence
        for file, name in named:
            assert f"def {name}(" in (tests / file).read_text(encoding="utf-8"), f"{file}::{name}"
